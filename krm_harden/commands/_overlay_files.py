"""How patches are laid out for their readers, and the files that hold them: only our own are replaced or removed."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from krm_harden import limits, source
from krm_harden.commands import _replace
from krm_harden.emit import Style, block
from krm_harden.errors import ConfigError, InputError, KrmHardenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from krm_harden.overlays import Overlay, Patch

MARK = "# Made by `krm-harden patches`"
KUSTOMIZATION = "kustomization.yaml"
COMPONENT = f"""\
{MARK}, which replaces this file when it is run again.
# A kustomization takes it so: components: [{{folder}}]
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
"""
FRAGMENTS = {
    "kustomize": (0, COMPONENT.format(folder="the folder of this file")),
    "flux-kustomization": (2, f"{MARK}: of a Kustomization of Flux.\nspec:\n"),
    "flux-helmrelease": (
        6,
        f"{MARK}: of a HelmRelease of Flux.\nspec:\n  postRenderers:\n  - kustomize:\n",
    ),
}
"""For each format its first lines, and the column at which `patches` stands."""
WHY = {
    "order": "# kustomize puts new items first: this puts them last.",
    "exists": "# The build fails where there is no such object.",
}
LONGEST_NAME = 120


def files(overlays: Sequence[Overlay], folder: str) -> dict[str, str]:
    """The files of a Component by their names: one patch file for each object."""
    found: dict[str, str] = {}
    entries: list[list[str]] = []
    for overlay in overlays:
        name = _file_name(overlay, found)
        for patch in overlay.patches:
            if patch.purpose in WHY:
                entries.append(_inline(patch, 0))
            else:
                found[name] = f"{MARK}.\n{patch.text}"
                entries.append([f"- path: {name}", *_target(patch, 0)])
    return found | {KUSTOMIZATION: COMPONENT.format(folder=folder) + _patches(entries, 0)}


def fragment(overlays: Iterable[Overlay], format_: str) -> str:
    """The patches of all objects in one text."""
    column, head = FRAGMENTS[format_]
    return head + _patches([_inline(patch, column) for overlay in overlays for patch in overlay.patches], column)


def _patches(entries: Sequence[list[str]], column: int) -> str:
    indent = " " * column
    lines = (
        [f"{indent}patches:", *(line for entry in entries for line in entry)] if entries else [f"{indent}patches: []"]
    )
    return "".join(f"{line}\n" for line in lines)


def _inline(patch: Patch, column: int) -> list[str]:
    indent = " " * column
    text = [*([WHY[patch.purpose]] if patch.purpose in WHY else ()), *patch.text.splitlines()]
    return [f"{indent}- patch: |", *(f"{indent}    {line}" for line in text), *_target(patch, column)]


def _target(patch: Patch, column: int) -> list[str]:
    return block("target", dict(patch.target), column + 2, Style()) if patch.target else []


def _file_name(overlay: Overlay, taken: Mapping[str, str]) -> str:
    """`deployment-shop-web.yaml`; with a hash where it would be too long or is taken."""
    said = "-".join(part for part in (overlay.kind, overlay.namespace, overlay.name) if part).lower()
    name = re.sub(r"[^a-z0-9.-]+", "-", said)
    if len(name) <= LONGEST_NAME and f"{name}.yaml" not in {*taken, KUSTOMIZATION}:
        return f"{name}.yaml"
    said = f"{overlay.api_version}\0{overlay}"
    while True:
        # Somebody may have called an object what another one's file is called.
        said = hashlib.sha256(said.encode()).hexdigest()
        longer = f"{name[: LONGEST_NAME - 9]}-{said[:8]}.yaml"
        if longer not in taken:
            return longer


def earlier(place: Path) -> Iterator[tuple[Any, Any]]:
    """The data of each patch that an earlier run has left, and its target; as far as they can be read."""
    path = place / KUSTOMIZATION if place.is_dir() else place
    if not is_ours(path):
        return
    try:
        for entry in _entries(source.read(read(path)).data):
            text = entry["patch"] if "patch" in entry else read(place / entry["path"])
            yield source.read(text).data, entry.get("target")
    except (OSError, UnicodeDecodeError, InputError, LookupError, TypeError):
        return


def _entries(data: Any) -> Any:
    if "spec" not in data:
        return data["patches"]
    spec = data["spec"]
    return spec["patches"] if "patches" in spec else spec["postRenderers"][0]["kustomize"]["patches"]


def is_ours(path: Path) -> bool:
    """Whether a file was made by this command."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline(len(MARK)) == MARK
    except OSError:
        return False


def on_disk(folder: Path) -> dict[str, str]:
    """Our own files in a folder. Raises ConfigError where the folder isn't one."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise ConfigError("is no folder", str(folder), "-o names a folder, which is made where it is missing")
        return {}
    return {path.name: read(path) for path in sorted(folder.iterdir()) if is_ours(path)}


def read(path: Path) -> str:
    """The text of one of our files, line endings as they are. Raises InputError."""
    return limits.read_input(path).decode(errors="replace")


def must_be_ours(paths: Iterable[Path]) -> None:
    """Raises ConfigError for a file that is there and wasn't made by this command."""
    for path in paths:
        if (path.exists() or path.is_symlink()) and not is_ours(path):
            message = "wasn't made by `krm-harden patches`, and is left as it is"
            raise ConfigError(message, str(path), "move it away, or name another place with -o")


def write(folder: Path, old: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Put files in a folder, and take those of the old ones away that aren't wanted. Raises KrmHardenError."""
    # The kustomization last: until then the old one names only what is still there.
    for name in sorted(wanted, key=lambda name: (name == KUSTOMIZATION, name)):
        if old.get(name) != wanted[name]:
            _write(folder, name, wanted[name])
    for name in old.keys() - wanted.keys():
        (folder / name).unlink()


def _write(folder: Path, name: str, text: str) -> None:
    """One file, whole or not at all. Raises KrmHardenError."""
    try:
        _replace.put_in(folder, name, text.encode())
    except OSError as error:
        next_step = "run the command again"
        raise KrmHardenError(f"can't be written: {error.strerror}", str(folder / name), next_step) from None
    except UnicodeEncodeError:
        named = ascii(str(folder / name))
        raise KrmHardenError("would name a file whose name isn't UTF-8", named, "rename it") from None

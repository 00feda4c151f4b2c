"""The files of `krm-harden network`: one a namespace, and a picture; only our own are replaced or removed."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from krm_harden import limits
from krm_harden.commands import _replace
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.network.model import is_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from krm_harden.network.plan import Plan

MARK = "# Made by `krm-harden network`"
HEAD = f"""\
{MARK}, which replaces this text when it is run again.
# Calls that its input doesn't show are cut off: try it where nobody minds, first.
---
"""
NAME = "network-policies"
PICTURES = (".svg", ".mmd", ".mermaid")


def texts(made: Plan) -> dict[str, str]:
    """The text of each file by its name, the namespaces in order."""
    return {
        _name_of(namespace): HEAD + "---\n".join(policy.text() for policy in policies)
        for namespace, policies in made.policies.items()
        if policies
    }


def _name_of(namespace: str) -> str:
    """The file of a namespace: what is no name to a server, such as a placeholder, must not lead out of the folder."""
    if not namespace or is_namespace(namespace):
        return f"{NAME}-{namespace}.yaml" if namespace else f"{NAME}.yaml"
    digest = hashlib.sha256(namespace.encode(errors="replace")).hexdigest()[:8]
    return f"{NAME}-{re.sub('[^A-Za-z0-9]+', '-', namespace)[:60].strip('-')}-{digest}.yaml"


def must_be_a_picture(name: str) -> None:
    """Raises ConfigError for a file whose name doesn't say which sort of picture it is."""
    if not name.endswith(PICTURES):
        raise ConfigError("isn't the name of a picture that can be drawn", name, "end it in .svg or .mmd")


def stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """The files that aren't what they should be, or shouldn't be there."""
    there = _on_disk(folder)
    return [str(folder / name) for name in sorted({*there, *wanted}) if there.get(name) != wanted.get(name)]


def stale_pictures(drawn: Mapping[str, str]) -> list[str]:
    """The same for pictures."""
    from pathlib import Path

    return [name for name, text in drawn.items() if _text(Path(name)) != text]


def put(folder: Path, wanted: Mapping[str, str]) -> None:
    """Write the files, and take away those of an earlier run that aren't wanted. Raises KrmHardenError."""
    there = _on_disk(folder)
    for name in wanted:
        path = folder / name
        if name not in there and (path.exists() or path.is_symlink()):
            message = "wasn't made by `krm-harden network`, and is left as it is"
            raise ConfigError(message, str(path), "move it away, or name another place with -o")
    for name, text in wanted.items():
        if there.get(name) != text:
            _put(folder, name, text)
    for name in sorted(there.keys() - wanted.keys()):
        _remove(folder / name)


def put_picture(path: Path, text: str) -> None:
    """Write a picture. Raises KrmHardenError."""
    if _text(path) != text:
        _put(path.parent, path.name, text)


def _on_disk(folder: Path) -> dict[str, str]:
    """Our own files in a folder."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise ConfigError("is no folder", str(folder), "-o names a folder, which is made where it is missing")
        return {}
    found = {path.name: _text(path) for path in folder.glob(f"{NAME}*.yaml") if not path.is_symlink()}
    return {name: text for name, text in sorted(found.items()) if text is not None and text.startswith(MARK)}


def _text(path: Path) -> str | None:
    try:
        return limits.read_file(path).decode(errors="replace")
    except OSError:
        return None
    except InputError as error:
        error.where = str(path)
        raise


def _put(folder: Path, name: str, text: str) -> None:
    try:
        _replace.put_in(folder, name, text.encode())
    except OSError as error:
        next_step = "run the command again"
        raise KrmHardenError(f"can't be written: {error.strerror}", str(folder / name), next_step) from None


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        message = f"can't be removed: {error.strerror}"
        raise KrmHardenError(message, str(path), "remove it: nothing is written for its namespace now") from None

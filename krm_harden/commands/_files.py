"""Files of the command line: which ones, and what is in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import limits, source
from krm_harden.errors import ConfigError, InputError
from krm_harden.resources import KUSTOMIZATIONS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from pathspec import GitIgnoreSpec

    from krm_harden.commands._replace import Root

SUFFIXES = {".yaml", ".yml", ".json"}
SKIPPED_FOLDERS = {".git", "charts", "vendor"}
EDITED = ".#"
"""How Emacs marks a file that somebody edits: a link that leads nowhere, beside it."""
IGNORE_FILES = (".gitignore", ".krmignore")
LEFT_ALONE = {**dict.fromkeys(KUSTOMIZATIONS, "a kustomization"), "Kptfile": "a package's own file"}


def find(paths: Iterable[str], exclude: Iterable[str] = ()) -> Iterator[Path]:
    """The files to look at: those named, and the manifests below folders, sorted.

    Raises ConfigError for a missing path.
    """
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from _below(path, _spec(exclude))
        elif path.exists():
            yield path
        else:
            _must_be_no_url(name)
            raise ConfigError("there is no such file or folder", name)


def _must_be_no_url(name: str) -> None:
    """Raises ConfigError for a URL: only `check` reads those."""
    if "://" in name:
        from krm_harden.fleet.names import shown

        step = "`krm-harden check` reads it; to change what is there, get its files, then put them back"
        raise ConfigError("is a URL, and this command works on files", shown(name), step)


def as_of_folders(files: Iterable[Path], exclude: Iterable[str] = ()) -> list[Path]:
    """Those of a list of files that a run over the repository's folders would look at."""
    here = Path(os.path.abspath("."))
    top = next((one for one in (here, *here.parents) if (one / ".git").exists()), here)
    spec = _spec(exclude)
    known: dict[Path, list[tuple[Path, GitIgnoreSpec]]] = {top: _ignores_of(top)}
    return [path for path in files if _is_of_folders(Path(os.path.abspath(path)), top, known, spec)]


def _is_of_folders(
    path: Path, top: Path, known: dict[Path, list[tuple[Path, GitIgnoreSpec]]], exclude: GitIgnoreSpec
) -> bool:
    if not path.is_relative_to(top):
        return True
    if SKIPPED_FOLDERS.intersection(path.relative_to(top).parts[:-1]) or _leads_out(path, top):
        return False
    return not _ignored(path, _ignores_on_the_way(path.parent, known), top, exclude)


def _ignores_on_the_way(
    folder: Path, known: dict[Path, list[tuple[Path, GitIgnoreSpec]]]
) -> list[tuple[Path, GitIgnoreSpec]]:
    """The ignore files between the top, which is known, and a folder within it."""
    if folder not in known:
        known[folder] = _ignores_on_the_way(folder.parent, known) + _ignores_of(folder)
    return known[folder]


def _spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns)


def _below(root: Path, exclude: GitIgnoreSpec) -> Iterator[Path]:
    """The manifests below a folder that no ignore file on the way to them excludes."""
    ignores: dict[Path, list[tuple[Path, GitIgnoreSpec]]] = {root.parent: _ignores_above(root)}
    for folder, folders, files in os.walk(root, onerror=_cannot_list):
        here = Path(folder)
        specs = ignores[here.parent if here != root else root.parent] + _ignores_of(here)
        ignores[here] = specs
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED_FOLDERS and not _ignored(here / name, specs, root, exclude, "/")
        )
        for name in sorted(files):
            path = here / name
            if (
                (path.suffix in SUFFIXES or name in LEFT_ALONE)
                and not name.startswith(EDITED)
                and not _leads_out(path, root)
                and not _ignored(path, specs, root, exclude)
            ):
                yield path


def _cannot_list(error: OSError) -> None:
    raise InputError(f"{error.filename}: the folder can't be read: {error.strerror}")


def _ignores_of(folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    found = []
    for name in IGNORE_FILES:
        path = folder / name
        if path.is_file():
            text = limits.read_input(path).decode(errors="replace")
            found.append((folder, _spec(text.splitlines())))
    return found


def _ignores_above(root: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    """The ignore files between the repository's top and a folder within it."""
    above = []
    absolute = root.resolve()
    for parent in absolute.parents:
        if (absolute / ".git").exists():
            break
        above.append(parent)
        if (parent / ".git").exists():
            return [found for folder in reversed(above) for found in _ignores_of(folder)]
    return []


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a link leads to a file outside the folder: that one isn't ours to change."""
    return path.is_symlink() and not os.path.realpath(path).startswith(os.path.realpath(root) + os.sep)


def _ignored(
    path: Path, specs: list[tuple[Path, GitIgnoreSpec]], root: Path, exclude: GitIgnoreSpec, tail: str = ""
) -> bool:
    if exclude.match_file(path.relative_to(root).as_posix() + tail) or exclude.match_file(path.as_posix() + tail):
        return True
    absolute = Path(os.path.abspath(path)) if specs else path
    for folder, spec in specs:
        try:
            relative = absolute.relative_to(os.path.abspath(folder))
        except ValueError:
            continue
        if spec.match_file(relative.as_posix() + tail):
            return True
    return False


def root(path: Path, roots: Iterable[Root], named: Container[Path]) -> Root | None:
    """The folder that a file was found in; None where the file itself was named."""
    if path in named:
        return None
    return next((folder for folder in roots if path.is_relative_to(folder.path)), None)


def patches(files: Iterable[Path]) -> dict[Path, str]:
    """The files that a kustomization beside or below the given files names as patches, and its name."""
    found: dict[Path, str] = {}
    folders = {path.parent for path in files}
    for folder in sorted(folders | {folder.parent for folder in folders}):
        for name in KUSTOMIZATIONS:
            kustomization = folder / name
            if kustomization.is_file():
                for patch in _patches_of(kustomization):
                    found[Path(os.path.realpath(folder / patch))] = str(kustomization)
    return found


def _patches_of(kustomization: Path) -> Iterator[str]:
    try:
        data = limits.read_file(kustomization)
    except OSError:
        return
    except InputError as error:
        error.where = str(kustomization)
        raise
    yield from patches_in(data)


def patches_in(kustomization: bytes) -> Iterator[str]:
    """The paths that a kustomization's text names as patches; none of one that can't be read."""
    try:
        data: Any = source.read(kustomization.decode("utf-8")).data
    except (UnicodeDecodeError, InputError):
        return
    if not isinstance(data, dict):
        return
    for patch in data.get("patchesStrategicMerge") or ():
        if isinstance(patch, str) and "\n" not in patch:
            yield patch
    for field in ("patches", "patchesJson6902"):
        for patch in data.get(field) or ():
            if isinstance(patch, dict) and isinstance(patch.get("path"), str):
                yield patch["path"]


def read(path: Path) -> bytes:
    """What is in a file. Raises OSError, and InputError where it is beyond a limit."""
    return limits.read_file(path)

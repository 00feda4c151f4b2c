"""Which files of a source are manifests: by the rules that hold for a folder, on a list of paths."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from krm_harden.commands import _files
from krm_harden.resources import KUSTOMIZATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pathspec import GitIgnoreSpec

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst")


class Chosen(NamedTuple):
    """A file to look at; with a `reason`, one to leave alone, and the `cause` that sorts that."""

    path: str
    reason: str = ""
    cause: str = ""


def chosen(paths: Iterable[str], read: Callable[[str], bytes], exclude: Iterable[str], name: str) -> list[Chosen]:
    """The manifests among the files of a source that is called `name`, in the order of a folder's.

    `read` is asked for ignore files and kustomizations alone.
    """
    known = set(paths)
    root = Path(name)
    spec, ignores = _files._spec(exclude), _ignores(known, read, root)
    found = sorted((path for path in known if _is_manifest(path, root, ignores, spec)), key=_as_walked)
    patches = _patches(found, known, read, name)
    return [_judged(path, patches) for path in found]


def is_safe(path: str) -> bool:
    """Whether a path of others stays below its root, and is the only way to write it."""
    return bool(path) and not path.startswith("/") and not {"", ".", ".."}.intersection(path.split("/"))


def may_matter(path: str) -> bool:
    """Whether a file's bytes can be asked for at all."""
    name = posixpath.basename(path)
    return PurePosixPath(path).suffix in _files.SUFFIXES or name in _files.LEFT_ALONE or name in _files.IGNORE_FILES


def _judged(path: str, patches: dict[str, str]) -> Chosen:
    reason = _files.LEFT_ALONE.get(posixpath.basename(path), "")
    if path in patches:
        return Chosen(path, f"a kustomize patch of {patches[path]}", "patch")
    return Chosen(path, reason)


def _is_manifest(path: str, root: Path, ignores: dict[str, GitIgnoreSpec], exclude: GitIgnoreSpec) -> bool:
    *folders, name = path.split("/")
    if _files.SKIPPED_FOLDERS.intersection(folders) or name.startswith(_files.EDITED):
        return False
    if PurePosixPath(name).suffix not in _files.SUFFIXES and name not in _files.LEFT_ALONE:
        return False
    specs: list[tuple[Path, GitIgnoreSpec]] = []
    for depth in range(len(folders) + 1):
        here = "/".join(folders[:depth])
        if here and _files._ignored(root / here, specs, root, exclude, "/"):
            return False
        if here in ignores:
            specs.append((root / here, ignores[here]))
    return not _files._ignored(root / path, specs, root, exclude)


def _ignores(known: Iterable[str], read: Callable[[str], bytes], root: Path) -> dict[str, GitIgnoreSpec]:
    """The ignore files by their folders; of two in one folder both hold."""
    del root
    lines: dict[str, list[str]] = {}
    for path in sorted(known):
        if posixpath.basename(path) in _files.IGNORE_FILES:
            lines.setdefault(posixpath.dirname(path), []).extend(read(path).decode(errors="replace").splitlines())
    return {folder: _files._spec(found) for folder, found in lines.items()}


def _patches(found: Iterable[str], known: set[str], read: Callable[[str], bytes], name: str) -> dict[str, str]:
    """The files that a kustomization beside or above the given ones names as patches, and what reports call it."""
    folders = {posixpath.dirname(path) for path in found}
    named: dict[str, str] = {}
    for folder in sorted(folders | {posixpath.dirname(folder) for folder in folders}):
        for kustomization in (posixpath.join(folder, one) for one in KUSTOMIZATIONS):
            if kustomization in known:
                for patch in _files.patches_in(read(kustomization)):
                    named[posixpath.normpath(posixpath.join(folder, patch))] = f"{name}/{kustomization}"
    return named


def _as_walked(path: str) -> tuple[tuple[int, str], ...]:
    """The order of os.walk: a folder's own files before the folders in it."""
    *folders, name = path.split("/")
    return (*((1, folder) for folder in folders), (0, name))

"""What a kustomization would fetch, or read outside of its repository: found by reading, before kustomize runs.

kustomize clones what looks like a repository and downloads what is a URL, wherever a path may stand: bases, patches,
generators' files, schemas. Its fields, and how it reads them: api/types/kustomization.go, api/loader and
api/internal/git/repospec.go of kustomize v5.
"""

from __future__ import annotations

import os

from krm_harden import limits, source, split
from krm_harden.errors import InputError
from krm_harden.model import mapping
from krm_harden.resources import KUSTOMIZATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_FOLDERS = 1000
WHERE = "ARGOCD_APP_SOURCE_PATH"
"""Argo CD's variable for the path of an application's folder in its repository."""
_FOLDERS = ("resources", "bases", "components")
_CONFIGURATIONS = ("generators", "transformers", "validators")
_FILES = ("crds", "configurations", "patchesstrategicmerge")
_WITH_PATH = ("patches", "patchesjson6902", "replacements")
_GENERATORS = ("configmapgenerator", "secretgenerator")
_CHARTS = ("helmcharts", "helmchartinflationgenerator", "helmglobals")
_PLACES = {"path", "paths", "files", "envs", "env", "repo", "valuesfile", "additionalvaluesfiles"}
"""Fields of kustomize's own transformers and generators in which a path stands."""
_HARMLESS = {
    *("apiversion", "kind", "metadata", "namespace", "nameprefix", "namesuffix", "labels", "commonlabels"),
    *("commonannotations", "buildmetadata", "sortoptions", *_FOLDERS),
}
"""Fields of a kustomization that change no more of what is in its folders than metadata."""
_NEXT = "vendor it, or let the administrator set KRM_HARDEN_REMOTE=allow"


def check(folder: str, root: str) -> None:
    """Raises InputError that names the file and the entry for what isn't in the repository at `root`."""
    waiting = [(folder, False)]
    seen: set[tuple[str, bool]] = set()
    while waiting:
        named, configures = waiting.pop()
        here = os.path.realpath(named)
        if (here, configures) in seen:
            continue
        seen.add((here, configures))
        if len(seen) > MAX_FOLDERS:
            raise InputError(f"more than {MAX_FOLDERS} kustomizations", next_step="split the application")
        for name in KUSTOMIZATIONS:
            path = os.path.join(here, name)
            if os.path.lexists(path):
                waiting += _followed(path, root, configures=configures)


def is_remote(entry: str) -> bool:
    """Whether kustomize may take an entry for something to fetch. Rather one too many than one too few."""
    text = entry.strip().casefold()
    user, at, _ = text.partition("@")
    return (
        "://" in text
        or "::" in text
        or "?" in text
        or text.startswith(("github.com", "oci:", "file:"))
        or bool(at and user and user.replace("-", "").isalnum())
        or _is_scp(text)
    )


def _is_scp(text: str) -> bool:
    """Whether an entry reads like `host.example:folder`."""
    host, colon, _ = text.partition(":")
    return bool(colon) and "." in host and "/" not in host


def _followed(path: str, root: str, *, configures: bool) -> Iterator[tuple[str, bool]]:
    """The folders that a kustomization is made of, once each of its entries is known to be in the repository.

    `configures`: what it builds are the transformers of another one, and so it is with the folders that come with True.
    """
    where = os.path.relpath(path, root)
    document = _read(path, root, where)
    here = os.path.dirname(path)
    if configures:
        for field in mapping(document).keys() - _HARMLESS:
            raise InputError(
                f"{where}: {field} isn't allowed in what configures another one: it could change what is fetched",
                next_step=f"write the configuration as it is to be, or {_NEXT.partition(', or ')[2]}",
            )
    for field, value in _fields(document):
        if field in _CHARTS:
            raise InputError(f"{where}: {field} isn't allowed: a chart is fetched", next_step=_NEXT)
        made_of = field in _CONFIGURATIONS or (configures and field in _FOLDERS)
        for entry in _entries(field, value):
            if field in _CONFIGURATIONS and "\n" in entry.strip():
                _check_configuration(entry.encode(), where, here, root)
                continue
            target = _inside(entry, field, where, here, root)
            if os.path.isdir(target):
                yield target, made_of
            elif made_of and os.path.isfile(target):
                _check_configuration(limits.read_input(target, where), os.path.relpath(target, root), here, root)


def _read(path: str, root: str, where: str) -> Any:
    """The data of a kustomization, its keys as kustomize compares them: without regard to case."""
    if not is_inside(path, root):
        raise InputError(f"{where}: is a link that leaves the repository, or leads nowhere")
    try:
        data, _ = split.decode(limits.read_input(path, where))
        document = source.read(data.decode())
        for name, _, line in document.duplicates:
            raise InputError(f"the key {name!r} stands twice", line)
        return _folded(document.data)
    except InputError as error:
        at = f":{error.line + 1}" if error.line >= 0 else ""
        raise InputError(f"{where}{at}: {error.message}", next_step=error.next_step) from None


def _folded(data: Any) -> Any:
    if isinstance(data, list):
        return [_folded(item) for item in data]
    if not isinstance(data, dict):
        return data
    folded = {key.casefold(): _folded(value) for key, value in data.items()}
    if len(folded) < len(data):
        raise InputError("a key stands twice, in upper and lower case")
    return folded


def _fields(document: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a kustomization that name something, and what they hold."""
    known = (*_FOLDERS, *_CONFIGURATIONS, *_FILES, *_WITH_PATH, *_GENERATORS, *_CHARTS, "openapi")
    for field in known:
        value = mapping(document).get(field)
        if value:
            yield field, value


def _entries(field: str, value: Any) -> Iterator[str]:
    """The paths that a field names."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            # A patch may stand where its file's name could.
            if field != "patchesstrategicmerge" or "\n" not in item.strip():
                yield item
        elif isinstance(item, dict):
            for name in ("path", "env", "files", "envs"):
                yield from _paths(item.get(name), keyed=name == "files")


def _paths(value: Any, *, keyed: bool = False) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            _, equals, path = item.partition("=")
            yield path if keyed and equals else item


def _inside(entry: str, field: str, where: str, here: str, root: str) -> str:
    """The file or folder that an entry names. Raises InputError when it isn't in the repository."""
    if is_remote(entry):
        raise InputError(f"{where}: {field}: {entry[:200]!r} is remote, and nothing is fetched", next_step=_NEXT)
    target = os.path.join(here, entry)
    if not is_inside(target, root):
        gone = "isn't there" if not os.path.lexists(target) and _is_below(target, root) else "leaves the repository"
        here_is = "" if WHERE in os.environ else f"{WHERE} says where its top is: the path from there to this folder"
        raise InputError(f"{where}: {field}: {entry[:200]!r} {gone}", next_step=here_is)
    return os.path.realpath(target)


def is_inside(path: str, root: str) -> bool:
    """Whether a path leads to something below a folder, all links followed."""
    return os.path.exists(path) and _is_below(path, root)


def _is_below(path: str, root: str) -> bool:
    real, top = os.path.realpath(path), os.path.realpath(root)
    return real == top or real.startswith(top.rstrip("/") + "/")


def _check_configuration(data: bytes, where: str, here: str, root: str) -> None:
    """Raises InputError for a generator or transformer that would fetch something."""
    try:
        text, _ = split.decode(data)
        documents = [_folded(source.read(chunk.decode()).data) for chunk in split.documents(text)]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for document in documents:
        kind = str(mapping(document).get("kind"))
        if kind.casefold() in _CHARTS:
            raise InputError(f"{where}: {kind} isn't allowed: a chart is fetched", next_step=_NEXT)
        for field, entry in _named(document):
            # A path within an object may stand here too: only a URL is anything else for certain.
            if "://" in entry:
                _inside(entry, field, where, here, root)


def _named(data: Any) -> Iterator[tuple[str, str]]:
    """Every string that stands in a field for paths, at any depth."""
    for item in data if isinstance(data, list) else []:
        yield from _named(item)
    for key, value in mapping(data).items():
        if key in _PLACES:
            for entry in _paths(value, keyed=key == "files"):
                yield key, entry
        yield from _named(value)

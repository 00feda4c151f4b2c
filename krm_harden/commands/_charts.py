"""What a chart would fetch, or read outside of its repository: found by reading, before helm runs.

helm follows links to files and folders, and asks for whatever a schema of values refers to, also in a packed chart.
How it reads: pkg/chart/loader, internal/sympath and pkg/chartutil/jsonschema.go of helm v3 and v4.
"""

from __future__ import annotations

import io
import os
import tarfile

from krm_harden import limits, source, split
from krm_harden.commands._kustomizations import is_inside
from krm_harden.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

SCHEMA = "values.schema.json"
PACKED = ".tgz"
MOST = 100 << 20
"""The bytes that helm unpacks of a chart."""
_MAX_DEPTH = 20
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_KNOWN = ("http://json-schema.org/", "https://json-schema.org/")
"""Where the drafts are that helm has with it; others there, it finds no way to."""


def check(folder: str, root: str, *, remote: bool) -> None:
    """Raises InputError for a link that leaves the repository at `root`; unless `remote`, for a schema elsewhere."""
    for path in _below(folder, root):
        where = os.path.relpath(path, root)
        if remote or not os.path.isfile(path):
            continue
        if os.path.basename(path) == SCHEMA:
            _check_schema(limits.read_input(path, where), where)
        elif path.endswith(PACKED) and "charts" in os.path.relpath(path, folder).split(os.sep)[:-1]:
            with open(path, "rb") as file:
                _check_packed(file, where, 0, _Read())


def _below(folder: str, root: str) -> Iterator[str]:
    """Every file below a folder, and below the folders that links lead to. Raises InputError for one that leaves."""
    waiting = [folder]
    seen = set()
    while waiting:
        here = waiting.pop()
        if os.path.realpath(here) in seen:
            continue
        seen.add(os.path.realpath(here))
        for name in sorted(set(os.listdir(here)) - {".git"}):
            path = os.path.join(here, name)
            if os.path.islink(path) and not is_inside(path, root):
                where = os.path.relpath(path, root)
                raise InputError(f"{where}: is a link that leaves the repository, or leads nowhere")
            if os.path.isdir(path):
                waiting.append(path)
            else:
                yield path


class _Read:
    """How much a packed chart, and all that are packed in it, have held so far."""

    def __init__(self) -> None:
        self._files = 0
        self._bytes = 0

    def add(self, size: int, where: str) -> None:
        """Note one file. Raises InputError beyond the limits."""
        self._files += 1
        self._bytes += size
        most = limits.now()
        if self._files > most["archiveEntries"]:
            raise limits.exceeded("archiveEntries", f"{where}: has more than {most['archiveEntries']} files")
        if self._bytes > most["bytes"]:
            raise limits.exceeded("bytes", f"{where}: holds more than {most['bytes']} bytes, unpacked")


def _check_packed(file: BinaryIO, where: str, depth: int, read: _Read) -> None:
    """Raises InputError for such a schema in a packed chart, and for one that can't be looked into."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{where}: charts packed more than {_MAX_DEPTH} levels deep")
    from krm_harden.images.sources.streams import LimitedTarInfo  # which refuses headers that would fill the memory

    size = 0
    try:
        with tarfile.open(fileobj=file, mode="r|gz", tarinfo=LimitedTarInfo) as packed:
            for member in packed:
                packed.members = []  # type: ignore[attr-defined]  # it would keep them all
                read.add(member.size, where)
                size += member.size
                if size > MOST:
                    raise InputError(f"{where}: is larger than the {MOST >> 20} MiB that helm unpacks")
                _check_member(packed, member, where, depth, read)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise InputError(f"{where}: isn't a packed chart: {error}") from None


def _check_member(packed: tarfile.TarFile, member: tarfile.TarInfo, where: str, depth: int, read: _Read) -> None:
    # A type that isn't known is a file, also for helm; a link has no content for it.
    inner = None if member.issym() or member.islnk() else packed.extractfile(member)
    if inner is None:
        return
    if SCHEMA in member.name:
        _check_schema(inner.read(), f"{where}: {member.name}")
    elif PACKED in member.name and "charts" in member.name.replace("\\", "/").split("/"):
        _check_packed(io.BytesIO(inner.read()), f"{where}: {member.name}", depth + 1, read)


def _check_schema(data: bytes, where: str) -> None:
    """Raises InputError for a schema of values that refers to another file or host."""
    try:
        text, _ = split.decode(data)
        waiting = [source.read(text.decode()).data]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            for name, target in _elsewhere(value):
                raise InputError(f"{where}: {name} {target[:200]!r} leaves the file, and nothing is fetched")


def _elsewhere(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The references of a schema that helm would have to fetch."""
    for name in _REFERENCES:
        target = schema.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            yield name, target
    draft = schema.get("$schema")
    if isinstance(draft, str) and not draft.startswith(_KNOWN):
        yield "$schema", draft

"""What a report says to those who read it elsewhere: where a file lies in its repository, which finding is which."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from krm_harden.model import json_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, Pointer, Resource, ResourceResult

STDIN = "-"
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_AT = re.compile(r"line (\d+)(?:, column (\d+))?: ")


class Repository:
    """The tree that paths of a report are relative to, as forges want them.

    It is the repository of a folder, the working folder unless another is named; for a file outside it that file's
    own; without any, the folder.
    """

    def __init__(self, folder: str | Path = ".") -> None:
        self._here = Path(os.path.abspath(folder))
        self._root = _repository(self._here)

    @property
    def root(self) -> Path:
        """The tree of the folder itself."""
        return self._root or self._here

    def path(self, name: str) -> str:
        """A file's path below its root, with forward slashes; absolute where it is below none, empty for stdin.

        What is elsewhere is called by its address.
        """
        if name == STDIN:
            return ""
        if "://" in name:
            return name
        file = Path(os.path.abspath(name))
        for root in (self._root, _repository(file.parent), self._here):
            if root is not None and file.is_relative_to(root):
                return file.relative_to(root).as_posix()
        return file.as_posix()

    def uri(self, name: str) -> str:
        """The same as a URI (RFC 3986), relative where the path is; `stdin` for standard input."""
        path = self.path(name)
        if "://" in path:
            return quote(path, safe=":/@")
        written = quote(os.fsencode(path))
        return f"file://{written}" if path.startswith("/") else written or "stdin"


def _repository(folder: Path) -> Path | None:
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)


def unread(inputs: Iterable[Input]) -> Iterator[tuple[str, int, int, str]]:
    """What couldn't be read or written: file, line and column from 1 (0 is unknown), and why."""
    for made in inputs:
        for message in (made.error, *(chunk.error for chunk in made.chunks)):
            if message:
                yield made.name, *at(message), message


def at(message: str) -> tuple[int, int]:
    """The line and column, from 1, with which an error's words begin; 0 is unknown."""
    found = _AT.match(message)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def fingerprints(
    inputs: Iterable[Input], repository: Repository
) -> Iterator[tuple[Input, ResourceResult, Finding, str]]:
    """Every finding with what stays the same while lines and containers move; no two are the same in one run."""
    met: dict[str, int] = {}
    for made in inputs:
        uri = repository.uri(made.name)
        for chunk in made.chunks:
            for result in chunk.resources:
                for finding in result.findings:
                    name = identity(uri, result.resource, finding)
                    met[name] = met.get(name, 0) + 1
                    yield made, result, finding, f"{name}:{met[name]}"


def identity(file: str, resource: Resource, finding: Finding) -> str:
    """A hash of what a finding is about, wherever in its file that stands."""
    import hashlib

    parts = (
        file,
        resource.group,
        resource.kind,
        resource.namespace,
        resource.name,
        finding.container,
        finding.control,
        json_pointer(field(finding)),
        *((finding.vulnerability["id"],) if finding.vulnerability else ()),
    )
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def field(finding: Finding) -> Pointer:
    """The place of a finding; containers have names: their order is no part of what they are."""
    pointer = finding.pointer
    if not finding.container:
        return pointer
    pairs = zip(("", *pointer), pointer, strict=False)
    return tuple("*" if before in CONTAINERS else step for before, step in pairs)

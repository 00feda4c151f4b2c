"""Which images some manifests name, and where: the containers of all pods that `fix` would look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import engine as engines
from krm_harden import limits, source, split
from krm_harden.commands import _files, _streams
from krm_harden.commands._run import STDIN
from krm_harden.errors import InputError
from krm_harden.images.names import parse
from krm_harden.model import mapping
from krm_harden.resources import resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.engine import Engine
    from krm_harden.model import Container, Pod
    from krm_harden.source import Document

SOURCES_OF_DATA = ("ConfigMap", "Secret")
"""Kinds whose data a probe may mount."""

_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
_NAME = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::{_TAG})?(?:@{_DIGEST})?")
"""What a registry knows an image by (distribution/reference, `regexp.go`)."""
_TEMPLATES = ("{{", "${", "$(", "{%", "%(")


@dataclass(frozen=True)
class Use:
    """A container that names an image, and where that is written."""

    image: str
    file: str
    line: int
    pod: Pod
    container: Container

    def __str__(self) -> str:
        return f'{self.file}:{self.line}: {self.pod.resource}: container "{self.container.name}"'


@dataclass(frozen=True)
class Found:
    """What some inputs name.

    `notes` are about names that are no image's yet; `errors` are about inputs that couldn't be read. `data` has the
    ConfigMaps and Secrets, by kind, namespace and name.
    """

    uses: tuple[Use, ...]
    notes: tuple[str, ...]
    errors: tuple[str, ...]
    data: Mapping[tuple[str, str, str], Mapping[str, Any]]
    is_empty: bool

    def by_reference(self) -> dict[str, list[Use]]:
        """The uses of each image, by its name spelled out."""
        found: dict[str, list[Use]] = {}
        for use in self.uses:
            found.setdefault(str(parse(use.image)), []).append(use)
        return {name: found[name] for name in sorted(found)}

    def by_image(self) -> dict[str, list[Use]]:
        """The uses of each image, by its name as it is written."""
        found: dict[str, list[Use]] = {}
        for use in self.uses:
            found.setdefault(use.image.strip(), []).append(use)
        return found


def places(uses: Iterable[Use]) -> str:
    """Where an image is used: the first place, and how many others there are."""
    first, *others = uses
    return f"{first} (and {len(others)} more)" if others else str(first)


def gather(engine: Engine, paths: list[str], exclude: Iterable[str] = (), *, with_data: bool = False) -> Found:
    """The images of files, folders and stdin. Raises ConfigError for a missing path."""
    reader = _Reader(engine, with_data=with_data)
    if STDIN in paths:
        reader.read(STDIN, _streams.read_stdin())
    named = {Path(path) for path in paths if path != STDIN and not Path(path).is_dir()}
    for path in dict.fromkeys(_files.find([path for path in paths if path != STDIN], exclude)):
        reader.read_file(path, named=path in named)
    return reader.found()


class _Reader:
    """What was found so far."""

    def __init__(self, engine: Engine, *, with_data: bool) -> None:
        self._engine = engine
        self._with_data = with_data
        self._uses: list[Use] = []
        self._nameless: dict[str, list[Use]] = {}
        self._notes: list[str] = []
        self._errors: list[str] = []
        self._data: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        self._is_empty = True

    def found(self) -> Found:
        nameless = [f"{places(uses)}: the image {image!r} {_why(image)}" for image, uses in self._nameless.items()]
        return Found(tuple(self._uses), (*nameless, *self._notes), tuple(self._errors), self._data, self._is_empty)

    def read_file(self, path: Path, *, named: bool) -> None:
        try:
            data = limits.read_file(path)
        except OSError as error:
            self._errors.append(f"{path}: can't be read: {error.strerror}")
            return
        except InputError as error:
            self._errors.append(f"{path}: {error}")
            return
        if path.name in _files.LEFT_ALONE:
            self._is_empty = False
            self._note_kustomization(str(path), data)
        elif named or b"\0" not in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
            self.read(str(path), data)

    def _note_kustomization(self, name: str, data: bytes) -> None:
        try:
            changes = mapping(source.read(data.decode()).data).get("images")
        except (InputError, UnicodeDecodeError):
            return
        if changes:
            self._notes.append(f"{name}: it changes images: resolve what `kustomize build` prints, too")

    def read(self, name: str, data: bytes) -> None:
        """Note the images of one stream."""
        try:
            for line, chunk, spent in split.counted(split.decode(data)[0]):
                if not split.is_empty(chunk):
                    self._is_empty = False
                    if split.can_skip(chunk, self._matters) is None:
                        self._read_document(name, chunk, line, spent)
        except InputError as error:
            self._errors.append(f"{name}: line {max(error.line, 0) + 1}: {error}")

    def _matters(self, api_version: str, kind: str) -> bool:
        is_data = self._with_data and kind in SOURCES_OF_DATA
        return is_data or self._engine.may_hold_pods(api_version, kind)

    def _read_document(self, name: str, chunk: bytes, line: int, spent: limits.Spent) -> None:
        before, body = split.after_mark(chunk)
        line += before.count(b"\n")
        try:
            document = source.read(body.decode())
            found = list(resources(document))
        except InputError as error:
            if engines.is_template(chunk):
                self._notes.append(f"{name}:{line + 1}: a template, not YAML: resolve what it renders")
            else:
                self._errors.append(f"{name}: line {line + max(error.line, 0) + 1}: {error}")
            return
        spent.add_objects(line, len(found))
        for resource in found:
            if resource.kind in SOURCES_OF_DATA:
                self._data[resource.kind, resource.namespace, resource.name] = resource.data
            for pod in self._engine.policy.pods_of(resource):
                for use in _uses(document, pod, name, line):
                    self._add(use)

    def _add(self, use: Use) -> None:
        if _NAME.fullmatch(use.image.strip()):
            self._uses.append(use)
        else:
            self._nameless.setdefault(use.image, []).append(use)


def _uses(document: Document, pod: Pod, file: str, line: int) -> Iterator[Use]:
    for container in pod.containers:
        if isinstance(container.data.get("image"), str):
            at = source.line_of(document, (*container.pointer, "image"))
            yield Use(container.image, file, line + at + 1, pod, container)


def is_name(image: str) -> bool:
    """Whether a text can name an image in a registry."""
    return _NAME.fullmatch(image.strip()) is not None


def _why(image: str) -> str:
    """Why a text names no image, and what to do."""
    if not image.strip():
        return "is blank: something fills it in later"
    if image.startswith("ko://"):
        return "is built by ko: resolve what `ko resolve` prints"
    if any(mark in image for mark in _TEMPLATES):
        return "is a template: resolve what it renders"
    return "isn't the name of an image: a placeholder?"

"""The inputs of a migration: files, folders and standard input as texts in parts, each with its objects."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import limits, source, split, workloads
from krm_harden.commands import _files, _streams
from krm_harden.engine import frame, is_template
from krm_harden.errors import InputError
from krm_harden.fields import unreadable
from krm_harden.model import dotted
from krm_harden.notices import left_out, skipped
from krm_harden.psp.migration.objects import Item, Unread, matters, misnamed
from krm_harden.resources import is_patch, resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.model import Resource, Unexamined
    from krm_harden.source import Document

STDIN = "-"
_CLUSTER_WIDE = {"PodSecurityPolicy", "ClusterRole", "ClusterRoleBinding", "Namespace"}


@dataclass(frozen=True)
class Part:
    """A document, or an item of a list, that was read: `before` is what stands in front of its text."""

    before: bytes
    document: Document
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Chunk:
    """What lies between two `---`: one piece, or a list's `header`, items and `trailer`.

    A piece is its text and what was read of it, None where nothing in it matters.
    """

    pieces: tuple[tuple[bytes, Part | None], ...]
    header: bytes = b""
    trailer: bytes = b""

    @property
    def parts(self) -> list[Part]:
        return [part for _, part in self.pieces if part]

    @property
    def is_list(self) -> bool:
        return bool(self.header)


@dataclass(frozen=True)
class Text:
    """One file or standard input. `chunks` are those in which something matters, by their place in `every`."""

    name: str
    old: bytes
    every: tuple[bytes, ...]
    chunks: Mapping[int, Chunk]
    encoding: split.Encoding


@dataclass
class Found:
    """Everything that was read: the texts, what in them can't be read, and what isn't looked into."""

    texts: list[Text] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def items(self) -> Iterator[Item]:
        for text in self.texts:
            for chunk in text.chunks.values():
                for part in chunk.parts:
                    yield from part.items


def read(paths: Sequence[str], exclude: Iterable[str], namespace: str, beside: str = "") -> Found:
    """What the paths hold; what lies in the folder `beside` is our own. Raises KrmHardenError for a missing path."""
    found = Found()
    files = [path for path in _files.find([one for one in paths if one != STDIN], exclude) if not _within(path, beside)]
    patches = _files.patches(files)
    for path in _each_once(files):
        kustomization = patches.get(Path(os.path.realpath(path)))
        if path.name in _files.LEFT_ALONE:
            found.notes.append(
                f"{path}: {_files.LEFT_ALONE[path.name]}: what it builds isn't seen, only the files here"
            )
        elif kustomization:
            found.notes.append(f"{path}: a patch of {kustomization}: give what kustomize builds instead")
        else:
            _read(found, str(path), limits.read_input(path), namespace)
    if STDIN in paths:
        _read(found, STDIN, _streams.read_stdin(), namespace)
    return found


def _each_once(paths: Iterable[Path]) -> Iterator[Path]:
    """The files, whatever their names, as each was named first."""
    known: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real not in known:
            known.add(real)
            yield path


def _within(path: Path, folder: str) -> bool:
    return bool(folder) and os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def _read(found: Found, name: str, data: bytes, namespace: str) -> None:
    try:
        text, encoding = split.decode(data)
    except InputError as error:
        found.unread.append(Unread(f"{_shown(name)}:{max(error.line, 0) + 1}", error.message, b"", error.next_step))
        return
    every: list[bytes] = []
    chunks = {}
    try:
        for line, chunk, spent in split.counted(text):
            made = None if split.is_empty(chunk) else _chunk(found, _shown(name), chunk, line, namespace)
            if made:
                spent.add_objects(line, sum(len(part.items) for part in made.parts))
                chunks[len(every)] = made
            every.append(chunk)
    except InputError as error:
        error.where = f"{_shown(name)}:{error.line + 1}"
        raise
    found.texts.append(Text(name, data, tuple(every), chunks, encoding))


def _shown(name: str) -> str:
    return "stdin" if name == STDIN else name


def _chunk(found: Found, name: str, chunk: bytes, line: int, namespace: str) -> Chunk | None:
    """A chunk with its objects, None where nothing in it matters or can be read."""
    known = split.can_skip(chunk, matters)
    if known and not skipped(chunk, known, line):
        return None
    cut = split.cut_items(chunk)
    if cut and frame(cut):
        listed = _list(found, name, cut, line, namespace)
        if listed:
            return listed
    before, body = split.after_mark(chunk)
    part = _part(found, name, before, body, line + before.count(b"\n"), namespace)
    return Chunk(((chunk, part),)) if part else None


def _list(found: Found, name: str, cut: split.ItemList, line: int, namespace: str) -> Chunk | None:
    """A list's items, each read alone; None where one isn't exactly an item, so that the list is read whole."""
    line += cut.header.count(b"\n")
    read_ = []
    for index, text in enumerate(cut.items):
        try:
            document = source.read(text.decode())
        except InputError:
            return None
        if not (isinstance(document.data, list) and len(document.data) == 1):
            return None
        read_.append((index, document, line))
        line += text.count(b"\n")
    parts = [Part(b"", made, tuple(_items(found, name, made, at, namespace, index))) for index, made, at in read_]
    pieces = [(text, part if part.items else None) for text, part in zip(cut.items, parts, strict=True)]
    return Chunk(tuple(pieces), cut.header, cut.trailer)


def _part(found: Found, name: str, before: bytes, body: bytes, line: int, namespace: str) -> Part | None:
    try:
        document = source.read(body.decode())
        items = tuple(_items(found, name, document, line, namespace))
    except InputError as error:
        found.unread.append(_unread(name, body, line, error))
        return None
    return Part(before, document, items) if items else None


def _unread(name: str, body: bytes, line: int, error: InputError) -> Unread:
    if is_template(body):
        return Unread(f"{name}:{line + 1}", "a template, not YAML", body, "give what it renders, or --exclude it")
    next_step = error.next_step or "correct it, or --exclude it"
    return Unread(f"{name}:{line + max(error.line, 0) + 1}", error.message, body, next_step)


def _items(
    found: Found, name: str, document: Document, line: int, namespace: str, index: int | None = None
) -> Iterator[Item]:
    wanted = []
    for resource in resources(document, index):
        if matters(resource.api_version, resource.kind):
            wanted.append(resource)
        else:
            _left_out(found, name, resource, left_out(document, [resource], {}, line), resource.namespace or namespace)
    for resource in wanted:
        where = f"{name}:{line + source.line_of(document, resource.base) + 1}"
        pods = list(workloads.pods(resource, workloads.shapes_of(resource, {})))
        wrong = next(unreadable(resource, workloads.shapes_of(resource, {}), pods), None)
        if document.duplicates:
            key, _, second = document.duplicates[0]
            found.unread.append(
                Unread(f"{name}:{line + second + 1}", f"the key {key!r} stands twice in one mapping", _kind(resource))
            )
        elif wrong:
            path = dotted(wrong[0][len(resource.base) :])
            reason = f"{resource}: cannot read {path}: it must be {wrong[1]}"
            at = f"{name}:{line + source.line_of(document, wrong[0]) + 1}"
            found.unread.append(Unread(at, reason, _kind(resource), "correct it"))
        elif not resource.name:
            found.unread.append(Unread(where, f"{resource}: it has no metadata.name", _kind(resource), "name it"))
        elif misnamed(resource):
            found.unread.append(Unread(where, f"{resource}: {misnamed(resource)}", _kind(resource), "correct it"))
        elif is_patch(resource, pods, directives=True):
            found.notes.append(f"{where}: {resource}: a patch, no whole object: give what it becomes")
        else:
            own = resource.namespace or ("" if resource.kind in _CLUSTER_WIDE else namespace)
            yield Item(resource, where, "" if resource.kind in _CLUSTER_WIDE else own)


def _kind(resource: Resource) -> bytes:
    """What an unread text is judged by."""
    said = f"kind: {resource.kind}\n"
    return (said + (f"namespace: {resource.namespace}\n" if resource.namespace else "")).encode()


def _left_out(found: Found, name: str, resource: Resource, notes: Iterable[Unexamined], namespace: str) -> None:
    """What isn't looked into; what may make pods leaves open what holds in its namespace."""
    for note in notes:
        at = f"{name}:{note.line}"
        if note.cause == "unknown":
            reason = f"{resource}: {resource.api_version} {resource.kind} isn't known and holds containers"
            makes_pods = b"kind: Pod\n" + (f"namespace: {namespace}\n".encode() if namespace else b"")
            found.unread.append(
                Unread(at, reason, makes_pods, "give what it makes, or leave it out if it makes no pods")
            )
        else:
            found.notes.append(f"{at}: {f'{note}: ' if str(note) else ''}{note.reason}")

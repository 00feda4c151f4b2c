"""What changed in a file, region by region, and which findings each region carries out.

The regions come from the edits themselves, planned once more on the old text, and not from a comparison of lines: a
comparison takes one `securityContext:` for another, and its cost isn't linear.
"""

from __future__ import annotations

import marshal
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import edit, place, source, split
from krm_harden.model import Operation, lookup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from krm_harden.commands._run import Input
    from krm_harden.edit import Edit
    from krm_harden.model import ChunkResult, Finding, Pointer, ResourceResult
    from krm_harden.source import Document

CONTEXT = 3
"""How many lines a hunk has on each side, as in a unified diff."""


class Hunk(NamedTuple):
    """Neighbouring lines that change. `first` and `first_new` count from 1, in the old text and in the new one.

    `removed` are the old text's lines from `first` on; where there are none, `added` comes before that line. Lines have
    their line breaks. `before` and `after` are the unchanged lines around it, at most three each. `findings` are those
    that it carries out, at least one; `lines` has for each its line in `added`, its field's if that is there, and -1
    where something only goes.
    """

    first: int
    first_new: int
    before: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    after: tuple[str, ...]
    findings: tuple[tuple[ResourceResult, Finding], ...]
    lines: tuple[int, ...]


def hunks(made: Input) -> Iterator[Hunk]:
    """Every change of an input, in order. Nothing for one that didn't change, or couldn't be written."""
    if not made.changed or made.error:
        return
    text, _ = split.decode(made.old)
    every = lines_of(text.decode())
    first = shift = 0
    for old, chunk in pieces(text, made.chunks):
        if chunk.changed:
            for hunk in _of_chunk(old, chunk):
                start, end = hunk.first + first, hunk.first + first + len(hunk.removed)
                yield hunk._replace(
                    first=start + 1,
                    first_new=start + shift + 1,
                    before=tuple(every[max(start - CONTEXT, 0) : start]),
                    after=tuple(every[end : end + CONTEXT]),
                )
                shift += len(hunk.added) - len(hunk.removed)
        first += old.count(b"\n")


def lines_of(text: str) -> list[str]:
    """The lines of a text with their line breaks; only a line feed ends one, as for `patch` and every forge."""
    lines = text.split("\n")
    return [*(f"{line}\n" for line in lines[:-1]), *lines[-1:]] if lines[-1] else [f"{line}\n" for line in lines[:-1]]


def pieces(text: bytes, chunks: Sequence[ChunkResult]) -> Iterator[tuple[bytes, ChunkResult]]:
    """The chunks with the texts that they came from: cut as the engine cut them."""
    at = 0
    for document in split.documents(text):
        parts = [document]
        if chunks[at].changed or chunks[at].text != document:
            cut = split.cut_items(document)
            # A list's header alone is a chunk only where its items are, too.
            if cut and not chunks[at].changed and chunks[at].text == cut.header:
                parts = [cut.header, *cut.items, cut.trailer]
        yield from zip(parts, chunks[at : at + len(parts)], strict=True)
        at += len(parts)


def _of_chunk(old: bytes, chunk: ChunkResult) -> Iterator[Hunk]:
    """The hunks of one chunk, without context; lines count from 0 in the chunk."""
    mark, body = split.after_mark(old)
    before, after = body.decode(), chunk.text[len(mark) :].decode()
    document = source.read(before)
    found = list(_regions(before, _edits(document, chunk)))
    places = _Places(document, source.read(after), chunk)
    of_old, of_new = _by_line(places.of_old, before), _by_line(places.of_new, after)
    fields = _by_line(places.fields, after)
    skipped = mark.count(b"\n")
    shift = 0
    for first, removed, added in found:
        start = first + shift
        end = start + len(added)
        new = {of: line - start for of, line in _between(of_new, start, end)}
        new |= {of: line - start for of, line in _between(fields, start, end) if of in new}
        gone = {of: -1 for of, _ in _between(of_old, first, first + len(removed))}
        owned = sorted((gone | new).items())
        findings = tuple(places.every[of] for of, _ in owned)
        lines = tuple(line for _, line in owned)
        yield Hunk(first + skipped, 0, (), removed, added, (), findings, lines)
        shift += len(added) - len(removed)


def _edits(document: Document, chunk: ChunkResult) -> list[Edit]:
    """The edits that made the new text of a chunk."""
    operations = [
        Operation(made.op, result.resource.base + made.path, made.value)
        for result in chunk.resources
        for made in result.operations
    ]
    return edit.plan(document, operations)


def _regions(text: str, edits: Sequence[Edit]) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """What edits do line by line: first line from 0, the lines that go, and those that come; neighbours are one."""
    line = at = 0
    for start, end, made in _merged(text, edits):
        line += text.count("\n", at, start)
        at = start
        moved = [edit.Edit(one.start - start, one.end - start, one.text) for one in made]
        removed, added = lines_of(text[start:end]), lines_of(edit.apply(text[start:end], moved))
        above = _alike(removed, added)
        removed, added = removed[above:], added[above:]
        below = _alike(removed[::-1], added[::-1])
        removed, added = removed[: len(removed) - below], added[: len(added) - below]
        if removed or added:
            yield line + above, tuple(removed), tuple(added)


def _merged(text: str, edits: Sequence[Edit]) -> Iterator[tuple[int, int, list[Edit]]]:
    """The edits that share lines, or stand in neighbouring ones, with the bounds of those lines."""
    begin = end = -1
    made: list[Edit] = []
    for one in edits:
        start, stop = _whole_lines(text, one)
        if start > end:
            if made:
                yield begin, end, made
            begin, end, made = start, stop, []
        end = max(end, stop)
        made.append(one)
    if made:
        yield begin, end, made


def _whole_lines(text: str, one: Edit) -> tuple[int, int]:
    """The bounds of the lines that an edit changes: none where it inserts whole lines between two."""
    start = place.line_start(text, one.start)
    keeps_rest = not one.text or one.text.endswith("\n")
    if start == one.start and keeps_rest and one.end == place.line_start(text, one.end):
        return start, one.end
    return start, place.line_end(text, one.end)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((count for count, (left, right) in pairs if left != right), min(len(one), len(other)))


class _Places:
    """Where the findings of a chunk stand: (character, number of the finding), in the old text and in the new one.

    `every` are those that change something, with their resource; `fields` has the field itself of each, in the new one.
    """

    def __init__(self, old: Document, new: Document, chunk: ChunkResult) -> None:
        self._old = old
        self._new = new
        self._indexes: dict[Pointer, dict[bytes, int]] = {}
        self.every = [
            (result, finding) for result in chunk.resources for finding in result.findings if is_written(finding)
        ]
        self.of_old: list[tuple[int, int]] = []
        self.of_new: list[tuple[int, int]] = []
        self.fields: list[tuple[int, int]] = []
        for number, (result, finding) in enumerate(self.every):
            # Without a value of its own it is carried out by what another one removes.
            verb = "remove" if finding.proposed is None else "add"
            pointer = result.resource.base + finding.pointer
            self.fields.append((source.offset_of(new, pointer), number))
            for operation in finding.writes or [Operation(verb, pointer)]:
                self._note(number, operation)

    def _note(self, number: int, operation: Operation) -> None:
        path = operation.path
        if operation.op != "add":
            self.of_old.append((source.offset_of(self._old, path), number))
        if operation.op != "remove":
            if path[-1:] == ("-",):
                path = (*path[:-1], self._index(path[:-1], operation.value))
            self.of_new.append((source.offset_of(self._new, path), number))

    def _index(self, pointer: Pointer, value: Any) -> str | int:
        """Where an item stands that was appended to a list."""
        if pointer not in self._indexes:
            items = lookup(self._new.data, pointer)
            self._indexes[pointer] = {marshal.dumps(item, 2): index for index, item in enumerate(items)}
        return self._indexes[pointer].get(marshal.dumps(value, 2), "-")


def is_written(finding: Finding) -> bool:
    """Whether a finding stands for a change of the text, and not for a warning about one."""
    return finding.state == "fixed" and not (finding.proposed is None and finding.current is None)


def _by_line(places: Sequence[tuple[int, int]], text: str) -> tuple[list[int], list[int]]:
    """The lines of places, sorted, and the numbers of their findings in the same order."""
    starts = [0, *accumulate(map(len, lines_of(text)))]
    known = sorted((bisect_right(starts, at) - 1, number) for at, number in places)
    return [line for line, _ in known], [number for _, number in known]


def _between(known: tuple[list[int], list[int]], first: int, end: int) -> Iterator[tuple[int, int]]:
    """The number and the line of each finding on some lines, the last line first: the first one counts."""
    lines, numbers = known
    for at in range(bisect_left(lines, end) - 1, bisect_left(lines, first) - 1, -1):
        yield numbers[at], lines[at]

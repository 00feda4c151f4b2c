"""`krm-harden policy convert`: the apiVersion of policies, image locks and inventories, and nothing else.

Within each document the version's own characters are replaced where they stand. The new text is read again, and has to
say what the old one said but for those versions; whatever can't be changed so is left to its author.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import place, source, split
from krm_harden.commands import _diffs, _files, _limits, _replace, _streams, _terminal
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import API_VERSIONS, Operation, same
from krm_harden.patch import Draft
from krm_harden.versions import GROUP, KINDS, VERSIONS, is_ours, unread

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from krm_harden.model import Pointer

SUMMARY = "change the apiVersion of policies, image locks and inventories, and nothing else"
EXAMPLES = """\
examples:
  krm-harden policy convert policy.yaml                 to v1: comments, quotes and order stay
  krm-harden policy convert --diff policy.yaml          what would change; nothing is written
  krm-harden policy convert --check overlays/           exit code 1 where a file isn't v1 yet
  krm-harden policy convert --to v1alpha1 policy.yaml   for a krm-harden that doesn't know v1

Of a folder it takes the YAML and JSON files. If one can't be converted, none is written.

exit codes: 0 done, 1 --check or --diff: something would change, 2 a file couldn't be read or written,
3 a version that isn't known, or wrong command line
"""
NEWEST = VERSIONS[-1].name
INLINE = ("generators", "transformers", "validators")
"""The lists of a kustomization whose items may be whole objects, as text."""
_MARK = f"{GROUP}/"
_NOTHING = "nothing was written"
_NEEDLES = tuple(GROUP.encode(codec) for codec in ("utf-8", "utf-16-le", "utf-16-be"))


class Plan(NamedTuple):
    """What becomes of a file: its bytes, and those that it gets."""

    path: Path
    old: bytes
    new: bytes


class Edit(NamedTuple):
    """A version's name where it stands in a text, to become another."""

    start: int
    old: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    names = [version.name for version in VERSIONS]
    parser.add_argument("files", nargs="+", metavar="PATH", help="a file or a folder")
    parser.add_argument(
        "--to", metavar="VERSION", choices=names, default=NEWEST, help=f"{', '.join(names)}; default: {NEWEST}"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if something would change")
    parser.add_argument("--diff", action="store_true", help="the same, and show what would change")
    _limits.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError; what can't be converted is found before anything is written."""
    only_looks = options.check or options.diff
    roots = [_replace.Root.of(Path(name)) for name in options.files if os.path.isdir(name)]
    plans = [plan(path, options.to) for path in dict.fromkeys(_files.find(options.files))]
    found = [one for one in plans if one.new != one.old]
    for one in found:
        if options.diff:
            _streams.print_report("".join(_diff(one)))
        elif not only_looks:
            _replace.replace(one.path, one.new, one.old, _files.root(one.path, roots, options.files))
    verb = "would become" if only_looks else "is now"
    said = [f"{one.path}: {verb} {GROUP}/{options.to}" for one in found]
    _streams.print_lines(said or ["nothing to convert"], to_stderr=options.diff)
    return int(only_looks and bool(found))


def _diff(one: Plan) -> Iterator[str]:
    before, after = (split.decode(data)[0].decode() for data in (one.old, one.new))
    name = str(one.path).lstrip("/")
    lines = _diffs.unified(before, after, f"a/{name}", f"b/{name}")
    return _diffs.coloured(lines) if _terminal.colours(sys.stdout) else lines


def plan(path: Path, to: str) -> Plan:
    """What becomes of a file. Raises InputError for what isn't YAML, ConfigError for what can't be converted."""
    try:
        old = _files.read(path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}", next_step=_NOTHING) from None
    if not any(needle in old for needle in _NEEDLES):
        return Plan(path, old, old)
    try:
        data, encoding = split.decode(old)
        text = data.decode()
        found = edits(text, to, str(path))
    except InputError as error:
        where = f"{path}:{error.line + 1}" if error.line >= 0 else str(path)
        raise InputError(f"{where}: {error.message}", next_step=error.next_step or _NOTHING) from None
    return Plan(path, old, encoding.encode(_edited(text, found, to).encode()) if found else old)


def edits(text: str, to: str, where: str, line: int = 0) -> list[Edit]:
    """What to change in a text of several documents, which begins on a line of its file, counted from 0.

    Raises InputError with the line in its file, and ConfigError.
    """
    made: list[Edit] = []
    start = 0
    for chunk in split.documents(text.encode()):
        document = chunk.decode()
        if GROUP in document and any(kind in document for kind in KINDS):
            made += [Edit(start + one.start, one.old) for one in _of_document(document, to, where, line)]
        start += len(document)
        line += document.count("\n")
    return made


def _edited(text: str, found: Iterable[Edit], to: str) -> str:
    for one in sorted(found, reverse=True):
        text = f"{text[: one.start]}{to}{text[one.start + len(one.old) :]}"
    return text


def _of_document(text: str, to: str, where: str, line: int) -> list[Edit]:
    try:
        document = source.read(text)
    except InputError as error:
        raise InputError(error.message, error.line + line if error.line >= 0 else -1) from None
    found: set[Edit] = set()
    draft = Draft(document.data)
    wrong = ""
    for pointer, value in _stated(document.data):
        first = line + source.line_of(document, pointer)
        new, spots = _change(document, pointer, value, to, where, first)
        if new != value:
            draft.apply(Operation("replace", pointer, new))
            found.update(spots)
            wrong = wrong or f"{where}:{first + 1}"
    if wrong and not _says(_edited(text, found, to), draft.data):
        raise ConfigError("its apiVersion can't be changed where it stands", wrong, f"write {_MARK}{to} by hand")
    return list(found)


def _says(text: str, expected: Any) -> bool:
    try:
        return same(source.read(text).data, expected)
    except InputError:
        return False


def _stated(data: Any) -> Iterator[tuple[Pointer, str]]:
    """The apiVersion of each of our objects in a document, and the texts of a kustomization that hold objects."""
    if not isinstance(data, dict):
        return
    if is_ours(data):
        yield ("apiVersion",), data["apiVersion"]
    within: list[tuple[Pointer, Any]] = [(("functionConfig",), data.get("functionConfig"))]
    within += [(("items", index), item) for index, item in enumerate(_list(data, "items"))]
    for place_, inner in within:
        yield from (((*place_, *pointer), value) for pointer, value in _stated(inner))
    for field in INLINE:
        for index, one in enumerate(_list(data, field)):
            if isinstance(one, str) and "\n" in one:
                yield (field, index), one


def _list(data: dict[str, Any], field: str) -> list[Any]:
    found = data.get(field)
    return found if isinstance(found, list) else []


def _change(
    document: source.Document, pointer: Pointer, value: str, to: str, where: str, line: int
) -> tuple[str, list[Edit]]:
    """What a value becomes, and where in the document's text. Raises ConfigError for a version that isn't known."""
    node = place.node_at(document, pointer)
    start = node.start_mark.index
    written = document.text[start : node.end_mark.index]
    if "\n" in value:
        # Its first line is the one below `|`.
        inner = edits(value, to, where, line + 1)
        spots = [Edit(start + at, one.old) for at, one in _where_written(inner, value, written)]
        return _edited(value, inner, to), spots
    if value not in API_VERSIONS:
        raise ConfigError(unread(value), f"{where}:{line + 1}", f"a newer krm-harden may know it; {_NOTHING}")
    version = value.removeprefix(_MARK)
    at = written.rfind(version)
    return _MARK + to, [Edit(start + at, version)] if at >= 0 and version != to else []


def _where_written(inner: Iterable[Edit], value: str, written: str) -> Iterator[tuple[int, Edit]]:
    """Where the edits of a text stand in how it is written: indented, with the same words in the same order."""
    said, here = ([one.end() for one in re.finditer(re.escape(_MARK), text)] for text in (value, written))
    if len(said) == len(here):
        yield from ((here[said.index(one.start)], one) for one in inner if one.start in said)

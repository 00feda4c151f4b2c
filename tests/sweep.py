"""Runs krm-harden over a file and judges the outcome by means that share no code with it.

What a worker process does in the sweep of the corpus. The judges: PyYAML's events (lines, scalars, comments and whose
they are), PyYAML, ruamel.yaml and the Go reader (what a text says), jsonpatch (what the operations mean). From
krm_harden come the engine, the cut into documents and the skip rule: what is judged.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import subprocess
import traceback
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jsonpatch
import ruamel.yaml
import yaml

from krm_harden import split
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.policy import Policy

TEMPLATE = ("spec", "template", "spec")
POD_SPECS = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): TEMPLATE,
    ("apps", "Deployment"): TEMPLATE,
    ("apps", "StatefulSet"): TEMPLATE,
    ("apps", "DaemonSet"): TEMPLATE,
    ("apps", "ReplicaSet"): TEMPLATE,
    ("batch", "Job"): TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *TEMPLATE),
}
"""Where the built-in kinds keep their pod, as the API reference has it."""
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
LOOSE = NULLS | {"all"}
"""The scalars that an edit may replace."""


class Failure(NamedTuple):
    """An expectation that a file doesn't meet."""

    check: str
    file: str
    line: int
    detail: str


class Judged(NamedTuple):
    """What krm-harden says of one object: its place among a List's items (-1: no List) and its verdict."""

    item: int
    kind: str
    name: str
    allowed: bool
    message: str


@dataclass
class PodDocument:
    """A document in which the Go reader finds a pod, before and after, with what krm-harden said of it."""

    file: str
    line: int
    old: bytes
    new: bytes
    strict: str = ""
    error: str = ""
    notes: list[str] = field(default_factory=list)
    before: list[Judged] = field(default_factory=list)
    after: list[Judged] = field(default_factory=list)


@dataclass
class FileReport:
    """What the sweep found in one file. `output` is the hardened file, None where nothing changed."""

    file: str
    output: bytes | None = None
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    pods: list[PodDocument] = field(default_factory=list)

    def fail(self, check: str, line: int, detail: str) -> None:
        self.failures.append(Failure(check, self.file, line, detail[:300]))


class Document(NamedTuple):
    """One document of a file, before and after: `operations` are absolute in it, as RFC 6902 has them."""

    start: int
    line: int
    old: bytes
    new: bytes
    operations: list[dict[str, Any]]
    errors: list[str] = []  # noqa: RUF012
    notes: list[str] = []  # noqa: RUF012
    before: list[Judged] = []  # noqa: RUF012
    after: list[Judged] = []  # noqa: RUF012
    clean: bool = False
    """Whether every pod meets every enabled control, and every Namespace has its labels."""

    @property
    def changed(self) -> bool:
        return self.old != self.new


class GoReader:
    """The program of tests/oracles/goyaml as a function: a file's documents as the API server reads them."""

    def __init__(self, program: str) -> None:
        self._child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, data: bytes) -> list[dict[str, Any]]:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(b"%d\n" % len(data) + data)
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())


class Sweep:
    """The sweep of one worker process."""

    def __init__(self, corpus: Path, goyaml: str | None) -> None:
        self.corpus = corpus
        self.go = GoReader(goyaml) if goyaml else None
        self.engine = Engine(Policy({}))
        self.checker = Engine(Policy({}), checking=True)

    def file(self, name: str) -> FileReport:
        """One file of the corpus, fixed and judged. Raises nothing: a traceback is a failure like others."""
        report = FileReport(name)
        raw = (self.corpus / name).read_bytes()
        report.counts["files"] += 1
        try:
            self._file(raw, report)
        except Exception as error:  # noqa: BLE001
            report.fail("raises", 0, f"{error!r} {traceback.format_exc()[-220:]}")
        return report

    def again(self, raw: bytes) -> str:
        """What a run over its own output changes, or empty."""
        data, encoding = split.decode(raw)
        results = list(self.engine.run(data))
        if any(resource.operations for result in results for resource in result.resources):
            return "the second run has operations"
        same = encoding.encode(b"".join(result.text for result in results)) == raw
        return "" if same else "the second run changes bytes"

    def _file(self, raw: bytes, report: FileReport) -> None:
        try:
            data, encoding = split.decode(raw)
        except InputError as error:
            report.counts["files that aren't text"] += 1
            self._not_text(raw, str(error), report)
            return
        found = list(documents(self.engine, self.checker, data))
        new = b"".join(document.new for document in found)
        report.counts["documents"] += len(found)
        report.counts["documents with an error"] += sum(bool(document.errors) for document in found)
        if b"".join(document.old for document in found) != data:
            report.fail("split", 0, "the documents joined aren't the file")
        if new == data:
            report.counts["files unchanged"] += 1
        else:
            report.counts["files changed"] += 1
            report.output = encoding.encode(new)
        if all(document.clean for document in found):
            report.counts["files without a finding"] += 1
            if new != data:
                report.fail("a file with nothing to do changed", 0, "")
        for document in found:
            if document.changed != bool(document.operations):
                report.fail("bytes without operations", document.line, f"{len(document.operations)} operations")
            if document.changed:
                report.counts["documents changed"] += 1
                judge_change(document, report)
        if self.go is not None:
            self._judged_by_go(data, new, found, report)

    def _judged_by_go(self, data: bytes, new: bytes, found: list[Document], report: FileReport) -> None:
        assert self.go is not None
        old_docs = self.go.read(data)
        if new != data:
            same_in_go(found, old_docs, self.go.read(new), report)
        starts = [document.start for document in found]
        for seen in old_docs:
            if holds_pod(seen.get("data")):
                document = found[bisect_right(starts, seen["start"]) - 1]
                self._pod(document, data[seen["start"] : seen["end"]], seen, report)

    def _pod(self, document: Document, text: bytes, seen: dict[str, Any], report: FileReport) -> None:
        report.counts["documents with a pod (Go)"] += 1
        if split.can_skip(document.old, self.engine.may_hold_pods):
            report.fail("skipped a pod", document.line, text[:80].decode())
        report.pods.append(
            PodDocument(
                report.file,
                document.line,
                text,
                without_marker(document.new),
                seen.get("strict", ""),
                "; ".join(document.errors),
                document.notes,
                document.before,
                document.after,
            )
        )

    def _not_text(self, raw: bytes, error: str, report: FileReport) -> None:
        for seen in self.go.read(raw) if self.go else ():
            if holds_pod(seen.get("data")):
                text = raw[seen["start"] : seen["end"]]
                report.pods.append(PodDocument(report.file, 1, text, text, seen.get("strict", ""), error))


def documents(engine: Engine, checker: Engine, data: bytes):
    """The documents of a stream, fixed and checked."""
    start, line = 0, 1
    for chunk in split.documents(data):
        fixed = list(engine.document(chunk, line - 1))
        checked = list(checker.document(chunk, line - 1))
        yield Document(
            start,
            line,
            chunk,
            b"".join(result.text for result in fixed),
            [operation for place, result in enumerate(fixed) for operation in _operations(place, result, len(fixed))],
            [result.error for result in fixed if result.error],
            [note.reason for result in fixed for note in result.unexamined],
            _judgements(checked),
            _judgements(fixed),
            not any(result.error or any(found.findings for found in result.resources) for result in checked),
        )
        start += len(chunk)
        line += chunk.count(b"\n")


def _base(place: int, pieces: int, base: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where an object lies in its document. Of several pieces the first is a list's header, the last its trailer."""
    return base if pieces == 1 else ("items", place - 1, *base[1:])


def _operations(place: int, result: Any, pieces: int):
    for resource in result.resources:
        base = _base(place, pieces, resource.resource.base)
        for operation in resource.operations:
            made = {"op": operation.op, "path": json_pointer((*base, *operation.path))}
            yield made if operation.op == "remove" else {**made, "value": operation.value}


def _judgements(results: list[Any]) -> list[Judged]:
    made = []
    for place, result in enumerate(results):
        for found in result.resources:
            base = _base(place, len(results), found.resource.base)
            item = base[1] if base[:1] == ("items",) and len(base) == 2 else -1
            made.append(Judged(item, found.resource.kind, found.resource.name, found.allowed, found.message))
    return made


def json_pointer(path: tuple[Any, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def holds_pod(data: Any) -> bool:
    """Whether an object, or an item of a List, is of a built-in kind that makes pods, and has a container."""
    if not isinstance(data, dict):
        return False
    if isinstance(data.get("items"), list) and str(data.get("kind")).endswith("List"):
        return any(map(holds_pod, data["items"]))
    spec: Any = data
    group = str(data.get("apiVersion")).rpartition("/")[0]
    for step in POD_SPECS.get((group, str(data.get("kind"))), ("",)):
        spec = spec.get(step) if isinstance(spec, dict) else None
    return isinstance(spec, dict) and any(isinstance(spec.get(name), list) and spec[name] for name in CONTAINERS)


def without_marker(document: bytes) -> bytes:
    """A document without what stands before and on its `---` line."""
    found = re.search(rb"^---[ \t]*(#[^\n]*)?\r?(\n|\Z)", document, re.MULTILINE)
    return document[found.end() :] if found else document


# What the diff may hold


def judge_change(document: Document, report: FileReport) -> None:
    """All that is asked of one changed document; what Go reads in it is asked of the file."""
    same_lines(document, report)
    same_kind(document, report)
    same_reading(document, report)


def same_lines(document: Document, report: FileReport) -> None:
    """Lines come back with only insertions in them; no scalar and no comment is lost; the old data is in the new."""
    old, new = document.old.decode(), document.new.decode()
    for was, now in changed_lines(old, new):
        reason = reason_of(was, now)
        report.counts[f"changed lines: {reason}"] += 1
        if reason in {"lost", "other"}:
            report.fail(f"line {reason}", document.line, f"{was!r} -> {now!r}")
    before, after = Outline(old), Outline(new)
    lost = before.scalars - after.scalars
    for scalar in set(lost) - LOOSE:
        report.fail("scalar lost", document.line, scalar)
    if not contains(read_strings(old), read_strings(new)):
        report.fail("old data not in the new", document.line, "")
    same_comments(document, before, after, report)


def same_kind(document: Document, report: FileReport) -> None:
    """JSON stays JSON, and a text with one kind of line break keeps it."""
    old, new = document.old, document.new
    if is_json(old) and not is_json(new):
        report.fail("JSON no longer", document.line, "")
    if b"\n" in old and line_breaks(new) - line_breaks(old):
        report.fail("line breaks mixed", document.line, f"{line_breaks(old)} -> {line_breaks(new)}")


def line_breaks(text: bytes) -> set[bytes]:
    return set(re.findall(rb"\r\n|\r|\n", text))


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def changed_lines(old: str, new: str):
    """The lines that the diff removes, each with the line that it became, or None."""
    was, now = old.splitlines(keepends=True), new.splitlines(keepends=True)
    rest = iter(now)
    if all(line in rest for line in was):
        return
    for op, i, to_i, j, to_j in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if op in {"replace", "delete"}:
            candidates = now[j:to_j]
            for line in was[i:to_i]:
                place = next((n for n, other in enumerate(candidates) if became(line, other)), None)
                yield line, None if place is None else candidates[place]
                candidates = candidates if place is None else candidates[place + 1 :]


_NULL_VALUE = re.compile(r"(:[ \t]*)(?:null|Null|NULL|~)(?=\s|[,}\]]|$)")
_ALL = re.compile(r"\ball\b")


def became(was: str, now: str) -> bool:
    """Whether a line comes back with only insertions in it, `null` and `all` aside."""
    return any(is_subsequence(text, now) for text in (was, _NULL_VALUE.sub(r"\1", was), _ALL.sub("ALL", was)))


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


def reason_of(was: str, now: str | None) -> str:
    """Why a line was changed, by the first rule that fits."""
    if now is None:
        return "lost"
    content = was.strip()
    if not was.endswith("\n") and now.startswith(was) and not now[len(was) :].strip():
        return "last line without newline"
    if _ALL.sub("ALL", was) == now:
        return "all to ALL"
    if _NULL_VALUE.search(was) or re.search(r":\s*(#.*)?$", content):
        return "null"
    if "{}" in content or "{ }" in content:
        return "{}"
    if set("{}[]") & set(content) or "," in now[len(was.rstrip()) :]:
        return "flow style"
    return "other"


def contains(old: Any, new: Any) -> bool:
    """Whether data holds all of older data: keys and items may be added, `all` and nulls replaced."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and contains(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) <= len(new) and all(map(contains, old, new))
    return old == new or old in NULLS or (old == "all" and new == "ALL")


class Collection:
    """A mapping or a list of the text: where it lies and at which column its keys or dashes stand."""

    __slots__ = ("column", "end", "flow", "index", "key", "mapping", "path", "start")

    def __init__(self, event: Any, path: tuple[Any, ...]) -> None:
        self.path = path
        self.mapping = isinstance(event, yaml.MappingStartEvent)
        self.flow = event.flow_style
        self.start = event.start_mark.index
        self.end = -1
        self.column = -1
        self.key: str | None = None
        self.index = 0


class Leaf(NamedTuple):
    """A key, a scalar or an alias, and the collections around it, outermost first."""

    start: int
    end: int
    path: tuple[Any, ...]
    around: tuple[Collection, ...]
    is_empty: bool


class Comment(NamedTuple):
    """A comment: its words and whose it is.

    `owner` is the path of the mapping at its column, `inside` are the paths of all collections around it, `above` is
    the key of the line that it stands directly above.
    """

    text: str
    line: int
    owner: tuple[Any, ...]
    inside: tuple[tuple[Any, ...], ...] = ()
    above: str = ""


class Outline:
    """A document's scalars and comments, from PyYAML's events."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.leaves: list[Leaf] = []
        self.scalars: Counter[str] = Counter()
        self._open: list[Collection] = []
        for event in yaml.parse(text, yaml.CSafeLoader):
            self._event(event)
        self.comments = list(self._comments())

    def _event(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop().end = event.end_mark.index
        elif isinstance(event, yaml.CollectionStartEvent):
            made = Collection(event, self._step(event, None))
            self._open.append(made)
        elif isinstance(event, yaml.NodeEvent):
            value = event.value if isinstance(event, yaml.ScalarEvent) else "*" + event.anchor
            self.scalars[value] += 1
            path = self._step(event, value)
            start, end = event.start_mark.index, event.end_mark.index
            self.leaves.append(Leaf(start, end, path, tuple(self._open), value == "" and start == end))

    def _step(self, event: Any, value: str | None) -> tuple[Any, ...]:
        """The path of the next node of the innermost open collection."""
        if not self._open:
            return ()
        parent = self._open[-1]
        if parent.column < 0:
            at = event.start_mark.index
            first = at if parent.mapping else self.text.rfind("-", 0, at + 1)
            parent.column = first - (self.text.rfind("\n", 0, first) + 1)
        if not parent.mapping:
            parent.index += 1
            return (*parent.path, parent.index - 1)
        if parent.key is None:
            parent.key = value or "?"
            return (*parent.path, parent.key)
        key, parent.key = parent.key, None
        return (*parent.path, key)

    def _comments(self):
        at = 0
        before: Leaf | None = None
        for leaf in [*self.leaves, Leaf(len(self.text), len(self.text), (), (), False)]:
            for start in self._hashes(at, leaf.start):
                yield self._comment(start, before)
            if self.text[leaf.start : leaf.start + 1] in {"|", ">"} and leaf.end > leaf.start:
                header_end = self._line_end(leaf.start)
                for start in self._hashes(leaf.start, min(header_end, leaf.end)):
                    yield self._comment(start, leaf)
            at = max(at, leaf.end)
            before = leaf if leaf.around or leaf.path else before

    def _hashes(self, start: int, end: int):
        at = self.text.find("#", start, end)
        while at >= 0:
            if at == 0 or self.text[at - 1] in " \t\r\n":
                yield at
                at = self._line_end(at)
            at = self.text.find("#", at + 1, end) if at < end else -1

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def _comment(self, start: int, before: Leaf | None) -> Comment:
        begin = self.text.rfind("\n", 0, start) + 1
        end = self._line_end(start)
        line = self.text.count("\n", 0, start)
        words = self.text[start:end].rstrip()
        if self.text[begin:start].strip():
            first = next((leaf.path for leaf in self.leaves if begin <= leaf.start < start), ())
            return Comment(words, line, ("behind", *first))
        owner, inside = self._owner(start, start - begin, before)
        return Comment(words, line, owner, inside, self._above(end, start - begin))

    def _owner(
        self, start: int, column: int, before: Leaf | None
    ) -> tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...]]:
        """The path of the innermost mapping around the leaf before that stands at the comment's column or left of it.

        Below a key without a value, a deeper comment stands where the value would. With it, all collections around.
        """
        if before is None:
            return (), ()
        inside = [
            found
            for found in before.around
            if (found.start <= start < found.end if found.flow else found.column <= column)
        ]
        mappings = [found for found in inside if found.mapping or found.flow]
        owner, limit = (mappings[-1].path, mappings[-1].column) if mappings else ((), -1)
        if before.is_empty and column > limit and before.path[:-1] == owner:
            owner = before.path
        return owner, tuple(found.path for found in inside)

    def _above(self, end: int, column: int) -> str:
        """The content line that follows a comment directly, at the comment's column; comments between don't count."""
        for line in self.text[end + 1 :].splitlines():
            content = line.lstrip(" ")
            if not content.startswith("#"):
                return content.split(":")[0] if content and len(line) - len(content) == column else ""
        return ""


def same_comments(document: Document, before: Outline, after: Outline, report: FileReport) -> None:
    report.counts["comments in changed documents"] += len(before.comments)
    if [comment.text for comment in before.comments] != [comment.text for comment in after.comments]:
        report.fail("comment lost", document.line, "")
        return
    for was, now in zip(before.comments, after.comments, strict=True):
        # What stood below an empty key stands in the list that fills it.
        if was.owner != now.owner and was.owner not in now.inside[len(was.inside) :]:
            where = document.line + was.line
            report.fail("comment moved", where, f"{was.text[:60]!r}: {was.owner} -> {now.owner}")
        if was.above and was.above != now.above:
            report.fail("comment cut off from its line", document.line + was.line, f"{was.text!r} above {was.above!r}")


# What every reader makes of it


def same(left: Any, right: Any) -> bool:
    """Whether two data are equal in value and type; NaN equals itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return (
            left.keys() == right.keys()
            and all(type(a) is type(b) for a, b in zip(sorted(map(repr, left)), sorted(map(repr, right)), strict=True))
            and all(same(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def unshared(data: Any) -> Any:
    """A copy in which no two places are one object, as they are behind an anchor."""
    if isinstance(data, dict):
        return {key: unshared(value) for key, value in data.items()}
    if isinstance(data, list):
        return [unshared(value) for value in data]
    return data


def read_pyyaml(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def read_strings(text: str) -> Any:
    """Every scalar as it is written."""
    return yaml.load(text, yaml.CBaseLoader)  # noqa: S506, makes nothing but strings


def read_ruamel(text: str) -> Any:
    return ruamel.yaml.YAML(typ="safe", pure=True).load(text)


READERS = {"PyYAML": read_pyyaml, "ruamel.yaml": read_ruamel}


def same_reading(document: Document, report: FileReport) -> None:
    """Each reader reads the new text as the old one, patched."""
    old, new = document.old.decode(), document.new.decode()
    for name, read in READERS.items():
        was, now = _outcome(read, old), _outcome(read, new)
        if isinstance(was, Exception) or isinstance(now, Exception):
            report.counts[f"{name}: can't read the old text either"] += 1
            if type(was) is not type(now):
                report.fail(f"{name} differs", document.line, f"{was!r:.100} / {now!r:.150}")
            continue
        report.counts[f"{name}: documents compared"] += 1
        if not same(jsonpatch.apply_patch(unshared(was), document.operations, in_place=True), unshared(now)):
            report.fail(f"{name} differs", document.line, "R(new) is not R(old), patched")


def _outcome(read: Any, text: str) -> Any:
    try:
        return read(text)
    except Exception as error:  # noqa: BLE001
        return error


def same_in_go(found: list[Document], old: list[dict[str, Any]], new: list[dict[str, Any]], report: FileReport) -> None:
    """The Go reader finds the same documents, and in each what the operations say."""
    if len(old) != len(new):
        report.fail("Go differs", 0, f"{len(old)} documents before, {len(new)} after")
        return
    starts = [document.start for document in found]
    seen = set()
    for was, now in zip(old, new, strict=True):
        place = bisect_right(starts, was["start"]) - 1
        document = found[place]
        if place in seen:
            report.counts["Go: a second document in one of ours"] += 1
        seen.add(place)
        if was.get("strict", "") != now.get("strict", "") and bool(was.get("strict")) != bool(now.get("strict")):
            report.fail("Go differs", document.line, f"strict: {was.get('strict')} / {now.get('strict')}")
        if "error" in was or "error" in now:
            if document.changed or ("error" in was) != ("error" in now):
                report.fail("Go differs", document.line, f"{was.get('error')} / {now.get('error')}")
            continue
        report.counts["Go: documents compared"] += document.changed
        if not same(jsonpatch.apply_patch(was["data"], document.operations, in_place=False), now["data"]):
            report.fail("Go differs", document.line, "R(new) is not R(old), patched")
    for place, document in enumerate(found):
        if document.changed and place not in seen:
            report.fail("Go differs", document.line, "a changed document that Go doesn't see")


# A worker process


_sweep: Sweep | None = None


def start(corpus: str, goyaml: str | None) -> None:
    """Makes the worker's Sweep."""
    global _sweep  # noqa: PLW0603, one a process
    _sweep = Sweep(Path(corpus), goyaml)


def sweep_file(name: str) -> FileReport:
    assert _sweep is not None
    return _sweep.file(name)


def second_run(path: str) -> str:
    """What a run over an output does: empty when it leaves every byte."""
    assert _sweep is not None
    try:
        return _sweep.again(Path(path).read_bytes())
    except Exception as error:  # noqa: BLE001
        return repr(error)

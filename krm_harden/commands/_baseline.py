"""`check --baseline`: findings that are accepted for now, a line each, in a file that only gets shorter by itself.

A finding is accepted where its fingerprint and its value are in the file; so many times as they are. Its line goes
when the finding is gone from a file that was judged. What couldn't be judged, what is exempt and exemptions that have
expired are never in it.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import emit, limits, source, split
from krm_harden.commands import _replace, _run
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import dotted, same
from krm_harden.reports import _places

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.model import ChunkResult, Finding, ResourceResult, Unexamined

VERSION = 1
HEADER = """\
# Findings that `krm-harden check --baseline` accepts for now. A line goes by itself when its finding is gone;
# `--write-baseline` writes them all anew.
"""
STATES = {"open", "explicit", "manual", "refused", "deferred"}
"""What can be accepted: something that is wrong, and that nothing exempts."""
KEYS = ("version", "judged", "findings")
LONGEST = 120
"""Letters of a value that a line shows; of a longer one it has a hash."""
WRITE = "--write-baseline makes it"
ANEW = "write it anew with --write-baseline"


class Entry(NamedTuple):
    """A finding as the file has it: what people read, its value and its fingerprint. `line` counts from 1."""

    file: str
    object: str
    container: str
    control: str
    field: str
    value: Any
    id: str
    line: int = 0

    @property
    def about(self) -> tuple[str, ...]:
        """What it is about, whatever its file is called."""
        return self.object, self.container, self.control, self.field

    def order(self) -> tuple[str, ...]:
        """Where it stands in the file."""
        return self.file, *self.about, _flow(self.value), self.id


class Baseline(NamedTuple):
    """A file of accepted findings.

    `judging` is the level and version of this run, `judged` what the file is for; `new`: it isn't there yet.
    """

    path: str
    judging: str
    judged: str
    entries: tuple[Entry, ...] = ()
    data: bytes = b""
    new: bool = False


class Applied(NamedTuple):
    """A run beside its baseline: the same inputs, known findings no more than an info, and what there is to say."""

    inputs: list[Input]
    known: int
    warnings: list[str]


def asked(options: argparse.Namespace, judging: str) -> Baseline | None:
    """The baseline of a command line, None without one. Raises ConfigError for one that isn't there or isn't right."""
    if options.baseline is None:
        if options.write_baseline or options.baseline_frozen:
            wrong = "--write-baseline" if options.write_baseline else "--baseline-frozen"
            raise ConfigError(f"{wrong} needs --baseline FILE")
        return None
    if options.write_baseline and options.baseline_frozen:
        raise ConfigError("--write-baseline and --baseline-frozen exclude each other")
    try:
        data = limits.read_file(options.baseline)
    except FileNotFoundError:
        if not options.write_baseline:
            raise ConfigError("there is no such baseline", options.baseline, WRITE) from None
        return Baseline(options.baseline, judging, judging, new=True)
    except OSError as error:
        raise ConfigError(f"the baseline can't be read: {error.strerror}", options.baseline) from None
    except InputError as error:
        raise ConfigError(f"the baseline can't be read: {error}", options.baseline) from None
    return read(data, options.baseline, judging)


def read(data: bytes, path: str, judging: str) -> Baseline:
    """The baseline in a file's bytes. Raises ConfigError with the line of what is wrong."""
    try:
        document = source.read(split.decode(data)[0].decode())
    except InputError as error:
        raise _wrong(f"the baseline can't be read: {error}", path, max(error.line, 0) + 1) from None
    if document.duplicates:
        name, _, line = document.duplicates[0]
        raise _wrong(f"the key {name!r} stands twice in one mapping", path, line + 1)
    said = document.data
    if (
        not isinstance(said, dict)
        or "version" not in said
        or not isinstance(said.get("findings", []), (list, type(None)))
    ):
        raise ConfigError("isn't a baseline: it has no version and no list of findings", path, "name another file")
    for name in said:
        if name not in KEYS:
            raise _wrong(f"{name!r} is no field of a baseline", path, source.line_of(document, (name,)) + 1)
    if not same(said["version"], VERSION):
        line = source.line_of(document, ("version",)) + 1
        raise _wrong(f"version {said['version']!r} of a baseline isn't known here", path, line, f"update, or {ANEW}")
    if not isinstance(said.get("judged"), str):
        raise ConfigError("must say what was judged, such as `judged: restricted:latest`", path, ANEW)
    return Baseline(path, judging, said["judged"], tuple(_entries(document, path)), data)


def _wrong(message: str, path: str, line: int, next_step: str = "") -> ConfigError:
    return ConfigError(message, f"{path}:{line}", next_step)


def _entries(document: source.Document, path: str) -> Iterator[Entry]:
    lines = document.text.split("\n")
    for index, said in enumerate(document.data.get("findings") or ()):
        line = source.line_of(document, ("findings", index)) + 1
        text = lines[line - 1].strip()
        if not isinstance(said, dict) or not text.startswith("- {") or not text.endswith("}"):
            raise _wrong("each finding must stand on a line of its own: `- {file: ..., id: ...}`", path, line, ANEW)
        for name in said:
            if name not in Entry._fields[:-1]:
                raise _wrong(f"{name!r} is no field of a finding", path, line, ANEW)
        texts = {name: said.get(name, "") for name in Entry._fields[:-1] if name != "value"}
        wrong = [name for name, value in texts.items() if not isinstance(value, str)]
        missing = [name for name in ("file", "object", "control", "id") if not texts[name]]
        if wrong or missing:
            raise _wrong(f"{(wrong or missing)[0]} must be a text", path, line, ANEW)
        yield Entry(**texts, value=said.get("value"), line=line)


def text(judged: str, entries: Iterable[Entry]) -> str:
    """A baseline's file: sorted, a line for each finding, the same for the same findings."""
    lines = "".join(f"- {_line(entry)}\n" for entry in sorted(entries, key=Entry.order))
    return f"{HEADER}version: {VERSION}\njudged: {_flow(judged)}\nfindings:\n{lines}"


def _line(entry: Entry) -> str:
    said = zip(Entry._fields[:-1], entry, strict=False)
    return _flow({name: value for name, value in said if value is not None and value != ""})


def _flow(value: Any) -> str:
    return emit.flow(value, emit.FlowStyle())


def applied(baseline: Baseline, inputs: Sequence[Input], options: argparse.Namespace) -> Applied:
    """The inputs beside their baseline, which is written or gets shorter by this.

    Raises ConfigError for a line that says something else than the finding that it accepts, KrmHardenError where a new
    baseline can't be written.
    """
    tree = _Tree(baseline, inputs)
    found = [(*place, _described(tree, *place)) for place in _wrongs(inputs)]
    left = _unmatched(baseline, tree, [entry for *_, entry in found])
    if options.write_baseline:
        kept = [entry for entry in left.entries if not tree.is_gone(entry)]
        made = text(baseline.judging, [*(entry for *_, entry in found), *kept])
        _write(baseline, made.encode())
        return _marked(inputs, {id(finding) for _, _, finding, _ in found}, [])
    new = {id(entry) for entry in left.findings}
    known = {id(finding) for _, _, finding, entry in found if id(entry) not in new}
    gone = [entry for entry in left.entries if tree.is_gone(entry)]
    return _marked(inputs, known, list(_warnings(baseline, gone, left.moved, frozen=options.baseline_frozen)))


def _wrongs(inputs: Iterable[Input]) -> Iterator[tuple[Input, ResourceResult, Finding]]:
    """What a baseline can accept."""
    for made in inputs:
        for chunk in made.chunks:
            for result in chunk.resources:
                for finding in result.findings:
                    if finding.state in STATES and finding.severity != "info":
                        yield made, result, finding


def _described(tree: _Tree, made: Input, result: ResourceResult, finding: Finding) -> Entry:
    resource = result.resource
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return Entry(
        tree.name(made.name),
        "/".join(part for part in (kind, resource.namespace, resource.name) if part),
        finding.container,
        finding.control,
        dotted(_places.field(finding)),
        # Another image with the same vulnerability has nothing new.
        finding.vulnerability["id"] if finding.vulnerability else _value(finding.current),
        _places.identity(tree.repository.uri(made.name), resource, finding),
    )


def _value(current: Any) -> Any:
    """A finding's value as a line has it: lists of names in order, whatever is long as a hash."""
    if isinstance(current, list) and all(isinstance(one, str) for one in current):
        current = sorted(current)
    if len(_flow(current)) <= LONGEST:
        return current
    import hashlib

    return "sha256:" + hashlib.sha256(_flow(current).encode(errors="surrogatepass")).hexdigest()[:32]


class _Left(NamedTuple):
    """What has no counterpart: findings that are new, entries without a finding; `moved` are those of renamed files."""

    findings: list[Entry]
    entries: list[Entry]
    moved: int


def _unmatched(baseline: Baseline, tree: _Tree, found: Iterable[Entry]) -> _Left:
    by_id: dict[str, list[Entry]] = {}
    for entry in baseline.entries:
        by_id.setdefault(entry.id, []).append(entry)
    new = [one for one in found if not _take(by_id.get(one.id, []), one, baseline.path)]
    # An object whose file has another name now is still the same object.
    by_object: dict[tuple[str, ...], list[Entry]] = {}
    left = [entry for entries in by_id.values() for entry in entries]
    for entry in left:
        if not tree.exists(entry.file):
            by_object.setdefault(entry.about, []).append(entry)
    still = [one for one in new if not _take(by_object.get(one.about, []), one)]
    homeless = {id(entry) for entries in by_object.values() for entry in entries}
    rest = [entry for entry in left if id(entry) in homeless or tree.exists(entry.file)]
    return _Left(still, rest, len(new) - len(still))


def _take(entries: list[Entry], found: Entry, path: str = "") -> bool:
    """Whether an entry accepts a finding: it does so once. Raises ConfigError where it is said to be of another."""
    for index, entry in enumerate(entries):
        if same(entry.value, found.value):
            if path and (entry.file, *entry.about) != (found.file, *found.about):
                said = f"its id is that of {found.control} {found.field} of {found.object} in {found.file}"
                raise _wrong(f"says something else than what it accepts: {said}", path, entry.line, ANEW)
            del entries[index]
            return True
    return False


class _Tree:
    """Where the files of a run and of a baseline lie: relative to the baseline's repository, else to its folder."""

    def __init__(self, baseline: Baseline, inputs: Iterable[Input]) -> None:
        self.repository = _places.Repository(Path(baseline.path).parent)
        self._inputs: dict[str, list[Input]] = {}
        self._is_ours = self._has_documents = False
        for made in inputs:
            self._inputs.setdefault(self.name(made.name), []).append(made)
            path = Path(os.path.abspath(made.name))
            # No document at all is a build that broke: it says nothing of what is gone.
            self._has_documents |= bool(made.chunks)
            self._is_ours |= made.name != _places.STDIN and path.is_relative_to(self.repository.root)

    def name(self, name: str) -> str:
        """A file as a line has it."""
        path = self.repository.path(name) or _places.STDIN
        return path if path.isprintable() else self.repository.uri(name)

    def exists(self, file: str) -> bool:
        """Whether a file is there; what lies in a tree that this run knows nothing of counts as there."""
        known = file == _places.STDIN or file in self._inputs or not self._is_ours
        return known or (self.repository.root / file).exists()

    def is_gone(self, entry: Entry) -> bool:
        """Whether a finding that wasn't found is no more: its file was judged, or is no more itself."""
        if entry.file not in self._inputs:
            return not self.exists(entry.file)
        return self._has_documents and all(_was_judged(made, entry) for made in self._inputs[entry.file])


def _was_judged(made: Input, entry: Entry) -> bool:
    notes = (note for chunk in made.chunks for note in chunk.unexamined)
    is_empty_stream = made.name == _places.STDIN and not made.chunks
    unread = is_empty_stream or made.error or any(chunk.error for chunk in made.chunks)
    return not unread and not any(_may_hide(note, entry) for note in notes)


def _may_hide(note: Unexamined, entry: Entry) -> bool:
    kind = entry.object.partition("/")[0].partition(".")[0]
    return note.kind in {"", kind} and (not note.name or entry.object.endswith(f"/{note.name}"))


def _marked(inputs: Iterable[Input], known: set[int], warnings: list[str]) -> Applied:
    """The inputs with known findings as infos that say so. What is remembered of a file stays as it is."""
    made = [one._replace(chunks=tuple(_beside(chunk, known) for chunk in one.chunks)) for one in inputs]
    return Applied(made, len(known), warnings)


def _beside(chunk: ChunkResult, known: set[int]) -> ChunkResult:
    if not any(result.findings for result in chunk.resources):
        return chunk
    made = copy.copy(chunk)
    made.resources = [
        _run.with_findings(one, [_seen(found, known) for found in one.findings]) for one in chunk.resources
    ]
    return made


def _seen(finding: Finding, known: set[int]) -> Finding:
    if finding.state not in STATES or finding.severity == "info":
        return finding
    made = copy.copy(finding)
    made.baseline = "unchanged" if id(finding) in known else "new"
    if made.baseline == "unchanged":
        made.severity, made.message = "info", f"{finding.message} (in the baseline)"
    return made


def only_new(inputs: Iterable[Input]) -> Iterator[Input]:
    """The inputs without what the baseline knows, nor verdicts that it explains."""
    for made in inputs:
        yield made._replace(chunks=tuple(_only_new(chunk) for chunk in made.chunks))


def _only_new(chunk: ChunkResult) -> ChunkResult:
    if not any(finding.baseline == "unchanged" for result in chunk.resources for finding in result.findings):
        return chunk
    made = copy.copy(chunk)
    fresh = ([found for found in one.findings if found.baseline != "unchanged"] for one in chunk.resources)
    pairs = [(one, _run.with_findings(one, found)) for one, found in zip(chunk.resources, fresh, strict=True)]
    made.resources = [one for before, one in pairs if len(one.findings) == len(before.findings) or one.findings]
    return made


def _warnings(baseline: Baseline, gone: Sequence[Entry], moved: int, *, frozen: bool) -> Iterator[str]:
    """What became of the file: it gets shorter here, unless it must not."""
    if moved:
        yield f"{baseline.path}: {_are(moved)} of files that have another name now: --write-baseline writes it"
    if baseline.judged != baseline.judging:
        other = f"it is for {baseline.judged}, and this run judges {baseline.judging}"
        yield f"{baseline.path}: {other}: nothing is removed from it"
    elif gone and frozen:
        yield f"{baseline.path}: {_are(len(gone))} gone: run without --baseline-frozen, and commit the shorter file"
    elif gone:
        try:
            _write(baseline, _without(baseline.data, {entry.line for entry in gone}))
        except KrmHardenError as error:
            yield f"{baseline.path}: {_are(len(gone))} gone, but their lines can't be removed: {error.message}"
        else:
            yield f"{baseline.path}: {_are(len(gone))} gone, and so are their lines: commit the shorter file"


def count(known: int) -> str:
    """`12 known findings`."""
    return f"{known} known finding{'' if known == 1 else 's'}"


def _are(count: int) -> str:
    return f"{count} of its findings {'is' if count == 1 else 'are'}"


def _without(data: bytes, lines: set[int]) -> bytes:
    """A file without some of its lines; comments and all else stay as they are."""
    decoded, encoding = split.decode(data)
    kept = (line for number, line in enumerate(decoded.split(b"\n"), 1) if number not in lines)
    return encoding.encode(b"\n".join(kept))


def _write(baseline: Baseline, data: bytes) -> None:
    """Put a baseline in its place, whole or not at all. Raises KrmHardenError."""
    path = Path(baseline.path)
    try:
        if baseline.new:
            _replace.put(path, data)
        elif data != baseline.data:
            _replace.replace(path, data, baseline.data)
    except OSError as error:
        raise KrmHardenError(f"can't be written: {error.strerror}", str(path)) from None

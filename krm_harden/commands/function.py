"""`krm-harden` without arguments: a KRM function. A ResourceList on stdin, the hardened one on stdout."""

from __future__ import annotations

import os

from krm_harden import facts, limits, source, split
from krm_harden.commands import _policies, _streams
from krm_harden.engine import Engine, NotAList, frame
from krm_harden.errors import ConfigError, InputError
from krm_harden.reports.krm import Results, with_results
from krm_harden.reports.text import Complaints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from krm_harden.model import ChunkResult, Facts
    from krm_harden.policy import Policy

KUSTOMIZE = b"kustomize.config.k8s.io/id"
"""The annotation that every item has below kustomize's transformers, and nowhere else."""
EMPTY = b"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n"
SUMMARY = "read a ResourceList, write it hardened"


class Report:
    """What the chunks of a list come to: results for the list (if `reported`), lines for people, an exit code.

    The code is 2 when a document couldn't be read or edited, 1 when an error stays open, else 0. `judging`: also 1 when
    an exemption has expired.
    """

    __slots__ = ("_facts", "_judging", "code", "complaints", "results")

    def __init__(self, *, reported: bool = True, judging: bool = False) -> None:
        self._judging = judging
        self.code = 0
        self.complaints = Complaints()
        self.results = Results(wanted=reported)
        self._facts: list[Facts] = []

    def add(self, chunk: ChunkResult) -> bytes:
        """Note what became of a chunk; its text."""
        self.code = max(self.code, exit_code([chunk]), int(self._judging and has_expired(chunk)))
        self.complaints.add(chunk)
        self.results.add(chunk)
        if chunk.facts or chunk.error or chunk.unexamined:
            self._facts.append(facts.of_chunks([chunk]))
        return chunk.text

    def facts(self) -> Facts:
        """What only the whole list can tell."""
        return facts.merged(self._facts)

    def warn(self, message: str) -> None:
        """Note what concerns no object of the list."""
        self.complaints.warn(message)
        self.results.warn(message)

    def note(self, severity: str, message: str) -> None:
        """Note what is so of the whole run."""
        if severity == "warning":
            self.complaints.warn(message)
        self.results.note(severity, message)


def run() -> int:
    """The exit code; the complete list is on stdout. Raises KrmHardenError when nothing can be written."""
    upper = _policies.ceiling()
    try:
        data, encoding = split.decode(_streams.read_stdin())
    except InputError as error:
        raise InputError(_on_stdin(error)) from None
    parts, report = harden(data, upper)
    _streams.complain(report.complaints.lines())
    _streams.write_stdout(encoding.encode_parts(parts))
    return report.code


def _on_stdin(error: InputError, line: int = 0) -> str:
    where = f"stdin, line {line + error.line + 1}: " if error.line >= 0 else "stdin: "
    return str(error) if error.where else f"{where}{error}"


def exit_code(chunks: Iterable[ChunkResult]) -> int:
    """2 when a document couldn't be read or edited, 1 when an error stays open, else 0."""
    code = 0
    for chunk in chunks:
        if chunk.error:
            return 2
        if any(finding.severity == "error" for result in chunk.resources for finding in result.findings):
            code = 1
        if any(note.severity == "error" for note in chunk.unexamined):
            code = 1
    return code


def has_expired(chunk: ChunkResult) -> bool:
    """Whether an exemption that has expired is all that exempts something."""
    findings = (finding for result in chunk.resources for finding in result.findings)
    return any(finding.state == "exempt" and finding.severity == "warning" for finding in findings)


def harden(data: bytes, upper: Policy | None = None) -> tuple[list[bytes], Report]:
    """A ResourceList as UTF-8, hardened by its own functionConfig below a ceiling, in parts, and what happened.

    Raises KrmHardenError.
    """
    try:
        return _hardened(data, upper)
    except InputError as error:
        if not error.limit or error.where:
            raise
        raise InputError(_on_stdin(error)) from None


def _hardened(data: bytes, upper: Policy | None) -> tuple[list[bytes], Report]:
    before, chunk, after = _only_document(data)
    # kustomize throws results away, after reading every one of them.
    wanted = KUSTOMIZE not in data
    cut = split.cut_items(chunk) or split.cut_json(chunk)
    outside = frame(cut) if cut else None
    if cut and outside:
        try:
            return _items(before, chunk, cut, outside, after, upper, reported=wanted)
        except NotAList:
            pass
        # Each pass reads it again.
        del cut, outside
    return _whole(before, chunk, after, upper, reported=wanted)


def _in_passes(
    engine: Engine, once: Callable[[Engine, Report], list[bytes]], *, reported: bool
) -> tuple[list[bytes], Report]:
    """What `once` makes of a list; a second time, where the facts of the whole list decide something in it."""
    judging = engine.policy.validator
    report = Report(reported=reported, judging=judging)
    parts = once(engine, report)
    found = report.facts()
    if found.waiting:
        report = Report(reported=reported, judging=judging)
        parts = once(engine.knowing(found), report)
    for severity, message in engine.policy.notes:
        report.note(severity, message)
    for message in engine.policy.unused(found):
        report.warn(message)
    return parts, report


def _only_document(data: bytes) -> tuple[bytes, bytes, bytes]:
    documents = _documents(data)
    full = [index for index, document in enumerate(documents) if not split.is_empty(document)]
    if not full:
        raise InputError("stdin is empty", next_step="krm-harden reads a ResourceList; `krm-harden --help` shows how")
    if len(full) > 1:
        raise InputError(
            f"stdin holds {len(full)} documents, not one ResourceList",
            next_step="for plain manifests use `krm-harden fix -`",
        )
    index = full[0]
    return b"".join(documents[:index]), documents[index], b"".join(documents[index + 1 :])


def _documents(data: bytes) -> list[bytes]:
    """The documents of a stream. Raises InputError for too many: each takes memory."""
    spent = limits.Spent()
    found = []
    for document in split.documents(data):
        spent.add(0)
        found.append(document)
    return found


def _items(
    before: bytes,
    chunk: bytes,
    cut: split.ItemList,
    outside: source.Document,
    after: bytes,
    upper: Policy | None,
    *,
    reported: bool,
) -> tuple[list[bytes], Report]:
    """A list cut into items, each of which is dropped when it is done. Raises NotAList when it has to be read whole."""
    _check_list(outside)
    policy = _policy(outside.data, cut.items, upper)

    def once(engine: Engine, report: Report) -> list[bytes]:
        made = _each(engine, upper, lambda one: one.items(cut, before.count(b"\n")))
        return [report.add(item) for item in made]

    items, report = _in_passes(_engine(policy, upper), once, reported=reported)
    if policy.validator and _returns_nothing(chunk, report):
        return [EMPTY], report
    header, trailer, results = with_results(outside.text, len(cut.header.decode()), report.results)
    parts = [before, header.encode(), *items, trailer.encode()]
    return [*parts, *_appended(parts, results), after], report


def _appended(parts: list[bytes], results: list[bytes]) -> list[bytes]:
    """Results as they follow other text: on a line of their own, and away from a comment, which kpt would lose."""
    last = next((part for part in reversed(parts) if part), b"")
    if not results or not last:
        return results
    line = last.rstrip(b"\n").rpartition(b"\n")[2].lstrip()
    missing = b"" if last.endswith(b"\n") else b"\n"
    is_apart = last.endswith(b"\n\n") or not line.startswith(b"#")
    return [missing if is_apart else missing + b"\n", *results]


def _whole(
    before: bytes, chunk: bytes, after: bytes, upper: Policy | None, *, reported: bool
) -> tuple[list[bytes], Report]:
    """A list that can't be cut into items: one chunk."""
    try:
        document = source.read_input(chunk)
    except InputError as error:
        raise InputError(_on_stdin(error, before.count(b"\n"))) from None
    _check_list(document)
    for index, item in enumerate(document.data["items"] or ()):
        if not isinstance(item, dict):
            raise InputError(f"stdin: items[{index}] of the ResourceList must be a mapping")
    policy = _policy(document.data, [chunk], upper)
    # It is read again below, for each pass.
    del document

    def once(engine: Engine, report: Report) -> list[bytes]:
        made = _each(engine, upper, lambda one: [one.chunk(chunk, before.count(b"\n"))])
        return [report.add(one) for one in made]

    (text,), report = _in_passes(_engine(policy, upper), once, reported=reported)
    if policy.validator and _returns_nothing(chunk, report):
        return [EMPTY], report
    _, rest, results = with_results(text.decode(), 0, report.results)
    parts = [before, rest.encode()]
    return [*parts, *_appended(parts, results), after], report


def _policy(data: dict[str, Any], chunks: Iterable[bytes], upper: Policy | None) -> Policy:
    """What a list's functionConfig says below the ceiling, with what is said among its items."""
    config = _config(data)
    said = _policies.effective(config, "functionConfig", upper)
    alone = config is None and upper is None
    return _policies.with_items(said, chunks, ceiling=upper.name if upper else "", alone=alone)


def _engine(policy: Policy, upper: Policy | None) -> Engine:
    return Engine(policy, checking=policy.validator, lines=False, rendered=True, ceiling=upper is not None)


def _each(
    engine: Engine, upper: Policy | None, run: Callable[[Engine], Iterable[ChunkResult]]
) -> Iterable[ChunkResult]:
    """What a run makes of each chunk; of a validator below a ceiling that isn't one, also by what that would write."""
    if not engine.policy.validator or upper is None or upper.validator:
        return run(engine)
    from krm_harden.commands import _validator

    hardening = Engine(engine.policy, lines=False, rendered=True, ceiling=True, facts=engine.facts)
    return _validator.below_ceiling(run(engine), run(hardening))


def _returns_nothing(chunk: bytes, report: Report) -> bool:
    """Whether a list that was judged goes back without its items: only kustomize wants that, and only of a validator.

    Raises ConfigError where it may be used as a transformer.
    """
    if KUSTOMIZE not in chunk:
        return False
    from krm_harden.commands import _validator

    return _validator.returns_nothing(_validator.items_of(chunk), os.getcwd()) and report.code == 0


def _check_list(document: source.Document) -> None:
    data = document.data
    if not isinstance(data, dict) or data.get("kind") != "ResourceList":
        raise InputError("stdin isn't a ResourceList", next_step="for plain manifests use `krm-harden fix -`")
    keys = [source.key_name(key) for key, _ in document.root.value]  # type: ignore[union-attr]
    for key in ("apiVersion", "kind", "items", "functionConfig", "results"):
        if keys.count(key) > 1:
            raise InputError(f"stdin: the key {key!r} of the ResourceList stands twice")
    if "items" not in data:
        raise InputError("stdin: the ResourceList has no items")
    for key in ("items", "results"):
        if not isinstance(data.get(key), (list, type(None))):
            raise InputError(f"stdin: {key} of the ResourceList must be a list")


def _config(data: dict[str, Any]) -> Any:
    config = data.get("functionConfig")
    if config is not None and not isinstance(config, dict):
        raise ConfigError("functionConfig must be a mapping", "stdin")
    return config

"""`krm-harden explain FILE:LINE`: what is said there, why, what `fix` writes, what may break, how to undo it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import controls, source, split
from krm_harden.commands import _run, _streams
from krm_harden.commands._explain_show import CODE, code, rows
from krm_harden.commands._explain_topics import LABELS, part, standard
from krm_harden.commands._explain_words import CODES, NOTICES, RISKS, STATES, TO_BE_TRIED
from krm_harden.controls import TOKEN
from krm_harden.decide import exemption_text, written
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import one_line
from krm_harden.psp import explained
from krm_harden.reports._hunks import hunks
from krm_harden.reports.text import unreadable, words
from krm_harden.resources import resources
from krm_harden.standard import Evaluator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, Pod, ResourceResult, Unexamined
    from krm_harden.policy import Policy
    from krm_harden.reports._hunks import Hunk

BREAKS = "\r\n"
ENFORCED = "An exemption changes the report alone: a namespace that enforces {level} refuses the pod still."


class Pair(NamedTuple):
    """One input twice: `fixed` as fix makes it, `checked` as check sees it."""

    fixed: Input
    checked: Input

    @property
    def name(self) -> str:
        return self.fixed.name


class Place(NamedTuple):
    """One object: what became of it in a fix (None where it wasn't examined) and in a check, and where it begins."""

    line: int
    result: ResourceResult | None = None
    before: ResourceResult | None = None
    note: Unexamined | None = None
    what: str = ""


def read(policy: Policy, path: str, *, ceiling: bool) -> list[Pair]:
    """A file, each file of a folder, or standard input, through both engines. Raises ConfigError for a missing path."""
    fixing, checking = Engine(policy, ceiling=ceiling), Engine(policy, checking=True)
    if path == _run.STDIN:
        data = _stdin()
        made = [list(_run.settled(one, [_run.of_bytes(one, path, data)])) for one in (fixing, checking)]
    else:
        made = [list(_run.process(one, [path])) for one in (fixing, checking)]
    return [Pair(fixed, checked) for fixed, checked in zip(*made, strict=True)]


@cache
def _stdin() -> bytes:
    """Standard input, which can be read only once, for whoever asks about two of its lines."""
    return _streams.read_stdin()


def in_short(policy: Policy, path: str, *, ceiling: bool) -> tuple[list[str], int]:
    """A page on each file with a line for each finding, and the exit code. Raises InputError where nothing is there."""
    found = read(policy, path, ceiling=ceiling)
    pages = [page for page in map(_in_short, found) if page]
    unread = _complain(found)
    if any(one.findings for pair in found for chunk in pair.fixed.chunks for one in chunk.resources):
        pages.append("`krm-harden explain FILE:LINE` says more about a line, or about an object by its first one.\n")
    if not pages and not unread:
        pages = [f"{path}: nothing in it makes pods, and no Namespace is in it.\n"]
    return pages, 2 * unread


def _in_short(pair: Pair) -> str:
    parts = []
    places = _places(pair)
    for place in places:
        if place.note:
            parts.append(_of_note(pair, place, place.note))
        elif place.result and place.before:
            parts += [_head(pair, place), *_verdict_in_short(place)]
            known = sorted(place.result.findings, key=lambda one: one.line)
            parts.append(rows((f"{one.line}: {one.state}", _short(one)) for one in known) or "No findings.")
    return "\n\n".join(parts) + ("\n" if parts else "")


def _short(finding: Finding) -> str:
    """A finding in a line, without its reasons."""
    return f"{finding.control}: {one_line(finding.message.removesuffix(f': {finding.reason}'))}"


def _verdict_in_short(place: Place) -> Iterator[str]:
    if place.before is None or place.result is None or place.before.resource.kind == "Namespace":
        return
    now, after = ("allowed" if one.allowed else "refused" for one in (place.before, place.result))
    fixed = f"; after `krm-harden fix` {after}" if place.result.operations else ""
    yield f"{now.capitalize()} by {place.before.asked}{fixed}."


def at_line(policy: Policy, path: str, line: int, *, ceiling: bool) -> tuple[list[str], int]:
    """The page on a line, and the exit code. Raises ConfigError for a line that isn't there, InputError unread."""
    pair = read(policy, path, ceiling=ceiling)[0]
    if pair.fixed.error:
        raise InputError(f"{pair.name}: {pair.fixed.error}")
    text, _ = split.decode(pair.fixed.old)
    count = text.count(b"\n") + (not text.endswith(b"\n"))
    if pair.fixed.old and not 1 <= line <= count:
        raise ConfigError(f"there is no line {line}: it has {count}", path)
    unread = _complain([pair])
    pages = []
    for place in _at(pair, text, line):
        if place.result or place.note:
            pages.append(_page(policy, pair, place, text.decode().split("\n"), line))
        elif not unread:
            what = f"{place.what} makes no pods and is no Namespace" if place.what else "there is no object"
            pages.append(f"{pair.name}:{line}: {what}: nothing is checked.\n")
    return pages, 2 * unread


def _complain(pairs: Iterable[Pair]) -> bool:
    """Say what couldn't be read, and whether there was something."""
    lines = list(unreadable([pair.fixed for pair in pairs]))
    _streams.complain([f"krm-harden: {line}" for line in lines])
    return bool(lines)


# ---- the object at a line


def _places(pair: Pair) -> list[Place]:
    """What a report has of a file, in its order."""
    before = {(one.line, str(one.resource)): one for chunk in pair.checked.chunks for one in chunk.resources}
    found = []
    for chunk in pair.fixed.chunks:
        for one in chunk.resources:
            was = before.get((one.line, str(one.resource)))
            found.append(Place(one.line, one, was or one, what=one_line(str(one.resource))))
        found += [Place(note.line, note=note, what=one_line(str(note))) for note in chunk.unexamined]
    return sorted(found, key=lambda place: place.line)


def _at(pair: Pair, text: bytes, line: int) -> list[Place]:
    """The object that a line is in, or the objects that begin on it: above a first line are a document's comments."""
    places = _places(pair)
    if len(places) == 1 and places[0].line == 0:
        return places
    document, first = _document_at(text, line)
    end = first + document.count(b"\n") + 1
    starts = _starts(document, first)
    inside = [place for place in places if first <= place.line < end]
    # What can't be read has no objects: then whatever the report has of it.
    known = starts or inside or [Place(first)]
    begins = max((one.line for one in known if one.line <= line), default=known[0].line)
    return [place for place in inside if place.line == begins] or [one for one in known if one.line == begins]


def _document_at(text: bytes, line: int) -> tuple[bytes, int]:
    """The document that a line is in, and its first line, from 1."""
    first, document = 1, b""
    for document in split.documents(text):
        end = first + document.count(b"\n")
        if line < end:
            break
        first = end
    return document, first


def _starts(document: bytes, first: int) -> list[Place]:
    """Where the objects of a document begin."""
    mark, body = split.after_mark(document)
    try:
        found = source.read(body.decode())
        first += mark.count(b"\n")
        return [Place(first + source.line_of(found, one.base), what=one_line(str(one))) for one in resources(found)]
    except InputError:
        return []


# ---- the page


def _page(policy: Policy, pair: Pair, place: Place, lines: list[str], line: int) -> str:
    if place.note or not place.result or not place.before:
        return _of_note(pair, place, place.note) + "\n"
    chosen, near = _chosen(place.result.findings, place.line, line)
    parts = [_head(pair, place), "\n".join(_verdicts(place))]
    if near:
        parts.append(near)
    parts += _of_field(lines[line - 1] if line <= len(lines) else "", chosen, line)
    changed = list(_changes(pair.fixed, chosen))
    if changed:
        parts.append("`krm-harden fix` writes:")
        parts += changed
    said, pods = _of_server(policy, place.before), policy.pods_of(place.result.resource)
    told: set[str] = set()
    for finding in chosen:
        # What holds for its control in general is told once.
        parts.append(_of_finding(pods, finding, said.pop(finding.control, ""), again=finding.control in told))
        told.add(finding.control)
    known = controls.load()
    if any(one in known and known[one].standard for one in told):
        parts.append(ENFORCED.format(level=place.result.level))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(pair: Pair, place: Place) -> str:
    return f"# {pair.name}:{place.line}: {place.what}"


def _verdicts(place: Place) -> Iterator[str]:
    if place.before is None or place.result is None:
        return
    asked = place.before.asked
    if place.before.resource.kind == "Namespace":
        return
    yield f"As it is: {f'allowed by {asked}' if place.before.allowed else one_line(words(place.before))}."
    for verdict in place.before.policies:
        yield one_line(verdict.message or f"It {verdict.words}, which admits it.")
    if place.result.operations and not place.before.allowed:
        after = "allowed" if place.result.allowed else f"still refused: {one_line(place.result.message)}"
        yield f"After `krm-harden fix`: {after}."


def _of_note(pair: Pair, place: Place, note: Unexamined | None) -> str:
    """Why something was left alone."""
    where = f"**{pair.name}:{place.line}**" if place.line else f"**{pair.name}**"
    what = f" {place.what}" if place.what else ""
    reason = f": {one_line(note.reason)}" if note else ""
    return f"{where}{what} was left alone{reason}. It wasn't judged, so nothing is known of it."


def _chosen(findings: Sequence[Finding], first: int, line: int) -> tuple[list[Finding], str]:
    """The findings of a line: all of the object's for its first one, else the nearest; and what to say of that."""
    if not findings:
        return [], "No findings: there is nothing to do here."
    if line <= first:
        return sorted(findings, key=lambda one: one.line), ""
    distance = min(abs(one.line - line) for one in findings)
    chosen = [one for one in findings if abs(one.line - line) == distance]
    if not distance:
        return chosen, ""
    where = " and ".join(str(one) for one in sorted({one.line for one in chosen}))
    return chosen, f"No finding is about line {line}; the nearest are about line {where}."


def _of_field(text: str, chosen: Sequence[Finding], line: int) -> Iterator[str]:
    """The controls that a line's field belongs to, where no finding is about it."""
    if any(one.line == line for one in chosen):
        return
    key = text.strip().removeprefix("- ").partition(":")[0].strip("\"'{ ")
    about = [one for one in controls.load().values() if key and (key in one.field or key in one.keys)]
    if about:
        names = ", ".join(f"`krm-harden explain {one.id}`" for one in about)
        yield f"Line {line}: `{key}` is a field of {names}."


def _changes(made: Input, chosen: Sequence[Finding]) -> Iterator[str]:
    """The changes of a file that carry findings out, as small diffs."""
    wanted = {id(one) for one in chosen}
    for hunk in hunks(made):
        if any(id(one) in wanted for _, one in hunk.findings):
            yield code(_diff(hunk))


def _diff(hunk: Hunk) -> str:
    """A hunk as a unified diff has it."""
    start = hunk.first - len(hunk.before)
    old = len(hunk.before) + len(hunk.removed) + len(hunk.after)
    new = len(hunk.before) + len(hunk.added) + len(hunk.after)
    begins = hunk.first_new - len(hunk.before)
    signs = ((" ", hunk.before), ("-", hunk.removed), ("+", hunk.added), (" ", hunk.after))
    body = "".join(f"{sign}{line.rstrip(BREAKS)}\n" for sign, lines in signs for line in lines)
    return f"@@ -{start},{old} +{begins},{new} @@\n{body}"


def _of_finding(pods: Sequence[Pod], finding: Finding, said: str, *, again: bool) -> str:
    """All about one finding; `said` are the server's words, `again`: its control has been told of already."""
    control = controls.load().get(finding.control)
    title = f"{control.title} ({standard(control)})" if control else _other_title(finding.control)
    parts = [f"# {finding.control}: {title.partition('. ')[0]}", rows(_facts(finding, said))]
    undo, everywhere = _undo(finding.control)
    if not again:
        parts += [part(finding.control, "Protects from"), part(finding.control, "May break"), undo]
    exemption = _exemption(pods, finding)
    if exemption:
        parts += ["To leave it as it is, under `spec.exemptions` of the policy:", code(f"- {exemption}")]
    if everywhere and not again:
        parts += ["To keep the control out of all, under `spec` of the policy:", code(everywhere)]
    return "\n\n".join(one for one in parts if one)


def _other_title(name: str) -> str:
    return explained.title(name) if explained.is_ours(name) else NOTICES.get(name, LABELS)


def _undo(control: str) -> tuple[str, str]:
    """How a control's change is taken back, and what keeps it out everywhere: its exemption is the finding's own."""
    text, _, shown = part(control, "Undo").partition("\n\n")
    text = " ".join(text.split())
    for start in (" Under `spec`", " This, under `spec`"):
        text = text.partition(start)[0]
    lines = [line[len(CODE) :] for line in shown.splitlines()]
    return text, "\n".join(line for line in lines if line[:1].isalpha() and not line.startswith("exemptions:"))


def _facts(finding: Finding, said: str) -> Iterator[tuple[str, str]]:
    yield "Finding", one_line(finding.message)
    if finding.path:
        yield "Field", f"`{finding.path}`, line {finding.line}"
        yield "Now", "not set" if finding.current is None else f"`{one_line(written(finding.current))}`"
    if finding.proposed is not None and finding.state in {"fixed", "deferred", "stale"}:
        verb = {"fixed": "Becomes", "deferred": "Would be", "stale": "Should be"}[finding.state]
        yield verb, f"`{one_line(written(finding.proposed))}`"
    if said:
        yield "Server", said
    meaning, advice = STATES[finding.state]
    yield "State", f"{finding.state}: {meaning}"
    if finding.risk != "none":
        about_token = finding.control == TOKEN and finding.risk == "may-break"
        yield "Risk", f"{finding.risk}: {TO_BE_TRIED if about_token else RISKS[finding.risk]}"
    if finding.code:
        yield "Code", f"{finding.code}: {' '.join(CODES[finding.code]) if finding.code in CODES else ''}".rstrip(": ")
    if finding.evidence:
        yield "Evidence", one_line(finding.evidence)
    if finding.state != "fixed":
        yield "To do", advice


def _of_server(policy: Policy, before: ResourceResult) -> dict[str, str]:
    """What the API server says of each control that an object fails, in its words."""
    said: dict[str, dict[str, None]] = {}
    for one in Evaluator(policy.pods_of(before.resource)).verdict(before.asked).failures:
        said.setdefault(one.control, {})[one_line(str(one))] = None
    return {control: ", ".join(found) for control, found in said.items()}


def _exemption(pods: Sequence[Pod], finding: Finding) -> str:
    """The exemption to paste; empty for what no exemption is about."""
    if finding.state in {"exempt", "unused", "immutable", "stale"} or finding.control in NOTICES:
        return ""
    if finding.exemption:
        return finding.exemption
    for pod in pods:
        found = next((one for one in pod.containers if one.name == finding.container), None)
        if found or not finding.container:
            return exemption_text(finding.control, pod, found if finding.container else None)
    return ""

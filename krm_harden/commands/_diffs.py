"""The unified diff that `patch` reads, and the same for people: in colours, with the reasons beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from krm_harden.commands import _terminal
from krm_harden.model import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding
    from krm_harden.reports._hunks import Hunk

WIDE = 100
"""Columns from which reasons stand beside the lines that they are about."""
NARROWEST = 40
"""Columns that reasons need there, or they stand above."""
WIDEST_CODE = 72
RISKS = {"safe": "info", "evidence": "info", "may-break": "warning"}
"""The style of each risk."""


def unified(old: str, new: str, before: str, after: str) -> Iterator[str]:
    """The difference of two texts line by line; `before` and `after` are what its head calls them."""
    import difflib

    from krm_harden.reports._hunks import lines_of

    for line in difflib.unified_diff(lines_of(old), lines_of(new), before, after):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def unified_parts(pairs: Iterable[tuple[bytes, bytes]], before: str, after: str, context: int) -> Iterator[str]:
    """The difference of two texts that come in parts, each as it was and as it is now.

    It has the form of `unified`, and lines of the one part are never compared with those of another.
    """
    from krm_harden.reports._hunks import lines_of

    hunk = _Hunk(context)
    is_first = True
    for old, new in pairs:
        if old == new:
            yield from map(_ended, hunk.part(old))
            continue
        for lines in _steps(hunk, lines_of(old.decode()), lines_of(new.decode())):
            if is_first and hunk.is_open:
                yield from (f"--- {before}\n", f"+++ {after}\n")
                is_first = False
            yield from map(_ended, lines)
    yield from map(_ended, hunk.rest())


def _steps(hunk: _Hunk, old: Sequence[str], new: Sequence[str]) -> Iterator[list[str]]:
    """What each step from one text to the other adds to a hunk: the hunks that it ends."""
    import difflib

    for step, begin, end, start, stop in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if step == "equal":
            yield hunk.same(old[begin:end])
        else:
            hunk.other(old[begin:end], new[start:stop])
            yield []


def _ends(text: bytes, lines: int) -> tuple[bytes, int, bytes] | None:
    """So many lines at the beginning of a text, how many follow, and as many at its end; None where it has fewer."""
    begin, end = 0, len(text) - text.endswith(b"\n")
    for _ in range(lines):
        begin = text.find(b"\n", begin) + 1
        if not begin:
            return None
    for _ in range(lines):
        end = text.rfind(b"\n", begin, end)
        if end < 0:
            return None
    return text[:begin], text.count(b"\n", begin, end + 1), text[end + 1 :]


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


class _Hunk:
    """A hunk of a unified diff that grows until so many lines are the same that the next one is another."""

    def __init__(self, context: int) -> None:
        self._context = context
        self._old = self._new = 0
        """Lines of each text that came before what is at hand."""
        self._lines: list[str] = []
        self._alike = 0
        """Lines at the end that are the same in both."""
        self.is_open = False

    def part(self, text: bytes) -> list[str]:
        """The hunk that ends with a text that is the same, if one does. Of a long one only both ends are looked at."""
        from krm_harden.reports._hunks import lines_of

        ends = _ends(text, 2 * self._context + 1)
        if ends is None:
            return self.same(lines_of(text.decode()))
        done = self.same(lines_of(ends[0].decode()))
        self._forget(len(self._lines))
        self._old += ends[1]
        self._new += ends[1]
        return done + self.same(lines_of(ends[2].decode()))

    def same(self, lines: Sequence[str]) -> list[str]:
        """The hunk that ends with lines that are the same in both texts, if one does."""
        done: list[str] = []
        most = 2 * self._context
        if self.is_open and self._alike + len(lines) > most:
            missing = max(self._context - self._alike, 0)
            self._lines += (f" {line}" for line in lines[:missing])
            self._alike += missing
            lines = lines[missing:]
            done = self._closed()
        self._lines += (f" {line}" for line in lines)
        self._alike += len(lines)
        if not self.is_open:
            self._forget(len(self._lines) - self._context)
        return done

    def other(self, removed: Sequence[str], added: Sequence[str]) -> None:
        """Lines that differ."""
        self.is_open = True
        self._alike = 0
        self._lines += [*(f"-{line}" for line in removed), *(f"+{line}" for line in added)]

    def rest(self) -> list[str]:
        """The hunk that is still open at the end."""
        return self._closed() if self.is_open else []

    def _closed(self) -> list[str]:
        spare = max(self._alike - self._context, 0)
        shown = self._lines[: len(self._lines) - spare]
        removed, added = (sum(line[0] in signs for line in shown) for signs in (" -", " +"))
        head = f"@@ -{_span(self._old + 1, removed)} +{_span(self._new + 1, added)} @@\n"
        self._forget(len(self._lines) - self._alike)
        self.is_open = False
        return [head, *shown]

    def _forget(self, count: int) -> None:
        """Leave the first lines behind."""
        for line in self._lines[: max(count, 0)]:
            self._old += line[0] in " -"
            self._new += line[0] in " +"
        del self._lines[: max(count, 0)]


def coloured(lines: Iterable[str]) -> Iterator[str]:
    """A unified diff's lines in colours; without them it is the same text."""
    for line in lines:
        text = line.rstrip("\r\n")
        yield _terminal.paint(text, _style(text)) + line[len(text) :]


def painted(line: str) -> str:
    """One line of a diff, for a terminal: without its break."""
    text = line[:1] + _clean(line[1:])
    return _terminal.paint(text, _style(text))


def _style(line: str) -> str:
    if line.startswith(("--- ", "+++ ")):
        return "heading"
    return {"+": "added", "-": "removed", "@": "name", "\\": "dim", "#": "dim"}.get(line[:1], "")


def commented(made: Input) -> Iterator[str]:
    """The reasons of a file's changes as comments, to stand above its diff, where `patch` passes over them."""
    from krm_harden.reports import _hunks

    for hunk in _hunks.hunks(made):
        for note in notes(hunk):
            yield f"# {made.name}:{hunk.first_new + max(note.line, 0)}: {note}\n"


class Note(NamedTuple):
    """What to say beside a line of a hunk: `line` counts in what the hunk adds, -1 is what it removes."""

    line: int
    control: str
    risk: str
    reason: str

    def __str__(self) -> str:
        return f"{self.control} ({self.risk}): {self.reason}"


def notes(hunk: Hunk) -> list[Note]:
    """The findings of a hunk in the order of their lines; what several of one line say alike, once."""
    found = [note(finding, line) for line, (_, finding) in zip(hunk.lines, hunk.findings, strict=True)]
    return sorted(dict.fromkeys(found))


def note(finding: Finding, line: int = 0) -> Note:
    """Why a change is made, in few words."""
    return Note(line, finding.control, finding.risk, because(finding))


def because(finding: Finding) -> str:
    """The reason and the evidence of a finding, else what its control is about, and who asks for it."""
    from krm_harden.controls import ADVICE, load

    reason = finding.reason.removesuffix(f": {ADVICE}")
    evidence = finding.evidence
    if evidence and evidence not in reason:
        reason = f"{reason} ({evidence})" if reason else evidence
    known = load().get(finding.control)
    if not reason and known:
        reason = f"{known.title}, as {known.level} asks" if known.standard else known.title
    return one_line(reason or finding.message)


def for_people(made: Input, stream: TextIO | None) -> Iterator[str]:
    """The diff of a file for a terminal: with the reason of each hunk, in colours where the terminal has them."""
    lines = explained(made, _terminal.width(stream) or WIDE)
    return (f"{line}\n" for line in (lines if _terminal.colours(stream) else map(plain, lines)))


def plain(line: str) -> str:
    """A line without its colours; it has no other escape sequences."""
    parts = line.split("\033[")
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])


def explained(made: Input, columns: int) -> Iterator[str]:
    """The diff of a file, line by line without breaks: coloured, with the reasons of each hunk.

    Where there is room they stand at the right, at the line that they are about, else above the hunk.
    """
    from krm_harden.reports import _hunks

    found = list(_hunks.hunks(made))
    if not found:
        return
    name = one_line(made.name.lstrip("/"))
    yield _terminal.paint(f"--- a/{name}", "heading")
    yield _terminal.paint(f"+++ b/{name}", "heading")
    longest = max(len(line) for hunk in found for line in _shown(hunk))
    left = min(longest, WIDEST_CODE) + 3
    beside = columns >= WIDE and columns - left >= NARROWEST
    for near in _near(found):
        yield _terminal.paint(f"{_range(near)} {one_line(_subjects(near))}".rstrip(), "name")
        if beside:
            yield from _beside(near, left, columns - left)
        else:
            yield from _below_reasons(near, columns)


def _near(found: Iterable[Hunk]) -> Iterator[list[Hunk]]:
    """The hunks whose surroundings meet: they share a range, as in any unified diff."""
    near: list[Hunk] = []
    for hunk in found:
        if near and hunk.first - len(hunk.before) > near[-1].first + len(near[-1].removed) + len(near[-1].after):
            yield near
            near = []
        near.append(hunk)
    if near:
        yield near


def _range(near: Sequence[Hunk]) -> str:
    first, last = near[0], near[-1]
    above, below = len(first.before), len(last.after)
    old = last.first + len(last.removed) + below - first.first + above
    new = last.first_new + len(last.added) + below - first.first_new + above
    return f"@@ -{_span(first.first - above, old)} +{_span(first.first_new - above, new)} @@"


def _span(start: int, length: int) -> str:
    """A range as diff writes it: one of no lines is the line before it."""
    return str(start) if length == 1 else f"{start if length else start - 1},{length}"


def _subjects(near: Iterable[Hunk]) -> str:
    results = {id(result): result for hunk in near for result, _ in hunk.findings}
    return ", ".join(str(result.resource) for result in results.values())


def _between(near: Sequence[Hunk], index: int) -> list[str]:
    """The unchanged lines above a hunk that weren't shown below the one before it."""
    hunk = near[index]
    if not index:
        return list(hunk.before)
    before = near[index - 1]
    gap = hunk.first - before.first - len(before.removed)
    known = list(before.after[:gap])
    more = gap - len(known)
    return known + (list(hunk.before[-more:]) if more else [])


def _shown(hunk: Hunk) -> Iterator[str]:
    return (_clean(line) for line in (*hunk.before, *hunk.removed, *hunk.added, *hunk.after))


def _clean(line: str) -> str:
    """A line of a file as a terminal may show it: no break, no tab of unknown width, and nothing that it obeys."""
    return one_line(line.rstrip("\r\n").replace("\t", "    "))


def _rows(near: Sequence[Hunk]) -> Iterator[tuple[str, str, list[Note]]]:
    """What is shown, line by line: the sign, the line, and what to say beside it."""
    for index, hunk in enumerate(near):
        yield from ((" ", line, []) for line in _between(near, index))
        said: dict[int, list[Note]] = {}
        for one in notes(hunk):
            said.setdefault(one.line, []).append(one)
        for number, line in enumerate(hunk.removed):
            yield "-", line, said.get(-1, []) if not number else []
            yield from _unended(line)
        for number, line in enumerate(hunk.added):
            yield "+", line, said.get(number, [])
            yield from _unended(line)
    for line in near[-1].after:
        yield " ", line, []
        yield from _unended(line)


def _unended(line: str) -> Iterator[tuple[str, str, list[Note]]]:
    if not line.endswith("\n"):
        yield "\\", " No newline at end of file", []


def _beside(near: Sequence[Hunk], left: int, right: int) -> Iterator[str]:
    waiting: list[str] = []
    for sign, line, found in _rows(near):
        waiting += [part for one in found for part in _wrapped(one, right - 2)]
        text = sign + _clean(line)
        shown = _terminal.paint(text, _style(sign))
        if waiting and len(text) < left:
            yield f"{shown}{' ' * (left - len(text))}{_terminal.paint('│', 'dim')} {waiting.pop(0)}"
        else:
            yield shown
    for part in waiting:
        yield f"{' ' * left}{_terminal.paint('│', 'dim')} {part}"


def _below_reasons(near: Sequence[Hunk], columns: int) -> Iterator[str]:
    for one in dict.fromkeys(one._replace(line=0) for hunk in near for one in notes(hunk)):
        parts = _wrapped(one, columns - 2)
        yield from (f"{_terminal.paint('#', 'dim')} {part}" for part in parts)
    for sign, line, _ in _rows(near):
        yield _terminal.paint(sign + _clean(line), _style(sign))


def _wrapped(one: Note, columns: int) -> list[str]:
    """A note in lines of so many columns: the control's name and risk in colours, what follows indented."""
    import textwrap

    head = f"{one.control} ({one.risk})"
    lines = textwrap.wrap(f"{head}: {one.reason}", max(columns, 20), subsequent_indent="  ", break_on_hyphens=False)
    if not lines[0].startswith(head):
        return lines
    name = _terminal.paint(one.control, "name")
    risk = _terminal.paint(f"({one.risk})", RISKS.get(one.risk, "dim"))
    return [f"{name} {risk}{lines[0][len(head) :]}", *lines[1:]]

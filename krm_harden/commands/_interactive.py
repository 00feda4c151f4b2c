"""`fix --interactive`: change by change, each with its own diff and the reason for it.

A change is what one control writes to one object, with what it needs. After each answer the document is run again with
what has been decided, so that what is shown is what will be written. Nothing is written before the last answer.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import split
from krm_harden.commands import _diffs, _exempting, _policies, _run, _terminal
from krm_harden.decide import exemption_of
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import one_line
from krm_harden.reports import _hunks

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.decide import LeftOut
    from krm_harden.engine import Engine
    from krm_harden.model import ChunkResult, Finding, Resource, ResourceResult

    Pair = tuple[tuple[Any, ...], str]
    """An object's key and a control."""

CONTEXT = 2
ANSWERS = {
    "y": "yes, write it",
    "n": "no, leave it out",
    "a": "yes, and all further ones of this control",
    "d": "no, and none of the further ones of this control",
    "e": "no: exempt the object from this control, with a reason that goes into the policy",
    "s": "leave out what is left of this file",
    "q": "quit: no more questions; asks whether to write what you have accepted so far",
    "?": "this help",
}


class Change(NamedTuple):
    """What one control would write to one object, and the findings that say why."""

    pair: Pair
    result: ResourceResult
    findings: tuple[Finding, ...]

    @property
    def control(self) -> str:
        return self.pair[1]


class _Quit(Exception):
    """No more questions."""


@dataclass
class Answers:
    """What has been decided: by change, for the rest of a control, by file; and what is exempt from now on.

    What is left of a skipped file is as all its controls were then: whoever says yes to one later has not seen it.
    """

    of: dict[Pair, bool] = field(default_factory=dict)
    everywhere: dict[str, bool] = field(default_factory=dict)
    skipped: dict[str, dict[str, bool]] = field(default_factory=dict)
    exemptions: list[dict[str, Any]] = field(default_factory=list)

    def get(self, pair: Pair) -> bool | None:
        """Whether a change is wanted; None where nobody has said."""
        if pair in self.of:
            return self.of[pair]
        file, control = pair[0][0], pair[1]
        return self.skipped[file].get(control, False) if file in self.skipped else self.everywhere.get(control)

    def skip(self, file: str) -> None:
        """Leave out what is left of a file."""
        self.skipped[file] = dict(self.everywhere)

    def state(self, of: tuple[Any, ...]) -> int:
        """A number that changes with each decision about an object."""
        return sum(pair[0] == of for pair in self.of) + len(self.everywhere) + len(self.exemptions)


@dataclass(frozen=True)
class Chosen:
    """What an Engine takes as `left_out` for one file: undecided changes are `otherwise`, `also` is one that isn't."""

    file: str
    answers: Answers
    above: LeftOut | None
    otherwise: bool = False
    also: Pair | None = None

    def __call__(self, resource: Resource, control: str) -> str:
        reason = self.above(resource, control) if self.above else ""
        if reason:
            return reason
        pair = key(self.file, resource), control
        said = True if pair == self.also else self.answers.get(pair)
        if self.otherwise if said is None else said:
            return ""
        return "it was left out" if said is False else "nobody was asked"


def key(file: str, resource: Resource) -> tuple[Any, ...]:
    """What an object is known by in its file, before and after a change."""
    return file, resource.api_version, resource.kind, resource.namespace, resource.name, resource.base


def check(options: argparse.Namespace) -> None:
    """Raises ConfigError where nobody could answer, or what is asked for makes no sense together."""
    if _run.STDIN in options.paths:
        raise ConfigError("--interactive takes its answers from standard input, not manifests", next_step="name files")
    if options.against or options.output != "text":
        other = "--against" if options.against else "--output"
        raise ConfigError(f"--interactive doesn't go with {other}", next_step=f"leave {other} away; --report is fine")
    if not (_terminal.is_terminal(sys.stdin) and _terminal.is_terminal(sys.stdout)):
        raise ConfigError(
            "--interactive asks on a terminal, and there is none",
            next_step="choose with --control, or leave things out by exemptions in the policy",
        )


def asked(
    engine: Engine, inputs: Sequence[Input], policies: str | Sequence[str] | None, *, writing: bool
) -> tuple[Engine, list[Input]]:
    """The inputs as the answers have them, and an engine that knows the new exemptions, which are written.

    `policies` are the files of the policy; `writing`: exemptions may be written. Raises KrmHardenError, and then has
    written nothing.
    """
    answers = Answers()
    conversation = _Conversation(engine, inputs, answers, _exempting.Target(policies, allowed=writing))
    try:
        conversation.ask()
    except _Quit:
        conversation.quit()
    made = conversation.made()
    if answers.exemptions:
        say(conversation.target.write(answers.exemptions))
    return conversation.engine, made


class _Conversation:
    """Questions about all files, one after the other. `engine` knows the exemptions that came with the answers."""

    def __init__(self, engine: Engine, inputs: Sequence[Input], answers: Answers, target: _exempting.Target) -> None:
        self.inputs = inputs
        self.answers = answers
        self.target = target
        self.engine = self._before = engine
        # What decides about a Namespace are all inputs, as far as they can be known yet.
        self._facts = _run.facts_of(inputs) if engine.policy.asks_whole_input else None

    def ask(self) -> None:
        """Every question. Raises _Quit."""
        files = [made for made in self.inputs if made.changed and not made.error]
        for number, made in enumerate(files, 1):
            progress = f"({number}/{len(files)}) " if len(files) > 1 else ""
            text, _ = split.decode(made.old)
            line = 0
            for old, chunk in _hunks.pieces(text, made.chunks):
                if chunk.changed:
                    self._ask_piece(_Piece(made.name, text, old, line), progress)
                line += old.count(b"\n")

    def _ask_piece(self, piece: _Piece, progress: str) -> None:
        """Questions about one document, or item of a list, until everything in it is decided."""
        done: set[Pair] = set()
        # What writes nothing alone is tried again only when something else about its object was decided.
        tried: dict[Pair, int] = {}
        exempt = len(self.answers.exemptions)
        while True:
            now = self._run(piece)
            before, done = done, set(_changes(piece.file, now))
            gone = sorted(control for _, control in before - done)
            if gone and len(self.answers.exemptions) > exempt:
                say(f"  beside that exemption these aren't written any more: {', '.join(gone)}")
            for change in _changes(piece.file, self._run(piece, otherwise=True)).values():
                state = self.answers.state(change.pair[0])
                if change.pair in done or self.answers.get(change.pair) is not None or tried.get(change.pair) == state:
                    continue
                tried[change.pair] = state
                after = self._run(piece, also=change.pair)
                if after.changed and after.text != now.text:
                    self._ask_one(change, now, after, progress)
                    break
            else:
                return

    def _run(self, piece: _Piece, *, otherwise: bool = False, also: Pair | None = None) -> ChunkResult:
        """A document as the answers have it, and some changes more."""
        chosen = Chosen(piece.file, self.answers, self.engine.left_out, otherwise, also)
        engine = self.engine.choosing(chosen)
        engine = engine.knowing(self._facts) if self._facts else engine
        above = engine.policy.name if engine.ceiling else ""
        known = _policies.with_items(engine.policy, split.documents(piece.whole), ceiling=above)
        return engine.under(known).chunk(piece.old, piece.line)

    def _ask_one(self, change: Change, now: ChunkResult, after: ChunkResult, progress: str) -> None:
        say(f"\n{progress}{_head(change)}")
        for line in _reasons(change):
            say(f"  {line}")
        beside = [name for name in _written(after) if name not in {*_written(now), change.control}]
        if beside:
            say(f"  {_terminal.paint('with what it needs:', 'dim')} {', '.join(beside)}")
        say("")
        for line in _difference(now.text, after.text):
            say(f"  {line}")
        say("")
        while not self._answered(change, _answer(f"Write it? [{','.join(ANSWERS)}] ")):
            pass

    def _answered(self, change: Change, answer: str) -> bool:
        """Take an answer; False where it was none yet."""
        if answer in {"y", "n"}:
            self.answers.of[change.pair] = answer == "y"
        elif answer in {"a", "d"}:
            self.answers.of[change.pair] = self.answers.everywhere[change.control] = answer == "a"
        elif answer == "s":
            self.answers.skip(change.pair[0][0])
        elif answer == "q":
            raise _Quit
        elif answer == "e":
            return self._exempted(change)
        else:
            for one, meaning in ANSWERS.items():
                say(f"  {_terminal.paint(one, 'name')}  {meaning}")
            return False
        return True

    def _exempted(self, change: Change) -> bool:
        if not self.target.ready(say, _answer):
            return False
        containers = {finding.container: None for finding in change.findings}
        named = [] if "" in containers else list(containers)
        reason = _answer("Why is it exempt? (empty: go back) ")
        entry = exemption_of(change.control, change.result.resource, named, reason)
        problem = _exempting.problem(entry) if reason else "no reason, no exemption"
        while reason and not problem:
            expires = _answer("Until which day? (2027-06-30; empty: for good) ")
            problem = _exempting.problem({**entry, "expires": expires}) if expires else ""
            if not problem:
                entry |= {"expires": expires} if expires else {}
                break
            say(f"  {problem}")
            problem = ""
        problem = problem or self.target.problem([*self.answers.exemptions, entry])
        if problem:
            say(f"  {problem}")
            return False
        self.answers.of[change.pair] = False
        self.answers.exemptions.append(entry)
        self.engine = self.engine.under(_exempting.extended(self.engine.policy, entry))
        return True

    def quit(self) -> None:
        """No more questions: what was accepted is written if somebody says so, and nothing else."""
        made = self.made()
        changes = {pair for one in made for chunk in one.chunks for pair in _changes(one.name, chunk)}
        counts = [(len(changes), "change"), (len(self.answers.exemptions), "exemption")]
        what = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count]
        answer = "" if what else "n"
        while answer not in {"y", "n"}:
            verb = "Write" if self.target.allowed else "Show"
            answer = _answer(f"{verb} what you have accepted so far ({' and '.join(what)})? [y,n] ")
        if answer == "n":
            self.answers.of.clear()
            self.answers.everywhere.clear()
            self.answers.exemptions.clear()
            self.engine = self._before

    def made(self) -> list[Input]:
        """The inputs as all answers have them."""
        first = [self._input(self.engine, made) for made in self.inputs]
        if not self.engine.policy.asks_whole_input:
            return first
        again = self.engine.knowing(_run.facts_of(first))
        return [
            self._input(again, made)._replace(relies=True)
            if any(chunk.facts and chunk.facts.waiting for chunk in made.chunks)
            else made
            for made in first
        ]

    def _input(self, engine: Engine, made: Input) -> Input:
        if not made.chunks or made.error:
            return made
        if not any(chunk.resources for chunk in made.chunks):
            return made
        chosen = Chosen(made.name, self.answers, self.engine.left_out)
        return _run.of_bytes(engine.choosing(chosen), made.name, made.old)


class _Piece(NamedTuple):
    """A document of a file, or an item of a list in it, as it is; `line` is where it begins, from 0."""

    file: str
    whole: bytes
    old: bytes
    line: int


def _changes(file: str, chunk: ChunkResult) -> dict[Pair, Change]:
    """The changes of a document, in the order of its objects and of the controls."""
    found: dict[Pair, Change] = {}
    for result in chunk.resources if chunk.changed else ():
        for finding in result.findings:
            if _hunks.is_written(finding):
                pair = key(file, result.resource), finding.control
                known = found[pair].findings if pair in found else ()
                found[pair] = Change(pair, result, (*known, finding))
    return found


def _written(chunk: ChunkResult) -> list[str]:
    return list(dict.fromkeys(control for _, control in _changes("", chunk)))


def _head(change: Change) -> str:
    where = _terminal.paint(f"{one_line(change.pair[0][0])}:{change.result.line}", "place")
    return f"{where}  {one_line(str(change.result.resource))}"


def _reasons(change: Change) -> Iterator[str]:
    """The control, its risk, and why, each reason once with the containers that it holds for."""
    import textwrap

    found: dict[tuple[str, str], list[str]] = {}
    for finding in change.findings:
        found.setdefault((finding.risk, _diffs.because(finding)), []).append(finding.container)
    columns = (_terminal.width(sys.stdout) or 100) - 4
    for (risk, reason), containers in found.items():
        names = [one_line(name) for name in dict.fromkeys(containers) if name]
        who = f" in {', '.join(names)}" if names else ""
        head = f"{change.control} ({risk}){who}"
        lines = textwrap.wrap(f"{head}: {reason}", max(columns, 20), subsequent_indent="  ", break_on_hyphens=False)
        yield lines[0].replace(change.control, _terminal.paint(change.control, "name"), 1)
        yield from lines[1:]


def _difference(old: bytes, new: bytes) -> Iterator[str]:
    """What changes, in colours; the lines between are left out."""
    import difflib

    before, after = (_hunks.lines_of(text.decode()) for text in (old, new))
    for line in list(difflib.unified_diff(before, after, n=CONTEXT))[3:]:
        if line.startswith("@@"):
            yield _terminal.paint("...", "dim")
        else:
            yield _diffs.painted(line)


def say(line: str) -> None:
    """One line for whoever answers."""
    sys.stdout.write(f"{line if _terminal.colours(sys.stdout) else _diffs.plain(line)}\n")
    sys.stdout.flush()


def _answer(question: str) -> str:
    """A line that somebody types. Raises InputError at the end of all input."""
    sys.stdout.write(_terminal.painted(question.rstrip(), "heading", sys.stdout) + " ")
    sys.stdout.flush()
    line = sys.stdin.buffer.readline()
    if not line:
        sys.stdout.write("\n")
        raise InputError("the answers ended before the questions; nothing was written")
    return line.decode(errors="replace").strip()

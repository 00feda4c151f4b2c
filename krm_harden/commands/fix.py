"""`krm-harden fix`: files hardened in place, or a stream on its way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from krm_harden.commands import (
    _asked,
    _chosen,
    _diffs,
    _policies,
    _preview,
    _reports,
    _run,
    _shown,
    _streams,
    _terminal,
)
from krm_harden.commands._outcomes import Total, View, as_they_are, of_input
from krm_harden.commands._parser import make
from krm_harden.controls import ADVICE
from krm_harden.decide import LEFT_OUT
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError
from krm_harden.model import LEVELS
from krm_harden.reports import _hunks, text
from krm_harden.schema import RELEASES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from krm_harden.commands._outcomes import Outcome
    from krm_harden.model import ChunkResult, Finding
    from krm_harden.policy import Policy

GROUP = "Harden"
SUMMARY = "harden files in place, folders recursively; - is a filter"
EXAMPLES = """\
examples:
  krm-harden fix deploy/                      in place; .gitignore and .krmignore count
  krm-harden fix --diff deploy/               write nothing, show the diff; exit 1 if there is one
  helm template . | krm-harden fix - > out    a filter: writes nothing unless everything is in order
  krm-harden fix --policy policy.yaml deploy/
                                              with exemptions and what you know of your images
  krm-harden fix --control seccompProfile deploy/
                                              step by step: only this, and what it needs
  krm-harden fix -i --policy policy.yaml deploy/
                                              change by change; exemptions go into the policy
  krm-harden fix --diff --against 0.1 deploy/
                                              what an update from 0.1 would change; exit 1 if something

exit codes: 0 done, 1 something stays open (or --diff shows a change), 2 something couldn't be read or written,
3 wrong policy or command line
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("fix", SUMMARY, EXAMPLES)
    _run.arguments(options)
    options.add_argument("--level", choices=LEVELS, help="overrides the policy's level")
    options.add_argument("--version", metavar="VERSION", help="of the standard: latest or v1.x; overrides the policy's")
    options.add_argument(
        "--compatibility", choices=RELEASES, help="keeps the output of a release; overrides the policy's"
    )
    _chosen.arguments(options)
    options.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; exit 1 if something would change; on a terminal, or with -v, with the reason of each hunk",
    )
    options.add_argument(
        "-i",
        "--interactive",
        action="store_true",
        help="ask change by change: yes, no, all of this control, or exempt with a reason that goes into the policy",
    )
    options.add_argument(
        "--against", choices=RELEASES, help="with --diff: from what that release would have written; previews an update"
    )
    options.add_argument("--paranoid", action="store_true", help="verify each edit once more, with ruamel.yaml (slow)")
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    if options.interactive:
        from krm_harden.commands import _interactive

        _interactive.check(options)
    return _run.rounds(options, _once)


def _once(options: argparse.Namespace) -> int:
    policy = _run.gathered(_policies.chosen(options.policy, options.images, options.profile), options)
    version = _asked.version(policy.version if options.version is None else options.version)
    policy = policy.with_changes(
        {
            "level": options.level or policy.level,
            "version": version,
            "compatibility": options.compatibility or policy.compatibility,
        }
    )
    if options.against:
        return _preview_update(options, policy)
    engine = _engine(options, policy)
    filtering = _run.STDIN in options.paths and not options.diff
    if not (options.interactive or policy.asks_whole_input or _reports.needs_inputs(options)):
        return _hardened(engine, options, filtering=filtering)
    found: Iterable[_run.Input] = _run.inputs(engine, options)
    if options.interactive:
        from krm_harden.commands import _interactive

        engine, found = _interactive.asked(engine, list(found), _policy_file(options), writing=not options.diff)
    inputs = list(found) if options.diff else _run.write(found, options.paths)
    code = _run.worst(inputs)
    if options.diff:
        code = max(code, int(any(made.changed for made in inputs)))
    code = max(code, _run.nothing_found(inputs, allowed=options.allow_empty or options.hook))
    _report(options, inputs, _run.warnings(engine, inputs), filtering=filtering)
    if filtering and code == 0:
        _streams.write_stdout(made.new for made in inputs if made.name == _run.STDIN)
    return code


def _hardened(engine: Engine, options: argparse.Namespace, *, filtering: bool) -> int:
    """The exit code of a run of which only text is asked: no more than that is kept of an input."""
    verb = "would change" if options.diff else "changed"
    to_stderr = filtering or options.diff
    is_plain = not _terminal.is_terminal(sys.stdout) and _streams.detail() <= 0
    view = View(
        _told(options),
        _as_diff if options.diff else None,
        to_stderr,
        knowing=bool(engine.policy.exemptions),
        painted=_painted if is_plain else None,
    )
    streams: list[bytes] = []

    def keep(made: _run.Input) -> Outcome:
        if filtering and made.name == _run.STDIN:
            streams.append(made.new)
        return of_input(made, view)

    total = Total(view)
    coming = _run.outcomes(engine, options, keep, view, writing=not options.diff)
    try:
        for one in coming:
            total.add(one)
    finally:
        # What an interrupt in here leaves of the progress must go before anybody writes to the terminal.
        getattr(coming, "close", bool)()
    code = max(total.code, int(options.diff and total.changed))
    code = max(code, _run.none_found(total.count, total.holds, allowed=options.allow_empty or options.hook))
    warnings = _run.warnings_of(engine.policy, total.facts, total.idle)
    if options.diff:
        _streams.print_blocks(total.diffs.blocks())
    hints = _hints(options, total.left, advised=total.advised)
    _shown.show_total(total, warnings, verb, to_stderr=to_stderr, hints=hints)
    if filtering and code == 0:
        _streams.write_stdout(streams)
    return code


def _policy_file(options: argparse.Namespace) -> str | None:
    """Where new exemptions go: the last policy, which has the last word."""
    return options.policy[-1] if options.policy else None


def _engine(options: argparse.Namespace, policy: Policy) -> Engine:
    chosen = _chosen.only(options.control)
    return Engine(
        _chosen.opted_in(policy, chosen),
        ceiling=_policies.has_ceiling(options.policy),
        paranoid=options.paranoid,
        left_out=chosen,
    )


def _preview_update(options: argparse.Namespace, policy: Policy) -> int:
    """The exit code of `--diff --against`; nothing is written."""
    if not options.diff:
        raise ConfigError("--against only compares", next_step="add --diff")
    if options.output != "text" or options.report:
        wrong = options.output if options.output != "text" else options.report[0].format
        raise ConfigError(
            f"--against prints a diff, not {wrong.upper()}",
            next_step=f"leave {'--report' if options.report else '--output'} away",
        )
    inputs = list(_run.inputs(_engine(options, policy), options))
    older = _engine(options, policy.with_changes({"compatibility": options.against}))
    found = _preview.preview(older, inputs)
    _streams.print_report("".join(line for step in found.steps for line in _painted(diff(step))))
    line = found.line(options.against, policy.compatibility)
    _streams.complain([*found.findings(), *text.unreadable(inputs), f"krm-harden: {line}"])
    return max(found.exit_code, _run.nothing_found(inputs, allowed=options.allow_empty or options.hook))


def _report(options: argparse.Namespace, inputs: list[_run.Input], warnings: list[str], *, filtering: bool) -> None:
    """The report on stdout, but on stderr where stdout carries the manifests."""
    _reports.write(options.report, inputs, warnings, filtering=filtering)
    verb = "would change" if options.diff else "changed"
    if options.output != "text":
        _reports.show(options.output, inputs, warnings, to_stderr=filtering)
        if not filtering:
            _shown.sum_up(inputs, verb)
        return
    if options.diff:
        _streams.print_report("".join(line for made in _run.fresh(inputs) for line in _as_diff(made)))
    told = _told(options)
    every = [one for made in inputs for chunk in made.chunks for result in chunk.resources for one in result.findings]
    left = sum(finding.code == LEFT_OUT for finding in every)
    advised = any(_hunks.is_written(finding) and finding.reason.endswith(ADVICE) for finding in every)
    _shown.show(
        inputs,
        warnings,
        verb,
        to_stderr=filtering or options.diff,
        told=[made._replace(chunks=tuple(told(made.chunks))) for made in _run.fresh(inputs)],
        hints=_hints(options, left, advised=advised),
    )


def _as_diff(made: _run.Input) -> Iterator[str]:
    """The diff of one input as whoever reads it wants it: people with reasons, `patch` as it always was."""
    if _terminal.is_terminal(sys.stdout):
        return _diffs.for_people(made, sys.stdout)
    reasons = _diffs.commented(made) if _streams.detail() > 0 else ()
    return _painted([*reasons, *diff(made)])


def _painted(lines: Iterable[str]) -> Iterator[str]:
    return _diffs.coloured(lines) if _terminal.colours(sys.stdout) else iter(lines)


def _told(options: argparse.Namespace) -> Callable[[Iterable[ChunkResult]], Iterator[ChunkResult]]:
    """What leaves away the findings that aren't worth a line.

    Those stand beside the diff or a question already, or somebody left them out; -v wants them all.
    """
    beside = options.interactive or (options.diff and _terminal.is_terminal(sys.stdout))
    if _streams.detail() > 0 or not (beside or options.control):
        return as_they_are

    def is_told(finding: Finding) -> bool:
        return finding.code != LEFT_OUT and not (beside and _hunks.is_written(finding))

    return lambda chunks: (_with_findings(chunk, is_told) for chunk in chunks)


def _with_findings(chunk: ChunkResult, wanted: Callable[[Finding], bool]) -> ChunkResult:
    import copy

    made = copy.copy(chunk)
    made.resources = [_run.with_findings(one, list(filter(wanted, one.findings))) for one in chunk.resources]
    return made


def _hints(options: argparse.Namespace, left: int, *, advised: bool) -> Iterator[str]:
    """What to know of findings that aren't told, for people.

    So many are left out; `advised`: something isn't known of an image.
    """
    if left and (options.control or options.interactive) and _streams.detail() <= 0:
        yield f"{left} {'change' if left == 1 else 'changes'} left out; -v lists them"
    if advised and options.diff and _terminal.is_terminal(sys.stdout):
        yield f"what isn't known of an image: {ADVICE}"


def diff(made: _run.Input) -> Iterator[str]:
    """The unified diff of one input, line by line."""
    name = made.name.lstrip("/")
    old, new = (data.decode(errors="replace") for data in (made.old, made.new))
    return _diffs.unified(old, new, f"a/{name}", f"b/{name}")

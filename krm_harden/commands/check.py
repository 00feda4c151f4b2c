"""`krm-harden check`: the gate. Judges and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.commands import _asked, _fleet, _policies, _reports, _run, _scan, _shown, _streams
from krm_harden.commands._outcomes import Total, View, as_they_are, of_input
from krm_harden.commands._parser import make
from krm_harden.commands.function import has_expired
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.commands._baseline import Baseline
    from krm_harden.commands._outcomes import Outcome
    from krm_harden.commands._scan import Scanned

GROUP = "Judge and report"
SUMMARY = "judge manifests as the API server does; exit 1 unless all is in order or exempt"
EXAMPLES = """\
examples:
  kustomize build . | krm-harden check -      the gate behind a build: kustomize without --enable-exec
                                              skips a function in silence
  krm-harden check deploy/                    files and folders
  kubectl get pods,deploy -A -o yaml | krm-harden check -
  krm-harden check --level baseline,restricted deploy/
                                              a table: which object meets which level
  krm-harden check --version v1.20..latest deploy/
                                              from which version on does it break?
  krm-harden check --as-labelled deploy/      by the labels of the Namespaces in the input
  kubectl get ns,pods,deploy -n shop -o yaml | krm-harden check --what-breaks shop=restricted -
                                              what `kubectl label --dry-run=server` would print
  krm-harden check --watch deploy/            again and again, while you edit
  krm-harden check -o json deploy/            for machines
  krm-harden check --inventory fleet.yaml     thousands of repositories and clusters, in stores and registries
  krm-harden check --shard 2/8 --report json=2.json --inventory fleet.yaml
                                              the second of eight shares; `report merge` puts them together
  krm-harden check -o github --report sarif=krm-harden.sarif deploy/
                                              annotations in a GitHub job, and a file for its code scanning
  krm-harden check --scan trivy.json deploy/  also the vulnerabilities that a scanner has found in the images
  krm-harden check --baseline accepted.yaml --write-baseline deploy/
                                              accept what is wrong today; without --write-baseline only what is
                                              new fails, and what is gone is removed from the file

Exemptions don't change the verdict (`allowed`), only the exit code.

exit codes: 0 all is in order or exempt, 1 something isn't, 2 something couldn't be read, 3 wrong policy or command line
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("check", SUMMARY, EXAMPLES)
    _run.arguments(options)
    _fleet.arguments(options)
    options.add_argument(
        "--level", metavar="LEVEL", action="append", help="overrides the policy's; several, with commas, give a table"
    )
    options.add_argument(
        "--version",
        metavar="VERSION",
        help="of the standard: latest or v1.x, overrides the policy's; a range v1.x..latest gives a table",
    )
    options.add_argument(
        "--as-labelled",
        action="store_true",
        help="judge by the labels of the Namespaces in the input, as a server does",
    )
    options.add_argument(
        "--what-breaks",
        metavar="NAMESPACE=LEVEL[:VERSION]",
        help="what `kubectl label --dry-run=server` would say of this enforce label",
    )
    options.add_argument(
        "--require-coverage", action="store_true", help="exit 1 if something was left alone without being judged"
    )
    _scan.arguments(options)
    options.add_argument(
        "--baseline", metavar="FILE", help="fail only on findings that aren't in this file; those gone are removed"
    )
    options.add_argument("--write-baseline", action="store_true", help="write all that is found into --baseline's file")
    options.add_argument("--baseline-frozen", action="store_true", help="remove nothing from --baseline's file")
    options.add_argument("--strict", action="store_true", help="parse everything, also what can't hold a pod")
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    return _run.rounds(options, _once)


def _once(options: argparse.Namespace) -> int:
    elsewhere = _fleet.is_asked(options)
    policy = _policies.chosen(options.policy, options.images, options.profile)
    policy = policy if elsewhere else _run.gathered(policy, options)
    levels = _asked.levels(options.level or [policy.level])
    versions = _asked.versions(policy.version if options.version is None else options.version, policy.server)
    change = _asked.change(options.what_breaks) if options.what_breaks is not None else None
    if (options.as_labelled or change) and (options.level or options.version or (options.as_labelled and change)):
        raise ConfigError("--as-labelled, --what-breaks and --level or --version exclude each other")
    policy = policy.with_changes({"level": levels[0], "version": versions[0]})
    several = bool(change) or options.as_labelled or len(levels) > 1 or len(versions) > 1
    if elsewhere:
        _fleet.must_fit(policy, options, several=several)
    accepting = options.baseline is not None or options.write_baseline or options.baseline_frozen
    if several and accepting:
        raise ConfigError("a verdict of several levels, versions or labels has no --baseline")
    baseline = _baseline_of(options, f"{policy.level}:{policy.version}") if accepting else None
    scanning = _scan.is_asked(options)
    if several and scanning:
        raise ConfigError("a verdict of several levels, versions or labels has no --scan")
    engine = Engine(policy, checking=True, strict=options.strict)
    fleet = _fleet.found(engine, options) if elsewhere else None
    if not (fleet or several or baseline or scanning or policy.asks_whole_input or _reports.needs_inputs(options)):
        return _told(engine, options)
    inputs = fleet.inputs if fleet else list(_run.inputs(engine, options))
    scanned = _scan.applied(engine, inputs, options) if scanning else None
    _must_be_whole(inputs)
    notes = [note for made in inputs for chunk in made.chunks for note in chunk.unexamined]
    covered, hidden = not notes, any(note.severity == "error" for note in notes)
    if several:
        _reports.only(options, ("text", "json"), "a verdict of several levels, versions or labels")
        from krm_harden.commands import _verdicts

        if change:
            code, judged = _verdicts.what_breaks(policy, inputs, change, options.output)
        elif options.as_labelled:
            code, judged = _verdicts.as_labelled(policy, inputs, options.output)
        else:
            code, judged = _verdicts.in_table(policy, inputs, levels, versions, options.output), True
        covered = covered and judged
    else:
        code = _findings(engine, inputs, options, baseline, scanned, fleet.about if fleet else None)
    covered = covered and not (scanned and scanned.missing)
    unread = 2 * any(made.exit_code == 2 for made in inputs)
    allowed = options.allow_empty or options.hook or bool(fleet and not fleet.is_empty)
    empty = _run.nothing_found(inputs, allowed=allowed, judging=True)
    return max(code, unread, int(hidden), int(options.require_coverage and not covered), empty)


def _baseline_of(options: argparse.Namespace, judging: str) -> Baseline | None:
    from krm_harden.commands import _baseline

    return _baseline.asked(options, judging)


def _told(engine: Engine, options: argparse.Namespace) -> int:
    """The exit code of a run of which only text is asked: no more than that is kept of an input."""
    view = View(as_they_are, knowing=bool(engine.policy.exemptions))

    def keep(made: _run.Input) -> Outcome:
        _must_be_whole([made])
        return of_input(made, view)

    total = Total(view)
    for one in _run.outcomes(engine, options, keep, view):
        total.add(one)
    _shown.show_total(total, _run.warnings_of(engine.policy, total.facts, total.idle))
    allowed = options.allow_empty or options.hook
    empty = _run.none_found(total.count, total.holds and not total.is_void, allowed=allowed)
    uncovered = options.require_coverage and total.numbers["notExamined"] > 0
    return max(total.code, int(total.expired), int(total.hides), int(uncovered), empty)


def _must_be_whole(inputs: list[_run.Input]) -> None:
    """Make it an error that a stream holds a part of an object: what comes out of a build is nobody's patch.

    A strategic merge patch for a container that isn't there any more leaves one without an image.
    """
    for made in inputs:
        for chunk in made.chunks if made.name == _run.STDIN else ():
            for note in chunk.unexamined:
                if note.cause == "patch":
                    note.severity = "error"


def _findings(
    engine: Engine,
    inputs: list[_run.Input],
    options: argparse.Namespace,
    baseline: Baseline | None,
    scanned: Scanned | None,
    about: dict[str, Any] | None = None,
) -> int:
    """Report what is wrong at the one level and version, and what to do about it; `about` is of a fleet's report."""
    inputs = scanned.inputs if scanned else inputs
    warnings = [*_run.warnings(engine, inputs), *(_scan.lines(scanned) if scanned else ())]
    if _reports.asks_for(options, "sarif"):
        fixing = Engine(engine.policy, ceiling=_policies.has_ceiling(options.policy))
        inputs = _run.with_fixes(fixing, inputs)
    told: Iterable[_run.Input] = inputs
    hints: list[str] = []
    if baseline:
        from krm_harden.commands import _baseline

        inputs, known, more = _baseline.applied(baseline, inputs, options)
        warnings += more
        told = inputs if _streams.detail() > 0 else _baseline.only_new(inputs)
        hints = [f"{_baseline.count(known)} in {options.baseline}; -v shows them"] if known else []
    _reports.write(options.report, inputs, warnings, about=about)
    if options.output != "text":
        _reports.show(options.output, inputs, warnings, about=about)
        _shown.sum_up(inputs)
    else:
        _shown.show(inputs, warnings, told=list(_run.fresh(told)), hints=hints)
    failures = scanned.failures if scanned else []
    _streams.complain(f"error: {line}" for line in failures)
    expired = any(has_expired(chunk) for made in inputs for chunk in made.chunks)
    return max(_run.worst(inputs), int(expired), 2 * bool(failures))

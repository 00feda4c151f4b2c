"""`krm-harden check`: the gate. Judges and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.commands import _policies, _run, _streams
from krm_harden.commands._parser import make
from krm_harden.engine import Engine
from krm_harden.reports import json, summary, text

if TYPE_CHECKING:
    import argparse

SUMMARY = "judge manifests; exit 1 unless all is in order or exempt"
EXAMPLES = """\
examples:
  kustomize build . | krm-harden check -      the gate behind a build: kustomize without --enable-exec
                                              skips a function in silence
  krm-harden check deploy/                    files and folders
  krm-harden check -o json deploy/            for machines

Exemptions don't change the verdict (`allowed`), only the exit code.

exit codes: 0 all is in order or exempt, 1 something isn't, 2 something couldn't be read, 3 wrong policy or command line
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("check", SUMMARY, EXAMPLES)
    _run.arguments(options)
    options.add_argument(
        "--require-coverage", action="store_true", help="exit 1 if something was left alone without being judged"
    )
    options.add_argument("--strict", action="store_true", help="parse everything, also what can't hold a pod")
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    policy = _policies.chosen(options.policy, options.level, options.images)
    engine = Engine(policy, checking=True, strict=options.strict)
    inputs = list(_run.process(engine, options.paths, options.exclude))
    empty = _run.nothing_found(inputs, allowed=options.allow_empty)
    if options.output == "json":
        _streams.print_report(json.render(inputs))
    else:
        _streams.print_report("".join(f"{line}\n" for made in inputs for line in text.of_input(made)))
        _streams.complain([*text.unreadable(inputs), f"krm-harden: {summary.line(inputs)}"])
    expired = any(
        finding.state == "exempt" and finding.severity == "warning"
        for made in inputs
        for chunk in made.chunks
        for result in chunk.resources
        for finding in result.findings
    )
    uncovered = options.require_coverage and any(chunk.unexamined for made in inputs for chunk in made.chunks)
    return max(_run.worst(inputs), int(expired), int(uncovered), empty)

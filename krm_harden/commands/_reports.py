"""Reports by format: on standard output, into files, and into the summary of a GitHub job."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import reports
from krm_harden.commands import _streams
from krm_harden.errors import ConfigError, KrmHardenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from krm_harden.commands._run import Input

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class Target(NamedTuple):
    """A report that goes to a file."""

    format: str
    path: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which reports are made."""
    known = formats()
    parser.add_argument("-o", "--output", choices=known, default="text", help="the report's format")
    parser.add_argument(
        "--report",
        metavar="FORMAT=FILE",
        type=_target,
        action="append",
        default=[],
        help=f"another report, into a file: {', '.join(known)}; may be given several times",
    )


def formats() -> list[str]:
    """The modules of the folder `reports` that can `render` a whole run."""
    names = sorted(name[:-3] for name in os.listdir(reports.__path__[0]) if name.endswith(".py") and name[0] != "_")
    return [name for name in names if hasattr(_module(name), "render")]


def _module(name: str) -> ModuleType:
    __import__(f"krm_harden.reports.{name}")
    return sys.modules[f"krm_harden.reports.{name}"]


def _target(said: str) -> Target:
    name, _, path = said.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"must be FORMAT=FILE, not {said!r}")
    if path == "-":
        raise argparse.ArgumentTypeError(f"names a file; for standard output use --output {name}")
    if name not in formats():
        raise argparse.ArgumentTypeError(f"{name!r} is no format; there are {', '.join(formats())}")
    return Target(name, path)


def only(options: argparse.Namespace, known: Iterable[str], what: str) -> None:
    """Raises ConfigError where a report is asked for that `what` doesn't make."""
    if options.output not in known:
        raise ConfigError(f"{what} has no --output {options.output}", next_step=f"it has {', '.join(known)}")
    if options.report:
        raise ConfigError(f"{what} has no --report", next_step="redirect its output")


def write(targets: Sequence[Target], inputs: Sequence[Input], warnings: Sequence[str]) -> None:
    """Put the reports into their files. Raises KrmHardenError where one can't be written."""
    for target in targets:
        text = _module(target.format).render(inputs, warnings)
        try:
            with open(target.path, "wb") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise KrmHardenError(f"the report can't be written: {error.strerror}", target.path) from None


def show(name: str, inputs: Sequence[Input], warnings: Sequence[str], *, to_stderr: bool = False) -> None:
    """Print a report of a format that is a document; GitHub's has a page for the job's summary too."""
    module = _module(name)
    _streams.print_report(module.render(inputs, warnings), to_stderr=to_stderr)
    summary = os.environ.get(STEP_SUMMARY)
    if summary and hasattr(module, "page"):
        try:
            with open(summary, "ab") as file:
                file.write(module.page(inputs, warnings).encode("utf-8", "backslashreplace"))
        except OSError as error:
            _streams.complain([f"krm-harden: warning: {STEP_SUMMARY} can't be written: {error.strerror}"])

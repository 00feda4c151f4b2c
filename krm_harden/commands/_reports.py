"""Reports by format: on standard output, into files, and into the summary of a GitHub job."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import reports
from krm_harden.commands import _report_file, _streams
from krm_harden.errors import ConfigError, KrmHardenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import ModuleType

    from krm_harden.commands._run import Input

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class Target(NamedTuple):
    """A report that goes to a file."""

    format: str
    path: str


def arguments(parser: argparse.ArgumentParser, known: Sequence[str] = ()) -> None:
    """The options that say which reports are made: of `known` formats, else of all."""
    known = known or formats()
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
    """The modules of the folder `reports` that can `render` a whole run; none is loaded to know that."""
    return list(reports.FORMATS)


def of_documents() -> list[str]:
    """The formats that can be made of a report in JSON."""
    return [name for name in formats() if hasattr(_module(name), "from_document")]


def of_document(name: str, document: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> str:
    """A report of a format, made of one in JSON."""
    made: str = _module(name).from_document(document, earlier)
    return made


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


def asks_for(options: argparse.Namespace, name: str) -> bool:
    """Whether a run makes a report of a format."""
    return name in {options.output, *(target.format for target in options.report)}


def needs_inputs(options: argparse.Namespace) -> bool:
    """Whether a report is made of all inputs together, or the next round needs them."""
    return options.output != "text" or bool(options.report) or options.watch


def only(options: argparse.Namespace, known: Iterable[str], what: str) -> None:
    """Raises ConfigError where a report is asked for that `what` doesn't make."""
    if options.output not in known:
        raise ConfigError(f"{what} has no --output {options.output}", next_step=f"it has {', '.join(known)}")
    if options.report:
        raise ConfigError(f"{what} has no --report", next_step="redirect its output")


def write(
    targets: Sequence[Target],
    inputs: Sequence[Input],
    warnings: Sequence[str],
    *,
    filtering: bool = False,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Put the reports into their files; `filtering`: standard output is for manifests.

    `about` is what one in JSON says of a fleet's units.

    Raises KrmHardenError where one can't be written, ConfigError where something else would be lost by it.
    """
    _must_be_free(targets, inputs, filtering=filtering)
    for target in targets:
        text = _rendered(target.format, inputs, warnings, about)
        try:
            _report_file.put(target.path, text)
        except OSError as error:
            raise KrmHardenError(f"the report can't be written: {error.strerror}", target.path) from None


def must_spare(targets: Iterable[Target], files: Mapping[str, str]) -> None:
    """Raises ConfigError for a report in the place of one of some files, by name, with what each is."""
    taken = {os.path.realpath(name): what for name, what in files.items()}
    for target in targets:
        _must_not_be(target, taken.get(os.path.realpath(target.path), ""))


def _must_be_free(targets: Sequence[Target], inputs: Iterable[Input], *, filtering: bool) -> None:
    """Raises ConfigError for a report in the place of manifests or of another report."""
    taken = {os.path.realpath(made.name): "a manifest" for made in inputs if not _is_earlier(made)}
    for target in targets:
        real = os.path.realpath(target.path)
        _must_not_be(target, taken.get(real, ""))
        _must_not_be(target, _STDOUT if filtering and _report_file.is_standard_output(target.path) else "")
        if os.path.isfile(real) or not os.path.exists(real):
            taken[real] = "another report"


def _must_not_be(target: Target, known: str) -> None:
    if known:
        raise ConfigError(f"the report would take the place of {known}", target.path, "name another file")


def _is_earlier(made: Input) -> bool:
    """Whether a file is a report that an earlier run has left among the manifests."""
    holds_objects = any(chunk.resources or any(note.kind for note in chunk.unexamined) for chunk in made.chunks)
    return made.old.startswith(_EARLIER) and not holds_objects


_EARLIER = (b'{\n  "version": 1,\n', b'{\n  "$schema": ', b"[\n  {\n", b"[]")
"""How a report in JSON begins; so may manifests, but they hold objects."""
_STDOUT = "the manifests on standard output"


def _rendered(
    name: str, inputs: Sequence[Input], warnings: Sequence[str], about: Mapping[str, Any] | None = None
) -> str:
    made: str = _module(name).render(inputs, warnings, **({"about": about} if about and name == "json" else {}))
    return made


def show(
    name: str,
    inputs: Sequence[Input],
    warnings: Sequence[str],
    *,
    to_stderr: bool = False,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Print a report of a format that is a document; GitHub's has a page for the job's summary too."""
    module = _module(name)
    _streams.print_report(_rendered(name, inputs, warnings, about), to_stderr=to_stderr)
    summary = os.environ.get(STEP_SUMMARY)
    if summary and hasattr(module, "page"):
        try:
            with open(summary, "ab") as file:
                file.write(module.page(inputs, warnings).encode("utf-8", "backslashreplace"))
        except OSError as error:
            _streams.complain([f"krm-harden: warning: {STEP_SUMMARY} can't be written: {error.strerror}"])

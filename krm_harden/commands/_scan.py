"""`check --scan`: what scanners' reports say of the images, beside what the standard says of the manifests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import facts, limits, source, split
from krm_harden import policy as policies
from krm_harden.commands import _run, _streams
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import Facts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.engine import Engine
    from krm_harden.images.lock import Lock
    from krm_harden.model import ChunkResult, Finding, ResourceResult
    from krm_harden.policy import Policy
    from krm_harden.scanning.judging import Scan
    from krm_harden.scanning.model import ImageReport

SUFFIXES = (".json", ".sarif")
"""The files of a folder that may be reports."""
_HEAD = 4096
_BEGINNINGS = (b'"SchemaVersion"', b'"ClusterName"', b'"matches"', b'"runs"')
"""What the first bytes of a report have."""


class Scanned(NamedTuple):
    """A run beside reports: the same inputs with findings about images, what there is to say, and what failed.

    `missing` are the images that nobody looked into.
    """

    inputs: list[Input]
    warnings: list[str]
    missing: list[str]
    failures: list[str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of what judges images."""
    parser.add_argument(
        "--scan",
        metavar="REPORT",
        action="append",
        default=[],
        help="a report of Trivy or Grype in JSON, or SARIF; a folder of some, - for standard input; may be given "
        "several times",
    )
    parser.add_argument(
        "--run-scanner",
        action="store_true",
        help="run trivy, else grype, on the images that no report is about; a day's results are kept",
    )
    parser.add_argument("--scanner", choices=("trivy", "grype"), help="which one --run-scanner runs")
    parser.add_argument(
        "--scanner-timeout", metavar="SECONDS", type=int, default=600, help="for each image; default: 600"
    )


def is_asked(options: argparse.Namespace) -> bool:
    """Whether a command line is about images too. Raises ConfigError where it contradicts itself."""
    if options.scan.count(_run.STDIN) + options.paths.count(_run.STDIN) > 1:
        raise ConfigError("standard input can't be manifests and a report", next_step="write one of them to a file")
    if (options.scanner or options.scanner_timeout != 600) and not options.run_scanner:
        raise ConfigError("--scanner and --scanner-timeout are for --run-scanner")
    if options.scanner_timeout < 1:
        raise ConfigError("--scanner-timeout must be one second or more")
    asked = bool(options.scan or options.run_scanner)
    if asked and options.watch:
        raise ConfigError("--scan, --run-scanner and --watch exclude each other")
    return asked


def reports(options: argparse.Namespace) -> tuple[list[ImageReport], list[str]]:
    """What the reports of a command line say, and a line for each file of a folder that is none.

    Raises ConfigError for one that isn't there, KrmHardenError for one that can't be read.
    """
    from krm_harden.scanning.reading import read

    found: list[ImageReport] = []
    notes: list[str] = []
    for name in dict.fromkeys(options.scan):
        if name == _run.STDIN:
            found += read(_streams.read_stdin("reportBytes"), "standard input")
        elif os.path.isdir(name):
            more, said = _of_folder(name)
            found += more
            notes += said
        else:
            found += read(_bytes(name), name)
    return found, notes


def _of_folder(folder: str) -> tuple[list[ImageReport], list[str]]:
    """The reports of a folder and of those below it; one without any is a mistake."""
    names = files(folder)
    found: list[ImageReport] = []
    notes = []
    for name in names:
        more, said = _if_report(name)
        found += more
        notes += said
    if len(notes) == len(names):
        raise ConfigError("there is no scanner's report in this folder", folder, f"they end in {' or '.join(SUFFIXES)}")
    return found, notes


def _if_report(name: str) -> tuple[list[ImageReport], list[str]]:
    """What a file says, or why it was left alone."""
    from krm_harden.scanning.reading import NoReport, read

    try:
        return read(_bytes(name), name), []
    except NoReport as error:
        return [], [f"{error.where} was left alone: it {error.message}"]


def is_of_scanner(name: str) -> bool:
    """Whether a file begins as a scanner's report, and is none of ours that an earlier run has left beside them."""
    try:
        with Path(name).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(word in head for word in _BEGINNINGS) and b'"name": "krm-harden"' not in head


def files(folder: str) -> list[str]:
    """The files of a folder, and of those below it, that may be reports."""
    return sorted(str(path) for path in Path(folder).rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _bytes(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return limits.read(file, "reportBytes")
    except InputError as error:
        error.where = name
        raise
    except FileNotFoundError:
        raise ConfigError("there is no such report", name, "write it first, by `trivy image --format json`") from None
    except OSError as error:
        raise KrmHardenError(f"can't be read: {error.strerror}", name) from None


def applied(engine: Engine, inputs: Iterable[Input], options: argparse.Namespace) -> Scanned:
    """The inputs with what reports say of their images: those of the command line, and of a scanner.

    Raises ConfigError for reports or a scanner that isn't there, KrmHardenError for a report that can't be read.
    """
    from krm_harden.scanning.judging import Scan

    inputs = list(inputs)
    found, notes = reports(options)
    failures: list[str] = []
    if options.run_scanner:
        from krm_harden.commands import _scanner

        more, failures = _scanner.run(_missing(engine, inputs, Scan(found, policies.today())), options)
        found += more
    scan = Scan(found, policies.today())
    made = [_with_findings(engine, scan, one) for one in inputs]
    return Scanned(made, [*notes, *scan.warnings(engine.policy)], scan.missing(), failures)


def _missing(engine: Engine, inputs: Iterable[Input], scan: Scan) -> list[tuple[str, str]]:
    """The images that no report is about, as a scanner takes them: what it is asked for, and the digest if it is known.

    Each image once, under the name that it has first.
    """
    wanted: dict[tuple[str, str], None] = {}
    for made in inputs:
        locks = _locks(engine, made)
        for chunk in made.chunks:
            for result in chunk.resources:
                for container, match in scan.images(engine.policy, result.resource, locks):
                    if all(report.error for report in match.reports):
                        wanted[scan.target(result.resource, container, locks)] = None
    return list(wanted)


def _locks(engine: Engine, made: Input) -> Sequence[Lock]:
    """The image locks that hold for an input: the run's, and those within it."""
    return _policy(engine, made).locks


def _policy(engine: Engine, made: Input) -> Policy:
    if not made.locks:
        return engine.policy
    text, _ = split.decode(made.old)
    known = _run._with_locks(engine, text)
    return known.policy if known else engine.policy


def _with_findings(engine: Engine, scan: Scan, made: Input) -> Input:
    locks = _locks(engine, made)
    return made._replace(chunks=tuple(_of_chunk(engine.policy, scan, locks, chunk) for chunk in made.chunks))


def _of_chunk(policy: Policy, scan: Scan, locks: Sequence[Lock], chunk: ChunkResult) -> ChunkResult:
    found = [list(scan.findings(policy, result.resource, locks)) for result in chunk.resources]
    if not any(found):
        return chunk
    import copy

    document = source.read(split.after_mark(chunk.text)[1].decode())
    made = copy.copy(chunk)
    made.resources = [_placed(document, *pair) for pair in zip(chunk.resources, found, strict=True)]
    made.facts = facts.merged([chunk.facts or Facts(), Facts(used=scan.exemptions)])
    return made


def _placed(document: source.Document, result: ResourceResult, found: list[Finding]) -> ResourceResult:
    """A result with further findings, each at the line and column of its image."""
    base = result.resource.base
    above = result.line - source.line_of(document, base)
    places: dict[object, tuple[int, int]] = {}
    for finding in found:
        if finding.pointer not in places:
            places[finding.pointer] = source.place_of(document, base + finding.pointer)
        line, column = places[finding.pointer]
        finding.line, finding.column = above + line, column + 1
    return _run.with_findings(result, [*result.findings, *found])


def lines(scanned: Scanned) -> Iterator[str]:
    """The warnings of a run's reports."""
    yield from scanned.warnings
    yield from scanned.missing

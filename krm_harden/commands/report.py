"""`krm-harden report merge`: the reports of many repositories on one page."""

from __future__ import annotations

import glob
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import limits
from krm_harden.commands import _limits, _report_file, _reports, _streams
from krm_harden.commands._parser import Parser, make
from krm_harden.errors import ConfigError, InputError, KrmHardenError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.reports._merged import Source

GROUP = "Judge and report"
SUMMARY = "put the JSON reports of many runs together: forty repositories on one page"
EXAMPLES = """\
examples:
  krm-harden check -o json deploy/ > shop.json   in each repository; then, where all of them are:
  krm-harden report merge reports/*.json -o html > all.html
                                              one page, with filters by report, namespace, level and label
  krm-harden report merge shop=reports/shop.json find=reports/search.json
                                              names for the reports; else those of the files
  krm-harden report merge reports/*.json --report json=all.json --report junit=all.xml
                                              several formats at once
  krm-harden report merge reports/*.json -o markdown --earlier last-month.json
                                              how the numbers have moved since an earlier report
  krm-harden report merge shards/*.json -o json > all.json
                                              the shards of one run (`check --shard`) make the report of that run

exit codes: 0 done, whatever the reports say, 2 a report couldn't be read (it is listed as unreadable, the others are
there), or a shard of a run is missing or of another run (then there is no report), 3 wrong command line
"""


class Named(NamedTuple):
    """A file of the command line, and the name that was given to it; empty for none."""

    name: str
    file: str


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("report", SUMMARY, EXAMPLES)
    commands = options.add_subparsers(dest="action", metavar="merge", required=True, parser_class=Parser)
    merge = commands.add_parser(
        "merge",
        help=SUMMARY,
        description=options.description,
        epilog=EXAMPLES,
        formatter_class=options.formatter_class,
        allow_abbrev=False,
    )
    merge.add_argument("files", nargs="+", metavar="[NAME=]FILE", help="reports in JSON, of `check` or `fix`")
    _reports.arguments(merge, _reports.of_documents())
    _limits.arguments(merge)
    merge.add_argument(
        "--earlier",
        metavar="FILE",
        action="append",
        default=[],
        help="an earlier report in JSON, merged or not, for the trend; may be given several times",
    )
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    from krm_harden.reports import _merged, _shards

    for target in options.report:
        if target.format not in _reports.of_documents():
            known = ", ".join(_reports.of_documents())
            raise ConfigError(f"merge has no --report {target.format}", next_step=f"it has {known}")
    files = list(_named(options.files))
    _must_be_free(options.report, [*files, *(Named("", file) for file in options.earlier)])
    sources = [_read(name, one.file) for name, one in zip(_names(files), files, strict=True)]
    problems = [f"error: {source.file}: {source.error}" for source in sources if source.error]
    if len(problems) == len(sources):
        _streams.complain(problems)
        return 2
    if _shards.are_shards(sources):
        document, problems = _shards.assembled(sources), []
    else:
        document = _merged.merged(sources)
    earlier = sorted((_document(file) for file in options.earlier), key=lambda one: one.get("created", ""))
    _show(options, document, earlier)
    _streams.complain(problems)
    return 2 if problems else 0


def _show(options: argparse.Namespace, document: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> None:
    """Raises KrmHardenError where a report can't be written."""
    try:
        for target in options.report:
            _report_file.write(target.path, _reports.of_document(target.format, document, earlier))
        _streams.print_report(_reports.of_document(options.output, document, earlier))
    except RecursionError:
        # Fields that nobody knows may be as deep as can just be read.
        raise InputError("a report is nested too deep") from None


def _named(words: Iterable[str]) -> Iterator[Named]:
    """The files of the command line, each once. Raises ConfigError for a pattern that matches none."""
    met = set()
    for word in words:
        for named in _files(word):
            key = (named.name, os.path.realpath(named.file))
            if key not in met:
                met.add(key)
                yield named


def _files(word: str) -> Iterator[Named]:
    """What one argument names: a file, one with a name before it, or a pattern that no shell has replaced."""
    name, equals, file = word.partition("=")
    if os.path.lexists(word) or not equals:
        name, file = "", word
    elif not name or not file:
        raise ConfigError("must be FILE or NAME=FILE", repr(word))
    if not os.path.lexists(file) and glob.has_magic(file):
        found = sorted(glob.glob(file, recursive=True))
        if not found:
            raise ConfigError("no file matches", repr(file))
        if name and len(found) > 1:
            raise ConfigError(f"{len(found)} files match, and only one can be called {name!r}", repr(file))
        yield from (Named(name, one) for one in found)
    else:
        yield Named(name, file)


def _names(files: Sequence[Named]) -> list[str]:
    """The names of the reports: as given, else the file's, with its folders where that is that of several.

    Raises ConfigError for the same name twice.
    """
    stems = Counter(Path(one.file).stem for one in files if not one.name)
    names = [one.name or _name(Path(one.file), alone=stems[Path(one.file).stem] == 1) for one in files]
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"{count} reports are called {name!r}", next_step="give each a name: NAME=FILE")
    return names


def _name(file: Path, *, alone: bool) -> str:
    if str(file) == "-":
        return "stdin"
    return file.stem if alone else file.with_suffix("").as_posix()


def _read(name: str, file: str) -> Source:
    from krm_harden.reports._merged import Source

    try:
        return Source(name, file, _document(file))
    except InputError as error:
        return Source(name, file, None, f"{error.message}{f'; {error.next_step}' if error.next_step else ''}")
    except KrmHardenError as error:
        return Source(name, file, None, error.message)


def _document(file: str) -> dict[str, Any]:
    """The report in a file, `-` for standard input. Raises KrmHardenError that names it."""
    from krm_harden.reports import _merged

    try:
        data = _streams.read_stdin("reportBytes") if file == "-" else _bytes(file)
    except InputError as error:
        error.where = file
        raise
    except OSError as error:
        raise KrmHardenError(f"can't be read: {error.strerror}", file) from None
    try:
        return _merged.parsed(data)
    except InputError as error:
        error.where = file
        raise


def _bytes(file: str) -> bytes:
    """A file's bytes. Raises InputError where they are too many."""
    with open(file, "rb") as opened:
        return limits.read(opened, "reportBytes")


def _must_be_free(targets: Sequence[_reports.Target], files: Iterable[Named]) -> None:
    """Raises ConfigError for a report in the place of one that is read, or of another one."""
    taken = {os.path.realpath(one.file): "a report that is merged" for one in files if one.file != "-"}
    for target in targets:
        real = os.path.realpath(target.path)
        if real in taken:
            raise ConfigError(f"the report would take the place of {taken[real]}", target.path, "name another file")
        if os.path.isfile(real) or not os.path.exists(real):
            taken[real] = "another report"

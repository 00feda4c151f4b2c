"""The text report of a run, and what it comes to: plain in a pipe, coloured and wrapped on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from krm_harden.commands import _streams, _terminal
from krm_harden.reports import _lines, summary, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from krm_harden.commands._outcomes import Total
    from krm_harden.commands._run import Input
    from krm_harden.model import ChunkResult

_BEGUN = time.monotonic()
"""When this module was loaded: about the time at which the run began."""


def show(
    inputs: Sequence[Input],
    warnings: Iterable[str],
    verb: str = "",
    *,
    to_stderr: bool = False,
    told: Sequence[Input] | None = None,
    hints: Iterable[str] = (),
) -> None:
    """Print every finding, then on standard error what concerns no object and the summary.

    `verb` is what became of the objects (`changed`); without one they were only judged. `to_stderr`: standard output is
    for manifests. `told` are the inputs with those findings only that are worth a line, `hints` what to know of the
    others. Raises KrmHardenError when it can't be written whole.
    """
    findings(inputs if told is None else told, to_stderr=to_stderr)
    _conclude(warnings, text.unreadable(inputs), [*hints, *summary.lines(inputs, verb)])


def show_total(
    total: Total, warnings: Iterable[str], verb: str = "", *, to_stderr: bool = False, hints: Iterable[str] = ()
) -> None:
    """The same of what was kept of the inputs."""
    if _streams.detail() >= -1:
        _streams.print_blocks(total.found.blocks(), to_stderr=to_stderr)
    _conclude(warnings, total.unread, [*hints, *summary.in_words(total.numbers, verb)])


def _conclude(warnings: Iterable[str], unread: Iterable[str], last: Iterable[str]) -> None:
    took = [f"took {time.monotonic() - _BEGUN:.2f} s"] if _streams.detail() > 0 else []
    _streams.complain(
        [*(f"warning: {line}" for line in warnings), *unread, *(f"krm-harden: {line}" for line in [*last, *took])]
    )


def sum_up(inputs: Sequence[Input], verb: str = "") -> None:
    """The summary beside a document that goes elsewhere, for whoever waits at a terminal."""
    if _terminal.is_terminal(sys.stderr) and not _terminal.is_terminal(sys.stdout):
        _streams.complain(f"krm-harden: {line}" for line in summary.lines(inputs, verb))


def findings(inputs: Sequence[Input], *, to_stderr: bool = False) -> None:
    """Print every finding; with -q only errors, with -qq nothing."""
    if _streams.detail() < -1:
        return
    stream = sys.stderr if to_stderr else sys.stdout
    texts = filter(None, (text_of(made.chunks, made.name, stream) for made in inputs))
    _streams.print_report(("\n" if is_for_people(stream) else "").join(texts), to_stderr=to_stderr)


def text_of(chunks: Iterable[ChunkResult], name: str, stream: TextIO | None) -> str:
    """Every finding of some chunks of a file, as a stream shows it; with -q only errors, with -qq nothing.

    Where it is for people, a blank line belongs between two such texts.
    """
    detail = _streams.detail()
    if detail < -1:
        return ""
    lines = _lines.of(chunks, name)
    if detail < 0:
        lines = (line for line in lines if line.severity == "error")
    verbose = detail > 0
    if not is_for_people(stream):
        return _streams.joined(_lines.plain(lines, verbose=verbose))
    paint = _terminal.paint if _terminal.colours(stream) else _terminal.unpainted
    shown = _lines.on_terminal(lines, _terminal.width(stream), paint, verbose=verbose)
    return "".join(f"{line}\n" for line in shown)


def is_for_people(stream: TextIO | None) -> bool:
    """Whether findings are coloured or wrapped there."""
    return _terminal.is_terminal(stream) or _terminal.colours(stream)

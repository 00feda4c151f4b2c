"""How far long work is, on a terminal: how many, how fast, how much longer. Gone when the work is done."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from krm_harden.commands import _streams, _terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    from krm_harden.model import ChunkResult

    Item = TypeVar("Item")

PATIENCE = 1.0
"""Seconds of work that nobody needs to be told of."""


class Progress:
    """A line that counts `what`, as soon as the work has lasted a while. To be used in a `with`, called at each step.

    `ticking`: a single step may last long, so a thread shows the line even before the first. Without it there is no
    thread as long as nothing is shown: work that forks has forked by then.
    """

    def __init__(self, what: str, *, ticking: bool = False) -> None:
        self._what = what
        wanted = _streams.detail() >= 0 and os.environ.get("TERM") != "dumb"
        self._shown = wanted and _terminal.is_terminal(sys.stderr)
        self._ticking = ticking
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._count, self._total = 0, 0
        self._ended = False
        self._line: Any = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Progress:  # noqa: PYI034 - typing has Self from Python 3.11 on
        if self._shown and self._ticking:
            self._timer = threading.Timer(PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            if self._timer:
                self._timer.cancel()
            if self._line:
                self._line.stop()

    def __call__(self, count: int, total: int) -> None:
        if not self._shown:
            return
        self._count, self._total = count, total
        if self._line is None and time.monotonic() - self._began >= PATIENCE:
            self._show()
        elif self._line:
            self._update()

    def _show(self) -> None:
        with self._lock:
            if self._ended or self._line:
                return
            from rich import progress

            columns = (progress.BarColumn(bar_width=20), progress.TextColumn("{task.description}"))
            line = progress.Progress(
                *columns, progress.TimeElapsedColumn(), console=_terminal.console(sys.stderr), transient=True
            )
            line.add_task("", total=None)
            self._line = line
            self._update()
            line.start()

    def _update(self) -> None:
        told = {"completed": self._count, "total": self._total or None, "description": self._words()}
        self._line.update(self._line.task_ids[0], **told)

    def _words(self) -> str:
        if not self._count:
            return self._what
        seconds = max(time.monotonic() - self._began, 0.001)
        left = seconds / self._count * (self._total - self._count)
        rate = self._count / seconds
        return f"{self._count}/{self._total} {self._what}, {rate:.1f}/s, {_lasting(left)} left"


def _lasting(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The same items, each counted when it has come."""
    with Progress(what) as progress:
        for count, item in enumerate(items, 1):
            progress(count, total)
            yield item


def measured(chunks: Iterable[ChunkResult], size: int) -> Iterator[ChunkResult]:
    """The same chunks of a stream of so many bytes, measured when they have come."""
    with Progress("kB") as progress:
        done = 0
        for chunk in chunks:
            done = min(done + len(chunk.text), size)
            progress(done // 1000, size // 1000)
            yield chunk

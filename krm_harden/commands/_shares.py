"""Work in shares, each in a process of its own: a folder of manifests is hardened on all processors at once."""

from __future__ import annotations

import contextlib
import marshal
import os
import signal

from krm_harden.errors import KrmHardenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn, TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")


def processors() -> int:
    """The processors that we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cut(items: Sequence[Item], size: Callable[[Item], int], count: int) -> list[list[Item]]:
    """The items in so many runs of about the same size, in their order; fewer where there aren't that many items."""
    total = sum(map(size, items))
    shares: list[list[Item]] = [[]]
    done = 0
    for item in items:
        if shares[-1] and len(shares) < count and done * count >= total * len(shares):
            shares.append([])
        shares[-1].append(item)
        done += size(item)
    return shares


def each(shares: Sequence[Item], work: Callable[[Item], Any]) -> list[Any]:
    """What `work` makes of each share, in their order: data that marshal can write.

    Raises KrmHardenError as `work` does. Whatever happens, no process stays.
    """
    children: list[tuple[int, int]] = []
    try:
        for share in shares[1:]:
            read, write = os.pipe()
            child = os.fork()
            if not child:
                _work(write, share, work)
            os.close(write)
            children.append((child, read))
        return [work(shares[0]), *(_result(read) for _, read in children)]
    finally:
        for child, read in children:
            _close(read)
            _end(child)


def _work(write: int, share: Any, work: Callable[[Any], Any]) -> NoReturn:
    """In the child: what `work` makes of a share, into the pipe; nothing, where it fails by a defect."""
    try:
        for number in (signal.SIGALRM, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            said = marshal.dumps((work(share), "", ""))
        except KrmHardenError as error:
            said = marshal.dumps((None, str(error.message), error.next_step))
        with open(write, "wb") as pipe:
            pipe.write(said)
    finally:
        os._exit(0)


def _result(read: int) -> Any:
    with open(read, "rb", closefd=False) as pipe:
        said = pipe.read()
    if not said:
        raise KrmHardenError("a process that hardened a share of the objects died", next_step="is its memory enough?")
    result, message, next_step = marshal.loads(said)  # noqa: S302 - our own child wrote it
    if message:
        raise KrmHardenError(message, next_step=next_step)
    return result


BATCHES = 16
"""Batches of each process: many, for some are slower than others; few, for each costs a little."""
AHEAD = 4
"""Batches of each process that may be done before they are asked for: what lies in memory meanwhile."""


def in_order(
    items: Sequence[Item], work: Callable[[Item], Result], size: Callable[[Item], int], count: int
) -> Iterator[Result]:
    """What `work` makes of each item, in their order, of so many processes: all that pickle can write.

    What a process can't send, and what raises, is done once more here: whoever asks sees the same as of one process.
    Raises KrmHardenError where a process dies. Whatever happens, none stays.
    """
    if count < 2 or len(items) < 2:
        yield from map(work, items)
        return
    import pickle

    batches = cut(items, size, count * BATCHES)
    with contextlib.ExitStack() as stack:
        crew = _Crew(stack, batches, work, min(count, len(batches)))
        for number, batch in enumerate(batches):
            said = crew.answer(number)
            yield from pickle.loads(said) if said else map(work, batch)  # noqa: S301 - our own child wrote it


class _Crew:
    """Processes that each take the next batch that is free. Those far ahead of who asks wait."""

    def __init__(
        self, stack: contextlib.ExitStack, batches: Sequence[Sequence[Any]], work: Callable[[Any], Any], count: int
    ) -> None:
        self._batches = batches
        self._given = 0
        self._ahead = AHEAD * count
        self._answers: dict[int, bytes] = {}
        self._parts: dict[int, bytearray] = {}
        free, self._free = os.pipe()
        stack.callback(_close, self._free)
        try:
            for _ in range(count):
                read, write = os.pipe()
                stack.callback(_close, read)
                child = _forked(stack)
                if not child:
                    _take(free, write, [self._free, *self._parts, read], batches, work)
                os.close(write)
                self._parts[read] = bytearray()
        finally:
            os.close(free)

    def answer(self, number: int) -> bytes:
        """What a process says to a batch, empty where it has to be done here. Raises KrmHardenError."""
        import select

        while self._given < min(len(self._batches), number + 1 + self._ahead):
            os.write(self._free, self._given.to_bytes(NUMBER, "big"))
            self._given += 1
        while number not in self._answers:
            for read in select.select(list(self._parts), [], [])[0]:
                self._receive(read)
        return self._answers.pop(number)

    def _receive(self, read: int) -> None:
        said = os.read(read, PIPE)
        if not said:
            raise KrmHardenError("a process of --jobs died", next_step="is its memory enough? --jobs 1 needs less")
        parts = self._parts[read]
        parts += said
        while len(parts) >= 2 * NUMBER:
            end = 2 * NUMBER + int.from_bytes(parts[NUMBER : 2 * NUMBER], "big")
            if len(parts) < end:
                return
            self._answers[int.from_bytes(parts[:NUMBER], "big")] = bytes(parts[2 * NUMBER : end])
            del parts[:end]


NUMBER = 8
"""Bytes of a number in a pipe."""
PIPE = 1 << 20
"""Bytes that are read at once."""


def _forked(stack: contextlib.ExitStack) -> int:
    """A child that ends with the stack, or 0 in the child. An interrupt comes before or after, never in between."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = os.fork()
        if child:
            stack.callback(_end, child)
        else:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _take(
    free: int, write: int, others: Sequence[int], batches: Sequence[Sequence[Any]], work: Callable[[Any], Any]
) -> NoReturn:
    """In the child: the answers to free batches into the pipe, until there are no more or nobody reads them."""
    import pickle

    try:
        # A pipe that another process holds open has no end.
        for one in others:
            os.close(one)
        with open(write, "wb") as pipe:
            while number := os.read(free, NUMBER):
                try:
                    said = pickle.dumps([work(item) for item in batches[int.from_bytes(number, "big")]], -1)
                except Exception:  # noqa: BLE001 - it is done again, and raised, where somebody sees it
                    said = b""
                pipe.write(number + len(said).to_bytes(NUMBER, "big") + said)
                pipe.flush()
    finally:
        os._exit(0)


def _close(handle: int) -> None:
    with contextlib.suppress(OSError):
        os.close(handle)


def _end(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)

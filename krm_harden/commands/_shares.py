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
    Made = TypeVar("Made")
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
LARGEST = 250_000
"""The size of a batch from which on there are more batches: what is made of one lies in memory."""
AHEAD = 4
"""Batches of each process that may be done before they are asked for: what lies in memory meanwhile."""


def as_it_is(made: Any) -> Any:
    """Nothing is left to be done."""
    return made


def in_order(
    items: Sequence[Item],
    work: Callable[[Item], Made],
    size: Callable[[Item], int],
    count: int,
    finish: Callable[[Made], Result] = as_it_is,
) -> Iterator[Result]:
    """What `work` makes of each item, in their order, of so many processes: all that pickle can write.

    `finish` is what follows for each as soon as `work` is done with all that come before: it may write, for `work`
    raises nothing any more that would have stopped a single process earlier.
    What a process can't send, and what raises, is done once more here: whoever asks sees the same as of one process.
    Raises KrmHardenError where a process dies. Whatever happens, none stays.
    """
    if count < 2 or len(items) < 2:
        for item in items:
            yield finish(work(item))
        return
    import pickle

    batches = cut(items, size, max(count * BATCHES, sum(map(size, items)) // LARGEST))
    with contextlib.ExitStack() as stack:
        crew = _Crew(stack, batches, work, finish, min(count, len(batches)))
        for number, batch in enumerate(batches):
            said = crew.answer(number)
            if said:
                yield from pickle.loads(said)  # noqa: S301 - our own child wrote it
            else:
                for item in batch:
                    yield finish(work(item))
                crew.is_ready(number)


class _Crew:
    """Processes that each take the next batch that is free. Those far ahead of who asks wait.

    Where there is something to `finish`, each says when it is ready for it, and waits until those before are, too.
    """

    def __init__(
        self,
        stack: contextlib.ExitStack,
        batches: Sequence[Sequence[Any]],
        work: Callable[[Any], Any],
        finish: Callable[[Any], Any],
        count: int,
    ) -> None:
        self._batches = batches
        self._given = 0
        self._ahead = AHEAD * count
        self._answers: dict[int, bytes] = {}
        self._parts: dict[int, bytearray] = {}
        self._doors: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._next = 0
        free, self._free = os.pipe()
        stack.callback(_close, self._free)
        try:
            for _ in range(count):
                read, write = os.pipe()
                stack.callback(_close, read)
                wait, door = os.pipe()
                stack.callback(_close, door)
                child = _forked(stack, writes=finish is not as_it_is)
                if not child:
                    others = [self._free, *self._parts, *self._doors.values(), read, door]
                    _take((free, write, wait), others, batches, work, finish)
                os.close(write)
                os.close(wait)
                self._parts[read] = bytearray()
                self._doors[read] = door
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

    def is_ready(self, number: int, door: int = -1) -> None:
        """Note that all of a batch is done but what is to be finished, of the process behind a door."""
        self._ready[number] = door
        while self._next in self._ready:
            opened = self._ready.pop(self._next)
            self._next += 1
            if opened >= 0:
                # One that has died is found when its answer is awaited.
                with contextlib.suppress(BrokenPipeError):
                    os.write(opened, GO)

    def _receive(self, read: int) -> None:
        said = os.read(read, PIPE)
        if not said:
            raise KrmHardenError("a process of --jobs died", next_step="is its memory enough? --jobs 1 needs less")
        parts = self._parts[read]
        parts += said
        while len(parts) >= 2 * NUMBER:
            number, size = (int.from_bytes(parts[at : at + NUMBER], "big") for at in (0, NUMBER))
            end = 2 * NUMBER + (0 if size == READY else size)
            if len(parts) < end:
                return
            if size == READY:
                self.is_ready(number, self._doors[read])
            else:
                self._answers[number] = bytes(parts[2 * NUMBER : end])
            del parts[:end]


NUMBER = 8
"""Bytes of a number in a pipe."""
READY = (1 << 8 * NUMBER) - 1
"""In the place of an answer's size: there is none yet, but what is left is only to be finished."""
GO = b"!"
PIPE = 1 << 20
"""Bytes that are read at once."""
_ENDING = {signal.SIGINT, signal.SIGTERM}


def _forked(stack: contextlib.ExitStack, *, writes: bool) -> int:
    """A child that ends with the stack, or 0 in the child. An interrupt comes before or after, never in between.

    One that `writes` is asked to end, so that it leaves nothing behind; the other one is simply gone.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    child = -1
    try:
        child = os.fork()
        if child:
            stack.callback(_end, child, signal.SIGTERM if writes else signal.SIGKILL)
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN if writes else signal.SIG_DFL)
            signal.signal(signal.SIGTERM, _leave if writes else signal.SIG_DFL)
        return child
    finally:
        if child:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _leave(_number: int, _frame: object) -> NoReturn:
    """What is half-written goes: whoever writes sees this pass by."""
    raise SystemExit


def _take(
    pipes: tuple[int, int, int],
    others: Sequence[int],
    batches: Sequence[Sequence[Any]],
    work: Callable[[Any], Any],
    finish: Callable[[Any], Any],
) -> NoReturn:
    """In the child: the answers to free batches into the pipe, until there are no more or nobody reads them.

    `pipes` are those of free batches, of its answers, and of the word that it may finish.
    """
    import pickle

    free, write, wait = pipes
    parent = os.getppid()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        # A pipe that another process holds open has no end.
        for one in others:
            os.close(one)
        with open(write, "wb") as pipe:
            while number := os.read(free, NUMBER):
                try:
                    made = [work(item) for item in batches[int.from_bytes(number, "big")]]
                    if finish is not as_it_is:
                        pipe.write(number + READY.to_bytes(NUMBER, "big"))
                        pipe.flush()
                        if not os.read(wait, 1):
                            break
                        made = [finish(one) for one in made if os.getppid() == parent]
                    said = pickle.dumps(made, -1)
                except Exception:  # noqa: BLE001 - it is done again, and raised, where somebody sees it
                    said = b""
                pipe.write(number + len(said).to_bytes(NUMBER, "big") + said)
                pipe.flush()
    finally:
        os._exit(0)


def _close(handle: int) -> None:
    with contextlib.suppress(OSError):
        os.close(handle)


def _end(child: int, how: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, how)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)

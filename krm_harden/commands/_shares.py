"""Work in shares, each in a process of its own: a folder of manifests is hardened on all processors at once."""

from __future__ import annotations

import contextlib
import marshal
import os
import signal

from krm_harden.errors import KrmHardenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, TypeVar

    Item = TypeVar("Item")


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
            with contextlib.suppress(OSError):
                os.close(read)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


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

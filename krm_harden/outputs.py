"""What other programs print, within the limits: each is input that somebody else decides.

said(child) -> (out, err)            of one that was started
of(command, seconds) -> Done         of one that is started, waited for, and ended where it takes or says too much
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from krm_harden import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence


class Done(NamedTuple):
    """How a program ended, and what it said."""

    code: int
    out: bytes
    err: bytes


def of(command: Sequence[str], seconds: float, limit: str = "bytes", *, apart: bool = False) -> Done:
    """What a program does that gets no input; `apart`: signals of the terminal aren't for it.

    Raises OSError where it can't be started, TimeoutError, and InputError where it says more than a limit allows; then
    it is ended.
    """
    import subprocess

    with subprocess.Popen(  # noqa: S603 - no shell, and who calls has found the program
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=apart,
    ) as child:
        try:
            out, err = said(child, limit, time.monotonic() + seconds)
        except BaseException:
            child.kill()
            raise
    return Done(child.returncode, out, err)


def said(child: subprocess.Popen[bytes], limit: str = "bytes", until: float = 0.0) -> tuple[bytes, bytes]:
    """What a child writes to stdout and stderr until it ends, or until a moment of the monotonic clock.

    Raises InputError where both are beyond a limit, TimeoutError.
    """
    import selectors

    streams = [stream for stream in (child.stdout, child.stderr) if stream]
    blocks: list[list[bytes]] = [[] for _ in streams]
    size = 0
    with selectors.DefaultSelector() as waiting:
        for stream, kept in zip(streams, blocks, strict=True):
            waiting.register(stream, selectors.EVENT_READ, kept)
        while waiting.get_map():
            for key, _ in waiting.select(_left(until)):
                block = os.read(key.fd, limits.MIB)
                key.data.append(block)
                size += len(block)
                limits.check_bytes(size, limit)
                if not block:
                    waiting.unregister(key.fileobj)
    for stream in streams:
        stream.close()
    _wait(child, until)
    out, err = map(b"".join, blocks)
    return out, err


def _left(until: float) -> float | None:
    """The seconds until a moment, None for none. Raises TimeoutError after it."""
    if not until:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _wait(child: subprocess.Popen[bytes], until: float) -> None:
    import subprocess

    try:
        child.wait(_left(until))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None

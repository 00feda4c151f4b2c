"""Two files that change places in one step, where the system can do that: renameat2 of Linux, with RENAME_EXCHANGE.

What was replaced is still at hand then, so that a save which came at the very last moment can be told, and put back.
Python doesn't have the call; ctypes is loaded only by whoever writes.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_RENAME_EXCHANGE = 2
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What file systems and kernels that don't know the flag say."""


def loaded() -> Callable[[int, str, str], bool]:
    """What exchanges two files of a folder, and says whether it did: False where that isn't to be had."""
    if sys.platform != "linux":
        return _nothing
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return _nothing

    def exchange(folder: int, one: str, other: str) -> bool:
        if not call(folder, os.fsencode(one), folder, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)):
            return True
        number = ctypes.get_errno()
        if number in _CANNOT:
            return False
        raise OSError(number, os.strerror(number))

    return exchange


def _nothing(_folder: int, _one: str, _other: str) -> bool:
    return False

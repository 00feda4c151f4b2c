"""How every file is written: whole or not at all, and never over what somebody else made of it meanwhile.

The new bytes go to a temporary file beside the target, onto the disk, and only then into the target's place, in one
step of the file system. Whoever looks, and whoever pulls the plug, finds the old file or the new one.

- The folder is opened once and everything is done within it, so that a folder which somebody puts in its place, or a
  link, doesn't lead the write elsewhere. Below a `root`, no link is followed out of it.
- `replace` compares the file with what was read of it, before the step and once more after it: on Linux the two files
  change places (RENAME_EXCHANGE), so that what was replaced is still at hand. If it isn't what was read, it goes back.
- What a killed run leaves is called `.krm-harden-` and 16 hex digits. No command reads it, and the next one that writes
  to that folder removes those of the same user in which nothing has happened for an hour.

What is left:

- A program that has opened the old file, and writes to it after the step, writes to a file without a name.
- Where the file system can't exchange two files (NFS, or not Linux), a save between the last comparison and the step
  is lost: some millionths of a second. So it is where the run is killed in just that moment.
- A folder that somebody moves meanwhile is written to where it is then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import time
from pathlib import Path
from typing import NamedTuple

from krm_harden.errors import KrmHardenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PREFIX = ".krm-harden-"
"""How a temporary file's name begins; 16 hex digits follow."""
ABANDONED_SECONDS = 3600
BLOCK = 1 << 20
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_MOVED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What is said of a file or a folder that has gone, or is a link now: it was there when it was read."""
_CHANGED = "was changed by somebody else meanwhile"
_swept: set[tuple[int, int]] = set()
"""The folders in which this run has looked for what others left."""


class Root(NamedTuple):
    """A folder that somebody named: what is below it may be written, and nothing else.

    `path` is as it was named, `real` and `identity` are where and what it was then.
    """

    path: Path
    real: str
    identity: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> Root:
        """Raises OSError."""
        real = os.path.realpath(path)
        return cls(path, real, _identity(os.stat(real)))


class Fingerprint:
    """What was read of a file, part by part: enough to tell later whether it still says that.

    `identity` is the device and the number of the file that was read, where that is known.
    """

    __slots__ = ("_hash", "identity", "size")

    def __init__(self, parts: Iterable[bytes] = (), identity: tuple[int, int] | None = None) -> None:
        import hashlib  # what only big files need

        self._hash = hashlib.blake2b(digest_size=32)
        self.size = 0
        self.identity = identity
        for part in parts:
            self.add(part)

    def add(self, part: bytes) -> None:
        """The next bytes that were read."""
        self._hash.update(part)
        self.size += len(part)

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


class _Changed(Exception):
    """The target isn't what was read."""


class _Unsure(OSError):
    """The new file is in its place, but the disk doesn't say that it stays there."""


def put(target: Path, parts: bytes | Iterable[bytes], mode: int | None = None) -> None:
    """Make a file, whole or not at all, also in the place of one that is there. Without a `mode` it has a new file's.

    Raises OSError; then the file is as it was. What `parts` raises, too.
    """
    _put(_folder_of(Path(os.path.realpath(target.parent), target.name)), target.name, parts, mode)


def put_in(folder: Path, name: str, parts: bytes | Iterable[bytes]) -> None:
    """The same below a folder, which is made with what is missing on the way; no link leads the file out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    real = Path(os.path.realpath(target.parent), target.name)
    _put(_folder_of(real, Root.of(folder), make=True), target.name, parts, None)


def _put(folder: int, name: str, parts: bytes | Iterable[bytes], mode: int | None) -> None:
    try:
        # What is to be private is so from its first byte.
        with _Temporary(folder, 0o666 if mode is None else 0o600) as new:
            new.write(parts)
            if mode is not None:
                os.fchmod(new.handle, mode)
            new.finish()
            os.replace(new.name, name, src_dir_fd=folder, dst_dir_fd=folder)
        _settle(folder)
    finally:
        _release(folder)


def copy(source: Path, target: Path) -> None:
    """Make a file with another's bytes, mode and times, whole or not at all: who has opened the old one keeps it.

    The disk isn't waited for: after a power cut it is copied again. Raises OSError.
    """
    folder = _folder_of(Path(os.path.realpath(target.parent), target.name))
    try:
        with source.open("rb") as file, _Temporary(folder, 0o600) as new:
            status = os.fstat(file.fileno())
            new.write(iter(lambda: file.read(BLOCK), b""))
            os.fchmod(new.handle, stat.S_IMODE(status.st_mode))
            os.utime(new.handle, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.replace(new.name, target.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        _release(folder)


def add(folder: Path, name: str, data: bytes, mode: int = 0o666) -> None:
    """A new file below a folder, whole or not at all. No link leads it out of there.

    Raises OSError, and FileExistsError where something has that name: it stays, whoever was faster.
    """
    target = folder / name
    place = _folder_of(Path(os.path.realpath(target.parent), target.name), Root.of(folder))
    try:
        with _Temporary(place, mode) as new:
            new.write(data)
            new.finish()
            _name(place, new.name, target.name)
        _settle_or_remove(place, target.name)
    finally:
        _release(place)


def _settle_or_remove(folder: int, name: str) -> None:
    """A file that is new, and not sure to stay, goes: so that nothing was written where that is said."""
    try:
        _settle(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        if isinstance(error, _Unsure) and error.errno:
            raise OSError(error.errno, os.strerror(error.errno)) from None
        raise


def _name(folder: int, temporary: str, name: str) -> None:
    """Give a new file a name that nothing has. Raises OSError."""
    try:
        # A second name never takes the place of another; the first one goes later.
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # The file system knows only one name for a file: an empty one takes the name first.
        os.close(os.open(name, _NEW, 0o600, dir_fd=folder))
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def replace(
    path: Path, parts: bytes | Iterable[bytes], expected: bytes | Fingerprint, root: Root | None = None
) -> None:
    """Put new bytes in a file's place, whole or not at all; mode, owner, attributes and access lists are kept.

    A link's target is what changes; below a `root`, only if that is there, too, and no folder on the way to it is a
    link by now. `expected` is what was read. Raises KrmHardenError when the file isn't that any more, or can't be
    written; then it is as it was. What `parts` raises, too.
    """
    try:
        _replace(path, parts, expected, root)
    except _Unsure as error:
        raise KrmHardenError(str(error.strerror), str(path), "check the disk") from None
    except _Changed:
        raise KrmHardenError(_CHANGED, str(path), "run the command again") from None
    except OSError as error:
        if error.errno in _MOVED:
            raise KrmHardenError(_CHANGED, str(path), "run the command again") from None
        raise KrmHardenError(f"can't be written: {error.strerror}", str(path), "nothing was changed") from None


def _replace(path: Path, parts: bytes | Iterable[bytes], expected: bytes | Fingerprint, root: Root | None) -> None:
    from krm_harden.commands._exchange import loaded  # and ctypes: before anything begins that mustn't be disturbed

    exchange = loaded()
    real = Path(os.path.realpath(path))
    folder, name = _folder_of(real, root), real.name
    try:
        old = os.open(name, _OLD, dir_fd=folder)
        try:
            before = os.fstat(old)
            if not stat.S_ISREG(before.st_mode):
                raise KrmHardenError("isn't a file that can be replaced", str(path), "name a regular file")
            with _Temporary(folder, 0o600) as new:
                new.write(parts)
                _keep(old, new.handle, before)
                new.finish()
                _step(_Place(folder, name, old, before, expected), new, exchange)
            _settle(folder)
        finally:
            _release(old)
    finally:
        _release(folder)


def _folder_of(real: Path, root: Root | None = None, *, make: bool = False) -> int:
    """The folder that a file is in, opened. Raises OSError where a link has come up on the way from the root."""
    top = real.parent if root is None else Path(root.real)
    if not real.is_relative_to(top):
        raise OSError(errno.ELOOP, f"leads out of the folder, to {real}")
    folder = os.open(top, _FOLDER)
    try:
        if root and _identity(os.fstat(folder)) != root.identity:
            raise OSError(errno.ELOOP, "the folder is another one by now")
        for part in real.relative_to(top).parts[:-1]:
            below = _below(folder, part, make=make)
            _release(folder)
            folder = below
    except BaseException:
        _release(folder)
        raise
    return folder


def _release(handle: int) -> None:
    """Close what nothing was written through: whatever that says, the file is what it is by now."""
    with contextlib.suppress(OSError):
        os.close(handle)


def _below(folder: int, name: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class _Temporary:
    """A new file in a folder, which goes unless it was given another name: also where SIGTERM ends the run."""

    __slots__ = ("_ends", "_folder", "_mode", "handle", "name")

    def __init__(self, folder: int, mode: int) -> None:
        self._folder = folder
        self._mode = mode
        self.name = f"{PREFIX}{os.urandom(8).hex()}"
        self.handle = -1
        self._ends = False

    def __enter__(self) -> _Temporary:  # noqa: PYI034 - typing has Self from Python 3.11 on
        try:
            self._listen()
            self.handle = os.open(self.name, _NEW, self._mode, dir_fd=self._folder)
        except FileExistsError:
            self._listen_no_more()
            raise
        except BaseException:
            # An interrupt may come between the opening and its return.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._close()
        finally:
            self._remove()
            self._listen_no_more()

    def _listen(self) -> None:
        # Only the main thread may, and whoever listens already tidies up in another way.
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, self._end)
                self._ends = True

    def _listen_no_more(self) -> None:
        if self._ends:
            self._ends = False
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _end(self, number: int, _frame: object) -> None:
        self._remove()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def write(self, parts: bytes | Iterable[bytes]) -> None:
        for part in (parts,) if isinstance(parts, bytes) else parts:
            view = memoryview(part)
            while view:
                view = view[os.write(self.handle, view) :]

    def finish(self) -> None:
        """All of it is on the disk. Raises OSError."""
        os.fsync(self.handle)
        self._close()

    def _close(self) -> None:
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)

    def _remove(self) -> None:
        # It has the target's name now; or it stays, and a later run removes it.
        with contextlib.suppress(OSError):
            os.unlink(self.name, dir_fd=self._folder)


def _keep(old: int, new: int, before: os.stat_result) -> None:
    """Give a new file the owner, the mode, the attributes and the access lists of the old one. Raises OSError."""
    made = os.fstat(new)
    if (before.st_uid, before.st_gid) != (made.st_uid, made.st_gid):
        os.fchown(new, before.st_uid, before.st_gid)
    os.fchmod(new, stat.S_IMODE(before.st_mode))
    for name in _attributes(old):
        _keep_attribute(name, old, new)


def _keep_attribute(name: str, old: int, new: int) -> None:
    try:
        os.setxattr(new, name, os.getxattr(old, name))
    except OSError as error:
        # Labels of the system itself come from the folder where we may not set them.
        is_label = name.startswith(("security.", "trusted."))
        if not is_label or error.errno not in (errno.EPERM, errno.EACCES, errno.ENOTSUP):
            raise


def _attributes(handle: int) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(handle)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


class _Place(NamedTuple):
    """What is to be replaced: a file's folder and name; the file, opened; what it was then, and what was read of it."""

    folder: int
    name: str
    file: int
    before: os.stat_result
    expected: bytes | Fingerprint

    def holds(self, name: str) -> bool:
        """Whether what has a name in the folder is the file as it was read, its mode and its owner."""
        here = _status(self.folder, name)
        same = ("st_dev", "st_ino", "st_mode", "st_uid", "st_gid")
        return all(getattr(here, one) == getattr(self.before, one) for one in same) and _is(self.expected, self.file)


def _step(place: _Place, new: _Temporary, exchange: Callable[[int, str, str], bool]) -> None:
    """Put a new file in the place of the old one. Raises _Changed, OSError; then it isn't there."""
    if not place.holds(place.name):
        raise _Changed
    made = _status(place.folder, new.name)
    if not exchange(place.folder, new.name, place.name):
        os.replace(new.name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        return
    try:
        is_same = place.holds(new.name)
    except OSError:
        _give_back(place, new.name, made, exchange)
        raise
    if not is_same:
        _give_back(place, new.name, made, exchange)
        raise _Changed


def _give_back(place: _Place, taken: str, made: os.stat_result, exchange: Callable[[int, str, str], bool]) -> None:
    """Put what was taken back in its place, or what somebody has put there since; then our file is out of it."""
    put_there = made
    while True:
        given = _status(place.folder, taken)
        exchange(place.folder, taken, place.name)
        if os.path.samestat(_status(place.folder, taken), put_there):
            return
        # What we took now is newer than what we gave.
        put_there = given


def _status(folder: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _is(expected: bytes | Fingerprint, handle: int) -> bool:
    """Whether a file has what was read of it."""
    status = os.fstat(handle)
    if isinstance(expected, bytes):
        return status.st_size == len(expected) and _same(expected, handle)
    if status.st_size != expected.size or expected.identity not in (None, _identity(status)):
        return False
    return Fingerprint(_blocks(handle)).digest == expected.digest


def _same(expected: bytes, handle: int) -> bool:
    at = 0
    view = memoryview(expected)
    for block in _blocks(handle):
        if view[at : at + len(block)] != block:
            return False
        at += len(block)
    return at == len(expected)


def _blocks(handle: int) -> Iterator[bytes]:
    at = 0
    while block := os.pread(handle, BLOCK, at):
        at += len(block)
        yield block


def _settle(folder: int) -> None:
    """See that a folder knows its new file after a power cut, and that nothing old lies in it.

    Raises _Unsure.
    """
    try:
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    except PermissionError:
        # Who may write to a folder need not be able to list it.
        return
    except OSError as error:
        raise _unsure(error) from None
    try:
        _confirm(handle)
        _sweep(handle)
    finally:
        _release(handle)


def _confirm(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems don't know what that means for a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise _unsure(error) from None


def _unsure(error: OSError) -> _Unsure:
    return _Unsure(error.errno, f"the new text is there, but may not outlast a power cut: {error.strerror}")


def _sweep(handle: int) -> None:
    """Remove what killed runs of the same user left in a folder long ago. If that can't be: nobody asked us to."""
    with contextlib.suppress(OSError):
        key = _identity(os.fstat(handle))
        if key not in _swept:
            _swept.add(key)
            for name in filter(is_left_over, os.listdir(handle)):
                found = _status(handle, name)
                is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if is_ours and found.st_mtime < time.time() - ABANDONED_SECONDS:
                    os.unlink(name, dir_fd=handle)


def is_left_over(name: str) -> bool:
    """Whether a file of that name is a temporary one of ours."""
    digits = name.removeprefix(PREFIX)
    return name.startswith(PREFIX) and len(digits) == 16 and not digits.strip("0123456789abcdef")

"""Files of an archive or a folder, at random access and without unpacking it to disk."""

from __future__ import annotations

import io
import os
import posixpath
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from krm_harden.errors import SourceError
from krm_harden.images.sources.streams import (
    CHUNK,
    ENDS,
    FAILURES,
    Counted,
    LimitedTarInfo,
    decompressed,
    exceeded,
    is_broken,
    one_line,
    size_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from krm_harden.images.sources import Limits

LINKS = 16
"""Links that lead to links, within an archive."""


@dataclass(frozen=True)
class Files:
    """An archive's or a folder's files by their relative path."""

    path: str
    size: Callable[[str], int]
    """A file's size, or -1 if there is none."""
    open: Callable[[str], BinaryIO]

    def read(self, name: str, most: int) -> bytes:
        """A small file, whole."""
        size = self.size(name)
        if size < 0:
            raise SourceError(f"has no {one_line(name)}", self.path, "save the image again")
        if size > most:
            raise SourceError(f"{one_line(name)} is larger than {size_text(most)}", self.path, "look at what it holds")
        with self.open(name) as file:
            return file.read(most + 1)[:most]


def files(path: str, limits: Limits) -> Files:
    """The files of a folder, of a tar, or of a compressed tar."""
    try:
        kind = os.stat(path).st_mode
    except OSError as failure:
        raise SourceError(f"can't be read ({failure.strerror})", path, "check the path") from failure
    if stat.S_ISDIR(kind):
        return Files(path, lambda name: _folder_size(path, name), lambda name: _folder_open(path, name))
    if not stat.S_ISREG(kind):
        raise SourceError("is neither a folder nor a file", path, "save the image to a file first")
    members, compressed = _members(path, limits)
    parked: list[_Forward] = []

    def opened(name: str) -> BinaryIO:
        place = members.get(posixpath.normpath(name))
        if place is None:
            raise SourceError(f"has no {one_line(name)}", path, "save the image again")
        return _section(path, place, limits, parked if compressed else None)

    return Files(path, lambda name: members.get(posixpath.normpath(name), (0, -1))[1], opened)


def _folder_size(path: str, name: str) -> int:
    try:
        found = os.stat(os.path.join(path, name))
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _folder_open(path: str, name: str) -> BinaryIO:
    try:
        # A pipe would hang, a device never end.
        number = os.open(os.path.join(path, name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(number, "rb")
        if stat.S_ISREG(os.fstat(number).st_mode):
            return file
        file.close()
    except OSError as failure:
        what = f"{one_line(name)} can't be read ({failure.strerror})"
        raise SourceError(what, path, "save the image again") from failure
    raise SourceError(f"{one_line(name)} isn't a file", path, "save the image again")


def _members(path: str, limits: Limits) -> tuple[dict[str, tuple[int, int]], bool]:
    """Where each file's bytes lie in the tar, offset and size, and whether it is compressed. Links are followed."""
    places: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    try:
        with _forward(path, limits) as plain, _tar(path, plain) as tar:
            for count, member in enumerate(tar):
                if count >= limits.members:
                    what = f"has more than {limits.members} files"
                    said, step = exceeded("archiveEntries", limits.members, what, "save fewer images at once")
                    raise SourceError(said, path, step)
                name = posixpath.normpath(member.name)
                if member.isreg():
                    places[name] = (member.offset_data, member.size)
                elif member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = posixpath.normpath(member.linkname)
            compressed = plain.compressed
    except (tarfile.TarError, OverflowError, *FAILURES) as failure:
        raise SourceError(f"isn't a tar ({one_line(failure, 80)})", path, "save the image again") from failure
    for name in links:
        target = name
        for _ in range(LINKS):
            target = links.get(target, "")
            if target in places:
                places.setdefault(name, places[target])
                break
    return places, compressed


def _tar(path: str, plain: _Forward) -> tarfile.TarFile:
    """The headers of a tar; where it isn't compressed, the files between them are leapt over."""
    if plain.compressed:
        return tarfile.open(fileobj=plain, mode="r|", bufsize=CHUNK, tarinfo=LimitedTarInfo)
    return tarfile.open(path, mode="r:", tarinfo=LimitedTarInfo)


def _section(path: str, place: tuple[int, int], limits: Limits, parked: list[_Forward] | None) -> BinaryIO:
    """One file of a tar. A compressed tar is read on from where the last file was left, where that is before it."""
    offset, size = place
    try:
        if parked is None:
            file = open(path, "rb")  # noqa: SIM115 - closed with the section
            file.seek(offset)
            return cast("BinaryIO", io.BufferedReader(_Section(file, size, None), CHUNK))
        forward = parked.pop() if parked else None
        if forward is not None and forward.at > offset:
            forward.close()
            forward = None
        forward = forward or _forward(path, limits)
        forward.skip_to(offset)
    except FAILURES as failure:
        raise SourceError(f"can't be read ({one_line(failure, 80)})", path, "save the image again") from failure
    return cast("BinaryIO", io.BufferedReader(_Section(forward, size, parked), CHUNK))


class _Section(io.RawIOBase):
    """So many bytes of a file. A compressed file is parked for the next section rather than closed."""

    def __init__(self, file: BinaryIO | _Forward, size: int, parked: list[_Forward] | None) -> None:
        super().__init__()
        self._file = file
        self._left = size
        self._parked = parked

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            if self._parked is None or self._parked or not isinstance(self._file, _Forward):
                self._file.close()
            else:
                self._parked.append(self._file)
        super().close()


class _Handle:
    """A file that may stay open between two reads: it is closed with the last that knows its archive."""

    def __init__(self, path: str) -> None:
        self._number = -1
        self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, size: int) -> bytes:
        return os.read(self._number, size)

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    __del__ = close


def _forward(path: str, limits: Limits) -> _Forward:
    """A file from its first byte on."""
    stored = Counted(cast("BinaryIO", _Handle(path)))
    try:
        return _Forward(path, limits, stored, decompressed(stored))
    except SourceError as failure:
        stored.close()
        raise SourceError(failure.message, path, failure.next_step) from failure
    except OSError:
        stored.close()
        raise


class _Forward(io.RawIOBase):
    """A file's unpacked bytes, limited, from the first to the last."""

    def __init__(self, path: str, limits: Limits, stored: Counted, plain: BinaryIO) -> None:
        super().__init__()
        self.at = 0
        self._ends = 0
        self.compressed = not isinstance(plain, io.BufferedReader)
        self._path = path
        self._limits = limits
        self._stored = stored
        self._plain = plain

    def readable(self) -> bool:
        return True

    def skip_to(self, offset: int) -> None:
        while self.at < offset and self.read(min(CHUNK, offset - self.at)):
            pass

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._plain.read(min(len(buffer), CHUNK))
        except Exception as failure:
            if not is_broken(failure):
                raise
            raise OSError(f"it can't be unpacked: {one_line(failure, 60)}") from failure
        self.at += len(data)
        self._check(self._limits)
        self._ends += not data
        if self._ends > ENDS:
            raise SourceError("ends within a file", self._path, "save the image again")
        buffer[: len(data)] = data
        return len(data)

    def _check(self, limits: Limits) -> None:
        """Raises SourceError where it has unpacked more than a limit allows."""
        said = step = ""
        if self.at > limits.image_bytes:
            most = limits.image_bytes
            said, step = exceeded("imageBytes", most, f"unpacks to more than {size_text(most)}")
        elif self.at > limits.ratio_from and self.at > self._stored.count * limits.ratio:
            said, step = exceeded("layerRatio", limits.ratio, f"unpacks to more than {limits.ratio} times its size")
        if said:
            raise SourceError(said, self._path, step)

    def close(self) -> None:
        if not self.closed:
            self._plain.close()
            self._stored.close()
        super().close()

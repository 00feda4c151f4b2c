"""Layers as streams: decompressed by what their first bytes say, counted, hashed, never held in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from krm_harden.errors import SourceError
from krm_harden.limits import how_to_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from krm_harden.images.sources import Layer, Limits

CHUNK = 1 << 18
HEADER_BYTES = 1 << 20
"""Of a PAX header or a long name of a tar. Python reads it whole, whatever size it claims."""
FAILURES = (OSError, EOFError, zlib.error, ValueError)
ZSTD_WINDOW_LOG = 27
"""128 MiB: what zstd itself reads without --long."""
MEMBER_BYTES = 1 << 35
"""Of a file in a tar. Python skips a claimed size in small steps, even beyond the end: for years."""
HEADERS = 8
"""Extended headers of one file, each of which Python reads within the last."""
HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

ENDS = 64
"""Reads behind the end of a stream: tarfile goes on to skip what a header claims, in a million steps for 10 GiB."""

_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
)
_LAYER_TYPES = (
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar",
    *_FOREIGN,
)
_COMPRESSIONS = ("", ".gzip", "+gzip", "+zstd", ".zstd")


class Hash:
    """Takes bytes, and says whether they have the digest that was expected. An empty digest expects nothing."""

    def __init__(self, digest: str) -> None:
        self.expected = digest
        algorithm, _, self._hex = digest.partition(":")
        self._hash = HASHES[algorithm]() if digest else None

    def update(self, data: bytes | memoryview) -> None:
        if self._hash is not None:
            self._hash.update(data)

    def fits(self) -> bool:
        return self._hash is None or self._hash.hexdigest() == self._hex


class Spent:
    """What the layers of an image have unpacked so far, a layer read twice counted once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._layers: dict[str, int] = {}
        self._total = 0

    def add(self, layer: str, unpacked: int, stored: int) -> tuple[str, str]:
        """What limit is exceeded when a layer has unpacked so many bytes of so many stored ones, and what to do.

        Two empty texts where none is.
        """
        limits = self.limits
        before = self._layers.get(layer, 0)
        if unpacked > before:
            self._layers[layer] = unpacked
            self._total += unpacked - before
        if unpacked > limits.unpacked_layer_bytes:
            most = limits.unpacked_layer_bytes
            return exceeded("layerBytes", most, f"a layer is larger than {size_text(most)} unpacked")
        if self._total > limits.unpacked_image_bytes:
            most = limits.unpacked_image_bytes
            return exceeded("imageBytes", most, f"the image is larger than {size_text(most)} unpacked")
        if unpacked > limits.ratio_from and unpacked > stored * limits.ratio:
            return exceeded("layerRatio", limits.ratio, f"a layer unpacks to more than {limits.ratio} times its size")
        return "", ""


def exceeded(name: str, value: int, said: str, advice: str = "look at what it holds") -> tuple[str, str]:
    """What is said of what is beyond a limit, and what to do."""
    return f"{said} (limit {name}={value})", f"{advice}, or {how_to_raise(name, value)}"


class LimitedTarInfo(tarfile.TarInfo):
    """Reads a layer's headers, and refuses those that would fill the memory: whatever is wrong is a TarError.

    Python's tarfile reads a PAX header or a long name of any claimed size into memory, one within the other, keeps
    what all global headers say, and walks through sparse maps and past files of any claimed size. No builder of images
    writes such.
    """

    _EXTENDED = (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )

    def _proc_member(self, archive: Any) -> Any:
        """Overridden as CPython's tarfile.py says it may be. Extended headers call it again for the next header."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        if self.type not in self._EXTENDED:
            return self._processed(archive)
        if not 0 <= self.size <= HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size_text(self.size)}")
        if self.type == tarfile.XGLTYPE:
            archive.global_bytes = getattr(archive, "global_bytes", 0) + self.size
        archive.headers = getattr(archive, "headers", 0) + 1
        if archive.headers > HEADERS or getattr(archive, "global_bytes", 0) > HEADER_BYTES:
            raise tarfile.ReadError("too many headers of one file")
        try:
            return self._processed(archive)
        finally:
            archive.headers -= 1

    def _processed(self, archive: Any) -> Any:
        try:
            member = super()._proc_member(archive)  # type: ignore[misc]
        except (ArithmeticError, LookupError, ValueError) as failure:
            raise tarfile.ReadError(f"a header that can't be read ({one_line(failure, 60)})") from failure
        if not 0 <= member.size <= MEMBER_BYTES:
            raise tarfile.ReadError("a file of an absurd size")
        return member

    def _proc_gnusparse_00(self, *_: Any) -> None:
        raise tarfile.ReadError("a sparse file")

    _proc_gnusparse_01 = _proc_gnusparse_00
    _proc_gnusparse_10 = _proc_gnusparse_00


class LayerFile(io.BufferedReader):
    """A layer's uncompressed bytes. Leaving its `with` without an error reads what is left, so that all is verified."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.closed:
                while self.read(CHUNK):
                    pass
        finally:
            self.close()


def uncompressed(layer: Layer) -> LayerFile:
    """The stream of `Layer.open`."""
    kind, next_step = refused(layer.media_type)
    if kind:
        raise SourceError(f"layer {short(layer.digest)} {kind}", layer.image, next_step)
    stored = Counted(layer.stored())
    try:
        plain = decompressed(stored)
    except FAILURES as failure:
        stored.close()
        what = f"layer {short(layer.digest)} can't be unpacked ({one_line(failure)})"
        raise SourceError(what, layer.image, "build or pull it again") from failure
    except SourceError as failure:
        stored.close()
        raise SourceError(failure.message, layer.image, failure.next_step) from failure
    return LayerFile(cast("io.RawIOBase", _Unpacked(layer, stored, plain)), CHUNK)


def refused(media_type: str) -> tuple[str, str]:
    """What keeps a layer of this media type from being read, and the next step; or two empty texts."""
    if any(media_type == kind + end for kind in _FOREIGN for end in _COMPRESSIONS):
        return "is foreign: it isn't kept with the image (Windows)", "nothing is read from Windows images"
    if any(media_type == kind + end for kind in _LAYER_TYPES for end in _COMPRESSIONS):
        return "", ""
    if "encrypted" in media_type:
        return "is encrypted", "resolve an image that isn't"
    return f"has the media type {one_line(media_type) or '(none)'}", "only tar layers, plain, gzip or zstd, are read"


class Counted(io.RawIOBase):
    """Stored bytes, counted as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.count = 0
        self._ahead = b""

    def peek(self) -> bytes:
        """The first bytes, which stay unread."""
        self._ahead = self._file.read(6)
        return self._ahead

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._ahead or self._file.read(len(buffer))
        data, self._ahead = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Checked(io.RawIOBase):
    """Stored bytes that are verified at their end."""

    def __init__(self, file: BinaryIO, digest: str, image: str) -> None:
        super().__init__()
        self._file = file
        self._hash = Hash(digest)
        self._image = image

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._hash.update(data)
        if not data and not self._hash.fits():
            what = f"layer {short(self._hash.expected)} has other contents than its digest says"
            raise SourceError(what, self._image, "build, save or pull the image again")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def checked(file: BinaryIO, digest: str, image: str) -> BinaryIO:
    """A file whose end is an error if it doesn't have that digest. An empty digest checks nothing."""
    return cast("BinaryIO", io.BufferedReader(_Checked(file, digest, image), CHUNK)) if digest else file


class _Unpacked(io.RawIOBase):
    """Unpacked bytes, limited as they are read and verified at the end."""

    def __init__(self, layer: Layer, stored: Counted, plain: BinaryIO) -> None:
        super().__init__()
        self._layer = layer
        self._stored = stored
        self._plain = plain
        self._hash = Hash(layer.diff_id)
        self._count = 0
        self._ends = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._plain.read(min(len(buffer), CHUNK))
        except Exception as failure:
            if not is_broken(failure):
                raise
            raise self._error(f"can't be unpacked ({one_line(failure)})") from failure
        self._hash.update(data)
        self._count += len(data)
        exceeded, step = self._layer.spent.add(self._layer.digest, self._count, self._stored.count)
        if exceeded:
            raise SourceError(exceeded, self._layer.image, f"nothing of it was kept; {step}")
        if not data and not self._hash.fits():
            raise self._error(f"isn't what the image's configuration names ({short(self._hash.expected)})")
        self._ends += not data
        if self._ends > ENDS:
            raise self._error("ends within a file")
        buffer[: len(data)] = data
        return len(data)

    def _error(self, what: str) -> SourceError:
        layer = self._layer
        return SourceError(f"layer {short(layer.digest)} {what}", layer.image, "build or pull the image again")

    def close(self) -> None:
        if not self.closed:
            self._plain.close()
            self._stored.close()
        super().close()


def is_broken(failure: Exception) -> bool:
    """Whether what was read is to blame. zstandard's own error is loaded with it alone, so it is known by its name."""
    return isinstance(failure, FAILURES) or type(failure).__name__ == "ZstdError"


def decompressed(stored: Counted) -> BinaryIO:
    """Unpacked by its first bytes, as Docker does: media types are often wrong."""
    first = stored.peek()
    buffered = io.BufferedReader(stored, CHUNK)
    for magic, unpack in _UNPACK.items():
        if first.startswith(magic):
            return unpack(buffered)
    return buffered


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))


def _zstd(file: BinaryIO) -> BinaryIO:
    if sys.version_info >= (3, 14):
        zstd = import_module("compression.zstd")
        options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        return cast("BinaryIO", zstd.ZstdFile(file, options=options))
    try:
        zstandard = import_module("zstandard")
    except ModuleNotFoundError as failure:
        raise SourceError("a layer is compressed with zstd", next_step="pip install zstandard") from failure
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG)
    return cast("BinaryIO", unpacker.stream_reader(file, read_across_frames=True))


def _unknown(_: BinaryIO) -> BinaryIO:
    raise SourceError("a layer is compressed with bzip2 or xz", next_step="build the image with gzip or zstd")


_UNPACK: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": _gzip,
    b"\x28\xb5\x2f\xfd": _zstd,
    **{bytes((low, 0x2A, 0x4D, 0x18)): _zstd for low in range(0x50, 0x60)},
    b"BZh": _unknown,
    b"\xfd7zXZ\x00": _unknown,
}
"""First bytes of a compressed file, and what unpacks it. 0x50..0x5f: skippable frames of zstd."""


def chunks(file: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    """A file's bytes, a chunk at a time."""
    while data := file.read(size):
        yield data


def short(digest: str) -> str:
    """A digest as people compare it: its first 12 digits."""
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:12]}" if value else one_line(digest)


def one_line(text: object, most: int = 200) -> str:
    """Text of others on one line of a terminal: no control characters, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)[: most * 4]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def size_text(count: int) -> str:
    """Bytes as people read them: 512 B, 4 MiB, 1.5 GiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.1f}".removesuffix(".0") + f" {unit}"
        size /= 1024
    raise AssertionError

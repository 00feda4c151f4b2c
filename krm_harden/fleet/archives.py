"""Tars of manifests as streams: read once, nothing on disk, and no more in memory than the manifests in them."""

from __future__ import annotations

import stat
import tarfile
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from krm_harden import limits
from krm_harden.errors import SourceError
from krm_harden.fleet import limits as bounds
from krm_harden.fleet import trees
from krm_harden.images.sources.streams import FAILURES, Counted, LimitedTarInfo, decompressed, one_line, size_text

_LOOK = "look at what it holds before anything applies it"
WHITEOUT = ".wh."


@dataclass
class Contents:
    """The files of one or several archives, a later one over an earlier: bytes of what may be a manifest."""

    where: str
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Links and where they lead: they aren't followed."""
    size: int = 0
    count: int = 0

    def add(self, path: str, data: bytes) -> None:
        """Put a file in. Raises SourceError beyond the limits."""
        self.size += len(data) - len(self.files.get(path, b""))
        bounds.must_be_source(self.size, self.where)
        self.files[path] = data
        self.links.pop(path, None)

    def take(self, stored: BinaryIO, *, whiteouts: bool = False) -> None:
        """Put the files of a tar in, compressed or not; the stream is closed. Raises SourceError.

        `whiteouts`: it is a layer of an image, in which files say which ones of the layers below are gone.
        """
        counted = Counted(stored)
        try:
            with tarfile.open(
                fileobj=cast("BinaryIO", _Bounded(decompressed(counted), counted, self)),
                mode="r|",
                tarinfo=LimitedTarInfo,
            ) as tar:
                for member in tar:
                    self._member(tar, member, whiteouts=whiteouts)
        except (tarfile.TarError, *FAILURES) as failure:
            raise self.error(f"can't be unpacked ({one_line(failure, 80)})", "make or push it again") from None
        except SourceError as failure:
            raise self.error(failure.message, failure.next_step) from None
        except Exception as failure:
            if type(failure).__name__ != "ZstdError":
                raise
            raise self.error(f"can't be unpacked ({one_line(failure, 80)})", "make or push it again") from None
        finally:
            counted.close()

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo, *, whiteouts: bool) -> None:
        self.count += 1
        bounds.must_be_few(self.count, self.where, _LOOK)
        path = _path(member.name)
        if path and not trees.is_safe(path):
            raise self.error(f"holds a file outside of itself ({one_line(member.name, 60)})", _LOOK)
        if member.issym() or member.islnk():
            self.files.pop(path, None)
            self.links[path] = one_line(member.linkname, 80)
        elif not (member.isfile() or member.isdir()):
            kind = stat.filemode(member.mode)[:1] if member.isdev() else repr(member.type)[1:]
            raise self.error(f"holds what is no file ({one_line(path, 60)}, {kind})", _LOOK)
        elif whiteouts and path.rpartition("/")[2].startswith(WHITEOUT):
            self._remove(path)
        elif member.isfile() and trees.may_matter(path):
            bounds.must_be_file(member.size, self.where, f"cut {one_line(path, 60)} into several files")
            opened = tar.extractfile(member)
            self.add(path, opened.read() if opened else b"")

    def _remove(self, whiteout: str) -> None:
        folder, _, name = whiteout.rpartition("/")
        gone = name.removeprefix(WHITEOUT)
        if gone == f"{WHITEOUT}.opq":
            self.files = {
                path: data for path, data in self.files.items() if folder and not path.startswith(f"{folder}/")
            }
            return
        gone = f"{folder}/{gone}" if folder else gone
        self.files = {
            path: data for path, data in self.files.items() if path != gone and not path.startswith(f"{gone}/")
        }

    def error(self, said: str, step: str) -> SourceError:
        """What is wrong with the archive."""
        return SourceError(said, self.where, step)


def _path(name: str) -> str:
    """A member's path as everybody writes it; `..` and a root stay, to be refused."""
    path = "/".join(part for part in name.split("/") if part not in {"", "."})
    return f"/{path}" if name.startswith("/") else path


class _Bounded:
    """What tarfile reads of: unpacked bytes, counted against those that are stored."""

    def __init__(self, plain: BinaryIO, stored: Counted, contents: Contents) -> None:
        self._plain = plain
        self._stored = stored
        self._contents = contents
        self._count = 0

    def read(self, size: int) -> bytes:
        data = self._plain.read(size)
        self._count += len(data)
        most = limits.now()
        where = self._contents.where
        if self._count > most["layerBytes"]:
            said = f"is larger than {size_text(most['layerBytes'])} unpacked"
            raise bounds.beyond("layerBytes", said, where, _LOOK, self._count)
        if self._count > bounds.RATIO_FROM and self._count > self._stored.count * most["layerRatio"]:
            said = f"unpacks to more than {most['layerRatio']} times its size"
            raise bounds.beyond("layerRatio", said, where, _LOOK)
        return data

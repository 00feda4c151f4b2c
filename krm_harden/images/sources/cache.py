"""Blobs that were had before: a file each under its digest, and the last known digest of each tag.

    ${XDG_CACHE_HOME:-~/.cache}/krm-harden/blobs/sha256/<hex>
    ${XDG_CACHE_HOME:-~/.cache}/krm-harden/tags/<hash of the reference>

Files appear whole or not at all, and are verified each time that they are read. Where the folder can't be written,
blobs are temporary files, and nothing is remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from krm_harden.images.sources.manifests import is_digest
from krm_harden.images.sources.streams import Hash, chunks

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BYTES = 2 << 30
ABANDONED_SECONDS = 24 * 3600
"""After which a temporary file is nobody's any more."""
_TEMPORARY = ".part-"


def default_folder(environment: Mapping[str, str] = os.environ) -> str:
    """The cache's folder of this user; empty if there is no home."""
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "krm-harden") if os.path.isabs(base) else ""


@dataclass(frozen=True)
class Cache:
    """A folder of blobs, the least recently used of which go when there are too many bytes."""

    folder: str
    """Empty: nothing is kept."""
    most_bytes: int = DEFAULT_BYTES

    def open(self, digest: str) -> BinaryIO | None:
        """A blob, verified, at its first byte. One that was damaged is removed."""
        path = self._blob(digest)
        try:
            file = open(path, "rb")  # noqa: SIM115 - the caller closes what it gets
        except OSError:
            return None
        check = Hash(digest)
        for chunk in chunks(file):
            check.update(chunk)
        if check.fits():
            file.seek(0)
            with suppress(OSError):
                os.utime(path)
            return file
        file.close()
        with suppress(OSError):
            os.unlink(path)
        return None

    def read(self, digest: str, most: int) -> bytes | None:
        """A small blob, whole."""
        file = self.open(digest)
        if file is None:
            return None
        with file:
            data = file.read(most + 1)
        return data if len(data) <= most else None

    def temporary(self) -> BinaryIO:
        """A file to write a blob to, for `keep` or for `close`. OSError if there is no place at all."""
        with suppress(OSError):
            if self.folder:
                folder = os.path.join(self.folder, "blobs")
                os.makedirs(folder, mode=0o700, exist_ok=True)
                return cast("BinaryIO", tempfile.NamedTemporaryFile(dir=folder, prefix=_TEMPORARY))
        return cast("BinaryIO", tempfile.TemporaryFile())

    def keep(self, file: BinaryIO, digest: str) -> None:
        """Give a temporary file, whose bytes have that digest, its name. It stays open and can be read."""
        file.flush()
        path, name = self._blob(digest), getattr(file, "name", None)
        if not path or not isinstance(name, str):
            return
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            # A second name: closing the file removes the first.
            with suppress(FileExistsError):
                os.link(name, path)
            self._evict()

    def write(self, data: bytes, digest: str) -> None:
        """Keep a small blob, if that is possible."""
        with suppress(OSError), self.temporary() as file:
            file.write(data)
            self.keep(file, digest)

    def remember(self, reference: str, digest: str) -> None:
        """Note what a tag led to."""
        if not self.folder:
            return
        path = self._tag(reference)
        text = json.dumps({"reference": reference, "digest": digest}).encode()
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=_TEMPORARY, delete=False) as file:
                try:
                    file.write(text)
                    file.flush()
                    os.replace(file.name, path)
                except BaseException:
                    os.unlink(file.name)
                    raise

    def last_digest(self, reference: str) -> str:
        """What a tag led to when it was last asked for; or empty."""
        try:
            with open(self._tag(reference), "rb") as file:
                noted = json.loads(file.read(1 << 16))
        except (OSError, ValueError, RecursionError):
            return ""
        right = isinstance(noted, dict) and noted.get("reference") == reference and is_digest(noted.get("digest"))
        return str(noted["digest"]) if right else ""

    def _blob(self, digest: str) -> str:
        return os.path.join(self.folder, "blobs", *digest.split(":")) if self.folder and is_digest(digest) else ""

    def _tag(self, reference: str) -> str:
        return os.path.join(self.folder, "tags", hashlib.sha256(reference.encode()).hexdigest()) if self.folder else ""

    def _evict(self) -> None:
        """Remove what was used longest ago until the rest is small enough, and what other runs left behind."""
        found = []
        for folder, _, names in os.walk(os.path.join(self.folder, "blobs")):
            for name in names:
                path = os.path.join(folder, name)
                with suppress(OSError):
                    status = os.stat(path)
                    if not name.startswith(_TEMPORARY):
                        found.append((status.st_mtime_ns, status.st_size, path))
                    elif status.st_mtime < time.time() - ABANDONED_SECONDS:
                        os.unlink(path)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.most_bytes:
                return
            with suppress(OSError):
                os.unlink(path)
            total -= size

"""Object storage, and all else that fsspec reads: s3, gs, az, https, sftp, hdfs, ..."""

from __future__ import annotations

import posixpath
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from krm_harden import limits
from krm_harden.errors import SourceError
from krm_harden.fleet import limits as bounds
from krm_harden.fleet import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO, TypeVar

    Result = TypeVar("Result")

WEB = {"http", "https"}
"""Where there are files, but no folders."""
TRIES = 3
FIRST_WAIT = 0.5
"""Seconds before the second try, doubled each time."""
GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
LASTING = (*GONE, PermissionError, ValueError, ImportError)
"""What another try doesn't change."""
INSTALL = "pip install 'krm-harden[fleet]'"
_AT_ONCE = 64
"""Files that are asked for together."""


@dataclass(frozen=True)
class Place:
    """A file or a folder of a store."""

    url: str
    files: Any
    """The file system, as fsspec has it."""
    path: str

    def listed(self) -> dict[str, int]:
        """The files below, by their path below, with their sizes; -1 where unknown. Of a file its name alone.

        Raises SourceError.
        """
        if names.scheme(self.url) in WEB:
            return {posixpath.basename(self.path.partition("?")[0].rstrip("/")) or "index": -1}
        found = self._tried(self._find)
        bounds.must_be_few(len(found), names.shown(self.url), "name the folders in it, each as an entry")
        root = self.path.strip("/")
        sizes = {}
        for name, info in found.items():
            path = name.strip("/")
            if info.get("type") == "directory" or name.endswith("/"):
                continue
            size = info.get("size")
            sizes[path[len(root) + 1 :] or posixpath.basename(path)] = size if isinstance(size, int) else -1
        return sizes

    def _find(self) -> dict[str, Any]:
        self.files.invalidate_cache()
        return cast("dict[str, Any]", self.files.find(self.path, detail=True))

    def is_file(self, listed: Iterable[str]) -> bool:
        """Whether the place is that one file itself."""
        return names.scheme(self.url) in WEB or (
            list(listed) == [posixpath.basename(self.path.strip("/"))] and self._tried(self._is_file)
        )

    def _is_file(self) -> bool:
        return bool(self.files.isfile(self.path))

    def whole(self) -> bytes:
        """The bytes of a file. Raises SourceError."""
        return self.read([""])[""]

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of some files below, many asked for at once. Raises SourceError."""
        wanted, found, size = list(paths), {}, 0
        for start in range(0, len(wanted), _AT_ONCE):
            some = {self._full(path): path for path in wanted[start : start + _AT_ONCE]}
            read = self._tried(lambda some=some: self._cat(list(some)))  # type: ignore[misc]
            for full, data in read.items():
                # It may have grown since it was listed, or nobody knew its size.
                bounds.must_be_file(len(data), names.shown(self.url))
                size += len(data)
                found[some[full]] = data
            bounds.must_be_source(size, names.shown(self.url))
        return found

    def _full(self, path: str) -> str:
        return f"{self.path.rstrip('/')}/{path}" if path else self.path

    def _cat(self, paths: list[str]) -> dict[str, bytes]:
        if len(paths) == 1:
            return {paths[0]: self._one(paths[0])}
        return cast("dict[str, bytes]", self.files.cat(paths, on_error="raise"))

    def _one(self, path: str) -> bytes:
        """One file, and no more of it than may be."""
        if names.scheme(self.url) not in WEB:
            bounds.must_be_file(self.files.info(path).get("size") or 0, names.shown(self.url))
            return cast("bytes", self.files.cat_file(path))
        with self.files.open(path, "rb", block_size=0) as file:
            most = limits.now()["bytes"]
            parts, count = [], 0
            while count <= most and (data := file.read(1 << 20)):
                parts.append(data)
                count += len(data)
        bounds.must_be_file(count, names.shown(self.url))
        return b"".join(parts)

    def stream(self) -> BinaryIO:
        """A file's bytes as a stream. Raises SourceError."""
        size = {"block_size": 0} if names.scheme(self.url) in WEB else {}
        return cast("BinaryIO", self._tried(lambda: self.files.open(self.path, "rb", **size)))

    def _tried(self, call: Callable[[], Result]) -> Result:
        """What a call returns; failures that may pass are tried again."""
        # Some libraries try again by themselves.
        tries = 1 if hasattr(self.files, "retries") else TRIES
        for attempt in range(tries):
            done, result, failure = _once(call)
            if done:
                return cast("Result", result)
            if attempt + 1 == tries or isinstance(failure, LASTING):
                break
            time.sleep(FIRST_WAIT * 2**attempt)
        raise failed(self.url, cast("Exception", failure))

    def _error(self, said: str, step: str) -> SourceError:
        return SourceError(said, names.shown(self.url), step)


def _once(call: Callable[[], Any]) -> tuple[bool, Any, Exception | None]:
    """Whether a call has returned, and what; or what it has raised. Raises SourceError as it is."""
    try:
        return True, call(), None
    except SourceError:
        raise
    except Exception as failure:  # noqa: BLE001 - each library raises its own
        return False, None, failure


def opened(url: str) -> Place:
    """The place of a URL; nobody is asked for it yet. Raises SourceError."""
    if "::" in url.partition("://")[0]:
        raise SourceError("is a chain of places", names.shown(url), "name the last one alone: nothing is kept here")
    try:
        url_to_fs = import_module("fsspec.core").url_to_fs
    except ModuleNotFoundError:
        raise SourceError("fsspec isn't installed, which reads it", names.shown(url), INSTALL) from None
    try:
        files, path = url_to_fs(url)
    except ImportError as failure:
        raise SourceError(f"can't be read here: {names.scrubbed(failure)}", names.shown(url), INSTALL) from None
    except Exception as failure:  # noqa: BLE001 - each library raises its own
        if "rotocol not known" in str(failure):
            raise SourceError(
                "no such kind of place is known", names.shown(url), "s3://, gs://, https://, oci://, ..."
            ) from None
        raise failed(url, failure) from None
    return Place(url, files, path)


def failed(url: str, failure: BaseException) -> SourceError:
    """What went wrong in words of ours: messages of libraries may hold secrets, or nothing at all."""
    kind = type(failure).__name__
    where = names.shown(url)
    causes = " ".join(type(cause).__name__ for cause in _causes(failure))
    if "Connect" in causes or isinstance(failure, ConnectionError):
        return SourceError("can't be reached", where, "check the name, the network and the proxy settings")
    if isinstance(failure, GONE):
        return SourceError("isn't there", where, "check the name, and that whoever renders it has put it there")
    if isinstance(failure, PermissionError) or "Credential" in kind or "Forbidden" in kind or "Auth" in kind:
        return SourceError("access is denied", where, "check the credentials in the environment, and the name")
    if isinstance(failure, TimeoutError) or "Timeout" in causes:
        return SourceError("doesn't answer in time", where, "check the network, or give it more with --timeout")
    return SourceError(
        f"can't be read: {kind}: {names.scrubbed(failure)}"[:400], where, "check it with the store's own client"
    )


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came of."""
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def within(seconds: float, call: Callable[[], Result], url: str) -> Result:
    """What a call returns, waited for so long. What hangs is left behind: nobody can stop it. Raises SourceError."""
    done: list[tuple[Any, BaseException | None]] = []
    held = limits.now().all()

    def run() -> None:
        limits.hold_here(held)
        try:
            done.append((call(), None))
        except BaseException as failure:  # noqa: BLE001 - it is raised where somebody waits
            done.append((None, failure))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise SourceError(
            f"isn't read within {seconds:g} seconds", names.shown(url), "check the network, or give it more: --timeout"
        )
    result, failure = done[0]
    if failure is not None:
        raise failure
    return cast("Result", result)

"""What input may cost at most: the limits by name, what holds, and how it is said that one is exceeded.

Whoever reads something that others wrote asks `now()["depth"]` and raises `exceeded("depth", ...)`. What a run allows
comes from the command line, the environment and the policy (`krm_harden.commands._limits`). On the function's path:
constants and a small record, nothing else.
"""

from __future__ import annotations

import sys
from _thread import _local
from os import fstat
from time import thread_time

from krm_harden.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import BinaryIO

VARIABLE = "KRM_HARDEN_LIMITS"
MIB = 1 << 20
GIB = 1 << 30
SAFE_DEPTH = 300
"""What libyaml's composer, which recurses in C, survives on the stack of any thread: 350 levels take 128 kB."""
MOST_DEPTH = 1000
"""24,000 levels take the 8 MB of a main thread; marshal, which compares data, goes no deeper than 2,000."""

TABLE: Mapping[str, tuple[int, int, int, str]] = {
    "bytes": (512 * MIB, 1, 1 << 40, "bytes of one input: a file, standard input, a ResourceList, what a child prints"),
    "documentBytes": (128 * MIB, 1, 1 << 40, "bytes of one document, or of one item of a list, that is parsed"),
    "documents": (200_000, 1, 1 << 40, "documents and objects in one input, empty ones too"),
    "depth": (SAFE_DEPTH, 10, MOST_DEPTH, "levels of mappings and lists within each other"),
    "aliases": (10_000, 0, 10_000_000, "nodes that aliases and merge keys add to one document"),
    "seconds": (600, 0, 1_000_000, "processor seconds for one input; 0: as many as it takes"),
    "reportBytes": (256 * MIB, 1, 1 << 40, "bytes of one report that is read: a scanner's, or one to merge"),
    "sourceBytes": (GIB, 1, 1 << 50, "bytes of all manifests of one source of a fleet: so much may be in memory"),
    "sourceFiles": (200_000, 1, 1 << 40, "files of one source of a fleet, manifests or not"),
    "layerBytes": (16 * GIB, 1, 1 << 50, "bytes of one layer of an image, or of an archive of manifests, unpacked"),
    "imageBytes": (32 * GIB, 1, 1 << 50, "bytes of all layers of an image, unpacked"),
    "layerRatio": (
        200,
        1,
        1_000_000,
        "unpacked bytes for each stored one: of a layer beyond 1 GiB, of manifests beyond 64 MiB",
    ),
    "layerEntries": (1_000_000, 1, 1 << 40, "files and folders in all layers of an image"),
    "archiveEntries": (20_000, 1, 1 << 40, "files in an archive of images, or in a packed chart"),
}
"""Each limit's default, least and most value, and what it counts."""
DEFAULTS = {name: default for name, (default, _, _, _) in TABLE.items()}
FRAMES = 10
"""Python's calls, within each other, that one level of nesting may take."""
WHY_NO_MORE = {"depth": "libyaml's parser recurses in C, and the process's stack ends"}
"""Why some can't be raised as one likes."""
OF_ALL = ("documents", "seconds")
"""Those that all documents of an input share."""
NO_LIMIT = "seconds"
"""The one of which 0 stands for none."""


class Limits:
    """The value of each limit. Immutable."""

    __slots__ = ("_values",)

    def __init__(self, said: Mapping[str, int] | None = None) -> None:
        self._values = {**DEFAULTS, **(said or {})}

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def all(self) -> dict[str, int]:
        """Every limit by its name."""
        return dict(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Limits) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))


class _Held(_local):
    """What holds: for the process by the class, for a thread by its instance."""

    limits = Limits()
    stated: Mapping[str, int] = {}


_held = _Held()


def now() -> Limits:
    """The limits that hold."""
    return _held.limits


def begin(stated: Mapping[str, int]) -> None:
    """Let a run begin in the process, which is ours, with what is `stated` above every policy."""
    _Held.stated = stated
    hold({})


def state(name: str, value: int) -> None:
    """State one more limit, above every policy and what was stated before."""
    begin({**_Held.stated, name: value})


def hold(said: Mapping[str, int]) -> None:
    """Let the limits that a policy says hold in the whole process, below those that are stated above it."""
    limits = _Held.limits = Limits({**said, **_Held.stated})
    if limits["depth"] > SAFE_DEPTH:
        # A level takes several calls, on the main thread's large stack.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES * limits["depth"]))


def hold_here(said: Mapping[str, int]) -> Limits | None:
    """Let the limits that a policy says hold in this thread, which isn't ours; those it had of its own, if any.

    Depth only up to what the stack of any thread takes.
    """
    before: Limits | None = _held.__dict__.get("limits")
    _held.limits = Limits({**said, "depth": min(said.get("depth", SAFE_DEPTH), SAFE_DEPTH)})
    return before


def hold_again(limits: Limits | None) -> None:
    """Let what `hold_here` returned hold again in this thread: its own limits, else those of the process."""
    if limits is None:
        _held.__dict__.pop("limits", None)
    else:
        _held.limits = limits


def exceeded(name: str, said: str, line: int = -1, column: int = -1, *, found: int = 0, advice: str = "") -> InputError:
    """The error for what is beyond a limit, as `said`: which one, its value, and how to raise it for what was `found`.

    `line` and `column` count from 0, as in every InputError; `advice` is what else could be done.
    """
    value = now()[name]
    step = how_to_raise(name, value, found)
    step = f"{advice}, or {step}" if advice else step
    return InputError(f"{said} (limit {name}={value})", line, column, step, limit=name)


def how_to_raise(name: str, value: int, found: int = 0) -> str:
    """What to do where a limit of some value is too low: twice as much, or as much as was `found`."""
    most = TABLE[name][2]
    if value >= most:
        return f"no more is possible: {WHY_NO_MORE[name]}" if name in WHY_NO_MORE else "no more is possible"
    more = min(max(2 * value, found), most)
    return f"raise it: --limit {name}={more}, or {VARIABLE}={name}={more}"


def is_softer(name: str, value: int, other: int) -> bool:
    """Whether a value of a limit allows more than another one."""
    if name == NO_LIMIT and 0 in (value, other):
        return other != 0
    return value > other


def check_bytes(size: int, name: str = "bytes") -> None:
    """Raises InputError for an input of so many bytes, or more, where that is beyond its limit."""
    most = now()[name]
    if size > most:
        raise exceeded(name, f"larger than {most} bytes", found=size)


def read(file: BinaryIO, name: str = "bytes") -> bytes:
    """All of a file or a stream. Raises InputError where it is beyond its limit, without having read much more."""
    most = now()[name]
    blocks = []
    left = most + 1
    while left > 0 and (block := file.read(min(MIB, left))):
        blocks.append(block)
        left -= len(block)
    check_bytes(most + 1 - left, name)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def read_file(path: str | PathLike[str], name: str = "bytes") -> bytes:
    """All of a file. Raises OSError, and InputError where it is beyond its limit, without having read much more."""
    with open(path, "rb") as file:
        check_bytes(fstat(file.fileno()).st_size, name)
        return read(file, name)


def read_input(path: str | PathLike[str], where: str = "") -> bytes:
    """The same where no other file counts without it. Raises InputError that names it: by `where`, or by its path."""
    try:
        return read_file(path)
    except OSError as error:
        refused = InputError(f"can't be read: {error.strerror}")
    except InputError as error:
        refused = error
    refused.where = where or str(path)
    raise refused


class Spent:
    """What one input has cost so far: documents and its thread's time. A list counts as its objects, or as one."""

    __slots__ = ("_documents", "_end", "_limits")

    def __init__(self, documents: int = 0) -> None:
        self._limits = now()
        self._documents = documents
        seconds = self._limits["seconds"]
        self._end = thread_time() + seconds if seconds else 0.0

    def add(self, line: int, documents: int = 1) -> None:
        """Note some documents that begin on a line (from 0). Raises InputError where one of the limits is exceeded."""
        self._documents += documents
        if self._documents > self._limits["documents"]:
            raise exceeded("documents", f"more than {self._limits['documents']} documents", line)
        if self._end and thread_time() > self._end:
            raise exceeded("seconds", f"takes more than {self._limits['seconds']} s of processor time", line)

    def add_objects(self, line: int, objects: int) -> None:
        """Note the objects of a document that is noted already, where it has several. Raises InputError likewise."""
        if objects > 1:
            self.add(line, objects - 1)

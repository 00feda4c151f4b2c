"""A unit in, what the engine makes of it out: the same function here, in a process of its own, and on a cluster."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import limits
from krm_harden.commands import _files, _run
from krm_harden.errors import InputError, KrmHardenError, SourceError
from krm_harden.fleet import limits as bounds
from krm_harden.fleet import names, trees
from krm_harden.model import ChunkResult, Unexamined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from krm_harden.engine import Engine
    from krm_harden.fleet.units import Unit

OCI = "oci"


@dataclass(frozen=True)
class How:
    """What of a command line concerns each unit."""

    exclude: tuple[str, ...] = ()
    allow_empty: bool = False
    seconds: float = 120.0
    insecure: tuple[str, ...] = ()
    """Registries that are asked by plain HTTP."""


class File(NamedTuple):
    """A file of a unit by its whole name; with a `reason` it is left alone, with an `error` it couldn't be read."""

    name: str
    data: bytes = b""
    reason: str = ""
    cause: str = ""
    error: str = ""
    named: bool = False


class Loaded(NamedTuple):
    """A unit's files, and the digest of what was read."""

    files: tuple[File, ...]
    digest: str = ""


class Examined(NamedTuple):
    """What became of a unit."""

    inputs: tuple[_run.Input, ...]
    digest: str


def examined(engine: Engine, unit: Unit, how: How) -> Examined:
    """A unit, read and judged. What can't be read is an error of the unit's: nothing is raised for it."""
    return judged(engine, loaded(unit, how))


def together(
    engine: Engine, units: Sequence[Unit], how: How, known: Sequence[Loaded | None] | None = None
) -> list[Examined]:
    """Several units: those that are elsewhere are read at the same time, for most of that is waiting.

    `known` are those that were read already.
    """
    found = list(known or [None] * len(units))
    held = limits.now().all()

    def load_apart(place: int) -> None:
        limits.hold_here(held)
        load(place)

    def load(place: int) -> None:
        found[place] = loaded(units[place], how)

    away = [place for place, unit in enumerate(units) if found[place] is None and names.is_url(unit.source)]
    threads = [threading.Thread(target=load_apart, args=(place,), daemon=True) for place in away[1:]]
    for thread in threads:
        thread.start()
    if away:
        load(away[0])
    for thread in threads:
        thread.join()
    # What a thread has raised, a defect, it has printed; here it is raised once more.
    return [judged(engine, one or loaded(unit, how)) for one, unit in zip(found, units, strict=True)]


def failed(unit: Unit, said: str) -> Examined:
    """A unit of which nothing could be had."""
    return Examined((_run.Input(unit.name, b"", b"", (), said),), "")


def judged(engine: Engine, found: Loaded) -> Examined:
    """What the engine makes of a unit's files."""
    return Examined(tuple(_input(engine, file) for file in found.files), found.digest)


def _input(engine: Engine, file: File) -> _run.Input:
    """One file as a run over a folder has it."""
    if file.error:
        return _run.Input(file.name, b"", b"", (), file.error)
    if file.reason:
        note = Unexamined(file.reason, cause=file.cause)
        return _run.Input(file.name, b"", b"", (ChunkResult(b"", unexamined=(note,)),))
    made = _run.of_bytes(engine, file.name, file.data)
    if made.error and not file.named and b"\0" in file.data:
        note = Unexamined("binary")
        return _run.Input(file.name, file.data, file.data, (ChunkResult(file.data, unexamined=(note,)),))
    return made


def loaded(unit: Unit, how: How) -> Loaded:
    """A unit's files, whole; an error in their place where they can't be had."""
    if unit.error:
        return Loaded((File(unit.name, error=unit.error),))
    try:
        files, digest = (_of_entry if unit.is_entry else _of_file)(unit, how)
    except (SourceError, InputError) as error:
        return Loaded((File(unit.name, error=_said(unit, error)),))
    except OSError as error:
        return Loaded((File(unit.name, error=f"can't be read: {error.strerror or error}"),))
    if not (unit.reason or how.allow_empty) and unit.is_entry and not any(_says_something(file) for file in files):
        empty = SourceError("holds no manifests", next_step="check the source; --allow-empty allows that")
        return Loaded((File(unit.name, error=_said(unit, empty)),), digest)
    return Loaded(tuple(files), digest or _digest(files))


def _says_something(file: File) -> bool:
    """Whether a file is there to be judged; what is left alone is no manifest of anything."""
    return bool(file.error) or (not file.reason and not _run.is_empty(file.data))


def _said(unit: Unit, error: KrmHardenError) -> str:
    """An error as that of a unit: where its source is, if its name doesn't say so."""
    where = names.shown(unit.source)
    place = "" if where.rstrip("/") == unit.name else f"{where}: "
    return f"{place}{error.message}" + (f"; {error.next_step}" if error.next_step else "")


def _digest(files: Iterable[File]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.name}\0{file.reason}\0{len(file.data)}\0".encode(errors="surrogatepass"))
        found.update(file.data)
    return f"sha256:{found.hexdigest()}"


def _of_file(unit: Unit, how: How) -> tuple[list[File], str]:
    """A file that was found already: here, or in a store."""
    data = b""
    if not unit.reason and names.is_url(unit.source):
        data = _fetched(unit, how)
    elif not unit.reason:
        data = limits.read_file(unit.source)
    return [File(unit.name, data, unit.reason, unit.cause, named=unit.named)], ""


def _fetched(unit: Unit, how: How) -> bytes:
    from krm_harden.fleet import storage

    bounds.must_be_file(unit.size, names.shown(unit.source))
    return storage.within(how.seconds, lambda: storage.opened(unit.source).whole(), unit.source)


def _of_entry(unit: Unit, how: How) -> tuple[list[File], str]:
    """All manifests of an entry, and the digest of its source where that has one."""
    kind = names.scheme(unit.source) if names.is_url(unit.source) else ""
    if kind == OCI:
        return _of_artifact(unit, how)
    if not kind:
        return _of_path(unit, how), ""
    from krm_harden.fleet import storage

    return storage.within(how.seconds, lambda: _of_store(unit, how), unit.source), ""


def _of_artifact(unit: Unit, how: How) -> tuple[list[File], str]:
    from krm_harden.fleet import artifacts

    contents, digest, others = artifacts.contents(unit.source, how.seconds, how.insecure)
    files = _chosen(unit, how, dict.fromkeys(contents.files, 0), contents.files.__getitem__)
    return [*files, *_noted(unit, contents.links, others)], digest


def _noted(unit: Unit, links: dict[str, str], others: Iterable[tuple[str, str]] = ()) -> list[File]:
    """What of an archive or artifact wasn't looked at."""
    notes = [(path, f"a link to {target}: those of an archive aren't followed") for path, target in links.items()]
    return [File(f"{unit.name}/{path}", reason=reason) for path, reason in sorted([*notes, *others])]


def _of_store(unit: Unit, how: How) -> list[File]:
    from krm_harden.fleet import storage

    place = storage.opened(unit.source)
    if _is_archive(place.path):
        return _of_archive(unit, how, place.stream)
    listed = place.listed()
    if place.is_file(listed):
        (name,) = listed
        bounds.must_be_file(listed[name], names.shown(unit.source))
        return [File(f"{unit.name}/{name}", place.whole(), named=True)]
    return _chosen(unit, how, listed, lambda path: place.read([path])[path], place.read)


def _is_archive(path: str) -> bool:
    return path.lower().partition("?")[0].endswith(trees.ARCHIVES)


def _of_archive(unit: Unit, how: How, stream: Callable[[], object]) -> list[File]:
    from krm_harden.fleet.archives import Contents

    contents = Contents(names.shown(unit.source))
    contents.take(stream())  # type: ignore[arg-type] # a file opened for reading bytes, of whatever library
    files = _chosen(unit, how, dict.fromkeys(contents.files, 0), contents.files.__getitem__)
    return [*files, *_noted(unit, contents.links)]


def _of_path(unit: Unit, how: How) -> list[File]:
    """An entry that is on this machine."""
    if os.path.isdir(unit.source):
        return _of_folder(unit, how)
    if not os.path.exists(unit.source):
        raise SourceError("there is no such file or folder", unit.source, "check the inventory")
    if _is_archive(unit.source):
        return _of_archive(unit, how, lambda: open(unit.source, "rb"))
    return [File(f"{unit.name}/{os.path.basename(unit.source)}", limits.read_file(unit.source), named=True)]


def _of_folder(unit: Unit, how: How) -> list[File]:
    listed = {}
    for folder, folders, found in os.walk(unit.source):
        folders[:] = [name for name in folders if name not in _files.SKIPPED_FOLDERS]
        for name in found:
            path = os.path.join(folder, name)
            if _is_own(path, unit.source):
                listed[os.path.relpath(path, unit.source)] = os.path.getsize(path)
        bounds.must_be_few(len(listed), unit.source, "make it several entries")
    return _chosen(unit, how, listed, lambda path: limits.read_file(os.path.join(unit.source, path)))


def _is_own(path: str, root: str) -> bool:
    """Whether it is a regular file, or a link to one within the folder."""
    real = os.path.realpath(path)
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and real.startswith(os.path.realpath(root) + os.sep)
    except OSError:
        return False


def _chosen(
    unit: Unit,
    how: How,
    listed: dict[str, int],
    read: Callable[[str], bytes],
    read_all: Callable[[list[str]], dict[str, bytes]] | None = None,
) -> list[File]:
    """The manifests of a tree with their bytes."""
    unsafe = sorted(path for path in listed if not trees.is_safe(path) and trees.may_matter(path))
    safe = [path for path in listed if trees.is_safe(path)]
    where = names.shown(unit.source)

    def small(path: str) -> str:
        bounds.must_be_file(listed[path], where, f"leave {path} out, or cut it into several files")
        return path

    found = trees.chosen(safe, lambda path: read(small(path)), how.exclude, unit.name)
    wanted = [small(one.path) for one in found if not one.reason]
    bounds.must_be_source(sum(listed[path] for path in wanted), where)
    data = read_all(wanted) if read_all else {path: read(path) for path in wanted}
    files = [File(f"{unit.name}/{one.path}", data.get(one.path, b""), one.reason, one.cause) for one in found]
    wrong = "has a name that leads elsewhere (`..` or an empty folder); rename it"
    return [*files, *(File(f"{unit.name}/{path}", error=wrong) for path in unsafe)]

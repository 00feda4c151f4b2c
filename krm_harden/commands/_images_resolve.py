"""`krm-harden images resolve`: the images of manifests, found and looked into, as an ImageLock."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import limits, schema, source
from krm_harden.commands import _images_probe, _images_uses, _policies, _progress, _replace, _streams
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.images import resolve, write
from krm_harden.images.lock import GUESS, entries
from krm_harden.images.names import parse
from krm_harden.images.probe import SECONDS
from krm_harden.images.sources import limits_of_run, registry
from krm_harden.images.sources.cache import Cache, default_folder
from krm_harden.images.sources.manifests import DEFAULT_PLATFORM, normal, variant_rank
from krm_harden.model import mapping

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from krm_harden.commands._images_uses import Found
    from krm_harden.images.layers import Files

SUMMARY = "look into the images of manifests, and write what they need into a lock"
DEFAULT_LOCK = "images.lock.yaml"
LONGEST = 3600
"""Seconds of a probe."""
EXAMPLES = """\
examples:
  krm-harden images resolve deploy/
  kustomize build . | krm-harden images resolve -
  krm-harden images resolve --from docker-archive:app.tar deploy/
                                              an image that isn't in a registry, or not yet
  krm-harden images resolve --from registry.example/app:1.4=oci:build/ deploy/
                                              the same, where the layout doesn't name it
  krm-harden images resolve -o - deploy/      onto standard output
  krm-harden fix --images images.lock.yaml deploy/

  krm-harden images resolve --probe deploy/   run them with podman or docker, without a network

Registries are asked with what `docker login` left. Without --probe, nothing of an image is run.

exit codes: 0 done, 1 some images are missing (--keep-going), 2 an image or a manifest couldn't be read: nothing is
written, 3 wrong command line or policy
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    inputs(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=DEFAULT_LOCK, help=f"the lock; - is stdout; default: {DEFAULT_LOCK}"
    )
    sources(parser)
    parser.add_argument(
        "--probe", action="store_true", help="run the images with podman or docker, and see what they write"
    )
    parser.add_argument(
        "--seconds", metavar="N", type=int, default=SECONDS, help=f"how long each run lasts; default: {SECONDS}"
    )
    parser.add_argument("--keep-going", action="store_true", help="write the lock even where images are missing")


def inputs(parser: argparse.ArgumentParser) -> None:
    """What names the images."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, or - for standard input")
    _policies.arguments(parser, "the HardeningPolicy, for its kinds")
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", default=[], help="leave these files alone (as in .gitignore)"
    )


def sources(parser: argparse.ArgumentParser) -> None:
    """Where images come from."""
    parser.add_argument(
        "--from",
        metavar="[NAME=]SOURCE",
        action="append",
        default=[],
        dest="archives",
        help="docker-archive:FILE or oci:FOLDER, asked before registries; NAME is for an image without a name",
    )
    parser.add_argument(
        "--platform", default=DEFAULT_PLATFORM, help=f"of images for several; default: {DEFAULT_PLATFORM}"
    )
    parser.add_argument("--offline", action="store_true", help="ask no registry: archives and the cache only")
    parser.add_argument(
        "--insecure-registry", metavar="HOST", action="append", default=[], help="a registry without TLS: HOST[:PORT]"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=int, default=resolve.JOBS, help=f"images at a time; default: {resolve.JOBS}"
    )


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    started = time.monotonic()
    if not 1 <= options.seconds <= LONGEST:
        raise ConfigError(f"--seconds must be from 1 to {LONGEST}, not {options.seconds}")
    previous, api_version = _previous(options.output)
    _must_be_writable(options.output)
    found, code = read(options, with_data=options.probe)
    if code == 3:
        return 2
    had, failures = _had(options, found)
    made = _entries(options, found, had)
    failures += [
        resolve.Failure.of(one.names[0], answer)
        for one, answer in zip(had, made, strict=True)
        if isinstance(answer, Exception)
    ]
    _complain(failures, found)
    code = max(code, 2 * bool(failures))
    if code and not options.keep_going:
        where = "no lock is written" if options.output == "-" else f"{options.output} stays as it was"
        _streams.complain([f"krm-harden: {where}; --keep-going writes what there is"])
        return code
    locked = [one for one in made if isinstance(one, dict)]
    _write(options.output, write.text(locked, api_version))
    _streams.complain(_changes(previous, locked))
    _streams.complain([_summary(had, locked, failures, time.monotonic() - started)])
    return 1 if code and not found.errors else code


def read(options: argparse.Namespace, *, with_data: bool = False) -> tuple[Found, int]:
    """The images of the inputs, and 2 where one couldn't be read, 3 where there are none at all; it says so."""
    if options.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, not {options.jobs}")
    if not normal(options.platform):
        raise ConfigError(f"--platform must be OS/ARCHITECTURE, such as {DEFAULT_PLATFORM}, not {options.platform!r}")
    engine = Engine(_policies.chosen(options.policy, None, options.profile))
    found = _images_uses.gather(engine, options.paths, options.exclude, with_data=with_data)
    _streams.complain(f"note: {note}" for note in found.notes)
    _streams.complain(f"error: {error}" for error in found.errors)
    if found.is_empty and not found.errors:
        _streams.complain(["krm-harden: error: there are no documents"])
        return found, 3
    return found, 2 * bool(found.errors)


def _had(options: argparse.Namespace, found: Found) -> tuple[list[resolve.Had], list[resolve.Failure]]:
    archives = [resolve.archive(said, options.platform) for said in options.archives]
    wanted = [
        resolve.Wanted(parse(name), tuple(sorted({use.image.strip() for use in uses})))
        for name, uses in found.by_reference().items()
    ]
    with _progress.Progress("images found", ticking=True) as found_one:
        had, failures = resolve.images(
            wanted, archives, client(options), options.platform, jobs=options.jobs, progress=found_one
        )
    asked = normal(options.platform)
    _streams.complain(
        f"note: {one.names[0]} is for {one.image.platform} alone, not for {asked}"
        for one in had
        if variant_rank(one.image.platform, asked) < 0
    )
    used = {one.archive.said for one in had if one.archive}
    _streams.complain(
        f"warning: --from {made.said}: no image of the input is in it{_has(made)}"
        for made in archives
        if made.said not in used
    )
    return had, failures


def _has(archive: resolve.Archive) -> str:
    names = sorted(archive.images)
    if not names:
        return ": its images have no names there: say --from NAME=SOURCE"
    return f", but {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"


def client(options: argparse.Namespace) -> registry.Client:
    """Whom to ask, and how."""
    return registry.Client(
        Cache(default_folder()),
        frozenset(options.insecure_registry),
        offline=options.offline,
        limits=limits_of_run(),
    )


def _entries(
    options: argparse.Namespace, found: Found, had: Sequence[resolve.Had]
) -> Sequence[dict[str, Any] | Exception]:
    """The lock's entry of each image, or why there is none."""
    work: Callable[[resolve.Had], Any] = resolve.read if options.probe else _read_entry
    with _progress.Progress("images read", ticking=True) as told:
        files = resolve.each(work, had, options.jobs, told)
    if not options.probe:
        return files
    with (
        contextlib.closing(_images_probe.Prober(found, options.seconds)) as prober,
        _progress.Progress("images probed", ticking=True) as told,
    ):
        # In this thread, one after the other: an interrupt must reach what removes the containers.
        made = list(_probed(prober, had, files, told))
    _streams.complain(f"note: {note}" for note in prober.notes)
    return made


def _read_entry(one: resolve.Had) -> dict[str, Any]:
    return resolve.entry(one, resolve.read(one))


def _probed(
    prober: _images_probe.Prober,
    had: Sequence[resolve.Had],
    files: Sequence[Files | Exception],
    told: _progress.Progress,
) -> Iterator[dict[str, Any] | Exception]:
    for count, (one, answer) in enumerate(zip(had, files, strict=True), 1):
        try:
            yield answer if isinstance(answer, Exception) else prober.entry(one, answer)
        except KrmHardenError as error:
            yield error
        told(count, len(had))


def _complain(failures: Sequence[resolve.Failure], found: Found) -> None:
    """One line an image: what is wrong, what to do, and where it is used."""
    uses = {use.image.strip(): every for every in found.by_reference().values() for use in every}
    _streams.complain(f"error: {failure.error} ({_images_uses.places(uses[failure.name])})" for failure in failures)


def _previous(path: str) -> tuple[dict[str, Mapping[str, Any]], str]:
    """The entries of the lock that is to be replaced, by image, and its apiVersion, which stays.

    Raises ConfigError where something else is there.
    """
    if path == "-" or not os.path.exists(path):
        return {}, schema.API_VERSION
    try:
        data = _policies.load(path)
        found = entries(data, path)
    except ConfigError as error:
        what = "is there, and isn't an ImageLock that can be read"
        raise ConfigError(f"{what} ({error.message})", path, "name another file with -o, or remove it") from None
    return {name: entry for entry in found for name in entry["images"]}, data["apiVersion"]


def _must_be_writable(path: str) -> None:
    """Raises where the lock can't be put: before hours of downloads and runs, not after them."""
    if not path:
        raise ConfigError("-o must name a file")
    folder = os.path.dirname(os.path.realpath(path))
    if path == "-" or os.access(folder, os.W_OK | os.X_OK):
        return
    why = "its folder can't be written" if os.path.isdir(folder) else f"there is no folder {folder}"
    raise KrmHardenError(f"can't be written: {why}", path, "make one that can, or name another file with -o")


def _write(path: str, text: str) -> None:
    """Put the lock where it belongs, whole or not at all."""
    data = text.encode()
    _read_back(text, path)
    if path == "-":
        _streams.write_stdout([data])
        return
    # Through a link, also one whose file isn't there yet.
    target = Path(os.path.realpath(path))
    before = limits.read_input(target) if target.exists() else None
    if before is None:
        _create(target, data)
    elif before != data:
        _replace.replace(target, data, before)


def _read_back(text: str, path: str) -> None:
    """Raises KrmHardenError where the lock couldn't be used."""
    try:
        entries(source.read(text).data, path)
    except (InputError, ConfigError) as error:
        raise KrmHardenError(f"the lock couldn't be read again: {error}", path, "please report it") from None


def _create(path: Path, data: bytes) -> None:
    try:
        _replace.put(path, data)
    except OSError as error:
        raise KrmHardenError(f"can't be written: {error.strerror}", str(path)) from None


def _changes(previous: Mapping[str, Mapping[str, Any]], locked: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a reviewer wants to know of the new lock, beside the old one."""
    if not previous:
        return
    now = {name: entry for entry in locked for name in entry["images"]}
    for name in sorted({*previous, *now}):
        old, new = previous.get(name), now.get(name)
        if new is None:
            yield f"dropped: {name}: the input doesn't name it any more"
        elif old is None:
            yield f"added: {name}"
        elif old["digest"] != new["digest"]:
            yield f"changed: {name}: {old['digest']} is now {new['digest']}"
        elif "probe" in old and "probe" not in new:
            yield f"changed: {name}: the lock had seen it run; without --probe that is gone"
        elif {**old, "images": ()} != {**new, "images": ()}:
            yield f"changed: {name}: other facts of the same image"


def _summary(
    had: Sequence[resolve.Had],
    locked: Sequence[Mapping[str, Any]],
    failures: Sequence[resolve.Failure],
    seconds: float,
) -> str:
    counts = Counter("from --from" if one.archive else "from registries" for one in had)
    parts = [f"{counted(len(locked))} locked"]
    parts += [f"{count} {where}" for where, count in sorted(counts.items())]
    probed = sum("probe" in one for one in locked)
    parts += [f"{probed} probed"] if probed else []
    guessed = sum(GUESS in mapping(one.get("evidence")).values() for one in locked)
    parts += [f"{guessed} with guesses"] if guessed else []
    parts += [f"{len(failures)} missing"] if failures else []
    return f"krm-harden: {', '.join(parts)}, {seconds:.1f} s"


def counted(count: int) -> str:
    return f"{count} image" + ("" if count == 1 else "s")

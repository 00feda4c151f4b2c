"""From the names of images to the entries of an ImageLock: where each image is had, and what is learnt of it."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from krm_harden.errors import ConfigError, KrmHardenError, SourceError
from krm_harden.images import layers
from krm_harden.images.derive import facts
from krm_harden.images.facts import FIELDS, NOTHING
from krm_harden.images.known import of_catalogue
from krm_harden.images.names import parse
from krm_harden.images.sources import docker_archive, oci_layout, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from krm_harden.images.derive import Observed
    from krm_harden.images.layers import Files
    from krm_harden.images.names import Reference
    from krm_harden.images.sources import Image

    Progress = Callable[[int, int], None]

T = TypeVar("T")
R = TypeVar("R")
JOBS = 4
REGISTRY = "registry"
"""The source of an image that is in no archive."""


@dataclass(frozen=True)
class Wanted:
    """An image by its reference, and its names as manifests write them."""

    reference: Reference
    names: tuple[str, ...]


@dataclass(frozen=True)
class Archive:
    """A `--from`: its images by the names that it gives them, spelled out, and by digest where those can be proved."""

    said: str
    images: Mapping[str, Image]
    is_layout: bool

    def find(self, reference: Reference) -> Image | None:
        """The image of a reference. A digest must be the image's own, which only a layout knows."""
        if reference.digest:
            digests = {image.digest: image for image in self.images.values()} if self.is_layout else {}
            return digests.get(reference.digest)
        return self.images.get(str(reference))


@dataclass(frozen=True)
class Had:
    """An image that was found, under one or more references, and where."""

    image: Image
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Failure:
    """An image that couldn't be had or read, and why."""

    name: str
    error: str


KINDS = {"docker-archive": False, "oci": True}


def archive(said: str, platform: str) -> Archive:
    """The images of `--from [NAME=]docker-archive:FILE` or `[NAME=]oci:FOLDER`.

    `NAME=` is for an image that has no name there. Raises ConfigError and SourceError.
    """
    kind, _, path = said.partition(":")
    name = ""
    if kind not in KINDS:
        name, _, where = said.partition("=")
        kind, _, path = where.partition(":")
    if kind not in KINDS or not path:
        raise ConfigError(f"--from must be [NAME=]docker-archive:FILE or [NAME=]oci:FOLDER, not {said!r}")
    is_layout = KINDS[kind]
    found = oci_layout.images(path, platform) if is_layout else docker_archive.images(path)
    if name:
        return Archive(said, {str(parse(name)): _named(found, name, path)}, is_layout)
    return Archive(said, {str(parse(own)): image for own, image in found.items() if _is_full(own)}, is_layout)


def _is_full(name: str) -> bool:
    """Whether a name in an archive says which image it is: no id, and no tag alone."""
    return not name.startswith("sha256:") and (":" in name or "/" in name or "@" in name)


def _named(found: Mapping[str, Image], name: str, path: str) -> Image:
    """The image that somebody says a name is for: the one with its name or tag, else the only one."""
    wanted = parse(name)
    for own, image in found.items():
        if own == wanted.tag_or_latest or (_is_full(own) and str(parse(own)) == str(wanted)):
            return image
    if len({image.digest for image in found.values()}) == 1:
        return next(iter(found.values()))
    raise ConfigError(f"{path} has no image {name}, but {', '.join(sorted(found))}")


def images(
    wanted: Iterable[Wanted],
    archives: Sequence[Archive],
    client: registry.Client,
    platform: str,
    *,
    jobs: int = JOBS,
    progress: Progress | None = None,
) -> tuple[list[Had], list[Failure]]:
    """The images of some references, each once, and those that can't be had."""
    asked = list(wanted)

    def have(one: Wanted) -> tuple[Image, str]:
        for made in archives:
            found = made.find(one.reference)
            if found:
                return found, made.said
        return in_registry(one.reference, client, platform), REGISTRY

    made, failures = _sorted(asked, each(have, asked, jobs, progress))
    found: dict[tuple[str, str], Had] = {}
    for one, (image, source) in made:
        before = found.get((image.digest, image.platform))
        names = sorted({*one.names, *(before.names if before else ())})
        found[image.digest, image.platform] = Had(image, tuple(names), before.source if before else source)
    return list(found.values()), failures


def in_archives(reference: Reference, archives: Iterable[Archive]) -> Image | None:
    """The first archive's image of a reference."""
    return next((image for made in archives if (image := made.find(reference))), None)


def in_registry(reference: Reference, client: registry.Client, platform: str) -> Image:
    """What the image's registry has. Raises SourceError."""
    return registry.fetch(reference, platform, client=client)


def _sorted(asked: Sequence[Wanted], answers: Iterable[Any]) -> tuple[list[tuple[Wanted, Any]], list[Failure]]:
    made, failures = [], []
    for one, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Exception):
            failures.append(Failure(one.names[0], str(answer)))
        else:
            made.append((one, answer))
    return made, failures


def read(had: Had) -> Files:
    """What an image's layers hold. Raises SourceError that names the image."""
    try:
        return layers.read(had.image.layers, had.image.config)
    except SourceError:
        raise
    except KrmHardenError as error:
        raise SourceError(error.message, had.names[0], error.next_step) from None


def entry(had: Had, files: Files, observed: Observed | None = None) -> dict[str, Any]:
    """The lock's entry of an image."""
    image = had.image
    found, evidence = facts(image.config, files, observed, _known(had.names))
    made: dict[str, Any] = {
        "digest": image.digest,
        "imageID": image.image_id,
        "images": list(had.names),
        "platform": image.platform,
        "config": _configuration(image),
        "facts": found,
        "evidence": evidence,
    }
    return {field: value for field, value in made.items() if value}


def _known(names: Iterable[str]) -> dict[str, Any]:
    """What the catalogue knows of an image under each of its names: about that, guesses aren't needed."""
    every = [of_catalogue(parse(name)) for name in names]
    first = every[0] if every else NOTHING
    return {field: first.value(field) for field in FIELDS if all(one.fact(field) is not None for one in every)}


def _configuration(image: Image) -> dict[str, Any]:
    start = layers.settings(image.config)
    made = {
        "user": start.user,
        "workingDir": start.working_dir.rstrip("/"),
        "entrypoint": list(start.entrypoint),
        "cmd": list(start.cmd),
        "exposedPorts": list(start.ports),
        "volumes": list(start.volumes),
    }
    return {field: value for field, value in made.items() if value}


def each(
    work: Callable[[T], R], items: Sequence[T], jobs: int = JOBS, progress: Progress | None = None
) -> list[R | Exception]:
    """What `work` makes of each item, in their order, on several threads; the error where it can't.

    The threads are daemons: an interrupt waits for none of them.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R | Exception]] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def run() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                index = waiting.get_nowait()
                try:
                    done.put((index, work(items[index])))
                except Exception as error:  # noqa: BLE001 - raised again, where it isn't one of ours
                    done.put((index, error))

    for _ in range(min(jobs, len(items))):
        threading.Thread(target=run, daemon=True).start()
    answers: dict[int, R | Exception] = {}
    for index, answer in _all(done, len(items)):
        if isinstance(answer, Exception) and not isinstance(answer, (KrmHardenError, OSError)):
            raise answer
        answers[index] = answer
        if progress:
            progress(len(answers), len(items))
    return [answers[index] for index in range(len(items))]


def _all(done: queue.SimpleQueue[T], count: int) -> Iterator[T]:
    for _ in range(count):
        yield done.get()

"""From the names of images to the entries of an ImageLock: where each image is had, and what is learnt of it."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from krm_harden.errors import ConfigError, KrmHardenError, SourceError
from krm_harden.images import layers
from krm_harden.images.derive import OBSERVED, facts
from krm_harden.images.facts import FIELDS, NOTHING
from krm_harden.images.known import of_catalogue
from krm_harden.images.names import parse
from krm_harden.images.sources import docker_archive, limits_of_run, oci_layout, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from krm_harden.images.derive import Observed
    from krm_harden.images.facts import WritablePath
    from krm_harden.images.layers import Files
    from krm_harden.images.names import Reference
    from krm_harden.images.sources import Image

    Progress = Callable[[int, int], None]

T = TypeVar("T")
R = TypeVar("R")
JOBS = 4


@dataclass(frozen=True)
class Wanted:
    """An image by its reference, and its names as manifests write them."""

    reference: Reference
    names: tuple[str, ...]


@dataclass(frozen=True)
class Archive:
    """A `--from` and its images, by the names that it gives them, spelled out."""

    said: str
    path: str
    images: Mapping[str, Image]
    is_layout: bool
    """An OCI layout. Only that knows digests."""

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
    archive: Archive | None
    """None: a registry."""


@dataclass(frozen=True)
class Failure:
    """An image that couldn't be had or read, and why."""

    name: str
    error: str

    @classmethod
    def of(cls, name: str, error: Exception) -> Failure:
        """An error as a line that names its image."""
        said = str(error).replace("\n", " ")
        return cls(name, said if isinstance(error, SourceError) and error.where else f"{name}: {said}")


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
    found = (
        oci_layout.images(path, platform, limits=limits_of_run())
        if is_layout
        else docker_archive.images(path, limits=limits_of_run())
    )
    if name:
        return Archive(said, path, {str(parse(name)): _named(found, name, path)}, is_layout)
    named = {str(parse(own)): image for own, image in found.items() if _is_full(own)}
    return Archive(said, path, named, is_layout)


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

    def have(one: Wanted) -> tuple[Image, Archive | None]:
        for made in archives:
            found = made.find(one.reference)
            if found:
                return found, made
        return in_registry(one.reference, client, platform), None

    made, failures = _sorted(asked, each(have, asked, jobs, progress))
    found: dict[tuple[str, str], Had] = {}
    for one, (image, where) in made:
        before = found.get((image.digest, image.platform))
        names = sorted({*one.names, *(before.names if before else ())})
        found[image.digest, image.platform] = Had(image, tuple(names), before.archive if before else where)
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
            failures.append(Failure.of(one.names[0], answer))
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


def entry(had: Had, files: Files, observed: Observed | None = None, programs: Sequence[str] = ()) -> dict[str, Any]:
    """The lock's entry of an image. `programs` are those of the command that was observed."""
    image = had.image
    found, evidence = facts(image.config, files, observed, _known(had.names))
    if programs:
        found = {**found, "programs": list(dict.fromkeys([*found.get("programs", ()), *programs]))}
        evidence = {**evidence, "programs": OBSERVED}
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
    fields = [field for field in FIELDS if all(one.fact(field) is not None for one in every)]
    return {field: plain(first.value(field)) for field in fields}


def plain(value: Any) -> Any:
    """A fact's value as data."""
    return [_folder(path) for path in value] if isinstance(value, tuple) else value


def _folder(path: WritablePath) -> dict[str, Any]:
    made: dict[str, Any] = {"path": path.path, "seed": path.seed}
    made |= {"sizeLimit": path.size_limit} if path.size_limit else {}
    return made | ({"optional": True} if path.optional else {})


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


IDENTITY = ("uid", "gid", "anyUid")
SEEDS = ("empty", "data", "copy")
"""From what nobody misses to what an emptyDir would hide."""


def united(
    static: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    observations: Sequence[Observed],
    files: Files,
) -> dict[str, Any]:
    """One entry of an image from those of its runs, each with another command; `static` is the one without any.

    What a run wrote counts for all of them; a user or a refusal only where they agree.
    """
    if not entries:
        return dict(static)
    facts_, evidence = dict(static["facts"]), dict(static["evidence"])
    every = [entry["facts"] for entry in entries]
    for field in {field for one in every for field in one}:
        values = [one[field] for one in every if field in one]
        if field == "writablePaths":
            facts_[field] = _folders(values, files)
        elif field in {"programs", "ports"}:
            facts_[field] = sorted({item for value in values for item in value})
        elif field == "env":
            facts_[field] = {name: text for value in values for name, text in sorted(value.items())}
        elif field not in IDENTITY and all(one.get(field) == values[0] for one in every):
            facts_[field] = values[0]
    if all([one.get(field) for field in IDENTITY] == [every[0].get(field) for field in IDENTITY] for one in every):
        facts_ = {field: value for field, value in facts_.items() if field not in IDENTITY}
        facts_ |= {field: every[0][field] for field in IDENTITY if field in every[0]}
    for field in facts_:
        said = {entry["evidence"].get(field) for entry in entries if entry["facts"].get(field) == facts_[field]}
        said = said or {entry["evidence"].get(field) for entry in entries if field in entry["facts"]}
        evidence[field] = max((one for one in said if one), key=EVIDENCE.index, default=evidence.get(field))
    ordered = [field for field in FIELDS if field in facts_]
    return {
        **static,
        "facts": {field: facts_[field] for field in ordered},
        "evidence": {field: evidence[field] for field in ordered},
        "probe": _probe(observations),
    }


EVIDENCE = ("config", "layers", "observed", "guess")
"""A fact of several runs is as sure as the least sure of them."""


def _folders(lists: Iterable[Sequence[Mapping[str, Any]]], files: Files) -> list[dict[str, Any]]:
    """The folders of several runs; of one that several name, the seed that loses least."""
    found: dict[str, dict[str, Any]] = {}
    for item in (item for folders in lists for item in folders):
        path, before = item["path"], found.get(item["path"])
        if before is None:
            found[path] = dict(item)
            continue
        both = {**before, **(item if item["evidence"] == OBSERVED else {})}
        both["seed"] = max(before["seed"], item["seed"], key=SEEDS.index)
        if not (before.get("optional") and item.get("optional")):
            both.pop("optional", None)
        found[path] = both
    return [found[path] for path in sorted(found) if not _is_covered(path, found, files)]


def _is_covered(path: str, found: Mapping[str, Mapping[str, Any]], files: Files) -> bool:
    """Whether a volume above stands in for a folder: one that has the image's files, or that it isn't among."""
    above = [other for other in found if path.startswith(f"{other}/")]
    return any(found[other]["seed"] == "copy" or path not in files.entries for other in above)


OUTCOMES = ("runs", "unclear", "fails")
"""From good to bad."""


def _probe(observations: Sequence[Observed]) -> dict[str, Any]:
    """The runs of an image in a few words: the worst of them."""
    worst = max(observations, key=lambda one: OUTCOMES.index(one.restricted or "unclear"))
    user = worst.user if worst.uid is None or worst.restricted != "runs" else worst.uid
    made = {"seconds": worst.seconds, "user": str(user)}
    made |= {"restricted": worst.restricted} if worst.restricted in {"runs", "fails"} else {}
    return made | ({"note": worst.note} if worst.note else {})


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

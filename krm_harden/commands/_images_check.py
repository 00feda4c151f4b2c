"""`krm-harden images check`: whether a lock still says what the images of manifests are."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from krm_harden import schema
from krm_harden.commands import _images_resolve, _images_uses, _policies, _progress, _streams
from krm_harden.errors import ConfigError
from krm_harden.images import resolve
from krm_harden.images.lock import Lock, entries
from krm_harden.images.names import parse
from krm_harden.images.sources.manifests import DEFAULT_PLATFORM, normal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from krm_harden.commands._images_uses import Found

SUMMARY = "say whether a lock still holds for some manifests; exit 1 when it is stale"
EXAMPLES = """\
examples:
  krm-harden images check deploy/             is every image locked, and does its tag mean the same image still?
  krm-harden images check --offline deploy/   is every image locked?
  kustomize build . | krm-harden images check --images images.lock.yaml -

Of an image from an archive, only the archive itself can tell whether it changed: name it with --from.

exit codes: 0 it holds, 1 it is stale, 2 a manifest or an image couldn't be read, 3 wrong command line, or no lock
"""
SYSTEMS = ("linux", "windows")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    _images_resolve.inputs(parser)
    parser.add_argument(
        "--images",
        metavar="LOCK",
        default=_images_resolve.DEFAULT_LOCK,
        help=f"the lock; default: {_images_resolve.DEFAULT_LOCK}",
    )
    _images_resolve.sources(parser)
    parser.set_defaults(platform="")


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    platform = options.platform
    options.platform = platform or DEFAULT_PLATFORM
    lock, problem = _read(options.images)
    found, code = _images_resolve.read(options)
    if code == 3:
        return 2
    stale = [problem] if problem else [*_not_locked(lock, found), *_unknown(lock, platform)]
    changed, failures = ([], []) if problem else _changed(options, lock, found)
    stale += changed
    _streams.print_lines(f"error: {line}" for line in stale)
    _streams.complain(f"error: {line}" for line in failures)
    _streams.complain(f"warning: {options.images}: nothing uses {name}" for name in _unused(lock, found))
    count = _images_resolve.counted(len(found.by_reference()))
    verdict = f"is stale: run `{_next(options)}`" if stale else f"holds for {count}"
    if stale or not (failures or code):
        _streams.complain([f"krm-harden: {options.images} {verdict}"])
    return max(code, int(bool(stale)), 2 * bool(failures))


def _read(path: str) -> tuple[Lock, str]:
    """The lock, and what this release doesn't understand of it. Raises ConfigError where there is no lock at all."""
    data = _policies.load(path)
    if not isinstance(data, dict) or data.get("kind") != schema.LOCK_KIND:
        raise ConfigError(f"isn't an {schema.LOCK_KIND}", path, "`krm-harden images resolve` writes one")
    try:
        return Lock(entries(data, path), path), ""
    except ConfigError as error:
        return Lock([], path), f"{error}: this release doesn't know that"


def _not_locked(lock: Lock, found: Found) -> Iterator[str]:
    for uses in found.by_reference().values():
        if lock.entry(parse(uses[0].image)) is None:
            yield f"{uses[0].image.strip()} isn't in {lock.where} ({_images_uses.places(uses)})"


def _unknown(lock: Lock, platform: str) -> Iterator[str]:
    """The entries for another platform than the one that is asked for, or than any that is known."""
    for entry in lock.entries:
        known = normal(entry.get("platform", DEFAULT_PLATFORM))
        name = entry["images"][0]
        if known.partition("/")[0] not in SYSTEMS:
            yield f"{name} is locked for {entry['platform']!r}, a platform that this release doesn't know"
        elif platform and known != normal(platform):
            yield f"{name} is locked for {known}, not for {platform}"


def _unused(lock: Lock, found: Found) -> list[str]:
    """The names in a lock that the manifests don't have."""
    used = found.by_reference()
    digests = {parse(name).digest for name in used}
    return [
        name
        for entry in lock.entries
        for name in entry["images"]
        if str(parse(name)) not in used and entry["digest"] not in digests
    ]


def _changed(options: argparse.Namespace, lock: Lock, found: Found) -> tuple[list[str], list[str]]:
    """The tags that mean another image now than in the lock, and those of which nobody could tell."""
    archives = [resolve.archive(said, options.platform) for said in options.archives]
    client = _images_resolve.client(options)
    asked = [
        (name, entry)
        for name, uses in found.by_reference().items()
        if not parse(name).digest and (entry := lock.entry(parse(uses[0].image))) is not None
    ]

    def digest(one: tuple[str, Mapping[str, Any]]) -> str:
        name, entry = one
        image = resolve.in_archives(parse(name), archives)
        if image:
            return image.digest
        if options.offline or entry["digest"] == entry.get("imageID"):
            return str(entry["digest"])
        return resolve.in_registry(parse(name), client, entry.get("platform", DEFAULT_PLATFORM)).digest

    with _progress.Progress("images checked", ticking=True) as progress:
        answers = resolve.each(digest, asked, options.jobs, progress)
    changed, failures = [], []
    for (name, entry), answer in zip(asked, answers, strict=True):
        where = _images_uses.places(found.by_reference()[name])
        if isinstance(answer, Exception):
            failures.append(f"{answer} ({where})")
        elif answer != entry["digest"]:
            changed.append(f"{name} is {answer} now, in {lock.where} {entry['digest']} ({where})")
    return changed, failures


def _next(options: argparse.Namespace) -> str:
    """The command that makes the lock anew, with what was said to this one."""
    words = ["krm-harden", "images", "resolve", "-o", options.images]
    words += [word for path in options.policy or () for word in ("--policy", path)]
    words += ["--platform", options.platform] if options.platform != DEFAULT_PLATFORM else []
    lists = {"--from": options.archives, "--exclude": options.exclude, "--insecure-registry": options.insecure_registry}
    words += [word for option, every in lists.items() for said in every for word in (option, said)]
    return shlex.join([*words, *options.paths])

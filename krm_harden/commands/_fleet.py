"""`check` beyond one folder: URLs, inventories, shards, clusters."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import limits
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.engine import Engine
    from krm_harden.fleet.units import Unit
    from krm_harden.fleet.work import Examined, How
    from krm_harden.policy import Policy

SECONDS = 120.0
BATCH = 16
"""Units that one process reads at the same time."""
FILES_AT_ONCE = 64
"""Files of this machine that go to a process together."""


class Found(NamedTuple):
    """The inputs of a run, what its report in JSON says beside them, and whether nothing at all was there to judge."""

    inputs: list[Input]
    about: dict[str, Any]
    is_empty: bool


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of what is elsewhere, or done elsewhere."""
    paths = next(action for action in parser._actions if action.dest == "paths")
    paths.nargs, paths.required = "*", False
    paths.help = "files, folders, URLs (s3://, gs://, https://, oci://, ...), or - for standard input"
    group = parser.add_argument_group("fleets")
    group.add_argument(
        "--inventory",
        metavar="FILE",
        help="an Inventory, in place of PATHs: entries with a name and a source; or a URL",
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        type=_shard,
        help="take the I-th of N shares; `report merge` puts their reports together",
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="let a cluster of Dask do it: tcp://host:8786")
    where.add_argument(
        "--distributed", action="store_true", help="start such a cluster on this machine; --jobs workers"
    )
    group.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=SECONDS, help="for each source; default: 120"
    )
    group.add_argument(
        "--insecure-registry", metavar="HOST", action="append", default=[], help="ask this registry by plain HTTP"
    )


def _must_fit_threads(options: argparse.Namespace) -> None:
    """Raises ConfigError for more depth than a worker's threads have stack for."""
    depth = limits.now()["depth"]
    if depth > limits.SAFE_DEPTH and (options.scheduler or options.distributed):
        said = f"a cluster's workers take depth={limits.SAFE_DEPTH} at most, not {depth}: they work in threads"
        raise ConfigError(said, next_step="lower the limit, or run it without the cluster")


def _shard(said: str) -> tuple[int, int]:
    index, slash, count = said.partition("/")
    right = slash and all(part.isascii() and part.isdigit() and len(part) <= 4 for part in (index, count))
    if not right or not 1 <= int(index) <= int(count):
        raise argparse.ArgumentTypeError(f"must be I/N, as 2/8 is the second of eight, not {said!r}")
    return int(index), int(count)


def _seconds(said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"must be seconds, up to 86400, not {said!r}")
    return value


def is_asked(options: argparse.Namespace) -> bool:
    """Whether a command line is for this module. Raises ConfigError for one that names nothing at all."""
    elsewhere = options.inventory or options.shard or options.scheduler or options.distributed
    if not (options.paths or options.inventory):
        raise ConfigError("nothing to check is named", next_step="name files, folders, URLs, - or an --inventory")
    return bool(elsewhere) or any(_is_url(path) for path in options.paths)


def _is_url(path: str) -> bool:
    if "://" not in path:
        return False
    return not os.path.lexists(path)


def must_fit(policy: Policy, options: argparse.Namespace, *, several: bool) -> None:
    """Raises ConfigError where a command line asks for what can't be told of sources, or of shards."""
    if options.inventory and options.paths:
        raise ConfigError("--inventory and PATHs exclude each other", next_step="name files and folders as entries")
    wrong = {"--watch": options.watch, "--hook": options.hook, "standard input": "-" in options.paths}
    for name, is_there in wrong.items():
        if is_there:
            raise ConfigError(f"{name} goes with files of this machine alone", next_step="run it without")
    if policy.asks_items:
        said = "podSecurityPolicies: items takes them of the manifests, which are elsewhere"
        raise ConfigError(said, next_step="name their file in the policy")
    if not options.shard:
        return
    for name, is_there in {
        "a table of levels, versions or labels": several,
        "--baseline": options.baseline is not None or options.write_baseline or options.baseline_frozen,
        "--scan": bool(getattr(options, "scan", None) or getattr(options, "run_scanner", None)),
    }.items():
        if is_there:
            said = f"{name} needs the whole run, and --shard takes a part of it"
            raise ConfigError(said, next_step="run it without --shard; --scheduler and --jobs share the work, too")


def found(engine: Engine, options: argparse.Namespace) -> Found:
    """All inputs of a command line, or those of its shard. Raises KrmHardenError."""
    from krm_harden.commands import _reports, _run, _streams
    from krm_harden.fleet import records, units
    from krm_harden.fleet.work import How

    _must_fit_threads(options)
    _reports.must_spare(options.report, dict(_run._read_beside(options)))
    how = How(tuple(options.exclude), options.allow_empty, options.timeout, tuple(options.insecure_registry))
    known = _units(options, how)
    shard = units.Shard(*options.shard) if options.shard else units.WHOLE
    by_world = engine.policy.asks_whole_input
    if by_world:
        _must_be_apart(engine.policy, known, options)
    places = units.of_shard(known, shard, by_world=by_world)
    mine = [known[place] for place in places]
    made = _settled(engine, mine, _examined(engine, mine, how, options), options.jobs)
    inputs = [one for each in made for one in each.inputs]
    whole = any(unit.is_entry or _is_url(unit.source) for unit in known)
    is_void = not any(one.chunks or one.error for one in inputs)
    about: dict[str, Any] = {}
    if whole or options.shard:
        about["units"] = records.rows(mine, made, [_idle(engine.policy, each) for each in made])
    if options.shard:
        policy = engine.policy
        unused = list(policy.unused(_run.facts_of(inputs))) if policy.exemptions else []
        about["shard"] = records.shard(
            shard,
            places,
            units.digest_of(known),
            records.run_digest(engine, how),
            whole=whole,
            notes=sum(severity == "warning" for severity, _ in policy.notes),
            unused=len(unused),
            is_empty=is_void and not options.allow_empty,
        )
        if is_void:
            # Of the whole there may be enough: whoever merges the reports knows.
            what = f"{len(mine)} of {len(known)} units" + (", and they hold no manifests" if mine else "")
            _streams.complain([f"note: shard {shard} takes {what}"] if known else ())
    return Found(inputs, about, is_empty=not known or (is_void and not options.shard))


def _idle(policy: Policy, each: Examined) -> int:
    """How many of the warnings are about a unit: files whose ImageLock nothing uses."""
    idle = (made for made in each.inputs if made.locks and not any(chunk.resources for chunk in made.chunks))
    return 0 if policy.locks else sum(1 for _ in idle)


def _must_be_apart(policy: Policy, known: Sequence[Unit], options: argparse.Namespace) -> None:
    """Raises ConfigError where a part of the input would decide what only the whole of it can."""
    from krm_harden.commands import _reports

    what = "controls.serviceAccountToken" if policy.asks_access else "namespaces.enforce: auto"
    if options.shard and any(not unit.world for unit in known):
        step = "name an --inventory with clusters, which stay whole; or run it without --shard"
        raise ConfigError(f"{what} needs the whole input, and --shard takes a part of it", next_step=step)
    if len({unit.world for unit in known}) > 1 and _reports.asks_for(options, "sarif"):
        step = "leave sarif out, or run each cluster for itself"
        raise ConfigError(f"{what} is decided cluster by cluster, and fixes in sarif aren't", next_step=step)


def _units(options: argparse.Namespace, how: How) -> list[Unit]:
    """All units that a command line names, in their order."""
    if options.inventory:
        from krm_harden.fleet import inventory

        return inventory.read(options.inventory, how.seconds)
    found: dict[str, Unit] = {}
    for path in options.paths:
        for unit in _of_url(path, how) if _is_url(path) else _of_path(path, options):
            found.setdefault(unit.name, unit)
    return list(found.values())


def _of_path(path: str, options: argparse.Namespace) -> Iterator[Unit]:
    """The files of this machine, as every run finds them."""
    from krm_harden.commands import _files, _run
    from krm_harden.fleet.units import Unit

    files, patches = _run.found([path], options.exclude)
    named = not os.path.isdir(path)
    for file in files:
        patched = patches.get(type(file)(os.path.realpath(file)))
        reason = f"a kustomize patch of {patched}" if patched else _files.LEFT_ALONE.get(file.name, "")
        try:
            size = os.path.getsize(file)
        except OSError:
            size = 0
        yield Unit(str(file), str(file), size, reason=reason, cause="patch" if patched else "", named=named)


def _of_url(url: str, how: How) -> Iterator[Unit]:
    """The objects of a store; an artifact or an archive is one unit, and so is what can't be listed, for its error."""
    from krm_harden.errors import SourceError
    from krm_harden.fleet import names, storage, trees, work
    from krm_harden.fleet.units import Unit

    name = names.shown(url).rstrip("/")
    if names.scheme(url) == work.OCI or work._is_archive(url):
        yield Unit(name, url, is_entry=True)
        return

    def listed() -> list[Unit]:
        place = storage.opened(url)
        sizes = place.listed()
        if place.is_file(sizes):
            return [Unit(name, url, max(0, *sizes.values()), named=True)]
        safe = [path for path in sizes if trees.is_safe(path)]
        chosen = trees.chosen(safe, lambda path: place.read([path])[path], how.exclude, name)
        base = url.rstrip("/")
        return [
            Unit(f"{name}/{one.path}", f"{base}/{one.path}", sizes[one.path], reason=one.reason, cause=one.cause)
            for one in chosen
        ]

    try:
        units = storage.within(how.seconds, listed, url)
    except SourceError as error:
        yield Unit(name, url, error=error.message + (f"; {error.next_step}" if error.next_step else ""))
        return
    # That a place holds nothing is said when it is read as an entry.
    yield from units or [Unit(name, url, is_entry=True)]


def _examined(engine: Engine, mine: Sequence[Unit], how: How, options: argparse.Namespace) -> list[Examined]:
    """What becomes of each unit, in their order: here, in processes, or on a cluster."""
    from krm_harden.commands import _run, _shares
    from krm_harden.fleet import work

    if options.scheduler or options.distributed:
        return _on_cluster(engine, mine, how, options)
    batches = list(_batches(mine))

    def examine(batch: list[Unit]) -> list[Examined]:
        return work.together(engine, batch, how)

    jobs = options.jobs or (_shares.processors() if _is_much(mine) else 1)
    each: Iterator[list[Examined]] = _shares.in_order(batches, examine, _weight, jobs if hasattr(os, "fork") else 1)
    counted = _run._counted((one for batch in each for one in batch), len(mine), "units")
    return list(counted)


def _weight(batch: list[Unit]) -> int:
    return sum(unit.size or 1 for unit in batch)


def _is_much(mine: Sequence[Unit]) -> bool:
    from krm_harden.commands._run import SOME_WORK

    is_known = all(unit.size for unit in mine)
    return sum(unit.size for unit in mine) >= SOME_WORK if is_known else len(mine) > 2 * BATCH


def _batches(mine: Sequence[Unit]) -> Iterator[list[Unit]]:
    batch: list[Unit] = []
    for unit in mine:
        if len(batch) >= (BATCH if _is_url(unit.source) else FILES_AT_ONCE):
            yield batch
            batch = []
        batch.append(unit)
    if batch:
        yield batch


def _on_cluster(engine: Engine, mine: Sequence[Unit], how: How, options: argparse.Namespace) -> list[Examined]:
    from krm_harden.commands import _run, _shares
    from krm_harden.fleet.cluster import Cluster

    if not mine:
        return []
    cluster = Cluster(options.scheduler or "", options.jobs or _shares.processors())
    try:
        by_place = dict(_run._counted(cluster.examined(engine, mine, how), len(mine), "units"))
    finally:
        cluster.close()
    return [by_place[place] for place in range(len(mine))]


def _settled(engine: Engine, mine: Sequence[Unit], made: Sequence[Examined], jobs: int) -> list[Examined]:
    """The same, where the facts of a whole cluster decide something once more through the engine."""
    from krm_harden.commands import _run

    if not engine.policy.asks_whole_input:
        return list(made)
    worlds: dict[str, list[int]] = {}
    for place, unit in enumerate(mine):
        worlds.setdefault(unit.world, []).append(place)
    done = list(made)
    for places in worlds.values():
        again = iter(_run.settled(engine, [one for place in places for one in made[place].inputs], jobs))
        for place in places:
            done[place] = made[place]._replace(inputs=tuple(next(again) for _ in made[place].inputs))
    return done

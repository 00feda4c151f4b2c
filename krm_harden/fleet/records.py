"""What a report in JSON says of the units that it is about, and of the shard that it is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from krm_harden import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from krm_harden.commands._run import Input
    from krm_harden.engine import Engine
    from krm_harden.fleet.units import Shard, Unit
    from krm_harden.fleet.work import Examined, How


def rows(units: Sequence[Unit], found: Sequence[Examined], idle: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each unit: what it is, and how much of the report is about it. `idle` has warnings about its files."""
    made = []
    for unit, one, warnings in zip(units, found, idle, strict=True):
        labels = {"cluster": unit.cluster, "namespace": unit.namespace}
        made.append(
            {
                "name": unit.name,
                **{field: value for field, value in labels.items() if value},
                "digest": one.digest,
                "files": len(one.inputs),
                "resources": sum(len(chunk.resources) for made in one.inputs for chunk in made.chunks),
                "notExamined": sum(len(chunk.unexamined) for made in one.inputs for chunk in made.chunks),
                "errors": sum(map(_errors, one.inputs)),
                "warnings": warnings,
            }
        )
    return made


def _errors(made: Input) -> int:
    return bool(made.error) + sum(bool(chunk.error) for chunk in made.chunks)


def shard(
    shard: Shard, places: Sequence[int], listed: str, run: str, *, whole: bool, notes: int, unused: int, is_empty: bool
) -> dict[str, Any]:
    """What says of which run a report is a shard.

    `places` are those of its units in the list, whose digest is `listed`. `whole`: the report of the whole run has
    units, too. The report's first `notes` warnings are the policy's, then `unused` ones hold if all shards have them.
    `is_empty`: it holds no manifests, which must not be so of all shards.
    """
    return {
        "index": shard.index,
        "count": shard.count,
        "list": listed,
        "run": run,
        "places": list(places),
        "keepsUnits": whole,
        "notes": notes,
        "unused": unused,
        "isEmpty": is_empty,
    }


def run_digest(engine: Engine, how: How) -> str:
    """The digest of all that decides what becomes of a unit: release, policy, options."""
    policy = engine.policy
    said = {
        "release": __version__,
        "policy": [policy.name, policy.spec, [[lock.where, list(lock.entries)] for lock in policy.locks]],
        "expired": [exemption.expired for exemption in policy.exemptions],
        "above": policy.images_above,
        "engine": [engine.checking, engine.strict, engine.ceiling],
        "how": [list(how.exclude), how.allow_empty],
    }
    text = json.dumps(said, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"

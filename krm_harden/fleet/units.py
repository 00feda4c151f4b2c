"""What is judged alone, and which shard of a run takes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.fleet.names import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Unit:
    """One file, or all files of an entry of an inventory.

    `name` is what reports call it: of a file its whole name, of an entry the folder above its files. `source` is where
    it is, with the secrets that it may hold. `size` is in bytes, 0 where unknown. `reason` says why it is left alone,
    `cause` sorts that. `named`: somebody named this very file. `world` is the whole input that it is a part of: the
    manifests of one cluster; empty for what a command line names one by one, which is a whole together. `error` is why
    it isn't even known what it holds.
    """

    name: str
    source: str
    size: int = 0
    is_entry: bool = False
    cluster: str = ""
    namespace: str = ""
    reason: str = ""
    cause: str = ""
    named: bool = False
    world: str = ""
    error: str = ""


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of a run, from 1 on."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


WHOLE = Shard(1, 1)


def of_shard(units: Sequence[Unit], shard: Shard, *, by_world: bool = False) -> list[int]:
    """The places of the units that a shard takes, in their order.

    Every machine that has the same list cuts it in the same way: each unit, the largest first, goes to the shard that
    has least; among equals a hash of its name decides. Units of unknown size count as the average one. `by_world`:
    those of one world stay together.
    """
    groups: dict[str, list[int]] = {}
    for place, unit in enumerate(units):
        groups.setdefault(unit.world if by_world else unit.name, []).append(place)
    known = [unit.size for unit in units if unit.size]
    usual = max(sum(known) // len(known), 1) if known else 1
    weights = {name: sum(units[place].size or usual for place in places) for name, places in groups.items()}
    loads = [0] * shard.count
    mine: list[int] = []
    for name in sorted(groups, key=lambda name: (-weights[name], _hash(name))):
        least = loads.index(min(loads))
        loads[least] += weights[name]
        if least == shard.index - 1:
            mine += groups[name]
    return sorted(mine)


def _hash(name: str) -> bytes:
    """The same on every machine; Python's own hash isn't."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()


def digest_of(units: Iterable[Unit]) -> str:
    """The digest of a whole list: shards of the same one fit together."""
    rows = [[unit.name, shown(unit.source), unit.cluster, unit.namespace, unit.size, unit.reason] for unit in units]
    return f"sha256:{hashlib.sha256(json.dumps(rows).encode()).hexdigest()}"

"""The labels of each namespace: the strictest level that all its workloads pass as they are written now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden import workloads
from krm_harden.decide import written
from krm_harden.model import LATEST, LEVELS, LevelVersion
from krm_harden.namespaces import MODES, PREFIX, Labelled, labels_of
from krm_harden.psp.migration.choices import after
from krm_harden.resources import owner
from krm_harden.standard import Evaluator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from krm_harden.model import Resource
    from krm_harden.psp.migration.choices import Choice
    from krm_harden.psp.migration.objects import Cluster, Item

ONCE_STRICTER = {"privileged": "baseline", "baseline": "restricted", "restricted": "restricted"}


@dataclass(frozen=True)
class Workload:
    """An object that makes pods, with the choice for each of them. `resource` is what becomes of it."""

    item: Item
    choices: tuple[Choice, ...]
    resource: Resource

    @property
    def is_open(self) -> bool:
        return any(choice.refusal for choice in self.choices)

    @property
    def owner(self) -> str:
        """What makes the object, which then isn't written here."""
        return owner(self.item.resource)

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(choice.policy for choice in self.choices if choice.policy))


@dataclass(frozen=True)
class Labels:
    """What becomes of a namespace. `level` is the strictest that holds; `enforce` what is enforced in the end.

    `writes` are the labels to write; `blockers` say what keeps the next level away, `note` why there is no label.
    `kept` is the enforce label, with its own version, that is there and stays.
    """

    name: str
    items: tuple[Item, ...]
    level: str
    enforce: str
    version: str
    writes: tuple[tuple[str, str], ...]
    blockers: tuple[str, ...] = ()
    note: str = ""
    kept: LevelVersion | None = None

    @property
    def asked(self) -> LevelVersion | None:
        """What holds in it, None where nothing does."""
        if self.kept:
            return self.kept
        return LevelVersion(self.enforce, self.version) if self.enforce else None


def workloads_of(choices: Sequence[Choice]) -> list[Workload]:
    """The choices by their objects, in their order."""
    found: dict[int, list[Choice]] = {}
    for choice in choices:
        found.setdefault(id(choice.item), []).append(choice)
    return [Workload(of_one[0].item, tuple(of_one), _becomes(of_one)) for of_one in found.values()]


def _becomes(choices: list[Choice]) -> Resource:
    item = choices[0].item
    return item.resource if owner(item.resource) else after(item, choices)


def labels(
    cluster: Cluster, every: Sequence[Workload], server: tuple[int, int] = LATEST, version: str = ""
) -> list[Labels]:
    """What becomes of each namespace that is here, or has a workload here; by name."""
    within: dict[str, list[Workload]] = {name: [] for name in cluster.namespaces}
    for workload in every:
        within.setdefault(workload.item.namespace, []).append(workload)
    version = version or f"v1.{server[1]}"
    return [_of(cluster, name, within[name], server, version) for name in sorted(within)]


def _of(cluster: Cluster, name: str, inside: Sequence[Workload], server: tuple[int, int], version: str) -> Labels:
    items = tuple(cluster.namespaces.get(name, ()))
    if name.startswith("kube-"):
        return Labels(name, items, "", "", version, (), note="kube-* namespaces are left alone")
    unsure = _unsure(cluster, name, inside)
    if unsure:
        return Labels(name, items, "", "", version, _writes("", "restricted", version), note=unsure)
    level, blockers = strictest(inside, server, version)
    there = _there(items, server)
    if there is None or LEVELS.index(there.level) < LEVELS.index(level):
        writes = _writes(level, ONCE_STRICTER[level], version)
        return Labels(name, items, level, level, version, writes, blockers)
    fails = any(_refusal(workload, there, server) for workload in inside)
    note = f"the label that is there, {there}, stays: not all workloads pass it" if fails else ""
    writes = _writes(level, ONCE_STRICTER[there.level], version)
    return Labels(name, items, level, there.level, version, writes, blockers, note, there)


def _unsure(cluster: Cluster, name: str, inside: Sequence[Workload]) -> str:
    """Why no level is enforced in a namespace, or empty."""
    still = [str(workload.item) for workload in inside if workload.is_open]
    if still:
        return f"open: {', '.join(still)}"
    if any(id(item) in cluster.unwritable for item in cluster.namespaces.get(name, ())):
        return "its manifest can't be edited"
    said = [_labels_of(item).get(f"{PREFIX}enforce", "privileged") for item in cluster.namespaces.get(name, ())]
    wrong = [label for label in said if label not in LEVELS]
    if wrong:
        return f"its enforce label, {written(wrong[0])}, can't be read, and so counts as restricted: correct it"
    unread = cluster.unlabelled.get(name) or cluster.unlabelled.get("")
    if unread:
        return f"not judged: {unread}"
    return "" if inside else "the input has no workload of it: no level is known to hold"


def strictest(inside: Sequence[Workload], server: tuple[int, int], version: str) -> tuple[str, tuple[str, ...]]:
    """The strictest level that every workload passes, and what keeps the next one away."""
    blockers: tuple[str, ...] = ()
    for level in reversed(LEVELS):
        asked = LevelVersion(level, version, server)
        failing = [f"{workload.item}: {said}" for workload in inside if (said := _refusal(workload, asked, server))]
        if not failing:
            return level, blockers
        blockers = tuple(f"{asked}: {line}" for line in failing)
    return "privileged", blockers


def _refusal(workload: Workload, asked: LevelVersion, server: tuple[int, int]) -> str:
    shapes = workloads.shapes_of(workload.resource, {})
    return Evaluator(list(workloads.created_pods(workload.resource, shapes, server))).verdict(asked).message


def _there(items: Sequence[Item], server: tuple[int, int]) -> LevelVersion | None:
    """The softest enforce label of a namespace's manifests, the oldest of these; None where one has none."""
    found = [Labelled(_labels_of(item), server).enforce for item in items if f"{PREFIX}enforce" in _labels_of(item)]
    if not found or len(found) < len(items):
        return None
    return min(found, key=lambda one: (LEVELS.index(one.level), one.version))


def _labels_of(item: Item) -> Mapping[str, object]:
    return labels_of(item.resource)


def labels_after(labels_: Labels) -> dict[str, object]:
    """The labels of the standard that a namespace has in the end."""
    if not labels_.items:
        return dict(labels_.writes)
    there = _labels_of(labels_.items[0])
    return {name: there[name] for name in there if name.startswith(PREFIX)} | dict(writes_of(labels_, there))


def _writes(enforce: str, watch: str, version: str) -> tuple[tuple[str, str], ...]:
    """The labels to write, those of enforce first; `writes_of` says which of them an object gets."""
    wanted = dict(zip(MODES, (enforce, watch, watch), strict=True))
    found = []
    for mode, level in wanted.items():
        if level:
            found += [(PREFIX + mode, level), (f"{PREFIX}{mode}-version", version)]
    return tuple(found)


def writes_of(labels_: Labels, current: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The labels that a Namespace with some labels gets: none is lowered, and what can't be read is left to people."""
    wanted = dict(labels_.writes)
    for mode in MODES:
        name, level = PREFIX + mode, wanted.get(PREFIX + mode)
        there = current.get(name)
        if level is None or (there is not None and there not in LEVELS):
            continue
        if there is None or LEVELS.index(str(there)) < LEVELS.index(level):
            yield name, level
            if current.get(f"{name}-version") != labels_.version:
                yield f"{name}-version", labels_.version

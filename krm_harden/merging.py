"""Several policies as one: a profile below, then each in the order given. Loaded only where there are several.

Later words win: of a setting the last, of a control or a mapping the last by field. Lists add up. Where two entries
say something of the same thing equally narrowly, the later policy's counts: so its rules come last, and its images and
kinds, of which the first counts, come first.
"""

from __future__ import annotations

from krm_harden.controls import named
from krm_harden.model import mapping, sequence
from krm_harden.policy import Layer, Policy, in_own_words, locks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

FIRST_COUNTS = ("images", "kinds")
"""Lists of which an earlier entry wins over an equal later one."""
WHOLE = ("podSecurityPolicy",)
"""A mapping that is one word: the last one holds."""
APART = ("profile", "imageLock")
"""What isn't a setting of the merged policy: the base that was taken, and what became locks."""


def combined(layers: Sequence[Layer], profile: str | None = None) -> Policy:
    """The policy that some policies make together, above a profile: one of the command line, else the last named."""
    said = [layer.spec["profile"] for layer in layers if "profile" in layer.spec]
    chosen = profile or (said[-1] if said else None)
    base = [_of_profile(chosen)] if chosen else []
    layers = in_own_words([*base, *layers])[len(base) :]
    name = " + ".join(layer.name for layer in layers)
    locks = [lock for layer in reversed(layers) for lock in locks_of(layer.spec, layer.name)]
    spec = _merged([*base, *layers], several=len(layers) > 1)
    return Policy(spec, name or f"profile {chosen}", locks=locks, layers=[*base, *layers])


def _of_profile(name: str) -> Layer:
    from krm_harden.profiles import PROFILES

    return Layer(PROFILES[name], f"profile {name}", f"profile {name}", profile=name)


def _merged(layers: Sequence[Layer], *, several: bool) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for field, value in layer.spec.items():
            if field == "controls":
                merged[field] = _with_controls(mapping(merged.get(field)), value)
            elif isinstance(value, dict) and field not in (*APART, *WHOLE):
                merged[field] = {**merged.get(field, {}), **value}
            elif isinstance(value, list):
                made = list(_entries(layer, field)) if several else value
                both = (made, merged.get(field, ())) if field in FIRST_COUNTS else (merged.get(field, ()), made)
                merged[field] = [*both[0], *both[1]]
            elif field not in APART:
                merged[field] = value
    return merged


def _with_controls(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Controls by field; a short name means the control of each level."""
    merged = dict(known)
    for alias, settings in more.items():
        for name in named(alias):
            merged[name] = {**merged.get(name, {}), **settings}
    return merged


def _entries(layer: Layer, field: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a list as they are reported: by their file."""
    for index, entry in enumerate(sequence(layer.spec[field])):
        where = f"{layer.where}: {field}[{index}]"
        if field == "images":
            yield {"evidence": f"{where} {entry['match']}", **entry}
        elif field == "exemptions":
            yield {"where": where, **entry}
        else:
            yield entry


def origins(policy: Policy, field: str) -> list[tuple[Layer, int]]:
    """The layer of each entry of one of a policy's lists and its index there, in the order in which they hold."""
    layers = reversed(policy.layers) if field in FIRST_COUNTS else policy.layers
    return [(layer, index) for layer in layers for index in range(len(sequence(layer.spec.get(field))))]

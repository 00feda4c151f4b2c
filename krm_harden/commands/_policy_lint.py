"""What a valid policy says in vain, or against itself: the warnings of `krm-harden policy check`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from krm_harden import controls
from krm_harden.errors import Problem
from krm_harden.exemptions import glob
from krm_harden.images.names import canonical
from krm_harden.model import LEVELS, mapping, sequence
from krm_harden.policy import today
from krm_harden.schema import did_you_mean, path_of
from krm_harden.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.model import Pointer
    from krm_harden.policy import Policy

SOON = 30
"""Days before its date in which an exemption expires soon."""
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-*?")
"""What a name and a namespace may hold (RFC 1123), and what stands for it in a glob."""


def warnings(policy: Policy, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """What is doubtful in the spec of one file; `policy` is what it says with its profile."""
    yield from _dates(spec)
    yield from _never_matching(spec)
    yield from _rules(policy, spec)
    yield from _switched_off(policy, spec)
    yield from _hidden_images(spec)
    yield from _pod_security(policy, spec)


def of_manifest(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is doubtful in a PodSecurityPolicy of its own."""
    from krm_harden.psp.policy import of_data
    from krm_harden.psp.stated import LEVEL, doubts

    return doubts(of_data(data), LEVEL)


def _pod_security(policy: Policy, spec: Mapping[str, Any]) -> Iterator[Problem]:
    places: list[tuple[Pointer, Mapping[str, Any]]] = [((), spec)]
    places += [(("rules", index), rule) for index, rule in enumerate(sequence(spec.get("rules")))]
    for place, layer in places:
        if "podSecurityPolicy" in layer:
            from krm_harden.psp.demands import manifest_of
            from krm_harden.psp.policy import of_data
            from krm_harden.psp.stated import doubts, moved

            held = of_data(manifest_of(layer["podSecurityPolicy"]))
            exempt = any("podSecurityPolicy.seccomp" in one.controls and not one.match for one in policy.exemptions)
            level = "" if exempt else layer.get("level", policy.level)
            for problem in doubts(held, level):
                yield moved(problem, ("spec", *place, "podSecurityPolicy"))


def _warning(pointer: Pointer, said: str) -> Problem:
    return Problem(("spec", *pointer), f"{path_of(('spec', *pointer))} {said}")


def _dates(spec: Mapping[str, Any]) -> Iterator[Problem]:
    now = dt.date.fromisoformat(today())
    for index, entry in enumerate(sequence(spec.get("exemptions"))):
        if "expires" not in entry:
            continue
        days = (dt.date.fromisoformat(entry["expires"]) - now).days
        place = ("exemptions", index, "expires")
        if days < 0:
            yield _warning(place, f"has passed, on {entry['expires']}: `krm-harden check` fails by it")
        elif days <= SOON:
            when = "today" if days == 0 else f"in {days} day{'s' if days > 1 else ''}"
            yield _warning(place, f"is {entry['expires']}: it expires {when}")


def _never_matching(spec: Mapping[str, Any]) -> Iterator[Problem]:
    declared = {entry["kind"] for entry in sequence(spec.get("kinds"))}
    kinds = sorted({"Namespace", *(kind for _, kind in WORKLOADS), *declared})
    for field in ("rules", "exemptions"):
        for index, entry in enumerate(sequence(spec.get(field))):
            for name, patterns in mapping(entry["match"]).items():
                yield from _vain_patterns((field, index, "match", name), name, patterns, kinds)


def _vain_patterns(place: Pointer, name: str, patterns: Any, kinds: Sequence[str]) -> Iterator[Problem]:
    if isinstance(patterns, list) and not patterns:
        yield _warning(place, "is empty, so that nothing matches it; leave it away to match all")
    for at, pattern in enumerate(patterns) if isinstance(patterns, list) else ():
        if name == "kinds" and not any(glob([pattern], kind) for kind in kinds):
            hint = did_you_mean(pattern, kinds)
            yield _warning((*place, at), f"{pattern!r} matches no kind that makes pods, and no Namespace{hint}")
        elif name in {"names", "namespaces"} and "[" not in pattern and not _NAME.issuperset(pattern):
            yield _warning((*place, at), f"{pattern!r} matches nothing: names are lower case letters, digits, - and .")


def _rules(policy: Policy, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules without an effect: they set nothing, or all that they set is set again by one that is applied later."""
    written = sequence(spec.get("rules"))
    for index, rule in enumerate(written):
        settings = _settings(rule)
        if not settings:
            yield _warning(("rules", index), "sets nothing")
            continue
        later = policy.rules[_index_of(policy.rules, rule) + 1 :]
        for other in later:
            if settings <= _settings(other) and _covers(other["match"], rule["match"]):
                place = _index_of(written, other)
                said = f"has no effect: spec.rules[{place}] is applied after it, matches all of it and sets the same"
                yield _warning(("rules", index), f"{said} fields")
                break


def _index_of(entries: Sequence[Any], entry: Any) -> int:
    return next(index for index, one in enumerate(entries) if one is entry)


def _settings(rule: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """The fields that a rule sets, those of controls by the control's own name."""
    found: set[tuple[str, ...]] = {(field,) for field in rule if field not in {"match", "controls"}}
    for alias, settings in mapping(rule.get("controls")).items():
        found |= {(name, field) for name in controls.named(alias) for field in settings}
    return found


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether a match is sure to hold wherever another one does."""
    for field, patterns in wide.items():
        known = narrow.get(field)
        if known is None:
            return False
        if isinstance(patterns, dict):
            if not all(name in known and _all_within([known[name]], [patterns[name]]) for name in patterns):
                return False
        elif not _all_within(known, patterns):
            return False
    return True


def _all_within(narrow: Iterable[str], wide: Iterable[str]) -> bool:
    """Whether whatever one of some globs matches is matched by one of the others; in doubt not."""
    return all(any(_is_within(one, other) for other in wide) for one in narrow)


def _is_within(narrow: str, wide: str) -> bool:
    # A `*` within the narrow one is matched, as the character that it is, by nothing but a `*` of the wide one.
    return narrow == wide or ("[" not in narrow + wide and "?" not in wide and glob([wide], narrow))


def _switched_off(policy: Policy, spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _off_of((), spec, policy.level)
    for index, rule in enumerate(sequence(spec.get("rules"))):
        yield from _off_of(("rules", index), rule, rule.get("level", policy.level))


def _off_of(place: Pointer, layer: Mapping[str, Any], level: str) -> Iterator[Problem]:
    for alias, settings in mapping(layer.get("controls")).items():
        known = [controls.load()[name] for name in controls.named(alias) if name in controls.load()]
        needed = any(one.standard and LEVELS.index(one.level) <= LEVELS.index(level) for one in known)
        if settings.get("enabled") is False and needed:
            said = f"is false, but the level {level} asks for it: servers still refuse what it would have found"
            yield _warning((*place, "controls", alias, "enabled"), said)


def _hidden_images(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Entries that another one always wins over: one that is longer, or earlier and as long, and matches all of it."""
    entries = [entry["match"] for entry in sequence(spec.get("images"))]
    for index, match in enumerate(entries):
        for other, wins in enumerate(entries):
            longer = len(wins.replace("*", "")) - len(match.replace("*", ""))
            if other == index or longer < 0 or (longer == 0 and other > index):
                continue
            if _is_within(match, wins) or _is_within(canonical(match), canonical(wins)):
                said = f"has no effect: spec.images[{other}] {wins!r} is about all of its images, and wins"
                yield _warning(("images", index, "match"), said)
                break

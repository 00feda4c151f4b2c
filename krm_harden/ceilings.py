"""A policy below a ceiling: the functionConfig's below the one that whoever runs the function has chosen."""

from __future__ import annotations

from krm_harden import limits
from krm_harden.controls import GATE, named
from krm_harden.errors import ConfigError, Problem
from krm_harden.model import LEVELS, LevelVersion, mapping, sequence
from krm_harden.policy import DEFAULTS, IMPLIED, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.policy import Layer
    from krm_harden.psp.demands import Among, ForAll

_ORDER = {
    "level": LEVELS,
    "changes": ["additive", "evidence", "complete"],
    "onViolation": ["Warn", "Fail"],
    "immutable": ["skip", "fix"],
    "explicit": ["respect", "override"],
    "unknownUser": ["userNamespace", "uid", "report"],
    "exemptionAnnotations": ["allow", "ignore"],
}
"""Each choice from soft to strict."""


def restricted_by(ceiling: Policy, below: Policy) -> Policy:
    """What a policy may say below a ceiling: facts about images and stricter settings, nothing else.

    What its profile says counts as its own words. Raises ConfigError that names the first field that would loosen it.
    """
    is_alone = bool(below.layers) and all(layer.is_manifest for layer in below.layers)
    spec = {field: value for field, value in below.spec.items() if not (is_alone and field in IMPLIED)}
    for field in ("exemptions", "rules", "target"):
        if spec.get(field):
            raise _refused(below, (field,), f"isn't allowed below the policy {ceiling.name}")
    merged = dict(ceiling.spec)
    for field in _ORDER:
        if field in spec:
            _must_not_loosen(field, ceiling.spec.get(field, DEFAULTS[field]), spec[field], ceiling, below)
            merged[field] = spec[field]
    if spec.get("validator") is False and ceiling.validator:
        raise _refused(below, ("validator",), f"would loosen the policy {ceiling.name}", "false")
    if below.validator:
        merged["validator"] = True
    if "version" in spec:
        _must_be_same_version(("version",), ceiling.version, spec["version"], ceiling, below)
        merged.setdefault("version", spec["version"])
    if "compatibility" in spec:
        _must_be_same_release(ceiling, below)
        merged.setdefault("compatibility", spec["compatibility"])
    merged["limits"] = _tightened_limits(ceiling, below)
    merged["controls"] = _tightened_controls(ceiling, below)
    merged["namespaces"] = _tightened_namespaces(ceiling, below)
    _must_not_be_root(ceiling, below)
    known = [{**entry, "evidence": f"{below.name}: images {entry['match']}"} for entry in sequence(spec.get("images"))]
    merged["images"] = [*sequence(ceiling.spec.get("images")), *known]
    # The first of two entries for a kind counts: the ceiling's.
    merged["kinds"] = [*sequence(ceiling.spec.get("kinds")), *sequence(spec.get("kinds"))]
    locks = [*ceiling.locks, *below.locks]
    demands = _tightened_pod_security(ceiling, below)
    if spec.get("podSecurityPolicies") == "items":
        merged["podSecurityPolicies"] = "items"
    return Policy(merged, ceiling.name, len(ceiling.images), locks, ceiling.layers, demands, ceiling.notes)


def _tightened_limits(ceiling: Policy, below: Policy) -> dict[str, int]:
    merged = dict(ceiling.limits)
    for name, value in below.limits.items():
        upper = merged.get(name, limits.DEFAULTS[name])
        if limits.is_softer(name, value, upper):
            said = f"is softer than {upper}, which holds by the policy {ceiling.name}"
            raise _refused(below, ("limits", name), said, str(value))
        merged[name] = value
    return merged


def _tightened_pod_security(ceiling: Policy, below: Policy) -> Sequence[ForAll | Among]:
    """The PodSecurityPolicies that hold below a ceiling: beside its own, those that set nothing weaker."""
    if ceiling.spec.get("podSecurityPolicies") == "items" and below.spec.get("podSecurityPolicies") == "ignore":
        raise _refused(below, ("podSecurityPolicies",), f"would loosen the policy {ceiling.name}", "ignore")
    stated = below.spec.get("podSecurityPolicy")
    if stated is None or stated == ceiling.spec.get("podSecurityPolicy"):
        return ceiling.pod_security
    from krm_harden.psp.stated import loosens

    for pointer, value in loosens(stated):
        said = f"would be written where a manifest says nothing, and loosens the policy {ceiling.name}"
        raise _refused(below, ("podSecurityPolicy", *pointer), said, value)
    return (*ceiling.pod_security, below.demand(stated, below=True))


def _refused(below: Policy, pointer: Pointer, said: str, value: str = "") -> ConfigError:
    """The error for what a policy says at a place of its spec: in its own words, or by its profile."""
    from krm_harden import schema

    layer, place = _words(below, pointer)
    if layer and layer.is_manifest and pointer[0] == "podSecurityPolicy":
        # Its own file is the PodSecurityPolicy's.
        place = place[1:] if place[1:2] == ("spec",) else ("metadata", *place[1:])
        problem = Problem(place, " ".join(part for part in (schema.path_of(place), value, said) if part))
    elif layer and layer.profile:
        shown = f"{schema.path_of(place)} {value}".strip()
        problem = Problem(("spec", "profile"), f"spec.profile {layer.profile} ({shown}) {said}")
    else:
        path = ("spec", *place)
        problem = Problem(path, " ".join(part for part in (schema.path_of(path), value, said) if part))
    return ConfigError(problem.text, below.name, problems=[problem])


def _words(policy: Policy, pointer: Pointer) -> tuple[Layer | None, Pointer]:
    """The layer that says what holds at a place, and the place as it is written there: by a control's short name."""
    for layer in reversed(policy.layers):
        for place in _spellings(layer.spec, pointer):
            if _is_said(layer.spec, place):
                return layer, place
    return None, pointer


def _spellings(spec: Mapping[str, Any], pointer: Pointer) -> Iterator[Pointer]:
    if len(pointer) > 1 and pointer[0] == "controls":
        meant = named(str(pointer[1]))
        yield pointer
        for alias in reversed(list(mapping(spec.get("controls")))):
            if not set(named(alias)).isdisjoint(meant):
                yield ("controls", alias, *pointer[2:])
    else:
        yield pointer


def _is_said(data: Any, pointer: Pointer) -> bool:
    for step in pointer:
        if not (step in data if isinstance(data, dict) else isinstance(step, int) and step < len(sequence(data))):
            return False
        data = data[step]
    return True


def _must_not_be_root(ceiling: Policy, below: Policy) -> None:
    for index, entry in enumerate(sequence(below.spec.get("images"))):
        if entry.get("uid") == 0:
            raise _refused(below, ("images", index, "uid"), f"must not be 0 below the policy {ceiling.name}")
    for lock in below.locks:
        lock.must_not_be_root(ceiling.name)


def _must_not_loosen(field: str, upper: str, lower: str, ceiling: Policy, below: Policy) -> None:
    order = _ORDER[field]
    if order.index(lower) < order.index(upper):
        raise _refused(below, (field,), f"is softer than {upper}, which the policy {ceiling.name} asks for", lower)


def _must_be_same_version(pointer: Pointer, upper: str, lower: str, ceiling: Policy, below: Policy) -> None:
    """No version is stricter than another: each newer one also allows something, as v1.35 root in a user namespace."""
    if LevelVersion("", lower, ceiling.server).version != LevelVersion("", upper, ceiling.server).version:
        said = f"has other rules than {upper}, which the policy {ceiling.name} asks for"
        raise _refused(below, pointer, said, lower)


def _must_be_same_release(ceiling: Policy, below: Policy) -> None:
    """No release is stricter than another: a later one may also know that an image can't take a change."""
    if below.output != ceiling.output:
        said = f"has other output than {ceiling.compatibility}, which the policy {ceiling.name} asks for"
        raise _refused(below, ("compatibility",), said, below.compatibility)


def _tightened_controls(ceiling: Policy, below: Policy) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    explicit = ceiling.spec.get("explicit", DEFAULTS["explicit"])
    for alias, settings in mapping(ceiling.spec.get("controls")).items():
        for name in named(alias):
            merged[name] = {**merged.get(name, {}), **settings}
    for alias, settings in mapping(below.spec.get("controls")).items():
        for name in named(alias):
            upper = {"explicit": explicit, **merged.get(name, {})}
            for field, value in settings.items():
                if _loosens(field, value, upper) or _replaces(field, value, merged.get(name, {})):
                    said = f"would loosen the policy {ceiling.name}"
                    raise _refused(below, ("controls", alias, field), said, str(value).lower())
            merged[name] = {**merged.get(name, {}), **settings}
    return merged


def _replaces(field: str, value: Any, upper: Mapping[str, Any]) -> bool:
    """Whether a control's own setting is another one than the ceiling states: no order says which is stricter."""
    return field not in {"enabled", "required", "explicit", *GATE} and upper.get(field, value) != value


def _loosens(field: str, value: Any, upper: Mapping[str, Any]) -> bool:
    """Whether a control's setting is softer than what stands above it."""
    if field == "enabled":
        return value is False and bool(upper.get("enabled", True))
    if field == "required":
        return value is False and bool(upper.get("required", False))
    if field == "explicit":
        return bool(value == "respect" and upper.get("explicit", "respect") == "override")
    if field in GATE:
        return _lets_more_pass(field, value, upper.get(field, GATE[field]["default"]))
    return field == "uid" and bool(value == 0)


def _lets_more_pass(field: str, value: Any, upper: Any) -> bool:
    """Whether a setting of the gate for vulnerabilities is softer than the one above it."""
    if field == "failOn":
        order = ["none", *GATE[field]["enum"]]
        return order.index(value) < order.index(upper)
    return bool(value > upper)


def _tightened_namespaces(ceiling: Policy, below: Policy) -> dict[str, Any]:
    upper = dict(ceiling.namespaces)
    defaults = {"enforce": "none", "audit": ceiling.level, "warn": ceiling.level, "version": ceiling.version}
    for field, value in below.namespaces.items():
        now = upper.get(field, defaults[field])
        if field == "version":
            _must_be_same_version(("namespaces", "version"), now, value, ceiling, below)
            if "version" not in ceiling.spec:
                upper.setdefault(field, value)
        elif _label_loosens(field, now, value, ceiling.level):
            raise _refused(below, ("namespaces", field), f"would loosen the policy {ceiling.name}", value)
        else:
            upper[field] = value
    return upper


def _label_loosens(field: str, upper: str, lower: str, level: str) -> bool:
    """Whether a namespace's label is softer than what stands above it.

    `auto` writes `level`, or nothing where a pod doesn't pass.
    """
    order = ["none", *LEVELS]
    if field == "enforce" and upper == "none":
        # A label softer than the level takes a namespace out of what the cluster enforces by default.
        return lower not in {"none", "auto"} and order.index(lower) < order.index(level)
    if "auto" not in (upper, lower):
        return order.index(lower) < order.index(upper)
    if upper == "auto":
        return lower != "auto" and order.index(lower) < order.index(level)
    return upper not in {"none", "privileged"}

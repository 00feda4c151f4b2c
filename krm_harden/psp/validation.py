"""What the API server of 1.24 refused in a PodSecurityPolicy, in its words.

Source: kubernetes 1.24, pkg/apis/policy/validation/validation.go (ValidatePodSecurityPolicy).
"""

from __future__ import annotations

from krm_harden.errors import Problem
from krm_harden.model import mapping
from krm_harden.psp import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pointer

_NOT_SUPPORTED = "Unsupported value"
_USER_RULES = ("MustRunAs", "MustRunAsNonRoot", "RunAsAny")
_GROUP_RULES = ("MayRunAs", "MustRunAs", "RunAsAny")
_LABEL_RULES = ("MustRunAs", "RunAsAny")


def invalid(_name: str, _annotations: Mapping[str, str], spec: Mapping[str, Any]) -> list[Problem]:
    """Every problem of a policy whose types are right."""
    return [*_strategies(spec)]


def unusable(spec: Mapping[str, Any]) -> str:
    """Why the admission passed over a policy that the API takes; empty where it didn't (factory.go)."""
    said = [*_unusable(spec)]
    return said[0] if len(said) == 1 else f"[{', '.join(said)}]" if said else ""


def _unusable(spec: Mapping[str, Any]) -> Iterator[str]:
    if _is_without_ranges(spec, "runAsUser", ("MustRunAs",)):
        yield "MustRunAs requires at least one range"
    if mapping(spec.get("seLinux")).get("rule") == "MustRunAs" and spec["seLinux"].get("seLinuxOptions") is None:
        yield "MustRunAs requires SELinuxOptions"
    for name in ("fsGroup", "supplementalGroups"):
        if _is_without_ranges(spec, name, ("MustRunAs", "MayRunAs")):
            yield f"ranges must be supplied for {spec[name]['rule']}"


def _is_without_ranges(spec: Mapping[str, Any], name: str, rules: Sequence[str]) -> bool:
    strategy = mapping(spec.get(name))
    return strategy.get("rule") in rules and not strategy.get("ranges")


def _strategies(spec: Mapping[str, Any]) -> Iterator[Problem]:
    for name, rules in (
        ("runAsUser", _USER_RULES),
        ("seLinux", _LABEL_RULES),
        ("supplementalGroups", _GROUP_RULES),
        ("fsGroup", _GROUP_RULES),
    ):
        rule = mapping(spec.get(name)).get("rule", "")
        if rule not in rules:
            yield _unsupported(("spec", name, "rule"), rule, rules)


def _unsupported(pointer: Pointer, value: str, allowed: Sequence[str]) -> Problem:
    return _problem(pointer, _NOT_SUPPORTED, words.shown(value), f"supported values: {words.listed(allowed)}")


def _problem(pointer: Pointer, kind: str, shown: str, detail: str) -> Problem:
    from krm_harden.schema import path_of

    return Problem(pointer, ": ".join(part for part in (path_of(pointer), kind, shown, detail) if part))

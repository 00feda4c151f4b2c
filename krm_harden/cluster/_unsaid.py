"""What a policy asks for that no target holds in a cluster: each field of it that only krm-harden itself reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.controls import VULNERABILITIES, load
from krm_harden.model import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.policy import Policy


def unsaid(policy: Policy, *, labels: bool = False) -> Iterator[str]:
    """Sentences about the fields of a policy and its rules. `labels`: the target writes those of Namespaces."""
    spec = policy.spec
    parts = [("", spec), *((f"rules[{index}].", rule) for index, rule in enumerate(policy.rules))]
    for where, part in parts:
        yield from _of_controls(mapping(part.get("controls")), f"{where}controls")
        if part.get("exemptionAnnotations") == "allow":
            yield f"{where}exemptionAnnotations: in a cluster no object exempts itself: its annotation isn't read"
    if spec.get("namespaces") and not labels:
        yield "namespaces: only `krm-harden fix` writes the labels of Namespaces"
    if spec.get("podSecurityPolicies") == "items":
        yield "podSecurityPolicies: those among manifests aren't carried over: `krm-harden psp migrate` does that"
    for one in sequence(spec.get("kinds")):
        yield f"kinds: {mapping(one).get('kind')}: its pods are judged, and it itself isn't"


def _of_controls(controls: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, control in load().items():
        if control.opt_in and mapping(controls.get(name)).get("enabled"):
            yield f"{where}.{name}: only `krm-harden fix` writes it, and pods that are created stay without it"
    if VULNERABILITIES in controls and mapping(controls[VULNERABILITIES]).get("enabled", True):
        yield f"{where}.{VULNERABILITIES}: only `krm-harden check --scan` reads scanners' reports"

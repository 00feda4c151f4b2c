"""Containers must drop ALL capabilities, and may add back NET_BIND_SERVICE only.

**Protects from**: the capabilities that a runtime gives unasked. `NET_RAW` alone let a container announce itself as an
IPv6 router and get other hosts' traffic (CVE-2020-10749), and overwrite the kernel's memory from a packet socket
(CVE-2020-14386); `DAC_OVERRIDE` reads any file of the container and its volumes.

**Fields**: `spec.containers[*].securityContext.capabilities.drop` and `.add`, also of initContainers and
ephemeralContainers. Not on Windows, from v1.25.

**Allowed**: `drop` holds `ALL`, written so; `add` holds nothing but `NET_BIND_SERVICE`.

**Before**:

    containers:
    - name: web

**After**:

    containers:
    - name: web
      securityContext:
        capabilities:
          drop:
          - ALL

**Fix safety**: safe where the manifest gives the container a user other than root and nothing hints at file
capabilities; else marked `may-break`: many services need one of the default capabilities, most of them only because
they start as root. `add` is never changed unless `explicit: override` says so. `all` becomes `ALL`: the
standard's check is case-sensitive.

**May break**: entrypoints that start as root to step down: `chown: changing ownership of ...: Operation not permitted`,
nginx's `setgid(101) failed (1: Operation not permitted)`, gosu's `failed switching to "postgres": operation not
permitted`. Give the container that user at once, by `runAsUser`. A program with a file capability: see
`fileCapabilities`.

**Undo**: delete `drop: [ALL]`. Under `spec` of the policy, the first keeps it out of one workload, the second out of
all:

    exemptions: [{match: {names: [legacy]}, controls: [capabilities_restricted], reason: its entrypoint changes owners}]
    controls: {capabilities_restricted: {enabled: false}}

**Reference**: Pod Security Standards, restricted, from v1.22; CIS Kubernetes Benchmark v1.9, 5.2.8 to 5.2.10; NSA/CISA
Kubernetes Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._users import ROOT_STAYS, starts_as_root, user
from krm_harden.images.obstacles import KEPT_CAPABILITIES, PRIVILEGED_PORTS
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence, text
from krm_harden.wording import containers, must_set, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

FIELD = ("capabilities", "drop")


def _listed(container: Container, name: str) -> Sequence[Any]:
    return sequence(mapping(container.security_context.get("capabilities")).get(name))


def check_1_22(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        capabilities = mapping(container.security_context.get("capabilities"))
        dropped, added = sequence(capabilities.get("drop")), sequence(capabilities.get("add"))
        if "ALL" not in dropped:
            yield Violation((*container.pointer, "securityContext", *FIELD), list(dropped) or None, "missing", index)
        if added and any(name not in KEPT_CAPABILITIES for name in added):
            yield Violation(
                (*container.pointer, "securityContext", "capabilities", "add"), list(added), "explicit", index
            )


def check_1_25(pod: Pod) -> Iterator[Violation]:
    """Windows has no capabilities."""
    return iter(()) if pod.is_windows else check_1_22(pod)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    if violation.pointer[-1] == "add":
        return _without_additions(container, violation)
    basis, reason, evidence = _how_sure(situation, container)
    dropped = _listed(container, "drop")
    pointer = violation.pointer
    spelled = [index for index, name in enumerate(dropped) if isinstance(name, str) and name.upper() == "ALL"]
    if spelled:
        write = Operation("replace", (*pointer, spelled[0]), "ALL")
        return Proposal("safe", ["ALL"], "the standard's check is case-sensitive", operations=(write,))
    return Proposal(basis, ["ALL"], reason, evidence, operations=(Operation("add", (*pointer, "-"), "ALL"),))


def instead(_pod: Pod, violation: Violation) -> str:
    gone = [text(name) for name in violation.current if name not in KEPT_CAPABILITIES]
    return f"remove {quoted(gone)}, or run it in a namespace of level baseline"


def _without_additions(container: Container, violation: Violation) -> Proposal:
    added = _listed(container, "add")
    kept = [name for name in added if name in KEPT_CAPABILITIES]
    pointer = violation.pointer
    if not kept:
        return Proposal("default", [], "explicit: override", operations=(Operation("remove", pointer),))
    gone = [index for index, name in enumerate(added) if name not in KEPT_CAPABILITIES]
    removals = tuple(Operation("remove", (*pointer, index)) for index in reversed(gone))
    return Proposal("default", kept, "explicit: override", operations=removals)


def _how_sure(situation: Situation, container: Container) -> tuple[str, str, str]:
    """Basis, reason and evidence for dropping ALL."""
    facts = situation.facts(container)
    hint = "" if facts.value("fileCapabilities") is not None else _file_capability_hint(container)
    uid = situation.user(container)
    if uid and not hint:
        return "safe", "", f"runAsUser: {uid} in the manifest"
    # Sure for another user than root alone: root needs what goes to become somebody else, or to write.
    made = user(situation, container)
    stays_root = made.basis == "evidence" and starts_as_root(situation, container)
    if made.basis == "evidence" and not (hint or stays_root):
        return "evidence", "", made.evidence
    reason = hint or (stays_root and ROOT_STAYS) or situation.unknown(container, "its capabilities")
    return "default", reason, ""


def _file_capability_hint(container: Container) -> str:
    if "NET_BIND_SERVICE" in _listed(container, "add"):
        return ""
    for port in sequence(container.data.get("ports")):
        number = mapping(port).get("containerPort")
        if isinstance(number, int) and number in PRIVILEGED_PORTS:
            return f"it listens on port {number}, which may need a file capability"
    return ""


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    drops = [violation for violation in violations if violation.pointer[-1] == "drop"]
    adds = [violation for violation in violations if violation.pointer[-1] == "add"]
    parts = []
    if drops:
        parts.append(must_set(containers(pod, drops), 'capabilities.drop=["ALL"]'))
    if adds:
        names = {text(name) for violation in adds for name in violation.current if name not in KEPT_CAPABILITIES}
        parts.append(
            f"{containers(pod, adds)} must not include {quoted(sorted(names))} in securityContext.capabilities.add"
        )
    return "unrestricted capabilities", "; ".join(parts)


CONTROL = Control(
    "capabilities_restricted",
    "Capabilities",
    {(1, 22): check_1_22, (1, 25): check_1_25},
    propose,
    forbidden,
    field=FIELD,
    instead=instead,
    overrides=("capabilities_baseline",),
)

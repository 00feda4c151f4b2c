"""What becomes of each violation: fixed, left to its author, or refused, and why.

The rules that keep workloads alive are here, once for all controls. Judged on the pod as it came, so that the order of
controls can't matter.
"""

from __future__ import annotations

from krm_harden.emit import FlowStyle, flow
from krm_harden.model import Finding, Operation, Proposal, Violation, dotted, lookup, mapping, sequence
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from krm_harden.controls import Control
    from krm_harden.exemptions import Exemption
    from krm_harden.model import Container, Pod, Pointer
    from krm_harden.policy import ImageFacts, Settings

_REACH = {"additive": 0, "evidence": 1, "complete": 2}
_BASIS = {"safe": 0, "evidence": 1, "default": 2}
_RISK = {"safe": "safe", "evidence": "evidence", "default": "may-break"}
KEPT_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
"""What restricted lets a container add."""
CAPABILITIES = ("capabilities_baseline", "capabilities_restricted")
DATA_VOLUMES = ("persistentVolumeClaim", "ephemeral", "nfs", "hostPath")
INJECTION = {
    "sidecar.istio.io/inject": ("true",),
    "linkerd.io/inject": ("enabled", "ingress"),
    "vault.hashicorp.com/agent-inject": ("true",),
    "consul.hashicorp.com/connect-inject": ("true",),
    "kuma.io/sidecar-injection": ("enabled", "true"),
    "dapr.io/enabled": ("true",),
}
"""Annotations and labels that promise a container which isn't in the manifest."""


_ONE_LINE = FlowStyle()


class Situation:
    """A pod and what holds for it. `volume_names` are those taken, by the pod and by this run."""

    __slots__ = ("_exemptions", "_held", "on_windows", "pod", "settings", "volume_names")

    def __init__(
        self, pod: Pod, settings: Settings, volumes: Iterable[Any], exemptions: Sequence[Exemption] = ()
    ) -> None:
        self.pod = pod
        self.settings = settings
        self._exemptions = exemptions
        self.on_windows = pod.runs_on_windows
        self._held: dict[Pointer, str] = {}
        self.volume_names: dict[str, Any] = {
            volume["name"]: volume for volume in volumes if isinstance(volume, dict) and "name" in volume
        }

    def facts(self, container: Container) -> ImageFacts | None:
        return self.settings.facts(container)

    def exemptions(self, control: str, container: Container | None) -> list[Exemption]:
        """Those that hold for a control in a container, or in the pod itself where `container` is None."""
        if not self._exemptions:
            return []
        return [found for found in self._exemptions if found.covers(control, self.pod.resource, container)]

    def effective(self, container: Container, field: str) -> Any:
        """A field of a container's securityContext, or the pod's where the container says nothing."""
        own = container.security_context.get(field)
        return self.pod.security_context.get(field) if own is None else own

    def user(self, container: Container) -> int | None:
        """The uid that the manifest gives a container, None when it gives none."""
        uid = self.effective(container, "runAsUser")
        return uid if isinstance(uid, int) and not isinstance(uid, bool) else None

    def data_mount(self, container: Container) -> str:
        """The first claim, NFS or hostPath volume that a container mounts to write to, or empty."""
        templates = {
            str(mapping(mapping(template).get("metadata")).get("name"))
            for template in sequence(mapping(self.pod.resource.data.get("spec")).get("volumeClaimTemplates"))
        }
        for mount in sequence(container.data.get("volumeMounts")):
            name = str(mapping(mount).get("name"))
            volume = mapping(self.volume_names.get(name))
            sources = [mapping(volume[source]) for source in DATA_VOLUMES if source in volume]
            if mapping(mount).get("readOnly") is True or any(source.get("readOnly") is True for source in sources):
                continue
            if name in templates or sources:
                return name
        return ""

    def injected(self) -> str:
        """The annotation or label that promises an injected sidecar, or empty."""
        for said in (self.pod.annotations, mapping(self.pod.metadata.get("labels"))):
            for key, values in INJECTION.items():
                if said.get(key) in values:
                    return f"{key}={said[key]}"
        return ""

    def additions_go(self, container: Container) -> bool:
        """Whether a control takes away the capabilities that a container adds."""
        return _BASIS["default"] <= _REACH[self.settings.changes] and any(
            control.id in CAPABILITIES
            and self.settings.overrides(control.id)
            and not self.exemptions(control.id, container)
            for control, _ in self.settings.checks()
        )

    def hold(self, container: Container) -> str:
        """Why only safe changes may be written to a container: it needs what the others would take away."""
        if container.pointer not in self._held:
            self._held[container.pointer] = self._hold(container)
        return self._held[container.pointer]

    def _hold(self, container: Container) -> str:
        settings = self.settings
        if container.security_context.get("privileged") is True:
            return "it is privileged"
        if self.user(container) == 0 and not settings.overrides("runAsUser"):
            return "it runs as root explicitly (runAsUser: 0)"
        if truth(self.effective(container, "runAsNonRoot")) is False and not settings.overrides("runAsNonRoot"):
            return "it may run as root explicitly (runAsNonRoot: false)"
        kept = kept_capabilities(container)
        if kept and not settings.overrides("capabilities_restricted"):
            return f"it keeps the capability {kept[0]}"
        for control in ("runAsNonRoot", "runAsUser"):
            if self.exemptions(control, container):
                return f"it is exempt from {control}"
        return ""


def kept_capabilities(container: Container) -> list[str]:
    """The capabilities that a container adds and restricted doesn't allow."""
    added = sequence(mapping(container.security_context.get("capabilities")).get("add"))
    return [str(name) for name in added if name not in KEPT_CAPABILITIES]


class Judgement:
    """A violation and what was decided about it, by which exemptions if by any: the first says why."""

    __slots__ = ("exemptions", "proposal", "reason", "state", "violation")

    def __init__(
        self,
        violation: Violation,
        proposal: Proposal,
        state: str,
        reason: str = "",
        exemptions: Sequence[Exemption] = (),
    ) -> None:
        self.violation = violation
        self.proposal = proposal
        self.state = state
        self.reason = reason or proposal.reason
        self.exemptions = exemptions

    @property
    def expired(self) -> str:
        """The date on which the exemption that decided it expired, or empty."""
        return self.exemptions[0].expired if self.exemptions else ""

    def deferred(self, reason: str) -> Judgement:
        """The same, not written."""
        return Judgement(self.violation, self.proposal, "deferred", reason)


def judge(control: Control, situation: Situation, violations: Iterable[Violation]) -> list[Judgement]:
    """The judgements of one control about one pod; what can be said once for the pod is."""
    found = [made for violation in violations if (made := _judge(control, situation, violation)) is not None]
    return _at_pod_level(control, situation, found) if control.inherited else found


def _judge(control: Control, situation: Situation, violation: Violation) -> Judgement | None:
    pod, settings = situation.pod, situation.settings
    container = pod.containers[violation.container] if violation.container >= 0 else None
    exemptions = situation.exemptions(control.id, container)
    if exemptions:
        note = f" (expired on {exemptions[0].expired})" if exemptions[0].expired else ""
        return Judgement(violation, Proposal("none"), "exempt", exemptions[0].reason + note, exemptions)
    if situation.on_windows and not control.on_windows:
        reason = "not valid on Windows: set spec.os.name to windows, and the standard doesn't ask for it"
        return Judgement(violation, Proposal("none"), "manual", reason) if control.standard else None
    if violation.cause == "explicit" and not settings.overrides(control.id):
        return Judgement(violation, Proposal("none"), "explicit", "the author wrote it; explicit: override replaces it")
    proposal = control.propose(situation, violation)
    if proposal.basis == "none":
        return Judgement(violation, proposal, "manual") if settings.required(control.id) else None
    held = situation.hold(container) if container and not control.safe else ""
    if held:
        return Judgement(violation, Proposal("none"), "refused", f"{held}: this beside it would stop it")
    if proposal.basis == "manual":
        return Judgement(violation, proposal, "manual")
    if _BASIS[proposal.basis] > _REACH[settings.changes]:
        return Judgement(violation, proposal, "deferred", f"changes: {settings.changes} doesn't write it")
    return Judgement(violation, proposal, "fixed")


def _at_pod_level(control: Control, situation: Situation, found: list[Judgement]) -> list[Judgement]:
    """One change for the pod, where every container needs the same one and none says anything itself."""
    pod = situation.pod
    if pod.context_pointer is None or len(found) != len(pod.containers) or not found:
        return found
    first = found[0].proposal
    for judgement in found:
        violation = judgement.violation
        if judgement.state != "fixed" or violation.cause != "missing" or violation.container < 0:
            return found
        if judgement.proposal.value != first.value or judgement.proposal.operations:
            return found
    if control.id in USERS and situation.injected():
        return found
    worst = max((judgement.proposal for judgement in found), key=lambda proposal: _BASIS[proposal.basis])
    evidence = "; ".join(dict.fromkeys(made.proposal.evidence for made in found if made.proposal.evidence))
    current = lookup(pod.security_context, control.field)
    cause = "missing" if current is None else "type"
    violation = Violation((*pod.context_pointer, *control.field), current, cause)
    return [Judgement(violation, Proposal(worst.basis, worst.value, worst.reason, evidence), "fixed")]


USERS = ("numericUser", "numericGroup", "runAsUser")
"""What would reach an injected sidecar from the pod's level, and stop it."""


def operations(judgement: Judgement) -> Iterable[Operation]:
    """What a fixed judgement writes."""
    if judgement.state != "fixed":
        return ()
    proposal = judgement.proposal
    return proposal.operations or (Operation("add", judgement.violation.pointer, proposal.value),)


def finding(
    control: Control, situation: Situation, judgement: Judgement, *, checking: bool, owner: str = ""
) -> Finding:
    """A judgement as a line of a report.

    `checking`: nothing is written, so what could be is open. `owner` is who would undo what is written here.
    """
    pod, settings = situation.pod, situation.settings
    violation, proposal, state = judgement.violation, judgement.proposal, judgement.state
    container = pod.containers[violation.container] if violation.container >= 0 else None
    if checking and state in {"fixed", "deferred"}:
        state = "open"
    risk = _RISK.get(proposal.basis, "none")
    pointer = violation.pointer[len(pod.resource.base) :]
    stays = state in {"explicit", "manual", "refused"}
    reason = judgement.reason
    if state == "open":
        fix = f"`krm-harden fix` writes {written(proposal.value)}"
        reason = f"owned by {owner}: change its owner" if owner else fix
    return Finding(
        control.id,
        control.level,
        state,
        _severity(control, settings, state, risk, expired=bool(judgement.expired)),
        pointer,
        _message(pod, container, violation, judgement, state, reason),
        risk=risk,
        current=violation.current,
        proposed=proposal.value,
        reason=reason,
        evidence=proposal.evidence,
        exemption=exemption_text(control.id, pod, container) if stays else "",
        container=container.name if container else "",
    )


def _severity(control: Control, settings: Settings, state: str, risk: str, *, expired: bool) -> str:
    if state in {"explicit", "manual", "refused", "open"}:
        strict = control.standard or settings.required(control.id)
        return "error" if strict and settings.on_violation == "Fail" else "warning"
    if state == "exempt":
        return "warning" if expired else "info"
    return "warning" if risk == "may-break" or state == "deferred" else "info"


def _message(
    pod: Pod, container: Container | None, violation: Violation, judgement: Judgement, state: str, reason: str
) -> str:
    """One line: who, which field, what becomes of it, and why."""
    who = f'container "{container.name}"' if container else "pod"
    field = _field(pod, container, violation)
    current, value = written(violation.current), written(judgement.proposal.value)
    if state == "exempt":
        message = f"{who} is exempt from {field}"
    elif state == "fixed":
        message = f"{who} gets {field}={value}{_instead(violation, judgement.proposal, current)}"
    elif state == "explicit":
        message = f"{who} sets {field}={current}"
    elif violation.current is not None:
        message = f"{who} has {field}={current}"
    else:
        message = f"{who} lacks {field}"
    return f"{message}: {reason}" if reason else message


def _instead(violation: Violation, proposal: Proposal, current: str) -> str:
    if violation.cause == "type":
        return f" in place of {current}, which the API can't decode"
    if violation.current is None:
        return ""
    appends = any(operation.path[-1:] == ("-",) for operation in proposal.operations)
    return f" beside {current}" if appends else f" in place of {current}"


def _field(pod: Pod, container: Container | None, violation: Violation) -> str:
    """A violation's field as seen from its container or pod: `ports[0].hostPort`, `volumes[1].hostPath`."""
    above = [(*pod.context_pointer,)] if pod.context_pointer is not None else []
    if container:
        above = [(*container.pointer, "securityContext"), container.pointer]
    pointer = violation.pointer
    for start in (*above, pod.spec_pointer, pod.metadata_pointer, pod.resource.base):
        if pointer[: len(start)] == start and len(pointer) > len(start):
            return dotted(pointer[len(start) :])
    return dotted(pointer)


def written(value: Any) -> str:
    """A value as YAML's flow style has it, in one line."""
    if value is True or value is False:
        return "true" if value else "false"
    return flow(value, _ONE_LINE)


def exemption_text(control: str, pod: Pod, container: Container | None) -> str:
    """The exemption to paste into a policy, in one line."""
    resource = pod.resource
    match: dict[str, Any] = {"kinds": [resource.kind]}
    if resource.namespace:
        match["namespaces"] = [resource.namespace]
    match["names"] = [resource.name]
    if container:
        match["containers"] = [container.name]
    return written({"match": match, "controls": [control], "reason": "TODO"})

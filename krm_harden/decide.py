"""What becomes of each violation: fixed, left to its author, or refused, and why.

The rules that keep workloads alive are here, once for all controls. Judged on the pod as it came, so that the order of
controls can't matter.
"""

from __future__ import annotations

from krm_harden.controls import ADVICE, unknown_image
from krm_harden.emit import FlowStyle, flow
from krm_harden.images import command_lines, obstacles
from krm_harden.images.facts import FIELDS, OF_ENTRYPOINT, OF_IMAGE, real
from krm_harden.images.obstacles import KEPT_CAPABILITIES
from krm_harden.model import Finding, Operation, Proposal, Violation, dotted, lookup, mapping, sequence
from krm_harden.resources import owners
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from krm_harden.access import Access
    from krm_harden.controls import Control
    from krm_harden.exemptions import Exemption
    from krm_harden.images.facts import ImageFacts
    from krm_harden.model import Container, Pod, Pointer, Resource
    from krm_harden.policy import Settings

    LeftOut: TypeAlias = "Callable[[Resource, str], str]"

_REACH = {"additive": 0, "evidence": 1, "complete": 2}
_BASIS = {"safe": 0, "evidence": 1, "default": 2}
_RISK = {"safe": "safe", "evidence": "evidence", "default": "may-break"}
DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
"""What baseline does."""
CAPABILITIES = ("capabilities_baseline", "capabilities_restricted")
DATA_VOLUMES = ("persistentVolumeClaim", "ephemeral", "nfs", "hostPath")
CLAIMS = ("persistentVolumeClaim", "ephemeral")
"""Those that belong to root when they are new."""
NO_GROUP_VOLUMES = ("nfs", "hostPath")
"""Those that an fsGroup doesn't reach."""
FACTS_SINCE = (0, 2)
"""The first release that knows images by itself."""
INJECTION = {
    "sidecar.istio.io/inject": ("true",),
    "linkerd.io/inject": ("enabled", "ingress"),
    "vault.hashicorp.com/agent-inject": ("true",),
    "consul.hashicorp.com/connect-inject": ("true",),
    "kuma.io/sidecar-injection": ("enabled", "true"),
    "dapr.io/enabled": ("true",),
}
"""Annotations and labels that promise a container which isn't in the manifest."""
LEFT_OUT = "left-out"
"""The sort of reason for what isn't written because somebody chose other controls."""
_NO_REFUSAL = ("", "")
_ONE_LINE = FlowStyle()


class Situation:
    """A pod and what holds for it.

    `knows_images`: the output may rely on more than what the policy says of images.
    `volume_names` are those taken, by the pod and by this run; `wanted_volumes`, filled by their control, has for each
    name of ours the containers and paths that ask for it. `users` and `users_of_volumes`, filled by theirs, have what
    is proposed for each container, and for each volume who writes there. `checking`: nothing will be written.
    `has_exemptions`: something may be exempt here; `replaces_inits`: an fsGroup may take the place of init containers.
    `left_out` says why a control writes nothing to a resource, or empty; `violated`, filled by `choices`, has what some
    checks found. `access` is what the whole input shows of service accounts, None while it is gathered.
    """

    __slots__ = (
        "_claims",
        "_exemptions",
        "_facts",
        "_fields",
        "_fixed",
        "_held",
        "_indexes",
        "_injected",
        "_judged",
        "_may_change_users",
        "_mounters",
        "_overridden",
        "_pod_held",
        "_refusals",
        "_replaced",
        "_replaced_inits",
        "access",
        "checking",
        "has_exemptions",
        "knows_images",
        "left_out",
        "on_windows",
        "pod",
        "replaces_inits",
        "settings",
        "users",
        "users_of_volumes",
        "violated",
        "volume_names",
        "wanted_volumes",
    )

    def __init__(
        self,
        pod: Pod,
        settings: Settings,
        volumes: Iterable[Any],
        exemptions: Sequence[Exemption] = (),
        *,
        checking: bool = False,
        left_out: LeftOut | None = None,
        access: Access | None = None,
    ) -> None:
        self.left_out = left_out
        self.access = access
        self.violated: dict[str, dict[Container | None, list[Violation]]] | None = None
        self.pod = pod
        self.settings = settings
        self.knows_images = settings.output >= FACTS_SINCE
        self.checking = checking
        self._exemptions = exemptions
        self.has_exemptions = bool(exemptions)
        self.replaces_inits: bool = settings.control("fsGroup").get("replaceChown", False)
        self._injected: str | None = None
        self.on_windows = pod.runs_on_windows
        self._held: dict[Container, str] = {}
        self.volume_names: dict[str, Any] = {
            volume["name"]: volume for volume in volumes if isinstance(volume, dict) and "name" in volume
        }
        self.wanted_volumes: dict[str, set[tuple[str, str]]] = {}
        self._mounters: dict[str, set[str]] | None = None
        self._facts: dict[Container, ImageFacts] = {}
        self._judged: dict[str, list[Judgement]] = {}
        self._fixed: dict[str, dict[int, Proposal]] = {}
        """By control the proposals that are written, by the index of their container; -1 is the pod."""
        self._indexes = {container: index for index, container in enumerate(pod.containers)}
        self._fields: set[str] | None = None
        self._may_change_users: bool | None = None
        self._replaced: dict[Container, str] = {}
        self._replaced_inits: list[Container] | None = None
        self._claims: set[str] | None = None
        self._overridden: dict[str, bool] = {}
        self._pod_held: dict[str, str] = {}
        self._refusals: dict[Container, tuple[str, str]] = {}
        self.users: dict[Container, Proposal] = {}
        self.users_of_volumes: dict[str, list[tuple[int, int]]] | None = None

    def facts(self, container: Container) -> ImageFacts:
        """What is known of a container's image, as far as it holds for the command that it runs."""
        found = self._facts.get(container)
        if found is None:
            found = self._facts[container] = self._known(container)
        return found

    def _known(self, container: Container) -> ImageFacts:
        policy = self.settings.policy
        stated = policy.stated(container.image)
        if not self.knows_images:
            return stated
        found = policy.found(container.image)
        if found and command_lines.replaces_entrypoint(container, found.value("programs")):
            self._replaced[container] = found.evidence("programs")
            code = mapping(found.value("cannotRestrict")).get("code")
            found = found.without(OF_ENTRYPOINT if code in OF_IMAGE else (*OF_ENTRYPOINT, "cannotRestrict"))
        return stated.over(found)

    @property
    def may_change_users(self) -> bool:
        """Whether a container has no user yet, or is root."""
        if self._may_change_users is None:
            self._may_change_users = any(not self.user(container) for container in self.pod.containers)
        return self._may_change_users

    def knows(self, *fields: str) -> bool:
        """Whether one of some facts is known of one of the pod's images."""
        if self._fields is None:
            self._fields = set()
            for container in self.pod.containers:
                self._fields.update(self.facts(container).said())
        return not self._fields.isdisjoint(fields)

    def replaced(self, container: Container) -> str:
        """Who describes the entrypoint that a container's command takes the place of, or empty."""
        self.facts(container)
        return self._replaced.get(container, "")

    def judged(self, control: Control, violations: Iterable[Violation]) -> list[Judgement]:
        """What becomes of a control's violations, before containers are put together; worked out once."""
        known = self._judged.get(control.id)
        if known is not None:
            return known
        # Who asks about itself sees nothing yet.
        self._judged[control.id] = []
        found: list[Judgement] = []
        fixed: dict[int, Proposal] = {}
        for violation in violations:
            judgement = _judge(control, self, violation)
            if judgement is not None:
                found.append(judgement)
                if judgement.state == "fixed":
                    fixed.setdefault(violation.container, judgement.proposal)
        self._judged[control.id], self._fixed[control.id] = found, fixed
        return found

    def unknown(self, container: Container, what: str) -> str:
        """The reason for a default: nobody described an image, or what somebody says of it leaves something out."""
        who = self.facts(container).evidence(*FIELDS) if self.knows_images else ""
        return f"{who} doesn't say {what} for sure: {ADVICE}" if who else unknown_image(container, what)

    def fixes(self, control: str, container: Container | None) -> Proposal | None:
        """What a control writes in this run to a container, or to the pod (None), before containers are put together.

        None also for what a control asks about itself.
        """
        if control not in self._judged and control in self.settings.checks():
            made, check = self.settings.checks()[control]
            self.judged(made, check(self.pod))
        found = self._fixed.get(control)
        return found.get(self._indexes[container] if container else -1) if found else None

    def writes(self, control: str, container: Container) -> bool:
        """Whether a control is on, and a container not exempt from it."""
        return control in self.settings.checks() and not self.exemptions(control, container)

    def reaches(self, basis: str) -> bool:
        """Whether `changes` goes as far as what is so sure."""
        return _BASIS[basis] <= _REACH[self.settings.changes]

    def new_user(self, container: Container) -> int | None:
        """The uid that this run gives a container which would start as another one without it, else None."""
        made = self.written_user(container)
        uid: int | None = made.value if made else None
        return None if uid is None or self.facts(container).value("defaultUser") == uid else uid

    def user_after(self, container: Container) -> int | None:
        """The uid that a container has after this run, None when the manifest names none."""
        made = self.written_user(container)
        return made.value if made else self.user(container)

    def group_of(self, container: Container, uid: int | None) -> int | None:
        """The gid that a container has as some user: the manifest's, else the known one where it is that user's."""
        gid = self.effective(container, "runAsGroup")
        if isinstance(gid, int) and not isinstance(gid, bool):
            return gid
        facts = self.facts(container)
        known: int | None = facts.value("gid")
        return known if facts.value("uid") in {None, uid} or not self.knows_images else None

    def written_user(self, container: Container) -> Proposal | None:
        """The user that this run writes for a container."""
        made = self.fixes("numericUser", container) or self.fixes("runAsUser", container)
        if made is None and container.security_context.get("runAsUser") is None:
            made = self.fixes("runAsUser", None)
        return made

    def replaced_init_containers(self) -> list[Container]:
        """The init containers that only change owners, where the policy has an fsGroup take their place."""
        if self._replaced_inits is None:
            asked = self.knows_images and self.replaces_inits
            if not asked or self.pod.context_pointer is None or self.settings.platform == "openshift":
                self._replaced_inits = []
            else:
                self._replaced_inits = [one for one in self.pod.containers if self.given_owner(one)]
        return self._replaced_inits

    def goes(self, container: Container) -> bool:
        """Whether this run takes a container away."""
        if container.role != "init" or not self.replaces_inits:
            return False
        return container in self.replaced_init_containers() and self.fixes("fsGroup", None) is not None

    def staying(self) -> int:
        """How many containers this run leaves in the pod."""
        if not self.replaces_inits:
            return len(self.pod.containers)
        return sum(not self.goes(container) for container in self.pod.containers)

    def given_owner(self, container: Container) -> tuple[int, int | None] | None:
        """(uid, gid) that an init container gives to volumes which an fsGroup reaches, if that is all that it does."""
        if container.role != "init" or self.exemptions("fsGroup", container) or self.exemptions("fsGroup", None):
            return None
        if self.data_mount(container, NO_GROUP_VOLUMES):
            return None
        return command_lines.owner_given(container)

    def volume_of(self, mount: Any) -> Mapping[str, Any]:
        """The volume of a mount; of a claim's template, a claim."""
        name = mapping(mount).get("name")
        found = mapping(self.volume_names.get(str(name)))
        return {"persistentVolumeClaim": {}} if not found and name in self._claim_templates() else found

    def _claim_templates(self) -> set[str]:
        if self._claims is None:
            templates = sequence(mapping(self.pod.resource.data.get("spec")).get("volumeClaimTemplates"))
            self._claims = {str(mapping(mapping(template).get("metadata")).get("name")) for template in templates}
        return self._claims

    def exemptions(self, control: str, container: Container | None) -> list[Exemption]:
        """Those that hold for a control in a container, or in the pod itself where `container` is None."""
        return [found for found in self._exemptions if found.covers(control, self.pod.resource, container)]

    def effective(self, container: Container, field: str) -> Any:
        """A field of a container's securityContext, or the pod's where the container says nothing."""
        own = container.security_context.get(field)
        return self.pod.security_context.get(field) if own is None else own

    def user(self, container: Container) -> int | None:
        """The uid that the manifest gives a container, None when it gives none."""
        uid = self.effective(container, "runAsUser")
        return uid if isinstance(uid, int) and not isinstance(uid, bool) else None

    def data_mount(self, container: Container, kinds: Sequence[str] = DATA_VOLUMES) -> str:
        """The first claim, NFS or hostPath volume that a container mounts to write to, or empty."""
        for mount in sequence(container.data.get("volumeMounts")):
            volume = self.volume_of(mount)
            sources = [mapping(volume[source]) for source in kinds if source in volume]
            if mapping(mount).get("readOnly") is True or any(source.get("readOnly") is True for source in sources):
                continue
            if sources:
                return str(mapping(mount).get("name"))
        return ""

    def programs(self, container: Container) -> list[str]:
        """The names of the programs that a container starts, as far as its command or its image's facts say."""
        found = command_lines.programs_of(container)
        if sequence(container.data.get("command")):
            return found
        return [*sequence(self.facts(container).value("programs")), *found]

    def is_mounted(self, container: Container, path: str) -> bool:
        """Whether a path, or a folder above it, is a mount: whatever lies there must stay visible."""
        wanted = real(path.rstrip("/")) + "/"
        for mount in (*sequence(container.data.get("volumeMounts")), *sequence(container.data.get("volumeDevices"))):
            mounted = str(mapping(mount).get("mountPath") or mapping(mount).get("devicePath") or "")
            if mounted and wanted.startswith(real(mounted.rstrip("/")) + "/"):
                return True
        return False

    def mounters(self, volume: str) -> set[str]:
        """The names of the containers that mount a volume."""
        if self._mounters is None:
            self._mounters = {}
            for container in self.pod.containers:
                for mount in sequence(container.data.get("volumeMounts")):
                    self._mounters.setdefault(str(mapping(mount).get("name")), set()).add(container.name)
        return self._mounters.get(volume, set())

    def injected(self) -> str:
        """The annotation or label that promises an injected sidecar, or empty."""
        if self._injected is None:
            self._injected = self._injection()
        return self._injected

    def _injection(self) -> str:
        for said in (self.pod.annotations, mapping(self.pod.metadata.get("labels"))):
            for key, value in said.items():
                if key in INJECTION and value in INJECTION[key]:
                    return f"{key}={value}"
        return ""

    def additions_go(self, container: Container) -> bool:
        """Whether a control takes away the capabilities that a container adds."""
        return any(
            self._is_replaced(name, container) and (self.settings.checks()[name][0].safe or not self.hold(container))
            for name in CAPABILITIES
            if name in self.settings.checks()
        )

    def _is_replaced(self, control: str, container: Container, *, known: bool = False) -> bool:
        """Whether what the author wrote in a container goes in this run. `known`: evidence says what comes instead."""
        return (
            self.reaches("evidence" if known else "default")
            and self._overrides(control)
            and not self.exemptions(control, container)
        )

    def _overrides(self, control: str) -> bool:
        """Whether a control replaces what an author wrote, and its check is on and finds fault with the pod."""
        if control not in self._overridden:
            found = self.settings.checks().get(control) if self.settings.overrides(control) else None
            self._overridden[control] = found is not None and next(iter(found[1](self.pod)), None) is not None
        return self._overridden[control]

    def hold(self, container: Container) -> str:
        """Why only safe changes may be written to a container: it needs what the others would take away."""
        if container not in self._held:
            self._held[container] = self._hold(container)
        return self._held[container]

    def _kept_capabilities(self, container: Container) -> list[str]:
        """The capabilities that a container adds, restricted doesn't allow, and no control takes away in this run."""
        added = sequence(mapping(container.security_context.get("capabilities")).get("add"))
        kept = [str(name) for name in added if name not in KEPT_CAPABILITIES]
        if kept and self._is_replaced("capabilities_restricted", container):
            return []
        if kept and self._is_replaced("capabilities_baseline", container):
            return [name for name in kept if name in DEFAULT_CAPABILITIES]
        return kept

    def refusal(self, container: Container) -> tuple[str, str]:
        """(code, reason) why a container can't run restricted, whatever is written; twice empty if it can."""
        found = self._refusals.get(container)
        if found is None:
            is_known = self.knows_images and (self.facts(container) or command_lines.commands_of(container))
            found = next(obstacles.found(self, container), _NO_REFUSAL) if is_known else _NO_REFUSAL
            self._refusals[container] = found
        return found

    def _hold(self, container: Container) -> str:
        return self._needs_root(container) or self._says_root(container) or self._keeps(container)

    def _needs_root(self, container: Container) -> str:
        if container.security_context.get("privileged") is True:
            return "it is privileged"
        code, reason = self.refusal(container)
        return f"it can't run restricted ({code}: {reason})" if code else ""

    def _says_root(self, container: Container) -> str:
        if self.user(container) == 0 and self._stays("runAsUser", container):
            return "it runs as root explicitly (runAsUser: 0)"
        if truth(self.effective(container, "runAsNonRoot")) is False and self._stays("runAsNonRoot", container):
            return "it may run as root explicitly (runAsNonRoot: false)"
        return ""

    def _keeps(self, container: Container) -> str:
        """What a container keeps by its own words or by an exemption, or empty."""
        kept = self._kept_capabilities(container)
        if kept:
            return f"it keeps the capability {kept[0]}"
        for control in ("runAsNonRoot", "runAsUser"):
            if self.exemptions(control, container):
                return f"it is exempt from {control}"
        return ""

    def _stays(self, field: str, container: Container) -> bool:
        """Whether the weaker value of a field that holds for a container is still there after this run."""
        own = container.security_context.get(field)
        if not self.knows_images:
            # The pod's own 0 becomes our default, whatever is known of one container's image.
            known = bool(self.facts(container).value("uid")) and own == 0
            is_user = field == "runAsUser"
            return not (self._is_replaced(field, container, known=known) if is_user else self._overrides(field))
        if not self._overrides(field):
            return True
        if own is None:
            return not self.reaches("default") or bool(self.exemptions(field, None) or self.pod_hold(field))
        made, _ = self.settings.checks()[field]
        place = (*container.pointer, "securityContext", field)
        proposal = made.propose(self, Violation(place, own, "explicit", self._indexes[container]))
        is_written = proposal.basis not in {"none", "manual"} and self.reaches(proposal.basis)
        return not is_written or bool(self.exemptions(field, container))

    def pod_hold(self, field: str) -> str:
        """Why the pod's own value of a field stays though it is to be replaced: a container that takes it needs it."""
        if field not in self._pod_held:
            self._pod_held[field] = self._pod_hold(field)
        return self._pod_held[field]

    def _pod_hold(self, field: str) -> str:
        for container in self.pod.containers if self.knows_images else ():
            if container.security_context.get(field) is not None or self.goes(container):
                continue
            why = self._needs_root(container) or self._keeps(container)
            if why:
                return f'container "{container.name}" takes it, and {why}'
        return ""


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
    found = situation.judged(control, violations)
    if control.beside and not situation.checking:
        found = [_with_what_it_needs(control, situation, judgement) for judgement in found]
    return _at_pod_level(control, situation, found) if control.inherited else found


def _judge(control: Control, situation: Situation, violation: Violation) -> Judgement | None:
    pod, settings = situation.pod, situation.settings
    container = pod.containers[violation.container] if violation.container >= 0 else None
    if container and situation.replaces_inits and situation.goes(container):
        return None
    exemptions = situation.exemptions(control.id, container) if situation.has_exemptions else []
    if exemptions and control.since >= FACTS_SINCE and control.propose(situation, violation).basis == "none":
        return None
    if exemptions:
        return exempted(violation, exemptions)
    if situation.on_windows and not control.on_windows:
        reason = "not valid on Windows: set spec.os.name to windows, and the standard doesn't ask for it"
        return Judgement(violation, Proposal("none"), "manual", reason) if control.standard else None
    if violation.cause == "explicit" and not settings.overrides(control.id):
        return Judgement(violation, Proposal("none"), "explicit", _left_to_its_author(control, pod, violation))
    proposal = control.propose(situation, violation)
    if proposal.basis == "none":
        # Later controls propose nothing only where nothing is needed.
        is_unmet = control.since < FACTS_SINCE and not control.standard and settings.required(control.id)
        return Judgement(violation, proposal, "manual") if is_unmet else None
    held = _held(control, situation, violation, container)
    if held:
        return Judgement(violation, Proposal("none"), "refused", f"{held}: this beside it would stop it")
    if proposal.basis == "manual":
        return Judgement(violation, proposal, "manual")
    if not situation.reaches(proposal.basis):
        return Judgement(violation, proposal, "deferred", f"changes: {settings.changes} doesn't write it")
    return chosen(control, situation, Judgement(violation, proposal, "fixed"))


def exempted(violation: Violation, exemptions: Sequence[Exemption]) -> Judgement:
    """What an exemption leaves alone, with its reason."""
    note = f" (expired on {exemptions[0].expired})" if exemptions[0].expired else ""
    return Judgement(violation, Proposal("none"), "exempt", exemptions[0].reason + note, exemptions)


def chosen(control: Control, situation: Situation, judgement: Judgement) -> Judgement:
    """A judgement that would be written, deferred where its control is left out."""
    if not situation.left_out:
        return judgement
    from krm_harden import choices

    reason = choices.why_left_out(situation, control.id, judgement.violation)
    if not reason:
        return judgement
    made = judgement.proposal
    left = Proposal(made.basis, made.value, reason, made.evidence, made.operations, LEFT_OUT)
    return Judgement(judgement.violation, left, "deferred")


def _held(control: Control, situation: Situation, violation: Violation, container: Container | None) -> str:
    """Why a control may not write what it proposes for a container, or for the pod (None)."""
    if container:
        return "" if control.safe else situation.hold(container)
    is_about_root = control.id in OF_ROOT and violation.cause == "explicit"
    return situation.pod_hold(control.id) if is_about_root else ""


def _with_what_it_needs(control: Control, situation: Situation, judgement: Judgement) -> Judgement:
    """A judgement whose operations are also those that its container needs elsewhere in the pod."""
    if judgement.state != "fixed" or control.beside is None:
        return judgement
    container = situation.pod.containers[judgement.violation.container]
    more = tuple(control.beside(situation, container))
    if not more:
        return judgement
    made = judgement.proposal
    writes = (*operations(judgement), *more)
    proposal = Proposal(made.basis, made.value, made.reason, made.evidence, writes, made.code)
    return Judgement(judgement.violation, proposal, judgement.state, judgement.reason, judgement.exemptions)


def _left_to_its_author(control: Control, pod: Pod, violation: Violation) -> str:
    instead = f"{control.instead(pod, violation)}, or set" if control.instead else "set"
    why = "the author says otherwise" if violation.current is None else "the author wrote it"
    return f"{why}: {instead} explicit: override"


def _at_pod_level(control: Control, situation: Situation, found: list[Judgement]) -> list[Judgement]:
    """One change for the pod, where every container needs the same one and none says anything itself."""
    pod, context = situation.pod, situation.pod.context_pointer
    if context is None or not found or len(found) != situation.staying():
        return found
    first = found[0].proposal
    for judgement in found:
        if judgement.state != "fixed" or _says_itself(control, pod, judgement.violation):
            return found
        if judgement.proposal.value != first.value:
            return found
    if control.id in USERS and situation.injected():
        return found
    proposals = [judgement.proposal for judgement in found]
    worst, evidence = first, first.evidence
    writes: tuple[Operation, ...] = ()
    if len(found) > 1:
        worst = max(proposals, key=lambda proposal: _BASIS[proposal.basis])
        evidence = "; ".join(dict.fromkeys(proposal.evidence for proposal in proposals if proposal.evidence))
    current = lookup(pod.security_context, control.field)
    cause = "missing" if current is None else "type"
    violation = Violation((*context, *control.field), current, cause)
    if any(proposal.operations for proposal in proposals):
        writes = tuple(dict.fromkeys(operation for made in found for operation in _moved(pod, made, context)))
    return [Judgement(violation, Proposal(worst.basis, worst.value, worst.reason, evidence, writes), "fixed")]


def _says_itself(control: Control, pod: Pod, violation: Violation) -> bool:
    """Whether a violation isn't that of a container which only lacks what the pod could say for it."""
    if violation.current is not None or violation.container < 0:
        return True
    container = pod.containers[violation.container]
    has_own = container.security_context.get(control.field[0]) is not None
    return has_own or (control.own is not None and control.own(pod, container))


def _moved(pod: Pod, judgement: Judgement, context: Pointer) -> Iterator[Operation]:
    """A container's operations as they are at the pod's level; those outside of its securityContext stay."""
    own = (*pod.containers[judgement.violation.container].pointer, "securityContext")
    for operation in operations(judgement):
        inside = operation.path[: len(own)] == own
        path = (*context, *operation.path[len(own) :]) if inside else operation.path
        yield Operation(operation.op, path, operation.value)


OF_ROOT = ("runAsNonRoot", "runAsUser")
"""What a pod says for its containers about root."""
USERS = ("numericUser", "numericGroup", "runAsUser")
"""What would reach an injected sidecar from the pod's level, and stop it."""


def operations(judgement: Judgement) -> Iterable[Operation]:
    """What a fixed judgement writes: the value at its place, unless the proposal says more.

    Nothing where it has neither: then another judgement's operations do it too.
    """
    if judgement.state != "fixed":
        return ()
    proposal = judgement.proposal
    if proposal.operations or proposal.value is None:
        return proposal.operations
    return (Operation("add", judgement.violation.pointer, proposal.value),)


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
    reason = judgement.reason
    if state == "open":
        fix = "`krm-harden fix` " + ("removes it" if proposal.value is None else f"writes {written(proposal.value)}")
        deferred = judgement.reason if judgement.state == "deferred" else ""
        reason = f"owned by {owner}: change its owner" if owner else deferred or fix
    return Finding(
        control.id,
        control.level,
        state,
        _severity(control, settings, judgement, state, risk),
        pointer,
        lambda: _message(pod, container, violation, judgement, state, reason),
        risk=risk,
        current=violation.current,
        proposed=proposal.value,
        reason=reason,
        evidence=proposal.evidence,
        exemption=exemption_text(control.id, pod, container) if state in _STAYS else "",
        code="" if state == "fixed" else _code(situation, container, judgement, state, owner),
        container=container.name if container else "",
        writes=proposal.operations,
    )


_STAYS = frozenset({"explicit", "manual", "refused"})


def _code(situation: Situation, container: Container | None, judgement: Judgement, state: str, owner: str) -> str:
    """The sort of reason for what stays as it is, also after a fix."""
    if state == "open":
        return "owned" if owner else "deferred" if judgement.state == "deferred" else ""
    if state == "refused" and container:
        return situation.refusal(container)[0]
    return judgement.proposal.code if state in {"manual", "deferred"} else ""


def _severity(control: Control, settings: Settings, judgement: Judgement, state: str, risk: str) -> str:
    if state == "fixed":
        return "warning" if risk == "may-break" else "info"
    if state == "deferred" and judgement.proposal.code == LEFT_OUT:
        return "info"
    # What an author wrote is no better for being overridden only by a policy that goes further.
    stays = state == "deferred" and judgement.violation.cause == "explicit" and settings.output >= FACTS_SINCE
    if stays or state in {"explicit", "manual", "refused", "open"}:
        strict = control.strict or settings.required(control.id)
        return "error" if strict and settings.on_violation == "Fail" else "warning"
    if state == "exempt":
        return "warning" if judgement.expired else "info"
    return "warning"


def _message(
    pod: Pod, container: Container | None, violation: Violation, judgement: Judgement, state: str, reason: str
) -> str:
    """One line: who, which field, what becomes of it, and why."""
    who = f'container "{container.name}"' if container else "pod"
    field = _field(pod, container, violation)
    proposal, current = judgement.proposal, violation.current
    if state == "exempt":
        message = f"{who} is exempt from {field}"
    elif state == "fixed" and proposal.value is None:
        message = f"{who} gets no {field}, in place of {written(current)}"
    elif state == "fixed":
        replaced = _instead(violation, proposal) if current is not None or violation.cause == "type" else ""
        message = f"{who} gets {field}={written(proposal.value)}{replaced}"
        evidence = proposal.evidence
        message += f" ({evidence})" if evidence and evidence not in reason else ""
    elif current is None:
        message = f"{who} lacks {field}"
    else:
        message = f"{who} {'sets' if state == 'explicit' else 'has'} {field}={written(current)}"
    return f"{message}: {reason}" if reason else message


def _instead(violation: Violation, proposal: Proposal) -> str:
    if violation.cause == "type":
        return f" in place of {written(violation.current)}, which the API can't decode"
    current = written(violation.current)
    appends = any(operation.path == (*violation.pointer, "-") for operation in proposal.operations)
    return f" beside {current}" if appends else f" in place of {current}"


def _field(pod: Pod, container: Container | None, violation: Violation) -> str:
    """A violation's field as seen from its container or pod: `ports[0].hostPort`, `volumes[1].hostPath`."""
    pointer = violation.pointer
    if container and pointer[: len(container.pointer)] == container.pointer:
        within = pointer[len(container.pointer) :]
        return dotted(within[1:] if within[0] == "securityContext" and len(within) > 1 else within)
    above = [pod.context_pointer] if pod.context_pointer is not None and not container else []
    for start in (*above, pod.spec_pointer, pod.metadata_pointer, pod.resource.base):
        if pointer[: len(start)] == start and len(pointer) > len(start):
            return dotted(pointer[len(start) :])
    return dotted(pointer)


def written(value: Any) -> str:
    """A value as YAML's flow style has it, in one line."""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if value.__class__ is int else flow(value, _ONE_LINE)


def exemption_text(control: str, pod: Pod, container: Container | None) -> str:
    """The exemption to paste into a policy, in one line."""
    return written(exemption_of(control, pod.resource, [container.name] if container else [], "TODO"))


def exemption_of(control: str, resource: Resource, containers: Iterable[str], reason: str) -> dict[str, Any]:
    """The entry of a policy that exempts an object from a control: some of its containers, or all if none is named."""
    match: dict[str, Any] = {"kinds": [resource.kind]}
    if resource.namespace:
        match["namespaces"] = [resource.namespace]
    owner = next((name for _, name in owners(resource)), "")
    # What a controller makes has another name each time.
    match["names"] = [f"{owner}-*" if owner else resource.name]
    names = list(containers)
    if names:
        match["containers"] = names
    return {"match": match, "controls": [control], "reason": reason}

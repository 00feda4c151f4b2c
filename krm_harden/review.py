"""One resource on its way: what its pods need, what keeps it as it is, and what became of it."""

from __future__ import annotations

from krm_harden import decide, exemptions, fields, notices, source, workloads
from krm_harden.controls import NAMESPACES
from krm_harden.errors import InputError
from krm_harden.model import Operation, Resource, ResourceResult, Unexamined, dotted, lookup, sequence
from krm_harden.resources import is_hook, is_immutable, is_namespace, is_patch, left_alone, owner
from krm_harden.standard import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.access import Access
    from krm_harden.controls import Control
    from krm_harden.decide import LeftOut
    from krm_harden.exemptions import Exemption
    from krm_harden.model import Facts, Finding, Pod, Pointer
    from krm_harden.policy import Policy
    from krm_harden.psp.controls import Standing, Verdict
    from krm_harden.source import Document


class Review:
    """A resource, the settings that hold for it, and the judgements about its pods.

    `line` is the chunk's, from 0; `lines` says whether findings get their own; `rendered`, that `$patch` makes no patch
    of it; `facts` are those of the whole input, None while they are gathered; `left_out` says which controls write
    nothing here; `access` what the whole input shows of service accounts. `read` fills the rest; it raises InputError
    where the API couldn't decode a field.
    """

    __slots__ = (
        "_evaluator",
        "_exempted",
        "_judged",
        "_judging",
        "_labels",
        "_situations",
        "_standings",
        "access",
        "cause",
        "checking",
        "document",
        "facts",
        "left_out",
        "line",
        "lines",
        "pods",
        "policy",
        "rendered",
        "resource",
        "settings",
        "shapes",
        "stays",
    )

    def __init__(
        self,
        policy: Policy,
        document: Document,
        resource: Resource,
        line: int,
        facts: Facts | None = None,
        *,
        checking: bool = False,
        lines: bool = False,
        rendered: bool = False,
        left_out: LeftOut | None = None,
        access: Access | None = None,
    ) -> None:
        self.access = access
        self.left_out = left_out
        self.policy = policy
        self.rendered = rendered
        self.document = document
        self.resource = resource
        self.line = line
        self.checking = checking
        self.lines = lines
        self.facts = facts
        self.settings = policy.settings_for(resource)
        self.shapes = workloads.shapes_of(resource, policy.kinds)
        self.pods = tuple(workloads.pods(resource, self.shapes, policy.server))
        self._evaluator = self._judging = Evaluator(self.pods)
        self._standings: list[Standing] = []
        self._exempted: list[Exemption] = []
        self._situations: list[decide.Situation] = []
        self._judged: list[tuple[Control, decide.Situation, decide.Judgement]] = []
        self._labels: list[tuple[Finding, tuple[Operation, ...]]] = []
        self.stays = self.cause = ""

    def read(self) -> None:
        """Judge the resource. Raises InputError that names the first field whose type is wrong."""
        for pointer, expected in fields.unreadable(self.resource, self.shapes, self.pods):
            path = dotted(pointer[len(self.resource.base) :])
            at = source.line_of(self.document, pointer)
            raise InputError(f"cannot read {path}: it must be {expected}", at)
        self.stays, self.cause = self._why_it_stays()
        if not self.stays:
            self.judge()

    def judge(self) -> None:
        """Judge a resource that is known to be readable, and ours to change."""
        own = self._own_exemptions() if self.settings.exemption_annotations else []
        exempting = [*self.settings.exemptions, *own]
        if is_namespace(self.resource):
            self._exempted = [one for one in exempting if one.covers(NAMESPACES, self.resource, None)]
            from krm_harden import namespaces

            found = namespaces.label(self.policy, self.resource, self.settings, self.facts, self._exempted)
            self._labels = [self._chosen(*one) for one in found] if self.left_out else list(found)
        pods = self.pods
        if pods and self.settings.pod_security:
            self._standings = [self._standing(index, exempting) for index in range(len(pods))]
            pods = tuple(standing.pod for standing in self._standings)
            self._judging = Evaluator(pods)
        for index, pod in enumerate(pods):
            self._judge(index, pod, exempting)

    def _standing(self, index: int, exempting: list[Exemption]) -> Standing:
        """What PodSecurityPolicies make of a pod, but for those below a ceiling."""
        from krm_harden.psp.controls import standing

        def about(pod: Pod) -> decide.Situation:
            return self._situation(pod, exempting)

        def again(data: Any) -> Pod:
            resource = self.resource.within(data)
            return tuple(workloads.pods(resource, self.shapes, self.policy.server))[index]

        demands = [one for one in self.settings.pod_security if not one.below]
        checks = list(self.settings.checks().values())
        return standing(self.pods[index], self.document.data, about, again, demands, checks)

    def _chosen(self, finding: Finding, writes: tuple[Operation, ...]) -> tuple[Finding, tuple[Operation, ...]]:
        """A finding about labels, which writes nothing where its control is left out."""
        reason = self.left_out(self.resource, NAMESPACES) if self.left_out and writes else ""
        if not reason:
            return finding, writes
        finding.state, finding.risk, finding.reason, finding.code = "deferred", "none", reason, decide.LEFT_OUT
        finding.message = f"{finding.message.replace(' gets ', ' lacks ', 1)}: {reason}"
        return finding, ()

    def _why_it_stays(self) -> tuple[str, str]:
        """Why the resource isn't judged at all and which sort of reason that is, or twice empty."""
        if is_patch(self.resource, self.pods, directives=not self.rendered):
            return "a kustomize patch: it has $patch, or a container without an image", "patch"
        if any(not pod.containers for pod in self.pods) and not (self.checking and not self.verdict()[0]):
            return "a kustomize patch: its pod has no containers", "patch"
        if not self.pods and not is_namespace(self.resource):
            missing = workloads.missing_template(self.resource, self.shapes)
            return (f"cannot read {missing}: there is nothing" if missing else ""), ""
        owned = owner(self.resource)
        return (f"owned by {owned}: change its owner", "owned") if owned and not self.checking else ("", "")

    def _own_exemptions(self) -> list[Exemption]:
        return exemptions.of_object(self.resource) if exemptions.ANNOTATION in self.resource.annotations else []

    def _situation(self, pod: Pod, exempting: list[Exemption]) -> decide.Situation:
        volumes = sequence(lookup(self.document.data, pod.volumes_pointer))
        # An Argo template also mounts the volumes of its workflow.
        shared = sequence(lookup(self.resource.data, ("spec", "volumes")))
        known = [*volumes, *shared]
        return decide.Situation(
            pod, self.settings, known, exempting, checking=self.checking, left_out=self.left_out, access=self.access
        )

    def _judge(self, index: int, pod: Pod, exempting: list[Exemption]) -> None:
        situation = self._situation(pod, exempting)
        self._situations.append(situation)
        judged = []
        for control, violations in self._judging.failing(index, self.settings.judging(), situation):
            found = decide.judge(control, situation, violations)
            judged += [(control, situation, judgement) for judgement in found]
        if self._standings:
            standing = self._standings[index]
            later = [one for one in self.settings.pod_security if one.below]
            judged = [*standing.judged(), *standing.settled(judged, later, list(self.settings.checks().values()))]
        self._judged += judged

    def waits(self) -> bool:
        """Whether only the facts of the whole input say which labels a Namespace gets."""
        from krm_harden import namespaces

        return namespaces.waits(self.resource, self.settings)

    def used_exemptions(self) -> set[str]:
        """The names of the exemptions that exempted something."""
        of_pods = {found.where for _, _, judgement in self._judged for found in judgement.exemptions}
        return of_pods | {found.where for found in self._exempted}

    def notes(self) -> Iterator[Unexamined]:
        """Why the resource was left alone, if it was."""
        if self.stays:
            line = self.line + source.line_of(self.document, self.resource.base) + 1
            yield Unexamined(self.stays, self.resource.kind, self.resource.name, line, self.cause)

    def operations(self) -> Iterable[Operation]:
        """Every change, absolute in the document; volumes and their mounts after what needs them."""
        if self._skips_immutable():
            return ()
        wanted = [operation for _, operations in self._labels for operation in operations]
        wanted += [operation for _, _, judgement in self._judged for operation in decide.operations(judgement)]
        return sorted(wanted, key=order)

    def _skips_immutable(self) -> bool:
        return self.settings.immutable == "skip" and self._is_immutable()

    def _is_immutable(self) -> bool:
        if not is_immutable(self.resource):
            return False
        return self.settings.output < decide.FACTS_SINCE or not is_hook(self.resource)

    def result(self, operations: Sequence[Operation] = (), *, settled: bool = True) -> ResourceResult:
        """The report, with the operations of the document that are this resource's; it has them relative to itself.

        Its verdict is that of the text as it came; unless that is `settled`, it is for the caller to replace.
        """
        base = self.resource.base
        own = [Operation(operation.op, operation.path[len(base) :], operation.value) for operation in operations]
        allowed, message = self.verdict() if settled else (True, "")
        made = ResourceResult(
            self.resource,
            self.settings.asked,
            allowed,
            message,
            self._placed(self._findings(changed=bool(own))),
            own,
            self._line_of(base),
            self.policies(),
        )
        if self.lines:
            refused = any(verdict.message for verdict in made.policies)
            passes = allowed if settled else not self._evaluator.verdict(self.settings.asked).failures
            made.before = passes and not refused
            stays = any(standing.refuses for standing in self._standings) if self.checking else refused
            made.after = (allowed or (self.checking and self._can_be_fixed())) and not stays
        return made

    def _can_be_fixed(self) -> bool:
        """Whether all that the standard forbids is something that a fix writes, as far as the controls can tell."""
        if self._skips_immutable() or owner(self.resource) or left_alone(self.resource) is not None:
            return False
        states: dict[tuple[Pod, str], set[str]] = {}
        for control, situation, judgement in self._judged:
            states.setdefault((situation.pod, control.id), set()).add(judgement.state)
        for failure in self._judging.verdict(self.settings.asked).failures:
            pod, goes = self._situations[failure.pod].pod, self._situations[failure.pod].goes
            found = states.get((pod, failure.control))
            # What isn't judged goes away with its container.
            if found != {"fixed"} and (
                found or not all(goes(pod.containers[one.container]) for one in failure.violations)
            ):
                return False
        return True

    def _line_of(self, pointer: Pointer) -> int:
        return self.line + source.line_of(self.document, pointer) + 1 if self.lines else 0

    def untouched(self) -> ResourceResult:
        """The report of a resource whose document was refused: what would have been fixed stays open."""
        result = self.result()
        for finding in result.findings:
            if finding.state == "fixed":
                finding.state, finding.severity = "refused", "error"
                finding.message = finding.message.replace(" gets ", " needs ", 1)
                finding.reason = "the document can't be edited safely"
        return result

    def _findings(self, *, changed: bool) -> Iterator[Finding]:
        for finding, writes in self._labels:
            finding.writes = writes
            if self.checking and writes:
                finding.state, finding.severity = "open", "warning"
                finding.message = finding.message.replace(" gets ", " lacks ", 1)
            yield finding
        skipping, owned = self._skips_immutable(), owner(self.resource)
        for control, situation, judgement in self._judged:
            stays = skipping and judgement.state == "fixed"
            made = judgement.deferred("immutable: skip") if stays else judgement
            yield decide.finding(control, situation, made, checking=self.checking, owner=owned)
        users = any(control.id in decide.USERS and found.state == "fixed" for control, _, found in self._judged)
        for situation in self._situations:
            yield from notices.about(situation, writes_users=users)
        if exemptions.ANNOTATION in self.resource.annotations:
            allowed = self.settings.exemption_annotations
            yield from notices.own_exemptions(self.resource, self.used_exemptions() if allowed else None)
        if changed and self._is_immutable():
            yield notices.immutable(self.resource)

    def _placed(self, findings: Iterable[Finding]) -> list[Finding]:
        placed = list(findings)
        for finding in placed if self.lines else ():
            line, column = source.place_of(self.document, self.resource.base + finding.pointer)
            finding.line, finding.column = self.line + line + 1, column + 1
        return placed

    def policies(self) -> list[Verdict]:
        """What PodSecurityPolicies say of the pods."""
        return [verdict for standing in self._standings for verdict in standing.verdicts()]

    def verdict(self) -> tuple[bool, str]:
        """Whether the standard allows the pods, and the API server's words if not."""
        found = self._evaluator.verdict(self.settings.asked)
        return found.allowed, found.message


def order(operation: Operation) -> int:
    """How operations are sorted: volumes and mounts after what needs them; what goes, last.

    Then nothing else changes its index.
    """
    if operation.op == "remove" and "initContainers" in operation.path[-2:]:
        return 2
    return int(operation.path[-1] == "-" and operation.path[-2] in {"volumes", "volumeMounts", "initContainers"})

"""What PodSecurityPolicies make of one pod on its way through the engine: changes, refusals, and what contradicts them.

The cluster changed a pod before it judged it; so the controls of a level look at the pod as the policies leave it. What
a policy sets and the level refuses, and what the level asks for and a policy refuses, is written by nobody: an error
that names both.
"""

from __future__ import annotations

from krm_harden import decide
from krm_harden.choices import NEED_USERS, OF_NEW_USERS
from krm_harden.controls import POD_SECURITY_POLICY, Control
from krm_harden.model import Operation, Proposal, Violation, lookup
from krm_harden.patch import Draft
from krm_harden.psp.acceptance import unacceptable
from krm_harden.psp.admission import admit
from krm_harden.psp.created import created
from krm_harden.psp.model import KIND, PREFIX
from krm_harden.psp.selection import choose
from krm_harden.psp.view import View
from krm_harden.resources import is_pod
from krm_harden.review import order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from krm_harden.controls import Check
    from krm_harden.model import Pod, Pointer
    from krm_harden.psp.demands import Among, Candidate, ForAll
    from krm_harden.psp.model import Change, FieldError, Outcome, PodSecurityPolicy

    Judged: TypeAlias = "tuple[Control, decide.Situation, decide.Judgement]"
    About: TypeAlias = "Callable[[Pod], decide.Situation]"
    Again: TypeAlias = "Callable[[Any], Pod]"

MOUNTED = "this is the token that the server mounts: say automountServiceAccountToken: false, or allow the volume"
_controls: dict[str, Control] = {}


def control(field: str = "") -> Control:
    """What a field of a policy sets and refuses, as one rule about pods; without one, what is about a whole policy."""
    if field not in _controls:
        name = PREFIX + field if field else POD_SECURITY_POLICY
        title = f"{KIND}: {field}" if field else KIND
        _controls[field] = Control(name, title, {}, _nothing, level="", on_windows=True, strict=True)
    return _controls[field]


def _nothing(_situation: decide.Situation, _violation: Violation) -> Proposal:
    return Proposal("none")


class Written:
    """What a policy sets at one place of a pod: `key` is the same in a second run."""

    __slots__ = ("field", "key", "operations", "policy", "refused", "value", "violation")

    def __init__(
        self,
        policy: PodSecurityPolicy,
        field: str,
        violation: Violation,
        operations: Sequence[Operation],
        refused: str = "",
    ) -> None:
        self.policy = policy
        self.field = field
        self.violation = violation
        self.operations = tuple(operations)
        self.key = (policy.name, field, violation.pointer)
        self.refused = refused
        """Why it can't be written, or empty."""
        values = [operation.value for operation in operations]
        appended = any(operation.path[-1] == "-" for operation in operations)
        self.value: Any = values if appended else values[0]


class Refused:
    """What a policy refuses: `key` tells whether it is the same after some change."""

    __slots__ = ("error", "key", "name", "violation")

    def __init__(self, name: str, error: FieldError, violation: Violation) -> None:
        self.name = name
        self.error = error
        self.violation = violation
        self.key = (name, str(error))


class Verdict:
    """Which policy a pod got, by which binding, and what it says of the pod as it is.

    `message` are the API server's words of a refusal, else empty.
    """

    __slots__ = ("evidence", "message", "name")

    def __init__(self, name: str, evidence: str, message: str) -> None:
        self.name = name
        self.evidence = evidence
        self.message = message

    @property
    def words(self) -> str:
        """Which policy holds, and why."""
        return f"gets {KIND} {self.name}, by {self.evidence}" if self.evidence else f"gets {KIND} {self.name}"


class _Stage:
    """One of the policies that hold: who is asked, and what they made of the pod as it came to them."""

    __slots__ = ("asked", "candidates", "chosen", "demand", "evidence", "message", "outcome")

    def __init__(
        self,
        demand: ForAll | Among,
        candidates: Sequence[Candidate],
        outcomes: Sequence[Outcome],
        outcome: Outcome | None,
        message: str,
    ) -> None:
        self.demand = demand
        self.candidates = candidates
        self.asked = [outcome] if outcome else list(outcomes)
        self.outcome = outcome
        self.message = message
        policy = outcome.policy if outcome else None
        self.chosen = policy
        self.evidence = next((one.evidence for one in candidates if one.policy is policy), "")


class Standing:
    """What the policies that hold make of a pod.

    `situation` is of the pod as it came, `pod` is as the policies leave it. `about` makes the situation of another pod
    of the same resource, `again` the pod of other data of the document. `kept` are the places whose changes aren't
    made, each with why.
    """

    __slots__ = (
        "_about",
        "_again",
        "_base",
        "_data",
        "_demands",
        "_first",
        "_kept",
        "_later",
        "_stages",
        "pod",
        "refuses",
        "situation",
        "written",
    )

    def __init__(
        self,
        pod: Pod,
        data: Any,
        about: About,
        again: Again,
        demands: Iterable[ForAll | Among],
        kept: Mapping[tuple[Any, ...], str],
    ) -> None:
        self.situation = about(pod)
        self._about = about
        self._data = data
        self._again = again
        self._kept = kept
        self._demands = tuple(demands)
        self._stages: list[_Stage] = []
        self._later: Standing | None = None
        self.refuses = False
        """Whether something is refused that isn't exempt, also with what other controls write."""
        self.written: list[Written] = []
        self.pod = pod
        draft = Draft(data)
        for demand in self._demands:
            self._stages.append(self._stage(demand, draft))
        self._first = self._at_first()
        self._base = {one.key for one in self._first}

    def _stage(self, demand: ForAll | Among, draft: Draft) -> _Stage:
        view = View(self.pod)
        candidates = demand.candidates(self.pod.resource, view.data["spec"])
        seen = _as_created(demand, self.pod, view)
        outcomes, outcome, message = self._chosen(candidates, seen, view)
        stage = _Stage(demand, candidates, outcomes, outcome, message)
        if outcome:
            made = list(_grouped(view, self.pod, outcome, seen))
            while made:
                self.written += made
                self._apply(made, draft)
                made = self._left(demand, outcome.policy)
        return stage

    def _apply(self, made: Iterable[Written], draft: Draft) -> None:
        for one in filter(self._is_made, made):
            for operation in one.operations:
                draft.apply(operation)
        if draft.operations:
            self.pod = self._again(draft.data)

    def _left(self, demand: ForAll | Among, policy: PodSecurityPolicy) -> list[Written]:
        """What a policy would set in the pod that it has changed.

        That is something only where what the cluster wrote into an annotation, for all containers of a name, is written
        into the fields of one.
        """
        view = View(self.pod)
        seen = _as_created(demand, self.pod, view)
        known = {one.key for one in self.written}
        found = _grouped(view, self.pod, admit(policy, seen, self.pod.server), seen)
        return [one for one in found if one.key not in known]

    def _chosen(
        self, candidates: Sequence[Candidate], seen: Mapping[str, Any], view: View
    ) -> tuple[Sequence[Outcome], Outcome | None, str]:
        """What each makes of a pod, the one that it gets, and the API server's words where it gets none."""
        server = self.pod.server
        policies = [one.policy for one in candidates]
        if len(policies) == 1 and not policies[0].unusable:
            outcome = admit(policies[0], seen, server)
            return [outcome], outcome, _words(self._unexempt(view, outcome)) if outcome.errors else ""
        chosen = choose(policies, seen, server)
        if chosen.outcome or not policies:
            return chosen.tried, chosen.outcome, chosen.message
        # An exemption takes away what stands in a policy's way.
        usable = [one for one in chosen.tried if not one.policy.unusable]
        open_ = [one for one in usable if not self._unexempt(view, one)]
        best = next((one for one in open_ if not one.mutates), open_[0] if open_ else None)
        return chosen.tried, best, "" if best else chosen.message

    def _unexempt(self, view: View, outcome: Outcome) -> list[FieldError]:
        return [error for error in outcome.errors if not self._exemptions(error.field, _of_error(view, error))]

    def _exemptions(self, field: str, violation: Violation) -> list[Any]:
        container = self.situation.pod.containers[violation.container] if violation.container >= 0 else None
        return self.situation.exemptions(PREFIX + field, container)

    def _is_made(self, one: Written) -> bool:
        """Whether it ends up in the manifest: what is deferred isn't there for the other controls to rely on."""
        stays = one.refused or one.key in self._kept or self._exemptions(one.field, one.violation)
        return not stays and self._fixed(control(one.field), one).state == "fixed"

    def _mine(self) -> list[Written]:
        """What the policies set, but what is exempt, deferred or can't be."""
        return [one for one in self.written if self._is_made(one)]

    def clashes(self, checks: Iterable[tuple[Control, Check]]) -> dict[tuple[Any, ...], str]:
        """What the policies set and the level's checks refuse: by its key, with the words for it."""
        found: dict[tuple[Any, ...], str] = {}
        mine = self._mine()
        if not mine:
            return found
        for rule, check in checks:
            if not rule.standard:
                continue
            before = [(one.pointer, one.current) for one in check(self.situation.pod)]
            for violation in check(self.pod):
                if violation.cause != "explicit" or (violation.pointer, violation.current) in before:
                    continue
                container = self.pod.containers[violation.container] if violation.container >= 0 else None
                if self.situation.exemptions(rule.id, container):
                    continue
                for one in mine:
                    if _meet(one.violation.pointer, violation.pointer):
                        asked = self.situation.settings.asked
                        value = decide.written(one.value)
                        found[one.key] = f"{_who(one.policy)} sets {value}, and {asked} refuses it: {rule.id}"
        return found

    def judged(self) -> Iterator[Judged]:
        """What the policies set, each as a judgement."""
        for one in self.written:
            rule = control(one.field)
            exemptions = self._exemptions(one.field, one.violation)
            why = one.refused or self._kept.get(one.key, "")
            if exemptions:
                judgement = decide.exempted(one.violation, exemptions)
            elif why:
                judgement = decide.Judgement(one.violation, Proposal("manual", one.value, why), "manual")
            else:
                judgement = self._fixed(rule, one)
            yield rule, self.situation, judgement

    def _fixed(self, rule: Control, one: Written) -> decide.Judgement:
        proposal = Proposal("evidence", one.value, "", f"{_who(one.policy)}: {one.field}", one.operations)
        judgement = decide.Judgement(one.violation, proposal, "fixed")
        if not self.situation.reaches("evidence"):
            return judgement.deferred(f"changes: {self.situation.settings.changes} doesn't write it")
        return decide.chosen(rule, self.situation, judgement)

    def settled(
        self, judged: Sequence[Judged], later: Sequence[ForAll | Among], checks: Sequence[tuple[Control, Check]]
    ) -> list[Judged]:
        """What other controls write, but what a policy refuses, and then what the policies refuse.

        `later` are policies below a ceiling: they see what it writes, and take nothing of that away.
        """
        kept = list(judged)
        writes = any(judgement.state == "fixed" for *_, judgement in kept)
        refusals = self._refusals(self._after(kept)[0]) if writes else self._first
        if any(one.key not in self._base for one in refusals):
            kept = self._without_refused(judged)
            refusals = self._refusals(self._after(kept)[0])
        said = list(self._as_judgements(refusals))
        self.refuses = any(judgement.state == "manual" for *_, judgement in (*said, *self.judged()))
        found = [*kept, *said]
        if later:
            pod, data = self._after(kept)
            self._later = standing(pod, data, self._about, self._again, later, checks)
            found += [*self._later.judged(), *self._later.settled((), (), ())]
            self.refuses |= self._later.refuses
        return found

    def _without_refused(self, judged: Sequence[Judged]) -> list[Judged]:
        kept: list[Judged] = []
        loses_user = False
        for rule, situation, judgement in judged:
            kept.append((rule, situation, judgement))
            if judgement.state == "fixed":
                refusals = self._refusals(self._after(kept)[0])
                refused = next((found for found in refusals if found.key not in self._base), None)
                if refused:
                    contradicted = _contradicted(rule, situation, judgement, refused)
                    kept[-1] = (control(refused.error.field), situation, contradicted)
                    loses_user |= rule.id in decide.USERS
        return [*map(_without_user, kept)] if loses_user else kept

    def _after(self, judged: Sequence[Judged]) -> tuple[Pod, Any]:
        """The pod, and the document's data, with what the policies set and some judgements write."""
        writes = [operation for *_, judgement in judged for operation in decide.operations(judgement)]
        mine = [operation for one in self._mine() for operation in one.operations]
        draft = Draft(self._data)
        # What goes changes the places of all else: it is judged once more.
        for operation in (*mine, *sorted(filter(_adds, writes), key=order)):
            draft.apply(operation)
        return (self._again(draft.data), draft.data) if draft.operations else (self.situation.pod, self._data)

    def _at_first(self) -> list[Refused]:
        """What the policies refuse in the pod as they leave it."""
        if len(self._stages) != 1:
            return self._refusals(self.pod)
        # Asked once more, an admission may word it otherwise: it has nothing to change then.
        (stage,) = self._stages
        view = View(self.pod)
        errors = [list(_refused(view, outcome)) for outcome in stage.asked]
        return [one for some in errors for one in some] if all(errors) else []

    def _refusals(self, pod: Pod) -> list[Refused]:
        """What the chosen policies, or where none was chosen all that were tried, refuse in a pod."""
        found: list[Refused] = []
        view = View(pod)
        for stage in self._stages:
            seen = _as_created(stage.demand, pod, view)
            tried = [admit(outcome.policy, seen, pod.server) for outcome in stage.asked]
            errors = [list(_refused(view, outcome)) for outcome in tried]
            if all(errors):
                found += [one for some in errors for one in some]
        return found

    def _as_judgements(self, refusals: Iterable[Refused]) -> Iterator[Judged]:
        for stage in self._stages:
            if all(outcome.policy.unusable for outcome in stage.asked):
                yield control(), self.situation, self._without_policy(stage)
        for one in refusals:
            exemptions = self._exemptions(one.error.field, one.violation)
            reason = f"{KIND} {one.name} refuses it: {one.error}{self._token(one.violation)}"
            judgement = (
                decide.exempted(one.violation, exemptions)
                if exemptions
                else decide.Judgement(one.violation, Proposal("manual", None, reason), "manual")
            )
            yield control(one.error.field), self.situation, judgement

    def _token(self, violation: Violation) -> str:
        """What to say of a volume that isn't in the manifest."""
        pod = self.pod
        is_volume = violation.pointer[:-1] == pod.volumes_pointer and violation.container < 0
        there = lookup(pod.resource.data, violation.pointer[len(pod.resource.base) :])
        return f"; {MOUNTED}" if is_volume and there is None else ""

    def _without_policy(self, stage: _Stage) -> decide.Judgement:
        """What becomes of a pod for which nothing may be used, or only what no cluster could use."""
        pod = self.situation.pod
        view = View(pod)
        place = view.pointer(("spec", "serviceAccountName"))
        violation = Violation(place, lookup(pod.resource.data, place[len(pod.resource.base) :]), "manual")
        exemptions = self.situation.exemptions(POD_SECURITY_POLICY, None)
        if exemptions:
            return decide.exempted(violation, exemptions)
        users = stage.demand.users(pod.resource, view.data["spec"])
        why = [f"{_who(one.policy)} admits nothing: {one.policy.unusable}" for one in stage.asked]
        reason = "; ".join(why) or f"no {KIND} may be used by {' or '.join(users)}"
        return decide.Judgement(violation, Proposal("manual", None, reason), "manual")

    def verdicts(self) -> Iterator[Verdict]:
        """Which policies the pod got, and what they say of it as it came."""
        for stage in self._stages:
            yield Verdict(stage.chosen.name if stage.chosen else "", stage.evidence, stage.message)
        if self._later:
            yield from self._later.verdicts()


def standing(
    pod: Pod,
    data: Any,
    about: About,
    again: Again,
    demands: Sequence[ForAll | Among],
    checks: Sequence[tuple[Control, Check]],
) -> Standing:
    """What some policies make of a pod in a document's data, without what the level's checks refuse."""
    kept: dict[tuple[Any, ...], str] = {}
    while True:
        made = Standing(pod, data, about, again, demands, kept)
        more = made.clashes(checks)
        if not more:
            return made
        kept |= more


def _as_created(demand: ForAll | Among, pod: Pod, view: View) -> Mapping[str, Any]:
    """The pod as the admission saw it."""
    automounts = demand.automounts(pod.resource, view.data["spec"])
    return created(view.data, account_automounts=automounts, is_template=not is_pod(pod.resource))


def _words(errors: Sequence[FieldError]) -> str:
    said = ", ".join(map(str, errors))
    return f"PodSecurityPolicy: unable to admit pod: [{said}]" if errors else ""


def _who(policy: PodSecurityPolicy) -> str:
    return f"{KIND} {policy.name}"


def _grouped(view: View, pod: Pod, outcome: Outcome, seen: Mapping[str, Any]) -> Iterator[Written]:
    """A policy's changes of the pod that it has seen, those of one place together."""
    invalid = {id(change): error for change, error in unacceptable(seen, outcome.changes)}
    groups: dict[tuple[str, Pointer], list[Change]] = {}
    for change in outcome.changes:
        path = change.operation.path
        groups.setdefault((change.field, path[:-1] if path[-1] == "-" else path), []).append(change)
    for (field, place), changes in groups.items():
        pointer = view.writable(place)
        refused = "" if pointer else f"{_who(outcome.policy)} sets it, and a {pod.resource.kind} has no such field"
        error = next((invalid[id(one)] for one in changes if id(one) in invalid), None)
        if error:
            refused = f"{_who(outcome.policy)} sets it, and the API server refuses that: {error}"
        at = view.pointer(place) if pointer is None else pointer
        current = lookup(pod.resource.data, at[len(pod.resource.base) :])
        container = view.container(changes[0].container)
        violation = Violation(at, current, "missing", container)
        writes = [
            Operation(one.operation.op, at + one.operation.path[len(place) :], one.operation.value) for one in changes
        ]
        yield Written(outcome.policy, field, violation, writes, refused)


def _refused(view: View, outcome: Outcome) -> Iterator[Refused]:
    for error in outcome.errors:
        yield Refused(outcome.policy.name, error, _of_error(view, error))


def _of_error(view: View, error: FieldError) -> Violation:
    return Violation(view.pointer(error.pointer), error.value, "manual", view.container(error.container))


def _without_user(one: Judged) -> Judged:
    """A judgement where no user is written: what would stop an image that starts as root isn't written either."""
    rule, situation, judgement = one
    if judgement.state != "fixed" or rule.id not in (*NEED_USERS, *OF_NEW_USERS):
        return one
    reason = "no user is written, and without one this would stop it"
    return rule, situation, decide.Judgement(judgement.violation, Proposal("none"), "refused", reason)


def _adds(operation: Operation) -> bool:
    return operation.op != "remove"


def _meet(one: Pointer, other: Pointer) -> bool:
    """Whether one place is within the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _contradicted(
    rule: Control, situation: decide.Situation, judgement: decide.Judgement, refused: Refused
) -> decide.Judgement:
    asked = situation.settings.asked if rule.standard else "the policy"
    name = f"{PREFIX}{refused.error.field} of {KIND} {refused.name}"
    reason = f"{asked} asks for {decide.written(judgement.proposal.value)}, and {name} refuses it: {refused.error}"
    return decide.Judgement(judgement.violation, Proposal("manual", None, reason), "manual")

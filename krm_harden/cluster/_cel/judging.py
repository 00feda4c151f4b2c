"""A policy's verdict as variables and one validation in CEL: what every target takes that speaks it.

All that a pod fails is said at once, as Pod Security says it; one validation for each check would tell only the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.cluster._cel import checks, matching
from krm_harden.cluster._cel.words import LISTS, literal
from krm_harden.controls import active
from krm_harden.errors import ConfigError
from krm_harden.model import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster._cel.checks import Server, Variables
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Policy, Settings

POD_OF = """\
object.kind == 'Pod' ? dyn(object) :
object.kind == 'CronJob' ? dyn(object).spec.jobTemplate.spec.template :
object.kind == 'PodTemplate' ? dyn(object).template :
dyn(object).spec.template"""
"""The pod that an object is, or that it makes."""
SIGNIFICANT = """\
request.operation != 'UPDATE' || object.kind != 'Pod' ||
object.spec.containers.map(c, c.?image.orValue('')) != oldObject.spec.containers.map(c, c.?image.orValue('')) ||
object.spec.?initContainers.orValue([]).map(c, c.?image.orValue('')) !=
  oldObject.spec.?initContainers.orValue([]).map(c, c.?image.orValue('')) ||
object.spec.?ephemeralContainers.orValue([]).exists(c,
  !oldObject.spec.?ephemeralContainers.orValue([]).exists(old, old.name == c.name && old.?image == c.?image))"""
"""Whether an update of a pod is one that Pod Security judges: else nobody could remove the finalizer of a pod that was
there before the policy (pod-security-admission, admission/admission.go, isSignificantPodUpdate)."""


@dataclass(frozen=True)
class Judgement:
    """What a target writes down: variables in their order, and one validation.

    Without variables everything is allowed. `expression` is true for what is; `message_expression` makes the words of a
    refusal, `said` those after its verb, and `message` stands where they would be too long. `settings` are those of
    the policy that it is of.
    """

    settings: Settings
    variables: Variables
    expression: str
    message_expression: str
    message: str
    said: str
    cannot: tuple[str, ...]


def judgements(
    policy: Policy,
    server: Server,
    *,
    identity: Variables | None = None,
    verb: str = "'violates'",
) -> list[Judgement]:
    """What is judged: one judgement for each sort of object that the policy's rules tell apart.

    `identity` says which workload an object is of, in other words than an admission policy's; `verb`, in CEL, begins a
    refusal.
    """
    return [
        _judgement(policy, settings, applies, server, matching.identity() if identity is None else identity, verb)
        for settings, applies in settings_of(policy)
    ]


MOST_WAYS = 200
"""In which rules may hold together: each is a part of an expression."""
FIELDS = ("level", "version", "onViolation", "controls")
"""What a rule may say that makes a difference to a verdict."""


def settings_of(policy: Policy, fields: Sequence[str] = FIELDS) -> list[tuple[Settings, str]]:
    """The settings that hold for some object, each with the condition in CEL that they are an object's, or empty.

    Of several rules that match, the narrowest is applied last; what they say in vain is left out. Raises ConfigError
    for rules that may hold together in too many ways.
    """
    rules = [rule for rule in policy.rules if any(field in rule for field in fields)]
    found: list[dict[str, object]] = []
    ways: list[Sequence[Mapping[str, object]]] = []

    def branch(chosen: tuple[Mapping[str, object], ...], rest: Sequence[Mapping[str, object]]) -> Any:
        """The index of the settings, by the rules that are still open: (condition, then, else), or it alone."""
        if not rest:
            ways.append(chosen)
            if len(ways) > MOST_WAYS:
                message = f"{len(rules)} of its rules may hold together in more than {MOST_WAYS} ways"
                step = "name kinds, namespaces or names in them that don't overlap, or emit several policies"
                raise ConfigError(message, policy.name, step)
            return (_index(policy.effective(chosen), found, fields),)
        first, *more = rest
        if any(_apart(mapping(first["match"]), mapping(one["match"])) for one in chosen):
            return branch(chosen, more)
        said = matching.condition(mapping(first["match"]))
        yes, no = branch((*chosen, first), more), branch(chosen, more)
        if yes == no:
            return yes
        # What comes to the same stands side by side: CEL nests only so deep.
        return (f"{said} ||\n  {no[0]}", yes, no[2]) if no[1:2] == (yes,) else (said, yes, no)

    chain = _chain(branch((), rules))
    from krm_harden.policy import Settings

    made = [Settings(policy, spec) for spec in found]
    return [(one, "" if len(made) == 1 else f"{chain} == {index}") for index, one in enumerate(made)]


def _chain(node: Any) -> str:
    """A tree of conditions in CEL."""
    return f"({node[0]} ? {_chain(node[1])} : {_chain(node[2])})" if len(node) > 1 else str(node[0])


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether no object can match both, as far as that is plain to see.

    Kinds don't tell: a pod is one of its Deployment too.
    """
    for field in ("namespaces", "names"):
        mine, others = one.get(field), other.get(field)
        if mine and others and not any(_may_meet(first, second) for first in mine for second in others):
            return True
    return False


def _may_meet(one: str, other: str) -> bool:
    """Whether two patterns may match the same: by what stands before their first wildcards."""
    head, beginning = (re.split(r"[*?\[]", pattern)[0] for pattern in (one, other))
    if head == one and beginning == other:
        return one == other
    return (head.startswith(beginning) and beginning != other) or (beginning.startswith(head) and head != one)


def _index(spec: dict[str, object], found: list[dict[str, object]], fields: Sequence[str]) -> str:
    for index, known in enumerate(found):
        if all(known.get(field) == spec.get(field) for field in fields):
            return str(index)
    found.append(spec)
    return str(len(found) - 1)


def _judgement(
    policy: Policy, settings: Settings, applies: str, server: Server, identity: Variables, verb: str
) -> Judgement:
    cannot = [*_unmatched(policy), *_inexact(server)]
    kept = matching.carried(policy)
    made, ids, missing = _checked(settings, kept, server)
    cannot += missing
    if not ids:
        return Judgement(settings, [], "true", "''", "", "''", tuple(cannot))
    variables: Variables = [("pod", POD_OF)]
    if kept or applies:
        variables += [*identity, *matching.exempt(kept)]
    variables += [*checks.POD, *made]
    said = ", ".join(f"variables.{name}" for name in ids)
    variables.append(("failures", f"[{said}].filter(failure, failure != '')"))
    expression = "variables.failures.size() == 0"
    if applies:
        variables.insert(len(variables) - 1, ("applies", applies))
        expression = f"!variables.applies || {expression}"
    level = f'PodSecurity "{settings.asked}"'
    # A message of several lines would be dropped as a whole.
    words = f"{literal(f' {level}: ')} + variables.failures.join(', ').replace('\\n', ' ')"
    return Judgement(
        settings, variables, expression, f"{verb} + {words}", f"violates {level}", words, tuple(dict.fromkeys(cannot))
    )


def _checked(
    settings: Settings, exemptions: Sequence[Exemption], server: Server
) -> tuple[Variables, list[str], list[str]]:
    """The variables of all checks, the names of those with words, and what can't be checked."""
    version = min(settings.asked.version, server)
    variables: Variables = []
    ids, missing = [], []
    for control, _ in active(settings.enabled_controls(), version):
        if not control.standard and not settings.required(control.id):
            continue
        above, subjects = matching.subjects(control.id, exemptions, version, server)
        find = checks.standard if control.standard else checks.required
        made = find(control.id, subjects)
        if made is None:
            missing.append(f"controls.{control.id}.required: only `krm-harden check` asks for it")
            continue
        variables += [one for one in [*above, *made] if one not in variables]
        ids.append(control.id)
    return variables, ids, missing


def _unmatched(policy: Policy) -> Iterator[str]:
    """What of the policy's matches a cluster can't see."""
    entries = sequence(policy.spec.get("exemptions"))
    yield from matching.dates(policy.exemptions, entries)
    for one in matching.carried(policy):
        yield from matching.unmatched(one.match, one.where)
    for index, rule in enumerate(sequence(policy.spec.get("rules"))):
        yield from matching.unmatched(mapping(rule["match"]), f"rules[{index}]")


def _inexact(server: Server) -> Iterator[str]:
    if server < LISTS:
        yield (
            f"the order of values in messages: CEL can't sort before Kubernetes {LISTS[0]}.{LISTS[1]}, "
            "so they come as the pod has them, and as often"
        )

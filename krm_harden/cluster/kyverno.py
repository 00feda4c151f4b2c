"""A policy for Kyverno: ValidatingPolicy and MutatingPolicy of policies.kyverno.io, in CEL.

ClusterPolicy, with its validate.podSecurity, is deprecated from Kyverno 1.19 on.

Source: Kyverno 1.19, pkg/cel/policies/vpol and mpol; https://kyverno.io/docs/guides/migration-to-cel/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted, _gatekeeper_psp, _kyverno_psp, admission
from krm_harden.cluster._cel import judging, matching, psp
from krm_harden.cluster._cel.words import listed, literal
from krm_harden.cluster._gatekeeper_mutators import pod_security_policies
from krm_harden.policy import Settings
from krm_harden.psp.model import KIND, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.cluster._cel.judging import Judgement
    from krm_harden.cluster._cel.writing import Writing
    from krm_harden.policy import Policy
    from krm_harden.psp.model import PodSecurityPolicy

SUMMARY = "ValidatingPolicy and MutatingPolicy, for its engine and its command line"
API_VERSION = "policies.kyverno.io/v1"
TRUSTED = f"request.?userInfo.?username.orValue('') in {listed(['', *matching.CONTROLLERS])}"
"""Nobody asks in a background scan and on the command line, and nothing is stored: then any owner is believed."""


BY_THEMSELVES: Mapping[str, Any] = {"podControllers": {"controllers": []}}
"""No rules for other kinds are made of a policy: Kyverno would rewrite the text of expressions that know every kind."""
CONTEXT = (
    "(object.spec.?securityContext.hasValue() ? [] :\n"
    "  [JSONPatch{op: 'add', path: '/spec/securityContext', value: {}}])"
)
"""What the API server has put into a pod that it asks about, and a pod on the command line lacks."""


def emitted(policy: Policy, options: Options) -> Emitted:
    """The objects of a policy."""
    judged = judging.judgements(policy, options.kubernetes, identity=matching.identity(TRUSTED), verb=admission.VERB)
    writings = [*admission.writings(policy, options)]
    settings = Settings(policy, policy.effective(()))
    held = pod_security_policies(settings)
    objects: list[Mapping[str, Any]] = []
    for index, one in enumerate(judged):
        objects += _judging(_numbered(options.name, index), one, options)
    for index, made in enumerate(writings):
        objects.append(_mutating(_numbered(options.name, index), made))
    for index, policy_ in enumerate(held):
        name = _numbered(f"{options.name}-pod-security-policy", index)
        objects += _of_pod_security_policy(name, policy_, options.action_for(settings.on_violation))
    cannot = [
        *(line for one in judged for line in one.cannot),
        *(line for made in writings for line in made.cannot),
        *_uncarried(policy, held, writes=bool(writings)),
    ]
    return Emitted(tuple(objects), tuple(dict.fromkeys(cannot)))


def _numbered(name: str, index: int) -> str:
    return name if index == 0 else f"{name}-{index + 1}"


def _judging(name: str, judgement: Judgement, options: Options) -> Iterator[Mapping[str, Any]]:
    """One for pods and one for what makes them; none where nothing is checked."""
    if ("failures", "[]") in judgement.variables:
        return
    action = options.action_for(judgement.settings.on_violation)
    yield _validating(f"{name}-pods", judgement, [admission.PODS], admission.OF_PODS[action])
    yield _validating(f"{name}-workloads", judgement, admission.TEMPLATES, admission.OF_TEMPLATES[action])


def _uncarried(policy: Policy, held: Sequence[PodSecurityPolicy], *, writes: bool) -> Iterator[str]:
    """What isn't carried over of PodSecurityPolicies."""
    for index, rule in enumerate(policy.rules):
        if "podSecurityPolicy" in rule:
            yield f"rules[{index}].podSecurityPolicy: a PodSecurityPolicy is for all pods here"
    for one in policy.exemptions if held else ():
        if not one.expired and any(name == "*" or name.startswith(PREFIX) for name in one.controls):
            yield f"{one.where}: a PodSecurityPolicy has no exemptions here"
    if held and writes:
        yield "podSecurityPolicy: Kyverno doesn't say whether it writes the policy's users before our own"


def _validating(
    name: str, judgement: Judgement, rules: Sequence[Mapping[str, Any]], actions: Sequence[str]
) -> Mapping[str, Any]:
    words = (judgement.expression, judgement.message, judgement.message_expression)
    return _validating_policy(name, judgement.variables, words, rules, actions)


def _validating_policy(
    name: str,
    variables: Variables,
    words: tuple[str, str, str],
    rules: Sequence[Mapping[str, Any]],
    actions: Sequence[str],
) -> Mapping[str, Any]:
    expression, message, message_expression = words
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingPolicy",
        "metadata": {"name": name},
        "spec": {
            "validationActions": list(actions),
            "failurePolicy": "Fail",
            "autogen": BY_THEMSELVES,
            "matchConstraints": {"resourceRules": list(rules)},
            "matchConditions": [
                admission.NOT_OF_KUBERNETES,
                {"name": "significant", "expression": judging.SIGNIFICANT},
            ],
            "variables": [{"name": key, "expression": text} for key, text in variables],
            "validations": [{"expression": expression, "message": message, "messageExpression": message_expression}],
        },
    }


def _of_pod_security_policy(name: str, policy: PodSecurityPolicy, action: str) -> Iterator[Mapping[str, Any]]:
    """What a PodSecurityPolicy refused; and what it set, where something is refused: else pods could change for it."""
    made = [("unusable", literal(policy.unusable))] if policy.unusable else psp.refusals(policy)
    if made:
        said = ", ".join(f"variables.{field}" for field, _ in made)
        variables: Variables = [*psp.POD, *made, ("failures", f"[{said}].filter(words, words != '')")]
        head = f"{KIND} {policy.name}"
        words = f"{literal(head + ': ')} + variables.failures.join('; ')"
        expressions = ("variables.failures.size() == 0", head, words)
        yield _validating_policy(name, variables, expressions, [admission.PODS], admission.OF_PODS[action])
    written = [*_kyverno_psp.patches(_gatekeeper_psp.writes(policy)[0])]
    if written and action == "deny":
        yield _mutating_policy(name, _kyverno_psp.VARIABLES, " +\n".join(written))


def _mutating(name: str, made: Writing) -> Mapping[str, Any]:
    return _mutating_policy(name, made.variables, made.patches)


def _mutating_policy(name: str, variables: Variables, patches: str) -> Mapping[str, Any]:
    """What is written to a pod that is created."""
    return {
        "apiVersion": API_VERSION,
        "kind": "MutatingPolicy",
        "metadata": {"name": name},
        "spec": {
            # What it can't write stays as it was, and is judged so.
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "autogen": BY_THEMSELVES,
            "matchConstraints": {"resourceRules": [admission.CREATED]},
            "matchConditions": [admission.NOT_OF_KUBERNETES],
            "variables": [{"name": key, "expression": text} for key, text in variables],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"{CONTEXT} +\n{patches}"}}],
        },
    }

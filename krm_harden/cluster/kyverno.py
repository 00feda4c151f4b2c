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
    objects: list[Mapping[str, Any]] = []
    for index, one in enumerate(judged):
        if one.variables:
            name = options.name if index == 0 else f"{options.name}-{index + 1}"
            action = options.action_for(one.settings.on_violation)
            objects.append(_validating(f"{name}-pods", one, [admission.PODS], admission.OF_PODS[action]))
            templates = admission.OF_TEMPLATES[action]
            objects.append(_validating(f"{name}-workloads", one, admission.TEMPLATES, templates))
    cannot = [line for one in judged for line in one.cannot]
    for index, made in enumerate(admission.writings(policy, options)):
        objects.append(_mutating(options.name if index == 0 else f"{options.name}-{index + 1}", made))
        cannot += made.cannot
    for index, (settings, held) in enumerate(_pod_security_policies(policy, cannot)):
        name = f"{options.name}-pod-security-policy{f'-{index + 1}' if index else ''}"
        objects += _of_pod_security_policy(name, held, options.action_for(settings.on_violation))
    return Emitted(tuple(objects), tuple(dict.fromkeys(cannot)))


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


def _pod_security_policies(policy: Policy, cannot: list[str]) -> list[tuple[Settings, PodSecurityPolicy]]:
    """The PodSecurityPolicies of a policy, and what of them isn't carried over."""
    settings = Settings(policy, policy.effective(()))
    found = pod_security_policies(settings)
    for index, rule in enumerate(policy.rules):
        if "podSecurityPolicy" in rule:
            cannot.append(f"rules[{index}].podSecurityPolicy: a PodSecurityPolicy is for all pods here")
    cannot += [
        f"{one.where}: a PodSecurityPolicy has no exemptions here"
        for one in policy.exemptions
        if found and not one.expired and any(name == "*" or name.startswith(PREFIX) for name in one.controls)
    ]
    return [(settings, one) for one in found]


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

"""A policy for Kyverno: ValidatingPolicy and MutatingPolicy of policies.kyverno.io, in CEL.

ClusterPolicy, with its validate.podSecurity, is deprecated from Kyverno 1.19 on.

Source: Kyverno 1.19, pkg/cel/policies/vpol and mpol; https://kyverno.io/docs/guides/migration-to-cel/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted, admission
from krm_harden.cluster._cel import judging, matching
from krm_harden.cluster._cel.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.cluster._cel.judging import Judgement
    from krm_harden.cluster._cel.writing import Writing
    from krm_harden.policy import Policy

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
    return Emitted(tuple(objects), tuple(dict.fromkeys(cannot)))


def _validating(
    name: str, judgement: Judgement, rules: Sequence[Mapping[str, Any]], actions: Sequence[str]
) -> Mapping[str, Any]:
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
            "variables": [{"name": key, "expression": text} for key, text in judgement.variables],
            "validations": [
                {
                    "expression": judgement.expression,
                    "message": judgement.message,
                    "messageExpression": judgement.message_expression,
                }
            ],
        },
    }


def _mutating(name: str, made: Writing) -> Mapping[str, Any]:
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
            "variables": [{"name": key, "expression": text} for key, text in made.variables],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"{CONTEXT} +\n{made.patches}"}}],
        },
    }

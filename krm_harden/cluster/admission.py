"""A policy as objects of the API server itself: ValidatingAdmissionPolicy and MutatingAdmissionPolicy, with bindings.

Source: k8s.io/api, admissionregistration; https://kubernetes.io/docs/reference/access-authn-authz/
validating-admission-policy/ and mutating-admission-policy/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted
from krm_harden.cluster._cel import judging, matching, words, writing
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.cluster._cel.judging import Judgement
    from krm_harden.policy import Policy, Settings

SUMMARY = "ValidatingAdmissionPolicy and MutatingAdmissionPolicy: the API server's own, in CEL"
GROUP = "admissionregistration.k8s.io"
VALIDATING = (1, 30)
"""The first server with ValidatingAdmissionPolicy in v1, and with the CEL that it takes."""
MUTATING = (1, 36)
"""The first with MutatingAdmissionPolicy in v1: before that it is off by default."""
CREATED = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
PODS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["pods", "pods/ephemeralcontainers"],
}
TEMPLATES = [
    {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["podtemplates", "replicationcontrollers"],
    },
    {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["daemonsets", "deployments", "replicasets", "statefulsets"],
    },
    {
        "apiGroups": ["batch"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["cronjobs", "jobs"],
    },
]
"""What the API server has that makes pods: Pod Security warns of these, and refuses only pods."""
NOT_OF_KUBERNETES = {
    "name": "not-of-kubernetes",
    "expression": "!request.namespace.startsWith('kube-')",
}
"""What the cluster itself runs is left alone, as by `fix`."""
OF_PODS = {"deny": ["Deny"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
"""What becomes of a pod, by the action; Kubernetes refuses Deny beside Warn, which would say the same twice."""
OF_TEMPLATES = {"deny": ["Warn", "Audit"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
VERB = "(object.kind == 'Pod' ? 'violates' : 'would violate')"
"""As Pod Security says it: of what makes pods it only warns."""
SOFTLY = "'would violate'"
"""Where nothing is refused."""


def emitted(policy: Policy, options: Options) -> Emitted:
    """The objects of a policy. Raises ConfigError for a server that is too old, and for what none takes."""
    if options.kubernetes < VALIDATING:
        said = ".".join(map(str, options.kubernetes))
        raise ConfigError(
            f"Kubernetes {said} has no ValidatingAdmissionPolicy of version v1",
            next_step="it came with 1.30: take gatekeeper, or a newer --kubernetes",
        )
    from krm_harden.cluster import _admission_psp
    from krm_harden.cluster._unsaid import unsaid

    judged = judging.judgements(policy, options.kubernetes, verb=VERB)
    objects: list[Mapping[str, Any]] = []
    for one in judged:
        if one.variables:
            objects += _validating(_numbered(options.name, objects), one, options)
    cannot = [*unsaid(policy), *(line for one in judged for line in one.cannot)]
    objects += _admission_psp.validating(policy, options)
    cannot += _admission_psp.uncarried(policy)
    if options.kubernetes >= MUTATING:
        written: list[Mapping[str, Any]] = []
        for settings, applies in judging.settings_of(policy, (*writing.FIELDS, "podSecurityPolicy")):
            made, more = _written(_numbered(options.name, written), settings, applies, options)
            written += made
            cannot += more
        objects += written
    else:
        cannot.append(
            f"what `fix` writes: MutatingAdmissionPolicy is served from Kubernetes {MUTATING[0]}.{MUTATING[1]} on, "
            "so pods are judged and not changed"
        )
    words.must_fit(objects, policy.name)
    return Emitted(tuple(objects), tuple(dict.fromkeys(cannot)))


def _numbered(name: str, objects: Sequence[Mapping[str, Any]]) -> str:
    """The name of the next policy: the first has no number."""
    count = sum(not one["kind"].endswith("Binding") for one in objects)
    return f"{name}-{count + 1}" if count else name


def _written(
    name: str, settings: Settings, applies: str, options: Options
) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
    """A MutatingAdmissionPolicy for what some settings write, its binding, and what it can't write.

    What a PodSecurityPolicy sets comes first, and so wins over our defaults.
    """
    from krm_harden.cluster import _admission_psp

    kept = matching.carried(settings.policy)
    made = writing.writing(settings, kept, applies, options.kubernetes)
    variables, expressions = _admission_psp.mutations(settings, kept)
    if applies:
        expressions = [f"!variables.applies ? [] : (\n{said})" for said in expressions]
    if made is None and not expressions:
        return (), ()
    if made is None:
        above = _admission_psp.above(kept, applies) if kept or applies else []
        return [*_mutating(name, [*above, *variables], expressions)], ()
    return [*_mutating(name, [*made.variables, *variables], [*expressions, made.patches])], made.cannot


def _mutating(name: str, variables: Variables, expressions: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """A MutatingAdmissionPolicy for pods that are created, and its binding."""
    yield {
        "apiVersion": f"{GROUP}/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            # What it can't write stays as it was, and is judged so.
            "failurePolicy": "Ignore",
            # Once more after what a webhook has put into the pod.
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {"resourceRules": [CREATED]},
            "matchConditions": [NOT_OF_KUBERNETES],
            "variables": [{"name": key, "expression": expression} for key, expression in variables],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": said}} for said in expressions],
        },
    }
    yield {
        "apiVersion": f"{GROUP}/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }


def _validating(name: str, judgement: Judgement, options: Options) -> Iterator[Mapping[str, Any]]:
    """A ValidatingAdmissionPolicy, and its bindings: one for pods, one for what makes them."""
    action = options.action_for(judgement.settings.on_violation)
    yield {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [PODS, *TEMPLATES]},
            "matchConditions": [
                NOT_OF_KUBERNETES,
                {"name": "significant", "expression": judging.SIGNIFICANT},
            ],
            "variables": [{"name": key, "expression": expression} for key, expression in judgement.variables],
            "validations": [
                {
                    "expression": judgement.expression,
                    "message": judgement.message,
                    "messageExpression": f"{VERB if action == 'deny' else SOFTLY} + {judgement.said}",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    yield _binding(f"{name}-pods", name, [PODS], OF_PODS[action])
    yield _binding(f"{name}-workloads", name, TEMPLATES, OF_TEMPLATES[action])


def _binding(name: str, policy: str, rules: Sequence[Mapping[str, Any]], actions: Sequence[str]) -> Mapping[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": policy,
            "validationActions": list(actions),
            "matchResources": {"resourceRules": list(rules)},
        },
    }

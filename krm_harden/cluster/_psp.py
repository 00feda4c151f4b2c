"""A PodSecurityPolicy as admission policies: what it refused is refused again, what it set is set again.

The admission first set what a pod left out, and judged what came of it. `emitted` judges alone: without `writing`, a
pod that relied on that is refused for the lack of it, until its manifest says what the policy would have set. What the
policy would only have added, the capabilities of `defaultAddCapabilities`, isn't asked for.

One thing is stricter than it was: containers that are added to a running pod (`kubectl debug`) are judged, which the
admission passed over. One is looser: updates that change no image are left alone, so that old pods can be labelled and
go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted
from krm_harden.cluster._cel import psp, psp_writing
from krm_harden.cluster._cel.judging import SIGNIFICANT
from krm_harden.cluster._cel.words import listed, literal
from krm_harden.cluster.admission import CREATED, GROUP, MUTATING, NOT_OF_KUBERNETES, OF_PODS, PODS, VALIDATING
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.psp.model import PodSecurityPolicy

    Uses = Mapping[str, Sequence[str]]
    """The service accounts that a policy is for, by namespace; none for all of a namespace."""


def emitted(policy: PodSecurityPolicy, options: Options, uses: Uses | None = None, skip: Iterable[str] = ()) -> Emitted:
    """A ValidatingAdmissionPolicy and its binding, both of the options' name; nothing where nothing can be refused.

    `uses` says for whom they are, all but `kube-*` without it. `skip` are fields of the policy that something else
    holds already, such as the namespace's level. Raises ConfigError for a server that is too old.
    """
    if options.kubernetes < VALIDATING:
        said = ".".join(map(str, options.kubernetes))
        raise ConfigError(
            f"Kubernetes {said} has no ValidatingAdmissionPolicy of version v1",
            next_step="it came with 1.30: take a newer --kubernetes",
        )
    made = psp.refusals(policy, skip)
    if policy.unusable:
        made = {"unusable": [("unusable", literal(f"unusable: {policy.unusable}"))]}
    if not made:
        return Emitted(())
    rule = {"policyName": options.name, "validationActions": OF_PODS[options.action_for("Fail")], **_where(uses)}
    return Emitted((_policy(policy, options, uses, made), _binding("Validating", options, rule)))


def writing(policy: PodSecurityPolicy, options: Options, uses: Uses | None = None) -> Emitted:
    """A MutatingAdmissionPolicy and its binding, which set in created pods what the policy set.

    For a server that is too old there is none, and `cannot` says so.
    Beside others that a pod might have got it may set what was never set: the admission preferred a policy that
    changes nothing, and the first by name among those that do.
    """
    variables, patches = psp_writing.patches(policy)
    if not patches:
        return Emitted(())
    if options.kubernetes < MUTATING:
        newest = ".".join(map(str, MUTATING))
        said = (
            f"what PodSecurityPolicy {policy.name} sets: MutatingAdmissionPolicy is served from Kubernetes {newest} on"
        )
        return Emitted((), (said,))
    spec = {
        # What it can't write stays as it was, and is judged so.
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {"resourceRules": [CREATED]},
        "matchConditions": [*_for_whom(uses)],
        "variables": [{"name": name, "expression": expression} for name, expression in variables],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patches}}],
    }
    kept = {name: value for name, value in spec.items() if value}
    binding = _binding("Mutating", options, {"policyName": options.name, **_where(uses)})
    return Emitted((_object("MutatingAdmissionPolicy", options, kept), binding))


def _policy(
    policy: PodSecurityPolicy, options: Options, uses: Uses | None, made: Mapping[str, Variables]
) -> Mapping[str, Any]:
    said = ",\n".join(f"  variables.{field}" for field in made)
    of_fields = [one for variables in made.values() for one in variables]
    variables = [*psp.POD, *of_fields, ("failures", f"[\n{said}\n].filter(words, words != '')")]
    subject = f"PodSecurityPolicy {policy.name}"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [PODS]},
        "matchConditions": [*_for_whom(uses), {"name": "significant", "expression": SIGNIFICANT}],
        "variables": [{"name": name, "expression": expression} for name, expression in variables],
        "validations": [
            {
                "expression": "variables.failures.size() == 0",
                "message": f"{subject} refuses it",
                "messageExpression": f"{literal(f'{subject}: ')} + variables.failures.join('; ')",
                "reason": "Forbidden",
            }
        ],
    }
    return _object("ValidatingAdmissionPolicy", options, spec)


def _for_whom(uses: Uses | None) -> Iterator[Mapping[str, Any]]:
    if uses is None:
        yield NOT_OF_KUBERNETES
    elif any(uses.values()):
        account = "object.spec.?serviceAccountName.orValue('default')"
        parts = [
            f"request.namespace == {literal(namespace)} && {account} in {listed(sorted(accounts))}"
            if accounts
            else f"request.namespace == {literal(namespace)}"
            for namespace, accounts in sorted(uses.items())
        ]
        yield {"name": "uses-the-policy", "expression": " ||\n".join(parts)}


def _where(uses: Uses | None) -> Mapping[str, Any]:
    """The namespaces of a binding."""
    if uses is None:
        return {}
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(uses)}
    return {"matchResources": {"namespaceSelector": {"matchExpressions": [names]}}}


def _binding(sort: str, options: Options, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(f"{sort}AdmissionPolicyBinding", options, spec)


def _object(kind: str, options: Options, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": options.name}, "spec": spec}

"""A PodSecurityPolicy as a ValidatingAdmissionPolicy: what it refused in a pod as it is, refused again.

The admission first set what a pod left out, and judged what came of it. Here nothing is set: a pod that relied on that
is refused for the lack of it, until its manifest says what the policy would have set. What the policy would only have
added, the capabilities of `defaultAddCapabilities`, isn't asked for.

Two things are stricter than they were: containers that are added to a running pod (`kubectl debug`) are judged, which
the admission passed over; and one is looser: updates that change no image, so that old pods can be labelled and go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted
from krm_harden.cluster._cel import psp
from krm_harden.cluster._cel.judging import SIGNIFICANT
from krm_harden.cluster._cel.words import listed, literal
from krm_harden.cluster.admission import GROUP, NOT_OF_KUBERNETES, OF_PODS, PODS, VALIDATING
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
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
    made = [("unusable", literal(f"unusable: {policy.unusable}"))] if policy.unusable else psp.refusals(policy, skip)
    if not made:
        return Emitted(())
    return Emitted((_policy(policy, options, uses, made), _binding(options, uses)))


def _policy(
    policy: PodSecurityPolicy, options: Options, uses: Uses | None, made: Sequence[tuple[str, str]]
) -> Mapping[str, Any]:
    said = ", ".join(f"variables.{name}" for name, _ in made)
    variables = [*psp.POD, *made, ("failures", f"[{said}].filter(words, words != '')")]
    subject = f"PodSecurityPolicy {policy.name}"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": options.name},
        "spec": {
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
        },
    }


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


def _binding(options: Options, uses: Uses | None) -> Mapping[str, Any]:
    spec: dict[str, Any] = {"policyName": options.name, "validationActions": OF_PODS[options.action_for("Fail")]}
    if uses is not None:
        names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(uses)}
        spec["matchResources"] = {"namespaceSelector": {"matchExpressions": [names]}}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": options.name},
        "spec": spec,
    }

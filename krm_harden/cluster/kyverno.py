"""A policy for Kyverno: ValidatingPolicy and MutatingPolicy of policies.kyverno.io, in CEL.

They are the admission policies in Kyverno's words, so that both say and write the same. ClusterPolicy, with its
validate.podSecurity, is deprecated from Kyverno 1.19 on.

Source: Kyverno 1.19, pkg/cel/policies/vpol and mpol; https://kyverno.io/docs/guides/migration-to-cel/
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted, admission
from krm_harden.cluster._cel import matching
from krm_harden.cluster._cel.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.cluster import Options
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
    # Kyverno brings its own engine, so that an older server takes them too.
    judged = admission.emitted(policy, replace(options, kubernetes=max(options.kubernetes, admission.VALIDATING)))
    written = admission.emitted(policy, replace(options, kubernetes=max(options.kubernetes, admission.MUTATING)))
    objects = [*_validating(judged.objects), *_mutating(written.objects)]
    cannot = [line for line in judged.cannot if "MutatingAdmissionPolicy" not in line]
    return Emitted(tuple(objects), tuple(dict.fromkeys([*cannot, *written.cannot])))


def _validating(objects: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """A policy for each binding of a ValidatingAdmissionPolicy."""
    policies = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "ValidatingAdmissionPolicy"}
    for binding in objects:
        if binding["kind"] == "ValidatingAdmissionPolicyBinding":
            yield _of_binding(binding, policies[binding["spec"]["policyName"]])


def _of_binding(binding: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = ("expression", "message", "messageExpression")
    matched = {**spec["matchConstraints"], **binding["spec"].get("matchResources", {})}
    return _object(
        "ValidatingPolicy",
        binding["metadata"]["name"],
        {
            "validationActions": binding["spec"]["validationActions"],
            "failurePolicy": spec["failurePolicy"],
            "autogen": BY_THEMSELVES,
            "matchConstraints": matched,
            "matchConditions": spec["matchConditions"],
            "variables": _believed(spec["variables"]),
            "validations": [{key: one[key] for key in kept} for one in spec["validations"]],
        },
    )


def _mutating(objects: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for one in objects:
        if one["kind"] == "MutatingAdmissionPolicy":
            spec = one["spec"]
            first = {"patchType": "JSONPatch", "jsonPatch": {"expression": CONTEXT}}
            changed = {"autogen": BY_THEMSELVES, "mutations": [first, *spec["mutations"]]}
            yield _object(
                "MutatingPolicy",
                one["metadata"]["name"],
                {**spec, "variables": _believed(spec["variables"]), **changed},
            )


def _believed(variables: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return [{**one, "expression": one["expression"].replace(matching.TRUSTED, TRUSTED)} for one in variables]


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}

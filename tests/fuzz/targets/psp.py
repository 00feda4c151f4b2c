"""PodSecurityPolicies and pods of anything: read or refused in a line, and what is admitted is admitted again."""

from __future__ import annotations

import copy
from typing import Any

import manifests
from choices import Choices, expect_something

from krm_harden import policy
from krm_harden.commands import _pod_security
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError
from krm_harden.patch import Draft
from krm_harden.psp import policy as policies
from krm_harden.psp.admission import admit
from krm_harden.psp.created import created

MODULES = ("psp.policy", "psp.validation", "psp.admission", "psp.draft", "psp.created", "psp.demands", "psp.rbac", "psp.stated", "psp.controls", "psp.acceptance", "psp.ranges")  # fmt: skip
RULES = ("RunAsAny", "MustRunAs", "MayRunAs", "MustRunAsNonRoot", "runAsAny", "")
NUMBERS = (0, 1, 1000, 65535, 65536, -1, 2**31, 2**63, None, "1", True, 1.5)
WORDS = (
    "*",
    "ALL",
    "NET_RAW",
    "SYS_ADMIN",
    "CHOWN",
    "hostPath",
    "emptyDir",
    "projected",
    "/var",
    "/",
    "kernel.*",
    "",
    None,
    1,
)
PROFILES = ("runtime/default", "docker/default", "unconfined", "localhost/a", "localhost/", "", "*", "none", None)
NOTES = (
    *(
        "seccomp.security.alpha.kubernetes.io/allowedProfileNames",
        "seccomp.security.alpha.kubernetes.io/defaultProfileName",
    ),
    *(
        "apparmor.security.beta.kubernetes.io/allowedProfileNames",
        "apparmor.security.beta.kubernetes.io/defaultProfileName",
    ),
)


def seeds() -> list[bytes]:
    return [bytes((start * step + 13 * start) % 256 for step in range(length)) for start in range(1, 24) for length in (40, 120)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    said = _policy(choices)
    pod = manifests.workload(choices)
    more = [_grant(choices) for _ in range(choices.below(3))]
    _as_the_policy_of_a_list(said, pod, more)
    try:
        found = policies.of_data(said, "policy")
    except ConfigError as error:
        expect_something(error)
        return
    _admission(found, created(pod if pod["kind"] == "Pod" else {"metadata": {}, "spec": manifests.pod_spec(choices)}))


def _admission(found: Any, pod: dict[str, Any]) -> None:
    for error in admit(found, pod).errors:
        assert str(error)
    if not _is_one_of_the_api(pod):
        return
    for server in ((1, 18), (1, 24), (1, 37)):
        before = copy.deepcopy(pod)
        outcome = admit(found, pod, server)
        assert before == pod
        for error in outcome.errors:
            expect_something(error)
        draft = Draft(copy.deepcopy(pod))
        for change in outcome.changes:
            draft.apply(change.operation)
        again = admit(found, created(draft.data), server)
        assert again.changes == (), (found.spec, pod, [change.operation.path for change in again.changes])
        if outcome.admits:
            assert again.admits, (found.spec, pod, [str(error) for error in again.errors])


def _is_one_of_the_api(pod: dict[str, Any]) -> bool:
    """Whether the server takes such a pod at all: fields of their types, containers with names of their own."""
    said = manifests.as_json({"apiVersion": "v1", "kind": "Pod", **pod, "metadata": {"name": "a"}}).encode()
    if any(chunk.error for chunk in Engine(policy.Policy({}), checking=True).both_passes(said)):
        return False
    spec = pod.get("spec") or {}
    every = [one for name in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(name) or ()]
    names = [one.get("name") if isinstance(one, dict) else None for one in every]
    return None not in names and len({*names}) == len(names)


def _as_the_policy_of_a_list(said: Any, pod: dict[str, Any], more: list[Any]) -> None:
    """As the functionConfig, and beside the manifests with what says who may use it."""
    for make in (
        lambda: policy.from_data(said, "policy"),
        lambda: _pod_security.of_objects(policy.Policy({}), [said, *more], alone=True),
    ):
        try:
            found = make()
        except ConfigError as error:
            expect_something(error)
            continue
        text = manifests.as_json(pod).encode()
        engine = Engine(found, rendered=True)
        once = b"".join(chunk.text for chunk in engine.both_passes(text))
        assert b"".join(chunk.text for chunk in engine.both_passes(once)) == once


def _policy(choices: Choices) -> Any:
    spec = {name: {"rule": "RunAsAny"} for name in ("runAsUser", "fsGroup", "supplementalGroups", "seLinux")}
    for _ in range(choices.below(8)):
        name = choices.of(tuple(policies.SPEC))
        spec[name] = _value(choices, policies.SPEC[name])
    meta = {"name": manifests.word(choices) if choices.one_in(5) else "p"}
    if choices.one_in(3):
        meta["annotations"] = {choices.of(NOTES): choices.of(PROFILES) for _ in range(1 + choices.below(3))}
    version = choices.of(("policy/v1beta1", "extensions/v1beta1")) if not choices.one_in(20) else "v1"
    return {"apiVersion": version, "kind": "PodSecurityPolicy", "metadata": meta, "spec": spec}


def _value(choices: Choices, expected: Any) -> Any:
    if choices.one_in(16):
        return choices.of((None, {}, [], "x", 1, True, [None], [{}]))
    if isinstance(expected, list):
        return [_value(choices, expected[0]) for _ in range(choices.below(4))]
    if isinstance(expected, dict):
        made = {name: _value(choices, inner) for name, inner in expected.items() if choices.below(3)}
        return made | ({"rule": choices.of(RULES)} if "rule" in expected else {})
    if expected == policies.BOOL:
        return choices.of((True, False, None, "true"))
    return choices.of(WORDS) if expected == policies.TEXT else choices.of(NUMBERS)


def _grant(choices: Choices) -> Any:
    kind = choices.of(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount"))
    rule = {"apiGroups": [choices.of(("policy", "*", ""))], "resources": [choices.of(("podsecuritypolicies", "*"))], "verbs": ["use"], "resourceNames": [choices.of(("p", "*", "x", None))]}  # fmt: skip
    subject = {"kind": choices.of(("ServiceAccount", "Group", "User", "")), "name": choices.of(("default", "system:authenticated", "")), "namespace": choices.of(("default", "", None))}  # fmt: skip
    body = {
        "rules": [rule, choices.of(({}, None, rule))],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": choices.of(("Role", "ClusterRole", "")), "name": "r"},
        "subjects": [subject] if choices.below(4) else None,
        "automountServiceAccountToken": choices.of((None, True, False, "x")),
        "aggregationRule": choices.of((None, {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, {"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]})),
    }  # fmt: skip
    version = "v1" if kind == "ServiceAccount" else "rbac.authorization.k8s.io/v1"
    meta = {"name": choices.of(("r", "default", None)), "namespace": choices.of(("default", "a", None))}
    kept = {name: value for name, value in body.items() if choices.below(3)}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **kept}

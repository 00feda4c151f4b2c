"""Changes of a PodSecurityPolicy that the API server refuses in the pod: judged by its own way to create one."""

from __future__ import annotations

import json

import pytest
from judges import admission
from psp_cases import Case, cases

from krm_harden.patch import Draft
from krm_harden.psp.acceptance import unacceptable
from krm_harden.psp.admission import admit
from krm_harden.psp.created import created

IDS = {
    name: {"rule": "MustRunAs", "ranges": [{"min": 2**31, "max": 2**40}]}
    for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")
}
RESTRICTED = {
    "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "runAsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "supplementalGroups": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"level": "s0"}},
    "requiredDropCapabilities": ["ALL"],
    "defaultAddCapabilities": ["CHOWN"],
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "runtimeClass": {"allowedRuntimeClassNames": ["*"], "defaultRuntimeClassName": "gvisor"},
}
PROFILES = {
    f"{name}.kubernetes.io/defaultProfileName": "runtime/default"
    for name in ("seccomp.security.alpha", "apparmor.security.beta")
}
PRIVILEGED = {"privileged": True, "allowPrivilegeEscalation": False}
ROWS = {
    "a privileged container": (PRIVILEGED, {"containers": [{}, {"securityContext": {"privileged": True}}]}),
    "one that says so itself": (
        PRIVILEGED,
        {"containers": [{"securityContext": {"privileged": True, "allowPrivilegeEscalation": True}}]},
    ),
    "one with all rights by name": (
        {"allowPrivilegeEscalation": False, "allowedCapabilities": ["*"]},
        {"containers": [{"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}}]},
    ),
    "one with all rights by the runtime's name": (
        {"allowPrivilegeEscalation": False, "allowedCapabilities": ["*"]},
        {"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
    ),
    "all rights by default": (
        {"defaultAddCapabilities": ["CAP_SYS_ADMIN"]},
        {"containers": [{}, {"securityContext": {"allowPrivilegeEscalation": False}}]},
    ),
    "all rights by default, beside others": (
        {"defaultAddCapabilities": ["CAP_SYS_ADMIN"], "allowedCapabilities": ["KILL"]},
        {"containers": [{"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["KILL"]}}}]},
    ),
    "ids of more than 31 bits": (IDS, {}),
    "a pod for Windows": (RESTRICTED, {"os": {"name": "windows"}}),
    "a pod for Linux": (RESTRICTED, {"os": {"name": "linux"}}),
    "a pod for Windows that must not be root": (
        {"runAsUser": {"rule": "MustRunAsNonRoot"}},
        {"os": {"name": "windows"}},
    ),
}
CASES = [
    Case(name, {"case": name, "policy": policy, "pod": pod, "annotations": PROFILES})
    for name, (policy, pod) in ROWS.items()
]


def sent(case, changes):
    draft = Draft(case.pod_manifest)
    for change in changes:
        draft.apply(change.operation)
    return draft.data


def judged(pods):
    return admission([json.dumps(pod) for pod in pods], "privileged", "latest")


def all_changes(case):
    return admit(case.policy, created(case.pod)).changes


def test_what_the_api_server_refuses_is_known_in_its_words():
    for case, said in zip(CASES, judged([sent(case, all_changes(case)) for case in CASES]), strict=True):
        found = unacceptable(case.pod, all_changes(case))

        assert (said["code"] == 201) == (not found), (case.name, said)
        for _, error in found:
            # It prints a container's whole security context, places in memory included.
            for part in (error.path, error.detail):
                assert part in said["message"], case.name
            if error.shown or error.type == "Forbidden":
                assert str(error) in said["message"], case.name


def test_without_them_it_takes_the_pod():
    def rest(case):
        changes = all_changes(case)
        bad = {id(change) for change, _ in unacceptable(case.pod, changes)}
        return [change for change in changes if id(change) not in bad]

    answers = judged([sent(case, rest(case)) for case in CASES])

    assert {case.name: said["message"] for case, said in zip(CASES, answers, strict=True) if said["code"] != 201} == {}


def test_it_takes_every_pod_of_the_table_or_we_know_why():
    admitted = [case for case in cases() if case.server >= (1, 30)]
    before = judged([case.pod_manifest for case in admitted])
    after = judged([sent(case, all_changes(case)) for case in admitted])

    for case, first, second in zip(admitted, before, after, strict=True):
        if first["code"] == 201:
            assert (second["code"] == 201) == (not unacceptable(case.pod, all_changes(case))), (case.name, second)


def test_what_an_author_says_alone_is_not_the_policys_fault():
    pod = {"containers": [{"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}]}
    case = Case(
        "author", {"case": "author", "policy": {"privileged": True, "readOnlyRootFilesystem": True}, "pod": pod}
    )

    assert unacceptable(case.pod, all_changes(case)) == []


@pytest.mark.parametrize(
    "name, said",
    [
        ("a privileged container", ["spec.containers[1].securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"]),
        ("all rights by default", ["spec.containers[1].securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"]),
        ("ids of more than 31 bits", [
            "spec.securityContext.supplementalGroups[0]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
            "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
            "spec.containers[0].securityContext.runAsUser: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
            "spec.containers[0].securityContext.runAsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
        ]),
    ],
)  # fmt: skip
def test_the_change_is_named(name, said):
    case = next(case for case in CASES if case.name == name)

    assert [str(error) for _, error in unacceptable(case.pod, all_changes(case))] == said

"""What each field of a PodSecurityPolicy sets and refuses: the table in tests/psp/fields/, words in the snapshots.

The table is run through the code of Kubernetes 1.24 itself in test_psp_judge.py.
"""

from __future__ import annotations

import copy
import json
import re
import time

import psp_cases
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import controls
from krm_harden.model import dotted, lookup
from krm_harden.patch import Draft
from krm_harden.psp import admission
from krm_harden.psp.admission import admit, validate
from krm_harden.psp.created import created
from krm_harden.psp.fields import IDS, documentation, load, module_of, nothing

FILES = sorted(psp_cases.FOLDER.glob("*.yaml"))
CASES = psp_cases.cases()
HEADINGS = ["Field", "Sets", "Refuses", "Today"]


def outcome_of(case):
    return admit(case.policy, created(case.pod), case.server)


def sets_of(outcome):
    """What an outcome writes: each field's value; behind `[-]` what a list gets more."""
    found = {}
    for change in outcome.changes:
        path = dotted(change.operation.path)
        if path.endswith(".-"):
            found.setdefault(f"{path[:-2]}[-]", []).append(change.operation.value)
        else:
            assert path not in found
            found[path] = change.operation.value
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_field_sets_and_refuses_what_its_table_says_in_the_words_of_the_api_server(path, snapshot):
    lines = []
    for case in psp_cases.of_file(path):
        outcome = outcome_of(case)
        assert (sets_of(outcome), [error.path for error in outcome.errors]) == (case.sets, case.refuses), case.name
        lines += [f"{case.name}:", *(f"  {change.field}: {_shown(change)}" for change in outcome.changes)]
        lines += [f"  {error.field}: {error}" for error in outcome.errors]

    assert "\n".join(lines) == snapshot


def _shown(change):
    return f"{dotted(change.operation.path)} = {json.dumps(change.operation.value)}"


def test_every_field_has_its_file_of_at_least_six_cases():
    counts = {path.stem: len(psp_cases.of_file(path)) for path in FILES}

    assert set(counts) == {module_of(field) for field in IDS}
    assert {name: count for name, count in counts.items() if count < 6} == {}
    assert len({(case.field, case.name) for case in CASES}) == len(CASES)


def test_every_field_is_seen_to_refuse_or_to_set():
    seen = {
        effect.field
        for case in CASES
        for outcome in [outcome_of(case)]
        for effect in (*outcome.changes, *outcome.errors)
    }

    assert seen == set(IDS)


@pytest.mark.parametrize("field", IDS)
def test_each_field_is_documented_under_the_same_headings(field):
    text = documentation(field)

    assert [line[2 : line.index("**:")] for line in text.splitlines() if line.startswith("**")] == HEADINGS
    assert load(field).control == f"podSecurityPolicy.{field}"
    named = re.findall(r"controls? ((?:`\w+`(?: and |, )?)+)", text)
    assert set(re.findall(r"`(\w+)`", " ".join(named))) <= set(controls.load())


def test_a_pod_with_its_changes_is_admitted_or_refused_alike_and_gets_no_more_changes():
    for case in CASES:
        outcome = outcome_of(case)
        draft = Draft(case.pod)
        for change in outcome.changes:
            draft.apply(change.operation)

        again = admit(case.policy, created(draft.data), case.server)

        assert again.changes == (), case.name
        assert _without_order(again.errors) == _without_order(outcome.errors), case.name


def _without_order(errors):
    """An older name of a profile comes back as today's."""
    return sorted({str(error).replace("docker/default is", "runtime/default is") for error in errors})


def test_judging_leaves_the_pod_and_the_policy_as_they_were():
    for case in CASES:
        policy, pod = case.policy, created(case.pod)
        before = copy.deepcopy((policy.spec, policy.annotations, pod, case.pod))

        admit(policy, pod, case.server)

        assert (policy.spec, policy.annotations, pod, case.pod) == before


def test_each_refusal_points_to_what_it_refuses():
    for case in CASES:
        pod = created(case.pod)
        for error in admit(case.policy, pod, case.server).errors:
            found = lookup(pod, error.pointer)
            is_said = error.value in (None, found) or found is None  # or it is a default
            assert is_said or error.field == "volumes", (case.name, str(error))
            assert error.container is None or lookup(pod, ("spec", *error.container)) is not None


RESTRICTED = {
    "requiredDropCapabilities": ["ALL"],
    "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "runAsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "supplementalGroups": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 5}]},
    "seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"level": "s0"}},
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
}
PROFILES = {
    f"{name}.kubernetes.io/{which}": "runtime/default"
    for name in ("seccomp.security.alpha", "apparmor.security.beta")
    for which in ("allowedProfileNames", "defaultProfileName")
}
PATHS = {"volumes": ["hostPath", "csi"], "allowedHostPaths": [{"pathPrefix": "/a", "readOnly": True}]}
DRIVERS = {"allowedCSIDrivers": [{"name": "a"}], "defaultAddCapabilities": ["CHOWN"], "runtimeClass": {}}
STRICTEST = [
    psp_cases.Case("all", {"case": "all", "policy": spec, "annotations": PROFILES}).policy
    for spec in (RESTRICTED | PATHS | DRIVERS, {"volumes": ["secret"]})
]


def test_a_pod_as_it_is_also_fails_for_what_would_have_been_set():
    case = psp_cases.Case("all", {"case": "bare", "policy": RESTRICTED})

    assert outcome_of(case).admits
    assert [str(error) for error in validate(case.policy, created(case.pod))] == [
        "spec.securityContext.fsGroup: Invalid value: []int64(nil): unable to validate empty groups against required ranges",
        "spec.securityContext.supplementalGroups: Invalid value: []int64(nil): unable to validate empty groups against required ranges",
        "spec.securityContext.seLinuxOptions: Required value",
        "spec.containers[0].securityContext.runAsUser: Required value",
        "spec.containers[0].securityContext: Invalid value: []int64(nil): unable to validate empty groups against required ranges",
        "spec.containers[0].securityContext.seLinuxOptions: Required value",
        'spec.containers[0].securityContext.capabilities: Invalid value: "null": required capabilities are not set on the securityContext',
        'spec.containers[0].securityContext.readOnlyRootFilesystem: Invalid value: "null": ReadOnlyRootFilesystem may not be nil and must be set to true',
        'spec.containers[0].securityContext.allowPrivilegeEscalation: Invalid value: "null": Allowing privilege escalation for containers is not allowed',
    ]


def test_a_seccomp_field_alone_made_another_pod_of_it():
    """The admission wrote the annotation of older servers next to it, so no policy admitted such a pod unchanged."""
    case = next(case for case in CASES if case.name == "a pod that has its field")

    assert (outcome_of(case).changes, outcome_of(case).mutates) == ((), True)


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"metadata": None, "spec": None},
        {"metadata": [], "spec": "x"},
        {"metadata": {"annotations": []}, "spec": {"containers": {}, "volumes": {}, "securityContext": []}},
        {"spec": {"containers": [None, [], "x", {"securityContext": [], "ports": [None, {"hostPort": "80"}]}]}},
        {"spec": {"containers": [{"name": 5, "securityContext": {"capabilities": {"add": [1, None, {}], "drop": "ALL"}}}]}},
        {"spec": {"volumes": [None, [], {"hostPath": "x"}, {"csi": []}, {"projected": 1}, {"name": {}}], "containers": [{}]}},
        {"spec": {"securityContext": {"supplementalGroups": [None, "x", {}], "sysctls": [None, {"name": 1}], "fsGroup": True}}},
        {"spec": {"containers": [{"securityContext": {"seccompProfile": "x", "seLinuxOptions": 1, "runAsUser": 1.5}}]}},
        {"spec": {"runtimeClassName": {}, "serviceAccountName": 5, "hostNetwork": "yes", "containers": [{"volumeMounts": {}}]}},
    ],
)  # fmt: skip
def test_a_pod_that_the_api_would_not_read_is_no_crash(junk):
    for case in CASES:
        admit(case.policy, junk, case.server)
        admit(case.policy, created(junk), case.server)
        validate(case.policy, junk, case.server)


KEYS = [
    "metadata", "annotations", "spec", "securityContext", "containers", "initContainers", "ephemeralContainers", "volumes",
    "runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions", "level", "seccompProfile", "type",
    "appArmorProfile", "localhostProfile", "capabilities", "add", "drop", "ports", "hostPort", "containerPort", "hostPath",
    "path", "csi", "driver", "projected", "sources", "serviceAccountToken", "volumeMounts", "name", "sysctls", "procMount",
    "readOnlyRootFilesystem", "hostNetwork", "runtimeClassName", "seccomp.security.alpha.kubernetes.io/pod",
]  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70_000) | st.floats() | st.sampled_from(["", "ALL", "/", "s0:c1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=40,
)


@given(JUNK, JUNK)
def test_no_pod_is_a_crash(metadata, spec):
    for made in STRICTEST:
        pod = {"metadata": metadata, "spec": spec}
        admit(made, pod)
        admit(made, created(pod))
        validate(made, pod, (1, 18))


def large(count):
    """Much of everything that is compared with each other, and is refused."""
    numbers = range(count)
    ranges = [{"min": 10 * number + 5, "max": 10 * number + 6} for number in numbers]
    policy = {
        "supplementalGroups": {"rule": "MustRunAs", "ranges": ranges},
        "fsGroup": {"rule": "MayRunAs", "ranges": ranges},
        "hostPorts": [{"min": number, "max": number} for number in numbers],
        "volumes": ["hostPath", "projected"],
        "allowedUnsafeSysctls": [f"a.b{number}*" for number in numbers],
        "forbiddenSysctls": [f"c.d{number}" for number in numbers],
        "allowedHostPaths": [{"pathPrefix": "/data", "readOnly": True}],
        "allowedCapabilities": [f"A{number}" for number in numbers],
    }
    container = {
        "ports": [{"containerPort": 1, "hostPort": 70_000 + number} for number in numbers],
        "volumeMounts": [{"name": f"v{number}", "mountPath": f"/m{number}"} for number in numbers],
        "securityContext": {"capabilities": {"add": [f"B{number}" for number in numbers]}},
    }
    pod = {
        "securityContext": {
            "supplementalGroups": [10 * number for number in numbers],
            "sysctls": [{"name": f"x.y{number}", "value": "1"} for number in numbers],
        },
        "volumes": [{"name": f"v{number}", "hostPath": {"path": f"/data/{number}"}} for number in numbers],
        "containers": [container],
    }
    return psp_cases.Case("large", {"case": "large", "policy": policy, "pod": pod})


def cost(count):
    case = large(count)
    pod, policy = created(case.pod), case.policy
    began = time.process_time()
    outcome = admit(policy, pod)
    for error in outcome.errors:
        str(error)
    return time.process_time() - began, len(outcome.errors)


def test_a_hostile_pod_costs_in_proportion_to_its_size():
    small, errors = min(cost(400) for _ in range(2))
    big, more = min(cost(2400) for _ in range(2))

    assert (errors, more) == (5 * 400, 5 * 2400)
    assert big / small < 6 * 4


def test_all_that_a_field_does_is_asked_of_it():
    asked = {
        "sets": admission.SETS_POD,
        "sets_in": admission.SETS_CONTAINER,
        "refuses": admission.REFUSES_POD + admission.REFUSES_POD_AFTER_VOLUMES,
        "refuses_volume": admission.REFUSES_VOLUME,
        "refuses_in": admission.REFUSES_CONTAINER,
    }

    for what, fields in asked.items():
        assert {field.id for field in fields} == {name for name in IDS if getattr(load(name), what) is not nothing}, (
            what
        )

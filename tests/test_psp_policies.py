"""PodSecurityPolicies as people write them: what the API server of 1.24 took and refused, and what it made of them."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import psp_cases
import pytest
import yaml
from psp_judge import judged, validated

from krm_harden.errors import ConfigError
from krm_harden.model import lookup
from krm_harden.psp.admission import admit
from krm_harden.psp.created import created
from krm_harden.psp.policy import of_data, same

RULES = {field: {"rule": "RunAsAny"} for field in ("runAsUser", "seLinux", "supplementalGroups", "fsGroup")}


def manifest(spec=None, metadata=None, version="policy/v1beta1"):
    return {
        "apiVersion": version,
        "kind": "PodSecurityPolicy",
        "metadata": {"name": "case", **(metadata or {})},
        "spec": {**RULES, **(spec or {})},
    }


def policy(**spec):
    return of_data(manifest(spec))


REFUSED = {
    row["case"]: manifest(row.get("spec"), row.get("metadata"))
    for row in yaml.safe_load(Path(__file__).with_name("psp").joinpath("refused.yaml").read_text())
}


def problems_of(data):
    with pytest.raises(ConfigError) as caught:
        of_data(data, "psp.yaml")
    return caught.value.problems


def test_what_the_api_refused_is_refused_in_its_words(snapshot):
    lines = []
    for name, data in REFUSED.items():
        lines += [f"{name}:", *(f"  {problem.text}" for problem in problems_of(data))]

    assert "\n".join(lines) == snapshot


def test_the_api_of_1_24_itself_says_the_same():
    for (name, data), answer in zip(REFUSED.items(), validated(REFUSED.values()), strict=True):
        said = [error["text"] for error in answer["errors"]]
        mine = [problem.text for problem in problems_of(data)]
        # Go reads the keys of annotations in any order.
        assert sorted(mine) == sorted(said), name
        assert [text for text in mine if ".annotations: " not in text] == [
            text for text in said if ".annotations: " not in text
        ], name


def test_each_problem_points_to_its_place():
    for name, data in REFUSED.items():
        for problem in problems_of(data):
            above = lookup(data, problem.pointer[:-2])
            assert isinstance(above, (dict, list)), (name, problem.pointer)


@pytest.mark.parametrize(
    "place, value, said",
    [
        ("privileged", "true", "spec.privileged must be true or false, not 'true'"),
        ("privileged", 1, "spec.privileged must be true or false, not 1"),
        ("volumes", "*", "spec.volumes must be a list, not '*'"),
        ("volumes", [1], "spec.volumes[0] must be a string, not 1"),
        ("hostPorts", [{"min": 1, "max": 2**31}], "spec.hostPorts[0].max must be a number of 32 bits, not 2147483648"),
        ("fsGroup", {"rule": "MustRunAs", "ranges": [{"min": "1", "max": 5}]}, "spec.fsGroup.ranges[0].min must be a number of 64 bits, not '1'"),
        ("runAsUser", "RunAsAny", "spec.runAsUser must be a mapping, not 'RunAsAny'"),
        ("runAsUser", {"rule": "RunAsAny", "ranges": {"min": 1, "max": 2}}, "spec.runAsUser.ranges must be a list, not a mapping"),
        ("seLinux", {"rule": "MustRunAs", "seLinuxOptions": {"level": 1}}, "spec.seLinux.seLinuxOptions.level must be a string, not 1"),
        ("allowedHostPaths", ["/var"], "spec.allowedHostPaths[0] must be a mapping, not '/var'"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_named_with_its_place(place, value, said):
    assert [problem.text for problem in problems_of(manifest({place: value}))] == [said]


@pytest.mark.parametrize(
    "data, said",
    [
        (None, "must be a PodSecurityPolicy, a mapping"),
        ([], "must be a PodSecurityPolicy, a mapping"),
        ({}, "kind must be PodSecurityPolicy, not None"),
        ({"kind": "PodSecurityPolicy", "apiVersion": "policy/v1"}, "apiVersion must be one of policy/v1beta1, extensions/v1beta1, not 'policy/v1'"),
        ({"kind": "PodSecurityPolicy", "apiVersion": ["policy/v1beta1"]}, "apiVersion must be one of policy/v1beta1, extensions/v1beta1, not ['policy/v1beta1']"),
        ({**manifest(), "metadata": []}, "metadata must be a mapping"),
        ({**manifest(), "spec": []}, "spec must be a mapping, not a list"),
        (manifest(metadata={"annotations": {"a": True}}), "metadata.annotations.a must be a string, not True"),
        (manifest(metadata={"name": {}}), "metadata.name: Required value: name or generateName is required"),
        (manifest(metadata={"name": 5}), "metadata.name must be a string, not 5"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_its_place(data, said):
    assert problems_of(data)[0].text == said


def test_a_name_that_the_server_makes_is_one():
    data = manifest(metadata={"name": None, "generateName": "restricted-"})

    assert of_data(data).name == "restricted-xxxxx"


def test_all_problems_are_named_at_once_with_the_file():
    with pytest.raises(ConfigError) as caught:
        of_data(manifest({"privileged": "x", "volumes": 1}), "psp.yaml")

    assert str(caught.value) == (
        "psp.yaml: spec.privileged must be true or false, not 'x'; spec.volumes must be a list, not 1"
    )


@pytest.mark.parametrize("version", ["policy/v1beta1", "extensions/v1beta1"])
def test_either_group_is_read_and_defaults_are_filled_in(version):
    made = of_data(manifest(version=version), "psp.yaml")

    assert (made.name, made.where, made.unusable) == ("case", "psp.yaml", "")
    assert made.spec == {**RULES, "allowPrivilegeEscalation": True}


def test_null_is_as_absent_everywhere():
    spec = {"privileged": None, "volumes": None, "runAsGroup": None, "allowPrivilegeEscalation": None}

    assert of_data(manifest({**spec, "hostPorts": [None]})).spec == {
        **RULES,
        "allowPrivilegeEscalation": True,
        "hostPorts": [{"min": 0, "max": 0}],
    }


def test_what_the_api_kept_is_what_is_read():
    """Of each case of the table, and of the refusals' likes: the judge's object with our eyes is ours."""
    manifests = [case.policy_manifest for case in psp_cases.cases()]

    for data, answer in zip(manifests, validated(manifests), strict=True):
        stored = {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", **answer["stored"]}
        assert answer["errors"] == []
        assert same(of_data(data), of_data(stored)), data


def test_fields_that_nobody_reads_are_listed_with_their_places():
    data = manifest({"runAsUsr": {}, "fsGroup": {"rule": "RunAsAny", "range": []}, "hostPorts": [{"min": 1, "to": 2}]})

    assert of_data({**data, "spce": {}}).unknown == (
        ("spce",),
        ("spec", "fsGroup", "range"),
        ("spec", "runAsUsr"),
        ("spec", "hostPorts", 0, "to"),
    )


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"runAsUser": {"rule": "MustRunAs"}}, "MustRunAs requires at least one range"),
        ({"seLinux": {"rule": "MustRunAs"}}, "MustRunAs requires SELinuxOptions"),
        ({"fsGroup": {"rule": "MayRunAs"}}, "ranges must be supplied for MayRunAs"),
        ({"fsGroup": {"rule": "MustRunAs"}, "supplementalGroups": {"rule": "MustRunAs", "ranges": []}}, "ranges must be supplied for MustRunAs"),
        ({"runAsUser": {"rule": "MustRunAs"}, "fsGroup": {"rule": "MayRunAs"}}, "[MustRunAs requires at least one range, ranges must be supplied for MayRunAs]"),
    ],
)  # fmt: skip
def test_a_policy_that_the_admission_passed_over_admits_nothing(spec, said):
    made = policy(**spec)

    outcome = admit(made, {"metadata": {}, "spec": {"containers": []}})

    assert (made.unusable, outcome.admits, outcome.errors, outcome.mutates) == (said, False, (), False)


MUST = {"rule": "MustRunAs"}


@pytest.mark.parametrize(
    "left, right, is_same",
    [
        ({}, {"privileged": False, "volumes": [], "allowPrivilegeEscalation": True}, True),
        ({}, {"runAsGroup": {"rule": "RunAsAny"}}, True),
        ({}, {"runAsUser": {"rule": "RunAsAny", "ranges": [{"min": 1, "max": 2}]}}, True),
        ({}, {"allowedProcMountTypes": ["Default"]}, True),
        ({}, {"runtimeClass": {}}, False),
        ({"runtimeClass": {}}, {"runtimeClass": {"allowedRuntimeClassNames": []}}, True),
        ({"volumes": ["secret", "configMap"]}, {"volumes": ["configMap", "secret", "secret"]}, True),
        ({"volumes": ["*"]}, {"volumes": ["secret", "*"]}, True),
        ({"volumes": ["secret"]}, {"volumes": ["*"]}, False),
        ({"hostPorts": [{"min": 1, "max": 9}]}, {"hostPorts": [{"min": 5, "max": 9}, {"min": 1, "max": 4}]}, True),
        ({"hostPorts": [{"min": 9, "max": 1}]}, {}, True),
        ({"fsGroup": {**MUST, "ranges": [{"min": 1, "max": 9}]}}, {"fsGroup": {**MUST, "ranges": [{"min": 5, "max": 9}, {"min": 1, "max": 5}]}}, False),
        ({"fsGroup": {**MUST, "ranges": [{"min": 1, "max": 9}]}}, {"fsGroup": {**MUST, "ranges": [{"min": 1, "max": 3}, {"min": 2, "max": 9}]}}, True),
        ({"fsGroup": {"rule": "MayRunAs", "ranges": [{"min": 1, "max": 9}]}}, {"fsGroup": {"rule": "MayRunAs", "ranges": [{"min": 5, "max": 9}, {"min": 1, "max": 4}]}}, True),
        ({"fsGroup": {"rule": "MayRunAs", "ranges": [{"min": 1, "max": 9}]}}, {"fsGroup": {**MUST, "ranges": [{"min": 1, "max": 9}]}}, False),
        ({"runAsUser": {"rule": "MustRunAsNonRoot"}}, {"runAsUser": {"rule": "MustRunAsNonRoot", "ranges": [{"min": 1, "max": 2}]}}, True),
        ({"seLinux": {**MUST, "seLinuxOptions": {}}}, {"seLinux": {**MUST, "seLinuxOptions": {"user": ""}}}, True),
        ({"seLinux": {**MUST, "seLinuxOptions": {"user": "u"}}}, {"seLinux": {**MUST, "seLinuxOptions": {"user": "v"}}}, False),
        ({"seLinux": {"rule": "RunAsAny", "seLinuxOptions": {"user": "u"}}}, {}, True),
        ({"allowedHostPaths": [{"pathPrefix": "/a"}, {"pathPrefix": "/b", "readOnly": True}]}, {"allowedHostPaths": [{"pathPrefix": "/b", "readOnly": True}, {"pathPrefix": "/a", "readOnly": False}]}, True),
        ({"allowedHostPaths": [{"pathPrefix": "/a"}]}, {"allowedHostPaths": [{"pathPrefix": "/a", "readOnly": True}]}, False),
        ({"defaultAllowPrivilegeEscalation": False}, {}, False),
        ({"allowPrivilegeEscalation": False}, {"allowPrivilegeEscalation": False, "defaultAllowPrivilegeEscalation": False}, True),
    ],
)  # fmt: skip
def test_policies_are_the_same_if_they_mean_the_same(left, right, is_same):
    assert same(policy(**left), policy(**right)) is is_same
    assert same(policy(**right), policy(**left)) is is_same


def test_annotations_belong_to_what_a_policy_means_its_name_does_not():
    seccomp = "seccomp.security.alpha.kubernetes.io/allowedProfileNames"
    named = [of_data(manifest(metadata={"name": name})) for name in ("a", "b")]
    profiles = [
        of_data(manifest(metadata={"annotations": {seccomp: said}}))
        for said in ("runtime/default,unconfined", "unconfined,docker/default", "unconfined", "")
    ]

    assert same(*named)
    assert same(profiles[0], profiles[1])
    assert [same(profiles[0], other) for other in profiles[2:]] == [False, False]
    assert same(profiles[3], named[0])  # either takes no profile at all
    assert same(of_data(manifest(metadata={"annotations": {"team": "x"}})), named[0])


CLASSIC = """
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata:
  name: permissive-groups
spec:
  privileged: false
  allowPrivilegeEscalation: true
  volumes: ["*"]
  hostNetwork: false
  runAsUser: {rule: MustRunAsNonRoot}
  seLinux: {rule: RunAsAny}
  supplementalGroups: {rule: RunAsAny}
  fsGroup: {rule: RunAsAny}
---
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata:
  name: restrictive
  annotations:
    seccomp.security.alpha.kubernetes.io/allowedProfileNames: docker/default,runtime/default
    seccomp.security.alpha.kubernetes.io/defaultProfileName: runtime/default
spec:
  privileged: false
  allowPrivilegeEscalation: false
  requiredDropCapabilities: [ALL]
  volumes: [configMap, emptyDir, projected, secret, downwardAPI, persistentVolumeClaim]
  runAsUser: {rule: MustRunAs, ranges: [{min: 1, max: 65535}]}
  seLinux: {rule: RunAsAny}
  supplementalGroups: {rule: MustRunAs, ranges: [{min: 1, max: 65535}]}
  fsGroup: {rule: MustRunAs, ranges: [{min: 1, max: 65535}]}
  readOnlyRootFilesystem: true
"""
POD = """
spec:
  containers:
  - {name: web, image: nginx:1.27, ports: [{containerPort: 80}]}
  - {name: logs, image: fluent-bit, securityContext: {runAsUser: 0}, volumeMounts: [{name: logs, mountPath: /logs}]}
  volumes:
  - {name: logs, hostPath: {path: /var/log}}
"""


def test_the_two_classic_policies_on_one_pod(snapshot):
    lines = []
    for data in yaml.safe_load_all(CLASSIC):
        outcome = admit(of_data(data), created(yaml.safe_load(POD)))
        lines += [f"{data['metadata']['name']}:"]
        lines += [f"  {change.operation}" for change in outcome.changes]
        lines += [f"  {error}" for error in outcome.errors]

    assert "\n".join(lines) == snapshot


CREATED = {
    "nothing said": {},
    "a volume without a source": {"volumes": [{"name": "a"}, {"name": "b", "secret": None}]},
    "no token": {"automountServiceAccountToken": False},
    "a token of its own": {
        "volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}],
        "containers": [{"name": "a", "image": "i"}],
    },
    "something else where the token goes": {
        "containers": [
            {"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
    "init containers": {"initContainers": [{"name": "i", "image": "i"}], "containers": [{"name": "a", "image": "i"}]},
    "the node's network": {
        "hostNetwork": True,
        "containers": [{"name": "a", "image": "i", "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 82}]}],
        "initContainers": [{"name": "i", "image": "i", "ports": [{"containerPort": 90, "hostPort": 0}]}],
    },
    "an account by its older name": {"serviceAccount": "builder"},
}  # fmt: skip


def test_the_pod_that_was_judged_is_the_one_that_the_api_server_made():
    pods = {name: {"containers": [{"name": "a", "image": "i"}], **spec} for name, spec in CREATED.items()}
    named = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}, "spec": spec}
        for spec in pods.values()
    ]
    [answer] = judged([{"objects": [manifest({"volumes": ["*"]}), *named], "everyone": True}])

    for (name, spec), said in zip(pods.items(), answer["pods"], strict=True):
        given = copy.deepcopy(spec)
        made = created({"metadata": {"name": "a"}, "spec": spec})
        assert _essence(made) == _essence(said["created"]), name
        assert spec == given


def _essence(pod):
    """What a policy may look at: sources and names of volumes, mounts, ports, the account."""
    spec = pod["spec"]
    volumes = [
        {key: json.dumps(value, sort_keys=True) for key, value in one.items() if value is not None}
        for one in spec.get("volumes", [])
    ]
    containers = [
        [
            (one["name"], [port.get("hostPort") or 0 for port in one.get("ports", [])], one.get("volumeMounts", []))
            for one in spec.get(kind, [])
        ]
        for kind in ("initContainers", "containers")
    ]
    # Five letters of chance.
    return json.loads(json.dumps([spec["serviceAccountName"], volumes, containers]).replace("cbhtc", "xxxxx"))


def test_what_the_account_says_of_its_token_counts_after_the_pod():
    def has_token(spec, said):
        pod = created({"spec": {"containers": [{"name": "a"}], **spec}}, account_automounts=said)
        return "volumes" in pod["spec"]

    assert [has_token({}, said) for said in (None, True, False)] == [True, True, False]
    assert has_token({"automountServiceAccountToken": True}, said=False)
    assert not has_token({"automountServiceAccountToken": False}, said=True)


def test_a_mirror_pod_gets_no_account():
    pod = {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"containers": [{"name": "a"}]}}

    assert created(pod)["spec"] == pod["spec"]


def test_an_empty_list_of_groups_in_a_template_is_none():
    """A template comes from the API server's store, which doesn't know an empty list."""
    groups = {"supplementalGroups": {"rule": "MustRunAs", "ranges": [{"min": 5, "max": 9}]}, "volumes": ["*"]}
    pod = {"spec": {"securityContext": {"supplementalGroups": []}, "containers": []}}

    template, bare = (admit(policy(**groups), created(pod, is_template=is_one)) for is_one in (True, False))

    assert [change.operation.value for change in template.changes] == [[5]]
    assert [error.shown for error in bare.errors] == ["[]int64{}"]


def hostile(count):
    numbers = range(count)
    return manifest(
        {
            "allowedUnsafeSysctls": [f"a.b{number}.c*" for number in numbers] + ["x*"] * count,
            "forbiddenSysctls": [f"a.b{number}.d" for number in numbers] + [f"y.x{number}" for number in numbers],
            "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": number, "max": -1} for number in numbers]},
            "volumes": [f"v{number}" for number in numbers],
            "requiredDropCapabilities": [f"C{number}" for number in numbers],
            "allowedCapabilities": [f"C{number}" for number in numbers],
            "runtimeClass": {"allowedRuntimeClassNames": [f"r{number}" for number in numbers] * 2},
        }
    )


def cost(count):
    data = hostile(count)
    began = time.process_time()
    found = len(problems_of(data))
    return time.process_time() - began, found


def test_a_hostile_policy_costs_in_proportion_to_its_size():
    small, found = min(cost(400) for _ in range(2))
    big, more = min(cost(2400) for _ in range(2))

    assert (found, more) == (5 * 400, 5 * 2400)
    assert big / small < 6 * 4

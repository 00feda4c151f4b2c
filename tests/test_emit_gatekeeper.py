"""The objects for Gatekeeper in the real gator: judged, verified, expanded and mutated.

Skipped where gator isn't here; CONTRIBUTING.md, Set-up, says where it comes from.
"""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import judges
import pytest
import yaml
from conftest import require, run_cli
from hypothesis import example, given, settings
from hypothesis import strategies as st
from judges import as_json, defaulted, of_psa, psa, templated
from pod_strategies import some_pods
from test_judges import of_version

from krm_harden.cluster import Options, _gatekeeper_tests, gatekeeper
from krm_harden.cluster._dump import dumped
from krm_harden.exemptions import glob
from krm_harden.model import Resource
from krm_harden.psp.admission import admit
from krm_harden.psp.demands import of_stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from krm_harden import Policy

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def policy(**spec: Any) -> Policy:
    return judges.policy(**{"level": "restricted", "version": "latest", **spec})


def emitted(held: Policy, *kinds: str, **options: Any) -> list[Mapping[str, Any]]:
    """The objects of a policy, or those of some kinds; `Constraint` stands for all constraints."""
    found = gatekeeper.emitted(held._policy, Options(**options)).objects
    return [one for one in found if not kinds or _kind(one) in kinds]


def _kind(one: Mapping[str, Any]) -> str:
    return "Constraint" if one["apiVersion"].startswith("constraints.") else one["kind"]


JUDGES = ("ConstraintTemplate", "Constraint")


def gator(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = require("gator")
    return subprocess.run(
        [program, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=300, check=False
    )


def judged(objects: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """What `gator test` says of objects: name, action and words of each violation."""
    done = gator("test", "-o", "json", stdin=dumped([*objects]))
    assert done.returncode in {0, 1}, done.stderr
    assert not done.stderr, done.stderr
    return [
        (one["violatingObject"]["metadata"]["name"], one["enforcementAction"], one["msg"])
        for one in json.loads(done.stdout or "null") or ()
    ]


def expanded(objects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The objects that `gator expand` makes, as the mutators change them."""
    done = gator("expand", stdin=dumped([*objects]))
    assert done.returncode == 0, done.stderr
    return {one["metadata"]["name"]: one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one}


def named(pods: Iterable[dict[str, Any]], namespace: str = "default") -> list[dict[str, Any]]:
    return [
        pod | {"metadata": {**(pod.get("metadata") or {}), "name": f"pod-{index}", "namespace": namespace}}
        for index, pod in enumerate(pods)
    ]


def words(found: Iterable[tuple[str, str, str]], name: str, head: str) -> set[str]:
    said = [message for of, _, message in found if of == name]
    assert all(message.startswith(head) for message in said), said
    return {message.removeprefix(head) for message in said}


def of_checks(answer: Mapping[str, Any]) -> set[str]:
    """What Pod Security says, check by check."""
    return {
        f"{each['reason']} ({each['detail']})" if each.get("detail") else each["reason"]
        for each in answer.get("checks", ())
    }


# The standard's own fixtures, and random pods


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_the_fixtures_of_the_standard_are_judged_at_each_version_in_the_words_of_pod_security(level):
    """All versions with the same templates are judged at once."""
    together: dict[str, list[int]] = {}
    for minor in range(38):
        objects = emitted(policy(level=level, version=f"v1.{minor}"), *JUDGES)
        together.setdefault(as_json(objects).replace(f"v1.{minor}", ""), []).append(minor)

    for minors in together.values():
        paths = [path for minor in minors for path in of_version(level, minor)]
        pods = named(defaulted(yaml.load(path.read_text(), yaml.CSafeLoader)) for path in paths)
        found = judged([*emitted(policy(level=level, version=f"v1.{minors[0]}"), *JUDGES), *pods])
        by_name: dict[str, list[tuple[str, str, str]]] = {}
        for one in found:
            by_name.setdefault(one[0], []).append(one)
        for path, pod, answer in zip(paths, pods, psa([*map(as_json, pods)], level, f"v1.{minors[0]}"), strict=True):
            name = pod["metadata"]["name"]
            said = words(by_name.get(name, ()), name, f'violates PodSecurity "{level}:v1.{minors[0]}": ')
            assert said == of_checks(answer), path
            assert bool(said) == (path.parent.name == "fail")


def without_nulls(data):
    """Data as the API server sends them to a webhook: it takes a null for nothing."""
    if isinstance(data, dict):
        return {name: without_nulls(value) for name, value in data.items() if value is not None}
    return [without_nulls(one) for one in data] if isinstance(data, list) else data


@given(found=some_pods(40))
@example(
    found=[
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "web", "image": "i", "ports": [{"containerPort": 80, "hostPort": None}]}]},
        }
    ]
)
@settings(max_examples=6)
def test_random_pods_are_judged_as_pod_security_judges_them(found):
    """What Pod Security can't read isn't compared: it never gets to Gatekeeper, and neither does an empty field."""
    pods = [without_nulls(pod) for pod in named(found)]
    answers = psa([*map(as_json, pods)], "restricted", "latest")
    readable = [(pod, answer) for pod, answer in zip(pods, answers, strict=True) if not answer.get("error")]
    verdicts = judged([*emitted(policy(), *JUDGES), *(pod for pod, _ in readable)])
    refused = {name for name, _, _ in verdicts}

    assert refused == {pod["metadata"]["name"] for pod, answer in readable if not of_psa(answer)[0]}


# Its own tests


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"level": "baseline", "version": "v1.18"},
        {"controls": {"readOnlyRootFilesystem": {"required": True}, "numericUser": {"required": True}}},
    ],
    ids=["restricted", "baseline 1.18", "more is required"],
)
def test_gator_verifies_the_suite_that_comes_along(spec, tmp_path):
    held = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "p"}, "spec": spec}
    (tmp_path / "policy.yaml").write_text(json.dumps(held))
    made = run_cli("emit", "gatekeeper", "--tests", "-o", "gatekeeper/", "--policy", "policy.yaml", cwd=tmp_path)
    assert made.code == 0, made.err

    done = gator("verify", "-v", tmp_path / "gatekeeper/...")

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("--- PASS: refused") == len(emitted(policy(**spec), "Constraint")) > 8


def test_each_control_of_the_standard_has_a_pod_that_fails_it():
    for level in ("baseline", "restricted"):
        for version in ("v1.18", "latest"):
            checks = gatekeeper.emitted(policy(level=level, version=version)._policy, Options()).tests
            (suite,) = checks["tests/suite.yaml"]
            controls = [test["name"] for test in suite["tests"]]
            pods = [_gatekeeper_tests.bad(control) for control in controls]
            answers = psa([*map(as_json, [_gatekeeper_tests.GOOD, *pods])], level, version)

            assert answers[0]["allowed"]
            for control, answer in zip(controls, answers[1:], strict=True):
                assert control in {each["id"] for each in answer["checks"]}


# Workloads


WEB = {"name": "web", "image": "registry.example/web:1"}


def workload(kind: str, name: str = "web", namespace: str = "shop", **pod: Any) -> dict[str, Any]:
    made = templated({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [WEB], **pod}}, kind)
    return made | {"metadata": {"name": name, "namespace": namespace}}


@pytest.mark.parametrize("kind", [kind for kind in judges.TEMPLATES if kind != "PodTemplate"] + ["PodTemplate"])
def test_what_makes_pods_is_warned_of(kind):
    objects = emitted(policy(), *JUDGES, "ExpansionTemplate")

    found = judged([*objects, NAMESPACE, workload(kind, hostNetwork=True)])

    assert {action for _, action, _ in found} == {"warn"}
    assert any("host namespaces (hostNetwork=true)" in message for _, _, message in found)


def test_what_the_mutators_write_is_not_warned_of():
    bare, partial = workload("Deployment"), workload("StatefulSet", "db")
    partial["spec"]["template"]["spec"]["containers"] = [
        WEB | {"securityContext": {"capabilities": {"drop": ["NET_RAW"]}, "allowPrivilegeEscalation": False}}
    ]

    assert judged([*emitted(policy()), NAMESPACE, bare, partial, workload("CronJob", "report")]) == []


def test_what_an_author_wrote_stays(yaml_snapshot):
    containers = [
        WEB,
        {
            **WEB,
            "name": "proxy",
            "securityContext": {"allowPrivilegeEscalation": True, "capabilities": {"drop": ["all"]}},
        },
    ]
    written = {
        "securityContext": {"runAsNonRoot": False, "seccompProfile": {"type": "Localhost", "localhostProfile": "a"}}
    }
    objects = [
        workload("Deployment", containers=containers, initContainers=[{**WEB, "name": "init"}]),
        workload("Job", "migrate", **written),
    ]

    pods = expanded([*emitted(policy()), NAMESPACE, *objects])

    assert yaml_snapshot == dumped([pods["web-pod"], pods["migrate-pod"]]).encode()


def test_the_shop_passes_once_it_is_mutated(shared):
    """Online Boutique, its security contexts taken out."""
    text = (shared / "corpus/GoogleCloudPlatform+microservices-demo/release/kubernetes-manifests.yaml").read_text()
    objects = [one for one in yaml.load_all(text, yaml.CSafeLoader) if one["kind"] == "Deployment"]
    for one in objects:
        template = one["spec"]["template"]["spec"]
        template.pop("securityContext", None)
        for container in [*template["containers"], *template.get("initContainers", ())]:
            container.pop("securityContext", None)

    pods = expanded([*emitted(policy()), *objects])

    assert len(pods) == 12
    assert all(answer["allowed"] for answer in psa([*map(as_json, pods.values())], "restricted", "latest"))
    assert judged([*emitted(policy()), *objects]) == []


def test_a_label_keeps_the_mutators_away():
    skipped = workload("Deployment")
    skipped["spec"]["template"]["metadata"]["labels"]["krm-harden.dev/mutation"] = "skip"

    pods = expanded([*emitted(policy()), NAMESPACE, skipped])

    assert pods["web-pod"]["spec"] == {"containers": [WEB]}


def test_namespaces_get_the_labels_that_they_lack():
    """By a template that makes Namespaces, for gator shows nothing else that is mutated."""
    make = {
        "apiVersion": "expansion.gatekeeper.sh/v1beta1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": "make"},
        "spec": {
            "applyTo": [{"groups": ["test.example"], "kinds": ["Make"], "versions": ["v1"]}],
            "templateSource": "spec",
            "generatedGVK": {"group": "", "version": "v1", "kind": "Namespace"},
        },
    }
    labels = {
        "new": {},
        "old": {"pod-security.kubernetes.io/enforce": "baseline"},
        "kube": {"pod-security.kubernetes.io/warn": "privileged"},
    }
    objects = [
        {
            "apiVersion": "test.example/v1",
            "kind": "Make",
            "metadata": {"name": name},
            "spec": {"metadata": {"labels": said}},
        }
        for name, said in labels.items()
    ]
    held = policy(version="v1.34", namespaces={"enforce": "restricted"})

    found = expanded([*emitted(held, "AssignMetadata"), make, *objects])

    new = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("audit", "enforce", "warn")
        for suffix, value in (("", "restricted"), ("-version", "v1.34"))
    }
    of = {name: found[f"{name}-namespace"]["metadata"].get("labels", {}) for name in labels}
    assert of["new"] == new
    assert of["old"] == {key: said for key, said in new.items() if "enforce" not in key} | labels["old"]
    assert of["kube"] == {**labels["kube"]}


# Requests


EXEMPT = {
    "match": {"kinds": ["Deployment", "CronJob"], "namespaces": ["shop"], "names": ["web*"], "containers": ["web"]},
    "controls": ["hostPorts"],
    "reason": "its load balancer asks the nodes",
}
CONTROLLER = "system:serviceaccount:kube-system:{}-controller"
PORTS = [{"containerPort": 80, "hostPort": 80}]


def owned(kind: str, name: str, labels: Mapping[str, str] | None = None, container: str = "web") -> dict[str, Any]:
    """A pod with a port of the node, of an owner."""
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": True}
    metadata = {"name": "a-pod", "namespace": "shop", "labels": labels or {}, "ownerReferences": [owner]}
    containers = [{**WEB, "name": container, "ports": PORTS}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def review(user: str, operation: str, pod: Any, old: Any = None) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "a-pod",
            "namespace": "shop",
            "operation": operation,
            "userInfo": {"username": user},
            "object": pod,
            "oldObject": old,
        },
    }


def answers(held: Policy, kind: str, requests: Mapping[str, Any], folder: Path) -> dict[str, bool]:
    """Whether a constraint refuses each of some requests."""
    template, constraint = (
        one
        for one in emitted(held, *JUDGES)
        if kind in (one["kind"], one["spec"].get("crd", {}).get("spec", {}).get("names", {}).get("kind"))
    )
    files = {"template": template, "constraint": constraint, **requests}
    cases = [{"name": name, "object": f"{name}.yaml", "assertions": [{"violations": "no"}]} for name in requests]
    test = {"name": "a", "template": "template.yaml", "constraint": "constraint.yaml", "cases": cases}
    files["suite"] = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": [test]}
    for name, one in files.items():
        (folder / f"{name}.yaml").write_text(dumped([one]))
    said = gator("verify", "-v", folder / "suite.yaml").stdout
    found = {name: verdict for verdict, name in re.findall(r"--- (FAIL|PASS): (\S+)", said)}
    assert {*found} == {*requests, "a"}, said
    assert said.count("got messages") == said.count("got messages [violates PodSecurity"), said
    return {name: found[name] == "FAIL" for name in requests}


def test_an_exemption_holds_for_the_pods_of_its_workload_that_its_controller_makes(tmp_path):
    of_web = owned("ReplicaSet", "web-6d5f", {"pod-template-hash": "6d5f"})
    replica_set = CONTROLLER.format("replicaset")
    requests = {
        "of-its-controller": review(replica_set, "CREATE", of_web),
        "forged": review("jane", "CREATE", of_web),
        "of-another": review(replica_set, "CREATE", owned("ReplicaSet", "db-6d5f", {"pod-template-hash": "6d5f"})),
        "another-container": review(
            replica_set, "CREATE", owned("ReplicaSet", "web-6d5f", {"pod-template-hash": "6d5f"}, "x")
        ),
        "of-a-cron-job": review(CONTROLLER.format("job"), "CREATE", owned("Job", "web-29101234")),
        "in-an-audit": of_web,
    }

    found = answers(policy(exemptions=[EXEMPT]), "KrmHardenHostPorts", requests, tmp_path)

    refused = {name for name, is_refused in found.items() if is_refused}
    assert refused == {"forged", "of-another", "another-container"}


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "web"), ("CronJob", "web"), ("Deployment", "db")])
def test_an_exemption_holds_for_what_a_workload_expands_to(kind, name):
    found = judged(
        [
            *emitted(policy(exemptions=[EXEMPT]), *JUDGES, "ExpansionTemplate"),
            NAMESPACE,
            workload(kind, name, containers=[{**WEB, "ports": PORTS}]),
        ]
    )

    assert any("hostPort" in message for _, _, message in found) == (name == "db")


def test_updates_that_change_no_image_and_deletions_are_let_through(tmp_path):
    pod = owned("ReplicaSet", "web")
    newer = json.loads(as_json(pod).replace("web:1", "web:2"))
    requests = {
        "created": review("jane", "CREATE", pod),
        "relabelled": review("jane", "UPDATE", {**pod, "metadata": {**pod["metadata"], "labels": {"a": "b"}}}, pod),
        "another-image": review("jane", "UPDATE", newer, pod),
        "deleted": review("jane", "DELETE", None, pod),
    }

    found = answers(policy(), "KrmHardenHostPorts", requests, tmp_path)

    assert {name for name, is_refused in found.items() if is_refused} == {"created", "another-image"}


def test_a_large_pod_stays_within_the_budget():
    """Gatekeeper refuses what takes too long to judge: a pod with 100 containers doesn't."""
    containers = [
        {
            **WEB,
            "name": f"web-{index}",
            "ports": [{"containerPort": 8000 + port} for port in range(10)],
            "securityContext": {**_gatekeeper_tests.GOOD["spec"]["containers"][0]["securityContext"]},
            "livenessProbe": {"httpGet": {"path": "/", "port": 8000}},
        }
        for index in range(100)
    ]
    good = _gatekeeper_tests.GOOD
    volumes = [{"name": f"v{index}", "configMap": {"name": "a"}} for index in range(100)]
    pod = {**good, "spec": {**good["spec"], "containers": containers, "volumes": volumes}}
    exemptions = [{**EXEMPT, "match": {**EXEMPT["match"], "names": [f"web-{index}-*"]}} for index in range(10)]

    assert judged([*emitted(policy(exemptions=exemptions), *JUDGES), pod]) == []


# What mutators leave alone


@pytest.mark.parametrize(
    ("match", "left_alone", "said"),
    [
        ({"namespaces": ["shop"]}, {"web", "db"}, ""),
        ({"namespaces": ["sh*p"]}, {"web", "db"}, "leave more alone"),
        ({"labels": {"app": "web"}}, {"web"}, ""),
        ({"labels": {"app": "w*b"}}, {"web", "db"}, "leave more alone"),
        ({"namespaces": ["shop"], "names": ["web"]}, {"web", "db"}, "don't see names"),
        ({"names": ["web"]}, {"web", "db", "far"}, "none sees names"),
        ({"namespaces": ["*"]}, {"web", "db", "far"}, "no mutator writes"),
    ],
    ids=["namespace", "glob within", "label", "label by glob", "name in a namespace", "name", "everywhere"],
)
def test_mutators_leave_alone_at_least_what_is_exempt(match, left_alone, said):
    exempt = {"match": match, "controls": ["runAsNonRoot"], "reason": "is root"}
    held = policy(exemptions=[exempt])
    db = workload("Deployment", "db")
    db["spec"]["template"]["metadata"]["labels"] = {"app": "db"}
    far = workload("Deployment", "far", "elsewhere")
    far["spec"]["template"]["metadata"]["labels"] = {}
    elsewhere = {**NAMESPACE, "metadata": {"name": "elsewhere"}}

    pods = expanded([*emitted(held), NAMESPACE, elsewhere, workload("Deployment"), db, far])

    found = {
        name for name in ("web", "db", "far") if "runAsNonRoot" not in pods[f"{name}-pod"]["spec"]["securityContext"]
    }
    assert found == left_alone
    cannot = [line for line in gatekeeper.emitted(held._policy, Options()).cannot if "exemptions[0]" in line]
    lines = [line for line in cannot if "mutator" in line]
    assert any(said in line for line in lines) if said else not lines


NAMES = st.text("ab-", min_size=1, max_size=5)


@given(pattern=st.text("ab-*?[]A!", min_size=1, max_size=6), names=st.lists(NAMES, max_size=8))
def test_what_a_glob_of_an_exemption_matches_is_left_alone(pattern, names):
    """By Gatekeeper's own rules for a namespace: https://open-policy-agent.github.io/gatekeeper/website/docs/howto."""
    exempt = {"match": {"namespaces": [pattern]}, "controls": ["runAsNonRoot"], "reason": "is root"}
    made = emitted(policy(exemptions=[exempt]), "Assign")
    found = [one["spec"]["match"]["excludedNamespaces"] for one in made if "non-root" in one["metadata"]["name"]]

    for name in names:
        assert not glob([pattern], name) or not found or all(_matches(said, name) for said in found)
    assert all(re.fullmatch(r"\*?[-:a-z0-9]*\*?", said) for excluded in found for said in excluded)


def _matches(excluded: Iterable[str], name: str) -> bool:
    """Whether an entry is the name, or its beginning, its end or a part of it, where it has `*` at that end."""
    return any(fnmatchcase(name, said) for said in excluded)


@pytest.mark.parametrize(
    ("match", "is_written", "is_labelled"),
    [
        ({"kinds": ["DaemonSet"], "namespaces": ["shop"]}, False, True),
        ({"kinds": ["Namespace"], "names": ["shop"]}, True, False),
        ({"containers": ["web"], "namespaces": ["shop"]}, False, True),
        ({"namespaces": ["shop"]}, False, False),
    ],
    ids=["of workloads", "of a Namespace", "of containers", "of all"],
)
def test_an_exemption_is_of_pods_or_of_namespaces(match, is_written, is_labelled):
    held = policy(exemptions=[{"match": match, "controls": ["*"], "reason": "is old"}])

    objects = emitted(held, "Assign", "AssignMetadata")

    excluded = {one["kind"]: "shop" in one["spec"]["match"]["excludedNamespaces"] for one in objects}
    assert excluded == {"Assign": not is_written, "AssignMetadata": not is_labelled}


def test_an_exemption_that_has_expired_is_not_carried_over(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    expired = {"match": {"namespaces": ["shop"]}, "controls": ["*"], "reason": "was urgent", "expires": "2026-01-31"}

    pods = expanded([*emitted(policy(exemptions=[expired])), NAMESPACE, workload("Deployment")])

    assert pods["web-pod"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_a_rule_for_namespaces_has_mutators_of_its_own():
    """Baseline everywhere, restricted in some namespaces."""
    rule = {"match": {"namespaces": ["shop"]}, "level": "restricted"}
    elsewhere = {**NAMESPACE, "metadata": {"name": "elsewhere"}}
    objects = [NAMESPACE, elsewhere, workload("Deployment"), workload("Deployment", "far", "elsewhere")]
    held = policy(level="baseline", rules=[rule])

    pods = expanded([*emitted(held), *objects])

    assert pods["web-pod"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "securityContext" not in pods["far-pod"]["spec"]
    assert judged([*emitted(held), *objects]) == []
    assert {name for name, _, _ in judged([*emitted(held, *JUDGES, "ExpansionTemplate"), *objects])} == {"web"}


@pytest.mark.parametrize("action", ["warn", "audit"])
def test_where_nothing_is_refused_nothing_is_written_that_could_break_a_pod(action):
    objects = emitted(policy(namespaces={"enforce": "restricted"}), action=action)

    found = expanded([*objects, NAMESPACE, workload("Deployment")])

    assert found["web-pod"]["spec"] == {
        "containers": [WEB],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    assert not [one for one in objects if "enforce" in one["metadata"]["name"]]
    actions = {one["spec"]["enforcementAction"] for one in objects if _kind(one) == "Constraint"}
    assert actions == {{"warn": "warn", "audit": "dryrun"}[action]}


def test_with_fewer_changes_only_what_is_safe_is_written():
    found = expanded([*emitted(policy(changes="evidence")), NAMESPACE, workload("Deployment")])

    assert [*found["web-pod"]["spec"]["securityContext"]] == ["seccompProfile"]


def test_for_an_older_cluster_an_older_gatekeeper_takes_it():
    """Its Assign has no operations, and its CEL can't sort."""
    objects = emitted(policy(), kubernetes=(1, 34))

    assert "operations" not in as_json(objects)
    assert ".sort()" not in as_json(objects)
    assert judged([*objects, NAMESPACE, workload("Deployment")]) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("a" * 50, "is too long: Gatekeeper's kind would be Aaaa"), ("1a", "can't begin the name of a kind")],
)
def test_a_name_that_makes_no_kind_is_refused(name, said, tmp_path):
    done = run_cli("emit", "gatekeeper", "--name", name, cwd=tmp_path)

    assert done.code == 3
    assert said in done.err


# PodSecurityPolicies


RANGE = {"rule": "MustRunAs", "ranges": [{"min": 100, "max": 200}, {"min": 5000, "max": 5000}]}
RESTRICTIVE = {
    "name": "restrictive",
    "annotations": {
        "seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default",
        "seccomp.security.alpha.kubernetes.io/defaultProfileName": "runtime/default",
    },
    "spec": {
        "allowPrivilegeEscalation": False,
        "defaultAddCapabilities": ["CHOWN"],
        "requiredDropCapabilities": ["KILL", "MKNOD"],
        "volumes": ["configMap", "secret", "projected"],
        "runAsUser": RANGE,
        "runAsGroup": RANGE,
        "fsGroup": RANGE,
        "supplementalGroups": RANGE,
        "seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"level": "s0:c1,c2"}},
        "readOnlyRootFilesystem": True,
    },
}


def test_mutators_set_what_a_pod_security_policy_set(yaml_snapshot):
    held = policy(level="privileged", podSecurityPolicy=RESTRICTIVE)
    own = {**WEB, "name": "own", "securityContext": {"runAsUser": 5000, "capabilities": {"drop": ["KILL"]}}}

    pods = expanded([*emitted(held), NAMESPACE, workload("Deployment", containers=[WEB, own])])

    assert yaml_snapshot == dumped([pods["web-pod"]]).encode()
    outcome = admit(of_stated(RESTRICTIVE, "test").candidates(Resource((), {}), {})[0].policy, pods["web-pod"])
    # Nothing is left to set, but for the capabilities of the container that has some.
    assert {change.field for change in outcome.changes} == {"defaultAddCapabilities"}
    assert outcome.admits


@pytest.mark.parametrize(
    ("pod", "fields"),
    [
        ({}, set()),
        ({"securityContext": {"runAsUser": 200, "fsGroup": 5000}}, set()),
        ({"securityContext": {"runAsUser": 201}}, {"runAsUser"}),
        ({"securityContext": {"fsGroup": 99, "supplementalGroups": [100, 300]}}, {"fsGroup", "supplementalGroups"}),
        ({"hostNetwork": True, "volumes": [{"name": "a", "emptyDir": {}}]}, {"hostNetwork", "volumes"}),
        ({"containers": [{**WEB, "securityContext": {"readOnlyRootFilesystem": False}}]}, {"readOnlyRootFilesystem"}),
        (
            {"containers": [{**WEB, "securityContext": {"privileged": True, "runAsUser": 0}}]},
            {"privileged", "runAsUser"},
        ),
    ],
    ids=["nothing", "in its ranges", "user", "groups", "host and volumes", "writable root", "root"],
)
def test_a_pod_security_policy_refuses_what_it_refused(pod, fields):
    held = policy(level="privileged", podSecurityPolicy=RESTRICTIVE)
    objects = [*emitted(held), NAMESPACE, workload("Deployment", **pod)]

    found = judged(objects)

    said = [message.partition("PodSecurityPolicy restrictive: ")[2].partition(":")[0] for _, _, message in found]
    assert sorted(said) == sorted(fields)
    made = expanded(objects)["web-pod"]
    refused = admit(of_stated(RESTRICTIVE, "test").candidates(Resource((), {}), {})[0].policy, made).errors
    assert {error.field for error in refused} == fields


def test_an_exemption_from_a_field_of_a_pod_security_policy_holds_for_whole_pods():
    whole = {"match": {"names": ["web"]}, "controls": ["podSecurityPolicy.hostNetwork"], "reason": "is a proxy"}
    some = {"match": {"containers": ["web"]}, "controls": ["podSecurityPolicy.privileged"], "reason": "is an agent"}
    held = policy(level="privileged", podSecurityPolicy=RESTRICTIVE, exemptions=[whole, some])
    host = [workload("Deployment", name, hostNetwork=True) for name in ("web", "db")]

    found = judged([*emitted(held), NAMESPACE, *host])

    assert {name for name, _, message in found if "hostNetwork" in message} == {"db"}
    assert [line for line in gatekeeper.emitted(held._policy, Options()).cannot if "whole pods" in line]

"""The objects for Kyverno in its real command line: judged and mutated.

Skipped where kyverno isn't here; CONTRIBUTING.md, Set-up, says where it comes from.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import judges
import pytest
import yaml
from conftest import require
from judges import as_json, defaulted, of_psa, psa, templated
from test_judges import of_version

from krm_harden import check
from krm_harden.cluster import Options, kyverno
from krm_harden.cluster._dump import dumped
from krm_harden.model import Resource
from krm_harden.psp.admission import admit
from krm_harden.psp.demands import of_stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from krm_harden import Policy

WEB = {"name": "web", "image": "registry.example/web:1"}
PORTS = [{"containerPort": 8080, "hostPort": 8080}]


def policy(**spec: Any) -> Policy:
    return judges.policy(**{"level": "restricted", "version": "latest", **spec})


def emitted(held: Policy, kind: str = "", **options: Any) -> list[Mapping[str, Any]]:
    found = kyverno.emitted(held._policy, Options(**options)).objects
    return [one for one in found if kind in one["kind"]]


def run(folder: Path, policies: Iterable[Mapping[str, Any]], objects: Iterable[Mapping[str, Any]], *more: str) -> str:
    """What `kyverno apply` prints. It exits 1 where something fails the policies."""
    (folder / "policies.yaml").write_text(dumped([*policies]))
    (folder / "objects.yaml").write_text(dumped([*objects]))
    program = require("kyverno")
    done = subprocess.run(
        [program, "apply", "policies.yaml", "-r", "objects.yaml", *more],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=600,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "error: 0" in done.stdout or "-p" in more, done.stdout
    return done.stdout


def judged(
    folder: Path, policies: Iterable[Mapping[str, Any]], objects: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[str, str]]:
    """Result and words for each object, by its name."""
    said = run(folder, policies, objects, "-p", "--output-format", "json")
    report = json.loads(said[said.index("{") :])
    return {
        one["resources"][0]["name"]: (one["result"], one["message"])
        for one in report["results"]
        if one["source"] == "KyvernoValidatingPolicy"
    }


def mutated(folder: Path, policies: Iterable[Mapping[str, Any]], pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pods as the policies change them."""
    (folder / "mutated.yaml").write_text("")
    run(folder, policies, pods, "-o", "mutated.yaml")
    found = {
        one["metadata"]["name"]: one
        for one in yaml.load_all((folder / "mutated.yaml").read_text(), yaml.CSafeLoader)
        if one
    }
    return [found.get(pod["metadata"]["name"], pod) for pod in pods]


def named(pods: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        pod | {"metadata": {**(pod.get("metadata") or {}), "name": f"pod-{index}", "namespace": "default"}}
        for index, pod in enumerate(pods)
    ]


def workload(kind: str, name: str = "web", namespace: str = "shop", **pod: Any) -> dict[str, Any]:
    made = templated({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [WEB], **pod}}, kind)
    return made | {"metadata": {"name": name, "namespace": namespace}}


# Verdicts


@pytest.mark.parametrize(("level", "minor"), [("baseline", 18), ("restricted", 37)])
def test_the_fixtures_of_the_standard_are_judged_in_the_words_of_pod_security(level, minor, tmp_path):
    """The first two fixtures of each check, passing and failing: Kyverno compiles a policy anew for each object."""
    some: dict[tuple[str, str], list[Path]] = {}
    for path in of_version(level, minor):
        some.setdefault((path.parent.name, path.stem.rstrip("0123456789")), []).append(path)
    paths = [path for found in some.values() for path in found[:2]]
    pods = named(defaulted(yaml.load(path.read_text(), yaml.CSafeLoader)) for path in paths)
    held = policy(level=level, version=f"v1.{minor}")

    found = judged(tmp_path, emitted(held, "Validating")[:1], pods)

    assert len(pods) > 20
    for path, pod, answer in zip(paths, pods, psa([*map(as_json, pods)], level, f"v1.{minor}"), strict=True):
        allowed, said = of_psa(answer)
        words = f'violates PodSecurity "{level}:v1.{minor}": {said}'
        assert found[pod["metadata"]["name"]] == (("pass", "success") if allowed else ("fail", words)), path


def test_what_makes_pods_is_warned_of(tmp_path):
    kinds = [*judges.TEMPLATES]
    objects = [workload(kind, kind.lower(), hostNetwork=True) for kind in kinds]
    objects.append(workload("Deployment", "system", "kube-system", hostNetwork=True))

    found = judged(tmp_path, emitted(policy(level="baseline"), "Validating"), objects)

    words = 'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    assert found == {kind.lower(): ("fail", words) for kind in kinds} | {"system": ("skip", "skip")}
    (of_workloads,) = (one for one in emitted(policy()) if one["metadata"]["name"] == "krm-harden-workloads")
    assert of_workloads["spec"]["validationActions"] == ["Warn", "Audit"]


def test_an_exemption_holds_for_a_workload_and_for_its_pods(tmp_path):
    exempt = {
        "match": {"kinds": ["Deployment"], "namespaces": ["shop"], "names": ["web*"], "containers": ["web"]},
        "controls": ["hostPorts"],
        "reason": "its load balancer asks the nodes",
    }
    ports = {"containers": [{**WEB, "ports": PORTS}]}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d5f", "uid": "1", "controller": True}
    metadata = {"namespace": "shop", "labels": {"pod-template-hash": "6d5f"}, "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "name": "web-6d5f-x"}, "spec": ports}
    stranger = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone", "namespace": "shop"}, "spec": ports}
    objects = [pod, stranger, workload("Deployment", "web", **ports), workload("Deployment", "db", **ports)]

    found = judged(tmp_path, emitted(policy(level="baseline", exemptions=[exempt]), "Validating"), objects)

    assert {name: result for name, (result, _) in found.items()} == {
        "web-6d5f-x": "pass",
        "alone": "fail",
        "web": "pass",
        "db": "fail",
    }


@pytest.mark.parametrize(
    ("action", "pods", "workloads"),
    [
        ("deny", ["Deny"], ["Warn", "Audit"]),
        ("warn", ["Warn", "Audit"], ["Warn", "Audit"]),
        ("audit", ["Audit"], ["Audit"]),
    ],
)
def test_what_becomes_of_a_violation(action, pods, workloads):
    objects = emitted(policy(), "Validating", action=action)

    assert [one["spec"]["validationActions"] for one in objects] == [pods, workloads]


# Mutations


def test_the_shop_s_pods_pass_once_they_are_mutated(shared, tmp_path):
    """Online Boutique, its security contexts taken out; a second time changes nothing."""
    text = (shared / "corpus/GoogleCloudPlatform+microservices-demo/release/kubernetes-manifests.yaml").read_text()
    deployments = [one for one in yaml.load_all(text, yaml.CSafeLoader) if one["kind"] == "Deployment"]
    pods = []
    for one in deployments:
        template = one["spec"]["template"]
        template["spec"].pop("securityContext", None)
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", ())]:
            container.pop("securityContext", None)
        metadata = {**template["metadata"], "name": one["metadata"]["name"], "namespace": "default"}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})

    once = mutated(tmp_path, emitted(policy(), "Mutating"), pods)

    assert len(once) == 12
    assert all(answer["allowed"] for answer in psa([*map(as_json, once)], "restricted", "latest"))
    assert mutated(tmp_path, emitted(policy(), "Mutating"), once[:4]) == once[:4]


def test_what_an_author_wrote_stays(tmp_path, yaml_snapshot):
    proxy = {**WEB, "name": "proxy", "securityContext": {"privileged": True}}
    partial = {**WEB, "name": "partial", "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["NET_RAW"]}}}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "some"},
            "spec": {"containers": [WEB, proxy, partial]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "windows"},
            "spec": {"containers": [WEB], "os": {"name": "windows"}},
        },
    ]

    assert yaml_snapshot == dumped(mutated(tmp_path, emitted(policy(), "Mutating"), pods)).encode()


def test_what_is_exempt_is_not_written(tmp_path):
    exempt = {"match": {"labels": {"app": "db"}}, "controls": ["runAsNonRoot", "numericUser"], "reason": "is root"}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [WEB]},
        }
        for name in ("web", "db")
    ]

    found = mutated(tmp_path, emitted(policy(exemptions=[exempt]), "Mutating"), pods)

    contexts = [pod["spec"]["containers"][0]["securityContext"] for pod in found]
    assert [context.get("runAsNonRoot") for context in contexts] == [True, None]
    assert check(as_json(found[0])).allowed


def test_nothing_is_written_for_a_level_that_checks_nothing():
    assert emitted(policy(level="privileged")) == []


def test_kyverno_never_rewrites_the_expressions():
    """They know every kind; its rewriting of text would spoil them."""
    assert all(one["spec"]["autogen"] == {"podControllers": {"controllers": []}} for one in emitted(policy()))


# PodSecurityPolicies


RANGE = {"rule": "MustRunAs", "ranges": [{"min": 100, "max": 200}]}
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


def test_a_pod_security_policy_sets_and_refuses_what_it_did(tmp_path, yaml_snapshot):
    held = policy(level="privileged", podSecurityPolicy=RESTRICTIVE)
    own = {**WEB, "name": "own", "securityContext": {"runAsUser": 150, "capabilities": {"drop": ["KILL"]}}}
    root = {**WEB, "securityContext": {"privileged": True, "runAsUser": 0}}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"containers": containers},
        }
        for name, containers in {"web": [WEB], "own": [own], "root": [root]}.items()
    ]

    made = mutated(tmp_path, emitted(held, "Mutating"), pods)
    found = judged(tmp_path, emitted(held), pods)

    assert yaml_snapshot == dumped(made).encode()
    outcomes = [admit(of_stated(RESTRICTIVE, "test").candidates(Resource((), {}), {})[0].policy, pod) for pod in made]
    assert not any(outcome.changes for outcome in outcomes)
    assert [{error.field for error in outcome.errors} for outcome in outcomes] == [
        set(),
        set(),
        {"privileged", "runAsUser"},
    ]
    assert found["web"] == found["own"] == ("pass", "success")
    assert found["root"][1].startswith(
        "PodSecurityPolicy restrictive: privileged: Privileged containers are not allowed"
    )
    assert "; runAsUser: must be in the ranges: [{100 200}]" in found["root"][1]

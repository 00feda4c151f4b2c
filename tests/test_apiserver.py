"""The verdicts beside a real kube-apiserver's: what it creates, refuses, warns of, and would say to another label.

`admission` and `psa` judge much more in the same time; this is the proof that nothing stands between them and a cluster.
Skipped where kube-apiserver, etcd or kubectl isn't here; CONTRIBUTING.md, Set-up, says where they come from.
"""

from __future__ import annotations

import csv
import json
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import apiserver
import pytest
import yaml
from conftest import run_cli
from sweep import POD_SPECS

from krm_harden import check, harden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apiserver import Answer, Server

    from krm_harden.model import ResourceResult

PREFIX = "pod-security.kubernetes.io/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    apiserver.kubectl()
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        namespace(started, "restricted", enforce="restricted")
        namespace(started, "open")
        yield started


def namespace(server: Server, name: str, **labels: str) -> None:
    """A namespace with these Pod Security labels: a new one, or one that is there."""
    path = f"/api/v1/namespaces/{name}"
    made = server.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert made.code in (201, 409), made
    told = server.patch(path, {"metadata": {"labels": labels_of(labels)}})
    assert told.code == 200, told


def labels_of(said: dict[str, str]) -> dict[str, str]:
    """`enforce_version` is `pod-security.kubernetes.io/enforce-version`."""
    return {PREFIX + name.replace("_", "-"): value for name, value in said.items()}


def pod_of(name: str, template: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A Pod of a template."""
    kept = {key: value for key, value in template.get("metadata", {}).items() if key in ("labels", "annotations")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **kept, **metadata}, "spec": template["spec"]}


def message_of(manifest: dict[str, Any]) -> str:
    """What `check` says of one object: empty where it is allowed."""
    (judged,) = check(json.dumps(manifest)).resources
    assert judged.allowed == (not judged.message)
    return judged.message


def refusal(name: str, message: str) -> str:
    return f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": {message}'


def violations(answer: Answer) -> list[str]:
    """What the server warns of in the words of Pod Security, without its title."""
    title = 'would violate PodSecurity "restricted:latest": '
    return [text.removeprefix(title) for text in answer.warnings if text.startswith(title)]


# Real applications, hardened

REPOSITORIES = {
    "Azure-Samples/aks-store-demo",
    "GoogleCloudPlatform/microservices-demo",
    "kubernetes-sigs/metrics-server",
    "microservices-demo/microservices-demo",
    "stefanprodan/podinfo",
}
STAYS_OPEN = {"explicit", "manual", "refused"}


@dataclass(frozen=True)
class Workload:
    """One workload of the corpus: its document before and after hardening, and what was said of it."""

    file: str
    before: dict[str, Any]
    after: dict[str, Any]
    text: str
    result: ResourceResult

    @property
    def kind(self) -> str:
        return self.result.resource.kind

    @property
    def states(self) -> set[str]:
        return {finding.state for finding in self.result.findings}

    @property
    def namespace(self) -> str:
        return self.result.resource.namespace or "restricted"

    @property
    def pod(self) -> dict[str, Any]:
        """A bare Pod of the hardened template."""
        return bare_pod(self.after)

    def __str__(self) -> str:
        return f"{self.file}: {self.result.resource}"


def bare_pod(workload: dict[str, Any]) -> dict[str, Any]:
    """The Pod that a workload's controller makes, but for its name. A StatefulSet adds volumes for its claims."""
    group, kind = workload["apiVersion"].rpartition("/")[0], workload["kind"]
    template = workload
    for step in POD_SPECS[group, kind][:-1]:
        template = template[step]
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    spec = dict(template["spec"])
    if volumes:
        spec["volumes"] = [*spec.get("volumes", ()), *volumes]
    return pod_of(workload["metadata"]["name"], {**template, "spec": spec})


def documents(text: str) -> list[str]:
    """The documents of a stream as they stand there."""
    return re.split(r"^---(?=\s).*\n", text, flags=re.MULTILINE)


def objects(document: str) -> list[tuple[dict[str, Any], str]]:
    """The objects of a document as data and text; a List's items have no text of their own."""
    data = yaml.safe_load(document) or {}
    if data.get("kind") == "List":
        return [(item, yaml.safe_dump(item)) for item in data["items"]]
    return [(data, document)]


def identity(data: Any) -> tuple[str, str, str]:
    metadata = data["metadata"]
    return data["kind"], metadata.get("namespace", ""), metadata["name"]


def workloads_of(file: str, before: str) -> Iterator[Workload]:
    """The workloads of one file, in its order."""
    result = harden(before)
    assert result.errors == ()
    left_alone = {(note.kind, note.name) for note in result.unexamined}
    results = iter([each for each in result.resources if each.resource.kind != "Namespace"])
    read = [[pair for document in documents(text) for pair in objects(document)] for text in (before, result.text)]
    for (old, _), (new, text) in zip(*read, strict=True):
        if (old.get("apiVersion", "").rpartition("/")[0], old.get("kind")) not in POD_SPECS:
            continue
        if (old["kind"], old["metadata"]["name"]) in left_alone:  # a patch, which is no object that can be created
            continue
        made = next(results)
        assert identity(old) == identity(new) == (made.resource.kind, made.resource.namespace, made.resource.name)
        yield Workload(file, old, new, text, made)
    assert list(results) == []


def is_complete(server: Server, manifest: dict[str, Any]) -> bool:
    """Whether the server takes it where every pod is allowed. What kustomize still has to add to is no object yet."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
    said = server.create(manifest["kind"], "open", {**manifest, "metadata": metadata}, dry_run=True)
    assert said.code in (201, 422), said
    return said.code == 201


@pytest.fixture(scope="module")
def workloads(shared: Path, server: Server) -> list[Workload]:
    """Every workload of the five projects, in namespaces that enforce restricted."""
    corpus = shared / "corpus"
    with (corpus / "MANIFEST.tsv").open() as manifest:
        rows = [row for row in csv.DictReader(manifest, delimiter="\t") if row["repo"] in REPOSITORIES]
    files = [f"{row['repo'].replace('/', '+')}/{row['path']}" for row in rows if int(row["workloads"] or 0)]
    read = [workload for file in files for workload in workloads_of(file, (corpus / file).read_text())]
    found = [workload for workload in read if is_complete(server, bare_pod(workload.before))]
    assert len(read) - len(found) <= 1
    assert {workload.file.split("/")[0].replace("+", "/") for workload in found} == REPOSITORIES
    for name in {workload.namespace for workload in found}:
        namespace(server, name, enforce="restricted")
    return found


def test_pods_are_admitted_once_every_finding_is_fixed(server, workloads):
    fixed = [workload for workload in workloads if not workload.states & STAYS_OPEN]
    answers = [(workload, server.create("Pod", "restricted", workload.pod, dry_run=True)) for workload in fixed]

    assert [f"{workload}: {said}" for workload, said in answers if said.code != 201 or violations(said)] == []
    assert all(workload.result.allowed for workload in fixed)
    assert len(fixed) > 100


def test_pods_are_refused_in_our_words_where_a_finding_of_the_standard_stays_open(server, workloads):
    refused = [workload for workload in workloads if not workload.result.allowed]

    for workload in refused:
        pod = workload.pod
        said = server.create("Pod", "restricted", pod, dry_run=True)

        assert workload.states & STAYS_OPEN
        assert (said.code, said.message) == (403, refusal(pod["metadata"]["name"], message_of(pod))), workload
    assert len(refused) > 10


def test_the_server_says_of_pods_before_hardening_what_check_says(server, workloads):
    admitted = 0
    for workload in workloads:
        pod = bare_pod(workload.before)
        said, message = server.create("Pod", "restricted", pod, dry_run=True), message_of(pod)

        assert said.message == (refusal(pod["metadata"]["name"], message) if message else ""), workload
        admitted += said.code == 201
    assert admitted < 5
    assert len(workloads) > 100


def test_hardened_workloads_are_created_with_a_warning_only_where_they_still_violate(server, workloads):
    """The text as it was written, byte for byte: the server reads the YAML itself."""
    complete = [workload for workload in workloads if is_complete(server, workload.before)]
    for workload in complete:
        said = server.create(workload.kind, workload.namespace, workload.text, dry_run=True)

        assert said.code == 201, f"{workload}: {said}"
        assert violations(said) == ([] if workload.result.allowed else [workload.result.message]), workload
    assert len(workloads) - len(complete) <= 1
    assert sum(not workload.result.allowed for workload in complete) > 10


# Pods of every sort, for what follows

GOOD = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": True}
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/c"


def pod(name: str, context: dict[str, Any] | None = None, *, port: int = 0, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "registry.example/c:1", "securityContext": context or {}}
    ports = {"ports": [{"containerPort": port}]} if port else {}
    return pod_of(name, {"spec": {"containers": [{**container, **ports}], **spec}})


def with_metadata(made: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], **metadata}}


def owned(name: str, uid: str) -> dict[str, Any]:
    return with_metadata(pod(name), ownerReferences=[{**OWNER, "uid": uid}])


ALONE_AND_IN_GROUPS = [
    pod("fine", GOOD),
    pod("single", {"privileged": True}),
    *(pod(name, {"runAsNonRoot": True}) for name in ("pair-b", "pair-a")),
    *(pod(name) for name in ("third", "second", "first")),
    *(owned(name, "7d1f9c1e-0000-4000-8000-000000000001") for name in ("web-x", "web-a")),
    owned("api-x", "7d1f9c1e-0000-4000-8000-000000000002"),
    pod("adds", {**GOOD, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN", "NET_BIND_SERVICE"]}}),
    pod("user-0", {**GOOD, "runAsUser": 0}),
    pod("explicit", {**GOOD, "runAsNonRoot": False}),
    pod("unconfined", {**GOOD, "seccompProfile": {"type": "Unconfined"}}),
]
"""Groups of one, two and more pods for the same reasons; some fail at some versions only."""

ODD = [
    pod("network", GOOD, port=80, hostNetwork=True),
    with_metadata(pod("apparmor", GOOD), annotations={APP_ARMOR: "unconfined"}),
    pod("own-users", {**GOOD, "runAsNonRoot": False}, hostUsers=False),
    pod("windows", os={"name": "windows"}),
    pod("volumes", GOOD, volumes=[{"name": "bare"}, {"name": "nfs", "nfs": {"server": "a", "path": "/b"}}]),
    pod("bare-volume", GOOD, volumes=[{"name": "bare"}]),
    pod("image-volume", GOOD, volumes=[{"name": "image", "image": {"reference": "registry.example/i:1"}}]),
    pod("host-path", GOOD, volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
    pod("sysctl", GOOD, securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]}),
    pod("selinux", {**GOOD, "seLinuxOptions": {"type": "container_engine_t"}}),
    pod("probe", GOOD, hostPID=True, initContainers=[{"name": "i", "image": "registry.example/i:1"}]),
    pod("port", GOOD),
    pod("done", {"capabilities": {"drop": ["ALL"]}}),
    pod("failed", {"runAsNonRoot": True}),
    with_metadata(pod("leaving", {"privileged": True}), finalizers=["test.example/stays"]),
    pod("debugged", GOOD),
]
"""What the server adds to a pod before it judges it, what only some versions allow, and pods that run no longer."""

ORDERED = [
    *(pod(name) for name in ("a", "zz")),
    pod("a-b", {"runAsNonRoot": True}),
    pod("a.b", {"privileged": True}),
    pod("a0", {"allowPrivilegeEscalation": False}),
    *(pod(name, {"capabilities": {"drop": ["ALL"]}}) for name in ("a1", "a0b")),
    pod("b", {"runAsNonRoot": True, "allowPrivilegeEscalation": False}),
    pod("b-c", {"seccompProfile": {"type": "RuntimeDefault"}}),
]
"""The server sorts whole lines: ` ` < `-` < `.` < digits < `:`."""

NAMESPACES: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = {
    "groups": ({}, ALONE_AND_IN_GROUPS),
    "odd": ({}, ODD),
    "ordered": ({}, ORDERED),
    "fine": ({}, [pod("one", GOOD), pod("two", GOOD)]),
    "empty": ({}, []),
    "baseline": ({"enforce": "baseline", "enforce_version": "v1.24", "warn": "restricted"}, ALONE_AND_IN_GROUPS),
    "strict": ({"enforce": "restricted", "audit": "baseline"}, ALONE_AND_IN_GROUPS),
    "version-only": ({"enforce_version": "v1.20"}, ALONE_AND_IN_GROUPS),
    "privileged": ({"enforce": "privileged", "enforce_version": "latest"}, ALONE_AND_IN_GROUPS),
}
"""Namespaces, their labels and their pods, which were there before the labels."""


@pytest.fixture(scope="module")
def lived_in(server: Server) -> Server:
    """The server with all these pods in it."""
    for name, (labels, pods) in NAMESPACES.items():
        namespace(server, name)
        for each in pods:
            made = server.create("Pod", name, each)
            assert made.code == 201, made
        namespace(server, name, **labels)
    happen(server)
    wait_until_seen(server)
    return server


def happen(server: Server) -> None:
    """What befalls pods in a cluster: they end, are deleted, and get a container to debug them."""
    pods = "/api/v1/namespaces/odd/pods"
    answers = [
        server.patch(f"{pods}/done/status", {"status": {"phase": "Succeeded"}}),
        server.patch(f"{pods}/failed/status", {"status": {"phase": "Failed"}}),
        server.patch(
            f"{pods}/debugged/ephemeralcontainers",
            {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "registry.example/d:1"}]}},
        ),
        server.ask("DELETE", f"{pods}/leaving"),
    ]
    assert [answer.code for answer in answers] == [200] * 4, answers


def wait_until_seen(server: Server) -> None:
    """Pod Security reads pods from a cache that follows the writes: until the last write shows there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        said = " ".join(
            label(server, "odd", "restricted").warnings + label(server, "privileged", "restricted").warnings
        )
        if "debugged" in said and "unconfined" in said:
            return
        time.sleep(0.05)
    raise AssertionError(f"the server's cache stays behind: {said}")


def label(server: Server, name: str, level: str) -> Answer:
    """A namespace's enforce level changed, as a dry run."""
    patch = {"metadata": {"labels": labels_of({"enforce": level, "enforce_version": "latest"})}}
    return server.patch(f"/api/v1/namespaces/{name}?dryRun=All", patch)


# What would break

LEVELS = [
    *("restricted", "baseline", "privileged", "restricted:latest", "restricted:v1.0", "restricted:v1.20"),
    *("restricted:v1.24", "restricted:v1.34", "baseline:v1.0", "baseline:v1.24"),
]
ASKED = [
    *((name, level) for name in NAMESPACES if name not in {"ordered", "fine", "empty"} for level in LEVELS),
    *((name, level) for name in ("ordered", "fine", "empty") for level in ("restricted", "baseline:v1.24")),
    *(("groups", level) for level in ("restricted:v1.99", "privileged:v1.24")),
]
INVALID = ["Restricted", "foo:1.30", "restricted:1.30", "baseline:v1.37.0", "privileged:v1.07", "restricted:v2.0"]


@cache
def kubectl_label(server: Server, name: str, asked: str) -> tuple[int, str]:
    """What `kubectl label` says: its warnings and then its answer."""
    values = dict(zip(("enforce", "enforce_version"), asked.split(":"), strict=False))
    labels = [f"{key}={value}" for key, value in labels_of(values).items()]
    said = server.kubectl("label", "--dry-run=server", "--overwrite", "ns", name, *labels)
    return said.code, said.err + said.out.decode()


def what_breaks(name: str, asked: str, text: bytes) -> tuple[int, str, str]:
    said = run_cli("check", "--what-breaks", f"{name}={asked}", "-", stdin=text)
    return said.code, said.out.decode(), said.err


@pytest.fixture(scope="module")
def everything(lived_in: Server) -> dict[str, bytes]:
    """`kubectl get ns,pods -n NAMESPACE -o yaml`: these pods, and the namespaces of the whole cluster."""
    listed = {}
    for name in NAMESPACES:
        said = lived_in.kubectl("get", "ns,pods", "-n", name, "-o", "yaml")
        assert said.code == 0, said.err
        listed[name] = said.out
    return listed


@pytest.mark.parametrize("name, asked", ASKED)
def test_what_breaks_is_what_kubectl_label_says(lived_in, everything, name, asked):
    code, expected = kubectl_label(lived_in, name, asked)

    assert code == 0, expected
    assert what_breaks(name, asked, everything[name]) == (int("Warning: " in expected), expected, "")


def test_kubectl_labels_with_and_without_warnings(lived_in):
    """Else the comparison says little."""
    said = {(name, asked): kubectl_label(lived_in, name, asked)[1] for name, asked in ASKED}
    warned = [text for text in said.values() if text.startswith("Warning: existing pods in namespace")]

    assert len(warned) > 40
    assert len(set(warned)) > 40
    assert len(said) - len(warned) > 10
    assert said["strict", "restricted"] == "namespace/strict not labeled (server dry run)\n"
    assert said["strict", "baseline"] == "namespace/strict labeled (server dry run)\n"
    assert 'level "restricted:v1.24"\n' in said["baseline", "restricted"]
    assert "Warning: api-x (and 6 other pods): runAsNonRoot != true\n" in said["groups", "restricted:v1.0"]
    for words in ("done: ", "failed: ", "leaving: ", "debugged: ", "network: host namespaces, hostPort"):
        assert f"Warning: {words}" in said["odd", "restricted"]


@pytest.mark.parametrize("asked", INVALID)
def test_what_breaks_refuses_labels_in_the_words_of_the_server(lived_in, everything, asked):
    code, expected = kubectl_label(lived_in, "groups", asked)

    assert code == 1
    assert expected.startswith('The Namespace "groups" is invalid: ')
    assert what_breaks("groups", asked, everything["groups"]) == (3, "", expected)


@pytest.mark.parametrize("form", ["yaml", "json", "yaml --show-managed-fields"])
def test_what_breaks_looks_at_one_namespace_of_many(lived_in, form):
    text = lived_in.kubectl("get", "ns,pods", "-A", "-o", *form.split()).out

    for name in ("groups", "odd", "default"):
        assert what_breaks(name, "restricted", text)[1] == kubectl_label(lived_in, name, "restricted")[1]


@pytest.mark.parametrize("name", ["groups", "ordered", "baseline", "strict", "version-only"])
def test_what_breaks_says_the_same_of_the_manifests_themselves(lived_in, name):
    """What was applied, without what the server adds to it."""
    labels, pods = NAMESPACES[name]
    metadata = {"name": name, "labels": labels_of(labels)}
    manifests = [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}]
    manifests += [with_metadata(each, namespace=name) for each in pods]
    text = "---\n".join(yaml.safe_dump(manifest, sort_keys=False) for manifest in manifests).encode()

    for asked in ("restricted", "baseline:v1.24"):
        assert what_breaks(name, asked, text)[1] == kubectl_label(lived_in, name, asked)[1]


# What lives in a cluster, read back

TEMPLATES = [*ALONE_AND_IN_GROUPS, *(each for each in ODD if each["metadata"]["name"] != "leaving")]


def deployment_of(made: dict[str, Any]) -> dict[str, Any]:
    name, labels = made["metadata"]["name"], {"app": made["metadata"]["name"]}
    metadata = {"labels": labels, "annotations": made["metadata"].get("annotations", {})}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": metadata, "spec": made["spec"]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def verdicts(server: Server) -> dict[tuple[str, str], str]:
    """Pods and Deployments in namespace `live`, each with what the server says of it in `restricted`."""
    namespace(server, "live")
    said = {}
    for template in TEMPLATES:
        name = template["metadata"]["name"]
        for manifest in (template, deployment_of(template)):
            kind = manifest["kind"]
            answer = server.create(kind, "restricted", manifest, dry_run=True)
            refused = answer.message.removeprefix(refusal(name, ""))
            said[kind, name] = ", ".join([*filter(None, [refused]), *violations(answer)])
            assert server.create(kind, "live", manifest).code == 201
    assert sum(not message for message in said.values()) > 5
    assert len(set(said.values())) > 15
    return said


@pytest.mark.parametrize(
    "form", [("yaml",), ("json",), ("yaml", "--show-managed-fields"), ("json", "--show-managed-fields")], ids=" ".join
)
def test_check_says_of_live_objects_what_the_server_says(server, verdicts, form):
    listed = server.kubectl("get", "pods,deploy", "-n", "live", "-o", *form)
    said = run_cli("check", "-o", "json", "-", stdin=listed.out)
    report = json.loads(said.out)

    assert listed.code == 0, listed.err
    assert said.code == 1
    assert report["errors"] == report["notExamined"] == []
    ours = {(found["kind"], found["name"]): found["message"] for found in report["resources"]}
    assert ours == verdicts
    assert all(found["allowed"] == (not found["message"]) for found in report["resources"])

"""The emitted admission policies in a real API server, beside Pod Security's own verdicts and words, and beside `fix`.

Skipped where kube-apiserver or etcd isn't here; CONTRIBUTING.md, Set-up, says where they come from.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import time
from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import apiserver
import judges
import pytest
import yaml
from conftest import clean_environment, run_cli
from hypothesis import given, settings
from hypothesis import strategies as st
from judges import TEMPLATES, admission, as_json, templated
from pod_strategies import LEVELS, some_pods
from ruamel.yaml import YAML
from test_judges import of_version, well_named

from krm_harden import Policy, harden
from krm_harden.ceilings import restricted_by
from krm_harden.cluster import Options, targets
from krm_harden.cluster import admission as target
from krm_harden.cluster._cel import images, words
from krm_harden.cluster._dump import dumped
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from apiserver import Answer, Server

SECONDS = 60
"""For a policy to be in force: the server looks once a second."""
DENIED = "denied request: "
PRIVILEGED = {"name": "web", "image": "web", "securityContext": {"privileged": True}}
PROBE = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {"containers": [PRIVILEGED]}}
"""What no level but privileged allows, at any version."""
CONTROLLER = "system:serviceaccount:kube-system:{}-controller"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        yield started


def policy(**spec: Any) -> Policy:
    return judges.policy(**{"level": "restricted", "version": "latest", **spec})


def emitted(name: str, held: Policy, kinds: str = "Validating", **options: Any) -> list[dict[str, Any]]:
    """The objects of a policy that are of some kinds, as kubectl sends them."""
    objects = target.emitted(held._policy, Options(name=name, **options)).objects
    return [one for one in yaml.safe_load_all(dumped(objects)) if one["kind"].startswith(kinds)]


def install(server: Server, namespaces: Iterable[str], objects: Iterable[dict[str, Any]]) -> None:
    """Objects that hold in some namespaces only: several policies live in one server."""
    for name in namespaces:
        made = server.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        assert made.code in (201, 409), made
    selector = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    # The server sees them in their order: what is asked of pods comes last, so that all else is there with it.
    for one in sorted(objects, key=lambda one: one["metadata"]["name"].endswith("-pods")):
        if one["kind"].endswith("Binding"):
            one["spec"].setdefault("matchResources", {})["namespaceSelector"] = {"matchExpressions": [selector]}
        made = server.create(one["kind"], "", one)
        assert made.code == 201, made


def wait_until(server: Server, namespace: str, is_so: Any, pod: dict[str, Any] = PROBE) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so(server.create("Pod", namespace, pod, dry_run=True)):
        assert time.monotonic() < deadline, f"{namespace}: {server.create('Pod', namespace, pod, dry_run=True)}"
        time.sleep(0.2)


def in_force(server: Server, namespace: str) -> None:
    wait_until(server, namespace, lambda answer: answer.code == 403 or answer.warnings)


def words_of(answer: Answer) -> str:
    """What the policy says of a pod that it refuses, without who says it; empty where it doesn't."""
    return answer.message.partition(DENIED)[2] if answer.code == 403 else ""


def of_pod_security(found: Mapping[str, Any]) -> str:
    """The words of a judge's refusal, in one line: that is all that an admission policy may say."""
    message = found.get("message", "").replace("\n", " ").strip()
    return message[message.index("violates PodSecurity") :] if found["code"] == 403 else ""


def differences(server: Server, namespace: str, pods: list[dict[str, Any]], judged: list[dict[str, Any]]) -> list[Any]:
    """The pods of which the policy says otherwise than Pod Security: (pod, ours, the judge's).

    What the server can't read or finds invalid never gets as far as either.
    """
    wrong = []
    for pod, judge in zip(pods, judged, strict=True):
        answer = server.ask("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", as_json(pod).encode())
        if (answer.code, words_of(answer)) != (judge["code"], of_pod_security(judge)):
            wrong.append((pod, answer, judge))
    return wrong


# The standard's own fixtures, and random pods


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_the_fixtures_of_the_standard_are_judged_at_each_version_in_the_words_of_pod_security(server, level):
    names = {minor: f"{level}-{minor}" for minor in range(38)}
    for minor, name in names.items():
        install(server, [name], emitted(name, policy(level=level, version=f"v1.{minor}")))
    for name in names.values():
        in_force(server, name)
    count = refused = 0

    for minor, name in names.items():
        pods = [well_named(yaml.load(path.read_text(), yaml.CSafeLoader)) for path in of_version(level, minor)]
        judged = admission([*map(as_json, pods)], level, f"v1.{minor}")
        assert differences(server, name, pods, judged) == []
        count += len(pods)
        refused += sum(judge["code"] == 403 for judge in judged)
    assert (count, refused) == {"baseline": (1555, 1116), "restricted": (2982, 2358)}[level]


VERSIONS = ["v1.18", "v1.24", "v1.34", "latest"]


@given(found=some_pods(15), level=LEVELS, version=st.sampled_from(VERSIONS))
@settings(max_examples=30)
def test_random_pods_are_judged_in_the_words_of_pod_security(server, random_namespaces, found, level, version):
    if level != "privileged":
        judged = admission([*map(as_json, found)], level, version)
        assert differences(server, random_namespaces[level, version], found, judged) == []


@pytest.fixture(scope="module")
def random_namespaces(server: Server) -> dict[tuple[str, str], str]:
    found = {}
    for level in ("baseline", "restricted"):
        for version in VERSIONS:
            name = found[level, version] = f"random-{level}-{version.replace('.', '-')}"
            install(server, [name], emitted(name, policy(level=level, version=version)))
            in_force(server, name)
    return found


def test_an_older_server_gives_the_same_verdicts(server):
    """Before 1.35 CEL can't sort, so values come in the pod's order; before 1.33 there are no volumes of images."""
    name = "older"
    held = policy(level="restricted", version="v1.30")
    made = target.emitted(held._policy, Options(name=name, kubernetes=(1, 33)))
    text = dumped(made.objects)
    install(server, [name], emitted(name, held, kubernetes=(1, 33)))
    in_force(server, name)
    pods = [well_named(yaml.load(path.read_text(), yaml.CSafeLoader)) for path in of_version("restricted", 30)]
    judged = admission([*map(as_json, pods)], "restricted", "v1.30")
    wrong = differences(server, name, pods, judged)

    assert not re.search(r"\.(sort|distinct|flatten|transformList)\(", text)
    assert [(answer.code, judge["code"]) for _, answer, judge in wrong if answer.code != judge["code"]] == []
    assert any("can't sort before Kubernetes 1.35" in line for line in made.cannot)
    assert any("MutatingAdmissionPolicy is served from Kubernetes 1.36 on" in line for line in made.cannot)


def test_a_pod_of_many_containers_is_judged_within_the_limits_of_cel(server, random_namespaces):
    containers = [{"name": f"container-{index}", "image": f"registry.example/c{index}:1"} for index in range(100)]
    pod = {**PROBE, "spec": {"containers": containers, "volumes": [{"name": f"v{index}"} for index in range(100)]}}
    (judged,) = admission([as_json(pod)], "restricted", "latest")

    answer = server.create("Pod", random_namespaces["restricted", "latest"], pod, dry_run=True)

    # More words than a message may have: the short ones stand in for them.
    assert len(of_pod_security(judged)) > 5120
    assert words_of(answer) == 'violates PodSecurity "restricted:latest"'


# What Pod Security does beside judging


@pytest.fixture(scope="module")
def held(server: Server) -> str:
    """A namespace in which restricted is held."""
    name = "held"
    install(server, [name, "kube-held"], emitted(name, policy()))
    in_force(server, name)
    said = {"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}}
    assert server.patch(f"/api/v1/namespaces/{name}", said).code == 200
    wait_until(server, name, lambda answer: any(text.startswith("would") for text in answer.warnings))
    return name


@pytest.mark.parametrize("kind", [*TEMPLATES])
def test_what_makes_pods_gets_the_warning_of_pod_security(server, held, kind):
    container = {"name": "web", "image": "web"}
    manifest = templated({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}, kind)
    if kind == "Job":
        manifest["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    if kind == "CronJob":
        manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    if kind not in ("Job", "CronJob", "PodTemplate"):
        labels = {"app": "web"}
        manifest["spec"]["selector"] = labels if kind == "ReplicationController" else {"matchLabels": labels}
    if kind == "StatefulSet":
        manifest["spec"]["serviceName"] = "web"

    answer = server.create(kind, held, manifest, dry_run=True)
    told = [text.partition(": ")[2] for text in answer.warnings if text.startswith("Validation failed")]
    pod_security = [text for text in answer.warnings if text.startswith("would violate")]

    assert answer.code == 201
    assert told == pod_security
    assert len(told) == 1


def test_what_runs_in_the_namespaces_of_kubernetes_is_left_alone(server, held):
    assert server.create("Pod", "kube-held", PROBE, dry_run=True).code == 201
    assert server.create("Pod", held, PROBE, dry_run=True).code == 403


def test_only_updates_that_pod_security_judges_are_judged(server):
    """A pod that was there before the policy can go, and be labelled; what comes into it is judged."""
    name = "updated"
    server.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    pod = {**PROBE, "metadata": {"name": "old", "finalizers": ["test.example/stays"]}}
    assert server.create("Pod", name, pod).code == 201
    install(server, [name], emitted(name, policy(level="baseline")))
    in_force(server, name)
    path = f"/api/v1/namespaces/{name}/pods/old"
    debugger = {"name": "debug", "image": "web", "targetContainerName": "web"}

    labelled = server.patch(path, {"metadata": {"labels": {"a": "b"}}})
    image = server.patch(path, {"spec": {"containers": [{"name": "web", "image": "other"}]}})
    debugged = server.patch(f"{path}/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugger]}})
    released = server.patch(path, {"metadata": {"finalizers": None}})

    assert [one.code for one in (labelled, image, debugged, released)] == [200, 403, 403, 200]
    assert words_of(image) == words_of(debugged)
    assert words_of(image).startswith('violates PodSecurity "baseline:latest": privileged (container "web"')


@pytest.mark.parametrize("action", ["warn", "audit"])
def test_softer_actions_refuse_nothing(server, action):
    install(server, [action], emitted(action, policy(), action=action))
    if action == "warn":
        in_force(server, action)
    else:
        time.sleep(3)
    answer = server.create("Pod", action, PROBE, dry_run=True)

    assert answer.code == 201
    said = [text for text in answer.warnings if text.startswith("Validation failed")]
    assert [*map(bool, said)] == ([True] if action == "warn" else [])


# Exemptions and rules

EXEMPTIONS = [
    {
        "match": {"kinds": ["DaemonSet"], "names": ["node-*"], "namespaces": ["exempt*"]},
        "controls": ["hostNamespaces", "hostPorts"],
        "reason": "reads its node",
    },
    {
        "match": {"kinds": ["Deployment", "CronJob"], "names": ["builder"], "containers": ["build-?"]},
        "controls": ["privileged", "allowPrivilegeEscalation"],
        "reason": "builds images",
    },
    {"match": {"labels": {"tier": "legacy"}}, "controls": ["*"], "reason": "goes next year", "expires": "2999-01-01"},
    {"match": {"images": ["registry.example/root:*"]}, "controls": ["runAsUser"], "reason": "starts as root"},
    {"match": {}, "controls": ["*"], "reason": "was for the first week", "expires": "2020-01-01"},
]
GOOD = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str = "pod", *containers: dict[str, Any], owner: str = "", **fields: Any) -> dict[str, Any]:
    """A pod of some containers, each restricted but for what it says; `owner` is the KIND/NAME of its controller."""
    metadata = {key: fields.pop(key) for key in ("labels", "annotations") if key in fields}
    if owner:
        kind, _, of = owner.partition("/")
        version = "batch/v1" if kind == "Job" else "apps/v1"
        reference = {"apiVersion": version, "kind": kind, "name": of, "uid": "1", "controller": True}
        metadata["ownerReferences"] = [reference]
    made = [{"name": "web", "image": "web", "securityContext": {}, **one} for one in containers or ({},)]
    for one in made:
        one["securityContext"] = {**GOOD, **one["securityContext"]}
    spec = {"containers": made, **fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def builder(*names: str) -> list[dict[str, Any]]:
    open_ = {"privileged": True, "allowPrivilegeEscalation": True}
    return [{"name": name, "securityContext": open_} for name in names]


HASH = {"pod-template-hash": "5d4f8c7b9"}
AGENT = {"hostNetwork": True, "owner": "DaemonSet/node-exporter"}
OWNED = [
    ("an agent of its DaemonSet", "daemon-set", pod(**AGENT), ""),
    ("an agent by whom it isn't", "", pod(**AGENT), "host namespaces (hostNetwork=true)"),
    ("another DaemonSet's", "daemon-set", pod(hostNetwork=True, owner="DaemonSet/web"), "host namespaces"),
    ("what isn't exempt", "daemon-set", pod("p", *builder("web"), **AGENT), "privileged"),
    (
        "a Deployment's container",
        "replicaset",
        pod("p", *builder("build-1"), owner="ReplicaSet/builder-5d4f8c7b9", labels=HASH),
        "",
    ),
    (
        "its other container",
        "replicaset",
        pod("p", *builder("build-1", "web"), owner="ReplicaSet/builder-5d4f8c7b9", labels=HASH),
        'privileged (container "web" must not',
    ),
    (
        "another hash",
        "replicaset",
        pod("p", *builder("build-1"), owner="ReplicaSet/builder-1", labels=HASH),
        "privileged",
    ),
    ("a CronJob's", "job", pod("p", *builder("build-1"), owner="Job/builder-29101234"), ""),
    ("a Job's of nobody", "job", pod("p", *builder("build-1"), owner="Job/builder-x"), "privileged"),
    ("a label", "", pod("p", *builder("web"), hostPID=True, labels={"tier": "legacy"}), ""),
    ("another label", "", pod("p", *builder("web"), labels={"tier": "web"}), "privileged"),
    ("an image", "", pod("p", {"image": "registry.example/root:1", "securityContext": {"runAsUser": 0}}), ""),
    ("another image", "", pod("p", {"securityContext": {"runAsUser": 0}}), "runAsUser=0"),
    (
        "the pod itself isn't its image",
        "",
        pod("p", {"image": "registry.example/root:1"}, securityContext={"runAsUser": 0}),
        "runAsUser=0 (pod must not",
    ),
]
"""Whose pod, by which controller, the pod, and how its refusal begins; empty where it is admitted."""


@pytest.fixture(scope="module")
def exempt(server: Server) -> str:
    install(server, ["exempt"], emitted("exempt", policy(exemptions=EXEMPTIONS)))
    in_force(server, "exempt")
    return "exempt"


@pytest.mark.parametrize("case", OWNED, ids=[case[0] for case in OWNED])
def test_exemptions_hold_for_the_pods_of_what_they_name(server, exempt, case):
    _, controller, manifest, refusal = case
    user = CONTROLLER.format(controller) if controller else ""

    answer = server.create("Pod", exempt, manifest, dry_run=True, user=user)

    said = words_of(answer).removeprefix('violates PodSecurity "restricted:latest": ')
    assert answer.code == (403 if refusal else 201), answer
    assert said.startswith(refusal)


def test_exemptions_of_what_makes_pods_spare_it_the_warning(server, exempt):
    labels = {"app": "agent"}
    template = {"metadata": {"labels": labels}, "spec": pod(hostNetwork=True)["spec"]}
    for name, warned in (("node-exporter", False), ("web", True)):
        spec = {"selector": {"matchLabels": labels}, "template": template}
        manifest = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": spec}
        answer = server.create("DaemonSet", exempt, manifest, dry_run=True)
        assert (answer.code, bool(answer.warnings)) == (201, warned), answer


def test_what_a_cluster_cannot_see_of_matches_is_said(text_snapshot):
    held = policy(
        exemptions=[*EXEMPTIONS, {"match": {"kinds": ["Workflow"]}, "controls": ["*"], "reason": "Argo's"}],
        rules=[{"match": {"labels": {"a": "b"}}, "level": "baseline"}],
        controls={"readOnlyRootFilesystem": {"required": True}, "fsGroup": {"required": True}},
        explicit="override",
    )

    made = target.emitted(held._policy, Options(kubernetes=(1, 34)))

    assert "\n".join(made.cannot) + "\n" == text_snapshot


def test_an_exemption_from_vulnerabilities_is_none_from_anything_that_a_cluster_sees():
    """It matches every pod: carried over, it would leave all of them alone."""
    found = {"vulnerabilities": ["CVE-2026-1"]}
    held = policy(exemptions=[{"match": found, "controls": ["*"], "reason": "not reached"}])

    for name in targets():
        module = import_module(f"krm_harden.cluster.{name}")
        assert module.emitted(held._policy, Options()) == module.emitted(policy()._policy, Options())


ONLY_READ_BY_US = {
    "controls.imageDigest": {"controls": {"imageDigest": {"enabled": True}}},
    "controls.serviceAccountToken": {"controls": {"serviceAccountToken": {"enabled": True}}},
    "controls.imageVulnerabilities": {"controls": {"imageVulnerabilities": {"failOn": "high"}}},
    "rules[0].controls.imageDigest": {"rules": [{"match": {}, "controls": {"imageDigest": {"enabled": True}}}]},
    "exemptionAnnotations": {"exemptionAnnotations": "allow"},
    "podSecurityPolicies": {"podSecurityPolicies": "items"},
    "kinds": {"kinds": [{"group": "example.com", "kind": "Run", "podSpecs": ["/spec"]}]},
    "namespaces": {"namespaces": {"enforce": "restricted"}},
}


@pytest.mark.parametrize("field", [*ONLY_READ_BY_US])
def test_a_field_that_only_krm_harden_reads_is_said_for_each_target(field):
    held = policy(**ONLY_READ_BY_US[field])

    for name in targets():
        made = import_module(f"krm_harden.cluster.{name}").emitted(held._policy, Options())
        can = name == "gatekeeper" and field == "namespaces"
        assert sum(line.startswith(f"{field}: ") for line in made.cannot) == (0 if can else 1)


@pytest.mark.parametrize(
    "spec",
    [
        {"images": [{"match": f"registry.example/{index:0100}:*", "uid": 5} for index in range(1000)]},
        {"exemptions": [{"match": {"images": ["x" * 300 + "*"]}, "controls": ["*"], "reason": "r"}] * 400},
    ],
    ids=["images", "exemptions"],
)
def test_an_expression_that_no_server_reads_is_an_error(spec):
    with pytest.raises(ConfigError, match=r"the expression \w+ would have \d+,\d+ letters, and a server reads 100,000"):
        target.emitted(policy(**spec)._policy, Options())


RULES = [
    {"match": {"namespaces": ["rules-soft"]}, "level": "baseline"},
    {"match": {"namespaces": ["rules-soft"], "kinds": ["Pod"], "names": ["free-*"]}, "level": "privileged"},
    {"match": {"namespaces": ["rules-told"]}, "onViolation": "Warn", "changes": "additive"},
]


def test_rules_decide_which_level_holds_and_whether_it_refuses(server):
    names = ["rules-hard", "rules-soft", "rules-told"]
    install(server, names, emitted("rules", policy(rules=RULES)))
    for name in names:
        in_force(server, name)
    plain = {**PROBE, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    free = {**PROBE, "metadata": {"name": "free-1"}}

    def code(namespace: str, manifest: dict[str, Any]) -> int:
        return server.create("Pod", namespace, manifest, dry_run=True).code

    assert [code(name, plain) for name in names] == [403, 201, 201]
    assert [code(name, PROBE) for name in names] == [403, 403, 201]
    assert [code(name, free) for name in names] == [403, 201, 201]
    told = server.create("Pod", "rules-told", plain, dry_run=True).warnings
    assert any(
        text.endswith(' set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")') for text in told
    )


def test_rules_that_cannot_meet_are_written_down_side_by_side(server):
    """Each way in which rules may hold together is a part of an expression: of rules apart there are few."""
    by_namespace = [
        {"match": {"namespaces": [f"team-{index}", f"x{index}-*"]}, "level": "baseline"} for index in range(99)
    ]
    made = emitted("apart", policy(rules=by_namespace))
    by_label = [{"match": {"labels": {f"a{index}": "b"}}, "version": f"v1.{index}"} for index in range(9)]

    assert [one["metadata"]["name"] for one in made if not one["kind"].endswith("Binding")] == ["apart", "apart-2"]
    assert len(json.dumps(made)) < 120_000
    install(server, ["team-98"], made)
    wait_until(server, "team-98", lambda answer: "baseline:latest" in answer.message)
    with pytest.raises(ConfigError, match="9 of its rules may hold together in more than 200 ways"):
        emitted("together", policy(rules=by_label))


def test_controls_beyond_the_standard_are_held_where_they_are_required(server):
    wanted = {name: {"required": True} for name in ("readOnlyRootFilesystem", "numericUser", "numericGroup")}
    install(server, ["beyond"], emitted("beyond", policy(controls={**wanted, "seccompProfile": {"enabled": False}})))
    in_force(server, "beyond")
    context = {**GOOD, "seccompProfile": None, "readOnlyRootFilesystem": True, "runAsUser": 1000}
    good = pod("good", {"securityContext": context}, securityContext={"runAsGroup": 1000})

    assert server.create("Pod", "beyond", good, dry_run=True).code == 201
    assert words_of(server.create("Pod", "beyond", pod(), dry_run=True)) == (
        'violates PodSecurity "restricted:latest": '
        'no runAsGroup (pod or container "web" must set securityContext.runAsGroup), '
        'no runAsUser (pod or container "web" must set securityContext.runAsUser), '
        'readOnlyRootFilesystem != true (container "web" must set securityContext.readOnlyRootFilesystem=true)'
    )


# PodSecurityPolicies

RANGED = {
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "requiredDropCapabilities": ["ALL"],
    "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 2000, "max": 2999}]},
    "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]},
    "supplementalGroups": {"rule": "RunAsAny"},
    "seLinux": {"rule": "RunAsAny"},
    "volumes": ["configMap", "emptyDir", "secret", "projected"],
    "readOnlyRootFilesystem": True,
}


def test_a_pod_security_policy_beside_a_level_refuses_and_sets_what_it_did(server):
    exemptions = [
        {"match": {"names": ["free-*"]}, "controls": ["podSecurityPolicy"], "reason": "has another policy"},
        {"match": {"names": ["odd-*"]}, "controls": ["podSecurityPolicy.runAsUser"], "reason": "has a user of its own"},
    ]
    profiles = {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"}
    stated = {"name": "ranged", "annotations": profiles, "spec": RANGED}
    held = policy(podSecurityPolicy=stated, exemptions=exemptions)
    install(server, ["ranged"], emitted("ranged", held, ""))
    user = {"runAsUser": 1234, "readOnlyRootFilesystem": True}
    refused = pod("refused", {"securityContext": user})
    plain = bare(pod("plain"))
    wait_until(server, "ranged", lambda answer: "PodSecurityPolicy ranged" in answer.message, refused)
    wait_until(server, "ranged", lambda answer: answer.code == 201, plain)

    def said(name: str, **context: Any) -> Answer:
        return server.create("Pod", "ranged", pod(name, {"securityContext": {**user, **context}}), dry_run=True)

    assert words_of(said("refused")).startswith("PodSecurityPolicy ranged: runAsUser")
    assert said("in-range", runAsUser=2999).code == 201
    assert said("free-1").code == 201
    assert said("odd-1").code == 201
    assert words_of(said("odd-2", readOnlyRootFilesystem=False)).startswith("PodSecurityPolicy ranged: readOnlyRoot")
    found = security(created(server, "ranged", plain))
    assert (found["web"]["runAsUser"], found["pod"]["fsGroup"], found["web"]["runAsNonRoot"]) == (2000, 1, True)
    assert found["web"]["seccompProfile"] == {"type": "RuntimeDefault"}
    again = created(server, "ranged", {**plain, "spec": created(server, "ranged", plain)["spec"]})
    assert security(again) == found


def test_a_pod_security_policy_alone_writes_and_refuses_nothing_else(server, tmp_path):
    manifest = {
        "apiVersion": "policy/v1beta1",
        "kind": "PodSecurityPolicy",
        "metadata": {"name": "old"},
        "spec": RANGED,
    }
    (tmp_path / "psp.yaml").write_text(json.dumps(manifest))
    made = run_cli("emit", "admission", "--policy", tmp_path / "psp.yaml", "--name", "alone")
    objects = [*yaml.safe_load_all(made.out)]

    assert (made.code, [one["kind"] for one in objects]) == (
        0,
        [
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
        ],
    )
    install(server, ["alone"], objects)
    plain = bare(pod("plain"))
    wait_until(server, "alone", lambda answer: answer.code == 201 and security(answer.data) != security(plain), plain)
    found = security(created(server, "alone", plain))
    assert (found["web"]["runAsUser"], found["pod"]["fsGroup"]) == (2000, 1)
    assert not found["web"].keys() & {"seccompProfile", "mounts"}


# What is written to pods

BARE = [
    pod("plain"),
    pod("many", {}, {"name": "db", "image": "memcached:1.6"}, {"name": "proxy", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}),
    pod("known", {"image": "registry.example/known/app:2"}, {"name": "other", "image": "registry.example/known:5000/x"}),
    pod("of-volumes", {"image": "redis:7", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        {"name": "unknown", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]),
    pod("mounted", {"volumeMounts": [{"name": "all", "mountPath": "/tmp"}]}, volumes=[{"name": "all", "emptyDir": {}}]),
    pod("init", initContainers=[{"name": "init", "image": "busybox"}]),
    pod("of-root", {"securityContext": {"runAsUser": 0}}, {"name": "beside"}),
    pod("root-pod", securityContext={"runAsUser": 0}),
    pod("may-be-root", {"securityContext": {"runAsNonRoot": False}}, {"name": "beside"}),
    pod("privileged", {"securityContext": {"privileged": True}}),
    pod("adds", {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}),
    pod("admin", {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    pod("binds", {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["NET_RAW"]}}}),
    pod("has-user", {"securityContext": {"runAsUser": 1234}}),
    pod("says-all", securityContext={"runAsUser": 5, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}),
    pod("unconfined", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    pod("writes", {"securityContext": {"readOnlyRootFilesystem": False, "allowPrivilegeEscalation": True}}),
    pod("agent", {"image": "quay.io/cilium/cilium:v1.16.0"}),
    pod("aliases", {"image": "index.docker.io/library/nginx:1.27"}, {"name": "old", "image": "k8s.gcr.io/pause:3.9"}),
    pod("mirrors", {"image": "public.ecr.aws/docker/library/nginx:1.27"},
        {"name": "db", "image": "mirror.gcr.io/library/redis:7"}),
    pod("windows", os={"name": "windows"}),
    pod("on-windows", nodeSelector={"kubernetes.io/os": "windows"}),
    pod("own-users", hostUsers=False),
    pod("digest", {"image": "docker.io/library/nginx@sha256:" + "0" * 64}),
]  # fmt: skip
"""Pods of every sort; their containers' security contexts hold what they say here, and nothing of GOOD."""
IMAGES = [
    {"match": "registry.example/known/*", "uid": 1001, "gid": 2002, "writablePaths": ["/app/cache", "/tmp"]},
    {"match": "registry.example/known:5000/x", "uid": 0},
]


def bare(manifest: dict[str, Any]) -> dict[str, Any]:
    """A pod without what GOOD says."""
    made = deepcopy(manifest)
    for one in made["spec"]["containers"]:
        kept = {key: value for key, value in one["securityContext"].items() if GOOD.get(key) != value}
        one["securityContext"] = kept
        if not kept:
            del one["securityContext"]
    return made


def security(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What holds for each container: its own words, else the pod's, and what it mounts."""
    spec = manifest["spec"]
    of_pod = spec.get("securityContext") or {}
    found = {}
    for one in [*spec.get("initContainers", ()), *spec["containers"]]:
        inherited = {
            field: of_pod[field]
            for field in ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
            if field in of_pod
        }
        said = {**inherited, **(one.get("securityContext") or {})}
        mounts = sorted(mount["mountPath"] for mount in one.get("volumeMounts", ()))
        found[one["name"]] = {**said, **({"mounts": mounts} if mounts else {})}
    return {**found, "pod": {key: of_pod[key] for key in ("fsGroup", "sysctls") if key in of_pod}}


def created(server: Server, namespace: str, manifest: dict[str, Any]) -> dict[str, Any]:
    answer = server.create("Pod", namespace, manifest, dry_run=True)
    assert answer.code == 201, answer
    return dict(answer.data)


def fixed(manifest: dict[str, Any], held: Policy) -> dict[str, Any]:
    """What `fix` makes of a pod."""
    return dict(json.loads(harden(as_json(manifest), held).text))


SETTINGS: dict[str, dict[str, Any]] = {
    "complete": {"images": IMAGES},
    "evidence": {"images": IMAGES, "changes": "evidence"},
    "additive": {"images": IMAGES, "changes": "additive"},
    "report": {"unknownUser": "report"},
    "openshift": {"target": {"platform": "openshift"}},
    "root": {"images": [{"match": "web", "defaultUser": 0}]},
    "same": {"images": [{"match": "*", "uid": 77, "gid": 88}]},
    "baseline": {"level": "baseline"},
    "older": {"version": "v1.24"},
    "own": {
        "controls": {
            "readOnlyRootFilesystem": {"writablePaths": ["/tmp", "/var/My_cache/a.b"]},
            "numericUser": {"uid": 4242},
            "allowPrivilegeEscalation": {"enabled": False},
        }
    },
    "exempt": {
        "exemptions": [
            {"match": {"names": ["plain"]}, "controls": ["*"], "reason": "as it is"},
            {"match": {"containers": ["web"]}, "controls": ["runAsNonRoot", "seccompProfile"], "reason": "is root"},
            {"match": {"images": ["nginx:*"]}, "controls": ["readOnlyRootFilesystem"], "reason": "writes"},
        ]
    },
    "by-rules": {"rules": [{"match": {"names": ["m*", "has-user"]}, "changes": "additive"}]},
}
NEEDS_VARIABLES = pod("needs-variables", {"image": "postgres:16"})
"""`fix` moves its data into a folder below its volume, by a variable: that a pod gets nothing of."""


@pytest.mark.parametrize("name", [*SETTINGS])
def test_a_created_pod_gets_what_fix_writes(server, name):
    held = policy(**SETTINGS[name])
    objects = emitted(f"writes-{name}", held, "Mutating")
    install(server, [f"writes-{name}"], objects)
    pods = [*map(bare, BARE), annotated("localhost/a"), annotated("docker/default"), annotated("unconfined")]
    wanted = {one["metadata"]["name"]: security(fixed(one, held)) for one in pods}
    if objects:
        first = next(one for one in pods if security(one) != wanted[one["metadata"]["name"]])
        wait_until(server, f"writes-{name}", lambda answer: security(answer.data) != security(first), first)

    made = {one["metadata"]["name"]: security(created(server, f"writes-{name}", one)) for one in pods}

    assert bool(objects) == (name != "baseline")
    assert [*unlike(made, wanted)] == []


def unlike(made: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """Each field of a container, or of the pod itself, that isn't as it should be."""
    for name, found in made.items():
        for container, said in found.items():
            other = wanted[name][container]
            for field in sorted({*said, *other}):
                if said.get(field) != other.get(field):
                    yield f"{name}/{container}: {field} is {said.get(field)}, not {other.get(field)}"


def test_nothing_is_written_that_keeps_a_container_from_its_start(server):
    """The kubelet refuses root where runAsNonRoot says so; `mkdir /data` fails on a read-only root."""
    install(server, ["alive"], emitted("alive", policy(controls={"numericUser": {"enabled": False}}), "Mutating"))
    commands = [["sh", "-c", "set -e; mkdir -p /data/x; exec app"], ["prometheus", "--storage.tsdb.path=/data"]]
    containers = [{"name": f"c{index}", "command": command} for index, command in enumerate(commands)]
    plain = bare(pod("probe", {"image": "nginx:1.27"}, *containers, {"name": "other", "args": ["--path", "/x"]}))
    wait_until(server, "alive", lambda answer: security(answer.data) != security(plain), plain)

    found = security(created(server, "alive", plain))

    assert not found["web"].keys() & {"runAsNonRoot", "runAsGroup", "runAsUser"}
    assert found["web"]["readOnlyRootFilesystem"]
    assert [found[one["name"]].get("readOnlyRootFilesystem") for one in containers] == [None, None]
    assert (found["other"]["readOnlyRootFilesystem"], found["other"]["runAsNonRoot"]) == (True, True)


def annotated(profile: str) -> dict[str, Any]:
    name = "annotated-" + re.sub(r"\W", "-", profile)
    return bare(pod(name, annotations={"seccomp.security.alpha.kubernetes.io/pod": profile}))


LONG = "/var/lib/a/folder/whose/name/is/longer/than/that/of/any/volume/may/be"
ODD_PATHS = ["/tmp", "/var/tmp", "/a.b", "/a-b", "/a_B", "/tmp/", "/.cache", "/é", "/a+b", LONG, "/tmp"]


def test_each_folder_gets_a_volume_of_its_own_whatever_it_and_its_container_are_called(server):
    """No pod may become invalid by what is written: names that are too long, or that two folders share, would do so."""
    name = "odd-paths"
    held = policy(controls={"readOnlyRootFilesystem": {"writablePaths": ODD_PATHS}})
    install(server, [name], emitted(name, held, "Mutating"))
    names = ["a", "a-var", "b", "c" * 63, "a-b"]
    containers = [{"name": one, "image": "registry.example/x"} for one in names]
    volumes = [{"name": "krm-harden-b-tmp", "emptyDir": {}}]
    init = [{"name": "i" * 63, "image": "registry.example/x"}]
    spec = {"initContainers": init, "containers": containers, "volumes": volumes}
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd"}, "spec": spec}
    wait_until(server, name, lambda answer: answer.code != 201 or security(answer.data) != security(plain), plain)

    spec = created(server, name, plain)["spec"]

    every = [*spec["initContainers"], *spec["containers"]]
    mounts = [(one["name"], mount["name"], mount["mountPath"]) for one in every for mount in one["volumeMounts"]]
    assert [path for name, _, path in mounts if name == "a"] == ODD_PATHS[:-1]
    assert len({volume for _, volume, _ in mounts}) == len(mounts) == 6 * 10
    assert {volume for _, volume, _ in mounts} == {one["name"] for one in spec["volumes"]} - {"krm-harden-b-tmp"}
    assert ("a", "krm-harden-a-var-tmp", "/var/tmp") in mounts
    assert ("a-var", "krm-harden--containers-1-tmp", "/tmp") in mounts


ODD_IMAGES = [
    {"match": "a''' ' b\n\t\\\u2028*", "uid": 5, "writablePaths": ["/x'"]},
    {"match": "registry.example/odd*", "uid": 7, "writablePaths": ["/a b"]},
    {"match": "registry.example/x*", "uid": 6, "writablePaths": ["/'''", "/c,d", "/e\nf"]},
    {"match": "registry.example/good*", "uid": 8, "writablePaths": ["/good"]},
]


def test_images_and_folders_of_any_letters_are_looked_up(server):
    name = "odd-images"
    held = policy(images=ODD_IMAGES)
    made = target.emitted(held._policy, Options())
    install(server, [name], emitted(name, held, "Mutating"))
    plain = bare(pod("probe", {"image": "registry.example/good"}, {"name": "odd", "image": "registry.example/odd"}))
    wait_until(server, name, lambda answer: security(answer.data) != security(plain), plain)

    found = security(created(server, name, plain))

    assert (found["web"]["runAsUser"], found["web"]["mounts"]) == (8, ["/good"])
    assert found["odd"]["runAsUser"] == 7
    assert not found["odd"].keys() & {"mounts", "readOnlyRootFilesystem"}
    said = [line.partition("writablePaths: ")[2].partition(" can't be said")[0] for line in made.cannot]
    assert said == ['"/x\'"', "'/a b'", "\"/'''\"", "'/c,d'", "'/e\\nf'"]


@pytest.fixture(scope="module")
def boutique(server: Server, shared: Path) -> list[dict[str, Any]]:
    """The pods of the Online Boutique as if nobody had thought of security, and a namespace that takes none of them."""
    install(server, ["boutique"], emitted("boutique", policy(), ""))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    file = shared / "corpus" / "GoogleCloudPlatform+microservices-demo" / "release" / "kubernetes-manifests.yaml"
    pods = [stripped(one) for one in yaml.safe_load_all(file.read_text()) if one and one["kind"] == "Deployment"]
    in_force(server, "boutique")
    wait_until(server, "boutique", lambda answer: answer.code == 201, pods[0])
    server.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "as-they-are"}})
    for name in ("boutique", "as-they-are"):
        assert server.patch(f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}).code == 200
    return pods


def stripped(deployment: dict[str, Any]) -> dict[str, Any]:
    """The bare pod of a Deployment, without any security context."""
    template = deepcopy(deployment["spec"]["template"])
    spec = template["spec"]
    spec.pop("securityContext", None)
    for one in [*spec.get("initContainers", ()), *spec["containers"]]:
        one.pop("securityContext", None)
    metadata = {"name": deployment["metadata"]["name"], "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_plain_pods_of_the_online_boutique_are_admitted_where_restricted_is_enforced(server, boutique):
    assert len(boutique) == 12
    refused = [server.create("Pod", "as-they-are", one, dry_run=True) for one in boutique]
    assert [one.code for one in refused] == [403] * 12
    assert all("violates PodSecurity" in one.message for one in refused)

    admitted = [server.create("Pod", "boutique", one, dry_run=True) for one in boutique]

    assert [str(one) for one in admitted if one.code != 201 or one.warnings] == []
    assert [*unlike_fix(boutique, admitted)] == []


def unlike_fix(pods: list[dict[str, Any]], admitted: list[Answer]) -> Iterator[str]:
    made = {one["metadata"]["name"]: security(answer.data) for one, answer in zip(pods, admitted, strict=True)}
    return unlike(made, {one["metadata"]["name"]: security(fixed(one, policy())) for one in pods})


def test_what_was_written_is_never_written_again(server, boutique):
    """As on a reinvocation: a pod that has it all stays as it is, field by field."""
    for one in boutique:
        once = created(server, "boutique", one)
        again = created(server, "boutique", {**one, "spec": once["spec"]})
        assert again["spec"] == once["spec"]


def test_a_pod_of_many_containers_is_written_within_the_limits_of_cel(server, boutique):
    containers = [{"name": f"c{index}", "image": f"registry.example/c{index}:1"} for index in range(60)]
    pod_ = {**PROBE, "spec": {"containers": containers}}

    made = created(server, "boutique", pod_)

    assert all(one["securityContext"]["runAsNonRoot"] for one in made["spec"]["containers"])
    assert len(made["spec"]["volumes"]) == 60


LOCK = {
    "apiVersion": "krm-harden.dev/v1alpha1",
    "kind": "ImageLock",
    "spec": {
        "images": [
            {
                "digest": "sha256:" + "1" * 64,
                "images": ["registry.example/locked:2"],
                "facts": {"uid": 3003, "gid": 4004, "writablePaths": ["/var/spool"]},
                "evidence": {"uid": "config"},
            }
        ]
    },
}


def test_users_of_a_lock_are_written(server, tmp_path):
    (tmp_path / "lock.yaml").write_text(json.dumps(LOCK))
    made = run_cli("emit", "admission", "--images", tmp_path / "lock.yaml", "--name", "locked")
    objects = [one for one in yaml.safe_load_all(made.out) if one["kind"].startswith("Mutating")]
    install(server, ["locked"], objects)
    plain = bare(pod("probe", {"image": "registry.example/locked:2"}, {"name": "other", "image": "registry.example/x"}))
    wait_until(server, "locked", lambda answer: security(answer.data) != security(plain), plain)

    found = security(created(server, "locked", plain))

    assert (found["web"]["runAsUser"], found["web"]["runAsGroup"], found["web"]["mounts"]) == (
        3003,
        4004,
        ["/var/spool"],
    )
    assert (found["other"]["runAsUser"], found["other"]["mounts"]) == (10001, ["/tmp"])


def test_pods_of_many_containers_are_looked_up_in_a_long_lock_within_the_limits_of_cel(server, tmp_path):
    name = "long-lock"
    images = [f"registry.example/team-{index % 7}/service-{index}:2" for index in range(1000)]
    entries = [
        {**LOCK["spec"]["images"][0], "digest": f"sha256:{index:064x}", "images": [image]}
        for index, image in enumerate(images)
    ]
    (tmp_path / "lock.yaml").write_text(json.dumps({**LOCK, "spec": {"images": entries}}))
    made = run_cli("emit", "admission", "--images", tmp_path / "lock.yaml", "--name", name)
    install(server, [name], [one for one in yaml.safe_load_all(made.out) if one["kind"].startswith("Mutating")])
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images[-20:])]
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "many"}, "spec": {"containers": containers}}
    wait_until(server, name, lambda answer: security(answer.data) != security(plain), plain)

    found = security(created(server, name, plain))

    assert {found[one["name"]]["runAsUser"] for one in containers} == {3003}


# The command


def test_kubectl_applies_what_the_command_prints(server):
    made = run_cli("emit", "admission", "--name", "applied", "--action", "audit")

    done = subprocess.run(
        [apiserver.kubectl(), "apply", "--dry-run=server", "-f", "-"],
        input=made.out,
        capture_output=True,
        env=clean_environment(KUBECONFIG=str(server.kubeconfig)),
        timeout=60,
        check=False,
    )

    assert (made.code, done.returncode, done.stderr) == (0, 0, b"")
    assert [line.split()[0] for line in done.stdout.decode().splitlines()] == [
        "validatingadmissionpolicy.admissionregistration.k8s.io/applied",
        "validatingadmissionpolicybinding.admissionregistration.k8s.io/applied-pods",
        "validatingadmissionpolicybinding.admissionregistration.k8s.io/applied-workloads",
        "mutatingadmissionpolicy.admissionregistration.k8s.io/applied",
        "mutatingadmissionpolicybinding.admissionregistration.k8s.io/applied",
    ]


def test_a_folder_holds_a_file_for_each_object_and_none_of_an_earlier_run(tmp_path):
    folder = tmp_path / "admission"
    assert run_cli("emit", "admission", "-o", f"{folder}/", "--name", "old").code == 0
    (folder / "mine.yaml").write_text("kind: ConfigMap\n")

    assert run_cli("emit", "admission", "-o", f"{folder}/").code == 0

    assert sorted(path.name for path in folder.iterdir()) == [
        "mine.yaml",
        "mutatingadmissionpolicy-krm-harden.yaml",
        "mutatingadmissionpolicybinding-krm-harden.yaml",
        "validatingadmissionpolicy-krm-harden.yaml",
        "validatingadmissionpolicybinding-krm-harden-pods.yaml",
        "validatingadmissionpolicybinding-krm-harden-workloads.yaml",
    ]
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run_cli("emit", "admission", "-o", f"{folder}/").code == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_keeps_what_was_made_for_another_target_or_below_it(tmp_path):
    folder = tmp_path / "policies"
    assert run_cli("emit", "kyverno", "-o", f"{folder}/").code == 0
    assert run_cli("emit", "admission", "-o", f"{folder}/inner/", "--name", "inner").code == 0
    before = set(folder.rglob("*.yaml"))

    assert run_cli("emit", "admission", "-o", f"{folder}/").code == 0

    assert len(before) == 3 + 5
    assert before < set(folder.rglob("*.yaml"))


def test_nothing_goes_from_a_folder_in_which_one_of_the_files_is_not_ours(tmp_path):
    folder = tmp_path / "admission"
    assert run_cli("emit", "admission", "-o", f"{folder}/", "--name", "old").code == 0
    foreign = folder / "validatingadmissionpolicybinding-krm-harden-workloads.yaml"
    foreign.write_text("kind: ConfigMap\n")
    before = {path: path.read_bytes() for path in folder.iterdir()}

    done = run_cli("emit", "admission", "-o", f"{folder}/")

    assert done.code == 2
    assert done.err.startswith(f"krm-harden: error: {foreign}: is there, and wasn't made by")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path):
    (tmp_path / "link.yaml").symlink_to("nowhere")

    assert run_cli("emit", "admission", "-o", tmp_path / "link.yaml").code == 2
    assert (tmp_path / "link.yaml").is_symlink()


def test_a_policy_that_asks_for_nothing_is_said_to(tmp_path):
    head = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: none}\n"
    (tmp_path / "policy.yaml").write_text(f"{head}spec: {{level: privileged}}\n")

    done = run_cli("emit", "admission", "--policy", tmp_path / "policy.yaml")

    assert (done.code, done.err) == (0, "warning: the policy none asks for nothing here, so there is no object\n")
    assert [line for line in done.out.decode().splitlines() if not line.startswith("#")] == []


def test_a_file_that_was_not_made_by_it_stays(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("kind: ConfigMap\n")

    done = run_cli("emit", "admission", "-o", file)

    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        f"krm-harden: error: {file}: is there, and wasn't made by `krm-harden emit`; name another place with -o"
    )
    assert file.read_text() == "kind: ConfigMap\n"


def test_what_cannot_be_expressed_is_said_and_strict_fails_for_it():
    done = run_cli("emit", "admission", "--kubernetes", "1.34", "--strict")
    head = done.out.decode().partition("apiVersion:")[0]

    assert done.code == 1
    assert done.err.startswith("warning: ")
    assert "# What it can't express of the policy:\n# - " in head
    assert "MutatingAdmissionPolicy is served from Kubernetes 1.36 on" in head
    assert run_cli("emit", "admission").code == 0


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--kubernetes", "1.29"], "Kubernetes 1.29 has no ValidatingAdmissionPolicy of version v1; it came with 1.30"),
        (["--kubernetes", "new"], "--kubernetes 'new' isn't a version of Kubernetes; write it as 1.34"),
        (["--name", "Mine_"], "--name 'Mine_' can't begin the name of an object; use up to 50 small letters, digits"),
        (["--tests"], "--tests: there are none for admission; leave --tests out"),
        (["-o", ""], "--output is empty; name a file or a folder with -o"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_said_in_one_line(arguments, said):
    done = run_cli("emit", "admission", *arguments)

    assert (done.code, done.out) == (3, b"")
    assert done.err.splitlines()[-1].startswith(f"krm-harden: error: {said}")


def test_a_server_without_the_policies_is_an_error():
    with pytest.raises(ConfigError, match="no ValidatingAdmissionPolicy"):
        target.emitted(policy()._policy, Options(kubernetes=(1, 20)))


# The parts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["a\nb", "a\n\n b\n", " a\nb", "1e3", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_what_a_ceiling_says_of_images_comes_before_what_is_below_it():
    above = policy(images=[{"match": "registry.example/*", "uid": 5}])._policy
    below = policy(images=[{"match": "registry.example/team/app:1", "uid": 5, "gid": 7}])._policy

    lines = images.stated(restricted_by(above, below), guesses=True)

    assert [line.split(" ")[2:4] for line in lines] == [["5", "-"], ["5", "7"]]


@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_what_is_dumped_is_read_back(objects):
    made = YAML(typ="safe", pure=True)
    made.allow_duplicate_keys = False

    assert [*made.load_all(dumped(objects, ["a", "", "b"]))] == objects


GLOBS = st.lists(
    st.sampled_from(["a", "b", "*", "?", ".", "-", "\\", "]", "[", "[ab]", "[!a-]", "[b-a]", "[!b-a]", "[]a]"])
)


@given(GLOBS.map("".join), st.text("ab-.\\]", max_size=5))
@settings(max_examples=600)
def test_a_glob_matches_the_same_in_cel(glob, text):
    regex = words.regex(glob).replace("[^\\x{0}-\\x{10FFFF}]", "(?!)")  # RE2 writes letters so, Python has (?!)

    assert bool(re.search(regex, text)) == fnmatch.fnmatchcase(text, glob)

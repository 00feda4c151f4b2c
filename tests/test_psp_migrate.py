"""`psp migrate`: a made-up cluster of 12 namespaces and 5 policies, taken to the API server that has none any more.

The choices are compared with the admission plugin of Kubernetes 1.24 itself (`psp`), what takes its place is judged by
the real kube-apiserver. tests/psp/cluster is the cluster.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import apiserver
import pytest
import yaml
from conftest import ROOT, run_cli
from psp_judge import a_policy, judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apiserver import Server
    from conftest import Ran

CLUSTER = ROOT / "tests" / "psp" / "cluster"
ENFORCE = "pod-security.kubernetes.io/enforce"
PEOPLE = ("--user", "alice", "--group", "data")
OPEN = {"Deployment/refused/rooted", "Deployment/tools/stuck"}
CONTROLLERS = {
    "Deployment": "replicaset-controller",
    "StatefulSet": "statefulset-controller",
    "DaemonSet": "daemon-set-controller",
    "Job": "job-controller",
    "CronJob": "job-controller",
}
VAP_SECONDS = 60
"""How long an API server may take until an admission policy holds."""


def migrate(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> Ran:
    return run_cli("psp", "migrate", *arguments, cwd=cwd, stdin=stdin)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cluster, migrated once."""
    folder = tmp_path_factory.mktemp("migrated")
    shutil.copytree(CLUSTER, folder / "cluster")
    done = migrate("cluster", *PEOPLE, "--action", "deny", "-o", "out", cwd=folder)
    assert done.code == 1, done.err
    return folder / "out"


@pytest.fixture(scope="module")
def report(migrated: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((migrated / "report.json").read_text())
    return found


def objects(*paths: Path) -> Iterator[dict[str, Any]]:
    """The objects of files and folders, Lists unwrapped."""
    files = [file for path in paths for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]
    for file in files:
        for data in yaml.safe_load_all(file.read_text()):
            yield from data["items"] if data["kind"] == "List" else [data]


def template(data: dict[str, Any]) -> dict[str, Any]:
    """The pod of a workload: {metadata, spec}."""
    if data["kind"] == "Pod":
        return {"metadata": {}, "spec": data["spec"]}
    spec = data["spec"]
    found = spec["jobTemplate"]["spec"]["template"] if data["kind"] == "CronJob" else spec["template"]
    claims = [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())]
    volumes = [
        *found["spec"].get("volumes", ()),
        *({"name": n, "persistentVolumeClaim": {"claimName": n}} for n in claims),
    ]
    return {"metadata": found.get("metadata", {}), "spec": {**found["spec"], "volumes": volumes}}


def named(data: dict[str, Any]) -> str:
    return "/".join((data["kind"], data["metadata"]["namespace"], data["metadata"]["name"]))


def workloads(*paths: Path) -> dict[str, dict[str, Any]]:
    return {named(one): one for one in objects(*paths) if one["kind"] in {*CONTROLLERS, "Pod"}}


def asked(data: dict[str, Any], pods: list[dict[str, Any]]) -> dict[str, Any]:
    """The cluster as the judge takes it, with pods that this workload's controller makes."""
    given = [one for one in objects(CLUSTER) if one["kind"] not in {*CONTROLLERS, "Pod", "Namespace"}]
    for one in given:
        for subject in one.get("subjects", ()):
            if subject["kind"] == "ServiceAccount":
                subject.setdefault("namespace", one["metadata"].get("namespace"))
    controller = CONTROLLERS.get(data["kind"])
    groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"] if controller else ["data"]
    user = f"system:serviceaccount:kube-system:{controller}" if controller else "alice"
    return {"objects": [*given, *pods], "user": user, "groups": [*groups, "system:authenticated"]}


def as_pod(data: dict[str, Any], pod: dict[str, Any], name: str = "probe") -> dict[str, Any]:
    labels = pod["metadata"].get("labels", {})
    metadata = {"name": name, "namespace": data["metadata"]["namespace"], "labels": labels}
    if "annotations" in pod["metadata"]:
        metadata["annotations"] = pod["metadata"]["annotations"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**pod["spec"], "enableServiceLinks": True},
    }


def test_the_report_says_which_policy_each_workload_got_and_what_is_open(migrated, report, text_snapshot):
    assert {one["object"] for one in report["open"]} == OPEN
    assert len(report["namespaces"]) == 12
    assert len(report["policies"]) == 5
    assert (migrated / "REPORT.md").read_text() == text_snapshot


def test_the_steps_are_in_their_order(migrated, text_snapshot):
    assert (migrated / "STEPS.md").read_text() == text_snapshot


def test_the_manifests_say_what_the_policies_wrote(migrated, text_snapshot):
    texts = [f"# {path.name}\n{path.read_text()}" for path in sorted((migrated / "manifests").rglob("*.yaml"))]

    assert "".join(texts) == text_snapshot


def test_each_choice_is_that_of_the_admission_plugin(report):
    every = workloads(CLUSTER)
    answers = judged(asked(data, [as_pod(data, template(data))]) for data in every.values())

    chosen = {name: answer["pods"][0].get("policy", "") for name, answer in zip(every, answers, strict=True)}
    assert chosen == {one["object"]: one["pods"][0].get("policy", "") for one in report["workloads"]}
    assert len(set(chosen.values())) == 5


def test_the_policies_find_nothing_to_change_in_the_hardened_pods(migrated, report):
    every = workloads(migrated / "manifests")
    answers = judged(asked(data, [as_pod(data, template(data))]) for data in every.values())

    got = {one["object"]: one["pods"][0].get("policy") for one in report["workloads"]}
    for name, answer in zip(every, answers, strict=True):
        (pod,) = answer["pods"]
        assert pod["allowed"], (name, pod)
        own = next(one for one in pod["tried"] if one["policy"] == got[name])
        # The plugin also kept the annotation that became the field seccompProfile.
        assert own.get("pod", pod["created"])["spec"] == pod["created"]["spec"], name


def test_the_policy_files_harden_as_the_migration_did(migrated, tmp_path, report):
    """A HardeningPolicy of each PodSecurityPolicy, over the workloads that got it."""
    before, after = workloads(CLUSTER), workloads(migrated / "manifests")
    for policy in sorted((migrated / "policies").iterdir()):
        used = next(one["usedBy"] for one in report["policies"] if one["name"] == policy.stem)
        file = tmp_path / f"{policy.stem}.yaml"
        file.write_text(yaml.safe_dump_all([before[name] for name in used if name in after]))

        assert run_cli("fix", "--policy", policy, file).code == 0
        assert {named(one): one for one in objects(file)} == {name: after[name] for name in used if name in after}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Server]:
    """A server with what the migration wrote, applied as the steps say."""
    apiserver.kubectl()
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        manifests = migrated / "manifests"
        for what in (manifests / "cluster" / "namespaces.yaml", migrated / "admission", manifests):
            done = started.kubectl("apply", "-R", "-f", str(what))
            assert done.code == 0, done.err
        hold(started, migrated)
        yield started


def hold(server: Server, migrated: Path) -> None:
    """Wait until each admission policy holds: none of its namespaces takes this pod any more."""
    bindings = [one for one in objects(migrated / "admission") if one["kind"].endswith("Binding")]
    wanted = {one["spec"]["policyName"] for one in bindings}
    deadline = time.monotonic() + VAP_SECONDS
    probes = {"payments": {"runAsUser": 4999}, "shop": {"seccompProfile": LOCAL}, "mixed": {"runAsUser": 0}}
    while wanted and time.monotonic() < deadline:
        answers = [
            server.create("Pod", name, a_compliant_pod(name, context), dry_run=True) for name, context in probes.items()
        ]
        answers += [server.create("Pod", "monitoring", an_agent(), dry_run=True)]
        answers += [server.create("Pod", "storage", a_tuned_pod(), dry_run=True)]
        wanted -= {name for name in wanted for answer in answers if f"'{name}'" in answer.message}
        time.sleep(0.2)
    assert not wanted


LOCAL = {"type": "Localhost", "localhostProfile": "a.json"}


def a_compliant_pod(namespace: str, context: dict[str, Any]) -> dict[str, Any]:
    container = {
        "name": "a",
        "image": "a",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    said = {
        "runAsNonRoot": context.get("runAsUser") != 0,
        "runAsUser": 5000,
        "runAsGroup": 5000,
        "supplementalGroups": [5000],
        "seccompProfile": {"type": "RuntimeDefault"},
        **context,
    }
    metadata = {"name": "probe", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"securityContext": said, "containers": [container]},
    }


def an_agent() -> dict[str, Any]:
    made = a_compliant_pod("monitoring", {})
    made["spec"]["serviceAccountName"] = "node-exporter"
    made["spec"]["hostPID"] = True
    return made


def a_tuned_pod() -> dict[str, Any]:
    return a_compliant_pod("storage", {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})


def test_the_hardened_pods_are_admitted_by_what_took_the_place(server, migrated):
    for name, data in workloads(migrated / "manifests").items():
        answer = server.create("Pod", data["metadata"]["namespace"], as_pod(data, template(data)), dry_run=True)

        assert answer.code == 201, (name, answer)


def change(pod: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A pod with another value; `c` in a path is its first container. None takes the field away."""
    made = deepcopy(pod)
    node = made["spec"]
    *above, last = path.split(".")
    for step in above:
        node = node["containers"][0] if step == "c" else node.setdefault(step, {})
    if value is None:
        node.pop(last, None)
    else:
        node[last] = value
    return made


def mounted(source: dict[str, Any], *, read_only: bool = False) -> Any:
    def changed(pod: dict[str, Any]) -> dict[str, Any]:
        made = deepcopy(pod)
        made["spec"].setdefault("volumes", []).append({"name": "probe", **source})
        mount = {"name": "probe", "mountPath": "/probe", "readOnly": read_only}
        made["spec"]["containers"][0].setdefault("volumeMounts", []).append(mount)
        return made

    return changed


OWN, POD = "c.securityContext", "securityContext"
PROBES: list[tuple[str, Any]] = [
    ("privileged", (f"{OWN}.privileged", True)),
    *((name, (name, True)) for name in ("hostNetwork", "hostPID", "hostIPC")),
    *(("hostPorts", ("c.ports", [{"containerPort": port, "hostPort": port}])) for port in (80, 9099, 9105, 9111)),
    *(
        ("volumes", mounted(source))
        for source in (
            {"nfs": {"server": "a", "path": "/"}},
            {"hostPath": {"path": "/srv"}},
            {"emptyDir": {}},
            {"configMap": {"name": "a"}},
            {"downwardAPI": {}},
            {"persistentVolumeClaim": {"claimName": "a"}},
            {"csi": {"driver": "a.example.com"}},
            {"flexVolume": {"driver": "a/b"}},
            {"iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:a", "lun": 0}},
        )
    ),
    *(
        ("allowedHostPaths", mounted({"hostPath": {"path": path}}, read_only=read_only))
        for path in ("/proc", "/proc/1", "/procs", "/var/log", "/var/log/a", "/var/lib", "/")
        for read_only in (True, False)
    ),
    *(
        ("allowedCapabilities", (f"{OWN}.capabilities.add", [name]))
        for name in ("SYS_ADMIN", "NET_RAW", "CHOWN", "NET_BIND_SERVICE", "CAP_CHOWN")
    ),
    *(
        ("requiredDropCapabilities", (f"{OWN}.capabilities", value))
        for value in (None, {}, {"drop": ["NET_RAW"]}, {"drop": ["ALL"]}, {"drop": ["KILL"]})
    ),
    *(("runAsUser", (f"{OWN}.runAsUser", user)) for user in (None, 0, 1, 4999, 5000, 5999, 6000, 7000, 7001)),
    ("runAsUser", (f"{OWN}.runAsNonRoot", False)),
    *(("runAsGroup", (f"{OWN}.runAsGroup", group)) for group in (None, 0, 4999, 5000, 5999, 6000)),
    *(("fsGroup", (f"{POD}.fsGroup", group)) for group in (None, 0, 4999, 5000, 5999, 6000)),
    *(("supplementalGroups", (f"{POD}.supplementalGroups", groups)) for groups in (None, [0], [5000], [5000, 6000])),
    *(
        ("seLinux", (f"{OWN}.seLinuxOptions", value))
        for value in ({"type": "spc_t"}, {"level": "s0:c1"}, {"user": "a"})
    ),
    *(("readOnlyRootFilesystem", (f"{OWN}.readOnlyRootFilesystem", value)) for value in (None, False, True)),
    *(("allowPrivilegeEscalation", (f"{OWN}.allowPrivilegeEscalation", value)) for value in (None, True)),
    *(
        ("sysctls", (f"{POD}.sysctls", [{"name": name, "value": "1"}]))
        for name in ("kernel.msgmax", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_keepalive_time", "net.core.somaxconn")
    ),
    *(
        ("seccomp", (f"{POD}.seccompProfile", value))
        for value in (None, {"type": "Unconfined"}, {"type": "RuntimeDefault"}, LOCAL)
    ),
    ("runtimeClass", ("runtimeClassName", "other")),
]
"""What a pod may say otherwise, each with the field of a policy that it is about."""


def probes(pod: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for number, (field, how) in enumerate(PROBES):
        made = how(pod) if callable(how) else change(pod, *how)
        yield field, f"{number}: {field} {'' if callable(how) else how}", made


def test_nothing_gets_looser_without_a_line_in_the_report(server, migrated, report):
    """Pods that the plugin refused and today's server takes, for each workload: each has its line."""
    fields = {
        name: {one["field"]: one for one in group["fields"]}
        for group in report["fields"]
        for name in group["workloads"]
    }
    every = workloads(migrated / "manifests")
    variants = {name: list(probes(template(data))) for name, data in every.items()}
    clusters = [
        asked(data, [as_pod(data, pod, f"probe-{index}") for index, (_, _, pod) in enumerate(variants[name])])
        for name, data in every.items()
    ]
    refused = taken = 0
    for (name, data), answer in zip(every.items(), judged(clusters), strict=True):
        for (field, label, pod), old in zip(variants[name], answer["pods"], strict=True):
            if "error" in old or old.get("invalid") or old["allowed"]:
                continue
            refused += 1
            new = server.create("Pod", data["metadata"]["namespace"], as_pod(data, pod), dry_run=True)
            assert new.code in (201, 403, 422), new
            if new.code == 201:
                taken += 1
                # A volume of a type that isn't allowed never gets as far as its own field.
                names = {field, "volumes"} if field == "allowedHostPaths" else {field}
                own = [fields[name][one] for one in names]
                assert any(one.get("looser") for one in own), (name, label, old["message"])
    assert refused > 300
    assert taken > 10


def test_what_becomes_of_the_policies_of_others_is_accepted(server, shared, tmp_path):
    """Each folder of a migration tool's own tests that has a policy: bare pods, no RBAC, no namespace."""
    folders = sorted(path.parent for path in (shared / "corpus" / "appvia+psp-migration").rglob("psp.yaml"))
    assert len(folders) > 5
    for folder in folders:
        out = tmp_path / folder.name
        done = migrate(folder, "--namespace", "default", "-o", out, cwd=tmp_path)
        judged_pods = [pod for one in json.loads((out / "report.json").read_text())["workloads"] for pod in one["pods"]]

        assert done.code == int(any("open" in pod for pod in judged_pods)), done.err
        accepts(server, out)


def accepts(server: Server, out: Path) -> None:
    """The server takes all that a migration wrote: nothing of it is left."""
    made = [word for name in ("admission", "manifests") if (out / name).exists() for word in ("-f", str(out / name))]
    if made:
        applied = server.kubectl("apply", "--dry-run=server", "-R", *made)
        assert applied.code == 0, applied.err


def test_the_example_comes_out_as_expected_and_is_accepted(server, tmp_path):
    example = ROOT / "examples" / "psp-migration"
    folder = shutil.copytree(example, tmp_path / "psp-migration", ignore=shutil.ignore_patterns(".expected"))
    assert migrate("cluster", "deploy", "-o", "migration", cwd=folder).code == 0
    made = {path.relative_to(folder).as_posix(): path.read_text() for path in files(folder / "migration")}
    if os.environ.get("UPDATE_EXAMPLES") == "1":
        shutil.rmtree(example / ".expected", ignore_errors=True)
        shutil.copytree(folder / "migration", example / ".expected" / "migration")

    expected = example / ".expected"
    assert made == {path.relative_to(expected).as_posix(): path.read_text() for path in files(expected / "migration")}
    accepts(server, folder / "migration")
    web = ("--policy", "migration/policies/restricted.yaml", "migration/manifests/deploy/web.yaml")
    assert run_cli("check", *web, cwd=folder).code == 0
    assert run_cli("check", *web[:2], "deploy/web.yaml", cwd=folder).code == 1
    again = migrate("cluster", "deploy", "-o", "migration", "--action", "deny", cwd=folder)
    assert again.code == 0
    assert "- Deny\n" in (folder / "migration" / "admission" / "restricted.yaml").read_text()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_steps_take_away_what_granted_the_policies_and_nothing_else(server, migrated):
    """Every command about roles and bindings, on a server that has them; policies no server has any more."""
    assert server.kubectl("apply", "-f", str(CLUSTER / "rbac.yaml")).code == 0
    lines = (migrated / "STEPS.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith(("kubectl delete", "kubectl patch"))]
    assert commands[-1] == "kubectl delete podsecuritypolicy 00-privileged 10-agents 20-baseline 30-ranges 40-legacy"

    for command in commands[:-1]:
        done = server.kubectl(*shlex.split(command)[1:])
        assert done.code == 0, (command, done.err)

    left = json.loads(
        server.kubectl("get", "roles,clusterroles,rolebindings,clusterrolebindings", "-A", "-o", "json").out
    )
    names = {one["metadata"]["name"]: one for one in left["items"] if not one["metadata"]["name"].startswith("system:")}
    assert not any(name.startswith("psp-") for name in names)
    assert "deployer" in names
    driver = next(one for one in left["items"] if one["kind"] == "Role" and one["metadata"]["name"] == "driver")
    assert driver["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["use", "get"]},
    ]


def test_it_writes_the_same_again(tmp_path):
    shutil.copytree(CLUSTER, tmp_path / "cluster")
    first = migrate("cluster", *PEOPLE, "-o", "out", cwd=tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    assert migrate("cluster", *PEOPLE, "-o", "out", cwd=tmp_path).code == first.code == 1
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


# What isn't sure


POLICY = yaml.safe_dump(
    a_policy("only", volumes=["emptyDir", "projected"], readOnlyRootFilesystem=True, privileged=False)
)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: web  # the only one
        image: registry.example/web:1
"""
SHARED_CONTEXT = """\
    spec:
      securityContext: &context {runAsUser: 1}
      containers:
      - name: first
        image: registry.example/first:1
        securityContext: *context"""
GRANT = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: use}
rules:
- {apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: use}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts"}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: bare
  namespace: shop
spec:
  containers:
  - {name: a, image: a}
"""


def put(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("texts", "where", "said"),
    [
        pytest.param(
            {"web": DEPLOYMENT.replace("  namespace: shop\n", "")},
            "web.yaml:1",
            "names no namespace",
            id="a workload without a namespace",
        ),
        pytest.param({"web": DEPLOYMENT + "---\n" + POD}, "web.yaml:13", "who applies it isn't known", id="a bare pod"),
        pytest.param(
            {"web": DEPLOYMENT.replace("web:1", "web: {{ tag }}")}, "web.yaml:1", "a template", id="a template"
        ),
        pytest.param({"web": DEPLOYMENT + "  : - x\n bad"}, "web.yaml:12", "not YAML", id="not YAML"),
        pytest.param(
            {"web": DEPLOYMENT, "other": POLICY.replace("privileged: false", "privileged: true")},
            "policy.yaml:1",
            "another PodSecurityPolicy/only stands at",
            id="two policies of one name",
        ),
        pytest.param(
            {"web": DEPLOYMENT, "rbac": GRANT.replace("name: use}\nrules", "name: other}\nrules")},
            "web.yaml:1",
            "binds the ClusterRole use, which isn't here",
            id="a role that isn't here",
        ),
        pytest.param(
            {"web": DEPLOYMENT, "rbac": GRANT.replace("verbs: [use]", "verbs: [get]")},
            "web.yaml:1",
            "no policy may be used for it",
            id="no policy",
        ),
        pytest.param(
            {"web": DEPLOYMENT, "second": POLICY.replace("name: only", "name: second"), "rbac": "# nothing\n"},
            "web.yaml:1",
            "there are several policies, and nothing that says who may use which",
            id="several policies and no RBAC",
        ),
        pytest.param(
            {"web": DEPLOYMENT.replace("image:", "securityContext: {privileged: true}\n        image:")},
            "web.yaml:1",
            "Privileged containers are not allowed",
            id="a pod that is refused",
        ),
        pytest.param(
            {"web": DEPLOYMENT.replace("    spec:\n      containers:", SHARED_CONTEXT)},
            "web.yaml:1",
            "can't be edited",
            id="an anchor that needs two changes",
        ),
        pytest.param(
            {
                "web": DEPLOYMENT.replace("apps/v1", "ray.io/v1")
                .replace("Deployment", "RayCluster")
                .replace("  template:", "  headGroupSpec:\n   template:")
                .replace("    spec:\n      containers", "     spec:\n      containers")
            },
            "web.yaml:1",
            "which account makes the pods of a RayCluster isn't known",
            id="an unknown controller",
        ),
    ],
)
def test_what_is_not_sure_is_listed_with_its_place_and_nothing_is_written_for_it(tmp_path, texts, where, said):
    put(tmp_path, **{"policy": POLICY, "rbac": GRANT, **texts})

    done = migrate(".", "-o", "out", cwd=tmp_path)

    assert done.code == 1
    line = next(line for line in done.err.splitlines() if said in line)
    assert line.startswith(f"{where}: error: ")
    written = [path.read_text() for path in (tmp_path / "out").glob("manifests/*.yaml")]
    assert not any("pod-security.kubernetes.io/enforce" in text for text in written)


def test_without_any_policy_nothing_is_done(tmp_path):
    done = migrate(".", cwd=put(tmp_path, web=DEPLOYMENT))

    assert done.code == 3
    assert "there is no PodSecurityPolicy here; name the files that have them" in done.err
    assert not (tmp_path / "psp-migration").exists()


def test_the_only_policy_holds_for_all_where_nothing_says_who_may_use_it(tmp_path):
    put(tmp_path, policy=POLICY, web=DEPLOYMENT, pod=POD)

    assert migrate(".", "-o", "out", cwd=tmp_path).code == 0
    notes = json.loads((tmp_path / "out" / "report.json").read_text())["notes"]
    assert notes == ["nothing here says who may use which policy: only, the only one, was taken to hold for all"]


def test_a_running_pod_that_says_otherwise_leaves_its_workload_open(tmp_path):
    owned = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  annotations: {kubernetes.io/psp: other}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: a, controller: true}]
spec:
  containers: [{name: web, image: web}]
"""
    done = migrate(".", "-o", "out", cwd=put(tmp_path, policy=POLICY, rbac=GRANT, web=DEPLOYMENT, pod=owned))

    assert done.code == 1
    assert "web.yaml:1: error: Deployment/shop/web: the cluster chose other for the running Pod/shop/web-1" in done.err


# Files


def test_workloads_and_namespaces_are_changed_where_they_are(tmp_path):
    policy = yaml.safe_dump(a_policy("only", volumes=["*"], readOnlyRootFilesystem=True))
    space = "apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: shop  # ours\r\n"
    put(tmp_path, policy=policy, web=DEPLOYMENT)
    (tmp_path / "space.yaml").write_bytes(space.encode())

    assert migrate("--in-place", ".", "-o", "out", cwd=tmp_path).code == 0
    assert (tmp_path / "web.yaml").read_text() == DEPLOYMENT + (
        "        securityContext:\n          readOnlyRootFilesystem: true\n"
    )
    changed = (tmp_path / "space.yaml").read_bytes().decode()
    assert changed.startswith(space + "  labels:\r\n    pod-security.kubernetes.io/enforce: baseline\r\n")
    assert (tmp_path / "policy.yaml").read_text() == policy
    assert not (tmp_path / "out" / "manifests").exists()
    assert migrate("--in-place", ".", "-o", "out", cwd=tmp_path).code == 0
    assert (tmp_path / "space.yaml").read_bytes().decode() == changed


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_dump_of_a_running_cluster_is_read_and_what_a_server_adds_is_left_out(tmp_path, form):
    def live(data: dict[str, Any]) -> dict[str, Any]:
        data["metadata"] |= {"uid": "a", "resourceVersion": "1", "managedFields": [{"manager": "kubectl"}]}
        return {**data, "status": {"observedGeneration": 1}} if data["kind"] == "Deployment" else data

    items = [live(one) for one in objects(CLUSTER)]
    whole = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}
    text = json.dumps(whole, indent=2) if form == "json" else yaml.safe_dump(whole)

    assert migrate("-", *PEOPLE, "-o", "out", cwd=tmp_path, stdin=text.encode()).code == 1
    written = [*objects(tmp_path / "out" / "manifests" / "stdin.yaml")]
    assert {named(one) for one in written if one["kind"] != "Namespace"} == workloads(CLUSTER).keys() - OPEN
    assert not any({"uid", "resourceVersion", "managedFields"} & one["metadata"].keys() for one in written)
    assert not any("status" in one for one in written)


def test_a_file_of_somebody_else_is_not_replaced_and_what_is_stale_goes(tmp_path):
    put(tmp_path, policy=POLICY, web=DEPLOYMENT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "STEPS.md").write_text("mine\n")

    refused = migrate("policy.yaml", "web.yaml", "-o", "out", cwd=tmp_path)
    assert refused.code == 3
    assert "out/STEPS.md: is there, and isn't ours; name another folder, or --force" in refused.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["STEPS.md"]

    assert migrate("policy.yaml", "web.yaml", "-o", "out", "--force", cwd=tmp_path).code == 0
    (tmp_path / "web.yaml").rename(tmp_path / "other.yaml")
    assert migrate("policy.yaml", "other.yaml", "-o", "out", cwd=tmp_path).code == 0
    assert [path.name for path in (tmp_path / "out" / "manifests").iterdir()] == ["namespaces.yaml", "other.yaml"] or {
        path.name for path in (tmp_path / "out" / "manifests").iterdir()
    } == {"namespaces.yaml", "other.yaml"}


def test_a_dry_run_writes_nothing(tmp_path):
    done = migrate("--dry-run", ".", "-o", "out", cwd=put(tmp_path, policy=POLICY, web=DEPLOYMENT))

    assert done.code == 0
    assert "would write" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("label", "now", "shown"),
    [
        ("privileged", "baseline", "baseline:v1.37"),
        ("restricted", "restricted", "restricted:latest"),
        ("high", "high", ""),
        ("''", "", ""),
        ("", None, ""),
    ],
)
def test_a_label_is_raised_and_never_lowered(tmp_path, label, now, shown):
    space = f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {{{ENFORCE}: {label}}}\n"
    done = migrate(".", "-o", "out", cwd=put(tmp_path, policy=POLICY, rbac=GRANT, web=DEPLOYMENT, space=space))

    assert done.code == 0
    (written,) = objects(tmp_path / "out" / "manifests" / "space.yaml")
    assert written["metadata"]["labels"][ENFORCE] == now
    (found,) = json.loads((tmp_path / "out" / "report.json").read_text())["namespaces"]
    assert found.get("enforce", "") == shown


def test_a_label_that_stays_holds_what_its_own_version_does(tmp_path):
    """restricted didn't ask for dropped capabilities before 1.22: what the policy did in it is held elsewhere."""
    policy = yaml.safe_dump(
        a_policy("a", volumes=["*"], requiredDropCapabilities=["ALL"], allowPrivilegeEscalation=False)
    )
    space = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n  labels: {{{}: restricted{}}}\n"
    old = space.format("old", ENFORCE, f", {ENFORCE}-version: v1.21")
    new = space.format("new", ENFORCE, "")
    webs = {name: DEPLOYMENT.replace("namespace: shop", f"namespace: {name}") for name in ("old", "new")}
    put(tmp_path, policy=policy, rbac=GRANT, spaces=old + "---\n" + new, webs="---\n".join(webs.values()))

    assert migrate(".", "-o", "out", cwd=tmp_path).code == 0

    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [(one["enforce"], one["labels"][f"{ENFORCE}-version"]) for one in found["namespaces"][1:]] == [
        ("restricted:v1.21", "v1.21")
    ]
    held = {one["bound"][0]["namespace"]: set(one["fields"]) for one in found["admission"]}
    assert "requiredDropCapabilities" in held["old"]
    assert "requiredDropCapabilities" not in held.get("new", ())
    at = {group["level"]: {one["field"]: one for one in group["fields"]} for group in found["fields"]}
    assert at["restricted:v1.21"]["requiredDropCapabilities"]["enforcedBy"] == "admission policy"
    assert at["restricted:latest"]["requiredDropCapabilities"]["enforcedBy"] == "level"


def test_a_file_that_is_named_twice_is_read_once(tmp_path):
    put(tmp_path, policy=POLICY, rbac=GRANT, web=DEPLOYMENT)
    (tmp_path / "link.yaml").symlink_to("web.yaml")

    done = migrate(".", "web.yaml", "./web.yaml", "-o", "out", cwd=tmp_path)

    assert done.code == 0
    assert done.out.decode().count("Deployment/web") == 1
    assert [one.name for one in (tmp_path / "out/manifests").iterdir() if "web" in one.name or "link" in one.name]


def test_a_statefulset_needs_a_policy_that_lets_it_have_its_claims(tmp_path):
    claims = "  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {}\n"
    stateful = DEPLOYMENT.replace("Deployment", "StatefulSet") + claims

    done = migrate(".", "-o", "out", cwd=put(tmp_path, policy=POLICY, rbac=GRANT, web=stateful))
    assert done.code == 1
    assert "persistentVolumeClaim volumes are not allowed to be used" in done.err


def test_an_empty_list_of_groups_in_a_template_is_filled_and_in_a_pod_refused(tmp_path):
    policy = yaml.safe_dump(a_policy("a", volumes=["*"], supplementalGroups=must_run_as(1000)))
    web = DEPLOYMENT.replace("    spec:\n", "    spec:\n      securityContext: {supplementalGroups: []}\n")
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: alone, namespace: shop}\nspec:\n"
    pod += "  securityContext: {supplementalGroups: []}\n  containers: [{name: a, image: b}]\n"

    put(tmp_path, policy=policy, rbac=GRANT, web=web, pod=pod)
    done = migrate(".", "-o", "out", "--user", "alice", cwd=tmp_path)

    assert done.code == 1
    (written,) = objects(tmp_path / "out" / "manifests" / "web.yaml")
    assert written["spec"]["template"]["spec"]["securityContext"] == {"supplementalGroups": [1000]}
    assert "Pod/shop/alone: PodSecurityPolicy: unable to admit pod" in done.err


def test_of_two_policies_of_one_account_what_both_refuse_is_refused_and_the_rest_is_said(tmp_path):
    first, second = (
        yaml.safe_dump(a_policy(name, volumes=["*"], runAsUser=must_run_as(low)))
        for name, low in (("a", 1000), ("b", 5000))
    )
    other = (
        DEPLOYMENT.replace("name: web\n  name", "name: other\n  name") + "        securityContext: {runAsUser: 5000}\n"
    )

    done = migrate(".", "-o", "out", cwd=put(tmp_path, a=first, b=second, rbac=GRANT, web=DEPLOYMENT, other=other))
    assert done.code == 0, done.err
    report = (tmp_path / "out" / "REPORT.md").read_text()
    assert "service account default got a, b, of which none takes in runAsUser all that the others take" in report
    assert "| `runAsUser` | looser | nowhere |" in report
    assert "`hostPorts` | same | level |" in report
    (found,) = json.loads((tmp_path / "out" / "report.json").read_text())["admission"]
    assert found["policy"] == "a"
    assert "allowedCapabilities" in found["fields"]
    assert "runAsUser" not in found["fields"]


def must_run_as(low: int) -> dict[str, Any]:
    return {"rule": "MustRunAs", "ranges": [{"min": low, "max": low + 1000}]}


def test_who_makes_the_pods_of_an_operators_kind_can_be_said(tmp_path):
    cluster = DEPLOYMENT.replace("apps/v1", "argoproj.io/v1alpha1").replace("Deployment", "Rollout")
    ray = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray, namespace: shop}
spec:
  headGroupSpec:
    template:
      spec:
        containers: [{name: ray, image: ray}]
"""
    put(tmp_path, policy=POLICY, rbac=GRANT, web=cluster, ray=ray)

    assert migrate(".", "-o", "out", cwd=tmp_path).code == 1
    assert migrate(".", "-o", "out", "--controller", "RayCluster=ray/operator", cwd=tmp_path).code == 0


def untyped(text: str) -> str:
    """Documents as the API server answers with lists of one kind: the items don't say what they are."""
    made = []
    for one in yaml.safe_load_all(text):
        version, kind = one.pop("apiVersion"), one.pop("kind")
        made.append({"apiVersion": version, "kind": f"{kind}List", "items": [one]})
    return yaml.safe_dump_all(made)


def test_the_items_of_a_list_of_one_kind_need_not_say_their_kind(tmp_path):
    plain = {"policy": POLICY, "rbac": GRANT, "web": DEPLOYMENT}
    listed = {name: untyped(text) for name, text in plain.items()}
    put(tmp_path / "plain", **plain)
    put(tmp_path / "listed", **listed)

    for name in ("plain", "listed"):
        assert migrate(".", "-o", "out", cwd=tmp_path / name).code == 0
    for name in ("admission", "policies", "manifests"):
        assert [*objects(tmp_path / "plain/out" / name)] == [*objects(tmp_path / "listed/out" / name)]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("web", "namespace: shop", "namespace: \"x'] || true || request.namespace in ['\""),
        ("web", "namespace: shop", "namespace: ${NAMESPACE}"),
        ("web", "      containers:", '      serviceAccountName: "a\'b"\n      containers:'),
        ("rbac", "{name: use}\nrules", '{name: "use\\n```\\nrm x"}\nrules'),
        ("space", "name: shop", "name: Shop"),
    ],
)
def test_a_name_that_no_server_takes_ends_up_in_no_command_and_no_policy(tmp_path, name, old, new):
    files = {"policy": POLICY, "rbac": GRANT, "web": DEPLOYMENT}
    files["space"] = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    assert old in files[name]
    put(tmp_path, **{**files, name: files[name].replace(old, new)})

    done = migrate(".", "-o", "out", cwd=tmp_path)

    assert done.code == 1
    assert f"{name}.yaml:1: error: " in done.err
    assert " is no name of a " in done.err
    assert not (tmp_path / "out" / "admission").exists()
    assert "rm x" not in (tmp_path / "out" / "STEPS.md").read_text().splitlines()


@pytest.mark.parametrize(("name", "code"), [("policy", 3), ("rbac", 1), ("space", 1), ("web", 1)])
def test_what_is_encrypted_or_a_template_is_said_and_nothing_is_guessed_in_its_place(tmp_path, name, code):
    files = {"policy": POLICY, "rbac": GRANT, "web": DEPLOYMENT}
    files["space"] = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    first, *more = files[name].split("---\n")
    for kind, text in {
        "is encrypted": "---\n".join([first + "sops: {mac: a, version: 3.9.0}\n", *more]),
        "can't be read": "{{ if .a }}\n" + files[name] + "{{ end }}\n",
    }.items():
        put(tmp_path / kind, **{**files, name: text})
        done = migrate(".", "-o", "out", cwd=tmp_path / kind)
        assert done.code == code, done.err
        assert f"{name}.yaml:1" in done.err
        assert kind in done.err if code == 3 else not (tmp_path / kind / "out" / "admission").exists()


def test_the_folder_for_what_is_written_may_not_hold_the_input(tmp_path):
    put(tmp_path / "deploy", policy=POLICY, rbac=GRANT, web=DEPLOYMENT)

    for folder in (".", "deploy", "deploy/../"):
        done = migrate("deploy", "-o", folder, cwd=tmp_path)
        assert done.code == 3
        assert f"-o {folder} holds the input deploy; name another folder by -o" in done.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deploy"]


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: json.dumps(yaml.safe_load(text))])
def test_a_kind_that_nobody_knows_and_that_may_make_pods_leaves_its_namespace_open(tmp_path, wrap):
    clones = DEPLOYMENT.replace("apps/v1", "apps.kruise.io/v1").replace("Deployment", "CloneSet")
    other = DEPLOYMENT.replace("namespace: shop", "namespace: other")
    text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: other}\n"
    text += "spec: {values: 'containers: [{image: a}]'}\n"
    put(tmp_path, policy=POLICY, rbac=GRANT, web=DEPLOYMENT, other=other, clones=wrap(clones), application=text)

    done = migrate(".", "-o", "out", cwd=tmp_path)

    assert done.code == 1
    said = "clones.yaml:1: error: CloneSet/shop/web: apps.kruise.io/v1 CloneSet isn't known and holds containers"
    assert said in done.err
    assert "application" not in done.err
    found = json.loads((tmp_path / "out" / "report.json").read_text())["namespaces"]
    assert {one["name"]: one.get("enforce", "") for one in found} == {"other": "baseline:v1.37", "shop": ""}


def test_a_copy_has_a_name_that_kubectl_reads_in_a_folder(tmp_path):
    put(tmp_path, policy=POLICY, rbac=GRANT)
    for name in ("dump.txt", "web"):
        (tmp_path / name).write_text(DEPLOYMENT)

    assert migrate(".", "dump.txt", "web", "-o", "out", cwd=tmp_path).code == 0
    assert sorted(one.name for one in (tmp_path / "out/manifests").iterdir()) == [
        "dump.txt.yaml",
        "namespaces.yaml",
        "web.yaml",
    ]

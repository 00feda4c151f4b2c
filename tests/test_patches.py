"""The hardening as plain patches: what kustomize, kubectl and Flux make of them without any plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from clients import FUNCTION, PLUGINS, SHOP, bin_folder, build, documents, policy, run
from conftest import ROOT, SHARED, Ran, clean_environment, require, run_cli, unified
from hypothesis import given, settings
from pod_strategies import some_pods

from krm_harden import overlays
from krm_harden.errors import RefusedEdit
from krm_harden.model import Operation, Resource, lookup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = [("kustomize", "build"), ("kustomize-5.5.0", "build"), ("kubectl", "kustomize")]
KUBECTL = CLIENTS[-1]
EXAMPLES = ROOT / "examples"
SHOP_POLICY = EXAMPLES / "kustomize-exec" / "policy.yaml"
APPLICATIONS = {
    "shop": EXAMPLES / "shop",
    "online boutique": SHOP,
    "stores with StatefulSets and init containers": SHARED
    / "corpus/Azure-Samples+aks-store-demo/aks-store-all-in-one.yaml",
    "Argo CD": SHARED / "corpus/argoproj+argo-cd/manifests/ha/namespace-install.yaml",
    "Argo Rollouts": SHARED / "corpus/argoproj+argo-rollouts/test/kustomize/rollout/rollout.yaml",
    "Tekton tasks": SHARED
    / "corpus/GoogleContainerTools+skaffold/integration/testdata/generate_pipeline/multiple_configs"
    "/expectedPipeline.yaml",
    "CronJobs and a DaemonSet": SHARED
    / "corpus/bridgecrewio+checkov/tests/kubernetes/checks/example_Suppressed/suppress-checks-PASSED.yaml",
    "a List": SHARED
    / "corpus/bridgecrewio+checkov/tests/common/runner_registry/example_multi_iac/k8/scope-PASSED.yaml",
}
"""Other people's applications are read where they are; the first is ours, and there for everybody."""


@dataclass(frozen=True)
class Package:
    """A folder with an application, the same behind the function, and the same with the patches as a component."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def hardening(self) -> Path:
        return self.folder / "hardening"

    @property
    def patched(self) -> Path:
        return self.folder / "patched"

    def patches(self, *options: str | Path, place: str | Path | None = None) -> Ran:
        """`kustomize build base | krm-harden patches -o hardening -`."""
        where = () if place == "" else ("-o", place or self.hardening)
        rendered = plain(self.base)
        assert rendered.code == 0, rendered.err
        return run_cli(
            "patches", "--policy", self.folder / "exec/policy.yaml", *where, *options, "-", stdin=rendered.out
        )

    def hardened(self) -> list[Any]:
        """What the function gives inside kustomize."""
        ran = build(self.folder / "exec", flags=PLUGINS, function=FUNCTION)
        assert ran.code == 0, ran.err
        return documents(ran.out)

    def rewrite(self, old: str, new: str) -> None:
        """Change the application after its patches were made."""
        file = self.base / "all.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))


def plain(folder: Path, client: tuple[str, str] = KUBECTL) -> Ran:
    """A build without any flag: no plugin runs."""
    return run(require(client[0]), client[1], folder, function=("false",))


def package(folder: Path, manifests: str | Path, says: str = "") -> Package:
    made = Package(folder)
    for part in ("base", "exec", "patched"):
        (folder / part).mkdir(parents=True)
    if isinstance(manifests, str):
        (made.base / "all.yaml").write_text(manifests)
        resources = "all.yaml"
    elif manifests.is_file():
        (made.base / "all.yaml").write_bytes(manifests.read_bytes())
        resources = "all.yaml"
    else:
        for file in manifests.glob("*.yaml"):
            (made.base / file.name).write_bytes(file.read_bytes())
        resources = ""
    if resources:
        (made.base / "kustomization.yaml").write_text(f"resources: [{resources}]\n")
    (folder / "exec/policy.yaml").write_text(says or policy())
    (folder / "exec/kustomization.yaml").write_text("resources: [../base]\ntransformers: [policy.yaml]\n")
    (made.patched / "kustomization.yaml").write_text("resources: [../base]\ncomponents: [../hardening]\n")
    return made


def workload(name: str, pod: str, kind: str = "apps/v1/Deployment", namespace: str = "") -> str:
    """A workload whose pod spec is given, in flow style."""
    api_version, _, kind = kind.rpartition("/")
    where = f", namespace: {namespace}" if namespace else ""
    return (
        f"---\napiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}{where}}}\n"
        f"spec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {pod}}}}}\n"
    )


ROLLOUT = "argoproj.io/v1alpha1/Rollout"
TWO = "{containers: [{name: web, image: nginx:1.29}, {name: log, image: busybox}]}"
SIDECAR = "{containers: [{name: proxy, image: envoy}, {name: web, image: nginx:1.29}, {name: log, image: busybox}]}"


def containers(text: bytes) -> dict[str, Any]:
    """The containers of the only object, by name, in order."""
    (found,) = documents(text)
    return {one["name"]: one for one in found["spec"]["template"]["spec"]["containers"]}


def gate(text: bytes) -> int:
    return run_cli("check", "-", stdin=text).code


# The same as the function


def test_nobody_waits_for_a_pipe_among_the_patches(tmp_path):
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b/c:1}]}\n"
    (tmp_path / "hardening").mkdir()
    os.mkfifo(tmp_path / "hardening" / "pipe")

    ran = run_cli("patches", "-o", "hardening", "-", cwd=tmp_path, stdin=pod.encode())

    assert ran.code == 0
    assert sorted(os.listdir(tmp_path / "hardening")) == ["kustomization.yaml", "pipe", "pod-a.yaml"]


def test_a_folder_whose_name_is_no_utf_8_is_one_line(tmp_path):
    ran = run_cli("patches", "-o", os.fsdecode(b"\xff"), ROOT / "examples" / "shop" / "web.yaml", cwd=tmp_path)

    assert ran.code == 2
    assert ran.err.splitlines()[-1] == (
        "krm-harden: error: '\\udcff/kustomization.yaml': would name a file whose name isn't UTF-8; rename it"
    )


def test_no_object_takes_another_ones_file_whatever_it_is_called(tmp_path):
    """The name of a file with a hash in it can be known beforehand, and be an object's."""
    pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: a, image: b/c:1}]}\n"
    longest = "x" * 200
    (tmp_path / "one.yaml").write_text(pod % longest)
    assert run_cli("patches", "-o", "one", "one.yaml", cwd=tmp_path).code == 0
    (taken,) = (path.stem.removeprefix("pod-") for path in (tmp_path / "one").glob("pod-*"))
    (tmp_path / "both.yaml").write_text(pod % taken + pod % longest)
    assert run_cli("patches", "-o", "both", "both.yaml", cwd=tmp_path).code == 0

    found = [path.read_text() for path in (tmp_path / "both").glob("pod-*")]

    assert sorted(len(yaml.safe_load(text)["metadata"]["name"]) for text in found) == [len(taken), 200]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client[0])
def test_the_shop_with_patches_is_the_shop_behind_the_function_in_every_client(tmp_path, client):
    shop = package(tmp_path, APPLICATIONS["shop"], SHOP_POLICY.read_text())

    assert shop.patches().code == 0

    built = plain(shop.patched, client)
    assert built.code == 0, built.err
    assert documents(built.out) == shop.hardened()
    assert gate(built.out) == 0
    assert gate(plain(shop.base, client).out) == 1


@pytest.mark.parametrize("explicit", ["respect", "override"])
@pytest.mark.parametrize("application", APPLICATIONS)
def test_an_application_with_patches_is_what_the_function_makes_of_it(tmp_path, application, explicit):
    if application != "shop" and not SHARED.is_dir():
        pytest.skip("no shared/ beside the checkout")
    made = package(tmp_path, APPLICATIONS[application], policy(onViolation="Warn", explicit=explicit))

    assert made.patches().code == 0

    built = plain(made.patched)
    assert built.code == 0, built.err
    assert documents(built.out) == made.hardened()
    assert documents(built.out) != documents(plain(made.base).out)


IMAGES: list[dict[str, Any]] = [
    {
        "match": "registry.example/app:*",
        "uid": 1000,
        "gid": 1000,
        "writablePaths": ["/tmp", {"path": "/app/cache", "seed": "copy"}],
        "env": {"HOME": "/tmp"},
    }
]
KNOWING = {"images": IMAGES, "controls": {"readOnlyRootFilesystem": {"initCopy": True}}}
KNOWN = workload(
    "app",
    """{
  initContainers: [{name: wait, image: busybox, env: [{name: A, value: "1"}]}],
  containers: [
    {name: app, image: "registry.example/app:1", volumeMounts: [{name: data, mountPath: /data}], env: [{name: A}],
     ports: [{containerPort: 5353, protocol: UDP}, {containerPort: 5353, protocol: TCP}, {containerPort: 8080}]},
    {name: safe, image: scratch, securityContext: {runAsUser: 5}},
    {name: last, image: "registry.example/app:1", args: ["1e3", "yes", "a: b", "0755", " #", "é\\n\\ttab"]}],
  volumes: [{name: data, emptyDir: {}}, {name: config, configMap: {name: web}}]}""",
)
LOOSE = workload(
    "loose",
    """{
  securityContext: {runAsUser: 0, runAsNonRoot: false, seLinuxOptions: {type: spc_t, user: root, level: s0},
                    seccompProfile: {type: Unconfined}, sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]},
  containers: [
    {name: a, image: a, securityContext: {allowPrivilegeEscalation: true, runAsUser: 0, procMount: Default,
       capabilities: {add: [SYS_ADMIN, NET_BIND_SERVICE, CHOWN], drop: [all, KILL]}, seLinuxOptions: {role: x}},
     livenessProbe: {httpGet: {port: 80, host: 127.0.0.1}}},
    {name: b, image: b, securityContext: {capabilities: {add: [NET_RAW]}}}]}""",
)


@pytest.mark.parametrize("kind", ["apps/v1/Deployment", ROLLOUT])
@pytest.mark.parametrize(
    ("manifests", "spec"),
    [(KNOWN, KNOWING), (LOOSE, {"explicit": "override"}), (KNOWN + LOOSE, {"changes": "additive"})],
    ids=["image knowledge", "removals", "additive"],
)
def test_what_images_need_and_what_is_removed_is_patched_too(tmp_path, manifests, spec, kind):
    text = manifests.replace("apps/v1\nkind: Deployment", "\nkind: ".join(kind.rsplit("/", 1)))
    made = package(tmp_path, text, policy(onViolation="Warn", **spec))

    assert made.patches().code == 0

    built = plain(made.patched)
    assert built.code == 0, built.err
    assert documents(built.out) == made.hardened()


def test_what_can_be_said_by_names_is_a_strategic_merge_patch(tmp_path, yaml_snapshot):
    made = package(tmp_path, KNOWN, policy(**KNOWING))

    assert made.patches().code == 0

    assert (made.hardening / "deployment-app.yaml").read_bytes() == yaml_snapshot


def test_what_can_not_be_said_by_names_is_guarded_by_tests(tmp_path, yaml_snapshot):
    made = package(tmp_path, workload("web.x", TWO, ROLLOUT))

    assert made.patches().code == 0

    assert (made.hardening / "rollout-web.x.yaml").read_bytes() == yaml_snapshot
    assert (made.hardening / "kustomization.yaml").read_bytes() == yaml_snapshot


POD = "{containers: [{name: a, image: a}, {name: b, image: b}]}"
UNUSUAL = {
    "v1/PodTemplate": f"template: {{spec: {POD}}}",
    "v1/ReplicationController": f"spec: {{template: {{spec: {POD}}}}}",
    "batch/v1/CronJob": f"spec: {{jobTemplate: {{spec: {{template: {{spec: {POD}}}}}}}}}",
    "batch/v1beta1/CronJob": f"spec: {{jobTemplate: {{spec: {{template: {{spec: {POD}}}}}}}}}",
    "apps/v1/StatefulSet": f"spec: {{template: {{spec: {POD}}}, volumeClaimTemplates: [{{metadata: {{name: data}}}}]}}",
    "extensions/v1beta1/Deployment": f"spec: {{template: {{spec: {POD}}}}}",
    "serving.knative.dev/v1/Service": "spec: {template: {spec: {containers: [{image: a}]}}}",
    "argoproj.io/v1alpha1/Workflow": "spec: {entrypoint: x, templates: [{name: x, container: {image: a}},"
    " {name: y, script: {image: b, source: 'echo ~/a'}, sidecars: [{name: s, image: s}], initContainers:"
    " [{name: i, image: i}]}, {name: z, containerSet: {containers: [{name: c, image: c}]}}]}",
    "argoproj.io/v1alpha1/CronWorkflow": "spec: {workflowSpec: {templates: [{name: x, container: {image: a}}]}}",
    "tekton.dev/v1/Task": "spec: {steps: [{image: a}, {name: b, image: b}, {image: c}], sidecars: [{name: s, image: s}]}",
    "tekton.dev/v1/TaskRun": "spec: {taskSpec: {steps: [{image: a, script: 'a'}]}}",
    "jobset.x-k8s.io/v1alpha2/JobSet": "spec: {replicatedJobs: [{name: w, template: {spec: {template: {spec: "
    f"{POD}}}}}}}}}]}}",
    "ray.io/v1/RayCluster": f"spec: {{headGroupSpec: {{template: {{spec: {POD}}}}}, workerGroupSpecs: "
    f"[{{groupName: g, template: {{spec: {POD}}}}}]}}",
    "example.com/v1/Pipeline": f"spec: {{stages: [{{template: {{spec: {POD}}}}}, {{template: {{spec: {POD}}}}}]}}",
}
"""Kinds that lay their pods out in their own ways, and one that only the policy knows."""


def test_every_kind_gets_patches_that_it_takes(tmp_path):
    manifests = ""
    for number, (kind, body) in enumerate(UNUSUAL.items()):
        api_version, _, name = kind.rpartition("/")
        manifests += f"---\napiVersion: {api_version}\nkind: {name}\nmetadata: {{name: own-{number}}}\n{body}\n"
    kinds = [{"group": "example.com", "kind": "Pipeline", "podSpecs": ["/spec/stages/*/template/spec"]}]
    made = package(tmp_path, manifests, policy(kinds=kinds, onViolation="Warn"))

    ran = made.patches()

    assert ran.code == 0
    assert f"{len(UNUSUAL)} objects to patch" in ran.err
    for client in CLIENTS:
        assert documents(plain(made.patched, client).out) == made.hardened()


def test_a_list_that_kustomize_would_shorten_is_patched_by_its_places(tmp_path):
    twice = "{containers: [{name: web, image: i, env: [{name: A, value: a}, {name: A, value: b}]}]}"
    made = package(tmp_path, workload("web", twice))

    assert made.patches().code == 0

    built = plain(made.patched)
    assert documents(built.out) == made.hardened()
    assert [one["value"] for one in containers(built.out)["web"]["env"]] == ["a", "b"]


def test_lists_are_flattened_as_kustomize_does(tmp_path):
    items = [yaml.safe_load(workload(name, TWO)) for name in ("a", "b")]
    nested = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": items}]}
    typed = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [yaml.safe_load(workload("c", TWO))]}
    made = package(tmp_path, f"{json.dumps(nested)}\n---\n{json.dumps(typed)}\n")
    as_written = run_cli("patches", "-o", made.hardening, made.base / "all.yaml")

    assert as_written.code == 0
    assert documents(plain(made.patched).out) == made.hardened()


def test_every_target_is_exactly_one_object(tmp_path):
    """Names are regular expressions to kustomize, and an absent namespace is any."""
    names = [("web.x", ""), ("web-x", ""), ("web-x", "other"), ("web-x", "third"), ("x", "")]
    manifests = "".join(
        workload(name, TWO.replace("name: log", f"name: log-{number}"), ROLLOUT, namespace)
        for number, (name, namespace) in enumerate(names)
    )
    made = package(tmp_path, manifests)

    assert made.patches().code == 0

    for client in CLIENTS:
        assert documents(plain(made.patched, client).out) == made.hardened()


def test_a_kustomization_that_sets_a_namespace_takes_patches_without_one(tmp_path):
    made = package(tmp_path, workload("web", TWO) + workload("roll", TWO, ROLLOUT))
    (made.base / "kustomization.yaml").write_text("resources: [all.yaml]\nnamespace: shop\n")
    (made.patched / "all.yaml").write_bytes((made.base / "all.yaml").read_bytes())
    (made.patched / "kustomization.yaml").write_text(
        "resources: [all.yaml]\nnamespace: shop\ncomponents: [../hardening]\n"
    )

    assert made.patches().code == 0
    failing = plain(made.patched)
    assert made.patches("--without-namespace").code == 0

    assert failing.code == 1
    assert "no matches for Id" in failing.err
    assert documents(plain(made.patched).out) == made.hardened()


# After the application has changed


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client[0])
def test_a_sidecar_in_front_leaves_each_container_its_own_patch(tmp_path, client):
    made = package(tmp_path, workload("web", TWO))
    made.patches()
    before = containers(plain(made.patched, client).out)
    made.rewrite(TWO, SIDECAR)

    built = plain(made.patched, client)

    after = containers(built.out)
    assert {name: after[name] for name in before} == before
    assert "securityContext" not in after["proxy"]
    assert gate(built.out) == 1


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client[0])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TWO, SIDECAR),
        (TWO, "{containers: [{name: log, image: busybox}, {name: web, image: nginx:1.29}]}"),
        (TWO, "{containers: [{name: web, image: nginx:1.29}]}"),
        (TWO, TWO.replace("}]}", "}, {name: proxy, image: envoy}]}")),
        ("name: log", "name: renamed"),
        (TWO, TWO.replace("{containers", "{securityContext: {fsGroup: 5}, containers")),
        (TWO, TWO.replace("busybox", "busybox, securityContext: {runAsUser: 7}")),
        ("name: roll", "name: another"),
    ],
    ids=["inserted", "moved", "removed", "added", "renamed", "said by the pod", "said by a container", "other object"],
)
def test_a_build_fails_where_places_have_moved(tmp_path, old, new, client):
    """Nothing but a place says which container of a Rollout is meant."""
    made = package(tmp_path, workload("roll", TWO, ROLLOUT))
    made.patches()
    assert plain(made.patched, client).code == 0
    made.rewrite(old, new)

    assert plain(made.patched, client).code == 1


def test_an_image_may_change_behind_either_patch(tmp_path):
    made = package(tmp_path, workload("web", TWO) + workload("roll", TWO, ROLLOUT))
    made.patches()
    made.rewrite("nginx:1.29", "nginx:1.30")

    built = plain(made.patched)

    assert b"nginx:1.30" in built.out
    assert gate(built.out) == 0


@pytest.mark.parametrize(("old", "new"), [("name: log", "name: renamed"), (", {name: log, image: busybox}", "")])
def test_the_gate_sees_what_is_left_of_a_container_that_went_away(tmp_path, old, new):
    made = package(tmp_path, workload("web", TWO))
    made.patches()
    made.rewrite(old, new)

    built = plain(made.patched)

    assert "image" not in containers(built.out)["log"]
    assert gate(built.out) == 1
    assert b"left alone" in run_cli("check", "-", stdin=built.out).out


def test_an_init_container_that_was_added_runs_behind_those_that_a_patch_names(tmp_path):
    """As docs/patches.md says; --check sees it."""
    pod = "{initContainers: [{name: migrate, image: a}], containers: [{name: web, image: a}]}"
    made = package(tmp_path, workload("web", pod))
    made.patches()
    made.rewrite("initContainers: [", "initContainers: [{name: wait, image: b}, ")

    (found,) = documents(plain(made.patched).out)

    assert [one["name"] for one in found["spec"]["template"]["spec"]["initContainers"]] == ["migrate", "wait"]
    assert made.patches("--check").code == 1


def test_a_build_fails_where_an_object_went_away(tmp_path):
    made = package(tmp_path, workload("web", TWO))
    made.patches()
    made.rewrite("name: web}", "name: another}")

    assert "no matches for Id" in plain(made.patched).err


# Any pod


@settings(max_examples=5)
@given(some_pods(40))
def test_any_pods_with_patches_are_what_fix_makes_of_them(tmp_path_factory, found):
    says = policy(onViolation="Warn", explicit="override")
    manifests = list(_objects(found))
    made = package(tmp_path_factory.mktemp("pods"), "", says)
    kept = _buildable(made, manifests)
    (made.base / "all.yaml").write_text(_stream(kept))
    rendered = plain(made.base)
    fixed = run_cli("fix", "--policy", made.folder / "exec/policy.yaml", "-", stdin=rendered.out)
    if fixed.code:
        # One that can't be read or edited: nothing is written by either.
        assert made.patches().code == fixed.code
        return

    assert made.patches().code == 0

    for client in CLIENTS:
        assert documents(plain(made.patched, client).out) == documents(fixed.out)


def _objects(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pods and workloads of both sorts, each with a name of its own."""
    for number, pod in enumerate(deepcopy(found)):
        name = f"pod-{number}"
        template = {"metadata": {key: value for key, value in pod["metadata"].items() if key != "name"}}
        body = {"metadata": {"name": name}, "spec": {"template": template | {"spec": pod["spec"]}}}
        yield [
            pod | {"metadata": pod["metadata"] | {"name": name}},
            {"apiVersion": "apps/v1", "kind": "Deployment"} | body,
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"} | body,
        ][number % 3]


def _stream(objects: list[dict[str, Any]]) -> str:
    return "---\n".join(f"{json.dumps(one)}\n" for one in objects)


def _buildable(made: Package, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that kustomize itself takes, and krm-harden can read."""
    (made.base / "all.yaml").write_text(_stream(objects))
    rendered = plain(made.base)
    checked = run_cli("fix", "--policy", made.folder / "exec/policy.yaml", "-", stdin=rendered.out).code
    if rendered.code == 0 and checked == 0:
        return objects
    half = len(objects) // 2
    return [*_buildable(made, objects[:half]), *_buildable(made, objects[half:])] if half else []


# Flux


@pytest.mark.parametrize("application", ["shop", "online boutique", "Argo Rollouts"])
@pytest.mark.parametrize("format_", ["flux-kustomization", "flux-helmrelease"])
def test_flux_gets_patches_that_are_kustomizes(tmp_path, format_, application):
    """kustomize-controller and helm-controller put the list into a kustomization of their own, and build that."""
    if application != "shop" and not SHARED.is_dir():
        pytest.skip("no shared/ beside the checkout")
    made = package(tmp_path, APPLICATIONS[application])
    ran = made.patches("--format", format_, place="")
    spec = yaml.safe_load(ran.out)["spec"]
    listed = spec["postRenderers"][0]["kustomize"]["patches"] if "postRenderers" in spec else spec["patches"]
    kustomization = {"resources": ["../base"], "patches": listed}
    (made.patched / "kustomization.yaml").write_text(json.dumps(kustomization))

    assert ran.code == 0
    assert all(set(one) <= {"patch", "target"} and isinstance(one["patch"], str) for one in listed)
    assert documents(plain(made.patched).out) == made.hardened()


def test_the_crd_of_flux_takes_the_patches(tmp_path, shared):
    folder = shared / "corpus/fluxcd+kustomize-controller/config/crd/bases"
    crd = yaml.safe_load((folder / "kustomize.toolkit.fluxcd.io_kustomizations.yaml").read_text())
    served = next(one for one in crd["spec"]["versions"] if one["name"] == "v1")
    schema = served["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["patches"]
    made = package(tmp_path, workload("web", TWO) + workload("roll", TWO, ROLLOUT))
    listed = yaml.safe_load(made.patches("--format", "flux-kustomization", place="").out)["spec"]["patches"]

    assert len(listed) == 3
    jsonschema.validate(listed, schema)


def test_one_text_on_standard_output_is_a_component_too(tmp_path):
    made = package(tmp_path, workload("web", TWO) + workload("roll", TWO, ROLLOUT))
    made.hardening.mkdir()
    (made.hardening / "kustomization.yaml").write_bytes(made.patches(place="").out)

    assert documents(plain(made.patched).out) == made.hardened()


# The examples, by the very commands of their READMEs


@pytest.fixture
def examples(tmp_path):
    """A copy of examples/ to change."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns(".expected"))
    return copy


def follow(folder: Path) -> None:
    """Run each command of an example's README, in its order; each must succeed."""
    commands = [line[4:] for line in (folder / "README.md").read_text().splitlines() if line.startswith("    ")]
    kubectl = os.path.dirname(require("kubectl"))
    path = os.pathsep.join([bin_folder(FUNCTION), kubectl, os.environ["PATH"]])
    environment = clean_environment(PATH=path, PYTHONPATH=str(ROOT))
    assert commands
    for command in commands:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, cwd=folder, env=environment, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"


def expected(folder: str, name: str, text: str) -> None:
    """The text is what a folder of the examples holds; UPDATE_EXAMPLES=1 rewrites that."""
    file = EXAMPLES / folder / name
    if os.environ.get("UPDATE_EXAMPLES") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_kustomize_patches(examples):
    folder = examples / "kustomize-patches"

    follow(folder)

    for file in sorted((folder / "hardening").iterdir()):
        expected("kustomize-patches/hardening", file.name, file.read_text())
    built, shop = plain(folder).out, plain(EXAMPLES / "shop").out
    header = "--- a/build.yaml\n+++ b/build.yaml\n"
    expected("kustomize-patches/.expected", "diff.patch", header + unified(shop, built, context=3))
    assert built == build(examples / "kustomize-exec").out
    assert (gate(built), gate(shop)) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "path"), [("kustomization", ("patches",)), ("helmrelease", ("postRenderers", 0, "kustomize", "patches"))]
)
def test_flux_patches(examples, kind, path):
    folder = examples / "flux-patches"

    follow(folder)

    text = (folder / f"hardened-{kind}.yaml").read_text()
    expected("flux-patches/.expected", f"hardened-{kind}.yaml", text)
    hardened = yaml.safe_load(text)
    listed = lookup(hardened["spec"], path)
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": ["../shop"], "patches": listed}))
    assert plain(folder).out == build(examples / "kustomize-exec").out


# Files


def test_a_second_run_writes_the_same_bytes_and_takes_its_own_stale_files_away(tmp_path):
    made = package(tmp_path, workload("web", TWO) + workload("api", TWO))
    made.patches()
    (made.hardening / "notes.yaml").write_text("mine: true\n")
    first = texts(made.hardening)
    stamps = {path: path.stat().st_mtime_ns for path in made.hardening.iterdir()}
    made.patches()
    assert texts(made.hardening) == first
    assert {path: path.stat().st_mtime_ns for path in made.hardening.iterdir()} == stamps

    (made.base / "all.yaml").write_text(workload("web", TWO))
    assert made.patches().code == 0

    assert set(first) - set(texts(made.hardening)) == {"deployment-api.yaml"}
    assert documents(plain(made.patched).out) == made.hardened()


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["kustomization.yaml", "deployment-web.yaml"])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_of_somebody_else_is_never_replaced(tmp_path, name, link):
    made = package(tmp_path, workload("web", TWO))
    made.hardening.mkdir()
    theirs = tmp_path / "theirs.yaml" if link else made.hardening / name
    theirs.write_text("# Made by hand.\n")
    if link:
        (made.hardening / name).symlink_to(theirs)

    ran = made.patches()

    assert ran.code == 3
    assert name in ran.err
    assert theirs.read_text() == "# Made by hand.\n"
    assert [path.name for path in made.hardening.iterdir()] == [name]


def test_check_says_which_patches_are_stale_and_writes_nothing(tmp_path):
    made = package(tmp_path, workload("web", TWO))
    missing = made.patches("--check")
    assert (missing.code, made.hardening.exists()) == (1, False)
    made.patches()
    assert made.patches("--check").code == 0
    before = texts(made.hardening)

    made.rewrite("name: log", "name: renamed")
    ran = made.patches("--check")

    assert ran.code == 1
    assert b"-      - name: log" in ran.out
    assert b"+      - name: renamed" in ran.out
    assert "stale" in ran.err
    assert texts(made.hardening) == before


@pytest.mark.parametrize("kind", ["apps/v1/Deployment", ROLLOUT])
@pytest.mark.parametrize("format_", ["kustomize", "flux-kustomization", "flux-helmrelease"])
def test_a_render_with_the_patches_in_it_does_not_empty_them(tmp_path, kind, format_):
    made = package(tmp_path, workload("web", TWO, kind))
    place = made.hardening if format_ == "kustomize" else tmp_path / "flux.yaml"
    made.patches("--format", format_, place=place)
    made.patches()
    rendered = plain(made.patched)
    before = (place / "kustomization.yaml" if place.is_dir() else place).read_bytes()

    ran = run_cli("patches", "--format", format_, "-o", place, "-", stdin=rendered.out)

    assert ran.code == 2
    assert "render without" in ran.err
    assert (place / "kustomization.yaml" if place.is_dir() else place).read_bytes() == before


@pytest.mark.parametrize(
    "edited",
    [
        "",
        "patches: 1\n",
        "patches: [{path: a.yaml}, {patch: '- 1'}]\n",
        "patches: [{patch: '[{op: add, path: /spec}]'}]\n",
    ],
)
def test_our_own_files_are_replaced_whatever_somebody_made_of_them(tmp_path, edited):
    made = package(tmp_path, workload("web", TWO))
    made.patches()
    head = (made.hardening / "kustomization.yaml").read_text().splitlines(keepends=True)[0]
    (made.hardening / "kustomization.yaml").write_text(head + edited)

    assert made.patches().code == 0

    assert documents(plain(made.patched).out) == made.hardened()


def test_nothing_to_patch_is_an_empty_component(tmp_path):
    made = package(tmp_path, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    assert made.patches().code == 0

    assert plain(made.patched).out == plain(made.base).out


# What stays open


def test_nothing_is_written_while_something_stays_open(tmp_path):
    made = package(
        tmp_path, workload("web", TWO) + workload("host", "{hostPID: true, containers: [{name: a, image: a}]}")
    )

    ran = made.patches()

    assert (ran.code, ran.out) == (1, b"")
    assert "hostPID" in ran.err
    assert not made.hardening.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec: {containers: [{name: a, image: a}]}\n",
            "Pod/a-",
        ),
        (workload("web", TWO) + workload("web", TWO, namespace="default"), "more than once"),
        (
            json.dumps({"apiVersion": "v1", "kind": "Template", "objects": [yaml.safe_load(workload("web", TWO))]}),
            "Template",
        ),
        (
            "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n"
            "  spec: {template: {spec: {containers: [{name: a, image: a}]}}}\n",
            "kind",
        ),
    ],
    ids=["without a name", "twice", "within a Template", "without a kind"],
)
def test_what_kustomize_can_not_patch_is_refused_by_name(tmp_path, text, says):
    ran = run_cli("patches", "-o", tmp_path / "hardening", "-", stdin=text.encode())

    assert ran.code == 2
    assert says in ran.err
    assert ran.err.splitlines()[-1].startswith("krm-harden: error: ")
    assert not (tmp_path / "hardening").exists()


def test_no_document_at_all_is_an_error(tmp_path):
    assert run_cli("patches", "-o", tmp_path / "hardening", "-", stdin=b"\n").code == 2
    assert run_cli("patches", "--check", "-", stdin=b"\n").code == 3
    assert run_cli("patches", "-o", tmp_path / "hardening", "--allow-empty", "-", stdin=b"\n").code == 0


def test_an_overlay_that_is_applied_to_something_else_fails_as_the_build_does():
    """The interpreter that proves each patch knows what its tests are for."""
    data = yaml.safe_load(workload("roll", TWO, ROLLOUT))
    moved = yaml.safe_load(workload("roll", SIDECAR, ROLLOUT))
    place = ("spec", "template", "spec", "containers", 1, "securityContext")
    made = overlays.overlay(Resource((), data), [Operation("add", place, {"runAsNonRoot": True})])

    assert made.applied(data)["spec"]["template"]["spec"]["containers"][1]["securityContext"] == {"runAsNonRoot": True}
    with pytest.raises(RefusedEdit, match="containers/0/name"):
        made.applied(moved)

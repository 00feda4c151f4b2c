"""The config management plugin, run by the real argocd-cmp-server and by the code of argocd-repo-server."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from argocd import PLUGIN, Failed, application, objects, plugin, printed, refreshed, server, tools
from clients import FUNCTION, as_json, deployments, judged, policy
from conftest import ROOT, clean_environment, require
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHOP = ROOT / "examples" / "shop"
SHOP_POLICY = ROOT / "examples" / "kustomize-exec" / "policy.yaml"
DEPLOYMENT = deployments(1)
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {answer: '42'}\n"
KEYED = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: hunter2}\n"
ROOT_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: rooted}
spec:
  containers:
  - {name: main, image: "registry.example/rooted:1", securityContext: {runAsUser: 0}}
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: NAME, annotations: {HOOK}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: "registry.example/migrate:1"}]}
"""
CHART = "apiVersion: v2\nname: web\nversion: 0.1.0\n"


def repository(folder: Path, **files: str) -> Path:
    """A repository of files, `__` in their names a slash."""
    for name, text in files.items():
        write(folder, name.replace("__", "/"), text)
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def app(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(folder, name, text)
    return folder


def identity(data: dict) -> tuple[str, str]:
    return data["kind"], data["metadata"]["name"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("cmp"), KRM_HARDEN_TIMEOUT="250") as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A PATH with kustomize and helm."""
    return tools(tmp_path_factory.mktemp("tools"))


# 1. The configuration that we ship.


def test_the_server_loads_the_plugin_which_discovers_nothing(running):
    assert running.check() == {}


def test_the_plugin_has_only_fields_that_argo_cd_knows_and_none_that_costs_or_lets_in_more():
    """Argo CD ignores what it doesn't know, so a misspelled field would be silent."""
    found = yaml.safe_load(PLUGIN.read_text())

    assert (found["apiVersion"], found["kind"]) == ("argoproj.io/v1alpha1", "ConfigManagementPlugin")
    assert found["metadata"] == {"name": "krm-harden"}
    spec = found["spec"]
    assert set(spec) == {"generate", "parameters", "preserveFileMode", "provideGitCreds"}
    assert (spec["preserveFileMode"], spec["provideGitCreds"]) == (False, False)
    assert spec["generate"] == {"command": ["krm-harden", "argocd"]}
    for parameter in spec["parameters"]["static"]:
        assert {"name", "title", "tooltip"} <= set(parameter) <= {"name", "title", "tooltip", "collectionType"}


def test_the_user_interface_shows_every_parameter_that_isnt_a_setting(running, tmp_path):
    from krm_harden.commands import _application

    write(tmp_path, "web.yaml", DEPLOYMENT)

    assert {*running.announced(tmp_path)} == {*_application.OWN, "settings"}


# 2. What it makes of an application.


def test_plain_manifests_come_out_restricted_each_of_them_in_its_place(running, tmp_path):
    app(tmp_path, {"b.yaml": deployments(3), "a.json": json.dumps(yaml.safe_load(CONFIG)), "c.yml": KEYED})

    made = running.generate(tmp_path)

    assert [identity(one) for one in made] == [
        ("ConfigMap", "settings"),
        *(("Deployment", f"web-{number}") for number in range(3)),
        ("Secret", "key"),
    ]
    assert judged("---\n".join(json.dumps(one) + "\n" for one in made)) == {
        f"Deployment/web-{number}": True for number in range(3)
    }


@pytest.mark.parametrize("folder", ["kustomize", "helm", "directory"])
def test_the_folder_says_how_it_is_rendered(running, tmp_path, folder):
    files = {
        "kustomize": {"kustomization.yaml": "resources: [web.yaml]\nnamePrefix: my-\n", "web.yaml": DEPLOYMENT},
        "helm": {"Chart.yaml": CHART, "templates/web.yaml": DEPLOYMENT.replace("name: web-0", "name: my-web-0", 1)},
        "directory": {"web.yaml": DEPLOYMENT.replace("name: web-0", "name: my-web-0", 1)},
    }
    app(tmp_path / "app", files[folder])

    (made,) = running.generate(tmp_path, "app", KUBE_VERSION="1.33.2", KUBE_API_VERSIONS="v1,apps/v1")

    assert identity(made) == ("Deployment", "my-web-0")
    assert judged(json.dumps(made)) == {"Deployment/my-web-0": True}


def test_all_three_names_of_a_kustomization_count(tmp_path, path):
    for name in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        app(tmp_path / name, {name: "resources: [web.yaml]\nnamePrefix: my-\n", "web.yaml": DEPLOYMENT})

        assert [identity(one) for one in printed(plugin(tmp_path / name, tools_=path))] == [("Deployment", "my-web-0")]


def test_a_folder_that_is_two_things_wants_the_parameter_type(tmp_path, path):
    app(tmp_path, {"kustomization.yaml": "resources: [web.yaml]\n", "web.yaml": DEPLOYMENT, "Chart.yaml": CHART})

    refused = plugin(tmp_path, tools_=path)
    assert refused.code == 3
    assert "set the parameter type" in refused.err
    chosen = json.dumps([{"name": "type", "string": "kustomize"}])
    assert printed(plugin(tmp_path, tools_=path, ARGOCD_APP_PARAMETERS=chosen))


def test_plain_manifests_of_folders_below_come_only_with_recurse(tmp_path):
    app(tmp_path, {"web.yaml": DEPLOYMENT, "more/settings.yaml": CONFIG, "more/.hidden.yaml": KEYED, "more/x.txt": ":"})
    recurse = json.dumps([{"name": "recurse", "string": "true"}, {"name": "exclude", "array": ["web.y*"]}])

    assert [identity(one) for one in printed(plugin(tmp_path))] == [("Deployment", "web-0")]
    assert [identity(one) for one in printed(plugin(tmp_path, ARGOCD_APP_PARAMETERS=recurse))] == [
        ("ConfigMap", "settings")
    ]


def test_helm_gets_the_applications_name_namespace_versions_and_values(tmp_path, path):
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{.Release.Name}}, namespace: {{.Release.Namespace}}}\n"
        "data:\n  kubernetes: {{.Capabilities.KubeVersion.Version | quote}}\n"
        '  has: {{.Capabilities.APIVersions.Has "example.com/v1" | quote}}\n  who: {{.Values.who | quote}}\n'
    )
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: shops.example.com}\n"
    files = {"app/Chart.yaml": CHART, "app/templates/c.yaml": template, "app/crds/c.yaml": crd, "who.yaml": "who: me\n"}
    app(tmp_path, files)

    made = printed(
        plugin(
            tmp_path / "app",
            tools_=path,
            ARGOCD_APP_NAME="argocd_shop",
            ARGOCD_APP_NAMESPACE="front",
            ARGOCD_APP_SOURCE_PATH="app",
            ARGOCD_APP_PARAMETERS=json.dumps([{"name": "valueFiles", "array": ["../who.yaml"]}]),
            KUBE_VERSION="1.33.2",
            KUBE_API_VERSIONS="v1,example.com/v1",
        )
    )

    assert [one["kind"] for one in made] == ["CustomResourceDefinition", "ConfigMap"]
    assert made[1]["metadata"] == {"name": "shop", "namespace": "front"}
    assert made[1]["data"] == {"kubernetes": "v1.33.2", "has": "true", "who": "me"}


# 3. Strings that tools like to turn into something else.


def tricky() -> dict:
    text = subprocess.run(
        [sys.executable, ROOT / "tests/oracles/argocd/tricky_configmap.py"], capture_output=True, check=True
    ).stdout
    found = json.loads(text)
    found["data"] |= {
        "<<": "key-merge",
        "=": "key-value",
        "~": "key-null",
        "": "key-empty",
        "del\x7f": "\x7f\x85\ufeff",
    }
    return found


@pytest.mark.parametrize("kind", ["directory", "kustomize", "helm"])
@pytest.mark.parametrize("written", ["json", "yaml"])
def test_no_string_turns_into_something_else(running, tmp_path, kind, written):
    given_ = tricky()
    if kind != "directory":
        # kustomize and helm read by their own readers: what those can't take isn't ours to show.
        given_["data"] = {key: value for key, value in given_["data"].items() if key not in {"", "<<", "del\x7f", "~"}}
    # kustomize and helm know no pairs of surrogates, which JSON writes for what lies beyond 16 bits.
    text = json.dumps(given_, ensure_ascii=kind == "directory").replace("\x7f", "\\u007f")
    if written == "yaml":
        text = yaml.safe_dump(given_, default_style='"', allow_unicode=False)
    place = {"directory": "c.yaml", "kustomize": "c.yaml", "helm": "templates/c.yaml"}[kind]
    write(tmp_path, place, text if kind != "helm" else text.replace("{{", "{ {"))
    if kind == "kustomize":
        write(tmp_path, "kustomization.yaml", "resources: [c.yaml]\n")
    if kind == "helm":
        write(tmp_path, "Chart.yaml", CHART)

    (made,) = running.generate(tmp_path)

    assert made["data"] == given_["data"]
    assert all(isinstance(value, str) for value in made["data"].values())


def test_numbers_are_what_kubernetes_reads(tmp_path):
    numbers = "a: 0o14\nb: 012\nc: 1_000\nd: 1e3\ne: 9007199254740993\nf: 9223372036854775807\ng: 1.5e300\nh: .5\n"
    numbers += "i: 123456789012345678901234567890\nj: 0x1F\nk: -0\nl: 12:30:45\nm: 2001-01-01\nn: 1e21\no: 1.0\np: +1\n"
    text = "apiVersion: example.com/v1\nkind: Numbers\nmetadata: {name: all}\nspec:\n"
    write(tmp_path, "n.yaml", text + "".join(f"  {line}\n" for line in numbers.splitlines()))

    (made,) = printed(plugin(tmp_path))

    (expected,) = as_json((tmp_path / "n.yaml").read_bytes())
    assert made["spec"] == expected["spec"]
    assert {key: type(value) for key, value in made["spec"].items() if isinstance(value, str)} == {"l": str, "m": str}


# 4. Through repo-server.


def test_repo_server_tracks_every_object_and_a_list_in_a_list_is_unwrapped(running, tmp_path):
    inner = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(CONFIG), yaml.safe_load(ROOT_FREE)]}
    outer = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(KEYED), inner]}
    typed = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{**yaml.safe_load(DEPLOYMENT)}]}
    for field in ("apiVersion", "kind"):
        del typed["items"][0][field]
    app(tmp_path, {"app/a.yaml": yaml.safe_dump(outer), "app/b.json": json.dumps(typed)})

    made = objects(refreshed(running, tmp_path, application("app", name="krm-harden")))

    assert [identity(one) for one in made] == [
        ("Secret", "key"),
        ("ConfigMap", "settings"),
        ("Pod", "free"),
        ("Deployment", "web-0"),
    ]
    for one in made:
        assert one["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].startswith("shop:")
    assert judged("---\n".join(json.dumps(one) + "\n" for one in made)) == {"Pod/free": True, "Deployment/web-0": True}


ROOT_FREE = ROOT_POD.replace("rooted", "free").replace(", securityContext: {runAsUser: 0}", "")

RESERVED = (
    *(f"argocd.argoproj.io/{name}" for name in ("hook", "hook-delete-policy", "sync-wave", "sync-options")),
    *(f"argocd.argoproj.io/{name}" for name in ("compare-options", "ignore-healthcheck", "manifest-generate-paths")),
    *("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/deletion-approved", "link.argocd.argoproj.io/external"),
    *("helm.sh/hook", "helm.sh/hook-weight", "helm.sh/resource-policy", "meta.helm.sh/release-name"),
    *("postrenderer.helm.sh/postrender-filename", "kustomize.toolkit.fluxcd.io/prune"),
    "kubectl.kubernetes.io/last-applied-configuration",
)
SAYINGS = st.one_of(
    st.sampled_from(["5", "-1", "true", "no", "0o10", "1e3", "", " x ", "a: b", "#c", "PreSync,Sync", "<<", "é😀"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x7f", exclude_categories=("Cc", "Cs", "Cn", "Co"))),
)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(RESERVED), SAYINGS),
            st.dictionaries(st.sampled_from(["app.kubernetes.io/instance", "argocd.argoproj.io/instance"]), SAYINGS),
            st.lists(st.just("argocd.argoproj.io/hook-finalizer"), max_size=1),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_argo_cd_helm_and_flux_write_about_an_object_stays_byte_for_byte(tmp_path, every):
    manifests = []
    for number, (notes, labels, finalizers) in enumerate(every):
        made = yaml.safe_load(DEPLOYMENT if number % 2 else JOB.replace("{HOOK}", "{}"))
        made["metadata"] = {
            "name": f"n{number}",
            "annotations": notes,
            "labels": labels,
            "finalizers": finalizers,
        }
        manifests.append(made)
    (tmp_path / "all.yaml").write_text("".join(f"---\n{json.dumps(one, ensure_ascii=False)}\n" for one in manifests))

    made = printed(plugin(tmp_path))

    assert [one["metadata"] for one in made] == [one["metadata"] for one in manifests]


def test_a_json_that_only_some_readers_take_reaches_argo_cd_as_kubernetes_reads_it(running, tmp_path):
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"s":"\\ud83d\\ude00","h":"\\ud83d","t":"\\u2028\\u0085\\ufeff\\u007f\\u0000"}}'
    write(tmp_path, "c.json", text)

    (made,) = running.generate(tmp_path)

    assert made["data"] == {"s": "😀", "h": "\ufffd", "t": "\u2028\u0085\ufeff\x7f\0"}


@pytest.mark.parametrize(
    "kind", ["v1 ConfigMap", "acme.example/v1 Foo", "v1 list", "v1 Pod", "acme.example/v1 FooList"]
)
@pytest.mark.parametrize("item", [{}, {"apiVersion": "v1", "kind": "Pod"}])
def test_what_argo_cd_takes_for_a_list_brings_no_pod_past_us(running, tmp_path, kind, item):
    """To apimachinery whatever has a list `items` is a list."""
    spec = {"containers": [{"name": "a", "image": "b/c:1", "securityContext": {"privileged": True}}]}
    version, _, name = kind.partition(" ")
    pod = {**item, "metadata": {"name": "hidden"}, "spec": spec}
    write(tmp_path, "app/a.json", json.dumps({"apiVersion": version, "kind": name, "items": [pod]}))

    ran = refreshed(running, tmp_path, application("app", name="krm-harden"))

    assert ran.code != 0
    assert ran.out == b""


@pytest.mark.parametrize("items", [[], [{"cidr": "10.0.0.0/8"}], ["a"]])
def test_what_argo_cd_would_lose_of_an_object_with_items_is_named(tmp_path, items):
    data = {"apiVersion": "acme.example/v1", "kind": "AllowList", "metadata": {"name": "office"}, "items": items}
    app(tmp_path, {"web.yaml": DEPLOYMENT, "a.json": json.dumps(data)})

    ran = plugin(tmp_path)

    assert (ran.code, ran.out) == (2, b"")
    assert "AllowList with a list `items`" in ran.err


# 5. What can't be rendered.

BAD = {
    "nothing at all": ({}, 2, "there are no objects"),
    "only comments": ({"a.yaml": "# nothing\n---\n"}, 2, "there are no objects"),
    "an empty list": ({"a.yaml": "apiVersion: v1\nkind: List\nitems: []\n"}, 2, "there are no objects"),
    "an empty kustomization": ({"kustomization.yaml": "resources: []\n"}, 2, "kustomize"),
    "no YAML": ({"a.yaml": "a: b: c\n"}, 2, "a.yaml: line 1"),
    "a later document": ({"a.yaml": CONFIG + "---\na: [\n"}, 2, "a.yaml: line 7"),
    "a template": ({"a.yaml": "{{- if .Values.x }}\na: b\n{{- end }}\n"}, 2, "a template, not YAML"),
    "no kind": ({"a.yaml": "who: me\n"}, 2, "it has no apiVersion"),
    "no mapping": ({"a.yaml": "- a\n- b\n"}, 2, "isn't an object of Kubernetes"),
    "jsonnet": ({"a.jsonnet": "{}", "b.yaml": CONFIG}, 2, "a.jsonnet: jsonnet isn't evaluated"),
    "binary": ({"a.yaml": "a: \x00\n"}, 2, "a.yaml: line 1"),
    "a number that JSON has no word for": (
        {"a.yaml": "apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: .inf\n"},
        2,
        "JSON",
    ),
    "root on purpose": ({"a.yaml": ROOT_POD}, 1, "Pod/rooted: "),
    "a hundred that are root on purpose": ({"a.yaml": "---\n".join([ROOT_POD] * 100)}, 1, "more: `krm-harden check`"),
    "a secret that isn't YAML": ({"a.yaml": KEYED + "  hunter2: [\n"}, 2, "a.yaml: line"),
    "a secret of a wrong type": ({"a.yaml": KEYED.replace("hunter2", "!!int hunter2")}, 2, "a.yaml: line"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cant_be_rendered_prints_nothing_and_says_why_in_few_words(tmp_path, path, name):
    files, code, message = BAD[name]
    app(tmp_path, files)

    ran = plugin(tmp_path, tools_=path)

    assert (ran.code, ran.out) == (code, b"")
    assert message in ran.err
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("given_", [{"args": ("--allow-empty",)}, {"env": {"KRM_HARDEN_ALLOW_EMPTY": "1"}}])
def test_the_administrator_may_allow_an_application_without_objects(tmp_path, given_):
    ran = plugin(tmp_path, *given_.get("args", ()), **given_.get("env", {}))

    assert (ran.code, ran.out) == (0, b"")


def test_an_error_reaches_the_user_without_a_manifests_values(running, tmp_path):
    write(tmp_path, "a.yaml", KEYED + "  hunter2: [\n")

    with pytest.raises(Failed, match=r"a\.yaml: line") as failed:
        running.generate(tmp_path)

    assert "hunter2" not in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    script = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {sys.executable} -m krm_harden argocd"
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, env=clean_environment(), timeout=100, check=False, text=True
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


# 6. A child that fails.


def test_a_kustomization_that_fails_fails_the_application_with_what_kustomize_says(running, tmp_path):
    app(tmp_path, {"app/kustomization.yaml": "resources: [web.yaml]\nnonsense: 1\n", "app/web.yaml": DEPLOYMENT})

    with pytest.raises(Failed, match=r"kustomize build failed(?s:.)*nonsense"):
        running.generate(tmp_path, "app")


def test_a_pipe_would_lose_the_failure(tmp_path, path):
    """Why kustomize is a child: the shell's `|` ends with 0, and Argo CD would see an application without objects."""
    app(tmp_path, {"kustomization.yaml": "resources: [web.yaml]\nnonsense: 1\n", "web.yaml": DEPLOYMENT})

    piped = subprocess.run(
        ["sh", "-c", "kustomize build . | cat"], cwd=tmp_path, capture_output=True, env={"PATH": path}, check=False
    )

    assert (piped.returncode, piped.stdout) == (0, b"")
    assert plugin(tmp_path, tools_=path).code == 2


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_a_chart_that_fails_fails_the_application_with_what_helm_says(tmp_path, helm):
    folder = tmp_path / "bin"
    path = tools(folder)
    (folder / "helm").unlink()
    (folder / "helm").symlink_to(require(helm))
    app(tmp_path / "app", {"Chart.yaml": CHART, "templates/web.yaml": '{{ fail "not like this" }}'})
    vendored = CHART + "dependencies: [{name: redis, version: 1.0.0, repository: 'https://charts.example'}]\n"
    app(tmp_path / "other", {"Chart.yaml": vendored, "templates/web.yaml": DEPLOYMENT})

    failed = plugin(tmp_path / "app", tools_=path)
    missing = plugin(tmp_path / "other", tools_=path)

    assert failed.code == missing.code == 2
    assert "not like this" in failed.err
    assert "redis" in missing.err
    assert "commit charts/" in missing.err


def test_a_child_that_says_much_is_cut_to_its_last_lines(tmp_path):
    path = tools(tmp_path / "bin", kustomize="for i in $(seq 500); do echo line $i >&2; done; exit 7")
    app(tmp_path / "app", {"kustomization.yaml": "resources: [web.yaml]\n", "web.yaml": DEPLOYMENT})

    ran = plugin(tmp_path / "app", tools_=path)

    assert ran.code == 2
    assert "exit code 7" in ran.err
    assert "line 500" in ran.err


def test_a_missing_program_is_named(tmp_path):
    app(tmp_path, {"kustomization.yaml": "resources: [web.yaml]\n", "web.yaml": DEPLOYMENT})
    # A relative folder of PATH is the application's own.
    write(tmp_path, "kustomize", "#!/bin/sh\necho owned >&2\n")
    (tmp_path / "kustomize").chmod(0o755)

    ran = plugin(tmp_path, tools_=".:/nonexistent:")

    assert ran.code == 2
    assert "kustomize isn't on PATH" in ran.err


# 7. What an application can't do to its administrator's policy.

CEILING = policy(images=[{"match": "registry.example/web:*", "uid": 1500}])
LOOSENING = {
    "level": [{"name": "level", "string": "privileged"}],
    "baseline": [{"name": "level", "string": "baseline"}],
    "fewer changes": [{"name": "changes", "string": "additive"}],
    "only warnings": [{"name": "onViolation", "string": "Warn"}],
    "objects exempt themselves": [{"name": "exemptionAnnotations", "string": "allow"}],
    "jobs are skipped": [{"name": "immutable", "string": "skip"}],
    "a control off": [{"name": "readOnlyRootFilesystem.enabled", "string": "false"}],
    "a control off in a map": [{"name": "settings", "map": {"seccompProfile.enabled": "false"}}],
    "a control off by its group": [{"name": "runAsNonRoot", "map": {"enabled": "false"}}],
    "the whole path of a control": [{"name": "controls.capabilities_restricted.enabled", "string": "false"}],
    "root": [{"name": "numericUser.uid", "string": "0"}],
    "another version": [{"name": "version", "string": "v1.0"}],
    "another release": [{"name": "compatibility", "string": "0.1"}],
    "an older server": [{"name": "target.kubernetes", "string": "1.0"}],
    "another platform": [{"name": "target.platform", "string": "openshift"}],
    "no label": [{"name": "namespaces.audit", "string": "none"}],
    "an exemption": [{"name": "exemptions", "map": {"match": "*", "controls": "*"}}],
    "a ceiling of its own": [{"name": "policy", "string": "policy.yaml"}],
    "an option": [{"name": "--allow-empty", "string": "true"}],
    "no parameter": [{"string": "level"}],
    "two answers": [{"name": "level", "string": "restricted"}, {"name": "level", "string": "privileged"}],
    "two kinds": [{"name": "level", "string": "restricted", "map": {"a": "b"}}],
}
ENVIRONMENT = [
    {"name": name, "value": value}
    for name, value in {
        "KRM_HARDEN_SKIP": "*",
        "KRM_HARDEN_POLICY": "policy.yaml",
        "KRM_HARDEN_ALLOW_EMPTY": "1",
        "KRM_HARDEN_REMOTE": "allow",
        "ARGOCD_APP_PARAMETERS": "[]",
        "PARAM_LEVEL": "privileged",
        "PATH": ".",
        "PYTHONPATH": ".",
        "HOME": ".",
        "HELM_PLUGINS": ".",
    }.items()
]


@pytest.fixture(scope="module")
def governed(tmp_path_factory):
    """A server whose administrator has a policy."""
    folder = tmp_path_factory.mktemp("governed")
    (folder / "policy.yaml").write_text(CEILING)
    with server(folder / "cmp", KRM_HARDEN_POLICY=str(folder / "policy.yaml"), KRM_HARDEN_TIMEOUT="250") as found:
        yield found


def overriding(folder: Path, **plugin_: object) -> Path:
    """A repository whose application overrides what its Application says of the plugin."""
    app(folder, {"app/web.yaml": DEPLOYMENT, "app/policy.yaml": NONE_OF_IT})
    app(folder, {"app/.argocd-source.yaml": yaml.safe_dump({"plugin": plugin_})})
    return folder


NONE_OF_IT = CONFIG.replace("settings", "none-of-it")


@pytest.mark.parametrize("name", LOOSENING)
def test_parameters_of_the_repository_cannot_loosen_the_policy(governed, tmp_path, name):
    root = overriding(tmp_path, parameters=LOOSENING[name])

    ran = refreshed(governed, root, application("app", name="krm-harden"))

    assert ran.code == 1
    assert ran.out == b""
    assert "exit status 3" in ran.err
    assert "krm-harden: error: " in ran.err
    assert "Traceback" not in ran.err


def hardened_user(every: list[dict]) -> int:
    (made,) = (one for one in every if one["kind"] == "Deployment")
    (container,) = made["spec"]["template"]["spec"]["containers"]
    user = made["spec"]["template"]["spec"].get("securityContext", {}).get("runAsUser")
    return container["securityContext"].get("runAsUser", user)


def test_variables_of_the_repository_change_nothing(governed, tmp_path):
    plain = repository(tmp_path / "plain", app__web_yaml="")
    shutil.rmtree(plain)
    app(plain, {"app/web.yaml": DEPLOYMENT, "app/policy.yaml": NONE_OF_IT})
    overridden = overriding(tmp_path / "overridden", env=ENVIRONMENT)

    expected = objects(refreshed(governed, plain, application("app", name="krm-harden")))

    assert hardened_user(expected) == 1500
    assert objects(refreshed(governed, overridden, application("app", name="krm-harden"))) == expected
    assert judged("---\n".join(json.dumps(one) + "\n" for one in expected)) == {"Deployment/web-0": True}


def test_variables_cannot_allow_an_application_without_objects(governed, tmp_path):
    app(tmp_path, {"app/empty.yaml": "# nothing\n"})
    app(tmp_path, {"app/.argocd-source.yaml": yaml.safe_dump({"plugin": {"env": ENVIRONMENT}})})

    ran = refreshed(governed, tmp_path, application("app", name="krm-harden"))

    assert ran.code == 1
    assert "there are no objects" in ran.err


TIGHTENING = {
    "explicit": [{"name": "explicit", "string": "override"}],
    "in a map": [{"name": "settings", "map": {"explicit": "override"}}],
}


@pytest.mark.parametrize("name", TIGHTENING)
def test_parameters_of_the_repository_may_tighten_the_policy(governed, tmp_path, name):
    explicit = DEPLOYMENT.replace(
        "        ports:\n", "        securityContext: {allowPrivilegeEscalation: true}\n        ports:\n"
    )
    root = overriding(tmp_path, parameters=TIGHTENING[name])
    write(root, "app/web.yaml", explicit)

    made = objects(refreshed(governed, root, application("app", name="krm-harden")))

    assert hardened_user(made) == 1500
    write(root, "app/.argocd-source.yaml", "plugin: {}\n")
    assert refreshed(governed, root, application("app", name="krm-harden")).code == 1


POLICIES = {
    "exemptions": {"exemptions": [{"match": {"kinds": ["*"]}, "controls": ["*"], "reason": "because"}]},
    "rules": {"rules": [{"match": {"kinds": ["*"]}, "level": "privileged"}]},
    "level": {"level": "privileged"},
    "images that are root": {"images": [{"match": "*", "uid": 0}]},
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_among_the_manifests_cannot_loosen_the_administrators(tmp_path, name):
    app(tmp_path, {"web.yaml": DEPLOYMENT, "policy.yaml": policy(**POLICIES[name])})

    ran = plugin(tmp_path)

    assert ran.code == 3
    assert "below the policy" in ran.err or "softer" in ran.err


def test_a_policy_or_lock_among_the_manifests_may_add_facts_and_isnt_applied(tmp_path):
    facts = policy(images=[{"match": "registry.example/web:*", "uid": 1234}])
    app(tmp_path, {"web.yaml": DEPLOYMENT, "policy.yaml": facts})

    ran = plugin(tmp_path)

    made = printed(ran)
    assert [identity(one) for one in made] == [("Deployment", "web-0")]
    assert hardened_user(made) == 1234
    assert "used, and not applied" in ran.err


def test_a_policy_among_the_manifests_is_read_however_its_kind_is_written(tmp_path):
    facts = policy(images=[{"match": "registry.example/web:*", "uid": 1234}])
    said = facts.replace("kind: HardeningPolicy", 'kind: "\\u0048ardeningPolicy"')
    assert "kind: HardeningPolicy" not in said
    app(tmp_path, {"web.yaml": DEPLOYMENT, "policy.yaml": said})

    assert hardened_user(printed(plugin(tmp_path))) == 1234


def test_the_administrators_policy_is_his_own(tmp_path):
    app(tmp_path, {"app/web.yaml": DEPLOYMENT, "app/policy.yaml": policy(), "other.yaml": CONFIG, "list.yaml": "- a\n"})
    there = {"ARGOCD_APP_SOURCE_PATH": "app"}

    for wrong in (
        "policy.yaml",
        "../other.yaml",
        "",
        f"{tmp_path}/other.yaml",
        f"{tmp_path}/list.yaml",
        "/nonexistent",
    ):
        assert plugin(tmp_path / "app", KRM_HARDEN_POLICY=wrong, **there).code == 3
    assert plugin(tmp_path / "app", "--policy", "policy.yaml", **there).code == 3


def test_nothing_that_an_object_says_of_itself_keeps_it_as_it_is(tmp_path):
    for number, note in enumerate(("config.kubernetes.io/local-config: 'true'", "krm-harden.dev/exempt: '*: because'")):
        annotated = ROOT_POD.replace("{name: rooted}", f"{{name: rooted, annotations: {{{note}}}}}")
        app(tmp_path / str(number), {"pod.yaml": annotated})

        assert plugin(tmp_path / str(number)).code == 1


REMOTE = {
    "a URL": ("resources: ['https://git.example/a.yaml']", "https://git.example/a.yaml"),
    "a URL in other letters": ("Resources: ['HTTPS://git.example/a.yaml']", "HTTPS://git.example/a.yaml"),
    "a long s": ("re\u017fources: ['https://git.example/a.yaml']", "https://git.example/a.yaml"),
    "GitHub": ("resources: [github.com/a/b]", "github.com/a/b"),
    "GitHub with a revision": ("resources: ['github.com/a/b//c?ref=main']", "ref=main"),
    "SSH": ("bases: ['git@git.example:a/b']", "git@git.example:a/b"),
    "SSH by name": ("bases: ['ssh://git@git.example/a/b']", "ssh://"),
    "a file by name": ("bases: ['file:///etc']", "file:///etc"),
    "git::": ("components: ['git::https://git.example/a']", "git::"),
    "scp": ("resources: ['git.example:a/b']", "git.example:a/b"),
    "OCI": ("resources: ['oci://registry.example/a']", "oci://"),
    "a patch": ("patches: [{path: 'https://git.example/p.yaml'}]", "https://git.example/p.yaml"),
    "an old patch": ("patchesStrategicMerge: ['https://git.example/p.yaml']", "https://git.example/p.yaml"),
    "a JSON patch": ("patchesJson6902: [{path: 'http://git.example/p', target: {kind: X}}]", "http://git.example/p"),
    "a replacement": ("replacements: [{path: 'https://git.example/r.yaml'}]", "https://git.example/r.yaml"),
    "a generator's file": (
        "configMapGenerator: [{name: a, files: ['k=https://git.example/f']}]",
        "https://git.example/f",
    ),
    "a generator's variables": (
        "secretGenerator: [{name: a, envs: ['https://git.example/e']}]",
        "https://git.example/e",
    ),
    "a generator's one file": ("secretGenerator: [{name: a, env: 'https://git.example/e'}]", "https://git.example/e"),
    "definitions": ("crds: ['https://git.example/crd.yaml']", "https://git.example/crd.yaml"),
    "configurations": ("configurations: ['https://git.example/c.yaml']", "https://git.example/c.yaml"),
    "a schema": ("openapi: {path: 'https://git.example/s.json'}", "https://git.example/s.json"),
    "a chart": ("helmCharts: [{name: redis, repo: 'https://charts.example'}]", "helmcharts"),
    "an old chart": ("helmChartInflationGenerator: [{chartName: redis}]", "helmchartinflationgenerator"),
    "a generator": ("generators: ['https://git.example/g.yaml']", "https://git.example/g.yaml"),
    "a transformer": ("transformers: ['github.com/a/b']", "github.com/a/b"),
    "a transformer's patch": (
        "transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, path: \"https://git.example/p\"}\n\n']",
        "https://git.example/p",
    ),
    "a generator of charts": (
        "generators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: p}, name: redis}\n\n']",
        "HelmChartInflationGenerator",
    ),
    "outside": ("resources: [../../../outside]", "../../../outside"),
    "an absolute path": ("resources: [/etc]", "/etc"),
    "a base that has it": ("resources: [../base]", "base/kustomization.yaml"),
    "folders of transformers": ("transformers: [../configuration]", "https://git.example/p"),
    "a component that has it": ("components: [../base]", "base/kustomization.yaml"),
}


@pytest.mark.parametrize("name", REMOTE)
def test_a_remote_entry_is_refused_by_name_before_kustomize_runs(tmp_path, name):
    line, entry = REMOTE[name]
    ran_file = tmp_path / "ran"
    path = tools(tmp_path / "bin", kustomize=f"touch {ran_file}")
    (tmp_path / "outside").mkdir()
    field = line.replace("\n\n", "\\n\\n") if "\n" in line else line
    if "\n" in line:
        name_, _, rest = line.partition(": [")
        field = json.dumps({name_: [rest[1:-2]]})
    app(
        tmp_path / "root",
        {
            "app/web.yaml": DEPLOYMENT,
            "app/kustomization.yaml": field + "\n",
            "base/kustomization.yaml": "resources: ['https://git.example/base.yaml']\n",
            "configuration/kustomization.yaml": "resources: [patch.yaml]\n",
            "configuration/patch.yaml": "kind: PatchTransformer\npath: https://git.example/p\n",
        },
    )

    ran = plugin(tmp_path / "root" / "app", tools_=path, ARGOCD_APP_SOURCE_PATH="app")

    assert ran.code == 2
    assert not ran_file.exists()
    assert entry in ran.err
    assert "kustomization.yaml: " in ran.err or "configuration/patch.yaml: " in ran.err


CHANGING = {
    "a patch": "patches: [{target: {kind: PatchTransformer}, patch: '[{op: replace, path: /path, value: URL}]'}]",
    "an old patch": "patchesStrategicMerge: ['{apiVersion: builtin, kind: PatchTransformer, path: URL}\\n\\n']",
    "a replacement": "replacements: [{path: replacement.yaml}]",
    "a configuration": "namePrefix: URL\nconfigurations: [names.yaml]",
    "a transformer of its own": "transformers: [prefix.yaml]",
    "another case": "Patches: [{target: {kind: PatchTransformer}, patch: '[{op: replace, path: /path, value: URL}]'}]",
}


@pytest.mark.parametrize("name", CHANGING)
def test_what_configures_kustomize_isnt_changed_after_it_was_read(tmp_path, name):
    """Else a patch could put a URL where a transformer has a path."""
    ran_file = tmp_path / "ran"
    path = tools(tmp_path / "bin", kustomize=f"touch {ran_file}")
    fields = f"resources: [patch.yaml]\n{CHANGING[name]}\n"
    app(
        tmp_path / "root",
        {
            "web.yaml": DEPLOYMENT,
            "kustomization.yaml": "resources: [web.yaml]\ntransformers: [configuration]\n",
            "configuration/kustomization.yaml": fields.replace("URL", '"http://localhost:1/"'),
            "configuration/patch.yaml": "apiVersion: builtin\nkind: PatchTransformer\npath: patch.yaml\n",
            **{f"configuration/{file}.yaml": "kind: X\n" for file in ("replacement", "names", "prefix")},
        },
    )

    ran = plugin(tmp_path / "root", tools_=path)

    assert ran.code == 2
    assert not ran_file.exists()
    assert "isn't allowed in what configures another one" in ran.err


def test_only_the_administrator_allows_what_is_remote(tmp_path):
    path = tools(tmp_path / "bin", kustomize=f"cat {tmp_path}/web.yaml; which git >/dev/null || exit 9")
    app(tmp_path, {"web.yaml": DEPLOYMENT, "app/kustomization.yaml": "resources: ['https://git.example/a.yaml']\n"})
    require("git")

    assert printed(plugin(tmp_path / "app", tools_=path, KRM_HARDEN_REMOTE="allow"))
    assert plugin(tmp_path / "app", tools_=path, ARGOCD_ENV_KRM_HARDEN_REMOTE="allow").code == 2
    assert plugin(tmp_path / "app", tools_=path, KRM_HARDEN_REMOTE="yes").code == 3


def test_a_child_sees_nothing_of_our_environment_and_finds_no_git(tmp_path):
    path = tools(tmp_path / "bin", kustomize=f"/usr/bin/env | LC_ALL=C /usr/bin/sort > {tmp_path}/env; exit 1")
    app(tmp_path / "app", {"kustomization.yaml": "resources: []\n"})

    plugin(tmp_path / "app", tools_=path, SESSION="hunter2", GIT_SSH_COMMAND="touch x", TMPDIR=str(tmp_path))

    seen = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert "PATH" not in seen
    assert not {"SESSION", "GIT_SSH_COMMAND", "KRM_HARDEN_POLICY"} & set(seen)
    assert seen["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    home = Path(seen["HOME"])
    assert home.parent == tmp_path
    assert not home.exists()
    assert all(value.startswith(str(home)) for name, value in seen.items() if name.startswith(("XDG_", "HELM_", "TMP")))


# 8. In the sidecar.


def zombies(parent: int) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                state, above, *_ = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if state == "Z" and int(above) == parent:
                found.append(process.name)
    return found


def below(parent: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                above = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(above, []).append(int(process.name))
    found, waiting = [], [parent]
    while waiting:
        found += (more := children.get(waiting.pop(), []))
        waiting += more
    return found


def test_a_hundred_runs_in_the_sidecar_leave_nothing_behind(tmp_path_factory, tmp_path):
    from argocd import sidecar

    app(tmp_path, {"plain/web.yaml": DEPLOYMENT, "broken/web.yaml": "a: [", "hung/Chart.yaml": CHART})
    shutil.copytree(SHOP, tmp_path / "shop")
    with sidecar(tmp_path_factory.mktemp("side"), KRM_HARDEN_TIMEOUT="60") as found:
        for number in range(100):
            folder = ("plain", "shop", "broken", "plain")[number % 4]
            if folder == "broken":
                with pytest.raises(Failed, match=r"web\.yaml"):
                    found.generate(tmp_path, folder)
            else:
                assert len(found.generate(tmp_path, folder)) == {"plain": 1, "shop": 9}[folder]

        left = Path(f"/proc/{found.process}/root/tmp")
        assert {path.relative_to(left).as_posix() for path in left.rglob("*")} <= {"_cmp_server"}
        assert zombies(found.process) == []
        assert below(found.process) == []


def test_a_hung_child_in_the_sidecar_leaves_nothing_behind(tmp_path_factory, tmp_path):
    """Without an init that reaps: argocd-cmp-server is process 1 and waits for none but its own child."""
    from argocd import sidecar

    app(tmp_path, {"hung/Chart.yaml": CHART, "plain/web.yaml": DEPLOYMENT})
    with sidecar(tmp_path_factory.mktemp("side"), KRM_HARDEN_TIMEOUT="4") as found:
        with pytest.raises(Failed, match="timed out after 4 s, while running helm template"):
            found.generate(tmp_path, "hung")

        left = Path(f"/proc/{found.process}/root/tmp")
        assert {path.relative_to(left).as_posix() for path in left.rglob("*")} <= {"_cmp_server"}
        assert zombies(found.process) == []
        assert below(found.process) == []


# 9. Time.

HANGING = {
    "it sleeps": "exec sleep 1000",
    "its child sleeps": "sleep 1000",
    "it left a child that holds its output": "sleep 1000 & exit 0",
    "it doesn't end when asked": "trap '' TERM INT HUP; sleep 1000 & while :; do sleep 1; done",
    "its child is nobody's any more": "(sh -c 'sleep 1000 & sleep 1001 &' &) ; sleep 1000",
}


@pytest.mark.parametrize("name", HANGING)
def test_a_child_that_hangs_is_ended_with_all_that_it_started(tmp_path, name):
    """Before the deadline of Argo CD, whose only word is `signal: killed`."""
    path = tools(tmp_path / "bin", kustomize=HANGING[name])
    app(tmp_path / "app", {"kustomization.yaml": "resources: []\n"})

    with server(tmp_path / "cmp", PATH=path, KRM_HARDEN_TIMEOUT="3") as found:
        with pytest.raises(Failed, match="timed out after 3 s, while running kustomize build"):
            found.generate(tmp_path / "app", timeout=60)
        assert list((found.work / "_cmp_server").iterdir()) == []
    assert sleepers(tmp_path) == []


def sleepers(folder: Path) -> list[str]:
    """The processes that run in a folder or below it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if str(folder) in os.readlink(process / "cwd"):
                    found.append((process / "cmdline").read_text())
            except OSError:
                continue
    return found


def test_the_deadline_of_argo_cd_leaves_nothing_running(tmp_path):
    path = tools(tmp_path / "bin", kustomize="sleep 1000")
    app(tmp_path / "app", {"kustomization.yaml": "resources: []\n"})

    with server(tmp_path / "cmp", PATH=path, KRM_HARDEN_TIMEOUT="100") as found:
        with pytest.raises(Failed, match=r"signal: killed|DEADLINE_EXCEEDED"):
            found.generate(tmp_path / "app", timeout=4)
        end = time.monotonic() + 60
        while sleepers(tmp_path):
            assert time.monotonic() < end, sleepers(tmp_path)
            time.sleep(0.1)
        while list((found.work / "_cmp_server").iterdir()):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_hardening_itself_ends_in_time(tmp_path):
    write(tmp_path, "web.yaml", deployments(20_000))

    ran = plugin(tmp_path, "--timeout", "2")

    assert ran.code == 2
    assert "timed out after 2 s, while " in ran.err
    assert sleepers(tmp_path) == []


@pytest.mark.parametrize("said", ["0", "-1", "soon", "nan", "inf", "1e9"])
def test_a_time_that_is_none_is_the_administrators_mistake(tmp_path, said):
    write(tmp_path, "web.yaml", DEPLOYMENT)

    assert plugin(tmp_path, f"--timeout={said}").code == 3
    assert plugin(tmp_path, KRM_HARDEN_TIMEOUT=said).code == 3


def test_being_told_to_end_ends_the_child_too(tmp_path):
    path = tools(tmp_path / "bin", kustomize="sleep 1000")
    app(tmp_path / "app", {"kustomization.yaml": "resources: []\n"})
    process = subprocess.Popen(
        [*FUNCTION, "argocd"],
        cwd=tmp_path / "app",
        env=clean_environment(PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not any("sleep" in one for one in sleepers(tmp_path)):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)

    assert (process.returncode, out) == (2, b"")
    assert b"was told to end, while running kustomize build" in err
    assert sleepers(tmp_path) == []


# 10. Many at once, and how much each costs.


def test_sixteen_at_once_give_what_one_after_the_other_gives(running, tmp_path):
    app(tmp_path, {"plain/web.yaml": deployments(5), "chart/Chart.yaml": CHART, "chart/templates/web.yaml": DEPLOYMENT})
    app(tmp_path, {"over/kustomization.yaml": "resources: [../shop]\nnamePrefix: my-\n"})
    shutil.copytree(SHOP, tmp_path / "shop")
    folders = ["plain", "chart", "over", "shop"]
    serial = {folder: running.generate(tmp_path, folder) for folder in folders}

    with ThreadPoolExecutor(16) as pool:
        parallel = list(pool.map(lambda number: running.generate(tmp_path, folders[number % 4]), range(16)))

    assert parallel == [serial[folders[number % 4]] for number in range(16)]


def test_one_processor_and_several_make_the_same_of_many_objects(tmp_path):
    namespaces = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
    jobs = "---\n".join(JOB.replace("NAME", f"j{number}").replace("{HOOK}", "{}") for number in range(3))
    pods = deployments(300).replace("metadata:\n  name:", "metadata:\n  namespace: shop\n  name:")
    app(tmp_path, {"app/a.yaml": namespaces + jobs.replace("{name:", "{namespace: shop, name:"), "app/b.yaml": pods})
    write(tmp_path, "app/c.yaml", big(5_000_000))
    write(tmp_path, "policy.yaml", policy(namespaces={"enforce": "auto"}))
    command = [*FUNCTION, "argocd", "--timeout", "250", "--policy", str(tmp_path / "policy.yaml")]
    found = [
        subprocess.run(
            [*pinned, *command, *more], cwd=tmp_path / "app", capture_output=True, env=clean_environment(), check=True
        )
        for more in ([], ["--list-immutable"])
        for pinned in ([require("taskset"), "-c", str(min(os.sched_getaffinity(0)))], [])
    ]

    assert len(found[0].stdout) > 4 << 20
    assert len(found[0].stdout.splitlines()) == 2 * (1 + 3 + 300 + 5)
    assert b'"pod-security.kubernetes.io/enforce":"restricted"' in found[0].stdout
    assert found[2].stdout.decode().split() == [f"Job/shop/j{number}" for number in range(3)]
    for one, several in (found[:2], found[2:]):
        assert (one.stdout, one.stderr) == (several.stdout, several.stderr)


def cpu(*command: str, cwd: Path) -> float:
    """The seconds of processors that a command takes, the least of five."""
    least = 1e9
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=cwd, capture_output=True, env=clean_environment(), check=True, timeout=300)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def test_a_small_application_costs_little_more_than_the_same_manifests_through_fix(tmp_path):
    write(tmp_path, "web.yaml", DEPLOYMENT)

    assert cpu(*FUNCTION, "argocd", cwd=tmp_path) < 1.5 * cpu(*FUNCTION, "fix", "web.yaml", cwd=tmp_path)


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command loads."""
    script = "import sys\nfrom krm_harden.cli import main\ncode = main()\nprint(code, *sys.modules, file=sys.stderr)\n"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        capture_output=True,
        env=clean_environment(),
        check=True,
        text=True,
        timeout=300,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    assert code == "0"
    return set(names)


def test_the_plugin_imports_little_more_than_fix(tmp_path):
    """What a child needs is loaded where there is one."""
    write(tmp_path, "web.yaml", DEPLOYMENT)

    more = imported(tmp_path, "argocd") - imported(tmp_path, "fix", "web.yaml")

    names = ("argocd", "_application", "_children", "_kustomizations", "_objects")
    ours = {f"krm_harden.commands.{name}" for name in names}
    assert {name for name in more if name.startswith("krm_harden")} == ours
    assert {name for name in more if not name.startswith(("krm_harden", "json", "_json"))} <= {"signal"}


# 11. Links.


def test_links_within_the_repository_are_followed(running, tmp_path):
    app(tmp_path, {"real/web.yaml": DEPLOYMENT, "shared/settings.yaml": CONFIG})
    (tmp_path / "real" / "settings.yaml").symlink_to("../shared/settings.yaml")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "current").symlink_to("../real")

    for folder in ("real", "apps/current"):
        made = running.generate(tmp_path, folder)
        assert [identity(one) for one in made] == [("ConfigMap", "settings"), ("Deployment", "web-0")]


@pytest.mark.parametrize("target", ["nowhere.yaml", "ABSOLUTE"])
@pytest.mark.parametrize("kind", ["directory", "helm", "kustomize"])
def test_a_link_to_nowhere_is_named_and_one_out_of_the_repository_never_read(
    running, tmp_path, tmp_path_factory, target, kind
):
    """Argo CD turns an absolute link into a relative one, which leads nowhere."""
    outside = tmp_path_factory.mktemp("outside") / "outside.yaml"
    outside.write_text(NONE_OF_IT)
    link = {"helm": "app/templates/link.yaml"}.get(kind, "app/link.yaml")
    files = {
        "directory": {"app/web.yaml": DEPLOYMENT},
        "helm": {"app/Chart.yaml": CHART, "app/templates/web.yaml": DEPLOYMENT},
        "kustomize": {"app/web.yaml": DEPLOYMENT, "app/kustomization.yaml": "resources: [web.yaml, link.yaml]\n"},
    }
    app(tmp_path, files[kind])
    (tmp_path / link).symlink_to(str(outside) if target == "ABSOLUTE" else target)

    with pytest.raises(Failed, match=r"link\.yaml") as failed:
        running.generate(tmp_path, "app")

    assert "none-of-it" not in str(failed.value)


@pytest.mark.parametrize("kind", ["directory", "helm", "kustomize", "base", "values"])
def test_a_link_out_of_the_repository_is_never_read(tmp_path, path, kind):
    """As it would be if whoever packs the repository kept it."""
    write(tmp_path, "outside/c.yaml", NONE_OF_IT)
    write(tmp_path, "outside/kustomization.yaml", "resources: [c.yaml]\n")
    files = {
        "directory": {"app/web.yaml": DEPLOYMENT},
        "helm": {"app/Chart.yaml": CHART, "app/templates/web.yaml": DEPLOYMENT},
        "kustomize": {"app/kustomization.yaml": "resources: [link]\n"},
        "base": {"app/kustomization.yaml": "resources: [link]\n"},
        "values": {"app/Chart.yaml": CHART, "app/templates/c.yaml": DEPLOYMENT},
    }
    app(tmp_path / "root", files[kind])
    link = {"directory": "link.yaml", "helm": "templates/link.yaml", "values": "../link"}.get(kind, "link")
    (tmp_path / "root" / "app" / link).symlink_to(tmp_path / "outside" / ("" if kind == "base" else "c.yaml"))
    said = json.dumps([{"name": "valueFiles", "array": ["../link"]}] if kind == "values" else [])

    ran = plugin(tmp_path / "root" / "app", tools_=path, ARGOCD_APP_SOURCE_PATH="app", ARGOCD_APP_PARAMETERS=said)

    assert ran.code == 2
    assert "link" in ran.err
    assert "none-of-it" not in ran.err


@pytest.mark.parametrize("name", ["/etc/passwd", "../../outside.yaml", "https://git.example/v.yaml", "gone.yaml", "."])
def test_a_file_of_values_lies_in_the_repository(tmp_path, path, name):
    app(tmp_path, {"outside.yaml": "a: 1\n", "root/app/Chart.yaml": CHART, "root/app/templates/web.yaml": DEPLOYMENT})
    said = json.dumps([{"name": "valueFiles", "array": [name]}])

    ran = plugin(tmp_path / "root/app", tools_=path, ARGOCD_APP_SOURCE_PATH="app", ARGOCD_APP_PARAMETERS=said)

    assert ran.code == 2
    assert f"valueFiles: {name!r}" in ran.err


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_a_file_of_values_is_one_file_whatever_its_name_means_to_helm(tmp_path, helm):
    """helm splits the option at commas, takes `-` for stdin and knows protocols."""
    write(tmp_path, "outside.yaml", "stolen: true\n")
    names = [f"a,{tmp_path}/outside.yaml", "-", 'quoted "b", c.yaml', "http:/localhost:1/d.yaml"]
    root = app(
        tmp_path / "root",
        {"Chart.yaml": CHART, "values.yaml": "{}", "a": "a: 1\n", "templates/c.yaml": VALUES_SEEN}
        | {name: f"v{number}: true\n" for number, name in enumerate(names)},
    )
    said = json.dumps([{"name": "valueFiles", "array": names}])
    path = tools(tmp_path / "bin", helm=f'exec {require(helm)} "$@"')

    (made,) = printed(plugin(root, tools_=path, ARGOCD_APP_PARAMETERS=said))

    assert json.loads(made["data"]["values"]) == {f"v{number}": True for number in range(len(names))}


VALUES_SEEN = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: values}
data:
  values: {{ .Values | toJson | quote }}
"""


def test_a_chart_reads_no_link_out_of_the_repository_behind_one_within_it(tmp_path, path):
    write(tmp_path, "outside.yaml", NONE_OF_IT)
    root = app(tmp_path / "root", {"app/Chart.yaml": CHART, "app/templates/web.yaml": DEPLOYMENT, "other/a": "a"})
    (root / "other" / "leak.yaml").symlink_to(tmp_path / "outside.yaml")
    (root / "app" / "templates" / "more").symlink_to("../../other")

    ran = plugin(root / "app", tools_=path, ARGOCD_APP_SOURCE_PATH="app")

    assert ran.code == 2
    assert "templates/more/leak.yaml: is a link that leaves the repository" in ran.err


ELSEWHERE = {
    "$ref": "http://localhost:1/schema.json",
    "$dynamicRef": "http://localhost:1/schema.json",
    "$recursiveRef": "file:///etc/passwd",
    "$schema": "http://localhost:1/schema.json",
}


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_schema_of_values_that_lies_elsewhere_isnt_fetched(tmp_path, path, field, depth):
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"} | {field: ELSEWHERE[field]}
    files = {"values.schema.json": json.dumps(schema).encode()}
    for _ in range(depth):
        files = {"charts/inner-0.1.0.tgz": packed_chart(files)}
    app(tmp_path, {"Chart.yaml": CHART, "templates/web.yaml": DEPLOYMENT})
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)

    ran = plugin(tmp_path, tools_=path)

    assert ran.code == 2
    assert f"values.schema.json: {field} " in ran.err
    assert ran.err.count("inner-0.1.0.tgz") == depth


def packed_chart(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in {"Chart.yaml": CHART.replace("web", "inner").encode(), **files}.items():
            about = tarfile.TarInfo(f"inner/{name}")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return packed.getvalue()


def test_a_packed_chart_that_asks_for_nothing_is_rendered(tmp_path, path):
    schema = b'{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}'
    inner = packed_chart({"values.schema.json": schema, "templates/web.yaml": DEPLOYMENT.encode()})
    app(tmp_path, {"Chart.yaml": CHART, "charts/.keep": "", "files/no-chart.tgz": "none"})
    (tmp_path / "charts" / "inner-0.1.0.tgz").write_bytes(inner)

    assert len(printed(plugin(tmp_path, tools_=path))) == 1


# 12. Size.


def test_what_only_all_shares_together_exceed_is_too_much(tmp_path):
    write(tmp_path, "all.yaml", big(8_000_000))

    refused = plugin(tmp_path, ARGOCD_GRPC_MAX_SIZE_MB="7")

    assert refused.code == 2
    assert "larger than the 7 MiB" in refused.err


def big(size: int) -> str:
    """ConfigMaps of so many bytes."""
    one = CONFIG.replace("'42'", "x" * 900_000)
    return "".join(f"---\n{one.replace('settings', f's{number}')}" for number in range(size // 900_000))


def test_twenty_megabytes_pass(running, tmp_path):
    write(tmp_path, "all.yaml", big(18_900_000) + "---\n" + deployments(3000))
    size = (tmp_path / "all.yaml").stat().st_size

    made = running.generate(tmp_path)

    assert size > 20_000_000
    assert len(made) == 21 + 3000


def test_more_than_argo_cd_takes_is_said_before_it_is_sent(running, tmp_path):
    write(tmp_path, "all.yaml", big(117_000_000))

    with pytest.raises(Failed, match="larger than the 100 MiB that Argo CD takes"):
        running.generate(tmp_path)


def test_the_limit_of_argo_cds_messages_is_the_administrators(tmp_path):
    write(tmp_path, "all.yaml", big(2_700_000))

    assert printed(plugin(tmp_path))
    refused = plugin(tmp_path, ARGOCD_GRPC_MAX_SIZE_MB="2")
    assert refused.code == 2
    assert "larger than the 2 MiB" in refused.err


# What a sync can't update.


def test_the_jobs_and_pods_that_a_sync_cant_update_are_listed(tmp_path):
    jobs = [
        JOB.replace("NAME", "plain").replace("{HOOK}", "{}"),
        JOB.replace("NAME", "hooked").replace("HOOK", "argocd.argoproj.io/hook: PreSync"),
        ROOT_FREE,
    ]
    write(tmp_path, "jobs.yaml", "---\n".join([*jobs, DEPLOYMENT]))

    listed = plugin(tmp_path, "--list-immutable")

    assert (listed.code, listed.out.decode().splitlines()) == (0, ["Job/plain", "Pod/free"])


# What an administrator applies.

INSTALL = ROOT / "tests" / "data" / "argocd" / "install.yaml"


def installed(folder: Path, component: str, **more: object) -> dict[str, dict]:
    """An Argo CD with a component of ours, built by kustomize, by kind and name without its hash."""
    shutil.copytree(ROOT / "function" / "argocd", folder / "component")
    shutil.copyfile(INSTALL, folder / "install.yaml")
    kustomization = {"namespace": "argocd", "resources": ["install.yaml"], "components": [component], **more}
    write(folder, "kustomization.yaml", yaml.safe_dump(kustomization))
    done = subprocess.run([require("kustomize"), "build", folder], capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    (folder / "built.yaml").write_bytes(done.stdout)
    every = {"/".join(identity(one)): one for one in yaml.safe_load_all(done.stdout)}
    return {re.sub("^(ConfigMap/krm-harden-.*)-[a-z0-9]{10}$", r"\1", name): one for name, one in every.items()}


def repo_server(made: dict[str, dict]) -> dict:
    spec: dict = made["Deployment/argocd-repo-server"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("component", ["component", "component/native"])
def test_what_the_component_adds_is_restricted_with_a_read_only_root(tmp_path, component):
    installed(tmp_path, component)
    whole = (tmp_path / "built.yaml").read_bytes()
    strict = policy(controls={name: {"enabled": True, "required": True} for name in ("readOnlyRootFilesystem",)})
    write(tmp_path, "policy.yaml", strict)

    assert judged(whole) == {"Deployment/argocd-repo-server": True}
    gate = subprocess.run(
        [*FUNCTION, "check", "--strict", "--policy", tmp_path / "policy.yaml", "-"],
        input=whole,
        capture_output=True,
        env=clean_environment(),
        check=False,
        timeout=300,
    )
    assert gate.returncode == 0, gate.stdout
    assert b'container "krm-harden' not in gate.stdout


def test_the_sidecar_has_all_that_argocd_cmp_server_asks_for(tmp_path):
    made = installed(tmp_path, "component", images=[{"name": "quay.io/argoproj/argocd", "newTag": "v3.6.1"}])
    spec = repo_server(made)
    containers = {one["name"]: one for one in [*spec["initContainers"], *spec["containers"]]}
    sidecar_, tools_ = containers["krm-harden"], containers["krm-harden-tools"]
    mounts = {one["mountPath"]: one["name"] for one in sidecar_["volumeMounts"]}
    volumes = {one["name"]: one for one in spec["volumes"]}

    assert {"copyutil", "argocd-repo-server"} < set(containers)
    assert {one["image"] for one in (containers["argocd-repo-server"], tools_)} == {"quay.io/argoproj/argocd:v3.6.1"}
    assert sidecar_["image"] == "registry.example/krm-harden:v0.2.0"
    assert sidecar_["command"] == ["tini", "--", "/var/run/argocd/argocd-cmp-server"]
    assert sidecar_["securityContext"]["runAsUser"] == 999
    assert mounts["/var/run/argocd"] == "var-files"
    assert mounts["/home/argocd/cmp-server/plugins"] == "plugins"
    assert mounts["/tmp"] not in {one["name"] for one in containers["argocd-repo-server"]["volumeMounts"]}
    config = volumes[mounts["/home/argocd/cmp-server/config"]]["configMap"]["name"]
    assert made["ConfigMap/krm-harden-plugin"]["metadata"]["name"] == config
    assert list(made["ConfigMap/krm-harden-plugin"]["data"]) == ["plugin.yaml"]
    environment = {one["name"]: one.get("value") for one in sidecar_["env"]}
    folder, _, name = environment["KRM_HARDEN_POLICY"].rpartition("/")
    assert name in made["ConfigMap/krm-harden-policy"]["data"]
    assert folder in mounts
    assert "/tools" in environment["PATH"].split(":")


def test_an_administrators_own_policy_takes_the_place_of_ours(tmp_path):
    own = policy(level="restricted", images=[{"match": "a", "uid": 5}])
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "krm-harden-policy"}}
    write(tmp_path, "policy.yaml", yaml.safe_dump({**patch, "data": {"policy.yaml": own}}))

    made = installed(tmp_path, "component", patches=[{"path": "policy.yaml"}])

    assert made["ConfigMap/krm-harden-policy"]["data"] == {"policy.yaml": own}
    (volume,) = (one for one in repo_server(made)["volumes"] if one["name"] == "krm-harden-policy")
    assert volume["configMap"]["name"] == made["ConfigMap/krm-harden-policy"]["metadata"]["name"]


def test_the_native_way_sets_both_options_and_puts_krm_harden_on_the_path(tmp_path):
    made = installed(tmp_path, "component/native")
    spec = repo_server(made)
    (own,) = (one for one in spec["containers"] if one["name"] == "argocd-repo-server")
    mounts = {one["mountPath"]: one["name"] for one in own["volumeMounts"]}
    environment = {one["name"]: one.get("value") for one in own["env"]}
    (copier,) = (one for one in spec["initContainers"] if one["name"] == "krm-harden")

    assert made["ConfigMap/argocd-cm"]["data"] == {"kustomize.buildOptions": "--enable-alpha-plugins --enable-exec"}
    assert copier["volumeMounts"][0]["name"] == mounts["/opt/krm-harden"]
    assert copier["command"][2] == copier["volumeMounts"][0]["mountPath"]
    assert "/opt/krm-harden" in environment["PATH"].split(":")
    assert "HELM_CACHE_HOME" in environment


@pytest.mark.parametrize("flags", ["--enable-alpha-plugins --enable-exec", "--enable-alpha-plugins", ""])
def test_argo_cds_own_kustomize_hardens_with_both_options_and_with_one_in_silence_not_at_all(
    running, tmp_path, monkeypatch, flags
):
    app(tmp_path, {"app/kustomization.yaml": "resources: [web.yaml]\ntransformers: [policy.yaml]\n"})
    app(tmp_path, {"app/web.yaml": DEPLOYMENT, "app/policy.yaml": policy()})
    monkeypatch.setenv("PATH", tools(tmp_path / "bin"))

    ran = refreshed(running, tmp_path, application("app"), "-kustomize-build-options", flags)

    if not flags:
        assert ran.code == 1
        return
    hardened = "--enable-exec" in flags
    assert "sourceType Kustomize" in ran.err
    assert judged("---\n".join(line + "\n" for line in ran.out.decode().splitlines())) == {"Deployment/web-0": hardened}
    gate = subprocess.run(
        [*FUNCTION, "check", "-"],
        input=b"".join(b"---\n" + line + b"\n" for line in ran.out.splitlines()),
        capture_output=True,
        env=clean_environment(),
        check=False,
        timeout=300,
    )
    assert gate.returncode == (0 if hardened else 1)


# The example.

EXAMPLE = ROOT / "examples" / "argocd"


def test_argocd_example(tmp_path, path):
    """As its README says, and then by argocd-cmp-server and repo-server's code."""
    manifest = yaml.safe_load((EXAMPLE / "application.yaml").read_text())
    asked = json.dumps(manifest["spec"]["source"]["plugin"]["parameters"])
    examples = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns(".expected"))
    given_ = {"KRM_HARDEN_POLICY": "../argocd/policy.yaml", "ARGOCD_APP_PARAMETERS": asked}

    ran = plugin(examples / "shop", tools_=path, **given_)

    expected = EXAMPLE / ".expected" / "manifests.json"
    if os.environ.get("UPDATE_EXAMPLES") == "1":
        expected.write_bytes(ran.out)
    assert ran.out == expected.read_bytes()
    assert "may break" not in ran.err
    gate = [*FUNCTION, "check", "-"]
    built = subprocess.run([require("kustomize"), "build", examples / "shop"], capture_output=True, check=True).stdout
    for manifests, code in ((ran.out, 0), (built, 1)):
        done = subprocess.run(gate, input=manifests, capture_output=True, env=clean_environment(), check=False)
        assert done.returncode == code
    with server(tmp_path / "cmp", KRM_HARDEN_POLICY=str(EXAMPLE / "policy.yaml"), KRM_HARDEN_TIMEOUT="250") as found:
        made = objects(refreshed(found, tmp_path, manifest))
    for one in made:
        del one["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
        one["metadata"] = {name: value for name, value in one["metadata"].items() if value}
    assert made == printed(ran)

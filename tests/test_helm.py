"""`krm-harden helm` below the real Helm 3 and 4, on charts as they are found, and the two examples."""

from __future__ import annotations

import difflib
import json
import os
import re
import runpy
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import apiserver
import pytest
import yaml
from clients import FUNCTION, as_json, bin_folder, comments, documents, judged
from conftest import ROOT, Ran, clean_environment, require, run_cli

from krm_harden import __version__

EXAMPLES = ROOT / "examples"
UPDATE = os.environ.get("UPDATE_EXAMPLES") == "1"
PLUGIN = ROOT / "function" / "helm"
FILENAME = "postrenderer.helm.sh/postrender-filename"
SHOP = ("shop", EXAMPLES / "shop-chart")
WITH_HOOK = ("--set", "migration.enabled=true")
SHOP_OBJECTS = 9
CHART = "apiVersion: v2\nname: odd\nversion: 0.1.0\n"


@dataclass(frozen=True)
class Helm:
    """One Helm with a home of its own, and `krm-harden` and `helm` on PATH."""

    version: int
    home: Path

    @property
    def renderer(self) -> tuple[str, ...]:
        return ("--post-renderer", "krm-harden", *(self.arguments("helm") if self.version == 3 else ()))

    @staticmethod
    def arguments(*given: str | Path) -> tuple[str, ...]:
        return tuple(f"--post-renderer-args={one}" for one in given)

    def environment(self, **more: str) -> dict[str, str]:
        homes = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        path = os.pathsep.join([str(self.home / "bin"), bin_folder(FUNCTION), os.environ["PATH"]])
        return clean_environment(PATH=path, KUBECONFIG=str(self.home / "none"), **homes, **more)

    def run(self, *arguments: str | Path, **more: str) -> Ran:
        done = subprocess.run(
            ["helm", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment(**more),
            executable=self.home / "bin" / "helm",
            timeout=300,
            check=False,
        )
        assert b"Traceback" not in done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    def template(self, *arguments: str | Path, **more: str) -> bytes:
        """What `helm template` prints, without a post-renderer."""
        ran = self.run("template", *arguments, **more)
        assert ran.code == 0, ran.err
        return ran.out

    def passed_on(self, *arguments: str | Path) -> bytes:
        """What `helm template` makes of it with a post-renderer that changes nothing: what Helm itself does."""
        if self.version == 3:
            return self.template("--post-renderer", "cat", *arguments)
        folder = self.home / "cat"
        if not folder.exists():
            folder.mkdir()
            plugin = (
                (PLUGIN / "plugin.yaml").read_text().replace("krm-harden", "cat").replace("args: [helm]", "args: []")
            )
            (folder / "plugin.yaml").write_text(plugin)
            assert self.run("plugin", "install", folder).code == 0
        return self.template("--post-renderer", "cat", *arguments)

    def hardened(self, *arguments: str | Path, **more: str) -> bytes:
        return self.template(*self.renderer, *arguments, **more)


def made(version: int, folder: Path) -> Helm:
    helm = Helm(version, folder / f"helm{version}")
    program = require(f"helm{version}")
    (helm.home / "bin").mkdir(parents=True)
    (helm.home / "bin" / "helm").symlink_to(program)
    return helm


@pytest.fixture
def helm3(tmp_path):
    return made(3, tmp_path)


@pytest.fixture
def helm4(tmp_path):
    helm = made(4, tmp_path)
    ran = helm.run("plugin", "install", PLUGIN)
    assert ran.code == 0, ran.err
    return helm


@pytest.fixture(params=[3, 4])
def helm(request):
    return request.getfixturevalue(f"helm{request.param}")


def chart(folder: Path, **templates: str | bytes) -> Path:
    """A chart of these templates; `__` in a name is a folder's slash, and the last `_` its dot."""
    root = folder / "odd"
    for name, text in {"Chart_yaml": CHART, **templates}.items():
        path = root / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def pod(name: str, *metadata: str) -> str:
    lines = "".join(f"  {line}\n" for line in metadata)
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n{lines}"
        f"spec:\n  containers:\n  - name: {name}   # the one\n    image: registry.example/{name}:1\n"
    )


def hook(name: str, event: str = "pre-upgrade") -> str:
    return pod(name, "annotations:", f"  helm.sh/hook: {event}")


def names(manifests: bytes) -> list[str]:
    return sorted(f"{one['kind']}/{one['metadata']['name']}" for one in as_json(manifests))


def bare(manifests: bytes) -> dict[str, dict]:
    """Each object as kubectl reads it, by kind and name, without the annotation that the reading adds."""
    found = {}
    for one in as_json(manifests):
        annotations = one["metadata"].get("annotations") or {}
        annotations.pop("read", None)
        if not annotations:
            one["metadata"].pop("annotations", None)
        found[f"{one['kind']}/{one['metadata']['name']}"] = one
    return found


def metadata(manifests: bytes) -> dict[str, dict]:
    return {name: one["metadata"] for name, one in bare(manifests).items()}


def difference(before: str, after: str) -> str:
    # Helm 4 ends with a blank line.
    lines = [f"{text.rstrip()}\n".splitlines(keepends=True) for text in (before, after)]
    return "".join(difflib.unified_diff(*lines, "a/rendered.yaml", "b/rendered.yaml"))


def matches(example: str, name: str, text: str) -> None:
    expected = EXAMPLES / example / ".expected" / name
    if UPDATE:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(text)
    assert text == expected.read_text()
    assert not [line for line in text.splitlines() if line.startswith("-") and not line.startswith("---")]


def commands(example: str) -> list[str]:
    """The command lines of an example's page, in order."""
    page = (EXAMPLES / example / "README.md").read_text()
    invocation = page.partition("## Invocation")[2].partition("## Expected result")[0]
    return re.findall(r"(?m)^    (\w.*)$", re.sub(r"\\\n\s*", "", invocation))


def run_page(helm: Helm, example: str, folder: Path) -> list[int]:
    """The exit codes of a page's commands, run in a copy of examples/ beside a copy of function/."""
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns(".expected"))
    shutil.copytree(ROOT / "function", folder / "function")
    codes = []
    for command in commands(example):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder / "examples" / example,
            env=helm.environment(),
            capture_output=True,
            timeout=300,
            check=False,
        )
        codes.append(done.returncode)
    return codes


# The examples


def test_default_values_give_the_objects_of_the_shop(helm):
    files = sorted((EXAMPLES / "shop").glob("*.yaml"))
    shop = "---\n".join(path.read_text() for path in files if path.name != "kustomization.yaml").encode()

    assert bare(helm.template(*SHOP)) == bare(shop)
    assert len(bare(shop)) == SHOP_OBJECTS


def test_the_example_of_helm_3_runs_as_its_page_says(helm3, tmp_path):
    codes = run_page(helm3, "helm3", tmp_path)

    here = tmp_path / "examples" / "helm3"
    rendered, hardened = (here / "rendered.yaml").read_text(), (here / "hardened.yaml").read_text()
    before = helm3.template(*SHOP, "-f", here / "values.yaml").decode()
    assert codes == [0, 1, 0, 0]
    matches("helm3", "diff.patch", difference(before, rendered))
    matches("helm3", "hooks.patch", difference(rendered, hardened))
    assert judged(rendered)["Job/migration"] is False
    assert all(judged(hardened).values())


def test_the_example_of_helm_4_runs_as_its_page_says(helm4, tmp_path):
    helm4.run("plugin", "uninstall", "krm-harden")

    codes = run_page(helm4, "helm4", tmp_path)

    here = tmp_path / "examples" / "helm4"
    rendered = (here / "rendered.yaml").read_text()
    assert codes == [0, 0, 0]
    matches("helm4", "diff.patch", difference(helm4.template(*SHOP, "-f", here / "values.yaml").decode(), rendered))
    assert judged(rendered)["Job/migration"]
    assert all(judged(rendered).values())
    assert (here / "report.txt").read_text().startswith("krm-harden helm: exit code 0, handed to Helm\n")


def test_both_helms_and_the_filter_give_the_same_hardened_objects(helm3, helm4):
    policy = EXAMPLES / "helm3" / "policy.yaml"

    by_helm_4 = helm4.hardened(*SHOP, *WITH_HOOK, *helm4.arguments(f"--policy={policy}"))
    by_helm_3 = helm3.hardened(*SHOP, *WITH_HOOK, *helm3.arguments(f"--policy={policy}"))
    filtered = run_cli("fix", "--policy", policy, "-", stdin=helm3.template(*SHOP, *WITH_HOOK)).out

    hook_only = {"Job/migration": bare(by_helm_3)["Job/migration"]}
    assert bare(by_helm_4) == bare(filtered)
    assert bare(by_helm_3) == bare(filtered) | hook_only
    assert policy.read_text() == (EXAMPLES / "helm4" / "policy.yaml").read_text()


def test_the_plugin_is_of_this_version():
    plugin = yaml.safe_load((PLUGIN / "plugin.yaml").read_text())
    of_chart = yaml.safe_load((EXAMPLES / "shop-chart" / "Chart.yaml").read_text())

    assert plugin["version"] == of_chart["version"] == __version__
    assert plugin["type"] == "postrenderer/v1"


# What each Helm sends


def test_helm_3_hardens_all_but_hooks_and_says_so(helm3, tmp_path):
    report = tmp_path / "report.txt"

    out = helm3.hardened(*SHOP, *WITH_HOOK, KRM_HARDEN_REPORT=str(report))

    verdicts = judged(out)
    assert verdicts.pop("Job/migration") is False
    assert len(verdicts) == 4
    assert all(verdicts.values())
    assert "warning: Helm 3 sends no hooks and no tests to a post-renderer" in report.read_text()
    assert run_cli("check", "-", stdin=out).code == 1


def test_helm_4_hardens_hooks_too_and_nothing_is_said_of_them(helm4, tmp_path):
    report = tmp_path / "report.txt"

    out = helm4.hardened(*SHOP, *WITH_HOOK, KRM_HARDEN_REPORT=str(report))

    assert len(judged(out)) == 5
    assert all(judged(out).values())
    assert "Helm 3" not in report.read_text()
    assert run_cli("check", "-", stdin=out).code == 0


def test_a_filter_behind_helm_template_hardens_hooks_with_both(helm):
    rendered = helm.template(*SHOP, *WITH_HOOK)

    fixed = run_cli("fix", "-", stdin=rendered)

    assert fixed.code == 0, fixed.err
    assert judged(rendered)["Job/migration"] is False
    assert len(judged(fixed.out)) == 5
    assert all(judged(fixed.out).values())


def test_an_install_that_is_only_tried_shows_hardened_hooks(helm4):
    ran = helm4.run("install", *SHOP, *WITH_HOOK, "--dry-run=client", *helm4.renderer)

    hooks, manifest = re.fullmatch(r"(?s).*\nHOOKS:\n(.*)\nMANIFEST:\n(.*)", ran.out.decode()).groups()
    assert judged(hooks) == {"Job/migration": True}
    assert len(judged(manifest)) == 4
    assert all(judged(manifest).values())
    assert FILENAME not in ran.out.decode()


@pytest.mark.parametrize("values", [(), WITH_HOOK], ids=["plain", "hook"])
def test_as_many_objects_come_out_as_went_in(helm, values):
    assert names(helm.hardened(*SHOP, *values)) == names(helm.template(*SHOP, *values))


def test_a_stream_that_needs_no_change_keeps_its_bytes(helm3):
    hardened = helm3.hardened(*SHOP)
    stream = hardened.replace(b"---\n# Source", b"--- # kept\n# Source")

    again = run_cli("helm", stdin=stream)

    assert again.code == 0, again.err
    assert again.out == stream
    assert again.out.count(b"# Source: shop/templates/") == SHOP_OBJECTS


def test_the_note_of_helm_4_stays_on_every_object_that_it_is_on():
    stream = "---\n".join(pod(name, "annotations:", f"  {FILENAME}: odd/templates/{name}.yaml") for name in "abc")

    ran = run_cli("helm", stdin=stream.encode())

    assert ran.code == 0, ran.err
    noted = [one["metadata"]["annotations"] for one in documents(ran.out)]
    assert noted == [{FILENAME: f"odd/templates/{name}.yaml"} for name in "abc"]
    assert "Helm 3" not in ran.err


def test_one_object_without_the_note_is_enough_to_doubt_that_hooks_were_sent():
    stream = f"{pod('a', 'annotations:', f'  {FILENAME}: odd/a.yaml')}---\n{pod('b')}"

    assert "Helm 3 sends no hooks" in run_cli("helm", stdin=stream.encode()).err


def test_what_helm_template_prints_shows_its_hooks(helm3):
    ran = run_cli("helm", stdin=helm3.template(*SHOP, *WITH_HOOK))

    assert "Helm 3 sends no hooks" not in ran.err
    assert all(judged(ran.out).values())


@pytest.mark.parametrize("values", [(), WITH_HOOK], ids=["plain", "hook"])
def test_no_namespace_is_closed_to_hooks_that_were_not_seen(helm, values, tmp_path):
    policy = tmp_path / "policy.yaml"
    text = (EXAMPLES / "helm3" / "policy.yaml").read_text()
    policy.write_text(text.replace("  level: restricted\n", "  level: restricted\n  namespaces: {enforce: auto}\n"))
    report = tmp_path / "report.txt"

    out = helm.hardened(*SHOP, *values, *helm.arguments(f"--policy={policy}", f"--report-file={report}"))

    labels = bare(out)["Namespace/shop"]["metadata"]["labels"]
    assert ("pod-security.kubernetes.io/enforce" in labels) == (helm.version == 4)
    assert ("not judged: hooks: Helm 3 sends none" in report.read_text()) == (helm.version == 3)


# Charts as they are found

LIST = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec:\n    containers:\n"
CRD = (
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.example.com}\n"
    "spec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: A, plural: as}\n"
    "  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n"
)
ODD = {
    "subchart": {"charts__inner__Chart_yaml": CHART.replace("odd", "inner"), "charts__inner__templates__a_yaml": pod("a")},
    "notes": {"templates__a_yaml": pod("a"), "templates__NOTES_txt": "Now open {{ .Release.Name }}: [\n"},
    "crds": {"templates__a_yaml": pod("a"), "crds__a_yaml": CRD},
    "list": {"templates__a_yaml": f"{LIST}    - name: a # c\n      image: registry.example/a:1\n"},
    "windows": {"templates__a_yaml": pod("a").replace("\n", "\r\n")},
    "windows-comment": {"templates__a_yaml": f"# x\n{pod('a')}---\n{pod('b')}".replace("\n", "\r\n")},
    "comments-only": {"templates__a_yaml": pod("a"), "templates__b_yaml": "# {{ .Release.Name }}\n---\n# more\n---\n"},
    "several": {"templates__a_yaml": f"---\n# first\n{pod('a')}\n---\n\n{pod('b')}--- # third\n{pod('c')}"},
    "json": {"templates__a_json": json.dumps(yaml.safe_load(pod("a")), indent=2), "templates__b_yaml": pod("b")},
    "compact-json": {"templates__a_yaml": json.dumps(yaml.safe_load(pod("a"))), "templates__b_yaml": pod("b")},
    "flow": {"templates__a_yaml": '{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: "a", image: a}]}}\n'},
    "no-final-line-break": {"templates__a_yaml": pod("a").rstrip("\n"), "templates__b_yaml": pod("b").rstrip("\n")},
    "anchors": {"templates__a_yaml": pod("a", "labels: &l {a: b}", "annotations: *l")},
    "braces": {"templates__a_yaml": pod("a", "annotations: {x: '{{ `{{ .Values }}` }}'}")},
    "hooks": {"templates__a_yaml": pod("a"), "templates__hook_yaml": hook("h"), "templates__tests__t_yaml": hook("t", "test")},
    "long-lines": {"templates__a_yaml": pod("a", f"annotations: {{x: '{'word ' * 400}'}}")},
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_every_pod_of_an_odd_chart_is_hardened_and_no_object_is_lost(helm, case, tmp_path):
    odd = chart(tmp_path, **ODD[case])
    before = helm.template("r", odd, "--include-crds")
    passed_on = helm.passed_on("r", odd, "--include-crds")

    out = helm.hardened("r", odd, "--include-crds")

    sent = {name: fine for name, fine in judged(out).items() if helm.version == 4 or name not in {"Pod/h", "Pod/t"}}
    assert sent
    assert all(sent.values())
    assert names(out) == names(before)
    assert metadata(out) == metadata(passed_on)
    assert comments(out.decode()) == comments(passed_on.decode())
    assert all(judged(run_cli("fix", "-", stdin=before).out).values())


def test_the_chart_that_helm_itself_creates_is_hardened(helm, tmp_path):
    assert helm.run("create", tmp_path / "started").code == 0

    out = helm.hardened("r", tmp_path / "started")

    verdicts = judged(out)
    assert verdicts.pop("Pod/r-started-test-connection") == (helm.version == 4)
    assert verdicts == {"Deployment/r-started": True}
    assert all(judged(run_cli("fix", "-", stdin=helm.template("r", tmp_path / "started")).out).values())


@pytest.mark.parametrize("text", ["", "# {{ .Release.Name }}\n", "{{- if false }}\n" + pod("a") + "{{- end }}\n"])
def test_a_chart_that_renders_nothing_ends_as_a_failure(helm, text, tmp_path):
    report = tmp_path / "report.txt"

    ran = helm.run(
        "template", "r", chart(tmp_path, templates__a_yaml=text), *helm.renderer, KRM_HARDEN_REPORT=str(report)
    )

    assert ran.code == 1
    assert ran.out == b""
    assert "error: there are no documents" in report.read_text()


def test_nothing_may_be_allowed_to_come_out_of_nothing(helm3, tmp_path):
    allowed = helm3.arguments("--allow-empty")

    out = helm3.hardened("r", chart(tmp_path, templates__hook_yaml=hook("h")), *allowed)

    assert names(out) == ["Pod/h"]


def test_the_files_of_output_dir_are_hardened_or_the_run_fails(helm, tmp_path):
    ran = helm.run("template", *SHOP, "--output-dir", tmp_path / "out", *helm.renderer)

    files = sorted((tmp_path / "out").rglob("*.yaml"))
    verdicts = judged("---\n".join(path.read_text() for path in files))
    assert len(verdicts) == 4
    assert (ran.code, all(verdicts.values())) == ((1, False) if helm.version == 3 else (0, True))


def test_json_objects_without_a_marker_between_them_are_an_error_in_helm_3_and_lost_by_helm_4_itself(
    helm3, helm4, tmp_path
):
    lines = "".join(json.dumps(yaml.safe_load(pod(name))) + "\n" for name in "ab")
    odd = chart(tmp_path, templates__a_yaml=lines)

    ran = helm3.run("template", "r", odd, *helm3.renderer)

    assert ran.code == 1
    assert "(odd/templates/a.yaml): not YAML" in ran.err
    assert "JSON objects need a line `---` between them" in ran.err
    assert helm4.hardened("r", odd).count(b'"kind": "Pod"') == 1


TRICKY = ROOT / "tests" / "oracles" / "argocd" / "tricky_configmap.py"


def tricky(form: str, capsys) -> tuple[dict[str, str], str]:
    """The strings of the oracle, and a ConfigMap and a pod's annotations with all of them."""
    runpy.run_path(str(TRICKY))
    config = json.loads(capsys.readouterr().out)
    strings = config["data"]
    made = yaml.safe_load(pod("a"))
    made["metadata"]["annotations"] = {"tricky": "yes", **strings}
    if form == "json":
        return strings, "---\n".join(json.dumps(one, indent=1, ensure_ascii=False) + "\n" for one in (config, made))
    style = {"quoted": '"', "single": "'"}[form]
    return strings, yaml.safe_dump_all([config, made], default_style=style, allow_unicode=False)


@pytest.mark.parametrize("form", ["json", "quoted", "single"])
def test_no_string_that_looks_like_something_else_is_changed(helm, form, tmp_path, capsys):
    strings, text = tricky(form, capsys)
    odd = chart(tmp_path, templates__a_yaml=text.replace("{{", "{{ `{{` }}"))

    out = bare(helm.hardened("r", odd))

    assert len(strings) == 57
    assert out["ConfigMap/tricky"]["data"] == strings
    assert out["Pod/a"]["metadata"]["annotations"] == {"tricky": "yes", **strings}
    assert out["Pod/a"]["spec"]["securityContext"]["runAsNonRoot"] is True


# A real API server

DEPLOYMENT = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  selector: {matchLabels: {app: web}}\n"
    "  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n"
    "      - name: web\n        image: registry.example/web:{{ .Values.tag | default 1 }}\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        for version in (3, 4):
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            namespace = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": f"helm{version}", "labels": labels},
            }
            assert started.create("Namespace", "", namespace).code == 201
        yield started


def in_cluster(helm: Helm, server: apiserver.Server, *arguments: str | Path) -> Ran:
    return helm.run(*arguments, "--kubeconfig", server.kubeconfig, "--namespace", f"helm{helm.version}")


def test_what_a_namespace_refuses_is_installed_with_the_post_renderer(helm, server, tmp_path):
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n"
    odd = chart(tmp_path, templates__a_yaml=f"{account}---\n{pod('a')}")

    refused = in_cluster(helm, server, "install", "refused", odd, "--take-ownership")
    taken = in_cluster(helm, server, "install", "taken", odd, "--take-ownership", *helm.renderer)
    kept = in_cluster(helm, server, "get", "manifest", "taken")

    assert refused.code == 1
    assert "violates PodSecurity" in refused.err
    assert taken.code == 0, taken.err
    assert judged(kept.out) == {"Pod/a": True}
    assert FILENAME not in kept.out.decode()


def test_an_upgrade_without_the_post_renderer_takes_the_hardening_away_and_a_rollback_brings_it_back(
    helm, server, tmp_path
):
    odd = chart(tmp_path, templates__web_yaml=DEPLOYMENT)

    def live() -> bool:
        shown = server.kubectl("get", "deployment", "web", "-n", f"helm{helm.version}", "-o", "yaml")
        return judged(shown.out)["Deployment/web"]

    assert in_cluster(helm, server, "install", "web", odd, *helm.renderer).code == 0
    assert live()
    assert in_cluster(helm, server, "upgrade", "web", odd, "--set", "tag=2", *helm.renderer).code == 0
    assert live()
    assert in_cluster(helm, server, "upgrade", "web", odd, "--set", "tag=3").code == 0
    assert not live()
    assert in_cluster(helm, server, "rollback", "web").code == 0
    assert live()


def test_a_hook_s_pod_gets_in_with_helm_4_only(helm, server, tmp_path):
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: hooked}\n"
    odd = chart(tmp_path, templates__a_yaml=account, templates__h_yaml=hook("h", "post-install"))

    ran = in_cluster(helm, server, "install", "hooked", odd, "--timeout", "3s", *helm.renderer)

    # Nobody runs the pod here: what is admitted never ends.
    there = server.kubectl("get", "pod", "h", "-n", f"helm{helm.version}")
    assert ran.code == 1
    assert ("violates PodSecurity" in ran.err) == (helm.version == 3)
    assert (there.code == 0) == (helm.version == 4)


# Failures

BROKEN = {
    "policy": (pod("a"), ("--policy=none.yaml",), "none.yaml: can't be read: No such file or directory"),
    "option": (pod("a"), ("--polcy=x",), "there is no option --polcy (did you mean --policy?)"),
    "explicit": (pod("a").replace("spec:\n", "spec:\n  hostNetwork: true\n"), (), "hostNamespaces"),
    "duplicate": (pod("a").replace("spec:\n", "spec:\n  hostPID: false\n  hostPID: true\n"), (), "stands twice"),
}


@pytest.mark.parametrize("name", ["report.txt", "report.json"])
@pytest.mark.parametrize("case", BROKEN)
def test_the_report_says_why_helm_got_nothing(helm, case, name, tmp_path):
    text, given, why = BROKEN[case]
    report = tmp_path / name
    odd = chart(tmp_path, templates__a_yaml=text)

    ran = helm.run("template", "r", odd, *helm.renderer, *helm.arguments(f"--report-file={report}", *given))

    assert ran.code == 1
    assert ran.out == b""
    assert why in report.read_text()
    if name.endswith(".json"):
        said = json.loads(report.read_text())
        assert said["version"] == 1
        assert said["errors"] or said["summary"]["errors"]
    else:
        first, second = report.read_text().splitlines()[:2]
        assert first.endswith("nothing handed to Helm")
        assert second.startswith("error: ")
        assert why in second
    if helm.version == 3:
        shown = ran.err.partition("error output:\n")[2].splitlines()
        assert why in shown[0]


def test_what_is_not_yaml_is_an_error_that_names_its_template(helm3, tmp_path):
    odd = chart(
        tmp_path, templates__a_yaml=pod("a"), templates__b_yaml="apiVersion: v1\nkind: Secret\ndata: [\n  x: y\n"
    )
    report = tmp_path / "report.txt"
    stream = helm3.run("template", "r", odd, "--debug").out

    ran = run_cli("helm", "--report-file", report, stdin=stream)

    assert ran.code == 2
    assert ran.out == b""
    assert "error: line " in ran.err
    assert "(odd/templates/b.yaml): not YAML" in ran.err
    assert "(odd/templates/b.yaml): not YAML" in report.read_text()


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b"---\n# nothing\n",
        b"hello\n",
        b"- a\n",
        b"null\n",
        b"a: [\n",
        b"kind: ConfigMap\ndata: {{ .Values.x }}\n y: [\n",
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: b\n c: d\n",
        pod("a").encode() + b"---\nmanifest_sorter.go: warning: x\n",
        b"\xff\xfe\x00",
        b"a: \0\n",
    ],
)
def test_a_stream_that_is_not_of_objects_writes_nothing_but_the_report(stdin, tmp_path):
    report = tmp_path / "report.json"

    ran = run_cli("helm", "--report-file", report, stdin=stdin)

    assert ran.code == 2
    assert ran.out == b""
    assert "Traceback" not in ran.err
    said = json.loads(report.read_text())
    assert len(said["errors"]) == said["summary"]["unreadable"] == 1


def test_every_unreadable_document_is_named():
    ran = run_cli("helm", stdin=b"a: [\n---\nx: y\n---\nhello\n")

    assert [line.split(":")[:2] for line in ran.err.splitlines()[:2]] == [
        ["error", " line 2 of the manifests"],
        ["error", " line 4 of the manifests"],
    ]


def test_no_value_of_a_secret_stands_in_what_is_said(tmp_path):
    report = tmp_path / "report.txt"
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: hunter2\n bad: hunter2\n"

    ran = run_cli("helm", "--report-file", report, stdin=text.encode())

    assert ran.code == 2
    assert "hunter2" not in ran.err + report.read_text()


def test_the_policy_of_the_environment_holds(helm, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: p}\n"
        "spec: {controls: {numericUser: {uid: 4321}}}\n"
    )
    odd = chart(tmp_path, templates__a_yaml=pod("a"))

    assert b"runAsUser: 4321" in helm.hardened("r", odd, KRM_HARDEN_POLICY=str(policy))


# The report's file


def test_the_report_is_written_on_success_in_the_form_that_its_name_asks_for(helm, tmp_path):
    for name in ("report.txt", "report.json"):
        helm.hardened(*SHOP, *helm.arguments(f"--report-file={tmp_path / name}"))

    said = json.loads((tmp_path / "report.json").read_text())
    text = (tmp_path / "report.txt").read_text()
    assert said["summary"]["resourcesChanged"] == 5
    assert said["errors"] == []
    assert len(said["warnings"]) == (1 if helm.version == 3 else 0)
    assert text.startswith("krm-harden helm: exit code 0, handed to Helm\n")
    assert "Deployment/shop/web: runAsNonRoot" in text
    assert text.endswith("warnings\n")


def test_the_option_wins_over_the_environment(tmp_path):
    ran = run_cli(
        "helm", "--report-file", tmp_path / "a.txt", stdin=pod("a").encode(), KRM_HARDEN_REPORT=str(tmp_path / "b.txt")
    )

    assert ran.code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]


def test_a_wrong_command_line_is_reported_where_the_environment_says(tmp_path):
    report = tmp_path / "report.txt"

    ran = run_cli("helm", "--report-file", stdin=pod("a").encode(), KRM_HARDEN_REPORT=str(report))

    assert ran.code == 3
    assert report.read_text().splitlines()[0] == "krm-harden helm: exit code 3, nothing handed to Helm"
    assert "--report-file: expected one argument" in report.read_text()


def test_a_report_that_cannot_be_written_stops_the_run_before_anything_goes_out(tmp_path):
    for path, why in ((tmp_path / "none" / "r.txt", f"there is no folder {tmp_path / 'none'}"), (tmp_path, "Is a dir")):
        ran = run_cli("helm", "--report-file", path, stdin=pod("a").encode())

        assert ran.code == 2
        assert ran.out == b""
        assert f"error: {path}: the report can't be written: {why}" in ran.err.splitlines()[0]


def test_where_the_run_fails_and_its_report_too_one_line_says_both(tmp_path):
    path = tmp_path / "none" / "r.txt"
    for given, code in ((("--policy", "none.yaml"), 3), (("--polcy",), 3), ((), 2)):
        ran = run_cli("helm", "--report-file", path, *given)

        (line,) = ran.err.splitlines()
        assert ran.code == code
        assert "the report can't be written" in line
        assert line.index("the report") > line.index("none.yaml" if "--policy" in given else "error: ") + 10


def test_findings_are_said_first_where_the_report_cannot_be_written(tmp_path):
    stream = pod("a").replace("spec:\n", "spec:\n  hostNetwork: true\n")

    ran = run_cli("helm", "--report-file", tmp_path, stdin=stream.encode())

    assert ran.out == b""
    assert "error: Pod/a: hostNamespaces" in ran.err.splitlines()[0]
    assert "the report can't be written" in ran.err.splitlines()[-1]


def test_the_old_report_is_replaced_whole_and_keeps_its_mode_and_its_link(tmp_path):
    target, link = tmp_path / "folder" / "report.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    target.write_text("old\n" * 10_000)
    target.chmod(0o640)
    link.symlink_to(target)

    with target.open() as before:
        assert run_cli("helm", "--report-file", link, stdin=pod("a").encode()).code == 0
        assert before.read() == "old\n" * 10_000

    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "old\n" not in target.read_text()
    assert [path.name for path in target.parent.iterdir()] == ["report.txt"]


def test_the_report_may_go_into_what_is_not_a_file(tmp_path):
    ran = run_cli("helm", "--report-file", "/dev/stderr", stdin=pod("a").encode())

    assert ran.code == 0
    assert "krm-harden helm: exit code 0, handed to Helm\n" in ran.err
    assert Path("/dev/stderr").exists()


def test_the_report_never_mixes_with_the_manifests(tmp_path):
    ran = run_cli("helm", "--report-file", "/dev/stdout", stdin=pod("a").encode())

    assert ran.code == 2
    assert ran.out == b""
    assert "would mix with the manifests" in ran.err


def test_a_report_says_so_when_the_manifests_could_not_be_handed_over(tmp_path):
    report = tmp_path / "report.txt"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*FUNCTION, "helm", "--report-file", str(report)],
            input=pod("a").encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=300,
            check=False,
        )

    assert done.returncode == 2
    assert (
        "exit code 2, nothing handed to Helm\nerror: the output can't be written: No space left" in report.read_text()
    )

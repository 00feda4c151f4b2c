"""`krm-harden init`: each way is set up as its client wants it, its gate works, and nothing is ever overwritten."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml
from clients import FUNCTION, bin_folder, judged, kpt, run, texts
from conftest import ROOT, Ran, clean_environment, require, run_cli

from krm_harden import cli, scaffold
from krm_harden.commands import _ways
from krm_harden.policy import from_data

if TYPE_CHECKING:
    from pathlib import Path

BAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""
WORSE = BAD + "        securityContext: {privileged: true}\n"
"""What krm-harden leaves as it is, and every gate must stop."""
KUSTOMIZATION = "resources:\n- web.yaml\n"
COPIED = {"argocd": "argocd", "helm": "helm"}


def init(folder: Path, *arguments: str) -> Ran:
    return run_cli("init", *arguments, cwd=folder)


def application(folder: Path, manifests: str = BAD) -> Path:
    """A kustomization of one workload."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "web.yaml").write_text(manifests)
    (folder / "kustomization.yaml").write_text(KUSTOMIZATION)
    return folder


def has(way: str) -> bool:
    """Whether this checkout has what a way is made of."""
    return {
        "argocd": (ROOT / "function/argocd").is_dir(),
        "helm": (ROOT / "function/helm").is_dir(),
        "flux": "patches" in cli.commands(),
    }.get(way, True)


def needs(way: str) -> None:
    if not has(way):
        pytest.skip(f"this checkout has nothing for {way}")


def prepared(way: str, folder: Path) -> Path:
    """A folder in which a way can be set up."""
    needs(way)
    folder.mkdir(parents=True, exist_ok=True)
    return application(folder) if way in {"kustomize", "flux"} else folder


every_way = pytest.mark.parametrize("way", _ways.WAYS)


# Nothing is overwritten


@every_way
def test_what_is_written_is_what_is_said_and_a_second_run_writes_nothing(way, tmp_path):
    folder = prepared(way, tmp_path / "here")
    before = texts(folder)

    ran = init(tmp_path, way, "here")
    after = texts(folder)
    again = init(tmp_path, way, "here")

    assert (ran.code, ran.err) == (0, "")
    wrote = set(re.findall(r"(?m)^wrote here/(.*)$", ran.out.decode()))
    assert wrote == after.keys() - before.keys() != set()
    assert before.items() <= after.items()
    assert texts(folder) == after
    assert (again.code, again.err) == (0, "")
    assert "wrote" not in again.out.decode()
    assert set(re.findall(r"(?m)^here/(.*) is already there$", again.out.decode())) <= wrote


@every_way
def test_a_dry_run_and_a_diff_write_nothing(way, tmp_path):
    folder = prepared(way, tmp_path / "here")
    before = texts(tmp_path)

    dry, shown = init(tmp_path, way, "--dry-run", "here"), init(tmp_path, way, "here", "--diff")

    assert (dry.code, shown.code) == (0, 0)
    assert texts(tmp_path) == before
    assert re.findall(r"(?m)^would write (.*)$", dry.out.decode()) == re.findall(r"(?m)^would write (.*)$", shown.err)
    assert init(tmp_path, way, "here").code == 0
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    checked = subprocess.run(
        ["git", "apply", "--check", "-R", "-"], input=shown.out, cwd=tmp_path, check=False, capture_output=True
    )
    assert checked.returncode == 0, checked.stderr
    assert len(texts(folder)) == shown.out.decode().count("--- /dev/null") + len(before)


YOURS = {"kustomization.yaml", "Kptfile", ".pre-commit-config.yaml"}
"""Files that people have already: they get lines to add, and the rest is written."""


@every_way
def test_where_one_file_differs_no_file_is_written(way, tmp_path):
    """Whichever it is."""
    planned = set(_ways.plan(way, _ways.Asked(prepared(way, tmp_path / "plan"))).files) - YOURS
    assert planned
    for number, name in enumerate(sorted(planned)):
        folder = prepared(way, tmp_path / str(number))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine\n")
        before = texts(folder)

        ran = init(folder, way)

        assert (ran.code, ran.out) == (2, b"")
        assert f"krm-harden: error: {name}: there with other content; nothing was written" in ran.err
        assert "+" in {line[:1] for line in ran.err.splitlines()}
        assert texts(folder) == before


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = application(tmp_path / "here")
    (tmp_path / "elsewhere").mkdir()
    (folder / "policy.yaml").symlink_to(tmp_path / "elsewhere" / "policy.yaml")

    ran = init(tmp_path, "kustomize", "here")

    assert (ran.code, ran.out) == (2, b"")
    assert f"here/policy.yaml leads out of here to {tmp_path}/elsewhere/policy.yaml; nothing was written" in ran.err
    assert not list((tmp_path / "elsewhere").iterdir())
    (folder / "policy.yaml").unlink()
    (folder / ".github").symlink_to(tmp_path / "elsewhere")
    assert init(tmp_path, "github", "here").code == 2
    assert not list((tmp_path / "elsewhere").iterdir())
    assert sorted(texts(folder)) == ["kustomization.yaml", "web.yaml"]


def test_what_is_no_file_is_in_the_way_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "policy.yaml")

    ran = init(tmp_path, "helm")

    assert ran.code == 2
    assert "policy.yaml isn't a file" in ran.err
    assert os.listdir(tmp_path) == ["policy.yaml"]


def test_a_dangling_link_within_the_folder_is_left(tmp_path):
    folder = application(tmp_path / "here")
    (folder / "policy.yaml").symlink_to("other.yaml")

    ran = init(tmp_path, "kustomize", "here")

    assert ran.code == 2
    assert sorted(path.name for path in folder.iterdir()) == ["kustomization.yaml", "policy.yaml", "web.yaml"]


def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path):
    """A file where a folder is needed."""
    (tmp_path / ".github").write_text("a file\n")

    ran = init(tmp_path, "github")

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert texts(tmp_path) == {".github": "a file\n"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kustomise",), "invalid choice: 'kustomise'"),
        ((), "required: WAY"),
        (("kpt", "--legacy"), "--base and --legacy are for kustomize"),
        (("kustomize", "file"), "isn't a folder"),
        (("kustomize", "empty"), "there is no kustomization here"),
        (("flux", "empty"), "there is no kustomization here"),
        (("kustomize", "--base", "empty", "new"), "there is no kustomization"),
        (("kustomize", "--base", "app", "app/new"), "takes that for a circle"),
        (("kustomize", "--base", ".", "new"), "there is no kustomization"),
        (("kustomize", "--base", "app", "app"), "is there: --base is for a new one"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_writes_nothing(arguments, said, tmp_path):
    application(tmp_path / "app")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    before = texts(tmp_path)

    ran = init(tmp_path, *arguments)

    assert (ran.code, ran.out) == (3, b"")
    assert len(ran.err.splitlines()) == 1
    assert said in ran.err
    assert texts(tmp_path) == before


@pytest.mark.parametrize(
    ("way", "name"),
    [("kustomize", "kustomization.yaml"), ("kpt", "Kptfile"), ("pre-commit", ".pre-commit-config.yaml")],
)
def test_a_file_that_is_yours_and_broken_is_named(way, name, tmp_path):
    (tmp_path / name).write_text("a: [")

    ran = init(tmp_path, way)

    assert ran.code == 2
    assert ran.err == f"krm-harden: error: {name} can't be read: it isn't YAML\n"


def lines_to_add(ran: Ran) -> str:
    """What to add by hand, as it is printed."""
    return "".join(f"{line[4:]}\n" for line in ran.out.decode().splitlines() if line.startswith("    "))


def gate(script: Path, *arguments: str, **env: str) -> Ran:
    """A written script, run from elsewhere with `krm-harden` and the clients on PATH."""
    path = os.pathsep.join([bin_folder(FUNCTION), os.environ["PATH"]])
    done = subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        cwd="/",
        env=clean_environment(PATH=path, **env),
        check=False,
        timeout=300,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr.decode())
    assert "Traceback" not in ran.err
    return ran


# kustomize

KUSTOMIZE = ("kustomize", "kustomize-5.5.0")


@pytest.mark.parametrize("kustomize", KUSTOMIZE)
def test_a_kustomization_of_yours_is_hardened_with_the_lines_that_are_printed(kustomize, tmp_path):
    folder = application(tmp_path / "a folder")
    client = require(kustomize)

    ran = init(tmp_path, "kustomize", "a folder")

    assert "a folder/kustomization.yaml is yours, and left as it is; add to it:" in ran.out.decode()
    unhardened = gate(folder / "check-hardening.sh", KUSTOMIZE=client)
    assert unhardened.code == 1
    assert "Deployment/shop/web" in unhardened.out.decode()
    with (folder / "kustomization.yaml").open("a") as file:
        file.write(lines_to_add(ran))
    hardened = gate(folder / "check-hardening.sh", KUSTOMIZE=client)
    assert (hardened.code, hardened.out) == (0, b"")
    (folder / "web.yaml").write_text(WORSE)
    assert gate(folder / "check-hardening.sh", KUSTOMIZE=client).code == 1
    again = init(folder, "kustomize")
    assert (again.code, lines_to_add(again)) == (0, "")


@pytest.mark.parametrize("kustomize", KUSTOMIZE)
@pytest.mark.parametrize("base", ["base", "1.10", "with space"])
def test_a_new_overlay_hardens_another_kustomization_with_nothing_to_add(kustomize, base, tmp_path):
    folder = application(tmp_path / "apps" / base)
    client = require(kustomize)

    ran = init(tmp_path, "kustomize", "--base", f"apps/{base}", "overlays/hardened/")

    assert (ran.code, ran.err, lines_to_add(ran)) == (0, "", "")
    built = run(client, "build", "--enable-alpha-plugins", "--enable-exec", tmp_path / "overlays/hardened")
    assert judged(built.out) == {"Deployment/web": True}
    assert gate(tmp_path / "overlays/hardened/check-hardening.sh", KUSTOMIZE=client).code == 0
    assert texts(folder) == {"kustomization.yaml": KUSTOMIZATION, "web.yaml": BAD}
    (folder / "web.yaml").write_text(WORSE)
    assert gate(tmp_path / "overlays/hardened/check-hardening.sh", KUSTOMIZE=client).code == 1


def test_the_gate_fails_where_the_function_is_skipped_in_silence(tmp_path):
    """As by a kustomize that is called without --enable-exec."""
    application(tmp_path / "base")
    client = require("kustomize")
    init(tmp_path, "kustomize", "--base", "base", "hardened")
    script = tmp_path / "hardened/check-hardening.sh"
    script.write_text(script.read_text().replace("--enable-exec", ""))

    assert gate(script, KUSTOMIZE=client).code == 1


def test_the_gate_honours_the_ceiling(tmp_path):
    application(tmp_path / "base")
    client = require("kustomize")
    init(tmp_path, "kustomize", "--base", "base", "hardened")
    (tmp_path / "platform.yaml").write_text(
        "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nspec: {unknownUser: report}\n"
    )

    ran = gate(
        tmp_path / "hardened/check-hardening.sh", KUSTOMIZE=client, KRM_HARDEN_POLICY=str(tmp_path / "platform.yaml")
    )

    assert ran.code == 1


def test_legacy_sets_up_kubectl(tmp_path):
    require("kubectl")
    folder = application(tmp_path / "base")
    init(tmp_path, "kustomize", "--legacy", "--base", "base", "hardened")
    plugin = tmp_path / "hardened/kustomize-plugins/krm-harden.dev/v1alpha1/hardeningpolicy/HardeningPolicy"

    assert plugin.read_text() == (ROOT / "function/kustomize-legacy/HardeningPolicy").read_text()
    assert "config.kubernetes.io/function" not in (tmp_path / "hardened/policy.yaml").read_text()
    assert gate(tmp_path / "hardened/check-hardening.sh").code == 0
    (folder / "web.yaml").write_text(WORSE)
    ran = gate(tmp_path / "hardened/check-hardening.sh")
    assert ran.code == 1
    assert "Deployment/shop/web: privileged" in ran.err


# kpt


def test_a_package_gets_a_kptfile_whose_render_passes_the_gate(tmp_path):
    require("kpt")
    folder = tmp_path / "My Shop"
    folder.mkdir()
    (folder / "web.yaml").write_text(BAD)

    ran = init(tmp_path, "kpt", "My Shop")

    assert (ran.code, lines_to_add(ran)) == (0, "")
    assert yaml.safe_load((folder / "Kptfile").read_text())["metadata"]["name"] == "my-shop"
    assert kpt("render", folder, "--allow-exec").code == 0
    assert judged((folder / "web.yaml").read_text()) == {"Deployment/web": True}
    before = texts(folder)
    assert gate(folder / "check-hardening.sh").code == 0
    assert texts(folder) == before
    (folder / "web.yaml").write_text(WORSE)
    assert gate(folder / "check-hardening.sh").code == 1


def test_the_gate_of_a_package_stops_files_that_nobody_rendered_and_writes_none(tmp_path):
    """`kpt live apply` applies the files as they are: a render that would harden them hardens nothing there."""
    require("kpt")
    (tmp_path / "web.yaml").write_text(BAD)
    assert init(tmp_path, "kpt").code == 0
    before = texts(tmp_path)

    ran = gate(tmp_path / "check-hardening.sh")

    assert ran.code == 1
    assert b"web.yaml" in ran.out + ran.err.encode()
    assert texts(tmp_path) == before
    assert kpt("render", tmp_path, "--allow-exec").code == 0
    assert gate(tmp_path / "check-hardening.sh").code == 0


def test_a_kptfile_of_yours_gets_lines_to_add(tmp_path):
    require("kpt")
    (tmp_path / "web.yaml").write_text(BAD)
    mine = "apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: shop\n"
    (tmp_path / "Kptfile").write_text(mine)

    ran = init(tmp_path, "kpt")

    assert (tmp_path / "Kptfile").read_text() == mine
    assert gate(tmp_path / "check-hardening.sh").code == 1
    (tmp_path / "Kptfile").write_text(mine + lines_to_add(ran))
    assert kpt("render", tmp_path, "--allow-exec").code == 0
    assert gate(tmp_path / "check-hardening.sh").code == 0
    assert lines_to_add(init(tmp_path, "kpt")) == ""


# Helm


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 0.1.0\n")
    (folder / "templates/web.yaml").write_text(BAD)
    return folder


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_a_chart_is_hardened_by_either_helm_and_the_gate_judges_it(helm, chart, tmp_path):
    needs("helm")
    client = require(helm)
    env = {
        "HELM": client,
        **{f"HELM_{name}_HOME": str(tmp_path / "home" / name) for name in ("CACHE", "CONFIG", "DATA")},
    }
    folder = tmp_path / "set up"
    assert init(tmp_path, "helm", "set up").code == 0
    if helm == "helm4":
        done = subprocess.run(
            [client, "plugin", "install", "./helm-plugin"], cwd=folder, env=clean_environment(**env), check=False
        )
        assert done.returncode == 0

    rendered = gate(folder / "hardened-helm.sh", "template", "web", str(chart), **env)

    assert judged(rendered.out) == {"Deployment/web": True}
    assert gate(folder / "check-hardening.sh", "web", str(chart), **env).code == 0
    (chart / "templates/web.yaml").write_text(WORSE)
    failed = gate(folder / "check-hardening.sh", "web", str(chart), **env)
    assert failed.code != 0
    assert "Deployment/shop/web: privileged" in failed.err


# Flux


def test_flux_gets_patches_that_are_checked_for_being_fresh(tmp_path):
    needs("flux")
    client = require("kustomize")
    folder = application(tmp_path / "my app")
    init(tmp_path, "flux", "my app")
    before = texts(tmp_path)

    stale = gate(folder / "harden.sh", "--check", KUSTOMIZE=client)
    assert (stale.code, texts(tmp_path)) == (1, before)
    assert gate(folder / "harden.sh", KUSTOMIZE=client).code == 0
    assert (folder / "hardening/kustomization.yaml").is_file()
    after = texts(tmp_path)
    assert gate(folder / "harden.sh", "--check", KUSTOMIZE=client).code == 0
    assert texts(tmp_path) == after
    (folder / "web.yaml").write_text(BAD.replace("name: web\n        image", "name: other\n        image"))
    assert gate(folder / "harden.sh", "--check", KUSTOMIZE=client).code == 1
    (folder / "web.yaml").write_text(WORSE)
    assert gate(folder / "harden.sh", "--check", KUSTOMIZE=client).code == 1


# Argo CD


def test_argocd_gets_the_component_and_an_application_that_names_its_plugin(tmp_path):
    needs("argocd")
    client = require("kustomize")

    assert init(tmp_path, "argocd").code == 0
    for name in ("plugin.yaml", "sidecar.yaml", "policy.yaml", "kustomization.yaml"):
        assert (tmp_path / "krm-harden" / name).read_text() == (ROOT / "function/argocd" / name).read_text()
    example = yaml.safe_load((tmp_path / "application-example.yaml").read_text())
    plugin = yaml.safe_load((tmp_path / "krm-harden/plugin.yaml").read_text())
    assert example["spec"]["source"]["plugin"]["name"] == plugin["metadata"]["name"]
    top = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())
    assert top["namespace"] == example["metadata"]["namespace"] == "argocd"
    server = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: argocd-repo-server}\nspec: {template: {spec: {containers: [{name: argocd-repo-server, image: a}]}}}\n"
    (tmp_path / "install.yaml").write_text(server)
    top["resources"] = ["install.yaml"]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(top))
    built = run(client, "build", tmp_path)
    assert built.code == 0, built.err
    assert b"name: krm-harden" in built.out


def test_an_application_of_argocd_is_judged_as_its_plugin_makes_it(tmp_path):
    needs("argocd")
    init(tmp_path, "argocd", "argocd")
    (tmp_path / "app").mkdir()
    script, app = tmp_path / "argocd/check-hardening.sh", tmp_path / "app"

    (app / "web.yaml").write_text(BAD)
    assert gate(script, str(app)).code == 0
    (app / "web.yaml").write_text(WORSE)
    assert gate(script, str(app)).code == 1
    assert "name the folder of an application" in gate(script).err


def test_an_argocd_of_yours_gets_a_line_to_add(tmp_path):
    needs("argocd")
    (tmp_path / "kustomization.yaml").write_text("resources: [install.yaml]\n")

    ran = init(tmp_path, "argocd")

    assert lines_to_add(ran) == "components:\n- krm-harden\n"
    (tmp_path / "kustomization.yaml").write_text("resources: [install.yaml]\n" + lines_to_add(ran))
    assert lines_to_add(init(tmp_path, "argocd")) == ""


# pre-commit and GitHub


def test_pre_commit_accepts_its_configuration(tmp_path):
    if importlib.util.find_spec("pre_commit") is None:
        pytest.skip("pre-commit isn't here: pip install pre-commit")
    assert init(tmp_path, "pre-commit").code == 0
    command = [sys.executable, "-m", "pre_commit", "validate-config", tmp_path / ".pre-commit-config.yaml"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean_environment(HOME=str(tmp_path))
    )

    assert done.returncode == 0, done.stdout
    assert done.stdout + done.stderr == ""


def test_pre_commit_names_hooks_and_options_that_exist(tmp_path):
    init(tmp_path, "pre-commit")
    (repository,) = yaml.safe_load((tmp_path / ".pre-commit-config.yaml").read_text())["repos"]
    version = run_cli("--version").out.decode().split()[1]

    assert repository["rev"] in {f"v{version}", "v0.2.0"}
    for hook in repository["hooks"]:
        assert hook["args"] == ["--policy", "policy.yaml"]
        assert run_cli(hook["id"].removeprefix("krm-harden-"), "--help").code == 0
    hooks = ROOT / ".pre-commit-hooks.yaml"
    known = {hook["id"] for hook in yaml.safe_load(hooks.read_text())} if hooks.exists() else None
    assert known is None or {hook["id"] for hook in repository["hooks"]} <= known


def test_a_pre_commit_configuration_of_yours_gets_lines_to_add(tmp_path):
    mine = "repos:\n- repo: https://example.com/other\n  rev: v1\n  hooks:\n  - id: other\n"
    (tmp_path / ".pre-commit-config.yaml").write_text(mine)

    ran = init(tmp_path, "pre-commit")
    added = lines_to_add(ran)
    (tmp_path / ".pre-commit-config.yaml").write_text(mine + added.removeprefix("repos:\n"))

    assert added.startswith("repos:\n- repo: https://github.com/krm-harden/krm-harden\n")
    assert lines_to_add(init(tmp_path, "pre-commit")) == ""


def test_the_workflow_has_few_rights_and_pinned_actions(tmp_path):
    init(tmp_path, "github")
    workflow = yaml.load((tmp_path / ".github/workflows/krm-harden.yml").read_text(), yaml.BaseLoader)  # noqa: S506
    (job,) = workflow["jobs"].values()
    checkout, ours, upload = job["steps"]

    assert workflow["permissions"] == {}
    assert workflow["on"].keys() == {"push", "pull_request"}
    assert job["permissions"] == {"contents": "read", "security-events": "write"}
    assert checkout["with"] == {"persist-credentials": "false"}
    assert ours["uses"] == "krm-harden/krm-harden@v0.2.0"
    assert all(re.fullmatch(r"[a-z/-]+@[0-9a-f]{40}", step["uses"]) for step in (checkout, upload))
    action = ROOT / "action.yml"
    if action.exists():
        offered = yaml.safe_load(action.read_text())
        assert ours["with"].keys() <= offered["inputs"].keys()
        assert "sarif" in offered["outputs"]
    assert "run" not in job["steps"][0]
    assert upload["with"]["sarif_file"] == "${{ steps.krm-harden.outputs.sarif }}"


@pytest.mark.parametrize("way", ["pre-commit", "github"])
def test_the_command_behind_a_repository_wide_gate_tells_good_from_bad(way, tmp_path):
    """What the hooks and the action run, by the policy that was written."""
    init(tmp_path, way)
    command = ("check", "--policy", "policy.yaml", ".")
    (tmp_path / "web.yaml").write_text(BAD)

    assert run_cli(*command, cwd=tmp_path).code == 1
    assert run_cli("fix", "--policy", "policy.yaml", ".", cwd=tmp_path).code == 0
    assert run_cli(*command, cwd=tmp_path).code == 0


# What is shipped


@every_way
def test_every_policy_that_is_written_is_one(way, tmp_path):
    folder = prepared(way, tmp_path / "here")
    files = _ways.plan(way, _ways.Asked(folder)).files
    found = [text for name, text in files.items() if name.endswith("policy.yaml")]

    assert found
    for text in found:
        assert from_data(yaml.safe_load(text), "policy.yaml").level == "restricted"
    commented = re.sub(r"(?m)^  # (images:|exemptions:|- |  )", r"  \1", scaffold.text("policy.yaml"))
    assert from_data(yaml.safe_load(commented), "policy.yaml").exemptions


@every_way
def test_scripts_can_run_and_are_plain_sh(way, tmp_path):
    folder = prepared(way, tmp_path / "here")
    init(tmp_path, way, "here")

    for path in folder.rglob("*"):
        if path.is_file():
            is_script = path.read_text().startswith("#!/bin/sh\n")
            assert bool(path.stat().st_mode & stat.S_IXUSR) == is_script
            if is_script:
                assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


@pytest.mark.parametrize("name", [*COPIED, "kustomize-legacy"])
def test_copies_are_what_function_has(name):
    needs(name)
    function = {path: text for path, text in texts(ROOT / "function" / name).items() if not path.endswith("README.md")}
    copy = texts(ROOT / "krm_harden/scaffold" / name)

    assert function.items() <= copy.items()
    assert copy.keys() - function.keys() <= {"check-hardening.sh"}


def test_the_wheel_has_the_scaffold(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        tmp_path / "out",
        tmp_path / "source",
    ]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "krm_harden", source / "krm_harden", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index to build a wheel with")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("krm_harden/scaffold/")}

    assert packed == {f"krm_harden/scaffold/{name}" for name in texts_of_package() if "__pycache__" not in name}


def texts_of_package() -> list[str]:
    folder = ROOT / "krm_harden/scaffold"
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def test_the_help_names_every_way():
    shown = run_cli("init", "--help").out.decode()

    assert [way for way in _ways.WAYS if way not in shown] == []

"""The hooks, as pre-commit itself installs and runs them: in a repository of their own, from this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import checkouts
import pytest
import yaml
from conftest import ROOT, clean_environment, run_cli
from test_examples import difference, files, matches

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: registry.example/web:1\n"
PRIVILEGED = POD + "    securityContext: {privileged: true}\n"
FOREIGN = {
    "values.yaml": "image:\n  repository: nginx\nsecurityContext: {runAsUser: 0}\n",
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "docker-compose.yml": "services:\n  web:\n    image: nginx\n    privileged: true\n",
    ".github/workflows/ci.yml": "on: push\njobs:\n  a:\n    steps:\n    - run: echo ${{ github.sha }}\n",
    ".gitlab-ci.yml": "job:\n  script: !reference [.setup, script]\n",
    "stack.yaml": "Resources:\n  Bucket: !Sub 'x${y}'\n",
    "tsconfig.json": '{\n  // comments\n  "compilerOptions": {"paths": "\\\\.",},\n}\n',
    "package-lock.json": '{"name": "shop", "packages": {}}\n',
    "broken.yaml": "a: [\n",
    "twice.yaml": "a: 1\na: 2\n",
    "empty.yaml": "",
    "comment.yaml": "# nothing\n---\n",
    "templates/web.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n{{- if .Values.x }}\n  x: y\n{{- end }}\n",
    "latin.yaml": b"a: \xe9\n",
    "charts/dependency/pod.yaml": POD,
    "ignored/pod.yaml": POD,
    ".krmignore": "ignored/\n",
}
"""What a repository holds beside manifests, or holds and isn't ours to change."""


def git(folder, *arguments, expected=0):
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """This checkout with what isn't committed yet, as a repository that pre-commit can clone."""
    folder = checkouts.copy(tmp_path_factory.mktemp("checkout"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Where pre-commit keeps what it installs: once for all tests."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def repository(tmp_path, checkout):
    """A repository of a user, without hooks yet."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def configure(repository, checkout, *hooks: str, args=()):
    rev = git(checkout, "rev-parse", "HEAD").strip()
    known = [{"id": name, **({"args": [*args]} if args else {})} for name in hooks]
    config = {"repos": [{"repo": str(checkout), "rev": rev, "hooks": known}]}
    (repository / ".pre-commit-config.yaml").write_text(json.dumps(config))


def write(repository, files):
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def pre_commit(repository, home, *arguments):
    pytest.importorskip("pre_commit", reason="pip install '.[test]' brings it")
    environment = clean_environment(PRE_COMMIT_HOME=str(home), PRE_COMMIT_COLOR="never")
    for name in [name for name in environment if name.startswith("GIT_") or name == "PYTHONPATH"]:
        del environment[name]
    command = [sys.executable, "-m", "pre_commit", "run", *arguments]
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_a_first_run_mends_and_fails_and_a_second_passes(repository, checkout, home):
    configure(repository, checkout, "krm-harden-fix")
    write(repository, {"deploy/web.yaml": POD})
    git(repository, "add", "--all")

    first = pre_commit(repository, home, "--all-files")
    assert first.returncode == 1
    assert "files were modified by this hook" in first.stdout
    assert "runAsNonRoot: true" in (repository / "deploy" / "web.yaml").read_text()
    assert run_cli("check", repository / "deploy").code == 0

    git(repository, "add", "--all")
    second = pre_commit(repository, home, "--all-files")
    assert (second.returncode, "Passed" in second.stdout) == (0, True), second.stdout


def test_what_is_no_manifest_is_neither_changed_nor_mentioned(repository, checkout, home):
    configure(repository, checkout, "krm-harden-fix", "krm-harden-check")
    write(repository, FOREIGN)
    git(repository, "add", "--all", "--force")
    ran = pre_commit(repository, home, "--all-files")

    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("Passed") == 2
    assert git(repository, "diff") == ""


@pytest.mark.parametrize("command", ["fix", "check"])
def test_beside_manifests_no_other_file_has_a_line(repository, command):
    """pre-commit shows what a hook says only where it fails: then nothing must hide the reason."""
    write(repository, {**FOREIGN, "deploy/web.yaml": PRIVILEGED})
    names = [*FOREIGN, "deploy/web.yaml"]
    ran = run_cli(command, "--hook", *names, cwd=repository)
    lines = ran.out.decode().splitlines()

    assert ran.code == 1
    assert [line for line in lines if not line.startswith("deploy/web.yaml:")] == [
        "templates/web.yaml:1: info: was left alone: a template, not YAML"
    ]


def test_only_staged_files_are_changed(repository, checkout, home):
    configure(repository, checkout, "krm-harden-fix")
    write(repository, {"staged.yaml": POD, "other.yaml": POD})
    git(repository, "add", "staged.yaml", ".pre-commit-config.yaml")

    assert pre_commit(repository, home).returncode == 1
    assert (repository / "other.yaml").read_text() == POD
    assert (repository / "staged.yaml").read_text() != POD
    git(repository, "add", "staged.yaml")
    assert pre_commit(repository, home).returncode == 0


def test_a_commit_is_stopped_until_the_manifest_is_in_order(repository, checkout, home):
    pytest.importorskip("pre_commit", reason="pip install '.[test]' brings it")
    configure(repository, checkout, "krm-harden-check")
    write(repository, {"web.yaml": POD})
    git(repository, "add", "--all")
    failed = pre_commit(repository, home)

    assert failed.returncode == 1
    assert "exit code: 1" in failed.stdout
    assert "web.yaml:7: error: open: Pod/web: allowPrivilegeEscalation" in failed.stdout
    assert (repository / "web.yaml").read_text() == POD


def test_what_cannot_be_mended_fails_the_hook_every_time(repository, checkout, home):
    configure(repository, checkout, "krm-harden-fix")
    write(repository, {"web.yaml": PRIVILEGED})
    for _ in range(2):
        git(repository, "add", "--all")
        ran = pre_commit(repository, home, "--all-files")
        assert ran.returncode == 1
        assert "exit code: 1" in ran.stdout
        assert (
            "error: explicit: Pod/web: privileged" in ran.stdout or "error: manual: Pod/web: privileged" in ran.stdout
        )


def test_a_manifest_that_cannot_be_read_fails_the_hook(repository, checkout, home):
    configure(repository, checkout, "krm-harden-check")
    write(repository, {"web.yaml": POD + "   bad: [\n"})
    git(repository, "add", "--all")
    ran = pre_commit(repository, home, "--all-files")

    assert ran.returncode == 1
    assert "exit code: 2" in ran.stdout


def test_arguments_name_the_policy(repository, checkout, home):
    configure(repository, checkout, "krm-harden-fix", args=("--policy", "policy.yaml"))
    policy = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: x}\nspec:\n  images:\n"
    write(repository, {"policy.yaml": policy + "  - {match: 'registry.example/*', uid: 4711}\n", "web.yaml": POD})
    git(repository, "add", "--all")

    assert pre_commit(repository, home, "--all-files").returncode == 1
    assert "runAsUser: 4711" in (repository / "web.yaml").read_text()
    assert (repository / "policy.yaml").read_text().startswith(policy)


def test_files_that_depend_on_each_other_reach_one_process(repository, checkout, home):
    """Many files, and a namespace whose label depends on all of them."""
    configure(repository, checkout, "krm-harden-fix", args=("--policy", "policy.yaml"))
    policy = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: x}\nspec:\n"
    files = {
        f"{number:03}.yaml": POD.replace("name: web\nspec", f"name: w{number}\n  namespace: shop\nspec")
        for number in range(60)
    }
    files["030.yaml"] = PRIVILEGED.replace("name: web\nspec", "name: bad\n  namespace: shop\nspec")
    files["namespace.yaml"] = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    write(repository, {**files, "policy.yaml": policy + "  namespaces: {enforce: auto}\n"})
    git(repository, "add", "--all")
    pre_commit(repository, home, "--all-files")
    blocked = (repository / "namespace.yaml").read_text()
    (repository / "030.yaml").write_text(POD.replace("name: web\nspec", "name: good\n  namespace: shop\nspec"))
    git(repository, "add", "--all")
    pre_commit(repository, home, "--all-files")

    assert "pod-security.kubernetes.io/enforce:" not in blocked
    assert "pod-security.kubernetes.io/enforce: restricted" in (repository / "namespace.yaml").read_text()


def test_a_hook_can_look_at_a_whole_folder_for_each_commit(repository, checkout, home):
    """As docs/ci.md says for `enforce: auto`."""
    configure(repository, checkout, "krm-harden-check", args=("deploy",))
    config = json.loads((repository / ".pre-commit-config.yaml").read_text())
    config["repos"][0]["hooks"][0].update(pass_filenames=False, files="^deploy/")
    (repository / ".pre-commit-config.yaml").write_text(json.dumps(config))
    write(repository, {"deploy/web.yaml": POD, "deploy/values.yaml": "a: 1\n"})
    git(repository, "add", "deploy/values.yaml", ".pre-commit-config.yaml")
    (repository / "deploy" / "web.yaml").write_text(PRIVILEGED)

    assert "Pod/web: privileged" in pre_commit(repository, home).stdout


@pytest.mark.parametrize("form", ["utf-16", "escaped"])
def test_a_manifest_in_disguise_is_a_manifest(tmp_path, form):
    text = (
        POD.encode("utf-16")
        if form == "utf-16"
        else b'{"\\u006bind": "Pod", "\\u0061piVersion": "v1", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "x:1"}]}}'
    )
    (tmp_path / "web.yaml").write_bytes(text)

    assert run_cli("check", "--hook", "web.yaml", cwd=tmp_path).code == 1


def test_without_the_option_a_named_file_is_always_looked_at(tmp_path):
    write(tmp_path, {"charts/web.yaml": POD, "broken.yaml": "a: [\n"})

    assert run_cli("check", "charts/web.yaml", cwd=tmp_path).code == 1
    assert run_cli("check", "broken.yaml", cwd=tmp_path).code == 2
    assert run_cli("check", "--hook", "charts/web.yaml", "broken.yaml", cwd=tmp_path).code == 0


@pytest.mark.parametrize("command", ["check", "fix"])
@pytest.mark.parametrize("name", ["--exclude=*.yaml", "--policy=loose.yaml", "-ojson"])
def test_no_file_is_taken_for_an_option(tmp_path, command, name):
    """pre-commit writes the names of files behind our options, whatever they look like."""
    (tmp_path / "web.yaml").write_text(PRIVILEGED)
    (tmp_path / name).write_text(PRIVILEGED)
    loose = (
        "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: p}\nspec: {level: privileged}\n"
    )
    (tmp_path / "loose.yaml").write_text(loose)

    ran = run_cli(command, "--hook", "web.yaml", name, cwd=tmp_path)

    assert (ran.code, ran.out) == (3, b"")
    assert f"{name}: is a file, and would be read as an option" in ran.err


def test_a_file_called_as_an_option_is_judged_behind_two_dashes(tmp_path):
    (tmp_path / "--exclude=*.yaml").write_text(PRIVILEGED)

    ran = run_cli("check", "--hook", "--", "--exclude=*.yaml", cwd=tmp_path)

    assert ran.code == 1


def test_a_link_out_of_the_repository_is_not_followed(tmp_path):
    write(tmp_path, {"outside.yaml": POD, "repository/.git/HEAD": ""})
    os.symlink(tmp_path / "outside.yaml", tmp_path / "repository" / "link.yaml")

    assert run_cli("fix", "--hook", "link.yaml", cwd=tmp_path / "repository").code == 0
    assert (tmp_path / "outside.yaml").read_text() == POD


EXAMPLE = ROOT / "examples" / "pre-commit"


def test_the_example(repository, checkout, home):
    shutil.copytree(EXAMPLE, repository, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".expected"))
    path = repository / ".pre-commit-config.yaml"
    config = yaml.safe_load(path.read_text())
    config["repos"][0].update(repo=str(checkout), rev=git(checkout, "rev-parse", "HEAD").strip())
    path.write_text(json.dumps(config))
    git(repository, "add", "--all")
    first = pre_commit(repository, home, "--all-files")
    git(repository, "add", "--all")
    second = pre_commit(repository, home, "--all-files")

    assert (first.returncode, second.returncode) == (1, 0), first.stdout + second.stdout
    assert "files were modified by this hook" in first.stdout
    assert "exit code" not in first.stdout
    matches("pre-commit", "diff.patch", difference(files(EXAMPLE / "deploy"), files(repository / "deploy")))
    assert run_cli("check", "--policy", "policy.yaml", "deploy", cwd=repository).code == 0

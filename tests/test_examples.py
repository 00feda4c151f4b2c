"""Every folder of examples/, run as its README says, through the real client. `UPDATE_EXAMPLES=1` rewrites .expected."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, clean_environment, require, run_cli

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
UPDATE = os.environ.get("UPDATE_EXAMPLES") == "1"
HIDDEN = {".expected", ".krmignore", "README.md"}
SHOP_WORKLOADS = 4
"""A Namespace and four workloads: what of the shop gets a verdict."""


@pytest.fixture
def examples(tmp_path):
    """A copy of examples/ to change, beside a `krm-harden` that is this checkout's."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns(".expected"))
    program = tmp_path / "bin" / "krm-harden"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m krm_harden "$@"\n')
    program.chmod(0o755)
    return copy


def client(examples: Path, *command: str | Path, expected: int = 0, **env: str) -> str:
    """What a client prints, run in the examples' folder with `krm-harden` on its PATH."""
    path = f"{examples.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=examples,
        env=clean_environment(PATH=path, **env),
        timeout=120,
        check=False,
    )
    assert done.returncode == expected, done.stderr
    return done.stdout


def kustomize(examples: Path, folder: str, *flags: str) -> str:
    return client(examples, require("kustomize"), "build", *flags, folder)


def files(folder: Path) -> dict[str, str]:
    """The text of every file of an example by its path."""
    found = sorted(
        path for path in folder.rglob("*") if path.is_file() and not HIDDEN & set(path.relative_to(folder).parts)
    )
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """The unified diff of two sets of files."""
    assert before.keys() == after.keys()
    return "".join(
        line
        for name in before
        for line in difflib.unified_diff(
            before[name].splitlines(keepends=True), after[name].splitlines(keepends=True), f"a/{name}", f"b/{name}"
        )
    )


def matches(example: str, name: str, text: str) -> None:
    """The text is what the example expects."""
    expected = EXAMPLES / example / ".expected" / name
    if UPDATE:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(text)
    assert text == expected.read_text()


def removed(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]


def assert_in_order(text: str, workloads: int) -> None:
    """The gate that every page recommends lets the text pass, and it judged as many workloads as there are."""
    gate = run_cli("check", "-", stdin=text.encode())
    assert gate.code == 0, gate.out
    assert f", {workloads} workloads, " in gate.err


def test_kustomize_exec(examples):
    before = kustomize(examples, "shop")
    after = kustomize(examples, "kustomize-exec", "--enable-alpha-plugins", "--enable-exec")

    diff = difference({"build.yaml": before}, {"build.yaml": after})
    matches("kustomize-exec", "diff.patch", diff)
    assert not removed(diff)
    assert run_cli("check", "-", stdin=before.encode()).code == 1
    assert_in_order(after, SHOP_WORKLOADS)


def test_kustomize_without_enable_exec_skips_the_function_in_silence_and_the_gate_says_so(examples):
    skipped = kustomize(examples, "kustomize-exec", "--enable-alpha-plugins")

    assert skipped == kustomize(examples, "shop")
    assert run_cli("check", "-", stdin=skipped.encode()).code == 1


def test_kustomize_legacy(examples):
    kubectl = require("kubectl")
    plugin = examples / "plugins" / "krm-harden.dev" / "v1alpha1" / "hardeningpolicy" / "HardeningPolicy"
    plugin.parent.mkdir(parents=True)
    shutil.copy(ROOT / "function" / "kustomize-legacy" / "HardeningPolicy", plugin)

    before = client(examples, kubectl, "kustomize", "shop")
    command = (kubectl, "kustomize", "--enable-alpha-plugins", "kustomize-legacy")
    after = client(examples, *command, KUSTOMIZE_PLUGIN_HOME=str(examples / "plugins"))

    diff = difference({"build.yaml": before}, {"build.yaml": after})
    matches("kustomize-legacy", "diff.patch", diff)
    assert diff == (EXAMPLES / "kustomize-exec" / ".expected" / "diff.patch").read_text()
    assert_in_order(after, SHOP_WORKLOADS)


@pytest.mark.parametrize("times", [1, 2])
def test_kpt_render(examples, times):
    kpt = require("kpt")
    for _ in range(times):
        client(examples, kpt, "fn", "render", "kpt-render", "--allow-exec")

    diff = difference(files(EXAMPLES / "kpt-render"), files(examples / "kpt-render"))
    matches("kpt-render", "diff.patch", diff)
    assert not removed(diff)
    assert run_cli("check", "--policy", examples / "kpt-render" / "policy.yaml", examples / "kpt-render").code == 0


def test_kpt_imperative(examples):
    settings = ("numericUser.uid=1500", "readOnlyRootFilesystem.writablePaths=/tmp,/var/spool/relay")
    client(examples, require("kpt"), "fn", "eval", "kpt-imperative", "--exec", "krm-harden", "--", *settings)

    diff = difference(files(EXAMPLES / "kpt-imperative"), files(examples / "kpt-imperative"))
    matches("kpt-imperative", "diff.patch", diff)
    assert not removed(diff)
    assert run_cli("check", examples / "kpt-imperative").code == 0


def test_shell_fix(examples):
    folder = examples / "shell-fix"
    command = ("--policy", "policy.yaml", "deploy")

    shown = run_cli("fix", "--diff", *command, cwd=folder)
    assert shown.code == 1
    assert files(folder) == files(EXAMPLES / "shell-fix")
    assert run_cli("fix", *command, cwd=folder).code == 0
    matches("shell-fix", "diff.patch", difference(files(EXAMPLES / "shell-fix"), files(folder)))
    matches("shell-fix", "diff.patch", shown.out.decode())
    assert run_cli("fix", "--diff", *command, cwd=folder).code == 0
    assert run_cli("check", *command, cwd=folder).code == 0


def test_audit_only(examples):
    client(examples, require("kpt"), "fn", "render", "audit-only", "--allow-exec", "--results-dir", "results")

    diff = difference(files(EXAMPLES / "audit-only"), files(examples / "audit-only"))
    matches("audit-only", "diff.patch", diff)
    assert not removed(diff)
    results = (examples / "results" / "results.yaml").read_text()
    results = results.replace(f"{(examples / 'audit-only').resolve()}/", "")
    # What stderr repeats is left out.
    matches("audit-only", "results.yaml", re.sub(r"(?m)^    stderr: \|\n(?:      .*\n)+", "", results))


def test_kustomize_container(examples):
    """The manifest of our own image has nothing to mend."""
    job = examples / "kustomize-container" / "job.yaml"

    assert run_cli("check", job).out == b""
    assert run_cli("fix", job).code == 0
    assert job.read_bytes() == (EXAMPLES / "kustomize-container" / "job.yaml").read_bytes()


def test_every_example_is_tested():
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    folders = {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}

    assert {name for name in folders if f'"{name}"' not in tests} == set()
    assert all((EXAMPLES / name / "README.md").is_file() for name in folders)

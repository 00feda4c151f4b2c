"""The diff that `fix` shows: for patch as it always was, for people in colours and with the reason of each hunk."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, require, run_cli
from terminals import terminal

from krm_harden.commands import _diffs, _run
from krm_harden.engine import Engine
from krm_harden.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

SHOP = ROOT / "examples" / "shop"


@pytest.fixture
def shop(tmp_path):
    shutil.copytree(SHOP, tmp_path / "shop")
    return tmp_path / "shop"


def shown(folder: Path, *arguments: str, columns: int, colours: bool = False, **env: str) -> str:
    """The screen down to the end of the diff."""
    with terminal("krm-harden", "fix", "--diff", *arguments, cwd=folder, columns=columns, lines=60, **env) as screen:
        assert screen.code() == 1
        return re.split(r"\n(?:\033\[[0-9;]*m)*(?:web\.yaml:|krm-harden:)", screen.screen(colours=colours))[0] + "\n"


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_shows_the_reason_of_each_hunk(shop, columns, text_snapshot):
    assert shown(shop, "web.yaml", columns=columns) == text_snapshot


def test_a_terminal_has_colours(shop, text_snapshot):
    colours = shown(shop, "--control", "seccompProfile", "web.yaml", columns=140, colours=True)
    assert colours.replace("\033", "ESC") == text_snapshot


def test_a_terminal_without_colours_says_the_same(shop):
    plain = shown(shop, "web.yaml", columns=140, colours=True, NO_COLOR="1")
    assert "\033" not in plain
    assert plain == shown(shop, "web.yaml", columns=140)


def test_what_is_no_terminal_gets_a_plain_diff_that_patch_applies(shop, tmp_path):
    require("patch")
    for options in ([], ["-v"]):
        made = run_cli("fix", "--diff", *options, "shop", cwd=tmp_path)
        assert made.code == 1
        assert b"\033" not in made.out
        target = tmp_path / f"patched{len(options)}"
        shutil.copytree(shop, target / "shop")
        subprocess.run(["patch", "-p1", "-d", target], input=made.out, check=True, capture_output=True)
        assert run_cli("fix", "shop", cwd=target).code == 0
        again = run_cli("fix", "--diff", "shop", cwd=target)
        assert (again.code, again.out) == (0, b"")


def test_verbose_says_the_reasons_above_each_file(shop):
    out = run_cli("fix", "--diff", "-v", "web.yaml", cwd=shop).out.decode()
    comments = re.findall(r"^# web\.yaml:\d+: (.*)", out, re.MULTILINE)
    assert "runAsNonRoot (evidence): catalogue: nginx-unprivileged" in comments
    assert out.index("--- a/web.yaml") > out.index(comments[-1])
    quiet = run_cli("fix", "--diff", "web.yaml", cwd=shop).out.decode()
    assert out.endswith(quiet)


@pytest.mark.parametrize(("options", "env"), [(["--color", "always"], {}), ([], {"FORCE_COLOR": "1"})])
def test_colours_that_are_forced_change_nothing_else(shop, options, env):
    plain = run_cli("fix", "--diff", "web.yaml", cwd=shop).out
    coloured = run_cli("fix", "--diff", *options, "web.yaml", cwd=shop, **env).out
    assert b"\033[32m+" in coloured
    assert re.sub(rb"\033\[[0-9;]*m", b"", coloured) == plain


POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web{}\nspec:\n  containers:\n  - name: web\n    image: a:1\n"


def test_the_ranges_of_the_diff_are_those_of_a_unified_diff(tmp_path):
    """What a terminal shows, without its reasons, is a patch too."""
    require("patch")
    text = "---\n".join(POD.format(number) + "    # a\n" * number for number in range(6)).rstrip("\n")
    file = tmp_path / "pods.yaml"
    file.write_text(text)
    made = _run.of_bytes(Engine(Policy({})), "pods.yaml", file.read_bytes())
    lines = [_diffs.plain(line) for line in _diffs.explained(made, 80)]
    patch = "\n".join(line for line in lines if not line.startswith("#")) + "\n"
    subprocess.run(["patch", "-p1", "-d", tmp_path], input=patch.encode(), check=True, capture_output=True)
    assert file.read_bytes() == made.new


def test_a_line_separator_within_a_line_is_no_line_break_to_patch(tmp_path):
    require("patch")
    (tmp_path / "pod.yaml").write_text(POD.format(" # a\N{LINE SEPARATOR}# b"), encoding="utf-8")
    out = run_cli("fix", "--diff", "pod.yaml", cwd=tmp_path).out
    subprocess.run(["patch", "-p1", "-d", tmp_path], input=out, check=True, capture_output=True)
    assert run_cli("fix", "--diff", "pod.yaml", cwd=tmp_path).code == 0


def test_nothing_in_a_manifest_reaches_the_terminal(tmp_path):
    (tmp_path / "pod.yaml").write_text(f"{POD.format('')}    # a\N{RIGHT-TO-LEFT OVERRIDE}b\n", encoding="utf-8")
    text = shown(tmp_path, "pod.yaml", columns=100)
    assert "# a b" in text


def test_an_unknown_control_is_refused_with_what_was_meant(shop):
    made = run_cli("fix", "--control", "seccompProfile,runAsNonRot", "web.yaml", cwd=shop)
    assert made.code == 3
    assert "did you mean runAsNonRoot?" in made.err
    assert run_cli("fix", "--control", "", "web.yaml", cwd=shop).code == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--control", "SECCOMPPROFILE", "--control", "readonlyrootfilesystem"],
        ["--control", "seccompProfile_restricted, readOnlyRootFilesystem"],
    ],
)
def test_controls_are_named_as_in_explain(shop, options):
    made = run_cli("fix", *options, "web.yaml", cwd=shop)
    assert made.code == 0
    text = (shop / "web.yaml").read_text()
    assert "seccompProfile" in text
    assert "readOnlyRootFilesystem" in text
    assert "runAsNonRoot" not in text
    assert "changes left out; -v lists them" in made.err
    assert "left out" not in made.out.decode()


def test_every_control_in_turn_comes_to_what_fix_writes(shop, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(SHOP, whole)
    assert run_cli("fix", ".", cwd=whole).code == 0
    names = "runAsNonRoot readOnlyRootFilesystem numericUser numericGroup capabilities allowPrivilegeEscalation"
    for name in [*names.split(), "seccompProfile", "namespaceLabels"]:
        assert run_cli("fix", "--control", name, ".", cwd=shop).code == 0
    again = run_cli("fix", "--diff", ".", cwd=shop)
    assert (again.code, again.out) == (0, b"")
    assert run_cli("check", ".", cwd=shop).code == 0

"""What people see: a real terminal around the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml
from clients import FUNCTION, bin_folder
from conftest import ROOT, Ran, clean_environment, require, run_cli
from judges import psa
from terminals import Terminal, terminal

from krm_harden import __version__
from krm_harden.commands._run import Input
from krm_harden.engine import Engine
from krm_harden.policy import from_data
from krm_harden.reports import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_the_terminal_of_the_tests_knows_the_exit_code():
    with terminal("sh", "-c", "echo out; exit 7") as shown:
        assert shown.code() == 7
        assert shown.screen() == "out"


def test_the_terminal_of_the_tests_has_a_size_keys_and_colours():
    with terminal("sh", "-c", r"stty size; read word; printf '\033[31m%s\033[0m' $word", columns=93) as shown:
        shown.wait_for("30 93")
        shown.type("red")
        shown.press("Enter")

        assert shown.code() == 0
        assert shown.screen() == "30 93\nred\nred"
        assert "\n\x1b[31mred" in shown.screen(colours=True)


def test_the_terminal_of_the_tests_interrupts():
    with terminal("sh", "-c", "echo begun; exec sleep 600") as shown:
        shown.wait_for("begun")
        shown.press("C-c")

        assert shown.code() == 130
        assert shown.cursor_is_shown()


def test_the_terminal_of_the_tests_finds_the_command():
    with terminal("krm-harden", "--version") as shown:
        assert shown.code() == 0
        assert shown.screen() == f"krm-harden {__version__}"


# Completion, in real shells

SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
SET_UP = {
    "bash": "PS1='ready> '; bind 'set bell-style none'; source <(krm-harden completion bash)",
    "zsh": (
        "PS1='ready> '; mkdir ~/.zfunc; krm-harden completion zsh > ~/.zfunc/_krm-harden; fpath+=~/.zfunc; "
        "autoload -Uz compinit; compinit -u -D"
    ),
    "fish": "function fish_prompt; echo -n 'ready> '; end; krm-harden completion fish | source",
}
TYPED = {
    "command": ("krm-harden sche", "krm-harden schema "),
    "command-of-a-command": ("krm-harden images res", "krm-harden images resolve "),
    "option": ("krm-harden fix --pol", "krm-harden fix --policy "),
    "option-of-a-command-of-a-command": ("krm-harden images resolve --off", "krm-harden images resolve --offline "),
    "value": ("krm-harden fix --level restr", "krm-harden fix --level restricted "),
    "value-of-a-list": ("krm-harden check --level restr", "krm-harden check --level restricted "),
    "everywhere": ("krm-harden check --color nev", "krm-harden check --color never "),
    "control": ("krm-harden explain runAsN", "krm-harden explain runAsNonRoot "),
    "state": ("krm-harden explain defer", "krm-harden explain deferred "),
    "file-to-explain": ("krm-harden explain the-po", "krm-harden explain the-policy.yaml "),
    "way": ("krm-harden init argo", "krm-harden init argocd "),
    "file": ("krm-harden check --policy the-po", "krm-harden check --policy the-policy.yaml "),
    "path": ("krm-harden fix the-dep", "krm-harden fix the-deploy/"),
    "folder": ("krm-harden copy the-", "krm-harden copy the-deploy/"),
    "help": ("krm-harden help patch", "krm-harden help patches "),
}


@contextmanager
def shell(name: str, folder: Path) -> Iterator[Terminal]:
    """A shell that completes our command line, in a folder with a file and a folder."""
    require(name)
    (folder / "the-deploy").mkdir()
    (folder / "the-policy.yaml").touch()
    home = folder / "home"
    home.mkdir()
    with terminal(*SHELLS[name], cwd=folder, HOME=str(home), XDG_CONFIG_HOME=str(home), HISTFILE="") as shown:
        shown.type(f"{SET_UP[name]}; clear; echo set up")
        shown.press("Enter")
        shown.wait_for("set up\nready>")
        yield shown


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_commands_options_values_files_and_controls(name, tmp_path):
    with shell(name, tmp_path) as shown:
        for typed, whole in TYPED.values():
            shown.type(typed)
            shown.press("Tab")
            # What stands behind it shows where the cursor is: right behind the word, or after a space.
            shown.type("!")
            shown.wait_for(f"ready> {whole}!")
            shown.press("C-c")
            shown.wait_until(lambda screen: screen.rstrip().endswith("ready>"))


@pytest.mark.parametrize("name", SHELLS)
def test_tab_twice_lists_what_there_is(name, tmp_path):
    with shell(name, tmp_path) as shown:
        shown.type("krm-harden images ")
        shown.press("Tab", "Tab")

        assert {"resolve", "check", "explain"} <= set(shown.wait_for("resolve").split())


def test_completion_completes_in_kubectl(tmp_path):
    """kubectl's own protocol: it asks `kubectl_complete-harden` on PATH for what `kubectl harden ...` takes."""
    for words, first in ((["fix", "--pol"], "--policy"), (["explain", "runAsN"], "runAsNonRoot")):
        done = kubectl(tmp_path, "__complete", "harden", *words)
        answers = done.out.decode().splitlines()

        assert answers[0].partition("\t")[0] == first
        assert answers[-1] == ":4"
    for words in (["check", ""], ["explain", "deploy/"]):
        assert kubectl(tmp_path, "__complete", "harden", *words).out.decode().splitlines()[-1] == ":0"


# A plugin of kubectl

PLUGIN = "import sys\nfrom krm_harden.cli import main\nsys.exit(main())\n"
"""What pip writes for an entry point."""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"
LIST = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n" + "".join(
    f"{'  ' if number else '- '}{line}\n" for number, line in enumerate(POD.splitlines())
)


def kubectl(folder: Path, *words: str, stdin: bytes | int = b"") -> Ran:
    """The real kubectl, with our plugin on PATH as it is installed, and what completes it."""
    program = require("kubectl")
    plugin = folder / "bin" / "kubectl-harden"
    if not plugin.exists():
        plugin.parent.mkdir()
        plugin.write_text(f"#!{sys.executable}\n{PLUGIN}")
        plugin.with_name("kubectl_complete-harden").write_bytes(run_cli("completion", "kubectl").out)
        for one in plugin.parent.iterdir():
            one.chmod(0o755)
    path = os.pathsep.join([str(plugin.parent), bin_folder(FUNCTION), os.environ["PATH"]])
    given = {"stdin": stdin} if isinstance(stdin, int) else {"input": stdin}
    done = subprocess.run(
        [program, *words],
        capture_output=True,
        cwd=folder,
        env=clean_environment(PATH=path),
        timeout=300,
        check=False,
        **given,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def test_kubectl_harden_is_krm_harden(tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(POD)

    ran = kubectl(tmp_path, "harden", "check", "deploy/")

    assert ran == run_cli("check", "deploy/", cwd=tmp_path)
    assert ran.code == 1


@pytest.mark.parametrize("words", [["--help"], ["fix", "--help"], ["images", "--help"]])
def test_help_of_the_plugin_says_what_people_type(words, tmp_path):
    text = kubectl(tmp_path, "harden", *words).out.decode()

    assert f"usage: {' '.join(['kubectl harden', *words[:-1]])} [" in text or "usage: kubectl harden COMMAND" in text
    assert "  kubectl harden fix" in text
    assert not re.search(r"\bkrm-harden (fix|check|images)\b", text)


def test_the_plugin_without_words_shows_its_help_and_waits_for_nothing(tmp_path):
    ours, theirs = os.pipe()
    for stdin in (b"", POD.encode(), ours):
        ran = kubectl(tmp_path, "harden", stdin=stdin)

        assert (ran.code, ran.out) == (3, b"")
        assert "usage: kubectl harden COMMAND" in ran.err
    os.close(ours)
    os.close(theirs)


def test_the_plugin_is_a_function_where_it_gets_a_resource_list(tmp_path):
    ran = kubectl(tmp_path, "harden", stdin=LIST.encode())

    assert ran == run_cli(stdin=LIST.encode())
    assert b"runAsNonRoot: true" in ran.out


# What people see of a report


def write_manifests(folder: Path, count: int = 1) -> None:
    for number in range(count):
        (folder / f"{number:04}.yaml").write_text(POD.replace("name: web}", f"name: web-{number}}}", 1))


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_report_on_a_terminal_is_wrapped_with_an_indent_and_says_the_same(columns, tmp_path):
    write_manifests(tmp_path, 2)
    plain = run_cli("check", ".", cwd=tmp_path)
    with terminal("krm-harden", "check", ".", cwd=tmp_path, columns=columns, lines=30) as shown:
        assert shown.code() == 1
        lines = shown.screen().split("\n")

    assert max(map(len, lines)) <= columns
    assert all(line.startswith(("0000.yaml:", "0001.yaml:", "krm-harden: ", "    ")) for line in lines if line)
    assert " ".join(" ".join(lines).split()) == " ".join((plain.out.decode() + plain.err).split())
    assert lines.count("") == 1, "one empty line between two objects"


def test_a_report_has_the_colours_of_its_severities(tmp_path):
    write_manifests(tmp_path)
    with terminal("krm-harden", "check", ".", cwd=tmp_path, columns=120) as shown:
        assert shown.code() == 1
        text = shown.screen(colours=True)

    assert "\x1b[1m0000.yaml:1\x1b[0m" in text
    assert "\x1b[31merror\x1b" in text
    assert "\x1b[33mwarning\x1b" in text


@pytest.mark.parametrize(
    ("words", "env", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color=always",), {"NO_COLOR": "1"}, True),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True),
    ],
)
def test_who_decides_about_colours_on_a_terminal(words, env, coloured, tmp_path):
    write_manifests(tmp_path)
    command = ["env", *(f"{name}={value}" for name, value in env.items()), "krm-harden", "check", *words, "."]
    with terminal(*command, cwd=tmp_path) as shown:
        assert shown.code() == 1
        assert ("\x1b[" in shown.screen(colours=True)) == coloured


@pytest.mark.parametrize(
    ("words", "env", "coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "auto"), {"FORCE_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_who_decides_about_colours_in_a_pipe(words, env, coloured, tmp_path):
    write_manifests(tmp_path)
    plain = run_cli("check", ".", cwd=tmp_path)

    ran = run_cli("check", *words, ".", cwd=tmp_path, **env)

    assert (b"\x1b[" in ran.out, "\x1b[" in ran.err) == (coloured, False)
    if not coloured:
        assert ran == plain


def test_tools_that_call_us_get_no_colours(tmp_path):
    """Argo CD, Helm and kustomize may run where FORCE_COLOR is set: what they show is the same everywhere."""
    write_manifests(tmp_path)
    for words, stdin in (((), LIST.encode()), (("fn", "-"), POD.encode()), (("helm",), POD.encode())):
        assert run_cli(*words, stdin=stdin, FORCE_COLOR="1") == run_cli(*words, stdin=stdin)


def test_help_on_a_terminal_has_colours_and_its_width():
    with terminal("krm-harden", "check", "--help", columns=80, lines=90) as shown:
        assert shown.code() == 0
        text = shown.screen(colours=True)
        plain = shown.screen()

    assert "\x1b[1mexamples:" in text
    assert "\x1b[36m--policy FILE" in text
    assert max(len(line) for line in plain.split("\n") if not line.startswith("  kubectl")) <= 80


# How much is said


def test_quiet_says_only_errors_and_twice_nothing(tmp_path):
    write_manifests(tmp_path)
    usual, quiet, silent = (run_cli("check", *words, ".", cwd=tmp_path) for words in ([], ["-q"], ["-qq"]))
    errors = [line for line in usual.out.decode().splitlines() if ": error: " in line]

    assert quiet.out.decode().splitlines() == errors
    assert 0 < len(errors) < len(usual.out.decode().splitlines())
    assert (quiet.code, quiet.err, silent) == (1, "", Ran(1, b"", ""))


def test_quiet_keeps_what_was_asked_for(tmp_path):
    write_manifests(tmp_path)

    for words in (("check", "-o", "json", "."), ("fix", "--diff", "."), ("schema",), ("explain", "runAsNonRoot")):
        assert run_cli(*words, "-q", cwd=tmp_path).out == run_cli(*words, cwd=tmp_path).out
    filtered = run_cli("fix", "-q", "-", stdin=POD.encode())
    assert (filtered.err, filtered.out) == ("", run_cli("fix", "-", stdin=POD.encode()).out)


def test_quiet_still_says_what_could_not_be_read(tmp_path):
    (tmp_path / "bad.yaml").write_text("kind: Pod\nspec: [\n")

    assert "bad.yaml" in run_cli("check", "-q", ".", cwd=tmp_path).err
    assert run_cli("check", "-qq", ".", cwd=tmp_path) == Ran(2, b"", "")


def test_verbose_spells_each_finding_out(tmp_path):
    (tmp_path / "app.yaml").write_text(POD.replace("image: web}", "image: web, securityContext: {privileged: true}}"))
    usual, verbose = (run_cli("fix", "--diff", *words, ".", cwd=tmp_path).err for words in ([], ["-v"]))
    below = [line for line in verbose.splitlines() if line.startswith("    ")]

    assert "    exemption: {match: {kinds: [Pod], names: [web]" in verbose
    assert "    more: krm-harden explain privileged" in below
    assert any(line.startswith("    risk: ") for line in below)
    assert re.search(r"^krm-harden: took \d+\.\d\d s$", verbose, re.MULTILINE)
    assert "; exemption: " in usual
    assert "; exemption: " not in verbose


@pytest.mark.parametrize("words", [["-q", "check"], ["check", "-q"]])
def test_quiet_stands_anywhere_among_the_words_of_a_command_of_a_command(words, tmp_path):
    (tmp_path / "images.lock.yaml").write_text("apiVersion: krm-harden.dev/v1alpha1\nkind: ImageLock\nimages: []\n")
    write_manifests(tmp_path)

    ran = run_cli("images", *words, "--offline", "--images", "images.lock.yaml", "0000.yaml", cwd=tmp_path)

    assert ran.code == 1
    assert [line for line in ran.err.splitlines() if "error" not in line] == []


# Ctrl-C, and readers that have enough


def test_ctrl_c_leaves_nothing_half_written_and_the_terminal_as_it_was(tmp_path):
    write_manifests(tmp_path, 1500)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with terminal("krm-harden", "fix", ".", cwd=tmp_path) as shown:
        shown.wait_until(lambda _: (tmp_path / "0000.yaml").read_bytes() != before["0000.yaml"])
        shown.press("C-c")

        assert shown.code() == 130
        assert "krm-harden: interrupted; nothing was left half-written" in shown.screen()
        assert "Traceback" not in shown.screen()
        assert shown.cursor_is_shown()
    whole = run_cli("fix", "-", stdin=POD.encode()).out.replace(b"name: web}\nspec", b"name: %s}\nspec")
    assert {path.name for path in tmp_path.iterdir()} == before.keys()
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        assert path.read_bytes() in {before[path.name], whole % b"web-%d" % number}


@pytest.mark.parametrize("moment", [0, 0.03, 0.06, 0.1, 0.5])
def test_ctrl_c_at_any_moment_is_one_line(moment):
    """While modules are loaded, the command line is read, or standard input is awaited."""
    program = (
        "import sys; from krm_harden import cli; sys.argv = ['krm-harden', 'check', '-']\n"
        "print('ready', flush=True); sys.exit(cli.main())"
    )
    with terminal(sys.executable, "-c", program) as shown:
        shown.wait_for("ready")
        time.sleep(moment)
        shown.press("C-c")

        assert shown.code() == 130
        assert shown.screen().split("\n")[-1] == "krm-harden: interrupted; nothing was left half-written"
        assert "Traceback" not in shown.screen()


def test_a_cursor_that_progress_has_hidden_comes_back(tmp_path):
    """Wherever Ctrl-C hits: here within a command that has hidden the cursor."""
    program = (
        "import sys\n"
        "from krm_harden import cli\n"
        "from krm_harden.commands import explain\n"
        "def run(options):\n"
        "    sys.stderr.write('\\x1b[?25lworking')\n"
        "    sys.stderr.flush()\n"
        "    sys.stdin.read()\n"
        "explain.run = run\n"
        "sys.exit(cli.main(['explain']))\n"
    )
    with terminal(sys.executable, "-c", program) as shown:
        shown.wait_for("working")
        assert not shown.cursor_is_shown()
        shown.press("C-c")

        assert shown.code() == 130
        assert shown.cursor_is_shown()
        assert "Traceback" not in shown.screen()


@pytest.mark.parametrize("words", ["check .", "check -o json .", "--help", "explain", "schema", "completion bash"])
def test_a_reader_that_has_enough_is_no_error(words, tmp_path):
    write_manifests(tmp_path, 300)
    script = f"set -o pipefail; krm-harden {words} 2>err | head -n 1; echo ${{PIPESTATUS[0]}} >code; cat err"
    with terminal("bash", "-c", script, cwd=tmp_path) as shown:
        shown.code()

    assert "rror" not in (tmp_path / "err").read_text()
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert (tmp_path / "code").read_text().strip() in {"0", "141"}


# The numbers of the summary

DEFAULT = from_data(
    {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "a"}, "spec": {}}, "a"
)


@pytest.mark.parametrize("words, verb", [("check", "to change"), ("fix --diff", "would change"), ("fix", "changed")])
def test_a_report_that_goes_into_a_file_leaves_the_summary_on_the_terminal(words, verb, tmp_path):
    (tmp_path / "app.yaml").write_bytes((ROOT / "examples" / "shop" / "web.yaml").read_bytes())
    with terminal("sh", "-c", f"krm-harden {words} -o json app.yaml > report.json", cwd=tmp_path, columns=120) as shown:
        shown.code()
        said = " ".join(shown.screen().split())

    assert f"1 object {verb}; changes: 2 safe, 5 evidence" in said
    assert "krm-harden: allowed: 0" in said
    assert json.loads((tmp_path / "report.json").read_text())["version"] == 1


def test_the_numbers_of_the_summary_are_those_that_somebody_else_counts(tmp_path):
    """The documents by PyYAML, the verdicts by Pod Security's own evaluator, of what was there and what is there now."""
    kinds = {"Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "ReplicationController"}
    others = ("broken", "kind: ResourceList", "serving.knative.dev", "kind: PodTemplate", "local-config", "sops:")
    for path in sorted((ROOT / "tests" / "upgrade" / "inputs").glob("*.yaml")):
        text = path.read_text()
        if not path.name.endswith(".policy.yaml") and not any(word in text for word in others):
            (tmp_path / path.name).write_text(text)

    def judged() -> tuple[int, int, int]:
        """How many documents, workloads, and workloads that are allowed there are."""
        found = [one for path in tmp_path.iterdir() for one in yaml.safe_load_all(path.read_text()) if one]
        pods = [one for one in found if one.get("kind") in kinds and "ownerReferences" not in one["metadata"]]
        verdicts = psa([json.dumps(one, default=str) for one in pods], "restricted", "latest")
        return len(found), len(pods), sum(one["allowed"] for one in verdicts)

    documents, workloads, before = judged()
    asked = json.loads(run_cli("check", "-o", "json", ".", cwd=tmp_path).out)["summary"]
    done = run_cli("fix", "-o", "json", ".", cwd=tmp_path)
    report = json.loads(done.out)
    after = judged()[2]
    findings = [one for resource in report["resources"] for one in resource["findings"]]

    assert 0 < before < after < workloads
    for said in (asked, report["summary"]):
        numbers = [said[name] for name in ("documents", "workloads", "allowedBefore", "allowedAfter")]
        assert numbers == [documents, workloads, before, after]
    for risk, name in (("safe", "changesSafe"), ("evidence", "changesEvidence"), ("may-break", "changesMayBreak")):
        fixed = sum(one["state"] == "fixed" and one["risk"] == risk for one in findings)
        assert report["summary"][name] == fixed > 0
    assert (
        report["summary"]["refusals"] == sum(one["state"] in {"explicit", "manual", "refused"} for one in findings) > 0
    )


@pytest.mark.parametrize("changes", ["additive", "evidence", "complete"])
def test_check_counts_and_says_what_a_fix_by_the_same_policy_would_write(changes, tmp_path):
    (tmp_path / "app.yaml").write_text(POD.replace("image: web}", "image: nginx:1.27}"))
    (tmp_path / "owned.yaml").write_text(
        POD.replace(
            "name: web}", 'name: a, ownerReferences: [{kind: ReplicaSet, name: b, apiVersion: a, uid: "1"}]}', 1
        )
    )
    policy = tmp_path / "held.policy"
    policy.write_text(
        f"apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: a}}\nspec: {{changes: {changes}}}\n"
    )
    words = ("--policy", "held.policy", "-o", "json", ".")
    asked, made = (json.loads(run_cli(*name, *words, cwd=tmp_path).out) for name in (["check"], ["fix", "--diff"]))
    names = ("changesSafe", "changesEvidence", "changesMayBreak", "refusals")

    assert [asked["summary"][name] for name in names] == [made["summary"][name] for name in names]
    assert asked["summary"]["resourcesToChange"] == made["summary"]["resourcesChanged"] == 1
    fixed = {one["path"] for result in made["resources"] for one in result["findings"] if one["state"] == "fixed"}
    found = [one for result in asked["resources"] for one in result["findings"] if one["state"] == "open"]
    assert {one["path"] for one in found if "`krm-harden fix` writes" in one["message"]} == fixed != set()
    assert {one["code"] for one in found} == {"", "owned", *(["deferred"] if changes == "additive" else [])}


def test_what_could_not_be_written_is_not_counted_as_changed(tmp_path):
    """The summary says what is there now."""
    text = POD + "---\n" + POD.replace("web}", "other}", 1)
    (tmp_path / "app.yaml").write_text(text)
    made = Input("app.yaml", text.encode(), b"", tuple(Engine(DEFAULT).run(text.encode())))

    there, gone = summary.count([made]), summary.count([made._replace(error="can't be written")])

    assert (there["allowedBefore"], there["allowedAfter"], there["changesSafe"] > 0) == (0, 2, True)
    assert (gone["allowedBefore"], gone["allowedAfter"], gone["changesSafe"]) == (0, 0, 0)

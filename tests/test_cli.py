"""The shell: fix, check and their kin, on files, folders and streams."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import clean_environment, require, run_cli

from krm_harden import __version__, cli
from krm_harden.commands import _help, _replace
from krm_harden.errors import KrmHardenError

COMMAND = [sys.executable, "-m", "krm_harden"]
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""
EXPLICIT = DEPLOYMENT + "        securityContext:\n          allowPrivilegeEscalation: true\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  a: b\n"
BROKEN = "kind: Deployment\nspec: [\n"
POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\nspec:\n"
EXEMPTION = """\
  exemptions:
  - match:
      names: [web]
    controls: [allowPrivilegeEscalation]
    reason: it needs ping
"""


def hardened(text: str) -> str:
    return run_cli("fix", "-", stdin=text.encode()).out.decode()


@pytest.fixture(scope="module")
def fixed() -> str:
    return hardened(DEPLOYMENT)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def tree(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def changed(folder: Path, files: dict[str, str]) -> list[str]:
    return sorted(name for name, text in files.items() if (folder / name).read_bytes() != text.encode())


# Help


def test_help():
    ran = run_cli("--help")

    assert ran.code == 0
    assert ran.err == ""
    assert [name for name in [*cli.commands(), "help"] if f"\n  {name} " not in ran.out.decode()] == []
    assert "\nOther:" not in ran.out.decode()
    assert b"exit codes: 0" in ran.out
    assert b"krm-harden --version" in ran.out


@pytest.mark.parametrize("alias", ["-h", "help"])
def test_help_by_another_name(alias):
    assert run_cli(alias).out == run_cli("--help").out


@pytest.mark.parametrize("name", cli.commands())
def test_help_of_a_command(name):
    ran = run_cli(name, "--help", COLUMNS="100")
    text = ran.out.decode()

    assert (ran.code, ran.err) == (0, "")
    assert text.startswith(f"usage: krm-harden {name}")
    assert "examples:\n  " in text
    assert [line for line in text.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("name", cli.commands())
def test_every_command_has_a_group_examples_and_a_summary_that_is_found_without_loading_it(name):
    module = cli.load(name)

    assert _help.about(name) == (module.SUMMARY, module.GROUP)
    assert module.GROUP in _help.GROUPS
    assert set(_help._literals(module.__file__)) == {"SUMMARY", "GROUP"}
    assert "examples:\n  " in module.EXAMPLES


def test_help_loads_no_command():
    program = (
        "import sys; sys.argv = ['krm-harden', '--help']; from krm_harden import cli; cli.main();"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=clean_environment())
    loaded = set(done.stderr.decode().split())

    assert "krm_harden.commands._help" in loaded
    assert loaded.isdisjoint({f"krm_harden.commands.{name}" for name in cli.commands()})
    assert loaded.isdisjoint({"argparse", "rich", "krm_harden.engine"})


@pytest.mark.parametrize("command", ["fix", "images", "images resolve"])
def test_help_of_a_command_by_the_word_help(command):
    assert run_cli("help", *command.split()).out == run_cli(*command.split(), "--help").out != run_cli("help").out


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", ["", *cli.commands()])
def test_words_of_help_fit_the_width(name, columns):
    """Only a command that is longer than that isn't cut: people copy it."""
    text = run_cli(*name.split(), "--help", COLUMNS=str(columns)).out.decode()

    assert [line for line in text.splitlines() if len(line) > columns and not re.match(r"  \S+ |[\s\w]+--", line)] == []
    assert [line for line in text.splitlines() if line.startswith(("  # ", " " * 12)) and len(line) > columns] == []


def test_options_are_grouped_by_topics_where_they_are_many():
    text = run_cli("fix", "--help").out.decode()
    titles = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]

    assert titles == [
        "arguments:",
        "options:",
        "which files:",
        "what holds:",
        "what is reported:",
        "everywhere:",
        "examples:",
    ]
    assert "options:" not in run_cli("copy", "--help").out.decode()


@pytest.mark.parametrize("alias", ["--version", "-V"])
def test_version(alias):
    assert run_cli(alias).out.decode() == f"krm-harden {__version__}\n"


@pytest.mark.parametrize(("typo", "meant"), [("chekc", "check"), ("fxi", "fix"), ("schem", "schema"), ("fixx", "fix")])
def test_did_you_mean(typo, meant):
    ran = run_cli(typo)

    assert (ran.code, ran.out) == (3, b"")
    assert f"did you mean {meant}?" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_unknown_command_lists_the_commands():
    ran = run_cli("zzz")

    assert (ran.code, ran.out) == (3, b"")
    assert [name for name in cli.commands() if name not in ran.err] == []


@pytest.mark.parametrize(("typo", "meant"), [("--polcy", "--policy"), ("--dif", "--diff"), ("--lvl", "--level")])
def test_an_unknown_option_is_named(typo, meant):
    ran = run_cli("fix", typo, "app.yaml")

    assert (ran.code, ran.out) == (3, b"")
    assert typo in ran.err
    assert f"did you mean {meant}?" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fix --polcy=x app.yaml", "there is no option --polcy (did you mean --policy?)"),
        ("fix --dif", "there is no option --dif (did you mean --diff?)"),
        ("fix --level restriced app.yaml", "invalid choice: 'restriced' (did you mean restricted?)"),
        ("fix -o jsno app.yaml", "invalid choice: 'jsno' (did you mean json?)"),
        ("fix -x app.yaml", "there is no option -x;"),
        ("check --level restriced app.yaml", "did you mean restricted?"),
        ("images reslve app.yaml", "invalid choice: 'reslve' (did you mean resolve?)"),
        ("images resolve --ofline app.yaml", "there is no option --ofline (did you mean --offline?)"),
        ("init kustmize", "invalid choice: 'kustmize' (did you mean kustomize?)"),
        ("help chekc", "no command 'chekc'; did you mean check?"),
        ("--polcy", "no option '--polcy' before the command; see"),
        ("--versoin", "no option '--versoin' before the command (did you mean --version?)"),
        ("check", "nothing to check is named; name files, folders, URLs, - or an --inventory"),
        ("check --policy", "argument --policy: expected one argument"),
    ],
)
def test_a_wrong_word_is_one_line_with_what_was_meant(words, said):
    ran = run_cli(*words.split())

    assert (ran.code, ran.out) == (3, b"")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_what_only_looks_like_an_option_is_none(tmp_path):
    write(tmp_path, app=CONFIG)
    (tmp_path / "-x.yaml").write_text(CONFIG)

    assert run_cli("check", "--exclude", "a b", "--", "-x.yaml", "app.yaml", cwd=tmp_path).code == 0
    assert run_cli("check", "-ojson", "-qv", "app.yaml", cwd=tmp_path).code == 0


def test_no_arguments_on_a_terminal():
    """Nobody types a ResourceList: usage, not a wait for input."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        COMMAND, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
    )
    os.close(theirs)
    out, err = process.communicate(timeout=20)
    os.close(ours)

    assert process.returncode == 3
    assert out == b""
    assert b"usage: krm-harden" in err
    assert b"\x1b" not in err


# fix


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o444, 0o640])
def test_fix_keeps_the_mode(mode, tmp_path, fixed):
    write(tmp_path, app=DEPLOYMENT)
    (tmp_path / "app.yaml").chmod(mode)

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert (tmp_path / "app.yaml").read_text() == fixed
    assert stat.S_IMODE((tmp_path / "app.yaml").stat().st_mode) == mode
    assert [path.name for path in tmp_path.iterdir()] == ["app.yaml"]


def test_fix_keeps_the_owner(tmp_path, fixed):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    write(tmp_path, app=DEPLOYMENT)
    os.chown(tmp_path / "app.yaml", 1234, 2345)

    assert run_cli("fix", "app.yaml", cwd=tmp_path).code == 0

    after = (tmp_path / "app.yaml").stat()
    assert (tmp_path / "app.yaml").read_text() == fixed
    assert (after.st_uid, after.st_gid) == (1234, 2345)


def test_fix_leaves_what_is_in_order_untouched(tmp_path, fixed):
    write(tmp_path, app=fixed, config=CONFIG)
    before = {path: path.stat() for path in tmp_path.iterdir()}

    assert run_cli("fix", ".", cwd=tmp_path).code == 0

    after = {path: path.stat() for path in tmp_path.iterdir()}
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in before.items()
    }


def test_fix_twice(tmp_path, fixed):
    write(tmp_path, app=DEPLOYMENT)

    for _ in range(2):
        assert run_cli("fix", "app.yaml", cwd=tmp_path).code == 0
        assert (tmp_path / "app.yaml").read_text() == fixed


def test_a_file_that_changed_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_text("what somebody else wrote")

    with pytest.raises(KrmHardenError, match="changed by somebody else"):
        _replace.replace(path, b"ours", b"what we read")

    assert path.read_text() == "what somebody else wrote"
    assert [found.name for found in tmp_path.iterdir()] == ["app.yaml"]


def test_a_file_that_changes_while_it_is_fixed(tmp_path):
    """The change of somebody else stays, and is said."""
    text = f"---\n{DEPLOYMENT}" * 1200
    path = tmp_path / "app.yaml"
    path.write_text(text)
    os.utime(path, (0, time.time()))
    process = subprocess.Popen(
        [*COMMAND, "fix", "app.yaml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    while path.stat().st_atime == 0 and process.poll() is None:
        time.sleep(0.002)
    if process.poll() is not None:
        process.communicate()
        pytest.skip("this file system doesn't say when a file was read")
    time.sleep(0.1)  # it has begun to read; the work takes a second and more
    with path.open("a") as file:
        file.write("# a word from somebody else\n")
    out, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert b"changed by somebody else" in out + err
    assert b"1200 workloads, 0 objects changed; changes: 0 safe" in err
    assert path.read_text() == text + "# a word from somebody else\n"
    assert [found.name for found in tmp_path.iterdir()] == ["app.yaml"]


def test_fix_says_what_it_did(tmp_path):
    write(tmp_path, app=DEPLOYMENT)

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)
    lines = ran.out.decode().splitlines()

    assert [line for line in lines if not re.match(r"app\.yaml:\d+: (error|warning|info): ", line)] == []
    assert ran.err.splitlines() == [
        "krm-harden: 1 document in 1 file, 1 workload, 1 object changed; "
        "changes: 2 safe, 0 evidence, 4 may-break; 0 refusals",
        "krm-harden: allowed: 0 -> 1 of 1 workload; 0 errors, 4 warnings",
    ]


def test_fix_with_an_open_error_writes_what_it_can(tmp_path):
    write(tmp_path, app=EXPLICIT)

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)
    text = (tmp_path / "app.yaml").read_text()

    assert ran.code == 1
    assert "allowPrivilegeEscalation: true" in text
    assert "runAsNonRoot: true" in text


@pytest.mark.parametrize("ending", ["\r\n", "\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("final", [True, False], ids=["ended", "unended"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no-mark", "mark"])
def test_fix_keeps_line_endings(ending, final, mark, tmp_path, fixed):
    text = mark + (DEPLOYMENT if final else DEPLOYMENT.rstrip("\n")).replace("\n", ending)
    (tmp_path / "app.yaml").write_bytes(text.encode())

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)

    expected = mark + (fixed if final else fixed.rstrip("\n")).replace("\n", ending)
    assert ran.code == 0
    assert (tmp_path / "app.yaml").read_bytes() == expected.encode()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_fix_keeps_the_encoding(codec, tmp_path, fixed):
    (tmp_path / "app.yaml").write_bytes(f"\ufeff{DEPLOYMENT}".encode(codec))

    assert run_cli("fix", "app.yaml", cwd=tmp_path).code == 0
    assert (tmp_path / "app.yaml").read_bytes() == f"\ufeff{fixed}".encode(codec)


def test_fix_json(tmp_path):
    data = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "template": {"spec": {"containers": [{"name": "a", "image": "b"}]}},
    }
    (tmp_path / "app.json").write_text(json.dumps(data, indent=2))

    assert run_cli("fix", ".", cwd=tmp_path).code == 0
    assert (
        json.loads((tmp_path / "app.json").read_text())["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    )


# fix --diff


def test_diff(tmp_path, fixed):
    write(tmp_path, app=DEPLOYMENT, config=CONFIG)
    patch = require("patch")

    ran = run_cli("fix", "--diff", "app.yaml", "config.yaml", cwd=tmp_path)

    assert ran.code == 1
    assert (tmp_path / "app.yaml").read_text() == DEPLOYMENT
    assert ran.out.startswith(b"--- a/app.yaml\n+++ b/app.yaml\n@@ ")
    assert b"config.yaml" not in ran.out
    assert "would change" in ran.err
    subprocess.run([patch, "-p1"], input=ran.out, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "app.yaml").read_text() == fixed


@pytest.mark.parametrize("text", [DEPLOYMENT.rstrip("\n"), DEPLOYMENT.replace("\n", "\r\n")], ids=["unended", "crlf"])
def test_diff_applies(text, tmp_path):
    (tmp_path / "app.yaml").write_bytes(text.encode())
    patch = require("patch")

    ran = run_cli("fix", "--diff", "app.yaml", cwd=tmp_path)
    subprocess.run([patch, "-p1", "--binary"], input=ran.out, cwd=tmp_path, check=True, capture_output=True)

    assert (tmp_path / "app.yaml").read_bytes() == run_cli("fix", "-", stdin=text.encode()).out


@pytest.mark.parametrize("name", ["folder/app.yaml", "./app.yaml", "absolute"])
def test_diff_applies_with_git(name, tmp_path, fixed):
    git = require("git")
    target = tmp_path / ("app.yaml" if name == "absolute" else name)
    target.parent.mkdir(exist_ok=True)
    target.write_text(DEPLOYMENT)
    given = str(target) if name == "absolute" else name

    ran = run_cli("fix", "--diff", given, cwd=tmp_path)
    if name == "absolute":
        assert b"//" not in ran.out
    else:
        subprocess.run([git, "apply"], input=ran.out, cwd=tmp_path, check=True, capture_output=True)
        assert target.read_text() == fixed


def test_diff_of_a_folder(tmp_path):
    files = {"a/app.yaml": DEPLOYMENT, "b/app.yaml": DEPLOYMENT, "c.yaml": CONFIG}
    tree(tmp_path, files)

    ran = run_cli("fix", "--diff", ".", cwd=tmp_path)

    assert ran.code == 1
    assert re.findall(rb"^--- .*", ran.out, re.MULTILINE) == [b"--- a/a/app.yaml", b"--- a/b/app.yaml"]
    assert changed(tmp_path, files) == []


def test_diff_of_what_is_in_order(tmp_path, fixed):
    write(tmp_path, app=fixed)

    ran = run_cli("fix", "--diff", "app.yaml", cwd=tmp_path)

    assert (ran.code, ran.out) == (0, b"")


def test_diff_of_stdin(fixed):
    ran = run_cli("fix", "--diff", "-", stdin=DEPLOYMENT.encode())

    assert ran.code == 1
    assert ran.out.startswith(b"--- a/-\n+++ b/-\n")


def test_diff_with_json(tmp_path):
    write(tmp_path, app=DEPLOYMENT)

    ran = run_cli("fix", "--diff", "-o", "json", "app.yaml", cwd=tmp_path)

    assert ran.code == 1
    assert json.loads(ran.out)["summary"]["filesChanged"] == 1
    assert (tmp_path / "app.yaml").read_text() == DEPLOYMENT


# fix -


def test_filter(fixed):
    ran = run_cli("fix", "-", stdin=DEPLOYMENT.encode())

    assert ran.code == 0
    assert ran.out.decode() == fixed
    assert "1 document in 1 file, 1 workload, 1 object changed" in ran.err


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        (EXPLICIT, (), 1),
        (f"{DEPLOYMENT}---\n{EXPLICIT}", (), 1),
        (BROKEN, (), 2),
        (f"{DEPLOYMENT}---\n{BROKEN}", (), 2),
        ("", (), 2),
        (DEPLOYMENT, ("--policy", "nowhere.yaml"), 3),
        (DEPLOYMENT, ("--level", "strict"), 3),
        (DEPLOYMENT, ("nowhere.yaml",), 3),
    ],
)
def test_filter_writes_nothing_but_at_0(text, arguments, code, tmp_path):
    ran = run_cli("fix", "-", *arguments, stdin=text.encode(), cwd=tmp_path)

    assert (ran.code, ran.out) == (code, b"")
    assert "error" in ran.err


@pytest.mark.parametrize("way", [("fix", "-"), ("fn", "policy.yaml", "-"), ("fn", "policy.yaml")])
def test_filter_passes_on_what_is_not_its_own(way, tmp_path):
    write(tmp_path, policy=POLICY.removesuffix("spec:\n"))
    text = f"# a comment\n---\n{CONFIG}---\n# end\n"

    ran = run_cli(*way, stdin=text.encode(), cwd=tmp_path)

    assert (ran.code, ran.out.decode()) == (0, text)


def test_fn_joins_files(tmp_path, fixed):
    write(
        tmp_path,
        policy=POLICY.removesuffix("spec:\n"),
        app=DEPLOYMENT,
        config=CONFIG.rstrip("\n"),
        more=f"---\n{DEPLOYMENT}",
    )

    ran = run_cli("fn", "policy.yaml", "app.yaml", "config.yaml", "more.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert ran.out.decode() == f"{fixed}---\n{CONFIG}---\n{fixed}"


@pytest.mark.parametrize(("text", "code"), [(EXPLICIT, 1), (BROKEN, 2)])
def test_fn_writes_nothing_but_at_0(text, code, tmp_path):
    write(tmp_path, policy=POLICY.removesuffix("spec:\n"), app=DEPLOYMENT, bad=text)

    ran = run_cli("fn", "policy.yaml", "app.yaml", "bad.yaml", cwd=tmp_path)

    assert (ran.code, ran.out) == (code, b"")
    assert "bad.yaml" in ran.err


# The report in JSON

REPORT = ["$schema", "created", "errors", "notExamined", "resources", "summary", "tool", "version", "warnings"]
TODAY = {"SOURCE_DATE_EPOCH": "1800000000"}
RESOURCE = [
    "file",
    "apiVersion",
    "kind",
    "namespace",
    "name",
    "level",
    "version",
    "allowed",
    "message",
    "findings",
    "operations",
]
FINDING = [
    "control",
    "level",
    "state",
    "risk",
    "severity",
    "path",
    "current",
    "proposed",
    "message",
    "reason",
    "evidence",
]


@pytest.mark.parametrize(("command", "code", "state"), [("fix", 0, "fixed"), ("check", 1, "open")])
def test_json(command, code, state, tmp_path, fixed):
    tree(tmp_path, {"app.yaml": DEPLOYMENT, "kustomization.yaml": "resources: [app.yaml]\n"})

    ran = run_cli(command, "-o", "json", ".", cwd=tmp_path)
    report = json.loads(ran.out)
    resource = report["resources"][0]

    assert (ran.code, ran.err) == (code, "")
    assert sorted(report) == REPORT
    assert report["version"] == 1
    assert [key for key in RESOURCE if key not in resource] == []
    assert [key for finding in resource["findings"] for key in FINDING if key not in finding] == []
    assert {key: resource[key] for key in RESOURCE[:7]} == {
        "file": "app.yaml",
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "level": "restricted",
        "version": "latest",
    }
    assert resource["allowed"] is (command == "fix")
    assert (resource["message"] == "") is (command == "fix")
    assert {state} == {finding["state"] for finding in resource["findings"]}
    assert (resource["operations"] != []) is (command == "fix")
    assert [note["file"] for note in report["notExamined"]] == ["kustomization.yaml"]
    assert report["summary"]["resources"] == 1


def test_json_operations_are_a_patch(tmp_path, fixed):
    import jsonpatch

    from krm_harden.source import read

    write(tmp_path, app=f"apiVersion: v1\nkind: List\nitems:\n{_item(DEPLOYMENT)}")

    report = json.loads(run_cli("fix", "-o", "json", "app.yaml", cwd=tmp_path).out)

    assert jsonpatch.apply_patch(read(DEPLOYMENT).data, report["resources"][0]["operations"]) == read(fixed).data


def _item(text: str) -> str:
    return "- " + text.replace("\n", "\n  ").rstrip(" ")


def test_json_of_a_filter_goes_beside_it(fixed):
    ran = run_cli("fix", "-o", "json", "-", stdin=DEPLOYMENT.encode())

    assert ran.out.decode() == fixed
    assert sorted(json.loads(ran.err)) == REPORT


@pytest.mark.parametrize("command", ["fix", "check"])
def test_json_names_what_cannot_be_read(command, tmp_path):
    write(tmp_path, app=DEPLOYMENT, bad=BROKEN)

    ran = run_cli(command, "-o", "json", ".", cwd=tmp_path)
    report = json.loads(ran.out)

    assert ran.code == 2
    assert [error["file"] for error in report["errors"]] == ["bad.yaml"]
    assert [resource["file"] for resource in report["resources"]] == ["app.yaml"]
    assert report["summary"]["unreadable"] == 1


@pytest.mark.parametrize("command", ["fix", "check"])
def test_json_is_deterministic(command, tmp_path):
    tree(tmp_path, {f"{name}.yaml": DEPLOYMENT for name in "dbca"})

    first, second = (
        run_cli(command, *(["--diff"] if command == "fix" else []), "-o", "json", ".", cwd=tmp_path, **TODAY)
        for _ in range(2)
    )

    assert first.out == second.out
    assert [one["file"] for one in json.loads(first.out)["resources"]] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]


# check


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (DEPLOYMENT, 1),
        (EXPLICIT, 1),
        (CONFIG, 0),
        (BROKEN, 2),
        (f"{DEPLOYMENT}---\n{BROKEN}", 2),
        (f"{CONFIG}---\n{DEPLOYMENT}", 1),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_check_exit_codes(text, code, stream, tmp_path):
    write(tmp_path, app=text)

    ran = run_cli("check", "-" if stream else "app.yaml", stdin=text.encode(), cwd=tmp_path)

    assert ran.code == code
    assert (tmp_path / "app.yaml").read_text() == text


def test_check_after_fix(fixed):
    ran = run_cli("check", "-", stdin=fixed.encode())

    assert (ran.code, ran.out) == (0, b"")


def test_check_names_file_and_line(tmp_path):
    write(tmp_path, app=f"{CONFIG}---\n{EXPLICIT}")

    ran = run_cli("check", "app.yaml", cwd=tmp_path)
    line = next(line for line in ran.out.decode().splitlines() if "sets allowPrivilegeEscalation=true" in line)

    assert line.startswith("app.yaml:20: error: explicit: Deployment/shop/web: allowPrivilegeEscalation ")
    assert "exemption: {match: {kinds: [Deployment], namespaces: [shop], names: [web], containers: [web]}" in line


def test_check_says_how_much_there_is_to_change(tmp_path):
    write(tmp_path, app=DEPLOYMENT)

    assert "1 object to change" in run_cli("check", "app.yaml", cwd=tmp_path).err


def test_exemptions_change_the_exit_code_not_the_verdict(tmp_path, fixed):
    text = fixed.replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
    write(tmp_path, app=text, policy=POLICY + EXEMPTION)

    plain, exempt = (
        run_cli("check", *more, "-o", "json", "app.yaml", cwd=tmp_path) for more in ((), ("--policy", "policy.yaml"))
    )

    assert (plain.code, exempt.code) == (1, 0)
    for ran in (plain, exempt):
        resource = json.loads(ran.out)["resources"][0]
        assert resource["allowed"] is False
        assert "allowPrivilegeEscalation != false" in resource["message"]


@pytest.mark.parametrize(("epoch", "code"), [("1814313600", 0), ("1814400000", 1), ("1900000000", 1)])
def test_an_expired_exemption(epoch, code, tmp_path, fixed):
    text = fixed.replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
    write(tmp_path, app=text, policy=f"{POLICY}{EXEMPTION}    expires: 2027-06-30\n")

    checked = run_cli("check", "--policy", "policy.yaml", "app.yaml", cwd=tmp_path, SOURCE_DATE_EPOCH=epoch)
    filtered = run_cli(
        "fix", "--policy", "policy.yaml", "-", stdin=text.encode(), cwd=tmp_path, SOURCE_DATE_EPOCH=epoch
    )

    assert checked.code == code
    assert ("expired on 2027-06-30" in checked.out.decode()) is (code == 1)
    assert (filtered.code, filtered.out.decode()) == (0, text)


@pytest.mark.parametrize(("said", "codes"), [("Fail", (1, 1, 1)), ("Warn", (0, 0, 0))])
def test_on_violation(said, codes, tmp_path):
    write(tmp_path, app=EXPLICIT, policy=f"{POLICY}  onViolation: {said}\n")

    ran = [
        run_cli(*way, stdin=EXPLICIT.encode(), cwd=tmp_path)
        for way in (
            ("check", "--policy", "policy.yaml", "app.yaml"),
            ("fix", "--policy", "policy.yaml", "-"),
            ("fn", "policy.yaml", "app.yaml"),
        )
    ]

    assert tuple(one.code for one in ran) == codes
    assert [bool(one.out) for one in ran[1:]] == [said == "Warn"] * 2


def test_on_violation_does_not_soften_what_cannot_be_read(tmp_path):
    write(tmp_path, app=BROKEN, policy=f"{POLICY}  onViolation: Warn\n")

    assert run_cli("check", "--policy", "policy.yaml", "app.yaml", cwd=tmp_path).code == 2


@pytest.mark.parametrize(("level", "code"), [("privileged", 0), ("baseline", 0), ("restricted", 1)])
def test_level(level, code, tmp_path):
    write(tmp_path, app=DEPLOYMENT, policy=f"{POLICY}  level: restricted\n")

    assert run_cli("check", "--level", level, "app.yaml", cwd=tmp_path).code == code
    assert run_cli("check", "--policy", "policy.yaml", "--level", level, "app.yaml", cwd=tmp_path).code == code


def test_images(tmp_path):
    write(
        tmp_path,
        app=DEPLOYMENT,
        lock='images:\n- match: "registry.example/web:*"\n  uid: 4711\n  gid: 4712\n  writablePaths: [/data]\n',
    )

    ran = run_cli("fix", "--images", "lock.yaml", "-o", "json", "app.yaml", cwd=tmp_path)
    text = (tmp_path / "app.yaml").read_text()
    findings = json.loads(ran.out)["resources"][0]["findings"]

    assert ran.code == 0
    assert [word for word in ("runAsUser: 4711", "runAsGroup: 4712", "mountPath: /data") if word not in text] == []
    assert {"safe", "evidence"} == {finding["risk"] for finding in findings}
    assert any("lock.yaml" in finding["evidence"] for finding in findings)


def test_policy_of_the_environment(tmp_path):
    write(
        tmp_path,
        app=DEPLOYMENT,
        policy=f"{POLICY}  controls:\n    numericUser: {{uid: 4711}}\n",
        other=f"{POLICY}  changes: additive\n",
    )
    (tmp_path / "other.yaml").rename(tmp_path / "other.policy")

    by_variable = run_cli("fix", "-", stdin=DEPLOYMENT.encode(), cwd=tmp_path, KRM_HARDEN_POLICY="policy.yaml")
    by_option = run_cli("fix", "--policy", "policy.yaml", "-", stdin=DEPLOYMENT.encode(), cwd=tmp_path)
    both = run_cli(
        "fix", "--policy", "policy.yaml", "-", stdin=DEPLOYMENT.encode(), cwd=tmp_path, KRM_HARDEN_POLICY="other.policy"
    )

    assert b"runAsUser: 4711\n" in by_variable.out
    assert by_variable.out == by_option.out == both.out


def test_policies_among_manifests_stay(tmp_path):
    write(tmp_path, policy=f"{POLICY}  level: restricted\n")

    ran = run_cli("fix", ".", cwd=tmp_path)

    assert ran.code == 0
    assert (tmp_path / "policy.yaml").read_text() == f"{POLICY}  level: restricted\n"


# Several files


@pytest.mark.parametrize("command", ["fix", "check"])
@pytest.mark.parametrize("bad", ["a.yaml", "m.yaml", "z.yaml"])
def test_one_bad_file_does_not_stop_the_others(command, bad, tmp_path, fixed):
    tree(tmp_path, {"b.yaml": DEPLOYMENT, "n.yaml": DEPLOYMENT, bad: BROKEN})

    ran = run_cli(command, ".", cwd=tmp_path)

    assert ran.code == 2
    assert (tmp_path / bad).read_text() == BROKEN
    for name in ("b.yaml", "n.yaml"):
        assert name in ran.out.decode()
        assert (tmp_path / name).read_text() == (fixed if command == "fix" else DEPLOYMENT)


@pytest.mark.parametrize("command", ["fix", "check"])
def test_bad_files_are_named_at_the_end(command, tmp_path):
    tree(tmp_path, {"a.yaml": BROKEN, "b.yaml": DEPLOYMENT, "c.yaml": f"{DEPLOYMENT}---\n{BROKEN}"})

    ran = run_cli(command, ".", cwd=tmp_path)

    assert [name for name in ("a.yaml", "c.yaml") if name not in ran.err] == []
    assert "b.yaml" not in ran.err


def test_one_bad_document_does_not_stop_the_others(tmp_path, fixed):
    write(tmp_path, app=f"{DEPLOYMENT}---\n{BROKEN}---\n{DEPLOYMENT}")

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)

    assert ran.code == 2
    assert (tmp_path / "app.yaml").read_text() in {
        f"{DEPLOYMENT}---\n{BROKEN}---\n{DEPLOYMENT}",
        f"{fixed}---\n{BROKEN}---\n{fixed}",
    }


def test_a_file_named_twice_is_one(tmp_path, fixed):
    write(tmp_path, app=DEPLOYMENT)

    ran = run_cli("fix", "app.yaml", "./app.yaml", ".", cwd=tmp_path)

    assert ran.code == 0
    assert (tmp_path / "app.yaml").read_text() == fixed
    assert "1 document in 1 file, 1 workload" in ran.err


# Folders

ALL = {
    "app.yaml": DEPLOYMENT,
    "app.yml": DEPLOYMENT,
    "deep/er/app.yaml": DEPLOYMENT,
    "two words/app.yaml": DEPLOYMENT,
    "notes.txt": DEPLOYMENT,
    "script.sh": DEPLOYMENT,
    ".git/config.yaml": DEPLOYMENT,
    "charts/app.yaml": DEPLOYMENT,
    "deep/charts/app.yaml": DEPLOYMENT,
    "vendor/app.yaml": DEPLOYMENT,
}
MANIFESTS = ["app.yaml", "app.yml", "deep/er/app.yaml", "two words/app.yaml"]


def test_folder(tmp_path):
    tree(tmp_path, ALL)

    ran = run_cli("fix", ".", cwd=tmp_path)

    assert ran.code == 0
    assert changed(tmp_path, ALL) == MANIFESTS


def test_a_file_that_is_named_is_not_excluded_by_its_folder(tmp_path):
    tree(tmp_path, ALL)

    run_cli("fix", "charts/app.yaml", "notes.txt", cwd=tmp_path)

    assert changed(tmp_path, ALL) == ["charts/app.yaml", "notes.txt"]


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("deep/\n", ["app.yaml", "app.yml", "two words/app.yaml"]),
        ("*.yml\n", ["app.yaml", "deep/er/app.yaml", "two words/app.yaml"]),
        ("*.yaml\n!/app.yaml\n", ["app.yaml", "app.yml"]),
        ("/app.yaml\n", ["app.yml", "deep/er/app.yaml", "two words/app.yaml"]),
        ("# nothing\n\n", MANIFESTS),
        ("**/er/\n", ["app.yaml", "app.yml", "two words/app.yaml"]),
    ],
)
@pytest.mark.parametrize("name", [".gitignore", ".krmignore"])
def test_ignore_files(name, ignored, left, tmp_path):
    tree(tmp_path, {**ALL, name: ignored})

    run_cli("fix", ".", cwd=tmp_path)

    assert changed(tmp_path, ALL) == left


@pytest.mark.parametrize("name", [".gitignore", ".krmignore"])
def test_ignore_files_within_and_above(name, tmp_path):
    files = {
        "repo/deploy/a.yaml": DEPLOYMENT,
        "repo/deploy/out/b.yaml": DEPLOYMENT,
        "repo/deploy/in/c.yaml": DEPLOYMENT,
    }
    tree(tmp_path, {**files, f"repo/{name}": "out/\n", f"repo/deploy/in/{name}": "c.yaml\n", f"{name}": "*.yaml\n"})
    (tmp_path / "repo" / ".git").mkdir()

    for target in ("deploy", "./deploy", str(tmp_path / "repo" / "deploy")):
        run_cli("fix", target, cwd=tmp_path / "repo")

    assert changed(tmp_path, files) == ["repo/deploy/a.yaml"]


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        (["deep"], ["app.yaml", "app.yml", "two words/app.yaml"]),
        (["deep/"], ["app.yaml", "app.yml", "two words/app.yaml"]),
        (["*.yml"], ["app.yaml", "deep/er/app.yaml", "two words/app.yaml"]),
        (["*.yml", "two words"], ["app.yaml", "deep/er/app.yaml"]),
        (["app.*"], []),
    ],
)
def test_exclude(globs, left, tmp_path):
    tree(tmp_path, ALL)

    run_cli("fix", *[part for glob in globs for part in ("--exclude", glob)], ".", cwd=tmp_path)

    assert changed(tmp_path, ALL) == left


def test_an_empty_folder(tmp_path):
    ran = run_cli("check", ".", cwd=tmp_path)

    assert ran.code in {0, 2}
    assert "0 documents in 0 files, 0 workloads" in ran.err


# What is left alone, and named

PATCH = DEPLOYMENT.replace("        image: registry.example/web:1\n", "        env: []\n")
DELETION = DEPLOYMENT.replace("      - name: web\n", "      - $patch: delete\n        name: web\n")
SOPS = DEPLOYMENT + "sops:\n  mac: ENC[AES256_GCM,data:abc]\n  version: 3.9.0\n"
HELM = DEPLOYMENT.replace("  name: web\n  namespace", '  name: {{ include "web.name" . }}\n  namespace')
HELM_BLOCKS = DEPLOYMENT.replace("spec:\n  template", "{{- if .Values.web }}\nspec:\n  template") + "{{- end }}\n"

LEFT_ALONE = {
    "kustomization": ({"kustomization.yaml": "resources:\n- a.yaml\n"}, "kustomization.yaml", "kustomization"),
    "kustomization-yml": ({"kustomization.yml": "resources: []\n"}, "kustomization.yml", "kustomization"),
    "Kustomization": ({"Kustomization": "resources: []\n"}, "Kustomization", "kustomization"),
    "Kptfile": (
        {"Kptfile": "apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: web\n"},
        "Kptfile",
        "package",
    ),
    "sops": ({"app.yaml": SOPS}, "app.yaml", "SOPS"),
    "helm-template": ({"app.yaml": HELM}, "app.yaml", "template"),
    "helm-template-with-blocks": ({"app.yaml": HELM_BLOCKS}, "app.yaml", "template"),
    "binary": ({"app.yaml": "\x7fELF\x00\x01"}, "app.yaml", "binary"),
    "patches": (
        {"kustomization.yaml": "patches:\n- path: patch.yaml\n", "patch.yaml": DEPLOYMENT},
        "patch.yaml",
        "kustomization.yaml",
    ),
    "patches-with-a-target": (
        {
            "kustomization.yaml": "patches:\n- path: patch.yaml\n  target: {kind: Deployment}\n",
            "patch.yaml": DEPLOYMENT,
        },
        "patch.yaml",
        "kustomization.yaml",
    ),
    "patchesStrategicMerge": (
        {"kustomization.yaml": "patchesStrategicMerge:\n- patch.yaml\n", "patch.yaml": DEPLOYMENT},
        "patch.yaml",
        "kustomization.yaml",
    ),
    "patchesJson6902": (
        {
            "Kustomization": "patchesJson6902:\n- path: patch.yaml\n  target: {kind: Deployment}\n",
            "patch.yaml": DEPLOYMENT,
        },
        "patch.yaml",
        "Kustomization",
    ),
    "patch-in-another-folder": (
        {"over/kustomization.yaml": "patches:\n- path: ../patches/web.yaml\n", "patches/web.yaml": DEPLOYMENT},
        "patches/web.yaml",
        "kustomization.yaml",
    ),
    "patch-far-below": (
        {"kustomization.yaml": "patches:\n- path: a/b/c/web.yaml\n", "a/b/c/web.yaml": DEPLOYMENT},
        "a/b/c/web.yaml",
        "kustomization.yaml",
    ),
    "patch-of-a-component": (
        {"kustomization.yaml": "kind: Component\npatches:\n- path: patch.yaml\n", "patch.yaml": DEPLOYMENT},
        "patch.yaml",
        "kustomization.yaml",
    ),
    "patch-directive": ({"app.yaml": DELETION}, "app.yaml", "patch"),
    "container-without-image": ({"app.yaml": PATCH}, "app.yaml", "patch"),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone_and_named(name, tmp_path):
    files, file, reason = LEFT_ALONE[name]
    tree(tmp_path, files)

    ran = run_cli("fix", ".", cwd=tmp_path)
    report = json.loads(run_cli("fix", "-o", "json", ".", cwd=tmp_path).out)

    assert ran.code == 0
    assert changed(tmp_path, files) == []
    said = [line for line in ran.out.decode().splitlines() if line.startswith(file)]
    assert len(said) == 1
    assert reason in said[0]
    assert file in [note["file"] for note in report["notExamined"]]


@pytest.mark.parametrize("name", ["kustomization", "sops", "helm-template", "patches"])
def test_check_names_what_it_did_not_examine(name, tmp_path):
    files, file, _ = LEFT_ALONE[name]
    tree(tmp_path, files)

    report = json.loads(run_cli("check", "-o", "json", ".", cwd=tmp_path).out)

    assert file in [note["file"] for note in report["notExamined"]]


def test_what_is_left_alone_does_not_stop_the_rest(tmp_path, fixed):
    files = {"app.yaml": f"{SOPS}---\n{DEPLOYMENT}", "helm.yaml": f"{HELM}---\n{DEPLOYMENT}", "web.yaml": DEPLOYMENT}
    tree(tmp_path, files)

    run_cli("fix", ".", cwd=tmp_path)

    assert (tmp_path / "app.yaml").read_text() == f"{SOPS}---\n{fixed}"
    assert (tmp_path / "helm.yaml").read_text() == f"{HELM}---\n{fixed}"
    assert (tmp_path / "web.yaml").read_text() == fixed


def test_local_config_is_untouched(tmp_path):
    text = DEPLOYMENT.replace(
        "spec:\n  template", '  annotations:\n    config.kubernetes.io/local-config: "true"\nspec:\n  template'
    )
    write(tmp_path, app=text)

    assert run_cli("fix", "app.yaml", cwd=tmp_path).code == 0
    assert (tmp_path / "app.yaml").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        CONFIG.replace("a: b", "pod: |\n    " + DEPLOYMENT.replace("\n", "\n    ").rstrip()),
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a\nspec:\n  x:\n    containers:\n    - image: a\n",
    ],
    ids=["ConfigMap", "CustomResourceDefinition"],
)
def test_what_only_looks_like_a_pod_is_silent(text, tmp_path):
    write(tmp_path, app=text)

    ran = run_cli("fix", "app.yaml", cwd=tmp_path)

    assert (ran.code, ran.out) == (0, b"")
    assert (tmp_path / "app.yaml").read_text() == text


def test_an_unknown_kind_with_containers_is_named(tmp_path):
    write(
        tmp_path,
        app="apiVersion: example.com/v1\nkind: App\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n    image: b\n",
    )

    ran = run_cli("check", "app.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert "example.com/v1 App isn't known" in ran.out.decode()


# Schema


def test_schema():
    import jsonschema

    ran = run_cli("schema")
    schema = json.loads(ran.out)
    policy = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": {"level": "baseline"}}

    assert (ran.code, ran.err) == (0, "")
    jsonschema.validate(policy, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**policy, "spec": {"levle": "baseline"}}, schema)


# Progress and colours are for people only


def test_no_escape_codes_where_nobody_looks(tmp_path):
    tree(tmp_path, {f"{number:03}.yaml": CONFIG for number in range(210)})

    ran = run_cli("check", ".", cwd=tmp_path)

    assert "\x1b" not in ran.err
    assert b"\x1b" not in ran.out


def test_the_console_script_is_the_module():
    script = shutil.which("krm-harden", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("krm-harden isn't installed as a program")

    done = subprocess.run([script, "--version"], capture_output=True, check=True, env=clean_environment())

    assert done.stdout == run_cli("--version").out


def test_require_coverage(tmp_path):
    (tmp_path / "unknown.yaml").write_text(
        "apiVersion: example.com/v1\nkind: Fleet\nspec: {containers: [{name: a, image: b}]}\n"
    )

    assert run_cli("check", tmp_path).code == 0
    assert run_cli("check", "--require-coverage", tmp_path).code == 1


def test_a_version_of_fix_that_is_empty_is_refused():
    ran = run_cli("fix", "--version=", "-", stdin=b"")

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err.startswith("krm-harden: error: --version ")

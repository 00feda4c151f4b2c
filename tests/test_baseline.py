"""`check --baseline`: what is wrong today is accepted, what is new fails, and the file only gets shorter by itself."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Ran, clean_environment, require, run_cli

if TYPE_CHECKING:
    from pathlib import Path

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: example.com/app:1
        securityContext: &context
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL], add: [NET_ADMIN]}
          allowPrivilegeEscalation: false
      - name: sidecar
        image: example.com/sidecar:1
        securityContext:
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
"""
ACCEPTED = """\
# Findings that `krm-harden check --baseline` accepts for now. A line goes by itself when its finding is gone;
# `--write-baseline` writes them all anew.
version: 1
judged: "restricted:latest"
findings:
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one Deployment, in which two things are wrong."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(DEPLOYMENT.replace(" &context", ""))
    return tmp_path


def check(folder: Path, *words: str | Path, **more: Any) -> Ran:
    return run_cli("check", "--baseline", "accepted.yaml", *(words or ("deploy",)), cwd=folder, **more)


def write(folder: Path, *words: str | Path, **more: Any) -> list[str]:
    """The lines of a baseline of what is wrong now."""
    ran = check(folder, *(words or ("deploy",)), "--write-baseline", **more)
    assert ran.code == 0, ran.err
    return entries(folder)


def entries(folder: Path) -> list[str]:
    text = (folder / "accepted.yaml").read_text()
    return [line for line in text.splitlines() if line.startswith("- ")]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_baseline_has_a_line_for_each_finding_that_a_reviewer_understands(repository, text_snapshot):
    write(repository)

    assert (repository / "accepted.yaml").read_text() == text_snapshot


def test_what_is_known_passes_and_is_only_counted(repository):
    before = check(repository, "deploy", "-o", "json", "--write-baseline")
    ran = check(repository)

    assert (ran.code, ran.out) == (0, b"")
    assert ran.err.startswith("krm-harden: 2 known findings in accepted.yaml; -v shows them\n")
    assert before.code == 0


def test_verbose_shows_what_is_known(repository):
    write(repository)

    ran = check(repository, "deploy", "-v")

    assert ran.code == 0
    assert ran.out.count(b"(in the baseline)") == 2
    assert b"info: explicit: Deployment/shop/web: capabilities" in ran.out


def test_the_verdict_stays_what_the_server_says(repository):
    write(repository)

    ran = check(repository, "deploy", "-o", "json")
    (resource,) = json.loads(ran.out)["resources"]

    assert ran.code == 0
    assert resource["allowed"] is False
    assert {finding["severity"] for finding in resource["findings"]} == {"info"}


def test_a_new_finding_fails_and_only_it_is_shown(repository):
    write(repository)
    other = DEPLOYMENT.replace(" &context", "").replace("name: web,", "name: other,")
    (repository / "deploy" / "other.yaml").write_text(other.replace("sidecar", "helper"))

    ran = check(repository)

    assert ran.code == 1
    assert b"Deployment/shop/other" in ran.out
    assert b"Deployment/shop/web" not in ran.out
    assert len(entries(repository)) == 2


def test_without_the_option_nothing_is_accepted(repository):
    write(repository)

    assert run_cli("check", "deploy", cwd=repository).code == 1


def test_a_baseline_that_is_missing_passes_nothing(repository):
    ran = run_cli("check", "--baseline", "acepted.yaml", "deploy", cwd=repository)

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err == "krm-harden: error: acepted.yaml: there is no such baseline; --write-baseline makes it\n"
    assert not (repository / "acepted.yaml").exists()


# What is the same, and what is not


def test_moved_lines_and_reordered_containers_are_known(repository):
    write(repository)
    web = repository / "deploy" / "web.yaml"
    head, app, sidecar = (
        web.read_text()
        .replace("      - name: sidecar", "      - name: app\0      - name: sidecar")
        .split("      - name: app")
    )
    moved = f"# one\n# more\n---\n{head}{sidecar.removeprefix(chr(0))}      - name: app{app}"
    web.write_text(moved)

    ran = check(repository)

    assert (ran.code, ran.out) == (0, b"")
    assert len(entries(repository)) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("add: [NET_ADMIN]", "add: [NET_ADMIN, SYS_ADMIN]"),
        ("add: [NET_ADMIN]", "add: [SYS_ADMIN]"),
        ("capabilities: {drop: [ALL]}", "allowPrivilegeEscalation: true\n          capabilities: {drop: [ALL]}"),
        ("capabilities: {drop: [ALL]}", "capabilities: {drop: [KILL]}"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("- name: sidecar", "- name: renamed"),
        ("kind: Deployment", "kind: DaemonSet"),
    ],
)
def test_what_got_worse_or_is_another_thing_is_new(repository, old, new):
    write(repository)
    change(repository / "deploy" / "web.yaml", old, new)

    assert check(repository).code == 1


def test_the_same_value_in_another_order_is_known(repository):
    change(repository / "deploy" / "web.yaml", "add: [NET_ADMIN]", "add: [NET_ADMIN, SYS_ADMIN]")
    write(repository)
    change(repository / "deploy" / "web.yaml", "add: [NET_ADMIN, SYS_ADMIN]", "add: [SYS_ADMIN, NET_ADMIN]")

    assert check(repository).code == 0


def test_equal_findings_are_accepted_as_often_as_they_have_lines(repository):
    web = repository / "deploy" / "web.yaml"
    twice = f"{web.read_text()}---\n{web.read_text()}"
    web.write_text(twice)
    assert len(write(repository)) == 4

    assert check(repository).code == 0
    web.write_text(f"{twice}---\n{DEPLOYMENT.replace(' &context', '')}")
    assert check(repository).code == 1
    web.write_text(DEPLOYMENT.replace(" &context", ""))
    assert check(repository).code == 0
    assert len(entries(repository)) == 2


def test_a_renamed_file_is_known_and_a_copy_is_not(repository):
    lines = write(repository)
    web = repository / "deploy" / "web.yaml"
    web.rename(web.with_name("shop.yaml"))

    ran = check(repository)
    assert ran.code == 0
    assert "2 of its findings are of files that have another name now: --write-baseline writes it" in ran.err
    assert entries(repository) == lines

    shutil.copy(web.with_name("shop.yaml"), web.with_name("copy.yaml"))
    assert check(repository).code == 1

    web.with_name("copy.yaml").unlink()
    assert [line.replace("deploy/web.yaml", "deploy/shop.yaml").rpartition("id:")[0] for line in lines] == [
        line.rpartition("id:")[0] for line in write(repository)
    ]


# What is gone goes


def test_a_finding_that_is_gone_loses_its_line_and_comments_stay(repository):
    lines = write(repository)
    path = repository / "accepted.yaml"
    path.write_text(path.read_text().replace("findings:\n", "findings:\n# until the router has its own node\n"))
    path.chmod(0o640)
    change(repository / "deploy" / "web.yaml", ", add: [NET_ADMIN]", "")

    ran = check(repository)

    assert ran.code == 0
    assert (
        "warning: accepted.yaml: 1 of its findings is gone, and so are their lines: commit the shorter file" in ran.err
    )
    assert path.read_text() == f"{ACCEPTED}# until the router has its own node\n{lines[1]}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    change(repository / "deploy" / "web.yaml", "drop: [ALL]", "drop: [ALL], add: [NET_ADMIN]")
    assert check(repository).code == 1


def test_when_all_is_gone_the_file_is_still_a_baseline(repository):
    write(repository)
    shutil.copy(repository / "deploy" / "web.yaml", repository)
    assert run_cli("fix", "web.yaml", cwd=repository).code == 1
    change(repository / "web.yaml", ", add: [NET_ADMIN]", "")
    shutil.copy(repository / "web.yaml", repository / "deploy")

    assert check(repository).code == 0
    assert (repository / "accepted.yaml").read_text() == ACCEPTED
    assert check(repository).code == 0


@pytest.mark.parametrize(("words", "code"), [(("deploy",), 2), (("-",), 2), (("deploy", "--allow-empty"), 0)])
def test_a_build_without_documents_takes_nothing_away(repository, words, code):
    lines = write(repository)
    (repository / "deploy" / "web.yaml").write_text("# nothing\n")

    assert check(repository, *words).code == code
    assert entries(repository) == lines


def test_a_deleted_file_loses_its_lines_whatever_is_judged(repository):
    (repository / "deploy" / "other.yaml").write_text(DEPLOYMENT.replace(" &context", "").replace("web,", "other,"))
    write(repository)
    (repository / "deploy" / "web.yaml").unlink()

    assert check(repository, "deploy/other.yaml").code == 0
    assert all("deploy/other.yaml" in line for line in entries(repository))
    assert len(entries(repository)) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("deploy/other.yaml",),
        ("deploy", "--exclude", "web.yaml"),
        ("deploy", "--baseline-frozen"),
        ("deploy", "--level", "baseline"),
        ("deploy", "--version", "v1.20"),
        ("elsewhere",),
        ("-",),
    ],
)
def test_what_was_not_judged_keeps_its_lines(repository, words):
    other = DEPLOYMENT.replace(" &context", "").replace("web,", "other,")
    for name in ("deploy", "elsewhere"):
        (repository / name).mkdir(exist_ok=True)
        (repository / name / "other.yaml").write_text(other.replace("add: [NET_ADMIN]", ""))
    lines = write(repository, "deploy", "elsewhere")
    change(repository / "deploy" / "web.yaml", ", add: [NET_ADMIN]", "")

    check(repository, *words, stdin=b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    assert entries(repository) == lines


@pytest.mark.parametrize(
    "broken",
    [
        "kind: [",
        "{{- if .Values.web }}\n",
        DEPLOYMENT.replace("&context", "").replace("runAsUser: 1000", "runAsUser: none"),
        DEPLOYMENT.replace("&context", "").replace("      - name", "      - $patch: merge\n        name"),
    ],
)
def test_what_cannot_be_judged_keeps_its_lines(repository, broken):
    lines = write(repository)
    (repository / "deploy" / "web.yaml").write_text(broken)

    check(repository)

    assert entries(repository) == lines


def test_a_file_that_cannot_be_read_keeps_its_lines_and_fails(repository):
    lines = write(repository)
    (repository / "deploy" / "web.yaml").write_bytes(b"kind: Pod\nmetadata: \xff\n")

    assert check(repository).code == 2
    assert entries(repository) == lines


# What a baseline never hides


def test_an_unreadable_document_and_an_expired_exemption_are_not_hidden(repository):
    (repository / "policy.yaml").write_text(
        "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: a}\nspec:\n  exemptions:\n"
        "  - {match: {names: [web]}, controls: ['*'], reason: for now, expires: '2020-01-01'}\n"
    )
    ran = check(repository, "deploy", "--policy", "policy.yaml", "--write-baseline")
    assert ran.code == 1
    assert entries(repository) == []
    assert check(repository, "deploy", "--policy", "policy.yaml").code == 1

    (repository / "deploy" / "web.yaml").write_text("kind: [")
    assert check(repository, "deploy", "--write-baseline").code == 2
    assert check(repository).code == 2


def test_what_the_policy_exempts_needs_no_line(repository):
    write(repository)
    (repository / "policy.yaml").write_text(
        "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: a}\nspec:\n  exemptions:\n"
        "  - {match: {names: [web]}, controls: ['*'], reason: it routes}\n"
    )

    assert check(repository, "deploy", "--policy", "policy.yaml").code == 0
    assert entries(repository) == []
    assert check(repository).code == 1


def test_what_was_left_alone_still_counts_for_coverage(repository):
    (repository / "deploy" / "fleet.yaml").write_text(
        "apiVersion: example.com/v1\nkind: Fleet\nspec: {containers: [{name: a, image: b}]}\n"
    )
    write(repository)

    assert check(repository).code == 0
    assert check(repository, "deploy", "--require-coverage").code == 1


# Where it is run


def test_it_holds_wherever_in_the_repository_it_is_run(repository):
    lines = write(repository)

    for folder, path in ((repository / "deploy", "."), (repository.parent, repository / "deploy")):
        ran = run_cli("check", "--baseline", repository / "accepted.yaml", path, cwd=folder)
        assert (ran.code, ran.out) == (0, b"")
    assert entries(repository) == lines


def test_without_a_repository_paths_are_relative_to_the_baseline(repository):
    (repository / ".git").rmdir()
    assert "file: deploy/web.yaml" in write(repository)[0]

    ran = run_cli("check", "--baseline", "../accepted.yaml", "web.yaml", cwd=repository / "deploy")

    assert ran.code == 0


def test_a_stream_has_a_baseline_too(repository):
    manifest = (repository / "deploy" / "web.yaml").read_bytes()
    lines = write(repository, "-", stdin=manifest)
    assert '{file: "-",' in lines[0]

    assert check(repository, "-", stdin=manifest).code == 0
    assert check(repository, "deploy").code == 1
    assert entries(repository) == lines
    assert check(repository, "-", stdin=manifest.replace(b", add: [NET_ADMIN]", b"")).code == 0
    assert entries(repository) == lines[1:]


def test_writing_it_for_a_part_keeps_the_other_part(repository):
    (repository / "deploy" / "other.yaml").write_text(DEPLOYMENT.replace(" &context", "").replace("web,", "other,"))
    lines = write(repository)
    change(repository / "deploy" / "web.yaml", ", add: [NET_ADMIN]", "")

    assert write(repository, "deploy/web.yaml") == [
        line for line in lines if "NET_ADMIN" not in line or "other" in line
    ]


def test_the_same_findings_make_the_same_file(repository):
    (repository / "deploy" / "other.yaml").write_text(DEPLOYMENT.replace(" &context", "").replace("web,", "other,"))
    write(repository)
    first = (repository / "accepted.yaml").read_bytes()
    (repository / "accepted.yaml").unlink()

    write(repository, "deploy/web.yaml", "deploy/other.yaml", PYTHONHASHSEED="7")

    assert (repository / "accepted.yaml").read_bytes() == first


def test_a_folder_that_holds_its_own_baseline_is_checked_alike(repository):
    for _ in range(2):
        run_cli("check", "--baseline", "accepted.yaml", "--write-baseline", ".", cwd=repository)
    assert run_cli("check", "--baseline", "accepted.yaml", ".", cwd=repository).code == 0


# A file that nobody can trust


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("version: 1\nfindings: [\n", 3, "can't be read"),
        ("version: 1\nversion: 1\nfindings:\n", 2, "stands twice"),
        ("version: 2\njudged: a\nfindings:\n", 1, "version 2 of a baseline isn't known here"),
        ("version: true\njudged: a\nfindings:\n", 1, "isn't known here"),
        ("version: 1\njudged: a\nall: true\nfindings:\n", 3, "'all' is no field of a baseline"),
        ("version: 1\njudged: a\nfindings:\n- 7\n", 4, "must stand on a line of its own"),
        ("version: 1\njudged: a\nfindings:\n- {file: '*', object: '*'}\n", 4, "control must be a text"),
        ("version: 1\njudged: a\nfindings:\n- {file: a, object: b, control: c, id: [d]}\n", 4, "id must be a text"),
        ("version: 1\njudged: a\nfindings:\n- {file: a, object: b, control: c, id: d, e: f}\n", 4, "'e' is no field"),
        ("version: 1\njudged: a\nfindings:\n- file: a\n  object: b\n", 4, "a line of its own"),
        ("version: 1\njudged: a\nfindings: [{file: a, object: b, control: c, id: d}]\n", 3, "a line of its own"),
    ],
)  # fmt: skip
def test_a_wrong_baseline_is_refused_with_its_line(repository, text, line, said):
    (repository / "accepted.yaml").write_text(text)

    for more in ((), ("--write-baseline",)):
        ran = check(repository, "deploy", *more)
        assert (ran.code, ran.out) == (3, b"")
        assert ran.err.startswith(f"krm-harden: error: accepted.yaml:{line}: ")
        assert said in ran.err
        assert ran.err.count("\n") == 1
    assert (repository / "accepted.yaml").read_text() == text


@pytest.mark.parametrize("text", [b"", b"[]", b"7", b"\0\xff", b'{"version": 1}\n', DEPLOYMENT.encode()])
def test_another_file_is_no_baseline_and_is_never_overwritten(repository, text):
    (repository / "accepted.yaml").write_bytes(text)

    for more in ((), ("--write-baseline",)):
        ran = check(repository, "deploy", *more)
        assert ran.code == 3
        assert ran.err.count("\n") == 1
    assert (repository / "accepted.yaml").read_bytes() == text


def test_a_line_that_hides_what_it_accepts_is_refused(repository):
    """A reviewer reads the words, the tool the fingerprint."""
    write(repository)
    change(repository / "accepted.yaml", "control: capabilities_restricted", "control: readOnlyRootFilesystem")

    ran = check(repository)

    assert ran.code == 3
    assert "accepted.yaml:6: says something else than what it accepts" in ran.err
    assert "its id is that of capabilities_restricted" in ran.err


def test_a_forged_value_accepts_nothing(repository):
    write(repository)
    change(repository / "accepted.yaml", "NET_ADMIN", "SYS_ADMIN")

    assert check(repository).code == 1


@pytest.mark.parametrize(
    "words",
    [("--write-baseline",), ("--baseline-frozen",), ("--baseline", "a", "--write-baseline", "--baseline-frozen")],
)
def test_options_that_make_no_sense_are_refused(repository, words):
    assert run_cli("check", "deploy", *words, cwd=repository).code == 3


@pytest.mark.parametrize(
    "words", [("--as-labelled",), ("--level", "baseline,restricted"), ("--what-breaks", "a=baseline")]
)
def test_a_verdict_of_several_has_no_baseline(repository, words):
    write(repository)

    ran = check(repository, "deploy", *words)

    assert ran.code == 3
    assert "has no --baseline" in ran.err


def test_a_file_system_that_is_read_only_is_no_failure(repository):
    require("unshare")
    lines = write(repository)
    change(repository / "deploy" / "web.yaml", ", add: [NET_ADMIN]", "")
    (repository / "home").mkdir()

    mounted = f'mount --bind {repository} {repository} && mount -o remount,bind,ro {repository} && exec "$@"'
    command = [sys.executable, "-m", "krm_harden", "check", "--baseline", str(repository / "accepted.yaml")]
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mounted, "sh", *command, str(repository / "deploy")],
        capture_output=True, text=True, check=False, env=clean_environment(),
    )  # fmt: skip
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespaces here: {done.stderr}")

    assert done.returncode == 0
    assert (
        "1 of its findings is gone, but their lines can't be removed: can't be written: Read-only file system"
        in done.stderr
    )
    assert entries(repository) == lines


def test_a_baseline_that_cannot_be_written_is_an_error(repository):
    ran = run_cli("check", "--baseline", "nowhere/accepted.yaml", "--write-baseline", "deploy", cwd=repository)

    assert ran.code == 2
    assert "nowhere/accepted.yaml: can't be written" in ran.err


def test_a_link_stays_a_link(repository):
    write(repository)
    (repository / "accepted.yaml").rename(repository / "real.yaml")
    (repository / "accepted.yaml").symlink_to("real.yaml")
    change(repository / "deploy" / "web.yaml", ", add: [NET_ADMIN]", "")

    assert check(repository).code == 0
    assert os.readlink(repository / "accepted.yaml") == "real.yaml"
    assert len(entries(repository)) == 1


def test_names_that_only_a_machine_reads_are_kept(repository):
    strange = os.fsdecode(b"deploy/\xff \n{}.yaml")
    (repository / "deploy" / "web.yaml").rename(repository / strange)
    write(repository)

    ran = check(repository)

    assert (ran.code, ran.out) == (0, b"")
    assert len(entries(repository)) == 2


def test_several_processes_and_reports_see_the_same_baseline(repository):
    write(repository)

    ran = check(repository, "deploy", "--jobs", "2", "-o", "sarif", "--report", "json=report.json")

    assert ran.code == 0
    levels = {result["level"] for result in json.loads(ran.out)["runs"][0]["results"]}
    assert levels == {"note"}
    assert json.loads((repository / "report.json").read_text())["summary"]["errors"] == 0


@pytest.mark.parametrize("output", ["github", "codequality"])
def test_what_reviewers_see_beside_the_code_is_what_is_new(repository, output):
    write(repository)
    change(repository / "deploy" / "web.yaml", "runAsNonRoot: true", "runAsNonRoot: false")

    ran = check(repository, "deploy", "-o", output)

    assert ran.code == 1
    assert b"runAsNonRoot" in ran.out
    assert b"(in the baseline)" not in ran.out

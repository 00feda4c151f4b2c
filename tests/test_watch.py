"""`--watch`: real files, real processes, and what people see of them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from conftest import clean_environment, require, run_cli
from terminals import PATIENCE, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
  - {name: app, image: example.com/app:1}
"""
AUTOMATIC = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: automatic}
spec:
  namespaces: {enforce: auto}
"""
BASELINE = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: soft}
spec: {level: baseline}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
ROUND = re.compile(r"\n--- (?=\d\d:\d\d:\d\d: changed)")
END = re.compile(r"krm-harden: (allowed|error): .*\n")
CALM = 1.5
"""Seconds in which a loop would show itself."""


class Watching:
    """A command that goes on, and all that it has said until now."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path) -> None:
        self.process = process
        self._said = said

    def said(self) -> str:
        return self._said.read_text(errors="replace")

    def changes(self) -> int:
        """How often it has looked again."""
        return len(ROUND.findall(self.said()))

    def wait_for(self, text: str, times: int = 1) -> str:
        end = time.monotonic() + PATIENCE
        while self.said().count(text) < times:
            assert time.monotonic() < end, f"{text!r} isn't in:\n{self.said()}"
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)
        return self.said()

    def after(self, round_: int) -> str:
        """What it says in one of its rounds, as soon as that is summed up: 0 is the first."""
        end = time.monotonic() + PATIENCE
        while True:
            parts = ROUND.split(self.said())
            if len(parts) > round_ and END.search(parts[round_]):
                return parts[round_]
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def watching(folder: Path, *words: str | Path, before: tuple[str, ...] = (), **env: str) -> Iterator[Watching]:
    """A command in a folder, once it watches. It is ended, whatever happens."""
    said = folder.parent / f"{folder.name}.said"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "krm_harden", *map(str, words), "--watch"],
            cwd=folder, stdout=file, stderr=file, env=clean_environment(**env),
        )  # fmt: skip
    try:
        made = Watching(process, said)
        made.wait_for("Ctrl-C ends it")
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with a hardened file and one that isn't."""
    folder = tmp_path / "work"
    (folder / "deploy").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "deploy" / "good.yaml").write_text(OPEN.replace("web", "good"))
    assert run_cli("fix", "deploy", cwd=folder).code == 0
    (folder / "deploy" / "web.yaml").write_text(OPEN)
    return folder


def test_check_looks_at_what_changes_alone_and_sums_up_all(work):
    with watching(work, "check", "deploy") as shown:
        assert "Pod/shop/web" in shown.after(0)

        assert run_cli("fix", "deploy/web.yaml", cwd=work).code == 0
        second = shown.after(1)
        assert "changed: deploy/web.yaml ---" in second
        assert "in 2 files, 2 workloads, 0 objects to change" in second
        assert shown.end() == 0


def test_an_interrupt_ends_it_with_the_code_of_the_last_round(work):
    with watching(work, "check", "deploy") as shown:
        assert shown.end() == 1
        assert "Traceback" not in shown.said()
        assert "interrupted" not in shown.said()


def test_fix_hardens_what_is_saved_and_does_not_wake_itself(work):
    with watching(work, "fix", "deploy") as shown:
        assert "1 object changed" in shown.after(0)
        time.sleep(CALM)
        assert shown.changes() == 0

        (work / "deploy" / "new.yaml").write_text(OPEN.replace("web", "new"))
        assert "changed: deploy/new.yaml ---" in shown.after(1)
        time.sleep(CALM)
        assert shown.changes() == 1
        assert shown.end() == 0
    assert "runAsNonRoot: true" in (work / "deploy" / "new.yaml").read_text()


def test_a_diff_is_shown_again_for_what_changes(work):
    with watching(work, "fix", "--diff", "deploy") as shown:
        assert "+++ b/deploy/web.yaml" in shown.after(0)
        (work / "deploy" / "new.yaml").write_text(OPEN.replace("web", "new"))

        assert "+++ b/deploy/new.yaml" in shown.after(1)
        assert "b/deploy/web.yaml" not in shown.after(1)
    assert (work / "deploy" / "web.yaml").read_text() == OPEN


def test_files_and_folders_come_move_and_go(work):
    deploy = work / "deploy"
    with watching(work, "check", "deploy") as shown:
        (deploy / "a" / "b").mkdir(parents=True)
        (deploy / "a" / "b" / "new.yaml").write_text(OPEN.replace("web", "new"))
        shown.wait_for("in 3 files")
        (deploy / "a").rename(deploy / "c")
        shown.wait_for("changed: deploy/a/b/new.yaml, deploy/c/b/new.yaml ---")
        (deploy / "c" / "b" / "new.yaml").write_text(OPEN.replace("web", "newer"))
        shown.wait_for("Pod/shop/newer")
        (deploy / "c" / "b" / "new.yaml").unlink()
        shown.wait_for("in 2 files", 2)
        (work / "tmp").write_text(OPEN.replace("web", "saved"))
        (work / "tmp").rename(deploy / "web.yaml")
        shown.wait_for("Pod/shop/saved")


def test_what_editors_leave_for_a_moment_is_nothing_new(work):
    deploy = work / "deploy"
    with watching(work, "check", "deploy") as shown:
        for name in (".web.yaml.swp", "web.yaml~", "4913", "#web.yaml#", ".goutputstream-ABC123"):
            (deploy / name).write_text("half")
            (deploy / name).unlink()
        (deploy / ".#web.yaml").symlink_to("somebody@somewhere.42")
        (deploy / "web.yaml").read_bytes()
        time.sleep(CALM)

        assert shown.changes() == 0


def test_ignore_files_count_while_it_watches(work):
    with watching(work, "check", "deploy") as shown:
        (work / ".gitignore").write_text("web.yaml\n")
        assert "in 1 file, 1 workload, 0 objects to change" in shown.after(1)
        (work / ".gitignore").unlink()
        assert "Pod/shop/web" in shown.after(2)


def test_another_policy_judges_everything_again_and_a_broken_one_is_said(work):
    policy = work / "policy.yaml"
    policy.write_text(BASELINE)
    with watching(work, "check", "deploy", "--policy", "policy.yaml") as shown:
        assert "0 errors" in shown.after(0)
        policy.write_text(BASELINE.replace("baseline", "restricted"))
        assert 'would violate PodSecurity "restricted:latest"' in shown.after(1)
        policy.write_text("spec: [")
        assert "krm-harden: error: policy.yaml" in shown.after(2)
        time.sleep(CALM)
        assert shown.changes() == 2
        policy.write_text(BASELINE)
        assert "0 errors" in shown.after(3)
        assert shown.end() == 0


def test_automatic_labels_see_all_files(work):
    (work / "policy.yaml").write_text(AUTOMATIC)
    deploy = work / "deploy"
    (deploy / "namespace.yaml").write_text(NAMESPACE)
    broken = OPEN.replace("containers:", "hostNetwork: true\n  containers:")
    (deploy / "web.yaml").write_text(broken)
    with watching(work, "fix", "deploy", "--policy", "policy.yaml") as shown:
        shown.after(0)
        assert "enforce:" not in (deploy / "namespace.yaml").read_text()
        (deploy / "web.yaml").write_text(OPEN)
        shown.after(1)

        assert "pod-security.kubernetes.io/enforce: restricted" in (deploy / "namespace.yaml").read_text()
        time.sleep(CALM)
        assert shown.changes() == 1
        assert shown.end() == 0


def test_a_patch_is_left_alone_as_soon_as_a_kustomization_names_it(work):
    with watching(work, "check", "deploy") as shown:
        (work / "deploy" / "kustomization.yaml").write_text("patches: [{path: web.yaml}]\n")

        assert "web.yaml: info: was left alone: a kustomize patch" in shown.after(1)


def test_a_baseline_gets_shorter_while_it_watches(work):
    assert run_cli("check", "deploy", "--baseline", "accepted.yaml", "--write-baseline", cwd=work).code == 0
    with watching(work, "check", "deploy", "--baseline", "accepted.yaml") as shown:
        assert run_cli("fix", "deploy", cwd=work).code == 0
        assert "so are their lines" in shown.after(1)
        time.sleep(CALM)
        assert shown.changes() == 1


def test_a_report_among_the_manifests_does_not_wake_it(work):
    with watching(work, "check", "deploy", "--report", "json=deploy/report.json") as shown:
        (work / "deploy" / "web.yaml").write_text(OPEN.replace("web", "other"))
        shown.after(1)
        time.sleep(CALM)
        rounds = shown.changes()

        assert rounds <= 2
        assert "other" in (work / "deploy" / "report.json").read_text()


def test_a_folder_that_goes_and_comes_back_is_watched_again(work):
    with watching(work, "check", "deploy") as shown:
        (work / "deploy").rename(work / "away")
        shown.wait_for("there is no such file or folder")
        (work / "away").rename(work / "deploy")
        shown.wait_for("in 2 files", 2)
        (work / "deploy" / "web.yaml").write_text(OPEN.replace("web", "back"))
        shown.wait_for("Pod/shop/back")


def test_a_single_file_is_watched_through_its_renames(work):
    with watching(work, "check", "deploy/web.yaml") as shown:
        (work / "deploy" / "other.yaml").write_text(OPEN)
        (work / "new").write_text(OPEN.replace("web", "saved"))
        (work / "new").rename(work / "deploy" / "web.yaml")

        assert "Pod/shop/saved" in shown.after(1)
        assert "other.yaml" not in shown.said()


def test_without_notices_it_looks_by_itself_and_says_so(work):
    require("unshare")
    none = ("unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh")
    if subprocess.run([*none, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    with watching(work, "check", "deploy", before=none) as shown:
        said = shown.wait_for("looking every second instead")
        assert "raise fs.inotify.max_user_watches" in said
        (work / "deploy" / "web.yaml").write_text(OPEN.replace("web", "polled"))

        assert "Pod/shop/polled" in shown.after(1)
        assert shown.end() == 1


def test_a_new_folder_without_a_watch_left_for_it_is_seen_all_the_same(work):
    require("unshare")
    few = ("unshare", "-Ur", "sh", "-c", 'echo 8 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh")
    if subprocess.run([*few, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    with watching(work, "check", "deploy", before=few) as shown:
        for number in range(12):
            (work / "deploy" / f"sub-{number}").mkdir()
        (work / "deploy" / "sub-11" / "web.yaml").write_text(OPEN.replace("web", "late"))

        shown.wait_for("Pod/shop/late")
        assert "Traceback" not in shown.said()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "-"), "--watch and standard input exclude each other"),
        (("fix", "-", "deploy"), "--watch and standard input exclude each other"),
        (("check", "--hook", "deploy"), "--watch and --hook exclude each other"),
        (("check", "-o", "json", "deploy"), "--watch and --output json exclude each other"),
        (("check", "--baseline", "b", "--write-baseline", "deploy"), "--watch and --write-baseline exclude each other"),
        (("fix", "--diff", "--against", "0.1", "deploy"), "--watch and --against exclude each other"),
    ],
)
def test_what_cannot_be_done_again_is_refused(work, words, said):
    ran = run_cli(*words, "--watch", cwd=work)

    assert (ran.code, ran.out) == (3, b"")
    assert said in ran.err


@pytest.mark.parametrize("words", [("nowhere",), ("deploy", "--policy", "nowhere.yaml")])
def test_what_is_wrong_from_the_start_ends_it(work, words):
    assert run_cli("check", *words, "--watch", cwd=work).code == 3


def test_in_a_terminal(work):
    with terminal("krm-harden", "check", "--watch", "deploy", cwd=work) as shown:
        shown.wait_for("krm-harden: watching deploy; Ctrl-C ends it")
        (work / "deploy" / "web.yaml").write_text((work / "deploy" / "good.yaml").read_text())
        shown.wait_for("changed: deploy/web.yaml ---")
        shown.wait_for(" 0 objects to change")
        shown.press("C-c")

        assert shown.code() == 0
        assert shown.cursor_is_shown()
        assert "Traceback" not in shown.screen()

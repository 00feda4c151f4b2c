"""Many files on several processors (--jobs): the same bytes, in the same order; and how far they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment, run_cli
from terminals import PATIENCE, terminal

from krm_harden.commands import _shares
from krm_harden.errors import KrmHardenError

COMMAND = [sys.executable, "-m", "krm_harden"]
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{number}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: web
        image: example.com/web:{number}
"""
AUTOMATIC = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: automatic}
spec:
  namespaces: {enforce: auto}
"""


def folder(path: Path, count: int) -> Path:
    """So many manifests, with all that a run may meet among them."""
    path.mkdir()
    for number in range(count):
        (path / f"web-{number:04}.yaml").write_text(DEPLOYMENT.format(number=number))
    (path / "web-0003.yaml").write_text("kind: [")
    (path / "web-0005.yaml").write_text("{{ if }}\nkind: Pod\n")
    (path / "web-0007.yaml").write_bytes(b"\0\0\0")
    (path / "web-0009.yaml").write_text("")
    (path / "namespace.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    return path


def tree(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


@pytest.mark.parametrize("jobs", ["2", "3", "64"])
@pytest.mark.parametrize("output", ["text", "json", "sarif"])
def test_several_processes_say_what_one_says(tmp_path, jobs, output):
    folder(tmp_path / "deploy", 60)

    command = ("check", "deploy", "-o", output, "--jobs")
    one, several = (run_cli(*command, n, cwd=tmp_path, SOURCE_DATE_EPOCH="1") for n in ("1", jobs))

    assert (several.code, several.out, several.err) == (one.code, one.out, one.err)
    assert one.code == 2
    assert b"web-59" in one.out


def test_several_processes_write_what_one_writes(tmp_path):
    results = {}
    for jobs in ("1", "4"):
        (tmp_path / jobs).mkdir()
        files = folder(tmp_path / jobs / "deploy", 60)
        (files / "also-web.yaml").symlink_to("web-0001.yaml")
        (files / "zero.yaml").symlink_to("web-0002.yaml")
        ran = run_cli("fix", "deploy", "--jobs", jobs, cwd=tmp_path / jobs)
        results[jobs] = (ran, tree(files))

    assert results["4"] == results["1"]
    assert b"runAsNonRoot" in results["4"][1]["web-0002.yaml"]
    assert "somebody else" not in results["4"][0].err


def test_the_second_pass_is_shared_too(tmp_path):
    (tmp_path / "policy.yaml").write_text(AUTOMATIC)
    ran = {}
    for jobs in ("1", "3"):
        (tmp_path / jobs).mkdir()
        deploy = tmp_path / jobs / "deploy"
        deploy.mkdir()
        for number in range(12):
            web = DEPLOYMENT.format(number=number).replace("shop", f"shop-{number}")
            labelled = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop-{number}}}\n"
            (deploy / f"{number:02}.yaml").write_text(f"{labelled}---\n{web}")
        policy = tmp_path / "policy.yaml"
        ran[jobs] = (run_cli("fix", "deploy", "--policy", policy, "--jobs", jobs, cwd=tmp_path / jobs), tree(deploy))

    assert ran["3"] == ran["1"]
    assert b"pod-security.kubernetes.io/enforce" in ran["3"][1]["11.yaml"]


def test_a_wrong_lock_among_the_files_stops_several_processes_where_it_stops_one(tmp_path):
    ran = {}
    for jobs in ("1", "3"):
        (tmp_path / jobs).mkdir()
        deploy = folder(tmp_path / jobs / "deploy", 30)
        lock = "apiVersion: krm-harden.dev/v1alpha1\nkind: ImageLock\nimages: 7\n"
        (deploy / "web-0015.yaml").write_text(lock)
        ran[jobs] = (run_cli("fix", "deploy", "--jobs", jobs, cwd=tmp_path / jobs), tree(deploy))

    assert ran["3"] == ran["1"]
    assert ran["1"][0].code == 3


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "99999999999", "²"])
def test_a_wrong_number_of_processes_is_refused(tmp_path, jobs):
    ran = run_cli("check", str(tmp_path), f"--jobs={jobs}")

    assert ran.code == 3
    assert "--jobs: must be a number of processes from 1 to 9999" in ran.err


def test_what_comes_early_waits_and_what_is_asked_for_comes_in_order():
    items = list(range(200))

    made = list(_shares.in_order(items, lambda item: (item, os.getpid()), lambda item: 1, 3))

    assert [item for item, _ in made] == items
    assert os.getpid() not in {process for _, process in made}
    assert 1 <= len({process for _, process in made}) <= 3


def test_what_cannot_be_sent_is_made_here():
    made = list(_shares.in_order([1, 2, 3], lambda item: lambda: item, lambda item: 1, 2))

    assert [one() for one in made] == [1, 2, 3]


def children() -> set[str]:
    """Our child processes, whoever started them: other tests of this process may have left a browser."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {child for task in tasks for child in (task / "children").read_text().split()}


def test_an_error_comes_where_its_item_does():
    before = children()

    def work(item: int) -> int:
        if item == 150:
            raise KrmHardenError("broken")
        return item

    found: list[Any] = []
    with pytest.raises(KrmHardenError, match="broken"):
        found.extend(_shares.in_order(list(range(300)), work, lambda item: 1, 2))

    assert found == list(range(150))
    assert children() <= before


def test_a_process_that_dies_is_an_error_and_none_stays():
    before = children()

    def work(item: int) -> int:
        if item == 90:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(KrmHardenError, match="a process of --jobs died"):
        list(_shares.in_order(list(range(100)), work, lambda item: 1, 2))

    assert children() <= before


def test_who_asks_slowly_is_not_given_everything_at_once(tmp_path):
    """What is made ahead lies in memory."""
    done = tmp_path / "done"
    done.mkdir()

    def work(item: int) -> int:
        (done / str(item)).touch()
        return item

    coming = _shares.in_order(list(range(3200)), work, lambda item: 1, 2)
    next(coming)
    time.sleep(1)
    ahead = len(list(done.iterdir()))
    coming.close()

    assert 100 <= ahead <= 3200 * (2 * _shares.AHEAD + 2) / (2 * _shares.BATCHES)


def alive(group: int) -> list[str]:
    """The processes of a group."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[2] == str(group) and stat[0] != "Z":
                found.append(entry)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_command(tmp_path, number):
    big = "---\n".join(DEPLOYMENT.format(number=number) for number in range(400))
    for count in range(40):
        (tmp_path / f"{count}.yaml").write_text(big)
    process = subprocess.Popen(
        [*COMMAND, "check", ".", "--jobs", "3"],
        cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )  # fmt: skip
    _until(lambda: len(alive(process.pid)) == 4)

    process.send_signal(number)
    process.wait(PATIENCE)

    _until(lambda: not alive(process.pid))
    assert process.returncode == (130 if number == signal.SIGINT else -number)


def _until(is_true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminal_shows_how_far_long_work_is_and_is_clean_afterwards(tmp_path, jobs):
    big = "---\n".join(DEPLOYMENT.format(number=number) for number in range(60))
    for count in range(100):
        (tmp_path / f"{count:03}.yaml").write_text(big)
    with terminal("sh", "-c", f"krm-harden check . --jobs {jobs} > report.txt", cwd=tmp_path) as shown:
        shown.wait_for("/100 files, ")
        shown.wait_for("s left")
        assert not shown.cursor_is_shown()

        assert shown.code() == 1
        assert shown.cursor_is_shown()
        assert shown.screen().startswith("krm-harden: 6000 documents in 100 files")
    assert b"\x1b" not in (tmp_path / "report.txt").read_bytes()


def test_an_interrupt_leaves_the_terminal_as_it_was(tmp_path):
    big = "---\n".join(DEPLOYMENT.format(number=number) for number in range(300))
    for count in range(100):
        (tmp_path / f"{count:03}.yaml").write_text(big)
    with terminal("krm-harden", "fix", ".", cwd=tmp_path) as shown:
        shown.wait_for("/100 files, ")
        shown.press("C-c")

        assert shown.code() == 130
        assert shown.cursor_is_shown()
        assert shown.screen() == "krm-harden: interrupted; nothing was left half-written"


def test_a_big_stream_is_measured(tmp_path):
    big = "---\n".join(DEPLOYMENT.format(number=number) for number in range(8000))
    (tmp_path / "big.yaml").write_text(big)
    with terminal("sh", "-c", "krm-harden check - < big.yaml > report.txt", cwd=tmp_path) as shown:
        shown.wait_for(" kB, ")

        assert shown.code() == 1
        assert shown.screen().startswith("krm-harden: 8000 documents in 1 file")


SLOW = """\
import os, time
from krm_harden.commands._progress import Progress
def wait(name):
    while not os.path.exists(name):
        time.sleep(0.05)
with Progress("images probed", ticking=True) as told:
    wait("first")
    told(1, 4)
    wait("second")
print("done")
"""


def test_a_single_step_that_lasts_is_shown_before_it_is_done(tmp_path):
    """As each image of `images resolve --probe` does."""
    with terminal(sys.executable, "-c", SLOW, cwd=tmp_path) as shown:
        shown.wait_for("images probed 0:0")
        (tmp_path / "first").touch()
        shown.wait_for("1/4 images probed, ")
        shown.wait_for("/s, ")
        (tmp_path / "second").touch()

        assert shown.code() == 0
        assert shown.screen() == "done"
        assert shown.cursor_is_shown()


def test_a_plain_run_loads_nothing_for_processes_and_progress(tmp_path):
    (tmp_path / "web.yaml").write_text(DEPLOYMENT.format(number=1))
    said = (
        "import sys\nfrom krm_harden.cli import main\n"
        "main(['check', 'web.yaml'])\n"
        "print(sorted({'rich', 'pickle', 'watchdog', 'multiprocessing', 'select'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=tmp_path, capture_output=True, check=True, env=clean_environment()
    )

    assert done.stderr.decode().splitlines()[-1] == "[]"

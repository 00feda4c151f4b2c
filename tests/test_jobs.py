"""Many files on several processors (--jobs): the same bytes, in the same order; and how far they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import clean_environment, run_cli
from terminals import PATIENCE, terminal

from krm_harden.commands import _large, _outcomes, _shares
from krm_harden.engine import Engine
from krm_harden.errors import KrmHardenError
from krm_harden.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.model import ChunkResult

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


def many(path: Path, count: int) -> Path:
    """So many small files in a few folders."""
    for number in range(count):
        below = path / f"team-{number % 10}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{number:04}.yaml").write_text(DEPLOYMENT.format(number=number))
    return path


USED = """\
import os, resource, sys
from krm_harden.cli import main
out = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
sys.argv = ["krm-harden", *sys.argv[1:]]
main()
def seconds(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime
os.write(out, repr((seconds(resource.RUSAGE_SELF), seconds(resource.RUSAGE_CHILDREN))).encode())
"""


def used(*command: str, cwd: Path) -> tuple[float, float]:
    """Processor time of a command itself, and of its processes."""
    done = subprocess.run(
        [sys.executable, "-c", USED, *command], cwd=cwd, stderr=subprocess.PIPE, check=True, env=clean_environment()
    )
    own, others = done.stderr.decode().strip("()").split(", ")
    return float(own), float(others)


@pytest.mark.parametrize("command", [("check",), ("fix", "--diff"), ("fix",)])
def test_two_processes_are_nearly_twice_as_fast(tmp_path, command):
    """By processor time, for a machine may be busy with something else.

    What only one process does (start, find the files, print) can't be shared; the rest is done by two at once. So a
    run takes as long as the first and half of the second: on two free processors that is what a clock shows.
    """
    count = 2400 if command == ("check",) else 1400
    found = []
    while len(found) < TRIES and (not found or max(found)[0] < 1.4):
        alone, _ = used(*command, str(many(tmp_path / f"one-{len(found)}", count)), "--jobs", "1", cwd=tmp_path)
        own, others = used(*command, str(many(tmp_path / f"two-{len(found)}", count)), "--jobs", "2", cwd=tmp_path)
        found.append((alone / (own + others / 2), (own + others) / alone))

    faster, dearer = max(found)
    assert faster >= 1.4
    assert dearer <= 1.35


TRIES = 3
"""A busy machine gets two more chances."""


PEAK = """\
import resource, subprocess, sys
code = subprocess.run(
    [sys.executable, "-m", "krm_harden", *sys.argv[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(*command: str, cwd: Path) -> int:
    """The most memory of a command and of each of its processes, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command], cwd=cwd, stdout=subprocess.PIPE, check=True, env=clean_environment()
    )
    code, kilobytes = map(int, done.stdout.split())
    assert code in {0, 1}
    return kilobytes * 1024


BOUND = 40_000_000
"""Bytes of memory, to which thirty times the largest document comes: some 30 kB here."""


@pytest.mark.skipif(sys.platform != "linux", reason="counts kilobytes as Linux does")
@pytest.mark.parametrize("command", [("check",), ("fix", "--diff"), ("fix",)])
def test_memory_does_not_grow_with_a_file(tmp_path, command):
    padding = f"# {'words ' * 1400}\n"
    for name, count in (("small.yaml", 130), ("large.yaml", 390)):
        texts = (DEPLOYMENT.format(number=number) + padding for number in range(count))
        (tmp_path / name).write_text("---\n".join(texts))

    small, large = (peak(*command, name, cwd=tmp_path) for name in ("small.yaml", "large.yaml"))

    assert large <= BOUND + 30 * len(padding)
    assert large <= 1.15 * small


@pytest.mark.skipif(sys.platform != "linux", reason="counts kilobytes as Linux does")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_memory_does_not_grow_with_the_number_of_files(tmp_path, jobs):
    few, more = (peak("check", str(many(tmp_path / str(n), n)), "--jobs", jobs, cwd=tmp_path) for n in (100, 1000))

    assert more <= BOUND
    # Kept whole, so many files more would take some 20 MB.
    assert more <= few + 7_000_000


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_large_file_is_hardened_like_its_documents(tmp_path, ends):
    """Read bit by bit, with a document that can't be read in the middle."""
    texts = [DEPLOYMENT.format(number=number) + f"# {'words ' * 1400}\n" for number in range(130)]
    texts[30] = "kind: [\n"
    texts[60] = "# nothing\n"
    texts = [text.replace("\n", ends) for text in texts]
    (tmp_path / "parts").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "parts" / f"{number:04}.yaml").write_bytes(text.encode())
    between = f"---{ends}"
    bom = b"\xef\xbb\xbf"
    for jobs in ("1", "2"):
        (tmp_path / f"{jobs}.yaml").write_bytes(bom + between.join(texts).encode())

    parts = run_cli("fix", "parts", "--jobs", "1", cwd=tmp_path)
    diff = run_cli("fix", "--diff", "1.yaml", cwd=tmp_path)
    ran = [run_cli("fix", f"{jobs}.yaml", "parts/0060.yaml", "--jobs", jobs, cwd=tmp_path) for jobs in ("1", "2")]

    hardened = [(tmp_path / "parts" / f"{number:04}.yaml").read_bytes() for number in range(len(texts))]
    for jobs in ("1", "2"):
        assert (tmp_path / f"{jobs}.yaml").read_bytes() == bom + between.encode().join(hardened)
    assert [one.code for one in ran] == [2, 2] == [parts.code, diff.code]
    assert ran[0].out == ran[1].out.replace(b"2.yaml", b"1.yaml")
    assert diff.out.count(b"+        seccompProfile") == 128
    assert not list(tmp_path.glob(".krm-harden-*"))


def test_a_large_file_that_is_changed_meanwhile_stays_as_it_is(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("# one\n" + "---\n".join(DEPLOYMENT.format(number=number) for number in range(400)))

    def told(chunks: Iterable[ChunkResult]) -> Iterator[ChunkResult]:
        with open(path, "r+b") as file:
            file.write(b"# two\n")
        return iter(chunks)

    target = _large.Target([], {path})
    made = _large.written(Engine(Policy({})), path, _outcomes.View(told), target)

    assert made.code == 2
    assert "was changed by somebody else meanwhile" in made.error
    assert made.numbers["resources"] == 400
    assert made.numbers["resourcesChanged"] == 0
    assert path.read_text().startswith("# two\n")
    assert "runAsNonRoot" not in path.read_text()
    assert os.listdir(tmp_path) == ["large.yaml"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_that_write_leave_nothing_half_written(tmp_path, number):
    files = many(tmp_path / "deploy", 1500)
    before = tree(files)
    process = subprocess.Popen(
        [*COMMAND, "fix", "deploy", "--jobs", "3"],
        cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )  # fmt: skip
    first = files / "team-0" / "0000.yaml"
    _until(lambda: first.read_bytes() != before["team-0/0000.yaml"])

    process.send_signal(number)
    process.wait(PATIENCE)

    _until(lambda: not alive(process.pid))
    after = tree(files)
    assert after.keys() == before.keys()
    assert {b"runAsNonRoot" in text for text in after.values()} == {True, False}
    assert all(after[name] == text or b"seccompProfile" in after[name] for name, text in before.items())

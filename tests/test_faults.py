"""What is left on the disk when a write fails: every system call of it, by real faults, with real processes.

strace makes the calls fail, and kills, interrupts or delays the run at them. After each: every file is the old one or the
new one, byte for byte, with its mode; nothing else lies there but one temporary file of a killed run; the run says that
it failed, unless everything was written. KRM_HARDEN_FAULTS=all tries every fault at every call of every writer, and
KRM_HARDEN_ARTIFACTS=FOLDER keeps the table.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Ran, clean_environment, require, run_cli

from krm_harden.commands import _replace
from krm_harden.errors import KrmHardenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERYTHING = os.environ.get("KRM_HARDEN_FAULTS") == "all"
MOST_CALLS = 60
SETTLING = 8
"""Calls after the last word about a folder: it is listed, and closed."""
CALLS = (
    "openat,write,pread64,fsync,fchmod,fchown,fsetxattr,flistxattr,link,linkat,rename,renameat,renameat2,unlink,unlinkat,"
    "mkdir,mkdirat,close,newfstatat,fstat,getdents64"
)
APP = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx:1.27
"""
POD_SECURITY_POLICY = """\
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata: {name: free}
spec:
  runAsUser: {rule: RunAsAny}
  fsGroup: {rule: RunAsAny}
  supplementalGroups: {rule: RunAsAny}
  seLinux: {rule: RunAsAny}
"""
BY_ITSELF = """\
import sys
from krm_harden.commands import _images_resolve, copy
from krm_harden.errors import KrmHardenError
try:
    {}
except (OSError, KrmHardenError) as error:
    print(error, file=sys.stderr)
    raise SystemExit(2)
except KeyboardInterrupt:
    raise SystemExit(130)
"""
LOCK = BY_ITSELF.format('_images_resolve._write("lock.yaml", open("lock.yaml").read() + "# anew\\n")')
COPY = BY_ITSELF.format('copy._copied("app.yaml", "copied")')
IMAGE_LOCK = """\
apiVersion: krm-harden.dev/v1alpha1
kind: ImageLock
metadata:
  name: images
spec:
  images: []
"""


@dataclass(frozen=True)
class Writer:
    """A command that writes, beside the files that are there before: by `code`, what it says when all is well."""

    arguments: tuple[str, ...]
    code: int = 0
    before: tuple[tuple[str, str], ...] = ()
    all_or_none: bool = False


def said(*arguments: str) -> tuple[str, ...]:
    return ("-m", "krm_harden", *arguments)


WRITERS = {
    "fix FILE": Writer(said("fix", "app.yaml")),
    "fix FOLDER": Writer(said("fix", ".")),
    "check --report": Writer(said("check", "--report", "json=report.json", "app.yaml"), 1, (("report.json", "old"),)),
    "check --write-baseline": Writer(said("check", "--baseline", "known.txt", "--write-baseline", "app.yaml")),
    "patches -o": Writer(said("patches", "-o", "patches", "app.yaml")),
    "emit -o": Writer(said("emit", "admission", "-o", "emitted/")),
    "network -o": Writer(said("network", "-o", "network", "app.yaml")),
    "psp migrate -o": Writer(
        said("psp", "migrate", "-o", "moved", "app.yaml", "psp.yaml"), 1, (("psp.yaml", POD_SECURITY_POLICY),)
    ),
    "policy init": Writer(said("policy", "init", "policy.yaml")),
    "init": Writer(said("init", "pre-commit", "."), all_or_none=True),
    "images resolve": Writer(("-c", LOCK), 0, (("lock.yaml", IMAGE_LOCK),)),
    "copy": Writer(("-c", COPY)),
}

State = dict[str, tuple[int, bytes]]


def state(folder: Path) -> State:
    """Every file below a folder: its mode and its bytes; what a link names for a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(folder))] = (stat.S_IMODE(path.lstat().st_mode), data)
    return found


def prepared(folder: Path, writer: Writer) -> State:
    folder.mkdir()
    for name, text in {"app.yaml": APP, **dict(writer.before)}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o640)
    return state(folder)


def environment() -> dict[str, str]:
    # The calls are counted and the bytes compared: nothing may differ from run to run.
    return clean_environment(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1", SOURCE_DATE_EPOCH="1700000000")


def traced(folder: Path, writer: Writer, log: Path, *options: str) -> Ran:
    done = subprocess.run(
        [strace(), "-f", "-o", log, "-e", f"trace={CALLS}", *options, sys.executable, *writer.arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


@functools.cache
def strace() -> str:
    """strace, where processes may be traced."""
    found = require("strace")
    if subprocess.run([found, "-o", os.devnull, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process may be traced here")
    return found


@dataclass(frozen=True)
class Call:
    """A system call of a run: the how manieth of its name, and what it was about."""

    name: str
    number: int
    text: str


def calls(log: Path) -> list[Call]:
    """The calls from the opening of the first temporary file to the last word about the folder, in order.

    Then what is closed: the folder twice, and the old file.
    """
    count: Counter[str] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        made = re.match(r"\d+ +(\w+)\((.*)", line)
        if made:
            count[made[1]] += 1
            found.append(Call(made[1], count[made[1]], made[2]))
    ours = [at for at, call in enumerate(found) if _replace.PREFIX in call.text]
    assert ours, "nothing was written by way of a temporary file"
    end = max([*ours, *(at for at, call in enumerate(found) if call.name == "fsync")])
    closed = [call for call in found[end + 2 : end + 2 + SETTLING] if call.name == "close"]
    return [*found[ours[0] : end + 2], *closed[:3]]


@dataclass(frozen=True)
class Known:
    """A writer, what was there before it, what is there after it, and its calls."""

    writer: Writer
    old: State
    new: State
    calls: tuple[Call, ...]

    @property
    def writes_one(self) -> bool:
        """Whether it writes one file, so that what it says of that is said of all."""
        return len(set(self.new.items()) - set(self.old.items())) == 1


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Known]:
    """What a writer does when nothing goes wrong."""

    @functools.cache
    def learnt(name: str) -> Known:
        writer = WRITERS[name]
        # As deep as those of the faults: how many calls it takes depends on that.
        folder = tmp_path_factory.mktemp("known") / "0"
        folder.mkdir()
        old = prepared(folder / "files", writer)
        done = traced(folder / "files", writer, folder / "log")
        assert done.code == writer.code, done.err
        new = state(folder / "files")
        assert new != old
        assert not any(_replace.is_left_over(Path(path).name) for path in new)
        return Known(writer, old, new, tuple(calls(folder / "log")))

    return learnt


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, ...]]]:
    """A row for each fault that was tried."""
    rows: list[tuple[str, ...]] = []
    yield rows
    kept = os.environ.get("KRM_HARDEN_ARTIFACTS")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        head = "writer | call | fault | left on disk | exit code"
        lines = [head, "|".join(["---"] * 5), *(" | ".join(row) for row in rows)]
        Path(kept, "faults.md").write_text("".join(f"| {line} |\n" for line in lines))


ERRORS = {
    "openat": ("ENOSPC", "EMFILE"),
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "pread64": ("EIO",),
    "fsync": ("EIO", "ENOSPC", "EDQUOT"),
    "fchmod": ("EPERM",),
    "flistxattr": ("EIO",),
    "fsetxattr": ("ENOSPC",),
    "linkat": ("EIO", "EDQUOT"),
    "rename": ("EIO", "ENOSPC"),
    "renameat": ("EIO", "ENOSPC"),
    "renameat2": ("EIO", "ENOSPC"),
    "unlink": ("EIO",),
    "unlinkat": ("EIO",),
    "mkdirat": ("ENOSPC",),
    "close": ("EIO",),
    "newfstatat": ("EIO",),
    "getdents64": ("EIO",),
}
STEPS = ("renameat2", "renameat", "rename", "linkat")
"""What puts a file into its place."""
AGAIN = ("openat", "write", "fsync")
"""Calls that a signal may interrupt, and that Python makes again."""


def faults(call: Call) -> Iterator[str]:
    """What strace is told to do at a call."""
    yield from (f"error={name}" for name in ERRORS.get(call.name, ()))
    yield from (f"signal={name}" for name in ("KILL", "INT", "TERM"))
    if call.name in AGAIN:
        yield "error=EINTR"


def inject(known: Known, call: Call, fault: str, folder: Path) -> tuple[Ran, State]:
    """A run with one fault, and what it left."""
    prepared(folder / "files", known.writer)
    done = traced(
        folder / "files", known.writer, folder / "log", "-e", f"inject={call.name}:{fault}:when={call.number}"
    )
    log = (folder / "log").read_text(errors="replace")
    mark = f"--- SIG{fault[7:]} " if fault.startswith("signal") else "(INJECTED)"
    assert mark in log or "killed by SIGKILL" in log, f"{call} didn't come again"
    return done, state(folder / "files")


def examined(known: Known, call: Call, fault: str, done: Ran, left: State) -> str:
    """What is on the disk, in words, once everything that must hold of it holds."""
    spare = [path for path in left if _replace.is_left_over(Path(path).name)]
    files = {path: held for path, held in left.items() if path not in spare}
    for path in {*files, *known.old}:
        held = files.get(path)
        assert held in (known.old.get(path), known.new.get(path)), f"{path} is neither old nor new: {held}"
    is_killed, is_unremoved = fault == "signal=KILL", call.name.startswith("unlink")
    assert len(spare) <= (1 if is_killed or is_unremoved else 0), f"left over: {spare}"
    assert "Traceback" not in done.err
    if done.code == known.writer.code:
        assert files == known.new, "it says that everything was written"
    elif fault.startswith("error"):
        assert done.code == 2, done.err
        assert done.err.strip(), "it must say why"
        assert not (known.writes_one and "nothing was" in done.err) or files == known.old, done.err
        assert not known.writer.all_or_none or files in (known.old, known.new)
    else:
        assert done.code in {"KILL": (137, -9), "TERM": (143, -15), "INT": (130, -2)}[fault.removeprefix("signal=")]
    if fault == "error=EINTR":
        assert files == known.new, done.err
    words = "old" if files == known.old else "new" if files == known.new else "some files old, some new"
    return f"{words}{' and a temporary file' if spare else ''}"


def few(known: Known) -> list[tuple[Call, str]]:
    """One fault for each stage of the first file."""
    written = [(call, "error=EDQUOT") for call in known.calls if call.name == "write"]
    step = next(call for call in known.calls if call.name in STEPS)
    opened = next(call for call in known.calls if call.name == "openat")
    return [(opened, "error=ENOSPC"), *written[:1], (step, "error=EIO"), (step, "signal=KILL")]


def every(known: Known) -> list[tuple[Call, str]]:
    # What comes after that many calls is the next file of the same writer.
    return [(call, fault) for call in known.calls[:MOST_CALLS] for fault in faults(call)]


def most(known: Known) -> list[tuple[Call, str]]:
    """Every call fails once, is killed once, and is interrupted in turn."""
    found = []
    for at, call in enumerate(known.calls):
        found += [(call, f"error={ERRORS[call.name][0]}")] if call.name in ERRORS else []
        found += [(call, f"signal={'KILL' if at % 3 else ('INT', 'TERM')[at // 3 % 2]}")]
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_fault_leaves_is_the_old_file_or_the_new_one(name, known, table, tmp_path):
    chosen = every if EVERYTHING else most if name in {"fix FILE", "copy"} else few
    for number, (call, fault) in enumerate(chosen(known(name))):
        folder = tmp_path / str(number)
        folder.mkdir()
        done, left = inject(known(name), call, fault, folder)
        try:
            words = examined(known(name), call, fault, done, left)
        except AssertionError as error:
            raise AssertionError(f"{name}, {call}, {fault}: {error}; {done}") from None
        table.append((name, f"{call.name} {call.number}", fault, words, str(done.code)))
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["fix FILE", "init", "policy init"])
def test_closing_what_nothing_was_written_through_is_no_fault(name, known, tmp_path):
    """Once the file is in its place: the folder, and the old file."""
    found = known(name).calls
    step = next(at for at, call in enumerate(found) if call.name in STEPS)
    closed = [call for call in found[step:] if call.name == "close"]
    assert len(closed) > 1
    for number, call in enumerate(closed[:3]):
        folder = tmp_path / str(number)
        folder.mkdir()
        done, left = inject(known(name), call, "error=EIO", folder)
        assert (done.code, left == known(name).new) == (known(name).writer.code, True), (call, done)


def test_what_could_not_be_confirmed_is_said_to_be_there(known, tmp_path):
    """The last fsync, of the folder, fails: the new file is in its place, and nobody says that nothing was changed."""
    last = [call for call in known("fix FILE").calls if call.name == "fsync"][-1]

    done, left = inject(known("fix FILE"), last, "error=EIO", tmp_path)

    assert left == known("fix FILE").new
    assert (
        "app.yaml: the new text is there, but may not outlast a power cut: Input/output error; check the disk"
        in done.err
    )
    assert "nothing was changed" not in done.err


def test_init_takes_back_a_file_that_the_disk_did_not_confirm(known, tmp_path):
    confirmed = next(call for call in known("init").calls if call.name == "fsync" and call.number == 2)

    done, left = inject(known("init"), confirmed, "error=EIO", tmp_path)

    assert left == known("init").old
    assert "can't be written: Input/output error; nothing was written" in done.err


def slowed(folder: Path, call: str, moment: str, microseconds: int = 700_000) -> subprocess.Popen[bytes]:
    """`fix app.yaml`, which waits before or after a call; every call of that name."""
    rule = f"inject={call}:delay_{moment}={microseconds}"
    command = [strace(), "-f", "-o", str(folder.parent / "log"), "-e", f"trace={call}", "-e", rule]
    return subprocess.Popen(
        [*command, sys.executable, "-m", "krm_harden", "fix", "app.yaml"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    while not what():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def save(path: Path, text: str) -> None:
    """As editors save: a new file takes the place of the old one."""
    beside = path.with_name("editor's")
    beside.write_text(text)
    beside.replace(path)


def begun(log: Path, call: str) -> bool:
    return log.exists() and f"{call}(" in log.read_text(errors="replace")


def test_a_save_just_before_the_step_is_put_back(tmp_path):
    """strace holds the run between its last comparison and renameat2; the editor saves then."""
    folder = tmp_path / "files"
    prepared(folder, WRITERS["fix FILE"])
    with slowed(folder, "renameat2", "enter") as process:
        wait_for(lambda: begun(tmp_path / "log", "renameat2"), process)
        save(folder / "app.yaml", "kind: somebody's\n")
        out, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert b"app.yaml: was changed by somebody else meanwhile; run the command again" in out + err
    assert (folder / "app.yaml").read_text() == "kind: somebody's\n"
    assert os.listdir(folder) == ["app.yaml"]


def test_of_two_saves_around_the_step_the_later_one_stays(tmp_path):
    """Another editor saves while the run looks at what it took."""
    folder = tmp_path / "files"
    prepared(folder, WRITERS["fix FILE"])
    with slowed(folder, "renameat2", "enter") as process:
        wait_for(lambda: begun(tmp_path / "log", "renameat2"), process)
        save(folder / "app.yaml", "kind: first\n")
        wait_for(lambda: (folder / "app.yaml").read_text() != "kind: first\n", process)
        save(folder / "app.yaml", "kind: second\n")
        out, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert b"was changed by somebody else meanwhile" in out + err
    assert (folder / "app.yaml").read_text() == "kind: second\n"
    assert os.listdir(folder) == ["app.yaml"]


def while_written(change: Callable[[], object], text: bytes = b"new") -> Iterator[bytes]:
    """The parts of a new text, between which something happens."""
    yield text[:1]
    change()
    yield text[1:]


def swapped(path: Path, target: Path) -> None:
    """A link in the place of a file or folder."""
    path.rename(path.with_name("moved away"))
    path.symlink_to(target)


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "another content": lambda path, _: path.write_bytes(b"other"),
    "more content": lambda path, _: path.write_bytes(b"old!"),
    "saved anew": lambda path, _: save(path, "old"),
    "deleted": lambda path, _: path.unlink(),
    "a folder": lambda path, _: (path.unlink(), path.mkdir()),
    "another mode": lambda path, _: path.chmod(0o600),
    "a link": lambda path, outside: swapped(path, outside / path.name),
    "a named pipe": lambda path, _: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_makes_of_a_file_meanwhile_stays(change, tmp_path):
    tree, outside = tmp_path / "tree" / "sub", tmp_path / "outside"
    for folder in (tree, outside):
        folder.mkdir(parents=True)
        (folder / "app.yaml").write_bytes(b"old")
    path = tree / "app.yaml"
    seen: list[State] = []

    def happens() -> None:
        CHANGES[change](path, outside)
        seen.append(names(tree))

    with pytest.raises(KrmHardenError, match="was changed by somebody else meanwhile; run the command again"):
        _replace.replace(path, while_written(happens), b"old", _replace.Root.of(tmp_path / "tree"))

    assert names(tree) == seen[0]
    assert (outside / "app.yaml").read_bytes() == b"old"


def names(folder: Path) -> State:
    """What is in a folder, pipes unread, without the temporary file that is just being written."""
    there = [path for path in folder.iterdir() if not _replace.is_left_over(path.name)]
    return {path.name: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in sorted(there)}


@pytest.mark.parametrize("named", ["tree", "tree/sub"])
def test_a_folder_that_becomes_a_link_leads_no_write_out(named, tmp_path):
    """Before it is opened: nothing is written. Afterwards the file goes where its folder is now."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / "sub", outside, outside / "sub"):
        folder.mkdir(parents=True)
        (folder / "app.yaml").write_bytes(b"old")
    root = _replace.Root.of(tree)
    swapped(tmp_path / named, outside)

    with pytest.raises(KrmHardenError, match="was changed by somebody else meanwhile"):
        _replace.replace(tree / "sub" / "app.yaml", b"new", b"old", root)

    assert {one.read_bytes() for one in tmp_path.rglob("*.yaml")} == {b"old"}


def test_a_folder_that_is_moved_while_its_file_is_written_takes_it_along(tmp_path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / "sub", outside):
        folder.mkdir(parents=True)
        (folder / "app.yaml").write_bytes(b"old")

    _replace.replace(
        tree / "sub" / "app.yaml",
        while_written(lambda: swapped(tree / "sub", outside)),
        b"old",
        _replace.Root.of(tree),
    )

    assert (tree / "moved away" / "app.yaml").read_bytes() == b"new"
    assert (outside / "app.yaml").read_bytes() == b"old"
    assert os.listdir(outside) == ["app.yaml"]


def test_fix_of_a_folder_leaves_a_link_out_of_it_alone_but_a_named_one_is_followed(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "outside.yaml").write_text(APP)
    (tree / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (tree / "own.yaml").write_text(APP)
    (tree / "within.yaml").symlink_to("own.yaml")

    assert run_cli("fix", ".", cwd=tree).code == 0
    assert (tmp_path / "outside.yaml").read_text() == APP
    assert (tree / "own.yaml").read_text() != APP
    assert (tree / "within.yaml").is_symlink()

    assert run_cli("fix", ".", "link.yaml", cwd=tree).code == 0
    assert (tmp_path / "outside.yaml").read_text() == (tree / "own.yaml").read_text()
    assert (tree / "link.yaml").is_symlink()


def counting(path: Path, times: int) -> None:
    """Add to the number in a file; when somebody else was faster, again."""
    for _ in range(times):
        while True:
            old = path.read_bytes()
            with contextlib.suppress(KrmHardenError):
                _replace.replace(path, b"%d\n" % (int(old) + 1), old)
                break


def child(work: Callable[[], object]) -> int:
    process = os.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return process


def test_of_two_processes_that_write_the_same_file_no_change_is_lost(tmp_path):
    path = tmp_path / "count"
    path.write_bytes(b"0\n")
    times = 2000 if EVERYTHING else 200

    children = [child(lambda: counting(path, times)) for _ in range(2)]

    assert [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children] == [0, 0]
    assert path.read_bytes() == b"%d\n" % (2 * times)
    assert os.listdir(tmp_path) == ["count"]


def editing(path: Path, times: int) -> None:
    """Save one text after another; each must still be there, with what was added to it, before the next one is."""
    for number in range(times):
        save(path, f"{number:06}")
        for _ in range(3000):
            if path.read_bytes().startswith(b"%06d" % number):
                break
            time.sleep(0.001)
        else:
            raise AssertionError(f"save {number} was lost")


def adding(path: Path) -> None:
    while True:
        old = path.read_bytes()
        with contextlib.suppress(KrmHardenError):
            _replace.replace(path, old[:6] + b"+", old)


def test_no_save_of_an_editor_is_lost(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_bytes(b"000000")
    times = 5000 if EVERYTHING else 300

    editor = child(lambda: editing(path, times))
    other = child(lambda: adding(path))
    code = os.waitstatus_to_exitcode(os.waitpid(editor, 0)[1])
    os.kill(other, signal.SIGTERM)
    os.waitpid(other, 0)

    assert code == 0
    assert path.read_bytes()[:6] == b"%06d" % (times - 1)
    assert os.listdir(tmp_path) == ["app.yaml"], "SIGTERM leaves nothing, either"


def test_two_runs_of_fix_on_one_folder(tmp_path):
    """Each file is the fixed one in the end, whoever was faster; who wasn't says so."""
    for number in range(30):
        (tmp_path / f"app{number:02}.yaml").write_text(APP)

    command = [sys.executable, "-m", "krm_harden", "fix", "."]
    with contextlib.ExitStack() as stack:
        runs = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            )
            for _ in range(2)
        ]
        said_ = [run.communicate(timeout=120)[0] for run in runs]

    for run, words in zip(runs, said_, strict=True):
        assert run.returncode == (2 if b"was changed by somebody else meanwhile" in words else 0), words
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert len(os.listdir(tmp_path)) == 30
    assert run_cli("check", ".", cwd=tmp_path).code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    subprocess.run(["umount", folder], check=True)


MANY = "---\n".join([APP] * 100)


def test_a_full_disk(small_disk):
    """A real one, which takes a part of the text first."""
    (small_disk / "app.yaml").write_text(MANY)

    done = run_cli("fix", "app.yaml", cwd=small_disk)

    assert done.code == 2
    assert b"app.yaml: can't be written: No space left on device; nothing was changed" in one(done)
    assert state(small_disk) == {"app.yaml": (0o644, MANY.encode())}


def one(done: Ran) -> bytes:
    return done.out + done.err.encode()


def test_a_disk_that_is_read_only(small_disk):
    (small_disk / "app.yaml").write_text(APP)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    done = run_cli("fix", "app.yaml", cwd=small_disk)

    assert done.code == 2
    assert b"can't be written: Read-only file system; nothing was changed" in one(done)
    assert state(small_disk) == {"app.yaml": (0o644, APP.encode())}


def test_a_limit_on_the_size_of_files_and_what_is_written_by_halves(tmp_path):
    """The kernel takes what fits, then none: the rest is tried again, and refused."""
    (tmp_path / "app.yaml").write_text(MANY)
    limit = f"ulimit -f 40; exec {sys.executable} -m krm_harden fix app.yaml"

    done = subprocess.run(
        ["bash", "-c", limit], cwd=tmp_path, env=environment(), capture_output=True, timeout=300, check=False
    )

    assert done.returncode == 2
    assert b"can't be written: File too large; nothing was changed" in done.stdout + done.stderr
    assert state(tmp_path) == {"app.yaml": (0o644, MANY.encode())}


def test_a_folder_that_others_may_not_write_to():
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        (Path(place) / "app.yaml").write_bytes(b"old")
        Path(place).chmod(0o755)
        _replace.replace(Path(place) / "app.yaml", b"old!", b"old")  # loads what it takes, while it may be read

        def as_nobody() -> None:
            os.seteuid(65534)
            with pytest.raises(KrmHardenError, match="can't be written: Permission denied; nothing was changed"):
                _replace.replace(Path(place) / "app.yaml", b"new", b"old!")

        made = child(as_nobody)

        assert os.waitstatus_to_exitcode(os.waitpid(made, 0)[1]) == 0
        assert state(Path(place)) == {"app.yaml": (0o644, b"old!")}


def test_what_a_killed_run_left_is_removed_when_it_is_old_and_ours(tmp_path):
    (tmp_path / "app.yaml").write_text(APP)
    left = {
        name: tmp_path / f".krm-harden-{name}" for name in ("0123456789abcdef", "fedcba9876543210", "notes", "0" * 15)
    }
    for path in left.values():
        path.write_text(APP)
        os.utime(path, (0, 0))
    os.utime(left["fedcba9876543210"])

    assert run_cli("check", ".", cwd=tmp_path).out.count(b"app.yaml") == run_cli(
        "check", "app.yaml", cwd=tmp_path
    ).out.count(b"app.yaml")
    assert run_cli("fix", ".", cwd=tmp_path).code == 0

    assert {name for name, path in left.items() if path.exists()} == {"fedcba9876543210", "notes", "0" * 15}


def test_attributes_and_links_by_name_are_kept(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_bytes(b"old")
    path.chmod(0o604)
    try:
        os.setxattr(path, "user.origin", b"somewhere")
    except OSError:
        pytest.skip("this file system has no attributes")

    _replace.replace(path, b"new", b"old")

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o604)
    assert os.getxattr(path, "user.origin") == b"somewhere"


def test_a_text_in_parts_is_compared_with_a_fingerprint(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_bytes(b"old text")

    with pytest.raises(KrmHardenError, match="was changed by somebody else"):
        _replace.replace(path, iter([b"new"]), _replace.Fingerprint([b"old ", b"texT"]))
    assert path.read_bytes() == b"old text"

    _replace.replace(path, iter([b"new", b" text"]), _replace.Fingerprint([b"old ", b"text"]))
    assert path.read_bytes() == b"new text"


def test_parts_that_fail_leave_the_file(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_bytes(b"old")

    def failing() -> None:
        raise KrmHardenError("no more")

    with pytest.raises(KrmHardenError, match="no more"):
        _replace.replace(path, while_written(failing), b"old")

    assert state(tmp_path)["app.yaml"][1] == b"old"
    assert os.listdir(tmp_path) == ["app.yaml"]


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/null", "pipe"])
def test_a_report_goes_into_what_is_no_file_as_ever(place, tmp_path):
    (tmp_path / "app.yaml").write_text(APP)
    target = str(tmp_path / "pipe") if place == "pipe" else place
    if place == "pipe":
        os.mkfifo(target)
    with contextlib.ExitStack() as stack:
        if place == "pipe":
            reader = stack.enter_context(subprocess.Popen(["cat", target], stdout=subprocess.PIPE))
        done = run_cli("check", "--report", f"json={target}", "app.yaml", cwd=tmp_path)
        got = reader.communicate(timeout=60)[0] if place == "pipe" else done.out

    assert done.code == 1
    assert (b'"version": 1' in got) == (place != "/dev/null")
    assert not stat.S_ISREG(os.stat(target).st_mode) or place == "/dev/stdout"


def test_an_output_folder_does_not_lead_out_by_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "manifests").symlink_to(tmp_path / "outside")
    (tmp_path / "app.yaml").write_text(APP)
    (tmp_path / "psp.yaml").write_text(POD_SECURITY_POLICY)

    done = run_cli("psp", "migrate", "-o", "moved", "app.yaml", "psp.yaml", cwd=tmp_path)

    assert os.listdir(tmp_path / "outside") == []
    assert done.code == 2, done
    assert "can't be written: leads out of the folder" in done.err

"""Other programs as children: without a shell, with little of our environment, within a time that ends for all of them.

A child stays in our process group, so that who ends the group ends it too. What a child leaves running when its time
is over is ended and waited for, however it was started: nothing stays behind, not even a zombie.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from krm_harden.errors import ConfigError, InputError, KrmHardenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

MAX_LINES = 12
"""Of what a failed child says last."""
MAX_WIDTH = 400
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NOWHERE = "http://127.0.0.1:1"
"""A proxy that isn't there: whatever a child would fetch fails at once."""
FOLDERS = (
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "KUSTOMIZE_PLUGIN_HOME"),
    *("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"),
)
"""What kustomize and helm keep outside of an application: all of it in a folder that is new and empty."""
_SET_CHILD_SUBREAPER = 36


class _Over(BaseException):
    """The time is over, or we are told to end. Not an Exception: nobody on the way may take it for an error."""


class Watch:
    """How long a command may take, and what it is doing, for the message when it takes longer."""

    __slots__ = ("doing", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.doing = "starting"

    def over(self, work: Callable[[], int]) -> int:
        """What `work` returns. Raises KrmHardenError when it takes too long, or when we are told to end."""
        before = {number: signal.signal(number, _end) for number in (signal.SIGALRM, signal.SIGTERM)}
        try:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
            return work()
        except _Over as over:
            if over.args[0] == signal.SIGTERM:
                raise KrmHardenError(f"was told to end, while {self.doing}") from None
            raise KrmHardenError(
                f"timed out after {self.seconds:g} s, while {self.doing}",
                next_step="--timeout or KRM_HARDEN_TIMEOUT sets the time",
            ) from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """From here on, take as long as it takes."""
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end(number: int, _frame: Any) -> NoReturn:
    raise _Over(number)


def seconds(said: str, where: str) -> float:
    """A time-out as somebody wrote it. Raises ConfigError."""
    try:
        found = float(said)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise ConfigError(f"must be a number of seconds, not {said!r}", where)
    return found


class Ended:
    """What a child left: its exit code (negative: the signal that ended it), and what it wrote."""

    __slots__ = ("code", "err", "out")

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out
        self.err = err

    def tail(self, folder: str, most: int = MAX_LINES) -> list[str]:
        """The last lines of its stderr, as short as a report needs them; paths below `folder` are relative."""
        text = self.err.decode(errors="replace").replace(folder.rstrip("/") + "/", "")
        return [line[:MAX_WIDTH] for line in text.splitlines() if line.strip()][-most:]


def program(name: str, next_step: str) -> str:
    """The file of a program on PATH, whose relative folders don't count: they would be the manifests' own.

    Raises KrmHardenError.
    """
    for folder in filter(os.path.isabs, os.get_exec_path()):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise KrmHardenError(f"{name} isn't on PATH", next_step=next_step)


def run(command: Sequence[str], environment: Mapping[str, str], watch: Watch, doing: str) -> Ended:
    """What a child left, its stdin empty, its folder ours. Raises KrmHardenError when it can't be started."""
    import subprocess

    from krm_harden import outputs

    watch.doing = doing
    try:
        child = subprocess.Popen(  # noqa: S603 - no shell, and the program is the administrator's
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    except OSError as error:
        raise KrmHardenError(f"can't be started: {error.strerror}", command[0]) from None
    try:
        out, err = outputs.said(child)
    except InputError as error:
        end_all(child.pid)
        error.where = doing.removeprefix("running ")
        raise
    except BaseException:
        end_all(child.pid)
        raise
    return Ended(child.returncode, out, err)


def offline(home: str) -> dict[str, str]:
    """An environment in which a child finds no git (it gets no PATH at all), no proxy, no configuration but its own."""
    return {**_at_home(home), **dict.fromkeys(PROXIES, NOWHERE), "NO_PROXY": "", "no_proxy": ""}


def online(home: str) -> dict[str, str]:
    """Our own environment, without what comes from the application and what is for us."""
    ours = ("ARGOCD_", "KRM_HARDEN_", "PARAM_", "KUBE_", "PYTHON")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **_at_home(home)}


def _at_home(home: str) -> dict[str, str]:
    return {"HOME": home, "TMPDIR": home, "LC_ALL": "C.UTF-8", **{name: f"{home}/{name.lower()}" for name in FOLDERS}}


@contextlib.contextmanager
def home(parent: str) -> Iterator[str]:
    """A folder of a child's own, and gone afterwards."""
    path = os.path.join(parent, f".krm-harden-{os.getpid()}-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    for folder, folders, files in os.walk(path, topdown=False):
        for name in [*files, *folders]:
            inner = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                os.rmdir(inner) if name in folders and not os.path.islink(inner) else os.unlink(inner)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def end_all(child: int) -> None:
    """End a child and whatever it started, and wait for each of them."""
    _adopt_orphans()
    for _ in range(500):
        for process in {child, *_started()}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            if not _started():
                return
        time.sleep(0.01)


def _adopt_orphans() -> None:
    """What our children leave running becomes our child, and not that of the container's first process."""
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _started() -> set[int]:
    """The processes below us that run: descendants, and where the process group is ours alone, all of it."""
    children: dict[int, list[int]] = {}
    here, leads = os.getpid(), os.getpgrp() == os.getpid()
    found = set()
    for process, parent, group in _processes():
        children.setdefault(parent, []).append(process)
        if leads and group == here and process != here:
            found.add(process)
    waiting = [here]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _processes() -> Iterator[tuple[int, int, int]]:
    """Each process that hasn't ended, its parent and its group. Nothing where there is no /proc."""
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                # The name before the last parenthesis may hold anything.
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if state != b"Z":
            yield int(number), int(parent), int(group)

"""Units as tasks of Dask: what a lost worker had is done again elsewhere, and each unit counts once.

The same function runs on the workers, in the same release. Tasks are pure: a unit in, its results out; this process
keeps one result a unit, by its place in the list, whichever worker it came from and however often it was made.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import pickle
import time
import zlib
from collections import deque
from functools import lru_cache
from importlib import import_module
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from krm_harden import __version__, limits
from krm_harden.errors import KrmHardenError
from krm_harden.fleet import names, work
from krm_harden.fleet.storage import INSTALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.engine import Engine
    from krm_harden.fleet.units import Unit
    from krm_harden.fleet.work import Examined, How

AHEAD = 4
"""Tasks for each thread of a worker that are given out before their turn."""
TASKS = 32
"""Tasks for each thread, at least, where there are as many units: so that all end at about the same time."""
MOST = 16
"""Units of a task, at most."""
RETRIES = 2
"""How often a task that fails by itself is done again; what a lost worker had doesn't count."""
PATIENCE = 60.0
"""Seconds without any worker after which nobody is waited for any more."""
LOOK = 2.0
"""Seconds after which it is looked whether there still are workers."""
START = 10
"""Seconds for a scheduler's first answer."""
WRONG_RELEASE = b"release "


def task(release: str, engine: bytes, share: bytes) -> bytes:
    """On a worker: what the engine makes of some units; all as bytes, so that another release says so first."""
    if release != __version__:
        return WRONG_RELEASE + __version__.encode()
    units, how, loaded, held = pickle.loads(zlib.decompress(share))  # noqa: S301 - whoever runs the cluster wrote it
    before = limits.hold_here(held)
    try:
        return zlib.compress(pickle.dumps(work.together(_engine(engine), units, how, loaded), -1), 1)
    finally:
        limits.hold_again(before)


@lru_cache(maxsize=4)
def _engine(said: bytes) -> Engine:
    found: Engine = pickle.loads(said)  # noqa: S301 - as above
    return found


def same(data: bytes) -> bytes:
    """The policy as a task of its own: what a lost worker knew of it is made again like all else."""
    return data


def release() -> str:
    """On a worker: its release."""
    return __version__


def _cut(units: Sequence[Unit], threads: int) -> Iterator[list[int]]:
    """The places of the units, task by task: a few each where there are many, for each task costs some milliseconds."""
    count = max(1, min(MOST, len(units) // (TASKS * threads)))
    for start in range(0, len(units), count):
        yield list(range(start, min(start + count, len(units))))


class Cluster:
    """A scheduler of Dask and who works for it: one elsewhere by its address, else one of this machine's own."""

    def __init__(self, address: str = "", workers: int = 0) -> None:
        try:
            distributed = import_module("distributed")
        except ModuleNotFoundError:
            raise KrmHardenError("distributed isn't installed, which runs a cluster", next_step=INSTALL) from None
        self._library = distributed
        self._stack = contextlib.ExitStack()
        self._address = address
        # It tells of every worker that comes and goes, with tracebacks; what matters of that is said here.
        logging.disable(logging.CRITICAL)
        try:
            self._client = self._stack.enter_context(self._connected(address, workers))
        except (OSError, ValueError, TypeError) as failure:
            self._stack.close()
            said = f"the scheduler can't be reached: {names.scrubbed(failure).partition(';')[0][:160]}"
            raise KrmHardenError(said, names.shown(address), "check its address, and that it runs") from None

    def _connected(self, address: str, workers: int) -> Any:
        if address:
            return self._library.Client(address, timeout=START)
        local = self._library.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        return self._library.Client(self._stack.enter_context(local), timeout=START)

    def close(self) -> None:
        """End what was begun here."""
        self._stack.close()

    def examined(self, engine: Engine, units: Sequence[Unit], how: How) -> Iterator[tuple[int, Examined]]:
        """What becomes of each unit, with its place, as it comes. Raises KrmHardenError."""
        self._must_have_workers()
        self._must_be_same()
        said = pickle.dumps(engine, -1)
        run = f"{hashlib.sha256(said).hexdigest()[:16]}-{time.time_ns()}"
        policy = self._client.submit(same, said, key=f"krm-harden-policy-{run}", pure=True)
        threads = max(self._threads(), 1)
        left = deque(_cut(units, threads))
        waiting: dict[Any, list[int]] = {}
        done: Queue[Any] = Queue()
        try:
            while left or waiting:
                while left and len(waiting) < AHEAD * threads:
                    places = left.popleft()
                    future = self._submitted(policy, [units[place] for place in places], how, f"{run}-{places}")
                    waiting[future] = places
                    future.add_done_callback(done.put)
                future = self._next(done)
                places = waiting.pop(future)
                found = self._result(future, [units[place] for place in places])
                # Nobody knows which of them it was: each for itself, then.
                left.extendleft([place] for place in (places if not found else ()))
                yield from zip(places, found, strict=False)
        finally:
            # After Ctrl-C nobody is to go on with what nobody waits for.
            with contextlib.suppress(Exception):
                self._client.cancel([*waiting, policy], force=True)

    def _submitted(self, policy: Any, units: Sequence[Unit], how: How, key: str) -> Any:
        """A task. What lies on this machine is read here: workers have no such files."""
        found = [None if names.is_url(unit.source) else work.loaded(unit, how) for unit in units]
        share = zlib.compress(pickle.dumps((units, how, found, limits.now().all()), -1), 1)
        return self._client.submit(
            task, __version__, policy, share, key=f"krm-harden-{key}", retries=RETRIES, pure=True
        )

    def _next(self, done: Queue[Any]) -> Any:
        """The next task that is done. Raises KrmHardenError where nobody works any more."""
        alone_since = 0.0
        while True:
            with contextlib.suppress(Empty):
                return done.get(timeout=LOOK)
            alone_since = 0.0 if self._threads() else alone_since or time.monotonic()
            gone = self._client.status != "running"
            if gone or (alone_since and time.monotonic() - alone_since > PATIENCE):
                raise self._lost()

    def _result(self, future: Any, units: Sequence[Unit]) -> list[Examined]:
        """What became of a task's units; nothing where several of them have killed their workers together."""
        try:
            data = future.result()
        except self._library.KilledWorker:
            said = "its worker died, again and again; is its memory enough?"
            return [work.failed(unit, said) for unit in units] if len(units) == 1 else []
        except (self._library.CancelledError, OSError):
            raise self._lost() from None
        except (ImportError, AttributeError) as failure:
            raise self._other(names.scrubbed(failure)) from None
        finally:
            future.release()
        if data.startswith(WRONG_RELEASE):
            raise self._other(data.removeprefix(WRONG_RELEASE).decode(errors="replace"))
        found: list[Examined] = pickle.loads(zlib.decompress(data))  # noqa: S301 - our own task wrote it
        return found

    def _threads(self) -> int:
        try:
            return sum(worker["nthreads"] for worker in self._workers().values())
        except (OSError, KeyError):
            return 0

    def _workers(self) -> dict[str, Any]:
        if self._client.status != "running":
            return {}
        found: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def _must_have_workers(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._workers():
            if time.monotonic() > until:
                step = "start some: dask worker ADDRESS"
                raise KrmHardenError(f"no worker has come in {PATIENCE:g} seconds", names.shown(self._address), step)
            time.sleep(0.1)

    def _must_be_same(self) -> None:
        """Raises KrmHardenError for workers of another release: their report would be another one."""
        try:
            found = self._client.run(release, on_error="return")
        except Exception as failure:  # noqa: BLE001 - what has no krm-harden fails in many ways
            raise self._other(names.scrubbed(failure)) from None
        for said in found.values():
            if said != __version__:
                raise self._other(said if isinstance(said, str) else f"none ({names.scrubbed(said)})")

    def _other(self, said: str) -> KrmHardenError:
        step = f"pip install krm-harden=={__version__} there"
        return KrmHardenError(
            f"a worker has krm-harden {said[:120]}, and this is {__version__}", names.shown(self._address), step
        )

    def _lost(self) -> KrmHardenError:
        said = "the cluster was lost: its scheduler or all its workers are gone"
        return KrmHardenError(said, names.shown(self._address), "nothing was reported; run it again")

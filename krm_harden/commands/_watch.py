"""`--watch`: the same command again whenever what it reads has changed, until Ctrl-C.

A system's notices (inotify and its like, by watchdog) only wake: what has changed is told by comparing each file with
what was read of it. So what we write ourselves, an editor's temporary files and notices that got lost all cost nothing.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import limits
from krm_harden.commands import _files, _policies, _run, _streams
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.resources import KUSTOMIZATIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from watchdog.events import FileSystemEvent

    from krm_harden.commands._run import Input

    Key = tuple[object, ...]

QUIET = 0.15
"""Seconds without a notice after which whoever writes is taken to be done."""
LONGEST = 2.0
"""Seconds after which we look, even if somebody writes without end."""
EVERY = 1.0
"""Seconds between two looks where no notices come."""
NAMED = 3
"""Changed files that are named; of more, the number."""
CHANGES = {"created", "deleted", "modified", "moved", "closed"}
"""The notices that count: reading, of which there are some too, is what we do ourselves."""


class Known(NamedTuple):
    """A file as it was when it was read, and what came of it; None: it is to be examined again, but is no news."""

    key: Key
    made: Input | None


class State(NamedTuple):
    """What a run reads: its files, or why there are none to be had; what it judges by; and its baseline."""

    files: dict[Path, Key]
    error: str
    policies: dict[str, bytes]
    baseline: dict[str, bytes]

    def changes(self, before: State) -> list[str]:
        """The names of what is new, other or gone."""
        found = [str(path) for path in {*self.files, *before.files} if self.files.get(path) != before.files.get(path)]
        for now, then in ((self.policies, before.policies), (self.baseline, before.baseline)):
            found += [name for name in {*now, *then} if now.get(name) != then.get(name)]
        found += [self.error] if self.error not in {"", before.error} else []
        return sorted(found)


def state(options: argparse.Namespace) -> State:
    """What a command line reads, as it is now."""
    try:
        files, patches = _run.found(options.paths, options.exclude)
    except (KrmHardenError, OSError) as error:
        files, patches, said = [], {}, str(error)
    else:
        said = ""
    judged_by = [*_policy_files(options), *_names(options.images)]
    accepted = _names(getattr(options, "baseline", None))
    return State(
        {path: _key(path, patches) for path in files},
        said,
        {name: _bytes(name) for name in judged_by},
        {name: _bytes(name) for name in accepted},
    )


def _policy_files(options: argparse.Namespace) -> list[str]:
    """The policies of the command line, else of the environment; a wrong list there is the round's to say."""
    said = os.environ.get(_policies.VARIABLE, "")
    return list(options.policy or filter(None, said.split(os.pathsep)))


def _names(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else list(said or ())


class Memory:
    """What is known of each file from the rounds before."""

    def __init__(self) -> None:
        self._known: dict[Path, Known] = {}
        self._read: dict[Path, Key] = {}
        self._written: dict[str, bytes] = {}
        self._relied: object = None

    def examined(
        self, files: list[Path], patches: dict[Path, str], examine: Callable[[list[Path]], Iterator[Input]]
    ) -> Iterator[Input]:
        """The files in their order; only those that aren't as they were are examined, and are fresh."""
        self._read = {path: _key(path, patches) for path in files}
        self._known = {path: one for path, one in self._known.items() if path in self._read}
        same = {path: one.made for path, one in self._known.items() if one.key == self._read[path]}
        results = examine([path for path in files if same.get(path) is None])
        for path in files:
            made = same.get(path)
            if made is None:
                made = next(results)
                self._known[path] = Known(self._read[path], made)
            yield made._replace(fresh=False) if path in same else made

    def noted(self, inputs: Iterable[Input]) -> Iterator[Input]:
        """The same inputs, whose new bytes are remembered: a file that has them is our own work."""
        self._written.clear()
        for made in inputs:
            if made.changed:
                self._written[made.name] = made.new
            yield made

    def relies_on(self, found: object) -> None:
        """Note what else decides about each file; where that has changed, nothing is known any more."""
        if found != self._relied:
            self.forget()
        self._relied = found

    def forget(self) -> None:
        """What was judged by another policy is as if it had never been read."""
        self._known.clear()

    def seen(self, options: argparse.Namespace, before: State) -> State:
        """The state that a round leaves: what it found, and what it has written itself."""
        reports = {os.path.realpath(target.path) for target in options.report}
        for path, key in self._read.items():
            ours = self._written.get(str(path))
            if (ours is not None and _bytes(path) == ours) or (reports and os.path.realpath(path) in reports):
                self._read[path] = (_signature(path), *key[1:])
                self._known[path] = Known(self._read[path], None)
        files = {**before.files, **self._read}
        self._read = {}
        return before._replace(files=files, baseline={name: _bytes(name) for name in before.baseline})


def _key(path: Path, patches: dict[Path, str]) -> Key:
    """What tells whether a file is as it was: itself, and what kustomizations say of it."""
    return _signature(path), patches.get(Path(os.path.realpath(path)), "")


def _signature(path: Path) -> Key:
    try:
        found = os.stat(path)
    except OSError as error:
        return (str(error),)
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev, found.st_mode


def _bytes(path: str | Path) -> bytes:
    try:
        return limits.read_file(path)
    except (OSError, InputError) as error:
        return str(error).encode(errors="replace")


def rounds(options: argparse.Namespace, run: Callable[[argparse.Namespace], int]) -> int:
    """Run a command until Ctrl-C; the exit code of its last round. Raises KrmHardenError as its first one does."""
    _must_suit(options)
    gc.enable()
    options.memory = memory = Memory()
    before = state(options)
    code = run(options)
    before = memory.seen(options, before)
    # From here on there are threads: nothing forks any more.
    options.jobs = 1
    with _Waker(options) as waker:
        _streams.complain([f"krm-harden: watching {', '.join(options.paths)}; Ctrl-C ends it"])
        while True:
            try:
                now = _next(options, before, waker)
            except KeyboardInterrupt:
                return code
            code = _round(options, run, before, now)
            before = memory.seen(options, now)


def _must_suit(options: argparse.Namespace) -> None:
    """Raises ConfigError for what can't be done again and again."""
    wrong = {
        "standard input": _run.STDIN in options.paths,
        "--hook": options.hook,
        "--interactive": getattr(options, "interactive", False),
        "--against": getattr(options, "against", None),
        # It would accept whatever comes, round by round.
        "--write-baseline": getattr(options, "write_baseline", False),
        f"--output {options.output}": options.output != "text",
    }
    for name, is_there in wrong.items():
        if is_there:
            hint = "--report FORMAT=FILE is written anew each time" if name.startswith("--output") else ""
            raise ConfigError(f"--watch and {name} exclude each other", next_step=hint)


def _next(options: argparse.Namespace, before: State, waker: _Waker) -> State:
    """The state as soon as it is another one."""
    while True:
        now = state(options)
        if now.changes(before):
            return now
        # An error that has gone by itself is no news, but it may come again.
        before = before._replace(error=now.error)
        waker.wait()


def _round(options: argparse.Namespace, run: Callable[[argparse.Namespace], int], before: State, now: State) -> int:
    """The exit code of one more round; an error ends only that."""
    changed = now.changes(before)
    named = ", ".join(changed) if len(changed) <= NAMED else f"{len(changed)} files"
    _streams.complain(["", f"--- {time.strftime('%H:%M:%S')}: changed: {named} ---"])
    if now.policies != before.policies:
        options.memory.forget()
    try:
        return run(options)
    except (KrmHardenError, OSError) as error:
        _streams.complain([f"krm-harden: error: {error}"])
        return error.exit_code if isinstance(error, KrmHardenError) else 2


class _Waker:
    """Wakes who waits when something happens below the folders of a command line.

    Where a system has no notices left, or a folder is missing, it wakes every second.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._happened = threading.Event()
        self._observer: Any = None
        self._places: dict[str, Key] = {}
        self._error: BaseException | None = None
        self._polls = False

    def __enter__(self) -> _Waker:  # noqa: PYI034 - typing has Self from Python 3.11 on
        self._hook, threading.excepthook = threading.excepthook, self._failed
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        threading.excepthook = self._hook

    def wait(self) -> None:
        """Until something may have changed, and whoever changes it is done."""
        if not self._polls and (self._error or self._places != _places(self._options)):
            # What happened meanwhile gave no notice.
            self._stop()
            self._start()
            return
        is_all_there = all(len(key) > 1 for key in self._places.values())
        if self._happened.wait(None if is_all_there and not self._polls else EVERY):
            end = time.monotonic() + LONGEST
            while time.monotonic() < end:
                self._happened.clear()
                if not self._happened.wait(QUIET):
                    break

    def _start(self) -> None:
        from watchdog.observers import Observer

        if self._error:
            self._poll(self._error)
            return
        self._places = _places(self._options)
        said = map(os.path.basename, map(os.path.abspath, _named(self._options)))
        named = frozenset({*said, *_files.IGNORE_FILES, *KUSTOMIZATIONS})
        try:
            self._observer = Observer()
            for folder, key in self._places.items():
                if len(key) > 1:
                    is_whole = folder in self._options.paths
                    handler = _Handler(self._happened, None if is_whole else named)
                    self._observer.schedule(handler, folder, recursive=is_whole)
            self._observer.start()
        except OSError as error:
            self._poll(error)

    def _poll(self, error: BaseException) -> None:
        self._polls = True
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        advice = "raise fs.inotify.max_user_watches or max_user_instances (sysctl)"
        _streams.complain([f"warning: no notices of changes: {why}: looking every second instead; {advice}"])

    def _failed(self, args: threading.ExceptHookArgs) -> None:
        """In a thread that dies, with a new folder that there was no watch left for."""
        self._error = args.exc_value
        self._happened.set()

    def _stop(self) -> None:
        if self._observer and self._observer.is_alive():
            self._observer.stop()
            self._observer.join()


class _Handler:
    """What a thread of watchdog calls; `names` are the files that count, None where all do."""

    def __init__(self, happened: threading.Event, names: frozenset[str] | None) -> None:
        self._happened = happened
        self._names = names

    def dispatch(self, event: FileSystemEvent) -> None:
        paths = (event.src_path, event.dest_path)
        counts = self._names is None or any(os.path.basename(os.fsdecode(path)) in self._names for path in paths)
        if event.event_type in CHANGES and counts:
            self._happened.set()


def _places(options: argparse.Namespace) -> dict[str, Key]:
    """The folders that notices are needed of, each with what it is: another of the same name is another.

    Those of files that are named, and those above, up to the repository's own: they say what is ignored.
    """
    folders = [path for path in options.paths if not os.path.isfile(path)]
    for name in _named(options):
        above = list(Path(os.path.abspath(name)).parents)
        tops = [index for index, folder in enumerate(above) if (folder / ".git").exists()]
        folders += map(str, above[: tops[0] + 1 if tops else 1])
    return {folder: _identity(folder) for folder in folders}


def _named(options: argparse.Namespace) -> list[str]:
    """What a command line names."""
    more = (options.images, getattr(options, "baseline", None))
    return [*options.paths, *_policy_files(options), *(name for said in more for name in _names(said))]


def _identity(path: str) -> Key:
    """A folder's own identity, whatever changes in it; one item where it isn't there."""
    try:
        found = os.stat(path)
    except OSError:
        return ("",)
    return found.st_dev, found.st_ino

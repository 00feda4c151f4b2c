"""One engine over many inputs: what `fix`, `check` and `fn` share."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import facts, split
from krm_harden.commands import _files, _policies, _replace, _reports, _shares, _streams, _terminal
from krm_harden.commands.function import exit_code
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import ChunkResult, Facts, Unexamined
from krm_harden.schema import LOCK_KIND, POD_SECURITY_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from typing import TypeVar

    from krm_harden.commands import _large
    from krm_harden.commands._outcomes import Outcome, View
    from krm_harden.commands._watch import Memory
    from krm_harden.engine import Engine
    from krm_harden.model import Finding, ResourceResult
    from krm_harden.policy import Policy

    Item = TypeVar("Item")
    Made = TypeVar("Made")
    Result = TypeVar("Result")

STDIN = "-"
SOME_WORK = 4_000_000
"""Bytes of files from which on processes of their own pay: a second of work, more or less/."""


class Input(NamedTuple):
    """One file or stdin, and what became of it.

    `error` is why it couldn't be read at all, or written. `relies`: its labels rely on what the other inputs become.
    `locks`: it holds an ImageLock, which is for this input alone. `mended`: what `fix` would make of it, where a report
    of `check` asks for that. `fresh`: it wasn't the same in the round before (--watch).
    """

    name: str
    old: bytes
    new: bytes
    chunks: tuple[ChunkResult, ...]
    error: str = ""
    relies: bool = False
    locks: bool = False
    mended: Input | None = None
    fresh: bool = True

    @property
    def changed(self) -> bool:
        return self.new != self.old

    @property
    def exit_code(self) -> int:
        return 2 if self.error else exit_code(self.chunks)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `fix` and `check` share."""
    input_arguments(parser, "files, folders, or - for standard input")
    parser.add_argument(
        "--hook",
        action="store_true",
        help="the files are a tool's list of changed ones: what a folder's run leaves out and what isn't a manifest is "
        "passed over, and no document at all isn't an error",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_jobs,
        default=0,
        help="processes that share the files; default: one for each processor where that is faster",
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on: look again at what changes, until Ctrl-C; its code is the last one"
    )
    _reports.arguments(parser)


def _jobs(said: str) -> int:
    if not (said.isascii() and said.isdigit() and 1 <= len(said) <= 4 and int(said)):
        raise argparse.ArgumentTypeError(f"must be a number of processes from 1 to 9999, not {said!r}")
    return int(said)


def input_arguments(parser: argparse.ArgumentParser, paths: str) -> None:
    """The options of what reads files: `paths` says which."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help=paths)
    policy_arguments(parser)
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", default=[], help="leave these files alone (as in .gitignore)"
    )
    parser.add_argument("--allow-empty", action="store_true", help="no document at all isn't an error")


def policy_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which policy holds: what `_policies.chosen` takes."""
    _policies.arguments(parser)
    parser.add_argument(
        "--images", metavar="LOCK", help="what is known of images: an ImageLock of `krm-harden images resolve`"
    )


def rounds(options: argparse.Namespace, once: Callable[[argparse.Namespace], int]) -> int:
    """The exit code of a command: of its one run, or of the last one below --watch."""
    if not options.watch:
        return once(options)
    from krm_harden.commands import _watch

    return _watch.rounds(options, once)


def inputs(engine: Engine, options: argparse.Namespace) -> Iterator[Input]:
    """Every input that a command line of `fix` or `check` names, as `process` has it.

    Below --watch (`_watch.rounds` gives the options a `memory`) only what has changed is examined. Raises ConfigError
    for a report in the place of what decides about the run, before anything is written.
    """
    _reports.must_spare(options.report, dict(_read_beside(options)))
    memory: Memory | None = getattr(options, "memory", None)
    found = process(engine, options.paths, options.exclude, hook=options.hook, jobs=options.jobs, memory=memory)
    return memory.noted(found) if memory else found


def outcomes(
    engine: Engine, options: argparse.Namespace, keep: Callable[[Input], Outcome], view: View, *, writing: bool = False
) -> Iterator[Outcome]:
    """What is kept of every input that a command line names, where nothing waits for the whole input.

    `writing`: new bytes are put in their place, each file's after all before it could be hardened.
    """
    from krm_harden.commands import _large

    if options.hook:
        _no_file_is_an_option(sys.argv[1:])
    if STDIN in options.paths:
        yield keep(_of_stdin(engine))
    some = _some(options.paths, options.exclude, hook=options.hook)
    target = _large.Target(roots_of(options.paths) if writing else [], some.named)
    work = _Work(engine, some, keep, view, target)
    coming: Iterator[Outcome]
    if writing:
        coming = _each_file(some.files, work.hardened, options.jobs, work.written)
    else:
        coming = _each_file(some.files, work.kept, options.jobs)
    yield from _counted(coming, len(some.files))


class _Work(NamedTuple):
    """What is done with each file of a command line; large ones are read bit by bit, the others whole."""

    engine: Engine
    some: _Some
    keep: Callable[[Input], Outcome]
    view: View
    target: _large.Target

    def kept(self, path: Path) -> Outcome:
        """What is kept of a file that isn't written."""
        from krm_harden.commands import _large

        if self._is_streamed(path):
            return _large.kept(self.engine, path, self.view)
        return self.keep(self.some.examine(self.engine, path))

    def hardened(self, path: Path) -> tuple[Path, Outcome | None, Input | None]:
        """A file that is to be written: what is kept of it, and its new bytes; neither of a large one."""
        if self._is_streamed(path):
            return path, None, None
        made = self.some.examine(self.engine, path)
        return path, self.keep(made), made if made.changed and not made.error else None

    def written(self, found: tuple[Path, Outcome | None, Input | None]) -> Outcome:
        """What is kept of it when it is written."""
        from krm_harden.commands import _large

        path, outcome, made = found
        if outcome is None:
            return _large.written(self.engine, path, self.view, self.target)
        error = _error_of_writing(made, self.target.roots, self.target.named) if made else ""
        return outcome.unwritten(error) if error else outcome

    def _is_streamed(self, path: Path) -> bool:
        from krm_harden.commands import _large

        can_be = self.view.diff is None or self.view.painted is not None
        return can_be and _large.is_streamed(self.engine, path) and not self.some.patches_of(path)


def _read_beside(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The files that a run reads beside its manifests, and what each is."""
    yield from ((name, "a policy") for name in _policies.named(options.policy))
    others = {"what is known of images": options.images, "the baseline": getattr(options, "baseline", None)}
    yield from ((name, what) for what, name in others.items() if name)
    yield from ((name, "a scanner's report") for name in _scans(options))


def _scans(options: argparse.Namespace) -> Iterator[str]:
    """The scanners' reports of a command line, as far as one of its own reports could take their place."""
    for name in getattr(options, "scan", ()):
        if not os.path.isdir(name):
            yield name
        elif options.report:
            from krm_harden.commands import _scan

            yield from (file for file in _scan.files(name) if _scan.is_of_scanner(file))


def fresh(inputs: Iterable[Input]) -> Iterator[Input]:
    """The inputs to show: all, but below --watch only those that have changed."""
    return (made for made in inputs if made.fresh)


def process(
    engine: Engine,
    paths: list[str],
    exclude: Iterable[str] = (),
    *,
    hook: bool = False,
    jobs: int = 1,
    memory: Memory | None = None,
) -> Iterator[Input]:
    """Every input in turn. One that can't be read doesn't stop the others. Raises ConfigError for a missing path.

    `hook`: files are taken as if a folder's run had found them, and only if they are manifests. `jobs` is how many
    processes share the files, 0 for as many as pay; what comes is the same. `memory` knows the round before.
    """
    if hook:
        _no_file_is_an_option(sys.argv[1:])
    return settled(engine, _first_pass(engine, paths, exclude, hook=hook, jobs=jobs, memory=memory), jobs)


def _no_file_is_an_option(words: Iterable[str]) -> None:
    """Raises ConfigError for a file that was read as an option: a tool puts its list behind our own options.

    Else a file called `--exclude=*.yaml` would leave all the others out.
    """
    for word in itertools.takewhile(lambda word: word != "--", words):
        if len(word) > 1 and word.startswith("-") and os.path.lexists(word):
            raise ConfigError("is a file, and would be read as an option", word, "give it another name")


def settled(engine: Engine, inputs: Iterable[Input], jobs: int = 1) -> Iterator[Input]:
    """The same inputs, a second time through the engine where the facts of all of them decide something."""
    if not engine.policy.asks_whole_input:
        yield from inputs
        return
    known = list(inputs)
    again = engine.knowing(facts_of(known))
    waiting = [made for made in known if any(chunk.facts and chunk.facts.waiting for chunk in made.chunks)]

    def once_more(made: Input) -> Input:
        return of_bytes(again, made.name, made.old)._replace(relies=True)

    second: Iterator[Input] = _counted(_shared(waiting, once_more, lambda made: len(made.old), jobs), len(waiting))
    left = {id(made) for made in waiting}
    for made in known:
        yield next(second) if id(made) in left else made


def with_fixes(engine: Engine, inputs: Iterable[Input]) -> list[Input]:
    """The inputs of a `check`, each with what the engine of a `fix` makes of it."""
    known = list(inputs)
    whole = engine.policy.asks_whole_input
    asked = [made for made in known if made.chunks and (whole or _is_open(made))]
    mended = settled(engine, [of_bytes(engine, made.name, made.old) for made in asked])
    found = dict(zip(map(id, asked), mended, strict=True))
    return [made._replace(mended=found.get(id(made))) for made in known]


def _is_open(made: Input) -> bool:
    every = (finding for chunk in made.chunks for result in chunk.resources for finding in result.findings)
    return any(finding.state == "open" for finding in every)


class _Some(NamedTuple):
    """Some files of a command line: those it names itself, and those that kustomizations name as patches."""

    files: list[Path]
    named: set[Path]
    patches: dict[Path, str]
    hook: bool

    def examine(self, engine: Engine, path: Path) -> Input:
        """One of them, and what the engine makes of it."""
        return _of_file(engine, path, self.patches, named=path in self.named, hook=self.hook)

    def patches_of(self, path: Path) -> str:
        """The kustomization that one of them is a patch of, or empty."""
        return self.patches.get(Path(os.path.realpath(path)), "") if self.patches else ""


def _some(paths: list[str], exclude: Iterable[str], *, hook: bool) -> _Some:
    """Raises ConfigError for a missing path."""
    named = {Path(path) for path in paths if path != STDIN and not os.path.isdir(path)}
    files, patches = found(paths, exclude)
    return _Some(_files.as_of_folders(files, exclude) if hook else files, named, patches, hook)


def _first_pass(
    engine: Engine, paths: list[str], exclude: Iterable[str], *, hook: bool, jobs: int, memory: Memory | None
) -> Iterator[Input]:
    if STDIN in paths:
        yield _of_stdin(engine)
    some = _some(paths, exclude, hook=hook)

    def examine(path: Path) -> Input:
        return some.examine(engine, path)

    def examine_all(files: list[Path]) -> Iterator[Input]:
        return _counted(_each_file(files, examine, jobs), len(files))

    yield from memory.examined(some.files, some.patches, examine_all) if memory else examine_all(some.files)


def _of_stdin(engine: Engine) -> Input:
    try:
        data = _streams.read_stdin()
    except InputError as error:
        if not error.limit:
            raise
        error.where = ""
        return Input(STDIN, b"", b"", (), str(error))
    return of_bytes(engine, STDIN, data, measured=True)


def found(paths: Iterable[str], exclude: Iterable[str]) -> tuple[list[Path], dict[Path, str]]:
    """The files to look at, in their order, and those among them that a kustomization names as patches.

    Raises ConfigError for a missing path.
    """
    files = list(dict.fromkeys(_files.find([path for path in paths if path != STDIN], exclude)))
    return files, _files.patches(files)


def _each_file(
    files: list[Path],
    work: Callable[[Path], Made],
    jobs: int,
    finish: Callable[[Made], Result] = _shares.as_it_is,
) -> Iterator[Result]:
    """What becomes of the files, in their order. One that has two names is read when what came before it is written."""
    if jobs == 1:
        for path in files:
            yield finish(work(path))
        return
    sizes, again = _sizes(files)
    first = _shared([path for path in files if path not in again], work, sizes.__getitem__, jobs, finish)
    for path in files:
        yield finish(work(path)) if path in again else next(first)


def _sizes(files: Iterable[Path]) -> tuple[dict[Path, int], set[Path]]:
    """The size of each file, and those that are the same file as one before."""
    sizes: dict[Path, int] = {}
    again: set[Path] = set()
    met: set[tuple[int, int]] = set()
    for path in files:
        try:
            found = os.stat(path)
        except OSError:
            sizes[path] = 0
            continue
        sizes[path] = found.st_size
        key = (found.st_dev, found.st_ino)
        if key in met:
            again.add(path)
        met.add(key)
    return sizes, again


def _shared(
    items: list[Item],
    work: Callable[[Item], Made],
    size: Callable[[Item], int],
    jobs: int,
    finish: Callable[[Made], Result] = _shares.as_it_is,
) -> Iterator[Result]:
    """What `work` makes of each item, in their order, of `jobs` processes; 0 stands for as many as pay."""
    if not jobs:
        jobs = _shares.processors() if sum(map(size, items)) >= SOME_WORK else 1
    jobs = jobs if hasattr(os, "fork") else 1
    with contextlib.ExitStack() as stack:
        if jobs > 1:
            from krm_harden.commands import _large, _outcomes

            if any(size(item) >= _large.LARGE for item in items):
                stack.enter_context(_outcomes.exchanging())
        yield from _shares.in_order(items, work, size, jobs, finish)


def _counted(inputs: Iterator[Item], total: int, what: str = "files") -> Iterator[Item]:
    """The same inputs, counted on a terminal."""
    if not _terminal.is_terminal(sys.stderr):
        return inputs
    from krm_harden.commands import _progress

    return _progress.counted(inputs, total, what)


def facts_of(inputs: Iterable[Input]) -> Facts:
    """What only all inputs together can tell; one that can't be read at all is noted too."""
    found = []
    for made in inputs:
        found.append(facts.of_chunks(made.chunks, made.name))
        if made.error:
            found.append(Facts(unread=[f"{made.name}: {made.error}"]))
    return facts.merged(found)


def warnings(engine: Engine, inputs: Iterable[Input]) -> list[str]:
    """What concerns no object: exemptions that nothing needed, an ImageLock that nothing uses."""
    inputs = list(inputs)
    idle = [made.name for made in inputs if made.locks and not any(chunk.resources for chunk in made.chunks)]
    return warnings_of(engine.policy, facts_of(inputs) if engine.policy.exemptions else Facts(), idle)


def warnings_of(policy: Policy, known: Facts, idle: Iterable[str]) -> list[str]:
    """The same of the facts of a whole input; `idle` are the files whose ImageLock nothing uses."""
    found = [text for severity, text in policy.notes if severity == "warning"]
    found += policy.unused(known) if policy.exemptions else []
    hint = "holds an ImageLock that is for itself alone: name it with --images"
    return found if policy.locks else [*found, *(f"{name} {hint}" for name in idle)]


def _of_file(engine: Engine, path: Path, patches: dict[Path, str], *, named: bool, hook: bool) -> Input:
    reason = _files.LEFT_ALONE.get(path.name)
    kustomization = patches.get(Path(os.path.realpath(path))) if patches else None
    if kustomization:
        reason = f"a kustomize patch of {kustomization}"
    try:
        data = _files.read(path) if not reason else b""
    except OSError as error:
        return Input(str(path), b"", b"", (), f"can't be read: {error.strerror}")
    except InputError as error:
        return Input(str(path), b"", b"", (), str(error))
    if reason:
        note = Unexamined(reason, cause="patch" if kustomization else "")
        return Input(str(path), b"", b"", (ChunkResult(b"", unexamined=(note,)),))
    if hook and not _names_a_kind(data):
        return _if_read(engine, str(path), data)
    made = of_bytes(engine, str(path), data)
    if made.error and not named and b"\0" in data:
        return Input(str(path), data, data, (ChunkResult(data, unexamined=(Unexamined("binary"),)),))
    return made


def _names_a_kind(data: bytes) -> bool:
    """Whether a text, in UTF-8 or UTF-16, has the words without which nothing is a Kubernetes object."""
    text = data.replace(b"\0", b"")
    return b"apiVersion" in text and b"kind" in text


def _if_read(engine: Engine, name: str, data: bytes) -> Input:
    """A file that doesn't look like a manifest: nothing, unless it can be read, and may have escapes in its keys."""
    made = of_bytes(engine, name, data) if b"\\" in data else Input(name, data, data, ())
    unread = made.error or any(chunk.error for chunk in made.chunks)
    return Input(name, data, data, ()) if unread else made


def of_bytes(engine: Engine, name: str, data: bytes, *, measured: bool = False) -> Input:
    """One stream through the engine; `measured`: a terminal shows how far a big one is."""
    engine = engine.for_stream() if name == STDIN else engine
    try:
        text, encoding = split.decode(data)
    except InputError as error:
        return Input(name, data, data, (), f"line {max(error.line, 0) + 1}: {error}")
    if is_empty(text):
        return Input(name, data, data, ())
    asks = engine.policy.asks_items and POD_SECURITY_POLICY.encode() in text
    locked = (asks or LOCK_KIND.encode() in text) and _with_locks(engine, text)
    made = (locked or engine).run(text)
    try:
        chunks = tuple(_metered(made, len(text)) if measured else made)
    except InputError as error:
        return Input(name, data, data, (), f"line {max(error.line, 0) + 1}: {error}")
    joined = b"".join(chunk.text for chunk in chunks)
    locks = bool(locked) and LOCK_KIND.encode() in text
    return Input(name, data, encoding.encode(joined) if joined != text else data, chunks, locks=locks)


def _metered(chunks: Iterator[ChunkResult], size: int) -> Iterator[ChunkResult]:
    """The same chunks of a stream of so many bytes, measured on a terminal."""
    if not _terminal.is_terminal(sys.stderr):
        return chunks
    from krm_harden.commands import _progress

    return _progress.measured(chunks, size)


def gathered(policy: Policy, options: argparse.Namespace) -> Policy:
    """A policy with the PodSecurityPolicies in the files of a command line, if it asks for them. Raises ConfigError.

    Those of standard input hold for that stream alone.
    """
    if not policy.asks_items:
        return policy
    from krm_harden.commands import _pod_security
    from krm_harden.psp.demands import is_policy

    texts = (text for path in found(options.paths, options.exclude)[0] if (text := _text_of(path)) is not None)
    known = _pod_security.objects(chunk for text in texts for chunk in split.documents(text))
    memory: Memory | None = getattr(options, "memory", None)
    if memory:
        memory.relies_on(known)
    if STDIN in options.paths and not any(map(is_policy, known)):
        return policy
    # Who named the policy isn't who wrote the manifests.
    gathered_ = _pod_security.of_objects(policy, known, ceiling=policy.name)
    return gathered_.with_changes({"podSecurityPolicies": "ignore"})


def _text_of(path: Path) -> bytes | None:
    """The text of a file; what can't be read is said when it is examined."""
    try:
        return split.decode(_files.read(path))[0]
    except (OSError, InputError):
        return None


def _with_locks(engine: Engine, text: bytes) -> Engine | None:
    """The engine with what a stream's documents say to it, None for nothing. Raises ConfigError."""
    above = engine.policy.name if engine.ceiling else ""
    known = _policies.with_items(engine.policy, split.documents(text), ceiling=above)
    return None if known is engine.policy else engine.under(known)


def with_findings(result: ResourceResult, findings: list[Finding]) -> ResourceResult:
    """The same result with other findings."""
    import copy

    made = copy.copy(result)
    made.findings = findings
    return made


def write(inputs: Iterable[Input], named: Sequence[str]) -> list[Input]:
    """The inputs with their new bytes in place, or with the reason why not. `named` is what the command line names.

    What relies on the others comes last, and only if they all were written.
    """
    roots, files = roots_of(named), set(map(Path, named))
    try:
        made = [one if one.relies else _written(one, roots, files) for one in inputs]
    finally:
        # What an interrupt in here leaves of the progress must go before anybody writes to the terminal.
        getattr(inputs, "close", bool)()
    if any(one.error for one in made):
        return [_unwritten(one, "not every file that its labels rely on was written") for one in made]
    return [_written(one, roots, files) if one.relies else one for one in made]


def roots_of(paths: Iterable[str]) -> list[_replace.Root]:
    """The folders of a command line: below them files are written."""
    return [_replace.Root.of(Path(name)) for name in paths if os.path.isdir(name)]


def _written(made: Input, roots: Sequence[_replace.Root], named: Container[Path]) -> Input:
    error = _error_of_writing(made, roots, named) if made.changed and not made.error else ""
    return made._replace(new=made.old, error=error) if error else made


def _error_of_writing(made: Input, roots: Sequence[_replace.Root], named: Container[Path]) -> str:
    """Why the new bytes of a file couldn't be put in its place; empty where they were."""
    if made.name == STDIN:
        return ""
    path = Path(made.name)
    try:
        _replace.replace(path, made.new, made.old, _files.root(path, roots, named))
    except KrmHardenError as error:
        return str(error)
    return ""


def _unwritten(made: Input, reason: str) -> Input:
    return made._replace(new=made.old, error=reason) if made.relies and made.changed else made


def nothing_found(inputs: Iterable[Input], *, allowed: bool, judging: bool = False) -> int:
    """2, with a line that says so, when there was no document at all; else 0: no gate may pass on an empty build.

    Where that is `judging`, standard input must have one, whatever else was named beside it; a build's words about its
    failure are none.
    """
    inputs = list(inputs)
    return none_found(
        len(inputs),
        any(made.error or made.chunks for made in inputs) and not (judging and any(map(is_void, inputs))),
        allowed=allowed,
    )


def none_found(count: int, is_any: bool, *, allowed: bool) -> int:
    """The same of so many inputs, of which `is_any` says whether they hold documents."""
    if allowed or is_any:
        return 0
    where = " on standard input" if count > 1 else ""
    _streams.complain([f"krm-harden: error: there are no documents{where}; --allow-empty allows that"])
    return 2


def is_void(made: Input) -> bool:
    """Whether standard input has nothing that may be an object; a key of one may have escapes."""
    may_be_object = made.chunks and (_names_a_kind(made.old) or b"\\" in made.old)
    return made.name == STDIN and not made.error and not may_be_object


def is_empty(data: bytes) -> bool:
    """Whether a stream holds no document, but blank lines, comments and markers."""
    return all(map(split.is_empty, split.documents(data)))


def worst(inputs: Iterable[Input]) -> int:
    """The exit code of them all."""
    return max((made.exit_code for made in inputs), default=0)

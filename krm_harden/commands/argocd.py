"""`krm-harden argocd`: a config management plugin. It renders an application, hardens it and prints its objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from krm_harden import facts, limits, policy, schema, source, split
from krm_harden.commands import _application, _children, _kustomizations, _objects, _policies, _shares, _streams
from krm_harden.commands._parser import make
from krm_harden.commands.function import exit_code
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import Facts, mapping, one_line
from krm_harden.reports.text import Complaints

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.commands._application import Stream
    from krm_harden.model import ChunkResult
    from krm_harden.policy import Policy

GROUP = "Every way in"
SUMMARY = "the config management plugin of Argo CD: render, harden, print"
EXAMPLES = """\
examples:
  krm-harden argocd                             as argocd-cmp-server runs it, in the application's folder
  krm-harden argocd --policy policy.yaml        the ceiling: an application can only tighten it
  krm-harden argocd --list-immutable            the Jobs and Pods that a sync can't update

Parameters come from ARGOCD_APP_PARAMETERS: type, recurse, valueFiles, exclude, and the settings of a flat ConfigMap.
Of the environment: KRM_HARDEN_POLICY, KRM_HARDEN_TIMEOUT, KRM_HARDEN_ALLOW_EMPTY=1, KRM_HARDEN_REMOTE=allow.

exit codes: 0 done, 1 something stays open, 2 something couldn't be read or rendered, 3 wrong policy or parameters
"""
SECONDS = 45.0
"""Argo CD gives a request 60, and fetches and packs the repository in them."""
MAX_LINES = 20
"""Of stderr: it goes to the user interface whole."""
MEBIBYTE = 1 << 20
LARGE = 4 * MEBIBYTE
"""From here on a second process is worth its start."""
_OURS = {schema.KIND, schema.LOCK_KIND}


def parser() -> argparse.ArgumentParser:
    """The options of the command: the administrator's, who writes the plugin's configuration."""
    options = make("argocd", SUMMARY, EXAMPLES)
    _policies.arguments(options, "the ceiling")
    options.add_argument("--timeout", metavar="SECONDS", help=f"default: $KRM_HARDEN_TIMEOUT, else {SECONDS:g}")
    options.add_argument("--allow-empty", action="store_true", help="an application without objects isn't an error")
    options.add_argument(
        "--list-immutable", action="store_true", help="print the Jobs and Pods that change, instead of the objects"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code; nothing is on stdout unless it is 0. Raises KrmHardenError."""
    said = options.timeout or os.environ.get("KRM_HARDEN_TIMEOUT")
    where = "--timeout" if options.timeout else "KRM_HARDEN_TIMEOUT"
    watch = _children.Watch(_children.seconds(said, where) if said else SECONDS)
    return watch.over(lambda: _run(options, watch))


def _run(options: argparse.Namespace, watch: _children.Watch) -> int:
    upper = _ceiling(options.policy, options.profile)
    wanted = _application.parameters(os.environ.get(_application.PARAMETERS, ""))
    asked = wanted.policy()
    remote = _switch("KRM_HARDEN_REMOTE", "allow", "refuse")
    application = _application.Application(os.getcwd(), os.environ, wanted, remote=remote)
    below = _policies.below(asked, upper) if asked else upper
    try:
        streams = application.streams(watch)
    except _application.ChildError as error:
        _say([f"error: {error}", *error.lines])
        return 2
    watch.doing = "hardening"
    made = _hardened(Engine(_own(below, streams, upper), rendered=True, ceiling=True), streams)
    allow_empty = options.allow_empty or _switch("KRM_HARDEN_ALLOW_EMPTY", "1", "0")
    if not (made.code or made.count or allow_empty):
        raise InputError(
            f"there are no objects in the application, of type {application.kind}",
            next_step="--allow-empty allows that, and Argo CD may then delete the application's objects",
        )
    _say([*made.lines(), *application.notes, *made.notes])
    if made.code:
        return made.code
    # Half an output would be worse than a late one.
    watch.doing = "writing"
    watch.stop()
    if options.list_immutable:
        _streams.print_lines(made.immutable)
    else:
        _streams.write_stdout(made.parts)
    return 0


def _ceiling(paths: Sequence[str] | None, profile: str | None = None) -> Policy:
    """The administrator's policy; there always is one. Raises ConfigError for a file that may be the application's."""
    for path in _policies.named(paths):
        if not os.path.isabs(path) and _kustomizations.WHERE in os.environ:
            message = "a relative path is one in the application's own folder"
            raise ConfigError(message, path, "give the policy's absolute path")
    return _policies.ceiling(paths, profile) or policy.Policy({})


def _switch(name: str, on: str, off: str) -> bool:
    """Whether the administrator turned something on. Raises ConfigError for a word that says neither."""
    said = os.environ.get(name) or off
    if said not in {on, off}:
        raise ConfigError(f"must be {on} or {off}, not {said!r}", name)
    return said == on


def _say(lines: Iterable[str]) -> None:
    """What people must see, errors first; Argo CD shows it whole, so it is short."""
    every = [one_line(line)[: _children.MAX_WIDTH * 2] for line in lines]
    if len(every) > MAX_LINES:
        rest = len(every) - MAX_LINES + 1
        every = [*every[: MAX_LINES - 1], f"and {rest} more: `krm-harden check` on the rendered manifests shows all"]
    _streams.complain(f"krm-harden: {line}" for line in every)


def _own(found: Policy, streams: Iterable[Stream], upper: Policy) -> Policy:
    """The policy with what the manifests say of it: policies that tighten, facts about images. Raises ConfigError."""
    chunks = [chunk for stream in streams for chunk in _chunks(stream)]
    for chunk in chunks:
        # A backslash: its name may be written with escapes.
        if schema.KIND.encode() in chunk or b"\\" in chunk:
            for data in _policies_in(chunk):
                name = mapping(data.get("metadata")).get("name")
                found = _policies.below(policy.from_data(data, f"{schema.KIND} {name}"), found)
    return _policies.with_items(found, chunks, ceiling=upper.name)


def _chunks(stream: Stream) -> Iterator[bytes]:
    """The documents of a stream. What can't be read is said when it is hardened."""
    try:
        yield from split.documents(split.decode(stream.data)[0])
    except InputError:
        return


def _policies_in(chunk: bytes) -> Iterator[Any]:
    try:
        data = source.read(split.after_mark(chunk)[1].decode()).data
        yield from (one for one in _objects.objects(data) if _is_ours(one) and one["kind"] == schema.KIND)
    except InputError:
        return


def _is_ours(data: Any) -> bool:
    """Whether an object is for krm-harden itself: no cluster knows it."""
    return data["kind"] in _OURS and str(data["apiVersion"]).startswith("krm-harden.dev/")


class _Made:
    """What became of all streams: JSON by object, what people must see, and the exit code."""

    __slots__ = ("_facts", "_limit", "_said", "_size", "code", "count", "immutable", "notes", "parts")

    def __init__(self, limit: int) -> None:
        self.code = 0
        self._said: list[str] = []
        self.notes: list[str] = []
        self.immutable: list[str] = []
        self.parts: list[bytes] = []
        self.count = 0
        self._facts: list[Facts] = []
        self._limit = limit
        self._size = 0

    def facts(self) -> Facts:
        return facts.merged(self._facts)

    def add(self, results: Sequence[ChunkResult], stream: str) -> None:
        """Note what became of a document, which may be several chunks."""
        complaints = Complaints(stream)
        for result in results:
            complaints.add(result)
            for made in result.resources:
                if any(finding.state == "immutable" for finding in made.findings):
                    self.immutable.append(str(made.resource))
        self._said += complaints.lines()
        self.code = max(self.code, exit_code(results))
        self._facts.append(facts.of_chunks(results, stream))

    def refuse(self, message: str) -> None:
        """Note what couldn't be read at all."""
        self.code = 2
        self._said.append(f"error: {message}")

    def data(self) -> tuple[Any, ...]:
        """All of it as plain data, for another process."""
        found = self.facts()
        known = (found.pods, found.homeless, found.unread, found.used, found.access, found.waiting)
        return self.code, self.count, self._size, self._said, self.notes, self.immutable, b"".join(self.parts), known

    def add_all(self, data: tuple[Any, ...]) -> None:
        """Note what became of a share of the documents. Raises KrmHardenError when it is too much."""
        code, count, size, said, notes, immutable, text, (pods, homeless, unread, used, access, waiting) = data
        self.code = max(self.code, code)
        self.count += count
        self._said += said
        self.notes += notes
        self.immutable += immutable
        self.parts.append(text)
        self._facts.append(Facts(pods, homeless, unread, used, access=access, waiting=waiting))
        self._grow(size)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise KrmHardenError(
                f"the objects are larger than the {self._limit / MEBIBYTE:.0f} MiB that Argo CD takes",
                next_step="split the application, or raise ARGOCD_GRPC_MAX_SIZE_MB on both sides",
            )

    def lines(self) -> list[str]:
        """What people must see, errors first."""
        return sorted(self._said, key=lambda line: not line.startswith("error:"))

    def put(self, data: Any) -> None:
        """Write an object. Raises InputError for one that can't be written, KrmHardenError when it is too much."""
        if _is_ours(data):
            self.notes.append(f"{data['kind']} {mapping(data.get('metadata')).get('name')}: used, and not applied")
            return
        line = _objects.written(data)
        self.count += 1
        self.parts += [b"---\n", line, b"\n"]
        # As Argo CD sends it on: Go escapes these three, and a tracking id is added.
        self._grow(len(line) + 5 * sum(map(line.count, (b"&", b"<", b">"))) + 300)


def _limit() -> int:
    """The bytes that fit into a message of gRPC, with a margin for its frame. Raises ConfigError."""
    said = os.environ.get("ARGOCD_GRPC_MAX_SIZE_MB") or "100"
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        raise ConfigError(f"must be a whole number, not {said!r}", "ARGOCD_GRPC_MAX_SIZE_MB")
    return int(said) * MEBIBYTE - MEBIBYTE // 4


def _hardened(engine: Engine, streams: Sequence[Stream]) -> _Made:
    """What becomes of the streams; a second time, where the facts of all of them decide something.

    Exemptions that nothing here needs are no news: the administrator's policy is that of all applications.
    """
    limit = _limit()
    made = _pass(engine, streams, limit)
    found = made.facts()
    return _pass(engine.knowing(found), streams, limit) if found.waiting and not made.code else made


def _pass(engine: Engine, streams: Iterable[Stream], limit: int) -> _Made:
    """What becomes of the streams; of many objects on all processors."""
    made = _Made(limit)
    spent = limits.Spent()
    work = [one for stream in streams for one in _readable(stream, made, spent)]

    def share(part: Sequence[tuple[bytes, int, str]]) -> Any:
        own = _Made(limit)
        for chunk, line, name in part:
            _document(engine, chunk, line, name, own)
        return own.data()

    large = sum(len(chunk) for chunk, _, _ in work) >= LARGE
    parts = _shares.cut(work, lambda item: len(item[0]), _shares.processors() if large else 1)
    for done in _shares.each(parts, share):
        made.add_all(done)
    return made


def _readable(stream: Stream, made: _Made, spent: limits.Spent) -> list[tuple[bytes, int, str]]:
    """The documents of a stream; none, once noted, of one that isn't text, or is too much."""
    try:
        return list(_documents(stream, spent))
    except InputError as error:
        made.refuse(f"{stream.name}: line {max(error.line, 0) + 1}: {error}")
        return []


def _documents(stream: Stream, spent: limits.Spent) -> Iterator[tuple[bytes, int, str]]:
    """Each document of a stream that has content, the line before it, and the stream's name. Raises InputError."""
    line = 0
    for chunk in split.documents(split.decode(stream.data)[0]):
        spent.add(line)
        if not split.is_empty(chunk):
            yield chunk, line, stream.name
        line += chunk.count(b"\n")


def _document(engine: Engine, chunk: bytes, line: int, stream: str, made: _Made) -> None:
    try:
        results = list(engine.document(chunk, line))
    except InputError as error:
        made.refuse(f"{stream}: line {max(error.line, 0) + 1}: {error}")
        return
    made.add(results, stream)
    if any(result.error for result in results):
        return
    if any(note.cause == "template" for result in results for note in result.unexamined):
        made.refuse(f"{stream}: line {line + 1}: a template, not YAML; a chart is rendered where its Chart.yaml lies")
        return
    text = b"".join(result.text for result in results)
    try:
        for data in _objects.objects(source.read(split.after_mark(text)[1].decode()).data):
            made.put(data)
    except InputError as error:
        made.refuse(f"{stream}: line {line + max(error.line, 0) + 1}: {error}")

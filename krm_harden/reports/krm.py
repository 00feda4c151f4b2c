"""Findings as `results` of a ResourceList (functions-spec.md), written into its text as one more operation.

Results that carry our tag are replaced, foreign ones kept.
"""

from __future__ import annotations

from krm_harden import edit, place, source
from krm_harden.emit import FlowStyle, flow, scalar
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import Operation, one_line, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import ChunkResult, Finding, Resource
    from krm_harden.source import Document

TOOL = "krm-harden"
_PATHS = ("internal.config.kubernetes.io/path", "config.kubernetes.io/path")
_INDEXES = ("internal.config.kubernetes.io/index", "config.kubernetes.io/index")
_PACKAGE = "internal.config.kubernetes.io/package-path"
_ONE_LINE = FlowStyle()
_TOGETHER = 1 << 16
"""How many bytes of results are read at a time: their nodes take hundreds of times as much."""
_MARK = "krm-harden-result"


class Results:
    """The results of a run, written as they come: a list of ten thousand workloads has a hundred thousand of them.

    `wanted`: whether anybody will read them.
    """

    __slots__ = ("_tags", "_texts", "_wanted")

    def __init__(self, *, wanted: bool = True) -> None:
        self._wanted = wanted
        self._texts: dict[str, list[bytes]] = {"error": [], "warning": [], "info": [], "unexamined": []}
        self._tags: dict[tuple[str, ...], str] = {}

    def add(self, chunk: ChunkResult) -> None:
        """The findings of one chunk, its error, and what it left alone."""
        if not self._wanted:
            return
        if chunk.error:
            about = _about(chunk.subject) if chunk.subject else ""
            self._write("error", chunk.error, about + _line("tags", {"tool": TOOL, "state": "unreadable"}))
        for made in chunk.resources:
            about = _about(made.resource)
            for verdict in made.policies:
                if verdict.evidence:
                    tags = _line("tags", {"tool": TOOL, "control": "podSecurityPolicy", "evidence": verdict.evidence})
                    self._write("info", verdict.words, about + tags)
            for finding in made.findings:
                message = finding.message + (f"; exemption: {finding.exemption}" if finding.exemption else "")
                self._write(finding.severity, message, f"{about}{_field(finding)}{self._tags_of(finding)}")
        for note in chunk.unexamined:
            what = f"{note} " if note.kind else ""
            tags = _line("tags", {"tool": TOOL, "state": "unexamined"})
            group = "unexamined" if note.severity == "info" else note.severity
            self._write(group, f"{what}was left alone: {note.reason}", tags)

    def warn(self, message: str) -> None:
        """Note what concerns no object."""
        if self._wanted:
            self._write("warning", message, _line("tags", {"tool": TOOL, "state": "unused"}))

    def note(self, severity: str, message: str) -> None:
        """Note what is so of the whole run."""
        if self._wanted:
            self._write(severity, message, _line("tags", {"tool": TOOL}))

    def _write(self, group: str, message: str, rest: str) -> None:
        severity = "info" if group == "unexamined" else group
        self._texts[group].append(f"- message: {scalar(one_line(message))}\n  severity: {severity}\n{rest}".encode())

    def parts(self) -> list[bytes]:
        """The items of a block sequence at column 0: errors first, then warnings, what was left alone last."""
        return [part for texts in self._texts.values() for part in texts]

    def _tags_of(self, finding: Finding) -> str:
        """The line of tags; a run has few different ones."""
        key = (finding.control, finding.level, finding.state, finding.risk, finding.evidence)
        if key not in self._tags:
            names = ("control", "level", "state", "risk", "evidence")
            said = {name: value for name, value in zip(names, key, strict=True) if value}
            self._tags[key] = _line("tags", {"tool": TOOL, **said})
        return self._tags[key]


def _line(name: str, value: Mapping[str, Any]) -> str:
    return f"  {name}: {flow(value, _ONE_LINE)}\n" if value else ""


def _about(resource: Resource) -> str:
    """The lines `resourceRef` and `file`."""
    namespace = f", namespace: {scalar(resource.namespace)}" if resource.namespace else ""
    kind = f"apiVersion: {scalar(resource.api_version)}, kind: {scalar(resource.kind)}"
    return f"  resourceRef: {{{kind}, name: {scalar(resource.name)}{namespace}}}\n" + _line("file", _file(resource))


def _field(finding: Finding) -> str:
    if not finding.pointer:
        return ""
    current = "" if finding.current is None else f", currentValue: {flow(finding.current, _ONE_LINE)}"
    proposed = "" if finding.proposed is None else f", proposedValue: {flow(finding.proposed, _ONE_LINE)}"
    return f"  field: {{path: {scalar(finding.path)}{current}{proposed}}}\n"


def _file(resource: Resource) -> dict[str, Any]:
    annotations = resource.annotations
    path = next((annotations[key] for key in _PATHS if isinstance(annotations.get(key), str)), None)
    if path is None:
        return {}
    # Two packages of one render may have the same path.
    package = annotations.get(_PACKAGE)
    index = next((str(annotations[key]) for key in _INDEXES if key in annotations), "0")
    file: dict[str, Any] = {"path": f"{package}/{path}" if isinstance(package, str) and package else path}
    return file | ({"index": int(index)} if index.isascii() and index.isdigit() else {})


def is_ours(result: Any) -> bool:
    tags = result.get("tags") if isinstance(result, dict) else None
    return isinstance(tags, dict) and tags.get("tool") == TOOL


def with_results(text: str, header: int, made: Results) -> tuple[str, str, list[bytes]]:
    """A ResourceList's text before and after `header` with its results set, and what follows at its end.

    `header` is where the items were cut out. Raises RefusedEdit.
    """
    document = source.read(text)
    written = made.parts()
    if "results" not in document.data:
        if not written:
            return text[:header], text[header:], []
        root: Any = document.root
        if not root.flow_style and text.endswith("\n"):
            data = document.data
            # Their nodes are much larger than what they say: those of only one text are in memory.
            del document, root
            if _can_follow(text, data):
                return text[:header], text[header:], [b"results:\n", *written]
            document = source.read(text)
        elif root.flow_style and _MARK not in text and sum(map(len, written)) > _TOGETHER:
            return _added_in_turn(document, header, written)
    old = document.data.get("results")
    foreign = [result for result in old if not is_ours(result)] if isinstance(old, list) else []
    wanted = [*foreign, *_data(written)]
    if old == wanted or not (old or wanted):
        return text[:header], text[header:], []
    new = _replaced(document, wanted) if "results" in document.data else _added(document, wanted)
    _check(new, document.data, wanted)
    at = _moved(header, text, new)
    return new[:at], new[at:], []


def _check(new: str, data: Mapping[str, Any], wanted: list[Any]) -> None:
    if not same(source.data_of(new), {**data, "results": wanted}):
        raise RefusedEdit("the results can't be written into this ResourceList")


def _moved(header: int, text: str, new: str) -> int:
    """Where in a new text the items are cut out, which were at `header` in the old."""
    return header if new[:header] == text[:header] else header + len(new) - len(text)


def _can_follow(text: str, data: Mapping[str, Any]) -> bool:
    """Whether another key of a list, as `data`, may simply stand after its text."""
    try:
        longer = source.data_of(f"{text}results: 0\n")
    except InputError:
        return False
    return same(longer, {**data, "results": 0})


def _data(written: list[bytes]) -> list[Any]:
    return [source.read(text.decode()).data[0] for text in written]


def _added_in_turn(document: Document, header: int, written: list[bytes]) -> tuple[str, str, list[bytes]]:
    """Like `with_results` for a list in JSON or flow style: results are added some at a time, and then put together.

    How they stand is what two marks in their place show.
    """
    shown = _added(document, [_MARK, _MARK])
    _check(shown, document.data, [_MARK, _MARK])
    before, between, after = shown.split(_MARK)
    quote = '"' if before.endswith('"') else ""
    before, after = before.removesuffix(quote), after.removeprefix(quote)
    between = between.removeprefix(quote).removesuffix(quote)
    parts: list[str] = []
    for some in _together(written, max(_TOGETHER, len(document.text))):
        wanted = _data(some)
        new = _added(document, wanted)
        _check(new, document.data, wanted)
        if not (new.startswith(before) and new.endswith(after)):
            raise RefusedEdit("the results can't be written into this ResourceList")
        parts.append(new[len(before) : len(new) - len(after)])
    made = before + between.join(parts) + after
    at = _moved(header, document.text, made)
    return made[:at], made[at:], []


def _together(written: list[bytes], size: int) -> Iterator[list[bytes]]:
    """Results in turn, some at a time: of about as many bytes."""
    some: list[bytes] = []
    held = 0
    for text in written:
        some.append(text)
        held += len(text)
        if held >= size:
            yield some
            some, held = [], 0
    if some:
        yield some


def _added(document: Document, wanted: list[Any]) -> str:
    return edit.apply(document.text, edit.plan(document, [Operation("add", ("results",), wanted)]))


def _replaced(document: Document, wanted: list[Any]) -> str:
    """The whole `results` written anew: the items of others keep their data, not their layout."""
    text, root = document.text, document.root
    key, value = next(pair for pair in root.value if source.key_name(pair[0]) == "results")  # type: ignore[union-attr]
    end = place.content_end(text, value)
    if root.flow_style:  # type: ignore[union-attr]
        return text[: value.start_mark.index] + flow(wanted, FlowStyle(quoted=document.is_json)) + text[end:]
    after = end if text[end - 1 : end] == "\n" else place.line_end(text, end)
    lines = "".join(f"- {flow(result, _ONE_LINE)}\n" for result in wanted)
    body = f"results:\n{lines}" if lines else "results: []\n"
    return text[: key.start_mark.index] + body + text[after:]

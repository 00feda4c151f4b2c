"""Bytes in, ChunkResults out: the way of the data, top to bottom.

    split -> source -> resources -> workloads -> controls -> patch -> edit -> verify

Pure but for what it is given: no files, no exit codes. Each chunk is decoded, composed, judged, edited and verified
alone and then dropped.
"""

from __future__ import annotations

from krm_harden import controls, decide, edit, fields, namespaces, place, source, split, verify, workloads
from krm_harden.errors import InputError, KrmHardenError, RefusedEdit
from krm_harden.model import (
    ChunkResult,
    Finding,
    ResourceResult,
    Unexamined,
    dotted,
    lookup,
    sequence,
)
from krm_harden.patch import Draft
from krm_harden.resources import left_alone, owner, resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from krm_harden.controls import Control
    from krm_harden.model import Operation, Pod, Pointer, Resource
    from krm_harden.policy import Policy, Settings
    from krm_harden.source import Document


class Engine:
    """A policy at work. `checking`: nothing is written, findings that a fix would mend are open. `strict`: nothing is skipped."""

    __slots__ = ("_enabled", "checking", "policy", "strict")

    def __init__(self, policy: Policy, *, checking: bool = False, strict: bool = False) -> None:
        self.policy = policy
        self.checking = checking
        self.strict = strict
        self._enabled: dict[int, tuple[Control, ...]] = {}

    def run(self, data: bytes) -> Iterator[ChunkResult]:
        """The results of a stream of UTF-8 without byte order mark, in order; their texts joined are the new stream.

        Raises nothing for bad input: a chunk that can't be read has an `error`, and its text is what came in.
        """
        line = 0
        for document in split.documents(data):
            yield from self.document(document, line)
            line += document.count(b"\n")

    def document(self, chunk: bytes, line: int = 0) -> Iterator[ChunkResult]:
        """The results of one document: of each item where it is a block list of items, else of the whole."""
        skipped = None if self.strict else split.can_skip(chunk, self._may_hold_pods)
        if skipped:
            yield ChunkResult(chunk, unexamined=_skipped(chunk, skipped, line))
            return
        cut = split.cut_items(chunk)
        items = self.items(cut, line) if cut else None
        if cut is None or items is None:
            yield self.chunk(chunk, line)
            return
        yield ChunkResult(cut.header)
        yield from items
        yield ChunkResult(cut.trailer)

    def items(self, cut: split.ItemList, line: int) -> list[ChunkResult] | None:
        """The results of a list's items, each a chunk; None when the list has to be read as one document."""
        try:
            frame = source.read((cut.header + cut.trailer).decode())
        except InputError:
            return None
        if not is_frame(frame):
            return None
        found = []
        line += cut.header.count(b"\n")
        for index, text in enumerate(cut.items):
            result = self.chunk(text, line, index, as_item=True)
            if result is None:
                return None
            found.append(result)
            line += text.count(b"\n")
        return found

    def _may_hold_pods(self, api_version: str, kind: str) -> bool:
        return kind == "Namespace" or workloads.is_workload(api_version, kind, self.policy.kinds)

    def chunk(self, chunk: bytes, line: int = 0, index: int = 0, *, as_item: bool = False) -> Any:
        """The result of one chunk; of an item that isn't exactly one item, None."""
        text = chunk.decode()
        try:
            document = source.read(text)
        except InputError as error:
            return None if as_item else _unread(chunk, error, line)
        if as_item and not (isinstance(document.data, list) and len(document.data) == 1):
            return None
        return self._document(chunk, document, line, index)

    def _document(self, chunk: bytes, document: Document, line: int, index: int) -> ChunkResult:
        try:
            found = [
                _Work(self, document, resource, line)
                for resource in resources(document)
                if self._is_ours(resource)
            ]
            for work in found:
                work.resource.index = work.resource.index or index
            unexamined = [note for resource in resources(document) for note in self._notes(document, resource, line)]
            if document.duplicates and any(work.pods for work in found):
                name, first, second = document.duplicates[0]
                raise InputError(f"the key {name!r} stands twice in one mapping, on lines {line + first + 1} and {line + second + 1}", second)
            for work in found:
                work.read()
            if self.checking:
                return ChunkResult(chunk, [work.result() for work in found], [*unexamined, *_notes(found)])
            return self._edited(chunk, document, found, [*unexamined, *_notes(found)])
        except RefusedEdit as error:
            where = f"line {line + 1}"
            return ChunkResult(chunk, [work.untouched() for work in found], unexamined, f"{where}: {error}")
        except InputError as error:
            return ChunkResult(chunk, (), (), _placed(error, line))

    def _is_ours(self, resource: Resource) -> bool:
        known = workloads.shapes_of(resource, self.policy.kinds) or _is_namespace(resource)
        return bool(known) and left_alone(resource) is None

    def _notes(self, document: Document, resource: Resource, line: int) -> Iterator[Unexamined]:
        reason = left_alone(resource)
        if reason is None and not workloads.shapes_of(resource, self.policy.kinds) and not _is_namespace(resource):
            reason = _holds_containers(resource)
        if reason:
            yield Unexamined(reason, resource.kind, resource.name, line + source.line_of(document, resource.base) + 1)

    def _edited(
        self, chunk: bytes, document: Document, found: list[_Work], unexamined: list[Unexamined]
    ) -> ChunkResult:
        draft = Draft(document.data)
        for work in found:
            work.apply(draft)
        operations = draft.operations
        if not operations:
            return ChunkResult(chunk, [work.result() for work in found], unexamined)
        by_resource = [work.result(operations) for work in found]
        try:
            text = edit.apply(document.text, edit.plan(document, operations))
            new = verify.verified(document, text, operations)
            self._settled(new, found)
        except RefusedEdit as error:
            raise _naming_anchor(document, operations, error) from None
        for work, result in zip(found, by_resource, strict=True):
            result.allowed, result.message = work.verdict_of(new)
        return ChunkResult(text.encode(), by_resource, unexamined, changed=True)

    def _settled(self, new: Document, found: list[_Work]) -> None:
        """A second run over the new text has nothing to do."""
        for work in found:
            again = _Work(self, new, work.at(new), 0)
            draft = Draft(new.data)
            again.read()
            again.apply(draft)
            if draft.operations:
                raise RefusedEdit(
                    f"a second run would change {dotted(draft.operations[0].path)} again",
                    next_step="the document stays as it was; please report it, with the file",
                )

    def enabled(self, settings: Settings) -> tuple[Control, ...]:
        """The controls that are on, in the order of the standard's messages."""
        key = id(settings)
        if key not in self._enabled:
            self._enabled[key] = tuple(
                control for control in controls.load().values() if settings.enabled(control.id, control.level)
            )
        return self._enabled[key]


def _unread(chunk: bytes, error: InputError, line: int) -> ChunkResult:
    """A chunk that no YAML parser reads: a template is left alone, anything else is an error."""
    if b"{{" in chunk:
        return ChunkResult(chunk, unexamined=[Unexamined("a template, not YAML", line=line + 1)])
    return ChunkResult(chunk, error=_placed(error, line))


def is_frame(frame: Document) -> bool:
    """Whether a document without its items is a list's: one bare `items` key, nothing anchored."""
    data = frame.data
    return (
        isinstance(data, dict)
        and data.get("items", "") is None
        and isinstance(data.get("kind"), str)
        and data["kind"].endswith("List")
        and not frame.duplicates
        and not any(found.startswith("&") for found in source.anchors(frame.text))
    )


class _Work:
    """One resource on its way: what its pods need, and what became of it."""

    __slots__ = ("document", "engine", "judged", "line", "namespace_labels", "note", "pods", "resource", "settings")

    def __init__(self, engine: Engine, document: Document, resource: Resource, line: int) -> None:
        self.engine = engine
        self.document = document
        self.resource = resource
        self.line = line
        self.settings = engine.policy.settings_for(resource)
        shapes = workloads.shapes_of(resource, engine.policy.kinds)
        self.pods = tuple(workloads.pods(resource, shapes))
        self.judged: list[tuple[Control, decide.Situation, decide.Judgement]] = []
        self.namespace_labels: list[tuple[Finding, tuple[Operation, ...]]] = []
        self.note = ""

    def at(self, new: Document) -> Resource:
        """The same resource in another reading of the chunk."""
        return type(self.resource)(self.resource.base, lookup(new.data, self.resource.base), self.resource.index)

    def read(self) -> None:
        """Judge. Raises InputError where the API couldn't decode what is read."""
        self._check_types()
        if not self.pods and not _is_namespace(self.resource):
            shapes = workloads.shapes_of(self.resource, self.engine.policy.kinds)
            missing = workloads.missing_template(self.resource, shapes)
            self.note = f"cannot read {missing}: there is nothing" if missing else ""
            return
        self.note = self._why_not()
        if self.note and not self.engine.checking:
            return
        if _is_namespace(self.resource):
            if self.settings.control(controls.NAMESPACES).get("enabled", True):
                self.namespace_labels = list(namespaces.label(self.resource, self.settings))
            return
        for pod in self.pods:
            self._judge(pod)

    def _why_not(self) -> str:
        """Why a resource stays as it is, or empty."""
        if "$patch" in str(self.resource.data) or any(not c.image for pod in self.pods for c in pod.containers):
            if any("image" not in c.data for pod in self.pods for c in pod.containers) or _has_patch(self.resource.data):
                return "a kustomize patch: it has $patch, or a container without an image"
        owned = owner(self.resource)
        if owned and not self.engine.checking:
            return f"owned by {owned}: change its owner"
        return ""

    def _check_types(self) -> None:
        shapes = workloads.shapes_of(self.resource, self.engine.policy.kinds)
        wrong = [
            *fields.unreadable_metadata(self.resource),
            *fields.unreadable_template(self.resource, [shape.spec for shape in shapes]),
        ]
        for shape in shapes:
            for pointer in workloads.walk(self.resource.data, shape.spec):
                spec = lookup(self.resource.data, pointer)
                if isinstance(spec, dict):
                    names = [path for path, _ in shape.containers if "/" not in path and path not in {"container", "script"}]
                    wrong += fields.unreadable_containers(spec, self.resource.base + pointer, names)
        for pod in self.pods:
            wrong += fields.unreadable(pod)
        for pointer, expected in wrong:
            shown = dotted(pointer[len(self.resource.base) :])
            at = source.line_of(self.document, pointer)
            raise InputError(f"cannot read {self.resource}: {shown} must be {expected}", at)

    def _judge(self, pod: Pod) -> None:
        volumes = [
            *sequence(lookup(self.document.data, pod.volumes_pointer)),
            *(sequence(lookup(self.resource.data, ("spec", "volumes")))),
        ]
        situation = decide.Situation(pod, self.settings, volumes)
        for control in self.engine.enabled(self.settings):
            check = control.check(self.settings.version)
            if check is not None:
                for judgement in decide.judge(control, situation, check(pod)):
                    self.judged.append((control, situation, judgement))

    def apply(self, draft: Draft) -> None:
        """Put every change into the draft."""
        if self._skips_immutable():
            return
        wanted = [operation for _, operations in self.namespace_labels for operation in operations]
        wanted += [operation for _, _, judgement in self.judged for operation in decide.operations(judgement)]
        # Volumes and their mounts stand below the security context that needs them.
        for operation in sorted(wanted, key=lambda operation: operation.path[-1] == "-" and "volume" in str(operation.path[-2])):
            draft.apply(operation)

    def _skips_immutable(self) -> bool:
        return self.settings.immutable == "skip" and _is_immutable(self.resource)

    def result(self, operations: tuple[Operation, ...] = ()) -> ResourceResult:
        """The report, with the operations on this resource, relative to it."""
        base = self.resource.base
        own = [
            type(operation)(operation.op, operation.path[len(base) :], operation.value)
            for operation in operations
            if operation.path[: len(base)] == base
        ]
        allowed, message = self._verdict(self.pods)
        line = self.line + source.line_of(self.document, base) + 1
        return ResourceResult(
            self.resource,
            self.settings.level,
            self.settings.version_label,
            allowed,
            message,
            list(self._findings(bool(own))),
            own,
            line,
        )

    def untouched(self) -> ResourceResult:
        """The report of a resource whose document was refused: what it needs is still open."""
        result = self.result()
        for finding in result.findings:
            if finding.state == "fixed":
                finding.state, finding.severity = "refused", "error"
                finding.reason = "the document can't be edited safely"
        return result

    def _findings(self, changed: bool) -> Iterator[Finding]:
        checking = self.engine.checking
        skipping = self._skips_immutable() and not checking
        for finding, writes in self.namespace_labels:
            if checking and writes:
                finding.state, finding.severity = "open", "warning"
            yield self._placed(finding)
        for control, situation, judgement in self.judged:
            if skipping and judgement.state == "fixed":
                judgement = decide.Judgement(judgement.violation, judgement.proposal, "deferred", "immutable: skip")
            yield self._placed(
                decide.finding(control, situation, judgement, self.resource.base, checking=checking)
            )
        yield from map(self._placed, self._stale())
        yield from map(self._placed, self._injected())
        if changed and _is_immutable(self.resource):
            yield self._placed(_immutable(self.resource))

    def _placed(self, finding: Finding) -> Finding:
        pointer = self.resource.base + finding.pointer
        finding.line = self.line + source.line_of(self.document, pointer) + 1
        return finding

    def _stale(self) -> Iterator[Finding]:
        for control, situation in self._situations():
            for container in situation.pod.containers if control.stale else ():
                found = control.stale(situation, container) if control.stale else None
                if found:
                    yield _stale(control, self.resource, situation.pod, container.name, found)

    def _situations(self) -> Iterator[tuple[Control, decide.Situation]]:
        for pod in self.pods:
            situation = decide.Situation(pod, self.settings, ())
            for control in self.engine.enabled(self.settings):
                yield control, situation

    def _injected(self) -> Iterator[Finding]:
        written = any(control.id in decide._USERS and judgement.state == "fixed" for control, _, judgement in self.judged)
        for pod in self.pods if written else ():
            said = decide.Situation(pod, self.settings, ()).injected()
            if said:
                yield Finding(
                    "numericUser", "restricted", "fixed", "warning", pod.spec_pointer[len(self.resource.base) :],
                    f"{said} promises an injected container, which isn't in the manifest and wasn't seen",
                    risk="may-break", reason="users are written to containers, not to the pod",
                )

    def _verdict(self, pods: tuple[Pod, ...]) -> tuple[bool, str]:
        """Whether the standard allows the pods, and the API server's words if not."""
        parts: dict[str, None] = {}
        for pod in pods:
            for control in controls.load().values():
                if not control.standard or self.settings.level != "restricted":
                    continue
                check = control.check(self.settings.version)
                found = list(check(pod)) if check else []
                if found and control.forbidden:
                    reason, detail = control.forbidden(pod, found)
                    parts[f"{reason} ({detail})"] = None
        return not parts, ", ".join(parts)

    def verdict_of(self, new: Document) -> tuple[bool, str]:
        """The verdict on the same resource in another reading of the chunk."""
        shapes = workloads.shapes_of(self.resource, self.engine.policy.kinds)
        return self._verdict(tuple(workloads.pods(self.at(new), shapes)))


def _stale(control: Control, resource: Resource, pod: Pod, container: str, found: tuple[Any, Any, str]) -> Finding:
    current, wanted, evidence = found
    own = next(c for c in pod.containers if c.name == container)
    inherits = own.security_context.get(control.field[0]) is None
    pointer: Pointer = (*(pod.context_pointer or ()), *control.field) if inherits else (*own.pointer, "securityContext", *control.field)
    path = dotted(pointer[len(resource.base) :])
    return Finding(
        control.id, control.level, "stale", "warning", pointer[len(resource.base) :],
        f'container "{container}" has our old default {current}; the policy now says {wanted}: replace {path} by {wanted}',
        current=current, proposed=wanted, evidence=evidence, container=container,
    )


def _immutable(resource: Resource) -> Finding:
    return Finding(
        "immutable", "restricted", "immutable", "warning", (),
        f"a {resource.kind} can't be updated: delete the old {resource} before you apply this, or set immutable: skip",
        risk="may-break",
    )


def _is_immutable(resource: Resource) -> bool:
    return (resource.group, resource.kind) in {("", "Pod"), ("batch", "Job")}


def _is_namespace(resource: Resource) -> bool:
    return resource.kind == "Namespace" and resource.api_version == "v1"


def _has_patch(data: Any) -> bool:
    """Whether a `$patch` directive stands anywhere in the data."""
    if isinstance(data, dict):
        return any(isinstance(key, str) and key.startswith("$patch") or _has_patch(value) for key, value in data.items())
    return any(map(_has_patch, data)) if isinstance(data, list) else False


def _holds_containers(resource: Resource) -> str:
    """Why an unknown kind is worth naming: it seems to hold containers."""
    if resource.kind in workloads.UNSHAPED or not _finds_containers(resource.data):
        return ""
    return f"{resource.api_version} {resource.kind} isn't known, and holds containers: declare it under kinds"


def _finds_containers(data: Any) -> bool:
    if isinstance(data, dict):
        found = data.get("containers")
        if isinstance(found, list) and any(isinstance(item, dict) and "image" in item for item in found):
            return True
        return any(map(_finds_containers, data.values()))
    return any(map(_finds_containers, data)) if isinstance(data, list) else False


def _skipped(chunk: bytes, skipped: tuple[str, str], line: int) -> list[Unexamined]:
    """A skipped chunk is named when it looks as if it held containers."""
    api_version, kind = skipped
    if kind in workloads.UNSHAPED or b"containers:" not in chunk or b"image:" not in chunk:
        return []
    reason = f"{api_version} {kind} isn't known, and may hold containers: declare it under kinds"
    return [Unexamined(reason, kind, "", line + 1)]


def _notes(found: list[_Work]) -> list[Unexamined]:
    return [
        Unexamined(work.note, work.resource.kind, work.resource.name, work.line + 1) for work in found if work.note
    ]


def _placed(error: KrmHardenError, line: int) -> str:
    """An error with its line in the file, and its column where known."""
    at = getattr(error, "line", -1)
    column = getattr(error, "column", -1)
    where = f"line {line + max(at, 0) + 1}" + (f", column {column + 1}" if column >= 0 else "")
    return f"{where}: {error}"


def _naming_anchor(document: Document, operations: tuple[Operation, ...], error: RefusedEdit) -> RefusedEdit:
    """A refusal because of a shared node names its anchor: that is what its reader can change."""
    for operation in operations:
        anchor = place.shared_anchor(document, operation.path)
        if anchor:
            return RefusedEdit(
                f"{anchor} is used in several places that don't all need the same change",
                next_step="write the field out where it differs",
            )
    return error

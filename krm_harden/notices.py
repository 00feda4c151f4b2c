"""What a report says beside the controls: what was left alone, what is stale, what can't be updated or seen."""

from __future__ import annotations

from krm_harden import decide, exemptions, source, workloads
from krm_harden.model import Finding, Unexamined, dotted
from krm_harden.resources import LOCAL_CONFIG, SKIPPED_KINDS, is_encrypted, is_local, is_namespace, left_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.controls import Control
    from krm_harden.model import Container, Pod, Pointer, Resource
    from krm_harden.source import Document

IMAGE = ("image",)
"""The one field that can be stale and is none of a securityContext."""


def left_out(
    document: Document, found: Iterable[Resource], kinds: Mapping[tuple[str, str], Any], line: int
) -> list[Unexamined]:
    """The resources of a document that nobody looks into, as far as they are worth a line."""
    notes = []
    for resource in found:
        reason, cause = left_alone(resource), ""
        if workloads.shapes_of(resource, kinds):
            cause = "local" if is_local(resource) else "encrypted" if is_encrypted(resource) else ""
        if cause == "local":
            reason = f"{LOCAL_CONFIG} says that it never reaches a cluster"
        if reason is None and not workloads.shapes_of(resource, kinds) and not is_namespace(resource):
            reason, cause = _holds_containers(resource), "unknown"
        if reason:
            at = line + source.line_of(document, resource.base) + 1
            notes.append(Unexamined(reason, resource.kind, resource.name, at, cause))
    return notes


def skipped(chunk: bytes, known: tuple[str, str], line: int) -> list[Unexamined]:
    """An unparsed chunk, when it looks as if it held containers."""
    api_version, kind = known
    if kind in workloads.UNSHAPED or b"containers:" not in chunk or b"image:" not in chunk:
        return []
    return [Unexamined(_unknown(api_version, kind, "may hold"), kind, "", line + 1, "unknown")]


def is_unremarkable(text: bytes, kind: str) -> bool:
    """Whether `left_out` certainly has nothing to say of an object that makes no pods as far as is known."""
    if kind in SKIPPED_KINDS:
        return not SKIPPED_KINDS[kind]
    return not (b"containers" in text or b"sops" in text or b"\\" in text)


def may_be_unremarkable(text: bytes) -> bool:
    """Whether an object of some kind with this text may be so: of a workload, false, without looking for its kind."""
    return b"containers" not in text or any(kind in text for kind in _NEVER_REMARKABLE)


_NEVER_REMARKABLE = tuple(kind.encode() for kind, said in SKIPPED_KINDS.items() if not said)


def _unknown(api_version: str, kind: str, verb: str) -> str:
    return f"{api_version} {kind} isn't known and {verb} containers: declare it under kinds in the policy"


def _holds_containers(resource: Resource) -> str:
    if resource.kind in workloads.UNSHAPED or not _finds_containers(resource.data):
        return ""
    return _unknown(resource.api_version, resource.kind, "holds")


def _finds_containers(data: Any) -> bool:
    """Whether a list `containers` with an image stands anywhere in the data."""
    if isinstance(data, dict):
        found = data.get("containers")
        if isinstance(found, list) and any(isinstance(item, dict) and "image" in item for item in found):
            return True
        return any(map(_finds_containers, data.values()))
    return any(map(_finds_containers, data)) if isinstance(data, list) else False


def about(situation: decide.Situation, *, writes_users: bool) -> Iterator[Finding]:
    """Warnings about a pod that no violation stands for. `writes_users`: whether this run gives it a user."""
    pod = situation.pod
    for control in situation.settings.enabled_controls():
        for container in pod.containers if control.stale else ():
            found = control.stale(situation, container) if control.stale else None
            if found:
                yield _stale(control, pod, container, *found)
    said = situation.injected() if writes_users else ""
    if said:
        yield _injected(pod, said)


def _stale(control: Control, pod: Pod, container: Container, current: Any, wanted: Any, evidence: str) -> Finding:
    """Our own default in the manifest, where the policy or a lock now says otherwise."""
    inherits = container.security_context.get(control.field[0]) is None
    above = pod.context_pointer if inherits else (*container.pointer, "securityContext")
    what = "our old default "
    if control.field == IMAGE:
        above, what = container.pointer, ""
    pointer = (*(above or ()), *control.field)[len(pod.resource.base) :]
    return Finding(
        control.id,
        control.level,
        "stale",
        "warning",
        pointer,
        f'container "{container.name}" has {what}{current}, but {evidence} says {wanted}:'
        f" replace {dotted(pointer)} by {wanted}",
        current=current,
        proposed=wanted,
        evidence=evidence,
        container=container.name,
    )


def _injected(pod: Pod, said: str) -> Finding:
    return Finding(
        "numericUser",
        "restricted",
        "fixed",
        "warning",
        pod.spec_pointer[len(pod.resource.base) :],
        f"{said} promises a container that isn't in the manifest and wasn't seen",
        risk="may-break",
        reason="users are written to containers, not to the pod",
    )


def own_exemptions(resource: Resource, used: set[str] | None) -> Iterator[Finding]:
    """What is wrong with the exemptions that an object claims.

    `used` are those that exempted something, None where the policy ignores them all.
    """
    pointer = ("metadata", "annotations", exemptions.ANNOTATION)
    if used is None:
        yield _claim(pointer, "has no effect: the policy doesn't say exemptionAnnotations: allow")
        return
    for problem in exemptions.problems(resource):
        yield _claim(pointer, f"isn't understood: {problem}")
    for exemption in exemptions.of_object(resource):
        if exemption.where not in used and not exemption.is_for_scans:
            yield _claim(pointer, f"exempts from nothing that is here: {exemption.where!r}")


def _claim(pointer: Pointer, what: str) -> Finding:
    message = f"the annotation {exemptions.ANNOTATION} {what}"
    return Finding("exemptions", "restricted", "unused", "warning", pointer, message)


def immutable(resource: Resource) -> Finding:
    """A change of an object that an apply can't update."""
    return Finding(
        "immutable",
        "restricted",
        "immutable",
        "warning",
        (),
        f"a {resource.kind} can't be updated: delete the old {resource} before you apply this, or set immutable: skip",
        risk="may-break",
    )

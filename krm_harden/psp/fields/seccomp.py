"""Which seccomp profiles pods may have.

**Field**: the policy's annotations `seccomp.security.alpha.kubernetes.io/allowedProfileNames`, separated by commas, `*`
for all, and `seccomp.security.alpha.kubernetes.io/defaultProfileName`. Profiles are `runtime/default`,
`docker/default` (the same), `unconfined` and `localhost/FILE`.

**Sets**: the pod's `securityContext.seccompProfile`, if neither it nor the old annotation says one, to the default.
The API server of 1.24 made the field of the annotation that the policy set; servers before 1.19 have the annotation
alone.

**Refuses**: a profile of a pod or container that isn't allowed; and where profiles are named, a pod without one. A
policy without allowed profiles refuses every profile.

**Today**: level restricted of the Pod Security Standards asks for RuntimeDefault or Localhost, baseline refuses
Unconfined (controls `seccompProfile_restricted` and `seccompProfile_baseline`). Single profiles need an admission
policy. That pods may have no profile is nothing to keep.
"""

from __future__ import annotations

from krm_harden.model import Operation, mapping, text
from krm_harden.psp.fields import Effect, Field
from krm_harden.psp.model import Change
from krm_harden.psp.words import FORBIDDEN, worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "seccomp"
ALLOWED = "seccomp.security.alpha.kubernetes.io/allowedProfileNames"
DEFAULT = "seccomp.security.alpha.kubernetes.io/defaultProfileName"
OF_POD = "seccomp.security.alpha.kubernetes.io/pod"
OF_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
FIELDS_FROM = (1, 19)
"""The first server with the field."""
RUNTIME = ("runtime/default", "docker/default")
_TYPES = {"runtime/default": "RuntimeDefault", "docker/default": "RuntimeDefault", "unconfined": "Unconfined"}
_NAMES = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}
_LOCAL = "localhost/"
_PLACE = ("securityContext", "seccompProfile")


def named(profile: Any) -> str:
    """The annotation's value for a field; empty where the field has no meaning."""
    said = mapping(profile)
    local = said.get("localhostProfile")
    if said.get("type") == "Localhost" and isinstance(local, str):
        return _LOCAL + local
    return _NAMES.get(text(said.get("type")), "")


def field_of(name: str) -> dict[str, str] | None:
    """The field for an annotation's value; None where it has no meaning."""
    if name in _TYPES:
        return {"type": _TYPES[name]}
    local = name.removeprefix(_LOCAL)
    return {"type": "Localhost", "localhostProfile": local} if local and local != name else None


def sets_pod(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    """A field became the annotation as well, so any such pod was changed."""
    if text(pod.annotations.get(OF_POD)):
        return
    said = pod.context.get("seccompProfile")
    name = policy.annotations.get(DEFAULT, "") if said is None else named(said)
    if not name:
        return
    then = Operation("add", ("metadata", "annotations", OF_POD), name)
    written = field_of(name) if said is None else None
    if said is None and pod.server < FIELDS_FROM:
        yield Effect(then, Change(ID, then))
    elif written is None:
        yield Effect(then)
    else:
        yield Effect(then, Change(ID, Operation("add", ("spec", *_PLACE), written)))


def refuses_pod(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    annotation, profile = text(pod.annotations.get(OF_POD)), pod.context.get("seccompProfile")
    name = annotation or ("" if profile is None else named(profile))
    pointer: Pointer = ("spec", *_PLACE) if profile is not None or not annotation else _annotation(OF_POD)
    return _refused(policy, OF_POD, name, pointer)


def refuses_container(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    key = OF_CONTAINER + container.name
    own, of_pod = container.context.get("seccompProfile"), pod.context.get("seccompProfile")
    if own is not None:
        return _refused(policy, key, named(own), (*container.pointer, *_PLACE), container)
    if key in pod.annotations:
        return _refused(policy, key, text(pod.annotations[key]), _annotation(key), container)
    if of_pod is not None:
        return _refused(policy, key, named(of_pod), ("spec", *_PLACE), container)
    annotation = text(pod.annotations.get(OF_POD))
    pointer = _annotation(OF_POD) if annotation else (*container.pointer, *_PLACE)
    return _refused(policy, key, annotation, pointer, container)


def _annotation(key: str) -> Pointer:
    return ("metadata", "annotations", key)


def _refused(
    policy: PodSecurityPolicy, key: str, name: str, pointer: Pointer, container: ContainerDraft | None = None
) -> Iterator[FieldError]:
    path = f"pod.metadata.annotations[{key}]"
    said = policy.annotations.get(ALLOWED)
    allowed = set() if said is None else {*said.split(",")}
    if "*" in allowed:
        return
    if allowed.intersection(RUNTIME):
        allowed.update(RUNTIME)
    if not allowed:
        if name:
            yield worded(FORBIDDEN, ID, path, "seccomp may not be set", pointer, container)
    elif name not in allowed:
        detail = f"{name} is not an allowed seccomp profile. Valid values are {said}"
        yield worded(FORBIDDEN, ID, path, detail, pointer, container)


FIELD = Field(ID, sets=sets_pod, refuses=refuses_pod, refuses_in=refuses_container)

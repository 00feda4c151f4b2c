"""What the API server refuses in a pod because of what a policy sets: the cluster admitted such pods, and refused them.

Source: kubernetes 1.24 and 1.37, pkg/apis/core/validation/validation.go (ValidateSecurityContext, validateWindows,
ValidatePodSecurityContext): the same in both.
"""

from __future__ import annotations

from krm_harden.model import LATEST, dotted, mapping
from krm_harden.psp.draft import PodDraft
from krm_harden.psp.model import FieldError
from krm_harden.psp.words import FORBIDDEN, INVALID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.psp.draft import ContainerDraft
    from krm_harden.psp.model import Change

MAX_ID = 2**31 - 1
_IDS = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")
_ON_WINDOWS = ("runAsNonRoot", "runtimeClassName")
"""What a policy may set in a pod for Windows."""
_SYS_ADMIN = "CAP_SYS_ADMIN"
"""So spelled: the API server doesn't know that runtimes take SYS_ADMIN for the same."""


def unacceptable(pod: Mapping[str, Any], changes: Sequence[Change]) -> list[tuple[Change, FieldError]]:
    """The changes of a pod {metadata, spec} for which the API server would refuse it, each with its words."""
    draft = PodDraft(pod, LATEST)
    for change in changes:
        draft.apply(change.operation)
    found = [(change, error) for change in changes if (error := _by_itself(change, draft))]
    return [*found, *_escalations(draft, changes)]


def _by_itself(change: Change, pod: PodDraft) -> FieldError | None:
    """What is wrong with one change, whatever else the pod says."""
    path = tuple(step for step in change.operation.path if step != "-")
    is_for_linux = path[0] == "spec" and path[-1] not in _ON_WINDOWS
    if is_for_linux and mapping(pod.spec.get("os")).get("name") == "windows":
        # Both lists of capabilities are refused as one.
        path = path[: path.index("capabilities") + 1] if "capabilities" in path else path
        return _error(change, dotted(path), "", "cannot be set for a windows pod", FORBIDDEN)
    value = change.operation.value
    if path[-1] == "supplementalGroups":
        path, value = (*path, 0), value[0]
    if change.field in _IDS and isinstance(value, int) and value > MAX_ID:
        return _error(change, dotted(path), str(value), f"must be between 0 and {MAX_ID}, inclusive", INVALID)
    return None


def _escalations(pod: PodDraft, changes: Iterable[Change]) -> Iterator[tuple[Change, FieldError]]:
    """Containers that may not gain rights, and have them all."""
    by_container: dict[tuple[str, int] | None, list[Change]] = {}
    for change in changes:
        by_container.setdefault(change.container, []).append(change)
    for container in pod.containers:
        if container.context.get("allowPrivilegeEscalation") is not False or container.at not in by_container:
            continue
        reason, last = _all_rights(container)
        ours = {change.operation.path[-1]: change for change in by_container[container.at]}
        added = next((one for one in by_container[container.at] if _adds_sys_admin(one)), None)
        culprit = ours.get("allowPrivilegeEscalation") or (added if last == _SYS_ADMIN else None)
        if reason and culprit:
            detail = f"cannot set `allowPrivilegeEscalation` to false and {reason}"
            yield culprit, _error(culprit, f"{container.path}.securityContext", "", detail, INVALID)


def _all_rights(container: ContainerDraft) -> tuple[str, str]:
    """Why a container has all rights, in the API server's words, and by what."""
    if container.context.get("privileged") is True:
        return "`privileged` to true", "privileged"
    if _SYS_ADMIN in container.listed("add"):
        return f"`capabilities.Add` {_SYS_ADMIN}", _SYS_ADMIN
    return "", ""


def _adds_sys_admin(change: Change) -> bool:
    value = change.operation.value
    return change.field == "defaultAddCapabilities" and (value == _SYS_ADMIN or _SYS_ADMIN in value)


def _error(change: Change, path: str, shown: str, detail: str, kind: str) -> FieldError:
    pointer = tuple(step for step in change.operation.path if step != "-")
    value = change.operation.value
    return FieldError(change.field, path, shown, detail, pointer, value=value, container=change.container, type=kind)

"""The nouns of PodSecurityPolicies, immutable by convention."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Operation, Pointer

KIND = "PodSecurityPolicy"
GROUPS = ("policy", "extensions")
API_VERSIONS = ("policy/v1beta1", "extensions/v1beta1")
PREFIX = "podSecurityPolicy."
"""Before a field's name, the id of its control: `podSecurityPolicy.runAsUser`."""


class PodSecurityPolicy:
    """A policy with its defaults filled in, as the API server stored it. `where` is its file, or who holds it."""

    __slots__ = ("annotations", "name", "spec", "where")

    def __init__(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str], where: str = "") -> None:
        self.name = name
        self.spec = spec
        self.annotations = annotations
        self.where = where

    def __repr__(self) -> str:
        return f"PodSecurityPolicy({self.name!r})"


class Change:
    """What a policy sets where a pod says nothing: an operation relative to the pod, by which field of the policy.

    `container` is (list of the pod's spec, index), None for the pod itself.
    """

    __slots__ = ("container", "field", "operation")

    def __init__(self, field: str, operation: Operation, container: tuple[str, int] | None = None) -> None:
        self.field = field
        self.operation = operation
        self.container = container


class FieldError:
    """What a policy refuses, as apimachinery's field.Error words it.

    `path` is upstream's own, which isn't always where the value lies (`spec.securityContext.hostNetwork`); `pointer` is
    where it does, relative to the pod. `field` is the policy's, `container` (list of the pod's spec, index) or None.
    """

    __slots__ = ("container", "detail", "field", "path", "pointer", "shown", "type", "value")

    def __init__(
        self,
        field: str,
        path: str,
        shown: str,
        detail: str,
        pointer: Pointer,
        *,
        value: Any = None,
        container: tuple[str, int] | None = None,
        type: str = "Invalid value",  # noqa: A002 - upstream's name
    ) -> None:
        self.field = field
        self.path = path
        self.shown = shown
        """The value as Go prints it in the message, quotes included."""
        self.detail = detail
        self.pointer = pointer
        self.value = value
        self.container = container
        self.type = type

    def __str__(self) -> str:
        """Upstream's words: `spec.containers[0].hostPort: Invalid value: 80: Host port 80 is not allowed ...`."""
        shown = f"{self.path}: {self.type}: {self.shown}"
        return f"{shown}: {self.detail}" if self.detail else shown


class Outcome:
    """What one policy makes of a pod: its changes, then what it refuses in the changed pod."""

    __slots__ = ("changes", "errors", "policy")

    def __init__(self, policy: PodSecurityPolicy, changes: Iterable[Change], errors: Iterable[FieldError]) -> None:
        self.policy = policy
        self.changes = tuple(changes)
        self.errors = tuple(errors)

    @property
    def admits(self) -> bool:
        return not self.errors


class Chosen:
    """Which policy a pod gets: `outcome` is its, None where none admits the pod.

    `tried` are the outcomes of all candidates, in the order in which the admission tried them (by name).
    """

    __slots__ = ("outcome", "tried")

    def __init__(self, outcome: Outcome | None, tried: Sequence[Outcome]) -> None:
        self.outcome = outcome
        self.tried = tuple(tried)

    @property
    def message(self) -> str:
        """The API server's words of a refusal, empty for an admitted pod."""
        if self.outcome:
            return ""
        errors = [str(error) for outcome in self.tried for error in outcome.errors]
        return f"PodSecurityPolicy: unable to admit pod: [{', '.join(errors)}]"

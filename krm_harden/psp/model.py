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
    """A policy with its defaults filled in, as the API server stored it. `where` is its file, or who holds it.

    `unknown` are the places of fields that the API server dropped without a word: nobody checked them. `unusable` is
    why the admission passed over a policy that the API had taken, in its words; empty for one that it could use.
    """

    __slots__ = ("annotations", "name", "spec", "unknown", "unusable", "where")

    def __init__(
        self,
        name: str,
        spec: Mapping[str, Any],
        annotations: Mapping[str, str],
        where: str = "",
        *,
        unknown: Iterable[Pointer] = (),
        unusable: str = "",
    ) -> None:
        self.name = name
        self.spec = spec
        self.annotations = annotations
        self.where = where
        self.unknown = tuple(unknown)
        self.unusable = unusable

    def __repr__(self) -> str:
        return f"PodSecurityPolicy({self.name!r})"


class Change:
    """What a policy sets where a pod says nothing: an operation relative to the pod, by which field of the policy.

    The operation's path may name parents that are missing; they are made, as `patch.Draft` does. `container` is (list
    of the pod's spec, index), None for the pod itself.
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
        """The value as Go prints it in the message, quotes included; empty where a message has none."""
        self.detail = detail
        self.pointer = pointer
        self.value = value
        self.container = container
        self.type = type

    def __str__(self) -> str:
        """Upstream's words: `spec.containers[0].hostPort: Invalid value: 80: Host port 80 is not allowed ...`."""
        return ": ".join(part for part in (self.path, self.type, self.shown, self.detail) if part)


class Outcome:
    """What one policy makes of a pod: its changes, then what it refuses in the changed pod.

    `mutates` is whether the admission saw another pod afterwards. It may without a change to write: a seccomp profile
    in its field became the annotation of older servers, too. A policy that is `unusable` admits nothing.
    """

    __slots__ = ("changes", "errors", "mutates", "policy")

    def __init__(
        self,
        policy: PodSecurityPolicy,
        changes: Iterable[Change],
        errors: Iterable[FieldError],
        *,
        mutates: bool | None = None,
    ) -> None:
        self.policy = policy
        self.changes = tuple(changes)
        self.errors = tuple(errors)
        self.mutates = bool(self.changes) if mutates is None else mutates

    @property
    def admits(self) -> bool:
        return not (self.errors or self.policy.unusable)


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
        """The API server's words of a refusal, as Go prints a list; empty for an admitted pod."""
        if self.outcome:
            return ""
        errors = [str(error) for outcome in self.tried for error in outcome.errors]
        return f"PodSecurityPolicy: unable to admit pod: [{' '.join(errors)}]"

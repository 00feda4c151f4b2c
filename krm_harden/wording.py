"""How the API server words violations: pod-security-admission's helpers, byte for byte (policy/helpers.go)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krm_harden.model import Pod, Violation


def quoted(values: Iterable[str]) -> str:
    """Each value in quotes, nothing escaped: `"a", "b"`."""
    return ", ".join(f'"{value}"' for value in values)


def plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def containers(pod: Pod, violations: Sequence[Violation]) -> str:
    """The containers of violations in the pod's order: `container "a"`, `containers "a", "b"`."""
    names = [pod.containers[violation.container].name for violation in violations if violation.container >= 0]
    return f"{plural('container', len(names))} {quoted(names)}"


def setters(pod: Pod, violations: Sequence[Violation]) -> str:
    """Who says something: `pod and containers "a", "b"`."""
    parts = ["pod"] if any(violation.container < 0 for violation in violations) else []
    if any(violation.container >= 0 for violation in violations):
        parts.append(containers(pod, violations))
    return " and ".join(parts)


def must_set(who: str, what: str) -> str:
    return f"{who} must set securityContext.{what}"

"""The Pod Security Standards' verdict about pods, at any level and version, in the API server's words.

Source: k8s.io/pod-security-admission, policy/registry.go (which checks hold) and policy/evaluator.go.
"""

from __future__ import annotations

from krm_harden.controls import Checks, active, of_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.controls import Check, Control
    from krm_harden.decide import Situation
    from krm_harden.model import LevelVersion, Pod, Violation


class Failure:
    """One check that a pod fails: its id and the API server's words. `pod` is its index among those judged."""

    __slots__ = ("control", "detail", "pod", "reason", "violations")

    def __init__(self, control: str, reason: str, detail: str, violations: Sequence[Violation], pod: int) -> None:
        self.control = control
        self.reason = reason
        self.detail = detail
        self.violations = violations
        self.pod = pod

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class Verdict:
    """What a level says of the pods of one resource."""

    __slots__ = ("asked", "failures")

    def __init__(self, asked: LevelVersion, failures: tuple[Failure, ...]) -> None:
        self.asked = asked
        self.failures = failures

    @property
    def allowed(self) -> bool:
        return not self.failures

    @property
    def message(self) -> str:
        """Reasons with their details, as the server refuses and warns; empty when the pods are allowed."""
        return ", ".join(dict.fromkeys(map(str, self.failures)))

    @property
    def reason(self) -> str:
        """Reasons alone, as the server warns who labels a namespace."""
        return ", ".join(dict.fromkeys(failure.reason for failure in self.failures))


_checks: dict[tuple[str, tuple[int, int]], Checks] = {}


def checks(level: str, version: tuple[int, int]) -> Checks:
    """The checks that make up a level at a version, in the order of its messages."""
    known = _checks.get((level, version))
    if known is None:
        known = _checks[level, version] = Checks(active(of_standard(level), version))
    return known


def _fields(pod: Pod) -> frozenset[str]:
    """What `Control.keys` is about: the fields that a pod's spec and its securityContexts have."""
    found = {*pod.spec, *pod.security_context}
    for container in pod.containers:
        found.update(container.security_context)
    return frozenset(found)


class Evaluator:
    """Verdicts about the same pods at many levels and versions: what two of them share is checked once."""

    __slots__ = ("_failures", "_fields", "_found", "_pods")

    def __init__(self, pods: Sequence[Pod]) -> None:
        self._pods = pods
        self._failures: dict[tuple[str, tuple[int, int]], tuple[Failure, ...]] = {}
        self._fields = [_fields(pod) for pod in pods]
        self._found: list[dict[Check, list[Violation]]] = [{} for _ in pods]

    def failing(
        self, index: int, checks: Checks, situation: Situation | None = None
    ) -> Iterator[tuple[Control, list[Violation]]]:
        """The controls whose check finds something in one of the pods, with what it finds.

        Without those that have nothing to say in a `situation`.
        """
        known, pod = self._found[index], self._pods[index]
        for control, check in checks.among(self._fields[index]):
            if situation and control.concerns and not control.concerns(situation):
                continue
            found = known.get(check)
            if found is None:
                found = known[check] = list(check(pod))
            if found:
                yield control, found

    def verdict(self, asked: LevelVersion) -> Verdict:
        """The verdict about all of the pods."""
        known = self._failures.get((asked.level, asked.version))
        if known is None:
            found = tuple(self._worded(checks(asked.level, asked.version)))
            known = self._failures[asked.level, asked.version] = found
        return Verdict(asked, known)

    def _worded(self, checks: Checks) -> Iterator[Failure]:
        for index, pod in enumerate(self._pods):
            for control, found in self.failing(index, checks):
                if control.forbidden:
                    yield Failure(control.id, *control.forbidden(pod, found), found, index)

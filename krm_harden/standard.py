"""The Pod Security Standards' verdict about pods, at any level and version, in the API server's words.

Source: k8s.io/pod-security-admission, policy/registry.go (which checks hold) and policy/evaluator.go.
"""

from __future__ import annotations

from krm_harden.controls import active, of_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.controls import Check, Control
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

    def __init__(self, asked: LevelVersion, failures: Iterable[Failure]) -> None:
        self.asked = asked
        self.failures = tuple(failures)

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


_checks: dict[tuple[str, tuple[int, int]], tuple[tuple[Control, Check], ...]] = {}


def checks(level: str, version: tuple[int, int]) -> tuple[tuple[Control, Check], ...]:
    """The checks that make up a level at a version, in the order of its messages."""
    key = (level, version)
    if key not in _checks:
        _checks[key] = tuple(active(of_standard(level), version))
    return _checks[key]


def _keys(pod: Pod) -> set[str]:
    """What `Control.keys` is about: the fields that a pod's spec and its securityContexts have."""
    keys = {*pod.spec, *pod.security_context}
    for container in pod.containers:
        keys.update(container.security_context)
    return keys


class Evaluator:
    """Verdicts about the same pods at many levels and versions: what two of them share is checked once."""

    __slots__ = ("_found", "_keys", "_pods")

    def __init__(self, pods: Sequence[Pod]) -> None:
        self._pods = pods
        self._keys = [_keys(pod) for pod in pods]
        self._found: list[dict[Check, list[Violation]]] = [{} for _ in pods]

    def failing(self, index: int, checks: Iterable[tuple[Control, Check]]) -> Iterator[tuple[Control, list[Violation]]]:
        """The controls whose check finds something in one of the pods, with what it finds."""
        known, pod, keys = self._found[index], self._pods[index], self._keys[index]
        for control, check in checks:
            if control.keys and control.keys.isdisjoint(keys):
                continue
            found = known.get(check)
            if found is None:
                found = known[check] = list(check(pod))
            if found:
                yield control, found

    def verdict(self, asked: LevelVersion) -> Verdict:
        """The verdict about all of the pods."""
        return Verdict(asked, self._failures(asked))

    def _failures(self, asked: LevelVersion) -> Iterator[Failure]:
        for index, pod in enumerate(self._pods):
            for control, found in self.failing(index, checks(asked.level, asked.version)):
                if control.forbidden:
                    yield Failure(control.id, *control.forbidden(pod, found), found, index)

"""Verdicts about one resource at several levels and versions of the standard, and where they change."""

from __future__ import annotations

from krm_harden import exemptions
from krm_harden.model import LevelVersion, parse_version
from krm_harden.standard import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from krm_harden.exemptions import Exemption
    from krm_harden.model import Pod, Resource
    from krm_harden.policy import Policy
    from krm_harden.standard import Failure, Verdict


class Span:
    """Neighbouring versions with one verdict: `state` is allowed, refused, or exempt where a policy exempts it all."""

    __slots__ = ("checks", "first", "last", "level", "message", "state")

    def __init__(self, level: str, version: str, state: str, verdict: Verdict) -> None:
        self.level = level
        self.first = version
        self.last = version
        self.state = state
        self.message = verdict.message
        self.checks = tuple(dict.fromkeys(failure.control for failure in verdict.failures))

    def goes_on(self, version: str, state: str, message: str) -> bool:
        """Whether the next version belongs to it: the same verdict, and none in between that wasn't asked for."""
        return are_neighbours(self.last, version) and (self.state, self.message) == (state, message)

    @property
    def versions(self) -> str:
        """`v1.8`, or `v1.8 to v1.18`."""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


def fails_a_run(policy: Policy, resource: Resource) -> bool:
    """Whether what is wrong with a resource fails the run; with `onViolation: Warn` it is only said."""
    return policy.settings_for(resource).on_violation == "Fail"


def are_neighbours(older: str, newer: str) -> bool:
    """Whether no version lies between two, as they are written."""
    first, last = parse_version(older), parse_version(newer)
    return first is not None and last is not None and last[1] - first[1] <= 1


def spans(policy: Policy, resource: Resource, levels: Sequence[str], versions: Sequence[str]) -> list[list[Span]]:
    """For each level its spans over the versions, which ascend. Empty for what makes no pods."""
    pods = policy.pods_of(resource)
    if not pods:
        return []
    evaluator = Evaluator(pods)
    exempting = exemptions_for(policy, resource)
    found = []
    for level in levels:
        row: list[Span] = []
        for version in versions:
            verdict = evaluator.verdict(LevelVersion(level, version, policy.server))
            state = _state(verdict, pods, exempting)
            if row and row[-1].goes_on(version, state, verdict.message):
                row[-1].last = version
            else:
                row.append(Span(level, version, state, verdict))
        found.append(row)
    return found


def exemptions_for(policy: Policy, resource: Resource) -> list[Exemption]:
    """The exemptions that may hold for a resource: the policy's, and its own where the policy allows them.

    Those that have expired are no excuse any more.
    """
    settings = policy.settings_for(resource)
    own = exemptions.of_object(resource) if settings.exemption_annotations else []
    return [one for one in (*settings.exemptions, *own) if not one.expired]


def is_exempt(verdict: Verdict, pods: Sequence[Pod], exempting: Sequence[Exemption]) -> bool:
    """Whether something fails, and every place that does is exempt from the check that it fails."""
    return not verdict.allowed and all(_covers(failure, pods[failure.pod], exempting) for failure in verdict.failures)


def _covers(failure: Failure, pod: Pod, exempting: Sequence[Exemption]) -> bool:
    for violation in failure.violations:
        container = pod.containers[violation.container] if violation.container >= 0 else None
        if not any(one.covers(failure.control, pod.resource, container) for one in exempting):
            return False
    return True


def _state(verdict: Verdict, pods: Sequence[Pod], exempting: Sequence[Exemption]) -> str:
    if verdict.allowed:
        return "allowed"
    return "exempt" if is_exempt(verdict, pods, exempting) else "refused"

"""What only the whole input can tell, gathered chunk by chunk and merged in any order.

Which namespaces hold only pods that pass, so that `enforce: auto` may label them; which exemptions were needed.
"""

from __future__ import annotations

from krm_harden import workloads
from krm_harden.model import Facts, LevelVersion
from krm_harden.standard import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from krm_harden.model import ChunkResult, Resource
    from krm_harden.policy import Policy


def of_chunks(chunks: Iterable[ChunkResult]) -> Facts:
    """The facts of a whole input, from all of its chunks."""
    return merged(chunk.facts or Facts(unread=[chunk.error] if chunk.error else ()) for chunk in chunks)


def merged(every: Iterable[Facts]) -> Facts:
    """The facts of several inputs as those of one."""
    pods: dict[str, dict[str, str]] = {}
    homeless: list[str] = []
    unread: list[str] = []
    used: set[str] = set()
    waiting = False
    for facts in every:
        for namespace, workloads_ in facts.pods.items():
            for name, reason in workloads_.items():
                _note(pods, namespace, name, reason)
        homeless += facts.homeless
        unread += facts.unread
        used |= facts.used
        waiting = waiting or facts.waiting
    return Facts(pods, sorted(homeless), sorted(unread), used, waiting=waiting)


def pinned(policy: Policy) -> LevelVersion:
    """What `enforce: auto` would enforce: the policy's level, at a version that doesn't change by itself."""
    found = LevelVersion(policy.level, policy.namespaces.get("version", policy.version), policy.server)
    return LevelVersion(found.level, f"v1.{found.version[1]}", policy.server)


def about(policy: Policy, resources: Iterable[Resource]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Of some resources: the pods of each namespace as `Facts` has them, and those that name no namespace.

    A pod template is judged as the pod that it makes: that is what a namespace enforces.
    """
    pods: dict[str, dict[str, str]] = {}
    homeless = []
    for resource in resources:
        shapes = workloads.shapes_of(resource, policy.kinds)
        found = tuple(workloads.created_pods(resource, shapes, policy.server))
        if found and resource.namespace:
            _note(pods, resource.namespace, str(resource), Evaluator(found).verdict(pinned(policy)).reason)
        elif found:
            homeless.append(str(resource))
    return pods, homeless


def _note(pods: dict[str, dict[str, str]], namespace: str, name: str, reason: str) -> None:
    """Two objects of one name pass only together."""
    known = pods.setdefault(namespace, {})
    known[name] = known.get(name) or reason

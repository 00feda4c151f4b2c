"""What only the whole input can tell, gathered chunk by chunk and merged in any order.

Which namespaces hold only pods that pass, so that `enforce: auto` may label them; which exemptions were needed; what
service accounts may do.
"""

from __future__ import annotations

from krm_harden.model import Facts, LevelVersion
from krm_harden.resources import is_encrypted, left_alone
from krm_harden.standard import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.model import ChunkResult, Pod, Resource
    from krm_harden.policy import Policy


UNJUDGED = {"template", "patch", "unknown"}
"""The causes for which something that may make or change pods wasn't judged at all."""


def of_chunks(chunks: Iterable[ChunkResult], name: str = "") -> Facts:
    """The facts of a whole input, or of the one that `name` names, from all of its chunks."""
    where = f"{name}: " if name else ""
    return merged(facts for chunk in chunks for facts in (chunk.facts or Facts(), _of_unjudged(chunk, where)))


def _of_unjudged(chunk: ChunkResult, where: str) -> Facts:
    """What a chunk leaves open: a namespace's pods, and rights of accounts where it can't be read at all."""
    is_unread = chunk.error or any(note.cause == "template" for note in chunk.unexamined)
    unread = [where + line for line in _unjudged(chunk)]
    return Facts(unread=unread, access=[("unread", unread[0])] if is_unread else ())


def _unjudged(chunk: ChunkResult) -> Iterator[str]:
    """What in a chunk may make pods and wasn't judged."""
    if chunk.error:
        yield chunk.error
    for note in chunk.unexamined:
        if note.cause in UNJUDGED:
            at = f"line {note.line}: " if note.line else ""
            yield f"{at}{note}: {note.reason}" if note.kind else f"{at}{note.reason}"


def merged(every: Iterable[Facts]) -> Facts:
    """The facts of several inputs as those of one."""
    pods: dict[str, dict[str, str]] = {}
    homeless: list[str] = []
    unread: list[str] = []
    used: set[str] = set()
    access: set[tuple[str, ...]] = set()
    waiting = False
    for facts in every:
        for namespace, workloads_ in facts.pods.items():
            for name, reason in workloads_.items():
                _note(pods, namespace, name, reason)
        homeless += facts.homeless
        unread += facts.unread
        used |= facts.used
        access |= facts.access
        waiting = waiting or facts.waiting
    return Facts(pods, sorted(homeless), sorted(unread), used, access=access, waiting=waiting)


def pinned(policy: Policy) -> LevelVersion:
    """What `enforce: auto` would enforce: the policy's level, at a version that doesn't change by itself."""
    found = LevelVersion(policy.level, policy.namespaces.get("version", policy.version), policy.server)
    return LevelVersion(found.level, f"v1.{found.version[1]}", policy.server)


def about(policy: Policy, resources: Iterable[Resource]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Of some resources: the pods of each namespace as `Facts` has them, and those that name no namespace.

    A pod template is judged as the pod that it makes: that is what a namespace enforces. One without containers makes
    none.
    """
    pods: dict[str, dict[str, str]] = {}
    homeless = []
    for resource in resources:
        found = policy.created_pods_of(resource)
        reason = _why_refused(policy, resource, found)
        if not (reason or any(pod.containers for pod in found)):
            continue
        if resource.namespace:
            _note(pods, resource.namespace, str(resource), reason)
        else:
            homeless.append(str(resource))
    return pods, homeless


def _why_refused(policy: Policy, resource: Resource, pods: Sequence[Pod]) -> str:
    """Why a namespace would refuse some pods of a resource, or empty."""
    encrypted = left_alone(resource) if pods and is_encrypted(resource) else None
    return encrypted or Evaluator(pods).verdict(pinned(policy)).reason


def _note(pods: dict[str, dict[str, str]], namespace: str, name: str, reason: str) -> None:
    """Two objects of one name pass only together."""
    known = pods.setdefault(namespace, {})
    known[name] = known.get(name) or reason

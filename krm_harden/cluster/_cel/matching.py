"""What exemptions and rules match, in CEL: the workload that a pod is of, its namespace and its labels.

A pod in the cluster says by its owner of which workload it is, and anybody who creates pods may write an owner into
one. So that counts only where a controller of Kubernetes creates it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster._cel.checks import Subjects
from krm_harden.cluster._cel.words import listed, literal, matches
from krm_harden.exemptions import glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster._cel.checks import Server, Variables
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Policy

CONTROLLERS = (
    "system:kube-controller-manager",
    *(
        f"system:serviceaccount:kube-system:{name}-controller"
        for name in ("cronjob", "daemon-set", "deployment", "job", "replicaset", "replication", "statefulset")
    ),
)
"""Who creates pods, ReplicaSets and Jobs in the name of a workload (kube-controller-manager)."""
BUILT_IN = (
    *("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "PodTemplate", "ReplicaSet", "ReplicationController"),
    *("Rollout", "StatefulSet"),
)
"""The kinds that a pod can be known to be of: a Rollout of Argo by what it writes on its ReplicaSets."""
HASHES = {"Deployment": "pod-template-hash", "Rollout": "rollouts-pod-template-hash"}
"""The label of a ReplicaSet's pods that ends its name, by the kind that makes the ReplicaSet."""
TRUSTED = f"request.userInfo.username in {listed(CONTROLLERS)}"

_OWNER = "{'kind': owner.kind, 'name': owner.name}"
_ABOVE = "{{'kind': '{kind}', 'name': owner.name.substring(0, owner.name.size() - {length})}}"


def identity(trusted: str = TRUSTED) -> Variables:
    """The variables that say which workload `object` is of. `trusted` says whether its owner may be believed."""
    owners = "object.metadata.?ownerReferences.orValue([])"
    above = "\n  + ".join([*(_of_replica_set(kind, label) for kind, label in HASHES.items()), _of_job()])
    name = "object.metadata.?name.orValue(object.metadata.?generateName.orValue(''))"
    return [
        ("ownNamespace", "object.metadata.?namespace.orValue('')"),
        ("labels", "object.metadata.?labels.orValue({})"),
        ("owners", f"{trusted}\n  ? {owners}.filter(owner, owner.?controller.orValue(false)) : []"),
        (
            "workloads",
            f"[{{'kind': string(object.kind), 'name': string({name})}}]\n"
            f"  + variables.owners.map(owner, {_OWNER})\n  + {above}",
        ),
    ]


def _of_replica_set(kind: str, label: str) -> str:
    """The workload whose ReplicaSet a pod is of: `web` of `web-5d4f8c7b9`."""
    key = literal(label)
    ends = f"{key} in variables.labels && owner.name.endsWith('-' + variables.labels[{key}])"
    made = _ABOVE.format(kind=kind, length=f"variables.labels[{key}].size() - 1")
    return f"variables.owners.map(owner, owner.kind == 'ReplicaSet' && {ends},\n    {made})"


def _of_job() -> str:
    """The CronJob whose Job a pod is of: `report` of `report-29101234`."""
    made = _ABOVE.format(kind="CronJob", length="(owner.name.size() - owner.name.lastIndexOf('-'))")
    return f"variables.owners.map(owner, owner.kind == 'Job' && owner.name.matches('-[0-9]+$'),\n    {made})"


def condition(match: Mapping[str, Any]) -> str:
    """Whether a `match` is about `object`; its containers and images are another question."""
    parts = []
    of_workload = [
        matches(match[field], f"workload.{key}")
        for field, key in (("kinds", "kind"), ("names", "name"))
        if field in match
    ]
    if of_workload:
        parts.append(f"variables.workloads.exists(workload, {' && '.join(of_workload)})")
    if "namespaces" in match:
        parts.append(matches(match["namespaces"], "variables.ownNamespace"))
    for name, pattern in match.get("labels", {}).items():
        key = literal(name)
        parts.append(f"({key} in variables.labels && {matches([pattern], f'variables.labels[{key}]')})")
    return " && ".join(parts) or "true"


def unmatched(match: Mapping[str, Any], where: str) -> Iterator[str]:
    """What of a `match` a cluster can't see, as sentences."""
    for pattern in match.get("kinds", ()):
        if not any(glob([pattern], kind) for kind in BUILT_IN):
            yield f"{where}.match.kinds: {pattern}: pods don't say in a way to be trusted that they are of one"
    if match.get("labels"):
        yield (
            f"{where}.match.labels is compared with the labels of each pod itself: "
            "what its workload is labelled it doesn't show"
        )


def carried(policy: Policy) -> list[Exemption]:
    """The exemptions that hold in a cluster: not those that have expired, nor those of vulnerabilities alone.

    A cluster sees no scanner's report, so that one of those would exempt from all of what it names.
    """
    return [one for one in policy.exemptions if not one.expired and not one.is_for_scans]


def exempt(exemptions: Sequence[Exemption]) -> Variables:
    """A variable for each exemption: whether it matches."""
    return [(f"exempt{index}", condition(one.match)) for index, one in enumerate(exemptions)]


def dates(exemptions: Iterable[Exemption], entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What of the exemptions' dates a cluster can't see, as sentences."""
    for one, entry in zip(exemptions, entries, strict=True):
        if one.expired:
            yield f"{one.where} expired on {one.expired}, so it isn't there any more: {one.reason}"
        elif entry.get("expires"):
            yield (
                f"{one.where}.expires: CEL has no clock: the exemption holds until the policy is written again, "
                f"after {entry['expires']}"
            )


def exempt_containers(control: str, exemptions: Sequence[Exemption], container: str) -> list[str]:
    """The conditions under which a container, an expression, is exempt from a control."""
    found = []
    for index, one in enumerate(exemptions):
        if control in one.controls or "*" in one.controls:
            names, images = one.match.get("containers"), one.match.get("images")
            which = [] if names is None or "*" in names else [matches(names, f"{container}.name")]
            which += [] if images is None else [matches(images, f"{container}.?image.orValue('')")]
            found.append(" && ".join([f"variables.exempt{index}", *which]))
    return found


def _exempt_pods(control: str, exemptions: Sequence[Exemption]) -> list[str]:
    """The conditions under which the pod itself is exempt from a control."""
    return [
        f"variables.exempt{index}"
        for index, one in enumerate(exemptions)
        if (control in one.controls or "*" in one.controls)
        and one.match.get("images") is None
        and glob(one.match.get("containers", ("*",)), "")
    ]


def subjects(
    control: str, exemptions: Sequence[Exemption], version: tuple[int, int], server: Server
) -> tuple[Variables, Subjects]:
    """What a check is about: all but what is exempt from it; with the variable that lists the containers.

    `exemptions` are those of `exempt`, whose variables have to stand above.
    """
    of_containers = exempt_containers(control, exemptions, "c")
    if not of_containers:
        return [], Subjects(version, server)
    of_pod = _exempt_pods(control, exemptions)
    indexes = [str(at) for at, one in enumerate(exemptions) if {control, "*"} & one.controls]
    name = f"subjects_{'_'.join(indexes)}"
    kept = " && ".join(f"!({one})" for one in of_containers)
    made = Subjects(version, server, f"variables.{name}", f"!({' || '.join(of_pod)})" if of_pod else "true")
    return [(name, f"variables.containers.filter(c, {kept})")], made

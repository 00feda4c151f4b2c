"""What a PodSecurityPolicy makes of a pod: what it sets, then what it refuses.

Source: kubernetes 1.24, pkg/security/podsecuritypolicy/provider.go (MutatePod, ValidatePod), in its order and words.
"""

from __future__ import annotations

from krm_harden.model import LATEST, mapping, sequence
from krm_harden.psp.draft import PodDraft
from krm_harden.psp.fields import load
from krm_harden.psp.model import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import Change, FieldError, PodSecurityPolicy

SETS_POD = tuple(load(name).sets for name in ("supplementalGroups", "fsGroup", "seLinux", "seccomp", "runtimeClass"))
SETS_CONTAINER = tuple(
    load(name).sets_in
    for name in (
        "runAsUser",
        "runAsGroup",
        "appArmor",
        "defaultAddCapabilities",
        "requiredDropCapabilities",
        "readOnlyRootFilesystem",
        "allowPrivilegeEscalation",
    )
)
REFUSES_POD = tuple(
    load(name).refuses
    for name in (
        "fsGroup",
        "supplementalGroups",
        "seccomp",
        "seLinux",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "sysctls",
    )
)
REFUSES_VOLUME = tuple(
    load(name).refuses_volume for name in ("volumes", "allowedHostPaths", "allowedFlexVolumes", "allowedCSIDrivers")
)
"""A type that isn't allowed is the last word about a volume; each of the others is about one type."""
REFUSES_POD_AFTER_VOLUMES = (load("runtimeClass").refuses,)
REFUSES_CONTAINER = tuple(
    load(name).refuses_in
    for name in (
        "runAsUser",
        "runAsGroup",
        "seLinux",
        "appArmor",
        "seccomp",
        "privileged",
        "allowedProcMountTypes",
        "allowedCapabilities",
        "requiredDropCapabilities",
        "hostPorts",
        "readOnlyRootFilesystem",
        "allowPrivilegeEscalation",
    )
)
"""All in the order of the admission."""


def admit(policy: PodSecurityPolicy, pod: Mapping[str, Any], server: tuple[int, int] = LATEST) -> Outcome:
    """What a policy makes of a pod {metadata, spec}, for a server that will read it."""
    if policy.unusable:
        return Outcome(policy, (), ())
    draft = PodDraft(pod, server)
    effects = [*_mutated(policy, draft)]
    changes: list[Change] = [effect.change for effect in effects if effect.change]
    return Outcome(policy, changes, _refused(policy, draft), mutates=bool(effects))


def validate(policy: PodSecurityPolicy, pod: Mapping[str, Any], server: tuple[int, int] = LATEST) -> list[FieldError]:
    """What a policy refuses in a pod as it is, as for an update: nothing is set before."""
    return [] if policy.unusable else [*_refused(policy, PodDraft(pod, server))]


def _mutated(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    """Each effect, once it has been applied to the draft."""
    for of_pod in filter(None, SETS_POD):
        yield from _applied(pod, [*of_pod(policy, pod)])
    for container in pod.containers:
        for of_container in filter(None, SETS_CONTAINER):
            yield from _applied(pod, [*of_container(policy, pod, container)])


def _applied(pod: PodDraft, effects: list[Effect]) -> list[Effect]:
    for effect in effects:
        pod.apply(effect.then)
    return effects


def _refused(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    for of_pod in filter(None, REFUSES_POD):
        yield from of_pod(policy, pod)
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        for of_volume in filter(None, REFUSES_VOLUME):
            found = [*of_volume(policy, pod, index, mapping(volume))]
            yield from found
            if found:
                break
    for of_pod in filter(None, REFUSES_POD_AFTER_VOLUMES):
        yield from of_pod(policy, pod)
    for container in pod.containers:
        for of_container in filter(None, REFUSES_CONTAINER):
            yield from of_container(policy, pod, container)

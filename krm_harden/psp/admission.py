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

    from krm_harden.psp.fields import Effect, Field
    from krm_harden.psp.model import Change, FieldError, PodSecurityPolicy


def _rows(*names: str) -> tuple[Field, ...]:
    return tuple(load(name) for name in names)


SETS_POD = _rows("supplementalGroups", "fsGroup", "seLinux", "seccomp", "runtimeClass")
SETS_CONTAINER = _rows(
    "runAsUser",
    "runAsGroup",
    "appArmor",
    "defaultAddCapabilities",
    "requiredDropCapabilities",
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
)
REFUSES_POD = _rows(
    "fsGroup", "supplementalGroups", "seccomp", "seLinux", "hostNetwork", "hostPID", "hostIPC", "sysctls"
)
REFUSES_VOLUME = _rows("volumes", "allowedHostPaths", "allowedFlexVolumes", "allowedCSIDrivers")
"""A type that isn't allowed is the last word about a volume; each of the others is about one type."""
REFUSES_POD_AFTER_VOLUMES = _rows("runtimeClass")
REFUSES_CONTAINER = _rows(
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
    for field in SETS_POD:
        yield from _applied(pod, [*field.sets(policy, pod)])
    for container in pod.containers:
        for field in SETS_CONTAINER:
            yield from _applied(pod, [*field.sets_in(policy, pod, container)])


def _applied(pod: PodDraft, effects: list[Effect]) -> list[Effect]:
    for effect in effects:
        pod.apply(effect.then)
    return effects


def _refused(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    for field in REFUSES_POD:
        yield from field.refuses(policy, pod)
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        for field in REFUSES_VOLUME:
            found = [*field.refuses_volume(policy, pod, index, mapping(volume))]
            yield from found
            if found:
                break
    for field in REFUSES_POD_AFTER_VOLUMES:
        yield from field.refuses(policy, pod)
    for container in pod.containers:
        for field in REFUSES_CONTAINER:
            yield from field.refuses_in(policy, pod, container)

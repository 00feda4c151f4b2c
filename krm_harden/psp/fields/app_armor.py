"""Which AppArmor profiles containers may have.

**Field**: the policy's annotations `apparmor.security.beta.kubernetes.io/allowedProfileNames`, separated by commas, and
`apparmor.security.beta.kubernetes.io/defaultProfileName`. Profiles are `runtime/default`, `unconfined` and
`localhost/NAME`.

**Sets**: for each container without a profile the default: in `securityContext.appArmorProfile` from Kubernetes 1.30
on, else in the pod's annotation `container.apparmor.security.beta.kubernetes.io/<container>`.

**Refuses**: a profile that isn't allowed, and none at all. Without allowed profiles nothing is refused.

**Today**: the Pod Security Standards from level baseline on refuse Unconfined alone (control `appArmorProfile`). A
profile that must be there needs an admission policy.
"""

from __future__ import annotations

from krm_harden.model import APP_ARMOR_ANNOTATION as ANNOTATION
from krm_harden.model import APP_ARMOR_FIELDS, Operation, text
from krm_harden.psp.fields import Effect, Field
from krm_harden.psp.fields.seccomp import field_of, named
from krm_harden.psp.model import Change
from krm_harden.psp.words import FORBIDDEN, worded
from krm_harden.wording import go_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "appArmor"
ALLOWED = "apparmor.security.beta.kubernetes.io/allowedProfileNames"
DEFAULT = "apparmor.security.beta.kubernetes.io/defaultProfileName"
_FIELD = "appArmorProfile"


def _profile(pod: PodDraft, container: ContainerDraft) -> str:
    """The annotation's, else that of the field, which older servers don't have."""
    annotation = text(pod.annotations.get(ANNOTATION + container.name))
    if annotation or pod.server < APP_ARMOR_FIELDS:
        return annotation
    return named(pod.effective(container, _FIELD))


def sets_container(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    wanted = policy.annotations.get(DEFAULT)
    if not wanted or _profile(pod, container):
        return
    then = Operation("add", ("metadata", "annotations", ANNOTATION + container.name), wanted)
    profile = field_of(wanted)
    if pod.server < APP_ARMOR_FIELDS:
        yield Effect(then, Change(ID, then, container.at))
    elif profile is not None:
        pointer = (*container.pointer, "securityContext", _FIELD)
        yield Effect(then, Change(ID, Operation("add", pointer, profile), container.at))


def refuses(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    said = policy.annotations.get(ALLOWED)
    if said is None:
        return
    key, name = ANNOTATION + container.name, _profile(pod, container)
    path = f"pod.metadata.annotations[{key}]"
    pointer = (*container.pointer, "securityContext", _FIELD)
    if text(pod.annotations.get(key)) or pod.server < APP_ARMOR_FIELDS:
        pointer = ("metadata", "annotations", key)
    elif container.context.get(_FIELD) is None and name:
        pointer = ("spec", "securityContext", _FIELD)
    if not name:
        yield worded(FORBIDDEN, ID, path, "AppArmor profile must be set", pointer, container)
    elif name not in said.split(","):
        detail = f"{name} is not an allowed profile. Allowed values: {go_quoted(said)}"
        yield worded(FORBIDDEN, ID, path, detail, pointer, container)


FIELD = Field(ID, sets_in=sets_container, refuses_in=refuses)

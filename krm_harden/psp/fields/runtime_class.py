"""Which runtime classes pods may have.

**Field**: `spec.runtimeClass`: `allowedRuntimeClassNames`, `*` for all, and `defaultRuntimeClassName`. Any class if the
field is absent.

**Sets**: the pod's `runtimeClassName`, if it has none, to the default.

**Refuses**: a class that isn't allowed. None at all is always allowed.

**Today**: an admission policy; the class stands in the manifest.
"""

from __future__ import annotations

from krm_harden.model import Operation, mapping
from krm_harden.psp.fields import Field, sets
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "runtimeClass"
_POINTER = ("spec", "runtimeClassName")


def sets_pod(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    wanted = mapping(policy.spec.get(ID)).get("defaultRuntimeClassName")
    if wanted is not None and pod.spec.get("runtimeClassName") is None:
        yield sets(ID, Operation("add", _POINTER, wanted))


def refuses(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    strategy, said = policy.spec.get(ID), pod.spec.get("runtimeClassName")
    if strategy is None or said is None:
        return
    allowed = strategy.get("allowedRuntimeClassNames") or ()
    if "*" not in allowed and said not in allowed:
        yield refused(ID, "spec.runtimeClassName", said, "", _POINTER)


FIELD = Field(ID, sets=sets_pod, refuses=refuses)

"""Containers must run under an SELinux type for containers, and under no user or role of their own.

**Fields**: `type`, `user` and `role` of `spec.securityContext.seLinuxOptions` and
`spec.containers[*].securityContext.seLinuxOptions`, also of initContainers and ephemeralContainers.

**Allowed**: type `container_t`, `container_init_t`, `container_kvm_t`, from v1.31 also `container_engine_t`, or
nothing; user and role empty. `level` is free.

**Before**:

    securityContext:
      seLinuxOptions:
        type: spc_t

**After** (by hand):

    securityContext:
      seLinuxOptions:
        level: s0:c123,c456

**Fix safety**: never changed: the type, user or role opens files of the node to the pod, and nothing else would.

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark 5.7.3.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation
from krm_harden.wording import plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Pointer

TYPES_1_0 = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
TYPES_1_31 = TYPES_1_0 | {"container_engine_t"}


def check_1_0(pod: Pod) -> Iterator[Violation]:
    yield from _outside(pod, TYPES_1_0)


def check_1_31(pod: Pod) -> Iterator[Violation]:
    """With the type of container engines."""
    yield from _outside(pod, TYPES_1_31)


def _outside(pod: Pod, types: frozenset[str]) -> Iterator[Violation]:
    options = pod.security_context.get("seLinuxOptions")
    if options and pod.context_pointer is not None:
        yield from _wrong(options, types, pod.context_pointer, -1)
    for index, container in enumerate(pod.containers):
        options = container.security_context.get("seLinuxOptions")
        if options:
            yield from _wrong(options, types, (*container.pointer, "securityContext"), index)


def _wrong(options: Mapping[str, Any], types: frozenset[str], above: Pointer, container: int) -> Iterator[Violation]:
    if (options.get("type") or "") not in types:
        yield Violation((*above, "seLinuxOptions", "type"), options["type"], "manual", container)
    for field in ("user", "role"):
        if options.get(field):
            yield Violation((*above, "seLinuxOptions", field), options[field], "manual", container)


def propose(_situation: Situation, violation: Violation) -> Proposal:
    field = violation.pointer[-1]
    if field == "type":
        return Proposal("manual", None, "remove type, or use container_t, container_init_t or container_kvm_t")
    return Proposal("manual", None, f"remove {field}: only type and level may be set")


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    types = sorted({violation.current for violation in violations if violation.pointer[-1] == "type"})
    fields = {violation.pointer[-1] for violation in violations}
    said = [f"{plural('type', len(types))} {quoted(types)}"] if types else []
    said += [f"{field} may not be set" for field in ("user", "role") if field in fields]
    return (
        "seLinuxOptions",
        f"{setters(pod, violations)} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}",
    )


CONTROL = Control(
    "seLinuxOptions",
    "SELinux",
    {(1, 0): check_1_0, (1, 31): check_1_31},
    propose,
    forbidden,
    level="baseline",
    on_windows=True,
    safe=True,
)

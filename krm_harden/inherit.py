"""Fields of securityContext that containers take from the pod, with the standard's precedence.

A bad value of the pod is a violation even if every container says better; a container that says nothing inherits only
a good value (pod-security-admission/policy/check_runAsNonRoot.go, check_seccompProfile_restricted.go).
"""

from __future__ import annotations

from krm_harden.model import Violation, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from krm_harden.model import Pod


def inherited(
    pod: Pod, field: tuple[str, ...], *, good: Callable[[Any], bool], bad: Callable[[Any], bool]
) -> Iterator[Violation]:
    """The violations of a field (a path within securityContext): explicit ones first the pod's, then in list order.

    What is neither good nor bad counts as unset. Pointers are absolute.
    """
    value = _at(pod.security_context, field)
    if value is not None:
        if pod.context_pointer is not None and bad(value):
            yield Violation((*pod.context_pointer, *field), value, "explicit")
        if not (good(value) or bad(value)):
            yield Violation((*(pod.context_pointer or ()), *field), value, "type")
    for index, container in enumerate(pod.containers):
        own = _at(container.security_context, field)
        # Beside a wrong value of the pod, writing the container's field alone wouldn't help: that is judged too.
        if value is not None if own is None else good(own):
            continue
        cause = "missing" if own is None else "explicit" if bad(own) else "type"
        yield Violation((*container.pointer, "securityContext", *field), own, cause, index)


def numbered(pod: Pod, field: str) -> Iterator[Violation]:
    """The containers that have no number for a field, neither their own nor the pod's."""
    from_pod = _is_number(pod.security_context.get(field))
    for index, container in enumerate(pod.containers):
        own = container.security_context.get(field)
        if not (_is_number(own) or (own is None and from_pod)):
            cause = "missing" if own is None else "type"
            yield Violation((*container.pointer, "securityContext", field), own, cause, index)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _at(security_context: Mapping[str, Any], field: tuple[str, ...]) -> Any:
    for step in field[:-1]:
        security_context = mapping(security_context.get(step))
    return security_context.get(field[-1])

"""What the three fields about groups share: MustRunAs, MayRunAs, RunAsAny (pkg/security/podsecuritypolicy/group)."""

from __future__ import annotations

from krm_harden.model import mapping
from krm_harden.psp.words import numbers, ranges, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.model import Pointer
    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy


def default(policy: PodSecurityPolicy, field: str) -> int | None:
    """The group that is set where nothing is said: MustRunAs takes the lowest of the first range."""
    strategy = mapping(policy.spec.get(field))
    return strategy["ranges"][0]["min"] if strategy.get("rule") == "MustRunAs" else None


def outside(
    policy: PodSecurityPolicy,
    pod: PodDraft,
    field: str,
    path: str,
    groups: Sequence[int] | None,
    pointer: Pointer,
    container: ContainerDraft | None = None,
    *,
    is_list: bool = False,
) -> Iterator[FieldError]:
    """An error for each group outside the ranges; MustRunAs takes no absence either. `is_list`: the field is one."""
    strategy = mapping(policy.spec.get(field))
    if strategy.get("rule") not in {"MustRunAs", "MayRunAs"}:
        return
    allowed = pod.within(strategy.get("ranges"))
    if strategy["rule"] == "MustRunAs" and not groups:
        detail = "unable to validate empty groups against required ranges"
        yield refused(field, path, None, detail, pointer, container, numbers(groups))
    bad = [(index, group) for index, group in enumerate(groups or ()) if group not in allowed]
    if bad:
        all_groups, all_ranges = numbers(groups), ranges(allowed.ranges)
        for index, group in bad:
            place = (*pointer, index) if is_list else pointer
            detail = f"group {group} must be in the ranges: {all_ranges}"
            yield refused(field, path, group, detail, place, container, all_groups)

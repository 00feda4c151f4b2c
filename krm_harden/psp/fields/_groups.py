"""What the three fields about groups share: MustRunAs, MayRunAs, RunAsAny (pkg/security/podsecuritypolicy/group)."""

from __future__ import annotations

from krm_harden.model import mapping
from krm_harden.psp import ranges
from krm_harden.psp.words import numbers, refused
from krm_harden.psp.words import ranges as printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.model import Pointer
    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy


def default(policy: PodSecurityPolicy, field: str) -> int | None:
    """The group that is set where nothing is said: MustRunAs takes the lowest of the first range."""
    strategy = mapping(policy.spec.get(field))
    return ranges.of(strategy.get("ranges"))[0][0] if strategy.get("rule") == "MustRunAs" else None


def outside(
    policy: PodSecurityPolicy,
    pod: PodDraft,
    field: str,
    path: str,
    groups: Sequence[int] | None,
    pointer: Pointer,
    container: ContainerDraft | None = None,
) -> Iterator[FieldError]:
    """An error for each group outside the ranges; MustRunAs takes no absence either."""
    strategy = mapping(policy.spec.get(field))
    if strategy.get("rule") not in {"MustRunAs", "MayRunAs"}:
        return
    allowed = pod.within(strategy.get("ranges"))
    if strategy["rule"] == "MustRunAs" and not groups:
        detail = "unable to validate empty groups against required ranges"
        yield refused(field, path, None, detail, pointer, container, numbers(groups))
    bad = [group for group in groups or () if group not in allowed]
    if bad:
        all_groups, all_ranges = numbers(groups), printed(ranges.of(strategy.get("ranges")))
        for group in bad:
            detail = f"group {group} must be in the ranges: {all_ranges}"
            yield refused(field, path, group, detail, pointer, container, all_groups)

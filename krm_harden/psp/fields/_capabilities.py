"""What the fields about capabilities share."""

from __future__ import annotations

from krm_harden.model import Operation
from krm_harden.psp.fields import sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.psp.draft import ContainerDraft
    from krm_harden.psp.fields import Effect

ALL = "*"


def added(field: str, container: ContainerDraft, kind: str, wanted: Iterable[str]) -> Iterator[Effect]:
    """What a container's list lacks: the list where there is none, else behind what is there, sorted.

    The admission sorted the whole list, which means the same: an author's order and comments stay.
    """
    pointer = (*container.pointer, "securityContext", "capabilities", kind)
    there = container.listed(kind)
    missing = sorted({*wanted}.difference(name for name in there if isinstance(name, str)), key=str.encode)
    if missing and not there:
        yield sets(field, Operation("add", pointer, missing), container)
        return
    for name in missing:
        yield sets(field, Operation("add", (*pointer, "-"), name), container)

"""Ranges of ids and ports, from their lowest to their highest, both included."""

from __future__ import annotations

from krm_harden.model import mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    Ranges: TypeAlias = "Sequence[tuple[int, int]]"


def of(data: Any) -> Ranges:
    """The ranges of a policy, as it lists them."""
    return [(item["min"], item["max"]) for item in map(mapping, sequence(data))]


def merged(ranges: Ranges) -> Ranges:
    """The same numbers, in order and without overlaps. A range without numbers goes away."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if low > high:
            continue
        if made and low <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], high))
        else:
            made.append((low, high))
    return made


class Within:
    """Whether numbers lie in ranges: however many there are of both. `ranges` are they as they were listed."""

    __slots__ = ("_highs", "_lows", "ranges")

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        found = merged(ranges)
        self._lows = [low for low, _ in found]
        self._highs = [high for _, high in found]

    def __contains__(self, number: int) -> bool:
        from bisect import bisect_right

        place = bisect_right(self._lows, number) - 1
        return place >= 0 and number <= self._highs[place]

"""The unified diff that people and `patch` read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def unified(old: str, new: str, before: str, after: str) -> Iterator[str]:
    """The difference of two texts line by line; `before` and `after` are what its head calls them."""
    import difflib

    for line in difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), before, after):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

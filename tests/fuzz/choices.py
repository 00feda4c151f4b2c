"""Bytes as choices: what a fuzzer changes is what a target builds of them.

Our own in place of atheris' FuzzedDataProvider, so that a corpus says the same where atheris isn't installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Thing = TypeVar("Thing")

LONGEST_TEXT = 40


class Choices:
    """Choices from the first byte to the last; behind the last one each is the first of its options."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, count: int) -> int:
        """A number from 0 on."""
        return self.byte() % count

    def one_in(self, count: int) -> bool:
        """Rarely true, and never behind the end: what is chosen by it stays small."""
        return self.byte() % count == 1

    def of(self, options: Sequence[Thing]) -> Thing:
        return options[self.byte() % len(options)]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def text(self) -> str:
        """Any characters that UTF-8 has."""
        return self.take(self.below(LONGEST_TEXT)).decode("utf-8", "replace")

    def some(self, make: Callable[[], Thing], most: int) -> list[Thing]:
        return [make() for _ in range(self.below(most + 1))]

    def rest(self) -> bytes:
        return self.take(max(len(self._data) - self._at, 0))


def expect_one_line(error: Exception) -> None:
    """Raises AssertionError for an error that says nothing, or more than a line."""
    expect_something(error)
    assert "\n" not in str(error), error


def expect_something(error: Exception) -> None:
    """The same where a policy's own words may have breaks, which the command line takes out."""
    assert str(error), type(error)


def expect_code(error: Any, codes: set[int]) -> None:
    """Raises AssertionError where an error would end the command line with another exit code."""
    assert error.exit_code in codes, error

"""The corpora of the fuzzer, each entry through its target once more; without atheris, and without new entries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "fuzz"))

import corpora

LARGEST = 1_500_000
"""Bytes of all corpora: they are reviewed, and cloned."""
MOST = 120
"""Unnamed entries of a target that are tried here; the fuzzer itself tries them all."""


@pytest.mark.parametrize("name", corpora.names())
def test_what_the_fuzzer_knows_is_read_as_it_should_be(name):
    """The named cases, the seeds, and some of what covers the code."""
    target = corpora.target(name)
    entries = corpora.read(name)
    named = [data for case, data in entries if case != corpora.UNNAMED]
    others = [data for case, data in entries if case == corpora.UNNAMED]

    step = len(others) // MOST + 1
    for data in [*named, *target.seeds()[:20], *others[::step]]:
        target.check(data)


def test_corpora_are_text_small_and_sorted():
    size = 0
    for name in corpora.names():
        written = corpora.path_of(name).read_text("ascii")
        size += len(written)
        assert list(corpora._lines(corpora.read(name))) == written.splitlines()
    assert size < LARGEST


@pytest.mark.parametrize(
    "data",
    [b"", b"a: b\n", b"\xff\x00'\"\\", bytes(range(256)), "é: 😀\r\n".encode()],
    ids=["empty", "text", "odd", "all", "UTF-8"],
)
def test_an_entry_is_read_as_it_was_written(data):
    (line,) = corpora._lines([("a-case", data)])

    assert line.isascii()
    assert corpora._entry(line) == ("a-case", data)

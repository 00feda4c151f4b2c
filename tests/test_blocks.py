"""Documents of a stream that is read in blocks: the same as of the whole, wherever a block ends."""

from __future__ import annotations

import io

from hypothesis import example, given
from hypothesis import strategies as st

from krm_harden import blocks, split
from krm_harden.commands import _diffs
from krm_harden.errors import InputError

LINES = [
    "---",
    "--- ",
    "---\r",
    "---a",
    "----",
    "...",
    "... # end",
    "....",
    "# words",
    "%YAML 1.1",
    "",
    " ",
    "a: 1",
    "--",
    "é",
]
STREAMS = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(["\n", "\n", "\r\n", ""]))).map(
    lambda parts: "".join(line + end for line, end in parts).encode()
)


def in_blocks(data: bytes, size: int) -> list[bytes]:
    """The documents where no more than so many bytes come at once."""
    stream = io.BytesIO(data)
    return list(blocks.documents(lambda _: stream.read(size)))


@given(STREAMS, st.integers(1, 9))
@example(b"", 1)
@example(b"---", 3)
@example(b"...\n---\n", 2)
@example(b"a\n...", 4)
@example(b"# a\n---\nb\n---", 5)
def test_documents_of_blocks_are_those_of_the_whole(data, size):
    assert in_blocks(data, size) == list(split.documents(data))


@given(STREAMS)
def test_each_size_of_a_block_cuts_alike(data):
    whole = list(split.documents(data))

    for size in range(1, len(data) + 2):
        assert in_blocks(data, size) == whole


@given(st.binary(max_size=40) | STREAMS, st.integers(1, 9))
@example(b"\xc3\xa9", 1)
@example(b"\xc3", 1)
@example(b"\xff\xfea\0", 1)
def test_what_is_read_in_blocks_is_what_can_be_decoded(data, size):
    parts = [data[at : at + size] for at in range(0, len(data), size)]

    found = blocks.holds(parts, [b"a: 1", b"words"])

    if found is not None:
        assert split.decode(data)[1].codec == "utf-8"
        assert found == {word for word in (b"a: 1", b"words") if word in data}


def test_what_cannot_be_decoded_is_left_to_who_reads_it_whole():
    for data in (b"a\0", b"\xc3\x28", b"\xff\xfea\0", b'{"a": "\x7f"}'):
        assert blocks.holds([data], []) is None
    for data in (b"", b"\xef\xbb\xbfa: 1\n", "é".encode()):
        assert blocks.holds([data], []) == set()
        try:
            split.decode(data)
        except InputError as error:  # pragma: no cover
            raise AssertionError(data) from error


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=40)


@given(TEXTS, TEXTS, st.booleans())
def test_a_diff_of_one_part_is_that_of_the_whole(old, new, ends):
    if not ends:
        old, new = [*old, "end"], [*new, "other end"]

    parts = list(_diffs.unified_parts([(joined(old), joined(new))], "a/x", "b/x", 3))

    assert parts == list(_diffs.unified("".join(old), "".join(new), "a/x", "b/x"))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_a_diff_of_parts_makes_the_one_text_of_the_other(pairs):
    said = "".join(_diffs.unified_parts([(joined(one), joined(other)) for one, other in pairs], "a/x", "b/x", 3))
    old, new = ("".join(line for pair in pairs for line in pair[side]) for side in (0, 1))

    assert patched(old.splitlines(keepends=True), said) == new.splitlines(keepends=True)


def joined(lines: list[str]) -> bytes:
    return "".join(lines).encode()


def patched(lines: list[str], diff: str) -> list[str]:
    """What a unified diff makes of some lines: each of its ranges must be where it says."""
    made: list[str] = []
    at = 0
    hunks = diff.split("\n@@ -")[1:]
    for hunk in hunks:
        head, _, body = hunk.partition("\n")
        start, _, length = head.partition(" ")[0].partition(",")
        begin = int(start) - (length != "0")
        assert begin >= at
        made += lines[at:begin]
        at = begin
        body = body if body.endswith("\n") else f"{body}\n"
        shown = body.splitlines(keepends=True)

        for line in shown:
            if line[0] in " -":
                assert lines[at] == line[1:]
                at += 1
            if line[0] in " +":
                made.append(line[1:])
    return made + lines[at:]

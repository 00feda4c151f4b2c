"""Bytes as they come: cut into chunks, read or refused, skipped or not, as other readers see them."""

from __future__ import annotations

import json

import readers
from choices import expect_one_line
from chunks import items

from krm_harden import source, split
from krm_harden.errors import InputError
from krm_harden.model import same
from krm_harden.workloads import is_workload

MODULES = ("split", "source", "scalars")


def seeds() -> list[bytes]:
    pod = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - {name: a, image: b}\n"
    listed = b"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- # x\n  kind: ConfigMap\n"
    return [
        pod,
        b"%YAML 1.1\n# x\n---\n" + pod + b"...\n---\n" + listed,
        b'{"apiVersion": "v1", "kind": "Pod", "a": [1, 0.5, 1e3, "\\u00e9", null, true]}',
        b"a: &a {x: 1}\nb: {<<: *a, y: *a}\nc: [0x1F, 0o17, 017, 1_0, .inf, 12:30, 2001-01-01, y, ~]\n",
        b"a: |+\n  x\n\n  # y\nb: >-\n  z\n? k\n: !!str 1\n'q': \"\\t\"\nc: !!binary aGk=\nd: ! 5\n",
        pod.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + pod.replace(b"\n", b"\r\n"),
    ]


def check(data: bytes) -> None:
    try:
        text, encoding = split.decode(data)
    except InputError:
        return
    assert encoding.encode(text) == data
    assert b"".join(encoding.encode_parts([text])) == data
    chunks = list(split.documents(text))
    assert b"".join(chunks) == text
    for chunk in chunks:
        _one(chunk)


def _one(chunk: bytes) -> None:
    before, body = split.after_mark(chunk)
    assert before + body == chunk
    text = body.decode()
    try:
        found = source.read(text)
    except InputError as error:
        expect_one_line(error)
        found = None
    _emptiness(chunk, found)
    _skipping(chunk)
    _items(chunk, found)
    if found is not None and found.root is not None:
        _against_others(text, found)


def _emptiness(chunk: bytes, found: source.Document | None) -> None:
    if split.is_empty(chunk) and found is not None:
        assert found.data is None, chunk


def _skipping(chunk: bytes) -> None:
    """No reader sees in a skipped chunk what makes pods."""
    known = split.can_skip(chunk, lambda version, kind: is_workload(version, kind, {}))
    if not known:
        return
    text = chunk.decode()
    for reader in (readers.nodes, lambda text: [source.compose(text)]):
        try:
            roots = reader(text)
        except (*readers.Unreadable, InputError):
            continue
        for root in roots:
            try:
                data = readers.data(root) if root is not None else None
            except readers.Differs:
                continue
            assert isinstance(data, dict), (known, data)
            kind = data.get("kind")
            # A word that goes on in the next line has a space in it, as no kind has.
            assert not isinstance(kind, str) or kind.split()[0] == known[1], (known, data)
            assert "items" not in data, data
            assert not is_workload(str(data.get("apiVersion")), str(kind), {}), data


def _items(chunk: bytes, whole: source.Document | None) -> None:
    """A list cut into items says what it says whole."""
    cut = split.cut_items(chunk)
    if not cut:
        return
    assert cut.header + b"".join(cut.items) + cut.trailer == chunk
    found = items(cut)
    if found is None:
        return
    assert whole is not None, chunk
    assert same(whole.data["items"], found), (whole.data, found)


def _against_others(text: str, found: source.Document) -> None:
    """Where another parser reads it too, it reads the same: Python's of JSON, else PyYAML's pure one."""
    if found.is_json:
        assert same(json.loads(text), found.data), text
        return
    if readers.disputed(text):
        return
    try:
        roots = readers.nodes(text)
        expected = readers.data(roots[0]) if len(roots) == 1 else None
    except (*readers.Unreadable, readers.Differs):
        return
    if roots:
        assert len(roots) == 1, text
        assert same(expected, found.data), (expected, found.data)

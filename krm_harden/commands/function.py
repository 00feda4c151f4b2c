"""`krm-harden` without arguments: a KRM function. A ResourceList on stdin, the hardened one on stdout."""

from __future__ import annotations

import gc

from krm_harden import source, split
from krm_harden.commands import _policies, _streams
from krm_harden.engine import Engine, is_frame
from krm_harden.errors import ConfigError, InputError
from krm_harden.reports import krm, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.model import ChunkResult

SUMMARY = "read a ResourceList, write it hardened"


def run() -> int:
    """Exit 0 or 1 with the complete list on stdout; 2 and 3 for what couldn't be read. Raises KrmHardenError."""
    # Nothing here makes cycles worth collecting, and a collection walks every node of the chunk at hand.
    gc.disable()
    upper = _policies.ceiling()
    data, encoding = split.decode(_streams.read_stdin())
    output, chunks = harden(data, upper)
    code = exit_code(chunks)
    _streams.complain(text.complaints(chunks))
    _streams.write_stdout(encoding.encode(output))
    return code


def exit_code(chunks: Iterable[ChunkResult]) -> int:
    """2 when a document couldn't be read or edited, 1 when an error stays open, else 0."""
    code = 0
    for chunk in chunks:
        if chunk.error:
            return 2
        if any(finding.severity == "error" for result in chunk.resources for finding in result.findings):
            code = 1
    return code


def harden(data: bytes, upper: Any = None) -> tuple[bytes, list[ChunkResult]]:
    """A ResourceList as UTF-8, hardened by its own functionConfig below a ceiling, and what happened."""
    before, chunk, after = _only_document(data)
    cut = split.cut_items(chunk)
    frame = _frame(cut) if cut else None
    if cut is None or frame is None:
        return _whole(before, chunk, after, upper)
    _check_list(frame.data)
    engine = Engine(_policies.effective(_config(frame.data), "functionConfig", upper))
    line = before.count(b"\n") + cut.header.count(b"\n")
    items = engine.items(cut, before.count(b"\n"))
    del line
    if items is None:
        return _whole(before, chunk, after, upper)
    header, trailer = krm.with_results(frame, len(cut.header.decode()), krm.results(items))
    last = items[-1].text
    newline = b"" if last.endswith(b"\n") else b"\n"
    parts = [before, header.encode(), *(item.text for item in items)]
    if trailer:
        parts += [newline, trailer.encode()]
    return b"".join([*parts, after]), items


def _only_document(data: bytes) -> tuple[bytes, bytes, bytes]:
    documents = list(split.documents(data))
    full = [index for index, document in enumerate(documents) if not split.is_empty(document)]
    if not full:
        raise InputError("stdin is empty", next_step="krm-harden reads a ResourceList; `krm-harden --help` shows how")
    if len(full) > 1:
        raise InputError(
            f"stdin holds {len(full)} documents, not one ResourceList",
            next_step="for plain manifests use `krm-harden fix -`",
        )
    index = full[0]
    return b"".join(documents[:index]), documents[index], b"".join(documents[index + 1 :])


def _frame(cut: split.ItemList) -> source.Document | None:
    """The list without its items, when it stands on its own."""
    try:
        frame = source.read((cut.header + cut.trailer).decode())
    except InputError:
        return None
    return frame if is_frame(frame) else None


def _whole(before: bytes, chunk: bytes, after: bytes, upper: Any) -> tuple[bytes, list[ChunkResult]]:
    """A list that can't be cut into items: one chunk."""
    try:
        document = source.read(chunk.decode())
    except InputError as error:
        line = before.count(b"\n") + max(error.line, 0) + 1
        raise InputError(f"stdin, line {line}: {error}") from None
    _check_list(document.data)
    engine = Engine(_policies.effective(_config(document.data), "functionConfig", upper))
    result = engine.chunk(chunk, before.count(b"\n"))
    made = krm.results([result])
    new = source.read(result.text.decode())
    header, trailer = krm.with_results(new, 0, made)
    return before + header.encode() + trailer.encode() + after, [result]


def _check_list(data: Any) -> None:
    if not isinstance(data, dict) or data.get("kind") != "ResourceList":
        raise InputError("stdin isn't a ResourceList", next_step="for plain manifests use `krm-harden fix -`")
    items = data.get("items")
    if items is not None and not isinstance(items, list):
        raise InputError("items must be a list")
    if "items" not in data:
        raise InputError("the ResourceList has no items")


def _config(data: dict[str, Any]) -> Any:
    config = data.get("functionConfig")
    if config is not None and not isinstance(config, dict):
        raise ConfigError("functionConfig must be a mapping")
    return config

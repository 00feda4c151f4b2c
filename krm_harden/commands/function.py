"""`krm-harden` without arguments: a KRM function. A ResourceList on stdin, the hardened one on stdout."""

from __future__ import annotations

import gc

from krm_harden import source, split
from krm_harden.commands import _policies, _streams
from krm_harden.engine import Engine, NotAList, frame
from krm_harden.errors import ConfigError, InputError
from krm_harden.reports.krm import Results, with_results
from krm_harden.reports.text import Complaints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.model import ChunkResult
    from krm_harden.policy import Policy

SUMMARY = "read a ResourceList, write it hardened"


class Report:
    """What the chunks of a list come to: results for the list, lines for people, an exit code.

    The code is 2 when a document couldn't be read or edited, 1 when an error stays open, else 0.
    """

    __slots__ = ("code", "complaints", "results")

    def __init__(self) -> None:
        self.code = 0
        self.complaints = Complaints()
        self.results = Results()

    def add(self, chunk: ChunkResult) -> bytes:
        """Note what became of a chunk; its text."""
        self.code = max(self.code, exit_code([chunk]))
        self.complaints.add(chunk)
        self.results.add(chunk)
        return chunk.text


def run() -> int:
    """The exit code; the complete list is on stdout. Raises KrmHardenError when nothing can be written."""
    # Nothing here makes cycles worth collecting, and a collection walks every node of the chunk at hand.
    gc.disable()
    upper = _policies.ceiling()
    data, encoding = split.decode(_streams.read_stdin())
    output, report = harden(data, upper)
    _streams.complain(report.complaints.lines())
    _streams.write_stdout(encoding.encode(output))
    return report.code


def exit_code(chunks: Iterable[ChunkResult]) -> int:
    """2 when a document couldn't be read or edited, 1 when an error stays open, else 0."""
    code = 0
    for chunk in chunks:
        if chunk.error:
            return 2
        if any(finding.severity == "error" for result in chunk.resources for finding in result.findings):
            code = 1
    return code


def harden(data: bytes, upper: Policy | None = None) -> tuple[bytes, Report]:
    """A ResourceList as UTF-8, hardened by its own functionConfig below a ceiling, and what happened."""
    before, chunk, after = _only_document(data)
    cut = split.cut_items(chunk)
    outside = frame(cut) if cut else None
    if cut and outside:
        try:
            return _items(before, cut, outside, after, upper)
        except NotAList:
            pass
    return _whole(before, chunk, after, upper)


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


def _items(
    before: bytes, cut: split.ItemList, outside: source.Document, after: bytes, upper: Policy | None
) -> tuple[bytes, Report]:
    """A list cut into items, each of which is dropped when it is done. Raises NotAList when it has to be read whole."""
    _check_list(outside.data)
    engine = Engine(_policies.effective(_config(outside.data), "functionConfig", upper), lines=False)
    report = Report()
    items = [report.add(item) for item in engine.items(cut, before.count(b"\n"))]
    header, trailer = with_results(outside, len(cut.header.decode()), report.results)
    if trailer and not items[-1].endswith(b"\n"):
        items.append(b"\n")
    return b"".join([before, header.encode(), *items, trailer.encode(), after]), report


def _whole(before: bytes, chunk: bytes, after: bytes, upper: Policy | None) -> tuple[bytes, Report]:
    """A list that can't be cut into items: one chunk."""
    try:
        document = source.read(chunk.decode())
    except InputError as error:
        line = before.count(b"\n") + max(error.line, 0) + 1
        raise InputError(f"stdin, line {line}: {error}") from None
    _check_list(document.data)
    engine = Engine(_policies.effective(_config(document.data), "functionConfig", upper), lines=False)
    report = Report()
    text = report.add(engine.chunk(chunk, before.count(b"\n")))
    _, after_results = with_results(source.read(text.decode()), 0, report.results)
    return before + after_results.encode() + after, report


def _check_list(data: Any) -> None:
    if not isinstance(data, dict) or data.get("kind") != "ResourceList":
        raise InputError("stdin isn't a ResourceList", next_step="for plain manifests use `krm-harden fix -`")
    if "items" not in data:
        raise InputError("the ResourceList has no items")
    if data["items"] is not None and not isinstance(data["items"], list):
        raise InputError("items of the ResourceList must be a list")


def _config(data: dict[str, Any]) -> Any:
    config = data.get("functionConfig")
    if config is not None and not isinstance(config, dict):
        raise ConfigError("functionConfig must be a mapping")
    return config

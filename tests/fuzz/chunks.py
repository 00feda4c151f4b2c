"""The chunks of a document as the engine has them, told by what it documents and not by how it does it."""

from __future__ import annotations

from typing import Any

from krm_harden import split
from krm_harden.engine import frame
from krm_harden.errors import InputError
from krm_harden.source import read


def items(cut: split.ItemList | None) -> list[Any] | None:
    """The data of a list's items, where it is one that stands on its own and each part is exactly one item."""
    if not cut or not frame(cut):
        return None
    found = []
    for text in cut.items:
        try:
            document = read(text.decode())
        except InputError:
            return None
        data: Any = document.data
        root: Any = document.root
        if not (isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict)) or root.flow_style:
            return None
        found += data
    return found


def pieces(document: bytes) -> list[bytes]:
    """A document's header, items and trailer where it is such a list, else the document."""
    cut = split.cut_items(document)
    if split.is_empty(document) or cut is None or items(cut) is None:
        return [document]
    return [cut.header, *cut.items, cut.trailer]

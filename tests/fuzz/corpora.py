"""Corpora as texts that can be reviewed: a line for each entry, sorted.

NAME b'...'      what was found once, under the name of its case
- b'...'         what covers code that nothing before it did
- z85:...        the same where the bytes aren't text: packed by zlib
"""

from __future__ import annotations

import ast
import base64
import importlib
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

HERE = Path(__file__).resolve().parent
UNNAMED = "-"
_PACKED = "z85:"


def names() -> list[str]:
    """The targets: the modules of the folder."""
    return sorted(path.stem for path in (HERE / "targets").glob("*.py"))


def target(name: str) -> ModuleType:
    """A target: `check(data)` raises what is wrong, `seeds()` are the first entries of its corpus."""
    for folder in (HERE, HERE.parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return importlib.import_module(f"targets.{name}")


def path_of(name: str) -> Path:
    return HERE / "corpus" / f"{name}.txt"


def read(name: str) -> list[tuple[str, bytes]]:
    """The entries of a target's corpus, each with its name."""
    path = path_of(name)
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [_entry(line) for line in lines if line and not line.startswith("#")]


def _entry(line: str) -> tuple[str, bytes]:
    name, _, said = line.partition(" ")
    if said.startswith(_PACKED):
        return name, zlib.decompress(base64.b85decode(said.removeprefix(_PACKED)))
    data = ast.literal_eval(said)
    assert isinstance(data, bytes), line
    return name, data


def write(name: str, entries: Iterable[tuple[str, bytes]]) -> None:
    """A target's corpus anew."""
    path_of(name).write_text("".join(f"{line}\n" for line in _lines(entries)), "ascii")


def _lines(entries: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    for name, data in sorted(set(entries), key=lambda entry: (entry[0] == UNNAMED, entry)):
        plain = repr(data)
        packed = _PACKED + base64.b85encode(zlib.compress(data, 9)).decode()
        yield f"{name} {plain if len(plain) <= 1.5 * len(data) + 20 else min(plain, packed, key=len)}"

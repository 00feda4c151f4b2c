"""Our own modules from Python's cache of bytecode, by the shortest way.

Python looks for each module as if it could be anything: built in, frozen, in a zip file, compiled C. A run of the
function loads some seventy; to look only where they are saves a quarter of the time that this takes. What is loaded is
what Python would load: a cached file that was made of the source as it is, by its time and size. All else is left to
Python: packages, sources without a cached file or with an old one, caches elsewhere or of another kind.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, spec_from_file_location
from marshal import loads

import krm_harden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

_OURS = "krm_harden."
_CACHED = f".{sys.implementation.cache_tag}.pyc"
_BY_TIME = MAGIC_NUMBER + bytes(4)
"""How a cached file begins that goes by its source's time and size; these follow, four bytes each."""
_SIZE = 16
_LAST = 0xFFFFFFFF
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_PART = 65536


class _Loader(SourceFileLoader):
    """Python's own, which has the code at hand."""

    code: CodeType | None = None

    def exec_module(self, module: ModuleType) -> None:
        code, self.code = self.code, None
        if code is None:
            super().exec_module(module)
        else:
            exec(code, module.__dict__)  # noqa: S102 - as Python itself runs a module


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Where one of our modules or packages is, None for all that is left to Python."""
        if not path or not name.startswith(_OURS):
            return None
        folder, module = path[0], name.rpartition(".")[2]
        return _spec(name, folder, module) or _spec(name, f"{folder}/{module}", "__init__")


def _spec(name: str, folder: str, module: str) -> ModuleSpec | None:
    """What Python says of a module whose source and cached file are in a folder, None where it has to look itself."""
    source, cached = f"{folder}/{module}.py", f"{folder}/__pycache__/{module}{_CACHED}"
    code = _code(source, cached)
    if code is None:
        return None
    loader = _Loader(name, source)
    loader.code = code
    inside = [folder] if module == "__init__" else None
    spec = spec_from_file_location(name, source, loader=loader, submodule_search_locations=inside)
    if spec:
        spec.cached = cached
    return spec


def _code(source: str, cached: str) -> CodeType | None:
    """The code in a cached file, None unless it is that of the source."""
    try:
        data = _read(cached)
        now = os.stat(source)
    except OSError:
        return None
    made_of = ((int(now.st_mtime) & _LAST) | (now.st_size & _LAST) << 32).to_bytes(8, "little")
    if data[:_SIZE] != _BY_TIME + made_of:
        return None
    try:
        code: CodeType = loads(memoryview(data)[_SIZE:])  # noqa: S302 - as Python itself reads it
    except (EOFError, TypeError, ValueError):
        return None
    return code


def _read(path: str) -> bytes:
    """All of a file: `open` would ask four more things of the system. Raises OSError."""
    file = os.open(path, _READING)
    try:
        data = part = os.read(file, _PART)
        while len(part) == _PART:
            part = os.read(file, _PART)
            data += part
    finally:
        os.close(file)
    return data


def shortly() -> None:
    """Load what is loaded from here on by the short way. For the command line alone: the process is ours."""
    if type(krm_harden.__loader__) is SourceFileLoader and not (sys.flags.optimize or sys.pycache_prefix):
        sys.meta_path.insert(0, _Finder)

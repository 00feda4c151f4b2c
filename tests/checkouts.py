"""This checkout as others install it: a copy, with what isn't committed yet, for pip to build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = (".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "tests")


def copy(folder: Path) -> Path:
    """A copy of what a build needs. Skips where pip reaches no index, to build it and to install what it needs."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder / "probe"),
        "hatchling",
    ]
    reached = subprocess.run(command, capture_output=True, timeout=300, check=False)
    if reached.returncode:
        pytest.skip("pip reaches no index of packages")
    shutil.copytree(ROOT, folder / "krm-harden", ignore=shutil.ignore_patterns(*LEFT_OUT))
    return folder / "krm-harden"

"""`krm-harden copy FOLDER`: the one-folder build, copied by itself: an image without a shell has no `cp`.

For an init container that puts krm-harden beside a program of another image, Argo CD's repo-server for one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden.commands import _replace
from krm_harden.commands._parser import make
from krm_harden.errors import ConfigError, KrmHardenError

if TYPE_CHECKING:
    import argparse

GROUP = "Every way in"
SUMMARY = "copy krm-harden with its own Python into a folder, where it runs without any other"
EXAMPLES = """\
examples:
  krm-harden copy /custom-tools             then /custom-tools/krm-harden runs, also in another image
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("copy", SUMMARY, EXAMPLES)
    options.add_argument("folder", metavar="FOLDER", help="for krm-harden alone; made where it is missing")
    return options


def run(options: argparse.Namespace) -> int:
    """0. Raises ConfigError where krm-harden isn't in a folder of its own, OSError where FOLDER can't be written."""
    source, target = _own_folder(), os.path.realpath(options.folder)
    if os.path.commonpath([source, target]) == source:
        raise ConfigError("that is krm-harden's own folder", options.folder, "name another")
    os.makedirs(target, exist_ok=True)
    _copy(source, target)
    return 0


def _own_folder() -> str:
    """The folder with the executable and its Python; scripts/relocatable.sh makes it."""
    if not os.path.isfile(os.path.join(sys.prefix, "lib", "start.py")):
        raise ConfigError(
            "this krm-harden isn't the one-folder build, so it can't be copied",
            next_step="docs/container.md shows where that one comes from",
        )
    return os.path.realpath(sys.prefix)


def _copy(source: str, target: str) -> None:
    # The times and the mode of FOLDER itself stay: it may be a volume that belongs to another user.
    import shutil

    for entry in os.scandir(source):
        into = os.path.join(target, entry.name)
        try:
            if entry.is_dir():
                shutil.copytree(entry.path, into, dirs_exist_ok=True, copy_function=_copied)
            else:
                _copied(entry.path, into)
        except shutil.Error as failures:
            _, path, why = failures.args[0][0]
            raise KrmHardenError(f"can't be written: {why}", path) from None


def _copied(source: str, into: str) -> None:
    _replace.copy(Path(source), Path(into))

"""`krm-harden images resolve|check|explain`: what is known of container images, and the lock that travels with them."""

from __future__ import annotations

import gc
import signal
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from krm_harden.commands._parser import with_commands

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

GROUP = "Know your images"
SUMMARY = "find out what container images need, into a lock that fix uses; check it; explain an image"
EXAMPLES = """\
examples:
  krm-harden images resolve deploy/           write images.lock.yaml; review its diff, commit it
  krm-harden fix --images images.lock.yaml deploy/
  krm-harden images check deploy/             exit 1 when the lock is stale
  krm-harden images explain nginx:1.27        what is known, who says so, what would be written

`krm-harden images COMMAND --help` explains each.

exit codes: 0 done, 1 the lock is stale, or an image is missing in it, 2 an image or a manifest couldn't be read,
3 wrong command line, lock or policy
"""
COMMANDS = ("resolve", "check", "explain")


def _load(name: str) -> ModuleType:
    """The module of one command. It speaks with registries: what only asks for help needn't load that."""
    return import_module(f"krm_harden.commands._images_{name}")


def parser() -> argparse.ArgumentParser:
    """The commands of the command, and the options of each."""
    return with_commands("images", SUMMARY, EXAMPLES, {name: _load(name) for name in COMMANDS})


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    # Unlike a run of the function, this one lasts and makes cycles: archives, connections.
    gc.enable()
    if threading.current_thread() is threading.main_thread():
        # A CI's time limit ends a run as Ctrl-C does: what probes began is removed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    return int(_load(options.command).run(options))

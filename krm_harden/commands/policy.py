"""`krm-harden policy init|check|show|schema|convert`: write a policy, look it over, see what it says."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from krm_harden.commands._parser import with_commands

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

GROUP = "Policy"
SUMMARY = "write a policy, look it over, and see what it says of an object"
EXAMPLES = """\
examples:
  krm-harden policy init                      write policy.yaml, every common field explained
  krm-harden policy init --profile audit first-step.yaml
                                              the same with the settings of a profile
  krm-harden policy check policy.yaml         what is wrong with it, and what it says in vain
  krm-harden policy show --policy policy.yaml --for deploy/web.yaml
                                              which rules, exemptions and images meet an object, and what holds for it
  krm-harden policy show --profile baseline   what a profile says
  krm-harden policy schema                    its JSON Schema, for editors
  krm-harden policy convert --check policy.yaml
                                              whether its apiVersion is the newest; without --check it becomes that

`krm-harden policy COMMAND --help` explains each.

exit codes: 0 done, 1 check has warnings, convert --check something to do, 2 a file couldn't be read,
3 wrong policy or command line
"""
COMMANDS = ("init", "check", "show", "schema", "convert")


def _load(name: str) -> ModuleType:
    """The module of one command."""
    return import_module(f"krm_harden.commands._policy_{name}")


def parser() -> argparse.ArgumentParser:
    """The commands of the command, and the options of each."""
    return with_commands("policy", SUMMARY, EXAMPLES, {name: _load(name) for name in COMMANDS})


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    return int(_load(options.command).run(options))

"""`krm-harden psp migrate`: from PodSecurityPolicies to what takes their place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from krm_harden.commands._parser import with_commands

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

GROUP = "Policy"
SUMMARY = "move a cluster from PodSecurityPolicies to what takes their place"
EXAMPLES = """\
examples:
  krm-harden psp migrate deploy/ cluster/ -o migration
                                              labels, hardened manifests, policies, a report and the steps
  krm-harden psp migrate - -o migration < dump.yaml
                                              the same of a running cluster, as kubectl get -o yaml has it

`krm-harden psp COMMAND --help` explains each.

exit codes: 0 done, 1 something is open and nothing is written for it, 2 something couldn't be read or written,
3 no PodSecurityPolicy at all, or a wrong command line
"""
COMMANDS = ("migrate",)


def _load(name: str) -> ModuleType:
    """The module of one command."""
    return import_module(f"krm_harden.commands._psp_{name}")


def parser() -> argparse.ArgumentParser:
    """The commands of the command, and the options of each."""
    return with_commands("psp", SUMMARY, EXAMPLES, {name: _load(name) for name in COMMANDS})


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    return int(_load(options.command).run(options))

"""`krm-harden policy schema`: the same as `krm-harden schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.commands import schema

if TYPE_CHECKING:
    import argparse

SUMMARY = "print the policy's JSON Schema, for editors"
EXAMPLES = """\
examples:
  krm-harden policy schema > hardeningpolicy.schema.json

A policy whose first line is `# yaml-language-server: $schema=hardeningpolicy.schema.json` is then completed and checked
as it is written, by every editor with the YAML language server.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.set_defaults(definition=False, inventory=False, report=False)


def run(options: argparse.Namespace) -> int:
    """0."""
    return schema.run(options)

"""Command lines: argparse with our exit code for a wrong one."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Ends with exit code 3 and one line, where argparse says 2 and prints its usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(3, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def make(name: str, summary: str, examples: str, kind: type[Parser] = Parser) -> Parser:
    """The parser of one command, its examples below its options."""
    return kind(
        f"krm-harden {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

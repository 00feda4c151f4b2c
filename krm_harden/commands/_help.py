"""What people ask when they don't know the command line: help, and what they probably meant."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from krm_harden import cli
from krm_harden.commands import _streams, _terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

GROUPS = ("Harden", "Judge and report", "Every way in", "Know your images", "Policy", "Help and set-up")
"""What commands are for, in the order of the help; a command's module has one of them as GROUP."""
OTHER = "Other"
USAGE = """\
krm-harden hardens Kubernetes manifests to the Pod Security Standard `restricted`.

usage: krm-harden COMMAND [ARGUMENT...]     krm-harden COMMAND --help says more
       krm-harden < RESOURCELIST            a KRM function: kustomize, kpt
       krm-harden --version                 print the version

{commands}examples:
  krm-harden fix --diff deploy/             show what would change
  krm-harden fix deploy/                    change it, in place
  kustomize build . | krm-harden check -    the gate: exit 1 unless all is restricted
  kpt fn eval . --exec krm-harden           inside kpt

exit codes: 0 done, 1 something stays open, 2 something couldn't be read, 3 wrong policy or command line
"""
HELP = ("help", "print this help, or that of a command: krm-harden help COMMAND")
FIRST = ("--help", "--version")
"""The options that stand for a command."""
WIDEST = 120
"""Longer lines are hard to read; help that isn't for a terminal has them as they are written."""
PLUGIN = "kubectl-harden"


def program() -> str:
    """What people type: `krm-harden`, or `kubectl harden` where kubectl has started us."""
    return "kubectl harden" if os.path.basename(sys.argv[0]) == PLUGIN else "krm-harden"


def as_called(text: str) -> str:
    """Examples with what people type in them."""
    if program() == "krm-harden":
        return text
    names = "|".join([*cli.commands(), "help", "--version", "COMMAND"])
    return re.sub(rf"\bkrm-harden (?=(?:{names})\b)", f"{program()} ", text)


def about(name: str) -> tuple[str, str]:
    """A command's SUMMARY and GROUP. Their lines are read, for loading all commands takes ten times as long."""
    found = _literals(os.path.join(os.path.dirname(__file__), f"{name}.py"))
    if "SUMMARY" not in found:
        module = cli.load(name)
        return module.SUMMARY, getattr(module, "GROUP", OTHER)
    return found["SUMMARY"], found.get("GROUP", OTHER)


def _literals(path: str) -> dict[str, str]:
    """The constants of a module that stand in one line, in quotes and without escapes; none without a source."""
    try:
        with open(path, encoding="utf-8") as file:
            matches = (re.fullmatch(r'(SUMMARY|GROUP) = "([^"\\]*)"\n', line) for line in file)
            return {match[1]: match[2] for match in matches if match}
    except OSError:
        return {}


def width() -> int:
    """The columns of a page of help: COLUMNS, or the terminal's."""
    known = os.environ.get("COLUMNS", "").isdecimal() or _terminal.is_terminal(sys.stdout)
    if not known:
        return WIDEST
    import shutil

    return max(40, min(shutil.get_terminal_size().columns, WIDEST))


def top() -> str:
    """The help of the whole command line."""
    rows: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, OTHER)}
    for name in cli.commands():
        summary, group = about(name)
        rows.setdefault(group, []).append((name, summary))
    rows["Help and set-up"].append(HELP)
    indent = max(len(name) for listed in rows.values() for name, _ in listed) + 4
    listed = "".join(
        f"{group}:\n{''.join(_row(name, summary, indent) for name, summary in sorted(found))}\n"
        for group, found in rows.items()
        if found
    )
    return fitted(as_called(USAGE.format(commands=listed)), width())


def _row(name: str, summary: str, indent: int) -> str:
    lines = _wrapped(summary, max(width() - indent, 20))
    return f"  {name:{indent - 2}}" + f"\n{' ' * indent}".join(lines) + "\n"


def show() -> None:
    """Print the help of the whole command line."""
    _streams.print_report(coloured(top()))


def unknown(name: str) -> str:
    """What to say of a command that isn't there."""
    if name.startswith("-"):
        from krm_harden.schema import similar

        return f"no option {name!r} before the command{similar(name, FIRST)}; see `{program()} --help`"
    return f"no command {name!r}{similar_command(name)}"


def similar_command(name: str) -> str:
    from krm_harden.schema import closest

    known = [*cli.commands(), "help"]
    close = closest(name, known)
    return f"; did you mean {close}?" if close else f"; commands: {', '.join(known)}"


# Pages that fit


def fitted(text: str, columns: int) -> str:
    """A page whose paragraphs fit; examples that don't get their words above them instead of behind them."""
    return "\n".join(line for block in text.split("\n\n") for line in (*_block(block, columns), "")).rstrip("\n") + "\n"


def _block(block: str, columns: int) -> Sequence[str]:
    lines = block.rstrip("\n").split("\n")
    if max(map(len, lines)) <= columns:
        return lines
    if lines[0] == "examples:" or lines[0].startswith("  "):
        head = lines[:1] if lines[0] == "examples:" else []
        return [*head, *(line for example in _examples(lines[len(head) :]) for line in _stacked(*example, columns))]
    if any(line.startswith(" ") for line in lines):
        return lines
    return _wrapped(" ".join(lines), columns)


def _examples(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each command with what is said behind it, after two spaces, or below it, far to the right."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        command, _, words = line.strip().partition("  ")
        if line.startswith(" " * 12) and found:
            found[-1][1].append(line.strip())
        elif command:
            found.append((command, [words.strip()]))
    return ((command, " ".join(filter(None, words))) for command, words in found)


def _stacked(command: str, words: str, columns: int) -> list[str]:
    said = _wrapped(words, columns - 4)
    return [*(f"  # {line}" for line in said), f"  {command}"]


def _wrapped(text: str, columns: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)


_COLUMN = re.compile(r"^( {2,8})(\S(?:.*?\S)??)(?=  |$)")
"""The first column of a list."""
_COMMENT = re.compile(r"(^  # .*|(?<=\S)  +\S.*|^ {12,}\S.*)$")


def coloured(page: str) -> str:
    """A page of help in colours, where standard output shows any."""
    if not _terminal.colours(sys.stdout):
        return page
    return "".join(f"{line}\n" for line in _painted(page.rstrip("\n").split("\n")))


def _painted(lines: Iterable[str]) -> Iterator[str]:
    paint = _terminal.paint
    within = ""
    for line in lines:
        if line.endswith(":") and not line.startswith(" "):
            within = line
            yield paint(line, "heading")
        elif line.startswith("usage:"):
            within = "usage:"
            yield paint("usage:", "heading") + line.removeprefix("usage:")
        elif within == "examples:" and line.startswith(" "):
            yield _COMMENT.sub(lambda match: paint(match[0], "dim"), line)
        elif within not in {"", "usage:"}:
            yield _COLUMN.sub(lambda match: match[1] + paint(match[2], "name"), line)
        else:
            yield line

"""Pages for `explain`: light Markdown, as plain text or, for a terminal, wrapped and with bold headings.

A page's blocks are separated by blank lines: a line `# Title`; text, whose lines may be joined; rows `  NAME  words`;
code, four spaces deep, which is never wrapped. `**bold**` and `` `code` `` may stand in all but code.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from krm_harden.commands import _streams, _terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.text import Text

WIDEST = 100
"""The columns that text may have: longer lines are hard to read."""
CODE = "    "
_ROW = re.compile(r"  (\S.*?)(?:  +(\S.*))?$")
_MARKED = re.compile(r"\*\*([^*\n]+)\*\*|`([^`\n]+)`")


def show(pages: Iterable[str]) -> None:
    """Print pages, a blank line between two. Raises InputError when they can't be written whole."""
    text = "\n\n".join(page.strip("\n") for page in pages) + "\n"
    if sys.stdout is None or not (_terminal.is_terminal(sys.stdout) or _terminal.colours(sys.stdout)):
        _streams.print_report(plain(text))
        return
    console = _terminal.console(sys.stdout)
    with console.capture() as captured:
        _styled(console, text)
    _streams.print_report(captured.get())


def plain(text: str) -> str:
    """The same without marks for headings and bold; code stays byte for byte."""
    return "".join(_plain_line(line) for line in text.splitlines(keepends=True))


def _plain_line(line: str) -> str:
    if line.startswith(CODE):
        return line
    return re.sub(r"\*\*([^*\n]+)\*\*", r"\1", line.removeprefix("# "))


def code(text: str) -> str:
    """A text as a block of code."""
    return "\n".join(f"{CODE}{line}".rstrip() for line in text.splitlines())


def rows(entries: Iterable[tuple[str, str]]) -> str:
    """Names with what they mean, in two columns."""
    known = list(entries)
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"  {name:{width}}  {words}".rstrip() for name, words in known)


def _styled(console: Console, text: str) -> None:
    wide = min(console.width, WIDEST)
    for kind, lines in _blocks(text):
        if kind == "code":
            for line in lines:
                console.print(line, style=_style_of(line.removeprefix(CODE)), soft_wrap=True)
        elif kind == "title":
            console.print(lines[0].removeprefix("# "), style="bold underline", soft_wrap=True)
        elif kind == "rows":
            _print_rows(console, lines, wide)
        elif kind == "item":
            _print_wrapped(console, " ".join(map(str.strip, lines)), wide, "", "  ")
        else:
            _print_wrapped(console, " ".join(lines), wide, "", "")


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines that belong together, with their sort."""
    kind, block = "", list[str]()
    for line in text.splitlines():
        now = _sort_of(line, kind)
        goes_on = now == kind and now in {"code", "rows", "text"}
        if block and not goes_on and not (now == "more" and kind == "item"):
            yield kind, block
            block = []
        block.append(line)
        kind = kind if now == "more" else now
    if block:
        yield kind, block


def _sort_of(line: str, before: str) -> str:
    if line.startswith(CODE):
        return "code"
    if line.startswith("# "):
        return "title"
    if line.startswith("- "):
        return "item"
    if line.startswith("  "):
        return "more" if before == "item" else "rows"
    return "text" if line else "blank"


def _style_of(line: str) -> str:
    """The colour of a line of code: as in a diff."""
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "") if not line.startswith("- ") else ""


def _print_rows(console: Console, lines: list[str], wide: int) -> None:
    found = [_ROW.match(line) for line in lines]
    indent = max((one.start(2) for one in found if one and one[2]), default=4)
    for line, one in zip(lines, found, strict=True):
        name, words = (one[1], one[2] or "") if one else (line, "")
        _print_wrapped(console, words, wide, f"  **{name}**".ljust(indent + 4), " " * indent)


def _print_wrapped(console: Console, text: str, wide: int, first: str, rest: str) -> None:
    """A text on as many lines as it takes, `first` before the first of them and `rest` before the others."""
    head = _marked(first)
    for number, line in enumerate(_marked(text).wrap(console, max(wide - len(head.plain or rest), 20))):
        line.rstrip()
        console.print((head if not number else _marked(rest)) + line, soft_wrap=True)


def _marked(text: str) -> Text:
    """A text with its marks as styles."""
    from rich.text import Text

    made = Text()
    at = 0
    for found in _MARKED.finditer(text):
        made.append(text[at : found.start()])
        made.append(found[1] or found[2], style="bold" if found[1] else "cyan")
        at = found.end()
    return made.append(text[at:])

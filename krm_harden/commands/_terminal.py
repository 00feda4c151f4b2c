"""What a stream can show: colours and a width, by what people and their terminals say.

`--color` wins; then NO_COLOR (no-color.org) and FORCE_COLOR (force-color.org) count where they are set and not empty,
and of the two FORCE_COLOR wins.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

CHOICES = ("auto", "always", "never")
STYLES = {
    "heading": "1",
    "name": "36",
    "dim": "2",
    "error": "1;31",
    "warning": "33",
    "info": "32",
    "place": "1",
    "added": "32",
    "removed": "31",
}
"""Of the sixteen colours that every theme, dark or light, has chosen for itself."""
_chosen = ["auto"]


def choose(when: str) -> None:
    """Let `--color` hold, for the whole run."""
    _chosen[0] = when


def colours(stream: TextIO | None) -> bool:
    """Whether colours may be written to a stream."""
    if _chosen[0] != "auto":
        return _chosen[0] == "always"
    if os.environ.get("FORCE_COLOR"):
        return True
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and is_terminal(stream)


def paint(text: str, style: str) -> str:
    """A text in one of our STYLES; an unknown one changes nothing."""
    code = STYLES.get(style)
    return f"\033[{code}m{text}\033[0m" if code and text else text


def unpainted(text: str, _style: str) -> str:
    """The same text, for what shows no colours."""
    return text


def painted(text: str, style: str, stream: TextIO | None) -> str:
    """The same, where the stream shows colours."""
    return paint(text, style) if colours(stream) else text


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody reads along."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def width(stream: TextIO | None) -> int | None:
    """The columns at which lines are wrapped; None where nobody reads along: a line is then one line."""
    if not is_terminal(stream):
        return None
    import shutil

    return shutil.get_terminal_size().columns


def console(stream: TextIO) -> Console:
    """A console of rich on a stream, with our colours and width. It is loaded only here."""
    from rich.console import Console

    wide = width(stream)
    return Console(
        file=stream,
        force_terminal=colours(stream),
        color_system="auto" if is_terminal(stream) else "standard",
        no_color=not colours(stream),
        width=wide or 10_000,
        highlight=False,
        markup=False,
        emoji=False,
    )

"""What a stream can show: colours and a width, by what people and their terminals say.

NO_COLOR (no-color.org) and FORCE_COLOR (force-color.org) count where they are set and not empty; FORCE_COLOR wins.
"""

from __future__ import annotations

import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console


def colours(stream: TextIO | None) -> bool:
    """Whether colours may be written to a stream."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody reads along."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def width(stream: TextIO | None) -> int | None:
    """The columns at which lines are wrapped; None where nobody reads along: a line is then one line."""
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


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

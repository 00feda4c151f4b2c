#!/usr/bin/env python3
"""Records terminal sessions as SVG: `docs/recording.py` writes docs/pictures/, `--check` only compares.

A real bash in a pseudo-terminal runs the commands; pyte, a terminal emulator, says what its screen shows. How fast it
is typed and how long it stands is made up, so the same output gives the same bytes. The film is a strip of screens that
CSS moves in steps: it plays where a Git host shows pictures, with no script, and shows its end to those who want no
motion.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fcntl import ioctl
from html import escape
from itertools import groupby
from pathlib import Path
from termios import TIOCSWINSZ
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
READY = b"\x1b]0;ready\x07"
PROMPT = r"\[\e[1;32m\]$\[\e[0m\] "
SECONDS = 60
TYPED, SCROLLED, READ, HELD = 0.06, 0.07, 2.2, 6.0
"""How long a screen stands: while a word is typed, while lines come, when a command has ended, at the end."""
WIDE, HIGH, MARGIN, SIZE = 8.4, 18, 14, 14
"""Of a character, a line, the border, the font: pixels."""
COLOURS = {
    "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79c0ff", "magenta": "#d2a8ff",
    "cyan": "#76e3ea", "white": "#c9d1d9", "black": "#6e7681", "brightblack": "#8b949e",
}  # fmt: skip
COLOURS |= {f"bright{name}": value for name, value in COLOURS.items() if not name.startswith("bright")}


@dataclass(frozen=True)
class Style:
    """How characters look: a colour of COLOURS or six hexadecimal digits, and whether they are bold or dim."""

    colour: str
    bold: bool

    @property
    def attributes(self) -> str:
        value = COLOURS.get(self.colour) or ("#" + self.colour if self.colour != "default" else "")
        return (f' fill="{value}"' if value else "") + (' font-weight="bold"' if self.bold else "")


Line = tuple[tuple[int, str, Style], ...]
"""A line's runs of one style each: column, text, style."""
Screen = tuple[Line, ...]


@dataclass(frozen=True)
class Take:
    """A picture: what is typed in which example, and how large the terminal is. The last screen alone is a still.

    A command that begins with Ctrl-L is typed on a screen that was cleared.
    """

    title: str
    example: str
    commands: tuple[str, ...]
    columns: int = 108
    rows: int = 30
    film: bool = False


TAKES = {
    "demo": Take(
        "krm-harden check finds what is missing, fix --diff shows it, fix writes it, and check is content",
        "shop/web.yaml",
        (
            "krm-harden check web.yaml",
            "\fkrm-harden fix --diff web.yaml",
            "\fkrm-harden fix web.yaml",
            "krm-harden check web.yaml",
        ),
        rows=34,
        film=True,
    ),
    "check": Take("What krm-harden check prints", "shop/web.yaml", ("krm-harden check web.yaml",)),
    "diff": Take("What krm-harden fix --diff prints", "shop/web.yaml", ("krm-harden fix --diff web.yaml",), rows=60),
}


def record(take: Take) -> Iterator[tuple[Screen, float]]:
    """The screens of a session, each with the seconds for which it stands."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "work").mkdir()
        shutil.copy(ROOT / "examples" / take.example, home / "work")
        program = home / "krm-harden"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m krm_harden "$@"\n')
        program.chmod(0o755)
        (home / "rc").write_text(
            f"PS1='{PROMPT}'\nPROMPT_COMMAND='printf \"\\e]0;ready\\a\"'\nbind 'set enable-bracketed-paste off'\n"
        )
        environment = {
            "PATH": f"{home}:{os.environ['PATH']}",
            "HOME": folder,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        terminal, side = pty.openpty()
        ioctl(side, TIOCSWINSZ, struct.pack("HHHH", take.rows, take.columns, 0, 0))
        with subprocess.Popen(  # noqa: S603
            ["bash", "--noprofile", "--rcfile", str(home / "rc"), "-i"],  # noqa: S607
            stdin=side, stdout=side, stderr=side, cwd=home / "work", env=environment, start_new_session=True,
        ) as shell:  # fmt: skip
            os.close(side)
            try:
                yield from session(terminal, take)
            finally:
                shell.terminate()
                os.close(terminal)


def session(terminal: int, take: Take) -> Iterator[tuple[Screen, float]]:
    screen = pyte.Screen(take.columns, take.rows)
    stream = pyte.ByteStream(screen)
    stream.feed(until_ready(terminal))
    for command in take.commands:
        os.write(terminal, command.encode() + b"\n")
        typed, _, printed = until_ready(terminal).partition(b"\r\n")
        for word in typed.split(b" "):
            stream.feed(word + b" " * (word != typed.split(b" ")[-1]))
            yield shown(screen), TYPED * len(word)
        stream.feed(b"\r\n")
        for number, line in enumerate(printed.splitlines(keepends=True)):
            stream.feed(line)
            if number % 3 == 2:
                yield shown(screen), SCROLLED
        yield shown(screen), READ
    yield shown(screen), HELD


def until_ready(terminal: int) -> bytes:
    """What the terminal gets until the shell waits for a command."""
    held = b""
    while READY not in held or not held.rpartition(READY)[2].endswith(b" "):
        if not select.select([terminal], [], [], SECONDS)[0]:
            raise TimeoutError(f"the shell says no more than {held!r}")
        held += os.read(terminal, 65536)
    return held


def shown(screen: pyte.Screen) -> Screen:
    """What a screen shows, in runs of one style."""
    return tuple(tuple(runs(screen.buffer[row], screen.columns)) for row in range(screen.lines))


def runs(row: dict[int, pyte.screens.Char], columns: int) -> Iterator[tuple[int, str, Style]]:
    styled = [(column, row[column].data, Style(row[column].fg, row[column].bold)) for column in range(columns)]
    for style, found in groupby(styled, key=lambda one: one[2]):
        held = list(found)
        text = "".join(character for _, character, _ in held)
        if text.strip():
            left = len(text) - len(text.lstrip())
            yield held[0][0] + left, text.strip(), style


def svg(take: Take, screens: Sequence[tuple[Screen, float]]) -> str:
    """The film, or the last screen alone."""
    frames = list(screens) if take.film else [screens[-1]]
    rows = take.rows if take.film else max(number for number, line in enumerate(frames[0][0]) if line)
    if not take.film:
        frames = [(frames[0][0][:rows], HELD)]
    wide, high = round(take.columns * WIDE), rows * HIGH + 6
    lines = {
        line: f"l{number}"
        for number, line in enumerate(dict.fromkeys(line for screen, _ in frames for line in screen if line))
    }
    strip = [
        f'<use href="#{lines[line]}" y="{number * high + row * HIGH}"/>'
        for number, (screen, _) in enumerate(frames)
        for row, line in enumerate(screen)
        if line
    ]
    words = "\n".join(text_of(line) for line in frames[-1][0]).strip()
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" width="{wide + 2 * MARGIN}" '
            f'height="{high + 2 * MARGIN}" viewBox="0 0 {wide + 2 * MARGIN} {high + 2 * MARGIN}">',
            f'<title id="t">{escape(take.title)}</title>',
            f'<desc id="d">{escape(words)}</desc>',
            f"<style>{style(frames, high) if take.film else ''}"
            f"text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
            "fill:#c9d1d9;white-space:pre}</style>",
            f"<defs>{''.join(drawn(name, line) for line, name in lines.items())}</defs>",
            '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>',
            f'<svg x="{MARGIN}" y="{MARGIN}" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
            f'<g class="film">{"".join(strip)}</g>',
            "</svg></svg>",
            "",
        )
    )


def text_of(line: Line) -> str:
    made = ""
    for column, text, _ in line:
        made = made.ljust(column) + text
    return made


def drawn(name: str, line: Line) -> str:
    """A line of text; each run has the width of its characters in the grid, whatever the font is."""
    parts = "".join(
        f'<tspan x="{column * WIDE:g}" textLength="{len(text) * WIDE:.1f}" lengthAdjust="spacingAndGlyphs"'
        f"{how.attributes}>{escape(text, quote=False)}</tspan>"
        for column, text, how in line
    )
    return f'<text id="{name}" y="{SIZE}" xml:space="preserve">{parts}</text>'


def style(frames: Sequence[tuple[Screen, float]], high: int) -> str:
    """The strip stands at each screen for its time; without motion, at the last."""
    total, at, steps = sum(seconds for _, seconds in frames), 0.0, []
    for number, (_, seconds) in enumerate(frames):
        steps.append(f"{at / total:.3%}{{transform:translateY({-number * high}px)}}")
        at += seconds
    end = -(len(frames) - 1) * high
    return (
        f"@keyframes film{{{''.join(steps)}100%{{transform:translateY({end}px)}}}}"
        f".film{{animation:film {total:.2f}s step-end infinite}}"
        f"@media (prefers-reduced-motion:reduce){{.film{{animation:none;transform:translateY({end}px)}}}}"
    )


def pictures() -> dict[str, str]:
    """The text of every picture by its name."""
    return {f"{name}.svg": svg(take, list(record(take))) for name, take in TAKES.items()}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in pictures().items():
        path = PICTURES / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    if stale:
        print("\n".join(f"docs/pictures/{name} {'is stale' if check else 'written'}" for name in stale))
    return int(bool(stale) and check)


if __name__ == "__main__":
    sys.exit(main())

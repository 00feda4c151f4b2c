"""A real terminal for tests: tmux with a server, a socket and a configuration of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from clients import FUNCTION, bin_folder
from conftest import clean_environment, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0
"""Seconds that a busy machine gets for anything that must come."""
SETTINGS = """\
set -g status off
set -g default-terminal tmux-256color
set -g history-limit 20000
set -s escape-time 0
"""
ENDED = "the command ended with "
THEN_STAY = f'trap : INT; "$@"; printf "\\033]2;{ENDED}%s\\007" $?; exec sleep 86400'
"""The exit code as the window's title, behind all output; what is on the screen, and the cursor, stay for the tests."""
ABOUT_COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "TMUX", "TMUX_PANE", "CI")


class Terminal:
    """One command in a terminal. Its screen stays after its end, for whoever asks."""

    def __init__(self, program: str, folder: Path, environment: dict[str, str]) -> None:
        self._tmux = [program, "-S", str(folder / "socket"), "-f", str(folder / "tmux.conf")]
        self._environment = {**environment, "TMUX_TMPDIR": str(folder)}

    def tmux(self, *words: str, check: bool = True) -> str:
        """What a command of tmux prints."""
        done = subprocess.run(
            [*self._tmux, *words], capture_output=True, env=self._environment, timeout=PATIENCE, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"tmux {words[0]}: {done.stderr.decode()}")
        return done.stdout.decode()

    def type(self, text: str) -> None:
        """Characters as they are."""
        self.tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Keys by their names in tmux: Enter, Tab, C-c, Up, y."""
        self.tmux("send-keys", "--", *keys)

    def screen(self, *, colours: bool = False, history: bool = True) -> str:
        """The lines that are there, those that have scrolled away first; `colours`: with escape sequences."""
        words = [*(["-e"] if colours else []), *(["-S", "-"] if history else [])]
        lines = self.tmux("capture-pane", "-p", *words).split("\n")
        return "\n".join(line.rstrip() for line in lines).rstrip("\n")

    def wait_for(self, text: str, times: int = 1) -> str:
        """The screen, as soon as a text is on it (so many times)."""
        self._wait(lambda: self.screen().count(text) >= times, f"{text!r} isn't there")
        return self.screen()

    def wait_until(self, is_so: Callable[[str], bool]) -> str:
        """The screen, as soon as it is as it should be."""
        self._wait(lambda: is_so(self.screen()), "the screen isn't as it should be")
        return self.screen()

    def code(self) -> int:
        """The exit code of the command, once it has ended; 128 and its number for a signal, as a shell has it."""
        self._wait(lambda: self._of_pane("pane_title").startswith(ENDED), "the command hasn't ended")
        return int(self._of_pane("pane_title").removeprefix(ENDED))

    def cursor_is_shown(self) -> bool:
        return self._of_pane("cursor_flag") == "1"

    def resize(self, columns: int, lines: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def _of_pane(self, name: str) -> str:
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def _wait(self, is_true: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE
        while not is_true():
            assert time.monotonic() < end, f"{otherwise}:\n{self.screen()}"
            time.sleep(0.05)


@contextmanager
def terminal(
    *command: str | Path, cwd: Path | None = None, columns: int = 100, lines: int = 30, **env: str
) -> Iterator[Terminal]:
    """A command in a terminal of its own, with `krm-harden` on PATH; skips without tmux.

    >>> with terminal("krm-harden", "fix", "-i", "app.yaml", cwd=tmp_path) as shown:
    ...     shown.wait_for("[y,n,")
    ...     shown.press("y")
    ...     assert shown.code() == 0
    """
    program = require("tmux")
    with TemporaryDirectory(prefix="krm-terminal-", dir="/tmp") as name:  # a socket's path has at most 107 bytes
        folder = Path(name)
        (folder / "tmux.conf").write_text(SETTINGS)
        path = os.pathsep.join([bin_folder(FUNCTION), str(Path(sys.executable).parent), os.environ["PATH"]])
        inherited = {name: value for name, value in clean_environment().items() if name not in ABOUT_COLOURS}
        made = Terminal(program, folder, {**inherited, "LC_ALL": "C.UTF-8", "PATH": path, **env})
        size = ("-x", str(columns), "-y", str(lines))
        words = ("sh", "-c", THEN_STAY, "sh", *map(str, command))
        made.tmux("-u", "new-session", "-d", *size, "-c", str(cwd or Path.cwd()), "--", *words)
        try:
            yield made
        finally:
            made.tmux("kill-server", check=False)

"""Pages as tests read them: their commands, what those print, the files in between; and a folder to run them in.

The convention is CONTRIBUTING.md's: an indented block is commands, a `text` or `diff` fence in the same section is what
the last block printed, a `yaml` fence whose first line is `# path` is a file.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from conftest import ROOT, clean_environment, require
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SHELL = {"sh", "bash", "shell"}
OUTPUT = {"text", "diff"}
FILE = re.compile(r"# ((?:[\w.-]+/)*(?:[\w.-]+\.(?:ya?ml|json)|Kptfile))\n")
CODE = re.compile(r"#.*?\bexit code (\d)")
CLIENTS = {name: name for name in ("gator", "helm3", "helm4", "kpt", "kubectl", "kustomize", "kyverno")}
SECONDS = 600


@dataclass(frozen=True)
class Block:
    """Something of a page that isn't prose: commands, what they print, or a file."""

    sort: str
    line: int
    section: str
    text: str
    file: str = ""


@dataclass(frozen=True)
class Command:
    """A command of a block, the words around it, the exit code that its comment names, and what came of it."""

    line: int
    about: str
    text: str
    said: int | None
    code: int | None = None
    printed: str = ""


def blocks(text: str) -> Iterator[Block]:
    """All that counts on a page, in its order."""
    section, tokens = "", MarkdownIt().parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            section = token.content
        if token.map is None or token.type not in {"code_block", "fence"}:
            continue
        language = token.info.strip()
        line = token.map[0] + 1 + (token.type == "fence")
        if token.type == "code_block" or language in SHELL:
            yield Block("commands", line, section, token.content)
        elif language in OUTPUT:
            yield Block("output", line, section, token.content)
        elif found := FILE.match(token.content):
            yield Block("file", line, section, token.content, found[1])


def commands(block: Block) -> Iterator[Command]:
    """A block's commands: as many lines as bash takes for a whole one. Comments alone are none."""
    said, held, first, note = None, "", 0, ""
    for number, line in enumerate(block.text.splitlines(keepends=True)):
        note += "#".join(line.split("#")[1:])
        if found := CODE.search(line):
            said = int(found[1])
        if not held and (not line.strip() or line.lstrip().startswith("#")):
            continue
        held, first = held + line, first if held else number
        if is_whole(held):
            yield Command(block.line + first, f"{block.section} {note}", held.strip(), said)
            said, held, note = None, "", ""
    assert not held, f"line {block.line + first}: bash waits for more: {held}"


@cache
def is_whole(text: str) -> bool:
    if text.endswith("\\\n"):
        return False
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stderr


def written(block: Block) -> Command:
    """A page's file, as a command that writes it where the shell stands then."""
    text, name = block.text, shlex.quote(block.file)
    script = f'mkdir -p "$(dirname {name})" && printf %s {shlex.quote(text)} > {name}'
    return Command(block.line, block.section, script, 0)


def moved(command: Command, places: dict[str, str], home: Path) -> Command:
    """A command with folders of the machine replaced by those of the run."""
    text = command.text
    for place, name in places.items():
        text = text.replace(place, str(home / name))
    return replace(command, text=text)


def programs(folder: Path, wanted: Iterable[str]) -> Path:
    """A folder with the clients, `krm-harden` of this checkout, and `helm`, which is Helm 4 unless HELM says 3."""
    folder.mkdir()
    for name in sorted({*wanted} & CLIENTS.keys()):
        (folder / name).symlink_to(require(CLIENTS[name]))
    ours = f'PYTHONPATH={ROOT} exec {sys.executable} -m krm_harden "$@"'
    scripts = {"krm-harden": ours, "kubectl-harden": ours, "helm": f'exec {folder}/helm${{HELM:-4}} "$@"'}
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "python3").symlink_to(sys.executable)
    return folder


def play(folder: Path, blocks_: list[list[Command]], home: Path, path: Path, **env: str) -> list[list[Command]]:
    """Run the commands of a page's blocks in one shell, one after the other, with both streams in one.

    A block begins with `pipefail`, so that no failure hides behind a gate. What a shell that ended didn't reach has no
    exit code.
    """
    logs = home / "logs"
    logs.mkdir(parents=True)
    script = []
    for number, block in enumerate(blocks_):
        script.append("set +eux; set -o pipefail\n")
        for place, command in enumerate(block):
            log = logs / f"{number}.{place}"
            log.with_suffix(log.suffix + ".sh").write_text(command.text + "\n")
            helm = "export HELM=3" if "Helm 3" in command.about else "unset HELM"
            script.append(f"{helm}; . {log}.sh > {log}.out 2>&1 < /dev/null; echo $? > {log}.code\n")
    (home / "page.sh").write_text("".join(script))
    homes = {f"HELM_{name}_HOME": str(home / f"helm-{name.lower()}") for name in ("CACHE", "CONFIG", "DATA")}
    environment = clean_environment(
        PATH=f"{path}{os.pathsep}{os.environ['PATH']}",
        HOME=str(home),
        XDG_CACHE_HOME=str(home / "cache"),
        KUSTOMIZE_PLUGIN_HOME=str(home / "plugins"),
        **{**homes, "KUBECONFIG": str(home / "none"), **env},
    )
    shell = subprocess.Popen(
        ["bash", str(home / "page.sh")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)  # what hangs too: it has no exit code
        shell.wait()
    return [
        [came_of(command, logs / f"{number}.{place}") for place, command in enumerate(block)]
        for number, block in enumerate(blocks_)
    ]


def came_of(command: Command, log: Path) -> Command:
    code, out = log.with_suffix(log.suffix + ".code"), log.with_suffix(log.suffix + ".out")
    return replace(
        command,
        code=int(code.read_text()) if code.exists() else None,
        printed=out.read_text(errors="replace") if out.exists() else "",
    )


def shows(said: str, printed: str) -> bool:
    """Whether a page's output is the real one: a line `...` is any lines, `...` within a line any characters."""
    lines = [line.rstrip() for line in said.strip("\n").splitlines()]
    parts = [
        r"(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.split("..."))) + r"[ ]*\n"
        for line in lines
    ]
    return re.fullmatch("".join(parts), printed.strip("\n") + "\n") is not None

"""Runs commands in turn and says what each run cost: CPU (user and system, descendants included), wall, peak memory.

    echo '{"commands": {"a": {"argv": ["true"], "stdin": "FILE"}}, "runs": 5}' | python bench/measure.py

Commands alternate (a, b, a, b, ...), so that a slow minute of the machine hits all of them. A child's peak memory is
never less than its parent's, for Linux counts what it was before exec: measure from a small process. This one is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = """\
import sys
from krm_harden.cli import script
if __name__ == "__main__":
    sys.exit(script())
"""


def python() -> str:
    """The interpreter itself, no pyenv shim: a virtual environment's link to it, else the file behind all links."""
    return sys.executable if sys.prefix != sys.base_prefix else os.path.realpath(sys.executable)


def environment() -> dict[str, str]:
    """The environment without what would steer Python or krm-harden: a user's Python does cache its bytecode."""
    dropped = ("KRM_HARDEN", "PYTHON", "COV_", "SOURCE_DATE", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept if _is_installed() else {**kept, "PYTHONPATH": str(REPOSITORY)}


@cache
def _is_installed() -> bool:
    import importlib.util

    return importlib.util.find_spec("krm_harden") is not None


def write_script(folder: Path) -> Path:
    """The console script as pip and uv install it: what kustomize and kpt run. (An older pip's imports `re` besides.)"""
    script = folder / "krm-harden"
    script.write_text(f"#!{python()}\n{SCRIPT}")
    script.chmod(0o755)
    return script


def run(
    argv: list[str], stdin: str | None = None, stdout: str | None = None, codes: Sequence[int] = (0,)
) -> dict[str, float]:
    """One run: CPU and wall in seconds, peak memory in bytes. Raises when the exit code isn't one of `codes`."""
    with Path(stdin or os.devnull).open("rb") as source, Path(stdout or os.devnull).open("wb") as target:
        began = time.perf_counter()
        child = subprocess.Popen(argv, stdin=source, stdout=target, stderr=subprocess.DEVNULL, env=environment())
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in codes:
        raise RuntimeError(f"exit code {child.returncode}: {' '.join(argv)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "memory": usage.ru_maxrss * unit}


def alternating(commands: dict[str, dict[str, Any]], runs: int) -> dict[str, list[dict[str, float]]]:
    """The runs of each command, after one of each that isn't counted: it fills the caches."""
    for command in commands.values():
        run(**command)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(run(**command))
    return found


def middle(runs: list[dict[str, float]], what: str = "cpu") -> float:
    """The median of one figure."""
    return median([single[what] for single in runs])


def median(values: list[float]) -> float:
    """The value in the middle, or the mean of the two there: the module `statistics` would double our own memory."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def ratios(runs: list[dict[str, float]], base: list[dict[str, float]], what: str = "cpu") -> list[float]:
    """Each run against its neighbour in time, sorted: the machine's slow minutes cancel out."""
    return sorted(one[what] / other[what] for one, other in zip(runs, base, strict=True))


def elsewhere(commands: dict[str, dict[str, Any]], runs: int) -> dict[str, list[dict[str, float]]]:
    """`alternating` in a small process of its own, for callers that have grown."""
    wanted = json.dumps({"commands": commands, "runs": runs})
    done = subprocess.run(
        [python(), "-I", __file__], input=wanted, capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, list[dict[str, float]]] = json.loads(done.stdout)
    return found


def main() -> None:
    wanted = json.load(sys.stdin)
    json.dump(alternating(wanted["commands"], wanted["runs"]), sys.stdout)


if __name__ == "__main__":
    main()

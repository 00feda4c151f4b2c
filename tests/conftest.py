"""What all tests share: the command line as a child process, snapshots of bytes and diffs, real clients and judges."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

if TYPE_CHECKING:
    from collections.abc import Generator

settings.register_profile(
    "default", derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KRM_HARDEN_SHARED", ROOT.parent / "shared"))
ORACLES = Path(
    os.environ.get("KRM_HARDEN_ORACLES")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-oracles"
)


@dataclass(frozen=True)
class Ran:
    """What a child process did."""

    code: int
    out: bytes
    err: str


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would steer krm-harden, or the way in which Python or terminals are written to."""
    # COLUMNS comes from pytest-xdist.
    steering = ("KRM_HARDEN", "SOURCE_DATE", "PYTHONUNBUFFERED", "COLUMNS", "FORCE_COLOR", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return {**kept, **more}


def run_cli(*arguments: str | Path, stdin: bytes | None = b"", cwd: Path | None = None, **env: str) -> Ran:
    """`python -m krm_harden ARGUMENT...` in a clean environment."""
    done = subprocess.run(
        [sys.executable, "-m", "krm_harden", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=clean_environment(**env),
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def unified(before: bytes | str, after: bytes | str, context: int = 1) -> str:
    """The diff that a reviewer reads, without its two file lines."""
    old, new = (text.decode() if isinstance(text, bytes) else text for text in (before, after))
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), n=context)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in list(lines)[2:]
    )


class YamlSnapshot(SingleFileSnapshotExtension):
    """Bytes: line endings and a missing final line break are part of the promise."""

    file_extension = "yaml"


class DiffSnapshot(SingleFileSnapshotExtension):
    """The unified diff, one line of context."""

    _write_mode = WriteMode.TEXT
    file_extension = "diff"


class TextSnapshot(SingleFileSnapshotExtension):
    """Plain lines."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def yaml_snapshot(snapshot):
    return snapshot.use_extension(YamlSnapshot)


@pytest.fixture
def diff_snapshot(snapshot):
    return snapshot.use_extension(DiffSnapshot)


@pytest.fixture
def text_snapshot(snapshot):
    return snapshot.use_extension(TextSnapshot)


def tool(name: str, *extra: Path) -> str | None:
    """A program of the judges' cache, of the given folders or of PATH."""
    for folder in (ORACLES / "bin", *extra):
        if (folder / name).is_file():
            return str(folder / name)
    return shutil.which(name)


def require(name: str) -> str:
    """The program, or a skip that says how to get it."""
    found = tool(name)
    if found is None:
        pytest.skip(f"{name} isn't here: CONTRIBUTING.md, Set-up, says where it comes from")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """With KRM_HARDEN_CI set, a test that would be skipped fails, with the reason: nothing is missing there unseen."""
    report = yield
    if report.skipped and os.environ.get("KRM_HARDEN_CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not be skipped in CI: {call.excinfo.value if call.excinfo else ''}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded inputs, corpus and judges, beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no shared/ beside the checkout")
    return SHARED

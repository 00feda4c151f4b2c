"""The Go tools that write hardening fields into manifests, as far as they are on PATH or in the judges' cache.

Each works on a copy of the same file. What it costs counts, not how much of it passes: most write less than krm-harden.
Where a tool isn't here, RECORDED has what it took on another day, beside a bare compose of that day and those Deployments.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import measure

HERE = Path(__file__).resolve().parent
ORACLES = Path(
    os.environ.get("KRM_HARDEN_ORACLES")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-oracles"
)
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), str(ORACLES / "bin")])
RECORDED_COMPOSE = 0.265
"""CPU seconds of a bare compose, collector off, of 1,000 such Deployments as one ResourceList where RECORDED is from.

With the collector on it took 0.66 s, most of them the collector's, which depend on how much of the input is one document.
"""
RECORDED = {
    "polaris fix --checks=all": {200: 2.73, 1000: 15.3},
    "kubeaudit autofix": {200: 0.29, 1000: 1.48},
}
"""CPU seconds for as many Deployments of the Online Boutique: polaris 10.2.2, kubeaudit 0.22.1, 2026-11-22."""


def tool(name: str) -> str | None:
    """A program on PATH, or of the judges' cache."""
    return shutil.which(name, path=SEARCHED)


def commands(folder: Path, script: Path, manifests: Path) -> dict[str, dict[str, Any]]:
    """How each tool that is here hardens a file of manifests, in a working folder of its own."""
    found = {}
    for label, (name, prepare) in TOOLS.items():
        program = tool(name)
        if program:
            work = folder / f"{name}-{manifests.stem}"
            work.mkdir()
            found[label] = prepare(program, work, manifests, script)
    return found


def _polaris(program: str, work: Path, manifests: Path, _script: Path) -> dict[str, Any]:
    copied = f"cp {shlex.quote(str(manifests))} {shlex.quote(str(work / 'in.yaml'))}"
    fixed = f"{shlex.quote(program)} fix --files-path {shlex.quote(str(work))} --checks=all"
    return {"argv": ["sh", "-c", f"{copied} && exec {fixed}"]}


def _kubeaudit(program: str, work: Path, manifests: Path, _script: Path) -> dict[str, Any]:
    return {"argv": [program, "autofix", "-f", str(manifests), "-o", str(work / "out.yaml")]}


def _kyverno(program: str, work: Path, manifests: Path, _script: Path) -> dict[str, Any]:
    resource = ["--resource", str(manifests), "-o", str(work / "out.yaml")]
    return {"argv": [program, "apply", str(HERE / "kyverno.yaml"), *resource]}


def _gator(program: str, work: Path, manifests: Path, script: Path) -> dict[str, Any]:
    emitted, given = work / "emitted", work / "given"
    subprocess.run(
        [measure.python(), script, "emit", "gatekeeper", "-o", emitted],
        check=True,
        capture_output=True,
        env=measure.environment(),
    )
    given.mkdir()
    for pattern in ("assign-*", "modifyset-*", "expansiontemplate-*"):
        for path in sorted(emitted.glob(pattern)):
            shutil.copy(path, given)
    shutil.copy(manifests, given / "manifests.yaml")
    return {"argv": [program, "expand", f"--filename={given}/", f"--outputfile={work / 'out.yaml'}"]}


TOOLS = {
    "polaris fix --checks=all": ("polaris", _polaris),
    "kubeaudit autofix": ("kubeaudit", _kubeaudit),
    "kyverno apply, a mutating policy": ("kyverno", _kyverno),
    "gator expand, Gatekeeper's mutators": ("gator", _gator),
}
NAMES = tuple(name for name, _ in TOOLS.values())

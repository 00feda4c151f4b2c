"""Every figure of the benchmark: what is run beside what, and what comes out as plain numbers."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import peers

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
PYTHON = measure.python()
PIPELINE = 200
FILES = 5000
PEER_COUNTS = (200, 1000)
MEGA = 1_000_000
COMPOSE = [PYTHON, str(HERE / "compose.py")]
COMPOSED = "a bare compose of 1,000"
"""What the figures of tools that aren't here are scaled by: run in turn with those that are."""
FEWEST_FOR_TOOLS = 9
"""Runs of each tool: ratios of two are quoted, one of them from another day."""
TRANSFORMER = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata:
  name: restricted
  annotations:
    config.kubernetes.io/local-config: "true"
    config.kubernetes.io/function: |
      exec:
        path: {path}
"""


def memory_bound(size: int) -> int:
    """The most memory that the function may use for an input, in bytes."""
    return 40 * MEGA + 6 * size


def chunk_bound(chunk: int) -> int:
    """The most memory that `fix` and `check` may use for files whose largest document has so many bytes."""
    return 40 * MEGA + 30 * chunk


def make_input(folder: Path, name: str, *arguments: object) -> Path:
    """An input, written by a process of its own."""
    path = folder / f"{name}.yaml"
    with path.open("wb") as target:
        subprocess.run([PYTHON, HERE / "inputs.py", *map(str, arguments)], stdout=target, check=True)
    return path


def check_hardened(folder: Path, script: Path, source: Path, count: int) -> None:
    """Every Deployment of an input gets what restricted asks for; else the figures would mean nothing."""
    target = folder / "hardened.yaml"
    measure.run([PYTHON, str(script)], str(source), str(target))
    items = target.read_text().split("\nfunctionConfig:")[0].split("\n- apiVersion: apps/v1\n")[1:]
    weak = [item for item in items if "allowPrivilegeEscalation: false" not in item or "RuntimeDefault" not in item]
    if len(items) != count or weak:
        raise SystemExit(f"{source.name}: {len(weak)} of {len(items)} Deployments weren't hardened")


def start_up(folder: Path, script: Path, runs: int) -> dict[str, Any]:
    """Bare Python against the function on 12 Deployments."""
    source = make_input(folder, "list-12", 12)
    check_hardened(folder, script, source, 12)
    # So short a run needs more of them: the clock ticks in hundredths on some machines.
    found = measure.elsewhere(
        {
            "bare": {"argv": [PYTHON, "-I", "-c", "pass"]},
            "no_site": {"argv": [PYTHON, "-I", "-S", "-c", "pass"]},
            "function": {"argv": [PYTHON, str(script)], "stdin": str(source)},
        },
        max(runs, 5) * 5,
    )
    return {
        "bare": measure.middle(found["bare"]),
        "no_site": measure.middle(found["no_site"]),
        "cpu": measure.middle(found["function"]),
        "wall": measure.middle(found["function"], "wall"),
        "memory": measure.middle(found["function"], "memory"),
        **_spread(measure.ratios(found["function"], found["bare"])),
    }


def _spread(ratios: list[float]) -> dict[str, float]:
    return {"ratio": measure.median(ratios), "low": ratios[0], "high": ratios[-1]}


def lists(script: Path, sources: dict[str, Path], runs: int) -> dict[str, dict[str, Any]]:
    """The function against the bare compose, for several inputs in turn."""
    commands = {}
    for name, source in sources.items():
        commands[f"function {name}"] = {"argv": [PYTHON, str(script)], "stdin": str(source), "codes": [0, 1]}
        commands[f"compose {name}"] = {"argv": COMPOSE, "stdin": str(source)}
    found = measure.elsewhere(commands, runs)
    return {name: _beside(found, name, source) for name, source in sources.items()}


def _beside(found: dict[str, list[dict[str, float]]], name: str, source: Path) -> dict[str, Any]:
    ours, compose = found[f"function {name}"], found[f"compose {name}"]
    return {
        "bytes": source.stat().st_size,
        "cpu": measure.middle(ours),
        "wall": measure.middle(ours, "wall"),
        "memory": max(run["memory"] for run in ours),
        "bound": memory_bound(source.stat().st_size),
        "compose": measure.middle(compose),
        "compose_memory": measure.middle(compose, "memory"),
        **_spread(measure.ratios(ours, compose)),
    }


def bundle(folder: Path, script: Path, runs: int) -> dict[str, dict[str, Any]]:
    """20 MB that are mostly CustomResourceDefinitions: a ResourceList through the function, a file through `fix`."""
    found = lists(script, {"list": make_input(folder, "crds-list", 24, "--crds", 20)}, runs)
    stream = make_input(folder, "crds-file", 24, "--crds", 20, "--plain")
    measured = measure.elsewhere(
        {
            "function file": {"argv": [PYTHON, str(script), "fix", "--diff", str(stream)], "codes": [0, 1]},
            "compose file": {"argv": COMPOSE, "stdin": str(stream)},
        },
        runs,
    )
    return found | {"file": _beside(measured, "file", stream) | {"bound": chunk_bound(_largest(stream))}}


def _largest(stream: Path) -> int:
    """The bytes of the largest document of a stream."""
    return max(map(len, stream.read_bytes().split(b"\n---\n")))


def streams(folder: Path, script: Path, runs: int) -> dict[str, dict[str, Any]]:
    """Peak memory of `fix` and `check` for a small and a large file of small documents, with the bound for both."""
    found = {}
    for count in (1200, 12_000):
        source = make_input(folder, f"stream-{count}", count, "--plain")
        commands = {
            name: {"argv": [PYTHON, str(script), *name.split(), str(source)], "codes": [0, 1]}
            for name in ("check", "fix --diff")
        }
        for name, each in measure.elsewhere(commands, min(runs, 3)).items():
            found[f"{name}, {count:,} documents"] = {
                "bytes": source.stat().st_size,
                "cpu": measure.middle(each),
                "memory": max(run["memory"] for run in each),
                "bound": chunk_bound(_largest(source)),
            }
    return found


def many_files(folder: Path, script: Path, runs: int) -> dict[str, dict[str, float]]:
    """5,000 files, each a Deployment and its Service, by one process and by two."""
    root = folder / "files"
    subprocess.run([PYTHON, HERE / "inputs.py", str(FILES), "--folder", root], check=True)
    found = {}
    for name in ("check", "fix --diff"):
        commands = {
            jobs: {"argv": [PYTHON, str(script), *name.split(), "--jobs", jobs, str(root)], "codes": [0, 1]}
            for jobs in ("1", "2")
        }
        measured = measure.elsewhere(commands, runs)
        found[name] = {
            **{f"{what}_{jobs}": measure.middle(each, what) for jobs, each in measured.items() for what in FIGURES},
            **_spread(measure.ratios(measured["1"], measured["2"], "wall")),
        }
    return found


FIGURES = ("cpu", "wall", "memory")


def judged(script: Path, source: Path, runs: int) -> dict[str, float]:
    """What `check` costs for one input at one level and version: within a process, and as a command."""
    asked = ["restricted", "latest"]
    inside: list[dict[str, float]] = []
    for _ in range(runs):
        done = subprocess.run(
            [PYTHON, HERE / "judge.py", source, *asked],
            capture_output=True,
            text=True,
            env=measure.environment(),
            check=True,
        )
        inside.append(json.loads(done.stdout))
    outside = measure.elsewhere(
        {
            "command": {"argv": [PYTHON, str(script), "check", str(source)], "codes": [1]},
            "compose": {"argv": COMPOSE, "stdin": str(source)},
        },
        runs,
    )
    found = {name: measure.median([run[name] for run in inside]) for name in inside[0]}
    return found | {name: measure.middle(each) for name, each in outside.items()}


def exponent(
    small: dict[str, Any], large: dict[str, Any], times: float, what: str = "cpu", start: float = 0.0
) -> float:
    """The slope of the cost in a log-log plot, over a growth of the input by `times`; `start` is the start-up."""
    return log((large[what] - start) / (small[what] - start)) / log(times)


def fitted(found: dict[str, dict[str, Any]], what: str = "cpu") -> float:
    """The exponent of a least-squares line through all the lists in a log-log plot."""
    points = [(log(int(count)), log(figures[what])) for count, figures in found.items()]
    across = sum(x for x, _ in points) / len(points)
    up = sum(y for _, y in points) / len(points)
    return sum((x - across) * (y - up) for x, y in points) / sum((x - across) ** 2 for x, _ in points)


def pipelines(folder: Path, script: Path, runs: int) -> dict[str, dict[str, float]]:
    """200 Deployments in kustomize and kpt, where those are here: `cat` in the function's place, the function, and what
    only prints the function's output, which no function can do for less.
    """
    manifests = make_input(folder, "manifests", PIPELINE, "--plain")
    found = {}
    for name, prepare in (("kustomize", _kustomize), ("kpt", _kpt)):
        program = peers.tool(name)
        if program is None:
            continue
        places = {
            "cat": shutil.which("cat") or "/bin/cat",
            "printed": _printing(program, prepare, folder, manifests, script),
            "function": str(script),
        }
        measured = measure.elsewhere(
            {who: {"argv": prepare(program, folder, manifests, who, path)} for who, path in places.items()}, runs
        )
        found[name] = {
            f"{who}_{what}": measure.middle(measured[who], what) for who in measured for what in ("cpu", "wall")
        }
        for label, base in (("extra", "cat"), ("own", "printed")):
            for what in ("cpu", "wall"):
                pairs = zip(measured["function"], measured[base], strict=True)
                found[name][f"{label}_{what}"] = measure.median([one[what] - other[what] for one, other in pairs])
    return found


def _printing(program: str, prepare: Callable[..., list[str]], folder: Path, manifests: Path, script: Path) -> str:
    """A program that reads what a client sends, and prints what the function said to it on both streams."""
    kept = folder / f"said-in-{Path(program).name}"
    said, complained = (shlex.quote(f"{kept}.{stream}") for stream in ("out", "err"))
    recording = _shell(folder / f"{kept.name}-recording", f"{shlex.quote(str(script))} 2>{complained} | tee {said}")
    subprocess.run(
        prepare(program, folder, manifests, "recording", recording),
        check=True,
        capture_output=True,
        env=measure.environment(),
    )
    return _shell(kept, f"cat >/dev/null\ncat {complained} >&2\nexec cat {said}")


def _shell(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def _kustomize(program: str, folder: Path, manifests: Path, who: str, path: str) -> list[str]:
    root = folder / f"kustomize-{who}"
    root.mkdir()
    shutil.copy(manifests, root / "manifests.yaml")
    (root / "harden.yaml").write_text(TRANSFORMER.format(path=path))
    (root / "kustomization.yaml").write_text("resources: [manifests.yaml]\ntransformers: [harden.yaml]\n")
    return [program, "build", "--enable-alpha-plugins", "--enable-exec", str(root)]


def _kpt(program: str, folder: Path, manifests: Path, who: str, path: str) -> list[str]:
    root = folder / f"kpt-{who}"
    root.mkdir()
    shutil.copy(manifests, root / "manifests.yaml")
    return [program, "fn", "eval", str(root), "--exec", path, "--output", "stdout"]


def go_tools(folder: Path, script: Path, runs: int) -> dict[str, dict[str, dict[str, float]]]:
    """The function and `fix --diff` beside each Go tool that is here, by the number of Deployments."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    thousand = make_input(folder, "peers-list-of-1000", 1000)
    for count in PEER_COUNTS:
        manifests = make_input(folder, f"peers-{count}", count, "--plain")
        listed = make_input(folder, f"peers-list-{count}", count)
        commands = {
            "krm-harden": {"argv": [PYTHON, str(script)], "stdin": str(listed)},
            COMPOSED: {"argv": COMPOSE, "stdin": str(thousand)},
            "krm-harden fix --diff": {"argv": [PYTHON, str(script), "fix", "--diff", str(manifests)], "codes": [0, 1]},
            **peers.commands(folder, script, manifests),
        }
        for name, each in measure.elsewhere(commands, max(runs, FEWEST_FOR_TOOLS)).items():
            found.setdefault(name, {})[str(count)] = {what: measure.middle(each, what) for what in FIGURES}
    return found


def scaled(found: dict[str, dict[str, dict[str, float]]], count: int) -> dict[str, float]:
    """What the tools that aren't here would take on this machine, by what a bare compose took then and takes now."""
    now = found[COMPOSED][str(count)]["cpu"]
    return {
        name: each[count] / peers.RECORDED_COMPOSE * now for name, each in peers.RECORDED.items() if name not in found
    }


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{_processor()}, {processors} usable",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PyYAML": version("pyyaml"),
        "krm-harden": _own_version(),
    }
    for name, arguments in (("kustomize", "version"), ("kpt", "version"), *((name, "version") for name in peers.NAMES)):
        program = peers.tool(name)
        if program:
            found[name] = _built_as(program) or _said(program, arguments)
    return found


def _own_version() -> str:
    done = subprocess.run(
        [PYTHON, "-c", "import krm_harden; print(krm_harden.__version__)"],
        capture_output=True,
        text=True,
        env=measure.environment(),
        check=True,
    )
    return done.stdout.strip()


def _built_as(program: str) -> str:
    """The version of a Go program by what the compiler noted in it, or nothing."""
    if not shutil.which("go"):
        return ""
    done = subprocess.run(["go", "version", "-m", program], capture_output=True, text=True, check=False)
    noted = [line.split() for line in done.stdout.splitlines()]
    return next((words[2].removeprefix("v") for words in noted if words[:1] == ["mod"] and words[2][:1] == "v"), "")


def _said(program: str, arguments: str) -> str:
    """The version in what a program says of itself."""
    done = subprocess.run([program, arguments], capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).replace(",", " ").split()
    unsaid = "built without a version" if "(devel)" in words else "unknown"
    return next((word.removeprefix("v") for word in words if word.removeprefix("v")[:1].isdigit()), unsaid)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")

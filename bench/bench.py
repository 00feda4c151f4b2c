"""Measures krm-harden as a function, whole processes, against bare Python and a bare libyaml compose.

    python bench/bench.py                    measure, and print the tables
    python bench/bench.py --write            also RESULTS.md, results.json and picture.svg
    python bench/bench.py --quick            without 10,000 Deployments, kustomize and kpt
    python bench/bench.py --boutique FILE    also the Online Boutique's kubernetes-manifests.yaml, 1,000 Deployments

Ratios are medians of each run over its neighbour in time. What the figures mean, and how steady they are: README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from math import log
from pathlib import Path
from typing import Any

import measure
import picture

HERE = Path(__file__).resolve().parent
PYTHON = measure.python()
ORACLES = Path(
    os.environ.get("KRM_HARDEN_ORACLES")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-oracles"
)
TARGETS = {"start": 4.0, "ratio": 4.0, "exponent": 1.05, "kustomize": 0.5, "kpt": 1.0, "check": 2.5}
PIPELINE = 200
MEGA = 1_000_000
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
        commands[f"compose {name}"] = {"argv": [PYTHON, str(HERE / "compose.py")], "stdin": str(source)}
    found = measure.elsewhere(commands, runs)
    return {
        name: {
            "bytes": source.stat().st_size,
            "cpu": measure.middle(found[f"function {name}"]),
            "wall": measure.middle(found[f"function {name}"], "wall"),
            "memory": max(run["memory"] for run in found[f"function {name}"]),
            "bound": memory_bound(source.stat().st_size),
            "compose": measure.middle(found[f"compose {name}"]),
            "compose_memory": measure.middle(found[f"compose {name}"], "memory"),
            **_spread(measure.ratios(found[f"function {name}"], found[f"compose {name}"])),
        }
        for name, source in sources.items()
    }


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
            "compose": {"argv": [PYTHON, str(HERE / "compose.py")], "stdin": str(source)},
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


def pipelines(folder: Path, script: Path, runs: int) -> dict[str, dict[str, float]]:
    """200 Deployments in kustomize and kpt, the function against cat in its place, where those are here."""
    manifests = make_input(folder, "manifests", PIPELINE, "--plain")
    found = {}
    for name, prepare in (("kustomize", _kustomize), ("kpt", _kpt)):
        program = tool(name)
        if program is None:
            continue
        measured = measure.elsewhere(
            {
                who: {"argv": prepare(program, folder, manifests, who, path)}
                for who, path in (("cat", shutil.which("cat") or "/bin/cat"), ("function", str(script)))
            },
            runs,
        )
        found[name] = {
            f"{who}_{what}": measure.middle(measured[who], what) for who in measured for what in ("cpu", "wall")
        }
        for what in ("cpu", "wall"):
            extra = [one[what] - other[what] for one, other in zip(measured["function"], measured["cat"], strict=True)]
            found[name][f"extra_{what}"] = measure.median(extra)
    return found


def tool(name: str) -> str | None:
    """A program on PATH, or of the judges' cache."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), str(ORACLES / "bin")]))


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


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    found = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} usable",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PyYAML": version("pyyaml"),
        "krm-harden": version("krm-harden"),
    }
    for name, arguments in (("kustomize", ["version"]), ("kpt", ["version"])):
        program = tool(name)
        if program:
            done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
            found[name] = done.stdout.strip().removeprefix("v")
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    runs = options.runs
    with tempfile.TemporaryDirectory(prefix="krm-harden-bench-") as name:
        folder = Path(name)
        script = measure.write_script(folder)
        _say("start-up, 12 Deployments")
        result: dict[str, Any] = {"machine": machine(), "runs": runs, "start": start_up(folder, script, runs)}
        counts = [12, 200, 1000] if options.quick else [12, 200, 1000, 10_000]
        sources = {str(count): make_input(folder, f"list-{count}", count) for count in counts}
        check_hardened(folder, script, sources["1000"], 1000)
        _say(f"lists of {', '.join(sources)} Deployments")
        result["lists"] = lists(script, sources, runs)
        if not options.quick:
            small, large = result["lists"]["1000"], result["lists"]["10000"]
            result["exponent"] = {
                "function": exponent(small, large, 10),
                "without_start": exponent(small, large, 10, start=result["start"]["bare"]),
                "compose": exponent(small, large, 10, "compose"),
            }
            _say("10,000 pod templates judged")
            result["check"] = judged(script, sources["10000"], runs)
            _say(f"{PIPELINE} Deployments in kustomize and kpt")
            result["pipelines"] = pipelines(folder, script, runs)
        others = {"1000, setter comments": ("--comments",)}
        if options.boutique:
            others["1000, Online Boutique"] = ("--boutique", options.boutique)
            others["1000, Online Boutique as it is"] = ("--boutique", options.boutique, "--as-is")
        _say("other inputs: " + "; ".join(others))
        result["others"] = lists(
            script,
            {
                label: make_input(folder, f"other-{index}", 1000, *more)
                for index, (label, more) in enumerate(others.items())
            },
            runs,
        )
    return result


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def report(result: dict[str, Any]) -> str:
    """RESULTS.md."""
    start = result["start"]
    rows = [_target("12 Deployments, CPU over `python -I -c pass`", start["ratio"], TARGETS["start"], "times", start)]
    one = result["lists"]["1000"]
    rows.append(_target("1,000 Deployments, CPU over a bare compose", one["ratio"], TARGETS["ratio"], "times", one))
    rows.append(_target("1,000 Deployments, peak memory", one["memory"] / MEGA, one["bound"] / MEGA, "MB"))
    if "10000" in result["lists"]:
        ten = result["lists"]["10000"]
        rows.append(_target("10,000 Deployments, peak memory", ten["memory"] / MEGA, ten["bound"] / MEGA, "MB"))
        rows.append(_target("1,000 to 10,000, exponent", result["exponent"]["function"], TARGETS["exponent"], ""))
    if "check" in result:
        beyond = result["check"]["check"] - result["check"]["compose"]
        rows.append(
            _target("`check` of 10,000 pod templates, CPU beyond a bare compose", beyond, TARGETS["check"], "s")
        )
    for name, found in result.get("pipelines", {}).items():
        label = f"{PIPELINE} Deployments in {name}, CPU more than `cat`"
        rows.append(_target(label, found["extra_cpu"], TARGETS[name], "s"))
    parts = [
        "# Results",
        "Written by `python bench/bench.py --write`; what the figures mean is in [README.md](README.md).",
        "![Cost against work, and start-up](picture.svg)",
        "\n".join(f"- {name}: {value}" for name, value in result["machine"].items())
        + f"\n- medians of {result['runs']} alternating runs (start-up: {max(result['runs'], 5) * 5})",
        "## Targets",
        _table(["what", "measured", "at most", ""], rows),
        "## Lists of Deployments",
        _table(
            [
                "Deployments",
                "input MB",
                "CPU s",
                "wall s",
                "bare compose CPU s",
                "times (lowest to highest)",
                "memory MB",
                "bound MB",
            ],
            [_list_row(name, found) for name, found in {**result["lists"], **result["others"]}.items()],
        ),
    ]
    if "exponent" in result:
        found = result["exponent"]
        parts.append(
            f"From 1,000 to 10,000 the cost grows with the exponent {found['function']:.2f}"
            f" ({found['without_start']:.2f} with Python's own start taken off; the bare compose {found['compose']:.2f})."
        )
    parts += [
        "## Start-up",
        _table(
            ["what", "CPU ms"],
            [
                ["`python -I -S -c pass`", f"{start['no_site'] * 1000:.1f}"],
                ["`python -I -c pass`", f"{start['bare'] * 1000:.1f}"],
                ["the function, 12 Deployments", f"{start['cpu'] * 1000:.1f}"],
            ],
        ),
    ]
    if "check" in result:
        parts += _judged_parts(result["check"])
    if result.get("pipelines"):
        parts += [
            f"## {PIPELINE} Deployments in a pipeline",
            _table(
                ["tool", "`cat`: CPU s", "wall s", "krm-harden: CPU s", "wall s", "more: CPU s", "wall s"],
                [
                    [
                        name,
                        *(
                            f"{found[f'{who}_{what}']:.2f}"
                            for who in ("cat", "function", "extra")
                            for what in ("cpu", "wall")
                        ),
                    ]
                    for name, found in result["pipelines"].items()
                ],
            ),
            "Part of what is more is the tool's own work on a larger output and its results.",
        ]
    return "\n\n".join(parts) + "\n"


def _judged_parts(found: dict[str, float]) -> list[str]:
    rows = [
        ["a bare compose of the same bytes", found["compose"]],
        ["krm-harden's own reader, chunk by chunk", found["parse"]],
        ["that, and the verdict in the server's words", found["verdict"]],
        ["`check`: that, and each finding with line, reason and fix", found["check"]],
        ["the command `krm-harden check`, report included", found["command"]],
    ]
    return [
        "## 10,000 pod templates judged, restricted:latest",
        _table(["what", "CPU s"], [[name, f"{seconds:.2f}"] for name, seconds in rows]),
        f"Beyond its own reading a verdict takes {(found['verdict'] - found['parse']) * 100:.0f} µs a template, `check`"
        f" {(found['check'] - found['parse']) * 100:.0f} µs; there are {found['checks']:,.0f} findings.",
    ]


def _target(label: str, value: float, most: float, unit: str, spread: dict[str, float] | None = None) -> list[str]:
    shown = f"{value:.2f} {unit}".strip()
    if spread:
        shown += f" ({spread['low']:.2f} to {spread['high']:.2f})"
    return [label, shown, f"{most:.2f} {unit}".strip(), "met" if value <= most else "**missed**"]


def _list_row(name: str, found: dict[str, Any]) -> list[str]:
    count, comma, rest = name.partition(",")
    return [
        f"{int(count):,}{comma}{rest}",
        f"{found['bytes'] / MEGA:.2f}",
        f"{found['cpu']:.3f}",
        f"{found['wall']:.3f}",
        f"{found['compose']:.3f}",
        f"{found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
        f"{found['memory'] / MEGA:.0f}",
        f"{found['bound'] / MEGA:.0f}",
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command, at least 5 for figures to quote")
    parser.add_argument("--quick", action="store_true", help="leave out 10,000 Deployments, kustomize and kpt")
    parser.add_argument("--boutique", metavar="FILE", help="also measure copies of the Online Boutique's Deployments")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md, results.json and picture.svg")
    options = parser.parse_args()
    if options.write and (options.quick or options.runs < 5):
        parser.error("--write needs everything, and at least 5 runs")
    result = measured(options)
    sys.stdout.write(report(result))
    if options.write:
        (HERE / "results.json").write_text(json.dumps(result, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(report(result))
        (HERE / "picture.svg").write_text(picture.draw(result))


if __name__ == "__main__":
    main()

"""Measures krm-harden, whole processes, side by side with bare Python, a bare libyaml compose, `cat` and Go tools.

    python bench/bench.py                    measure everything, and print the tables
    python bench/bench.py --write            also RESULTS.md, results.json and picture.svg
    python bench/bench.py --quick            only start-up and up to 1,000 Deployments
    python bench/bench.py --only files       only start-up, the lists and one more part
    python bench/bench.py --boutique FILE    also the Online Boutique's kubernetes-manifests.yaml, 1,000 Deployments

Ratios are medians of each run over its neighbour in time. What the figures mean, and how steady they are: README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import figures
import measure
import picture
import results
from figures import say

HERE = Path(__file__).resolve().parent
PARTS = {
    "bundle": ("20 MB of CustomResourceDefinitions", figures.bundle),
    "streams": ("memory of large files", figures.streams),
    "files": (f"{figures.FILES:,} files, one process and two", figures.many_files),
    "pipelines": (f"{figures.PIPELINE} Deployments in kustomize and kpt", figures.pipelines),
    "peers": ("Go tools", figures.go_tools),
}
"""What is measured beside start-up and lists: what is said of it, and how."""


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All figures that are asked for."""
    runs = options.runs
    with tempfile.TemporaryDirectory(prefix="krm-harden-bench-") as name:
        folder = Path(name)
        script = measure.write_script(folder)
        say("start-up, 12 Deployments")
        result: dict[str, Any] = {"machine": figures.machine(), "runs": runs}
        result["start"] = figures.start_up(folder, script, runs)
        _lists(options, folder, script, result)
        for part, (what, measuring) in PARTS.items():
            if not options.quick and options.only in {None, part}:
                say(what)
                result[part] = measuring(folder, script, runs)
    return result


def _lists(options: argparse.Namespace, folder: Path, script: Path, result: dict[str, Any]) -> None:
    few = options.quick or options.only is not None
    counts = [12, 200, 1000] if few else [12, 200, 1000, 10_000]
    sources = {str(count): figures.make_input(folder, f"list-{count}", count) for count in counts}
    figures.check_hardened(folder, script, sources["1000"], 1000)
    say(f"lists of {', '.join(sources)} Deployments")
    found = result["lists"] = figures.lists(script, sources, options.runs)
    if not few:
        small, large = found["1000"], found["10000"]
        result["exponent"] = {
            "function": figures.exponent(small, large, 10),
            "without_start": figures.exponent(small, large, 10, start=result["start"]["bare"]),
            "compose": figures.exponent(small, large, 10, "compose"),
            "fitted": figures.fitted(found),
        }
        say("10,000 pod templates judged")
        result["check"] = figures.judged(script, sources["10000"], options.runs)
    others = {"1000, setter comments": ("--comments",)}
    if options.boutique:
        others["1000, Online Boutique"] = ("--boutique", options.boutique)
        others["1000, Online Boutique as it is"] = ("--boutique", options.boutique, "--as-is")
    say("other inputs: " + "; ".join(others))
    made = {
        label: figures.make_input(folder, f"other-{index}", 1000, *more)
        for index, (label, more) in enumerate(others.items())
    }
    result["others"] = figures.lists(script, made, options.runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command, at least 5 for figures to quote")
    parser.add_argument("--quick", action="store_true", help="only start-up and up to 1,000 Deployments")
    parser.add_argument("--only", choices=PARTS, help="only start-up, lists and this part")
    parser.add_argument("--boutique", metavar="FILE", help="also measure copies of the Online Boutique's Deployments")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md, results.json and picture.svg")
    options = parser.parse_args()
    if options.write and (options.quick or options.only or options.runs < 5):
        parser.error("--write needs everything, and at least 5 runs")
    result = measured(options)
    sys.stdout.write(results.report(result))
    if options.write:
        (HERE / "results.json").write_text(json.dumps(result, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(results.report(result))
        (HERE / "picture.svg").write_text(picture.draw(result))


if __name__ == "__main__":
    main()

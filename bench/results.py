"""RESULTS.md: the figures as tables, beside what they have to keep."""

from __future__ import annotations

from typing import Any

import peers
from figures import COMPOSED, FILES, MEGA, PEER_COUNTS, PIPELINE, scaled

TARGETS = {
    "start": 3.0,
    "ratio": 2.5,
    "bundle": 0.35,
    "exponent": 1.05,
    "jobs": 1.7,
    "kustomize": 0.3,
    "kpt": 0.3,
    "check": 2.5,
}


def report(result: dict[str, Any]) -> str:
    """RESULTS.md, of as much as was measured."""
    parts = [
        "# Results",
        "Written by `python bench/bench.py --write`; what the figures mean is in [README.md](README.md).",
        "![Cost against work, start-up, pipelines and other tools](picture.svg)",
        "\n".join(f"- {name}: {value}" for name, value in result["machine"].items())
        + f"\n- medians of {result['runs']} alternating runs (start-up: {max(result['runs'], 5) * 5})",
        "## Targets",
        _table(["what", "measured", "target", ""], list(_targets(result))),
        "## Lists of Deployments",
        *_lists(result),
        "## Start-up",
        _start(result["start"]),
    ]
    for name, section in SECTIONS.items():
        if result.get(name):
            parts += section(result[name])
    return "\n\n".join(parts) + "\n"


def _targets(result: dict[str, Any]) -> Any:
    start, one = result["start"], result["lists"]["1000"]
    yield _most("12 Deployments, CPU over `python -I -c pass`", start["ratio"], TARGETS["start"], "times", start)
    yield _most("1,000 Deployments, CPU over a bare compose", one["ratio"], TARGETS["ratio"], "times", one)
    yield _most("1,000 Deployments, peak memory", one["memory"] / MEGA, one["bound"] / MEGA, "MB")
    if "10000" in result["lists"]:
        ten = result["lists"]["10000"]
        yield _most("10,000 Deployments, peak memory", ten["memory"] / MEGA, ten["bound"] / MEGA, "MB")
        yield _most("1,000 to 10,000, exponent", result["exponent"]["function"], TARGETS["exponent"], "")
    for name, found in result.get("bundle", {}).items():
        label = f"20 MB of CRDs, {BUNDLES[name]}, CPU over a bare compose"
        yield _most(label, found["ratio"], TARGETS["bundle"], "times", found)
    for name, found in result.get("streams", {}).items():
        yield _most(
            f"`{name.replace(',', '` of', 1)}, peak memory", found["memory"] / MEGA, found["bound"] / MEGA, "MB"
        )
    for name, found in result.get("files", {}).items():
        label = f"`{name}` of {FILES:,} files, wall of `--jobs 1` over `--jobs 2`"
        yield _least(label, found["ratio"], TARGETS["jobs"], "times", found)
    for name, found in result.get("pipelines", {}).items():
        label = f"{PIPELINE} Deployments in {name}, more than `cat`"
        yield _most(label, found["extra_wall"], TARGETS[name], "s")
    if "check" in result:
        beyond = result["check"]["check"] - result["check"]["compose"]
        yield _most("`check` of 10,000 pod templates, CPU beyond a bare compose", beyond, TARGETS["check"], "s")
    for count in PEER_COUNTS if result.get("peers") else ():
        yield _fastest(result, count)


def _fastest(result: dict[str, Any], count: int) -> list[str]:
    """The function over the quickest Go tool, measured or scaled."""
    found = {name: each[str(count)]["cpu"] for name, each in result["peers"].items()}
    ours = found["krm-harden"]
    here = {name: seconds for name, seconds in found.items() if name != COMPOSED and "krm-harden" not in name}
    others = here | scaled(result["peers"], count)
    name = min(others, key=others.__getitem__)
    label = f"{count:,} Deployments, CPU of the function over the quickest Go tool's ({name})"
    return _most(label, ours / others[name], 1.0, "times")


BUNDLES = {"list": "the function", "file": "`fix --diff`"}


def _lists(result: dict[str, Any]) -> list[str]:
    head = ["Deployments", "input MB", "CPU s", "wall s", "bare compose CPU s", "times (lowest to highest)"]
    rows = [[_name(name), *_beside(found)] for name, found in {**result["lists"], **result.get("others", {})}.items()]
    parts = [_table([*head, "memory MB", "bound MB"], rows)]
    if "exponent" in result:
        found = result["exponent"]
        parts.append(
            f"From 1,000 to 10,000 the cost grows with the exponent {found['function']:.2f}"
            f" ({found['without_start']:.2f} with Python's own start taken off; the bare compose {found['compose']:.2f});"
            f" a line fitted through all four has {found['fitted']:.2f}."
        )
    return parts


def _name(name: str) -> str:
    count, comma, rest = name.partition(",")
    return f"{int(count):,}{comma}{rest}"


def _beside(found: dict[str, Any]) -> list[str]:
    return [
        f"{found['bytes'] / MEGA:.2f}",
        f"{found['cpu']:.3f}",
        f"{found['wall']:.3f}",
        f"{found['compose']:.3f}",
        f"{found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
        f"{found['memory'] / MEGA:.0f}",
        f"{found['bound'] / MEGA:.0f}",
    ]


def _start(start: dict[str, Any]) -> str:
    rows = {
        "`python -I -S -c pass`": start["no_site"],
        "`python -I -c pass`": start["bare"],
        "the function, 12 Deployments": start["cpu"],
    }
    return _table(["what", "CPU ms"], [[name, f"{seconds * 1000:.1f}"] for name, seconds in rows.items()])


def _bundle(found: dict[str, Any]) -> list[str]:
    head = ["20 MB, mostly CRDs", "MB", "CPU s", "wall s", "bare compose CPU s", "times (lowest to highest)"]
    rows = [[BUNDLES[name], *_beside(each)] for name, each in found.items()]
    return ["## Definitions", _table([*head, "memory MB", "bound MB"], rows)]


def _streams(found: dict[str, Any]) -> list[str]:
    rows = [
        [f"`{name.replace(',', '`,', 1)}", *(f"{each[what] / MEGA:.1f}" for what in ("bytes", "memory", "bound"))]
        for name, each in found.items()
    ]
    text = "Memory is that of the largest document, not of the file: the bound is 40 MB and 30 times that document."
    return ["## Files as streams", _table(["what", "file MB", "peak memory MB", "bound MB"], rows), text]


def _files(found: dict[str, Any]) -> list[str]:
    head = ["command", "wall s, 1 process", "wall s, 2", "CPU s, 1", "CPU s, 2", "as fast (lowest to highest)"]
    rows = [
        [
            f"`{name}`",
            *(f"{each[what]:.2f}" for what in ("wall_1", "wall_2", "cpu_1", "cpu_2")),
            f"{each['ratio']:.2f} times ({each['low']:.2f} to {each['high']:.2f})",
        ]
        for name, each in found.items()
    ]
    return [f"## {FILES:,} files", _table(head, rows)]


def _check(found: dict[str, float]) -> list[str]:
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


def _pipelines(found: dict[str, Any]) -> list[str]:
    measured = {"cat": "`cat`", "printed": "the output printed by `cat`", "function": "krm-harden"}
    more = {"extra": "krm-harden: more than `cat`", "own": "krm-harden: more than the output printed"}
    rows = [
        [f"{name}: {label}", *_seconds(each, who)]
        for name, each in found.items()
        for who, label in {**measured, **more}.items()
        if f"{who}_cpu" in each
    ]
    text = (
        "The output printed by `cat`: a program that only prints what the function said, on both streams. What that takes"
        " more than `cat` is the tool's own work on a larger output and its results: no function that writes it is cheaper."
    )
    return [f"## {PIPELINE} Deployments in a pipeline", _table(["tool", "CPU s", "wall s"], rows), text]


def _seconds(each: dict[str, float], who: str) -> list[str]:
    return [f"{each[f'{who}_{what}']:.2f}" for what in ("cpu", "wall")]


def _peers(found: dict[str, Any]) -> list[str]:
    rows = [
        [name, *(f"{each[str(count)]['cpu']:.2f}" for count in PEER_COUNTS), f"{each['1000']['memory'] / MEGA:.0f}"]
        for name, each in sorted(found.items(), key=lambda item: item[1]["1000"]["cpu"])
        if name != COMPOSED
    ]
    head = ["tool", *(f"{count:,} Deployments, CPU s" for count in PEER_COUNTS)]
    parts = ["## Beside the Go tools that write", _table([*head, "memory MB"], rows)]
    elsewhere = {count: scaled(found, count) for count in PEER_COUNTS}
    if elsewhere[1000]:
        now = found[COMPOSED]["1000"]["cpu"]
        parts += [
            f"Not on this machine; measured on another day, and scaled by a bare compose of 1,000 Deployments as one"
            f" ResourceList, which took {peers.RECORDED_COMPOSE:.3f} s then and takes {now:.3f} s here:",
            _table(
                head,
                [
                    [name, *(f"{elsewhere[count][name]:.2f} (then {each[count]:.2f})" for count in PEER_COUNTS)]
                    for name, each in peers.RECORDED.items()
                    if name in elsewhere[1000]
                ],
            ),
        ]
    return parts


SECTIONS = {
    "bundle": _bundle,
    "streams": _streams,
    "files": _files,
    "check": _check,
    "pipelines": _pipelines,
    "peers": _peers,
}


def _most(label: str, value: float, most: float, unit: str, spread: dict[str, float] | None = None) -> list[str]:
    shown = _shown(value, unit, spread)
    return [label, shown, f"at most {most:.2f} {unit}".strip(), "met" if value <= most else "**missed**"]


def _least(label: str, value: float, least: float, unit: str, spread: dict[str, float]) -> list[str]:
    shown = _shown(value, unit, spread)
    return [label, shown, f"at least {least:.2f} {unit}", "met" if value >= least else "**missed**"]


def _shown(value: float, unit: str, spread: dict[str, float] | None) -> str:
    shown = f"{value:.2f} {unit}".strip()
    return f"{shown} ({spread['low']:.2f} to {spread['high']:.2f})" if spread else shown


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])

"""Draws picture.svg from results.json: cost against work beside a bare compose, start-up, pipelines, other tools.

    python bench/picture.py

One file without scripts or fonts of its own; its colours follow the reader's light or dark mode.
"""

from __future__ import annotations

import json
from math import log10
from pathlib import Path
from typing import Any

from figures import COMPOSED, FILES, scaled
from results import TARGETS

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 900, 660
BELOW = 420
"""Where the lower half begins."""
STYLE = """\
  .paper { fill: #ffffff; stroke: #d8dee4 } .grid { stroke: #e6eaee } .axis { stroke: #9aa4af }
  .text { fill: #1f2328 } .soft { fill: #59636e }
  .ours { stroke: #0a6c74; fill: none } .ours-fill { fill: #0a6c74 }
  .bare { stroke: #8a6d3b; fill: none } .bare-fill { fill: #b08d4f }
  .limit { stroke: #b42318; fill: none } .limit-text { fill: #b42318 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d } .grid { stroke: #21262d } .axis { stroke: #6e7681 }
    .text { fill: #e6edf3 } .soft { fill: #9198a1 }
    .ours { stroke: #4fc3c9 } .ours-fill { fill: #4fc3c9 }
    .bare { stroke: #d8b46a } .bare-fill { fill: #b8924a }
    .limit { stroke: #ff7b72 } .limit-text { fill: #ff7b72 }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 15px; font-weight: 600 } .small { font-size: 12px } .strong { font-weight: 600 }
"""


def draw(result: dict[str, Any]) -> str:
    """The picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">',
        "<title>CPU time of krm-harden against the number of Deployments, of its start, in pipelines and beside other tools</title>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        *_curves(result),
        *_bars(result),
        *_tools(result),
        *_files(result),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Plot:
    """A log-log field: `place` of a count and seconds in the picture."""

    left, right, top, bottom = 78, 520, 70, 356

    def __init__(self, counts: list[int], seconds: list[float]) -> None:
        self.counts = (log10(min(counts)) - 0.12, log10(max(counts)) + 0.12)
        self.decades = range(_floor(min(seconds)), _floor(max(seconds)) + 2)
        self.seconds = (float(self.decades[0]), log10(max(seconds)) + 0.2)

    def place(self, count: float, seconds: float) -> tuple[float, float]:
        across = (log10(count) - self.counts[0]) / (self.counts[1] - self.counts[0])
        up = (log10(seconds) - self.seconds[0]) / (self.seconds[1] - self.seconds[0])
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def _floor(seconds: float) -> int:
    return int(log10(seconds) // 1)


def _curves(result: dict[str, Any]) -> list[str]:
    found = {int(count): figures for count, figures in result["lists"].items()}
    limit = {count: TARGETS["ratio"] * figures["compose"] for count, figures in found.items() if count >= 1000}
    values = [figures[what] for figures in found.values() for what in ("cpu", "compose")]
    plot = _Plot(list(found), [*values, *limit.values()])
    parts = [
        _text(24, 32, "CPU time of the whole process", "text title"),
        _text(24, 51, "a ResourceList of Deployments, each gets every field, every edit verified", "soft small"),
    ]
    for decade in plot.decades:
        if decade > plot.seconds[1]:
            continue
        _, y = plot.place(12, 10.0**decade)
        label = f"{10**decade} s" if decade >= 0 else f"{10 ** (decade + 3)} ms"
        parts += [
            _line("grid", [(plot.left, y), (plot.right, y)]),
            _text(plot.left - 8, y + 4, label, "soft small", "end"),
        ]
    for count in found:
        x, _ = plot.place(count, 1)
        parts += [
            _line("grid", [(x, plot.top), (x, plot.bottom)]),
            _text(x, plot.bottom + 19, f"{count:,}", "soft small", "middle"),
        ]
    parts += [
        _line("axis", [(plot.left, plot.bottom), (plot.right, plot.bottom)]),
        _text((plot.left + plot.right) / 2, plot.bottom + 40, "Deployments", "soft small", "middle"),
    ]
    for name, what in (("bare", "compose"), ("ours", "cpu")):
        points = [plot.place(count, figures[what]) for count, figures in found.items()]
        parts.append(_line(name, points, 'stroke-width="2.5" stroke-linejoin="round"'))
        parts += [f'<circle class="{name}-fill" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points]
    if len(limit) > 1:
        points = [plot.place(count, seconds) for count, seconds in limit.items()]
        parts.append(_line("limit", points, 'stroke-width="1.5" stroke-dasharray="4 4"'))
    return parts + _legend(result, with_limit=len(limit) > 1)


def _legend(result: dict[str, Any], *, with_limit: bool) -> list[str]:
    ratio = result["lists"]["1000"]["ratio"]
    rows = [
        ("ours", "krm-harden", f"{ratio:.1f} times the compose at 1,000"),
        ("bare", "libyaml", "yaml.compose of the same bytes, collector off"),
    ]
    if with_limit:
        rows.append(("limit", "limit", f"{TARGETS['ratio']} times that"))
    parts = []
    for index, (name, title, rest) in enumerate(rows):
        y = 86 + 19 * index
        stroke = 'stroke-width="1.5" stroke-dasharray="4 4"' if name == "limit" else 'stroke-width="2.5"'
        parts.append(_line(name, [(90, y - 4), (110, y - 4)], stroke))
        parts.append(
            f'<text class="text small" x="118" y="{y}"><tspan class="strong">{title}</tspan> <tspan class="soft">{rest}</tspan></text>'
        )
    return parts


def _bars(result: dict[str, Any]) -> list[str]:
    start = result["start"]
    left, right = 566, 872
    parts = [
        _text(left, 32, "Start-up", "text title"),
        _text(left, 51, "CPU time, milliseconds", "soft small"),
    ]
    rows = [
        ("bare-fill", "python -I -c pass", start["bare"]),
        ("ours-fill", "the function, 12 Deployments", start["cpu"]),
    ]
    most = max(start["cpu"], TARGETS["start"] * start["bare"]) * 1.06
    parts += _bar_rows(rows, left, right, 70, most, lambda value: f"{value * 1000:.0f} ms")
    at = left + TARGETS["start"] * start["bare"] / most * (right - left)
    parts += [
        _line("limit", [(at, 70), (at, 160)], 'stroke-width="1.5" stroke-dasharray="4 4"'),
        _text(
            at,
            174,
            f"limit: {TARGETS['start']:g} times bare Python",
            "limit-text small",
            "end" if at > left + 180 else "start",
        ),
    ]
    found = result.get("pipelines", {})
    if found:
        rows = []
        for name, figures in found.items():
            rows.append(("bare-fill", f"{name} with cat", figures["cat_cpu"]))
            rows.append(("ours-fill", f"{name} with krm-harden", figures["function_cpu"]))
        parts += [
            _text(left, 206, "In a pipeline", "text title"),
            _text(left, 225, "200 Deployments, CPU time of tool and function", "soft small"),
        ]
        most = max(value for _, _, value in rows) * 1.22
        parts += _bar_rows(rows, left, right, 238, most, lambda value: f"{value:.2f} s")
    return parts


def _tools(result: dict[str, Any]) -> list[str]:
    """What other tools that write take for 1,000 Deployments; those that aren't here, scaled from another day."""
    measured = result.get("peers", {})
    if not measured:
        return []
    found = {name: each["1000"]["cpu"] for name, each in measured.items() if name != COMPOSED}
    found |= {f"{name} (scaled)": seconds for name, seconds in scaled(measured, 1000).items()}
    rows = sorted((seconds, name) for name, seconds in found.items() if "fix" not in name or "krm" not in name)
    bars = [("ours-fill" if name == "krm-harden" else "bare-fill", name, seconds) for seconds, name in rows]
    return [
        _text(24, BELOW + 8, "Tools that write hardening fields", "text title"),
        _text(24, BELOW + 27, "1,000 Deployments, CPU time", "soft small"),
        *_bar_rows(bars, 24, 520, BELOW + 40, max(rows)[0] * 1.1, lambda value: f"{value:.1f} s"),
    ]


def _files(result: dict[str, Any]) -> list[str]:
    """How long many files take, by one process and by two."""
    found = result.get("files", {})
    if not found:
        return []
    rows = [
        (style, f"{name}, {jobs}", each[f"wall_{jobs[0]}"])
        for name, each in found.items()
        for style, jobs in (("bare-fill", "1 process"), ("ours-fill", "2 processes"))
    ]
    return [
        _text(566, BELOW + 8, f"{FILES:,} files", "text title"),
        _text(566, BELOW + 27, "wall time", "soft small"),
        *_bar_rows(rows, 566, 872, BELOW + 40, max(row[2] for row in rows) * 1.2, lambda value: f"{value:.1f} s"),
    ]


def _bar_rows(
    rows: list[tuple[str, str, float]], left: int, right: int, top: int, most: float, shown: Any
) -> list[str]:
    parts = []
    for index, (name, label, value) in enumerate(rows):
        y = top + 42 * index
        width = value / most * (right - left)
        inside = width > (right - left) * 0.86
        parts += [
            _text(left, y + 12, label, "text small"),
            f'<rect class="{name}" x="{left}" y="{y + 18}" width="{width:.1f}" height="12" rx="2"/>',
            _text(
                right if inside else left + width + 6,
                y + 12 if inside else y + 28,
                shown(value),
                "text small strong",
                "end" if inside else "start",
            ),
        ]
    return parts


def _text(x: float, y: float, text: str, classes: str, anchor: str = "start") -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _line(classes: str, points: list[tuple[float, float]], more: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{classes}" points="{path}" {more}/>'.replace(" />", "/>")


if __name__ == "__main__":
    (HERE / "picture.svg").write_text(draw(json.loads((HERE / "results.json").read_text())))

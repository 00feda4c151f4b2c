"""The report as one HTML page that needs nothing else: a heat map, each namespace's readiness, every finding.

Made from the JSON report alone. The page loads nothing: its Content-Security-Policy names its one style and one script
by their hashes, and everything from a manifest is text in it, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.errors import InputError
from krm_harden.model import LEVELS
from krm_harden.reports import _heat_map, _readiness
from krm_harden.reports import json as json_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.reports._readiness import Standing

REPOSITORY = "https://github.com/krm-harden/krm-harden"
SHOWN = 100
"""Rows of a table that are open; the others are folded away."""
DECISIONS = frozenset({"explicit", "manual", "refused"})


class Figures(NamedTuple):
    """A report in numbers. `today` and `fixed` count workloads that meet the level asked of them."""

    workloads: int
    today: int
    fixed: int
    exempt: int
    findings: int
    risks: dict[str, int]
    decisions: int
    undecided: int


class Point(NamedTuple):
    """One report of a trend, with its place in the chart."""

    created: str
    figures: Figures
    x: float
    y: float
    share: int


class Listed(NamedTuple):
    """One object as it is read without the script."""

    kind: str
    name: str
    place: str
    verdict: str
    findings: list[tuple[str, str, str, str, str]]
    exemptions: list[str]


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The page of a whole run."""
    return from_document(json_report.report(inputs, warnings))


def from_document(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page of a JSON report, with a trend where `earlier` reports are given, the oldest first.

    Raises InputError for a report that has no findings, such as that of several levels.
    """
    for one in (document, *earlier):
        if "resources" not in one:
            raise InputError("the report has no findings to show", next_step="make it at one level and version")
    import jinja2

    style, script = _text("page.css"), _text("page.js")
    standings = _readiness.standings(document)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["seen"] = _heat_map.seen
    environment.filters["number"] = "{:,}".format
    environment.filters["times"] = _times
    page = environment.from_string(_text("page.html"))
    return page.render(
        style=_trusted(style),
        script=_trusted(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=_trusted(_inlined(_heat_map.data(document, _docs(document), standings))),
        document={"tool": None, "sources": [], "warnings": [], **document},
        figures=figures(document, standings),
        levels=_asked(document, "level"),
        versions=_asked(document, "version"),
        readiness=_readiness.readiness(document, standings),
        trend=trend((*earlier, document)) if earlier else [],
        states=_heat_map.STATES,
        listing=listing(document, standings),
        columns=_heat_map.columns(document["resources"]),
        created=_day(document),
        shown=SHOWN,
        share=share,
    )


def figures(document: Mapping[str, Any], known: Sequence[Standing | None]) -> Figures:
    """A report, whose `standings` are known, in numbers."""
    workloads = [one for one in document["resources"] if _readiness.is_workload(one)]
    standings = list(filter(None, known))
    findings = [finding for one in document["resources"] for finding in one["findings"]]
    states = Counter(finding["state"] for finding in findings)
    fixes = (finding for finding in findings if _readiness.is_mended(finding))
    return Figures(
        len(workloads),
        sum(one.today == one.judged for one in standings),
        sum(one.fixed == one.judged for one in standings),
        sum(one.exempt for one in standings),
        len(findings),
        dict(Counter(finding["risk"] for finding in fixes)),
        sum(states[state] for state in DECISIONS),
        sum(any(finding["state"] in DECISIONS for finding in one["findings"]) for one in workloads),
    )


def share(part: int, whole: int) -> int:
    """Per cent; 100 only if nothing is missing, 0 only if there is nothing."""
    exact = 100 * part / whole if whole else 100.0
    return min(max(round(exact), int(part > 0)), 99 if part < whole else 100)


def _times(count: int, word: str) -> str:
    """`1 workload`, `2 workloads`."""
    return f"{count:,} {word}{'s' * (count != 1)}"


WIDTH, HEIGHT = 640, 120
"""Of the trend's chart, in its own units."""


def trend(documents: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The share of workloads that meet their level, report by report, in order of their time where all have one."""
    if all(one.get("created") for one in documents):
        documents = sorted(documents, key=lambda one: str(one["created"]))
    step = WIDTH / max(len(documents) - 1, 1)
    points = []
    for index, document in enumerate(documents):
        known = figures(document, _readiness.standings(document))
        part = known.today / known.workloads if known.workloads else 1
        shown = share(known.today, known.workloads)
        points.append(Point(_day(document), known, round(index * step, 1), round(HEIGHT * (1 - part), 1), shown))
    return points


def listing(
    document: Mapping[str, Any], standings: Sequence[Standing | None]
) -> Iterator[tuple[str, Iterator[Listed]]]:
    """By namespace every object with a finding."""
    groups: dict[str, list[tuple[Mapping[str, Any], Standing | None]]] = {}
    for one, standing in zip(document["resources"], standings, strict=True):
        if one["findings"] or not one["allowed"]:
            home = one["namespace"] if standing else one["name"]
            groups.setdefault(home, []).append((one, standing))
    for name in sorted(groups, key=lambda name: (not name, name)):
        yield name, itertools.starmap(_listed, groups[name])


_TITLES = {state.id: state.title for state in _heat_map.STATES}


def _listed(resource: Mapping[str, Any], standing: Standing | None) -> Listed:
    source = f"{resource['source']}: " if resource.get("source") else ""
    exemptions = dict.fromkeys(finding["exemption"] for finding in resource["findings"] if finding["exemption"])
    return Listed(
        resource["kind"],
        resource["name"],
        f"{source}{resource['file']}:{resource['line']}",
        f"today {standing.today}, after fix {standing.fixed}" if standing else "",
        list(_said(resource["findings"])),
        [_heat_map.visible(_heat_map.pasted(one)) for one in exemptions],
    )


def _said(findings: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str, str]]:
    """Findings as lines: control, state, what is so, what says so, where. Containers that say the same share one."""
    groups: dict[tuple[str, str, str, str], list[tuple[str, int]]] = {}
    for finding in findings:
        container, message = finding.get("container") or "", finding["message"]
        more = finding["evidence"] or ("" if finding["reason"] in message else finding["reason"])
        shared = message.replace(f'container "{container}"', _heat_map.CONTAINER)
        key = (finding["control"], _TITLES[_heat_map.look(finding)], shared, more)
        groups.setdefault(key, []).append((container, finding["line"]))
    for (control, state, shared, more), places in groups.items():
        names = dict.fromkeys(name for name, _ in places)
        who = f"container{'s' * (len(names) > 1)} " + ", ".join(f'"{name}"' for name in names)
        lines = ", ".join(str(line) for line in dict.fromkeys(line for _, line in places) if line)
        yield control, state, shared.replace(_heat_map.CONTAINER, who), more, lines


def _asked(document: Mapping[str, Any], field: str) -> list[str]:
    """The levels, or versions, that the workloads were judged by."""
    found = {one[field] for one in document["resources"] if _readiness.is_workload(one)}
    return sorted(found, key=lambda one: (LEVELS.index(one) if one in LEVELS else 0, one))


def _day(document: Mapping[str, Any]) -> str:
    return str(document.get("created") or "")[:16].replace("T", " ")


def _docs(document: Mapping[str, Any]) -> str:
    """Where the controls are described, for the release that made the report."""
    version = str((document.get("tool") or {}).get("version") or "")
    known = version.replace(".", "").isalnum() and version.isascii()
    return f"{REPOSITORY}/blob/{'v' + version if known else 'main'}/docs/controls.md"


def _text(name: str) -> str:
    from importlib import resources

    return (resources.files("krm_harden.reports") / "_html" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what may stand in a page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inlined(value: Any) -> str:
    """JSON that can stand in a script element: no `<` can end it, or begin a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _trusted(text: str) -> Any:
    """A text of ours that the template takes as it is."""
    import markupsafe

    return markupsafe.Markup(text)  # noqa: S704 - our own files, and JSON without `<`

"""The heat map of a JSON report, workloads by controls, as compact data for the page's script.

Every text is stored once, and so is everything that findings of several objects have in common. Names are data from
manifests: what a reader couldn't see, or what would turn the text around, is written as an escape, and what is longer
than anybody reads is cut.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.controls import NAMESPACES, POD_SECURITY_POLICY, POD_SECURITY_POLICY_IDS, VULNERABILITIES, load
from krm_harden.model import parse_version
from krm_harden.reports import _readiness

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from krm_harden.reports._readiness import Standing

LONGEST = 2000
"""Of the letters of a text that are shown."""
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_SURROGATE = re.compile("[\ud800-\udfff\x00-\x03]")
NAME, NAMESPACE, CONTAINER = "\x01", "\x02", "\x03"
"""What stands in shared texts for what differs from object to object."""
LABELS = (
    "team",
    "app.kubernetes.io/part-of",
    "owner",
    "app.kubernetes.io/team",
    "squad",
    "app",
    "app.kubernetes.io/name",
)
"""Labels that often say whose a workload is, the likeliest first."""
MOST_LABELS = 30


class State(NamedTuple):
    """One look of a cell: its id, its words, and what it means. Later ones hide earlier ones in a cell."""

    id: str
    title: str
    meaning: str


STATES = (
    State("none", "Not asked for", "the control doesn't apply to this object, or the run's level doesn't ask for it"),
    State("passes", "Passes", "nothing to do"),
    State("notice", "Notice", "a remark: a stale default, labels, or an exemption that does nothing"),
    State("safe", "Fix: safe", "nothing is known to break by it"),
    State("evidence", "Fix: by evidence", "the policy, a lock or the catalogue says that it fits"),
    State("exempt", "Exempt", "the policy exempts it"),
    State("may-break", "Fix: may break", "a default, because nobody described the image"),
    State("deferred", "Deferred", "the policy's changes stop before it"),
    State("explicit", "Explicit", "the author wrote something weaker, so it is left alone"),
    State("manual", "Manual", "nothing safe can be written; the reason says what to do"),
    State("refused", "Refused", "it would stop the container"),
    State("off", "Not reported", "the standard refuses it, and the policy has switched the control off"),
    State("fails", "Fails", "not as the control asks for"),
)
"""In the order of gravity. `fails` is for the view of before; the states of findings are mapped by `_look`."""
_INDEX = {state.id: index for index, state in enumerate(STATES)}
LEVELS = ("baseline", "restricted", "beyond")
LEVEL_TITLES = ("Baseline", "Restricted", "Beyond")


class Column(NamedTuple):
    """A control of the heat map; `level` is an index of LEVELS."""

    id: str
    title: str
    level: int


class Texts:
    """Texts by number, each once. The only thing here that grows while the data is made."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}
        self.all: list[Any] = []

    def add(self, value: Any, key: Hashable = None) -> int:
        """The number of a text, or of a record that `key` stands for."""
        name = value if key is None else key
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = len(self.all)
            self.all.append(value)
        return found


def seen(text: str) -> str:
    """A text as it is shown: nothing in it is invisible, turns it around, or goes on for ever."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} letters)"
    return visible(text)


def visible(text: str) -> str:
    """A text with an escape for what couldn't be seen, or would turn it around."""
    return text if text.isprintable() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def pasted(text: str) -> str:
    """A text that is to be pasted, so that it may not be cut."""
    return (
        _SURROGATE.sub("\ufffd", text) if len(text) <= 10 * LONGEST else "(too long to be shown: see the JSON report)"
    )


def value(data: Any) -> str:
    """A value as JSON; one that is too long as what can be shown of it."""
    text = json.dumps(data, ensure_ascii=False)
    return _SURROGATE.sub("\ufffd", text if len(text) <= LONGEST else json.dumps(seen(text), ensure_ascii=False))


def look(finding: Mapping[str, Any]) -> str:
    """The id of the state that a finding gives its cell."""
    state = finding["state"]
    if _readiness.is_deferred(finding):
        return "deferred"
    if state in _readiness.FIXES and not _readiness.is_mended(finding):
        return "manual"
    if state in _readiness.FIXES:
        return finding["risk"] if finding["risk"] in _INDEX else "safe"
    return state if state in _INDEX else "notice"


def columns(resources: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Of the standard the controls that the run asked for, and of the others those that have a finding."""
    asked = {(one["level"], one["version"]) for one in resources if _readiness.is_workload(one)}
    found = {finding["control"] for one in resources for finding in one["findings"]}
    made = [
        Column(control.id, control.title, LEVELS.index(control.level) if control.standard else 2)
        for control in load().values()
        if control.id in found or (control.standard and any(_holds(control, *one) for one in asked))
    ]
    if NAMESPACES in found:
        made.append(Column(NAMESPACES, "Pod Security labels", 2))
    if VULNERABILITIES in found:
        made.append(Column(VULNERABILITIES, "Vulnerabilities of images", 2))
    of_policies = (POD_SECURITY_POLICY, *POD_SECURITY_POLICY_IDS)
    made += [Column(name, name.replace("podS", "PodS", 1), 2) for name in of_policies if name in found]
    return sorted(made, key=lambda column: column.level)


def _holds(control: Any, level: str, version: str) -> bool:
    known = parse_version(version)
    asked = {"baseline": ("baseline",), "restricted": ("baseline", "restricted")}.get(level, ())
    return control.level in asked and (known is None or control.check(known) is not None)


def data(document: Mapping[str, Any], docs: str, standings: Sequence[Standing | None]) -> dict[str, Any]:
    """What the page's script reads, of a report and its `standings`. The script says what each key is (page.js)."""
    resources = document["resources"]
    known = columns(resources)
    places = {column.id: index for index, column in enumerate(known)}
    texts, kinds = Texts(), Texts()
    keys = label_keys(resources)
    namespaces = Texts()
    pairs = zip(resources, standings, strict=True)
    objects = [_object(one, standing, texts, kinds, namespaces, places, keys) for one, standing in pairs]
    return {
        "docs": docs,
        "states": [[state.id, state.title, state.meaning] for state in STATES],
        "levels": LEVEL_TITLES,
        "columns": known,
        "labels": [seen(key) for key in keys],
        "namespaces": namespaces.all,
        "kinds": kinds.all,
        "objects": objects,
        "strings": texts.all,
    }


def _object(
    resource: Mapping[str, Any],
    standing: Standing | None,
    texts: Texts,
    kinds: Texts,
    namespaces: Texts,
    places: Mapping[str, int],
    keys: Sequence[str],
) -> list[Any]:
    findings: list[int] = []
    for finding in resource["findings"]:
        findings += _finding(finding, resource, texts, kinds, places)
    labels: list[int] = []
    for index, key in enumerate(keys):
        if key in (resource.get("labels") or {}):
            labels += [index, texts.add(seen(resource["labels"][key]))]
    off = sorted(places[name] for name in standing.unreported if name in places) if standing else []
    home = resource["namespace"] if standing else resource["name"]
    return [
        namespaces.add(seen(home)),
        texts.add(seen(resource["kind"])),
        texts.add(seen(resource["name"])),
        texts.add(seen(resource["file"])),
        resource["line"],
        texts.add(seen(resource.get("source") or "")),
        texts.add(resource["level"] if standing else ""),
        texts.add(standing.today if standing else ""),
        texts.add(standing.fixed if standing else ""),
        texts.add(seen(resource["message"])),
        texts.add(value(resource["operations"]) if resource["operations"] else ""),
        labels,
        off,
        findings,
    ]


def _finding(
    finding: Mapping[str, Any], resource: Mapping[str, Any], texts: Texts, kinds: Texts, places: Mapping[str, int]
) -> list[int]:
    """Four numbers: what it has in common with others, its line, its column and its container."""
    container = finding.get("container") or ""
    own = places.get(finding["control"], -1)
    columns_ = sorted({own, *(places[name] for name in _readiness.shows(finding) if name in places)} - {-1})
    record = (
        texts.add(seen(finding["control"])),
        tuple(columns_),
        _INDEX[look(finding)],
        texts.add(seen(finding["state"])),
        texts.add(finding["risk"]),
        texts.add(finding["severity"]),
        texts.add(seen(finding["path"])),
        texts.add(value(finding["current"])),
        texts.add(value(finding["proposed"])),
        texts.add(_shared(seen(finding["message"]), "", "", seen(container))),
        texts.add(_shared(seen(finding["reason"]), "", "", seen(container))),
        texts.add(seen(finding["evidence"])),
        texts.add(_shared(pasted(finding["exemption"]), resource["name"], resource["namespace"], container)),
    )
    return [
        kinds.add(record, record),
        finding["line"],
        finding.get("column") or 0,
        texts.add(seen(container)),
    ]


def _shared(text: str, name: str, namespace: str, container: str) -> str:
    """A text with marks for what only this object has: the script puts it back."""
    for said, mark in (
        (f"names: [{name}]", f"names: [{NAME}]"),
        (f"namespaces: [{namespace}]", f"namespaces: [{NAMESPACE}]"),
        (f"containers: [{container}]", f"containers: [{CONTAINER}]"),
        (f'container "{container}"', f'container "{CONTAINER}"'),
    ):
        text = text.replace(said, mark)
    return text


def label_keys(resources: Iterable[Mapping[str, Any]]) -> list[str]:
    """The labels to filter by: those that often name a team first, then those that most objects have.

    A label with nearly as many values as objects sorts nothing.
    """
    counts: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    for resource in resources:
        for key, said in (resource.get("labels") or {}).items():
            counts[key] = counts.get(key, 0) + 1
            values.setdefault(key, set()).add(said)
    useful = [key for key in counts if key in LABELS or len(values[key]) * 2 <= counts[key]]
    order = {key: index for index, key in enumerate(LABELS)}
    return sorted(useful, key=lambda key: (order.get(key, len(order)), -counts[key], key))[:MOST_LABELS]

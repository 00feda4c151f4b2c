"""Policies that somebody else wrote: a ConfigError or a policy, and below a ceiling nothing weaker than it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import manifests
from choices import Choices

from krm_harden import limits, policy, schema, source
from krm_harden.commands import _policies
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from krm_harden.model import ChunkResult

Place: TypeAlias = tuple[str, str]
"""A control, and a container's name or nothing."""
GRAVITIES = ("info", "warning", "error")
OPEN = {"open", "explicit"}
LEFT = {*OPEN, "deferred", "manual", "refused"}
"""What is said of a field that stays as it is."""
MODULES = (
    "policy",
    "ceilings",
    "flat",
    "schema",
    "merging",
    "profiles",
    "commands._policies",
    "psp.stated",
    "images.lock",
)
VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    "",
    "*",
    "x",
    [],
    {},
    ["*"],
    {"x": 1},
    "none",
    1.5,
    "ALL",
    "/tmp",
    "v1.30",
)
POD = b"""\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: batch-1}
spec:
  containers:
  - {name: a, image: "nginx:1", securityContext: {runAsUser: 0}}
  - {name: b, image: busybox}
"""
PLAIN = POD.replace(b", securityContext: {runAsUser: 0}", b"")
HOST = PLAIN.replace(b"spec:", b"spec:\n  hostNetwork: true")
SPACE = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: batch-1}\n"
CEILINGS = tuple(
    policy.from_data(
        {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": "top"}, "spec": spec}, ""
    )
    for spec in (
        {},
        {"level": "baseline"},
        {"changes": "additive", "version": "v1.30"},
        {"explicit": "override", "onViolation": "Warn"},
        {"namespaces": {"enforce": "auto", "audit": "restricted"}},
        {"controls": {"hostNamespaces": {"required": True}, "readOnlyRootFilesystem": {"required": True}}},
        {"profile": "audit"},
        {"profile": "psp-restricted"},
        {"validator": True},
        {"images": [{"match": "*", "uid": 1001}]},
        {"exemptions": [{"match": {"kinds": ["Pod"]}, "controls": ["hostNamespaces"], "reason": "r"}]},
    )
)


def seeds() -> list[bytes]:
    made = [bytes((start * step + 3 * start) % 256 for step in range(length)) for start in range(1, 16) for length in (40, 90)]  # fmt: skip
    texts = [
        "spec: {level: baseline}",
        "spec:\n  changes: additive\n  rules:\n  - {match: {kinds: [Job]}, explicit: override}",
    ]
    return made + [
        f"\x00\x00\x01kind: HardeningPolicy\napiVersion: {schema.API_VERSION}\n{text}\n".encode() for text in texts
    ]


def check(data: bytes) -> None:
    try:
        _is_a_policy_or_refused(data)
    finally:
        limits.hold({})


def _is_a_policy_or_refused(data: bytes) -> None:
    choices = Choices(data)
    ceiling = choices.of(CEILINGS)
    text = choices.of((POD, PLAIN, HOST, SPACE + b"---\n" + PLAIN))
    said = _raw(choices) if choices.one_in(16) else _structured(choices)
    try:
        found = policy.from_data(said, "functionConfig")
    except ConfigError as error:
        _is_plain(error)
        return
    try:
        below = _policies.below(found, ceiling)
    except ConfigError as error:
        _is_plain(error)
        _hardened(found, text)
        return
    try:
        _is_no_weaker(ceiling, below, text)
    except InputError as error:
        if error.limit not in below.limits:
            raise
        # It allows less than the text takes: nothing of that is hardened.


def _is_plain(error: ConfigError) -> None:
    assert error.exit_code == 3
    assert str(error)
    for problem in error.problems:
        assert problem.text


def _raw(choices: Choices) -> Any:
    try:
        return source.read(choices.rest().decode("utf-8", "replace")).data
    except InputError:
        return None


def _structured(choices: Choices) -> Any:
    if choices.one_in(12):
        data = {"x": "y", **{key: choices.of(("true", "baseline", "1", "", "a,b", "{}")) for key in _keys(choices)}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
    spec = _valid(choices, schema.spec_schema(), 0)
    return {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": "below"}, "spec": spec}


def _keys(choices: Choices) -> list[str]:
    known = list(schema.spec_schema()["properties"])
    return [choices.of(known) + choices.of(("", ".enabled", ".audit", ".x")) for _ in range(choices.below(4))]


def _valid(choices: Choices, rule: dict[str, Any], depth: int) -> Any:
    """What a schema allows; here and there something else."""
    if choices.byte() == 255:
        return choices.of(VALUES)
    if "anyOf" in rule:
        return _valid(choices, choices.of(rule["anyOf"]), depth)
    if "enum" in rule:
        return choices.of(rule["enum"])
    kind = rule.get("type")
    if kind == "object":
        return _object(choices, rule, depth)
    if kind == "array":
        return [_valid(choices, rule.get("items", {}), depth + 1) for _ in range(choices.below(3))] if depth < 6 else []
    if kind == "boolean":
        return choices.of((True, False))
    if kind == "integer":
        return choices.of((rule.get("minimum", 0), 1, 1001, rule.get("maximum", 5)))
    words = {"version": ("latest", "v1.30", "v1.36"), "date": ("2030-01-01", "2020-01-01"), "folder": ("/tmp", "/a/b")}
    return choices.of((*words.get(rule.get("format", ""), ("*", "a", "ALL", "Pod", "batch-*", "nginx")), manifests.word(choices)))  # fmt: skip


def _object(choices: Choices, rule: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = rule.get("properties", {})
    known = list(properties)
    made = {
        name: _valid(choices, properties[name], depth + 1) for name in rule.get("required", ()) if name in properties
    }
    for _ in range(choices.below(4) if known and depth < 6 else 0):
        name = known[choices.byte() % len(known)]
        made[name] = _valid(choices, properties[name], depth + 1)
    if isinstance(rule.get("additionalProperties"), dict):
        made |= {choices.of(("a", "app")): _valid(choices, rule["additionalProperties"], depth + 1)}
    return made


def _hardened(found: policy.Policy, text: bytes) -> tuple[bytes, int, dict[Place, int]]:
    """What a policy makes of a text, how many chunks it can't read, and how gravely it says what it leaves as it is."""
    chunks = Engine(found, rendered=True, ceiling=True).both_passes(text)
    errors = sum(bool(chunk.error) for chunk in chunks)
    return b"".join(chunk.text for chunk in chunks), errors, _worst(chunks, LEFT)


def _is_no_weaker(ceiling: policy.Policy, below: policy.Policy, text: bytes) -> None:
    """What is made below a ceiling passes where what the ceiling makes passes, and opens nothing new unsaid.

    By a fact about an image a change may be refused: that is an error where the ceiling says that it is one, and beyond
    the standard it may be nothing.
    """
    above_text, above_errors, _ = _hardened(ceiling, text)
    text_below, errors, said = _hardened(below, text)
    if errors > above_errors:
        return
    above, under = _judged(ceiling, above_text), _judged(ceiling, text_below)
    opened = {place: gravity for place, gravity in under[1].items() if place not in above[1]}
    knows = len(below.images) > below.images_above or len(below.locks) > len(ceiling.locks)
    asked = (place for place, gravity in opened.items() if gravity == GRAVITIES.index("error") or not knows)
    unsaid = {place for place in asked if _said(said, place) < opened[place]}
    assert not unsaid, (ceiling.spec, below.spec, unsaid)
    assert opened or above[0] <= under[0], (ceiling.spec, below.spec)
    judged = [max(_judged(each, text)[1].values(), default=0) for each in (below, ceiling)]
    assert judged[0] >= judged[1], (ceiling.spec, below.spec)


def _said(said: dict[Place, int], place: Place) -> int:
    """How gravely a control is said to be missing at a place: of a pod, by what is said of its containers."""
    control, container = place
    found = (gravity for (name, at), gravity in said.items() if name == control and (at in ("", container) or not container))  # fmt: skip
    return max(found, default=-1)


def _judged(ceiling: policy.Policy, text: bytes) -> tuple[bool, dict[Place, int]]:
    chunks = Engine(ceiling, checking=True).both_passes(text)
    allowed = all(result.allowed for chunk in chunks for result in chunk.resources)
    return allowed, _worst(chunks, OPEN)


def _worst(chunks: Iterable[ChunkResult], states: set[str]) -> dict[Place, int]:
    """The gravest of the findings in some states, by control and container."""
    worst: dict[Place, int] = {}
    for finding in (finding for chunk in chunks for result in chunk.resources for finding in result.findings):
        if finding.state in states:
            place = (finding.control, finding.container)
            worst[place] = max(worst.get(place, 0), GRAVITIES.index(finding.severity))
    return worst

"""Hypothesis strategies: pods as data, and the many ways in which people write them.

A text is made line by line from data and a style, with no YAML library: what comes out is as odd as what people write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

UIDS = st.sampled_from([0, 1, 1000, 65532])
MAYBE_BOOL = st.sampled_from([True, False, None, "true"])
WORDS = st.sampled_from(["a", "web", "db-0", "it's", "yes", "0755", "1e3", "😀", "a: b", "#x", "", "x" * 70])
NAMES = st.sampled_from(["a", "web", "db-0", "x" * 63])


@dataclass(frozen=True)
class Style:
    """How a text is written. `comments` and `empty_lines` say on which lines those stand, by their number modulo 7.

    `flow` are the keys whose values are in flow style, with `lines` each entry on a line of its own. `json` is the
    indentation of JSON: 0 for compact, 8 for tabs, 9 for one line, -1 for YAML.
    """

    step: int = 2
    dash: int = 0
    item: int = 2
    flow: frozenset[str] = frozenset()
    quoted: bool = False
    newline: str = "\n"
    comments: frozenset[int] = frozenset()
    behind: frozenset[int] = frozenset()
    empty_lines: frozenset[int] = frozenset()
    dash_alone: bool = False
    final: bool = True
    anchors: bool = False
    lines: bool = False
    json: int = -1


@cache
def styles() -> st.SearchStrategy[Style]:
    numbers = st.frozensets(st.integers(0, 6), max_size=3)
    return st.builds(
        Style,
        step=st.sampled_from([2, 4, 2, 1, 3]),
        dash=st.sampled_from([0, 2, 0, 4]),
        item=st.sampled_from([2, 4, 2, 3]),
        flow=st.frozensets(
            st.sampled_from(["containers", "securityContext", "capabilities", "metadata", "item", "drop", "ports"])
        ),
        quoted=st.booleans(),
        newline=st.sampled_from(["\n", "\r\n"]),
        comments=numbers,
        behind=numbers,
        empty_lines=numbers,
        dash_alone=st.booleans(),
        final=st.booleans(),
        anchors=st.booleans(),
        lines=st.booleans(),
        json=st.sampled_from([-1, -1, -1, -1, 0, 2, 8, 9]),
    )


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@cache
def capabilities() -> st.SearchStrategy[Any]:
    names = st.lists(
        st.sampled_from(["NET_RAW", "SYS_ADMIN", "NET_BIND_SERVICE", "all", "ALL"]), max_size=3, unique=True
    )
    return st.none() | optional(drop=names | st.none(), add=names)


@cache
def seccomp() -> st.SearchStrategy[Any]:
    return st.sampled_from([None, {}, {"type": "RuntimeDefault"}, {"type": "Unconfined"}, {"type": None}])


@cache
def selinux() -> st.SearchStrategy[Any]:
    return optional(
        type=st.sampled_from(["container_t", "spc_t", ""]),
        user=st.sampled_from(["system_u", ""]),
        role=st.just("system_r"),
        level=st.just("s0:c1"),
    )


def security_contexts(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = optional(
        seLinuxOptions=selinux(),
        runAsUser=UIDS | st.none(),
        runAsNonRoot=MAYBE_BOOL,
        seccompProfile=seccomp(),
        **more,
    )
    return st.sampled_from([None, {}]) | fields


@cache
def containers() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda first, more: {**first, **more},
        st.fixed_dictionaries({"name": NAMES, "image": st.sampled_from(["b", "registry.example/x:1@sha256:0"])}),
        optional(
            args=st.lists(WORDS, max_size=2),
            securityContext=security_contexts(
                allowPrivilegeEscalation=MAYBE_BOOL,
                readOnlyRootFilesystem=MAYBE_BOOL,
                capabilities=capabilities(),
                privileged=st.sampled_from([True, False, None]),
            ),
            volumeMounts=st.lists(
                st.fixed_dictionaries(
                    {"name": st.just("data"), "mountPath": st.sampled_from(["/tmp", "/data", "/tmp/x"])}
                ),
                max_size=1,
            ),
            ports=st.lists(
                optional(hostPort=st.just(80), containerPort=st.just(80), name=st.just("http")), min_size=1, max_size=2
            ),
            env=st.just(
                [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "key"}}},
                    {"name": "B", "value": "*/5"},
                ]
            ),
            livenessProbe=st.fixed_dictionaries(
                {}, optional={"httpGet": optional(host=st.just("127.0.0.1"), port=st.just(80), path=st.just("/"))}
            ),
            tty=st.booleans(),
            stdin=st.none(),
            workingDir=st.sampled_from(["x\n", "x\n\n", "# no comment\n---x\n", "/x"]),
        ),
    )


@cache
def pod_specs() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda first, middle, last, alike: (
            _alike({**first, **middle, **last}) if alike else {**first, **middle, **last}
        ),
        optional(hostname=WORDS, securityContext=security_contexts()),
        st.fixed_dictionaries(
            {"containers": st.lists(containers(), min_size=1, max_size=2)},
            optional={"initContainers": st.lists(containers(), max_size=1)},
        ),
        optional(
            volumes=st.sampled_from(
                [[{"name": "data", "emptyDir": {}}], None, [], [{"name": "data", "nfs": {"path": "/"}}]]
            ),
            imagePullSecrets=st.just([{"name": "a"}, {}]),
            restartPolicy=st.just("Always"),
            nodeSelector=st.dictionaries(NAMES, WORDS, max_size=1),
        ),
        st.booleans(),
    )


def _alike(spec: dict[str, Any]) -> dict[str, Any]:
    """Containers with the same securityContext, which a style with anchors shares."""
    first, *others = [*spec["containers"], *spec.get("initContainers", [])]
    for container in others:
        container["securityContext"] = first.get("securityContext")
    return spec


@cache
def workloads() -> st.SearchStrategy[dict[str, Any]]:
    metadata = st.fixed_dictionaries(
        {"name": NAMES}, optional={"annotations": st.dictionaries(WORDS, WORDS, max_size=2)}
    )
    pods = st.builds(
        lambda spec, metadata: {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        pod_specs(),
        metadata,
    )
    deployments = st.builds(
        lambda spec, metadata: {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"template": {"spec": spec}},
        },
        pod_specs(),
        metadata,
    )
    others = st.builds(
        lambda data: {"kind": "ConfigMap", "apiVersion": "v1", "data": data}, st.dictionaries(NAMES, WORDS)
    )
    return pods | pods | deployments | others


@cache
def documents() -> st.SearchStrategy[dict[str, Any]]:
    """One object, or a List or ResourceList of some."""
    lists = st.builds(
        lambda kind, items: {"apiVersion": "config.kubernetes.io/v1", "kind": kind, "items": items},
        st.sampled_from(["List", "ResourceList"]),
        st.lists(workloads(), max_size=3),
    )
    return workloads() | workloads() | lists


@st.composite
def streams(draw: st.DrawFn) -> str:
    """Several documents, each in a style of its own; the line breaks are the stream's."""
    parts = []
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    for number in range(draw(st.integers(1, 3))):
        marker = draw(st.sampled_from(["---\n", "--- # x\n", "...\n---\n", "--- # x\n# y\n"])) if number else ""
        parts.append(marker + written(draw(documents()), draw(styles())).removesuffix("\n") + "\n")
    text = "".join(parts)
    text = text if draw(st.booleans()) or text.endswith("\n\n") else text.removesuffix("\n")
    return text.replace("\n", newline)


def written(data: Any, style: Style) -> str:
    """The data as text in a style, with `\\n` for line breaks."""
    if style.json == 0:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"
    if style.json > 0:
        indent = {8: "\t", 9: None}.get(style.json, style.json)
        return json.dumps(data, indent=indent, ensure_ascii=False) + "\n"
    writer = _Writer(style)
    writer.mapping(data, 0, "")
    return "\n".join(writer.lines) + "\n"


class _Writer:
    def __init__(self, style: Style) -> None:
        self.style = style
        self.lines: list[str] = []
        self.number = 0
        self.anchored: dict[str, str] = {}

    def line(self, text: str, *, comment: bool = True) -> None:
        self.number += 1
        indent = len(text) - len(text.lstrip(" "))
        if comment and self.number % 7 in self.style.empty_lines:
            self.lines.append("")
        if comment and self.number % 7 in self.style.comments:
            self.lines.append(" " * max(indent - self.number % 3, 0) + f"# own {self.number}")
        behind = comment and self.number % 7 in self.style.behind
        self.lines.append(f"{text} # behind {self.number}" if behind else text)

    def mapping(self, data: dict[str, Any], column: int, head: str) -> None:
        """The keys of a mapping; `head` stands where the first one's indentation would."""
        for key, value in data.items():
            self.pair(key, value, column, head or " " * column)
            head = ""

    def pair(self, key: str, value: Any, column: int, head: str) -> None:
        start = f"{head}{self.key(key)}:"
        if isinstance(value, dict) and value and key not in self.style.flow:
            anchor = self.anchor(value)
            self.line(start + anchor)
            if not anchor.startswith(" *"):
                self.mapping(value, column + self.style.step, "")
        elif isinstance(value, list) and value and key not in self.style.flow:
            self.line(start)
            self.items(value, column + self.style.dash)
        elif isinstance(value, str) and value.endswith("\n"):
            self.line(f"{start} {'|' if not value.endswith(chr(10) * 2) else '|+'}", comment=False)
            for text in value.removesuffix("\n").split("\n"):
                self.line(" " * (column + self.style.step) + text if text else "", comment=False)
        elif value is None and self.number % 2:
            self.line(start)
        else:
            self.value(start, value, column)

    def value(self, start: str, value: Any, column: int) -> None:
        """A value in flow style, on one line or on several."""
        if not (self.style.lines and isinstance(value, (dict, list)) and value):
            self.line(f"{start} {self.flow(value)}")
            return
        brackets = "{}" if isinstance(value, dict) else "[]"
        entries = [(f"{self.key(key)}:", value[key]) for key in value] if isinstance(value, dict) else enumerate(value)
        self.line(f"{start} {brackets[0]}")
        for number, (key, item) in enumerate(entries, 1):
            written = f"{key} {self.flow(item)}" if isinstance(value, dict) else self.flow(item)
            self.line(" " * (column + self.style.step) + written + ("," if number < len(value) else ""))
        self.line(" " * column + brackets[1])

    def items(self, items: list[Any], column: int) -> None:
        for item in items:
            dash = " " * column + "-" + " " * (self.style.item - 1)
            if isinstance(item, dict) and item and "item" not in self.style.flow:
                if self.style.dash_alone:
                    self.line(dash.rstrip())
                    self.mapping(item, column + self.style.item, "")
                else:
                    self.mapping(item, column + self.style.item, dash)
            else:
                self.value(dash.removesuffix(" "), item, column + 1)

    def anchor(self, value: dict[str, Any]) -> str:
        """An anchor at the first of equal mappings, an alias at the others."""
        if not self.style.anchors or "containers" in value or "template" in value:
            return ""
        written = json.dumps(value)
        if written in self.anchored:
            return f" *{self.anchored[written]}"
        self.anchored[written] = f"x{len(self.anchored)}"
        return f" &{self.anchored[written]}"

    def key(self, key: str) -> str:
        plain = key.isascii() and key.isalnum() and key not in {"yes", "0755", "1e3"}
        return f'"{key}"' if self.style.quoted and plain else key if plain else json.dumps(key, ensure_ascii=False)

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.key(key)}: {self.flow(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        if value is None:
            return "null"
        if isinstance(value, str):
            plain = value.isascii() and value.isalpha() and value not in {"yes", "true"} and not self.style.quoted
            return value if plain else json.dumps(value, ensure_ascii=False)
        return json.dumps(value)

"""Manifests of choices: pods as data, the many ways to write them, and damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from strategies import Style, written

if TYPE_CHECKING:
    from choices import Choices

HOSTILE = (
    *("web", "a", "yes", "0755", "1e3", "12:30", "a: b", "#x", " x", "'", '"', "\\", "", "~", "-", "x" * 70, "😀", "é"),
    *("<script>alert(1)</script>", "]]>", "a|b", "::error::x", "`x`", "a\nb", "a\r\nb", "\x1b[31m", "\u2028", "\x85"),
    *(
        "../../etc/passwd",
        "%s%n{0}",
        "{{ x }}",
        "\ufeff",
        "a\tb",
        "&amp;",
        "--",
        "[a](b)",
        "\u202e",
        "${{ x }}",
        "\x00",
    ),
)
UIDS = (0, 1000, 65532, -1, 2**31, "1000", True, None, 1.5)
FLAGS = (True, False, None, "true", 1)
FRAGMENTS = (
    *("\n", "\n", " ", "\t", "#", "# own\n", " # behind", ":", "-", "?", "&a ", "*a", "{", "}", "[", "]", ",", "|", ">"),
    *("---\n", "...\n", "<<: *a\n", "!!str ", "!x ", "\r", "\r\n", "\ufeff", "\u2028", "\x85", '"', "'", "\\", "%YAML 1.1\n"),
    *("null", "~", "{}", "[]", "  ", "    ", "securityContext:\n", "securityContext: {}\n", "{{ x }}", "? ", "- - "),
    *("a: &a {x: y}\n", "kind: Pod\n", "runAsNonRoot: true\n", "$patch: delete\n", "é", "😀", "|+\n", "&a\n", ">-\n", "\n\n"),
)  # fmt: skip
KINDS = {
    "Pod": ("v1", ()),
    "Deployment": ("apps/v1", ("template",)),
    "CronJob": ("batch/v1", ("jobTemplate", "spec", "template")),
    "StatefulSet": ("apps/v1", ("template",)),
    "ConfigMap": ("v1", ()),
    "Namespace": ("v1", ()),
    "PodTemplate": ("v1", None),
}


def word(choices: Choices) -> str:
    return choices.text() if choices.one_in(8) else choices.of(HOSTILE)


def _some_of(choices: Choices, options: dict[str, Any]) -> dict[str, Any]:
    """Some of the fields that may be there, each made when it is."""
    bits = choices.byte() | choices.byte() << 8
    return {name: make() for index, (name, make) in enumerate(options.items()) if bits >> index & 1}


def context(choices: Choices, *, of_pod: bool) -> Any:
    if choices.one_in(6):
        return choices.of((None, {}, [], "x"))
    names = ("ALL", "NET_RAW", "SYS_ADMIN", "NET_BIND_SERVICE", "all")
    options = {
        "runAsNonRoot": lambda: choices.of(FLAGS),
        "runAsUser": lambda: choices.of(UIDS),
        "runAsGroup": lambda: choices.of(UIDS),
        "seccompProfile": lambda: choices.of((None, {}, {"type": "RuntimeDefault"}, {"type": "Unconfined"}, "x")),
        "seLinuxOptions": lambda: choices.of(({}, {"type": "spc_t"}, {"level": "s0"})),
    }
    if of_pod:
        more = {"fsGroup": lambda: choices.of(UIDS), "sysctls": lambda: [{"name": word(choices), "value": "1"}]}
    else:
        more = {
            "allowPrivilegeEscalation": lambda: choices.of(FLAGS),
            "readOnlyRootFilesystem": lambda: choices.of(FLAGS),
            "privileged": lambda: choices.of(FLAGS),
            "capabilities": lambda: choices.of(
                (None, {}, {"drop": [choices.of(names)]}, {"add": [choices.of(names)]}, {"drop": None, "add": []})
            ),
            "procMount": lambda: choices.of(("Default", "Unmasked", None)),
        }
    return _some_of(choices, {**options, **more})


def container(choices: Choices) -> Any:
    if choices.one_in(20):
        return choices.of((None, "x", [], {}))
    options = {
        "args": lambda: choices.some(lambda: word(choices), 2),
        "ports": lambda: [{"containerPort": choices.of((80, 8080, "x"))}, {"hostPort": 80}][: choices.below(3)],
        "volumeMounts": lambda: [{"name": "data", "mountPath": choices.of(("/data", "/tmp", "/", "x"))}],
        "securityContext": lambda: context(choices, of_pod=False),
        "env": lambda: [{"name": "A", "value": word(choices)}],
    }
    image = choices.of(("nginx", "registry.example/x:1", "postgres:16", "x@sha256:0", "busybox", ""))
    return {"name": choices.of(("web", "a", "db-0", "x" * 63)), "image": image} | _some_of(choices, options)


def pod_spec(choices: Choices) -> Any:
    options = {
        "securityContext": lambda: context(choices, of_pod=True),
        "initContainers": lambda: choices.some(lambda: container(choices), 2),
        "volumes": lambda: choices.some(
            lambda: choices.of(
                ({"name": "data", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/"}}, {"name": "data"}, None)
            ),
            2,
        ),
        "hostNetwork": lambda: choices.of(FLAGS),
        "hostPID": lambda: choices.of(FLAGS),
        "serviceAccountName": lambda: word(choices),
        "automountServiceAccountToken": lambda: choices.of(FLAGS),
        "ephemeralContainers": lambda: [container(choices)],
    }
    return {"containers": [container(choices), *choices.some(lambda: container(choices), 2)]} | _some_of(
        choices, options
    )


def workload(choices: Choices) -> dict[str, Any]:
    kind = choices.of(tuple(KINDS))
    version, way = KINDS[kind]
    meta = {
        "namespace": lambda: choices.of(("default", "kube-system", word(choices))),
        "labels": lambda: {choices.of(("app", "x/y", "1")): word(choices)},
        "annotations": lambda: {
            choices.of(("note", "config.kubernetes.io/local-config", "krm-harden.dev/x", "a.b/c")): word(choices)
        },
    }
    data: dict[str, Any] = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": choices.of(("a", "web", "db")) if choices.below(4) else word(choices)}
        | _some_of(choices, meta),
    }
    if kind in {"ConfigMap", "Namespace"}:
        return data | ({"data": {"x": word(choices)}} if kind == "ConfigMap" else {})
    if way is None:
        return data | {"template": {"spec": pod_spec(choices)}}
    spec = pod_spec(choices)
    for step in reversed(way):
        spec = {step: {"spec": spec}} if step == "template" else {step: spec}
    return data | {"spec": spec}


def style(choices: Choices) -> Style:
    flags = choices.byte()
    lines = [frozenset(bit for bit in range(7) if choices.byte() >> bit & 1) for _ in range(3)] if flags & 1 else [frozenset()] * 3  # fmt: skip
    keys = ("containers", "securityContext", "capabilities", "metadata", "item", "drop", "ports")
    bits = choices.byte() if flags & 2 else 0
    return Style(
        step=choices.of((2, 4, 1, 3)),
        dash=choices.of((0, 2, 4)),
        item=choices.of((2, 4, 3)),
        flow=frozenset(key for index, key in enumerate(keys) if bits >> index & 1),
        quoted=bool(flags & 4),
        comments=lines[0],
        behind=lines[1],
        empty_lines=lines[2],
        dash_alone=bool(flags & 8),
        anchors=bool(flags & 16),
        lines=bool(flags & 32),
        json=choices.of((0, 2, 8, 9)) if flags & 64 and flags & 128 else -1,
    )


def document(choices: Choices) -> str:
    """A workload, or a list of some, in a style."""
    data = workload(choices)
    if choices.one_in(5):
        items = [data, *choices.some(lambda: workload(choices), 2)]
        data = {"apiVersion": "v1", "kind": choices.of(("List", "DeploymentList", "ConfigMap")), "items": items}
    return written(data, style(choices))


def stream(choices: Choices) -> str:
    """Documents with the stream's own line breaks; the damage comes last, so that it may be none."""
    parts = [document(choices)]
    while choices.one_in(4) and len(parts) < 3:
        parts += [choices.of(("---\n", "--- # x\n", "...\n---\n", "---\n# y\n")), document(choices)]
    text = "".join(parts)
    if choices.one_in(4):
        text = text.replace("\n", "\r\n")
    if choices.one_in(6):
        text = text.rstrip("\r\n")
    return damaged(choices, text)


def damaged(choices: Choices, text: str) -> str:
    """A few characters cut out, put in or written again elsewhere."""
    for _ in range(choices.below(5)):
        at = int.from_bytes(choices.take(2), "big") % (len(text) + 1)
        way = choices.below(4)
        if way == 0:
            text = text[:at] + choices.of(FRAGMENTS) + text[at:]
        elif way == 1:
            text = text[:at] + text[at + choices.below(30) :]
        elif way == 2:
            there = int.from_bytes(choices.take(2), "big") % (len(text) + 1)
            text = text[:at] + text[there : there + choices.below(60)] + text[at:]
        else:
            text = text[:at] + choices.text() + text[at:]
    return text


def as_json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)

"""The PodSecurityPolicy admission of Kubernetes 1.24 itself, asked from Python: the program `psp` of tests/oracles/psp."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from conftest import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def judged(clusters: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What it says of each cluster: {objects, user, groups, everyone, noTokens}. The answers are in its main.go."""
    asked = [json.dumps(cluster) for cluster in clusters]
    done = subprocess.run(
        [require("psp"), "-batch"], input="\n".join(asked), capture_output=True, text=True, check=True, timeout=300
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    return answers


def validated(policies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the API says of PodSecurityPolicies: {name, stored, errors} for each, or {error}."""
    documents = [json.dumps(policy) for policy in policies]
    done = subprocess.run(
        [require("psp"), "-validate"],
        input="\n---\n".join(documents),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(documents)
    return answers


def a_policy(name: str, annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A PodSecurityPolicy that asks for nothing but what is said."""
    free = {field: {"rule": "RunAsAny"} for field in ("runAsUser", "fsGroup", "supplementalGroups", "seLinux")}
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": metadata, "spec": {**free, **spec}}


def a_pod(namespace: str, account: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "web", "image": "nginx"}]}
    if account:
        spec["serviceAccountName"] = account
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace}, "spec": spec}


def without_empty(data: Any) -> Any:
    """Data without what says nothing: nulls, empty mappings and lists, as apimachinery's DeepEqual has it.

    Capabilities are sorted, each once: so the admission wrote them, while we add behind what is there.
    """
    if isinstance(data, dict):
        kept = {name: without_empty(value) for name, value in data.items()}
        kept = {name: sorted({*value}) if name in ("add", "drop") else value for name, value in kept.items()}
        return {name: value for name, value in kept.items() if value not in (None, {}, [])}
    return [without_empty(item) for item in data] if isinstance(data, list) else data


def applied(changes, pod: dict[str, Any]) -> dict[str, Any]:
    """The judge's pod with our changes; parents of an addition may be missing or null in it."""
    made = json.loads(json.dumps(pod))
    for change in changes:
        assert change.operation.op == "add"
        node = made
        *above, last = change.operation.path
        for step, following in zip(above, change.operation.path[1:], strict=True):
            if isinstance(node, dict) and node.get(step) is None:
                node[step] = [] if following == "-" or isinstance(following, int) else {}
            node = node[step]
        if last == "-":
            node.append(change.operation.value)
        else:
            node[last] = change.operation.value
    return made

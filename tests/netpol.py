"""cyclonus, an evaluator of network policies that isn't ours, asked for many connections at a time."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from conftest import require

from krm_harden.network import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krm_harden.network.evaluate import End


@dataclass(frozen=True)
class Call:
    """A connection to ask for; `name` is what the target's pod calls the port."""

    source: End
    target: End
    port: int
    protocol: str = "TCP"

    @property
    def name(self) -> str:
        found = (
            name for name, number, protocol in self.target.ports if (number, protocol) == (self.port, self.protocol)
        )
        return next(found, "")


def judged(policies: Sequence[dict[str, Any]], calls: Sequence[Call]) -> list[bool]:
    """What cyclonus says of each connection."""
    listed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": list(policies)}
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policies.json").write_text(json.dumps(listed))
        (folder / "traffic.json").write_text(json.dumps([_traffic(call) for call in calls]))
        done = subprocess.run(
            [
                *(require("cyclonus"), "analyze", "--mode", "query-traffic", "-v", "error"),
                *("--policy-path", folder / "policies.json", "--traffic-path", folder / "traffic.json"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = [word == "TRUE" for word in re.findall(r"IS ALLOWED\? \| +(TRUE|FALSE) ", done.stdout)]
    assert len(found) == len(calls)
    return found


def ours(policies: Iterable[dict[str, Any]], calls: Iterable[Call]) -> list[bool]:
    """What our own model says of them."""
    found = list(policies)
    return [evaluate.allows(found, call.source, call.target, call.port, call.protocol) for call in calls]


def _traffic(call: Call) -> dict[str, Any]:
    return {
        "Source": _peer(call.source),
        "Destination": _peer(call.target),
        "Protocol": call.protocol,
        "ResolvedPort": call.port,
        "ResolvedPortName": call.name,
    }


def _peer(end: End) -> dict[str, Any]:
    if end.namespace is None:
        return {"Internal": None, "IP": end.address}
    inside = {
        "PodLabels": dict(end.labels or {}),
        "NamespaceLabels": dict(end.namespace_labels),
        "Namespace": end.namespace,
    }
    return {"Internal": inside, "IP": end.address}

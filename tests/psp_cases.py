"""The table of what PodSecurityPolicies mean: tests/psp/fields/<field>.yaml, one case an item.

A case has `policy`, a part of a spec over one that allows any user, group, label and volume; `annotations` of the
policy; `pod`, a part of a pod's spec; `podAnnotations`; `server`, the API server that will read the result, else the
newest; `newer`, for a field of the pod that Kubernetes 1.24 didn't have. Expected are `sets`, each field with its value
(behind `[-]` what a list gets more), and `refuses`, the paths as the API server named them: its words are in the
snapshots.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from krm_harden.model import LATEST
from krm_harden.psp.policy import of_data

FOLDER = Path(__file__).with_name("psp") / "fields"
ANY = {
    "runAsUser": {"rule": "RunAsAny"},
    "seLinux": {"rule": "RunAsAny"},
    "supplementalGroups": {"rule": "RunAsAny"},
    "fsGroup": {"rule": "RunAsAny"},
    "volumes": ["*"],
}
_KEYS = {"case", "policy", "annotations", "pod", "podAnnotations", "server", "newer", "sets", "refuses"}


class Case:
    """One row: the manifests of its policy and its Pod, and what is expected."""

    def __init__(self, field: str, row: dict[str, Any]) -> None:
        assert set(row) <= _KEYS, f"{field}: {set(row) - _KEYS}"
        self.field = field
        self.name: str = row["case"]
        self.policy_manifest = {
            "apiVersion": "policy/v1beta1",
            "kind": "PodSecurityPolicy",
            "metadata": {"name": "case", "annotations": row.get("annotations", {})},
            "spec": {**ANY, **row.get("policy", {})},
        }
        self.pod_manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "annotations": row.get("podAnnotations", {})},
            "spec": _spec(row.get("pod", {})),
        }
        self.server = tuple(map(int, row["server"].split("."))) if "server" in row else LATEST
        self.is_newer: bool = row.get("newer", False)
        self.sets: dict[str, Any] = row.get("sets", {})
        self.refuses: list[str] = row.get("refuses", [])

    @property
    def policy(self):
        return of_data(self.policy_manifest)

    @property
    def pod(self) -> dict[str, Any]:
        return {name: self.pod_manifest[name] for name in ("metadata", "spec")}


def _spec(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod's spec with names and images where a case says none."""
    spec = {"containers": [{}], **copy.deepcopy(pod)}
    for kind, name in (("initContainers", "init"), ("containers", "app")):
        if kind in spec:
            spec[kind] = [
                {"name": f"{name}-{index}" if index else name, "image": "nginx:1.27", **container}
                for index, container in enumerate(spec[kind])
            ]
    return spec


def of_file(path: Path) -> list[Case]:
    return [Case(path.stem, row) for row in yaml.safe_load(path.read_text())]


def cases() -> list[Case]:
    """Every case of every field."""
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in of_file(path)]

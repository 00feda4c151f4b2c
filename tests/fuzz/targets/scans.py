"""What other programs wrote: scanners' reports, baselines, image locks, reports to merge. Read, or refused in a line."""

from __future__ import annotations

import copy
import json
from typing import Any

import manifests
from choices import Choices, expect_something

from krm_harden.commands import _baseline, _policies
from krm_harden.errors import KrmHardenError
from krm_harden.reports import _merged
from krm_harden.scanning import reading

MODULES = ("scanning.reading", "scanning.trivy", "scanning.grype", "scanning.sarif", "scanning.model", "commands._baseline", "images.lock", "reports._merged")  # fmt: skip
FINDING = {
    "VulnerabilityID": "CVE-2024-1",
    "PkgName": "x",
    "InstalledVersion": "1",
    "FixedVersion": "2",
    "Severity": "HIGH",
}
TRIVY = {
    "SchemaVersion": 2,
    "ArtifactName": "nginx:1",
    "ArtifactType": "container_image",
    "Metadata": {"RepoDigests": ["nginx@sha256:" + "0" * 64], "RepoTags": ["nginx:1"], "ImageID": "sha256:" + "1" * 64},
    "Results": [{"Target": "nginx:1 (debian)", "Class": "os-pkgs", "Vulnerabilities": [FINDING, {**FINDING, "PublishedDate": "2024-01-01T00:00:00Z"}]}],
}  # fmt: skip
CLUSTER = {"ClusterName": "c", "Resources": [{"Kind": "Pod", "Name": "a", "Metadata": [TRIVY["Metadata"]], "Results": TRIVY["Results"]}]}  # fmt: skip
GRYPE = {
    "matches": [{"vulnerability": {"id": "CVE-2024-1", "severity": "High", "fix": {"versions": ["2"], "state": "fixed"}}, "relatedVulnerabilities": [{"id": "GHSA-1"}], "artifact": {"name": "x", "version": "1"}}],
    "source": {"type": "image", "target": {"userInput": "nginx:1", "manifestDigest": "sha256:" + "0" * 64, "tags": ["nginx:1"], "repoDigests": []}},
    "descriptor": {"name": "grype", "timestamp": "2024-01-01T00:00:00Z"},
}  # fmt: skip
SARIF = {
    "version": "2.1.0",
    "runs": [{"tool": {"driver": {"name": "Trivy", "rules": [{"id": "CVE-2024-1", "properties": {"security-severity": "9.8", "tags": ["vulnerability"]}, "help": {"text": "Severity: HIGH"}}]}}, "properties": {"imageName": "nginx:1"}, "results": [{"ruleId": "CVE-2024-1", "ruleIndex": 0, "level": "error", "message": {"text": "Package: x\nInstalled Version: 1"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "library/nginx"}}}]}]}],
}  # fmt: skip
LOCK = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "ImageLock", "metadata": {"name": "l"}, "images": [{"match": "nginx:1", "uid": 101, "writablePaths": [{"path": "/tmp", "seed": "copy"}], "evidence": "x"}]}  # fmt: skip
BASELINE = """\
version: 1
judged: restricted:latest
findings:
- {file: a.yaml, object: Pod a/b, control: runAsNonRoot, field: spec.securityContext.runAsNonRoot, value: false, id: 0123}
"""
SHAPES = (TRIVY, CLUSTER, GRYPE, SARIF, LOCK)
VALUES = (
    None,
    True,
    0,
    -1,
    1e308,
    2**70,
    "",
    "x",
    "a\nb",
    "\x1b[31m",
    [],
    {},
    [None],
    [[]],
    {"x": None},
    "9" * 5000,
    "\udfff",
)


def seeds() -> list[bytes]:
    made = [
        bytes([way, 0]) + bytes((start * step) % 256 for step in range(30))
        for way in range(7)
        for start in (0, 3, 7, 11)
    ]
    return [*made, *(bytes([6]) + json.dumps(shape).encode() for shape in SHAPES), bytes([6]) + BASELINE.encode()]


def check(data: bytes) -> None:
    choices = Choices(data)
    way = choices.below(7)
    if way < len(SHAPES):
        shape = json.loads(json.dumps(SHAPES[way]))
        for _ in range(choices.below(4)):
            shape = _changed(choices, shape)
        text = json.dumps(shape)
        text = manifests.damaged(choices, text) if choices.one_in(4) else text
        written = text.encode("utf-8", "replace")
    elif way == len(SHAPES):
        written = manifests.damaged(choices, BASELINE).encode("utf-8", "replace")
    else:
        written = choices.rest()
    for read in (_scan, _lock, _accepted, _merged.parsed):
        _tried(read, written)


def _tried(read: Any, written: bytes) -> None:
    try:
        read(written)
    except KrmHardenError as error:
        expect_something(error)


def _changed(choices: Choices, data: Any) -> Any:
    """Another value somewhere in it."""
    if not data or not isinstance(data, (dict, list)) or choices.one_in(7):
        return copy.deepcopy(choices.of(VALUES))
    keys = list(data) if isinstance(data, dict) else range(len(data))
    key = keys[choices.byte() % len(keys)]
    if choices.one_in(9):
        data = dict(data) if isinstance(data, dict) else list(data)
        del data[key]
    else:
        data[key] = _changed(choices, data[key])
    return data


def _scan(data: bytes) -> None:
    for one in reading.read(data, "scan.json"):
        for said in (*one.names, *one.digests) if hasattr(one, "digests") else one.names:
            assert isinstance(said, str)
        repr(one)


def _lock(data: bytes) -> None:
    for found in _policies.objects_in(data) if _is_text(data) else ():
        _policies.lock(found, "lock.yaml")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _accepted(data: bytes) -> None:
    """What a baseline says is written as it was read."""
    found = _baseline.read(data, "baseline.yaml", "restricted:latest")
    written = _baseline.text(found.judged, found.entries)
    again = _baseline.read(written.encode(), "baseline.yaml", "restricted:latest")
    bare = [sorted((entry._replace(line=0) for entry in some), key=repr) for some in (found.entries, again.entries)]
    assert repr(bare[0]) == repr(bare[1]), written

"""Reports of scanners, as their published types have them.

Trivy: pkg/types/report.go, pkg/types/vulnerability.go, pkg/k8s/report/report.go, pkg/report/sarif.go; Grype:
grype/presenter/models and grype/presenter/sarif of v0.121.2.
"""

from __future__ import annotations

import json
from typing import Any

Data = dict[str, Any]

ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")


def cve(number: int | str, severity: str = "CRITICAL", fixed: str = "", **more: Any) -> Data:
    """A vulnerability of Trivy's: of the package `openssl` unless `package` says otherwise."""
    name = f"CVE-2024-{number:04}" if isinstance(number, int) else number
    package, installed = more.pop("package", "openssl"), more.pop("installed", "3.0.1")
    return {
        "VulnerabilityID": name,
        "PkgID": f"{package}@{installed}",
        "PkgName": package,
        "PkgIdentifier": {"PURL": f"pkg:deb/debian/{package}@{installed}?arch=amd64&distro=debian-12.5"},
        "InstalledVersion": installed,
        **({"FixedVersion": fixed} if fixed else {}),
        "Status": "fixed" if fixed else "affected",
        "Layer": {"Digest": THREE, "DiffID": THREE},
        "SeveritySource": "debian",
        "PrimaryURL": f"https://avd.aquasec.com/nvd/{name.lower()}",
        "DataSource": {"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://security-tracker.debian.org"},
        "Title": f"{package}: something is wrong",
        "Description": f"Something is wrong in {package}.",
        "Severity": severity,
        "CweIDs": ["CWE-330"],
        "CVSS": {"nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", "V3Score": 5.3}},
        "References": ["https://www.openssl.org/news/secadv/20240101.txt"],
        "PublishedDate": more.pop("published", "2024-01-10T17:15:00.123Z"),
        "LastModifiedDate": "2024-10-20T22:15:00Z",
        **more,
    }


def trivy(image: str, *found: Data, digest: str = "", tags: tuple[str, ...] | None = None, **more: Any) -> Data:
    """`trivy image --format json IMAGE`."""
    repository = image.partition("@")[0].rpartition(":")[0] or image
    target = f"{image} (debian 12.5)"
    return {
        "SchemaVersion": 2,
        "CreatedAt": "2026-01-02T03:04:05.678Z",
        "ArtifactName": image,
        "ArtifactType": "container_image",
        "Metadata": {
            "Size": 1,
            "OS": {"Family": "debian", "Name": "12.5"},
            "ImageID": more.pop("image_id", TWO),
            "DiffIDs": [THREE],
            "RepoTags": [image] if tags is None else list(tags),
            "RepoDigests": [f"{repository}@{digest}"] if digest else [],
            "ImageConfig": {"architecture": "amd64", "os": "linux"},
        },
        "Results": [
            {
                "Target": target,
                "Class": "os-pkgs",
                "Type": "debian",
                **({"Vulnerabilities": list(found)} if found else {}),
            }
        ],
        **more,
    }


def in_cluster(kind: str, name: str, *images: Data, namespace: str = "shop", **more: Any) -> Data:
    """A workload of `trivy k8s --format json`, with the reports of its images one behind the other."""
    return {
        "Namespace": namespace,
        "Kind": kind,
        "Name": name,
        "Metadata": [image["Metadata"] for image in images],
        "Results": [result for image in images for result in image["Results"]],
        **more,
    }


def cluster(*resources: Data, field: str = "Resources") -> Data:
    """`trivy k8s --report all` has Resources, `--report summary` has Findings."""
    return {"ClusterName": "kind-shop", field: list(resources)}


def match(name: str, severity: str = "Critical", fixed: tuple[str, ...] = (), **more: Any) -> Data:
    """A match of Grype's."""
    package, installed = more.pop("package", "openssl"), more.pop("installed", "3.0.1")
    state = more.pop("state", "fixed" if fixed else "not-fixed")
    available = [{"version": version, "date": "2024-02-01", "kind": "first-observed"} for version in fixed]
    related = [
        {"id": one, "dataSource": f"https://nvd.nist.gov/vuln/detail/{one}", "urls": [], "cvss": []}
        for one in more.pop("related", ())
    ]
    return {
        "vulnerability": {
            "id": name,
            "dataSource": f"https://security-tracker.debian.org/tracker/{name}",
            "namespace": "debian:distro:debian:12",
            "severity": severity,
            "urls": [],
            "description": "Something is wrong.",
            "cvss": [],
            "fix": {"versions": list(fixed), "state": state, **({"available": available} if available else {})},
            "advisories": [],
            "risk": 1.5,
        },
        "relatedVulnerabilities": related,
        "matchDetails": [
            {
                "type": "exact-indirect-match",
                "matcher": "dpkg-matcher",
                "searchedBy": {"distro": {"type": "debian", "version": "12"}},
                "found": {"versionConstraint": "< 3.0.2 (deb)", "vulnerabilityID": name},
            }
        ],
        "artifact": {
            "id": "a246fd2054833c93",
            "name": package,
            "version": installed,
            "type": "deb",
            "locations": [{"path": "/var/lib/dpkg/status", "layerID": THREE, "accessPath": "/var/lib/dpkg/status"}],
            "language": "",
            "licenses": [],
            "cpes": [],
            "purl": f"pkg:deb/debian/{package}@{installed}",
            "upstreams": [],
        },
    }


def grype(image: str, *found: Data, digest: str = "", tags: tuple[str, ...] = (), **more: Any) -> Data:
    """`grype IMAGE -o json`."""
    repository = image.partition(":")[0]
    return {
        "matches": list(found),
        "source": {
            "type": "image",
            "target": {
                "userInput": image,
                "imageID": TWO,
                "manifestDigest": more.pop("manifest", THREE),
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "tags": list(tags),
                "imageSize": 65,
                "layers": [],
                "manifest": None,
                "config": None,
                "repoDigests": [f"{repository}@{digest}"] if digest else [],
                "architecture": "amd64",
                "os": "linux",
            },
        },
        "distro": {"name": "debian", "version": "12", "idLike": []},
        "descriptor": {"name": "grype", "version": "0.121.2", "timestamp": "2026-01-02T03:04:05Z"},
        **more,
    }


def of_trivy(report: Data) -> Data:
    """The same report as `trivy image --format sarif` writes it."""
    rules: dict[str, Data] = {}
    results = []
    for result in report["Results"]:
        for one in result.get("Vulnerabilities", ()):
            name, severity, fixed = one["VulnerabilityID"], one["Severity"], one.get("FixedVersion", "")
            level = {"CRITICAL": "error", "HIGH": "error", "MEDIUM": "warning"}.get(severity, "note")
            rules.setdefault(
                name,
                {
                    "id": name,
                    "name": "OsPackageVulnerability",
                    "shortDescription": {"text": one["Title"]},
                    "fullDescription": {"text": one["Description"]},
                    "defaultConfiguration": {"level": level},
                    "helpUri": one["PrimaryURL"],
                    "help": {
                        "text": f"Vulnerability {name}\nSeverity: {severity}\nPackage: {one['PkgName']}\n"
                        f"Fixed Version: {fixed}\nLink: [{name}]({one['PrimaryURL']})\n{one['Description']}"
                    },
                    "properties": {
                        "precision": "very-high",
                        "security-severity": "5.3",
                        "tags": ["vulnerability", "security", severity],
                    },
                },
            )
            results.append(
                {
                    "ruleId": name,
                    "ruleIndex": list(rules).index(name),
                    "level": level,
                    "message": {
                        "text": f"Package: {one['PkgName']}\nInstalled Version: {one['InstalledVersion']}\n"
                        f"Vulnerability {name}\nSeverity: {severity}\nFixed Version: {fixed}\n"
                        f"Link: [{name}]({one['PrimaryURL']})"
                    },
                    "locations": [_location("library/nginx", "library/nginx: openssl@3.0.1")],
                }
            )
    metadata = report["Metadata"]
    properties = {
        "imageID": metadata["ImageID"],
        "imageName": report["ArtifactName"],
        "repoDigests": metadata["RepoDigests"],
        "repoTags": metadata["RepoTags"],
    }
    return _log("Trivy", list(rules.values()), results, properties=properties)


def of_grype(report: Data) -> Data:
    """The same report as `grype IMAGE -o sarif` writes it."""
    rules, results = [], []
    image = report["source"]["target"]["userInput"]
    for one in report["matches"]:
        vulnerability, artifact = one["vulnerability"], one["artifact"]
        severity = vulnerability["severity"].lower()
        severity = severity if severity in {"critical", "high", "medium"} else "low"
        package, version, kind = artifact["name"], artifact["version"], artifact["type"]
        name = f"{vulnerability['id']}-{package}"
        fixed = ",".join(vulnerability["fix"]["versions"])
        rules.append(
            {
                "id": name,
                "name": "DpkgMatcherExactIndirectMatch",
                "shortDescription": {"text": f"{vulnerability['id']} {severity} vulnerability for {package} package"},
                "fullDescription": {"text": vulnerability["description"]},
                "helpUri": vulnerability["dataSource"],
                "help": {
                    "text": f"Vulnerability {vulnerability['id']}\nSeverity: {severity}\nPackage: {package}\n"
                    f"Version: {version}\nFix Version: {fixed}\nType: {kind}\nLocation: /var/lib/dpkg/status\n"
                    f"Data Namespace: {vulnerability['namespace']}\nLink: {vulnerability['id']}"
                },
                "properties": {"purls": [artifact["purl"]], "security-severity": "9.8"},
            }
        )
        results.append(
            {
                "ruleId": name,
                "level": {"critical": "error", "high": "error", "medium": "warning"}.get(severity, "note"),
                "message": {
                    "text": f"A {severity} vulnerability in {kind} package: {package}, version {version} was found in "
                    f"image {image} at: /var/lib/dpkg/status"
                },
                "locations": [_location(f"{image.partition(':')[0]}/var/lib/dpkg/status")],
                "partialFingerprints": {"primaryLocationLineHash": f"{len(results):x}:1"},
            }
        )
    return _log("grype", rules, results)


def other_log(uri: str, rule: Data, **more: Any) -> Data:
    """A log of some other scanner, with one result in one place."""
    result = {"ruleId": rule["id"], "level": "error", "message": {"text": "Something is wrong."}, **more}
    return _log("Other", [rule], [{**result, "locations": [_location(uri)]}])


def _location(uri: str, words: str = "") -> Data:
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}
    made: Data = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
    return made | ({"message": {"text": words}} if words else {})


def _log(tool: str, rules: list[Data], results: list[Data], **more: Any) -> Data:
    driver = {"name": tool, "version": "1.0", "informationUri": "https://example.com", "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "utf16CodeUnits", **more}],
    }


def text(*reports: Any) -> bytes:
    """Reports as a file has them, one behind the other."""
    return b"\n".join(json.dumps(report, indent=2).encode() for report in reports)

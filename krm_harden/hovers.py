"""What editors show of the policy's fields beyond their short descriptions: loaded only to publish the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import controls, profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

TMP = "/tmp"  # noqa: S108 - a folder in a container
CHOICES: Mapping[str, Mapping[str, str]] = {
    "spec.profile": profiles.FOR,
    "spec.level": {
        "privileged": "nothing is checked",
        "baseline": "no known way to the node; writes nothing to workloads",
        "restricted": "the hardening that the Pod Security Standards ask of services",
    },
    "spec.changes": {
        "additive": "what has no known way to break",
        "evidence": "also what policy, lock or catalogue know of the image",
        "complete": "also defaults for images that nobody described, each a warning",
    },
    "spec.explicit": {
        "respect": "leave them, and report an error with the exemption to paste",
        "override": "replace them",
    },
    "spec.onViolation": {"Fail": "exit code 1", "Warn": "warnings, and exit code 0"},
    "spec.immutable": {"fix": "write them, with a warning", "skip": "leave them as they are"},
    "spec.unknownUser": {
        "uid": "write 10001, or what controls.numericUser.uid says",
        "report": "write nothing, and report an error",
        "userNamespace": "write hostUsers: false, from Kubernetes 1.35",
    },
    "spec.exemptionAnnotations": {
        "ignore": "such an annotation is a warning",
        "allow": "each line of it exempts: `hostNamespaces, hostPorts: reads the host's metrics`",
    },
    "spec.namespaces.enforce": {
        "auto": "spec.level, once nothing in the input would be stopped by it",
        "none": "no label is written",
    },
}
"""What each word of a choice means."""
EXAMPLES: Mapping[str, list[Any]] = {
    "spec.version": ["latest", "v1.34"],
    "spec.target.kubernetes": ["1.37"],
    "spec.namespaces": [{"enforce": "auto", "audit": "restricted", "warn": "restricted", "version": "v1.37"}],
    "spec.controls": [{"runAsUser": {"explicit": "override"}, "readOnlyRootFilesystem": {"writablePaths": [TMP]}}],
    "spec.images": [[{"match": "registry.example/shop/*", "uid": 1000, "gid": 1000, "writablePaths": [TMP]}]],
    "spec.images[].match": ["registry.example/shop/*", "nginx:1.27"],
    "spec.images[].uid": [1000],
    "spec.images[].writablePaths": [[TMP, {"path": "/etc/shop", "seed": "copy"}], []],
    "spec.images[].ports": [[80, 443]],
    "spec.images[].env": [{"HOME": TMP}],
    "spec.images[].cannotRestrict": [{"code": "switches-users", "reason": "each job runs as its own user"}],
    "spec.rules": [[{"match": {"namespaces": ["batch-*"], "kinds": ["Job"]}, "changes": "additive"}]],
    "spec.kinds": [[{"group": "example.com", "kind": "Pipeline", "podSpecs": ["/spec/stages/*/template/spec"]}]],
    "spec.exemptions": [
        [
            {
                "match": {"kinds": ["DaemonSet"], "namespaces": ["monitoring"], "names": ["node-exporter"]},
                "controls": ["hostNamespaces", "hostPorts"],
                "reason": "reads the host's metrics",
                "expires": "2030-06-30",
            }
        ]
    ],
    "spec.exemptions[].controls": [["runAsNonRoot"], ["*"]],
    "spec.exemptions[].expires": ["2030-06-30"],
    "match.kinds": [["Deployment", "StatefulSet"]],
    "match.namespaces": [["team-*"]],
    "match.names": [["web"]],
    "match.labels": [{"tier": "edge"}],
    "match.containers": [["*"], ["istio-proxy"]],
    "match.images": [["registry.example/tools/*"]],
    "match.vulnerabilities": [["CVE-2024-1234", "GHSA-*"]],
}
PATTERNS: Mapping[str, str] = {
    "version": r"^(latest|v1\.(0|[1-9][0-9]*))$",
    "kubernetes": r"^v?1\.(0|[1-9][0-9]*)$",
    "folder": "^/+[^/]",
    "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}
"""What our own formats mean to those who don't know them."""


def described(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A schema with what editors show; it accepts the same."""
    made = dict(schema)
    where = path.replace("spec.rules[].match.", "match.").replace("spec.exemptions[].match.", "match.")
    where = where.replace("spec.rules[].", "spec.")
    made["description"] = _text(where, schema)
    if where in EXAMPLES:
        made["examples"] = EXAMPLES[where]
    if schema.get("format") in PATTERNS:
        made["pattern"] = PATTERNS[schema["format"]]
    if "properties" in schema:
        made["properties"] = {name: described(inner, f"{path}.{name}") for name, inner in schema["properties"].items()}
    if "items" in schema:
        made["items"] = described(schema["items"], f"{path}[]")
    if "anyOf" in schema:
        made["anyOf"] = [described(one, path) for one in schema["anyOf"]]
    if not made["description"]:
        del made["description"]
    return made


def _text(path: str, schema: Mapping[str, Any]) -> str:
    said = str(schema.get("description", ""))
    if path.startswith("spec.controls.") and path.count(".") == 2:
        return _of_control(path.rpartition(".")[2])
    choices = CHOICES.get(path, {})
    return said + "".join(f"\n- {word}: {meaning}" for word, meaning in choices.items())


def _of_control(name: str) -> str:
    known = controls.load()
    others = {controls.NAMESPACES: "Labels of Namespaces", controls.VULNERABILITIES: "Vulnerabilities of images"}
    titles = [known[one].title if one in known else others[one] for one in controls.named(name)]
    return f"{' / '.join(dict.fromkeys(titles))}. `krm-harden explain {name}` says what it writes and what may break."

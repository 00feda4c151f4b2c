"""Below a ceiling nothing is loosened: an attack for every field of the policy, and by everything that an item says.

The attacker owns the application's repository: its functionConfig and its items. The ceiling is the platform's.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import run_cli
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import Policy, ceilings, check, controls, harden, limits, policy, schema
from krm_harden.commands import function
from krm_harden.errors import ConfigError
from krm_harden.model import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Spec = dict[str, Any]

PREFIX = "pod-security.kubernetes.io/"
BEYOND = {"readOnlyRootFilesystem", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "sysctls"}
"""The fields that the standard doesn't ask for."""


def whole(spec: Spec, name: str = "team") -> Spec:
    return {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": name}, "spec": spec}


def workload(name: str = "web", *, metadata: Spec | None = None, context: Spec | None = None, **pod: Any) -> Spec:
    """A Deployment with one container."""
    container = {"name": "main", "image": "registry.example/app:1", "securityContext": context or {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, **(metadata or {})},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}},
        },
    }


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
ITEMS = [
    workload("plain"),
    workload("privileged", context={"privileged": True}),
    workload("root", context={"runAsUser": 0}),
    workload("may-be-root", context={"runAsNonRoot": False}),
    workload("escalates", context={"allowPrivilegeEscalation": True}),
    workload("adds", context={"capabilities": {"add": ["SYS_ADMIN"]}}),
    workload("unconfined", context={"seccompProfile": {"type": "Unconfined"}}),
    workload("writes", context={"readOnlyRootFilesystem": False}),
    workload("network", hostNetwork=True),
    workload("path", volumes=[{"name": "a", "hostPath": {"path": "/"}}]),
    workload("user-namespace", hostUsers=False, context={"runAsUser": 0}),
    workload("sysctl", securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}),
    workload("selinux", securityContext={"seLinuxOptions": {"type": "container_engine_t"}}),
    {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": workload()["spec"]},
    NAMESPACE,
]
"""What an attacker wants to get through, and one workload that says nothing."""


def resource_list(config: Spec | None, items: list[Spec]) -> bytes:
    whole_ = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    return json.dumps({**whole_, **({"functionConfig": config} if config else {})}).encode()


class Run:
    """What the function makes of some items: by name what is written and what stays an error."""

    def __init__(self, upper: Spec, config: Spec | None, items: list[Spec]) -> None:
        ceiling = policy.from_data(whole(upper, "platform"), "platform.yaml")
        parts, self.report = function.harden(resource_list(config, items), ceiling)
        found = json.loads(b"".join(parts))
        self.items = {item["metadata"]["name"]: item for item in found["items"]}
        self.errors = {
            result["resourceRef"]["name"] for result in found.get("results", []) if result["severity"] == "error"
        }


def secured(item: Spec) -> dict[str, set[str]]:
    """The fields that harden each container, its own and the pod's."""
    spec = item["spec"]["template"]["spec"]
    above = spec.get("securityContext", {})
    return {
        container["name"]: {name for name, value in {**above, **container["securityContext"]}.items() if hardens(value)}
        for container in spec["containers"]
    }


def hardens(value: Any) -> bool:
    """Whether a field isn't empty; of capabilities, whether some are dropped."""
    return value not in ([], {}) and not (isinstance(value, dict) and "add" in value and "drop" not in value)


def ranks(item: Spec) -> dict[str, int]:
    """How strict the labels of a Namespace are."""
    labels = item["metadata"].get("labels", {})
    return {mode: LEVELS.index(labels.get(PREFIX + mode, "privileged")) for mode in ("enforce", "audit", "warn")}


def loosened(upper: Spec, config: Spec | None, items: list[Spec] | None = None) -> Iterator[str]:
    """What gets through below a ceiling by a functionConfig, and doesn't by the ceiling alone. Raises ConfigError.

    A pod without an error is one that passes the ceiling's own standard, or has none without the functionConfig either;
    no field of it is hardened less unless that is an error, and no label is softer. By what is said of an image, fields
    beyond the standard may be left away, as by what a manifest says: `required` makes that an error. What a validator
    leaves as it is, is an error.
    """
    fields = set((config or {}).get("spec") or ())
    knows, reports = {"images", "imageLock"} & fields, bool({"unknownUser", "validator"} & fields)
    given_ = ITEMS if items is None else items
    below = Run(upper, config, given_)
    alone = _alone(json.dumps(upper)) if items is None else Run(upper, None, given_)
    if below.report.code < alone.report.code and not below.errors < alone.errors:
        yield f"exit code {below.report.code} in place of {alone.report.code}"
    for name, item in below.items.items():
        if item["kind"] == "Namespace":
            if "auto" not in json.dumps([upper, config]):
                softer = [mode for mode, rank in ranks(alone.items[name]).items() if ranks(item)[mode] < rank]
                softer = [] if "validator" in fields and name in below.errors else softer
                yield from (f"{name}: {mode}" for mode in softer)
            continue
        if name in alone.errors - below.errors and not _is_allowed(item, upper):
            yield f"{name}: no error, and not allowed"
        before = secured(alone.items[name])
        for container, names in secured(item).items():
            lost = before[container] - names
            is_error = name in below.errors and (knows or reports or name not in alone.errors)
            if lost and not is_error and not (knows and lost <= BEYOND):
                yield f"{name}: {container}: {sorted(lost)} isn't written"


@cache
def _alone(upper: str) -> Run:
    return Run(json.loads(upper), None, ITEMS)


def _is_allowed(item: Spec, upper: Spec) -> bool:
    return check(json.dumps(item), Policy.from_dict(whole({**upper, "exemptions": []}))).allowed


def test_the_items_do_not_get_through_by_the_ceiling_alone():
    """So that what gets through below is seen."""
    alone = Run({}, None, ITEMS)

    assert alone.report.code == 1
    assert {"plain", "job", "shop"}.isdisjoint(alone.errors)
    assert {"privileged", "root", "network", "path", "user-namespace"} <= alone.errors


# Every field of the policy

OVERRIDE = {"explicit": "override"}
ENFORCED = {"namespaces": {"enforce": "restricted"}}
AUTO = {"namespaces": {"enforce": "auto"}}
OLD = {"version": "v1.34"}
KNOWN = {"images": [{"match": "registry.example/*", "uid": 1001, "gid": 1001, "writablePaths": []}]}
ROOT_IS_KNOWN = {"images": [{"match": "*", "uid": 0}]}
KINDS = {"kinds": [{"group": "example.com", "kind": "App", "podSpecs": ["/spec"]}]}
APP = {
    "apiVersion": "example.com/v1",
    "kind": "App",
    "metadata": {"name": "app"},
    "spec": workload(context={"privileged": True})["spec"]["template"]["spec"],
}

ANY = {name: {"rule": "RunAsAny"} for name in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
ALPHA = ".security.alpha.kubernetes.io/defaultProfileName"
BETA = ".security.beta.kubernetes.io/defaultProfileName"


def pod_security(annotations: Spec | None = None, **spec: Any) -> Spec:
    """A spec with a PodSecurityPolicy, which allows every volume unless it says otherwise."""
    whole_spec = {**ANY, "volumes": ["*"], **spec}
    return {"podSecurityPolicy": {"name": "old", "annotations": annotations or {}, "spec": whole_spec}}


PSP = pod_security(requiredDropCapabilities=["ALL"], readOnlyRootFilesystem=True)

REFUSED: dict[str, list[tuple[Spec, Any]]] = {
    # A value that allows more than the ceiling's own.
    **{f"limits.{name}": [({"limits": {name: usual}}, usual + 1)] for name, (usual, _, _, _) in limits.TABLE.items()},
    "profile": [
        ({}, "baseline"),
        ({}, "audit"),
        ({}, "psp-restricted"),
        ({"level": "baseline"}, "audit"),
        ({"profile": "audit"}, "baseline"),
        ({"profile": "psp-restricted"}, "audit"),
        ({"changes": "evidence"}, "audit"),
        ({"immutable": "skip", "changes": "additive"}, "audit"),
    ],
    "level": [({}, "baseline"), ({}, "privileged"), ({"level": "baseline"}, "privileged")],
    "version": [({}, "v1.0"), ({}, "v1.36"), (OLD, "v1.33"), (OLD, "v1.35"), (OLD, "latest"), (OLD, "v1.99")],
    "changes": [({}, "additive"), ({}, "evidence"), ({"changes": "evidence"}, "additive")],
    "explicit": [(OVERRIDE, "respect")],
    "onViolation": [({}, "Warn")],
    "immutable": [({}, "skip")],
    "exemptionAnnotations": [({}, "allow")],
    "controls.*.enabled": [({}, False), ({"level": "baseline"}, False), ({"level": "privileged"}, False)],
    "controls.*.required": [({"controls": {"*": {"required": True}}}, False)],
    "controls.*.explicit": [(OVERRIDE, "respect"), ({"controls": {"*": {"explicit": "override"}}}, "respect")],
    "namespaces.enforce": [
        ({}, "privileged"),
        ({}, "baseline"),
        (ENFORCED, "none"),
        (ENFORCED, "privileged"),
        (ENFORCED, "baseline"),
        (ENFORCED, "auto"),
        (AUTO, "none"),
        (AUTO, "privileged"),
        (AUTO, "baseline"),
        ({"namespaces": {"enforce": "baseline"}}, "auto"),
    ],
    "namespaces.audit": [({}, "none"), ({}, "privileged"), ({}, "baseline")],
    "namespaces.warn": [
        ({}, "none"),
        ({"level": "baseline"}, "privileged"),
        ({"namespaces": {"warn": "baseline"}}, "none"),
    ],
    "namespaces.version": [
        ({}, "v1.0"),
        (OLD, "v1.0"),
        (OLD, "latest"),
        ({"namespaces": {"version": "v1.34"}}, "v1.33"),
        ({"namespaces": {"version": "v1.34"}}, "latest"),
    ],
    "unknownUser": [
        ({}, "userNamespace"),
        ({"unknownUser": "report"}, "uid"),
        ({"unknownUser": "report"}, "userNamespace"),
    ],
    "controls.fsGroup.replaceChown": [({"controls": {"fsGroup": {"replaceChown": False}}}, True)],
    "controls.readOnlyRootFilesystem.initCopy": [({"controls": {"readOnlyRootFilesystem": {"initCopy": True}}}, False)],
    "controls.numericUser.dataSubfolder": [({"controls": {"numericUser": {"dataSubfolder": True}}}, False)],
    "controls.imageVulnerabilities.failOn": [
        ({}, "none"),
        ({"controls": {"imageVulnerabilities": {"failOn": "medium"}}}, "high"),
    ],
    "controls.imageVulnerabilities.onlyFixed": [({}, True)],
    "controls.imageVulnerabilities.graceDays": [
        ({}, 1),
        ({"controls": {"imageVulnerabilities": {"graceDays": 7}}}, 8),
    ],
    "compatibility": [({}, "0.1"), ({"compatibility": "0.1"}, schema.RELEASES[-1])],
    "images[].uid": [({}, 0), (KNOWN, 0)],
    "validator": [({"validator": True}, False)],
    "podSecurityPolicies": [({"podSecurityPolicies": "items"}, "ignore")],
    "podSecurityPolicy.annotations": [
        ({}, {f"seccomp{ALPHA}": "unconfined"}),
        (PSP, {f"apparmor{BETA}": "unconfined"}),
    ],
    "podSecurityPolicy.spec.defaultAddCapabilities": [({}, ["SYS_ADMIN"]), (PSP, ["CHOWN"])],
    "podSecurityPolicy.spec.defaultAllowPrivilegeEscalation": [({}, True), ({"level": "privileged"}, True)],
    "podSecurityPolicy.spec.runAsUser.ranges[].min": [({}, 0), ({"level": "privileged"}, 0)],
}
"""A field, the ceilings over it, and what is refused below each. `*` stands for every control."""

PATH = {"path": "/usr"}
CAPABLE = {"programs": ["app"], "uid": 5}
FACTS: dict[str, list[Spec]] = {
    "uid": [{"uid": 5}],
    "gid": [{"gid": 0}],
    "fsGroup": [{"fsGroup": 0, "uid": 5}],
    "defaultUser": [{"defaultUser": 0}, {"defaultUser": 5, "uid": 5}],
    "anyUid": [{"anyUid": True}],
    "dependsOnCommand": [{"dependsOnCommand": True}],
    "programs": [{"programs": ["cron"]}, {"programs": ["sshd", "ping"], "uid": 5}],
    "writablePaths": [{"writablePaths": ["/usr", "/etc"]}],
    "writablePaths[].path": [{"writablePaths": [PATH]}],
    "writablePaths[].seed": [{"writablePaths": [{**PATH, "seed": seed}]} for seed in ("copy", "data", "empty")],
    "writablePaths[].sizeLimit": [{"writablePaths": [{**PATH, "sizeLimit": "1Pi"}]}],
    "writablePaths[].optional": [{"writablePaths": [{**PATH, "seed": "copy", "optional": True}]}],
    "writablePaths[].owned": [{"writablePaths": [{**PATH, "seed": "copy", "owned": True}], "uid": 5}],
    "writablePaths[].from": [{"writablePaths": [{**PATH, "from": "/etc"}]}],
    "writablePaths[].evidence": [{"writablePaths": [{**PATH, "evidence": "observed"}]}],
    "fileCapabilities[].path": [{**CAPABLE, "fileCapabilities": [{"path": "/app", "capabilities": ["SYS_ADMIN"]}]}],
    "fileCapabilities[].capabilities": [
        {**CAPABLE, "fileCapabilities": [{"path": "/app", "capabilities": names}]}
        for names in ([], ["ALL"], ["NET_BIND_SERVICE"], ["NET_BIND_SERVICE", "NET_RAW"])
    ],
    "ports": [{"ports": [1], "uid": 5}],
    "env": [{"env": {"HOME": "/"}, "uid": 5}],
    "ownedFolder.path": [{"ownedFolder": {"path": "/tmp", "variable": "HOME", "subfolder": ".."}, "uid": 5}],
    "ownedFolder.variable": [{"ownedFolder": {"path": "/tmp", "variable": "PATH", "subfolder": "x"}, "uid": 5}],
    "ownedFolder.subfolder": [{"ownedFolder": {"path": "/usr", "variable": "HOME", "subfolder": "/"}, "uid": 5}],
    "cannotRestrict.code": [{"cannotRestrict": {"code": code, "reason": "x"}} for code in schema.REFUSALS],
    "cannotRestrict.reason": [{"cannotRestrict": {"code": "windows", "reason": "*"}, "uid": 5}],
}
"""What can be said of an image, and the attacks by it."""


def locked(**more: Any) -> Spec:
    return {"imageLock": {"images": [{"digest": "sha256:0", "images": ["registry.example/app:1"], **more}]}}


LOCKED: dict[str, list[Spec]] = {
    "digest": [{"digest": "*"}],
    "imageID": [{"imageID": "sha256:0"}],
    "images": [{"images": ["*"]}, {"images": [], "facts": {"uid": 5}}],
    "platform": [{"platform": "windows/amd64"}],
    **{
        f"config.{name}": [{"config": {name: "root" if name in {"user", "workingDir"} else ["/"]}}]
        for name in ("user", "workingDir", "entrypoint", "cmd", "exposedPorts", "volumes")
    },
    "evidence": [{"facts": {"uid": 5}, "evidence": {"uid": how}} for how in ("guess", "observed")],
    "probe.seconds": [{"probe": {"seconds": 0}}],
    "probe.user": [{"probe": {"user": "0:0"}}],
    "probe.restricted": [{"probe": {"restricted": "fails"}}],
    "probe.note": [{"probe": {"note": "it needs root"}}],
}
"""What a lock says of an image beside its facts, and the attacks by it."""


def _of_images() -> dict[str, list[tuple[Spec, Spec]]]:
    made: dict[str, list[tuple[Spec, Spec]]] = {}
    for field, said in FACTS.items():
        stated = [{"images": [{"match": "registry.example/app:1", **facts}]} for facts in said]
        found = [locked(facts=facts) for facts in said]
        made[f"images[].{field}"] = [(upper, spec) for upper in ({}, KNOWN) for spec in stated]
        made[f"imageLock.images[].facts.{field}"] = [(upper, spec) for upper in ({}, KNOWN) for spec in found]
    return made | {
        f"imageLock.images[].{field}": [({}, locked(**one)) for one in said] for field, said in LOCKED.items()
    }


IDS = {"rule": "MustRunAs", "ranges": [{"min": 7, "max": 9}, {"min": 0, "max": 2}]}
ROOT = {"user": "system_u", "role": "system_r", "type": "spc_t", "level": "s0"}
POD_SECURITY: dict[str, list[Spec]] = {
    **{name: [{name: True}] for name in ("privileged", "hostNetwork", "hostPID", "hostIPC")},
    "defaultAddCapabilities": [{"defaultAddCapabilities": []}],
    "requiredDropCapabilities": [{"requiredDropCapabilities": names} for names in (["ALL"], ["KILL"], [])],
    "allowedCapabilities": [{"allowedCapabilities": ["*"]}],
    "volumes": [{"volumes": volumes} for volumes in (["*"], [], ["hostPath"], ["emptyDir"])],
    "hostPorts[].min": [{"hostPorts": [{"min": 0, "max": 65535}]}],
    "hostPorts[].max": [{"hostPorts": [{"min": 1, "max": 1}]}],
    "readOnlyRootFilesystem": [{"readOnlyRootFilesystem": value} for value in (True, False)],
    "defaultAllowPrivilegeEscalation": [{"defaultAllowPrivilegeEscalation": False}],
    "allowPrivilegeEscalation": [{"allowPrivilegeEscalation": value} for value in (True, False)],
    "allowedHostPaths[].pathPrefix": [{"allowedHostPaths": [{"pathPrefix": "/"}]}],
    "allowedHostPaths[].readOnly": [{"allowedHostPaths": [{"pathPrefix": "/", "readOnly": True}]}],
    "allowedFlexVolumes[].driver": [{"allowedFlexVolumes": [{"driver": "x"}]}],
    "allowedCSIDrivers[].name": [{"allowedCSIDrivers": [{"name": "x"}]}],
    "allowedUnsafeSysctls": [{"allowedUnsafeSysctls": ["*"]}],
    "forbiddenSysctls": [{"forbiddenSysctls": ["*"]}, {"forbiddenSysctls": []}],
    "allowedProcMountTypes": [{"allowedProcMountTypes": ["Unmasked"]}, {"allowedProcMountTypes": []}],
    "runtimeClass.allowedRuntimeClassNames": [{"runtimeClass": {"allowedRuntimeClassNames": ["*"]}}],
    "runtimeClass.defaultRuntimeClassName": [
        {"runtimeClass": {"allowedRuntimeClassNames": ["*"], "defaultRuntimeClassName": "runc"}}
    ],
    "seLinux.rule": [{"seLinux": {"rule": "RunAsAny"}}],
    **{f"seLinux.seLinuxOptions.{name}": [{"seLinux": {"rule": "MustRunAs", "seLinuxOptions": ROOT}}] for name in ROOT},
    "runAsUser.rule": [{"runAsUser": {"rule": "MustRunAsNonRoot"}}, {"runAsUser": {"rule": "MustRunAs"}}],
    "runAsUser.ranges[].min": [{"runAsUser": IDS}],
    "runAsUser.ranges[].max": [{"runAsUser": IDS}],
    **{
        f"{name}.{field}": [{name: one} for one in ({**IDS, "rule": "MayRunAs"}, IDS, {"rule": "RunAsAny"})]
        for name in ("runAsGroup", "supplementalGroups", "fsGroup")
        for field in ("rule", "ranges[].min", "ranges[].max")
    },
}
"""A field of a PodSecurityPolicy, and the attacks by it."""


def _of_pod_security() -> dict[str, list[tuple[Spec, Spec]]]:
    uppers: list[Spec] = [{}, {"level": "baseline"}, PSP]
    made = {
        f"podSecurityPolicy.spec.{field}": [(upper, pod_security(**one)) for upper in uppers for one in said]
        for field, said in POD_SECURITY.items()
    }
    profile = {f"seccomp{ALPHA}": "runtime/default", f"apparmor{BETA}": "runtime/default"}
    made["podSecurityPolicy.name"] = [(upper, pod_security()) for upper in uppers]
    made["podSecurityPolicy.annotations"] = [(upper, pod_security(profile)) for upper in uppers]
    made["podSecurityPolicies"] = [({}, {"podSecurityPolicies": "items"}), ({}, {"podSecurityPolicies": "ignore"})]
    return made


HARMLESS: dict[str, list[tuple[Spec, Spec]]] = {**_of_images(), **_of_pod_security()} | {
    "profile": [
        ({}, {"profile": "restricted"}),
        ({"level": "baseline"}, {"profile": "restricted"}),
        ({"level": "baseline"}, {"profile": "baseline"}),
        ({"level": "privileged"}, {"profile": "baseline"}),
        ({"profile": "audit"}, {"profile": "audit"}),
        ({"profile": "audit"}, {"profile": "restricted"}),
        ({"profile": "psp-restricted"}, {"profile": "psp-restricted"}),
        ({"profile": "psp-restricted"}, {"profile": "restricted"}),
        # What it softens is said again, and hardened.
        ({}, {"profile": "baseline", "level": "restricted"}),
        ({}, {"profile": "audit", "changes": "complete", "onViolation": "Fail", "immutable": "fix"}),
    ],
    "images[].match": [({}, {"images": [{"match": match, "uid": 5}]}) for match in ("*", "registry.example/app:1")],
    "images[].uid": [
        (KNOWN, {"images": [{"match": "registry.example/app:1", "uid": 5}]}),
        (ROOT_IS_KNOWN, {"images": [{"match": "registry.example/app:1", "uid": 5}]}),
    ],
    "unknownUser": [({}, {"unknownUser": "report"}), ({"unknownUser": "userNamespace"}, {"unknownUser": "uid"})],
    "controls.fsGroup.replaceChown": [({}, {"controls": {"fsGroup": {"replaceChown": True}}})],
    "controls.readOnlyRootFilesystem.initCopy": [({}, {"controls": {"readOnlyRootFilesystem": {"initCopy": True}}})],
    "controls.numericUser.dataSubfolder": [({}, {"controls": {"numericUser": {"dataSubfolder": False}}})],
    "controls.numericUser.uid": [({}, {"controls": {"numericUser": {"uid": uid}}}) for uid in (1, 2**31 - 1)],
    "controls.readOnlyRootFilesystem.writablePaths": [
        ({}, {"controls": {"readOnlyRootFilesystem": {"writablePaths": paths}}}) for paths in ([], ["/usr", "/etc"])
    ],
    "validator": [(upper, {"validator": True}) for upper in ({}, ENFORCED, AUTO, {"onViolation": "Warn"}, KNOWN)],
    "kinds[].group": [
        ({}, {"kinds": [{"group": group, "kind": "Deployment", "podSpecs": ["/x"]}]}) for group in ("", "apps")
    ],
    "kinds[].kind": [
        ({}, {"kinds": [{"group": "", "kind": kind, "podSpecs": ["/metadata"]}]})
        for kind in ("Pod", "List", "ResourceList")
    ],
    "kinds[].podSpecs": [
        ({}, {"kinds": [{"group": "apps", "kind": "Deployment", "podSpecs": paths}]})
        for paths in ([], ["/nowhere"], ["/metadata"], ["/spec/template/spec/containers/*"])
    ],
}
"""A field and the attacks by it that change nothing for the worse: the ceiling and the spec below it."""

WHOLE = ("exemptions[]", "rules[]", "target")
"""What is refused below a ceiling, whatever it says."""


def leaves(described: Spec, path: str = "") -> Iterator[tuple[str, Spec]]:
    """Every field of a schema that isn't an object itself, with its schema; `[]` stands for each item of a list."""
    if "properties" in described:
        for name, inner in described["properties"].items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
        return
    items = _object_of(described.get("items", {}))
    if items:
        yield from leaves(items, f"{path}[]")
    if not items or "anyOf" in described["items"]:
        yield path, described


def _object_of(described: Spec) -> Spec:
    """The object that an item is, or may be; empty if it can't be one."""
    return next((one for one in described.get("anyOf", [described]) if "properties" in one), {})


FIELDS = dict(leaves(schema.spec_schema()))
NAMES = sorted(controls.settings())


def common(path: str) -> str:
    """A field as the tables have it: those that all controls share under one name."""
    parts = path.split(".")
    shared = parts[0] == "controls" and parts[2] in {"enabled", "required", "explicit"}
    return f"controls.*.{parts[2]}" if shared else path


def sample(described: Spec) -> Any:
    """A value that a schema accepts, with every field of an object but where it has an example."""
    if "examples" in described:
        return described["examples"][0]
    if "anyOf" in described:
        return sample(described["anyOf"][0])
    if described["type"] == "object":
        inner = described.get("properties")
        return {name: sample(one) for name, one in inner.items()} if inner else {"app": sample(_others(described))}
    if described["type"] == "array":
        return [sample(described["items"])]
    values: dict[str, Any] = {"version": "latest", "kubernetes": "1.37", "date": "2099-01-01", "folder": "/x"}
    simple = {
        "boolean": False,
        "integer": described.get("minimum", 0),
        "string": values.get(described.get("format", ""), "*"),
    }
    return described["enum"][0] if "enum" in described else simple[described["type"]]


def _others(described: Spec) -> Spec:
    """The schema of the values of an object whose names are free."""
    found: Spec = described["additionalProperties"]
    return found


def at(path: str, value: Any) -> Spec:
    """A spec that has a value at a path, and what the schema requires beside it."""
    parts = path.split(".")
    return _at(schema.spec_schema(), parts, value)


def _at(described: Spec, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    name, is_list = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    inner = described["properties"][name]
    made = _at(_object_of(inner["items"]) if is_list else inner, parts[1:], value)
    beside = {needed: sample(described["properties"][needed]) for needed in described.get("required", ())}
    return {**beside, name: [made] if is_list else made}


@pytest.mark.parametrize("path", [path for path in FIELDS if not path.startswith("controls.")])
def test_every_field_has_an_attack(path):
    assert path.startswith(WHOLE) or common(path) in {*REFUSED, *HARMLESS}


@pytest.mark.parametrize("path", [path for path in FIELDS if path.startswith("controls.")])
def test_every_setting_of_a_control_has_an_attack(path):
    assert common(path) in {*REFUSED, *HARMLESS}


def test_no_attack_is_on_a_field_that_is_gone():
    assert {*REFUSED, *HARMLESS} - {common(path) for path in FIELDS} == set()


@pytest.mark.parametrize("path", [path for path in FIELDS if path.startswith(WHOLE)])
def test_exemptions_rules_and_a_target_are_refused_whatever_they_say(path):
    spec = at(path, sample(FIELDS[path]))
    if path.startswith("exemptions[]"):
        spec["exemptions"][0]["controls"] = ["*"]
    if ".runAsGroup.ranges" in path:
        spec["rules"][0]["podSecurityPolicy"]["spec"]["runAsGroup"]["rule"] = "MayRunAs"
    policy.from_data(whole(spec), "functionConfig")

    with pytest.raises(ConfigError, match=rf"^team: spec\.{path.split('.')[0].removesuffix('[]')} isn't allowed below"):
        list(loosened({}, whole(spec)))


def attacks() -> Iterator[tuple[str, Spec, Spec]]:
    """Every refused attack: the field, the ceiling and the spec below it."""
    for path, pairs in REFUSED.items():
        for name in NAMES if "*" in path else [""]:
            for upper, value in pairs:
                yield (
                    path.replace("*", name),
                    json.loads(json.dumps(upper).replace('"*"', f'"{name or "*"}"')),
                    at(path.replace("*", name), value),
                )


ATTACKS = list(attacks())


@pytest.mark.parametrize(
    ("path", "upper", "spec"), ATTACKS, ids=[f"{json.dumps(upper)} {json.dumps(spec)}" for _, upper, spec in ATTACKS]
)
def test_what_would_loosen_is_refused_by_the_name_of_its_field(path, upper, spec):
    ceiling = policy.from_data(whole(upper, "platform"), "platform.yaml")

    with pytest.raises(ConfigError) as caught:
        ceilings.restricted_by(ceiling, policy.from_data(whole(spec), "functionConfig"))

    assert str(caught.value).startswith(f"team: spec.{path.replace('[]', '[0]')} ")
    assert "platform" in str(caught.value)
    assert caught.value.exit_code == 3


HARMLESS_ATTACKS = [(upper, spec) for pairs in HARMLESS.values() for upper, spec in pairs]


@pytest.mark.parametrize(
    ("upper", "spec"),
    HARMLESS_ATTACKS,
    ids=[f"{json.dumps(upper)} {json.dumps(spec)}" for upper, spec in HARMLESS_ATTACKS],
)
def test_what_is_not_refused_loosens_nothing(upper, spec):
    assert list(loosened(upper, whole(spec))) == []


_ONE_EACH = [next(attack for attack in ATTACKS if common(attack[0]) == path) for path in REFUSED]
_ONE_EACH += [(path, {}, at(path, sample(FIELDS[path]))) for path in ("rules[].level", "target.platform")]
_ONE_EACH += [("exemptions[]", {}, {"exemptions": [{"match": {}, "controls": ["*"], "reason": "x"}]})]


@pytest.mark.parametrize("way", ["function", "fn"])
@pytest.mark.parametrize(("path", "upper", "spec"), _ONE_EACH, ids=[path for path, _, _ in _ONE_EACH])
def test_both_ways_in_refuse_it_below_the_ceiling_of_the_environment(way, path, upper, spec, tmp_path):
    ceiling, config = tmp_path / "platform.yaml", tmp_path / "team.yaml"
    ceiling.write_text(json.dumps(whole(upper, "platform")))
    config.write_text(json.dumps(whole(spec)))
    arguments = ["fn", config] if way == "fn" else []
    stdin = json.dumps(ITEMS[1]).encode() if way == "fn" else resource_list(whole(spec), ITEMS)

    ran = run_cli(*arguments, stdin=stdin, KRM_HARDEN_POLICY=str(ceiling))

    assert (ran.code, ran.out) == (3, b"")
    first, *excerpt = ran.err.splitlines()
    # A functionConfig has no line of its own, and its host takes each line for a message.
    assert [line for line in excerpt if way == "function" or not re.match(r" +\d* \| ", line)] == []
    assert f"spec.{path.split('[')[0].split('.')[0]}" in first


FLAT = [
    ("level", "baseline"),
    ("version", "v1.0"),
    ("changes", "additive"),
    ("onViolation", "Warn"),
    ("immutable", "skip"),
    ("exemptionAnnotations", "allow"),
    ("target.platform", "openshift"),
    ("target.kubernetes", "1.20"),
    ("namespaces.audit", "none"),
    ("namespaces.version", "v1.0"),
    ("compatibility", "0.1"),
    ("runAsNonRoot.enabled", "false"),
    ("controls.capabilities.enabled", "false"),
    ("seccompProfile.enabled", "False"),
]


@pytest.mark.parametrize(("key", "value"), FLAT)
def test_a_config_map_is_refused_the_same(key, value):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": {key: value}}

    with pytest.raises(ConfigError, match=r"spec\."):
        list(loosened({}, config))


# Any policy below any ceiling

UPPERS: list[Spec] = [
    {},
    {"level": "baseline"},
    OLD,
    {"changes": "evidence", **KNOWN},
    OVERRIDE,
    ENFORCED,
    {"controls": {"numericUser": {"required": True}, "capabilities": {"explicit": "override"}}},
    {"rules": [{"match": {"kinds": ["Job"]}, "changes": "additive"}]},
    {"profile": "audit", "changes": "complete"},
    {"profile": "psp-restricted"},
    {"exemptions": [{"match": {"names": ["network"]}, "controls": ["hostNamespaces"], "reason": "known"}]},
]
_WORDS = ["*", "registry.example/*", "registry.example/app:1", "Deployment", "shop", "", "App"]
_FORMATS = {
    "version": ["latest", "v1.0", "v1.24", "v1.34", "v1.36", "v1.37"],
    "kubernetes": ["1.20", "1.37"],
    "date": ["2020-01-01", "2099-01-01"],
    "folder": ["/tmp", "/usr"],
}


def values(described: Spec) -> st.SearchStrategy[Any]:
    """Any value that a schema accepts."""
    if "anyOf" in described:
        return st.one_of(*map(values, described["anyOf"]))
    if described["type"] == "object":
        inner = described.get("properties")
        if inner is None:
            return st.dictionaries(st.sampled_from(["app", "uid"]), values(_others(described)), max_size=2)
        needed = described.get("required", ())
        beside = st.fixed_dictionaries({name: values(inner[name]) for name in needed})
        one = st.sampled_from(sorted(inner)).flatmap(lambda name: values(inner[name]).map(lambda value: {name: value}))
        return st.tuples(beside, st.lists(one, min_size=1, max_size=2)).map(_joined)
    if described["type"] == "array":
        return st.lists(values(described["items"]), min_size=1, max_size=2)
    if "enum" in described or "examples" in described:
        return st.sampled_from(described.get("enum") or described["examples"])
    if described["type"] == "boolean":
        return st.booleans()
    if described["type"] == "integer":
        return st.sampled_from([described.get("minimum", 0), 1001])
    return st.sampled_from(_FORMATS.get(described.get("format", ""), _WORDS))


def _joined(drawn: tuple[Spec, list[Spec]]) -> Spec:
    beside, more = drawn
    return {name: value for part in (beside, *more) for name, value in part.items()}


@given(upper=st.sampled_from(UPPERS), spec=values(schema.spec_schema()))
def test_no_policy_loosens_any_ceiling(upper, spec):
    try:
        found = list(loosened(upper, whole(spec)))
    except ConfigError:
        return

    assert found == []


@given(upper=st.sampled_from(UPPERS), profile=st.sampled_from(schema.PROFILES), spec=values(schema.spec_schema()))
def test_no_profile_beside_other_words_loosens_any_ceiling(upper, profile, spec):
    try:
        found = list(loosened(upper, whole({**spec, "profile": profile})))
    except ConfigError:
        return

    assert found == []


# Settings that only tighten


@pytest.mark.parametrize(
    ("upper", "spec"),
    [
        ({"level": "baseline"}, {"level": "restricted"}),
        ({"changes": "additive"}, {"changes": "complete"}),
        ({"compatibility": "0.1"}, {"compatibility": "0.1"}),
        ({"compatibility": "0.1"}, {"level": "restricted"}),
        ({}, {"compatibility": schema.RELEASES[-1]}),
        ({}, {"explicit": "override"}),
        ({"onViolation": "Warn"}, {"onViolation": "Fail"}),
        ({"immutable": "skip"}, {"immutable": "fix"}),
        ({"exemptionAnnotations": "allow"}, {"exemptionAnnotations": "ignore"}),
        ({"controls": {"runAsUser": {"enabled": False}}}, {"controls": {"runAsUser": {"enabled": True}}}),
        ({}, {"controls": {"readOnlyRootFilesystem": {"required": True, "explicit": "override"}}}),
        ({}, {"namespaces": {"enforce": "restricted"}}),
        ({}, AUTO),
        (AUTO, AUTO),
        (AUTO, ENFORCED),
        ({"namespaces": {"enforce": "privileged"}}, AUTO),
        ({"namespaces": {"audit": "none"}}, {"namespaces": {"audit": "baseline"}}),
        ({}, {"version": "latest"}),
        ({}, {"version": "v1.37"}),
        (OLD, {"version": "v1.34"}),
        ({"target": {"kubernetes": "1.34"}}, {"version": "latest"}),
        (OLD, {"namespaces": {"version": "v1.34"}}),
        ({}, {"namespaces": {"version": "v1.37"}}),
        ({}, {"exemptions": [], "rules": [], "target": {}}),
    ],
)
def test_what_is_as_strict_or_stricter_is_accepted(upper, spec):
    made = ceilings.restricted_by(
        policy.from_data(whole(upper, "platform"), "platform.yaml"), policy.from_data(whole(spec), "functionConfig")
    )

    assert made.name == "platform"
    for field, value in spec.items():
        if isinstance(value, str):
            assert made.spec[field] == upper.get(field, value) if field == "version" else made.spec[field] == value


@pytest.mark.parametrize("named", [{"version": "v1.37"}, {"namespaces": {"version": "v1.37"}}])
def test_a_version_that_the_ceiling_pins_stays_pinned(named):
    """`latest` has the same rules today, and others after the next update."""
    lower = {"version": "latest"} if "version" in named else {"namespaces": {"version": "latest"}}

    labels = Run(named, whole(lower), [NAMESPACE]).items["shop"]["metadata"]["labels"]

    assert labels[f"{PREFIX}audit-version"] == "v1.37"


# Facts about images


def user(upper: Spec, lower: Spec) -> Spec:
    """The securityContext that the plain workload gets."""
    spec = Run(upper, whole(lower), [workload("plain")]).items["plain"]["spec"]["template"]["spec"]
    return {**spec.get("securityContext", {}), **spec["containers"][0]["securityContext"]}


@pytest.mark.parametrize("match", ["*", "registry.example/*", "registry.example/app:*", "registry.example/app:1"])
def test_no_fact_replaces_one_of_the_ceiling_however_narrow_it_is(match):
    made = user(KNOWN, {"images": [{"match": match, "uid": 5, "gid": 6, "writablePaths": ["/x"]}]})

    assert (made["runAsUser"], made["runAsGroup"]) == (1001, 1001)


@pytest.mark.parametrize("own", [{}, {"uid": 1001}])
def test_what_the_ceiling_does_not_say_of_an_image_is_added(own):
    made = user(
        {"images": [{"match": "*", "uid": 1001}]}, {"images": [{"match": "registry.example/*", "gid": 6, **own}]}
    )

    assert (made["runAsUser"], made["runAsGroup"]) == (1001, 6)


def test_the_group_of_another_user_than_the_ceilings_is_not_added():
    ceiling = {"images": [{"match": "*", "uid": 1001}]}
    lower = {"images": [{"match": "registry.example/*", "uid": 5, "gid": 6}]}

    assert "runAsGroup" not in user(ceiling, lower)
    assert user({**ceiling, "compatibility": "0.1"}, lower)["runAsGroup"] == 6


@pytest.mark.parametrize("facts", [{"uid": 0}, {"uid": 0, "gid": 0}])
def test_a_lock_that_makes_root_of_an_image_is_refused(facts):
    with pytest.raises(
        ConfigError, match=r"^team: imageLock: registry\.example/app:1: uid must not be 0 below the policy"
    ):
        list(loosened({}, whole(locked(facts=facts))))


def test_a_lock_without_a_name_is_refused_by_its_digest():
    with pytest.raises(ConfigError, match=r"^team: imageLock: sha256:0: uid must not be 0 below the policy"):
        list(loosened({}, whole(locked(facts={"uid": 0}, images=[]))))


def test_a_lock_below_says_nothing_against_the_ceilings():
    upper = {"imageLock": locked(facts={"uid": 1001, "gid": 1001})["imageLock"]}

    made = user(upper, locked(facts={"uid": 5, "gid": 6}))

    assert (made["runAsUser"], made["runAsGroup"]) == (1001, 1001)


@pytest.mark.parametrize(
    "facts",
    [
        {"cannotRestrict": {"code": "windows", "reason": "x"}},
        {"writablePaths": [{"path": "/usr", "seed": "copy"}]},
        {"programs": ["app"], "fileCapabilities": [{"path": "/app", "capabilities": ["SYS_ADMIN"]}]},
    ],
)
@pytest.mark.parametrize("where", ["images", "imageLock"])
def test_what_is_required_stays_an_error_whatever_is_said_of_an_image(where, facts):
    upper = {"controls": {"readOnlyRootFilesystem": {"required": True}}}
    lower = {"images": [{"match": "*", **facts}]} if where == "images" else locked(facts=facts)
    settled = {
        "runAsNonRoot": True,
        "runAsUser": 5,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }

    made = Run(upper, whole(lower), [workload("settled", context=settled)])

    assert made.errors == {"settled"}


def test_an_image_that_the_ceiling_knows_as_root_stays_an_error():
    lower = {"images": [{"match": "registry.example/app:1", "uid": 5}]}

    assert Run(ROOT_IS_KNOWN, whole(lower), [workload("plain")]).errors == {"plain"}


# Further kinds


@pytest.mark.parametrize("paths", [[], ["/nowhere"], ["/metadata"], ["/spec/initContainers/*"]])
def test_a_kind_of_the_ceiling_is_not_declared_away(paths):
    lower = {"kinds": [{"group": "example.com", "kind": "App", "podSpecs": paths}]}

    assert Run(KINDS, whole(lower), [APP]).errors == {"app"}


def test_a_namespace_is_not_declared_a_kind_that_makes_pods():
    """It would be taken for a patch without containers, and get no label."""
    lower = {"kinds": [{"group": "", "kind": "Namespace", "podSpecs": ["/metadata"]}]}

    with pytest.raises(ConfigError, match=r"spec\.kinds\[0\]\.kind must not be Namespace"):
        policy.from_data(whole(lower), "functionConfig")


# What an item says of itself

HOSTILE = {
    "an exemption": {"annotations": {"krm-harden.dev/exempt": "*: please"}},
    "an exemption of one control": {"annotations": {"krm-harden.dev/exempt": "privileged: please"}},
    "a sidecar of Istio": {"annotations": {"sidecar.istio.io/inject": "true"}},
    "a sidecar of Linkerd": {"annotations": {"linkerd.io/inject": "enabled"}},
    "local-config in other words": {"annotations": {"config.kubernetes.io/local-config": "True"}},
    "a path of its own": {"annotations": {"config.kubernetes.io/path": "../policy.yaml"}},
    "a label as a policy has it": {"labels": {"krm-harden.dev/level": "privileged"}},
    "no name": {"name": ""},
    "empty ownerReferences": {"ownerReferences": []},
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("item", ITEMS[1:13], ids=lambda item: item["metadata"]["name"])
def test_what_an_item_says_of_itself_lets_nothing_through(case, item):
    alone = Run({}, None, [item])
    hostile = {**item, "metadata": {**item["metadata"], **HOSTILE[case]}}
    template = item["spec"]["template"]
    annotated = {**template["metadata"], "annotations": HOSTILE[case].get("annotations", {})}
    hostile["spec"] = {**item["spec"], "template": {**template, "metadata": annotated}}

    made = Run({}, None, [hostile])

    assert made.report.code == alone.report.code
    assert len(made.errors) == len(alone.errors)


@pytest.mark.parametrize(
    "pod",
    [
        {"os": {"name": "windows"}},
        {"nodeSelector": {"kubernetes.io/os": "windows"}},
        {"hostUsers": False},
        {"securityContext": {"runAsNonRoot": True, "runAsUser": 5}},
        {"serviceAccountName": "admin"},
    ],
    ids=json.dumps,
)
def test_what_a_pod_says_beside_it_does_not_hide_a_privileged_container(pod):
    text = workload("bad", context={"privileged": True}, **pod)

    assert Run({}, None, [text]).errors == {"bad"}


LEFT_ALONE = {
    "local-config": ({"annotations": {"config.kubernetes.io/local-config": "true"}}, {}),
    "an owner": ({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]}, {}),
    "encrypted by SOPS": ({}, {"sops": {"mac": "x"}}),
    "a patch": ({}, {"$patch": "merge"}),
}
"""What an item may say of itself: in its metadata, and at its top."""


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_nothing_that_an_item_says_of_itself_gets_it_through(case, tmp_path):
    (tmp_path / "platform.yaml").write_text(json.dumps(whole({}, "platform")))
    metadata, top = LEFT_ALONE[case]
    item = {**workload("bad", metadata=metadata, context={"privileged": True}), **top}
    text, below = json.dumps(item).encode(), {"KRM_HARDEN_POLICY": str(tmp_path / "platform.yaml")}
    (tmp_path / "policy.yaml").write_text(json.dumps(whole({}, "team")))

    ways = [
        run_cli(stdin=resource_list(None, [item]), **below),
        run_cli("fn", tmp_path / "policy.yaml", "-", stdin=text, **below),
        run_cli("fix", "-", stdin=text, **below),
        run_cli("check", "-", stdin=text),
    ]

    assert [way.code for way in ways] == [1] * len(ways)
    assert [way.err + way.out.decode() for way in ways if "/bad" not in way.err + way.out.decode()] == []


@pytest.mark.parametrize("case", ["local-config", "an owner", "encrypted by SOPS"])
def test_without_a_ceiling_what_is_left_alone_is_a_warning(case):
    metadata, top = LEFT_ALONE[case]
    item = {**workload("bad", metadata=metadata, context={"privileged": True}), **top}

    ran = run_cli(stdin=resource_list(None, [item]))

    assert ran.code == 0
    assert "warning: Deployment/bad was left alone: " in ran.err


@pytest.mark.parametrize("field", ["volumeAttributes", "annotations"])
def test_a_free_field_makes_no_patch(field):
    """`$patch` as somebody's own key, where the API takes any."""
    item = workload("bad", context={"privileged": True})
    if field == "annotations":
        item["metadata"]["annotations"] = {"$patch": "x"}
    else:
        volume = {"name": "v", "csi": {"driver": "d.example", "volumeAttributes": {"$patch": "x"}}}
        item["spec"]["template"]["spec"]["volumes"] = [volume]

    assert Run({}, None, [item]).errors == {"bad"}
    assert not check(json.dumps(item)).allowed
    assert harden(json.dumps(item)).findings


def test_a_step_without_an_image_makes_no_patch():
    """Tekton takes a step's image from its template."""
    step = {"name": "a", "script": "id", "securityContext": {"privileged": True}}
    spec = {"stepTemplate": {"image": "registry.example/app:1"}, "steps": [step]}
    task = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "bad"}, "spec": spec}

    assert Run({}, None, [task]).errors == {"bad"}
    assert not check(json.dumps(task)).allowed


@pytest.mark.parametrize("arguments", [["--level", "baseline,restricted"], ["--as-labelled"]], ids=" ".join)
def test_no_way_of_checking_passes_what_is_encrypted(arguments):
    item = {**workload("bad"), "sops": {"mac": "x"}}

    ran = run_cli("check", *arguments, "-", stdin=json.dumps(item).encode())

    assert ran.code == 1
    assert "Deployment/bad was left alone: encrypted by SOPS" in ran.out.decode()


@pytest.mark.parametrize(
    "controls", [{"numericUser": {"uid": 5}}, {"readOnlyRootFilesystem": {"writablePaths": ["/etc"]}}], ids=json.dumps
)
def test_what_the_ceiling_says_of_a_control_stays(controls):
    said = {"numericUser": {"uid": 20000}, "readOnlyRootFilesystem": {"writablePaths": ["/run"]}}
    upper = policy.from_data(whole({"controls": said}, "platform"), "platform.yaml")

    with pytest.raises(ConfigError, match="would loosen the policy platform"):
        ceilings.restricted_by(upper, policy.from_data(whole({"controls": controls}, "team"), "functionConfig"))

    same = policy.from_data(whole({"controls": said}, "team"), "functionConfig")
    assert ceilings.restricted_by(upper, same).spec["controls"] == said


def test_an_empty_ceiling_is_none_and_an_error():
    ran = run_cli(stdin=resource_list(None, [workload()]), KRM_HARDEN_POLICY="")

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err == "krm-harden: error: KRM_HARDEN_POLICY is empty; name a policy's file, or unset it\n"


@pytest.mark.parametrize("arguments", [["check", "-"], ["fix", "-"], ["check", "--level", "baseline,restricted", "-"]])
def test_no_name_makes_a_line_of_its_own_in_a_report(arguments):
    item = workload("a\nkrm-harden: all is well\x1b[2K", context={"privileged": True})

    ran = run_cli(*arguments, stdin=json.dumps(item).encode())
    lines = [*ran.out.decode().splitlines(), *ran.err.splitlines()]

    assert [line for line in lines if line.startswith("krm-harden: all is well") or "\x1b" in line] == []
    assert any("a krm-harden: all is well" in line for line in lines)


@pytest.mark.parametrize("letter", ["\n", "\r", "\u2028", "\x1b"], ids=ascii)
def test_no_name_makes_a_line_of_its_own_in_the_results(letter):
    name = f"a{letter}severity: info"
    item = workload(name, context={"privileged": True})
    item["spec"]["template"]["spec"]["containers"][0]["name"] = name
    parts, _ = function.harden(resource_list(None, [item]))

    messages = [result["message"] for result in json.loads(b"".join(parts))["results"]]

    assert any("a severity: info" in message for message in messages)
    assert [message for message in messages if not message.isprintable()] == []


SPELLINGS = {
    "quoted": '"kind": Deployment',
    "with a question mark": "? kind\n  : Deployment",
    "merged": "<<: {kind: Deployment}",
    "tagged": "kind: !!str Deployment",
    "anchored": "kind: &a Deployment",
    "folded": "kind: >-\n    Deployment",
    "on its own line": "kind:\n    Deployment",
    "twice": 'kind: ConfigMap\n  "kind": Deployment',
    "escaped": 'kind: ConfigMap\n  "k\\x69nd": Deployment',
    "with a comment": "kind: Deployment # ConfigMap",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_kind_passes_for_one_without_pods(spelling):
    item = yaml.safe_dump(workload("bad", context={"privileged": True}), sort_keys=False)
    body = item.replace("kind: Deployment", SPELLINGS[spelling].replace("\n  ", "\n"))
    lines = "".join(f"  {line}\n" for line in body.splitlines())
    text = f"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- {lines[2:]}"

    _, report = function.harden(text.encode(), policy.from_data(whole({}, "platform"), "platform.yaml"))

    assert report.code in {1, 2}


def test_a_hostile_namespace_keeps_its_label_and_is_named_for_it():
    lax = {**NAMESPACE, "metadata": {"name": "shop", "labels": {f"{PREFIX}enforce": "privileged"}}}
    strict = {**ENFORCED, "controls": {"namespaceLabels": {"required": True}}}

    warned, failed, raised = (Run(upper, None, [lax]) for upper in (ENFORCED, strict, {**ENFORCED, **OVERRIDE}))

    assert (warned.report.code, failed.report.code, raised.report.code) == (0, 1, 0)
    assert failed.errors == {"shop"}
    assert raised.items["shop"]["metadata"]["labels"][f"{PREFIX}enforce"] == "restricted"
    assert any("softer than restricted" in line for line in warned.report.complaints.lines())


def test_the_ceiling_alone_decides_on_the_command_line(tmp_path: Path):
    """A policy in the repository isn't read by `fix`, `check` or `fn` of their own accord."""
    (tmp_path / "policy.yaml").write_text(json.dumps(whole({"level": "privileged"})))
    (tmp_path / "web.yaml").write_text(json.dumps(ITEMS[1]))
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform/policy.yaml").write_text(json.dumps(whole({}, "platform")))

    ran = run_cli("fix", "--diff", ".", cwd=tmp_path, KRM_HARDEN_POLICY=str(tmp_path / "platform/policy.yaml"))

    assert ran.code == 1
    assert "privileged" in ran.err

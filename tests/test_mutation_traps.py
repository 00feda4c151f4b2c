"""What the API server accepts it accepts after a fix, too: fields that must change together, or not at all.

`admission` is the create path of kube-apiserver 1.37 (201 created, 400 undecodable, 422 invalid); CONTRIBUTING.md,
Set-up, says where it comes from. Each pod is asked about as it is and as the template of a Deployment, before and after
a fix at each step of `changes`, with explicit values respected and overridden.
"""

from __future__ import annotations

import itertools
import json

import pytest
from judges import admission, psa
from test_pod_security import Maker, policy, said

from krm_harden import harden

SECCOMP, OF_CONTAINER = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
KINDS = ("Pod", "Deployment")
STEPS = [
    {"explicit": explicit, "changes": changes}
    for explicit in ("respect", "override")
    for changes in ("complete", "additive")
]
RUNTIME_DEFAULT, UNCONFINED = {"type": "RuntimeDefault"}, {"type": "Unconfined"}
WEB = {"type": "Localhost", "localhostProfile": "web.json"}
LINUX_FIELDS = {
    *("seccompProfile", "capabilities", "allowPrivilegeEscalation", "privileged", "procMount", "runAsUser"),
    *("runAsGroup", "readOnlyRootFilesystem", "seLinuxOptions", "appArmorProfile"),
}


def created(manifests) -> list[dict]:
    """What the API server says to each manifest in a namespace that allows everything."""
    return admission([json.dumps(manifest) for manifest in manifests], "privileged", "latest")


def refused(manifests) -> list[tuple[dict, str]]:
    return [
        (manifest, found["message"])
        for manifest, found in zip(manifests, created(manifests), strict=True)
        if found["code"] != 201
    ]


def container(name="web", **fields):
    return {"name": name, "image": f"registry.example/{name}:1", **fields}


def context(**fields):
    return [container(securityContext=fields)]


def manifest(kind: str, spec: dict, annotations: dict) -> dict:
    if kind == "Pod":
        metadata = {"name": "web", "annotations": annotations}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}


def hardened(spec: dict, annotations: dict | None = None, kinds=KINDS, before: int = 201, **how) -> dict[str, dict]:
    """The pod templates that come of a pod with everything written, by what was done about explicit values.

    Asks the judges about each kind and step: what was accepted is, nothing was refused an edit, and the verdict is the
    evaluator's. `before` is the API server's answer to the pod as it comes.
    """
    level, version = how.pop("level", "restricted"), how.pop("version", "latest")
    result = {}
    pods = [manifest(kind, {"containers": [container()], **spec}, annotations or {}) for kind in kinds]
    assert {found["code"] for found in created(pods)} == {before}
    results = [
        (pod, step, harden(json.dumps(pod), policy(level, version, **{**step, **how})))
        for pod in pods
        for step in STEPS
    ]
    after = [json.loads(made.text) for _, _, made in results]
    assert [made.errors for _, _, made in results] == [()] * len(results)
    assert refused(after) == []
    judged = psa([made.text for _, _, made in results], level, version)
    for (pod, step, made), new, verdict in zip(results, after, judged, strict=True):
        if pod["kind"] != "Pod":
            assert said(verdict) == (made.resources[0].allowed, made.resources[0].message)
        if step["changes"] == "complete":
            result[step["explicit"]] = new if pod["kind"] == "Pod" else new["spec"]["template"]
    return result


def own(template: dict, index: int = 0) -> dict:
    return template["spec"]["containers"][index].get("securityContext", {})


def of_pod(template: dict) -> dict:
    return template["spec"].get("securityContext", {})


# allowPrivilegeEscalation


def test_privilege_escalation_stays_beside_privileged():
    after = hardened({"containers": context(privileged=True)})

    assert own(after["override"]) == own(after["respect"]) == {"privileged": True}


@pytest.mark.parametrize("name", ["CAP_SYS_ADMIN", "SYS_ADMIN"])
@pytest.mark.parametrize("drop", [{}, {"drop": ["KILL"]}])
def test_privilege_escalation_goes_with_the_capability(name, drop):
    capabilities = {**drop, "add": [name]}
    after = hardened({"containers": context(capabilities=capabilities)})

    assert own(after["respect"]) == {"capabilities": capabilities}
    assert own(after["override"])["allowPrivilegeEscalation"] is False
    assert own(after["override"])["capabilities"] == {"drop": [*drop.get("drop", ()), "ALL"]}


@pytest.mark.parametrize("control", ["capabilities", "*"])
def test_privilege_escalation_stays_where_an_exemption_keeps_the_capability(control):
    exemption = {"match": {"names": ["web"], "containers": ["*"]}, "controls": [control], "reason": "mounts"}
    after = hardened({"containers": context(capabilities={"add": ["CAP_SYS_ADMIN"]})}, exemptions=[exemption])

    assert own(after["override"]) == {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}


def test_privilege_escalation_stays_where_root_keeps_the_capability():
    """An override for capabilities alone stops at a container that runs as root explicitly."""
    after = hardened(
        {"containers": context(capabilities={"add": ["CAP_SYS_ADMIN"]}, runAsUser=0)},
        explicit="respect",
        controls={"capabilities": {"explicit": "override"}},
    )

    assert own(after["respect"]) == {"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "runAsUser": 0}


def test_privilege_escalation_at_baseline_goes_with_the_capability():
    after = hardened(
        {"containers": context(capabilities={"add": ["CAP_SYS_ADMIN", "CHOWN"]})},
        level="baseline",
        controls={"allowPrivilegeEscalation": {"enabled": True}},
    )

    assert own(after["override"]) == {"capabilities": {"add": ["CHOWN"]}, "allowPrivilegeEscalation": False}


# What stays after all


@pytest.mark.parametrize(
    ("pod", "how"),
    [
        ({"securityContext": {"runAsUser": 0}}, {"version": "v1.18"}),
        ({"securityContext": {"runAsUser": 0}}, {"controls": {"runAsUser": {"enabled": False}}}),
        ({"securityContext": {"runAsUser": 0}, "hostUsers": False}, {}),
        ({"containers": context(capabilities={"add": ["CHOWN"], "drop": ["KILL"]})}, {"version": "v1.18"}),
    ],
)
def test_no_half_measures_beside_what_an_override_does_not_reach(pod, how):
    """The kubelet refuses runAsNonRoot beside uid 0, which no check of an old version finds fault with."""
    after = hardened(pod, controls=how.pop("controls", {}), **how)["override"]

    written = {*own(after), *of_pod(after)} - {
        *own({"spec": {"containers": [{}], **pod}}),
        *pod.get("securityContext", {}),
    }
    assert written <= {"allowPrivilegeEscalation", "seccompProfile"}


def test_no_half_measures_beside_the_pods_root_where_only_evidence_is_written():
    images = [{"match": "*", "uid": 1001, "gid": 0, "writablePaths": []}]
    pod = manifest("Pod", {"containers": [container()], "securityContext": {"runAsUser": 0}}, {})
    held = policy("restricted", "latest", explicit="override", changes="evidence", images=images)

    after = json.loads(harden(json.dumps(pod), held).text)

    assert of_pod(after) == {"runAsUser": 0, "seccompProfile": RUNTIME_DEFAULT}
    assert own(after) == {"allowPrivilegeEscalation": False}


# seccomp: fields and the annotations of the time before them


@pytest.mark.parametrize("said_", ["runtime/default", "docker/default"])
def test_seccomp_annotation_of_the_pod_that_says_runtime_default(said_):
    after = hardened({}, {SECCOMP: said_})

    for template in after.values():
        assert of_pod(template)["seccompProfile"] == RUNTIME_DEFAULT
        assert template["metadata"]["annotations"] == {SECCOMP: said_}


def test_seccomp_annotation_of_the_pod_that_names_a_local_profile():
    after = hardened({"containers": [container(), container("db")]}, {SECCOMP: "localhost/web.json"})

    for template in after.values():
        assert of_pod(template)["seccompProfile"] == WEB
        assert template["metadata"]["annotations"] == {SECCOMP: "localhost/web.json"}


def test_seccomp_annotation_that_names_a_local_profile_is_evidence():
    text = json.dumps(manifest("Pod", {"containers": [container()]}, {SECCOMP: "localhost/web.json"}))

    (found,) = (
        found
        for found in harden(text, policy("restricted", "latest")).findings
        if found.control == "seccompProfile_restricted"
    )

    assert (found.risk, found.evidence) == ("evidence", f"the annotation {SECCOMP}=localhost/web.json")


@pytest.mark.parametrize("said_", ["unconfined", "localhost/"])
def test_seccomp_annotation_of_the_pod_that_says_something_weaker(said_):
    after = hardened({"containers": [container(), container("db")]}, {SECCOMP: said_})

    assert "seccompProfile" not in of_pod(after["respect"])
    assert after["respect"]["metadata"]["annotations"] == {SECCOMP: said_}
    assert of_pod(after["override"])["seccompProfile"] == RUNTIME_DEFAULT
    assert after["override"]["metadata"]["annotations"] == {SECCOMP: "runtime/default"}


def test_seccomp_annotation_of_a_container_stays_at_its_level():
    pod = {"containers": [container(), container("db"), container("log")]}
    said_ = {
        SECCOMP: "localhost/web.json",
        f"{OF_CONTAINER}db": "unconfined",
        f"{OF_CONTAINER}log": "docker/default",
    }
    after = hardened(pod, said_)

    assert [own(after["respect"], index).get("seccompProfile") for index in range(3)] == [WEB, None, RUNTIME_DEFAULT]
    assert [own(after["override"], index).get("seccompProfile") for index in range(3)] == [
        *(WEB, RUNTIME_DEFAULT, RUNTIME_DEFAULT)
    ]
    assert after["override"]["metadata"]["annotations"] == {**said_, f"{OF_CONTAINER}db": "runtime/default"}


def test_seccomp_annotations_of_all_containers_hide_the_pods():
    """The pod's field would have to match the pod's annotation, which stands for no container."""
    after = hardened({}, {SECCOMP: "localhost/web.json", f"{OF_CONTAINER}web": "runtime/default"})

    for template in after.values():
        assert "seccompProfile" not in of_pod(template)
        assert own(template)["seccompProfile"] == RUNTIME_DEFAULT


def test_seccomp_annotation_of_a_container_beside_the_pods_field():
    after = hardened({"securityContext": {"seccompProfile": RUNTIME_DEFAULT}}, {f"{OF_CONTAINER}web": "unconfined"})

    for template in after.values():
        assert template["metadata"]["annotations"] == {f"{OF_CONTAINER}web": "unconfined"}


def test_seccomp_annotation_of_the_pod_beside_containers_fields():
    pod = {"containers": [*context(seccompProfile=UNCONFINED), container("db")]}
    after = hardened(pod, {SECCOMP: "unconfined"})

    assert own(after["respect"])["seccompProfile"] == UNCONFINED
    assert [own(after["override"], index)["seccompProfile"] for index in range(2)] == [RUNTIME_DEFAULT] * 2


def test_seccomp_field_and_annotation_of_the_pod_change_together():
    after = hardened({"securityContext": {"seccompProfile": UNCONFINED}}, {SECCOMP: "unconfined"})

    assert of_pod(after["respect"])["seccompProfile"] == UNCONFINED
    assert of_pod(after["override"])["seccompProfile"] == RUNTIME_DEFAULT
    assert after["override"]["metadata"]["annotations"] == {SECCOMP: "runtime/default"}


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_seccomp_field_and_annotation_of_a_container_change_together(level):
    pod = {"containers": context(seccompProfile=UNCONFINED)}
    after = hardened(pod, {f"{OF_CONTAINER}web": "unconfined"}, level=level)

    assert own(after["override"])["seccompProfile"] == RUNTIME_DEFAULT
    assert after["override"]["metadata"]["annotations"] == {f"{OF_CONTAINER}web": "runtime/default"}


def test_seccomp_annotation_of_the_pod_stays_for_an_exempt_container():
    exemption = {"match": {"containers": ["db"]}, "controls": ["seccompProfile"], "reason": "debugs"}
    pod = {"containers": [container(), container("db")]}
    after = hardened(pod, {SECCOMP: "unconfined"}, exemptions=[exemption])

    assert after["override"]["metadata"]["annotations"] == {SECCOMP: "unconfined"}
    assert own(after["override"])["seccompProfile"] == RUNTIME_DEFAULT
    assert "seccompProfile" not in {**own(after["override"], 1), **of_pod(after["override"])}


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("profile", [None, UNCONFINED])
def test_seccomp_annotations_that_an_old_version_judges(level, profile):
    fields = {"seccompProfile": profile} if profile else {}
    pod = {"securityContext": fields, "containers": [*context(**fields), container("db")]}
    annotations = {SECCOMP: "unconfined", f"{OF_CONTAINER}web": "unconfined"}
    after = hardened(pod, annotations, level=level, version="v1.18")

    assert after["respect"]["metadata"]["annotations"] == annotations
    assert set(after["override"]["metadata"]["annotations"].values()) == {"runtime/default"}
    assert of_pod(after["override"]).get("seccompProfile") == (RUNTIME_DEFAULT if profile else None)
    assert own(after["override"]).get("seccompProfile") == (RUNTIME_DEFAULT if profile else None)


@pytest.mark.parametrize("version", ["v1.18", "v1.19", "latest"])
def test_seccomp_annotations_that_are_allowed_stay(version):
    annotations = {SECCOMP: "localhost/web.json", f"{OF_CONTAINER}web": "docker/default"}

    for template in hardened({"securityContext": {"seccompProfile": WEB}}, annotations, version=version).values():
        assert template["metadata"]["annotations"] == annotations
        assert of_pod(template)["seccompProfile"] == WEB


@pytest.mark.parametrize("field", ["seccompProfile", "appArmorProfile"])
@pytest.mark.parametrize("kind", [None, "Unconfined", "runtime/default"])
def test_local_profile_goes_with_its_type(field, kind):
    """Refused before, accepted after: a name beside another type than Localhost."""
    profile = {"type": kind, "localhostProfile": "web.json"}
    pod = {"containers": context(**{field: profile})}
    text = json.dumps(manifest("Pod", pod, {}))

    after = json.loads(harden(text, policy("restricted", "latest", explicit="override")).text)

    assert created([json.loads(text)])[0]["code"] == 422
    assert refused([after]) == []
    assert own(after)[field] == (RUNTIME_DEFAULT if kind else WEB)


def test_local_profiles_keep_their_names():
    pod = {"securityContext": {"seccompProfile": WEB}, "containers": context(appArmorProfile=WEB)}

    for template in hardened(pod).values():
        assert of_pod(template)["seccompProfile"] == own(template)["appArmorProfile"] == WEB


# AppArmor


def test_app_armor_annotation_changes_alone():
    after = hardened({}, {f"{APP_ARMOR}web": "unconfined"})

    assert after["respect"]["metadata"]["annotations"] == {f"{APP_ARMOR}web": "unconfined"}
    assert after["override"]["metadata"]["annotations"] == {f"{APP_ARMOR}web": "runtime/default"}
    assert "appArmorProfile" not in {**own(after["override"]), **of_pod(after["override"])}


def test_app_armor_annotation_wins_over_the_pods_profile():
    """A template may not say both; in a Pod the annotation becomes the container's field."""
    pod = {"securityContext": {"appArmorProfile": RUNTIME_DEFAULT}}
    after = hardened(pod, {f"{APP_ARMOR}web": "unconfined"}, kinds=["Pod"])

    assert after["override"]["metadata"]["annotations"] == {f"{APP_ARMOR}web": "runtime/default"}


@pytest.mark.parametrize("level", ["pod", "container"])
def test_app_armor_field_and_annotation_change_together(level):
    fields = {"appArmorProfile": UNCONFINED}
    pod = {"securityContext": fields} if level == "pod" else {"containers": context(**fields)}
    after = hardened(pod, {f"{APP_ARMOR}web": "unconfined"}, level="baseline")

    assert {**own(after["respect"]), **of_pod(after["respect"])} == fields
    assert {**own(after["override"]), **of_pod(after["override"])} == {"appArmorProfile": RUNTIME_DEFAULT}
    assert after["override"]["metadata"]["annotations"] == {f"{APP_ARMOR}web": "runtime/default"}


def test_app_armor_of_the_pod_stays_in_step_with_an_exempt_container():
    exemption = {"match": {"containers": ["web"]}, "controls": ["appArmorProfile"], "reason": "loads profiles"}
    pod = {"securityContext": {"appArmorProfile": UNCONFINED}}
    after = hardened(pod, {f"{APP_ARMOR}web": "unconfined"}, exemptions=[exemption])

    assert after["override"]["metadata"]["annotations"] == {f"{APP_ARMOR}web": "unconfined"}
    assert of_pod(after["override"])["appArmorProfile"] == UNCONFINED


def test_app_armor_annotation_beside_another_containers_field():
    pod = {"containers": [*context(appArmorProfile=UNCONFINED), container("db")]}
    annotations = {f"{APP_ARMOR}web": "unconfined", f"{APP_ARMOR}db": "localhost/db"}
    after = hardened(pod, annotations)

    assert own(after["override"])["appArmorProfile"] == RUNTIME_DEFAULT
    assert after["override"]["metadata"]["annotations"] == {**annotations, f"{APP_ARMOR}web": "runtime/default"}


# Windows and Linux


@pytest.mark.parametrize("version", ["v1.18", "v1.24", "latest"])
@pytest.mark.parametrize("place", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}])
def test_windows_pods_get_no_linux_field(place, version):
    after = hardened(place, {f"{APP_ARMOR}web": "unconfined", SECCOMP: "unconfined"}, version=version)

    for template in after.values():
        assert LINUX_FIELDS & {*own(template), *of_pod(template)} == set()
        assert "hostUsers" not in template["spec"]
    assert f"{APP_ARMOR}web" not in after["override"]["metadata"]["annotations"]


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_linux_fields_of_pods_for_windows_nodes_are_not_hardened(level):
    """Without `os` the API server takes them; nodes with Windows may not."""
    fields = {"runAsNonRoot": True, "seccompProfile": UNCONFINED, "appArmorProfile": UNCONFINED}
    pod = {"nodeSelector": {"kubernetes.io/os": "windows"}, "securityContext": fields, "containers": context(**fields)}
    after = hardened(pod, level=level)

    assert "appArmorProfile" not in {**own(after["override"]), **of_pod(after["override"])}
    stays = {"seccompProfile": UNCONFINED} if level == "restricted" else {}
    assert own(after["override"]) == of_pod(after["override"]) == {"runAsNonRoot": True, **stays}


def test_linux_pods_get_no_windows_options():
    for template in hardened({"os": {"name": "linux"}}).values():
        assert "windowsOptions" not in {**own(template), **of_pod(template)}


def test_host_process_stays_with_its_host_network():
    options = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}
    pod = {"os": {"name": "windows"}, "hostNetwork": True, "securityContext": options}

    for template in hardened(pod).values():
        assert of_pod(template)["windowsOptions"] == options["windowsOptions"]
        assert template["spec"]["hostNetwork"] is True


# Host access: all of it stays, so nothing of it falls out of step


def test_host_ports_stay_equal_to_container_ports():
    ports = [{"containerPort": 8080, "hostPort": 8080}, {"containerPort": 9090}]
    pod = {"hostNetwork": True, "containers": [container(ports=ports)]}

    for template in hardened(pod).values():
        assert template["spec"]["hostNetwork"] is True
        assert template["spec"]["containers"][0]["ports"] == ports


@pytest.mark.parametrize("namespace", ["hostNetwork", "hostPID", "hostIPC"])
def test_host_users_are_not_switched_off_beside_host_namespaces(namespace):
    for template in hardened({namespace: True}).values():
        assert "hostUsers" not in template["spec"]


def test_host_users_stay_off():
    pod = {"hostUsers": False, "containers": context(procMount="Unmasked", runAsUser=0)}

    for template in hardened(pod).values():
        assert template["spec"]["hostUsers"] is False
        assert own(template)["procMount"] == "Unmasked"


def test_host_network_gets_no_sysctls_of_its_own():
    sysctls = [{"name": "kernel.msgmax", "value": "65536"}]
    pod = {"hostNetwork": True, "securityContext": {"sysctls": sysctls}}

    for template in hardened(pod).values():
        assert of_pod(template)["sysctls"] == sysctls


def test_volumes_stay_with_their_mounts():
    volumes = [
        {"name": "logs", "hostPath": {"path": "/var/log"}},
        {"name": "files", "nfs": {"server": "a", "path": "/"}},
    ]
    mounts = [{"name": "logs", "mountPath": "/logs"}, {"name": "files", "mountPath": "/files"}]
    pod = {"volumes": volumes, "containers": [container(volumeMounts=mounts)]}

    for template in hardened(pod).values():
        assert template["spec"]["volumes"][:2] == volumes
        assert template["spec"]["containers"][0]["volumeMounts"][:2] == mounts


# What is written in place of nothing, or removed


@pytest.mark.parametrize("source", [{}, {"emptyDir": None}, {"hostPath": None}])
def test_volume_without_a_source_is_the_emptydir_that_the_api_server_makes_of_it(source):
    pod = {
        "volumes": [{"name": "scratch", **source}],
        "containers": [container(volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}])],
    }

    for template in hardened(pod, kinds=["Deployment"]).values():
        assert template["spec"]["volumes"][0] == {"name": "scratch", **source, "emptyDir": {}}


def test_volume_of_an_unknown_source_is_left_to_its_author():
    text = json.dumps(manifest("Deployment", {"containers": [container()], "volumes": [{"name": "a", "tape": {}}]}, {}))

    result = harden(text, policy("restricted", "latest", explicit="override"))

    assert json.loads(result.text)["spec"]["template"]["spec"]["volumes"][0] == {"name": "a", "tape": {}}
    assert [found.state for found in result.findings if found.control == "restrictedVolumes"] == ["manual"]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"type": "spc_t", "level": "s0"}, {"level": "s0"}),
        ({"type": "container_t", "user": "u", "role": "r"}, {"type": "container_t"}),
        ({"type": "spc_t", "user": "u", "role": "r"}, None),
        ({"role": "r"}, None),
    ],
)
def test_selinux_options_leave_no_empty_mapping(options, left):
    fields = {"runAsNonRoot": True, "seLinuxOptions": options}
    after = hardened({"securityContext": fields, "containers": context(**fields)})

    assert own(after["respect"])["seLinuxOptions"] == of_pod(after["respect"])["seLinuxOptions"] == options
    assert own(after["override"]).get("seLinuxOptions") == of_pod(after["override"]).get("seLinuxOptions") == left


def test_probes_and_hooks_lose_their_host_and_keep_their_port():
    asks = {"httpGet": {"host": "a.example", "port": 80}}
    hooks = {"postStart": asks, "preStop": {"tcpSocket": {"host": "127.0.0.1", "port": 80}}}
    web = container(livenessProbe=asks, startupProbe={"tcpSocket": {"host": "a", "port": 80}}, lifecycle=hooks)
    after = hardened({"containers": [web]})

    found = after["override"]["spec"]["containers"][0]
    assert after["respect"]["spec"]["containers"][0]["livenessProbe"] == asks
    assert found["livenessProbe"] == found["lifecycle"]["postStart"] == {"httpGet": {"port": 80}}
    assert found["startupProbe"] == found["lifecycle"]["preStop"] == {"tcpSocket": {"port": 80}}


# Random pods


class Accepted(Maker):
    """Random pods, most of which the API server takes: names are unique, sources complete, fields in step or nearly."""

    NAMES = ("web", "db-0", "log")

    def profile(self):
        return self.dice.choice([None, RUNTIME_DEFAULT, UNCONFINED, UNCONFINED, WEB])

    def context(self):
        made = super().context()
        if made.get("procMount") == "":
            del made["procMount"]
        if made.get("privileged") or "CAP_SYS_ADMIN" in made.get("capabilities", {}).get("add", ()):
            made.pop("allowPrivilegeEscalation", None)
        return made

    def both(self):
        made = super().both()
        return {name: value for name, value in made.items() if name != "windowsOptions" or value is None}

    def handler(self):
        host = self.some(host=["", "127.0.0.1", "a", None])
        way = self.dice.choice([{"httpGet": {"port": 80, **host}}, {"tcpSocket": {"port": 80, **host}}])
        return self.dice.choice([way, {"exec": {"command": ["true"]}}])

    def named(self, name, main=True):
        made = {**self.container(), "name": name, "image": self.dice.choice(["a:1", "registry.example/known:1"])}
        capabilities = mapping_of(mapping_of(made["securityContext"]).get("capabilities"))
        if self.dice.random() < self.odd / 2 and "add" in capabilities:
            capabilities["add"].append("CAP_SYS_ADMIN")
            made["securityContext"].pop("allowPrivilegeEscalation", None)
        if not main:
            made = {key: value for key, value in made.items() if not key.endswith("Probe") and key != "lifecycle"}
        made["ports"] = made.get("ports", [])[:1]
        made.update(
            self.some(volumeMounts=[[{"name": "v0", "mountPath": path}] for path in ("/tmp", "/data", "/tmp/a")])
        )
        return made

    def volume(self):
        source = self.dice.choice(
            [{}, {"emptyDir": {}}, {"emptyDir": None}, {"hostPath": {"path": "/a"}}, {"configMap": {"name": "a"}}]
        )
        return {"name": "v0", **source}

    def spec(self):
        said_ = self.some(
            securityContext=lambda: {key: value for key, value in self.pod_context().items() if key != "sysctls"},
            hostNetwork=[True, False, None],
            hostPID=[True, None],
            hostUsers=[False, True, None],
            os=[{"name": "linux"}, None],
            nodeSelector=[{"kubernetes.io/os": "windows"}, {"kubernetes.io/os": "linux"}],
        )
        windows = {"os": {"name": "windows"}, "containers": [container()]}
        if self.dice.random() < 0.05:
            return windows
        return {
            "containers": [self.named(name) for name in self.NAMES[: self.dice.randint(1, 3)]],
            "initContainers": [self.named("init", main=False)] if self.dice.random() < self.odd else [],
            "volumes": [self.volume()],
            "restartPolicy": "Always",
            **said_,
        }

    def manifest(self):
        spec = self.spec()
        profiles = ["runtime/default", "localhost/web.json", "unconfined", "unconfined"]
        keys = [key + one["name"] for one in spec["containers"] for key in (APP_ARMOR, OF_CONTAINER)]
        annotations = {
            key: self.dice.choice(profiles) for key in [SECCOMP, *keys] if self.dice.random() < self.odd / 2 + 0.1
        }
        return manifest(self.dice.choice(KINDS), spec, annotations)


def mapping_of(value):
    return value if isinstance(value, dict) else {}


COUNT = 600
POLICIES = [
    *({"level": "restricted", **step} for step in STEPS),
    {"level": "restricted", "explicit": "override", "version": "v1.18"},
    {"level": "restricted", "explicit": "override", "version": "v1.24"},
    {"level": "baseline", "explicit": "override"},
    {"level": "restricted", "controls": {"capabilities": {"explicit": "override"}}},
    {"level": "restricted", "controls": {"seccompProfile": {"explicit": "override"}, "runAsUser": {"enabled": False}}},
    {
        "level": "restricted",
        "explicit": "override",
        "images": [{"match": "registry.example/known:*", "uid": 1001, "gid": 0, "writablePaths": ["/tmp", "/cache"]}],
        "exemptions": [
            {"match": {"containers": ["db-0"]}, "controls": ["*"], "reason": "legacy"},
            {"match": {"containers": ["log"]}, "controls": ["capabilities", "appArmorProfile"], "reason": "legacy"},
        ],
    },
]


def test_random_pods_that_the_api_server_takes_it_takes_hardened():
    made = [Accepted(seed).manifest() for seed in range(COUNT)]
    taken = [pod for pod, found in zip(made, created(made), strict=True) if found["code"] == 201]
    texts = [json.dumps(pod) for pod in taken]

    after = []
    for spec in POLICIES:
        how = dict(spec)
        held = policy(how.pop("level"), how.pop("version", "latest"), **how)
        results = [harden(text, held) for text in texts]
        # An edit that can't be made safely leaves the document as it was.
        assert sum(bool(result.errors) for result in results) < len(results) / 20
        after += [json.loads(result.text) for result in results]

    assert refused(after)[:3] == []
    assert len(taken) > COUNT / 3
    assert sum(old != new for old, new in zip(itertools.cycle(taken), after, strict=False)) > len(after) / 2


def test_random_pods_of_the_other_tests_too():
    """As odd as they come: few of them are taken, but nobody thought of these."""
    made = [Maker(seed).manifest() for seed in range(2000)]
    taken = [pod for pod, found in zip(made, created(made), strict=True) if found["code"] == 201]
    held = [policy("restricted", "latest", explicit=explicit) for explicit in ("respect", "override")]

    results = [harden(json.dumps(pod), one) for pod in taken for one in held]

    assert sum(bool(result.errors) for result in results) < len(results) / 20
    assert refused([json.loads(result.text) for result in results])[:3] == []
    assert len(taken) > 20

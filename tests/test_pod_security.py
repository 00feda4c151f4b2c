"""What the standard says about the node itself is never changed, in random pods as odd as the API lets them be.

`psa` is the evaluator of k8s.io/pod-security-admission v0.37.2; CONTRIBUTING.md, Set-up, says where it comes from.
"""

from __future__ import annotations

import json
import random
from functools import cache

import pytest
from judges import psa

from krm_harden import Policy, harden

LEVELS = ["baseline", "restricted"]
COUNT = 2000
HOST_ACCESS = {
    *("hostNamespaces", "hostPathVolumes", "hostPorts", "privileged", "procMount", "procMount_restricted"),
    *("restrictedVolumes", "sysctls", "windowsHostProcess"),
}


# Pods, as odd as the API lets them be

NAMES = ["web", "db-0", "web", "", 'a"b', "é", "a\tb", None]
PROFILES = ["RuntimeDefault", "Localhost", "Unconfined", "", "runtimeDefault", None]
CAPABILITIES = [
    *("NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "ALL", "all", "CAP_CHOWN", "chown", "", "NET_RAW", "AUDIT_WRITE"),
    *("SETPCAP", "KILL", None),
]
SYSCTLS = [
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    *("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat", "net/ipv4/tcp_syncookies", "a", "", None),
]
SE_LINUX_TYPES = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "", None]
SOURCES = [
    *("configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected", "downwardAPI", "csi", "ephemeral"),
    *(
        "hostPath",
        "hostPath",
        "hostPath",
        "image",
        "hostPath",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "gitRepo",
        "nfs",
        "iscsi",
        "glusterfs",
    ),
    *("rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk"),
    *("photonPersistentDisk", "portworxVolume", "scaleIO", "storageos"),
]
SAID = [
    "runtime/default",
    "docker/default",
    "localhost/",
    "localhost/web",
    "unconfined",
    "",
    'x"\\',
    "a\n\t\x07é\u00ad",
    None,
]
ANNOTATIONS = [
    *("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/web"),
    *("container.seccomp.security.alpha.kubernetes.io/db-0", "container.seccomp.security.alpha.kubernetes.io/absent"),
    *("container.seccomp.security.alpha.kubernetes.io/", "container.apparmor.security.beta.kubernetes.io/web"),
    *("container.apparmor.security.beta.kubernetes.io/absent", "prometheus.io/scrape"),
]
HOSTS = ["", "127.0.0.1", "db.example", "a", None]


class Maker:
    """Random pods. `odd` is how likely a field says something at all."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a fixed seed is the point
        self.odd = self.dice.choice([0.03, 0.1, 0.3, 0.7])
        self.good = self.dice.random() < 0.5

    def some(self, **fields):
        """Each field with the maker's likelihood; a list is a choice, a function makes the value."""
        made = {}
        for name, what in fields.items():
            if self.dice.random() < self.odd:
                made[name] = self.dice.choice(what) if isinstance(what, list) else what()
        return made

    def few(self, what, most=3):
        return [self.dice.choice(what) if isinstance(what, list) else what() for _ in range(self.dice.randint(0, most))]

    def profile(self):
        return self.dice.choice([None, {}, {"type": self.dice.choice(PROFILES)}, {"type": "RuntimeDefault"}])

    def se_linux(self):
        return self.some(type=SE_LINUX_TYPES, user=["", "system_u", None], role=["", "r"], level=["s0"]) or None

    def windows(self):
        return self.dice.choice([None, {}, {"hostProcess": self.dice.choice([True, False, None])}])

    def both(self):
        """What pods' and containers' security contexts have in common."""
        return self.some(
            runAsNonRoot=[True, False, None],
            runAsUser=[0, 1000, None],
            seccompProfile=self.profile,
            appArmorProfile=self.profile,
            seLinuxOptions=self.se_linux,
            windowsOptions=self.windows,
        )

    def context(self):
        said = self.some(
            allowPrivilegeEscalation=[True, False, None],
            privileged=[True, False, None],
            procMount=["Default", "Unmasked", "", None],
            capabilities=lambda: self.some(add=lambda: self.few(CAPABILITIES), drop=lambda: self.few(CAPABILITIES)),
        )
        best = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}} if self.good else {}
        return {**best, **said, **self.both()}

    def handler(self):
        return self.some(
            httpGet=lambda: {"port": 80, **self.some(host=HOSTS)},
            tcpSocket=lambda: {"port": 80, **self.some(host=HOSTS)},
            exec=[{"command": ["true"]}],
        )

    def container(self):
        return {
            "name": self.dice.choice(NAMES[:2] if self.dice.random() < 0.7 else NAMES),
            "image": "registry.example/web:1",
            "securityContext": self.dice.choice([self.context(), self.context(), self.context(), None]),
            **self.some(
                ports=lambda: self.few(lambda: {"containerPort": 80, **self.some(hostPort=[0, 9090, 10000, 80, None])}),
                livenessProbe=self.handler,
                readinessProbe=self.handler,
                startupProbe=self.handler,
                lifecycle=lambda: self.some(postStart=self.handler, preStop=self.handler),
            ),
        }

    def volume(self):
        sources = self.dice.choices([0, 1, 2], [1, 8, 1])[0]
        return {"name": self.dice.choice(NAMES)} | {
            self.dice.choice(SOURCES): self.dice.choice([{}, {}, {}, None]) for _ in range(sources)
        }

    def pod_context(self):
        best = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} if self.good else {}
        sysctls = self.some(sysctls=lambda: self.few(lambda: {"name": self.dice.choice(SYSCTLS), "value": "1"}))
        return {**best, **self.both(), **sysctls}

    def spec(self):
        lists = {"containers": [self.container() for _ in range(self.dice.randint(1, 3))]} | self.some(
            initContainers=lambda: self.few(self.container, 2), ephemeralContainers=lambda: self.few(self.container, 2)
        )
        return (
            lists
            | {"securityContext": self.dice.choice([self.pod_context(), self.pod_context(), self.pod_context(), None])}
            | self.some(
                hostNetwork=[True, False, None],
                hostPID=[True, False, None],
                hostIPC=[True, False, None],
                hostUsers=[True, False, False, None],
                os=[{"name": "windows"}, {"name": "linux"}, {"name": "Windows"}, None],
                volumes=lambda: self.few(self.volume),
            )
        )

    def template(self):
        said = self.some(annotations=lambda: {name: self.dice.choice(SAID) for name in self.few(ANNOTATIONS, 4)})
        return {"metadata": said, "spec": self.spec()}

    def manifest(self):
        kind = self.dice.choice(["Pod", "Deployment", "CronJob"])
        made = self.template()
        if kind == "Pod":
            return {"apiVersion": "v1", "kind": kind, **made, "metadata": {"name": "a", **made["metadata"]}}
        spec = {"template": made}
        if kind == "CronJob":
            spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": spec}}
        return {"apiVersion": "apps/v1" if kind == "Deployment" else "batch/v1", "kind": kind, "spec": spec}


@cache
def manifests() -> tuple[str, ...]:
    return tuple(json.dumps(Maker(seed).manifest(), ensure_ascii=False) for seed in range(COUNT))


def policy(level: str, version: str, **spec) -> Policy:
    envelope = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "test"}}
    return Policy.from_dict({**envelope, "spec": {"level": level, "version": version, **spec}})


def said(found: dict) -> tuple[bool, str]:
    return found["allowed"], found.get("message", "")


def with_sources(text: str) -> str:
    """A manifest in which no volume is left to be the emptyDir that the API server makes of it."""
    made = json.loads(text)
    spec = made["spec"].get("jobTemplate", made)["spec"]
    spec = spec.get("template", {"spec": spec})["spec"]
    for volume in spec.get("volumes") or ():
        if all(value is None for name, value in volume.items() if name != "name"):
            volume["emptyDir"] = {}
    return json.dumps(made, ensure_ascii=False)


@pytest.mark.parametrize("level", LEVELS)
def test_host_access_is_never_changed(level):
    texts = [with_sources(text) for text in manifests()[:300]]
    held = policy(level, "latest", explicit="override")
    results = [harden(text, held) for text in texts]

    before, after = psa(texts, level, "latest"), psa([result.text for result in results], level, "latest")

    for result, old, new in zip(results, before, after, strict=True):
        states = {finding.state for finding in result.findings if finding.control in HOST_ACCESS}
        failing = [[each for each in one.get("checks", ()) if each["id"] in HOST_ACCESS] for one in (old, new)]
        assert failing[0] == failing[1]
        assert states == ({"manual"} if failing[0] else set())
        # A bare Pod is judged with the server's defaults, which the evaluator alone doesn't know.
        if not result.errors and result.resources[0].resource.kind != "Pod":
            assert said(new) == (result.resources[0].allowed, result.resources[0].message)

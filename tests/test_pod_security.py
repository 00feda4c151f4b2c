"""The verdict beside the standard's own judge: every check, every version, every word.

Pods of a fixed seed, as odd as the API lets them be, and the standard's own fixtures. `psa` is the evaluator of
k8s.io/pod-security-admission v0.37.2; CONTRIBUTING.md, Set-up, says where it comes from.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from conftest import require

from krm_harden import Policy, check, controls, harden, source
from krm_harden import policy as policies
from krm_harden.resources import resources
from krm_harden.review import Review

VERSIONS = [
    *("v1.0", "v1.7", "v1.8", "v1.18", "v1.19", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.27", "v1.28"),
    *("v1.29", "v1.30", "v1.31", "v1.32", "v1.33", "v1.34", "v1.35", "v1.36", "v1.37", "v1.99", "latest"),
]
LEVELS = ["baseline", "restricted"]
COUNT = 2000
MODULE = "k8s.io/pod-security-admission@v0.37.2"
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


# The two evaluators


def theirs(texts, level: str, version: str) -> list[dict]:
    """What the standard's evaluator says about each text."""
    done = subprocess.run(
        [require("psa"), "-level", level, "-version", version],
        input="\n---\n".join(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(texts)
    return found


def policy(level: str, version: str, **spec) -> Policy:
    envelope = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "test"}}
    return Policy.from_dict({**envelope, "spec": {"level": level, "version": version, **spec}})


@cache
def documents():
    return tuple(source.read(text) for text in manifests())


def ours(level: str, version: str) -> list[tuple[bool, str]]:
    """Our verdict on each manifest, each read once for all versions."""
    held = policies.Policy({"level": level, "version": version})
    return [Review(held, document, *resources(document), 0).verdict() for document in documents()]


def said(found: dict) -> tuple[bool, str]:
    return found["allowed"], found.get("message", "")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", VERSIONS)
def test_random_pods(level, version):
    expected = theirs(manifests(), level, version)

    assert [found["error"] for found in expected if found.get("error")] == []
    wrong = [
        (text, mine, said(judge))
        for text, mine, judge in zip(manifests(), ours(level, version), expected, strict=True)
        if mine != said(judge)
    ]

    assert wrong[:3] == []


def test_random_pods_are_of_every_sort():
    """Enough of them pass and fail, and every check has something to say: else the comparison means little."""
    for level in LEVELS:
        found = theirs(manifests(), level, "v1.34")
        failing = [each["id"] for one in found for each in one.get("checks", ())]
        known = {control.id for control, _ in controls.active(controls.of_standard(level), (1, 34))}

        assert {name for name in known if failing.count(name) > COUNT / 100} == known
        assert sum(one["allowed"] for one in found) > COUNT / 40


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", ["v1.18", "v1.30", "latest"])
def test_findings_name_the_checks_that_fail_and_no_others(level, version):
    texts = manifests()[:400]
    held = policy(level, version)

    for text, judge in zip(texts, theirs(texts, level, version), strict=True):
        result = check(text, held)
        standard = {finding.control for finding in result.findings if controls.load()[finding.control].standard}

        assert (result.errors, result.allowed) == ((), judge["allowed"])
        assert standard == {each["id"] for each in judge.get("checks", ())}, text


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

    before, after = theirs(texts, level, "latest"), theirs([result.text for result in results], level, "latest")

    for result, old, new in zip(results, before, after, strict=True):
        states = {finding.state for finding in result.findings if finding.control in HOST_ACCESS}
        failing = [[each for each in one.get("checks", ()) if each["id"] in HOST_ACCESS] for one in (old, new)]
        assert failing[0] == failing[1]
        assert states == ({"manual"} if failing[0] else set())
        # A bare Pod is judged with the server's defaults, which the evaluator alone doesn't know.
        if not result.errors and result.resources[0].resource.kind != "Pod":
            assert said(new) == (result.resources[0].allowed, result.resources[0].message)


# The standard's own fixtures


@cache
def fixtures() -> Path:
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain to get the fixtures with")
    done = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{MODULE} can't be had here: {done.stderr.strip()}")
    return Path(json.loads(done.stdout)["Dir"]) / "test" / "testdata"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("minor", range(38))
def test_fixtures(level, minor):
    folder, held = fixtures() / level / f"v1.{minor}", policy(level, f"v1.{minor}")

    wrong, seen = [], 0
    for path in sorted(folder.glob("*/*.yaml")):
        result = check(path.read_text(), held)
        seen += 1
        # A volume without a source is an emptyDir only after the server's defaulting.
        undefaulted = path.name == "restrictedvolumes0.yaml" and path.parent.name == "pass"
        if result.errors or result.allowed != (path.parent.name == "pass" and not undefaulted):
            wrong.append(f"{path}: {result.resources[0].message if result.resources else result.errors}")

    assert seen >= 40
    assert wrong == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("minor", range(38))
def test_messages_of_fixtures(level, minor):
    texts = [path.read_text() for path in sorted((fixtures() / level / f"v1.{minor}").glob("*/*.yaml"))]
    held = policy(level, f"v1.{minor}")

    for text, judge in zip(texts, theirs(texts, level, f"v1.{minor}"), strict=True):
        (found,) = check(text, held).resources

        assert (found.allowed, found.message) == said(judge)


def test_every_fixture_is_read():
    assert sum(1 for _ in fixtures().glob("*/v1.*/*/*.yaml")) == 4537

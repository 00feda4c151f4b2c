"""The runtime oracle: a manifest's pod really run under its security context, and probed, as on a kubelet.

podman and runc run it; what podman does otherwise than a kubelet is made up for by the oracle's own code.
scripts/runtime.sh sets it up, .ci/run calls it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import clean_environment
from sweep import POD_SPECS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(
    os.environ.get("KRM_HARDEN_RUNTIME")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-runtime"
)
NO_VERDICT = ("oracle error", "ErrImageNeverPull")
"""How the reasons begin that say nothing of the manifest."""


@dataclass(frozen=True)
class Job:
    """A manifest to run, what shows that it works, and the seconds that it may take to show it."""

    manifest: Path
    probe: str
    seconds: int = 60


@dataclass(frozen=True)
class Outcome:
    """Whether the pod ran and passed its probe, and what was seen."""

    runs: bool
    reason: str


@dataclass(frozen=True)
class Scenario:
    """A service: its manifest as people write it, the same hardened by hand with care, and its probe."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.yaml"

    @property
    def careful(self) -> Path:
        return self.folder / "careful.yaml"

    @property
    def probe(self) -> str:
        return (self.folder / "probe.txt").read_text().strip()


def ready() -> Path:
    """The oracle's folder, or a skip that says what is missing."""
    if os.geteuid() != 0:
        pytest.skip("only root can run pods with podman as a kubelet does")
    for program in ("podman", "runc"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} isn't here: scripts/runtime.sh installs it")
    if not (FOLDER / "env.sh").is_file():
        pytest.skip(f"no runtime oracle in {FOLDER}: scripts/runtime.sh sets it up")
    if missing := [tag for tag in tags() if podman("image", "exists", tag).returncode]:
        pytest.skip(f"no image {missing[0]}: scripts/runtime.sh builds it")
    return FOLDER


def tags() -> list[str]:
    """The names of the oracle's images, from the first lines of their Containerfiles."""
    files = sorted((FOLDER / "images").glob("*/*Containerfile"))
    return [file.read_text().splitlines()[0].removeprefix("# tag: ") for file in files]


def scenarios() -> list[Scenario]:
    """All of them, by name; none where the oracle isn't here."""
    return [Scenario(file.parent) for file in sorted((FOLDER / "scenarios").glob("*/manifest.yaml"))]


def environment() -> dict[str, str]:
    """What selects the oracle's own configuration of podman and its store of images."""
    return clean_environment(
        CONTAINERS_CONF=str(FOLDER / "etc/containers.conf"),
        CONTAINERS_STORAGE_CONF=str(FOLDER / "etc/storage.conf"),
    )


def podman(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One command on the oracle's store."""
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, env=environment(), check=False)


def run(job: Job) -> Outcome:
    """What became of the pod. An oracle that couldn't judge is an error, whatever the test expects."""
    done = subprocess.run(
        [FOLDER / "run-pod.py", job.manifest, "--probe", job.probe, "--timeout", str(job.seconds)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    return Outcome(said["ok"], said["reason"])


def run_all(jobs: Mapping[str, Job]) -> dict[str, Outcome]:
    """The outcome of each; as many at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(jobs, pool.map(run, jobs.values()), strict=True))


def pods(text: str) -> Iterator[dict[str, Any]]:
    """The Pod that each workload of a text makes; a StatefulSet's with volumes for its claims."""
    for workload, template in _templates(list(yaml.safe_load_all(text))):
        claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
        spec = {**template["spec"], "volumes": [*template["spec"].get("volumes", ()), *volumes]}
        metadata = {**template.get("metadata", {}), "name": workload["metadata"]["name"], "namespace": "default"}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def images(text: str) -> list[str]:
    """The images of a text's pods, in its order."""
    return [container["image"] for pod in pods(text) for container in containers(pod)]


def took(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a hardening added to a Pod beside the switches that every hardened pod has."""
    found = []
    for key, of_pod in (("runAsUser", "uid"), ("runAsGroup", "gid"), ("fsGroup", "fsGroup")):
        found += [f"{of_pod} {said}" for said in _told(after, key) if said not in _told(before, key)]
    found += [f"{each['name']}={each['value']}" for each in after["spec"]["securityContext"].get("sysctls", ())]
    known = {(each["name"], mount["mountPath"]) for each in containers(before) for mount in _mounts(each)}
    old, new = ({each["name"]: each for each in containers(pod)} for pod in (before, after))
    found += [f"no container {name}" for name in old.keys() - new.keys()]
    found += [f"init container {name}" for name in new.keys() - old.keys()]
    for name in new.keys() & old.keys():
        found += [f"emptyDir {at['mountPath']}" for at in _mounts(new[name]) if (name, at["mountPath"]) not in known]
        found += [f"add {one}" for one in new[name]["securityContext"].get("capabilities", {}).get("add", ())]
        names = {each["name"] for each in old[name].get("env", ())}
        found += [f"{each['name']}={each['value']}" for each in new[name].get("env", ()) if each["name"] not in names]
    return ", ".join(found) or "nothing else"


def _told(pod: dict[str, Any], key: str) -> list[int]:
    contexts = [each.get("securityContext", {}) for each in (pod["spec"], *containers(pod))]
    return list(dict.fromkeys(context[key] for context in contexts if key in context))


def _mounts(container: dict[str, Any]) -> list[dict[str, Any]]:
    return container.get("volumeMounts", [])


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that start with the pod, and those before them."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def naive(text: str) -> str:
    """The hardening of a checklist: everything that restricted asks for, a uid and a read-only root; nothing known."""
    documents = list(yaml.safe_load_all(text))
    for _, template in _templates(documents):
        everyone = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        template["spec"]["securityContext"] = {**everyone, **template["spec"].get("securityContext", {})}
        for container in containers(template):
            one = {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            container["securityContext"] = {**one, **container.get("securityContext", {})}
    return yaml.safe_dump_all(documents)


def _templates(documents: list[Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each workload, and what in it holds `metadata` and `spec` of its pod."""
    for document in documents:
        steps = POD_SPECS.get((document["apiVersion"].rpartition("/")[0], document["kind"]))
        if steps is None:
            continue
        template = document
        for step in steps[:-1]:
            template = template[step]
        yield document, template

"""Whether what was hardened still runs: each manifest's pod is started under its security context, and probed.

First the oracle itself: an oracle that lets a broken pod pass proves nothing. Then what it says of the services
unhardened, hardened by a checklist, and hardened by hand with care: the bounds between which a tool lies.
Skipped where scripts/runtime.sh hasn't set it up; three to four minutes where it has.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import runtime
import yaml
from conftest import run_cli
from judges import admission, as_json, psa
from runtime import NO_VERDICT, Job, Outcome, Scenario

if TYPE_CHECKING:
    from pathlib import Path

BEHAVIOURS = 57
HARMLESS = {
    "postgres--no-tmp": "/tmp is only for a uid that isn't in /etc/passwd",
    "postgres--unknown-uid": "its entrypoint makes up a name for the uid",
}
"""Hardenings that look broken and aren't: rejecting them would be as wrong."""
SURVIVE_A_CHECKLIST = {"memcached", "python-8080", "redis"}
"""They need nothing: no uid of their own, no folder, no port below 1024."""
CANNOT_RUN_RESTRICTED = {
    "cron": "switches users for its jobs",
    "job-root": "writes to /, over which no volume can be mounted",
    "ping": "has a file capability that restricted forbids",
}


@pytest.fixture(scope="module")
def oracle() -> Path:
    return runtime.ready()


def wrong(outcomes: dict[str, Outcome], expected: dict[str, bool]) -> list[str]:
    """The jobs with another outcome than expected, or without a verdict, with what was seen."""
    return [
        f"{name}: {outcome.reason}"
        for name, outcome in outcomes.items()
        if outcome.runs != expected[name] or outcome.reason.startswith(NO_VERDICT)
    ]


def test_the_oracle_behaves_as_a_kubelet(oracle):
    """One behaviour a pod: its command ends with 0, or it isn't started, as on a kubelet."""
    files = {file.stem: file for file in sorted((oracle / "gaps").glob("*.yaml"))}
    absent = files.pop("image-absent")
    outcomes = runtime.run_all({name: Job(file, "exit0", 20) for name, file in files.items()})
    firsts = {name: file.read_text().splitlines()[0] for name, file in files.items()}

    assert set(firsts.values()) == {"# expect: run", "# expect: refuse"}
    assert wrong(outcomes, {name: first == "# expect: run" for name, first in firsts.items()}) == []
    assert runtime.run(Job(absent, "exit0")).reason.startswith("ErrImageNeverPull")
    assert len(files) + 1 == BEHAVIOURS


def test_the_oracle_rejects_broken_hardenings_and_no_others(oracle):
    """Each differs from a hardening that runs in one thing: no uid, no folder, a capability in place of a sysctl."""
    files = {file.stem: file for file in sorted((oracle / "wrong").glob("*.yaml"))}
    jobs = {name: Job(file, file.with_suffix(".probe").read_text().strip(), 20) for name, file in files.items()}

    assert wrong(runtime.run_all(jobs), {name: name in HARMLESS for name in jobs}) == []
    assert files.keys() > HARMLESS.keys()
    assert len(files) >= 20


def test_every_service_runs_as_it_is_written(oracle):
    jobs = {each.name: Job(each.manifest, each.probe) for each in runtime.scenarios()}

    assert wrong(runtime.run_all(jobs), dict.fromkeys(jobs, True)) == []
    assert len(jobs) >= 20


def test_a_checklist_breaks_all_but_three(oracle, tmp_path):
    jobs = {}
    for each in runtime.scenarios():
        file = tmp_path / f"{each.name}.yaml"
        file.write_text(runtime.naive(each.manifest.read_text()))
        jobs[each.name] = Job(file, each.probe, 20)

    assert wrong(runtime.run_all(jobs), {name: name in SURVIVE_A_CHECKLIST for name in jobs}) == []


def test_care_makes_all_run_that_can(oracle):
    jobs = {each.name: Job(each.careful, each.probe, 30) for each in runtime.scenarios()}

    assert wrong(runtime.run_all(jobs), {name: name not in CANNOT_RUN_RESTRICTED for name in jobs}) == []


# What krm-harden makes of them

POLICY = {
    "apiVersion": "krm-harden.dev/v1alpha1",
    "kind": "HardeningPolicy",
    "metadata": {"name": "restricted"},
    "spec": {
        "controls": {
            "readOnlyRootFilesystem": {"initCopy": True},
            "fsGroup": {"replaceChown": True},
            "numericUser": {"dataSubfolder": True},
        }
    },
}
"""All that changes more than a security context is asked for."""
CODES = {"cron": "switches-users", "job-root": "writes-to-root", "ping": "file-capability"}
"""What is said of those that can't run restricted."""
NAMES = [each.name for each in runtime.scenarios()]


@dataclass(frozen=True)
class Hardened:
    """A scenario after `fix`: the exit code, the text, the findings, and what became of its pod where code 0 was said."""

    code: int
    text: str
    findings: list[dict[str, Any]]
    outcome: Outcome | None

    def word(self) -> str:
        return {None: "refused", True: "runs", False: "breaks"}[self.outcome and self.outcome.runs]


@pytest.fixture(scope="module")
def lock(oracle, tmp_path_factory) -> Path:
    """What `images resolve` finds out about all images, each of them run once."""
    folder = tmp_path_factory.mktemp("lock")
    manifests = [each.manifest for each in runtime.scenarios()]
    wanted = sorted({image for file in manifests for image in runtime.images(file.read_text())})
    saved = runtime.podman("save", "--quiet", "--multi-image-archive", "-o", folder / "images.tar", *wanted)
    assert saved.returncode == 0, saved.stderr
    source = ("--from", f"docker-archive:{folder / 'images.tar'}", "--probe", "-o", folder / "lock.yaml")
    command = [sys.executable, "-m", "krm_harden", "images", "resolve", *manifests, *source]
    done = subprocess.run(command, capture_output=True, text=True, env=runtime.environment(), timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "images.tar").unlink()
    return folder / "lock.yaml"


def harden(folder: Path, *options: str | Path) -> dict[str, Hardened]:
    """Every scenario as `fix` leaves it, and what becomes of those that it says to be done with."""
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    said, jobs = {}, {}
    for each in runtime.scenarios():
        file = folder / f"{each.name}.yaml"
        shutil.copy(each.manifest, file)
        done = run_cli("fix", "-o", "json", "--policy", folder / "policy.yaml", *options, file)
        assert done.code in (0, 1), done.err
        report = json.loads(done.out)
        said[each.name] = done.code, file.read_text(), [one for of in report["resources"] for one in of["findings"]]
        if done.code == 0:
            jobs[each.name] = Job(file, each.probe, 40)
    outcomes = runtime.run_all(jobs)
    return {name: Hardened(*what, outcomes.get(name)) for name, what in said.items()}


@pytest.fixture(scope="module")
def catalogue(oracle, tmp_path_factory) -> dict[str, Hardened]:
    """By what the catalogue knows alone."""
    return harden(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def resolved(lock, tmp_path_factory) -> dict[str, Hardened]:
    """By a lock."""
    return harden(tmp_path_factory.mktemp("resolved"), "--images", lock)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CANNOT_RUN_RESTRICTED])
def test_with_a_lock_everything_that_can_run_restricted_does(resolved, name):
    made = resolved[name]

    assert made.code == 0, made.findings
    assert made.outcome is not None
    assert made.outcome.runs, made.outcome.reason


@pytest.mark.parametrize("name", [name for name in NAMES if name in CANNOT_RUN_RESTRICTED])
def test_with_a_lock_what_cannot_run_restricted_is_refused(resolved, name):
    made = resolved[name]

    assert made.code == 1
    assert [
        finding
        for finding in made.findings
        if finding["state"] in {"refused", "manual"} and CODES[name] in finding["reason"]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_by_the_catalogue_alone_nothing_breaks_that_was_not_announced(catalogue, name):
    """What the catalogue knows runs or is refused; where it knows nothing, a warning stands beside what may break."""
    made, known = catalogue[name], "docker.io/example/" not in catalogue[name].text

    if made.outcome is None:
        assert CODES[name] in as_json(made.findings)
    else:
        assert made.outcome.runs or (not known and "may-break" in {finding["risk"] for finding in made.findings})
        assert not made.outcome.reason.startswith(NO_VERDICT)


@pytest.mark.parametrize("mode", ["catalogue", "resolved"])
def test_what_runs_is_admitted_with_a_read_only_root_in_every_container(mode, request):
    made = {name: each for name, each in request.getfixturevalue(mode).items() if each.code == 0}
    found = {name: pod for name, each in made.items() for pod in runtime.pods(each.text)}
    texts = [as_json(pod) for pod in found.values()]

    assert [said for said in psa(texts, "restricted", "latest") if not said["allowed"]] == []
    assert [said for said in admission(texts, "restricted", "latest") if said["code"] != 201] == []
    assert [
        f"{name}: {container['name']}"
        for name, pod in found.items()
        for container in runtime.containers(pod)
        if container["securityContext"].get("readOnlyRootFilesystem") is not True
    ] == []
    assert len(found) >= len(NAMES) - len(CANNOT_RUN_RESTRICTED)


def test_what_each_service_took(catalogue, resolved, tmp_path):
    """The table of the documentation, as it was measured."""
    rows = ["| scenario | checklist | catalogue | lock | what it took |", "|---|---|---|---|---|"]
    for each in runtime.scenarios():
        checklist = "runs" if each.name in SURVIVE_A_CHECKLIST else "breaks"
        words = (checklist, catalogue[each.name].word(), resolved[each.name].word())
        rows.append(f"| {each.name} | {' | '.join(words)} | {what_it_took(each, resolved[each.name])} |")
    (tmp_path / "table.md").write_text("\n".join(rows))
    print("\n".join(rows))

    assert Counter(each.word() for each in resolved.values()) == {
        "runs": len(NAMES) - len(CANNOT_RUN_RESTRICTED),
        "refused": len(CANNOT_RUN_RESTRICTED),
    }


def what_it_took(scenario: Scenario, made: Hardened) -> str:
    if made.outcome is None:
        return CANNOT_RUN_RESTRICTED.get(scenario.name, "refused")
    (before,), (after,) = (list(runtime.pods(text)) for text in (scenario.manifest.read_text(), made.text))
    return runtime.took(before, after)

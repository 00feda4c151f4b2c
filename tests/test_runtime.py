"""Whether what was hardened still runs: each manifest's pod is started under its security context, and probed.

First the oracle itself: an oracle that lets a broken pod pass proves nothing. Then what it says of the services
unhardened, hardened by a checklist, and hardened by hand with care: the bounds between which a tool lies.
Skipped where scripts/runtime.sh hasn't set it up; three to four minutes where it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import runtime
from runtime import NO_VERDICT, Job, Outcome

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

"""What the API server and the Pod Security judge say of every pod of the corpus, before `fix` and after it.

`admission_sweep` asks them once for all tests here. Skipped without the corpus or the judges. The table stands in
`table.md` of the test's temporary folder, on standard output, and is what `python tests/admission_sweep.py` prints.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import admission_sweep
import pytest
from admission_sweep import BEFORE, MISSED, POLICIES, RUNS, Judges, Subject, Sweep, passing
from conftest import require
from test_corpus import _goyaml

if TYPE_CHECKING:
    from pathlib import Path

NO_KNOWN_WAY_TO_BREAK = {"seccompProfile_restricted", "allowPrivilegeEscalation"}
"""What `additive` writes where nothing speaks against it."""
MIN_SHARES = {"additive": 0.29, "complete": 0.72, "complete, override": 0.74}
"""The shares of the real files' objects that pass restricted: what was measured, rounded down."""
UNJUDGED = ("a kustomize patch", "cannot read", "owned by")
"""How the reasons begin for which an object that the server wouldn't take is left alone."""


@pytest.fixture(scope="module")
def swept(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The sweep, run once for all tests of this module."""
    corpus = shared / "corpus"
    if not (corpus / "MANIFEST.tsv").is_file():
        pytest.skip("no corpus beside the checkout")
    judges = Judges(require("psa"), require("admission"))
    goyaml, reason = _goyaml(tmp_path_factory.mktemp("goyaml"))
    if goyaml is None:
        pytest.skip(reason)
    made = admission_sweep.sweep(corpus, goyaml, judges)
    text = admission_sweep.table(made)
    (tmp_path_factory.mktemp("admission") / "table.md").write_text(text)
    print(text)
    return made


def test_both_judges_say_the_same_of_a_bare_pod(swept: Sweep):
    pods = [subject for subject in swept.accepted() if subject.kind == "Pod"]

    assert [
        (str(subject), run, subject.theirs[run].message, subject.theirs[run].enforced)
        for subject in pods
        for run in RUNS
        if subject.theirs[run].message != subject.theirs[run].enforced
    ] == []


@pytest.mark.parametrize("run", RUNS)
def test_verdicts_are_the_judges(swept: Sweep, run: str):
    assert [
        f"{subject}: we say {ours.message!r}, the judge {theirs.message!r}"
        for subject, ours, theirs in swept.judged(run)
        if (ours.allowed, ours.message) != (theirs.allowed, theirs.message)
    ] == []


@pytest.mark.parametrize("run", RUNS)
def test_every_object_that_the_server_takes_is_judged(swept: Sweep, run: str):
    assert [f"{subject}: {subject.reason}" for subject in swept.accepted() if subject.ours[run] is None] == []


def test_what_is_not_judged_says_why(swept: Sweep):
    reasons = {subject.reason for subject in swept.subjects if None in subject.ours.values()}

    assert MISSED not in reasons
    assert [reason for reason in reasons if not reason.startswith(UNJUDGED)] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_no_document_that_the_server_takes_is_refused(swept: Sweep, policy: str):
    results = [(subject, subject.ours[policy]) for subject in swept.accepted()]

    assert [f"{subject}: {ours.error}" for subject, ours in results if ours and ours.error] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_the_server_still_takes_what_it_took(swept: Sweep, policy: str):
    assert [
        f"{subject}: {subject.theirs[policy].code} {subject.theirs[policy].refusal}"
        for subject in swept.accepted()
        if subject.theirs[policy].code != 201
    ] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_findings_name_all_and_only_the_checks_that_still_fail(swept: Sweep, policy: str):
    named = [
        (subject, {control for control, _ in ours.stays} & swept.controls, theirs.checks)
        for subject, ours, theirs in swept.judged(policy)
    ]

    assert [
        f"{subject}: findings alone {sorted(ours - theirs)}, judge alone {sorted(theirs - ours)}"
        for subject, ours, theirs in named
        if ours != theirs
    ] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_every_finding_that_stays_gives_its_reason(swept: Sweep, policy: str):
    assert [
        (str(subject), ours.without_reason) for subject, ours, _ in swept.judged(policy) if ours.without_reason
    ] == []


def test_additive_mends_all_that_has_no_known_way_to_break(swept: Sweep):
    """Where nothing but seccomp and privilege escalation fails, and the author didn't write it so."""
    failing = [
        (subject, ours, theirs)
        for subject, ours, theirs in swept.judged("additive")
        if subject.theirs[BEFORE].checks and subject.theirs[BEFORE].checks <= NO_KNOWN_WAY_TO_BREAK
    ]
    explicit = [subject for subject, ours, theirs in failing if _is_explicit(ours.stays, theirs.checks)]

    assert len(failing) > 2 * len(explicit) > 0
    assert [str(subject) for subject, _, theirs in failing if not theirs.allowed and subject not in explicit] == []


def _is_explicit(stays: frozenset[tuple[str, str]], checks: frozenset[str]) -> bool:
    """Whether each check that fails, fails because the author wrote so."""
    return bool(checks) and all((check, "explicit") in stays for check in checks)


def test_what_passes_still_passes_when_changes_go_further(swept: Sweep):
    assert [
        f"{subject}: passes {less}, not {more}: {subject.theirs[more].message}"
        for subject in swept.accepted()
        for less, more in pairwise(RUNS)
        if subject.theirs[less].allowed and not subject.theirs[more].allowed
    ] == []


@pytest.mark.parametrize(("policy", "least"), MIN_SHARES.items())
def test_a_share_of_real_objects_passes(swept: Sweep, policy: str, least: float):
    real = [subject for subject in swept.accepted() if subject.corpus_class == "real"]

    assert passing(real, policy) >= least * len(real)


# The sweep itself sees what it is there to see

SPEC = {"hostNetwork": True, "containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 80}]}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": SPEC}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": SPEC}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a"},
    "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE},
}
PLANTED = {
    "a bare Pod, as the server fills it in": (POD, "", (201, True, {"hostNamespaces", "hostPorts"})),
    "a template, as it is written": (DEPLOYMENT, "", (201, True, {"hostNamespaces"})),
    "an invalid Pod": ({**POD, "metadata": {}}, "", (422, False, {"hostNamespaces"})),
    "an unknown field": ({**POD, "spec": {**SPEC, "x": 1}}, "", (400, True, {"hostNamespaces", "hostPorts"})),
    "a key that stands twice": (POD, "key twice", (400, True, {"hostNamespaces", "hostPorts"})),
    "a version that isn't served": ({**POD, "apiVersion": "v9"}, "", (400, False, set())),
}
"""An object, what the Go reader minds in it, and (code, judged, those of the checks of hosts that fail)."""


@pytest.mark.parametrize(("data", "strict", "expected"), PLANTED.values(), ids=PLANTED)
def test_the_judges_see(data: dict[str, Any], strict: str, expected: tuple[int, bool, set[str]]):
    subject = Subject("planted", 1, data["kind"], "a", texts={BEFORE: json.dumps(data)}, strict={BEFORE: strict})

    Judges(require("psa"), require("admission")).judge(BEFORE, [subject])

    theirs = subject.theirs[BEFORE]
    assert (theirs.code, theirs.judged, theirs.checks & {"hostNamespaces", "hostPorts"}) == expected

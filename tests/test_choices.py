"""Some controls chosen, the others left out: each alone is safe and settled, and all in turn come to the same as at once.

Judged on the cases of all controls, each under its own policy, and on real files.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from krm_harden import controls, policy
from krm_harden.commands import _run
from krm_harden.commands._policies import load
from krm_harden.engine import Engine
from krm_harden.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, Resource

IDS = [*controls.load(), controls.NAMESPACES]
CASES = [path for path in sorted(Path(__file__).with_name("cases").rglob("fail-*.yaml")) if ".policy" not in path.name]
SPECS = {
    "default": {},
    "override": {"explicit": "override"},
    "evidence": {"changes": "evidence"},
    "user namespaces": {"unknownUser": "userNamespace"},
    "init containers": {
        "controls": {"fsGroup": {"replaceChown": True}, "readOnlyRootFilesystem": {"initCopy": True}},
        "namespaces": {"enforce": "auto"},
    },
}


def only(*chosen: str) -> Callable[[Resource, str], str]:
    return lambda _resource, control: "" if control in chosen else "not chosen"


def run(of: Policy, data: bytes, chosen: Iterable[str] = IDS) -> Input:
    return _run.of_bytes(Engine(of, left_out=only(*chosen)), "case.yaml", data)


def findings(made: Input) -> Iterator[Finding]:
    return (finding for chunk in made.chunks for result in chunk.resources for finding in result.findings)


def written(made: Input) -> set[str]:
    return {finding.control for finding in findings(made) if finding.state == "fixed"}


def verdicts(made: Input) -> list[bool]:
    return [result.allowed for chunk in made.chunks for result in chunk.resources]


def of_case(path: Path, spec: dict[str, object]) -> Policy:
    own = path.with_name(f"{path.stem}.policy.yaml")
    return policy.from_data(load(str(own)), str(own)).with_changes(spec) if own.exists() else Policy(spec)


def judge(of: Policy, data: bytes, dice: random.Random) -> int:
    """How many controls write to a text, each of which was tried alone; then all of them in turn, in three orders."""
    whole = _run.of_bytes(Engine(of), "case.yaml", data)
    assert run(of, data).new == whole.new
    assert not run(of, data, ()).changed
    names = sorted(written(whole) & set(IDS))
    for name in names:
        alone = run(of, data, [name])
        assert written(alone) <= written(whole)
        assert not any(chunk.error for chunk in alone.chunks)
        assert not run(of, alone.new, [name]).changed, f"{name} isn't settled by one run"
    for order in (names, names[::-1], dice.sample(names, len(names))):
        text = data
        for name in order:
            text = run(of, text, [name]).new
        assert verdicts(run(of, text, ())) == verdicts(whole), order
        assert not _run.of_bytes(Engine(of), "case.yaml", text).changed, order
    return len(names)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_each_control_alone_is_settled_and_all_in_turn_are_the_whole(spec):
    dice = random.Random(7)  # noqa: S311 - no secret
    assert sum(judge(of_case(path, spec), path.read_bytes(), dice) for path in CASES[::3]) > 50


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_so_it_is_for_real_files(shared, spec):
    dice = random.Random(7)  # noqa: S311 - no secret
    files = [path for path in sorted((shared / "corpus").rglob("*.yaml")) if path.is_file()]
    assert sum(judge(Policy(spec), path.read_bytes(), dice) for path in files[::60]) > 20


def pod(container: str, **more: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in more.items()]
    text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n"
    return (text + "".join(f"    {line}\n" for line in container.splitlines()) + "\n".join(lines)).encode()


CLAIMED = "image: postgres:15\nvolumeMounts:\n- name: data\n  mountPath: /var/lib/postgresql/data"
CLAIM = "\n  volumes:\n  - name: data\n    persistentVolumeClaim:\n      claimName: data\n"


@pytest.mark.parametrize(
    ("chosen", "also"),
    [
        pytest.param("numericUser", {"fsGroup", "numericGroup"}, id="a user with its groups"),
        pytest.param(
            "runAsNonRoot", {"numericUser", "fsGroup", "numericGroup"}, id="no root with a user, for the kubelet"
        ),
        pytest.param("capabilities_restricted", {"numericUser", "fsGroup", "numericGroup"}, id="what root would need"),
        pytest.param("readOnlyRootFilesystem", set(), id="a read-only root with its volumes, which are its own"),
        pytest.param("seccompProfile_restricted", set(), id="a profile alone"),
        pytest.param("allowPrivilegeEscalation", set(), id="no escalation alone"),
        pytest.param("fsGroup", {"-fsGroup"}, id="no group for a user that doesn't come"),
        pytest.param("numericGroup", {"-numericGroup"}, id="nor a group of its own"),
    ],
)
def test_a_control_comes_with_what_it_needs(chosen, also):
    data = pod(CLAIMED) + CLAIM.lstrip("\n").encode()
    expected = {chosen} | also if not any(name.startswith("-") for name in also) else set()
    assert written(run(Policy({}), data, [chosen])) == expected


def test_a_user_that_is_there_needs_none():
    data = pod("image: registry.example/web:1\nsecurityContext:\n  runAsUser: 1000")
    assert written(run(Policy({}), data, ["runAsNonRoot"])) == {"runAsNonRoot"}


def test_only_the_containers_that_need_a_user_get_one():
    data = pod("image: a:1\nsecurityContext:\n  runAsNonRoot: true") + b"  - name: other\n    image: b:1\n"
    made = run(Policy({}), data, ["runAsNonRoot"])
    users = [finding.container for finding in findings(made) if finding.control == "numericUser"]
    assert [finding.state for finding in findings(made) if finding.control == "numericUser"] == ["fixed"]
    assert users == ["other"]


def test_what_its_author_wrote_goes_with_what_can_not_stand_beside_it():
    data = pod("image: a:1\nsecurityContext:\n  runAsUser: 0\n  capabilities:\n    add: [SYS_ADMIN]")
    of = Policy({"explicit": "override"})
    assert {"runAsUser", "readOnlyRootFilesystem"} <= written(run(of, data, ["readOnlyRootFilesystem"]))
    assert written(run(of, data, ["allowPrivilegeEscalation"])) == {
        "allowPrivilegeEscalation",
        "capabilities_restricted",
    }
    assert written(run(of, data, ["seccompProfile_restricted"])) == {"seccompProfile_restricted"}


def test_what_is_left_out_is_deferred_with_the_reason_and_is_no_error():
    left = list(findings(run(Policy({}), pod("image: a:1"), ["seccompProfile_restricted"])))
    deferred = [finding for finding in left if finding.state == "deferred"]
    assert {finding.control for finding in deferred} > {"runAsNonRoot", "capabilities_restricted"}
    assert {(finding.severity, finding.reason, finding.code) for finding in deferred} == {
        ("info", "not chosen", "left-out")
    }
    assert all("lacks" in finding.message and "not chosen" in finding.message for finding in deferred)


def test_what_can_not_be_fixed_stays_an_error_whatever_is_chosen():
    data = pod("image: a:1\nsecurityContext:\n  privileged: true")
    stays = list(findings(run(Policy({}), data, ["seccompProfile_restricted"])))
    assert ("privileged", "error") in {(finding.control, finding.severity) for finding in stays}


def test_a_namespace_is_labelled_where_its_control_is_chosen():
    data = b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    assert not run(Policy({}), data, ["runAsNonRoot"]).changed
    assert written(run(Policy({}), data, [controls.NAMESPACES])) == {controls.NAMESPACES}
    assert [finding.state for finding in findings(run(Policy({}), data, ["runAsNonRoot"]))] == ["deferred"] * 2

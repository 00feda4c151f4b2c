"""Each control on manifests that show what it allows and what it does about the rest: tests/cases/<control>/.

`pass-*` is in order and comes out byte for byte; `fail-*` has findings. A `.policy.yaml` beside a case is its policy.
The first line of each case says why it is there.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import textwrap
from pathlib import Path

import jsonpatch
import pytest
import yaml
from conftest import require, unified

from krm_harden import Policy, check, controls, harden
from krm_harden.commands._policies import load
from krm_harden.model import Resource, lookup
from krm_harden.reports.text import line
from krm_harden.schema import API_VERSION, KIND
from krm_harden.source import read
from krm_harden.workloads import pods, shapes_of

CASES = sorted(path for path in Path(__file__).with_name("cases").rglob("*.yaml") if ".policy" not in path.name)
FAILING = [path for path in CASES if path.name.startswith("fail-")]
PASSING = [path for path in CASES if path.name.startswith("pass-")]
HEADINGS = ["Protects from", "Fields", "Allowed", "Before", "After", "Fix safety", "May break", "Undo", "Reference"]
STANDARD = [name for name, control in controls.load().items() if control.standard]
LEFT_OPEN = {"explicit", "manual", "refused", "exempt", "deferred"}
JUDGED_KINDS = {"Pod", "PodTemplate", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def case(name: str) -> Path:
    return Path(__file__).with_name("cases") / f"{name}.yaml"


def policy_data(path: Path) -> dict:
    beside = path.with_name(f"{path.stem}.policy.yaml")
    bare = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "case"}}
    return load(str(beside)) if beside.exists() else bare


def policy_of(path: Path) -> Policy:
    return Policy.from_dict(policy_data(path))


USERS = ("numericUser", "runAsUser")
FOLLOWS = {
    "environment": (*USERS, "readOnlyRootFilesystem"),
    "fileCapabilities": ("capabilities_restricted",),
    "fsGroup": USERS,
    "numericGroup": USERS,
    "unprivilegedNetwork": USERS,
}
"""The controls that write what only another control's change makes needed."""


def alone(path: Path) -> Policy:
    """The case's policy with only the case's control, and those that it follows."""
    data = copy.deepcopy(policy_data(path))
    switches = data.setdefault("spec", {}).setdefault("controls", {})
    on = (path.parent.name, *FOLLOWS.get(path.parent.name, ()))
    for name in (*controls.load(), controls.NAMESPACES):
        switch = switches.setdefault(name, {})
        is_on = not (name in controls.load() and controls.load()[name].opt_in)
        switch["enabled"] = name in on and switch.get("enabled", is_on)
    return Policy.from_dict(data)


def lines(result) -> str:
    """The report of a case, one line each."""
    found = [
        f"{finding.severity} {finding.state} {finding.risk}: {line(resource.resource, finding)}"
        for resource in result.resources
        for finding in resource.findings
    ]
    found += [f"left alone: {note.kind}/{note.name}: {note.reason}" for note in result.unexamined]
    found += [f"refused: {error}" for error in result.errors]
    found += [f"allowed: {resource.message or resource.allowed}" for resource in result.resources]
    return "".join(f"{text}\n" for text in found)


def data_of(text: str):
    return read(text).data


def pod_of(text: str):
    resource = Resource((), data_of(text))
    return next(pods(resource, shapes_of(resource, {})))


all_cases = pytest.mark.parametrize("path", CASES, ids=name_of)
failing_cases = pytest.mark.parametrize("path", FAILING, ids=name_of)


# What comes out


@pytest.mark.parametrize("path", PASSING, ids=name_of)
def test_what_is_in_order_stays(path):
    text = path.read_text()

    result = harden(text, policy_of(path))

    assert lines(result).startswith("allowed: True\n")
    assert result.findings == ()
    assert result.text == text
    assert check(text, policy_of(path)).findings == ()


@failing_cases
def test_findings(path, text_snapshot):
    result = harden(path.read_text(), policy_of(path))

    assert lines(result) == text_snapshot


@failing_cases
def test_diff(path, diff_snapshot):
    text = path.read_text()

    assert unified(text, harden(text, policy_of(path)).text) == diff_snapshot


@failing_cases
def test_bytes(path, yaml_snapshot):
    assert harden(path.read_text(), policy_of(path)).text.encode() == yaml_snapshot


@failing_cases
def test_there_is_something_to_say(path):
    text, policy = path.read_text(), policy_of(path)

    assert check(text, policy).findings or check(text, policy).unexamined
    assert harden(text, policy).errors == ()


@failing_cases
def test_what_is_left_to_its_author_says_what_to_do(path):
    found = [one for one in harden(path.read_text(), policy_of(path)).findings if one.control in controls.load()]

    left = [finding.reason for finding in found if finding.state in {"explicit", "manual"}]
    steps = (
        "remove",
        "use ",
        "set ",
        "give ",
        "write ",
        "try ",
        "expose ",
        "share ",
        "name it",
        "clone ",
        "exempt",
        "describe ",
    )

    assert [
        reason for reason in left if not any(step in reason.partition(", or set explicit")[0] for step in steps)
    ] == []


def test_every_control_has_cases_of_both_sorts():
    wanted = {*controls.load(), controls.NAMESPACES}

    assert {path.parent.name for path in PASSING} == wanted
    assert {path.parent.name for path in FAILING} == wanted


@all_cases
def test_first_line_says_why(path):
    first = path.read_text().splitlines()[0]

    assert first.startswith("# ")
    assert first.endswith(".")


# What holds for all


@all_cases
def test_nothing_stays_open_without_a_reason(path):
    policy = policy_of(path)
    first = harden(path.read_text(), policy)

    reasons = {finding.control for finding in first.findings if finding.state in LEFT_OPEN}
    again = check(first.text, policy).findings
    open_ = {finding.control for finding in again if finding.state == "open" and finding.control in STANDARD}

    assert first.unexamined or open_ <= reasons
    assert first.unexamined or not open_ or not first.allowed


@all_cases
def test_a_second_run_changes_nothing(path):
    policy = policy_of(path)
    once = harden(path.read_text(), policy).text

    again = harden(once, policy)

    assert again.text == once
    assert [finding.message for finding in again.findings if finding.state == "fixed"] == []


@all_cases
def test_operations_mean_the_change(path):
    text = path.read_text()

    result = harden(text, policy_of(path))

    expected = jsonpatch.apply_patch(data_of(text), [one for each in result.operations for one in each])
    assert data_of(result.text) == expected


@all_cases
def test_what_is_fixed_is_reported_with_its_place(path):
    result = harden(path.read_text(), policy_of(path))
    after = data_of(result.text)

    fixed = [finding for finding in result.findings if finding.state == "fixed" and finding.proposed is not None]
    wrong = [
        f"{finding.control} {finding.path}"
        for finding in fixed
        if not _holds(lookup(after, finding.pointer), finding.proposed)
    ]

    assert wrong == []


def _holds(value, proposed) -> bool:
    """A list may keep what it had beside what was proposed; an empty one may go."""
    if isinstance(proposed, list):
        return all(one in (value or ()) for one in proposed)
    return value == proposed and type(value) is type(proposed)


@all_cases
def test_messages_name_the_field_of_their_path(path):
    findings = harden(path.read_text(), policy_of(path)).findings

    fields = [(finding, finding.path.partition("securityContext.")[2]) for finding in findings]
    wrong = [finding.message for finding, field in fields if finding.state == "fixed" and field not in finding.message]

    assert wrong == []


@all_cases
def test_alone_and_together_agree(path):
    text, control = path.read_text(), path.parent.name

    together, single = harden(text, policy_of(path)), harden(text, alone(path))

    assert _of(control, together) == _of(control, single)
    for finding in single.findings:
        if finding.state == "fixed" and finding.proposed is not None:
            alone_value = lookup(data_of(single.text), finding.pointer)
            assert lookup(data_of(together.text), finding.pointer) == alone_value


def _of(control: str, result) -> list[tuple]:
    return [
        (finding.state, finding.severity, finding.path, finding.current, finding.proposed, finding.message)
        for finding in result.findings
        if finding.control == control
    ]


@all_cases
def test_check_and_fix_see_the_same(path):
    text, policy = path.read_text(), policy_of(path)

    fixed, checked = harden(text, policy), check(text, policy)

    assert checked.text == text
    if not fixed.unexamined:
        seen = [(finding.control, finding.path) for finding in checked.findings]
        assert [one for one in seen if one not in [(found.control, found.path) for found in fixed.findings]] == []


@pytest.mark.parametrize("module", controls.names())
def test_docstring_is_user_documentation(module):
    text = __import__(f"krm_harden.controls.{module}", fromlist=["CONTROL"]).__doc__

    found = [word for word in HEADINGS if f"**{word}**" in text]
    order = sorted(found, key=lambda word: text.index(f"**{word}**"))

    assert found == HEADINGS
    assert order == HEADINGS


@pytest.mark.parametrize("module", [*(f"controls.{name}" for name in controls.names()), "namespaces"])
def test_what_undoes_a_control_is_a_policy(module):
    text = __import__(f"krm_harden.{module}", fromlist=["CONTROL"]).__doc__
    shown = textwrap.dedent(text.partition("**Undo**")[2].partition("**Reference**")[0].partition("\n\n")[2])
    entries = re.split(r"(?m)^(?=\w)", shown)[1:]

    assert entries
    for entry in entries:
        Policy.from_dict({"apiVersion": API_VERSION, "kind": KIND, "spec": yaml.safe_load(entry)})


# The rules, one by one


def value(name: str, *pointer):
    path = case(name)
    return lookup(data_of(harden(path.read_text(), policy_of(path)).text), ("spec", "template", "spec", *pointer))


def first_context(name: str, index: int = 0, where: str = "containers"):
    return value(name, where, index, "securityContext")


SAFE_ONLY = {"allowPrivilegeEscalation": False}
PROFILE = {"seccompProfile": {"type": "RuntimeDefault"}}
HALF_MEASURES = {"runAsNonRoot", "runAsUser", "runAsGroup", "readOnlyRootFilesystem"}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("runAsUser/fail-root-in-the-pod", ("containers", 0)),
        ("runAsUser/fail-root-in-one-container", ("initContainers", 0)),
        ("runAsUser/fail-root-exempt", ("containers", 0)),
        ("runAsNonRoot/fail-explicit-false-in-the-pod", ("containers", 0)),
        ("runAsNonRoot/fail-explicit-false-in-a-container", ("containers", 1)),
        ("runAsNonRoot/fail-beside-an-exempt-container", ("containers", 1)),
        ("capabilities_restricted/fail-explicit-addition", ("containers", 0)),
        ("allowPrivilegeEscalation/fail-beside-privileged", ("containers", 0)),
        ("allowPrivilegeEscalation/fail-beside-sys-admin", ("containers", 0)),
    ],
)
def test_no_half_measures(name, place):
    before = lookup(data_of(case(name).read_text()), ("spec", "template", "spec", *place, "securityContext")) or {}
    after = value(name, *place, "securityContext") or {}
    pod = value(name, "securityContext") or {}
    pod_before = lookup(data_of(case(name).read_text()), ("spec", "template", "spec", "securityContext")) or {}

    written = {key for key in after if key not in before} | {key for key in pod if key not in pod_before}

    assert written & HALF_MEASURES == set()
    assert (after.get("capabilities") or {}).get("drop") == (before.get("capabilities") or {}).get("drop")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("runAsUser/fail-root-in-the-pod", SAFE_ONLY),
        ("runAsUser/fail-root-in-one-container", {"runAsUser": 0} | SAFE_ONLY | PROFILE),
        ("capabilities_restricted/fail-explicit-addition", {"capabilities": {"add": ["CHOWN"]}} | SAFE_ONLY),
        ("allowPrivilegeEscalation/fail-beside-privileged", {"privileged": True}),
    ],
)
def test_what_is_safe_is_written_beside_root(name, expected):
    where = "initContainers" if "one-container" in name else "containers"
    got = first_context(name, where=where)

    assert {**got, **(PROFILE if "seccompProfile" in expected else {})} == expected


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("numericUser/fail-claim", None),
        ("numericUser/fail-claim-template", None),
        ("numericUser/fail-nfs", None),
        ("numericUser/fail-host-path", None),
        ("numericUser/fail-ephemeral-claim", None),
        ("numericUser/fail-claim-known-image", 1001),
        ("numericUser/fail-claim-read-only", 10001),
        ("numericUser/fail-claim-read-only-in-the-volume", 10001),
        ("numericUser/pass-openshift", None),
        ("numericUser/fail-image-known-as-root", None),
        ("numericUser/fail-own-default", 20000),
        ("numericUser/fail-stale-default", 10001),
        ("numericUser/fail-privileged", None),
        ("numericUser/pass-non-root-image-that-nobody-described", None),
        ("numericUser/fail-non-root-image-beside-a-neighbour", None),
        ("numericUser/fail-any-user-alone", 10001),
        ("numericUser/fail-user-that-must-stay", 1337),
        ("numericUser/fail-likely-mirror", 999),
        ("numericUser/fail-likely-mirror-with-a-claim", None),
        ("numericUser/fail-unknown-image-reported", None),
        ("numericUser/fail-unknown-image-in-a-user-namespace", None),
        ("numericUser/fail-data-subfolder-on-an-empty-dir", 999),
        ("numericUser/fail-data-subfolder-on-a-claim", 999),
        ("environment/fail-data-folder-refused", None),
    ],
)
def test_uid(name, uid):
    path = case(name)
    pod = pod_of(harden(path.read_text(), policy_of(path)).text)

    own = pod.containers[0].security_context.get("runAsUser", pod.security_context.get("runAsUser"))

    assert own == uid


@pytest.mark.parametrize(
    ("name", "pod_level", "container_level"),
    [
        ("numericUser/fail-unknown-image", 10001, [None]),
        ("numericUser/fail-two-images-two-users", None, [1001, 999]),
        ("numericUser/fail-claim-of-another-container", None, [10001, None]),
        ("numericUser/fail-istio-injected", None, [10001]),
        ("numericUser/fail-linkerd-injected", None, [10001]),
        ("numericUser/fail-vault-injected", None, [10001]),
        ("runAsUser/fail-root-in-one-container", None, [0, 10001]),
        ("runAsNonRoot/fail-beside-an-exempt-container", None, [10001, None]),
        ("numericUser/fail-any-user-beside-a-neighbour", 1001, [None, None]),
        ("numericUser/fail-user-that-must-stay", None, [1337, 10001]),
        ("numericUser/fail-non-root-image-beside-a-neighbour", None, [None, 10001]),
    ],
)
def test_uid_in_the_pod_or_in_containers(name, pod_level, container_level):
    path = case(name)
    pod = pod_of(harden(path.read_text(), policy_of(path)).text)

    assert pod.security_context.get("runAsUser") == pod_level
    assert [container.security_context.get("runAsUser") for container in pod.containers] == container_level


@pytest.mark.parametrize(
    ("name", "gids"),
    [
        ("numericGroup/fail-known-image", [1001, None]),
        ("numericGroup/fail-group-zero", [0, None]),
        ("numericGroup/fail-one-of-two-known", [None, 1001, None]),
        ("numericGroup/fail-istio-injected", [None, 1001]),
        ("numericGroup/fail-unknown-required", [None, None]),
        ("numericUser/fail-unknown-image", [None, None]),
    ],
)
def test_gid_only_where_known(name, gids):
    path = case(name)
    pod = pod_of(harden(path.read_text(), policy_of(path)).text)
    contexts = [pod.security_context, *(container.security_context for container in pod.containers)]

    assert [context.get("runAsGroup") for context in contexts] == gids


@pytest.mark.parametrize(
    ("name", "mounts", "volumes"),
    [
        ("fail-unknown-image", [["/tmp krm-harden-web-tmp"]], ["krm-harden-web-tmp"]),
        ("fail-known-to-write-nowhere", [[]], []),
        (
            "fail-known-paths",
            [["/app/cache krm-harden-web-app-cache", "/run/web krm-harden-web-run-web"]],
            ["krm-harden-web-app-cache", "krm-harden-web-run-web"],
        ),
        ("fail-tmp-is-mounted", [["/tmp/ scratch"]], ["scratch"]),
        ("fail-parent-is-mounted", [["/var var"]], ["var"]),
        ("fail-device-at-the-path", [[]], ["disk"]),
        ("fail-volume-of-an-earlier-run", [["/tmp krm-harden-web-tmp"]], ["krm-harden-web-tmp"]),
        (
            "fail-two-containers",
            [["/tmp krm-harden-web-tmp"], ["/tmp krm-harden-helper-tmp"]],
            ["krm-harden-web-tmp", "krm-harden-helper-tmp"],
        ),
        ("fail-volumes-null", [["/tmp krm-harden-web-tmp"]], ["krm-harden-web-tmp"]),
        ("fail-root-user", [[]], []),
        ("fail-files-of-the-image", [[]], []),
        ("fail-optional-files-of-the-image", [["/tmp krm-harden-app-tmp"]], ["krm-harden-app-tmp"]),
        ("fail-data-without-a-volume", [["/var/lib/app krm-harden-app-var-lib-app"]], ["krm-harden-app-var-lib-app"]),
        ("fail-data-on-a-claim", [["/var/lib/app data"]], ["data"]),
        (
            "fail-mounted-above-a-known-path",
            [["/var/cache cache", "/run krm-harden-app-run"]],
            ["cache", "krm-harden-app-run"],
        ),
        (
            "fail-mounted-below-a-known-path",
            [["/etc/app/conf.d settings", "/etc/app krm-harden-app-etc-app"]],
            ["settings", "krm-harden-app-etc-app"],
        ),
        ("fail-replaced-command", [["/tmp krm-harden-web-tmp"]], ["krm-harden-web-tmp"]),
        (
            "fail-files-of-the-image-copied",
            [
                ["/krm-harden-copy krm-harden-app-etc-app"],
                ["/etc/app krm-harden-app-etc-app", "/tmp krm-harden-app-tmp"],
            ],
            ["krm-harden-app-etc-app", "krm-harden-app-tmp"],
        ),
    ],
)
def test_writable_paths(name, mounts, volumes):
    path = case(f"readOnlyRootFilesystem/{name}")
    pod = pod_of(harden(path.read_text(), policy_of(path)).text)

    found = [
        [f"{mount['mountPath']} {mount['name']}" for mount in container.data.get("volumeMounts") or ()]
        for container in pod.containers
    ]

    assert found == mounts
    assert [volume["name"] for volume in pod.spec.get("volumes") or ()] == volumes


@pytest.mark.parametrize(
    "name",
    ["fail-volume-name-taken", "fail-names-that-meet", "fail-long-names", "fail-odd-paths", "fail-two-containers"],
)
def test_volumes_are_of_one_container_and_path_each(name):
    path = case(f"readOnlyRootFilesystem/{name}")
    pod = pod_of(harden(path.read_text(), policy_of(path)).text)
    names = [volume["name"] for volume in pod.spec["volumes"]]
    mounted = [mount["name"] for container in pod.containers for mount in container.data["volumeMounts"]]

    assert len(names) == len(set(names))
    assert len(mounted) == len(set(mounted))
    assert set(mounted) <= {volume["name"] for volume in pod.spec["volumes"] if volume.get("emptyDir") == {}}
    assert [one for one in mounted if len(one) > 63 or not one.replace("-", "").isalnum() or one != one.lower()] == []


def test_volume_names_do_not_depend_on_the_order_of_containers():
    path = case("readOnlyRootFilesystem/fail-names-that-meet")
    text = path.read_text()
    data = data_of(text)
    data["spec"]["template"]["spec"]["containers"].reverse()

    def by_container(result):
        return {one.name: one.data["volumeMounts"][0]["name"] for one in pod_of(result.text).containers}

    there, back = harden(text, policy_of(path)), harden(json.dumps(data), policy_of(path))

    assert by_container(there) == by_container(back)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("allowPrivilegeEscalation/fail-job-immutable", "immutable"),
        ("allowPrivilegeEscalation/fail-bare-pod-immutable", "immutable"),
        ("allowPrivilegeEscalation/fail-job-skipped", "deferred"),
        ("numericUser/fail-stale-default", "stale"),
        ("allowPrivilegeEscalation/fail-exempt", "exempt"),
        ("allowPrivilegeEscalation/fail-explicit-true", "explicit"),
        ("allowPrivilegeEscalation/fail-beside-privileged", "manual"),
        ("allowPrivilegeEscalation/fail-beside-privileged", "refused"),
        ("allowPrivilegeEscalation/fail-sudo-in-the-command-additive", "deferred"),
        ("allowPrivilegeEscalation/fail-missing", "fixed"),
    ],
)
def test_states(name, state):
    path = case(name)
    result = harden(path.read_text(), policy_of(path))

    assert state in {finding.state for finding in result.findings}


REFUSALS = {
    "runAsNonRoot/fail-refused-needs-root": "needs-root",
    "runAsNonRoot/fail-refused-host-agent": "host-agent",
    "runAsNonRoot/fail-refused-switches-users": "switches-users",
    "allowPrivilegeEscalation/fail-refused": "switches-users",
    "runAsNonRoot/fail-refused-file-capability": "file-capability",
    "fileCapabilities/fail-forbidden-by-restricted": "file-capability",
    "runAsNonRoot/fail-refused-writes-to-root": "writes-to-root",
    "runAsNonRoot/fail-refused-changes-owners": "changes-owners",
    "runAsNonRoot/fail-refused-windows": "windows",
    "runAsNonRoot/fail-refused-own-folder": "needs-own-folder",
    "runAsNonRoot/fail-refused-init-copy": "needs-init-copy",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_code_and_takes_nothing_away(name):
    text = case(name).read_text()
    result = harden(text, policy_of(case(name)))

    refused = [finding for finding in result.findings if finding.state == "refused"]

    assert {finding.code for finding in refused} == {REFUSALS[name]}
    assert "runAsNonRoot" in {finding.control for finding in refused}
    assert {finding.control for finding in result.findings if finding.state == "fixed"} <= {
        "allowPrivilegeEscalation",
        "seccompProfile_restricted",
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("numericUser/fail-unknown-image-reported", "unknown-image"),
        ("numericUser/fail-claim", "unknown-image"),
        ("runAsNonRoot/fail-image-that-starts-as-root", "unknown-image"),
        ("numericUser/fail-image-known-as-root", "needs-root"),
        ("readOnlyRootFilesystem/fail-files-of-the-image", "needs-init-copy"),
    ],
)
def test_what_is_left_for_want_of_knowledge_has_its_code(name, code):
    findings = harden(case(name).read_text(), policy_of(case(name))).findings

    assert {finding.code for finding in findings if finding.state == "manual"} == {code}


@pytest.mark.parametrize(
    "name", ["runAsNonRoot/fail-refused-void-beside-a-user", "runAsNonRoot/fail-refused-host-agent-elsewhere"]
)
def test_a_reason_that_does_not_hold_refuses_nothing(name):
    findings = harden(case(name).read_text(), policy_of(case(name))).findings

    assert {finding.state for finding in findings} == {"fixed"}


def test_owned_by_a_controller():
    path = case("runAsNonRoot/fail-owned-by-a-controller")
    text = path.read_text()

    result = harden(text, policy_of(path))

    assert result.text == text
    assert [note.reason for note in result.unexamined] == ["owned by ReplicaSet/web-5d9: change its owner"]
    assert not check(text).allowed


def test_an_injected_sidecar_was_not_seen():
    path = case("numericUser/fail-istio-injected")

    found = harden(path.read_text(), policy_of(path)).findings

    assert [finding.severity for finding in found if "wasn't seen" in finding.message] == ["warning"]


@pytest.mark.parametrize(
    "name",
    [
        "allowPrivilegeEscalation/fail-explicit-true",
        "capabilities_restricted/fail-explicit-addition",
        "runAsNonRoot/fail-explicit-false-in-the-pod",
        "runAsUser/fail-root-in-one-container",
        "seccompProfile_restricted/fail-unconfined-in-the-pod",
    ],
)
def test_the_exemption_to_paste_works(name):
    text = case(name).read_text()
    explicit = [finding for finding in harden(text).findings if finding.severity == "error"]
    entries = [read(finding.exemption).data for finding in explicit]
    data = {**policy_data(case("absent/absent")), "spec": {"exemptions": entries}}

    again = harden(text, Policy.from_dict(data))

    assert [finding.message for finding in again.findings if finding.severity == "error"] == []
    assert all("TODO" in entry["reason"] for entry in entries)


@failing_cases
def test_each_step_of_changes_contains_the_one_before(path):
    def fixed(changes):
        data = copy.deepcopy(policy_data(path))
        data.setdefault("spec", {})["changes"] = changes
        found = harden(path.read_text(), Policy.from_dict(data)).findings
        return {finding.control for finding in found if finding.state == "fixed"}

    additive, evidence, complete = map(fixed, ("additive", "evidence", "complete"))

    assert additive <= evidence <= complete


# The standard's own judge


def verdicts(program: str, text: str, level: str, version: str) -> list[dict]:
    done = subprocess.run(
        [program, "-level", level, "-version", version], input=text, capture_output=True, text=True, check=True
    )
    found = [json.loads(one) for one in done.stdout.splitlines()]
    return [one for one in found if one.get("hasPodSpec") and not one.get("error")]


@all_cases
def test_message_is_the_api_servers(path):
    program = require("psa")
    text, policy = path.read_text(), policy_of(path)
    data = policy_data(path).get("spec") or {}
    version = f"v{server}" if (server := data.get("target", {}).get("kubernetes")) else data.get("version", "latest")
    for given in (text, harden(text, policy).text):
        ours = [one for one in check(given, policy).resources if one.resource.kind in JUDGED_KINDS]
        theirs = verdicts(program, given, data.get("level", "restricted"), version)
        if not theirs:
            continue

        assert theirs[0].get("message", "") == ours[0].message
        assert theirs[0]["allowed"] == ours[0].allowed

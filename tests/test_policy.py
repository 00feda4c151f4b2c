"""Every field of the policy: what it does, what it refuses, and what it may say below a ceiling."""

from __future__ import annotations

import json
import re

import pytest
from conftest import run_cli

from krm_harden import Policy, __version__, ceilings, check, controls, harden, schema
from krm_harden import policy as policies
from krm_harden.errors import ConfigError
from krm_harden.source import read

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels:
    app: web
    tier: front
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""
ROOT = DEPLOYMENT.replace("      containers", "      securityContext:\n        runAsUser: 0\n      containers")
ESCALATING = DEPLOYMENT + "        securityContext:\n          allowPrivilegeEscalation: true\n"
JOB = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: Job")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
LABEL = "pod-security.kubernetes.io/"


def whole(spec: dict | None, **more) -> dict:
    data = {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": "team"}, **more}
    return data if spec is None else {**data, "spec": spec}


def policy(**spec) -> Policy:
    return Policy.from_dict(whole(spec))


def config_map(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": data}


def pod(text: str) -> dict:
    return read(text).data["spec"]["template"]["spec"]


def hardened(text: str = DEPLOYMENT, **spec) -> dict:
    return pod(harden(text, policy(**spec)).text)


def context(text: str = DEPLOYMENT, **spec) -> dict:
    """The first container's security context over the pod's."""
    made = hardened(text, **spec)
    return {**made.get("securityContext", {}), **made["containers"][0].get("securityContext", {})}


def states(text: str = DEPLOYMENT, **spec) -> dict[str, str]:
    return {finding.control: finding.state for finding in harden(text, policy(**spec)).findings}


def labels(text: str = NAMESPACE, **spec) -> dict[str, str]:
    found = read(harden(text, policy(**spec)).text).data["metadata"].get("labels", {})
    return {key.removeprefix(LABEL): value for key, value in found.items() if key.startswith(LABEL)}


# What each field does

EXEMPT = {"match": {"names": ["web"]}, "controls": ["*"], "reason": "known"}


@pytest.mark.parametrize("data", [None, whole(None), whole({}), whole({"controls": {}, "images": []}), config_map()])
def test_defaults_reach_restricted(data):
    result = harden(DEPLOYMENT, Policy.from_dict(data))

    assert result.allowed
    assert result.text == harden(DEPLOYMENT).text
    assert context()["runAsUser"] == 10001
    assert context()["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    ("level", "controls_on"),
    [
        ("privileged", set()),
        ("baseline", set()),
        (
            "restricted",
            {"allowPrivilegeEscalation", "capabilities_restricted", "runAsNonRoot", "seccompProfile_restricted"}
            | {"numericUser", "readOnlyRootFilesystem"},
        ),
    ],
)
def test_level(level, controls_on):
    result = check(DEPLOYMENT, policy(level=level))

    assert {finding.control for finding in result.findings} == controls_on
    assert result.allowed == (not controls_on)


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("latest", set()),
        ("v1.99", set()),
        ("v1.37", set()),
        ("v1.22", set()),
        ("v1.21", {"capabilities_restricted"}),
        ("v1.18", {"capabilities_restricted", "seccompProfile_restricted"}),
        ("v1.7", {"capabilities_restricted", "seccompProfile_restricted", "allowPrivilegeEscalation"}),
    ],
)
def test_version_of_the_standard(version, missing):
    latest = {finding.control for finding in check(DEPLOYMENT).findings}

    found = {finding.control for finding in check(DEPLOYMENT, policy(version=version)).findings}

    assert latest - found == missing


@pytest.mark.parametrize(
    ("version", "server", "allowed"),
    [
        ("latest", "1.37", True),
        ("latest", "1.34", False),
        ("latest", "v1.34", False),
        ("v1.35", "1.34", False),
        ("v1.35", "1.36", True),
        ("v1.34", "1.37", False),
        ("latest", "1.99", True),
    ],
)
def test_the_server_caps_the_standard(version, server, allowed):
    """Root within a user namespace is allowed from v1.35."""
    text = (
        harden(DEPLOYMENT)
        .text.replace("runAsUser: 10001", "runAsUser: 0")
        .replace("    spec:\n", "    spec:\n      hostUsers: false\n")
    )

    result = check(text, policy(version=version, target={"kubernetes": server}))

    assert result.allowed is allowed
    assert result.resources[0].version == version


def test_openshift_gives_ids_itself():
    made = context(target={"platform": "openshift"}, images=[{"match": "registry.example/*", "uid": 5, "gid": 6}])

    assert "runAsUser" not in made
    assert "runAsGroup" not in made
    assert made["runAsNonRoot"] is True
    assert check(harden(DEPLOYMENT, policy(target={"platform": "openshift"})).text).allowed


@pytest.mark.parametrize("runtime", ["any", "containerd", "cri-o"])
def test_runtime_is_accepted(runtime):
    assert context(target={"runtime": runtime}) == context()


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ("additive", {"allowPrivilegeEscalation", "seccompProfile"}),
        ("evidence", {"allowPrivilegeEscalation", "seccompProfile"}),
        (
            "complete",
            {"allowPrivilegeEscalation", "seccompProfile", "capabilities", "readOnlyRootFilesystem"}
            | {"runAsNonRoot", "runAsUser"},
        ),
    ],
)
def test_changes(changes, keys):
    assert set(context(changes=changes)) == keys
    if changes != "complete":
        assert states(changes=changes)["runAsNonRoot"] == "deferred"


def test_changes_evidence_takes_what_the_policy_knows():
    images = [{"match": "registry.example/*", "uid": 5, "gid": 6, "writablePaths": ["/data"]}]

    assert context(changes="evidence", images=images) == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 6,
        "runAsNonRoot": True,
        "runAsUser": 5,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "runAsUser" not in context(changes="additive", images=images)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, True),
        ({"explicit": "respect"}, True),
        ({"explicit": "override"}, False),
        ({"controls": {"allowPrivilegeEscalation": {"explicit": "override"}}}, False),
        ({"explicit": "override", "controls": {"allowPrivilegeEscalation": {"explicit": "respect"}}}, True),
        ({"controls": {"runAsUser": {"explicit": "override"}}}, True),
    ],
)
def test_explicit(spec, expected):
    assert context(ESCALATING, **spec)["allowPrivilegeEscalation"] is expected


def test_an_override_lists_what_it_removes():
    findings = harden(ESCALATING, policy(explicit="override")).findings

    removal = next(finding for finding in findings if finding.control == "allowPrivilegeEscalation")

    assert (removal.state, removal.current, removal.proposed) == ("fixed", True, False)
    assert "true" in removal.message


@pytest.mark.parametrize(("said", "severity"), [("Fail", "error"), ("Warn", "warning")])
def test_on_violation(said, severity):
    findings = harden(ESCALATING, policy(onViolation=said)).findings

    assert {severity} == {finding.severity for finding in findings if finding.state == "explicit"}


@pytest.mark.parametrize(("said", "changed"), [("fix", True), ("skip", False)])
@pytest.mark.parametrize("text", [JOB, DEPLOYMENT], ids=["Job", "Deployment"])
def test_immutable(text, said, changed):
    result = harden(text, policy(immutable=said))

    assert (result.text != text) is (changed or text == DEPLOYMENT)
    assert ("immutable" in {finding.state for finding in result.findings}) is (changed and text == JOB)


@pytest.mark.parametrize("hook", ["helm.sh/hook", "argocd.argoproj.io/hook"])
def test_a_hook_is_made_anew_each_time_so_it_is_not_immutable(hook):
    text = JOB.replace("metadata:\n", f"metadata:\n  annotations: {{{hook}: PreSync}}\n", 1)
    result = harden(text, policy(immutable="skip"))

    assert result.allowed
    assert "immutable" not in {finding.state for finding in result.findings}
    assert harden(text, policy(immutable="skip", compatibility="0.1")).text == text


CONTROL_IDS = sorted(controls.load())
ALWAYS = {"numericGroup": {"images": [{"match": "registry.example/*", "gid": 6}]}}
FIELDS = {
    "allowPrivilegeEscalation": "allowPrivilegeEscalation",
    "capabilities_restricted": "capabilities",
    "numericGroup": "runAsGroup",
    "numericUser": "runAsUser",
    "readOnlyRootFilesystem": "readOnlyRootFilesystem",
    "runAsNonRoot": "runAsNonRoot",
    "runAsUser": "runAsUser",
    "seccompProfile_restricted": "seccompProfile",
}


@pytest.mark.parametrize("control", [*FIELDS, *controls.ALIASES])
def test_controls_enabled(control):
    identity = controls.named(control)[-1]
    text = ROOT if identity == "runAsUser" else DEPLOYMENT
    spec = {"explicit": "override", **ALWAYS.get(identity, {})}
    value = context(text, **spec).get(FIELDS[identity])

    off = context(text, **spec, controls={control: {"enabled": False}})
    alone = context(
        text,
        **spec,
        controls={name: {"enabled": False} for name in CONTROL_IDS if name != identity} | {control: {"enabled": True}},
    )

    assert off.get(FIELDS[identity]) != value
    assert alone[FIELDS[identity]] == value


def test_a_control_can_be_on_below_its_level():
    made = hardened(level="baseline", controls={"seccompProfile": {"enabled": True}})

    assert made["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "securityContext" not in made["containers"][0]


def test_namespace_labels_can_be_off():
    assert labels(controls={"namespaceLabels": {"enabled": False}}) == {}


@pytest.mark.parametrize(("required", "severity"), [(False, "warning"), (True, "error")])
def test_controls_required(required, severity):
    text = DEPLOYMENT + "        securityContext:\n          readOnlyRootFilesystem: false\n"

    findings = harden(text, policy(controls={"readOnlyRootFilesystem": {"required": required}})).findings

    assert [severity] == [finding.severity for finding in findings if finding.control == "readOnlyRootFilesystem"]


def test_settings_of_controls():
    made = hardened(
        controls={"numericUser": {"uid": 20000}, "readOnlyRootFilesystem": {"writablePaths": ["/tmp", "/run"]}}
    )

    assert made["securityContext"]["runAsUser"] == 20000
    assert [mount["mountPath"] for mount in made["containers"][0]["volumeMounts"]] == ["/tmp", "/run"]


# images


@pytest.mark.parametrize(
    ("match", "image", "known"),
    [
        ("nginx:1", "nginx:1", True),
        ("nginx:*", "nginx:1.25", True),
        ("nginx:*", "docker.io/library/nginx:1.25", True),
        ("docker.io/library/nginx:*", "nginx:1.25", True),
        ("docker.io/library/nginx:*", "docker.io/nginx:1.25", True),
        ("index.docker.io/library/nginx:*", "nginx:1.25", True),
        ("bitnami/redis:*", "docker.io/bitnami/redis:7", True),
        ("docker.io/bitnami/redis:*", "bitnami/redis:7", True),
        ("docker.io/bitnami/*", "bitnami/redis:7", True),
        ("registry.example/web:*", "registry.example/web:1", True),
        ("registry.example/*", "registry.example/team/web:1", True),
        ("registry.example:5000/web:*", "registry.example:5000/web:1", True),
        ("localhost/web:*", "localhost/web:1", True),
        ("registry.example/web@sha256:*", "registry.example/web@sha256:abc", True),
        ("registry.example/web:1", "registry.example/web:10", False),
        ("registry.example/web:*", "registry.example/web2:1", False),
        ("nginx:*", "registry.example/nginx:1", False),
        ("nginx:*", "other/nginx:1", False),
        ("library/nginx:*", "nginx:1", True),
        ("nginx", "nginx:1", False),
        ("nginx", "nginx", True),
        ("NGINX:*", "nginx:1", False),
    ],
)
def test_images_match(match, image, known):
    text = DEPLOYMENT.replace("registry.example/web:1", image)

    assert (context(text, images=[{"match": match, "uid": 77}])["runAsUser"] == 77) is known


@pytest.mark.parametrize("order", [1, -1])
def test_images_most_specific_wins(order):
    entries = [
        {"match": "*", "uid": 1},
        {"match": "registry.example/*", "uid": 2},
        {"match": "registry.example/web:*", "uid": 3},
        {"match": "registry.example/db:*", "uid": 4},
    ][::order]

    assert context(images=entries)["runAsUser"] == 3


def test_images_evidence_names_the_entry():
    findings = harden(DEPLOYMENT, policy(images=[{"match": "registry.example/*", "uid": 5}])).findings

    said = next(finding.evidence for finding in findings if finding.control == "numericUser")

    assert "registry.example/*" in said
    assert "team" in said


def test_an_image_known_to_run_as_root_gets_no_user():
    made = states(images=[{"match": "registry.example/*", "uid": 0}])

    assert made["runAsNonRoot"] == "manual"
    assert made["numericUser"] == "manual"


# rules


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"kinds": ["Deployment"]}, True),
        ({"kinds": ["Deploy*"]}, True),
        ({"kinds": ["Job", "Deployment"]}, True),
        ({"kinds": ["deployment"]}, False),
        ({"kinds": ["Job"]}, False),
        ({"kinds": []}, False),
        ({"namespaces": ["shop"]}, True),
        ({"namespaces": ["sh?p"]}, True),
        ({"namespaces": ["batch-*"]}, False),
        ({"names": ["web"]}, True),
        ({"names": ["w*"]}, True),
        ({"names": ["db"]}, False),
        ({"labels": {"tier": "front"}}, True),
        ({"labels": {"tier": "f*"}}, True),
        ({"labels": {"tier": "back"}}, False),
        ({"labels": {"nobody": "*"}}, False),
        ({"kinds": ["Deployment"], "names": ["db"]}, False),
        ({"kinds": ["Deployment"], "names": ["web"], "labels": {"app": "web"}}, True),
    ],
)
def test_rules_match(match, matches):
    made = context(rules=[{"match": match, "changes": "additive"}])

    assert ("runAsUser" not in made) is matches


@pytest.mark.parametrize("order", [1, -1])
def test_the_most_specific_rule_wins(order):
    def uid(number):
        return {"controls": {"numericUser": {"uid": number}}}

    rules = [
        {"match": {"kinds": ["*"]}, **uid(1)},
        {"match": {"namespaces": ["shop"]}, **uid(2)},
        {"match": {"namespaces": ["shop"], "kinds": ["Deployment"]}, **uid(3)},
        {"match": {"namespaces": ["sh*"], "kinds": ["Deploy*"]}, **uid(4)},
    ][::order]

    assert context(rules=rules)["runAsUser"] == 3


def test_rules_that_both_match_add_up():
    rules = [
        {"match": {"kinds": ["Deployment"]}, "controls": {"readOnlyRootFilesystem": {"enabled": False}}},
        {"match": {"kinds": ["Deployment"], "names": ["web"]}, "controls": {"numericUser": {"uid": 9}}},
    ]

    made = context(rules=rules)

    assert "readOnlyRootFilesystem" not in made
    assert made["runAsUser"] == 9


@pytest.mark.parametrize(
    ("field", "value", "state"),
    [
        ("level", "baseline", None),
        ("version", "v1.7", None),
        ("changes", "additive", "fixed"),
        ("explicit", "override", "fixed"),
        ("onViolation", "Warn", "explicit"),
        ("immutable", "skip", "explicit"),
        ("controls", {"allowPrivilegeEscalation": {"enabled": False}}, None),
    ],
)
def test_each_field_of_a_rule(field, value, state):
    text = ESCALATING if field != "changes" else DEPLOYMENT
    rule = {"match": {"kinds": ["Deployment"]}, field: value}

    assert states(text, rules=[rule]).get("allowPrivilegeEscalation") == state
    assert states(text, **{field: value}).get("allowPrivilegeEscalation") == state


def test_an_alias_in_a_rule_is_the_control_of_the_policy():
    made = context(
        controls={"capabilities_restricted": {"enabled": False}},
        rules=[{"match": {}, "controls": {"capabilities": {"enabled": True}}}],
    )

    assert made["capabilities"] == {"drop": ["ALL"]}


# namespaces


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"audit": "restricted", "audit-version": "latest", "warn": "restricted", "warn-version": "latest"}),
        (
            {"version": "v1.34"},
            {"audit": "restricted", "audit-version": "v1.34", "warn": "restricted", "warn-version": "v1.34"},
        ),
        (
            {"namespaces": {"version": "v1.37"}},
            {"audit": "restricted", "audit-version": "v1.37", "warn": "restricted", "warn-version": "v1.37"},
        ),
        ({"namespaces": {"audit": "none", "warn": "baseline"}}, {"warn": "baseline", "warn-version": "latest"}),
        (
            {"namespaces": {"enforce": "baseline", "audit": "none", "warn": "none"}},
            {"enforce": "baseline", "enforce-version": "latest"},
        ),
        ({"level": "privileged"}, {}),
        ({"namespaces": {"enforce": "none", "audit": "none", "warn": "none"}}, {}),
    ],
)
def test_namespaces(spec, expected):
    assert labels(**spec) == expected


# kinds

DECLARED = [{"group": "example.com", "kind": "App", "podSpecs": ["/spec/pods/*/template/spec", "/spec/main"]}]
APP = """\
apiVersion: example.com/v1
kind: App
metadata:
  name: web
spec:
  main:
    containers:
    - name: main
      image: registry.example/main:1
  pods:
  - template:
      spec:
        containers:
        - name: web
          image: registry.example/web:1
"""


def test_kinds():
    unknown, known = harden(APP), harden(APP, policy(kinds=DECLARED))

    assert unknown.text == APP
    assert [note.reason[:18] for note in unknown.unexamined] == ["example.com/v1 App"]
    assert known.allowed
    assert known.text.count("runAsNonRoot: true") == 2
    assert known.unexamined == ()


@pytest.mark.parametrize("group", ["example.org", ""])
def test_kinds_are_of_one_group(group):
    assert harden(APP, policy(kinds=[{**DECLARED[0], "group": group}])).text == APP


# exemptions


@pytest.mark.parametrize(
    ("match", "exempt"),
    [
        ({}, True),
        ({"names": ["web"]}, True),
        ({"names": ["db"]}, False),
        ({"kinds": ["Deployment"], "namespaces": ["shop"]}, True),
        ({"labels": {"app": "web"}}, True),
        ({"containers": ["web"]}, True),
        ({"containers": ["w*"]}, True),
        ({"containers": ["other"]}, False),
        ({"images": ["registry.example/*"]}, True),
        ({"images": ["other/*"]}, False),
    ],
)
@pytest.mark.parametrize("names", [["allowPrivilegeEscalation"], ["*"]], ids=["one", "all"])
def test_exemptions_match(match, exempt, names):
    found = states(ESCALATING, exemptions=[{"match": match, "controls": names, "reason": "known"}])

    assert (found["allowPrivilegeEscalation"] == "exempt") is exempt


def test_an_exemption_of_another_control():
    found = states(ESCALATING, exemptions=[{"match": {}, "controls": ["runAsNonRoot"], "reason": "known"}])

    assert found["allowPrivilegeEscalation"] == "explicit"


def test_an_exemption_leaves_what_it_covers_alone():
    result = harden(DEPLOYMENT, policy(exemptions=[EXEMPT]))

    assert result.text == DEPLOYMENT
    assert not result.allowed
    assert {"exempt"} == {finding.state for finding in result.findings}
    assert all("known" in finding.message for finding in result.findings)


@pytest.mark.parametrize(
    ("expires", "now", "severity"),
    [
        ("2027-06-30", "1814313600", "info"),
        ("2027-06-30", "1814400000", "warning"),
        ("2027-06-30", "0", "info"),
        ("2020-01-01", None, "warning"),
        ("2199-12-31", None, "info"),
    ],
    ids=["on the day", "a day after", "long before", "by the clock, past", "by the clock, ahead"],
)
def test_a_date_never_changes_what_is_written(expires, now, severity, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if now is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)

    result = harden(DEPLOYMENT, policy(exemptions=[{**EXEMPT, "expires": expires}]))

    assert result.text == DEPLOYMENT
    assert {severity} == {finding.severity for finding in result.findings}


@pytest.mark.parametrize("epoch", ["9" * 20, "253402300800", "²", "-5", "1e3", "x", ""])
def test_what_is_no_time_is_no_date_that_exemptions_go_by(epoch, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

    assert re.fullmatch(r"20\d\d-\d\d-\d\d", policies.today())


@pytest.mark.parametrize("control", [*CONTROL_IDS, *controls.ALIASES])
def test_exemptions_may_name_every_control(control):
    assert policy(exemptions=[{"match": {}, "controls": [control], "reason": "known"}])


ADDS = (
    DEPLOYMENT
    + "        securityContext:\n          capabilities:\n            add: [SYS_ADMIN]\n            drop: [ALL]\n"
)


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize(
    "spec",
    [
        {"exemptions": [{"match": {}, "controls": ["capabilities"], "reason": "known"}]},
        {"controls": {"capabilities": {"enabled": False}}},
        {"controls": {"capabilities": {"explicit": "override"}}},
    ],
    ids=["exempt", "off", "overridden"],
)
def test_a_short_name_means_the_control_of_each_level(spec, level):
    open_ = [one for one in harden(ADDS, policy(level=level)).findings if one.control.startswith("capabilities_")]
    found = [one for one in harden(ADDS, policy(level=level, **spec)).findings if one.severity == "error"]

    assert [one.control for one in open_] == [f"capabilities_{level}"]
    assert [one for one in found if one.control.startswith("capabilities_")] == []


@pytest.mark.parametrize(
    ("spec", "state"),
    [
        ({}, "manual"),
        ({"explicit": "override"}, "fixed"),
        ({"controls": {"capabilities": {"explicit": "override"}}}, "fixed"),
        ({"explicit": "override", "version": "v1.21"}, "fixed"),
        ({"explicit": "override", "changes": "evidence"}, "manual"),
        ({"explicit": "override", "controls": {"capabilities": {"enabled": False}}}, "manual"),
        (
            {"explicit": "override", "exemptions": [{"match": {}, "controls": ["capabilities"], "reason": "known"}]},
            "manual",
        ),
    ],
)
def test_escalation_is_forbidden_where_sys_admin_goes(spec, state):
    """The API refuses it beside SYS_ADMIN; where that is taken away, one run does both."""
    result = harden(ADDS, policy(**spec))

    assert result.errors == ()
    assert [one.state for one in result.findings if one.control == "allowPrivilegeEscalation"] == [state]


def test_a_control_that_is_off_leaves_its_place_to_the_weaker_one():
    found = harden(ADDS, policy(controls={"capabilities_restricted": {"enabled": False}})).findings

    assert [one.control for one in found if one.control.startswith("capabilities_")] == ["capabilities_baseline"]


@pytest.mark.parametrize("name", ["capabilities", "capabilities_baseline", "capabilities_restricted"])
def test_no_short_name_gets_round_a_ceiling(name):
    ceiling = policies.Policy({"controls": {"capabilities": {"explicit": "override"}}}, "ceiling")
    below = policies.Policy({"controls": {name: {"explicit": "respect"}}}, "below")

    with pytest.raises(ConfigError, match=rf"spec\.controls\.{name}\.explicit respect would loosen"):
        ceilings.restricted_by(ceiling, below)


# A flat ConfigMap means the same

SAME = [
    ({"level": "baseline"}, {"level": "baseline"}),
    ({"version": "v1.34"}, {"version": "v1.34"}),
    ({"changes": "additive"}, {"changes": "additive"}),
    ({"explicit": "override"}, {"explicit": "override"}),
    ({"onViolation": "Warn"}, {"onViolation": "Warn"}),
    ({"immutable": "skip"}, {"immutable": "skip"}),
    ({"target.kubernetes": "1.34"}, {"target": {"kubernetes": "1.34"}}),
    ({"target.platform": "openshift"}, {"target": {"platform": "openshift"}}),
    ({"namespaces.enforce": "baseline"}, {"namespaces": {"enforce": "baseline"}}),
    ({"namespaces.version": "v1.37"}, {"namespaces": {"version": "v1.37"}}),
    ({"numericUser.uid": "20000"}, {"controls": {"numericUser": {"uid": 20000}}}),
    ({"controls.numericUser.uid": "20000"}, {"controls": {"numericUser": {"uid": 20000}}}),
    ({"seccompProfile.enabled": "false"}, {"controls": {"seccompProfile": {"enabled": False}}}),
    ({"runAsUser.explicit": "override"}, {"controls": {"runAsUser": {"explicit": "override"}}}),
    (
        {"readOnlyRootFilesystem.writablePaths": "/tmp, /run"},
        {"controls": {"readOnlyRootFilesystem": {"writablePaths": ["/tmp", "/run"]}}},
    ),
    (
        {"level": "restricted", "changes": "evidence", "numericUser.enabled": "true", "numericUser.uid": "5"},
        {"level": "restricted", "changes": "evidence", "controls": {"numericUser": {"enabled": True, "uid": 5}}},
    ),
]


@pytest.mark.parametrize(("data", "spec"), SAME, ids=[", ".join(data) for data, _ in SAME])
def test_config_map_equals_policy(data, spec):
    flat = policies.from_data(config_map(**data), "functionConfig")
    nested = policies.from_data(whole(spec), "functionConfig")
    text = f"{ESCALATING}---\n{JOB}---\n{NAMESPACE}"

    assert flat.spec == nested.spec
    assert harden(text, Policy.from_dict(config_map(**data))).text == harden(text, Policy.from_dict(whole(spec))).text


@pytest.mark.parametrize("value", ["true", "True", "false"])
def test_config_map_booleans(value):
    made = policies.from_data(config_map(**{"numericUser.enabled": value}), "c")

    assert made.spec["controls"]["numericUser"]["enabled"] is (value != "false")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"levle": "baseline"}, ["data.levle", "level"]),
        ({"level": "strict"}, ["level", "'strict'", "baseline"]),
        ({"numericUser.uid": "many"}, ["numericUser.uid", "many", "number"]),
        ({"numericUser.uid": "0"}, ["numericUser.uid", "0"]),
        ({"numericUser.enabled": "yes!"}, ["numericUser.enabled", "true or false"]),
        ({"exemptions": "[]"}, ["data.exemptions"]),
        ({"rules": "[]"}, ["data.rules"]),
        ({"numericUser": "5"}, ["data.numericUser"]),
        ({"": "x"}, ["data."]),
        ({"level.x": "y"}, ["data.level.x"]),
    ],
)
def test_config_map_errors(data, said):
    with pytest.raises(ConfigError) as caught:
        policies.from_data(config_map(**data), "functionConfig")

    assert [word for word in said if word not in str(caught.value)] == []


# Strictness: the path, the value, what is allowed, what was perhaps meant

WRONG = [
    ({"levle": "restricted"}, ["spec.levle", "did you mean 'level'?", "allowed", "onViolation"]),
    ({"level": "strict"}, ["spec.level", "'strict'", "privileged, baseline, restricted"]),
    ({"level": "Restricted"}, ["spec.level", "'Restricted'", "did you mean 'restricted'?"]),
    ({"level": 1}, ["spec.level", "a string", "1"]),
    ({"level": None}, ["spec.level", "a string", "nothing"]),
    ({"version": "1.34"}, ["spec.version", "'1.34'", "latest or v1.x"]),
    ({"version": "v1.034"}, ["spec.version", "'v1.034'"]),
    ({"version": "v2.0"}, ["spec.version", "'v2.0'"]),
    ({"changes": "all"}, ["spec.changes", "'all'", "additive, evidence, complete"]),
    ({"explicit": "overide"}, ["spec.explicit", "did you mean 'override'?"]),
    ({"onViolation": "fail"}, ["spec.onViolation", "'fail'", "Fail, Warn"]),
    ({"immutable": True}, ["spec.immutable", "a string", "true"]),
    ({"target": {"kubernets": "1.34"}}, ["spec.target.kubernets", "did you mean 'kubernetes'?"]),
    ({"target": {"kubernetes": 1.34}}, ["spec.target.kubernetes", "a string", "1.34"]),
    ({"target": {"kubernetes": "new"}}, ["spec.target.kubernetes", "'new'"]),
    ({"target": {"platform": "eks"}}, ["spec.target.platform", "'eks'", "kubernetes, openshift"]),
    ({"target": {"runtime": "docker"}}, ["spec.target.runtime", "'docker'"]),
    ({"target": "1.34"}, ["spec.target", "a mapping", "'1.34'"]),
    ({"controls": {"runAsRoot": {}}}, ["spec.controls.runAsRoot", "did you mean 'runAs"]),
    ({"controls": {"numericUser": {"uid": 0}}}, ["spec.controls.numericUser.uid", "from 1", "0"]),
    ({"controls": {"numericUser": {"uid": 2**31}}}, ["spec.controls.numericUser.uid", str(2**31 - 1)]),
    ({"controls": {"numericUser": {"uid": "5"}}}, ["spec.controls.numericUser.uid", "a whole number", "'5'"]),
    ({"controls": {"numericUser": {"uid": True}}}, ["spec.controls.numericUser.uid", "a whole number", "true"]),
    ({"controls": {"numericUser": {"gid": 5}}}, ["spec.controls.numericUser.gid", "did you mean 'uid'?"]),
    ({"controls": {"numericUser": {"enabled": "true"}}}, ["spec.controls.numericUser.enabled", "true or false"]),
    ({"controls": {"runAsUser": {"explicit": "no"}}}, ["spec.controls.runAsUser.explicit", "respect, override"]),
    ({"controls": []}, ["spec.controls", "a mapping", "a list"]),
    (
        {"controls": {"readOnlyRootFilesystem": {"writablePaths": "/tmp"}}},
        ["spec.controls.readOnlyRootFilesystem.writablePaths", "a list"],
    ),
    ({"images": [{"uid": 5}]}, ["spec.images[0].match", "missing"]),
    ({"images": [{"match": "a", "uid": -1}]}, ["spec.images[0].uid", "-1"]),
    ({"images": [{"match": "a"}, {"match": "b", "user": 5}]}, ["spec.images[1].user", "allowed", "uid"]),
    ({"images": {"match": "a"}}, ["spec.images", "a list", "a mapping"]),
    ({"images": [{"match": "a", "writablePaths": ["/"]}]}, ["spec.images[0].writablePaths[0]", "'/'"]),
    ({"images": [{"match": "a", "writablePaths": ["tmp"]}]}, ["spec.images[0].writablePaths[0]", "'tmp'"]),
    ({"images": [{"match": "a", "writablePaths": [5]}]}, ["spec.images[0].writablePaths[0]", "a string"]),
    ({"rules": [{"level": "baseline"}]}, ["spec.rules[0].match", "missing"]),
    ({"rules": [{"match": {"kind": ["Job"]}}]}, ["spec.rules[0].match.kind", "did you mean 'kinds'?"]),
    ({"rules": [{"match": {}, "images": []}]}, ["spec.rules[0].images"]),
    ({"rules": [{"match": {"labels": {"a": 1}}}]}, ["spec.rules[0].match.labels.a", "a string"]),
    ({"rules": [{"match": {"containers": ["a"]}}]}, ["spec.rules[0].match.containers"]),
    ({"namespaces": {"enforce": "strict"}}, ["spec.namespaces.enforce", "'strict'", "auto"]),
    ({"namespaces": {"audit": "auto"}}, ["spec.namespaces.audit", "'auto'"]),
    ({"namespaces": {"version": "new"}}, ["spec.namespaces.version", "'new'"]),
    ({"kinds": [{"group": "a", "kind": "B"}]}, ["spec.kinds[0].podSpecs", "missing"]),
    ({"exemptions": [{"controls": ["*"], "reason": "x"}]}, ["spec.exemptions[0].match", "missing"]),
    ({"exemptions": [{"match": {}, "reason": "x"}]}, ["spec.exemptions[0].controls", "missing"]),
    ({"exemptions": [{"match": {}, "controls": ["*"]}]}, ["spec.exemptions[0].reason", "missing"]),
    ({"exemptions": [{**EXEMPT, "reason": ""}]}, ["spec.exemptions[0].reason", "empty"]),
    (
        {"exemptions": [{**EXEMPT, "expires": "30.06.2027"}]},
        ["spec.exemptions[0].expires", "2027-06-30", "'30.06.2027'"],
    ),
    ({"exemptions": [{**EXEMPT, "expires": "2027-02-30"}]}, ["spec.exemptions[0].expires", "'2027-02-30'"]),
    (
        {"exemptions": [{**EXEMPT, "controls": ["runAsNonRot"]}]},
        ["spec.exemptions[0].controls", "did you mean 'runAsNonRoot'?"],
    ),
    (
        {"exemptions": [{**EXEMPT, "match": {"name": ["web"]}}]},
        ["spec.exemptions[0].match.name", "did you mean 'names'?"],
    ),
    ([], ["spec", "a mapping", "a list"]),
    ("restricted", ["spec", "a mapping", "'restricted'"]),
]


@pytest.mark.parametrize(("spec", "said"), WRONG, ids=[json.dumps(spec) for spec, _ in WRONG])
def test_wrong_fields(spec, said):
    with pytest.raises(ConfigError) as caught:
        Policy.from_dict(whole(None) | {"spec": spec})

    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert [word for word in said if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (whole({}) | {"kind": "HardenPolicy"}, "HardeningPolicy"),
        (whole({}) | {"apiVersion": "krm-harden.dev/v2"}, "krm-harden.dev/v1alpha1, krm-harden.dev/v1, not"),
        (whole({}, sepc={}), "did you mean 'spec'?"),
        (whole({}, status={}), "status"),
        ({}, "kind"),
    ],
)
def test_wrong_envelope(data, said):
    with pytest.raises(ConfigError) as caught:
        Policy.from_dict(data)

    assert said in str(caught.value)


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        policy(levle="restricted", changes="all", images=[{"uid": "x"}])

    assert [
        path for path in ("spec.levle", "spec.changes", "spec.images[0].uid") if path not in str(caught.value)
    ] == []


def test_the_schema_accepts_and_refuses_the_same():
    from jsonschema import Draft7Validator

    validator = Draft7Validator(schema.policy_schema(), format_checker=None)
    Draft7Validator.check_schema(schema.policy_schema())

    assert [spec for _, spec in SAME if not validator.is_valid(whole(spec))] == []
    by_format = {"version", "kubernetes", "expires", "runAsNonRot", "writablePaths"}
    lenient = [spec for spec, _ in WRONG if validator.is_valid(whole(None) | {"spec": spec})]
    assert [spec for spec in lenient if not any(word in json.dumps(spec) for word in by_format)] == []


# Below a ceiling

CEILING = {
    "level": "baseline",
    "version": "v1.34",
    "changes": "evidence",
    "explicit": "respect",
    "onViolation": "Warn",
    "immutable": "skip",
    "controls": {
        "numericUser": {"required": False, "uid": 20000},
        "readOnlyRootFilesystem": {"enabled": True, "required": True, "explicit": "override", "writablePaths": []},
    },
    "namespaces": {"enforce": "baseline", "audit": "restricted", "warn": "baseline", "version": "v1.34"},
    "images": [{"match": "registry.example/web:*", "uid": 1001, "gid": 1001, "writablePaths": []}],
    "exemptions": [{"match": {"names": ["agent"]}, "controls": ["runAsNonRoot"], "reason": "known"}],
}
STRICT = {
    "level": "restricted",
    "explicit": "override",
    "controls": {"readOnlyRootFilesystem": CEILING["controls"]["readOnlyRootFilesystem"]},
}


def below(upper: dict, lower: dict) -> policies.Policy:
    return ceilings.restricted_by(
        policies.from_data(whole(upper), "ceiling"), policies.from_data(whole(lower), "functionConfig")
    )


ATTACKS = [
    (STRICT, {"level": "baseline"}, "spec.level"),
    ({}, {"level": "privileged"}, "spec.level"),
    (CEILING, {"level": "privileged"}, "spec.level"),
    ({}, {"version": "v1.0"}, "spec.version"),
    (CEILING, {"version": "v1.33"}, "spec.version"),
    ({}, {"changes": "additive"}, "spec.changes"),
    (CEILING, {"changes": "additive"}, "spec.changes"),
    (STRICT, {"explicit": "respect"}, "spec.explicit"),
    ({}, {"onViolation": "Warn"}, "spec.onViolation"),
    ({}, {"immutable": "skip"}, "spec.immutable"),
    ({}, {"target": {"kubernetes": "1.0"}}, "spec.target"),
    ({}, {"target": {"platform": "openshift"}}, "spec.target"),
    ({}, {"exemptions": [EXEMPT]}, "spec.exemptions"),
    ({}, {"rules": [{"match": {}, "level": "privileged"}]}, "spec.rules"),
    ({}, {"rules": [{"match": {}, "controls": {"runAsNonRoot": {"enabled": False}}}]}, "spec.rules"),
    ({}, {"controls": {"runAsNonRoot": {"enabled": False}}}, "spec.controls.runAsNonRoot.enabled"),
    ({}, {"controls": {"capabilities": {"enabled": False}}}, "spec.controls.capabilities.enabled"),
    ({}, {"controls": {"numericUser": {"enabled": False}}}, "spec.controls.numericUser.enabled"),
    ({}, {"controls": {"namespaceLabels": {"enabled": False}}}, "spec.controls.namespaceLabels.enabled"),
    (
        STRICT,
        {"controls": {"readOnlyRootFilesystem": {"required": False}}},
        "spec.controls.readOnlyRootFilesystem.required",
    ),
    (
        STRICT,
        {"controls": {"readOnlyRootFilesystem": {"explicit": "respect"}}},
        "spec.controls.readOnlyRootFilesystem.explicit",
    ),
    (
        {"explicit": "override"},
        {"controls": {"runAsUser": {"explicit": "respect"}}},
        "spec.controls.runAsUser.explicit",
    ),
    ({}, {"namespaces": {"audit": "none"}}, "spec.namespaces.audit"),
    ({}, {"namespaces": {"warn": "baseline"}}, "spec.namespaces.warn"),
    (CEILING, {"namespaces": {"enforce": "none"}}, "spec.namespaces.enforce"),
    (CEILING, {"namespaces": {"enforce": "privileged"}}, "spec.namespaces.enforce"),
    (CEILING, {"namespaces": {"audit": "none"}}, "spec.namespaces.audit"),
    (CEILING, {"namespaces": {"warn": "privileged"}}, "spec.namespaces.warn"),
    (CEILING, {"namespaces": {"version": "v1.0"}}, "spec.namespaces.version"),
    ({"version": "v1.36"}, {"namespaces": {"version": "v1.0"}}, "spec.namespaces.version"),
    ({"namespaces": {"enforce": "auto"}}, {"namespaces": {"enforce": "none"}}, "spec.namespaces.enforce"),
    ({}, {"images": [{"match": "*", "uid": 0}]}, "spec.images[0].uid"),
    ({}, {"images": [{"match": "a", "uid": 5}, {"match": "b", "uid": 0, "gid": 5}]}, "spec.images[1].uid"),
]


@pytest.mark.parametrize(
    ("upper", "lower", "field"), ATTACKS, ids=[f"{field} {json.dumps(low)}" for _, low, field in ATTACKS]
)
def test_nothing_is_loosened_below_a_ceiling(upper, lower, field):
    with pytest.raises(ConfigError) as caught:
        below(upper, lower)

    assert caught.value.exit_code == 3
    assert field in str(caught.value)
    assert "team" in str(caught.value)


@pytest.mark.parametrize("lower", [low for _, low, _ in ATTACKS], ids=[json.dumps(low) for _, low, _ in ATTACKS])
def test_without_a_ceiling_the_config_is_the_authority(lower):
    assert policies.from_data(whole(lower), "functionConfig").spec == lower


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        (CEILING, {}),
        (CEILING, {"level": "restricted"}),
        (CEILING, {"level": "baseline"}),
        (CEILING, {"version": "v1.34"}),
        (CEILING, {"changes": "complete"}),
        (CEILING, {"explicit": "override"}),
        (CEILING, {"onViolation": "Fail"}),
        (CEILING, {"immutable": "fix"}),
        (CEILING, {"controls": {"numericUser": {"required": True, "enabled": True}}}),
        (CEILING, {"controls": {"runAsUser": {"explicit": "override"}}}),
        (CEILING, {"namespaces": {"enforce": "restricted", "warn": "restricted", "version": "v1.34"}}),
        ({}, {"namespaces": {"enforce": "restricted"}}),
    ],
)
def test_tightening_is_accepted(upper, lower):
    made = below(upper, lower)

    for field, value in lower.items():
        if isinstance(value, dict):
            assert made.spec[field] == {**made.spec[field], **value} or field == "controls"
        else:
            assert made.spec[field] == value
    assert list(made.spec.get("exemptions", [])) == upper.get("exemptions", [])


def test_facts_about_images_are_accepted_below_a_ceiling():
    lower = {"images": [{"match": "registry.example/db:*", "uid": 999, "gid": 999, "writablePaths": ["/var/run"]}]}

    made = below(CEILING, lower)

    facts = made.stated("registry.example/db:1")
    assert [stated.facts.value("uid") for stated in made.images] == [1001, 999]
    assert [path.path for path in facts.value("writablePaths")] == ["/var/run"]
    assert facts.evidence("uid") == "team: images registry.example/db:*"


def test_a_fact_below_does_not_replace_one_of_the_ceiling():
    made = below(
        CEILING,
        {"images": [{"match": "registry.example/web:*", "uid": 5}, {"match": "registry.example/web:1", "uid": 6}]},
    )

    result = harden(DEPLOYMENT, Policy(made.with_changes({"level": "restricted", "changes": "complete"})))

    assert pod(result.text)["securityContext"]["runAsUser"] == 1001


def test_the_groups_of_a_ceiling_cannot_be_emptied():
    """`gid: 0` is a fact, not a softening: images are made for it."""
    made = below({}, {"images": [{"match": "*", "gid": 0}]})

    assert made.stated("registry.example/web:1").value("gid") == 0


def test_more_kinds_may_be_declared_below_a_ceiling():
    assert below({}, {"kinds": DECLARED}).kinds.keys() == {("example.com", "App")}


def test_a_kind_of_the_ceiling_cannot_be_declared_away():
    elsewhere = [{**DECLARED[0], "podSpecs": ["/nowhere"]}]
    try:
        made = below({"kinds": DECLARED}, {"kinds": elsewhere})
    except ConfigError:
        return

    assert harden(APP, Policy(made)).text == harden(APP, policy(kinds=DECLARED)).text


def test_the_exemptions_of_the_ceiling_hold():
    made = below(CEILING, {"level": "restricted"})
    text = DEPLOYMENT.replace("name: web\n  namespace", "name: agent\n  namespace")

    found = harden(text, Policy(made)).findings

    assert {"exempt"} == {finding.state for finding in found if finding.control == "runAsNonRoot"}


LIST = """\
apiVersion: config.kubernetes.io/v1
kind: ResourceList
functionConfig:
  apiVersion: krm-harden.dev/v1alpha1
  kind: HardeningPolicy
  metadata: {name: team}
  spec: %s
items:
"""


def test_the_ceiling_of_the_environment(tmp_path):
    (tmp_path / "ceiling.yaml").write_text(json.dumps(whole({}) | {"metadata": {"name": "platform"}}))
    item = "- " + DEPLOYMENT.replace("\n", "\n  ").rstrip(" ")

    attack = run_cli(
        stdin=(LIST % "{level: privileged}" + item).encode(), KRM_HARDEN_POLICY=str(tmp_path / "ceiling.yaml")
    )
    facts = run_cli(
        stdin=(LIST % '{images: [{match: "*", uid: 5}]}' + item).encode(),
        KRM_HARDEN_POLICY=str(tmp_path / "ceiling.yaml"),
    )

    assert (attack.code, attack.out) == (3, b"")
    assert len(attack.err.splitlines()) == 1
    assert [word for word in ("spec.level", "privileged", "platform", "team") if word not in attack.err] == []
    assert facts.code == 0
    assert b"runAsUser: 5\n" in facts.out


def test_an_annotation_exempts_nothing():
    """Exemptions by annotation on the object are off unless the policy turns them on."""
    text = ESCALATING.replace("  labels:\n", "  annotations:\n    krm-harden.dev/exempt: '*'\n  labels:\n")

    assert states(text)["allowPrivilegeEscalation"] == "explicit"


# The release whose output is kept


def test_the_output_is_that_of_this_release_unless_the_policy_names_another():
    resource = harden(DEPLOYMENT).resources[0].resource

    assert policies.Policy({}).settings_for(resource).output == policies.release(schema.RELEASES[-1])
    assert policies.from_data(whole({"compatibility": "0.1"}), "policy").settings_for(resource).output == (0, 1)
    assert __version__.startswith(f"{schema.RELEASES[-1]}.")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("0.0", "must be one of 0.1, 0.2, not '0.0'"),
        ("0.1.0", "must be one of 0.1, 0.2, not '0.1.0'"),
        (0.1, "must be a string, not 0.1"),
    ],
)
def test_a_release_that_is_not_known_is_refused(said, wrong):
    with pytest.raises(ConfigError, match=rf"spec\.compatibility {wrong}"):
        policy(compatibility=said)


def test_a_rule_keeps_no_other_output_than_its_policy():
    with pytest.raises(ConfigError, match=r"spec\.rules\[0\]\.compatibility is unknown"):
        policy(rules=[{"match": {}, "compatibility": "0.1"}])


def test_a_config_map_names_a_release_too():
    assert policies.from_data(config_map(compatibility="0.1"), "functionConfig").output == (0, 1)

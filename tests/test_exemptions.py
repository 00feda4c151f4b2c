"""What is left alone and why: each way to match, what was needed by nothing, and what an object claims for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from conftest import run_cli

from krm_harden import Policy, check, harden, schema

Spec = dict[str, Any]

ANNOTATION = "krm-harden.dev/exempt"
WEB = """\
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
      hostNetwork: true
      containers:
      - name: main
        image: registry.example/web:1
        securityContext:
          allowPrivilegeEscalation: true
      - name: agent
        image: nginx
        securityContext:
          allowPrivilegeEscalation: true
"""
BOTH = {"main", "agent"}
ESCALATION = ["allowPrivilegeEscalation"]


def as_id(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, (dict, list)) else None


def whole(**spec: Any) -> Spec:
    return {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": "team"}, "spec": spec}


def exemption(match: Spec | None = None, controls: list[str] | None = None, **more: str) -> Spec:
    return {"match": match or {}, "controls": controls or ESCALATION, "reason": "known", **more}


def policy(*entries: Spec, **spec: Any) -> Policy:
    return Policy.from_dict(whole(exemptions=list(entries), **spec))


def exempt(text: str, *entries: Spec, **spec: Any) -> set[tuple[str, str]]:
    """The controls that leave something alone, each with its container, empty for the pod."""
    found = harden(text, policy(*entries, **spec)).findings
    return {(one.control, one.container) for one in found if one.state == "exempt"}


def containers(text: str, match: Spec, controls: list[str] | None = None) -> set[str]:
    """The containers that one exemption lets escalate."""
    found = exempt(text, exemption(match, controls))
    return {container for control, container in found if control == "allowPrivilegeEscalation"}


# Each way to match


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, BOTH),
        ({"kinds": ["Deployment"]}, BOTH),
        ({"kinds": ["D*t"]}, BOTH),
        ({"kinds": ["*"]}, BOTH),
        ({"kinds": ["[DJ]*"]}, BOTH),
        ({"kinds": ["Job", "Deployment"]}, BOTH),
        ({"kinds": ["deployment"]}, set()),
        ({"kinds": ["Deploy"]}, set()),
        ({"kinds": []}, set()),
        ({"namespaces": ["shop"]}, BOTH),
        ({"namespaces": ["s?op"]}, BOTH),
        ({"namespaces": ["*"]}, BOTH),
        ({"namespaces": ["Shop"]}, set()),
        ({"namespaces": [""]}, set()),
        ({"names": ["web"]}, BOTH),
        ({"names": ["we*", "x"]}, BOTH),
        ({"names": ["web-*"]}, set()),
        ({"labels": {"tier": "front"}}, BOTH),
        ({"labels": {"tier": "f*"}}, BOTH),
        ({"labels": {"tier": "*", "app": "web"}}, BOTH),
        ({"labels": {"tier": "front", "app": "db"}}, set()),
        ({"labels": {"team": "*"}}, set()),
        ({"labels": {}}, BOTH),
        ({"images": ["registry.example/web:1"]}, {"main"}),
        ({"images": ["registry.example/*"]}, {"main"}),
        ({"images": ["nginx"]}, {"agent"}),
        ({"images": ["*"]}, BOTH),
        ({"images": ["registry.example/web"]}, set()),
        ({"images": []}, set()),
        ({"containers": ["main"]}, {"main"}),
        ({"containers": ["a*"]}, {"agent"}),
        ({"containers": ["*"]}, BOTH),
        ({"containers": ["other"]}, set()),
        ({"containers": ["main"], "images": ["nginx"]}, set()),
        ({"containers": ["agent"], "images": ["nginx"]}, {"agent"}),
        ({"kinds": ["Deployment"], "namespaces": ["shop"], "names": ["web"], "labels": {"app": "web"}}, BOTH),
        ({"kinds": ["Deployment"], "namespaces": ["bank"], "names": ["web"]}, set()),
        ({"kinds": ["Deployment"], "names": ["web"], "containers": ["main"], "images": ["registry.*"]}, {"main"}),
    ],
    ids=as_id,
)
def test_a_match(match, expected):
    assert containers(WEB, match) == expected


def test_what_has_no_namespace_matches_only_the_star():
    homeless = WEB.replace("  namespace: shop\n", "")

    assert containers(homeless, {"namespaces": ["*"]}) == BOTH
    assert containers(homeless, {"namespaces": ["shop"]}) == set()


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"containers": ["*"]}, True),
        ({"containers": [""]}, True),
        ({"containers": ["main"]}, False),
        ({"images": ["*"]}, False),
    ],
    ids=as_id,
)
def test_what_the_pod_itself_says_belongs_to_no_container_and_no_image(match, holds):
    assert (("hostNamespaces", "") in exempt(WEB, exemption(match, ["hostNamespaces"]))) is holds


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["allowPrivilegeEscalation"], {"allowPrivilegeEscalation"}),
        (["hostNamespaces", "runAsNonRoot"], {"hostNamespaces", "runAsNonRoot"}),
        (["capabilities"], {"capabilities_restricted"}),
        (["seccompProfile"], {"seccompProfile_restricted"}),
        (["capabilities_restricted"], {"capabilities_restricted"}),
        (["capabilities_baseline"], set()),
        (["privileged"], set()),
        (["numericUser", "readOnlyRootFilesystem"], {"numericUser", "readOnlyRootFilesystem"}),
        (
            ["*"],
            {"allowPrivilegeEscalation", "capabilities_restricted", "hostNamespaces", "numericGroup", "numericUser"}
            | {"readOnlyRootFilesystem", "runAsNonRoot", "seccompProfile_restricted"},
        ),
    ],
    ids=as_id,
)
def test_a_control(names, expected):
    assert {control for control, _ in exempt(WEB, exemption({}, names))} == expected


def test_an_exemption_leaves_the_other_containers_to_be_fixed():
    found = yaml.safe_load(harden(WEB, policy(exemption({"containers": ["agent"]}), explicit="override")).text)

    main, agent = found["spec"]["template"]["spec"]["containers"]
    assert main["securityContext"]["allowPrivilegeEscalation"] is False
    assert agent["securityContext"]["allowPrivilegeEscalation"] is True


NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {team: a}\n"


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        (exemption({}, ["namespaceLabels"]), True),
        (exemption({"namespaces": ["sh*"]}, ["namespaceLabels"]), True),
        (exemption({"names": ["shop"]}, ["*"]), True),
        (exemption({"kinds": ["Namespace"], "labels": {"team": "a"}}, ["namespaceLabels"]), True),
        (exemption({"namespaces": ["bank"]}, ["namespaceLabels"]), False),
        (exemption({"kinds": ["Pod"]}, ["*"]), False),
        (exemption({"containers": ["main"]}, ["namespaceLabels"]), False),
        (exemption({"images": ["*"]}, ["namespaceLabels"]), False),
        (exemption({}, ["runAsNonRoot"]), False),
    ],
    ids=as_id,
)
def test_a_namespace_is_in_itself(entry, holds):
    result = harden(NAMESPACE, policy(entry))

    assert (result.text == NAMESPACE) is holds
    assert [one.state for one in result.findings] == (["exempt"] if holds else ["fixed", "fixed"])


def test_the_first_of_two_gives_the_reason_and_both_are_needed():
    entries = [exemption(), {**exemption({"names": ["web"]}), "reason": "second"}]
    result = harden(WEB, policy(*entries))

    assert {one.reason for one in result.findings if one.state == "exempt"} == {"known"}
    assert _unused(WEB, *entries) == []


def test_the_verdict_is_the_real_one():
    result = check(WEB, policy(exemption({}, ["*"])))

    assert not result.allowed
    assert {one.severity for one in result.findings} == {"info"}


# What nothing needed


def _unused(text: str, *entries: Spec) -> list[str]:
    ran = run_cli(stdin=_list(text, *entries))
    return [line for line in ran.err.splitlines() if "exempts from nothing" in line]


def _list(text: str, *entries: Spec) -> bytes:
    items = list(yaml.safe_load_all(text))
    config = whole(exemptions=list(entries), onViolation="Warn")
    whole_ = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    return json.dumps({**whole_, "functionConfig": config}).encode()


UNUSED = exemption({"names": ["nobody"]}, ["*"])
LINE = "exemptions[1] exempts from nothing that is here: known"


@pytest.fixture
def files(tmp_path):
    """A policy with one exemption that is needed and one that isn't, and two files."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/web.yaml").write_text(WEB)
    (tmp_path / "in/other.yaml").write_text(WEB.replace("name: web", "name: other"))
    (tmp_path / "policy.yaml").write_text(json.dumps(whole(exemptions=[exemption(), UNUSED], onViolation="Warn")))
    (tmp_path / "without.yaml").write_text(json.dumps(whole(exemptions=[exemption()], onViolation="Warn")))
    return tmp_path


@pytest.mark.parametrize("command", ["fix", "fix --diff", "fix -", "check", "check -", "fn"])
def test_an_unused_one_is_one_warning_on_stderr_and_no_other_exit_code(command, files):
    def ran(policy_: str):
        arguments = [files / policy_] if command == "fn" else ["--policy", files / policy_]
        stream = command.endswith(" -") or command == "fn"
        paths = ["-"] if stream else [files / "in"]
        made = run_cli(*command.removesuffix(" -").split(), *arguments, *paths, stdin=WEB.encode() if stream else b"")
        for name in ("web", "other"):
            (files / f"in/{name}.yaml").write_text(WEB.replace("name: web", f"name: {name}"))
        return made

    with_, without = ran("policy.yaml"), ran("without.yaml")

    assert [line for line in with_.err.splitlines() if "exempts from" in line] == [f"warning: team: {LINE}"]
    assert "exempts from" not in without.err
    assert with_.code == without.code
    assert with_.out == without.out


def test_an_unused_one_is_one_result_of_the_function():
    ran = run_cli(stdin=_list(WEB, exemption(), UNUSED))
    found = [one for one in json.loads(ran.out)["results"] if "exempts from" in one["message"]]

    assert ran.code == 0
    assert ran.err.count(LINE) == 1
    assert found == [
        {
            "message": f"team: {LINE}",
            "severity": "warning",
            "tags": {"tool": "krm-harden", "state": "unused"},
        }
    ]


def test_an_unused_one_is_a_result_of_a_list_in_block_style():
    text = (
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n"
        + "".join(("- " if not number else "  ") + line + "\n" for number, line in enumerate(WEB.splitlines()))
        + f"functionConfig: {json.dumps(whole(exemptions=[exemption(), UNUSED], onViolation='Warn'))}\n"
    )

    ran = run_cli(stdin=text.encode())

    assert ran.code == 0
    assert ran.out.decode().count(f"team: {LINE}") == ran.err.count(LINE) == 1


@pytest.mark.parametrize("command", ["fix", "check"])
def test_an_unused_one_is_in_the_json_report(command, files):
    ran = run_cli(command, "-o", "json", "--policy", files / "policy.yaml", files / "in")

    assert json.loads(ran.out)["warnings"] == [f"team: {LINE}"]


def test_one_that_any_file_needs_is_used(files):
    entries = [exemption({"names": ["web"]}), exemption({"names": ["other"]}), exemption({"names": ["o*r"]})]
    (files / "policy.yaml").write_text(json.dumps(whole(exemptions=entries)))

    ran = run_cli("check", "-o", "json", "--policy", files / "policy.yaml", files / "in")

    assert json.loads(ran.out)["warnings"] == []


def test_each_unused_one_is_named():
    entries = [UNUSED, exemption(), {**UNUSED, "reason": "another"}, exemption({}, ["sysctls"])]

    assert _unused(WEB, *entries) == [
        "warning: team: exemptions[0] exempts from nothing that is here: known",
        "warning: team: exemptions[2] exempts from nothing that is here: another",
        "warning: team: exemptions[3] exempts from nothing that is here: known",
    ]


def test_one_that_matches_what_needs_no_exemption_is_unused():
    fixed = harden(WEB, policy(explicit="override")).text

    assert len(_unused(fixed, exemption())) == 1


def test_one_for_a_namespace_is_used_where_its_labels_wait_for_the_whole_input():
    config = {"namespaces": {"enforce": "auto"}, "exemptions": [exemption({}, ["namespaceLabels"]), UNUSED]}
    stdin = json.loads(_list(NAMESPACE + "---\n" + WEB))
    stdin["functionConfig"]["spec"] = {"onViolation": "Warn", **config}

    ran = run_cli(stdin=json.dumps(stdin).encode())

    assert ran.err.count("exempts from nothing") == ran.err.count(LINE) == 1


@pytest.mark.parametrize(
    ("now", "code", "note"), [("1814313600", 0, ""), ("1814400000", 1, " (expired on 2027-06-30)")]
)
def test_past_its_date_the_function_warns_and_check_fails_and_nothing_else_is_written(now, code, note, files):
    expiring = [exemption({}, ["*"], expires="2027-06-30")]
    (files / "policy.yaml").write_text(json.dumps(whole(exemptions=expiring)))

    gate = run_cli("check", "--policy", files / "policy.yaml", files / "in/web.yaml", SOURCE_DATE_EPOCH=now)
    fixed = run_cli("fix", "--policy", files / "policy.yaml", "-", stdin=WEB.encode(), SOURCE_DATE_EPOCH=now)
    function = run_cli(stdin=_list(WEB, *expiring), SOURCE_DATE_EPOCH=now)

    assert (gate.code, fixed.code, function.code) == (code, 0, 0)
    assert fixed.out == WEB.encode()
    assert json.loads(function.out)["items"] == [yaml.safe_load(WEB)]
    assert ("(expired on 2027-06-30)" in function.err) is bool(note)
    assert f"known{note}" in gate.out.decode()


# What an object claims for itself

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: agent
  annotations:
    krm-harden.dev/exempt: %s
spec:
  hostNetwork: true
  containers:
  - name: main
    image: registry.example/agent:1
    securityContext: {privileged: true}
"""
DEPLOYED = WEB.replace("  labels:\n", "  annotations:\n    krm-harden.dev/exempt: %s\n  labels:\n")


def claimed(text: str, **spec: Any) -> tuple[set[str], list[str]]:
    """The controls that leave something alone, and what is said about the annotation."""
    found = harden(text, Policy.from_dict(whole(**{"exemptionAnnotations": "allow", **spec}))).findings
    notes = [one.message.removeprefix(f"the annotation {ANNOTATION} ") for one in found if one.control == "exemptions"]
    return {one.control for one in found if one.state == "exempt"}, notes


NOT_UNDERSTOOD = "isn't CONTROL[, CONTROL...]: REASON"


@pytest.mark.parametrize(
    ("value", "controls", "notes"),
    [
        ('"hostNamespaces: reads metrics"', {"hostNamespaces"}, []),
        ('"hostNamespaces, privileged: metrics"', {"hostNamespaces", "privileged"}, []),
        ('"  hostNamespaces ,privileged  :  metrics  "', {"hostNamespaces", "privileged"}, []),
        ("|\n      hostNamespaces: metrics\n\n      privileged: debug", {"hostNamespaces", "privileged"}, []),
        (">-\n      hostNamespaces,\n      privileged: metrics", {"hostNamespaces", "privileged"}, []),
        (
            "|-\n      hostNamespaces: metrics\n      sysctls: none",
            {"hostNamespaces"},
            ["exempts from nothing that is here: 'sysctls: none'"],
        ),
        ('"hostNamespaces: see http://a.example/b: why"', {"hostNamespaces"}, []),
        ('"hostNamespaces"', set(), [f"isn't understood: 'hostNamespaces' {NOT_UNDERSTOOD}"]),
        ('"hostNamespaces:  "', set(), [f"isn't understood: 'hostNamespaces:' {NOT_UNDERSTOOD}"]),
        ('": reason"', set(), [f"isn't understood: ': reason' {NOT_UNDERSTOOD}"]),
        ('", ,: reason"', set(), [f"isn't understood: ', ,: reason' {NOT_UNDERSTOOD}"]),
        ('"hostNetwork: metrics"', set(), ["isn't understood: 'hostNetwork' isn't a control"]),
        ('"hostNamespaces, nothing: metrics"', set(), ["isn't understood: 'nothing' isn't a control"]),
        ('"HostNamespaces: metrics"', set(), ["isn't understood: 'HostNamespaces' isn't a control"]),
        ('"host*: metrics"', set(), ["isn't understood: 'host*' isn't a control"]),
        ('"sysctls: metrics"', set(), ["exempts from nothing that is here: 'sysctls: metrics'"]),
        ('""', set(), []),
        ("null", set(), []),
        ("5", set(), [f"isn't understood: '5' {NOT_UNDERSTOOD}"]),
    ],
)
def test_the_annotation(value, controls, notes):
    assert claimed(POD % value) == (controls, notes)


@pytest.mark.parametrize(
    ("text", "controls"),
    [
        (
            POD,
            {
                "allowPrivilegeEscalation",
                "capabilities_restricted",
                "hostNamespaces",
                "numericGroup",
                "numericUser",
                "privileged",
            },
        ),
        (
            DEPLOYED,
            {"allowPrivilegeEscalation", "capabilities_restricted", "hostNamespaces", "numericGroup", "numericUser"},
        ),
    ],
    ids=["Pod", "Deployment"],
)
def test_the_annotation_holds_for_all_of_the_object(text, controls):
    found, notes = claimed(text % '"*: known"')

    assert found == controls | {"readOnlyRootFilesystem", "runAsNonRoot", "seccompProfile_restricted"}
    assert notes == []
    assert harden(text % '"*: known"', policy(exemptionAnnotations="allow")).text == text % '"*: known"'


def test_the_annotation_of_a_pod_template_is_none():
    text = WEB.replace("  template:\n", f'  template:\n    metadata: {{annotations: {{{ANNOTATION}: "*: known"}}}}\n')

    assert claimed(text) == (set(), [])


def test_the_annotation_of_a_namespace():
    text = NAMESPACE.replace("  labels", f'  annotations: {{{ANNOTATION}: "namespaceLabels: old"}}\n  labels')

    assert claimed(text) == ({"namespaceLabels"}, [])


def test_an_alias_in_the_annotation():
    assert claimed(DEPLOYED % '"capabilities, seccompProfile: known"') == (
        {"capabilities_restricted", "seccompProfile_restricted"},
        [],
    )


@pytest.mark.parametrize("spec", [{"exemptionAnnotations": "ignore"}, {}])
def test_the_annotation_has_no_effect_unless_the_policy_allows_it(spec):
    findings = harden(POD % '"*: known"', Policy.from_dict(whole(**spec))).findings

    assert {one.control for one in findings if one.state == "exempt"} == set()
    assert [one.message for one in findings if one.control == "exemptions"] == [
        f"the annotation {ANNOTATION} has no effect: the policy doesn't say exemptionAnnotations: allow"
    ]


def test_a_rule_allows_the_annotation_for_what_it_matches():
    rules = [{"match": {"kinds": ["Pod"]}, "exemptionAnnotations": "allow"}]

    assert claimed(POD % '"hostNamespaces: known"', exemptionAnnotations="ignore", rules=rules)[0] == {"hostNamespaces"}
    assert claimed(DEPLOYED % '"hostNamespaces: known"', exemptionAnnotations="ignore", rules=rules)[0] == set()


@pytest.mark.parametrize("value", ["[a, b]", "{a: b}", "[]"])
def test_an_annotation_that_the_api_cannot_read_is_an_error(value):
    result = harden(POD % value, policy(exemptionAnnotations="allow"))

    assert result.text == POD % value
    assert len(result.errors) == 1
    assert f"metadata.annotations['{ANNOTATION}']: it must be a string" in result.errors[0]


@pytest.mark.parametrize(
    "value",
    [
        json.dumps("x" * 200_000),
        json.dumps("x\n" * 50_000),
        json.dumps("a," * 50_000 + ": b"),
        json.dumps("*" * 9999 + ": x"),
    ],
    ids=["one line", "many lines", "many controls", "stars"],
)
def test_a_huge_annotation_makes_a_short_report(value):
    controls, notes = claimed(POD % value)

    assert controls == set()
    assert 1 <= len(notes) <= 6
    assert max(map(len, notes)) < 200


@pytest.mark.parametrize(
    "value", ['"hostNamespaces: a\\nprivileged: b\\n\\u2028::error:: x"', '"hostNamespaces: \\e[31mred"']
)
def test_no_line_of_a_report_is_forged(value, tmp_path):
    (tmp_path / "policy.yaml").write_text(json.dumps(whole(exemptionAnnotations="allow")))

    ran = run_cli("check", "--policy", tmp_path / "policy.yaml", "-", stdin=(POD % value).encode())

    assert ran.code in {0, 1}
    assert all(line.startswith(("-:", "krm-harden: ")) for line in (ran.out.decode() + ran.err).split("\n") if line)
    assert "\033" not in ran.out.decode() + ran.err


def test_an_exemption_of_the_policy_and_one_of_the_object_add_up():
    text = POD % '"privileged: debug"'
    made = harden(text, policy(exemption({}, ["hostNamespaces"]), exemptionAnnotations="allow")).findings

    assert {one.control for one in made if one.state == "exempt"} == {"hostNamespaces", "privileged"}

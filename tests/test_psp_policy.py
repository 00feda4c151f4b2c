"""A PodSecurityPolicy as the policy: in a file, as functionConfig, within a HardeningPolicy, and among the manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psp_strategies
import pytest
import yaml
from clients import build, kpt
from clients import run as run_client
from conftest import run_cli, unified
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import ceilings
from krm_harden import policy as policies
from krm_harden.api import Policy, check, harden
from krm_harden.commands import _policies
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError
from krm_harden.model import LATEST, LEVELS
from krm_harden.patch import Draft
from krm_harden.psp.acceptance import unacceptable
from krm_harden.psp.admission import admit
from krm_harden.psp.controls import MOUNTED
from krm_harden.psp.created import created
from krm_harden.psp.demands import ForAll
from krm_harden.psp.policy import of_data

if TYPE_CHECKING:
    from pathlib import Path

RESTRICTED = """\
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata:
  name: restricted
  annotations:
    config.kubernetes.io/function: |
      exec:
        path: krm-harden
    seccomp.security.alpha.kubernetes.io/allowedProfileNames: runtime/default
    seccomp.security.alpha.kubernetes.io/defaultProfileName: runtime/default
spec:
  privileged: false
  allowPrivilegeEscalation: false
  requiredDropCapabilities: [ALL]
  volumes: [configMap, emptyDir, projected, secret, downwardAPI, persistentVolumeClaim]
  runAsUser:
    rule: MustRunAs
    ranges: [{min: 1, max: 65535}]
  seLinux: {rule: RunAsAny}
  supplementalGroups: {rule: MustRunAs, ranges: [{min: 2, max: 65535}]}
  fsGroup: {rule: MustRunAs, ranges: [{min: 3, max: 65535}]}
  readOnlyRootFilesystem: true
"""
"""The restrictive example of the old documentation, but that it tells user and groups apart."""
ANY = {name: {"rule": "RunAsAny"} for name in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
WRITTEN = {
    "securityContext": {"supplementalGroups": [2], "fsGroup": 3, "seccompProfile": {"type": "RuntimeDefault"}},
    "container": {
        "runAsUser": 1,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
    },
}
"""What it makes of a pod that says nothing."""

WEB = """\
# the shop
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:  # only one
        - name: web
          image: registry.example/web:1  # pinned by CI
"""
KINDS = {
    "a Deployment": WEB,
    "with Windows' line ends": WEB.replace("\n", "\r\n"),
    "a Pod": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a  # main\n    image: b\n",
    "a CronJob": """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
          - {name: first, image: a}   # before
          containers:
          - {name: then, image: b, securityContext: {runAsUser: 70000}}
""",
    "a List": """\
apiVersion: v1
kind: List
items:
# first
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
  spec: {containers: [{name: a, image: b}]}  # in one line
- apiVersion: v1
  kind: Service
  metadata: {name: b}
- apiVersion: v1
  kind: Pod
  metadata: {name: c}
  spec:
    hostPID: true  # why
    containers:
    - {name: a, image: b}
""",
    "JSON": json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "a", "image": "b"}]},
        },
        indent=2,
    )
    + "\n",
    "an Argo Workflow": """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: build}
spec:
  hostNetwork: true  # of the whole workflow
  volumes:
  - {name: node, hostPath: {path: /}}
  templates:
  - name: main
    script: {image: a}
    sidecars:
    - {name: beside, image: b}
    initContainers:
    - {name: before, image: c}
""",
    "a Tekton Task": """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  steps:
  - name: compile  # slow
    image: a
""",
    "a Tekton TaskRun": """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: build}
spec:
  podTemplate:
    hostNetwork: true
  taskSpec:
    steps:
    - name: compile
      image: a
""",
    "a Knative Service": """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - image: a
""",
}


def resource_list(items: list[Any], config: dict[str, Any] | None = None) -> bytes:
    """A ResourceList, cut into items as clients send it."""
    found = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    return yaml.safe_dump(found | ({"functionConfig": config} if config else {}), sort_keys=False).encode()


def of_text(text: str) -> Policy:
    return Policy.from_dict(yaml.safe_load(text))


def stated(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A HardeningPolicy with a PodSecurityPolicy, of the given fields or the restricted one, beside other fields."""
    known = yaml.safe_load(RESTRICTED)["spec"]
    annotations = {} if spec else {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"}
    inner = {"name": "old", "annotations": annotations, "spec": {**ANY, "volumes": ["*"], **spec} if spec else known}
    return {
        "apiVersion": "krm-harden.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": "team"},
        "spec": {"podSecurityPolicy": inner, **more},
    }


def hardened(spec: dict[str, Any], text: str = WEB, **more: Any) -> Any:
    return harden(text, Policy.from_dict(stated(spec, **more)))


def told(result: Any) -> list[str]:
    """Each finding: its control, its state, and what it says."""
    return [f"{one.severity} {one.state} {one.control}: {one.message}" for one in result.findings]


# What it writes


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_it_writes_what_the_cluster_wrote_and_a_second_run_nothing(text: str, snapshot):
    made = harden(text, of_text(RESTRICTED))
    again = harden(made.text, of_text(RESTRICTED))

    assert made.errors == ()
    assert again.text == made.text
    assert [one for one in again.findings if one.state == "fixed"] == []
    comments = [line for line in text.splitlines() if "#" in line]
    assert [word for line in comments if (word := line[line.index("#") :]) not in made.text] == []
    assert unified(text, made.text) + "\n".join(["", *told(made)]) == snapshot


def test_the_manifest_and_the_same_within_a_hardening_policy_mean_the_same():
    found = yaml.safe_load(RESTRICTED)
    inner = {
        "name": "restricted",
        "annotations": {key: value for key, value in found["metadata"]["annotations"].items() if "seccomp" in key},
        "spec": found["spec"],
    }
    whole = {**stated(), "spec": {"level": "privileged", "podSecurityPolicy": inner}}

    for text in KINDS.values():
        by_manifest, by_policy = harden(text, of_text(RESTRICTED)), harden(text, Policy.from_dict(whole))
        assert by_manifest.text == by_policy.text
        assert told(by_manifest) == told(by_policy)


def test_nothing_of_ours_is_written_beside_it():
    """A Namespace gets no label, and a container that gives up nothing no hardening."""
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
    lax = {**yaml.safe_load(RESTRICTED), "spec": {**ANY, "volumes": ["*"], "privileged": True}}
    del lax["metadata"]["annotations"]

    assert harden(namespace + WEB, Policy.from_dict(lax)).text == namespace + WEB


def test_every_case_of_the_table_comes_out_of_the_engine_as_the_admission_has_it():
    import psp_cases

    for case in psp_cases.cases():
        for wrap in (_as_pod, _as_deployment):
            document, spec_of = wrap(case.pod)
            text = json.dumps(document)
            found = policies.Policy({"level": "privileged", "target": _target(case.server)})
            engine = Engine(found.with_pod_security(ForAll(case.policy)))
            chunks = engine.both_passes(text.encode())
            pod = created(case.pod, is_template=document["kind"] != "Pod")
            outcome = admit(case.policy, pod, case.server)
            if any(chunk.error for chunk in chunks):
                continue
            draft = Draft({"metadata": case.pod.get("metadata") or {}, "spec": case.pod["spec"]})
            unwritten = [change for change, _ in unacceptable(pod, outcome.changes)]
            for change in outcome.changes:
                if change not in unwritten:
                    draft.apply(change.operation)
            made = yaml.safe_load(b"".join(chunk.text for chunk in chunks))
            assert spec_of(made) == draft.data["spec"], (case.field, case.name)
            findings = [one for chunk in chunks for result in chunk.resources for one in result.findings]
            said = [one.reason.partition(" refuses it: ")[2] for one in findings if " refuses it: " in one.reason]
            refused = [words.removesuffix(f"; {MOUNTED}") for words in said]
            assert refused == [str(error) for error in outcome.errors], (case.field, case.name)


@given(manifest=psp_strategies.policies(), pod=psp_strategies.pods(), level=st.sampled_from(LEVELS))
def test_a_second_run_does_nothing_for_any_policy_pod_and_level(manifest: Any, pod: Any, level: str):
    """Nor for a workload of that pod; with a level, what both ask for stands in the pod, or an error does."""
    try:
        held = of_data(manifest)
    except ConfigError:
        return
    for wrap in (_as_pod, _as_deployment):
        document, spec_of = wrap(pod)
        engine = Engine(policies.Policy({"level": level}).with_pod_security(ForAll(held)))
        first = engine.both_passes(json.dumps(document).encode())
        if any("cannot read" in chunk.error for chunk in first):
            continue
        text = b"".join(chunk.text for chunk in first)
        again = engine.both_passes(text)

        assert [chunk.error for chunk in (*first, *again) if chunk.error] == []
        assert b"".join(chunk.text for chunk in again) == text
        errors = [
            one for chunk in first for result in chunk.resources for one in result.findings if one.severity == "error"
        ]
        if not errors:
            made = {"metadata": pod.get("metadata") or {}, "spec": spec_of(yaml.safe_load(text))}
            assert admit(held, created(made)).errors == ()
            assert check(text, Policy.from_dict(policies_of(level=level))).allowed


def _target(server: tuple[int, int]) -> dict[str, str]:
    return {} if server == LATEST else {"kubernetes": f"{server[0]}.{server[1]}"}


def _as_pod(pod: Any) -> tuple[dict[str, Any], Any]:
    metadata = {**(pod.get("metadata") or {}), "name": "a"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}, lambda made: made["spec"]


def _as_deployment(pod: Any) -> tuple[dict[str, Any], Any]:
    template = {"metadata": pod.get("metadata") or {}, "spec": pod["spec"]}
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"template": template},
    }
    return document, lambda made: made["spec"]["template"]["spec"]


# What it refuses


def test_what_it_refuses_is_an_error_in_the_words_of_the_api_server_with_the_exemption_to_paste():
    text = WEB.replace("web:1  # pinned by CI", "web:1\n          ports: [{containerPort: 80, hostPort: 80}]")
    made = check(text, of_text(RESTRICTED))
    found = next(one for one in made.findings if one.control == "podSecurityPolicy.hostPorts")

    words = "spec.containers[0].hostPort: Invalid value: 80: Host port 80 is not allowed to be used. Allowed ports: []"
    assert (found.state, found.severity) == ("manual", "error")
    assert found.message.endswith(f"PodSecurityPolicy restricted refuses it: {words}")
    assert found.path == "spec.template.spec.containers[0].ports[0].hostPort"
    entry = yaml.safe_load(found.exemption)
    assert entry["controls"] == ["podSecurityPolicy.hostPorts"]
    assert made.resources[0].policies[0].message == f"PodSecurityPolicy: unable to admit pod: [{words}]"
    accepted = Policy.from_dict({**stated(), "spec": {**stated()["spec"], "exemptions": [entry]}})
    assert [one.state for one in check(text, accepted).findings if one.control == found.control] == ["exempt"]


def test_the_claims_of_a_statefulset_are_volumes_of_its_pods():
    """A claim stands in for a volume of its name."""
    claims = "  volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {name: more}}]\n"
    volumes = "      volumes: [{name: data, hostPath: {path: /}}, {name: log, hostPath: {path: /}}]\n"
    text = WEB.replace("kind: Deployment", "kind: StatefulSet") + volumes + claims

    found = check(text, Policy.from_dict(stated({"volumes": ["projected"]}, level="privileged"))).findings

    assert {one.path: one.message.partition("Invalid value: ")[2] for one in found} == {
        "spec.template.spec.volumes[1]": '"hostPath": hostPath volumes are not allowed to be used',
        "spec.volumeClaimTemplates[0]": '"persistentVolumeClaim": persistentVolumeClaim volumes are not allowed to '
        "be used",
        "spec.volumeClaimTemplates[1]": '"persistentVolumeClaim": persistentVolumeClaim volumes are not allowed to '
        "be used",
    }
    assert told(hardened({"volumes": ["projected"]}, WEB + claims, level="privileged")) == []


def test_an_empty_list_of_groups_is_none_in_a_template_and_refused_in_a_pod():
    """The API server stores no empty lists, and a controller asks for what is stored."""
    spec = {"supplementalGroups": {"rule": "MustRunAs", "ranges": [{"min": 2, "max": 9}]}}
    groups = "securityContext: {supplementalGroups: []}"
    template = WEB.replace("      containers:", f"      {groups}\n      containers:")
    pod = KINDS["a Pod"].replace("spec:\n", f"spec:\n  {groups}\n")

    made = hardened(spec, template, level="privileged")

    assert made.errors == ()
    assert made.text == template.replace("supplementalGroups: []", "supplementalGroups: [2]")
    assert [one.state for one in hardened(spec, pod, level="privileged").findings] == ["manual"]


@pytest.mark.parametrize(("mode", "code"), [("Fail", 1), ("Warn", 0)])
def test_on_violation_softens_what_it_refuses(mode: str, code: int, tmp_path: Path):
    (tmp_path / "policy.yaml").write_text(json.dumps(stated({"hostPID": False}, level="privileged", onViolation=mode)))
    (tmp_path / "web.yaml").write_text(WEB.replace("      containers:", "      hostPID: true\n      containers:"))

    assert run_cli("check", "--policy", "policy.yaml", "web.yaml", cwd=tmp_path).code == code


@pytest.mark.parametrize("name", ["podSecurityPolicy.runAsUser", "podSecurityPolicy", "*"])
def test_what_is_exempt_is_neither_written_nor_refused(name: str):
    exemptions = [{"match": {"names": ["web"]}, "controls": [name], "reason": "as its image"}]
    spec = {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 5, "max": 9}]}, "hostPID": False}
    text = WEB + "        - {name: b, image: c, securityContext: {runAsUser: 10}}\n"

    made = hardened(spec, text, level="privileged", exemptions=exemptions)

    assert made.text == text
    assert {one.state for one in made.findings} == {"exempt"}


def test_an_exemption_of_one_container_leaves_the_other_alone():
    exemptions = [{"match": {"containers": ["b"]}, "controls": ["podSecurityPolicy.runAsUser"], "reason": "x"}]
    spec = {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 5, "max": 9}]}}
    text = WEB + "        - {name: b, image: c}\n"

    first, second = yaml.safe_load(hardened(spec, text, level="privileged", exemptions=exemptions).text)["spec"][
        "template"
    ]["spec"]["containers"]

    assert first["securityContext"] == {"runAsUser": 5}
    assert "securityContext" not in second


def test_only_the_chosen_field_is_written(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED)
    (tmp_path / "web.yaml").write_text(WEB)

    ran = run_cli("fix", "--control", "podSecurityPolicy.fsGroup", "--policy", "psp.yaml", "web.yaml", cwd=tmp_path)

    assert ran.code == 0, ran.err
    spec = yaml.safe_load((tmp_path / "web.yaml").read_text())["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"fsGroup": 3}
    assert "securityContext" not in spec["containers"][0]


def test_what_is_deferred_is_nothing_that_other_controls_rely_on():
    """runAsNonRoot without the policy's user would stop an image that starts as root."""
    spec = {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 500, "max": 600}]}}

    made = hardened(spec, level="restricted", changes="additive")

    assert "runAsUser" not in made.text
    assert "runAsNonRoot: true" not in made.text
    assert {one.state for one in made.findings if one.control == "runAsNonRoot"} == {"deferred"}


def test_a_control_that_needs_a_user_brings_the_policys_own(tmp_path: Path):
    spec = {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 500, "max": 600}]}}
    (tmp_path / "policy.yaml").write_text(json.dumps(stated(spec, level="restricted")))
    (tmp_path / "web.yaml").write_text(WEB)

    run_cli("fix", "--control", "runAsNonRoot", "--policy", "policy.yaml", "web.yaml", cwd=tmp_path)

    pod = yaml.safe_load((tmp_path / "web.yaml").read_text())["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True}
    assert pod["containers"][0]["securityContext"] == {"runAsUser": 500}


def test_what_the_api_server_would_refuse_is_not_written():
    text = WEB + "          securityContext: {privileged: true}\n"
    made = hardened({"privileged": True, "allowPrivilegeEscalation": False}, text, level="privileged")

    assert made.text == text
    (line,) = told(made)
    assert line.startswith("error manual podSecurityPolicy.allowPrivilegeEscalation: ")
    assert line.endswith(
        "refuses that: spec.containers[0].securityContext: Invalid value: cannot set "
        "`allowPrivilegeEscalation` to false and `privileged` to true"
    )


# With a level


def test_its_values_come_before_our_defaults_and_the_level_is_reached():
    spec = {
        "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 500, "max": 600}]},
        "requiredDropCapabilities": ["KILL"],
    }
    policy_ = stated(spec, level="restricted")
    policy_["spec"]["podSecurityPolicy"]["annotations"] = {
        "seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"
    }

    made = harden(WEB, Policy.from_dict(policy_))

    assert made.allowed
    assert [one for one in made.findings if one.severity == "error"] == []
    container = yaml.safe_load(made.text)["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    assert container["runAsUser"] == 500
    assert container["capabilities"]["drop"] == ["KILL", "ALL"]
    assert harden(made.text, Policy.from_dict(policy_)).text == made.text


CONTRADICTIONS = {
    "a user that the level refuses": {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 0, "max": 0}]}},
    "a profile that it doesn't allow": {"hostPID": False},
    "a capability that the level refuses": {"defaultAddCapabilities": ["SYS_ADMIN"]},
    "a volume that it doesn't allow": {"volumes": ["configMap"]},
}


@pytest.mark.parametrize("spec", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
@pytest.mark.parametrize("explicit", ["respect", "override"])
def test_what_level_and_policy_contradict_each_other_in_is_an_error_that_names_both(
    spec: dict, explicit: str, snapshot
):
    made = hardened(spec, level="restricted", explicit=explicit)

    assert harden(made.text, Policy.from_dict(stated(spec, level="restricted", explicit=explicit))).text == made.text
    errors = [line for line in told(made) if line.startswith("error")]
    assert "\n".join([*errors, made.text]) == snapshot


def test_a_rule_has_a_policy_of_its_own():
    spec = stated()["spec"]["podSecurityPolicy"]
    rules = [{"match": {"namespaces": ["shop"]}, "podSecurityPolicy": spec}]
    made = Policy.from_dict(policies_of(level="privileged", rules=rules))

    other = WEB.replace("shop}", "lab}")
    assert harden(other, made).text == other
    assert "runAsUser: 1" in harden(WEB, made).text


def policies_of(**spec: Any) -> dict[str, Any]:
    return {**stated(), "spec": spec}


def test_beside_another_policy_it_asks_for_no_lower_level(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED)
    (tmp_path / "team.yaml").write_text(policy_json(changes="complete"))
    for names in (["psp.yaml", "team.yaml"], ["team.yaml", "psp.yaml"]):
        made = _policies.ceiling([str(tmp_path / name) for name in names])
        assert made is not None
        assert (made.level, made.spec["podSecurityPolicy"]["name"]) == ("restricted", "restricted")
    baseline = _policies.ceiling([str(tmp_path / "psp.yaml")], "baseline")
    alone = _policies.ceiling([str(tmp_path / "psp.yaml")])
    assert baseline is not None
    assert alone is not None
    assert (baseline.level, alone.level) == ("baseline", "privileged")


# What is wrong with it

WRONG = {
    "a type": (RESTRICTED.replace("privileged: false", "privileged: 'no'"), "psp.yaml:12:15: spec.privileged must be"),
    "a rule": (RESTRICTED.replace("rule: MustRunAs\n", "rule: Must\n"), "psp.yaml:17:11: spec.runAsUser.rule"),
    "a version": (
        RESTRICTED.replace("policy/v1beta1", "policy/v1"),
        "psp.yaml:1:13: apiVersion must be one of policy/",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_the_api_server_would_refuse_is_an_error_at_its_place(text: str, said: str, tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(text)
    (tmp_path / "web.yaml").write_text(WEB)

    ran = run_cli("fix", "--policy", "psp.yaml", "web.yaml", cwd=tmp_path)

    assert ran.code == 3
    assert said in ran.err
    assert (tmp_path / "web.yaml").read_text() == WEB


def test_a_field_that_the_cluster_ignored_is_a_warning(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED.replace("readOnlyRootFilesystem", "readonlyRootFilesystem"))
    (tmp_path / "web.yaml").write_text(WEB)

    ran = run_cli("fix", "--policy", "psp.yaml", "web.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert "psp.yaml: spec.readonlyRootFilesystem is no field of a PodSecurityPolicy: the cluster ignored it" in ran.err
    checked = run_cli("policy", "check", "psp.yaml", cwd=tmp_path)
    assert (checked.code, checked.out.splitlines()[0][:21]) == (1, b"psp.yaml:22:3: warnin")


def test_one_within_a_hardening_policy_is_wrong_at_its_place_there():
    broken = stated({"allowedUnsafeSysctls": ["a*b*"]})

    with pytest.raises(ConfigError, match=r"^policy: spec\.podSecurityPolicy\.spec\.allowedUnsafeSysctls"):
        Policy.from_dict(broken)


# Below a ceiling


def below(upper: dict[str, Any], config: dict[str, Any]) -> policies.Policy:
    ceiling = policies.from_data(policies_of(**upper), "platform.yaml")
    return ceilings.restricted_by(ceiling, policies.from_data(config, "functionConfig"))


def test_below_a_ceiling_it_holds_too_and_takes_nothing_away():
    made = below({"level": "restricted"}, yaml.safe_load(RESTRICTED))
    text = "".join(chunk.text.decode() for chunk in Engine(made).both_passes(WEB.encode()))

    pod = yaml.safe_load(text)["spec"]["template"]["spec"]
    # The ceiling's own defaults come first.
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["supplementalGroups"] == [2]
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


LOOSENING = {
    "defaultAddCapabilities": (["NET_RAW"], "spec.defaultAddCapabilities NET_RAW"),
    "defaultAllowPrivilegeEscalation": (True, "spec.defaultAllowPrivilegeEscalation true"),
    "runAsUser": ({"rule": "MustRunAs", "ranges": [{"min": 0, "max": 9}]}, "spec.runAsUser.ranges[0].min 0"),
}


@pytest.mark.parametrize("field", LOOSENING)
def test_below_a_ceiling_it_sets_nothing_weaker(field: str):
    value, said = LOOSENING[field]
    config = yaml.safe_load(RESTRICTED)
    config["spec"] = {**ANY, field: value}

    with pytest.raises(ConfigError) as caught:
        below({"level": "baseline"}, config)

    assert str(caught.value).startswith(f"PodSecurityPolicy restricted: {said} would be written where")


def test_as_the_ceiling_it_holds_below_any_function_config(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED)
    items = [yaml.safe_load(WEB)]
    for config in (None, json.loads(policy_json(level="restricted")), json.loads(policy_json(changes="complete"))):
        ran = run_cli(stdin=resource_list(items, config), KRM_HARDEN_POLICY=str(tmp_path / "psp.yaml"))
        assert ran.code == 0, ran.err
        spec = yaml.safe_load(ran.out)["items"][0]["spec"]["template"]["spec"]
        assert spec["containers"][0]["securityContext"]["runAsUser"] == 1
        assert spec["securityContext"]["fsGroup"] == 3
    exempting = json.loads(policy_json(exemptions=[{"match": {}, "controls": ["podSecurityPolicy"], "reason": "x"}]))
    ran = run_cli(stdin=resource_list(items, exempting), KRM_HARDEN_POLICY=str(tmp_path / "psp.yaml"))
    assert (ran.code, ran.out) == (3, b"")


def policy_json(**spec: Any) -> str:
    return json.dumps({**policies_of(**spec), "metadata": {"name": "team"}})


# Among the manifests

LAX = RESTRICTED.replace("name: restricted", "name: lax").replace("rule: MustRunAs", "rule: RunAsAny")
LAX = LAX.replace("requiredDropCapabilities: [ALL]", "").replace("readOnlyRootFilesystem: true", "")
LAX = LAX.replace("allowPrivilegeEscalation: false", "")


def role(policy_: str) -> dict[str, Any]:
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": [policy_]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"psp-{policy_}"},
        "rules": [rule],
    }


def binding(policy_: str, namespace: str, **subject: Any) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "psp"} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"psp-{policy_}"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", **subject}],
    }


def deployment(namespace: str) -> dict[str, Any]:
    made = yaml.safe_load(WEB)
    made["metadata"] = {"name": "web"} | ({"namespace": namespace} if namespace else {})
    return made


POLICIES = [yaml.safe_load(RESTRICTED), yaml.safe_load(LAX)]
RBAC = [
    role("restricted"),
    role("lax"),
    binding("restricted", "shop", name="system:serviceaccounts:shop"),
    binding("lax", "lab", name="system:authenticated"),
]


def function(items: list[Any], config: dict[str, Any] | None = None) -> Any:
    ran = run_cli(stdin=resource_list(items, config))
    return ran, yaml.safe_load(ran.out) if ran.out else None


def users(found: Any) -> dict[str, Any]:
    """The user of each Deployment, by its namespace."""
    pods = {
        item["metadata"].get("namespace", ""): item["spec"]["template"]["spec"]["containers"][0]
        for item in found["items"]
        if item["kind"] == "Deployment"
    }
    return {name: one.get("securityContext", {}).get("runAsUser") for name, one in pods.items()}


def test_among_the_items_each_workload_gets_the_policy_that_its_rbac_lets_it_use():
    workloads = [deployment(name) for name in ("shop", "lab", "other")]
    ran, found = function([*POLICIES, *RBAC, *workloads])

    assert ran.code == 1
    assert users(found) == {"shop": 1, "lab": None, "other": None}
    assert found["items"][: len(POLICIES) + len(RBAC)] == [*POLICIES, *RBAC]
    said = [one["message"] for one in found["results"] if "PodSecurityPolic" in one["message"]]
    assert "gets PodSecurityPolicy restricted, by RoleBinding shop/psp -> ClusterRole psp-restricted" in said
    assert "gets PodSecurityPolicy lax, by RoleBinding lab/psp -> ClusterRole psp-lax" in said
    (error,) = [one for one in found["results"] if one["severity"] == "error"]
    accounts = "ServiceAccount other/default or ServiceAccount kube-system/replicaset-controller"
    assert f"no PodSecurityPolicy may be used by {accounts}" in error["message"]
    assert "warning: no policy is given: the PodSecurityPolicies restricted, lax among the manifests hold" in ran.err


@pytest.mark.parametrize(
    ("version", "kind", "user"),
    [("argoproj.io/v1alpha1", "Rollout", 1), ("apps/v1", "Deployment", 1), ("apps.kruise.io/v1", "StatefulSet", None)],
)
def test_what_a_controller_may_use_counts_for_the_kinds_whose_pods_it_makes(version: str, kind: str, user: int | None):
    """Another group's StatefulSet is another controller's."""
    allowed = binding("restricted", "shop", name="system:authenticated")
    found = [*POLICIES, *RBAC[:2], allowed, {**deployment("shop"), "apiVersion": version, "kind": kind}]
    declared = [{"group": "apps.kruise.io", "kind": "StatefulSet", "podSpecs": ["/spec/template/spec"]}]
    config = policies_of(level="privileged", podSecurityPolicies="items", kinds=declared)

    made = function(found, config)[1]["items"][-1]

    assert made["spec"]["template"]["spec"]["containers"][0].get("securityContext", {}).get("runAsUser") == user


def test_the_items_of_a_list_of_one_kind_need_not_say_their_kind(tmp_path: Path):
    for kind, objects in {"PodSecurityPolicy": POLICIES, "ClusterRole": RBAC[:2], "RoleBinding": RBAC[2:]}.items():
        items = [{key: value for key, value in one.items() if key not in {"kind", "apiVersion"}} for one in objects]
        listed = {"apiVersion": objects[0]["apiVersion"], "kind": f"{kind}List", "items": items}
        (tmp_path / f"{kind}.yaml").write_text(yaml.safe_dump(listed))
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "policy.yaml").write_text(policy_json(level="privileged", podSecurityPolicies="items"))

    ran = run_cli("fix", "--policy", "policy.yaml", "--exclude", "policy.yaml", ".", cwd=tmp_path)

    assert ran.code == 0, ran.err
    assert "runAsUser: 1\n" in (tmp_path / "web.yaml").read_text()


def test_a_binding_without_a_namespace_is_for_the_workloads_without_one():
    bound = [role("restricted"), role("lax"), binding("restricted", "", kind="ServiceAccount", name="default")]
    del bound[-1]["subjects"][0]["apiGroup"]
    ran, found = function([*POLICIES, *bound, deployment(""), deployment("shop")])

    assert ran.code == 1
    assert users(found) == {"": 1, "shop": None}


def test_one_that_nobody_binds_holds_for_all():
    ran, found = function([POLICIES[0], deployment("shop"), deployment("lab")])

    assert ran.code == 0
    assert users(found) == {"shop": 1, "lab": 1}


def test_several_that_nobody_binds_are_no_policy():
    ran, found = function([*POLICIES, deployment("shop")])

    assert (ran.code, found) == (3, None)
    assert "PodSecurityPolicies restricted, lax, and nothing says who may use which; add the Roles" in ran.err


def test_beside_a_hardening_policy_they_count_only_if_it_says_so():
    items = [*POLICIES, *RBAC, deployment("shop")]
    ignoring = function(items, policies_of(level="privileged"))
    asking = function(items, policies_of(level="privileged", podSecurityPolicies="items"))

    assert users(ignoring[1]) == {"shop": None}
    (note,) = ignoring[1]["results"]
    assert (note["severity"], ignoring[0].err) == ("info", "")
    assert note["message"].startswith("nothing is made of the PodSecurityPolicies restricted, lax among the manifests")
    assert users(asking[1]) == {"shop": 1}


def test_below_a_ceiling_those_among_the_items_set_nothing_weaker():
    weak = {**POLICIES[0], "spec": {**POLICIES[0]["spec"], "defaultAddCapabilities": ["NET_RAW"]}}
    config = policies_of(podSecurityPolicies="items")
    upper = policies.from_data(policies_of(level="baseline"), "platform.yaml")
    chunks = [yaml.safe_dump(weak).encode(), WEB.encode()]

    with pytest.raises(ConfigError, match="loosens the policy team"):
        _policies.with_items(_policies.effective(config, "functionConfig", upper), chunks, ceiling="team")


def test_on_the_command_line_they_are_gathered_of_all_files(tmp_path: Path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/psp.yaml").write_text(yaml.safe_dump_all(POLICIES))
    (tmp_path / "policies/rbac.yaml").write_text(yaml.safe_dump_all(RBAC))
    (tmp_path / "a-web.yaml").write_text(WEB)
    (tmp_path / "policy.yaml").write_text(policy_json(level="privileged", podSecurityPolicies="items"))
    paths = ["a-web.yaml", "policies"]

    before = run_cli("check", "--policy", "policy.yaml", *paths, cwd=tmp_path)
    ran = run_cli("fix", "--policy", "policy.yaml", *paths, cwd=tmp_path)
    after = run_cli("check", "--policy", "policy.yaml", "-o", "json", *paths, cwd=tmp_path)

    assert (before.code, ran.code, after.code) == (1, 0, 0), ran.err
    assert b"gets PodSecurityPolicy restricted, by RoleBinding shop/psp" in before.out
    assert "runAsUser: 1\n" in (tmp_path / "a-web.yaml").read_text()
    (resource,) = json.loads(after.out)["resources"]
    evidence = "RoleBinding shop/psp -> ClusterRole psp-restricted"
    assert resource["podSecurityPolicies"] == [{"name": "restricted", "evidence": evidence, "message": ""}]


# Through the real clients


def package(folder: Path) -> Path:
    folder.mkdir()
    (folder / "web.yaml").write_text(WEB)
    (folder / "psp.yaml").write_text(RESTRICTED)
    (folder / "kustomization.yaml").write_text("resources: [web.yaml]\ntransformers: [psp.yaml]\n")
    return folder


def written_in(deployment_: Any) -> dict[str, Any]:
    pod = deployment_["spec"]["template"]["spec"]
    return {"securityContext": pod["securityContext"], "container": pod["containers"][0]["securityContext"]}


@pytest.mark.parametrize("kustomize", ["kustomize", "kustomize-5.5.0"])
def test_kustomize_takes_it_as_a_transformer(kustomize: str, tmp_path: Path):
    ran = build(package(tmp_path / "package"), kustomize=kustomize)

    assert ran.code == 0, ran.err
    assert written_in(yaml.safe_load(ran.out)) == WRITTEN


def test_kpt_takes_it_as_function_config_and_keeps_every_comment(tmp_path: Path):
    folder = package(tmp_path / "package")
    (folder / "kustomization.yaml").unlink()
    (folder / "psp.yaml").rename(tmp_path / "psp.yaml")
    for _ in range(2):
        ran = kpt("eval", folder, "--exec", "krm-harden", "--fn-config", tmp_path / "psp.yaml")
        assert ran.code == 0, ran.err
    text = (folder / "web.yaml").read_text()

    assert written_in(yaml.safe_load(text)) == WRITTEN
    for comment in ("# the shop", "# only one", "# pinned by CI"):
        assert comment in text


def test_fix_and_the_filter_of_manifests_write_the_same(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED)
    (tmp_path / "web.yaml").write_text(WEB)
    filtered = run_client("krm-harden", "fix", "--policy", tmp_path / "psp.yaml", "-", stdin=WEB.encode())
    fixed = run_cli("fix", "--policy", "psp.yaml", "web.yaml", cwd=tmp_path)
    by_helm = run_cli("helm", "--policy", "psp.yaml", stdin=WEB.encode(), cwd=tmp_path)

    assert (filtered.code, fixed.code, by_helm.code) == (0, 0, 0)
    assert filtered.out == (tmp_path / "web.yaml").read_bytes() == by_helm.out
    assert written_in(yaml.safe_load(filtered.out)) == WRITTEN


def test_it_is_explained_in_words(tmp_path: Path):
    (tmp_path / "psp.yaml").write_text(RESTRICTED)
    page = run_cli("explain", "psp.yaml", cwd=tmp_path).out.decode()
    field = run_cli("explain", "podSecurityPolicy.runAsUser").out.decode()

    assert "runAsUser: {rule: MustRunAs, ranges: [{min: 1, max: 65535}]}" in page
    assert field.startswith("podSecurityPolicy.runAsUser: ")

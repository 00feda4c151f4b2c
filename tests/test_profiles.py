"""Profiles, and several policies as one: what each says, which word wins, and that neither gets round a ceiling."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import clients
import pytest
from conftest import clean_environment, run_cli
from hypothesis import given
from test_trust import ITEMS, resource_list, values

from krm_harden import Policy, ceilings, controls, harden, merging, profiles, schema
from krm_harden import policy as policies
from krm_harden.errors import ConfigError
from krm_harden.source import read

if TYPE_CHECKING:
    from pathlib import Path

HEAD = f"apiVersion: {schema.API_VERSION}\nkind: {schema.KIND}\nmetadata: {{name: NAME}}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""
DEPLOYMENT_LIST = clients.resource_list(DEPLOYMENT).encode()
JOB = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("Deployment", "Job")


def whole(spec: dict[str, Any], name: str = "team") -> dict[str, Any]:
    return {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": name}, "spec": spec}


def made(spec: dict[str, Any], name: str = "team") -> policies.Policy:
    return policies.from_data(whole(spec, name), f"{name}.yaml")


def effective(policy: policies.Policy) -> dict[str, Any]:
    return policy.effective(())


def pod(text: str = DEPLOYMENT, **spec: Any) -> dict[str, Any]:
    return read(harden(text, Policy.from_dict(whole(spec))).text).data["spec"]["template"]["spec"]


def with_pod(said: str) -> str:
    """The Deployment with more lines in its pod's spec."""
    return DEPLOYMENT.replace("      containers:", f"      {said}\n      containers:")


def with_container(said: str) -> str:
    return f"{DEPLOYMENT}        {said}\n"


# What each profile says


def test_each_profile_is_known_described_and_valid():
    assert set(profiles.PROFILES) == set(profiles.FOR) == set(schema.PROFILES)
    for spec in profiles.PROFILES.values():
        assert list(schema.problems(spec, schema.spec_schema(), "spec")) == []
        assert not {"profile", "rules", "exemptions", "images", "target"} & set(spec)


def test_restricted_is_the_default():
    assert effective(made({"profile": "restricted"})) == effective(made({}))


def test_baseline_writes_nothing_to_workloads_and_refuses_what_baseline_does():
    assert harden(DEPLOYMENT, Policy.from_dict(whole({"profile": "baseline"}))).text == DEPLOYMENT
    result = harden(with_pod("hostNetwork: true"), Policy.from_dict(whole({"profile": "baseline"})))
    assert [(finding.control, finding.severity) for finding in result.findings] == [("hostNamespaces", "error")]


def test_psp_restricted_writes_what_the_podsecuritypolicy_defaulted_and_nothing_else():
    spec = pod(profile="psp-restricted")

    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(spec) == {"containers", "securityContext"}


@pytest.mark.parametrize(
    "text",
    [
        with_container("securityContext: {privileged: true}"),
        with_container("securityContext: {allowPrivilegeEscalation: true}"),
        with_container("securityContext: {capabilities: {add: [NET_ADMIN]}}"),
        with_container("securityContext: {procMount: Unmasked}"),
        with_container("securityContext: {runAsUser: 0}"),
        with_container("securityContext: {runAsNonRoot: false}"),
        with_container("securityContext: {seccompProfile: {type: Unconfined}}"),
        with_container("securityContext: {appArmorProfile: {type: Unconfined}}"),
        with_container("ports: [{containerPort: 80, hostPort: 80}]"),
        with_pod("hostNetwork: true"),
        with_pod("hostPID: true"),
        with_pod("hostIPC: true"),
        with_pod("volumes: [{name: a, hostPath: {path: /}}]"),
        with_pod("volumes: [{name: a, nfs: {server: b, path: /}}]"),
        with_pod("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"),
    ],
)
def test_psp_restricted_refuses_what_the_podsecuritypolicy_refused(text):
    result = harden(text, Policy.from_dict(whole({"profile": "psp-restricted"})))

    assert "error" in {finding.severity for finding in result.findings}
    assert not result.allowed


@pytest.mark.parametrize("volume", ["configMap", "secret", "emptyDir", "projected", "downwardAPI", "csi", "ephemeral"])
def test_psp_restricted_takes_the_volumes_that_the_podsecuritypolicy_listed(volume):
    text = with_pod(f"volumes: [{{name: a, {volume}: {{}}}}]")

    assert harden(text, Policy.from_dict(whole({"profile": "psp-restricted"}))).allowed


def test_psp_restricted_leaves_no_check_of_the_standard_out():
    """What it lets through passes `enforce: restricted` too."""
    on = {
        control.id
        for control in policies.Settings(made({}), effective(made({"profile": "psp-restricted"}))).enabled_controls()
    }

    assert {control.id for control in controls.load().values() if control.standard} <= on
    assert not {control.id for control in controls.load().values() if not control.standard} & on


MESS = [item for item in ITEMS if item["kind"] != "Namespace"]


@pytest.mark.parametrize("command", ["fix", "check"])
def test_audit_warns_and_never_fails(command, tmp_path):
    (tmp_path / "mess.yaml").write_text("---\n".join(json.dumps(item) + "\n" for item in MESS))

    ran = run_cli(command, "--profile", "audit", "mess.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert b"warning: " in ran.out
    assert b"error: " not in ran.out


def test_audit_writes_only_what_is_safe_and_no_job():
    result = harden(f"{DEPLOYMENT}---\n{JOB}", Policy.from_dict(whole({"profile": "audit"})))

    assert {finding.risk for finding in result.findings if finding.state == "fixed"} == {"safe"}
    assert result.text.endswith(f"---\n{JOB}")
    assert result.text != f"{DEPLOYMENT}---\n{JOB}"


# Where a profile may be named


def test_the_policys_own_words_win_over_its_profile():
    said = made({"profile": "audit", "changes": "evidence", "controls": {"seccompProfile": {"enabled": False}}})

    assert effective(said) == effective(
        made(
            {
                "level": "restricted",
                "changes": "evidence",
                "onViolation": "Warn",
                "immutable": "skip",
                "controls": {"seccompProfile": {"enabled": False}},
            }
        )
    )


def test_a_control_of_a_profile_is_changed_by_field():
    said = made(
        {"profile": "psp-restricted", "controls": {"numericUser": {"enabled": True}, "fsGroup": {"required": True}}}
    )

    assert said.effective(())["controls"]["numericUser"] == {"enabled": True}
    assert said.effective(())["controls"]["fsGroup"] == {"enabled": False, "required": True}


@pytest.mark.parametrize("name", schema.PROFILES)
def test_a_configmap_and_the_command_line_mean_the_same(name, tmp_path):
    flat = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": {"profile": name}}
    assert effective(policies.from_data(flat, "functionConfig")) == effective(made({"profile": name}))

    (tmp_path / "policy.yaml").write_text(json.dumps(whole({"profile": name})))
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    named = run_cli("fix", "--diff", "--policy", "policy.yaml", "web.yaml", cwd=tmp_path)
    alone = run_cli("fix", "--diff", "--profile", name, "web.yaml", cwd=tmp_path)

    assert (alone.code, alone.out) == (named.code, named.out)


def test_the_command_lines_profile_takes_the_place_of_a_files(tmp_path):
    (tmp_path / "policy.yaml").write_text(json.dumps(whole({"profile": "audit", "onViolation": "Fail"})))

    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--profile", "baseline", "-o", "json", cwd=tmp_path)

    settings = json.loads(ran.out)["settings"]
    assert (settings["level"]["value"], settings["level"]["from"]) == ("baseline", "profile baseline")
    assert settings["onViolation"]["value"] == "Fail"
    assert settings["changes"]["from"] == "default"


def test_a_function_takes_a_profile():
    ran = run_cli(stdin=resource_list(whole({"profile": "psp-restricted"}), [ITEMS[0]]))

    assert ran.code == 0
    assert b"runAsNonRoot" in ran.out
    assert b"runAsUser" not in ran.out


@pytest.mark.parametrize("name", schema.PROFILES)
def test_kustomize_and_kpt_run_a_function_with_a_profile(name, tmp_path):
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\ntransformers: [policy.yaml]\n")
    (tmp_path / "policy.yaml").write_text(clients.policy(profile=name))
    alone = run_cli("fix", "--profile", name, "-", stdin=DEPLOYMENT.encode())

    built = clients.build(tmp_path)
    evaluated = clients.kpt("eval", "-", "--exec", "krm-harden", "--", f"profile={name}", stdin=DEPLOYMENT_LIST)

    wanted = read(alone.out.decode()).data["spec"]
    assert (built.code, read(built.out.decode()).data["spec"]) == (0, wanted)
    assert (evaluated.code, read(evaluated.out.decode()).data["items"][0]["spec"]) == (0, wanted)


def test_a_rule_names_no_profile():
    with pytest.raises(ConfigError, match=r"spec\.rules\[0\]\.profile is unknown"):
        made({"rules": [{"match": {"kinds": ["Job"]}, "profile": "audit"}]})


def test_an_unknown_profile_is_named_with_those_that_are_known():
    with pytest.raises(
        ConfigError, match=r"^team.yaml: spec\.profile must be one of restricted, .*; did you mean 'baseline'"
    ):
        made({"profile": "basline"})


# Below a ceiling


def below(upper: policies.Policy, lower: policies.Policy) -> dict[str, Any] | None:
    """What holds below a ceiling, None where it is refused."""
    try:
        return effective(ceilings.restricted_by(upper, lower))
    except ConfigError:
        return None


@pytest.mark.parametrize(("upper", "lower"), list(itertools.product(schema.PROFILES, repeat=2)))
def test_a_profile_below_another_is_checked_like_its_own_words(upper, lower):
    """As accepted and as refused as a policy that says the same field by field."""
    outcomes = [
        below(made({"profile": upper}, "platform"), made(said))
        for said in ({"profile": lower}, dict(profiles.PROFILES[lower]))
    ]

    assert outcomes[0] == outcomes[1]
    assert (outcomes[0] is None) == ((upper, lower) not in ACCEPTED)


ACCEPTED = {
    *((name, name) for name in schema.PROFILES),
    *((name, "restricted") for name in schema.PROFILES),
}


def test_what_a_profile_would_loosen_is_shown_where_the_profile_is_named(tmp_path):
    (tmp_path / "platform.yaml").write_text(HEAD.replace("NAME", "platform"))
    (tmp_path / "team.yaml").write_text(f"{HEAD}spec:\n  version: latest\n  profile: baseline\n")

    ran = run_cli("fn", "--policy", "platform.yaml", "team.yaml", stdin=DEPLOYMENT.encode(), cwd=tmp_path)

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err.splitlines() == [
        "krm-harden: error: team.yaml:6:12: spec.profile baseline (level baseline) is softer than restricted, "
        "which the policy platform asks for",
        " 6 |   profile: baseline",
        "   |            ^^^^^^^^",
    ]


def test_what_a_configmap_would_loosen_is_shown_at_its_key(tmp_path):
    (tmp_path / "platform.yaml").write_text(HEAD.replace("NAME", "platform"))
    (tmp_path / "team.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: team}\ndata:\n  changes: complete\n"
        '  runAsUser.enabled: "false"\n'
    )

    ran = run_cli("fn", "--policy", "platform.yaml", "team.yaml", stdin=DEPLOYMENT.encode(), cwd=tmp_path)

    assert ran.err.splitlines() == [
        "krm-harden: error: team.yaml:6:22: spec.controls.runAsUser.enabled false would loosen the policy platform",
        ' 6 |   runAsUser.enabled: "false"',
        "   |                      ^^^^^^^",
    ]


# Several policies


def combined(*specs: dict[str, Any], profile: str | None = None) -> policies.Policy:
    layers = [
        policies.Layer(made(spec).layers[-1].spec, f"{name}.yaml", name)
        for name, spec in zip("abc", specs, strict=False)
    ]
    return merging.combined(layers, profile)


@given(spec=values(schema.spec_schema()))
def test_an_empty_policy_beside_another_changes_nothing(spec):
    try:
        alone = made(spec)
    except ConfigError:
        return
    for both in (combined(spec, {}), combined({}, spec)):
        assert effective(both) == effective(alone)
        assert [stated.match for stated in both.images] == [stated.match for stated in alone.images]
        assert [rule["match"] for rule in both.rules] == [rule["match"] for rule in alone.rules]
        assert both.kinds.keys() == alone.kinds.keys()
        assert len(both.exemptions) == len(alone.exemptions)
        assert len(both.locks) == len(alone.locks)
        assert (both.namespaces, both.server, both.output) == (alone.namespaces, alone.server, alone.output)


@given(upper=values(schema.spec_schema()), lower=values(schema.spec_schema()))
def test_the_later_of_two_policies_has_the_last_word(upper, lower):
    """But for its profile, which is below what any policy says itself."""
    own = {field: value for field, value in lower.items() if field != "profile"}
    try:
        both = combined(upper, own)
    except ConfigError:
        return
    later = made(own)
    for field in policies.HOW_FAR:
        if field in own:
            assert effective(both)[field] == own[field]
    for name, settings in effective(later)["controls"].items():
        assert settings.items() <= effective(both)["controls"][name].items()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"level": "baseline"}, {"level": "restricted"}, {"level": "restricted"}),
        ({"level": "baseline"}, {"changes": "additive"}, {"level": "baseline", "changes": "additive"}),
        ({"profile": "audit"}, {"changes": "complete"}, {"changes": "complete", "onViolation": "Warn"}),
        ({"profile": "audit"}, {"profile": "baseline"}, {"level": "baseline", "changes": "complete"}),
        ({"changes": "evidence"}, {"profile": "audit"}, {"changes": "evidence", "onViolation": "Warn"}),
    ],
)
def test_scalars_of_two_policies(first, second, expected):
    assert expected.items() <= effective(combined(first, second)).items()


def test_controls_add_up_by_field_under_any_of_their_names():
    first = {"controls": {"capabilities_restricted": {"enabled": True, "required": True}}}
    both = combined(first, {"controls": {"capabilities": {"enabled": False}}})

    assert effective(both)["controls"] == {
        "capabilities_baseline": {"enabled": False},
        "capabilities_restricted": {"enabled": False, "required": True},
    }


def test_targets_and_labels_add_up_by_field():
    first = {"target": {"kubernetes": "1.34"}, "namespaces": {"enforce": "baseline", "warn": "restricted"}}
    both = combined(first, {"target": {"platform": "openshift"}, "namespaces": {"enforce": "auto"}})

    assert (both.server, both.platform) == ((1, 34), "openshift")
    assert both.namespaces == {"enforce": "auto", "warn": "restricted"}


def test_of_equally_narrow_images_the_later_policys_counts_and_a_narrower_one_before():
    general, narrow = "registry.example/*", "registry.example/web:*"
    first = {"images": [{"match": general, "uid": 1}, {"match": narrow, "uid": 2}]}
    both = combined(first, {"images": [{"match": general, "uid": 3}]})

    assert both.stated("registry.example/db:1").value("uid") == 3
    assert both.stated("registry.example/web:1").value("uid") == 2
    assert both.stated("registry.example/db:1").evidence("uid") == "b.yaml: images[0] registry.example/*"
    assert both.stated("registry.example/web:1").evidence("uid") == "a.yaml: images[1] registry.example/web:*"


def test_of_equally_narrow_rules_the_later_policys_is_applied_last():
    rule = {"match": {"kinds": ["Deployment"]}}
    both = combined({"rules": [{**rule, "changes": "additive"}]}, {"rules": [{**rule, "changes": "evidence"}]})
    swapped = combined({"rules": [{**rule, "changes": "evidence"}]}, {"rules": [{**rule, "changes": "additive"}]})

    changes = [one.effective(one.rules)["changes"] for one in (both, swapped)]
    assert changes == ["evidence", "additive"]


def test_of_two_declarations_of_a_kind_the_later_policys_counts():
    kind = {"group": "example.com", "kind": "App"}
    both = combined({"kinds": [{**kind, "podSpecs": ["/a"]}]}, {"kinds": [{**kind, "podSpecs": ["/b"]}]})

    assert [shape.spec for shape in both.kinds["example.com", "App"]] == [("b",)]


def test_of_two_locks_the_later_policys_counts():
    def lock(uid: int) -> dict[str, Any]:
        return {"imageLock": {"images": [{"digest": "sha256:0", "images": ["x.example/a:1"], "facts": {"uid": uid}}]}}

    assert combined(lock(5), lock(6)).found("x.example/a:1").value("uid") == 6


def test_an_exemption_that_nothing_needed_is_named_with_its_file(tmp_path):
    exemption = "  exemptions:\n  - {match: {names: [gone]}, controls: ['*'], reason: was there}\n"
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"{HEAD.replace('NAME', 'same')}spec:\n{exemption}")
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)

    ran = run_cli("check", "--policy", "a.yaml", "--policy", "b.yaml", "web.yaml", cwd=tmp_path)

    assert "warning: a.yaml: exemptions[0] exempts from nothing that is here: was there" in ran.err
    assert "warning: b.yaml: exemptions[0] exempts from nothing that is here: was there" in ran.err


# On the command line and in the environment


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A platform's policy and a team's, and a Deployment."""
    (tmp_path / "a.yaml").write_text(
        f"{HEAD.replace('NAME', 'platform')}spec:\n  level: baseline\n  onViolation: Warn\n"
    )
    (tmp_path / "b.yaml").write_text(f"{HEAD.replace('NAME', 'shop')}spec:\n  onViolation: Fail\n")
    (tmp_path / "web.yaml").write_text(with_pod("hostNetwork: true"))
    return tmp_path


@pytest.mark.parametrize(("order", "code"), [("ab", 1), ("ba", 0)])
def test_the_order_of_policies_is_that_of_the_command_line_and_of_the_variable(two, order, code):
    files = [f"{name}.yaml" for name in order]
    words = [word for file in files for word in ("--policy", file)]

    assert run_cli("check", *words, "web.yaml", cwd=two).code == code
    assert run_cli("check", "web.yaml", cwd=two, KRM_HARDEN_POLICY=":".join(files)).code == code


def test_two_policies_are_one_ceiling_of_a_function(two):
    stdin = resource_list(whole({"onViolation": "Warn"}), ITEMS)

    ran = run_cli(stdin=stdin, cwd=two, KRM_HARDEN_POLICY="a.yaml:b.yaml")

    assert ran.code == 3
    assert ran.err.splitlines() == [
        "krm-harden: error: team: spec.onViolation Warn is softer than Fail, which the policy platform + shop asks for"
    ]


@pytest.mark.parametrize("said", ["a.yaml:", ":b.yaml", "a.yaml::b.yaml", ":"])
def test_a_list_with_a_gap_is_an_error(two, said):
    ran = run_cli("check", "web.yaml", cwd=two, KRM_HARDEN_POLICY=said)

    assert ran.code == 3
    assert "KRM_HARDEN_POLICY names a file without a name" in ran.err


def test_a_file_with_the_separator_in_its_name_is_not_taken_for_two(two):
    (two / "a.yaml:b.yaml").write_text(HEAD)

    ran = run_cli("check", "web.yaml", cwd=two, KRM_HARDEN_POLICY="a.yaml:b.yaml")

    assert ran.code == 3
    assert "name that file by --policy" in ran.err


def test_what_is_wrong_with_a_second_policy_is_shown_in_its_file(two):
    (two / "b.yaml").write_text(f"{HEAD}spec:\n  onViolation: Fial\n")

    ran = run_cli("check", "--policy", "a.yaml", "--policy", "b.yaml", "web.yaml", cwd=two)

    assert ran.err.splitlines()[0].startswith(
        "krm-harden: error: b.yaml:5:16: spec.onViolation must be one of Fail, Warn"
    )


def test_two_policies_in_one_file_are_an_error_with_what_to_do(two):
    both = f"{(two / 'a.yaml').read_text()}---\n# shop\n---\n{(two / 'b.yaml').read_text()}"
    (two / "both.yaml").write_text(both)

    ran = run_cli("check", "--policy", "both.yaml", "web.yaml", cwd=two)

    assert ran.code == 3
    assert ran.err.splitlines()[0] == (
        "krm-harden: error: both.yaml:9:1: the file holds 2 documents, and must hold one; "
        "give each a file of its own; --policy takes several"
    )


@pytest.mark.parametrize(
    ("config", "loaded"),
    [({}, []), ({"profile": "audit"}, ["krm_harden.merging", "krm_harden.profiles"])],
    ids=["none", "a profile"],
)
def test_a_function_loads_profiles_only_where_one_is_named(config, loaded, tmp_path):
    script = tmp_path / "modules.py"
    script.write_text(
        "import sys\nsys.argv = ['krm-harden']\nfrom krm_harden.cli import main\nmain()\n"
        "names = ('excerpts', 'hovers', 'merging', 'profiles')\n"
        "print([name for one in names if (name := f'krm_harden.{one}') in sys.modules], file=sys.stderr)\n"
    )

    stdin = resource_list(whole(config), ITEMS[:1])
    done = subprocess.run(
        [sys.executable, script], input=stdin, capture_output=True, env=clean_environment(), timeout=300, check=True
    )

    assert done.stderr.decode().splitlines()[-1] == str(loaded)

"""`check` beyond its findings: many levels and versions, a namespace's labels, what a change of them breaks.

What the API server says comes from the judge `admission`, and from a recording of a real cluster
(data/check/kubectl-get.yaml: kube-apiserver 1.37.1, `kubectl get ns,deploy,rs,pods -o yaml --show-managed-fields`).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import require, run_cli

from krm_harden import admission, source
from krm_harden import policy as policies
from krm_harden.commands import _asked
from krm_harden.errors import ConfigError
from krm_harden.namespaces import PREFIX, Labelled
from krm_harden.resources import resources

DATA = Path(__file__).parent / "data" / "check"
CLUSTER = DATA / "kubectl-get.yaml"
POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\nspec:\n"
SAFE = """\
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: registry.example/web:1
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
"""
PLAIN = "  containers:\n  - name: web\n    image: registry.example/web:1\n"
HOST = "  hostNetwork: true\n" + PLAIN + "    ports:\n    - containerPort: 80\n"
HEAD = ("$schema", "version", "tool", "created")
"""What every report in JSON begins with."""
NO_DETAILS = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
"""The reasons for which a pod that says nothing isn't restricted."""


def pod(name: str = "web", spec: str = PLAIN, namespace: str = "shop", owner: str = "", **status: str) -> str:
    """A Pod; `owner` is a kind and a name."""
    return ("---\napiVersion: v1\nkind: Pod\n" + metadata(name, namespace, owner) + "spec:\n" + spec) + (
        f"status: {json.dumps(status)}\n" if status else ""
    )


def workload(kind: str, name: str = "web", spec: str = PLAIN, namespace: str = "shop", owner: str = "") -> str:
    """What makes pods by `spec.template`."""
    groups = {"Job": "batch/v1", "Rollout": "argoproj.io/v1alpha1", "ReplicationController": "v1"}
    head = f"---\napiVersion: {groups.get(kind, 'apps/v1')}\nkind: {kind}\n" + metadata(name, namespace, owner)
    selector = "" if kind == "Job" else "  selector: {matchLabels: {app: web}}\n"
    indented = "".join(f"    {line}\n" for line in spec.splitlines())
    return f"{head}spec:\n{selector}  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n{indented}"


def cron_job(name: str = "web", spec: str = PLAIN) -> str:
    indented = "".join(f"        {line}\n" for line in spec.splitlines())
    head = f"---\napiVersion: batch/v1\nkind: CronJob\n{metadata(name, 'shop')}"
    return (
        f"{head}spec:\n  schedule: '* * * * *'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n{indented}"
    )


def metadata(name: str, namespace: str, owner: str = "") -> str:
    text = f"metadata:\n  name: {name}\n" + (f"  namespace: {namespace}\n" if namespace else "")
    kind, _, called = owner.partition("/")
    return text + (
        f"  ownerReferences:\n  - {{apiVersion: v1, kind: {kind}, name: {called}, uid: u}}\n" if owner else ""
    )


def namespace(name: str = "shop", **labels: str | float | None) -> str:
    """A Namespace with Pod Security labels: `enforce_version` is enforce-version."""
    named = {PREFIX + key.replace("_", "-"): value for key, value in labels.items()}
    return f"---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {json.dumps(named)}\n"


def check(text: str, *options: str, code: int = 0) -> str:
    """The report of a stream."""
    ran = run_cli("check", *options, "-", stdin=text.encode())
    assert ran.code == code, ran.out.decode() + ran.err
    return ran.out.decode()


def refused(*options: str, text: str = "") -> str:
    """The one line of a command line that is wrong."""
    ran = run_cli("check", *options, "-", stdin=(text or pod()).encode())
    assert (ran.code, ran.out) == (3, b"")
    assert len(ran.err.splitlines()) == 1
    return ran.err


# A table


def test_levels_make_a_table(text_snapshot):
    text = pod("safe", SAFE) + pod("plain") + pod("host", HOST) + workload("Deployment", "host", HOST)

    assert check(text, "--level", "privileged,baseline,restricted", code=1) == text_snapshot


def test_a_range_says_from_which_version_on_it_breaks(text_snapshot):
    text = pod("safe", SAFE) + pod("user", "  securityContext: {runAsNonRoot: true}\n" + PLAIN)

    assert check(text, "--version", "v1.0..latest", code=1) == text_snapshot


def test_levels_and_versions_together(text_snapshot):
    probe = "    livenessProbe: {httpGet: {host: 127.0.0.1, port: 80}}\n"

    assert check(pod(spec=SAFE + probe), "--level", "baseline,restricted", "--version", "v1.32..latest", code=1) == (
        text_snapshot
    )


def test_a_single_level_and_version_is_no_table():
    out = check(pod(), "--level", "restricted", "--version", "v1.20", code=1)

    assert "OBJECT" not in out
    assert 'would violate PodSecurity "restricted:v1.20"' in out


def test_a_table_of_what_is_in_order_passes():
    assert check(pod(spec=SAFE), "--level", "baseline,restricted") == (
        "OBJECT        BASELINE  RESTRICTED\nPod/shop/web  allowed   allowed\n"
    )


@pytest.mark.parametrize(
    "options", [["--level", "baseline", "--level", "restricted"], ["--level", "baseline, restricted"]]
)
def test_levels_are_asked_for_in_several_ways(options):
    assert check(pod(), *options, code=1) == check(pod(), "--level", "baseline,restricted", code=1)


def test_several_files_make_one_table(tmp_path):
    (tmp_path / "a.yaml").write_text(pod("a").removeprefix("---\n"))
    (tmp_path / "b.yaml").write_text(pod("b").removeprefix("---\n"))

    ran = run_cli("check", "--level", "baseline,restricted", ".", cwd=tmp_path)
    lines = ran.out.decode().splitlines()

    assert ran.code == 1
    assert lines[:3] == [
        "OBJECT      BASELINE  RESTRICTED",
        "Pod/shop/a  allowed   refused",
        "Pod/shop/b  allowed   refused",
    ]
    assert [line.split(": restricted latest: refused: ")[0] for line in lines[4:]] == [
        "a.yaml:1: Pod/shop/a",
        "b.yaml:1: Pod/shop/b",
    ]


def test_the_versions_of_a_message_are_those_of_the_judge():
    """Every span, beside the judge at each of its versions."""
    text = pod(spec=HOST) + workload("Deployment", spec=HOST)
    versions = [f"v1.{minor}" for minor in range(38)]
    report = json.loads(
        check(text, "--version", "v1.0..latest", "--level", "baseline,restricted", "-o", "json", code=1)
    )

    ours = {
        (found["kind"], found["level"], version): found["message"]
        for found in report["verdicts"]
        for version in versions[versions.index(found["fromVersion"]) : versions.index(found["toVersion"]) + 1]
    }

    assert len(ours) == 2 * 2 * len(versions)
    for level in ("baseline", "restricted"):
        for version in versions:
            judged = answers(text, level, version)
            for kind, said in zip(("Pod", "Deployment"), judged, strict=True):
                assert said.endswith(
                    f'violate{"s" if kind == "Pod" else ""} PodSecurity "{level}:{version}": {ours[kind, level, version]}'
                )


def answers(text: str, level: str, version: str) -> list[str]:
    """What the API server says to each object of a stream, its refusal or its warning; empty where it is content."""
    done = subprocess.run(
        [require("admission"), "-level", level, "-version", version],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    said = map(json.loads, done.stdout.splitlines())
    return [one.get("message") or "".join(one.get("warnings", [])) for one in said]


def exemptions(expires: str = "2099-01-01", more: str = "") -> str:
    match = "- match: {names: [host]}\n    controls: [hostNamespaces, hostPorts]\n    reason: it is a router\n"
    return f"{POLICY}{more}  exemptions:\n  {match}    expires: {expires}\n"


@pytest.mark.parametrize(
    ("policy", "state", "code"),
    [
        (exemptions(), "exempt", 0),
        (exemptions("2020-01-01"), "refused", 1),
        (exemptions().replace("hostPorts", "privileged"), "refused", 1),
        (exemptions().replace("[host]", "[web]"), "refused", 1),
        (exemptions("2020-01-01", "  onViolation: Warn\n"), "refused", 0),
    ],
    ids=["all", "expired", "half", "another", "warn"],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_exempt_cells(policy, state, code, output, tmp_path):
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "app.yaml").write_text(pod("host", HOST))

    ran = run_cli(
        "check", "--policy", "policy.yaml", "--level", "privileged,baseline", "-o", output, "app.yaml", cwd=tmp_path
    )

    assert ran.code == code
    if output == "json":
        assert [found["state"] for found in json.loads(ran.out)["verdicts"]] == ["allowed", state]
    else:
        assert ran.out.decode().splitlines()[1].split() == ["Pod/shop/host", "allowed", state]


def test_a_table_in_json():
    report = json.loads(check(pod("host", HOST).removeprefix("---\n"), "--version", "v1.0..v1.8", "-o", "json", code=1))

    assert set(report) == {*HEAD, "verdicts", "notExamined", "errors"}
    assert [(found["fromVersion"], found["toVersion"], found["checks"]) for found in report["verdicts"]] == [
        ("v1.0", "v1.7", ["hostNamespaces", "hostPorts", "runAsNonRoot"]),
        ("v1.8", "v1.8", ["hostNamespaces", "hostPorts", "allowPrivilegeEscalation", "runAsNonRoot"]),
    ]
    first = {name: report["verdicts"][0][name] for name in ("file", "line", "apiVersion", "kind", "namespace", "name")}
    assert first == {"file": "-", "line": 1, "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "host"}


UNKNOWN = (
    "---\napiVersion: example.com/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {containers: [{name: a, image: b}]}\n"
)
PATCH = workload("Deployment", "patch", "  containers:\n  - name: web\n    env: []\n")


@pytest.mark.parametrize(
    "mode", [["--level", "baseline,restricted"], ["--as-labelled"], ["--what-breaks", "shop=baseline"]]
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_left_alone_is_listed(mode, output, tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(namespace() + pod("web", SAFE) + PATCH + UNKNOWN)

    ran, strict = (run_cli("check", *mode, "-o", output, *more, file) for more in ((), ("--require-coverage",)))
    said = json.loads(ran.out)["notExamined"] if output == "json" else (ran.out.decode() + ran.err).splitlines()

    assert (ran.code, strict.code) == (0, 1)
    assert len([one for one in said if "a kustomize patch" in str(one)]) == 1
    assert len([one for one in said if "example.com/v1 Fleet isn't known" in str(one)]) == 1


@pytest.mark.parametrize(
    "mode", [["--level", "baseline,restricted"], ["--as-labelled"], ["--what-breaks", "shop=baseline"]]
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_what_cannot_be_read_is_2_and_the_rest_is_judged(mode, output):
    text = namespace(audit="baseline") + pod("host", HOST) + "---\nkind: Pod\nspec: [\n"
    line = len(text.splitlines()) + 1

    ran = run_cli("check", *mode, "-o", output, "-", stdin=text.encode())

    assert ran.code == 2
    assert b"host" in ran.out
    assert f"line {line}" in (ran.out.decode() if output == "json" else ran.err)


@pytest.mark.parametrize(
    "mode", [[], ["--level", "baseline,restricted"], ["--as-labelled"], ["--what-breaks", "a=baseline"]]
)
def test_no_document_at_all_is_no_success(mode):
    assert run_cli("check", *mode, "-", stdin=b"\n").code == 2
    assert run_cli("check", *mode, "--allow-empty", "-", stdin=b"\n").code == 0


# Levels and versions, as asked for


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("latest", ["latest"]),
        ("v1.20", ["v1.20"]),
        ("v1.99", ["v1.99"]),
        ("v1.20..v1.22", ["v1.20", "v1.21", "v1.22"]),
        ("v1.36..latest", ["v1.36", "v1.37"]),
        ("v1.36..", ["v1.36", "v1.37"]),
        ("v1.36..v1.99", ["v1.36", "v1.37"]),
        ("v1.37..latest", ["v1.37"]),
        ("v1.30,v1.8", ["v1.8", "v1.30"]),
        ("v1.8, v1.30, v1.8", ["v1.8", "v1.30"]),
        ("v1.8,v1.36..latest", ["v1.8", "v1.36", "v1.37"]),
    ],
)
def test_versions(said, found):
    assert _asked.versions(said) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [("v1.32..latest", ["v1.32", "v1.33", "v1.34"]), ("v1.33..v1.37", ["v1.33", "v1.34"]), ("v1.36", ["v1.36"])],
)
def test_a_range_ends_at_the_target(said, found):
    assert _asked.versions(said, (1, 34)) == found


@pytest.mark.parametrize(
    "said",
    [
        "",
        "1.30",
        "v1.30.1",
        "v2.0",
        "v1.007",
        "v1.",
        "Latest",
        "lates",
        "v1.8,",
        "..v1.20",
        "v1.8..v1.9..v1.10",
        "v1.30..v1.20",
    ],
)
def test_a_wrong_version_is_one_line(said):
    assert refused("--version", said).startswith("krm-harden: error: --version ")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Restricted", "did you mean restricted?"),
        ("restrictd", "did you mean restricted?"),
        ("base,line", "'base'"),
        ("", "''"),
    ],
)
def test_a_wrong_level_is_one_line(said, hint):
    line = refused("--level", said)

    assert "--level must be one of privileged, baseline, restricted" in line
    assert hint in line


@pytest.mark.parametrize(
    "options",
    [
        ["--as-labelled", "--level", "baseline"],
        ["--as-labelled", "--version", "latest"],
        ["--as-labelled", "--what-breaks", "shop=baseline"],
        ["--what-breaks", "shop=baseline", "--level", "baseline"],
        ["--what-breaks", "shop=baseline", "--version", "latest"],
    ],
)
def test_modes_exclude_each_other(options):
    assert "exclude each other" in refused(*options)


SINCE_1_35 = (
    "  hostUsers: false\n  securityContext: {runAsUser: 0, seccompProfile: {type: RuntimeDefault}}\n"
    + "".join(SAFE.splitlines(keepends=True)[1:])
)
"""A pod that newer versions allow: root of a user namespace."""


@pytest.mark.parametrize(
    ("target", "version", "code"),
    [("1.37", "latest", 0), ("1.34", "latest", 1), ("1.34", "v1.36", 1), ("1.37", "v1.34", 1), ("1.37", "v1.99", 0)],
)
def test_the_target_caps_the_version(target, version, code, tmp_path):
    (tmp_path / "policy.yaml").write_text(
        f"{POLICY}  target: {{kubernetes: '{target}'}}\n  controls: {{numericUser: {{enabled: false}}}}\n"
    )

    ran = run_cli(
        "check", "--policy", "policy.yaml", "--version", version, "-", stdin=pod(spec=SINCE_1_35).encode(), cwd=tmp_path
    )
    labelled = run_cli(
        *("check", "--policy", "policy.yaml", "--as-labelled", "-"),
        stdin=(namespace(enforce="restricted", enforce_version=version) + pod(spec=SINCE_1_35)).encode(),
        cwd=tmp_path,
    )
    breaking = run_cli(
        *("check", "--policy", "policy.yaml", "--what-breaks", f"shop=restricted:{version}", "-"),
        stdin=(namespace() + pod(spec=SINCE_1_35)).encode(),
        cwd=tmp_path,
    )

    assert (ran.code, labelled.code, breaking.code) == (code, code, code)


# As labelled


P, B, R = "privileged", "baseline", "restricted"
POLICIES = [
    # labels, enforce, audit, warn, labels that are wrong
    ({}, f"{P}:latest", f"{P}:latest", f"{P}:latest", []),
    ({"enforce": B}, f"{B}:latest", f"{P}:latest", f"{B}:latest", []),
    ({"enforce": R, "enforce-version": "v1.20"}, f"{R}:v1.20", f"{P}:latest", f"{R}:v1.20", []),
    ({"enforce": R, "enforce-version": "v1.99"}, f"{R}:v1.99", f"{P}:latest", f"{R}:v1.99", []),
    ({"enforce-version": "v1.20"}, f"{P}:v1.20", f"{P}:latest", f"{P}:latest", []),
    ({"enforce": P, "enforce-version": "v1.20"}, f"{P}:v1.20", f"{P}:latest", f"{P}:latest", []),
    ({"enforce": R, "warn-version": "v1.30"}, f"{R}:latest", f"{P}:latest", f"{R}:v1.30", []),
    (
        {"enforce": R, "enforce-version": "v1.20", "warn-version": "v1.30"},
        *(f"{R}:v1.20", f"{P}:latest", f"{R}:v1.30"),
        [],
    ),
    ({"enforce": R, "enforce-version": "v1.20", "warn": B}, f"{R}:v1.20", f"{P}:latest", f"{B}:latest", []),
    ({"enforce": R, "warn": P}, f"{R}:latest", f"{P}:latest", f"{P}:latest", []),
    ({"enforce": B, "warn": R}, f"{B}:latest", f"{P}:latest", f"{R}:latest", []),
    ({"enforce": R, "audit-version": "v1.30"}, f"{R}:latest", f"{P}:v1.30", f"{R}:latest", []),
    ({"audit": R, "audit-version": "v1.8"}, f"{P}:latest", f"{R}:v1.8", f"{P}:latest", []),
    ({"warn": R, "warn-version": "v1.8"}, f"{P}:latest", f"{P}:latest", f"{R}:v1.8", []),
    # What can't be read is enforced as restricted, and then not warned about; nor is what is wrong in audit and warn.
    ({"enforce": "Restricted"}, f"{R}:latest", f"{P}:latest", f"{P}:latest", ["enforce"]),
    ({"enforce": "foo", "enforce-version": "v1.20"}, f"{R}:v1.20", f"{P}:latest", f"{P}:latest", ["enforce"]),
    ({"enforce": ""}, f"{R}:latest", f"{P}:latest", f"{P}:latest", ["enforce"]),
    ({"audit": "foo"}, f"{P}:latest", f"{P}:latest", f"{P}:latest", ["audit"]),
    ({"enforce": B, "warn": "foo"}, f"{B}:latest", f"{P}:latest", f"{P}:latest", ["warn"]),
    ({"enforce": R, "enforce-version": "1.30"}, f"{R}:latest", f"{P}:latest", f"{R}:latest", ["enforce-version"]),
    ({"enforce": R, "enforce-version": "v1.007"}, f"{R}:latest", f"{P}:latest", f"{R}:latest", ["enforce-version"]),
    ({"audit": R, "audit-version": "v2.0"}, f"{P}:latest", f"{R}:latest", f"{P}:latest", ["audit-version"]),
    (
        {"enforce": R, "enforce-version": "v1.20", "warn-version": "new"},
        *(f"{R}:v1.20", f"{P}:latest", f"{R}:latest"),
        ["warn-version"],
    ),
    (
        {"warn": "w", "audit-version": "1", "enforce": "e", "warn-version": "", "audit": "a", "enforce-version": "2"},
        *(f"{R}:latest", f"{P}:latest", f"{P}:latest"),
        ["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"],
    ),
]


@pytest.mark.parametrize(("labels", "enforce", "audit", "warn", "wrong"), POLICIES)
def test_what_labels_mean(labels, enforce, audit, warn, wrong):
    """Source: pod-security-admission, api/helpers.go, PolicyToEvaluate."""
    found = Labelled({PREFIX + name: value for name, value in labels.items()})

    assert [str(found.enforce), str(found.audit), str(found.warn)] == [enforce, audit, warn]
    assert [name.removeprefix(PREFIX) for name, _ in found.problems] == wrong


def labelled(text: str, *, code: int, options: tuple[str, ...] = ()) -> dict[tuple[str, str], str]:
    """What is said of each object and mode."""
    report = json.loads(check(text, "--as-labelled", "-o", "json", *options, code=code))
    return {(one["kind"], one["mode"]): one["says"] for one in report["answers"]}


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("version", ["latest", "v1.20", "v1.99"])
def test_answers_by_labels_are_the_servers(level, version):
    objects = pod(spec=HOST) + workload("Deployment", spec=HOST)

    said = labelled(namespace(enforce=level, enforce_version=version) + objects, code=1)
    as_pod, as_template = answers(objects, level, version)

    assert said["Pod", "enforce"] == as_pod
    assert said["Deployment", "warn"] == as_template
    # A request that is refused isn't warned about; a controller's own request isn't refused, but its pods are.
    assert (said["Pod", "warn"], said["Pod", "audit"], said["Deployment", "audit"]) == ("", "", "")
    assert said["Deployment", "enforce"] == as_pod.replace('"web" is forbidden', '"web-..." is forbidden')


@pytest.mark.parametrize("mode", ["audit", "warn"])
def test_audit_and_warn_refuse_nothing(mode):
    objects = pod(spec=HOST) + workload("Deployment", spec=HOST)

    said = labelled(namespace(**{mode: "baseline", f"{mode}_version": "v1.30"}) + objects, code=0)
    as_pod, as_template = answers(objects, "baseline", "v1.30")

    assert said["Pod", mode] == as_pod.replace('pods "web" is forbidden: violates', "would violate")
    assert said["Deployment", mode] == as_template
    assert [text for (_, other), text in said.items() if other != mode and text] == []


def test_as_labelled(text_snapshot):
    text = (
        namespace("shop", enforce="baseline", enforce_version="1.30", audit="restricted", warn=None)
        + namespace("lab", enforce_version=1.30)
        + namespace("free")
        + pod("web")
        + pod("host", HOST)
        + workload("Deployment", "host", HOST)
        + workload("Deployment", "host", HOST, namespace="free")
    )

    assert check(text, "--as-labelled", code=1) == text_snapshot


def test_namespaces_may_follow_and_lie_in_other_files(tmp_path):
    (tmp_path / "app.yaml").write_text(pod("host", HOST).removeprefix("---\n"))
    (tmp_path / "namespaces.yaml").write_text(namespace(enforce="baseline"))

    ran = run_cli("check", "--as-labelled", ".", cwd=tmp_path)

    assert ran.code == 1
    assert b'app.yaml:1: error: Pod/shop/host: enforce: pods "host" is forbidden' in ran.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (pod(spec=HOST, namespace="lab"), "the namespace lab isn't in the input"),
        (pod(spec=HOST, namespace=""), "it names no namespace"),
    ],
)
def test_what_has_no_labels_here_is_left_alone(text, reason):
    text = namespace(enforce="restricted") + text

    assert reason in check(text, "--as-labelled")
    check(text, "--as-labelled", "--require-coverage", code=1)
    assert [reason] == [one["reason"] for one in json.loads(check(text, "--as-labelled", "-o", "json"))["notExamined"]]


def test_coverage_is_whole_where_each_namespace_is_there():
    text = (
        namespace(enforce="restricted") + pod(spec=SAFE) + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    )

    check(text, "--as-labelled", "--require-coverage")


@pytest.mark.parametrize(
    ("policy", "severity", "code"),
    [
        (exemptions(), "info", 0),
        (exemptions("2020-01-01"), "error", 1),
        (POLICY + "  onViolation: Warn\n", "warning", 0),
    ],
    ids=["exempt", "expired", "warn"],
)
def test_what_the_policy_knows_does_not_fail(policy, severity, code, tmp_path):
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "app.yaml").write_text(namespace(enforce="baseline", warn="privileged") + pod("host", HOST))

    ran = run_cli("check", "--as-labelled", "--policy", "policy.yaml", "app.yaml", cwd=tmp_path)

    assert ran.code == code
    assert f": {severity}: Pod/shop/host: enforce: pods " in ran.out.decode()


def test_what_is_allowed_is_not_exempt(tmp_path):
    (tmp_path / "policy.yaml").write_text(exemptions())
    (tmp_path / "app.yaml").write_text(namespace(enforce="baseline") + pod("host", SAFE))

    ran = run_cli("check", "--as-labelled", "-o", "json", "--policy", "policy.yaml", "app.yaml", cwd=tmp_path)

    assert [(one["allowed"], one["exempt"]) for one in json.loads(ran.out)["answers"]] == [(True, False)] * 3


# What breaks


def breaks(text: str, asked: str, *, code: int) -> list[str]:
    """The warnings; the last line, which must be there, is left out."""
    lines = check(text, "--what-breaks", asked, code=code).splitlines()
    assert lines[-1] == f"namespace/{asked.partition('=')[0]} labeled (server dry run)"
    assert [line for line in lines[:-1] if not line.startswith("Warning: ")] == []
    return [line.removeprefix("Warning: ") for line in lines[:-1]]


def test_what_breaks(text_snapshot):
    """Groups by their reasons, in the order of whole lines; seccomp's two faults are one reason."""
    unconfined = PLAIN + "    securityContext: {seccompProfile: {type: Unconfined}}\n"
    text = (
        namespace()
        + pod("priv", PLAIN + "    securityContext: {privileged: true}\n")
        + pod("a2")
        + pod("b", unconfined)
        + pod("c", owner="ReplicaSet/c-1", phase="Succeeded")
        + pod("safe", SAFE)
        + pod("elsewhere", HOST, namespace="lab")
        + pod("nonroot", "  securityContext: {runAsNonRoot: true}\n" + PLAIN, phase="Failed")
        + workload("Deployment", "new")
        + workload("StatefulSet", "db")
        + cron_job("nightly", SAFE)
    )

    assert check(text, "--what-breaks", "shop=restricted", code=1) == text_snapshot


def test_lines_are_in_the_order_of_their_bytes():
    """As `kubectl label --dry-run=server` printed them."""
    specs = {
        "a": HOST,
        "b": HOST,
        "a-b": "  hostPID: true\n" + SAFE,
        "a.b": "  hostIPC: true\n" + PLAIN,
        "a0": PLAIN + "    securityContext: {privileged: true}\n",
        "a0b": "  securityContext: {sysctls: [{name: kernel.sem, value: '1'}]}\n" + PLAIN,
        "c": "  securityContext: {sysctls: [{name: kernel.sem, value: '1'}]}\n" + PLAIN,
    }
    text = namespace() + "".join(pod(name, spec) for name, spec in specs.items())

    assert [line.partition(":")[0] for line in breaks(text, "shop=restricted", code=1)[1:]] == [
        "a (and 1 other pod)",
        "a-b",
        "a.b",
        "a0",
        "a0b (and 1 other pod)",
    ]


def test_pods_are_judged_as_the_server_keeps_them():
    """With the host's network, a container's port is one of the host."""
    assert breaks(namespace() + pod(spec=HOST), "shop=baseline", code=1)[1:] == ["web: host namespaces, hostPort"]


def test_the_same_pod_twice_is_one():
    assert breaks(namespace() + pod("b") + pod("a") + pod("b"), "shop=restricted", code=1)[1:] == [
        f"a (and 1 other pod): {NO_DETAILS}"
    ]


LABELS_NOW = [
    # labels, change, whether pods are looked at
    ({}, "shop=privileged", False),
    ({}, "shop=privileged:v1.20", False),
    ({}, "shop=restricted", True),
    ({}, "shop=restricted:v1.20", True),
    ({}, "shop=restricted:v1.99", True),
    ({"enforce": "baseline"}, "shop=restricted", True),
    ({"enforce": "restricted"}, "shop=baseline", False),
    ({"enforce": "restricted"}, "shop=restricted:latest", False),
    ({"enforce": "restricted"}, "shop=restricted:v1.37", True),
    ({"enforce": "restricted", "enforce-version": "v1.20"}, "shop=baseline:v1.20", False),
    ({"enforce": "restricted", "enforce-version": "v1.20"}, "shop=baseline:v1.30", True),
    ({"enforce": "restricted", "enforce-version": "v1.20"}, "shop=restricted:v1.19", True),
    ({"enforce": "baseline", "enforce-version": "v1.20"}, "shop=restricted", True),
    ({"enforce": "wrong"}, "shop=restricted", False),
    ({"enforce": "wrong"}, "shop=restricted:v1.20", True),
    ({"enforce": "baseline", "enforce-version": "wrong"}, "shop=baseline:v1.30", True),
    ({"enforce": "baseline", "enforce-version": "wrong"}, "shop=baseline:latest", False),
    ({"audit": "restricted", "warn": "restricted"}, "shop=restricted", True),
]


@pytest.mark.parametrize(("labels", "asked", "looks"), LABELS_NOW)
def test_which_changes_are_silent(labels, asked, looks):
    """Source: pod-security-admission, admission/admission.go, ValidateNamespace."""
    change = _asked.change(asked)
    old = {PREFIX + name: value for name, value in labels.items()}
    found = admission.what_breaks(policies.Policy({}), "shop", old, change.labels, parsed(pod(spec=HOST)))

    assert (found.invalid, found.changed) == ("", True)
    assert bool(found.pods) is looks


def parsed(text: str) -> list:
    """The resources of a stream."""
    return [one for part in text.split("---\n") if part for one in resources(source.read(part))]


def test_the_namespaces_own_version_stays():
    text = namespace(enforce="baseline", enforce_version="v1.20") + pod()

    assert breaks(text, "shop=restricted", code=1) == [
        'existing pods in namespace "shop" violate the new PodSecurity enforce level "restricted:v1.20"',
        "web: allowPrivilegeEscalation != false, runAsNonRoot != true, seccompProfile",
    ]


@pytest.mark.parametrize("asked", ["shop=baseline", "shop=baseline:v1.20"])
def test_labels_that_are_there_are_not_sent(asked):
    text = namespace(enforce="baseline", enforce_version="v1.20", audit="wrong") + pod(spec=HOST)

    assert check(text, "--what-breaks", asked) == "namespace/shop not labeled (server dry run)\n"


LEVEL = "must be one of privileged, baseline, restricted"
VERSION = 'must be "latest" or "v1.x"'


def invalid(*fields: tuple[str, str, str]) -> str:
    """kubectl's words; with several fields its first line ends in a space."""
    found = [f'metadata.labels[{PREFIX}{name}]: Invalid value: "{value}": {must}' for name, value, must in fields]
    listed = found[0] if len(found) == 1 else "".join(f"\n* {field}" for field in found)
    return f'The Namespace "shop" is invalid: {listed}\n'


@pytest.mark.parametrize(
    ("labels", "asked", "said"),
    [
        ({}, "shop=Restricted", invalid(("enforce", "Restricted", LEVEL))),
        ({}, "shop=", invalid(("enforce", "", LEVEL))),
        ({}, "shop=baseline:1.30", invalid(("enforce-version", "1.30", VERSION))),
        ({}, "shop=baseline:v1.007", invalid(("enforce-version", "v1.007", VERSION))),
        ({}, "shop=baseline:", invalid(("enforce-version", "", VERSION))),
        ({}, "shop=foo:1.30", invalid(("enforce", "foo", LEVEL), ("enforce-version", "1.30", VERSION))),
        # What was wrong before counts as soon as anything else is wrong, or nothing was.
        ({"warn": "w"}, "shop=foo", invalid(("enforce", "foo", LEVEL), ("warn", "w", LEVEL))),
        ({"enforce": "e", "warn": "w"}, "shop=baseline", invalid(("warn", "w", LEVEL))),
        ({"enforce": "e"}, "shop=f", invalid(("enforce", "f", LEVEL))),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_labels_that_the_server_refuses(labels, asked, said, output):
    ran = run_cli(
        "check", "--what-breaks", asked, "-o", output, "-", stdin=(namespace(**labels) + pod(spec=HOST)).encode()
    )

    assert (ran.code, ran.out, ran.err) == (3, b"", said)


def test_what_was_wrong_before_may_stay():
    text = namespace(audit="wrong") + pod(spec=HOST)

    assert breaks(text, "shop=baseline", code=1)[1:] == ["web: host namespaces, hostPort"]


@pytest.mark.parametrize("said", ["shop", "", "=restricted", "restricted"])
def test_a_change_names_a_namespace_and_a_level(said):
    assert "--what-breaks must be NAMESPACE=LEVEL[:VERSION]" in refused("--what-breaks", said)


@pytest.mark.parametrize("text", [namespace() + pod(), pod(), namespace()], ids=["both", "pod", "namespace"])
def test_a_namespace_that_is_spelled_wrong_does_not_pass(text):
    assert "nothing in the input is of the namespace 'shpo' (did you mean shop?)" in refused(
        "--what-breaks", "shpo=restricted", text=text
    )


def test_a_namespace_may_be_in_what_cannot_be_read():
    ran = run_cli(
        "check", "--what-breaks", "lab=restricted", "-", stdin=(pod() + "---\nkind: Namespace\nspec: [\n").encode()
    )

    assert ran.code == 2


def test_without_its_namespace_a_pod_counts_and_the_labels_are_not_known():
    ran = run_cli("check", "--what-breaks", "shop=baseline", "-", stdin=pod(spec=HOST).encode())

    assert ran.code == 1
    assert b"Warning: web: host namespaces, hostPort\n" in ran.out
    assert "Namespace/shop isn't in the input: taken as one without labels" in ran.err


def test_what_names_no_namespace_is_said_on_stderr_only():
    ran = run_cli(
        "check", "--what-breaks", "shop=baseline", "-", stdin=(namespace() + pod(spec=HOST, namespace="")).encode()
    )

    assert (ran.code, ran.out) == (0, b"namespace/shop labeled (server dry run)\n")
    assert "Pod/web was left alone: it names no namespace" in ran.err


def test_exemptions_of_the_policy_play_no_part(tmp_path):
    """The server doesn't know them."""
    (tmp_path / "policy.yaml").write_text(exemptions())

    ran = run_cli(
        *("check", "--policy", "policy.yaml", "--what-breaks", "shop=baseline", "-"),
        stdin=(namespace() + pod("host", HOST)).encode(),
        cwd=tmp_path,
    )

    assert ran.code == 1


def test_what_breaks_in_json():
    text = namespace(enforce="privileged") + pod("host", HOST) + workload("Deployment", spec=HOST)
    report = json.loads(check(text, "--what-breaks", "shop=baseline:v1.30", "-o", "json", code=1))

    assert set(report) == {*HEAD, "whatBreaks", "notExamined", "errors"}
    title = 'in namespace "shop" {} the new PodSecurity enforce level "baseline:v1.30"'
    assert report["whatBreaks"] == {
        "namespace": "shop",
        "labels": {f"{PREFIX}enforce": "baseline", f"{PREFIX}enforce-version": "v1.30"},
        "changed": True,
        "pods": ["existing pods " + title.format("violate"), "host: host namespaces, hostPort"],
        "workloads": [
            "workloads " + title.format("that have no pods here would violate"),
            "Deployment/web: host namespaces, hostPort",
        ],
    }


WITHOUT_PODS = {
    "alone": (workload("Deployment"), ["Deployment/web"]),
    "with-pods": (workload("Deployment") + workload("ReplicaSet", "web-1", owner="Deployment/web"), ["Deployment/web"]),
    "served": (
        workload("Deployment")
        + workload("ReplicaSet", "web-1", owner="Deployment/web")
        + pod(spec=SAFE, owner="ReplicaSet/web-1"),
        [],
    ),
    "owner-not-here": (workload("Deployment") + pod(spec=SAFE, owner="ReplicaSet/web-5d9c"), []),
    "rollout": (workload("Rollout") + pod(spec=SAFE, owner="ReplicaSet/web-5d9c"), []),
    "of-another-name": (workload("Deployment") + pod(spec=SAFE, owner="ReplicaSet/shop-web-5d9c"), ["Deployment/web"]),
    "of-another-kind": (workload("StatefulSet") + pod(spec=SAFE, owner="DaemonSet/web"), ["StatefulSet/web"]),
    "cron-job": (cron_job() + workload("Job", "web-1", owner="CronJob/web") + pod(spec=SAFE, owner="Job/web-1"), []),
    "cron-job-by-name": (cron_job() + pod(spec=SAFE, owner="Job/web-28871"), []),
    "cron-job-before-its-pods": (cron_job() + workload("Job", "web-1", owner="CronJob/web"), ["CronJob/web"]),
    "job-whose-owner-is-not-here": (workload("Job", owner="CronJob/web"), ["Job/web"]),
    "replica-set-whose-owner-is-not-here": (workload("ReplicaSet", owner="Deployment/web"), ["ReplicaSet/web"]),
    "made-by-an-operator": (
        workload("Deployment", "operator", SAFE) + workload("Deployment", owner="Deployment/operator"),
        ["Deployment/web"],
    ),
    "operator-of-what-has-pods": (
        workload("Deployment", "operator")
        + workload("StatefulSet", "db", owner="Deployment/operator")
        + pod("db-0", SAFE, owner="StatefulSet/db"),
        ["Deployment/operator"],
    ),
    "owned-by-a-pod": (pod("runner", SAFE) + workload("Job", owner="Pod/runner"), ["Job/web"]),
    "cycle": (
        workload("Deployment", "a", owner="Deployment/b") + workload("Deployment", "b", owner="Deployment/a"),
        ["Deployment/a", "Deployment/b"],
    ),
    "own-owner": (workload("ReplicaSet", owner="ReplicaSet/web"), ["ReplicaSet/web"]),
    "pod-in-a-cycle": (workload("ReplicaSet", owner="ReplicaSet/web") + pod(spec=SAFE, owner="ReplicaSet/web"), []),
    "elsewhere": (workload("Deployment", namespace="lab"), []),
    "pod-elsewhere": (
        workload("Deployment") + pod(spec=SAFE, namespace="lab", owner="ReplicaSet/web-1"),
        ["Deployment/web"],
    ),
}


@pytest.mark.parametrize("name", WITHOUT_PODS)
def test_workloads_without_pods(name):
    text, expected = WITHOUT_PODS[name]
    found = admission.what_breaks(
        policies.Policy({}), "shop", {}, _asked.change("shop=restricted").labels, parsed(namespace() + text)
    )

    listed = [f"{expected[0]}{others(len(expected) - 1)}: {NO_DETAILS}"] if expected else []
    assert found.pods == ()
    assert list(found.workloads[1:]) == listed


def others(count: int) -> str:
    return f" (and {count} other workload{'s' if count > 1 else ''})" if count else ""


# What kubectl gets from a cluster


@pytest.fixture(scope="module", params=["yaml", "json"])
def cluster(request, tmp_path_factory) -> Path:
    """A List with status, managedFields, owners, defaulted fields and the volumes that the server adds."""
    if request.param == "yaml":
        return CLUSTER
    path = tmp_path_factory.mktemp("cluster") / "kubectl-get.json"
    path.write_text(json.dumps(yaml.safe_load(CLUSTER.read_text()), indent=4))
    return path


def test_the_recording_holds_what_matters():
    text = CLUSTER.read_text()
    wanted = (
        "managedFields:",
        "ownerReferences:",
        "kube-api-access-",
        "containerStatuses:",
        "hostPort: 80",
        "dnsPolicy:",
    )

    assert [word for word in wanted if word not in text] == []


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_verdicts_about_a_cluster_are_the_judges(cluster, level):
    report = json.loads(run_cli("check", "--level", level, "-o", "json", cluster).out)
    judged = subprocess.run(
        [require("psa"), "-level", level, "-version", "latest"],
        input=CLUSTER.read_bytes(),
        capture_output=True,
        check=True,
    )
    theirs = [one for one in map(json.loads, judged.stdout.splitlines()) if one["hasPodSpec"]]

    assert [
        (one["kind"], one["name"], one["allowed"], one["message"])
        for one in report["resources"]
        if one["kind"] != "Namespace"
    ] == [(one["kind"], one["name"], one["allowed"], one.get("message", "")) for one in theirs]
    assert {one["name"]: one["allowed"] for one in theirs} == {
        "web": False,
        "web-5d9c": False,
        "report-0": True,
        "web-5d9c-x7k2p": False,
    }
    assert (report["notExamined"], report["errors"]) == ([], [])


def test_who_owns_an_object_is_who_to_change(cluster):
    """What a fix leaves alone, no finding says that it writes."""
    report = json.loads(run_cli("check", "-o", "json", cluster).out)
    said = {
        (one["kind"], found["reason"].split(" writes ")[0])
        for one in report["resources"]
        for found in one["findings"]
        if found["state"] == "open" and one["kind"] != "Namespace"
    }

    assert said == {
        ("Deployment", "`krm-harden fix`"),
        ("ReplicaSet", "owned by Deployment/web: change its owner"),
        ("Pod", "owned by ReplicaSet/web-5d9c: change its owner"),
    }


@pytest.mark.parametrize(
    ("level", "reasons"),
    [("baseline", "host namespaces, hostPort"), ("restricted", f"host namespaces, hostPort, {NO_DETAILS}")],
)
def test_what_breaks_in_a_cluster(cluster, level, reasons):
    """`kubectl label --dry-run=server` printed exactly this."""
    ran = run_cli("check", "--what-breaks", f"shop={level}", cluster)

    assert (ran.code, ran.err) == (1, "")
    assert ran.out.decode() == (
        f'Warning: existing pods in namespace "shop" violate the new PodSecurity enforce level "{level}:latest"\n'
        f"Warning: web-5d9c-x7k2p: {reasons}\n"
        "namespace/shop labeled (server dry run)\n"
    )


def test_a_cluster_as_labelled(cluster):
    ran = run_cli("check", "--as-labelled", "--require-coverage", cluster)

    assert ran.code == 0
    assert b"Namespace/default: enforce restricted:latest, audit privileged:latest, warn restricted:latest" in ran.out


def test_a_change_is_checked_before_the_input_is_read():
    with pytest.raises(ConfigError, match="must be NAMESPACE=LEVEL"):
        _asked.change("shop")


@pytest.mark.parametrize("version", ["v1." + "9" * 5000, "v1.9223372036854775808"])
def test_a_number_that_go_does_not_read_is_no_version(version, tmp_path):
    labels = f"{{{PREFIX}enforce: restricted, {PREFIX}enforce-version: {version}}}"
    (tmp_path / "shop.yaml").write_text(
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n"
    )

    option = run_cli("check", "--version", version, "shop.yaml", cwd=tmp_path)
    label = run_cli("check", "--as-labelled", "shop.yaml", cwd=tmp_path)

    assert option.code == 3
    assert label.code == 1
    assert "enforce restricted:latest" in label.out.decode()


def test_the_largest_version_is_judged_as_the_newest(tmp_path):
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true}\n")

    ran = run_cli("check", "--version", "v1.9223372036854775807", "pod.yaml", cwd=tmp_path)

    assert ran.code == 1
    assert 'PodSecurity "restricted:v1.9223372036854775807": host namespaces (hostPID=true)' in ran.out.decode()


def test_a_list_of_versions_says_nothing_of_those_in_between(tmp_path):
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true}\n")

    ran = run_cli("check", "--level", "baseline", "--version", "v1.0,v1.31,v1.32", "pod.yaml", cwd=tmp_path)

    assert "Pod/a   refused v1.0, refused v1.31 to v1.32\n" in ran.out.decode()
    assert "baseline v1.31 to v1.32: refused" in ran.out.decode()


@pytest.mark.parametrize(
    "said", [b"Error: chart not found\n", b"kustomize: command not found\n", b"null\n", b"{}\n", b""]
)
def test_a_build_without_objects_is_no_pass(said, tmp_path):
    (tmp_path / "app.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n")

    assert run_cli("check", "-", stdin=said).code == 2
    assert run_cli("check", "-", "app.yaml", stdin=said, cwd=tmp_path).code == 2
    assert run_cli("check", "--allow-empty", "-", stdin=said).code == 0
    assert run_cli("check", "-", stdin=(tmp_path / "app.yaml").read_bytes()).code == 0

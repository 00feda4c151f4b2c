"""`namespaces.enforce: auto`: which Namespaces get the label that refuses pods, and what keeps it from them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import clients
import pytest
import yaml
from conftest import require, run_cli, unified
from hypothesis import given, settings
from hypothesis import strategies as st

from krm_harden import Policy, check, harden, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "pod-security.kubernetes.io/"
ONLY_ENFORCE = {"enforce": "auto", "audit": "none", "warn": "none"}
SPEC = {"namespaces": ONLY_ENFORCE, "onViolation": "Warn"}
"""With Warn a filter writes its output although something stays open."""
WRITTEN = {"enforce": "restricted", "enforce-version": "v1.37"}

Files = dict[str, str]


def policy(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "team", "annotations": {"config.kubernetes.io/local-config": "true"}}
    return {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": metadata, "spec": {**SPEC, **spec}}


def namespace(name: str = "shop", **labels: Any) -> str:
    said = {PREFIX + label.replace("_", "-"): value for label, value in labels.items()}
    written = f"  labels: {json.dumps(said)}\n" if said else ""
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n{written}"


def pod_spec(**fields: Any) -> dict[str, Any]:
    """A pod that gets everything, with other fields of the pod and `container`'s."""
    container = {"name": "main", "image": "registry.example/main:1", **fields.pop("container", {})}
    return {**fields, "containers": [container]}


def workload(kind: str = "Deployment", name: str = "web", namespace: str = "shop", **fields: Any) -> str:
    """A manifest whose pods have `pod_spec(**fields)`."""
    spec = pod_spec(**fields)
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "Pod": ("v1", {"spec": spec}),
        "Deployment": ("apps/v1", {"spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}),
        "DaemonSet": ("apps/v1", {"spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}),
        "CronJob": (
            "batch/v1",
            {"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": _once(template)}}}},
        ),
        "Job": ("batch/v1", {"spec": {"template": _once(template)}}),
    }
    version, body = bodies[kind]
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    data = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
    return yaml.safe_dump(data, sort_keys=False)


def _once(template: dict[str, Any]) -> dict[str, Any]:
    return {**template, "spec": {"restartPolicy": "Never", **template["spec"]}}


BAD = {"hostPID": True}
"""What no fix takes away."""


def labels(text: str) -> dict[str, dict[str, Any]]:
    """The Pod Security labels of each Namespace in a stream, in a list or on its own."""
    found = {}
    for document in yaml.safe_load_all(text):
        for one in (document or {}).get("items", [document]):
            if one and one["kind"] == "Namespace":
                said = one["metadata"].get("labels") or {}
                ours = {key.removeprefix(PREFIX): value for key, value in said.items() if key.startswith(PREFIX)}
                found[one["metadata"]["name"]] = ours
    return found


def written(*texts: str, **spec: Any) -> dict[str, Any]:
    """The labels that the namespace `shop` of these texts, as one input, has after a fix."""
    return labels(harden("---\n".join(texts), Policy.from_dict(policy(**spec))).text)["shop"]


def said(*texts: str, fix: bool = True, **spec: Any) -> list[str]:
    """What is said of enforce labels."""
    result = (harden if fix else check)("---\n".join(texts), Policy.from_dict(policy(**spec)))
    return [one.message for one in result.findings if one.control == "namespaceLabels" and "enforce" in one.path]


# Every way in


SEPARATOR = "---\n# Another file\n"


def _stream(files: Files) -> bytes:
    return SEPARATOR.join(files.values()).encode()


def _by_library(files: Files, _: Path) -> str:
    return harden(_stream(files), Policy.from_dict(policy())).text


def _policy_file(folder: Path) -> Path:
    (folder / "policy").mkdir(exist_ok=True)
    path = folder / "policy/policy.yaml"
    path.write_text(json.dumps(policy()))
    return path


def _folder(files: Files, folder: Path) -> Path:
    (folder / "in").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "in" / name).write_text(text)
    return folder / "in"


def _by_fix_of_a_folder(files: Files, folder: Path) -> str:
    where = _folder(files, folder)
    ran = run_cli("fix", "--policy", _policy_file(folder), where)
    assert ran.code == 0, ran.err
    return SEPARATOR.join((where / name).read_text() for name in files)


def _by_fix_of_a_stream(files: Files, folder: Path) -> str:
    ran = run_cli("fix", "--policy", _policy_file(folder), "-", stdin=_stream(files))
    assert ran.code == 0, ran.err
    return ran.out.decode()


def _by_fn(files: Files, folder: Path) -> str:
    where = _folder(files, folder)
    ran = run_cli("fn", _policy_file(folder), *(where / name for name in files))
    assert ran.code == 0, ran.err
    return ran.out.decode()


def _by_function_in_block_style(files: Files, _: Path) -> str:
    config = yaml.safe_dump(policy(), sort_keys=False)
    return _function(clients.resource_list(*files.values(), config=config).encode())


def _by_function_in_json(files: Files, _: Path) -> str:
    items = [item for text in files.values() for item in yaml.safe_load_all(text)]
    whole = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    return _function(json.dumps({**whole, "functionConfig": policy()}).encode())


def _by_function_in_flow_style(files: Files, _: Path) -> str:
    items = [item for text in files.values() for item in yaml.safe_load_all(text)]
    whole = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    text = yaml.safe_dump({**whole, "functionConfig": policy()}, sort_keys=False)
    lines = yaml.safe_dump(items, default_flow_style=True, width=10**6)
    head, _, tail = text.partition("items:\n")
    return _function(f"{head}items: {lines}{tail[tail.index('functionConfig:') :]}".encode())


def _function(stdin: bytes) -> str:
    ran = run_cli(stdin=stdin)
    assert ran.code == 0, ran.err
    return ran.out.decode()


def _by_kustomize(files: Files, folder: Path) -> str:
    where = _folder(files, folder)
    config = {**policy(), "metadata": yaml.safe_load(clients.policy())["metadata"]}
    (where / "kustomization.yaml").write_text(json.dumps({"resources": list(files), "transformers": ["policy.yaml"]}))
    (where / "policy.yaml").write_text(json.dumps(config))
    ran = clients.build(where)
    assert ran.code == 0, ran.err
    return ran.out.decode()


UNKNOWN = "apiVersion: example.com/v1\nkind: App\nmetadata: {name: app}\nspec: {containers: [{image: a}]}\n"

WAYS: list[Callable[[Files, Path], str]] = [
    _by_library,
    _by_fix_of_a_folder,
    _by_fix_of_a_stream,
    _by_fn,
    _by_function_in_block_style,
    _by_function_in_json,
    _by_function_in_flow_style,
    _by_kustomize,
]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__[4:])
THREE = {
    "1-web.yaml": workload() + "---\n" + namespace("bank"),
    "2-namespaces.yaml": namespace() + "---\n" + namespace("batch") + "---\n" + namespace("empty"),
    "3-more.yaml": workload("CronJob", "night", "batch", **BAD)
    + "---\n"
    + workload("DaemonSet", "log")
    + "---\n"
    + workload("Job", "pay", "bank"),
}
"""The pods of `shop` lie in files before and after its own, those of `batch` don't pass."""


@ways
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the other way round"])
def test_only_namespaces_whose_pods_all_pass_are_enforced(way, order, tmp_path):
    files = dict(list(THREE.items())[::order])

    assert labels(way(files, tmp_path)) == {"shop": WRITTEN, "bank": WRITTEN, "batch": {}, "empty": {}}


@ways
def test_one_pod_without_a_namespace_blocks_every_label(way, tmp_path):
    homeless = {"4-lost.yaml": workload("Job", "lost", "")}

    assert set(map(len, labels(way({**THREE, **homeless}, tmp_path)).values())) == {0}


@ways
def test_a_kind_that_is_not_known_and_holds_containers_blocks_every_label(way, tmp_path):
    made = labels(way({**THREE, "4-app.yaml": UNKNOWN}, tmp_path))

    assert set(map(len, made.values())) == {0}


@pytest.mark.parametrize("way", [_by_library, _by_fix_of_a_stream, _by_fn], ids=lambda way: way.__name__[4:])
def test_a_second_run_changes_no_byte(way, tmp_path):
    first = way(THREE, tmp_path)

    assert way({"all.yaml": first}, tmp_path) == first
    assert PREFIX in first


def test_a_second_run_over_a_folder_changes_no_byte(tmp_path):
    first = dict(zip(THREE, _by_fix_of_a_folder(THREE, tmp_path).split(SEPARATOR), strict=True))

    assert _by_fix_of_a_folder(first, tmp_path) == SEPARATOR.join(first.values())
    assert PREFIX in first["2-namespaces.yaml"]


FUNCTIONS = [_by_function_in_block_style, _by_function_in_json, _by_function_in_flow_style]


@pytest.mark.parametrize("way", FUNCTIONS, ids=lambda way: way.__name__[13:])
def test_a_second_run_of_the_function_changes_no_byte_of_the_items(way, tmp_path):
    first = way(THREE, tmp_path)

    assert _function(first.encode()).partition("results")[0] == first.partition("results")[0]
    assert PREFIX in first.partition("results")[0]


def test_a_diff_shows_the_labels_and_writes_nothing(tmp_path):
    where = _folder(THREE, tmp_path)

    ran = run_cli("fix", "--diff", "--policy", _policy_file(tmp_path), where)

    lines = ran.out.decode().splitlines()
    assert ran.code == 1
    assert lines.count(f"+    {PREFIX}enforce: restricted") == 2
    assert lines.count(f"+    {PREFIX}enforce-version: v1.37") == 2
    assert {name: (where / name).read_text() for name in THREE} == THREE


def test_check_judges_what_is_there_and_not_what_a_fix_would_make_of_it():
    as_it_is = said(namespace(), workload(), fix=False)
    fixed = harden(workload()).text

    assert as_it_is[0].startswith(f"namespace gets no {PREFIX}enforce=restricted: 1 of 1 don't pass restricted:v1.37")
    assert said(namespace(), fixed, fix=False) == [
        f"namespace lacks {PREFIX}enforce=restricted (v1.37): what makes pods of it here passes (1);"
        " what isn't in the input wasn't seen"
    ]
    assert said(namespace(**{**WRITTEN, "enforce_version": "v1.37"}), fixed, fix=False) == []


def test_check_of_a_folder_sees_it_as_one_input(tmp_path):
    where = _folder({name: harden(text).text for name, text in THREE.items()}, tmp_path)

    ran = run_cli("check", "--policy", _policy_file(tmp_path), where)

    said_ = [line for line in ran.out.decode().splitlines() if f"{PREFIX}enforce=" in line]
    assert {line.split("Namespace/")[1].split(":")[0] for line in said_ if " lacks " in line} == {"bank", "shop"}
    assert {line.split("Namespace/")[1].split(":")[0] for line in said_ if " gets no " in line} == {"batch", "empty"}


# What blocks it

TEMPLATE = "kind: Deployment\nmetadata:\n  name: {{ .Values.name }}\n{{- if .x }}\nspec: {}\n{{- end }}\n"
SOPS = workload(name="secret") + "sops: {mac: x}\n"
TWICE = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: []}\nspec: {}\n"
OWNED = workload("Pod", "owned").replace(
    "  name: owned", "  ownerReferences: [{kind: ReplicaSet, name: web}]\n  name: owned"
)
PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {spec: %s}}\n"
BLOCKING = {
    "no pod": ("", "the input has no pod of it"),
    "only pods of another namespace": (workload(namespace="bank"), "the input has no pod of it"),
    "a pod that stays open": (
        workload(**BAD),
        "1 of 1 don't pass restricted:v1.37: Deployment/shop/web (host namespaces)",
    ),
    "one of two": (
        workload() + "---\n" + workload("Job", "b", container={"securityContext": {"privileged": True}}),
        "1 of 2 don't pass restricted:v1.37: Job/shop/b (privileged, allowPrivilegeEscalation != false",
    ),
    "two of one name": (workload(**BAD) + "---\n" + workload(), "1 of 1 don't pass"),
    "two of one name, the other way round": (workload() + "---\n" + workload(**BAD), "1 of 1 don't pass"),
    "a pod without a namespace": (workload() + "---\n" + workload("Job", "b", ""), "no namespace is named by Job/b"),
    "an owned Pod that nobody may change": (OWNED, "1 of 1 don't pass restricted:v1.37: Pod/shop/owned"),
    "an unreadable document": (workload() + "---\nkind: Pod\na: [\n", "not judged: line "),
    "a key that stands twice": (
        workload() + "---\n" + TWICE.replace("spec: {}", "spec: {containers: [{}]}"),
        "not judged: ",
    ),
    "a field of the wrong type": (workload() + "---\n" + workload("Job", "b", hostPID="yes"), "not judged: line "),
    "a template": (workload() + "---\n" + TEMPLATE, "not judged: line "),
    "a kind that isn't known": (workload() + "---\n" + UNKNOWN, "not judged: line "),
    "encrypted by SOPS": (SOPS, "1 of 1 don't pass restricted:v1.37: Deployment/shop/secret (encrypted by SOPS"),
    "a patch with a container": (
        workload("Job", "b") + "---\n" + PATCH % "{containers: [{name: web, command: [x]}]}",
        "1 of 2 don't pass restricted:v1.37: Deployment/shop/web",
    ),
    "a patch without containers": (workload("Job", "b") + "---\n" + PATCH % "{nodeName: a}", "not judged: line "),
    "a pod of a List": (
        "apiVersion: v1\nkind: List\nitems: " + json.dumps([yaml.safe_load(workload(**BAD))]) + "\n",
        "1 of 1 don't pass",
    ),
}
"""Documents beside the Namespace, and how the reason begins."""


@pytest.mark.parametrize("case", BLOCKING)
def test_what_blocks_the_label_is_named(case):
    beside, reason = BLOCKING[case]
    texts = [namespace(), beside] if beside else [namespace()]

    for order in (texts, texts[::-1]):
        messages = said(*order)
        assert [one.partition(": ")[2].startswith(reason) for one in messages] == [True], messages
        assert messages[0].startswith(f"namespace gets no {PREFIX}enforce=restricted: ")
        assert messages[0].endswith("; what isn't in the input wasn't seen")
        assert f"{PREFIX}enforce" not in harden("---\n".join(order), Policy.from_dict(policy())).text


def test_at_most_five_of_many_are_named():
    messages = said(namespace(), *(workload("Job", f"job-{number}", **BAD) for number in range(8)))

    assert messages[0].count("Job/shop/job-") == 5
    assert "8 of 8 don't pass" in messages[0]
    assert " and 3 more; " in messages[0]


def test_a_file_that_cannot_be_judged_is_named(tmp_path):
    files = {**THREE, "4-broken.yaml": "kind: [\n"}

    where = _folder(files, tmp_path)
    ran = run_cli("fix", "--policy", _policy_file(tmp_path), where)

    assert ran.code == 2
    assert f"not judged: {where / '4-broken.yaml'}: line " in ran.out.decode()
    assert labels((where / "2-namespaces.yaml").read_text()) == {"shop": {}, "batch": {}, "empty": {}}


def test_a_kustomize_patch_beside_it_blocks_the_label(tmp_path):
    patched = {
        "kustomization.yaml": "resources: [1-web.yaml]\npatches: [{path: patch.yaml}]\n",
        "patch.yaml": PATCH % "{hostNetwork: true}",
    }

    where = _folder({**THREE, **patched}, tmp_path)
    ran = run_cli("fix", "--policy", _policy_file(tmp_path), where)

    assert f"not judged: {where / 'patch.yaml'}: a kustomize patch of " in ran.out.decode()
    assert labels((where / "2-namespaces.yaml").read_text())["shop"] == {}


SHARED_NODE = """\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  containers:
  - name: a
    image: a
    securityContext: &one {allowPrivilegeEscalation: false}
  - name: b
    image: b
    securityContext: *one
  volumes:
  - name: c
    emptyDir: *one
"""


def test_an_edit_that_is_refused_blocks_the_label():
    """One anchor in places that don't all need the same change."""
    text = f"{SHARED_NODE}---\n{namespace()}"
    result = harden(text, Policy.from_dict(policy()))

    assert len(result.errors) == 1
    assert result.text == text
    assert "not judged: line " in said(text)[0]


@pytest.mark.parametrize("beside", [namespace("bank"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"])
def test_what_makes_no_pod_blocks_nothing(beside):
    assert written(namespace(), workload(), beside) == WRITTEN


# Which label


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, WRITTEN),
        ({"version": "latest"}, WRITTEN),
        ({"version": "v1.99"}, WRITTEN),
        ({"version": "v1.34"}, {**WRITTEN, "enforce-version": "v1.34"}),
        ({"target": {"kubernetes": "1.34"}}, {**WRITTEN, "enforce-version": "v1.34"}),
        ({"target": {"kubernetes": "1.34"}, "version": "v1.30"}, {**WRITTEN, "enforce-version": "v1.30"}),
        ({"namespaces": {**ONLY_ENFORCE, "version": "v1.36"}}, {**WRITTEN, "enforce-version": "v1.36"}),
        ({"namespaces": {**ONLY_ENFORCE, "version": "latest"}, "version": "v1.30"}, WRITTEN),
        ({"level": "baseline"}, {**WRITTEN, "enforce": "baseline"}),
        ({"level": "privileged"}, {}),
        ({"controls": {"namespaceLabels": {"enabled": False}}}, {}),
        (
            {"namespaces": {"enforce": "auto"}, "version": "v1.34"},
            {
                **dict.fromkeys(("enforce", "audit", "warn"), "restricted"),
                **dict.fromkeys(("enforce-version", "audit-version", "warn-version"), "v1.34"),
            },
        ),
    ],
)
def test_the_label_is_the_level_pinned_to_a_version(spec, expected):
    assert written(namespace(), workload(), **spec) == expected


@pytest.mark.parametrize(
    ("given_", "explicit", "expected"),
    [
        ({"enforce": "privileged"}, "respect", {"enforce": "privileged"}),
        ({"enforce": "baseline"}, "respect", {"enforce": "baseline"}),
        (
            {"enforce": "baseline", "enforce_version": "v1.2"},
            "respect",
            {"enforce": "baseline", "enforce-version": "v1.2"},
        ),
        ({"enforce": "restricted"}, "override", {"enforce": "restricted"}),
        (
            {"enforce": "restricted", "enforce_version": "v1.2"},
            "override",
            {"enforce": "restricted", "enforce-version": "v1.2"},
        ),
        ({"enforce": "Restricted"}, "respect", {"enforce": "Restricted"}),
        ({"enforce": "baseline"}, "override", WRITTEN),
        ({"enforce": "Restricted"}, "override", WRITTEN),
        ({"enforce": "baseline", "enforce_version": "v1.37"}, "override", WRITTEN),
        ({"enforce_version": "v1.37"}, "respect", WRITTEN),
        ({"enforce_version": "v1.2"}, "override", {"enforce-version": "v1.2"}),
        (
            {"enforce": "baseline", "enforce_version": "v1.2"},
            "override",
            {"enforce": "baseline", "enforce-version": "v1.2"},
        ),
        ({"enforce_version": "latest"}, "respect", {"enforce-version": "latest"}),
    ],
)
def test_a_label_that_is_there_is_never_lowered(given_, explicit, expected):
    assert written(namespace(**given_), workload(), explicit=explicit) == expected


@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_a_stricter_label_stays_where_the_policy_asks_for_less(level):
    given_ = namespace(enforce="restricted", enforce_version="v1.30")

    assert written(given_, workload(), level=level, explicit="override")["enforce"] == "restricted"


def test_another_version_that_is_there_is_named_as_what_blocks_it():
    assert (
        f"{PREFIX}enforce=restricted: its enforce-version is v1.2, not v1.37; "
        in said(namespace(enforce_version="v1.2"), workload())[0]
    )


@pytest.mark.parametrize("value", [["a"], {"a": "b"}, 5, None, ""])
def test_a_label_that_is_no_text_is_not_trusted(value):
    result = harden(namespace(enforce=value) + "---\n" + workload(), Policy.from_dict(policy()))

    assert labels(result.text)["shop"] == (WRITTEN if value is None else {"enforce": value})


@pytest.mark.parametrize(("required", "severity"), [(False, "warning"), (True, "error")])
def test_a_softer_label_is_an_error_where_the_control_is_required(required, severity):
    spec = policy(controls={"namespaceLabels": {"required": required}}, onViolation="Fail")
    found = harden(namespace(enforce="baseline") + "---\n" + workload(), Policy.from_dict(spec)).findings

    assert [one.severity for one in found if one.control == "namespaceLabels"] == [severity]


def test_system_namespaces_are_left_alone():
    text = namespace("kube-system") + "---\n" + workload(namespace="kube-system")

    assert labels(harden(text, Policy.from_dict(policy())).text) == {"kube-system": {}}


def test_an_exempt_namespace_gets_no_label():
    exemption = {
        "match": {"kinds": ["Namespace"], "namespaces": ["sh*"]},
        "controls": ["namespaceLabels"],
        "reason": "old",
    }

    assert written(namespace(), workload(), exemptions=[exemption]) == {}


def test_exempt_pods_count_by_their_real_verdict():
    exemption = {"match": {"names": ["web"]}, "controls": ["hostNamespaces"], "reason": "known"}
    only_seccomp = {**exemption, "controls": ["readOnlyRootFilesystem"]}

    assert written(namespace(), workload(**BAD), exemptions=[exemption]) == {}
    assert written(namespace(), workload(), exemptions=[only_seccomp]) == WRITTEN


def test_a_rule_for_some_workloads_does_not_lower_the_label():
    """They are hardened to baseline only, and judged by the level that the label would enforce."""
    rules = [{"match": {"names": ["old"]}, "level": "baseline"}]

    assert written(namespace(), workload(), rules=rules) == WRITTEN
    assert written(namespace(), workload(name="old"), rules=rules) == {}
    assert written(namespace(), harden(workload(name="old")).text, rules=rules) == WRITTEN


def test_a_rule_for_the_namespace_does_not_lower_the_label():
    rules = [{"match": {"kinds": ["Namespace"]}, "level": "privileged"}]

    assert written(namespace(), workload(), rules=rules) == WRITTEN


NETWORK = {"hostNetwork": True, "container": {"ports": [{"containerPort": 80}]}}


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_a_pod_is_judged_with_the_defaults_of_the_server(kind):
    """The port of a Pod on the host's network is the host's; a volume without a source is an emptyDir."""
    assert "host namespaces, hostPort" in said(namespace(), workload(kind, **NETWORK))[0]
    assert written(namespace(), workload(kind, volumes=[{"name": "a"}])) == WRITTEN


def test_privileged_and_baseline_pods_pass_where_the_level_is_theirs():
    text = workload(container={"securityContext": {"runAsUser": 0}})

    assert written(namespace(), text) == {}
    assert written(namespace(), text, level="baseline") == {**WRITTEN, "enforce": "baseline"}


@pytest.mark.parametrize(("version", "passes"), [("v1.34", False), ("v1.35", True)])
def test_root_in_a_user_namespace_passes_from_the_version_that_allows_it(version, passes):
    text = workload(**SHAPES["root in a user namespace"])

    assert bool(written(namespace(), text, version=version)) is passes


def test_the_text_of_a_namespace_changes_by_its_labels_only(diff_snapshot):
    text = "# Who owns it\napiVersion: v1\nkind: Namespace # the shop\nmetadata:\n  name: shop\n  labels:\n    team: a # us\n"
    stream = f"{text}---\n{harden(workload()).text}"

    assert unified(stream, harden(stream, Policy.from_dict(policy())).text) == diff_snapshot


# Any set of workloads

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "host network": NETWORK,
    "host process ids": BAD,
    "privileged": {"container": {"securityContext": {"privileged": True}}},
    "root": {"container": {"securityContext": {"runAsUser": 0}}},
    "root in a user namespace": {
        "hostUsers": False,
        "container": {
            "securityContext": {
                "runAsUser": 0,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        },
    },
    "low port": {"container": {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}}},
    "capability": {"container": {"securityContext": {"capabilities": {"add": ["CHOWN"]}}}},
    "volume without source": {"volumes": [{"name": "a"}]},
    "empty folder": {"volumes": [{"name": "a", "emptyDir": {}}]},
    "host path": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]},
    "unconfined": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "no new privileges": {"container": {"securityContext": {"allowPrivilegeEscalation": True}}},
    "sysctl": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    "host port": {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
}
KINDS = ["Pod", "Deployment", "DaemonSet", "CronJob", "Job"]
"""Of the kinds and of the pods; weighted towards what passes."""
_PLAIN = ["plain", "low port", "volume without source", "empty folder"]
_ONE = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["shop", "shop", "bank", "bank", "batch"]),
    st.one_of(st.sampled_from(_PLAIN), st.sampled_from(_PLAIN), st.sampled_from(sorted(SHAPES))),
)
_INPUTS = st.tuples(st.lists(_ONE, max_size=7), st.booleans())


def _documents(drawn: tuple[list[tuple[str, str, str, str]], bool]) -> list[str]:
    made, lost = drawn
    texts = [workload(kind, name, where, **SHAPES[shape]) for kind, name, where, shape in made]
    homeless = [workload("Job", "lost", "")] if lost and len(made) == 7 else []
    return [*texts, *homeless, namespace(), namespace("bank"), namespace("batch")]


def _by_folder(files: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """The labels, by the same code as `fix FOLDER`, without a process."""
    from krm_harden.commands import _run
    from krm_harden.engine import Engine
    from krm_harden.policy import from_data

    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for number, text in enumerate(files):
        (folder / f"{number:02}.yaml").write_text(text)
    engine = Engine(from_data(policy(), "policy"))
    made = _run.process(engine, [str(folder)])
    return labels("---\n".join(one.new.decode() for one in made))


@settings(max_examples=60)
@given(drawn=_INPUTS, shuffled=st.randoms(use_true_random=False), parts=st.integers(1, 5))
def test_a_folder_of_files_in_any_order_is_labelled_as_one_file(drawn, shuffled, parts, tmp_path_factory):
    documents = _documents(drawn)
    expected = labels(harden("---\n".join(documents), Policy.from_dict(policy())).text)

    mixed = list(documents)
    shuffled.shuffle(mixed)
    files = ["---\n".join(mixed[start::parts]) for start in range(parts) if mixed[start::parts]]

    assert _by_folder(files, tmp_path_factory.getbasetemp() / "labelled") == expected


# The API server's own verdict


def _templates(data: dict[str, Any]) -> dict[str, Any]:
    """The pod template of a workload, or the Pod."""
    body = data["spec"]["jobTemplate"] if data["kind"] == "CronJob" else data
    return data if data["kind"] == "Pod" else body["spec"]["template"]


def _pods(text: str) -> list[dict[str, Any]]:
    """The Pods that a namespace's controllers make of a stream."""
    found = []
    for data in yaml.safe_load_all(text):
        if data["kind"] != "Namespace" and data["metadata"].get("namespace"):
            template = _templates(data)
            metadata = {**template.get("metadata", {}), "name": data["metadata"]["name"]}
            metadata["namespace"] = data["metadata"]["namespace"]
            found.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    return found


def _codes(pods: list[dict[str, Any]], level: str, version: str) -> list[int]:
    """What the API server answers to each of some Pods."""
    stdin = "\n---\n".join(map(json.dumps, pods)).encode()
    command = [require("admission"), "-level", level, "-version", version]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=300, check=True)
    codes = [json.loads(line)["code"] for line in done.stdout.splitlines()]
    assert len(codes) == len(pods)
    return codes


_REACH: dict[str, dict[str, Any]] = {
    "restricted": {"explicit": "respect"},
    "restricted, overridden": {"explicit": "override"},
    "baseline": {"level": "baseline"},
}


@pytest.mark.parametrize("reach", _REACH)
def test_every_pod_of_a_labelled_namespace_is_admitted(reach):
    """And where none is labelled for its own pods' sake, the server refuses one of them."""
    level = _REACH[reach].get("level", "restricted")
    labelled: list[dict[str, Any]] = []
    refused: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for number, drawn in enumerate(_examples()):
        made = harden("---\n".join(_documents(drawn)), Policy.from_dict(policy(**_REACH[reach])))
        found = labels(made.text)
        blocked = {
            result.resource.name
            for result in made.resources
            for one in result.findings
            if one.control == "namespaceLabels" and "don't pass" in one.message
        }
        for pod in _pods(made.text):
            where = pod["metadata"]["namespace"]
            if found[where]:
                labelled.append(pod)
            elif where in blocked:
                refused.setdefault((number, where), []).append(pod)

    assert len(labelled) > 20
    assert len(refused) > 20
    assert set(_codes(labelled, level, "v1.37")) == {201}
    codes = iter(_codes([pod for pods in refused.values() for pod in pods], level, "v1.37"))
    answers = {where: {next(codes) for _ in pods} for where, pods in refused.items()}
    assert [where for where, seen in answers.items() if seen == {201}] == []


def _examples() -> list[Any]:
    """Sets of workloads, the same in every run."""
    import random

    choose = random.Random(37)  # noqa: S311 - the same in every run
    shapes = [*_PLAIN * 6, *SHAPES]
    found = []
    for _ in range(60):
        names = [f"{choice}{number}" for number, choice in enumerate("abcdef")]
        ones = [
            (choose.choice(KINDS), name, choose.choice(["shop", "bank", "batch"]), choose.choice(shapes))
            for name in names[: choose.randint(1, 6)]
        ]
        found.append((ones, False))
    return found

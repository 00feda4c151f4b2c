"""`validator: true`: what the function answers as a judge, and where it refuses to be one.

An empty list is what kustomize wants of a validator, and what would delete everything anywhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import Ran, run_cli

if TYPE_CHECKING:
    from pathlib import Path

Data = dict[str, Any]

GATE = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: gate}
spec: {validator: true}
"""
FLAT = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gate}\ndata: {validator: "true"}\n'
FIX = GATE.replace("{validator: true}", "{level: restricted}")
IDENTITY = {"kustomize.config.k8s.io/id": "kind: Pod\nname: web\nversion: v1\n"}
EMPTY = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": []}


def pod(*, hardened: bool, annotations: Data | None = None, name: str = "web") -> Data:
    """A bare Pod, as kustomize sends it unless it has other annotations."""
    capabilities = {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    context = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {"name": "web", "image": "registry.example/web:1"}
    spec: Data = {"containers": [container]}
    if hardened:
        container["securityContext"] = {**capabilities, "readOnlyRootFilesystem": True}  # type: ignore[assignment]
        spec["securityContext"] = context
    metadata = {"name": name, "annotations": IDENTITY if annotations is None else annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def text_of(items: list[Data], config: str = GATE) -> str:
    """A ResourceList as clients write it."""
    whole = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    return yaml.safe_dump({**whole, "functionConfig": yaml.safe_load(config)}, sort_keys=False)


def judge(folder: Path, items: list[Data], config: str = GATE, **env: str) -> Ran:
    return run_cli(stdin=text_of(items, config).encode(), cwd=folder, **env)


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """A folder whose kustomization names the policy as a validator."""
    (tmp_path / "gate.yaml").write_text(GATE)
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\nvalidators: [gate.yaml]\n")
    return tmp_path


GOOD, BAD = pod(hardened=True), pod(hardened=False)


@pytest.mark.parametrize("config", [GATE, FLAT], ids=["policy", "config-map"])
def test_a_validator_of_kustomize_returns_no_items_where_all_is_in_order(declared, config):
    ran = judge(declared, [GOOD], config)

    assert (ran.code, ran.err) == (0, "")
    assert yaml.safe_load(ran.out) == EMPTY


@pytest.mark.parametrize("config", [GATE, FLAT], ids=["policy", "config-map"])
def test_a_validator_returns_the_items_as_they_came_where_something_is_open(declared, config):
    ran = judge(declared, [GOOD, {**BAD, "metadata": {**BAD["metadata"], "name": "bad"}}], config)

    assert ran.code == 1
    assert ran.out.decode() == text_of([GOOD, {**BAD, "metadata": {**BAD["metadata"], "name": "bad"}}], config)
    assert ran.err.startswith("error: Pod/bad: ")


KPT = {"internal.config.kubernetes.io/seqindent": "compact"}


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"note": "kustomize.config.k8s.io/id"}, id="in-a-value"),
        pytest.param({**IDENTITY, **KPT}, id="committed-to-a-kpt-package"),
        pytest.param({"kustomize.config.k8s.io/id": None}, id="null"),
    ],
)
def test_what_is_not_from_kustomize_goes_back_byte_for_byte(declared, annotations):
    items = [pod(hardened=True, annotations=annotations)]

    ran = judge(declared, items)

    assert ran.code == 0
    assert ran.out.decode() == text_of(items)


def test_one_item_that_is_not_from_kustomize_is_enough_to_return_them_all(declared):
    items = [GOOD, pod(hardened=True, annotations={}, name="other")]

    ran = judge(declared, items)

    assert (ran.code, ran.out.decode()) == (0, text_of(items))


@pytest.mark.parametrize("form", ["flow", "json"])
def test_a_list_that_is_not_cut_into_items_is_judged_the_same(declared, form):
    whole = yaml.safe_load(text_of([GOOD]))
    text = json.dumps(whole) if form == "json" else yaml.safe_dump(whole, default_flow_style=True)

    ran = run_cli(stdin=text.encode(), cwd=declared)
    bad = run_cli(stdin=text.replace("RuntimeDefault", "Unconfined").encode(), cwd=declared)

    assert (ran.code, yaml.safe_load(ran.out)) == (0, EMPTY)
    assert (bad.code, bad.out.decode()) == (1, text.replace("RuntimeDefault", "Unconfined"))


def test_outside_kustomize_the_findings_are_results(tmp_path):
    ran = judge(tmp_path, [pod(hardened=False, annotations={})])
    errors = [found for found in yaml.safe_load(ran.out)["results"] if found["severity"] == "error"]

    assert ran.code == 1
    assert {found["tags"]["state"] for found in errors} == {"open"}
    assert yaml.safe_load(ran.out)["items"] == [pod(hardened=False, annotations={})]


def test_an_exemption_that_has_expired_fails_as_it_does_in_check(tmp_path):
    exemption = {"match": {"names": ["web"]}, "controls": ["*"], "reason": "later", "expires": "2020-01-01"}
    config = yaml.safe_dump({**yaml.safe_load(GATE), "spec": {"validator": True, "exemptions": [exemption]}})

    expired = judge(tmp_path, [pod(hardened=False, annotations={})], config)
    exempt = judge(tmp_path, [pod(hardened=False, annotations={})], config.replace("2020", "2999"))

    assert (expired.code, exempt.code) == (1, 0)


# Where an empty list would delete the build

FOLDER = {"policies/gate.yaml": GATE, "policies/kustomization.yaml": "resources: [gate.yaml]\n"}
NESTED = {**FOLDER, "all/kustomization.yaml": "namePrefix: a-\nresources: [../policies]\n"}
INLINE = "transformers:\n- |-\n  " + GATE.replace("\n", "\n  ").rstrip() + "\nvalidators: [gate.yaml]\n"
ONE_LINE = f"transformers:\n- '{json.dumps(yaml.safe_load(GATE))}'\nvalidators: [gate.yaml]\n"
AS_LIST = f"apiVersion: v1\nkind: List\nitems:\n- {json.dumps(yaml.safe_load(GATE))}\n"
PATCHED = {
    "policies/gate.yaml": FIX,
    "policies/kustomization.yaml": "resources: [gate.yaml]\n"
    'patches: [{target: {kind: HardeningPolicy}, patch: "[{op: add, path: /spec/validator, value: true}]"}]\n',
}
REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "file": ("transformers: [gate.yaml]", {}, "transformers: gate.yaml has validator: true"),
    "both": ("transformers: [gate.yaml]\nvalidators: [gate.yaml]", {}, "transformers: gate.yaml has validator: true"),
    "behind-another": (
        "transformers: [fix.yaml, ./gate.yaml]\nvalidators: [gate.yaml]",
        {"fix.yaml": FIX},
        "transformers: ./gate.yaml has validator: true",
    ),
    "another-name": (
        "transformers: [other.yaml]\nvalidators: [gate.yaml]",
        {"other.yaml": GATE.replace("gate", "other")},
        "transformers: other.yaml has validator: true",
    ),
    "second-document": (
        "transformers: [both.yaml]\nvalidators: [gate.yaml]",
        {"both.yaml": f"{FIX}---\n{GATE}"},
        "transformers: both.yaml has validator: true",
    ),
    "list": (
        "transformers: [list.yaml]\nvalidators: [gate.yaml]",
        {"list.yaml": AS_LIST},
        "transformers: list.yaml has validator: true",
    ),
    "config-map": (
        "transformers: [flat.yaml]\nvalidators: [gate.yaml]",
        {"flat.yaml": FLAT.replace('"true"', '"True"')},
        "transformers: flat.yaml has validator: true",
    ),
    "folder": (
        "transformers: [policies]\nvalidators: [gate.yaml]",
        FOLDER,
        "transformers: policies has validator: true",
    ),
    "folder-in-folder": (
        "transformers: [all]\nvalidators: [gate.yaml]",
        NESTED,
        "transformers: all has validator: true",
    ),
    "inline": (INLINE, {}, "transformers: an inline policy has validator: true"),
    "inline-json": (ONE_LINE, {}, "transformers: an inline policy has validator: true"),
    "upper-case": (
        "Transformers: [gate.yaml]\nvalidators: [gate.yaml]",
        {},
        "transformers: gate.yaml has validator: true",
    ),
    "no-validators": ("resources: [web.yaml]", {}, "there is nothing under validators:"),
    "empty-validators": ("validators: []", {}, "there is nothing under validators:"),
    "patched-folder": ("transformers: [policies]\nvalidators: [gate.yaml]", PATCHED, "patches: can't be read here"),
    "remote": (
        "transformers: ['https://example.com/policy.yaml']\nvalidators: [gate.yaml]",
        {},
        "https://example.com/policy.yaml can't be read here",
    ),
    "circle": ("transformers: [.]\nvalidators: [gate.yaml]", {}, "transformers: can't be read here"),
    "broken-file": (
        "transformers: [bad.yaml]\nvalidators: [gate.yaml]",
        {"bad.yaml": "a: ["},
        "bad.yaml can't be read",
    ),
    "key-twice": (
        "transformers: [twice.yaml]\nvalidators: [gate.yaml]",
        {"twice.yaml": f"{GATE}spec: {{}}\n"},
        "twice.yaml can't be read here",
    ),
    "field-twice": ("transformers: [gate.yaml]\ntransformers: []\nvalidators: [gate.yaml]", {}, "can't be read here"),
    "field-in-two-cases": (
        "transformers: []\nTransformers: [gate.yaml]\nvalidators: [gate.yaml]",
        {},
        "kustomization.yaml can't be read here",
    ),
    "two-kustomizations": (
        "validators: [gate.yaml]",
        {"Kustomization": "transformers: [gate.yaml]"},
        "kustomization.yaml and Kustomization are here",
    ),
    "not-a-list": ("transformers: gate.yaml\nvalidators: [gate.yaml]", {}, "transformers: can't be read here"),
    "broken-kustomization": ("transformers: [", {}, "kustomization.yaml can't be read here"),
    "empty-kustomization": ("", {}, "kustomization.yaml can't be read here"),
}


@pytest.mark.parametrize("item", [GOOD, BAD], ids=["good", "bad"])
@pytest.mark.parametrize(("kustomization", "files", "said"), REFUSED.values(), ids=REFUSED)
def test_what_may_run_as_a_transformer_is_refused(declared, item, kustomization, files, said):
    for name, text in {"kustomization.yaml": kustomization, **files}.items():
        (declared / name).parent.mkdir(exist_ok=True)
        (declared / name).write_text(text)

    ran = judge(declared, [item])

    assert (ran.code, ran.out) == (3, b"")
    assert len(ran.err.splitlines()) == 1
    assert said in ran.err
    assert str(declared) in ran.err


def test_without_a_kustomization_it_is_refused(tmp_path):
    """In a container, say, whose folder isn't that of the kustomization."""
    ran = judge(tmp_path, [GOOD])

    assert (ran.code, ran.out) == (3, b"")
    assert "no kustomization is here" in ran.err


@pytest.mark.parametrize("transformers", ["fix.yaml", "policies"])
def test_other_transformers_beside_it_are_fine(declared, transformers):
    (declared / "fix.yaml").write_text(FIX)
    (declared / "policies").mkdir()
    (declared / "policies" / "fix.yaml").write_text(f"{FIX}---\n{FLAT.replace('true', 'false')}")
    (declared / "policies" / "kustomization.yml").write_text("commonLabels: {a: b}\nresources: [fix.yaml]\n")
    (declared / "kustomization.yaml").write_text(f"transformers: [{transformers}]\nvalidators: [gate.yaml]\n")

    ran = judge(declared, [GOOD])

    assert (ran.code, yaml.safe_load(ran.out)) == (0, EMPTY)


# Below a ceiling

CEILING = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: platform}\n"


def below(folder: Path, items: list[Data], spec: str = "{}") -> Ran:
    """The same below a policy of KRM_HARDEN_POLICY."""
    (folder / "platform.yaml").write_text(f"{CEILING}spec: {spec}\n")
    return judge(folder, items, KRM_HARDEN_POLICY=str(folder / "platform.yaml"))


def test_below_a_ceiling_what_it_would_write_is_an_error_too(declared):
    """The standard doesn't ask for a read-only root; the ceiling writes it."""
    writable = pod(hardened=True)
    del writable["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"]

    assert judge(declared, [writable]).code == 0
    ran = below(declared, [writable])
    assert ran.code == 1
    assert ran.err.startswith("error: Pod/web: readOnlyRootFilesystem ")
    assert below(declared, [writable], "{onViolation: Warn}").code == 1
    assert below(declared, [writable], "{validator: true}").code == 0
    assert below(declared, [GOOD]).code == 0


def test_below_a_ceiling_what_escapes_it_is_an_error(declared):
    owned = pod(hardened=True)
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "b", "controller": True}
    ]

    assert judge(declared, [owned]).code == 0
    assert below(declared, [owned]).code == 1


def test_a_ceiling_that_judges_makes_a_judge_of_every_function(declared):
    """A transformer that becomes one loses nothing, whatever stands beside it."""
    assert below(declared, [BAD], "{validator: true}").code == 1
    (declared / "fix.yaml").write_text(FIX)
    (declared / "kustomization.yaml").write_text("transformers: [fix.yaml]\nvalidators: [fix.yaml]\n")
    ceiling = str(declared / "platform.yaml")

    ran = run_cli(stdin=text_of([GOOD], FIX).encode(), cwd=declared, KRM_HARDEN_POLICY=ceiling)
    plugin = {"KRM_HARDEN_POLICY": ceiling, "KUSTOMIZE_PLUGIN_CONFIG_ROOT": str(declared)}
    text = yaml.safe_dump(GOOD, sort_keys=False)
    legacy = run_cli("fn", "fix.yaml", "-", stdin=text.encode(), cwd=declared, **plugin)

    assert (ran.code, ran.out.decode()) == (0, text_of([GOOD], FIX))
    assert (legacy.code, legacy.out.decode()) == (0, text)


# `krm-harden fn`


def fn(folder: Path, items: list[Data], **env: str) -> Ran:
    stdin = yaml.safe_dump_all(items, sort_keys=False).encode()
    return run_cli("fn", "gate.yaml", "-", stdin=stdin, cwd=folder, **env)


def test_fn_passes_manifests_on_as_they_came_or_writes_nothing(declared):
    ran = fn(declared, [GOOD])

    assert (ran.code, ran.out.decode()) == (0, yaml.safe_dump(GOOD, sort_keys=False))
    assert (fn(declared, [BAD]).code, fn(declared, [BAD]).out) == (1, b"")


def test_fn_as_a_legacy_plugin_returns_nothing_to_validators_and_refuses_to_be_a_transformer(declared):
    plugin = {"KUSTOMIZE_PLUGIN_CONFIG_ROOT": str(declared)}

    ran = fn(declared, [GOOD], **plugin)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    (declared / "kustomization.yaml").write_text("transformers: [gate.yaml]\nvalidators: [gate.yaml]\n")
    ran = fn(declared, [GOOD], **plugin)
    assert (ran.code, ran.out) == (3, b"")


def test_fn_below_a_ceiling_is_no_softer_than_the_function(declared):
    writable = pod(hardened=True, annotations={})
    del writable["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    (declared / "platform.yaml").write_text(f"{CEILING}spec: {{}}\n")

    assert fn(declared, [writable]).code == 0
    ran = fn(declared, [writable], KRM_HARDEN_POLICY=str(declared / "platform.yaml"))
    assert (ran.code, ran.out) == (1, b"")

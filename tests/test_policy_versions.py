"""The versions of policies, image locks and inventories: what is read, wherever it is, and `policy convert`."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import argocd
import pytest
import yaml
from clients import run as with_function
from conftest import ROOT, require, run_cli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from test_images_command import LOCK, images

from krm_harden import model, schema, versions
from krm_harden.commands import _policy_convert
from krm_harden.errors import ConfigError
from krm_harden.fleet import inventory
from krm_harden.images import lock
from krm_harden.policy import from_data

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = model.API_VERSIONS
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.example/web:1"}
"""
POLICY = f"apiVersion: {OLD}\nkind: HardeningPolicy\nmetadata: {{name: p}}\nspec: {{changes: additive}}\n"
STRICT = POLICY.replace("additive", "complete")
LOCKED = f"apiVersion: {OLD}\nkind: ImageLock\nspec: {{images: [{{digest: a, images: [b]}}]}}\n"
EACH = pytest.mark.parametrize("version", model.API_VERSIONS)


def at(version: str, text: str = POLICY) -> str:
    return text.replace(OLD, version)


def convert(folder: Path, *arguments: str):
    return run_cli("policy", "convert", *arguments, cwd=folder)


# What is read


def test_the_table_says_which_versions_are_read():
    assert tuple(version.api_version for version in versions.VERSIONS) == model.API_VERSIONS
    assert model.API_VERSION == OLD == "krm-harden.dev/v1alpha1"
    page = (ROOT / "docs" / "policy-versions.md").read_text()
    rows = [f"| `{one.api_version}` | {one.since} | {one.until} | {one.differs} |" for one in versions.VERSIONS]
    assert [row for row in rows if row not in page] == []


def test_every_version_means_the_same_on_every_way_in(tmp_path: Path):
    """`--policy`, the environment, the functionConfig, several policies, a lock, an item that is a lock."""
    made = []
    for version in model.API_VERSIONS:
        folder = tmp_path / version.rpartition("/")[2]
        folder.mkdir()
        texts = {"app": DEPLOYMENT, "policy": at(version), "other": at(version, STRICT), "lock": at(version, LOCKED)}
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text)
        shown = {"items": [yaml.safe_load(DEPLOYMENT), yaml.safe_load(texts["lock"])]}
        head = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList"}
        listed = json.dumps({**head, **shown, "functionConfig": yaml.safe_load(texts["policy"])}).encode()
        stream = DEPLOYMENT.encode()
        ran = [
            run_cli("fix", "--policy", "policy.yaml", "-", stdin=stream, cwd=folder),
            run_cli("fix", "--policy", "policy.yaml", "--policy", "other.yaml", "-", stdin=stream, cwd=folder),
            run_cli("fix", "--images", "lock.yaml", "-", stdin=stream, cwd=folder, KRM_HARDEN_POLICY="policy.yaml"),
            run_cli("check", "app.yaml", "lock.yaml", cwd=folder),
            run_cli("fn", "policy.yaml", "app.yaml", cwd=folder),
            run_cli("policy", "check", "policy.yaml", cwd=folder),
            run_cli("policy", "show", "--policy", "policy.yaml", cwd=folder),
            run_cli(stdin=listed, cwd=folder),
        ]
        made.append([(one.code, one.out.decode().replace(version, OLD), one.err) for one in ran])

    assert made[0] == made[1]
    assert [one for one in made[0] if one[0] == 3] == []
    assert any("seccompProfile" in out for _, out, _ in made[0])


@pytest.mark.parametrize(("above", "below"), [(OLD, NEW), (NEW, OLD), (NEW, NEW)])
def test_versions_mix_above_and_below_a_ceiling(above: str, below: str, tmp_path: Path):
    (tmp_path / "ceiling.yaml").write_text(at(above, STRICT))
    (tmp_path / "policy.yaml").write_text(at(below))
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)

    softer = run_cli("fn", "policy.yaml", "app.yaml", cwd=tmp_path, KRM_HARDEN_POLICY="ceiling.yaml")
    same = run_cli("fn", "ceiling.yaml", "app.yaml", cwd=tmp_path, KRM_HARDEN_POLICY="ceiling.yaml")

    assert (softer.code, same.code) == (3, 0)
    assert "spec.changes additive is softer than complete" in softer.err


@pytest.mark.parametrize(
    "found", ["krm-harden.dev/v2", "krm-harden.dev/V1", "krm-harden.dev", "v1", "", None, 1, [NEW]]
)
def test_another_version_is_an_error_that_names_those_that_are_read(found):
    said = f"apiVersion must be one of {OLD}, {NEW}, not {found!r}"
    head = {"apiVersion": found}

    for read in (
        lambda: from_data({**head, "kind": "HardeningPolicy", "spec": {}}, ""),
        lambda: lock.entries({**head, "kind": "ImageLock", "spec": {"images": []}}, ""),
        lambda: inventory.entries(json.dumps({**head, "kind": "Inventory", "spec": {"entries": []}}).encode(), ""),
    ):
        with pytest.raises(ConfigError) as caught:
            read()
        assert said in str(caught.value)


@EACH
def test_inventories_of_both_versions_are_read(version: str):
    text = f"apiVersion: {version}\nkind: Inventory\nspec: {{entries: [{{name: a, source: ./a}}]}}\n"

    assert [one.name for one in inventory.entries(text.encode(), "")] == ["a"]


@EACH
def test_the_schema_takes_what_is_read(version: str):
    described = Draft7Validator(schema.policy_schema())

    assert described.is_valid(yaml.safe_load(at(version)))
    assert not described.is_valid(yaml.safe_load(at("krm-harden.dev/v2")))
    definition = yaml.safe_load(run_cli("schema", "--definition").out)
    assert [f"krm-harden.dev/{one['name']}" for one in definition["spec"]["versions"]] == [*model.API_VERSIONS]
    assert len({json.dumps(one["schema"]) for one in definition["spec"]["versions"]}) == 1


def test_new_files_are_for_older_releases_too(tmp_path: Path):
    for name, arguments in {"a": ("policy", "init", "-"), "b": ("psp", "migrate", "--help")}.items():
        assert NEW + "\n" not in run_cli(*arguments).out.decode(), name
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "shop")
    assert run_cli("init", "kustomize", "--base", "shop", "new", cwd=tmp_path).code == 0
    assert f"apiVersion: {OLD}\n" in (tmp_path / "new" / "policy.yaml").read_text()


# The real clients


@pytest.mark.parametrize("client", ["kustomize", "kubectl"])
def test_kustomize_runs_a_policy_of_the_newest_version_as_function_and_as_plugin(client: str, tmp_path: Path):
    """What `init` set up goes on after `policy convert`."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "app.yaml").write_text(DEPLOYMENT)
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [app.yaml]\n")
    legacy = ("--legacy",) if client == "kubectl" else ()
    assert run_cli("init", "kustomize", *legacy, "--base", "base", "new", cwd=tmp_path).code == 0
    program = require(client)
    flags = ("build", "--enable-alpha-plugins", "--enable-exec")
    command = (program, *flags) if client == "kustomize" else (program, "kustomize", "--enable-alpha-plugins")
    home = f"KUSTOMIZE_PLUGIN_HOME={tmp_path}/new/kustomize-plugins"

    before = with_function("/usr/bin/env", home, *command, tmp_path / "new")
    assert convert(tmp_path, "new").code == 0
    after = with_function("/usr/bin/env", home, *command, tmp_path / "new")

    assert f"apiVersion: {NEW}\n" in (tmp_path / "new" / "policy.yaml").read_text()
    assert (after.code, after.out) == (0, before.out)
    assert b"seccompProfile" in after.out


def test_kpt_runs_a_policy_of_the_newest_version(tmp_path: Path):
    for name in "ab":
        shutil.copytree(ROOT / "examples" / "kpt-render", tmp_path / name)
    assert convert(tmp_path, "b").out == f"b/policy.yaml: is now {NEW}\n".encode()
    ran = [
        with_function(require("kpt"), "fn", "render", tmp_path / name, "--allow-exec", "-o", "unwrap") for name in "ab"
    ]

    assert [one.code for one in ran] == [0, 0]
    assert ran[1].out.decode().replace(NEW, OLD) == ran[0].out.decode()


def test_argo_cd_takes_a_policy_of_the_newest_version_for_its_own(tmp_path: Path):
    made = []
    for version in model.API_VERSIONS:
        folder = tmp_path / version.rpartition("/")[2]
        folder.mkdir()
        (folder / "app.yaml").write_text(DEPLOYMENT)
        (folder / "policy.yaml").write_text(at(version, STRICT))
        made.append(argocd.printed(argocd.plugin(folder)))

    assert made[0] == made[1]
    assert [one["kind"] for one in made[0]] == ["Deployment"]


# Convert

FORMS = {
    "plain": POLICY,
    "quoted, with comments": f"# {OLD}\napiVersion: '{OLD}' # {OLD}\nkind: HardeningPolicy\n",
    "CRLF": POLICY.replace("\n", "\r\n"),
    "no line break at the end": f"kind: HardeningPolicy\napiVersion: {OLD}",
    "a byte order mark": f"\ufeff{POLICY}",
    "JSON": json.dumps(yaml.safe_load(POLICY), indent=2),
    "JSON with an escape": '{"kind": "ImageLock",\n "apiVersion": "krm-harden.dev\\/v1alpha1", "spec": {"images": []}}',
    "flow": f"{{kind: HardeningPolicy, apiVersion: {OLD}, spec: {{level: baseline}}}}\n",
    "folded": f"apiVersion: >-\n  {OLD}\nkind: HardeningPolicy\n",
    "an anchor of the version's name": f"kind: ImageLock\napiVersion: &v1alpha1 {OLD}\nspec: {{images: []}}\n",
    "several documents": f"---\n{DEPLOYMENT}---\n{POLICY}...\n---\n{LOCKED}---\n# the end\n",
    "a list": "apiVersion: v1\nkind: List\nitems:\n"
    + "".join(f"- {one}" for one in POLICY.splitlines(True)[:1])
    + "  kind: HardeningPolicy\n- {apiVersion: v1, kind: Pod, metadata: {name: v1alpha1}}\n",
    "an alias of both": f"kind: List\napiVersion: v1\nitems:\n- &a {{apiVersion: {OLD}, kind: ImageLock}}\n- *a\n",
    "a merge": f"kind: HardeningPolicy\n<<: {{apiVersion: {OLD}}}\n",
    "a functionConfig": f"kind: ResourceList\nitems: []\nfunctionConfig: {{kind: HardeningPolicy, apiVersion: {OLD}}}\n",
    "text in a kustomization": f"transformers:\n- |-\n  # {OLD}\n  apiVersion: {OLD}\n  kind: HardeningPolicy\n- a.yaml\n",
    "documents in a kustomization": "validators:\n- |\n"
    + "".join(f"  {line}" for line in f"{LOCKED}---\n{POLICY}".splitlines(True)),
    "an inventory": f"apiVersion: {OLD}\nkind: Inventory\nspec: {{entries: []}}\n",
    "letters of more bytes": POLICY.replace("name: p", "name: 日本é𝄞"),
}


def said_at(data, version: str):
    """A document's data with the versions of ours in it, also in texts."""
    if isinstance(data, dict):
        ours = data.get("kind") in versions.KINDS
        return {
            key: version if ours and key == "apiVersion" else said_at(value, version) for key, value in data.items()
        }
    if isinstance(data, list):
        return [said_at(one, version) for one in data]
    if isinstance(data, str) and "\n" in data:
        return [said_at(one, version) for one in yaml.safe_load_all(data)]
    return data


@pytest.mark.parametrize("form", FORMS)
def test_only_the_versions_change_there_and_back(form: str, tmp_path: Path):
    old = FORMS[form].encode()
    path = tmp_path / "a.yaml"
    path.write_bytes(old)

    new = _policy_convert.plan(path, "v1").new

    lines = [(a, b) for a, b in zip(old.split(b"\n"), new.split(b"\n"), strict=True) if a != b]
    assert lines
    for before, after in lines:
        spots = [(found.start(), found.end()) for found in re.finditer(b"v1alpha1", before)]
        assert after in [before[:start] + b"v1" + before[end:] for start, end in spots]
    wanted = [said_at(one, NEW) for one in yaml.safe_load_all(old.decode("utf-8-sig"))]
    assert [said_at(one, NEW) for one in yaml.safe_load_all(new.decode("utf-8-sig"))] == wanted
    assert len(old) - len(new) == len("alpha1") * len(lines)
    path.write_bytes(new)
    assert _policy_convert.plan(path, "v1").new == new
    assert _policy_convert.plan(path, "v1alpha1").new == old


UNTOUCHED = {
    "nothing of ours": DEPLOYMENT,
    "an annotation": DEPLOYMENT.replace("name: web,", "name: web, annotations: {krm-harden.dev/exempt: '*'},"),
    "another group": POLICY.replace("krm-harden.dev", "krm-harden.example"),
    "another kind": POLICY.replace("HardeningPolicy", "HardenPolicy"),
    "a ConfigMap": "kind: ConfigMap\napiVersion: v1\ndata:\n  HardeningPolicy: |\n    kind: HardeningPolicy\n"
    f"    apiVersion: {OLD}\n",
    "what is no YAML, and not ours": "a: {{ krm-harden.dev\n",
    "nothing": "",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_holds_none_of_ours_stays(text: str, tmp_path: Path):
    (tmp_path / "a.yaml").write_text(text)

    ran = convert(tmp_path, "a.yaml")

    assert (ran.code, ran.out, ran.err) == (0, b"nothing to convert\n", "")
    assert (tmp_path / "a.yaml").read_text() == text


REFUSED = {
    "a version that isn't known": (at("krm-harden.dev/v9"), 3, "a.yaml:1: apiVersion must be one of"),
    "the same further down": (f"{DEPLOYMENT}---\n{at('krm-harden.dev/v9')}", 3, "a.yaml:12: apiVersion must be one of"),
    "the same in a kustomization": (
        "transformers:\n- |\n  kind: HardeningPolicy\n  apiVersion: krm-harden.dev/v9\n",
        3,
        "a.yaml:4: apiVersion must be one of",
    ),
    "an escape": (f'kind: ImageLock\napiVersion: "{OLD[:-1]}\\x31"\n', 3, "a.yaml:2: its apiVersion can't be changed"),
    "an alias of something else": (
        f"kind: ImageLock\nmetadata: {{name: &a {OLD}}}\napiVersion: *a\n",
        3,
        "a.yaml:3: its apiVersion can't be changed where it stands; write krm-harden.dev/v1 by hand",
    ),
    "broken YAML": (f"{POLICY}---\nkind: ImageLock\napiVersion: '{OLD}\n", 2, "a.yaml:"),
}


@pytest.mark.parametrize(("text", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_converted_stops_all_before_anything_is_written(text: str, code: int, said: str, tmp_path: Path):
    (tmp_path / "0.yaml").write_text(POLICY)
    (tmp_path / "a.yaml").write_text(text)

    ran = convert(tmp_path, "0.yaml", "a.yaml")

    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ((tmp_path / "0.yaml").read_text(), (tmp_path / "a.yaml").read_text()) == (POLICY, text)


def test_check_and_diff_write_nothing_and_say_what_would_change(tmp_path: Path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "policy.yaml").write_text(POLICY)
    (tmp_path / "deploy" / "app.yaml").write_text(DEPLOYMENT)

    checked, shown = convert(tmp_path, "--check", "deploy"), convert(tmp_path, "--diff", "deploy")

    assert (checked.code, checked.out) == (1, f"deploy/policy.yaml: would become {NEW}\n".encode())
    assert shown.code == 1
    head = ["--- a/deploy/policy.yaml", "+++ b/deploy/policy.yaml", "@@ -1,4 +1,4 @@"]
    lines = shown.out.decode().splitlines()
    assert lines[:5] == [*head, f"-apiVersion: {OLD}", f"+apiVersion: {NEW}"]
    assert (tmp_path / "deploy" / "policy.yaml").read_text() == POLICY
    assert convert(tmp_path, "deploy").code == 0
    assert (tmp_path / "deploy" / "policy.yaml").read_text() == at(NEW)
    assert [convert(tmp_path, *more, "deploy").code for more in (("--check",), ("--diff",), ())] == [0, 0, 0]


def test_a_link_out_of_the_folder_is_not_followed_and_a_mode_stays(tmp_path: Path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "outside.yaml").write_text(POLICY)
    (tmp_path / "deploy" / "link.yaml").symlink_to("../outside.yaml")
    (tmp_path / "deploy" / "policy.yaml").write_text(POLICY)
    (tmp_path / "deploy" / "policy.yaml").chmod(0o640)

    ran = convert(tmp_path, "deploy")

    assert ran.out == f"deploy/policy.yaml: is now {NEW}\n".encode()
    assert (tmp_path / "outside.yaml").read_text() == POLICY
    assert (tmp_path / "deploy" / "policy.yaml").stat().st_mode & 0o777 == 0o640


@given(
    st.lists(st.sampled_from([POLICY, LOCKED, DEPLOYMENT, "# only a comment\n", "", "a: 1\n"]), max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
)
def test_streams_of_any_documents_go_there_and_back(tmp_path_factory, documents, line, mark):
    text = (mark + "---\n".join(documents)).replace("\n", line)
    path = tmp_path_factory.mktemp("stream") / "a.yaml"
    path.write_bytes(text.encode())

    new = _policy_convert.plan(path, "v1").new

    assert new == text.replace(OLD, NEW).encode()
    path.write_bytes(new)
    assert _policy_convert.plan(path, "v1alpha1").new == text.encode()


def test_a_lock_that_is_resolved_again_keeps_its_version(tmp_path: Path):
    """Nobody who went to v1 is sent back by the next update of images."""
    (tmp_path / LOCK).write_text(at(NEW, f"apiVersion: {OLD}\nkind: ImageLock\nspec: {{images: []}}\n"))
    (tmp_path / "none.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")

    ran = images(tmp_path, "resolve", "none.yaml")

    assert ran.code == 0, ran.err
    assert (tmp_path / LOCK).read_text().startswith(f"apiVersion: {NEW}\n")


def test_every_policy_of_the_repository_can_be_converted(tmp_path: Path):
    """The examples, as a copy: each says the same at either version."""
    paths = [*ROOT.glob("examples/*/*.yaml"), *(ROOT / "krm_harden" / "scaffold").rglob("*.yaml")]
    plans = [one for one in (_policy_convert.plan(path, "v1") for path in paths) if one.new != one.old]

    assert len(plans) > 10
    for one in plans:
        assert one.new == one.old.replace(f"apiVersion: {OLD}".encode(), f"apiVersion: {NEW}".encode())

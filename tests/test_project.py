"""The project around the code keeps its word: generated files are current, links lead somewhere, commands exist."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache

import pytest
import yaml
from conftest import ROOT, run_cli
from jsonschema import Draft7Validator, FormatChecker

from krm_harden import Policy, schema
from krm_harden.errors import ConfigError

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "function/*.md", "bench/*.md", "examples/*/README.md")
    for path in ROOT.glob(pattern)
)
ENVELOPE = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")


def title(path):
    return path.relative_to(ROOT).as_posix()


def anchors(page):
    """The anchors of a page's headings, as Git hosts make them."""
    headings = re.findall(r"(?m)^#+ (.*)$", FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{target} of {title(page)}"
        assert not anchor or anchor in anchors(file), f"{target} of {title(page)}"


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_policy_in_a_page_is_one(page):
    for language, text in FENCE.findall(page.read_text()):
        # A stream of several documents shows manifests.
        data = yaml.safe_load(text) if language == "yaml" and "\n---\n" not in text else None
        is_policy = isinstance(data, dict) and (data.get("kind") == "HardeningPolicy" or set(data) == {"spec"})
        # A part of a Pod, or of an Application of Argo CD.
        is_wrong = text.startswith("# wrong.yaml\n")
        if is_policy and not is_wrong and data["spec"].keys().isdisjoint({"containers", "source"}):
            Policy.from_dict({**ENVELOPE, **data})


@cache
def answer(*arguments):
    return run_cli(*arguments)


def commands(page):
    """The command lines of a page in which krm-harden stands, each from there to the next pipe or redirection."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    lines = [line for line in text.splitlines() if line.startswith(("    ", "| **"))]
    for line in lines:
        for found in re.findall(r"(?:^ +|[|] |`)(krm-harden(?: [^|>#`]*)?)", line):
            yield shlex.split(found)[1:]


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_command_in_a_page_is_one(page):
    """Its name and its options are known: a path that isn't there is all that may be wrong with it."""
    for arguments in commands(page):
        if not arguments:
            continue
        used = {word.split("=")[0] for word in arguments[1:] if re.match(r"--?[a-z]", word)}
        # `images resolve` has options of its own.
        has_commands = b"] COMMAND ...\n" in answer(arguments[0], "--help").out
        below = arguments[:2] if has_commands else arguments[:1]
        shown = answer(*arguments) if arguments[0].startswith("-") else answer(*below, "--help")
        assert shown.code == 0, f"{title(page)}: {arguments}: {shown.err}"
        known = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", shown.out.decode()))
        assert used <= known, f"{title(page)}: {arguments}"


def test_help_names_every_command_and_each_has_examples():
    usage = run_cli("--help")
    names = set(re.findall(r"(?m)^  (\w+)  +\w", usage.out.decode().partition("examples:")[0])) - {"help"}

    assert usage.code == 0
    assert {"check", "fix", "fn", "schema"} <= names
    for name in names:
        shown = run_cli(name, "--help").out.decode()
        assert f"krm-harden {name} " in shown.partition("examples:")[2], name


def test_readme_lists_the_exit_codes_that_happen():
    shop = ROOT / "examples" / "shop"
    listed = set(re.findall(r"(?m)^\| (\d) \|", (ROOT / "README.md").read_text()))
    happened = {
        run_cli("check", ROOT / "examples" / "kustomize-container" / "job.yaml").code,
        run_cli("check", shop).code,
        run_cli("check", "-", stdin=b"{").code,
        run_cli("check", "--levl", shop).code,
    }

    assert listed == {str(code) for code in happened} == {"0", "1", "2", "3"}


def test_readme_shows_the_real_diff():
    shown = next(text for language, text in FENCE.findall((ROOT / "README.md").read_text()) if language == "diff")

    assert shown == (ROOT / "examples" / "kpt-render" / ".expected" / "diff.patch").read_text()


@pytest.mark.parametrize("example, where", [("kustomize-exec", "examples/shop"), ("audit-only", "examples/audit-only")])
def test_readme_counts_lines_as_they_are(example, where):
    diff = (ROOT / "examples" / example / ".expected" / "diff.patch").read_text().splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in diff)

    assert re.search(rf"{re.escape(f'({where})')} get {added} lines", (ROOT / "README.md").read_text())


def test_every_page_that_builds_with_kustomize_shows_the_gate():
    for page in PAGES:
        text = page.read_text()
        if "kustomize build" in text and title(page).startswith(("README", "docs", "examples", "function")):
            assert "krm-harden check" in text, title(page)


def test_every_example_names_the_gate_and_the_silence():
    for page in ROOT.glob("examples/*/README.md"):
        text = " ".join(page.read_text().replace("`", "").replace("#", "").lower().split())
        assert "krm-harden check" in text, title(page)
        assert "without --enable-exec" in text or not runs_functions(page.parent), title(page)


def runs_functions(folder):
    kustomization = folder / "kustomization.yaml"
    return (folder / "Kptfile").exists() or (kustomization.exists() and "transformers:" in kustomization.read_text())


def test_every_function_config_is_local():
    for path in ROOT.glob("examples/*/policy.yaml"):
        annotations = yaml.safe_load(path.read_text())["metadata"].get("annotations", {})
        is_local = annotations.get("config.kubernetes.io/local-config") == "true"
        assert is_local or not runs_functions(path.parent), title(path)


def test_generated_files_are_current():
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + "run docs/generate.py"
    assert (ROOT / "function" / "hardeningpolicy.schema.json").read_bytes() == run_cli("schema").out
    assert (ROOT / "function" / "krm-harden.yaml").read_bytes() == run_cli("schema", "--definition").out


SCHEMA = json.loads((ROOT / "function" / "hardeningpolicy.schema.json").read_text())
DATES = FormatChecker(formats=["date"])
SPECS = {
    "empty": ({}, True),
    "level": ({"level": "baseline"}, True),
    "unknown-level": ({"level": "strict"}, False),
    "typo": ({"levl": "restricted"}, False),
    "images": ({"images": [{"match": "a:*", "uid": 1, "gid": 0, "writablePaths": ["/tmp"]}]}, True),
    "image-without-match": ({"images": [{"uid": 1}]}, False),
    "uid-as-text": ({"images": [{"match": "a", "uid": "1"}]}, False),
    "uid-below-zero": ({"images": [{"match": "a", "uid": -1}]}, False),
    "control": ({"controls": {"numericUser": {"uid": 7, "required": True}}}, True),
    "short-name-of-a-control": ({"controls": {"capabilities": {"explicit": "override"}}}, True),
    "unknown-control": ({"controls": {"numericUsers": {}}}, False),
    "setting-of-another-control": ({"controls": {"runAsUser": {"uid": 7}}}, False),
    "rule": ({"rules": [{"match": {"kinds": ["Job"]}, "changes": "additive"}]}, True),
    "rule-with-images": ({"rules": [{"match": {}, "images": []}]}, False),
    "exemption": ({"exemptions": [{"match": {}, "controls": ["*"], "reason": "x", "expires": "2030-01-31"}]}, True),
    "exemption-without-reason": ({"exemptions": [{"match": {}, "controls": ["*"]}]}, False),
    "exemption-with-empty-reason": ({"exemptions": [{"match": {}, "controls": ["*"], "reason": ""}]}, False),
    "exemption-until-some-day": (
        {"exemptions": [{"match": {}, "controls": ["*"], "reason": "x", "expires": "some day"}]},
        False,
    ),
    "kinds": ({"kinds": [{"group": "g", "kind": "K", "podSpecs": ["/spec"]}]}, True),
    "kinds-without-place": ({"kinds": [{"group": "g", "kind": "K"}]}, False),
    "namespaces": ({"namespaces": {"enforce": "auto", "warn": "none", "version": "v1.30"}}, True),
    "audit-auto": ({"namespaces": {"audit": "auto"}}, False),
    "boolean-as-text": ({"controls": {"runAsUser": {"enabled": "yes"}}}, False),
    "list": ([], False),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_schema_and_our_own_validator_agree(name):
    spec, accepted = SPECS[name]
    policy = {**ENVELOPE, "spec": spec}

    assert Draft7Validator(SCHEMA, format_checker=DATES).is_valid(policy) == accepted
    if accepted:
        Policy.from_dict(policy)
    else:
        with pytest.raises(ConfigError, match=r"^policy: spec"):
            Policy.from_dict(policy)


def accepted(described):
    """A schema without what only editors look at."""
    inner = {name: accepted(one) for name, one in described.get("properties", {}).items()}
    kept = {key: value for key, value in described.items() if key not in {"description", "examples", "pattern"}}
    if "items" in kept:
        kept["items"] = accepted(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [accepted(one) for one in kept["anyOf"]]
    return {**kept, "properties": inner} if inner else kept


def test_the_schema_is_one():
    Draft7Validator.check_schema(SCHEMA)
    definition = yaml.safe_load((ROOT / "function" / "krm-harden.yaml").read_text())
    inner = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    assert definition["kind"] == "KRMFunctionDefinition"
    assert inner["properties"]["spec"] == schema.spec_schema()
    assert accepted(inner["properties"]["spec"]) == accepted(SCHEMA["properties"]["spec"])
    for path in ROOT.glob("examples/*/policy.yaml"):
        assert Draft7Validator(SCHEMA).is_valid(yaml.safe_load(path.read_text())), title(path)


def test_metadata_has_what_a_catalog_asks_for():
    metadata = yaml.safe_load((ROOT / "function" / "metadata.yaml").read_text())

    assert list(metadata) == ["image", "description", "tags", "sourceURL", "examplePackageURLs", "emails", "license"]
    assert all(metadata.values())
    for url in metadata["examplePackageURLs"]:
        assert (ROOT / "examples" / url.rpartition("/")[2]).is_dir(), url


def test_the_plugin_is_two_lines_that_can_run():
    plugin = ROOT / "function" / "kustomize-legacy" / "HardeningPolicy"

    assert plugin.read_text() == '#!/bin/sh\nexec krm-harden fn --allow-empty "$1" -\n'
    assert all((ROOT / name).stat().st_mode & 0o111 for name in ("demo", "test", plugin.relative_to(ROOT)))


def test_licence_and_version():
    version = run_cli("--version").out.decode().split()[1]

    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text()
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert "### Output changes" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("script", ["demo", "test"])
def test_scripts_explain_a_missing_python(script, tmp_path):
    """In a folder of their own: this one's .venv stays as it is."""
    for name in (script, "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "venv.sh").write_bytes((ROOT / "scripts" / "venv.sh").read_bytes())
    done = subprocess.run(
        ["sh", tmp_path / script],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "no Python 3.10 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()

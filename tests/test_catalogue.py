"""The catalogue of images: every entry is well formed, has its sources, and is what the function loads."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from conftest import clean_environment

from krm_harden.errors import ConfigError
from krm_harden.images import _catalogue
from krm_harden.images import compile as compiler

ENTRIES = compiler.load()
COMPILED = [ast.literal_eval(text) for text in _catalogue.ENTRIES]
NAMES = {
    name: [int(index) for index in found]
    for name, *found in (line.split(" ") for line in _catalogue.NAMES.split("\n") if line)
}
FAMILY = """\
family: shop
images:
- id: web
  names: [registry.example.com/shop/web]
  confidence: {user: high, writablePaths: high}
  sources: [a file of ours]
"""


def load(tmp_path, text, name="shop"):
    (tmp_path / f"{name}.yaml").write_text(text)
    return compiler.load(tmp_path)


def refused(tmp_path, text):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    return str(error.value)


def test_the_generated_module_is_current():
    assert compiler.render(ENTRIES) == compiler.TARGET.read_text(encoding="utf-8")


def test_its_import_brings_no_other_module():
    count = "import sys, krm_harden.images; before = set(sys.modules); import krm_harden.images._catalogue; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", count], capture_output=True, text=True, check=True, env=clean_environment()
    )

    assert done.stdout.split() == ["krm_harden.images._catalogue"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_is_compiled_as_it_is_written(entry):
    compiled = [found for found in COMPILED if found["id"] == entry.id]

    assert [found["facts"] for found in compiled] == [entry.facts()]
    assert set(compiled[0]["unsure"]) <= set(entry.facts())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_says_what_it_knows_and_from_where(entry):
    facts = entry.facts()

    assert all(source.strip() for source in entry.data["sources"])
    assert set(entry.data["confidence"]) == {"user", "writablePaths"}
    assert facts
    assert "gid" not in facts or "uid" in facts
    assert facts.get("uid") != 0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_is_found_by_its_names(entry):
    patterns = dict(_catalogue.PATTERNS)
    for name in entry.data["names"]:
        indexes = patterns[name] if name.endswith("*") else NAMES[name]

        assert entry.id in [COMPILED[index]["id"] for index in indexes]


def test_nothing_in_it_is_there_for_tests_alone():
    names = [name for entry in ENTRIES for name in entry.data["names"]]

    assert not [name for name in names if "example/" in name or "example.com" in name]


def test_narrow_patterns_come_first():
    lengths = [len(glob) for glob, _ in _catalogue.PATTERNS]

    assert lengths == sorted(lengths, reverse=True)


def test_postgres_on_alpine_is_another_user_than_on_debian():
    found = {
        entry.id: (entry.tags, entry.data["uid"]) for entry in ENTRIES if entry.id in {"postgres", "postgres-alpine"}
    }

    assert found == {"postgres-alpine": (["*alpine*"], 70), "postgres": (["*"], 999)}


def test_a_family_gives_its_registries_and_defaults_to_its_images(tmp_path):
    text = FAMILY.replace("registry.example.com/shop/web", "web").replace(
        "images:", "registries: [registry.example.com/shop, quay.io/shop]\ndefaults: {uid: 1000}\nimages:", 1
    )

    (entry,) = load(tmp_path, text)

    assert entry.data["names"] == ["registry.example.com/shop/web", "quay.io/shop/web"]
    assert entry.facts() == {"uid": 1000}


def test_what_is_unsure_is_named(tmp_path):
    text = FAMILY.replace("{user: high, writablePaths: high}", "{user: low, writablePaths: high}")

    (entry,) = load(tmp_path, text + "  uid: 1000\n  anyUid: true\n  writablePaths: []\n")

    assert entry.unsure() == ("uid",)


def test_of_a_base_image_everything_is_unsure(tmp_path):
    (entry,) = load(tmp_path, FAMILY + "  uid: 1000\n  dependsOnCommand: true\n")

    assert entry.unsure() == ("uid", "dependsOnCommand")


def test_why_a_path_is_written_is_not_compiled(tmp_path):
    (entry,) = load(tmp_path, FAMILY + "  writablePaths: [{path: /data, seed: data, why: the database}]\n")

    assert entry.facts() == {"writablePaths": [{"path": "/data", "seed": "data"}]}


@pytest.mark.parametrize(
    "more, problem",
    [
        pytest.param("  user: 1000", "it.user is unknown", id="unknown field"),
        pytest.param('  uid: "1000"', "it.uid must be a whole number, not '1000'", id="wrong type"),
        pytest.param("  uid: 1\n  uid: 2", "is written twice", id="key twice"),
        pytest.param("  writablePaths: [{path: /data}]", "it.writablePaths[0].seed is missing", id="no seed"),
        pytest.param(
            "  writablePaths: [{path: data, seed: data}]", "must be the absolute path of a folder", id="relative"
        ),
        pytest.param("  writablePaths: [{path: /, seed: data}]", "and not the root", id="root"),
        pytest.param("  writablePaths: [{path: /a/../b, seed: data}]", "isn't written in its shortest form", id="dots"),
        pytest.param(
            "  writablePaths: [{path: /a, seed: data}, {path: /a, seed: empty}]", "/a is listed twice", id="twice"
        ),
        pytest.param(
            "  writablePaths: [{path: /run/a, seed: empty}, {path: /var/run/a, seed: empty}]",
            "/var/run/a is listed twice, /run/a is the same",
            id="twice through a link",
        ),
        pytest.param(
            "  writablePaths: [{path: /a/b, seed: data}, {path: /a, seed: empty}]", "/a/b is below /a", id="nested"
        ),
        pytest.param(
            "  fileCapabilities: [{path: /app, capabilities: [CAP_NET_RAW]}]",
            "did you mean 'NET_RAW'?",
            id="capability",
        ),
        pytest.param("  cannotRestrict: {code: root, reason: it is}", "cannotRestrict.code must be one of", id="code"),
        pytest.param("  programs: [/bin/sh]", "programs are named without their folder", id="program"),
        pytest.param("  tags: []", "tags is empty; leave it out", id="no tags"),
    ],
)
def test_a_wrong_entry_is_refused_by_file_and_name(tmp_path, more, problem):
    said = refused(tmp_path, FAMILY + more + "\n")

    assert problem in said
    assert said.startswith("shop.yaml: ")


@pytest.mark.parametrize(
    "name",
    ["nginx", "library/nginx", "index.docker.io/library/nginx", "k8s.gcr.io/pause", "quay.io/a/b:1", "quay.io/A/b"],
)
def test_a_name_that_is_not_canonical_is_refused(tmp_path, name):
    said = refused(tmp_path, FAMILY.replace("registry.example.com/shop/web", name))

    assert said == f"shop.yaml: web: {name} isn't a canonical name, as docker.io/library/nginx is"


def test_a_mirror_of_an_official_image_is_refused(tmp_path):
    said = refused(tmp_path, FAMILY.replace("registry.example.com/shop/web", "mirror.gcr.io/library/nginx"))

    assert said == "shop.yaml: web: mirror.gcr.io/library/nginx is found by its name on Docker Hub"


def test_a_tag_that_an_earlier_entry_takes_is_refused(tmp_path):
    second = FAMILY.partition("images:\n")[2].replace("id: web", 'id: web-alpine\n  tags: ["*alpine*"]')

    said = refused(tmp_path, FAMILY + second)

    assert said == "shop.yaml: web-alpine: registry.example.com/shop/web:*alpine* is hidden by web"


def test_a_narrower_tag_may_come_first(tmp_path):
    first = FAMILY.replace("id: web", 'id: web-alpine\n  tags: ["*alpine*"]')

    assert [entry.id for entry in load(tmp_path, first + FAMILY.partition("images:\n")[2])] == ["web-alpine", "web"]


def test_an_id_or_a_name_of_two_families_is_refused(tmp_path):
    (tmp_path / "other.yaml").write_text(FAMILY.replace("family: shop", "family: other"))

    said = refused(tmp_path, FAMILY)

    assert said.splitlines() == [
        "shop.yaml: web: the id is taken, in other.yaml",
        "shop.yaml: web: registry.example.com/shop/web belongs to other.yaml",
        "shop.yaml: web: registry.example.com/shop/web:* is hidden by web",
    ]


def test_a_family_is_named_as_its_file(tmp_path):
    assert refused(tmp_path, FAMILY.replace("family: shop", "family: store")) == (
        "shop.yaml: family must be the file's name, not store"
    )


def test_a_list_instead_of_a_family_is_refused(tmp_path):
    assert "shop.yaml: " in refused(tmp_path, "- id: web\n")

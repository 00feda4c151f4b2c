"""How many containers of real manifests the catalogue knows: a floor, and the table. `pytest -s` prints it."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import pytest
from conftest import SHARED

from krm_harden import split
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.images.known import of_catalogue
from krm_harden.images.names import parse
from krm_harden.policy import Policy

CORPUS = SHARED / "corpus"
CLASSES = ("real", "golden", "fixture", "negative")


@pytest.fixture(scope="module")
def counted() -> dict[str, Counter[str]]:
    """For each class of files the containers by what is known of their image."""
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}")
    found: dict[str, Counter[str]] = defaultdict(Counter)
    engine, policy = Engine(Policy({}), lines=False), Policy({})
    with (CORPUS / "MANIFEST.tsv").open(encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            path = CORPUS / row["repo"].replace("/", "+") / row["path"]
            for image in images(engine, policy, path.read_bytes()):
                found[row["class"]][sort_of(image)] += 1
    print()
    print(f"{'class':10}{'containers':>12}{'their own user':>16}{'base image':>12}{'refused':>9}{'unknown':>9}")
    for name in CLASSES:
        line = found[name]
        own, base, refused, unknown = (line[kind] for kind in ("user", "base", "refused", "unknown"))
        print(f"{name:10}{line.total():>12}{own:>16}{base:>12}{refused:>9}{unknown:>9}")
    return found


KINDS = frozenset(
    [
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "Job",
        "CronJob",
    ]
)
POLICIES = {"complete": {}, "additive": {"changes": "additive"}, "override": {"explicit": "override"}}


def passing(spec: dict) -> set[tuple[str, str, int]]:
    """The objects of the corpus that pass restricted after a fix."""
    engine = Engine(Policy(spec))
    found = set()
    for path in sorted(CORPUS.rglob("*")):
        if not path.is_file() or path.name == "MANIFEST.tsv" or "_licences" in path.parts:
            continue
        try:
            text, _ = split.decode(path.read_bytes())
        except InputError:
            continue
        for chunk in engine.run(text):
            for result in chunk.resources:
                if result.allowed and result.resource.kind in KINDS:
                    found.add((str(path.relative_to(CORPUS)), str(result.resource), result.line))
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_knowledge_of_images_fails_no_pod_that_passed_without(name):
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}")
    before = passing({**POLICIES[name], "compatibility": "0.1"})
    assert len(before) > 200
    assert before - passing(POLICIES[name]) == set()


def images(engine: Engine, policy: Policy, data: bytes):
    try:
        text, _ = split.decode(data)
    except InputError:
        return
    for chunk in engine.run(text):
        for result in chunk.resources:
            for pod in policy.pods_of(result.resource):
                yield from (container.image for container in pod.containers if container.image)


def sort_of(image: str) -> str:
    facts = of_catalogue(parse(image))
    if facts.sure("cannotRestrict"):
        return "refused"
    if facts.value("uid") is not None:
        return "user"
    return "base" if facts else "unknown"


def test_real_manifests_are_known_by_half(counted):
    real = counted["real"]
    assert real.total() > 1300
    assert 1 - real["unknown"] / real.total() > 0.5


def test_whoever_is_unknown_stays_unknown(counted):
    assert sort_of("registry.example/team/app:1") == "unknown"
    assert counted["real"]["unknown"] > 100

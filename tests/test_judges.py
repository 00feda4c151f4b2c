"""Our verdict beside the standard's own judges: every check, every version, every word.

Two sorts of input: the fixtures of k8s.io/pod-security-admission, and random pods. A Pod is compared with `admission`,
the API server's own way to it, wherever that gets as far as a verdict (201, 403); what it finds invalid (422) is
compared with `psa` on the Pod with the server's defaults. A template is compared with `psa`, as it is written.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from judges import (
    APPARMOR,
    TEMPLATES,
    admission,
    as_json,
    defaulted,
    of_admission,
    of_psa,
    ours,
    policy,
    psa,
    templated,
    verdict_of,
)
from pod_strategies import LEVELS, MISTAKES, SAID, VERSIONS, plain, some_pods, with_said

from krm_harden import check, controls
from krm_harden.model import parse_version

MODULE = "k8s.io/pod-security-admission@v0.37.2"
EXAMPLES = max(200, settings.default.max_examples if settings.default else 0)
MOST = 20
"""Pods of an example, 10 on average: some 2,000 in the default profile, 50,000 in the long one."""


def failing_checks(result) -> set[str]:
    return {found.control for found in result.findings if controls.load()[found.control].standard}


def differences(document, held, answer):
    """What we say otherwise than a judge. Where it can't read a document, we must not say that it is allowed."""
    result, judge = check(as_json(document), held), None if answer.get("error") else of_psa(answer)
    mine = None if result.errors else verdict_of(result)
    agreed = mine == judge or (judge is None and mine is not None and not mine[0])
    if agreed and judge is not None:
        mine, judge = failing_checks(result), {each["id"] for each in answer.get("checks", ())}
        agreed = mine == judge
    return [] if agreed else [(document, mine, judge)]


# The standard's own fixtures


@cache
def fixtures() -> Path:
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain to get the fixtures with")
    done = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{MODULE} can't be had here: {done.stderr.strip()}")
    return Path(json.loads(done.stdout)["Dir"]) / "test" / "testdata"


def of_version(level: str, minor: int) -> list[Path]:
    return sorted((fixtures() / level / f"v1.{minor}").glob("*/*.yaml"))


def the_check(path: Path) -> str:
    """The check that a fixture is about, from its name: `seccompprofile_baseline3` is of seccompProfile_baseline."""
    name = path.stem.rstrip("0123456789")
    return next(known for known in controls.load() if known.lower() == name)


OVERRIDDEN = {
    "capabilities_baseline": "capabilities_restricted",
    "hostPathVolumes": "restrictedVolumes",
    "procMount": "procMount_restricted",
    "seccompProfile_baseline": "seccompProfile_restricted",
}
"""At level restricted the second fails in the place of the first."""


def well_named(pod: dict) -> dict:
    """A fixture under a valid name: `base_linux` isn't one."""
    return pod | {"metadata": pod["metadata"] | {"name": pod["metadata"]["name"].replace("_", "-")}}


def test_every_fixture_is_read():
    assert sum(1 for _ in fixtures().glob("*/v1.*/*/*.yaml")) == 4537


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("minor", range(38))
def test_fixtures_pass_and_fail_as_they_promise(level, minor):
    held = policy(level, f"v1.{minor}")

    for path in of_version(level, minor):
        result = check(path.read_text(), held)
        failing = failing_checks(result)
        promised = the_check(path) if path.parent.name == "fail" else ""

        assert (result.errors, result.allowed) == ((), not promised), path
        assert failing & {promised, OVERRIDDEN.get(promised)} if promised else not failing, path


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("minor", range(38))
def test_messages_of_fixtures(level, minor):
    version = f"v1.{minor}"
    held = policy(level, version)
    pods = [well_named(yaml.load(path.read_text(), yaml.CSafeLoader)) for path in of_version(level, minor)]
    written = [*map(as_json, [*map(templated, pods), *map(defaulted, pods)])]
    answers = psa(written, level, version)
    created = admission([*map(as_json, pods)], level, version)

    for pod, raw, with_defaults, answer in zip(pods, answers, answers[len(pods) :], created, strict=False):
        assert differences(templated(pod), held, raw) == []
        assert differences(pod, held, with_defaults) == []
        # The only fixtures that the API server finds invalid: procMount: Unmasked needs hostUsers: false.
        valid = answer["code"] != 422
        assert of_admission(answer) == of_psa(with_defaults) if valid else "procMount" in with_defaults["message"]


# Random pods


@given(found=some_pods(MOST), kind=st.sampled_from([*TEMPLATES][1:]), level=LEVELS, version=VERSIONS)
@settings(max_examples=EXAMPLES)
def test_random_pods(found, kind, level, version):
    held = policy(level, version)
    templates = [template for pod in found for template in (templated(pod), templated(pod, kind))]
    answers = psa([*map(as_json, [*templates, *map(defaulted, found)])], level, version)
    created = admission([*map(as_json, found)], level, version)
    raw, with_defaults = answers[: len(templates)], answers[len(templates) :]

    wrong = [
        difference
        for template, answer in zip(templates, raw, strict=True)
        for difference in differences(template, held, answer)
    ]
    for pod, as_written, answer, created_as in zip(found, raw[::2], with_defaults, created, strict=True):
        judge = as_written if as_written.get("error") else answer
        assert (created_as["code"] == 400) == bool(judge.get("error"))
        if created_as["code"] in {201, 403}:
            assert of_admission(created_as) == of_psa(judge), "this test's defaulting is wrong"
        event(f"a Pod: {created_as['code']}")
        wrong += differences(pod, held, judge)

    for document, mine, judge in wrong:
        note(f"{as_json(document)}\n  ours {mine}\n  the judge's {judge}")
    assert not wrong


ALONE = [thing for thing in SAID if thing[0] in {"spec", "metadata", 0}]


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("version", ["v1.18", "v1.24", "v1.34", "latest"])
def test_each_thing_said_alone(level, version):
    """Every check has something to say, and nothing is lost beside something else that is said."""
    held = policy(level, version)
    pods = [saying(thing) for thing in ALONE]
    documents = [*map(templated, pods), *pods]
    answers = psa([*map(as_json, [*map(templated, pods), *map(defaulted, pods)])], level, version)
    failing = {each["id"] for answer in answers for each in answer.get("checks", ())}
    known = controls.active(controls.of_standard(level), parse_version(version))

    pairs = zip(documents, answers, strict=True)
    assert [one for document, answer in pairs for one in differences(document, held, answer)] == []
    assert failing == {control.id for control, _ in known}
    assert len(documents) / 4 < sum(answer["allowed"] for answer in answers) < len(documents)


def without(data, field: str):
    """The data without a field, wherever it is."""
    if isinstance(data, dict):
        return {name: without(value, field) for name, value in data.items() if name != field}
    return [without(item, field) for item in data] if isinstance(data, list) else data


def of_every_server(pod: dict) -> dict:
    """A pod without what the API of an old server doesn't have: AppArmor's fields, volumes of images."""
    spec = without(pod["spec"], "appArmorProfile")
    volumes = spec.get("volumes")
    kept = [without(volume, "image") for volume in volumes] if isinstance(volumes, list) else volumes
    return {**pod, "spec": {**spec, "volumes": kept}}


@given(found=some_pods(5), level=LEVELS, version=VERSIONS, server=st.integers(20, 37))
@settings(max_examples=EXAMPLES // 2)
def test_the_target_caps_the_version(found, level, version, server):
    """As a server of that version judges: it doesn't know later rules, whatever a label asks for.

    `psa` knows the cap alone, and nothing of what the API of such a server hasn't yet.
    """
    documents = [templated(of_every_server(pod)) for pod in found]
    answers = psa([*map(as_json, documents)], level, version, "-emulate", f"v1.{server}")

    for written in (f"1.{server}", f"v1.{server}"):
        held = policy(level, version, target={"kubernetes": written})
        pairs = zip(documents, answers, strict=True)
        assert [one for document, answer in pairs for one in differences(document, held, answer)] == []


def saying(*things) -> dict:
    return with_said(plain((["web"], [], []), hardened=True), things)


NEW_RULES = {
    22: saying((0, (("securityContext", "capabilities", "drop"), ["NET_RAW"]))),
    23: saying(("spec", (("securityContext", "runAsUser"), 0))),
    25: saying(("spec", (("os", "name"), "windows")), (0, (("securityContext",), {}))),
    27: saying(("spec", (("securityContext", "sysctls"), [{"name": "net.ipv4.ip_local_reserved_ports"}]))),
    29: saying(("spec", (("securityContext", "sysctls"), [{"name": "net.ipv4.tcp_fin_timeout"}]))),
    31: saying(("spec", (("securityContext", "seLinuxOptions", "type"), "container_engine_t"))),
    32: saying(("spec", (("securityContext", "sysctls"), [{"name": "net.ipv4.tcp_rmem"}]))),
    34: saying((0, (("livenessProbe", "httpGet"), {"host": "127.0.0.1", "port": 80}))),
    35: saying(("spec", (("hostUsers",), False)), ("spec", (("securityContext", "runAsNonRoot"), False))),
    37: saying(("spec", (("securityContext", "sysctls"), [{"name": "net.ipv4.tcp_notsent_lowat"}]))),
}
"""The minor version with which a rule came since v1.20, and a pod of which it says something new."""


@pytest.mark.parametrize("server", range(20, 38))
def test_the_target_caps_latest_at_every_version(server):
    documents = [as_json(templated(pod)) for pod in NEW_RULES.values()]
    held = policy("restricted", "latest", target={"kubernetes": f"1.{server}"})
    capped = [*map(of_psa, psa(documents, "restricted", "latest", "-emulate", f"v1.{server}"))]
    newest = [*map(of_psa, psa(documents, "restricted", "latest"))]

    assert [ours(document, held) for document in documents] == capped
    assert [one == other for one, other in zip(capped, newest, strict=True)] == [server >= since for since in NEW_RULES]


# What can't be read


def misread(things, level: str) -> list:
    """Those of some things said that we allow and the API server can't read."""
    held = policy(level)
    documents = [as_json(templated(saying(thing))) for thing in things]
    answers = psa(documents, level, "latest")
    unreadable = [thing for thing, answer in zip(things, answers, strict=True) if answer.get("error")]
    verdicts = [ours(as_json(templated(saying(thing))), held) for thing in unreadable]
    return [thing for thing, mine in zip(unreadable, verdicts, strict=True) if mine is not None and mine[0]]


@pytest.mark.parametrize("level", ["privileged", "baseline", "restricted"])
def test_a_wrong_type_is_never_allowed_where_a_check_reads(level):
    """At any level: a check that is off there doesn't make its field readable."""
    assert misread(MISTAKES, level) == []


APPARMOR_OF_WEB = ("annotations", f"{APPARMOR}web")


def test_a_profile_in_an_annotation_is_a_string():
    found = [("metadata", (APPARMOR_OF_WEB, value)) for value in (True, False, 0, 1, 1.5)]

    assert misread(found, "baseline") == []


def test_a_user_fits_64_bits():
    assert misread([(0, (("securityContext", "runAsUser"), 2**number)) for number in (63, 64, 65)], "restricted") == []


SYSCTL = {"name": "net.ipv4.tcp_syncookies", "value": 1}
BESIDE = [
    ("spec", (("securityContext", "fsGroup"), "1")),
    ("spec", (("securityContext", "supplementalGroups"), ["1"])),
    ("spec", (("securityContext", "seLinuxOptions", "level"), 0)),
    ("spec", (("securityContext", "sysctls"), [SYSCTL])),
    (0, (("securityContext", "seccompProfile"), {"type": "Localhost", "localhostProfile": 1})),
    (0, (("ports",), [{"containerPort": "80"}])),
]


@pytest.mark.parametrize("thing", BESIDE, ids=as_json)
def test_a_wrong_type_beside_what_is_checked_is_seen(thing):
    assert misread([thing], "restricted") == []


IGNORED = [
    ("metadata", (("annotations", "prometheus.io/scrape"), True)),
    ("metadata", (("labels", "version"), 1)),
    ("spec", (("dnsPolicy",), 1)),
    (0, (("securityContext", "readOnlyRootFilesystem"), "true")),
    (0, (("env",), [{"name": "A", "value": 1}])),
]
"""Wrong types in fields that no check of the standard reads."""


@pytest.mark.parametrize("thing", IGNORED, ids=as_json)
def test_a_wrong_type_is_ignored_where_no_check_reads(thing):
    assert misread([thing], "restricted") == [thing]


@pytest.mark.parametrize("word", ["true", "yes", "false", "off"])
@pytest.mark.parametrize("field", ["runAsNonRoot", "allowPrivilegeEscalation"])
def test_a_boolean_in_quotes_counts_as_unset_where_a_fix_would_replace_it(field, word):
    """kustomize makes strings of YAML's older booleans. Restricted forbids it so; baseline doesn't read it."""
    thing = (0, (("securityContext", field), word))

    assert misread([thing], "restricted") == []
    assert misread([thing], "baseline") == [thing]


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("lists", ["containers", "initContainers", "ephemeralContainers"])
def test_a_null_in_the_place_of_a_container_is_never_allowed(lists, level):
    """The API server reads a container without a name, and finds it invalid."""
    pod = saying(("spec", ((lists, "-"), None)))
    (judge,) = psa([as_json(templated(pod))], level, "latest")
    found = [ours(as_json(document), policy(level)) for document in (pod, templated(pod))]

    assert found == [None, None]
    assert of_psa(judge)[0] == (level == "baseline")

"""krm-harden as a transformer of the real kustomize."""

from __future__ import annotations

import re
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest
from clients import (
    DATA,
    IDENTITY,
    SHOP,
    as_json,
    build,
    built,
    copied,
    cost,
    deployments,
    diff,
    documents,
    harden,
    indented,
    judged,
    parsed,
    policy,
    resource_list,
    run,
)
from conftest import ROOT, require

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Ran

KUSTOMIZATION = "resources: [web.yaml]\ntransformers: [policy.yaml]\n"


def package(folder: Path, manifests: str, **spec: object) -> Path:
    """A kustomization of some manifests with the function as its transformer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "web.yaml").write_text(manifests)
    (folder / "policy.yaml").write_text(policy(**spec))
    (folder / "kustomization.yaml").write_text(KUSTOMIZATION)
    return folder


def pods(text: bytes) -> dict[str, dict]:
    """The pod spec of each Deployment, by name."""
    found = [document for document in documents(text) if document["kind"] == "Deployment"]
    return {document["metadata"]["name"]: document["spec"]["template"]["spec"] for document in found}


def test_transformer():
    """Check 4: hardened fields are there, everything else is as `cat` leaves it, and nothing of the bookkeeping leaks."""
    plain = built("kustomize", IDENTITY)
    ran = built("kustomize")

    assert (plain.code, plain.err) == (0, "")
    assert ran.code == 0
    assert diff(plain.out, ran.out).removed == []
    assert {"warning"} == {line.partition(":")[0] for line in ran.err.splitlines()}
    for word in ("internal.", "config.kubernetes.io", "config.k8s.io", "krm-harden.dev"):
        assert word not in ran.out.decode()
    for pod in pods(ran.out).values():
        assert pod["securityContext"]["runAsNonRoot"] == "true"
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": "false",
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": "true",
        }
    assert judged(ran.out) == {"Deployment/web": True, "Deployment/worker": True}
    assert judged(plain.out) == {"Deployment/web": False, "Deployment/worker": False}


def test_oldest_kustomize():
    """Check 5: kustomize 5.5.0, which kubectl 1.32 embeds, makes the same output."""
    newest = built("kustomize")
    oldest = built("kustomize", kustomize="kustomize-5.5.0")

    assert (newest.code, newest.out, newest.err) == (oldest.code, oldest.out, oldest.err)


def test_second_build(tmp_path: Path):
    """Building the output once more changes nothing, and has nothing to say."""
    first = built("kustomize")

    second = build(package(tmp_path, first.out.decode()))

    assert (second.code, second.err) == (0, "")
    assert first.out == second.out


@pytest.mark.parametrize(
    "command",
    [("kustomize", "build", "--enable-alpha-plugins"), ("kubectl", "kustomize", "--enable-alpha-plugins")],
    ids=["kustomize", "kubectl"],
)
def test_gate(command: tuple[str, ...]):
    """Check 8: without --enable-exec the function is skipped in silence; `krm-harden check` behind it fails."""
    plain = built("kustomize", IDENTITY)

    skipped = run(require(command[0]), *command[1:], DATA / "kustomize")
    gate = run("krm-harden", "check", "-", stdin=skipped.out)

    assert (0, "", plain.out) == (skipped.code, skipped.err, skipped.out)
    assert gate.code == 1
    assert b"Deployment/web: runAsNonRoot" in gate.out
    assert b"Deployment/worker: runAsNonRoot" in gate.out


def test_gate_passes():
    """Check 8: the gate lets the hardened output through."""
    gate = run("krm-harden", "check", "-", stdin=built("kustomize").out)

    assert (gate.code, gate.out) == (0, b"")


def test_no_plugins():
    """Without --enable-alpha-plugins kustomize itself refuses: nobody gets an unhardened build unnoticed."""
    ran = build(DATA / "kustomize", flags=())

    assert (ran.code, ran.out) == (1, b"")
    assert "HardeningPolicy" in ran.err


def test_strings():
    """Check 9: strings that look like numbers, booleans, octals or times are strings for kubectl afterwards."""
    plain = as_json(built("kustomize", IDENTITY).out)
    made = as_json(built("kustomize").out)
    container = next(item for item in made if item["metadata"]["name"] == "web" and item["kind"] == "Deployment")
    container = container["spec"]["template"]["spec"]["containers"][0]

    expected = ["1e3", "0o14", "yes", "y", "0755", "12:30:45", "null", "~", "", "1_000", ".inf", "2024-01-01"]
    assert expected == container["args"]
    assert container["env"][0]["value"] == "on"
    for old, new in zip(plain, made, strict=True):
        assert old == without_additions(old, new)


def without_additions(old, new):
    """What is left of new data when everything that the old hadn't is taken away."""
    if isinstance(old, dict):
        return {key: without_additions(value, new[key]) for key, value in old.items() if key in new}
    if isinstance(old, list):
        return [without_additions(before, after) for before, after in zip(old, new, strict=False)]
    return new


def test_error(tmp_path: Path):
    """Check 14: a finding that nobody exempts fails the build; kustomize shows what we say on stderr, errors first."""
    folder = package(tmp_path, (DATA / "explicit.yaml").read_text())

    ran = build(folder)
    lines = ran.err.splitlines()

    assert (ran.code, ran.out) == (1, b"")
    assert lines[0].startswith("error: Deployment/shop/agent: ")
    assert lines[-1].startswith("Error: couldn't execute function: exit status 1")
    assert any('container "agent" sets runAsUser=0' in line and "exemption: {match: " in line for line in lines)
    spoken = [line.partition(":")[0] for line in lines[:-1]]
    assert sorted(spoken) == spoken
    assert {"error", "warning"} == set(spoken)


def test_warn_only(tmp_path: Path):
    """Check 15: with onViolation: Warn the same findings are warnings on stderr, and the build goes through."""
    folder = package(tmp_path, (DATA / "explicit.yaml").read_text(), onViolation="Warn")

    plain = build(folder, function=IDENTITY)
    ran = build(folder)

    assert ran.code == 0
    assert {"warning"} == {line.partition(":")[0] for line in ran.err.splitlines()}
    assert 'container "agent" sets runAsUser=0' in ran.err
    assert diff(plain.out, ran.out).removed == []


def test_wrong_policy(tmp_path: Path):
    """Check 17: a typo in the policy: one line that names the field and what is allowed, before kustomize's own."""
    ran = build(package(tmp_path, (DATA / "explicit.yaml").read_text(), profle="restricted"))
    said, kustomize = ran.err.splitlines()

    assert (ran.code, ran.out) == (1, b"")
    assert said.startswith("krm-harden: error: ")
    assert "spec.profle" in said
    assert "allowed: " in said
    assert kustomize.startswith("Error: couldn't execute function: exit status 3")


def test_inline_config_map(tmp_path: Path):
    """Check 18: a flat ConfigMap as an inline transformer does what the policy does."""
    folder = package(tmp_path, (DATA / "names/base/web.yaml").read_text(), controls={"numericUser": {"uid": 2000}})
    expected = build(folder)
    inline = """\
resources: [web.yaml]
transformers:
- |-
  apiVersion: v1
  kind: ConfigMap
  metadata:
    name: harden
    annotations:
      config.kubernetes.io/function: "exec: {path: krm-harden}"
  data: {numericUser.uid: "2000"}
"""
    (folder / "kustomization.yaml").write_text(inline)

    ran = build(folder)

    assert (0, expected.out, expected.err) == (ran.code, ran.out, ran.err)
    assert b"runAsUser: 2000" in ran.out


@pytest.mark.parametrize("name", ["overlay", "dev", "test", "both", "outer"])
def test_names(name: str):
    """Check 20: with the function in the base, names, hashes and references are those of `cat` in its place."""
    plain = built(f"names/{name}", IDENTITY)
    ran = built(f"names/{name}")

    assert (plain.code, plain.err) == (0, "")
    assert ran.code == 0
    assert diff(plain.out, ran.out).removed == []
    accounts = [found["metadata"]["name"] for found in documents(ran.out) if found["kind"] == "ServiceAccount"]
    assert accounts == list(pods(ran.out))
    assert accounts == [pod["serviceAccountName"] for pod in pods(ran.out).values()]
    maps = [found["metadata"]["name"] for found in documents(ran.out) if found["kind"] == "ConfigMap"]
    assert maps == [pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] for pod in pods(ran.out).values()]
    assert all(judged(ran.out).values())


def test_merged_config_map():
    """Check 20: the overlay's generator merges with the base's behind the function, hash included."""
    ran = built("names/overlay")
    config = next(found for found in documents(ran.out) if found["kind"] == "ConfigMap")

    assert config["data"] == {"colour": "blue", "shape": "round"}
    assert config["metadata"]["name"] == "ov-settings-8gc98k897f"


def test_base_used_twice():
    """A base with the function, used by two overlays: each is hardened alike, and warned about once."""
    ran = built("names/both")

    assert ran.code == 0
    assert sorted(pods(ran.out)) == ["dev-web", "test-web"]
    assert pods(ran.out)["dev-web"]["securityContext"] == pods(ran.out)["test-web"]["securityContext"]
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("spec", "uid"),
    [
        pytest.param({"controls": {"numericUser": {"uid": 20002}}}, "20002", id="controls"),
        pytest.param({"images": [{"match": "registry.example/web:*", "uid": 1001}]}, "1001", id="images"),
    ],
)
def test_two_policies(tmp_path: Path, spec: dict, uid: str):
    """The overlay's policy finds the base's default: it says what is stale, on stderr, and doesn't fight."""
    base = built("names/outer", IDENTITY)
    names = copied("names", tmp_path)
    (names / "outer/policy.yaml").write_text(policy(**spec))

    ran = build(names / "outer")
    stale = [line for line in ran.err.splitlines() if "10001" in line]

    assert ran.code == 0
    assert diff(base.out, ran.out).removed == []
    assert pods(ran.out)["outer-web"]["securityContext"]["runAsUser"] == "10001"
    assert len(stale) == 1
    assert stale[0].startswith(
        "warning: Deployment/outer-web: numericUser spec.template.spec.securityContext.runAsUser: "
    )
    assert f"says {uid}" in stale[0]
    assert f"replace spec.template.spec.securityContext.runAsUser by {uid}" in stale[0]


def test_stale_result():
    """What is stale is a result of that state, with the value to paste, and survives the way back through the function."""
    web = (DATA / "names/base/web.yaml").read_text()
    items = harden(resource_list(web)).out.partition(b"\nresults:")[0].decode() + "\n"
    config = indented(policy(controls={"numericUser": {"uid": 20002}}))

    ran = harden(f"{items}functionConfig:\n{config}")
    (result,) = [found for found in parsed(ran.out)["results"] if found["tags"]["state"] == "stale"]

    assert ran.code == 0
    assert items.encode() == ran.out[: len(items)]
    assert result["severity"] == "warning"
    expected = {
        "path": "spec.template.spec.securityContext.runAsUser",
        "currentValue": "10001",
        "proposedValue": "20002",
    }
    assert expected == result["field"]


def test_broken_item(tmp_path: Path):
    """Check 22: an item of a wrong shape fails the build with its name; never an empty build with exit 0."""
    broken = (DATA / "names/base/web.yaml").read_text().replace("serviceAccountName: web", "securityContext: [1]")

    ran = build(package(tmp_path, broken))

    assert (ran.code, ran.out) == (1, b"")
    assert "Deployment/web" in ran.err.splitlines()[0]
    assert "securityContext" in ran.err.splitlines()[0]


def test_same_block_twice():
    """Check 23: two Deployments that get the same block: kustomize reads it, no anchors in the output."""
    ran = built("kustomize")

    assert ran.code == 0
    assert [line for line in ran.out.decode().splitlines() if ": &" in line or ": *" in line or "- *" in line] == []
    web, worker = pods(ran.out).values()
    assert web["securityContext"] == worker["securityContext"]


def test_plain_yes(tmp_path: Path):
    """Check 24: kustomize makes a string of `runAsNonRoot: yes`; it is said to be of the wrong type and set to true."""
    web = (
        (DATA / "names/base/web.yaml")
        .read_text()
        .replace("serviceAccountName: web", "securityContext: {runAsNonRoot: yes}")
    )
    folder = package(tmp_path, web)

    plain = build(folder, function=IDENTITY)
    ran = build(folder)

    assert 'runAsNonRoot: "yes"' in plain.out.decode()
    assert ran.code == 0
    assert diff(plain.out, ran.out).removed == ['        runAsNonRoot: "yes"']
    assert pods(ran.out)["web"]["securityContext"]["runAsNonRoot"] == "true"
    assert all(judged(ran.out).values())


# As a validator

BOTH = ("kustomize", "kustomize-5.5.0")


def gated(folder: Path, manifests: str, kustomization: str, **spec: object) -> Path:
    """A kustomization of some manifests beside a policy that only judges and one that hardens."""
    package(folder, manifests, **spec)
    (folder / "gate.yaml").write_text(policy(validator=True, **spec).replace("restricted", "gate", 1))
    (folder / "kustomization.yaml").write_text(f"resources: [web.yaml]\n{kustomization}\n")
    return folder


@pytest.mark.parametrize("kustomize", BOTH)
def test_a_validator_passes_what_is_hardened_and_changes_nothing(kustomize: str, tmp_path: Path):
    web = (DATA / "names/base/web.yaml").read_text()

    hardened = build(gated(tmp_path, web, "transformers: [policy.yaml]"), kustomize=kustomize)
    both = build(gated(tmp_path, web, "transformers: [policy.yaml]\nvalidators: [gate.yaml]"), kustomize=kustomize)
    alone = build(gated(tmp_path, hardened.out.decode(), "validators: [gate.yaml]"), kustomize=kustomize)

    assert (hardened.code, both.code, alone.code) == (0, 0, 0)
    assert hardened.out == both.out == alone.out
    assert alone.err == ""


@pytest.mark.parametrize("kustomize", BOTH)
def test_a_validator_fails_what_is_not_hardened_with_its_findings(kustomize: str, tmp_path: Path):
    web = (DATA / "names/base/web.yaml").read_text()

    ran = build(gated(tmp_path, web, "validators: [gate.yaml]"), kustomize=kustomize)
    lines = ran.err.splitlines()

    assert (ran.code, ran.out) == (1, b"")
    assert [line for line in lines if line.startswith("error: Deployment/web: runAsNonRoot ")]
    assert lines[-1].startswith("Error: couldn't execute function: exit status 1")


@pytest.mark.parametrize("kustomize", BOTH)
@pytest.mark.parametrize("role", ["transformers: [gate.yaml]", "transformers: [gate.yaml]\nvalidators: [gate.yaml]"])
def test_a_validator_is_refused_as_a_transformer(kustomize: str, role: str, tmp_path: Path):
    """What it returns would delete the build."""
    hardened = build(package(tmp_path / "hardened", (DATA / "names/base/web.yaml").read_text()))

    ran = build(gated(tmp_path / "gated", hardened.out.decode(), role), kustomize=kustomize)
    said, kustomize_said = ran.err.splitlines()

    assert (ran.code, ran.out) == (1, b"")
    assert "transformers: gate.yaml has validator: true" in said
    assert kustomize_said.startswith("Error: couldn't execute function: exit status 3")


def test_a_validator_below_an_overlay_is_found_by_the_kustomization_that_declares_it(tmp_path: Path):
    """A base's and a component's: each runs in its own folder."""
    hardened = build(package(tmp_path / "plain", (DATA / "names/base/web.yaml").read_text()))
    gated(tmp_path / "base", hardened.out.decode(), "validators: [gate.yaml]")
    component = gated(tmp_path / "component", "", "validators: [gate.yaml]")
    (component / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nvalidators: [gate.yaml]\n"
    )
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text("namePrefix: ov-\nresources: [../base]\ncomponents: [../component]\n")

    ran = build(overlay)

    assert (ran.code, ran.err) == (0, "")
    assert list(pods(ran.out)) == ["ov-web"]


def test_a_validator_of_an_empty_build_passes(tmp_path: Path):
    gated(tmp_path, "", "validators: [gate.yaml]")
    (tmp_path / "kustomization.yaml").write_text("validators: [gate.yaml]\n")

    ran = build(tmp_path)

    assert (ran.code, ran.out, ran.err) == (0, b"", "")


# The legacy exec plugin

LEGACY_CLIENTS = {
    "kubectl": ("kubectl", "kustomize"),
    "kustomize": ("kustomize", "build"),
    "kustomize-5.5.0": ("kustomize-5.5.0", "build"),
}
every_client = pytest.mark.parametrize("client", LEGACY_CLIENTS.values(), ids=LEGACY_CLIENTS)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin where kustomize looks for it."""
    home = tmp_path / "plugins with a space"
    target = home / "krm-harden.dev/v1alpha1/hardeningpolicy/HardeningPolicy"
    target.parent.mkdir(parents=True)
    shutil.copy(ROOT / "function/kustomize-legacy/HardeningPolicy", target)
    monkeypatch.setenv("KUSTOMIZE_PLUGIN_HOME", str(home))
    return home


def plain_policy(text: str) -> str:
    """A policy without the annotation that makes a function of it: its kind and group name the plugin."""
    return re.sub(r"(?m)^  annotations:\n(?:    .*\n)*", "", text)


def legacy(folder: Path, client: tuple[str, ...]) -> Ran:
    """`kubectl kustomize --enable-alpha-plugins`, or the same by kustomize."""
    return run(require(client[0]), *client[1:], "--enable-alpha-plugins", folder)


def without_functions(folder: Path) -> Path:
    """A folder whose policies are for the plugin."""
    for path in (path for name in ("policy.yaml", "gate.yaml") for path in folder.rglob(name)):
        path.write_text(plain_policy(path.read_text()))
        assert "function" not in path.read_text()
    return folder


@every_client
@pytest.mark.parametrize("name", ["kustomize", *(f"names/{name}" for name in ("overlay", "dev", "both", "outer"))])
def test_the_legacy_plugin_makes_what_the_function_makes(plugin: Path, client, name: str, tmp_path: Path):
    """Check 26: also in a base, below prefixes and generators that merge."""
    top, _, rest = name.partition("/")
    folder = without_functions(copied(top, tmp_path / "legacy"))

    ran = legacy(folder / rest, client)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == built(name).out
    assert all(judged(ran.out).values())


@every_client
def test_the_legacy_plugin_takes_locks_among_the_manifests(plugin: Path, client, tmp_path: Path):
    lock = """\
---
apiVersion: krm-harden.dev/v1alpha1
kind: ImageLock
metadata:
  name: images
  annotations: {config.kubernetes.io/local-config: "true"}
spec:
  images:
  - digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
    images: [registry.example/web:1]
    facts: {uid: 1234}
"""
    folder = package(tmp_path / "web", (DATA / "names/base/web.yaml").read_text() + lock)
    expected = build(folder)
    ran = legacy(without_functions(folder), client)

    assert pods(expected.out)["web"]["securityContext"]["runAsUser"] == "1234"
    assert (ran.code, ran.out) == (0, expected.out)


@every_client
def test_the_legacy_plugin_shows_its_errors(plugin: Path, client, tmp_path: Path):
    """kustomize shows what a plugin says on stderr only where it fails: each finding in full, before kustomize's own words."""
    folder = package(tmp_path / "web", (DATA / "explicit.yaml").read_text())
    function = build(folder)

    ran = legacy(without_functions(folder), client)

    assert (ran.code, ran.out) == (1, b"")
    lines = [line.strip().removeprefix("Error: ") for line in ran.err.splitlines()]
    assert [line for line in function.err.splitlines()[:-1] if line not in lines] == []
    assert "exit status 1" in ran.err


@every_client
def test_the_legacy_plugin_says_what_is_wrong_with_its_policy(plugin: Path, client, tmp_path: Path):
    folder = package(tmp_path / "web", (DATA / "names/base/web.yaml").read_text(), profle="restricted")

    ran = legacy(without_functions(folder), client)

    assert (ran.code, ran.out) == (1, b"")
    assert f"{folder}: the policy: spec.profle is unknown" in ran.err
    assert "exit status 3" in ran.err


@every_client
def test_the_legacy_plugin_leaves_alone_what_makes_no_pods(plugin: Path, client, tmp_path: Path):
    """Nothing to harden, and nothing at all."""
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n"
    folder = without_functions(package(tmp_path / "web", account))

    some = legacy(folder, client)
    (folder / "kustomization.yaml").write_text("transformers: [policy.yaml]\n")
    none = legacy(folder, client)

    assert (some.code, some.out.decode(), some.err) == (0, account, "")
    assert (none.code, none.out, none.err) == (0, b"", "")


@every_client
def test_the_legacy_plugin_is_missed_loudly(plugin: Path, client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUSTOMIZE_PLUGIN_HOME", str(tmp_path))
    folder = without_functions(package(tmp_path / "web", (DATA / "names/base/web.yaml").read_text()))

    ran = legacy(folder, client)

    assert (ran.code, ran.out) == (1, b"")
    assert "HardeningPolicy" in ran.err


@every_client
def test_the_legacy_plugin_is_a_validator_too(plugin: Path, client, tmp_path: Path):
    """kustomize refuses any items of a legacy validator, and takes none from a transformer as a wish to delete."""
    web = (DATA / "names/base/web.yaml").read_text()
    hardened = build(package(tmp_path / "hardened", web))

    good = without_functions(gated(tmp_path / "good", hardened.out.decode(), "validators: [gate.yaml]"))
    bad = without_functions(gated(tmp_path / "bad", web, "validators: [gate.yaml]"))
    wrong = without_functions(gated(tmp_path / "wrong", hardened.out.decode(), "transformers: [gate.yaml]"))

    ran = legacy(good, client)
    assert (ran.code, ran.out, ran.err) == (0, hardened.out, "")
    ran = legacy(bad, client)
    assert (ran.code, ran.out) == (1, b"")
    assert "error: Deployment/web: runAsNonRoot " in ran.err
    ran = legacy(wrong, client)
    assert (ran.code, ran.out) == (1, b"")
    assert "transformers: gate.yaml has validator: true" in ran.err


def test_empty_kustomization(tmp_path: Path):
    """Where there is nothing but the policy itself, the build is as with `cat`."""
    (tmp_path / "policy.yaml").write_text(policy())
    (tmp_path / "kustomization.yaml").write_text("transformers: [policy.yaml]\n")

    plain = build(tmp_path, function=IDENTITY)
    ran = build(tmp_path)

    assert (plain.code, plain.out, plain.err) == (ran.code, ran.out, ran.err)


def test_online_boutique(shared: Path, tmp_path: Path):
    """Online Boutique: none of its 12 Deployments is allowed before, all are after; only lines were added."""
    folder = package(tmp_path, SHOP.read_text())

    plain = build(folder, function=IDENTITY)
    ran = build(folder)
    before, after = judged(plain.out), judged(ran.out)

    assert (plain.code, plain.err) == (0, "")
    assert (ran.code, ran.err) == (0, "")
    assert (len(before), list(before.values()).count(False)) == (12, 12)
    assert dict.fromkeys(before, True) == after
    assert diff(plain.out, ran.out).removed == []
    assert len(diff(plain.out, ran.out).inserted) == 24


def test_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Check 25: 200 Deployments: what the function costs over `cat` in its place."""
    folder = package(tmp_path, deployments(200))

    without, seconds = cost(partial(build, folder, function=IDENTITY)), cost(partial(build, folder))
    with capsys.disabled():
        print(f"\n200 Deployments in kustomize: `cat` {without}, krm-harden {seconds}", end="")

    assert list(judged(build(folder).out).values()).count(True) == 200
    assert seconds.cpu - without.cpu < 2

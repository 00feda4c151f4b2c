"""`krm-harden images`: from manifests and images to a lock, and from the lock to hardened manifests."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import clients
import pytest
import yaml
from conftest import clean_environment, require, run_cli
from hypothesis import given
from hypothesis import strategies as st
from registry import REGISTRIES, Site, digest, index, made, serving, tarball
from registry import described as descriptor

from krm_harden import source
from krm_harden.images import lock, resolve, write
from krm_harden.images.derive import Observed
from krm_harden.images.layers import Files

APP = "registry.example/app:1"
LOCK = "images.lock.yaml"
SCRIPT = b'#!/bin/sh\nset -e\nmkdir -p /var/lib/app\nexec gosu app "$@"\n'
PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:4711:4712:app:/home/app:/bin/sh\n"
TARS = (
    tarball(("etc", None), ("etc/passwd", PASSWD), ("usr", None), ("usr/bin", None)),
    tarball(("usr/bin/gosu", b"\x7fELF"), ("usr/bin/server", b"\x7fELF"), ("entrypoint.sh", SCRIPT)),
)
IMAGE = made(TARS, config={"Entrypoint": ["/entrypoint.sh"], "Cmd": ["server"], "ExposedPorts": {"80/tcp": {}},
                           "Volumes": {"/data": {}}})  # fmt: skip
OTHER = made(TARS, config={"Entrypoint": ["/usr/bin/server"], "User": "4711:4712"})
POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\nspec:\n"


def deployment(*images: str, name: str = "web") -> str:
    containers = "".join(f"      - name: c{number}\n        image: {image}\n" for number, image in enumerate(images))
    head = f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: shop\n"
    return f"{head}spec:\n  template:\n    spec:\n      containers:\n{containers}"


def tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def docker_archive(path, **images):
    """What `docker save` writes: `images` by their names."""
    files, listed = {}, []
    for name, image in images.items():
        layers = [f"{digest(layer)[7:]}/layer.tar" for layer in TARS]
        files |= {f"{digest(image.config)[7:]}.json": image.config, **dict(zip(layers, TARS, strict=True))}
        listed.append({"Config": f"{digest(image.config)[7:]}.json", "RepoTags": [name], "Layers": layers})
    tar(path, {**files, "manifest.json": json.dumps(listed).encode()})


def oci_layout(folder, image, name=APP):
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for data in (image.config, image.manifest, *image.layers):
        (folder / "blobs" / "sha256" / digest(data)[7:]).write_bytes(data)
    names = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
    (folder / "index.json").write_bytes(
        index({**descriptor(image.manifest, "application/vnd.oci.image.manifest.v1+json"), **names})
    )
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.fixture
def work(tmp_path):
    """A folder with a Deployment and its image's archive."""
    (tmp_path / "app.yaml").write_text(deployment(APP))
    docker_archive(tmp_path / "app.tar", **{APP: IMAGE})
    return tmp_path


def images(work, *arguments, **more):
    return run_cli("images", *arguments, cwd=work, XDG_CACHE_HOME=str(work / "cache"), **more)


def resolved(work, *arguments):
    ran = images(work, "resolve", "--from", "docker-archive:app.tar", "app.yaml", *arguments)
    assert ran.code == 0, ran.err
    return ran


def entries(work):
    return yaml.safe_load((work / LOCK).read_text())["spec"]["images"]


# Resolve


def test_an_image_is_one_block_of_the_lock(work, text_snapshot):
    resolved(work)

    assert (work / LOCK).read_text() == text_snapshot


def test_the_same_facts_come_from_an_archive_a_layout_and_a_registry(tmp_path):
    docker_archive(tmp_path / "app.tar", **{APP: IMAGE})
    oci_layout(tmp_path / "layout", IMAGE)
    (tmp_path / "app.yaml").write_text(deployment(APP))
    site = Site()
    site.add(IMAGE)
    with serving(site):
        (tmp_path / "pulled.yaml").write_text(deployment(f"{site.host}/app:1"))
        runs = [
            images(tmp_path, "resolve", "-o", "-", "--from", "docker-archive:app.tar", "app.yaml"),
            images(tmp_path, "resolve", "-o", "-", "--from", "oci:layout", "app.yaml"),
            images(tmp_path, "resolve", "-o", "-", "pulled.yaml"),
        ]
    (archive,), (layout,), (pulled,) = (yaml.safe_load(ran.out)["spec"]["images"] for ran in runs)

    assert archive["facts"] == layout["facts"] == pulled["facts"] != {}
    assert archive["imageID"] == layout["imageID"] == pulled["imageID"] == digest(IMAGE.config)
    assert (archive["digest"], layout["digest"], pulled["digest"]) == (
        digest(IMAGE.config), digest(IMAGE.manifest), digest(IMAGE.manifest),
    )  # fmt: skip


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_real_registry_is_asked(kind, tmp_path):
    (tmp_path / "registry").mkdir()
    with REGISTRIES[kind](tmp_path / "registry") as registry:
        registry.push(IMAGE, "shop/app", "1")
        (tmp_path / "app.yaml").write_text(deployment(f"{registry.host}/shop/app:1"))
        first = images(tmp_path, "resolve", "app.yaml")
    offline = images(tmp_path, "resolve", "--offline", "-o", "again.yaml", "app.yaml")

    assert (first.code, offline.code) == (0, 0), first.err + offline.err
    assert entries(tmp_path)[0]["facts"]["uid"] == 4711
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / LOCK).read_bytes()


def test_a_second_run_writes_the_same_bytes(work):
    resolved(work)
    before = (work / LOCK).read_bytes()
    again = resolved(work, "--jobs", "1")
    piped = images(
        work, "resolve", "--from", "docker-archive:app.tar", "-o", "-", "-", stdin=(work / "app.yaml").read_bytes()
    )

    assert (work / LOCK).read_bytes() == before == piped.out
    assert "changed" not in again.err


def test_every_kind_of_container_is_asked_for_and_each_image_once(work):
    (work / "app.yaml").write_text(
        deployment("nginx:1.27", APP)
        + "      initContainers:\n      - name: i\n        image: registry.example/init:1\n"
        + "---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p\n"
        + "  spec:\n    containers:\n    - name: a\n      image: docker.io/library/nginx:1.27\n"
        + "    ephemeralContainers:\n    - name: e\n      image: registry.example/debug:1\n"
    )
    names = ("nginx:1.27", APP, "registry.example/init:1", "registry.example/debug:1")
    docker_archive(work / "app.tar", **dict.fromkeys(names, IMAGE))

    resolved(work)

    (entry,) = entries(work)
    assert entry["images"] == sorted([*names, "docker.io/library/nginx:1.27"])


def test_names_that_are_no_images_yet_are_notes(work):
    unusable = ("' '", "ko://example.com/app", '"{{ .Values.image }}"', "'${IMAGE}'", "<REGISTRY>/app", "App:1")
    (work / "app.yaml").write_text(deployment(APP, *unusable) + "---\nkind: Deployment\nspec: {{ toYaml . }}\n")

    ran = resolved(work)

    notes = [line for line in ran.err.splitlines() if line.startswith("note: app.yaml:")]
    assert len(notes) == len(unusable) + 1
    assert [line for line in notes if "ko resolve" in line] == [
        "note: app.yaml:15: Deployment/shop/web: container \"c2\": the image 'ko://example.com/app' is built by ko: "
        "resolve what `ko resolve` prints"
    ]
    assert [entry["images"] for entry in entries(work)] == [[APP]]


def test_a_kustomization_that_changes_images_is_noted(work):
    (work / "kustomization.yaml").write_text(
        "resources: [app.yaml]\nimages:\n- name: registry.example/app\n  newTag: '2'\n"
    )

    ran = images(work, "resolve", "--from", "docker-archive:app.tar", ".")

    assert ran.code == 0
    assert "note: kustomization.yaml: it changes images: resolve what `kustomize build` prints, too" in ran.err


def test_nothing_is_written_unless_every_image_is_there(work):
    (work / "app.yaml").write_text(deployment(APP, "127.0.0.1:1/missing:1"))

    failed = images(work, "resolve", "--offline", "--from", "docker-archive:app.tar", "app.yaml")

    assert failed.code == 2
    assert not (work / LOCK).exists()
    assert failed.err.splitlines()[0] == (
        "error: 127.0.0.1:1/missing:1: the tag 1 isn't in the cache; run once without --offline "
        '(app.yaml:13: Deployment/shop/web: container "c1")'
    )

    kept = images(work, "resolve", "--offline", "--keep-going", "--from", "docker-archive:app.tar", "app.yaml")

    assert kept.code == 1
    assert [entry["images"] for entry in entries(work)] == [[APP]]


def test_an_unreadable_manifest_is_an_error_and_the_old_lock_stays(work):
    resolved(work)
    before = (work / LOCK).read_bytes()
    (work / "broken.yaml").write_text("kind: Deployment\nspec: [\n")

    ran = images(work, "resolve", "--from", "docker-archive:app.tar", "app.yaml", "broken.yaml")

    assert ran.code == 2
    assert "error: broken.yaml: line " in ran.err
    assert f"{LOCK} stays as it was" in ran.err
    assert (work / LOCK).read_bytes() == before


def test_what_changed_in_the_lock_is_said(work):
    resolved(work)
    docker_archive(work / "app.tar", **{APP: OTHER, "registry.example/new:1": IMAGE})
    (work / "app.yaml").write_text(deployment(APP, "registry.example/new:1"))

    ran = resolved(work)

    assert f"changed: {APP}: {digest(IMAGE.config)} is now {digest(OTHER.config)}" in ran.err.splitlines()
    assert "added: registry.example/new:1" in ran.err.splitlines()

    (work / "app.yaml").write_text(deployment(APP))
    ran = resolved(work)

    assert "dropped: registry.example/new:1: the input doesn't name it any more" in ran.err.splitlines()
    assert [entry["images"] for entry in entries(work)] == [[APP]]


def test_the_same_image_under_one_name_less_did_not_change(work):
    docker_archive(work / "app.tar", **{APP: IMAGE, "registry.example/copy:1": IMAGE})
    (work / "app.yaml").write_text(deployment(APP, "registry.example/copy:1"))
    resolved(work)
    (work / "app.yaml").write_text(deployment(APP))

    ran = resolved(work)

    assert "dropped: registry.example/copy:1: the input doesn't name it any more" in ran.err.splitlines()
    assert "changed" not in ran.err


@pytest.mark.parametrize("target, said", [("no/such.yaml", "there is no folder"), ("", "-o must name")])
def test_where_nothing_can_be_written_nothing_is_fetched(target, said, work):
    ran = images(work, "resolve", "--from", "docker-archive:missing.tar", "-o", target, "app.yaml")

    assert ran.code == (2 if target else 3)
    assert said in ran.err
    assert "missing.tar" not in ran.err


def test_a_link_to_a_lock_that_is_not_there_yet_stays_a_link(work):
    (work / LOCK).symlink_to("real.yaml")

    resolved(work)

    assert (work / LOCK).is_symlink()
    assert (work / "real.yaml").is_file()


def test_ports_that_are_none_do_not_get_into_the_lock(work):
    image = made(
        TARS, config={"Entrypoint": ["/usr/bin/server"], "ExposedPorts": {"99999/tcp": {}, "0": {}, "8080": {}}}
    )
    docker_archive(work / "app.tar", **{APP: image})

    resolved(work)

    assert entries(work)[0]["facts"]["ports"] == [8080]


def test_another_file_is_not_overwritten(work):
    before = (work / "app.yaml").read_bytes()

    ran = images(work, "resolve", "--from", "docker-archive:app.tar", "-o", "app.yaml", "app.yaml")

    assert ran.code == 3
    assert "isn't an ImageLock" in ran.err
    assert (work / "app.yaml").read_bytes() == before


def test_the_lock_has_the_mode_of_any_new_file(work):
    resolved(work)

    assert stat.S_IMODE((work / LOCK).stat().st_mode) == stat.S_IMODE((work / "app.yaml").stat().st_mode)
    assert [name for name in os.listdir(work) if name.startswith(f".{LOCK}")] == []


def test_an_image_without_a_name_is_named_on_the_command_line(work):
    oci_layout(work / "layout", IMAGE, name="")

    unnamed = images(work, "resolve", "--offline", "--from", "oci:layout", "app.yaml")
    named = images(work, "resolve", "--from", f"{APP}=oci:layout", "app.yaml")

    assert unnamed.code == 2
    assert "say --from NAME=SOURCE" in unnamed.err
    assert named.code == 0, named.err
    assert entries(work)[0]["digest"] == digest(IMAGE.manifest)


def test_a_digest_is_proved_by_a_layout_and_not_by_a_docker_archive(work):
    oci_layout(work / "layout", IMAGE)
    (work / "app.yaml").write_text(deployment(f"{APP}@{digest(IMAGE.manifest)}"))

    layout = images(work, "resolve", "--offline", "--from", "oci:layout", "-o", "-", "app.yaml")
    archive = images(work, "resolve", "--offline", "--from", "docker-archive:app.tar", "-o", "-", "app.yaml")

    assert (layout.code, archive.code) == (0, 2), layout.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "app.tar"), "--from must be [NAME=]docker-archive:FILE or [NAME=]oci:FOLDER"),
        (("--from", "docker-archive:"), "--from must be [NAME=]docker-archive:FILE or [NAME=]oci:FOLDER"),
        (("--platform", "linux"), "--platform must be OS/ARCHITECTURE"),
        (("--jobs", "0"), "--jobs must be at least 1"),
        (("--seconds", "0"), "--seconds must be from 1 to 3600"),
        (("--offlin",), "there is no option --offlin (did you mean --offline?)"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_3(arguments, message, work):
    ran = images(work, "resolve", "app.yaml", *arguments)

    assert (ran.code, len(ran.err.splitlines())) == (3, 1)
    assert message in ran.err


def test_no_documents_are_an_error_and_no_images_are_not(work):
    (work / "config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n")

    assert images(work, "resolve", "-", stdin=b"").code == 2
    assert images(work, "resolve", "-o", "-", "config.yaml").out.endswith(b"spec:\n  images: []\n")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_half_written(how, work):
    site = Site()
    site.add(IMAGE)
    site.faults["/manifests/1"] = [lambda *_: time.sleep(30)]
    with serving(site):
        (work / "app.yaml").write_text(deployment(f"{site.host}/app:1"))
        process = subprocess.Popen(
            [sys.executable, "-m", "krm_harden", "images", "resolve", "app.yaml"],
            cwd=work, stderr=subprocess.PIPE, env=clean_environment(XDG_CACHE_HOME=str(work / "cache")),
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not site.asked("/manifests/1") and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(how)
        _, err = process.communicate(timeout=10)

    assert process.returncode == 130
    assert b"nothing was left half-written" in err
    assert [name for name in os.listdir(work) if "lock" in name] == []


def test_guesses_about_what_the_catalogue_knows_stay_out_of_the_lock(work):
    image = "nginx:1.27"
    (work / "app.yaml").write_text(deployment(image, APP))
    docker_archive(work / "app.tar", **{image: made(TARS, config={"Cmd": ["nginx"]}), APP: IMAGE})

    resolved(work)

    catalogued, unknown = entries(work)
    assert catalogued["images"] == [image]
    assert "guess" not in catalogued["evidence"].values()
    assert unknown["evidence"]["writablePaths"] == "guess"


# The lock in use


def test_fix_uses_what_was_resolved(work, diff_snapshot):
    resolved(work)

    ran = run_cli("fix", "--diff", "--images", LOCK, "app.yaml", cwd=work)

    assert ran.out.decode().partition("\n@@")[2] == diff_snapshot


def test_the_lock_may_travel_in_a_resource_list(work):
    resolved(work)
    items = [yaml.safe_load((work / name).read_text()) for name in ("app.yaml", LOCK)]
    wrapped = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}

    ran = run_cli(stdin=yaml.safe_dump(wrapped).encode())

    assert b"runAsUser: 4711" in ran.out
    assert yaml.safe_load(ran.out)["items"][1] == items[1]


def test_the_lock_may_stand_in_the_function_config(work):
    resolved(work)
    spec = {"imageLock": yaml.safe_load((work / LOCK).read_text())["spec"]}
    config = {
        "apiVersion": "krm-harden.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": "team"},
        "spec": spec,
    }
    items = [yaml.safe_load((work / "app.yaml").read_text())]
    wrapped = {
        "apiVersion": "config.kubernetes.io/v1",
        "kind": "ResourceList",
        "functionConfig": config,
        "items": items,
    }

    assert b"runAsUser: 4711" in run_cli(stdin=yaml.safe_dump(wrapped).encode()).out


def test_the_lock_is_a_resource_of_a_kustomization(work):
    resolved(work)
    (work / "policy.yaml").write_text(clients.policy())
    (work / "kustomization.yaml").write_text(f"resources: [app.yaml, {LOCK}]\ntransformers: [policy.yaml]\n")

    ran = clients.build(work)

    (only,) = yaml.safe_load_all(ran.out)
    assert (ran.code, only["kind"]) == (0, "Deployment"), ran.err
    assert only["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 4711


def test_the_lock_is_a_file_of_a_kpt_package(work):
    resolved(work)
    before = (work / LOCK).read_bytes()
    (work / "Kptfile").write_text("apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: shop\n")

    ran = clients.kpt("eval", work, "--exec", "krm-harden")

    assert ran.code == 0, ran.err
    assert "runAsUser: 4711" in (work / "app.yaml").read_text()
    assert (work / LOCK).read_bytes() == before


def test_below_a_ceiling_a_lock_may_not_say_root(work):
    resolved(work)
    (work / "policy.yaml").write_text(f"{POLICY}  level: restricted\n")
    lock_ = re.sub(r"( +)uid: 4711", r"\1uid: 0", (work / LOCK).read_text())
    stream = (work / "app.yaml").read_text() + "---\n" + lock_

    ran = run_cli("fix", "--policy", "policy.yaml", "-", stdin=stream.encode(), cwd=work)

    assert (ran.code, ran.out) == (3, b"")
    assert "uid must not be 0 below the policy team" in ran.err


# Check


def test_a_lock_that_holds(work):
    resolved(work)

    ran = images(work, "check", "--from", "docker-archive:app.tar", "app.yaml")

    assert (ran.code, ran.out, ran.err) == (0, b"", f"krm-harden: {LOCK} holds for 1 image\n")


def test_an_image_that_is_not_locked_makes_it_stale(work):
    resolved(work)
    (work / "app.yaml").write_text(deployment(APP, "registry.example/new:1", "registry.example/new:1"))

    ran = images(work, "check", "app.yaml")

    assert ran.code == 1
    assert ran.out.decode() == (
        f"error: registry.example/new:1 isn't in {LOCK} "
        '(app.yaml:13: Deployment/shop/web: container "c1" (and 1 more))\n'
    )
    assert ran.err == f"krm-harden: {LOCK} is stale: run `krm-harden images resolve -o {LOCK} app.yaml`\n"


def test_a_tag_that_moved_makes_it_stale_unless_offline(work):
    site = Site()
    old = site.add(IMAGE)
    with serving(site):
        image = f"{site.host}/app:1"
        (work / "app.yaml").write_text(deployment(image))
        assert images(work, "resolve", "app.yaml").code == 0
        assert images(work, "check", "app.yaml").code == 0
        new = site.add(OTHER)
        moved = images(work, "check", "app.yaml")
        offline = images(work, "check", "--offline", "app.yaml")

    assert (moved.code, offline.code) == (1, 0)
    assert f"{image} is {new} now, in {LOCK} {old} (app.yaml:11: " in moved.out.decode()


def test_an_archive_that_changed_is_seen_where_it_is_named(work):
    resolved(work)
    docker_archive(work / "app.tar", **{APP: OTHER})

    assert images(work, "check", "app.yaml").code == 0
    assert images(work, "check", "--from", "docker-archive:app.tar", "app.yaml").code == 1


def test_a_registry_that_cannot_be_asked_is_no_verdict(work):
    (work / "app.yaml").write_text(deployment("127.0.0.1:1/app:1"))
    oci_layout(work / "layout", IMAGE, name="127.0.0.1:1/app:1")
    assert images(work, "resolve", "--from", "oci:layout", "app.yaml").code == 0

    ran = images(work, "check", "app.yaml")

    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith("error: 127.0.0.1:1/app:1: ")
    assert len(ran.err.splitlines()) == 1


def test_entries_that_nothing_uses_are_a_warning(work):
    resolved(work)
    (work / "app.yaml").write_text(deployment("busybox:1"))

    ran = images(work, "check", "--offline", "app.yaml")

    assert f"warning: {LOCK}: nothing uses {APP}\n" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("platform: linux/amd64", "platform: plan9/amd64", "'plan9/amd64', a platform that this release doesn't know"),
        ("v1alpha1", "v2", "krm-harden.dev/v1alpha1, krm-harden.dev/v1, not 'krm-harden.dev/v2'"),
        ("defaultUser: 0", "favourite: 0", "facts.favourite is unknown"),
    ],
)
def test_a_lock_that_this_release_does_not_know_is_stale(old, new, said, work):
    resolved(work)
    (work / LOCK).write_text((work / LOCK).read_text().replace(old, new))

    ran = images(work, "check", "app.yaml")

    assert ran.code == 1
    assert said in ran.out.decode()
    assert "run `krm-harden images resolve" in ran.err


def test_a_lock_for_another_platform_is_stale(work):
    resolved(work)

    assert images(work, "check", "--platform", "linux/amd64", "app.yaml").code == 0
    assert (
        b"is locked for linux/amd64, not for linux/arm64"
        in images(work, "check", "--platform", "linux/arm64", "app.yaml").out
    )


def test_the_command_that_is_advised_asks_for_the_same(work):
    resolved(work)

    ran = images(work, "check", "--platform", "linux/arm64", "--insecure-registry", "registry.example", "app.yaml")

    advised = "resolve -o images.lock.yaml --platform linux/arm64 --insecure-registry registry.example app.yaml"
    assert f"krm-harden images {advised}" in ran.err
    assert (
        f"note: {APP} is for linux/amd64 alone, not for linux/arm64" in resolved(work, "--platform", "linux/arm64").err
    )


@pytest.mark.parametrize("text", [None, "kind: Deployment\n", "a: [\n"])
def test_no_lock_at_all_is_a_wrong_command_line(text, work):
    if text is not None:
        (work / LOCK).write_text(text)

    assert images(work, "check", "app.yaml").code == 3


# Explain


def test_an_explanation_says_who_wins(work, text_snapshot):
    resolved(work)
    (work / "policy.yaml").write_text(f"{POLICY}  images:\n  - match: registry.example/*\n    uid: 5000\n")

    ran = images(work, "explain", "--images", LOCK, "--policy", "policy.yaml", APP)

    assert ran.code == 0
    assert ran.out.decode().replace(digest(IMAGE.config), "DIGEST") == text_snapshot


def test_an_explanation_of_a_catalogued_image_names_its_entry():
    ran = run_cli("images", "explain", "-o", "json", "nginx:1.27")
    report = json.loads(ran.out)

    assert ran.code == 0
    assert report["catalogue"]["id"] == "nginx"
    assert report["facts"]["uid"] == {"value": 101, "source": "catalogue: nginx", "guess": False, "beats": []}
    assert "runAsUser: 101" in report["writes"]["manifest"]


def test_a_mirror_is_only_likely_what_its_path_says():
    report = json.loads(
        run_cli("images", "explain", "-o", "json", "harbor.example/proxy/docker.io/library/nginx:1").out
    )

    assert report["catalogue"]["ifMirrorOf"] == "docker.io/library/nginx"
    assert report["facts"]["uid"]["guess"] is True


def test_an_unknown_image_is_told_what_to_do():
    ran = run_cli("images", "explain", APP)

    assert ran.code == 1
    assert (
        b"Nothing is known of it: describe it under images in the policy, or run `krm-harden images resolve`" in ran.out
    )
    assert json.loads(run_cli("images", "explain", "-o", "json", APP).out)["facts"] == {}


def test_what_is_no_name_cannot_be_explained():
    ran = run_cli("images", "explain", "<REGISTRY>/app")

    assert (ran.code, len(ran.err.splitlines())) == (3, 1)


# The text


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TRICKY = st.sampled_from(
    ["0o14", "1e3", "12:30:45", "yes", "~", "", "- a", "a: b", "#", "{", "0x10", "=", "a\nb", "<<"]
)


@given(st.lists(st.tuples(WORDS | TRICKY, st.lists(WORDS | TRICKY, max_size=30)), max_size=4))
def test_the_lock_reads_back_whatever_an_image_says(said):
    entries_ = [
        {
            "digest": f"sha256:{number}",
            "images": [f"registry.example/{number}:1"],
            "config": {"user": user, "entrypoint": words},
            "facts": {"env": {f"A{index}": word for index, word in enumerate(words)}},
        }
        for number, (user, words) in enumerate(said)
    ]
    kept = [{field: value for field, value in entry.items() if value} for entry in entries_]

    assert lock.entries(source.read(write.text(kept)).data, LOCK) == kept


# Runs of several commands


FILES = Files({}, {}, frozenset())


def run_of(path, seed, **more):
    folder = {"path": path, "seed": seed, "evidence": "observed"}
    facts = {"uid": 4711, "gid": 4712, "programs": ["a"], "writablePaths": [folder], **more}
    return {"digest": "d", "images": [APP], "facts": facts, "evidence": dict.fromkeys(facts, "observed")}


def test_what_several_commands_of_an_image_write_counts_for_all():
    runs = [run_of("/a", "empty"), run_of("/b", "copy", programs=["b"], uid=0, gid=0), run_of("/a", "data")]
    runs += [run_of("/a/below", "empty")]
    observations = [
        Observed(5, restricted="runs", uid=4711),
        Observed(5, restricted="fails", note="no"),
        Observed(5),
        Observed(5),
    ]

    one = resolve.united(run_of("/c", "empty"), runs, observations, FILES)

    assert [(folder["path"], folder["seed"]) for folder in one["facts"]["writablePaths"]] == [
        ("/a", "data"),
        ("/b", "copy"),
    ]
    assert one["facts"]["programs"] == ["a", "b"]
    assert one["facts"]["uid"] == 4711
    assert one["probe"] == {"seconds": 5, "user": "0", "restricted": "fails", "note": "no"}


def test_a_refusal_of_one_command_is_not_one_of_the_image():
    refusal = {"cannotRestrict": {"code": "needs-root", "reason": "r"}}
    runs = [run_of("/a", "empty"), run_of("/a", "empty", **refusal)]

    assert "cannotRestrict" not in resolve.united(run_of("/a", "empty"), runs, [Observed(), Observed()], FILES)["facts"]
    assert "cannotRestrict" in resolve.united(run_of("/a", "empty"), runs[1:], [Observed()], FILES)["facts"]


# Probe


BUSYBOX = "registry.example/busybox:1"


@pytest.fixture
def busybox(tmp_path):
    """An archive of an image with nothing but a static busybox."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("no busybox here: apt-get install busybox-static")
    with open(program, "rb") as file:
        base = tarball(("bin/busybox", file.read()), ("etc/passwd", PASSWD), ("app", None), ("tmp", None))
    image = made((base,), config={"Entrypoint": ["/bin/busybox", "sleep", "60"]})
    name = f"{digest(image.config)[7:]}.json"
    entry = {"Config": name, "RepoTags": [BUSYBOX], "Layers": ["a/layer.tar"]}
    tar(tmp_path / "app.tar", {name: image.config, "a/layer.tar": base, "manifest.json": json.dumps([entry]).encode()})
    return tmp_path


def limits():
    """What podman may give a container where its own limits can't be raised."""
    for name in ("nofile", "nproc"):
        limit = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        yield name, limit if 0 < limit < 16384 else 16384


@pytest.fixture
def podman(busybox):
    """What makes podman run here, with a store of its own; skips where it can't."""
    require("podman")
    own = Path(tempfile.mkdtemp(prefix="krm-"))
    ulimits = ", ".join(f'"{name}={limit}:{limit}"' for name, limit in limits())
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    (own / "containers.conf").write_text(
        f"[containers]\ndefault_ulimits = [{ulimits}]\n"
        f'[engine]\ntmp_dir = "{own}/libpod"\n{runtime}cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    (own / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{own}/store"\nrunroot = "{own}/run"\n'
    )
    env = {"CONTAINERS_CONF": str(own / "containers.conf"), "CONTAINERS_STORAGE_CONF": str(own / "storage.conf")}

    def call(*arguments):
        return subprocess.run(
            ["podman", *arguments], env=clean_environment(**env), capture_output=True, text=True, check=False
        )

    try:
        call("load", "--input", str(busybox / "app.tar"))
        tried = call("run", "--rm", "--network", "none", "--entrypoint", "/bin/busybox", BUSYBOX, "true")
        if tried.returncode:
            pytest.skip(f"podman can't run a container here: {tried.stderr.splitlines()[-1]}")
        call("rmi", BUSYBOX)
        yield env
        assert call("ps", "--all", "--quiet").stdout == "", "a container was left"
        assert call("images", "--quiet").stdout == "", "an image was left"
    finally:
        subprocess.run(["umount", "-l", own / "store" / "overlay"], check=False, capture_output=True)
        shutil.rmtree(own, ignore_errors=True)


def test_a_probe_sees_what_each_command_writes(busybox, podman):
    line = "      - {{name: {0}, image: '{1}', command: [/bin/busybox, sh, -c, '{2}']{3}}}\n"
    sleep = "exec /bin/busybox sleep 60"
    (busybox / "app.yaml").write_text(
        deployment()
        + line.format("a", BUSYBOX, f"mkdir -p /app/a; echo > /app/a/x; {sleep}", "")
        + line.format("b", BUSYBOX, f"echo > /app/b; {sleep}", "")
        + line.format("c", BUSYBOX, sleep, ", securityContext: {privileged: true}")
    )

    arguments = ("resolve", "--probe", "--seconds", "1", "--from", "docker-archive:app.tar", "app.yaml")
    ran = images(busybox, *arguments, **podman)

    assert ran.code == 0, ran.err
    assert 'container "c": privileged: ' in ran.err
    assert "1 probed" in ran.err
    (entry,) = entries(busybox)
    assert entry["probe"]["restricted"] == "runs"
    assert entry["facts"]["programs"] == ["busybox", "echo", "mkdir"]
    seen = [folder for folder in entry["facts"]["writablePaths"] if folder["evidence"] == "observed"]
    assert [folder["path"] for folder in seen] == ["/app"]

    plain = images(busybox, arguments[0], *arguments[4:])

    assert f"changed: {BUSYBOX}: the lock had seen it run; without --probe that is gone" in plain.err.splitlines()

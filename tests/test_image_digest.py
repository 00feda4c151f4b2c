"""The control `imageDigest`, as people ask for it: by `--control`, by a policy, in a function with the lock beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clients import resource_list
from conftest import run_cli, unified

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")
LOCK = f"""\
apiVersion: krm-harden.dev/v1alpha1
kind: ImageLock
metadata:
  name: images
  annotations: {{config.kubernetes.io/local-config: "true"}}
spec:
  images:
  - digest: {ONE}
    imageID: {TWO}
    images: [docker.io/library/nginx:1.27]
"""
JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: night, namespace: shop}
spec:
  schedule: "@daily"
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
          - {name: first, image: nginx:1.27} # in flow style
          containers:
          - name: main
            image: 'docker.io/library/nginx:1.27'   # quoted
          - name: other
            image: registry.example/other:1
          restartPolicy: Never
"""
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: team}
spec:
  level: privileged
  namespaces: {audit: none, warn: none}
  controls: {imageDigest: {enabled: true}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "images.lock.yaml").write_text(LOCK)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def changed(text: str) -> str:
    """The lines of a diff that go and come."""
    return "".join(line for line in unified(JOB, text).splitlines(keepends=True) if line[0] in "+-")


WANTED = f"""\
-          - {{name: first, image: nginx:1.27}} # in flow style
+          - {{name: first, image: "nginx:1.27@{ONE}"}} # in flow style
-            image: 'docker.io/library/nginx:1.27'   # quoted
+            image: 'docker.io/library/nginx:1.27@{ONE}'   # quoted
"""


@pytest.mark.parametrize("asked", [("--control", "imageDigest"), ("--policy", "policy.yaml")])
def test_who_asks_by_control_or_by_policy_gets_the_locks_digests_and_nothing_else(shop, asked):
    ran = run_cli("fix", *asked, "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    assert ran.code == 0, ran.err
    assert changed((shop / "job.yaml").read_text()) == WANTED
    again = run_cli("fix", *asked, "--images", "images.lock.yaml", "--diff", "job.yaml", cwd=shop)
    assert "@@" not in again.out.decode()


def test_nobody_gets_a_digest_who_does_not_ask(shop):
    ran = run_cli("fix", "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    assert ran.code == 0, ran.err
    assert ONE not in (shop / "job.yaml").read_text()


def test_the_policys_own_word_against_it_stays(shop):
    (shop / "policy.yaml").write_text(POLICY.replace("enabled: true", "enabled: false"))

    run_cli("fix", "--policy", "policy.yaml", "--control", "imageDigest", "--images", "images.lock.yaml", ".", cwd=shop)

    assert (shop / "job.yaml").read_text() == JOB


def test_line_endings_stay(shop):
    (shop / "job.yaml").write_bytes(JOB.replace("\n", "\r\n").encode())

    run_cli("fix", "--control", "imageDigest", "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    text = (shop / "job.yaml").read_bytes().decode()
    assert text.count("\r\n") == text.count("\n")
    assert changed(text.replace("\r\n", "\n")) == WANTED


def test_a_function_takes_the_lock_among_its_items():
    text = resource_list(JOB, LOCK, config=POLICY)

    once = run_cli(stdin=text.encode())
    twice = run_cli(stdin=once.out)

    assert once.code == 0, once.err
    items = once.out.decode().partition("results:")[0]
    assert items.count(f"nginx:1.27@{ONE}") == 2
    assert twice.out.decode().partition("results:")[0] == items


def test_a_required_digest_that_no_lock_has_fails_the_gate(shop):
    (shop / "policy.yaml").write_text(POLICY.replace("enabled: true", "enabled: true, required: true"))

    ran = run_cli("check", "--policy", "policy.yaml", "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    assert ran.code == 1
    lines = [line for line in ran.out.decode().splitlines() if ": error: " in line]
    assert [("it isn't in a lock" in line, "fix` writes" in line) for line in lines] == [
        (False, True),
        (False, True),
        (True, False),
    ]


def test_an_exemption_that_means_exactly_the_tag_still_holds_or_nothing_is_written(shop):
    exemption = "{match: {images: ['nginx:1.27']}, controls: [hostPorts], reason: known}"
    (shop / "policy.yaml").write_text(f"{POLICY}  exemptions: [{exemption}]\n")

    ran = run_cli("fix", "--policy", "policy.yaml", "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    text = (shop / "job.yaml").read_text()
    assert f"nginx:1.27@{ONE}" in text.partition("          containers:")[2]
    assert "- {name: first, image: nginx:1.27}" in text
    assert b"the policy's 'nginx:1.27' would mean it no longer: name it nginx:1.27* there" in ran.out


def test_an_image_whose_tag_is_empty_gets_no_other_name(shop):
    (shop / "images.lock.yaml").write_text(LOCK.replace("nginx:1.27", "nginx:latest"))
    manifest = JOB.replace("image: nginx:1.27", 'image: "nginx:"')
    (shop / "job.yaml").write_text(manifest)

    ran = run_cli("fix", "--policy", "policy.yaml", "--images", "images.lock.yaml", "job.yaml", cwd=shop)

    assert (shop / "job.yaml").read_text() == manifest
    assert b"its tag is empty, which no registry takes" in ran.out

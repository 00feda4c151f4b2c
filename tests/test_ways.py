"""One application, every way in: the same hardened objects come out, and the standard's own code allows them.

The application is examples/shop, or the same as a chart in examples/shop-chart; the policy is that of
examples/kustomize-exec. The reference is the library alone.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import argocd
import clients
import containers
import pytest
import yaml
from conftest import ROOT, clean_environment, require

from krm_harden import Policy, harden

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = ROOT / "examples"
POLICY = EXAMPLES / "kustomize-exec" / "policy.yaml"
PODS = 4
"""The workloads of the shop."""


def run(*command: str | Path, cwd: Path, stdin: bytes = b"", **env: str) -> bytes:
    """What a client prints, with this checkout's `krm-harden` on its PATH; it has to succeed."""
    path = f"{clients.bin_folder(clients.FUNCTION)}{os.pathsep}{env.pop('PATH', os.environ['PATH'])}"
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=clean_environment(**{"PATH": path, "PYTHONPATH": str(ROOT), **env}),
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def rendered(folder: Path, *flags: str) -> bytes:
    """`kustomize build` of a folder, the function on PATH."""
    return run(require("kustomize"), "build", *flags, folder, cwd=folder)


def objects(text: bytes) -> dict[str, Any]:
    """The objects of a stream by kind and name, as kubectl reads them, without what a client adds for itself."""
    found = {}
    for data in clients.as_json(text):
        for annotation in CLIENTS:
            data["metadata"]["annotations"].pop(annotation, None)
        found[f"{data['kind']}/{data['metadata']['name']}"] = data
    return found


CLIENTS = {"argocd.argoproj.io/tracking-id"}
"""Annotations that a client adds to what it is given."""


def files(folder: Path) -> bytes:
    """The manifests of a folder as one stream."""
    found = (path.read_bytes() for path in sorted(folder.glob("*.yaml")) if path.name not in NO_MANIFESTS)
    return b"---\n".join(found)


NO_MANIFESTS = {"kustomization.yaml", "policy.yaml"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of examples/, and the shop in it."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return tmp_path / "examples" / "shop"


@cache
def expected() -> dict[str, Any]:
    """What the library makes of the shop."""
    made = harden(files(EXAMPLES / "shop"), Policy.from_dict(yaml.safe_load(POLICY.read_text())))
    assert made.allowed
    return objects(made.text.encode())


WAYS: dict[str, Callable[[Path], bytes]] = {}


def way(make: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    """Registers a way in: it takes the shop's folder and gives hardened manifests."""
    WAYS[make.__name__] = make
    return make


@way
def filter_behind_kustomize(shop: Path) -> bytes:
    plain = rendered(shop)
    return run(*clients.FUNCTION, "fix", "--policy", POLICY, "-", cwd=shop, stdin=plain)


@way
def fix_of_files(shop: Path) -> bytes:
    run(*clients.FUNCTION, "fix", "--policy", POLICY, shop, cwd=shop)
    return files(shop)


@way
def pre_commit_hook(shop: Path) -> bytes:
    """As pre-commit starts the hook, which is slow to install: tests/test_pre_commit.py does that."""
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    program, *options = shlex.split(hooks["krm-harden-fix"]["entry"])
    run(program, *options, "--policy", POLICY, *sorted(shop.glob("*.yaml")), cwd=shop)
    return files(shop)


@way
def kustomize_exec(shop: Path) -> bytes:
    return rendered(shop.parent / "kustomize-exec", *clients.PLUGINS)


@way
def kustomize_exec_5_5(shop: Path) -> bytes:
    return run(require("kustomize-5.5.0"), "build", *clients.PLUGINS, shop.parent / "kustomize-exec", cwd=shop)


@way
def kubectl_legacy_plugin(shop: Path) -> bytes:
    plugin = shop / "plugins" / "krm-harden.dev" / "v1alpha1" / "hardeningpolicy" / "HardeningPolicy"
    plugin.parent.mkdir(parents=True)
    shutil.copy(ROOT / "function" / "kustomize-legacy" / "HardeningPolicy", plugin)
    command = (require("kubectl"), "kustomize", "--enable-alpha-plugins", shop.parent / "kustomize-legacy")
    return run(*command, cwd=shop, KUSTOMIZE_PLUGIN_HOME=str(shop / "plugins"))


@way
def kpt_eval(shop: Path) -> bytes:
    run(require("kpt"), "fn", "eval", shop, "--exec", "krm-harden", "--fn-config", POLICY, cwd=shop)
    return files(shop)


@way
def kpt_render(shop: Path) -> bytes:
    shutil.copy(POLICY, shop / "policy.yaml")
    (shop / "Kptfile").write_text((EXAMPLES / "kpt-render" / "Kptfile").read_text())
    run(require("kpt"), "fn", "render", shop, "--allow-exec", cwd=shop)
    return files(shop)


@way
def kpt_image(shop: Path) -> bytes:
    containers.ready()
    command = ("fn", "eval", shop, "--image", containers.IMAGE, "--image-pull-policy", "never", "--fn-config", POLICY)
    run(require("kpt"), *command, cwd=shop, KPT_FN_RUNTIME="podman", **containers.settings())
    return files(shop)


@way
def kustomize_container(shop: Path) -> bytes:
    return _with_podman(shop, require("kustomize"), "build")


@way
def kubectl_container(shop: Path) -> bytes:
    return _with_podman(shop, require("kubectl"), "kustomize")


def _with_podman(shop: Path, *command: str) -> bytes:
    containers.ready()
    path = containers.docker_is_podman(shop / "docker")
    folder = shop.parent / "kustomize-container"
    return run(*command, "--enable-alpha-plugins", folder, cwd=shop, PATH=path, **containers.settings())


@way
def argocd_plain(shop: Path) -> bytes:
    for name in ("kustomization.yaml", "README.md"):
        (shop / name).unlink()
    return _by_argocd(shop, "shop")


@way
def argocd_kustomize(shop: Path) -> bytes:
    return _by_argocd(shop, "shop")


@way
def argocd_helm(shop: Path) -> bytes:
    return _by_argocd(shop, "shop-chart")


def _by_argocd(shop: Path, path: str) -> bytes:
    with argocd.server(shop.parent.parent / "cmp", KRM_HARDEN_POLICY=str(POLICY)) as running:
        made = argocd.refreshed(running, shop.parent, argocd.application(path, name="krm-harden"))
    return b"".join(b"---\n" + json.dumps(one).encode() + b"\n" for one in argocd.objects(made))


@way
def helm_3_post_renderer(shop: Path) -> bytes:
    options = ("--post-renderer", "krm-harden", "--post-renderer-args", "helm", *_helm_policy())
    return _by_helm(shop, "helm3", *options)


@way
def helm_4_plugin(shop: Path) -> bytes:
    _helm(shop, "helm4", "plugin", "install", ROOT / "function" / "helm")
    return _by_helm(shop, "helm4", "--post-renderer", "krm-harden", *_helm_policy())


@way
def filter_behind_helm_3(shop: Path) -> bytes:
    return run(*clients.FUNCTION, "fix", "--policy", POLICY, "-", cwd=shop, stdin=_by_helm(shop, "helm3"))


@way
def filter_behind_helm_4(shop: Path) -> bytes:
    return run(*clients.FUNCTION, "fix", "--policy", POLICY, "-", cwd=shop, stdin=_by_helm(shop, "helm4"))


def _helm_policy() -> tuple[str, str]:
    return "--post-renderer-args", f"--policy={POLICY}"


def _by_helm(shop: Path, name: str, *options: str) -> bytes:
    return _helm(shop, name, "template", "shop", shop.parent / "shop-chart", *options)


def _helm(shop: Path, name: str, *arguments: str | Path) -> bytes:
    homes = {f"HELM_{kind}_HOME": str(shop / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    return run(require(name), *arguments, cwd=shop, **homes)


@way
def patches_of_kustomize(shop: Path) -> bytes:
    _patches(shop, "-o", str(shop.parent / "hardening"))
    return _built(shop, {"components": ["../hardening"]}, require("kubectl"), "kustomize")


@way
def patches_of_flux(shop: Path) -> bytes:
    made = yaml.safe_load(_patches(shop, "--format", "flux-kustomization"))
    return _built(shop, {"patches": made["spec"]["patches"]}, require("kustomize"), "build")


@way
def patches_of_a_helm_release(shop: Path) -> bytes:
    made = yaml.safe_load(_patches(shop, "--format", "flux-helmrelease"))
    (renderer,) = made["spec"]["postRenderers"]
    return _built(shop, {"patches": renderer["kustomize"]["patches"]}, require("kustomize"), "build")


def _patches(shop: Path, *options: str) -> bytes:
    command = (*clients.FUNCTION, "patches", "--policy", POLICY, *options, "-")
    return run(*command, cwd=shop, stdin=rendered(shop))


def _built(shop: Path, more: dict[str, Any], *command: str) -> bytes:
    """What a client without any plugin makes of an overlay of the shop."""
    overlay = shop.parent / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../shop"], **more}))
    return run(*command, overlay, cwd=overlay)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_in_gives_the_same_objects(name: str, shop: Path) -> None:
    made = WAYS[name](shop)

    assert objects(made) == expected()
    verdicts = clients.judged(made)
    assert sum(verdicts.values()) == len(verdicts) >= PODS


@pytest.mark.parametrize("example", ["kpt-render", "kpt-imperative"])
def test_what_kpts_examples_give_is_allowed(example: str, shop: Path) -> None:
    """Other applications, by the .expected/diff.patch that tests/test_examples.py holds against the client's output."""
    folder = shop.parent / example
    run("patch", "--quiet", "-p1", "--input", folder / ".expected" / "diff.patch", cwd=folder)
    manifests = sorted(folder.rglob("*.yaml"))

    verdicts = clients.judged(b"\n---\n".join(path.read_bytes() for path in manifests))
    assert verdicts
    assert all(verdicts.values())

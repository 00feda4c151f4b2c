"""One application, every way in: the same hardened objects come out, and the standard's own code allows them.

The application is examples/shop, or the same as a chart in examples/shop-chart; the policy is that of
examples/kustomize-exec. The reference is the library alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import clients
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
    path = f"{clients.bin_folder(clients.FUNCTION)}{os.pathsep}{os.environ['PATH']}"
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


@pytest.mark.parametrize("name", WAYS)
def test_every_way_in_gives_the_same_objects(name: str, shop: Path) -> None:
    made = WAYS[name](shop)

    assert objects(made) == expected()
    verdicts = clients.judged(made)
    assert sum(verdicts.values()) == len(verdicts) >= PODS

"""What `krm-harden init` sets up: for each way in, its files, what to add by hand, and the next commands.

A file that people have already (a kustomization, a Kptfile, a workflow's configuration) is never written when it is
there: then its lines are for its owner to add.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import limits, scaffold, source
from krm_harden.emit import scalar
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import API_VERSIONS, mapping, sequence
from krm_harden.resources import KUSTOMIZATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = "policy.yaml"
GATE = "check-hardening.sh"
CI = f"in CI run ./{GATE}: it fails unless what will be applied is in order"
IMAGES = f"say in {POLICY} what you know of your images, or let `krm-harden images resolve` find out"


@dataclass(frozen=True)
class Asked:
    """A command line: the folder, the kustomization to harden, and whether kubectl's old plugins are meant."""

    folder: Path
    base: str | None = None
    legacy: bool = False


@dataclass(frozen=True)
class Plan:
    """What a way needs. `files` by their path in the folder; `by_hand`: lines to add to a file that is there."""

    files: dict[str, str]
    by_hand: dict[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()


def plan(way: str, asked: Asked) -> Plan:
    """What a way needs in a folder. Raises ConfigError where it can't be set up there, InputError for a broken file."""
    return WAYS[way](asked)


def _kustomize(asked: Asked) -> Plan:
    way = "kustomize-legacy" if asked.legacy else "kustomize"
    files = {POLICY: _policy(function=not asked.legacy), GATE: scaffold.text(f"{way}/{GATE}")}
    if asked.legacy:
        plugin = scaffold.text("kustomize-legacy/HardeningPolicy")
        # kubectl finds a plugin by the policy's whole apiVersion: one that is converted is found, too.
        for version in API_VERSIONS:
            files[f"kustomize-plugins/{version}/hardeningpolicy/HardeningPolicy"] = plugin
    lines = f"transformers:\n- {POLICY}\n"
    there = _kustomization(asked.folder)
    following = (IMAGES, f"./{GATE}", CI)
    if there is None:
        resources = f"resources:\n- {_word(_base(asked))}\n"
        head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        return Plan({**files, "kustomization.yaml": head + resources + lines}, next=following)
    if asked.base:
        raise ConfigError(
            "is there: --base is for a new one",
            str(asked.folder / there),
            "name another folder, or leave --base away and add a line to it",
        )
    is_done = POLICY in sequence(_data(asked.folder / there).get("transformers"))
    return Plan(files, {} if is_done else {there: lines}, following)


def _base(asked: Asked) -> str:
    """The kustomization to harden, as the new one in the folder names it. Raises ConfigError."""
    if not asked.base:
        raise ConfigError(
            "there is no kustomization here",
            str(asked.folder),
            "name its folder, or with --base the one that a new kustomization is to harden",
        )
    base, folder = Path(asked.base).resolve(), asked.folder.resolve()
    if _kustomization(base) is None:
        raise ConfigError("there is no kustomization", asked.base, "--base names the folder of one")
    if folder == base or base in folder.parents:
        raise ConfigError(
            f"lies within {asked.base}, and kustomize takes that for a circle", str(asked.folder), "name one beside it"
        )
    return Path(os.path.relpath(base, folder)).as_posix()


def _kpt(asked: Asked) -> Plan:
    files = {POLICY: _policy(), GATE: scaffold.text(f"kpt/{GATE}")}
    following = (IMAGES, "kpt fn render --allow-exec", f"./{GATE}", CI)
    kptfile = asked.folder / "Kptfile"
    if not os.path.lexists(kptfile):
        name = re.sub(r"[^a-z0-9]+", "-", asked.folder.resolve().name.lower()).strip("-")[:63].rstrip("-") or "package"
        return Plan({**files, "Kptfile": scaffold.text("kpt/Kptfile").replace("@NAME@", _word(name))}, next=following)
    mutators = sequence(mapping(_data(kptfile).get("pipeline")).get("mutators"))
    is_done = any(mapping(entry).get("exec") == "krm-harden" for entry in mutators)
    lines = f"pipeline:\n  mutators:\n  - exec: krm-harden\n    configPath: {POLICY}\n"
    return Plan(files, {} if is_done else {"Kptfile": lines}, following)


def _argocd(asked: Asked) -> Plan:
    folder = "krm-harden"
    files = {f"{folder}/{name}": text for name, text in scaffold.texts("argocd").items() if "/" not in name}
    files["application-example.yaml"] = scaffold.text("argocd-example/application.yaml")
    files[GATE] = scaffold.text(f"argocd-example/{GATE}")
    following = (
        f"say in {folder}/{POLICY} what no application may loosen",
        "kubectl apply --server-side -k .",
        "name the plugin in your Applications, as application-example.yaml does",
        f"in CI run ./{GATE} FOLDER of an application: it fails unless what the plugin makes is in order",
    )
    there = _kustomization(asked.folder)
    if there is None:
        return Plan({**files, "kustomization.yaml": scaffold.text("argocd-example/kustomization.yaml")}, next=following)
    is_done = folder in sequence(_data(asked.folder / there).get("components"))
    return Plan(files, {} if is_done else {there: f"components:\n- {folder}\n"}, following)


def _helm(asked: Asked) -> Plan:  # noqa: ARG001 - a row of the table
    files = {
        POLICY: _policy(),
        **{f"helm-plugin/{name}": text for name, text in scaffold.texts("helm").items()},
        **{name: scaffold.text(f"helm-scripts/{name}") for name in ("hardened-helm.sh", GATE)},
    }
    following = (
        IMAGES,
        "with Helm 4, once: helm plugin install ./helm-plugin",
        "./hardened-helm.sh upgrade --install RELEASE CHART",
        f"./{GATE} RELEASE CHART",
        f"in CI run ./{GATE} RELEASE CHART: it fails unless what will be installed is in order",
    )
    return Plan(files, next=following)


def _flux(asked: Asked) -> Plan:
    if _kustomization(asked.folder) is None:
        raise ConfigError(
            "there is no kustomization here",
            str(asked.folder),
            "name its folder; for a HelmRelease see `krm-harden patches --help`",
        )
    files = {POLICY: _policy(), "harden.sh": scaffold.text("flux/harden.sh")}
    following = (
        IMAGES,
        "./harden.sh, and commit hardening/",
        "in the Kustomization of Flux that applies this folder: spec.components: [hardening]",
        "in CI run ./harden.sh --check: it fails unless the patches are fresh, and what Flux will build is in order",
    )
    return Plan(files, next=following)


def _pre_commit(asked: Asked) -> Plan:
    name = ".pre-commit-config.yaml"
    text = scaffold.text("pre-commit/pre-commit-config.yaml")
    following = (IMAGES, "pre-commit install", "pre-commit run --all-files")
    path = asked.folder / name
    if not os.path.lexists(path):
        return Plan({POLICY: _policy(), name: text}, next=following)
    repositories = [mapping(entry).get("repo") for entry in sequence(_data(path).get("repos"))]
    is_done = "https://github.com/krm-harden/krm-harden" in repositories
    return Plan({POLICY: _policy()}, {} if is_done else {name: text[text.index("repos:") :]}, following)


def _github(asked: Asked) -> Plan:  # noqa: ARG001 - a row of the table
    name = ".github/workflows/krm-harden.yml"
    following = (IMAGES, f"commit {name}; the next push is judged", "krm-harden check --policy policy.yaml .")
    return Plan({POLICY: _policy(), name: scaffold.text("github/krm-harden.yml")}, next=following)


WAYS: dict[str, Callable[[Asked], Plan]] = {
    "kustomize": _kustomize,
    "kpt": _kpt,
    "argocd": _argocd,
    "helm": _helm,
    "flux": _flux,
    "pre-commit": _pre_commit,
    "github": _github,
}


_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_FUNCTION = """\
    # What makes a function of it. `krm-harden` must be on PATH.
    config.kubernetes.io/function: |
      exec:
        path: krm-harden
"""


def _policy(*, function: bool = False) -> str:
    """The policy to start with; for kustomize a function."""
    text = scaffold.text(POLICY)
    return text.replace("spec:\n", f"{_FUNCTION}spec:\n", 1) if function else text


def _word(text: str) -> str:
    """A path or a name as people write it in YAML: quoted where it must be."""
    return text if re.fullmatch(r"(\.\./)*[a-z][a-z/_-]*", text) and text not in _NOT_PLAIN else scalar(text)


def _kustomization(folder: Path) -> str | None:
    """The name of a folder's kustomization."""
    return next((name for name in KUSTOMIZATIONS if os.path.lexists(folder / name)), None)


def _data(path: Path) -> dict[str, Any]:
    """What a file says that is there already. Raises InputError."""
    try:
        data = source.read(limits.read_file(path).decode()).data
    except (OSError, UnicodeDecodeError, InputError) as error:
        said = error.strerror if isinstance(error, OSError) else "it isn't YAML"
        said = str(error) if isinstance(error, InputError) and error.limit else said
        raise InputError(f"{path} can't be read: {said}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} can't be read: it must be a mapping")
    return data

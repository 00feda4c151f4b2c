"""The real clients around krm-harden: kustomize, kpt and kubectl, with the function or `cat` in its place on PATH."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from conftest import SHARED, Ran, clean_environment, require, unified

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).resolve().parent / "data" / "clients"
SHOP = SHARED / "corpus/GoogleCloudPlatform+microservices-demo/release/kubernetes-manifests.yaml"
FUNCTION = (sys.executable, "-m", "krm_harden")
IDENTITY = ("cat",)
PLUGINS = ("--enable-alpha-plugins", "--enable-exec")

RESULT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["message", "severity"],
    "properties": {
        "message": {"type": "string", "pattern": "^[^\n]+$"},
        "severity": {"enum": ["error", "warning", "info"]},
        "resourceRef": {
            "type": "object",
            "required": ["apiVersion", "kind", "name"],
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("apiVersion", "kind", "name", "namespace")},
        },
        "field": {
            "type": "object",
            "required": ["path"],
            "additionalProperties": False,
            "properties": {"path": {"type": "string"}, "currentValue": {}, "proposedValue": {}},
        },
        "file": {
            "type": "object",
            "required": ["path"],
            "additionalProperties": False,
            "properties": {"path": {"type": "string"}, "index": {"type": "integer", "minimum": 0}},
        },
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
    "dependentRequired": {"field": ["resourceRef"]},
}
"""One result as the functions' specification has it (functions-spec.md)."""


@cache
def _bin_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="krm-harden-bin-")


@cache
def bin_folder(command: tuple[str, ...]) -> str:
    """A folder with an executable `krm-harden` that is this command."""
    folder = Path(_bin_folder().name) / Path(command[0]).name
    folder.mkdir()
    program = folder / "krm-harden"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    return str(folder)


def run(*command: str | Path, stdin: bytes = b"", function: tuple[str, ...] = FUNCTION) -> Ran:
    """A command in a clean environment where `krm-harden` is the function. Nothing may ever show a traceback."""
    path = f"{bin_folder(function)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        env=clean_environment(PATH=path),
        timeout=300,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr.decode())
    assert "Traceback" not in ran.err + ran.out.decode(errors="replace"), ran.err
    return ran


@cache
def harden(stdin: bytes | str) -> Ran:
    """The function alone."""
    return run("krm-harden", stdin=stdin if isinstance(stdin, bytes) else stdin.encode())


def build(
    folder: Path,
    *,
    function: tuple[str, ...] = FUNCTION,
    kustomize: str = "kustomize",
    flags: tuple[str, ...] = PLUGINS,
) -> Ran:
    """`kustomize build`."""
    return run(require(kustomize), "build", *flags, folder, function=function)


@cache
def built(name: str, function: tuple[str, ...] = FUNCTION, kustomize: str = "kustomize") -> Ran:
    """`kustomize build` of a fixture, which nobody changes."""
    return build(DATA / name, function=function, kustomize=kustomize)


def kpt(*arguments: str | Path, function: tuple[str, ...] = FUNCTION, stdin: bytes = b"") -> Ran:
    """`kpt fn ...`."""
    return run(require("kpt"), "fn", *arguments, function=function, stdin=stdin)


def policy(**spec: Any) -> str:
    """A HardeningPolicy as the functionConfig of an exec function."""
    text = (DATA / "kustomize/policy.yaml").read_text()
    return text + (f"spec: {json.dumps(spec)}\n" if spec else "")


NOTHING = {"level": "privileged", "namespaces": {"audit": "none", "warn": "none"}}
"""The spec of a policy by which nothing changes."""


def resource_list(*items: str, config: str = "") -> str:
    """A ResourceList of manifests, and its functionConfig."""
    lines = ["apiVersion: config.kubernetes.io/v1\n", "kind: ResourceList\n", "items:\n"]
    for text in (text for item in items for text in item.split("---\n")):
        body = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
        lines += [("- " if index == 0 else "  ") + line for index, line in enumerate(body)]
    return "".join(lines) + (f"functionConfig:\n{indented(config)}" if config else "")


def indented(text: str) -> str:
    return "".join(f"  {line}" for line in text.splitlines(keepends=True))


def copied(name: str, folder: Path) -> Path:
    """A writable copy of a fixture, a file or a folder, in a folder of the same name."""
    source, target = DATA / name, folder / Path(name).name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return target


def texts(folder: Path) -> dict[str, str]:
    """The files below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass(frozen=True)
class Diff:
    """The changed lines between two texts or folders."""

    inserted: list[str]
    removed: list[str]


def diff(before: bytes | str | Path, after: bytes | str | Path) -> Diff:
    """What a function inserted and removed, against the identity in its place."""
    if not (isinstance(before, Path) and isinstance(after, Path)):
        return _diff(before, after)
    old, new = texts(before), texts(after)
    assert list(old) == list(new)
    parts = [_diff(old[name], new[name]) for name in old]
    return Diff([line for part in parts for line in part.inserted], [line for part in parts for line in part.removed])


def _diff(before: Any, after: Any) -> Diff:
    lines = unified(before, after, context=0).splitlines()
    return Diff([line[1:] for line in lines if line[0] == "+"], [line[1:] for line in lines if line[0] == "-"])


def comments(text: str) -> list[str]:
    """Every comment of our fixtures, whose strings hold no ` #`, in order."""
    return [line[line.index("#") :] for line in text.splitlines() if line.lstrip().startswith("#") or " #" in line]


def parsed(text: bytes | str) -> Any:
    """One document with every scalar as its text: nothing is resolved, so nothing can be resolved wrongly."""
    return yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - it makes strings, lists and dicts only


def documents(text: bytes | str) -> list[Any]:
    """The documents of a stream, every scalar as its text."""
    return [found for found in yaml.load_all(text, yaml.CBaseLoader) if found is not None]


def judged(text: bytes | str) -> dict[str, bool]:
    """The verdict of the Pod Security Standard's own code on each object with a pod: restricted, latest."""
    stdin = text if isinstance(text, bytes) else text.encode()
    done = run(require("psa"), "-level", "restricted", "-version", "latest", stdin=stdin)
    rows = [json.loads(line) for line in done.out.splitlines()]
    return {f"{row['kind']}/{row['name']}": row["allowed"] for row in rows if row.get("hasPodSpec")}


def as_json(text: bytes) -> list[Any]:
    """A stream as kubectl reads it."""
    done = run(require("kubectl"), "annotate", "--local", "-f", "-", "read=yes", "-o", "json", stdin=text)
    assert done.code == 0, done.err
    decoder, rest, found = json.JSONDecoder(), done.out.decode().strip(), []
    while rest:
        item, end = decoder.raw_decode(rest)
        found.append(item)
        rest = rest[end:].strip()
    return found


def deployments(count: int) -> str:
    """Deployments of a usual size."""
    return "---\n".join(
        f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{number}
  labels: {{app: web-{number}}}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: web-{number}
  template:
    metadata:
      labels:
        app: web-{number}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: registry.example/web:{number}
        ports:
        - containerPort: 8080
        env:
        - name: NUMBER
          value: "{number}"
        resources:
          requests: {{cpu: 100m, memory: 64Mi}}
          limits: {{memory: 128Mi}}
        readinessProbe:
          httpGet: {{path: /ready, port: 8080}}
"""
        for number in range(count)
    )


@dataclass(frozen=True)
class Cost:
    """Seconds of a clock and of processors."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.cpu:.2f} s of processors)"


def cost(call: Callable[[], object]) -> Cost:
    """What a call costs, its child processes counted."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(time.perf_counter() - wall, used)

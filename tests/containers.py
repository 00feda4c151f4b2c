"""The container image, really run: podman on the store that scripts/image.sh builds it into."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, Ran, clean_environment

from krm_harden import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLDER = Path(
    os.environ.get("KRM_HARDEN_IMAGE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-image"
)
IMAGE = f"registry.example/krm-harden:v{__version__}"
BASE = "localhost/krm-harden/base:bookworm"
"""Debian with a shell and without Python."""
NOBODY = ("--user", "nobody")
LOCKED = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""What a function is run with, and a read-only root."""
BUILD = "scripts/image.sh builds it"


def settings() -> dict[str, str]:
    """The variables that select the store."""
    names = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
    return {variable: str(FOLDER / name) for variable, name in names.items()}


def podman(*arguments: str | Path, stdin: bytes = b"") -> Ran:
    """One command on the store of the image."""
    done = subprocess.run(
        ["podman", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=clean_environment(**settings()),
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def run(*arguments: str | Path, options: Iterable[str | Path] = (*NOBODY, *LOCKED), stdin: bytes = b"") -> Ran:
    """The image with arguments, as `docker run --rm -i` does it."""
    return podman("run", "--rm", "-i", "--pull", "never", *options, IMAGE, *arguments, stdin=stdin)


def program(name: str, *arguments: str | Path, options: Iterable[str | Path] = (*NOBODY, *LOCKED)) -> Ran:
    """Another program of the image in the place of krm-harden."""
    return run(*arguments, options=(*options, "--entrypoint", name))


@contextmanager
def started(name: str, *arguments: str | Path, options: Iterable[str | Path]) -> Iterator[Callable[[], str]]:
    """A program of the image in the background; what it logs. It is gone afterwards."""
    begun = podman("run", "-d", "--pull", "never", *options, "--entrypoint", name, IMAGE, *arguments)
    assert begun.code == 0, begun.err
    container = begun.out.decode().strip()
    try:
        yield lambda: podman("logs", container).err
    finally:
        podman("rm", "-f", "-t", "0", container)


def ready() -> None:
    """Skips, with what is missing, unless the image is here and of this checkout."""
    if os.geteuid() != 0:
        pytest.skip("only root runs containers here")
    for needed in ("podman", "runc"):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} isn't here: {BUILD.replace('builds it', 'says where from')}")
    if not (FOLDER / "env.sh").is_file() or podman("image", "exists", IMAGE).code:
        pytest.skip(f"no image {IMAGE} in {FOLDER}: {BUILD}")
    if others := differing(sources(files())):
        pytest.skip(f"the image is of another state of {others[0]}: {BUILD}")


def differing(image: dict[str, bytes]) -> list[str]:
    """The modules that aren't the same in the image and in the checkout."""
    package = ROOT / "krm_harden"
    checkout = {path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*.py")}
    return sorted(name for name in image.keys() | checkout.keys() if image.get(name) != checkout.get(name))


def sources(found: dict[str, tarfile.TarInfo]) -> dict[str, bytes]:
    """krm-harden's own modules in the image."""
    inside = re.compile(r"opt/krm-harden/lib/python3/dist-packages/krm_harden/(.+\.py)")
    named = {match[1]: path for path in found if (match := inside.fullmatch(path))}
    return {name: content(path) for name, path in named.items()}


@cache
def _exported() -> tuple[TemporaryDirectory[str], Path]:
    """The image's file system as a tar file."""
    folder = TemporaryDirectory(prefix="krm-harden-image-")
    path = Path(folder.name) / "root.tar"
    name = podman("create", IMAGE).out.decode().strip()
    try:
        exported = podman("export", "-o", path, name)
    finally:
        podman("rm", name)
    assert exported.code == 0, exported.err
    return folder, path


@cache
def files() -> dict[str, tarfile.TarInfo]:
    """All of the image's files by path, without a slash before it."""
    with tarfile.open(_exported()[1]) as archive:
        return {member.name: member for member in archive}


@cache
def _contents() -> dict[str, bytes]:
    with tarfile.open(_exported()[1]) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def content(path: str) -> bytes:
    return _contents()[path]


@cache
def config() -> dict[str, Any]:
    """What the image says of itself."""
    return json.loads(podman("image", "inspect", IMAGE).out)[0]


def docker_is_podman(folder: Path) -> str:
    """A PATH whose first `docker` is podman: kustomize knows no other name."""
    folder.mkdir()
    (folder / "docker").symlink_to(shutil.which("podman"))
    return f"{folder}{os.pathsep}{os.environ['PATH']}"

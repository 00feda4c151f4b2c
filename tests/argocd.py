"""The real argocd-cmp-server and the code of argocd-repo-server that calls it, around the plugin."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from clients import FUNCTION
from conftest import ROOT, Ran, clean_environment, require

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENT = ROOT / "function" / "argocd"
PLUGIN = COMPONENT / "plugin.yaml"
SERVICE = "/plugin.ConfigManagementPluginService/"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Failed(Exception):
    """What the server answered instead of manifests."""


# The messages of ConfigManagementPluginService are five fields deep at most: no generated stubs are needed.
def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _field(number: int, data: bytes | str | int) -> bytes:
    if isinstance(data, int):
        return _varint(number << 3) + _varint(data)
    data = data.encode() if isinstance(data, str) else data
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0

    def number() -> int:
        nonlocal at
        shift = found = 0
        while True:
            byte = data[at]
            at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return found

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        else:
            length = number()
            yield tag >> 3, data[at : at + length]
            at += length


def _packed(root: Path) -> bytes:
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(root, arcname=".")
    return raw.getvalue()


def _request(root: Path, path: str, said: dict[str, str]) -> Iterator[bytes]:
    data = _packed(root)
    about = _field(1, said.get("ARGOCD_APP_NAME", "app")) + _field(2, path)
    about += _field(3, hashlib.sha256(data).hexdigest()) + _field(4, len(data))
    about += b"".join(_field(5, _field(1, name) + _field(2, value)) for name, value in said.items())
    yield _field(1, about)
    for start in range(0, len(data), 1 << 16):
        yield _field(2, _field(1, data[start : start + (1 << 16)]))


@dataclass(frozen=True)
class Server:
    """A running argocd-cmp-server: its socket's folder, the folder in which it unpacks, what it logs, its process."""

    sockets: Path
    work: Path
    log: Path
    process: int

    @property
    def address(self) -> Path:
        return self.sockets / "krm-harden.sock"

    def _channel(self) -> Any:
        grpc = pytest.importorskip("grpc", reason="pip install grpcio")
        return grpc.insecure_channel(f"unix:{self.address}", options=[("grpc.max_receive_message_length", 100 << 20)])

    def check(self) -> dict[int, Any]:
        """The answer to CheckPluginConfiguration: 1 is discovery, 2 credentials."""
        with self._channel() as channel:
            return dict(_fields(channel.unary_unary(f"{SERVICE}CheckPluginConfiguration")(b"", timeout=60)))

    def announced(self, root: Path) -> list[str]:
        """The names of the parameters that the user interface shows."""
        with self._channel() as channel:
            answer = channel.stream_unary(f"{SERVICE}GetParametersAnnouncement")(_request(root, ".", {}), timeout=60)
        return [value.decode() for _, one in _fields(answer) for field, value in _fields(one) if field == 1]

    def generate(self, root: Path, path: str = ".", *, timeout: float = 300, **said: str) -> list[dict[str, Any]]:
        """The objects of an application. Raises Failed with what the user sees."""
        grpc = pytest.importorskip("grpc", reason="pip install grpcio")
        about = {"ARGOCD_APP_NAME": "app", "ARGOCD_APP_SOURCE_PATH": path, **said}
        with self._channel() as channel:
            try:
                answer = channel.stream_unary(f"{SERVICE}GenerateManifest")(
                    _request(root, path, about), timeout=timeout
                )
            except grpc.RpcError as error:
                raise Failed(f"{error.code().name}: {error.details()}") from None
        return [json.loads(value) for field, value in _fields(answer) if field == 1]


def tools(folder: Path, **programs: str) -> str:
    """A PATH of a folder with krm-harden, kustomize and helm, and the given scripts in their place."""
    folder.mkdir(parents=True, exist_ok=True)
    real = {"kustomize": require("kustomize"), "helm": require("helm3")}
    for name, path in real.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(path)
    for name, text in {"krm-harden": f'exec {shlex.join(FUNCTION)} "$@"', **programs}.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@contextlib.contextmanager
def server(folder: Path, plugin: Path = PLUGIN, **env: str) -> Iterator[Server]:
    """A server in a folder, ended by its number: it doesn't end when it is asked to."""
    program = require("argocd-cmp-server")
    # Paths of sockets may not be longer than 107 bytes.
    sockets = _short(folder)
    for part in ("config", "work"):
        (folder / part).mkdir(parents=True)
    shutil.copyfile(plugin, folder / "config" / "plugin.yaml")
    path = env.pop("PATH", None) or tools(folder / "bin")
    environment = clean_environment(
        ARGOCD_PLUGINSOCKFILEPATH=str(sockets), ARGOCD_CMP_WORKDIR=str(folder / "work"), PATH=path, **env
    )
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [program, "--config-dir-path", folder / "config", "--logformat", "text"],
            stdout=log,
            stderr=log,
            env=environment,
        )
    found = Server(sockets, folder / "work", folder / "log", process.pid)
    try:
        _wait_for(found.address, process, folder / "log")
        yield found
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        shutil.rmtree(sockets)


SIDE = ROOT / "tests" / "oracles" / "argocd" / "side.sh"


@contextlib.contextmanager
def sidecar(folder: Path, **env: str) -> Iterator[Server]:
    """A server in what is a pod's sidecar to it: read-only root, user 999, HOME=/, process 1."""
    for name in ("unshare", "setpriv", "bash"):
        require(name)
    if os.geteuid() != 0:
        pytest.skip("only root may make mounts and processes of their own")
    sockets = _short(folder)
    bin_, config = folder / "bin", folder / "config"
    config.mkdir(parents=True)
    bin_.mkdir()
    python = os.path.relpath(os.path.realpath(sys.executable), sys.base_prefix)
    for name, text in {
        "krm-harden": f'exec /run/side/python/{python} -m krm_harden "$@"',
        # What is hung is a chart.
        "helm": "sleep 1000 & sleep 1000",
    }.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
    shutil.copyfile(require("kustomize"), bin_ / "kustomize")
    for program in bin_.iterdir():
        program.chmod(0o755)
    shutil.copyfile(PLUGIN, config / "plugin.yaml")
    # pytest's folders are their owner's alone.
    for part in (bin_, config):
        part.chmod(0o755)
    seen = {"bin": bin_, "python": sys.base_prefix, "source": ROOT, "site": Path(yaml.__file__).parent.parent}
    given = {"PYTHONHOME": "/run/side/python", "PYTHONPATH": "/run/side/source:/run/side/site", **env}
    command = [SIDE, require("argocd-cmp-server"), config, sockets, "/run/side/bin:/usr/bin:/bin"]
    command += [f"{name}={path}" for name, path in seen.items()]
    command += ["--", *(f"{name}={value}" for name, value in given.items())]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment())
    inner = 0
    try:
        _wait_for(sockets / "krm-harden.sock", process, folder / "log")
        inner = int((Path("/proc") / f"{process.pid}/task/{process.pid}/children").read_text().split()[0])
        yield Server(sockets, folder, folder / "log", inner)
    finally:
        if inner:
            os.kill(inner, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        shutil.rmtree(sockets)


def _short(folder: Path) -> Path:
    return Path(mkdtemp(prefix="krm-cmp-", dir=None if len(str(folder)) > 60 else folder.parent))


def _wait_for(address: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while not _answers(address):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def _answers(address: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        return True
    return False


def application(path: str, **plugin: Any) -> dict[str, Any]:
    """An Application whose source is rendered by a plugin; without one, by what Argo CD finds in its folder."""
    source = {"repoURL": "https://git.example/shop.git", "path": path, "targetRevision": "main"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": source | ({"plugin": plugin} if plugin else {}),
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    }


def refreshed(running: Server, root: Path, manifest: dict[str, Any], *options: str) -> Ran:
    """What repo-server makes of an Application and its repository: JSON lines on stdout."""
    file = running.log.parent / "application.yaml"
    file.write_text(yaml.safe_dump(manifest))
    done = subprocess.run(
        [require("argocd-repogen"), "-app", file, "-repo", root, "-timeout", "280s", *options],
        capture_output=True,
        env=clean_environment(ARGOCD_PLUGINSOCKFILEPATH=str(running.sockets)),
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def objects(ran: Ran) -> list[dict[str, Any]]:
    """The objects that repo-server passes on."""
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def plugin(folder: Path, *options: str, path: str = "", tools_: str = "", **env: str) -> Ran:
    """The plugin's command alone, in an application's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "krm_harden", "argocd", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder / path if path else folder,
        env=clean_environment(**({"PATH": tools_} if tools_ else {}), **env),
        timeout=300,
        check=False,
        start_new_session=True,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr.decode())
    assert "Traceback" not in ran.err, ran.err
    assert len(ran.err.splitlines()) <= 20, ran.err
    assert ran.code == 0 or not ran.out
    return ran


def printed(ran: Ran) -> list[dict[str, Any]]:
    """The objects that the plugin printed: `---`, then one line of JSON, for each."""
    assert ran.code == 0, ran.err
    lines = ran.out.decode().split("\n")
    assert lines.pop() == ""
    assert lines[::2] == ["---"] * (len(lines) // 2)
    return [json.loads(line) for line in lines[1::2]]

"""The real kube-apiserver on loopback, with etcd: started, asked over plain HTTP, stopped.

Kubernetes' own words are the reference. One connection is kept alive: some 400 creates a second, where kubectl makes 10.
Where the two programs come from: CONTRIBUTING.md, Set-up.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import Ran, clean_environment, require, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "test"  # noqa: S105 - of a server that lives for one test run
START_SECONDS = 60
COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodTemplate": "/api/v1/namespaces/{}/podtemplates",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    **{
        kind: f"/apis/admissionregistration.k8s.io/v1/{plural}"
        for kind, plural in {
            "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
            "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
            "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
        }.items()
    },
}
"""Where objects of a kind are created."""


@dataclass(frozen=True)
class Answer:
    """What the server said: the HTTP status, the body's message (of an error) and the texts of its warnings."""

    code: int
    message: str
    warnings: tuple[str, ...]
    body: bytes = field(default=b"", repr=False, compare=False)

    @property
    def data(self) -> Any:
        """The object that came back."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.code} {self.message} {self.warnings}"


@dataclass(frozen=True)
class Server:
    """A running API server."""

    connection: HTTPSConnection
    kubeconfig: Path

    def ask(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json", user: str = ""
    ) -> Answer:
        """One request; `body` is JSON, or YAML where the content type says so. `user` is who is impersonated."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type}
        headers |= {"Impersonate-User": user} if user else {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        said = response.read()
        warnings = tuple(_text(header) for header in response.headers.get_all("Warning", []))
        message = json.loads(said)["message"] if response.status >= 400 else ""
        return Answer(response.status, message, warnings, said)

    def create(
        self, kind: str, namespace: str, manifest: dict[str, Any] | str, *, dry_run: bool = False, user: str = ""
    ) -> Answer:
        """Create an object, as kubectl does: no unknown field passes. A string is YAML, and is sent as it is."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        path = COLLECTIONS[kind].format(namespace) + query
        if isinstance(manifest, str):
            return self.ask("POST", path, manifest.encode(), "application/yaml", user)
        return self.ask("POST", path, json.dumps(manifest).encode(), user=user)

    def patch(self, path: str, patch: dict[str, Any]) -> Answer:
        """A merge patch, by strategy where the resource knows one."""
        return self.ask("PATCH", path, json.dumps(patch).encode(), "application/strategic-merge-patch+json")

    def kubectl(self, *arguments: str) -> Ran:
        program = kubectl()
        environment = clean_environment(KUBECONFIG=str(self.kubeconfig))
        done = subprocess.run([program, *arguments], capture_output=True, env=environment, timeout=60, check=False)
        return Ran(done.returncode, done.stdout, done.stderr.decode())


def kubectl() -> str:
    """The kubectl of the judges' cache, of this Python's environment or of PATH."""
    return tool("kubectl", Path(sys.executable).parent) or require("kubectl")


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server of its own, with its data in the folder, on ports that nobody uses. Stopped on the way out."""
    etcd, kube_apiserver, openssl = (require(name) for name in ("etcd", "kube-apiserver", "openssl"))
    client_port, peer_port, port = free_ports(3)
    key = folder / "service-account.key"
    subprocess.run([openssl, "genrsa", "-out", key, "2048"], capture_output=True, check=True)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
    with (
        child(folder / "etcd.log", etcd, *etcd_flags(folder, client_port, peer_port)) as store,
        child(folder / "apiserver.log", kube_apiserver, *apiserver_flags(folder, key, client_port, port)) as api,
    ):
        connection = connect(folder, port, (store, api))
        try:
            yield Server(connection, write_kubeconfig(folder, port))
        finally:
            connection.close()


def etcd_flags(folder: Path, client_port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        *("--name=test", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", f"--initial-cluster=test={peer}"),
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
        *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
    ]


def apiserver_flags(folder: Path, key: Path, etcd_port: int, port: int) -> list[str]:
    """Everybody with the token may do everything. No service accounts: no controller is there to make them."""
    return [
        *(f"--etcd-servers=http://127.0.0.1:{etcd_port}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--cert-dir={folder / 'pki'}", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
        *(f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24"),
        *("--authorization-mode=AlwaysAllow", "--disable-admission-plugins=ServiceAccount"),
        *("--allow-privileged=true", "--endpoint-reconciler-type=none"),
    ]


@contextmanager
def child(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output goes to a file, and which ends with the block."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def connect(folder: Path, port: int, children: tuple[subprocess.Popen[bytes], ...]) -> HTTPSConnection:
    """A connection that is kept open, once the server says that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = [process.args for process in children if process.poll() is not None]
        assert not ended, f"{ended}: see the logs in {folder}"
        if (certificate := folder / "pki" / "apiserver.crt").is_file():
            connection = HTTPSConnection("127.0.0.1", port, context=trusting(certificate), timeout=30)
            if is_ready(connection):
                return connection
            connection.close()
        time.sleep(0.05)
    raise AssertionError(f"not ready after {START_SECONDS} s: see the logs in {folder}")


def trusting(certificate: Path) -> ssl.SSLContext:
    """The server makes its own certificate at its first start."""
    context = ssl.create_default_context()
    with suppress(ssl.SSLError):  # not written to its end yet: nothing is trusted, and the next attempt reads it again
        context.load_verify_locations(certificate)
    return context


def is_ready(connection: HTTPConnection) -> bool:
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException):
        return False
    return response.status == 200


def write_kubeconfig(folder: Path, port: int) -> Path:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "pki" / "apiserver.crt")}
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "test", "user": {"token": TOKEN}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "current-context": "test",
            }
        )
    )
    return path


def free_ports(count: int) -> list[int]:
    """Ports that are free now: all are held at once, so that none comes twice."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def _text(header: str) -> str:
    """What a Warning header quotes (RFC 7234, 5.5): `299 - "text"`, with backslashes before `"` and `\\`."""
    quoted = re.fullmatch(r'299 - "(.*)"', header)
    assert quoted, header
    return re.sub(r"\\(.)", r"\1", quoted[1]).encode("latin-1").decode()

"""Small images, and who has them on loopback: the real docker-registry or crane, and a server that misbehaves.

docker-registry   apt-get install docker-registry
crane             go install github.com/google/go-containerregistry/cmd/crane@latest
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import TYPE_CHECKING, Any

from conftest import clean_environment, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OCI = "application/vnd.oci.image."
MANIFEST = OCI + "manifest.v1+json"
INDEX = OCI + "index.v1+json"
CONFIG = OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar"
USER, PASSWORD = "reader", "secret"
HTPASSWD = f"{USER}:$2b$04$WFKAzf4t8r1HNIzBUUmzEOfFqOTQiKVAhJCaR52e5n2PCiMl/.DYS\n"
"""The same, as docker-registry wants it (bcrypt)."""
START_SECONDS = 20


@dataclass(frozen=True)
class Reference:
    """What krm_harden.images.names makes of a reference."""

    repository: str
    tag: str = ""
    digest: str = ""


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tarball(*entries: tuple[str, bytes | None], **xattrs: dict[str, str]) -> bytes:
    """A tar of files (bytes) and folders (None); `xattrs` is PAX headers by path, `/` written as `__`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.mode, info.uid, info.gid, info.size = 0o755, 1000, 1000, len(content or b"")
            info.pax_headers = xattrs.get(name.replace("/", "__"), {})
            tar.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00"}
TARS = (
    tarball(("etc", None), ("etc/passwd", b"app:x:1000:1000::/app:/bin/sh\n"), ("app", None), ("app/old", b"x" * 5000)),
    tarball(("app/.wh.old", b""), ("app/server", b"\x7fELF" + b"s" * 70000), app__server=CAPABILITY),
    tarball(("var", None), ("var/.wh..wh..opq", b""), ("var/data", b"d" * 100)),
)
"""A base; a whiteout and a file with a capability; an opaque folder."""


def zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd").compress(data)
    return import_module("zstandard").compress(data)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "+gzip": lambda data: gzip.compress(data, mtime=0),
    "+zstd": zstd,
}


@dataclass(frozen=True)
class Made:
    """An image: its documents and its layers' stored bytes."""

    config: bytes
    manifest: bytes
    layers: tuple[bytes, ...]

    @property
    def blobs(self) -> dict[str, bytes]:
        return {digest(data): data for data in (self.config, *self.layers)}


def made(
    tars: tuple[bytes, ...] = TARS,
    compression: str = "+gzip",
    platform: str = "linux/amd64",
    layer_type: str = LAYER,
    **config: Any,
) -> Made:
    """An OCI image of these layers."""
    system, architecture, *variant = platform.split("/")
    document = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "config": {"User": "app", "Entrypoint": ["/app/server"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        **config,
    }
    config_bytes = json.dumps(document).encode()
    layers = tuple(COMPRESSIONS[compression](tar) for tar in tars)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(config_bytes, CONFIG),
        "layers": [described(layer, layer_type + compression) for layer in layers],
    }
    return Made(config_bytes, json.dumps(manifest).encode(), layers)


def described(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """A descriptor."""
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def on(platform: str) -> dict[str, Any]:
    """A descriptor's platform."""
    return {"platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))}


def index(*descriptors: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Registry:
    """A real registry on loopback."""

    host: str
    authorization: str = ""

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "application/octet-stream") -> str:
        """One request; what it answers under Location."""
        connection = HTTPConnection(self.host, timeout=20)
        headers = {
            "Content-Type": content_type,
            **({"Authorization": self.authorization} if self.authorization else {}),
        }
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        said = response.read()
        connection.close()
        assert response.status < 300, (method, path, response.status, said)
        return response.headers.get("Location", "")

    def push(self, image: Made, name: str, tag: str = "") -> str:
        """An image's digest there."""
        for blob, data in image.blobs.items():
            place = self.ask("POST", f"/v2/{name}/blobs/uploads/").removeprefix(f"http://{self.host}")
            self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={blob}", data)
        return self.push_manifest(image.manifest, name, tag)

    def push_manifest(self, document: bytes, name: str, tag: str = "") -> str:
        media_type = json.loads(document).get("mediaType", MANIFEST)
        self.ask("PUT", f"/v2/{name}/manifests/{tag or digest(document)}", document, media_type)
        return digest(document)


@contextmanager
def running(*command: str, port: int) -> Iterator[None]:
    """A server process, from its first answer on."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    ) as server:
        try:
            until = time.monotonic() + START_SECONDS
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
                assert time.monotonic() < until, f"{command[0]} doesn't answer"
                time.sleep(0.02)
            yield
        finally:
            server.terminate()


@contextmanager
def docker_registry(
    folder: Path, authentication: dict[str, Any] | None = None, authorization: str = ""
) -> Iterator[Registry]:
    """Debian's docker-registry, maybe with `auth:` of its configuration."""
    program, port = require("docker-registry"), free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        **({"auth": authentication} if authentication else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with running(program, "serve", str(folder / "config.yml"), port=port):
        yield Registry(f"127.0.0.1:{port}", authorization)


@contextmanager
def crane_registry(folder: Path) -> Iterator[Registry]:
    """The registry that crane has built in."""
    port = free_port()
    with running(
        require("crane"), "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", str(folder), port=port
    ):
        yield Registry(f"127.0.0.1:{port}")


REGISTRIES = {"docker-registry": docker_registry, "crane": crane_registry}


@dataclass
class Site:
    """A registry that serves what it is given, and first does what it is told: `faults` by the path's end, in order."""

    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: dict[str, list[Callable[[Any, Site], Any]]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ranges: bool = False
    host: str = ""

    def add(self, image: Made, name: str = "app", tag: str = "1") -> str:
        for blob, data in image.blobs.items():
            self.documents[f"/v2/{name}/blobs/{blob}"] = ("application/octet-stream", data)
        return self.add_manifest(image.manifest, name, tag)

    def add_manifest(self, document: bytes, name: str = "app", tag: str = "1", media_type: str = MANIFEST) -> str:
        for key in (tag, digest(document)):
            self.documents[f"/v2/{name}/manifests/{key}"] = (media_type, document)
        return digest(document)

    def asked(self, end: str) -> list[dict[str, str]]:
        """The headers of the requests for a path with this end."""
        return [headers for path, headers in self.seen if path.partition("?")[0].endswith(end)]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self.seen.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}))
        for end, faults in self.faults.items():
            if path.endswith(end) and faults:
                faults.pop(0)(handler, self)
                return
        self.serve(handler, path)

    def serve(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        if path not in self.documents:
            reply(handler, 404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')
            return
        media_type, data = self.documents[path]
        headers = {"Content-Type": media_type}
        asked = handler.headers.get("Range")
        if self.ranges and asked:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            reply(handler, 206, data[start:], **headers)
            return
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
        reply(handler, 200, data, **headers)


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", length: int = -1, **headers: str) -> None:
    """A whole response, or one that says that it is longer."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body) if length < 0 else length))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(site: Site, certificate: Path | None = None) -> Iterator[Site]:
    """The site on a port of loopback, maybe by TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hung up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, name: str) -> Path:
    """A key and its own certificate for a name, in one file."""
    made = folder / "both.pem"
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True, env=clean_environment(),
    )  # fmt: skip
    made.write_bytes(key.read_bytes() + cert.read_bytes())
    return made


@dataclass
class TokenServer(Site):
    """A token server: what docker-registry's `auth: token` believes. It knows one user, and nobody else."""

    key: str = ""
    certificate_text: str = ""
    service: str = "test"
    field: str = "token"

    def serve(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        if handler.headers.get("Authorization") != basic(USER, PASSWORD):
            reply(handler, 401, b"{}")
            return
        query = dict(pair.split("=") for pair in handler.path.partition("?")[2].split("&"))
        _, name, action = urllib.request.unquote(query["scope"]).split(":")
        token = self.token(name, action.split(","))
        reply(handler, 200, json.dumps({self.field: token, "expires_in": 300}).encode())

    def token(self, name: str, actions: list[str]) -> str:
        """A JSON web token, signed by the key whose certificate the registry trusts."""
        lines = self.certificate_text.split("-----")[2].split()
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines)]}
        access = [{"type": "repository", "name": name, "actions": actions}]
        claims = {"iss": "test", "sub": USER, "aud": self.service, "exp": now + 300, "nbf": now - 60, "iat": now,
                  "jti": "1", "access": access}  # fmt: skip
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            [require("openssl"), "dgst", "-sha256", "-sign", self.key],
            input=signed.encode(),
            capture_output=True,
            check=True,
        ).stdout
        return f"{signed}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

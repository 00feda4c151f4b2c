"""Who we are to a registry: what `docker login` and `podman login` wrote, and what a registry's challenge asks for."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from krm_harden.images.sources.streams import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_BYTES = 4 << 20
HELPER_SECONDS = 20.0
DOCKER_HUB = "https://index.docker.io/v1/"
"""Docker Hub's name in credential files and for helpers."""
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHALLENGE = re.compile(
    r'(?:^|,)\s*(Bearer|Basic)(?=\s|,|$)|([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', re.IGNORECASE
)


@dataclass(frozen=True)
class Credentials:
    """What proves who we are; all empty: nobody. Secrets never show in a text of this."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """Exchanged for a token at the registry's realm."""
    registry_token: str = field(default="", repr=False)
    """Shown to the registry as it is."""
    note: str = ""
    """Why there are none, where that may surprise: a helper that isn't there."""

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The value of an Authorization header, or empty."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Challenge:
    """A WWW-Authenticate header."""

    scheme: str
    """bearer or basic."""
    realm: str
    service: str
    scope: str


def challenge(headers: list[str]) -> Challenge | None:
    """The challenge that we can answer: Bearer before Basic."""
    found: dict[str, dict[str, str]] = {}
    for header in headers:
        parameters: dict[str, str] = {}
        for scheme, name, quoted, plain in _CHALLENGE.findall(header[:8192]):
            if scheme:
                parameters = found.setdefault(scheme.lower(), {})
            else:
                parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    for scheme in ("bearer", "basic"):
        if scheme in found:
            values = found[scheme]
            return Challenge(scheme, values.get("realm", ""), values.get("service", ""), values.get("scope", ""))
    return None


def credential_files(environment: Mapping[str, str]) -> Iterator[str]:
    """The files that may hold credentials, the one that a variable names first."""
    home = environment.get("HOME") or os.path.expanduser("~")
    if environment.get("REGISTRY_AUTH_FILE"):
        yield environment["REGISTRY_AUTH_FILE"]
    if environment.get("DOCKER_CONFIG"):
        yield os.path.join(environment["DOCKER_CONFIG"], "config.json")
    if environment.get("XDG_RUNTIME_DIR"):
        yield os.path.join(environment["XDG_RUNTIME_DIR"], "containers", "auth.json")
    yield os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")
    if not environment.get("DOCKER_CONFIG"):
        yield os.path.join(home, ".docker", "config.json")


def credentials(
    repository: str, environment: Mapping[str, str] = os.environ, helper_seconds: float = HELPER_SECONDS
) -> Credentials:
    """What the first file that knows the repository's registry says. `repository`: docker.io/library/nginx.

    A file or a helper that doesn't work is noted and passed over: most images are public.
    """
    note = ""
    for path in credential_files(environment):
        content, problem = _content(path)
        note = note or problem
        for found in _of_file(content, repository, environment, helper_seconds):
            if found:
                return found
            note = note or found.note
    return Credentials(note=note)


def _content(path: str) -> tuple[dict[str, Any], str]:
    """A credential file's object, and what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return {}, ""
    except OSError as failure:
        return {}, f"{path} can't be read ({failure.strerror})"
    try:
        content = json.loads(data) if len(data) <= FILE_BYTES else None
    except (ValueError, RecursionError):
        content = None
    return (content, "") if isinstance(content, dict) else ({}, f"{path} isn't a JSON object")


def _of_file(
    content: dict[str, Any], repository: str, environment: Mapping[str, str], helper_seconds: float
) -> Iterator[Credentials]:
    """A helper for the registry, then the plain entries, then the helper for all: each once."""
    host = repository.partition("/")[0]
    helpers = _object(content.get("credHelpers"))
    servers = [DOCKER_HUB, host] if host == "docker.io" else [host]
    for server in servers:
        helper = helpers.get(server) or (helpers.get("index.docker.io") if server == DOCKER_HUB else None)
        if isinstance(helper, str):
            yield from_helper(helper, server, environment, helper_seconds)
            return
    store = content.get("credsStore")
    if isinstance(store, str) and store:
        yield from_helper(store, servers[0], environment, helper_seconds)
    entry = _entry(_object(content.get("auths")), repository)
    if entry:
        yield _plain(entry)


def _entry(auths: dict[str, Any], repository: str) -> dict[str, Any]:
    """The entry of the longest key that the repository lies under: host/namespace before host."""
    by_key: dict[str, Any] = {}
    for key, value in auths.items():
        by_key.setdefault(_normal_key(key), value)
    words = repository.split("/")
    for count in range(len(words), 0, -1):
        entry = by_key.get("/".join(words[:count]))
        if isinstance(entry, dict):
            return entry
    return {}


def _normal_key(key: str) -> str:
    """`https://host/v1/` of old files as `host`; Docker Hub's names as docker.io."""
    bare = key.partition("://")[2] if "://" in key else key
    bare = bare.rstrip("/")
    host, _, rest = bare.partition("/")
    rest = "" if rest in {"v1", "v2"} else rest
    host = "docker.io" if host in {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"} else host
    return f"{host}/{rest}" if rest else host


def _plain(entry: dict[str, Any]) -> Credentials:
    """An entry of `auths`."""
    username, password = _text(entry, "username"), _text(entry, "password")
    encoded = _text(entry, "auth")
    if encoded:
        try:
            username, _, password = base64.b64decode(encoded, validate=False).decode().rstrip("\0").partition(":")
        except (binascii.Error, ValueError):
            return Credentials(note="a credential file's `auth` isn't base64")
    return Credentials(username, password, _text(entry, "identitytoken"), _text(entry, "registrytoken"))


def from_helper(
    helper: str, server: str, environment: Mapping[str, str] = os.environ, seconds: float = HELPER_SECONDS
) -> Credentials:
    """What `docker-credential-HELPER get` says for a server."""
    name = f"docker-credential-{helper}"
    program = shutil.which(name, path=environment.get("PATH")) if _HELPER.fullmatch(helper) else None
    if program is None:
        return Credentials(note=f"{one_line(name, 80)} isn't on PATH")
    try:
        done = subprocess.run(  # noqa: S603 - the user's own helper, found on PATH, no shell
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired:
        return Credentials(note=f"{name} didn't answer in {seconds:g} seconds")
    except OSError as failure:
        return Credentials(note=f"{name} can't be started ({failure.strerror})")
    if done.returncode:
        said = one_line((done.stdout or done.stderr).decode(errors="replace"), 120)
        return Credentials() if "not found" in said else Credentials(note=f"{name} failed: {said}")
    try:
        answer = _object(json.loads(done.stdout))
    except (ValueError, RecursionError):
        return Credentials(note=f"{name} didn't answer with JSON")
    username, secret = _text(answer, "Username"), _text(answer, "Secret")
    return Credentials(identity_token=secret) if username == "<token>" else Credentials(username, secret)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""

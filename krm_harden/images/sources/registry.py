"""Images of registries: the distribution API, version 2.

    GET /v2/<name>/manifests/<tag or digest>    an index or a manifest; then the configuration, and layers when opened
    GET /v2/<name>/blobs/<digest>               written to the cache or to a temporary file, verified before it is read

Whoever waits is given up in time: each read, each retry and the whole image have limits.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import ssl
import time
import urllib.error
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import urlencode, urlsplit

from krm_harden.errors import SourceError
from krm_harden.images.sources import DEFAULT_LIMITS, auth
from krm_harden.images.sources.cache import Cache, default_folder
from krm_harden.images.sources.manifests import (
    ACCEPTED,
    DEFAULT_PLATFORM,
    Store,
    descriptors,
    digest_of,
    image_of,
    is_digest,
    parsed,
    verified,
)
from krm_harden.images.sources.streams import CHUNK, Hash, one_line, short, size_text
from krm_harden.images.sources.transport import OutOfTime, Patience, Refused, Timeouts, Transport, is_loopback, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from krm_harden.images.sources import Image, Limits
    from krm_harden.images.sources.manifests import Descriptor

HOSTS = {"docker.io": "registry-1.docker.io"}
"""Where a registry's API is, if not at its name."""
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
TOKEN_BYTES = 1 << 20
ANSWER_BYTES = 1 << 16
HANGS = "it doesn't answer in time"
PROGRESS = 1 << 20
"""Bytes of a blob after which a broken connection counts as the first again."""
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Named(Protocol):
    """An image's reference, as krm_harden.images.names parses it."""

    @property
    def repository(self) -> str:
        """Canonical: docker.io/library/nginx."""

    @property
    def tag(self) -> str:
        """Or empty."""

    @property
    def digest(self) -> str:
        """Or empty."""


@dataclass(frozen=True)
class Retries:
    """How failures that may pass are tried again."""

    tries: int = 5
    hangs: int = 2
    """Tries that may end by a time-out."""
    first_wait: float = 0.5
    """Seconds; doubled each time, and spread so that many clients don't come back at once."""
    most_wait: float = 30.0
    """Seconds that a registry's Retry-After is followed at most."""


@dataclass(frozen=True)
class Client:
    """What all images of a run share."""

    cache: Cache = field(default_factory=lambda: Cache(default_folder()))
    insecure: frozenset[str] = frozenset()
    """Registries, host or host:port, that are asked by plain HTTP. Those on loopback always are."""
    offline: bool = False
    """Ask nobody: the cache alone, with the last known digest of a tag."""
    credentials: Callable[[str], auth.Credentials] = auth.credentials
    """Who we are for a repository."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = Retries()
    limits: Limits = DEFAULT_LIMITS
    sleep: Callable[[float], None] = time.sleep
    tokens: dict[tuple[tuple[str, str, int], str], str] = field(default_factory=dict, repr=False)
    """The Authorization that an origin accepted for a repository."""


def fetch(reference: Named, platform: str = DEFAULT_PLATFORM, *, client: Client) -> Image:
    """The image that a registry has under a reference, for a platform. Layers are fetched when they are opened."""
    session = _Session(reference, client)
    document, digest = session.manifest_of_reference()
    return image_of(document, digest, platform, session.store())


def artifact(reference: Named, *, client: Client) -> tuple[dict[str, Any], str, Store]:
    """The manifest under a reference, whatever it is of, its digest, and the store of its blobs. Raises SourceError.

    An index is followed where it holds one manifest alone.
    """
    session = _Session(reference, client)
    document, digest = session.manifest_of_reference()
    store = session.store()
    manifest = parsed(document, store.image, "its manifest")
    if "manifests" in manifest:
        found = descriptors(manifest, "manifests", store.image)
        if len(found) != 1:
            what = f"is an index of {len(found)} manifests"
            raise SourceError(what, store.image, "name one of them by its digest")
        manifest = parsed(store.manifest(found[0]), store.image, "its manifest")
    return manifest, digest, store


class _Short(Exception):
    """Fewer bytes than were announced."""


class _Status(Exception):
    """A status that may pass."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"it answers {status} {http.client.responses.get(status, '')}".rstrip())
        self.status = status
        self.retry_after = retry_after


class _Session:
    """One image of one registry: its address, its time, its token."""

    def __init__(self, reference: Named, client: Client) -> None:
        host, _, self._path = reference.repository.partition("/")
        self._tag = reference.tag or ("" if reference.digest else "latest")
        self._digest = reference.digest
        self.name = reference.repository + (f":{self._tag}" if self._tag else "")
        self.name += f"@{self._digest}" if self._digest else ""
        self._client = client
        self._registry = host
        self._repository = reference.repository
        right = _HOST.fullmatch(host) and _PATH.fullmatch(self._path) and _TAG.fullmatch(self._tag or "latest")
        if not right or (self._digest and not is_digest(self._digest)):
            self.name = one_line(self.name)
            raise self._error("isn't a reference that a registry knows", "write HOST/NAME:TAG or HOST/NAME@sha256:...")
        self._transport = Transport(client.timeouts, client.insecure)
        address = HOSTS.get(host, host)
        self._base = f"{self._transport.scheme(address)}://{address}/v2/{self._path}"
        self._patience = Patience(client.timeouts.image)
        self._note = ""

    def store(self) -> Store:
        return Store(self.name, self._manifest, self._config, self._layer, self._client.limits)

    def manifest_of_reference(self) -> tuple[bytes, str]:
        """The manifest or index that the reference names, and its digest."""
        client, cache = self._client, self._client.cache
        digest = self._digest
        if client.offline and not digest:
            digest = cache.last_digest(self.name)
        if digest:
            return self._manifest_by_digest(digest), digest
        if client.offline:
            raise self._missing(f"the tag {self._tag}")
        document, digest = self._manifest_by_tag()
        cache.write(document, digest)
        cache.remember(self.name, digest)
        return document, digest

    def _manifest_by_tag(self) -> tuple[bytes, str]:
        most, claimed = self._client.limits.manifest_bytes, ""
        for _ in range(2):
            document, claimed = self._small(f"manifests/{self._tag}", most, f"tag {self._tag}")
            digest = claimed if is_digest(claimed) else digest_of(document)
            check = Hash(digest)
            check.update(document)
            if check.fits():
                return document, digest
        what = f"its manifest isn't the one that was announced ({short(claimed)})"
        raise self._error(what, "ask the registry's owner")

    def _manifest_by_digest(self, digest: str) -> bytes:
        return self._by_digest("manifests", digest, self._client.limits.manifest_bytes)

    def _manifest(self, item: Descriptor) -> bytes:
        return self._manifest_by_digest(item.digest)

    def _config(self, item: Descriptor) -> bytes:
        return self._by_digest("blobs", item.digest, self._client.limits.config_bytes)

    def _by_digest(self, kind: str, digest: str, most: int) -> bytes:
        """A small document: from the cache, or else from the registry, where a wrong one is asked for once again."""
        cached = self._client.cache.read(digest, most)
        if cached is not None:
            return cached
        if self._client.offline:
            raise self._missing(short(digest))
        document = b""
        for _ in range(2):
            document, _ = self._small(f"{kind}/{digest}", most, short(digest))
            check = Hash(digest)
            check.update(document)
            if check.fits():
                self._client.cache.write(document, digest)
                return document
        return verified(document, digest, self.name)

    def _layer(self, item: Descriptor) -> BinaryIO:
        """A layer's stored bytes, whole and verified."""
        client = self._client
        cached = client.cache.open(item.digest)
        if cached is not None:
            return cached
        if client.offline:
            raise self._missing(f"layer {short(item.digest)}")
        for _ in range(2):
            download = self._downloaded(item)
            if download.check.fits():
                client.cache.keep(download.file, item.digest)
                download.file.seek(0)
                return download.file
            download.file.close()
        what = f"layer {short(item.digest)} has other contents than its digest says"
        raise self._error(what, "ask the registry's owner, or push it again")

    def _downloaded(self, item: Descriptor) -> _Download:
        download = _Download(self, item)
        what = f"layer {short(item.digest)}"
        try:
            self._attempt(f"blobs/{item.digest}", download.take, what, download.headers, lambda: download.at)
        except BaseException:
            download.file.close()
            raise
        return download

    def temporary(self) -> BinaryIO:
        try:
            return self._client.cache.temporary()
        except OSError as failure:
            what = f"there is no place for a layer ({failure.strerror})"
            raise self._error(what, "set TMPDIR or XDG_CACHE_HOME to a folder that can be written") from failure

    def write_failed(self, failure: OSError) -> SourceError:
        return self._error(f"a layer can't be written ({failure.strerror})", "make room, or set XDG_CACHE_HOME")

    def check_time(self) -> None:
        self._patience.check()

    def _small(self, path: str, most: int, what: str) -> tuple[bytes, str]:
        """A document and the digest that its header claims."""
        headers = {"Accept": ", ".join(ACCEPTED)} if path.startswith("manifests/") else {}

        def take(response: http.client.HTTPResponse) -> tuple[bytes, str]:
            return self._body(response, most, what), response.headers.get("Docker-Content-Digest", "")

        document, digest = self._attempt(path, take, what, lambda: headers)
        return document, digest

    def _body(self, response: http.client.HTTPResponse, most: int, what: str) -> bytes:
        """A response's whole body."""
        expected = _length(response)
        parts, count = [], 0
        while count <= most and (data := response.read(min(CHUNK, most + 1 - count))):
            parts.append(data)
            count += len(data)
        if max(count, expected) > most:
            raise self._error(f"{what} is larger than {size_text(most)}", "it can't be an image that runs")
        if count < expected:
            raise _Short
        self.check_time()
        return b"".join(parts)

    def _attempt(
        self,
        path: str,
        take: Callable[[http.client.HTTPResponse], Any],
        what: str,
        headers: Callable[[], Mapping[str, str]],
        progress: Callable[[], int] = lambda: 0,
    ) -> Any:
        """What `take` makes of a good response; failures that may pass are tried again."""

        def once() -> Any:
            key = (origin(self._base), self._path)
            for last in (False, True):
                authorization = self._client.tokens.get(key, "")
                url = f"{self._base}/{path}"
                with self._transport.get(url, headers(), self._patience, authorization=authorization) as response:
                    if response.status in {200, 206}:
                        return take(response)
                    if response.status == 401 and not last:
                        asked = auth.challenge(response.headers.get_all("WWW-Authenticate") or [])
                    else:
                        raise self._refusal(response, what)
                if asked is None:
                    what_kind = "the registry wants a login of a kind that isn't known"
                    raise self._error(what_kind, f"docker login {self._registry}")
                self._client.tokens[key] = self._authorize(asked, refused=authorization)
            raise AssertionError

        return self._retried(once, what, progress)

    def _retried(self, once: Callable[[], Any], what: str, progress: Callable[[], int]) -> Any:
        """Call until it succeeds, while what goes wrong may pass, tries are left, and time."""
        retries = self._client.retries
        failed = hung = had = 0
        while True:
            value, failure = self._tried(once, what)
            if failure is None:
                return value
            problem, passing = _problem(failure)
            if progress() - had >= PROGRESS:
                failed, had = 0, progress()
            failed += 1
            hung += problem == HANGS
            if not passing or failed >= retries.tries or hung >= retries.hangs:
                raise self._error(f"{what} can't be fetched: {problem}", self._next_step(failure)) from failure
            self._wait(failed, getattr(failure, "retry_after", None), what, problem)

    def _tried(self, once: Callable[[], Any], what: str) -> tuple[Any, Exception | None]:
        """What a call returns, or the failure that may pass."""
        try:
            return once(), None
        except OutOfTime as failure:
            raise self._out_of_time(what) from failure
        except Refused as failure:
            raise self._error(f"{what} isn't fetched: {failure}", "ask the registry's owner") from failure
        except (_Short, _Status, OSError, http.client.HTTPException, ValueError) as failure:
            return None, failure

    def _wait(self, failed: int, retry_after: float | None, what: str, problem: str) -> None:
        retries = self._client.retries
        wait = retries.first_wait * 2 ** (failed - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads, hides nothing
        if retry_after is not None:
            wait = retry_after
        if wait > retries.most_wait and retry_after is not None:
            text = f"{what} can't be fetched: {problem}, and asks to come back in {retry_after:.0f} seconds"
            raise self._error(text, f"try again later, or docker login {self._registry}")
        wait = min(wait, retries.most_wait)
        try:
            self._patience.spend(wait)
        except OutOfTime as failure:
            raise self._out_of_time(what) from failure
        self._client.sleep(wait)

    def _authorize(self, asked: auth.Challenge, *, refused: str) -> str:
        """The Authorization that answers a challenge: as the user, or else as anybody."""
        who = self._client.credentials(self._repository)
        self._note = who.note
        login = f"docker login {self._registry}"
        if asked.scheme == "basic":
            if not who.basic:
                raise self._error(f"the registry wants a login{self._noted()}", login)
            self._note = f"the login of {one_line(who.username, 40)} isn't accepted"
            return who.basic
        if who.registry_token and refused != f"Bearer {who.registry_token}":
            return f"Bearer {who.registry_token}"
        self._may_tell(asked.realm, secret=bool(who))
        token = self._token(asked, who) if who else ""
        if who and not token:
            self._note = f"the login of {one_line(who.username, 40) or 'the identity token'} isn't accepted"
        token = token or self._token(asked, auth.Credentials())
        if not token:
            raise self._error(f"the registry gives no access{self._noted()}", f"{login}, or check the name")
        return f"Bearer {token}"

    def _may_tell(self, realm: str, *, secret: bool) -> None:
        """Credentials go out over https, or on this machine; a registry without either may be asked as anybody."""
        parts = urlsplit(realm)
        plain = parts.scheme == "http" and is_loopback(parts.netloc)
        if (parts.scheme == "https" and parts.hostname) or plain:
            return
        if secret or parts.scheme != "http" or parts.netloc not in self._client.insecure:
            what = f"the registry sends for a token to {one_line(realm, 80) or 'nowhere'}, which isn't https"
            raise self._error(what, "ask the registry's owner")

    def _token(self, asked: auth.Challenge, who: auth.Credentials) -> str:
        """What the realm gives to somebody; empty where it refuses."""
        fields = {"service": asked.service, "scope": asked.scope or f"repository:{self._path}:pull"}
        fields = {name: value for name, value in fields.items() if value}
        form, url = None, asked.realm
        if who.identity_token:
            grant = {"grant_type": "refresh_token", "client_id": "krm-harden", "refresh_token": who.identity_token}
            form = urlencode({**grant, **fields}).encode()
        else:
            url += ("&" if urlsplit(url).query else "?") + urlencode(fields)
        with self._transport.get(url, {}, self._patience, authorization=who.basic, form=form) as response:
            if response.status in RETRIED:
                raise _Status(response.status, _retry_after(response.headers.get("Retry-After", "")))
            if response.status != 200:
                return ""
            data = self._body(response, TOKEN_BYTES, "its token")
        answer = _object(data)
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._error("the registry's token server gives no token", "ask the registry's owner")
        return token

    def _refusal(self, response: http.client.HTTPResponse, what: str) -> Exception:
        """The error that a response is."""
        status = response.status
        if status in RETRIED:
            return _Status(status, _retry_after(response.headers.get("Retry-After", "")))
        code, message = _said(response.read(ANSWER_BYTES))
        said = f" ({message})" if message else ""
        if status in {401, 403}:
            what = f"{self._registry} denies access to {what}: {status}{said}{self._noted()}"
            return self._error(what, f"docker login {self._registry}, or check the name: it may not exist")
        if status == 404 and code == "NAME_UNKNOWN":
            return self._error(f"{self._registry} has no repository {self._path}", "check the name")
        if status == 404:
            return self._error(f"{what} doesn't exist at {self._registry}{said}", "check the name and the tag")
        what = f"{what} can't be fetched: {self._registry} answers {status}{said}"
        return self._error(what, "ask the registry's owner")

    def _next_step(self, failure: Exception) -> str:
        reason = getattr(failure, "reason", failure)
        if getattr(failure, "status", 0) == 429:
            return f"try again later, or docker login {self._registry}"
        if isinstance(reason, ssl.SSLCertVerificationError):
            return "set SSL_CERT_FILE to the certificates of its authority"
        if isinstance(reason, ssl.SSLError):
            return "name it as an insecure registry if it speaks plain HTTP"
        return "check the registry's name, the network and the proxy settings; try again"

    def _missing(self, what: str) -> SourceError:
        return self._error(f"{what} isn't in the cache", "run once without --offline")

    def _out_of_time(self, what: str) -> SourceError:
        seconds = self._client.timeouts.image
        return self._error(f"{what} isn't there after {seconds:g} seconds", "try again: what was fetched is kept")

    def _noted(self) -> str:
        return f"; {self._note}" if self._note else ""

    def _error(self, what: str, next_step: str) -> SourceError:
        return SourceError(what, self.name, next_step)


class _Download:
    """A blob on its way into a file: what broke off goes on where the registry can, else it starts again."""

    def __init__(self, session: _Session, item: Descriptor) -> None:
        self.file = session.temporary()
        self.check = Hash(item.digest)
        self.at = 0
        self._session = session
        self._item = item
        self._ranges = False

    def headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self.at}-"} if self.at and self._ranges else {}

    def take(self, response: http.client.HTTPResponse) -> None:
        """Write what comes; _Short if more should have come."""
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {self.at}-")
        if not goes_on:
            self._restart()
        if response.status == 206 and not goes_on:
            raise _Short
        self._ranges = goes_on or response.headers.get("Accept-Ranges", "") == "bytes"
        while self.at <= self._item.size and (data := response.read(CHUNK)):
            try:
                self.file.write(data)
            except OSError as failure:
                raise self._session.write_failed(failure) from failure
            self.check.update(data)
            self.at += len(data)
        self._session.check_time()
        if self.at < self._item.size:
            raise _Short

    def _restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.check = Hash(self._item.digest)
        self.at = 0
        self._ranges = False


def _length(response: http.client.HTTPResponse) -> int:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header, which may be a date."""
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _said(body: bytes) -> tuple[str, str]:
    """The code and the message of a registry's error."""
    errors = _object(body).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    code, message = first.get("code"), first.get("message")
    return code if isinstance(code, str) else "", one_line(message, 120) if isinstance(message, str) else ""


def _problem(failure: Exception) -> tuple[str, bool]:
    """What happened, and whether it may pass."""
    reason = failure.reason if isinstance(failure, urllib.error.URLError) else failure
    if isinstance(reason, _Status):
        return str(reason), True
    for kind, text, passing in _PROBLEMS:
        if isinstance(reason, kind):
            detail = getattr(reason, "verify_message", "") or (getattr(reason, "reason", "") if "TLS" in text else "")
            return text + (f" ({one_line(detail, 80)})" if detail else ""), passing
    again = isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_AGAIN
    return one_line(getattr(reason, "strerror", "") or reason, 120), again


_PROBLEMS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (_Short, "the connection ended too early", True),
    (TimeoutError, HANGS, True),
    (ssl.SSLCertVerificationError, "its certificate isn't trusted", False),
    (ssl.SSLEOFError, "the connection broke", True),
    (ssl.SSLError, "TLS fails", False),
    (ConnectionRefusedError, "the connection is refused", False),
    (ConnectionError, "the connection broke", True),
    (http.client.IncompleteRead, "the connection ended too early", True),
    (http.client.HTTPException, "it doesn't speak HTTP", False),
)
"""Narrow kinds first."""

"""HTTP for registries: urllib without its redirects, with a time-out for each read and a deadline for all of an image.

Proxies come from the environment (https_proxy, http_proxy, no_proxy), but for loopback.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlsplit

from krm_harden import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REDIRECTS = 5
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Timeouts:
    """Seconds."""

    connect: float = 10.0
    read: float = 30.0
    """Without a byte."""
    image: float = 900.0
    """In the network, for one image and all of its layers."""


class Refused(Exception):
    """An address that isn't asked: its text says why."""


class OutOfTime(Exception):
    """The image's deadline has passed."""


class Patience:
    """The time that an image's requests may still take, all together."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._passed = False

    def left(self) -> float:
        return self._left

    def spend(self, seconds: float) -> None:
        """Time that passes without a request; OutOfTime rather than wait in vain."""
        if seconds >= self._left:
            raise OutOfTime
        self._left -= seconds

    @contextmanager
    def exchange(self, sockets: list[socket.socket]) -> Iterator[None]:
        """A request and its response. At the deadline the sockets are shut: no drip of bytes outlasts it."""
        if self._left <= 0:
            raise OutOfTime
        timer = threading.Timer(self._left, self._shut, [sockets])
        timer.daemon = True
        started = time.monotonic()
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as failure:
            if self._passed:
                raise OutOfTime from failure
            raise
        finally:
            timer.cancel()
            self._left -= time.monotonic() - started

    def check(self) -> None:
        if self._passed:
            raise OutOfTime

    def _shut(self, sockets: list[socket.socket]) -> None:
        self._passed = True
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def is_loopback(host: str) -> bool:
    """Whether a host (with or without its port) is this machine."""
    return (urlsplit(f"//{host}").hostname or "") in LOOPBACK


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what may see the same secrets."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(frozen=True)
class Transport:
    """How addresses are asked."""

    timeouts: Timeouts
    insecure: frozenset[str]
    """Hosts, with their ports, that may be asked by plain HTTP, beside loopback."""

    def scheme(self, host: str) -> str:
        return "http" if is_loopback(host) or host in self.insecure else "https"

    @contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        patience: Patience,
        *,
        authorization: str = "",
        form: bytes | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The response, whatever its status, after redirects. Another origin never sees `authorization`.

        A form is posted, and follows no redirect.
        """
        sockets: list[socket.socket] = []
        with patience.exchange(sockets):
            for _ in range(REDIRECTS + 1):
                response = self._send(url, headers, authorization, form, sockets)
                try:
                    target = response.headers.get("Location", "") if 300 < response.status < 309 else ""
                    if not target or form is not None:
                        yield response
                        return
                    there = urljoin(url, target)
                    self._may_follow(url, there)
                    if origin(there) != origin(url):
                        authorization = ""
                    url = there
                finally:
                    response.close()
            raise Refused(f"it redirects more than {REDIRECTS} times")

    def _send(
        self, url: str, headers: Mapping[str, str], authorization: str, form: bytes | None, sockets: list[socket.socket]
    ) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, form, {"User-Agent": f"krm-harden/{__version__}", **headers})  # noqa: S310 - _may_ask
        self._may_ask(url)
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        response = self._opener(request.type, request.host, sockets).open(request, timeout=self.timeouts.connect)
        return cast("http.client.HTTPResponse", response)

    def _may_ask(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme != "http" or self.scheme(parts.netloc.rpartition("@")[2]) != "http":
            raise Refused("it leads to an address that isn't https")

    def _may_follow(self, url: str, there: str) -> None:
        """From https never to http: not even to this machine's own services."""
        self._may_ask(there)
        if urlsplit(url).scheme == "https" and urlsplit(there).scheme != "https":
            raise Refused("it redirects from https to http")

    def _opener(self, scheme: str, host: str, sockets: list[socket.socket]) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        if not is_loopback(host):
            opener.add_handler(urllib.request.ProxyHandler())
        opener.add_handler((_Secure if scheme == "https" else _Plain)(self.timeouts.read, sockets))
        return opener


@cache
def _trust() -> ssl.SSLContext:
    """Whom we believe: the system's authorities, or those of SSL_CERT_FILE. Reading them takes some 30 ms."""
    return ssl.create_default_context()


def _watched(kind: type[http.client.HTTPConnection], read_seconds: float, sockets: list[socket.socket]) -> Any:
    """A connection that tells of its socket, and that waits longer for bytes than for the connection."""

    class Watched(kind):  # type: ignore[valid-type,misc]
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(read_seconds)
            sockets.append(self.sock)

    return Watched


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, read_seconds: float, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._connection = _watched(http.client.HTTPConnection, read_seconds, sockets)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, read_seconds: float, sockets: list[socket.socket]) -> None:
        super().__init__(context=_trust())
        self._connection = _watched(http.client.HTTPSConnection, read_seconds, sockets)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req, context=_trust())

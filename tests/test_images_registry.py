"""Images of registries: real ones on loopback, and one that misbehaves. Time-outs are short: nothing here waits."""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
import threading
import time
import tracemalloc
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import tool
from hypothesis import given
from hypothesis import strategies as st
from registry import (
    CONFIG,
    HTPASSWD,
    INDEX,
    LAYER,
    MANIFEST,
    PASSWORD,
    REGISTRIES,
    TARS,
    USER,
    Reference,
    Site,
    TokenServer,
    basic,
    certificate,
    described,
    digest,
    docker_registry,
    index,
    made,
    on,
    reply,
    serving,
)

from krm_harden.errors import SourceError
from krm_harden.images.sources import Limits, auth, transport
from krm_harden.images.sources.auth import Challenge, Credentials, challenge, credentials
from krm_harden.images.sources.cache import Cache
from krm_harden.images.sources.registry import Client, Retries, fetch
from krm_harden.images.sources.transport import Timeouts

QUICK = Timeouts(connect=5, read=0.3, image=20)
FAST = Retries(tries=4, first_wait=0.005)


def nobody(_: str) -> Credentials:
    return Credentials()


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"))


@pytest.fixture
def client(cache):
    return Client(cache, credentials=nobody, timeouts=QUICK, retries=FAST)


def changed(client, **fields):
    return Client(
        **{**{name: getattr(client, name) for name in ("cache", "credentials", "timeouts", "retries")}, **fields}
    )


def contents(image):
    """The layers' uncompressed bytes."""
    read = []
    for layer in image.layers:
        with layer.open() as stream:
            read.append(stream.read())
    return read


def failed(call, *arguments, **keywords):
    """The one line of a SourceError."""
    with pytest.raises(SourceError) as caught:
        call(*arguments, **keywords)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert caught.value.next_step
    assert caught.value.exit_code == 2
    return line


@pytest.fixture(scope="module", params=REGISTRIES)
def registry(request, tmp_path_factory):
    with REGISTRIES[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.mark.parametrize("compression", ["", "+gzip", "+zstd"])
def test_an_image_comes_as_it_was_pushed(registry, client, compression):
    image = made(compression=compression)
    pushed = registry.push(image, "team/app", f"v{compression.strip('+')}")
    fetched = fetch(Reference(f"{registry.host}/team/app", f"v{compression.strip('+')}"), client=client)
    assert (fetched.digest, fetched.image_id, fetched.platform) == (pushed, digest(image.config), "linux/amd64")
    assert fetched.config == json.loads(image.config)
    assert [layer.digest for layer in fetched.layers] == [digest(layer) for layer in image.layers]
    assert contents(fetched) == list(TARS)


def test_a_digest_wins_over_the_tag_beside_it(registry, client):
    first, second = made(), made(author="somebody else")
    pushed = registry.push(first, "two", "1")
    registry.push(second, "two", "1")
    assert fetch(Reference(f"{registry.host}/two", "1", pushed), client=client).image_id == digest(first.config)
    assert fetch(Reference(f"{registry.host}/two", "", pushed), client=client).image_id == digest(first.config)
    assert fetch(Reference(f"{registry.host}/two", "1"), client=client).image_id == digest(second.config)


def test_an_index_gives_the_platform_that_is_asked_for(registry, client):
    images = {platform: made(platform=platform) for platform in ("linux/amd64", "linux/arm64/v8", "linux/arm/v6")}
    for image in images.values():
        registry.push(image, "many")
    attestation = made(tars=())
    registry.push(attestation, "many")
    both = index(
        described(attestation.manifest, MANIFEST, **on("unknown/unknown")),
        *(described(image.manifest, MANIFEST, **on(platform)) for platform, image in images.items()),
    )
    pushed = registry.push_manifest(both, "many", "1")
    reference = Reference(f"{registry.host}/many", "1")
    for asked, platform in [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm/v7", "linux/arm/v6"),
        ("linux/arm", "linux/arm/v6"),
    ]:
        fetched = fetch(reference, asked, client=client)
        assert fetched.digest == pushed
        assert fetched.image_id == digest(images[platform].config)
    line = failed(fetch, reference, "linux/s390x", client=client)
    assert (
        "isn't there for linux/s390x: its index has linux/amd64, linux/arm/v6, linux/arm64/v8; say --platform" in line
    )
    assert "isn't a platform" in failed(fetch, reference, "amd64", client=client)


def test_what_is_not_there_is_said_in_one_line(registry, client):
    registry.push(made(), "there", "1")
    line = failed(fetch, Reference(f"{registry.host}/there", "2"), client=client)
    assert line.startswith(f"{registry.host}/there:2: tag 2 doesn't exist at {registry.host} (")
    line = failed(fetch, Reference(f"{registry.host}/nowhere", "2"), client=client)
    assert line.startswith(f"{registry.host}/nowhere:2: ")
    assert line.endswith(("; check the name and the tag", "; check the name"))


def test_crane_reads_the_same_image(registry, client):
    crane = tool("crane")
    if crane is None:
        pytest.skip("crane isn't here: go install github.com/google/go-containerregistry/cmd/crane@latest")
    registry.push(made(), "judged", "1")
    fetched = fetch(Reference(f"{registry.host}/judged", "1"), client=client)

    def said(command):
        done = subprocess.run([crane, command, f"{registry.host}/judged:1"], capture_output=True, check=True)
        return done.stdout.strip()

    assert said("digest").decode() == fetched.digest
    assert json.loads(said("config")) == fetched.config
    assert digest(said("config")) == fetched.image_id


def test_a_registry_with_passwords_wants_the_right_one(tmp_path, client):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    wanted = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    with docker_registry(tmp_path, wanted, basic(USER, PASSWORD)) as registry:
        registry.push(made(), "private", "1")
        reference = Reference(f"{registry.host}/private", "1")
        assert contents(fetch(reference, client=changed(client, credentials=config(tmp_path, registry.host)))) == list(
            TARS
        )
        line = failed(fetch, reference, client=changed(client, cache=Cache("")))
        assert line.endswith(f"the registry wants a login; docker login {registry.host}")
        wrong = changed(client, cache=Cache(""), credentials=lambda _: Credentials(USER, "wrong"))
        assert f"401 (authentication required); the login of {USER} isn't accepted; docker login" in failed(
            fetch, reference, client=wrong
        )


def config(folder, host, user=USER, password=PASSWORD):
    """The credentials of a ~/.docker/config.json that `docker login` wrote."""
    entry = {"auth": basic(user, password).removeprefix("Basic ")}
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    environment = {"DOCKER_CONFIG": str(folder), "HOME": str(folder)}
    return lambda repository: credentials(repository, environment)


def test_a_registry_with_tokens_gets_one_of_its_token_server(tmp_path, client):
    both = certificate(tmp_path, "test")
    tokens = TokenServer(key=str(both), certificate_text=both.read_text().split("-----END PRIVATE KEY-----")[1])
    with serving(tokens):
        wanted = {"realm": f"http://{tokens.host}/token", "service": "test", "issuer": "test",
                  "rootcertbundle": str(tmp_path / "cert.pem")}  # fmt: skip
        push = f"Bearer {tokens.token('private/app', ['pull', 'push'])}"
        with docker_registry(tmp_path, {"token": wanted}, push) as registry:
            registry.push(made(), "private/app", "1")
            reference = Reference(f"{registry.host}/private/app", "1")
            logged_in = changed(client, credentials=config(tmp_path, registry.host))
            assert contents(fetch(reference, client=logged_in)) == list(TARS)
            assert len(tokens.seen) == 1, "a token serves all requests for a repository"
            stranger = changed(client, cache=Cache(""))
            line = failed(fetch, reference, client=stranger)
            assert "the registry gives no access; docker login" in line
            wrong = changed(client, cache=Cache(""), credentials=lambda _: Credentials(USER, "wrong"))
            line = failed(fetch, reference, client=wrong)
            assert f"the registry gives no access; the login of {USER} isn't accepted; docker login" in line


# A registry that misbehaves.


@pytest.fixture
def site():
    with serving(Site()) as running:
        yield running


@pytest.fixture
def app(site):
    """The image app:1 of the site, and its reference."""
    image = made()
    site.add(image)
    return image, Reference(f"{site.host}/app", "1")


def status(code, **headers):
    return lambda handler, _: reply(handler, code, b'{"errors": [{"message": "not\\u001b[31m now\\n"}]}', **headers)


def hang(handler, _):
    time.sleep(1)


def half(handler, site):
    """The announced length, and half of the bytes."""
    _, data = site.documents[handler.path]
    headers = {"Accept-Ranges": "bytes"} if site.ranges else {}
    reply(handler, 200, data[: len(data) // 2], length=len(data), **headers)


def wrong(handler, site):
    _, data = site.documents[handler.path]
    reply(handler, 200, b"#" * len(data))


def hang_up(handler, _):
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_a_registry_that_never_answers_is_given_up(site, app, client):
    site.faults["/manifests/1"] = [hang] * 9
    started = time.monotonic()
    line = failed(fetch, app[1], client=client)
    assert "tag 1 can't be fetched: it doesn't answer in time; check" in line
    assert time.monotonic() - started < 3
    assert len(site.seen) == FAST.hangs


def test_a_port_without_a_registry_is_said_at_once(client):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "the connection is refused; check the registry's name" in failed(
            fetch, Reference(f"{host}/a"), client=client
        )


def test_too_many_requests_are_repeated_when_the_registry_says(site, app, client):
    site.faults["/manifests/1"] = [
        status(429, Retry_After="7"),
        status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    ]
    waits = []
    fetch(app[1], client=changed(client, sleep=waits.append))
    assert waits == [7.0, 0.0]


def test_a_registry_that_says_to_come_back_in_an_hour_is_not_waited_for(site, app, client):
    site.faults["/manifests/1"] = [status(429, Retry_After="3600")]
    line = failed(fetch, app[1], client=client)
    assert (
        "it answers 429 Too Many Requests, and asks to come back in 3600 seconds; try again later, or docker login"
        in line
    )


def test_failures_that_pass_are_tried_again(site, app, client):
    site.faults["/manifests/1"] = [status(500), status(502), hang_up]
    site.faults[digest(app[0].layers[0])] = [hang_up, status(504)]
    waits = []
    assert contents(fetch(app[1], client=changed(client, sleep=waits.append))) == list(TARS)
    assert len(waits) == 5
    assert 0.0025 <= waits[0] <= 0.0075 < waits[2] <= 0.03, "each wait is about twice the last"


def test_failures_that_stay_are_an_error(site, app, client):
    site.faults["/manifests/1"] = [status(503)] * 9
    assert "tag 1 can't be fetched: it answers 503 Service Unavailable; " in failed(fetch, app[1], client=client)
    assert len(site.seen) == FAST.tries


@pytest.mark.parametrize(
    "code, said",
    [
        (401, "the registry wants a login of a kind that isn't known; docker login HOST"),
        (
            403,
            "HOST denies access to tag 1: 403 (not [31m now); docker login HOST, or check the name: it may not exist",
        ),
        (404, "tag 1 doesn't exist at HOST (not [31m now); check the name and the tag"),
        (418, "tag 1 can't be fetched: HOST answers 418 (not [31m now); ask the registry's owner"),
    ],
)
def test_refusals_are_not_repeated_and_never_write_to_the_terminal(site, app, client, code, said):
    site.faults["/manifests/1"] = [status(code)]
    line = failed(fetch, app[1], client=client)
    assert line == f"{site.host}/app:1: " + said.replace("HOST", site.host)
    assert len(site.seen) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_half_a_layer_is_completed(site, app, client, ranges):
    image, reference = app
    largest = max(image.layers, key=len)
    site.ranges = ranges
    site.faults[digest(largest)] = [half, half]
    assert contents(fetch(reference, client=client)) == list(TARS)
    asked = [headers.get("range") for headers in site.asked(digest(largest))]
    middle = f"bytes={len(largest) // 2}-"
    # Where a range was asked for, `half` answers 200: all of it starts again.
    assert asked == ([None, middle, middle] if ranges else [None, None, None])


def test_a_layer_in_slow_but_steady_drops_arrives(site, app, client):
    def drops(handler, site):
        _, data = site.documents[handler.path]
        reply(handler, 200, b"", length=len(data))
        step = len(data) // 8 + 1
        for start in range(0, len(data), step):
            time.sleep(0.06)
            handler.wfile.write(data[start : start + step])

    site.faults[digest(app[0].layers[1])] = [drops]
    started = time.monotonic()
    assert contents(fetch(app[1], client=client)) == list(TARS)
    assert time.monotonic() - started > QUICK.read


@pytest.mark.parametrize("where", ["header", "body"])
def test_drops_do_not_outlast_the_deadline(site, app, client, where):
    def drops(handler, _):
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nX: " if where == "header" else b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
        )
        for _ in range(100):
            time.sleep(0.05)
            handler.wfile.write(b"x")

    site.faults["/manifests/1"] = [drops]
    started = time.monotonic()
    line = failed(fetch, app[1], client=changed(client, timeouts=Timeouts(5, 0.3, 0.6)))
    assert "tag 1 isn't there after 0.6 seconds; try again: what was fetched is kept" in line
    assert time.monotonic() - started < 2


def test_a_wrong_layer_is_fetched_once_again_and_then_refused(site, app, client):
    image, reference = app
    site.faults[digest(image.layers[0])] = [wrong]
    assert contents(fetch(reference, client=changed(client, cache=Cache("")))) == list(TARS)
    site.seen.clear()
    site.faults[digest(image.layers[0])] = [wrong] * 9
    fetched = fetch(reference, client=client)
    line = failed(fetched.layers[0].open)
    assert line.endswith(f"layer {digest(image.layers[0])[:19]} has other contents than its digest says; "
                         "ask the registry's owner, or push it again")  # fmt: skip
    assert len(site.asked(digest(image.layers[0]))) == 2
    assert client.cache.open(digest(image.layers[0])) is None


@pytest.mark.parametrize("what", ["config", "manifest", "announced"])
def test_a_wrong_document_is_refused(site, app, client, what):
    image, reference = app
    if what == "config":
        site.faults[digest(image.config)] = [wrong] * 9
    if what == "manifest":
        reference = Reference(reference.repository, "", digest(image.manifest))
        site.faults[digest(image.manifest)] = [wrong] * 9
    if what == "announced":
        lie = {"Docker-Content-Digest": digest(b"")}
        site.faults["/manifests/1"] = [lambda handler, _: reply(handler, 200, image.manifest, **lie)] * 9
    line = failed(fetch, reference, client=client)
    assert (
        "isn't the one that was announced" if what == "announced" else "other contents than its digest says"
    ) in line


def test_another_host_never_sees_who_we_are(site, app, client):
    image, reference = app
    with serving(Site()) as elsewhere:
        elsewhere.add(image)

        def away(handler, _):
            reply(handler, 307, Location=f"http://{elsewhere.host}{handler.path}")

        def want_login(handler, _):
            reply(handler, 401, WWW_Authenticate='Basic realm="x"')

        site.faults["/manifests/1"] = [want_login]
        site.faults.update((digest(layer), [away]) for layer in image.layers)
        known = changed(client, credentials=lambda _: Credentials(USER, PASSWORD))
        assert contents(fetch(reference, client=known)) == list(TARS)
        asked_here = [headers.get("authorization") for headers in site.asked(digest(image.layers[0]))]
        assert asked_here == [basic(USER, PASSWORD)]
        assert len(elsewhere.seen) == len(image.layers)
        assert not [headers for _, headers in elsewhere.seen if "authorization" in headers]


def test_a_redirect_on_the_same_host_keeps_who_we_are(site, app, client):
    moved = lambda handler, _: reply(handler, 302, Location="/v2/app/manifests/moved")  # noqa: E731
    site.documents["/v2/app/manifests/moved"] = (MANIFEST, app[0].manifest)
    site.faults["/manifests/1"] = [lambda handler, _: reply(handler, 401, WWW_Authenticate="Basic"), moved]
    fetch(app[1], client=changed(client, credentials=lambda _: Credentials(USER, PASSWORD)))
    assert site.asked("/moved")[0]["authorization"] == basic(USER, PASSWORD)


@pytest.mark.parametrize(
    "target, said",
    [
        ("http://registry.example/x", "it leads to an address that isn't https"),
        ("file:///etc/passwd", "it leads to an address that isn't https"),
        ("ftp://127.0.0.1/x", "it leads to an address that isn't https"),
        ("http://[half/x", "Invalid IPv6"),
        ("/v2/app/manifests/1", "it redirects more than 5 times"),
    ],
)
def test_redirects_that_lead_astray_are_not_followed(site, app, client, target, said):
    site.faults["/manifests/1"] = [lambda handler, _: reply(handler, 302, Location=target)] * 9
    assert said in failed(fetch, app[1], client=client)


# Who we are.


def bearer(realm, **more):
    fields = ",".join(f'{name}="{value}"' for name, value in {"realm": realm, "service": "s", **more}.items())
    return lambda handler, _: reply(handler, 401, WWW_Authenticate=f"Bearer {fields}")


def token_of(answer, code=200):
    return lambda handler, _: reply(handler, code, json.dumps(answer).encode())


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_anybody_gets_a_token_for_a_public_image(site, app, client, field):
    site.faults["/manifests/1"] = [bearer(f"http://{site.host}/auth?x=1")]
    site.faults["/auth"] = [token_of({field: "abc"})]
    fetch(app[1], client=client)
    path, headers = next(seen for seen in site.seen if seen[0].startswith("/auth"))
    assert path == "/auth?x=1&service=s&scope=repository%3Aapp%3Apull"
    assert "authorization" not in headers
    assert [headers.get("authorization") for headers in site.asked("/manifests/1")] == [None, "Bearer abc"]


def test_a_token_that_expires_is_replaced(site, app, client):
    site.faults["/manifests/1"] = [bearer(f"http://{site.host}/auth")]
    site.faults[digest(app[0].layers[0])] = [bearer(f"http://{site.host}/auth")]
    site.faults["/auth"] = [token_of({"token": "first"}), token_of({"token": "second"})]
    assert contents(fetch(app[1], client=client)) == list(TARS)
    asked = [headers["authorization"] for headers in site.asked(digest(app[0].layers[0]))]
    assert asked == ["Bearer first", "Bearer second"]


def test_a_login_that_is_refused_does_not_keep_a_public_image_away(site, app, client):
    site.faults["/manifests/1"] = [bearer(f"http://{site.host}/auth", scope="aws")]
    site.faults["/auth"] = [token_of({}, 401), token_of({"token": "anybody"})]
    fetch(app[1], client=changed(client, credentials=lambda _: Credentials(USER, "old")))
    assert [headers.get("authorization") for headers in site.asked("/auth")] == [basic(USER, "old"), None]
    assert all("scope=aws" in path for path, _ in site.seen if path.startswith("/auth"))


def test_an_identity_token_is_exchanged(site, app, client):
    posted = []

    def exchange(handler, _):
        posted.append(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
        reply(handler, 200, b'{"access_token": "short"}')

    site.faults["/manifests/1"] = [bearer(f"http://{site.host}/auth")]
    site.faults["/auth"] = [exchange]
    fetch(app[1], client=changed(client, credentials=lambda _: Credentials("", "", "long")))
    assert posted == [
        "grant_type=refresh_token&client_id=krm-harden&refresh_token=long&service=s&scope=repository%3Aapp%3Apull"
    ]
    assert site.asked("/manifests/1")[1]["authorization"] == "Bearer short"


@pytest.mark.parametrize(
    "realm", ["http://token.example/", "ftp://127.0.0.1/", "//x", "", "http://127.0.0.1.evil.example/"]
)
def test_credentials_do_not_go_out_in_plain_text(site, app, client, realm):
    site.faults["/manifests/1"] = [bearer(realm)]
    asked = changed(client, credentials=lambda _: Credentials(USER, PASSWORD))
    assert "which isn't https; ask the registry's owner" in failed(fetch, app[1], client=asked)
    assert len(site.seen) == 1


def test_a_host_that_is_named_insecure_gives_tokens_to_anybody_but_sees_no_login(site, app, client, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{site.host}")
    site.faults["/manifests/1"] = [bearer("http://token.example/auth")]
    site.faults["/auth"] = [token_of({"token": "abc"})]
    named = changed(client, insecure=frozenset({"token.example"}))
    fetch(app[1], client=named)
    assert site.asked("/auth")[0]["host"] == "token.example"
    known = changed(client, insecure=named.insecure, credentials=lambda _: Credentials(USER, PASSWORD))
    site.faults["/manifests/1"] = [bearer("http://token.example/auth")]
    assert "which isn't https" in failed(fetch, app[1], client=known)
    assert len(site.asked("/auth")) == 1


@pytest.mark.parametrize("answer", [{}, {"token": 1}, {"token": "a\r\nX: y"}, {"token": ""}, [], "x"])
def test_a_token_server_that_gives_none_is_an_error(site, app, client, answer):
    site.faults["/manifests/1"] = [bearer(f"http://{site.host}/auth")]
    site.faults["/auth"] = [token_of(answer)]
    assert "the registry's token server gives no token" in failed(fetch, app[1], client=client)


@pytest.mark.parametrize(
    "header, asked",
    [
        (
            'Bearer realm="https://a/t",service="s",scope="x:y:pull"',
            Challenge("bearer", "https://a/t", "s", "x:y:pull"),
        ),
        ("bearer realm=https://a/t", Challenge("bearer", "https://a/t", "", "")),
        ('Bearer scope="a:b:pull,push" , realm="q\\"r"', Challenge("bearer", 'q"r', "", "a:b:pull,push")),
        ('Basic realm="x", Bearer realm="https://y"', Challenge("bearer", "https://y", "", "")),
        ("Basic", Challenge("basic", "", "", "")),
        ('Negotiate, Basic realm="x"', Challenge("basic", "x", "", "")),
        ("Negotiate abc", None),
        ("", None),
    ],
)
def test_challenges(header, asked):
    assert challenge([header]) == asked


def login(user):
    return {"auth": basic(user, "p:w").removeprefix("Basic ")}


@pytest.mark.parametrize(
    "auths, repository, user",
    [
        ({"registry.example": login("a")}, "registry.example/x", "a"),
        ({"https://registry.example/v1/": login("a")}, "registry.example/x", "a"),
        ({"registry.example:5000": login("a")}, "registry.example/x", ""),
        ({"registry.example:5000": login("a")}, "registry.example:5000/x", "a"),
        ({"https://index.docker.io/v1/": login("a")}, "docker.io/library/x", "a"),
        ({"docker.io": login("a")}, "docker.io/library/x", "a"),
        ({"h": login("a"), "h/team": login("b"), "h/team/x": login("c")}, "h/team/y", "b"),
        ({"h": {"username": "u", "password": "p"}}, "h/x", "u"),
        ({"h": {}}, "h/x", ""),
        ({"h": {"auth": "\x00"}}, "h/x", ""),
        ({"h": 1}, "h/x", ""),
        (1, "h/x", ""),
    ],
)
def test_the_login_of_a_registry_is_found(tmp_path, auths, repository, user):
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    found = credentials(repository, {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)})
    assert found.username == user
    assert found.password == ("" if not user else "p" if user == "u" else "p:w")


def test_the_files_of_docker_and_podman_are_read_the_explicit_one_first(tmp_path):
    places = {
        "REGISTRY_AUTH_FILE": "named.json",
        "DOCKER_CONFIG": "docker/config.json",
        "XDG_RUNTIME_DIR": "run/containers/auth.json",
        "XDG_CONFIG_HOME": "config/containers/auth.json",
        "HOME": "home/.docker/config.json",
    }
    for name, place in places.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(json.dumps({"auths": {"h": login(name)}}))
    values = {name: str(tmp_path / place.split("/")[0]) for name, place in places.items()}
    for name in places:
        assert credentials("h/x", values).username == name
        if name != "HOME":
            del values[name]


def helper(folder, text):
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "DOCKER_CONFIG": str(folder)}


ANSWER = """read server; printf '{"ServerURL":"%s","Username":"%s","Secret":"s"}' "$server" "$1-$server" """


@pytest.mark.parametrize("where", [{"credsStore": "test"}, {"credHelpers": {"h:1": "test"}, "credsStore": "broken"}])
def test_credential_helpers_are_asked(tmp_path, where):
    environment = helper(tmp_path, ANSWER)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"h:1": {}}, **where}))
    assert credentials("h:1/x", environment) == Credentials("get-h:1", "s")


def test_docker_hub_has_its_own_name_for_helpers(tmp_path):
    environment = helper(tmp_path, ANSWER)
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    assert credentials("docker.io/library/x", environment).username == "get-https://index.docker.io/v1/"


@pytest.mark.parametrize(
    "store, text, note",
    [
        ("missing", "", "docker-credential-missing isn't on PATH"),
        ("../test", "", "docker-credential-../test isn't on PATH"),
        ("test", "sleep 5", "docker-credential-test didn't answer in 0.2 seconds"),
        ("test", "echo locked; exit 1", "docker-credential-test failed: locked"),
        ("test", "echo 'credentials not found in native keychain'; exit 1", ""),
        ("test", "echo no", "docker-credential-test didn't answer with JSON"),
    ],
)
def test_a_helper_that_does_not_work_is_noted_and_passed_over(tmp_path, site, app, client, store, text, note):
    environment = helper(tmp_path, text)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": store}))
    found = credentials("h/x", environment, helper_seconds=0.2)
    assert (bool(found), found.note) == (False, note)
    site.faults["/manifests/1"] = [lambda handler, _: reply(handler, 401, WWW_Authenticate="Basic")]
    line = failed(fetch, app[1], client=changed(client, credentials=lambda _: found))
    assert f"the registry wants a login{'; ' + note if note else ''}; docker login" in line


def test_an_identity_token_of_a_helper(tmp_path):
    environment = helper(tmp_path, """printf '{"Username":"<token>","Secret":"long"}' """)
    assert auth.from_helper("test", "h", environment) == Credentials("", "", "long")


def test_secrets_never_show(client):
    password = "pa55w0rd"  # noqa: S105 - nobody's
    secret = Credentials(USER, password, password, password)
    client.tokens[("https", "h", 1), "app"] = password
    assert password not in f"{secret} {secret!r} {client!r}"


# Hostile documents.

LAYERED = json.loads(made().manifest)


@pytest.mark.parametrize(
    "document, said",
    [
        (b"<html>", "its manifest isn't JSON"),
        (b"\xff\xfe", "its manifest isn't JSON"),
        (b"[]", "its manifest isn't a JSON object"),
        (b"null", "its manifest isn't a JSON object"),
        (b"{}", "its manifest is neither an index nor a manifest"),
        (b'{"x": "\\ud800"}', "its manifest isn't JSON"),
        (b"[" * 200_000, "its manifest isn't JSON"),
        (b'{"x":' + b"1" * 10_000 + b"}", "its manifest is"),
        (b" " * (5 << 20), "is larger than 4 MiB"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "has a manifest of Docker's schema 1; push it again with Docker 1.10"),
        (b'{"manifests": [], "layers": []}', "both an index and a manifest"),
        (b'{"manifests": 1}', "its manifest's manifests isn't a list"),
        (b'{"manifests": []}', "isn't there for linux/amd64: its index has nothing that runs"),
        (b'{"manifests": [1]}', "its manifest's manifests has no digest and size"),
        (b'{"config": 1, "layers": []}', "its manifest's config has no digest and size"),
        ({**LAYERED, "layers": 1}, "its manifest's layers isn't a list"),
        ({**LAYERED, "layers": LAYERED["layers"][:1]}, "has 1 layers, its configuration 3"),
        ({**LAYERED, "layers": [{**LAYERED["layers"][0], "size": 1 << 40}] * 3}, "that is more than is read"),
        ({**LAYERED, "layers": [{**LAYERED["layers"][0], "size": -1}] * 3}, "layers has no digest and size"),
        ({**LAYERED, "layers": [{**LAYERED["layers"][0], "digest": "sha256:../../x"}] * 3}, "layers has no digest and size"),
        ({**LAYERED, "config": described(b"{}", "application/vnd.cncf.helm.config.v1+json")}, "isn't a container image"),
        ({**LAYERED, "config": described(b"[]", CONFIG)}, "its configuration isn't a JSON object"),
        ({**LAYERED, "config": described(b'{"config": 1}', CONFIG)}, "its configuration's `config` isn't an object"),
        ({**LAYERED, "config": described(b'{"rootfs": {"diff_ids": [1]}}', CONFIG)}, "diff_ids aren't digests"),
        ({**LAYERED, "config": {**described(b"", CONFIG), "size": 1}}, "isn't JSON"),
    ],
)  # fmt: skip
def test_documents_that_are_not_an_image_are_refused(site, app, client, document, said):
    for small in (b"{}", b"[]", b'{"config": 1}', b'{"rootfs": {"diff_ids": [1]}}', b""):
        site.documents[f"/v2/app/blobs/{digest(small)}"] = ("x", small)
    site.add_manifest(document if isinstance(document, bytes) else json.dumps(document).encode(), tag="bad")
    assert said in failed(fetch, Reference(f"{site.host}/app", "bad"), client=client)


def test_an_index_of_windows_alone_says_so(site, client):
    windows = described(b"{}", MANIFEST, **on("windows/amd64"))
    site.add_manifest(index(windows), media_type=INDEX)
    line = failed(fetch, Reference(f"{site.host}/app", "1"), client=client)
    assert "isn't there for linux/amd64: its index has windows/amd64; say --platform" in line


def test_foreign_layers_are_not_fetched(site, client):
    image = made(
        platform="windows/amd64", layer_type="application/vnd.docker.image.rootfs.foreign.diff.tar", compression=""
    )
    site.add(image)
    fetched = fetch(Reference(f"{site.host}/app", "1"), client=client)
    assert fetched.platform == "windows/amd64"
    assert "is foreign: it isn't kept with the image (Windows)" in failed(fetched.layers[0].open)
    assert not site.asked(digest(image.layers[0]))


@pytest.mark.parametrize(
    "kind, said",
    [(LAYER + "+gzip+encrypted", "is encrypted"), ("application/x-flock", "has the media type application/x-flock")],
)
def test_layers_of_other_kinds_are_refused(site, client, kind, said):
    site.add(made(layer_type=kind, compression=""))
    fetched = fetch(Reference(f"{site.host}/app", "1"), client=client)
    assert said in failed(fetched.layers[0].open)


def test_indexes_within_indexes_are_read_to_a_depth(site, client):
    image = made()
    site.add(image)
    document = image.manifest
    for depth in range(1, 6):
        document = index(
            described(document, INDEX if depth > 1 else MANIFEST, **(on("linux/amd64") if depth == 1 else {}))
        )
        site.add_manifest(document, tag=str(depth), media_type=INDEX)
    for depth in (1, 2, 3):
        assert fetch(Reference(f"{site.host}/app", str(depth)), client=client).image_id == digest(image.config)
    assert "too deep within each other" in failed(fetch, Reference(f"{site.host}/app", "5"), client=client)
    wide = index(*(described(str(number).encode(), INDEX) for number in range(20)))
    site.add_manifest(wide, tag="wide")
    assert "its index names too many indexes" in failed(fetch, Reference(f"{site.host}/app", "wide"), client=client)


@pytest.mark.parametrize(
    "limits, said",
    [
        (Limits(unpacked_layer_bytes=10 << 20), "a layer is larger than 10 MiB unpacked"),
        (Limits(unpacked_image_bytes=40 << 20), "the image is larger than 40 MiB unpacked"),
        (Limits(ratio_from=1 << 20), "a layer unpacks to more than 200 times its size"),
    ],
)
def test_bombs_stop_at_a_limit_and_are_never_held_in_memory(site, client, limits, said):
    site.add(made(tars=(bytes(24 << 20), bytes(24 << 20) + b"\0")))
    fetched = fetch(Reference(f"{site.host}/app", "1"), client=changed(client, limits=limits))
    tracemalloc.start()

    def read_all():
        for layer in fetched.layers:
            with layer.open():
                pass

    assert said in failed(read_all)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_layer_that_is_not_what_its_configuration_names_is_refused(site, client):
    site.add(made(rootfs={"diff_ids": [digest(b"other")] * 3}))
    fetched = fetch(Reference(f"{site.host}/app", "1"), client=client)
    assert "isn't what the image's configuration names" in failed(contents, fetched)


@pytest.mark.parametrize("compression", ["+gzip", "+zstd"])
def test_a_layer_cut_before_it_was_pushed_is_refused(site, client, compression):
    image = made(compression=compression)
    cut = tuple(layer[: len(layer) - 20] for layer in image.layers)
    manifest = {**json.loads(image.manifest), "layers": [described(layer, LAYER + compression) for layer in cut]}
    site.add(type(image)(image.config, json.dumps(manifest).encode(), cut))
    assert "layer sha256:" in failed(contents, fetch(Reference(f"{site.host}/app", "1"), client=client))


@pytest.mark.parametrize(
    "reference",
    [
        Reference("h/../x"),
        Reference("h"),
        Reference("h/x?y"),
        Reference("h/x", "a/b"),
        Reference("h/x", "", "sha256:1"),
        Reference("user@h/x"),
        Reference("h/x\n"),
    ],
)
def test_references_that_are_no_address_are_refused(client, reference):
    assert "isn't a reference that a registry knows" in failed(fetch, reference, client=client)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from([digest(b"{}"), CONFIG, MANIFEST, INDEX]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(
        ["schemaVersion", "manifests", "layers", "config", "digest", "size", "mediaType", "platform", "os", "annotations",
         "rootfs", "diff_ids"]), inner, max_size=5),
    max_leaves=20).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_document_brings_anything_but_an_image_or_one_line(document):
    from krm_harden.images.sources.manifests import Store, image_of

    store = Store("x", lambda _: document, lambda _: document, lambda _: pytest.fail("not opened"), Limits())
    try:
        said = ""
        image_of(document, digest(document), "linux/amd64", store)
    except SourceError as error:
        said = str(error)
    assert said.isprintable()


# The cache.


def test_what_was_fetched_is_not_fetched_again(site, app, client):
    contents(fetch(app[1], client=client))
    site.seen.clear()
    contents(fetch(app[1], client=client))
    assert [path for path, _ in site.seen] == ["/v2/app/manifests/1"]
    site.seen.clear()
    contents(fetch(Reference(app[1].repository, "", digest(app[0].manifest)), client=client))
    assert not site.seen


def test_offline_the_cache_alone_is_read(site, app, client):
    online = fetch(app[1], client=client)
    contents(online)
    site.add(made(author="later"))
    site.seen.clear()
    offline = changed(client, offline=True)
    assert fetch(app[1], client=offline) == online
    assert contents(fetch(app[1], client=offline)) == list(TARS)
    line = failed(fetch, Reference(app[1].repository, "2"), client=offline)
    assert line.endswith("the tag 2 isn't in the cache; run once without --offline")
    assert "isn't in the cache" in failed(fetch, Reference(app[1].repository, "", digest(b"")), client=offline)
    os.unlink(os.path.join(client.cache.folder, "blobs", *digest(app[0].layers[0]).split(":")))
    assert "layer sha256:" in failed(fetch(app[1], client=offline).layers[0].open)
    assert not site.seen


def test_a_damaged_blob_is_fetched_again(site, app, client):
    contents(fetch(app[1], client=client))
    for blob in app[0].blobs:
        with open(os.path.join(client.cache.folder, "blobs", *blob.split(":")), "r+b") as file:
            file.write(b"###")
    site.seen.clear()
    assert contents(fetch(app[1], client=client)) == list(TARS)
    assert len(site.seen) == 5


@pytest.mark.parametrize("folder", ["", "/dev/null/cache"])
def test_a_folder_that_cannot_be_written_only_costs_time(site, app, client, folder):
    for _ in range(2):
        assert contents(fetch(app[1], client=changed(client, cache=Cache(folder)))) == list(TARS)
    assert len(site.seen) == 2 * (2 + len(TARS))


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = Cache(str(tmp_path), most_bytes=250)
    blobs = [bytes([number]) * 100 for number in range(3)]
    for age, blob in enumerate(blobs[:2]):
        cache.write(blob, digest(blob))
        os.utime(tmp_path / "blobs" / "sha256" / digest(blob)[7:], (1000 + age, 1000 + age))
    assert cache.read(digest(blobs[0]), 100) == blobs[0]
    cache.write(blobs[2], digest(blobs[2]))
    assert [cache.read(digest(blob), 100) for blob in blobs] == [blobs[0], None, blobs[2]]
    assert not list((tmp_path / "blobs").glob(".part*"))


def test_the_cache_is_nobody_elses(tmp_path):
    cache = Cache(str(tmp_path / "new"))
    cache.write(b"x", digest(b"x"))
    assert os.stat(tmp_path / "new" / "blobs").st_mode & 0o077 == 0


# Beyond loopback: a proxy, and a certificate that nobody signed.


@contextmanager
def proxy(target):
    """A proxy that leads every host to one port of loopback, and notes which host was meant."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            # A client that doesn't like the certificate hangs up.
            with socket.create_connection(("127.0.0.1", target)) as there, suppress(OSError):
                ends = [self.connection, there]
                while ready := select.select(ends, [], [], 5)[0]:
                    for end in ready:
                        data = end.recv(1 << 16)
                        if not data:
                            return
                        ends[end is self.connection].sendall(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_registry_behind_a_proxy_must_have_a_certificate_that_is_trusted(tmp_path, client, monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    both = certificate(tmp_path, "registry.example")
    image = made()
    with (
        serving(Site(), both) as site,
        serving(Site()) as plain,
        proxy(int(site.host.split(":")[1])) as (address, asked),
    ):
        site.add(image)
        plain.add(image)
        monkeypatch.setenv("https_proxy", address)
        reference = Reference("registry.example/app", "1")
        transport._trust.cache_clear()
        line = failed(fetch, reference, client=client)
        assert "its certificate isn't trusted (self-signed certificate); set SSL_CERT_FILE" in line
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        transport._trust.cache_clear()
        try:
            assert contents(fetch(reference, client=client)) == list(TARS)
            assert set(asked) == {"registry.example:443"}
            site.faults["/manifests/2"] = [
                lambda handler, _: reply(handler, 302, Location=f"http://{plain.host}/v2/app/manifests/1")
            ]
            line = failed(fetch, Reference("registry.example/app", "2"), client=client)
            assert "it redirects from https to http" in line
            assert not plain.seen
        finally:
            transport._trust.cache_clear()


def test_no_host_but_loopback_and_those_named_is_asked_in_plain_text():
    named = transport.Transport(QUICK, frozenset({"registry.example:5000"}))
    schemes = {host: named.scheme(host) for host in (
        "localhost", "localhost:5000", "127.0.0.1:1", "[::1]:5000", "registry.example:5000", "registry.example",
        "localhost.example", "127.0.0.1.example", "10.0.0.1:5000")}  # fmt: skip
    assert [host for host, scheme in schemes.items() if scheme == "http"] == [
        "localhost", "localhost:5000", "127.0.0.1:1", "[::1]:5000", "registry.example:5000"]  # fmt: skip


def test_sha512_is_a_digest_too(site, client):
    image = made()
    site.add(image)
    long = "sha512:" + hashlib.sha512(image.manifest).hexdigest()
    site.documents[f"/v2/app/manifests/{long}"] = (MANIFEST, image.manifest)
    assert fetch(Reference(f"{site.host}/app", "", long), client=client).image_id == digest(image.config)

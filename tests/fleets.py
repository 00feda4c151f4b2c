"""Who serves a fleet on loopback: an S3 gateway, a cluster of Dask, a web server that can be stopped in the middle.

versitygw   go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
oras        go install oras.land/oras/cmd/oras@v1.3.6
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, clean_environment, require
from registry import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, SECRET = "tester", "a-secret-of-the-store"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{number}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: web
        image: example.com/web:{number}
"""


def library(name: str) -> None:
    """Skip where a library of the extra `fleet` isn't there; a failure in CI."""
    if find_spec(name) is None:
        said = f"no {name}: pip install 'krm-harden[fleet]'"
        if os.environ.get("KRM_HARDEN_CI") == "1":
            pytest.fail(said)
        pytest.skip(said)


@contextmanager
def store(folder: Path) -> Iterator[dict[str, str]]:
    """A real S3 server whose buckets are the folders in a folder; the environment in which clients find it."""
    library("s3fs")
    port = free_port()
    command = (require("versitygw"), "--access", USER, "--secret", SECRET, "--port", f"127.0.0.1:{port}", "--quiet")
    with running(*command, "posix", str(folder), port=port):
        yield {
            "AWS_ACCESS_KEY_ID": USER,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@dataclass
class Workers:
    """A scheduler of Dask and its workers, each a process."""

    address: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self, source: Path = ROOT) -> None:
        """One more worker, with the krm_harden of a folder."""
        command = (sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny")
        self.processes.append(
            subprocess.Popen(
                [*command, "--no-dashboard", "--death-timeout", "60"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=source,
                env=clean_environment(PYTHONPATH=str(source)),
            )
        )

    def kill(self, number: int) -> None:
        """Let one die as a lost machine does."""
        self.processes[number].send_signal(signal.SIGKILL)
        self.processes[number].wait()


@contextmanager
def cluster() -> Iterator[Workers]:
    """A scheduler without workers."""
    library("distributed")
    port = free_port()
    command = (sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    with running(*command, "--no-dashboard", "--no-jupyter", port=port):
        workers = Workers(f"tcp://127.0.0.1:{port}")
        try:
            yield workers
        finally:
            for process in workers.processes:
                process.kill()
                process.wait()


@dataclass
class Web:
    """A web server of files. After `most` answers it says so, and waits until it may go on."""

    files: dict[str, bytes]
    most: int = 1 << 30
    address: str = ""
    asked: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web(site: Web) -> Iterator[Web]:
    """The site on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            if len(site.asked) > site.most:
                site.reached.set()
                site.go_on.wait(120)
            body = site.files.get(self.path.partition("?")[0])
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def do_HEAD(self) -> None:
            self.send_response(200 if self.path.partition("?")[0] in site.files else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A worker that was killed is what the test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()

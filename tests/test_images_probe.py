"""Runs of small images made here, of nothing but the machine's busybox, with the machine's podman."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import pytest

from krm_harden.errors import InputError
from krm_harden.images import derive, layers, probe
from krm_harden.images.probe import Engine, Volume

RUNTIME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-runtime" / "etc"
NO_ENGINE = Engine("", is_podman=True)


class Image:
    """An image of busybox and a start script, as a docker-archive."""

    def __init__(self, folder, script, *, files=None, **settings):
        self.reference = f"docker.io/krm-harden/{folder.name.replace('_', '-').lower()}:{os.getpid()}"
        self.archive = str(folder / "image.tar")
        self.layer = _tar(_rootfs(script, files or {}))
        start = {"Entrypoint": ["/start.sh"], "Env": ["PATH=/bin"], **settings}
        digest = sha256(self.layer).hexdigest()
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
        self.config = {"os": "linux", "architecture": _architecture(), "config": start, "rootfs": rootfs}
        config = json.dumps(self.config).encode()
        manifest = [{"Config": "config.json", "RepoTags": [self.reference], "Layers": ["layer.tar"]}]
        parts = {"config.json": config, "layer.tar": self.layer, "manifest.json": json.dumps(manifest).encode()}
        Path(self.archive).write_bytes(_tar({name: (0o644, data) for name, data in parts.items()}))
        self.files = layers.read([self], self.config)

    def open(self):
        return io.BytesIO(self.layer)

    def observe(self, **more):
        return probe.observe(self.reference, self.config, self.files, archive=self.archive, seconds=1, **more)

    def facts(self, **more):
        return derive.facts(self.config, self.files, self.observe(**more))


def _architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def _rootfs(script, files):
    busybox = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    applets = ("sh", "cat", "cp", "date", "httpd", "id", "mkdir", "sed", "sleep", "touch")
    return {
        **dict.fromkeys(("etc/", "tmp/", "run/", "var/log/app/", "www/"), (0o755, b"")),
        "bin/busybox": (0o755, busybox),
        **{f"bin/{name}": (0o777, "busybox") for name in applets},
        "etc/passwd": (0o644, b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
        "start.sh": (0o755, f"#!/bin/sh\n{script}\n".encode()),
        **{path: (0o644, text.encode()) if isinstance(text, str) else text for path, text in files.items()},
    }


def _tar(members):
    """Path -> (mode, bytes of a file, or the target of a link, and maybe its attributes); folders end in /."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, (mode, what, *attributes) in members.items():
            info = tarfile.TarInfo(path)
            info.mode = mode
            info.pax_headers = attributes[0] if attributes else {}
            if isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
            elif path.endswith("/"):
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(what)
            tar.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    return buffer.getvalue()


def _static_busybox():
    """A program without an interpreter in its headers (PT_INTERP) needs no libraries."""
    path = Path(shutil.which("busybox") or "/bin/busybox")
    return path.is_file() and b"/ld-linux" not in path.read_bytes()[:4096]


@pytest.fixture(scope="session")
def store():
    """A store of our own, so that nobody's images and containers are touched, and nobody's podman ends ours."""
    settings = {}
    with tempfile.TemporaryDirectory(prefix="krm-") as folder:  # podman refuses a long path of runroot
        base = Path(os.environ.get("CONTAINERS_CONF") or RUNTIME / "containers.conf")
        text = base.read_text() if base.is_file() else "[engine]\n"
        text = re.sub(r"(?m)^tmp_dir = .*\n", "", text)
        files = {
            "CONTAINERS_CONF": re.sub(r"(?m)^\[engine\]$", f'[engine]\ntmp_dir = "{folder}/libpod"', text),
            "CONTAINERS_STORAGE_CONF": f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/s"\nrunroot = "{folder}/r"\n',
        }
        for variable, content in files.items():
            settings[variable] = f"{folder}/{variable}"
            Path(settings[variable]).write_text(content)
        yield settings
        # The overlay driver mounts its folder on itself.
        subprocess.run(["umount", f"{folder}/s/overlay"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def engine(store):
    """The engine that runs a container here, or a skip that says why it doesn't."""
    if not _static_busybox():
        pytest.skip("no static busybox here: apt-get install busybox-static")
    if shutil.which("podman") is None:
        pytest.skip("no podman here: apt-get install podman")
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in store.items():
            patch.setenv(variable, value)
        with tempfile.TemporaryDirectory() as folder:
            try:
                Image(Path(folder), "sleep 1").observe()
            except InputError as error:
                pytest.skip(f"no container can be run here: {error}")
        yield probe.find_engine()


@pytest.fixture
def image(engine, tmp_path):
    return lambda script, **more: Image(tmp_path, script, **more)


def paths(facts):
    return {item["path"]: item["seed"] for item in facts["writablePaths"]}


SERVE = "exec httpd -f -p 80 -h /www"


def test_a_server_that_writes_a_log_runs_as_any_user_with_that_folder(image):
    server = image(f"echo started > /var/log/app/access.log\n{SERVE}", files={"etc/passwd": ""})

    facts, evidence = server.facts()

    assert (facts["anyUid"], facts["ports"]) == (True, [80])
    assert paths(facts) == {"/tmp": "empty", "/var/log/app": "empty"}
    assert (evidence["anyUid"], evidence["writablePaths"], evidence["ports"]) == ("observed", "observed", "observed")


def test_files_of_the_image_that_are_edited_at_start_are_copied(image):
    server = image(
        "set -e\nsed s/@/80/ /etc/app/app.tmpl > /etc/app/app.conf\nexec httpd -f -p $(cat /etc/app/app.conf)",
        files={"etc/app/app.tmpl": "@\n"},
    )

    facts, evidence = server.facts()

    assert paths(facts)["/etc/app"] == "copy"
    assert evidence["writablePaths"] == "observed"


def test_a_program_that_only_its_own_user_can_run_is_found_to_run_as_that(image):
    picky = image('case $(id -u) in 0|1000) exec sleep 60;; *) echo "who are you?"; exit 1;; esac')

    facts, evidence = picky.facts()

    assert (facts["uid"], facts["gid"], evidence["uid"]) == (1000, 1000, "observed")


def test_what_only_another_user_writes_is_found_in_its_messages(image):
    program = image("[ $(id -u) = 0 ] || { set -e; mkdir -p /state/app; touch /state/app/x; }\nexec sleep 60")

    observed = program.observe()

    assert (observed.restricted, observed.paths) == ("runs", ("/state",))


def test_what_cannot_run_restricted_fails_with_its_last_word(image):
    observed = image('[ $(id -u) = 0 ] || { echo "fatal: I must be root"; exit 3; }\nexec sleep 60').observe()

    assert (observed.restricted, observed.uid) == ("fails", None)
    assert observed.note == "it ends with exit code 3: fatal: I must be root"


def test_a_program_that_no_longer_listens_fails(image, monkeypatch):
    monkeypatch.setattr(probe, "PATIENCE", 3)

    server = image(f"if [ $(id -u) = 0 ]; then {SERVE}; fi\nexec sleep 60", files={"etc/passwd": ""})

    observed = server.observe()

    assert (observed.restricted, observed.note.split(":")[0]) == ("fails", "it doesn't listen on 80")


def test_a_program_that_fails_without_hardening_says_nothing_about_hardening(image):
    broken = image('echo "2026-01-02 03:04:05 error: no password set [17]"; exit 1')

    facts, evidence = broken.facts()
    observed = broken.observe()

    assert observed.restricted == "unclear"
    assert observed.note == "without hardening, too, it ends with exit code 1: error: no password set"
    assert "observed" not in evidence.values()
    assert facts["uid"] == 1000


def test_a_home_that_only_root_can_reach_is_replaced(image):
    program = image(
        'set -e\nmkdir -p "$HOME/.config"\necho x > "$HOME/.config/app"\nexec sleep 60',
        files={"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "root/": (0o700, b"")},
    )

    facts, evidence = program.facts()

    assert (facts["env"], evidence["env"]) == ({"HOME": "/tmp"}, "observed")
    assert (facts["anyUid"], evidence["anyUid"]) == (True, "observed")
    assert paths(facts) == {"/tmp": "empty"}


NET_BIND_SERVICE = {
    "SCHILY.xattr.security.capability": struct.pack("<5I", 2 << 24 | 1, 1 << 10, 0, 0, 0).decode("latin-1")
}


def test_a_program_with_the_capability_to_bind_ports_gets_it_back(image):
    busybox = _rootfs("", {})["bin/busybox"][1]
    server = image(
        "",
        files={"www/httpd": (0o755, busybox, NET_BIND_SERVICE), "etc/passwd": ""},
        Entrypoint=["/www/httpd", "-f", "-p", "80"],
    )

    facts, evidence = server.facts()

    assert facts["fileCapabilities"] == [{"path": "/www/httpd", "capabilities": ["NET_BIND_SERVICE"]}]
    assert (facts["ports"], evidence["writablePaths"]) == ([80], "observed")
    assert "cannotRestrict" not in facts


def test_a_job_that_ends_well_must_end_well(image):
    observed = image("date > /tmp/stamp").observe()

    assert (observed.exit_code, observed.restricted) == (0, "runs")


def test_a_container_is_run_as_its_manifest_says(image):
    program = image("exit 9", files={"etc/passwd": ""})
    pod = {"volumes": [{"name": "conf", "configMap": {"name": "app"}}, {"name": "data", "persistentVolumeClaim": {}}]}
    mounts = [{"name": "conf", "mountPath": "/conf"}, {"name": "data", "mountPath": "/data"}]
    script = "set -e; cat /conf/key; touch /data/x /$(NAME)/x; test $PWD = /www; exec sleep 60"
    container = {
        "command": ["sh"],
        "args": ["-c", script],
        "workingDir": "/www",
        "env": [{"name": "NAME", "value": "var/log/app"}],
        "volumeMounts": mounts,
    }

    observed = program.observe(pod=pod, container=container, contents={("ConfigMap", "app"): {"key": "value"}})
    facts, _ = derive.facts(program.config, program.files, observed)

    assert (observed.exit_code, observed.restricted) == (None, "runs")
    assert paths(facts) == {"/tmp": "empty", "/var/log/app": "empty"}


def left_behind(engine, reference):
    containers = engine.ask("ps", "--all", "--format", "{{.Names}}").split()
    images = engine.ask("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    folders = os.listdir(tempfile.gettempdir())
    return [
        *(name for name in containers if name.startswith(f"krm-harden-probe-{os.getpid()}-")),
        *(name for name in images if name == reference),
        *(name for name in folders if name.startswith("krm-harden-probe-")),
    ]


def test_nothing_is_left_behind(image, engine, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = image("touch /data/x; exec sleep 60", Volumes={"/data": {}})
    volumes = engine.ask("volume", "ls", "--quiet")

    assert program.observe().restricted == "runs"
    assert left_behind(engine, program.reference) == []
    assert engine.ask("volume", "ls", "--quiet") == volumes


INTERRUPTED = """
import json, sys
from krm_harden.images import layers, probe
reference, archive, config = sys.argv[1:]
try:
    probe.observe(reference, json.loads(config), layers.Files({}, {}, frozenset()), archive=archive, seconds=60)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_nothing_is_left_behind_on_an_interrupt(image, engine, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = image("exec sleep 60")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    words = [sys.executable, "-c", INTERRUPTED, program.reference, program.archive, json.dumps(program.config)]
    with subprocess.Popen(words, env=environment) as child:
        mark = f"krm-harden-probe-{child.pid}-"
        end = time.monotonic() + 30
        while mark not in engine.ask("ps", "--format", "{{.Names}}") and time.monotonic() < end:
            time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130

    assert mark not in engine.ask("ps", "--all", "--format", "{{.Names}}")
    assert left_behind(engine, program.reference) == []
    assert not list(tmp_path.glob("krm-harden-probe-*"))


def test_an_image_that_is_nowhere_is_refused_in_one_line(engine):
    with pytest.raises(InputError, match=r"^the image isn't in the local store: docker.io/krm-harden/none:1; pull it"):
        probe.observe("docker.io/krm-harden/none:1", {}, layers.Files({}, {}, frozenset()))


def test_a_command_that_is_not_there_is_refused_in_one_line(image):
    with pytest.raises(InputError, match=r"can't be run: .*missing") as refused:
        image("exit 0").observe(container={"command": ["/missing"]})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "pod, container, reason",
    [
        ({"hostNetwork": True}, {}, "hostNetwork"),
        ({"hostPID": True}, {}, "hostPID"),
        ({}, {"securityContext": {"privileged": True}}, "privileged"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, {"volumeMounts": [{"name": "x"}]}, "hostPath"),
    ],
)
def test_a_container_that_needs_the_node_is_not_run(pod, container, reason):
    files = layers.Files({}, {}, frozenset())

    observed = probe.observe("x", {}, files, pod=pod, container=container, engine=NO_ENGINE)

    assert (observed.restricted, observed.note.split(":")[0]) == ("refused", reason)


def test_a_volume_of_the_node_that_the_container_does_not_mount_is_no_reason():
    assert probe.refused({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, {"volumeMounts": []}) == ""


def test_volumes_and_variables_of_a_manifest_are_those_of_its_config_maps_and_secrets(tmp_path):
    pod = {
        "securityContext": {"runAsUser": 5, "runAsGroup": 6},
        "volumes": [
            {"name": "all", "configMap": {"name": "app"}},
            {"name": "one", "secret": {"secretName": "app", "items": [{"key": "a", "path": "sub/b"}]}},
            {"name": "unknown", "configMap": {"name": "other"}},
            {"name": "evil", "configMap": {"name": "evil"}},
        ],
    }
    container = {
        "securityContext": {"runAsUser": 7},
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "app"}}, {"secretRef": {"name": "none"}}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "app", "key": "a"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "args": ["$(A) $(D) $A"],
        "volumeMounts": [
            {"name": "all", "mountPath": "/all/"},
            {"name": "all", "mountPath": "/file", "subPath": "x"},
            {"name": "one", "mountPath": "/one"},
            {"name": "unknown", "mountPath": "/unknown"},
            {"name": "evil", "mountPath": "/evil"},
            {"name": "all", "mountPath": "/odd:rw"},
        ],
    }
    texts = {
        ("ConfigMap", "app"): {"x": "1"},
        ("Secret", "app"): {"a": "s", "z": "t"},
        ("ConfigMap", "evil"): {"../up": "1"},
    }

    found = probe._container(pod, container, texts, str(tmp_path))

    assert (found.user, found.group, found.args) == (7, 6, ("1 $(D) $A",))
    assert dict(found.env) == {"P_x": "1", "A": "1", "B": "s"}
    assert found.volumes == (
        Volume("/all", f"{tmp_path}/texts-0", writable=False),
        Volume("/file", f"{tmp_path}/texts-1/x", writable=False),
        Volume("/one", f"{tmp_path}/texts-2", writable=False),
        Volume("/unknown"),
        Volume("/evil", f"{tmp_path}/texts-4", writable=False),
    )
    assert (tmp_path / "texts-2/sub/b").read_text() == "s"
    assert not (tmp_path / "up").exists()


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 00000000:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   3: 0100000A:0051 0200000A:0052 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
"""
TCP6 = """  sl  local_address remote_address st
   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000
   1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000
   2: 0000000000000000FFFF00000100007F:0BBA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000
"""


def test_ports_are_those_that_others_can_reach(tmp_path):
    folder = tmp_path / "1" / "net"
    folder.mkdir(parents=True)
    (folder / "tcp").write_text(TCP)
    (folder / "tcp6").write_text(TCP6)

    assert sorted(probe.listening("1", str(tmp_path))) == [80, 3000]
    assert list(probe.listening("2", str(tmp_path))) == []


@pytest.mark.parametrize(
    "line, folders",
    [
        ("touch: /opt/app/x: Read-only file system", {"/opt/app"}),
        ("mkdir: can't create directory '/opt/app/x': Permission denied", {"/opt/app/x"}),
        ("/start.sh: line 3: can't create /opt/own/file: Read-only file system", {"/opt/own"}),
        ("Error: EROFS: read-only file system, open '/opt/app/.cache/x.json'", {"/opt/app/.cache"}),
        ("PermissionError: [Errno 13] Permission denied: '/var/log/app/access.log'", {"/var/log/app"}),
        ("could not write /opt/app/x: No such file or directory", set()),
        ("rm: /usr/bin/x: Read-only file system", set()),
        ("bind() to 0.0.0.0:80 failed (13: Permission denied)", set()),
        ("/opt/own: Permission denied", {"/opt/own"}),
    ],
)
def test_messages_name_the_folders_that_were_not_writable(line, folders):
    entries = {"/start.sh": layers.Entry("file", 0o755, 0, 0), "/opt/own": layers.Entry("folder", 0o755, 0, 0)}

    assert probe.asked_for(f"hello\n{line}\n", layers.Files(entries, {}, frozenset())) == folders


@pytest.mark.parametrize(
    "log, said",
    [
        ("", "it says nothing"),
        ("started\n\n", "started"),
        ("2026-01-02T03:04:05.678Z fatal: no\nNode.js v18\n", "fatal: no"),
        ("[12] 10:20:30,5 \x1b[31mcannot\x1b[0m bind pid 7\x07\n", "cannot bind"),
        ("x" * 500, "x" * 200),
    ],
)
def test_the_last_line_says_what_went_wrong_and_not_when(log, said):
    assert probe.last_line(log) == said

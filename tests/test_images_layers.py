"""The merged view of layers: tars made here, as builders make them."""

from __future__ import annotations

import base64
import io
import struct
import tarfile

import pytest

from krm_harden import limits
from krm_harden.errors import InputError
from krm_harden.images import layers

FILE, FOLDER = tarfile.REGTYPE, tarfile.DIRTYPE
NET_BIND_SERVICE, NET_RAW = 10, 13


class Layer:
    """A tar of (path, type, what): a file's text, a link's target. `what` may be (text, TarInfo fields)."""

    def __init__(self, *members):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, kind, *rest in members:
                what, fields = rest[0] if rest else "", rest[1] if len(rest) > 1 else {}
                info = tarfile.TarInfo(name)
                info.type = kind
                info.mode = 0o755 if kind == FOLDER else 0o644
                for field, value in fields.items():
                    setattr(info, field, value)
                data = what.encode() if kind == FILE else b""
                info.size = len(data)
                info.linkname = what if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
                tar.addfile(info, io.BytesIO(data))
        self.tar = buffer.getvalue()

    def open(self):
        return io.BytesIO(self.tar)


def config(**settings):
    return {"config": settings}


def paths(files):
    return sorted(path for path, entry in files.entries.items() if entry.kind != "folder")


def test_the_last_layer_has_the_say_over_metadata_and_a_folder_keeps_what_is_in_it():
    below = Layer(("data", FOLDER), ("data/file", FILE, "1"), ("tool", FILE, "12", {"mode": 0o755}))
    above = Layer(("./data", FOLDER, "", {"uid": 5, "mode": 0o700}), ("/tool", FILE, "123", {"mode": 0o4755}))

    files = layers.read([below, above], {})

    assert files.entries["/data"] == layers.Entry("folder", 0o700, 5, 0)
    assert files.entries["/data/file"].size == 1
    assert files.entries["/tool"].setuid
    assert files.entries["/tool"].size == 3


def test_a_whiteout_removes_a_path_of_the_layers_below_and_not_of_its_own():
    below = Layer(("a/x", FILE), ("a/y", FILE), ("b/x", FILE))
    above = Layer(
        ("a/new", FILE), ("a/.wh.x", FILE), ("b", FOLDER), ("b/own", FILE), (".wh.b", FILE), (".wh..wh.plnk", FILE)
    )

    assert paths(layers.read([below, above], {})) == ["/a/new", "/a/y", "/b/own"]


def test_an_opaque_folder_hides_what_the_layers_below_have_in_it_wherever_the_marker_stands():
    below = Layer(("a/sub/x", FILE), ("a/y", FILE), ("b/z", FILE))
    above = Layer(("a", FOLDER), ("a/sub/own", FILE), ("a/.wh..wh..opq", FILE), ("a/late", FILE))

    assert paths(layers.read([below, above], {})) == ["/a/late", "/a/sub/own", "/b/z"]


def test_a_file_over_a_folder_removes_what_was_in_it():
    files = layers.read([Layer(("a/b/c", FILE)), Layer(("a", FILE, "x"))], {})

    assert paths(files) == ["/a"]


def test_paths_through_a_linked_folder_are_real_ones():
    below = Layer(("run", FOLDER), ("var/run", tarfile.SYMTYPE, "/run"), ("var/lock", tarfile.SYMTYPE, "../run/lock"))
    above = Layer(("var/run/app/pid", FILE), ("var/lock/x", FILE))

    files = layers.read([below, above], {})

    assert paths(files) == ["/run/app/pid", "/run/lock/x", "/var/lock", "/var/run"]
    assert files.real("/var/run/app") == "/run/app"
    assert files.real("/var/run/not/there") == "/run/not/there"
    assert files.has_files("/var/run")


def test_a_folder_over_a_linked_folder_takes_its_place():
    below = Layer(("run", FOLDER), ("var/run", tarfile.SYMTYPE, "/run"))
    above = Layer(("var/run", FOLDER), ("var/run/pid", FILE))

    assert paths(layers.read([below, above], {})) == ["/var/run/pid"]


def test_a_hard_link_has_the_metadata_and_the_text_of_its_file():
    script = Layer(
        ("start", FILE, "#!/bin/sh\nexec gosu app\n", {"mode": 0o755, "uid": 7}), ("bin/go", tarfile.LNKTYPE, "start")
    )

    files = layers.read([script], config(Entrypoint=["/bin/go"]))

    assert files.entries["/bin/go"] == files.entries["/start"]
    assert files.texts["/bin/go"].endswith("gosu app\n")


def vfs(revision, permitted, *, effective=True, inheritable=0):
    magic = revision << 24 | effective
    low = struct.pack("<III", magic, permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF)
    return low + {1: b"", 2: struct.pack("<II", permitted >> 32, inheritable >> 32)}.get(
        revision, struct.pack("<III", permitted >> 32, inheritable >> 32, 1000)
    )


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_capabilities_are_read_in_each_revision(revision):
    assert layers.decode_capabilities(vfs(revision, 1 << NET_BIND_SERVICE)) == (("NET_BIND_SERVICE",), (), True)


def test_capabilities_above_the_31st_and_unknown_ones_have_names():
    found = layers.decode_capabilities(vfs(2, 1 << 39 | 1 << 60, effective=False, inheritable=1))

    assert found == (("BPF", "CAP_60"), ("CHOWN",), False)


@pytest.mark.parametrize("data", [b"", b"x" * 12, vfs(2, 1)[:-4], vfs(1, 1) + b"1234", vfs(2, 0)])
def test_what_is_no_capability_is_none(data):
    assert layers.decode_capabilities(data) is None


def test_capabilities_of_files_come_from_the_attributes_of_both_families_of_tars():
    raw = vfs(2, 1 << NET_RAW)
    members = {
        "go": {"SCHILY.xattr.security.capability": raw.decode("utf-8", "surrogateescape")},
        "bsd": {"LIBARCHIVE.xattr.security.capability": base64.b64encode(raw).decode().rstrip("=")},
        "none": {"LIBARCHIVE.xattr.security.capability": "?"},
    }
    layer = Layer(*((name, FILE, "x", {"pax_headers": headers}) for name, headers in members.items()))

    files = layers.read([layer], {})

    assert {name: files.entries[f"/{name}"].capabilities for name in members} == {
        "go": (("NET_RAW",), (), True),
        "bsd": (("NET_RAW",), (), True),
        "none": None,
    }


RUNS = {"mode": 0o755}


def test_the_texts_are_the_accounts_and_the_scripts_that_the_start_reaches():
    layer = Layer(
        ("etc/passwd", FILE, "root:x:0:0::/root:/bin/sh\n"),
        ("usr/bin/start", FILE, "#!/bin/bash\n. /lib/common.sh\n# /opt/old.sh\nhelper; ldd x; ls /start.d/\n", RUNS),
        ("entry", tarfile.SYMTYPE, "usr/bin/start"),
        ("lib/common.sh", FILE, "source /lib/deeper.sh\n"),
        ("lib/deeper.sh", FILE, "touch /x\n"),
        ("opt/old.sh", FILE, "touch /y\n"),
        ("usr/local/bin/helper", FILE, "#!/usr/bin/env bash\n", RUNS),
        ("usr/bin/ldd", FILE, "#!/bin/bash\n", RUNS),
        ("start.d/10-first.sh", FILE, "echo\n"),
        ("usr/local/bin/app", FILE, "\x7fELF", RUNS),
        ("etc/secret.sh", FILE, "not named\n"),
    )

    files = layers.read([layer], config(Entrypoint=["/entry"], Cmd=["app"]))

    assert list(files.texts) == [
        "/etc/passwd",
        "/usr/bin/start",
        "/lib/common.sh",
        "/usr/local/bin/helper",
        "/start.d/10-first.sh",
    ]


def test_programs_are_found_as_a_shell_would():
    layer = Layer(
        ("opt/bin/app", FILE, "x", RUNS),
        ("usr/bin/app", FILE, "x", RUNS),
        ("usr/bin/text", FILE, "x"),
        ("srv/run", FILE, "x", RUNS),
        ("bin", tarfile.SYMTYPE, "usr/bin"),
    )
    start = layers.settings(config(Env=["PATH=/opt/bin:/bin"], WorkingDir="/srv"))
    files = layers.read([layer], {})

    found = {word: files.program(word, start) for word in ("app", "/bin/app", "./run", "text", "run")}

    assert found == {"app": "/opt/bin/app", "/bin/app": "/usr/bin/app", "./run": "/srv/run", "text": "", "run": ""}


def test_large_scripts_are_not_kept():
    layer = Layer(("start.sh", FILE, "#!/bin/sh\n" + "#" * layers.LARGEST_TEXT, RUNS))

    assert not layers.read([layer], config(Entrypoint=["/start.sh"])).texts


def test_settings_of_a_wrong_type_count_as_unset():
    wrong = config(
        User=5, Env=[1, "A=b=c"], Entrypoint="/run.sh", Cmd=None, Volumes=["/data"], ExposedPorts={"80/tcp": {}}
    )

    found = layers.settings(wrong)

    assert found.user == ""
    assert found.env == {"A": "b=c"}
    assert found.command == ("/run.sh",)
    assert (found.volumes, found.ports, found.working_dir) == (("/data",), ("80/tcp",), "/")
    assert layers.settings({"config": []}) == layers.Settings()


LOOP = Layer(("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "a"), ("a/x", FILE))
LONG = Layer(("/".join(["x" * 200] * 30), FILE))
HEADER = Layer(("x", FILE, "", {"pax_headers": {"comment": "x" * 2_000_000}}))


@pytest.mark.parametrize(
    "layer, says",
    [
        pytest.param(Layer(("../etc/passwd", FILE)), "leads out of it: '../etc/passwd'", id="above the root"),
        pytest.param(
            Layer(("x", tarfile.LNKTYPE, "../y")), "hard link that leads out", id="a hard link above the root"
        ),
        pytest.param(Layer(("x", tarfile.LNKTYPE, "y")), "to what isn't there: 'y'", id="a hard link to nothing"),
        pytest.param(LOOP, "links run in a circle at /", id="a circle of links"),
        pytest.param(LONG, "a path of more than 4096 characters", id="a long path"),
        pytest.param(HEADER, "a header of 1.9 MiB", id="a large header"),
    ],
)
def test_a_hostile_layer_is_refused_in_one_line(layer, says):
    with pytest.raises(InputError) as refused:
        layers.read([layer], {})

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_tar_is_refused_in_one_line():
    layer = Layer()
    layer.tar = b"<html>not found</html>" * 100

    with pytest.raises(InputError, match=r"^a layer isn't a tar that can be read: .*; pull the image again$"):
        layers.read([layer], {})


def test_too_many_files_are_refused(monkeypatch):
    monkeypatch.setattr(limits._Held, "limits", limits.Limits({"layerEntries": 10}))

    with pytest.raises(InputError, match=r"more than 10 files.*\(limit layerEntries=10\); raise it: --limit layerEn"):
        layers.read([Layer(*((f"f{number}", FILE) for number in range(11)))], {})


def test_a_layer_is_read_to_its_end_so_that_its_digest_is_verified():
    layer = Layer(("x", FILE))
    layer.tar += b"\0" * 100_000
    stream = layer.open()
    stream.close = lambda: None
    layer.open = lambda: stream

    layers.read([layer], {})

    assert stream.read() == b""


def test_a_circle_of_links_is_no_path_of_the_merged_view():
    files = layers.read([Layer(("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "a"))], {})

    assert files.real("/a/x") == ""
    assert files.entry("/a/x") is None

"""Archives and layers of somebody who means harm: nothing leads out, nothing is made, and nothing fills the memory.

Layers are only read: no file, link or device of one is ever made. What is refused is so in one line, which names the
limit where there is one to raise. tests/test_images_layers.py and tests/test_images_archives.py have the plainer cases.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tarfile
import zlib
from typing import TYPE_CHECKING

import pytest
from conftest import clean_environment
from registry import made, tarball
from test_images_archives import archive, docker_saved, failed
from test_images_layers import FILE, FOLDER, Layer

from krm_harden import limits
from krm_harden.commands import _charts
from krm_harden.errors import InputError
from krm_harden.images import layers
from krm_harden.images.sources import Limits, docker_archive

if TYPE_CHECKING:
    from pathlib import Path

LINK, HARD, CHARACTERS, BLOCKS, PIPE = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
)


def paths(*members: tuple[object, ...]) -> dict[str, str]:
    """What a layer of these holds: each path and its kind."""
    found = layers.read([Layer(*members)], {}).entries
    return {path: entry.kind for path, entry in sorted(found.items()) if path != "/"}


def refused(*members: tuple[object, ...]) -> str:
    with pytest.raises(InputError) as caught:
        layers.read([Layer(*members)], {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_absolute_path_lies_below_the_images_root():
    assert paths(("/etc/passwd", FILE, "root:x:0:0")) == {"/etc": "folder", "/etc/passwd": "file"}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "/../x", "./../x"])
def test_a_path_that_climbs_is_refused(name):
    assert "a path that leads out of it" in refused((name, FILE, "x"))


@pytest.mark.parametrize("target", ["/", "..", "../../../..", "/../..", "a/../../../.."])
def test_a_path_through_a_link_that_climbs_stays_below_the_images_root(target):
    assert "/etc/passwd" in paths(("out", LINK, target), ("out/etc/passwd", FILE, "x"))


def test_a_hard_link_through_a_link_that_climbs_finds_the_images_own_file():
    found = layers.read(
        [Layer(("etc/passwd", FILE, "image:x:5:5"), ("out", LINK, "../.."), ("copy", HARD, "out/etc/passwd"))], {}
    )

    assert found.entries["/copy"].size == len("image:x:5:5")
    assert "a hard link to what isn't there: 'out/etc/shadow'" in refused(
        ("out", LINK, "../.."), ("x", HARD, "out/etc/shadow")
    )
    assert "a hard link that leads out of it" in refused(("x", HARD, "../../etc/shadow"))


def test_devices_and_pipes_are_known_and_never_opened():
    assert paths(("null", CHARACTERS), ("disk", BLOCKS), ("queue", PIPE)) == {
        "/disk": "device",
        "/null": "device",
        "/queue": "pipe",
    }


def test_a_device_as_the_accounts_or_the_command_has_no_text():
    files = layers.read([Layer(("etc/passwd", CHARACTERS), ("run.sh", PIPE))], {"config": {"Cmd": ["/run.sh"]}})

    assert files.texts == {}
    assert files.program("/run.sh", layers.settings({})) == ""


def test_of_a_path_that_stands_twice_in_a_layer_the_last_one_holds():
    assert paths(("x", FILE, "a"), ("x", LINK, "/y"), ("x", FOLDER), ("x/z", FILE, "")) == {
        "/x": "folder",
        "/x/z": "file",
    }


@pytest.mark.parametrize("name", [".wh.", ".wh...", ".wh..", "a/.wh...", ".wh..wh.x", ".wh..wh..opq"])
def test_a_whiteout_of_no_name_or_of_the_folder_above_removes_nothing_else(name):
    below = Layer(("a/b", FILE, "x"), ("c", FILE, "x"))

    found = layers.read([below, Layer((name, FILE, ""))], {}).entries

    assert ({"/a/b", "/c"} <= set(found)) == (name != ".wh..wh..opq")


@pytest.mark.parametrize("count", [39, 41])
def test_a_chain_of_links_is_followed_as_far_as_linux_does(count):
    members = [(f"l{number}", LINK, f"l{number + 1}") for number in range(count)]

    if count > layers.MOST_LINKS:
        assert "links run in a circle" in refused(*members, ("l0/x", FILE, ""))
    else:
        assert f"/l{count}/x" in paths(*members, ("l0/x", FILE, ""))


def test_links_that_multiply_end_soon():
    """Each names the next one many times over."""
    members = [(f"l{number}", LINK, f"l{number + 1}/../" * 50 + f"l{number + 1}") for number in range(30)]

    assert "links run in a circle" in refused(*members, ("l0/x", FILE, ""))


def _extended(records: dict[str, str]) -> bytes:
    return tarfile.TarInfo._create_pax_generic_header(records, tarfile.XHDTYPE, "utf-8")  # type: ignore[attr-defined]


def raw(data: bytes) -> Layer:
    layer = Layer()
    layer.tar = data
    return layer


def header(size: int = 0, kind: bytes = FILE, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


SPARSE = {
    "GNU, old": header(0, tarfile.GNUTYPE_SPARSE),
    "PAX 0.0": _extended({"GNU.sparse.size": "1", "GNU.sparse.numblocks": "9", "GNU.sparse.offset": "0"}) + header(),
    "PAX 0.1": _extended({"GNU.sparse.map": "0," * 5000 + "0"}) + header(),
    "PAX 1.0": _extended({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + header(1 << 30) + b"999999999999\n",
}


@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_file_is_refused_before_its_map_is_read(kind):
    with pytest.raises(InputError, match="a layer isn't a tar that can be read: a sparse file; pull the image again"):
        layers.read([raw(SPARSE[kind] + b"0\n" * 100_000)], {})


@pytest.mark.parametrize(
    "size, said",
    [("99999999", "unexpected end of data"), (str(1 << 62), "absurd size"), ("-512", "absurd size")],
)
def test_an_extended_header_that_lies_about_a_size_is_refused(size, said):
    with pytest.raises(InputError, match=f"a layer isn't a tar that can be read: .*{said}"):
        layers.read([raw(_extended({"size": size}) + header(10) + bytes(2048))], {})


@pytest.mark.parametrize("cut", [1, 100, 512, 700, 1024])
def test_a_layer_that_ends_in_a_file_is_refused(cut):
    whole = header(4096) + b"x" * 4096

    with pytest.raises(InputError, match="a layer isn't a tar that can be read"):
        layers.read([raw(whole[: len(whole) - 4096 + cut - 1])], {})


@pytest.mark.parametrize("name", ["a", "a/.wh.x", ".wh..wh.plnk", "./"])
def test_entries_that_leave_nothing_behind_are_counted_too(name, monkeypatch):
    """The same folder, whiteouts of nothing: a bomb of them takes hours, and a gigabyte of them is a megabyte."""
    monkeypatch.setattr(limits._Held, "limits", limits.Limits({"layerEntries": 10}))
    members = [(name, FOLDER if name in ("a", "./") else FILE, "")]

    layers.read([Layer(*members * 10)], {})
    with pytest.raises(
        InputError,
        match=r"more than 10 files, as its layers list them \(limit layerEntries=10\); raise it: --limit layerEntries=",
    ):
        layers.read([Layer(*members * 6), Layer(*members * 5)], {})


def saved(folder: Path, tar: bytes) -> str:
    return docker_saved(folder / "saved.tar", (made(tars=(tar,), compression=""), ["shop/web:1"]))


def test_a_layer_that_is_a_bomb_is_refused_by_the_name_of_its_limit(tmp_path):
    tar = tarball(("zeros", bytes(8 << 20)))
    path = saved(tmp_path, tar)
    for limit, said in (
        (Limits(unpacked_layer_bytes=1 << 20), r"layerBytes="),
        (Limits(unpacked_image_bytes=1 << 20), r"imageBytes="),
    ):
        image = docker_archive.images(path, limits=limit)["shop/web:1"]
        line = failed(layers.read, image.layers, image.config)
        assert f"--limit {said}" in line


def packed(folder: Path, data: bytes) -> Path:
    """A chart's dependency, packed."""
    (folder / "charts").mkdir(parents=True)
    path = folder / "charts" / "sub.tgz"
    path.write_bytes(data)
    return path


def test_a_packed_chart_whose_header_would_fill_the_memory_is_refused(tmp_path):
    """Two megabytes that say "an extended header of 400 MiB": in a process of its own, whose memory is looked at."""
    size = 400 << 20
    press = zlib.compressobj(1, wbits=31)
    bomb = press.compress(header(size, tarfile.XHDTYPE)) + b"".join(press.compress(bytes(1 << 20)) for _ in range(400))
    packed(tmp_path, bomb + press.flush())
    code = (
        "import sys\nfrom krm_harden.commands import _charts\nfrom krm_harden.errors import InputError\n"
        "try:\n    _charts.check(sys.argv[1], sys.argv[1], remote=False)\n"
        "except InputError as error:\n    print(error)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, env=clean_environment(), check=True
    )

    line, kibibytes = done.stdout.splitlines()
    assert line == "charts/sub.tgz: isn't a packed chart: a header of 400 MiB"
    assert int(kibibytes) < 150 << 10


def test_a_packed_chart_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits._Held, "limits", limits.Limits({"archiveEntries": 10}))
    packed(tmp_path, gzip.compress(header(name="sub/empty") * 11 + bytes(1024)))

    with pytest.raises(InputError, match=r"charts/sub.tgz: has more than 10 files \(limit archiveEntries=10\)"):
        _charts.check(str(tmp_path), str(tmp_path), remote=False)


def test_a_charts_schema_beyond_a_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits._Held, "limits", limits.Limits({"bytes": 500}))
    (tmp_path / "values.schema.json").write_bytes(b"{}" + b" " * 499)

    with pytest.raises(InputError, match=r"values.schema.json: larger than 500 bytes \(limit bytes=500\); raise it"):
        _charts.check(str(tmp_path), str(tmp_path), remote=False)


@pytest.mark.parametrize("limit", ["archiveEntries=20", "bytes=5000"])
def test_charts_that_are_packed_in_charts_count_together(limit, tmp_path, monkeypatch):
    """Ten charts of which each has ten: a hundred thousand at the fifth level, which are some kilobytes."""
    name, _, value = limit.partition("=")
    monkeypatch.setattr(limits._Held, "limits", limits.Limits({name: int(value)}))
    inner = gzip.compress(b"".join(header(100, name=f"sub/{n}") + bytes(512) for n in range(10)) + bytes(1024))
    member = header(len(inner), name="sub/charts/inner.tgz") + inner.ljust(-(-len(inner) // 512) * 512, b"\0")
    packed(tmp_path, gzip.compress(member * 10 + bytes(1024)))

    with pytest.raises(InputError, match=rf"charts/sub.tgz: .*\(limit {limit}\); raise it: --limit {name}="):
        _charts.check(str(tmp_path), str(tmp_path), remote=False)


def test_an_archives_names_lead_to_no_file_outside_it(tmp_path):
    """manifest.json names a layer by a path that climbs, and by one that is absolute; the file exists."""
    (tmp_path / "secret").write_bytes(tarball(("x", b"")))
    image = made(tars=(tarball(("x", b"")),), compression="")
    for name in ("../secret", str(tmp_path / "secret"), "./../secret"):
        listed = f'[{{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["{name}"]}}]'.encode()
        path = archive(tmp_path / "x.tar", {"c.json": image.config, "manifest.json": listed})
        assert "has no" in failed(docker_archive.images, path)


def test_nothing_of_an_archive_is_put_on_the_disk(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    tar = Layer(("etc/passwd", FILE, "a"), ("pipe", PIPE), ("null", CHARACTERS), ("out", LINK, "/etc")).tar
    path = saved(tmp_path, tar)

    for image in docker_archive.images(path).values():
        assert layers.read(image.layers, image.config).entries["/out"].target == "/etc"

    assert list(work.iterdir()) == []

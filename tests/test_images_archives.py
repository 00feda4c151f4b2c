"""Archives and layouts: written here as the tools write them, by podman where it is, and by nobody in his right mind."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from conftest import clean_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry import (
    INDEX,
    MANIFEST,
    REGISTRIES,
    TARS,
    Reference,
    described,
    digest,
    index,
    made,
    on,
    tarball,
    zstd,
)

from krm_harden.errors import SourceError
from krm_harden.images.sources import LimitedTarInfo, Limits, docker_archive, oci_layout
from krm_harden.images.sources.auth import Credentials
from krm_harden.images.sources.cache import Cache
from krm_harden.images.sources.registry import Client, fetch

RUNTIME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "krm-harden-runtime" / "env.sh"
NAME, TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"


def contents(image):
    read = []
    for layer in image.layers:
        with layer.open() as stream:
            read.append(stream.read())
    return read


def failed(call, *arguments, **keywords):
    with pytest.raises(SourceError) as caught:
        call(*arguments, **keywords)
    line = str(caught.value)
    assert line.isprintable()
    assert caught.value.next_step
    return line


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive(path, files, *links):
    """A tar of these files and links."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in links:
            tar.addfile(member)
    return str(path)


def hexdigest(data):
    return digest(data).partition(":")[2]


def docker_saved(path, *named, links=tarfile.SYMTYPE):
    """As podman and Docker before 25 write: a tar a layer, and links to it under the image's folder."""
    files, members, listed = {}, [], []
    for image, tags in named:
        layers = []
        for number, tar in enumerate(image.layers):
            plain = f"{hexdigest(tar)}.tar"
            files[plain] = tar
            folder = f"{hexdigest(image.config)[:8]}{number}"
            target = f"../{plain}" if links == tarfile.SYMTYPE else plain
            members.append(link(f"{folder}/layer.tar", target, links))
            layers.append(f"{folder}/layer.tar")
        files[f"{hexdigest(image.config)}.json"] = image.config
        listed.append({"Config": f"{hexdigest(image.config)}.json", "RepoTags": tags, "Layers": layers})
    files["manifest.json"] = json.dumps(listed).encode()
    return archive(path, files, *members)


def blob_files(*images):
    return {f"blobs/sha256/{key[7:]}": data for image in images for key, data in image.blobs.items()}


def layout_files(top, *images):
    """An OCI layout of these images below this index."""
    manifests = {f"blobs/sha256/{hexdigest(image.manifest)}": image.manifest for image in images}
    return {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": top, **blob_files(*images), **manifests}


def named(image, platform="", **annotations):
    more = {"annotations": annotations} if annotations else {}
    return described(image.manifest, MANIFEST, **more, **(on(platform) if platform else {}))


def unpacked(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


# docker-archive


@pytest.mark.parametrize("links", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("pack", [None, lambda data: gzip.compress(data, 1), zstd])
def test_an_archive_of_several_images_is_read(tmp_path, links, pack):
    one, two = made(compression=""), made(compression="", tars=TARS[:1], author="x")
    path = docker_saved(
        tmp_path / "saved.tar", (one, ["example.com/one:1", "one:latest"]), (two, ["two:1"]), links=links
    )
    if pack:
        Path(path).write_bytes(pack(Path(path).read_bytes()))
    images = docker_archive.images(path)
    assert list(images) == ["example.com/one:1", "one:latest", "two:1"]
    image = images["one:latest"]
    assert image.digest == image.image_id == digest(one.config)
    assert image.config == json.loads(one.config)
    assert [layer.digest for layer in image.layers] == [digest(tar) for tar in TARS]
    for _ in range(2):
        assert contents(images["two:1"]) == list(TARS[:1])
        assert contents(image) == list(TARS)
    assert [image.layers[number].open().read() for number in (2, 0, 1)] == [TARS[2], TARS[0], TARS[1]]


@pytest.mark.parametrize("compression", ["", "+gzip", "+zstd"])
def test_an_archive_of_newer_docker_is_both_and_is_read_as_both(tmp_path, compression):
    image = made(compression=compression)
    listed = [{
        "Config": f"blobs/sha256/{hexdigest(image.config)}",
        "RepoTags": ["app:1"],
        "Layers": [f"blobs/sha256/{hexdigest(layer)}" for layer in image.layers],
    }]  # fmt: skip
    top = index(named(image, **{NAME: "docker.io/library/app:1", TAG: "1"}))
    files = {**layout_files(top, image), "manifest.json": json.dumps(listed).encode()}
    path = archive(tmp_path / "saved.tar", files)
    saved = docker_archive.images(path)["app:1"]
    layout = oci_layout.images(path)["docker.io/library/app:1"]
    assert (saved.digest, layout.digest) == (digest(image.config), digest(image.manifest))
    assert saved.image_id == layout.image_id
    assert saved.layers == tuple(
        type(layer)(layer.digest, "application/vnd.docker.image.rootfs.diff.tar", layer.size, "", "", None, None)
        for layer in layout.layers
    )
    assert contents(saved) == contents(layout) == list(TARS)


def test_an_image_without_a_name_is_under_its_id(tmp_path):
    image = made(compression="")
    for tags in (None, []):
        path = docker_saved(tmp_path / "saved.tar", (image, tags))
        assert list(docker_archive.images(path)) == [digest(image.config)]


def test_an_image_without_layers_is_an_image(tmp_path):
    image = made(tars=())
    assert docker_archive.images(docker_saved(tmp_path / "saved.tar", (image, ["empty:1"])))["empty:1"].layers == ()


def saved_as(tmp_path, entry, **files):
    image = made(compression="")
    contents = {"c": image.config, **{f"l{number}": tar for number, tar in enumerate(image.layers)}, **files}
    listed = [{"Config": "c", "RepoTags": ["a:1"], "Layers": ["l0", "l1", "l2"], **entry}]
    return archive(tmp_path / "saved.tar", {**contents, "manifest.json": json.dumps(listed).encode()})


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"Config": "../../../../etc/passwd"}, "has no ../../../../etc/passwd; save the image again"),
        ({"Config": "/etc/passwd"}, "has no /etc/passwd"),
        ({"Config": 1}, "its manifest.json has no Config and Layers"),
        ({"Config": "l0"}, "its configuration isn't JSON"),
        ({"Layers": ["l0"]}, "has 1 layers, its configuration 3"),
        ({"Layers": ["l0", "l1", "/etc/passwd"]}, "has no /etc/passwd"),
        ({"Layers": {"l0": 1}}, "its manifest.json has no Config and Layers"),
        ({"Layers": [["l0"]]}, "its manifest.json has no Config and Layers"),
        ({"RepoTags": "a:1"}, "its manifest.json has no Config and Layers"),
    ],
)
def test_what_manifest_json_names_must_be_in_the_archive(tmp_path, entry, said):
    assert said in failed(docker_archive.images, saved_as(tmp_path, entry))


def test_a_layer_that_is_another_is_refused_when_it_was_read(tmp_path):
    image = docker_archive.images(saved_as(tmp_path, {"Layers": ["l1", "l0", "l2"]}))["a:1"]
    assert "isn't what the image's configuration names" in failed(contents, image)

    def read_a_bit(layer):
        with layer.open() as stream:
            stream.read(10)

    assert "isn't what the image's configuration names" in failed(read_a_bit, image.layers[0])
    read_a_bit(image.layers[2])


def test_a_configuration_under_another_ones_digest_is_refused(tmp_path):
    image = made(compression="")
    name = hexdigest(b"other") + ".json"
    path = saved_as(tmp_path, {"Config": name}, **{name: image.config})
    assert "has other contents than its name says" in failed(docker_archive.images, path)


@pytest.mark.parametrize(
    "members",
    [
        [link("c", "c")],
        [link("c", "d"), link("d", "c")],
        [link("c", "../../../etc/passwd")],
        [link("c", "/etc/passwd")],
        [link("c", "nowhere", tarfile.LNKTYPE)],
        [*(link(f"{number}", f"{number + 1}") for number in range(40)), link("c", "0")],
    ],
)
def test_links_that_lead_nowhere_are_no_files(tmp_path, members):
    listed = b'[{"Config": "c", "RepoTags": null, "Layers": []}]'
    path = archive(tmp_path / "saved.tar", {"manifest.json": listed}, *members)
    assert "has no c" in failed(docker_archive.images, path)


@pytest.mark.parametrize(
    "files, said",
    [
        ({}, "isn't an archive of `docker save`: it has no manifest.json; write one with docker save"),
        ({"index.json": b"{}"}, "it is an OCI layout: say oci:PATH"),
        ({"repositories": b"{}"}, "a Docker before 1.10 wrote it"),
        ({"manifest.json": b"[]"}, "its manifest.json has no image"),
        ({"manifest.json": b"{}"}, "its manifest.json isn't a list"),
        ({"manifest.json": b"[1]"}, "its manifest.json has no Config and Layers"),
        ({"manifest.json": b"["}, "its manifest.json isn't JSON"),
        ({"manifest.json": b" " * (5 << 20)}, "manifest.json is larger than 4 MiB"),
    ],
)
def test_tars_of_other_things_are_refused(tmp_path, files, said):
    path = archive(tmp_path / "x.tar", files)
    assert said.replace("PATH", path) in failed(docker_archive.images, path)


@pytest.mark.parametrize("read", [docker_archive.images, oci_layout.images])
def test_paths_that_are_no_archive_are_refused(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("nothing of the kind\n" * 99)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "xz").write_bytes(b"\xfd7zXZ\x00" + b"#" * 99)
    (tmp_path / "gz").write_bytes(gzip.compress(b"#" * 9999)[:-9])
    assert "can't be read (No such file or directory); check the path" in failed(read, str(tmp_path / "nowhere"))
    assert "is neither a folder nor a file" in failed(read, str(tmp_path / "pipe"))
    assert "is neither a folder nor a file" in failed(read, "/dev/zero")
    assert "isn't a tar" in failed(read, str(tmp_path / "text"))
    assert "isn't a tar" in failed(read, str(tmp_path / "empty"))
    assert "isn't a tar" in failed(read, str(tmp_path / "gz"))
    assert "compressed with bzip2 or xz" in failed(read, str(tmp_path / "xz"))


def header(kind, size):
    """A tar's header alone, with an extended header's type and any size."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [40 << 20, 1 << 60])
def test_headers_that_would_fill_the_memory_are_refused(tmp_path, kind, size):
    bomb = header(kind, size) + bytes(40 << 20)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(bomb, 1))
    tracemalloc.start()
    line = failed(docker_archive.images, str(tmp_path / "x.tar.gz"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "isn't a tar (a header of" in line
    assert peak < 8 << 20
    del bomb


def test_sizes_beyond_all_bounds_are_refused(tmp_path):
    for size in (1 << 62, 1 << 80, -5000):
        for pack in (bytes, gzip.compress):
            (tmp_path / "x.tar").write_bytes(pack(header(tarfile.REGTYPE, size) + bytes(1024)))
            assert "isn't a tar" in failed(docker_archive.images, str(tmp_path / "x.tar"))


def test_an_archive_of_too_many_files_is_refused(tmp_path):
    path = archive(tmp_path / "x.tar", {str(number): b"" for number in range(50)})
    assert "has more than 40 files" in failed(docker_archive.images, path, limits=Limits(members=40))


def test_an_archive_that_is_a_bomb_is_refused(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(header(tarfile.REGTYPE, 30 << 20) + bytes(30 << 20), 9))
    for limits, said in (
        (Limits(image_bytes=20 << 20), f"unpacks to more than 20 MiB (limit imageBytes={20 << 20})"),
        (Limits(ratio_from=1 << 20), "unpacks to more than 200 times its size (limit layerRatio=200)"),
    ):
        line = failed(docker_archive.images, str(tmp_path / "x.tar.gz"), limits=limits)
        assert said in line
        assert "raise it: --limit " in line


# OCI layout


@pytest.fixture(params=["folder", "tar", "tar.gz"])
def layout(request, tmp_path):
    """Writes files as a folder, a tar or a compressed tar."""

    def write(files):
        if request.param == "folder":
            return unpacked(tmp_path / "layout", files)
        path = archive(tmp_path / "layout.tar", files)
        if request.param == "tar.gz":
            Path(path).write_bytes(gzip.compress(Path(path).read_bytes(), 1))
        return path

    return write


def test_the_images_of_a_layout_have_the_names_that_are_written(layout):
    images = [made(author=str(number)) for number in range(4)]
    top = index(
        named(images[0], **{TAG: "1.0"}),
        named(images[1], **{TAG: "example.com/app:2"}),
        named(images[2], **{NAME: "docker.io/library/app:3", TAG: "3"}),
        named(images[3]),
    )
    found = oci_layout.images(layout(layout_files(top, *images)))
    assert list(found) == ["1.0", "example.com/app:2", "docker.io/library/app:3", digest(images[3].manifest)]
    for image, source in zip(found.values(), images, strict=True):
        assert (image.digest, image.image_id) == (digest(source.manifest), digest(source.config))
        assert contents(image) == list(TARS)


def test_a_layout_gives_the_platform_that_is_asked_for(layout):
    amd, arm = made(), made(platform="linux/arm64/v8")
    inner = index(named(amd, "linux/amd64"), named(arm, "linux/arm64/v8"), named(made(tars=()), "unknown/unknown"))
    files = layout_files(index(described(inner, INDEX, annotations={TAG: "1"})), amd, arm)
    path = layout({**files, f"blobs/sha256/{hexdigest(inner)}": inner})
    for platform, image in (("linux/amd64", amd), ("linux/arm64", arm)):
        found = oci_layout.images(path, platform)["1"]
        assert (found.digest, found.image_id) == (digest(inner), digest(image.config))
    line = failed(oci_layout.images, path, "windows/amd64")
    assert line.startswith(f"{path} (1): isn't there for windows/amd64: its index has linux/amd64, linux/arm64/v8")


def test_manifests_of_one_name_differ_by_platform(layout):
    amd, arm = made(), made(platform="linux/arm64/v8")
    for labels, name in (({TAG: "1"}, "1"), ({}, digest(arm.manifest))):
        top = index(named(amd, "linux/amd64", **labels), named(arm, "linux/arm64/v8", **labels))
        found = oci_layout.images(layout(layout_files(top, amd, arm)), "linux/arm64")
        assert {key: image.image_id for key, image in found.items()} == {name: digest(arm.config)}


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda image: (image.layers[0], b"#" * len(image.layers[0])), "has other contents than its digest says"),
        (lambda image: (image.layers[0], b"#"), "has 1 bytes instead of"),
        (lambda image: (image.layers[0], None), "isn't in the layout"),
        (lambda image: (image.config, b"{}"), "has other contents than its digest says"),
        (lambda image: (image.config, None), "has no blobs/sha256/"),
        (lambda image: (image.manifest, image.manifest + b" "), "has other contents than its digest says"),
    ],
)
def test_a_layout_whose_blobs_are_others_is_refused(layout, change, said):
    image = made(compression="")
    data, other = change(image)
    files = layout_files(index(named(image, **{TAG: "1"})), image)
    del files[f"blobs/sha256/{hexdigest(data)}"]
    if other is not None:
        files[f"blobs/sha256/{hexdigest(data)}"] = other
    path = layout(files)
    assert said in failed(lambda: contents(oci_layout.images(path)["1"]))


@pytest.mark.parametrize(
    "top, said",
    [
        (b"{}", "manifests isn't a list"),
        (b"[]", "its index.json isn't a JSON object"),
        (b'{"manifests": []}', "its index.json names no image"),
        (b'{"manifests": [{"digest": "sha256:../../../../etc/passwd", "size": 1}]}', "has no digest and size"),
    ],
)
def test_a_layout_with_a_wrong_index_is_refused(layout, top, said):
    assert said in failed(oci_layout.images, layout({"index.json": top}))


def test_a_layouts_blob_that_is_a_pipe_or_a_link_away_is_refused(tmp_path):
    image = made(compression="")
    folder = tmp_path / "layout"
    unpacked(folder, layout_files(index(named(image, **{TAG: "1"})), image))
    blob = folder / "blobs" / "sha256" / hexdigest(image.layers[0])
    blob.unlink()
    os.mkfifo(blob)
    assert "isn't in the layout" in failed(contents, oci_layout.images(str(folder))["1"])
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    failed(contents, oci_layout.images(str(folder))["1"])


def test_something_that_is_no_image_is_said(tmp_path):
    chart = json.dumps({"config": described(b"{}", "application/vnd.cncf.helm.config.v1+json"), "layers": []}).encode()
    top = index(described(chart, MANIFEST, annotations={TAG: "1"}))
    path = unpacked(tmp_path, {"index.json": top, f"blobs/sha256/{hexdigest(chart)}": chart})
    assert "isn't a container image: its configuration is application/vnd.cncf.helm" in failed(oci_layout.images, path)


# All sources


def test_layers_are_tars_that_can_be_read_as_they_come(tmp_path):
    image = docker_archive.images(docker_saved(tmp_path / "x.tar", (made(compression=""), ["a:1"])))["a:1"]
    names, attributes = [], {}
    for layer in image.layers:
        with layer.open() as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=LimitedTarInfo) as tar:
            for member in tar:
                names.append(member.name)
                attributes.update(member.pax_headers)
    assert names == [
        "etc",
        "etc/passwd",
        "app",
        "app/old",
        "app/.wh.old",
        "app/server",
        "var",
        "var/.wh..wh..opq",
        "var/data",
    ]
    assert attributes == {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00"}


def hostile_sparse():
    """A PAX sparse file whose map has more entries than any memory."""
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": "9"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("x")
        info.pax_headers, info.size = pax, 1024
        tar.addfile(info, io.BytesIO(b"99999999999\n".ljust(1024, b"1")))
    return out.getvalue()


def pax_header(kind, **records):
    """One extended header, its records and nothing else."""
    return tarfile.TarInfo._create_pax_generic_header(records, kind, "utf-8")


@pytest.mark.parametrize(
    "layer",
    [
        hostile_sparse(),
        pax_header(tarfile.XHDTYPE, comment="x" * 99) * 2000,
        b"".join(pax_header(tarfile.XGLTYPE, **{f"k{number}": "x" * 9999}) for number in range(200)),
        pax_header(tarfile.XHDTYPE, size="-5000") + header(tarfile.REGTYPE, 0),
        pax_header(tarfile.XHDTYPE, size="9" * 30) + header(tarfile.REGTYPE, 0),
        header(tarfile.GNUTYPE_SPARSE, 9),
        header(tarfile.XHDTYPE, 1 << 40),
        header(tarfile.XHDTYPE, -1),
    ],
)
def test_a_layers_headers_that_would_fill_the_memory_end_its_reading(tmp_path, layer):
    image = docker_archive.images(docker_saved(tmp_path / "x.tar", (made((layer,), ""), ["a:1"])))["a:1"]
    with image.layers[0].open() as stream, pytest.raises(tarfile.TarError):
        list(tarfile.TarFile.open(fileobj=stream, mode="r|", tarinfo=LimitedTarInfo))


def test_a_large_layer_takes_time_and_no_memory(tmp_path):
    block = os.urandom(1 << 20)
    tar = tarball(("big", block * 12))
    path = unpacked(tmp_path / "x", layout_files(index(named(made((tar,)), **{TAG: "1"})), made((tar,))))
    image = oci_layout.images(path)["1"]
    tracemalloc.start()
    with image.layers[0].open():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_files_are_closed_whatever_happens(tmp_path):
    one = made(compression="")
    path = docker_saved(tmp_path / "x.tar", (one, ["a:1"]))
    Path(path).write_bytes(gzip.compress(Path(path).read_bytes()))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else pytest.skip("no /proc here")
    for _ in range(30):
        image = docker_archive.images(path)["a:1"]
        contents(image)
        image.layers[1].open().close()
    del image
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.sampled_from(["cut", "flip", "garbage"]), st.booleans())
def test_no_archive_brings_anything_but_images_or_one_line(tmp_path, seed, how, packed):
    chance = random.Random(seed)  # noqa: S311 - damages a file
    path = tmp_path / "x.tar"
    image = made((tarball(("a", b"1")),), "")
    files = layout_files(index(named(image, **{TAG: "1"})), image)
    listed = [{"Config": "c", "RepoTags": ["a"], "Layers": ["l"]}]
    files.update({"manifest.json": json.dumps(listed).encode(), "c": image.config, "l": image.layers[0]})
    data = bytearray(Path(archive(path, files)).read_bytes())
    data = bytearray(gzip.compress(data, 1)) if packed else data
    if how == "cut":
        del data[chance.randrange(len(data)) :]
    elif how == "flip":
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        start = chance.randrange(len(data))
        data[start : start + 600] = chance.randbytes(600)
    path.write_bytes(data)
    for read in (docker_archive.images, oci_layout.images):
        said = ""
        try:
            for found in read(str(path)).values():
                assert contents(found) == [image.layers[0]]
        except SourceError as error:
            said = str(error)
        assert said.isprintable()


# podman


@pytest.fixture(scope="session")
def podman(tmp_path_factory):
    """A function that runs podman with the images of the runtime's store."""
    if shutil.which("podman") is None or not RUNTIME.is_file():
        pytest.skip(f"no podman, or no image store ({RUNTIME})")
    wanted = subprocess.run(["sh", "-c", f". {RUNTIME} && env"], capture_output=True, text=True, check=True).stdout
    environment = dict(line.split("=", 1) for line in wanted.splitlines() if line.startswith("CONTAINERS_"))

    def run(*arguments):
        done = subprocess.run(
            ["podman", *arguments], capture_output=True, check=False, env=clean_environment(**environment), timeout=120
        )
        return done.returncode, done.stdout

    if run("image", "exists", "docker.io/library/busybox:1.35")[0]:
        pytest.skip("no docker.io/library/busybox:1.35 in podman's store")
    return run


def test_a_real_image_is_the_same_from_everywhere(tmp_path, podman):
    name = "docker.io/library/busybox:1.35"
    assert podman("save", "-q", "-o", str(tmp_path / "d.tar"), name)[0] == 0
    assert podman("save", "-q", "--format", "oci-archive", "-o", str(tmp_path / "o.tar"), name)[0] == 0
    assert podman("save", "-q", "--format", "oci-dir", "-o", str(tmp_path / "o"), name)[0] == 0
    found = [
        docker_archive.images(str(tmp_path / "d.tar"))[name],
        oci_layout.images(str(tmp_path / "o.tar"))[name],
        oci_layout.images(str(tmp_path / "o"))[name],
    ]
    with REGISTRIES["docker-registry"](tmp_path) as registry:
        assert podman("push", "-q", "--tls-verify=false", name, f"{registry.host}/busybox:1")[0] == 0
        client = Client(Cache(""), credentials=lambda _: Credentials())
        found.append(fetch(Reference(f"{registry.host}/busybox", "1"), client=client))
        layers = [contents(image) for image in found]
    inspected = json.loads(podman("image", "inspect", name)[1])[0]
    assert {image.image_id for image in found} == {f"sha256:{inspected['Id']}"}
    assert found[1].digest == found[2].digest == found[3].digest
    assert all(image.config == found[0].config for image in found)
    assert all(each == layers[0] for each in layers)
    assert [digest(layer) for layer in layers[0]] == inspected["RootFS"]["Layers"]


def test_two_real_images_share_their_layers(tmp_path, podman):
    names = ("docker.io/library/busybox:1.35", "docker.io/library/memcached:1.6")
    if podman("image", "exists", names[1])[0]:
        pytest.skip(f"no {names[1]} in podman's store")
    assert podman("save", "-q", "-m", "-o", str(tmp_path / "d.tar"), *names)[0] == 0
    images = docker_archive.images(str(tmp_path / "d.tar"))
    assert list(images) == list(names)
    for name, image in images.items():
        inspected = json.loads(podman("image", "inspect", name)[1])[0]
        assert image.image_id == f"sha256:{inspected['Id']}"
        with image.layers[-1].open() as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=LimitedTarInfo) as tar:
            assert sum(1 for _ in tar) > 10

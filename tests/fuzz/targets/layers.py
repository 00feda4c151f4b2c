"""Images that somebody else made: layers and archives, compressed or not, whole or broken."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any

import zstandard
from choices import Choices, expect_one_line

from krm_harden.errors import InputError, SourceError
from krm_harden.images import layers
from krm_harden.images.sources import Layer, Limits, docker_archive, oci_layout
from krm_harden.images.sources.streams import Spent

MODULES = ("images.layers", "images.sources.archive", "images.sources.streams", "images.sources.manifests", "images.sources.docker_archive", "images.sources.oci_layout")  # fmt: skip
MIB = 1 << 20
LIMITS = Limits(
    manifest_bytes=64 * 1024,
    config_bytes=64 * 1024,
    layer_bytes=4 * MIB,
    image_bytes=8 * MIB,
    unpacked_layer_bytes=4 * MIB,
    unpacked_image_bytes=8 * MIB,
    ratio_from=MIB,
    members=200,
)
NAMES = (
    *(
        "etc/passwd",
        "etc/group",
        "bin/sh",
        "usr/bin/app",
        "docker-entrypoint.sh",
        "a/b/c",
        "a",
        "./x/",
        "/abs",
        "../out",
    ),
    *("a/../../b", ".wh.a", "a/.wh..wh..opq", ".wh..wh.aufs", "a//b", "", ".", "x" * 300, "é", "\udcff", "var/run/x"),
)
TYPES = (
    *(tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
    *(tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, tarfile.XGLTYPE, tarfile.XHDTYPE, tarfile.CONTTYPE, b"\xff"),
)
CONFIG = {"User": "app", "Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["app", "sh -c 'x'"], "WorkingDir": "/a"}


def seeds() -> list[bytes]:
    return [bytes((start * step + 11 * start) % 256 for step in range(length)) for start in range(1, 20) for length in (30, 120)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    way = choices.below(3)
    blobs = [_compressed(choices, _tar(choices)) for _ in range(1 + choices.below(3))]
    if way == 0:
        _read([choices.rest(), *blobs], choices)
    elif way == 1:
        _read(blobs, choices)
    else:
        _archive(choices, blobs)


def _read(blobs: list[bytes], choices: Choices) -> None:
    spent = Spent(LIMITS)
    media = choices.of(
        ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar", "")
    )
    made = [
        Layer(f"sha256:{index:064}", media, len(blob), "image", "", lambda blob=blob: io.BytesIO(blob), spent)
        for index, blob in enumerate(blobs)
    ]
    try:
        found = layers.read(made, {"config": CONFIG})
    except (InputError, SourceError) as error:
        expect_one_line(error)
        return
    _is_sound(found)


def _is_sound(found: layers.Files) -> None:
    for path in found.entries:
        assert path.startswith("/"), path
        assert ".." not in path.split("/"), path
        assert "//" not in path, path
    assert set(found.texts) <= set(found.entries)
    assert sum(map(len, found.texts.values())) <= layers.MOST_TEXT
    for word in ("app", "/docker-entrypoint.sh", "/a/b", "/../../etc/passwd"):
        assert ".." not in found.real(word).split("/")


def _tar(choices: Choices) -> bytes:
    """A tar as no builder writes it: claimed sizes, types, links and names are anything."""
    blocks = []
    for _ in range(choices.below(7)):
        member = tarfile.TarInfo(choices.of(NAMES))
        member.type = choices.of(TYPES) if choices.one_in(3) else tarfile.REGTYPE
        member.linkname = choices.of(NAMES)
        member.mode = choices.of((0o644, 0o755, 0o4755, 0o7777))
        member.uid = choices.of((0, 1000, 2**21, 2**31))
        content = choices.of((b"", b"#!/bin/sh\nexec app /a/b\n", b"app:x:1000:1000::/:/bin/sh\n", b"\0" * 3000))
        member.size = len(content) if not choices.one_in(6) else choices.of((0, 1, 10**6, 8**11 - 1, 2**33))
        if choices.one_in(4):
            keys = (
                "path",
                "size",
                "uid",
                "linkpath",
                "SCHILY.xattr.security.capability",
                "GNU.sparse.major",
                "GNU.sparse.map",
            )
            member.pax_headers = {
                choices.of(keys): choices.of(("1", "-1", "../x", "x", "9" * 30, "\x01\x00\x00\x02" * 5))
            }
        try:
            head = member.tobuf(choices.of((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)), "utf-8", "surrogateescape")
        except ValueError:
            continue
        blocks += [head, content, b"\0" * (-len(content) % 512)]
    blocks.append(b"\0" * choices.of((1024, 0, 512, 10)))
    return _broken(choices, b"".join(blocks))


def _compressed(choices: Choices, tar: bytes) -> bytes:
    way = choices.below(6)
    if way == 1:
        return _broken(choices, gzip.compress(tar, 1, mtime=0))
    if way == 2:
        return _broken(choices, zstandard.compress(tar))
    if way == 3:
        return gzip.compress(tar + bytes(choices.of((0, 3, 5)) * MIB), 1, mtime=0)
    if way == 4:
        return zstandard.compress(tar) + zstandard.compress(bytes(choices.of((0, 3, 5)) * MIB))
    return choices.of((b"", b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00")) + tar


def _broken(choices: Choices, data: bytes) -> bytes:
    for _ in range(choices.below(3)):
        at = int.from_bytes(choices.take(2), "big") % (len(data) + 1)
        way = choices.below(3)
        data = data[:at] if way == 0 else data[:at] + choices.take(2) + data[at + (2 if way == 1 else 0) :]
    return data


def _archive(choices: Choices, blobs: list[bytes]) -> None:
    """An archive of `docker save` or an OCI layout: only what it holds is read, and nothing is left beside it."""
    files = _docker(choices, blobs) if choices.byte() % 2 else _oci(choices, blobs)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            if choices.one_in(12):
                link = tarfile.TarInfo(choices.of((name, "manifest.json", "index.json", "l")))
                link.type, link.linkname = choices.of((tarfile.SYMTYPE, tarfile.LNKTYPE)), choices.of((name, "l", "/etc/passwd", "../x"))  # fmt: skip
                tar.addfile(link)
    data = _compressed(choices, _broken(choices, buffer.getvalue()))
    with tempfile.TemporaryDirectory() as made:
        path = Path(made, "image.tar")
        path.write_bytes(data)
        for images in (docker_archive.images, oci_layout.images):
            _resolved(images, path)
        assert [one.name for one in Path(made).iterdir()] == ["image.tar"]
        assert path.read_bytes() == data


def _resolved(images: Any, path: Path) -> None:
    try:
        for image in images(str(path), limits=LIMITS).values():
            _is_sound(layers.read(image.layers, image.config))
    except (InputError, SourceError) as error:
        expect_one_line(error)


def _json(choices: Choices, data: Any) -> bytes:
    written = json.dumps(data).encode()
    return _broken(choices, written) if choices.one_in(5) else written


def _config(choices: Choices, blobs: list[bytes]) -> bytes:
    diffs = ["sha256:" + hashlib.sha256(_plain(blob)).hexdigest() for blob in blobs]
    if choices.one_in(8):
        diffs = choices.of(([], [1], ["x"], None, diffs * 2))
    return _json(choices, {"architecture": "amd64", "os": "linux", "config": CONFIG, "rootfs": {"type": "layers", "diff_ids": diffs}})  # fmt: skip


def _plain(blob: bytes) -> bytes:
    try:
        return gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
    except (OSError, EOFError, ValueError, zlib.error):
        return blob


def _docker(choices: Choices, blobs: list[bytes]) -> list[tuple[str, bytes]]:
    names = [choices.of((f"{index}/layer.tar", "../layer.tar", f"{index}.tar")) for index in range(len(blobs))]
    entry = {"Config": "config.json", "RepoTags": choices.of((["a:1"], None, [], ["a\nb"])), "Layers": names}
    listed = _json(choices, [entry])
    return [("manifest.json", listed), ("config.json", _config(choices, blobs)), *zip(names, blobs, strict=True)]


def _oci(choices: Choices, blobs: list[bytes]) -> list[tuple[str, bytes]]:
    config = _config(choices, blobs)
    files = []

    def added(blob: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(blob).hexdigest()
        files.append((f"blobs/sha256/{digest}", blob if not choices.one_in(20) else blob + b"x"))
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(blob) + choices.one_in(20)}

    listed = [added(blob, "application/vnd.oci.image.layer.v1.tar+gzip") for blob in blobs]
    manifest = {
        "schemaVersion": 2,
        "config": added(config, "application/vnd.oci.image.config.v1+json"),
        "layers": listed,
    }
    index = {"manifests": [added(_json(choices, manifest), "application/vnd.oci.image.manifest.v1+json")]}
    return [("index.json", _json(choices, index)), ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), *files]

"""What fuzzing has found, each once more by hand: the smallest input, and what should come of it."""

from __future__ import annotations

import io
import tarfile

import pytest
import zstandard

from krm_harden import check, harden
from krm_harden.errors import SourceError
from krm_harden.images import layers
from krm_harden.images.sources import DEFAULT_LIMITS, Layer, docker_archive
from krm_harden.images.sources.streams import Spent


@pytest.mark.parametrize("kind", ["[a]", "{a: b}", "[]"])
def test_a_list_whose_kind_is_no_word_is_no_crash(kind):
    """`frame` looked a list up in a set."""
    text = f"kind: {kind}\nitems:\n- a: b\n"

    result = harden(text)

    assert result.text == text
    assert result.resources == ()


@pytest.mark.parametrize("mark", ["\r", "\u2028", "\u2029", "\x85"], ids=["CR", "LS", "PS", "NEL"])
@pytest.mark.parametrize("head", ["#", "# x", "%YAML 1.1", "---\n# y", "   # z"])
def test_a_pod_behind_a_comment_that_only_some_readers_end_is_judged(mark, head):
    """To the API server those are line breaks: the pod is one, and the gate passed it as a comment."""
    text = f"{head}{mark}{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{hostNetwork: true}}}}\n"

    found = check(text)

    assert found.errors or not found.allowed
    assert not harden(f"# x{mark}# y\n").errors


def test_errors_of_the_library_are_a_line_each_whatever_the_name_is():
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: 'a\n\n  b'}\nspec: {containers: [{name: a, image: b}], hostPID: x}\n"

    (error,) = harden(text).errors

    assert error == "line 6: Pod/a b: cannot read spec.hostPID: it must be true or false"


def test_an_archive_whose_zstd_is_damaged_is_refused_in_a_line(tmp_path):
    """zstandard's own error is neither an OSError nor a ValueError."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = 300_000
        tar.addfile(member, io.BytesIO(bytes(number * number % 251 for number in range(300_000))))
    packed = bytearray(zstandard.compress(plain.getvalue()))
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    path = tmp_path / "image.tar"
    path.write_bytes(packed)

    with pytest.raises(SourceError, match=r"isn't a tar .*can't be unpacked"):
        docker_archive.images(str(path))


@pytest.mark.parametrize("packed", [False, True], ids=["layer", "archive"])
def test_a_file_of_a_claimed_size_is_not_skipped_behind_the_end(packed, tmp_path):
    """tarfile read on in steps of 10 kB: 32 GiB claimed took ten seconds, in each of the layers of an image."""
    member = tarfile.TarInfo("a")
    member.size = 1 << 34
    tar = zstandard.compress(member.tobuf(tarfile.GNU_FORMAT) + b"x" * 2000)
    if packed:
        path = tmp_path / "image.tar"
        path.write_bytes(tar)
        with pytest.raises(SourceError, match="ends within a file"):
            docker_archive.images(str(path))
    else:
        kind = "application/vnd.oci.image.layer.v1.tar+zstd"
        layer = Layer("sha256:0", kind, len(tar), "image", "", lambda: io.BytesIO(tar), Spent(DEFAULT_LIMITS))
        with pytest.raises(SourceError, match="ends within a file"):
            layers.read([layer], {})

"""Fleets: units from anywhere, shards that make one report, a cluster that loses a worker."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import fleets
import jsonschema
import pytest
import registry
import yaml
from conftest import ROOT, clean_environment, require, run_cli

from krm_harden.errors import ConfigError, SourceError
from krm_harden.fleet import archives, inventory, limits, names, units
from krm_harden.fleet.units import Shard, Unit
from krm_harden.limits import hold_again, hold_here

SHOP = ROOT / "examples" / "shop"
NOW = {"SOURCE_DATE_EPOCH": "1790000000"}
FLUX = "application/vnd.cncf.flux.content.v1.tar+gzip"
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {{name: team}}
spec: {}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Manifests with all that a folder's run leaves out or alone."""
    folder = tmp_path_factory.mktemp("tree") / "shop"
    shutil.copytree(SHOP, folder)
    for name in ("sub", "charts", "overlay"):
        (folder / name).mkdir()
        shutil.copy(SHOP / "api.yaml", folder / name)
    (folder / "overlay" / "kustomization.yaml").write_text("patches:\n- path: api.yaml\n")
    (folder / "sub" / "ignored.yaml").write_text("not: read\n")
    (folder / ".gitignore").write_text("ignored.yaml\n")
    (folder / "binary.yaml").write_bytes(b"\0\1")
    (folder / "broken.yaml").write_text("kind: [\n")
    return folder


def report(*arguments, cwd=None, code=1, **env):
    """The text of a report in JSON."""
    ran = run_cli("check", "-o", "json", *arguments, cwd=cwd, **{**NOW, **env})
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err, ran.err
    return ran.out


def lines(*entries):
    """An inventory as JSON lines."""
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)


def messages(out):
    return [error["message"] for error in json.loads(out)["errors"]]


def packed(folder, **more):
    """A folder as a compressed tar, and members of other kinds."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        if folder:
            tar.add(folder, ".")
        for name, member in more.items():
            member.name = member.name or name
            tar.addfile(member)
    return out.getvalue()


def member(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


# Shards


def sharded(folder, count, *arguments, **env):
    """The reports of all shards of a run, as files."""
    files = []
    for index in range(1, count + 1):
        files.append(folder / f"{index}-of-{count}.json")
        ran = run_cli("check", "--shard", f"{index}/{count}", "--report", f"json={files[-1]}", *arguments, **NOW, **env)
        assert ran.code in {0, 1, 2}, ran.err
    return files


def merged(*files, code=0):
    ran = run_cli("report", "merge", "-o", "json", *files, **NOW)
    assert ran.code == code, ran.err
    return ran


def test_shards_of_a_folder_make_the_report_of_one_run(tree, tmp_path):
    whole = report(tree, code=2)
    files = sharded(tmp_path, 3, tree)

    assert merged(*files).out == whole
    # In any order, one twice: an artifact of a job that ran again.
    again = tmp_path / "again.json"
    again.write_text(files[0].read_text().replace("2026", "2027", 1))
    assert merged(files[2], again, files[0], files[1]).out == whole
    for form in ("text", "html", "markdown", "junit", "sarif"):
        ran = run_cli("report", "merge", "-o", form, *files)
        assert ran.code == 0, ran.err
        assert b"database" in ran.out or form == "text"


def test_shards_that_are_missing_or_of_another_run_make_no_report(tree, tmp_path):
    files = sharded(tmp_path, 2, tree / "sub", tree / "web.yaml")
    (tmp_path / "other").mkdir()
    more = tree / "database.yaml"
    lists = sharded(tmp_path / "other", 2, tree / "sub", tree / "web.yaml", more)
    (tmp_path / "policy").mkdir()
    levels = sharded(tmp_path / "policy", 2, "--level", "baseline", tree / "sub", tree / "web.yaml")
    changed = json.loads(files[0].read_text())
    changed["warnings"].append("more")
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    whole = tmp_path / "whole.json"
    whole.write_bytes(report(tree / "web.yaml"))
    torn = tmp_path / "torn.json"
    torn.write_text("{")

    for given, said in (
        ([files[1]], "of 2 shards these are missing: 1;"),
        ([files[0], torn], f"missing: 2; {torn}: isn't JSON"),
        ([files[0], lists[1]], "another list of units"),
        ([files[0], levels[1]], "another release, policy or options"),
        ([*files, tmp_path / "changed.json"], "are both shard 1, and differ"),
        ([*files, whole], "is a whole report, and others are shards"),
        ([tmp_path / "changed.json", files[1]], "its units and its lists don't fit together"),
    ):
        ran = merged(*given, code=2)
        assert said in ran.err, ran.err
        assert ran.out == b""


def test_a_shard_may_be_empty_and_not_all_of_them(tmp_path):
    """One that gets no unit, and one whose units hold nothing: of a whole that holds something."""
    (tmp_path / "full").mkdir()
    for name, text in (("empty.yaml", "# later\n"), ("namespace.yaml", NAMESPACE)):
        (tmp_path / "full" / name).write_text(text)
    said = [run_cli("check", "--shard", f"{index}/3", tmp_path / "full") for index in (1, 2, 3)]
    notes = [line for ran in said for line in ran.err.splitlines() if line.startswith("note: shard")]

    assert [ran.code for ran in said] == [0, 0, 0]
    assert sorted(note.partition(" takes ")[2] for note in notes) == [
        "0 of 2 units",
        "1 of 2 units, and they hold no manifests",
    ]
    assert merged(*sharded(tmp_path, 3, tmp_path / "full")).out == report(tmp_path / "full", code=0)


def test_a_whole_without_manifests_fails_with_shards_as_it_does_without(tmp_path):
    folder = tmp_path / "later"
    folder.mkdir()
    assert run_cli("check", "--shard", "1/2", folder).code == run_cli("check", folder).code == 2
    (folder / "empty.yaml").write_text("# later\n")
    assert run_cli("check", folder).code == 2
    ran = merged(*sharded(tmp_path, 2, folder), code=2)
    assert "the shards hold no manifests at all; check what was named" in ran.err
    assert ran.out == b""

    merged(*sharded(tmp_path, 2, folder, "--allow-empty"))


def test_an_exemption_is_unused_only_if_no_shard_uses_it(tmp_path):
    policy = tmp_path / "policy.yaml"
    exemptions = (
        "exemptions: [{match: {names: [web-1]}, controls: ['*'], reason: r}, "
        "{match: {names: [nobody]}, controls: ['*'], reason: r}]"
    )
    policy.write_text(POLICY.format(f"{{{exemptions}}}"))
    for number in range(4):
        (tmp_path / f"{number}.yaml").write_text(fleets.DEPLOYMENT.format(number=number))
    paths = [tmp_path / f"{number}.yaml" for number in range(4)]
    whole = report("--policy", policy, *paths)
    files = sharded(tmp_path, 4, "--policy", policy, *paths)

    assert merged(*files).out == whole
    assert len(json.loads(whole)["warnings"]) == 1
    assert max(len(json.loads(file.read_text())["warnings"]) for file in files) == 2


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("sizes", [(0,), (1, 10, 100, 1000), (5, 0, 3)])
def test_every_unit_is_in_one_shard_and_shards_are_even(count, sizes):
    every = [Unit(f"unit-{n}", "", size) for n, size in zip(range(300), itertools.cycle(sizes), strict=False)]
    taken = [units.of_shard(every, Shard(index, count)) for index in range(1, count + 1)]
    usual = sum(sizes) / max(sum(map(bool, sizes)), 1) or 1
    loads = [sum(every[place].size or usual for place in places) for places in taken]

    assert sorted(itertools.chain(*taken)) == list(range(300))
    assert max(loads) - min(loads) <= max(*sizes, usual) + 1
    assert units.of_shard(every, Shard(1, count)) == taken[0]


def test_the_cut_is_the_same_on_every_machine():
    every = [Unit(f"unit-{n}", "") for n in range(12)]

    assert units.of_shard(every, Shard(2, 3)) == SECOND_OF_THREE
    by_cluster = [Unit(f"unit-{n}", "", world=f"cluster {n % 4}") for n in range(12)]
    for index in (1, 2):
        places = units.of_shard(by_cluster, Shard(index, 2), by_world=True)
        assert {place % 4 for place in places} == {place % 4 for place in range(12) if place in places}
        assert len(places) == 6


SECOND_OF_THREE = [2, 4, 8, 9]


def test_what_the_whole_input_decides_is_decided_cluster_by_cluster(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format("{namespaces: {enforce: auto}}"))
    good = fleets.DEPLOYMENT.format(number=1)
    hardened = run_cli("fix", "-", stdin=good.encode()).out
    entries = []
    for cluster, workload in (("bad", good.encode()), ("good", hardened)):
        for part, data in (("namespace", NAMESPACE.encode()), ("workload", workload)):
            (tmp_path / f"{cluster}-{part}.yaml").write_bytes(data)
            source = f"{cluster}-{part}.yaml"
            entries.append({"name": f"{cluster}/{part}", "source": source, "cluster": cluster})
    listed = tmp_path / "fleet.jsonl"
    listed.write_text(lines(*entries))
    whole = report("--policy", policy, "--inventory", listed)
    files = sharded(tmp_path, 2, "--policy", policy, "--inventory", listed)

    labels = {
        resource["file"]: [finding["path"] for finding in resource["findings"] if finding["state"] == "open"]
        for resource in json.loads(whole)["resources"]
        if resource["kind"] == "Namespace"
    }
    enforced = {name: any("/enforce'" in path for path in paths) for name, paths in labels.items()}
    assert enforced == {
        "bad/namespace/bad-namespace.yaml": False,
        "good/namespace/good-namespace.yaml": True,
    }
    assert merged(*files).out == whole
    ran = run_cli("check", "--policy", policy, "--shard", "1/2", tmp_path)
    assert ran.code == 3
    assert "needs the whole input" in ran.err


# Sources


@pytest.fixture(scope="module")
def peers(tree, tmp_path_factory):
    """An S3 server and a registry that both have the tree, in all shapes."""
    folder = tmp_path_factory.mktemp("peers")
    bucket = folder / "buckets" / "manifests"
    shutil.copytree(tree, bucket / "shop")
    (bucket / "shop.tgz").write_bytes(packed(tree))
    (bucket / "hostile.tar.gz").write_bytes(packed(None, a=member("../../etc/app.yaml", tarfile.REGTYPE)))
    (bucket / "empty").mkdir()
    (bucket / "empty" / "README").write_text("nothing")
    (folder / "registry").mkdir()
    with fleets.store(folder / "buckets") as environment, registry.docker_registry(folder / "registry") as there:
        push(there.host, tree, folder)
        yield environment, there.host


def push(host, tree, folder):
    """What oras and crane make of the tree: files, a folder, a tar as Flux has it, an image."""
    oras = [require("oras"), "push", "--plain-http", "--no-tty"]
    files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.name != "README.md")
    files = [name for name in files if (tree / name).is_file()]
    (folder / "shop.tar.gz").write_bytes(packed(tree))
    config = folder / "config.json"
    config.write_text("{}")
    flux = "application/vnd.cncf.flux.config.v1+json"
    for command in (
        [*oras, f"{host}/shop:files", *(f"{name}:application/yaml" for name in files)],
        [*oras, f"{host}/shop:folder", "./"],
        [*oras, "--disable-path-validation", "--config", f"{config}:{flux}", f"{host}/shop:flux",
         f"{folder / 'shop.tar.gz'}:{FLUX}"],
        [*oras, f"{host}/shop:chart", "web.yaml:application/vnd.cncf.helm.chart.content.v1.tar+gzip"],
        [*oras, f"{host}/shop:other", "README.md:text/markdown"],
        [require("crane"), "append", "--insecure", "-f", str(folder / "shop.tar.gz"), "-t", f"{host}/shop:image"],
    ):  # fmt: skip
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, env=clean_environment(), check=False)
        assert done.returncode == 0, done.stderr


def test_every_kind_of_source_gives_the_same_report(tree, peers, tmp_path):
    environment, host = peers
    (tmp_path / "shop.tgz").write_bytes(packed(tree))
    sources = [str(tree), "shop.tgz", f"file://{tree}", "s3://manifests/shop", "s3://manifests/shop/"]
    sources += [
        "s3://manifests/shop.tgz",
        *(f"oci://{host}/shop:{tag}" for tag in ("files", "folder", "flux", "image")),
    ]
    listed = tmp_path / "fleet.jsonl"
    listed.write_text(lines(*({"name": f"e{number}", "source": source} for number, source in enumerate(sources))))
    found = json.loads(report("--inventory", listed, code=2, **environment))

    each = [
        [
            {**one, "findings": [{**finding, "fingerprint": ""} for finding in one.get("findings", [])]}
            for field in ("resources", "notExamined", "errors")
            for one in json.loads(
                json.dumps(found[field]).replace(f'"e{number}/', '"/').replace(f"of e{number}/", "of /")
            )
            if one["file"].startswith("/")
        ]
        for number in range(len(sources))
    ]
    assert len(each[0]) > 8
    assert {one["file"] for one in each[0] if "message" in one} >= {"/broken.yaml"}
    for number, source in enumerate(sources):
        assert each[number] == each[0], source
    assert [unit["name"] for unit in found["units"]] == [f"e{number}" for number in range(len(sources))]
    assert all(unit["digest"].startswith("sha256:") for unit in found["units"])


def test_urls_stand_beside_folders_and_fit_into_shards(tree, peers, tmp_path):
    environment, host = peers
    paths = (tree / "sub", "s3://manifests/shop", f"oci://{host}/shop:flux")
    whole = report(*paths, code=2, **environment)
    files = sharded(tmp_path, 3, *paths, **environment)

    assert merged(*files).out == whole
    named = {resource["file"] for resource in json.loads(whole)["resources"]}
    assert {f"oci://{host}/shop:flux/web.yaml", "s3://manifests/shop/web.yaml"} <= named
    log = json.loads(run_cli("check", "-o", "sarif", *paths, **environment).out)
    places = {
        json.dumps(result["locations"][0]["physicalLocation"]["artifactLocation"])
        for result in log["runs"][0]["results"]
    }
    assert '{"uri": "s3://manifests/shop/web.yaml"}' in places


def test_an_inventory_may_lie_in_the_store_and_names_what_is_beside_it(peers, tmp_path):
    environment, _ = peers
    bucket = tmp_path / "buckets" / "lists"
    bucket.mkdir(parents=True)
    (bucket / "fleet.yaml").write_text(
        "apiVersion: krm-harden.dev/v1alpha1\nkind: Inventory\nspec:\n  entries:\n  - {name: a, source: apps/}\n"
    )
    (bucket / "apps").mkdir()
    shutil.copy(SHOP / "web.yaml", bucket / "apps")
    with fleets.store(tmp_path / "buckets") as there:
        found = json.loads(report("--inventory", "s3://lists/fleet.yaml", **there))
        ran = run_cli("check", "--inventory", "s3://lists/none.yaml", **there)

    assert found["resources"][0]["file"] == "a/web.yaml"
    assert ran.code == 3
    assert "s3://lists/none.yaml: the inventory can't be read: isn't there" in ran.err
    del environment


def test_a_unit_that_cannot_be_had_stops_no_other_and_tells_no_secret(tree, peers, tmp_path):
    environment, host = peers
    with fleets.web(fleets.Web({}, most=0)) as silent:
        entries = {
            "gone": "s3://manifests/nothing-here.yaml",
            "bucket": "s3://no-bucket/x/",
            "empty": "s3://manifests/empty/",
            "hostile": "s3://manifests/hostile.tar.gz",
            "repository": f"oci://{host}/none:1",
            "tag": f"oci://{host}/shop:none",
            "chart": f"oci://{host}/shop:chart",
            "refused": "oci://127.0.0.1:1/x:1",
            "web": "https://user:pa55word@127.0.0.1:1/a.yaml?X-Signature=5ecret",
            "silent": f"{silent.address}/a.yaml?token=5ecret",
            "unknown": "nothing://x/y",
            "local": "no-such-folder",
            "good": str(tree / "web.yaml"),
        }
        listed = tmp_path / "fleet.jsonl"
        listed.write_text(lines(*({"name": name, "source": source} for name, source in entries.items())))
        ran = run_cli("check", "-o", "json", "--timeout", "8", "--inventory", listed, **environment)

    assert ran.code == 2
    found = json.loads(ran.out)
    said = {error["file"]: error["message"] for error in found["errors"]}
    assert said.keys() == entries.keys() - {"good"}
    assert [resource["file"] for resource in found["resources"]] == ["good/web.yaml"]
    for name, part in (
        ("gone", "holds no manifests"),
        ("bucket", "isn't there"),
        ("empty", "holds no manifests; check the source"),
        ("hostile", "holds a file outside of itself (../../etc/app.yaml)"),
        ("repository", "doesn't exist"),
        ("tag", "tag none doesn't exist"),
        ("chart", "is a Helm chart, not rendered"),
        ("refused", "refused"),
        ("web", "https://127.0.0.1:1/a.yaml: can't be reached"),
        ("silent", "isn't read within 8 seconds"),
        ("unknown", "no such kind of place is known"),
        ("local", "there is no such file or folder"),
    ):
        assert part in said[name], said[name]
        assert ";" in said[name] or "helm" in said[name], said[name]
    for secret in ("pa55word", "5ecret", fleets.SECRET):
        assert secret not in ran.err + ran.out.decode()
    denied = run_cli("check", "s3://manifests/shop", **{**environment, "AWS_SECRET_ACCESS_KEY": "wrong-and-long"})
    assert denied.code == 2
    assert "access is denied; check the credentials" in denied.err
    other = run_cli("check", f"oci://{host}/shop:other")
    assert other.code == 2
    assert "shop:other: holds no manifests" in other.err


HOSTILE = {
    "above": (member("../x.yaml", tarfile.REGTYPE), "outside of itself"),
    "absolute": (member("/etc/x.yaml", tarfile.REGTYPE), "outside of itself"),
    "hidden": (member("a/../../x.yaml", tarfile.REGTYPE), "outside of itself"),
    "device": (member("null.yaml", tarfile.CHRTYPE), "what is no file"),
    "pipe": (member("pipe.yaml", tarfile.FIFOTYPE), "what is no file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_means_no_good_is_refused(name):
    bad, said = HOSTILE[name]

    with pytest.raises(SourceError, match=said):
        archives.Contents("x.tgz").take(io.BytesIO(packed(None, bad=bad)))


def test_an_archives_links_are_named_and_not_followed(tmp_path):
    (tmp_path / "a.tgz").write_bytes(
        packed(
            SHOP,
            a=member("link.yaml", tarfile.SYMTYPE, "/etc/passwd"),
            b=member("hard.yaml", tarfile.LNKTYPE, "web.yaml"),
        )
    )
    (tmp_path / "fleet.jsonl").write_text(lines({"name": "a", "source": "a.tgz"}))
    found = json.loads(report("--inventory", tmp_path / "fleet.jsonl"))

    notes = {note["file"]: note["reason"] for note in found["notExamined"]}
    assert notes["a/link.yaml"] == "a link to /etc/passwd: those of an archive aren't followed"
    assert notes["a/hard.yaml"].startswith("a link to web.yaml")


def test_bombs_end_at_their_limits(monkeypatch):
    monkeypatch.setattr(limits, "RATIO_FROM", 1 << 20)
    big = tarfile.TarInfo("padding.bin")
    big.size = 64 << 20
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(big, io.BytesIO(bytes(big.size)))
    for data, limit, said in (
        (out.getvalue(), "layerRatio=200", "unpacks to more than 200 times its size"),
        (out.getvalue(), "layerBytes=4096", "is larger than 4 KiB unpacked"),
        (packed(SHOP), "sourceFiles=3", "holds more than 3 files"),
        (packed(SHOP), "sourceBytes=100", "holds more than 100 B of manifests"),
        (packed(SHOP), "bytes=50", "is larger than 50 B"),
    ):
        name, _, value = limit.partition("=")
        before = hold_here({name: int(value)})
        try:
            with pytest.raises(SourceError) as caught:
                archives.Contents("x.tgz").take(io.BytesIO(data))
        finally:
            hold_again(before)
        assert f"x.tgz: {said} (limit {limit}); " in str(caught.value)
        assert f"raise it: --limit {name}=" in str(caught.value)


SOURCES = {
    "a file": ("here/web.yaml", "bytes=500", "larger than 500 bytes"),
    "a folder's file": ("here", "bytes=500", "is larger than 500 B"),
    "a folder": ("here", "sourceBytes=1500", "holds more than 1.5 KiB of manifests"),
    "a folder's files": ("here", "sourceFiles=1", "holds more than 1 files"),
    "an archive": ("a.tgz", "sourceBytes=1500", "holds more than 1.5 KiB of manifests"),
    "an archive's file": ("a.tgz", "bytes=500", "is larger than 500 B"),
    "an archive's files": ("a.tgz", "sourceFiles=1", "holds more than 1 files"),
    "an ignore file": ("ignoring", "bytes=500", "is larger than 500 B"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_beyond_a_limit_is_an_error_of_its_entry_that_names_the_limit(kind, tmp_path):
    source, limit, said = SOURCES[kind]
    for folder, names_ in {"here": ("a", "web"), "ignoring": ("a",), "ok": ("ok",)}.items():
        (tmp_path / folder).mkdir()
        for name in names_:
            text = NAMESPACE + "#" * 1000 * (folder == "here") + "\n"
            (tmp_path / folder / f"{name}.yaml").write_text(text)
    (tmp_path / "ignoring" / ".krmignore").write_text("#" * 501)
    (tmp_path / "a.tgz").write_bytes(packed(tmp_path / "here"))
    entries = lines({"name": "a", "source": source}, {"name": "ok", "source": "ok"})
    ran = run_cli("check", "--inventory", "-", "-o", "json", "--limit", limit, cwd=tmp_path, stdin=entries.encode())
    ((file, message),) = [(error["file"], error["message"]) for error in json.loads(ran.out)["errors"]]

    assert ran.code == 2
    assert file.startswith("a")
    assert f"{said} (limit {limit}); " in message
    assert f"raise it: --limit {limit.partition('=')[0]}=" in message


def test_an_inventory_beyond_a_limit_names_it(tmp_path):
    (tmp_path / "fleet.jsonl").write_text(lines({"name": "a", "source": "b"}))
    for given in ("fleet.jsonl", "-"):
        ran = run_cli("check", "--inventory", given, "--limit", "bytes=20", cwd=tmp_path, stdin=b" " * 21)
        assert ran.code in {2, 3}
        assert "larger than 20 bytes (limit bytes=20); raise it: --limit bytes=" in ran.err


# Inventories and command lines


@pytest.mark.parametrize(
    "text, said",
    [
        ("a: b", "kind must be Inventory"),
        ("apiVersion: v1\nkind: Inventory", "apiVersion must be one of krm-harden.dev/v1alpha1, krm-harden.dev/v1"),
        (lines({"name": "a"}), r"spec.entries\[0\].source is missing"),
        (lines({"name": "a", "source": "x", "sorce": "y"}), r"spec.entries\[0\].sorce is unknown"),
        (lines({"name": "../a", "source": "x"}), r"spec.entries\[0\].name must be letters"),
        (lines({"name": "-", "source": "x"}), r"spec.entries\[0\].name must be letters"),
        (lines({"name": "a", "source": "x"}, {"name": "a", "source": "y"}), "two entries are called a"),
        (lines({"name": "a", "source": "x"}, {"name": "a/b", "source": "y"}), "lies within the entry a"),
        (lines({"name": "a", "source": "x"}) + "{", "isn't an inventory"),
        ("kind: [", "isn't an inventory"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_inventory_is_said(text, said):
    with pytest.raises(ConfigError, match=said):
        inventory.entries(text.encode(), "fleet.yaml")


def test_the_schema_of_inventories_takes_the_example():
    schema = json.loads(run_cli("schema", "--inventory").out)
    jsonschema.Draft7Validator.check_schema(schema)
    data = yaml.safe_load((ROOT / "examples" / "fleet" / "fleet.yaml").read_text())

    jsonschema.validate(data, schema)
    data["spec"]["entries"][0]["sorce"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="sorce"):
        jsonschema.validate(data, schema)


def test_an_inventory_from_elsewhere_names_no_files_of_this_machine():
    for source in ("/etc/shadow", "../x", "file:///etc/shadow"):
        with pytest.raises(ConfigError, match="source must be a URL"):
            inventory.entries(lines({"name": "a", "source": source}).encode(), "s3://bucket/lists/fleet.jsonl")
    (unit,) = inventory.entries(lines({"name": "a", "source": "./b/"}).encode(), "s3://bucket/lists/fleet.jsonl")
    assert unit.source == "s3://bucket/lists/b"


def test_command_lines_that_make_no_sense_say_so(tmp_path):
    web = SHOP / "web.yaml"
    for arguments, said in (
        ([], "nothing to check is named"),
        (["--shard", "0/2", web], "must be I/N"),
        (["--shard", "3/2", web], "must be I/N"),
        (["--shard", "1/2", "-"], "standard input goes with files of this machine alone"),
        (["--shard", "1/2", "--watch", web], "--watch goes with"),
        (["--shard", "1/2", "--level", "baseline,restricted", web], "needs the whole run"),
        (["--shard", "1/2", "--baseline", tmp_path / "b.yaml", web], "--baseline needs the whole run"),
        (["--inventory", tmp_path / "none.yaml"], "the inventory can't be read"),
        (["--inventory", web, web], "exclude each other"),
        (["--timeout", "0", web], "must be seconds"),
    ):
        ran = run_cli("check", *arguments)
        assert ran.code == 3, (arguments, ran.err)
        assert said in ran.err, ran.err
    for command in ("fix", "patches"):
        ran = run_cli(command, "s3://key:pa55word@bucket/x")
        assert ran.code == 3
        assert "s3://bucket/x: is a URL, and this command works on files; `krm-harden check` reads it" in ran.err


def test_secrets_are_taken_out_of_names_and_messages():
    assert names.shown("https://me:pa55@host/a?sig=1#x") == "https://host/a"
    assert names.shown("s3://bucket/a?b#c") == "s3://bucket/a?b#c"
    assert names.shown("oci://host/a@sha256:1") == "oci://host/a@sha256:1"
    said = names.scrubbed("no https://u:p@h/x?sig=1 for topsecretvalue\nat all", {"MY_TOKEN": "topsecretvalue"})
    assert said == "no https://h/x for *** at all"


def test_a_run_over_files_imports_nothing_of_fleets():
    code = (
        "import sys; from krm_harden.cli import main; code = main(['check', '-qq', sys.argv[1]]); "
        "print([n for n in sys.modules if n.partition('.')[0] in ('fsspec', 'distributed', 's3fs', 'dask') "
        "or n.startswith('krm_harden.fleet')], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SHOP)], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert done.stdout == "[] 1\n", done.stderr


# The cluster


def many(count):
    """The files of a site with so many units."""
    return {
        f"/{number}.yaml": "---\n".join(fleets.DEPLOYMENT.format(number=10 * number + n) for n in range(2)).encode()
        for number in range(count)
    }


@pytest.fixture(scope="module")
def workers():
    with fleets.cluster() as made:
        yield made


def listed(site, folder, local=SHOP):
    """The inventory of a site's files, with a folder of this machine among them."""
    entries = [{"name": name.strip("/"), "source": f"{site.address}{name}"} for name in site.files]
    path = folder / "fleet.jsonl"
    path.write_text(lines(*entries, {"name": "here", "source": str(local)}))
    return path


def test_a_lost_worker_costs_nothing_and_counts_nothing_twice(workers, tmp_path):
    workers.add()
    workers.add()
    with fleets.web(fleets.Web(many(120))) as site:
        inventory_ = listed(site, tmp_path)
        plain = report("--inventory", inventory_)
        site.asked.clear()
        site.most = 60
        command = [sys.executable, "-m", "krm_harden", "check", "-o", "json", "--inventory", str(inventory_)]
        with subprocess.Popen(
            [*command, "--scheduler", workers.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(**NOW),
        ) as running:
            assert site.reached.wait(120)
            # Both wait for an answer now: whichever dies has something in its hands.
            workers.kill(0)
            site.go_on.set()
            out, err = running.communicate(timeout=200)

    assert running.returncode == 1, err.decode()
    assert out == plain
    assert len(site.asked) > len(set(site.asked)) == 120  # what was lost was done again
    assert b"Traceback" not in err


LIMITS = {
    "the command line": (("--limit", "documents=1"), {}),
    "the environment": ((), {"KRM_HARDEN_LIMITS": "documents=1"}),
    "the policy": (("--policy", "limited.yaml"), {}),
}


@pytest.mark.parametrize("way", LIMITS)
def test_limits_hold_on_workers_from_wherever_they_come(way, workers, tmp_path):
    """The worker itself has none, and has them no more for the next run."""
    arguments, env = LIMITS[way]
    (tmp_path / "limited.yaml").write_text(POLICY.format("{limits: {documents: 1}}"))
    workers.add()
    with fleets.web(fleets.Web(many(3))) as site:
        given = ("--inventory", listed(site, tmp_path), "--scheduler", workers.address)
        found = messages(report(*given, *arguments, cwd=tmp_path, code=2, **env))
        after = messages(report(*given))

    assert sum("(limit documents=1); raise it: --limit documents=" in message for message in found) >= 3
    assert after == []


def test_what_a_worker_reads_is_bounded_by_what_the_command_line_says(workers, tmp_path):
    workers.add()
    with fleets.web(fleets.Web({name: text + b"#" * 500 for name, text in many(3).items()})) as site:
        given = ("--inventory", listed(site, tmp_path), "--scheduler", workers.address)
        found = messages(report(*given, "--limit", "bytes=500", code=2))

    beyond = [message for message in found if "is larger than 500 B (limit bytes=500)" in message]
    assert sum(message.startswith("http:") for message in beyond) == 3


def test_more_depth_than_a_workers_threads_have_is_refused():
    ran = run_cli("check", "--scheduler", "tcp://127.0.0.1:1", "--limit", "depth=301", SHOP)

    assert ran.code == 3
    assert "a cluster's workers take depth=300 at most, not 301" in ran.err


def test_ctrl_c_leaves_nothing_to_do_behind(workers, tmp_path):
    workers.add()
    with fleets.web(fleets.Web(many(200), most=20)) as site:
        command = [sys.executable, "-m", "krm_harden", "check", "--inventory", str(listed(site, tmp_path))]
        with subprocess.Popen(
            [*command, "--scheduler", workers.address], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            env=clean_environment(),
        ) as running:  # fmt: skip
            assert site.reached.wait(120)
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=60)
        asked = len(site.asked)
        site.go_on.set()
        time.sleep(2)

        assert len(site.asked) - asked < 40  # what was begun, no more
    assert running.returncode == 130, err.decode()
    assert b"Traceback" not in err


def test_workers_of_another_release_are_refused(tmp_path):
    other = tmp_path / "other"
    shutil.copytree(ROOT / "krm_harden", other / "krm_harden", ignore=shutil.ignore_patterns("__pycache__"))
    init = other / "krm_harden" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    with fleets.cluster() as made:
        made.add(other)
        ran = run_cli("check", "--scheduler", made.address, SHOP)

    assert ran.code == 2
    assert "a worker has krm-harden 9." in ran.err
    assert "pip install krm-harden==" in ran.err


def test_a_cluster_of_this_machines_own_says_the_same(tree):
    fleets.library("distributed")

    assert report("--distributed", "--jobs", "2", tree, code=2) == report(tree, code=2)


def test_a_scheduler_that_is_not_there_is_an_error_of_one_line():
    fleets.library("distributed")
    ran = run_cli("check", "--scheduler", f"tcp://127.0.0.1:{registry.free_port()}", SHOP)

    assert ran.code == 2
    assert "the scheduler can't be reached" in ran.err
    assert "Traceback" not in ran.err


# The example


def test_the_example_as_its_readme_says(tmp_path):
    readme = (ROOT / "examples" / "fleet" / "README.md").read_text()
    commands = [line.split()[1:] for line in readme.splitlines() if line.startswith("    krm-harden")]
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns(".expected"))
    done = [run_cli(*command, cwd=tmp_path / "examples", **NOW) for command in commands]
    whole = run_cli("check", "-o", "json", *commands[0][1:5], cwd=tmp_path / "examples", **NOW)
    found = json.loads(done[-1].out)
    said = json.dumps({name: found[name] for name in ("units", "summary")}, indent=2) + "\n"

    assert [ran.code for ran in done] == [1, 1, 0]
    assert done[-1].out == whole.out
    expected = ROOT / "examples" / "fleet" / ".expected" / "summary.json"
    if os.environ.get("UPDATE_EXAMPLES") == "1":
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(said)
    assert expected.read_text() == said

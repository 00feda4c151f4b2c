"""The container image and the folder that it carries, run as their users run them: podman, kustomize, kubectl, kpt,
argocd-cmp-server as a sidecar, a machine without Python.

Skipped where scripts/image.sh hasn't built the image of this checkout.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import argocd
import containers
import pytest
import yaml
from clients import PLUGINS, build, deployments, diff, harden, judged, resource_list, texts
from clients import run as client
from conftest import ROOT, clean_environment, require, run_cli
from containers import BASE, IMAGE, LOCKED, NOBODY, podman, program, run

from krm_harden import __version__
from krm_harden.commands import copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIZE = 58_000_000
"""55 MB as measured, and a margin for new releases of what is in it."""
START = 1.5
"""What a start may cost in the image, in processor time, against the same on the machine; 0.6 as measured."""
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "env", "perl", "apt", "apt-get", "dpkg", "apk", "pip", "pip3"}
EXAMPLE = ROOT / "examples" / "kustomize-container"
SHOP_PODS = 4
ITEMS = resource_list(deployments(3)).encode()


@pytest.fixture(scope="module", autouse=True)
def image():
    containers.ready()


@pytest.fixture
def as_docker(monkeypatch, tmp_path):
    """kustomize and kpt see the image's store, and podman under the name docker."""
    monkeypatch.setenv("PATH", containers.docker_is_podman(tmp_path / "docker-bin"))
    for name, value in containers.settings().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder as an init container copies it: by the image itself, as nobody, into a volume that belongs to root."""
    tools = volume(tmp_path_factory.mktemp("copied") / "tools")
    ran = run("copy", "/tools", options=(*NOBODY, *LOCKED, "-v", f"{tools}:/tools"))
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    return tools


# What is in it


def test_the_image_is_small():
    size = containers.config()["Size"]

    print(f"{size / 1e6:.1f} MB")
    assert size < SIZE


def test_the_image_says_what_it_is():
    labels = containers.config()["Labels"]
    own = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}

    assert own["title"] == "krm-harden"
    assert own["version"] == __version__
    assert own["licenses"] == "Apache-2.0"
    assert own["source"] == "https://github.com/krm-harden/krm-harden"
    assert re.fullmatch("[0-9a-f]{40}|unknown", own["revision"])
    assert "restricted" in own["description"]


def test_a_build_by_hand_has_the_same_version():
    assert f"\nARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_the_image_starts_krm_harden_as_a_user_that_is_a_number():
    config = containers.config()["Config"]

    assert config["User"] == "65534:65534"
    assert config["Entrypoint"] == ["krm-harden"]


def test_there_is_no_shell_and_no_package_manager():
    names = {Path(path).name for path, member in containers.files().items() if not member.isdir()}

    assert "krm-harden" in names
    assert names & SHELLS == set()


def test_there_is_no_library_but_in_the_folder():
    """So the image itself shows that the folder needs none of the machine."""
    outside = [path for path in containers.files() if ".so" in path and not path.startswith("opt/krm-harden/lib/")]

    assert outside == []


def test_nothing_in_it_can_be_changed_or_gives_rights():
    members = {path: member for path, member in containers.files().items() if not member.issym()}
    made_by_podman = {"dev", "etc", "proc", "run", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"}
    mine = {path: member for path, member in members.items() if path not in made_by_podman}

    assert [path for path, member in mine.items() if member.mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [path for path, member in mine.items() if member.mode & stat.S_IWOTH] == ["tmp"]
    assert {path: member.uid for path, member in mine.items() if member.uid} == {"home/argocd": 999}


def test_the_users_of_the_clients_have_names():
    lines = containers.content("etc/passwd").decode().splitlines()
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in lines}

    assert users == {"root": 0, "argocd": 999, "nobody": 65534}
    assert {line.rpartition(":")[2] for line in lines} == {"/sbin/nologin"}


@pytest.mark.parametrize("place", ["usr/share/doc", "opt/krm-harden/share/doc"])
def test_the_sbom_names_all_that_is_in_it_and_no_more(place):
    sbom = json.loads(containers.content(f"{place}/krm-harden/sbom.cdx.json"))
    has = {(part["name"], part["version"]) for part in sbom["components"]}

    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert (sbom["metadata"]["component"]["name"], sbom["metadata"]["component"]["version"]) == (
        "krm-harden",
        __version__,
    )
    python = {tuple(line) for line in map(metadata, found(r".*\.dist-info/METADATA"))} - {("krm-harden", __version__)}
    assert {"PyYAML", "jsonpatch"} <= {name for name, _ in python}
    debian = {tuple(line) for line in map(metadata, found(r"var/lib/dpkg/status\.d/.+"))}
    licensed = {path.split("/")[-2] for path in found(rf"{place}/.+/copyright")}
    assert has == python | {(name, version) for name, version in debian if name in licensed or place.startswith("usr")}
    assert all(part["purl"].startswith(("pkg:pypi/", "pkg:deb/debian/")) for part in sbom["components"])


def test_each_package_comes_with_its_licence():
    packages = {name for name, _ in map(metadata, found(r"var/lib/dpkg/status\.d/.+"))}
    licensed = {path.split("/")[-2] for path in found(r".*share/doc/.+/copyright")}

    assert packages == licensed
    assert "libssl3" in packages
    assert containers.content("opt/krm-harden/share/doc/krm-harden/LICENSE") == (ROOT / "LICENSE").read_bytes()


def found(pattern: str) -> list[str]:
    return [path for path in containers.files() if re.fullmatch(pattern, path)]


def metadata(path: str) -> tuple[str, str]:
    """The name and the version that a package's own file says."""
    lines = dict(line.partition(": ")[::2] for line in containers.content(path).decode().split("\n\n")[0].splitlines())
    return lines.get("Name") or lines["Package"], lines["Version"]


# As a function


@pytest.mark.parametrize("user", ["nobody", "65534", "999", "0", "1000680000:0"])
def test_a_function_under_every_user_says_what_it_says_outside(user):
    ran = run(options=("--user", user, *LOCKED), stdin=ITEMS)

    assert (ran.code, ran.out, ran.err) == (0, harden(ITEMS).out, harden(ITEMS).err)


def test_it_needs_no_home_and_no_environment():
    ran = run(options=(*NOBODY, *LOCKED, "-e", "HOME=/nonexistent", "-e", "TMPDIR=/nonexistent"), stdin=ITEMS)

    assert (ran.code, ran.out) == (0, harden(ITEMS).out)


def test_a_start_in_the_image_costs_no_more_than_outside():
    """In processor time: a start of `--version` twenty times, inside and outside."""
    code = (
        "import resource, subprocess, sys\n"
        "for _ in range(20): subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print((used.ru_utime + used.ru_stime) / 20)\n"
    )
    outside = [sys.executable, "-c", code, sys.executable, "-m", "krm_harden", "--version"]
    ratios = []
    for _ in range(3):
        base = subprocess.run(outside, capture_output=True, check=True, env=clean_environment(), cwd=ROOT)
        loader, *interpreter = python(Path("/opt/krm-harden"), found("opt/krm-harden/(?:bin|lib)/[^/]+"))
        inside = program(loader, *interpreter, "-ISc", code, "/opt/krm-harden/krm-harden", "--version")
        assert inside.code == 0, inside.err
        ratios.append(float(inside.out) / float(base.stdout))
        print(f"{float(inside.out) * 1000:.1f} ms inside, {float(base.stdout) * 1000:.1f} ms outside")
        if ratios[-1] < START:
            return
    pytest.fail(f"ratios {ratios}")


def python(folder: Path, paths: Iterable[str]) -> list[str]:
    """The command for the interpreter of a folder with these paths, as the launcher makes it."""
    names = {Path(path).name for path in paths}
    loader, interpreter = (
        next(name for name in names if re.match(like, name)) for like in ("ld-linux", r"python3\.\d+")
    )
    return [f"{folder}/lib/{loader}", "--library-path", f"{folder}/lib", f"{folder}/bin/{interpreter}"]


def test_kustomize_runs_the_container_to_the_bytes_of_exec(as_docker):
    by_exec = build(ROOT / "examples" / "kustomize-exec", flags=PLUGINS)
    plain = build(ROOT / "examples" / "shop", flags=())
    container = build(EXAMPLE, flags=("--enable-alpha-plugins",))

    assert (container.code, container.out) == (0, by_exec.out)
    changed = diff(plain.out, container.out)
    assert changed.inserted
    assert not changed.removed
    expected = (EXAMPLE / ".expected" / "diff.patch").read_text()
    assert expected == (ROOT / "examples" / "kustomize-exec" / ".expected" / "diff.patch").read_text()
    assert changed.inserted == [line[1:] for line in expected.splitlines() if re.match(r"\+(?!\+)", line)]
    assert run("check", "-", stdin=container.out).code == 0
    assert run("check", "-", stdin=plain.out).code == 1


def test_kubectl_runs_the_container_to_the_bytes_of_exec(as_docker):
    by_exec = build(ROOT / "examples" / "kustomize-exec", flags=PLUGINS)
    container = client(require("kubectl"), "kustomize", "--enable-alpha-plugins", EXAMPLE)

    assert (container.code, container.out) == (0, by_exec.out)


def test_what_the_container_finds_reaches_the_user_of_kustomize(as_docker, tmp_path):
    shutil.copytree(EXAMPLE.parent / "shop", tmp_path / "shop")
    shutil.copytree(EXAMPLE, tmp_path / "app")
    (tmp_path / "shop" / "web.yaml").write_text(
        deployments(1).replace("containers:", "hostNetwork: true\n      containers:")
    )
    ran = build(tmp_path / "app", flags=("--enable-alpha-plugins",))

    assert ran.code == 1
    assert ran.out == b""
    assert "error: Deployment/web-0: hostNamespaces" in ran.err


def test_kpt_runs_the_container_to_the_files_of_exec(as_docker, monkeypatch, tmp_path):
    monkeypatch.setenv("KPT_FN_RUNTIME", "podman")
    for name in ("by-exec", "by-image"):
        shutil.copytree(ROOT / "examples" / "kpt-imperative", tmp_path / name)
    kpt = require("kpt")
    settings = ("--", "numericUser.uid=1500")
    by_exec = client(kpt, "fn", "eval", tmp_path / "by-exec", "--exec", "krm-harden", *settings)
    image = ("--image", IMAGE, "--image-pull-policy", "never")
    by_image = client(kpt, "fn", "eval", tmp_path / "by-image", *image, *settings)

    assert (by_exec.code, by_image.code) == (0, 0), by_image.err
    assert f'[PASS] "{IMAGE}"' in by_image.err
    assert texts(tmp_path / "by-exec") == texts(tmp_path / "by-image")
    assert diff(ROOT / "examples" / "kpt-imperative" / "relay.yaml", tmp_path / "by-image" / "relay.yaml") != ([], [])


# As a Job, as a gate, as a sidecar


def test_the_job_of_the_example_is_in_order_and_runs(tmp_path):
    job = EXAMPLE / "job.yaml"
    pod = yaml.safe_load(job.read_text())["spec"]["template"]["spec"]
    (arguments,) = (container["args"] for container in pod["containers"])
    write(
        tmp_path, {"policy/policy.yaml": (EXAMPLE / "policy.yaml").read_text(), "manifests/job.yaml": job.read_text()}
    )
    mounts = ("-v", f"{tmp_path}/policy:/policy:ro", "-v", f"{tmp_path}/manifests:/manifests:ro")
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"

    assert run_cli("check", job).code == 0
    assert run_cli("fix", "--diff", job).out == b""
    assert run(*arguments, options=("--user", user, *LOCKED, *mounts)).code == 0
    write(tmp_path, {"manifests/web.yaml": deployments(1)})
    assert run(*arguments, options=("--user", user, *LOCKED, *mounts)).code == 1


def test_it_mends_the_files_of_the_user_that_it_runs_as(tmp_path):
    write(tmp_path, {"mine/deploy/web.yaml": deployments(1), "outside/web.yaml": deployments(1)})
    mine = tmp_path / "mine"
    for path in (mine, *mine.rglob("*")):
        os.chown(path, 1234, 1234)
    ran = run("fix", "deploy", options=("--user", "1234:1234", *LOCKED, "-v", f"{mine}:/work", "-w", "/work"))

    assert (ran.code, run_cli("fix", tmp_path / "outside").code) == (0, 0), ran.err
    assert texts(mine / "deploy") == texts(tmp_path / "outside") != {"web.yaml": deployments(1)}
    assert (mine / "deploy" / "web.yaml").stat().st_uid == 1234


def test_tini_starts_it_as_the_user_of_argo_cd():
    ran = program("tini", "--", "krm-harden", "--version", options=("--user", "999", *LOCKED))

    assert (ran.code, ran.out.decode()) == (0, f"krm-harden {__version__}\n")


def test_a_sidecar_of_argo_cd(tmp_path):
    """The real server below tini in our image, called by the code of the real repo-server."""
    generate = require("argocd-repogen")
    write(tmp_path, {"plugin.yaml": PLUGIN, "application.yaml": APPLICATION, "repo/app/web.yaml": deployments(2)})
    mounts = {
        require("argocd-cmp-server"): "/var/run/argocd/argocd-cmp-server:ro",
        EXAMPLE / "policy.yaml": "/etc/krm-harden/policy.yaml:ro",
        tmp_path / "plugin.yaml": "/home/argocd/cmp-server/config/plugin.yaml:ro",
        volume(tmp_path / "plugins"): "/home/argocd/cmp-server/plugins",
        volume(tmp_path / "tmp"): "/tmp",
    }
    options = [part for source, target in mounts.items() for part in ("-v", f"{source}:{target}")]
    command = ("--", "/var/run/argocd/argocd-cmp-server")
    with containers.started("tini", *command, options=("--user", "999", *LOCKED, *options)) as logs:
        wait_for(tmp_path / "plugins" / "krm-harden.sock", logs)
        done = subprocess.run(
            [generate, "-app", tmp_path / "application.yaml", "-repo", tmp_path / "repo"],
            capture_output=True,
            env=clean_environment(ARGOCD_PLUGINSOCKFILEPATH=str(tmp_path / "plugins")),
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode() + logs()

    manifests = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [each["metadata"]["name"] for each in manifests] == ["web-0", "web-1"]
    assert run_cli("check", "-", stdin="\n---\n".join(map(json.dumps, manifests)).encode()).code == 0


def write(folder: Path, named: dict[str, str]) -> None:
    for name, text in named.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def volume(folder: Path) -> Path:
    """An emptyDir, as a kubelet makes it: root's, and open to all."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def wait_for(path: Path, logs: Callable[[], str], seconds: int = 60) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, logs()
        time.sleep(0.05)


PLUGIN = """\
apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata:
  name: krm-harden
spec:
  generate:
    command: [krm-harden, fn, /etc/krm-harden/policy.yaml, web.yaml]
"""
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  namespace: argocd
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  source:
    repoURL: https://git.example/shop.git
    targetRevision: main
    path: app
    plugin: {name: krm-harden}
"""


# The folder without the image


def in_nothing(folder: Path, *arguments: str | Path, stdin: bytes = b"", **environment: str) -> tuple[int, bytes, str]:
    """The folder's krm-harden with no variable set, but those given."""
    done = subprocess.run(
        [folder / "krm-harden", *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
        cwd="/",
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_the_folder_runs_where_there_is_no_python(folder):
    """On a Debian without Python, at a path that it wasn't built for, by a user without a name."""
    options = ("--rm", "-i", "--user", "999:999", *LOCKED, "-v", f"{folder}:/some where/tools:ro")
    without = podman("run", *options, BASE, "sh", "-c", "command -v python3 || ls -d /usr/lib/python*")
    ran = podman("run", *options, BASE, "/some where/tools/krm-harden", stdin=ITEMS)

    assert without.code != 0
    assert without.out == b""
    assert (ran.code, ran.out) == (0, harden(ITEMS).out)


def test_argo_cds_own_kustomize_runs_the_folder(folder, tmp_path, monkeypatch):
    """As repo-server does it: PATH has kustomize and the folder, and no Python."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kustomize").symlink_to(require("kustomize"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{folder}")
    options = ("-kustomize-build-options", "--enable-alpha-plugins --enable-exec")
    with argocd.server(tmp_path / "cmp", PATH=os.environ["PATH"]) as running:
        ran = argocd.refreshed(running, tmp_path, argocd.application("examples/kustomize-exec"), *options)

    verdicts = judged(b"".join(b"---\n" + line + b"\n" for line in ran.out.splitlines()))
    assert len(verdicts) == SHOP_PODS
    assert all(verdicts.values())


def test_the_folder_runs_with_no_environment(folder):
    assert in_nothing(folder, stdin=ITEMS) == (0, harden(ITEMS).out, harden(ITEMS).err)


def test_the_folder_runs_through_a_link_on_path(folder, tmp_path):
    (tmp_path / "krm-harden").symlink_to(folder / "krm-harden")
    done = subprocess.run(["krm-harden", "--version"], capture_output=True, env={"PATH": str(tmp_path)}, check=False)

    assert done.stdout.decode() == f"krm-harden {__version__}\n"


def test_the_folder_listens_to_no_variable_of_python_or_the_loader(folder, tmp_path):
    (tmp_path / "yaml.py").write_text("raise SystemExit('not that one')\n")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('not that one')\n")
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent", "LD_LIBRARY_PATH": "/nonexistent"}

    assert in_nothing(folder, stdin=ITEMS, **variables) == (0, harden(ITEMS).out, harden(ITEMS).err)


def test_the_folder_reads_utf_8_whatever_the_locale_is(folder, tmp_path):
    path = tmp_path / "größe.yaml"
    path.write_text(deployments(1).replace("image: registry", "image: größe-registry"))
    code, out, _ = in_nothing(folder, "check", path, LC_ALL="C", PYTHONUTF8="0")

    assert code == 1
    assert "größe.yaml:" in out.decode()


def test_the_folder_writes_nothing_beside_itself(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    in_nothing(folder, "--help")
    in_nothing(folder, "images", "explain", "nginx:1.27")

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_folder_has_every_module_compiled_and_every_import(folder):
    package = folder / "lib/python3/dist-packages/krm_harden"
    names = sorted(path.relative_to(package).with_suffix("").as_posix() for path in package.rglob("*.py"))
    modules = [".".join(("krm_harden", *name.split("/"))).removesuffix(".__init__") for name in names]
    uncompiled = [
        path
        for path in (folder / "lib").rglob("*.py")
        if not [*(path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")]
    ]
    others = ["jsonpatch", "pathspec", "ssl", "tarfile", "urllib.request", "yaml", "zstandard"]
    code = (
        "import sys\n"
        f"sys.path.append({str(package.parent)!r})\n"
        f"for name in {[name for name in modules if not name.endswith('__main__')] + others}: __import__(name)\n"
    )
    command = python(folder, map(str, folder.glob("*/*")))
    done = subprocess.run([*command, "-ISBc", code], capture_output=True, env={}, check=False)

    assert uncompiled == []
    assert len(modules) > 100
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_a_copy_over_a_copy_changes_nothing(folder):
    before = {path: path.stat().st_size for path in folder.rglob("*")}
    ran = run("copy", "/tools", options=("--user", "65534", *LOCKED, "-v", f"{folder}:/tools"))

    assert (ran.code, ran.err) == (0, "")
    assert {path: path.stat().st_size for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("/opt/krm-harden", 3, "own folder"),
        ("/opt/krm-harden/lib/new", 3, "own folder"),
        ("/usr/tools", 2, "/usr/tools: Read-only file system"),
    ],
)
def test_a_copy_that_cannot_be_made(target, code, message):
    ran = run("copy", target)

    assert (ran.code, ran.out) == (code, b"")
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_installed_krm_harden_cannot_be_copied(tmp_path):
    ran = run_cli("copy", tmp_path / "tools")

    assert (ran.code, ran.out) == (3, b"")
    assert "one-folder build" in ran.err
    assert not (tmp_path / "tools").exists()
    assert copy.SUMMARY in " ".join(run_cli("--help").out.decode().split())


def test_a_folder_that_lost_its_python_says_so(folder, tmp_path):
    shutil.copy(folder / "krm-harden", tmp_path)
    code, out, err = in_nothing(tmp_path, "--version")

    assert (code, out) == (2, b"")
    assert f"krm-harden: error: {tmp_path}/lib/ld-linux" in err
    assert "the folder must stay whole" in err

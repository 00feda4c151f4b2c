"""A folder's life: manifests come, change and go, policies too, and `check` and `fix` in any order keep their promises.

`check` and `fix --diff` write nothing; a second `fix` writes nothing; what `check` finds after a `fix` is what that said
stays open; the diff that is shown is what is written; what isn't named stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from conftest import require
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from strategies import documents, styles, written

from krm_harden import cli

PLENTY = os.environ.get("HYPOTHESIS_PROFILE") == "long"
NAMES = st.sampled_from(["a.yaml", "b.yml", "c.json", "sub/d.yaml", "sub/deep/e.yaml", "é.yaml", "with space.yaml"])
ODD = st.sampled_from(
    [
        "",
        "# only a comment\n",
        "kind: [",
        "{{ if .x }}\nkind: Pod\n{{ end }}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {x: '1'}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop  # own\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  hostNetwork: true\n  containers:\n  - {name: a, image: b}\n",
        "a: &a {x: 1}\nb: *a\n",
    ]
)
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [a.yaml]
patches:
- path: b.yml
"""
EXEMPT = {"match": {"kinds": ["Pod"]}, "controls": ["hostNamespaces", "runAsNonRoot"], "reason": "r"}
POLICIES: list[dict[str, Any]] = [
    {},
    {"level": "baseline"},
    {"changes": "additive"},
    {"explicit": "override"},
    {"controls": {"readOnlyRootFilesystem": {"enabled": False}, "numericUser": {"enabled": False}}},
    {"exemptions": [EXEMPT]},
    {"onViolation": "Warn"},
    {"namespaces": {"enforce": "auto", "audit": "restricted"}},
]
JOBS = st.sampled_from(["1", "1", "2"])


class Ran:
    """What a command line did."""

    def __init__(self, *words: str) -> None:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            # The command line writes to the files behind the streams.
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.code = cli.main(words)
            out.seek(0), err.seek(0)
            self.out, self.err = out.buffer.read(), err.read()

    def open(self) -> set[tuple[str, ...]]:
        """What a report in JSON has that isn't fixed."""
        resources = json.loads(self.out)["resources"]
        return {
            (one["file"], str(one.get("kind")), str(one.get("name")), finding["control"], str(finding.get("container")))
            for one in resources
            for finding in one["findings"]
            if finding["state"] != "fixed"
        }


def state_of(folder: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """What lies below a folder: contents, inodes, modes and times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        known = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (
            content,
            known.st_ino,
            known.st_mode,
            known.st_mtime_ns if content else 0,
        )
    return found


class Folder(RuleBasedStateMachine):
    """`deploy/` is what is named; the policy and another manifest lie beside it."""

    saved = Bundle("saved")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.deploy = self.root / "deploy"
        self.deploy.mkdir()
        (self.root / "outside.yaml").write_text(
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}\n"
        )
        self.policy: dict[str, Any] = {}
        self._write_policy({})

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    @rule(name=NAMES, data=documents(), style=styles(), newline=st.sampled_from(["\n", "\n", "\r\n"]))
    def add(self, name: str, data: Any, style: Any, newline: str) -> None:
        self._put(name, written(data, style).replace("\n", newline))

    @rule(name=NAMES, text=ODD)
    def add_something_else(self, name: str, text: str) -> None:
        self._put(name, text)

    @rule()
    def add_a_kustomization(self) -> None:
        self._put("kustomization.yaml", KUSTOMIZATION)

    @rule(name=NAMES, at=st.integers(0, 60), line=st.sampled_from([None, "# own", "", "  # deeper", "x: y"]))
    def edit(self, name: str, at: int, line: str | None) -> None:
        path = self.deploy / name
        if not path.exists():
            return
        lines = path.read_bytes().decode().split("\n")
        at %= len(lines)
        lines[at : at + (line is None)] = [] if line is None else [line]
        self._put(name, "\n".join(lines))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        (self.deploy / name).unlink(missing_ok=True)

    @rule(spec=st.sampled_from(POLICIES))
    def choose_a_policy(self, spec: dict[str, Any]) -> None:
        self._write_policy(spec)

    @rule(target=saved)
    def save(self) -> dict[str, bytes]:
        return {name: made[0] for name, made in state_of(self.deploy).items() if made[0]}

    @rule(files=consumes(saved))
    def check_out(self, files: dict[str, bytes]) -> None:
        """As Git does: what is the same stays, the rest is written or goes."""
        for name, (content, *_) in state_of(self.deploy).items():
            if content and name not in files:
                (self.deploy / name).unlink()
        for name, content in files.items():
            if not (self.deploy / name).exists() or (self.deploy / name).read_bytes() != content:
                self._put(name, content.decode())

    @rule(jobs=JOBS, form=st.sampled_from(["text", "json", "sarif"]))
    def check(self, jobs: str, form: str) -> None:
        before = state_of(self.root)
        ran = self._run("check", "--jobs", jobs, "-o", form)
        assert ran.code in {0, 1, 2}, ran.err
        assert state_of(self.root) == before

    @rule(jobs=JOBS)
    def fix(self, jobs: str) -> None:
        before, beside = state_of(self.root), self._beside()
        fixed = self._run("fix", "--jobs", jobs, "-o", "json")
        after = state_of(self.root)
        assert fixed.code in {0, 1, 2}, fixed.err
        assert list(after) == list(before)
        assert self._beside() == beside
        again = self._run("fix", "--jobs", "1", "-o", "json")
        assert state_of(self.root) == after, "a second run writes"
        assert again.code == fixed.code, (fixed.err, again.err)
        checked = self._run("check", "-o", "json")
        assert checked.open() <= fixed.open() | again.open(), checked.open() - fixed.open()
        assert (checked.code == 2) == (fixed.code == 2)
        assert checked.code or not fixed.code, (fixed.err, checked.err)

    @rule(jobs=JOBS)
    def fix_diff(self, jobs: str) -> None:
        """What is shown, applied by `patch`, is what is written."""
        before = state_of(self.root)
        shown = self._run("fix", "--diff", "--jobs", jobs)
        assert state_of(self.root) == before
        copy = self.root.with_name(f"{self.root.name}-copy")
        shutil.copytree(self.root, copy)
        try:
            asked = [require("patch"), "-p1", "--binary", "--quiet", "-d", str(copy)]
            if shown.out:
                done = subprocess.run(asked, input=shown.out, capture_output=True, check=False)
                assert done.returncode == 0, (shown.out, done.stdout)
            self._run("fix")
            now = {name: made[0] for name, made in state_of(self.root).items()}
            assert {name: made[0] for name, made in state_of(copy).items()} == now
        finally:
            shutil.rmtree(copy)

    def _run(self, command: str, *words: str) -> Ran:
        here = Path.cwd()
        os.chdir(self.root)
        try:
            return Ran(command, "--policy", "policy.yaml", "--allow-empty", *words, "deploy")
        finally:
            os.chdir(here)

    def _beside(self) -> dict[str, Any]:
        return {name: made for name, made in state_of(self.root).items() if not name.startswith("deploy")}

    def _put(self, name: str, text: str) -> None:
        path = self.deploy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def _write_policy(self, spec: dict[str, Any]) -> None:
        said = {
            "apiVersion": "krm-harden.dev/v1alpha1",
            "kind": "HardeningPolicy",
            "metadata": {"name": "p"},
            "spec": spec,
        }
        (self.root / "policy.yaml").write_text(json.dumps(said))


TestFolder = Folder.TestCase
TestFolder.settings = settings(
    max_examples=500 if PLENTY else 25, stateful_step_count=40 if PLENTY else 15, print_blob=True
)

"""Input, policies and surroundings that are wrong: one clear line, the right exit code, nothing half done.

Exit 2 is for what can't be read or written, 3 for the policy and the command line. Files stay as they were: content,
mode and time of change.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import Ran, clean_environment, run_cli

from krm_harden import check, cli, fields, harden, source, workloads

COMMAND = [sys.executable, "-m", "krm_harden"]
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""
LIST = """\
apiVersion: config.kubernetes.io/v1
kind: ResourceList
functionConfig:
  apiVersion: krm-harden.dev/v1alpha1
  kind: HardeningPolicy
  metadata:
    name: config
items:
"""
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata:
  name: config
"""
FILES = ("fn", "fix", "check")
STREAMS = ("function", "fn", "fix", "check")


def as_item(text: str) -> str:
    """A manifest as the only item of a ResourceList."""
    lines = text.splitlines(keepends=True)
    return LIST + "".join(("- " if number == 0 else "  ") + line for number, line in enumerate(lines))


def through(way: str, text: bytes, folder: Path, *, stream: bool = False) -> Ran:
    """A text through one of the four ways in, as stdin or as the file `bad.yaml`."""
    config = folder / "policy.yaml"
    config.write_text(POLICY)
    if way == "function":
        return run_cli(stdin=text)
    before = ["fn", config] if way == "fn" else [way]
    if stream:
        return run_cli(*before, "-", stdin=text, cwd=folder)
    (folder / "bad.yaml").write_bytes(text)
    return run_cli(*before, "bad.yaml", cwd=folder)


def errors(ran: Ran) -> list[str]:
    """The error lines that a user sees, wherever they are."""
    return [line for line in (ran.out.decode() + ran.err).splitlines() if re.search(r"(^|: )error: ", line)]


def state_of(folder: Path) -> dict[str, tuple]:
    """Content, mode and time of change of all that is below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (content, stat.st_mode, stat.st_mtime_ns)
    return found


def assert_one_line(ran: Ran, code: int, *said: str) -> None:
    found = errors(ran)

    assert ran.code == code, ran.err
    assert len(found) == 1, found
    assert "Traceback" not in ran.err
    assert [word for word in said if word.lower() not in found[0].lower()] == [], found[0]


def assert_line(line: str, number: int) -> None:
    assert re.search(rf"(line |yaml:){number}\b", line), line


# What can't be read

HALF = DEPLOYMENT[: DEPLOYMENT.index("image")] + '"image: registr'
TWICE = DEPLOYMENT.replace("    spec:\n", "    spec:\n      hostNetwork: false\n      hostNetwork: true\n")
TABS = DEPLOYMENT.replace("  name: web\nspec", "\tname: web\nspec")
BOMB = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    + DEPLOYMENT.partition("spec:\n")[2]
)
MERGE_BOMB = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  a0: &a0 {k0: x}\n"
    + "".join(f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: *a{n - 1}}}\n" for n in range(1, 12))
    + DEPLOYMENT.partition("spec:\n")[2]
)
CYCLE = DEPLOYMENT.replace("metadata:\n", "metadata: &self\n  annotations: *self\n")
UNCLOSED = "{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: web"
UNKNOWN_ALIAS = DEPLOYMENT.replace("name: web\nspec", "name: *nobody\nspec")

DOCUMENTS = {
    "half-a-document": (HALF, 10, "not YAML"),
    "half-a-flow-document": (UNCLOSED, None, "not YAML"),
    "duplicate-keys": (TWICE, 9, "hostNetwork"),
    "tabs": (TABS, 4, "not YAML"),
    "alias-bomb": (BOMB, None, "alias"),
    "merge-bomb": (MERGE_BOMB, None, "alias"),
    "cycle": (CYCLE, 3, "contains itself"),
    "unknown-alias": (UNKNOWN_ALIAS, 4, "alias"),
    "bad-indent": (DEPLOYMENT.replace("  template:", "   template:\n  x: y"), None, "not YAML"),
}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name, way, tmp_path):
    text, line, said = DOCUMENTS[name]
    given = as_item(text) if way == "function" else text
    start = given[: given.index("apiVersion: apps")].count("\n")

    (tmp_path / "bad.yaml").write_text(given)
    (tmp_path / "policy.yaml").write_text(POLICY)
    before = state_of(tmp_path)
    config = [tmp_path / "policy.yaml"] if way == "fn" else []
    arguments = () if way == "function" else (way, *config, tmp_path / "bad.yaml")
    ran = run_cli(*arguments, stdin=given.encode())

    assert_one_line(ran, 2, said, "" if way == "function" else "bad.yaml")
    if line:
        assert_line(errors(ran)[0], line + start)
    assert state_of(tmp_path) == before
    if way in {"function", "fn"}:
        assert_nothing_or_whole(ran.out, given)


def assert_nothing_or_whole(out: bytes, given: str) -> None:
    """A function may say its error in a complete list; its items are then as they came."""
    if out:
        assert out.decode().startswith(given)
        assert source.read(out.decode()).data["kind"] == "ResourceList"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_through_a_filter(name):
    text, line, said = DOCUMENTS[name]

    ran = run_cli("fix", "-", stdin=text.encode())

    assert_one_line(ran, 2, said)
    assert ran.out == b""
    if line:
        assert_line(errors(ran)[0], line)


OPENERS = {"braces": ("{", ""), "brackets": ("[", ""), "dashes": ("- ", "a"), "questions": ("? ", "a")}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("count", [10_000, 1_000_000])
@pytest.mark.parametrize("name", OPENERS)
def test_deep_nesting(name, count, way, tmp_path):
    opener, end = OPENERS[name]
    text = (opener * count + end + "\n").encode()

    ran = through(way, text, tmp_path)

    assert_one_line(ran, 2, "nested", "stdin" if way == "function" else "bad.yaml")
    assert_line(errors(ran)[0], 1)
    assert way in {"check", "fix"} or ran.out == b""
    assert way == "function" or (tmp_path / "bad.yaml").read_bytes() == text


@pytest.mark.parametrize("name", OPENERS)
def test_deep_nesting_within_a_manifest(name, tmp_path):
    opener, end = OPENERS[name]
    text = f"{DEPLOYMENT}status:\n  {opener * 10_000}{end}\n".encode()

    for way in FILES:
        ran = through(way, text, tmp_path)

        assert_one_line(ran, 2, "nested", "bad.yaml")
        assert_line(errors(ran)[0], 12)


NOT_TEXT = {
    "binary": (b"\x7fELF\x02\x01\x01" + bytes(range(256)), None, "not text"),
    "not-utf-8": (DEPLOYMENT.encode() + b"# caf\xe9\n", 11, "not UTF-8"),
    "nul": (DEPLOYMENT.replace("metadata:\n", "metadata:\n  x: a\0b\n").encode(), 4, "control character"),
    "utf-16-without-mark": (DEPLOYMENT.encode("utf-16-le"), 1, "not text"),
    "half-utf-16": (b"\xff\xfe" + DEPLOYMENT.encode("utf-16-le")[:-1], None, "UTF-16"),
    "control-character": (DEPLOYMENT.replace("image", "# \x1b[31m\n        image").encode(), 10, "control character"),
}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("name", NOT_TEXT)
def test_not_text(name, way, tmp_path):
    text, line, said = NOT_TEXT[name]

    ran = through(way, text, tmp_path)

    assert_one_line(ran, 2, said, "" if way == "function" else "bad.yaml")
    if line:
        assert_line(errors(ran)[0], line)
    assert way in {"fix", "check"} or ran.out == b""
    assert way == "function" or (tmp_path / "bad.yaml").read_bytes() == text


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    "text", [b"", b"\n  \n\n", b"# nothing\n", b"---\n", b"---\n---\n# nothing\n...\n", b"\xef\xbb\xbf"]
)
def test_no_documents_on_stdin(text, way, tmp_path):
    ran = through(way, text, tmp_path, stream=True)

    assert_one_line(ran, 2, "empty")
    assert ran.out == b"" or way == "check"


# A wrong type in every field that is read

WRONG = {
    dict: ["text", "[]", "1"],
    list: ["text", "{}", "{a: b}"],
    str: ["1", "true", "[a]", "{a: b}"],
    bool: ['"yes"', "1", "[]"],
    int: ["text", '"1000"', "1.5", "true", "[]"],
    fields._WORD: ["text", "1", "[]"],
    fields._SCALAR: ["[a]", "{a: b}"],
}


def typed_fields(expected, path=""):
    """Each field of a table of `fields` with its type: `volumeMounts[0].name`."""
    if isinstance(expected, (type, str)):
        yield path, expected
        return
    if path:
        yield path, type(expected)
    inner = expected.items() if isinstance(expected, dict) else [(0, expected[0])]
    for name, more in inner:
        name = "app" if name == "*" else name  # noqa: PLW2901
        yield from typed_fields(more, f"{path}[0]" if name == 0 else f"{path}.{name}".lstrip("."))


def wrong_values(table, prefix):
    for path, kind in typed_fields(table):
        for wrong in WRONG[kind]:
            yield f"{prefix}{path}", wrong


def manifest(path: str, value: str) -> str:
    """A Deployment with one field set, in flow style, each line a field of the pod."""
    steps = re.findall(r"[^.\[\]]+", path)
    root: dict = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}}},
    }
    place = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key = int(step) if step.isdigit() else step
        if following is None:
            child = _Raw(value)
        elif isinstance(key, int):
            child = place[key] if key < len(place) else {}
        else:
            child = place.get(key, [] if following.isdigit() else {})
        if isinstance(key, int) and key >= len(place):
            place.append(child)
        else:
            place[key] = child
        place = child
    return "".join(f"{key}: {_flow(value)}\n" for key, value in root.items())


class _Raw(str):
    """Text that stands for itself."""

    __slots__ = ()


def _flow(value) -> str:
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f'"{value}"'


TEMPLATE = "spec.template.spec"
READ_FIELDS = [
    *wrong_values(fields.METADATA, "metadata."),
    *wrong_values(fields.POD, f"{TEMPLATE}."),
    *(
        each
        for place in ("containers", "initContainers", "ephemeralContainers")
        for each in wrong_values(fields.CONTAINER, f"{TEMPLATE}.{place}[0].")
    ),
    *(
        (f"{TEMPLATE}.{place}", wrong)
        for place in ("containers", "initContainers", "ephemeralContainers")
        for wrong in WRONG[list]
    ),
    *(
        (f"{TEMPLATE}.{place}[0]", wrong)
        for place in ("containers", "initContainers", "ephemeralContainers")
        for wrong in WRONG[dict]
    ),
    *((path, wrong) for path in ("metadata", "spec", "spec.template", TEMPLATE) for wrong in WRONG[dict]),
    *((f"spec.template.metadata{more}", wrong) for more in ("", ".labels", ".annotations") for wrong in WRONG[dict]),
    *((f"metadata.{name}.a", "[b]") for name in ("labels", "annotations")),
]


def in_process(monkeypatch, capfd, stdin: Path, *arguments: str) -> Ran:
    """The command line without a new process."""
    with stdin.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        try:
            code = cli.main(list(arguments))
        except SystemExit as exit_:
            code = exit_.code
        finally:
            gc.enable()
    sys.stdout.flush()
    out, err = capfd.readouterr()
    return Ran(code, out.encode(), err)


@pytest.mark.parametrize(("path", "wrong"), READ_FIELDS, ids=[f"{path}={wrong}" for path, wrong in READ_FIELDS])
def test_wrong_type_in_a_field_that_is_read(path, wrong, tmp_path, monkeypatch, capfd):
    text = manifest(path, wrong)
    files = {"bad.yaml": text, "list.yaml": as_item(text), "policy.yaml": POLICY}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    before = state_of(tmp_path)
    bad, config = str(tmp_path / "bad.yaml"), str(tmp_path / "policy.yaml")
    shown = re.sub(r"\.a$", "", path)

    for arguments in ((), ("fn", config, bad), ("fix", bad), ("check", bad)):
        ran = in_process(monkeypatch, capfd, tmp_path / "list.yaml", *arguments)

        assert_one_line(ran, 2, f"{shown}", "must be")
        assert_line(errors(ran)[0], (8 if not arguments else 0) + _line_of(text, path))
        if not arguments:
            assert_nothing_or_whole(ran.out, files["list.yaml"])
        assert arguments[:1] != ("fn",) or ran.out == b""
    assert state_of(tmp_path) == before


def _line_of(text: str, path: str) -> int:
    return next(
        n
        for n, line in enumerate(text.splitlines(), 1)
        if line.startswith(path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0])
    )


def template_paths():
    """Each step on the way to the containers of each kind that makes pods."""
    for (group, kind), shapes in workloads.WORKLOADS.items():
        for shape in shapes:
            for depth in range(1, len(shape.spec) + 1):
                yield group, kind, shape.spec[:depth], shape
            for path, role in shape.containers:
                yield group, kind, (*shape.spec, *path.split("/")), role


TEMPLATE_PATHS = [each for each in template_paths() if each[2][-1] != "*"]


@pytest.mark.parametrize(
    ("group", "kind", "path", "_"),
    TEMPLATE_PATHS,
    ids=[f"{group or 'core'}-{kind}-{'.'.join(path)}" for group, kind, path, _ in TEMPLATE_PATHS],
)
def test_wrong_type_on_the_way_to_the_containers(group, kind, path, _):
    value = "text"
    for step in reversed(path):
        value = f"[{value}]" if step == "*" else f"{{{step}: {value}}}"
    api_version = f"{group}/v1" if group else "v1"
    text = (
        f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: web\n{path[0]}: {value.partition(': ')[2][:-1]}\n"
    )

    for result in (harden(text), check(text)):
        assert len(result.errors) == 1, result.findings
        assert re.search(r"must be a (mapping|list)$", result.errors[0])
        assert result.text == text


# A word such as "yes" in a boolean field that a control writes counts as unset, is replaced, and is reported: kustomize
# makes strings of YAML's older booleans

WRITTEN = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True}
WRITTEN_CASES = [
    *(("containers[0].securityContext.allowPrivilegeEscalation", wrong) for wrong in ('"false"', '"no"', '"Off"')),
    *(("containers[0].securityContext.readOnlyRootFilesystem", wrong) for wrong in ('"true"', '"yes"', '"Y"')),
    *(("containers[0].securityContext.runAsNonRoot", wrong) for wrong in ('"true"', '"yes"', '"ON"')),
    *(("securityContext.runAsNonRoot", wrong) for wrong in ('"true"', '"yes"')),
]


@pytest.mark.parametrize(("path", "wrong"), WRITTEN_CASES, ids=[f"{path}={wrong}" for path, wrong in WRITTEN_CASES])
def test_wrong_type_in_a_field_that_a_control_writes(path, wrong):
    result = harden(manifest(f"{TEMPLATE}.{path}", wrong))
    data = source.read(result.text).data["spec"]["template"]["spec"]
    field = path.rpartition(".")[2]
    context = data["containers"][0]["securityContext"] if path.startswith("containers") else data["securityContext"]

    assert result.errors == ()
    assert result.allowed
    assert context[field] is WRITTEN[field] or context[field] == WRITTEN[field]
    assert any("can't decode" in finding.message for finding in result.findings if finding.path.endswith(path))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("securityContext.runAsGroup", '"1000"'),
        ("containers[0].securityContext.runAsGroup", '"1000"'),
        ("securityContext.runAsNonRoot", '"true"'),
        ("securityContext.runAsUser", '"1000"'),
    ],
)
def test_a_value_that_the_api_cannot_decode_is_never_silent(path, wrong):
    text = manifest(f"{TEMPLATE}.{path}", wrong)
    if not path.startswith("containers"):
        text = text.replace(
            '"registry.example/web:1"', '"x", securityContext: {runAsNonRoot: true, runAsUser: 5, runAsGroup: 5}'
        )

    result = harden(text)

    found = [*result.errors, *(finding.message for finding in result.findings if finding.path.endswith(path))]
    assert any("decode" in message or "must be" in message for message in found), found


# The function's own input

CONFIGS = {
    "typo": ("kind: HardeningPolicy", "spec: {levle: restricted}", ("spec.levle", "level", "allowed")),
    "wrong-value": ("kind: HardeningPolicy", "spec: {level: strict}", ("spec.level", "strict", "baseline, restricted")),
    "wrong-type": ("kind: HardeningPolicy", "spec: {level: 1}", ("spec.level", "a string", "1")),
    "unknown-control": (
        "kind: HardeningPolicy",
        "spec: {controls: {runAsNonRot: {}}}",
        ("runAsNonRot", "runAsNonRoot"),
    ),
    "spec-is-a-list": ("kind: HardeningPolicy", "spec: []", ("spec", "a mapping")),
    "unknown-field": ("kind: HardeningPolicy", "sepc: {}", ("sepc", "spec")),
    "unknown-kind": ("kind: HardenPolicy", "spec: {}", ("HardenPolicy", "HardeningPolicy")),
    "no-kind": ("x: y", "spec: {}", ("kind", "HardeningPolicy")),
    "several": ("kind: HardeningPolicy", "spec: {levle: a, onViolation: b}", ("spec.levle", "spec.onViolation")),
}


def config_of(name: str) -> str:
    kind, spec, _ = CONFIGS[name]
    return f"apiVersion: krm-harden.dev/v1alpha1\n{kind}\nmetadata:\n  name: team\n{spec}\n"


@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig"])
def test_files_of_several_encodings_come_out_as_one_text(tmp_path, codec):
    texts = [f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{number}\n" for number in range(3)]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text, encoding=codec if number == 1 else "utf-8")
    config = tmp_path / "policy.yaml"
    config.write_text("apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: p}\n")

    ran = run_cli("fn", config, *(f"{number}.yaml" for number in range(3)), cwd=tmp_path)

    assert (ran.code, ran.out.decode()) == (0, "---\n".join(texts))


@pytest.mark.parametrize("way", ["function", "KRM_HARDEN_POLICY", "fn", "fix", "check"])
@pytest.mark.parametrize("name", CONFIGS)
def test_wrong_policy(name, way, tmp_path):
    text = config_of(name)
    (tmp_path / "policy.yaml").write_text(text)
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    before = state_of(tmp_path)
    env = {"KRM_HARDEN_POLICY": "policy.yaml"} if way == "KRM_HARDEN_POLICY" else {}
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    config = indented if way == "function" else "  apiVersion: v1\n  kind: ConfigMap\n"
    stdin = f"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nfunctionConfig:\n{config}items: []\n"
    arguments = {"fn": ("fn", "policy.yaml", "app.yaml")}.get(way, (way, "--policy", "policy.yaml", "app.yaml"))
    if way in {"function", "KRM_HARDEN_POLICY"}:
        arguments = ()

    ran = run_cli(*arguments, stdin=stdin.encode(), cwd=tmp_path, **env)

    said = CONFIGS[name][2]
    # A file's first problem is shown at its place, and the rest counted.
    said = said if way == "function" or name != "several" else (said[0], "1 more: krm-harden policy check policy.yaml")
    assert_one_line(ran, 3, *said)
    assert ("functionConfig" if way == "function" else "policy.yaml") in errors(ran)[0]
    assert ran.out == b""
    assert state_of(tmp_path) == before


def test_a_wrong_policy_is_named_with_its_line(tmp_path):
    (tmp_path / "policy.yaml").write_text(f"{POLICY}spec:\n  level: restricted\n  onViolaton: Warn\n")
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)

    ran = run_cli("check", "--policy", "policy.yaml", "app.yaml", cwd=tmp_path)

    assert_one_line(ran, 3, "policy.yaml", "onViolation")
    assert_line(errors(ran)[0], 7)


POLICY_FILES = {
    "missing": (None, "no such file"),
    "empty": ("", "policy"),
    "not-yaml": ("a: [", "not YAML"),
    "a-list": ("- a\n", "a mapping"),
    "a-word": ("policy\n", "a mapping"),
    "duplicate-keys": (f"{POLICY}spec: {{}}\nspec: {{}}\n", "twice"),
    "two-documents": (f"{POLICY}---\n{POLICY}", "document"),
    "not-utf-8": (b"\xff\xff", "UTF-8"),
    "a-folder": ("folder", "directory"),
    "a-manifest": (DEPLOYMENT, "Deployment"),
}


@pytest.mark.parametrize("way", ["fn", "fix", "check"])
@pytest.mark.parametrize("name", POLICY_FILES)
def test_policy_file(name, way, tmp_path):
    content, said = POLICY_FILES[name]
    path = tmp_path / "policy.yaml"
    if name == "a-folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    before = state_of(tmp_path)

    ran = run_cli(way, *(["--policy"] if way != "fn" else []), "policy.yaml", "app.yaml", cwd=tmp_path)

    assert_one_line(ran, 3, said, "policy.yaml")
    assert ran.out == b""
    assert state_of(tmp_path) == before


HEAD = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"
LISTS = {
    "two-documents": (f"{HEAD}items: []\n---\n{HEAD}items: []\n", 2, "2 documents"),
    "plain-manifests": (DEPLOYMENT, 2, "ResourceList"),
    "several-plain-manifests": (f"{DEPLOYMENT}---\n{DEPLOYMENT}", 2, "ResourceList"),
    "a-list": ("- a\n- b\n", 2, "ResourceList"),
    "a-word": ("hello\n", 2, "ResourceList"),
    "another-list": ("apiVersion: v1\nkind: List\nitems: []\n", 2, "ResourceList"),
    "items-a-mapping": (f"{HEAD}items: {{}}\n", 2, "must be a list"),
    "items-a-block-mapping": (f"{HEAD}items:\n  a: b\n", 2, "must be a list"),
    "items-a-word": (f"{HEAD}items: web\n", 2, "must be a list"),
    "no-items": (HEAD, 2, "items"),
    "an-item-a-word": (f"{HEAD}items:\n- web\n", 2, "must be a mapping"),
    "an-item-a-list": (f"{HEAD}items:\n- - a\n", 2, "must be a mapping"),
    "json-cut-off": (
        '{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [{"a": ',
        2,
        "not YAML",
    ),
    "duplicate-items": (f"{HEAD}items: []\nitems: []\n", 2, "twice"),
    "config-a-list": (f"{HEAD}functionConfig: []\nitems: []\n", 3, "functionConfig"),
    "config-a-word": (f"{HEAD}functionConfig: restricted\nitems: []\n", 3, "functionConfig"),
    "config-of-another-kind": (
        f"{HEAD}functionConfig: {{apiVersion: v1, kind: Secret}}\nitems: []\n",
        3,
        "functionConfig",
    ),
    "config-of-another-version": (
        f"{HEAD}functionConfig: {{apiVersion: krm-harden.dev/v2, kind: HardeningPolicy}}\nitems: []\n",
        3,
        "krm-harden.dev/v1alpha1",
    ),
    "config-map-with-a-typo": (
        f"{HEAD}functionConfig: {{apiVersion: v1, kind: ConfigMap, data: {{levle: restricted}}}}\nitems: []\n",
        3,
        "levle",
    ),
    "config-map-data-a-list": (
        f"{HEAD}functionConfig: {{apiVersion: v1, kind: ConfigMap, data: [level]}}\nitems: []\n",
        3,
        "data",
    ),
    "config-map-value-a-mapping": (
        f"{HEAD}functionConfig: {{apiVersion: v1, kind: ConfigMap, data: {{level: {{a: b}}}}}}\nitems: []\n",
        3,
        "level",
    ),
    "results-a-word": (f"{HEAD}items: []\nresults: none\n", 2, "results"),
}


@pytest.mark.parametrize("name", LISTS)
def test_resource_list(name):
    text, code, said = LISTS[name]

    ran = run_cli(stdin=text.encode())

    assert_one_line(ran, code, said)
    assert_nothing_or_whole(ran.out, text.partition("results")[0])


# Where the output goes

WAYS_OUT = {
    "function": (),
    "fn": ("fn", "policy.yaml", "app.yaml"),
    "fix -": ("fix", "-"),
    "fix": ("fix", "app.yaml"),
    "fix --diff": ("fix", "--diff", "app.yaml"),
    "fix -o json": ("fix", "-o", "json", "app.yaml"),
    "check": ("check", "app.yaml"),
    "check -o json": ("check", "-o", "json", "app.yaml"),
    "schema": ("schema",),
    "--help": ("--help",),
    "--version": ("--version",),
}
MANIFESTS_OUT = ("function", "fn", "fix -")
"""Of them, those whose output is more than a report: a part of it is worse than nothing."""


def prepared(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "app.yaml").write_text(DEPLOYMENT)
    (folder / "list.yaml").write_text(as_item(DEPLOYMENT))


def shell(line: str, folder: Path, *arguments: str, **env: str) -> Ran:
    done = subprocess.run(
        ["sh", "-c", line, "sh", *COMMAND, *arguments],
        capture_output=True,
        cwd=folder,
        env=clean_environment(**env),
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.parametrize("name", WAYS_OUT)
def test_full_disk(name, tmp_path):
    prepared(tmp_path)
    stdin = "list.yaml" if name == "function" else "app.yaml"

    ran = shell(f'"$@" < {stdin} > /dev/full', tmp_path, *WAYS_OUT[name])

    assert_one_line(ran, 2, "No space left on device")
    assert "Exception ignored" not in ran.err


@pytest.mark.parametrize("name", WAYS_OUT)
def test_broken_pipe(name, tmp_path):
    prepared(tmp_path)
    stdin = "list.yaml" if name == "function" else "app.yaml"
    reader, writer = os.pipe()
    os.close(reader)
    with open(tmp_path / stdin) as file, os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [*COMMAND, *WAYS_OUT[name]],
            stdin=file,
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=clean_environment(),
            check=False,
        )
    ran = Ran(done.returncode, b"", done.stderr.decode())

    if name in MANIFESTS_OUT:
        assert_one_line(ran, 2, "broken pipe")
    else:
        assert (ran.code, errors(ran)) == (141, []), "somebody has read enough of a report: `| head`"
    assert "Exception ignored" not in ran.err


@pytest.mark.parametrize("name", WAYS_OUT)
def test_closed_stdout(name, tmp_path):
    prepared(tmp_path)
    stdin = "list.yaml" if name == "function" else "app.yaml"

    ran = shell(f'"$@" < {stdin} >&-', tmp_path, *WAYS_OUT[name])

    assert_one_line(ran, 2)


@pytest.mark.parametrize("name", ["function", "fix -", "check -", "fn -"])
def test_closed_stdin(name, tmp_path):
    prepared(tmp_path)
    arguments = {"function": (), "fix -": ("fix", "-"), "check -": ("check", "-"), "fn -": ("fn", "policy.yaml", "-")}[
        name
    ]

    ran = shell('"$@" <&-', tmp_path, *arguments)

    assert_one_line(ran, 2, "stdin")
    assert ran.out == b"" or name == "check -"


def test_an_output_that_cannot_take_every_character(tmp_path):
    prepared(tmp_path)
    (tmp_path / "bücher.yaml").write_text(DEPLOYMENT.replace("name: web", "name: bücher"))

    ran = run_cli("check", "bücher.yaml", cwd=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C")

    assert ran.code == 1
    assert "Traceback" not in ran.err


# Signals


def many(count: int) -> str:
    item = "".join(f"  {line}\n" for line in DEPLOYMENT.splitlines())
    return LIST + "".join("- " + item[2:].replace("name: web", f"name: web-{n}") for n in range(count))


@contextlib.contextmanager
def child(*arguments: str | Path, cwd: Path | None = None):
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=clean_environment(),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def fed_slowly(process: subprocess.Popen, text: bytes) -> None:
    """Half of a text, in pieces; when this returns, the child has begun to read."""
    half = text[: len(text) // 2]
    assert len(half) > 200_000
    for start in range(0, len(half), 50_000):
        process.stdin.write(half[start : start + 50_000])
        process.stdin.flush()
        time.sleep(0.01)
    time.sleep(0.2)  # Python sees a signal late that comes just before it waits for more


SIGNALS = {"SIGTERM": (signal.SIGTERM, {-signal.SIGTERM, 143}), "SIGINT": (signal.SIGINT, {130})}


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("way", ["function", "fn -", "fix -", "check -"])
def test_signal_while_it_reads(way, name, tmp_path):
    number, codes = SIGNALS[name]
    prepared(tmp_path)
    arguments = {"function": (), "fn -": ("fn", "policy.yaml", "-"), "fix -": ("fix", "-"), "check -": ("check", "-")}[
        way
    ]
    with child(*arguments, cwd=tmp_path) as process:
        fed_slowly(process, many(3000).encode())
        process.send_signal(number)
        process.wait(timeout=30)
        out, err = process.stdout.read(), process.stderr.read().decode()

    assert process.returncode in codes
    assert out == b""
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("way", ["function", "fix -"])
def test_signal_while_it_works(way, name):
    number, codes = SIGNALS[name]
    text = many(8000) if way == "function" else f"---\n{DEPLOYMENT}" * 8000
    with child(*way.split()[:1] * (way != "function"), *["-"] * (way != "function")) as process:
        process.stdin.write(text.encode())
        process.stdin.close()
        time.sleep(0.3)
        process.send_signal(number)
        process.stdin = open(os.devnull, "wb")  # noqa: SIM115 - the child's is closed; the fixture closes this one
        process.wait(timeout=30)
        out, err = process.stdout.read(), process.stderr.read().decode()

    assert process.returncode in codes
    assert out == b""
    assert "Traceback" not in err


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_while_files_are_fixed(name, tmp_path):
    number, codes = SIGNALS[name]
    (tmp_path / "later.yaml").write_text(DEPLOYMENT)
    before = state_of(tmp_path)
    os.mkfifo(tmp_path / "slow.yaml")
    with child("fix", "slow.yaml", "later.yaml", cwd=tmp_path) as process:
        with open(tmp_path / "slow.yaml", "wb") as slow:
            slow.write(DEPLOYMENT.encode())
            slow.flush()
            time.sleep(0.2)  # Python sees a signal late that comes just before it waits for more
            process.send_signal(number)
            process.wait(timeout=30)
        out, err = process.stdout.read(), process.stderr.read().decode()
    (tmp_path / "slow.yaml").unlink()

    assert process.returncode in codes
    assert out == b""
    assert "Traceback" not in err
    assert state_of(tmp_path) == before


# Files


@pytest.fixture
def open_folder():
    """A folder whose rights a test may take away."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(folder: Path, *arguments: str) -> Ran:
    """The command line with no more rights than files give: root has them all, so it goes without its capabilities."""
    before: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root can't lay down its rights without setpriv (util-linux)")
        before = [setpriv, "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(
        [*before, *COMMAND, *arguments],
        capture_output=True,
        cwd=folder,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.parametrize("way", FILES)
def test_a_file_that_cannot_be_read(way, open_folder):
    (open_folder / "policy.yaml").write_text(POLICY)
    (open_folder / "app.yaml").write_text(DEPLOYMENT)
    (open_folder / "app.yaml").chmod(0)

    ran = as_nobody(open_folder, way, *(["policy.yaml"] if way == "fn" else []), "app.yaml")

    assert_one_line(ran, 2, "app.yaml", "permission denied")


def test_a_folder_that_cannot_be_written(open_folder):
    (open_folder / "app.yaml").write_text(DEPLOYMENT)
    open_folder.chmod(0o555)
    before = state_of(open_folder)

    ran = as_nobody(open_folder, "fix", "app.yaml")

    assert_one_line(ran, 2, "app.yaml", "permission denied")
    assert state_of(open_folder) == before


def test_a_file_of_somebody_else(open_folder):
    """Its owner couldn't be kept: it stays."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of somebody else's")
    (open_folder / "app.yaml").write_text(DEPLOYMENT)
    os.chown(open_folder / "app.yaml", 65534, 65534)
    open_folder.chmod(0o777)
    before = state_of(open_folder)

    ran = as_nobody(open_folder, "fix", "app.yaml")

    assert_one_line(ran, 2, "app.yaml", "not permitted")
    assert state_of(open_folder) == before


@pytest.mark.parametrize("way", ["fix", "check"])
def test_a_folder_that_cannot_be_read(way, open_folder):
    (open_folder / "deploy" / "secret").mkdir(parents=True)
    (open_folder / "deploy" / "secret" / "app.yaml").write_text(DEPLOYMENT)
    (open_folder / "deploy" / "secret").chmod(0)

    ran = as_nobody(open_folder, way, "deploy")

    assert_one_line(ran, 2, "secret", "permission denied")


@pytest.mark.parametrize("way", ["fn", "fix", "check"])
def test_a_missing_file(way, tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    before = state_of(tmp_path)

    ran = run_cli(way, *(["policy.yaml"] if way == "fn" else []), "app.yaml", "nowhere.yaml", cwd=tmp_path)

    assert ran.code in {2, 3}
    assert_one_line(ran, ran.code, "nowhere.yaml", "no such file")
    assert state_of(tmp_path) == before


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.yaml").write_text(DEPLOYMENT)
    (tmp_path / "link.yaml").symlink_to("real.yaml")

    ran = run_cli("fix", "link.yaml", cwd=tmp_path)

    assert ran.code == 0
    assert (tmp_path / "link.yaml").is_symlink()
    assert "runAsNonRoot: true" in (tmp_path / "real.yaml").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]


@pytest.mark.parametrize("target", ["nowhere.yaml", "link.yaml"], ids=["dangling", "to-itself"])
@pytest.mark.parametrize("way", ["fix", "check"])
def test_a_link_to_nothing(way, target, tmp_path):
    (tmp_path / "link.yaml").symlink_to(target)

    named, below = run_cli(way, "link.yaml", cwd=tmp_path), run_cli(way, ".", cwd=tmp_path)

    assert_one_line(named, 3 if target == "nowhere.yaml" else named.code, "link.yaml")
    assert named.code in {2, 3}
    assert_one_line(below, 2, "link.yaml")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "outside.yaml").write_text(DEPLOYMENT)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "link.yaml").symlink_to("../outside.yaml")
    before = state_of(tmp_path)

    run_cli("fix", "deploy", cwd=tmp_path)

    assert state_of(tmp_path) == before


COMMAND_LINES = {
    "fix-nothing": ("fix",),
    "check-nothing": ("check",),
    "fn-nothing": ("fn",),
    "unknown-command": ("harden",),
    "unknown-option": ("fix", "--in-place", "app.yaml"),
    "unknown-level": ("check", "--level", "strict", "app.yaml"),
    "unknown-output": ("check", "-o", "xml", "app.yaml"),
    "option-without-value": ("fix", "app.yaml", "--policy"),
    "option-before-command": ("--level", "baseline"),
    "no-such-lock": ("fix", "--images", "lock.yaml", "app.yaml"),
    "lock-that-is-none": ("fix", "--images", "app.yaml", "app.yaml"),
}


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_wrong_command_line(name, tmp_path):
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    before = state_of(tmp_path)

    ran = run_cli(*COMMAND_LINES[name], cwd=tmp_path)

    assert_one_line(ran, 3)
    assert ran.out == b""
    assert state_of(tmp_path) == before


@pytest.mark.parametrize(
    "lock",
    ["images: web\n", "images: [{uid: 1}]\n", "images: [{match: a, uid: x}]\n", "- a\n", "", "image: []\n", "a: [\n"],
)
def test_wrong_lock(lock, tmp_path):
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)
    (tmp_path / "lock.yaml").write_text(lock)

    ran = run_cli("check", "--images", "lock.yaml", "app.yaml", cwd=tmp_path)

    assert_one_line(ran, 3, "lock.yaml")
    assert ran.out == b""


def test_the_resource_that_cannot_be_read_is_the_one_named():
    """In a list that is one document the first resource isn't to blame for the second."""
    good = "{apiVersion: v1, kind: Pod, metadata: {name: good}, spec: {containers: [{name: a, image: b}]}}"
    bad = "{apiVersion: v1, kind: Pod, metadata: {name: bad}, spec: {containers: text}}"
    result = harden(f"{{apiVersion: v1, kind: List, items: [{good}, {bad}]}}\n")

    assert result.errors == ("line 1: Pod/bad: cannot read spec.containers: it must be a list",)

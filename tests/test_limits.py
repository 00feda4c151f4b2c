"""Limits on input: each at its value and one beyond, through each way in, from each source, and what its error says."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, Ran, clean_environment

from krm_harden import Policy, check, cli, harden, limits, outputs
from krm_harden.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    RunCli = Callable[..., Ran]

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
HEAD = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"
POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nspec:\n  limits: {{{}}}\n"


def as_list(*texts: str, config: str = "") -> str:
    """A ResourceList of some manifests."""
    items = ["- " + text.replace("\n", "\n  ").rstrip(" ") for text in texts]
    said = "".join(f"  {line}\n" for line in POLICY.format(config).splitlines())
    limited = f"functionConfig:\n{said}" if config else ""
    return HEAD + limited + "items:\n" + "".join(items)


def nested(levels: int) -> str:
    """A Deployment so many levels deep: a field of it is a list within lists."""
    return f"{DEPLOYMENT}status: {'[' * (levels - 1)}{']' * (levels - 1)}\n"


def with_aliases(nodes: int) -> str:
    """A Deployment to which aliases add so many nodes: each of them a list of nine."""
    assert nodes % 10 == 0
    return f"{DEPLOYMENT}status:\n  a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
        f"  b{number}: *a\n" for number in range(nodes // 10)
    )


def of_size(size: int) -> str:
    """A Deployment of so many bytes."""
    return DEPLOYMENT + "#" * (size - len(DEPLOYMENT) - 1) + "\n"


def several(count: int) -> str:
    """A stream of so many Deployments."""
    return "---\n".join(DEPLOYMENT.replace("name: web\nspec", f"name: web-{n}\nspec") for n in range(count))


def as_items(count: int) -> str:
    """A v1 List of so many Deployments."""
    items = [document.replace("\n", "\n  ").rstrip(" ") for document in several(count).split("---\n")]
    return "apiVersion: v1\nkind: List\nitems:\n" + "".join(f"- {item}" for item in items)


@pytest.fixture
def run_cli(capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[RunCli]:
    """The command line in this process: a hundred processes take a minute. It has no limits before or after."""

    def run(*arguments: str, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", clean_environment(**environment))
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            if cwd:
                patch.chdir(cwd)
            capfdbinary.readouterr()
            try:
                code = cli.main(arguments)
            except SystemExit as ended:
                code = ended.code  # type: ignore[assignment] # argparse ends with a number
            sys.stdout.flush()
            sys.stderr.flush()
            out, err = capfdbinary.readouterr()
        return Ran(code, out, err.decode())

    yield run
    limits.begin({})


def process(stdin: BinaryIO | int, cwd: Path, **environment: str) -> Ran:
    """The function in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "krm_harden", *(["argocd"] if stdin == subprocess.DEVNULL else [])],
        stdin=stdin,
        cwd=cwd,
        capture_output=True,
        env=clean_environment(**environment),
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


INPUTS = {
    "bytes": (of_size, 2000, 2001, r"larger than \d+ bytes"),
    "documentBytes": (of_size, 2000, 2001, r"a document of \d+ bytes"),
    "documents": (several, 3, 4, "more than 3 documents"),
    "depth": (nested, 40, 41, r"nested more than \d+ levels deep"),
    "aliases": (with_aliases, 40, 50, "expand to more than 40 nodes"),
}
"""What makes an input for a limit, the value at which it holds, the first beyond, and what is said of that."""
WAYS = ("function", "fix", "check", "fix -", "check -", "fn", "argocd")


def through(run_cli: RunCli, way: str, limit: str, value: int, text: str, folder: Path) -> Ran:
    """A text through one way in, with a limit by the command line, or by the environment where there is none."""
    option = f"--limit={limit}={value}"
    (folder / "app.yaml").write_text(text)
    if way == "function":
        return run_cli(stdin=text.encode(), KRM_HARDEN_LIMITS=f"{limit}={value}")
    if way == "fn":
        (folder / ".policy").write_text(POLICY.format(""))
        return run_cli("fn", option, ".policy", "app.yaml", cwd=folder)
    if way == "argocd":
        return run_cli("argocd", option, cwd=folder)
    name, *stdin = way.split()
    return run_cli(name, option, *(stdin or ["app.yaml"]), stdin=text.encode(), cwd=folder)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", INPUTS)
def test_a_limit_holds_in_every_way_in(limit: str, way: str, tmp_path: Path, run_cli: RunCli) -> None:
    made, value, beyond, said = INPUTS[limit]
    good, bad = made(value), made(beyond)
    if way == "function":
        good, bad = (as_list(*text.split("---\n")) for text in (good, bad))
        # The list's own bytes and levels count too, and an item is read with its dash.
        around = len(HEAD + "items:\n")
        value = {"bytes": len(good), "documentBytes": len(good) - around, "depth": value + 1}.get(limit, value)

    allowed = through(run_cli, way, limit, value, good, tmp_path)
    assert allowed.code == (1 if way.startswith("check") else 0), allowed.err
    refused = through(run_cli, way, limit, value, bad, tmp_path)

    told = refused.out.decode() + refused.err
    assert refused.code == 2, told
    assert re.search(said, told), told
    assert f"(limit {limit}={value})" in told
    assert re.search(rf"raise it: --limit {limit}=\d+, or KRM_HARDEN_LIMITS={limit}=\d+", told)
    assert refused.out == b"" or way in {"check", "check -"}
    assert (tmp_path / "app.yaml").read_text() == bad
    raised = int(re.findall(rf"--limit {limit}=(\d+)", told)[0])
    assert through(run_cli, way, limit, raised, bad, tmp_path).code == allowed.code


def test_a_clock_that_has_run_out_stops_an_input_whole(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "app.yaml").write_text(several(2500))

    ran = run_cli("fix", "--limit", "seconds=1", "app.yaml", cwd=tmp_path)

    assert ran.code == 2
    assert re.search(r"line \d+: takes more than 1 s of processor time \(limit seconds=1\); raise it: --limit", ran.err)
    assert (tmp_path / "app.yaml").read_text() == several(2500)
    listed = as_list(*several(2500).split("---\n"))
    ran = run_cli(stdin=listed.encode(), KRM_HARDEN_LIMITS="seconds=1")
    assert (ran.code, ran.out) == (2, b"")
    assert "stdin, line " in ran.err
    assert "(limit seconds=1)" in ran.err


def test_no_seconds_are_as_many_as_it_takes() -> None:
    assert limits.Limits({"seconds": 0})["seconds"] == 0
    assert harden(DEPLOYMENT, Policy.from_dict(policy(seconds=0))).errors == ()


def policy(**said: int) -> dict[str, object]:
    return {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": {"limits": said}}


# From where


def test_the_command_line_wins_over_the_environment_and_that_over_the_policy(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "app.yaml").write_text(several(4))
    (tmp_path / "policy.yaml").write_text(POLICY.format("documents: 3"))
    by_policy = ("check", "app.yaml", "--policy", "policy.yaml")

    assert "(limit documents=3)" in run_cli(*by_policy, cwd=tmp_path).err
    assert run_cli(*by_policy, cwd=tmp_path, KRM_HARDEN_LIMITS="documents=4").code == 1
    two = run_cli(*by_policy, "--limit", "documents=2", cwd=tmp_path, KRM_HARDEN_LIMITS="documents=4, depth=50")
    assert "(limit documents=2)" in two.err
    assert run_cli(*by_policy, "--limit", "documents=2", "--limit", "documents=4", cwd=tmp_path).code == 1


def test_a_later_policy_wins_by_name(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "app.yaml").write_text(several(4))
    (tmp_path / "one.yaml").write_text(POLICY.format("documents: 3, depth: 100"))
    (tmp_path / "two.yaml").write_text(POLICY.format("documents: 4"))
    both = ("--policy", "one.yaml", "--policy", "two.yaml")

    assert run_cli("check", *both, "app.yaml", cwd=tmp_path).code == 1
    shown = json.loads(run_cli("policy", "show", *both, "-o", "json", cwd=tmp_path).out)["settings"]
    assert (shown["limits.documents"]["value"], shown["limits.documents"]["from"]) == (4, "two.yaml:4")
    assert (shown["limits.depth"]["value"], shown["limits.depth"]["from"]) == (100, "one.yaml:4")


def test_a_function_config_alone_sets_limits_for_the_items(run_cli: RunCli) -> None:
    items = several(4).split("---\n")

    refused = run_cli(stdin=as_list(*items, config="documents: 3").encode())

    assert (refused.code, refused.out) == (2, b"")
    assert "(limit documents=3)" in refused.err
    assert run_cli(stdin=as_list(*items, config="documents: 4").encode()).code == 0
    assert run_cli(stdin=as_list(nested(400), config="depth: 500").encode()).code == 0


def test_a_function_config_below_a_ceiling_only_tightens(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "ceiling.yaml").write_text(POLICY.format("documents: 10, seconds: 100"))
    ceiling = str(tmp_path / "ceiling.yaml")
    items = several(4).split("---\n")

    def ran(config: str, **environment: str) -> Ran:
        given = as_list(*items, config=config).encode()
        return run_cli(stdin=given, KRM_HARDEN_POLICY=ceiling, **environment)

    assert "(limit documents=3)" in ran("documents: 3").err
    assert ran("documents: 10").code == 0
    for config, said in (
        ("documents: 11", "spec.limits.documents 11 is softer than 10, which holds by the policy"),
        ("depth: 301", "spec.limits.depth 301 is softer than 300"),
        ("seconds: 0", "spec.limits.seconds 0 is softer than 100"),
    ):
        loosened = ran(config)
        assert (loosened.code, loosened.out) == (3, b""), config
        assert said in loosened.err
    # Who starts the process stands above them all.
    assert ran("documents: 3", KRM_HARDEN_LIMITS="documents=4").code == 0


def test_a_flat_config_map_sets_limits(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "config.yaml").write_text('kind: ConfigMap\ndata: {limits.documents: "3"}\n')
    (tmp_path / "app.yaml").write_text(several(4))

    assert "(limit documents=3)" in run_cli("fn", "config.yaml", "app.yaml", cwd=tmp_path).err


COUNTING = {
    "check": ("check", "app.yaml"),
    "fix": ("fix", "--diff", "app.yaml"),
    "explain": ("explain", "app.yaml:1"),
    "network": ("network", "app.yaml"),
    "images resolve": ("images", "resolve", "app.yaml"),
    "psp migrate": ("psp", "migrate", "app.yaml"),
    "policy show": ("policy", "show", "--for", "app.yaml"),
}


@pytest.mark.parametrize("arguments", COUNTING.values(), ids=COUNTING)
@pytest.mark.parametrize("text", [several(4), as_items(3)], ids=["documents", "objects of a list"])
def test_every_command_counts_documents_and_objects(
    arguments: tuple[str, ...], text: str, tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "app.yaml").write_text(text)

    refused = run_cli(*arguments, "--limit", "documents=2", cwd=tmp_path)

    assert (refused.code, refused.out) == (2, b"")
    assert "app.yaml" in refused.err
    assert "(limit documents=2); raise it: --limit documents=4" in refused.err
    assert "limit documents" not in run_cli(*arguments, "--limit", "documents=4", cwd=tmp_path).err


WRONG = {
    "dpth=3": "there is no limit 'dpth', only bytes",
    "depth": "depth must be a whole number, as in depth=300, not ''",
    "depth=many": "not 'many'",
    "depth=-1": "not '-1'",
    "depth=4Ki": "not '4Ki'",
    "depth=1001": "depth must be from 10 to 1000, not 1001: libyaml's parser recurses in C",
    "depth=3": "depth must be from 10 to 1000, not 3",
    "bytes=0": "bytes must be from 1 to",
    "bytes=" + "9" * 30: "bytes must be a whole number",
    "=3": "there is no limit ''",
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_limit_is_one_line_and_exit_code_3(said: str, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "app.yaml").write_text(DEPLOYMENT)

    for ran in (
        run_cli("check", "--limit", said, "app.yaml", cwd=tmp_path),
        run_cli("check", "app.yaml", cwd=tmp_path, KRM_HARDEN_LIMITS=said),
        run_cli(stdin=as_list(DEPLOYMENT).encode(), KRM_HARDEN_LIMITS=said),
    ):
        assert (ran.code, ran.out) == (3, b"")
        assert len(ran.err.splitlines()) == 1
        assert WRONG[said] in ran.err
    assert "did you mean 'depth'" in run_cli("check", "--limit=dpth=3", "app.yaml", cwd=tmp_path).err


def test_a_wrong_limit_of_a_policy_names_its_place(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.format("documnets: 3, depth: 5000"))

    ran = run_cli("policy", "check", "policy.yaml", cwd=tmp_path)

    assert ran.code == 3
    told = ran.out.decode() + ran.err
    assert "policy.yaml:4:12: error: spec.limits.documnets is unknown" in told
    assert "did you mean 'documents'?" in told
    assert "spec.limits.depth must be from 10 to 1000, not 5000" in told


def test_bytes_may_have_a_unit() -> None:
    from krm_harden.commands import _limits

    assert _limits.one("bytes=64Mi") == ("bytes", 64 << 20)
    assert _limits.one(" layerBytes = 2Gi ") == ("layerBytes", 2 << 30)
    with pytest.raises(ConfigError):
        _limits.one("documents=2Ki")


# What a limit is for


def test_a_library_call_has_the_limits_of_its_policy_and_leaves_none_behind() -> None:
    tight = Policy.from_dict(policy(documents=2, depth=40))

    with pytest.raises(InputError, match=r"more than 2 documents \(limit documents=2\)"):
        harden(several(3), tight)
    assert "(limit depth=40)" in check(nested(41), tight).errors[0]
    assert check(several(3)).errors == ()
    assert check(nested(41)).errors == ()
    with pytest.raises(InputError, match="limit bytes=100"):
        check(DEPLOYMENT, Policy.from_dict(policy(bytes=100)))


def test_a_run_has_its_own_limits_after_a_library_call_in_its_thread() -> None:
    assert check(DEPLOYMENT, Policy.from_dict(policy(documents=2))).errors == ()
    try:
        limits.begin({"documents": 1})
        assert limits.now()["documents"] == 1
    finally:
        limits.begin({})


def test_a_thread_has_those_of_the_process_again_after_a_library_call() -> None:
    """Also where they change later, in another thread."""
    seen: list[int] = []
    called, go = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def call() -> None:
        assert check(DEPLOYMENT, Policy.from_dict(policy(documents=2))).errors == ()
        called.wait()
        go.wait()
        seen.append(limits.now()["documents"])

    thread = threading.Thread(target=call)
    thread.start()
    called.wait()
    try:
        limits.begin({"documents": 7})
        go.wait()
        thread.join(60)
    finally:
        limits.begin({})

    assert seen == [7]


def test_threads_have_limits_of_their_own() -> None:
    found: list[str] = []
    ready, go = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def tightly() -> None:
        before = limits.hold_here({"documents": 1})
        ready.wait()
        go.wait()
        found.append(str(limits.now()["documents"]))
        limits.hold_again(before)

    thread = threading.Thread(target=tightly)
    thread.start()
    ready.wait()
    assert limits.now()["documents"] == limits.DEFAULTS["documents"]
    go.wait()
    thread.join()
    assert found == ["1"]


@pytest.mark.parametrize("text", [nested(300), nested(300).replace("[", "{a: ").replace("]", "}")])
def test_the_deepest_document_fits_on_the_smallest_stack(text: str) -> None:
    """128 kB is what musl gives a thread."""
    found: list[str] = []
    before = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=lambda: found.extend([*harden(text).errors, "done"]))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == ["done"]


@pytest.mark.parametrize("opener", [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")])
def test_the_most_depth_that_can_be_allowed_is_read(opener: tuple[str, str], tmp_path: Path, run_cli: RunCli) -> None:
    levels = limits.MOST_DEPTH - 2
    deep = f"{opener[0] * levels}a{opener[1] * levels}"
    (tmp_path / "app.yaml").write_text(f"{DEPLOYMENT}status:\n  {deep}\n")

    ran = run_cli("fix", f"--limit=depth={limits.MOST_DEPTH}", "app.yaml", cwd=tmp_path)

    assert "Traceback" not in ran.err
    assert ran.code == (2 if opener[0] == "? " else 0), ran.err
    assert opener[0] != "? " or "a key that isn't a scalar" in ran.err + ran.out.decode()


def test_a_list_and_its_objects_count_the_same_in_every_style(tmp_path: Path, run_cli: RunCli) -> None:
    items = several(5).split("---\n")
    block = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        "- " + item.replace("\n", "\n  ").rstrip(" ") for item in items
    )
    flow = json.dumps({"apiVersion": "v1", "kind": "List", "items": [harden_data(item) for item in items]})
    for name, text in (("block.yaml", block), ("flow.json", flow)):
        (tmp_path / name).write_text(text)
        assert run_cli("check", "--limit=documents=5", name, cwd=tmp_path).code == 1
        ran = run_cli("check", "--limit=documents=4", name, cwd=tmp_path)
        assert ran.code == 2, name
        assert "(limit documents=4)" in ran.err


def harden_data(text: str) -> object:
    from krm_harden import source

    return source.read(text).data


def test_a_text_that_is_named_a_thousand_times_counts_each_time(tmp_path: Path, run_cli: RunCli) -> None:
    """Argo CD gets it written out: eight megabytes would become terabytes."""
    text = DEPLOYMENT + "status:\n  a: &a " + "x" * 10_000 + "\n  b:\n" + "  - *a\n" * 1000
    (tmp_path / "app.yaml").write_text(text)

    ran = run_cli("argocd", "--limit", "documentBytes=5Mi", cwd=tmp_path)

    assert (ran.code, ran.out) == (2, b"")
    assert "aliases expand to more than 5242880 bytes (limit documentBytes=5242880)" in ran.err


def test_what_a_child_of_argocd_prints_is_bounded(tmp_path: Path) -> None:
    child = tmp_path / "bin" / "kustomize"
    child.parent.mkdir()
    child.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    child.chmod(0o755)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "kustomization.yaml").write_text("resources: []\n")

    path = f"{child.parent}{os.pathsep}{os.environ['PATH']}"
    ran = process(subprocess.DEVNULL, tmp_path / "app", PATH=path, KRM_HARDEN_LIMITS="bytes=4Mi")

    assert (ran.code, ran.out) == (2, b"")
    assert "kustomize build: larger than 4194304 bytes (limit bytes=4194304)" in ran.err


def test_an_endless_standard_input_ends() -> None:
    with open("/dev/zero", "rb") as endless:
        ran = process(endless, ROOT, KRM_HARDEN_LIMITS="bytes=4Mi")

    assert ran.code == 2
    assert "(limit bytes=4194304)" in ran.err


def test_one_file_beyond_a_limit_does_not_stop_the_others(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "large.yaml").write_text(of_size(3000))
    (tmp_path / "small.yaml").write_text(DEPLOYMENT)

    ran = run_cli("fix", "--limit", "bytes=2000", ".", cwd=tmp_path)

    assert ran.code == 2
    assert "large.yaml: larger than 2000 bytes" in ran.err
    assert (tmp_path / "large.yaml").read_text() == of_size(3000)
    assert "runAsNonRoot: true" in (tmp_path / "small.yaml").read_text()


def test_one_item_beyond_a_limit_does_not_get_the_whole_list_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its nodes would take thirty times the memory of the list, only to fail again."""
    from krm_harden import source

    composed: list[int] = []
    compose = source.compose
    monkeypatch.setattr(source, "compose", lambda text: composed.append(len(text)) or compose(text))
    items = [*several(50).split("---\n"), with_aliases(10_010)]
    listed = as_list(*items).replace("config.kubernetes.io/v1\nkind: ResourceList", "v1\nkind: List")

    result = check(listed)

    assert len(result.errors) == 1
    assert "(limit aliases=10000)" in result.errors[0]
    assert max(composed) < len(listed) - 1000


def test_the_page_lists_every_limit_as_it_is() -> None:
    """docs/limits-settings.md is for people; the table is the code's."""
    text = (ROOT / "docs" / "limits-settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) to ([\d,]+) \| (.+) \|$", text)
    told = {name: (*(int(part.replace(",", "")) for part in numbers), said) for name, *numbers, said in rows}

    assert told == {name: (default, least, most, said) for name, (default, least, most, said) in limits.TABLE.items()}


LARGE = "#" * 600 + "\n"
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
BASELINE = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningBaseline\n"
BOUND = "bytes=500"
READERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "a file of network": (["network", "large.yaml"], {}),
    "a file of images": (["images", "resolve", "large.yaml"], {}),
    "a file of psp": (["psp", "migrate", "large.yaml", "-o", "new"], {}),
    "a file of policy show": (["policy", "show", "--for", "large.yaml"], {}),
    "a file of patches": (["patches", "large.yaml"], {}),
    "a file of explain": (["explain", "large.yaml"], {}),
    "a file of fn": (["fn", "large.yaml"], {}),
    "a file to convert": (["policy", "convert", "large.yaml"], {}),
    "a policy": (["check", "small.yaml", "--policy", "policy.yaml"], {"policy.yaml": POLICY.format("")}),
    "a policy to look over": (["policy", "check", "policy.yaml"], {"policy.yaml": POLICY.format("")}),
    "a policy to show": (["policy", "show", "--policy", "policy.yaml"], {"policy.yaml": POLICY.format("")}),
    "a lock": (["check", "small.yaml", "--images", "large-lock.yaml"], {"large-lock.yaml": "kind: ImageLock\n"}),
    "a baseline": (["check", "small.yaml", "--baseline", "baseline.yaml"], {"baseline.yaml": BASELINE}),
    "an ignore file": (["check", "folder"], {"folder/.krmignore": ""}),
    "a kustomization": (["check", "folder/small.yaml"], {"folder/kustomization.yaml": KUSTOMIZATION}),
    "an inventory": (["check", "--inventory", "fleet.yaml"], {"fleet.yaml": ""}),
}
REPORTS = {
    "a scanner's report": ["check", "small.yaml", "--scan", "large.json"],
    "a report to merge": ["report", "merge", "large.json"],
}


@pytest.mark.parametrize("reader", READERS)
def test_whatever_is_read_is_bounded_and_its_error_names_the_limit(
    reader: str, tmp_path: Path, run_cli: RunCli
) -> None:
    arguments, large = READERS[reader]
    (tmp_path / "folder").mkdir()
    for name in ("small.yaml", "folder/small.yaml"):
        (tmp_path / name).write_text(DEPLOYMENT)
    for name, text in {"large.yaml": DEPLOYMENT, **large}.items():
        (tmp_path / name).write_text(text + LARGE)

    ran = run_cli(*arguments, cwd=tmp_path, KRM_HARDEN_LIMITS=BOUND)

    said = ran.err + ran.out.decode()
    assert ran.code in {2, 3}, said
    assert f"(limit {BOUND}); raise it: --limit bytes=" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_another_program_says_is_bounded_in_size_and_time(stream: str, tmp_path: Path) -> None:
    """It is ended: nothing is left that would write on."""
    endless = f"import os, sys\nprint(os.getpid(), file=open('pid', 'w'))\nwhile True: sys.{stream}.write('x' * 4096)"
    before = limits.hold_here({"bytes": 1 << 20})
    try:
        with pytest.raises(InputError, match="larger than 1048576 bytes"):
            outputs.of([sys.executable, "-c", endless.replace("'pid'", repr(str(tmp_path / "pid")))], 60)
    finally:
        limits.hold_again(before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    with pytest.raises(TimeoutError):
        outputs.of([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    assert outputs.of([sys.executable, "-c", "print(1); raise SystemExit(3)"], 60) == (3, b"1\n", b"")


@pytest.mark.parametrize("reader", REPORTS)
def test_a_report_that_is_read_is_bounded_too(reader: str, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "small.yaml").write_text(DEPLOYMENT)
    (tmp_path / "large.json").write_text("{}" + " " * 500)

    for given, environment in ((["--limit", "reportBytes=500"], {}), ([], {"KRM_HARDEN_LIMITS": "reportBytes=500"})):
        ran = run_cli(*REPORTS[reader], *given, cwd=tmp_path, **environment)
        assert ran.code == 2
        assert "large.json: larger than 500 bytes (limit reportBytes=500); raise it: --limit reportBytes=" in ran.err


UNBOUNDED = {
    ("commands/_charts.py", "_check_member"): "a member of a packed chart, whose size was counted",
    ("commands/_children.py", "_processes"): "what the kernel says",
    ("commands/_images_explain.py", "_page"): "our own file",
    ("commands/_interactive.py", "_answer"): "a line that somebody types on a terminal",
    ("commands/_psp_write.py", "_holds"): "a file of as many bytes as our own",
    ("commands/_shares.py", "_result"): "what another process of ours says",
    ("engine.py", "_document"): "a review, which is no file",
    ("fleet/archives.py", "_member"): "a member of an archive, whose size was looked at",
    ("images/compile.py", "_family"): "our own file",
    ("images/compile.py", "main"): "our own file",
    ("images/layers.py", "_text"): "a member of a layer, whose size was looked at",
    ("images/probe.py", "listening"): "what the kernel says",
    ("images/sources/auth.py", "from_helper"): "what a program says that the user has named",
    ("reports/html.py", "_text"): "our own file",
    ("scaffold/__init__.py", "text"): "our own file",
}
"""Where something is read to its end without a limit of ours, and why it is right there."""


def test_nothing_else_is_read_to_its_end() -> None:
    """`limits.read`, `read_file` and `read_input` do that for what others wrote."""
    found = set()
    for path in sorted((ROOT / "krm_harden").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
                name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
                whole = name in {"read_bytes", "read_text", "readlines", "communicate"}
                whole |= name in {"read", "readline"} and not (call.args or call.keywords)
                if whole or any(keyword.arg == "capture_output" for keyword in call.keywords):
                    found.add((path.relative_to(ROOT / "krm_harden").as_posix(), function.name))

    assert found == set(UNBOUNDED)

"""examples/network-policies, run as its README says; cyclonus judges what comes out. `UPDATE_EXAMPLES=1` rewrites it."""

from __future__ import annotations

import os
import re
import shlex
import shutil

import netpol
import yaml
from conftest import ROOT, run_cli

from krm_harden.network.evaluate import End
from krm_harden.network.model import NAMESPACE_LABEL

EXAMPLE = ROOT / "examples" / "network-policies"
POLICIES = EXAMPLE / ".expected" / "policies"


def command():
    """The words of the README's command, after its first."""
    lines = re.search(r"\n    (krm-harden network .*\n(?:      .*\n)*)", (EXAMPLE / "README.md").read_text())[1]
    return shlex.split(lines.replace("\\\n", " "))[1:]


def test_the_example_is_what_its_readme_says(tmp_path):
    shutil.copytree(EXAMPLE / "app", tmp_path / "app")
    ran = run_cli(*command(), cwd=tmp_path)
    assert ran.code == 0, ran.err
    made = {path.name: path.read_text() for path in sorted((tmp_path / "policies").iterdir())}
    open_words = [word for word in command() if not word.startswith(("--allow", "--cut"))]
    open_words = [word for word in open_words if "=" not in word and word != "pay.example.com"]
    undecided = run_cli(*open_words, cwd=tmp_path / "app" / "..")
    assert undecided.code == 1
    if os.environ.get("UPDATE_EXAMPLES") == "1":
        POLICIES.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (POLICIES / name).write_text(text)
        (POLICIES.parent / "open.txt").write_text(undecided.err)
    assert made == {path.name: path.read_text() for path in sorted(POLICIES.iterdir())}
    assert undecided.err == (POLICIES.parent / "open.txt").read_text()
    assert run_cli(*command(), "--check", cwd=tmp_path).code == 1  # the last run had decided nothing
    assert run_cli(*command(), cwd=tmp_path).code == 0
    assert run_cli(*command(), "--check", cwd=tmp_path).code == 0


def end(space, name, address="10.0.0.1"):
    return End(space, {"app": name}, {NAMESPACE_LABEL: space}, address)


def test_the_examples_calls_are_allowed_and_its_neighbours_denied():
    policies = [one for path in sorted(POLICIES.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one]
    web, api, cache = (end("shop", name) for name in ("web", "api", "cache"))
    database, admin = end("data", "database"), end("data", "admin")
    controller, pay = end("ingress-nginx", "x"), End(address="203.0.113.7")
    wanted = [
        (controller, web, 8080, True),
        (web, api, 8080, True),
        (api, cache, 6379, True),
        (api, database, 5432, True),
        (admin, database, 5432, True),
        (api, pay, 443, True),
        (api, pay, 80, False),
        (web, pay, 443, False),
        (web, cache, 6379, False),
        (web, database, 5432, False),
        (cache, api, 8080, False),
        (api, web, 8080, False),
        (controller, api, 8080, False),
        (admin, api, 8080, False),
        (database, admin, 80, False),
        (End(address="198.51.100.1"), web, 8080, False),
    ]
    calls = [netpol.Call(source, target, port) for source, target, port, _ in wanted]
    assert netpol.judged(policies, calls) == [allowed for *_, allowed in wanted] == netpol.ours(policies, calls)

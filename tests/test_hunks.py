"""Each region of a file that changes, with the findings that it carries out."""

from __future__ import annotations

import gc
import json
import time
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT

from krm_harden import split
from krm_harden.commands import _run
from krm_harden.engine import Engine
from krm_harden.policy import Policy
from krm_harden.reports import _hunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from krm_harden.commands._run import Input

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: web  # the only one
    image: registry.example/web:1
    command:
    - sh
    - -c
    - |
      exec web
"""


def fixed(data: bytes | str, **changes: object) -> Input:
    return _run.of_bytes(Engine(Policy(changes)), "web.yaml", data.encode() if isinstance(data, str) else data)


def shown(made: Input) -> str:
    """Each hunk as a reviewer would note it down: where, what, and behind each line the controls of its findings."""
    lines = []
    for hunk in _hunks.hunks(made):
        lines.append(f"@@ {hunk.first} {hunk.first_new}")
        owned = list(zip(hunk.lines, hunk.findings, strict=True))
        gone = sorted({finding.control for line, (_, finding) in owned if line < 0})
        lines += [f"-{line}".rstrip() for line in hunk.removed] + ([f"  # {', '.join(gone)}"] if gone else [])
        for number, line in enumerate(hunk.added):
            controls = [finding.control for at, (_, finding) in owned if at == number]
            lines.append(f"+{line.rstrip()}" + (f"  # {', '.join(controls)}" if controls else ""))
    return "\n".join(lines) + "\n"


def rebuilt(made: Input) -> str:
    """The new text from the old one and its hunks alone."""
    old = _hunks.lines_of(split.decode(made.old)[0].decode())
    new: list[str] = []
    at = 0
    for hunk in _hunks.hunks(made):
        first = hunk.first - 1
        new += old[at:first]
        assert hunk.first_new == len(new) + 1
        assert hunk.removed == tuple(old[first : first + len(hunk.removed)])
        assert hunk.before == tuple(old[max(first - 3, 0) : first])
        new += hunk.added
        at = first + len(hunk.removed)
        assert hunk.after == tuple(old[at : at + 3])
    return "".join(new + old[at:])


def check(made: Input) -> int:
    """How many hunks an input has, each with a finding, and together the whole change; none where it didn't change."""
    assert made.changed or not list(_hunks.hunks(made))
    assert rebuilt(made) == (split.decode(made.new)[0].decode() if made.changed else rebuilt(made))
    assert all(hunk.findings for hunk in _hunks.hunks(made)), made.name
    return len(list(_hunks.hunks(made)))


def in_a_list(text: str) -> str:
    items = text.replace("\n", "\n  ").rstrip()
    return f"apiVersion: v1\nkind: List\nitems:\n- {items}\n- {items}\n"


AS_JSON = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
    },
    indent=2,
)
FLOW = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: a:1}]}}\n"


def test_every_line_has_the_finding_that_wrote_it(text_snapshot):
    assert shown(fixed(POD)) == text_snapshot


def test_what_comes_with_a_read_only_root_is_its_own(text_snapshot):
    claim = POD + "    volumeMounts:\n    - name: data\n      mountPath: /data\n  volumes:\n  - name: data\n"
    images = [{"match": "*", "uid": 999, "gid": 999, "writablePaths": ["/run"], "env": {"HOME": "/run"}}]
    assert shown(fixed(f"{claim}    persistentVolumeClaim:\n      claimName: data\n", images=images)) == text_snapshot


def test_what_only_goes_has_the_finding_that_took_it_away(text_snapshot):
    weak = (
        POD + "    securityContext:\n      privileged: true\n      capabilities:\n        add:\n        - SYS_ADMIN\n"
    )
    pod = weak.replace("      privileged: true\n", "") + "        - NET_BIND_SERVICE\n        drop: [all]\n"
    assert shown(fixed(pod, explicit="override")) == text_snapshot


def test_a_namespace_has_its_labels(text_snapshot):
    assert shown(fixed("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n")) == text_snapshot


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(POD, id="block style"),
        pytest.param(POD.rstrip("\n"), id="no last line break"),
        pytest.param(POD.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(b"\xff\xfe" + POD.encode("utf-16-le"), id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf" + POD.encode(), id="byte order mark"),
        pytest.param(b"---\n\xef\xbb\xbf" + POD.encode(), id="byte order mark behind a marker"),
        pytest.param(f"# first\n---\n{POD}---\n# nothing\n---\n{POD}...\n---\n{POD}", id="several documents"),
        pytest.param(in_a_list(POD), id="a list"),
        pytest.param(f"{POD}---\n{in_a_list(POD)}---\n{POD}", id="a list between documents"),
        pytest.param(in_a_list(POD).replace("kind: List", "kind: PodList"), id="a typed list"),
        pytest.param(in_a_list(POD) + "x: &a 1\ny: *a\n", id="a list that isn't cut"),
        pytest.param(FLOW, id="flow style"),
        pytest.param(FLOW.rstrip("\n"), id="flow style without a last line break"),
        pytest.param(AS_JSON, id="JSON"),
        pytest.param(json.dumps(json.loads(AS_JSON)), id="JSON on one line"),
        pytest.param(POD.replace("image:", "securityContext:\n    image:"), id="an empty value"),
        pytest.param(POD.replace("name: web  #", "name: web \N{NEXT LINE} #"), id="a line break to some readers"),
        pytest.param(POD.replace("# the", "# \N{LINE SEPARATOR} the"), id="a line separator in a comment"),
        pytest.param(POD.replace("name: web\nspec", "name: 'w\r\r\n    eb'\nspec"), id="a carriage return in a value"),
    ],
)
def test_hunks_are_the_whole_change_and_each_has_a_finding(data):
    made = fixed(data)
    if made.changed:
        assert check(made)
    else:
        # What only some readers take for a line break may keep a document from being edited at all.
        assert any(chunk.error for chunk in made.chunks)


def test_an_input_that_was_not_written_has_no_hunk():
    made = fixed(POD)
    assert not list(_hunks.hunks(made._replace(new=made.old, error="can't be written")))


def of_folder(folder: Path, **changes: object) -> Iterator[Input]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
            yield fixed(path.read_bytes(), **changes)


@pytest.mark.parametrize("changes", [{}, {"explicit": "override"}], ids=["default", "override"])
def test_all_cases_of_the_tests_have_hunks_with_findings(changes):
    assert sum(check(made) for made in of_folder(ROOT / "tests", **changes)) > 500


def test_all_real_files_have_hunks_with_findings(shared):
    assert sum(check(made) for made in of_folder(shared / "corpus")) > 4000


def test_hunks_of_one_large_document_are_linear():
    """As JSON it can't be cut: eight times the objects cost about eight times as much, and never sixty."""
    costs = [least_cost_of_hunks(count) for count in (100, 800)]

    assert costs[1] / costs[0] < 16


def least_cost_of_hunks(count: int) -> float:
    """The processor time of the hunks of so many objects, the least of three, without collections as on the command line."""
    made = fixed(json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(AS_JSON)] * count}, indent=1))
    gc.disable()
    try:
        rounds = []
        for _ in range(3):
            begun = time.process_time()
            found = list(_hunks.hunks(made))
            rounds.append(time.process_time() - begun)
            assert len(found) >= count
        return min(rounds)
    finally:
        gc.enable()

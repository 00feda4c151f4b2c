"""The sweep: every manifest of the corpus, fixed once, and judged by everybody who may have an opinion.

Real files of real projects, read where they lie. What is promised of each is in the names of the tests; `sweep` is the
code that judges one file, in two worker processes; here its findings meet the Pod Security judge's, and are counted.
Skipped without the corpus. The figures stand in `figures.txt` of the test's temporary folder, and on standard output.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sweep
from conftest import ORACLES, tool

WORKERS = 2
MAX_REFUSED = 0.003
"""The share of pod-bearing documents that may be refused for a reason of our own."""
FILE_CHECKS = (
    "raises",
    "split",
    "bytes without operations",
    "a file with nothing to do changed",
    "line lost",
    "line other",
    "scalar lost",
    "old data not in the new",
    "comment lost",
    "comment moved",
    "comment cut off from its line",
    "JSON no longer",
    "line breaks mixed",
    "PyYAML differs",
    "ruamel.yaml differs",
    "Go differs",
    "skipped a pod",
    "second run",
)
"""What a file can fail, by the names that `sweep` gives."""


@dataclass
class Figures:
    """What the sweep found, over all files."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[sweep.Failure] = field(default_factory=list)
    pods: list[sweep.PodDocument] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    without_go: str = ""
    without_psa: str = ""

    def of(self, check: str) -> list[sweep.Failure]:
        return [failure for failure in self.failures if failure.check == check]

    def __str__(self) -> str:
        lines = [f"{number:>7} {name}" for name, number in sorted(self.counts.items())]
        lines += [f"{len(self.of(check)):>7} failures: {check}" for check in FILE_CHECKS]
        parts = {"refused": self.refused, "missed": self.missed, "disagreement": self.disagreements}
        lines += [f"{name}: {line}" for name, found in parts.items() for line in found]
        lines += [f"not judged: {reason}" for reason in (self.without_go, self.without_psa) if reason]
        return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def figures(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """The sweep, run once for all tests of this module."""
    corpus = shared / "corpus"
    if not (corpus / "MANIFEST.tsv").is_file():
        pytest.skip("no corpus beside the checkout")
    made = Figures()
    goyaml, made.without_go = _goyaml(tmp_path_factory.mktemp("goyaml"))
    outputs = _first_run(made, corpus, goyaml, tmp_path_factory.mktemp("outputs"))
    _second_run(made, corpus, outputs)
    _judge(made, tmp_path_factory.mktemp("psa"))
    text = str(made)
    (tmp_path_factory.mktemp("sweep") / "figures.txt").write_text(text)
    print(text)
    return made


def _goyaml(build: Path) -> tuple[str | None, str]:
    """The Go reader, built where it is missing; without one, the reason."""
    source = Path(__file__).parent / "oracles" / "goyaml"
    built = ORACLES / "bin" / "goyaml"
    if built.is_file() and built.stat().st_mtime >= (source / "main.go").stat().st_mtime:
        return str(built), ""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None, "no goyaml and no go to build it"
    shutil.copytree(source, build, dirs_exist_ok=True)
    built.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    command = [go, "build", "-trimpath", "-o", str(built), "."]
    done = subprocess.run(command, cwd=build, env=environment, capture_output=True, text=True, check=False)
    return (str(built), "") if done.returncode == 0 else (None, f"goyaml can't be built: {done.stderr.strip()[-200:]}")


def _workers(corpus: Path, goyaml: str | None) -> Any:
    """New processes, not forks: each with a hash seed of its own and nothing in memory."""
    return multiprocessing.get_context("spawn").Pool(WORKERS, sweep.start, (str(corpus), goyaml))


def _first_run(made: Figures, corpus: Path, goyaml: str | None, folder: Path) -> dict[str, str]:
    """Fixes every file. Returns the changed files' names, by the path of the output."""
    outputs = {}
    with _workers(corpus, goyaml) as pool:
        for place, report in enumerate(pool.imap_unordered(sweep.sweep_file, _names(corpus), chunksize=4)):
            made.counts += report.counts
            made.failures += report.failures
            made.pods += report.pods
            if report.output is not None:
                output = folder / f"{place}.yaml"
                output.write_bytes(report.output)
                outputs[str(output)] = report.file
    made.pods.sort(key=lambda pod: (pod.file, pod.line))
    made.failures.sort()
    return outputs


def _names(corpus: Path) -> list[str]:
    with (corpus / "MANIFEST.tsv").open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [f"{row['repo'].replace('/', '+')}/{row['path']}" for row in rows]


def _second_run(made: Figures, corpus: Path, outputs: dict[str, str]) -> None:
    with _workers(corpus, None) as pool:
        for path, found in zip(outputs, pool.map(sweep.second_run, outputs, chunksize=16), strict=True):
            made.counts["second runs"] += 1
            if found:
                made.failures.append(sweep.Failure("second run", outputs[path], 0, found))


def _judge(made: Figures, folder: Path) -> None:
    """Puts every document with a pod before the Pod Security judge, and compares."""
    psa = tool("psa")
    if psa is None or made.without_go:
        made.without_psa = made.without_go or "psa isn't here: CONTRIBUTING.md, Set-up, says where it comes from"
        return
    before = _verdicts(psa, [pod.old for pod in made.pods], folder)
    after = _verdicts(psa, [pod.new for pod in made.pods], folder)
    for pod, old, new in zip(made.pods, before, after, strict=True):
        _count_verdicts(made, old, new)
        _classify(made, pod, old)
        if not pod.error:
            _compare(made, f"{pod.file}:{pod.line} before", pod.before, old)
            _compare(made, f"{pod.file}:{pod.line} after", pod.after, new)


def _verdicts(psa: str, texts: list[bytes], folder: Path) -> list[list[dict[str, Any]]]:
    """The judge's answers to each document; of a List, one for each item."""
    stream = folder / "stream.yaml"
    # A comment first: the judge counts only documents that hold a byte, and takes a first `{` for JSON lines.
    stream.write_bytes(b"\n---\n".join(b"# %d\n%s" % (place, text) for place, text in enumerate(texts)))
    with stream.open("rb") as given:
        command = [psa, "-strict", "-level", "restricted", "-version", "latest"]
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, check=True)
    found: list[list[dict[str, Any]]] = [[] for _ in texts]
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        found[answer["doc"]].append(answer)
    return found


def _count_verdicts(made: Figures, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    for name, answers in (("before", old), ("after", new)):
        pods = [answer for answer in answers if answer["hasPodSpec"]]
        made.counts[f"pods, {name}"] += len(pods)
        made.counts[f"pods allowed by the judge, {name}"] += sum(answer["allowed"] for answer in pods)


def _classify(made: Figures, pod: sweep.PodDocument, answers: list[dict[str, Any]]) -> None:
    """Counts what became of a document: judged, refused and why, left alone and why, or missed."""
    decodes = any(answer["hasPodSpec"] for answer in answers)
    strict = bool(pod.strict) or any(answer.get("strictErrors") or answer.get("error") for answer in answers)
    made.counts["documents with a pod (judge)"] += decodes
    reason = pod.error or next((note for note in pod.notes if note.startswith("a template")), "")
    where = f"{pod.file}:{pod.line}"
    if reason and strict:
        made.counts["refused: by strict decoding as well"] += 1
    elif reason and "several places" in reason:
        made.counts["refused: a shared node"] += 1
    elif reason:
        made.refused.append(f"{where}: {reason}")
    elif pod.notes:
        made.counts.update(f"left alone: {_general(note)}" for note in pod.notes)
    elif decodes and not pod.after:
        made.missed.append(where)


def _general(note: str) -> str:
    """A note without the names in it."""
    return " ".join(word for word in note.split() if "/" not in word)[:90]


def _compare(made: Figures, where: str, judged: list[sweep.Judged], answers: list[dict[str, Any]]) -> None:
    """Our verdict and words are the judge's, of templates: of Pods it doesn't know the server's defaults.

    tests/test_admission.py compares those.
    """
    for answer in answers:
        if not answer["hasPodSpec"] or answer["kind"] == "Pod":
            continue
        item = answer.get("item", 0)
        ours = next((found for found in judged if found.item in {item, -1} and found.kind == answer["kind"]), None)
        if ours is None:
            made.counts["pods without a verdict of ours"] += 1
            continue
        theirs = answer.get("message", "")
        agrees = ours.message == theirs and ours.allowed == answer["allowed"]
        made.counts["verdicts that agree word for word" if agrees else "verdicts that disagree"] += 1
        if not agrees:
            made.disagreements.append(f"{where}: we say {ours.allowed} {ours.message!r}, the judge {theirs!r}")


@pytest.mark.parametrize("check", FILE_CHECKS)
def test_every_file(figures: Figures, check: str):
    if figures.without_go and check in {"Go differs", "skipped a pod"}:
        pytest.skip(figures.without_go)

    assert figures.of(check) == []


def test_no_check_without_a_test(figures: Figures):
    assert {failure.check for failure in figures.failures} <= set(FILE_CHECKS)


def test_the_corpus_exercises_every_reason_for_a_changed_line(figures: Figures):
    reasons = {name.partition(": ")[2] for name in figures.counts if name.startswith("changed lines: ")}

    assert reasons >= {"flow style", "{}", "last line without newline", "all to ALL"}


@pytest.fixture
def judged(figures: Figures) -> Figures:
    if figures.without_psa:
        pytest.skip(figures.without_psa)
    return figures


def test_few_documents_are_refused(judged: Figures):
    allowed = MAX_REFUSED * judged.counts["documents with a pod (judge)"]

    assert len(judged.refused) <= allowed, "\n".join(judged.refused)


def test_no_pod_is_missed(judged: Figures):
    """What is neither judged nor refused is at least named."""
    assert judged.missed == []


def test_verdicts_are_the_judges_word_for_word(judged: Figures):
    assert judged.disagreements == []


def test_more_pods_are_allowed_after_than_before(judged: Figures):
    before = judged.counts["pods allowed by the judge, before"]
    after = judged.counts["pods allowed by the judge, after"]

    assert after > before
    assert judged.counts["pods, after"] == judged.counts["pods, before"]


# The sweep itself sees what it is there to see

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a # behind
spec:
  containers:
  - name: a
    image: b
    # about args
    args: {}
    securityContext: {capabilities: {drop: [all]}}
      # trailing
  # about volumes
  volumes:
"""
HOST_USERS = {"op": "add", "path": "/spec/hostUsers", "value": False}
ALL = {"op": "replace", "path": "/spec/containers/0/securityContext/capabilities/drop/0", "value": "ALL"}
ADDED = POD + "  hostUsers: false\n"
PLANTED = {
    "as it should be": (ADDED, HOST_USERS, set()),
    "all to ALL": (POD.replace("all", "ALL"), ALL, set()),
    "a list under an empty key": (
        POD + "  - name: x\n",
        {"op": "replace", "path": "/spec/volumes", "value": [{"name": "x"}]},
        set(),
    ),
    "text and operations differ": (POD, HOST_USERS, {"PyYAML differs", "ruamel.yaml differs"}),
    "a string for a boolean": (POD + "  hostUsers: 'false'\n", HOST_USERS, {"PyYAML differs", "ruamel.yaml differs"}),
    "a bare word for a boolean": (
        POD + "  hostUsers: n\n",
        HOST_USERS,
        {"PyYAML differs", "ruamel.yaml differs"},
    ),
    "a comment lost": (ADDED.replace(" # behind", ""), HOST_USERS, {"comment lost", "line lost"}),
    "a comment cut off": (
        POD.replace("  volumes", "  hostUsers: false\n  volumes"),
        HOST_USERS,
        {"comment cut off from its line"},
    ),
    "a comment that ends up in a new mapping": (
        POD.replace("      # trailing", "    x:\n      y: 1\n      # trailing"),
        {"op": "add", "path": "/spec/containers/0/x", "value": {"y": 1}},
        {"comment moved"},
    ),
    "a value replaced": (
        POD.replace("image: b", "image: c"),
        {"op": "replace", "path": "/spec/containers/0/image", "value": "c"},
        {"line lost", "scalar lost", "old data not in the new"},
    ),
    "CRLF among LF": (ADDED[:-1] + "\r\n", HOST_USERS, {"line breaks mixed"}),
}
"""A text made of POD, the operation that it claims, and what the sweep has to say about it."""


@pytest.mark.parametrize(("new", "operation", "expected"), PLANTED.values(), ids=PLANTED)
def test_the_sweep_sees(new: str, operation: dict[str, Any], expected: set[str]):
    report = sweep.FileReport("planted")
    sweep.judge_change(sweep.Document(0, 1, POD.encode(), new.encode(), [operation]), report)

    assert {failure.check for failure in report.failures} == expected

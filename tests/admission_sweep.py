"""What the judges say of every pod of the corpus, before `fix` and after it.

`python tests/admission_sweep.py` prints the table; test_admission.py asks for what holds. The judges: `admission`, the
API server's own create path, and `psa`, the evaluator of Pod Security. An object is given to them as the JSON that the
Go reader makes of the text: that is what kubectl sends, Lists taken apart, and the function that makes it is the first
step of the server's own decoding of YAML. A key that stands twice is lost on the way: the Go reader reports it.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import subprocess
import sys
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweep import POD_SPECS, GoReader

from krm_harden import Policy, check, harden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORKERS = 2
BEFORE = "before"
POLICIES = {
    "additive": {"changes": "additive"},
    "complete": {"changes": "complete"},
    "complete, override": {"changes": "complete", "explicit": "override"},
}
"""The policies of the table, by what their columns are called."""
RUNS = (BEFORE, *POLICIES)
MISSED = "nobody said why"
STAYS = frozenset({"deferred", "explicit", "manual", "refused"})
"""The states of a finding that leave its check failing."""


class Ours(NamedTuple):
    """What krm-harden says of one object.

    Its verdict, the controls and states of the findings that stay, and the words of those that give no reason; `error`,
    where its document was refused.
    """

    allowed: bool
    message: str
    stays: frozenset[tuple[str, str]]
    without_reason: tuple[str, ...]
    error: str


class Theirs(NamedTuple):
    """What the judges say of one object.

    `code` is the server's where nothing is enforced, with its `refusal`: 201, 400 also for what strict decoding refuses,
    404 for a version that isn't served, 422. `judged` says whether there is a verdict: a bare Pod that isn't taken has none.
    """

    code: int
    refusal: str
    judged: bool
    allowed: bool
    message: str
    checks: frozenset[str]
    enforced: str
    """A bare Pod: what the server answers where restricted is enforced."""


@dataclass
class Subject:
    """An object of one of the nine kinds. `texts` are its JSON, by run; `reason`, why krm-harden doesn't judge it."""

    file: str
    line: int
    kind: str
    name: str
    corpus_class: str = ""
    reason: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    strict: dict[str, str] = field(default_factory=dict)
    ours: dict[str, Ours | None] = field(default_factory=dict)
    theirs: dict[str, Theirs] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}/{self.name}"


# A worker process: one file, under every policy


_corpus = Path()
_go: GoReader
_policies: dict[str, Policy] = {}


def start(corpus: str, goyaml: str) -> None:
    """Makes what a worker process needs."""
    global _corpus, _go
    _corpus, _go = Path(corpus), GoReader(goyaml)
    head = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy"}
    _policies.update((name, Policy.from_dict({**head, "spec": spec})) for name, spec in POLICIES.items())


def subjects(name: str) -> list[Subject]:
    """The objects of a file, with what krm-harden makes of them and says of them."""
    raw = (_corpus / name).read_bytes()
    documents = _go.read(raw)
    found = [list(_subjects(name, raw, document)) for document in documents]
    if not any(found):
        return []
    results = {BEFORE: check(raw), **{run: harden(raw, policy) for run, policy in _policies.items()}}
    for run, result in results.items():
        after = documents if run == BEFORE else _go.read(result.text.encode())
        said = _by_document(result, [_line(raw, document["end"]) for document in documents])
        for place, (document, made) in enumerate(zip(after, found, strict=True)):
            _said(run, *said[place], made)
            for subject, data in zip(made, _objects(document.get("data")), strict=True):
                subject.texts[run] = json.dumps(data)
                subject.strict[run] = document.get("strict", "")
    return [subject for made in found for subject in made]


def _line(raw: bytes, offset: int) -> int:
    return raw.count(b"\n", 0, offset) + 1


def _subjects(name: str, raw: bytes, document: dict[str, Any]) -> Iterator[Subject]:
    for data in _objects(document.get("data")):
        yield Subject(name, _line(raw, document["start"]), data["kind"], _name(data))


def _objects(data: Any) -> Iterator[dict[str, Any]]:
    """The objects of the nine kinds in a document, Lists taken apart as kubectl does."""
    if not isinstance(data, dict):
        return
    kind = data.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(data.get("items"), list):
        for item in data["items"]:
            yield from _objects(item)
    elif (str(data.get("apiVersion")).rpartition("/")[0], kind) in POD_SPECS:
        yield data


def _name(data: dict[str, Any]) -> str:
    metadata = data.get("metadata")
    names = [metadata.get(key) for key in ("name", "generateName")] if isinstance(metadata, dict) else []
    return next((name for name in names if name and isinstance(name, str)), "")


def _by_document(result: Any, ends: list[int]) -> list[tuple[list[Any], list[str], list[str]]]:
    """The results of a file, notes and errors, by document; `ends` are the lines on which those end."""
    made: list[tuple[list[Any], list[str], list[str]]] = [([], [], []) for _ in ends]
    for found in result.resources:
        made[bisect_right(ends[:-1], found.line)][0].append(found)
    for note in result.unexamined:
        made[bisect_right(ends[:-1], note.line)][1].append(note.reason)
    for error in result.errors:
        line = int(error.removeprefix("line ").partition(":")[0].partition(",")[0])
        made[bisect_right(ends[:-1], line)][2].append(error)
    return made


def _said(run: str, results: list[Any], notes: list[str], errors: list[str], made: list[Subject]) -> None:
    """Finds what was said of each object of a document, in their order."""
    for subject in made:
        is_it = (
            found for found in results if (found.resource.kind, found.resource.name) == (subject.kind, subject.name)
        )
        found = next(is_it, None)
        if found is None:
            subject.ours[run] = None
            subject.reason = subject.reason or "; ".join(dict.fromkeys([*notes, *errors])) or MISSED
            continue
        results.remove(found)
        stays = [finding for finding in found.findings if finding.state in STAYS]
        subject.ours[run] = Ours(
            found.allowed,
            found.message,
            frozenset((finding.control, finding.state) for finding in stays),
            tuple(finding.message for finding in stays if not finding.reason),
            "; ".join(errors),
        )


# The judges


@dataclass(frozen=True)
class Judges:
    """The programs. Each is asked once for all objects of a run."""

    psa: str
    admission: str

    def controls(self) -> set[str]:
        """The ids of the standard's checks."""
        done = subprocess.run([self.psa, "-list"], capture_output=True, text=True, check=True)
        return {line.partition("\t")[0] for line in done.stdout.splitlines()}

    def judge(self, run: str, found: Sequence[Subject]) -> None:
        """Fills `theirs` of each object.

        The verdict about a template is psa's about the text. A bare Pod is judged as the server fills it in: psa reads
        what `admission` made of it, and `admission` itself enforces.
        """
        texts = [subject.texts[run] for subject in found]
        created = _ask([self.admission, "-level", "privileged", "-object"], texts)
        is_pod = [
            subject.kind == "Pod" and answer["code"] == 201 for subject, answer in zip(found, created, strict=True)
        ]
        enforced = iter(_ask([self.admission], [text for text, pod in zip(texts, is_pod, strict=True) if pod]))
        given = [_defaulted(answer) if pod else text for text, answer, pod in zip(texts, created, is_pod, strict=True)]
        evaluated = _ask([self.psa, "-strict"], given)
        for subject, pod, answer, verdict in zip(found, is_pod, created, evaluated, strict=True):
            code, refusal = _created(subject.strict[run], answer)
            subject.theirs[run] = Theirs(
                code,
                refusal,
                bool(verdict["hasPodSpec"]) and (pod or subject.kind != "Pod"),
                verdict["allowed"],
                verdict.get("message", ""),
                frozenset(check["id"] for check in verdict.get("checks", ())),
                _enforced(next(enforced)) if pod else "",
            )


def _ask(command: list[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """One answer for each text."""
    given = "".join(text + "\n" for text in texts)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["doc"] for answer in answers] == list(range(len(texts)))
    return answers


def _defaulted(answer: dict[str, Any]) -> str:
    """The Pod as the server stores it; its type got lost in the conversion."""
    return json.dumps({**answer["object"], "apiVersion": "v1", "kind": "Pod"})


def _created(strict: str, answer: dict[str, Any]) -> tuple[int, str]:
    """The server's code and words; what strict decoding minds is a 400, as it is for kubectl."""
    minded = [strict] if strict else answer.get("strictErrors", [])
    if minded and answer["code"] in {201, 422}:
        return 400, "strict decoding error: " + "; ".join(minded)
    return answer["code"], answer.get("message", "")


def _enforced(answer: dict[str, Any]) -> str:
    """The words of a 403, empty for a 201."""
    assert answer["code"] in {201, 403}, answer
    return answer.get("message", "").partition('violates PodSecurity "restricted:latest": ')[2]


# All of it


@dataclass
class Sweep:
    """Every object of the nine kinds that can be decoded, judged before and after; how many can't be."""

    subjects: list[Subject]
    undecodable: int
    controls: set[str]

    def accepted(self) -> list[Subject]:
        """What the server takes where nothing is enforced."""
        return [subject for subject in self.subjects if subject.theirs[BEFORE].code == 201]

    def judged(self, run: str) -> Iterator[tuple[Subject, Ours, Theirs]]:
        """What both sides have a verdict about."""
        for subject in self.subjects:
            ours, theirs = subject.ours[run], subject.theirs[run]
            if ours and theirs.judged:
                yield subject, ours, theirs


def sweep(corpus: Path, goyaml: str, judges: Judges) -> Sweep:
    """The whole corpus, every policy."""
    classes = _classes(corpus)
    with multiprocessing.get_context("spawn").Pool(WORKERS, start, (str(corpus), goyaml)) as pool:
        found = [subject for made in pool.imap_unordered(subjects, classes, chunksize=8) for subject in made]
    found.sort(key=lambda subject: (subject.file, subject.line))
    judges.judge(BEFORE, found)
    # What isn't served or strict decoding minds never gets as far as Pod Security.
    kept = [subject for subject in found if subject.theirs[BEFORE].code not in {400, 404}]
    for subject in kept:
        subject.corpus_class = classes[subject.file]
    for run in POLICIES:
        judges.judge(run, kept)
    return Sweep(kept, len(found) - len(kept), judges.controls())


def _classes(corpus: Path) -> dict[str, str]:
    """The class of each file: real, fixture, golden, negative, encoding."""
    with (corpus / "MANIFEST.tsv").open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {f"{row['repo'].replace('/', '+')}/{row['path']}": row["class"] for row in rows}


def passing(found: Sequence[Subject], run: str) -> int:
    """How many objects pass restricted: the server takes them, and the judge allows them."""
    return sum(subject.theirs[run].code == 201 and subject.theirs[run].allowed for subject in found)


def table(made: Sweep) -> str:
    """By class of file: how many of the objects that the server takes pass restricted, in Markdown."""
    accepted = made.accepted()
    rows = [["class", "objects", *RUNS]]
    for name in [*sorted({subject.corpus_class for subject in accepted}), "all"]:
        found = [subject for subject in accepted if name in {subject.corpus_class, "all"}]
        shares = [f"{passing(found, run)} ({passing(found, run) / len(found):.0%})" for run in RUNS]
        rows.append([name, str(len(found)), *shares])
    rows.insert(1, ["---"] + ["---:"] * (len(RUNS) + 1))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    invalid = len(made.subjects) - len(accepted)
    rest = (
        f"Beside these, {invalid} are invalid as they came, and {made.undecodable} can't be decoded or aren't served."
    )
    return "\n".join([*lines, "", rest, "", *_what_stays(made)]) + "\n"


def _what_stays(made: Sweep) -> Iterator[str]:
    """Why objects still fail, by policy: control, state, number of objects."""
    for run in POLICIES:
        stays = Counter(
            pair
            for _, ours, theirs in made.judged(run)
            if theirs.code == 201
            for pair in ours.stays
            if pair[0] in made.controls
        )
        yield f"{run}: " + ", ".join(f"{control} {state} {number}" for (control, state), number in stays.most_common())


if __name__ == "__main__":
    from conftest import SHARED, tool

    programs = {name: tool(name) for name in ("psa", "admission", "goyaml")}
    if None in programs.values() or not (SHARED / "corpus").is_dir():
        sys.exit(f"needs the corpus in {SHARED}, and the judges (CONTRIBUTING.md, Set-up): {programs}")
    judges = Judges(str(programs["psa"]), str(programs["admission"]))
    print(table(sweep(SHARED / "corpus", str(programs["goyaml"]), judges)), end="")

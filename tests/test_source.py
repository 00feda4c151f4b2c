"""Reading one chunk: data as Kubernetes has it, marks, and bounds that hold before the parser can crash."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import harden, source
from krm_harden.errors import InputError


def data(text):
    return source.read(text).data


def python(code):
    """A fresh interpreter's exit code and last line: a crash of the parser mustn't end the tests."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip().rpartition("\n")[2]


def quick(text, seconds=1.0):
    """What reading a text comes to, within a time that only a quadratic reader exceeds: a busy machine gets three tries."""
    found = []
    while len(found) < 3 and min(found, default=seconds) >= seconds:
        begin = time.process_time()
        try:
            outcome = source.read(text)
        except InputError as error:
            outcome = error
        found.append(time.process_time() - begin)

    assert min(found) < seconds
    return outcome


# data


@pytest.mark.parametrize("text", ["", "\n", "# c\n", "---\n", "---\n# c\n", "--- # c\n"], ids=repr)
def test_empty(text):
    assert source.read(text).data is None


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("a: yes", {"a": True}, id="a boolean of YAML 1.1"),
        pytest.param("a: 'yes'", {"a": "yes"}, id="quoted"),
        pytest.param('a: "0755"', {"a": "0755"}, id="double-quoted"),
        pytest.param("a: |\n  yes\n", {"a": "yes\n"}, id="a block scalar"),
        pytest.param("a: >-\n  1\n", {"a": "1"}, id="a folded scalar"),
        pytest.param("a: 0755", {"a": 493}, id="an octal"),
        pytest.param("a:", {"a": None}, id="nothing"),
        pytest.param("a: 12:30:45", {"a": "12:30:45"}, id="no sexagesimals"),
        pytest.param("a: 2026-11-22", {"a": "2026-11-22"}, id="no dates"),
        pytest.param("1: a\nyes: b", {"1": "a", "true": "b"}, id="keys are strings"),
        pytest.param("'1': a\n'yes': b", {"1": "a", "yes": "b"}, id="quoted keys"),
        pytest.param("y: a\non: b", {"true": "b"}, id="two keys that are true"),
        pytest.param("- 1\n- [a, {b: }]", [1, ["a", {"b": None}]], id="sequences"),
        pytest.param("? a\n: - b", {"a": ["b"]}, id="an explicit key"),
        pytest.param("a:\tx", {"a": "x"}, id="a tab after the colon"),
        pytest.param("a: \U0001f600", {"a": "\U0001f600"}, id="not ASCII"),
        pytest.param("---\na: b\n...\n# after\n", {"a": "b"}, id="markers"),
        pytest.param("a: !!str 5", {"a": "5"}, id="!!str"),
        pytest.param("a: !!int '5'", {"a": 5}, id="!!int of a quoted number"),
        pytest.param("a: !!bool yes", {"a": True}, id="!!bool"),
        pytest.param("a: !!map {b: !!seq [c]}", {"a": {"b": ["c"]}}, id="tags of collections"),
        pytest.param("a: !foo 5", {"a": "5"}, id="a custom tag makes a string"),
        pytest.param("a: !foo {b: 1}", {"a": {"b": 1}}, id="a custom tag of a mapping"),
        pytest.param("a: &x yes\nb: *x", {"a": True, "b": True}, id="an alias to a scalar"),
        pytest.param("a: &x 'yes'\nb: *x", {"a": "yes", "b": "yes"}, id="an alias to a quoted scalar"),
        pytest.param("a: &x [1]\nb: *x", {"a": [1], "b": [1]}, id="an alias to a sequence"),
        pytest.param("&k a: 1\n*k : 2\nb: *k", {"a": 2, "b": "a"}, id="an alias as a key"),
        pytest.param("a: @b".replace("@", "\\"), {"a": "\\b"}, id="a backslash"),
        pytest.param("---\n\ufeffa: 1", {"a": 1}, id="a byte order mark after the line"),
    ],
)
def test_data(text, expected):
    assert expected == data(text)


@pytest.mark.parametrize("text", ["a: ! 5", "a: ! '5'", 'a: ! "5"'])
def test_the_tag_of_strings(text):
    assert data(text) == {"a": "5"}


@pytest.mark.parametrize("text", ["a: !", "a: &b !", "a: ! ''", "a: !!str"])
def test_the_tag_of_strings_without_a_value(text):
    assert data(text) == {"a": ""}


@pytest.mark.parametrize("text", ["a: &x 1\nb: &x 2\nc: *x", "a: &x [1]\nb: {c: &x 2, d: *x}"])
def test_an_anchor_twice_names_it(text):
    """libyaml's composer takes it for an error, others for a new meaning."""
    with pytest.raises(InputError, match=r"anchor.*x"):
        source.read(text)


@pytest.mark.parametrize("separator", ["\ufeff"])
def test_a_byte_order_mark_moves_no_column(separator):
    """What kubectl reads after a `---` line begins with the mark, and it is no part of the first key."""
    assert data(separator + "kind: Pod\nmetadata:\n") == {"kind": "Pod", "metadata": None}


def test_aliases_are_written_out_apart():
    document = source.read("a: &x {c: [1]}\nb: *x\n")
    document.data["b"]["c"].append(2)

    assert document.data == {"a": {"c": [1]}, "b": {"c": [1, 2]}}


def test_repeated_names_the_shared_node():
    document = source.read("a: &x {c: [1]}\nb: *x\nd: {c: [1]}\n")
    shared = source.child(document.root, "a")

    assert {id(shared), id(source.child(shared, "c"))} == document.repeated


def test_nothing_is_repeated_without_aliases():
    assert frozenset() == source.read("a: &x {}\nb: '*x'\nc: 2 *x\n").repeated


# merges

SHARED = "x: &x {a: 1, b: 2}\nz: &z {a: 3, c: 4}\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("<<: *x", {"a": 1, "b": 2}, id="alone"),
        pytest.param("<<: *x, a: 9", {"a": 9, "b": 2}, id="what follows wins"),
        pytest.param("<<: [*x, *z]", {"a": 1, "b": 2, "c": 4}, id="the first of a list wins"),
        pytest.param("<<: [*z, *x], c: 9", {"a": 3, "b": 2, "c": 9}, id="a list, and a key behind"),
        pytest.param("<<: {d: 5}", {"d": 5}, id="a mapping in place"),
        pytest.param("<<: []", {}, id="an empty list"),
        pytest.param("!!merge <<: *x", {"a": 1, "b": 2}, id="with its tag"),
        pytest.param('"<<": 1', {"<<": 1}, id="quoted: a key"),
        pytest.param("'<<': *x", {"<<": {"a": 1, "b": 2}}, id="quoted, with an alias"),
        pytest.param("!!str <<: 1", {"<<": 1}, id="tagged: a key"),
        pytest.param("<<: {<<: *x, b: 3}", {"a": 1, "b": 3}, id="nested"),
        pytest.param("<<: *x, a: {d: 1}", {"a": {"d": 1}, "b": 2}, id="not deep"),
    ],
)
def test_merge(text, expected):
    assert expected == data(SHARED + "m: {" + text + "}\n")["m"]


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("a: 9, <<: *x", {"a": 1, "b": 2}, id="a merge behind a key wins"),
        pytest.param("<<: *x, <<: *z", {"a": 3, "b": 2, "c": 4}, id="the second merge wins"),
    ],
)
def test_merges_in_the_order_of_the_text(text, expected):
    """As sigs.k8s.io/yaml; kustomize and PyYAML let the key win. To refuse such a mapping is as good."""
    try:
        actual = data(SHARED + "m: {" + text + "}\n")["m"]
    except InputError:
        return

    assert expected == actual


@pytest.mark.parametrize("value", ["1", "[1]", "~", "", "[[{a: 1}]]", "text"])
def test_a_merge_needs_mappings(value):
    with pytest.raises(InputError, match="a merge key needs a mapping") as caught:
        source.read(f"a: 1\nm:\n  <<: {value}\n")

    assert 2 <= caught.value.line <= 3


# duplicates


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("a: 1\nb: 2\n", (), id="none"),
        pytest.param("a: 1\nb: {a: 1}\n", (), id="in another mapping"),
        pytest.param("a: 1\nb: 2\na: 3\n", (("a", 0, 2),), id="at the top"),
        pytest.param("x:\n- a: 1\n  b: 2\n  b: 3\n", (("b", 2, 3),), id="below"),
        pytest.param("a: 1\n'a': 2\n", (("a", 0, 1),), id="one quoted"),
        pytest.param("1: a\n'1': b\n", (("1", 0, 1),), id="a number and its string"),
        pytest.param("yes: a\n\non: b\n", (("true", 0, 2),), id="two words for true"),
        pytest.param("0x10: a\n16: b\n", (("16", 0, 1),), id="two ways to write a number"),
        pytest.param("a: 1\na: 2\na: 3\n", (("a", 0, 1), ("a", 0, 2)), id="three times"),
        pytest.param("'<<': 1\n'<<': 2\n", (("<<", 0, 1),), id="a quoted merge key"),
        pytest.param("x: &x {a: 1}\ny: {<<: *x, a: 2}\n", (), id="a merged key isn't one"),
        pytest.param('{"a": 1,\n"b": 2,\n"a": 3}', (("a", 0, 2),), id="JSON"),
        pytest.param('{"x": [{"a": 1,\n"\\u0061": 3}]}', (("a", 0, 1),), id="JSON with an escape"),
        pytest.param(
            '{"\\ud83d\\ude00": 1,\n"\\ud83d\\ude00": 3}', (("\U0001f600", 0, 1),), id="JSON with a surrogate pair"
        ),
    ],
)
def test_duplicates(text, expected):
    assert expected == source.read(text).duplicates


# bounds


def bomb(separator="", levels=8):
    lines = ["a0: &a0 [1]\n"]
    lines += [
        f"a{level}: &a{level} [" + ",".join([f"{separator}*a{level - 1}"] * 9) + "]\n" for level in range(1, levels + 1)
    ]
    return "".join(lines)


def test_alias_bomb():
    outcome = quick(bomb())

    assert isinstance(outcome, InputError)
    assert "expand to more than 10000 nodes" in str(outcome)


@pytest.mark.parametrize("separator", [" ", "\n ", "\t", "\n\ufeff", "\u0085 ", "\u0085", "\u2028", "\u2029"], ids=repr)
def test_alias_bomb_behind_every_break(separator):
    outcome = quick(bomb(separator, 5))

    assert isinstance(outcome, InputError)


@pytest.mark.parametrize(
    "level",
    [
        "{{a: [*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]}}",
        "{{k{1}: 1, <<: [*{0}, *{0}, *{0}, *{0}], l{1}: {{<<: *{0}}}}}",
    ],
    ids=["lists", "merges"],
)
def test_bombs_of_mappings(level):
    lines = ["m0: &m0 {a: 1}\n", *(f"m{at}: &m{at} " + level.format(f"m{at - 1}", at) + "\n" for at in range(1, 12))]

    assert isinstance(quick("".join(lines)), InputError)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<<: [" + ",".join(f"{{k{at}: 1}}" for at in range(8000)) + "]", id="merges in place"),
        pytest.param("".join(f"k{at}: 1\n" for at in range(3000)) * 2, id="duplicate keys"),
        pytest.param("{" + ",".join([f'"k{at}": 1' for at in range(2000)] * 2) + "}", id="duplicate keys in JSON"),
        pytest.param("a: 1\n" * 8000, id="one key again and again"),
        pytest.param("a: [" + "{}, " * 8000 + "]", id="many flow mappings"),
        pytest.param("- a\n" * 8000, id="many items"),
        pytest.param("a: &x [1]\nb: [" + "*x, " * 4000 + "]", id="many aliases within the budget"),
        pytest.param("a: " + "&" * 8000, id="many ampersands"),
        pytest.param("? " + "a" * 8000, id="a long key"),
    ],
)
def test_time_is_linear(text):
    quick(text, 0.6)


def test_a_few_aliases_are_fine():
    text = "a: &x {b: [1, 2, 3]}\n" + "".join(f"c{at}: *x\n" for at in range(1000))

    assert data(text)["c999"] == {"b": [1, 2, 3]}


@pytest.mark.parametrize(
    "text, line, column",
    [
        pytest.param("a: &x [*x]", 0, 3, id="a sequence"),
        pytest.param("a: &x {b: *x}", 0, 3, id="a mapping"),
        pytest.param("---\n&x\na:\n  b:\n  - *x", 1, 0, id="the root"),
        pytest.param("a: &x\n  b: 1\n  <<: *x", 0, 3, id="a merge of itself"),
        pytest.param("a: &x\n  <<: [{b: *x}]", 0, 3, id="through a merge"),
    ],
)
def test_a_cycle(text, line, column):
    with pytest.raises(InputError, match="an anchor contains itself") as caught:
        source.read(text)

    assert (line, column) == (caught.value.line, caught.value.column)


@pytest.mark.parametrize("count", [10_000, 1_000_000])
@pytest.mark.parametrize("opener", ["{", "[", "- ", "? ", "[{", "- ? ", "{a: ", "[\\n", "{ ? "])
def test_depth(opener, count):
    code, out = python(
        "from krm_harden import source\n"
        f"try: source.read('{opener}' * {count})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    assert (code, out) == (
        0,
        "InputError nested more than 300 levels deep (limit depth=300); "
        "raise it: --limit depth=600, or KRM_HARDEN_LIMITS=depth=600",
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("'a:\\n' + '- ' * n", id="below a key"),
        pytest.param("'a:\\r' + '- ' * n", id="after CR"),
        pytest.param("'a:\\r\\n' + '- ' * n", id="after CRLF"),
        pytest.param("'a:\\x85' + '- ' * n", id="after NEL"),
        pytest.param("'a:\\u2028' + '- ' * n", id="after LS"),
        pytest.param("'a:\\u2029' + '? ' * n", id="after PS"),
        pytest.param("'# c\\r' + '- ' * n", id="after CR and a comment"),
        pytest.param("'\\ufeff' + '- ' * n", id="after a byte order mark"),
        pytest.param("'---\\n\\ufeff' + '- ' * n", id="after a line and a byte order mark"),
        pytest.param("'--- ' + '- ' * n", id="on the line"),
        pytest.param("'? a\\n: ' + '- ' * n", id="a value of an explicit key"),
        pytest.param("'-\\t' * n", id="tabs"),
        pytest.param("'- \\t' * n", id="blanks and tabs"),
        pytest.param("'- &a ' * n", id="anchors"),
        pytest.param("'- !!seq ' * n", id="tags"),
        pytest.param("'- a: ' * n", id="keys"),
        pytest.param("'{\"a\":' * n", id="JSON"),
        pytest.param("'\\x85'.join(' ' * at + '-' for at in range(900))", id="lines that end in NEL"),
        pytest.param("'\\n'.join(' ' * at + 'a:' for at in range(900))", id="lines, each deeper"),
        pytest.param("'\\r'.join(' ' * at + 'a:' for at in range(900))", id="lines that end in CR"),
    ],
)
def test_no_depth_crashes(text):
    code, out = python(
        "import threading\n"
        "from krm_harden import source\n"
        f"n = 30_000\ntext = {text}\n"
        "def run():\n"
        "    try: source.read(text)\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "run()\n"
        "threading.stack_size(512 * 1024)\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()"
    )

    assert (code, out) == (0, "InputError")


@pytest.mark.parametrize("opening, closing", [("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ('{"a":', "}")], ids=repr)
@pytest.mark.parametrize("depth", [10, 150, 199])
def test_what_isnt_too_deep(opening, closing, depth):
    levels = depth // (opening.count("[") + opening.count("{"))
    actual = data(opening * levels + "1" + closing * levels)
    while not isinstance(actual, int):
        actual = actual["a"] if isinstance(actual, dict) else actual[0]

    assert actual == 1


def test_depth_on_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(data("[" * 250 + "]" * 250)))
    thread.start()
    thread.join()

    assert len(found) == 1


@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "[", "]", "- ", "? ", ": ", "a", ",", "\n", " ", "&x ", "*x", "<<: ", "'", "\r", "\u2028"]
        )
    )
)
def test_read_raises_only_input_errors(pieces):
    with contextlib.suppress(InputError):
        source.read("".join(pieces))


@pytest.mark.parametrize(
    "text",
    ["? [a]\n: b", "? {a: b}\n: c", "{[a]: b}", "{{a: b}: c}", "x: {{ .Values.x }}", "{{ x }}: a", "a: {? [b] : c}"],
    ids=repr,
)
def test_a_key_must_be_a_scalar(text):
    with pytest.raises(InputError, match="a key that isn't a scalar") as caught:
        source.read(text)

    assert caught.value.line == 0


@pytest.mark.parametrize("key", ["~", "null"])
def test_a_key_that_is_null_is_an_error_at_its_place(key):
    with pytest.raises(InputError, match="a key that is null") as caught:
        source.read(f"a: 1\nb:\n  {key}: 2\n")

    assert (caught.value.line, caught.value.column) == (2, 2)


@pytest.mark.parametrize(
    "text", ["~: a", "null: a", "? \n: a", "a: !!int b", "a: !!bool 1", "a: !!int 1.5", "a: !!null b"], ids=repr
)
def test_what_kubernetes_doesnt_read(text):
    with pytest.raises(InputError):
        source.read(text)


# JSON


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param('{"a": 1}', {"a": 1}, id="an object"),
        pytest.param(' \n[{"a": [true, null]}]\n', [{"a": [True, None]}], id="an array"),
        pytest.param('{\n\t"a":\t1\n}', {"a": 1}, id="tabs"),
        pytest.param('{"a":1}', {"a": 1}, id="no blanks"),
        pytest.param('{"a": "yes", "b": "0755", "1": 1}', {"a": "yes", "b": "0755", "1": 1}, id="strings stay"),
        pytest.param('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}, id="a surrogate pair"),
        pytest.param('{"\\ud83d\\ude00": 1}', {"\U0001f600": 1}, id="a surrogate pair in a key"),
        pytest.param('{"a": "\\\\ud83d"}', {"a": "\\ud83d"}, id="an escaped backslash"),
        pytest.param('{"a": "\\\\\\ud83d\\ude00"}', {"a": "\\\U0001f600"}, id="a backslash, then a pair"),
        pytest.param('{"a": "\x7f"}', {"a": "\x7f"}, id="DEL"),
        pytest.param('{"a": "\\/"}', {"a": "/"}, id="an escaped slash"),
        pytest.param('{"a": "\\u0000\\n\\u0085"}', {"a": "\0\n\u0085"}, id="control characters, escaped"),
        pytest.param('{"<<": {"a": 1}}', {"<<": {"a": 1}}, id="no merges"),
        pytest.param('{"a": "*b", "c": "&d"}', {"a": "*b", "c": "&d"}, id="no aliases"),
        pytest.param('{"' + "k" * 1100 + '": 1}', {"k" * 1100: 1}, id="a key of more than 1,024 characters"),
    ],
)
def test_json(text, expected):
    document = source.read(text)

    assert document.is_json
    assert expected == document.data
    assert text == document.text
    assert document.root is not None


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("{a: 1}", {"a": 1}, id="a plain key"),
        pytest.param('{"a": NaN}', {"a": "NaN"}, id="NaN"),
        pytest.param('{"a": Infinity}', {"a": "Infinity"}, id="Infinity"),
        pytest.param('{"a": -Infinity}', {"a": "-Infinity"}, id="-Infinity"),
        pytest.param('{"a": yes}', {"a": True}, id="a word"),
        pytest.param('{"a": 1,}', {"a": 1}, id="a trailing comma"),
        pytest.param('{"a": 1} # c', {"a": 1}, id="a comment"),
        pytest.param('{"a": 01}', {"a": 1}, id="an octal"),
        pytest.param('---\n{"a": 1}', {"a": 1}, id="after a line"),
        pytest.param('{"a": 1}\n...\n', {"a": 1}, id="before dots"),
    ],
)
def test_flow_that_isnt_json(text, expected):
    document = source.read(text)

    assert not document.is_json
    assert expected == document.data


def test_a_lone_surrogate_isnt_text():
    with pytest.raises(InputError, match="not text"):
        harden("a: \ud83d\n")


def test_json_marks_are_those_of_the_text():
    text = '{"a": "\\ud83d\\ude00\x7f", "b": 1}'
    node = source.child(source.read(text).root, "b")

    assert text[node.start_mark.index : node.end_mark.index] == "1"


# errors


@pytest.mark.parametrize(
    "text, line, column, message",
    [
        pytest.param("a: @b", 0, 3, "cannot start any token", id="an at sign"),
        pytest.param("a: `b`", 0, 3, "cannot start any token", id="a backtick"),
        pytest.param("a:\n\tb: x", 1, 0, "cannot start any token", id="a tab for indentation"),
        pytest.param("-\tb: c", 0, 1, "cannot start any token", id="a tab after a dash"),
        pytest.param("a: b: c", 0, 4, "not allowed in this context", id="two colons"),
        pytest.param("a: 1\nb: [1,", 2, 0, "did not find expected node content", id="an open bracket"),
        pytest.param("a: *b", 0, 3, "undefined alias", id="an undefined alias"),
        pytest.param("a: 1\n b: 2", 1, 2, "not allowed in this context", id="too deep"),
        pytest.param("a:\n  b: 1\n c: 2", 2, 1, "did not find expected key", id="between two columns"),
        pytest.param("a: \U0001f600 @\nb: @", 1, 3, "cannot start any token", id="columns count characters"),
        pytest.param("a: 1\n---\nb: 2", 1, 0, "a second document begins", id="two documents"),
        pytest.param("a: 1\r---\rb: 2", 1, 0, "a second document begins", id="a line after CR"),
        pytest.param("a: !foo!bar 1", 0, 3, "undefined tag handle", id="an undefined tag handle"),
    ],
)
def test_errors_say_where(text, line, column, message):
    with pytest.raises(InputError, match=message) as caught:
        source.read(text)

    assert (line, column) == (caught.value.line, caught.value.column)


# custom tags, anchors, children, lines


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("a: !foo b", True, id="local"),
        pytest.param("a: !<tag:example.com,2000:x> b", True, id="global"),
        pytest.param("a: !foo {}", True, id="of a mapping"),
        pytest.param("a: !!str b", False, id="core"),
        pytest.param("a: !!map {}", False, id="core, of a mapping"),
        pytest.param("a: b", False, id="plain"),
        pytest.param("a: 'b'", False, id="quoted"),
        pytest.param("a: {}", False, id="a mapping"),
    ],
)
def test_has_custom_tag(text, expected):
    assert expected is source.has_custom_tag(source.child(source.read(text).root, "a"))


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("a: b", [], id="none"),
        pytest.param("a: '&x *x' # &x *x", [], id="only in text"),
        pytest.param("a: &x 1\nb: *x", ["&x", "*x"], id="a scalar"),
        pytest.param("&r\na: &x {b: &y []}\nc: {<<: [*x], d: *y}", ["&r", "&x", "&y", "*x", "*y"], id="in order"),
        pytest.param("&k a: 1\n*k : 2", ["&k", "*k"], id="keys"),
        pytest.param("[&x a,*x,{b: *x}]", ["&x", "*x", "*x"], id="flow"),
        pytest.param("? &x a\n: *x", ["&x", "*x"], id="explicit keys"),
        pytest.param('{"a":&x 1,"b":*x}', ["&x", "*x"], id="behind a colon"),
        pytest.param("a: !!str &x b\nc: &y !!str d", ["&x", "&y"], id="beside tags"),
        pytest.param("--- &x\na: *x", ["&x", "*x"], id="on the line"),
        pytest.param("a: [&x b,\u0085*x,\u2028&y c]", ["&x", "*x", "&y"], id="after NEL and LS"),
        pytest.param("[&x a,\n\ufeff*x]", ["&x", "*x"], id="right after a byte order mark"),
    ],
)
def test_anchors(text, expected):
    assert expected == source.anchors(text)


def test_child():
    root = source.read("x: &x {a: 1, b: 2}\nm: {<<: *x, b: 3}\nz: [c, d]\n").root
    merged = source.child(root, "m")

    assert source.child(merged, "a").value == "1"
    assert source.child(merged, "b").value == "3"
    assert source.child(merged, "c") is None
    assert source.child(source.child(root, "z"), 1).value == "d"
    assert source.child(source.child(root, "z"), 2) is None
    assert source.child(source.child(root, "z"), "d") is None
    assert source.child(source.child(merged, "a"), "x") is None


@pytest.mark.parametrize("key, step", [("1", "1"), ("yes", "true"), ("0x10", "16")])
def test_child_by_what_kubernetes_calls_it(key, step):
    """The data has the key under its string; a node for it is found, or an edit of it refused: never another one's."""
    document = source.read(f"{key}: a\n")
    found = source.child(document.root, step)

    assert {step: "a"} == document.data
    assert found is None or found.value == "a"


@pytest.mark.parametrize("text", ["a: 1\nb: 2\n", "x: &x {a: 1}\nz: &z {a: 2, b: 3}\nm: {<<: [*x, *z], c: 4}\n"])
def test_children_are_the_data(text):
    document = source.read(text)
    stack = [(document.root, document.data)]
    while stack:
        node, value = stack.pop()
        if isinstance(value, dict):
            stack += [(source.child(node, key), value[key]) for key in value]
        else:
            assert str(value) == node.value


LINES = """\
# c
a:
  b:

  - c: 1
    d: {e: 2,
      f: 3}
  -
    g: 4
h: &h
  i: 5
j:
  <<: *h
"""


@pytest.mark.parametrize(
    "pointer, expected",
    [
        pytest.param((), 1, id="the root"),
        pytest.param(("a",), 1, id="a key"),
        pytest.param(("a", "b"), 2, id="a key below"),
        pytest.param(("a", "b", 0), 4, id="an item"),
        pytest.param(("a", "b", 0, "d", "f"), 6, id="flow"),
        pytest.param(("a", "b", 1), 8, id="an item below its dash"),
        pytest.param(("a", "b", 1, "x", "y"), 8, id="the deepest that is there"),
        pytest.param(("a", "b", 5), 2, id="an item that isn't there"),
        pytest.param(("x",), 1, id="nothing"),
        pytest.param(("j", "i"), 10, id="a merged key, where it is written"),
    ],
)
def test_line_of(pointer, expected):
    assert expected == source.line_of(source.read(LINES), pointer)


@pytest.mark.parametrize(
    "pointer, expected",
    [
        pytest.param(("a", "b"), (2, 2), id="a key"),
        pytest.param(("a", "b", 0), (4, 4), id="an item"),
        pytest.param(("a", "b", 0, "d", "f"), (6, 6), id="flow"),
        pytest.param(("a", "b", 0, "d", "z"), (5, 4), id="the deepest that is there"),
    ],
)
def test_place_of(pointer, expected):
    assert expected == source.place_of(source.read(LINES), pointer)


def test_place_of_json_in_one_line():
    text = '{"a": {"b": [{"c": 1}, {"d": 2}]}}'

    assert source.place_of(source.read(text), ("a", "b", 1, "d")) == (0, text.index('"d"'))


# loading in parts

LATER = """
assert yaml.safe_load("a: [1, yes, 2001-01-01]")["a"][:2] == [1, True]
assert yaml.load("a: [1, yes]", yaml.CSafeLoader) == {"a": [1, True]}
assert yaml.dump({"a": [1]}, Dumper=yaml.CSafeDumper) == yaml.safe_dump({"a": [1]})
assert source.read("a: [1, 0755]").data == {"a": [1, 493]}
"""
ERRORS = """
for text, kind in [("a: [", yaml.parser.ParserError), ("a: @", yaml.scanner.ScannerError),
                   ("a: *b", yaml.composer.ComposerError), ("a: \\x07", yaml.reader.ReaderError)]:
    try: yaml.load(text, yaml.CSafeLoader)
    except kind as error: assert str(error) and "Mark object" not in str(error), str(error)
    else: raise SystemExit("no error")
"""
OURS = """
for text in ["a: [", "a: @", "a: *b", "a: \\x07", "a: &x 1\\nb: &x 2", "a: 1\\n---\\nb: 2"]:
    try: source.read(text)
    except InputError as error: assert str(error).startswith("not YAML: ") and "object" not in str(error), str(error)
    else: raise SystemExit("no error")
"""
DEEP = """
from krm_harden import limits
most = limits.now()["depth"]
inner = "1, b: [*c, 'd', &e !f g, !!map {}, ~]"
source.check_depth("# a comment" + chr(10) + '{"a": ' * (most - 5) + inner + "}" * (most - 5))
try: source.read("[" * (most + 1) + "]" * (most + 1))
except InputError as error: assert "nested more than" in str(error), str(error)
else: raise SystemExit("no error")
"""
PARTS_FIRST = "import sys\nfrom krm_harden import source\nfrom krm_harden.errors import InputError\n"
IN_PARTS = "from krm_harden import libyaml\nlibyaml.in_parts()\n" + PARTS_FIRST
YAML_FIRST = "import yaml\nfrom krm_harden import source\nfrom krm_harden.errors import InputError\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(IN_PARTS + "assert 'yaml' not in sys.modules", id="only parts are loaded"),
        pytest.param(IN_PARTS + OURS, id="errors of the parts"),
        pytest.param(IN_PARTS + DEEP, id="the depth of a text, which is counted in events"),
        pytest.param(PARTS_FIRST + "import yaml\n" + LATER, id="yaml later"),
        pytest.param(PARTS_FIRST + "import yaml\n" + OURS, id="yaml later, our errors"),
        pytest.param(PARTS_FIRST + "import yaml\n" + ERRORS, id="yaml later, its errors"),
        pytest.param(PARTS_FIRST + "import ruamel.yaml\nruamel.yaml.YAML(typ='safe').load('a: 1')", id="ruamel later"),
        pytest.param(YAML_FIRST + LATER, id="yaml before"),
        pytest.param(YAML_FIRST + OURS, id="yaml before, our errors"),
        pytest.param(YAML_FIRST + ERRORS, id="yaml before, its errors"),
        pytest.param(
            PARTS_FIRST
            + "import re, yaml\nyaml.add_implicit_resolver('!x', re.compile('q'), ['q'], yaml.CSafeLoader)\n"
            "assert source.read('a: q').data == {'a': 'q'}",
            id="a resolver of somebody else",
        ),
    ],
)
def test_beside_yaml(code):
    assert python(code) == (0, "")


def test_json_with_many_brackets_may_have_what_libyaml_rejects():
    """Before, only short ones could."""
    data = {"a": "\U0001f600", "b": "*c &d \x7f", "e" * 2000: [[] for _ in range(400)]}
    text = json.dumps(data)

    assert data == source.read(text).data
    assert source.anchors(json.dumps({**data, "f": " *g"})) == []

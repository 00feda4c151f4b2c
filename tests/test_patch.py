"""Operations become the smallest patch that means the same, each of which can be edited on the original text."""

from __future__ import annotations

import copy
import marshal

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krm_harden.model import Operation, lookup
from krm_harden.patch import Draft, patched, to_json


def steps(path):
    """A Pointer as it is written here: `a/0/-`."""
    return tuple(int(step) if step.isdigit() else step for step in path.split("/"))


def operations(*made):
    return tuple(Operation(op, steps(path), *value) for op, path, *value in made)


def drafted(data, *made):
    draft = Draft(data)
    for operation in operations(*made):
        draft.apply(operation)
    return draft


def same(left, right):
    """Equal in type too: `==` takes True for 1."""
    return marshal.dumps(left, 2) == marshal.dumps(right, 2)


@pytest.mark.parametrize(
    "data, path, value",
    [
        pytest.param({"a": 1}, "a", 1, id="a number"),
        pytest.param({"a": {"b": True}}, "a/b", True, id="a boolean"),
        pytest.param({"a": None}, "a", None, id="null"),
        pytest.param({"a": [1, {"b": "c"}]}, "a", [1, {"b": "c"}], id="a list"),
        pytest.param({"a": [{"b": 1}]}, "a/0/b", 1, id="within a list"),
        pytest.param({"a": {}}, "a", {}, id="an empty mapping"),
    ],
)
def test_nothing_to_do(data, path, value):
    draft = drafted(data, ("add", path, value))

    assert draft.operations == ()
    assert data == draft.data


@pytest.mark.parametrize(
    "data, value",
    [
        pytest.param(1, True, id="1 and true"),
        pytest.param(False, 0, id="false and 0"),
        pytest.param(1.0, 1, id="1.0 and 1"),
        pytest.param("1", 1, id="text and a number"),
        pytest.param([1], [True], id="within a list"),
        pytest.param({"b": 1}, {"b": True}, id="within a mapping"),
        pytest.param({}, [], id="empty collections"),
    ],
)
def test_another_type_is_a_change(data, value):
    draft = drafted({"a": data}, ("add", "a", value))

    assert operations(("replace", "a", value)) == draft.operations
    assert same({"a": value}, draft.data)


@pytest.mark.parametrize(
    "data, made, expected",
    [
        pytest.param({}, [("add", "a", 1)], [("add", "a", 1)], id="a key"),
        pytest.param({}, [("add", "a/b/c", 1)], [("add", "a", {"b": {"c": 1}})], id="missing parents"),
        pytest.param({"a": {}}, [("add", "a/b/c", 1)], [("add", "a/b", {"c": 1})], id="an empty parent"),
        pytest.param({"a": None}, [("add", "a/b/c", 1)], [("replace", "a", {"b": {"c": 1}})], id="a parent of null"),
        pytest.param({"a": {"b": None}}, [("add", "a/b", 1)], [("replace", "a/b", 1)], id="a value of null"),
        pytest.param({"a": 1}, [("add", "a", 2)], [("replace", "a", 2)], id="a value that is there"),
        pytest.param({"a": 1}, [("replace", "a", 2)], [("replace", "a", 2)], id="a replacement"),
        pytest.param({"a": [{}]}, [("add", "a/0/b/c", 1)], [("add", "a/0/b", {"c": 1})], id="within an item"),
        pytest.param({"a": [None]}, [("add", "a/0/b", 1)], [("replace", "a/0", {"b": 1})], id="within an item of null"),
        pytest.param({"a": []}, [("add", "a/-", 1)], [("add", "a/-", 1)], id="an append"),
        pytest.param({}, [("add", "a/-", 1)], [("add", "a", [1])], id="an append to nothing"),
        pytest.param({"a": None}, [("add", "a/-", 1)], [("replace", "a", [1])], id="an append to null"),
        pytest.param({}, [("add", "a/b/-", {"c": 1})], [("add", "a", {"b": [{"c": 1}]})], id="an append below nothing"),
        pytest.param({"a": [1]}, [("add", "a/-", 2), ("add", "a/-", 3)], [("add", "a/-", 2), ("add", "a/-", 3)], id="two appends"),
        pytest.param({"a": [1]}, [("add", "a/-", 1)], [("add", "a/-", 1)], id="an append of what is there"),
        pytest.param({}, [("add", "a/-", 1), ("add", "a/-", 2)], [("add", "a", [1, 2])], id="two appends to nothing"),
        pytest.param({}, [("add", "a/b", 1), ("add", "a/c", 2)], [("add", "a", {"b": 1, "c": 2})], id="folded"),
        pytest.param({}, [("add", "a/b", 1), ("add", "a/c/d/-", 2)], [("add", "a", {"b": 1, "c": {"d": [2]}})], id="folded deeply"),
        pytest.param({}, [("add", "a", {"b": 1}), ("add", "a/b", 2)], [("add", "a", {"b": 2})], id="changed again"),
        pytest.param({}, [("add", "a", 1), ("add", "a", 2)], [("add", "a", 2)], id="the same key again"),
        pytest.param({"a": 1}, [("add", "a", 2), ("add", "a", 3)], [("replace", "a", 3)], id="replaced again"),
        pytest.param({"a": None}, [("add", "a/b", 1), ("add", "a/c", 2)], [("replace", "a", {"b": 1, "c": 2})], id="folded into a replacement"),
        pytest.param({"a": {}}, [("add", "a/b", 1), ("add", "a/c", 2)], [("add", "a/b", 1), ("add", "a/c", 2)], id="side by side"),
        pytest.param({"a": {}}, [("add", "a/b", 1), ("add", "c", 2), ("add", "a/d", 3)], [("add", "a/b", 1), ("add", "c", 2), ("add", "a/d", 3)], id="in the order of need"),
        pytest.param({}, [("add", "a", 1), ("add", "ab", 2)], [("add", "a", 1), ("add", "ab", 2)], id="a key that begins like another"),
        pytest.param({"a": {"b": 1, "c": 2}}, [("remove", "a/b")], [("remove", "a/b")], id="a removal"),
        pytest.param({"a": [1, 2, 3]}, [("remove", "a/2"), ("remove", "a/0")], [("remove", "a/2"), ("remove", "a/0")], id="removals from a list"),
        pytest.param({"a": {"b": 1}}, [("remove", "a/b"), ("add", "a/c", 2)], [("remove", "a/b"), ("add", "a/c", 2)], id="a removal and an addition"),
    ],
)  # fmt: skip
def test_operations(data, made, expected):
    original = copy.deepcopy(data)
    draft = drafted(data, *made)

    assert operations(*expected) == draft.operations
    assert same(original, data)
    assert same(jsonpatch.apply_patch(original, to_json(draft.operations)), draft.data)


@pytest.mark.parametrize(
    "data, made, expected",
    [
        pytest.param({}, [("add", "a", {"b": 1, "c": 2}), ("remove", "a/b")], [("add", "a", {"c": 2})], id="a removal from what was added"),
        pytest.param({"a": [0]}, [("add", "a/-", {"b": 1}), ("add", "a/1/c", 2)], [("add", "a/-", {"b": 1, "c": 2})], id="a key of what was appended"),
        pytest.param({"a": {"b": {}}}, [("add", "a/b/c", 1), ("add", "a/b", 2)], [("replace", "a/b", 2)], id="a parent of what was added"),
    ],
)  # fmt: skip
def test_what_was_added_is_folded(data, made, expected):
    assert operations(*expected) == drafted(data, *made).operations


def test_the_data_given_stays():
    data = {"a": {"b": [{"c": 1}]}, "d": {}}
    draft = drafted(data, ("add", "a/b/0/c", 2), ("add", "a/b/-", 3), ("add", "d/e", 4), ("remove", "a/b/0/c"))

    assert data == {"a": {"b": [{"c": 1}]}, "d": {}}
    assert draft.data == {"a": {"b": [{}, 3]}, "d": {"e": 4}}


def test_the_values_given_stay():
    value = {"b": [1]}
    drafted({}, ("add", "a", value), ("add", "a/b/-", 2), ("add", "a/c", 3))

    assert value == {"b": [1]}


def test_what_isnt_on_the_way_is_shared():
    data = {"a": {"b": 1}, "c": {"d": 2}}
    draft = drafted(data, ("add", "a/b", 2))

    assert draft.data["c"] is data["c"]


def test_to_json():
    made = (
        Operation("add", ("a", 0, "b/c~d"), {"e": None}),
        Operation("replace", ("f",), None),
        Operation("remove", ("g", "h.i/j")),
        Operation("add", ("k", "-"), False),
        Operation("add", (), 1),
    )

    assert to_json(made) == [
        {"op": "add", "path": "/a/0/b~1c~0d", "value": {"e": None}},
        {"op": "replace", "path": "/f", "value": None},
        {"op": "remove", "path": "/g/h.i~1j"},
        {"op": "add", "path": "/k/-", "value": False},
        {"op": "add", "path": "", "value": 1},
    ]


def test_to_json_of_nothing():
    assert to_json(()) == []


def test_patched():
    data = {"a": [1], "b": {"c": 2}}
    made = operations(("add", "a/-", 3), ("replace", "b/c", 4), ("add", "b/x.y~z", 5), ("remove", "a/0"))

    assert patched(data, made) == {"a": [3], "b": {"c": 4, "x.y~z": 5}}


def test_patched_needs_what_it_changes():
    with pytest.raises(jsonpatch.JsonPatchException):
        patched({}, operations(("replace", "a/b", 1)))


# properties

SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["x", "y", ""])
KEYS = st.sampled_from(["a", "b", "c", "d/e", "f~g", "0"])
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@st.composite
def cases(draw, *, removals=False):
    """Data and operations on it, each possible when it is its turn: scalars on the way are never given keys."""
    data = draw(st.dictionaries(KEYS, DATA, max_size=4))
    draft = Draft(copy.deepcopy(data))
    for _ in range(draw(st.integers(1, 6))):
        op = draw(st.sampled_from(["add", "add", "remove"] if removals else ["add"]))
        path = draw(paths(draft.data, op))
        if path:
            draft.apply(Operation(op, path) if op == "remove" else Operation("add", path, draw(DATA)))
    return data, draft


@st.composite
def paths(draw, data, op):
    path = []
    while True:
        if isinstance(data, dict):
            choices = [KEYS] if op == "add" else [st.sampled_from(sorted(data))] if data else []
        elif isinstance(data, list):
            indexes = list(range(len(data)))
            choices = [st.sampled_from([*indexes, "-"] if op == "add" else indexes)] if indexes or op == "add" else []
        else:
            choices = [KEYS | st.just("-")] if data is None and op == "add" and len(path) < 4 else []
        if not choices or (path and draw(st.booleans())):
            return tuple(path)
        step = draw(choices[0])
        path.append(step)
        data = data.get(step) if isinstance(data, dict) else data[step] if isinstance(data, list) and step != "-" else None


@settings(max_examples=400)
@given(cases(removals=True))
def test_the_draft_is_what_its_patch_means(case):
    data, draft = case

    assert same(jsonpatch.apply_patch(data, to_json(draft.operations)), draft.data)
    assert same(patched(copy.deepcopy(data), draft.operations), draft.data)


@settings(max_examples=400)
@given(cases(), st.data())
def test_what_was_asked_for_is_there(case, more):
    _, draft = case
    path = more.draw(paths(draft.data, "add"))
    value = more.draw(DATA)
    if path and "-" not in path:
        draft.apply(Operation("add", path, value))

        assert same(value, lookup(draft.data, path))


@settings(max_examples=400)
@given(cases())
def test_operations_stand_on_the_source(case):
    """Each operation's parent is in the source, and none lies within another one."""
    data, draft = case
    made = [operation.path for operation in draft.operations]

    for path in made:
        assert isinstance(lookup(data, path[:-1]), (dict, list))
    for at, path in enumerate(made):
        inside = [other for place, other in enumerate(made) if place != at and other[: len(path)] == path and path[-1] != "-"]
        assert inside == []


@given(cases())
def test_a_second_time_changes_nothing(case):
    _, draft = case
    again = Draft(draft.data)
    for operation in draft.operations:
        if "-" not in operation.path:
            again.apply(operation)

    assert again.operations == () or same(again.data, draft.data)

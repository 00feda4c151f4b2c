"""Operations become the smallest patch that means the same, each of which can be edited on the original text."""

from __future__ import annotations

import copy
import marshal

import jsonpatch
import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from krm_harden.model import Operation, lookup
from krm_harden.patch import Draft, on_result, on_source, patched, to_json


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
        pytest.param({"c": 1}, [("add", "a/b", 1), ("remove", "c"), ("add", "a/d", 2)], [("add", "a", {"b": 1, "d": 2}), ("remove", "c")], id="past a removal elsewhere"),
        pytest.param({"l": [0, 1]}, [("add", "l/-", {"b": 1}), ("remove", "l/0"), ("add", "l/1/c", 2)], [("add", "l/-", {"b": 1, "c": 2}), ("remove", "l/0")], id="an item that moved up"),
        pytest.param({"a": {"b": 1, "c": {}}}, [("replace", "a/b", 2), ("add", "a/c/d", 3), ("remove", "a")], [("remove", "a")], id="what is removed with its parent"),
        pytest.param({"a": {"b": 1}}, [("remove", "a/b"), ("replace", "a", 2)], [("replace", "a", 2)], id="a removal from what is replaced"),
        pytest.param({"a": 1}, [("replace", "a", 2), ("remove", "a")], [("remove", "a")], id="a replacement that is removed"),
        pytest.param({"a": 1}, [("remove", "a"), ("add", "a", {"b": 2}), ("add", "a/c", 3)], [("remove", "a"), ("add", "a", {"b": 2, "c": 3})], id="removed and added again"),
        pytest.param({}, [("add", "a", 1), ("remove", "a")], [], id="an addition that is removed"),
        pytest.param({"l": [0]}, [("add", "l/-", 1), ("add", "l/-", 2), ("remove", "l/1")], [("add", "l/-", 2)], id="an append that is removed"),
        pytest.param({"l": [0, {"a": 1}]}, [("remove", "l/1/a"), ("remove", "l/0"), ("replace", "l/0", 2)], [("remove", "l/0"), ("replace", "l/0", 2)], id="a removal below an item that moved up"),
    ],
)  # fmt: skip
def test_what_was_added_is_folded(data, made, expected):
    draft = drafted(data, *made)

    assert operations(*expected) == draft.operations
    assert same(jsonpatch.apply_patch(data, to_json(draft.operations)), draft.data)


@pytest.mark.parametrize(
    "made, source, result",
    [
        pytest.param([("remove", "l/0"), ("replace", "l/0/a", 1)], ["l/0", "l/1/a"], ["l/0/a"], id="behind what went away"),
        pytest.param([("remove", "l/1"), ("replace", "l/0", 1)], ["l/1", "l/0"], ["l/0"], id="before what went away"),
        pytest.param([("remove", "l/0"), ("remove", "l/0"), ("remove", "l/1")], ["l/0", "l/1", "l/3"], [], id="one after the other"),
        pytest.param([("replace", "l/2", 1), ("remove", "l/0"), ("add", "l/-", 2)], ["l/2", "l/0", "l/-"], ["l/1", "l/-"], id="before items move up"),
        pytest.param([("remove", "a/l/0/m/0"), ("remove", "a/l/0"), ("add", "a/l/0/m/0/n", 1)], ["a/l/0/m/0", "a/l/0", "a/l/1/m/0/n"], ["a/l/0/m/0/n"], id="lists within lists"),
        pytest.param([("remove", "a"), ("add", "a", 1)], ["a", "a"], ["a"], id="a key that comes again"),
    ],
)  # fmt: skip
def test_places_in_the_source_and_in_the_result(made, source, result):
    made = operations(*made)

    assert [steps(path) for path in source] == [operation.path for operation in on_source(made)]
    assert [steps(path) for path in result] == [operation.path for operation in on_result(made)]


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
    with pytest.raises((jsonpatch.JsonPatchException, jsonpatch.JsonPointerException)):
        patched({}, operations(("replace", "a/b", 1)))


def test_removals_and_additions_of_one_key_in_turn():
    draft = drafted({"l": [0]}, ("add", "a", 1), ("remove", "a"), ("add", "a", 2), ("add", "l/0", 3), ("remove", "l/0"))

    assert draft.data == {"a": 2, "l": []}
    assert same(jsonpatch.apply_patch({"l": [0]}, to_json(draft.operations)), draft.data)


# properties

SCALARS = st.sampled_from([None, True, False, 0, 1, "x", ""])
KEYS = st.sampled_from(["a", "b", "d/e", "f~g", "0"])
INNER = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(KEYS, SCALARS, max_size=2)
DATA = INNER | st.lists(INNER, max_size=2) | st.dictionaries(KEYS, INNER, max_size=2)
# Shrinking takes longer than reading a case of at most five operations.
CASES = settings(max_examples=150, phases=[phase for phase in Phase if phase is not Phase.shrink])


def some_path(data, op, random):
    """A path that an operation may have: scalars on the way are never given keys."""
    path = []
    while not path or random.random() < 0.6:
        if isinstance(data, dict):
            step = random.choice(["a", "b", "d/e", "f~g", "0"] if op == "add" else sorted(data) or [None])
        elif isinstance(data, list):
            step = random.choice([*range(len(data)), "-"] if op == "add" else [*range(len(data))] or [None])
        else:
            step = random.choice(["a", "b", "-"]) if data is None and op == "add" else None
        if step is None:
            break
        path.append(step)
        data = (
            data.get(step) if isinstance(data, dict) else data[step] if isinstance(data, list) and step != "-" else None
        )
    return tuple(path)


def some_draft(data, values, random, ops):
    """A draft of the data with some operations, each possible when it is its turn."""
    draft = Draft(copy.deepcopy(data))
    for value in values:
        op = random.choice(ops)
        path = some_path(draft.data, op, random)
        if path:
            note(f"{op} {path} {value if op == 'add' else ''}")
            draft.apply(Operation(op, path, value if op == "add" else None))
    return draft


ROOTS = st.dictionaries(KEYS, DATA, max_size=3)
VALUES = st.lists(DATA, min_size=1, max_size=5)


@CASES
@given(ROOTS, VALUES, st.randoms(use_true_random=True))
def test_additions_are_what_their_patch_means(data, values, random):
    draft = some_draft(data, values, random, ["add"])

    assert same(jsonpatch.apply_patch(data, to_json(draft.operations)), draft.data)
    assert same(patched(copy.deepcopy(data), draft.operations), draft.data)


@CASES
@given(ROOTS, VALUES, st.randoms(use_true_random=True))
def test_the_draft_is_what_its_patch_means(data, values, random):
    draft = some_draft(data, values, random, ["add", "add", "remove"])

    assert same(jsonpatch.apply_patch(data, to_json(draft.operations)), draft.data)


@CASES
@given(ROOTS, VALUES, DATA, st.randoms(use_true_random=True))
def test_what_was_asked_for_is_there(data, values, value, random):
    draft = some_draft(data, values, random, ["add"])
    path = some_path(draft.data, "add", random)
    if path and "-" not in path:
        draft.apply(Operation("add", path, value))

        assert same(value, lookup(draft.data, path))


@CASES
@given(ROOTS, VALUES, st.randoms(use_true_random=True))
def test_operations_stand_on_the_source(data, values, random):
    """Each operation's parent is in the source, and none lies within another one."""
    made = [operation.path for operation in some_draft(data, values, random, ["add"]).operations]

    for path in made:
        assert isinstance(lookup(data, path[:-1]), (dict, list))
    for path in made:
        assert (
            path[-1] == "-"
            or made == [path]
            or not any(other[: len(path)] == path for other in made if other is not path)
        )

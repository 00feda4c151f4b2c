"""What holds for every text: nothing is raised, nothing is lost, and what changes is what the operations say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jsonpatch
import yaml
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from strategies import Style, documents, streams, styles, written

from krm_harden import Policy, check, controls, edit, harden, source, split, verify
from krm_harden import policy as policies
from krm_harden.engine import Engine
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import Operation
from krm_harden.patch import Draft, to_json

EXAMPLES = settings.default.max_examples if settings.default else 100
"""Manifests cost more than fragments: what the profile asks for is shared out."""

POLICIES = st.sampled_from(
    [
        None,
        {"changes": "additive"},
        {"explicit": "override"},
        {"controls": {"readOnlyRootFilesystem": {"enabled": False}, "numericUser": {"enabled": False}}},
    ]
)


def policy_of(spec: dict[str, Any] | None) -> Policy | None:
    if spec is None:
        return None
    return Policy.from_dict({"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": spec})


def unshared(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: unshared(value) for key, value in data.items()}
    return [unshared(item) for item in data] if isinstance(data, list) else data


def objects(data: Any) -> list[Any]:
    if isinstance(data, dict) and data.get("kind") in {"List", "ResourceList"}:
        return [found for item in data.get("items") or [] for found in objects(item)]
    return [data] if isinstance(data, dict) and data.get("kind") in {"Pod", "Deployment"} else []


def loaded(text: str) -> list[Any]:
    return [unshared(data) for data in yaml.load_all(text, yaml.CSafeLoader)]


def comments_of(text: str) -> list[str]:
    """The comments that the strategies write."""
    return [line[line.index(mark) :] for line in text.splitlines() for mark in ("# own", "# behind") if mark in line]


def is_subsequence(old: list[str], new: list[str]) -> bool:
    rest = iter(new)
    return all(line in rest for line in old)


@given(text=streams(), spec=POLICIES)
@settings(max_examples=EXAMPLES // 2)
def test_hardened_says_what_the_operations_say(text, spec):
    policy = policy_of(spec)
    result = harden(text, policy)
    expected = loaded(text)
    found = [thing for data in expected for thing in objects(data)]
    waiting = list(zip(result.resources, result.operations, strict=True))
    for thing in found:
        if waiting and waiting[0][0].resource.name == thing["metadata"]["name"]:
            jsonpatch.apply_patch(thing, waiting.pop(0)[1], in_place=True)

    assert waiting == []
    assert expected == loaded(result.text)


@given(text=streams(), spec=POLICIES)
@settings(max_examples=EXAMPLES // 3)
def test_hardened_twice_is_hardened_once(text, spec):
    policy = policy_of(spec)
    result = harden(text, policy)
    again = harden(result.text, policy)

    assert result.text == again.text
    assert len(result.errors) == len(again.errors)


@given(text=streams(), spec=POLICIES)
@settings(max_examples=EXAMPLES // 3)
def test_nothing_is_lost(text, spec):
    result = harden(text, policy_of(spec))
    kept = comments_of(result.text)
    kinds = {operation["op"] for operations in result.operations for operation in operations}

    assert is_subsequence(kept, comments_of(text))
    assert "remove" in kinds or kept == comments_of(text)
    assert text.endswith("\n") == result.text.endswith("\n")
    assert text.count("\r\n") == text.count("\n") or "\r" not in result.text
    assert kinds - {"add"} or is_subsequence(list(text), list(result.text))


@given(text=streams())
@settings(max_examples=EXAMPLES // 3)
def test_check_agrees_with_what_was_hardened(text):
    """The verdicts are the same, and nothing that was fixed is open again."""
    result = harden(text)
    checked = check(result.text)

    assert [found.allowed for found in result.resources] == [found.allowed for found in checked.resources]
    assert result.allowed == checked.allowed or result.errors
    for before, after in zip(result.resources, checked.resources, strict=True):
        left = {(finding.control, finding.container) for finding in before.findings if finding.state != "fixed"}
        still = {(finding.control, finding.container) for finding in after.findings if finding.state == "open"}
        assert still <= left


@given(data=documents(), style=styles())
@settings(max_examples=EXAMPLES)
def test_a_document_alone_is_never_an_error(data, style):
    """What the strategies write can be read; where it is refused, an anchor is the reason."""
    result = harden(written(data, style))

    assert [error for error in result.errors if "is used in several places" not in error] == []


@given(data=documents(), order=st.permutations(sorted(controls.load())))
@settings(max_examples=EXAMPLES // 3)
def test_any_order_of_controls_gives_the_same_data(data, order):
    text = written(data, Style())
    expected = loaded(harden(text).text)
    right = dict(controls.load())
    try:
        controls._loaded.clear()
        controls._loaded.update((name, right[name]) for name in order)
        actual = loaded(harden(text).text)
    finally:
        controls._loaded.clear()
        controls._loaded.update(right)

    assert expected == actual


ADDED = st.sampled_from([True, 5, "x", "yes", [], {}, ["ALL"], {"type": "RuntimeDefault"}, [{"name": "a", "b": [1]}]])
REPLACING = st.sampled_from([True, 5, "x", "yes", None])


@st.composite
def changes(draw: st.DrawFn, draft: Draft) -> Operation:
    """One operation that is possible on a draft's data, at any depth; no collection is replaced."""
    path: tuple[Any, ...] = ()
    data = draft.data
    while True:
        steps = list(data) if isinstance(data, dict) else range(len(data))
        ops = ["add"] * (len(path) > 0) + ["remove"] * (len(path) > 0 and len(steps) > 0)
        op = draw(st.sampled_from([*ops, "deeper", "deeper"] if steps else ops))
        if op == "add" and isinstance(data, dict):
            free = [key for key in ["new", "other", *steps] if not isinstance(data.get(key), (dict, list))]
            return Operation("add", (*path, draw(st.sampled_from(free or ["x"]))), draw(ADDED))
        if op == "add":
            return Operation("add", (*path, "-"), draw(ADDED))
        path, data = (*path, step := draw(st.sampled_from(steps))), data[step]
        if op == "remove":
            return Operation("remove", path)
        if not isinstance(data, (dict, list)):
            return Operation("add" if data is None else "replace", path, draw(REPLACING))


def test_removals_replacements_and_additions_together_are_rarely_refused():
    """What is refused for an anchor is no surprise: the other place doesn't want the change."""
    counts = Counter()

    @given(data=documents(), style=styles(), newline=st.sampled_from(["\n", "\r\n"]), rest=st.data())
    @settings(max_examples=EXAMPLES * 2)
    def change(data, style, newline, rest):
        text = written(data, style).replace("\n", newline)
        document = source.read(text if rest.draw(st.booleans()) or "x\\n" in str(data) else text.removesuffix(newline))
        draft = Draft(document.data)
        for _ in range(rest.draw(st.integers(1, 5))):
            draft.apply(rest.draw(changes(draft)))
        note(document.text)
        note(str(draft.operations))
        if not draft.operations:
            return
        expected = jsonpatch.apply_patch(source.read(document.text).data, to_json(draft.operations))
        assert expected == draft.data
        try:
            after = edit.apply(document.text, edit.plan(document, draft.operations))
            new = verify.verified(document, after, draft)
        except RefusedEdit as error:
            counts["refused", style.anchors] += 1
            event(f"refused: {error}")
            return
        counts["changed", style.anchors] += 1
        verify.twice(document, new, draft.operations)
        assert new.data == expected

    change()
    refused, changed = counts["refused", False], counts["changed", False]
    assert refused <= 0.01 * (refused + changed), counts


FRAGMENTS = st.sampled_from(
    [
        *"\n\n\n\r\t :-?{}[],#&*!|>'\"%@`\\~ab0",
        "---", "...", "- ", ": ", "? ", "<<: ", "&a ", "*a", "!!map ", "!x ", "|+\n", ">-\n", "%TAG ! x:\n", "%YAML 1.1\n",
        "\r\n", "\x85", "\u2028", "\ufeff", "\x00", "\x7f", "😀", "{{ .Values.x }}", "$patch: delete\n",
        "apiVersion: v1\n", "kind: Pod\n", "kind: List\n", "items:\n", "metadata:\n", "  name: a\n", "spec:\n",
        "  containers:\n", "  - name: a\n", "    image: b\n", "    securityContext:\n", "      runAsNonRoot: true\n",
        '{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b"}]}}', "  securityContext: ",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n",
    ]
)  # fmt: skip


def assert_nothing_is_raised(data: bytes) -> None:
    try:
        text, encoding = split.decode(data)
    except InputError:
        return
    assert data == encoding.encode(text)
    for checking in (True, False):
        chunks = list(Engine(policies.Policy({}), checking=checking).run(text))
        joined = b"".join(chunk.text for chunk in chunks)
        if not any(chunk.changed for chunk in chunks):
            assert text == joined


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
@settings(max_examples=EXAMPLES * 3)
def test_nothing_is_raised_for_fragments(text):
    assert_nothing_is_raised(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
def test_nothing_is_raised_for_bytes(data):
    assert_nothing_is_raised(data)


@given(stream=streams(), data=st.data())
@settings(max_examples=EXAMPLES)
def test_nothing_is_raised_for_damaged_manifests(stream, data):
    """Real manifests with a few characters cut out or put in."""
    text = stream
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(FRAGMENTS) + text[at + data.draw(st.integers(0, 3)) :]

    assert_nothing_is_raised(text.encode())

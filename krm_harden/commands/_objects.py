"""Manifests as the objects that they are: one line of JSON each, Lists unwrapped, in their order.

Every reader takes JSON the same way: no word of it turns into a boolean, a number or a date.
"""

from __future__ import annotations

import json
import re

from krm_harden.errors import InputError
from krm_harden.model import mapping
from krm_harden.resources import MAX_NESTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_NEXT = "leave the file out, by the parameter exclude, if it isn't one"
_LISTS = {"List", "ResourceList"}
_TROUBLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What JSON takes raw and YAML doesn't: Argo CD and Helm read JSON by a reader of YAML."""


def objects(data: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects in a document's data. Raises InputError for what isn't one."""
    if data is None:
        return
    if not isinstance(data, dict):
        raise InputError("isn't an object of Kubernetes: a mapping with apiVersion and kind", next_step=_NEXT)
    if depth > MAX_NESTING:
        raise InputError(f"lists nested more than {MAX_NESTING} levels deep")
    items = _items(data)
    if items is None:
        _check(data)
        yield data
        return
    for item in items:
        yield from objects(item, depth + 1)


def _items(data: Mapping[str, Any]) -> list[Any] | None:
    """The items of a list, each with its kind; None for what isn't a list.

    Argo CD takes whatever has a list `items` for a list, by apimachinery's `Unstructured.IsList`, and drops the rest of
    it. Raises InputError where that would lose an object, or let in items that nobody has hardened.
    """
    kind, items = data.get("kind"), data.get("items")
    if kind in _LISTS:
        if not isinstance(items, (list, type(None))):
            raise InputError(f"items of the {kind} must be a list")
        return items or []
    if not isinstance(items, list):
        return None
    typed = _typed(data, items)
    if typed is None or mapping(data.get("metadata")).get("name"):
        raise InputError(
            f"a {kind} with a list `items`, which Argo CD would take for objects, and drop the rest", next_step=_NEXT
        )
    return typed


def _typed(data: Mapping[str, Any], items: list[Any]) -> list[Any] | None:
    """The items of a kind that is called a list, each with its kind; None where they may be no objects."""
    kind = data.get("kind")
    if not isinstance(kind, str) or not kind.endswith("List") or not all(isinstance(item, dict) for item in items):
        return None
    if all("kind" in item for item in items):
        return items
    group = str(data.get("apiVersion")).rpartition("/")[0]
    if "." in group and not group.endswith(".k8s.io"):
        # A custom kind may be called a list, and have items that aren't objects.
        return None
    kinds = {"apiVersion": data.get("apiVersion"), "kind": kind.removesuffix("List")}
    return [{**kinds, **item} for item in items]


def _check(data: Mapping[str, Any]) -> None:
    for field in ("apiVersion", "kind"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise InputError(f"isn't an object of Kubernetes: it has no {field}", next_step=_NEXT)


def written(data: Mapping[str, Any]) -> bytes:
    """An object as one line of JSON. Raises InputError for a number that JSON can't hold."""
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise InputError("holds a number that JSON has no word for, such as .inf or .nan") from None
    if not text.isascii() or "\x7f" in text:
        text = _TROUBLE.sub(_escaped, text)
    return text.encode()


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    # Half of a surrogate pair is no character; Kubernetes reads it as this one.
    return "\ufffd" if 0xD800 <= code < 0xE000 else f"\\u{code:04x}"

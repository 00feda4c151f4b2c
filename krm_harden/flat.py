"""A policy as a flat ConfigMap, as older functions take theirs: `controls.numericUser.uid: "1001"`."""

from __future__ import annotations

from krm_harden import schema
from krm_harden.controls import settings as settings_of_controls
from krm_harden.errors import Problem
from krm_harden.model import mapping
from krm_harden.policy import HOW_FAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def spec_of(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The spec in a ConfigMap's flat keys, strings by their type in the schema: `controls.numericUser.uid: "1001"`.

    With it what is wrong with the keys.
    """
    spec: dict[str, Any] = {}
    if not isinstance(data.get("data"), (dict, type(None))):
        return spec, [Problem(("data",), "data must be a mapping")]
    described = schema.spec_schema()
    problems = []
    for key, text in mapping(data.get("data")).items():
        path = key.split(".")
        found = _field(described, path) or _field(described, ["controls", *path])
        if found is None:
            problems.append(_unknown_key(key))
            continue
        path = path if _field(described, path) else ["controls", *path]
        place = spec
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = _typed(str(text), found)
    return spec, problems


def _unknown_key(key: str) -> Problem:
    fields = [*HOW_FAR, "profile", "compatibility", "validator"]
    switches = [f"{name}.{field}" for name in settings_of_controls() for field in ("enabled", "required", "explicit")]
    own = [f"{name}.{field}" for name, fields_ in settings_of_controls().items() for field in fields_]
    hint = schema.did_you_mean(key, [*fields, *switches, *own])
    allowed = ", ".join([*fields, "target.*", "namespaces.*", "limits.*", "CONTROL.*"])
    return Problem(("data", key), f"data.{key} is unknown, allowed: {allowed}{hint}", is_key=True)


def _field(schema_: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    for step in path:
        schema_ = schema_.get("properties", {}).get(step)
        if schema_ is None:
            return None
    simple = schema_.get("type") not in {"object", "array"} or schema_.get("items", {}).get("type") == "string"
    return schema_ if simple else None


def _typed(text: str, schema_: Mapping[str, Any]) -> Any:
    kind = schema_["type"]
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "integer":
        return int(text) if text.isascii() and text.isdigit() else text
    return [item.strip() for item in text.split(",") if item.strip()] if kind == "array" else text

"""What a PodSecurityPolicy set where a pod said nothing, as JSON patches in CEL: the same as Gatekeeper's mutators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster._cel.words import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.cluster._gatekeeper_mutators import Write

CONTAINER = "{containers}.securityContext."
VARIABLES: Variables = [
    (
        "each",
        "object.spec.?initContainers.orValue([])"
        ".transformList(index, c, {'path': dyn('/spec/initContainers/' + string(index)), 'c': dyn(c)})\n"
        "  + object.spec.containers"
        ".transformList(index, c, {'path': dyn('/spec/containers/' + string(index)), 'c': dyn(c)})",
    )
]
"""Each container, and where it lies."""


def patches(writes: Sequence[Write]) -> Iterator[str]:
    """Lists of patches, each after those that make its parents."""
    of_containers = [write for write in writes if write.location.startswith(CONTAINER)]
    if of_containers:
        yield _parent("/securityContext", "!one.c.?securityContext.hasValue()")
    if any(".capabilities." in write.location for write in of_containers):
        yield _parent("/securityContext/capabilities", "!one.c.?securityContext.?capabilities.hasValue()")
    for write in writes:
        if write.merged:
            yield from _merged(write)
        elif write in of_containers:
            path = write.location.removeprefix(CONTAINER)
            yield _each(f"!one.c.?securityContext.?{path}.hasValue()", f"/securityContext/{path}", _value(write.value))
        else:
            steps = write.location.split(".")
            condition = f"object.{steps[0]}.?{'.?'.join(steps[1:])}.hasValue()"
            yield f"({condition} ? [] :\n  [{_patch(literal('/' + '/'.join(steps)), _value(write.value))}])"


def _merged(write: Write) -> Iterator[str]:
    """The values that a list of capabilities lacks: the list where there is none, else behind what is there.

    What a container drops isn't added to it.
    """
    name = write.location.rpartition(".")[2]
    path = f"/securityContext/capabilities/{name}"
    above = "one.c.?securityContext.?capabilities"
    kept = f"{_value(write.value)}.filter(name, !(name in {above}.?drop.orValue([])))"
    yield _each(f"!{above}.?{name}.hasValue() && {kept}.size() > 0", path, kept)
    for value in map(literal, write.value):
        lacks = f"{above}.?{name}.hasValue() && !({value} in {above}.{name}.value())"
        lacks += f" && !({value} in {above}.?drop.orValue([]))" if name == "add" else ""
        yield _each(lacks, f"{path}/-", value)


def _parent(path: str, condition: str) -> str:
    return _each(condition, path, "{}")


def _each(condition: str, path: str, value: str) -> str:
    return f"variables.each.filter(one, {condition})\n  .map(one, {_patch(f'one.path + {literal(path)}', value)})"


def _patch(path: str, value: str) -> str:
    return f"JSONPatch{{op: 'add', path: {path}, value: {value}}}"


def _value(value: Any) -> str:
    """A value of JSON in CEL."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return literal(value) if isinstance(value, str) else str(value).lower()

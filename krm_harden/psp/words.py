"""How Go prints what a policy refuses: apimachinery's field.Error (pkg/util/validation/field/errors.go of 1.24)."""

from __future__ import annotations

from krm_harden.psp.model import FieldError
from krm_harden.wording import go_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.psp.draft import ContainerDraft

INVALID = "Invalid value"
REQUIRED = "Required value"
FORBIDDEN = "Forbidden"
_MANY = 100
"""A list of more items isn't printed whole: each of its items would have it in its message."""


def shown(value: object) -> str:
    """A single value in a message: strings and null in quotes, numbers and booleans bare."""
    if value is None:
        return '"null"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else go_quoted(str(value))


def strings(kind: str, values: Sequence[str] | None) -> str:
    """A list of strings as `%#v` prints it: `[]core.Capability{"ALL"}`."""
    return _go_list(kind, None if values is None else [go_quoted(value) for value in values[:_MANY]], values)


def numbers(values: Sequence[int] | None) -> str:
    """`[]int64{1, 2}`, and `[]int64(nil)` for none."""
    return _go_list("int64", None if values is None else [str(value) for value in values[:_MANY]], values)


def structs(kind: str, found: Sequence[tuple[int, int]] | None) -> str:
    """Ranges as `%#v` prints them: `[]policy.IDRange{policy.IDRange{Min:1, Max:2}}`."""
    printed = None if found is None else [f"{kind}{{Min:{low}, Max:{high}}}" for low, high in found[:_MANY]]
    return _go_list(kind, printed, found)


def _go_list(kind: str, printed: list[str] | None, values: Sequence[Any] | None) -> str:
    if printed is None or values is None:
        return f"[]{kind}(nil)"
    return f"[]{kind}{{{', '.join(printed + _more(values))}}}"


def ranges(found: Sequence[tuple[int, int]]) -> str:
    """Ranges of ids as `%v` prints them: `[{1 100} {200 300}]`."""
    return f"[{' '.join([f'{{{low} {high}}}' for low, high in found[:_MANY]] + _more(found))}]"


def ports(found: Sequence[tuple[int, int]]) -> str:
    """Ranges of ports: `80,8000-9000`."""
    printed = [str(low) if low == high else f"{low}-{high}" for low, high in found[:_MANY]]
    return ",".join(printed + _more(found))


def _more(values: Sequence[Any]) -> list[str]:
    return [f"... {len(values) - _MANY} more"] if len(values) > _MANY else []


def refused(
    field: str,
    path: str,
    value: Any,
    detail: str,
    pointer: Pointer,
    container: ContainerDraft | None = None,
    printed: str = "",
) -> FieldError:
    """An invalid value; `printed` where Go doesn't print it as a single one."""
    at = container.at if container else None
    return FieldError(field, path, printed or shown(value), detail, pointer, value=value, container=at)


def worded(
    kind: str, field: str, path: str, detail: str, pointer: Pointer, container: ContainerDraft | None = None
) -> FieldError:
    """What is required or forbidden: a message without a value."""
    return FieldError(field, path, "", detail, pointer, container=container.at if container else None, type=kind)


def listed(values: Iterable[str]) -> str:
    """`"a", "b"`, as in supported values."""
    return ", ".join(go_quoted(value) for value in values)

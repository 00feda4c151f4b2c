"""How the API server words violations: pod-security-admission's helpers, byte for byte (policy/helpers.go)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krm_harden.model import Pod, Violation


def quoted(values: Iterable[str]) -> str:
    """Each value in quotes, nothing escaped: `"a", "b"`."""
    return ", ".join(f'"{value}"' for value in values)


def plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def containers(pod: Pod, violations: Sequence[Violation]) -> str:
    """The containers of violations in the pod's order, each once: `container "a"`, `containers "a", "b"`."""
    found = dict.fromkeys(violation.container for violation in violations if violation.container >= 0)
    names = [pod.containers[index].name for index in found]
    return f"{plural('container', len(names))} {quoted(names)}"


def verb(violations: Sequence[Violation]) -> str:
    """`uses` of one container, `use` of several."""
    return "uses" if len({violation.container for violation in violations}) == 1 else "use"


def setters(pod: Pod, violations: Sequence[Violation]) -> str:
    """Who says something: `pod and containers "a", "b"`."""
    parts = ["pod"] if any(violation.container < 0 for violation in violations) else []
    if any(violation.container >= 0 for violation in violations):
        parts.append(containers(pod, violations))
    return " and ".join(parts)


def must_set(who: str, what: str) -> str:
    return f"{who} must set securityContext.{what}"


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def go_quoted(value: str) -> str:
    """A string in quotes as Go's `%q` has it: what can't be printed is escaped, other letters stay."""
    return '"' + "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

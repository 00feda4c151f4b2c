"""How values and parts of sentences are written in CEL."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.cluster._cel.checks import Server

LISTS = (1, 35)
"""The first server whose policies may sort a list, drop what stands in it twice, and flatten a list of lists."""
LONGEST = 100_000
"""How many letters an expression may have (cel-go, parser/options.go)."""
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(value: str) -> str:
    """A string literal; what can't be printed is escaped."""
    return "'" + "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in value) + "'"


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def listed(values: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{', '.join(map(literal, values))}]"


def must_fit(value: Any, policy: str) -> None:
    """Raises ConfigError where an expression among some data is longer than a server reads, and names its variable."""
    if isinstance(value, (list, tuple)):
        for item in value:
            must_fit(item, policy)
    elif isinstance(value, dict):
        said = value.get("expression")
        if isinstance(said, str) and len(said) > LONGEST:
            from krm_harden.errors import ConfigError

            name = value.get("name", "a validation")
            message = f"the expression {name} would have {len(said):,} letters, and a server reads {LONGEST:,}"
            step = "say more of the images, exemptions or rules by one glob, or emit several policies"
            raise ConfigError(message, policy, step)
        for item in value.values():
            must_fit(item, policy)


def unique(values: str, server: Server) -> str:
    """A list of strings sorted, each once; as it is where the server can't."""
    return f"{values}.distinct().sort()" if server >= LISTS else values


def joined(lists: str, between: str, server: Server) -> str:
    """A list of lists of strings as one text: sorted, each once; in their order where the server can't."""
    if server >= LISTS:
        return f"{lists}.flatten().distinct().sort().join({literal(between)})"
    return f"{lists}.map(some, some.join({literal(between)})).join({literal(between)})"


def quoted(values: str) -> str:
    """A list of strings as `"a", "b"`."""
    return f"""'"' + {values}.join('", "') + '"'"""


def containers(names: str) -> str:
    """`container "a"`, `containers "a", "b"`: of a list of names that isn't empty."""
    return f"""({names}.size() == 1 ? 'container ' : 'containers ') + {quoted(names)}"""


def setters(pod: str, names: str) -> str:
    """`pod and containers "a", "b"`: who says something; `pod` is a condition, one of both holds."""
    return (
        f"({pod} ? ({names}.size() == 0 ? 'pod' : 'pod and ') : '')\n"
        f"  + ({names}.size() == 0 ? '' : {containers(names)})"
    )


def regex(glob: str) -> str:
    """A shell pattern as a regular expression of RE2 that matches a whole string, as fnmatch reads it."""
    found = ""
    at = 0
    while at < len(glob):
        letter = glob[at]
        end = _end_of_class(glob, at) if letter == "[" else -1
        if end > 0:
            found += _class(glob[at + 1 : end])
            at = end
        else:
            found += {"*": ".*", "?": "."}.get(letter) or _plain(letter)
        at += 1
    return f"^(?s:{found})$"


def _end_of_class(glob: str, start: int) -> int:
    """Where `[...]` ends; -1 where it doesn't."""
    first = start + 2 if glob[start + 1 : start + 2] == "!" else start + 1
    return glob.find("]", first + 1)


_NOTHING = "[^\\x{0}-\\x{10FFFF}]"
"""A class without any letter in it."""


def _class(inside: str) -> str:
    negated, inside = (True, inside[1:]) if inside.startswith("!") else (False, inside)
    said = ""
    at = 0
    while at < len(inside):
        first, dash, last = inside[at], inside[at + 1 : at + 2], inside[at + 2 : at + 3]
        if dash == "-" and last:
            # A range from the later letter to the earlier one holds nothing.
            said += f"{_plain(first)}-{_plain(last)}" if first <= last else ""
            at += 3
        else:
            said += _plain(first)
            at += 1
    if not said:
        return "." if negated else _NOTHING
    return f"[{'^' if negated else ''}{said}]"


def _plain(letter: str) -> str:
    """A letter that stands for itself: RE2 takes a backslash before any punctuation of ASCII."""
    if not letter.isprintable():
        # A line break would end what is written in lines.
        return f"\\x{{{ord(letter):x}}}"
    return f"\\{letter}" if letter.isascii() and not (letter.isalnum() or letter in "_ ") else letter


def matches(patterns: Iterable[str], value: str) -> str:
    """Whether a string matches one of some shell patterns, case included."""
    globs = list(dict.fromkeys(patterns))
    if "*" in globs:
        return "true"
    plain = [pattern for pattern in globs if not set("*?[") & set(pattern)]
    parts = [f"{value} in {listed(plain)}"] if len(plain) > 1 else [f"{value} == {literal(one)}" for one in plain]
    parts += [f"{value}.matches({literal(regex(pattern))})" for pattern in globs if pattern not in plain]
    return " || ".join(parts) if len(parts) == 1 else f"({' || '.join(parts)})" if parts else "false"

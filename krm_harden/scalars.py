"""What a plain YAML scalar means to Kubernetes.

The table of sigs.k8s.io/yaml (go.yaml.in/yaml/v2, `resolve.go`), through which every manifest reaches the API
server: YAML 1.1 booleans, C-style octals, no sexagesimals, dates are strings, and numbers without a fraction are
integers. Source: facts measured against the Go library, `tests/test_scalars.py`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONSTANTS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
for _word in ("y", "yes", "true", "on"):
    CONSTANTS |= {_word: True, _word.capitalize(): True, _word.upper(): True}
for _word in ("n", "no", "false", "off"):
    CONSTANTS |= {_word: False, _word.capitalize(): False, _word.upper(): False}
for _word in (".inf", ".Inf", ".INF"):
    CONSTANTS |= {_word: float("inf"), "+" + _word: float("inf"), "-" + _word: float("-inf")}
for _word in (".nan", ".NaN", ".NAN"):
    CONSTANTS[_word] = float("nan")

_NUMBER_START = frozenset("0123456789+-.")
_DECIMAL = frozenset("0123456789.eE+-")
_BASES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}
_INT64 = range(-(2**63), 2**64)
"""Go tries a signed, then an unsigned 64 bit integer; what fits neither is a float."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_./-")
_NUMBER_WORDS = frozenset({"nan", "inf", "infinity"})
_MAX_EXACT_FLOAT = 1e21
"""From here on Go's JSON encoder writes an exponent, which no integer field accepts."""


def resolve(plain: str) -> Any:
    """The value of a plain (unquoted, untagged) scalar: None, bool, int, float or str."""
    if plain in CONSTANTS:
        return CONSTANTS[plain]
    if plain[0] in _NUMBER_START:
        return _number(plain)
    return plain


def key(plain: str) -> str:
    """A plain mapping key: keys are strings in Kubernetes, so `1:` is "1" and `yes:` is "true"."""
    value = resolve(plain)
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else plain


def tagged(tag: str, scalar: str) -> Any:
    """The value of a scalar with a core tag, `tag:yaml.org,2002:str` for one; other tags leave the string."""
    kind = tag.rpartition(":")[2]
    if kind in {"bool", "int", "float", "null"}:
        return resolve(scalar)
    return scalar


def _number(plain: str) -> Any:
    # 12 and 8080: the common case, without the rest. More digits than 18 may not fit 64 bits.
    if plain.isdigit() and plain.isascii() and len(plain) <= 18 and (plain[0] != "0" or plain == "0"):
        return int(plain)
    if plain[0] == ".":
        return _float(plain)
    digits = plain.replace("_", "")
    value = _integer(digits)
    return _float(digits, plain) if value is None else value


def _integer(digits: str) -> int | None:
    sign = digits[:1] if digits[:1] in {"+", "-"} else ""
    body = digits[len(sign) :]
    base = _BASES.get(body[:2], 8 if body[:1] == "0" and len(body) > 1 else 10)
    body = body[2:] if body[:2] in _BASES else body
    if not (body.isascii() and body.isalnum()):
        return None
    try:
        value = int(body, base)
    except ValueError:
        return None
    value = -value if sign == "-" else value
    return value if value in _INT64 else None


def _float(digits: str, plain: str = "") -> Any:
    if not _DECIMAL.issuperset(digits) or not any(character.isdigit() for character in digits):
        return plain or digits
    try:
        value = float(digits)
    except ValueError:
        return plain or digits
    if value in (float("inf"), float("-inf")):
        return plain or digits
    if value.is_integer() and abs(value) < _MAX_EXACT_FLOAT:
        return int(value)
    return value


_safe: dict[str, bool] = {}
"""Keys and short values come again and again."""
_MEMORY = 4096


def is_plain_safe(string: str) -> bool:
    """Whether a string may stand unquoted: no YAML 1.1 or 1.2 reader takes it for another type.

    What doesn't match `[A-Za-z/][A-Za-z0-9_./-]*`, and the reserved words, must be quoted.
    """
    known = _safe.get(string)
    if known is None:
        known = _is_plain_safe(string)
        if len(_safe) < _MEMORY and len(string) < 100:
            _safe[string] = known
    return known


def _is_plain_safe(string: str) -> bool:
    if not string or not string.isascii() or not (string[0].isalpha() or string[0] == "/"):
        return False
    lower = string.lower()
    return lower not in CONSTANTS and lower not in _NUMBER_WORDS and _PLAIN.issuperset(lower)

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
_MEMORY = 4096
_numbers: dict[str, Any] = {}
"""What begins like a number: ports, `100m` and `64Mi` come again and again."""
_DECIMAL = frozenset("0123456789.eE+-")
_BASES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}
_INT64 = range(-(2**63), 2**64)
"""Go tries a signed, then an unsigned 64 bit integer; what fits neither is a float."""
_CORE = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "null": (type(None),)}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_./-")
_NUMBER_WORDS = frozenset({"nan", "inf", "infinity"})
_MAX_EXACT_FLOAT = 1e21
"""From here on Go's JSON encoder writes an exponent, which no integer field accepts."""


def resolve(plain: str) -> Any:
    """The value of a plain (unquoted, untagged) scalar: None, bool, int, float or str."""
    if plain in CONSTANTS:
        return CONSTANTS[plain]
    if plain[0] not in _NUMBER_START:
        return plain
    if plain not in _numbers:
        if len(_numbers) >= _MEMORY:
            return _number(plain)
        _numbers[plain] = _number(plain)
    return _numbers[plain]


def truth(value: object) -> bool | None:
    """What a boolean field says: true or false, also as a word that kustomize has turned into a string; else None."""
    if isinstance(value, str):
        value = CONSTANTS.get(value.strip())
    return value if isinstance(value, bool) else None


def key(plain: str) -> str:
    """A plain mapping key: keys are strings in Kubernetes, so `1:` is "1" and `yes:` is "true"."""
    value = resolve(plain)
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int) and _has_fraction(plain):
        return _float_key(float(plain.replace("_", "")))
    if isinstance(value, float):
        return _float_key(value)
    return str(value) if isinstance(value, int) else plain


def _has_fraction(plain: str) -> bool:
    """Whether Go takes a number for a float, and writes its key accordingly."""
    return "." in plain or (("e" in plain or "E" in plain) and plain.lstrip("+-")[:2] not in {"0x", "0X"})


def _float_key(value: float) -> str:
    """A float as Go's `FormatFloat(value, 'g', -1, 32)` writes it: the shortest digits that give the same 32 bits."""
    from struct import pack

    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(value), ".nan")
    try:
        wanted = pack("f", value)
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    digits = next(count for count in range(17) if pack("f", float(f"{value:.{count}e}")) == wanted)
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    power = int(exponent)
    if -4 <= power < 6:
        return f"{float(f'{value:.{digits}e}'):.{max(digits - power, 0)}f}"
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def tagged(tag: str, scalar: str) -> Any:
    """The value of a scalar with a core tag, `tag:yaml.org,2002:str` for one; other tags leave the string.

    Raises ValueError for a scalar that isn't of its tag's type.
    """
    kind = tag.removeprefix(_CORE)
    if kind == "binary":
        return _binary(scalar)
    if kind not in _TYPES:
        return scalar
    value = resolve(scalar)
    if type(value) not in _TYPES[kind]:
        raise ValueError(scalar)
    return value


def _binary(scalar: str) -> str:
    from base64 import b64decode

    return b64decode("".join(scalar.split()), validate=True).decode(errors="replace")


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
    if base == 2 and not sign and body[:1] in {"+", "-"}:
        # Go parses what follows `0b` as a number of its own.
        sign, body = body[0], body[1:]
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

"""What a run allows its input: `--limit`, then KRM_HARDEN_LIMITS, then the policy. Loaded where one of them says so."""

from __future__ import annotations

import os

from krm_harden import limits
from krm_harden.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

OPTION = "--limit"
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The option of a command that reads what others wrote."""
    from krm_harden.commands._parser import Limit

    parser.add_argument(
        OPTION,
        action=Limit,
        metavar="NAME=VALUE",
        help=f"a limit on the input, as in ${limits.VARIABLE}: {', '.join(limits.TABLE)}; several add up",
    )


def of_environment() -> dict[str, int]:
    """The limits of KRM_HARDEN_LIMITS: `documents=50000,depth=200`. Raises ConfigError."""
    said = os.environ.get(limits.VARIABLE, "")
    return dict(one(part.strip(), limits.VARIABLE) for part in said.split(",") if part.strip())


def one(said: str, where: str = "") -> tuple[str, int]:
    """The name and the value of a limit as somebody wrote it, bytes also as `64Mi`. Raises ConfigError."""
    name, equals, text = (part.strip() for part in said.partition("="))
    if name not in limits.TABLE:
        from krm_harden.schema import did_you_mean

        known = ", ".join(limits.TABLE)
        raise ConfigError(f"there is no limit {name!r}, only {known}{did_you_mean(name, limits.TABLE)}", where)
    _, least, most, _ = limits.TABLE[name]
    value = _number(text, is_bytes=name.lower().endswith("bytes"))
    if not equals or value is None:
        raise ConfigError(f"{name} must be a whole number, as in {name}={limits.DEFAULTS[name]}, not {text!r}", where)
    if not least <= value <= most:
        why = f": {limits.WHY_NO_MORE[name]}" if value > most and name in limits.WHY_NO_MORE else ""
        raise ConfigError(f"{name} must be from {least} to {most}, not {value}{why}", where)
    return name, value


def _number(text: str, *, is_bytes: bool) -> int | None:
    unit = _UNITS.get(text[-2:], 1) if is_bytes else 1
    digits = text[:-2] if unit > 1 else text
    return int(digits) * unit if digits.isascii() and digits.isdigit() and len(digits) < 20 else None

"""`--control`: which controls write, by the names that reports and policies give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import controls
from krm_harden.errors import ConfigError
from krm_harden.schema import similar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from krm_harden.model import Resource
    from krm_harden.policy import Policy


def arguments(parser: argparse.ArgumentParser) -> None:
    """The option, repeatable and with commas."""
    parser.add_argument(
        "--control",
        metavar="ID",
        action="append",
        default=[],
        help="only this control writes, and what it needs to be safe; repeat it, or separate several by commas",
    )


class Only:
    """Leaves out all controls but some: what an Engine takes as `left_out`."""

    __slots__ = ("ids",)

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = frozenset(ids)

    def __call__(self, _resource: Resource, control: str) -> str:
        return "" if control in self.ids else "--control leaves it out"


def only(words: Iterable[str]) -> Only | None:
    """What `--control` leaves out, None where it isn't given. Raises ConfigError for what is no control."""
    given = list(words)
    names = [name.strip() for word in given for name in word.split(",")]
    return Only(one for name in names for one in controls.named(spelled(name))) if given else None


def opted_in(policy: Policy, chosen: Only | None) -> Policy:
    """The policy with those chosen controls on that are off unless somebody asks; its own word on them stays."""
    asked = [one.id for one in controls.load().values() if one.opt_in and chosen and one.id in chosen.ids]
    if not asked:
        return policy
    said = policy.spec.get("controls", {})
    more = {name: {"enabled": True, **said.get(name, {})} for name in asked}
    return policy.with_changes({"controls": {**said, **more}})


def spelled(name: str) -> str:
    """A control's name, or a short one, whatever its case. Raises ConfigError."""
    names = [*controls.load(), controls.NAMESPACES, *controls.ALIASES]
    names += [controls.POD_SECURITY_POLICY, *controls.POD_SECURITY_POLICY_IDS]
    found = next((one for one in names if one.lower() == name.lower()), None)
    if found is None:
        close = similar(name, names) or similar(name.lower(), names)
        raise ConfigError(f"there is no control {name!r}{close}", "--control", "`krm-harden explain` lists all")
    return found

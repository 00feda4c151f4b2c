"""Whether the policy puts up with a vulnerability: its severity, whether it has a fix, and how long it is known."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.controls import GATE
from krm_harden.scanning.model import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krm_harden.scanning.model import Vulnerability


NONE = "none"


class Gate(NamedTuple):
    """What fails: the settings of one object's policy, on one day."""

    fail_on: str
    only_fixed: bool
    grace_days: int
    today: str

    def tolerates(self, one: Vulnerability) -> str:
        """Why a vulnerability doesn't fail; empty where it does."""
        if self.is_below(one):
            return f"the policy's failOn is {self.fail_on}"
        if self.only_fixed and not one.fixed:
            return "it has no fix yet, and the policy says onlyFixed"
        # A date to come is no date of a publication: else whoever says `today` from an old commit would wait for ever.
        known = self.grace_days and one.published <= self.today
        until = _end(one.published, self.grace_days) if known else ""
        return f"in its grace of {self.grace_days} days until {until}" if until > self.today else ""

    def is_below(self, one: Vulnerability) -> bool:
        """Whether a vulnerability isn't even as severe as what fails."""
        return self.fail_on == NONE or place(one.severity) > place(self.fail_on)


def of(settings: Mapping[str, Any], today: str) -> Gate:
    """The gate of a control's settings. `today` is a date such as 2027-06-30."""
    fail_on, only_fixed, grace_days = (settings.get(name, field["default"]) for name, field in GATE.items())
    return Gate(fail_on, only_fixed, grace_days, today)


@lru_cache(maxsize=4096)
def _end(published: str, days: int) -> str:
    """The first day without grace; empty where nobody says since when it is known."""
    try:
        return (date.fromisoformat(published) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return ""

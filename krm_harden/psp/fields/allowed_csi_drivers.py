"""Which drivers of inline CSI volumes pods may use.

**Field**: `spec.allowedCSIDrivers`, each the `name` of a driver. Any driver if absent or empty, so it only matters
next to `volumes` with csi.

**Sets**: nothing.

**Refuses**: another driver. Claims aren't looked at: their class says what is behind them.

**Today**: an admission policy. The Pod Security Standards allow csi volumes of any driver.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.fields import Field
from krm_harden.psp.fields.volumes import type_of
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "allowedCSIDrivers"


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, index: int, volume: Mapping[str, Any]) -> Iterator[FieldError]:
    allowed = sequence(policy.spec.get(ID))
    if not allowed or type_of(volume) != "csi":
        return
    driver = text(mapping(volume["csi"]).get("driver"))
    if all(entry["name"] != driver for entry in allowed):
        pointer = ("spec", "volumes", index, "csi", "driver")
        yield refused(
            ID, f"spec.volumes[{index}].csi.driver", driver, "Inline CSI driver is not allowed to be used", pointer
        )


FIELD = Field(ID, refuses_volume=refuses)

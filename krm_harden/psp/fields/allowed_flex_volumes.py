"""Which drivers of FlexVolumes pods may use.

**Field**: `spec.allowedFlexVolumes`, each a `driver`. Any driver if absent or empty, so it only matters
next to `volumes` with flexVolume.

**Sets**: nothing.

**Refuses**: another driver.

**Today**: an admission policy. Level restricted of the Pod Security Standards allows no flexVolume at all (control
`restrictedVolumes`), baseline any.
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

ID = "allowedFlexVolumes"


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, index: int, volume: Mapping[str, Any]) -> Iterator[FieldError]:
    allowed = sequence(policy.spec.get(ID))
    if not allowed or type_of(volume) != "flexVolume":
        return
    driver = text(mapping(volume["flexVolume"]).get("driver"))
    if all(entry["driver"] != driver for entry in allowed):
        pointer = ("spec", "volumes", index, "flexVolume", "driver")
        yield refused(
            ID, f"spec.volumes[{index}].driver", driver, "Flexvolume driver is not allowed to be used", pointer
        )


FIELD = Field(ID, refuses_volume=refuses)

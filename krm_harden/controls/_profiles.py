"""What the controls of seccomp and AppArmor share: a profile's fields, and the annotations of the time before them.

The API server refuses a pod whose field and annotation say different things, and a profile's name beside another type
than Localhost (kubernetes/pkg/apis/core/validation: validateSeccompAnnotationsAndFields,
validateAppArmorAnnotationsAndFieldsMatchOnCreate, validateSeccompProfileField, ValidateAppArmorProfileField).
"""

from __future__ import annotations

from krm_harden.model import Operation, Proposal, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.model import Pointer

RUNTIME_DEFAULT, LOCALHOST = "RuntimeDefault", "Localhost"
ALLOWED = (RUNTIME_DEFAULT, LOCALHOST)
ANNOTATED = "runtime/default"
"""What an annotation says for RuntimeDefault, to every server that reads it."""
SAME_AS_RUNTIME_DEFAULT = (ANNOTATED, "docker/default")
OVERRIDE = "explicit: override"


def local_name(annotation: object) -> str:
    """The name of the local profile that an annotation asks for, or empty."""
    said = text(annotation)
    return said.removeprefix("localhost/") if said.startswith("localhost/") else ""


def is_usable(annotation: object) -> bool:
    """Whether an annotation names a profile that the field may name too."""
    return annotation in SAME_AS_RUNTIME_DEFAULT or bool(local_name(annotation))


def given(place: Pointer, profile: Mapping[str, Any], name: str = "") -> tuple[Operation, ...]:
    """What makes the profile at a place RuntimeDefault, or the local one of that name."""
    write = Operation("add", (*place, "type"), LOCALHOST if name else RUNTIME_DEFAULT)
    known = profile.get("localhostProfile")
    if name and known != name:
        return write, Operation("add", (*place, "localhostProfile"), name)
    if not name and known is not None:
        return write, Operation("remove", (*place, "localhostProfile"))
    return (write,)


def overridden(place: Pointer, profile: Mapping[str, Any], *annotations: Operation) -> Proposal:
    """RuntimeDefault in place of what the author wrote, and annotations that say the same."""
    name = profile.get("localhostProfile")
    reason = OVERRIDE if name is None else f"{OVERRIDE}, without the localhostProfile {name}"
    for operation in annotations:
        reason += f", with the annotation {operation.path[-1]}={operation.value}"
    return Proposal("default", RUNTIME_DEFAULT, reason, operations=(*given(place, profile), *annotations))


def removed(place: Pointer, reason: str) -> Proposal:
    return Proposal("default", None, reason, operations=(Operation("remove", place),))


def meant(place: Pointer, profile: Mapping[str, Any], annotation: tuple[str, Any] | None) -> Proposal:
    """The profile where no type is said: the one that a usable annotation (key, value) or the name there asks for."""
    if annotation:
        name, evidence = local_name(annotation[1]), f"the annotation {annotation[0]}={annotation[1]}"
    else:
        name = text(profile.get("localhostProfile"))
        evidence = f"localhostProfile={name}" if name else ""
    writes = given(place, profile, name)
    if name:
        return Proposal("evidence", LOCALHOST, f"so says {evidence}", evidence, writes)
    return Proposal("safe", RUNTIME_DEFAULT, "", evidence, writes)

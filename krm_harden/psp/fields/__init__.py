"""The fields of a PodSecurityPolicy, one module each: what it sets where a pod says nothing, and what it refuses.

A module's docstring is the documentation of its field (Field, Sets, Refuses, Today), its FIELD the row that admission
goes through. Fields only look at the draft; what they yield is applied by admission, so the next one sees it.
"""

from __future__ import annotations

from krm_harden.controls import POD_SECURITY_POLICY_FIELDS
from krm_harden.psp.model import PREFIX, Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeAlias

    from krm_harden.model import Operation
    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

    Sets: TypeAlias = "Callable[[PodSecurityPolicy, PodDraft], Iterator[Effect]]"
    SetsIn: TypeAlias = "Callable[[PodSecurityPolicy, PodDraft, ContainerDraft], Iterator[Effect]]"
    Refuses: TypeAlias = "Callable[[PodSecurityPolicy, PodDraft], Iterator[FieldError]]"
    RefusesIn: TypeAlias = "Callable[[PodSecurityPolicy, PodDraft, ContainerDraft], Iterator[FieldError]]"
    RefusesVolume: TypeAlias = "Callable[[PodSecurityPolicy, PodDraft, int, Mapping[str, Any]], Iterator[FieldError]]"

IDS = POD_SECURITY_POLICY_FIELDS


class Effect:
    """One thing that a policy sets: `then` is what the admission of 1.24 wrote, `change` what is written today.

    They differ where a profile has moved from an annotation to a field; without a change there is nothing to write.
    """

    __slots__ = ("change", "then")

    def __init__(self, then: Operation, change: Change | None = None) -> None:
        self.then = then
        self.change = change


def sets(field: str, operation: Operation, container: ContainerDraft | None = None) -> Effect:
    """An effect that is written as it was."""
    return Effect(operation, Change(field, operation, container.at if container else None))


def nothing(*_: Any) -> Iterator[Any]:
    """What a field does where it has nothing to do."""
    return iter(())


class Field:
    """The row of one field.

    `sets` and `refuses` look at the pod, `sets_in` and `refuses_in` at a container, `refuses_volume` at a volume.
    """

    __slots__ = ("id", "refuses", "refuses_in", "refuses_volume", "sets", "sets_in")

    def __init__(
        self,
        id: str,  # noqa: A002 - as controls have it
        *,
        sets: Sets = nothing,
        sets_in: SetsIn = nothing,
        refuses: Refuses = nothing,
        refuses_in: RefusesIn = nothing,
        refuses_volume: RefusesVolume = nothing,
    ) -> None:
        self.id = id
        self.sets = sets
        self.sets_in = sets_in
        self.refuses = refuses
        self.refuses_in = refuses_in
        self.refuses_volume = refuses_volume

    @property
    def control(self) -> str:
        """The id of its control: `podSecurityPolicy.runAsUser`."""
        return PREFIX + self.id


def module_of(field: str) -> str:
    """The module of a field: `allowedCSIDrivers` -> `allowed_csi_drivers`."""
    made = ""
    for before, letter in zip(" " + field, field, strict=False):
        made += ("_" if letter.isupper() and before.islower() else "") + letter.lower()
    return made.replace("csid", "csi_d")


def load(field: str) -> Field:
    from importlib import import_module

    found: Field = import_module(f"krm_harden.psp.fields.{module_of(field)}").FIELD
    return found


def documentation(field: str) -> str:
    """The docstring of a field's module."""
    from importlib import import_module

    return import_module(f"krm_harden.psp.fields.{module_of(field)}").__doc__ or ""

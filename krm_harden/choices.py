"""Which changes are written where somebody chose some controls: those, and what they need.

A fix is made of parts that rely on each other: `runAsNonRoot` alone would stop an image that starts as root, and a new
user can't write to its claim without an `fsGroup`. So a control that is left out still writes what one that was chosen
needs, in the containers in which it needs it. Whatever is chosen is then safe by itself, and all controls one after
the other, in any order, come to the same verdict as all at once.
"""

from __future__ import annotations

from krm_harden.decide import CAPABILITIES, FACTS_SINCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Violation

FOLLOWERS = ("environment", "fileCapabilities")
"""They propose nothing but what another control makes necessary that writes in the same run."""
OF_NEW_USERS = ("fsGroup", "numericGroup", "unprivilegedNetwork")
"""They come with a user, and may have something to propose without one."""
USERS = ("numericUser", "userNamespace", "podSecurityPolicy.runAsUser")
NEED_USERS = ("runAsNonRoot", "capabilities_restricted")
"""Alone, they would stop an image that starts as root."""
OVERRIDES = (*CAPABILITIES, "runAsNonRoot", "runAsUser")
"""What an author wrote and a policy overrides: beside it, what isn't safe would be half a measure."""


def why_left_out(situation: Situation, control: str, violation: Violation) -> str:
    """Why a control doesn't write what mends a violation; empty where it was chosen, or comes with one that was."""
    reason = _unchosen(situation, control)
    return "" if not reason or _comes_along(situation, control, violation) else reason


def _unchosen(situation: Situation, control: str) -> str:
    return situation.left_out(situation.pod.resource, control) if situation.left_out else ""


def _comes_along(situation: Situation, control: str, violation: Violation) -> bool:
    if control in FOLLOWERS:
        return True
    containers = _concerned(situation, violation)
    if control in OF_NEW_USERS:
        return _gives_users(situation, control, containers)
    if control in USERS and any(_lacks_user(situation, container) for container in containers):
        return True
    is_overridden = violation.cause == "explicit" and control in OVERRIDES and situation.settings.overrides(control)
    return is_overridden and _needs_override(situation, control, containers)


def _concerned(situation: Situation, violation: Violation) -> Sequence[Container]:
    """The container of a violation, or all where it is the pod's."""
    every = situation.pod.containers
    return every if violation.container < 0 else (every[violation.container],)


def _gives_users(situation: Situation, control: str, containers: Sequence[Container]) -> bool:
    """Whether one of some containers gets another user in this run.

    An fsGroup that takes the place of an init container has nothing to do with that.
    """
    if control == "fsGroup" and situation.replaced_init_containers():
        return False
    if control == "unprivilegedNetwork" and situation.fixes("userNamespace", None):
        return True
    return any(situation.written_user(container) for container in containers)


def _lacks_user(situation: Situation, container: Container) -> bool:
    """Whether something is written to a container that needs a user beside it."""
    for control in NEED_USERS:
        if control == "capabilities_restricted" and situation.facts(container).value("defaultUser"):
            continue
        for violation in _found(situation, control, container):
            if not why_left_out(situation, control, violation):
                return True
    return False


def _needs_override(situation: Situation, control: str, containers: Sequence[Container]) -> bool:
    """Whether one of some containers gets what can't stand beside the words of its author."""
    return any(
        True
        for name in _beside(situation, control)
        if not _unchosen(situation, name)
        for container in containers
        for _ in _found(situation, name, container)
    )


def _beside(situation: Situation, control: str) -> Iterator[str]:
    """The controls that can't be written beside what another one would override."""
    if control in CAPABILITIES:
        # The API refuses it beside SYS_ADMIN.
        yield "allowPrivilegeEscalation"
    for one, _ in situation.settings.checks().values():
        # A group goes only with its user, and later controls find something everywhere.
        if not one.safe and one.since < FACTS_SINCE and one.id != "numericGroup":
            yield one.id


def _found(situation: Situation, control: str, container: Container) -> Iterator[Violation]:
    """What a control finds in a container, the pod's own fields included, unless it is exempt."""
    if situation.violated is None:
        situation.violated = {}
    if control not in situation.violated:
        situation.violated[control] = _by_container(situation, control)
    if not situation.exemptions(control, container):
        for one in (container, None):
            yield from situation.violated[control].get(one, ())


def _by_container(situation: Situation, control: str) -> dict[Container | None, list[Violation]]:
    """What a control finds, by container; None is the pod."""
    found: dict[Container | None, list[Violation]] = {}
    if control in situation.settings.checks():
        _, check = situation.settings.checks()[control]
        for violation in check(situation.pod):
            container = situation.pod.containers[violation.container] if violation.container >= 0 else None
            found.setdefault(container, []).append(violation)
    return found

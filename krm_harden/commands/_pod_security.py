"""PodSecurityPolicies among the manifests: which they are, and what they ask for by the RBAC beside them."""

from __future__ import annotations

from krm_harden.ceilings import restricted_by
from krm_harden.commands import _policies
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import mapping
from krm_harden.psp.demands import among, is_asked, is_policy
from krm_harden.psp.model import KIND
from krm_harden.psp.rbac import GROUP
from krm_harden.psp.stated import LEVEL, as_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.policy import Policy

_WORDS = (KIND.encode(), GROUP.encode(), b"ServiceAccount")
"""What a document has one of that decides on policies."""
ITEMS = "the manifests"


def objects(chunks: Iterable[bytes]) -> list[dict[str, Any]]:
    """The policies among some documents, and what says who may use them."""
    return [
        one
        for chunk in chunks
        if any(word in chunk for word in _WORDS)
        for one in _policies.objects_in(chunk)
        if is_policy(one) or is_asked(one)
    ]


def with_policies(found: Policy, chunks: Iterable[bytes], *, alone: bool = False, ceiling: str = "") -> Policy:
    """A policy with the PodSecurityPolicies among some documents: those that it asks for, or `alone` all there is.

    Below a `ceiling` they may set nothing weaker. Raises ConfigError.
    """
    return of_objects(found, objects(chunks), alone=alone, ceiling=ceiling)


def of_objects(found: Policy, known: list[dict[str, Any]], *, alone: bool = False, ceiling: str = "") -> Policy:
    """The same of objects that have been read."""
    policies = [one for one in known if is_policy(one)]
    names = ", ".join(dict.fromkeys(str(mapping(one.get("metadata")).get("name")) for one in policies))
    said = f"the PodSecurityPolic{'ies' if ', ' in names else 'y'} {names} among the manifests"
    if not policies:
        return found
    if not (alone or found.asks_items):
        return found.with_note("info", f"nothing is made of {said}: the policy doesn't say podSecurityPolicies: items")
    try:
        asked = among(known, ITEMS, below=bool(ceiling))
    except InputError as error:
        raise ConfigError(str(error), ITEMS) from None
    for one in policies if ceiling else ():
        restricted_by(found, as_policy(one, ITEMS, None))
    if not alone:
        return found.with_pod_security(asked)
    made = found.with_changes({"level": LEVEL}, said.removeprefix("the "))
    verb = "hold" if ", " in names else "holds"
    return made.with_pod_security(asked).with_note(
        "warning", f"no policy is given: {said} {verb}, and nothing else does"
    )

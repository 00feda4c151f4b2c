"""The public library: text in, text and findings out. No files, no exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krm_harden import limits, split
from krm_harden import policy as _policy
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.model import one_line
from krm_harden.patch import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krm_harden.model import Finding, ResourceResult, Unexamined


@dataclass(frozen=True)
class Policy:
    """A policy to harden by. Make one with `Policy.from_dict`; without any, the defaults reach `restricted`."""

    _policy: _policy.Policy

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Policy:
        """From a HardeningPolicy, a PodSecurityPolicy or a flat ConfigMap as parsed data.

        Raises ConfigError that names each wrong field.
        """
        return cls(_policy.from_data(None if data is None else dict(data), "policy"))


@dataclass(frozen=True)
class Result:
    """What became of a text.

    `text` is the hardened text (of `check`: the text given), `resources` what was found in it, `unexamined` what was
    left alone, `errors` one line for each document that couldn't be read or edited; those stand in `text` as they came.
    """

    text: str
    resources: tuple[ResourceResult, ...]
    unexamined: tuple[Unexamined, ...]
    errors: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for resource in self.resources for finding in resource.findings)

    @property
    def operations(self) -> list[list[dict[str, Any]]]:
        """The RFC 6902 patch of each resource."""
        return [to_json(resource.operations) for resource in self.resources]

    @property
    def allowed(self) -> bool:
        """Whether the standard's level allows every pod found, and every document could be read."""
        return not self.errors and all(resource.allowed for resource in self.resources)


def harden(text: str | bytes, policy: Policy | None = None) -> Result:
    """Any stream of manifests with every change that the policy allows.

    Raises InputError for what isn't text, and for what is beyond a limit as a whole.
    """
    return _run(text, policy, checking=False)


def check(text: str | bytes, policy: Policy | None = None) -> Result:
    """Any stream of manifests, judged. Raises InputError as `harden` does."""
    return _run(text, policy, checking=True)


def _run(text: str | bytes, policy: Policy | None, *, checking: bool) -> Result:
    chosen = policy._policy if policy else _policy.Policy({})
    before = limits.hold_here(chosen.limits)
    try:
        return _result(text, Engine(chosen, checking=checking))
    finally:
        limits.hold_again(before)


def _result(text: str | bytes, engine: Engine) -> Result:
    try:
        encoded = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise InputError(f"not text: {error.reason}", text[: error.start].count("\n")) from None  # type: ignore[arg-type]
    limits.check_bytes(len(encoded))
    data, encoding = split.decode(encoded)
    chunks = engine.both_passes(data)
    joined = b"".join(chunk.text for chunk in chunks)
    bom = "\ufeff" if encoding.bom else ""
    return Result(
        bom + joined.decode(),
        tuple(resource for chunk in chunks for resource in chunk.resources),
        tuple(note for chunk in chunks for note in chunk.unexamined),
        tuple(one_line(chunk.error) for chunk in chunks if chunk.error),
    )

"""Exemptions that somebody decides on, into the policy: its comments and its style stay."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import edit, limits, policy, schema, source, split, verify
from krm_harden.commands import _policies, _replace
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import Operation
from krm_harden.patch import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT = "krm-harden-policy.yaml"
NEW = """\
# What stays as it is, and why. https://github.com/krm-harden/krm-harden/blob/main/docs/policy.md has every field.
apiVersion: {api}
kind: {kind}
metadata:
  name: exemptions
  annotations:
    # Never applied to a cluster.
    config.kubernetes.io/local-config: "true"
"""


class Target:
    """The file that exemptions go into: that of the policy, else a new one that somebody names."""

    def __init__(self, policies: str | Sequence[str] | None, *, allowed: bool) -> None:
        # Of several policies the last one adds to the others.
        self.path = policies if policies is None or isinstance(policies, str) else policies[-1]
        self.allowed = allowed
        self._is_new = False

    def ready(self, say: Callable[[str], None], answer: Callable[[str], str]) -> bool:
        """Whether exemptions can be written; asks for a file where no policy is named."""
        if not self.allowed:
            say("  --diff writes nothing, and so no exemption: leave it away, or answer n")
            return False
        if self.path is None and _policies.VARIABLE in os.environ:
            say(f"  the policy of ${_policies.VARIABLE} isn't yours to change from here: name it with --policy")
            return False
        while self.path is None:
            path = answer(f"Into which new policy? [{DEFAULT}] ") or DEFAULT
            if os.path.lexists(path):
                say(f"  {path} is there, and isn't the policy of this run: start again with --policy {path}")
                return False
            if not os.access(os.path.dirname(path) or ".", os.W_OK | os.X_OK):
                say(f"  {path} can't be written: its folder isn't there, or isn't yours to write to")
                return False
            self.path, self._is_new = path, True
        return True

    def problem(self, entries: Sequence[dict[str, Any]]) -> str:
        """Why the file can't take some exemptions, or empty."""
        try:
            self._extended(entries)
        except KrmHardenError as error:
            return str(error)
        return ""

    def write(self, entries: Sequence[dict[str, Any]]) -> str:
        """Put exemptions into the file; a line that says so. Raises KrmHardenError; then it is as it was."""
        path = self.path or DEFAULT
        old, new = self._extended(entries)
        if self._is_new:
            _create(Path(path), new)
        else:
            _replace.replace(Path(path), new, old)
        count = "1 exemption" if len(entries) == 1 else f"{len(entries)} exemptions"
        return f"{path} has {count} more" + (f"; from now on: --policy {path}" if self._is_new else "")

    def _extended(self, entries: Sequence[dict[str, Any]]) -> tuple[bytes, bytes]:
        """The file's bytes, and those with the exemptions."""
        path = self.path or DEFAULT
        old = _fresh() if self._is_new else _read(path)
        return old, with_exemptions(old, entries, path)


def _fresh() -> bytes:
    return NEW.format(api=schema.API_VERSION, kind=schema.KIND).encode()


def _read(path: str) -> bytes:
    try:
        return limits.read_file(path)
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", path) from None
    except InputError as error:
        raise ConfigError(str(error), path) from None


def _create(path: Path, data: bytes) -> None:
    if os.path.lexists(path):
        raise ConfigError("is there by now", str(path), "name it with --policy")
    try:
        _replace.put(path, data)
    except OSError as error:
        raise ConfigError(f"can't be written: {error.strerror}", str(path)) from None


def extended(known: policy.Policy, entry: dict[str, Any]) -> policy.Policy:
    """A policy with one more exemption."""
    return known.with_changes({"exemptions": [*(known.spec.get("exemptions") or ()), entry]})


def problem(entry: dict[str, Any]) -> str:
    """What is wrong with an exemption, or empty."""
    data = {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "spec": {"exemptions": [entry]}}
    try:
        made = policy.from_data(data, "")
    except ConfigError as error:
        return error.message
    return f"{made.exemptions[0].expired} has passed" if made.exemptions[0].expired else ""


def with_exemptions(data: bytes, entries: Sequence[dict[str, Any]], where: str) -> bytes:
    """The bytes of a policy's file with more exemptions, read again and found in order.

    Raises KrmHardenError where that can't be done without touching anything else.
    """
    text, encoding = split.decode(data)
    chunks = list(split.documents(text))
    for index, chunk in enumerate(chunks):
        try:
            document = source.read(chunk.decode())
        except InputError as error:
            raise ConfigError(str(error), where) from None
        if isinstance(document.data, dict) and document.data.get("kind") == schema.KIND:
            chunks[index] = _extended(document, entries, where).encode()
            return encoding.encode(b"".join(chunks))
    raise ConfigError(f"is no {schema.KIND}, and so takes no exemptions", where, "write them into one")


def _extended(document: source.Document, entries: Sequence[dict[str, Any]], where: str) -> str:
    draft = Draft(document.data)
    for entry in entries:
        draft.apply(Operation("add", ("spec", "exemptions", "-"), entry))
    try:
        new = verify.verified(document, edit.apply(document.text, edit.plan(document, draft.operations)), draft)
    except KrmHardenError as error:
        raise ConfigError(f"can't take the exemptions: {error.message}", where, "write them by hand") from None
    policy.from_data(new.data, where)
    return new.text

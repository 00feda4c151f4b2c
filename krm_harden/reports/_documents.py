"""What several formats say of a report in JSON: how an object is called, how it stands, and the report in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Part = Mapping[str, Any]


def name(resource: Part) -> str:
    """`Deployment/shop/web`."""
    return "/".join(part for part in (resource["kind"], resource["namespace"], resource["name"]) if part)


def file(part: Part) -> str:
    """The file that something is in; after a merge, below the name of its report."""
    named = "stdin" if part["file"] == "-" else part["file"]
    return f"{part['source']}: {named}" if part.get("source") else named


def place(part: Part, line: int) -> str:
    """`deploy/web.yaml:12`."""
    return f"{file(part)}:{line}" if line else file(part)


def is_error(finding: Part) -> bool:
    """Whether a finding fails a `check`: it is an error, or an exemption that has expired."""
    return (finding["severity"], finding["state"]) == ("warning", "exempt") or bool(finding["severity"] == "error")


def standing(resource: Part) -> str:
    """`fails`, `exempt`, `warns` (the standard refuses it, and the policy only warns) or `passes`."""
    findings = resource["findings"]
    if any(map(is_error, findings)):
        return "fails"
    if resource["allowed"]:
        return "passes"
    return "exempt" if any(finding["state"] == "exempt" for finding in findings) else "warns"


def how_many(count: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def said(finding: Part) -> str:
    """A finding's words, with the exemption to paste."""
    return f"{finding['message']}; exemption: {finding['exemption']}" if finding["exemption"] else finding["message"]


def grouped(parts: Iterable[Part], by: str) -> dict[str, list[Part]]:
    """The parts by one of their fields, in the order in which its values are met."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.get(by, ""), []).append(part)
    return found


def trend(document: Part, earlier: Sequence[Part]) -> str:
    """How the numbers have moved since the first of the earlier reports; empty without any."""
    if not earlier:
        return ""
    then, now = earlier[0]["summary"], document["summary"]
    moved = [f"{what} {then[what]} → {now[what]}" for what in ("resources", "allowed", "errors", "warnings")]
    when = earlier[0].get("created", "")[:10]
    return f"since {when or 'the earlier report'}: {', '.join(moved)}".replace("resources", "objects")

"""Vulnerabilities for people: of a container's image a line for each outcome, with the worst few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.decide import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from krm_harden.model import Finding

FEW = 3
"""Vulnerabilities that a line names."""


def told(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, those about vulnerabilities of one image with the same outcome as one."""
    found = list(findings)
    if all(one.vulnerability is None for one in found):
        return found
    made: dict[object, list[Finding]] = {}
    for index, one in enumerate(found):
        key = (one.pointer, one.severity, one.state, one.baseline, _why(one)) if one.vulnerability else index
        made.setdefault(key, []).append(one)
    return [_summed(group) if len(group) > 1 else group[0] for group in made.values()]


def _why(one: Finding) -> str:
    """What puts up with it: how to mend it differs from one to the next."""
    return "" if one.state == "manual" else one.reason


def _summed(group: list[Finding]) -> Finding:
    """One finding for several, which come in order."""
    import copy

    from krm_harden.scanning.model import SEVERITIES

    first = group[0]
    known = [one.vulnerability for one in group if one.vulnerability]
    counts = [(sum(one["severity"] == severity for one in known), severity) for severity in SEVERITIES]
    numbers = ", ".join(f"{count} {severity}" for count, severity in counts if count)
    fixed = sum(any(package["fixed"] for package in one["packages"]) for one in known)
    few = ", ".join(_short(one) for one in known[:FEW])
    more = f" and {len(known) - FEW} more" if len(known) > FEW else ""
    made = copy.copy(first)
    image = str(first.current).strip()
    why = f": {first.reason}" if _why(first) else ""
    made.message = (
        f'container "{first.container}" runs {image} with {numbers} vulnerabilities, {fixed} of them with a fix: '
        f"{few}{more}{why}"
    )
    made.exemption = _exempting(first, [one["id"] for one in known])
    made.evidence = ", ".join(dict.fromkeys(one.evidence for one in group))
    return made


def _exempting(first: Finding, names: list[str]) -> str:
    """The exemption from a few vulnerabilities; nobody should accept many of them unseen."""
    if len(names) > FEW:
        return ""
    from krm_harden.scanning.model import as_pattern

    patterns = [as_pattern(name) for name in names]
    return first.exemption.replace(written(patterns[:1]), written(patterns))


def _short(one: Mapping[str, Any]) -> str:
    """`CVE-2024-1 in openssl 3.0.1 (fixed in 3.0.2)`."""
    package = one["packages"][0]
    where = " ".join(filter(None, (package["name"], package["installed"])))
    fixed = f" (fixed in {package['fixed']})" if package["fixed"] else ""
    return f"{one['id']}{' in ' if where else ''}{where}{fixed}"

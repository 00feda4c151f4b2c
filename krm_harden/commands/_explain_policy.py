"""`krm-harden explain POLICY.yaml`: a policy in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import controls, schema
from krm_harden.commands._explain_show import rows
from krm_harden.commands._explain_words import CHOICES, SOFTER
from krm_harden.decide import written
from krm_harden.model import mapping, sequence
from krm_harden.policy import today
from krm_harden.profiles import FOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from krm_harden.policy import Policy

_TOLD = {
    *CHOICES,
    *("controls", "exemptions", "images", "imageLock", "kinds", "limits", "namespaces", "podSecurityPolicy"),
    *("rules", "target", "version"),
}
"""What has words of its own here; any other field is shown as it is."""
MATCHED = {
    "kinds": "kind",
    "namespaces": "namespace",
    "names": "name",
    "containers": "container",
    "images": "image",
}


def page(policy: Policy, path: str) -> str:
    """The policy of a file: its level, how far it goes, rules, exemptions, and what is softer than the default."""
    spec = policy.spec
    parts = [
        f"# {path}: the policy {policy.name}",
        f"It reaches **{policy.level}**, version {_version(policy)}: {CHOICES['level'][policy.level]}.",
        *_profiles(policy),
        rows(_how_far(spec)),
        *_section("Other fields", rows(_other(spec))),
        *_section("Controls", rows(_controls(spec))),
        *_section(*_pod_security(spec)),
        *_section("Rules: the narrowest that matches comes last, and wins", "\n".join(_rules(policy))),
        *_section("Exemptions", "\n".join(_exemptions(spec))),
        *_section("Images", rows(_images(policy))),
        *_section("Namespaces", rows(_namespaces(spec))),
        *_section("Further kinds that make pods", rows(_kinds(spec))),
        *_section("Softer than the default", "\n".join(_softer(policy))),
    ]
    if not any(_softer(policy)):
        parts.append("Nothing in it is softer than the default.")
    parts.append(
        "`krm-harden explain spec.FIELD` says more about a field, `krm-harden explain CONTROL` about a control."
    )
    return "\n\n".join(parts) + "\n"


def _profiles(policy: Policy) -> Iterator[str]:
    """What it starts from, and of which files it is made."""
    for layer in policy.layers:
        if layer.profile:
            yield f"It starts from the profile **{layer.profile}**, which is for {FOR[layer.profile]}."


def _pod_security(spec: Mapping[str, Any]) -> tuple[str, str]:
    """The PodSecurityPolicy within a policy: each field that it says, and what that is about."""
    stated = mapping(spec.get("podSecurityPolicy"))
    known = schema.spec_schema()["properties"]["podSecurityPolicy"]["properties"]["spec"]["properties"]
    said = [
        (f"{name}: {written(value)}", str(mapping(known.get(name)).get("description", "no field of it: ignored")))
        for name, value in mapping(stated.get("spec")).items()
    ]
    said += [(f"{name}: {value}", "") for name, value in mapping(stated.get("annotations")).items() if "/" in name]
    return f"PodSecurityPolicy {stated.get('name', '')}: it sets and refuses what it did in the cluster", rows(said)


def _section(title: str, text: str) -> list[str]:
    return [f"# {title}", text] if text else []


def _version(policy: Policy) -> str:
    server = mapping(policy.spec.get("target")).get("kubernetes")
    return policy.version + (f", no newer than the server {server}" if server else "")


def _how_far(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each choice with what it does, the default where the policy says nothing."""
    for name, choices in CHOICES.items():
        if name != "level":
            value = spec.get(name, _default(name))
            yield f"{name}: {value}", choices.get(value, "") + ("" if name in spec else " (the default)")


def _default(name: str) -> Any:
    return schema.spec_schema()["properties"][name].get("default")


def _other(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What has no words of its own, with the schema's."""
    known = schema.spec_schema()["properties"]
    for name, value in spec.items():
        if name not in _TOLD:
            yield f"{name}: {written(value)}", str(known.get(name, {}).get("description", ""))
    for field in ("target", "limits"):
        for name, value in mapping(spec.get(field)).items():
            described = known[field]["properties"].get(name, {}).get("description", "")
            yield f"{field}.{name}: {written(value)}", str(described)


def _controls(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, settings in mapping(spec.get("controls")).items():
        yield name, "; ".join(_setting(name, key, value) for key, value in settings.items())


def _setting(control: str, key: str, value: Any) -> str:
    """One setting of a control in words."""
    told = {
        ("enabled", True): "on",
        ("enabled", False): "off: neither checked nor written",
        ("required", True): "an error where it isn't met",
        ("required", False): "a warning where it isn't met",
        ("explicit", "override"): "what the author wrote is replaced",
        ("explicit", "respect"): "what the author wrote stays",
    }
    if isinstance(value, (str, bool)) and (key, value) in told:
        return told[key, value]
    settings = mapping(controls.settings().get(control))
    described = str(mapping(settings.get(key)).get("description", "")).removesuffix(".")
    return f"{key}: {written(value)}" + (f" ({described})" if described else "")


def _rules(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        said = [
            f"{name}: {written(value['name'] if name == 'podSecurityPolicy' else value)}"
            + (f" ({softer})" if (softer := _is_softer(name, value, policy.spec)) else "")
            for name, value in rule.items()
            if name not in {"match", "controls"}
        ]
        said += [
            f"{name}: {_setting(name, key, value)}"
            for name, settings in mapping(rule.get("controls")).items()
            for key, value in settings.items()
        ]
        yield f"- {matched(rule['match'])}: {', '.join(said) or 'nothing else'}"


def _is_softer(name: str, value: Any, spec: Mapping[str, Any]) -> str:
    """`softer than the policy itself` where a rule's choice is."""
    order: list[Any] = list(CHOICES.get(name, ()))
    above = spec.get(name, _default(name)) if order else None
    return "softer than the policy itself" if order and order.index(value) < order.index(above) else ""


def matched(match: Mapping[str, Any]) -> str:
    """What a match is for, in words: `kind Deployment, namespace shop or web-*`."""
    said = [f"{word} {' or '.join(match[name])}" for name, word in MATCHED.items() if name in match]
    said += [f"label {name}={value}" for name, value in mapping(match.get("labels")).items()]
    return ", ".join(said) or "everything"


def _exemptions(spec: Mapping[str, Any]) -> Iterator[str]:
    date = today()
    for entry in sequence(spec.get("exemptions")):
        names = "every control" if "*" in entry["controls"] else ", ".join(entry["controls"])
        expires = entry.get("expires", "")
        until = f" until {expires}" if expires and expires >= date else f" (expired on {expires})" if expires else ""
        yield f"- {matched(entry['match'])}: exempt from {names}{until}: {entry['reason'].removesuffix('.')}."


def _images(policy: Policy) -> Iterator[tuple[str, str]]:
    for entry in sequence(policy.spec.get("images")):
        known = [f"{name}: {written(value)}" for name, value in entry.items() if name not in {"match", "evidence"}]
        yield str(entry["match"]), "; ".join(known) or "nothing is said of it"
    if policy.locks:
        yield "imageLock", "what `krm-harden images resolve` found out"


def _namespaces(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = schema.spec_schema()["properties"]["namespaces"]["properties"]
    for name, value in mapping(spec.get("namespaces")).items():
        yield f"{name}: {written(value)}", str(known.get(name, {}).get("description", ""))


def _kinds(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for entry in sequence(spec.get("kinds")):
        yield f"{entry['kind']} ({entry['group']})", ", ".join(entry["podSpecs"])


def _softer(policy: Policy) -> Iterator[str]:
    """What is softer than the default, in the policy or in a rule, and why that matters."""
    yield from _softer_choices(policy.spec, "")
    for rule in policy.rules:
        yield from _softer_choices(rule, f" for {matched(rule['match'])}")
    for entry in sequence(policy.spec.get("exemptions")):
        if not entry["match"] or "*" in entry["controls"]:
            what = "matches everything" if not entry["match"] else "is from every control"
            yield f"- **An exemption {what}** ({entry['reason'].removesuffix('.')}): narrow it to what is needed."


def _softer_choices(said: Mapping[str, Any], whom: str) -> Iterator[str]:
    for name, choices in CHOICES.items():
        default, order = _default(name), list(choices)
        value = said.get(name, default)
        if order.index(value) < order.index(default):
            why = SOFTER["privileged" if value == "privileged" else name]
            yield f"- **{name}: {value}**{whom} in place of {default}: {why}."
    off = [name for name, settings in mapping(said.get("controls")).items() if settings.get("enabled") is False]
    for why, names in (
        (SOFTER["a control of the standard"], [name for name in off if _is_of_standard(name)]),
        (SOFTER["a control beyond it"], [name for name in off if not _is_of_standard(name)]),
    ):
        if names:
            yield f"- **{', '.join(names)} {'is' if len(names) == 1 else 'are'} off**{whom}: {why}."


def _is_of_standard(name: str) -> bool:
    known = controls.load()
    return any(one in known and known[one].standard for one in controls.named(name))

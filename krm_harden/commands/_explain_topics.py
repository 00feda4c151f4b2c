"""The words that `explain` knows by themselves: controls, states, risks, codes, fields of the policy."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import controls, namespaces, scanning, schema
from krm_harden.commands._explain_show import rows
from krm_harden.commands._explain_words import CHOICES, CODES, NOTICES, RISKS, STATES
from krm_harden.profiles import FOR
from krm_harden.psp import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.controls import Control

KINDS = {
    "control": "Controls: what is checked, and written",
    "state": "States: what became of a finding",
    "risk": "Risks: how sure it is that a change breaks nothing",
    "code": "Codes: why something is refused, or left to people",
    "field": "Fields of a policy",
}
"""The sorts of words, as the overview calls them."""
LABELS = "Pod Security labels of Namespaces"
SCANS = "Vulnerabilities of images"
TOP = "spec"
_CLAUSE = re.compile(r"(?:[^`:.]|`[^`]*`|[:.](?! ))+")
_SHAPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "boolean": "`true` or `false`",
    "integer": "a whole number",
}


class Topic(NamedTuple):
    """One word: its sort, its name, a line about it. `page` makes the rest."""

    kind: str
    name: str
    title: str

    @property
    def key(self) -> str:
        """What it is found by, whatever the case."""
        return self.name.lower()


def topics() -> list[Topic]:
    """Every word, by its sort."""
    return [
        *(Topic("control", one.id, one.title) for one in controls.load().values()),
        Topic("control", controls.NAMESPACES, LABELS),
        Topic("control", controls.VULNERABILITIES, SCANS),
        *(Topic("control", name, text.partition(". ")[0]) for name, text in NOTICES.items()),
        *(Topic("control", name, explained.title(name)) for name in explained.names()),
        *(Topic("state", name, meaning) for name, (meaning, _) in STATES.items()),
        *(Topic("risk", name, meaning) for name, meaning in RISKS.items()),
        *(Topic("code", name, meaning) for name, (meaning, _) in CODES.items()),
        *(Topic("field", path, str(field.get("description", ""))) for path, field in fields()),
    ]


def meant(word: str, kind: str = "") -> list[Topic]:
    """The words that a name stands for, of one sort or of any.

    A field may be named without `spec.`, and with the number of an item: `exemptions[0].reason`.
    """
    plain = _as_field(word)
    names = {*controls.named(_alias(word))} if not kind or kind == "control" else set()
    wanted = {word.lower(), plain, f"{TOP}.{plain}", *(name.lower() for name in names)}
    return [one for one in topics() if one.key in wanted and kind in {"", one.kind}]


def _alias(word: str) -> str:
    if word.lower() == controls.POD_SECURITY_POLICY.lower():
        # The page of all, not one for each.
        return ""
    return next((name for name in controls.ALIASES if name.lower() == word.lower()), word)


def _as_field(word: str) -> str:
    """A field's path as the schema has it: items without their number, in small letters."""
    return re.sub(r"\[\d*\]", "[]", word.strip()).lower().removesuffix("[]")


def names() -> list[str]:
    """What can be asked for by name, for a hint at what was meant; a field's own name stands for its path too."""
    return [*(one.name for one in topics()), *controls.ALIASES, *schema.spec_schema()["properties"]]


def page(topic: Topic) -> str:
    """All that is known of a word."""
    if topic.kind == "control":
        return control_page(topic.name)
    if topic.kind == "state":
        meaning, advice = STATES[topic.name]
        return f"# {topic.name}: a state of findings\n\n{meaning}\n\n**What to do**: {advice}\n"
    if topic.kind == "risk":
        return f"# {topic.name}: a risk\n\n{RISKS[topic.name]}\n"
    if topic.kind == "code":
        return code_page(topic.name)
    return field_page(topic.name)


# ---- controls


def control_page(name: str) -> str:
    """A control's documentation, with its settings."""
    if name in NOTICES:
        return f"# {name}: in a control's place\n\n{NOTICES[name]}\n"
    if name == controls.NAMESPACES:
        return f"# {name}: {LABELS} (beyond it)\n\n{(namespaces.__doc__ or '').strip()}\n"
    if name == controls.VULNERABILITIES:
        parts = [f"# {name}: {SCANS} (beyond it)", (scanning.__doc__ or "").strip(), *_settings(controls.GATE)]
        return "\n\n".join(parts) + "\n"
    if explained.is_ours(name):
        return f"# {name}: {explained.title(name)}\n\n{explained.documentation(name)}\n"
    control = controls.load()[name]
    parts = [f"# {control.id}: {control.title} ({standard(control)})", documentation(control)]
    return "\n\n".join([*parts, *_settings(control.settings)]) + "\n"


def _settings(known: Mapping[str, Any]) -> Iterator[str]:
    """The paragraph about a control's own settings, where it has some."""
    if known:
        settings = [f"- {key}: {about(setting)}" for key, setting in known.items()]
        yield "\n".join(["**Settings**, under `spec.controls` of a policy:", *settings])


def documentation(control: Control) -> str:
    """The docstring of a control's module, as Markdown."""
    return (sys.modules[control.propose.__module__].__doc__ or "").strip()


def part(name: str, heading: str) -> str:
    """One part of a control's documentation, from its heading to the next; empty for what isn't a control."""
    known = controls.load().get(name)
    others = {controls.NAMESPACES: namespaces.__doc__, controls.VULNERABILITIES: scanning.__doc__}
    text = documentation(known) if known else others.get(name) or ""
    _, found, after = text.partition(f"**{heading}**")
    return f"{found}{after.partition(f'{chr(10)}{chr(10)}**')[0]}".strip()


def standard(control: Control) -> str:
    """Where a control comes from: `restricted, from v1.22`."""
    since = min(control.revisions)
    return f"{control.level}, from v{since[0]}.{since[1]}" if control.standard else "beyond it"


def about(setting: Mapping[str, Any]) -> str:
    """A setting's description and default, in a line."""
    default = setting.get("default")
    words = ", ".join(default) if isinstance(default, list) else shown(default)
    return f"{setting['description']} Default: `{words}`."


# ---- codes


def code_page(name: str) -> str:
    """What a code means, and where it may come from."""
    meaning, advice = CODES[name]
    parts = [f"# {name}: why something is refused, or left to people", meaning, f"**What to do**: {advice}"]
    if name in schema.REFUSALS:
        parts.append(
            "Who knows it: `cannotRestrict` of an image in the policy, in a lock or in the catalogue; some are seen in "
            "the container's own command."
        )
    return "\n\n".join(parts) + "\n"


# ---- fields of the policy


def fields() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each field of a policy with its schema; those of a rule, which are those of `spec`, only as `match`."""
    spec = schema.spec_schema()
    yield TOP, spec
    yield from _within(spec, TOP)


def _within(field: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, inner in field.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from _within(inner, f"{path}.{name}")
        for one in [inner.get("items", {}), *inner.get("items", {}).get("anyOf", ())]:
            yield from _within(one, f"{path}.{name}[]")


def field_page(path: str) -> str:
    """A field: what it says, what it may hold, its default, where else it may stand, what is in it."""
    field = dict(fields())[path]
    parts = [f"# {path}: a field of the policy", str(field.get("description", ""))]
    parts.append(rows(_facts(path, field)))
    choices = CHOICES.get(path.rpartition(".")[2], {})
    if "enum" in field and set(choices) == set(field["enum"]):
        listed = rows((value, choices[value]) for value in choices)
        parts.append(f"From soft to strict:\n\n{listed}")
    if path == f"{TOP}.profile":
        parts.append(rows((name, f"for {whom}") for name, whom in FOR.items()))
    inner = _listed(path)
    if inner:
        parts.append(f"Its fields:\n\n{inner}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(path: str, field: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Holds", shape(field)
    if "default" in field:
        yield "Default", f"`{shown(field['default'])}`"
    above, _, name = path.rpartition(".")
    owner = dict(fields()).get(above.removesuffix("[]"), {})
    owner = owner.get("items", owner) if above.endswith("[]") else owner
    if name in owner.get("required", ()):
        yield "Required", "yes"
    if above == TOP and name in schema.spec_schema()["properties"]["rules"]["items"]["properties"]:
        yield "Also in", "`spec.rules[]`, for what the rule matches"
    if path.startswith(f"{TOP}.controls."):
        control = path.split(".")[2]
        yield "See", ", ".join(f"`krm-harden explain {one}`" for one in controls.named(control))


def shape(field: Mapping[str, Any]) -> str:
    """What a field may hold, in words."""
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(map(shape, field["anyOf"]))
    kind = _SHAPES.get(field.get("type", ""), "anything")
    kind = {
        "version": "`latest` or `v1.x`",
        "kubernetes": 'a version of Kubernetes, such as `"1.34"`',
        "folder": "an absolute path",
        "date": "a date, such as `2027-06-30`",
    }.get(field.get("format", ""), kind)
    if "minimum" in field:
        kind += f" from {field['minimum']} to {field['maximum']}"
    if field.get("type") == "array" and field["items"].get("type") in {"string", "integer"}:
        kind += f", each {shape(field['items'])}"
    return kind


def shown(value: object) -> str:
    """A default as a policy writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(path: str) -> str:
    """The fields right below one."""
    begin = {f"{path}.", f"{path}[]."}
    known = {name: one for name, one in fields() for start in begin if name.startswith(start)}
    direct = {
        name: one for name, one in known.items() if "." not in name.removeprefix(f"{path}[].").removeprefix(f"{path}.")
    }
    return rows((name, _title_of(name) or str(one.get("description", ""))) for name, one in direct.items())


def _title_of(path: str) -> str:
    """The title of a control whose settings a field holds, else empty."""
    above, _, name = path.rpartition(".")
    known = [controls.load()[one].title for one in controls.named(name) if one in controls.load()]
    return "; ".join(known) if above.endswith(".controls") else ""


# ---- all of them


def overview() -> str:
    """Every word with a line about it, by its sort, and what else can be explained."""
    parts = [f"# {title}\n\n{listed(kind)}" for kind, title in KINDS.items()]
    parts.append(
        "# Places, images and policies\n\n"
        + rows(
            [
                ("FILE:LINE", "the findings of the field or object there; `-:LINE` reads standard input"),
                ("FILE, FOLDER", "all findings in short"),
                ("IMAGE", "what is known of an image, and what `fix` would write for it: `nginx:1.27`"),
                ("POLICY.yaml", "a HardeningPolicy in words"),
            ]
        )
    )
    return "\n\n".join(parts) + "\n"


def listed(kind: str) -> str:
    """The words of one sort; of fields only those right below `spec`."""
    if kind == "control":
        known = [(one.id, standard(one), one.title) for one in controls.load().values()]
        known += [(controls.NAMESPACES, "beyond it", LABELS), (controls.VULNERABILITIES, "beyond it", SCANS)]
        width = max(len(where) for _, where, _ in known)
        of_policies = rows((name, explained.title(name)) for name in explained.names())
        return rows((name, f"{where:{width}}  {title}") for name, where, title in known) + f"\n\n{of_policies}"
    chosen = [one for one in topics() if one.kind == kind and one.name.count(".") <= 1]
    return rows((one.name, _clause(one.title)) for one in chosen)


def _clause(text: str) -> str:
    """The first clause of a text; what is in backticks is never cut."""
    found = _CLAUSE.match(text)
    return found[0].removesuffix(".") if found else text

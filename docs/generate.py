#!/usr/bin/env python3
"""Makes the pages and parts of pages that say what the code says. `docs/generate.py` writes, `--check` only compares.

docs/controls.md                    from the docstrings of krm_harden/controls/
docs/command-line.md                from the parser of each command
docs/policy.md, between <!-- -->    from the policy's schema
function/                           `krm-harden schema`, `--report`, `--definition`
krm_harden/scaffold/                what `krm-harden init` writes of function/: copies, so that the wheel has them
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from krm_harden import cli, controls, namespaces, scanning, schema  # noqa: E402
from krm_harden.commands import explain  # noqa: E402
from krm_harden.commands.schema import definition_text, report_text, schema_text  # noqa: E402

if TYPE_CHECKING:
    import argparse
    from collections.abc import Container, Iterator

HEAD = """\
<!-- Made by docs/generate.py from the controls' docstrings; don't edit. -->
# Controls

What krm-harden checks and writes. **Standard** names the level of the Pod Security Standards and the version from which
it asks for the control; restricted asks for all of baseline too. The others go beyond it, and what they can't reach is
a warning unless the policy says `required: true`. Each control takes the settings `enabled`, `required` and `explicit`,
and those named below, under `spec.controls` of the [policy](policy.md).

"""
FIELDS = re.compile(r"(?s)(<!-- fields -->\n).*(<!-- /fields -->)")


def pages() -> dict[str, str]:
    """The text of every generated file by its path."""
    policy = (ROOT / "docs" / "policy.md").read_text()
    table = "".join(f"{line}\n" for line in fields())
    return {
        "docs/controls.md": HEAD
        + overview()
        + "".join(section(control) for control in controls.load().values())
        + labels()
        + "\n"
        + scans(),
        "docs/command-line.md": command_line(),
        "docs/policy.md": FIELDS.sub(lambda found: found[1] + table + found[2], policy),
        "function/hardeningpolicy.schema.json": schema_text(),
        "function/report.schema.json": report_text(),
        "function/krm-harden.yaml": definition_text(),
        **dict(copies()),
    }


COPIED = {"argocd": "argocd", "helm": "helm", "kustomize-legacy/HardeningPolicy": "kustomize-legacy/HardeningPolicy"}
"""What of function/ goes where in krm_harden/scaffold/; a README is about the folder that it is in."""


def copies() -> Iterator[tuple[str, str]]:
    """The text of every copy by its path."""
    for name, target in COPIED.items():
        source = ROOT / "function" / name
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and path.name != "README.md":
                copy = ROOT / "krm_harden" / "scaffold" / target / path.relative_to(source)
                yield copy.relative_to(ROOT).as_posix(), path.read_text()


def leftovers() -> list[str]:
    """Copies of what isn't in function/ any more."""
    folders = [ROOT / "krm_harden" / "scaffold" / target for target in COPIED.values()]
    found = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()}
    return sorted(found - dict(copies()).keys())


def labels() -> str:
    """The control of Namespaces."""
    return f"## {controls.NAMESPACES}\n\n**{explain.LABELS}.** {fenced((namespaces.__doc__ or '').strip())}\n"


def scans() -> str:
    """The control of what scanners report."""
    return f"## {controls.VULNERABILITIES}\n\n**{explain.SCANS}.** {fenced((scanning.__doc__ or '').strip())}\n"


def overview() -> str:
    """The table of all controls."""
    rows = ["| control | what it asks for | standard |", "|---|---|---|"]
    known = [(control.id, control.title, explain.standard(control)) for control in controls.load().values()]
    known.append((controls.NAMESPACES, explain.LABELS, "beyond it"))
    known.append((controls.VULNERABILITIES, explain.SCANS, "beyond it"))
    rows += [f"| [`{name}`](#{name.lower()}) | {title} | {standard} |" for name, title, standard in known]
    return "\n".join(rows) + "\n\n"


def section(control: controls.Control) -> str:
    """One control: its docstring with code blocks fenced, and its settings."""
    short = [alias for alias, ids in controls.ALIASES.items() if control.id in ids]
    parts = [f"## {control.id}\n\n**{control.title}.** "]
    if short:
        parts.append(f"In a policy also `{short[0]}`. ")
    parts.append(fenced(explain.documentation(control)) + "\n\n")
    if control.settings:
        parts.append("**Settings**:\n\n")
        parts += [f"- `{name}`: {explain.about(setting)}\n" for name, setting in control.settings.items()]
        parts.append("\n")
    return "".join(parts)


def fenced(text: str) -> str:
    """Markdown's indented code as fenced YAML."""
    made = re.sub(r"(?m)(?:^    .*\n?|^\n(?=    ))+", _fence, text + "\n")
    return re.sub(r"\n{3,}", "\n\n", made).strip()


def _fence(found: re.Match[str]) -> str:
    lines = [line[4:] for line in found[0].strip("\n").split("\n")]
    return "\n```yaml\n" + "\n".join(lines) + "\n```\n"


COMMANDS = """\
<!-- Made by docs/generate.py from the commands' parsers; don't edit. -->
# The command line

`krm-harden COMMAND [ARGUMENT...]`; without a command krm-harden is a KRM function, which reads a ResourceList from
standard input. `krm-harden COMMAND --help` prints what stands here.

| exit code | meaning |
|---|---|
| 0 | done, or exempt |
| 1 | something stays open that the policy doesn't exempt; `fix --diff` shows a change |
| 2 | a document couldn't be read, or not be edited safely |
| 3 | the policy or the command line is wrong |
| 130 | interrupted; nothing was left half-written |

"""
EXAMPLE = re.compile(r"  (\S.*?)(?:  +(\S.*))?")
"""A line of a command's examples: two spaces, a command and, after two spaces or more, what it is for."""


def command_line() -> str:
    """The page of all commands: a table, and a section for each."""
    loaded = {name: cli.load(name) for name in cli.commands()}
    rows = [f"| [`{name}`](#krm-harden-{name}) | {module.SUMMARY} |" for name, module in loaded.items()]
    parts = [command(module.parser(), module.SUMMARY, module.EXAMPLES) for module in loaded.values()]
    parser = cli.load("check").parser()
    shared = [parameters(parser, group) for group in parser._action_groups if group.title == EVERYWHERE]
    return (
        COMMANDS
        + "\n".join(shared)
        + "\n"
        + "\n".join(("| command | what it does |", "|---|---|", *rows))
        + "\n\n"
        + "\n".join(parts)
    )


EVERYWHERE = "everywhere"
"""The group of the options that all commands take."""


def command(parser: argparse.ArgumentParser, summary: str, examples: str, level: int = 2) -> str:
    """One command: what it takes, its examples and, a level below, the commands that it has itself."""
    inner = [each for each in parser._actions if isinstance(each.choices, dict)]
    groups = [group for group in parser._action_groups if group.title != EVERYWHERE]
    parts = [f"{'#' * level} {parser.prog}\n", f"{summary[0].upper()}{summary[1:]}.\n"]
    parts += [parameters(parser, group, inner) for group in groups]
    parts += [shown_examples(examples)]
    for action in inner:
        about = {choice.dest: choice.help or "" for choice in action._choices_actions}
        parts += [command(each, about[name], each.epilog or "", level + 1) for name, each in action.choices.items()]
    return "\n".join(part for part in parts if part)


def parameters(
    parser: argparse.ArgumentParser, group: argparse._ArgumentGroup, inner: Container[argparse.Action] = ()
) -> str:
    """The table of a group's arguments and options."""
    taken = [each for each in group._group_actions if each.help not in HIDDEN and each not in inner]
    rows = [parameter(parser, each) for each in taken if "--help" not in each.option_strings]
    return f"| {(group.title or '').removeprefix('positional ')} | |\n|---|---|\n" + "".join(rows) if rows else ""


HIDDEN = ("==SUPPRESS==", None)


def parameter(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """A row: an argument, or an option with its value, and what it says."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = "" if action.nargs == 0 else value if isinstance(value, str) else " ".join(value)
    *short, last = action.option_strings or [""]
    names = ", ".join(f"`{name}`" for name in [*short, f"{last} {value}".strip()])
    about = (action.help or "") % {**vars(action), "prog": parser.prog}
    return "| {} | {} |\n".format(*(cell.replace("|", "\\|") for cell in (names, about)))


def shown_examples(text: str) -> str:
    """The examples of a command's help as an indented block, each with what it is for as a comment."""
    _, found, after = text.partition("examples:\n")
    lines = after.partition("\n\n")[0].splitlines()
    made: list[list[str]] = []
    for line in lines:
        if example := EXAMPLE.fullmatch(line):
            made.append([example[1], example[2] or ""])
        elif made:
            made[-1][1] = f"{made[-1][1]} {line.strip()}".strip()
    shown = "".join(f"    # {about}\n    {line}\n" if about else f"    {line}\n" for line, about in made)
    return f"Examples:\n\n{shown}" if found else ""


def fields() -> Iterator[str]:
    """The table of the policy's fields."""
    yield "| field | type | default | what it says |"
    yield "|---|---|---|---|"
    yield from rows(schema.spec_schema(), "spec")


REPEATED = {"spec.rules[]": {"match"}, "spec.controls": set()}
"""What is listed elsewhere: a rule's fields are those of spec, a control's stand in controls.md."""


def rows(field: dict[str, Any], path: str) -> Iterator[str]:
    known = REPEATED.get(path)
    for name, inner in field.get("properties", {}).items():
        if known is None or name in known:
            yield row(inner, f"{path}.{name}", required=name in field.get("required", ()))


def row(field: dict[str, Any], path: str, *, required: bool = False) -> str:
    """A field's row, and those of the fields within it."""
    inner = field.get("items", {})
    kind = " \\| ".join(f"`{value}`" for value in field["enum"]) if "enum" in field else KINDS[field["type"]]
    if field["type"] == "array" and inner.get("type") == "string":
        kind = "list of strings"
    default = "required" if required else f"`{shown(field['default'])}`" if "default" in field else ""
    lines = [f"| `{path}` | {kind} | {default} | {field.get('description', '')} |"]
    lines += rows(field, path) if field["type"] == "object" else rows(inner, f"{path}[]")
    return "\n".join(lines)


def shown(value: object) -> str:
    """A default as a policy writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


KINDS = {"object": "mapping", "array": "list", "string": "string", "boolean": "`true` \\| `false`", "integer": "number"}


def main() -> int:
    stale = []
    for name, text in pages().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    for name in leftovers():
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            (ROOT / name).unlink()
    if stale:
        print("\n".join(f"{name} {'is stale' if '--check' in sys.argv[1:] else 'written'}" for name in stale))
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

"""`krm-harden explain ID`: a control's own page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from krm_harden import controls, namespaces
from krm_harden.commands import _streams
from krm_harden.commands._parser import make
from krm_harden.errors import ConfigError
from krm_harden.schema import similar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.controls import Control

GROUP = "Help and set-up"
SUMMARY = "print what a control checks, what a fix writes, how safe it is and where the rule comes from"
EXAMPLES = """\
examples:
  krm-harden explain                          every control, a line each
  krm-harden explain runAsNonRoot
  krm-harden explain seccompProfile           both levels of it
"""


LABELS = "Pod Security labels of Namespaces"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("explain", SUMMARY, EXAMPLES)
    options.add_argument(
        "control", metavar="ID", nargs="*", help="as reports and policies name it; without any: a list"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """0. Raises ConfigError for an unknown control."""
    known = pages()
    wanted = [one for name in options.control for one in controls.named(_spelled(name, known))]
    if wanted:
        _streams.print_report("\n\n".join(known[name] for name in dict.fromkeys(wanted)))
    else:
        _streams.print_lines(overview())
    return 0


def _spelled(name: str, known: dict[str, str]) -> str:
    """A control's name whatever its case. Raises ConfigError."""
    names = [*known, *controls.ALIASES]
    found = next((one for one in names if one.lower() == name.lower()), None)
    if found is None:
        raise ConfigError(
            f"there is no control {name!r}{similar(name, names)}", next_step="`krm-harden explain` lists all"
        )
    return found


def overview() -> list[str]:
    """A line for each control: its name, its place in the standard, what it asks for."""
    rows = [(control.id, standard(control), control.title) for control in controls.load().values()]
    rows.append((controls.NAMESPACES, "beyond it", LABELS))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{name:{widths[0]}}  {where:{widths[1]}}  {title}" for name, where, title in rows]


def standard(control: Control) -> str:
    """Where a control comes from: `restricted, from v1.22`."""
    since = min(control.revisions)
    return f"{control.level}, from v{since[0]}.{since[1]}" if control.standard else "beyond it"


def pages() -> dict[str, str]:
    """Each control's page as plain text."""
    made = {control.id: _page(control) for control in controls.load().values()}
    title = f"{controls.NAMESPACES}: {LABELS} (beyond it)"
    return made | {controls.NAMESPACES: f"{title}\n\n{(namespaces.__doc__ or '').strip().replace('**', '')}\n"}


def _page(control: Control) -> str:
    parts = [f"{control.id}: {control.title} ({standard(control)})", documentation(control).replace("**", "")]
    if control.settings:
        settings = [f"- {name}: {about(setting)}" for name, setting in control.settings.items()]
        parts.append("\n".join(["Settings, under spec.controls of a policy:", *settings]))
    return "\n\n".join(parts) + "\n"


def documentation(control: Control) -> str:
    """The docstring of a control's module, as Markdown."""
    return (sys.modules[control.propose.__module__].__doc__ or "").strip()


def about(setting: Mapping[str, Any]) -> str:
    """A setting's description and default, in a line."""
    default = setting.get("default")
    shown = ", ".join(default) if isinstance(default, list) else default
    return f"{setting['description']} Default: `{shown}`."

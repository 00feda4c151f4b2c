"""Command lines: argparse with our exit code for a wrong one, a hint at what was meant, and help for people."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from krm_harden.commands import _help, _streams, _terminal
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

TOPICS = {
    "which files": ("--exclude", "--hook", "--allow-empty", "--watch", "--jobs", "--limit"),
    "what holds": (
        *("--policy", "--profile", "--images", "--level", "--version", "--control"),
        *("--compatibility", "--baseline", "--write-baseline", "--baseline-frozen"),
    ),
    "what is reported": ("--output", "--report"),
}
"""The options that several commands have, by what they are about; the others are a command's own."""
EVERYWHERE = "everywhere"
MANY = 12
"""From so many options on, help groups them by their topics."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal: options with their value once, choices behind the words that explain them."""

    def __init__(self, prog: str, *_: Any, **__: Any) -> None:
        super().__init__(prog, max_help_position=30, width=_help.width() - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        said = _help.as_called(text)
        return _help.fitted(said, width) if not indent else super()._fill_text(said, width, indent)

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = ", ".join(action.option_strings)
        names = names if len(action.option_strings) > 1 or not names.startswith("--") else f"    {names}"
        return names if action.nargs == 0 else f"{names} {self._format_args(action, action.dest.upper())}"

    def _metavar_formatter(self, action: argparse.Action, default_metavar: str) -> Callable[[int], tuple[str, ...]]:
        if action.metavar is None and action.choices is not None and action.option_strings:
            return lambda size: (default_metavar,) * size
        return super()._metavar_formatter(action, default_metavar)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        said = _help.as_called(action.help or "")
        choices = [str(choice) for choice in action.choices or ()]
        listed = action.option_strings and choices and not all(choice in said for choice in choices)
        return f"{said} ({', '.join(choices)})" if listed else said


class _Detail(argparse.Action):
    """-q and -v: how much is said, wherever in the command line they stand."""

    def __call__(self, _parser: Any, _namespace: Any, _values: Any, option: str | None = None) -> None:
        _streams.say(1 if option in {"-v", "--verbose"} else -1)


class Limit(argparse.Action):
    """--limit, which holds from here on: reading begins later."""

    def __call__(self, parser: Any, _namespace: Any, values: Any, _option: str | None = None) -> None:
        from krm_harden import limits
        from krm_harden.commands import _limits

        try:
            limits.state(*_limits.one(values))
        except ConfigError as error:
            parser.error(f"argument {_limits.OPTION}: {error}")


class _Colour(argparse.Action):
    """--color, which wins over the environment."""

    def __call__(self, _parser: Any, _namespace: Any, values: Any, _option: str | None = None) -> None:
        _terminal.choose(values)


class Parser(argparse.ArgumentParser):
    """Ends with exit code 3 and one line, where argparse says 2 and prints its usage."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **{**settings, "formatter_class": Formatter, "add_help": False})
        self.color = False  # Python 3.14 has colours of its own
        self._words: list[str] = []
        _everywhere(self.add_argument_group(EVERYWHERE))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._words = list(sys.argv[1:] if args is None else args)
        found, extras = super().parse_known_args(self._words, namespace)
        if self._unknown_option(extras):
            self.error(f"unrecognized arguments: {' '.join(extras)}")
        return found, extras

    def error(self, message: str) -> NoReturn:
        prefix = _terminal.painted("error:", "error", sys.stderr)
        self.exit(3, f"{self.prog}: {prefix} {self.explained(message)}; see `{self.prog} --help`\n")

    def explained(self, message: str) -> str:
        """What argparse complains about, or the unknown option that is the cause of it, with what was meant."""
        unknown = self._unknown_option(self._words)
        said = f"there is no option {unknown}{self._meant(unknown)}" if unknown else ""
        return said if not message.startswith(said) else message

    def _unknown_option(self, words: Iterable[str]) -> str:
        """The first word that argparse takes for an option and doesn't know, without its value, or empty."""
        commands = self._commands()
        for word in words:
            if word == "--" or word in commands:
                return ""
            name = word.partition("=")[0]
            known = self._option_string_actions
            is_value = len(word) < 2 or word[0] != "-" or " " in word or word[1].isdigit()
            if not is_value and name not in known and (name.startswith("--") or name[:2] not in known):
                return name
        return ""

    def _meant(self, option: str) -> str:
        from krm_harden.schema import similar

        return similar(option, [name for name in self._option_string_actions if len(name) > 2])

    def _commands(self) -> dict[str, argparse.ArgumentParser]:
        found = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        return next((action.choices for action in found), {})

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            from krm_harden.schema import similar

            known = [str(choice) for choice in action.choices]
            hint = similar(value, known) or f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
            raise argparse.ArgumentError(action, f"invalid choice: {str(value)!r}{hint}")

    def format_usage(self) -> str:
        return f"usage: {self._usage()}\n"

    def format_help(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self._usage().replace("%", "%%"), (), ())
        formatter.add_text(self.description)
        for title, actions in self._sections():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def print_help(self, file: Any = None) -> None:
        if file is not None:
            file.write(self.format_help())
            return
        _streams.print_report(_help.coloured(self.format_help()))

    def _usage(self) -> str:
        """`krm-harden fix [OPTION...] PATH [PATH ...]`: the options are listed below."""
        formatter = self._get_formatter()
        wanted = [action for action in self._actions if not action.option_strings or action.required]
        formatter._width = 10_000
        formatter.add_usage(None, wanted, (), "")
        words = formatter.format_help().strip()
        return words.replace(self.prog, f"{self.prog} [OPTION...]", 1)

    def _sections(self) -> Iterator[tuple[str, Sequence[argparse.Action]]]:
        """What help lists, by topics; what every command has comes last."""
        groups = [(group.title or "", group._group_actions) for group in self._action_groups]
        yield "arguments", groups[0][1]
        options = groups[1][1]
        titles = {name: title for title, names in TOPICS.items() for name in names} if len(options) >= MANY else {}
        for title in ("options", *TOPICS):
            yield title, [one for one in options if titles.get(one.option_strings[-1], "options") == title]
        yield from groups[3:]
        yield groups[2]


def _everywhere(group: argparse._ArgumentGroup) -> None:
    """The options of every command. They change nothing of what a command makes, only what it says."""
    group.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help="print this help")
    for names, said in (
        (("-q", "--quiet"), "say only errors; twice: nothing, only the exit code"),
        (("-v", "--verbose"), "say more: the reason, evidence and exemption of each finding, and the time it took"),
    ):
        group.add_argument(*names, action=_Detail, nargs=0, default=argparse.SUPPRESS, help=said)
    group.add_argument(
        "--color",
        action=_Colour,
        choices=_terminal.CHOICES,
        metavar="WHEN",
        default=argparse.SUPPRESS,
        help="auto (on a terminal, unless NO_COLOR is set), always or never",
    )


def make(name: str, summary: str, examples: str, kind: type[Parser] = Parser) -> Parser:
    """The parser of one command, its examples below its options."""
    return kind(
        f"{_help.program()} {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        allow_abbrev=False,
    )


def with_commands(name: str, summary: str, examples: str, commands: Mapping[str, ModuleType]) -> Parser:
    """The parser of a command that has commands of its own: each a module with SUMMARY, EXAMPLES and `arguments`."""
    made = make(name, summary, "")
    below = made.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    usages = []
    for word, module in commands.items():
        said = module.SUMMARY
        one = below.add_parser(
            word,
            help=said,
            description=f"{said[0].upper()}{said[1:]}.",
            epilog=module.EXAMPLES,
            allow_abbrev=False,
        )
        module.arguments(one)
        usages.append(one.format_usage())
    made.epilog = "".join(usages) + "\n" + examples
    return made

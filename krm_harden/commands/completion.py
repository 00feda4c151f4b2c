"""`krm-harden completion SHELL`: what a shell needs to know so that Tab completes our command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from krm_harden import cli, controls
from krm_harden.commands import _help, _streams
from krm_harden.commands._parser import Parser, make
from krm_harden.model import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GROUP = "Help and set-up"
SUMMARY = "print the script with which bash, zsh, fish or kubectl complete commands, options and values"
EXAMPLES = """\
examples:
  source <(krm-harden completion bash)        in this shell; in ~/.bashrc: in every new one
  krm-harden completion zsh > ~/.zfunc/_krm-harden
                                              with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  krm-harden completion fish > ~/.config/fish/completions/krm-harden.fish
  krm-harden completion kubectl > ~/.local/bin/kubectl_complete-harden
                                              for `kubectl harden`; then chmod +x it

exit codes: 0 done, 3 wrong command line
"""
SHELLS = ("bash", "zsh", "fish")
KUBECTL = """\
#!/bin/sh
# kubectl asks this program, by its name on PATH, what may stand in `kubectl harden ...`.
exec krm-harden completion kubectl -- "$@"
"""
FILES = ("PATH", "FILE", "LOCK", "CONFIG", "PLACE", "FORMAT=FILE", "FILE...")
FOLDERS = ("FOLDER", "DIRECTORY")
EXPLAINED = "WHAT"
"""Names and files: what `explain` takes."""
FILES_DIRECTIVE, FOLDERS_DIRECTIVE, WORDS_DIRECTIVE = 0, 16, 4
"""What a shell does with what kubectl gets from us: complete files, folders, or nothing else (cobra's ShellComp)."""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("completion", SUMMARY, EXAMPLES)
    options.add_argument("shell", metavar="SHELL", choices=[*SHELLS, "kubectl"], help="bash, zsh, fish or kubectl")
    options.add_argument(
        "words", metavar="WORD", nargs="*", help="kubectl: what is typed so far; prints what the last may become"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """0. Raises KrmHardenError when the script can't be written."""
    if options.shell == "kubectl":
        found = _answer(options.words) if options.words else KUBECTL.splitlines()
        _streams.print_report("".join(f"{line}\n" for line in found))
        return 0
    import shtab

    _streams.print_report(shtab.complete(_described(), options.shell) + "\n")
    return 0


def everything() -> Parser:
    """One parser of the whole command line, the commands below it, for whoever asks what there is."""
    made = Parser("krm-harden", allow_abbrev=False)
    below = made.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in cli.commands():
        below.add_parser(name, help=_help.about(name)[0])
        below.choices[name] = cli.load(name).parser()
    asked = below.add_parser("help", help=_help.HELP[1])
    asked.add_argument("about", metavar="COMMAND", nargs="?", choices=cli.commands())
    return made


def _described() -> Parser:
    """The same, with what shtab needs to know of values: files, folders, the ids of controls."""
    import shtab

    made = everything()
    for action in _actions(made):
        kind = _kind(action)
        if action.metavar == EXPLAINED:
            action.complete = _names_and_files(_words(action))  # type: ignore[attr-defined]
        elif kind == "words":
            action.choices = action.choices or _words(action)
        elif kind:
            action.complete = shtab.DIRECTORY if kind == "folders" else shtab.FILE  # type: ignore[attr-defined]
    return made


def _names_and_files(names: Iterable[str]) -> dict[str, str | dict[str, str]]:
    """What shtab has no word for, in each shell's own."""
    listed = " ".join(names)
    bash = f'compgen -W "{listed}" -- "$1"; _shtab_compgen_files "$1"'
    zsh = f"_alternative 'names:name:({listed})' 'files:file:_files'"
    return {
        "bash": "_krm_harden_explained",
        "zsh": "_krm_harden_explained",
        "fish": f"{listed} (__fish_complete_path (commandline -ct))",
        "preamble": {shell: f"_krm_harden_explained() {{ {body}; }}" for shell, body in (("bash", bash), ("zsh", zsh))},
    }


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _kind(action: argparse.Action) -> str:
    """What may stand there: words that are known, files, folders, or anything."""
    if action.nargs == 0 or isinstance(action, argparse._SubParsersAction):
        return ""
    if action.choices or _words(action):
        return "words"
    shown = str(action.metavar or "")
    return "folders" if shown in FOLDERS else "files" if shown in FILES else ""


def _words(action: argparse.Action) -> list[str]:
    """What isn't checked while a command line is read, because a list or a file may stand there too."""
    if action.dest == "control" or action.metavar in {"ID", "CONTROL"}:
        return [*controls.load(), controls.NAMESPACES, controls.POD_SECURITY_POLICY, *controls.POD_SECURITY_POLICY_IDS]
    if action.metavar == EXPLAINED:
        from krm_harden.commands import _explain_topics

        return list(dict.fromkeys(one.name for one in _explain_topics.topics() if one.kind != "field"))
    return list(LEVELS) if action.dest == "level" else []


# For kubectl


def _answer(words: list[str]) -> Iterator[str]:
    """What the last word may become, each with what it means, and what a shell is to do about it."""
    *before, word = words
    parser, expected = _read(before)
    if word.startswith("-") and (expected is None or not expected.option_strings):
        named = [(name, action.help or "") for name, action in parser._option_string_actions.items()]
        yield from _matching(word, ((name, said) for name, said in named if name.startswith("--") or len(word) == 1))
        yield f":{WORDS_DIRECTIVE}"
        return
    if isinstance(expected, argparse._SubParsersAction):
        known = ((one.dest, one.help or "") for one in expected._choices_actions)
        yield from _matching(word, known)
        yield f":{WORDS_DIRECTIVE}"
        return
    kind = _kind(expected) if expected else ""
    if kind == "words" and expected:
        found = list(_matching(word, ((str(choice), "") for choice in expected.choices or _words(expected))))
        yield from found
        kind = "files" if expected.metavar == EXPLAINED and not found else kind
    directives = {"files": FILES_DIRECTIVE, "folders": FOLDERS_DIRECTIVE}
    yield f":{directives.get(kind, WORDS_DIRECTIVE)}"


def _read(words: Iterable[str]) -> tuple[argparse.ArgumentParser, argparse.Action | None]:
    """The parser that the words lead to, and what it expects next."""
    parser: argparse.ArgumentParser = everything()
    found = list(_positionals(parser))
    waiting: argparse.Action | None = None
    for word in words:
        below = found[0].choices if found and isinstance(found[0], argparse._SubParsersAction) else None
        option = parser._option_string_actions.get(word)
        if waiting:
            waiting = None
        elif option:
            waiting = option if option.nargs != 0 else None
        elif isinstance(below, dict) and word in below:
            parser = below[word]
            found = list(_positionals(parser))
        elif not word.startswith("-") and found and found[0].nargs not in {"*", "+"}:
            found = found[1:]
    return parser, waiting or (found[0] if found else None)


def _positionals(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if not action.option_strings)


def _matching(word: str, known: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"{name}\t{said}" if said else name for name, said in known if name.startswith(word))

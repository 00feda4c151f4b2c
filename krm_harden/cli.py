"""The command line: `krm-harden` is a KRM function, `krm-harden COMMAND` everything else.

Exit codes: 0 done; 1 something stays open that the policy doesn't exempt; 2 something couldn't be read or edited;
3 the policy or the command line is wrong; 130 interrupted.
"""

from __future__ import annotations

import gc
import sys

from krm_harden import __version__, libyaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

USAGE = """\
krm-harden hardens Kubernetes manifests to the Pod Security Standard `restricted`.

usage: krm-harden < RESOURCELIST            a KRM function: kustomize, kpt
       krm-harden COMMAND [ARGUMENT...]     `krm-harden COMMAND --help` explains each

commands:
{commands}

examples:
  krm-harden fix --diff deploy/             show what would change
  krm-harden fix deploy/                    change it, in place
  kustomize build . | krm-harden check -    the gate: exit 1 unless all is restricted
  kpt fn eval . --exec krm-harden           inside kpt

exit codes: 0 done, 1 something stays open, 2 something couldn't be read, 3 wrong policy or command line
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. No exception leaves it but by a defect."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if argv is None:
        libyaml.in_parts()
        # Nothing here makes cycles worth collecting, and a collection walks every node of the chunk at hand.
        gc.disable()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("krm-harden: interrupted; nothing was left half-written\n")
        return 130
    except Exception as error:
        from krm_harden.errors import KrmHardenError

        if not isinstance(error, (KrmHardenError, OSError)):
            raise
        if sys.stderr is not None:
            sys.stderr.write(f"krm-harden: error: {_line(error)}\n")
        return error.exit_code if isinstance(error, KrmHardenError) else 2


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error).replace("\n", " ")


def _run(arguments: list[str]) -> int:
    if not arguments:
        if sys.stdin is not None and sys.stdin.isatty():
            sys.stderr.write(_usage())
            return 3
        from krm_harden.commands import function

        return function.run()
    name = arguments[0]
    if name in {"-h", "--help", "help", "-V", "--version"}:
        from krm_harden.commands import _streams

        asked = f"krm-harden {__version__}\n" if name in {"-V", "--version"} else _usage()
        _streams.print_report(asked)
        return 0
    if name not in commands():
        return _unknown(name)
    command = load(name)
    return int(command.run(command.parser().parse_args(arguments[1:])))


def _unknown(name: str) -> int:
    import difflib

    close = difflib.get_close_matches(name, commands(), 1)
    hint = f"; did you mean {close[0]}?" if close else f"; commands: {', '.join(commands())}"
    sys.stderr.write(f"krm-harden: error: no command {name!r}{hint}\n")
    return 3


def commands() -> list[str]:
    """The commands: the public modules of the folder `commands`."""
    import os

    from krm_harden import commands as package

    files = os.listdir(package.__path__[0])
    return sorted(name[:-3] for name in files if name.endswith(".py") and name[0] != "_" and name != "function.py")


def load(name: str) -> ModuleType:
    """The module of a command: `SUMMARY`, `parser()` and `run(options)`."""
    __import__(f"krm_harden.commands.{name}")
    return sys.modules[f"krm_harden.commands.{name}"]


def _usage() -> str:
    width = max(map(len, commands()))
    lines = "\n".join(f"  {name:{width}}  {load(name).SUMMARY}" for name in commands())
    return USAGE.format(commands=lines)

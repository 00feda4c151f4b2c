"""The command line: `krm-harden` is a KRM function, `krm-harden COMMAND` everything else.

Exit codes: 0 done; 1 something stays open that the policy doesn't exempt; 2 something couldn't be read or edited;
3 the policy or the command line is wrong; 130 interrupted.
"""

from __future__ import annotations

import gc
import sys

from krm_harden import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import NoReturn

FOR_TOOLS = ("fn", "argocd", "helm")
"""The commands that only other programs call: what they say is the same everywhere."""
SECONDS_FOR_A_LIST = 2.0
"""What kubectl's plugin waits for a ResourceList on standard input."""


def script() -> NoReturn:
    """The whole process of `krm-harden`: `main`, and the end."""
    code = main()
    end_at_once(code)
    raise SystemExit(code)


def end_at_once(code: int) -> None:
    """End the process without taking its data apart, object by object: a tenth of what a small run costs.

    All else that Python does at its end is done here: what was registered for it is called, and the streams are
    flushed. Returns where only Python can end the process: a thread is waited for, a debugger or profiler is at work,
    or a stream can't be flushed.
    """
    threads = sys.modules.get("threading")
    if threads and threads.active_count() > 1:
        return
    if sys.flags.inspect or sys.flags.dev_mode or sys.gettrace() or sys.getprofile():
        return
    import atexit
    import os

    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. No exception leaves it but by a defect."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        if argv is None:
            from krm_harden import importing, libyaml

            importing.shortly()
            libyaml.in_parts()
            # Nothing here makes cycles worth collecting, and a collection walks every node of the chunk at hand.
            gc.disable()
        return _run(arguments)
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        from krm_harden.errors import KrmHardenError

        if not isinstance(error, (KrmHardenError, OSError)):
            raise
        said = _line(error)
        if said and sys.stderr is not None:
            # A function's host shows each line as a message of its own.
            excerpt = getattr(error, "excerpt", "") if arguments else ""
            sys.stderr.write(f"krm-harden: {_error_word()} {said}\n")
            sys.stderr.write(f"{excerpt}\n" if excerpt else "")
        return error.exit_code if isinstance(error, KrmHardenError) else 2


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error).replace("\n", " ")


def _error_word() -> str:
    if not sys.stderr.isatty():
        return "error:"
    from krm_harden.commands import _terminal

    return _terminal.painted("error:", "error", sys.stderr)


def _interrupted() -> int:
    """Say so. From here on another Ctrl-C ends the process at once: there is nothing left to be tidied up."""
    import contextlib
    import signal

    with contextlib.suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.stderr is not None:
        shown = "\r\033[K\033[?25h" if sys.stderr.isatty() else ""  # what progress has begun, and hidden
        sys.stderr.write(f"{shown}krm-harden: interrupted; nothing was left half-written\n")
    return 130


def _run(arguments: list[str]) -> int:
    if not arguments:
        if _asks_for_help():
            from krm_harden.commands import _help

            sys.stderr.write(_help.top())
            return 3
        _begin()
        from krm_harden.commands import function

        return function.run()
    from krm_harden.commands import _streams

    name, *rest = arguments
    if name in {"-V", "--version"}:
        _streams.print_report(f"krm-harden {__version__}\n")
        return 0
    _streams.begin(for_people=name not in FOR_TOOLS)
    if name == "help" and rest and rest[0] in commands():
        name, rest = rest[0], [*rest[1:], "--help"]
    if name in {"-h", "--help", "help"} and (not rest or rest[0].startswith("-")):
        from krm_harden.commands import _help

        _help.show()
        return 0
    if name not in commands():
        from krm_harden.commands import _help

        sys.stderr.write(f"krm-harden: {_error_word()} {_help.unknown(rest[0] if name == 'help' else name)}\n")
        return 3
    _begin()
    command = load(name)
    return int(command.run(command.parser().parse_args(rest)))


def _begin() -> None:
    """The limits of the environment hold from here on. Raises ConfigError."""
    import os

    from krm_harden import limits

    stated: dict[str, int] = {}
    if limits.VARIABLE in os.environ:
        from krm_harden.commands import _limits

        stated = _limits.of_environment()
    limits.begin(stated)


def _asks_for_help() -> bool:
    """Whether somebody has typed nothing but our name: nobody types a ResourceList.

    `kubectl harden` has no other use, so what comes to it must look like a ResourceList to be taken for one.
    """
    if sys.stdin is None:
        return False
    if sys.stdin.isatty():
        return True
    if not sys.argv[0].endswith("kubectl-harden"):
        return False
    import select

    ready, _, _ = select.select([sys.stdin], [], [], SECONDS_FOR_A_LIST)
    return not ready or b"ResourceList" not in sys.stdin.buffer.peek()  # type: ignore[union-attr]


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

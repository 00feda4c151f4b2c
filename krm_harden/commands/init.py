"""`krm-harden init`: sets a folder up for one of the ways in, its gate included. Nothing is ever overwritten."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import limits
from krm_harden.commands import _diffs, _replace, _streams, _ways
from krm_harden.commands._parser import make
from krm_harden.errors import ConfigError, InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

GROUP = "Every way in"
SUMMARY = "set a folder up for kustomize, kpt, Argo CD, Helm, Flux, pre-commit or GitHub, with its gate"
EXAMPLES = """\
examples:
  krm-harden init kustomize overlays/production     a policy and the gate, beside its kustomization
  krm-harden init kustomize --base overlays/production overlays/hardened
                                                    a new overlay that hardens another; nothing to add by hand
  krm-harden init kustomize --legacy overlays/staging
                                                    for `kubectl kustomize`
  krm-harden init kpt packages/shop
  krm-harden init github --dry-run                  say what would be written

No file is ever changed: where one is there with other content nothing is written at all, and what belongs into a file
that is yours (a kustomization, a Kptfile) is printed.

exit codes: 0 done, 2 something is in the way or couldn't be written, 3 wrong command line
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("init", SUMMARY, EXAMPLES)
    options.add_argument("way", choices=list(_ways.WAYS), metavar="WAY", help=", ".join(_ways.WAYS))
    options.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="default: this one")
    options.add_argument("--base", metavar="FOLDER", help="kustomize: what a new kustomization is to harden")
    options.add_argument("--legacy", action="store_true", help="kustomize: the exec plugin for `kubectl kustomize`")
    options.add_argument("--dry-run", action="store_true", help="write nothing, say what would be written")
    options.add_argument("--diff", action="store_true", help="write nothing, show what would be written")
    # A folder may also stand behind the options.
    options.parse_args = options.parse_intermixed_args  # type: ignore[method-assign]
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError; then nothing is written."""
    if (options.base or options.legacy) and options.way != "kustomize":
        raise ConfigError("--base and --legacy are for kustomize")
    folder = Path(options.folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigError("isn't a folder", options.folder)
    made = _ways.plan(options.way, _ways.Asked(folder, options.base, options.legacy))
    new = _new(folder, made.files)
    dry = options.dry_run or options.diff
    if options.diff:
        _streams.print_report("".join(line for name, text in new.items() for line in _diff(folder / name, "", text)))
    if not dry:
        _write(folder, new)
    if _streams.detail() >= 0:
        _streams.print_lines(_report(folder, made, new, dry=dry), to_stderr=options.diff)
    return 0


def _new(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The files that aren't there yet.

    Raises InputError that names each that is there with other content, or can't be written without following a link
    out of the folder.
    """
    top = os.path.realpath(folder)
    for name in files:
        real = os.path.realpath(folder / name)
        if not real.startswith(top.rstrip(os.sep) + os.sep):
            raise InputError(f"{folder / name} leads out of {folder} to {real}", next_step="nothing was written")
    old = {name: _old(folder / name) for name in files}
    other = [name for name, text in files.items() if old[name] is not None and old[name] != text.encode()]
    if other:
        for name in other:
            before = (old[name] or b"").decode(errors="replace")
            _streams.complain(line.rstrip("\n") for line in _diff(folder / name, before, files[name]))
        names = ", ".join(str(folder / name) for name in other)
        raise InputError(
            f"{names}: there with other content",
            next_step="nothing was written; add by hand what the lines above show, or name another folder",
        )
    return {name: text for name, text in files.items() if old[name] is None}


def _old(path: Path) -> bytes | None:
    """The content of a file that is there, else None. Raises InputError."""
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise InputError(f"{path} isn't a file", next_step="nothing was written")
    try:
        return limits.read_input(path)
    except InputError as error:
        error.next_step = error.next_step or "nothing was written"
        raise


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """All files or none. Raises InputError."""
    made: list[Path] = []
    path = folder
    try:
        for name, text in files.items():
            path = folder / name
            missing = [parent for parent in (path.parent, *path.parent.parents) if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir()
                made.append(parent)
            # Somebody else may have been faster: then theirs stays.
            _replace.add(folder, name, text.encode(), 0o777 if text.startswith("#!") else 0o666)
            made.append(path)
    except OSError as error:
        _take_back(made)
        raise InputError(f"{path} can't be written: {error.strerror}", next_step="nothing was written") from None
    except BaseException:
        _take_back(made)
        raise


def _take_back(made: Iterable[Path]) -> None:
    for path in reversed([*made]):
        # Somebody else may have put something into a folder of ours: it stays.
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def _report(folder: Path, made: _ways.Plan, new: Mapping[str, str], *, dry: bool) -> Iterator[str]:
    wrote = "would write" if dry else "wrote"
    for name in made.files:
        yield f"{wrote} {folder / name}" if name in new else f"{folder / name} is already there"
    for name, lines in made.by_hand.items():
        yield f"{folder / name} is yours, and left as it is; add to it:"
        yield from (f"    {line}" for line in lines.splitlines())
    yield "next:" if folder == Path() else f"next, in {folder}:"
    yield from (f"  {step}" for step in made.next)


def _diff(path: Path, old: str, new: str) -> Iterator[str]:
    name = str(path).lstrip("/")
    return _diffs.unified(old, new, f"a/{name}" if old else "/dev/null", f"b/{name}")

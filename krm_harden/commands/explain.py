"""`krm-harden explain WHAT...`: a control, a finding, an image, a policy, or a word of reports and policies."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from krm_harden import limits
from krm_harden.commands import _explain_findings as findings
from krm_harden.commands import _explain_policy, _explain_show, _images_uses, _policies, _run, _streams
from krm_harden.commands import _explain_topics as topics
from krm_harden.commands._explain_topics import LABELS, SCANS, about, documentation, standard
from krm_harden.commands._parser import Parser, make
from krm_harden.errors import ConfigError, InputError
from krm_harden.schema import KIND, LOCK_KIND, POD_SECURITY_POLICY, similar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from krm_harden.policy import Policy

__all__ = ["LABELS", "SCANS", "about", "documentation", "standard"]

GROUP = "Help and set-up"
SUMMARY = "explain a control, a finding, an image, a policy or a word: why, what may break, how to undo it"
EXAMPLES = """\
examples:
  krm-harden explain                          everything that has a name, a line each
  krm-harden explain runAsNonRoot             a control: what it protects from, what may break
  krm-harden explain deploy/web.yaml:12       the findings of that line, and what fix writes there
  krm-harden explain deploy/web.yaml          its findings in short
  kustomize build . | krm-harden explain -:40
  krm-harden explain nginx:1.27               an image
  krm-harden explain policy.yaml              a policy in words
  krm-harden explain spec.changes             a field of policies
  krm-harden explain deferred needs-root      words of reports
  krm-harden explain image redis              the same with its sort before it, where a name means several things

What WHAT is, is decided in this order: FILE:LINE where FILE is there; a control, state, risk, code or field, whatever
the case; a file or folder; an image. The sort may stand before it: control, state, risk, code, field, file, policy,
image; alone, one of the first five lists all of its sort.

exit codes: 0 explained, 1 nothing is known of an image, 2 a file couldn't be read, 3 nothing has that name
"""
SORTS = (*topics.KINDS, "file", "policy", "image")
_PLACE = re.compile(r"(?P<path>.+?):(?P<line>\d+)(?::\d+)?")
MOST_DIGITS = 10
_MANIFEST = (".yaml", ".yml", ".json")


class _WithStdin(Parser):
    """Takes `-:40`, a line of standard input, for no option."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        # What begins with a space is never an option.
        words = sys.argv[1:] if args is None else args
        shielded = [f" {word}" if re.match(r"-:\d", word) else word for word in words]
        found, rest = super().parse_known_args(shielded, namespace)
        found.what = [word.removeprefix(" ") if word.startswith(" -:") else word for word in found.what]
        return found, rest


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("explain", SUMMARY, EXAMPLES, _WithStdin)
    options.add_argument(
        "what",
        metavar="WHAT",
        nargs="*",
        help="a name, FILE:LINE, a file, an image; its sort may come first; without any: a list of all names",
    )
    _run.policy_arguments(options)
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    if not options.what:
        _explain_show.show([topics.overview()])
        return 0
    sort, *rest = options.what
    if sort not in SORTS:
        sort, rest = "", options.what
    elif not rest:
        if sort not in topics.KINDS:
            raise ConfigError(f"{sort} of what?", next_step=f"`krm-harden explain {sort} NAME`")
        _explain_show.show([f"# {topics.KINDS[sort]}\n\n{topics.listed(sort)}\n"])
        return 0
    pages: list[str] = []
    code = 0
    for word in rest:
        made, found = _explained(options, word, sort)
        pages += made
        code = max(code, found)
    if pages:
        _explain_show.show(dict.fromkeys(pages))
    return code


def _explained(options: argparse.Namespace, word: str, sort: str) -> tuple[list[str], int]:
    """The pages on one word, and the exit code. Raises ConfigError for one that means nothing."""
    ways: dict[str, Callable[[argparse.Namespace, str], tuple[list[str], int]]] = {
        "policy": _of_policy,
        "image": _of_image,
        "file": _of_file,
    }
    if sort in ways:
        return ways[sort](options, word)
    if sort in topics.KINDS:
        return _of_words(word, sort), 0
    place = _place(word)
    if place and (place[0] == _run.STDIN or os.path.exists(place[0])):
        _note(f"{place[0]} is a file here; `krm-harden explain image {word}` is about the image", word)
        return findings.at_line(_policy(options), *place, ceiling=_has_ceiling(options))
    if topics.meant(word):
        if os.path.exists(word):
            _streams.complain([f"krm-harden: note: {word} is also a path here; ./{word} is about that"])
        return _of_words(word, ""), 0
    if word == _run.STDIN or os.path.exists(word):
        _note(f"{word} is a path here; `krm-harden explain image {word}` is about the image", word)
        return _of_path(options, word)
    if _is_manifest(word):
        raise ConfigError("there is no such file", place[0] if place else word)
    return _of_unknown(options, word)


def _place(word: str) -> tuple[str, int] | None:
    """FILE and LINE, or FILE:LINE:COLUMN as editors write it."""
    found = _PLACE.fullmatch(word)
    # Python refuses to read a number of thousands of digits; no file has so many lines.
    return (found["path"], int(found["line"][:MOST_DIGITS])) if found else None


def _note(text: str, word: str) -> None:
    """Say on standard error what else a name could mean, where it has an image's tag, or is one that is known."""
    if not _is_manifest(word) and _images_uses.is_name(word) and (_place(word) or word in _catalogued()):
        _streams.complain([f"krm-harden: note: {text}"])


def _is_manifest(word: str) -> bool:
    place = _place(word)
    return (place[0] if place else word).endswith(_MANIFEST)


def _of_words(word: str, sort: str) -> list[str]:
    """The pages on a name; where it means several things, that is said first. Raises ConfigError."""
    known = topics.meant(word, sort)
    if not known:
        wanted = [one.name for one in topics.topics() if one.kind == sort]
        step = f"`krm-harden explain {sort}` lists all"
        raise ConfigError(f"there is no {sort} {word!r}{similar(word, wanted)}", next_step=step)
    pages = [topics.page(one) for one in known]
    sorts = list(dict.fromkeys(one.kind for one in known))
    if len(sorts) > 1:
        means = " and ".join(f"a {one}" for one in sorts)
        example = f"`krm-harden explain {sorts[0]} {word}`"
        pages.insert(0, f"{word} is {means}: both follow; {example} picks one.\n")
    return pages


def _of_file(options: argparse.Namespace, word: str) -> tuple[list[str], int]:
    """A file, a folder or a line of a file, whatever else the name means."""
    place = _place(word)
    if place and not os.path.exists(word):
        return findings.at_line(_policy(options), *place, ceiling=_has_ceiling(options))
    return findings.in_short(_policy(options), word, ceiling=_has_ceiling(options))


def _of_path(options: argparse.Namespace, path: str) -> tuple[list[str], int]:
    """A policy by its words, anything else by its findings."""
    kind = _kind(path)
    if kind in {KIND, POD_SECURITY_POLICY}:
        return _of_policy(options, path)
    if kind == LOCK_KIND:
        step = f"`krm-harden explain --images {path} IMAGE`"
        raise ConfigError(f"is an {LOCK_KIND}: name one of its images", path, step)
    return _of_file(options, path)


def _kind(path: str) -> str:
    """The kind of a file that is one document, empty for anything else: then its reader says what is wrong."""
    if path == _run.STDIN or os.path.isdir(path):
        return ""
    try:
        data = _policies.load(path)
    except ConfigError:
        return _kind_in_words(path)
    return str(data.get("kind", "")) if isinstance(data, dict) else ""


def _kind_in_words(path: str) -> str:
    """The kind of a policy that can't be read, so that its error is one about a policy."""
    try:
        text = limits.read_file(path).decode(errors="replace")
    except (OSError, InputError):
        return ""
    found = re.findall(r"(?m)^kind:\s*[\"']?(\w+)", text)
    return found[0] if len(found) == 1 else ""


def _of_policy(_options: argparse.Namespace, path: str) -> tuple[list[str], int]:
    return [_explain_policy.page(_policies.read(path), path)], 0


def _of_image(options: argparse.Namespace, image: str) -> tuple[list[str], int]:
    """The page of `images explain`. Raises ConfigError for what can't be an image's name."""
    from krm_harden.commands import _images_explain

    return _images_explain.page(_policy(options), image)


def _of_unknown(options: argparse.Namespace, word: str) -> tuple[list[str], int]:
    """An image, if it has a tag, a digest or a path, or something is known of it. Raises ConfigError with a hint."""
    if _images_uses.is_name(word):
        try:
            pages, code = _of_image(options, word)
        except InputError:
            pages, code = [], 1
        if pages and (not code or re.search(r"[:/@]", word)):
            return pages, code
    close = similar(word, topics.names()) or similar(word, _catalogued())
    raise ConfigError(
        f"nothing is called {word!r}{close}",
        next_step="`krm-harden explain` lists all names; a file, FILE:LINE or an image can be explained too",
    )


def _catalogued() -> list[str]:
    """The names of the images that the catalogue knows, without registry and folders."""
    from krm_harden.images import _catalogue

    return [line.split(" ")[0].rpartition("/")[2] for line in _catalogue.NAMES.split("\n") if line]


def _policy(options: argparse.Namespace) -> Policy:
    return _policies.chosen(options.policy, options.images, options.profile)


def _has_ceiling(options: argparse.Namespace) -> bool:
    return _policies.has_ceiling(options.policy)

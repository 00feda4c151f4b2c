"""Which policy holds: the command line's, the environment's, the functionConfig's."""

from __future__ import annotations

import os

from krm_harden import limits, policy, source, split
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import LOCK_KIND, POD_SECURITY_POLICY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.errors import Problem
    from krm_harden.images.lock import Lock
    from krm_harden.policy import Policy

VARIABLE = "KRM_HARDEN_POLICY"


def arguments(
    parser: argparse.ArgumentParser, policy: str = "the HardeningPolicy", *, default: str = "", reading: bool = True
) -> None:
    """The options that say which policy holds: what `chosen` and `ceiling` take.

    `reading`: the command reads manifests, so that the limits on them can be set, too.
    """
    from krm_harden.schema import PROFILES

    default = default or f"${VARIABLE}, else restricted"
    parser.add_argument(
        "--policy",
        metavar="FILE",
        action="append",
        help=f"{policy}; may be given several times, a later one wins; default: {default}",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        choices=PROFILES,
        help=f"a ready policy, below that of --policy: {', '.join(PROFILES)}",
    )
    if reading:
        from krm_harden.commands import _limits

        _limits.arguments(parser)


def ceiling(paths: Sequence[str] | None = None, profile: str | None = None) -> Policy | None:
    """The policy of `--policy`, else of KRM_HARDEN_POLICY, above a profile; None without any. Its limits hold.

    Raises ConfigError.
    """
    paths = named(paths)
    if not paths and profile is None:
        return None
    found = read(paths[0]) if len(paths) == 1 and profile is None else _several(paths, profile)
    limits.hold(found.limits)
    return found


def _several(paths: Sequence[str], profile: str | None) -> Policy:
    from krm_harden.merging import combined

    layers = [layer for path in paths for layer in read(path).layers if not layer.profile]
    return combined(layers, profile)


def named(paths: Sequence[str] | None = None) -> Sequence[str]:
    """The files of `--policy`, else those of KRM_HARDEN_POLICY: a list as PATH is one. Raises ConfigError."""
    if paths is not None:
        return paths
    said = os.environ.get(VARIABLE)
    if said is None:
        return ()
    if said == "":
        # Whoever sets it wants a ceiling: none at all would be the opposite.
        raise ConfigError(f"{VARIABLE} is empty", next_step="name a policy's file, or unset it")
    found = said.split(os.pathsep)
    if len(found) > 1 and os.path.exists(said):
        raise ConfigError(f"{VARIABLE} takes {said} for {len(found)} files", next_step="name that file by --policy")
    if "" in found:
        step = f"separate several files by one {os.pathsep}"
        raise ConfigError(f"{VARIABLE} names a file without a name: {said!r}", next_step=step)
    return found


def has_ceiling(paths: Sequence[str] | None) -> bool:
    """Whether a policy is named above what the manifests say. A profile is no policy of anybody's."""
    return paths is not None or VARIABLE in os.environ


def read(path: str) -> Policy:
    """The policy in a file. Raises ConfigError at the first wrong field."""
    document = read_document(path)
    if document.data is None:
        raise ConfigError("the policy is empty", path)
    try:
        return policy.from_data(document.data, path, document)
    except ConfigError as error:
        from krm_harden.excerpts import in_file

        raise in_file(error, document, path) from None


def effective(config: Any, where: str, upper: Policy | None) -> Policy:
    """What a functionConfig says, below the ceiling if there is one."""
    return below(policy.from_data(config, where), upper)


def below(said: Policy, upper: Policy | None) -> Policy:
    """A policy below the ceiling if there is one. Its limits hold. Raises ConfigError where it would loosen it."""
    try:
        found = said if upper is None else _restricted(upper, said)
    except ConfigError as error:
        raise _at_its_file(error, said) from None
    limits.hold(found.limits)
    return found


def _restricted(upper: Policy, said: Policy) -> Policy:
    from krm_harden.ceilings import restricted_by

    return restricted_by(upper, said)


def _at_its_file(error: ConfigError, said: Policy) -> ConfigError:
    """An error about what a policy says, at the place in its file where it has one."""
    for layer in reversed(said.layers):
        if layer.document is not None and error.problems and not layer.profile:
            from krm_harden.excerpts import in_file

            return in_file(error, layer.document, layer.where)
    return error


def chosen(paths: Sequence[str] | None, images: str | None, profile: str | None = None) -> Policy:
    """The policy of a command line: `--policy` or the environment's or the default, with `--images` and `--profile`."""
    found = ceiling(paths, profile) or policy.Policy({})
    return with_images(found, images) if images else found


def with_images(found: Policy, path: str) -> Policy:
    """A policy with what a file knows of images: an ImageLock, or `images:` as a policy. Raises ConfigError."""
    document = read_document(path, several="`--images` takes one lock")
    data = document.data
    if isinstance(data, dict) and data.get("kind") == LOCK_KIND:
        return found.with_locks([_lock_of(document, path)])
    if not isinstance(data, dict) or "images" not in data:
        message = f"is neither an {LOCK_KIND} nor a list of images"
        raise ConfigError(message, path, "`krm-harden images resolve` writes a lock")
    entries = data["images"]
    from krm_harden import schema

    problems = list(schema.wrong(entries, schema.spec_schema()["properties"]["images"], ("images",)))
    if problems:
        raise _first(problems, document, path)
    stated = [{**entry, "evidence": f"{path}: {entry['match']}"} for entry in entries]
    return found.with_changes({"images": [*(found.spec.get("images") or []), *stated]})


def _lock_of(document: source.Document, path: str) -> Lock:
    try:
        return lock(document.data, path)
    except ConfigError as error:
        raise _first(error.problems, document, path) if error.problems else error from None


def _first(problems: Sequence[Problem], document: source.Document, path: str) -> ConfigError:
    """The first mistake of what isn't a policy, at its place, and how many more there are."""
    from krm_harden.excerpts import every

    error = every(problems, document, path)[0]
    error.next_step = f"{len(problems) - 1} more" if len(problems) > 1 else ""
    return error


def lock(data: Any, where: str) -> Lock:
    """An ImageLock's data as what it is. Raises ConfigError."""
    from krm_harden.images.lock import Lock, entries

    return Lock(entries(data, where), where)


def with_items(found: Policy, chunks: Iterable[bytes], *, ceiling: str = "", alone: bool = False) -> Policy:
    """A policy with the ImageLocks and PodSecurityPolicies among the manifests that it is for.

    `ceiling` names the policy above, which lets no lock say that an image runs as root. `alone`: nobody has said
    anything, so that PodSecurityPolicies are the policy. Raises ConfigError.
    """
    known = list(chunks)
    locks = [lock(data, _name(data)) for chunk in known if LOCK_KIND.encode() in chunk for data in _locks_in(chunk)]
    for one in locks if ceiling else ():
        one.must_not_be_root(ceiling)
    found = found.with_locks(locks) if locks else found
    if any(POD_SECURITY_POLICY.encode() in chunk for chunk in known):
        from krm_harden.commands import _pod_security

        return _pod_security.with_policies(found, known, alone=alone, ceiling=ceiling)
    return found


def _locks_in(chunk: bytes) -> Iterator[Any]:
    """The ImageLocks that a document is, or has among its items."""
    return (one for one in objects_in(chunk) if one.get("kind") == LOCK_KIND)


def objects_in(chunk: bytes) -> Iterator[dict[str, Any]]:
    """The objects that a document is, or has among its items. What can't be read is for the engine to say."""
    try:
        data = source.read(split.after_mark(chunk)[1].decode()).data
    except InputError:
        return
    every = data if isinstance(data, list) else [data]
    for item in every:
        inner = item.get("items") if isinstance(item, dict) else None
        for one in inner if isinstance(inner, list) else [item]:
            if isinstance(one, dict):
                yield one if one is item else _typed(one, item)


def _typed(one: dict[str, Any], listed: dict[str, Any]) -> dict[str, Any]:
    """An item of a list with its kind, which those of a PodSecurityPolicyList needn't say."""
    kind = listed.get("kind")
    if one.get("kind") is not None or not isinstance(kind, str) or kind == "List" or not kind.endswith("List"):
        return one
    return {**one, "apiVersion": listed.get("apiVersion"), "kind": kind.removesuffix("List")}


def _name(data: Any) -> str:
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return f"{LOCK_KIND} {name}" if name else LOCK_KIND


def load(path: str) -> Any:
    """The data of a file that holds one YAML or JSON document. Raises ConfigError at its place."""
    return read_document(path).data


def read_document(
    path: str, several: str = "give each a file of its own; --policy takes several", *, duplicates: bool = True
) -> source.Document:
    """The one document of a file. Raises ConfigError at what isn't YAML.

    `several` is what to do about several documents; `duplicates` says whether a key that stands twice is an error.
    """
    try:
        data, _ = split.decode(limits.read_file(path))
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", path) from None
    except InputError as error:
        raise ConfigError(str(error), f"{path}:{error.line + 1}" if error.line >= 0 else path) from None
    text = data.decode()
    _must_be_one(data, text, path, several)
    try:
        document = source.read(text)
    except InputError as error:
        raise _unreadable(error, text, path) from None
    if duplicates and document.duplicates:
        from krm_harden import excerpts

        raise next(excerpts.duplicates(document, path))
    return document


def _must_be_one(data: bytes, text: str, path: str, several: str) -> None:
    """Raises ConfigError for a file of several documents: which of them counts, only their author knows."""
    lines = []
    line = 0
    for document in split.documents(data):
        if not split.is_empty(document):
            lines.append(line)
        line += document.count(b"\n")
    if len(lines) > 1:
        from krm_harden.excerpts import Span, at, index_of

        start = index_of(text, lines[1], 0)
        end = text.find("\n", start)
        span = Span(start, end if end >= 0 else len(text))
        error = at(f"the file holds {len(lines)} documents, and must hold one", text, span, path)
        error.next_step = several
        raise error


def _unreadable(error: InputError, text: str, path: str) -> ConfigError:
    if error.line < 0:
        return ConfigError(str(error), path)
    from krm_harden.excerpts import Span, at, index_of

    start = index_of(text, error.line, max(error.column, 0))
    return at(str(error), text, Span(start, start + 1), path)

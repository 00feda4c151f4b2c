"""Which policy holds: the command line's, the environment's, the functionConfig's."""

from __future__ import annotations

import os

from krm_harden import policy, schema, source, split
from krm_harden.errors import ConfigError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from krm_harden.images.lock import Lock
    from krm_harden.policy import Policy

VARIABLE = "KRM_HARDEN_POLICY"


def ceiling(path: str | None = None) -> Policy | None:
    """The policy of `--policy`, else of KRM_HARDEN_POLICY, else None. Raises ConfigError."""
    if path is None:
        path = os.environ.get(VARIABLE)
        if path == "":
            # Whoever sets it wants a ceiling: none at all would be the opposite.
            raise ConfigError(f"{VARIABLE} is empty", next_step="name a policy's file, or unset it")
    return read(path) if path is not None else None


def has_ceiling(path: str | None) -> bool:
    """Whether a policy is named above what the manifests say."""
    return path is not None or VARIABLE in os.environ


def read(path: str) -> Policy:
    """The policy in a file. Raises ConfigError that names the first wrong field's line."""
    document = _document(path)
    if document.data is None:
        raise ConfigError("the policy is empty", path)
    try:
        return policy.from_data(document.data, path)
    except ConfigError as error:
        field = error.message.split(" ", 1)[0].replace("[", ".").replace("]", "")
        pointer = tuple(int(step) if step.isdigit() else step for step in field.split("."))
        line = source.line_of(document, pointer) + 1
        raise ConfigError(error.message, f"{path}:{line}") from None


def effective(config: Any, where: str, upper: Policy | None) -> Policy:
    """What a functionConfig says, below the ceiling if there is one."""
    return below(policy.from_data(config, where), upper)


def below(said: Policy, upper: Policy | None) -> Policy:
    """A policy below the ceiling if there is one. Raises ConfigError where it would loosen it."""
    return policy.restricted_by(upper, said) if upper else said


def chosen(path: str | None, images: str | None) -> Policy:
    """The policy of a command line: `--policy` or the environment's or the default, with `--images`."""
    found = ceiling(path) or policy.Policy({})
    return with_images(found, images) if images else found


def with_images(found: Policy, path: str) -> Policy:
    """A policy with what a file knows of images: an ImageLock, or `images:` as a policy. Raises ConfigError."""
    data = load(path)
    if isinstance(data, dict) and data.get("kind") == schema.LOCK_KIND:
        return found.with_locks([lock(data, path)])
    if not isinstance(data, dict) or "images" not in data:
        message = f"is neither an {schema.LOCK_KIND} nor a list of images"
        raise ConfigError(message, path, "`krm-harden images resolve` writes a lock")
    entries = data["images"]
    problems = list(schema.problems(entries, schema.spec_schema()["properties"]["images"], "images"))
    if problems:
        raise ConfigError("; ".join(problems), path)
    stated = [{**entry, "evidence": f"{path}: {entry['match']}"} for entry in entries]
    return found.with_changes({"images": [*(found.spec.get("images") or []), *stated]})


def lock(data: Any, where: str) -> Lock:
    """An ImageLock's data as what it is. Raises ConfigError."""
    from krm_harden.images.lock import Lock, entries

    return Lock(entries(data, where), where)


def with_items(found: Policy, chunks: Iterable[bytes], *, ceiling: str = "") -> Policy:
    """A policy with the ImageLocks among the manifests that it is for.

    `ceiling` names the policy above, which lets no lock say that an image runs as root. Raises ConfigError.
    """
    locks = []
    for chunk in chunks:
        if schema.LOCK_KIND.encode() in chunk:
            locks += [lock(data, _name(data)) for data in _locks_in(chunk)]
    for one in locks if ceiling else ():
        one.must_not_be_root(ceiling)
    return found.with_locks(locks) if locks else found


def _locks_in(chunk: bytes) -> Iterator[Any]:
    """The ImageLocks that a document is, or has among its items. What can't be read is for the engine to say."""
    try:
        data = source.read(split.after_mark(chunk)[1].decode()).data
    except InputError:
        return
    every = data if isinstance(data, list) else [data]
    for item in every:
        inner = item.get("items") if isinstance(item, dict) else None
        for one in inner if isinstance(inner, list) else [item]:
            if isinstance(one, dict) and one.get("kind") == schema.LOCK_KIND:
                yield one


def _name(data: Any) -> str:
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return f"{schema.LOCK_KIND} {name}" if name else schema.LOCK_KIND


def load(path: str) -> Any:
    """The data of a file that holds one YAML or JSON document. Raises ConfigError with its line."""
    return _document(path).data


def _document(path: str) -> source.Document:
    try:
        with open(path, "rb") as file:
            data, _ = split.decode(file.read())
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", path) from None
    except InputError as error:
        raise ConfigError(str(error), path) from None
    try:
        document = source.read(data.decode())
    except InputError as error:
        where = f"{path}:{error.line + 1}" if error.line >= 0 else path
        raise ConfigError(str(error), where) from None
    if document.duplicates:
        name, _, line = document.duplicates[0]
        raise ConfigError(f"the key {name!r} stands twice in one mapping", f"{path}:{line + 1}")
    return document

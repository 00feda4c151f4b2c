"""What `validator: true` answers kustomize, which takes nothing but an empty list from a validator.

Under `transformers:` the same answer would delete the build, and kustomize doesn't say which of the two it asks for:
input and environment are the same. So the kustomization that declares the policy is read first.

Reference: kustomize's `KustTarget.runValidators` and `configureExternalTransformers` (api/internal/target).
"""

from __future__ import annotations

import os

from krm_harden import limits, schema, source, split
from krm_harden.commands import function
from krm_harden.errors import ConfigError, InputError
from krm_harden.model import mapping, sequence
from krm_harden.resources import KUSTOMIZATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.model import ChunkResult

_KPT = {"internal.config.kubernetes.io/seqindent", "internal.config.kubernetes.io/package-path"}
"""Annotations that kpt gives to every item, and kustomize to none."""
_HARMLESS = {
    "apiversion",
    "kind",
    "metadata",
    "namespace",
    "nameprefix",
    "namesuffix",
    "labels",
    "commonlabels",
    "commonannotations",
    "buildmetadata",
    "sortoptions",
}
"""Fields of a kustomization, in lower case, that neither make objects nor change what their spec or data say."""
_DEPTH = 20
"""Folders in folders; kustomize itself refuses a circle."""


def returns_nothing(items: Iterable[Any], folder: str) -> bool:
    """Whether a validator must return no items: they come from kustomize, which runs it in `folder`.

    False for all other items: they go back as they came. Raises ConfigError unless the kustomization in the folder asks
    for validators, and for none of them as a transformer.
    """
    found = list(items)
    if not found or not all(map(_is_of_kustomize, found)):
        return False
    _must_be_validator(folder)
    return True


def below_ceiling(judged: Iterable[ChunkResult], hardened: Iterable[ChunkResult]) -> Iterator[ChunkResult]:
    """The verdicts on the chunks of a text where the policy above says that they are hardened, not only judged.

    Also what that policy would write (`hardened`) is an error, whatever the standard asks for: else a team could switch
    a ceiling off by calling it a validator.
    """
    for verdict, other in zip(judged, hardened, strict=True):
        if function.exit_code([other]) > function.exit_code([verdict]):
            other.text = verdict.text
            yield other
            continue
        for result in verdict.resources if other.changed else ():
            for finding in result.findings:
                finding.severity = "error" if finding.state == "open" else finding.severity
        if other.changed and not function.exit_code([verdict]):
            verdict.error = "the policy above would change it"
        yield verdict


def documents(text: bytes) -> list[Any]:
    """The data of every document of a stream in UTF-8. Raises InputError."""
    return [_data(part) for part in split.documents(text) if not split.is_empty(part)]


def items_of(chunk: bytes) -> Sequence[Any]:
    """The items of a ResourceList whose own config is a validator's.

    None for another config, which a policy above has made a judge: as a transformer it must lose nothing. None either
    where the list can't be read as one text.
    """
    try:
        data = mapping(source.read(split.after_mark(chunk)[1].decode()).data)
    except InputError:
        return ()
    return sequence(data.get("items")) if _judges(data.get("functionConfig")) else ()


def _is_of_kustomize(item: Any) -> bool:
    annotations = mapping(mapping(mapping(item).get("metadata")).get("annotations"))
    return isinstance(annotations.get(function.KUSTOMIZE.decode()), str) and not _KPT & annotations.keys()


def _must_be_validator(folder: str) -> None:
    path, fields = _kustomization(folder)
    for entry in _entries(fields, "transformers", path):
        for data in _objects(entry, folder, path, 0):
            if _judges(data):
                shown = entry if "\n" not in entry and len(entry) < 100 else "an inline policy"
                raise ConfigError(
                    f"transformers: {shown} has validator: true, which as a transformer would delete what is built",
                    path,
                    "name it under validators:",
                )
    if not _entries(fields, "validators", path):
        raise ConfigError(
            "spec.validator is true, but there is nothing under validators:", path, "name the policy there"
        )


def _kustomization(folder: str) -> tuple[str, dict[str, Any]]:
    """The path of a folder's kustomization and its fields, in lower case: kustomize doesn't mind."""
    found = [name for name in KUSTOMIZATIONS if os.path.isfile(os.path.join(folder, name))]
    if len(found) != 1:
        what = "no kustomization is" if not found else f"{' and '.join(found)} are"
        raise ConfigError(
            f"{what} here, so nobody can tell that validator: true isn't used as a transformer",
            folder,
            "judge the build with `krm-harden check -`",
        )
    path = os.path.join(folder, found[0])
    documents_ = _read(path, path)
    if len(documents_) != 1 or not isinstance(documents_[0], dict):
        raise _unclear(path, found[0])
    fields = {str(name).lower(): value for name, value in documents_[0].items()}
    if len(fields) != len(documents_[0]):
        raise _unclear(path, found[0])
    return path, fields


def _entries(fields: dict[str, Any], name: str, path: str) -> list[str]:
    """A field's list of strings, empty where it isn't there. Raises ConfigError for another value."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _unclear(path, f"{name}:")
    return value


def _objects(entry: str, folder: str, path: str, depth: int) -> Iterator[Any]:
    """The objects that an entry stands for: of the text itself, of a file, or of a folder with a kustomization."""
    inline = _inline(entry)
    if inline is not None:
        yield from _flat(inline)
        return
    target = os.path.join(folder, entry)
    if os.path.isdir(target) and depth < _DEPTH:
        yield from _of_folder(target, depth)
    elif os.path.isfile(target):
        yield from _flat(_read(target, path))
    else:
        raise _unclear(path, entry if "\n" not in entry else "an inline entry")


def _of_folder(folder: str, depth: int) -> Iterator[Any]:
    path, fields = _kustomization(folder)
    for name, value in fields.items():
        if value and name not in _HARMLESS and name not in {"resources", "bases"}:
            raise _unclear(path, f"{name}:")
    for name in ("resources", "bases"):
        for entry in _entries(fields, name, path):
            yield from _objects(entry, folder, path, depth + 1)


def _inline(entry: str) -> list[Any] | None:
    try:
        found = documents(entry.encode())
    except InputError:
        return None
    return found if found and all(isinstance(data, (dict, list)) for data in found) else None


def _flat(found: Iterable[Any]) -> Iterator[Any]:
    """Objects, those of lists among them one by one."""
    for data in found:
        if not isinstance(data, list):
            yield data
        yield from _flat(data if isinstance(data, list) else sequence(mapping(data).get("items")))


def _judges(data: Any) -> bool:
    """Whether a config has `validator: true`, in any of its forms."""
    kind = mapping(data).get("kind")
    holder = {schema.KIND: "spec", "ConfigMap": "data"}.get(kind if isinstance(kind, str) else "", "")
    return str(mapping(mapping(data).get(holder)).get("validator")).lower() == "true"


def _read(path: str, declared: str) -> list[Any]:
    try:
        text, _ = split.decode(limits.read_file(path))
        return documents(text)
    except (OSError, InputError) as error:
        if isinstance(error, InputError) and error.limit:
            raise ConfigError(str(error), path) from None
        raise _unclear(declared, os.path.basename(path)) from None


def _data(part: bytes) -> Any:
    document = source.read(split.after_mark(part)[1].decode())
    if document.duplicates:
        raise InputError("a key stands twice in one mapping")
    return document.data


def _unclear(path: str, what: str) -> ConfigError:
    return ConfigError(
        f"{what} can't be read here, so nobody can tell that validator: true isn't used as a transformer",
        path,
        "judge the build with `krm-harden check -`",
    )

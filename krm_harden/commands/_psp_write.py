"""What a migration writes: the manifests with what their policies set, the labels, and a folder of files of our own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from krm_harden import edit, limits, place, verify
from krm_harden.cluster._dump import dumped
from krm_harden.commands import _replace
from krm_harden.commands._psp_read import STDIN
from krm_harden.errors import ConfigError, InputError, RefusedEdit
from krm_harden.model import Operation, lookup, mapping
from krm_harden.patch import Draft
from krm_harden.psp.migration.document import TOOL
from krm_harden.psp.migration.namespaces import writes_of
from krm_harden.psp.migration.objects import Open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.commands._psp_read import Chunk, Part, Text
    from krm_harden.psp.migration.objects import Item
    from krm_harden.psp.migration.plan import Plan
    from krm_harden.source import Document

    Refused: TypeAlias = dict[int, Open]
    """By the id of an item, why it can't be edited."""

LIVE = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""What the API server adds to an object's metadata, and takes from nobody."""
APPLIED = (".yaml", ".yml", ".json")
"""The names of files that `kubectl apply -R` reads in a folder."""
MARK = "Made by `krm-harden psp migrate`"


class Changes:
    """What becomes of each item: its operations, absolute in its document; None for what isn't written."""

    def __init__(self, plan: Plan) -> None:
        self._made: dict[int, list[Operation]] = {}
        for workload in plan.workloads:
            if not workload.is_open and not workload.owner:
                writes = [operation for choice in workload.choices for operation in choice.writes]
                self._made[id(workload.item)] = writes
        for labels in plan.labels:
            for item in labels.items:
                self._made[id(item)] = list(_labels(item, writes_of(labels, _labels_of(item))))

    def of(self, item: Item) -> list[Operation] | None:
        return self._made.get(id(item))


def _labels_of(item: Item) -> Mapping[str, Any]:
    return mapping(item.resource.metadata.get("labels"))


def _labels(item: Item, wanted: Iterable[tuple[str, str]]) -> Iterator[Operation]:
    for name, value in wanted:
        op = "replace" if _labels_of(item).get(name) is not None else "add"
        yield Operation(op, (*item.resource.base, "metadata", "labels", name), value)


def in_place(text: Text, changes: Changes, refused: Refused) -> bytes:
    """A text with its changes, everything else byte for byte."""
    made = []
    for index, chunk in enumerate(text.every):
        known = text.chunks.get(index)
        made.append(_with(known, changes, refused) if known else chunk)
    return text.encoding.encode(b"".join(made))


def _with(known: Chunk, changes: Changes, refused: Refused) -> bytes:
    made = []
    for text, part in known.pieces:
        operations = _operations(part, changes) if part else []
        new = _edited(part, operations, refused) if part and operations else None
        made.append(part.before + new.text.encode() if part and new else text)
    return known.header + b"".join(made) + known.trailer


def copied(text: Text, changes: Changes, refused: Refused) -> bytes:
    """A text of what is written alone: without objects that don't matter, and what a server adds; empty for nothing."""
    made = [part for index in sorted(text.chunks) for part in _copy(text.chunks[index], changes, refused)]
    return text.encoding.encode(_stream(made)) if made else b""


def _stream(chunks: Sequence[bytes]) -> bytes:
    """Documents as a stream: `---` between two of them."""
    joined = b""
    for chunk in chunks:
        if joined and not chunk.lstrip().startswith((b"---", b"%")):
            joined += b"---\n"
        joined += chunk if chunk.endswith(b"\n") else chunk + b"\n"
    return joined


def _copy(chunk: Chunk, changes: Changes, refused: Refused) -> Iterator[bytes]:
    if chunk.is_list:
        texts = [new for part in chunk.parts if (new := _copied_part(part, changes, refused))]
        if texts:
            yield chunk.header + b"".join(one if one.endswith(b"\n") else one + b"\n" for one in texts) + chunk.trailer
        return
    for part in chunk.parts:
        new = _copied_part(part, changes, refused)
        if new:
            yield part.before + new


def _copied_part(part: Part, changes: Changes, refused: Refused) -> bytes:
    wanted = [item for item in part.items if changes.of(item) is not None]
    if not wanted:
        return b""
    live = [operation for item in wanted for operation in _not_live(item)]
    new = _edited(part, [*_operations(part, changes), *live], refused)
    if new is None:
        return b""
    single = len(part.items) == 1 and len(wanted[0].resource.base) <= 1
    if single:
        return new.text.encode()
    objects = [_typed(item, lookup(new.data, item.resource.base)) for item in wanted]
    if new.is_json:
        whole = {"apiVersion": "v1", "kind": "List", "items": objects}
        return json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n"
    return dumped(objects).encode()


def _typed(item: Item, data: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a list with its kind, which the items of a DeploymentList needn't say."""
    return {"apiVersion": item.resource.api_version, "kind": item.kind, **data}


def _not_live(item: Item) -> Iterator[Operation]:
    base, metadata = item.resource.base, item.resource.metadata
    if not metadata.get("uid"):
        return
    for name in LIVE:
        if name in metadata:
            yield Operation("remove", (*base, "metadata", name))
    if "status" in item.resource.data:
        yield Operation("remove", (*base, "status"))


def _operations(part: Part, changes: Changes) -> list[Operation]:
    return [operation for item in part.items for operation in changes.of(item) or ()]


def _edited(part: Part, operations: Sequence[Operation], refused: Refused) -> Document | None:
    """The document with its changes, verified; None where no safe edit is possible, which is noted."""
    document = part.document
    if not operations:
        return document
    draft = Draft(document.data)
    for operation in operations:
        draft.apply(operation)
    try:
        place.check_breaks(document)
        return verify.verified(document, edit.apply(document.text, edit.plan(document, draft.operations)), draft)
    except RefusedEdit as error:
        for item in part.items:
            refused[id(item)] = Open(item.where, str(item), f"can't be edited: {error.message}", error.next_step)
        return None


def namespaces(plan: Plan) -> str:
    """The Namespaces that are nowhere in the input, with their labels alone; empty where there are none."""
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": labels.name, "labels": dict(labels.writes)},
        }
        for labels in plan.labels
        if not labels.items and labels.writes
    ]
    return dumped(objects, [MARK, "The labels of namespaces that the input has no manifest of."]) if objects else ""


def policy(plan: Plan, name: str, used_by: Sequence[str]) -> str:
    """A HardeningPolicy that says what a PodSecurityPolicy said."""
    item = plan.cluster.policy_items[name][0]
    said = item.resource.data
    inline: dict[str, Any] = {"name": name}
    told = {key: value for key, value in item.resource.annotations.items() if "alpha." in key or "beta." in key}
    if told:
        inline["annotations"] = told
    inline["spec"] = said.get("spec") or {}
    made = {
        "apiVersion": "krm-harden.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": f"psp-{name}", "annotations": {"config.kubernetes.io/local-config": "true"}},
        "spec": {"level": "privileged", "podSecurityPolicy": inline},
    }
    same = [other for other, first in plan.same_as.items() if first == name and other != name]
    head = [MARK, f"The PodSecurityPolicy {name} ({item.where}), as the cluster had it."]
    head += [f"{', '.join(same)} said the same."] if same else []
    head += [f"Admitted: {', '.join(used_by)}"] if used_by else []
    return dumped([made], head)


def paths(texts: Iterable[Text], arguments: Sequence[str]) -> dict[str, str]:
    """Where the copy of each file goes, below `manifests/`: by its way from here, else from the folder named."""
    found: dict[str, str] = {}
    for text in texts:
        name = "stdin.yaml" if text.name == STDIN else _relative(text.name, arguments)
        if not name.endswith(APPLIED):
            name += ".yaml"
        stem, dot, suffix = name.rpartition(".")
        number = 2
        while name in found.values():
            name, number = f"{stem}-{number}{dot}{suffix}", number + 1
        found[text.name] = name
    return found


def _relative(name: str, arguments: Sequence[str]) -> str:
    here = os.path.relpath(name)
    if not here.startswith(".."):
        return Path(here).as_posix()
    for argument in arguments:
        base = os.path.abspath(argument)
        if os.path.abspath(name).startswith(base + os.sep):
            return Path(os.path.basename(base), os.path.relpath(name, base)).as_posix()
    return os.path.basename(name)


def check_folder(folder: Path, files: Mapping[str, bytes], *, force: bool) -> list[str]:
    """The files of an earlier run that go. Raises ConfigError where a file would be lost that we haven't written."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError("is a file, not a folder", str(folder), "name another by -o")
    ours = _written_before(folder)
    for name, data in files.items():
        path = folder / name
        if path.exists() and name not in ours and not force and not _holds(path, data):
            raise ConfigError("is there, and isn't ours", str(path), "name another folder, or --force")
    return sorted(name for name in ours if name not in files and (folder / name).is_file())


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has these bytes, without reading more than those."""
    return path.stat().st_size == len(data) and path.read_bytes() == data


def _written_before(folder: Path) -> set[str]:
    report = folder / "report.json"
    try:
        data = json.loads(limits.read_file(report, "reportBytes"))
    except InputError as error:
        error.where = str(report)
        raise
    except (OSError, ValueError, RecursionError):
        return set()
    if mapping(data).get("tool") != TOOL:
        return set()
    listed = data.get("files")
    safe = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    return {name for name in [*safe, "report.json"] if ".." not in Path(name).parts and not os.path.isabs(name)}


def write(folder: Path, files: Mapping[str, bytes], gone: Iterable[str]) -> None:
    """All files, each whole; then those of an earlier run go. Raises InputError."""
    for name, data in files.items():
        path = folder / name
        try:
            if not path.exists() or not _holds(path, data):
                _replace.put_in(folder, name, data)
        except OSError as error:
            raise InputError(f"{path} can't be written: {error.strerror}") from None
    for name in gone:
        (folder / name).unlink()

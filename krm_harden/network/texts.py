"""The texts that a workload is given: variables, command lines, probes, and the files of ConfigMaps and Secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.model import dotted, mapping, sequence, text
from krm_harden.network.mentions import expanded, shell_expanded
from krm_harden.network.model import Remark, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import Container, Pointer
    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Place, Thing, Workload

VARIABLE, WORDS, FILE = "variable", "words", "file"
_EXECUTED = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop")
_DATA = (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"))
"""Sources of volumes: the field, the kind, and what names the object (in a projected volume it is always `name`)."""

_OF_THE_NODE = {"status.hostIP", "status.hostIPs"}


@dataclass(frozen=True)
class Text:
    """`form` says how it is to be read; `words` is the value in parts. `said` names it for people.

    `secret` is the Secret that it is of, or empty: nothing of such a text is ever shown.
    """

    form: str
    key: str
    words: tuple[str, ...]
    said: str
    place: Place
    secret: str = ""


@dataclass(frozen=True)
class _Variable:
    value: str | None
    said: str
    place: Place
    secret: str = ""

    @property
    def shown(self) -> str | None:
        """What other texts may be made of: a Secret's text stays alone."""
        return None if self.secret else self.value


def of_workload(workload: Workload, inventory: Inventory) -> Iterator[Text | Remark]:
    """Every text of a workload, variables expanded; a Remark for what is taken from an object that isn't there."""
    if workload.pod is None:
        return
    mounted = {}
    for container in workload.pod.containers:
        variables, missing = _variables(workload, container, inventory)
        yield from missing
        lookup = {name: variable.shown for name, variable in variables.items()}.get
        for name, variable in variables.items():
            if variable.value is not None:
                words = (shell_expanded(variable.value, lookup),)
                said = f'{variable.said} of container "{container.name}"'
                yield Text(VARIABLE, name, words, said, variable.place, variable.secret)
        yield from _commands(workload, container, lookup)
        mounted.update({text(mapping(one).get("name")): lookup for one in sequence(container.data.get("volumeMounts"))})
    yield from _files(workload, inventory, mounted)


def _commands(workload: Workload, container: Container, lookup: Any) -> Iterator[Text]:
    words: list[str] = []
    place = None
    for name in ("command", "args"):
        said = sequence(container.data.get(name))
        if said:
            place = workload.thing.place_of((*container.pointer, name)) if place is None else place
            words += [shell_expanded(expanded(word, lookup), lookup) for word in said if isinstance(word, str)]
    if place is not None:
        yield Text(WORDS, "", tuple(words), f'the command line of container "{container.name}"', place)
    for path in _EXECUTED:
        steps = path.split("/")
        executed: Any = container.data
        for step in (*steps, "exec"):
            executed = mapping(executed).get(step)
        found = tuple(word for word in sequence(mapping(executed).get("command")) if isinstance(word, str))
        if found:
            said = f'{dotted(tuple(steps))} of container "{container.name}"'
            words_of = tuple(shell_expanded(word, lookup) for word in found)
            yield Text(WORDS, "", words_of, said, workload.thing.place_of((*container.pointer, *steps)))


def _variables(
    workload: Workload, container: Container, inventory: Inventory
) -> tuple[dict[str, _Variable], list[Remark]]:
    """A container's environment, as a kubelet makes it: what stands later wins, and `$(NAME)` is what stood before."""
    found: dict[str, _Variable] = {}
    missing: list[Remark] = []
    for index, said in enumerate(sequence(container.data.get("envFrom"))):
        pointer = (*container.pointer, "envFrom", index)
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            name = text(mapping(mapping(said).get(field)).get("name"))
            if not name:
                continue
            data = inventory.data(kind, workload.namespace, name)
            if data is None:
                missing.append(_missing(workload, pointer, f"the variables of {kind} {name}"))
                continue
            for key, value in data[1].items():
                prefixed = text(mapping(said).get("prefix")) + key
                taken = f"env {prefixed}, from {kind} {name},"
                found[prefixed] = _Variable(value, taken, _place(data[0], key), _secret(kind, name))
    for index, said in enumerate(sequence(container.data.get("env"))):
        name = text(mapping(said).get("name"))
        pointer = (*container.pointer, "env", index)
        if name:
            found[name] = _variable(workload, name, mapping(said), pointer, inventory, missing, found)
    return found, missing


def _variable(
    workload: Workload,
    name: str,
    said: Mapping[str, Any],
    pointer: Pointer,
    inventory: Inventory,
    missing: list[Remark],
    before: Mapping[str, _Variable],
) -> _Variable:
    place = workload.thing.place_of((*pointer, "value" if "value" in said else "name"))
    if "valueFrom" not in said:
        value = expanded(text(said.get("value")), lambda key: before[key].shown if key in before else None)
        return _Variable(value, f"env {name}", place)
    origin = mapping(said["valueFrom"])
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        reference = mapping(origin.get(field))
        if reference:
            data = inventory.data(kind, workload.namespace, text(reference.get("name")))
            key = text(reference.get("key"))
            if data is None:
                what = f"env {name}, from {kind} {text(reference.get('name'))}"
                missing.append(_missing(workload, pointer, what))
                return _Variable(None, f"env {name}", place)
            taken = f"env {name}, from key {key} of {kind} {data[0].resource.name},"
            secret = _secret(kind, data[0].resource.name)
            return _Variable(data[1].get(key), taken, _place(data[0], key), secret)
    reference = mapping(origin.get("fieldRef"))
    if text(reference.get("fieldPath")) in _OF_THE_NODE and not workload.host_network:
        words = f"{workload.title}: env {name} is the address of its node, for what it calls there"
        called = named(workload.namespace, workload.name)
        missing.append(Remark("outside", words, str(place), ("node",), workload.namespace, called))
    return _Variable(_field(workload, reference), f"env {name}", place)


def _secret(kind: str, name: str) -> str:
    return name if kind == "Secret" else ""


def _place(thing: Thing, key: str) -> Place:
    return thing.place("stringData" if key in mapping(thing.resource.data.get("stringData")) else "data", key)


def _field(workload: Workload, reference: Mapping[str, Any]) -> str | None:
    path = text(reference.get("fieldPath"))
    if path == "metadata.namespace":
        return workload.namespace or None
    # Which pod of them it is makes no difference for whom its name is part of.
    return f"{workload.thing.resource.name}-0" if path == "metadata.name" else None


def _missing(workload: Workload, pointer: Pointer, what: str) -> Remark:
    words = f"{workload.title}: {what} can't be read: it isn't in the input; calls that it shows are missing"
    return Remark("note", words, str(workload.thing.place_of(pointer)))


def _files(workload: Workload, inventory: Inventory, mounted: Mapping[str, Any]) -> Iterator[Text | Remark]:
    if workload.pod is None:
        return
    for index, volume in enumerate(sequence(workload.pod.spec.get("volumes"))):
        said = mapping(volume)
        name = text(said.get("name"))
        if name not in mounted:
            continue
        sources = [(said, "")] + [
            (mapping(one), "name") for one in sequence(mapping(said.get("projected")).get("sources"))
        ]
        for origin, naming in sources:
            for field, kind, key in _DATA:
                reference = mapping(origin.get(field))
                if reference:
                    pointer = (*workload.pod.volumes_pointer, index)
                    named = text(reference.get(naming or key))
                    yield from _data_files(workload, inventory, kind, named, reference, pointer, mounted[name])


def _data_files(
    workload: Workload,
    inventory: Inventory,
    kind: str,
    name: str,
    reference: Mapping[str, Any],
    pointer: Pointer,
    lookup: Any,
) -> Iterator[Text | Remark]:
    data = inventory.data(kind, workload.namespace, name)
    if data is None:
        if not name.startswith("kube-root-ca"):
            yield _missing(workload, pointer, f"{kind} {name}")
        return
    items = [text(mapping(one).get("key")) for one in sequence(reference.get("items"))]
    for key, value in data[1].items():
        if not items or key in items:
            said = f"{key} of {kind} {name}, which is mounted,"
            yield Text(FILE, key, (shell_expanded(value, lookup),), said, _place(data[0], key), _secret(kind, name))

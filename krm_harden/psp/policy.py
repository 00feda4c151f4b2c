"""A PodSecurityPolicy's manifest, read as the API server of 1.24 read it.

Source: kubernetes 1.24, pkg/apis/policy/v1beta1 (types, defaults) and pkg/apis/policy/validation. What the server
refused is an error in its words; what it dropped without a word, a field that it doesn't know, is in `unknown`.
"""

from __future__ import annotations

from krm_harden.errors import ConfigError, Problem
from krm_harden.model import mapping
from krm_harden.psp.model import API_VERSIONS, KIND, PodSecurityPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.model import Pointer

BOOL, TEXT, INT32, INT64 = "true or false", "a string", "a number of 32 bits", "a number of 64 bits"
_BITS = {INT32: 31, INT64: 63}
_ZERO: dict[str, Any] = {BOOL: False, TEXT: "", INT32: 0, INT64: 0}
_RANGES = [{"min": INT64, "max": INT64}]
_STRATEGY: dict[str, Any] = {"rule": TEXT, "ranges": _RANGES}
_OPTIONS = {"user": TEXT, "role": TEXT, "type": TEXT, "level": TEXT}
SPEC: dict[str, Any] = {
    "privileged": BOOL,
    "defaultAddCapabilities": [TEXT],
    "requiredDropCapabilities": [TEXT],
    "allowedCapabilities": [TEXT],
    "volumes": [TEXT],
    "hostNetwork": BOOL,
    "hostPorts": [{"min": INT32, "max": INT32}],
    "hostPID": BOOL,
    "hostIPC": BOOL,
    "seLinux": {"rule": TEXT, "seLinuxOptions": _OPTIONS},
    "runAsUser": _STRATEGY,
    "runAsGroup": _STRATEGY,
    "supplementalGroups": _STRATEGY,
    "fsGroup": _STRATEGY,
    "readOnlyRootFilesystem": BOOL,
    "defaultAllowPrivilegeEscalation": BOOL,
    "allowPrivilegeEscalation": BOOL,
    "allowedHostPaths": [{"pathPrefix": TEXT, "readOnly": BOOL}],
    "allowedFlexVolumes": [{"driver": TEXT}],
    "allowedCSIDrivers": [{"name": TEXT}],
    "allowedUnsafeSysctls": [TEXT],
    "forbiddenSysctls": [TEXT],
    "allowedProcMountTypes": [TEXT],
    "runtimeClass": {"allowedRuntimeClassNames": [TEXT], "defaultRuntimeClassName": TEXT},
}
"""The fields of `spec` and their types."""
_FILLED = ("min", "max", "pathPrefix", "readOnly", "driver", "name", "rule")
"""What is there with its zero value where a manifest leaves it out."""
_ENVELOPE = ("apiVersion", "kind", "metadata", "spec")


def of_data(data: Any, where: str = "") -> PodSecurityPolicy:
    """The policy of a manifest. Raises ConfigError with every problem's path."""
    if not isinstance(data, dict):
        _reject([Problem((), f"must be a {KIND}, a mapping")], where)
    problems = []
    if data.get("kind") != KIND:
        problems.append(Problem(("kind",), f"kind must be {KIND}, not {data.get('kind')!r}"))
    if data.get("apiVersion") not in API_VERSIONS:
        said = f"apiVersion must be one of {', '.join(API_VERSIONS)}, not {data.get('apiVersion')!r}"
        problems.append(Problem(("apiVersion",), said))
    metadata = data.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        problems.append(Problem(("metadata",), "metadata must be a mapping"))
    _reject(problems, where)
    unknown = tuple((name,) for name in data if name not in _ENVELOPE)
    found = mapping(metadata)
    return _decoded_policy(_name(found), found.get("annotations"), data.get("spec"), where, unknown)


def _name(metadata: Mapping[str, Any]) -> Any:
    """The name, or the one that the server would make of `generateName`: five letters of chance are added."""
    begin = metadata.get("generateName")
    return metadata.get("name") or (begin + "xxxxx" if isinstance(begin, str) and begin else begin)


def _decoded_policy(
    name: Any, annotations: Any, spec: Any, where: str, unknown: tuple[Pointer, ...]
) -> PodSecurityPolicy:
    from krm_harden.psp.validation import invalid, unusable

    reader = _Reader()
    decoded = reader.read({} if spec is None else spec, SPEC, ("spec",))
    noted = reader.read_texts({} if annotations is None else annotations, ("metadata", "annotations"))
    called = reader.read("" if name is None else name, TEXT, ("metadata", "name"))
    _reject(reader.problems, where)
    if decoded.get("allowPrivilegeEscalation") is None:
        decoded["allowPrivilegeEscalation"] = True
    _reject(invalid(called, noted, decoded), where)
    return PodSecurityPolicy(
        called, decoded, noted, where, unknown=(*unknown, *reader.unknown), unusable=unusable(decoded)
    )


def _reject(problems: list[Problem], where: str) -> None:
    if problems:
        raise ConfigError("; ".join(problem.text for problem in problems), where, problems=problems)


class _Reader:
    """Reads data as a Go struct is decoded from JSON: null is absent, unknown keys are dropped, types are strict."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unknown: list[Pointer] = []

    def read(self, value: Any, expected: Any, pointer: Pointer) -> Any:
        if isinstance(expected, dict):
            return self._struct(value, expected, pointer)
        if isinstance(expected, list):
            return self._list(value, expected[0], pointer)
        right = _decoded(value, expected)
        if right is None:
            self._wrong(pointer, expected, value)
            return _ZERO[expected]
        return right

    def read_texts(self, value: Any, pointer: Pointer) -> dict[str, str]:
        if not isinstance(value, dict):
            self._wrong(pointer, "a mapping", value)
            return {}
        return {
            str(name): "" if item is None else self.read(item, TEXT, (*pointer, name)) for name, item in value.items()
        }

    def _struct(self, value: Any, expected: Mapping[str, Any], pointer: Pointer) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(pointer, "a mapping", value)
            return {}
        made = {name: _ZERO[expected[name]] for name in _FILLED if name in expected}
        for name, item in value.items():
            if name not in expected:
                self.unknown.append((*pointer, name))
            elif item is not None:
                made[name] = self.read(item, expected[name], (*pointer, name))
        return made

    def _list(self, value: Any, expected: Any, pointer: Pointer) -> list[Any]:
        if not isinstance(value, list):
            self._wrong(pointer, "a list", value)
            return []
        zero: Any = {} if isinstance(expected, dict) else _ZERO[expected]
        return [
            self.read(zero if item is None else item, expected, (*pointer, index)) for index, item in enumerate(value)
        ]

    def _wrong(self, pointer: Pointer, expected: str, value: Any) -> None:
        from krm_harden.schema import path_of

        self.problems.append(Problem(pointer, f"{path_of(pointer)} must be {expected}, not {_shown(value)}"))


def _decoded(value: Any, expected: str) -> Any:
    """A scalar of a type, None for another one."""
    if expected is BOOL:
        return value if isinstance(value, bool) else None
    if expected is TEXT:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    bound = 1 << _BITS[expected]
    return value if -bound <= value < bound else None


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    said = repr(value)
    return said if len(said) <= 80 else said[:77] + "..."


def same(left: PodSecurityPolicy, right: PodSecurityPolicy) -> bool:
    """Whether two policies mean the same, whatever they are called."""
    from krm_harden.psp.meaning import meaning

    return meaning(left) == meaning(right)

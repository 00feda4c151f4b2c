"""An application's source as Argo CD hands it over: what it is, its manifests, and what it may ask for.

All that comes from here is the application's own word: it names files within its repository and settings that tighten.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch

from krm_harden import limits, policy
from krm_harden.commands import _children, _kustomizations
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.resources import KUSTOMIZATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from krm_harden.commands._children import Watch
    from krm_harden.policy import Policy

PARAMETERS = "ARGOCD_APP_PARAMETERS"
TYPES = ("kustomize", "helm", "directory")
OWN = ("type", "recurse", "valueFiles", "exclude")
"""The parameters that aren't settings of the policy."""
CHART = "Chart.yaml"
SUFFIXES = (".yaml", ".yml", ".json", ".jsonnet")
SKIP_MARK = b"+argocd:skip-file-rendering"
_MISSING = "the init container of function/argocd copies it from the image of argocd-repo-server"


class Parameters:
    """What an application asks for: how it is rendered, and `settings` as a flat ConfigMap's data."""

    __slots__ = ("exclude", "recurse", "settings", "type", "value_files")

    def __init__(
        self,
        settings: Mapping[str, str],
        type_: str = "",
        exclude: Sequence[str] = (),
        value_files: Sequence[str] = (),
        *,
        recurse: bool = False,
    ) -> None:
        self.settings = settings
        self.type = type_
        self.exclude = exclude
        self.value_files = value_files
        self.recurse = recurse

    def policy(self) -> Policy | None:
        """The policy that the settings are. Raises ConfigError."""
        if not self.settings:
            return None
        return policy.from_data({"kind": "ConfigMap", "data": self.settings}, PARAMETERS)


def parameters(said: str) -> Parameters:
    """The parameters in Argo CD's JSON. Raises ConfigError. PARAM_* is never read: names collide there."""
    found = _by_name(said)
    kind = _one(found, "type")
    if kind not in {"", *TYPES}:
        raise ConfigError(f"type must be one of {', '.join(TYPES)}, not {kind!r}", PARAMETERS)
    recurse = _one(found, "recurse")
    if recurse not in {"", "true", "false"}:
        raise ConfigError(f"recurse must be true or false, not {recurse!r}", PARAMETERS)
    settings: dict[str, str] = {}
    for name, value in found.items():
        if name == "settings" and isinstance(value, dict):
            settings |= value
        elif isinstance(value, dict):
            settings |= {f"{name}.{key}": text for key, text in value.items()}
        elif name not in OWN:
            settings[name] = ",".join(value) if isinstance(value, list) else value
    lists = _several(found, "exclude"), _several(found, "valueFiles")
    return Parameters(settings, kind, *lists, recurse=recurse == "true")


def _by_name(said: str) -> dict[str, Any]:
    """Each parameter's string, list of strings or mapping of strings."""
    if not said.strip():
        return {}
    import json

    try:
        data = json.loads(said)
    except (ValueError, RecursionError):
        raise ConfigError("isn't JSON", PARAMETERS) from None
    found: dict[str, Any] = {}
    for entry in [] if data is None else data if isinstance(data, list) else [data]:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise ConfigError("must be a list of parameters, each with a name", PARAMETERS)
        if name in found:
            raise ConfigError(f"{name} stands twice", PARAMETERS)
        values = [entry[field] for field in ("string", "array", "map") if entry.get(field) is not None]
        if len(values) > 1 or not all(map(_is_value, values)):
            raise ConfigError(f"{name} must be one string, array or map of strings", PARAMETERS)
        if values:
            found[name] = values[0]
    return found


def _is_value(value: Any) -> bool:
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(isinstance(one, str) for one in inner)


def _one(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a string", PARAMETERS)
    return value


def _several(found: Mapping[str, Any], name: str) -> list[str]:
    value = found.get(name, [])
    if isinstance(value, dict):
        raise ConfigError(f"{name} must be an array of strings", PARAMETERS)
    return value if isinstance(value, list) else [part for part in value.split(",") if part]


def repository(folder: str, path: str) -> str:
    """The top of the repository that holds an application's folder: `path` is where Argo CD says that it lies.

    The folder itself where that doesn't fit: nothing above it is read.
    """
    if os.path.isabs(path) or ".." in path.split("/"):
        return folder
    top = folder
    while True:
        # A link may lead to the folder, so that its name is another one.
        if os.path.realpath(os.path.join(top, path)) == folder:
            return top
        if os.path.dirname(top) == top:
            return folder
        top = os.path.dirname(top)


class Stream:
    """Manifests, and what reports call them."""

    __slots__ = ("data", "name")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data


class Application:
    """A folder within a repository, and how it is rendered. `notes` are for people."""

    __slots__ = ("folder", "kind", "notes", "parameters", "remote", "root", "said")

    def __init__(self, folder: str, said: Mapping[str, str], wanted: Parameters, *, remote: bool = False) -> None:
        self.folder = os.path.realpath(folder)
        self.root = repository(self.folder, said.get(_kustomizations.WHERE) or ".")
        self.said = said
        self.parameters = wanted
        self.remote = remote
        self.kind = wanted.type or _kind(self.folder)
        self.notes: list[str] = []

    def streams(self, watch: Watch) -> list[Stream]:
        """Its manifests, rendered. Raises KrmHardenError."""
        if self.kind == "directory":
            return [*self._files(watch)]
        render = self._kustomize if self.kind == "kustomize" else self._helm
        with _children.home(self._temporary()) as home:
            return [render(home, watch)]

    def _temporary(self) -> str:
        """Where temporary files go: those in a request's own folder are removed even if we are killed."""
        folder = os.path.realpath(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - a folder of its own is made in it
        requested = _kustomizations.WHERE in self.said and self.root.startswith(folder.rstrip("/") + "/")
        return self.root if requested else folder

    def _kustomize(self, home: str, watch: Watch) -> Stream:
        watch.doing = "reading the kustomizations"
        if not self.remote:
            _kustomizations.check(self.folder, self.root)
        return self._child("kustomize", ["build", "."], home, watch)

    def _helm(self, home: str, watch: Watch) -> Stream:
        from krm_harden.commands import _charts

        watch.doing = "reading the chart"
        if not os.path.isfile(os.path.join(self.folder, CHART)):
            raise InputError(f"type is helm, and there is no {CHART}")
        _charts.check(self.folder, self.root, remote=self.remote)
        said = self.said
        # An application outside of Argo CD's own namespace is called NAMESPACE_NAME.
        name = (said.get("ARGOCD_APP_NAME") or "").rpartition("_")[2] or "release-name"
        options = [
            *_option("--namespace", said.get("ARGOCD_APP_NAMESPACE")),
            *_option("--kube-version", said.get("KUBE_VERSION")),
            *(f"--api-versions={one}" for one in (said.get("KUBE_API_VERSIONS") or "").split(",") if one),
            *(f"--values={self._value_file(one)}" for one in self.parameters.value_files),
            "--include-crds",
        ]
        return self._child("helm", ["template", *options, "--", name, "."], home, watch)

    def _child(self, name: str, arguments: Sequence[str], home: str, watch: Watch) -> Stream:
        """What kustomize or helm prints. Raises KrmHardenError that has its last lines when it fails."""
        what = f"{name} {arguments[0]}"
        environment = _children.online(home) if self.remote else _children.offline(home)
        ended = _children.run([_children.program(name, _MISSING), *arguments], environment, watch, f"running {what}")
        lines = ended.tail(self.root)
        if ended.code:
            how = f"exit code {ended.code}" if ended.code > 0 else f"signal {-ended.code}"
            raise ChildError(f"{what} failed, {how}{_advice(ended.err)}", lines)
        self.notes += [f"{name}: {line}" for line in lines[-3:]]
        return Stream(what, ended.out)

    def _value_file(self, name: str) -> str:
        path = os.path.join(self.folder, name)
        if (
            "://" in name
            or "\n" in name
            or "\r" in name
            or not _kustomizations.is_inside(path, self.root)
            or not os.path.isfile(path)
        ):
            raise InputError(f"{PARAMETERS}: valueFiles: {name[:200]!r} is no file of the repository")
        # helm splits the option at commas as a line of CSV, takes `-` for stdin and `a:` for a protocol.
        relative = "./" + os.path.relpath(path, self.folder)
        return '"' + relative.replace('"', '""') + '"'

    def _files(self, watch: Watch) -> Iterator[Stream]:
        watch.doing = "reading the folder"
        for path in self._manifests():
            name = os.path.relpath(path, self.folder)
            if not _kustomizations.is_inside(path, self.root):
                raise InputError(f"{name}: is a link that leaves the repository, or leads nowhere")
            if not os.path.isfile(path):
                continue
            if name.endswith(".jsonnet"):
                raise InputError(f"{name}: jsonnet isn't evaluated", next_step="name it in the parameter exclude")
            if os.path.basename(name) in {*KUSTOMIZATIONS, CHART}:
                raise InputError(f"{name}: isn't a manifest", next_step="name its folder as the application's path")
            with open(path, "rb") as file:
                data = _read(file, name)
            if SKIP_MARK in data:
                self.notes.append(f"{name} was left out: it says {SKIP_MARK.decode()}")
            else:
                yield Stream(name, data)

    def _manifests(self) -> Iterator[str]:
        """The files that may be manifests, sorted; hidden ones aren't: Argo CD's own settings are among them."""
        for folder, folders, files in os.walk(self.folder, onerror=_cannot_list):
            linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            folders[:] = sorted(name for name in folders if self.parameters.recurse and name[0] != ".")
            if self.parameters.recurse:
                self.notes += [f"{name} was left out: a link to a folder isn't followed" for name in sorted(linked)]
            for name in sorted(files):
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, self.folder)
                if name.endswith(SUFFIXES) and name[0] != "." and not self._is_excluded(relative):
                    yield path

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.parameters.exclude)


def _read(file: BinaryIO, name: str) -> bytes:
    """All of a file. Raises InputError where it is beyond a limit."""
    try:
        return limits.read(file)
    except InputError as error:
        error.where = name
        raise


def _cannot_list(error: OSError) -> None:
    raise InputError(f"{error.filename}: the folder can't be read: {error.strerror}")


class ChildError(KrmHardenError):
    """kustomize or helm failed; `lines` are what it said last."""

    def __init__(self, message: str, lines: Sequence[str]) -> None:
        super().__init__(message)
        self.lines = lines


def _kind(folder: str) -> str:
    """How a folder is rendered, by its files. Raises ConfigError where they say two things."""
    kustomization = next((name for name in KUSTOMIZATIONS if _is_there(folder, name)), "")
    if kustomization and _is_there(folder, CHART):
        raise ConfigError(
            f"both {kustomization} and {CHART} are here", next_step="set the parameter type to kustomize or helm"
        )
    return "kustomize" if kustomization else "helm" if _is_there(folder, CHART) else "directory"


def _is_there(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))


def _option(name: str, value: str | None) -> list[str]:
    return [f"{name}={value}"] if value else []


def _advice(said: bytes) -> str:
    if b"missing in charts/" in said:
        return "; run `helm dependency build` and commit charts/: dependencies aren't fetched"
    return ""

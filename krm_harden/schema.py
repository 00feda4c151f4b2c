"""The policy's fields: one table that validates every policy and from which the published JSON Schema is made.

The table is itself a JSON Schema, of the few keywords that `problems` knows. A field is added here and nowhere else.
"""

from __future__ import annotations

from krm_harden import controls, limits, model
from krm_harden.errors import Problem
from krm_harden.model import LEVELS, parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from krm_harden.model import Pointer

    Schema: TypeAlias = "dict[str, Any]"

API_VERSION = model.API_VERSION
API_VERSIONS = model.API_VERSIONS
KIND = model.KIND
LOCK_KIND = model.LOCK_KIND
RELEASES = model.RELEASES
MAX_ID = model.MAX_ID
POD_SECURITY_POLICY = model.POD_SECURITY_POLICY
"""They stand in `model`: a run whose policy says nothing doesn't load this table."""
PROFILES = ["restricted", "baseline", "psp-restricted", "audit"]
"""The ready policies of `krm_harden.profiles`."""
ADDRESS = f"https://krm-harden.dev/schemas/{KIND.lower()}_v1alpha1.json"
"""The published schema's own name, and where editors find it."""


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _choice(description: str, values: list[str], default: str) -> Schema:
    return _text(description, enum=values, default=default)


def _list(description: str, items: Schema | None = None) -> Schema:
    return {"type": "array", "description": description, "items": items or {"type": "string"}}


def _object(description: str, properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    made: Schema = {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }
    return made | ({"required": list(required)} if required else {})


_VERSION = _text("A version of the Pod Security Standards: `latest` or `v1.34`.", format="version", default="latest")
_ID = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
_MATCH = {
    "kinds": _list("Kinds, as globs."),
    "namespaces": _list("Namespaces, as globs."),
    "names": _list("Names, as globs."),
    "labels": {
        "type": "object",
        "description": "Labels that the object has, values as globs.",
        "additionalProperties": {"type": "string"},
    },
}
_MATCH_CONTAINERS = _MATCH | {
    "images": _list("Images of containers, as globs."),
    "containers": _list("Names of containers, as globs. Without it: all, and the pod itself."),
    "vulnerabilities": _list("Ids of vulnerabilities in images, as globs: the exemption is for those alone."),
}
_FOLDER: Schema = {"type": "string", "format": "folder"}
_CAPABILITIES = _list("Capabilities, without CAP_.")
REFUSALS = [
    "needs-root",
    "host-agent",
    "switches-users",
    "file-capability",
    "writes-to-root",
    "changes-owners",
    "gains-privileges",
    "fails-restricted",
    "windows",
]
"""Why an image can't run restricted."""
_WRITABLE_PATH = _object(
    "One folder, and what an emptyDir there would hide.",
    {
        "path": _FOLDER | {"description": "The folder."},
        "seed": _choice(
            "empty: nothing; copy: files of the image that are needed; data: what is written should last.",
            ["empty", "copy", "data"],
            "empty",
        ),
        "sizeLimit": _text("The emptyDir's size limit, `64Mi`."),
        "optional": {"type": "boolean", "description": "Whether it is written only where a feature is used."},
        "owned": {
            "type": "boolean",
            "description": "Whether its permissions in the image let the image's user write it.",
        },
        "from": _FOLDER | {"description": "The folder of the image that is copied, where that is another one."},
        "evidence": _text("How it is known.", enum=["config", "layers", "observed", "guess"]),
    },
    ("path",),
)
_FACTS: dict[str, Schema] = {
    "uid": _ID | {"description": "The numeric user that the image runs as."},
    "gid": _ID | {"description": "The numeric group that the image runs as."},
    "fsGroup": _ID | {"description": "The group for its claims, where that isn't its gid."},
    "defaultUser": _ID | {"description": "The user that the image starts as when nobody says otherwise."},
    "anyUid": {"type": "boolean", "description": "Whether it runs as any user."},
    "dependsOnCommand": {"type": "boolean", "description": "A base image: what it needs depends on its command."},
    "programs": _list("The programs that it starts, without their folders."),
    "writablePaths": _list(
        "Folders that it must be able to write, each an emptyDir under a read-only root.",
        {"anyOf": [_FOLDER, _WRITABLE_PATH]},
    ),
    "fileCapabilities": _list(
        "Binaries with file capabilities.",
        _object("One binary.", {"path": _text("The file."), "capabilities": _CAPABILITIES}, ("path", "capabilities")),
    ),
    "ports": _list("The ports that it listens on.", {"type": "integer", "minimum": 1, "maximum": 65535}),
    "env": {
        "type": "object",
        "description": "Variables that it needs as another user, or with a read-only root.",
        "additionalProperties": {"type": "string"},
    },
    "ownedFolder": _object(
        "A folder that its program must own, and the variable that moves it.",
        {
            "path": _FOLDER | {"description": "The folder."},
            "variable": _text("The variable that names it.", minLength=1),
            "subfolder": _text("What the folder below a volume is called.", minLength=1),
        },
        ("path", "variable", "subfolder"),
    ),
    "cannotRestrict": _object(
        "Why it can't run restricted.",
        {"code": _text("The sort of reason.", enum=REFUSALS), "reason": _text("The reason.", minLength=1)},
        ("code", "reason"),
    ),
}
_IMAGE = _object(
    "What you know of an image.",
    {"match": _text("The image as manifests name it, as a glob: `registry.example/app:*`."), **_FACTS},
    ("match",),
)
_EVIDENCE = ["config", "layers", "observed", "guess"]
_LOCKED_IMAGE = _object(
    "What was found out about one image.",
    {
        "digest": _text("Its digest in the registry, else its id.", minLength=1),
        "imageID": _text("The digest of its configuration."),
        "images": _list("Its names, as manifests write them."),
        "platform": _text("The platform that was looked at: `linux/amd64`."),
        "config": _object(
            "What its configuration says.",
            {
                "user": _text("USER."),
                "workingDir": _text("WORKDIR."),
                "entrypoint": _list("ENTRYPOINT."),
                "cmd": _list("CMD."),
                "exposedPorts": _list("EXPOSE."),
                "volumes": _list("VOLUME."),
            },
        ),
        "facts": _object("What it needs.", _FACTS),
        "evidence": {
            "type": "object",
            "description": "How each fact is known: config, layers, observed, or a guess.",
            "additionalProperties": {"type": "string", "enum": _EVIDENCE},
        },
        "probe": _object(
            "What a run of it showed.",
            {
                "seconds": {"type": "integer", "minimum": 0, "maximum": 3600, "description": "How long it ran."},
                "user": _text("Who it ran as."),
                "restricted": _text("Whether it ran restricted.", enum=["runs", "fails", "unclear", "refused"]),
                "note": _text("What it said last."),
            },
        ),
    },
    ("digest", "images"),
)


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _number(description: str) -> Schema:
    return {"type": "integer", "description": description}


def _ranges(description: str) -> Schema:
    both = {"min": _number("The first."), "max": _number("The last.")}
    return _list(description, _object("From one to another, both included.", both, ("min", "max")))


def _strategy(description: str, rules: list[str], **more: Schema) -> Schema:
    properties = {"rule": _text("The rule.", enum=rules), **more}
    return _object(description, properties, ("rule",)) | {"examples": [{"rule": "RunAsAny"}]}


def _ids(description: str, *rules: str) -> Schema:
    ranges = _ranges("What is allowed; MustRunAs writes the first range's min.")
    return _strategy(description, list(rules), ranges=ranges)


def _names(description: str, name: str, **more: Schema) -> Schema:
    return _list(description, _object("One of them.", {name: _text("Its name."), **more}, (name,)))


_POD_SECURITY_SPEC = _object(
    "Its fields, as in policy/v1beta1.",
    {
        "privileged": _flag("Whether containers may be privileged."),
        "defaultAddCapabilities": _list("Capabilities that containers get."),
        "requiredDropCapabilities": _list("Capabilities that containers must drop, and do."),
        "allowedCapabilities": _list("Capabilities that containers may add; `*` for all."),
        "volumes": _list("The sorts of volumes that are allowed; `*` for all."),
        "hostNetwork": _flag("Whether pods may use the node's network."),
        "hostPorts": _ranges("The ports of the node that containers may use."),
        "hostPID": _flag("Whether pods may see the node's processes."),
        "hostIPC": _flag("Whether pods may use the node's shared memory."),
        "seLinux": _strategy(
            "SELinux options.",
            ["MustRunAs", "RunAsAny"],
            seLinuxOptions=_object(
                "The options that pods must have, and get.",
                {name: _text(f"The {name}.") for name in ("user", "role", "type", "level")},
            ),
        ),
        "runAsUser": _ids("Users of containers.", "MustRunAs", "MustRunAsNonRoot", "RunAsAny"),
        "runAsGroup": _ids("Groups of containers.", "RunAsAny", "MayRunAs", "MustRunAs"),
        "supplementalGroups": _ids("Further groups of pods.", "RunAsAny", "MayRunAs", "MustRunAs"),
        "fsGroup": _ids("The group of volumes.", "RunAsAny", "MayRunAs", "MustRunAs"),
        "readOnlyRootFilesystem": _flag("Whether root filesystems must be read-only."),
        "defaultAllowPrivilegeEscalation": _flag("What allowPrivilegeEscalation is where nothing is said."),
        "allowPrivilegeEscalation": _flag("Whether containers may gain privileges."),
        "allowedHostPaths": _names(
            "The folders of nodes that pods may mount; none: all.",
            "pathPrefix",
            readOnly=_flag("Whether they must be mounted read-only."),
        ),
        "allowedFlexVolumes": _names("The drivers of FlexVolumes that are allowed; none: all.", "driver"),
        "allowedCSIDrivers": _list(
            "The drivers of CSI volumes that are allowed; none: all.",
            _object("One of them.", {"name": _text("Its name.", examples=["csi.example.com"])}, ("name",)),
        ),
        "allowedUnsafeSysctls": _list("Unsafe sysctls that are allowed."),
        "forbiddenSysctls": _list("Sysctls that are forbidden."),
        "allowedProcMountTypes": _list(
            "What procMount may be; none: Default.", {"type": "string", "enum": ["Default", "Unmasked"]}
        ),
        "runtimeClass": _object(
            "Classes of runtimes.",
            {
                "allowedRuntimeClassNames": _list("Those that pods may name; `*` for all."),
                "defaultRuntimeClassName": _text("The one that pods get.", examples=["runc"]),
            },
            ("allowedRuntimeClassNames",),
        ),
    },
    ("seLinux", "runAsUser", "supplementalGroups", "fsGroup"),
)
_POD_SECURITY_SPEC["examples"] = [
    {name: {"rule": "RunAsAny"} for name in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
]
_POD_SECURITY = _object(
    "A PodSecurityPolicy, which means what it meant in the cluster.",
    {
        "name": _text("Its name, as reports call it.", minLength=1, examples=["restricted"]),
        "annotations": {
            "type": "object",
            "description": "Its annotations about seccomp and AppArmor.",
            "additionalProperties": {"type": "string"},
        },
        "spec": _POD_SECURITY_SPEC,
    },
    ("name", "spec"),
)


def _control(settings: Mapping[str, Schema]) -> Schema:
    common = {
        "enabled": {"type": "boolean", "description": "Whether the control is checked and fixed."},
        "required": {"type": "boolean", "description": "Whether an unmet control beyond the standard is an error."},
        "explicit": _text("Overrides spec.explicit for this control.", enum=["respect", "override"]),
    }
    return _object("Settings of one control.", {**common, **settings})


def _how_far() -> dict[str, Schema]:
    """The fields that a rule may set for what it matches."""
    return {
        "level": _choice("The Pod Security Standard to reach.", LEVELS, "restricted"),
        "version": _VERSION,
        "changes": _choice(
            "How far to go where the manifest says nothing.", ["additive", "evidence", "complete"], "complete"
        ),
        "explicit": _choice("What to do with weaker values that the author wrote.", ["respect", "override"], "respect"),
        "onViolation": _choice("Whether what stays open fails the run.", ["Fail", "Warn"], "Fail"),
        "immutable": _choice("Whether Jobs and bare Pods, which can't be updated, change.", ["fix", "skip"], "fix"),
        "unknownUser": _choice(
            "Images that nobody described: write a uid, report them, or give them a user namespace.",
            ["uid", "report", "userNamespace"],
            "uid",
        ),
        "exemptionAnnotations": _choice(
            "Whether objects may exempt themselves, by the annotation krm-harden.dev/exempt.",
            ["ignore", "allow"],
            "ignore",
        ),
        "podSecurityPolicy": _POD_SECURITY,
        "controls": _object(
            "Settings by control.", {name: _control(settings) for name, settings in controls.settings().items()}
        ),
    }


def spec_schema() -> Schema:
    """The schema of `spec`."""
    fields = _how_far()
    label = [*LEVELS, "auto", "none"]
    return _object(
        "What to harden, and how far.",
        {
            "profile": _text("A ready policy that the other fields change.", enum=PROFILES),
            **fields,
            "compatibility": _choice(
                "The release whose output is kept. Quote it: `0.1` alone is a number.", RELEASES, RELEASES[-1]
            ),
            "podSecurityPolicies": _choice(
                "Whether PodSecurityPolicies among the manifests hold too, by the RBAC beside them.",
                ["ignore", "items"],
                "ignore",
            ),
            "validator": {
                "type": "boolean",
                "description": "Whether the function only judges, as `check` does: for `validators:`.",
                "default": False,
            },
            "target": _object(
                "Where the manifests run.",
                {
                    "kubernetes": _text("The server's version; it caps the standard's.", format="kubernetes"),
                    "platform": _choice(
                        "openshift: no uid, gid or fsGroup.", ["kubernetes", "openshift"], "kubernetes"
                    ),
                    "runtime": _choice("The container runtime.", ["any", "containerd", "cri-o"], "any"),
                },
            ),
            "images": _list("What you know of your images.", _IMAGE),
            "imageLock": lock_spec_schema()
            | {"description": "The spec of an ImageLock, as `images resolve` writes it."},
            "rules": _list(
                "Other settings for what matches. The most specific match wins.",
                _object("One rule.", {"match": _object("What it is for.", _MATCH), **_how_far()}, ("match",)),
            ),
            "namespaces": _object(
                "The Pod Security labels of Namespaces; `none` writes no label.",
                {
                    "enforce": _text("The level to enforce.", enum=label, default="none"),
                    "audit": _text("The level to audit.", enum=[*LEVELS, "none"]),
                    "warn": _text("The level to warn about.", enum=[*LEVELS, "none"]),
                    "version": _VERSION,
                },
            ),
            "limits": _object("What input may cost at most.", {name: _limit(name) for name in limits.TABLE}),
            "kinds": _list(
                "Further kinds that make pods.",
                _object(
                    "One kind.",
                    {
                        "group": _text("Its API group, `example.com`."),
                        "kind": _text("Its kind."),
                        "podSpecs": _list("Where its pod specs lie: `/spec/template/spec`, `*` for each item."),
                    },
                    ("group", "kind", "podSpecs"),
                ),
            ),
            "exemptions": _list(
                "What is left alone, and why.",
                _object(
                    "One exemption.",
                    {
                        "match": _object("What it is for.", _MATCH_CONTAINERS),
                        "controls": _list(
                            "The controls it exempts from; `*` for all.",
                            {"type": "string", "enum": [*controls.exemptible(), "*"]},
                        ),
                        "reason": _text("Why, for those who read the report.", minLength=1),
                        "expires": _text("A date, `2027-06-30`, after which `check` fails.", format="date"),
                    },
                    ("match", "controls", "reason"),
                ),
            ),
        },
    )


def _limit(name: str) -> Schema:
    default, least, most, said = limits.TABLE[name]
    description = f"{said[0].upper()}{said[1:]}."
    return {"type": "integer", "description": description, "minimum": least, "maximum": most, "default": default}


def lock_spec_schema() -> Schema:
    """The schema of an ImageLock's `spec`."""
    return _object("What was found out about images.", {"images": _list("One block an image.", _LOCKED_IMAGE)})


def facts_schema() -> Schema:
    """The schema of what can be known of an image, wherever it is said."""
    return _object("What an image needs.", _FACTS)


def policy_schema() -> Schema:
    """The JSON Schema (draft 7) of a whole HardeningPolicy, with what editors show of its fields."""
    from krm_harden.hovers import described

    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ADDRESS,
        "title": KIND,
        "description": "What krm-harden checks and writes, and how far it goes.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"enum": [*API_VERSIONS], "description": "The version of the policy's fields."},
            "kind": {"const": KIND, "description": "What this object is."},
            "metadata": {"type": "object", "description": "Its name, as reports call it."},
            "spec": described(spec_schema(), "spec"),
        },
        "additionalProperties": False,
    }


_TYPES: dict[str, Any] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
}


def problems(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """What is wrong with a value, one line each: the path, the value and what is allowed."""
    return (problem.text for problem in wrong(value, schema, (path,)))


def wrong(value: Any, schema: Schema, pointer: Pointer) -> Iterator[Problem]:
    """What is wrong with the value at a place, each with its own place."""
    if "anyOf" in schema:
        yield from wrong(value, _meant(value, schema["anyOf"]), pointer)
        return
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield _problem(pointer, f"must be {_article(kind)}, not {_shown(value)}")
    elif kind == "object":
        yield from _object_problems(value, schema, pointer)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from wrong(item, schema["items"], (*pointer, index))
    elif "enum" in schema and value not in schema["enum"]:
        yield _problem(pointer, _not_among(value, schema["enum"]))
    elif kind == "integer" and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield _problem(pointer, f"must be from {schema['minimum']} to {schema['maximum']}, not {value}")
    elif kind == "string":
        said = _string_problem(value, schema)
        if said:
            yield _problem(pointer, said)


def _problem(pointer: Pointer, said: str, *, is_key: bool = False) -> Problem:
    return Problem(pointer, f"{path_of(pointer)} {said}", is_key=is_key)


def path_of(pointer: Pointer) -> str:
    """A place as messages name it: `spec.images[0].uid`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in pointer).removeprefix(".")


MANY = 12
"""More names than that aren't listed where a similar one is."""


def _not_among(value: Any, allowed: list[str]) -> str:
    hint = did_you_mean(value, allowed)
    if len(allowed) > MANY and hint:
        return f"must not be {_shown(value)}, which isn't known{hint}"
    return f"must be one of {', '.join(allowed)}, not {_shown(value)}{hint}"


def _meant(value: Any, choices: list[Schema]) -> Schema:
    """The schema of a value that may be of several types."""
    return next((choice for choice in choices if isinstance(value, _TYPES[choice["type"]])), choices[0])


def _object_problems(value: dict[str, Any], schema: Schema, pointer: Pointer) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    for name, item in value.items():
        if name in properties:
            yield from wrong(item, properties[name], (*pointer, name))
        elif schema.get("additionalProperties"):
            yield from wrong(item, schema["additionalProperties"], (*pointer, name))
        else:
            yield unknown(pointer, name, properties)
    for name in schema.get("required", ()):
        if name not in value:
            yield _problem((*pointer, name), "is missing")


def unknown(pointer: Pointer, name: str, known: Iterable[str]) -> Problem:
    """A key that isn't known: what is allowed, and what was probably meant."""
    allowed = sorted(known)
    said = f"is unknown, allowed: {', '.join(allowed)}{did_you_mean(name, allowed)}"
    return _problem((*pointer, name), said, is_key=True)


def _string_problem(value: str, schema: Schema) -> str:
    """What is wrong with a string, else empty."""
    kind = schema.get("format")
    if kind == "version" and parse_version(value) is None:
        return f"must be latest or v1.x, not {_shown(value)}"
    if kind == "kubernetes" and parse_version("v" + value.removeprefix("v")) is None:
        return f'must be a version of Kubernetes such as "1.34", not {_shown(value)}'
    if kind == "folder" and (not value.startswith("/") or not value.strip("/")):
        return f"must be the absolute path of a folder, and not the root, not {_shown(value)}"
    if kind == "date" and not _is_date(value):
        return f"must be a date such as 2027-06-30, not {_shown(value)}"
    return "must not be empty" if len(value) < schema.get("minLength", 0) else ""


def _is_date(value: str) -> bool:
    parts = value.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isascii() and part.isdigit() for part in parts):
        return False
    year, month, day = map(int, parts)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def _article(kind: str) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "a string", "boolean": "true or false"}
    return names.get(kind, "a whole number")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value).lower()


def similar(word: Any, known: Iterable[str]) -> str:
    close = closest(word, known)
    return f" (did you mean {close}?)" if close else ""


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """The end of a message: what was probably meant, or nothing."""
    close = closest(word, known)
    return f"; did you mean {close!r}?" if close else ""


def closest(word: Any, known: Iterable[str]) -> str:
    """What was probably meant by a word, or empty."""
    import difflib

    return next(iter(difflib.get_close_matches(str(word), list(known), 1)), "")

"""What `fix` writes where a pod says nothing, as JSON patches in CEL: of one pod, when it is created.

The rules that keep workloads alive are those of krm_harden/decide.py, as far as a pod alone shows what they ask for.
Fields that pods and containers both have are written to containers. A second run finds nothing to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.cluster._cel import images, matching
from krm_harden.cluster._cel.words import listed, literal
from krm_harden.controls._users import DEFAULT_UID, USER_NAMESPACES
from krm_harden.controls._writable import DEFAULT_PATHS
from krm_harden.decide import CLAIMS, DATA_VOLUMES
from krm_harden.images.command_lines import DATA, FOLDERS, PLACES
from krm_harden.images.names import ALIASES, MIRRORS
from krm_harden.images.obstacles import KEPT_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.cluster._cel.checks import Server, Variables
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Settings

FIELDS = ("level", "version", "changes", "unknownUser", "explicit", "controls")
"""What a rule may say that makes a difference to what is written."""
OF_CONTAINERS = (
    *("allowPrivilegeEscalation", "capabilities_restricted", "numericGroup", "numericUser"),
    *("readOnlyRootFilesystem", "runAsNonRoot", "seccompProfile_restricted"),
)
"""The controls that write to a container."""
BESIDE = ("fsGroup", "unprivilegedNetwork")
"""Those that write to a pod what the new user of one of its containers needs."""
LEFT_TO_FIX = (("readOnlyRootFilesystem", "initCopy"), ("fsGroup", "replaceChown"))
"""The settings of controls that ask for more than fields: init containers that come or go."""
WINDOWS = (
    "object.spec.?os.?name.orValue('') == 'windows'\n"
    "  || object.spec.?nodeSelector[?'kubernetes.io/os'].orValue('') == 'windows'"
)
"""Whether a pod is for Windows, which takes nothing of it but runAsNonRoot."""


@dataclass(frozen=True)
class Writing:
    """Variables in their order, and the list of `JSONPatch` that hardens a pod."""

    variables: Variables
    patches: str
    cannot: tuple[str, ...]


@dataclass(frozen=True)
class _Asked:
    """What holds: the settings, the exemptions that are carried over, the controls that write."""

    settings: Settings
    exemptions: Sequence[Exemption]
    controls: frozenset[str]
    server: Server

    @property
    def changes(self) -> str:
        return self.settings.changes

    @property
    def own_users(self) -> bool:
        """Whether the standard accepts root in a user namespace."""
        return min(self.settings.asked.version, self.server) >= USER_NAMESPACES

    def spared(self, control: str) -> str:
        """The condition that a container `one.c` isn't exempt from a control, with `&&` before it, or empty."""
        found = matching.exempt_containers(control, self.exemptions, "one.c")
        return "".join(f" && !({said})" for said in found)


def writing(settings: Settings, exemptions: Sequence[Exemption], applies: str, server: Server) -> Writing | None:
    """What is written under some settings; None where that is nothing."""
    enabled = {name for name, (control, _) in settings.checks().items() if control.since <= settings.output}
    wanted = frozenset(enabled & {*OF_CONTAINERS, *BESIDE})
    if not wanted & set(OF_CONTAINERS):
        return None
    asked = _Asked(settings, exemptions, wanted, server)
    variables: Variables = []
    if exemptions or applies:
        variables += [*matching.identity(), *matching.exempt(exemptions)]
    variables += [
        *_lookups(asked),
        *_containers(asked),
        *((f"writes_{name}", said) for name, said in _wanted(asked)),
        *_volumes(asked),
        *_groups(asked),
    ]
    patches = " +\n".join(_patches(asked))
    if applies:
        variables.append(("applies", applies))
        patches = f"!variables.applies ? [] : (\n{patches})"
    return Writing(variables, patches, tuple(_cannot(settings, enabled)))


def _cannot(settings: Settings, enabled: set[str]) -> Iterator[str]:
    for control, field in LEFT_TO_FIX:
        if control in enabled and settings.control(control).get(field):
            yield f"controls.{control}.{field}: only `krm-harden fix` adds and removes init containers"
    if "numericUser" in enabled:
        yield from images.unwritten(settings.policy)
    for path in _default_paths(settings):
        if "readOnlyRootFilesystem" in enabled and not images.is_sayable(path):
            yield f"controls.readOnlyRootFilesystem.writablePaths: {path!r} can't be said in CEL: it isn't mounted"
    if settings.explicit_mode == "override":
        yield "explicit: override: what an author wrote stays in the cluster, and is refused"
    if settings.unknown_user == "userNamespace":
        yield "unknownUser: userNamespace: images that nobody described stay as they are in the cluster"


def _lookups(asked: _Asked) -> Variables:
    guesses = asked.changes == "complete"
    stated = images.stated(asked.settings.policy, guesses=guesses)
    locked = images.locked(asked.settings.policy, guesses=guesses)
    known = images.catalogue(guesses=guesses) if asked.changes != "additive" else []
    exact = [line for line in known if not line.startswith("^")]
    patterns = [line for line in known if line.startswith("^")]
    return [
        ("stated", _table(stated)),
        ("locked", _table(locked)),
        ("catalogue", _table(exact)),
        ("patterns", _table(patterns)),
    ]


def _table(lines: Sequence[str]) -> str:
    """A list of lines; a raw string of CEL, so that a backslash is one."""
    return "r'''" + "\n".join(lines) + "'''.split('\\n')" if lines else "[]"


_EACH = "{{'path': dyn('/spec/{field}/' + string(index)), 'c': dyn(c)}}"
_NAME = "^(?:[^/]*/)*[^/:]+"
"""An image's name without its tag."""


def _with(above: str, *more: tuple[str, str]) -> str:
    """A list of maps like another one, each with more keys; they read `one`."""
    kept = ", ".join(f"'{key}': one.{key}" for key in _KEYS[above])
    added = ",\n  ".join(f"'{key}': dyn({said})" for key, said in more)
    return f"variables.{above}.map(one, {{{kept},\n  {added}}})"


_KEYS = {
    "each": ("path", "c"),
    "known": ("path", "c", "facts"),
    "users": ("path", "c", "facts", "uid", "anyUser", "user", "low"),
}
_ALIASED = " : ".join(
    f"one.name.startsWith('{alias}/') ? '{registry}' + one.name.substring({len(alias)})"
    for alias, registry in ALIASES.items()
)
_MIRRORED = " : ".join(
    f"one.repository.startsWith('{mirror}') ? '{original}' + one.repository.substring({len(mirror)})"
    for mirror, original in MIRRORS
)
_LIBRARY = (
    f"[{_ALIASED} : one.name].map(name, name.matches('^(localhost|[^/]*[.:][^/]*)/')\n"
    "    ? (name.matches('^docker[.]io/[^/]+$') ? 'docker.io/library/' + name.substring(10) : name)\n"
    "    : (name.contains('/') ? 'docker.io/' : 'docker.io/library/') + name)[0]"
)


def _containers(asked: _Asked) -> Variables:
    """What is known of each container, step by step: its image, what is known of it, its user, what it needs."""
    of_init = (
        f"object.spec.?initContainers.orValue([]).transformList(index, c,\n  {_EACH.format(field='initContainers')})"
    )
    of_others = f"object.spec.containers.transformList(index, c,\n  {_EACH.format(field='containers')})"
    tag = (
        "one.rest.split('@')[0].startsWith(':') ? one.rest.split('@')[0].substring(1) : one.rest == '' ? 'latest' : ''"
    )
    reference = "one.repository + (one.rest == '' ? ':latest' : one.rest)"
    columns = "line.split(' ')"
    uids = f"one.facts.map(line, !({columns}[2] in ['-', 'any']), int({columns}[2]))"
    return [
        ("podContext", "object.spec.?securityContext.orValue({})"),
        ("windows", WINDOWS),
        ("each", f"{of_init}\n  + {of_others}"),
        (
            "named",
            _with(
                "each",
                ("image", "one.c.?image.orValue('')"),
                ("name", f"one.c.?image.orValue('').split('@')[0].find({literal(_NAME)})"),
            ),
        ),
        (
            "spelled",
            "variables.named.map(one, {'path': one.path, 'c': one.c, 'image': one.image,\n"
            f"  'repository': dyn({_LIBRARY}),\n"
            "  'rest': dyn(one.image.substring(one.name.size()))})",
        ),
        (
            "known",
            f"variables.spelled.map(one, {{'path': one.path, 'c': one.c, 'facts': dyn([{reference}].map(whole,\n"
            f"  variables.stated.filter(line, one.image.matches({columns}[0]) || whole.matches({columns}[0]))\n"
            "  + variables.locked.filter(line, line.startsWith(whole + ' '))\n"
            f"  + [{_MIRRORED} : one.repository].map(hub, variables.catalogue.filter(line, line.startsWith(hub + ' ')\n"
            f"    && ({tag}).matches({columns}[1])))[0]\n"
            f"  + variables.patterns.filter(line, whole.matches({columns}[0])\n"
            f"    && ({tag}).matches({columns}[1])))[0])}})",
        ),
        (
            "users",
            _with(
                "known",
                ("uid", f"{uids}.size() == 0 ? [] : [{uids}[0]]"),
                ("anyUser", f"one.facts.exists(line, {columns}[2] == 'any')"),
                ("user", _effective("runAsUser")),
                (
                    "low",
                    f"one.facts.exists(line, {columns}[5] == 'low') || one.c.?ports.orValue([])"
                    ".exists(port, port.containerPort < 1024)",
                ),
            ),
        ),
        ("held", _with("users", ("isHeld", _held(asked)))),
        ("dataVolumes", _data_volumes()),
    ]


def _effective(field: str) -> str:
    """A list with a container's own value of a field, else the pod's; empty where both say nothing."""
    own = f"one.c.?securityContext.?{field}"
    of_pod = f"variables.podContext.?{field}"
    return f"{own}.hasValue() ? [{own}.value()] : {of_pod}.hasValue() ? [{of_pod}.value()] : []"


_OF_ITS_NODE = (
    "object.spec.?hostNetwork.orValue(false) || object.spec.?hostPID.orValue(false)"
    " || object.spec.?hostIPC.orValue(false) || object.spec.?volumes.orValue([]).exists(v, has(v.hostPath))"
)
"""Whether a pod asks for something of its node, as agents do."""


def _held(asked: _Asked) -> str:
    """Why only safe changes may be written to a container: it needs what the others would take away."""
    is_root = "one.user.exists(uid, uid == 0)"
    may_be_root = f"({_effective('runAsNonRoot')}).exists(said, !said)"
    kept = listed(sorted(KEPT_CAPABILITIES))
    adds = f"one.c.?securityContext.?capabilities.?add.orValue([]).exists(name, !(name in {kept}))"
    parts = [
        "one.c.?securityContext.?privileged.orValue(false)",
        is_root,
        may_be_root,
        adds,
        # What needs root in its image doesn't where its author gives it another user.
        "one.user.size() == 0 && one.facts.exists(line, line.split(' ')[4] == 'no')",
        f"({_OF_ITS_NODE}) && one.facts.exists(line, line.split(' ')[4] == 'agent')",
        *(
            f"({said})"
            for control in ("runAsNonRoot", "runAsUser")
            for said in matching.exempt_containers(control, asked.exemptions, "one.c")
        ),
    ]
    return "\n    || ".join(dict.fromkeys(parts))


def _data_volumes() -> str:
    sources = " || ".join(f"has(v.{source})" for source in DATA_VOLUMES)
    return f"object.spec.?volumes.orValue([]).filter(v, {sources}).map(v, v.name)"


_MOUNTS_DATA = (
    "one.c.?volumeMounts.orValue([]).exists(m, !m.?readOnly.orValue(false) && m.name in variables.dataVolumes)"
)


def _wanted(asked: _Asked) -> Iterator[tuple[str, str]]:
    """For each control the containers that it writes to."""
    held, own = "!one.isHeld", "one.c.?securityContext"
    openshift = asked.settings.platform == "openshift"
    for name, said in {
        "seccompProfile_restricted": _seccomp(asked),
        "allowPrivilegeEscalation": _escalation(asked),
        "capabilities_restricted": f"{held} && !('ALL' in {own}.?capabilities.?drop.orValue([])) && {_sure(asked)}",
        "runAsNonRoot": _non_root(asked),
        "numericUser": "false" if openshift else _user(asked),
        "numericGroup": "false" if openshift or asked.changes == "additive" else _group(asked),
        "readOnlyRootFilesystem": _read_only(asked),
    }.items():
        if name in asked.controls:
            here = "" if name == "runAsNonRoot" else "!variables.windows && "
            yield name, f"variables.held.filter(one, {here}{said}{asked.spared(name)})"


_IS_KNOWN = "(one.user.exists(uid, uid > 0) || one.uid.exists(uid, uid > 0) || one.anyUser)"
"""Whether a container has, or is known to take, another user than root."""


def _sure(asked: _Asked) -> str:
    """How sure it has to be that a container runs as another user than root."""
    if asked.changes == "additive":
        return "one.user.exists(uid, uid > 0) && !one.low"
    return _IS_KNOWN if asked.changes == "evidence" else "true"


_ANNOTATED = (
    "[object.metadata.?annotations[?'container.seccomp.security.alpha.kubernetes.io/' + one.c.name],\n"
    "    object.metadata.?annotations[?'seccomp.security.alpha.kubernetes.io/pod']]\n"
    "    .filter(said, said.hasValue()).map(said, string(said.value()))"
)
"""A list of the legacy annotations that stand for a container's profile, its own before the pod's."""


def _seccomp(asked: _Asked) -> str:
    """A container without a profile, unless an annotation in its place says something weaker."""
    local = "" if asked.changes == "additive" else " || said.startsWith('localhost/')"
    is_weaker = f"!(said in ['runtime/default', 'docker/default']{local})"
    return (
        "!one.c.?securityContext.?seccompProfile.hasValue()\n"
        "  && !variables.podContext.?seccompProfile.hasValue()\n"
        f"  && !{_ANNOTATED}.exists(said, {is_weaker})"
    )


def _profile() -> str:
    """The profile that a container gets: the runtime's, or the local one that its annotation names."""
    return (
        f"{_ANNOTATED}.map(said, said.startsWith('localhost/')\n"
        "    ? {'type': 'Localhost', 'localhostProfile': said.substring(10)} : {'type': 'RuntimeDefault'})\n"
        "    + [{'type': 'RuntimeDefault'}])[0]"
    )


def _escalation(asked: _Asked) -> str:
    said = (
        "!one.c.?securityContext.?allowPrivilegeEscalation.hasValue()\n"
        "  && !one.c.?securityContext.?privileged.orValue(false)\n"
        "  && !one.c.?securityContext.?capabilities.?add.orValue([])"
        ".exists(name, name in ['SYS_ADMIN', 'CAP_SYS_ADMIN'])"
    )
    if asked.changes != "complete":
        words = "(one.c.?command.orValue([]) + one.c.?args.orValue([]))"
        programs = "'(^|[ /])(sudo|su|doas|pkexec|newuidmap|newgidmap)( |$)'"
        said += f"\n  && !{words}.exists(word, word.matches({programs}))"
    return said


def _non_root(asked: _Asked) -> str:
    of_root = "(one.user.size() == 0 && one.uid.exists(uid, uid == 0))"
    sure = _sure(asked) if asked.settings.unknown_user == "uid" else f"{_IS_KNOWN} && {_sure(asked)}"
    said = f"!one.isHeld && ({_effective('runAsNonRoot')}).size() == 0 && !{of_root} && {sure}"
    if asked.own_users:
        said += " && object.spec.?hostUsers.orValue(true)"
    if asked.settings.platform != "openshift":
        # The kubelet refuses an image that starts as root, where nobody gives it another user.
        given = f"({_user(asked)}{asked.spared('numericUser')})" if "numericUser" in asked.controls else "false"
        as_root = "one.facts.exists(line, line.split(' ')[7] == 'root')"
        said += f"\n  && (one.user.size() > 0 || !{as_root} || {given})"
    return said


def _user(asked: _Asked) -> str:
    """A known user; else our own, but for who writes to volumes: their files belong to a user that its image knows."""
    if asked.changes == "additive":
        return "false"
    guessed = "one.anyUser"
    if asked.changes == "complete" and asked.settings.unknown_user == "uid":
        own = " && object.spec.?hostUsers.orValue(true)" if asked.own_users else ""
        guessed += f" || (!({_effective('runAsNonRoot')}).exists(said, said){own})"
    known = f"one.uid.exists(uid, uid > 0)\n    || (one.uid.size() == 0 && ({guessed}) && !{_MOUNTS_DATA})"
    return f"!one.isHeld && one.user.size() == 0\n  && ({known})"


def _group(asked: _Asked) -> str:
    """The group that goes with a known user, where the container has that or gets it."""
    given = "one.user.size() == 0 || " if "numericUser" in asked.controls else ""
    same = f"({given}one.user.exists(uid, uid == one.uid[0]))"
    has = f"{_first_gid()}.size() > 0"
    return f"!one.isHeld && ({_effective('runAsGroup')}).size() == 0 && one.uid.size() > 0 && {same} && {has}"


def _first_gid() -> str:
    """A list with the group of the user that is known first, or an empty one."""
    return "one.facts.map(line, line.split(' ')[2] != '-', line.split(' ')[3]).filter(gid, gid != '-')"


_OWN_FOLDERS = (
    r"(^|[\s;&|(/])mkdir(\s|$)|(?i)(^|\s)-[-\w.]*("
    + "|".join([*sorted(PLACES), rf"({'|'.join(sorted(DATA))})[-\w.]*[-._]({'|'.join(sorted(FOLDERS))})"])
    + r")(\s|=|$)"
)
"""What says in a command that it writes to folders which it names: `made_folders`, and a little more."""


def _read_only(asked: _Asked) -> str:
    paths = "one.facts.map(line, line.split(' ')[6])"
    said = (
        "!one.isHeld && !one.c.?securityContext.?readOnlyRootFilesystem.hasValue()\n"
        f"  && !{paths}.exists(said, said == 'keep')"
    )
    if asked.changes == "additive":
        return "false"
    if asked.changes != "complete":
        return f"{said}\n  && {paths}.exists(said, said != '-')"
    # Which folders a command makes and is told to use only `fix` reads.
    words = "(one.c.?command.orValue([]) + one.c.?args.orValue([]))"
    return f"{said}\n  && !{words}.exists(word, word.matches({literal(_OWN_FOLDERS)}))"


def _volumes(asked: _Asked) -> Variables:
    """The folders that get an emptyDir: of containers whose root becomes read-only, or that get another user."""
    default = [images.entry(path) for path in _default_paths(asked.settings) if images.is_sayable(path)]
    known = "one.facts.map(line, line.split(' ')[6]).filter(said, said != '-')"
    read_only = "one.path in variables.writes_readOnlyRootFilesystem.map(other, other.path)"
    new_user = (
        "one.path in variables.writes_numericUser.map(other, other.path)"
        " && !one.c.?securityContext.?readOnlyRootFilesystem.orValue(false)"
    )
    has = {"readOnlyRootFilesystem": read_only, "numericUser": new_user}
    which = [said for name, said in has.items() if name in asked.controls]
    if not which:
        return []
    otherwise = f"({read_only}) ? {listed(default)} : []" if "readOnlyRootFilesystem" in asked.controls else "[]"
    paths = f"{known}.size() == 0 ? ({otherwise})\n    : {known}[0] in ['none', 'keep'] ? [] : {known}[0].split(',')"
    mounted = (
        "one.c.?volumeMounts.orValue([]).exists(m, (f.mount + '/').startsWith(m.mountPath.endsWith('/')"
        " ? m.mountPath : m.mountPath + '/'))"
    )
    end = "(said + ':' + said.substring(1).replace('/', '-')).split(':')[1]"
    split = f"{{'mount': said.split(':')[0], 'end': '-' + {end}}}"
    of_place = "'krm-harden-' + one.path.substring(5).lowerAscii().replace('/', '-') + f.end"
    of_container = "'krm-harden-' + string(one.c.name) + f.end"
    entry = (
        f"{{'path': string(one.path), 'mount': f.mount, 'name': string(one.c.name),\n"
        f"    'volume': {of_container}, 'other': {of_place}}}"
    )
    return [
        (
            "wanted",
            f"variables.held.filter(one,\n  {' || '.join(f'({said})' for said in which)}).map(one,\n"
            f"  ({paths})\n  .map(said, {split})\n  .filter(f, !{mounted})\n"
            f"  .map(f, {entry})).flatten()",
        ),
        ("folders", f"variables.wanted.map(f, {{'path': f.path, 'mount': f.mount, 'volume': {_VOLUME}}})"),
    ]


LONGEST_LABEL = 63
_VOLUME = (
    f"f.volume.size() > {LONGEST_LABEL}\n"
    "    || object.spec.?volumes.orValue([]).exists(v, v.name == f.volume)\n"
    "    || (f.name.contains('-') && variables.wanted.exists(w, w.path != f.path && w.volume == f.volume))\n"
    "    ? f.other : f.volume"
)
"""What a folder's volume is called: after its container, or after the place of that where another one has the name or
may have: `/b/c` of `a` and `/c` of `a-b`. No container's name begins with a dash, as such a place does."""


def _default_paths(settings: Settings) -> Sequence[str]:
    """The folders that a container gets whose image nobody described, each once."""
    said = settings.control("readOnlyRootFilesystem").get("writablePaths", DEFAULT_PATHS)
    return list(dict.fromkeys(map(str, said)))


def _groups(asked: _Asked) -> Variables:
    """The groups that claims need: of the known users that containers get which write to one."""
    if not {"fsGroup", "numericUser"} <= asked.controls:
        return []
    claims = " || ".join(f"has(v.{source})" for source in CLAIMS)
    mounts = (
        f"object.spec.?volumes.orValue([]).exists(v, ({claims})\n"
        "      && one.c.?volumeMounts.orValue([]).exists(m, m.name == v.name && !m.?readOnly.orValue(false)))"
    )
    group = f"({_first_gid()}.map(gid, int(gid)) + one.uid)[0]"
    return [("groups", f"variables.writes_numericUser.map(one,\n  one.uid.size() > 0 && {mounts},\n  {group})")]


def _patches(asked: _Asked) -> Iterator[str]:
    """The lists of patches, each after those that it relies on."""
    containers = [name for name in OF_CONTAINERS if name in asked.controls]
    touched = " + ".join(f"variables.writes_{name}.map(one, one.path)" for name in containers)
    yield (
        f"variables.held.filter(one, !one.c.?securityContext.hasValue() && one.path in ({touched}))\n"
        "  .map(one, JSONPatch{op: 'add', path: one.path + '/securityContext', value: {}})"
    )
    for name, field, value in (
        ("seccompProfile_restricted", "seccompProfile", f"({_profile()}"),
        ("allowPrivilegeEscalation", "allowPrivilegeEscalation", "false"),
        ("runAsNonRoot", "runAsNonRoot", "true"),
        ("numericUser", "runAsUser", f"(one.uid + [{our_uid(asked.settings)}])[0]"),
        ("numericGroup", "runAsGroup", f"int({_first_gid()}[0])"),
        ("readOnlyRootFilesystem", "readOnlyRootFilesystem", "true"),
    ):
        if name in asked.controls:
            yield _patch(name, f"/securityContext/{field}", value)
    if "capabilities_restricted" in asked.controls:
        yield from _capabilities()
    if {"readOnlyRootFilesystem", "numericUser"} & asked.controls:
        yield from _mounts()
    if "numericUser" in asked.controls:
        yield from _for_new_users(asked)


def our_uid(settings: Settings) -> int:
    """The user for images that nobody described."""
    return int(settings.control("numericUser").get("uid", DEFAULT_UID))


def _patch(name: str, path: str, value: str, condition: str = "") -> str:
    said = f"one, {condition}, " if condition else "one, "
    return f"variables.writes_{name}.map({said}\n  JSONPatch{{op: 'add', path: one.path + '{path}', value: {value}}})"


def _capabilities() -> Iterator[str]:
    name, own = "capabilities_restricted", "one.c.?securityContext.?capabilities"
    yield _patch(name, "/securityContext/capabilities", "{'drop': ['ALL']}", f"!{own}.hasValue()")
    yield _patch(name, "/securityContext/capabilities/drop", "['ALL']", f"{own}.hasValue() && !{own}.?drop.hasValue()")
    yield _patch(name, "/securityContext/capabilities/drop/-", "'ALL'", f"{own}.?drop.hasValue()")


def _mounts() -> Iterator[str]:
    yield (
        "variables.held.filter(one, !one.c.?volumeMounts.hasValue()\n"
        "    && variables.folders.exists(f, f.path == one.path))\n"
        "  .map(one, JSONPatch{op: 'add', path: one.path + '/volumeMounts', value: []})"
    )
    yield (
        "variables.folders.map(f, JSONPatch{op: 'add', path: f.path + '/volumeMounts/-',\n"
        "  value: {'name': f.volume, 'mountPath': f.mount}})"
    )
    yield (
        "(variables.folders.size() > 0 && !object.spec.?volumes.hasValue()\n"
        "  ? [JSONPatch{op: 'add', path: '/spec/volumes', value: []}] : [])"
    )
    yield (
        "variables.folders.filter(f, !object.spec.?volumes.orValue([]).exists(v, v.name == f.volume))\n"
        "  .map(f, JSONPatch{op: 'add', path: '/spec/volumes/-', value: {'name': dyn(f.volume), 'emptyDir': dyn({})}})"
    )


def _for_new_users(asked: _Asked) -> Iterator[str]:
    """What the new user of a container needs of the pod."""
    users = "variables.writes_numericUser"
    if "unprivilegedNetwork" in asked.controls:
        name = "net.ipv4.ip_unprivileged_port_start"
        sysctls = "variables.podContext.?sysctls"
        needed = (
            f"{users}.exists(one, one.low) && !object.spec.?hostNetwork.orValue(false)\n"
            f"  && !{sysctls}.orValue([]).exists(s, s.name == '{name}')"
        )
        value = f"{{'name': '{name}', 'value': '0'}}"
        yield (
            f"({needed}\n  ? [{sysctls}.hasValue()\n"
            f"      ? JSONPatch{{op: 'add', path: '/spec/securityContext/sysctls/-', value: {value}}}\n"
            f"      : JSONPatch{{op: 'add', path: '/spec/securityContext/sysctls', value: [{value}]}}]\n  : [])"
        )
    if "fsGroup" in asked.controls:
        new = "variables.groups.size() > 0 && !variables.podContext.?fsGroup.hasValue()"
        group = "JSONPatch{op: 'add', path: '/spec/securityContext/fsGroup', value: variables.groups[0]}"
        policy = "JSONPatch{op: 'add', path: '/spec/securityContext/fsGroupChangePolicy', value: 'OnRootMismatch'}"
        yield f"({new}\n  ? [{group}] : [])"
        yield f"({new} && !variables.podContext.?fsGroupChangePolicy.hasValue()\n  ? [{policy}] : [])"

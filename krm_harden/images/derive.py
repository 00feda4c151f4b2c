"""From an image's configuration, its files and, where there is one, a run of it, to facts.

    facts(config, files, observed, known) -> (facts, evidence)

Each fact has its evidence: config (the configuration says so), layers (the files do), observed (a run did), guess (a
rule of thumb). What the configuration doesn't say, start scripts often do: docker-library's entrypoints end in
`exec gosu redis "$0" "$@"`. What a program itself writes shows only in a run, so without one the writable paths stay a
guess.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.images.command_lines import needs_root
from krm_harden.images.layers import LONGEST_PATH, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.images.layers import Entry, Files, Settings

CONFIG, LAYERS, OBSERVED, GUESS = "config", "layers", "observed", "guess"
TMP = "/tmp"  # noqa: S108  a folder of the image
HIGHEST_ID = 2**31 - 1
HIGHEST_PORT = 65535


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INIT_PATHS = ("/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd")

# What runs whatever it is told: an image with such a command alone is a base for others.
INTERPRETERS = _words(
    "sh bash ash dash zsh python python2 python3 node nodejs irb ruby perl php jshell julia R ghci iex erl lua"
)
SHELLS = _words("sh bash ash dash zsh ksh busybox")
WRAPPERS = SHELLS | _words("tini tini-static dumb-init catatonit env exec nice nohup pid1")

HELPERS = _words(
    "cat cd chgrp chmod chown cp echo export grep if fi then else do done while for set sleep ls ln mkdir mv printf "
    "rm sed source test touch true umask until unset wait [ [[ . : { }"
)

# Programs that start another one as another user: the options that name the user, whether the first word does, and
# the options that take a value.
STEP_DOWN: dict[str, tuple[tuple[str, ...], bool, tuple[str, ...]]] = {
    "gosu": ((), True, ()),
    "su-exec": ((), True, ()),
    "setuser": ((), True, ()),
    "setuidgid": ((), True, ()),
    "s6-setuidgid": ((), True, ()),
    "s6-applyuidgid": (("-u",), False, ("-g", "-G")),
    "chpst": (("-u", "-U"), False, ()),
    "setpriv": (("--reuid", "--ruid"), False, ()),
    "chroot": (("--userspec",), False, ()),
    "capsh": (("--user",), False, ()),
    "runuser": (("-u", "--user"), True, ("-s", "--shell", "-c", "--command", "-g", "--group", "-G", "-w")),
    "su": ((), True, ("-s", "--shell", "-c", "--command", "-g", "--group", "-G", "-w")),
    "sudo": (("-u", "--user"), False, ()),
    "start-stop-daemon": (("-c", "--chuid"), False, ()),
}

# Folders of every distribution: a mount on one of them hides programs, configuration or other folders.
NEVER = _words(
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /opt /proc /root /sbin /srv /sys /usr /var /usr/bin "
    "/usr/games /usr/include /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin /usr/local/lib "
    "/usr/local/sbin /usr/local/share /usr/sbin /usr/share /usr/src /var/lib"
)
NEVER_BELOW = ("/proc/", "/sys/", "/dev/", "/root/", "/boot/")
# What is in them in an image is left over from its making, or made again by who writes there.
EXPENDABLE = _words("/run /tmp /var/log /var/tmp /var/cache /run/lock /var/spool /var/mail")
SHARED_FOLDERS = _words("/run/lock /run/screen /run/shm /var/tmp /var/mail /var/local /usr/local/share") | {TMP}
OPTIONAL = frozenset(["/var/cache/fontconfig"])

# Paths of a run that the runtime makes, and caches that nobody misses.
NOISE = _words(
    "/etc/hosts /etc/resolv.conf /etc/hostname /etc/mtab /etc/ld.so.cache /run/.containerenv /.dockerenv "
    "/run/secrets /etc/passwd /etc/group /proc /sys /dev"
)
NOISE_BELOW = ("/proc/", "/sys/", "/dev/", "/run/secrets/", "/var/cache/ldconfig/")
NOISE_NAMES = re.compile(r"(^|/)__pycache__(/|$)|\.py[co]$")

WRITERS = _words("chgrp chmod chown cp install ln mkdir mv rm sed tee touch")
IN_PLACE = ("-i", "--in-place")
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/@+-]+")  # a mountPath holds no colon
TOKEN = re.compile(r"\"[^\"]*\"|'[^']*'|\d*>>?\|?|&>|[;|&()<\n]|(?:\\.|[^\s;|&()<>\"'])+|[\"']")
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")

# Users that come with Debian, Alpine and Red Hat: that one exists says nothing about the image's program.
BASE_USERS = _words(
    "root daemon bin sys sync games man lp mail news uucp proxy backup list irc gnats nobody _apt adm shutdown halt "
    "operator postmaster cron ftp sshd at squid xfs cyrus vpopmail ntp smmsp guest messagebus systemd-network "
    "systemd-resolve systemd-timesync dbus tss systemd-oom systemd-coredump rpc utmp"
)


class Observed(NamedTuple):
    """What runs showed. `added` and `changed` are the paths that differ from the image; `folders` are some of them."""

    seconds: int = 0
    exit_code: int | None = None  # None: it still ran
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()  # what volumes covered: not seen
    ports: tuple[int, ...] = ()
    user: int = 0  # that the first process ran as
    users: tuple[int, ...] = ()  # of all processes
    restricted: str = ""  # runs, fails, or unclear where the plain run failed already
    uid: int | None = None  # that the restricted run was done as
    gid: int | None = None
    paths: tuple[str, ...] = ()  # writable folders that only the restricted run asked for
    note: str = ""


class Account(NamedTuple):
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


class Path(NamedTuple):
    """A writable path and how it is known."""

    path: str
    seed: str
    evidence: str
    optional: bool = False


class Image(NamedTuple):
    """What all rules read."""

    start: Settings
    files: Files
    accounts: tuple[Account, ...]
    commands: tuple[tuple[str, ...], ...]  # of the start scripts and of the configured command
    observed: Observed | None


Fact = tuple[Any, str]  # and its evidence


def facts(
    config: Mapping[str, Any],
    files: Files,
    observed: Observed | None = None,
    known: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts of an image and their evidence, by field.

    `known` is what the catalogue says of it: guesses about the same fields are left out.
    """
    if config.get("os") == "windows":
        reason = {"code": "windows", "reason": "Windows has none of the fields that restricted asks for"}
        return {"cannotRestrict": reason}, {"cannotRestrict": CONFIG}
    start = settings(config)
    image = Image(start, files, tuple(accounts(files)), tuple(_commands(start, files)), observed)
    found: dict[str, Fact] = {}
    found.update(_default_user(image))
    found.update(_user(image))
    found.update(_command_facts(image))
    paths = list(_paths(image, _number(found, "uid")))
    found.update(_environment(image, found, paths))
    found.update(_owned_folder(image))
    found.update(_refusal(image, known or {}))
    kept = {
        field: (value, evidence)
        for field, (value, evidence) in {**found, **_writable(image, paths, _listed(known))}.items()
        if evidence != GUESS or not known or field not in known
    }
    return (
        {field: kept[field][0] for field in FIELDS if field in kept},
        {field: kept[field][1] for field in FIELDS if field in kept},
    )


FIELDS = (
    *("defaultUser", "uid", "gid", "anyUid", "dependsOnCommand", "programs", "writablePaths", "fileCapabilities"),
    *("ports", "env", "ownedFolder", "cannotRestrict"),
)


def _number(found: Mapping[str, Fact], field: str) -> int | None:
    return found[field][0] if field in found else None


# ---- users


def accounts(files: Files) -> Iterator[Account]:
    """The lines of the image's /etc/passwd that say what they should."""
    for line in files.texts.get("/etc/passwd", "").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and _is_id(fields[2]) and _is_id(fields[3]):
            yield Account(fields[0], int(fields[2]), int(fields[3]), fields[5])


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= HIGHEST_ID


def _is_port(text: str) -> bool:
    return _is_id(text) and 1 <= int(text) <= HIGHEST_PORT


def _account(image: Image, user: str) -> Account | None:
    """Whom a name or a number means; a number needs no line in passwd, and then has gid 0 as with containerd."""
    wanted = int(user) if _is_id(user) else None
    for account in image.accounts:
        if account.name == user or account.uid == wanted:
            return account
    return Account("", wanted, 0, "/") if wanted is not None else None


def _group(image: Image, group: str) -> int | None:
    if _is_id(group):
        return int(group)
    rows = (line.split(":") for line in image.files.texts.get("/etc/group", "").splitlines())
    return next((int(row[2]) for row in rows if len(row) > 2 and row[0] == group and _is_id(row[2])), None)


def _whom(image: Image, spec: str) -> Account | None:
    """`user` or `user:group`, of names or numbers."""
    user, _, group = spec.partition(":")
    account = _account(image, user)
    gid = _group(image, group) if group else None
    return account._replace(gid=gid) if account and gid is not None else account


def _default_user(image: Image) -> dict[str, Fact]:
    account = _whom(image, image.start.user or "0")
    if account is None:
        return {}
    named = not _is_id(image.start.user.partition(":")[0] or "0")
    return {"defaultUser": (account.uid, LAYERS if named else CONFIG)}


def _user(image: Image) -> dict[str, Fact]:
    """Who the image should run as: who was seen to work, who the configuration or a script names, who owns its data."""
    seen = image.observed
    if seen and seen.restricted == "runs":
        if seen.uid is None:
            return {"anyUid": (True, OBSERVED)}
        return {"uid": (seen.uid, OBSERVED), "gid": (seen.gid or 0, OBSERVED)}
    start = _whom(image, image.start.user or "0")
    if start and start.uid:
        user, _, group = image.start.user.partition(":")
        evidence = {"uid": CONFIG if _is_id(user) else LAYERS, "gid": CONFIG if _is_id(group) else LAYERS}
        return {"uid": (start.uid, evidence["uid"]), "gid": (start.gid, evidence["gid"])}
    if start is None:
        return {}
    for evidence_of, found in ((LAYERS, _stepped_down(image) or _owner(image)), (GUESS, _ordinary(image))):
        if found:
            return {"uid": (found.uid, evidence_of), "gid": (found.gid, evidence_of)}
    return {"anyUid": (True, GUESS)}


def candidates(image_config: Mapping[str, Any], files: Files, observed: Observed) -> list[tuple[int, int] | None]:
    """The uids and gids to try in a run, the most likely first; None stands for a uid that the image doesn't know."""
    start = settings(image_config)
    image = Image(start, files, tuple(accounts(files)), tuple(_commands(start, files)), None)
    workers = [account for uid in observed.users if uid and (account := _account(image, str(uid)))]
    first = _user(image)
    stated = [(first["uid"][0], first["gid"][0])] if "uid" in first else []
    sure = "uid" in first and first["uid"][1] != GUESS
    others = [account for account in image.accounts if 1000 <= account.uid < 65534] or [*_owning(image)][:1]
    likely = [(account.uid, account.gid) for account in workers]
    tried = [*stated, *likely] if sure else [*likely, *stated]
    return [*dict.fromkeys([*tried, *((account.uid, account.gid) for account in others)]), None]


def _stepped_down(image: Image) -> Account | None:
    """The user that a start script changes to, which is who the program runs as already."""
    for command in image.commands:
        for index, word in enumerate(command):
            rule = STEP_DOWN.get(word.rpartition("/")[2])
            spec = _named_user(command[index + 1 :], *rule) if rule else ""
            account = _whom(image, _expanded(spec, image)) if spec else None
            if account and account.uid:
                return account
    return None


def _named_user(words: Sequence[str], options: tuple[str, ...], first: bool, valued: tuple[str, ...]) -> str:
    skip = False
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if skip:
            skip = False
        elif option in options:
            return value if equals else words[index + 1] if index + 1 < len(words) else ""
        elif word in valued:
            skip = True
        elif not word.startswith("-"):
            return word if first else ""
    return ""


def _expanded(text: str, image: Image) -> str:
    """The text with the variables that the image sets, or that have a default where they stand; "" for others."""
    names = [(match[0], image.start.env.get(match[1] or match[3]) or match[2]) for match in VARIABLE.finditer(text)]
    for variable, value in names:
        if not value or len(text) > LONGEST_PATH:
            return ""
        text = text.replace(variable, value, 1)
    return text


def _owner(image: Image) -> Account | None:
    """Who owns the folders that the image is made to write: its volumes, its working directory."""
    for path in (*image.start.volumes, image.start.working_dir):
        entry = image.files.entry(path)
        if entry and entry.uid:
            known = next((account for account in image.accounts if account.uid == entry.uid), None)
            return known or Account("", entry.uid, entry.gid, "/")
    return None


def _ordinary(image: Image) -> Account | None:
    """The one user that was made for the image's program."""
    people = [account for account in image.accounts if 1000 <= account.uid < 65534]
    chosen = people or list(_owning(image))
    return chosen[0] if len(chosen) == 1 else None


def _owning(image: Image) -> Iterator[Account]:
    """The system users that own files, but for those of the distribution."""
    owners = {entry.uid for entry in image.files.entries.values()}
    for account in image.accounts:
        if 0 < account.uid < 1000 and account.uid in owners and account.name not in BASE_USERS:
            yield account


# ---- the command


def _commands(start: Settings, files: Files) -> Iterator[tuple[str, ...]]:
    """The commands that a start runs, as words: those of the configuration, then those of the scripts."""
    yield start.command
    for word in start.command:
        if " " in word:
            yield from _split(word)
    for path, text in files.texts.items():
        if not path.startswith("/etc/"):
            yield from _split(text)


def _split(script: str) -> Iterator[tuple[str, ...]]:
    """A script's simple commands. Redirections stay in them as the word `>` before their target."""
    words: list[str] = []
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)(^|[ \t;])#.*$", "", script))
    for token in TOKEN.findall(joined):
        if token in {";", "|", "&", "(", ")", "\n"}:
            if words:
                yield tuple(words)
            words = []
        elif ">" in token and not token.startswith(('"', "'")):
            words.append(">")
        else:
            words.append(token[1:-1] if token[:1] in {'"', "'"} and len(token) > 1 else token)
    if words:
        yield tuple(words)


def _programs(image: Image) -> dict[str, str]:
    """The programs of the configured command: basename -> real path, "" where the image doesn't have it."""
    start = image.start
    words = [*start.entrypoint[:1], *start.cmd[:1]]
    if start.command and _base(start.command[0]) in WRAPPERS:
        words += [word for word in start.command[1:] if image.files.program(word, start)]
        words += [word for text in start.command[1:] if " " in text for word in _started(text)]
    found = {_base(word): image.files.program(word, start) for word in words if _is_program(word)}
    return {name: path for name, path in found.items() if name not in WRAPPERS} or found


def _started(script: str) -> Iterator[str]:
    """The words of a script that stand where a command's name does."""
    for command in _split(script):
        names = (word for word in command if not (word in WRAPPERS or "=" in word or word.startswith("-")))
        name = next(names, "")
        if name and _base(name) not in HELPERS:
            yield name


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _is_program(word: str) -> bool:
    return bool(word) and not word.startswith("-") and " " not in word and PLAIN_PATH.fullmatch(f"/{word}") is not None


def _command_facts(image: Image) -> dict[str, Fact]:
    start, seen = image.start, image.observed
    programs = _programs(image)
    exposed = {int(port) for said in start.ports if _is_port(port := said.partition("/")[0])}
    heard = set(seen.ports) if seen else set()
    found: dict[str, Fact] = {"fileCapabilities": (_file_capabilities(image), LAYERS)}
    if programs:
        found["programs"] = (sorted(programs), CONFIG)
    if exposed | heard:
        found["ports"] = (sorted(exposed | heard), OBSERVED if heard else CONFIG)
    if _is_base(image):
        found["dependsOnCommand"] = (True, CONFIG)
    return found


def _is_base(image: Image) -> bool:
    """Whether the image starts an interpreter without anything to run, or nothing at all."""
    start = image.start
    before = [_base(word) for word in start.entrypoint if image.files.program(word, start) not in image.files.texts]
    if not start.cmd:
        return not before and not start.entrypoint
    return len(start.cmd) == 1 and _base(start.cmd[0]) in INTERPRETERS and all(word in WRAPPERS for word in before)


def _file_capabilities(image: Image) -> list[dict[str, Any]]:
    """The programs that the kernel refuses to start without a capability, and those that NET_BIND_SERVICE helps."""
    return [
        {"path": path, "capabilities": list(entry.capabilities.permitted)}
        for path, entry in sorted(image.files.entries.items())
        if entry.capabilities
        and entry.capabilities.permitted
        and (entry.capabilities.effective or entry.capabilities.permitted == ("NET_BIND_SERVICE",))
        and PLAIN_PATH.fullmatch(path)
    ]


def _refusal(image: Image, known: Mapping[str, Any]) -> dict[str, Fact]:
    """Why the image can't run restricted, if it can't."""
    for name, path in _programs(image).items():
        code, reason = needs_root([name, _base(path)])
        if code:
            return {"cannotRestrict": ({"code": code, "reason": reason}, CONFIG)}
        if path in INIT_PATHS or image.start.command[0] in INIT_PATHS:
            reason = f"{path or name} is an init system, which starts services as root"
            return {"cannotRestrict": ({"code": "needs-root", "reason": reason}, CONFIG)}
        entry = image.files.entries.get(path)
        lost = _lost_capabilities(entry)
        if lost:
            reason = (
                f"{path} has the file capability {' and '.join(lost)}, without which the kernel refuses to start it"
            )
            return {"cannotRestrict": ({"code": "file-capability", "reason": reason}, LAYERS)}
    return _seen_refusal(image, known)


PRIVILEGES = ("no new privileges", "setuid", "sudo:", "effective uid is not 0")
"""What a program says that is to become somebody else, and can't."""


def _seen_refusal(image: Image, known: Mapping[str, Any]) -> dict[str, Fact]:
    """What a run, or the lack of one that worked, says against restricting.

    Of an image whose user the catalogue knows, it says that the run lacked something which the catalogue knows too.
    """
    observed = image.observed or Observed()
    written = next(_written_to_root(image), "")
    if written:
        reason = f"it writes {written}, and no volume can be mounted at /"
        return {"cannotRestrict": ({"code": "writes-to-root", "reason": reason}, OBSERVED)}
    if observed.restricted == "fails" and "uid" not in known:
        return {"cannotRestrict": (_failure(observed), OBSERVED)}
    if (
        observed.restricted != "runs"
        and "/init" in image.start.command[:1]
        and image.files.has_files("/etc/s6-overlay")
    ):
        reason = "/init of s6-overlay changes owners and users at its start"
        return {"cannotRestrict": ({"code": "needs-root", "reason": reason}, GUESS)}
    return {}


def _failure(observed: Observed) -> dict[str, str]:
    """Why a program that ran plainly failed restricted, as far as that can be told."""
    if 0 in observed.users and any(observed.users):
        reason = "it runs as root and as others at once, and didn't run as any one of them"
        return {"code": "switches-users", "reason": reason}
    if any(words in observed.note.lower() for words in PRIVILEGES):
        return {"code": "gains-privileges", "reason": f"restricted, {observed.note}"}
    return {"code": "fails-restricted", "reason": f"it ran as it is, but restricted {observed.note}"}


def _lost_capabilities(entry: Entry | None) -> list[str]:
    if entry is None or entry.capabilities is None or not entry.capabilities.effective:
        return []
    return [name for name in entry.capabilities.permitted if name != "NET_BIND_SERVICE"]


def _owned_folder(image: Image) -> dict[str, Fact]:
    """Whoever runs initdb must own PGDATA, and that moves it (docker-library/postgres#1270)."""
    data = image.start.env.get("PGDATA", "")
    if not (PLAIN_PATH.fullmatch(data) and any("initdb" in map(_base, command) for command in image.commands)):
        return {}
    return {"ownedFolder": ({"path": data, "variable": "PGDATA", "subfolder": "pgdata"}, LAYERS)}


# ---- writable paths


def _paths(image: Image, uid: int | None) -> Iterator[Path]:
    """All that is known to be written, the surest first."""
    for volume in image.start.volumes:
        path = image.files.real(volume)
        if mountable(path):
            yield Path(path, "data", CONFIG)
    if image.observed:
        yield from _observed(image, image.observed)
    seen = image.observed is not None and image.observed.restricted == "runs"
    yield Path(TMP, "empty", OBSERVED if seen and _below(TMP, image.observed) else GUESS)
    for path in [*_from_scripts(image), *_open_folders(image, uid)]:
        if not (image.files.has_files(path) and path not in EXPENDABLE):
            yield Path(path, "empty", GUESS, optional=seen or path in OPTIONAL)


def _below(folder: str, observed: Observed | None) -> bool:
    return observed is not None and any(path.startswith(folder + "/") for path in (*observed.added, *observed.changed))


def mountable(path: str) -> bool:
    return path not in NEVER and not f"{path}/".startswith(NEVER_BELOW) and PLAIN_PATH.fullmatch(path) is not None


def _observed(image: Image, observed: Observed) -> Iterator[Path]:
    """The exact folders of what a run wrote."""
    for path in sorted({*_new_folders(image, observed), *_folders_of_files(image, observed), *observed.paths}):
        if mountable(path):
            yield Path(path, _seed(image, path), OBSERVED, path in OPTIONAL)


def _seed(image: Image, path: str) -> str:
    return "copy" if image.files.has_files(path) and path not in EXPENDABLE else "empty"


def _written(image: Image, observed: Observed) -> list[str]:
    """The added and changed paths that the program wrote, not the runtime, which makes what it mounts on."""
    made = {parent for place in (*observed.mounts, image.start.working_dir) for parent in _with_parents(place)}
    return [
        path
        for path in (*observed.added, *observed.changed)
        if path not in NOISE
        and path not in made
        and not path.startswith(NOISE_BELOW)
        and not NOISE_NAMES.search(path)
        and not any(path.startswith(mount + "/") for mount in observed.mounts)
    ]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = _parent(path)


def _is_folder(path: str, image: Image, folders: set[str], holding: set[str]) -> bool:
    entry = image.files.entries.get(path)
    return path in folders or path in holding or (entry is not None and entry.kind == "folder")


def _holding(observed: Observed) -> set[str]:
    """The paths that have others below them."""
    return {parent for path in (*observed.added, *observed.changed) for parent in _with_parents(_parent(path))}


def _new_folders(image: Image, observed: Observed) -> Iterator[str]:
    """The topmost folders that weren't in the image; where several are in one empty folder, that one."""
    folders, holding = set(observed.folders), _holding(observed)
    added = set(_written(image, observed)).intersection(observed.added)
    new = [path for path in added if _is_folder(path, image, folders, holding) and _parent(path) not in added]
    beside = Counter(map(_parent, new))
    for path in new:
        parent = image.files.real(_parent(path))
        emptied = mountable(parent) and parent not in EXPENDABLE and not image.files.has_files(parent)
        yield parent if emptied and beside[_parent(path)] > 1 else path


def _folders_of_files(image: Image, observed: Observed) -> Iterator[str]:
    """The folders of the image in which files were added or changed."""
    folders, holding = set(observed.folders), _holding(observed)
    written = _written(image, observed)
    new = set(observed.added)
    for path in written:
        folder = _parent(path) or "/"
        if folder not in new and not _is_folder(path, image, folders, holding):
            yield image.files.real(folder)


def _written_to_root(image: Image) -> Iterator[str]:
    observed = image.observed or Observed()
    folders, holding = set(observed.folders), _holding(observed)
    for path in _written(image, observed):
        if path.count("/") == 1 and path not in EXPENDABLE and not _is_folder(path, image, folders, holding):
            yield path


def _from_scripts(image: Image) -> Iterator[str]:
    """The folders that start scripts make, change or write to, where their paths are literal."""
    for command in image.commands:
        for word, is_folder in _targets(command):
            literal = _expanded(word, image)
            path = image.files.real(literal) if literal.startswith("/") else ""
            entry = image.files.entries.get(path)
            folder = path if entry and entry.kind == "folder" else path if is_folder else _parent(path)
            if mountable(folder) and not folder.startswith(f"{TMP}/"):
                yield folder


def _targets(command: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The paths that a command writes, and whether a path that the image doesn't have is a folder."""
    for before, word in zip(command, command[1:], strict=False):
        if before == ">":
            yield word, False
    index = next((index for index, word in enumerate(command) if _base(word) in WRITERS), len(command))
    rest = [word for word in command[index + 1 :] if not word.startswith("-") and word != ">"]
    verb = _base(command[index]) if index < len(command) else ""
    if verb == "mkdir" or (verb == "install" and "-d" in command):
        yield from ((path, True) for path in rest)
    elif verb in {"chown", "chmod", "chgrp"}:
        yield from ((path, "." not in _base(path)) for path in rest[1:])
    elif verb in {"touch", "tee"} or (verb == "rm" and "-f" in command):
        yield from ((path, False) for path in rest)
    elif verb in {"cp", "mv", "ln"} or (verb == "sed" and any(part.startswith(IN_PLACE) for part in command)):
        yield from ((path, False) for path in rest[-1:])


def _open_folders(image: Image, uid: int | None) -> Iterator[str]:
    """The empty folders that are open to all, or belong to the user."""
    for path, entry in sorted(image.files.entries.items()):
        if (
            entry.kind == "folder"
            and (entry.mode & 0o002 or (uid and entry.uid == uid))
            and path not in SHARED_FOLDERS
            and path not in image.files.filled
            and not path.startswith("/etc/")
            and mountable(path)
        ):
            yield path


def _writable(image: Image, paths: Iterable[Path], known: set[str] | None) -> dict[str, Fact]:
    """The paths as facts, without those that another one covers.

    `known` are the catalogue's. A run may change files that it leaves out: the program can do without.
    """
    wanted = [
        path._replace(optional=path.optional or (known is not None and path.seed == "copy" and path.path not in known))
        for path in paths
        if known is None or path.evidence != GUESS
    ]
    first = {path.path: path for path in reversed(wanted)}
    above = {parent for path in wanted if path.evidence != GUESS for parent in _with_parents(_parent(path.path))}
    kept = [
        path
        for path in first.values()
        if not any(
            _covers(first[parent], path, image) for parent in _with_parents(_parent(path.path)) if parent in first
        )
        and not (path.evidence == GUESS and path.path in above)
    ]
    if not kept:
        return {}
    seen = image.observed is not None and image.observed.restricted == "runs"
    surest = OBSERVED if seen else GUESS if known is None else min(path.evidence for path in kept)
    return {"writablePaths": ([_item(path) for path in sorted(kept)], surest)}


def _listed(known: Mapping[str, Any] | None) -> set[str] | None:
    """The paths that the catalogue has, or None."""
    if known is None or "writablePaths" not in known:
        return None
    return {item if isinstance(item, str) else item["path"] for item in known["writablePaths"]}


def _covers(parent: Path, path: Path, image: Image) -> bool:
    """A folder that an empty volume at its parent hides needs its own, if it was in the image."""
    return path.evidence == GUESS or parent.seed == "copy" or path.path not in image.files.entries


def _item(path: Path) -> dict[str, Any]:
    optional = {"optional": True} if path.optional else {}
    return {"path": path.path, "seed": path.seed, **optional, "evidence": path.evidence}


def _environment(image: Image, found: Mapping[str, Fact], paths: list[Path]) -> dict[str, Fact]:
    """HOME, where root's home was written to: another user can't go there, whatever is mounted."""
    observed = image.observed
    if (
        observed is None
        or observed.user
        or not _below("/root", observed._replace(added=tuple(_written(image, observed)), changed=()))
    ):
        return {}
    uid = _number(found, "uid")
    home = next((account.home for account in image.accounts if account.uid == uid), "")
    writable = home in {path.path for path in paths} and image.files.entry(home) is not None
    return {"env": ({"HOME": home if writable else TMP}, OBSERVED)}

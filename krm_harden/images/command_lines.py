"""What a container's command says about itself: which programs it starts, and what a user other than root can't do.

A word-by-word reading, not a shell: what it doesn't understand it says nothing about.
"""

from __future__ import annotations

from krm_harden.model import MAX_ID, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.model import Container

SHELLS = frozenset({"sh", "bash", "ash", "dash", "busybox", "zsh"})
WRAPPERS = frozenset(
    ["env", "exec", "nice", "nohup", "tini", "dumb-init", "time", "command", "ionice", "setsid", "stdbuf", "timeout"]
)
"""Programs that start the one named after them."""
SEPARATORS = (";", ";;", "&&", "||", "|", "&", "\n", "(", ")")
KEYWORDS = frozenset({"{", "}", "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "!"})
_JOBS = ("switches-users", "{} starts its jobs as their users, which takes root and SETUID")
_LOGINS = ("switches-users", "{} becomes the user who logs in, which takes root and SETUID")
_SERVICES = ("needs-root", "{} is an init system, which starts services as root")
_CONTAINERS = ("needs-root", "{} runs containers itself, which takes root and mounts")
NEEDS_ROOT = {
    **dict.fromkeys(("cron", "crond", "atd", "anacron", "fcron", "dcron"), _JOBS),
    **dict.fromkeys(
        ("sshd", "dropbear", "vsftpd", "proftpd", "in.tftpd", "smbd", "login"),
        _LOGINS,
    ),
    **dict.fromkeys(("systemd", "runsvdir-start", "openrc", "openrc-init"), _SERVICES),
    **dict.fromkeys(("dockerd", "containerd", "kubelet", "crio", "dind", "dockerd-entrypoint.sh"), _CONTAINERS),
}
"""Programs that must be root, whatever a short run of them looks like: cron starts, but its jobs don't."""
INSTALLERS = {
    "apt-get": "install",
    "apt": "install",
    "apk": "add",
    "dnf": "install",
    "microdnf": "install",
    "yum": "install",
}
"""Programs that install packages, each with its word for it."""
PING = frozenset({"ping", "ping4", "ping6"})
OWNERSHIP = frozenset({"chown", "chgrp"})
BESIDE_OWNERSHIP = frozenset({"chmod", "mkdir", "ls", "echo", "true", "set", "stat", "id", ":"})
"""What an init container that only changes owners may do beside."""


def words(container: Container) -> list[str]:
    """The words of a container's command and args."""
    both = (*sequence(container.data.get("command")), *sequence(container.data.get("args")))
    return [str(word) for word in both]


def replaces_entrypoint(container: Container, programs: object) -> bool:
    """Whether a container's command starts none of the programs that its image would start."""
    if not sequence(container.data.get("command")) or not isinstance(programs, list):
        return False
    started = set(programs_of(container))
    return not started.intersection(programs)


def commands_of(container: Container) -> Sequence[list[str]]:
    """The simple commands of a container's command and args, read once."""
    if container.commands is None:
        container.commands = list(commands(words(container)))
    return container.commands


def programs_of(container: Container) -> list[str]:
    """The names of the programs that a container's command and args start."""
    return [basename(simple[0]) for simple in commands_of(container)]


def started_by(line: list[str]) -> Iterator[str]:
    """The names of the programs that a command line starts, those of a shell's script included."""
    for simple in commands(line):
        yield basename(simple[0])


def commands(line: list[str]) -> Iterator[list[str]]:
    """The simple commands of a command line: program and arguments; a shell's script is looked into."""
    line = _unwrapped(line)
    if not line:
        return
    script = _script(line)
    if script is None:
        yield line
        return
    yield line[:1]
    for simple in _simple(script):
        found = _unwrapped(simple)
        if found and _script(found) is None:
            yield found
        elif found:
            yield from commands(found)


def _unwrapped(line: list[str]) -> list[str]:
    """A command without what only starts it: `exec`, `tini --`, `NAME=value`."""
    start = 0
    while start < len(line):
        if not (basename(line[start]) in WRAPPERS or line[start] in KEYWORDS or _is_assignment(line[start])):
            break
        start += 1
        while start < len(line) and line[start].startswith("-"):
            start += 1
    return line[start:]


def _is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.replace("_", "a").isalnum()


def _script(line: list[str]) -> str | None:
    """The script of `sh -c SCRIPT`, or None. Under busybox, `busybox sh -c SCRIPT`."""
    if basename(line[0]) not in SHELLS:
        return None
    for index, word in enumerate(line[1:], 1):
        if word.startswith("-") and not word.startswith("--") and "c" in word[1:]:
            return line[index + 1] if index + 1 < len(line) else ""
    return None


def _simple(script: str) -> Iterator[list[str]]:
    """The simple commands of a script, each as its words without quotes; redirections stay as words of their own."""
    simple: list[str] = []
    for word in _tokens(_without_documents(script)):
        if word == "&" and simple[-1:] in ([">"], ["<"]):
            continue  # 2>&1 goes nowhere else
        if word in SEPARATORS:
            if simple:
                yield simple
            simple = []
        else:
            simple.append(word)
    if simple:
        yield simple


def _without_documents(script: str) -> str:
    """A script without its here-documents: what they hold isn't run."""
    if "<<" not in script:
        return script
    lines = script.split("\n")
    last = {line.strip(): index for index, line in enumerate(lines)}
    kept: list[str] = []
    ends: list[str] = []
    for index, line in enumerate(lines):
        if ends:
            ends = ends[1:] if line.strip() == ends[0] else ends
        else:
            kept.append(line)
            ends = [word for word in _ends(line) if last.get(word, -1) > index]
    return "\n".join(kept)


def _ends(line: str) -> Iterator[str]:
    """The words that end the here-documents which begin in a line."""
    for piece in line.split("<<")[1:]:
        word = piece.removeprefix("-").strip()
        for letter in ("'", '"', *OPERATORS, " ", "\t"):
            word = word.removeprefix(letter).partition(letter)[0]
        if word.isidentifier():
            yield word


def _tokens(script: str) -> Iterator[str]:
    """The words and operators of a script."""
    word: str | None = None
    operator = ""
    for letter, is_quoted in _letters(script):
        is_operator = not is_quoted and letter in OPERATORS
        if operator and not (is_operator and letter == operator and letter in DOUBLED):
            yield operator
            operator = ""
        elif operator:
            yield operator * 2
            operator = ""
            continue
        if is_quoted or not (is_operator or letter.isspace()):
            word = (word or "") + letter
            continue
        if word is not None:
            yield word
            word = None
        operator = letter if is_operator else ""
    if word is not None:
        yield word
    if operator:
        yield operator


def _letters(script: str) -> Iterator[tuple[str, bool]]:
    """The letters of a script, each with whether it is quoted; quotes, comments and backslashes are gone."""
    quote, escaped, comment, before = "", False, False, " "
    for letter in script:
        if comment:
            comment = letter != "\n"
        if escaped:
            yield from () if letter == "\n" else ((letter, True),)
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            yield ("", True) if letter == quote else (letter, True)
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not comment:
            quote = letter
            yield "", True
        elif letter == "#" and before.isspace():
            comment = True
        elif not comment:
            yield letter, False
        before = letter


OPERATORS = ";&|()<>\n"
DOUBLED = "&|>;"


def basename(word: str) -> str:
    return word.rpartition("/")[2]


def writes_into_root(container: Container) -> str:
    """The first file directly in `/` that a command creates, by its own words, or empty."""
    for simple in commands_of(container):
        for target in _written(simple):
            name = target.removeprefix("/")
            if target.startswith("/") and name and "/" not in name and "$" not in name:
                return target
    return ""


def _written(simple: list[str]) -> Iterator[str]:
    """The files that a simple command writes: redirections, and what touch and tee are given."""
    for operator, target in zip(simple, simple[1:], strict=False):
        if operator in {">", ">>"}:
            yield target
    if basename(simple[0]) in {"touch", "tee"}:
        yield from (word for word in simple[1:] if not word.startswith("-"))


def needs_root(started: list[str]) -> tuple[str, str]:
    """(code, reason) of the first program of some that must be root; twice empty if there is none."""
    for name in started:
        if name in NEEDS_ROOT:
            code, reason = NEEDS_ROOT[name]
            return code, reason.format(name)
    return "", ""


def installs_packages(container: Container) -> str:
    """The program with which a command installs packages of its distribution, or empty."""
    for simple in commands_of(container):
        program = basename(simple[0])
        if INSTALLERS.get(program) in simple[1:]:
            return program
    return ""


def made_folders(container: Container) -> list[str]:
    """The folders that a command makes with `mkdir -p`, and those that its options name as a place for data."""
    found: list[str] = []
    for simple in commands_of(container):
        if basename(simple[0]) == "mkdir" and any(word.startswith("-") and "p" in word for word in simple[1:]):
            found += simple[1:]
        else:
            found += _named_by_options(simple)
    return [path.rstrip("/") for path in found if _is_folder_of_its_own(path)]


def _named_by_options(simple: list[str]) -> Iterator[str]:
    """The values of options such as `--data-dir=/data` and `--log-path /var/log/app`."""
    for word, following in zip(simple, [*simple[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option.startswith("-") and _is_about_data(option):
            yield value if equals else following


def _is_about_data(option: str) -> bool:
    parts = option.lower().replace(".", "-").replace("_", "-").strip("-").split("-")
    return parts[-1] in PLACES or (parts[-1] in FOLDERS and not DATA.isdisjoint(parts[:-1]))


PLACES = frozenset({"datadir", "dbpath", "logdir", "tmpdir", "cachedir", "statedir"})
FOLDERS = frozenset({"dir", "directory", "path", "folder"})
DATA = frozenset({"data", "storage", "store", "tsdb", "db", "wal", "log", "cache", "state", "tmp", "temp", "spool"})
"""What an option is called that names a folder to write to."""
SHARED = frozenset({"home", "opt", "run", "srv", "var"})
"""Folders of `/` whose own folders may belong to one program."""
OF_SYSTEM = frozenset({"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "sbin", "sys", "usr"})
"""Folders of `/` in which nothing belongs to one program alone."""


def _is_folder_of_its_own(path: str) -> bool:
    """Whether a path is absolute, plain, and no folder that others share."""
    top, *rest = path.strip("/").split("/")
    is_plain = path.startswith("/") and not set(path) & set("$*?`~ \t\"'") and ".." not in rest
    depth = {"var": 2}.get(top, 1) if top in SHARED else 0
    return is_plain and bool(top) and top not in OF_SYSTEM and "." not in [top, *rest][-1] and len(rest) >= depth


def owner_given(container: Container) -> tuple[int, int | None] | None:
    """(uid, gid) that an init container gives what it mounts, where changing owners is all that it does.

    None for every other command, for owners by name, and for folders that are no volume of it.
    """
    mounts = [str(mapping(mount).get("mountPath")) for mount in sequence(container.data.get("volumeMounts"))]
    owners = set()
    for index, simple in enumerate(commands_of(container)):
        program = basename(simple[0])
        if program in SHELLS and index == 0:
            continue
        if program not in OWNERSHIP | BESIDE_OWNERSHIP:
            return None
        if program in OWNERSHIP:
            arguments = [word for word in simple[1:] if not word.startswith("-") and word not in {">", ">>"}]
            if len(arguments) < 2 or not all(_is_within(path, mounts) for path in arguments[1:]):
                return None
            owners.add(arguments[0] if program == "chown" else f":{arguments[0]}")
    return _numbers(owners)


def _is_within(path: str, mounts: list[str]) -> bool:
    return any(f"{path.rstrip('/')}/".startswith(f"{mount.rstrip('/')}/") for mount in mounts if mount)


def _numbers(owners: set[str]) -> tuple[int, int | None] | None:
    if len(owners) != 1:
        return None
    uid, _, gid = owners.pop().replace(".", ":").partition(":")
    given = [number for number in (uid, gid) if number]
    if not given or not all(_is_id(number) for number in given):
        return None
    return int(uid or 0), int(gid) if gid else None


def _is_id(word: str) -> bool:
    """Whether a word is a number that Kubernetes takes for a user or a group."""
    return word.isascii() and word.isdigit() and len(word) <= len(str(MAX_ID)) and int(word) <= MAX_ID

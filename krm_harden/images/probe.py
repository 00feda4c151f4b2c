"""Run an image and see: plainly, then as krm-harden would write it.

    observe(reference, config, files, ...) -> Observed

The plain run shows what the program writes, where it listens and as whom it works. The restricted run shows whether
that is enough: another uid, a read-only root with the writable paths, no capabilities, no privilege escalation. It
works if it lasts as long, or ends as well, and listens on the same ports. Nothing here reaches a network, and nothing
stays: containers, volumes, folders and loaded images are removed, on Ctrl-C too.

podman or docker does the running. Neither is a kubelet: podman invents a line in /etc/passwd for an unknown uid
(--passwd=false), mounts a tmpfs on /run and /tmp under a read-only root (--read-only-tmpfs=false) and keeps an image's
volumes writable (--image-volume ignore).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import outputs
from krm_harden.errors import InputError
from krm_harden.images import derive
from krm_harden.images.derive import Observed
from krm_harden.images.layers import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.images.layers import Files

SECONDS = 5
PATIENCE = 30  # how long a program may take until it listens
SETTLE = 1.5  # and what it may do then
MOST_RUNS = 8  # restricted ones, of one image
MOST_SECONDS = 240  # after which no further one is begun
MOST_ROUNDS = 4  # of adding the paths that the last one asked for
COMMAND_TIMEOUT = 120
POLL = 0.25
UNKNOWN_UID = 10001
FIRST_EPHEMERAL_PORT = 32768
LIMITS = ("--memory", "2g", "--pids-limit", "2048")
LONGEST_NOTE = 200
ALIVE = {"running", "stopping"}
ENDED = {"exited", "stopped", "dead", "removing"}
LISTENING = "0A"  # a state of /proc/net/tcp

REFUSED_BY_SYSTEM = re.compile(r"read-only file ?system|permission denied|EROFS|EACCES", re.IGNORECASE)
PATH_IN_MESSAGE = re.compile(r"(?<![\w.$}/])/[A-Za-z0-9._/@+-]*[A-Za-z0-9_@+-]")
FAILURE = re.compile(
    r"error|fatal|fail|denied|not permitted|read-only|can't|cannot|unable|refused|not found", re.IGNORECASE
)
MADE_FOLDER = re.compile(r"mkdir|director", re.IGNORECASE)
MOMENTS = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]*|\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\[\d+\]|\bpid \d+")
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f]")
VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class Done(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def _text(said: bytes) -> str:
    """Output as text, its lines as Python has them."""
    return said.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


class Engine(NamedTuple):
    """podman or docker."""

    program: str
    is_podman: bool

    def call(self, *arguments: str) -> Done:
        """What a command of it did; it gets no signals of the terminal, so that what it began can be removed."""
        name = f"{os.path.basename(self.program)} {arguments[0]}"
        try:
            done = outputs.of([self.program, *arguments], COMMAND_TIMEOUT, apart=True)
        except TimeoutError:
            raise InputError(f"{name} took more than {COMMAND_TIMEOUT} s") from None
        except InputError as error:
            error.where = name
            raise
        return Done(done.code, _text(done.out), _text(done.err))

    def ask(self, *arguments: str) -> str:
        """Its output. Raises InputError with its own last line."""
        done = self.call(*arguments)
        if done.returncode:
            raise InputError(f"{os.path.basename(self.program)} {arguments[0]}: {last_line(done.stderr)}")
        return done.stdout


class Volume(NamedTuple):
    """A mount: what is at `source`, or a fresh empty folder that anyone may write, as an emptyDir is."""

    path: str
    source: str = ""
    writable: bool = True


class Container(NamedTuple):
    """How a manifest runs the image. Empty: as the image itself says."""

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: int | None = None
    group: int | None = None
    volumes: tuple[Volume, ...] = ()


class Trial(NamedTuple):
    """What one run did."""

    started: bool
    running: bool
    exit_code: int
    seconds: int
    ports: tuple[int, ...]
    users: tuple[int, ...]
    log: str
    changes: tuple[tuple[str, str], ...] = ()  # (A, C or D; path)
    folders: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """What all runs of one image share."""

    engine: Engine
    reference: str
    container: Container
    config: Mapping[str, Any]
    files: Files
    seconds: int
    folder: str  # of this process, removed at the end
    known: tuple[int, int] | None = None  # the uid and gid that the catalogue has


Ready = Callable[[set[int]], bool]  # of the ports that it listens on
Contents = dict[tuple[str, str], dict[str, str]]  # ("ConfigMap" or "Secret", name) -> key -> text


def find_engine() -> Engine:
    """The podman, else the docker with a daemon, of PATH. Raises InputError where there is neither."""
    podman = shutil.which("podman")
    if podman:
        return Engine(podman, is_podman=True)
    docker = Engine(shutil.which("docker") or "", is_podman=False)
    if docker.program and not docker.call("version", "--format", "{{.Server.Version}}").returncode:
        return docker
    raise InputError("neither podman nor a docker with a running daemon is on PATH", next_step="install podman")


def observe(
    reference: str,
    config: Mapping[str, Any],
    files: Files,
    *,
    pod: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
    contents: Contents | None = None,
    archive: str = "",
    known: Mapping[str, Any] | None = None,
    seconds: int = SECONDS,
    engine: Engine | None = None,
) -> Observed:
    """What an image does as a container of a pod, or as it is, run plainly and restricted.

    The image is taken from the local store, or loaded from `archive`, a docker-archive. `contents` are the texts of
    ConfigMaps and Secrets; other volumes are empty. `known` are the catalogue's facts. A container that needs the node
    isn't run: `restricted` says refused. Raises InputError where podman can't run it at all.
    """
    engine = engine or find_engine()
    refusal = refused(pod or {}, container or {})
    if refusal:
        return Observed(restricted="refused", note=refusal)
    with _image(engine, reference, archive), _folder(engine) as folder:
        asked = _container(pod or {}, container or {}, contents or {}, folder)
        user = (known["uid"], known.get("gid", 0)) if known and "uid" in known else None
        wanted = Wanted(engine, reference, asked, config, files, seconds, folder, user)
        return _restricted(wanted, _plain(wanted))


# ---- what a manifest asks for


def refused(pod: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """Why a container isn't run here, or ""."""
    context = _mapping(container.get("securityContext"))
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            return f"{field}: it shares the node's namespaces, so it isn't run here"
    if context.get("privileged"):
        return "privileged: it gets all of the machine, so it isn't run here"
    named = {_mapping(mount).get("name") for mount in _list(container.get("volumeMounts"))}
    if any("hostPath" in volume and volume.get("name") in named for volume in map(_mapping, _list(pod.get("volumes")))):
        return "hostPath: it mounts folders of the node, so it isn't run here"
    return ""


def _container(pod: Mapping[str, Any], container: Mapping[str, Any], contents: Contents, folder: str) -> Container:
    env = dict(_environment(container, contents))
    contexts = [_mapping(place.get("securityContext")) for place in (container, pod)]
    user, group = (_first_number(contexts, field) for field in ("runAsUser", "runAsGroup"))
    working_dir = container.get("workingDir")
    return Container(
        command=tuple(_expanded(word, env) for word in _list(container.get("command"))),
        args=tuple(_expanded(word, env) for word in _list(container.get("args"))),
        env=tuple(env.items()),
        working_dir=working_dir if isinstance(working_dir, str) else "",
        user=user,
        group=group,
        volumes=tuple(_volumes(pod, container, contents, folder)),
    )


def _first_number(places: Sequence[Mapping[str, Any]], field: str) -> int | None:
    return next((value for place in places if isinstance(value := place.get(field), int)), None)


def _environment(container: Mapping[str, Any], contents: Contents) -> Iterator[tuple[str, str]]:
    """The variables whose values are known: literal ones, and those of given ConfigMaps and Secrets."""
    for source in map(_mapping, _list(container.get("envFrom"))):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            texts = contents.get((kind, str(_mapping(source.get(field)).get("name"))), {})
            yield from ((f"{source.get('prefix') or ''}{key}", text) for key, text in texts.items())
    for item in map(_mapping, _list(container.get("env"))):
        name, value = item.get("name"), item.get("value")
        if isinstance(name, str) and isinstance(value, str):
            yield name, value
        source = _mapping(item.get("valueFrom"))
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            reference = _mapping(source.get(field))
            found = contents.get((kind, str(reference.get("name"))), {}).get(str(reference.get("key")))
            if isinstance(name, str) and found is not None:
                yield name, found


def _expanded(word: object, env: Mapping[str, str]) -> str:
    """A word of a command with its $(VARIABLES), as the kubelet has it: unknown ones stay."""
    return VARIABLE.sub(lambda match: env.get(match[1], match[0]), str(word))


def _volumes(pod: Mapping[str, Any], container: Mapping[str, Any], contents: Contents, folder: str) -> Iterator[Volume]:
    """The mounts of a container: given texts as files, all else as empty folders."""
    volumes = {volume.get("name"): volume for volume in map(_mapping, _list(pod.get("volumes")))}
    for index, mount in enumerate(map(_mapping, _list(container.get("volumeMounts")))):
        path, volume = mount.get("mountPath"), volumes.get(mount.get("name"), {})
        if not isinstance(path, str) or not derive.PLAIN_PATH.fullmatch(path):
            continue
        texts = _texts(volume, contents)
        if texts is None:
            yield Volume(path.rstrip("/"))
            continue
        below = f"{folder}/texts-{index}"
        _write(below, texts)
        wanted = mount.get("subPath")
        if not wanted or wanted in texts:
            yield Volume(path.rstrip("/"), f"{below}/{wanted}" if wanted else below, writable=False)


def _texts(volume: Mapping[str, Any], contents: Contents) -> dict[str, str] | None:
    """File name -> text of a configMap or secret volume, or None where its contents aren't known."""
    for field, kind, naming in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        source = _mapping(volume.get(field))
        texts = contents.get((kind, str(source.get(naming))))
        items = {item.get("key"): str(item.get("path")) for item in map(_mapping, _list(source.get("items")))}
        if texts is not None:
            return {items.get(key, key): text for key, text in texts.items() if not items or key in items}
    return None


def _write(folder: str, texts: Mapping[str, str]) -> None:
    os.mkdir(folder)
    os.chmod(folder, 0o755)  # noqa: S103  the program's user reads it
    for name, text in texts.items():
        path = os.path.normpath(f"{folder}/{name}")
        if path.startswith(f"{folder}/"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.chmod(path, 0o644)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# ---- what is made, and removed again


@contextlib.contextmanager
def _image(engine: Engine, reference: str, archive: str) -> Iterator[None]:
    """The image in the local store; what had to be loaded is removed again."""
    if not engine.call("image", "inspect", "--format", "x", "--", reference).returncode:
        yield
        return
    if not archive:
        raise InputError(f"the image isn't in the local store: {reference}", next_step="pull it, or name its archive")
    before = _references(engine)
    try:
        engine.ask("load", "--quiet", "--input", archive)
        if engine.call("image", "inspect", "--format", "x", "--", reference).returncode:
            raise InputError(f"{archive}: the archive doesn't hold the image {reference}")
        yield
    finally:
        for loaded in sorted(_references(engine) - before):
            engine.call("rmi", loaded)


def _references(engine: Engine) -> set[str]:
    lines = engine.ask("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    return {name if "<none>" not in name else identity for name, _, identity in (line.partition(" ") for line in lines)}


@contextlib.contextmanager
def _folder(engine: Engine) -> Iterator[str]:
    """A folder for volumes. What another uid made in it, a rootless podman removes."""
    folder = tempfile.mkdtemp(prefix="krm-harden-probe-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.exists(folder) and engine.is_podman:
            engine.call("unshare", "rm", "-rf", folder)


@contextlib.contextmanager
def _name(engine: Engine) -> Iterator[str]:
    """A container's name, nobody else's; the container is removed with its volumes."""
    name = f"krm-harden-probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        yield name
    finally:
        now = ("--time", "0") if engine.is_podman else ()
        engine.call("rm", "--force", "--volumes", *now, name)


# ---- one run


def _run(wanted: Wanted, options: Sequence[str], is_ready: Ready, volumes: Sequence[Volume]) -> Trial:
    """A container's run: until it ends, or for the time asked for and until the ports are those that it should."""
    engine, container = wanted.engine, wanted.container
    with _name(engine) as name:
        done = engine.call(
            *(
                "run",
                "--detach",
                "--name",
                name,
                "--hostname",
                "probe",
                "--network",
                "none",
                "--pull",
                "never",
                "--no-healthcheck",
            ),
            *LIMITS,
            *_podman(engine, "--http-proxy=false", "--passwd=false", "--log-driver", "k8s-file"),
            *(part for volume in volumes for part in ("--volume", _mount(wanted.folder, volume))),
            *(part for variable, value in container.env for part in ("--env", f"{variable}={value}")),
            *(("--workdir", container.working_dir) if container.working_dir else ()),
            *options,
            *(("--entrypoint", container.command[0]) if container.command else ()),
            *("--", wanted.reference),
            *container.command[1:],
            *container.args,
        )
        if done.returncode:
            return Trial(False, False, done.returncode, 0, (), (), done.stderr)
        trial = _watch(wanted, name, is_ready)
        logs = engine.call("logs", "--tail", "100", name)
        return trial._replace(log=logs.stdout + logs.stderr, **_changes(engine, name))


def _podman(engine: Engine, *options: str) -> tuple[str, ...]:
    return options if engine.is_podman else ()


def _mount(folder: str, volume: Volume) -> str:
    """A bind mount and never a tmpfs: runc gives that the mode of the image's folder."""
    return f"{volume.source or _open_folder(folder)}:{volume.path}:{'rw' if volume.writable else 'ro'},Z"


def _open_folder(folder: str) -> str:
    made = tempfile.mkdtemp(dir=folder)
    os.chmod(made, 0o777)  # noqa: S103  the folder above is ours alone
    return made


def _watch(wanted: Wanted, name: str, is_ready: Ready) -> Trial:
    started = time.monotonic()
    heard: set[int] = set()
    users: tuple[int, ...] = ()
    ready: float = PATIENCE
    while True:
        state = wanted.engine.ask("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", name)
        status, code, pid = state.split()
        passed = time.monotonic() - started
        if status not in ALIVE | ENDED:
            raise InputError(f"{wanted.engine.program} lost the container: it says {status}", next_step="run it again")
        if status in ENDED:
            return Trial(True, False, int(code), round(passed), tuple(sorted(heard)), users, "")
        heard = set(listening(pid))
        users = _users(pid) or users
        ready = min(ready, passed) if is_ready(heard) else PATIENCE
        if passed >= max(wanted.seconds, ready + SETTLE if ready else 0):
            return Trial(True, True, 0, wanted.seconds, tuple(sorted(heard)), users, "")
        time.sleep(POLL)


def listening(pid: str, proc: str = "/proc") -> Iterator[int]:
    """The TCP ports that a process's network namespace listens on, other than on loopback."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"{proc}/{pid}/net/{table}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                _, local, _, state, *_ = line.split()
                address, _, port = local.partition(":")
                number = int(port, 16)
                if state == LISTENING and not _loopback(address) and number < FIRST_EPHEMERAL_PORT:
                    yield number


def _loopback(address: str) -> bool:
    """127.0.0.0/8, ::1 or ::ffff:127.0.0.0/104, as the kernel writes them: words in the machine's byte order."""
    return (
        address.endswith("7F")
        if len(address) == 8
        else address == "0" * 24 + "01000000" or (address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F"))
    )


def _users(pid: str) -> tuple[int, ...]:
    """The uids, as the container has them, of the processes in the PID namespace of a process."""
    try:
        space = os.readlink(f"/proc/{pid}/ns/pid")
        with open(f"/proc/{pid}/uid_map", encoding="ascii") as file:
            ranges = [tuple(map(int, line.split())) for line in file]
    except OSError:
        return ()
    found: set[int] = set()
    for other in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{other}/ns/pid") == space:
                uid = os.stat(f"/proc/{other}").st_uid
                found.update(uid - outside + inside for inside, outside, count in ranges if 0 <= uid - outside < count)
    return tuple(sorted(found))


def _changes(engine: Engine, name: str) -> dict[str, Any]:
    """What differs from the image, and which of the added paths are folders."""
    done = engine.call("diff", name)
    lines = [line for line in done.stdout.splitlines() if line[1:3] == " /"]
    changes = tuple(sorted((line[0], line[2:]) for line in lines))
    upper = engine.call("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", name).stdout.strip()
    folders = tuple(
        path for kind, path in changes if kind == "A" and upper.startswith("/") and _is_folder(f"{upper}{path}")
    )
    return {"changes": changes, "folders": folders}


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


# ---- the plain run


def _plain(wanted: Wanted) -> tuple[Observed, Trial]:
    """The run as it is today."""
    container = wanted.container
    static, _ = derive.facts(wanted.config, wanted.files)
    exposed = set() if container.command else set(static.get("ports", ()))
    user = container.user
    asked = () if user is None else ("--user", f"{user}:{container.group or 0}")
    trial = _run(wanted, asked, lambda heard: not exposed or bool(heard & exposed), container.volumes)
    if not trial.started:
        raise InputError(f"{wanted.reference} can't be run: {last_line(trial.log)}")
    start = settings(wanted.config)
    return (
        Observed(
            seconds=wanted.seconds,
            exit_code=None if trial.running else trial.exit_code,
            added=tuple(path for kind, path in trial.changes if kind == "A"),
            changed=tuple(path for kind, path in trial.changes if kind != "A"),
            folders=trial.folders,
            mounts=(
                *(volume.path for volume in container.volumes),
                *start.volumes,
            ),
            ports=trial.ports,
            user=user if user is not None else static.get("defaultUser", 0),
            users=trial.users,
        ),
        trial,
    )


# ---- the restricted runs


def _restricted(wanted: Wanted, plain: tuple[Observed, Trial]) -> Observed:
    """The observation with what the restricted runs say: who to run as, and what else must be writable."""
    observed, trial = plain
    if observed.exit_code:
        note = f"without hardening, too, it ends with exit code {observed.exit_code}: {last_line(trial.log)}"
        return observed._replace(restricted="unclear", note=note)
    facts, _ = derive.facts(wanted.config, wanted.files, observed)
    if "cannotRestrict" in facts:
        return observed._replace(restricted="fails", note=facts["cannotRestrict"]["reason"])
    if "dependsOnCommand" in facts and not (wanted.container.command or wanted.container.args):
        return observed._replace(restricted="unclear", note="what it does depends on its command")
    failure = ""
    for tried, trial in _trials(wanted, observed):
        failed = _failure(trial, observed)
        if not failed:
            return tried._replace(restricted="runs")
        failure = failure or failed  # the likeliest user's says most
    return observed._replace(restricted="fails", note=failure)


def _trials(wanted: Wanted, observed: Observed) -> Iterator[tuple[Observed, Trial]]:
    """One restricted run after another: by user, and with what the last one couldn't write."""
    end = time.monotonic() + MOST_SECONDS
    runs = 0
    known = [wanted.known] if wanted.known else []
    for candidate in dict.fromkeys([*known, *derive.candidates(wanted.config, wanted.files, observed)]):
        uid, gid = candidate or (None, None)
        paths: tuple[str, ...] = ()
        for _ in range(MOST_ROUNDS):
            if runs >= MOST_RUNS or time.monotonic() > end:
                return
            runs += 1
            tried = observed._replace(uid=uid, gid=gid, paths=paths)
            trial = _try(wanted, tried)
            yield tried, trial
            more = {*paths, *asked_for(trial.log, wanted.files)}
            if more == {*paths}:
                more |= {item["path"] for item in _writable(wanted, tried) if item.get("optional")}
            if more == {*paths}:
                break
            paths = tuple(sorted(more))


def _writable(wanted: Wanted, observed: Observed) -> list[dict[str, Any]]:
    facts, _ = derive.facts(wanted.config, wanted.files, observed._replace(restricted="runs"))
    return list(facts.get("writablePaths", ()))


def _failure(trial: Trial, plain: Observed) -> str:
    """In what a restricted run fell behind the plain one, or ""."""
    if not trial.started:
        return f"it can't be started: {last_line(trial.log)}"
    if plain.exit_code is None and not trial.running:
        return f"it ends with exit code {trial.exit_code}: {last_line(trial.log)}"
    if plain.exit_code is not None and (trial.running or trial.exit_code != plain.exit_code):
        return f"it doesn't end with exit code {plain.exit_code}: {last_line(trial.log)}"
    missing = sorted(set(plain.ports) - set(trial.ports))
    if trial.running and missing:
        return f"it doesn't listen on {', '.join(map(str, missing))}: {last_line(trial.log)}"
    return ""


def _try(wanted: Wanted, observed: Observed) -> Trial:
    """One run with everything that krm-harden would write for these facts."""
    engine, container = wanted.engine, wanted.container
    facts, _ = derive.facts(wanted.config, wanted.files, observed._replace(restricted="runs"))
    user = f"{UNKNOWN_UID if observed.uid is None else observed.uid}:{observed.gid or 0}"
    hardening = (
        *("--user", user, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *_podman(engine, "--read-only-tmpfs=false", "--image-volume", "ignore"),
    )
    options = (
        *hardening,
        *(("--cap-add", "NET_BIND_SERVICE") if _binds(facts) else ()),
        *(part for sysctl in _sysctls(wanted, observed) for part in ("--sysctl", sysctl)),
        *(part for name, value in _variables(facts, container) for part in ("--env", f"{name}={value}")),
    )
    covered = {volume.path for volume in container.volumes}
    items = [item for item in facts["writablePaths"] if not (item["path"] in covered or item.get("optional"))]
    volumes = []
    for item in items:
        source = ""
        if item["seed"] == "copy":
            source, failed = _seeded(wanted, item["path"], hardening)
            if failed:
                return failed
        volumes.append(Volume(item["path"], source))
    ordered = sorted([*container.volumes, *volumes], key=lambda volume: volume.path.count("/"))
    return _run(wanted, options, set(observed.ports).issubset, ordered)


def _seeded(wanted: Wanted, path: str, hardening: Sequence[str]) -> tuple[str, Trial | None]:
    """A folder with what the image has at a path, copied as an init container would; or the run that failed to."""
    source = _open_folder(wanted.folder)
    copying = Container(command=("cp", "-R", f"{path}/.", "/copy/"))
    patient = wanted._replace(container=copying, seconds=PATIENCE)
    trial = _run(patient, hardening, lambda _: True, [Volume("/copy", source)])
    return source, trial if trial.running or trial.exit_code else None


def _binds(facts: Mapping[str, Any]) -> bool:
    return any("NET_BIND_SERVICE" in item["capabilities"] for item in facts.get("fileCapabilities", ()))


def _sysctls(wanted: Wanted, observed: Observed) -> Iterator[str]:
    """The safe sysctls that stand in for capabilities."""
    if any(port < 1024 for port in observed.ports):
        yield "net.ipv4.ip_unprivileged_port_start=0"
    container = wanted.container
    command = (container.command or settings(wanted.config).entrypoint) + (
        container.args or (() if container.command else settings(wanted.config).cmd)
    )
    if any(re.search(r"(^|[/\s])ping6?(\s|$)", word) for word in command):
        yield "net.ipv4.ping_group_range=0 2147483647"


def _variables(facts: Mapping[str, Any], container: Container) -> Iterator[tuple[str, str]]:
    """What the facts set, where the manifest doesn't."""
    own = {name for name, _ in container.env}
    folder = facts.get("ownedFolder")
    moved = {folder["variable"]: f"{folder['path']}/{folder['subfolder']}"} if folder else {}
    yield from ((name, value) for name, value in {**facts.get("env", {}), **moved}.items() if name not in own)


def asked_for(log: str, files: Files) -> set[str]:
    """The folders that a program's messages say it couldn't write."""
    found = set()
    for line in log.splitlines()[-100:]:
        if not REFUSED_BY_SYSTEM.search(line):
            continue
        for path in PATH_IN_MESSAGE.findall(line):
            real = files.real(path)
            entry = files.entries.get(real)
            if entry and entry.kind == "file" and entry.mode & 0o111:
                continue
            is_folder = entry.kind == "folder" if entry else bool(MADE_FOLDER.search(line))
            found.add(real if is_folder else real.rpartition("/")[0])
    return {path for path in found if path and derive.mountable(path)}


def last_line(log: str) -> str:
    """The last line of a log that speaks of a failure, or says anything, without times and process ids."""
    lines = [" ".join(CONTROL.sub(" ", MOMENTS.sub("", line)).split()) for line in log.splitlines()[-100:]]
    said = [line for line in lines if any(map(str.isalnum, line))]
    failures = [line for line in said if FAILURE.search(line)]
    return (failures or said or ["it says nothing"])[-1][:LONGEST_NOTE]

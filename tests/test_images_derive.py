"""Facts from an image's configuration and files, and from what a run of it showed."""

from __future__ import annotations

import io
import tarfile

import pytest

from krm_harden.images import derive, layers
from krm_harden.images.derive import Observed

ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"
APP = "app:x:1000:1000::/home/app:/bin/sh\n"
REDIS = "redis:x:999:998::/data:/bin/sh\n"


def files_of(**contents):
    """Files from {path: text} or {path/: (uid, mode)} for folders; texts that start with #! may be executed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, what in contents["tree"].items():
            info = tarfile.TarInfo(path)
            if path.endswith("/"):
                info.type = tarfile.DIRTYPE
                info.uid, info.mode = what
                tar.addfile(info)
            elif what.startswith("-> "):
                info.type = tarfile.SYMTYPE
                info.linkname = what[3:]
                tar.addfile(info)
            else:
                info.size = len(what)
                info.mode = 0o755 if what.startswith(("#!", "\x7f")) else 0o644
                tar.addfile(info, io.BytesIO(what.encode()))
    layer = type("Layer", (), {"open": lambda _: io.BytesIO(buffer.getvalue())})()
    return layers.read([layer], contents["config"])


def derived(tree=None, observed=None, known=None, **settings):
    """(facts, evidence) of an image with these files and these settings of its configuration."""
    config = {"os": "linux", "config": settings}
    files = files_of(tree={"etc/passwd": ACCOUNTS, **(tree or {})}, config=config)
    return derive.facts(config, files, observed, known)


def written(facts):
    """The writable paths as `path seed evidence`."""
    return [" ".join(str(part) for part in item.values() if part is not True) for item in facts["writablePaths"]]


@pytest.mark.parametrize(
    "user, facts, evidence",
    [
        ("", {"defaultUser": 0, "anyUid": True}, {"defaultUser": "config", "anyUid": "guess"}),
        ("root", {"defaultUser": 0, "anyUid": True}, {"defaultUser": "layers", "anyUid": "guess"}),
        ("0:5", {"defaultUser": 0, "anyUid": True}, {"defaultUser": "config", "anyUid": "guess"}),
        ("65534", {"defaultUser": 65534, "uid": 65534, "gid": 65534}, {"defaultUser": "config", "uid": "config", "gid": "layers"}),
        ("1001", {"defaultUser": 1001, "uid": 1001, "gid": 0}, {"defaultUser": "config", "uid": "config", "gid": "layers"}),
        ("7:8", {"defaultUser": 7, "uid": 7, "gid": 8}, {"defaultUser": "config", "uid": "config", "gid": "config"}),
        ("nobody", {"defaultUser": 65534, "uid": 65534, "gid": 65534}, {"defaultUser": "layers", "uid": "layers", "gid": "layers"}),
        ("nobody:staff", {"defaultUser": 65534, "uid": 65534, "gid": 50}, {"defaultUser": "layers", "uid": "layers", "gid": "layers"}),
        ("nobody:7", {"defaultUser": 65534, "uid": 65534, "gid": 7}, {"defaultUser": "layers", "uid": "layers", "gid": "config"}),
        ("missing", {}, {}),
        ("99999999999", {}, {}),
    ],
)  # fmt: skip
def test_the_user_of_the_configuration_is_who_runs_it(user, facts, evidence):
    found = derived({"etc/group": "staff:x:50:\n"}, User=user, Entrypoint=["/app"])

    about_users = ("defaultUser", "uid", "gid", "anyUid")
    assert {field: found[0][field] for field in about_users if field in found[0]} == facts
    assert {field: found[1][field] for field in about_users if field in found[1]} == evidence


@pytest.mark.parametrize(
    "line",
    [
        'exec gosu redis "$0" "$@"',
        'exec su-exec redis:redis "$@"',
        'set -- s6-setuidgid redis "$@"',
        "exec chpst -u redis:redis app",
        'exec setpriv --reuid=redis --regid=redis --clear-groups -- "$@"',
        'exec /usr/sbin/chroot --userspec=999:998 / "$@"',
        'runuser -u redis -- "$@"',
        'su -s /bin/sh redis -c "exec app"',
        'su - redis -c "exec app"',
        'sudo -E -u redis "$@"',
        'exec gosu "$REDIS_USER" "$@"',
        'exec gosu ${RUN_AS:-redis} "$@"',
        'if [ "$(id -u)" = 0 ]; then exec \\\n  gosu redis app; fi',
    ],
)
def test_root_that_steps_down_runs_as_whom_it_steps_down_to(line):
    script = f'#!/bin/sh\n# gosu nobody\n[ -n "$x" ] && gosu root true\n{line}\n'

    facts, evidence = derived(
        {"etc/passwd": ACCOUNTS + REDIS, "start.sh": script}, Entrypoint=["/start.sh"], Env=["REDIS_USER=redis"]
    )

    assert (facts["defaultUser"], facts["uid"], facts["gid"]) == (0, 999, 998)
    assert (evidence["uid"], evidence["gid"]) == ("layers", "layers")


def test_the_command_itself_can_step_down():
    facts, evidence = derived({"etc/passwd": ACCOUNTS + REDIS}, Cmd=["gosu", "redis", "redis-server"])

    assert (facts["uid"], evidence["uid"]) == (999, "layers")


@pytest.mark.parametrize("settings", [{"Volumes": {"/data": {}}}, {"WorkingDir": "/data"}])
def test_root_whose_data_belong_to_a_user_runs_as_that_user(settings):
    facts, evidence = derived({"etc/passwd": ACCOUNTS + REDIS, "data/": (999, 0o755)}, Entrypoint=["/app"], **settings)

    assert (facts["uid"], facts["gid"], evidence["uid"]) == (999, 998, "layers")


@pytest.mark.parametrize(
    "tree, uid",
    [
        pytest.param({"etc/passwd": ACCOUNTS + APP + REDIS, "x/": (999, 0o755)}, 1000, id="the one ordinary user"),
        pytest.param({"etc/passwd": ACCOUNTS + REDIS, "x/": (999, 0o755)}, 999, id="a system user that owns files"),
        pytest.param({"etc/passwd": ACCOUNTS + REDIS}, None, id="a system user that owns nothing"),
        pytest.param({"x/": (1, 0o755)}, None, id="a user of the distribution"),
        pytest.param({"etc/passwd": ACCOUNTS + APP + "b:x:1001:1001::/:\n"}, None, id="two ordinary users"),
    ],
)
def test_root_with_one_user_beside_it_is_guessed_to_run_as_that(tree, uid):
    facts, evidence = derived(tree, Entrypoint=["/app"])

    assert facts.get("uid") == uid
    assert evidence["uid" if uid else "anyUid"] == "guess"


def test_guesses_are_left_out_where_the_catalogue_knows():
    tree = {"etc/passwd": ACCOUNTS + APP, "cache/": (1000, 0o755)}

    facts, evidence = derived(
        tree, known={"uid": 101, "gid": 101, "writablePaths": []}, Entrypoint=["/app"], Volumes={"/v": {}}
    )

    assert "uid" not in facts
    assert written(facts) == ["/v data config"]
    assert evidence["writablePaths"] == "config"


def test_writable_paths_without_a_run_are_the_volumes_and_guesses():
    script = """#!/bin/sh
mkdir -p /opt/app/state "$STATE/x"; chown -R app:app /srv/app/spool
touch /var/run/app/pid 2>/dev/null
sed -i s/a/b/ /etc/app/app.conf
envsubst < /etc/tmpl > /opt/app/out/app.conf
rm -f /opt/app/logs/app.pid
echo > /proc/sys/x; echo x > /usr/bin/y; touch /tmp/z; mkdir "$UNSET/here"
"""
    tree = {
        "etc/passwd": ACCOUNTS + APP,
        "start.sh": script,
        "etc/app/app.conf": "a",
        "srv/app/spool/": (0, 0o755),
        "var/run": "-> /run",
        "opt/app/logs/": (0, 0o755),
        "home/app/cache/": (1000, 0o755),
        "home/other/": (1001, 0o755),
        "open/": (0, 0o1777),
        "var/lib/app/data/": (1000, 0o755),
        "tmp/": (0, 0o1777),
        "var/tmp/": (0, 0o1777),
    }

    facts, evidence = derived(tree, Entrypoint=["/start.sh"], Env=["STATE=/state"], Volumes={"/var/lib/app/data": {}})

    assert evidence["writablePaths"] == "guess"
    assert written(facts) == [
        "/home/app/cache empty guess",
        "/open empty guess",
        "/opt/app/logs empty guess",
        "/opt/app/out empty guess",
        "/opt/app/state empty guess",
        "/run/app empty guess",
        "/srv/app/spool empty guess",
        "/state/x empty guess",
        "/tmp empty guess",
        "/var/lib/app/data data config",
    ]


def seen(*added, changed=(), folders=(), **more):
    return Observed(
        seconds=5, added=added, changed=changed, folders=folders, restricted="runs", uid=1000, gid=1000, **more
    )


@pytest.mark.parametrize(
    "observed, paths",
    [
        pytest.param(seen("/app/.cache", "/app/.cache/a", changed=("/app",)), ["/app/.cache empty observed"], id="the topmost new folder"),
        pytest.param(seen("/app/state", folders=("/app/state",)), ["/app/state empty observed"], id="a new empty folder"),
        pytest.param(seen("/app/data/log"), ["/app/data empty observed"], id="a file in an empty folder"),
        pytest.param(seen("/app/conf/made"), ["/app/conf copy observed"], id="a file beside the image's"),
        pytest.param(seen(changed=("/app/conf/app.conf", "/app/conf")), ["/app/conf copy observed"], id="a file of the image"),
        pytest.param(seen("/run/app.pid", changed=("/run",)), ["/run empty observed"], id="a file in /run itself"),
        pytest.param(seen("/var/run/app/pid"), ["/run/app empty observed"], id="a linked folder"),
        pytest.param(seen("/var/log/app.log"), ["/var/log empty observed"], id="logs of the build"),
        pytest.param(seen("/run/a", "/run/app/pid"), ["/run empty observed", "/run/app empty observed"], id="a hidden folder too"),
        pytest.param(seen("/run/a", "/run/new", "/run/new/pid"), ["/run empty observed"], id="a new folder below"),
        pytest.param(seen("/usr/lib/python3/__pycache__", "/usr/lib/python3/__pycache__/x.pyc", "/app/x.pyc"), [], id="caches of code"),
        pytest.param(seen("/etc/mtab", "/run/.containerenv", "/dev/x", changed=("/etc/hosts", "/etc/passwd", "/etc")), [], id="the runtime's"),
        pytest.param(seen("/mnt", "/mnt/v", "/mnt/other", "/mnt/other/x", mounts=("/mnt/v",)), ["/mnt/other empty observed"], id="volumes"),
        pytest.param(seen("/etc/app.conf", "/usr/bin/x"), [], id="folders of the distribution"),
        pytest.param(seen("/var/cache/fontconfig", "/var/cache/fontconfig/x"), ["/var/cache/fontconfig empty observed"], id="optional ones"),
        pytest.param(seen(paths=("/var/lib/app",)), ["/var/lib/app empty observed"], id="what only the restricted run asked for"),
    ],
)  # fmt: skip
def test_what_a_run_wrote_becomes_exact_folders(observed, paths):
    tree = {
        "etc/passwd": ACCOUNTS + APP,
        "app/app.js": "x",
        "app/data/": (0, 0o755),
        "app/conf/app.conf": "x",
        "run/app/": (0, 0o755),
        "var/run": "-> /run",
        "var/log/dpkg.log": "x",
        "etc/conf": "x",
    }

    facts, evidence = derived(tree, observed, Entrypoint=["/app"])

    assert [path for path in written(facts) if not path.startswith("/tmp ")] == paths
    assert evidence["writablePaths"] == "observed"
    assert (facts["uid"], evidence["uid"]) == (1000, "observed")


def test_a_guess_that_a_run_did_without_is_optional():
    facts, _ = derived({"etc/passwd": ACCOUNTS + APP, "cache/": (1000, 0o755)}, seen(), Entrypoint=["/app"])

    assert facts["writablePaths"][0] == {"path": "/cache", "seed": "empty", "optional": True, "evidence": "guess"}


def test_writes_are_only_part_of_the_knowledge_while_no_restricted_run_worked():
    observed = seen("/app/state/x")._replace(restricted="fails")

    facts, evidence = derived({"app/state/": (0, 0o755)}, observed, Entrypoint=["/app"])

    assert written(facts) == ["/app/state empty observed", "/tmp empty guess"]
    assert evidence["writablePaths"] == "guess"


def test_a_file_in_the_root_folder_cannot_be_restricted():
    facts, evidence = derived({}, seen("/stamp", "/made", "/made/x"), Entrypoint=["/app"])

    assert facts["cannotRestrict"]["code"] == "writes-to-root"
    assert "/stamp" in facts["cannotRestrict"]["reason"]
    assert evidence["cannotRestrict"] == "observed"


@pytest.mark.parametrize("volumes, home", [({}, "/tmp"), ({"/home/app": {}}, "/home/app")])
def test_writes_to_the_home_of_root_ask_for_another_home(volumes, home):
    tree = {"etc/passwd": ACCOUNTS + APP, "home/app/.profile": "x"}

    facts, evidence = derived(tree, seen("/root/.config", "/root/.config/app"), Entrypoint=["/app"], Volumes=volumes)

    assert (facts["env"], evidence["env"]) == ({"HOME": home}, "observed")
    assert not [path for path in written(facts) if path.startswith("/root")]


def test_a_uid_that_no_passwd_knows_and_that_worked_means_any_uid():
    facts, evidence = derived({"etc/passwd": ACCOUNTS + APP}, seen()._replace(uid=None), Entrypoint=["/app"])

    assert (facts["anyUid"], evidence["anyUid"], "uid" in facts) == (True, "observed", False)


ELF = "\x7fELF"


@pytest.mark.parametrize(
    "settings, programs",
    [
        ({"Entrypoint": ["/start.sh"], "Cmd": ["nginx", "-g", "daemon off;"]}, ["nginx", "start.sh"]),
        ({"Cmd": ["sh", "-c", "cd /srv && A=1 exec java -jar app.jar"]}, ["java"]),
        ({"Entrypoint": ["/bin/sh", "-c", "exec java"], "Cmd": ["-x"]}, ["java"]),
        ({"Entrypoint": ["tini", "--", "/start.sh"], "Cmd": ["java"]}, ["java", "start.sh"]),
        ({"Entrypoint": ["java"], "Cmd": ["--port", "80"]}, ["java"]),
        ({"Cmd": ["bash"]}, ["bash"]),
        ({}, None),
    ],
)
def test_programs_are_what_the_command_runs(settings, programs):
    tree = {"start.sh": "#!/bin/sh\n", "usr/bin/java": ELF, "bin/sh": ELF, "bin/bash": ELF, "usr/bin/tini": ELF}

    assert derived(tree, **settings)[0].get("programs") == programs


@pytest.mark.parametrize(
    "settings, depends",
    [
        ({"Cmd": ["python3"]}, True),
        ({"Cmd": ["/bin/bash"]}, True),
        ({"Entrypoint": ["/start.sh"], "Cmd": ["node"]}, True),
        ({}, True),
        ({"Cmd": ["python3", "app.py"]}, False),
        ({"Entrypoint": ["/app"], "Cmd": ["sh"]}, False),
        ({"Entrypoint": ["/start.sh"]}, False),
    ],
)
def test_an_image_that_starts_an_interpreter_alone_depends_on_its_command(settings, depends):
    facts, _ = derived({"start.sh": '#!/bin/sh\nexec "$@"\n', "app": ELF}, **settings)

    assert facts.get("dependsOnCommand", False) is depends


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"Cmd": ["cron", "-f"]}, "switches-users"),
        ({"Entrypoint": ["/usr/sbin/sshd"], "Cmd": ["-D"]}, "switches-users"),
        ({"Cmd": ["/sbin/init"]}, "needs-root"),
        ({"Cmd": ["sh", "-c", "crond -f"]}, "switches-users"),
        ({"Entrypoint": ["tini", "--", "dockerd"]}, "needs-root"),
    ],
)
def test_programs_that_need_root_cannot_be_restricted_even_if_a_run_worked(settings, code):
    tree = {"usr/sbin/cron": ELF, "usr/sbin/crond": ELF, "usr/bin/dockerd": ELF, "usr/bin/tini": ELF}

    facts, evidence = derived(tree, seen(), **settings)

    assert facts["cannotRestrict"]["code"] == code
    assert evidence["cannotRestrict"] == "config"


def with_capability(names, *, effective=True, path="/usr/bin/ping"):
    entry = layers.Entry("file", 0o755, 0, 0, 1, layers.Capabilities(names, (), effective))
    return layers.Files({path: entry}, {}, frozenset(["/usr/bin", "/usr"]))


@pytest.mark.parametrize(
    "names, effective, cmd, refused, listed",
    [
        pytest.param(("NET_RAW",), True, "ping", True, True, id="the program itself"),
        pytest.param(("NET_RAW",), True, "other", False, True, id="another program"),
        pytest.param(("NET_RAW",), False, "ping", False, False, id="one that starts without"),
        pytest.param(("NET_BIND_SERVICE",), True, "ping", False, True, id="one that restricted allows"),
        pytest.param(("NET_BIND_SERVICE",), False, "ping", False, True, id="one that helps"),
    ],
)
def test_a_program_with_a_file_capability_that_restricted_forbids_cannot_start(names, effective, cmd, refused, listed):
    files = with_capability(names, effective=effective)

    facts, evidence = derive.facts({"config": {"Cmd": [cmd, "-c", "1"]}}, files)

    assert (facts.get("cannotRestrict", {}).get("code") == "file-capability") is refused
    expected = [{"path": "/usr/bin/ping", "capabilities": list(names)}] if listed else []
    assert (facts["fileCapabilities"], evidence["fileCapabilities"]) == (expected, "layers")


def test_ports_are_those_exposed_and_those_heard():
    settings = {"Entrypoint": ["/app"], "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "x": {}}}

    assert (derived(**settings)[0]["ports"], derived(**settings)[1]["ports"]) == ([53, 80], "config")
    assert derived({}, seen(ports=(8080,)), **settings)[0]["ports"] == [53, 80, 8080]


def test_initdb_needs_a_folder_that_it_owns():
    tree = {"start.sh": "#!/bin/sh\nif true; then eval 'x'; initdb --username=x; fi\n"}
    settings = {"Entrypoint": ["/start.sh"], "Env": ["PGDATA=/var/lib/pg"]}

    assert derived(tree, **settings)[0]["ownedFolder"] == {
        "path": "/var/lib/pg",
        "variable": "PGDATA",
        "subfolder": "pgdata",
    }
    assert "ownedFolder" not in derived(tree, Entrypoint=["/start.sh"])[0]


def test_root_beside_other_users_that_no_uid_could_replace_switches_users():
    facts, evidence = derived({}, seen(users=(0, 33))._replace(restricted="fails"), Entrypoint=["/app"])

    assert (facts["cannotRestrict"]["code"], evidence["cannotRestrict"]) == ("switches-users", "observed")


@pytest.mark.parametrize(
    "note, code",
    [
        ('it ends with exit code 1: sudo: The "no new privileges" flag is set', "gains-privileges"),
        ("it ends with exit code 1: cannot open /x: Permission denied", "fails-restricted"),
    ],
)
def test_what_failed_restricted_alone_is_refused_with_what_it_said(note, code):
    found, evidence = derived({}, seen(users=(0,), note=note)._replace(restricted="fails"), Entrypoint=["/app"])

    assert found["cannotRestrict"]["code"] == code
    assert note in found["cannotRestrict"]["reason"]
    assert evidence["cannotRestrict"] == "observed"


def test_a_failed_run_says_nothing_of_an_image_whose_user_the_catalogue_knows():
    run = seen(users=(0, 33), note="it ends with exit code 2")._replace(restricted="fails")

    found, _ = derived({}, run, {"uid": 33}, Entrypoint=["/app"])

    assert "cannotRestrict" not in found


def test_images_of_windows_say_so_and_nothing_else():
    facts, evidence = derive.facts({"os": "windows", "config": {"User": "x"}}, layers.Files({}, {}, frozenset()))

    assert facts["cannotRestrict"]["code"] == "windows"
    assert evidence == {"cannotRestrict": "config"}


def test_uids_to_try_start_with_the_likeliest_and_end_with_one_that_the_image_does_not_know():
    config = {"config": {"Entrypoint": ["/app"]}}
    files = files_of(tree={"etc/passwd": ACCOUNTS + APP + REDIS}, config=config)

    assert derive.candidates(config, files, Observed(users=(0, 999))) == [(999, 998), (1000, 1000), None]
    assert derive.candidates({"config": {"User": "redis"}}, files, Observed(users=(999,)))[0] == (999, 998)

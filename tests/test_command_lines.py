"""What a container's command says about itself, word by word: programs, files in the root folder, owners."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krm_harden.images import command_lines
from krm_harden.model import Container


def container(*command, mounts=("/data",), args=()):
    data = {
        "name": "a",
        "image": "registry.example/app:1",
        "command": list(command),
        "args": list(args),
        "volumeMounts": [{"name": f"volume-{index}", "mountPath": path} for index, path in enumerate(mounts)],
    }
    return Container(("spec", "initContainers", 0), data, "init")


def script(text, **more):
    return container("sh", "-c", text, **more)


STARTED = {
    "app": ["app"],
    "/usr/bin/app --flag": ["app"],
    "exec app": ["app"],
    "tini -- app": ["app"],
    "/sbin/tini -g -- /usr/bin/app": ["app"],
    "env HOME=/tmp app": ["app"],
    "HOME=/tmp PORT=80 app": ["app"],
    "nice -n app": ["app"],
    "sh": ["sh"],
    "sh script.sh": ["sh"],
    "sh -c": ["sh"],
    "bash -lc app": ["bash", "app"],
    "busybox sh -c app": ["busybox", "app"],
    "sh -c app": ["sh", "app"],
    "sh -ec app": ["sh", "app"],
}


@pytest.mark.parametrize("line", STARTED)
def test_the_programs_of_a_command(line):
    assert list(command_lines.started_by(line.split())) == STARTED[line]


SCRIPTS = {
    "app": ["app"],
    "one; two && three || four | five & six": ["one", "two", "three", "four", "five", "six"],
    "one\ntwo\n\n  three": ["one", "two", "three"],
    "one;two": ["one", "two"],
    "if one; then two; else three; fi": ["one", "two", "three"],
    "while ! nc -z db 5432; do sleep 1; done; exec app": ["nc", "sleep", "app"],
    "(one; two)": ["one", "two"],
    "{ one; two; }": ["one", "two"],
    "A=1 B='x y' exec app": ["app"],
    "echo 'one; two' && three": ["echo", "three"],
    'echo "one && two"; three': ["echo", "three"],
    "echo one\\; two; three": ["echo", "three"],
    "one \\\n  --flag; two": ["one", "two"],
    "one # two; three\nfour": ["one", "four"],
    "echo a#b; two": ["echo", "two"],
    "one 2>&1; two": ["one", "two"],
    "one >/dev/null 2>&1 & two": ["one", "two"],
    "sh -c 'one; two'; three": ["one", "two", "three"],
    'exec sh -c "exec app"': ["app"],
    "'my app' --x; \"/opt/b c/run\"": ["my app", "run"],
    "cat > /etc/jobs <<EOF\ncron; sshd\nEOF\napp": ["cat", "app"],
    "cat <<-'END' | one\n\tcron\n\tEND\napp": ["cat", "one", "app"],
    'cat <<A; cat << "B"\ncron\nA\nsshd\nB\napp': ["cat", "cat", "app"],
    "cat <<EOF\ntwo": ["cat", "two"],
    "cat <<<word\ntwo": ["cat", "two"],
    "echo $((1<<n))\ntwo": ["echo", "1", "two"],
    "echo 'unclosed": ["echo"],
    "echo \\": ["echo"],
    "": [],
    "   ": [],
    "# only a comment": [],
    ";;;": [],
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_the_programs_of_a_script(text):
    found = list(command_lines.started_by(["sh", "-c", text]))

    assert [name for name in found[1:] if name != "sh"] == SCRIPTS[text]
    assert found[0] == "sh"


@pytest.mark.parametrize(
    ("command", "args", "programs", "expected"),
    [
        ([], [], ["nginx"], False),
        ([], ["sleep"], ["nginx"], False),
        (["sleep"], [], ["nginx"], True),
        (["/usr/sbin/nginx"], ["-g", "daemon off;"], ["nginx"], False),
        (["sh", "-c"], ["sleep 1; exec nginx"], ["nginx"], False),
        (["sh", "-c"], ["exec sleep 1"], ["nginx"], True),
        (["/docker-entrypoint.sh"], [], ["docker-entrypoint.sh", "nginx"], False),
        (["sleep"], [], None, False),
        (["sleep"], [], [], True),
    ],
)
def test_a_command_replaces_an_entrypoint_whose_programs_it_does_not_start(command, args, programs, expected):
    assert command_lines.replaces_entrypoint(container(*command, args=args), programs) is expected


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("date > /started", "/started"),
        ("date >> /started", "/started"),
        ("date >/started", "/started"),
        ("touch /ready; app", "/ready"),
        ("touch -c /ready", "/ready"),
        ("app | tee /log", "/log"),
        ("cat > '/with space'", "/with space"),
        ("if app; then echo 1 > /ok; fi", "/ok"),
        ("date > /tmp/started", ""),
        ("date > started", ""),
        ("date > /dev/null", ""),
        ("date > /$NAME", ""),
        ("date > $HOME/x", ""),
        ("echo 'date > /started'", ""),
        ("# date > /started", ""),
        ("cat < /started", ""),
        ("ls /", ""),
        ("app 2>&1", ""),
        ("date > /", ""),
    ],
)
def test_a_file_directly_in_the_root_folder_is_seen(text, target):
    assert command_lines.writes_into_root(script(text)) == target


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("chown -R 1000:2000 /data", (1000, 2000)),
        ("chown 1000 /data", (1000, None)),
        ("chown 1000: /data", (1000, None)),
        ("chown 1000.2000 /data", (1000, 2000)),
        ("chgrp 2000 /data", (0, 2000)),
        ("chown :2000 /data", (0, 2000)),
        ("mkdir -p /data/a && chown -R 1000:1000 /data/a && chmod -R 770 /data", (1000, 1000)),
        ("set -e; chown 5:5 /data /data/a; chown 5:5 /data/b; ls -l /data; echo done", (5, 5)),
        ("chown 5:5 /data; chown 6:6 /data/b", None),
        ("chown app:app /data", None),
        ("chown 5:app /data", None),
        ("chown 5:5 /etc", None),
        ("chown 5:5 /data /etc", None),
        ("chown 5:5 /database", None),
        ("chown -R 5:5 $DATA", None),
        ("chown 5:5", None),
        ("chown -R 5:5 /data; wget http://seed.example", None),
        ("chmod -R 770 /data", None),
        ("echo chown 5:5 /data", None),
        ("true", None),
        ("", None),
    ],
)
def test_the_owner_that_an_init_container_gives_where_it_does_nothing_else(text, owner):
    assert command_lines.owner_given(script(text)) == owner


def test_owners_are_read_without_a_shell_too():
    assert command_lines.owner_given(container("chown", "-R", "1000:1000", "/data/")) == (1000, 1000)
    assert command_lines.owner_given(container("/bin/chown", "7", "/other")) is None
    assert command_lines.owner_given(container("chown", "7", "/data", mounts=())) is None


@pytest.mark.parametrize("name", command_lines.NEEDS_ROOT)
def test_a_program_that_must_be_root_is_known(name):
    code, reason = command_lines.needs_root(["sh", name])

    assert code in {"switches-users", "needs-root"}
    assert reason.startswith(name)
    assert command_lines.needs_root([f"{name}-exporter"]) == ("", "")


@pytest.mark.parametrize(
    "text, program",
    [
        ("apt-get update && apt-get install -y curl && curl x", "apt-get"),
        ("apk add --no-cache bash", "apk"),
        ("apk info", ""),
        ("echo apt-get install curl", ""),
        ("npm install", ""),
    ],
)
def test_a_command_that_installs_packages(text, program):
    assert command_lines.installs_packages(script(text)) == program


@pytest.mark.parametrize(
    "text, folders",
    [
        ("mkdir -p /www/pages && httpd", ["/www/pages"]),
        ("mkdir -p /work", ["/work"]),
        ("mkdir /work", []),
        ("mkdir -p /var/log /etc/app /usr/share/x /opt $HOME/x relative", []),
        ("mkdir -p /opt/app/cache /var/lib/app", ["/opt/app/cache", "/var/lib/app"]),
        ("etcd --data-dir=/etcd-data --name x", ["/etcd-data"]),
        ("prometheus --storage.tsdb.path /prometheus/data", ["/prometheus/data"]),
        ("app --log-dir /var/log/app/ --config-dir /conf", ["/var/log/app"]),
        ("app --work-dir /app --template-path=/x --db-path /data/app.sqlite", []),
        ("mkdir -p /a/../b", []),
    ],
)
def test_the_folders_that_a_command_makes_or_names_for_data(text, folders):
    assert command_lines.made_folders(script(text)) == folders


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["sh", "-c", "exec", "chown", "1:1", "/data", "touch", "&&", ">", "'", "A=1"]), st.text()
    ),
    max_size=8,
)
SCRIPT = st.text(alphabet=st.sampled_from("ab '\"\\#;&|()<>\n\t$={}/-"), max_size=60) | st.text()


@given(line=WORDS, text=SCRIPT)
def test_no_line_is_too_odd_to_be_read(line, text):
    for made in (container(*line), container(*line, text), script(text), container(args=[text])):
        assert all(isinstance(name, str) for name in command_lines.started_by(command_lines.words(made)))
        assert isinstance(command_lines.writes_into_root(made), str)
        owner = command_lines.owner_given(made)
        assert owner is None or all(number is None or number >= 0 for number in owner)
        command_lines.replaces_entrypoint(made, ["app"])
        assert all(path.startswith("/") for path in command_lines.made_folders(made))
        assert isinstance(command_lines.installs_packages(made), str)


@pytest.mark.parametrize(
    "data", [{"command": "sh -c x"}, {"command": [1, None, {}]}, {"args": {"a": 1}}, {"command": None}]
)
def test_what_the_api_would_not_take_is_read_without_an_error(data):
    made = Container(("spec",), {"name": "a", **data}, "init")

    assert command_lines.owner_given(made) is None
    assert command_lines.writes_into_root(made) == ""


@pytest.mark.parametrize(
    "piece",
    [
        "a;",
        "a ",
        "'",
        '"a" ',
        "\\",
        "#",
        "(",
        ">",
        "a\n",
        "sh -c ",
        "exec ",
        "A=1 ",
        "x" * 50 + " ",
        "<<A ",
        "<<A\n",
        "A\n<<A <<B\n",
    ],
)
def test_a_long_script_takes_time_in_proportion(piece):
    def seconds(count):
        line = ["sh", "-c", piece * count]
        start = time.process_time()
        list(command_lines.started_by(line))
        return time.process_time() - start

    seconds(1000)
    short, long = (min(seconds(count) for _ in range(3)) for count in (4000, 32000))

    assert long < 40 * max(short, 0.001)


def test_shells_within_shells_are_read_as_deep_as_they_go_and_no_deeper():
    line = "app"
    for _ in range(12):
        line = f"sh -c '{line}'" if "'" not in line else f'sh -c "{line}"' if '"' not in line else line
    found = list(command_lines.started_by(["sh", "-c", line]))

    assert found[-1] == "app"

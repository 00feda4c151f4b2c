"""How the process of the command line loads its modules, and how it ends: shorter than Python's ways, with one result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "from krm_harden.cli import script\nscript()\n"
LIST = b"""\
kind: ResourceList
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: web}
  spec:
    containers:
    - name: web
      image: nginx:1.27
"""
DESCRIBED = """\
import json, sys
def described():
    ours = {name: module for name, module in sys.modules.items() if name.startswith("krm_harden.")}
    return {name: [module.__file__, module.__cached__, module.__package__, module.__name__, module.__spec__.origin,
                   module.__spec__.cached, module.__loader__.path, module.__loader__.get_source(name) is not None]
            for name, module in ours.items()}
"""


def run(
    program: str, *words: str, folder: Path = ROOT, stdin: bytes = LIST, options: tuple[str, ...] = (), **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """A program in a process of its own, with the modules of a folder; its output where `more` doesn't say otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KRM_HARDEN", "COV_"))}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    command = [sys.executable, *options, "-c", program, *words]
    env = {**kept, "PYTHONPATH": str(folder)}
    return subprocess.run(command, input=stdin, env=env, cwd=folder, check=False, **streams)


def test_what_is_registered_for_the_end_is_called_and_what_is_buffered_is_written() -> None:
    first = "import atexit, sys\natexit.register(print, 'the end', file=sys.stderr)\nsys.stdout.write('# first\\n')\n"
    done = run(first + SCRIPT)

    assert (done.returncode, done.stderr.endswith(b"the end\n")) == (0, True)
    assert done.stdout.startswith(b"# first\nkind: ResourceList\n")


def test_threads_are_waited_for() -> None:
    late = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.5), print('late'))).start()\n"
    done = run(late + SCRIPT)

    assert done.returncode == 0
    assert done.stdout.endswith(b"late\n")


def test_data_is_not_taken_apart() -> None:
    """That is the time which is saved. Where Python looks for leaks (`-X dev`), it is."""
    marked = "class Marked:\n    def __del__(self): print('gone')\nkept = Marked()\n"

    assert b"gone" not in run(marked + SCRIPT).stdout
    assert run(marked + SCRIPT, options=("-X", "dev")).stdout.endswith(b"gone\n")


def test_a_buffer_that_cannot_be_written_ends_as_python_ends() -> None:
    """Python says so itself, with its code 120."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        late = "import atexit\natexit.register(print, 'lost')\n"
        done = run(late + SCRIPT, stdout=full, stdin=b"kind: nothing")

    assert done.returncode == 120
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [((), LIST, 0), ((), b"", 2), (("nonsense",), b"", 3), (("check", "-"), LIST.partition(b"items:\n- ")[2], 1)],
)
def test_exit_codes_are_those_of_main(words: tuple[str, ...], stdin: bytes, code: int) -> None:
    stdin = stdin.replace(b"\n  ", b"\n") if words == ("check", "-") else stdin
    plain = run("import sys\nfrom krm_harden.cli import main\nsys.exit(main())\n", *words, stdin=stdin)
    done = run(SCRIPT, *words, stdin=stdin)

    assert (plain.returncode, plain.stdout, plain.stderr) == (code, done.stdout, done.stderr)
    assert done.returncode == code


def test_modules_are_what_they_are_when_python_loads_them(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "krm_harden", tmp_path / "krm_harden")
    shortly = run(
        DESCRIBED + "from krm_harden.cli import main\nmain()\nprint(json.dumps(described()))", folder=tmp_path
    )
    again = run(DESCRIBED + "from krm_harden.cli import main\nmain()\nprint(json.dumps(described()))", folder=tmp_path)
    found = json.loads(again.stdout.splitlines()[-1])
    load = "for name in sys.argv[1:]: __import__(name)\nprint(json.dumps(described()))"
    by_python = json.loads(run(DESCRIBED + load, *found, folder=tmp_path).stdout)

    assert shortly.stdout == again.stdout
    assert "krm_harden.engine" in found
    assert found == by_python


def test_a_source_that_changed_is_run_and_not_what_is_cached_of_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "krm_harden", tmp_path / "krm_harden")
    run(SCRIPT, folder=tmp_path)
    module = tmp_path / "krm_harden" / "wording.py"
    before = module.stat()
    module.write_text(module.read_text(encoding="utf-8") + "\nprint('another text')\n", encoding="utf-8")
    assert b"another text" in run(SCRIPT, folder=tmp_path).stdout

    os.utime(module, (before.st_atime, before.st_mtime))
    module.write_text(module.read_text(encoding="utf-8").replace("another", "a third"), encoding="utf-8")
    os.utime(module, (before.st_atime, before.st_mtime + 5))
    assert b"a third text" in run(SCRIPT, folder=tmp_path).stdout


def test_a_cached_file_that_is_cut_off_is_left_to_python(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "krm_harden", tmp_path / "krm_harden")
    run(SCRIPT, folder=tmp_path)
    (cached,) = (tmp_path / "krm_harden" / "__pycache__").glob("split.*.pyc")
    cached.write_bytes(cached.read_bytes()[:200])

    plain = run("import krm_harden.split\n", folder=tmp_path)
    assert run(SCRIPT, folder=tmp_path).stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]

    cached.write_bytes(cached.read_bytes()[:10])
    assert run(SCRIPT, folder=tmp_path).returncode == 0


def test_tracebacks_show_the_lines_of_the_source() -> None:
    """A defect is reported with them."""
    broken = "import krm_harden.cli, krm_harden.split\nkrm_harden.split.decode = None\n"
    done = run("from krm_harden import importing\nimporting.shortly()\n" + broken + SCRIPT)

    assert done.returncode == 1
    assert b"split.decode(_streams.read_stdin())" in done.stderr

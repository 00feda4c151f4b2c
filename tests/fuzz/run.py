"""Coverage-guided fuzzing of krm-harden with atheris, which needs CPython 3.11 to 3.13.

    python tests/fuzz/run.py --seconds 300 --jobs 2           all targets, with their corpora
    python tests/fuzz/run.py --target edit --seconds 3600 --keep    one, and keep what covers new code
    python tests/fuzz/run.py --coverage                       lines and branches that the corpora reach (coverage.py)
    python tests/fuzz/run.py --target edit --replay FILE      one entry, as the tests try it, without atheris
    python tests/fuzz/run.py --target edit --replay FILE --name a-null-between-comments    keep it as a case

Prints a table, and exits with 1 where something was found: what it was, and the command that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]

import corpora  # noqa: E402

LONGEST = 4096
"""Bytes of an input: what is larger finds little more, and slowly."""
SLOWEST = 5
"""Seconds of processor time that one input may take, with all calls traced."""
STUCK = 300
"""Seconds after which a child is ended; by the clock, so it says little on a busy machine."""
MEMORY = 1024
"""MiB of a child: what takes more is a bomb that wasn't refused."""
DICTIONARY = (
    *("apiVersion: ", "kind: ", "Pod", "Deployment", "List", "items:", "metadata:", "spec:", "containers:", "image: "),
    *("securityContext:", "template:", "---\n", "...\n", "- ", ": ", "? ", "<<: ", "&a ", "*a", "!!str ", "!!binary "),
    *("|+\n", ">-\n", "\r\n", "%YAML 1.1\n", "# ", "{}", "[]", "null", "~", "{{ x }}", "$patch: ", "\ufeff", "\u2028"),
    *("runAsNonRoot", "runAsUser", "capabilities", "drop", "ALL", "0o17", "1_0", ".inf", "1e3", "0x1F", "yes"),
)


def main() -> int:
    options = _parser().parse_args()
    if options.child:
        return _child(options)
    if options.replay:
        return _replay(options)
    if options.coverage:
        return _measure(options.target or corpora.names())
    if subprocess.run([sys.executable, "-c", "import atheris"], capture_output=True, check=False).returncode:
        sys.stderr.write("atheris isn't installed: pip install atheris, for CPython 3.11 to 3.13\n")
        return 2
    names = options.target or corpora.names()
    seconds = max(options.seconds * options.jobs // len(names), 1)
    with ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(lambda name: _fuzzed(name, seconds, options), names))
    _show(done)
    if options.json:
        Path(options.json).write_text(json.dumps(done, indent=2) + "\n")
    return int(any(one["findings"] for one in done))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="wall time in all")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--target", action="append", choices=corpora.names(), help="only this; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0: another one each time")
    parser.add_argument("--keep", action="store_true", help="put into the corpus what covers new code, minimised")
    parser.add_argument("--findings", default="build/fuzz", help="the folder for what was found")
    parser.add_argument("--json", metavar="FILE", help="the table as JSON")
    parser.add_argument("--coverage", action="store_true", help="fuzz nothing: what the corpora reach")
    parser.add_argument("--replay", metavar="FILE", help="try one input")
    parser.add_argument("--name", help="with --replay: keep it in the corpus, under this name")
    parser.add_argument("--child", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--program", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser


def _replay(options: argparse.Namespace) -> int:
    (name,) = options.target
    data = Path(options.replay).read_bytes()
    if options.name:
        corpora.write(name, [*corpora.read(name), (options.name, data)])
    corpora.target(name).check(data)
    print("nothing is wrong")
    return 0


def _measure(names: Sequence[str]) -> int:
    """What each target's corpus reaches of the modules that it is for, each in a process of its own."""
    if len(names) == 1:
        print(json.dumps(_measured(names[0])))
        return 0
    print("| target | entries | lines | branches |\n|---|---|---|---|")
    for name in names:
        words = [sys.executable, __file__, "--coverage", "--target", name]
        row = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        print("| " + " | ".join(map(str, row)) + " |")
    return 0


def _measured(name: str) -> list[str]:
    import coverage

    meter = coverage.Coverage(branch=True, source=["krm_harden"], data_file=None)
    meter.start()
    target = corpora.target(name)
    entries = [*target.seeds(), *(data for _, data in corpora.read(name))]
    for data in entries:
        target.check(data)
    meter.stop()
    files = [str(ROOT / "krm_harden" / f"{module.replace('.', '/')}.py") for module in target.MODULES]
    with tempfile.NamedTemporaryFile() as report:
        meter.json_report(morfs=files, outfile=report.name)
        found = json.loads(Path(report.name).read_bytes())["totals"]
    lines = found["covered_lines"] / found["num_statements"]
    branches = found["covered_branches"] / found["num_branches"]
    return [name, str(len(entries)), f"{lines:.0%}", f"{branches:.0%}"]


def _fuzzed(name: str, seconds: int, options: argparse.Namespace) -> dict[str, Any]:
    """One target's row of the table."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _unpack(name, folder / "corpus")
        (folder / "dictionary").write_text("".join(f'"{_escaped(word)}"\n' for word in DICTIONARY))
        findings = Path(options.findings, name).absolute()
        findings.mkdir(parents=True, exist_ok=True)
        before = set(findings.iterdir())
        counts = {"executions": 0, "edges": 0, "features": 0}
        end = time.monotonic() + seconds
        # A segmentation fault or a time-out ends the process; the rest of the time is for the next one.
        while (left := int(end - time.monotonic())) > 0:
            _one_child(name, folder, findings, left, options.seed, counts)
        found = sorted(str(path) for path in set(findings.iterdir()) - before if path.suffix != ".txt")
        if options.keep:
            _keep(name, folder)
        return {"target": name, "seconds": seconds, **counts, "corpus": len(corpora.read(name)), "findings": found}


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def _unpack(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [data for _, data in corpora.read(name)] + list(corpora.target(name).seeds())
    for data in entries:
        (folder / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)


def _command(name: str, folder: Path, findings: Path, *more: str) -> list[str]:
    """A child's command line. libFuzzer starts what it takes for itself once more to merge, so it is a program."""
    program = folder / "child"
    words = [
        sys.executable,
        str(HERE / "run.py"),
        "--target",
        name,
        "--program",
        str(program),
        "--child",
        str(findings),
    ]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} -- "$@"\n')
    program.chmod(0o755)
    return [str(program), f"-max_len={LONGEST}", f"-timeout={STUCK}", f"-rss_limit_mb={MEMORY}", *more]


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KRM_HARDEN", "GITHUB_"))}
    return {**kept, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "1700000000"}


def _one_child(name: str, folder: Path, findings: Path, seconds: int, seed: int, counts: dict[str, int]) -> None:
    more = [f"-max_total_time={seconds}", f"-dict={folder / 'dictionary'}", f"-artifact_prefix={findings}/"]
    more += ["-print_final_stats=1", f"-seed={seed}", str(folder / "corpus")]
    begun = time.monotonic()
    done = subprocess.run(
        _command(name, folder, findings, *more), capture_output=True, text=True, errors="replace", check=False, cwd=ROOT,
        env=_environment(),
    )  # fmt: skip
    said = done.stderr + done.stdout
    executed = re.findall(r"stat::number_of_executed_units:\s+(\d+)", said) or re.findall(r"(?m)^#(\d+)", said)
    counts["executions"] += int(executed[-1]) if executed else 0
    for key, word in (("edges", "cov"), ("features", "ft")):
        counts[key] = max([counts[key], *(int(number) for number in re.findall(rf"\b{word}: (\d+)", said))])
    if done.returncode and time.monotonic() - begun < 5:
        raise SystemExit(f"{name} can't be run:\n{said[-4000:]}")


def _keep(name: str, folder: Path) -> None:
    """The corpus anew: its named cases, and as few others as cover the same."""
    least = folder / "least"
    least.mkdir()
    merge = _command(name, folder, folder, "-merge=1", str(least), str(folder / "corpus"))
    subprocess.run(merge, capture_output=True, check=True, cwd=ROOT, env=_environment())
    named = [entry for entry in corpora.read(name) if entry[0] != corpora.UNNAMED]
    known = {data for _, data in named}
    others = {path.read_bytes() for path in least.iterdir()} - known
    corpora.write(name, [*named, *((corpora.UNNAMED, data) for data in others)])


def _child(options: argparse.Namespace) -> int:
    """atheris' own process: what is wrong is noted once for each place, and the search goes on."""
    import atheris

    (name,) = options.target
    with atheris.instrument_imports(include=["krm_harden"]):
        check = corpora.target(name).check
    findings = Path(options.child)
    met: set[str] = set()

    def once(data: bytes) -> None:
        try:
            begun = time.process_time()
            check(data)
            spent = time.process_time() - begun
            assert spent < SLOWEST, f"{spent:.1f} s of processor time"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is noted
            _note(findings, data, error, met)

    atheris.Setup([options.program, *options.rest], once)
    atheris.Fuzz()
    return 0


def _note(findings: Path, data: bytes, error: Exception, met: set[str]) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "krm_harden" in frame.filename or "targets" in frame.filename]
    last = (ours or frames)[-1]
    key = f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}"
    if key in met:
        return
    met.add(key)
    file = findings / re.sub(r"[^\w.]+", "-", key)
    with contextlib.suppress(FileExistsError), file.open("xb") as opened:
        opened.write(data)
        file.with_name(f"{file.name}.txt").write_text("".join(traceback.format_exception(error)), errors="replace")


def _show(done: list[dict[str, Any]]) -> None:
    columns = ("target", "seconds", "executions", "edges", "features", "corpus")
    print("| " + " | ".join([*columns, "findings"]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for one in done:
        print("| " + " | ".join([*(str(one[name]) for name in columns), str(len(one["findings"]))]) + " |")
    for one in done:
        for file in one["findings"]:
            own = f"python tests/fuzz/run.py --target {one['target']} --replay {file}"
            print(f"\n{file}\n    {own}\n    {own} --name WHAT-IS-WRONG    # keeps it as a case")


if __name__ == "__main__":
    sys.exit(main())

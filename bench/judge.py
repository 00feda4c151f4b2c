"""What `check` costs beyond reading: CPU seconds for one input, as JSON, all in this one process, collector off.

    python bench/judge.py FILE LEVEL VERSION

`parse`: the engine's own reader over each chunk, and nothing else. `verdict`: that, and whether the level allows each
pod, with the server's words. `check`: all of `krm-harden check` but the printing: verdicts, and each finding with its
line, its reason and what a fix would write.
"""

import gc
import json
import sys
import time

gc.disable()

from krm_harden import libyaml  # noqa: E402 - the collector is off before anything is loaded

libyaml.in_parts()
from krm_harden import resources, source, split, workloads  # noqa: E402
from krm_harden.engine import Engine  # noqa: E402
from krm_harden.model import LevelVersion  # noqa: E402
from krm_harden.policy import Policy  # noqa: E402
from krm_harden.standard import Evaluator  # noqa: E402


def chunks(data: bytes) -> list[bytes]:
    """The texts that are read one by one."""
    found = []
    for document in split.documents(data):
        cut = split.cut_items(document)
        found += cut.items if cut else [split.after_mark(document)[1]]
    return found


def parse(data: bytes) -> int:
    return sum(source.read(chunk.decode()).data is not None for chunk in chunks(data))


def verdict(data: bytes, asked: LevelVersion) -> int:
    """How many pods the level refuses."""
    refused = 0
    for chunk in chunks(data):
        for resource in resources.resources(source.read(chunk.decode())):
            pods = tuple(workloads.pods(resource, workloads.shapes_of(resource, {})))
            refused += bool(Evaluator(pods).verdict(asked).message)
    return refused


def check(data: bytes, asked: LevelVersion) -> int:
    """How many findings there are."""
    engine = Engine(Policy({"level": asked.level, "version": asked.label}), checking=True)
    return sum(len(made.findings) for chunk in engine.run(data) for made in chunk.resources)


def main(path: str, level: str, version: str) -> None:
    asked = LevelVersion(level, version)
    with open(path, "rb") as file:
        data = file.read()
    ways = {"parse": lambda: parse(data), "verdict": lambda: verdict(data, asked), "check": lambda: check(data, asked)}
    result: dict[str, float] = {}
    for name, way in ways.items():
        began = time.process_time()
        result[f"{name}s"] = way()
        result[name] = time.process_time() - began
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

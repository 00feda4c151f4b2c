"""What the function is measured against: PyYAML's libyaml composer over the same bytes, collector off, and nothing else."""

import gc
import sys

gc.disable()

import yaml  # noqa: E402 - the collector is off before anything is loaded

assert yaml.compose(sys.stdin.buffer.read(), Loader=yaml.CSafeLoader) is not None

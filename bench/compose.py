"""What krm-harden is measured against: PyYAML's libyaml composer over the same bytes, and nothing else.

python bench/compose.py < FILE              the collector off: the least that a Python program can take
python bench/compose.py --collect < FILE    the collector as it is by default
"""

import gc
import sys

if sys.argv[1:] != ["--collect"]:
    gc.disable()

import yaml

for root in yaml.compose_all(sys.stdin.buffer.read(), Loader=yaml.CSafeLoader):
    assert root is not None

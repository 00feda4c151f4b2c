"""What `check` is measured against: its own parser over the same bytes, chunk by chunk, collector off, and nothing else."""

import gc
import sys

gc.disable()

from krm_harden import libyaml  # noqa: E402 - the collector is off before anything is loaded

libyaml.in_parts()
from krm_harden import source, split  # noqa: E402

for document in split.documents(sys.stdin.buffer.read()):
    cut = split.cut_items(document)
    for chunk in cut.items if cut else [split.after_mark(document)[1]]:
        source.read(chunk.decode())

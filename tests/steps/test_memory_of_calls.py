"""What a call leaves in a process that serves many is freed, also where it lies in cycles."""

from __future__ import annotations

import gc
import subprocess
import sys

_CALLS = """
import gc, weakref
import pandas
from fastlstm.data.memory import release_memory_of_call

class Left:
    pass

release_memory_of_call()
assert gc.get_freeze_count() > 10_000
for _ in range(2):
    left = Left()
    left.itself = left
    gone = weakref.ref(left)
    del left
    before = gc.get_freeze_count()
    release_memory_of_call()
    assert gone() is None
    assert gc.get_freeze_count() == before
assert len(gc.get_objects()) < 10_000
"""


def test_what_is_imported_is_put_aside_once():
    assert gc.isenabled()
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True)
    assert not done.returncode, done.stderr

"""Return freed memory to the operating system."""

from __future__ import annotations

import ctypes
import functools
import gc
import sys

import pyarrow as pa


def give_back() -> None:
    """Return memory that the allocators of Arrow and of the C library hold for reuse.

    After a table of 10 million rows and 10 columns is read, this is 0.8 GB. Only glibc has
    ``malloc_trim``; other C libraries hold little.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def release_memory_of_call() -> None:
    """Free what a call has left in a process that serves many, such as a network and its rows.

    These lie in cycles of references, which only the garbage collector finds. To search all that is
    imported takes it 0.1 to 1 s, so it is told to leave that out (``gc.freeze``).
    """
    gc.collect()
    _exempt_present_objects(len(sys.modules))
    give_back()


@functools.lru_cache(maxsize=1)
def _exempt_present_objects(modules: int) -> None:
    """Leave what there is now out of later collections; again only where modules were imported since."""
    gc.freeze()

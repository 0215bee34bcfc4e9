"""The fastest of several ways to compute the same, found by a short measurement and kept by processor.

What was found lies in ``measured.json`` of the user's cache folder, under the name of the processor, so
that every night takes the same way and with it the same rounding. Delete the file to measure again.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from fastlstm.artifacts.bounded_reading import read_object
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.user_cache import user_cache
from fastlstm.errors import FastLSTMError

_FILE = "measured.json"

_ROUNDS = 5

# A way takes the place of the first one where it needs at most this share of its time: less is within
# what a measurement of milliseconds can tell.
_WORTH = 0.95

_lock = Lock()
_found: dict[str, str] = {}


def processor() -> str:
    """Name of the processor, and the cores that this process may use."""
    names: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def measured_choice(what: str, ways: Mapping[str, Callable[[], object]]) -> str:
    """Name of the way to take: the first one, unless another is at least a twentieth faster.

    Args:
        what: what is computed, with all that its speed depends on but for the processor.
        ways: by name, each computes it once; they are called several times where nothing is known.
    """
    with _lock:
        if what not in _found:
            _found[what] = _kept(what, ways) or _measured(what, ways)
        return _found[what]


def _measured(what: str, ways: Mapping[str, Callable[[], object]]) -> str:
    """The way to take, which is kept; where another process was quicker, that which it found."""
    fastest = _fastest(ways)
    known = _kept(what, ways)
    if known is None:
        _keep(what, fastest)
    return known or fastest


def _fastest(ways: Mapping[str, Callable[[], object]]) -> str:
    """The first way, or the fastest one where that is worth it; rounds alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_ROUNDS + 1):
        for name, compute in ways.items():
            begin = time.perf_counter()
            compute()
            if number:  # the first call compiles
                seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    first, fastest = next(iter(ways)), min(medians, key=lambda name: medians[name])
    return fastest if medians[fastest] <= _WORTH * medians[first] else first


def _kept(what: str, ways: Mapping[str, object]) -> str | None:
    """What was found on this kind of processor before; None where nothing of use can be read."""
    with suppress(OSError, RuntimeError, FastLSTMError):
        of_processor = read_object(user_cache() / _FILE).get(processor())
        name = of_processor.get(what) if isinstance(of_processor, dict) else None
        if isinstance(name, str) and name in ways:
            return name
    return None


def _keep(what: str, name: str) -> None:
    """Add what was found to the file; without a cache folder each process measures for itself."""
    with suppress(OSError, RuntimeError, FastLSTMError):
        file = user_cache() / _FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {}
        with suppress(OSError, FastLSTMError):
            content = read_object(file)
        of_processor = content.get(processor())
        content[processor()] = {
            **(of_processor if isinstance(of_processor, dict) else {}), what: name,
        }  # fmt: skip
        replace_file(file, json.dumps(content, indent=1) + "\n")

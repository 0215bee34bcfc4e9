"""Functions that tests of engines call on workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fastlstm.errors import DataError


def doubled(number, on_event=None):
    if number < 0:
        raise DataError(f"number {number} is negative")
    return {"value": 2 * number, "process": os.getpid()}


def killed(on_event=None):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(flag, on_event=None):
    """Dies on the first call."""
    if Path(flag).exists():
        return "done"
    Path(flag).touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def slowly(number, seconds):
    time.sleep(seconds)
    return doubled(number)


def prepared():
    """Nothing that a call would need."""


def eventful(number, on_event):
    """Sends an event before its end."""
    on_event({"event": "epoch", "epoch": number, "loss": 0.5})
    return number

"""Contestants in processes of their own, timed in alternation.

A contestant is a function that prepares its work and returns an ``Entry``. Run as a program, this module
is the process of one of them: ``python -m benchmarks.contest MODULE:FUNCTION ARGUMENTS_AS_JSON``.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.data.memory import give_back


@dataclass(frozen=True)
class Entry:
    """A contestant, ready.

    Attributes:
        work: does the work once.
        amount: units of work (windows, say) in one round.
        check: what all contestants must agree on before they are timed, or None.
        tolerance: largest difference allowed between them.
    """

    work: Callable[[], Any]
    amount: float
    check: np.ndarray | None = None
    tolerance: float = 0.0


@dataclass(frozen=True)
class Result:
    """What was measured of one contestant.

    Attributes:
        name: of the contestant.
        rates: units of work per second, one for each round.
        extra_megabytes: most memory the process had, less what it had before the first round.
    """

    name: str
    rates: list[float]
    extra_megabytes: float

    @property
    def rate(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.rates)

    @property
    def spread(self) -> float:
        """Half the distance from the slowest to the fastest round, as a share of the median."""
        return (max(self.rates) - min(self.rates)) / 2 / self.rate


class _Process:
    def __init__(self, function: str, arguments: dict[str, Any], folder: Path) -> None:
        self._log = (folder / "stderr.txt").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contest", function, json.dumps(arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def ask(self, text: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        self._log.seek(0)
        raise SystemExit(f"a contestant died:\n{self._log.read()[-3000:]}")

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def compete(contestants: dict[str, tuple[str, dict[str, Any]]], rounds: int) -> dict[str, Result]:
    """Compare the contestants' outputs, then time them in alternation.

    Args:
        contestants: function ``module:name`` and its arguments, by name.
        rounds: how often each is timed; one round before that warms up.

    Raises:
        SystemExit: two outputs differ by more than the tolerance, or a contestant died.
    """
    with tempfile.TemporaryDirectory() as name:
        processes = {
            who: _Process(*spec, _made(Path(name) / str(number)))
            for number, (who, spec) in enumerate(contestants.items())
        }
        try:
            _agree({who: process.ask("check") for who, process in processes.items()})
            for process in processes.values():
                process.ask("go")
            timed: dict[str, list[dict[str, Any]]] = {who: [] for who in processes}
            for _ in range(rounds):
                for who, process in processes.items():
                    timed[who].append(process.ask("go"))
        finally:
            for process in processes.values():
                process.end()
    return {
        who: Result(
            who, [one["amount"] / one["seconds"] for one in all_], all_[-1]["extra_megabytes"]
        )
        for who, all_ in timed.items()
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _agree(checks: dict[str, dict[str, Any]]) -> None:
    known = {
        who: (np.array(found["check"]), found["tolerance"])
        for who, found in checks.items()
        if found["check"] is not None
    }
    names = list(known)
    for who in names[1:]:
        difference = float(np.abs(known[who][0] - known[names[0]][0]).max())
        if difference > known[who][1]:
            raise SystemExit(f"{who} and {names[0]} differ by {difference}; nothing was timed")


def _resident() -> float:
    """Megabytes in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class _Peak(threading.Thread):
    """The most megabytes seen in memory; what a contestant needed to prepare is not in it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.megabytes = 0.0

    def run(self) -> None:
        while True:
            self.megabytes = max(self.megabytes, _resident())
            time.sleep(0.02)


def main() -> None:
    """Be one contestant."""
    module, _, name = sys.argv[1].partition(":")
    entry: Entry = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    give_back()
    before, peak = _resident(), _Peak()
    peak.start()
    for line in sys.stdin:
        if line.strip() == "check":
            check = None if entry.check is None else entry.check.tolist()
            answer: dict[str, Any] = {"check": check, "tolerance": entry.tolerance}
        else:
            begin = time.perf_counter()
            entry.work()
            answer = {
                "seconds": time.perf_counter() - begin,
                "amount": entry.amount,
                "extra_megabytes": peak.megabytes - before,
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

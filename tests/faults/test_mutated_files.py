"""Stored files that were damaged at random are refused or read; they end no process and never hang."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MUTATIONS = Path(__file__).with_name("mutated_files.py")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("count", "seed", "only"),
    [
        (500, 1, ""),
        pytest.param(17_000, 2, "others", marks=pytest.mark.soak),
        pytest.param(100_000, 3, "scalers", marks=pytest.mark.soak),
    ],
)
def test_damaged_files_are_refused_in_one_sentence_or_read(count, seed, only):
    done = subprocess.run(
        [sys.executable, str(MUTATIONS), str(count), str(seed), only],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["raw"] == [] and found["refused"] + found["read"] == count
    assert found["refused"] > 0.8 * count

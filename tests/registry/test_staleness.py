"""How long a model goes without a new run or a promotion before a person is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.staleness import why_stale

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def record(*runs):
    """A champion that four runs challenged, then those that follow."""
    made = ChampionRecord().kept("0", "").promoted("1", "")
    for run in runs:
        made = made.kept(run, "worse")
    return made


@pytest.mark.parametrize(
    ("runs", "decided", "reasons"),
    [
        ([], ChampionRecord(), []),
        (["2026-11-21 12-00-01 (2)"], record("2", "3"), []),
        (["2026-11-21 11-00-00"], record(),
         ["no new run for 7 days, the newest is 2026-11-21 11-00-00 (limit 7 days)"]),
        (["2026-11-21 11-00-00", "copy of a run"], record(),
         ["no new run for 7 days, the newest is 2026-11-21 11-00-00 (limit 7 days)"]),
        (["2026-11-28 03-00-00"], record("2", "3", "4"),
         ["none of the last 3 runs was promoted (limit 2)"]),
        (["2026-11-28 03-00-00"], record("2", "3", "4").promoted("5", ""), []),
        (["2026-11-28 03-00-00"], record("2", "2", "3").pruned(["0"], ""), []),
    ],
)  # fmt: skip
def test_stale_models(runs, decided, reasons):
    assert why_stale(runs, decided, 7, 2, NOW) == reasons

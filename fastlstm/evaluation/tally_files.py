"""Sums of a classifier's forecasts as a file, for the process that adds up those of all shards."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.evaluation.label_tally import ColumnTally, LabelTally, RankedLabels

_RANKED = [field.name for field in fields(RankedLabels)]


def write_tally(file: Path, tally: LabelTally) -> None:
    """Write sums; ``read_tally`` gives the same.

    Args:
        file: ends in ``.npz``.
        tally: the sums.
    """
    values: dict[str, Any] = {
        "windows": np.int64(tally.windows),
        "loss": [column.loss for column in tally.columns],
    }
    for number, column in enumerate(tally.columns):
        values[_place("confusion", number)] = column.confusion
    for number, ranked in enumerate([*tally.outputs, *(c.confidence for c in tally.columns)]):
        values |= {_place(name, number): getattr(ranked, name) for name in _RANKED}
    np.savez(file, **values)


def read_tally(file: Path) -> LabelTally:
    """Read sums.

    Args:
        file: as ``write_tally`` wrote it.
    """
    with np.load(file, allow_pickle=False) as stored:
        losses = stored["loss"].tolist()
        ranked: list[RankedLabels] = []
        while _place("digits", len(ranked)) in stored:
            probability, negatives, positives, digits = (
                stored[_place(name, len(ranked))] for name in _RANKED
            )
            ranked.append(RankedLabels(probability, negatives, positives, int(digits)))
        outputs = len(ranked) - len(losses)
        columns = [
            ColumnTally(loss, stored[_place("confusion", number)], ranked[outputs + number])
            for number, loss in enumerate(losses)
        ]
        return LabelTally(int(stored["windows"]), ranked[:outputs], columns)


def _place(name: str, number: int) -> str:
    return f"{name} {number}"

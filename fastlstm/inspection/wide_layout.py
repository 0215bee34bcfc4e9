"""Wide tables, whose columns are series, in the layout that everything else looks at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from fastlstm.errors import DataError
from fastlstm.inspection.sample import Sample, listed
from fastlstm.inspection.times import Times

# Names for the label and the value of a series.
SERIES, VALUE = "series", "value"
# Fewest columns of one pattern that are taken as series without being told.
_FEWEST = 3


def are_alike(sample: Sample, names: Sequence[str]) -> bool:
    """Whether columns are series by their names, which differ in a number alone: 'shop_1', 'shop_2'.

    Args:
        sample: the rows.
        names: all columns but the time.
    """
    patterns = {re.sub(r"\d+", "#", name) for name in names}
    numbers = all(pd.api.types.is_numeric_dtype(sample.frame[name].dtype) for name in names)
    return numbers and len(names) >= _FEWEST and len(patterns) == 1 and "#" in patterns.pop()


def long_sample(sample: Sample, times: Times, names: Sequence[str]) -> tuple[Sample, Times]:
    """The rows of a wide table one series after another, from its first to its last value.

    Args:
        sample: the rows.
        times: the time column.
        names: columns that are series.

    Raises:
        DataError: there is no column of numbers.
    """
    numbers = [n for n in names if pd.api.types.is_numeric_dtype(sample.frame[n].dtype)]
    if not numbers:
        raise DataError(f"--wide: no column is of numbers; columns: {listed(names)}")
    parts = []
    for name in numbers:
        values = sample.frame[name]
        begins, ends = values.first_valid_index(), values.last_valid_index()
        if begins is None:
            continue
        part = pd.DataFrame({times.column: times.values, SERIES: name, VALUE: values})
        parts.append(part.loc[begins:ends])
    if not parts:
        raise DataError(f"--wide: all columns are empty; columns: {listed(names)}")
    frame = pd.concat(parts, ignore_index=True)
    whole = (VALUE,) if all(name in sample.whole_numbers for name in numbers) else ()
    long = replace(sample, frame=frame, whole_numbers=whole, leading_zeros=())
    return long, replace(times, values=frame[times.column])

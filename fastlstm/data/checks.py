"""The checks that the rows of a table must pass, run by pandera."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.findings import CASES, Finding
from fastlstm.data.reading import is_sorted
from fastlstm.data.time_grid import grid_positions

# Squares of values beyond this overflow, and so do means, deviations and losses.
_LARGEST = 1e150


def out_of_range(column: pd.Series, minimum: float | None, maximum: float | None) -> pd.Series:
    low = column < minimum if minimum is not None else False
    high = column > maximum if maximum is not None else False
    return pd.Series(low | high, index=column.index, dtype=bool)


def _repeated(frame: pd.DataFrame, same_series: pd.Series) -> pd.Series:
    """Rows whose series and time another row has too."""
    if not is_sorted(frame):
        return frame.duplicated([SERIES, TIME], keep=False)
    # In order they lie side by side; hashing ten million rows takes half a gigabyte.
    again = same_series & (frame[TIME] == frame[TIME].shift())
    return again | again.shift(-1, fill_value=False)


def run_checks(
    frame: pd.DataFrame, data: DataConfig, values: list[str], labels: bool
) -> tuple[list[Finding], list[Finding], int]:
    must: dict[str, list[pa.Check]] = {n: [] for n in values}
    should: dict[str, list[pa.Check]] = {n: [] for n in values}
    messages: dict[str, str] = {}

    def check(column: str, name: str, test: Any, message: str, *, strict: bool = True) -> None:
        messages[f"{column}\0{name}"] = message
        (must if strict else should)[column].append(
            pa.Check(test, name=name, ignore_na=False, element_wise=False)
        )

    for name in values:
        rules = data.rules(name)
        check(
            name, "finite", lambda s: ~np.isinf(s),
            f"infinite values; correct the source or declare a range with "
            f"data.columns.{name}.out_of_range 'missing'",
        )  # fmt: skip
        check(
            name, "magnitude", lambda s: ~(np.isfinite(s) & (s.abs() > _LARGEST)),
            f"values beyond {_LARGEST:g}, with which nothing can be computed; give the column in "
            "another unit",
        )  # fmt: skip
        if (rules.minimum is not None or rules.maximum is not None) and (
            rules.out_of_range != "missing"
        ):
            check(
                name, "range",
                lambda s, r=rules: ~out_of_range(s, r.minimum, r.maximum),
                f"outside [{rules.minimum}, {rules.maximum}]; correct the source or "
                f"data.columns.{name}",
                strict=rules.out_of_range == "error",
            )  # fmt: skip
        if rules.missing == "error":
            check(
                name, "missing", lambda s: s.notna(),
                f"missing values; correct the source, or set data.columns.{name}.missing to 'drop' "
                "or 'forward_fill'",
            )  # fmt: skip
        else:
            share = float(frame[name].isna().mean())
            check(
                name, "missing share",
                lambda s, most=rules.max_missing_share: s.isna().mean() <= most,
                f"{share:.1%} of the values are missing, data.columns.{name}.max_missing_share "
                f"allows {rules.max_missing_share:.1%}; correct the source or the limit",
            )  # fmt: skip
        check(
            name, "constant", lambda s: s.min() != s.max() or len(s) < 2,
            "the same value in every row; the network can learn nothing from it", strict=False,
        )  # fmt: skip
        if name in data.static:
            first = frame[name].groupby(frame[SERIES], sort=False).transform("first")
            check(
                name, "static", lambda s, of_series=first: s.isna() | (s == of_series),
                "it changes within its series; correct the source, or move it from data.static to "
                "data.features",
            )  # fmt: skip
        if labels and name in data.targets:
            check(
                name, "labels", lambda s: s.isna() | s.isin([0, 1]),
                "labels other than 0 and 1; encode each class as a column of 0 and 1, or use "
                "LSTM_type 'regressor'",
            )  # fmt: skip

    key = f"{data.series}, {data.time}" if data.series else data.time
    same_series = frame[SERIES] == frame[SERIES].shift()
    wide_must = [
        pa.Check(lambda d: ~_repeated(d, same_series), name="unique series and time"),
        pa.Check(
            lambda d: ~(same_series & (d[TIME] < d[TIME].shift())), name="time order"
        ),
    ]  # fmt: skip
    wide_should = []
    messages[f"{key}\0unique series and time"] = (
        "rows with the same series and time; keep one of each"
        if data.series else "rows with the same time; keep one of each, or name data.series"
    )  # fmt: skip
    messages[f"{key}\0time order"] = "time runs backwards within a series; sort the rows"
    if data.frequency:
        positions = grid_positions(frame[TIME], data.frequency, data.time_zone)
        on_grid = pd.Series(positions >= 0, index=frame.index)
        wide_must.append(pa.Check(lambda _: on_grid, name="frequency"))
        messages[f"{key}\0frequency"] = (
            f"times off the declared grid of {data.frequency}; correct the source or data.frequency"
        )
        steps = pd.Series(positions, index=frame.index).diff()
        after_hole = same_series & on_grid & on_grid.shift(fill_value=False) & (steps > 1)
        wide_should.append(pa.Check(lambda _: ~after_hole, name="holes in time"))
        holes = int((steps[after_hole] - 1).sum())
        messages[f"{key}\0holes in time"] = (
            f"{int(after_hole.sum())} holes, {holes} rows of {data.frequency} absent; no window "
            "crosses one"
        )
    errors = _failures(frame, must, wide_must, key, messages)
    warnings = _failures(frame, should, wide_should, key, messages)
    count = sum(map(len, [*must.values(), *should.values(), wide_must, wide_should]))
    return errors, warnings, count


def _failures(
    frame: pd.DataFrame, checks: dict[str, list[pa.Check]], wide: list[pa.Check], key: str,
    messages: dict[str, str],
) -> list[Finding]:  # fmt: skip
    schema = pa.DataFrameSchema(
        {n: pa.Column(float, c, nullable=True) for n, c in checks.items()}, checks=wide
    )
    try:
        schema.validate(frame, lazy=True, inplace=True)  # it changes nothing, so needs no copy
    except SchemaErrors as failed:
        found = []
        for item in failed.schema_errors:
            name = str(item.check.name if isinstance(item.check, pa.Check) else item.check)
            column = key if item.schema is schema else str(item.schema.name)
            passed = item.check_output
            rows: Iterable[Any] = (
                np.flatnonzero(~passed.to_numpy(dtype=bool))
                if isinstance(passed, pd.Series) and len(passed) == len(frame) else []
            )  # fmt: skip
            rows = np.asarray(rows, dtype=int)
            message = messages[f"{column}\0{name}"]
            if len(rows):
                message = f"{len(rows)} rows: {message}"
            cases = [
                {
                    "series": frame[SERIES].iloc[r],
                    "time": frame[TIME].iloc[r].isoformat(),
                    "value": _plain(frame[column].iloc[r]) if column in frame else None,
                }
                for r in rows[:CASES]
            ]
            found.append(Finding(name, column, len(rows), message, cases))
        return found
    return []


def _plain(value: float) -> float | str | None:
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else str(value)

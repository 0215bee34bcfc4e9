"""All failures in one report, warnings, and missing values by policy, never from later rows."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import TABLE_FILE
from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.tables import write_table
from fastlstm.data.time_grid import contiguous_blocks, grid_positions
from fastlstm.data.validation import LoadingFacts, validate
from fastlstm.errors import DataError
from fastlstm.steps.prepare import validate_into
from fastlstm.steps.shard_map import ShardMap


def data(**changes):
    given = {
        "path": "x.csv", "time": "when", "series": "site", "frequency": "1h",
        "features": ["load", "heat"], "targets": ["load"], **changes,
    }  # fmt: skip
    return DataConfig.model_validate(given)


def table(panel):
    return panel.rename(columns={"site": SERIES, "when": TIME}).astype({SERIES: "str"})


def checks(findings):
    return {(f.check, f.column): f for f in findings}


def test_clean_table_passes_unchanged(panel):
    clean, report = validate(table(panel), data(), labels=False)
    assert report.passed and not report.warnings
    assert report.rows_in == report.rows_out == len(panel)
    assert clean[SEGMENT].nunique() == 2
    np.testing.assert_array_equal(clean["load"], panel["load"])


def test_all_failures_are_collected_in_one_report(panel):
    frame = table(panel)
    frame.loc[3, "load"] = np.nan
    frame.loc[5, "heat"] = np.inf
    frame.loc[6, "heat"] = 500
    frame.loc[10, TIME] = frame.loc[9, TIME]
    frame.loc[20:31, TIME] += pd.Timedelta("7min")
    rules = {"heat": {"maximum": 100}}
    _, report = validate(frame, data(columns=rules), labels=False)
    found = checks(report.errors)
    assert set(found) == {
        ("missing", "load"), ("finite", "heat"), ("range", "heat"),
        ("unique series and time", "site, when"), ("frequency", "site, when"),
    }  # fmt: skip
    assert found["frequency", "site, when"].rows == 12
    assert len(found["frequency", "site, when"].cases) == 10
    assert found["range", "heat"].rows == 2
    case = found["range", "heat"].cases[1]
    assert case == {"series": "a", "time": "2024-01-01T06:00:00+00:00", "value": 500.0}
    assert found["missing", "load"].cases[0]["value"] is None
    assert "data.columns.load.missing" in found["missing", "load"].message
    json.dumps(report.to_dict(), allow_nan=False)


def test_refused_data_leaves_the_report_and_nothing_else(panel, tmp_path):
    frame = table(panel)
    frame.loc[3, "load"] = np.nan
    folder, loaded = tmp_path / "out", tmp_path / "load"
    folder.mkdir()
    loaded.mkdir()
    write_table(frame, loaded / TABLE_FILE)
    kept = tmp_path / "refused" / "r.json"
    with pytest.raises(DataError, match=r"1 of \d+ checks failed, first: missing · load: 1 rows"):
        validate_into(
            folder, loaded, data(), labels=False, loading=LoadingFacts(),
            refused_report=kept, shards=ShardMap(tmp_path / "shards"),
        )  # fmt: skip
    assert list(folder.iterdir()) == []
    assert json.loads(kept.read_text())["outcome"] == "refused"


def test_warnings_go_on(panel):
    frame = table(panel).drop(index=[50, 51, 100]).reset_index(drop=True)
    frame["heat"] = 1.0
    rules = {"load": {"maximum": 55, "out_of_range": "warning"}}
    clean, report = validate(
        frame, data(columns=rules), labels=False, rows_out_of_order=4, skipped_series={"c": 2}
    )
    assert report.passed
    warned = checks(report.warnings)
    assert set(warned) == {
        ("row order", "when"), ("short series", "site"), ("constant", "heat"), ("range", "load"),
        ("gaps in time", "site, when"),
    }  # fmt: skip
    assert "2 gaps, 3 rows of 1h absent" in warned["gaps in time", "site, when"].message
    assert clean[SEGMENT].nunique() == 4


def test_labels_must_be_zero_or_one(panel):
    frame = table(panel)
    frame["heat"] = (frame["heat"] > 20).astype(float)
    _, report = validate(frame, data(targets=["heat"]), labels=True)
    assert report.passed
    frame.loc[7, "heat"] = 2
    _, report = validate(frame, data(targets=["heat"]), labels=True)
    assert ("labels", "heat") in checks(report.errors)


def test_forward_fill_stops_at_its_limit_and_at_gaps(panel):
    frame = table(panel.head(40)).drop(index=[20]).reset_index(drop=True)
    frame.loc[5:7, "heat"] = np.nan  # three rows, limit two
    frame.loc[20, "heat"] = np.nan  # first row after the gap, so there is nothing to fill from
    rules = {"missing": "forward_fill", "forward_fill_limit": 2, "max_missing_share": 1.0}
    _, report = validate(frame, data(columns={"heat": rules}), labels=False)
    beyond = checks(report.errors)["missing beyond forward fill", "heat"]
    assert beyond.rows == 2 and report.filled == {"heat": 2}
    rules["beyond_limit"] = "drop"
    clean, report = validate(frame, data(columns={"heat": rules}), labels=False)
    assert report.passed and report.dropped == {"heat": 2} and report.filled == {"heat": 2}
    assert clean["heat"].iloc[5] == clean["heat"].iloc[6] == clean["heat"].iloc[4]
    assert clean[SEGMENT].nunique() == 3


def test_no_policy_looks_ahead(panel):
    """What a row becomes may not depend on any row after it."""
    rng = np.random.default_rng(0)
    frame = table(panel)
    frame.loc[rng.choice(len(frame), 60, replace=False), "heat"] = np.nan
    rules = {
        "missing": "forward_fill", "forward_fill_limit": 3, "max_missing_share": 1.0,
        "beyond_limit": "drop",
    }  # fmt: skip
    settings = data(columns={"heat": rules})
    whole, _ = validate(frame, settings, labels=False)
    for cut in (100, 180, 300):
        start, _ = validate(frame.iloc[:cut].copy(), settings, labels=False)
        pd.testing.assert_frame_equal(
            start.drop(columns=SEGMENT), whole.iloc[: len(start)].drop(columns=SEGMENT)
        )


def test_dropped_rows_break_segments_without_a_frequency(panel):
    frame = table(panel.head(30))
    frame.loc[10, "load"] = np.nan
    clean, report = validate(
        frame, data(frequency=None, columns={"load": {"missing": "drop"}}), labels=False
    )
    assert report.dropped == {"load": 1}
    assert clean[SEGMENT].tolist() == [0] * 10 + [1] * 19


def test_too_many_missing_values(panel):
    frame = table(panel)
    frame.loc[:100, "load"] = np.nan
    _, report = validate(frame, data(columns={"load": {"missing": "drop"}}), labels=False)
    assert (
        "21.0% of the values are missing" in checks(report.errors)["missing share", "load"].message
    )


def test_out_of_range_taken_as_missing(panel):
    frame = table(panel)
    frame.loc[9, "heat"] = 1e6
    rules = {
        "heat": {
            "maximum": 100, "out_of_range": "missing", "missing": "forward_fill",
            "forward_fill_limit": 1,
        }
    }  # fmt: skip
    clean, report = validate(frame, data(columns=rules), labels=False)
    assert report.out_of_range_as_missing == {"heat": 1} and report.filled == {"heat": 1}
    assert clean["heat"].iloc[9] == clean["heat"].iloc[8]


def test_derived_label_knows_exactly_its_horizon(panel):
    frame = table(panel.head(50)).drop(index=[30]).reset_index(drop=True)
    derived = {
        "wet": {"column": "rain", "operation": "any_above", "threshold": 0.5, "horizon": 4},
        "sum": {"column": "rain", "operation": "sum", "horizon": 4},
    }
    settings = data(targets=["wet", "sum"], derived_targets=derived)
    clean, _ = validate(frame, settings, labels=False)
    rain, segment = clean["rain"].to_numpy(), clean[SEGMENT].to_numpy()
    for row in range(len(clean)):
        ahead = slice(row, row + 4)
        known = row + 4 <= len(clean) and len(set(segment[ahead])) == 1
        if known:
            assert clean["wet"].iloc[row] == float((rain[ahead] > 0.5).any())
            assert clean["sum"].iloc[row] == pytest.approx(rain[ahead].sum())
        else:
            assert np.isnan(clean["wet"].iloc[row]) and np.isnan(clean["sum"].iloc[row])


def test_days_are_counted_in_local_time():
    local = pd.date_range("2024-03-08", periods=5, freq="1D", tz="America/New_York")
    times = pd.Series(local.tz_convert("UTC"))
    assert grid_positions(times, "1D", "America/New_York").tolist() == [0, 1, 2, 3, 4]
    assert -1 in grid_positions(times, "1D", "UTC")


def test_hours_are_counted_through_a_clock_change(tmp_path):
    local = pd.date_range("2024-11-02", periods=48, freq="1h", tz="America/New_York")
    pd.DataFrame({"when": local, "load": range(48)}).to_csv(tmp_path / "t.csv", index=False)
    loaded = load(
        DataConfig(path=str(tmp_path / "t.csv"), time="when", features=["load"], targets=["load"])
    )
    positions = grid_positions(loaded.frame[TIME], "1h", "America/New_York")
    assert np.diff(positions).tolist() == [1] * 47


def test_months_and_gaps():
    months = pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01", "2024-04-01"], utc=True))
    assert grid_positions(months, "MS").tolist() == [0, 1, 3]
    assert contiguous_blocks(np.array(["a"] * 3), np.array([0, 1, 3])).tolist() == [0, 0, 1]


def test_many_columns_are_cleaned_without_a_warning(tmp_path):
    names = [f"c{number}" for number in range(150)]
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 150)), columns=names)
    rows.insert(0, "when", pd.date_range("2024-01-01", periods=20, freq="1h"))
    rows.to_parquet(tmp_path / "t.parquet")
    wide = DataConfig(
        path=str(tmp_path / "t.parquet"), time="when", frequency="1h", features=names,
        targets=["c0"], calendar=["hour"],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean, report = validate(load(wide).frame, wide, labels=False)
    assert report.passed and len(clean.columns) == 3 + 150

"""Trading days: holidays are no gaps, windows go over them, and no forecast is for one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from fastlstm import fastLSTM
from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.reading import load
from fastlstm.data.time_grid import later_rows, step_times
from fastlstm.data.validation import validate
from fastlstm.errors import DataError

# Thanksgiving, Christmas and New Year of the New York Stock Exchange, from its own calendar.
CLOSED = ["2024-11-28", "2024-12-25", "2025-01-01", "2025-01-09", "2025-01-20"]
DAYS = pd.bdate_range("2024-11-01", "2025-01-31").difference(pd.DatetimeIndex(CLOSED))
NEXT = ["2024-12-24", "2024-12-26", "2024-12-27", "2024-12-30", "2024-12-31", "2025-01-02"]


def settings(path, **more):
    return DataConfig.model_validate(
        {
            "path": str(path),
            "time": "d",
            "features": ["y"],
            "targets": ["y"],
            "calendar": [],
            **more,
        }
    )


@pytest.fixture
def prices(tmp_path):
    table = pd.DataFrame({"d": DAYS.strftime("%Y-%m-%d"), "y": np.arange(len(DAYS)) * 1.0})
    table.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("frequency", ["B", "C"])
@pytest.mark.parametrize(
    "closed", [CLOSED, {"dates": CLOSED}, {"market": "XNYS", "dates": ["2025-01-09"]}]
)
def test_closed_days_are_no_gaps_and_get_no_forecast(prices, frequency, closed):
    data = settings(prices, frequency=frequency, closed_days=closed)
    clean, report = validate(load(data).frame, data, labels=False)
    assert report.passed and not report.warnings and clean["__segment"].max() == 0
    offset = row_offset(data.frequency, data.closed_days)
    origin = pd.Timestamp(NEXT[0], tz="UTC")
    assert step_times(origin, 6, offset, "UTC").strftime("%Y-%m-%d").tolist() == NEXT
    assert later_rows([origin], 5, offset, "UTC")[0] == pd.Timestamp(NEXT[-1], tz="UTC")


def test_without_them_business_days_have_gaps_and_the_warning_says_what_to_set(prices):
    data = settings(prices, frequency="B")
    clean, report = validate(load(data).frame, data, labels=False)
    (gaps,) = [found for found in report.warnings if found.check == "gaps in time"]
    assert "5 rows of B absent" in gaps.message and "data.closed_days" in gaps.message
    assert clean["__segment"].nunique() == 6


def test_trading_days_without_a_calendar_follow_each_other_as_given(prices):
    data = settings(prices, frequency="C")
    clean, report = validate(load(data).frame, data, labels=False)
    assert report.passed and clean["__segment"].max() == 0
    (warning,) = report.warnings
    assert warning.check == "closed days" and "data.closed_days" in warning.message


def test_a_missing_trading_day_is_a_gap(prices):
    table = pd.read_csv(prices).drop(index=20)
    table.to_csv(prices, index=False)
    data = settings(prices, frequency="B", closed_days=CLOSED)
    clean, report = validate(load(data).frame, data, labels=False)
    assert [found.check for found in report.warnings] == ["gaps in time"]
    assert clean["__segment"].nunique() == 2


def test_rows_on_closed_days_are_refused(prices):
    data = settings(prices, frequency="B", closed_days={"dates": ["2024-11-05"]})
    _, report = validate(load(data).frame, data, labels=False)
    assert [found.check for found in report.errors] == ["frequency"]
    assert "closed by data.closed_days; correct it, or leave the rows" in report.errors[0].message


def test_weekends_are_where_the_week_says(tmp_path):
    week = ["Sun", "Mon", "Tue", "Wed", "Thu"]
    work_days = pd.offsets.CustomBusinessDay(weekmask=" ".join(week))
    days = pd.date_range("2024-01-01", periods=40, freq=work_days)
    x = pd.DataFrame({"y": np.arange(40.0)}, index=days)
    model = fastLSTM(
        x,
        x,
        frequency="B",
        closed_days={"week": week},
        LSTM_type="regressor",
        timesteps=2,
        calendar=[],
    )
    assert model._rows.frame["__segment"].max() == 0
    with pytest.raises(DataError, match="off a grid of B"):
        fastLSTM(x, x, frequency="B", LSTM_type="regressor", timesteps=2)


@pytest.mark.parametrize(
    ("frequency", "closed", "message"),
    [
        ("1D", CLOSED, "frequency is '1D'; set it to 'B' or 'C'"),
        ("B", ["25.12.2024"], "'25.12.2024' is no date; write it as 2024-12-25"),
        ("B", {"market": "NYS"}, "no 'NYS'; use one of .*XNYS"),
        ("B", {"country": "Germany"}, "no 'Germany'; use one of .*DE"),
        ("B", {"subdivision": "BE"}, "needs country"),
        ("B", {"week": ["Mon", "Mon"]}, "listed twice"),
    ],
)
def test_closed_days_are_checked_with_the_settings(frequency, closed, message):
    with pytest.raises(ValidationError, match=message):
        settings("t.csv", frequency=frequency, closed_days=closed)

"""Times are read as declared, or refused: numbers since 1970, years, weeks, day-first text."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from fastlstm import fastLSTM
from fastlstm.config.calendar import check_frequency
from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import TIME
from fastlstm.data.reading import load
from fastlstm.errors import ConfigError, DataError

HOURS = pd.date_range("2024-01-01", periods=30, freq="h", tz="UTC")
SECONDS = 1704067200 + 3600 * np.arange(30)
YEARS = pd.date_range("1950", periods=30, freq="YS", tz="UTC")
DAYS = pd.date_range("2024-02-01", periods=30, tz="UTC")
WEEKS = pd.date_range("2024-01-01", periods=30, freq="W-MON", tz="UTC")


def written_to_24(day):
    """The hours as a clock that says 24:00 at midnight writes them."""
    minutes = HOURS - pd.Timedelta("1min")
    return np.array([f"{m:{day}}{m.hour + 1:02d}:00" for m in minutes])


DECLARED = [
    ("epoch_s", SECONDS, HOURS),
    ("epoch_ms", SECONDS * 1000, HOURS),
    ("epoch_us", SECONDS * 10**6, HOURS),
    ("epoch_ns", SECONDS * 10**9, HOURS),
    ("epoch_s", SECONDS + 0.25, HOURS + pd.Timedelta("250ms")),
    ("%Y", np.arange(1950, 1980), YEARS),
    ("%Y%m%d", DAYS.strftime("%Y%m%d").astype(int).to_numpy(), DAYS),
    ("%d/%m/%Y", DAYS.strftime("%d/%m/%Y").to_numpy(), DAYS),
    ("%m/%d/%Y", DAYS.strftime("%m/%d/%Y").to_numpy(), DAYS),
    ("%G-W%V", WEEKS.strftime("%G-W%V").to_numpy(), WEEKS),
    ("%G-W%V-%u", WEEKS.strftime("%G-W%V-%u").to_numpy(), WEEKS),
    ("%G%V", WEEKS.strftime("%G%V").astype(int).to_numpy(), WEEKS),
    ("excel", 45292 + np.arange(30) / 24, HOURS),
    ("excel", 45292 + np.arange(31, 61), DAYS),
    # Numbers have lost the zero before 1 to 9 of February.
    ("%d%m%Y", DAYS.strftime("%d%m%Y").astype(int).to_numpy(), DAYS),
    # 24:00 is the end of a day.
    (None, written_to_24("%Y-%m-%dT"), HOURS),
    ("%d.%m.%Y %H:%M", written_to_24("%d.%m.%Y "), HOURS),
]


def settings(path, **more):
    return DataConfig.model_validate(
        {"path": str(path), "time": "t", "features": ["y"], "targets": ["y"], **more}
    )


def in_class(times, **more):
    x = pd.DataFrame({"y": np.arange(len(times), dtype=float)})
    return fastLSTM(x, x, time=times, LSTM_type="regressor", timesteps=2, **more)


@pytest.mark.parametrize(("written", "values", "expected"), DECLARED)
def test_the_same_times_from_csv_parquet_and_in_the_class(tmp_path, written, values, expected):
    table = pd.DataFrame({"t": values, "y": 1.0})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        found = load(settings(tmp_path / name, time_format=written)).frame[TIME]
        assert (pd.DatetimeIndex(found) == expected).all()
    model = in_class(values, time_format=written)
    assert (pd.DatetimeIndex(model._rows.frame[TIME]) == expected).all()


@pytest.mark.parametrize("values", [SECONDS, SECONDS * 1000, np.arange(1950, 1980), SECONDS + 0.5])
def test_numbers_without_a_format_are_refused(tmp_path, values):
    pd.DataFrame({"t": values, "y": 1.0}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r"holds (int64|double).* with data\.time_format: 'epoch_s'"
    ):
        load(settings(tmp_path / "t.parquet"))
    with pytest.raises(DataError, match=r"time holds (int64|double).* with time_format: 'epoch_s'"):
        in_class(values)


@pytest.mark.parametrize(
    ("values", "written", "message"),
    [
        (SECONDS * 1000, "epoch_s", "beyond the year 9999"),
        (SECONDS, "excel", "row 0: 1704067200 is no day from 1900 to 9999 as spreadsheets"),
        ([*SECONDS.astype(str)[:-1], "soon"], "epoch_s", "row 29: 'soon' is no number"),
        (np.arange(30) + 1950.5, "%Y", "row 0: 1950.5 is no whole number"),
        (DAYS.strftime("%d/%m/%Y").tolist(), None, "row 0: '01/02/2024' is no ISO 8601 time"),
        (SECONDS.astype(str).tolist(), None, "'1704067200' is no ISO 8601 time"),
        (
            DAYS.strftime("%m/%d/%Y").tolist(),
            "%d/%m/%Y",
            "row 12: '02/13/2024' is no %d/%m/%Y time",
        ),
    ],
)
def test_what_is_not_as_declared_is_refused(values, written, message):
    with pytest.raises(DataError, match=message):
        in_class(values, time_format=written)


HINTS = [
    (SECONDS.astype(str), "'epoch_s'"),
    ((SECONDS * 1000).astype(str), "'epoch_ms'"),
    (DAYS.strftime("%d.%m.%Y"), "'%d.%m.%Y'"),
    (DAYS.strftime("%m/%d/%Y"), "'%m/%d/%Y'"),
    (DAYS[:9].strftime("%m/%d/%Y"), "'%d/%m/%Y' if days come first, to '%m/%d/%Y' if months"),
    (DAYS.strftime("%b %d, %Y"), "'%b %d, %Y'"),
    (DAYS.strftime("%G-W%V"), "'%G-W%V'"),
    (np.array(["2024-Q1", "2024-Q2"]), "'%Y-Q%q'"),
]


@pytest.mark.parametrize(("cells", "advice"), HINTS, ids=[advice for _, advice in HINTS])
def test_a_refusal_names_the_format_of_these_very_cells(tmp_path, cells, advice):
    pd.DataFrame({"t": cells, "y": 1.0}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as refused:
        load(settings(tmp_path / "t.csv"))
    assert f"set data.time_format to {advice}" in str(refused.value)
    for written in re.findall(r"'([^']*)'", advice):
        assert len(load(settings(tmp_path / "t.csv", time_format=written)).frame) == len(cells)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("3M", "'3MS' for the first day of months, or '3ME'"),
        ("30T", "'30min'"),
        ("2H", "'2h'"),
        ("2Q", "'2QS' for the first day of quarters, or '2QE'"),
        ("SM", "'SMS' for the first and 15th day of months, or 'SME'"),
        ("2 months", "'2MS' for the first day of months, or '2ME'"),
        ("biweekly", "'2W-MON' for weeks whose rows are Mondays ('2W-SUN'"),
        ("bimonthly", "'2MS'"),
        ("half-yearly", "'6MS'"),
    ],
)
def test_a_frequency_by_another_name_keeps_its_number(given, advice):
    with pytest.raises(ValueError) as refused:
        check_frequency(given)
    assert f"use {advice}" in str(refused.value)
    for name in re.findall(r"'(\w[\w-]*)'", advice):
        check_frequency(name)


@pytest.mark.parametrize("wrong", ["epoch", "%Q", "seconds"])
def test_an_unknown_format_is_refused_with_the_settings(tmp_path, wrong):
    with pytest.raises(ValidationError, match=r"epoch_s, epoch_ms, epoch_us, epoch_ns"):
        settings("t.csv", time_format=wrong)
    with pytest.raises(ConfigError, match=r"time_format: .*epoch_s, epoch_ms"):
        in_class(DAYS, time_format=wrong)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frequency", "M", "frequency: 'M' .* use 'MS' for the first day of months"),
        ("frequency", "H", "use 'h'"),
        ("time_zone", "Mars", "time_zone: no time zone is named 'Mars'"),
    ],
)
def test_the_class_refuses_time_settings_as_the_pipeline_does(name, value, message):
    with pytest.raises(ConfigError, match=message):
        in_class(DAYS, **{name: value})
    with pytest.raises(ValidationError, match=message.partition(": ")[2] or message):
        settings("t.csv", **{name: value})


def test_the_class_takes_the_zone_of_its_times(tmp_path):
    for zone in ("Europe/Rome", "Africa/Cairo"):
        days = pd.date_range("2024-03-01", periods=90).tz_localize(
            zone, nonexistent="shift_forward"
        )
        x = pd.DataFrame({"y": np.arange(90.0)}, index=days)
        model = fastLSTM(x, x, frequency="1D", LSTM_type="regressor", timesteps=2, calendar=[])
        assert model._rows.frame["__segment"].max() == 0
        assert model._config().data.time_zone == zone
        naive = fastLSTM(
            x.set_axis(days.tz_localize(None).normalize()), x.to_numpy(), time_zone=zone,
            frequency="1D", LSTM_type="regressor", timesteps=2, calendar=[],
        )  # fmt: skip
        assert (naive._rows.frame[TIME] == model._rows.frame[TIME]).all()


@pytest.mark.parametrize(
    "zone", ["Europe/Rome", "Africa/Cairo", "+02:00", "-05:00", "Asia/Kolkata"]
)
@pytest.mark.parametrize("frequency", ["1D", "W-MON", "W-THU", "MS", "ME", "B", "QE", "YS-APR"])
def test_an_index_with_a_zone_is_on_its_own_calendar(zone, frequency):
    index = pd.date_range("2019-01-01", periods=40, freq=frequency)
    x = pd.DataFrame(
        {"y": np.arange(40.0)}, index=index.tz_localize(zone, nonexistent="shift_forward")
    )
    model = fastLSTM(x, x, frequency=frequency, LSTM_type="regressor", timesteps=2, calendar=[])
    assert model._rows.frame["__segment"].max() == 0

"""A table nobody has described: what is found in it, what is doubted, and that the config works."""

from __future__ import annotations

import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from fastlstm.config.reading import parse_config
from fastlstm.data.reading import load
from fastlstm.errors import DataError
from fastlstm.inspection.inspect_table import inspect_table
from fastlstm.inspection.roles import look_back_of
from fastlstm.inspection.settings_text import settings_text
from flows.cli.main import main

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


def written(folder, text, name="t.csv", encoding="utf-8"):
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return str(file)


def column(folder, cells, *, times=None, delimiter=",", header="day,sold", encoding="utf-8"):
    """A file of two columns."""
    given = [f"{t:%Y-%m-%d}" for t in DAYS[: len(cells)]] if times is None else times
    lines = [f"{time}{delimiter}{cell}" for time, cell in zip(given, cells, strict=True)]
    return written(folder, "\n".join([header.replace(",", delimiter), *lines]), encoding=encoding)


def read_back(found):
    """The rows as the config that was written reads them."""
    return load(parse_config(yaml.safe_load(settings_text(found))).data).frame


SOLD = [n * 7 % 10 for n in range(60)]

DIALECTS = [
    (["1,5", "-2,25", "1000"], ";", {"decimal": ","}, [1.5, -2.25, 1000.0]),
    (["1.234,5", "17,25", "3"], ";", {"decimal": ",", "thousands": "."}, [1234.5, 17.25, 3.0]),
    (['"1,234.5"', "17.25", "3"], ",", {"thousands": ","}, [1234.5, 17.25, 3.0]),
    (["1 234,5", "17,25", "3"], ";", {"decimal": ",", "thousands": " "}, [1234.5, 17.25, 3.0]),
    (["1'234.5", "17.25", "3"], ";", {"thousands": "'"}, [1234.5, 17.25, 3.0]),
    (["1.5", "nil", "3"], "\t", {"na_values": ["nil"]}, [1.5, 3.0]),
    (["1.5", "-", "3"], "|", {"na_values": ["-"]}, [1.5, 3.0]),
]


@pytest.mark.parametrize(("cells", "delimiter", "dialect", "values"), DIALECTS, ids=str)
def test_dialects(tmp_path, cells, delimiter, dialect, values):
    found = inspect_table(column(tmp_path, cells * 10, delimiter=delimiter))
    for name, value in dialect.items():
        given = getattr(found.dialect, name)
        assert (list(given) if name == "na_values" else given) == value
    assert read_back(found)["sold"].dropna().tolist() == values * 10


@pytest.mark.parametrize(
    ("cells", "delimiter", "doubt"),
    [
        (["1,234", "5,678", "9,012"], ";", "is '1,234' 1234 or 1.234.*Decimals are assumed"),
        (['"1,234"', '"5,678"', '"9,012"'], ",", "is '1,234' 1234 or 1.234.*Thousands are assumed"),
        (["1.234", "5.678", "9.012"], ";", "is '1.234' 1.234 or 1234.*point is assumed"),
    ],
)
def test_numbers_that_may_be_read_two_ways_are_doubted(tmp_path, cells, delimiter, doubt):
    found = inspect_table(column(tmp_path, cells * 10, delimiter=delimiter))
    assert any(re.search(doubt, text) for text in found.doubts)
    assert f"# In doubt: {found.doubts[0]}" in settings_text(found)


def formatted(pattern, freq="D", periods=60):
    return [f"{t:{pattern}}" for t in pd.date_range("2024-01-01", periods=periods, freq=freq)]


TIMES = [
    (formatted("%d/%m/%Y"), "%d/%m/%Y", "1D"),
    (formatted("%m/%d/%Y"), "%m/%d/%Y", "1D"),
    (formatted("%d.%m.%Y %H:%M", "h"), "%d.%m.%Y %H:%M", "1h"),
    (formatted("%Y%m%d"), "%Y%m%d", "1D"),
    (formatted("%G-W%V", "W-MON"), "%G-W%V", "W-MON"),
    (formatted("%Y", "YS"), "%Y", "YS-JAN"),
    (formatted("%b %Y", "MS"), "%b %Y", "MS"),
    (formatted("%Y-%m-%d", "ME"), None, "ME"),
    (formatted("%Y-%m-%d", "QS"), None, "QS-JAN"),
    (formatted("%Y-%m-%d", "W-THU"), None, "W-THU"),
    (formatted("%Y-%m-%d", "B"), None, "B"),
    (formatted("%Y-%m-%dT%H:%M:%SZ", "15min"), None, "15min"),
    ([str(int(t.timestamp())) for t in pd.date_range("2024", periods=60, freq="h")], "epoch_s", "1h"),
    ([str(int(t.timestamp() * 1000)) for t in pd.date_range("2024", periods=60, freq="D")],
     "epoch_ms", "1D"),
]  # fmt: skip


@pytest.mark.parametrize(("times", "written_as", "frequency"), TIMES, ids=lambda v: str(v)[:24])
def test_times(tmp_path, times, written_as, frequency):
    named = "year" if written_as == "%Y" else "when"
    file = column(tmp_path, SOLD[: len(times)], times=times, header=f"{named},sold")
    found = inspect_table(file)
    assert found.times.column == named
    assert (found.times.format, found.frequency) == (written_as, frequency)
    assert len(read_back(found)) == len(times)


def test_dates_with_dots_beside_numbers_with_dots(tmp_path):
    cells = [f"1.{100 + n * 7 % 60},5" for n in range(60)]
    found = inspect_table(column(tmp_path, cells, times=formatted("%d.%m.%Y"), delimiter=";"))
    assert (found.times.format, found.dialect.decimal, found.dialect.thousands) == (
        "%d.%m.%Y", ",", ".",
    )  # fmt: skip
    assert read_back(found)["sold"].tolist() == [1100.5 + n * 7 % 60 for n in range(60)]


def test_day_or_month_first_is_told_by_even_rows_or_doubted(tmp_path):
    monthly = [f"01/{month:02d}/2024" for month in range(1, 13)]
    found = inspect_table(column(tmp_path, SOLD[:12], times=monthly))
    assert found.times.format == "%d/%m/%Y" or any("time_format" in text for text in found.doubts)
    scattered = ["01/02/2024", "03/05/2024", "04/09/2024", "06/01/2025", "08/10/2025"]
    found = inspect_table(column(tmp_path, SOLD[:5], times=scattered))
    assert any(text.startswith("time_format: ") for text in found.doubts)


def test_someone_who_is_there_is_asked(tmp_path):
    asked = []

    def ask(question, answers):
        asked.append(question)
        return answers[-1]

    file = written(tmp_path, "day,a,b\n01/02/2024,1.5,2\n03/05/2024,2.5,4\n04/09/2024,4.5,3\n")
    found = inspect_table(file, ask=ask)
    assert found.roles.targets == ("b",) and len(asked) == 2
    assert not any(text.startswith("time_format: ") for text in found.doubts)


def panel(**more) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "day": np.tile([f"{t:%Y-%m-%d}" for t in DAYS], 2), "shop": np.repeat(["007", "7"], 60),
        "sold": rng.poisson(9, 120), "price": rng.normal(5, 1, 120).round(2),
        "kind": np.repeat(["small", "big"], 60), "year": 2024, "weather": np.tile(["sun", "rain"], 60),
        "note": [f"n{i}" for i in range(120)], "row": np.arange(120), "same": 1,
    })  # fmt: skip
    return frame.assign(**more)


def test_roles(tmp_path):
    file = tmp_path / "shops.csv"
    panel().to_csv(file, index=False)
    found = inspect_table(str(file), targets=["sold"], horizon=7)
    roles = found.roles
    assert roles.series == "shop" and roles.static == ("kind",)
    assert set(roles.categories) == {"kind", "weather"}
    assert set(roles.left_out) == {"year", "note", "row", "same"}
    assert set(read_back(found)["__series"]) == {"007", "7"}
    assert found.model_name == "shops-sold" and found.horizon == 7


def test_a_label_that_is_often_empty_is_a_class_then(tmp_path):
    file = tmp_path / "shops.csv"
    events = np.array(["", "", "fog", "", "rain", "snow"] * 20)
    for events_given, empty in ((events, ("events",)), (np.where(events, events, "none"), ())):
        panel(events=events_given).to_csv(file, index=False)
        found = inspect_table(str(file), targets=["events"])
        assert found.roles.empty_classes == empty
        assert any("missing: events is empty in 50%" in doubt for doubt in found.doubts) == bool(
            empty
        )
    panel(events=events).to_csv(file, index=False)
    config = yaml.safe_load(settings_text(inspect_table(str(file), targets=["events"])))
    assert config["data"]["columns"]["events"] == {"dtype": "category", "missing": "class"}
    parse_config(config)
    with pytest.raises(DataError, match="sold, price; or the classes of one of weather, events"):
        inspect_table(str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,a,b\n2024-01-01,1.5,2\n2024-01-02,2,3\n2024-01-03,1,2\n", "--target: which .* a, b"),
        ("a,b\n1.5,2\n2.5,3\n", "no column holds times"),
        ("day,x,x\n2024-01-01,1,2\n", "'x' name two columns each"),
        ("day,x\n2024-01-01,1.5\n2024-01-01,2.5\n2024-01-02,2.5\n", "repeats, and no columns part"),
        ("day,x\n", "holds no rows"),
    ],
)
def test_what_cannot_be_told_is_asked_for(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        inspect_table(written(tmp_path, text))


def test_a_file_of_windows_is_read(tmp_path):
    file = column(tmp_path, ["1", "2", "3"] * 10, header="day,größe", encoding="cp1252")
    found = inspect_table(file)
    assert found.dialect.encoding == "cp1252" and "cp1252" in found.doubts[0]
    assert read_back(found)["größe"].tolist() == [1.0, 2.0, 3.0] * 10


def test_from_a_file_to_a_plan_without_an_edit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel().to_csv("shops.csv", index=False)
    run = CliRunner()
    made = run.invoke(main, ["init", "shops.csv", "--target", "sold"])
    assert made.exit_code == 0, made.output
    checked = run.invoke(main, ["check", "shops.yaml"])
    assert checked.exit_code == 0, checked.output
    assert "120 rows of 2 series" in checked.output
    again = run.invoke(main, ["init", "shops.csv", "--target", "sold"])
    assert again.exit_code == 2 and "shops.yaml exists already" in again.output


def test_series_whose_weeks_end_on_different_days_have_no_frequency(tmp_path):
    weeks = [*formatted("%Y-%m-%d", "W-FRI", 40), *formatted("%Y-%m-%d", "W-MON", 40)]
    frame = pd.DataFrame({"day": weeks, "shop": np.repeat(["a", "b"], 40), "sold": SOLD[:40] * 2})
    frame.to_csv(tmp_path / "weeks.csv", index=False)
    found = inspect_table(str(tmp_path / "weeks.csv"))
    assert found.frequency is None and any("40 of 80 rows do not lie" in d for d in found.doubts)


def test_codes_of_single_events_are_counted_not_added_up(tmp_path):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 120, 400)), "D")
    rows = pd.DataFrame({"day": days, "coupon_upc": rng.integers(10**10, 10**11, 400)})
    rows.to_csv(tmp_path / "redeemed.csv", index=False)
    text = settings_text(inspect_table(str(tmp_path / "redeemed.csv")))
    resample = yaml.safe_load(text)["data"]["resample"]
    assert (resample["to"], resample["columns"]["coupon_upc"]) == ("1D", "count")


def test_hours_that_a_clock_change_repeats_follow_each_other(tmp_path):
    hours = pd.date_range("2023-10-20", periods=24 * 20, freq="h", tz="Europe/Berlin")
    cells = [n % 24 + n % 7 for n in range(len(hours))]
    file = column(tmp_path, cells, times=hours.strftime("%Y-%m-%d %H:%M"))
    found = inspect_table(file, time_zone="Europe/Berlin")
    assert (found.frequency, found.in_order, found.keeps_last) == ("1h", True, False)
    assert any(re.search("^clock_changes: 2 rows", text) for text in found.doubts)
    assert read_back(found)["__time"].tolist() == hours.tz_convert("UTC").tolist()


def test_hours_that_the_clocks_of_a_zone_skip_are_of_another_one(tmp_path):
    hours = pd.date_range("2024-03-20", periods=24 * 20, freq="h")
    cells = [n % 24 + n % 7 for n in range(len(hours))]
    file = column(tmp_path, cells, times=hours.strftime("%Y-%m-%d %H:%M"))
    with pytest.raises(DataError, match=r"02:00:00 never happens .* such as 'Etc/GMT-1'"):
        inspect_table(file, time_zone="Europe/Berlin")
    found = inspect_table(file, time_zone="Etc/GMT-1")
    read = read_back(found)["__time"]
    assert read.iloc[0] == hours[0].tz_localize("Etc/GMT-1") and read.is_unique
    data = parse_config(yaml.safe_load(settings_text(found))).data
    with pytest.raises(DataError, match=r"set data\.time_zone to 'Etc/GMT-1'"):
        load(data.model_copy(update={"time_zone": "Europe/Berlin"}))


def test_an_sqlite_file_is_refused_with_the_url_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"day": DAYS.strftime("%Y-%m-%d"), "sold": [n * 7 % 10 for n in range(60)]})
    with sqlite3.connect("shop.db") as database:
        rows.to_sql("sales", database, index=False)
    query = ["--query", "SELECT * FROM sales"]
    refused = CliRunner().invoke(main, ["init", "shop.db", *query])
    url = re.search(r"sqlite:///\S+", refused.output)
    assert url, refused.output
    found = CliRunner().invoke(main, ["init", url[0], *query])
    assert found.exit_code == 0, found.output


@pytest.mark.parametrize(
    ("frequency", "horizon", "rows", "expected"),
    [
        ("1h", 24, 9_000, 336),  # two weeks
        ("1h", 48, 700, 168),  # a week, which leaves more train windows than it has rows
        ("1h", 24, 400, 48),
        ("D", 14, 365, 28),  # two horizons are longer than two weeks
        ("W", 13, 1_000, 104),
        ("W", 13, 143, 52),  # a year, where a quarter of the rows holds none
        ("W", 13, 111, 24),  # 77 rows of train would have no 13 windows
        ("MS", 3, 30, 12),
        ("QS", 4, 24, 5),
        ("YS", 3, 20, 4),  # a year has no season
        ("15min", 96, 1_000, 192),
        (None, 12, 100, 22),
    ],
)
def test_the_look_back_holds_a_season_where_train_windows_are_left(
    frequency, horizon, rows, expected
):
    assert look_back_of(frequency, horizon, rows) == expected


def test_a_few_years_of_weeks_get_a_look_back_of_a_year(tmp_path):
    weeks = pd.date_range("2022-01-03", periods=150, freq="7D")
    found = inspect_table(
        column(tmp_path, [n % 52 for n in range(150)], times=weeks.strftime("%Y-%m-%d"))
    )
    assert (found.horizon, found.look_back) == (13, 52)

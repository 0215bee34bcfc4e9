"""Files that can be read in several ways: each gets the right settings, a doubt, or a question."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from fastlstm.config.reading import parse_config
from fastlstm.data.reading import load
from fastlstm.errors import DataError
from fastlstm.inspection.inspect_table import inspect_table
from fastlstm.inspection.settings_text import settings_text

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
SOLD = [n * 7 % 10 for n in range(40)]


def written(folder, lines, name="t.csv"):
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def days(cells, header="day,sold", pattern="%Y-%m-%d", delimiter=","):
    """A row a day."""
    rows = zip(DAYS, cells, strict=False)
    return [header, *(f"{day:{pattern}}{delimiter}{cell}" for day, cell in rows)]


def read_back(found):
    """The rows as the config that was written reads them."""
    return load(parse_config(yaml.safe_load(settings_text(found))).data).frame


def parts(header, pattern, freq, count=40):
    times = pd.date_range("2024-01-01", periods=count, freq=freq)
    return [header, *(f"{t:{pattern}},{s}" for t, s in zip(times, SOLD, strict=False))]


def quarters():
    return ["year,quarter,sold", *(f"{2014 + n // 4},{n % 4 + 1},{SOLD[n]}" for n in range(40))]


def purchases():
    """One row a purchase, at any time of opening, three a day on average."""
    rng = np.random.default_rng(1)
    minutes = np.sort(rng.integers(0, 60 * 12, (40, 3)), axis=1)
    return ["at,order_id,article,amount", *(
        f"{day + pd.Timedelta(f'{8 * 60 + m}min'):%Y-%m-%d %H:%M},{n * 3 + k},a{m % 40},{m % 9}.5"
        for n, day in enumerate(DAYS) for k, m in enumerate(minutes[n])
    )]  # fmt: skip


def by_two(first, second, values=range(40)):
    """A row a day of each pair."""
    return [f"day,{first[0]},{second[0]},sold", *(
        f"{day:%Y-%m-%d},{one},{two},{SOLD[n] + k}"
        for n, day in enumerate(DAYS) for k, one in enumerate(first[1:]) for two in second[1:]
    )]  # fmt: skip


def clock(step="5min", jitter=60):
    """Measurements of a clock that is not exact."""
    rng = np.random.default_rng(2)
    times = pd.date_range("2024-01-01", periods=80, freq=step)
    times += pd.to_timedelta(rng.integers(0, jitter, 80), unit="s")
    return ["at,level", *(f"{t:%Y-%m-%d %H:%M:%S},{n % 7}.5" for n, t in enumerate(times))]


def half_hours():
    """Half hours that are numbered from 1 on each day."""
    return ["date,period,load", *(f"{day:%Y-%m-%d},{k},{k * 7 % 11}.5"
                                  for day in DAYS[:10] for k in range(1, 49))]  # fmt: skip


def stations():
    """Hours of two stations over the end of summer time: parts of local times, and time stamps."""
    times = pd.date_range("2023-11-01", periods=240, freq="h", tz="UTC")
    local = times.tz_convert("America/New_York")
    return ["year,month,day,hour,station,warm,stamp", *(
        f"{at.year},{at.month},{at.day},{at.hour},{station},{n % 9}.5,{stamp:%Y-%m-%dT%H:%M:%SZ}"
        for station in ("EWR", "JFK")
        for n, (at, stamp) in enumerate(zip(local, times, strict=True))
    )]  # fmt: skip


def of_days(header, *columns):
    """A row a day, with one cell of each column."""
    rows = zip(DAYS, *columns, strict=True)
    return [header, *(",".join([f"{day:%Y-%m-%d}", *map(str, cells)]) for day, *cells in rows)]


def of_times(header, times, write):
    """A row for each time, which is written by a function."""
    return [header, *(f"{write(time)},{sold}.5" for time, sold in zip(times, SOLD, strict=True))]


HALF_HOURS = pd.date_range("2024-01-01", periods=40, freq="30min")
HOURS = pd.date_range("2024-01-01 01:00", periods=40, freq="h")
WEEKS = pd.date_range("2024-01-01", periods=40, freq="W-MON")
MONTH_STARTS = pd.date_range("2020-01-01", periods=40, freq="MS")


def to_24(time, between=" "):
    """A time whose midnight is 24:00 of the day before."""
    day = time - pd.Timedelta("1D") if time.hour == 0 else time
    hour = 24 if time.hour == 0 else time.hour
    return f"{day:%Y-%m-%d}{between}{hour}" + ("" if between == "," else ":00")


# Name of the case, lines, arguments, what the settings must say, words of a doubt.
CASES = [
    ("month first by its days", days(SOLD, pattern="%m/%d/%Y"), {}, {"time_format": "%m/%d/%Y"}, None),
    ("day first by its days", days(SOLD, pattern="%d/%m/%Y"), {}, {"time_format": "%d/%m/%Y"}, None),
    ("years of two digits", days(SOLD, pattern="%d.%m.%y"), {}, {"time_format": "%d.%m.%y"}, None),
    ("'1.234' with ';'", days(["1.234", "5.678", "9.123"] * 9, "day;sold", delimiter=";"), {}, {},
     "decimal: is '1.234'"),
    ("'1.234' beside '0.5'", days(["1.234", "0.5"] * 9), {}, {"decimal": "."}, None),
    ("'1,234' quoted", days(['"1,234"', '"5,678"'] * 9), {}, {"thousands": ","},
     "decimal: is '1,234'"),
    ("'12,5' with ';'", days(["12,5", "7,25"] * 9, "day;sold", delimiter=";"), {},
     {"decimal": ","}, None),
    ("codes with leading zeros name series",
     ["day,shop,sold", *(f"{d:%Y-%m-%d},{s},{n}" for n, d in enumerate(DAYS[:20])
                         for s in ("01", "02"))],
     {"targets": ["sold"]}, {"series": "shop"}, None),
    ("codes with leading zeros are a category",
     days([f"{n:03d},{s}" for n, s in zip([1, 2] * 20, SOLD, strict=True)], "day,code,sold"),
     {"targets": ["sold"]}, {"columns": {"code": {"dtype": "category"}}}, None),
    ("two time columns",
     ["ordered,shipped,sold", *(f"{d:%Y-%m-%d},{d + pd.Timedelta('2D'):%Y-%m-%d},{s}"
                                for d, s in zip(DAYS, SOLD, strict=True))],
     {}, {}, "time: 'ordered' is assumed; 'shipped' hold times too"),
    ("the column named as time wins",
     ["created,timestamp,sold", *(f"2024-01-{1 + n // 20:02d},{d:%Y-%m-%d},{SOLD[n]}"
                                  for n, d in enumerate(DAYS))],
     {}, {"time": "timestamp"}, None),
    ("date and hour", parts("date,hour,sold", "%Y-%m-%d,%H", "h"), {},
     {"time": ["date", "hour"], "time_format": "%Y-%m-%d %H", "frequency": "1h"}, None),
    ("date and time of day", parts("date,time,sold", "%d.%m.%Y,%H:%M", "15min"), {},
     {"time": ["date", "time"], "time_format": "%d.%m.%Y %H:%M", "frequency": "15min"}, None),
    ("year, month and day", parts("Year,Month,Day,sold", "%Y,%m,%d", "D"), {},
     {"time": ["Year", "Month", "Day"], "time_format": "%Y %m %d", "frequency": "1D"}, None),
    ("year and name of the month", parts("year,month,sold", "%Y,%b", "MS"), {},
     {"time": ["year", "month"], "time_format": "%Y %b", "frequency": "MS"}, None),
    ("year and quarter", quarters(), {},
     {"time": ["year", "quarter"], "time_format": "%Y %q", "frequency": "QS-JAN"}, None),
    ("quarters as text", ["period,sold", *(f"{2014 + n // 4}-Q{n % 4 + 1},{SOLD[n]}"
                                             for n in range(40))],
     {}, {"time_format": "%Y-Q%q"}, None),
    ("seconds or milliseconds", ["ts,sold", *(f"{1_700_000_000_000 + n * 3_600_000},{SOLD[n]}"
                                              for n in range(40))], {},
     {"time_format": "epoch_ms"}, None),
    ("a number of eight digits is a day", days(SOLD, pattern="%Y%m%d"), {}, {"time_format": "%Y%m%d"},
     None),
    ("a title above the header", ["Sales of shops", "", *days(SOLD)], {}, {"skip_lines": 2},
     "skip_lines: 2 before the header"),
    ("empty lines between titles", ["Sales", "", "", "of shops", "# till", "", *days(SOLD), "# end"],
     {}, {"skip_lines": 5, "comment": "#"}, "skip_lines: 5 before the header"),
    ("years and months of an office", ["year,period,sold", *(
        f"{2018 + n // 12},M{n % 12 + 1:02d},{SOLD[n]}" for n in range(40))], {},
     {"time": ["year", "period"], "time_format": "%Y M%m", "frequency": "MS"}, None),
    ("years and quarters of an office", ["year,period,sold", *(
        f"{2014 + n // 4},Q{n % 4 + 1:02d},{SOLD[n]}" for n in range(40))], {},
     {"time": ["year", "period"], "time_format": "%Y Q0%q", "frequency": "QS-JAN"}, None),
    ("comment lines", ["# from the till", "# in pieces", *days(SOLD), "# end"], {},
     {"comment": "#"}, None),
    ("a header that begins with #", ["#day,sold", *days(SOLD)[1:]], {}, {"time": "#day"}, None),
    ("single quotes", days([f"'{s}'" for s in SOLD]), {}, {"quote": "'"}, None),
    ("percent", days([f"{s} %" for s in SOLD]), {}, {"signs": ["%"]}, "signs: %"),
    ("dollars", days([f'"${s},000.50"' for s in range(1, 41)]), {}, {"signs": ["$"], "thousands": ","},
     "signs"),
    ("parentheses", days([f"({s})" if s % 3 else s for s in SOLD]), {}, {"negative_parentheses": True},
     "in parentheses are taken as negative"),
    ("weeks W01 are no sign", days([f"W{n % 5:02d},{SOLD[n]}" for n in range(40)], "day,shift,sold"),
     {"targets": ["sold"]}, {"columns": {"shift": {"dtype": "category"}}}, None),
    ("minus for missing", days(["-", *SOLD[1:]]), {}, {"na_values": ["-"]}, None),
    ("NA for missing", days(["NA", *SOLD[1:]]), {}, {"na_values": None}, None),
    ("columns that differ in a number are series",
     ["day,shop_1,shop_2,shop_3", *(f"{d:%Y-%m-%d},{s},{s + 1},{s + 2}"
                                    for d, s in zip(DAYS, SOLD, strict=True))],
     {}, {"layout": "wide", "series": "series", "targets": ["value"]}, "layout: columns are assumed"),
    ("unlike columns are series by --wide",
     ["day,Rome,Oslo", *(f"{d:%Y-%m-%d},{s},{s + 1}" for d, s in zip(DAYS, SOLD, strict=True))],
     {"wide": True}, {"layout": "wide"}, None),
    ("rows that stand twice", [*days(SOLD), *days(SOLD)[3:5]], {}, {"keep": "last"},
     "keep: 2 rows stand twice"),
    ("weekdays", ["day,sold", *(f"{d:%Y-%m-%d},{s}" for d, s in zip(
        pd.date_range("2024-01-01", periods=40, freq="B"), SOLD, strict=True))], {}, {"frequency": "B"},
     "frequency: 'B'"),
    ("weekdays without holidays", ["day,sold", *(f"{d:%Y-%m-%d},{s}" for d, s in zip(
        pd.date_range("2024-01-01", periods=42, freq="B").delete([9, 25]), SOLD, strict=True))], {},
     {"frequency": "C"}, "frequency: 'C' (trading days"),
    ("hours without an offset", parts("at,sold", "%Y-%m-%d %H:%M", "h"), {}, {"time_zone": "UTC"},
     "time_zone: UTC is assumed"),
    ("hours with an offset", parts("at,sold", "%Y-%m-%dT%H:%M:%S+02:00", "h"), {}, {"time_zone": None},
     None),
    ("an index without a name",
     [",day,sold", *(f"{n},{d:%Y-%m-%d},{s}" for n, (d, s) in enumerate(zip(DAYS, SOLD, strict=True)))],
     {}, {"features": ["sold"]}, None),
    ("0 and 1 as a target", days([n % 2 for n in range(40)]), {}, {"targets": ["sold"]},
     "LSTM_type: 'sold' holds 2 whole numbers alone"),
    ("a mark of missing values", days([s if n % 9 else "-999" for n, s in enumerate(SOLD)]), {},
     {"targets": ["sold"]}, "na_values: -999 stands in 'sold' far from"),
    ("half hours numbered from 1", half_hours(), {"targets": ["load"]},
     {"series": "period"}, "series: 'period' counts rows of a day"),
    ("years with decimals beside year and month",
     ["city,year,month,date,sold", *(
         f"{city},{2000 + n // 12},{n % 12 + 1},{2000 + n / 12:.4f},{SOLD[n]}"
         for city in "AB" for n in range(40))],
     {"targets": ["sold"]}, {"time": ["year", "month"], "series": "city", "features": ["sold"]}, None),
    ("a time stamp beside its parts", stations(), {"targets": ["warm"]},
     {"time": "stamp", "series": "station", "frequency": "1h"}, None),
    ("parts of local times over a clock change",
     [line.rsplit(",", 1)[0] for line in stations()], {"targets": ["warm"]},
     {"time": ["year", "month", "day", "hour"], "series": "station", "keep": "last"},
     "keep: 2 rows have the series and time of another"),
    ("true and false as a target", days(["true", "false"] * 20, "day,rain"), {"targets": ["rain"]},
     {"columns": {"rain": {"dtype": "category"}}}, None),
    ("a mark of missing values that nobody knows",
     days([s if n % 9 else "k.A." for n, s in enumerate(SOLD)]), {}, {"na_values": ["k.A."]},
     "na_values: 'k.A.' beside the numbers of 'sold', in 5 of 40 rows"),
    ("n/a for missing", days(["n/a", *SOLD[1:]]), {}, {"na_values": ["n/a"]}, None),
    ("numbers with notes", of_days("day,level,sold", [f"{s}{'*' if n % 9 == 4 else ''}"
                                                     for n, s in enumerate(SOLD)], SOLD),
     {"targets": ["sold"]}, {"features": ["level", "sold"]},
     "columns: 'level' holds numbers but for 4 of 40 cells such as "),
    ("'1.234' with ','", days([f"{1 + n % 8}.{n * 37 % 900 + 100:03d}" for n in range(40)]), {},
     {"decimal": "."}, "decimal: is '1.100'"),
    ("a code of places as a feature", of_days("day,zip,sold", [10115, 20095] * 20, SOLD),
     {"targets": ["sold"]}, {"features": ["zip", "sold"]}, "columns: numbers of 'zip' are taken"),
    ("a series of totals", by_two(("region", "north", "Total"), ("kind", "a")),
     {"targets": ["sold"]}, {"series": "region"}, "series: 'Total' may be the sum"),
    ("days of spreadsheets",
     of_times("date,sold", DAYS, lambda t: (t - pd.Timestamp("1899-12-30")).days), {},
     {"time_format": "excel", "frequency": "1D"}, "time_format: numbers of 'date' such as 45292"),
    ("times of day as 930", of_times("date,time,sold", HALF_HOURS,
                                     lambda t: f"{t:%Y-%m-%d},{t.hour * 100 + t.minute}"), {},
     {"time_format": "%Y-%m-%d %H%M", "frequency": "30min"}, "time_zone"),
    ("times of day as 0930", of_times("date,time,sold", HALF_HOURS, lambda t: f"{t:%Y-%m-%d,%H%M}"), {},
     {"time_format": "%Y-%m-%d %H%M", "frequency": "30min"}, "time_zone"),
    ("hours to 24", of_times("date,hour,sold", HOURS, lambda t: to_24(t, ",")), {},
     {"time_format": "%Y-%m-%d %H", "frequency": "1h"}, "time: 'hour' counts hours to 24"),
    ("24:00", of_times("at,sold", HOURS, to_24), {}, {"frequency": "1h"}, "time_zone"),
    ("weeks as numbers", of_times("week,sold", WEEKS, lambda t: f"{t:%G%V}"), {},
     {"time_format": "%G%V", "frequency": "W-MON"}, "are read as ISO weeks"),
    ("year and week", of_times("year,week,sold", WEEKS, lambda t: f"{t:%G},{int(f'{t:%V}')}"), {},
     {"time_format": "%G %V", "frequency": "W-MON"}, "'week' is read as the number of an ISO week"),
    ("days of the year", of_times("date,sold", DAYS, lambda t: f"{t:%Y%j}"), {},
     {"time_format": "%Y%j", "frequency": "1D"}, None),
    ("names of weekdays", of_times("date,sold", DAYS, lambda t: f"{t:%a %d %b %Y}"), {},
     {"time_format": "%a %d %b %Y"}, None),
    ("months of a fiscal year that are taken for series",
     of_times("fiscal_year,period,sold", MONTH_STARTS, lambda t: f"{t.year},{t.month}"), {},
     {"series": "period"}, "give --time 'fiscal_year' --time 'period' --time-format '%Y %m'"),
    ("... as the doubt says",
     of_times("fiscal_year,period,sold", MONTH_STARTS, lambda t: f"{t.year},{t.month}"),
     {"time": ["fiscal_year", "period"], "time_format": "%Y %m"},
     {"time": ["fiscal_year", "period"], "frequency": "MS", "series": None}, None),
    ("years in a column that does not say so", [
        "period,sold", *(f"{1960 + n},{SOLD[n]}" for n in range(40))], {"time": "period"},
     {"time_format": "%Y"}, None),
    ("a way of writing that only the user knows",
     of_times("period,sold", MONTH_STARTS, lambda t: f"FY{t:%y}-P{t:%m}"),
     {"time": "period", "time_format": "FY%y-P%m"},
     {"time_format": "FY%y-P%m", "frequency": "MS"}, None),
    ("a year as a number among other columns",
     ["year,sold", *(f"{1960 + n},{SOLD[n]}" for n in range(40))], {}, {"time_format": "%Y"}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "given", "settings", "doubt"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_way_of_writing_is_understood(tmp_path, lines, given, settings, doubt):
    found = inspect_table(written(tmp_path, lines), **given)
    data = yaml.safe_load(settings_text(found))["data"]
    for name, value in settings.items():
        if name == "columns":
            assert {column: data["columns"][column] for column in value} == value
        elif value is None or (name, value) == ("decimal", "."):
            assert name not in data
        else:
            assert data[name] == value, name
    of_text = [text for text in found.doubts if doubt and re.search(re.escape(doubt), text)]
    assert bool(of_text) == bool(doubt), found.doubts
    assert len(read_back(found)) >= 18


def test_rows_that_gaps_part_get_windows_that_fit_between_them(tmp_path):
    times = pd.date_range("2024-01-01", periods=120)
    lines = [
        "day,sold",
        *(f"{t:%Y-%m-%d},{'' if n % 13 == 9 else n % 7}" for n, t in enumerate(times)),
    ]
    found = inspect_table(written(tmp_path, lines))
    assert found.horizon + found.look_back <= 6
    assert any("rows of past and 3 to forecast are taken" in text for text in found.doubts)
    assert inspect_table(written(tmp_path, lines), horizon=7).horizon == 7


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

QUESTIONS = [
    ("which column to forecast", ["day,a,b", *(f"{d:%Y-%m-%d},{n * 3 % 7},{n * 5 % 7}"
                                               for n, d in enumerate(DAYS))], r"--target: which column"),
    ("no header", days(SOLD)[1:], r"the first line holds values and no names"),
    ("times as columns", ["country,1990,1991,1992", "Italy,1,2,3", "Norway,2,3,4"],
     r"named by times .*exchange rows and columns"),
    ("no time", ["a,b", "1.5,2", "2.5,3"], r"no column holds times"),
    ("two rows of one time", ["day,sold", "2024-01-01,1.5", "2024-01-01,2.5", "2024-01-02,3.5"],
     r"repeats, and no columns part .*data\.keep or data\.resample"),
    ("months as columns", ["year," + ",".join(MONTHS), *(
        f"{1980 + n}," + ",".join(f"{(n + m) % 7}.5" for m in range(12)) for n in range(30))],
     r"columns are named by months \(jan, feb, mar, …\).*a row for each month"),
    ("columns apart by spaces", ["id  day  sold", *(f"7  {d:%Y%m%d}   {n}.5"
                                                   for n, d in enumerate(DAYS))],
     r"columns seem to stand apart by spaces"),
    ("a row of totals", [*days(SOLD), "Total,180"],
     r"column 'day' does but for 'Total', in 1 of 41 rows; remove these rows"),
    ("a row of totals without a time", [*days(SOLD), ",180"],
     r"1 of 41 rows have no time in 'day', the first is row 41 below the header; remove these rows"),
    ("a way of writing that nobody knows", ["period,sold", *(f"FY20-P{n},1.5" for n in range(40))],
     r"give --time with the column, or each of several .* and --time-format, such as '%d/%m/%Y'$"),
    ("months in another language", ["monat,sold", *(f"Mär {2000 + n},1.5" for n in range(40))],
     r"names of months are read in English"),
    ("some times with an offset", ["at,sold", *(f"2024-01-01T{n:02d}:00{'Z' * (n % 2)},{n}.5"
                                               for n in range(20))],
     r"'2024-01-01T01:00Z' has an offset and '2024-01-01T00:00' has none"),
    ("rows that end with a delimiter", ["day,sold", *(f"{line}," for line in days(SOLD)[1:])],
     r"the header names 2 columns and rows have 3 cells; add ',' at its end"),
    ("row names without a header",
     ["day,sold", *(f"{n},{line}" for n, line in enumerate(days(SOLD)[1:]))],
     r"the header names 2 columns and rows have 3 cells; add a name for the column that has none"),
    ("a header that ends with a delimiter", ["day,shop,sold,", *(
        f"{line.replace(',', ',a')},{n}" for n, line in enumerate(days(SOLD)[1:]))],
     r"the header names 4 columns and rows have 3 cells; remove ',' at its end"),
    ("a year's mean among its months", ["year,period,sold", *(
        f"{2018 + n // 13},M{n % 13 + 1:02d},{n}" for n in range(39))],
     r"columns 'year' and 'period' .* 'M13' is no month, quarter or week; keep the rows of one kind"),
    ("two columns of one name", ["day,sold,sold", "2024-01-01,1,2"],
     r"'sold' name two columns each, which are left out"),
    ("only a header", ["day,sold"], r"holds no rows"),
    ("only text to forecast", ["day,note", *(f"{d:%Y-%m-%d},n{n}" for n, d in enumerate(DAYS))],
     r"no column of numbers is left"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "message"), [case[1:] for case in QUESTIONS], ids=[c[0] for c in QUESTIONS]
)
def test_what_cannot_be_told_is_asked_for(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        inspect_table(written(tmp_path, lines))


@pytest.mark.parametrize("ending", ["xlsx", "jsonl", "feather", "tsv", "zip", "parquet"])
def test_other_formats_are_looked_at_alike(tmp_path, ending):
    rows = pd.DataFrame({
        "day": DAYS.strftime("%d.%m.%Y"), "shop": np.tile(["007", "8"], 20), "sold": SOLD,
    })  # fmt: skip
    file = tmp_path / f"t.{ending}"
    write = {
        "xlsx": lambda: rows.to_excel(file, index=False),
        "jsonl": lambda: rows.to_json(file, orient="records", lines=True),
        "feather": lambda: rows.to_feather(file),
        "tsv": lambda: rows.to_csv(file, index=False, sep="\t"),
        "zip": lambda: rows.to_csv(file, index=False),
        "parquet": lambda: rows.to_parquet(file),
    }
    write[ending]()
    found = inspect_table(str(file), targets=["sold"])
    assert (found.times.format, found.frequency) == ("%d.%m.%Y", "1D")
    assert found.roles.categories == ("shop",)
    assert read_back(found)["sold"].tolist() == SOLD


def test_the_first_of_several_sheets_is_doubted(tmp_path):
    rows = pd.DataFrame({"day": DAYS, "sold": SOLD})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        rows.to_excel(book, sheet_name="sales", index=False)
        rows.to_excel(book, sheet_name="old", index=False)
    found = inspect_table(str(tmp_path / "t.xlsx"))
    assert any("sheet: 'sales' is assumed, the first of sales, old" in d for d in found.doubts)


def test_whoever_is_there_tells_times_and_classes(tmp_path):
    """Questions have the likeliest answer last, which a terminal takes for an empty line."""
    lines = ["ordered,shipped,grade", *(
        f"{d:%Y-%m-%d},{d + pd.Timedelta('2D'):%Y-%m-%d},{n % 3}" for n, d in enumerate(DAYS)
    )]  # fmt: skip
    asked = {}

    def ask(question, answers):
        asked[question] = answers
        return answers[0]

    found = inspect_table(written(tmp_path, lines), ask=ask)
    assert asked == {
        "Which column holds the times of the rows?": ["shipped", "ordered"],
        "What does 'grade' hold?": ["classes", "quantities"],
    }
    assert (found.times.column, found.is_label) == ("shipped", True)
    assert len(read_back(found)) == 40


def test_the_likeliest_way_of_writing_times_is_offered_last(tmp_path):
    """Months in a row are likelier than days that are a year apart."""
    lines = of_times("day,sold", MONTH_STARTS, lambda t: f"{t:%d/%m/%Y}")
    asked = []
    found = inspect_table(
        written(tmp_path, lines), ask=lambda _, answers: asked.append(answers) or answers[-1]
    )
    assert asked == [["%m/%d/%Y", "%d/%m/%Y"]]
    assert (found.times.format, found.frequency) == ("%d/%m/%Y", "MS")

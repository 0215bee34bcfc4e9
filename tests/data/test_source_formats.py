"""Files as people have them: formats, archives, lines that are no rows, times in several columns."""

from __future__ import annotations

import re
import zipfile

import pandas as pd
import pytest
import yaml

from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load, load_blocks, rows_of_source
from fastlstm.errors import ConfigError, DataError

ROWS = pd.DataFrame({
    "day": pd.date_range("2024-01-30", periods=4).strftime("%Y-%m-%d"),
    "shop": ["007", "007", "8", "8"], "sold": [1.0, 2.5, 3.0, 4.0], "kind": ["a", "NA", "b", "b"],
})  # fmt: skip


def settings(path, **changes) -> DataConfig:
    return DataConfig.model_validate({
        "path": str(path), "time": "day", "series": "shop", "features": ["sold", "kind"],
        "targets": ["sold"], "columns": {"kind": {"dtype": "category"}}, **changes,
    })  # fmt: skip


WRITERS = {
    "t.csv.gz": lambda file: ROWS.to_csv(file, index=False),
    "t.zip": lambda file: ROWS.to_csv(file, index=False),
    "t.tsv": lambda file: ROWS.to_csv(file, index=False, sep="\t"),
    "t.tsv.zip": lambda file: ROWS.to_csv(file, index=False, sep="\t"),
    "t.xlsx": lambda file: ROWS.to_excel(file, index=False),
    "t.jsonl": lambda file: ROWS.to_json(file, orient="records", lines=True),
    "t.json": lambda file: ROWS.to_json(file, orient="records"),
    "t.jsonl.gz": lambda file: ROWS.to_json(file, orient="records", lines=True),
    "t.feather": ROWS.to_feather,
}


@pytest.mark.parametrize("name", WRITERS)
def test_all_formats_give_the_table_of_the_csv_file(tmp_path, name):
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    expected = load(settings(tmp_path / "t.csv")).frame
    WRITERS[name](tmp_path / name)
    data = settings(tmp_path / name)
    pd.testing.assert_frame_equal(load(data).frame, expected)
    blocks = pd.concat(load_blocks(data, data.value_columns), ignore_index=True)
    pd.testing.assert_frame_equal(blocks, expected)
    assert rows_of_source(data) in (4, 5)


def test_typed_cells_of_excel(tmp_path):
    """Dates, whole and broken numbers, names that are numbers, and text beside numbers."""
    rows = ROWS.assign(day=pd.to_datetime(ROWS["day"]), kind=[1, 2, None, "x"], shop=[7, 7, 8, 8])
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="notes", index=False)
        rows.to_excel(book, sheet_name="sales", index=False, startrow=2)
    frame = load(settings(tmp_path / "t.xlsx", sheet="sales", skip_lines=2)).frame
    assert frame[TIME].iloc[0] == pd.Timestamp("2024-01-30", tz="UTC")
    assert frame[SERIES].tolist() == ["7", "7", "8", "8"]
    assert frame["kind"].fillna("-").tolist() == ["1", "2", "-", "x"]
    with pytest.raises(ConfigError, match=r"no sheet 'x'; it has notes, sales"):
        load(settings(tmp_path / "t.xlsx", sheet="x"))


def test_lines_that_are_no_rows(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "Sales\n# of \"two shops\nday;shop;sold;kind\n2024-01-30;'0;07';$ 1;a\n\n"
        "#end\n2024-01-31;8;-$2.5;b\n",
        encoding="utf-8",
    )
    data = settings(file, delimiter=";", quote="'", comment="#", skip_lines=1, signs=["$"])
    frame = load(data).frame
    assert frame[SERIES].tolist() == ["0;07", "8"] and frame["sold"].tolist() == [1.0, -2.5]
    blocks = pd.concat(load_blocks(data, ["sold"]), ignore_index=True)
    assert blocks["sold"].tolist() == [1.0, -2.5]


@pytest.mark.parametrize("cell", ["$12.5", "12 %", "€1,234.50", "-5EUR", "1 234 kr", "1.234,5 €"])
def test_the_advice_about_a_sign_makes_the_cell_readable(tmp_path, cell):
    file = tmp_path / "t.csv"
    file.write_text(f"day;sold\n2024-01-30;{cell}\n2024-01-31;2\n", encoding="utf-8")
    given = {"delimiter": ";", "series": None, "features": ["sold"], "columns": {}}
    with pytest.raises(DataError, match=r"row 2: .* set data\.signs to \["):
        load(settings(file, **given))
    try:
        load(settings(file, **given))
    except DataError as error:
        found = dict(re.findall(r"data\.(\w+) to (\[.*?\]|'.')", str(error)))
    changes = {name: yaml.safe_load(value) for name, value in found.items()}
    assert len(load(settings(file, **{**given, **changes})).frame) == 2


@pytest.mark.parametrize("cell", ["(5.5)", "($1,234.50)", "$(5)", "(12 %)"])
def test_the_advice_about_parentheses_makes_the_number_negative(tmp_path, cell):
    file = tmp_path / "t.csv"
    file.write_text(f"day;sold\n2024-01-30;{cell}\n2024-01-31;2\n", encoding="utf-8")
    given = {"delimiter": ";", "series": None, "features": ["sold"], "columns": {}}
    with pytest.raises(DataError, match=r"set data\.negative_parentheses to true") as refused:
        load(settings(file, **given))
    found = dict(re.findall(r"data\.(\w+) to (\[.*?\]|'.'|true)", str(refused.value)))
    changes = {name: yaml.safe_load(value) for name, value in found.items()}
    frame = load(settings(file, **{**given, **changes})).frame
    assert (
        frame["sold"].iloc[0] == -float(re.sub(r"[^\d.]", "", cell)) and frame["sold"].iloc[1] == 2
    )


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx", "jsonl"])
@pytest.mark.parametrize("series", ["shop", None])
def test_times_in_several_columns(tmp_path, ending, series):
    rows = pd.DataFrame({
        "date": pd.to_datetime(["2024-01-30", "2024-01-30"]), "hour": [9, 10], "shop": 1,
        "sold": [1.0, 2.0],
    })  # fmt: skip
    file = tmp_path / f"t.{ending}"
    write = {
        "csv": lambda: rows.to_csv(file, index=False),
        "parquet": lambda: rows.to_parquet(file),
        "xlsx": lambda: rows.to_excel(file, index=False),
        "jsonl": lambda: rows.astype({"date": str}).to_json(file, orient="records", lines=True),
    }
    write[ending]()
    data = settings(
        file, time=["date", "hour"], time_format="%Y-%m-%d %H", features=["sold"], columns={},
        series=series,
    )  # fmt: skip
    assert data.time == "date hour"
    assert DataConfig.model_validate(data.model_dump()) == data
    times = load(data).frame[TIME]
    assert times.dt.strftime("%d %H:%M").tolist() == ["30 09:00", "30 10:00"]


def test_quarters(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("year,quarter,sold\n2023,4,1\n2024,1,2\n", encoding="utf-8")
    data = settings(
        file, time=["year", "quarter"], time_format="%Y %q", series=None, features=["sold"],
        columns={}, frequency="QS",
    )  # fmt: skip
    assert load(data).frame[TIME].dt.strftime("%Y-%m-%d").tolist() == ["2023-10-01", "2024-01-01"]
    file.write_text("year,quarter,sold\n2023,5,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2: '2023 5' is no %Y %q time"):
        load(data)


def test_columns_that_nobody_asked_for_may_share_a_name(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("day,sold,,\n2024-01-30,1,x,y\n", encoding="utf-8")
    data = settings(file, series=None, features=["sold"], columns={})
    assert load(data).frame["sold"].tolist() == [1.0]
    file.write_text("day,sold,sold\n2024-01-30,1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="two columns named 'sold'"):
        load(data)


def test_refusals_name_what_to_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"t\.zip: holds 2 files \(a\.csv, b\.csv\)"):
        load(settings(tmp_path / "t.zip"))
    for name, text, message in (
        ("t.json", "[1, 2]", r"record 1 is '1'; give one object"),
        ("t.jsonl", '{"day": "2024-01-30"\n', "cannot be read as JSON"),
        ("t.xlsx", "no", "cannot be read as Excel"),
        ("t.feather", "no", "cannot be read as Arrow"),
        (
            "u.jsonl",
            '{"day": {"a": 1}, "shop": 1, "sold": 2, "kind": 3}',
            "'day' holds dict values",
        ),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            load(settings(tmp_path / name))


def test_rules_of_all_columns():
    data = settings("t.csv", columns={"*": {"missing": "drop"}, "sold": {"minimum": 0}})
    assert data.rules("kind").missing == "drop"
    assert (data.rules("sold").missing, data.rules("sold").minimum) == ("drop", 0)
    assert DataConfig.model_validate(data.model_dump()).rules("kind").missing == "drop"

"""CSV files as people have them: marks of numbers, encodings, words for missing values, and advice."""

from __future__ import annotations

import re

import pytest
import yaml

from fastlstm.config.data import DataConfig
from fastlstm.data.reading import load, load_blocks
from fastlstm.errors import DataError


def settings(file, **changes) -> DataConfig:
    return DataConfig.model_validate(
        {"path": str(file), "time": "day", "features": ["sold"], "targets": ["sold"], **changes}
    )


def table(folder, cells, *, encoding="utf-8", delimiter=";", name="sold"):
    lines = [f"day{delimiter}{name}"]
    lines += [f"2024-01-{day:02d}{delimiter}{cell}" for day, cell in enumerate(cells, 1)]
    file = folder / "t.csv"
    file.write_bytes("\n".join(lines).encode(encoding))
    return file


CASES = [
    (["1,5", "-2,25"], {"decimal": ","}, [1.5, -2.25]),
    (["1.234,5", "1.234.567"], {"decimal": ",", "thousands": "."}, [1234.5, 1234567.0]),
    (["1,234.5", "7"], {"thousands": ","}, [1234.5, 7.0]),
    (["1 234 567,5", "1\u00a0234", "1\u202f234"], {"decimal": ",", "thousands": " "},
     [1234567.5, 1234.0, 1234.0]),
    (["1'234.5", "2"], {"thousands": "'"}, [1234.5, 2.0]),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "dialect", "expected"), CASES, ids=str)
def test_numbers_as_they_are_written(tmp_path, cells, dialect, expected):
    data = settings(table(tmp_path, cells), delimiter=";", **dialect)
    assert load(data).frame["sold"].tolist() == expected
    assert [v for block in load_blocks(data, ["sold"]) for v in block["sold"]] == expected


@pytest.mark.parametrize(
    "cells",
    [
        ["1,5"],
        ["1.234,5"],
        ["1,234.5"],
        ["12 345"],
        ["1 234,5"],
        ["nil"],
        ["–"],
        ["n.a."],
        ["#N/A"],
    ],
    ids=str,
)
def test_the_advice_of_a_refusal_makes_the_cell_readable(tmp_path, cells):
    file = table(tmp_path, [*cells, "2"])
    with pytest.raises(DataError, match=r"t\.csv: column 'sold', row 2: .* is no float") as refused:
        load(settings(file, delimiter=";"))
    found = re.findall(r"data\.(\w+) to (\[.*?\]|'.')", str(refused.value))
    assert found, str(refused.value)
    changes = {name: yaml.safe_load(value) for name, value in found}
    assert len(load(settings(file, delimiter=";", **changes)).frame) == 2


def test_quoted_cells_may_hold_the_delimiter_as_decimal_mark(tmp_path):
    file = table(tmp_path, ['"1,5"', '"113,1001"'], delimiter=",")
    with pytest.raises(DataError, match=r"set data\.decimal to ','"):
        load(settings(file))
    assert load(settings(file, decimal=",")).frame["sold"].tolist() == [1.5, 113.1001]


@pytest.mark.parametrize(
    "lines",
    [
        ["day;sold", "01.02.2024;1,5", "02.02.2024;2,5"],
        ["day,sold", "# late", "2024-01-01,1", "2024-01-02,2"],
        ["Sales of a year", "day,sold", "2024-01-01,1", "2024-01-02,2"],
        ["Sales", "of a year", "day;sold", "2024-01-01;1", "2024-01-02;2"],
    ],
    ids=["delimiter", "comment", "title", "title and delimiter"],
)
def test_the_advice_for_lines_of_other_lengths_makes_the_file_readable(tmp_path, lines):
    file, changes = tmp_path / "t.csv", {}
    file.write_text("\n".join(lines) + "\n")
    for _ in range(5):
        try:
            found = load(settings(file, **changes)).frame
            break
        except DataError as refused:
            told = re.findall(r"data\.(\w+) to (\[.*?\]|'.*?'|\d+)", str(refused))
            assert told, str(refused)
            changes |= {name: yaml.safe_load(value) for name, value in told}
    assert len(found) == 2


def test_an_ambiguous_comma_is_asked_about(tmp_path):
    with pytest.raises(
        DataError, match=r"thousands to ',' if the comma parts thousands, .*decimals"
    ):
        load(settings(table(tmp_path, ["113,147"]), delimiter=";"))


def test_an_encoding_is_named_and_read(tmp_path):
    file = table(tmp_path, ["1", "2"], encoding="cp1252", name="größe")
    data = settings(file, delimiter=";", features=["größe"], targets=["größe"])
    with pytest.raises(DataError, match=r"not in the encoding 'utf-8'.*set data\.encoding"):
        load(data)
    assert load(data.model_copy(update={"encoding": "cp1252"})).frame["größe"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decimal": ",", "quote": ","}, "quote: ',' is the delimiter too"),
        ({"decimal": ",", "thousands": ",", "delimiter": ";"}, "thousands: ',' is the decimal too"),
        ({"encoding": "utf-99"}, "no encoding is named 'utf-99'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        settings("t.csv", **changes)

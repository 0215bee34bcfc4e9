"""A corpus of bad tables: what stands in the file, and what must become of it.

Each case is a file, changes to the settings of ``tests.conftest.BASE``, and the words of the refusal, or
of the warning where the table is used all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import RAIN, make_panel

HEADER = "when,site,load,heat,rain\n"
ONE = "2024-01-01T00:00:00Z,a,1,2,0\n"


@dataclass(frozen=True)
class Case:
    """A bad table.

    Attributes:
        name: what is bad.
        write: writes the file, or files, at a path.
        refused: pattern of the one error, or None where the table is used.
        warned: words among the warnings where it is used.
        data, hyperparameters: changes to the settings.
        ending: of the file.
    """

    name: str
    write: Callable[[Path], Any]
    refused: str | None = None
    warned: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    ending: str = ".csv"


CASES: list[Case] = []


def text(name: str, content: str | bytes, refused: str | None = None, **more: Any) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    CASES.append(Case(name, lambda path: path.write_bytes(data), refused, **more))


def table(
    name: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    refused: str | None = None,
    **more: Any,
) -> None:
    def write(path: Path) -> None:
        frame = change(make_panel())
        if path.suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)

    CASES.append(Case(name, write, refused, **more))


def set_cells(column: str, rows: Any, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if isinstance(value, str):
            frame[column] = frame[column].astype(object)
        frame.loc[rows, column] = value
        return frame

    return change


def whole(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: value})


def local(times: list[str]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The first rows of one series at given local times."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        part = frame[frame["site"] == "a"].head(len(times))
        return part.assign(when=times)

    return change


# Nothing, or nearly
text("an empty file", "", "is empty; give a file with a header and rows")
text("a file of blanks", "   \n\n  \n", "has one column only|no column")
text("a header only", HEADER, "holds no rows")
text("one row", HEADER + ONE, "has 1 rows, one window spans 8")
text("a series of one row beside a whole one", (HEADER + ONE.replace(",a,", ",z,")).encode()
     + make_panel().to_csv(index=False, header=False).encode(), "series 'z' has 1 rows")  # fmt: skip
text("a byte order mark alone", b"\xef\xbb\xbf", "Empty CSV file")
table(
    "fewer rows than a window",
    lambda f: f.groupby("site").head(5),
    "has 5 rows, one window spans 8",
)
table("too few rows for three splits", lambda f: f.groupby("site").head(8),
      "split holds no window|cannot be split")  # fmt: skip

# Not the format it says
text("another delimiter", make_panel().to_csv(index=False, sep=";"), "set data.delimiter")
text("tabs", make_panel().to_csv(index=False, sep="\t"), "set data.delimiter")
text(
    "a Parquet file named CSV",
    b"PAR1" + bytes(range(256)) * 20,
    "cannot be read as CSV|no column|one column",
)
text("a page of HTML", "<html><body>Not found</body></html>\n", "one column only")
text("JSON", '{"when": ["2024-01-01"], "load": [1]}\n', "no column|one column")
text("UTF-16", make_panel().to_csv(index=False).encode("utf-16"), "no column|one column|as CSV|UTF")
text("Latin-1 in a series name", (HEADER + ONE.replace(",a,", ",Zürich,") * 9).encode("latin-1"),
     "UTF-?8|as CSV")  # fmt: skip
text("zero bytes", HEADER.encode() + b"\x00" * 400, "as CSV|no float|is empty|columns")
text(
    "rows of unequal length",
    HEADER + ONE + "2024-01-01T01:00:00Z,a,1\n" + ONE,
    "Expected 5 columns",
)
text(
    "an open quote",
    HEADER + '2024-01-01T00:00:00Z,"a,1,2,0\n' + ONE * 3,
    "as CSV|columns|holds no rows",
)
text("CSV named Parquet", HEADER + ONE, "cannot be read as Parquet", ending=".parquet")
CASES.append(Case("a Parquet file cut short", lambda path: (
    make_panel().to_parquet(path), path.write_bytes(path.read_bytes()[:-200])
), "cannot be read as Parquet", ending=".parquet"))  # fmt: skip
CASES.append(Case("a Parquet file with check sums and a byte changed", lambda path: (
    make_panel().to_parquet(path, write_page_checksum=True),
    path.write_bytes(path.read_bytes()[:400] + b"\xff" + path.read_bytes()[401:]),
), "cannot be read as Parquet", ending=".parquet"))  # fmt: skip
CASES.append(Case("a Parquet file of lists", lambda path: pq.write_table(
    pa.table({"when": [datetime(2024, 1, 1)], "site": ["a"], "load": [[1.0]], "heat": [1.0],
              "rain": [0.0]}), path
), "holds list", ending=".parquet"))  # fmt: skip
CASES.append(Case("a folder of two files that disagree", lambda path: (
    path.mkdir(), make_panel().to_csv(path / "a.csv", index=False),
    make_panel().drop(columns="heat").to_csv(path / "b.csv", index=False),
), r"b\.csv: has no column 'heat'", ending=""))  # fmt: skip
CASES.append(
    Case("an empty folder", lambda path: path.mkdir(), "holds no CSV, TSV, Parquet", ending="")
)
CASES.append(Case("no file", lambda path: None, "does not exist"))

# Columns
table("a feature is absent", lambda f: f.drop(columns="heat"), "has no column 'heat'")
table(
    "a column written otherwise",
    lambda f: f.rename(columns={"heat": "Heat"}),
    "did you mean 'Heat'",
)
table("the time column is absent", lambda f: f.drop(columns="when"), "has no column 'when'")
text("two columns of one name", (HEADER.replace("rain", "heat") + ONE), "two columns named 'heat'")
table("a column with blanks about its name", lambda f: f.rename(columns={"heat": " heat "}),
      "did you mean ' heat '")  # fmt: skip
table("names in other scripts and with quotes", lambda f: f.rename(columns={"load": 'Last "é" 負荷'}),
      data={"features": ['Last "é" 負荷', "heat"], "targets": ['Last "é" 負荷']})  # fmt: skip
table("a name with a slash and a line break", lambda f: f.rename(columns={"load": "a/b\nc"}),
      data={"features": ["a/b\nc", "heat"], "targets": ["a/b\nc"]})  # fmt: skip
table("a column named like our own", lambda f: f.rename(columns={"load": "__time"}),
      "names that begin with '__' are reserved",
      data={"features": ["__time", "heat"], "targets": ["__time"]})  # fmt: skip
table("one of our own names unused", lambda f: f.assign(__series="x", __segment=1))
table("a column named like a scaled one", lambda f: f.rename(columns={"load": "x.load", "heat": "y.load"}),
      data={"features": ["x.load", "y.load"], "targets": ["x.load"]})  # fmt: skip
table("a column named like an output", lambda f: f.rename(columns={"heat": "load_step_2"}),
      data={"features": ["load", "load_step_2"]})  # fmt: skip

# Cells
table("all of a column missing", whole("heat", np.nan), "missing · heat: 480 rows")
table("all of a column dropped", whole("heat", np.nan), "allows|every row was dropped",
      data={"columns": {"heat": {"missing": "drop"}}})  # fmt: skip
table("one value missing", set_cells("load", 7, np.nan), "missing · load: 1 rows")
table("missing at the start, filled forward", set_cells("load", [0, 1], np.nan), "",
      data={"columns": {"load": {"missing": "forward_fill", "beyond_limit": "drop",
                                 "forward_fill_limit": 2}}})  # fmt: skip
table("a constant column", whole("heat", 4.0), warned="constant · heat")
table("a constant target", whole("load", 4.0), warned="constant · load")
table("infinite values", set_cells("heat", [3, 5], np.inf), "finite · heat: 2 rows")
table("minus infinity", set_cells("load", 3, -np.inf), "finite · load: 1 rows")
table(
    "text among numbers", set_cells("heat", 3, "n.b."), "column 'heat', row 5: 'n.b.' is no float"
)
table("numbers with commas", lambda f: f.assign(heat=f["heat"].map(lambda v: f"{v:,.1f}".replace(".", ","))),
      "column 'heat', row 2: .* is no float")  # fmt: skip
table("numbers with units", lambda f: f.assign(heat=f["heat"].map(lambda v: f"{v:.1f} °C")),
      "is no float .480 such cells.")  # fmt: skip
table(
    "times in a number's place", lambda f: f.assign(heat=f["when"]), "'heat', row 2: .* is no float"
)
table("huge integers", lambda f: f.assign(heat=[10**30] * len(f)), warned="constant · heat")
table("integers beyond 64 bits, declared integer", lambda f: f.assign(heat=[10**30 + i for i in range(len(f))]),
      "is no integer", data={"columns": {"heat": {"dtype": "integer"}}})  # fmt: skip
table(
    "values beyond float32",
    lambda f: f.assign(heat=f["heat"] * 1e300),
    "magnitude · heat: 480 rows",
)
table("values beyond float32, scaled", lambda f: f.assign(heat=f["heat"] * 1e60))
table(
    "targets beyond float32, not scaled",
    lambda f: f.assign(load=f["load"] * 1e60),
    "'load': .* is too large for the network's float32",
    hyperparameters={"scale_targets": False},
)
table("values near float64's end", lambda f: f.assign(heat=f["heat"] * 8e306), "magnitude|finite")
table("values below float32", lambda f: f.assign(heat=f["heat"] * 1e-300))
table("half numbers declared integer", lambda f: f, "is no integer",
      data={"columns": {"heat": {"dtype": "integer"}}})  # fmt: skip
table("truth values", lambda f: f.assign(heat=f["heat"] > 20), ending=".parquet")
table("decimals", lambda f: f.assign(heat=f["heat"].round(2).map(lambda v: __import__("decimal").Decimal(str(v)))),
      ending=".parquet")  # fmt: skip
table("outside the declared range", set_cells("heat", 9, 900.0), r"outside \[-inf, 100",
      data={"columns": {"heat": {"maximum": 100}}})  # fmt: skip

# Time
table(
    "times that stand twice",
    lambda f: pd.concat([f, f.iloc[[5, 6]]]),
    "rows with the same series and time",
)
table(
    "a whole table that stands twice",
    lambda f: pd.concat([f, f]),
    "960 rows: rows with the same series",
)
table("series mixed up without a series column", lambda f: f, "rows with the same time",
      data={"series": None})  # fmt: skip
table("unsorted", lambda f: f.sample(frac=1, random_state=0), warned="were sorted")
table("backwards", lambda f: f.iloc[::-1], warned="were sorted")
table("an empty time", set_cells("when", 4, None), "row 6: is empty")
table("a time that is none", lambda f: f.assign(when=["never", *f["when"].astype(str)[1:]]),
      "row 2: 'never' is no ISO 8601 time")  # fmt: skip
table(
    "day first",
    lambda f: f.assign(when=f["when"].dt.strftime("%d/%m/%Y %H:%M")),
    "is no ISO 8601 time",
)
table(
    "seconds since 1970",
    lambda f: f.assign(when=f["when"].astype("int64")),
    "is no ISO 8601|give time stamps",
)
table("numbers for times in Parquet", lambda f: f.assign(when=range(len(f))), "give time stamps",
      ending=".parquet")  # fmt: skip
table("times with and without an offset", lambda f: f.assign(
    when=[t.isoformat() if i % 2 else t.isoformat()[:19] for i, t in enumerate(f["when"])]
), "mixes times with and without an offset")  # fmt: skip
table("two offsets", lambda f: f.assign(when=[
    t.tz_convert("Europe/Rome" if i % 2 else "Asia/Tokyo").isoformat() for i, t in enumerate(f["when"])
]))  # fmt: skip
table("an hour that happens twice", local([f"2024-11-03 {h:02d}:00" for h in (0, 1, 1, 2, 3, 4, 5, 6, 7, 8)]),
      "happens twice or never in America/New_York", data={"time_zone": "America/New_York"})  # fmt: skip
table("an hour that never happens", local([f"2024-03-10 {h:02d}:00" for h in range(10)]),
      "happens twice or never in America/New_York", data={"time_zone": "America/New_York"})  # fmt: skip
table("off the declared grid", lambda f: f.assign(when=f["when"] + pd.to_timedelta(f.index % 7, "min")),
      "times off the declared grid")  # fmt: skip
table(
    "another grid than declared",
    lambda f: f,
    "no window|holds no window",
    data={"frequency": "15min"},
)
table("holes", lambda f: f.drop(index=[50, 51, 300]), warned="2 gaps, 3 rows of 1h absent")
table("a hole in every window", lambda f: f[f.index % 5 > 0], "split holds no window")
table("dates in the future", lambda f: f.assign(when=f["when"] + pd.Timedelta("36525D")),
      warned="in the future")  # fmt: skip
table("years before 1700", lambda f: f.assign(when=[f"1066-01-01T{h % 24:02d}:00:00Z" for h in range(len(f))]),
      "same series and time|bounds|no ISO")  # fmt: skip

# What a network would learn wrong
table("the target, shifted, as a feature", lambda f: f.assign(heat=f.groupby("site")["load"].shift(-3)).dropna(),
      warned="leak suspected · heat")  # fmt: skip
table("labels that are not 0 and 1", lambda f: f.assign(wet=f.index % 3),
      data={"targets": ["wet"], "features": ["load", "heat"]},
      hyperparameters={**RAIN["hyperparameters"], "class_weight": None})  # fmt: skip
table("labels in words", lambda f: f.assign(wet=np.where(f.index % 3 > 0, "yes", "no")),
      data={"targets": ["wet"], "features": ["load", "heat"]},
      hyperparameters={**RAIN["hyperparameters"], "class_weight": None})  # fmt: skip

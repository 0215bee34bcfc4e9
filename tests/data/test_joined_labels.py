"""Series that several columns name: their labels, wherever the rows come from."""

from __future__ import annotations

import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.config.reading import parse_config
from fastlstm.data.joined_labels import label_parts
from fastlstm.data.reading import load, load_blocks, load_frame
from fastlstm.errors import ConfigError, DataError

STORES, ITEMS = ("NA", "a/b", "007", "\\"), ("x", "b/", "7")
ROWS = pd.DataFrame(
    [(day, store, item, n) for n, day in enumerate(pd.date_range("2024-01-01", periods=4))
     for store in STORES for item in ITEMS],
    columns=["day", "store", "item", "sold"],
)  # fmt: skip


def settings(path, **changes):
    return DataConfig.model_validate({
        "path": str(path), "time": "day", "series": ["store", "item"], "features": ["sold"],
        "targets": ["sold"], **changes,
    })  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "xlsx"])
def test_labels_hold_every_part_whatever_it_is(tmp_path, ending):
    file = tmp_path / f"t.{ending}"
    {
        "csv": lambda: ROWS.to_csv(file, index=False),
        "parquet": lambda: ROWS.to_parquet(file),
        "jsonl": lambda: ROWS.to_json(file, orient="records", lines=True, date_format="iso"),
        "xlsx": lambda: ROWS.to_excel(file, index=False),
    }[ending]()
    data = settings(file)
    expected = sorted((store, item) for store in STORES for item in ITEMS)
    blocks = pd.concat(load_blocks(data, ["sold"]))
    for frame in (load(data).frame, blocks, load_frame(ROWS, data, ["sold"])):
        labels = frame["__series"].unique()
        assert sorted(tuple(label_parts(label)) for label in labels) == expected
    assert DataConfig.of_run(data.model_dump()) == data
    assert "007/x" in load(data).frame["__series"].to_numpy()


def test_parts_may_be_names_of_folders(tmp_path):
    for store, rows in ROWS[ROWS["store"].isin(["NA", "007"])].groupby("store"):
        (tmp_path / f"store={store}").mkdir()
        rows.drop(columns="store").to_csv(tmp_path / f"store={store}" / "t.csv", index=False)
    labels = load(settings(tmp_path)).frame["__series"].unique()
    assert "007/x" in labels and len(labels) == 6


@pytest.mark.parametrize(
    ("cells", "message"),
    [([1.5] * 48, "series column 'item' holds double"), ([""] + ["x"] * 47, "is empty in 1 rows")],
)
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path, cells, message):
    ROWS.assign(item=cells).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        load(settings(tmp_path / "t.parquet"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"series": ["store", "store"]}, "names no columns, or one twice"),
     ({"series": ["store", "sold"]}, "'sold' names series and is time, feature or target too")],
)  # fmt: skip
def test_contradictions_are_refused(changes, message):
    config = {
        "data": {"path": "t.csv", "time": "day", "features": ["sold"], "targets": ["sold"], **changes},
        "hyperparameters": {"model_name": "m", "timesteps": 2}, "store": "runs",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        parse_config(config)


def test_tables_are_joined_by_all_or_some_of_the_parts(tmp_path):
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    sizes = pd.DataFrame({"store": STORES, "size": [10.0, 20.0, 30.0, 40.0]})
    sizes.to_csv(tmp_path / "stores.csv", index=False)
    keys = ROWS[["store", "item"]].drop_duplicates()
    keys.assign(price=range(len(keys))).to_csv(tmp_path / "prices.csv", index=False)
    days = pd.date_range("2024-01-01", periods=6)
    promo = pd.DataFrame([(s, d, float(s == "007")) for s in STORES for d in days])
    promo.set_axis(["store", "day", "promo"], axis=1).to_csv(tmp_path / "promo.csv", index=False)
    joins = [
        {"path": str(tmp_path / "stores.csv"), "series": "store", "columns": ["size"]},
        {"path": str(tmp_path / "prices.csv"), "series": ["store", "item"], "columns": ["price"]},
        {"path": str(tmp_path / "promo.csv"), "series": "store", "time": "day",
         "columns": ["promo"]},
    ]  # fmt: skip
    changes = {"frequency": "1D", "static": ["size", "price"], "known_future": ["promo"]}
    data = settings(tmp_path / "t.csv", joins=joins, calendar=[], **changes)
    frame = load(data).frame
    parts = frame["__series"].map(label_parts)
    size = dict(zip(STORES, sizes["size"], strict=True))
    assert frame["size"].tolist() == [size[store] for store, _ in parts]
    assert frame["promo"].tolist() == [float(store == "007") for store, _ in parts]
    assert (
        frame.groupby("__series")["price"].nunique().eq(1).all() and frame["price"].nunique() == 12
    )
    # Two days that only the promotions know are rows to forecast, of every item.
    assert frame["sold"].isna().sum() == 24 and len(frame) == len(ROWS) + 24
    with pytest.raises(ValueError, match="'shop' is none of the columns that name the series"):
        settings(tmp_path / "t.csv", static=["size"], joins=[{**joins[0], "series": "shop"}])

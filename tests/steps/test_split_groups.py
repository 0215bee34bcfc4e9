"""A source divided by group: each file's rows, what is pooled or refused, and the bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fastlstm.config.group_names import POOLED, POOLED_SERIES
from fastlstm.config.reading import parse_config
from fastlstm.data import arrow_files
from fastlstm.errors import DataError
from fastlstm.steps.split_groups import group_file, split_into, split_newest_into
from tests.conftest import make_panel

ROWS = {"north": 60, "south": 50, "a/b": 9, "": 0}


@pytest.fixture
def source(tmp_path):
    """Two CSV files of a panel whose series are in several groups."""
    folder = tmp_path / "source"
    folder.mkdir()
    frame = make_panel(rows=70, series=("1", "2"))
    frame["region"] = ["north"] * 60 + ["south"] * 50 + ["a/b"] * 9 + ["east"] * 21
    frame.iloc[:100].to_csv(folder / "first.csv", index=False)
    frame.iloc[100:].to_csv(folder / "second.csv", index=False)
    return folder, frame


def divide(settings, source, target, **groups):
    target.mkdir()
    config = parse_config(
        settings(
            models_by=["region"], groups=groups, data={"path": str(source), "features": ["load"]}
        )
    )
    found = split_into(target, config.data, config.models_by, config.groups, 8)
    return found, config


def test_each_group_has_its_rows_as_they_stand(settings, source, tmp_path):
    found, _ = divide(settings, source[0], tmp_path / "groups", minimum_rows=50)
    assert found["groups"] == {"pooled": 30, "region=north": 60, "region=south": 50}
    assert found["pooled"] == {"region=a%2Fb": 9, "region=east": 21} and not found["refused"]
    for name in ("north", "south"):
        stored = (
            pq.ParquetFile(group_file(tmp_path / "groups", f"region={name}")).read().to_pandas()
        )
        right = source[1][source[1]["region"] == name]
        assert stored["load"].tolist() == pytest.approx(right["load"].tolist())
        assert stored["site"].tolist() == right["site"].tolist()
        assert list(stored) == ["when", "site", "load"]
    pooled = pq.ParquetFile(group_file(tmp_path / "groups", POOLED)).read().to_pandas()
    assert pooled[POOLED_SERIES].unique().tolist() == ["region=a%2Fb/2", "region=east/2"]


def test_a_group_s_bytes_depend_on_its_rows_alone(settings, source, tmp_path):
    divide(settings, source[0], tmp_path / "before", minimum_rows=1)
    lines = (source[0] / "first.csv").read_text().replace(",south,", ",south,", 1).splitlines()
    changed = [
        line.replace("2024-01-01 00:00:00+00:00,1", "2024-01-01 00:30:00+00:00,1") for line in lines
    ]
    assert changed != lines
    (source[0] / "first.csv").write_text("\n".join(changed) + "\n")
    divide(settings, source[0], tmp_path / "after", minimum_rows=1)
    files = sorted(f.name for f in (tmp_path / "before").iterdir())
    differ = [
        name for name in files
        if (tmp_path / "before" / name).read_bytes() != (tmp_path / "after" / name).read_bytes()
    ]  # fmt: skip
    assert len(files) == 4 and differ == ["region=north.parquet"]


def test_many_blocks_give_what_one_gives(settings, tmp_path, monkeypatch):
    """Types that differ between files, and categories."""
    folder = tmp_path / "source"
    folder.mkdir()
    frame = make_panel(rows=70, series=("1", "2"))
    frame["region"] = np.arange(140) // 3 % 5
    frame["wide"] = 2**53 + 1
    frame.iloc[:100].to_parquet(folder / "a.parquet", row_group_size=33)
    rest = frame.iloc[100:].astype({"site": "int64", "wide": "float64"})
    rest.to_parquet(folder / "b.parquet")
    frame.iloc[:9].astype({"site": "category"}).to_parquet(folder / "c.parquet")
    config = parse_config(
        settings(
            models_by=["region"], groups={"minimum_rows": 30},
            data={"path": str(folder), "features": ["load", "wide"]},
        )
    )  # fmt: skip
    found, sizes = [], (1 << 18, 7)
    for size in sizes:
        monkeypatch.setattr(arrow_files, "_BLOCK_ROWS", size)
        target = tmp_path / str(size)
        target.mkdir()
        found.append(split_into(target, config.data, config.models_by, config.groups, 8))
        assert len(list(target.iterdir())) == 4
    assert found[0] == found[1] and found[0]["pooled"] == {"region=3": 27, "region=4": 27}
    for file in (tmp_path / str(sizes[0])).iterdir():
        assert (tmp_path / str(sizes[1]) / file.name).read_bytes() == file.read_bytes()
    stored = pq.ParquetFile(group_file(tmp_path / "7", "region=1")).read().to_pandas()
    right = pd.concat([frame, frame.iloc[:9]])
    right = right[right["region"] == 1]
    assert stored["load"].tolist() == right["load"].tolist()
    assert stored["site"].tolist() == right["site"].tolist()


def test_small_groups_may_be_refused(settings, source, tmp_path):
    found, _ = divide(settings, source[0], tmp_path / "groups", small="refuse")
    # Ten windows of 8 rows are 80 rows.
    assert found["minimum_rows"] == 80 and found["groups"] == {} and len(found["refused"]) == 4


def test_newest_rows_go_to_the_model_of_their_group(settings, source, tmp_path):
    _, config = divide(settings, source[0], tmp_path / "groups")
    target = tmp_path / "newest"
    target.mkdir()
    models = {"region=north": "region=north", "region=east": POOLED, "region=south": None}
    found = split_newest_into(target, config.data, config.models_by, models.get)
    assert found == {
        "": ["region=a%2Fb", "region=south"], "pooled": ["region=east"],
        "region=north": ["region=north"],
    }  # fmt: skip
    assert sorted(f.name for f in target.iterdir()) == ["pooled.parquet", "region=north.parquet"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["a", None, "b"],
            r"column 'region', which models_by lists, is empty in 1 rows, first data row 2",
        ),
        (
            [0.5, 1.5, 2.5],
            r"column 'region', which models_by lists, holds double; label groups with",
        ),
        (["x" * 300] * 3, r"models_by: the group .* makes a folder name of 307 bytes"),
        (None, r"has no column 'region'"),
    ],
)
def test_labels_that_name_no_group(settings, tmp_path, labels, message):
    frame = make_panel(rows=3, series=("1",))
    if labels is not None:
        frame["region"] = labels
    file = tmp_path / "table.parquet"
    frame.to_parquet(file)
    with pytest.raises(DataError, match=message):
        divide(settings, file, tmp_path / "groups")


def test_empty_source(settings, tmp_path):
    file = tmp_path / "empty.csv"
    pd.DataFrame(columns=["when", "site", "load", "region"]).to_csv(file, index=False)
    with pytest.raises(DataError, match="holds no rows"):
        divide(settings, file, tmp_path / "groups")

"""Labels of series are text: nothing that looks like a number or a missing value is read as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES
from fastlstm.data.labels import mistaken_labels
from fastlstm.data.reading import load
from fastlstm.errors import DataError
from fastlstm.runs.csv_export import read_export, write_export
from tests.api.examples import regressor, settings_file
from tests.conftest import make_panel

LABELS = ["NA", "None", "nan", "007", "7", "1e5", "-1", "'=x", "TRUE", " x ", "日本", "a,b", 'a"b']


def table_of(labels):
    rows = [make_panel(rows=12).query("site == 'a'").assign(site=label) for label in labels]
    return pd.concat(rows, ignore_index=True)


def settings(path):
    return DataConfig.model_validate(
        {"path": str(path), "time": "when", "series": "site", "features": ["load"], "targets": ["load"]}
    )  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_of_a_source_stay_as_they_are(tmp_path, ending):
    table, file = table_of(LABELS), tmp_path / f"t.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file)
    assert sorted(load(settings(file)).frame[SERIES].unique()) == sorted(LABELS)


def test_integers_and_categories_are_labels_too(tmp_path):
    table = table_of(["7", "12"])
    for kind in ("int64", "category"):
        table.assign(site=table["site"].astype(kind)).to_parquet(tmp_path / "t.parquet")
        found = load(settings(tmp_path / "t.parquet")).frame[SERIES].unique()
        assert sorted(found) == ["12", "7"]


@pytest.mark.parametrize(
    ("label", "message"),
    [("", "is empty in 12 rows, first in row 2"), (7.0, "7 may have been '007'")],
)
def test_labels_that_say_nothing_or_were_numbers_are_refused(tmp_path, label, message):
    table_of([label]).to_parquet(tmp_path / "t.parquet")
    table_of([label]).to_csv(tmp_path / "t.csv", index=False)
    file = tmp_path / ("t.csv" if label == "" else "t.parquet")
    with pytest.raises(DataError, match=message):
        load(settings(file))


def test_an_export_gives_labels_and_numbers_back(tmp_path):
    labels = [*LABELS, "a\nb", "a\rb", "=1", "''+", "\t", "#N/A"]
    table = pd.DataFrame({"t": range(len(labels)), "site": labels, "v": 0.1 + 0.2, "=c": 1 / 3})
    write_export([table], tmp_path / "x.csv")
    pd.testing.assert_frame_equal(read_export(tmp_path / "x.csv", labels=[1]), table)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([7.0] * 24, "holds double"),
        (["7", 7] * 12, "several types"),
        (["NA"] * 23 + [None], "empty in row 23"),
    ],
)
def test_the_class_refuses_the_same_labels(series, message):
    x = make_panel(rows=12)[["load"]]
    with pytest.raises(DataError, match=message):
        fastLSTM(x, x, series=series, LSTM_type="regressor", timesteps=2)


def test_a_stored_run_opens_with_its_labels(tmp_path):
    panel = make_panel(rows=80)
    labels = panel["site"].map({"a": "NA", "b": "007"})
    model = regressor(
        panel[["load"]], panel["load"], tmp_path, series=labels, time=panel["when"], timesteps=4
    )
    model.network_training(1, verbose=0)
    again = fastLSTM().load_all(settings_file(model))
    assert again._rows.frame[SERIES].unique().tolist() == ["007", "NA"]
    truth, forecast = again._test_outputs()
    np.testing.assert_array_equal(forecast, model._test_outputs()[1])
    assert truth.index.get_level_values(0).unique().tolist() == ["007", "NA"]
    alone = panel.loc[panel["site"] == "b", ["load"]].tail(4).to_numpy()
    by_label = {label: again.model_predict(alone, series=label)[0, 0] for label in ("007", "7")}
    assert by_label["007"] != by_label["7"]  # '7' is another series, scaled by its own rows
    with pytest.raises(DataError, match="7 is a number, the network knows '007'"):
        again.model_predict(alone, series=7)
    with pytest.raises(DataError, match="7 is a number, the network knows '007'"):
        again.model_predict(panel[panel["site"] == "b"].assign(site=7)[["site", "load"]])


@pytest.mark.parametrize(
    ("labels", "known", "expected"),
    [
        (["7"], ["007", "12"], {"7": "007"}),
        (["7", "007"], ["007"], {}),  # both are in the rows, so '7' is another one
        (["de", "7.0", " x"], ["DE", "7", "x"], {"de": "DE", "7.0": "7", " x": "x"}),
        (["new"], ["old"], {}),
        (["0"], ["000"], {"0": "000"}),
    ],
)
def test_labels_that_a_program_may_have_changed_are_known(labels, known, expected):
    assert mistaken_labels(labels, known) == expected

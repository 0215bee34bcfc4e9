"""Rows in memory are rounded, kept once, resampled and completed as those of a source are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.config.data import DataConfig
from fastlstm.data.reading import load
from fastlstm.errors import FastLSTMError

SIZES = {"LSTM_type": "regressor", "timesteps": 6, "steps_ahead": 2}
RULES = {"sold": "sum", "price": "last", "kind": "last"}


def rows():
    """Rows of two shops every ten minutes by a clock that is not exact, with gaps and in no order."""
    times = pd.date_range("2024-04-10", periods=900, freq="10min").delete([*range(90, 110), 500])
    parts = []
    for shop in ("north", "south"):
        rng = np.random.default_rng(len(parts))
        parts.append(pd.DataFrame({
            "at": times + pd.to_timedelta(rng.integers(0, 50, len(times)), unit="s"),
            "sold": rng.integers(0, 9, len(times)), "price": rng.random(len(times)).round(3),
            "kind": rng.choice(["a", "b"], len(times)), "shop": shop,
        }))  # fmt: skip
    return pd.concat(parts).sample(frac=1, random_state=1, ignore_index=True)


CASES = [
    {"snap": "10min", "keep": "last", "absent_rows": "zero", "max_gap": 3, "frequency": "10min"},
    {"resample": {"to": "1h", **RULES}},
    {"resample": {"to": "1h", "label": "begin", **RULES}, "absent_rows": "zero"},
    {"resample": {"to": "1h", **RULES}, "absent_rows": {"*": "forward_fill"}, "max_gap": 9},
]


@pytest.mark.filterwarnings("ignore:.*(rows|times|intervals).*:UserWarning")
@pytest.mark.parametrize("arrangement", CASES, ids=" ".join)
def test_rows_are_those_that_the_pipeline_makes(tmp_path, arrangement):
    table = rows()
    table.to_csv(tmp_path / "t.csv", index=False)
    data = DataConfig.model_validate({
        "path": str(tmp_path / "t.csv"), "time": "at", "series": "shop", "time_zone": "Europe/Rome",
        "features": ["sold", "price", "kind"], "targets": ["sold"],
        "columns": {"kind": {"dtype": "category"}}, **arrangement,
    })  # fmt: skip
    expected = load(data).frame
    model = fastLSTM(
        table, "sold", series="shop", time="at", time_zone="Europe/Rome", **SIZES, **arrangement
    )
    made = model.X_data[["sold", "price", "kind"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(made, expected[["sold", "price", "kind"]])
    settings = model._row_settings
    assert list(settings.time) == list(expected["__time"])
    assert list(settings.series) == list(expected["__series"])
    assert settings.frequency == data.frequency
    by_index = table.sort_values(["shop", "at"], kind="stable").set_index(["shop", "at"])
    again = fastLSTM(
        by_index, by_index[["sold"]], time_zone="Europe/Rome", calendar=[], **SIZES, **arrangement
    )
    assert again.X_data.to_numpy().tolist() == made.to_numpy().tolist()


def test_what_was_done_is_told():
    with pytest.warns(UserWarning) as told:
        fastLSTM(rows(), "sold", series="shop", time="at", resample={"to": "1h", **RULES}, **SIZES)
    assert "1,758 rows were made rows of 1h" in [str(warning.message) for warning in told]


REFUSED = [
    ({"resample": {"to": "1h"}}, "resample.columns: dictionary should have at least 1 item"),
    ({"resample": {"to": "1h", "sold": "sum"}}, "resample: says nothing of 'price'"),
    ({"resample": {"to": "1h", "*": "mean"}}, "resample: 'kind' is a category"),
    ({"resample": {"to": "1h", "*": "last"}, "frequency": "10min"}, "frequency: '10min', resample"),
    ({"absent_rows": "zero"}, "absent_rows: frequency is None"),
    ({"absent_rows": "forward_fill", "frequency": "10min"}, "max_gap: 'forward_fill' needs it"),
    ({"max_gap": 3}, "max_gap: absent_rows is 'gap'"),
    ({"snap": "1MS"}, "snap: '1MS' is no length of a clock"),
    ({"keep": "none"}, "keep: input should be 'error', 'first', 'last' or 'mean'"),
    ({"keep": "last", "sample_weight": np.ones(1758)}, "sample_weight: is of the given rows"),
    ({"keep": "last", "time": None}, "keep: rows have no times"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_a_config_refuses_is_refused(arguments, message):
    table = rows()
    given = {"series": "shop", "time": "at", **arguments}
    if given["time"] is None:
        table = table.drop(columns="at")
    with pytest.raises(FastLSTMError, match=re.escape(message)):
        fastLSTM(table, "sold", **given, **SIZES)


def test_there_are_rows_to_arrange():
    with pytest.raises(FastLSTMError, match="keep: there are no rows to arrange"):
        fastLSTM(keep="last")

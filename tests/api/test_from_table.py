"""A forecaster from a file that nobody has described."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm import fastLSTM
from fastlstm.errors import DataError
from tests.inspection.test_inspect_table import panel


def test_the_rows_are_those_of_the_file(tmp_path):
    frame = panel().sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "shops.csv", index=False, sep=";", decimal=",")
    model = fastLSTM.from_table(
        tmp_path / "shops.csv", target="sold", horizon=4, look_back=8, epochs=3,
        data_storage_path=tmp_path,
    )  # fmt: skip
    hp = model.hyperparameters
    assert (hp["steps_ahead"], hp["timesteps"], hp["epochs"]) == (4, 8, 3)
    assert hp["model_name"] == "shops-sold" and hp["LSTM_type"] == "regressor"
    assert sorted(set(np.asarray(model._row_settings.series))) == ["007", "7"]
    given = panel().sort_values(["shop", "day"], kind="stable")
    assert model.Y_data["sold"].tolist() == given["sold"].tolist()
    assert model.X_data["price"].tolist() == given["price"].tolist()
    assert str(model.X_data.index[0]) == "2024-01-01 00:00:00+00:00"


def test_what_is_in_doubt_is_warned_of_and_what_cannot_be_told_is_refused(tmp_path):
    frame = panel()
    frame["day"] += " 06:00"
    frame.to_csv(tmp_path / "shops.csv", index=False)
    with pytest.warns(UserWarning, match="in doubt: time_zone: UTC is assumed"):
        fastLSTM.from_table(tmp_path / "shops.csv", target="sold", horizon=4, look_back=8)
    with pytest.raises(DataError, match=r"^target: no column is named 'nothing'"):
        fastLSTM.from_table(tmp_path / "shops.csv", target="nothing")


def test_settings_of_a_config_are_taken(tmp_path):
    frame = panel()
    frame[frame.index % 10 != 5].to_csv(tmp_path / "shops.csv", index=False)
    (tmp_path / "sizes.csv").write_text("id,size\n007,1\n7,2\n", encoding="utf-8")
    model = fastLSTM.from_table(
        tmp_path / "shops.csv", target="sold", horizon=4, look_back=8,
        data={"absent_rows": "zero", "max_gap": 2, "features": ["sold", "price"], "static": ["size"],
              "columns": {},
              "joins": [{"path": str(tmp_path / "sizes.csv"), "series": "id", "columns": ["size"]}]},
    )  # fmt: skip
    assert list(model.X_data) == ["sold", "price", "size"] and len(model.X_data) == len(frame)
    assert model.Y_data["sold"].iloc[5] == 0 and model.X_data["size"].iloc[5] == 1

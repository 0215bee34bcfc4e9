"""Live log loss and accuracy of labels by class, of a run whose test predictions are made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.evaluation.long_format import long_format
from fastlstm.forecasting.live_labels import live_labels

CLASSES = ["fog", "rain", "sun"]
TARGETS = [*(f"sky: {name}" for name in CLASSES), "wet"]
TIMES = np.datetime64("2024-01-01") + np.arange(4).astype("timedelta64[D]")


def rows(sky, wet, probability):
    """Truth and forecasts of windows, one step ahead, by hand."""
    truth = np.column_stack([np.eye(3)[[CLASSES.index(name) for name in sky]], wet])
    forecast = np.column_stack([np.asarray(probability, float), np.full(len(sky), 0.8)])
    given = {
        "series": np.array([""] * len(sky)), "after": TIMES[: len(sky)], "time": TIMES[: len(sky)],
        "truth": truth[:, None], "prediction": forecast[:, None],
    }  # fmt: skip
    return long_format(given, 1, TARGETS)


def forecaster(test, block):
    hp = Hyperparameters(
        LSTM_type="classifier", timesteps=2, classes={"sky": CLASSES, "wet": ["False", "True"]}
    )
    run = SimpleNamespace(hyperparameters=hp, data=SimpleNamespace(targets=TARGETS))
    blocks = [test.iloc[start : start + block] for start in range(0, len(test), block)]
    return SimpleNamespace(run=run, id="r", test_predictions=lambda: iter(blocks))


@pytest.mark.parametrize("block", [3, 100])
def test_scores_by_class_beside_those_on_test(block):
    live = rows(
        ["fog", "sun", "sun"], [1, 1, 0], [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.1, 0.3]]
    )
    test = rows(["rain", "sun"], [1, 1], [[0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    forecasts = live.assign(run_id="r")
    actuals = live[["series", "time", "target"]].assign(actual=live["truth"])
    found = live_labels([forecaster(test, block)], forecasts, actuals)
    by_name = {(scores.column, scores.label): scores for scores in found}
    assert [*by_name] == [
        ("sky", None), ("sky", "fog"), ("sky", "sun"), ("wet", None), ("wet", "False"), ("wet", "True"),
    ]  # fmt: skip
    every = by_name["sky", None]
    assert every.forecasts == 3 and every.accuracy == pytest.approx(2 / 3)
    assert every.log_loss == pytest.approx(-np.log([0.5, 0.8, 0.3]).mean())
    assert every.expected_log_loss == pytest.approx(-np.log([0.7, 0.4]).mean())
    assert every.expected_accuracy == 1
    assert by_name["sky", "sun"].log_loss == pytest.approx(-np.log([0.8, 0.3]).mean())
    assert by_name["sky", "sun"].expected_log_loss == pytest.approx(-np.log(0.4))
    assert by_name["sky", "sun"].accuracy == 0.5
    assert by_name["sky", "fog"].expected_log_loss is None  # test has no fog
    assert by_name["wet", "False"].accuracy == 0 and by_name["wet", "True"].accuracy == 1


def test_forecasts_of_other_classes_or_without_actual_values_do_not_count():
    live = rows(["fog", "sun"], [1, 0], [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    actuals = live[["series", "time", "target"]].assign(actual=live["truth"])
    forecasts = live.assign(run_id="r")
    without = actuals[actuals["target"] != "sky: fog"]
    assert live_labels([forecaster(live, 9)], forecasts, without) == []
    late = forecasts.assign(time=forecasts["time"] + pd.Timedelta("9D"))
    assert live_labels([forecaster(live, 9)], late, actuals) == []

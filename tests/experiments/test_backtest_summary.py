"""The summary of a backtest from made-up folds: scaled metrics are means over series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.retrain import RetrainConfig
from fastlstm.evaluation.significance import diebold_mariano
from fastlstm.experiments.backtest_summary import FoldResult, summarise, write_backtest
from fastlstm.experiments.folds import Fold

HOURS, STEPS = 30, 2
SCALES = {"small": 1.0, "huge": 1e6}


@pytest.fixture
def settings() -> RetrainConfig:
    return RetrainConfig.model_validate(
        {
            "data": {
                "path": "memory", "time": "t", "series": "s", "frequency": "1h",
                "features": ["y"], "targets": ["y"],
            },
            "hyperparameters": {"LSTM_type": "regressor", "steps_ahead": STEPS},
        }
    )  # fmt: skip


def fold_of(number: int, metric: str, scales: dict[str, float] | None = SCALES) -> FoldResult:
    """Errors of the size of each series: half a scale by the network on 'huge', twice on 'small'."""
    rng = np.random.default_rng(number)
    parts = []
    for name, size in SCALES.items():
        origin = pd.date_range("2024-01-01", periods=HOURS, freq="1h", tz="UTC")
        part = pd.DataFrame({"origin": np.repeat(origin + pd.Timedelta(days=number), STEPS)})
        part["step"] = np.tile(np.arange(1, STEPS + 1), HOURS)
        noise = rng.normal(0, 0.1, (2, len(part)))
        share = 0.5 if name == "huge" else 2.0
        part = part.assign(
            series=name, target="y", truth=0.0, prediction=size * (share + noise[0]),
            last_value=size * (1 + noise[1]),
        )  # fmt: skip
        parts.append(part if scales is None else part.assign(scale=scales[name]))
    fold = Fold(number, 0, 1, 2, 2, 3)
    scores = {"model": {metric: float(number)}, "last_value": {metric: float(number)}}
    metrics = {
        "primary": {"name": metric, "value": float(number), "better": "lower"},
        "test": scores, "windows": 2 * HOURS,
    }  # fmt: skip
    return FoldResult(fold, metrics, pd.concat(parts, ignore_index=True), number, 1)


@pytest.mark.parametrize("metric", ["mase", "rmsse"])
def test_over_all_folds_every_series_counts_alike(settings, metric):
    found = summarise([fold_of(1, metric), fold_of(2, metric)], settings)
    error = (found.predictions["prediction"] / found.predictions["scale"]).abs()
    by_series = error.groupby(found.predictions["series"])
    if metric == "mase":
        expected = by_series.mean()
    else:
        expected = by_series.apply(lambda e: np.sqrt((e**2).mean()))
    assert found.table["model"].iloc[-1] == pytest.approx(expected.mean())
    assert 1.2 < found.table["model"].iloc[-1] < 1.3
    assert found.table["last_value"].iloc[-1] == pytest.approx(1, abs=0.02)
    assert found.by_series.set_index("series")["model"].to_dict() == pytest.approx(dict(expected))
    assert found.by_step["model"].between(1.2, 1.3).all()
    # Pooled errors would call the network significantly better.
    assert not found.significance["last_value"]["overall"]["better"]
    assert found.significance["last_value"]["overall"]["difference"] < 0


def test_pooled_metrics_are_those_of_the_largest_series(settings):
    found = summarise([fold_of(1, "mae", None), fold_of(2, "mae", None)], settings)
    assert found.table["model"].iloc[-1] == 1.5  # the mean over folds
    assert found.significance["last_value"]["overall"]["better"]


def test_the_test_by_origin_averages_scaled_losses_of_its_series(settings):
    found = summarise([fold_of(1, "rmsse")], settings)
    scaled = {
        name: (found.predictions[name] / found.predictions["scale"]) ** 2
        for name in ("prediction", "last_value")
    }
    gain = (scaled["last_value"] - scaled["prediction"]).groupby(found.predictions["origin"]).mean()
    expected = diebold_mariano(gain.to_numpy(), STEPS)
    overall = found.significance["last_value"]["overall"]
    assert overall["difference"] == pytest.approx(expected.difference)
    assert overall["statistic"] == pytest.approx(expected.statistic)


def test_a_series_without_a_scale_does_not_count(settings, tmp_path):
    scales = {"small": 1.0, "huge": np.nan}
    found = summarise([fold_of(1, "mase", scales), fold_of(2, "mase", scales)], settings)
    assert found.table["model"].iloc[-1] == pytest.approx(2, abs=0.05)
    assert np.isnan(found.by_series.set_index("series")["model"]["huge"])
    assert write_backtest(tmp_path, found)["primary"]["value"] == found.table["model"].iloc[-1]
    none = dict.fromkeys(SCALES, np.nan)
    empty = summarise([fold_of(1, "mase", none)], settings)
    assert write_backtest(tmp_path, empty)["primary"]["value"] is None
    assert empty.significance["last_value"]["overall"]["origins"] == 0


def test_a_baseline_of_one_fold_alone_is_compared_there(settings):
    """Train rows of another fold show no such season."""
    first, second = fold_of(1, "mase"), fold_of(2, "mase")
    second.predictions["last_season_168"] = second.predictions["last_value"]
    second.metrics["test"]["last_season_168"] = {"mase": 2.0}
    for folds in ([first, second], [second, first]):
        found = summarise(folds, settings)
        values = dict(zip(found.table["fold"], found.table["last_season_168"], strict=True))
        assert np.isnan(values["1"]) and values["2"] == 2.0
        assert values["all"] == pytest.approx(1, abs=0.02)
        assert found.significance["last_season_168"]["overall"]["origins"] == HOURS
        assert found.significance["last_value"]["overall"]["origins"] > HOURS
        assert set(found.predictions.columns) == set(second.predictions.columns) | {"fold"}

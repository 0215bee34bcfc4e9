"""The metric of a panel counts every series alike; figures by hand, forecasts made up."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.evaluation.baselines import naive, seasonal_naive
from fastlstm.evaluation.metrics import primary_regression_metric
from fastlstm.evaluation.pointwise import SCALE_COLUMN, loss_of
from fastlstm.evaluation.predictions import SplitForecasts
from fastlstm.evaluation.regression import score_test
from fastlstm.evaluation.target_table import TargetTable, difference_sums
from fastlstm.registry.promotion import decide_promotion
from fastlstm.runs.writing import _on_same_windows
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import target_windows

ROWS, TIMESTEPS, STEPS, SEASON = 40, 2, 2, 4
TRAIN, TEST = 24, 32


class Panel:
    """Hourly series with a season of four rows, and forecasts that are given.

    Args:
        values: rows of each series, ``(rows,)`` or ``(rows, n_targets)``; a shorter one ends earlier.
        metric: ``evaluation.primary_metric``.
    """

    def __init__(self, values: dict[str, np.ndarray], metric: str = "auto") -> None:
        frames = []
        for number, (name, rows) in enumerate(values.items()):
            times = pd.date_range("2024-01-01", periods=len(rows), freq="1h", tz="UTC")
            frames.append(pd.DataFrame({SERIES: name, TIME: times, SEGMENT: number}))
        frame = pd.concat(frames, ignore_index=True)
        targets = np.concatenate([np.reshape(v, (len(v), -1)) for v in values.values()])
        names = [f"y{i}" for i in range(targets.shape[1])]
        self.table = TargetTable.of(frame, pd.DataFrame(targets, columns=names))
        hours = np.unique(self.table.times)
        self.cut = int(hours[TRAIN])
        self.windows = RowWindows(
            frame, np.zeros((len(frame), 1), np.float32), np.zeros(targets.shape, np.float32),
            features=["x"], targets=names, timesteps=TIMESTEPS, steps_ahead=STEPS,
            cuts=Cuts(self.cut, int(hours[TEST])),
        )  # fmt: skip
        self.settings = RetrainConfig.model_validate(
            {
                "data": {
                    "path": "memory", "time": "t", "series": "s", "frequency": "1h",
                    "features": ["x"], "targets": names,
                },
                "hyperparameters": {
                    "LSTM_type": "regressor", "timesteps": TIMESTEPS, "steps_ahead": STEPS,
                },
                "evaluation": {"primary_metric": metric, "season_length": SEASON},
            }
        )  # fmt: skip
        self.rows = self.windows.origin_rows("test")
        self.series = self.table.series(self.rows)
        self.truth = target_windows(self.table.targets, self.rows, STEPS)

    def errors(self, by_series: dict[str, float]) -> np.ndarray:
        """One absolute error for all values of a series, ``(n, steps, n_targets)``."""
        error = np.array([by_series[name] for name in self.series])
        return np.broadcast_to(error[:, None, None], self.truth.shape)

    def scores(self, errors: np.ndarray) -> dict:
        """Metrics of a network that is so far above the truth."""
        given = self.table.targets, self.table.block, self.rows, STEPS
        test = SplitForecasts(
            self.rows, self.series, self.truth, (self.truth + errors)[..., None],
            {"last_value": naive(*given), "last_season": seasonal_naive(*given, SEASON)},
        )  # fmt: skip
        metrics, self.denominators = score_test(test, self.windows, self.table, self.settings)
        assert json.loads(json.dumps(metrics)) == metrics
        return metrics


def wave(size: float = 1.0, seed: int = 0, rows: int = ROWS) -> np.ndarray:
    """A season of four rows plus noise."""
    noise = np.random.default_rng(seed).normal(0, 0.3, rows)
    return size * (np.tile([0.0, 2.0, 3.0, 1.0], rows // 4) + noise)


def scale_by_hand(values: np.ndarray) -> float:
    return float(np.abs(values[SEASON:TRAIN] - values[: TRAIN - SEASON]).mean())


def manifest(metrics: dict) -> dict:
    return {"primary": metrics["primary"], "baselines": _on_same_windows(metrics)}


def test_the_metric_is_the_mean_over_series_of_scaled_errors_by_hand():
    values = {"a": wave(1, 1), "b": wave(1e6, 2), "c": wave(1e-3, 3)}
    panel = Panel(values)
    errors = {"a": 0.5, "b": 4e5, "c": 7e-4}
    found = panel.scores(panel.errors(errors))
    by_hand = {name: errors[name] / scale_by_hand(values[name]) for name in values}
    assert found["primary"]["name"] == "mase" and found["primary"]["better"] == "lower"
    assert found["primary"]["value"] == pytest.approx(np.mean(list(by_hand.values())))
    assert found["test"]["model"]["mase"] == found["primary"]["value"]
    for name, value in by_hand.items():
        assert found["by_series"][name]["model"]["mase"] == pytest.approx(value)
    assert [row["model"]["mase"] for row in found["by_step"]] == pytest.approx(
        [found["primary"]["value"]] * STEPS
    )
    over = found["over_series"]
    assert over["series"] == 3 and over["median"] == pytest.approx(
        np.median(list(by_hand.values()))
    )
    assert over["worst_tenth"] == pytest.approx(np.quantile(list(by_hand.values()), 0.9))
    assert found["undefined_series"] == {"count": 0, "names": {}}


def test_rmsse_by_hand():
    values = {"a": wave(1, 1), "b": wave(1e6, 2)}
    panel = Panel(values, "rmsse")
    rng = np.random.default_rng(0)
    errors = (
        rng.normal(0, 1, panel.truth.shape) * np.where(panel.series == "a", 1, 1e6)[:, None, None]
    )
    found = panel.scores(errors)
    by_hand = []
    for name, rows in values.items():
        squared = ((rows[SEASON:TRAIN] - rows[: TRAIN - SEASON]) ** 2).mean()
        by_hand.append(np.sqrt((errors[panel.series == name] ** 2).mean() / squared))
    assert found["primary"]["name"] == "rmsse"
    assert found["primary"]["value"] == pytest.approx(np.mean(by_hand))
    assert panel.denominators[0, 0] == pytest.approx(
        np.sqrt(((values["a"][SEASON:TRAIN] - values["a"][: TRAIN - SEASON]) ** 2).mean())
    )


def test_a_hundred_huge_series_leave_the_small_ones_their_share():
    values = {f"small {i}": wave(1, i) for i in range(10)}
    values |= {f"huge {i}": wave(1e6, 100 + i) for i in range(100)}
    panel = Panel(values)
    good = {name: 0.1 * scale_by_hand(rows) for name, rows in values.items()}
    bad = {name: error * (20 if name.startswith("small") else 1) for name, error in good.items()}
    before, after = (panel.scores(panel.errors(errors)) for errors in (good, bad))
    assert before["primary"]["value"] == pytest.approx(0.1)
    assert after["primary"]["value"] == pytest.approx((100 * 0.1 + 10 * 2.0) / 110)
    assert after["test"]["model"]["mae"] == pytest.approx(before["test"]["model"]["mae"], rel=1e-4)


def test_better_pooled_but_worse_than_the_seasonal_naive_by_series_is_not_promoted():
    values = {"huge": wave(1e6, 0), **{f"small {i}": wave(1, i) for i in range(1, 10)}}
    panel = Panel(values)
    errors = {name: 3.0 * scale_by_hand(rows) for name, rows in values.items()}
    found = panel.scores(panel.errors({**errors, "huge": 0.0}))
    test = found["test"]
    for baseline in ("last_value", "last_season"):
        assert test["model"]["mae"] < test[baseline]["mae"]
    assert test["model"]["mase"] > test["last_season"]["mase"]
    best_of_all = {"comparable": True, "challenger": 0.1, "champion": 9.0, "by_series": {},
                   "trained_on_test": False}  # fmt: skip
    for comparison in (None, best_of_all):
        decision = decide_promotion(manifest(found), comparison)
        assert not decision.promote
        assert decision.reason == (
            f"challenger's MASE {test['model']['mase']:.4g} does not beat the seasonal naive "
            f"forecast, {test['last_season']['mase']:.4g}"
        )
    # Pooled, it would have been.
    pooled = Panel(values, "mae")
    found = pooled.scores(pooled.errors({**errors, "huge": 0.0}))
    assert found["primary"]["name"] == "mae" and pooled.denominators is None
    assert decide_promotion(manifest(found), None).promote


def test_a_run_must_beat_the_naive_forecast_as_well_as_the_seasonal_one():
    rising = {name: np.arange(ROWS) * 1.0 + wave(0.01, i) for i, name in enumerate("ab")}
    panel = Panel(rising)
    found = panel.scores(panel.errors({"a": 2.5, "b": 2.5}))
    test = found["test"]
    assert test["last_value"]["mase"] < test["model"]["mase"] < test["last_season"]["mase"]
    decision = decide_promotion(manifest(found), None)
    assert not decision.promote and "beat the naive (last value) forecast" in decision.reason


def test_one_series_that_is_constant_in_train_is_left_out_and_named():
    values = {"a": wave(1, 1), "b": wave(1, 2)}
    constant = np.full(ROWS, 0.1)
    constant[TEST:] = 5.0
    # Sums of tenths differ from one another by rounding alone.
    rounded = np.cumsum(np.full(ROWS, 0.1)) - np.arange(1, ROWS + 1) * 0.1 + 7.0
    odd = {"flat": constant, "rounded": rounded, "short": wave(1, 3, TRAIN)}
    errors = {**dict.fromkeys("ab", 0.5), **dict.fromkeys(odd, 100.0)}
    without, with_odd = Panel(values), Panel({**values, **odd})
    expected = without.scores(without.errors(errors))
    found = with_odd.scores(with_odd.errors(errors))
    assert found["primary"] == expected["primary"]
    assert found["undefined_series"] == {
        "count": 3,
        "names": {"no test window": ["short"], "constant in train": ["flat", "rounded"]},
    }
    assert found["over_series"]["series"] == 2
    assert found["by_series"]["flat"]["model"]["mase"] is None
    assert found["by_series"]["flat"]["model"]["mae"] == 100
    assert np.isnan(with_odd.denominators[with_odd.series == "flat"]).all()


def test_series_that_all_are_constant_leave_the_metric_undefined():
    panel = Panel({"a": np.ones(ROWS), "b": np.ones(ROWS)})
    found = panel.scores(panel.errors({"a": 1.0, "b": 1.0}))
    assert found["primary"]["value"] is None and found["over_series"]["median"] is None
    decision = decide_promotion(manifest(found), None)
    assert not decision.promote
    assert "no series has train rows that change from season to season" in decision.reason


def test_a_baseline_is_compared_on_the_windows_and_series_it_has():
    values = {"a": wave(1, 1), "b": wave(1, 2)}
    panel = Panel(values)
    test = SplitForecasts(
        panel.rows, panel.series, panel.truth,
        (panel.truth + panel.errors({"a": 1.0, "b": 9.0}))[..., None],
        {"last_season": np.where((panel.series == "a")[:, None, None], panel.truth + 2.0, np.nan)},
    )  # fmt: skip
    found, _ = score_test(test, panel.windows, panel.table, panel.settings)
    scale = scale_by_hand(values["a"])
    baselines = _on_same_windows(found)
    assert baselines["last_season"]["baseline"] == pytest.approx(2.0 / scale)
    assert baselines["last_season"]["model"] == pytest.approx(1.0 / scale)
    assert found["over_series"]["better_than"]["last_season"] == {"series": 1, "share": 1.0}
    assert decide_promotion({"primary": found["primary"], "baselines": baselines}, None).promote


def test_a_baseline_that_is_defined_nowhere_decides_nothing():
    panel = Panel({"a": wave(1, 1), "b": wave(1, 2)})
    nowhere = np.full(panel.truth.shape, np.nan)
    forecast = (panel.truth + panel.errors({"a": 0.1, "b": 0.1}))[..., None]
    test = SplitForecasts(panel.rows, panel.series, panel.truth, forecast, {"last_season": nowhere})
    found, _ = score_test(test, panel.windows, panel.table, panel.settings)
    assert found["test"]["last_season"]["windows"] == 0
    assert found["over_series"]["better_than"]["last_season"] == {"series": 0, "share": None}
    assert set(found["by_series"]["a"]["last_season"].values()) == {None}
    assert decide_promotion(manifest(found), None).promote


def test_the_order_of_the_series_changes_nothing():
    rng = np.random.default_rng(0)
    values = {f"s{i}": wave(10.0 ** rng.integers(-3, 6), i) for i in range(30)}
    errors = {name: scale_by_hand(rows) * rng.uniform(0.1, 3) for name, rows in values.items()}
    scores = []
    for order in (list(values), list(values)[::-1], rng.permutation(list(values)).tolist()):
        panel = Panel({name: values[name] for name in order})
        scores.append(panel.scores(panel.errors(errors)))
    for other in scores[1:]:
        assert other["primary"] == scores[0]["primary"]
        assert other["by_series"] == scores[0]["by_series"]
        assert other["over_series"] == scores[0]["over_series"]


@pytest.mark.parametrize("metric", ["auto", "mase", "rmsse"])
def test_a_panel_of_one_has_the_metrics_of_a_table_without_series(metric):
    rows = wave(5, 1)
    found = []
    for name in ("", "the only one"):  # a table without a series column has one series without name
        panel = Panel({name: rows}, metric)
        scores = panel.scores(panel.errors({name: 0.5}))
        scores["by_series"] = list(scores["by_series"].values())
        found.append(scores)
    assert found[0] == found[1]
    assert found[0]["primary"]["name"] == ("mae" if metric == "auto" else metric)


def test_one_series_times_a_million_changes_only_its_own_absolute_errors():
    values = {"a": wave(1, 1), "b": wave(1, 2)}
    found = []
    for size in (1, 2**20):
        panel = Panel({"a": values["a"], "b": values["b"] * size})
        found.append(panel.scores(panel.errors({"a": 0.5, "b": 0.7 * size})))
    assert found[0]["primary"] == found[1]["primary"]
    assert found[0]["by_series"]["a"] == found[1]["by_series"]["a"]


def test_scales_see_train_rows_alone():
    values = wave(1, 1)
    later = values.copy()
    later[TRAIN:] *= 1000
    one, two = (Panel({"a": rows, "b": wave(1, 2)}) for rows in (values, later))
    sums = [difference_sums(p.table, p.cut, SEASON, 0) for p in (one, two)]
    np.testing.assert_array_equal(sums[0].scales.absolute, sums[1].scales.absolute)
    np.testing.assert_array_equal(sums[0].scales.squared, sums[1].scales.squared)
    # A target that looks ahead is known only where the rows it depends on are train rows too.
    ahead = difference_sums(one.table, one.cut, SEASON, 3)
    assert ahead.count.tolist() == [TRAIN - SEASON - 3] * 2


def test_sums_of_parts_of_a_table_add_up():
    values = {name: wave(1, i) for i, name in enumerate("abcd")}
    whole = difference_sums(Panel(values).table, Panel(values).cut, SEASON, 0)
    parts = [Panel({name: values[name] for name in names}) for names in ("ab", "cd")]
    found = [difference_sums(part.table, part.cut, SEASON, 0) for part in parts]
    for name in ("absolute", "squared", "values", "count"):
        joined = np.concatenate([getattr(sums, name) for sums in found])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_differences_stay_within_contiguous_blocks():
    times = pd.date_range("2024-01-01", periods=6, freq="1h", tz="UTC")
    values = pd.DataFrame({"y": [1.0, 2, 4, 7, 100, 200]})

    def scale(block: list[int], season: int) -> float:
        frame = pd.DataFrame({SERIES: "a", TIME: times, SEGMENT: block})
        table = TargetTable.of(frame, values)
        return difference_sums(table, int(table.times[4]), season, 0).scales.absolute[0, 0]

    assert scale([0] * 6, 1) == pytest.approx((1 + 2 + 3) / 3)
    assert scale([0, 0, 1, 1, 1, 1], 1) == pytest.approx(2.0)
    assert np.isnan(scale([0] * 6, 6))


@pytest.mark.parametrize("metric", ["mae", "rmse", "mase", "rmsse"])
def test_pointwise_losses_give_the_metric(metric):
    panel = Panel({"a": wave(1, 1), "b": wave(100, 2), "c": np.ones(ROWS)}, metric)
    errors = np.random.default_rng(0).normal(0, 1, panel.truth.shape)
    found = panel.scores(errors)
    rows = {"series": np.repeat(panel.series, STEPS), "truth": panel.truth.ravel()}
    frame = pd.DataFrame(rows).assign(prediction=(panel.truth + errors).ravel())
    if panel.denominators is not None:
        frame[SCALE_COLUMN] = np.repeat(panel.denominators, STEPS)
    loss = loss_of(metric, frame.columns)
    losses = loss.of(frame["prediction"], frame["truth"], frame.get(SCALE_COLUMN))
    assert loss.metric == metric
    assert loss.over_all(losses, frame["series"]) == pytest.approx(found["primary"]["value"])
    if loss.scaled:
        with pytest.raises(ValueError, match="scales of the errors are not given"):
            loss.of(frame["prediction"], frame["truth"])
        # Predictions of earlier versions have no scales.
        assert loss_of(metric, ["truth"]).metric == "mae"


def test_the_setting_or_the_table_chooses_the_metric():
    choices = {("auto", 1, 1): "mae", ("auto", 2, 1): "mase", ("auto", 1, 2): "mase",
               ("rmsse", 1, 1): "rmsse", ("mae", 3, 7): "mae"}  # fmt: skip
    for given, expected in choices.items():
        assert primary_regression_metric(*given) == expected
    assert loss_of("average_precision", []).metric == "brier"

"""Folds follow each other without overlap, and learn from no row of their test period."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.artifacts.file_names import BACKTEST_FIGURE_FILE, BACKTEST_TABLE_FILE
from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import ConfigError, DataError
from fastlstm.evaluation.predictions import season_length
from fastlstm.evaluation.significance import diebold_mariano
from fastlstm.experiments import backtest
from fastlstm.experiments.backtest import Rows, evaluate_folds, run_backtest
from fastlstm.experiments.backtest_summary import write_backtest
from fastlstm.experiments.folds import groups, plan_folds

pytestmark = pytest.mark.usefixtures("untraced")


def settings(**backtest):
    return RetrainConfig.model_validate(
        {
            "data": {
                "path": "memory", "time": "when", "series": "site", "frequency": "1h",
                "features": ["load", "heat"], "targets": ["load"],
            },
            "hyperparameters": {
                "LSTM_type": "regressor", "timesteps": 6, "steps_ahead": 3, "epochs": 2,
                "scale_targets": True, "learning_rate": 0.01, "batch_size": 128,
                "architecture": "classic",
            },
            "evaluation": {"season_length": 24},
            "backtest": {"folds": 3, "test_size_rate": 0.45, **backtest},
        }
    )  # fmt: skip


@pytest.fixture
def rows(panel):
    panel = panel.sort_values(["site", "when"]).reset_index(drop=True)
    frame = pd.DataFrame(
        {SERIES: panel["site"], TIME: panel["when"], SEGMENT: pd.factorize(panel["site"])[0]}
    )
    return Rows(frame, panel[["load", "heat"]], panel[["load"]])


@pytest.mark.parametrize("window", ["expanding", "sliding"])
@pytest.mark.parametrize("gap", [0, 7])
def test_folds_follow_each_other(window, gap):
    config = BacktestConfig(folds=4, test_size_rate=0.4, window=window, gap=gap)
    folds = plan_folds(np.arange(200), Hyperparameters(), config)
    assert [f.number for f in folds] == [1, 2, 3, 4]
    assert (folds[0].test, folds[-1].end) == (120, 200)
    for one, two in pairwise(folds):
        assert one.end == two.test
    for fold in folds:
        assert fold.start < fold.validation < fold.known == fold.test - gap
        learned = fold.known - fold.start
        assert fold.validation - fold.start == int(learned * 0.7 / 0.85)
        assert fold.start == 0 if window == "expanding" else learned == 120 - gap


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match=r"backtest.folds: 10 distinct times .* lower folds or gap"):
        plan_folds(np.arange(10), Hyperparameters(), BacktestConfig(folds=20))
    with pytest.raises(DataError, match="gap 200"):
        plan_folds(np.arange(200), Hyperparameters(), BacktestConfig(gap=200))


def test_groups_share_a_training():
    assert groups([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize("gap", [0, pytest.param(10, marks=pytest.mark.soak)])
def test_every_origin_of_the_test_periods_is_scored_once(rows, gap):
    config = settings(gap=gap)
    found = run_backtest(rows, config)
    folds = plan_folds(microseconds(rows.frame[TIME]), config.hyperparameters, config.backtest)
    heads = found.predictions.query("step == 1")
    assert not heads.duplicated(["series", "origin"]).any()
    for fold in folds:
        origins = microseconds(heads.loc[heads["fold"] == fold.number, "origin"])
        assert origins.min() == fold.test
        assert origins.max() < fold.end
    windows = [2 * (-(-(fold.end - fold.test) // 3_600_000_000) - 2) for fold in folds]
    assert heads.groupby("fold").size().tolist() == windows
    assert found.table["windows"].tolist() == [*windows, sum(windows)]


@pytest.mark.soak
def test_scores_are_those_of_the_predictions(rows):
    """Means over series of errors, each scaled by its seasonal naive error on the fold's train rows."""
    found = run_backtest(rows, settings())
    told, fold = found.predictions, plan_folds(
        microseconds(rows.frame[TIME]), settings().hyperparameters, settings().backtest
    )[0]  # fmt: skip
    train = microseconds(rows.frame[TIME]) < fold.validation
    scale = (
        rows.y["load"][train].groupby(rows.frame[SERIES]).apply(lambda v: v.diff(24).abs().mean())
    )
    of_fold = told[told["fold"] == 1]
    np.testing.assert_allclose(of_fold["scale"], of_fold["series"].map(scale).astype(float))
    assert found.primary == "mase"
    errors = (told["prediction"] - told["truth"]).abs() / told["scale"]
    by_fold = errors.groupby([told["fold"], told["series"]]).mean().groupby("fold").mean()
    np.testing.assert_allclose(found.table["model"][:-1].astype(float), by_fold)
    by_series = errors.groupby(told["series"]).mean()
    assert found.table["model"].iloc[-1] == pytest.approx(by_series.mean())
    by_step = errors.groupby([told["step"], told["series"]]).mean().groupby("step").mean()
    np.testing.assert_allclose(found.by_step["model"], by_step)
    assert found.by_series["series"].tolist() == ["a", "b"]
    np.testing.assert_allclose(found.by_series["model"], by_series)
    base = (told["last_season"] - told["truth"]).abs() / told["scale"]
    known = base.notna()
    gain = (base - errors)[known].groupby(told["origin"]).mean()
    expected = diebold_mariano(gain.to_numpy(), 3)
    overall = found.significance["last_season"]["overall"]
    assert overall["statistic"] == pytest.approx(expected.statistic)
    assert overall["difference"] == pytest.approx(expected.difference)
    assert [row["step"] for row in found.significance["last_value"]["by_step"]] == [1, 2, 3]


@pytest.mark.soak
@pytest.mark.parametrize("gap", [0, 12])
def test_a_fold_learns_from_no_row_after_its_validation_rows(rows, gap):
    """Garbage after the validation rows of a fold changes no weight and no scaler."""
    config = settings(gap=gap)
    times = microseconds(rows.frame[TIME])
    fold = plan_folds(times, config.hyperparameters, config.backtest)[1]
    spoiled = times >= fold.known
    noise = 1e4 * np.random.default_rng(0).normal(size=(int(spoiled.sum()), 2))
    x, y = rows.x.copy(), rows.y.copy()
    x.loc[spoiled] = noise
    y.loc[spoiled] = noise[:, :1]
    tables = rows, Rows(rows.frame, x, y)
    trained = [evaluate_folds(table, [fold], config)[1] for table in tables]
    for one, two in zip(*(t.network.get_weights() for t in trained), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(*((t.scalers.x.mean_, t.scalers.y.mean_) for t in trained), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.soak
def test_folds_between_trainings_use_the_last_network(rows):
    found = run_backtest(rows, settings(refit_every=2))
    assert found.table["trained_at_fold"].tolist()[:3] == [1, 1, 3]
    first = run_backtest(rows, settings())
    assert found.table["model"][0] == first.table["model"][0]
    assert found.table["model"][1] != first.table["model"][1]


@pytest.mark.soak
def test_a_warm_start_begins_from_the_weights_before(rows):
    cold = run_backtest(rows, settings())
    warm = run_backtest(rows, settings(warm_start=True))
    assert warm.table["model"][0] == cold.table["model"][0]
    assert warm.table["model"][2] < cold.table["model"][2]  # three times as many epochs


@pytest.mark.soak
def test_folds_are_refitted_and_begin_from_a_network_that_has_not_learned_their_validation(rows):
    plain = settings(folds=2)
    again = plain.hyperparameters.model_copy(update={"refit": True})
    first, _ = plan_folds(microseconds(rows.frame[TIME]), plain.hyperparameters, plain.backtest)
    (one,), (handed_on, _) = evaluate_folds(rows, [first], plain)
    (two,), (refit_handed_on, _) = evaluate_folds(
        rows, [first], plain.model_copy(update={"hyperparameters": again})
    )
    assert one.metrics["test"]["model"] != two.metrics["test"]["model"]
    pairs = zip(handed_on.get_weights(), refit_handed_on.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.soak
def test_figure_and_table_are_written(tmp_path, rows):
    from matplotlib.image import imread

    found = run_backtest(rows, settings())
    about = write_backtest(tmp_path, found)
    assert about["folds"] == 3 and set(about["significance"]) == {
        "last_value",
        "last_season",
        "drift",
    }
    table = pd.read_csv(tmp_path / BACKTEST_TABLE_FILE)
    np.testing.assert_allclose(table["model"], found.table["model"].astype(float))
    picture = imread(tmp_path / BACKTEST_FIGURE_FILE)
    assert picture.std() > 0.01 and min(picture.shape[:2]) > 600
    json.loads((tmp_path / "backtest.json").read_text())


@pytest.mark.soak
def test_the_class_backtests_without_touching_its_network(panel):
    made = fastLSTM(
        panel[["load", "heat"]], panel["load"], series=panel["site"], time=panel["when"],
        frequency="1h", LSTM_type="regressor", timesteps=6, steps_ahead=3, epochs=2,
        architecture="classic", scale_targets=True,
    )  # fmt: skip
    found = made.backtest(folds=2, window="sliding")
    assert made.model is None and made.run_folder is None
    assert found.table["fold"].tolist() == ["1", "2", "all"]
    assert found.plot().get_axes()
    with pytest.raises(ConfigError, match="folds"):
        made.backtest(folds=0)
    with pytest.raises(ConfigError, match="none given"):
        fastLSTM().backtest()


@pytest.mark.soak
def test_labels_are_backtested_too(panel):
    wet = (panel["rain"] > 0).astype(int)
    made = fastLSTM(
        panel[["load", "rain"]], wet, series=panel["site"], time=panel["when"], timesteps=4,
        frequency="1h", epochs=1,
    )  # fmt: skip
    found = made.backtest(folds=2)
    assert (found.primary, found.better) == ("log_loss", "lower")
    assert set(found.significance) == {"prior", "last_class"}


def test_each_fold_finds_the_season_of_its_own_train_rows():
    """The rows have no season at first, then a day."""
    config = settings(window="sliding")
    config = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"season_length": None})}
    )
    times = pd.Series(pd.date_range("2024-01-01", periods=1200, freq="1h", tz="UTC"))
    load = np.random.default_rng(0).normal(0, 1, 1200)
    load[600:] += 2 * np.sin(2 * np.pi * np.arange(600) / 24)
    frame = pd.DataFrame({SERIES: "a", TIME: times, SEGMENT: 0})
    values = pd.DataFrame({"load": load, "heat": load})
    rows = Rows(frame, values, values[["load"]])

    def found(of_rows):
        folds = plan_folds(microseconds(times), config.hyperparameters, config.backtest)
        return [
            backtest._windows(
                of_rows, fold, backtest._scalers(of_rows, fold, config), config
            ).manifest
            for fold in folds
        ]

    manifests = found(rows)
    assert [manifest["season"] for manifest in manifests] == [None, 24, 24]
    assert [season_length(config, manifest) for manifest in manifests] == [None, 24, 24]
    # Rows from the first fold's validation on do not change what it finds.
    changed = rows.y.copy()
    changed.loc[microseconds(times) >= manifests[0]["cuts"]["validation"], "load"] = 0.0
    seasons = [key for key in manifests[0] if key.startswith(("season", "assumed"))]
    later = found(Rows(frame, values, changed))[0]
    assert {key: later[key] for key in seasons} == {key: manifests[0][key] for key in seasons}

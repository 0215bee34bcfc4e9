"""Metrics and baselines against hand-made numbers and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from fastlstm.evaluation.baselines import (
    CLASSIFICATION_BASELINES,
    REGRESSION_BASELINES,
    drift,
    naive,
    seasonal_naive,
)
from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    ErrorScales,
    QuantityForecasts,
    QuantityMetric,
    classification_scores,
    mean_classification_scores,
    regression_scores,
    scores_by_series,
)
from fastlstm.evaluation.output_report import choose_threshold, output_report
from fastlstm.evaluation.regression_report import regression_report
from fastlstm.reporting.text import NAMES, TITLES, score_table


def test_drift_by_hand():
    values = np.array([0.0, 5.0, 1.0, 2.0, 4.0, 9.0])[:, None]
    block, at = np.zeros(6, int), np.array([5])
    # Rows 1 to 4 of the look-back change by (4 - 5) / 3 a row.
    np.testing.assert_allclose(drift(values, block, at, 3, 4)[0, :, 0], 4 - np.arange(1, 4) / 3)
    # With a label horizon of 1, row 3 is the last known one, two rows before the first step.
    np.testing.assert_allclose(drift(values, block, at, 2, 4, 1)[0, :, 0], [2 - 3, 2 - 4.5])
    assert np.isnan(drift(values, np.array([0, 0, 1, 1, 1, 1]), at, 1, 4)).all()


def test_naive_and_seasonal_naive_by_hand():
    values = np.arange(10.0)[:, None]
    segment = np.array([0] * 3 + [1] * 7)
    origins = np.array([5, 8])
    np.testing.assert_array_equal(naive(values, segment, origins, 2)[:, :, 0], [[4, 4], [7, 7]])
    np.testing.assert_array_equal(
        seasonal_naive(values, segment, origins, 3, 2)[:, :, 0], [[3, 4, 3], [6, 7, 6]]
    )
    # Row 5 - 3 = 2 lies in the block before it, so that no season is known.
    assert np.isnan(seasonal_naive(values, segment, np.array([5]), 1, 3)).all()
    # A label that looks 2 rows ahead is known of row t - 3 at best.
    assert naive(values, segment, np.array([8]), 1, 2)[0, 0, 0] == 5
    assert seasonal_naive(values, segment, np.array([9]), 1, 3, 2)[0, 0, 0] == 6


def one_series(truth, forecast, absolute=1.0, squared=1.0):
    """Windows of one series; scales are one for all targets or one for each."""
    shape = len(truth), truth.shape[2]
    scales = ErrorScales(*(np.broadcast_to(v, shape).astype(float) for v in (absolute, squared)))
    return QuantityForecasts(truth, forecast, scales, Groups.one(len(truth)))


def test_errors_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, forecast = rng.normal(5, 1, (40, 3, 2)), rng.normal(5, 1, (40, 3, 2))
    found = regression_scores(one_series(truth, forecast, [2.0, 4.0], [9.0, 25.0]))
    flat, guess = truth.reshape(-1, 2), forecast.reshape(-1, 2)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(flat, guess))
    assert found["rmse"] == pytest.approx(np.sqrt(sk.mean_squared_error(flat, guess)))
    assert found["mape"] == pytest.approx(sk.mean_absolute_percentage_error(flat, guess))
    assert found["r2"] == pytest.approx(sk.r2_score(flat, guess))
    assert found["mase"] == pytest.approx(np.mean(np.abs(flat - guess) / [2.0, 4.0]))
    assert found["rmsse"] == pytest.approx(np.sqrt(np.mean((flat - guess) ** 2 / [9.0, 25.0])))


def test_metrics_of_all_series_at_once_are_those_of_each():
    rng = np.random.default_rng(1)
    truth, forecast = rng.normal(5, 1, (60, 3, 2)), rng.normal(5, 1, (60, 3, 2))
    code = rng.integers(0, 4, 60)
    truth[code == 3] = 2.0  # its coefficient of determination is undefined
    scales = ErrorScales(*(rng.uniform(1, 2, (4, 2))[code] for _ in range(2)))
    scored = QuantityForecasts(truth, forecast, scales, Groups(code, 5))
    found = scores_by_series(scored)
    for number in range(4):
        rows = np.flatnonzero(code == number)
        alone = regression_scores(
            QuantityForecasts(truth[rows], forecast[rows], scales.some(rows), Groups.one(len(rows)))
        )
        assert {name: values[number] for name, values in found.items() if name != "r2"} == (
            pytest.approx({name: value for name, value in alone.items() if name != "r2"})
        )
        assert alone["r2"] == (None if number == 3 else pytest.approx(found["r2"][number]))
    assert all(np.isnan(values[4]) for values in found.values())  # a series without windows
    pooled = regression_scores(scored)
    assert pooled["mae"] == pytest.approx(np.abs(forecast - truth).mean())
    assert pooled["mase"] == pytest.approx(found["mase"][:4].mean())


def test_undefined_errors_are_none():
    truth = np.zeros((4, 1, 1))
    found = regression_scores(QuantityForecasts.unscaled(truth, truth + 1))
    assert found["mae"] == 1
    assert found["mape"] is found["r2"] is found["mase"] is found["rmsse"] is None
    empty = regression_scores(QuantityForecasts.unscaled(truth[:0], truth[:0]))
    assert set(empty.values()) == {None}


def test_targets_without_a_scale_are_left_out_of_their_series():
    truth = np.zeros((3, 2, 2))
    forecast = np.broadcast_to([1.0, 50.0], truth.shape)
    found = regression_scores(one_series(truth, forecast, [2.0, np.nan], [4.0, np.nan]))
    assert found["mase"] == found["rmsse"] == 0.5


def test_report_compares_on_the_windows_a_baseline_has():
    truth = np.arange(8.0).reshape(4, 2, 1)
    partial = truth + 3
    partial[0] = np.nan
    model = truth.copy()
    model[0] += 10
    scales = ErrorScales(np.ones((4, 1)), np.ones((4, 1)))
    report = regression_report(
        truth,
        {"model": model, "last_value": partial},
        scales,
        np.array(list("aabb")),
        ["y"],
        "mase",
    )
    assert report["overall"]["model"]["mae"] == 2.5
    assert report["overall"]["last_value"]["windows"] == 3
    assert report["overall"]["last_value"]["model_on_same_windows"]["mae"] == 0
    assert report["by_series"]["b"]["model"]["mae"] == 0
    assert [row["step"] for row in report["by_step"]] == [1, 2]
    # On the windows of 'a' that the baseline has, the network makes no error.
    assert report["overall"]["model"]["mase"] == 2.5
    assert report["over_series"]["better_than"] == {"last_value": {"series": 2, "share": 1.0}}


def test_threshold_is_the_best_of_all():
    rng = np.random.default_rng(0)
    truth = (rng.random(200) < 0.2).astype(float)
    probability = np.clip(truth * 0.3 + rng.random(200) * 0.7, 0, 1).round(2)
    for metric, score in (("f1", sk.f1_score), ("balanced_accuracy", sk.balanced_accuracy_score)):
        chosen = choose_threshold(truth, probability, metric)
        best = max(score(truth, probability >= t) for t in np.unique(probability))
        assert score(truth, probability >= chosen) == pytest.approx(best)


@pytest.mark.parametrize("truth", [np.zeros(5), np.ones(5)])
def test_no_threshold_from_one_class(truth):
    assert choose_threshold(truth, np.linspace(0, 1, 5), "f1") is None


def test_classification_scores():
    truth = np.array([0.0, 0, 1, 1, 0])
    probability = np.array([0.1, 0.6, 0.7, 0.4, 0.2])
    report = output_report(truth, probability, 0.5)
    assert report["confusion_matrix"] == [[2, 1], [1, 1]]
    assert report["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, probability))
    assert report["average_precision"] == pytest.approx(
        sk.average_precision_score(truth, probability)
    )
    assert report["brier"] == pytest.approx(sk.brier_score_loss(truth, probability))
    assert report["report"]["1"]["recall"] == 0.5
    one_class = classification_scores(np.zeros(3), np.zeros(3))
    assert one_class["roc_auc"] is one_class["average_precision"] is None
    both = mean_classification_scores(
        np.column_stack([truth, np.zeros(5)]), np.column_stack([probability] * 2)
    )
    assert both["roc_auc"] == report["roc_auc"]
    assert both["average_precision"] == report["average_precision"]
    empty = ((probability) ** 2).mean()
    assert both["brier"] == pytest.approx((report["brier"] + empty) / 2)
    none = mean_classification_scores(np.zeros((5, 1)), probability[:, None])
    assert none["roc_auc"] is none["average_precision"] is None and none["brier"] is not None


def test_a_constant_target_does_not_void_r2():
    truth = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])[:, None, :]
    forecast = truth + np.array([[0.5, 1.0], [0.0, 0.0], [-1.0, 0.0]])[:, None, :]
    found = regression_scores(one_series(truth, forecast))
    assert found["r2"] == pytest.approx(sk.r2_score(truth[:, 0, 0], forecast[:, 0, 0]))
    assert regression_scores(one_series(truth[..., 1:], forecast[..., 1:]))["r2"] is None


@pytest.mark.parametrize(
    ("metrics", "baselines"),
    [
        (REGRESSION_METRICS, REGRESSION_BASELINES),
        (CLASSIFICATION_METRICS, CLASSIFICATION_BASELINES),
    ],
    ids=["regression", "classification"],
)
def test_every_metric_and_baseline_has_a_name_for_people(metrics, baselines):
    assert set(metrics) <= set(TITLES)
    assert set(baselines) <= set(NAMES)


def test_a_new_metric_is_an_entry_and_a_title(monkeypatch):
    def largest_error(scored):
        largest = np.zeros(scored.groups.count)
        np.maximum.at(largest, scored.groups.code, scored.absolute_error.max(axis=(1, 2)))
        return largest

    monkeypatch.setitem(REGRESSION_METRICS, "largest", QuantityMetric(largest_error, "lower"))
    monkeypatch.setitem(TITLES, "largest", "largest error")
    truth = np.arange(6.0).reshape(3, 2, 1) + 1
    forecast = truth.copy()
    forecast[1, 0] += 4
    scales = ErrorScales(np.ones((3, 1)), np.ones((3, 1)))
    report = regression_report(
        truth, {"model": forecast}, scales, np.array(list("aab")), ["y"], "mae"
    )
    assert report["overall"]["model"]["largest"] == 4
    assert report["by_series"]["b"]["model"]["largest"] == 0
    header, rows = score_table(report["overall"])
    assert rows[0][header.index("largest error")] == "4"

"""Figures in the field's words, drawn from stored facts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.reporting.classification_figures import (
    confusion_matrix,
    forecast_over_time,
    precision_recall,
    reliability_diagram,
)
from fastlstm.reporting.experiment_figures import backtest_figure, search_figure
from fastlstm.reporting.figure_style import COLOURS, figure_of, name_text, new_axes, save_axes
from fastlstm.reporting.importance_figure import importance_figure
from fastlstm.reporting.regression_figures import (
    coverage_by_step,
    error_by_step,
    forecast_against_truth,
)
from fastlstm.reporting.training_figures import learning_curve, logged_unit


def words(figure: Figure) -> list[str]:
    """Titles, labels and legends of a figure."""
    found = []
    for ax in figure.axes:
        found += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        found += ax.get_legend_handles_labels()[1]
    return [text for text in found if text]


def test_error_by_step_names_the_baselines():
    by_step = [
        {"step": step, "model": {"mae": 0.1 * step}, "last_value": {"mae": 0.2 * step},
         "last_season": {"mae": None if step == 2 else 0.5}}
        for step in (1, 2, 3)
    ]  # fmt: skip
    ax = error_by_step(by_step, "MW")
    assert ax.get_legend_handles_labels()[1] == ["network", "naive (last value)", "seasonal naive"]
    assert ax.get_ylabel() == "mean absolute error (MW)"
    assert ax.get_ylim() == pytest.approx((0, 1.05 * 0.6))


def test_an_error_of_zero_is_drawn():
    ax = error_by_step([{"step": 1, "model": {"mae": 0.0}, "last_value": {"mae": None}}])
    assert ax.get_ylim()[0] == 0 < ax.get_ylim()[1]


def test_the_backtest_shows_folds_and_steps():
    folds = [
        {"fold": str(i), "test_from": f"2024-01-{i:02d}", "model": 1.0, "last_value": 2.0}
        for i in range(1, 15)
    ]  # fmt: skip
    steps = [
        {"target": target, "step": step, "model": 1.0 * scale, "last_value": 2.0 * scale}
        for target, scale in (("a", 1.0), ("b", 100.0)) for step in (1, 2)
    ]  # fmt: skip
    summary = {
        "folds": [*folds, {"fold": "all", "model": 1.0}], "primary": "mae", "better": "lower",
        "by_step": steps,
    }  # fmt: skip
    figure = backtest_figure(summary)
    assert "MAE by fold (lower is better)" in words(figure)
    assert "error relative to naive (last value)" in words(figure)
    assert len(figure.axes[0].get_xticks()) == 7
    network = figure.axes[1].get_lines()[0].get_ydata()
    np.testing.assert_allclose(network, [0.5, 0.5])  # each target relative to its own baseline


def test_the_search_marks_trials_without_a_score():
    summary = {
        "trials": [{"value": v} for v in (3.0, None, 2.0)], "better": "lower", "metric": "val_loss",
        "importance": {"learning_rate": 0.7, "batch_size": 0.3},
    }  # fmt: skip
    figure = search_figure(summary)
    assert {"pruned or failed", "best so far", "Hyperparameter importance"} <= set(words(figure))
    assert len(search_figure({**summary, "importance": {}}).axes) == 1


def test_importance_by_lag():
    lines = [
        {"feature": f, "from": a, "to": b, "permutation": 0.1, "integrated_gradients": 0.2}
        for f in ("load", "heat") for a, b in ((4, 3), (2, 1))
    ]  # fmt: skip
    lines += [{**line, "feature": "rain", "permutation": None} for line in lines[:2]]
    figure = importance_figure(lines)
    assert "Feature importance: integrated gradients" in words(figure)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["4–3", "2–1"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["heat", "load"]


def test_forecasts_with_intervals_and_learning_curve(tmp_path):
    times = pd.date_range("2024-01-01", periods=6, freq="1h", tz="UTC")
    predictions = pd.DataFrame(
        {"target": "load", "series": "a", "origin": times.repeat(2), "step": [1, 2] * 6,
         "time": np.concatenate([[t, t + pd.Timedelta("1h")] for t in times]), "truth": 1.0,
         "prediction": 1.1, "last_season": 0.9, "lower_0.95": 0.5, "upper_0.95": 1.5}
    )  # fmt: skip
    figure = forecast_against_truth(predictions, "load", "MW")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["95% interval", "seasonal naive", "observed", "forecast"]
    rows = [
        {"level": 0.8, "method": method, "step": step, "coverage": 0.8}
        for method in ("conformal", "adaptive") for step in (1, 2)
    ]  # fmt: skip
    assert coverage_by_step(rows).get_legend_handles_labels()[1] == ["conformal", "adaptive"]
    history = pd.DataFrame({"epoch": [1, 2], "mae": [2.0, 1.0], "val_mae": [2.5, 1.5]})
    ax = learning_curve(history, "mae", best_epoch=2)
    assert words(figure_of(ax)) == [
        "Learning curve: MAE", "epoch", "MAE", "train", "validation", "saved epoch 2",
    ]  # fmt: skip
    save_axes(ax, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_a_classifier():
    times = pd.date_range("2024-01-01", periods=9, freq="1h", tz="UTC").delete(4)
    predictions = pd.DataFrame(
        {"target": "wet", "series": "", "step": 1, "origin": times, "truth": 1.0, "prediction": 0.4}
    )
    ax = forecast_over_time(predictions, "wet", 0.35)
    assert ax.get_legend_handles_labels()[1] == ["observed", "forecast", "threshold 0.35"]
    (forecast, _) = ax.get_lines()
    assert np.isnan(forecast.get_ydata()).sum() == 1  # the line breaks at the gap in time
    assert confusion_matrix([[3, 1], [0, 0]], ["dry", "wet"]).get_ylabel() == "observed"
    bins = [{"probability": 0.2, "positives": 0.1, "windows": 9}]
    assert "perfect calibration" in words(figure_of(reliability_diagram(bins, 0.031)))
    curve = [{"threshold": t, "precision": t, "recall": 1 - t} for t in (0.0, 0.5, 1.0)]
    labels = words(figure_of(precision_recall(curve, 0.35, 0.2)))
    assert {"decision threshold 0.35", "class prior 0.20"} <= set(labels)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("price $ per $kg", r"price \$ per \$kg"),
        (r"$\frac{a$", r"\$\frac{a\$"),
        ("x" * 500, f"{'x' * 19}…{'x' * 20}"),
        ("two\nlines", "two lines"),
        ("_hidden", "_hidden"),
    ],
)
def test_names_of_the_data_are_text_and_not_too_long(name, shown):
    assert name_text(name) == shown


def test_figures_take_names_that_look_like_mathematics(tmp_path):
    name = r"$\frac{a$" + "x" * 500
    ax = confusion_matrix([[1, 2], [3, 4]], [f"not {name}", name])
    assert ax.get_xticklabels()[1].get_text() == name_text(name)
    lines = [
        {"target": "y", "feature": name, "from": 1, "to": 1, "permutation": 1.0,
         "integrated_gradients": 0.5}
    ]  # fmt: skip
    labels = importance_figure(lines).axes[0].get_yticklabels()
    assert labels[0].get_text() == name_text(name)
    times = pd.date_range("2024-01-01", periods=2, tz="UTC")
    rows = pd.DataFrame({
        "series": name, "origin": times[0], "time": times, "target": name, "step": [1, 2],
        "truth": 1.0, "prediction": 2.0,
    })  # fmt: skip
    figure = forecast_against_truth(rows, name, "$")
    figure.savefig(tmp_path / "f.png")  # mathematics that is none would raise
    assert figure.get_tightbbox().width < 12  # inches


@pytest.mark.parametrize("name", ["loss", "mape", "mean_absolute_percentage_error"])
def test_a_curve_of_percentages_says_so(name):
    hp = Hyperparameters(
        model_name="m", LSTM_type="regressor", loss="mape", metrics=["mape"], scale_targets=False
    )
    assert logged_unit(name, hp) == "%"


def test_a_written_figure_is_small_and_keeps_the_colours_of_its_lines(tmp_path):
    ax = new_axes(None)
    for place, colour in enumerate(COLOURS.values()):
        ax.plot([0, 1], [place, place], color=colour)
        ax.fill_between([0, 1], place, place + 0.5, color=colour, alpha=0.2)
    save_axes(ax, tmp_path / "figure.png")
    figure_of(ax).savefig(tmp_path / "plain.png", dpi=150)
    assert (tmp_path / "figure.png").stat().st_size < (tmp_path / "plain.png").stat().st_size / 1.5
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.mode == "P"
        pixels = np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0).astype(int)
    for colour in COLOURS.values():
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(pixels - wanted).max(axis=1).min() <= 16, colour

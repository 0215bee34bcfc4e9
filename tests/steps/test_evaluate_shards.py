"""The evaluation of a panel in shards gives what that of the panel in one piece gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import METRICS_FILE, MODEL_FILE, PREDICTIONS_FILE
from fastlstm.artifacts.folders import publish
from fastlstm.network.build import build_network
from fastlstm.network.inference import load_network
from fastlstm.steps.evaluate import evaluate_into
from fastlstm.steps.forecast_shards import forecast_shards
from fastlstm.steps.shard_map import ShardMap
from fastlstm.steps.trial_score import score_trial
from fastlstm.windows.parquet import WindowDataset
from tests.steps.test_shards import Steps, both, changed, panel  # noqa: F401 (both is a fixture)

pytestmark = pytest.mark.usefixtures("untraced")


def write_network(folder: Path, network) -> dict[str, Any]:
    """Write a network as a training does."""
    network.save(folder / MODEL_FILE)
    return {}


def evaluated(steps: Steps, network, *, by_workers: bool = False) -> tuple[dict, pd.DataFrame]:
    """Metrics and predictions of the network, from the folders of the steps.

    Args:
        steps: with the windows.
        network: the network.
        by_workers: whether its outputs are computed before, shard by shard.
    """
    folder, model = steps.folder / f"evaluation {by_workers}", steps.folder / "network"
    folder.mkdir()
    publish(model, lambda target: write_network(target, network))
    config, clean, windows = (
        steps.config.model_dump(), steps.folder / "clean", steps.folder / "windows",
    )  # fmt: skip
    outputs = None
    if by_workers:
        shards = ShardMap(steps.folder / "outputs")
        outputs = str(forecast_shards(clean, model, windows, shards))
    evaluate_into(
        str(folder), str(model), str(windows), str(steps.folder / "scaled"), str(clean), config,
        lambda _: None, outputs,
    )  # fmt: skip
    predictions = pd.read_parquet(folder / PREDICTIONS_FILE)
    keys = ["series", "origin", "step", "target"]
    return (
        json.loads((folder / METRICS_FILE).read_text()),
        predictions.sort_values(keys, ignore_index=True),
    )


def evaluated_alike(whole: Steps, shards: Steps) -> list[tuple[dict, pd.DataFrame]]:
    """Metrics and predictions of one network, on the table in one piece and in shards."""
    for steps in (whole, shards):
        steps.windows()
    network = new_network(whole)
    return [evaluated(steps, network) for steps in (whole, shards)]


def assert_same_by_workers(shards: Steps, alone: tuple[dict, pd.DataFrame]) -> None:
    """Outputs that workers have computed give the same metrics and predictions, bit by bit."""
    network = load_network(shards.folder / "network" / MODEL_FILE)
    metrics, predictions = evaluated(shards, network, by_workers=True)
    assert metrics == alone[0]
    pd.testing.assert_frame_equal(predictions, alone[1], check_exact=True)
    assert all(any(shard.iterdir()) for shard in (shards.folder / "outputs" / "outputs").iterdir())


def new_network(steps: Steps):
    """A network that has learned nothing."""
    windows = WindowDataset(steps.folder / "windows")
    return build_network(
        steps.config.hyperparameters, windows.manifest["features"], windows.manifest["targets"],
        windows.count("train"), [],
    )  # fmt: skip


def assert_alike(one, other, where=""):
    """Equal JSON-like values but for rounding."""
    if isinstance(one, dict):
        assert set(one) == set(other), where
        for key, value in one.items():
            assert_alike(value, other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_alike(a, b, f"{where}[{number}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-6), where
    else:
        assert one == other, where


def test_metrics_predictions_and_intervals(both):  # noqa: F811
    table = panel()
    # A series without a change has no scale.
    table.loc[table["site"] == "site 6", "load"] = 5.0
    evaluation = {"explain_windows": 20, "interval_levels": [0.8]}
    whole, shards = both(table, changed(evaluation=evaluation))
    (of_whole, rows), (of_shards, rows_of_shards) = evaluated_alike(whole, shards)
    assert_same_by_workers(shards, (of_shards, rows_of_shards))
    intervals = of_whole.pop("intervals"), of_shards.pop("intervals")
    # Windows at even distances, in another order of the series.
    assert len(of_whole.pop("importance")) == len(of_shards.pop("importance"))
    names = of_whole["undefined_series"]["names"], of_shards["undefined_series"]["names"]
    assert names[0] == {"no test window": ["site 3"], "constant in train": ["site 6"]}
    of_shards["undefined_series"]["names"] = {
        reason: sorted(found) for reason, found in names[1].items()
    }
    assert_alike(of_whole, of_shards)
    bounds = [name for name in rows if name.startswith(("lower", "upper"))]
    pd.testing.assert_frame_equal(
        rows.drop(columns=bounds), rows_of_shards.drop(columns=bounds), rtol=1e-4, atol=1e-5
    )
    assert bounds == ["lower_0.8", "upper_0.8"]
    assert intervals[0]["notes"] == intervals[1]["notes"]
    for one, other in zip(*(found["overall"] for found in intervals), strict=True):
        assert {k: one[k] for k in ("level", "forecast", "method", "target")} == {
            k: other[k] for k in ("level", "forecast", "method", "target")
        }
        # The spread of a series is shrunk towards the series of its shard, not of the whole table.
        assert other["coverage"] == pytest.approx(one["coverage"], abs=0.1)
        assert other["width"] == pytest.approx(one["width"], rel=0.3)
    assert np.isfinite(rows_of_shards["upper_0.8"]).mean() > 0.5


def test_the_score_of_a_trial(both):  # noqa: F811
    whole, shards = both(panel(), changed(evaluation={"primary_metric": "mase"}))
    for steps in (whole, shards):
        steps.windows()
    network = new_network(whole)
    scores = []
    for steps in (whole, shards):
        home = {name: str(steps.folder / name) for name in ("windows", "scaled", "clean")}
        (steps.folder / "network").mkdir()
        network.save(steps.folder / "network" / MODEL_FILE)
        given = {"network": str(steps.folder / "network"), "config": steps.config.model_dump()}
        scores.append(score_trial(**given, **home, on_event=lambda _: None))
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)


@pytest.mark.soak
def test_metrics_and_predictions_of_a_classifier(both):  # noqa: F811
    hyperparameters = {
        "LSTM_type": "classificator", "scale_targets": False, "loss": "binary_crossentropy",
    }  # fmt: skip
    data = {"features": ["load", "heat"], "targets": ["open"]}
    evaluation = {"explain_windows": 0}
    whole, shards = both(
        panel(), changed(hyperparameters=hyperparameters, data=data, evaluation=evaluation)
    )
    (of_whole, rows), (of_shards, rows_of_shards) = evaluated_alike(whole, shards)
    assert_same_by_workers(shards, (of_shards, rows_of_shards))
    assert_alike(of_whole, of_shards)
    assert of_whole["outputs"]["open_step_2"]["windows"] == of_whole["windows"] > 100
    pd.testing.assert_frame_equal(rows, rows_of_shards, rtol=1e-4, atol=1e-5)

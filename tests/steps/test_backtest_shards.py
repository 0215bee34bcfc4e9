"""A backtest of a panel in shards gives what one of the panel in one piece gives."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from fastlstm.artifacts.file_names import BACKTEST_SUMMARY_FILE, PREDICTIONS_FILE
from fastlstm.artifacts.folders import publish
from fastlstm.data.shards import shards_of
from fastlstm.steps.backtest import combine_into, count_groups, evaluate_folds_into
from tests.steps.test_evaluate_shards import assert_alike
from tests.steps.test_shards import Steps, both, changed, panel  # noqa: F401 (both is a fixture)

pytestmark = pytest.mark.usefixtures("untraced")


def backtested(steps: Steps) -> tuple[dict, pd.DataFrame]:
    """The summary and the predictions of a backtest of the clean rows."""
    clean, config = str(steps.folder / "clean"), steps.config.model_dump()
    parts = []
    for part in range(count_groups(steps.folder / "clean", steps.config)):
        parts.append(steps.folder / f"part {part}")
        publish(
            parts[-1],
            lambda folder, part=part: evaluate_folds_into(
                str(folder), clean, config, part, None, lambda _: None
            ),
        )
        assert not (parts[-1] / "unfinished").exists()
    folder = steps.folder / "backtest"
    folder.mkdir()
    combine_into(folder, parts, steps.config)
    keys = ["fold", "series", "origin", "step", "target"]
    return (
        json.loads((folder / BACKTEST_SUMMARY_FILE).read_text()),
        pd.read_parquet(folder / PREDICTIONS_FILE).sort_values(keys, ignore_index=True),
    )


@pytest.mark.soak
def test_folds_of_shards_are_those_of_the_table(both):  # noqa: F811
    table = panel()
    # A series of the second fold alone, whose training is that of the first.
    table = table[(table["site"] != "site 7") | (table["when"] >= "2024-01-04 06:00")]
    hyperparameters = {
        # All windows in one batch, whose gradient does not depend on the order of the series.
        "batch_size": 4096, "epochs": 2, "scaler_scope": "series",
    }  # fmt: skip
    backtest = {
        "folds": 2, "test_size_rate": 0.4, "refit_every": 2, "gap": 3, "window": "sliding",
    }  # fmt: skip
    evaluation = {"interval_levels": [], "primary_metric": "mase", "season_length": 24}
    whole, shards = both(
        table,
        changed(hyperparameters=hyperparameters, backtest=backtest, evaluation=evaluation),
    )
    for steps in (whole, shards):
        steps.validate()
    assert len(shards_of(shards.folder / "clean")) > 2
    of_whole, rows = backtested(whole)
    of_shards, rows_of_shards = backtested(shards)
    assert "site 7" in set(rows["series"])
    assert_alike(of_whole, of_shards)
    pd.testing.assert_frame_equal(rows, rows_of_shards, rtol=1e-4, atol=1e-4)

"""An exported folder forecasts with numpy and onnxruntime alone as the run itself does."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fastlstm import SavedRun
from fastlstm.data.column_names import SERIES
from fastlstm.runs.onnx_folder import export_folder
from flows.cli.main import main

STORED = Path(__file__).parents[1] / "stored_runs" / "small"
pytestmark = pytest.mark.usefixtures("untraced")


@pytest.mark.parametrize("run", sorted(f.name for f in STORED.iterdir() if f.is_dir()))
def test_the_example_and_any_window_are_forecast_as_by_the_run(run, tmp_path, capsys):
    saved = SavedRun(shutil.copytree(STORED / run, tmp_path / "run"))
    export_folder(saved, tmp_path / "out")
    example = runpy.run_path(str(tmp_path / "out" / "forecast.py"))
    example["main"]()
    assert "as in example.json" in capsys.readouterr().out
    network = example["Network"](tmp_path / "out")
    label = json.loads((tmp_path / "out" / "example.json").read_text())["series"]
    rows = pd.DataFrame(
        np.random.default_rng(1).normal(
            50, 9, (saved.hyperparameters.timesteps, len(saved.data.features))
        ),
        columns=saved.data.features,
    )
    expected = saved.forecast_each(rows.assign(**{SERIES: label or ""}), np.array([len(rows)]))
    found = network.forecast(rows.to_numpy(), label)
    np.testing.assert_allclose(found, expected[0], rtol=1e-5)
    page = (tmp_path / "out" / "README.md").read_text()
    assert "```java" in page and "```csharp" in page and "{" not in page.split("## Python")[0]
    assert not saved.has_onnx  # the stored run stays as it is


def test_the_command_writes_a_new_folder_and_refuses_one_that_exists(tmp_path):
    run = str(sorted(STORED.iterdir())[0])
    given = ["export", run, "--onnx", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0 and (tmp_path / "out" / "model.onnx").exists(), done.output
    again = CliRunner().invoke(main, given)
    assert again.exit_code == 2 and "exists already" in again.output

"""The command line: outcomes, exit codes, and errors of use in one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from fastlstm.registry.folder_store import FolderStore
from flows.cli.main import main
from tests.conftest import build_settings, make_panel

COMMANDS = [
    "init", "check", "retrain", "backtest", "tune", "runs", "show", "export", "promote", "rollback",
    "predict", "verify", "prune", "clean", "demo",
]  # fmt: skip


def run(*arguments, **environment):
    """The real command in a process and Prefect home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a config, retrained once by the real command."""
    folder = tmp_path_factory.mktemp("cli")
    frame = make_panel()
    # Noise about a level: the mean, soon learned, beats both baselines.
    frame["load"] = 50 + np.random.default_rng(0).normal(size=len(frame))
    write(folder, build_settings(folder, frame, hyperparameters={"epochs": 3}))
    done = run("retrain", folder / "my.yaml", PREFECT_HOME=str(folder / "prefect"))
    assert done.returncode == 0, done.stderr
    (folder / "first.txt").write_text(done.stdout)
    return folder


def write(folder, settings, name="my.yaml"):
    (folder / name).write_text(yaml.safe_dump(settings))
    return folder / name


@pytest.mark.slow
def test_retrain_tells_stages_progress_and_outcome(home):
    told = (home / "first.txt").read_text()
    for step in ("load", "validate", "scale", "windows", "train", "evaluate", "save", "promote"):
        assert f"  {step} " in told
    assert "epoch 1 of 3: loss" in told
    assert "naive (last value)" in told and "seasonal naive" in told and "network" in told
    assert "Promoted: MASE" in told and "load_all(" in told and "Run: " in told


@pytest.mark.slow
def test_its_temporary_server_recorded_the_flow_and_has_ended(home):
    with sqlite3.connect(home / "prefect" / "prefect.db") as stored:
        flows = stored.execute("select state_type from flow_run").fetchall()
        tasks = stored.execute("select state_type from task_run").fetchall()
    # The tasks' states come as events, which are the last to arrive.
    assert flows == [("COMPLETED",)] and len(tasks) > 5 and set(tasks) == {("COMPLETED",)}
    assert not [pid for pid, given in environments() if str(home / "prefect") in given]


def environments():
    """Numbers and environments of the processes that run."""
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield file.parent.name, file.read_text(errors="replace")
        except OSError:  # it has ended, or is another user's
            continue


@pytest.mark.slow
def test_the_printed_line_reloads_the_run(home):
    told = (home / "first.txt").read_text()
    lines = told[told.index("  from fastlstm") :].splitlines()
    names: dict = {}
    exec("\n".join(line.strip() for line in lines[:2]), names)
    assert names["model"].model.output_shape == (None, 2)


@pytest.mark.slow
def test_nothing_new_ends_at_once_without_prefect_or_tensorflow(home, tmp_path):
    program = (
        "import sys; from flows.cli.main import main\n"
        "try: main(['retrain', sys.argv[1]])\n"
        "finally: print({'prefect', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, str(home / "my.yaml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "No new data since" in done.stdout and "set()" in done.stdout
    assert time.monotonic() - begin < 60  # seconds where it is not; the promise is measured apart


@pytest.mark.slow
def test_runs_show_predict_promote_rollback(home, in_process, tmp_path):
    runner, config = CliRunner(), str(home / "my.yaml")
    store = FolderStore(home / "runs")
    (entry,) = store.runs("small")
    listed = runner.invoke(main, ["runs", config])
    assert listed.exit_code == 0 and entry.run_id in listed.output and "champion" in listed.output

    by_path = runner.invoke(main, ["show", str(store.run_folder("small", entry.run_id))])
    by_id = runner.invoke(main, ["show", entry.run_id, "--config", config])
    assert by_path.exit_code == by_id.exit_code == 0
    assert "MASE on test" in by_path.output and "LSTM MODEL - small.keras" in by_id.output

    rows = make_panel(rows=30, series=("a", "b", "short"))
    rows = rows[(rows["site"] != "short") | (rows["when"] < rows["when"].iloc[4])]
    rows = rows.drop(rows[(rows["site"] == "b")].index[-3]).drop(columns="rain")
    rows.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "deep" / "out.parquet"
    made = runner.invoke(main, ["predict", config, "--input", str(tmp_path / "new.csv"),
                                "--output", str(out)])  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "skipped short: 4 rows, a window needs 6" in made.output
    assert "skipped b: a gap 2 rows before its end" in made.output
    forecast = pd.read_parquet(out)
    columns = ["series", "after", "origin", "step", "time", "target", "prediction"]
    assert list(forecast.columns) == columns
    assert forecast["series"].tolist() == ["a", "a"] and forecast["step"].tolist() == [1, 2]
    last = rows.query("site == 'a'")["when"].max()
    assert forecast["origin"].unique().tolist() == [last + pd.Timedelta("1h")]
    assert forecast["time"].tolist() == [last + pd.Timedelta("1h"), last + pd.Timedelta("2h")]
    assert forecast["prediction"].between(40, 60).all()

    # Without an input it is the source that is forecast, and a file for people has times of their zone.
    local = write(home, yaml.safe_load(Path(config).read_text()), "local.yaml")
    settings = yaml.safe_load(local.read_text())
    settings["data"]["time_zone"] = "Asia/Tokyo"
    write(home, settings, "local.yaml")
    picture = tmp_path / "out.png"
    made = runner.invoke(main, ["predict", str(local), "--output", str(tmp_path / "out.csv"),
                                "--picture", str(picture)])  # fmt: skip
    assert made.exit_code == 0, made.output
    assert f"a picture of them in {picture}" in made.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table) == [*columns[:5], "local_time", *columns[5:]] and len(table) == 4
    assert table["local_time"].str.endswith("+09:00").all()
    same = pd.to_datetime(table["local_time"], utc=True) == pd.to_datetime(table["time"], utc=True)
    assert same.all()

    again = runner.invoke(main, ["promote", config, entry.run_id])
    assert again.exit_code == 1 and "is the champion already" in again.output
    absent = runner.invoke(main, ["promote", config, "2000-01-01 00-00-00"])
    assert absent.exit_code == 1 and "no run" in absent.output
    back = runner.invoke(main, ["rollback", config])
    assert back.exit_code == 1 and "no earlier champion" in back.output
    store.update_champion("small", lambda r: r.promoted(entry.run_id, "again for the test"))
    back = runner.invoke(main, ["rollback", config])
    assert back.exit_code == 0 and f"champion of 'small': {entry.run_id}" in back.output


@pytest.mark.slow
def test_bad_new_rows_are_refused_and_nothing_is_written(home, in_process, tmp_path):
    rows = make_panel(rows=30)
    rows.loc[5, "load"] = np.inf
    rows.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "out.parquet"
    done = CliRunner().invoke(
        main,
        ["predict", str(home / "my.yaml"), "--input", str(tmp_path / "new.csv"),
         "--output", str(out)],
    )  # fmt: skip
    assert done.exit_code == 2 and "finite · load" in done.output
    assert not out.exists() and [p.name for p in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.soak
@pytest.mark.slow
def test_refused_data_in_the_flow_ends_with_two(prefect_server, tmp_path):
    from prefect.settings import PREFECT_API_URL

    frame = make_panel()
    frame.loc[3, "load"] = np.nan
    config = write(tmp_path, build_settings(tmp_path, frame))
    done = run("retrain", config, PREFECT_API_URL=PREFECT_API_URL.value())
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and "data refused: 1 of" in lines[0], done.stderr
    assert not (tmp_path / "runs").exists()


def test_bad_settings_end_with_two_and_one_line_each(tmp_path):
    given = build_settings(tmp_path, hyperparameters={"epoch": 3}, data={"time_zone": "Mars"})
    done = CliRunner().invoke(main, ["retrain", str(write(tmp_path, given))])
    assert done.exit_code == 2
    lines = done.output.strip().splitlines()
    assert len(lines) == 2 and all(line.startswith("fastlstm: ") for line in lines)
    assert "did you mean 'epochs'" in done.output and "Traceback" not in done.output
    assert not (tmp_path / "runs").exists() and not (tmp_path / "work").exists()


def test_debug_shows_the_traceback(tmp_path):
    done = CliRunner().invoke(main, ["--debug", "retrain", str(tmp_path / "none.yaml")])
    assert done.exit_code == 1 and "is missing" in str(done.exception)


def test_no_run_yet(tmp_path):
    config = str(write(tmp_path, build_settings(tmp_path)))
    for command in (["runs", config], ["rollback", config]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 1 and len(done.output.strip().splitlines()) == 1
    done = CliRunner().invoke(
        main, ["predict", config, "--input", "x.csv", "--output", str(tmp_path / "o.parquet")]
    )
    assert done.exit_code == 1 and "has no run yet; run 'fastlstm retrain' first" in done.output
    done = CliRunner().invoke(main, ["predict", config, "--input", "x.csv", "--output", "o.xlsx"])
    assert done.exit_code == 2 and "must end in .parquet or .csv" in done.output
    given = ["predict", config, "--output", "o.csv", "--picture", "o.jpg"]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2 and "--picture: o.jpg must end in .png" in done.output


def test_without_a_champion_predict_names_the_baseline_that_forecasts(in_process, tmp_path):
    stored = Path(__file__).parents[1] / "stored_runs"
    ignored = shutil.ignore_patterns("champion.json")
    shutil.copytree(stored / "small", tmp_path / "runs" / "small", ignore=ignored)
    config, out = str(write(tmp_path, build_settings(tmp_path))), tmp_path / "out.parquet"
    given = ["predict", config, "--input", str(stored / "table.csv"), "--output", str(out)]
    refused = CliRunner().invoke(main, [*given, "--no-serve-baseline"])
    assert refused.exit_code == 1 and "has no champion" in refused.output and not out.exists()
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    newest = max(folder.name for folder in (stored / "small").glob("2*"))
    name = (
        f"a baseline, as there is no champion (seasonal naive, MAE 1.248 on test of run {newest})"
    )
    assert f"warning: the forecasts are those of {name}" in done.output
    assert f"6 forecasts of 2 series by {name} in {out}" in done.output
    assert pd.read_parquet(out)["forecaster"].unique().tolist() == ["seasonal naive"]


def test_without_tensorflow_the_remedy_is_told_before_any_work(tmp_path, monkeypatch):
    import importlib.util

    right = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "tensorflow" else right(n, *a)
    )
    done = CliRunner().invoke(main, ["retrain", str(write(tmp_path, build_settings(tmp_path)))])
    assert done.exit_code == 2 and "pip install 'fastlstm[cpu]'" in done.output
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_everywhere(command):
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output
    if not command:
        assert set(main.commands) == set(COMMANDS)
        assert all(name in done.output for name in COMMANDS)
        shown = [line for line in done.output.splitlines() if line.startswith("  ")]
        assert not [line for line in shown if line.endswith("...")]  # no sentence is cut off


def test_the_demo_writes_the_example_once_and_retrains_it(tmp_path, monkeypatch):
    from flows.cli import examples, training

    retrained = []

    def retrain(config):
        retrained.append(config)

    monkeypatch.setattr(training.retrain, "callback", retrain)
    monkeypatch.chdir(tmp_path)
    file = Path("fastlstm-demo") / "weather_temperature.yaml"
    for _ in range(2):
        assert CliRunner().invoke(main, ["demo"]).exit_code == 0
        assert retrained.pop() == str(file)
        file.write_text(file.read_text().replace("seed: 7", "seed: 8"))
    assert "store: runs" in file.read_text() and "seed: 8" in file.read_text()
    monkeypatch.setattr(examples, "find_spec", lambda _: None)
    done = CliRunner().invoke(main, ["init", "--example", "rain"])
    assert done.exit_code == 2 and "pip install 'fastlstm[example]'" in done.output
    assert not Path("weather_rain.yaml").exists()


def test_imports_are_light():
    program = (
        "import sys, fastlstm, flows.cli.main, fastlstm.config.data, fastlstm.registry.unchanged\n"
        "heavy = {'tensorflow', 'keras', 'prefect', 'pandas', 'sklearn', 'matplotlib'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_check_shows_what_retrain_would_do_and_starts_nothing(tmp_path):
    file = write(tmp_path, build_settings(tmp_path))
    script = (
        "import sys; from flows.cli.main import main; main(standalone_mode=False); "
        "print(sorted({'prefect', 'tensorflow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", str(file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shown = done.stdout
    assert "'small' on" in shown and "480 rows of 2 series" in shown and "checks passed" in shown
    assert "Network: 'classic' (as set)" in shown and "Training: at most 2 epochs" in shown
    assert shown.splitlines()[-1] == "[]" and f"fastlstm retrain {file}" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.yaml", "table.csv"]


def test_check_refuses_as_retrain_does_with_all_failures(tmp_path):
    settings = build_settings(tmp_path)
    settings["data"]["columns"] = {"load": {"maximum": 0.0}, "heat": {"minimum": 1e6}}
    done = CliRunner().invoke(main, ["check", str(write(tmp_path, settings))])
    assert done.exit_code == 2
    assert "2 of" in done.stderr and "range" in done.stdout
    assert "load" in done.stdout and "heat" in done.stdout

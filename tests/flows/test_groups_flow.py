"""Many models: one for each group, what is redone, what fails, and the commands over all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from fastlstm.artifacts.folders import verify
from fastlstm.config.reading import check_settings
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.maintenance import examine
from fastlstm.runs.saved_run import SavedRun
from flows.cli.main import main
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process", "ready_network")
ROWS = {"a/b": 240, "tiny": 60, "small": 70}
NORTH = "region=a%2Fb"


def table():
    """Rows of three groups, all of series '1': one has a model of its own, two are pooled."""
    parts = []
    for number, (group, rows) in enumerate(ROWS.items()):
        part = make_panel(rows=rows, series=("1",), seed=number)
        parts.append(part.assign(region=group))
    return pd.concat(parts, ignore_index=True)


def retrain(settings, frame, **sections):
    from flows.retrain import retrain as flow

    given = settings(
        frame,
        models_by=["region"],
        groups={"minimum_rows": 100},
        execution={"workers": 1},
        **sections,
    )
    return flow(check_settings(given, PipelineConfig), return_state=True), given


def statuses(outcome):
    return {group.name: group.status for group in outcome.groups}


@pytest.mark.soak
def test_one_story_of_many_models(settings, executions, tmp_path, monkeypatch):
    """One long story, because each chapter needs the one before."""
    frame = table()
    frame.loc[5, "load"] = np.nan  # of the first group, whose rows are therefore refused
    state, _ = retrain(settings, frame)
    assert state.is_completed(), state.message
    outcome = state.result()
    found = statuses(outcome)
    assert found.pop(NORTH) == "failed" and found == {"pooled": found["pooled"]}
    assert found["pooled"] in ("promoted", "not promoted") and executions["train"] == 1
    assert "Promoted" in state.message and "of 2 models" in state.message
    assert f"1 failed ({NORTH}: " in state.message and "missing · load" in state.message
    report = Path(outcome.report)
    verify(report)
    text = next(report.glob("*REPORT*.md")).read_text()
    assert text.index(f"| {NORTH}") < text.index("| pooled")
    assert "One model serves 2 small groups: region=small, region=tiny" in text

    # The group that failed is tried again, alone; then each has its model.
    executions.clear()
    state, given = retrain(settings, table())
    assert executions["train"] == 1, state.message
    assert statuses(state.result())["pooled"] == "unchanged"
    store = FolderStore(tmp_path / "runs")
    groups = store.groups("small")
    assert set(groups) == {"all", "pooled", NORTH}
    run = SavedRun(store.run_folder(f"small/{NORTH}", groups[NORTH].run_ids[-1]))
    assert run.model_name == f"small/{NORTH}" and run.data.series == "site"

    # Nothing new: nothing runs, and one row of one group: that group.
    executions.clear()
    state, _ = retrain(settings, table())
    assert "No new data since" in state.message and state.result().unchanged and not executions
    frame = table()
    frame.loc[frame["region"] == "small", "heat"] += 1
    state, _ = retrain(settings, frame)
    assert executions["train"] == 1
    assert statuses(state.result())[NORTH] == "unchanged"
    assert set(store.groups("small")["pooled"].run_ids) > set(groups["pooled"].run_ids)

    commands(tmp_path, given, store)
    flows_over_all(tmp_path, given, store)


def commands(tmp_path, given, store):
    """The commands over one group and over all of them."""
    config = tmp_path / "my.yaml"
    config.write_text(yaml.safe_dump(given))

    def run(*arguments):
        return CliRunner().invoke(main, list(map(str, arguments)))

    listed = run("runs", config).output
    assert all(group in listed for group in ("pooled", NORTH))
    one = run("runs", config, "--group", "a/b").output
    assert store.groups("small")[NORTH].run_ids[-1] in one
    assert f"no model of group region=a%2F is stored; did you mean {NORTH}?" in (
        run("runs", config, "--group", "a/").output
    )
    assert "--group: is required, as the config has 'models_by'" in run("rollback", config).output
    promoted = run("promote", config, "newest", "--group", "all")
    assert promoted.exit_code == 0, promoted.output
    assert all(known.record.champion == known.run_ids[-1] for known in of_groups(store).values())
    first = store.groups("small")["pooled"].run_ids[0]
    assert run("promote", config, first, "--group", "pooled").exit_code == 0
    assert (
        "is of one group; name that group" in run("promote", config, first, "--group", "all").output
    )
    back = run("rollback", config, "--group", "pooled")
    assert back.exit_code == 0 and store.groups("small")["pooled"].record.champion != first
    would = run("prune", config, "--keep", 1, "--dry-run").output
    # Runs that served a moment ago stay, and so do reports of today.
    assert "would delete" not in would and "runs and reports of 'small'" in would
    assert examine(store).findings == [] and examine(store).models == 3

    for command in ("backtest", "tune"):
        assert f"models_by: '{command}' works on one model; remove" in run(command, config).output

    report = store.groups("small")["all"].run_ids[-1]
    assert "Groups, worst first" in run("show", report, "--config", config).output
    assert (
        "test metrics" in run("show", first, "--config", config, "--group", "pooled").output.lower()
    )

    table().to_csv(tmp_path / "new.csv", index=False)
    done = run(
        "predict", config, "--input", tmp_path / "new.csv", "--output", tmp_path / "f.parquet"
    )
    assert done.exit_code == 0, done.output
    forecasts = pd.read_parquet(tmp_path / "f.parquet")
    assert forecasts.groupby("region").size().to_dict() == dict.fromkeys(ROWS, 2), done.output
    assert set(forecasts["series"]) == {"1"}
    done = run(
        "predict", config, "--input", tmp_path / "new.csv", "--output", tmp_path / "g.parquet",
        "--group", "tiny",
    )  # fmt: skip
    assert set(pd.read_parquet(tmp_path / "g.parquet")["region"]) == {"tiny"}, done.output


def of_groups(store):
    return {name: known for name, known in store.groups("small").items() if name != "all"}


def flows_over_all(tmp_path, given, store):
    """Scoring and monitoring of all groups in one run each."""
    from flows.monitor import monitor
    from flows.predict import predict

    frame, new = table(), tmp_path / "newest.csv"
    frame.groupby("region").head(-2).to_csv(new, index=False)
    common = {"model_name": "small/all", "store": given["store"], "work": given["work"]}
    place = {"path": str(tmp_path / "forecasts")}
    scoring = check_settings(
        {**common, "input": {"path": str(new)}, "output": place, "execution": {"workers": 1}},
        ScoringConfig,
    )
    found = predict(scoring)
    assert (found.models, found.forecasts, found.added) == (2, 6, 6) and not found.skipped
    assert found.message.startswith("Scored with 2 of 2 models: 6 forecasts appended")
    written = pd.concat(
        map(pd.read_parquet, (tmp_path / "forecasts").rglob("forecasts/**/*.parquet"))
    )
    assert set(written["series"]) == {"1", "region=tiny/1", "region=small/1"}
    assert predict(scoring).added == 0

    monitoring = {
        **common, "forecasts": place, "actuals": {"path": str(tmp_path / "new.csv")}, "days": 10_000,
        "minimum_forecasts": 1, "minimum_rows": 10, "max_error_ratio": 1e-6,
    }  # fmt: skip
    health = monitor(check_settings(monitoring, MonitorConfig))
    # Series 'tiny' has no test window, so that nothing says how large its errors may be.
    assert {name: one.forecasts for name, one in health.groups.items()} == {NORTH: 2, "pooled": 2}
    assert health.degraded and health.message.startswith("2 of 2 models are degraded: ")

    # A group that cannot be forecast stops no other.
    champion = store.groups("small")["pooled"].record.champion
    (store.run_folder("small/pooled", champion) / "manifest.json").write_text("{}")
    frame.assign(heat=frame["heat"] + 1).to_csv(new, index=False)
    left = predict(scoring.model_copy(update={"max_skipped_share": 0.4}))
    assert left.message.startswith(
        "Incomplete: 50% of the groups skipped; Scored with 1 of 2 models"
    )
    assert left.models == 1 and set(left.skipped) == {"pooled"} and left.added == 2

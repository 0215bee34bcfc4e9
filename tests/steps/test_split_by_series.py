"""Series that share no calendar, each split at its own share: nothing leaks, and all parts agree."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.artifacts.file_names import CLEAN_FILE, INPUTS_FILE
from fastlstm.artifacts.folders import publish
from fastlstm.config.reading import parse_config
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import scaler_files
from fastlstm.data.split import SPLITS
from fastlstm.data.tables import write_table
from fastlstm.data.validation import validate
from fastlstm.errors import ConfigError
from fastlstm.evaluation.target_table import TargetTable, difference_sums
from fastlstm.experiments.folds import plan_folds
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.prepare import scale_into
from fastlstm.steps.shard_map import ShardMap
from fastlstm.windows.parquet import WindowDataset
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("untraced")
BEGINS = {"a": "2024-03-01", "b": "2021-01-01", "c": "2022-07-01"}
ROWS = {"a": 200, "b": 100, "c": 60}


def panel() -> pd.DataFrame:
    """Three series of different lengths that do not overlap in time."""
    parts = []
    for number, (name, begin) in enumerate(BEGINS.items()):
        rows = make_panel(rows=ROWS[name], series=(name,), seed=number)
        rows["when"] = pd.date_range(begin, periods=len(rows), freq="1h", tz="UTC")
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def after_own_cut(frame: pd.DataFrame) -> np.ndarray:
    """Rows of validation and test, by the shares of 0.7 and 0.15."""
    position = frame.groupby("site").cumcount()
    return np.asarray(position >= (frame["site"].map(ROWS) * 0.7 + 1e-9).astype(int))


def prepared(folder, frame, config, shards=1):
    """Manifest of the scaling and the windows, as the pipeline makes them, of one table or of shards."""
    table = frame.rename(columns={"site": SERIES, "when": TIME}).astype({SERIES: "str"})
    clean, report = validate(table, config.data, labels=False)
    assert report.passed

    def write(target):
        names = sorted(clean[SERIES].unique())
        for number in range(shards):
            of_shard = target if shards == 1 else target / f"shard-{number:05d}"
            of_shard.mkdir(exist_ok=True)
            rows = clean if shards == 1 else clean[clean[SERIES].isin(names[number::shards])]
            write_table(rows.reset_index(drop=True), of_shard / CLEAN_FILE)
        return {}

    publish(folder / "clean", write)
    made = publish(
        folder / "scaled",
        lambda f: scale_into(f, folder / "clean", config, ShardMap(folder / "of scale")),
    )
    hp = config.hyperparameters
    publish(
        folder / "windows",
        lambda f: cut_windows_into(
            f, folder / "scaled", hp.timesteps, hp.steps_ahead, 0, ShardMap(folder / "of windows")
        ),
    )
    return made, WindowDataset(folder / "windows")


@pytest.mark.parametrize(("split", "leaks"), [("by_series", False), ("at_time", True)])
def test_train_knows_no_row_after_the_cut_of_its_own_series(settings, tmp_path, split, leaks):
    """Other values after each series' own cut leave scalers, drift baseline and train windows alike."""
    config = parse_config(settings(hyperparameters={"split": split}))
    changed = panel()
    late = after_own_cut(changed)
    changed.loc[late, ["load", "heat"]] = 3 * changed.loc[late, ["load", "heat"]] + 100
    (_, first), (_, second) = (
        prepared(tmp_path / name, frame, config)
        for name, frame in (("right", panel()), ("changed", changed))
    )
    files = [*scaler_files(tmp_path / "right" / "scaled"), tmp_path / "right/scaled" / INPUTS_FILE]
    same = [
        file.read_bytes() == (tmp_path / "changed/scaled" / file.name).read_bytes()
        for file in files
    ]
    one, two = first.read("train"), second.read("train")
    same.append(len(one.x) == len(two.x) and (one.x == two.x).all() and (one.y == two.y).all())
    assert all(same) is not leaks


def test_windows_lie_in_their_own_series_split_in_pipeline_and_class(settings, tmp_path):
    config = parse_config(settings(hyperparameters={"split": "by_series"}))
    hp = config.hyperparameters
    _, dataset = prepared(tmp_path, panel(), config)
    frame = panel().set_index("when")
    model = fastLSTM(
        frame[["load", "heat"]], frame[["load"]], series=frame["site"], frequency="1h",
        LSTM_type="regressor", architecture="classic", scale_target=True, timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead, split="by_series", calendar=[], data_storage_path=tmp_path,
    )  # fmt: skip
    in_memory = model._windows()
    for split, (begin, end) in zip(SPLITS, ((0, 0.7), (0.7, 0.85), (0.85, 1)), strict=True):
        found, same = dataset.read(split), in_memory.read(split)
        np.testing.assert_array_equal(found.series, same.series)
        np.testing.assert_array_equal(found.origin, same.origin)
        np.testing.assert_allclose(found.x, same.x, atol=1e-5)
        for name, rows in ROWS.items():
            start = np.datetime64(BEGINS[name], "us")
            hours = (found.origin[found.series == name] - start) / np.timedelta64(1, "h")
            first, last = int(rows * begin + 1e-9), int(rows * end + 1e-9)
            expected = np.arange(max(first, hp.timesteps), last - hp.steps_ahead + 1)
            np.testing.assert_array_equal(hours, expected)
    assert len(model.X_train) == 140 + 70 + 42
    assert dataset.manifest["series_without"] == {}


def test_shards_give_what_one_table_gives(settings, tmp_path):
    config = parse_config(settings(hyperparameters={"split": "by_series"}))
    (one, whole), (two, cut) = (
        prepared(tmp_path / str(count), panel(), config, count) for count in (1, 2)
    )
    for name in ("rows", "train_rows", "cuts", "series_shares"):
        assert one[name] == two[name], name
    for name in ("windows", "cuts", "series_without", "series"):
        assert whole.manifest[name] == cut.manifest[name], name
    for split in SPLITS:
        first, second = whole.read(split), cut.read(split)
        order = np.lexsort((second.origin, second.series.astype(str)))
        np.testing.assert_array_equal(first.origin, second.origin[order])
        np.testing.assert_allclose(first.x, second.x[order], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_a_series_that_one_scale_of_all_loses_is_named_by_shards_too(settings, tmp_path, count):
    scope = {"split": "by_series", "scaler_scope": "table"}
    frame = panel()
    frame.loc[frame["site"] == "b", "load"] *= 1e8
    made, dataset = prepared(tmp_path, frame, parse_config(settings(hyperparameters=scope)), count)
    assert made["lost_in_scale"] == {"count": 2, "names": ["a", "c"], "of": 3}
    assert dataset.manifest["lost_in_scale"] == made["lost_in_scale"]


def test_scales_of_errors_come_from_each_series_own_train_rows(settings):
    config = parse_config(settings(hyperparameters={"split": "by_series"}))
    frame = panel()
    index = frame.rename(columns={"site": SERIES, "when": TIME})
    index[SEGMENT] = pd.factorize(frame["site"])[0]
    table = TargetTable.of(index, frame[["load"]])
    cut = table.validation_cut(config.hyperparameters, {"validation": 0})
    found = difference_sums(table, cut, 24, 0).scales.absolute[:, 0]
    train = frame[~after_own_cut(frame)]
    by_hand = train.groupby("site", sort=False)["load"].apply(lambda v: v.diff(24).abs().mean())
    np.testing.assert_allclose(found, by_hand)


def test_what_a_series_is_missing_is_said(tmp_path):
    """One training: its warnings and report, and what the scoring of its run says."""
    frame = pd.concat([panel(), make_panel(rows=7, series=("tiny",))]).set_index("when")
    given = {
        "LSTM_type": "regressor", "architecture": "classic", "timesteps": 6, "steps_ahead": 2,
        "frequency": "1h", "calendar": [], "epochs": 1, "series": frame["site"],
        "data_storage_path": tmp_path,
    }  # fmt: skip
    x, y = frame[["load"]], frame[["load"]]
    at_time = fastLSTM(x, y, **given)
    found = at_time._windows().manifest["series_without"]
    assert found["test"] == {"count": 3, "names": ["b", "c", "tiny"], "of": 4}
    assert found["train"]["names"] == ["tiny"]
    model = fastLSTM(x, y, split="by_series", **given)
    said = "1 of 4 series (tiny) have no train window, as they have too few rows, so the scored"
    with pytest.warns(UserWarning, match=r"tiny\) have no train window"):
        model.network_training(1, verbose=0)
    report = next(model.run_folder.glob("* - REPORT OF *")).read_text()
    assert "Each series is split by itself: its first 70% of rows are train" in report
    assert f"Warning: {said}" in report
    run = SavedRun(model.run_folder)
    origins = run.first_test_origins(np.array(["a", "b", "tiny", "new"]))
    begins = [pd.Timestamp(BEGINS[n]) + pd.Timedelta(hours=ROWS[n] * 0.85) for n in ("a", "b")]
    assert origins[:2].tolist() == [begin.value // 1000 for begin in begins]
    assert origins[2] == np.iinfo(np.int64).max and origins[3] == np.iinfo(np.int64).min

    new = frame.reset_index()
    new = pd.concat([new, new[new["site"] == "b"].assign(site="fresh")])
    new.to_csv(tmp_path / "new.csv", index=False)
    latest = forecast_latest(run, str(tmp_path / "new.csv"))
    (warning,) = latest.warnings
    assert warning.startswith("1 series are new to the run (fresh) and 1 series had no window to")
    # Without a common calendar no series is late; with one, those that ended are named.
    stored = json.loads(run.path("hyperparameters").read_text())
    assert stored["split"] == "by_series"
    run.hyperparameters = run.hyperparameters.model_copy(update={"split": "at_time"})
    _, ended = forecast_latest(run, str(tmp_path / "new.csv")).warnings
    assert ended.startswith(
        "4 series end so long before the newest row, 2024-03-09 07:00 UTC, that"
    )
    assert "b: 2021-01-05 03:00" in ended


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"series": None}}, "split: 'by_series' needs data.series"),
        ({"backtest": {"decides": True}}, "backtest.decides: a backtest has test periods at one"),
    ],
)
def test_settings_that_contradict_it_are_refused(settings, sections, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(settings(hyperparameters={"split": "by_series"}, **sections))


def test_a_backtest_is_refused(settings):
    config = parse_config(settings(hyperparameters={"split": "by_series"}))
    with pytest.raises(ConfigError, match=r"hyperparameters.split: a backtest has test periods"):
        plan_folds(np.arange(100), config.hyperparameters, config.backtest)

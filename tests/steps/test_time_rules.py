"""The five rules of time. Each check passes on the code as it is, and fails once its leak is put in.

A check that cannot fail proves nothing, so the leak of each rule is put in by monkeypatching, and the
same check must then raise.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts import file_names
from fastlstm.artifacts.file_names import CLEAN_FILE, INTERVALS_FILE, MODEL_FILE, SPREADS_FILE
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.config.reading import parse_config
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data import cleaning, scaling, seasons
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import fit_scalers
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.split import SPLITS, Cuts, cut_times
from fastlstm.data.tables import write_table
from fastlstm.data.time_grid import microseconds
from fastlstm.data.validation import LoadingFacts
from fastlstm.evaluation import baselines
from fastlstm.network.inference import load_network
from fastlstm.steps import scaled_table
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.evaluate import evaluate_into
from fastlstm.steps.prepare import scale_into, validate_into
from fastlstm.steps.shard_map import ShardMap
from fastlstm.steps.train import train_into
from fastlstm.windows import parquet, planning
from fastlstm.windows.parquet import WindowDataset
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("untraced")


class LeakError(AssertionError):
    """A check found a leak."""


def demand(condition: bool, leak: str) -> None:
    if not condition:
        raise LeakError(leak)


def holed_panel() -> pd.DataFrame:
    """Two series with holes whose 'load' is the number of the hour, 1000 higher in series b."""
    frame = make_panel(rows=200)
    frame["load"] = np.tile(np.arange(200.0), 2) + np.where(frame["site"] == "b", 1000.0, 0.0)
    return frame.drop(index=[40, 41, 120, 290]).reset_index(drop=True)


def steps(folder, frame: pd.DataFrame, config: RetrainConfig) -> WindowDataset:
    """Validate, scale and cut windows as the pipeline does."""
    table = frame.rename(columns={"site": SERIES, "when": TIME}).astype({SERIES: "str"})
    (folder / "table").mkdir(parents=True)
    write_table(table, folder / "table" / file_names.TABLE_FILE)
    shards = ShardMap(folder / "shards")
    publish(
        folder / "clean",
        lambda f: validate_into(
            f, folder / "table", config.data, shards=shards,
            labels=not config.hyperparameters.is_regressor,
            loading=LoadingFacts(), refused_report=folder / "refused.json",
        ),
    )  # fmt: skip
    publish(folder / "scaled", lambda f: scale_into(f, folder / "clean", config, shards))
    hp = config.hyperparameters
    publish(
        folder / "windows",
        lambda f: cut_windows_into(
            f, folder / "scaled", hp.timesteps, hp.steps_ahead, config.data.lookahead, shards
        ),
    )
    return WindowDataset(folder / "windows")


def unscaled(folder, windows):
    """Inputs and targets of 'load' in hours."""
    names = ("x_scaler.json", "y_scaler.json", "series_scales.parquet")
    scalers = scaling.read_scalers(*(folder / "scaled" / name for name in names))
    load = scalers.unscale_targets(windows.x[:, :, :1], windows.series)
    return np.round(load[:, :, 0]), np.round(
        scalers.unscale_targets(windows.y, windows.series)[:, :, 0]
    )


def every_window(folder, dataset):
    for split in SPLITS:
        windows = dataset.read(split)
        x, y = unscaled(folder, windows)
        start = np.datetime64("2024-01-01", "us")
        hour = (windows.origin - start) / np.timedelta64(1, "h")
        yield split, x, y, hour + np.where(windows.series == "b", 1000, 0)


# Rule 1: the origin's row is the first target and never an input.


def check_alignment(folder, config):
    dataset = steps(folder, holed_panel(), config)
    for _, x, y, hour in every_window(folder, dataset):
        demand((x == hour[:, None] + np.arange(-6, 0)).all(), "inputs are not the rows before")
        demand(
            (y == hour[:, None] + np.arange(2)).all(), "targets are not the rows from the origin"
        )


def test_alignment(settings, tmp_path, monkeypatch):
    config = parse_config(settings())
    check_alignment(tmp_path / "right", config)
    right = parquet.input_windows
    monkeypatch.setattr(parquet, "input_windows", lambda f, o, t: right(f, o + 1, t))
    with pytest.raises(LeakError, match="inputs"):
        check_alignment(tmp_path / "leak", config)


# Rule 2: no window crosses a series or a hole.


def check_no_crossing(folder, config):
    dataset = steps(folder, holed_panel(), config)
    for _, x, y, _ in every_window(folder, dataset):
        rows = np.concatenate([x, y], axis=1)
        demand((np.diff(rows, axis=1) == 1).all(), "a window crosses a series or a hole")


def test_windows_cross_neither_series_nor_holes(settings, tmp_path, monkeypatch):
    config = parse_config(settings())
    check_no_crossing(tmp_path / "right", config)
    monkeypatch.setattr(
        cleaning, "contiguous_blocks", lambda series, positions: np.zeros(len(series), int)
    )
    with pytest.raises(LeakError, match="crosses"):
        check_no_crossing(tmp_path / "series", config)
    monkeypatch.setattr(
        cleaning, "contiguous_blocks", lambda series, _: np.cumsum(series != np.roll(series, 1))
    )
    with pytest.raises(LeakError, match="crosses"):
        check_no_crossing(tmp_path / "hole", config)


# Rule 3: a window belongs to the split that holds all rows its targets depend on.


def check_split(folder, config, frame, span):
    dataset = steps(folder, frame, config)
    cuts = dataset.manifest["cuts"]
    edges = {
        "train": (0, cuts["validation"]),
        "validation": (cuts["validation"], cuts["test"]),
        "test": (cuts["test"], 2**62),
    }
    for split, (low, high) in edges.items():
        first = dataset.read(split, columns=()).origin.astype(np.int64)
        last = first + (span - 1) * 3_600_000_000
        demand(bool(((first >= low) & (last < high)).all()), f"targets of {split} beyond its split")


def by_origin_only(first, last, cuts):
    return {
        "train": np.flatnonzero(first < cuts.validation),
        "validation": np.flatnonzero((first >= cuts.validation) & (first < cuts.test)),
        "test": np.flatnonzero(first >= cuts.test),
    }


def test_targets_stay_in_their_split(settings, tmp_path, monkeypatch):
    config = parse_config(settings())
    check_split(tmp_path / "right", config, make_panel(), 2)
    monkeypatch.setattr(planning, "split_of_windows", by_origin_only)
    with pytest.raises(LeakError, match="train"):
        check_split(tmp_path / "leak", config, make_panel(), 2)


_BINS = {"wet": {"column": "heat", "operation": "max", "horizon": 3, "bins": [0, 0.5]}}


@pytest.mark.parametrize("label", [{}, pytest.param(_BINS, marks=pytest.mark.soak)])
def test_rows_a_derived_label_looks_at_stay_in_the_split(
    settings, tmp_path, monkeypatch, rain_sections, label
):
    rain_sections["data"]["derived_targets"] |= label
    rain_sections["hyperparameters"]["class_weight"] = None
    config = parse_config(settings(**rain_sections))
    check_split(tmp_path / "right", config, make_panel(), 3)
    plan = parquet.plan_windows
    monkeypatch.setattr(
        parquet, "plan_windows", lambda frame, y, steps_in, span, cuts: plan(
            frame, y, steps_in, 1, cuts
        ),
    )  # fmt: skip
    with pytest.raises(LeakError, match="train"):
        check_split(tmp_path / "leak", config, make_panel(), 3)


def test_every_series_is_cut_at_the_same_time(settings, tmp_path):
    panel = make_panel()
    late = panel[(panel["site"] == "a") | (panel["when"] >= pd.Timestamp("2024-01-04", tz="UTC"))]
    dataset = steps(tmp_path, late, parse_config(settings()))
    times = np.unique(microseconds(late["when"]))
    assert dataset.manifest["cuts"] == vars(cut_times(times, 0.7, 0.15))
    for split in ("validation", "test"):
        windows = dataset.read(split, columns=())
        starts = [windows.origin[windows.series == name].min() for name in ("a", "b")]
        assert starts[0] == starts[1]


# Rule 4: scalers see train rows only; epoch, stop and threshold see validation; test is read once.


def after(frame: pd.DataFrame, moment: int) -> np.ndarray:
    return microseconds(frame["when"]) >= moment


def check_scalers(folder, config):
    frame = make_panel()
    changed = frame.copy()
    cut = cut_times(microseconds(frame["when"]), 0.7, 0.15).validation
    changed.loc[after(frame, cut), ["load", "heat"]] *= 50
    one = steps(folder / "one", frame, config).read("train")
    two = steps(folder / "two", changed, config).read("train")
    demand(np.array_equal(one.x, two.x), "later rows changed the scaled train inputs")
    demand(np.array_equal(one.y, two.y), "later rows changed the scaled train targets")


@pytest.mark.parametrize("scaler", ["StandardScaler", "MinMaxScaler", "RobustScaler"])
def test_scalers_see_train_rows_only(settings, tmp_path, monkeypatch, scaler):
    config = parse_config(settings(hyperparameters={"scaler_type": scaler}))
    check_scalers(tmp_path / "right", config)

    def fit_on_all(x, y, times, label_known, cuts, hp, later, series):
        return fit_scalers(x, y, times, label_known, Cuts(2**62, 2**62), hp, None, series)

    monkeypatch.setattr(scaled_table, "fit_scalers", fit_on_all)
    with pytest.raises(LeakError, match="later rows"):
        check_scalers(tmp_path / "leak", config)


def check_seasons(folder, config):
    frame = make_panel(rows=400)
    cut = cut_times(microseconds(frame["when"]), 0.7, 0.15).validation
    changed = frame.copy()
    later = after(frame, cut)
    changed.loc[later, "load"] = np.random.default_rng(1).normal(0, 1e6, later.sum())
    found = []
    for name, table in (("one", frame), ("two", changed)):
        steps(folder / name, table, config)
        manifest = read_manifest(folder / name / "windows")
        found.append({key: manifest[key] for key in FoundSeasons().facts()})
    demand(found[0]["season"] == 24, "no season was found in train rows")
    demand(json.dumps(found[0]) == json.dumps(found[1]), "later rows changed the seasons")


@pytest.mark.parametrize("lookahead", [0, 3])
def test_seasons_see_train_rows_only(settings, tmp_path, monkeypatch, lookahead):
    sections = {"evaluation": {"season_length": None}}
    if lookahead:
        target = {"column": "load", "operation": "mean", "horizon": 1 + lookahead}
        sections["data"] = {"targets": ["next"], "derived_targets": {"next": target}}
    config = parse_config(settings(**sections))
    check_seasons(tmp_path / "right", config)
    right = seasons.label_end
    leaks = {"all": lambda times, *_: times * 0, "labels": lambda times, *_: times}
    for leak in ("all", "labels") if lookahead else ("all",):
        with monkeypatch.context() as patch, pytest.raises(LeakError, match="later rows"):
            patch.setattr(seasons, "label_end", leaks[leak])
            check_seasons(tmp_path / leak, config)
    assert seasons.label_end is right


def test_scaler_of_what_is_known_ahead_sees_no_value_from_beyond_train(
    settings, tmp_path, monkeypatch
):
    section = {"known_ahead": {"heat": 2}, "targets": ["load"]}
    config = parse_config(settings(data=section, hyperparameters={"steps_ahead": 2}))
    check_scalers(tmp_path / "right", config)
    monkeypatch.setattr(scaled_table, "later_times", lambda *_: {})
    with pytest.raises(LeakError, match="later rows"):
        check_scalers(tmp_path / "leak", config)


def test_scaler_of_a_derived_target_sees_no_label_that_looks_beyond_train(settings, tmp_path):
    section = {
        "targets": ["next"],
        "derived_targets": {"next": {"column": "load", "operation": "max", "horizon": 5}},
    }
    config = parse_config(settings(data=section))
    check_scalers(tmp_path, config)


@pytest.mark.soak
def test_classes_of_bins_see_no_row_beyond_train(settings, tmp_path, monkeypatch, rain_sections):
    bins = {"column": "heat", "operation": "mean", "horizon": 3, "bins": [-0.3, 0.3]}
    rain_sections["data"] |= {"targets": ["level"], "derived_targets": {"level": bins}}
    rain_sections["hyperparameters"]["class_weight"] = None
    config = parse_config(settings(**rain_sections))
    check_scalers(tmp_path / "right", config)
    derive = cleaning.derive

    def with_edges_of_all_rows(values, block, target):
        edges = np.quantile(values, [0.3, 0.7]).tolist()
        return derive(values, block, target.model_copy(update={"bins": edges}))

    monkeypatch.setattr(cleaning, "derive", with_edges_of_all_rows)
    with pytest.raises(LeakError, match="train targets"):
        check_scalers(tmp_path / "leak", config)


def trained(folder, config, frame, **patches):
    steps(folder, frame, config)
    out = folder / "network"
    out.mkdir()
    train_into(
        str(out), str(folder / "windows"), config.hyperparameters.model_dump(), lambda _: None
    )
    return pd.read_csv(out / "history.csv")


def check_training_ignores_test(folder, config):
    frame = make_panel(rows=120)
    changed = frame.copy()
    cut = cut_times(microseconds(frame["when"]), 0.7, 0.15).test
    changed.loc[after(frame, cut), ["load", "heat"]] *= -3
    one = trained(folder / "one", config, frame)
    two = trained(folder / "two", config, changed)
    demand(one.equals(two), "test rows changed the training history")
    networks = (load_network(folder / n / "network" / MODEL_FILE) for n in ("one", "two"))
    pairs = zip(*(network.get_weights() for network in networks), strict=True)
    demand(all(np.array_equal(a, b) for a, b in pairs), "test rows changed the network")


class _Redirected(WindowDataset):
    """Gives test windows for validation: the leak of fastLSTM 1.0."""

    def batches(self, split, batch_size, seed=None):
        return super().batches("test" if split == "validation" else split, batch_size, seed)

    def folded(self, split):
        return super().folded("test" if split == "validation" else split)

    def count(self, split):
        return super().count("test" if split == "validation" else split)


def test_epoch_stop_and_learning_rate_ignore_test_rows(settings, tmp_path, monkeypatch):
    import fastlstm.steps.train

    config = parse_config(settings())
    check_training_ignores_test(tmp_path / "right", config)
    monkeypatch.setattr(fastlstm.steps.train, "WindowDataset", _Redirected)
    with pytest.raises(LeakError, match="test rows"):
        check_training_ignores_test(tmp_path / "leak", config)


def test_training_never_opens_a_test_file(settings, tmp_path, monkeypatch):
    opened = []
    parts = WindowDataset._parts

    def spy(self, split):
        opened.append(split)
        return parts(self, split)

    monkeypatch.setattr(WindowDataset, "_parts", spy)
    trained(tmp_path, parse_config(settings()), make_panel())
    assert set(opened) == {"train", "validation"}


def test_a_refit_sees_no_test_row(settings, tmp_path):
    config = parse_config(settings(hyperparameters={"refit": True, "epochs": 1}))
    check_training_ignores_test(tmp_path, config)


@pytest.mark.soak
def test_a_refit_that_sees_test_rows_is_found(settings, tmp_path, monkeypatch):
    import fastlstm.training.combination
    import fastlstm.training.refit
    import fastlstm.windows.parquet

    config = parse_config(settings(hyperparameters={"refit": True, "epochs": 1}))
    monkeypatch.setattr(
        fastlstm.windows.parquet, "parts_of", lambda split: tuple(split.split(" and "))
    )
    for module in (fastlstm.training.combination, fastlstm.training.refit):
        monkeypatch.setattr(module, "LEARNED", "train and test")
    with pytest.raises(LeakError, match="test rows"):
        check_training_ignores_test(tmp_path, config)
    assert WindowDataset(tmp_path / "one" / "windows").count("train and test")


@pytest.mark.parametrize(
    "leak",
    [
        None,
        *(
            pytest.param(n, marks=pytest.mark.soak)
            for n in ("learned", "chosen", "trusted", "started")
        ),
    ],
)
def test_a_combination_sees_no_test_row(settings, ready_network, tmp_path, monkeypatch, leak):
    from fastlstm.training import combination
    from fastlstm.training.naive_weights import NaiveErrors

    segment = {"architecture": "segment", "timesteps": 8, "segment_units": 4, "epochs": 1}
    config = parse_config(settings(hyperparameters=segment))
    if leak is None:
        check_training_ignores_test(tmp_path / "right", config)
        return
    module, name, moved = {
        "learned": (combination, "solve", {"train": "test"}),
        "chosen": (combination, "solve", {"validation": "test"}),
        "trusted": (combination, "error_sums", {"validation": "test"}),
        "started": (NaiveErrors, "of", {"train": "test"}),
    }[leak]
    monkeypatch.setattr(module, name, leaking(getattr(module, name), moved))
    with pytest.raises(LeakError, match="test rows"):
        check_training_ignores_test(tmp_path / "leak", config)


def check_start(setup_of):
    """``setup_of`` gives a training's settings and windows, where rows from a cut on are others."""
    first, *others = (
        setup_of(first_changed).naive_weights for first_changed in (None, "validation")
    )
    demand(np.array_equal(first, others[0]), "later rows changed the weights of naive forecasts")
    assert not np.array_equal(first, setup_of("train").naive_weights)


def test_the_naive_forecasts_to_improve_on_are_weighed_by_train_rows_alone(monkeypatch):
    from fastlstm.training import setup
    from fastlstm.training.naive_weights import NaiveErrors
    from tests.training.test_combination import CUTS, hyperparameters, wave, windows

    def setup_of(first_changed):
        values = wave()
        if first_changed is not None:
            start = {"train": 0, "validation": CUTS.validation}[first_changed]
            values[start:] += np.cumsum(np.random.default_rng(3).normal(size=len(values) - start))
        hp = hyperparameters()
        return setup.TrainingSetup(windows(values, hp), hp, lambda _: None)

    check_start(setup_of)
    right = NaiveErrors.of
    for split in ("validation", "test"):
        monkeypatch.setattr(NaiveErrors, "of", leaking(right, {"train": split}))
        with pytest.raises(LeakError, match="later rows"):
            check_start(setup_of)


def leaking(function, moved):
    """The function with windows of other splits than it asks for."""
    return lambda *given, **settings: function(
        *(Moved(one, moved) if hasattr(one, "manifest") else one for one in given), **settings
    )


class Moved:
    """Windows that give those of one split for those of another."""

    def __init__(self, windows, moved):
        self.manifest, self._windows, self._moved = windows.manifest, windows, moved

    def __getattr__(self, name):
        return lambda split, *more, **settings: getattr(self._windows, name)(
            self._moved.get(split, split), *more, **settings
        )


def check_a_refit_changes_nothing_that_validation_decides(
    folder, sections, settings, from_validation
):
    """``from_validation`` picks from the metrics what an evaluation takes from validation."""
    found = []
    for name, refit in (("one", False), ("two", True)):
        own = {**sections["hyperparameters"], "refit": refit, "epochs": 1}
        config = parse_config(settings(**{**sections, "hyperparameters": own}))
        metrics = thresholds(folder / name, config, make_panel(rows=400, series=("a",)))
        files = [folder / name / "evaluation" / file for file in (INTERVALS_FILE, SPREADS_FILE)]
        half_widths = [pd.read_parquet(file).to_dict() for file in files if file.exists()]
        assert len(half_widths) in (0, 2)
        found.append((from_validation(metrics), half_widths, metrics["test"]["model"]))
    demand(
        found[0][:2] == found[1][:2], "a network that had learned validation windows forecast them"
    )
    assert found[0][2] != found[1][2]


TASKS = pytest.mark.parametrize("task", ["regressor", "classifier"])


@pytest.fixture
def decided_by_validation(task, rain_sections, settings):
    """Checks what the evaluation of a task takes from validation, in a folder."""

    def threshold(metrics):
        return metrics["outputs"]["wet"]["threshold"] if task == "classifier" else None

    sections = rain_sections if task == "classifier" else {"hyperparameters": {}}
    return lambda folder: check_a_refit_changes_nothing_that_validation_decides(
        folder, sections, settings, threshold
    )


@pytest.mark.soak
@TASKS
def test_thresholds_and_intervals_come_from_a_network_that_has_not_learned_validation(
    decided_by_validation, tmp_path
):
    decided_by_validation(tmp_path)


@pytest.mark.soak
@TASKS
def test_thresholds_and_intervals_of_a_network_that_has_learned_validation_are_found(
    decided_by_validation, tmp_path, monkeypatch
):
    import fastlstm.steps.forecast_shards

    monkeypatch.setattr(fastlstm.steps.forecast_shards, "CHOSEN_MODEL_FILE", MODEL_FILE)
    with pytest.raises(LeakError, match="had learned validation"):
        decided_by_validation(tmp_path)


def thresholds(folder, config, frame):
    import json

    trained(folder, config, frame)
    (folder / "evaluation").mkdir()
    evaluate_into(
        str(folder / "evaluation"), str(folder / "network"), str(folder / "windows"),
        str(folder / "scaled"), str(folder / "clean"), config.model_dump(), lambda _: None,
    )  # fmt: skip
    return json.loads((folder / "evaluation" / "metrics.json").read_text())


def check_threshold(folder, config):
    frame = make_panel(rows=400, series=("a",))
    changed = frame.copy()
    cut = cut_times(microseconds(frame["when"]), 0.7, 0.15).test
    later = after(frame, cut)
    changed.loc[later, "rain"] = np.where(frame.loc[later, "rain"] > 0.5, 0.0, 1.0)
    one, two = (thresholds(folder / n, config, f) for n, f in (("one", frame), ("two", changed)))
    demand(
        one["outputs"]["wet"]["threshold"] == two["outputs"]["wet"]["threshold"],
        "test labels changed the decision threshold",
    )
    assert one["outputs"]["wet"]["positives"] != two["outputs"]["wet"]["positives"]


def test_threshold_is_chosen_on_validation(settings, tmp_path, rain_sections):
    rain_sections["hyperparameters"]["epochs"] = 1
    check_threshold(tmp_path, parse_config(settings(**rain_sections)))


@pytest.mark.soak
def test_a_threshold_that_is_chosen_on_test_is_found(
    settings, tmp_path, monkeypatch, rain_sections
):
    import fastlstm.steps.evaluate

    class Redirected(_Redirected):
        def read(self, split, columns=("x", "y")):
            return super().read("test" if split == "validation" else split, columns)

    rain_sections["hyperparameters"]["epochs"] = 1
    monkeypatch.setattr(fastlstm.steps.evaluate, "WindowDataset", Redirected)
    with pytest.raises(LeakError, match="threshold"):
        check_threshold(tmp_path, parse_config(settings(**rain_sections)))


# Rule 5: the baselines are scored too, on the same windows, and know only the past.


def check_baselines_know_the_past_only(lookahead):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(120, 1))
    segment = np.zeros(120, int)
    for origin in (60, 77, 99):
        changed = values.copy()
        # With a look-ahead, the value of row r is known only after row r + lookahead.
        changed[origin - lookahead :] += 100
        at = np.array([origin])
        for name, forecast in (
            ("naive", lambda v, o=at: baselines.naive(v, segment, o, 5, lookahead)),
            (
                "seasonal naive",
                lambda v, o=at: baselines.seasonal_naive(v, segment, o, 5, 7, lookahead),
            ),
            ("drift", lambda v, o=at: baselines.drift(v, segment, o, 5, 20, lookahead)),
        ):
            demand(np.array_equal(forecast(values), forecast(changed)), f"{name} knows the future")


@pytest.mark.parametrize("lookahead", [0, 5])
def test_baselines_know_only_the_past(monkeypatch, lookahead):
    check_baselines_know_the_past_only(lookahead)
    right = baselines._values_at
    monkeypatch.setattr(baselines, "_values_at", lambda v, s, o, rows: right(v, s, o, rows + 1))
    with pytest.raises(LeakError, match="future"):
        check_baselines_know_the_past_only(lookahead)


@pytest.mark.soak
@TASKS
def test_every_evaluation_scores_the_baselines_too(settings, tmp_path, rain_sections, task):
    config = parse_config(settings(**(rain_sections if task == "classifier" else {})))
    metrics = thresholds(tmp_path, config, make_panel(rows=400))
    names = {
        "regressor": ["last_value", "last_season", "drift"], "classifier": ["prior", "last_class"]
    }[task]  # fmt: skip
    assert list(metrics["test"]) == ["model", *names]
    for name in names:
        test = metrics["test"][name]
        assert test["windows"] <= metrics["test"]["model"]["windows"]
        assert ("model_on_same_windows" in test) == (test["windows"] < metrics["windows"])
    assert SEGMENT in pd.read_parquet(tmp_path / "clean" / CLEAN_FILE)

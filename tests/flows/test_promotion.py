"""The verdict on a challenger, by hand-made scores and by a real comparison."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm import SavedRun
from fastlstm.artifacts.folders import write_manifest
from fastlstm.registry.promotion import decide_promotion
from fastlstm.steps.comparability import rows_for
from fastlstm.steps.compare import compare
from tests.flows.test_saved_run import remanifest


def manifest(value=2.0, better="lower", name="mae", **baselines):
    given = baselines or {"last_value": 5.0, "last_season": 4.0}
    return {
        "primary": {"name": name, "value": value, "better": better},
        "baselines": {k: {"baseline": v, "model": value} for k, v in given.items()},
    }


def against(mine, other, series=(), trained=False):
    return {
        "comparable": True,
        "challenger": mine,
        "champion": other,
        "by_series": {str(i): {"challenger": m, "champion": o} for i, (m, o) in enumerate(series)},
        "trained_on_test": trained,
    }


@pytest.mark.parametrize(
    ("given", "comparison", "promote", "reason"),
    [
        (manifest(), None, True, "MAE 2 against best baseline 4; first champion"),
        (manifest(4.5), None, False, "MAE 4.5 does not beat the seasonal naive forecast, 4"),
        (manifest(4.0), None, False, "does not beat the seasonal naive forecast"),
        (manifest(), against(1.92, 2.05), True, "MAE 1.92 against champion 2.05"),
        (
            manifest(), against(2.1, 2.05, [(1, 2), (3, 2), (3, 2)]), False,
            "MAE 2.1 against champion 2.05; challenger not better on 2 of 3 series",
        ),
        (manifest(), against(2.05, 2.05), False, "against champion 2.05"),
        (manifest(9.0), against(1.0, 2.0), False, "9 does not beat the seasonal naive forecast, 4"),
        (
            manifest(4.5, last_value=4.0, last_season=6.0), against(1.0, 2.0), False,
            "4.5 does not beat the naive (last value) forecast, 4",
        ),
        (manifest(), against(1.0, 2.0, trained=True), True, "had trained on part of these windows"),
        (
            manifest(0.6, "higher", "average_precision", prior=0.2, last_class=0.4), None, True,
            "average precision 0.6 against best baseline 0.4",
        ),
        (
            manifest(0.3, "higher", "average_precision", prior=0.2, last_class=0.4), None, False,
            "0.3 does not beat the naive (last class) forecast, 0.4",
        ),
        (manifest(None), None, False, "undefined"),
        (manifest(None, name="mase"), None, False, "MASE is undefined on these test windows (no series"),
        (
            manifest(), {"comparable": False, "why": "it forecasts other targets"}, False,
            "cannot be compared with the champion: it forecasts other targets; run 'fastlstm promote ",
        ),
    ],
)  # fmt: skip
def test_verdict(given, comparison, promote, reason):
    verdict = decide_promotion(given, comparison)
    assert verdict.promote is promote and reason in verdict.reason


@pytest.mark.parametrize(("error", "promote"), [(2.0, True), (9.0, False)])
def test_a_champion_that_cannot_be_compared_is_replaced_by_a_run_that_beats_the_baselines(
    error, promote
):
    comparison = {"comparable": False, "why": "its feature 'price' is no longer in the data"}
    verdict = decide_promotion(manifest(error), comparison, replaces_incomparable=True)
    assert verdict.promote is promote
    assert ("'price' is no longer in the data" in verdict.reason) is promote


def test_baseline_is_judged_on_the_windows_it_has():
    given = manifest()
    given["baselines"]["last_season"] = {"baseline": 3.0, "model": 3.5}
    assert (
        "3.5 does not beat the seasonal naive forecast, 3" in decide_promotion(given, None).reason
    )


@pytest.fixture
def two_runs(finished, tmp_path):
    """The finished run, a copy of it to change, and its clean table."""
    own = Path(finished.run.location)
    copy = tmp_path / "champion"
    shutil.copytree(own, copy)
    clean = next((own.parents[2] / "work" / "validate").iterdir())
    return own, copy, clean


@pytest.mark.soak
def test_same_network_scores_the_same_on_the_same_windows(two_runs):
    own, copy, clean = two_runs
    scores = compare(str(own), str(copy), str(clean), lambda _: None)
    assert scores["windows"] == SavedRun(own).metrics["windows"]
    metrics = SavedRun(own).metrics
    assert metrics["primary"]["name"] == "mase"
    assert scores["challenger"] == pytest.approx(metrics["primary"]["value"])
    for label, of_series in metrics["by_series"].items():
        assert scores["by_series"][label]["challenger"] == pytest.approx(of_series["model"]["mase"])
    assert scores["champion"] == pytest.approx(scores["challenger"], rel=1e-5)
    assert set(scores["by_series"]) == {"a", "b"} and not scores["trained_on_test"]


def test_the_champion_is_loaded_once_per_process(two_runs, monkeypatch):
    own, copy, clean = two_runs
    loaded = []
    for module, name in (("runs.saved_run", "load_network"), ("network.serving", "load_onnx")):
        module = importlib.import_module(f"fastlstm.{module}")
        right = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda f, *more, right=right: loaded.append(f) or right(f, *more)
        )
    compare(str(own), str(copy), str(clean), lambda _: None)
    assert len(loaded) == 1 and loaded[0].is_relative_to(copy)
    champion = SavedRun(copy)
    frame = pd.read_parquet(next(clean.glob("*.parquet")))
    for _ in range(3):
        champion.forecast(frame, np.arange(10, 20))
    assert len(loaded) == 2


def with_primary(folder, name):
    """Let a stored run have another primary metric."""
    about = json.loads((folder / "manifest.json").read_text())
    about["primary"]["name"] = name
    write_manifest(folder, {k: v for k, v in about.items() if k not in ("files", "content_sha256")})


def test_scaled_errors_are_means_over_series_by_the_challengers_train_rows(two_runs):
    """By hand: each series' error over its seasonal naive error on the challenger's train rows."""
    own, copy, clean = two_runs
    with_primary(copy, "mae")  # the champion's own metric does not count
    scores = compare(str(own), str(copy), str(clean), lambda _: None)
    frame = pd.read_parquet(next(clean.glob("*.parquet")))
    cut = pd.Timestamp(SavedRun(own).manifest["cuts"]["validation"], unit="us", tz="UTC")
    train = frame[frame["__time"] < cut]
    scale = train.groupby("__series")["load"].apply(lambda v: v.diff(24).abs().mean())
    told = pd.read_parquet(SavedRun(own).path("predictions"))
    error = (told["prediction"] - told["truth"]).abs() / told["series"].map(scale).astype(float)
    by_series = error.groupby(told["series"]).mean()
    np.testing.assert_allclose(told["scale"], told["series"].map(scale).astype(float))
    assert scores["challenger"] == pytest.approx(by_series.mean())
    assert scores["champion"] == pytest.approx(by_series.mean(), rel=1e-5)
    assert scores["by_series"]["a"]["challenger"] == pytest.approx(by_series["a"])


def test_a_champion_is_compared_on_the_challengers_metric(two_runs):
    own, copy, clean = two_runs
    with_primary(copy, "mae")
    scores = compare(str(copy), str(own), str(clean), lambda _: None)
    pooled = SavedRun(own).metrics["test"]["model"]["mae"]
    assert scores["challenger"] == pytest.approx(pooled)
    assert scores["champion"] == pytest.approx(pooled, rel=1e-5)


def edited(copy, **changes):
    saved = SavedRun(copy)
    settings = {**saved.settings}
    settings["data"] = {**settings["data"], **changes.pop("data", {})}
    saved.path("hyperparameters").write_text(json.dumps({**settings, **changes}))
    remanifest(copy)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"data": {"targets": ["heat"]}}, "other targets or another horizon"),
        ({"steps_ahead": 3}, "other targets or another horizon"),
        ({"data": {"features": ["load", "wind"]}}, "feature 'wind' is no longer in the data"),
        ({"timesteps": 400}, "longer than any contiguous block"),
        ({"data": {"target_lookahead": 3}}, "other targets or another horizon"),
        ({"data": {"frequency": "15min"}}, "its rows are 15min apart, now 1h"),
        ({"data": {"frequency": "B"}}, "its rows are B apart, now 1h"),
        ({"data": {"series": None}}, "its rows are one series, those of 'site' now are several"),
        (
            {
                "data": {
                    "time_zone": "Asia/Tokyo",
                    "calendar": ["hour"],
                    "features": ["load", "heat", "hour_sin", "hour_cos"],
                }
            },
            "its time zone is Asia/Tokyo, now UTC",
        ),
    ],
)
def test_champions_that_cannot_be_compared(two_runs, changes, why):
    own, copy, clean = two_runs
    edited(copy, **changes)
    scores = compare(str(own), str(copy), str(clean), lambda _: None)
    assert scores["comparable"] is False and why in scores["why"]


def test_where_series_are_split_each_by_itself_each_is_looked_at(two_runs):
    own, copy, clean = two_runs
    edited(copy, split="by_series")
    assert not compare(str(own), str(copy), str(clean), lambda _: None)["trained_on_test"]
    told = pd.read_parquet(SavedRun(copy).path("predictions"))
    first = told.loc[told["series"] == "b", "origin"].min()
    told[(told["series"] == "a") | (told["origin"] > first)].to_parquet(
        SavedRun(copy).path("predictions")
    )
    remanifest(copy)
    # The champion has learned from the rows of b up to its own first test window.
    assert compare(str(own), str(copy), str(clean), lambda _: None)["trained_on_test"]


@pytest.mark.parametrize("now", [None, "1h"])
@pytest.mark.parametrize(
    ("before", "why"), [("1h", None), ("15min", "its rows are 15min apart, now 1h")]
)
def test_rows_without_a_declared_frequency_are_compared_by_their_times(two_runs, before, now, why):
    """Where a run declares none, the distance is that of the rows of its test windows."""
    own, copy, clean = two_runs
    edited(copy, data={"frequency": None})
    told = pd.read_parquet(SavedRun(copy).path("predictions"))
    hours = (told["origin"] - told["origin"].min()) / pd.Timedelta("1h")
    told["origin"] = told["origin"].min() + hours * pd.Timedelta(before)
    told.to_parquet(SavedRun(copy).path("predictions"))
    remanifest(copy)
    if now is None:
        other = copy.parent / "challenger"
        shutil.copytree(own, other)
        edited(other, data={"frequency": None})
        own = other
    scores = compare(str(own), str(copy), str(clean), lambda _: None)
    assert scores.get("why") == why and scores["comparable"] is (why is None)


@pytest.mark.parametrize(("units", "comparable"), [(("kW", "kW"), True), (("kW", "W"), False)])
def test_columns_in_another_unit_are_not_compared(two_runs, units, comparable):
    own, copy, clean = two_runs
    other = copy.parent / "challenger"
    shutil.copytree(own, other)
    for folder, unit in zip((copy, other), units, strict=True):
        edited(folder, data={"columns": {"load": {"unit": unit}}})
    scores = compare(str(other), str(copy), str(clean), lambda _: None)
    assert scores["comparable"] is comparable
    assert comparable or scores["why"] == "its 'load' is in kW, now in W"


def test_a_champion_has_the_calendar_and_the_series_that_it_was_trained_with(two_runs):
    """Columns of one name may come from other settings, or be columns of the source now."""
    _, copy, clean = two_runs
    frame = pd.read_parquet(next(clean.glob("*.parquet"))).assign(hour_sin=7.0)
    frame["site=b"] = 7.0
    own = {"calendar": ["hour"], "embedded_series": ["b"], "time_zone": "Asia/Tokyo"}
    edited(copy, data={**own, "features": ["load", "heat", "hour_sin", "site=b"]})
    champion = SavedRun(copy)
    rows = rows_for(champion, frame, champion.data)
    angle = 2 * np.pi * frame["__time"].dt.tz_convert("Asia/Tokyo").dt.hour / 24
    np.testing.assert_allclose(rows["hour_sin"], np.sin(angle), atol=1e-9)
    assert (rows["site=b"] == (frame["__series"] == "b")).all()


def test_a_champion_that_trained_on_these_windows_is_told(two_runs):
    own, copy, clean = two_runs
    about = json.loads((copy / "manifest.json").read_text())
    about["cuts"]["first_test_origin"] = "2030-01-01T00:00:00.000000Z"
    write_manifest(copy, {k: v for k, v in about.items() if k not in ("files", "content_sha256")})
    assert compare(str(own), str(copy), str(clean), lambda _: None)["trained_on_test"]

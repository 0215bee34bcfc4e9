"""What the Prefect UI shows: tables of all forecasts, small figures, and progress."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace
from uuid import UUID

import numpy as np
from PIL import Image

from tasks import prefect_artifacts

SCORES = {"model": {"mase": 0.5}, "last_season": {"mase": 1.0}, "last_season_168": {"mase": 2.0}}


def test_baselines_of_other_seasons_are_scored():
    run = SimpleNamespace(metrics={"test": SCORES, "primary": {"name": "mase"}})
    rows = prefect_artifacts._scores(run, SimpleNamespace(champion=None))
    assert [row["MASE"] for row in rows] == [0.5, 1.0, 2.0]
    assert len({row["forecast"] for row in rows}) == 3


def test_folds_are_shown_with_baselines_that_some_lack(tmp_path, monkeypatch):
    tables = []
    monkeypatch.setattr(prefect_artifacts, "_embedded", lambda _: ({}, []))
    monkeypatch.setattr(prefect_artifacts, "_show_markdown", lambda *_, **__: None)
    monkeypatch.setattr(prefect_artifacts, "_show_table", lambda rows, **_: tables.append(rows))
    about = dict.fromkeys(
        ("learned_from", "learned_to", "test_from", "test_to", "epochs", "windows"), 1
    )
    folds = [
        {"fold": "1", **about, "model": 0.5, "last_season_168": None},
        {"fold": "2", **about, "model": 0.5, "last_season_168": 2.0},
    ]
    summary = {"primary": "mase", "better": "lower", "folds": folds, "significance": {}}
    prefect_artifacts.report_backtest(
        "m", SimpleNamespace(path=str(tmp_path), message="done"), summary
    )
    (rows,) = tables
    (name,) = (name for name in rows[0] if "168" in name)
    assert [row[name] for row in rows] == [None, 2.0]


def test_a_report_holds_small_figures_and_names_the_others(tmp_path):
    line = Image.new("RGB", (992, 632), "white")
    line.paste("red", (10, 300, 980, 303))
    noise = Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (632, 992, 3), dtype=np.uint8), "RGB"
    )
    files = [tmp_path / name for name in ("loss.png", "large.png", "forecast.png")]
    for file, picture in zip(files, (line, noise, line), strict=True):
        picture.save(file)
    shown, others = prefect_artifacts._embedded(files)
    assert list(shown) == [files[0], files[2]] and others == [files[1]]
    data = base64.b64decode(shown[files[0]].partition("base64,")[2].removesuffix(")"))
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (480, 306) and len(small.getcolors()) <= 32
        colors = [color for _, color in small.convert("RGB").getcolors()]
        assert any(red > 240 and green < 80 and blue < 80 for red, green, blue in colors)
    assert sum(map(len, shown.values())) < 4 / 3 * prefect_artifacts._FIGURES_LIMIT + 200


def test_progress_is_shown_some_ten_times(monkeypatch):
    made, updated, logged = [], [], []
    create = lambda percent, **_: made.append(percent) or UUID(int=1)  # noqa: E731
    update = lambda _, progress, **__: updated.append(progress)  # noqa: E731
    monkeypatch.setattr(prefect_artifacts, "create_progress_artifact", create)
    monkeypatch.setattr(prefect_artifacts, "update_progress_artifact", update)
    logger = SimpleNamespace(info=logged.append)
    monkeypatch.setattr(prefect_artifacts, "get_run_logger", lambda: logger)
    progress = prefect_artifacts.TrainingProgress(SimpleNamespace(stored_name="m"))
    for epoch in range(1, 101):
        progress({"event": "epoch", "epoch": epoch, "epochs": 100, "loss": 1.0, "val_loss": 1.0})
    progress.end("trained")
    assert made == [1.0] and updated == [*range(10, 101, 10), 100.0]
    assert len(logged) == 21

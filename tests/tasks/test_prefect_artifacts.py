"""Tables of the Prefect UI: every forecast has a row or a column, whatever seasons the rows have."""

from __future__ import annotations

from types import SimpleNamespace

from tasks import prefect_artifacts

SCORES = {"model": {"mase": 0.5}, "last_season": {"mase": 1.0}, "last_season_168": {"mase": 2.0}}


def test_baselines_of_other_seasons_are_scored():
    run = SimpleNamespace(metrics={"test": SCORES, "primary": {"name": "mase"}})
    rows = prefect_artifacts._scores(run, SimpleNamespace(champion=None))
    assert [row["MASE"] for row in rows] == [0.5, 1.0, 2.0]
    assert len({row["forecast"] for row in rows}) == 3


def test_folds_are_shown_with_baselines_that_some_lack(tmp_path, monkeypatch):
    tables = []
    monkeypatch.setattr(prefect_artifacts, "_embedded", str)
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

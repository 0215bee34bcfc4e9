"""The table artifact of test metrics, as a person reads it."""

from __future__ import annotations

from types import SimpleNamespace

from tasks import prefect_artifacts
from tasks.references import Health, LabelHealth, Outcome, RunReference


def test_every_row_has_a_name_and_mape_its_unit():
    scores = {"mae": 1.5, "mape": 0.1214, "r2": None}
    run = SimpleNamespace(
        metrics={"test": {"model": scores, "last_value": scores}, "primary": {"name": "mae"}}
    )
    where = RunReference(model_name="m", run_id="r", location="", content_sha256="")
    outcome = Outcome(run=where, promoted=True, message="", champion="c", champion_score=2.0)
    rows = prefect_artifacts._scores(run, outcome)
    assert [row["forecast"] for row in rows] == ["network", "champion c", "naive (last value)"]
    assert all(all(row) for row in rows)  # Prefect draws no column without a name
    assert rows[0] == {"forecast": "network", "MAE": 1.5, "MAPE": "12.1%", "R²": None}
    assert rows[1] == {"forecast": "champion c", "MAE": 2.0, "MAPE": None, "R²": None}


def test_monitoring_shows_each_class_beside_its_scores_on_test():
    scores = {"log_loss": 0.7, "accuracy": 0.5, "expected_accuracy": None}
    labels = [
        LabelHealth(column="sky", label=None, forecasts=1200, expected_log_loss=0.6, **scores),
        LabelHealth(column="sky", label="a|b", forecasts=9, expected_log_loss=None, **scores),
    ]
    health = Health(
        degraded=False, error_name="", live_error=None, promised_error=None, forecasts=0, psi={},
        input_rows=0, labels=labels, reasons=[], message="",
    )  # fmt: skip
    lines = prefect_artifacts._label_lines(health)
    assert lines[-2] == "| sky | all | 1,200 | 0.7 | 0.6 | 0.5 | absent |"
    assert r"| a\|b | 9 | 0.7 | absent |" in lines[-1]

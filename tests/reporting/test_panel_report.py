"""The report of a panel: how the metric is distributed over series, the worst, and those left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastlstm.config.reading import parse_config
from fastlstm.reporting.markdown import ReportContext, markdown_report, metrics_by_series, summary

KINDS = ("model", "last_value", "last_season")
STORED = Path(__file__).parents[1] / "stored_runs" / "small"


@pytest.fixture
def context(settings):
    by_series = {
        f"s{i}": dict(zip(KINDS, ({"mase": v} for v in (i / 10, 2.0, 1.0)), strict=True))
        for i in range(1, 15)
    }
    by_series["flat"] = {kind: {"mase": None} for kind in KINDS}
    metrics = {
        "task": "regressor",
        "primary": {"name": "mase", "value": 0.75, "better": "lower"},
        "windows": 1200,
        "first_origin": "2024-01-08T02:00:00Z",
        "last_origin": "2024-01-09T05:00:00Z",
        "season_length": 24,
        "test": {kind: {"mae": 1.0, "mase": 0.75, "windows": 1200} for kind in KINDS},
        "by_series": by_series,
        "over_series": {
            "series": 14, "mean": 0.75, "median": 0.7, "worst_tenth": 1.27,
            "better_than": {
                "last_value": {"series": 14, "share": 1.0},
                "last_season": {"series": 12, "share": 0.75},
                "absent": {"series": 0, "share": None},
            },
        },
        "undefined_series": {"count": 1, "names": {"constant in train": ["flat"]}},
    }  # fmt: skip
    return ReportContext("2024-01-10 00-00-00", parse_config(settings()), metrics, {}, {})


def section(context):
    return "\n".join(metrics_by_series(context))


def test_the_distribution_over_series_is_told(context):
    assert (
        "Over 14 series: mean 0.75, median 0.7, worst tenth 1.27 or more. Better than the naive (last "
        "value) on 100% of 14 series, than the seasonal naive on 75% of 12 series."
    ) in section(context)
    assert "MASE on test, mean over 14 series: **0.75**." in "\n".join(summary(context))


def test_the_worst_ten_stand_beside_their_baselines_the_worst_first(context):
    lines = section(context).splitlines()
    assert "The worst 10 of 14 series:" in lines
    rows = [line for line in lines if line.startswith("| s")][1:]  # without the header
    assert rows[0] == "| s14 | 1.4 | 2 | 1 |" and len(rows) == 10
    assert [row.split()[1] for row in rows] == [f"s{i}" for i in range(14, 4, -1)]


def test_series_left_out_are_named_and_counted(context):
    assert "1 series left out, as MASE is undefined for them (constant in train: flat)." in section(
        context
    )
    many = {"constant in train": [f"c|{i}" for i in range(12)], "no test window": ["new"]}
    context.metrics["undefined_series"] = {"count": 13, "names": many}
    text = section(context)
    assert "13 series left out" in text and "c\\|9 and 2 more; no test window: new)." in text
    assert "c\\|10" not in text


def test_a_few_series_are_all_listed(context):
    for i in range(4, 15):
        del context.metrics["by_series"][f"s{i}"]
    text = section(context)
    assert "The worst" not in text and text.count("\n| s") == 1 + 3


def test_the_lowest_scores_are_the_worst_of_a_metric_to_maximise(context):
    context.metrics["primary"]["better"] = "higher"
    del context.metrics["over_series"], context.metrics["undefined_series"]
    rows = [line for line in section(context).splitlines() if line.startswith("| s")][1:]
    assert [row.split()[1] for row in rows] == [f"s{i}" for i in range(1, 11)]


def test_a_single_series_has_no_section_unless_it_is_left_out(context):
    context.metrics["by_series"] = {"flat": context.metrics["by_series"]["flat"]}
    assert "constant in train: flat" in section(context)
    context.metrics["undefined_series"] = {"count": 0, "names": {}}
    assert section(context) == ""


def test_pooled_metrics_are_called_so_in_a_panel_alone(context):
    context.metrics["split_windows"] = dict.fromkeys(("train", "validation", "test"), 9)
    training = {
        "epochs": 1,
        "stopped_early": False,
        "best_epoch": 1,
        "parameters": 1,
        "seconds": 1.0,
    }
    checks = {
        "checks_run": 1, "rows_in": 1, "rows_out": 1, "warnings": [], "filled": {}, "dropped": {},
        "out_of_range_as_missing": {},
    }  # fmt: skip

    def report():
        return markdown_report("R", context.config, context.metrics, training, checks)

    assert "The other metrics are pooled over all windows" in report()
    context.metrics["primary"]["name"] = "mae"
    for scores in context.metrics["by_series"].values():
        for kind in KINDS:
            scores[kind]["mae"] = 1.0
    assert "pooled" not in report() and "mean over 14 series" not in report()


@pytest.mark.parametrize("folder", sorted(STORED.glob("2*")), ids=lambda folder: folder.name)
def test_reports_of_runs_that_earlier_code_stored_still_render(context, folder):
    (file,) = folder.glob("* - METRICS OF *")
    old = ReportContext("R", context.config, json.loads(file.read_text()), {}, {})
    text = "\n".join([*summary(old), *metrics_by_series(old)])
    assert "MAE on test: **" in text and "## MAE by series" in text and "| a |" in text

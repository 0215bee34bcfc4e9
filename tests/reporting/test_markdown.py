"""The report of a run: every section from stored facts, and nothing of sections that do not apply."""

from __future__ import annotations

import copy
import re

import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.reading import parse_config
from fastlstm.reporting import markdown
from fastlstm.reporting.markdown import SECTIONS, ReportContext, markdown_report
from fastlstm.reporting.network import network_sentence
from fastlstm.reporting.text import (
    forecast_name,
    markdown_table,
    refit_text,
    rows_sentence,
    season_text,
    warm_start_text,
)

METRICS = {
    "task": "regressor",
    "primary": {"name": "mae", "value": 0.5},
    "windows": 1200,
    "first_origin": "2024-01-08T02:00:00Z",
    "last_origin": "2024-01-09T05:00:00Z",
    "season_length": 24,
    "test": {
        "model": {"mae": 0.5, "mape": 0.12, "windows": 1200},
        "last_value": {"mae": 0.75, "mape": None, "windows": 1200},
        "last_season": {"mae": 0.625, "mape": 0.2, "windows": 1100},
    },
    "by_series": {"a|b": {k: {"mae": 0.5} for k in ("model", "last_value", "last_season")}},
    "split_windows": {"train": 5000, "validation": 1000, "test": 1200},
}  # fmt: skip
TRAINING = {
    "epochs": 7, "stopped_early": True, "best_epoch": 3, "parameters": 4321, "seconds": 12.3,
}  # fmt: skip
CHECKS = {
    "checks_run": 16, "rows_in": 400, "rows_out": 390, "warnings": [],
    "out_of_range_as_missing": {}, "filled": {}, "dropped": {},
}  # fmt: skip
SKILL = {"better": True, "p_value": 0.01, "difference": 0.25, "origins": 900, "margin": None}


@pytest.fixture
def context(settings):
    config = parse_config(settings())
    facts = copy.deepcopy((METRICS, TRAINING, CHECKS))
    return ReportContext("2024-01-10 00-00-00", config, *facts)


def report(context):
    return markdown_report(
        context.run_id, context.config, context.metrics, context.training, context.checks
    )


def test_a_plain_report_has_these_sections_and_no_others(context):
    text = report(context)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# small · 2024-01-10 00-00-00 UTC", "## Test metrics", "## Training", "## Data checks",
    ]  # fmt: skip
    assert "MAE on test: **0.5**. Target load, horizon 2 steps, look-back 6." in text
    assert "1,200 windows, 2024-01-08 02:00 to 2024-01-09 05:00 UTC." in text
    assert "| naive (last value) | 0.75 | – | 1,200 |" in text
    assert "| seasonal naive | 0.625 | 20.0% | 1,100 |" in text
    assert "\n\nNetwork: 'classic' (as set): LSTM layers over 6 rows" in text
    assert "7 of at most 2 epochs (stopped early), epoch 3 kept by val_loss" in text
    assert "\n\n\n" not in text and text.endswith("used.\n")


def test_a_section_is_one_entry(context, monkeypatch):
    monkeypatch.setattr(markdown, "SECTIONS", (*SECTIONS, lambda c: [f"Seed {c.hp.seed}", ""]))
    assert report(context).endswith("used.\n\nSeed 1\n")


def test_series_are_listed_where_there_are_several(context):
    context.metrics["by_series"]["c"] = context.metrics["by_series"]["a|b"]
    text = report(context)
    assert "## MAE by series" in text
    assert "| series | network | naive (last value) | seasonal naive |" in text
    assert "| a\\|b | 0.5 | 0.5 | 0.5 |" in text


def test_a_season_that_the_look_back_does_not_hold_is_named_with_the_setting():
    assumed = {"season": None, "seasons": [], "assumed_season": 52, "season_evidence": []}
    text = season_text(52, assumed, 50)
    assert "Season: 52 rows" in text and text.endswith("set timesteps to 52 or more.")
    assert "timesteps" not in season_text(52, assumed, 52)


def test_an_unknown_season_is_named_with_its_setting(context):
    context.metrics["season_length"] = None
    assert "set evaluation.season_length for the seasonal naive baseline" in report(context)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "the network is significantly better (5%) than the naive forecast; its mean absolute "
             "error is 0.25 lower in scaled units, p = 0.01, Diebold-Mariano test."),
        ({"better": False, "difference": -0.25}, "not significantly better (5%) than the naive "
             "forecast, so the saved network gives the naive forecast** (naive_unless_better); its "
             "mean absolute error is 0.25 higher in scaled units"),
        ({"better": False, "p_value": None}, "900 forecast origins are too few for the test."),
        ({"margin": 0.1, "steps": 4, "of_all_steps": 0.125}, "over the first 4 steps ahead, as the "
             "origins are too few to test all steps. A difference of more than 0.1 is required. "
             "Over all steps the error is 0.125 lower."),
    ],
)  # fmt: skip
def test_the_skill_test_of_a_stored_run_in_words(context, change, sentence):
    context.training["proof"] = {**SKILL, **change}
    assert sentence in report(context)


def test_weights_of_a_stored_runs_combination_only_where_it_is_used(context):
    context.training["linear"] = {"share": 0.75, "penalty": {"own": 0.1, "others": 3.0}}
    text = report(context)
    assert "weight 25% for the LSTM, 75% for a ridge regression" in text
    assert "(penalty 0.1, times 3 for other columns)" in text
    context.training["proof"] = {**SKILL, "better": False}
    assert "ridge" not in report(context)


WEIGHTS = {"lstm": 0.3, "linear": 0.3, "naive": 0.1, "seasonal_naive_24": 0.3, "drift": 0.0}
COMBINATION = {
    "weights": WEIGHTS, "first_step": {**WEIGHTS, "lstm": 0.35, "naive": 0.05}, "last_step": WEIGHTS,
    "trust": 0.6, "gain": 0.25, "origins": 900, "penalty": {"own": 0.1, "others": 3.0},
}  # fmt: skip
NAIVE_WEIGHTS = {"lstm": 0.01, "naive": 0.99, "drift": 0.0}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "Trust in the network: 60%; the loss of LSTM and ridge regression is 25% lower than that "
             "of the mean of the naive forecasts over 900 forecast origins of validation."),
        ({}, "Forecast combination, mean over the steps: LSTM 30%, ridge regression 30%, naive (last "
             "value) 10%, seasonal naive (24 rows) 30%. The naive forecast is naive (last value) 25%, "
             "seasonal naive (24 rows) 75%, by train windows. The ridge regression has the penalty "
             "0.1, times 3 for other columns, chosen on validation."),
        ({"first_step": {**WEIGHTS, "lstm": 0.5, "seasonal_naive_24": 0.1}},
         "30%. At the first step ahead: LSTM 50%, ridge regression 30%, naive (last value) 10%, "
         "seasonal naive (24 rows) 10%. At the last: LSTM 30%,"),
        ({"weights": NAIVE_WEIGHTS, "first_step": NAIVE_WEIGHTS, "last_step": NAIVE_WEIGHTS,
          "trust": 0.01, "gain": -0.1, "penalty": None},
         "**On validation the network adds nothing to the naive forecast, so the forecast is the naive "
         "one** (trust 1%): the loss of the LSTM is 10% higher than that of the mean of the naive "
         "forecasts over 900 forecast origins of validation."),
        ({"trust": 0.0, "gain": 0.4}, "of validation, which is no more than chance may give."),
        ({"trust": 0.0, "gain": 0.4, "steps": 600},
         "over 900 forecast origins of validation, which is no more than chance may give. That is 1.5 "
         "times the horizon of 600 steps, too few to be sure of a gain: raise "
         "`hyperparameters.validation_size_rate` and lower `train_size_rate` by as much, or forecast "
         "fewer steps."),
    ],
)  # fmt: skip
def test_the_combination_in_words(context, change, sentence):
    context.training["combination"] = {**COMBINATION, **change}
    text = report(context)
    assert sentence in text
    assert ("At the first step" in text) == (
        "lstm" in change.get("first_step", {}) and len(change) == 1
    )
    assert ("adds nothing" in text) == (change.get("trust", 1) < 0.05)


@pytest.mark.parametrize("change", [{"steps": 400}, {"gain": -0.1}, {"trust": 1.0}])
def test_advice_on_validation_only_where_it_is_short_and_its_gain_not_believed(context, change):
    context.training["combination"] = {**COMBINATION, "steps": 600, **change}
    assert "times the horizon" not in report(context)


def test_without_naive_forecasts_nothing_is_said_of_trust(context):
    both = {"lstm": 0.25, "linear": 0.75}
    context.training["combination"] = {
        **COMBINATION, "weights": both, "first_step": both, "last_step": both, "trust": 1.0,
        "gain": None,
    }  # fmt: skip
    text = report(context)
    assert "mean over the steps: LSTM 25%, ridge regression 75%. The ridge regression has" in text
    assert "rust" not in text


def test_refit_and_warm_start_are_reported(context):
    context.training.update(refit={}, warm_start={"why": "its columns differ"})
    text = report(context)
    assert "Refit: retrained for 3 epochs on train and validation windows." in text
    assert "Warm start: not tried from the champion's weights: its columns differ." in text


def test_clauses_of_refit_and_warm_start():
    assert refit_text({"best_epoch": 1}).startswith("retrained for 1 epoch on")
    kept = {"kept": "champion", "from": "R1", "metric": "val_loss", "champion": 0.5, "new": 0.75}
    assert warm_start_text(kept) == (
        "kept the training from weights of champion R1, val_loss 0.5 against 0.75 from new weights"
    )


@pytest.mark.parametrize(
    ("features", "note"), [(8, ""), (9, "1 more feature of less"), (11, "3 more features of less")]
)
def test_feature_importance_counts_the_features_it_leaves_out(context, features, note):
    context.metrics["importance"] = [
        {"feature": f"f{i}", "from": lag, "to": lag, "permutation": i / lag,
         "integrated_gradients": 0.25}
        for i in range(features) for lag in (1, 2)
    ]  # fmt: skip
    text = report(context)
    assert len(re.findall(r"\| f\d", text)) == 8  # the most important
    top = features - 1
    assert f"| f{top} | {top * 1.5:.4g} | 1 | 0.5 |" in text
    assert note in text and ("more feature" in text) == bool(note)
    context.metrics["importance"] += [
        {"feature": "unknown", "from": 1, "to": 1, "permutation": None, "integrated_gradients": 0.1}
    ]
    text = report(context)
    assert "The 1 features with the smallest integrated gradients were not permuted." in text
    assert "| unknown" not in text


def test_intervals_list_baselines_for_one_target_alone(context):
    rows = [
        {"level": 0.8, "target": "load", "forecast": forecast, "method": method, "coverage": 0.815,
         "width": 3.0, "score": 4.0}
        for forecast in ("model", "last_value") for method in ("conformal", "adaptive")
    ]  # fmt: skip
    context.metrics["intervals"] = {"overall": rows, "rate": 0.005, "validation_windows": 56}
    assert "too few" not in report(context)
    context.metrics["intervals"]["notes"] = ["too few validation windows for 95% intervals: 3"]
    text = report(context)
    assert "- too few validation windows for 95% intervals: 3" in text
    assert "| 0.8 | load | network | conformal | 81.5% | 3 | 4 |" in text
    assert "| 0.8 | load | naive (last value) | adaptive |" in text
    assert "naive (last value) | conformal" not in text
    rows += [{**row, "target": "heat"} for row in rows]
    text = report(context)
    assert text.count("| network | adaptive |") == 2 and "network | conformal" not in text
    assert "naive (last value) | adaptive" not in text


def test_changes_of_the_data_are_listed_by_column(context):
    context.checks.update(
        filled={"heat": 3},
        dropped={"load": 1200},
        out_of_range_as_missing={"rain": 2},
        warnings=[{"check": "constant", "column": "x*", "message": "same value"}],
    )
    text = report(context)
    for line in (
        "- warning: constant · x\\*: same value", "- heat: 3 missing values filled forward",
        "- load: 1,200 rows with a missing value dropped", "- rain: 2 values out of range set to",
    ):  # fmt: skip
        assert line in text


def test_tables_align_text_left_and_numbers_right():
    assert markdown_table(["a", "b", "c"], [["x", "y", "1"]], text_columns=(0, 1)) == [
        "| a | b | c |", "| --- | --- | ---: |", "| x | y | 1 |",
    ]  # fmt: skip


def test_a_baseline_without_an_entry_has_a_readable_name():
    assert forecast_name("model") == "network"
    assert forecast_name("moving_average") == "moving average"


EVIDENCE = {
    "rows": 24, "series": 3, "autocorrelation": 0.9, "bound": 0.1, "share": 1.0, "relative_error": 0.3,
}  # fmt: skip
WEEK = {**EVIDENCE, "rows": 168, "autocorrelation": 0.2, "relative_error": None}
UNTESTED = {**dict.fromkeys(EVIDENCE), "rows": 168, "series": 0}


@pytest.mark.parametrize(
    ("season", "found", "sentence"),
    [
        (24, {}, "Season: 24 rows (the usual one of this frequency)."),
        (24, {"season": None, "seasons": [], "assumed_season": 24, "season_evidence": [UNTESTED]},
         "Season: 24 rows (the usual one of this frequency; train is too short to find any)."),
        (24, {"season": 24, "seasons": [24, 168], "season_evidence": [EVIDENCE, WEEK]},
         "Season: 24 rows (found in train rows: 24 rows, autocorrelation 0.90, error of the seasonal "
         "naive 0.30 of the naive forecast's; 168 rows, autocorrelation 0.20)."),
        (None, {"season": None, "seasons": [], "season_evidence": [WEEK]},
         "No season was found in the train rows (168 rows, autocorrelation 0.20); set"),
    ],
)  # fmt: skip
def test_the_season_and_its_origin_are_told(settings, context, season, found, sentence):
    context.config.evaluation.season_length = None
    context.metrics.update(season_length=season, seasons=found)
    assert sentence in report(context)


def test_a_season_that_is_set_is_told(context):
    assert "Season: 24 rows, as set." in report(context)


def test_limits_of_forecasts_are_named(settings):
    rules = {"columns": {"load": {"minimum": 0}}}
    for data, text in (
        (rules, "Forecasts and intervals keep to the limits: load at least 0."),
        ({"columns": {"load": {"minimum": -1, "maximum": 90}}}, "load at least -1 and at most 90."),
        ({**rules, "clip_forecasts": False}, None),
    ):
        config = parse_config(settings(data=data))
        found = report(ReportContext("2024-01-10 00-00-00", config, METRICS, TRAINING, CHECKS))
        assert text in found if text else "keep to the limits" not in found


@pytest.mark.recipe
@pytest.mark.parametrize(
    ("changes", "features", "words"),
    [
        ({}, ["a"], "'segment' (the default for forecasts of columns from their own past): 8 segments "
         "of 3 rows, LSTM of 32 units, direct decoding; the mean of 5 members, every second one of "
         "which corrects the last value; each window normalized ('last'); "
         "sized for 600 sequences to learn from."),
        ({"future_features": {"hour_sin+2": 2}}, ["a", "hour_sin+2"],
         "each window normalized ('last'); the calendar read in every row; sized"),
        ({"timesteps": 1}, ["a"], "'classic' (as a look-back of one row has no segments)"),
        ({"activation": "relu"}, ["a"], "'classic' (as activation is set)"),
        ({"scale_targets": False}, ["a"], "'classic' (as the targets are not scaled)"),
        ({}, ["b"], "'classic' (as not all targets are among the features)"),
        ({"architecture": "classic"}, ["a"], "'classic' (as set): LSTM layers over 24 rows"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_the_network_is_named_with_the_reason_for_it(changes, features, words):
    given = {"LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 2, "scale_targets": True}
    hp = Hyperparameters.model_validate({**given, **changes})
    assert words in network_sentence(hp, features, ["a"], 600, [])


def test_the_calibration_error_stands_beside_what_chance_makes(context):
    by_class = {"precision": 0.8, "recall": 0.7, "f1": 0.75, "support": 9}
    scores = {
        "classes": ["dry", "wet"], "confusion_matrix": [[5, 1], [2, 1]], "accuracy": 0.7,
        "by_class": {"dry": by_class, "wet": by_class}, "calibration_error": 0.06,
    }  # fmt: skip
    context.metrics["labels"] = {"sky": scores}
    assert "calibration error 0.06." in "\n".join(markdown.labels(context))  # of an earlier version
    scores |= {
        f"calibration_error_{name}": value
        for name, value in (("by_chance", 0.041), ("limit", 0.07), ("debiased", 0.02))
    }
    text = "\n".join(markdown.labels(context))
    assert "0.06, no more than chance makes" in text and "0.041 on average" in text
    scores["calibration_error"] = 0.08
    assert "0.08, more than chance makes" in "\n".join(markdown.labels(context))


def test_rows_to_forecast_are_not_called_dropped():
    told = rows_sentence(3, loaded=2_480, known=2_400, left=2_396)
    assert told == "3 values filled, 4 rows dropped, 2,396 rows left, 80 rows to forecast"
    assert rows_sentence(0, 10, 10, 10) == "0 values filled, 0 rows dropped, 10 rows left"

"""The short report of a run that people read."""

from __future__ import annotations

from typing import Any

from fastlstm.config.retrain import RetrainConfig
from fastlstm.reporting.text import (
    NAMES,
    markdown_table,
    number,
    plain,
    refit_told,
    score_table,
    title,
    warm_start_told,
)

_MOST_FEATURES = 8  # in the table of what matters


def _lower(gain: float) -> str:
    return "lower" if gain > 0 else "higher"


def _proof(skill: dict[str, Any] | None) -> list[str]:
    """What validation said of the network beside the naive value, where it had to prove itself."""
    if skill is None:
        return []
    if skill["p_value"] is None:
        found = f"{skill['origins']:,} origins are too few to tell"
    else:
        found = (
            f"the mean absolute error is {number(abs(skill['difference']))} scaled units "
            f"{_lower(skill['difference'])}, p = {skill['p_value']:.2g}, Diebold-Mariano"
        )
        if skill.get("margin"):  # runs of before have none
            found += (
                f", over the first {skill['steps']:,} steps ahead, for the origins are too few to test "
                f"all (there more than {number(skill['margin'])} is asked); over all it is "
                f"{number(abs(skill['of_all_steps']))} {_lower(skill['of_all_steps'])}"
            )
    verdict = (
        "Validation shows the network to be better than the naive value"
        if skill["better"]
        else "**Validation does not show the network to be better than the naive value, which it "
        "therefore forecasts** (naive_unless_better)"
    )
    return [f"{verdict}: {found}.", ""]


def _interval_lines(intervals: dict[str, Any] | None) -> list[str]:
    """Coverage and width of the prediction intervals on test."""
    if intervals is None:
        return []
    several = len({row["target"] for row in intervals["overall"]}) > 1
    best = "adaptive" if intervals["rate"] else "conformal"
    rows = [
        [
            f"{row['level']:.4g}",
            plain(row["target"]),
            NAMES[row["forecast"]],
            row["method"],
            f"{row['coverage']:.1%}",
            number(row["width"]),
            number(row["score"]),
        ]
        for row in intervals["overall"]
        # The baselines beside one target; with several the table would bury the report.
        if row["method"] == best or (row["forecast"] == "model" and not several)
        if row["forecast"] == "model" or not several
    ]
    header = ["level", "target", "forecast", "interval", "inside", "mean width", "interval score"]
    return [
        "## Prediction intervals on test",
        "",
        f"From {intervals['validation_windows']:,} validation windows (conformal); adaptive ones move "
        f"on by what was known before each forecast (rate {intervals['rate']:g}).",
        "",
        *markdown_table(header, rows),
        "",
    ]


def _importance_lines(lines: list[dict[str, Any]] | None, is_regressor: bool) -> list[str]:
    """The features that matter most, and where in the past."""
    if not lines:
        return []
    by_feature: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_feature.setdefault(line["feature"], []).append(line)
    totals = {name: sum(e["permutation"] for e in every) for name, every in by_feature.items()}
    rows = []
    for name in sorted(totals, key=lambda n: -totals[n])[:_MOST_FEATURES]:
        most = max(by_feature[name], key=lambda e: e["permutation"])
        span = f"{most['from']} to {most['to']}" if most["from"] != most["to"] else f"{most['to']}"
        attributed = sum(e["integrated_gradients"] for e in by_feature[name])
        rows.append([plain(name), number(totals[name]), span, number(attributed)])
    error = "mean absolute error, scaled units" if is_regressor else "Brier score"
    header = ["feature", "error increase", "most at rows before", "integrated gradients"]
    left = len(totals) - len(rows)
    more = (
        f" {left} more {'feature matters' if left == 1 else 'features matter'} less."
        if left
        else ""
    )
    return [
        "## What matters",
        "",
        f"Sums over stretches of past rows, each exchanged among validation windows ({error}).{more}",
        "",
        *markdown_table(header, rows),
        "",
    ]


def _linear_lines(training: dict[str, Any]) -> list[str]:
    """That a linear component stands beside the LSTM, and what validation chose for it."""
    linear, skill = training.get("linear"), training.get("proof")
    if linear is None or (skill is not None and not skill["better"]):  # the naive value is forecast
        return []
    penalty, share = linear["penalty"], linear["share"]
    others = (
        "" if penalty["others"] == 1 else f", {penalty['others']:g} times as much for other columns"
    )
    return [
        f"The forecast is {1 - share:.0%} the LSTM's and {share:.0%} that of ridge regression on the "
        f"same windows. Validation chose these shares and its penalty ({penalty['own']:g}{others}); "
        "epochs and curves are the LSTM's alone.",
        "",
    ]


def markdown_report(
    run_id: str,
    config: RetrainConfig,
    metrics: dict[str, Any],
    training: dict[str, Any],
    checks: dict[str, Any],
) -> str:
    """The report as Markdown: what was forecast, how well, from which data, with what caveats."""
    hp, data = config.hyperparameters, config.data
    found = training.get("warm_start")
    what = ", ".join(map(plain, data.targets))
    primary = metrics["primary"]
    lines = [
        f"# {hp.model_name} · {run_id} UTC",
        "",
        f"{title(primary['name'])} on test: **{number(primary['value'])}**. "
        f"Forecasts {what} {hp.steps_ahead} step{'s' if hp.steps_ahead > 1 else ''} ahead from "
        f"the last {hp.timesteps}, scored on {metrics['windows']:,} windows from "
        f"{metrics['first_origin'][:16].replace('T', ' ')} to "
        f"{metrics['last_origin'][:16].replace('T', ' ')}"
        f"{' UTC' if metrics['last_origin'].endswith('Z') else ''}.",
        "",
        "## Test scores beside what costs nothing",
        "",
        *markdown_table(*score_table(metrics["test"])),
        "",
    ]
    if metrics["task"] == "classifier":
        lines += ["## At the chosen threshold", ""]
        rows = []
        for name, scores in metrics["outputs"].items():
            yes = scores["report"]["1"]
            rows.append(
                [
                    plain(name),
                    number(scores["threshold"]),
                    number(yes["precision"]),
                    number(yes["recall"]),
                    number(yes["f1-score"]),
                    number(scores["calibration_error"]),
                    f"{scores['positives']:,} of {scores['windows']:,}",
                ]
            )
        header = [
            "output",
            "threshold",
            "precision",
            "recall",
            "F1",
            "calibration error",
            "positives",
        ]
        lines += [*markdown_table(header, rows), ""]
        notes = [*metrics["notes"], *training.get("uncalibrated", [])]
        lines += [*(f"- {plain(note)}" for note in notes), ""]
    elif metrics["season_length"] is None:
        lines += [
            "No usual season is known for this data: set evaluation.season_length to compare with "
            "the last season.",
            "",
        ]
    lines += _interval_lines(metrics.get("intervals"))
    series = metrics["by_series"]
    if len(series) > 1:
        name = primary["name"]
        kinds = list(metrics["test"])
        rows = [
            [plain(label), *(number(scores[k][name], name) for k in kinds)]
            for label, scores in series.items()
        ]
        lines += [f"## {title(name)} by series", ""]
        lines += [*markdown_table(["series", *(NAMES[k] for k in kinds)], rows), ""]
    lines += _importance_lines(metrics.get("importance"), hp.is_regressor)
    split = metrics["split_windows"]
    lines += [
        "## Training",
        "",
        f"{training['epochs']} of at most {hp.epochs} epochs"
        f"{' (stopped early)' if training['stopped_early'] else ''}, epoch "
        f"{training['best_epoch']} kept by {hp.checkpoint_monitor_metric}; "
        f"{training['parameters']:,} weights, {training['seconds']:.0f} s, seed {hp.seed}. "
        f"Windows: {split['train']:,} train, {split['validation']:,} validation, "
        f"{split['test']:,} test.",
        "",
        *_proof(training.get("proof")),
        *([f"Warm start: {warm_start_told(found)}.", ""] if found is not None else []),
        *([f"Refit: {refit_told(training)}.", ""] if "refit" in training else []),
        *_linear_lines(training),
        "## Data checks",
        "",
        f"{checks['checks_run']} checks passed or warned; {checks['rows_in']:,} rows in, "
        f"{checks['rows_out']:,} used.",
        "",
    ]
    lines += [
        f"- warning: {w['check']} · {plain(w['column'])}: {plain(w['message'])}"
        for w in checks["warnings"]
    ]
    for key, words in (
        ("out_of_range_as_missing", "values out of range, taken as missing"),
        ("filled", "values filled forward"),
        ("dropped", "rows dropped as missing"),
    ):
        lines += [f"- {column}: {count:,} {words}" for column, count in checks[key].items()]
    return "\n".join(lines).rstrip() + "\n"

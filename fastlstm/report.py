"""The short report of a run that people read."""

from __future__ import annotations

import html
import re
from typing import Any

from fastlstm.config import RetrainConfig

NAMES = {
    "model": "network",
    "last_value": "last value",
    "last_season": "last season",
    "prior": "prior",
    "last_class": "last class",
}
_TITLES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mape": "MAPE",
    "r2": "R²",
    "mase": "MASE",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
}
_MOST_FEATURES = 8  # in the table of what matters


def title(metric: str) -> str:
    """A metric's name as people write it."""
    return _TITLES.get(metric, metric)


def number(value: float | None, metric: str = "") -> str:
    """A metric's value for people: percent for MAPE, a dash where undefined."""
    if value is None:
        return "–"
    return f"{value:.1%}" if metric == "mape" else f"{value:.4g}"


def plain(text: str) -> str:
    """A name from the data as Markdown shows it, whatever it holds: no markup, no HTML, one line."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def score_table(test: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the test scores: the network first, then each baseline."""
    metrics = [m for m in test["model"] if m in _TITLES]
    header = ["", *(title(m) for m in metrics), "windows"]
    rows = [
        [
            NAMES[name],
            *(number(scores[m], m) for m in metrics),
            f"{scores['windows']:,}",
        ]
        for name, scores in test.items()
    ]
    return header, rows


def _markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "| --- |" + " ---: |" * (len(header) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _lower(gain: float) -> str:
    return "lower" if gain > 0 else "higher"


def _proof(proof: dict[str, Any] | None) -> list[str]:
    """What validation said of the network beside the naive value, where it had to prove itself."""
    if proof is None:
        return []
    if proof["p_value"] is None:
        found = f"{proof['origins']:,} origins are too few to tell"
    else:
        found = (
            f"the mean absolute error is {number(abs(proof['difference']))} scaled units "
            f"{_lower(proof['difference'])}, p = {proof['p_value']:.2g}, Diebold-Mariano"
        )
        if proof.get("margin"):  # runs of before have none
            found += (
                f", over the first {proof['steps']:,} steps ahead, for the origins are too few to test "
                f"all (there more than {number(proof['margin'])} is asked); over all it is "
                f"{number(abs(proof['of_all_steps']))} {_lower(proof['of_all_steps'])}"
            )
    verdict = (
        "Validation shows the network to be better than the naive value"
        if proof["better"]
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
        *_markdown_table(header, rows),
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
        *_markdown_table(header, rows),
        "",
    ]


def refit_told(training: dict[str, Any]) -> str:
    """In one sentence what a refit was, by the facts of a training."""
    epochs = training["best_epoch"]
    plural = "" if epochs == 1 else "s"
    return f"trained anew for {epochs} epoch{plural} on train and validation windows"


def _linear_lines(training: dict[str, Any]) -> list[str]:
    """That a linear component stands beside the LSTM, and what validation chose for it."""
    linear, proof = training.get("linear"), training.get("proof")
    if linear is None or (proof is not None and not proof["better"]):  # the naive value is forecast
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


def warm_start_told(warm_start: dict[str, Any]) -> str:
    """In one sentence how a warm start came out; see ``fastlstm.warm_start``."""
    if "why" in warm_start:
        return f"not tried from the champion's weights: {warm_start['why']}"
    scores = {name: number(warm_start[name]) for name in ("champion", "new")}
    kept, other = ("champion", "new") if warm_start["kept"] == "champion" else ("new", "champion")
    names = {"champion": f"weights of champion {warm_start['from']}", "new": "new weights"}
    return (
        f"kept the training from {names[kept]}, {warm_start['metric']} {scores[kept]} against "
        f"{scores[other]} from {names[other]}"
    )


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
        *_markdown_table(*score_table(metrics["test"])),
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
        lines += [*_markdown_table(header, rows), ""]
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
        lines += [*_markdown_table(["series", *(NAMES[k] for k in kinds)], rows), ""]
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

"""The report of a run as Markdown.

A section is one function that takes a ``ReportContext`` and returns its lines, none where it does not
apply. A new section is one function and one entry of ``SECTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastlstm.config.data import DataConfig
from fastlstm.config.forecast_limits import forecast_limits
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.seasons import seasons_by_error
from fastlstm.escaping import markdown
from fastlstm.reporting.combination import (
    combination_of,
    label_combination_of,
    old_skill_test,
)
from fastlstm.reporting.coverage import coverage_lines
from fastlstm.reporting.network import network_sentence, onnx_sentence
from fastlstm.reporting.text import (
    forecast_name,
    markdown_table,
    minute,
    number,
    refit_text,
    score_table,
    season_text,
    title,
    warm_start_text,
)

_MOST_FEATURES = 8  # in the table of feature importance
_MOST_SERIES = 10  # in the table by series, and by name among those left out


@dataclass(frozen=True)
class ReportContext:
    """The contents of a report.

    Attributes:
        run_id: the run, by its time in UTC.
        config: all settings.
        metrics: metrics on test, as the run stores them.
        training: facts of the training, as its manifest holds them.
        checks: the validation report of the data.
    """

    run_id: str
    config: RetrainConfig
    metrics: dict[str, Any]
    training: dict[str, Any]
    checks: dict[str, Any]

    @property
    def hp(self) -> Hyperparameters:
        """The hyperparameters."""
        return self.config.hyperparameters

    @property
    def data(self) -> DataConfig:
        """The settings of the table."""
        return self.config.data


def _section(heading: str, *paragraphs: list[str]) -> list[str]:
    """A heading and paragraphs, each followed by an empty line."""
    lines = [f"## {heading}", ""]
    for paragraph in paragraphs:
        lines += [*paragraph, ""] if paragraph else []
    return lines


def summary(context: ReportContext) -> list[str]:
    """Title, primary metric, horizon and test period."""
    hp, metrics = context.hp, context.metrics
    primary, last = metrics["primary"], metrics["last_origin"]
    targets = ", ".join(map(markdown, context.data.target_columns))
    steps = f"{hp.steps_ahead} step{'s' if hp.steps_ahead > 1 else ''}"
    return [
        f"# {markdown(context.config.stored_name)} · {context.run_id} UTC",
        "",
        f"{title(primary['name'])} on test{_over_series(metrics)}: **{number(primary['value'])}**. "
        f"Target {targets}, horizon {steps}, look-back {hp.timesteps}. Test: "
        f"{metrics['windows']:,} windows, {minute(metrics['first_origin'])} to {minute(last)}"
        f"{' UTC' if last.endswith('Z') else ''}.",
        "",
        *_known_of_later_rows(context.data),
        *_limits_of_forecasts(context.data, context.hp),
        *_split_of_series(context),
    ]


def _split_of_series(context: ReportContext) -> list[str]:
    """How series are split where each is by itself, and those without train windows or test windows."""
    hp, lines = context.hp, []
    if hp.split == "by_series":
        lines = [
            f"Each series is split by itself: its first {hp.train_size_rate:.0%} of rows are train, the "
            f"next {hp.validation_size_rate:.0%} validation, the rest test.",
            "",
        ]
    for line in coverage_lines(context.metrics, hp.split):
        lines += [f"Warning: {markdown(line)}.", ""]
    return lines


def _known_of_later_rows(data: DataConfig) -> list[str]:
    """The calendar and the covariates that are known of the rows to forecast, where there are any."""
    known = [
        *data.calendar_kinds,
        *map(markdown, data.known_future),
        *map(markdown, data.known_ahead),
    ]
    if data.holidays is not None:
        known.append(f"public holidays of {data.holidays}")
    return [f"Known of the rows to forecast: {', '.join(known)}.", ""] if known else []


def _limits_of_forecasts(data: DataConfig, hyperparameters: Hyperparameters) -> list[str]:
    """The limits that forecasts keep to, where targets have any, and which of them are rounded."""
    texts = []
    for target, (lower, upper) in forecast_limits(data, hyperparameters).items():
        ends = [] if lower is None else [f"at least {number(lower)}"]
        ends += [] if upper is None else [f"at most {number(upper)}"]
        texts.append(f"{markdown(target)} {' and '.join(ends)}")
    whole = ", ".join(map(markdown, data.rounded_targets))
    lines = [f"Forecasts are rounded to whole numbers: {whole}.", ""] if whole else []
    if texts:
        lines += [f"Forecasts and intervals keep to the limits: {'; '.join(texts)}.", ""]
    return lines


def _over_series(metrics: dict[str, Any]) -> str:
    """What the primary metric of a panel is a mean over, where it is one."""
    if not _counts_series_alike(metrics):
        return ""
    return f", mean over {metrics['over_series']['series']:,} series"


def _counts_series_alike(metrics: dict[str, Any]) -> bool:
    """Whether there are several series and the primary metric is the mean of theirs."""
    is_mean = metrics["primary"]["name"] in ("mase", "rmsse") and "over_series" in metrics
    return is_mean and len(metrics["by_series"]) > 1


def metrics_on_test(context: ReportContext) -> list[str]:
    """Metrics of the network and the baselines on test."""
    metrics, season = context.metrics, []
    if metrics["task"] != "classifier":
        is_set = context.config.evaluation.season_length is not None
        found = metrics.get("seasons", {})  # absent in runs of earlier versions
        timesteps = context.config.hyperparameters.timesteps
        season = [season_text(metrics["season_length"], found, timesteps, chosen=is_set)]
    if "log_loss" in metrics["test"]["model"]:
        season = [
            "The log loss of the last class is of the shares with which classes followed it in train."
        ]
    pooled = (
        "MASE and RMSSE are means over series. The other metrics are pooled over all windows, so that "
        "large series dominate them."
    )
    return _section(
        "Test metrics",
        markdown_table(*score_table(context.metrics["test"])),
        [pooled] if _counts_series_alike(context.metrics) else [],
        season,
    )


def labels(context: ReportContext) -> list[str]:
    """Confusion matrix, and precision, recall and F1 of every class, of each label column."""
    lines = []
    for column, scores in context.metrics.get("labels", {}).items():
        names = [markdown(name) for name in scores["classes"]]
        matrix = [
            [f"**{name}**", *(f"{count:,}" for count in counts)]
            for name, counts in zip(names, scores["confusion_matrix"], strict=True)
        ]
        by_class = [
            [name, *map(number, (of["precision"], of["recall"], of["f1"])), f"{of['support']:,}"]
            for name, of in zip(names, scores["by_class"].values(), strict=True)
        ]
        lines += _section(
            f"Classes of {markdown(column)} on test",
            [
                f"The likeliest class is right in {scores['accuracy']:.1%}; its probability has the "
                f"calibration error {number(scores['calibration_error'])}{_by_chance(scores)}."
            ],
            markdown_table(["class", "precision", "recall", "F1", "windows"], by_class),
            ["Confusion matrix, a row for each true class, a column for each forecast one:"],
            markdown_table(["true class", *names], matrix),
        )
    return lines


def _by_chance(scores: dict[str, Any]) -> str:
    """What a calibration error is to be compared with; nothing of a run that has not stored it."""
    keys = [f"calibration_error_{name}" for name in ("by_chance", "limit", "debiased")]
    if any(scores.get(key) is None for key in keys):
        return ""
    mean, limit, debiased = (scores[key] for key in keys)
    within = "no more" if scores["calibration_error"] <= limit else "more"
    return (
        f", {within} than chance makes of so many windows (perfectly calibrated ones have "
        f"{mean:.2g} on average, at most {limit:.2g} in 95%); without chance it is {debiased:.2g}"
    )


def decision_threshold(context: ReportContext) -> list[str]:
    """Metrics of a classifier's decisions, and notes."""
    metrics = context.metrics
    if metrics["task"] != "classifier":
        return []
    rows = []
    for name, scores in metrics["outputs"].items():
        positive = scores["report"]["1"]
        rows.append([
            markdown(name),
            *map(number, (
                scores["threshold"], positive["precision"], positive["recall"],
                positive["f1-score"], scores["calibration_error"],
                scores.get("calibration_error_by_chance"), scores.get("calibration_error_debiased"),
            )),
            f"{scores['positives']:,} of {scores['windows']:,}",
        ])  # fmt: skip
    header = [
        "output", "threshold", "precision", "recall", "F1", "calibration error",
        "of it by chance", "debiased", "positives",
    ]  # fmt: skip
    notes = [*metrics["notes"], *context.training.get("uncalibrated", [])]
    return _section(
        "Test metrics at the decision threshold",
        markdown_table(header, rows),
        [f"- {markdown(note)}" for note in notes],
    )


def prediction_intervals(context: ReportContext) -> list[str]:
    """Coverage, width and score of the prediction intervals on test.

    With one target the baselines are listed too, with several the network alone.
    """
    intervals = context.metrics.get("intervals")
    if intervals is None:
        return []
    has_one_target = len({row["target"] for row in intervals["overall"]}) == 1
    best_method = "adaptive" if intervals["rate"] else "conformal"
    rows = [
        [
            f"{row['level']:.4g}", markdown(row["target"]), forecast_name(row["forecast"]),
            row["method"], f"{row['coverage']:.1%}", number(row["width"]), number(row["score"]),
        ]
        for row in intervals["overall"]
        if row["method"] == best_method or (row["forecast"] == "model" and has_one_target)
        if row["forecast"] == "model" or has_one_target
    ]  # fmt: skip
    header = [
        "level", "target", "forecast", "method", "coverage", "mean width", "interval score",
    ]  # fmt: skip
    method = (
        f"Conformal intervals from {intervals['validation_windows']:,} validation windows. Adaptive "
        f"intervals also follow the errors known before each forecast (step size "
        f"{intervals['rate']:g})."
    )
    return _section(
        "Prediction intervals on test",
        [method],
        [f"- {markdown(note)}" for note in intervals.get("notes", [])],
        markdown_table(header, rows, text_columns=(1, 2, 3)),
    )


def metrics_by_series(context: ReportContext) -> list[str]:
    """The primary metric over the series of a panel: its distribution and the worst series."""
    metrics = context.metrics
    by_series, left_out = metrics["by_series"], metrics.get("undefined_series", {"count": 0})
    if len(by_series) < 2 and not left_out["count"]:
        return []
    primary, kinds = metrics["primary"], list(metrics["test"])
    name = primary["name"]
    defined = {
        label: scores for label, scores in by_series.items() if scores["model"][name] is not None
    }
    # Runs of earlier versions do not say which values are better.
    worst = sorted(
        defined,
        key=lambda label: defined[label]["model"][name],
        reverse=primary.get("better", "lower") == "lower",
    )[:_MOST_SERIES]
    rows = [
        [markdown(label), *(number(defined[label][kind][name], name) for kind in kinds)]
        for label in worst
    ]
    table = markdown_table(["series", *map(forecast_name, kinds)], rows)
    chosen = (
        f"The worst {len(rows)} of {len(defined):,} series:" if len(rows) < len(defined) else ""
    )
    return _section(
        f"{title(name)} by series",
        _distribution(metrics),
        [chosen] if chosen else [],
        table if rows else [],
        _left_out(left_out, title(name)),
    )


def _distribution(metrics: dict[str, Any]) -> list[str]:
    """Mean, median and worst tenth over the series, and how many are better than the baselines."""
    over = metrics.get("over_series")
    if not over or not over["series"]:
        return []
    shares = [
        f"{forecast_name(baseline)} on {found['share']:.0%} of {found['series']:,} series"
        for baseline, found in over["better_than"].items()
        if found["share"] is not None
    ]
    better = f" Better than the {', than the '.join(shares)}." if shares else ""
    return [
        f"Over {over['series']:,} series: mean {number(over['mean'])}, median "
        f"{number(over['median'])}, worst tenth {number(over['worst_tenth'])} or more.{better}"
    ]


def _left_out(undefined: dict[str, Any], metric: str) -> list[str]:
    """The series that do not count in the metric, the first ones by name."""
    if not undefined["count"]:
        return []
    reasons = []
    for reason, names in undefined["names"].items():
        more = len(names) - _MOST_SERIES
        shown = ", ".join(map(markdown, names[:_MOST_SERIES]))
        reasons.append(f"{reason}: {shown}{f' and {more:,} more' if more > 0 else ''}")
    return [
        f"{undefined['count']:,} series left out, as {metric} is undefined for them "
        f"({'; '.join(reasons)})."
    ]


def feature_importance(context: ReportContext) -> list[str]:
    """The most important features, and the past rows where they are most important."""
    importance = context.metrics.get("importance")
    if not importance:
        return []
    by_feature: dict[str, list[dict[str, Any]]] = {}
    for line in importance:
        by_feature.setdefault(line["feature"], []).append(line)
    totals = {
        name: sum(line["permutation"] for line in lines)
        for name, lines in by_feature.items()
        if lines[0]["permutation"] is not None
    }
    rows = []
    for name in sorted(totals, key=lambda n: -totals[n])[:_MOST_FEATURES]:
        top = max(by_feature[name], key=lambda line: line["permutation"])
        lags = f"{top['from']} to {top['to']}" if top["from"] != top["to"] else f"{top['to']}"
        gradients = sum(line["integrated_gradients"] for line in by_feature[name])
        rows.append([markdown(name), number(totals[name]), lags, number(gradients)])
    error = "mean absolute error in scaled units" if context.hp.is_regressor else "Brier score"
    left = len(totals) - len(rows)
    more = f" {left} more feature{'s' if left > 1 else ''} of less importance." if left else ""
    if others := len(by_feature) - len(totals):
        more += f" The {others} features with the smallest integrated gradients were not permuted."
    return _section(
        "Feature importance",
        [
            f"Permutation importance: increase of the error ({error}) when blocks of past rows of a "
            f"feature are permuted among validation windows, summed over the blocks.{more}"
        ],
        markdown_table(
            ["feature", "permutation importance", "most important lags", "integrated gradients"],
            rows,
        ),
    )


def training(context: ReportContext) -> list[str]:
    """Epochs, size and windows of the training, and what validation decided after it."""
    hp, facts, windows = context.hp, context.training, context.metrics["split_windows"]
    warm_start = facts.get("warm_start")
    seasons = seasons_by_error(context.metrics.get("seasons", {}))
    return _section(
        "Training",
        [
            f"{facts['epochs']} of at most {hp.epochs} epochs"
            f"{' (stopped early)' if facts['stopped_early'] else ''}, epoch {facts['best_epoch']} "
            f"kept by {hp.checkpoint_monitor_metric}; {facts['parameters']:,} parameters, "
            f"{facts['seconds']:.0f} s, seed {hp.seed}. Windows: {windows['train']:,} train, "
            f"{windows['validation']:,} validation, {windows['test']:,} test."
        ],
        [
            network_sentence(
                hp, context.data.features, context.data.targets, windows["train"], seasons
            )
        ],
        old_skill_test(facts.get("proof")),
        [] if warm_start is None else [f"Warm start: {markdown(warm_start_text(warm_start))}."],
        [f"Refit: {refit_text(facts)}."] if "refit" in facts else [],
        combination_of(facts),
        label_combination_of(facts),
        [onnx_sentence(facts["onnx"])] if "onnx" in facts else [],
    )


def data_checks(context: ReportContext) -> list[str]:
    """Checks, warnings and changes by the policies of missing values."""
    checks = context.checks
    warnings = [
        f"- warning: {found['check']} · {markdown(found['column'])}: {markdown(found['message'])}"
        for found in checks["warnings"]
    ]
    changes = [
        f"- {markdown(column)}: {count:,} {words}"
        for key, words in (
            ("out_of_range_as_missing", "values out of range set to missing"),
            ("filled", "missing values filled forward"),
            ("dropped", "rows with a missing value dropped"),
        )
        for column, count in checks[key].items()
    ]
    return _section(
        "Data checks",
        [
            f"{checks['checks_run']} checks without an error; {checks['rows_in']:,} rows in, "
            f"{checks['rows_out']:,} used."
        ],
        warnings + changes,
    )


SECTIONS: tuple[Callable[[ReportContext], list[str]], ...] = (
    summary,
    metrics_on_test,
    labels,
    decision_threshold,
    prediction_intervals,
    metrics_by_series,
    feature_importance,
    training,
    data_checks,
)


def markdown_report(
    run_id: str,
    config: RetrainConfig,
    metrics: dict[str, Any],
    training: dict[str, Any],
    checks: dict[str, Any],
) -> str:
    """The report of a run; see ``ReportContext``."""
    context = ReportContext(run_id, config, metrics, training, checks)
    lines = [line for section in SECTIONS for line in section(context)]
    return "\n".join(lines).rstrip() + "\n"

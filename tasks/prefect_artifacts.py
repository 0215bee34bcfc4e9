"""Prefect artifacts of a run: progress, report and tables of scores, with stable keys.

An artifact's key consists of the model's name and its content, so that Prefect lists one artifact for
each and shows its history over the runs.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from fastlstm.artifacts.file_names import BACKTEST_FIGURE_FILE, SEARCH_FIGURE_FILE
from fastlstm.config.retrain import RetrainConfig
from fastlstm.escaping import markdown, one_line
from fastlstm.experiments.backtest_summary import significance_lines
from fastlstm.registry.store import Store
from fastlstm.reporting.small_picture import small_picture
from fastlstm.reporting.text import forecast_name, in_order, markdown_table, number, title
from fastlstm.runs.saved_run import SavedRun
from tasks.epoch_log import BESIDE_OTHERS, epoch_text, is_logged
from tasks.notify import is_relayed, notify, notify_progress
from tasks.prefect_names import artifact_key
from tasks.prefect_outages import or_dropped
from tasks.references import (
    BacktestOutcome,
    ChosenForecaster,
    GroupScorings,
    GroupsHealth,
    Health,
    Outcome,
    ScoringOutcome,
    TuneOutcome,
)

# PNG bytes of all small figures in one report. Prefect sets no limit, but its database keeps each report
# three times (artifact, newest of its key, event), by which it grows every night; the report names what
# is above the limit, and the command that shows it.
_FIGURES_LIMIT = 32_000
# Updates of the progress of one training, each of which Prefect keeps as an event of 3 kB.
_PROGRESS_UPDATES = 10
# Rows of a table of groups in a report.
_MOST_ROWS = 500


class TrainingProgress:
    """Shows the epochs of a training as a progress artifact and in the log.

    Args:
        config: the settings of the training.
    """

    def __init__(self, config: RetrainConfig) -> None:
        self._key = artifact_key(config.stored_name, "training")
        self._artifact: UUID | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Show an event of ``fastlstm.training.fit.fit``."""
        if is_relayed():
            if event["event"] == "epoch" and is_logged(event, BESIDE_OTHERS):
                notify("train", epoch_text(event))
            return
        if event["event"] == "epoch":
            text = epoch_text(event)
            if is_logged(event, 20):
                get_run_logger().info(text)
            if is_logged(event, _PROGRESS_UPDATES):
                self._show(100 * event["epoch"] / event["epochs"], text)
        notify_progress(event)

    def end(self, message: str) -> None:
        """Show that training ended, also if it stopped before the last epoch."""
        if is_relayed():
            return
        self._show(100.0, message)

    def _show(self, percent: float, text: str) -> None:
        if self._artifact is None:
            created = or_dropped(
                lambda: create_progress_artifact(percent, key=self._key, description=text),
                once=True,
            )
            self._artifact = created if isinstance(created, UUID) else None
        else:
            artifact = self._artifact
            or_dropped(
                lambda: update_progress_artifact(artifact, progress=percent, description=text),
                once=True,
            )


def _show_markdown(text: str, *, key: str, description: str) -> None:
    """Create a Markdown artifact, unless Prefect's server is away."""
    about = markdown(description)  # Prefect shows it as Markdown, too
    or_dropped(lambda: create_markdown_artifact(text, key=key, description=about))


def _show_table(rows: list[dict[str, Any]], *, key: str, description: str) -> None:
    """Create a table artifact, unless Prefect's server is away."""
    about = markdown(description)
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    or_dropped(lambda: create_table_artifact(cells, key=key, description=about))


def _cell(value: Any) -> Any:
    """A cell of a table artifact, which Prefect's pages show as text."""
    return one_line(value) if isinstance(value, str) else value


def _embedded(files: Iterable[Path]) -> tuple[dict[Path, str], list[Path]]:
    """Small figures as Markdown with their bytes in it, so that they show without access to the files.

    Returns:
        The Markdown of those that fit into a report, by file, and the files of the others.
    """
    left, shown, others = _FIGURES_LIMIT, {}, []
    for file in files:
        picture = small_picture(file)
        if len(picture) > left:
            others.append(file)
            continue
        left -= len(picture)
        data = base64.b64encode(picture).decode()
        shown[file] = f"![{file.name}](data:image/png;base64,{data})"
    return shown, others


def _links(store: Store, run: SavedRun) -> list[str]:
    """The run's files as a Markdown list, with links where the store has web addresses."""
    link = getattr(store, "link", None)
    lines = []
    for name, entry in run.manifest["files"].items():
        size = f"{entry['size']:,} B"
        if link is None:
            lines.append(f"- {markdown(name)} ({size})")
        else:
            lines.append(f"- [{markdown(name)}]({link(run.model_name, run.run_id, name)}) ({size})")
    return lines


def report_run(store: Store, run: SavedRun, outcome: Outcome, reason: str) -> None:
    """Create the report and the table of test metrics of a run.

    Args:
        store: where the run is.
        run: the run.
        outcome: the decision on its promotion.
        reason: why the retraining was started; may be empty.
    """
    body = run.path("report").read_text(encoding="utf-8").split("\n", 1)[1].strip()
    lines = [f"# {markdown(outcome.message)}", ""]
    if reason:
        lines += [f"Started because: {markdown(reason)}", ""]
    lines += [body, "", "## Figures", ""]
    figures = [run.folder / name for name in run.manifest["files"] if name.endswith(".png")]
    shown, others = _embedded(sorted(figures, key=_order))
    for file, picture in shown.items():
        lines += [f"**{markdown(_caption(file.name, run))}**", "", picture, ""]
    where = outcome.run.location
    if figures:
        names = "; ".join(["these in full", *(_caption(file.name, run) for file in others)])
        lines += [
            f"Among the files: {markdown(names)}. `fastlstm show RUN --open`, with the place below as "
            "RUN, makes a page of all of it, with charts.",
            "",
        ]
    lines += ["## Files", "", f"In {markdown(where)}:", "", *_links(store, run), ""]
    _show_markdown(
        "\n".join(lines), key=artifact_key(run.model_name, "report"), description=outcome.message
    )
    _show_table(
        _scores(run, outcome),
        key=artifact_key(run.model_name, "metrics"),
        description=f"Run {run.run_id} UTC, {run.metrics['windows']:,} test windows",
    )


def _order(name: Path) -> tuple[int, str]:
    """Learning curves and forecasts first."""
    words = ("LOSS CURVE", "FORECAST")
    return next((i for i, word in enumerate(words) if word in name.name), len(words)), name.name


def _caption(name: str, run: SavedRun) -> str:
    """What a figure shows, by its file name."""
    model = run.model_name.partition("/")[0]
    content = unquote(name.removeprefix(f"{run.run_id} - ").removesuffix(f" - {model}.png"))
    curve = content.removeprefix("TRAINING ").removesuffix(" CURVE").lower()
    if curve != content.lower():
        return f"{title(curve)} by epoch"
    return content.capitalize()


def _scores(run: SavedRun, outcome: Outcome) -> list[dict[str, Any]]:
    """One row for the network and each baseline, one for the champion it was compared with."""
    test = run.metrics["test"]
    names = [name for name in test["model"] if isinstance(test["model"][name], float | None)]
    rows = [
        {"forecast": forecast_name(kind), **score_cells(scores, names)}
        for kind, scores in test.items()
    ]
    if outcome.champion is not None:
        scores = dict.fromkeys(names) | {run.metrics["primary"]["name"]: outcome.champion_score}
        champion = f"champion {outcome.champion}"
        rows.insert(1, {"forecast": champion, **score_cells(scores, names)})
    return rows


def score_cells(scores: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Cells of a table artifact: numbers, but MAPE in percent, as reports show it."""
    return {
        title(name): number(scores[name], name)
        if name == "mape" and scores[name] is not None
        else json_number(scores[name])
        for name in names
    }


def json_number(value: float | None) -> float | None:
    """A number that JSON can hold; None for infinity and NaN."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def report_groups(store: Store, model_name: str, run_id: str, folder: Path, message: str) -> None:
    """Create the report on the models of all groups.

    Args:
        store: where it is.
        model_name: name of the reports in the store.
        run_id: id of the report.
        folder: its files on this machine.
        message: how the retraining ended.
    """
    (report,) = folder.glob("* - REPORT OF LSTM MODELS - *.md")
    lines = [f"In {markdown(store.location(model_name, run_id))}", ""]
    lines += report.read_text(encoding="utf-8").split("\n", 1)[1].strip().split("\n")
    lines += ["", *_embedded(sorted(folder.glob("*.png")))[0].values()]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "report"), description=message[:200]
    )


def report_backtest(model_name: str, outcome: BacktestOutcome, summary: dict[str, Any]) -> None:
    """Create the report and the table of a backtest; ``summary`` is ``Backtest.to_dict()``."""
    names = in_order(summary["folds"][0])
    lines = [f"# {markdown(outcome.message)}", "", *significance_lines(summary), ""]
    figure = Path(outcome.path) / BACKTEST_FIGURE_FILE
    lines += [*_embedded([figure])[0].values(), ""]
    lines += [f"Figure, table and predictions: {markdown(outcome.path)}"]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "backtest"), description=outcome.message
    )
    shown = ("fold", "learned_from", "learned_to", "test_from", "test_to", "epochs", "windows")
    _show_table(
        [
            {
                **{name.replace("_", " "): row[name] for name in shown},
                **{forecast_name(name): json_number(row[name]) for name in names},
            }
            for row in summary["folds"]
        ],
        key=artifact_key(model_name, "folds"),
        description=f"{title(summary['primary'])} by fold, {summary['better']} is better",
    )


def report_search(model_name: str, outcome: TuneOutcome, summary: dict[str, Any]) -> None:
    """Create the report and the table of a search; ``summary`` is ``Search.summary()``."""
    figure = Path(outcome.path) / SEARCH_FIGURE_FILE
    lines = [f"# {markdown(outcome.message)}", "", *_embedded([figure])[0].values(), ""]
    lines += [
        f"Figure, config file with the best settings, and all trials: {markdown(outcome.path)}"
    ]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "search"), description=outcome.message
    )
    _show_table(
        [
            {name: str(value) if isinstance(value, list) else value for name, value in row.items()}
            for row in summary["trials"]
        ],
        key=artifact_key(model_name, "trials"),
        description=f"{summary['metric']} by trial, {summary['better']} is better",
    )


def report_refusal(model_name: str, message: str, checks: list[dict[str, Any]]) -> None:
    """Create the report of data that failed validation; it shows counts and rules, no rows."""
    head = message.split(", first:", maxsplit=1)[0]
    lines = [f"# {markdown(head[:1].upper() + head[1:])}", ""]
    rows = [
        [markdown(str(found["check"])), markdown(str(found["column"])), f"{found['rows']:,}",
         markdown(found["message"])]
        for found in checks
    ]  # fmt: skip
    lines += markdown_table(["check", "column", "rows", "what to do"], rows, text_columns=(0, 1, 3))
    lines += ["", "No network was trained and no run was stored; the champion stays in use."]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "report"), description=message[:200]
    )


def report_scoring(
    model_name: str, outcome: ScoringOutcome, scored: dict[str, Any], forecaster: ChosenForecaster
) -> None:
    """Create the report of a scoring.

    Args:
        model_name: name of the model.
        outcome: how it ended.
        scored: the result of ``forecast_latest_into``.
        forecaster: who forecast.
    """
    lines = [
        f"# {markdown(outcome.message)}",
        "",
        f"Run {outcome.run.run_id} in {markdown(outcome.run.location)}.",
    ]
    if forecaster.baseline is not None:
        lines += [
            "",
            f"**No run of {markdown(model_name)} was promoted, so these are forecasts of a baseline: "
            f"{markdown(forecaster.score)}**, the best one on the test windows of this run. They are "
            f"stored with run_id {markdown(forecaster.id)}.",
        ]
    if outcome.skipped:
        rows = [
            [markdown(name or "the table"), markdown(why)] for name, why in outcome.skipped.items()
        ]
        lines += ["", *markdown_table(["skipped series", "reason"], rows, text_columns=(0, 1))]
    if scored["interval_levels"]:
        levels = ", ".join(f"{level:.4g}" for level in scored["interval_levels"])
        learned = scored["intervals_learned_from"]
        origin = (
            "They come from the baseline's errors on the test windows."
            if forecaster.baseline is not None
            else "Those of each series are adapted to its past "
            f"{learned[0]:,}{f' to {learned[-1]:,}' if len(learned) > 1 else ''} forecasts."
        )
        lines += ["", f"Prediction intervals of level {levels}. {origin}"]
    lines += ["", *(f"- warning: {markdown(warning)}" for warning in outcome.warnings)]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "scoring"), description=outcome.message
    )


def _label_lines(health: Health) -> list[str]:
    """Log loss and accuracy of each label column and class, beside those on test."""

    def against(live: float, expected: float | None) -> list[str]:
        return [f"{live:.4g}", "absent" if expected is None else f"{expected:.4g}"]

    rows = [
        [
            markdown(scores.column), "all" if scores.label is None else markdown(scores.label),
            f"{scores.forecasts:,}", *against(scores.log_loss, scores.expected_log_loss),
            *against(scores.accuracy, scores.expected_accuracy),
        ]
        for scores in health.labels
    ]  # fmt: skip
    header = [
        "label", "true class", "forecasts", "log loss", "on test", "accuracy", "on test",
    ]  # fmt: skip
    return markdown_table(header, rows, text_columns=(0, 1))


def report_group_scorings(
    model_name: str, outcome: GroupScorings, scored: dict[str, ScoringOutcome]
) -> None:
    """Create the report of a scoring of all groups.

    Args:
        model_name: name of all models.
        outcome: how it ended.
        scored: what each group's model forecast.
    """
    lines = [f"# {markdown(outcome.message)}", ""]
    if outcome.skipped:
        rows = [[markdown(name), markdown(why)] for name, why in outcome.skipped.items()][
            :_MOST_ROWS
        ]
        lines += [*markdown_table(["skipped", "reason"], rows, text_columns=(0, 1)), ""]
    rows = [
        [
            markdown(group),
            one.run.run_id,
            one.baseline or "",
            f"{one.forecasts:,}",
            f"{one.added:,}",
        ]
        for group, one in list(scored.items())[:_MOST_ROWS]
    ]
    header = ["group", "run", "baseline that forecast", "forecasts", "appended"]
    lines += [*markdown_table(header, rows, text_columns=(0, 1, 2)), ""]
    lines += [f"- warning: {markdown(warning)}" for warning in outcome.warnings[:_MOST_ROWS]]
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "scoring"), description=outcome.message[:200]
    )


def report_group_health(model_name: str, health: GroupsHealth) -> None:
    """Create the report of a monitoring of all groups: degraded models first."""
    found = sorted(health.groups.items(), key=lambda item: (not item[1].degraded, item[0]))
    rows = [
        [markdown(group), "degraded" if one.degraded else "", markdown(one.message)]
        for group, one in found[:_MOST_ROWS]
    ]
    lines = [f"# {markdown(health.message)}", ""]
    lines += [*markdown_table(["group", "", "finding"], rows, text_columns=(0, 1, 2)), ""]
    if health.skipped:
        rows = [[markdown(name), markdown(why)] for name, why in health.skipped.items()][
            :_MOST_ROWS
        ]
        lines += markdown_table(["not measured", "reason"], rows, text_columns=(0, 1))
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "health"), description=health.message[:200]
    )


def report_health(model_name: str, health: Health, limits: dict[str, float]) -> None:
    """Create the report and the table of a monitoring.

    Args:
        model_name: name of the model.
        health: what was found.
        limits: ``max_error_ratio`` and ``max_psi``.
    """
    lines = [f"# {markdown(health.message)}", ""]
    if health.live_error is not None and health.promised_error:
        lines += [
            f"Live {health.error_name} **{health.live_error:.4g}** over {health.forecasts:,} "
            f"forecasts with a known actual value; {health.promised_error:.4g} on the test rows for "
            f"the same steps (ratio {health.live_error / health.promised_error:.2f}, limit "
            f"{limits['max_error_ratio']:g}).",
        ]
    else:
        lines += [
            f"Forecasts with a known actual value: {health.forecasts:,}, too few for an error."
        ]
    if health.labels:
        lines += ["", "## Labels", "", *_label_lines(health)]
    if health.coverage:
        lines += ["", "## Prediction intervals", ""]
        rows = [[level, f"{inside:.1%}"] for level, inside in health.coverage.items()]
        lines += markdown_table(["level", "actual values inside"], rows)
    lines += [
        "",
        f"## Drift of the inputs against the training data ({health.input_rows:,} rows)",
        "",
    ]
    rows = [
        [
            markdown(name),
            f"{value:.3f}",
            "above the limit" if value > limits["max_psi"] else "within",
        ]
        for name, value in sorted(health.psi.items(), key=lambda pair: -pair[1])
    ]
    lines += markdown_table(
        ["feature", "population stability index", "limit"], rows, text_columns=(0, 2)
    )
    _show_markdown(
        "\n".join(lines), key=artifact_key(model_name, "health"), description=health.message
    )
    _show_table(
        [{"feature": name, "PSI": json_number(value)} for name, value in health.psi.items()],
        key=artifact_key(model_name, "drift"),
        description=f"Population stability index, limit {limits['max_psi']:g}",
    )

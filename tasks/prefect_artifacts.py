"""What a person sees of a run in the Prefect UI: progress, report, scores, with stable keys.

An artifact's key is made of the model's name and what it shows, so that the UI lists one artifact
for each and its history over the nights.
"""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path
from typing import Any
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
from fastlstm.experiments.backtest_summary import significance_lines
from fastlstm.registry.store import Store
from fastlstm.reporting.text import NAMES, title
from fastlstm.runs.saved_run import SavedRun
from tasks.notify import notify_progress
from tasks.references import BacktestOutcome, Health, Outcome, ScoringOutcome, TuneOutcome

# All pictures of a report together, in bytes as PNG; Prefect itself has no limit, its database and
# the browser suffer first.
_PICTURES_LIMIT = 600_000


def slug(model_name: str) -> str:
    """A model's name in lower-case letters, digits and dashes, as Prefect's keys and ids take it."""
    return re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-") or "model"


def key(model_name: str, what: str) -> str:
    """An artifact's key, e.g. ``weather-temperature-report``."""
    return f"{slug(model_name)}-{what}"


class TrainingProgress:
    """Shows each epoch while training runs.

    Args:
        config: the settings of the training.
    """

    def __init__(self, config: RetrainConfig) -> None:
        self._key = key(config.hyperparameters.model_name, "training")
        self._artifact: UUID | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event of ``fastlstm.training.fit.fit``."""
        if event["event"] == "epoch":
            done = f"epoch {event['epoch']} of {event['epochs']} · loss {event['loss']:.4g}"
            if event.get("refit"):
                done = f"refit: {done}"  # which nothing validates
            else:
                done += f" · val_loss {event['val_loss']:.4g}"
            every = max(1, event["epochs"] // 20)  # the artifact shows each; a log is to be read
            if event["epoch"] == 1 or event["epoch"] % every == 0:
                get_run_logger().info(done)
            self._show(100 * event["epoch"] / event["epochs"], done)
        notify_progress(event)

    def end(self, message: str) -> None:
        """Show that training ended, also where it stopped before the last epoch."""
        self._show(100.0, message)

    def _show(self, percent: float, text: str) -> None:
        if self._artifact is None:
            made = create_progress_artifact(percent, key=self._key, description=text)
            assert isinstance(made, UUID)  # noqa: S101 (called from synchronous code)
            self._artifact = made
        else:
            update_progress_artifact(self._artifact, progress=percent, description=text)


def _picture(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f"![{file.name}](data:image/png;base64,{data})"


def _links(store: Store, run: SavedRun) -> list[str]:
    link = getattr(store, "link", None)
    lines = []
    for name, entry in run.manifest["files"].items():
        size = f"{entry['size']:,} B"
        if link is None:
            lines.append(f"- `{name}` ({size})")
        else:
            lines.append(f"- [{name}]({link(run.model_name, run.run_id, name)}) ({size})")
    return lines


def report_run(store: Store, run: SavedRun, outcome: Outcome, reason: str) -> None:
    """Make the report and the table of scores of a run that was just decided on."""
    body = run.path("report").read_text(encoding="utf-8").split("\n", 1)[1].strip()
    lines = [f"# {outcome.message}", ""]
    if reason:
        lines += [f"Started because: {reason}", ""]
    lines += [body, "", "## Pictures", ""]
    left = _PICTURES_LIMIT
    files = [Path(name) for name in run.manifest["files"] if name.endswith(".png")]
    for name in sorted(files, key=_order):
        file = run.folder / name
        if file.stat().st_size <= left:
            left -= file.stat().st_size
            lines += [f"**{_caption(name.name, run)}**", "", _picture(file), ""]
        else:
            lines += [f"{name.name} is too large to be shown here; open the file below.", ""]
    where = outcome.run.location
    lines += ["## Files", "", f"In `{where}`:", "", *_links(store, run), ""]
    create_markdown_artifact(
        "\n".join(lines), key=key(run.model_name, "report"), description=outcome.message
    )
    create_table_artifact(
        _scores(run, outcome),
        key=key(run.model_name, "metrics"),
        description=f"Run {run.run_id} UTC, {run.metrics['windows']:,} test windows",
    )


def _order(name: Path) -> tuple[int, str]:
    """Learning curves and forecasts first."""
    words = ("LOSS CURVE", "FORECAST")
    return next((i for i, word in enumerate(words) if word in name.name), len(words)), name.name


def _caption(name: str, run: SavedRun) -> str:
    plain = name.removeprefix(f"{run.run_id} - ").removesuffix(f" - {run.model_name}.png")
    curve = plain.removeprefix("TRAINING ").removesuffix(" CURVE").lower()
    if curve != plain.lower():
        return f"{title(curve)} by epoch"
    return plain.capitalize()


def _scores(run: SavedRun, outcome: Outcome) -> list[dict[str, Any]]:
    """One row for the network and each baseline, one for the champion it was compared with."""
    test = run.metrics["test"]
    names = [name for name in test["model"] if isinstance(test["model"][name], float | None)]
    rows = [
        {"": NAMES[kind], **{title(n): _plain(scores[n]) for n in names}}
        for kind, scores in test.items()
    ]
    if outcome.champion is not None:
        primary = run.metrics["primary"]["name"]
        champion = {title(n): outcome.champion_score if n == primary else None for n in names}
        rows.insert(1, {"": f"champion {outcome.champion}", **champion})
    return rows


def _plain(value: float | None) -> float | None:
    """A number that JSON has."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def report_backtest(model_name: str, outcome: BacktestOutcome, summary: dict[str, Any]) -> None:
    """Make the report and the table of one backtest."""
    names = [name for name in NAMES if name in summary["folds"][0]]
    lines = [f"# {outcome.message}", "", *significance_lines(summary), ""]
    figure = Path(outcome.path) / BACKTEST_FIGURE_FILE
    lines += [_picture(figure), "", f"In `{outcome.path}`."]
    create_markdown_artifact(
        "\n".join(lines), key=key(model_name, "backtest"), description=outcome.message
    )
    shown = ("fold", "learned_from", "learned_to", "test_from", "test_to", "epochs", "windows")
    create_table_artifact(
        [
            {
                **{name.replace("_", " "): row[name] for name in shown},
                **{NAMES[name]: _plain(row[name]) for name in names},
            }
            for row in summary["folds"]
        ],
        key=key(model_name, "folds"),
        description=f"{title(summary['primary'])} by fold, {summary['better']} is better",
    )


def report_search(model_name: str, outcome: TuneOutcome, summary: dict[str, Any]) -> None:
    """Make the report and the table of a search."""
    figure = Path(outcome.path) / SEARCH_FIGURE_FILE
    lines = [f"# {outcome.message}", "", _picture(figure), ""]
    lines += [f"The best settings as a config file, and all trials: `{outcome.path}`."]
    create_markdown_artifact(
        "\n".join(lines), key=key(model_name, "search"), description=outcome.message
    )
    create_table_artifact(
        [
            {name: str(value) if isinstance(value, list) else value for name, value in row.items()}
            for row in summary["trials"]
        ],
        key=key(model_name, "trials"),
        description=f"{summary['metric']} by trial, {summary['better']} is better",
    )


def report_refusal(model_name: str, message: str, checks: list[dict[str, Any]]) -> None:
    """Make the report of data that was refused; it shows counts and rules, no rows."""
    head = message.split(", first:", maxsplit=1)[0]
    lines = [f"# {head[:1].upper()}{head[1:]}", ""]
    lines += ["| check | column | rows | what to do |", "| --- | --- | ---: | --- |"]
    for found in checks:
        cells = (found["check"], found["column"], f"{found['rows']:,}", found["message"])
        lines.append("| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |")
    lines += ["", "Nothing was trained and nothing stored was changed; the champion still serves."]
    create_markdown_artifact(
        "\n".join(lines), key=key(model_name, "report"), description=message[:200]
    )


def report_scoring(model_name: str, outcome: ScoringOutcome, scored: dict[str, Any]) -> None:
    """Make the report of one scoring; ``scored`` is what ``forecast_latest_into`` returned."""
    lines = [f"# {outcome.message}", "", f"Run `{outcome.run.run_id}` in `{outcome.run.location}`."]
    if outcome.skipped:
        lines += ["", "| series | not forecast because |", "| --- | --- |"]
        lines += [f"| {name or 'the table'} | {why} |" for name, why in outcome.skipped.items()]
    if scored["interval_levels"]:
        levels = ", ".join(f"{level:.4g}" for level in scored["interval_levels"])
        learned = scored["intervals_learned_from"]
        lines += [
            "",
            f"Intervals of level {levels}, each adapted to {learned[0]:,}"
            f"{f' to {learned[-1]:,}' if len(learned) > 1 else ''} past forecasts of its series.",
        ]
    lines += ["", *(f"- warning: {warning}" for warning in scored["warnings"])]
    create_markdown_artifact(
        "\n".join(lines), key=key(model_name, "scoring"), description=outcome.message
    )


def report_health(model_name: str, health: Health, limits: dict[str, float]) -> None:
    """Make the report and the table of one monitoring."""
    lines = [f"# {health.message}", ""]
    if health.live_error is not None and health.promised_error:
        lines += [
            f"Live {health.error_name} **{health.live_error:.4g}** over {health.forecasts:,} "
            f"forecasts with a known actual value; the test promised {health.promised_error:.4g} "
            f"for the same steps (ratio {health.live_error / health.promised_error:.2f}, limit "
            f"{limits['max_error_ratio']:g}).",
        ]
    else:
        lines += [f"Forecasts with a known actual value: {health.forecasts:,}, too few to judge."]
    if health.coverage:
        lines += ["", "## Prediction intervals", ""]
        lines += ["| level | actual values inside |", "| --- | ---: |"]
        lines += [f"| {level} | {share:.1%} |" for level, share in health.coverage.items()]
    lines += ["", f"## Inputs against the training data ({health.input_rows:,} rows)", ""]
    lines += ["| feature | population stability index | |", "| --- | ---: | --- |"]
    for name, value in sorted(health.psi.items(), key=lambda pair: -pair[1]):
        mark = "over the limit" if value > limits["max_psi"] else ""
        lines.append(f"| {name} | {value:.3f} | {mark} |")
    create_markdown_artifact(
        "\n".join(lines), key=key(model_name, "health"), description=health.message
    )
    create_table_artifact(
        [{"feature": name, "PSI": _plain(value)} for name, value in health.psi.items()],
        key=key(model_name, "drift"),
        description=f"Population stability index, limit {limits['max_psi']:g}",
    )

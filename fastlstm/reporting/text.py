"""Names of forecasts and metrics, numbers and tables in reports, and escaping."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastlstm.network.naive_forecasters import kind_and_season

# Names of forecasts by their key in stored files, in the order of reports.
NAMES = {
    "model": "network",
    "last_value": "naive (last value)",
    "last_season": "seasonal naive",
    "drift": "drift (trend of the look-back)",
    "prior": "class prior",
    "last_class": "naive (last class)",
}


TITLES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mape": "MAPE",
    "r2": "R²",
    "mase": "MASE",
    "rmsse": "RMSSE",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
}


def forecast_name(key: str) -> str:
    """Name of a forecast by its key: ``'model'`` or a baseline."""
    kind, season = kind_and_season(key)
    if kind in NAMES and season is not None:
        return f"{NAMES[kind]} ({season:,} rows)"
    return NAMES.get(key, key.replace("_", " "))


def in_order(keys: Collection[str]) -> list[str]:
    """Those keys of forecasts that reports show, in their order."""
    order = {key: number for number, key in enumerate(NAMES)}
    ranked = {key: kind_and_season(key) for key in keys}
    known = [key for key in keys if ranked[key][0] in order]
    return sorted(known, key=lambda key: (order[ranked[key][0]], ranked[key][1] or 0))


def title(metric: str) -> str:
    """Name of a metric in reports, by its key."""
    return TITLES.get(metric, metric)


def number(value: float | None, metric: str = "") -> str:
    """A metric's value: four digits, percent for MAPE, a dash where undefined."""
    if value is None:
        return "–"
    return f"{value:.1%}" if metric == "mape" else f"{value:.4g}"


def minute(time: str) -> str:
    """An ISO 8601 time to the minute, for people."""
    return time[:16].replace("T", " ")


def rows_sentence(filled: int, loaded: int, known: int, left: int) -> str:
    """What became of the rows of a table, for people.

    Args:
        filled: values that were filled.
        loaded: rows that were read.
        known: rows that are no rows to forecast.
        left: rows after the checks.
    """
    ahead = f", {loaded - known:,} rows to forecast" if loaded > known else ""
    return f"{filled:,} values filled, {known - left:,} rows dropped, {left:,} rows left{ahead}"


def as_text(value: Any) -> str:
    """A setting's value: floats as ``number`` writes them."""
    return number(value) if isinstance(value, float) else str(value)


def score_table(test: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the test metrics: the network first, then the baselines."""
    metrics = [m for m in test["model"] if m in TITLES]
    header = ["forecast", *(title(m) for m in metrics), "windows"]
    rows = [
        [
            forecast_name(name),
            *(number(scores[m], m) for m in metrics),
            f"{scores['windows']:,}",
        ]
        for name, scores in test.items()
    ]
    return header, rows


def markdown_table(
    header: list[str], rows: list[list[str]], *, text_columns: Collection[int] = (0,)
) -> list[str]:
    """The lines of a Markdown table.

    Args:
        header: names of the columns.
        rows: cells of each row.
        text_columns: positions of the columns that are aligned left; the others hold numbers.
    """
    marks = ["---" if i in text_columns else "---:" for i in range(len(header))]
    return [
        "| " + " | ".join(header) + " |",
        "| " + " | ".join(marks) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def season_text(
    season: int | None, found: dict[str, Any], timesteps: int, *, chosen: bool = False
) -> str:
    """The season of the seasonal naive forecast and where it comes from, in one sentence or two.

    Args:
        season: its rows; None without one.
        found: ``'seasons'`` of the metrics, see ``fastlstm.data.seasons``; empty in runs of earlier
            versions.
        timesteps: rows of the look-back, which a longer season does not fit.
        chosen: whether ``evaluation.season_length`` is set.
    """
    evidence = [line for line in found.get("season_evidence", ()) if line["series"]]
    if season is None:
        where = f"found in the train rows ({_evidence_text(evidence)})"
        return (
            f"No season {'was ' + where if evidence else 'is known for this frequency'}; set "
            "evaluation.season_length for the seasonal naive baseline."
        )
    source = "the usual one of this frequency" + (
        "; train is too short to find any" if found else ""
    )
    if found.get("season") == season:
        lines = [line for line in evidence if line["rows"] in found["seasons"]]
        source = f"found in train rows: {_evidence_text(lines)}"
    text = f"Season: {season:,} rows" + (", as set." if chosen else f" ({source}).")
    if season <= timesteps:
        return text
    return (
        f"{text} The look-back of {timesteps:,} rows does not hold it, so the network cannot begin from "
        f"the seasonal naive forecast: set timesteps to {season:,} or more."
    )


def _evidence_text(lines: list[dict[str, Any]]) -> str:
    """What train rows say about some seasons."""
    return "; ".join(
        f"{line['rows']:,} rows, autocorrelation {line['autocorrelation']:.2f}"
        + (
            f", error of the seasonal naive {line['relative_error']:.2f} of the naive forecast's"
            if line["relative_error"] is not None
            else ""
        )
        for line in lines
    )


def refit_text(training: dict[str, Any]) -> str:
    """What a refit did, in one clause.

    Args:
        training: facts of the training.
    """
    epochs = training["best_epoch"]
    plural = "" if epochs == 1 else "s"
    if training.get("refit") == "all":
        windows = "all windows, once the test metrics were those of the network before"
    else:
        windows = "train and validation windows"
    return f"retrained for {epochs} epoch{plural} on {windows}"


def warm_start_text(warm_start: dict[str, Any]) -> str:
    """The result of a warm start in one clause.

    Args:
        warm_start: ``'warm_start'`` of a training's facts; see ``fastlstm.training.warm_start``.
    """
    if "why" in warm_start:
        return f"not tried from the champion's weights: {warm_start['why']}"
    scores = {name: number(warm_start[name]) for name in ("champion", "new")}
    kept, other = ("champion", "new") if warm_start["kept"] == "champion" else ("new", "champion")
    names = {"champion": f"weights of champion {warm_start['from']}", "new": "new weights"}
    return (
        f"kept the training from {names[kept]}, {warm_start['metric']} {scores[kept]} against "
        f"{scores[other]} from {names[other]}"
    )

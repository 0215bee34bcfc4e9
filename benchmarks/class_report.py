"""The results of ``benchmarks.classes`` as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.class_sets import SETS
from benchmarks.result_files import Result, provenance

PEERS = ("logistic regression", "LightGBM")
# Most calibration error that counts as calibrated.
_CALIBRATED = 0.05
# The error, what calibrated forecasts would have by chance, and an estimate without that.
CALIBRATION = (
    "calibration_error", "calibration_error_by_chance", "calibration_error_limit",
    "calibration_error_debiased",
)  # fmt: skip


def _seeds(result: Result) -> list[dict[str, Any]]:
    """The product's scores of each seed whose training did not fail."""
    return [found for found in result["product"].values() if "failed" not in found]


def _mean(result: Result, forecast: str, metric: str) -> float:
    """Mean over the seeds of a metric of the product, the prior or the last class."""
    return float(np.mean([found["test"][forecast][metric] for found in _seeds(result)]))


def _calibration(result: Result, name: str) -> float:
    """Mean over the seeds of one of ``CALIBRATION``; NaN where none has it."""
    known = [found[name] for found in _seeds(result) if name in found]
    return float(np.mean(known)) if known else float("nan")


def _spread(values: Iterable[float], digits: int = 3) -> str:
    found = list(values)
    mean = f"{np.mean(found):.{digits}f}"
    return mean if len(found) == 1 else f"{mean} ± {np.std(found):.{digits}f}"


def _row(result: Result) -> list[str]:
    seeds = _seeds(result)
    model = [found["test"]["model"] for found in seeds]
    return [
        result["set"], str(result["classes"]), f"{result['series']:,}", f"{result['rows']:,}",
        f"{result['test_windows']:,}",
        *(f"{_mean(result, name, 'log_loss'):.3f}" for name in ("prior", "last_class")),
        *(f"{result['peers'][name]:.3f}" for name in PEERS),
        _spread(scores["log_loss"] for scores in model),
        f"{_mean(result, 'last_class', 'accuracy'):.3f}",
        _spread(scores["accuracy"] for scores in model),
        _spread(scores["average_precision"] for scores in model),
        _spread(found["calibration_error"] for found in seeds),
        *(f"{_calibration(result, name):.3f}".replace("nan", "–") for name in CALIBRATION[1:]),
        f"{sum(found['promoted'] for found in seeds)} of {len(result['product'])}",
        f"{np.mean([found['seconds'] for found in seeds]):.0f}",
    ]  # fmt: skip


def _coverage(results: list[Result]) -> list[str]:
    """Which commit made the results of which seeds and tables, and what has no row."""
    made: dict[tuple[str, str], dict[str, list[str]]] = {}
    for result in results:
        by_commit: dict[tuple[str, str], list[str]] = {}
        for seed, found in result["product"].items():
            by_commit.setdefault((found["date"], found["commit"]), []).append(seed)
        for key, seeds in by_commit.items():
            made.setdefault(key, {}).setdefault(", ".join(seeds), []).append(result["set"])
    absent = [table.name for table in SETS if table.name not in {r["set"] for r in results}]
    lines = [
        f"- Commit {commit}, seed {seeds}: {', '.join(sets)}."
        for (_, commit), by_seeds in sorted(made.items())
        for seeds, sets in sorted(by_seeds.items())
    ]
    return [*lines, *([f"- Not scored: {', '.join(absent)}."] if absent else [])]


def _summary(results: list[Result]) -> list[str]:
    """Sentences on the tables that have been forecast."""
    scored = [result for result in results if _seeds(result)]
    losses = [_mean(result, "model", "log_loss") for result in scored]

    def better(others: list[float]) -> int:
        return sum(own < other for own, other in zip(losses, others, strict=True))

    def not_below(others: list[float]) -> list[str]:
        """Names of the tables where the loss is above another forecaster's."""
        pairs = zip(scored, losses, others, strict=True)
        return [result["set"] for result, own, other in pairs if own > other]

    count = len(scored)
    priors = [_mean(result, "prior", "log_loss") for result in scored]
    peers = {name: [result["peers"][name] for result in scored] for name in PEERS}
    errors, _, limits, debiased = (
        [_calibration(result, name) for result in scored] for name in CALIBRATION
    )
    logistic, trees = (better(peers[name]) for name in PEERS)
    calibrated = sum(error < _CALIBRATED for error in errors)
    beyond = [r["set"] for r, a, b in zip(scored, errors, limits, strict=True) if a > b]
    chance = [
        r["set"] for r, a, b in zip(scored, errors, limits, strict=True) if _CALIBRATED <= a <= b
    ]
    return [
        f"- Log loss lower than the class prior's on {better(priors)} of {count} tables, than "
        f"logistic regression's on {logistic}, than LightGBM's on {trees}.",
        f"- Calibration error below {_CALIBRATED} on {calibrated} of {count}; of "
        f"{np.isfinite(debiased).sum()} whose bins are known, without what chance adds on "
        f"{sum(error < _CALIBRATED for error in debiased)}, and not above the limit of calibrated "
        f"forecasts on {sum(a <= b for a, b in zip(errors, limits, strict=True))}.",
        f"- Calibration error above that limit: {', '.join(beyond) or 'none'}; not below {_CALIBRATED}, "
        f"but as calibrated forecasts of so few windows have it: {', '.join(chance) or 'none'}.",
        _goal("better than the class prior on each", not_below(priors)),
        _goal("no worse than logistic regression on each", not_below(peers[PEERS[0]])),
        _goal("better than LightGBM on a third", [] if 3 * trees >= count else [f"{trees} only"]),
        _goal(
            f"calibration error below {_CALIBRATED} on three quarters",
            [] if 4 * calibrated >= 3 * count else [f"{calibrated} only"],
        ),
    ]


def _goal(text: str, missed: list[str]) -> str:
    """Whether a goal is reached, and where it is not."""
    return f"- Goal, {text}: {'missed, ' + ', '.join(missed) if missed else 'reached'}."


def markdown(results: list[Result], processor: str) -> str:
    """The whole page.

    Args:
        results: of each table, in the order of the list.
        processor: name of the machine's processor and its cores.
    """
    made = provenance([found for result in results for found in result["product"].values()])
    header = [
        "table", "classes", "series", "rows", "test windows", "prior", "last class", *PEERS,
        "fastLSTM", "accuracy, last class", "accuracy", "average precision", "calibration error",
        "by chance", "its limit", "debiased", "promoted", "seconds",
    ]  # fmt: skip
    rule = ["---"] + ["---:"] * (len(header) - 1)
    rows = [_row(result) for result in results if _seeds(result)]
    failed = [
        f"- {result['set']}, seed {seed}: failed. {found['failed']}"
        for result in results
        for seed, found in result["product"].items()
        if "failed" in found
    ]
    lines = [
        "# The defaults on labelled tables",
        "",
        f"Made by `python -m benchmarks.classes --write`; {processor}; {made}. Log loss of the label of "
        "the next row, from the label's past and the table's other columns; mean ± deviation over "
        "seeds. Nothing is set but columns, frequency and look-back; `benchmarks/class_sets.py` lists "
        "the tables and was written before any result. The log loss of the last class is of the shares "
        "with which classes followed it in train. Logistic regression and LightGBM learn from the same "
        "train windows and the calendar of the row to forecast; validation chooses their penalty and "
        "number of trees. The calibration error is that of the second class' probability, with more "
        "classes that of the likeliest one's, over 15 bins. With few windows perfectly calibrated "
        "forecasts have one by chance: beside it stand the mean and the 95% quantile of what the same "
        "probabilities would have then (Bröcker and Smith 2007), and the root of the squared error "
        "less what chance adds (Kumar et al. 2019), which is not below the mean distance. "
        "Seconds are of the clock, whatever else the machine did.",
        "",
        *_coverage(results),
        *_summary(results),
        *failed,
        "",
        *("| " + " | ".join(row) + " |" for row in [header, rule, *rows]),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"

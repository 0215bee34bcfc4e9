"""The results of ``benchmarks.tables`` as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.result_files import Result, provenance
from benchmarks.table_scores import NAIVE
from benchmarks.table_tasks import COMPETITIONS

PEERS = ("AutoETS", "LightGBM")
PRODUCT, SEASONAL = "fastLSTM", "best seasonal naive"
# More than this above the best seasonal naive forecast counts as worse than it.
_TOLERANCE = 1.01


def finished_seeds(result: Result) -> list[dict[str, Any]]:
    """The product's scores of each seed whose training did not fail."""
    return [scores for scores in result["product"].values() if "failed" not in scores]


def best_seasonal(result: Result) -> tuple[str, float]:
    """The seasonal naive forecast with the lowest MASE in hindsight; the naive one where none is."""
    named = {
        name: scores["mase"]
        for name, scores in result["forecasters"].items()
        if name.startswith("seasonal")
    } or {NAIVE: result["forecasters"][NAIVE]["mase"]}
    best = min(named, key=lambda name: named[name])
    return best, named[best]


def mase_by_forecaster(result: Result) -> dict[str, float]:
    """MASE of each forecaster that has one, the product's as the mean over seeds."""
    found = {NAIVE: result["forecasters"][NAIVE]["mase"], SEASONAL: best_seasonal(result)[1]}
    found |= {
        name: result["forecasters"][name]["mase"] for name in PEERS if name in result["forecasters"]
    }
    seeds = finished_seeds(result)
    if seeds:
        found[PRODUCT] = float(np.mean([scores["mase"] for scores in seeds]))
    return found


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _spread(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return "–"
    mean = _number(float(np.mean(found)))
    return mean if len(found) == 1 else f"{mean} ± {np.std(found):.3f}"


def _table(header: list[str], left: int, rows: Iterable[list[str]]) -> list[str]:
    """Markdown lines of a table whose first columns stand left."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return ["| " + " | ".join(row) + " |" for row in [header, rule, *rows]]


def _mase_row(result: Result) -> list[str]:
    mase, (seasonal, _) = mase_by_forecaster(result), best_seasonal(result)
    seeds = finished_seeds(result)
    about = [
        result["set"], f"{result['units']:,}", f"{result['times']:,}", str(result["horizon"]),
        str(result["look_back"]),
    ]  # fmt: skip
    season = f" ({seasonal.rpartition('(')[2]}" if "(" in seasonal else ""
    return [
        *about, _number(mase[NAIVE]), _number(mase[SEASONAL]) + season,
        *(_number(mase.get(name)) for name in PEERS),
        _spread(scores["mase"] for scores in seeds),
        f"{sum(scores['promoted'] for scores in seeds)} of {len(result['product'])}",
        f"{np.mean([scores['seconds'] for scores in seeds]):.0f}" if seeds else "–",
    ]  # fmt: skip


def _other_row(result: Result) -> list[str]:
    seeds, (seasonal, _) = finished_seeds(result), best_seasonal(result)
    cells = [result["set"]]
    for metric in ("rmsse", "mae"):
        peers = [result["forecasters"].get(name, {}).get(metric) for name in (seasonal, *PEERS)]
        product = [scores[metric] for scores in seeds]
        mean = float(np.mean(product)) if product else None
        cells += [
            "–" if value is None else f"{value:.4g}" for value in (*peers, mean)
        ]  # fmt: skip
    for level in ("0.8", "0.95"):
        found = [scores["coverage"][level] for scores in seeds if "coverage" in scores]
        for key in ("overall", "units_within"):
            cells.append(f"{np.mean([one[key] for one in found]):.0%}" if found else "–")
    autoets = result["forecasters"].get(PEERS[0], {}).get("coverage", {}).get("0.8")
    for key in ("overall", "units_within"):
        cells.append("–" if autoets is None else f"{autoets[key]:.0%}")
    return cells


def _summary(results: list[Result]) -> list[str]:
    """Sentences on the tables that every forecaster has forecast."""
    tables = [
        mase for result in results
        if result["set"] not in COMPETITIONS
        and len(mase := mase_by_forecaster(result)) == len(PEERS) + 3
    ]  # fmt: skip
    if not tables:
        return []
    names = list(tables[0])
    ranks = np.mean(
        [[1 + sum(mase[n] < mase[name] for n in names) for name in names] for mase in tables],
        axis=0,
    )
    worse = sum(mase[PRODUCT] > _TOLERANCE * mase[SEASONAL] for mase in tables)
    beaten = {name: sum(mase[PRODUCT] < mase[name] for mase in tables) for name in PEERS}
    both = sum(all(mase[PRODUCT] < mase[name] for name in PEERS) for mase in tables)
    order = ", ".join(f"{names[i]} {ranks[i]:.2f}" for i in np.argsort(ranks, kind="stable"))
    count = len(tables)
    return [
        f"- Mean rank over {count} tables by MASE, 1 the best: {order}.",
        f"- {PRODUCT} is worse than the best seasonal naive forecast by more than 1% on {worse} of "
        f"{count}.",
        f"- It is better than {PEERS[0]} on {beaten[PEERS[0]]}, than {PEERS[1]} on "
        f"{beaten[PEERS[1]]}, than both on {both} of {count}.",
    ]


def _coverage_summary(results: list[Result]) -> list[str]:
    """A sentence for each level on the intervals of all sets, with those of AutoETS."""
    found: dict[str, dict[str, list[tuple[float, float, int]]]] = {}
    for result in results:
        autoets = result["forecasters"].get(PEERS[0], {})
        scored = [(PRODUCT, scores) for scores in finished_seeds(result)]
        for name, scores in [*scored, (PEERS[0], autoets)]:
            for level, of_level in scores.get("coverage", {}).items():
                row = (of_level["overall"], of_level["units_within"], result["units"])
                found.setdefault(level, {}).setdefault(name, []).append(row)
    lines = []
    for level, by_name in found.items():
        sentences = []
        for name, rows in by_name.items():
            overall, within, units = np.transpose(rows)
            sentences.append(
                f"{name} holds {overall.mean():.1%} of the truth as mean over sets and "
                f"{np.average(overall, weights=units):.1%} over all series, and is within 10 points "
                f"for {within.mean():.0%} of a set's series and {np.average(within, weights=units):.0%} "
                "of all series"
            )
        lines.append(f"- Intervals of {float(level):.0%}: {'. '.join(sentences)}.")
    return lines


def _competition_lines(results: list[Result]) -> list[str]:
    lines = []
    for result in results:
        if result["set"] == "m4_hourly":
            named = {n: s["owa"] for n, s in result["forecasters"].items()}
            seeds = finished_seeds(result)
            if seeds:
                named[PRODUCT] = float(np.mean([scores["owa"] for scores in seeds]))
            lines.append(
                "- OWA on m4_hourly (Naive2 is 1): "
                + ", ".join(f"{name} {value:.3f}" for name, value in named.items()) + "."
            )  # fmt: skip
    return lines


def _problem_lines(results: list[Result]) -> list[str]:
    """What a reader must know of single sets: failures, missing windows, series without a MASE."""
    lines = []
    for result in results:
        if result["left_out"]:
            lines.append(
                f"- {result['set']}: without a MASE, being constant over a season of train rows: "
                f"{', '.join(result['left_out'])}."
            )
        for seed, scores in result["product"].items():
            if "failed" in scores:
                lines.append(f"- {result['set']}, seed {seed}: failed. {scores['failed']}")
            elif scores["missing"]:
                lines.append(
                    f"- {result['set']}, seed {seed}: no forecast for {scores['missing']:.1%} of the "
                    "rows; they are scored with the last value."
                )
    return lines


def markdown(results: list[Result], processor: str) -> str:
    """The whole page.

    Args:
        results: of each set, in the order of the list.
        processor: name of the machine's processor and its cores.
    """
    made, jobs = provenance(results), max(result.get("jobs", 1) for result in results)
    at_once = f" Seconds are with up to {jobs} trainings at a time." if jobs > 1 else ""
    lines = [
        "# The defaults on real tables",
        "",
        f"Made by `python -m benchmarks.tables --data DIR --write`; {processor}; {made}. "
        "MASE, mean over series and columns, then mean ± deviation over seeds. Nothing is set but "
        "columns, frequency, horizon and look-back, by one rule for all: of a table the look-back is "
        "what `fastlstm init` proposes. `benchmarks/table_sets.py` lists the tables and was written "
        "before any result; the rule of the look-back then gave sales_weekly 50 rows, less than its "
        "season, and all other tables the same as now. Tables are "
        "scored at up to 8 evenly spaced starts within the last 15% of their times, the same for all "
        f"forecasters. The season in parentheses is the better one in hindsight.{at_once}",
        "",
        *_competition_lines(results), *_summary(results), *_coverage_summary(results),
        "",
        *_table(
            ["set", "series", "times", "horizon", "look-back", NAIVE, SEASONAL, *PEERS, PRODUCT,
             "promoted", "seconds a training"],
            1, map(_mase_row, results),
        ),
        "",
        "RMSSE and MAE of the same forecasts (seasonal naive, AutoETS, LightGBM, fastLSTM), and how "
        "often the truth lies within the intervals: over all, and the share of series within 10 points. "
        "Those of fastLSTM are scored on all test windows of a table, those of AutoETS at the starts "
        "above; a series' coverage moves by chance the more, the fewer its windows are.",
        "",
        *_table(
            ["set", *(f"{metric} {name}" for metric in ("RMSSE", "MAE")
                      for name in ("seasonal", *PEERS, PRODUCT)),
             "80%: all", "80%: series", "95%: all", "95%: series", "AutoETS 80%: all",
             "AutoETS 80%: series"],
            1, map(_other_row, results),
        ),
        "",
        *_problem_lines(results),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"

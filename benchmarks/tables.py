"""Forecast real tables with nothing but the defaults, beside naive, AutoETS and LightGBM forecasts.

``python -m benchmarks.tables --data ../shared/data`` trains the product on every set and seed, and
prints a row for each. The sets are two competitions, whose files ``--data`` holds, and the tables of
``benchmarks.table_sets``. Peers run in an environment of their own, made once; their forecasts are kept
in the cache, so that a second run costs the product's trainings alone. ``--write`` puts the results
into ``benchmarks/TABLES.md`` and ``benchmarks/tables.json``; with ``--sets``, only those sets' rows.

Of a table, the peers see the rows before each start alone: AutoETS is fitted anew each time, LightGBM
once before the first start, and it is given the later rows as they become known. The product is trained
once, on its own train and validation rows.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.result_files import commit, merge_results
from benchmarks.table_environment import Environment, default_cache
from benchmarks.table_product import LEVELS, score
from benchmarks.table_report import best_seasonal, markdown, mase_by_forecaster
from benchmarks.table_scores import KEYS, coverage, errors, left_out, naive_forecasts
from benchmarks.table_sets import TABLES
from benchmarks.table_tasks import COMPETITIONS, Task, tasks
from fastlstm.network.kernel_choice import processor

_HOME = Path(__file__).parent
_RESULTS, _PAGE = _HOME / "tables.json", _HOME / "TABLES.md"
# Module of each peer, and the modules of ours it imports.
_PEERS = {
    "AutoETS": ("benchmarks.table_autoets", []),
    "LightGBM": ("benchmarks.table_lightgbm", ["table_autoets"]),
}


def peer_forecasts(
    task: Task, windows: pd.DataFrame, environment: Environment
) -> dict[str, pd.DataFrame]:
    """The windows with each peer's forecast, ``value``, and the bounds of its intervals, if it has any.

    Args:
        task: what is forecast.
        windows: ``unit, start, step, truth``.
        environment: where the peers are installed.
    """
    found = {}
    with tempfile.TemporaryDirectory() as name:
        files = task.write_for_peers(Path(name), LEVELS)
        for peer, (module, code) in _PEERS.items():
            file = environment.made(module, [*map(str, files)], "parquet", list(files), code)
            made = pd.read_parquet(file)
            made["start"] = made["start"].astype("datetime64[us]")
            joined = windows.merge(made, on=KEYS, how="left")
            assert joined["value"].notna().all(), f"{peer} leaves windows of {task.name} out"
            found[peer] = joined
    return found


def result_of(task: Task, environment: Environment, seeds: list[int], jobs: int) -> dict[str, Any]:
    """Everything that is kept of one set.

    Args:
        task: the set.
        environment: where the peers are installed.
        seeds: of the product's trainings; none for the peers alone.
        jobs: trainings at a time.
    """
    windows = task.windows()
    naive = naive_forecasts(task, windows)
    peers = peer_forecasts(task, windows, environment)
    made = naive | {name: joined["value"].to_numpy() for name, joined in peers.items()}
    forecasters = {name: errors(task, windows, value) for name, value in made.items()}
    for name, joined in peers.items():
        if f"lower_{LEVELS[0]:g}" in joined:
            forecasters[name]["coverage"] = coverage(joined, LEVELS)
    with ThreadPoolExecutor(jobs) as pool:
        scored = pool.map(lambda seed: score(task, windows, naive, seed), seeds)
        product = {str(seed): scores for seed, scores in zip(seeds, scored, strict=True)}
    return {
        "set": task.name, "kind": task.kind, "units": windows["unit"].nunique(),
        "times": task.rows["time"].nunique(), "horizon": task.horizon,
        "look_back": task.look_back, "forecasters": forecasters, "product": product,
        "left_out": left_out(task), "jobs": jobs, "commit": commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }  # fmt: skip


def _line(result: dict[str, Any]) -> str:
    """One row for the terminal."""
    shown = [f"{name} {value:.3f}" for name, value in mase_by_forecaster(result).items()]
    of_seeds = [
        f"seed {seed}: {scores['failed']}" if "failed" in scores
        else f"seed {seed}: MASE {scores['mase']:.3f}, {scores['seconds']:.0f} s, "
        f"{'' if scores['promoted'] else 'not '}promoted"
        for seed, scores in result["product"].items()
    ]  # fmt: skip
    about = f"{result['set']} ({result['horizon']} ahead from {result['look_back']})"
    return f"{about}: {', '.join(shown)}; {best_seasonal(result)[0]}\n  " + "\n  ".join(of_seeds)


def write(results: list[dict[str, Any]]) -> None:
    """Put results into the page, beside those of other sets that it holds."""
    merged = merge_results(_RESULTS, results, [*COMPETITIONS, *(table.name for table in TABLES)])
    _PAGE.write_text(markdown(merged, processor()), encoding="utf-8")


def main() -> None:
    """Score the sets."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument(
        "--data", type=Path, required=True, help="folder of the competitions' files"
    )
    arguments.add_argument("--sets", default="", help="names of sets, separated by commas")
    arguments.add_argument(
        "--seeds", default="0,1,2", help="separated by commas; '' for peers alone"
    )
    arguments.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    arguments.add_argument(
        "--cache", type=Path, default=default_cache(), help="folder of the peers"
    )
    arguments.add_argument("--write", action="store_true", help="update benchmarks/TABLES.md")
    given = arguments.parse_args()
    names = [name for name in given.sets.split(",") if name]
    seeds = [int(seed) for seed in given.seeds.split(",") if seed]
    if given.write and not seeds:
        arguments.error("--write needs seeds, for the page shows the product")
    results: list[dict[str, Any]] = []
    for task in tasks(names, given.data, Environment(given.cache.absolute())):
        results.append(result_of(task, Environment(given.cache.absolute()), seeds, given.jobs))
        print(_line(results[-1]), flush=True)
        if given.write:
            write(results)
    if not given.write:
        print("\n" + markdown(results, processor()))


if __name__ == "__main__":
    main()

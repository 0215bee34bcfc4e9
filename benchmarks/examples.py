"""The two bundled examples compared with scikit-learn's models on the same windows.

``python -m benchmarks.examples`` trains the network of each example by its config, once for each of the
seeds 0 to 4, and a peer that gets the same scaled past rows side by side in one line: for temperature
one ``HistGradientBoostingRegressor`` for each step ahead (absolute error, the window's last value taken
off as the network does), for rain ``LogisticRegression`` and ``HistGradientBoostingClassifier``. All are
fitted on the train windows and scored on the test windows; nothing is chosen by test. It writes
``benchmarks/EXAMPLES.md`` (20 to 30 minutes on two cores, half of it the trees).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from fastlstm.artifacts.fingerprint import library_versions
from fastlstm.config.reading import read_config
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.scaling import Scalers, fit_scalers
from fastlstm.data.split import cut_times
from fastlstm.data.time_grid import label_end, microseconds
from fastlstm.data.validation import validate
from fastlstm.evaluation.calibration_error import reliability
from fastlstm.evaluation.evaluate import evaluate
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.build import use_fitting_threads
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows

_HOME = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """What an example's networks and their peers learn from."""

    config: RetrainConfig
    windows: RowWindows
    scalers: Scalers
    rows: TargetTable


def settings(name: str, **changes: Any) -> RetrainConfig:
    """Config of an example of ``deployments/``, with changes of its hyperparameters."""
    config = read_config(_HOME.parent / "deployments" / f"{name}.yaml")
    hp = config.hyperparameters.model_copy(update=changes)
    return config.model_copy(update={"hyperparameters": hp})


def prepared(config: RetrainConfig) -> Example:
    """A config's data up to the windows."""
    data, hp = config.data, config.hyperparameters
    loaded = load(data)
    clean, report = validate(
        loaded.frame, data, labels=not hp.is_regressor, rows_out_of_order=loaded.rows_out_of_order
    )
    assert report.passed, report.errors
    times, segment = microseconds(clean[TIME]), clean[SEGMENT].to_numpy()
    cuts = cut_times(times, hp.train_size_rate, hp.validation_size_rate)
    x, y = clean[data.features], clean[data.targets]
    known = label_end(times, segment, data.lookahead)
    scalers = fit_scalers(x, y, times, known, cuts, hp)
    frame = clean[[SERIES, TIME, SEGMENT]]
    windows = RowWindows(
        frame, scalers.features(x), scalers.targets(y, data.targets), features=data.features,
        targets=data.targets, timesteps=hp.timesteps, steps_ahead=hp.steps_ahead, cuts=cuts,
        lookahead=data.lookahead,
    )  # fmt: skip
    return Example(config, windows, scalers, TargetTable.of(frame, y))


def scored(config: RetrainConfig) -> tuple[dict[str, Any], float]:
    """Metrics of a config's network, and the seconds its training took."""
    example = prepared(config)
    data, hp, windows = config.data, config.hyperparameters, example.windows
    use_fitting_threads(hp, data.features, data.targets, windows.count("train"))
    begin = time.monotonic()
    network = fit(windows, hp)
    seconds = time.monotonic() - begin
    networks = EvaluatedNetworks(network.model, network.chosen)
    found = evaluate(networks, windows, example.scalers, example.rows, config)
    return found.metrics, seconds


def _flat(windows: RowWindows, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Past rows side by side, ``(n, timesteps * n_features)``, and targets ``(n, n_outputs)``."""
    found = windows.read(split)
    return found.x.reshape(len(found.x), -1), found.y.reshape(len(found.y), -1)


def _mean(scores: Sequence[float]) -> str:
    """Of several seeds with the deviation."""
    return f"{np.mean(scores):.4g}" + (f" ± {np.std(scores):.2g}" if len(scores) > 1 else "")


def _line(name: str, seconds: float, *cells: str) -> str:
    return f"| {name} | {' | '.join(cells)} | {seconds:.0f} |"


def temperature(networks: list[tuple[dict[str, Any], float]]) -> list[str]:
    """The regressor's table, of the networks' metrics and seconds."""
    example = prepared(settings("weather_temperature"))
    data = example.config.data
    train_x, train_y = _flat(example.windows, "train")
    test_x, test_y = _flat(example.windows, "test")
    (target,) = data.targets
    last = (example.config.hyperparameters.timesteps - 1) * len(data.features)
    last += data.features.index(target)
    begin = time.monotonic()
    errors = []
    for step in range(test_y.shape[1]):
        trees = HistGradientBoostingRegressor(loss="absolute_error", random_state=0)
        trees.fit(train_x, train_y[:, step] - train_x[:, last])
        errors.append(np.abs(trees.predict(test_x) + test_x[:, last] - test_y[:, step]).mean())
    seconds = time.monotonic() - begin
    unit = float(example.scalers.y.scale_[0])  # type: ignore[union-attr]
    own = [metrics["test"]["model"]["mae"] for metrics, _ in networks]
    naive_errors = {
        name: networks[0][0]["test"][name]["mae"] for name in ("last_value", "last_season")
    }
    forecasters = {
        "network": (own, float(np.mean([took for _, took in networks]))),
        "gradient-boosted trees, one for each step": ([float(np.mean(errors)) * unit], seconds),
        "naive (last value)": ([naive_errors["last_value"]], 0.0),
        "seasonal naive": ([naive_errors["last_season"]], 0.0),
    }
    lines = [
        f"## Temperature, {test_y.shape[1]} hours ahead ({len(test_y):,} test windows)",
        "",
        "| | MAE (°F) | below the last value | seconds |",
        "| --- | ---: | ---: | ---: |",
        *(
            _line(name, took, _mean(mae), f"{1 - np.mean(mae) / naive_errors['last_value']:.1%}")
            for name, (mae, took) in forecasters.items()
        ),
        "",
        "| interval | method | inside | mean width (°F) |",
        "| --- | --- | ---: | ---: |",
    ]
    intervals = [metrics["intervals"]["overall"] for metrics, _ in networks]
    for rows in zip(*intervals, strict=True):
        row = rows[0]
        name = row["forecast"].replace("_", " ").replace("model", "network")
        lines.append(
            f"| {row['level']:g} of {name} | {row['method']} | "
            f"{np.mean([each['coverage'] for each in rows]):.1%} | "
            f"{np.mean([each['width'] for each in rows]):.3g} |"
        )
    return lines


def rain(networks: list[tuple[dict[str, Any], float]]) -> list[str]:
    """The classifier's table, of the networks' metrics and seconds."""
    example = prepared(settings("weather_rain"))
    train_x, train_y = _flat(example.windows, "train")
    test_x, test_y = _flat(example.windows, "test")
    outputs = [next(iter(metrics["outputs"].values())) for metrics, _ in networks]
    lines = [
        f"## Rain within 6 hours ({len(test_y):,} test windows, {test_y.mean():.1%} with rain)",
        "",
        "| | average precision | calibration error | seconds |",
        "| --- | ---: | ---: | ---: |",
        _line(
            "network",
            float(np.mean([seconds for _, seconds in networks])),
            _mean([output["average_precision"] for output in outputs]),
            _mean([output["calibration_error"] for output in outputs]),
        ),
    ]
    peers: dict[str, Callable[[], Any]] = {
        "logistic regression": lambda: LogisticRegression(max_iter=5000),
        "gradient-boosted trees": lambda: HistGradientBoostingClassifier(random_state=0),
    }
    for name, made in peers.items():
        begin = time.monotonic()
        peer = made().fit(train_x, train_y[:, 0])
        probability = peer.predict_proba(test_x)[:, 1]
        seconds = time.monotonic() - begin
        precision = float(average_precision_score(test_y[:, 0], probability))
        error, _ = reliability(test_y[:, 0], probability)
        lines.append(_line(name, seconds, _mean([precision]), f"{error:.4g}"))
    known = networks[0][0]["test"]["last_class"]["average_precision"]
    return [*lines, _line("last known class", 0, _mean([known]), "–")]


def main() -> None:
    """Write both tables."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    seeds = arguments.parse_args().seeds
    versions = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    tables = []
    # In processes of their own, as the flow trains: threads are set for each network.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, table in (("weather_temperature", temperature), ("weather_rain", rain)):
            networks = [pool.submit(scored, settings(name, seed=seed)).result() for seed in seeds]
            tables.append(pool.submit(table, networks).result())
    lines = [
        "# The examples compared with scikit-learn",
        "",
        f"`python -m benchmarks.examples`, {datetime.now(UTC):%Y-%m-%d}; {versions}. Same windows, "
        "fitted on train, scored on test. Networks: mean and deviation over the seeds "
        f"{', '.join(map(str, seeds))} (intervals: mean).",
        "",
        *tables[0],
        "",
        *tables[1],
        "",
    ]
    text = "\n".join(lines)
    (_HOME / "EXAMPLES.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

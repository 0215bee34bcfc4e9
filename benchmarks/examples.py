"""The two bundled examples beside scikit-learn's models on the very same windows.

``python -m benchmarks.examples`` trains the network of each example by its config, and a peer that
gets the same scaled past rows side by side in one line: for temperature one
``HistGradientBoostingRegressor`` for each step ahead (absolute error, the window's last value taken off
as the network does), for rain ``LogisticRegression`` and ``HistGradientBoostingClassifier``. All are
fitted on the train windows and scored on the test windows; nothing is chosen by test. It writes
``benchmarks/EXAMPLES.md`` (a quarter of an hour on two cores, nearly all of it the trees).
"""

from __future__ import annotations

import time
from collections.abc import Callable
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

from fastlstm.classification_metrics import reliability
from fastlstm.config import RetrainConfig, read_config
from fastlstm.evaluation import Evaluation, TargetTable, evaluate
from fastlstm.fingerprint import library_versions
from fastlstm.layers import use_fitting_threads
from fastlstm.loading import SERIES, TIME, load
from fastlstm.row_windows import RowWindows
from fastlstm.scaling import Scalers, fit_scalers, label_end, microseconds
from fastlstm.split import cut_times
from fastlstm.training import fit
from fastlstm.validation import SEGMENT, validate

_HOME = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """An example's windows and the network trained on them."""

    config: RetrainConfig
    windows: RowWindows
    scalers: Scalers
    evaluation: Evaluation
    seconds: float


def trained(name: str) -> Example:
    """Train an example of ``deployments/`` by its own config."""
    config = read_config(_HOME.parent / "deployments" / f"{name}.yaml")
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
    use_fitting_threads(hp, data.features, data.targets, windows.count("train"))
    begin = time.monotonic()
    network = fit(windows, hp)
    seconds = time.monotonic() - begin
    rows = TargetTable.of(frame, y)
    found = evaluate(network.model, windows, scalers, rows, config, judged=network.judged)
    return Example(config, windows, scalers, found, seconds)


def _flat(windows: RowWindows, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Past rows side by side, ``(n, timesteps * n_features)``, and targets ``(n, n_outputs)``."""
    found = windows.read(split)
    return found.x.reshape(len(found.x), -1), found.y.reshape(len(found.y), -1)


def _line(name: str, seconds: float, *scores: float | None) -> str:
    cells = ("–" if score is None else f"{score:.4g}" for score in scores)
    return f"| {name} | {' | '.join(cells)} | {seconds:.0f} |"


def temperature() -> list[str]:
    """The regressor's table."""
    example = trained("weather_temperature")
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
    test = example.evaluation.metrics["test"]
    lines = [
        f"## Temperature, {test_y.shape[1]} hours ahead ({len(test_y):,} test windows)",
        "",
        "| | MAE (°F) | seconds |",
        "| --- | ---: | ---: |",
        _line("network", example.seconds, test["model"]["mae"]),
        _line("gradient-boosted trees, one for each step", seconds, float(np.mean(errors)) * unit),
        _line("last value", 0, test["last_value"]["mae"]),
        _line("last season", 0, test["last_season"]["mae"]),
        "",
        "| interval | method | inside | mean width (°F) |",
        "| --- | --- | ---: | ---: |",
    ]
    for row in example.evaluation.metrics["intervals"]["overall"]:
        name = row["forecast"].replace("_", " ").replace("model", "network")
        lines.append(
            f"| {row['level']:g} of {name} | {row['method']} | {row['coverage']:.1%} | "
            f"{row['width']:.3g} |"
        )
    return lines


def rain() -> list[str]:
    """The classifier's table."""
    example = trained("weather_rain")
    train_x, train_y = _flat(example.windows, "train")
    test_x, test_y = _flat(example.windows, "test")
    (output,) = example.evaluation.metrics["outputs"].values()
    lines = [
        f"## Rain within 6 hours ({len(test_y):,} test windows, {test_y.mean():.1%} with rain)",
        "",
        "| | average precision | calibration error | seconds |",
        "| --- | ---: | ---: | ---: |",
        _line("network", example.seconds, output["average_precision"], output["calibration_error"]),
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
        lines.append(_line(name, seconds, precision, reliability(test_y[:, 0], probability)[0]))
    known = example.evaluation.metrics["test"]["last_class"]["average_precision"]
    return [*lines, _line("last known class", 0, known, None)]


def main() -> None:
    """Write both tables."""
    versions = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    # In processes of their own, as the flow trains: threads are set for each network.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        tables = [pool.submit(table).result() for table in (temperature, rain)]
    lines = [
        "# The examples beside scikit-learn",
        "",
        f"`python -m benchmarks.examples`, {datetime.now(UTC):%Y-%m-%d}; {versions}. Same windows, "
        "fitted on train, scored on test. One seed each.",
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

"""``make bench``: measure all side by side and write ``benchmarks/RESULTS.md`` with its chart.

``python -m benchmarks [--rounds N] [--parts WORD …]``. What is measured takes the place of this
processor's earlier figures, part by part; see ``benchmarks.results``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.contest import Result, compete
from benchmarks.engines import measure_engines
from benchmarks.growth import draw, measure_growth
from benchmarks.many import EPOCHS, ROWS
from benchmarks.many import measure as measure_models
from benchmarks.memory import peak_of_retraining
from benchmarks.networks import SIZES, trainers
from benchmarks.results import GROWTH, HEAD, Row, keep
from benchmarks.scale import measure_scale
from benchmarks.serving import predict_example, predict_panel
from benchmarks.stages import retrain_by_stage
from benchmarks.windows import disk_share
from deployments.local_s3 import free_ports
from deployments.local_server import local_server
from fastlstm.network.kernel_choice import processor

_HERE = Path(__file__).parent
_CONFIG = "deployments/weather_temperature.yaml"


def _rate(result: Result, unit: str) -> str:
    return f"{result.name} {result.rate:,.0f} {unit}/s ±{result.spread:.0%}"


def _windows(rounds: int) -> Iterator[Row]:
    rows, timesteps = 1_000_000, 50
    for many, series in ((rows, 1), (rows, 10), (10 * rows, 1)):
        spec = (
            "benchmarks.windows:write",
            {"rows": many, "series": series, "timesteps": timesteps},
        )
        made = compete({"fastLSTM": spec}, rounds)["fastLSTM"]
        share = disk_share(many, timesteps)
        yield Row(
            "windows to Parquet", f"{many:,} rows x 10, {timesteps} steps, {series} series",
            f"{_rate(made, 'windows')}, {made.extra_megabytes:.0f} MB above the table, "
            f"{share:.2f}x the rows on disk",
            "250,000/s, 300 MB, 2x",
            made.rate >= 250_000 and made.extra_megabytes < 300 and share < 2,
        )  # fmt: skip
    found = compete(
        {
            "fastLSTM": (
                "benchmarks.windows:read_ours", {"rows": rows, "timesteps": timesteps, "epochs": 2},
            ),
            "Keras timeseries_dataset_from_array": (
                "benchmarks.windows:read_keras",
                {"rows": rows, "timesteps": timesteps, "batches": 200},
            ),
            "Python generator": (
                "benchmarks.windows:read_generator",
                {"rows": rows, "timesteps": timesteps, "batches": 100},
            ),
        },
        rounds,
    )  # fmt: skip
    ours, *peers = found.values()
    best = max(peer.rate for peer in peers)
    yield Row(
        "windows into batches", f"the same, shuffled, batches of 128, 2 epochs, {ours.name} from disk",
        "; ".join(_rate(one, "windows") for one in found.values()) + f"; {ours.rate / best:.0f}x",
        "10x the peers, 300,000/s", ours.rate >= max(10 * best, 300_000),
    )  # fmt: skip


# Windows of an epoch, and the wanted speed as a multiple of plain Keras'.
_EPOCHS = {"small": (32_768, 1.3), "medium": (2_048, 1.15), "wide": (512, 0.0)}


def _training(rounds: int) -> Iterator[Row]:
    for name, (windows, over_keras) in _EPOCHS.items():
        work = {**SIZES[name], "windows": windows}
        found = compete(trainers(work), rounds)
        ours, keras, torch = found.values()
        yield Row(
            f"training, {name}",
            f"2 x {work['units']}, {work['steps']} x {work['features']}, batch {work['batch']}",
            "; ".join(_rate(one, "windows") for one in found.values())
            + f"; {ours.rate / keras.rate:.2f}x Keras, {ours.rate / torch.rate:.2f}x PyTorch",
            f"{f'{over_keras}x Keras, ' if over_keras else ''}1.0x PyTorch",
            ours.rate >= over_keras * keras.rate and ours.rate >= torch.rate,
        )


def _prediction(rounds: int) -> Iterator[Row]:
    for name in ("small", "medium"):
        size = {key: SIZES[name][key] for key in ("steps", "features", "units")}
        for windows, calls in ((100_000 if name == "small" else 10_000, 1), (1, 100)):
            work = {**size, "windows": windows, "calls": calls}
            found = compete(
                {
                    "fastLSTM": ("benchmarks.networks:predict_onnx", work),
                    "by TensorFlow": ("benchmarks.networks:predict_ours", work),
                    "PyTorch": ("benchmarks.networks:predict_torch", work),
                },
                rounds,
            )
            ours, _, torch = found.values()
            if windows == 1:
                figures = "; ".join(f"{r.name} {1000 / r.rate:.2f} ms" for r in found.values())
                wanted, reached = "PyTorch's", ours.rate >= torch.rate
            else:
                figures = "; ".join(_rate(r, "windows") for r in found.values())
                figures += f"; {ours.rate / torch.rate:.2f}x"
                wanted, reached = "1.0x PyTorch", ours.rate >= torch.rate
            yield Row(f"prediction, {name}", f"{windows:,} windows", figures, wanted, reached)


def _segments(rounds: int) -> Iterator[Row]:
    for ahead in (96, 720):
        for what, count in (("train", {"steps": 40}), ("forecast", {"calls": 40})):
            found = compete(
                {
                    name: (
                        f"benchmarks.segments:{what}",
                        {"steps_ahead": ahead, **count, "ours": name == "fastLSTM"},
                    )
                    for name in ("fastLSTM", "plain Keras")
                },
                rounds,
            )
            ours, keras = found.values()
            yield Row(
                f"segment network, {what}",
                f"720 hours of 7 columns, {ahead} ahead, batch 32",
                "; ".join(_rate(one, "windows") for one in found.values())
                + f"; {ours.rate / keras.rate:.2f}x",
                "1.0x Keras",
                ours.rate >= keras.rate,
            )


def _commands(rounds: int) -> Iterator[Row]:
    command = "benchmarks.commands:command"
    for arguments, limit in (
        (["python", "-c", "import fastlstm"], 0.5), (["fastlstm", "--help"], 0.7),
    ):  # fmt: skip
        took = compete({"fastLSTM": (command, {"arguments": arguments})}, rounds)["fastLSTM"]
        words = " ".join(arguments)
        yield Row(
            "start", f"`{words}`", f"{1 / took.rate:.2f} s ±{took.spread:.0%}",
            f"under {limit} s", 1 / took.rate < limit,
        )  # fmt: skip
    spec = ("benchmarks.commands:unchanged", {"config": _CONFIG})
    took = compete({"fastLSTM": spec}, rounds)["fastLSTM"]
    yield Row(
        "unchanged rerun", "second `fastlstm retrain`, nothing new",
        f"{1 / took.rate:.2f} s ±{took.spread:.0%}", "under 4 s", 1 / took.rate < 4,
    )  # fmt: skip


def _serving(rounds: int) -> Iterator[Row]:
    cost = predict_example(_CONFIG, rounds)
    yield Row(
        "`fastlstm predict`", "the weather example, shell to file, nothing running", cost.text,
        "2.5 s, 300 MB", cost.within(2.5, 300),
    )  # fmt: skip
    cost = predict_panel(10_000, 60, rounds)
    yield Row(
        "`fastlstm predict`", "10,000 series of 60 rows, one window each, intervals included",
        cost.text, "5 s", cost.within(5, float("inf")),
    )  # fmt: skip


@contextmanager
def _server_running() -> Iterator[None]:
    """A Prefect server on loopback that the contestants' environment names."""
    (port,) = free_ports(1)
    with (
        tempfile.TemporaryDirectory() as home,
        local_server(Path(home), port) as environment,
        mock.patch.dict(os.environ, environment),
    ):
        yield


def _flow(rounds: int) -> Iterator[Row]:
    where = {"config": _CONFIG}
    for running in (False, True):
        with _server_running() if running else nullcontext():
            found = compete(
                {
                    "retrain": ("benchmarks.flow:retrain", where),
                    "library": ("benchmarks.flow:library", where),
                    "empty flow": ("benchmarks.flow:empty", {}),
                },
                rounds,
            )
        whole, own, empty = (1 / result.rate for result in found.values())
        times = ", ".join(f"{r.name} {1 / r.rate:.1f} s ±{r.spread:.0%}" for r in found.values())
        yield Row(
            "flow overhead",
            f"`retrain` less the library's own work, {'a' if running else 'no'} server running",
            f"{times}; overhead {whole - own:.1f} s", "empty flow + 2 s", whole - own < empty + 2,
        )  # fmt: skip


def _series(rounds: int) -> Iterator[Row]:
    rows = 10_000_000
    found = compete(
        {
            f"{series:,} series": ("benchmarks.flow:prepared", {"rows": rows, "series": series})
            for series in (1, 10_000)
        },
        rounds,
    )
    one, many = found.values()
    yield Row(
        "series", f"load, validate, scale and windows of {rows:,} rows x 5",
        "; ".join(_rate(r, "rows") for r in found.values())
        + f"; {one.rate / many.rate:.2f}x the time per row",
        "1.5x", one.rate / many.rate < 1.5,
    )  # fmt: skip


def _memory(_: int) -> Iterator[Row]:
    rows = 10_000_000
    for series in (1, 10_000):
        peak, seconds = peak_of_retraining(rows, series, 10)
        yield Row(
            "memory", f"`fastlstm retrain`, {rows:,} rows x 10, {series:,} series",
            f"{peak:.2f} GB at most in all processes, {seconds:.0f} s", "under 3 GB", peak < 3,
        )  # fmt: skip


# Models by group, as many as a chain of shops has.
_GROUPS = 200


def _many(_: int) -> Iterator[Row]:
    found = measure_models(_GROUPS)
    one, two = found.seconds[1], found.seconds[2]
    yield Row(
        "many models",
        f"`models_by`, {found.groups} groups of {ROWS:,} rows, {EPOCHS} epochs each",
        f"one worker {one:.0f} s ({one / found.groups:.1f} s a model), two {two:.0f} s; "
        f"{one / two:.2f}x; weights {'as' if found.same else 'NOT as'} of a process for one model",
        "1.6x with two workers", one / two >= 1.6 and found.same,
    )  # fmt: skip
    yield Row(
        "start of a training", "after the first of a worker: from the call to its first step",
        f"{max(found.starts):.2f} s at most", "under 1 s", max(found.starts) < 1,
    )  # fmt: skip


def _scale(_: int) -> Iterator[Row]:
    for rows, shard_rows in ((1_000_000, 250_000), (100_000_000, 1_000_000)):
        yield scale_row(measure_scale(rows, rows // 5_000, shard_rows))


def scale_row(found: dict[str, Any]) -> Row:
    """The row of one ``measure_scale``."""
    before = found["gigabytes_to_windows"]
    after = max(found["gigabytes_after"], found["gigabytes_of_forecasts"])
    # The time of a small table is that of the start of processes.
    is_large = found["rows"] >= 100_000_000
    is_fast = found["rows_a_second"] >= 150_000 or not is_large
    return Row(
        "scale",
        f"`fastlstm retrain` and `predict`, {found['rows']:,} rows x 5, {found['series']:,} series",
        f"{found['rows_a_second']:,} rows/s from load to windows; a process has {before:.2f} GB at "
        f"most to the windows, {after:.2f} GB afterwards; {found['seconds']:,} s in all, and "
        f"{found['seconds_of_forecasts']:,} s for the forecasts of all series",
        ("150,000 rows/s, " if is_large else "") + "1.5 GB, 2.5 GB",
        is_fast and before < 1.5 and after < 2.5,
    )


# Rows of a panel for the engines, and of its shards, a tenth of the default.
_ENGINE_ROWS, _ENGINE_SHARD_ROWS = 20_000_000, 200_000


def _engines(rounds: int) -> Iterator[Row]:
    found = measure_engines(_ENGINE_ROWS, _ENGINE_ROWS // 1_000, _ENGINE_SHARD_ROWS, rounds)
    yield Row(
        "engines",
        f"load to windows of {_ENGINE_ROWS:,} rows x 5 in {found.shards} shards, two workers",
        f"local {found.medians['local']:.1f} s, Dask {found.medians['dask']:.1f} s; "
        f"overhead {found.overhead:.0%}; {'the same' if found.same else 'NOT the same'} bytes",
        "overhead under 20%, same bytes", found.overhead < 0.2 and found.same,
    )  # fmt: skip


def _stages(_: int) -> Iterator[Row]:
    found = retrain_by_stage(_CONFIG)
    seconds = ", ".join(f"{name} {took:.1f}" for name, took in found.seconds.items())
    yield Row(
        "stages", "`make retrain`, set-up aside, once, seconds of each",
        f"{found.whole:.0f} s: {seconds}; {found.error}", "75 s", found.whole < 75,
    )  # fmt: skip


def _growth(rounds: int) -> Iterator[Row]:
    measured = measure_growth(rounds)
    draw(measured, _HERE / "growth.png")
    yield Row("growth", "windows to Parquet", "the chart below", "", None)


_PARTS = {
    "windows": _windows,
    "training": _training,
    "prediction": _prediction,
    "segments": _segments,
    "commands": _commands,
    "serving": _serving,
    "flow": _flow,
    "series": _series,
    "memory": _memory,
    "many": _many,
    "scale": _scale,
    "engines": _engines,
    "stages": _stages,
    GROWTH: _growth,
}


def _versions() -> str:
    names = (
        "tensorflow-cpu",
        "keras",
        "onnxruntime",
        "torch",
        "numpy",
        "pyarrow",
        "pandas",
        "prefect",
    )
    found = []
    for name in names:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return f"Python {platform.python_version()}, {', '.join(found)}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=_PARTS)
    given = parser.parse_args()
    about = {"versions": _versions(), "rounds": given.rounds}
    print(HEAD)
    for name in given.parts or _PARTS:
        rows = []
        for row in _PARTS[name](given.rounds):
            print(row.line(), flush=True)
            rows.append(row)
        measured = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **about}
        keep(processor(), name, rows, measured, _PARTS)


if __name__ == "__main__":
    main()

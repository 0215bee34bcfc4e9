"""The steps from load to windows of a panel in shards, by this machine's processes and by Dask."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.scale import settings_of, write_panel
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.artifacts.mapping import Mapper
from fastlstm.data.validation import LoadingFacts
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.prepare import load_into, scale_into, validate_into, with_resolved_columns
from fastlstm.steps.shard_map import ShardMap
from tasks.engine import close_engines, engine_map
from tasks.settings import PipelineConfig

_ENGINES = ("local", "dask")
_STEPS = ("load", "validate", "scale", "windows")


@dataclass(frozen=True)
class Engines:
    """What was measured.

    Attributes:
        shards: number of shards.
        seconds: of the four steps, by engine, one for each round; workers run already.
        same: whether all outputs of all rounds have the same bytes.
    """

    shards: int
    seconds: dict[str, list[float]]
    same: bool

    @property
    def medians(self) -> dict[str, float]:
        """Median of the seconds, by engine."""
        return {engine: median(seconds) for engine, seconds in self.seconds.items()}

    @property
    def overhead(self) -> float:
        """Share by which Dask takes longer, of the medians."""
        return self.medians["dask"] / self.medians["local"] - 1


def measure_engines(rows: int, series: int, shard_rows: int, rounds: int) -> Engines:
    """Run the steps with two workers of each engine in alternation.

    Args:
        rows: rows of the panel.
        series: their series.
        shard_rows: rows of a shard.
        rounds: how often.
    """
    seconds: dict[str, list[float]] = {engine: [] for engine in _ENGINES}
    contents, shards = set(), 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "source").mkdir()
        write_panel(home / "source", rows, series)
        configs = {engine: _config(home, engine, shard_rows) for engine in _ENGINES}
        for engine, config in configs.items():  # starts the workers and their imports
            _steps(home / f"first {engine}", config, engine_map(config))
        for number in range(rounds):
            for engine, config in configs.items():
                folder, begin = home / f"{number} {engine}", time.perf_counter()
                _steps(folder, config, engine_map(config))
                seconds[engine].append(time.perf_counter() - begin)
                found = [read_manifest(folder / step) for step in _STEPS]
                contents.add(tuple(manifest["content_sha256"] for manifest in found))
                shards = found[0]["shards"]
        close_engines()
    return Engines(shards, seconds, len(contents) == 1)


def _config(home: Path, engine: str, shard_rows: int) -> PipelineConfig:
    given = settings_of(shard_rows)
    given["data"]["path"] = str(home / "source")
    given["execution"] |= {"engine": engine, "workers": 2}
    return PipelineConfig.model_validate(given)


def _steps(folder: Path, config: PipelineConfig, run: Mapper) -> None:
    """Run the steps into folders of their names."""
    hp, data = config.hyperparameters, config.data
    folder.mkdir()

    def step(name: str, build: Callable[[Path, ShardMap], dict[str, Any]]) -> Path:
        shards = ShardMap(folder / f"{name}.shards", run)
        publish(folder / name, lambda target: build(target, shards))
        return folder / name

    span = hp.timesteps + hp.steps_ahead
    table = step(
        "load",
        lambda target, shards: load_into(target, data, span, config.execution.shard_rows, shards),
    )
    resolved = with_resolved_columns(config, table)
    loading = LoadingFacts.of_manifest(read_manifest(table))
    clean = step(
        "validate",
        lambda target, shards: validate_into(
            target, table, resolved.data, labels=False, loading=loading,
            refused_report=folder / "refused.json", shards=shards,
        ),
    )  # fmt: skip
    scaled = step("scale", lambda target, shards: scale_into(target, clean, resolved, shards))
    step(
        "windows",
        lambda target, shards: cut_windows_into(
            target, scaled, hp.timesteps, hp.steps_ahead, data.lookahead, shards
        ),
    )

"""Settings of where the parts of a flow run: on this machine, or on the workers of a cluster."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from fastlstm.config.base import StrictSettings

# Former places of these settings in the section ``backtest``, and their names here.
_FORMER = {"task_runner": "engine", "cluster": "cluster", "parallel": "workers"}


class ExecutionConfig(StrictSettings):
    """The engine that runs folds, shards and the models of groups, and how much each worker takes."""

    engine: Literal["local", "dask", "ray"] = Field(
        "local",
        description="What runs the folds of a backtest, the shards of a large table and the models of "
        "'models_by'. 'local': processes of this machine. 'dask', 'ray': the workers of a cluster "
        "(pip install 'fastlstm[dask]', or prefect-ray), which see the source and 'work' at the same "
        "paths.",
    )
    cluster: str | None = Field(
        None,
        description="Address of a running Dask or Ray cluster, such as tcp://10.0.0.5:8786 or "
        "ray://10.0.0.5:10001. Default: one is started on this machine.",
    )
    workers: int | None = Field(
        None, ge=1, le=1024,
        description="Number of worker processes on this machine; a running cluster has its own. "
        "Default: one for each core, and at most one for each 2 GB of memory.",
    )  # fmt: skip
    threads_per_worker: int = Field(
        1, ge=1, le=256,
        description="Threads that a worker computes with. Results of large networks differ in the last "
        "digits from one number to another, but not with the number of workers.",
    )  # fmt: skip
    training_workers: int = Field(
        1, ge=1, le=256,
        description="Workers that train one network together, each on its part of every batch. But for "
        "rounding and dropout, losses are those of one. For large networks on several machines; on one "
        "machine a single process is as fast. Not for folds and trials, which run side by side.",
    )  # fmt: skip
    training_gpus: int = Field(
        1, ge=1, le=64,
        description="GPUs of a machine that train one network together, each on its part of every "
        "batch; with training_workers, GPUs of each worker.",
    )  # fmt: skip
    shard_rows: int = Field(
        2_000_000, ge=1_000,
        description="Rows that a worker holds in memory at a time. A panel with more is cut into shards "
        "of whole series.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _settings_agree(self) -> ExecutionConfig:
        if self.cluster is not None and self.engine == "local":
            raise ValueError(
                "cluster: engine 'local' uses none; remove it, or set engine to 'dask' or 'ray'"
            )
        if self.cluster is not None and self.workers is not None:
            raise ValueError(
                f"workers: the cluster at {self.cluster} has its own; remove workers or cluster"
            )
        if self.engine == "local" and self.training_workers > 1:
            self._require_one_machine()
        return self

    def _require_one_machine(self) -> None:
        """Refuse what the processes of one machine cannot do when they train one network.

        Raises:
            ValueError: names the setting.
        """
        if self.workers is not None and self.workers < self.training_workers:
            raise ValueError(
                f"training_workers: is {self.training_workers}, workers is {self.workers}, and all of "
                "them train at the same time; raise workers, or lower training_workers"
            )
        if self.training_gpus > 1:
            raise ValueError(
                "training_workers: the processes of one machine would share its GPUs; remove it, or "
                "set engine to 'dask' or 'ray'"
            )

    @property
    def trains_together(self) -> bool:
        """Whether several workers or GPUs train one network."""
        return self.training_workers > 1 or self.training_gpus > 1


def with_execution(given: dict[str, Any]) -> dict[str, Any]:
    """The settings with those of the execution in their section, where ``backtest`` has them.

    ``backtest.task_runner`` ('threads' is the engine 'local'), ``backtest.cluster`` and
    ``backtest.parallel`` are read for the settings of earlier releases.

    Args:
        given: all settings, as they were given.

    Raises:
        ValueError: both places have the setting, with different values.
    """
    backtest = given.get("backtest")
    if not isinstance(backtest, dict) or not backtest.keys() & _FORMER.keys():
        return given
    execution = given.get("execution", {})
    if not isinstance(execution, dict):
        execution = execution.model_dump(exclude_unset=True)
    moved = dict(execution)
    for former, name in _FORMER.items():
        if former not in backtest:
            continue
        value = "local" if backtest[former] == "threads" else backtest[former]
        if name == "workers" and moved.get("cluster", backtest.get("cluster")) is not None:
            continue  # a running cluster decides how many folds are trained at a time
        if execution.get(name, value) != value:
            raise ValueError(
                f"backtest.{former}: is {backtest[former]!r}, execution.{name} is "
                f"{execution[name]!r}; remove backtest.{former}"
            )
        moved[name] = value
    rest = {name: value for name, value in backtest.items() if name not in _FORMER}
    return {**given, "backtest": rest, "execution": moved}

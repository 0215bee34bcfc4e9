"""Calls on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import ConfigError, EngineError, FastLSTMError, WorkerKilledError, first_line
from fastlstm.steps import remote_call
from fastlstm.steps.worker_pool import default_workers
from tasks.cluster_engine import ClusterEngine


class RayEngine(ClusterEngine):
    """The workers of a Ray cluster, found by its address or started on this machine.

    Args:
        execution: the settings.

    Attributes:
        slots: number of calls that the cluster's CPUs serve at a time.

    Raises:
        ConfigError: prefect-ray is not installed, the cluster cannot be reached, or a worker has
            other versions of the libraries.
    """

    def __init__(self, execution: ExecutionConfig) -> None:
        try:
            import ray  # type: ignore[import-not-found]
            from prefect_ray import RayTaskRunner
        except ImportError:
            raise ConfigError(
                "execution.engine: 'ray' needs prefect-ray; run \"pip install prefect-ray\" here and on "
                "every worker, or choose 'local'"
            ) from None
        super().__init__(execution)
        self._ray = ray
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        if execution.cluster is None:
            options["num_cpus"] = execution.workers or default_workers()
        else:
            options = {"log_to_driver": False}
        remedy = (
            "start the cluster, or correct its address, or set RAY_AUTH_MODE=token where it asks for "
            "its token"
        )
        with self._connecting(remedy, OSError, ray.exceptions.RaySystemError):
            runner = RayTaskRunner(address=execution.cluster, init_kwargs=options)
            self._running.enter_context(runner)
            threads = 1 if execution.cluster is None else execution.threads_per_worker
            self._run = ray.remote(num_cpus=threads, max_retries=3)(remote_call.run)
            self.slots = max(1, int(ray.cluster_resources().get("CPU", 1) / threads))
            self.call("fastlstm.steps.remote_call:installed_versions", {})

    def call(
        self, function: str, arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None] | None = None,
        time_limit: float | None = None, *, prepare: str | None = None,
    ) -> Any:  # fmt: skip
        """See ``tasks.engine.Engine``. Events stay on the worker.

        Raises:
            WorkerKilledError: every worker that took the call died.
            EngineError: the cluster does not answer.
            FastLSTMError: as the function raised it.
        """
        request = self._request(function, arguments, time_limit, prepare)
        failures = self._ray.exceptions
        try:
            return self._ray.get(self._run.remote(request))
        except (failures.WorkerCrashedError, failures.OutOfMemoryError) as error:
            raise WorkerKilledError(
                f"{self._place}: workers died while they ran {function} ({first_line(error)}); give "
                "workers more memory, or lower execution.shard_rows or batch_size"
            ) from None
        except failures.RayTaskError as error:
            if isinstance(error.cause, FastLSTMError):
                raise error.cause from None
            if isinstance(error.cause, ImportError):
                raise ConfigError(
                    f"execution.cluster: a worker of {self._place} lacks fastlstm "
                    f"{self._versions['fastlstm']} ({first_line(error.cause)}); install it there"
                ) from None
            raise
        except (OSError, failures.RayError) as error:
            raise EngineError(
                f"execution.cluster: {self._place} does not answer any more ({first_line(error)}); "
                "start it and run the same command again, which uses what is finished"
            ) from None

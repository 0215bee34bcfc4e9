"""Calls on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import ConfigError, EngineError, FastLSTMError, WorkerKilledError, first_line
from fastlstm.steps import remote_call
from fastlstm.steps.remote_call import RemoteCall, installed_versions
from fastlstm.steps.worker_pool import default_workers


class RayEngine:
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
        self._ray = ray
        self._execution = execution
        self._place = execution.cluster or "the cluster of this machine"
        self._versions = installed_versions()
        self._running = ExitStack()
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        if execution.cluster is None:
            options["num_cpus"] = execution.workers or default_workers()
        else:
            options = {"log_to_driver": False}
        try:
            runner = RayTaskRunner(address=execution.cluster, init_kwargs=options)
            self._running.enter_context(runner)
            threads = 1 if execution.cluster is None else execution.threads_per_worker
            self._run = ray.remote(num_cpus=threads, max_retries=3)(remote_call.run)
            self.slots = max(1, int(ray.cluster_resources().get("CPU", 1) / threads))
            self.call("fastlstm.steps.remote_call:installed_versions", {})
        except (OSError, ray.exceptions.RaySystemError) as error:
            self._running.close()
            raise ConfigError(
                f"execution.cluster: {self._place} cannot be reached ({first_line(error)}); start the "
                "cluster, or correct its address, or set RAY_AUTH_MODE=token where it asks for its token"
            ) from None
        except BaseException:
            self._running.close()
            raise

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
        request = RemoteCall(
            function, arguments, time_limit, self._execution.threads_per_worker, prepare,
            self._versions,
        )  # fmt: skip
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

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here."""
        self._running.close()

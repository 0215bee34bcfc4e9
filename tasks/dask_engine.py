"""Calls on the workers of a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import ConfigError, EngineError, WorkerKilledError, first_line
from fastlstm.steps import remote_call
from fastlstm.steps.remote_call import version_problem
from fastlstm.steps.worker_pool import default_workers
from tasks.cluster_engine import ClusterEngine

_SECONDS_BETWEEN_LOOKS = 10.0
# A worker that died is started again within this time, or never.
_SECONDS_WITHOUT_WORKER = 120.0


class DaskEngine(ClusterEngine):
    """The workers of a Dask cluster, found by its address or started on this machine.

    Args:
        execution: the settings.

    Raises:
        ConfigError: prefect-dask is not installed, the cluster cannot be reached, or a worker has
            other versions of the libraries.
    """

    def __init__(self, execution: ExecutionConfig) -> None:
        try:
            import distributed
            from prefect_dask.task_runners import DaskTaskRunner
        except ImportError:
            raise ConfigError(
                "execution.engine: 'dask' needs prefect-dask; run \"pip install 'fastlstm[dask]'\" here "
                "and on every worker, or choose 'local'"
            ) from None
        super().__init__(execution)
        self._distributed = distributed
        options: dict[str, Any] = {"address": execution.cluster}
        if execution.cluster is None:
            options["cluster_kwargs"] = {
                "n_workers": execution.workers or default_workers(),
                "threads_per_worker": 1,
                "dashboard_address": "127.0.0.1:0",
            }
        with self._connecting("start the cluster, or correct its address", OSError):
            runner = self._running.enter_context(DaskTaskRunner(**options))
            self._client = runner.client
            self._check_versions()

    @property
    def slots(self) -> int:
        """Calls at a time: one for each thread, and as many that wait, for a cluster that others run.

        A worker then never waits for its next call, and a cluster that grows by demand does grow.
        """
        threads: int = max(1, sum(self._client.nthreads().values()))
        return threads if self._execution.cluster is None else 2 * threads

    def _check_versions(self) -> None:
        """Refuse a cluster without workers, or with a worker whose versions differ from ours.

        Raises:
            ConfigError: names the worker, the package and both versions.
        """
        try:
            self._client.wait_for_workers(1, timeout=30)
        except TimeoutError:
            raise ConfigError(
                f"execution.cluster: {self._place} has no worker; start one with 'dask worker "
                f"{self._execution.cluster or 'ADDRESS'}'"
            ) from None
        found = self._client.run(remote_call.installed_versions, on_error="return")
        for worker, versions in sorted(found.items()):
            if isinstance(versions, ImportError):
                raise ConfigError(
                    f"execution.cluster: worker {worker} lacks fastlstm {self._versions['fastlstm']} "
                    f"({first_line(versions)}); install it there"
                )
            if isinstance(versions, Exception):
                raise ConfigError(
                    f"execution.cluster: worker {worker} cannot be used ({first_line(versions)}); "
                    "restart it"
                )
            problem = version_problem(self._versions, versions)
            if problem is not None:
                raise ConfigError(f"execution.cluster: worker {worker} {problem}")

    def call(
        self, function: str, arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None] | None = None,
        time_limit: float | None = None, *, prepare: str | None = None,
    ) -> Any:  # fmt: skip
        """See ``tasks.engine.Engine``. Events stay on the worker.

        Raises:
            WorkerKilledError: every worker that took the call died.
            EngineError: the scheduler does not answer, or there is no worker any more.
            FastLSTMError: as the function raised it.
        """
        request = self._request(function, arguments, time_limit, prepare)
        distributed = self._distributed
        try:
            return self._result(self._client.submit(remote_call.run, request, pure=False))
        except distributed.scheduler.KilledWorker as error:
            raise WorkerKilledError(
                f"{self._place}: {error.allowed_failures + 1} workers died while they ran {function}, "
                "most likely for lack of memory; give workers more memory, or lower "
                "execution.shard_rows or batch_size"
            ) from None
        except (OSError, distributed.client.FutureCancelledError) as error:
            if self._client.status == "running" and not isinstance(error, OSError):
                raise
            raise EngineError(
                f"execution.cluster: the scheduler of {self._place} does not answer any more "
                f"({first_line(error)}); start it and run the same command again, which uses what is "
                "finished"
            ) from None

    def _result(self, future: Any) -> Any:
        """The result of a call, for which a worker may have to start first.

        Raises:
            EngineError: the cluster has had no worker for some time, so that none would ever serve it.
        """
        without_since: float | None = None
        while True:
            try:
                return future.result(timeout=_SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                if future.done():  # the function's own error
                    raise
            if self._client.nthreads():
                without_since = None
                continue
            without_since = without_since or time.monotonic()
            if time.monotonic() - without_since > _SECONDS_WITHOUT_WORKER:
                future.cancel()
                raise EngineError(
                    f"execution.cluster: {self._place} has no worker any more; start workers, with more "
                    "memory if the lack of it ended them, and run the same command again, which uses "
                    "what is finished"
                )

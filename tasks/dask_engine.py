"""Calls on the workers of a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any
from uuid import uuid4

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import ConfigError, EngineError, WorkerKilledError, first_line
from fastlstm.steps import remote_call
from fastlstm.steps.remote_call import RemoteCall, version_problem
from fastlstm.steps.worker_pool import default_workers
from tasks.cluster_engine import ClusterEngine

_SECONDS_BETWEEN_LOOKS = 10.0
# A worker that died is started again within this time, or never.
_SECONDS_WITHOUT_WORKER = 120.0


def run_on_worker(call: RemoteCall, topic: str, name: str | None) -> Any:
    """Serve a call on a worker, see ``fastlstm.steps.remote_call.run``, and send its events.

    Args:
        call: the call.
        topic: where the caller listens.
        name: of the call; None where nobody listens.
    """
    if name is None:
        return remote_call.run(call)
    from distributed import get_worker

    worker = get_worker()
    return remote_call.run(
        call, lambda event: worker.log_event(topic, {"call": name, "event": event})
    )


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
            import dask
            import distributed
            from prefect_dask.task_runners import DaskTaskRunner
        except ImportError:
            raise ConfigError(
                "execution.engine: 'dask' needs prefect-dask; run \"pip install 'fastlstm[dask]'\" here "
                "and on every worker, or choose 'local'"
            ) from None
        super().__init__(execution)
        self._distributed = distributed
        # Events of all calls come by one topic; one thread hands them on, in their order.
        self._topic = f"fastlstm-{uuid4().hex}"
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._deliveries = ThreadPoolExecutor(1)
        self._running.callback(self._deliveries.shutdown)
        options: dict[str, Any] = {"address": execution.cluster}
        if execution.cluster is None:
            options["cluster_kwargs"] = {
                "n_workers": execution.workers or default_workers(),
                "threads_per_worker": 1,
                "dashboard_address": "127.0.0.1:0",
            }
        # Dask's profiler interrupts each worker every 10 ms: small shards then take a tenth longer.
        with (
            dask.config.set({"distributed.worker.profile.enabled": False}),
            self._connecting("start the cluster, or correct its address", OSError),
        ):
            runner = self._running.enter_context(DaskTaskRunner(**options))
            self._client = runner.client
            self._client.subscribe_topic(self._topic, self._deliver)
            self._check_versions()

    @property
    def slots(self) -> int:
        """Calls at a time: one for each thread, and as many that wait.

        A worker then never waits for its next call, and a cluster that grows by demand does grow.
        """
        threads: int = max(1, sum(self._client.nthreads().values()))
        return 2 * threads

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
        """See ``tasks.engine.Engine``.

        Raises:
            WorkerKilledError: every worker that took the call died.
            EngineError: the scheduler does not answer, or there is no worker any more.
            FastLSTMError: as the function raised it.
        """
        request = self._request(function, arguments, time_limit, prepare)
        distributed = self._distributed
        with self._listening(on_event) as name:
            future = self._client.submit(run_on_worker, request, self._topic, name, pure=False)
            try:
                return self._result(future)
            except distributed.scheduler.KilledWorker as error:
                raise WorkerKilledError(
                    f"{self._place}: {error.allowed_failures + 1} workers died while they ran "
                    f"{function}, most likely for lack of memory; give workers more memory, or lower "
                    "execution.shard_rows or batch_size"
                ) from None
            except (OSError, distributed.client.FutureCancelledError) as error:
                its_own = future.status == "error"
                if its_own or (self._client.status == "running" and not isinstance(error, OSError)):
                    raise
                raise EngineError(
                    f"execution.cluster: the scheduler of {self._place} does not answer any more "
                    f"({first_line(error)}); start it and run the same command again, which uses what "
                    "is finished"
                ) from None

    @contextmanager
    def _listening(self, on_event: Callable[[dict[str, Any]], None] | None) -> Iterator[str | None]:
        """Hand the events of a call on within the block; its name, None where nobody listens."""
        if on_event is None:
            yield None
            return
        name, context = uuid4().hex, copy_context()
        # In the context of the call, for messages go to the flow run in it.
        self._listeners[name] = lambda event: context.run(on_event, event)
        try:
            yield name
            self._deliveries.submit(int).result()  # events that came before the result
        finally:
            del self._listeners[name]

    def _deliver(self, message: tuple[float, dict[str, Any]]) -> None:
        """Hand on an event, with the name of its call, that a worker has sent."""
        listener = self._listeners.get(message[1]["call"])
        if listener is not None:
            self._deliveries.submit(listener, message[1]["event"])

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
                if future.status == "error":
                    return future.result()  # raises the function's own error
                # Of a call that is done the result may still be on its way from a busy worker.
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

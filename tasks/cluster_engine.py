"""What the engines of a cluster share: its place, the versions that its workers must have, its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import ConfigError, first_line
from fastlstm.steps.remote_call import RemoteCall, installed_versions


class ClusterEngine:
    """The workers of a cluster, found by its address or started on this machine.

    Args:
        execution: the settings.
    """

    def __init__(self, execution: ExecutionConfig) -> None:
        self._execution = execution
        self._place = execution.cluster or "the cluster of this machine"
        self._versions = installed_versions()
        self._running = ExitStack()

    @contextmanager
    def _connecting(self, remedy: str, *failures: type[Exception]) -> Iterator[None]:
        """Close what is running where the block fails.

        Args:
            remedy: what to do where the cluster cannot be reached.
            failures: errors that say so.

        Raises:
            ConfigError: the block raised one of these.
        """
        try:
            yield
        except failures as error:
            self.close()
            raise ConfigError(
                f"execution.cluster: {self._place} cannot be reached ({first_line(error)}); {remedy}"
            ) from None
        except BaseException:
            self.close()
            raise

    def _request(
        self,
        function: str,
        arguments: dict[str, Any],
        time_limit: float | None,
        prepare: str | None,
    ) -> RemoteCall:
        """A call as it travels; see ``tasks.engine.Engine``."""
        threads = self._execution.threads_per_worker
        return RemoteCall(function, arguments, time_limit, threads, prepare, self._versions)

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here."""
        self._running.close()

"""A call on a worker of a cluster, whose code and libraries must be those of the caller."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from fastlstm.artifacts.fingerprint import code_version, library_versions
from fastlstm.artifacts.mapping import function_of
from fastlstm.data.memory import release_memory_of_call
from fastlstm.errors import ConfigError
from fastlstm.steps.worker_pool import WorkerPool

# A worker takes no more calls at a time than it has threads; processes start when they are needed.
_MOST_AT_A_TIME = 256
# Packages that some settings need.
_OPTIONAL = ("boto3", "distributed", "holidays", "ray", "scipy")


@dataclass(frozen=True)
class RemoteCall:
    """A call that travels to a worker.

    Attributes:
        function: ``module:function``, which takes and returns JSON-like values.
        arguments: its keyword arguments.
        time_limit: seconds after which a call in a fork is ended.
        threads: number of threads that a call in a fork computes with.
        prepare: ``module:function`` that imports what the call needs; the call then runs in a fork of
            a clean process, see ``fastlstm.steps.forks``. None: in the worker's process.
        versions: ``installed_versions()`` of the caller.
    """

    function: str
    arguments: dict[str, Any]
    time_limit: float | None
    threads: int
    prepare: str | None
    versions: dict[str, str]


def installed_versions() -> dict[str, str]:
    """What must be the same on all machines: releases of this library, Python and other libraries.

    An optional package that is not installed is left out.
    """
    return {
        "fastlstm": metadata.version("fastlstm"),
        "fastlstm's source code": code_version()[:12],
        "python": ".".join(platform.python_version_tuple()[:2]),
        **library_versions(),
        **_optional_versions(),
    }


def _optional_versions() -> dict[str, str]:
    found = {}
    for name in _OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def version_problem(ours: dict[str, str], theirs: dict[str, str]) -> str | None:
    """What differs between the versions of the caller and of a worker, and the remedy, or None."""
    for name, version in ours.items():
        if name not in theirs:
            return f"lacks {name}, which is {version} here; install it there"
        if theirs[name] != version:
            return (
                f"has {name} {theirs[name]}, here it is {version}; install the same release there"
            )
    return None


def run(call: RemoteCall, on_event: Callable[[dict[str, Any]], None] = lambda _: None) -> Any:
    """Serve a call on this worker.

    Args:
        call: the call.
        on_event: receives the events of a call in a fork, in the thread of this function.

    Raises:
        ConfigError: versions differ from those of the caller.
        FastLSTMError: as the function raised it.
        TrainingError: any other error, a killed process, or the time limit, of a call in a fork.
    """
    problem = version_problem(call.versions, _own_versions())
    if problem is not None:
        raise ConfigError(f"execution.cluster: worker {platform.node()} {problem}")
    if call.prepare is None:
        try:
            return function_of(call.function)(**call.arguments)
        finally:
            release_memory_of_call()
    return _pool(call.threads).call(
        call.function, call.arguments, on_event, call.time_limit, prepare=call.prepare
    )


_own_versions = functools.cache(installed_versions)


@functools.cache
def _pool(threads: int) -> WorkerPool:
    """The processes of this worker whose forks serve calls."""
    return WorkerPool(_MOST_AT_A_TIME, threads)

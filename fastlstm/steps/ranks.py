"""One of the processes that train a network together: how they meet, and that all end with one.

Ranks, as such processes are called, find each other through a folder that all see, so any engine can
start them: each writes its address there and waits for those of the others. A file there ends them all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from fastlstm.artifacts.mapping import function_of
from fastlstm.errors import ConfigError, WorkerEndedError, first_line
from fastlstm.steps.forks import end_with_parent

# Ranks begin at about the same time, or wait for a worker that another call keeps busy.
_SECONDS_TO_MEET = 300.0
_SECONDS_BETWEEN_LOOKS = 0.2
_END = "ended"


def end_ranks(meeting: Path) -> None:
    """End all ranks that met, or will meet, in a folder."""
    (meeting / _END).touch()


def run_rank(
    function: str,
    arguments: dict[str, Any],
    meeting: str,
    rank: int,
    ranks: int,
    cluster: str | None,
    on_event: Callable[[dict[str, Any]], None],
) -> Any:
    """Call ``module:function`` as one of several processes that train a network together.

    To be run in a process of its own, which TensorFlow has not used yet. Rank 0 returns as soon as it
    is done, the others at the signal to end.

    Args:
        function: takes ``rank``, ``ranks`` and ``on_event`` beside its arguments.
        arguments: its other keyword arguments.
        meeting: an empty folder that all ranks see.
        rank: number of this process, from 0.
        ranks: number of processes.
        cluster: address of the cluster, in whose network the ranks reach each other; None: all are on
            this machine.
        on_event: called with the progress of rank 0.

    Raises:
        ConfigError: the other ranks do not start, or would share one GPU.
        WorkerEndedError: another rank ended.
        FastLSTMError: as the function raised it.
    """
    import tensorflow as tf

    if cluster is None and tf.config.list_physical_devices("GPU"):
        raise ConfigError(
            "execution.training_workers: the workers of one machine would share its GPU; remove it, "
            "and set training_gpus to the number of GPUs"
        )
    folder = Path(meeting)
    addresses = _meet(folder, rank, ranks, _own_host(cluster))
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
    )
    watcher = _end_with_others(folder)
    listener = on_event if rank == 0 else lambda _: None
    try:
        found = function_of(function)(**arguments, rank=rank, ranks=ranks, on_event=listener)
    except tf.errors.OpError as error:
        raise WorkerEndedError(
            f"rank {rank} of the training lost the others ({first_line(error)})"
        ) from None
    finally:
        os.kill(watcher, signal.SIGKILL)
        os.waitpid(watcher, 0)
    # TensorFlow ends a rank when it misses another one.
    while rank > 0 and not (folder / _END).exists():
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return found


def _own_host(cluster: str | None) -> str:
    """The address under which other machines of a cluster reach this one."""
    if cluster is None:
        return "127.0.0.1"
    place = urlsplit(cluster)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((place.hostname, place.port or 1))  # sends nothing
        return str(probe.getsockname()[0])


def _meet(folder: Path, rank: int, ranks: int, host: str) -> list[str]:
    """Write this rank's address into the folder, and wait for those of all.

    Raises:
        ConfigError: some ranks do not start in time.
        WorkerEndedError: the ranks were ended, or this one was begun before and died.
    """
    with socket.socket() as reserved:
        reserved.bind((host, 0))
        own = folder / f".{uuid4().hex}"
        own.write_text(f"{host}:{reserved.getsockname()[1]}", encoding="utf-8")
        try:
            os.link(own, folder / str(rank))
        except FileExistsError:
            raise WorkerEndedError(f"rank {rank} of the training ended") from None
        begin = time.monotonic()
        files = [folder / str(number) for number in range(ranks)]
        while absent := [file for file in files if not file.exists()]:
            if (folder / _END).exists():
                raise WorkerEndedError("the other ranks of the training ended")
            if time.monotonic() - begin > _SECONDS_TO_MEET:
                raise ConfigError(
                    f"execution.training_workers: is {ranks}, and only {ranks - len(absent)} of them "
                    f"started within {_SECONDS_TO_MEET:g} s; lower it, or start more workers"
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    return [file.read_text(encoding="utf-8") for file in files]


def _end_with_others(folder: Path) -> int:
    """Have this process killed, which may wait for another rank for ever, at the signal to end.

    Returns:
        The id of the process that watches for it. A thread could not: TensorFlow keeps all of them from
        running while it waits for other ranks to connect.
    """
    watched = os.getpid()
    watcher = os.fork()
    if watcher == 0:
        end_with_parent()
        while not (folder / _END).exists():
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os.kill(watched, signal.SIGKILL)
        os._exit(0)
    return watcher

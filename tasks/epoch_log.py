"""The epochs of a training as lines of the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect.logging import get_run_logger

from tasks.notify import is_relayed, notify

# Lines of a training that runs beside others, in the log of all.
BESIDE_OTHERS = 5


def epoch_text(event: dict[str, Any]) -> str:
    """An epoch in one line, from an event of ``fastlstm.training.fit.fit``."""
    text = f"epoch {event['epoch']} of {event['epochs']} · loss {event['loss']:.4g}"
    if event.get("refit"):
        return f"refit: {text}"  # a refit has no validation rows
    return f"{text} · val_loss {event['val_loss']:.4g}"


def is_logged(event: dict[str, Any], lines: int) -> bool:
    """Whether an epoch is the first, or one of about so many lines."""
    epoch: int = event["epoch"]
    return epoch == 1 or epoch % max(1, event["epochs"] // lines) == 0


def epoch_log(name: str) -> Callable[[dict[str, Any]], None]:
    """Receives the events of a training that runs beside others, and logs some of its epochs.

    It is made in the task whose log that is; where Prefect does not run the steps, their messages go
    where those of all steps go.

    Args:
        name: of the training.
    """
    logger = None if is_relayed() else get_run_logger()

    def log(event: dict[str, Any]) -> None:
        if event["event"] != "epoch" or not is_logged(event, BESIDE_OTHERS):
            return
        line = f"{name}: {epoch_text(event)}"
        if logger is None:
            notify("train", line)
        else:
            logger.info(line)

    return log

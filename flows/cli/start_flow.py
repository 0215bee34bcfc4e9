"""Start Prefect for one flow of the command line, and follow the flow on the console."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from tasks.settings import PipelineConfig


def start_flow(
    action: str, name: str, settings: PipelineConfig, console: Console, *, debug: bool
) -> Callable[[PipelineConfig], Any]:
    """Import a flow and start a temporary Prefect server where none is configured.

    Args:
        action: what the flow does, for the first line on the console, e.g. 'Retraining'.
        name: name of the flow and of its module.
        settings: all settings.
        console: shows the steps of the flow as they end.
        debug: whether Prefect's own log is shown.

    Returns:
        The flow; where Prefect's server is away when it ends, its outcome is returned all the same.

    Raises:
        ConfigError: TensorFlow is not installed.
        FastLSTMError: the temporary server does not start.
    """
    import atexit
    import gc
    import importlib

    from fastlstm.network.keras_import import require_tensorflow
    from fastlstm.steps import worker
    from flows.temporary_server import TemporaryServer

    require_tensorflow()
    by = f" by {', '.join(settings.models_by)}" if settings.models_by else ""
    name_shown = repr(settings.family_name if by else settings.model_name)
    console.print(f"{action} {name_shown}{by} on {settings.data.path}; starting Prefect …")
    _set_prefect_defaults(debug)
    server = TemporaryServer()
    if name == "retrain" and not server.starts and not settings.models_by:
        # It imports TensorFlow meanwhile; where a server starts too, the cores are busy already.
        worker.start_ahead()
    # Imported modules are never garbage: collecting during the imports and at exit was measured to
    # take 1.2 s of a run.
    gc.disable()
    flow: Callable[[PipelineConfig], Any] = getattr(
        importlib.import_module(f"..{name}", __package__), name
    )
    from flows.console import ConsoleSubscriber
    from flows.outcomes import outcome_without_prefect
    from tasks.late_reports import has_left_report
    from tasks.notify import subscribe
    from tasks.prefect_outages import expect_no_return

    gc.enable()
    atexit.register(gc.freeze)
    subscribe(ConsoleSubscriber(console))
    if server.use():
        expect_no_return()

    def run(config: PipelineConfig) -> Any:
        try:
            outcome = flow(config)
            if has_left_report():
                console.print("Prefect's server is away; the next run tells it of this outcome.")
            return outcome
        except Exception as error:
            outcome = outcome_without_prefect(error)
            console.print("Prefect's server is away, so it does not know of this outcome.")
            return outcome

    return run


def _set_prefect_defaults(debug: bool) -> None:
    """Set variables that Prefect reads when it is imported; those the user has set stay."""
    for name, value in {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The command itself prints an error, once and in one line.
        "PREFECT_LOGGING_LEVEL": "INFO" if debug else "CRITICAL",
    }.items():
        os.environ.setdefault(name, value)

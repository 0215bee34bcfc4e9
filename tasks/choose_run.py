"""The step that chooses the run to forecast with."""

from __future__ import annotations

from tasks.forecasters import choose_forecaster
from tasks.notify import notify
from tasks.references import ChosenForecaster
from tasks.settings import ScoringConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("choose run")
def choose_run(config: ScoringConfig) -> ChosenForecaster:
    """The run that the settings name, else the champion, else the newest run's best baseline."""
    chosen = choose_forecaster(
        store_of(config), config.model_name, config.run, serve_baseline=config.serve_baseline
    )
    if chosen.baseline is not None:
        notify("choose run", f"warning: {chosen.text}")
    else:
        notify("choose run", f"{'run' if config.run else 'champion'} {chosen.run.run_id}")
    return chosen

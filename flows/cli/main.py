"""The command ``fastlstm``. Exit codes: 0 done, 2 bad settings or data, 1 any other error.

Heavy libraries are imported by the commands that use them, so that help, error messages and a
retraining without new data are quick.
"""

from __future__ import annotations

import gc

# Imported modules are never garbage.
gc.disable()

import click  # noqa: E402

from flows.cli import check, examples, forecasts, init, maintenance, runs, training  # noqa: E402
from flows.cli.errors import Commands  # noqa: E402

gc.enable()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks and Prefect's log.")
@click.version_option(package_name="fastlstm")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Train, retrain, compare and use LSTM forecasters.

    CONFIG is a YAML file with the settings of one model; deployments/ has two examples. Each
    training is stored as a run. The champion of a model is the run that forecasts are made with.
    """
    ctx.obj = debug


for _command in (
    examples.demo,
    init.init,
    check.check,
    training.retrain,
    training.backtest,
    training.tune,
    runs.runs,
    runs.show,
    runs.export,
    runs.promote,
    runs.rollback,
    forecasts.predict,
    maintenance.verify,
    maintenance.prune,
    maintenance.clean,
):
    main.add_command(_command)

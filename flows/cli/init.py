"""The command that looks at a table and writes a config for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flows.cli.examples import EXAMPLES, example_text


@click.command()
@click.argument("table", required=False)
@click.option(
    "--example", type=click.Choice(list(EXAMPLES)), help="A bundled example, not a table."
)
@click.option("--target", "targets", multiple=True, help="Column to forecast; may be given again.")
@click.option("--horizon", type=click.IntRange(1), help="Rows to forecast.")
@click.option(
    "--look-back", type=click.IntRange(1), help="Rows of past that a forecast is made from."
)
@click.option(
    "--time", multiple=True, help="Time column; again where several make the time together."
)
@click.option(
    "--time-format", help="How times are written, such as '%d/%m/%Y'; see data.time_format."
)
@click.option(
    "--series",
    multiple=True,
    help="Series column of a panel; again where several name it together.",
)
@click.option("--wide", is_flag=True, help="Each column but the time is a series.")
@click.option("--time-zone", help="IANA zone of times without an offset.")
@click.option("--query", help="SQL query whose result is the table; for a database.")
@click.option(
    "--output", type=click.Path(dir_okay=False), help="Config file; by default named as the table."
)
def init(
    table: str | None, example: str | None, targets: tuple[str, ...], horizon: int | None,
    look_back: int | None, time: tuple[str, ...], time_format: str | None,
    series: tuple[str, ...], wide: bool, time_zone: str | None, query: str | None, output: str | None,
) -> None:  # fmt: skip
    """Look at TABLE and write a config for it.

    TABLE is a CSV, Parquet, Excel, JSON or Arrow file, a folder of them, package:NAME/FILE,
    s3://bucket/prefix or a database with --query. Comments in the config name what was assumed and
    what is in doubt; on a terminal what is not clear is asked. 'fastlstm check' then shows what a
    training would do, and 'fastlstm retrain' trains.
    """
    from fastlstm.artifacts.files import replace_file
    from fastlstm.artifacts.scratch import ScratchFolder
    from fastlstm.config.locations import PACKAGE_PREFIX, check_source, is_database, is_remote
    from fastlstm.errors import ConfigError
    from fastlstm.inspection.inspect_table import inspect_table
    from fastlstm.inspection.settings_text import settings_text
    from flows.cli.arguments import open_console
    from tasks.settings import S3Settings
    from tasks.storage.sources import local_source

    if (table is None) == (example is None):
        raise ConfigError("give TABLE, the file or place of a table, or --example, not both")
    if table is None:
        _write_example(str(example), output)
        return
    check_source(table, "TABLE")
    _refuse_sqlite_file(table)
    if is_database(table) != (query is not None):
        raise ConfigError(
            "--query: give the SQL query whose result is the table"
            if query is None
            else f"--query: {table} is no database; remove --query"
        )
    stem = Path(table.rstrip("/")).name.split(".")[0] or "table"
    file = _new_file(output or f"{stem}.yaml")
    here = not (is_remote(table) or table.startswith(PACKAGE_PREFIX))
    named = str(Path(table).resolve()) if here else table
    with ScratchFolder() as work:
        source = local_source(named, query, S3Settings(), work)
        found = inspect_table(
            source.path, named=named, query=query, targets=targets, time=time,
            time_format=time_format, series=series, time_zone=time_zone, horizon=horizon,
            look_back=look_back, wide=wide,
            ask=_ask if sys.stdin.isatty() else None,
        )  # fmt: skip
    replace_file(file, settings_text(found))
    console = open_console()
    kind = "classes of" if found.is_label else "forecasts of"
    shown = ", ".join(found.roles.targets)
    of_series = "" if found.roles.series is None else f", series by {found.roles.series!r}"
    console.print(
        f"{file}: {kind} {shown}, {found.horizon} rows ahead from {found.look_back}; time "
        f"{found.times.column!r}{of_series}, frequency {found.frequency or 'unknown'}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    for doubt in found.doubts:
        console.print(f"in doubt: {doubt}", style="yellow", markup=False, soft_wrap=True)
    console.print(f"Look at it, then: fastlstm check {file}", markup=False, soft_wrap=True)


def _refuse_sqlite_file(table: str) -> None:
    """Refuse the path of an SQLite file, which is read by its URL.

    Raises:
        ConfigError: names the URL.
    """
    from fastlstm.errors import ConfigError

    file = Path(table)
    if not file.is_file():
        return
    with file.open("rb") as opened:
        is_sqlite = opened.read(16) == b"SQLite format 3\0"
    if is_sqlite:
        raise ConfigError(
            f"{table}: is an SQLite database; give sqlite:///{file.resolve()} and a --query of its rows"
        )


def _new_file(name: str) -> Path:
    """The file to write.

    Raises:
        ConfigError: it exists.
    """
    from fastlstm.errors import ConfigError

    file = Path(name)
    if file.exists():
        raise ConfigError(f"--output: {file} exists already; give another name")
    return file


def _write_example(name: str, output: str | None) -> None:
    """Write the config of a bundled example."""
    from fastlstm.artifacts.files import replace_file

    file = _new_file(output or EXAMPLES[name])
    replace_file(file, example_text(name))
    click.echo(f"{file}: look at it, then: fastlstm retrain {file}")


def _ask(question: str, answers: Sequence[str]) -> str:
    """Ask on the terminal."""
    chosen: str = click.prompt(question, type=click.Choice(list(answers)), default=answers[-1])
    return chosen

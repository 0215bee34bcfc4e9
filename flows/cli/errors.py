"""Errors of the command line as one line each, and the exit codes."""

from __future__ import annotations

from typing import Any

import click

from fastlstm.errors import ConfigError, DataError, FastLSTMError
from fastlstm.redaction import redacted
from flows.cli.output import echo

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2


class Commands(click.Group):
    """Prints an error as one line for each problem; ``--debug`` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit with 2 for bad settings or data and with 1 for any other error."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params.get("debug"):
                raise
            for line in _explanation(error).splitlines():
                echo(f"fastlstm: {line}", err=True)
            is_bad_input = isinstance(error, ConfigError | DataError)
            raise click.exceptions.Exit(EXIT_BAD_INPUT if is_bad_input else EXIT_FAILED) from None


def _explanation(error: BaseException) -> str:
    """What a person reads about an error."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, FastLSTMError):
        return str(error)
    first = redacted(str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first} (--debug shows the traceback)"

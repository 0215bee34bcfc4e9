"""Databases through SQLAlchemy: opening them without secrets in settings, and reading a query."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.redaction import redacted as without_secrets
from tasks.storage.sql_contention import again_on_contention, is_contention, was_created_meanwhile

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine

_ROWS_AT_A_TIME = 100_000


# PostgreSQL, MySQL, SQL Server and Oracle: no retry makes a wrong password right.
_REFUSED = re.compile(r"authentication failed|access denied|login failed|ORA-01017", re.IGNORECASE)


def _url(place: str) -> str:
    """The SQLAlchemy URL that a place is, or that it names."""
    kind, _, name = place.partition(":")
    if kind == "env":
        found = os.environ.get(name)
        if not found:
            raise ConfigError(f"{place}: the environment variable {name!r} is not set; set it")
        return found
    if kind == "block":
        from prefect.blocks.system import Secret

        try:
            block: Any = Secret.load(name.removeprefix("secret/"))
        except ValueError:
            raise ConfigError(
                f"{place}: Prefect has no such Secret block; create it under Blocks, with the "
                "SQLAlchemy URL as its value"
            ) from None
        return str(block.get())
    return place


def redacted(place: str) -> str:
    """A place as it may be written into logs and reports."""
    return without_secrets(place).partition("?")[0]


def open_database(place: str) -> Engine:
    """The engine of a database.

    Args:
        place: a SQLAlchemy URL, ``env:NAME`` or ``block:secret/NAME``.

    Raises:
        ConfigError: there is no such URL, or its driver is not installed.
    """
    import sqlalchemy

    url = _url(place)
    try:
        # Transactions are few, and a connection kept for the next one is one of the few of a server.
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise ConfigError(f"{redacted(place)}: {_first(error)}; install the dialect") from None
    except sqlalchemy.exc.ArgumentError:
        raise ConfigError(
            f"{redacted(place)}: is no SQLAlchemy URL; write e.g. postgresql+psycopg://host/database"
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"{redacted(place)}: the driver is not installed ({error.name}); run "
            f"'pip install {error.name}'"
        ) from None


@contextmanager
def translated_errors(place: str) -> Iterator[None]:
    """Turn a database's errors into one sentence without SQL parameters or rows.

    Raises:
        ConfigError: the database refuses the user or the password.
        ConnectionError: the database cannot be reached, or others lock it; another try may heal.
        DataError: the statement cannot be run.
        StoreError: anything else.
    """
    from pandas.errors import DatabaseError
    from sqlalchemy import exc

    try:
        try:
            yield
        except DatabaseError as error:
            raise (error.__cause__ or error) from None  # pandas hides the kind of error
    except exc.OperationalError as error:
        if _REFUSED.search(str(error.orig)):
            raise ConfigError(
                f"{redacted(place)}: {_first(error)}; correct the user or the password it holds"
            ) from None
        if is_contention(error):
            raise _busy(place, error) from None
        if error.statement is None:
            raise ConnectionError(
                f"{redacted(place)}: cannot be reached ({_first(error)})"
            ) from None
        raise DataError(f"{redacted(place)}: {_first(error)}; correct the query or table") from None
    except (exc.ProgrammingError, exc.StatementError) as error:
        if is_contention(error) or was_created_meanwhile(error):
            raise _busy(place, error) from None
        raise DataError(f"{redacted(place)}: {_first(error)}; correct the query or table") from None
    except (exc.SQLAlchemyError, DatabaseError) as error:
        raise StoreError(f"{redacted(place)}: {_first(error)}") from None


def _busy(place: str, error: Exception) -> ConnectionError:
    """The error about a database that others use, or that was lost, for as long as work was repeated."""
    return ConnectionError(
        f"{redacted(place)}: is locked by other programs, or its connection was lost ({_first(error)}); "
        "run again, or find what holds it"
    )


def _first(error: Exception) -> str:
    return without_secrets(str(getattr(error, "orig", None) or error)).splitlines()[0][:300]


def query_into(file: Path, place: str, query: str) -> int:
    """Write the result of a query as a Parquet file; return the number of rows.

    Rows are sorted by all columns, so that the file's bytes depend on the result alone and not on
    the order a database happens to answer in. They are read through a cursor of the server, where the
    driver has one, and of more than a million rows some are in memory at a time.

    Raises:
        ConfigError: the database cannot be opened as set.
        ConnectionError: it cannot be reached.
        DataError: the query cannot be run, has columns of one name, or a type no file can hold.
    """
    import pyarrow as pa

    from tasks.storage.sorted_rows import write_sorted

    engine = open_database(place)

    def once() -> int:
        # A name by which 'clean' finds what a killed run leaves.
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=file.parent) as scratch:
            return write_sorted(_blocks(engine, place, query), file, Path(scratch))

    try:
        with translated_errors(place):
            return again_on_contention(once)
    except pa.ArrowException as error:
        raise DataError(f"{redacted(place)}: a column mixes types ({_first(error)})") from None
    finally:
        engine.dispose()


def _blocks(engine: Engine, place: str, query: str) -> Iterator[pa.Table]:
    """The rows of a query in the order in which they come.

    Raises:
        DataError: the query has columns of one name, or one of lists or structs.
    """
    import pandas as pd
    import pyarrow as pa
    import sqlalchemy

    with engine.connect().execution_options(stream_results=True) as connection:
        rows = pd.read_sql_query(
            sqlalchemy.text(query), connection, chunksize=_ROWS_AT_A_TIME, dtype_backend="pyarrow"
        )
        for part in rows:
            names = [str(name) for name in part.columns]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise DataError(
                    f"{redacted(place)}: the query has two columns {twice[0]!r}; name them apart"
                )
            table = pa.Table.from_pandas(part, preserve_index=False)
            for column in table.schema:
                if pa.types.is_nested(column.type):
                    raise DataError(
                        f"{redacted(place)}: column {column.name!r} holds {column.type}, which has no "
                        "order; select plain columns"
                    )
            yield table

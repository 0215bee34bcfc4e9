"""Forecasts in a database: three tables, written in transactions."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fastlstm.errors import DataError
from tasks.storage.forecast_rows import KEYS, MOMENT, Kind, merge
from tasks.storage.sql import open_database, redacted, translated_errors
from tasks.storage.sql_contention import again_on_contention, was_created_meanwhile

# Characters of names in a database. The longest key has 3,056 bytes with them, MySQL takes 3,072.
_LENGTHS = {
    "model_name": 351, "run_id": 60, "series": 200, "target": 150, "feature": 200, "label": 150,
}  # fmt: skip

# Dialects to which 'a' and 'a ' are the same key, whatever the collation.
_PADDING = ("mysql", "mariadb", "mssql")

# Dialects whose ALTER TABLE adds a column without the word COLUMN.
_ADD_ALONE = ("mssql", "oracle")


def _text(length: int) -> Any:
    """A column of text in which 'DE' and 'de' differ, also where a database compares otherwise."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mssql, mysql

    mysql_text = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    mssql_text = mssql.NVARCHAR(length, collation="Latin1_General_100_BIN2")
    return (
        sa.String(length)
        .with_variant(mysql_text, "mysql", "mariadb")
        .with_variant(mssql_text, "mssql")
    )


def _columns() -> dict[Kind, list[tuple[str, Any]]]:
    """Names and types of each table's columns."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    # MySQL rounds times to seconds unless the column declares how many digits it keeps.
    micro = mysql.DATETIME(fsp=6)
    moment = sa.DateTime(timezone=True).with_variant(micro, "mysql", "mariadb")
    types = {name: _text(length) for name, length in _LENGTHS.items()}
    model, run, series, target, feature, label = types.values()
    return {
        "forecasts": [
            ("model_name", model), ("run_id", run), ("series", series), ("after", moment),
            ("origin", moment), ("step", sa.Integer), ("time", moment), ("target", target),
            ("prediction", sa.Double), ("label", label), ("probability", sa.Double),
            ("label_number", sa.BigInteger),
        ],
        "intervals": [
            ("model_name", model), ("run_id", run), ("series", series), ("after", moment),
            ("step", sa.Integer), ("target", target), ("level", sa.Double), ("lower", sa.Double),
            ("upper", sa.Double), ("learned_from", sa.Integer),
        ],
        "inputs": [
            ("model_name", model), ("run_id", run), ("first", moment), ("through", moment),
            ("feature", feature), ("counts", sa.Text), ("mean", sa.Double), ("std", sa.Double),
            ("minimum", sa.Double), ("maximum", sa.Double),
        ],
    }  # fmt: skip


class ForecastTables:
    """Three tables of a database, their primary keys the rows' keys; times are UTC.

    ``label`` is text; ``label_number`` has labels that are whole numbers as such, 0 and 1 for False and
    True, and is empty for others.
    """

    def __init__(self, place: str, table: str, model_name: str) -> None:
        import sqlalchemy as sa

        self._place, self._model = place, model_name
        self._engine = open_database(place)
        self._meta = sa.MetaData()
        self._tables = {
            kind: sa.Table(
                table if kind == "forecasts" else f"{table}_{kind}",
                self._meta,
                *(
                    sa.Column(name, column, primary_key=name in ["model_name", *KEYS[kind]])
                    for name, column in columns
                ),
            )
            for kind, columns in _columns().items()
        }

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        """Add rows that are not stored yet; return their number."""
        import sqlalchemy as sa

        _require_names_to_keep(rows, pads=self._engine.dialect.name in _PADDING)
        table = self._tables[kind]
        moment = table.c[MOMENT[kind]]
        rows = rows.assign(model_name=self._model).reindex(columns=[c.name for c in table.c])
        if "label" in rows and rows["label"].dtype.kind in "biu":
            # The models of a table may have labels of any type, so its column of labels is of text.
            number = rows["label"].astype("int64")
            rows = rows.assign(label=rows["label"].astype("str"), label_number=number)

        def once() -> int:
            with self._engine.begin() as connection:
                first = rows[MOMENT[kind]].min().to_pydatetime()
                query = sa.select(*(table.c[name] for name in KEYS[kind])).where(
                    table.c.model_name == self._model,
                    table.c.run_id.in_(rows["run_id"].unique().tolist()),
                    moment >= first,
                )
                stored = _utc(pd.DataFrame(connection.execute(query).all(), columns=KEYS[kind]))
                merged, fresh = merge(stored if len(stored) else None, rows, kind)
                if fresh:
                    connection.execute(sa.insert(table), _records(merged.iloc[-fresh:]))
                return fresh

        with translated_errors(self._place):
            self._create_tables()
            return again_on_contention(once, _were_appended_meanwhile)

    def _create_tables(self) -> None:
        """Create the tables that do not exist; another process may do the same at this moment.

        Raises:
            DataError: a table lacks a column, and the database does not let this user add it.
        """
        import sqlalchemy as sa

        def once() -> None:
            with self._engine.begin() as connection:
                self._meta.create_all(connection)
                for statement in self._statements_for_absent_columns(connection):
                    connection.execute(sa.text(statement.replace(":", r"\:")))

        try:
            again_on_contention(once, was_created_meanwhile)
        except (sa.exc.OperationalError, sa.exc.ProgrammingError):
            self._require_columns()
            raise

    def _statements_for_absent_columns(self, connection: Any) -> list[str]:
        """What adds the columns that tables of earlier versions lack."""
        import sqlalchemy as sa

        inspector, statements = sa.inspect(connection), []
        for table in filter(lambda table: inspector.has_table(table.name), self._tables.values()):
            present = {column["name"] for column in inspector.get_columns(table.name)}
            for column in (c for c in table.c if c.name not in present):
                written = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
                name = connection.dialect.identifier_preparer.format_table(table)
                add = "ADD" if connection.dialect.name in _ADD_ALONE else "ADD COLUMN"
                statements.append(f"ALTER TABLE {name} {add} {written}")
        return statements

    def _require_columns(self) -> None:
        """Refuse tables that lack a column.

        Raises:
            DataError: the message has the statements that add them.
        """
        with self._engine.connect() as connection:
            statements = self._statements_for_absent_columns(connection)
        if statements:
            raise DataError(
                f"{redacted(self._place)}: the tables of forecasts lack columns, which this user may "
                f"not add; run as their owner: {'; '.join(statements)}"
            )

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        """Every row whose last input row is not before ``since``."""
        import sqlalchemy as sa

        table = self._tables[kind]
        query = sa.select(table).where(
            table.c.model_name == self._model,
            table.c[MOMENT[kind]] >= since.to_pydatetime(),
        )

        def once() -> Any:
            with self._engine.begin() as connection:
                return connection.execute(query).all()

        with translated_errors(self._place):
            self._create_tables()
            found = again_on_contention(once)
        return _utc(pd.DataFrame(found, columns=[c.name for c in table.c]))


def _require_names_to_keep(rows: pd.DataFrame, *, pads: bool) -> None:
    """Refuse names that a database would refuse, cut or take for another one.

    Args:
        rows: the rows to append.
        pads: whether the database ignores spaces at the end of names.

    Raises:
        DataError: a name is too long, or ends with a space.
    """
    for column in _LENGTHS.keys() & set(rows.columns):
        names = pd.Series(rows[column].dropna().unique()).astype(str)
        padded = names[names.str.endswith(" ")] if pads else names[:0]
        if len(padded):
            raise DataError(
                f"{column} {padded.iloc[0][:60]!r} ends with a space, which this database ignores where "
                "it compares names; remove the space, or append forecasts to files"
            )
        too_long = names[names.str.len() > _LENGTHS[column]]
        if len(too_long):
            raise DataError(
                f"{column} {too_long.iloc[0][:60]!r}... has {len(too_long.iloc[0])} characters, a "
                f"database keeps {_LENGTHS[column]}; shorten it, or append forecasts to files"
            )


def _were_appended_meanwhile(error: BaseException) -> bool:
    """Whether rows violate a primary key, as another process appended the same ones first."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, IntegrityError)


def _utc(frame: pd.DataFrame) -> pd.DataFrame:
    """Times as UTC, because SQLite returns them without a time zone."""
    for name in {"after", "origin", "time", "first", "through"} & set(frame.columns):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    return frame


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as SQLAlchemy takes them: Python values, None where a value is missing."""
    plain = rows.astype(object).where(rows.notna(), None)
    return [
        {
            str(name): value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
            for name, value in record.items()
        }
        for record in plain.to_dict("records")
    ]

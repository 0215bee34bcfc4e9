"""Append forecasts, intervals and summaries of inputs to Parquet files, objects of S3 or a database.

Appending is idempotent: a row whose key is there already is not written again, so a scoring that is
repeated after a kill, or by two processes at once, leaves each row once.
"""

from __future__ import annotations

import fcntl
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.config.locations import is_database
from fastlstm.data.tables import write_table
from fastlstm.errors import StoreError
from tasks.settings import ForecastPlace, S3Settings
from tasks.storage.s3_client import (
    Location,
    LostRace,
    client_of,
    encryption,
    read_object,
    require_conditional_writes,
    translated_errors,
)
from tasks.storage.sql import open_database
from tasks.storage.sql import translated_errors as sql_told

Kind = Literal["forecasts", "intervals", "inputs"]


# What makes a row the same row. `after` stands for the origin, which a run without a declared
# frequency does not know; where it does, each tells the other.
KEYS: dict[Kind, list[str]] = {
    "forecasts": ["run_id", "series", "after", "step", "target"],
    "intervals": ["run_id", "series", "after", "step", "target", "level"],
    "inputs": ["run_id", "through", "feature"],
}


_MOMENT: dict[Kind, str] = {"forecasts": "after", "intervals": "after", "inputs": "through"}


_TRIES = 20


class Forecasts(Protocol):
    """Where forecasts of one model are kept."""

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        """Add rows that are not there yet; how many those were."""

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        """Every row whose last input row is not before ``since``."""


def open_forecasts(place: ForecastPlace, model_name: str, s3: S3Settings) -> Forecasts:
    """The forecasts of a model at a place."""
    if is_database(place.path):
        assert place.table is not None  # noqa: S101 (the settings demand it)
        return _Tables(place.path, place.table, model_name)
    if place.path.startswith("s3://"):
        return _Objects(Location.of(place.path), model_name, s3)
    return _Files(Path(place.path), model_name)


def _merge(old: pd.DataFrame | None, new: pd.DataFrame, kind: Kind) -> tuple[pd.DataFrame, int]:
    """Old rows, then those of the new ones whose key is not among them; and how many those are."""
    if old is None:
        return new, len(new)
    known = pd.MultiIndex.from_frame(old[KEYS[kind]])
    fresh = new[~pd.MultiIndex.from_frame(new[KEYS[kind]]).isin(known)]
    return (pd.concat([old, fresh], ignore_index=True) if len(fresh) else old), len(fresh)


def _by_file(rows: pd.DataFrame, kind: Kind) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows by the file that alone may hold their keys: one for each run and day (UTC)."""
    days = rows[_MOMENT[kind]].dt.strftime("%Y-%m-%d")
    for (run_id, day), part in rows.groupby([rows["run_id"], days], sort=True):
        yield f"{run_id}/{day}.parquet", part.reset_index(drop=True)


def _since(parts: list[pd.DataFrame], kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame()
    whole = pd.concat(parts, ignore_index=True)
    return whole[whole[_MOMENT[kind]] >= since].reset_index(drop=True)


class _Files:
    """Parquet files in a folder: ``<model>/<kind>/<run id>/<day>.parquet``."""

    def __init__(self, root: Path, model_name: str) -> None:
        self._home = root / model_name

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        added = 0
        with writing_to(self._home), self._lock():
            for name, part in _by_file(rows, kind):
                file = self._home / kind / name
                merged, fresh = _merge(_read(file) if file.exists() else None, part, kind)
                if fresh:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(file) as temporary:
                        write_table(merged, temporary)
                added += fresh
        return added

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        first = f"{since:%Y-%m-%d}"
        files = sorted((self._home / kind).glob("*/[0-9]*.parquet"))
        return _since([_read(f) for f in files if f.stem >= first], kind, since)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _read(file: Path | io.BytesIO, where: str = "") -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0][:200]
        raise StoreError(
            f"{where or file}: is damaged ({first}); move it away and score again"
        ) from None


class _Objects:
    """The same files as objects, each replaced only in the version it was read in."""

    def __init__(self, location: Location, model_name: str, s3: S3Settings) -> None:
        self._location, self._model, self._s3 = location, model_name, s3
        self._client = client_of(s3)

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        require_conditional_writes(self._client, self._location, self._s3)
        return sum(
            self._append(self._location.key(self._model, kind, name), part, kind)
            for name, part in _by_file(rows, kind)
        )

    def _append(self, key: str, part: pd.DataFrame, kind: Kind) -> int:
        url = f"s3://{self._location.bucket}/{key}"
        for _ in range(_TRIES):
            old, etag = self._get(key, url)
            merged, fresh = _merge(old, part, kind)
            if not fresh:
                return 0
            body = io.BytesIO()
            merged.to_parquet(body, compression="zstd", index=False)
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                with translated_errors(url):
                    self._client.put_object(
                        Bucket=self._location.bucket, Key=key, Body=body.getvalue(),
                        ContentType="application/vnd.apache.parquet", ChecksumAlgorithm="SHA256",
                        **condition, **encryption(self._s3),
                    )  # fmt: skip
            except LostRace:
                continue
            return fresh
        raise StoreError(f"{url}: others changed it {_TRIES} times meanwhile; try again")

    def _get(self, key: str, url: str) -> tuple[pd.DataFrame | None, str | None]:
        with translated_errors(url):
            found = read_object(self._client, self._location.bucket, key)
        if found is None:
            return None, None
        return _read(io.BytesIO(found[0]), url), found[1]

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        home, first, parts = self._location.key(self._model, kind) + "/", f"{since:%Y-%m-%d}", []
        with translated_errors(f"s3://{self._location.bucket}/{home}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._location.bucket, Prefix=home
            )
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        for key in sorted(keys):
            if key.endswith(".parquet") and Path(key).stem >= first:
                frame, _ = self._get(key, f"s3://{self._location.bucket}/{key}")
                if frame is not None:
                    parts.append(frame)
        return _since(parts, kind, since)


class _Tables:
    """Three tables of a database, their primary keys the rows' keys; times are UTC."""

    def __init__(self, place: str, table: str, model_name: str) -> None:
        import sqlalchemy as sa

        self._place, self._model = place, model_name
        self._engine = open_database(place)
        meta = sa.MetaData()
        moment, text = sa.DateTime(timezone=True), sa.String(200)
        columns: dict[Kind, list[tuple[str, Any]]] = {
            "forecasts": [
                ("model_name", text), ("run_id", text), ("series", text), ("after", moment),
                ("origin", moment), ("step", sa.Integer), ("time", moment), ("target", text),
                ("prediction", sa.Double),
            ],
            "intervals": [
                ("model_name", text), ("run_id", text), ("series", text), ("after", moment),
                ("step", sa.Integer), ("target", text), ("level", sa.Double), ("lower", sa.Double),
                ("upper", sa.Double), ("learned_from", sa.Integer),
            ],
            "inputs": [
                ("model_name", text), ("run_id", text), ("first", moment), ("through", moment),
                ("feature", text), ("counts", sa.Text), ("mean", sa.Double), ("std", sa.Double),
                ("minimum", sa.Double), ("maximum", sa.Double),
            ],
        }  # fmt: skip
        self._tables = {
            kind: sa.Table(
                table if kind == "forecasts" else f"{table}_{kind}",
                meta,
                *(
                    sa.Column(name, column, primary_key=name in ["model_name", *KEYS[kind]])
                    for name, column in columns[kind]
                ),
            )
            for kind in columns
        }
        self._meta = meta

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        import sqlalchemy as sa

        table = self._tables[kind]
        moment = table.c[_MOMENT[kind]]
        rows = rows.assign(model_name=self._model)[[c.name for c in table.c]]

        def once() -> int:
            with self._engine.begin() as connection:
                self._meta.create_all(connection)
                first = rows[_MOMENT[kind]].min().to_pydatetime()
                asked = sa.select(*(table.c[name] for name in KEYS[kind])).where(
                    table.c.model_name == self._model,
                    table.c.run_id.in_(rows["run_id"].unique().tolist()),
                    moment >= first,
                )
                known = _utc(pd.DataFrame(connection.execute(asked).all(), columns=KEYS[kind]))
                merged, fresh = _merge(known if len(known) else None, rows, kind)
                if fresh:
                    connection.execute(sa.insert(table), _records(merged.iloc[-fresh:]))
                return fresh

        with sql_told(self._place):
            return _again_on_conflict(once)

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        import sqlalchemy as sa

        table = self._tables[kind]
        with sql_told(self._place), self._engine.begin() as connection:
            self._meta.create_all(connection)
            asked = sa.select(table).where(
                table.c.model_name == self._model,
                table.c[_MOMENT[kind]] >= since.to_pydatetime(),
            )
            found = connection.execute(asked).all()
        return _utc(pd.DataFrame(found, columns=[c.name for c in table.c]))


def _again_on_conflict(once: Callable[[], int]) -> int:
    """Another process that appends the same rows meanwhile is met by the primary key."""
    from sqlalchemy.exc import IntegrityError

    for _ in range(_TRIES):
        try:
            return once()
        except IntegrityError:
            continue
    return once()


def _utc(frame: pd.DataFrame) -> pd.DataFrame:
    """Times as UTC: SQLite gives them back without a zone."""
    for name in {"after", "origin", "time", "first", "through"} & set(frame.columns):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    return frame


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    plain = rows.astype(object).where(rows.notna(), None)
    return [
        {
            str(name): value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
            for name, value in record.items()
        }
        for record in plain.to_dict("records")
    ]

"""Databases that others use at the same time: locks, lost connections and crowds of writers."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import sqlalchemy as sa

from tasks.storage import sql_contention
from tasks.storage.forecast_tables import ForecastTables
from tasks.storage.sql import query_into, translated_errors
from tasks.storage.sql_contention import again_on_contention, is_contention, was_created_meanwhile
from tests.tasks.storage.test_forecasts import FIRST, rows

WRITERS = 8


def error_of(
    message: str, state: str = "", kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError
):
    origin = type("Driver", (Exception,), {"sqlstate": state or None})(message)
    return kind("SELECT 1", {}, origin)


@pytest.mark.parametrize(
    "error",
    [
        error_of("database is locked"),
        error_of("database table is locked: f"),
        error_of("could not serialize access", "40001"),
        error_of("terminating connection due to administrator command", "57P01"),
        error_of("sorry, too many clients already", "53300"),
        # What psycopg says of a connection that was refused has no state.
        error_of("FATAL:  the database system is not yet accepting connections"),
        error_of("FATAL:  remaining connection slots are reserved for others"),
        error_of("canceling statement due to lock timeout", "55P03"),
        error_of("(1213, 'Deadlock found when trying to get lock; try restarting transaction')"),
        error_of("(1205, 'Lock wait timeout exceeded; try restarting transaction')"),
        error_of("(2013, 'Lost connection to MySQL server during query')"),
        error_of("Transaction was deadlocked on lock resources", kind=sa.exc.ProgrammingError),
    ],
)
def test_what_others_caused_is_tried_again_and_never_the_users_error(error, monkeypatch):
    assert is_contention(error)
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) < 4:
            raise error
        return "done"

    assert again_on_contention(work) == "done"
    monkeypatch.setattr(sql_contention, "_PATIENCE_SECONDS", 0)
    calls.clear()
    with (
        pytest.raises(
            ConnectionError, match="locked by other programs, or its connection was lost"
        ),
        translated_errors("sqlite:///f.db"),
    ):
        again_on_contention(work)


@pytest.mark.parametrize(
    "error",
    [
        error_of("table f already exists"),
        error_of('relation "f" already exists', "42P07", sa.exc.ProgrammingError),
        error_of(
            "violates unique constraint pg_type_typname_nsp_index", "23505", sa.exc.IntegrityError
        ),
        error_of("duplicate column name: label"),
        error_of(
            "There is already an object named 'f' in the database.", kind=sa.exc.ProgrammingError
        ),
    ],
)
def test_what_another_writer_created_first_is_used(error):
    assert was_created_meanwhile(error) and not is_contention(error)


def test_an_error_of_the_user_is_told_at_once():
    for error in (error_of("no such column: nonsense"), error_of("permission denied", "42501")):
        assert not is_contention(error) and not was_created_meanwhile(error)
    assert not is_contention(SimpleNamespace())


def test_a_locked_file_is_waited_for(tmp_path):
    """Longer than SQLite's own waiting, which is set to none here."""
    file = tmp_path / "f.db"
    place = f"sqlite:///{file}?timeout=0"
    locked = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    locked.execute("CREATE TABLE r (x)")
    locked.execute("INSERT INTO r VALUES (1)")
    locked.execute("BEGIN EXCLUSIVE")
    unlock = threading.Timer(0.3, locked.execute, ["COMMIT"])
    unlock.start()
    assert ForecastTables(place, "f", "m").append("forecasts", rows("one", range(2))) == 4
    unlock.join()
    locked.execute("BEGIN EXCLUSIVE")
    unlock = threading.Timer(0.3, locked.execute, ["COMMIT"])
    unlock.start()
    assert query_into(tmp_path / "q.parquet", place, "SELECT x FROM r") == 1
    unlock.join()
    locked.close()


def test_a_connection_that_is_lost_is_opened_again(tmp_path):
    tables = ForecastTables(f"sqlite:///{tmp_path / 'f.db'}", "f", "m")
    lost: list[str] = []

    @sa.event.listens_for(tables._engine, "before_cursor_execute")
    def lose(_connection, _cursor, statement, _parameters, _context, _many):
        if statement.startswith("INSERT") and not lost:
            lost.append(statement)
            error = sa.exc.OperationalError(statement, {}, sqlite3.OperationalError("gone"))
            error.connection_invalidated = True
            raise error

    assert tables.append("forecasts", rows("one", range(2))) == 4 and lost
    assert tables.append("forecasts", rows("one", range(2))) == 0


def write(place: str, number: int, turns: int) -> None:
    """Append rows that all writers append, and rows of this one alone."""
    for turn in range(turns):
        tables = ForecastTables(place, "f", "m")
        tables.append("forecasts", rows(f"shared {turn}", range(3)))
        assert tables.append("forecasts", rows(f"own {number} {turn}", range(3))) == 6


def crowd(place: str, turns: int) -> None:
    """Many processes that begin without tables; each row must be there once."""
    start = multiprocessing.get_context("spawn")
    writers = [start.Process(target=write, args=(place, n, turns)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    found = ForecastTables(place, "f", "m").read("forecasts", FIRST)
    assert len(found) == 6 * turns * (1 + WRITERS)
    assert not found.duplicated(["run_id", "series", "after", "step", "target"]).any()


@pytest.mark.soak
def test_writers_at_once_in_sqlite(tmp_path):
    crowd(f"sqlite:///{tmp_path / 'f.db'}", 20)


@pytest.fixture
def postgres():
    """URL of a server of this test; skipped where PostgreSQL or its driver is not installed."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folder = Path(shutil.which("initdb") or (found[0] / "initdb" if found else "")).parent
    if not (folder / "initdb").exists():
        pytest.skip("PostgreSQL is not installed; run 'apt-get install postgresql'")
    # Not below pytest's folder, which belongs to one user alone.
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    data = home / "data"
    data.mkdir()
    user = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = {"user": "postgres"}
        home.chmod(0o755)
        shutil.chown(data, "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run([folder / program, "-D", data, *arguments], check=True, cwd=data, **user,
                       stdout=subprocess.DEVNULL)  # fmt: skip

    run("initdb", "-A", "trust", "-U", "postgres")
    options = f"-h '' -k {data} -c max_connections=12 -c fsync=off"
    run("pg_ctl", "-w", "-l", str(data / "log"), "-o", options, "start")
    yield (
        f"postgresql+psycopg://postgres@/postgres?host={data}",
        lambda: run(
            "pg_ctl", "-w", "-m", "immediate", "-l", str(data / "log"), "-o", options, "restart"
        ),
    )
    run("pg_ctl", "-w", "-m", "immediate", "stop")
    shutil.rmtree(home)


@pytest.mark.soak
def test_writers_at_once_in_postgresql_that_is_restarted(postgres):
    place, restart = postgres
    killer = threading.Timer(6, restart)
    killer.start()
    crowd(place, 40)
    killer.join()
    engine = sa.create_engine(place)
    assert len(pd.read_sql("SELECT * FROM f", engine)) == 6 * 40 * (1 + WRITERS)

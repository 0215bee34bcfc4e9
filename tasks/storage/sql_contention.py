"""Databases that others use at the same time: what to try again, and for how long."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")

# How long work is tried again: longer than a server restarts or another program writes.
_PATIENCE_SECONDS = 60.0
_LONGEST_WAIT = 2.0
# How long a server that refuses connections is tried: it may be starting again.
_PATIENCE_TO_CONNECT_SECONDS = 15.0
_NOT_LISTENING = re.compile(r"connection refused|is the server running", re.IGNORECASE)

# SQLSTATE: of the connection; serialization failure and deadlock; too many connections; lock not
# available; the server shuts down or starts.
_STATES = re.compile(r"08...|40001|40P01|53300|55P03|57P0[1-3]")
# What SQLite, MySQL, SQL Server and Oracle say without such a state.
_MESSAGES = re.compile(
    r"database (table |schema )?is locked|database schema has changed|deadlock|lock wait timeout"
    r"|lock request time out|too many (connections|clients)|remaining connection slots"
    r"|database system is (starting|shutting|in|not yet)|has gone away|lost connection|server closed the"
    r" connection|ORA-00054|ORA-00060|ORA-03113|ORA-03114|ORA-08177",
    re.IGNORECASE,
)
# A table, type or column that another process created since this one looked.
_CREATED_STATES = re.compile(r"42P07|42701|42710|42S01|42S21")
_CREATED = re.compile(
    r"already exists|already an object|duplicate column|pg_type_typname_nsp_index"
    r"|pg_class_relname_nsp_index|must be unique\. Column name|ORA-00955|ORA-01430",
    re.IGNORECASE,
)


def is_contention(error: BaseException) -> bool:
    """Whether others caused an error of a database: a lock, a deadlock, a connection that was lost."""
    if getattr(error, "connection_invalidated", False):
        return True
    origin: Any = getattr(error, "orig", None)
    if origin is None:
        return False
    return bool(_STATES.fullmatch(_state(origin)) or _MESSAGES.search(str(origin)))


def was_created_meanwhile(error: BaseException) -> bool:
    """Whether what was to be created exists, as another process created it first."""
    origin: Any = getattr(error, "orig", None)
    if origin is None:
        return False
    return bool(_CREATED_STATES.fullmatch(_state(origin)) or _CREATED.search(str(origin)))


def _state(origin: Any) -> str:
    """The SQLSTATE of a driver's error; empty where it has none."""
    found = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
    return str(found or (origin.args[0] if origin.args else ""))


def again_on_contention(
    work: Callable[[], R], also: Callable[[BaseException], bool] = lambda _: False
) -> R:
    """Run a whole transaction, again with back-off where others were in its way, for a minute.

    The work must leave what is stored as it is where it succeeded before: a connection may be lost after
    the commit and before the answer.

    Args:
        work: the transaction, from its beginning.
        also: what else to try again.
    """
    begin, number = time.monotonic(), 0
    while True:
        try:
            return work()
        except Exception as error:
            # pandas hides the kind of error.
            cause = error if hasattr(error, "orig") else error.__cause__ or error
            waited = time.monotonic() - begin
            absent = _NOT_LISTENING.search(str(getattr(cause, "orig", "")))
            if not (absent or is_contention(cause) or also(cause)):
                raise
            if waited > (_PATIENCE_TO_CONNECT_SECONDS if absent else _PATIENCE_SECONDS):
                raise
        number += 1
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.01 * 2 ** min(number, 10))))

"""Locations that settings name: local paths, files of Python packages, S3, databases.

A setting's type says which kinds it takes (``SourceLocation``, ``StoreLocation``, …); any other URL
is refused with a list of what is taken. A new kind is one entry of ``_KINDS``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator

from fastlstm.errors import ConfigError
from fastlstm.redaction import has_secret

PACKAGE_PREFIX = "package:"


S3_PREFIX = "s3://"


# Entry points by which installed packages provide stores for further URLs.
STORE_ENTRY_POINTS = "fastlstm.stores"


# Dialects of SQLAlchemy and of its usual plug-ins. A URL of any other one can stand in a variable
# ('env:NAME'), where its text is not checked.
DIALECTS = (
    "access", "awsathena", "bigquery", "clickhouse", "clickhousedb", "cockroachdb", "crate",
    "databricks", "db2", "druid", "duckdb", "exa", "firebird", "hana", "hive", "ibm_db_sa", "impala",
    "mariadb", "mssql", "mysql", "oracle", "postgresql", "presto", "redshift", "singlestoredb",
    "snowflake", "spanner", "sqlite", "teradatasql", "trino", "vertica",
)  # fmt: skip


Kind = Literal["file", "folder", "package", "s3", "database", "env", "block"]


# What a refusal says about each kind.
_KINDS: dict[Kind, str] = {
    "file": "a file or folder of this machine",
    "folder": "a folder of this machine",
    "package": "'package:NAME/FILE'",
    "s3": "s3://bucket/prefix",
    "database": f"a SQLAlchemy URL ({', '.join(DIALECTS)})",
    "env": "'env:NAME' for an environment variable that holds a SQLAlchemy URL",
    "block": "'block:secret/NAME' for a Prefect Secret block that holds one",
}


def _scheme(location: str) -> str | None:
    """The scheme of a URL, without a driver; None for what is no URL."""
    scheme, separator, _ = location.partition("://")
    return scheme.partition("+")[0] if separator else None


def _kind(location: str) -> Kind | None:
    """What a location is, any local path being a 'file'; None for a URL of an unknown scheme."""
    for kind in ("env", "block", "package"):
        if location.startswith(f"{kind}:"):
            return kind
    scheme = _scheme(location)
    if scheme is None:
        return "file"
    if location.startswith(S3_PREFIX):
        return "s3"
    well_formed = re.match(r"[a-z][a-z0-9_]*(\+\w+)?://", location)
    return "database" if well_formed and scheme in DIALECTS else None


def is_remote(location: str) -> bool:
    """Whether a location is no path of this machine: a URL, or a reference to a database's URL."""
    return "://" in location or location.startswith(("env:", "block:"))


def is_database(location: str) -> bool:
    """Whether a location is a database: a SQLAlchemy URL, or a reference to one."""
    return _kind(location) in ("database", "env", "block")


def check_location(
    location: str, kinds: tuple[Kind, ...], other_schemes: Iterable[str] = ()
) -> str:
    """Refuse a location of a kind that a setting does not take.

    Args:
        location: the setting's value.
        kinds: what the setting takes.
        other_schemes: schemes of URLs that it takes too; looked at for an unknown URL only.

    Returns:
        The location as it was given.

    Raises:
        ValueError: it is empty, holds a password, or is of another kind.
    """
    if not location.strip():
        raise ValueError(f"is empty; give {_KINDS[kinds[0]]}")
    without_password(location, kinds)
    kind = _kind(location)
    if kind in kinds or (kind == "file" and "folder" in kinds):
        return location
    schemes = sorted(other_schemes)
    scheme = _scheme(location)
    if scheme in schemes:
        return location
    shown = repr(f"{scheme}://" if scheme is not None else location.partition(":")[0] + ":")
    taken = [_KINDS[name] for name in kinds] + [
        f"{name}://" for name in schemes if name != "s3" or "s3" not in kinds
    ]
    listed = ", ".join(taken[:-1]) + " or " + taken[-1] if len(taken) > 1 else taken[0]
    raise ValueError(f"{shown} is not taken here; give {listed}")


def without_password(url: str, kinds: tuple[Kind, ...] = ()) -> str:
    """Refuse a URL with a password, token or key, which would be stored with every run.

    Args:
        url: any setting's value.
        kinds: what the setting takes, to advise on.

    Returns:
        The URL as it was given.

    Raises:
        ValueError: it holds one, in the login or in the query; see ``fastlstm.redaction``.
    """
    if has_secret(url):
        advice = {
            "env": "put the URL into an environment variable and write 'env:NAME'",
            "block": "put it into a Prefect Secret block and write 'block:secret/NAME'",
        }
        advised = [text for kind, text in advice.items() if kind in kinds]
        raise ValueError(
            "holds a password or key, which would be stored in plain text; "
            + (", or ".join(advised) or "remove it")
        )
    return url


def database_url(location: str) -> str:
    """The SQLAlchemy URL that 'env:NAME' stands for; any other location as it is.

    Raises:
        ConfigError: the environment variable is not set.
    """
    if not location.startswith("env:"):
        return location
    name = location.removeprefix("env:")
    url = os.environ.get(name)
    if not url:
        raise ConfigError(f"{location}: the environment variable {name!r} is not set; set it")
    return url


def database_setting_problems(path: str, key: str, value: object, content: str) -> list[str]:
    """Problems of a setting that databases need and files do not have, such as ``query``.

    Args:
        path: the location it belongs to.
        key: name of the setting.
        value: its value, None where it is not given.
        content: what to give, for a database without it.
    """
    if is_database(path) and value is None:
        return [f"{key}: path is a database; give {content}"]
    if value is not None and not is_database(path):
        return [
            f"{key}: path is no database; remove {key}, or set path to a SQLAlchemy URL, "
            "'env:NAME' or 'block:secret/NAME'"
        ]
    return []


def _check_source(location: str) -> str:
    return check_location(location, ("file", "package", "s3", "database", "env", "block"))


def check_source(location: str, key: str = "data.path") -> None:
    """Refuse what no source of rows can be; for locations that are not settings.

    Raises:
        ConfigError: it is of no kind that rows are read from; the message begins with the key.
    """
    try:
        _check_source(location)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _check_forecasts(location: str) -> str:
    return check_location(location, ("folder", "s3", "database", "env", "block"))


def _check_store(location: str) -> str:
    if location.startswith(S3_PREFIX) or "://" not in location:
        return check_location(location, ("folder", "s3"))
    from importlib.metadata import entry_points

    return check_location(location, ("folder", "s3"), entry_points(group=STORE_ENTRY_POINTS).names)


def _check_work(location: str) -> str:
    return check_location(location, ("folder", "s3"))


def _check_database(location: str) -> str:
    return check_location(location, ("database", "env"))


# Types of settings: a source holds rows, and forecasts are appended to a forecast location.
SourceLocation = Annotated[str, AfterValidator(_check_source)]
ForecastLocation = Annotated[str, AfterValidator(_check_forecasts)]
StoreLocation = Annotated[str, AfterValidator(_check_store)]
WorkLocation = Annotated[str, AfterValidator(_check_work)]
DatabaseLocation = Annotated[str, AfterValidator(_check_database)]

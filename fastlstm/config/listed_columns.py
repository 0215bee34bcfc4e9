"""Settings that take one column, or a list of columns that are one together."""

from __future__ import annotations

from typing import Any


def with_listed_columns(given: Any, key: str, parts: str, mark: str) -> Any:
    """Settings in which a list of columns stands as one name, and its columns under a key of their own.

    Args:
        given: the settings as they were written.
        key: the setting, such as ``series``.
        parts: where its columns go, where they are several.
        mark: what stands between them in the name.

    Raises:
        ValueError: the list is empty, or names a column twice.
    """
    if not isinstance(given, dict) or not isinstance(given.get(key), list):
        return given
    names = [str(name) for name in given[key]]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{key}: {names} names no columns, or one twice; correct it")
    several = {parts: names} if len(names) > 1 else {}
    return {**given, key: mark.join(names), **several}


def with_listed_series(given: Any) -> Any:
    """Settings in which ``series`` is one name; see ``with_listed_columns``."""
    return with_listed_columns(given, "series", "series_parts", "/")


def with_listed_time(given: Any) -> Any:
    """Settings in which ``time`` is one name; see ``with_listed_columns``."""
    return with_listed_columns(given, "time", "time_columns", " ")

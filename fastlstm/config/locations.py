"""Where a setting says something lies: a file of this machine, a URL or a database."""

from __future__ import annotations


def is_remote(place: str) -> bool:
    """Whether a place is no file of this machine: a URL, or where a database's URL is kept."""
    return "://" in place or place.startswith(("env:", "block:"))


def is_database(place: str) -> bool:
    """Whether a place is a database rather than files."""
    return is_remote(place) and not place.startswith("s3://")


def without_password(url: str) -> str:
    """A URL that may stand in a config file.

    Raises:
        ValueError: it carries a password, which would be stored with every run.
    """
    _, separator, rest = url.partition("://")
    login, at, _ = rest.partition("/")[0].rpartition("@")
    if separator and at and ":" in login:
        raise ValueError(
            "holds a password, which would be stored in plain text; put the URL into an "
            "environment variable and write 'env:NAME', or into a Prefect Secret block and write "
            "'block:secret/NAME'"
        )
    return url

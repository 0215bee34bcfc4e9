"""Open the store that a folder or URL names.

Another package may add stores for URLs through the entry-point group ``fastlstm.stores``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.config.locations import STORE_ENTRY_POINTS
from fastlstm.errors import ConfigError
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.store import Store


def open_store(place: str | Path, **options: Any) -> Store:
    """The store at a location: a folder, or a URL whose scheme an installed package provides.

    Args:
        place: a folder, or a URL such as ``s3://bucket/prefix``.
        options: keywords of the store of a URL.

    Raises:
        ConfigError: no installed package provides a store for such a URL.
    """
    scheme, separator, _ = str(place).partition("://")
    if not separator:
        return FolderStore(place)
    from importlib.metadata import entry_points

    known = entry_points(group=STORE_ENTRY_POINTS)
    for entry in known.select(name=scheme):
        opened: Store = entry.load()(str(place), **options)
        return opened
    names = ", ".join(sorted(f"{name}://" for name in known.names))
    raise ConfigError(f"store: {place}: no store for {scheme}://; use a folder or {names}")


def local_run(url: str, **options: Any) -> Path:
    """A local folder that holds the run at ``<store>/<model name>/<run id>``, or a file of it.

    Args:
        url: e.g. ``s3://bucket/prefix/sales/2026-11-24 03-00-00``.
        options: keywords of the store.

    Raises:
        ConfigError: the URL has too few parts, or no installed package provides such a store.
        StoreError: there is no such run.
    """
    parts = url.rstrip("/").split("/")
    if parts[-1].endswith(".json"):
        parts.pop()
    if len(parts) < 5:  # scheme, '', bucket, model name, run id
        raise ConfigError(f"{url}: give the run as <store>/<model name>/<run id>")
    *place, model_name, run_id = parts
    return open_store("/".join(place), **options).run_folder(model_name, run_id)

"""The store that a flow's settings name: opened once, and with the settings that are its own."""

from __future__ import annotations

import importlib.metadata
import uuid

import pytest

from fastlstm.registry import opening
from fastlstm.registry.folder_store import FolderStore
from tasks import settings
from tasks.settings import ScoringConfig, store_of
from tasks.storage.s3_store import S3Store


class OtherStore:
    """A store of another package, which takes its URL alone."""

    def __init__(self, url: str) -> None:
        self.url = url


def config(store, tmp_path, **changes):
    return ScoringConfig.model_validate(
        {
            "model_name": "m", "store": str(store), "work": str(tmp_path / "work"),
            "input": {"path": "rows.csv"}, "output": {"path": "forecasts"}, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def opened(monkeypatch):
    """The places that were opened."""
    settings._opened.cache_clear()
    places = []

    def counted(place, **options):
        places.append(str(place))
        return opening.open_store(place, **options)

    monkeypatch.setattr(settings, "open_store", counted)
    yield places
    settings._opened.cache_clear()


def test_a_store_is_opened_once(opened, tmp_path, s3_server):
    places = [str(tmp_path / "runs"), f"s3://models/{uuid.uuid4().hex}"]
    for place, kind in zip(places, (FolderStore, S3Store), strict=True):
        first = store_of(config(place, tmp_path))
        assert isinstance(first, kind)
        assert all(store_of(config(place, tmp_path)) is first for _ in range(5))
    assert opened == places
    # Other settings are another store.
    other = store_of(config(places[1], tmp_path, s3={"encryption": "AES256"}))
    assert other is not store_of(config(places[1], tmp_path))


def test_only_a_store_in_s3_is_given_the_s3_settings(opened, tmp_path, monkeypatch):
    entry = importlib.metadata.EntryPoint("other", f"{__name__}:OtherStore", "fastlstm.stores")
    entries = importlib.metadata.EntryPoints([entry])
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: entries)
    store = store_of(config("other://team/runs", tmp_path))
    assert store.url == "other://team/runs"

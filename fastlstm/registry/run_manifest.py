"""What is read of the manifest of a stored run, and of a report on the models of all groups."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, TypeAdapter
from typing_extensions import TypedDict

from fastlstm.artifacts.folders import MANIFEST, read_manifest
from fastlstm.artifacts.shapes import Count, Score, require_shape
from fastlstm.reporting.text import TITLES

# Python reads more forms than NumPy, by which the time is used.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z")


def _known_metric(name: str) -> str:
    if name not in TITLES:
        raise ValueError(f"no metric of {', '.join(TITLES)}")
    return name


def _end_of_time(text: str) -> str:
    """A time as runs store it, or the number of a row."""
    if _TIME.fullmatch(text):
        datetime.fromisoformat(text[:-1])
    elif not text.startswith("row "):
        raise ValueError("neither a time in UTC nor a row")
    return text


class Primary(TypedDict):
    """The metric that decides, and its value on test."""

    name: Annotated[str, AfterValidator(_known_metric)]
    value: Score
    # Absent in metrics of earlier versions.
    better: NotRequired[Literal["lower", "higher"]]


class _OnSameWindows(TypedDict):
    """Score of a baseline, and the network's on the windows that it is defined for."""

    baseline: Score
    model: Score


class _OnnxCheck(TypedDict, total=False):
    windows: Count


class _Training(TypedDict, total=False):
    """Facts of a training."""

    epochs: Count
    best_epoch: Count
    refit: str | bool
    onnx: _OnnxCheck


class _Cuts(TypedDict, total=False):
    """Where the splits are cut; in microseconds since 1970 (UTC), or rows."""

    first_test_origin: Annotated[str, AfterValidator(_end_of_time)]
    validation: int
    test: int


class _Report(TypedDict, total=False):
    """A report on the models of all groups."""

    groups: dict[str, str]
    pooled: list[str]
    models_by: list[str]
    data: dict[str, Any]


class _Manifest(_Report, total=False):
    run_id: str
    model_name: str
    fingerprint: str | None  # none for a report where a group failed
    primary: Primary | None
    baselines: dict[str, _OnSameWindows]
    training: _Training
    cuts: _Cuts
    versions: dict[str, Any]


_SHAPE: TypeAdapter[Any] = TypeAdapter(_Manifest)


def require_run_manifest(manifest: dict[str, Any], where: str) -> dict[str, Any]:
    """The manifest, whose entries have the types that readers rely on.

    Args:
        manifest: what ``read_manifest`` or ``parse_manifest`` gives.
        where: address of its file.

    Raises:
        StoreError: names the entry that has another type.
    """
    require_shape(manifest, _SHAPE, where)
    return manifest


def read_run_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder, checked; see ``require_run_manifest``.

    Raises:
        StoreError: there is none, it was changed, or an entry has another type.
    """
    return require_run_manifest(read_manifest(folder), str(folder / MANIFEST))

"""The error of a run that another version stored names both versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fastlstm.errors import StoreError
from fastlstm.runs import saved_run
from fastlstm.runs.saved_run import SavedRun
from fastlstm.runs.versions import is_newer

STORED = Path(__file__).parents[1] / "stored_runs" / "small"


def opened(tmp_path, versions, **settings):
    """A stored run whose manifest and settings say so."""
    folder = shutil.copytree(sorted(STORED.iterdir())[0], tmp_path / "run")
    run = SavedRun(folder)
    changed = run.settings | settings
    run.manifest["versions"] = {**run.manifest["versions"], **versions}
    saved_run.refuse_unknown_settings(run.manifest, changed, saved_run._KNOWN, "settings.json")
    return run


@pytest.mark.parametrize(
    ("stored", "advice"),
    [("99.1.0", "keras 99.1.0, .* is installed; install keras>=99.1.0"),
     ("3.0.1", "keras 3.0.1, .* is installed; install keras==3.0.1")],
)  # fmt: skip
def test_a_network_that_does_not_open_names_both_versions(tmp_path, monkeypatch, stored, advice):
    def refuse(file):
        raise StoreError(f"{file}: cannot be opened as a Keras model (no layer of that name)")

    monkeypatch.setattr(saved_run, "load_network", refuse)
    with pytest.raises(StoreError, match=f"no layer of that name.*; it was stored with {advice}"):
        opened(tmp_path, {"keras": stored}).network.summary()


def test_scalers_that_do_not_open_name_both_versions(tmp_path):
    run = opened(tmp_path, {"scikit-learn": "99.0"})
    run.path("x_scaler").write_bytes(b"")
    with pytest.raises(
        StoreError, match=r"stored with scikit-learn 99.0, .* is installed; install"
    ):
        run.scalers.features  # noqa: B018


def test_a_run_of_a_newer_version_with_settings_of_its_own_is_refused(tmp_path):
    with pytest.raises(
        StoreError, match=r"'attention' of fastlstm 99.0, .* install fastlstm>=99.0"
    ):
        opened(tmp_path, {"fastlstm": "99.0"}, attention=True)


def test_settings_of_an_older_version_are_left_out(tmp_path):
    opened(tmp_path, {"fastlstm": "1.9"}, attention=True)


def test_versions_that_are_no_versions_are_never_newer():
    assert (
        is_newer("3.10.0", "3.9.0") and not is_newer("?", "3.9.0") and not is_newer(None, "3.9.0")
    )

"""Each table of the corpus meets one clear error or the documented handling, never a NaN."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.flow import prepare
from fastlstm.artifacts.folders import read_manifest
from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError, DataError, FastLSTMError
from fastlstm.registry.promotion import decide_promotion
from fastlstm.steps.evaluate import evaluate_into
from fastlstm.steps.train import train_into
from fastlstm.windows.parquet import WindowDataset
from tasks.settings import PipelineConfig
from tests.conftest import RAIN, build_settings, make_panel
from tests.faults.corpus import CASES


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 60 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_table(case, tmp_path):
    path = tmp_path / f"rows{case.ending}"
    case.write(path)
    settings = build_settings(tmp_path, data=case.data, hyperparameters=case.hyperparameters)
    settings["data"]["path"] = str(path)
    if case.refused:
        with pytest.raises(FastLSTMError) as refused:
            prepare(check_settings(settings, PipelineConfig), tmp_path / "work")
        told = str(refused.value)
        assert isinstance(refused.value, DataError | ConfigError)
        assert re.search(case.refused, told), told
        assert len(told) < 600 and "Traceback" not in told
        assert not (tmp_path / "work" / "windows").exists()
        return
    prepare(check_settings(settings, PipelineConfig), tmp_path / "work")
    warnings = read_manifest(tmp_path / "work" / "clean")["warnings"]
    windows = WindowDataset(tmp_path / "work" / "windows")
    assert case.warned in "\n".join(warnings)
    for split in ("train", "validation", "test"):
        found = windows.read(split)
        assert len(found.x) and np.isfinite(found.x).all() and np.isfinite(found.y).all()


@pytest.mark.soak
def test_a_csv_of_two_gigabytes_is_refused_without_reading_it_whole(tmp_path):
    file = tmp_path / "rows.csv"
    block = make_panel(rows=20_000).to_csv(index=False, header=False).encode()
    with file.open("wb") as out:
        out.write(b"when,site,load,heat,rain\n2024-01-01T00:00:00Z,a,1,oops,0\n")
        while out.tell() < 2_000_000_000:
            out.write(block)
    program = """
import resource, sys
from pathlib import Path
from fastlstm.config.data import DataConfig
from fastlstm.errors import DataError
from fastlstm.data.reading import load
import pandas, pandera.pandas
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for features in (["load", "heat"], ["load", "absent"]):
    data = DataConfig(path=sys.argv[1], time="when", series="site", features=features,
                      targets=["load"])
    try:
        load(data)
    except DataError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    cell, column, megabytes = done.stdout.splitlines()
    assert "column 'heat', row 2: 'oops' is no float" in cell
    assert "has no column 'absent'" in column
    assert float(megabytes) < 500


def rain_in(hours, tmp_path):
    """Settings of the small classifier, on a table where it rains in these hours only."""
    frame = make_panel()
    hour = frame.groupby("site").cumcount()
    frame["rain"] = np.where(hour.isin(hours), 1.0, 0.0)
    sections = {**RAIN, "hyperparameters": {**RAIN["hyperparameters"], "class_weight": None}}
    settings = build_settings(tmp_path, frame, **sections)
    settings["hyperparameters"]["epochs"] = 1
    return check_settings(settings, PipelineConfig)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(("hours", "absent"), [(range(230, 240), 1), (range(240), 0)])
def test_a_class_absent_from_train(hours, absent, tmp_path):
    config = rain_in(hours, tmp_path)
    prepare(config, tmp_path / "work")
    with pytest.raises(DataError, match=f"target 'wet': class {absent} has no train window"):
        train_into(
            str(tmp_path), str(tmp_path / "work" / "windows"),
            config.hyperparameters.model_dump(), lambda _: None,
        )  # fmt: skip


@pytest.mark.usefixtures("untraced")
def test_a_test_split_without_a_positive_is_scored_as_undefined_and_not_promoted(tmp_path):
    config, work = rain_in(range(10, 180, 7), tmp_path), tmp_path / "work"
    prepare(config, work)
    windows = WindowDataset(work / "windows")
    assert not windows.read("test").y.any() and windows.read("train").y.any()
    for name in ("network", "evaluation"):
        (tmp_path / name).mkdir()
    train_into(
        str(tmp_path / "network"), str(work / "windows"), config.hyperparameters.model_dump(),
        lambda _: None,
    )  # fmt: skip
    about = evaluate_into(
        str(tmp_path / "evaluation"), str(tmp_path / "network"), str(work / "windows"),
        str(work / "scaled"), str(work / "clean"), config.for_library(), lambda _: None,
    )  # fmt: skip
    assert about["primary"]["value"] is None
    verdict = decide_promotion({"primary": about["primary"], "baselines": {}}, None)
    assert not verdict.promote and "undefined" in verdict.reason

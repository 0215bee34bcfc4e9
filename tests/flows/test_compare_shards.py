"""The comparison of champion and challenger on a table in shards is that on the table in one piece."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastlstm.artifacts.file_hashes import known_hashes
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.artifacts.folders import write_manifest
from fastlstm.data.column_names import SERIES
from fastlstm.data.shards import shard_name
from fastlstm.errors import StoreError
from fastlstm.evaluation.label_tally import LabelTally
from fastlstm.evaluation.labels import LabelColumn
from fastlstm.evaluation.tally_files import read_tally, write_tally
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.compare import compare
from fastlstm.steps.compare_shards import compare_shards
from fastlstm.steps.shard_map import ShardMap
from tasks.promote import copied
from tests.flows.test_promotion import with_primary


@pytest.fixture
def cut(finished, tmp_path):
    """Challenger, champion and clean table of the finished run, the table in one piece and in shards."""
    own = Path(finished.run.location)
    whole = next((own.parents[2] / "work" / "validate").iterdir())
    frame = pd.read_parquet(whole / CLEAN_FILE)
    clean = tmp_path / "clean"
    for number, (_, rows) in enumerate(frame.groupby(SERIES)):
        shard = clean / shard_name(number)
        shard.mkdir(parents=True)
        rows.to_parquet(shard / CLEAN_FILE, index=False)
    runs = [tmp_path / name for name in ("challenger", "champion")]
    for run in runs:
        shutil.copytree(own, run)
    by_series(runs[0])
    return [*runs, whole, clean]


def by_series(run: Path) -> None:
    """Write a run's test predictions with a row group for each series."""
    file = SavedRun(run).path("predictions")
    table = pq.read_table(file)
    labels = np.asarray(table["series"].cast(pa.string()))
    with pq.ParquetWriter(file, table.schema) as writer:
        for label in sorted(set(labels)):
            writer.write_table(table.filter(labels == label))
    sign(run)


def sign(run: Path) -> None:
    about = json.loads((run / "manifest.json").read_text())
    write_manifest(run, {k: v for k, v in about.items() if k not in ("files", "content_sha256")})


def by_workers(challenger: Path, champion: Path, clean: Path, home: Path) -> dict:
    hashes = known_hashes(challenger) + known_hashes(champion)
    return compare_shards(challenger, champion, clean, ShardMap(home), hashes)


@pytest.mark.parametrize("metric", ["mase", "rmse"])
def test_scores_are_those_of_one_process(cut, tmp_path, metric):
    challenger, champion, whole, clean = cut
    with_primary(challenger, metric)
    alone = compare(str(challenger), str(champion), str(whole), lambda _: None)
    in_shards = compare(str(challenger), str(champion), str(clean), lambda _: None)
    found = by_workers(challenger, champion, clean, tmp_path / "unfinished")
    assert found == in_shards
    for run in ("challenger", "champion"):
        assert found.pop(run) == pytest.approx(alone.pop(run), rel=1e-6)
    for label, scores in alone.pop("by_series").items():
        assert found["by_series"][label] == pytest.approx(scores, rel=1e-6)
    assert set(found.pop("by_series")) == {"a", "b"} and found == alone


def test_why_a_champion_is_not_compared(cut, tmp_path):
    challenger, champion, _, clean = cut
    file = SavedRun(champion).path("hyperparameters")
    settings = json.loads(file.read_text())
    settings["data"]["frequency"] = "1D"
    file.write_text(json.dumps(settings))
    sign(champion)
    alone = compare(str(challenger), str(champion), str(clean), lambda _: None)
    assert alone == by_workers(challenger, champion, clean, tmp_path / "unfinished")
    assert alone["why"] == "its rows are 1D apart, now 1h"


def test_predictions_of_no_shard_are_refused(cut, tmp_path):
    challenger, champion, _, clean = cut
    shutil.rmtree(clean / shard_name(1))
    (clean / shard_name(1)).mkdir()
    rows = pd.read_parquet(clean / shard_name(0) / CLEAN_FILE)
    rows[:0].to_parquet(clean / shard_name(1) / CLEAN_FILE, index=False)
    with pytest.raises(StoreError, match="1 of its 2 row groups are of no shard"):
        by_workers(challenger, champion, clean, tmp_path / "unfinished")
    with pytest.raises(StoreError, match="delete the work folder"):
        compare(str(challenger), str(champion), str(clean), lambda _: None)


def test_finished_shards_are_used_again(cut, tmp_path):
    challenger, champion, _, clean = cut
    home = tmp_path / "unfinished"
    first = by_workers(challenger, champion, clean, home)
    (clean / shard_name(0) / CLEAN_FILE).write_bytes(b"")  # would not be readable
    assert by_workers(challenger, champion, clean, home) == first


def test_workers_of_other_machines_are_given_a_copy_of_a_run_in_a_bucket(cut, tmp_path):
    challenger, champion, _, clean = cut
    shards = ShardMap(tmp_path / "unfinished")
    copies = [copied(shards, run) for run in (challenger, champion)]
    assert copied(shards, champion) == copies[1] != champion
    found = compare_shards(*copies, clean, shards, [])
    assert found == by_workers(challenger, champion, clean, tmp_path / "other")


def test_sums_of_labels_are_read_as_they_were_written(tmp_path):
    rng = np.random.default_rng(0)
    names = ("a", "b", "c")
    columns = [LabelColumn("class", names, slice(0, 3), names)]
    number = rng.integers(0, 3, (50, 2))
    truth = np.eye(3)[number]
    outputs = rng.dirichlet(np.ones(3), (50, 2))
    tally = LabelTally.of(truth, outputs, columns)
    write_tally(tmp_path / "sums.npz", tally)
    found = read_tally(tmp_path / "sums.npz")
    assert found.scores() == tally.scores() and found.windows == 50
    assert found.plus(tally).scores() == tally.plus(tally).scores()

"""Whatever a file asks for, the answer is one sentence within a second and bounded memory."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import time
import zipfile
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastlstm.artifacts.bounded_reading import MissingKeyError, read_object
from fastlstm.config.data import DataConfig
from fastlstm.config.reading import read_settings
from fastlstm.data.file_formats import read_columns
from fastlstm.data.files import source_files
from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.network.model_files import check_model_file
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.maintenance import examine
from tasks.settings import PipelineConfig
from tests.faults.test_hostile_files import layer, model_file

# A second of processor time on a fast processor; a slow or shared one may need twice as long.
_MOST_SECONDS = 2


@pytest.fixture(autouse=True)
def within_a_second():
    begin = [time.process_time()]
    yield begin
    assert time.process_time() - begin[0] < _MOST_SECONDS


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "holds over 100,000 values"),
        ("a: &a [*a]", "an anchor contains itself"),
        ("a: " + "[" * 5_000, "nested without end"),
        ("a: " + "{b: " * 5_000, "nested without end"),
        ("seed: " + "9" * 5_000, "a number has 5,000 digits"),
        ("seed: 0x" + "f" * 5_000, "a number has 5,002 digits"),
        ("seed: 1" + ":1" * 5_000, "a number has 10,001 digits"),
        ("day: 2026-99-99", "has a value that is none"),
        ("? [a]\n: b", "a key is no plain text"),
        ("? {a: b}\n: b", "a key is no plain text"),
        ("x: " + "y" * (1 << 20), "has over 1,048,576 bytes"),
        ("data: 1\nhyperparameters: {learning_rate: .inf}", "hyperparameters.learning_rate"),
        ("data: 1\nhyperparameters: {learning_rate: .nan}", "hyperparameters.learning_rate"),
        ("data: 1\nhyperparameters: {learning_rate: 1.0e+999}", "hyperparameters.learning_rate"),
        ("data: 1\nhyperparameters: {epochs: 99999999999999999999999}", "hyperparameters.epochs"),
    ],
)  # fmt: skip
def test_a_config(text, told, tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_settings(file, PipelineConfig)


@pytest.mark.parametrize("kind", ["pipe", "device", "link to nowhere", "folder"])
def test_a_config_that_is_no_file(kind, tmp_path):
    file = special(tmp_path / "my.yaml", kind)
    with pytest.raises(ConfigError, match=r"my\.yaml: (is no plain file|is missing)"):
        read_settings(file, PipelineConfig)


def special(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "link to nowhere"])
def test_a_source_that_is_no_file(kind, tmp_path):
    file = special(tmp_path / "rows.csv", kind)
    for path in (file, tmp_path):
        with pytest.raises(ConfigError, match=r"rows\.csv (is no (plain )?file|does not exist)"):
            source_files(str(path))


@pytest.mark.parametrize("path", ["x" * 100_000, "a/" * 50_000, "rows\0.csv"])
def test_a_source_of_an_impossible_name(path):
    with pytest.raises(ConfigError, match="does not exist") as refused:
        source_files(path)
    assert len(str(refused.value)) < 500


DATA = DataConfig.model_validate(
    {"path": "rows.csv", "time": "t", "features": ["x"], "targets": ["x"]}
)


def test_a_compressed_table_that_unfolds_without_end(tmp_path, within_a_second):
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress(b"t,x\n") + gzip.compress(b"\n" * (1 << 20)) * 120)
    within_a_second[:] = [time.process_time()]
    (source,) = source_files(str(file)).files
    with pytest.raises(DataError, match=r"rows\.csv\.gz: unfolds to over .* bytes"):
        list(read_columns(source, DATA, ["x"]))


def test_a_parquet_table_that_unfolds_without_end(tmp_path, within_a_second):
    file = tmp_path / "rows.parquet"
    text = pa.array(["x" * 40_000_000])
    pq.write_table(
        pa.table({"t": text, "x": text}), file, compression="zstd", write_statistics=False
    )
    del text
    within_a_second[:] = [time.process_time()]
    (source,) = source_files(str(file)).files
    with pytest.raises(DataError, match=r"rows\.parquet: unfolds to over .* bytes"):
        list(read_columns(source, DATA, ["x"]))


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (layer("keras.layers", "Dense", units=10**9), "has the number 1000000000"),
        (layer("keras.layers", "RepeatVector", n=10**12), "has the number 1000000000000"),
        ({"config.json": json.dumps(
            {"module": "keras", "class_name": "Sequential", "config": {"layers": [
                {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}
            ] * 60_000}}).encode()}, "over 5,000 layers"),
    ],
)  # fmt: skip
def test_a_network_of_numbers_without_end(members, told, tmp_path):
    file = model_file(tmp_path / "model.keras", members, zipfile.ZIP_DEFLATED)
    with pytest.raises(StoreError, match=told):
        check_model_file(file)


def test_a_stored_file_that_lacks_a_key(tmp_path):
    file = tmp_path / "METRICS.json"
    file.write_text('{"test": {"model": {}}}')
    found = pickle.loads(pickle.dumps(read_object(file)))
    assert found == {"test": {"model": {}}} and found.get("primary") is None
    for read in (lambda: found["primary"], lambda: found["test"]["model"]["mae"]):
        with pytest.raises(MissingKeyError, match=r"METRICS\.json: has no '(primary|mae)'") as told:
            read()
        assert isinstance(told.value, StoreError) and isinstance(told.value, KeyError)


@pytest.mark.parametrize("place", ["small/champion.json", "small/2026-11-24 03-00-00"])
@pytest.mark.parametrize("target", ["/", "nowhere", "/dev/zero", "pipe"])
def test_a_store_with_links_to_all_and_nothing(place, target, tmp_path):
    """Nothing outside the store is searched or deleted, and a record that cannot be read is damage."""
    store = FolderStore(tmp_path / "runs")
    link = tmp_path / "runs" / place
    link.parent.mkdir(parents=True)
    os.mkfifo(link.parent / "pipe")
    link.symlink_to(target)
    found = examine(store, now=datetime(2100, 1, 1, tzinfo=UTC))
    assert found.whole == 0
    if place.endswith("champion.json"):
        with pytest.raises(StoreError, match=r"champion\.json: (is no plain file|is missing)"):
            store.champion("small")
        assert any("champion.json" in finding.problem for finding in found.findings)
    elif place.endswith("00") and target == "/":
        assert examine(store, repair=True, now=datetime(2100, 1, 1, tzinfo=UTC)).findings
        link.symlink_to(target)
        store.remove("small", link.name)
        assert not link.is_symlink()

"""The networks' outputs for the windows of a table that is cut into shards, computed by several workers.

They are most of the time of an evaluation, and those of one shard need no other.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.artifacts.file_names import CHOSEN_MODEL_FILE, MODEL_FILE
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.data.memory import give_back
from fastlstm.data.shards import shard_number, shards_of
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.predictions import outputs_of
from fastlstm.network.inference import load_network
from fastlstm.steps.shard_map import ShardMap
from fastlstm.windows.parquet import WindowDataset

_FORECAST = "fastlstm.steps.forecast_shards:forecast_shard"
_PHASE = "outputs"


def forecast_shards(clean: Path, network: Path, windows: Path, shards: ShardMap) -> Path:
    """Compute the outputs for all shards; the folder they lie in, each shard's in one of its name.

    Args:
        clean: folder of the clean shards.
        network: folder of the trained network.
        windows: folder of the windows.
        shards: works on each shard.
    """
    given = {path.name: path for path in shards_of(clean)}
    shards(_FORECAST, _PHASE, given, network=str(network), windows=str(windows))
    return shards.home / _PHASE


def forecast_shard(shard: str, folder: str, network: str, windows: str) -> dict[str, Any]:
    """Write the outputs for the windows of one shard: on validation of the network that validation
    chose, on test of the one that serves.

    Args:
        shard: folder of the clean shard.
        folder: folder to publish.
        network: folder of the trained network.
        windows: folder of the windows.
    """

    def build(target: Path) -> dict[str, Any]:
        # A worker serves many shards; a network with other weights has another hash.
        networks = _networks(network, read_manifest(Path(network))["content_sha256"])
        dataset = WindowDataset(Path(windows)).of_shard(shard_number(Path(shard)))
        for split, model in (("validation", networks.chosen), ("test", networks.served)):
            if dataset.count(split):
                np.save(_file(target, split), outputs_of(model, split, dataset), allow_pickle=False)
        return {"windows": dataset.manifest["windows"]}

    found = publish(Path(folder), build)
    give_back()
    return found


def read_outputs(folder: Path, split: str) -> np.ndarray:
    """The outputs for the windows of a split of one shard, as ``outputs_of`` gives them.

    Args:
        folder: of the shard.
        split: name of the split, of which the shard has windows.
    """
    outputs: np.ndarray = np.load(_file(folder, split), allow_pickle=False)
    return outputs


def load_networks(folder: Path) -> EvaluatedNetworks:
    """The networks a training wrote; only after a refit does the chosen one have a file of its own."""
    served, file = load_network(folder / MODEL_FILE), folder / CHOSEN_MODEL_FILE
    return EvaluatedNetworks(served, load_network(file) if file.exists() else served)


@functools.lru_cache(maxsize=1)
def _networks(folder: str, content: str) -> EvaluatedNetworks:
    """The networks in a folder with this content."""
    return load_networks(Path(folder))


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.npy"

"""Damage stored files at random and read each; for a process of its own, which a fault may end.

Prints one line of JSON: how many of the files were refused, how many were read, and what else happened.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from fastlstm.artifacts.folders import read_manifest, write_manifest
from fastlstm.data.scaler_files import read_scaler, read_scaler_pair, write_pickle, write_scaler
from fastlstm.data.tables import read_table, write_table
from fastlstm.errors import StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.folder_store import FolderStore
from fastlstm.training.checkpoint import State, read_state, write_state

FRAME = pd.DataFrame({"a": [1.0, 2, 4], "ö": [3.0, 5, 9]})
Reader = Callable[[Path], object]


def whole_files(folder: Path) -> dict[Path, Reader]:
    """A file of each kind with its reader."""
    kinds = (StandardScaler, MinMaxScaler, RobustScaler)
    x, y, z = (kind().fit(FRAME) for kind in kinds)
    found: dict[Path, Reader] = {}
    for number, scaler in enumerate((x, y, z)):
        found[folder / f"{number}.json"] = found[folder / f"{number}.pkl"] = read_scaler
        write_scaler(scaler, folder / f"{number}.json")
        write_pickle(scaler, folder / f"{number}.pkl")
    joblib.dump({"X_scaler": x, "Y_scaler": y}, folder / "old.pkl")
    found[folder / "old.pkl"] = read_scaler_pair
    values = [np.arange(6.0), np.zeros((2, 3), np.float32)]
    write_state(folder / "state.npz", State([{"epoch": 1.0}], 1.0, False, {}, values, b"best"))
    found[folder / "state.npz"] = read_state
    write_table(FRAME.assign(text=["x", "y", "z"]), folder / "table.parquet")
    found[folder / "table.parquet"] = read_table
    run = folder / "run"
    run.mkdir()
    (run / "file").write_text("content")
    write_manifest(run, {"run_id": "run", "primary": {"name": "mae", "value": 1.5}})
    found[run / "manifest.json"] = lambda file: read_manifest(file.parent)
    (folder / "small").mkdir()
    (folder / "small" / "champion.json").write_text(
        ChampionRecord().promoted("2026-11-24 03-00-00", "first").kept("x", "worse").text()
    )
    found[folder / "small" / "champion.json"] = lambda _: FolderStore(folder).champion("small")
    return found


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Some bits flipped, bytes set, or parts removed, repeated or moved."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, size = rng.randrange(len(found) + 1), rng.randrange(1, 9)
        part = found[at : at + size]
        kind = rng.randrange(6)
        if kind < 3 and part:
            found[at] = part[0] ^ 1 << rng.randrange(8) if kind else rng.randrange(256)
        elif kind == 3:
            del found[at : at + size]
        elif kind == 4:
            found[at:at] = part * rng.choice((1, 2, 100))
        else:
            other = rng.randrange(len(found) + 1)
            found[other : other + size] = part
    return bytes(found)


def out_of_time(*_: object) -> None:
    """Ends a reader that takes over a second of processor time."""
    raise TimeoutError("over a second")


def main(count: int, seed: int, only: str = "") -> None:
    """Read ``count`` damaged files of all kinds, of 'scalers' alone, or of all 'others'."""
    signal.signal(signal.SIGPROF, out_of_time)
    rng, refused, read, raw = random.Random(seed), 0, 0, []
    with tempfile.TemporaryDirectory() as name:
        files = whole_files(Path(name))
        if only:
            scalers = {f: r for f, r in files.items() if r in (read_scaler, read_scaler_pair)}
            files = {f: r for f, r in files.items() if (f in scalers) == (only == "scalers")}
        contents = {file: file.read_bytes() for file in files}
        for file, reader in files.items():
            reader(file)
        for number in range(count):
            file = list(files)[number % len(files)]
            file.write_bytes(mutated(contents[file], rng))
            signal.setitimer(signal.ITIMER_PROF, 1.0)
            try:
                files[file](file)
                read += 1
            except StoreError:
                refused += 1
            except Exception as error:
                raw.append(f"{file.name}, number {number}: {type(error).__name__}: {error}")
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                file.write_bytes(contents[file])
    print(json.dumps({"refused": refused, "read": read, "raw": raw[:20]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

"""Read the files that are made to fill memory or time, for a process of its own.

Prints one line of JSON: for each of the given paths what its reader said and its seconds of processor
time, and the most memory of the process in megabytes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fastlstm import FolderStore, SavedRun
from fastlstm.config.data import DataConfig
from fastlstm.config.reading import read_settings
from fastlstm.data.file_formats import read_columns
from fastlstm.data.files import source_files
from fastlstm.errors import FastLSTMError
from tasks.settings import PipelineConfig

DATA = DataConfig.model_validate(
    {"path": "rows.csv", "time": "t", "features": ["x"], "targets": ["x"]}
)


def read_run(folder: Path) -> None:
    """Read all that is read of a run without its network."""
    run = SavedRun(folder)
    for name in (
        "metrics",
        "inputs",
        "history",
        "scalers",
        "plain_scalers",
        "half_widths",
        "report",
    ):
        getattr(run, name)
    for _ in run.predictions.blocks():
        pass
    _ = run._first_scored
    FolderStore(folder.parents[1]).champion(folder.parent.name)


def read(path: Path) -> None:
    """Read a run, a config or a table."""
    if path.is_dir():
        read_run(path)
    elif path.suffix == ".yaml":
        read_settings(path, PipelineConfig)
    else:
        (source,) = source_files(str(path)).files
        for column in read_columns(source, DATA, ["x"]):
            del column


def main(paths: list[str]) -> None:
    """Read each of the paths."""
    found = []
    for path in paths:
        begin, said = time.process_time(), "read"
        try:
            read(Path(path))
        except FastLSTMError as error:
            said = str(error)
        except Exception as error:
            said = f"raw: {error!r}"
        found.append([said, time.process_time() - begin])
    # Of this program alone: the system's other count begins with the most of whoever started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    most = int(status["VmHWM"].split()[0]) / 1024
    print(json.dumps({"found": found, "megabytes": most}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""A step's work on each shard, kept over a kill until the step is finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import publish
from fastlstm.artifacts.mapping import Mapper, run_here


@dataclass(frozen=True)
class ShardMap:
    """Runs the functions of one step on each shard.

    A function takes ``shard``, what it reads, ``folder``, which it publishes (see
    ``fastlstm.artifacts.folders.publish``), and what all shards have in common; it returns the folder's
    manifest. A folder that is there already is used again, so that a step that was killed goes on with
    the shards it lacks.

    Attributes:
        home: folder of what is finished; its name stands for all that the step depends on.
        run: what runs the calls.
    """

    home: Path
    run: Mapper = run_here

    def __call__(
        self, function: str, phase: str, shards: Mapping[str, Path], **common: Any
    ) -> list[dict[str, Any]]:
        """The manifests of all shards, in order.

        Args:
            function: ``module:function``.
            phase: name of this pass over the shards.
            shards: by its name, what the function reads of each.
            **common: further arguments, JSON-like.
        """
        return self.run(
            function,
            [
                {"shard": str(path), "folder": str(self.home / phase / name), **common}
                for name, path in shards.items()
            ],
        )

    def publish(self, phase: str, build: Callable[[Path], dict[str, Any]]) -> Path:
        """The folder of a pass that is not split over shards."""
        publish(self.home / phase, build)
        return self.home / phase

    def folders(self, phase: str) -> list[Path]:
        """The shards' folders of a pass, in order."""
        return sorted((self.home / phase).glob("[!.]*"))

    def collect(self, phase: str, folder: Path, rows: Sequence[int]) -> None:
        """Move the shards' folders of a pass that have rows into the folder of the step.

        Args:
            phase: name of the pass.
            folder: folder of the step.
            rows: number of rows of each shard.
        """
        for path, count in zip(self.folders(phase), rows, strict=True):
            if count:
                path.rename(folder / path.name)
        self.forget()

    def forget(self) -> None:
        """Delete what is left of all passes."""
        shutil.rmtree(self.home, ignore_errors=True)

"""The environment of the peers and of the packages that hold the tables, and a cache of its results.

The peers want pandas below 3, so they live in a virtual environment of their own, made once by pip from
two locks with hashes. What it computes is kept by content: a file is made again only where its inputs,
its code or the locks differ.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from fastlstm.artifacts.user_cache import user_cache

_HOME = Path(__file__).parent
_LOCKS = (_HOME / "peers.lock", _HOME / "table_packages.lock")


def default_cache() -> Path:
    """The folder where an environment and its results are kept: beside ``user_cache()``."""
    return user_cache().with_name("fastlstm-tables")


class Environment:
    """The peers' environment and the files it made.

    Args:
        cache: folder for both; made where it does not exist.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._locked = _digest(*(lock.read_bytes() for lock in _LOCKS))

    @property
    def python(self) -> Path:
        """Its interpreter; the first call installs the environment, which takes minutes."""
        folder = self._cache / f"environment-{self._locked}-py{sys.version_info.minor}"
        python, finished = folder / "bin" / "python", folder / "finished"
        if not finished.exists():
            print(f"Setting up the peers' environment in {folder} (minutes, once)", flush=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            locks = [part for lock in _LOCKS for part in ("--requirement", str(lock))]
            subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
                 *locks],
                check=True,
            )  # fmt: skip
            finished.touch()
        return python

    def made(
        self, module: str, arguments: list[str], ending: str, inputs: list[Path], code: list[str]
    ) -> Path:
        """The file that ``python -m module ARGUMENTS FILE`` writes, from the cache where it is there.

        Args:
            module: e.g. ``'benchmarks.table_sources'``.
            arguments: for the module; the file to write is added as the last.
            ending: of the file's name.
            inputs: files that the module reads, named among the arguments or not.
            code: modules of ``benchmarks`` beside the first that the result depends on.
        """
        sources = [_HOME / f"{name.rpartition('.')[2]}.py" for name in (module, *code)]
        plain = [text for text in arguments if not Path(text).is_absolute()]
        read = [file.read_bytes() for file in (*sources, *inputs)]
        parts: list[str | bytes] = [self._locked, module, *plain, *read]
        file = self._cache / "made" / f"{_digest(*parts)}.{ending}"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_name(f"{os.getpid()}-{file.name}")
            subprocess.run(
                [str(self.python), "-m", module, *arguments, str(unfinished)],
                check=True, cwd=_HOME.parent,
            )  # fmt: skip
            unfinished.replace(file)
        return file


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]

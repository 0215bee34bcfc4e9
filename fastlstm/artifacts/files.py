"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to


def write_json(path: Path, value: Any) -> None:
    """Write JSON that any parser reads: UTF-8, no NaN or infinity, keys in the order given."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new, no mixture.

    Raises:
        StoreError: the disk is full, or may not be written; the old content is still there.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write; it replaces ``path`` in one step once the block has succeeded.

    Raises:
        StoreError: the disk is full, or may not be written; the old content is still there.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing_to(path):
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

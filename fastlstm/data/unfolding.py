"""How large a compressed table may become: a small file can unfold to any size."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from fastlstm.errors import DataError

# A table of text and numbers folds 3 to 50 times.
_SPARE_BYTES, _GROWTH = 64 << 20, 200


def _most(file: Path) -> int:
    """Most bytes that a compressed file may unfold to."""
    return _SPARE_BYTES + _GROWTH * file.stat().st_size


def _refused(file: Path) -> DataError:
    return DataError(
        f"{file}: unfolds to over {_most(file):,} bytes, {_GROWTH} times its size, as a file made to "
        "fill the memory does; give it uncompressed if it is a table"
    )


class _Unfolded(io.RawIOBase):
    """The decompressed bytes of a file, up to the most that a table may have."""

    def __init__(self, file: Path, stream: Any) -> None:
        super().__init__()
        self._file, self._left, self._stream = file, _most(file), stream

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes.

        Raises:
            DataError: the file unfolds to more than a table would.
        """
        found = self._stream.read(len(buffer))
        self._left -= len(found)
        if self._left < 0:
            raise _refused(self._file)
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


def unfolded(file: Path, stream: Any) -> io.BufferedReader:
    """The decompressed bytes of a file, which are refused where they are more than a table would have.

    Args:
        file: the file.
        stream: reads its decompressed bytes.
    """
    return io.BufferedReader(_Unfolded(file, stream), 1 << 20)


def check_archive(file: Path) -> None:
    """Refuse a ZIP file, as Excel's are, whose members unfold to more than a table would.

    Raises:
        DataError: they do.
        zipfile.BadZipFile: it is no ZIP file.
    """
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > _most(file):
            raise _refused(file)


def check_unfolded(file: Path, metadata: Any) -> None:
    """Refuse a Parquet file whose pages unfold to more than a table would.

    Args:
        file: the file.
        metadata: its ``pyarrow.parquet.FileMetaData``.

    Raises:
        DataError: they do.
    """
    groups = range(metadata.num_row_groups)
    if sum(metadata.row_group(number).total_byte_size for number in groups) > _most(file):
        raise _refused(file)

"""The file formats a source may have.

A new format is one entry here and its reader, the function ``read_<name>`` of
``fastlstm.data.file_formats``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# Endings of compressed text files, each with the name of its codec in Arrow.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


@dataclass(frozen=True)
class FileFormat:
    """What is known of a format without reading a file.

    Attributes:
        title: its name in sentences.
        endings: endings of its file names, in lower case.
        header_lines: lines before the first row, to number rows in messages as editors do.
    """

    title: str
    endings: tuple[str, ...]
    header_lines: int = 0


FORMATS = {
    "csv": FileFormat(
        "CSV", (".csv", *(f".csv{compressed}" for compressed in COMPRESSIONS)), header_lines=1
    ),
    "parquet": FileFormat("Parquet", (".parquet", ".pq")),
}


ENDINGS = {ending: name for name, known in FORMATS.items() for ending in known.endings}


def format_of(name: str) -> str | None:
    """The format that a file name's ending stands for; None for an unknown ending."""
    lower = name.lower()
    return next((known for ending, known in ENDINGS.items() if lower.endswith(ending)), None)


# "CSV or Parquet", for sentences.
FORMAT_TITLES = " or ".join(known.title for known in FORMATS.values())


if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal["auto", *FORMATS]

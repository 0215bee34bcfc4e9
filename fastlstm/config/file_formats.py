"""The file formats a source may have.

A new format is one entry here and its reader, an entry of ``fastlstm.data.file_formats.READERS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# Endings of compressed text files, each with the name of its codec in Arrow, which knows no xz.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".xz": "xz"}
# Endings of text files that are packed in one of these ways, or in an archive of this one file.
_PACKED = ("", *COMPRESSIONS, ".zip")


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


def _packed(*endings: str) -> tuple[str, ...]:
    """Endings of text files, packed or not."""
    return tuple(ending + packed for ending in endings for packed in _PACKED)


FORMATS = {
    "csv": FileFormat("CSV", (*_packed(".csv"), *_packed(".txt"), ".zip"), header_lines=1),
    "tsv": FileFormat("TSV", _packed(".tsv", ".tab"), header_lines=1),
    "parquet": FileFormat("Parquet", (".parquet", ".pq")),
    "excel": FileFormat("Excel", (".xlsx", ".xlsm"), header_lines=1),
    "json": FileFormat("JSON", _packed(".jsonl", ".ndjson", ".json")),
    "arrow": FileFormat("Arrow", (".feather", ".arrow", ".ipc")),
}


ENDINGS = {ending: name for name, known in FORMATS.items() for ending in known.endings}


def format_of(name: str) -> str | None:
    """The format that a file name's ending stands for; None for an unknown ending."""
    lower = name.lower()
    fitting = [ending for ending in ENDINGS if lower.endswith(ending)]
    return ENDINGS[max(fitting, key=len)] if fitting else None


def is_csv(name: str, file_format: str) -> bool:
    """Whether a source is of CSV files, as far as its name tells.

    Args:
        name: of the file, or of a folder of files.
        file_format: ``data.format``.
    """
    return (format_of(name) or "csv" if file_format == "auto" else file_format) == "csv"


_TITLES = [known.title for known in FORMATS.values()]
# "CSV, TSV or Parquet", for sentences.
FORMAT_TITLES = ", ".join(_TITLES[:-1]) + f" or {_TITLES[-1]}"


if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal["auto", *FORMATS]

"""Settings of where rows come from, and whether series stand below or beside each other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fastlstm.config.base import StrictSettings
from fastlstm.config.file_formats import FormatName
from fastlstm.config.locations import SourceLocation


class SourceTable(StrictSettings):
    """The source of the rows and its layout."""

    path: SourceLocation = Field(
        description="Source of the rows: a CSV or TSV (also .gz, .bz2, .xz, .zst, .lz4, .zip), Parquet, "
        "Excel, JSON or Arrow file, a folder of them, also in Hive partitions ('year=2024/', which may "
        "hold a column), or 'package:NAME/FILE' for a file inside an installed Python package. Relative "
        "paths start at the config file's folder. The pipeline also reads s3://bucket/key-or-prefix and "
        "databases: a SQLAlchemy URL without password, or 'env:NAME' or 'block:secret/NAME' that "
        "hold one."
    )
    query: str | None = Field(
        None, description="SQL query whose result is the table; only for a database."
    )
    format: FormatName = Field(
        "auto", description="File format. 'auto': by the ending of the file name."
    )
    layout: Literal["long", "wide"] = Field(
        "long",
        description="'long': one column a quantity. 'wide': one column a series; series and features "
        "then are names for its label and its value, such as 'store' and 'sold'. A series begins with "
        "its first and ends with its last value.",
    )
    wide_columns: list[str] = Field(
        default_factory=list,
        description="Columns of a wide table that are series. Default: all but time.",
    )

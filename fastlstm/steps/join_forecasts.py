"""Put the forecasts of the models of all groups into one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fastlstm.artifacts.files import replacing
from fastlstm.config.group_names import POOLED, group_values
from fastlstm.data.tables import read_table, write_table


def join_forecasts(files: dict[str, Path], models_by: Sequence[str], output: Path) -> int:
    """Write the tables of all groups as one Parquet file, with the columns of the groups first.

    Args:
        files: the Parquet file of each model, by its group's name; one may not exist.
        models_by: the columns of the groups.
        output: the file to write; it appears whole.

    Returns:
        Number of rows; with none, no file is written.
    """
    tables = [
        _with_groups(read_table(file), group, models_by)
        for group, file in files.items()
        if file.exists()
    ]
    if not tables:
        return 0
    joined = pd.concat(tables, ignore_index=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as temporary:
        write_table(joined, temporary)
    return len(joined)


def _with_groups(table: pd.DataFrame, group: str, models_by: Sequence[str]) -> pd.DataFrame:
    """A model's table with the columns of its group, or of the pooled groups of its series."""
    if group == POOLED:
        # A pooled series is named '<group>/<series>'; a group's name has no slash.
        parts = table["series"].astype(str).str.partition("/")
        table, groups = table.assign(series=parts[2]), parts[0].map(group_values)
        columns = {name: groups.map(lambda v, n=name: v[n]) for name in models_by}
    else:
        values = group_values(group)
        columns = {name: pd.Series(values[name], index=table.index) for name in models_by}
    head = pd.DataFrame({name: column.astype("str") for name, column in columns.items()})
    return pd.concat([head, table], axis=1)

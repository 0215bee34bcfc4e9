"""The training history of a run, one row per epoch."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pandas as pd

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.errors import StoreError, first_line


def read_history(file: Path, *, numbered: bool = False) -> pd.DataFrame:
    """Read a training history.

    Args:
        file: a CSV file.
        numbered: whether its first column holds the numbers of the rows, as fastLSTM 1.0 wrote it.

    Raises:
        StoreError: the file is missing, damaged, or no table of numbers.
    """
    content = read_bytes(file)
    try:
        with warnings.catch_warnings():
            # Cells without a column, which pandas would leave out with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            history = pd.read_csv(io.BytesIO(content), index_col=0 if numbered else False)
    except (ValueError, pd.errors.ParserWarning) as error:
        raise StoreError(f"{file}: is no training history ({first_line(error)})") from None
    if not numbered and "epoch" not in history:
        raise StoreError(f"{file}: has no epochs, so it is no training history")
    for name, column in history.items():
        if not pd.api.types.is_numeric_dtype(column):
            raise StoreError(
                f"{file}: holds text in the column {str(name)[:80]!r}, so it is no training history"
            )
    return history

"""Which windows a table has, and what is said where it has none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.errors import DataError
from fastlstm.windows.planning import Blocks, require_windows


@pytest.mark.parametrize(("first", "told"), [("2024-01-01", True), ("2024-01-03", False)])
def test_gaps_of_weekends_alone_have_a_frequency_of_their_own(first, told):
    """Five days and a gap of two: from a Monday on these are weeks of working days."""
    days = pd.date_range(first, periods=70, freq="1D", tz="UTC")
    kept = np.arange(70) % 7 < 5
    frame = pd.DataFrame({SERIES: "", TIME: days, SEGMENT: np.arange(70) // 7})[kept]
    with pytest.raises(DataError, match="9 gaps part the rows") as refused:
        require_windows({"train": []}, 10, 2, Blocks.of(frame))
    assert ("set data.frequency: B" in str(refused.value)) == told

"""Names of the columns that the library adds to a table."""

from __future__ import annotations

SERIES, TIME = "__series", "__time"


# Number of a row's contiguous block.
SEGMENT = "__segment"

"""Distance between rows where days without rows are declared: trading days and business days."""

from __future__ import annotations

import functools
from typing import overload

from pandas.tseries.offsets import BaseOffset, CustomBusinessDay

from fastlstm.config.closed_days import ClosedDays

# Public holidays are known for these years; the grid has no holidays outside them.
_YEARS = range(1950, 2101)


@overload
def row_offset(frequency: str, closed: ClosedDays | None) -> str | BaseOffset: ...
@overload
def row_offset(frequency: None, closed: ClosedDays | None) -> None: ...
def row_offset(frequency: str | None, closed: ClosedDays | None) -> str | BaseOffset | None:
    """The distance between rows for ``fastlstm.data.time_grid``.

    Args:
        frequency: a pandas offset; None where it is not declared.
        closed: the days without rows; None without such a declaration.

    Returns:
        ``frequency``, or the business days of the calendar.
    """
    if frequency is None or closed is None:
        return frequency
    return _business_days(closed.model_dump_json())


@functools.lru_cache(maxsize=16)
def _business_days(dumped: str) -> BaseOffset:
    """The offset for closed days as JSON."""
    import holidays

    closed = ClosedDays.model_validate_json(dumped)
    days = set(closed.dates)
    if closed.market is not None:
        days |= {
            day.isoformat() for day in holidays.financial_holidays(closed.market, years=_YEARS)
        }
    if closed.country is not None:
        of_country = holidays.country_holidays(
            closed.country, subdiv=closed.subdivision, years=_YEARS
        )
        days |= {day.isoformat() for day in of_country}
    return CustomBusinessDay(weekmask=" ".join(closed.week), holidays=sorted(days))

"""How times may be written, and the zones they may be in."""

from __future__ import annotations

import re

# Names of a time_format for numbers since 1970 (UTC), and how many of their units a second has.
EPOCH_UNITS = {
    "epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000,
}  # fmt: skip

# Name of a time_format for numbers of days as spreadsheets count them, from their day 0 on.
EXCEL_DAYS, EXCEL_FIRST_DAY = "excel", "1899-12-30"

# A format of ISO weeks that names no day of the week.
ISO_WEEK = r"^(?=.*%V)(?!.*%[uwaA])"

# A quarter of a year in a format, which strftime does not know.
QUARTER = "%q"

# Formats that are tried beside ISO 8601, in this order. Those of one group differ by what comes first,
# the day or the month.
USUAL_FORMATS = (
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y",
    "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d", "%Y.%m.%d %H:%M:%S",
    "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%y",
    "%b-%d-%Y", "%d.%m.%Y %H:%M:%S.%f", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p",
    "%a, %d %b %Y %H:%M:%S %z", "%a %d %b %Y", "%a, %d %b %Y", "%a %b %d %Y",
    "%YM%m", "%Y %b", "%Y %B", "%b %Y", "%B %Y",
    "%b-%y", "%b-%Y", "%Y-%b", "%m/%Y", "%Y/%m", "%G-W%V-%u",
)  # fmt: skip
DAY_OR_MONTH = tuple(
    (f"%d{sep}%m{sep}%{year}{time}", f"%m{sep}%d{sep}%{year}{time}")
    for sep in "/-"
    for year in "Yy"
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
)

USUAL_QUARTERS = (
    "%Y-Q%q", "%YQ%q", "%Y Q%q", "%Y/Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "Q%q%Y", "%qQ%Y", "%qQ %Y",
)  # fmt: skip

# Seconds since 1970 of the years 1990 and 2100, between which numbers of a column of times lie.
FIRST_SECOND, LAST_SECOND = 631_152_000, 4_102_444_800


def quarter_pattern(time_format: str) -> str:
    """A regular expression with the groups ``year`` and ``quarter`` for a format with quarters.

    Raises:
        ValueError: the format holds anything else.
    """
    pattern = re.escape(time_format.replace("%Y", "\0Y").replace("%q", "\0q"))
    if "%" in pattern or pattern.count("\0Y") != 1 or pattern.count("\0q") != 1:
        raise ValueError(
            f"{time_format!r}: a format with %q holds %Y and %q, each once; give e.g. '%Y-Q%q'"
        )
    of_year = pattern.replace("\0Y", r"(?P<year>\d{4})")
    return "(?i)" + of_year.replace("\0q", "(?P<quarter>[1-4])")


def check_time_format(time_format: str) -> None:
    """Refuse what is neither a strftime format that pandas reads nor a unit since 1970.

    Raises:
        ValueError: the message names what to give.
    """
    if time_format in (*EPOCH_UNITS, EXCEL_DAYS):
        return
    units = ", ".join(EPOCH_UNITS)
    if "%" not in time_format:
        raise ValueError(
            f"{time_format!r} is no time format; give a strftime format such as '%d/%m/%Y', or one of "
            f"{units} for numbers since 1970, or 'excel' for days as spreadsheets count them"
        )
    if QUARTER in time_format:
        quarter_pattern(time_format)
        return
    import pandas as pd

    text, written = "", time_format
    if re.search(ISO_WEEK, time_format):
        text, written = " 1", f"{time_format} %u"
    try:
        pd.to_datetime([text], format=written, errors="coerce")
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{time_format!r}: {reason}; give a strftime format such as '%d/%m/%Y' or '%G-W%V', or one "
            f"of {units} for numbers since 1970"
        ) from None


def check_time_zone(time_zone: str) -> None:
    """Refuse what is no IANA time zone.

    Raises:
        ValueError: the message names an example.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"no time zone is named {time_zone!r}; use an IANA name such as 'America/New_York'"
        ) from None


def of_whole_days(frequency: str | None, all_at_midnight: bool) -> bool:
    """Whether rows are days or longer, so that their times follow the calendar, not the clock.

    Args:
        frequency: a pandas offset; None where it is not declared.
        all_at_midnight: whether every time is a midnight, as dates are.
    """
    if frequency is None:
        return all_at_midnight
    from pandas.tseries.frequencies import to_offset
    from pandas.tseries.offsets import Tick

    return not isinstance(to_offset(frequency), Tick)

"""What is known of every row by its time alone: parts of the calendar, and public holidays."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Literal, get_args

from pydantic import Field, model_validator

from fastlstm.config.base import StrictSettings

CalendarKind = Literal[
    "minute", "hour", "weekday", "day", "day_of_year", "week", "month", "quarter"
]


# Features of public holidays; see ``fastlstm.data.holidays``.
HOLIDAY_COLUMNS = ("holiday", "before_holiday", "after_holiday")


_DAY = 86_400.0
_YEAR = 365.25 * _DAY


# Length in seconds of frequencies that are no fixed number of seconds, by their name without anchor.
_LENGTHS = {
    **dict.fromkeys(("D", "B", "C"), _DAY),
    "W": 7 * _DAY,
    **dict.fromkeys(("SMS", "SME"), _YEAR / 24),
    **dict.fromkeys(("MS", "ME", "BMS", "BME", "CBMS", "CBME", "WOM", "LWOM"), _YEAR / 12),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), _YEAR / 4),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE"), _YEAR),
}


# What to write for names that pandas had before its version 3.
_OF_OLD_NAMES = {
    **dict.fromkeys("Hh", "use '{}h'"),
    **dict.fromkeys(("T", "MIN"), "use '{}min'"),
    "S": "use '{}s'",
    "M": "use '{}MS' for the first day of months, or '{}ME' for the last",
    "SM": "use '{}SMS' for the first and 15th day of months, or '{}SME' for the 15th and last",
    "BM": "use '{}BMS' for the first business day of months, or '{}BME' for the last",
    "Q": "use '{}QS' for the first day of quarters, or '{}QE' for the last",
    **dict.fromkeys("AY", "use '{}YS' for the first day of years, or '{}YE' for the last"),
}


# What to write for words that people use, without their number and the 's' of several.
_OF_WORDS = {
    **dict.fromkeys(("sec", "second", "secondly"), "s"),
    **dict.fromkeys(("m", "mn", "minute", "minutely"), "min"),
    **dict.fromkeys(("hr", "hour", "hourly"), "h"),
    **dict.fromkeys(("d", "day", "daily", "calendar day"), "D"),
    **dict.fromkeys(
        ("b", "bd", "business day", "business daily", "weekday", "working day", "workday"), "B"
    ),
    **dict.fromkeys(("trading day", "exchange day"), "C"),
    **dict.fromkeys(("w", "wk", "week", "weekly"), "W-MON"),
    **dict.fromkeys(("mo", "mon", "mth", "month", "monthly", "month start"), "MS"),
    **dict.fromkeys(("month end", "end of month", "eom"), "ME"),
    **dict.fromkeys(("q", "qtr", "quarter", "quarterly", "quarter start"), "QS"),
    "quarter end": "QE",
    **dict.fromkeys(("y", "a", "yr", "year", "yearly", "annual", "annually", "year start"), "YS"),
    "year end": "YE",
    **dict.fromkeys(("semi monthly", "semimonthly", "half month", "half monthly"), "SMS"),
}


# What to write for words that say how many, and of what.
_OF_SEVERAL = {
    **dict.fromkeys(("biweekly", "bi weekly", "fortnight", "fortnightly"), (2, "W-MON")),
    **dict.fromkeys(("bimonthly", "bi monthly"), (2, "MS")),
    **dict.fromkeys(("half year", "half yearly", "halfyearly", "semiannual", "semi annual",
                     "semiannually", "semi annually"), (6, "MS")),
}  # fmt: skip
_NOTES = {
    "W-MON": " for weeks whose rows are Mondays ('{}W-SUN' for Sundays, and so on)",
    "SMS": " for the first and 15th day of months, or '{}SME' for the 15th and last",
    "MS": " for the first day of months, or '{}ME' for the last",
    "QS": " for the first day of quarters, or '{}QE' for the last",
    "YS": " for the first day of years, or '{}YE' for the last",
    "min": " for minutes; months are '{}MS' or '{}ME'",
}


def _suggestion(frequency: str) -> str:
    """What to write for a distance between rows that pandas does not know."""
    number, name = re.fullmatch(r"\s*(\d*)\s*(.*?)\s*", frequency, re.DOTALL).groups()  # type: ignore[union-attr]
    given = "" if number in ("", "1") else number
    if old := _OF_OLD_NAMES.get(name):
        return old.replace("{}", given)
    words = re.sub(r"[\s_.-]+", " ", name.lower()).strip()
    words = re.sub(r"^(every|per|each|a|one) ", "", words)
    known = _OF_WORDS.get(words) or _OF_WORDS.get(words.removesuffix("s"))
    several = _OF_SEVERAL.get(words) or _OF_SEVERAL.get(words.removesuffix("s"))
    if several is not None:
        known, given = several[1], str(several[0] * int(given or 1))
    if known is None:
        return "use e.g. '1h', '15min' or '1D'"
    return f"use '{given}{known}'" + _NOTES.get(known, "").replace("{}", given)


# For each kind: the shortest and longest distance between rows for which 'auto' takes it, its period,
# and how many periods of train rows make it learnable.
_LEARNABLE: dict[CalendarKind, tuple[float, float, float, int]] = {
    "hour": (0, _DAY / 2, _DAY, 3),
    "weekday": (0, _DAY, 7 * _DAY, 3),
    "day_of_year": (0, 7 * _DAY, _YEAR, 2),
    "month": (7 * _DAY + 1, _YEAR / 12 + 1, _YEAR, 3),
    "quarter": (_YEAR / 12 + 2, _YEAR / 4 + 1, _YEAR, 3),
}


# A look-back of so many periods shows the period by itself.
_SHOWN = 7


class Holidays(StrictSettings):
    """The public holidays of a country, as the package ``holidays`` knows them."""

    country: str = Field(description="ISO 3166-1 code of the country, e.g. 'DE'.")
    subdivision: str | None = Field(
        None, description="ISO 3166-2 code of a state or province, e.g. 'BE'."
    )

    @model_validator(mode="after")
    def _known(self) -> Holidays:
        check_country(self.country, self.subdivision)
        return self

    def __str__(self) -> str:
        return self.country + (f" ({self.subdivision})" if self.subdivision else "")


def check_country(country: str, subdivision: str | None) -> None:
    """Refuse what the package ``holidays`` does not know.

    Raises:
        ValueError: the message lists the codes that are most alike.
    """
    import holidays
    from holidays.registry import COUNTRIES

    if country not in holidays.list_supported_countries(include_aliases=True):
        # Each entry has the class' name, then the codes of two and of three letters.
        codes = {code: names[1] for names in COUNTRIES.values() for code in names}
        raise ValueError(
            f"country: the package holidays has no {country!r}; {_near(country, codes)}"
        )
    if subdivision is not None:
        of_country = holidays.country_holidays(country)
        codes = {code: code for code in of_country.subdivisions}
        codes |= of_country.subdivisions_aliases
        if subdivision not in codes:
            raise ValueError(
                f"subdivision: {country!r} has no {subdivision!r}; {_near(subdivision, codes)}"
            )


def _near(name: str, codes: Mapping[str, str]) -> str:
    """The codes whose names are most like one that is not known, or all where few are."""
    by_lower = {known.lower(): code for known, code in codes.items()}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=5)
    found = [by_lower[known] for known in near] or list(codes.values())[:60]
    if not found:
        return "it has none, remove subdivision"
    return f"use one of {', '.join(sorted({*found}))}"


def calendar_columns(kinds: list[CalendarKind], holidays: Holidays | None) -> list[str]:
    """Columns of kinds of the calendar, a sine and a cosine each, and of holidays."""
    columns = [f"{kind}_{part}" for kind in kinds for part in ("sin", "cos")]
    return columns if holidays is None else [*columns, *HOLIDAY_COLUMNS]


# Columns of all kinds of the calendar.
CYCLE_COLUMNS = tuple(calendar_columns(list(get_args(CalendarKind)), None))


def check_frequency(frequency: str) -> None:
    """Refuse what is no distance between rows.

    Raises:
        ValueError: the message says what to write.
    """
    from pandas.tseries.frequencies import to_offset

    try:
        offset = to_offset(frequency)
    except ValueError:
        raise ValueError(
            f"{frequency!r} is no pandas offset of positive length; {_suggestion(frequency)}"
        ) from None
    if offset is None or offset.n < 1:
        raise ValueError(
            f"{frequency!r} is no pandas offset of positive length; use e.g. '1h', '15min' or '1D'"
        )


def row_seconds(frequency: str) -> float:
    """Seconds from row to row; the mean where months differ. 0 for a frequency of another kind."""
    from pandas.tseries.frequencies import to_offset
    from pandas.tseries.offsets import Tick

    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        return float(offset.nanos) / 1e9
    return float(_LENGTHS.get(offset.rule_code.partition("-")[0], 0.0) * offset.n)


def learnable_calendar(
    frequency: str | None, train_seconds: float, timesteps: int, columns: Collection[str] = ()
) -> list[CalendarKind]:
    """The kinds of the calendar that rows can teach and that a look-back does not show by itself.

    Args:
        frequency: pandas offset; None means that there are none.
        train_seconds: time from the first to the last train row.
        timesteps: rows of the look-back; seven periods of a kind in it show the kind.
        columns: columns of the table; a kind whose columns it has itself, e.g. 'hour_sin' or
            'hour_sin+2', is none.
    """
    seconds = 0.0 if frequency is None else row_seconds(frequency)
    if not seconds:
        return []
    own = {re.sub(r"\+\d+$", "", name) for name in columns}
    return [
        kind
        for kind, (shortest, longest, period, needed) in _LEARNABLE.items()
        if shortest <= seconds <= longest
        and train_seconds >= needed * period
        and timesteps * seconds < _SHOWN * period
        and not {*calendar_columns([kind], None)} & own
    ]

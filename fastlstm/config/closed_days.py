"""Days on which a table has no rows: the holidays of an exchange or a country, and its weekend."""

from __future__ import annotations

import datetime
import difflib
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.calendar import check_country

Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class ClosedDays(StrictSettings):
    """Days that are no gaps, and that no forecast is for."""

    market: str | None = Field(
        None,
        description="Exchange whose holidays are closed, by its ISO 10383 code, e.g. 'XNYS', as the "
        "package holidays knows it.",
    )
    country: str | None = Field(
        None, description="Country whose public holidays are closed, e.g. 'DE' (ISO 3166-1)."
    )
    subdivision: str | None = Field(
        None, description="State or province of the country, e.g. 'BE' (ISO 3166-2)."
    )
    dates: list[str] = Field(
        default_factory=list, description="Further closed days, e.g. ['2024-12-24']."
    )
    week: list[Weekday] = Field(
        default=["Mon", "Tue", "Wed", "Thu", "Fri"],
        min_length=1,
        description="Days of the week with rows, e.g. [Sun, Mon, Tue, Wed, Thu].",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        """A list of dates is short for ``dates``."""
        return {"dates": given} if isinstance(given, list | tuple) else given

    @field_validator("dates", mode="before")
    @classmethod
    def _dates(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        days = []
        for value in given:
            # YAML reads a date as a date.
            text = value.isoformat()[:10] if isinstance(value, datetime.date) else str(value)
            try:
                days.append(datetime.date.fromisoformat(text).isoformat())
            except ValueError:
                raise ValueError(f"{text!r} is no date; write it as 2024-12-25") from None
        return sorted(set(days))

    @model_validator(mode="after")
    def _known(self) -> ClosedDays:
        import holidays

        markets = holidays.list_supported_financial()
        if self.market is not None and self.market not in markets:
            near = difflib.get_close_matches(self.market.upper(), sorted(markets), n=3)
            names = near or sorted(code for code in markets if code.startswith("X"))
            raise ValueError(
                f"market: the package holidays has no {self.market!r}; use one of {', '.join(names)}, "
                "or list the days in dates"
            )
        if self.subdivision is not None and self.country is None:
            raise ValueError("subdivision: needs country; set it, or remove subdivision")
        if self.country is not None:
            check_country(self.country, self.subdivision)
        if len(set(self.week)) != len(self.week):
            raise ValueError(f"week: a day is listed twice in {self.week}; list each once")
        return self

    def __str__(self) -> str:
        """What is closed, for people."""
        parts = [f"holidays of {name}" for name in (self.market, self.country) if name]
        if self.dates:
            parts.append(f"{len(self.dates)} dates")
        rest = [day for day in Weekday.__args__ if day not in self.week]  # type: ignore[attr-defined]
        return ", ".join([*parts, *([" and ".join(rest)] if rest else [])])

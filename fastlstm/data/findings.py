"""Findings of the checks of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastlstm.errors import DataError

CASES = 10

# Names of the checks that tell what of the source is left out.
FILES_CHECK, SHORT_SERIES_CHECK = "files", "short series"


@dataclass(frozen=True)
class Finding:
    """One check that failed.

    Attributes:
        check: name of the check.
        column: the column, or columns joined by a comma.
        rows: how many rows failed.
        message: what was found and what to do.
        cases: the first ten: series, time and value.
    """

    check: str
    column: str
    rows: int
    message: str
    cases: list[dict[str, Any]]

    def line(self) -> str:
        """The finding in one line."""
        return f"{self.check} · {self.column}: {self.message}"


@dataclass(frozen=True)
class ValidationReport:
    """Result of a validation: what the checks found and what the policies changed."""

    rows_in: int
    rows_out: int
    checks_run: int
    errors: list[Finding]
    warnings: list[Finding]
    missing: dict[str, int]
    out_of_range_as_missing: dict[str, int]
    filled: dict[str, int]
    dropped: dict[str, int]

    @property
    def passed(self) -> bool:
        """Whether the rows may be used."""
        return not self.errors

    @property
    def left_out(self) -> list[str]:
        """What of the source is not used, a line for each finding."""
        checks = (FILES_CHECK, SHORT_SERIES_CHECK)
        return [found.message for found in self.warnings if found.check in checks]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-like values."""
        return {
            "outcome": "passed" if self.passed else "refused",
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "checks_run": self.checks_run,
            "errors": [vars(f) for f in self.errors],
            "warnings": [vars(f) for f in self.warnings],
            "missing": self.missing,
            "out_of_range_as_missing": self.out_of_range_as_missing,
            "filled": self.filled,
            "dropped": self.dropped,
        }

    def raise_if_refused(self, kept_at: Path | str) -> None:
        """Raise an error with the number of failed checks, the first one, and where all are listed.

        Args:
            kept_at: file of the report.

        Raises:
            DataError: a check failed.
        """
        if self.errors:
            raise DataError(
                f"data refused: {len(self.errors)} of {self.checks_run} checks failed, first: "
                f"{self.errors[0].line()}; all in {kept_at}"
            )

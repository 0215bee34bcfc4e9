"""Findings of the checks of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastlstm.errors import DataError

CASES = 10

# Names of the checks that tell what of the source is left out.
FILES_CHECK, SHORT_SERIES_CHECK = "files", "short series"
# Name of the check that rows are left.
ROWS_LEFT = "rows left"


@dataclass(frozen=True)
class Finding:
    """One check that failed.

    Attributes:
        check: name of the check.
        column: the column, or columns joined by a comma.
        rows: how many rows failed.
        message: what was found and what to do.
        cases: the first ten: series, time and value.
        numbers: the numbers in the message that add up over the shards of a table.
        template: the message with ``{}`` in the place of each of them; empty where there are none.
    """

    check: str
    column: str
    rows: int
    message: str
    cases: list[dict[str, Any]]
    numbers: tuple[int, ...] = ()
    template: str = ""

    @classmethod
    def counted(
        cls, check: str, column: str, rows: int, template: str, numbers: Sequence[int],
        cases: list[dict[str, Any]],
    ) -> Finding:  # fmt: skip
        """A finding whose message is a template, see ``literal``, filled with numbers."""
        message = template.format(*numbers)
        return cls(check, column, rows, message, cases, tuple(numbers), template)

    def line(self) -> str:
        """The finding in one line."""
        return f"{self.check} · {self.column}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as the report keeps it."""
        names = ("check", "column", "rows", "message", "cases")
        return {name: getattr(self, name) for name in names}


def literal(text: str) -> str:
    """A text as a part of a template, in which braces have a meaning."""
    return text.replace("{", "{{").replace("}", "}}")


def merged_findings(of_shards: Sequence[Sequence[Finding]]) -> list[Finding]:
    """The findings of all shards of a table, what several of them found as one.

    Args:
        of_shards: findings of each shard, in order.
    """
    found: dict[tuple[str, ...], Finding] = {}
    for finding in (finding for findings in of_shards for finding in findings):
        key = (finding.check, finding.column, finding.template or finding.message)
        known = found.get(key)
        if known is None:
            found[key] = finding
        elif finding.template:
            found[key] = Finding.counted(
                finding.check, finding.column, known.rows + finding.rows, finding.template,
                [a + b for a, b in zip(known.numbers, finding.numbers, strict=True)],
                [*known.cases, *finding.cases][:CASES],
            )  # fmt: skip
    return list(found.values())


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

    @classmethod
    def merged(cls, reports: Sequence[ValidationReport]) -> ValidationReport:
        """The report of a table from those of its shards, at least one."""
        if len(reports) == 1:
            return reports[0]
        errors = merged_findings([report.errors for report in reports])
        if any(report.rows_out for report in reports):
            # A shard may lose all its rows as long as another keeps some.
            errors = [finding for finding in errors if finding.check != ROWS_LEFT]
        return cls(
            rows_in=sum(report.rows_in for report in reports),
            rows_out=sum(report.rows_out for report in reports),
            checks_run=max(report.checks_run for report in reports),
            errors=errors,
            warnings=merged_findings([report.warnings for report in reports]),
            missing=_sums([report.missing for report in reports]),
            out_of_range_as_missing=_sums([report.out_of_range_as_missing for report in reports]),
            filled=_sums([report.filled for report in reports]),
            dropped=_sums([report.dropped for report in reports]),
        )

    @property
    def passed(self) -> bool:
        """Whether the rows may be used."""
        return not self.errors

    @property
    def failed(self) -> bool:
        """Whether rows of this shard fail a check, whatever the other shards hold."""
        return any(finding.check != ROWS_LEFT for finding in self.errors)

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
            "errors": [f.to_dict() for f in self.errors],
            "warnings": [f.to_dict() for f in self.warnings],
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


def _sums(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for of_shard in counts:
        for name, count in of_shard.items():
            total[name] = total.get(name, 0) + count
    return total

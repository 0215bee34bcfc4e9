"""The rule that calls a served model degraded, from what monitoring measured."""

from __future__ import annotations

from dataclasses import dataclass

from fastlstm.forecasting.monitoring import LiveError, Measurements


@dataclass(frozen=True)
class HealthLimits:
    """The limits of a healthy model, and how much data a limit needs.

    Attributes:
        max_error_ratio: largest live error over the error on test.
        max_psi: largest population stability index of a feature.
        max_coverage_shortfall: how far below its level the coverage of intervals may fall.
        minimum_forecasts: fewest forecasts with an actual value for error and coverage to count.
        minimum_rows: fewest input rows for the population stability index to count.
    """

    max_error_ratio: float
    max_psi: float
    max_coverage_shortfall: float
    minimum_forecasts: int
    minimum_rows: int


@dataclass(frozen=True)
class HealthAssessment:
    """Whether a model is degraded, with the measurements that rest on enough data.

    Attributes:
        error: None where too few actual values are known.
        coverage: by level the share of actual values inside the intervals.
        psi: population stability index of each feature.
        reasons: a sentence for each limit that is exceeded.
        message: all of it in one line.
    """

    error: LiveError | None
    coverage: dict[float, float]
    psi: dict[str, float]
    reasons: list[str]
    message: str

    @property
    def degraded(self) -> bool:
        """Whether a limit is exceeded."""
        return bool(self.reasons)


def assess_health(measured: Measurements, limits: HealthLimits) -> HealthAssessment:
    """Compare measurements with their limits; those that rest on too little data do not count.

    Args:
        measured: error, coverage and drift of a model.
        limits: the limits of a healthy model.
    """
    known = 0 if measured.error is None else measured.error.forecasts
    error = measured.error if known >= limits.minimum_forecasts else None
    coverage = {
        level: share
        for level, (share, count) in measured.coverage.items()
        if count >= limits.minimum_forecasts
    }
    psi = measured.psi if measured.input_rows >= limits.minimum_rows else {}
    reasons = [
        *_error_reasons(error, limits.max_error_ratio),
        *_coverage_reasons(coverage, limits.max_coverage_shortfall),
        *_drift_reasons(psi, limits.max_psi),
    ]
    if reasons:
        message = f"Degraded: {'; '.join(reasons)}"
    elif findings := _findings(error, coverage, psi):
        message = f"Within limits: {'; '.join(findings)}"
    else:
        message = (
            f"Too little data: {known} forecasts with an actual value, "
            f"{measured.input_rows} input rows"
        )
    return HealthAssessment(error, coverage, psi, reasons, message)


def _error_reasons(error: LiveError | None, limit: float) -> list[str]:
    """A reason where live errors are too large against those on test."""
    if error is None or error.ratio <= limit:
        return []
    return [
        f"live {error.name} {error.live:.4g} against {error.expected:.4g} on test "
        f"({error.ratio:.2g} times, limit {limit:g})"
    ]


def _coverage_reasons(coverage: dict[float, float], max_shortfall: float) -> list[str]:
    """A reason for the intervals that miss their level by most."""
    shortfall = {level: level - share for level, share in coverage.items()}
    too_narrow = {level: short for level, short in shortfall.items() if short > max_shortfall}
    if not too_narrow:
        return []
    level = max(too_narrow, key=lambda level: too_narrow[level])
    return [
        f"intervals of level {level:g} hold {coverage[level]:.0%} of the actual values "
        f"(limit {level - max_shortfall:.0%})"
    ]


def _drift_reasons(psi: dict[str, float], limit: float) -> list[str]:
    """A reason that counts the drifted features and names the most drifted one."""
    drifted = {feature: value for feature, value in psi.items() if value > limit}
    if not drifted:
        return []
    most = max(drifted, key=lambda feature: drifted[feature])
    return [
        f"{len(drifted)} of {len(psi)} inputs drifted, most {most!r} "
        f"(PSI {drifted[most]:.2g}, limit {limit:g})"
    ]


def _findings(
    error: LiveError | None, coverage: dict[float, float], psi: dict[str, float]
) -> list[str]:
    """The measurements of a healthy model, a phrase each."""
    findings = []
    if error is not None:
        findings.append(f"live {error.name} {error.live:.4g} against {error.expected:.4g} on test")
    findings += [
        f"{share:.0%} inside the {level:.4g} intervals" for level, share in coverage.items()
    ]
    if psi:
        findings.append(f"greatest PSI {max(psi.values()):.2g}")
    return findings

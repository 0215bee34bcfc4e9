"""The rule that calls a model degraded: each limit, and that too little data decides nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastlstm.forecasting.health import HealthLimits, assess_health
from fastlstm.forecasting.monitoring import LiveError, Measurements

LIMITS = HealthLimits(
    max_error_ratio=1.5,
    max_psi=0.25,
    max_coverage_shortfall=0.1,
    minimum_forecasts=100,
    minimum_rows=50,
)
HEALTHY = Measurements(
    error=LiveError("MAE", live=1.2, expected=1.0, forecasts=100),
    coverage={0.8: (0.75, 100), 0.95: (0.9, 100)},
    psi={"load": 0.05, "heat": 0.2},
    input_rows=50,
)


def error(live: float, expected: float = 1.0, forecasts: int = 100) -> LiveError:
    return LiveError("MAE", live, expected, forecasts)


def test_a_healthy_model_is_described():
    assessment = assess_health(HEALTHY, LIMITS)
    assert not assessment.degraded and assessment.reasons == []
    assert assessment.message == (
        "Within limits: live MAE 1.2 against 1 on test; 75% inside the 0.8 intervals; 90% inside the "
        "0.95 intervals; greatest PSI 0.2"
    )
    assert assessment.error == HEALTHY.error and assessment.psi == HEALTHY.psi
    assert assessment.coverage == {0.8: 0.75, 0.95: 0.9}


@pytest.mark.parametrize(
    ("at_limit", "beyond", "reason"),
    [
        (
            {"error": error(1.5)},
            {"error": error(1.51)},
            "live MAE 1.51 against 1 on test (1.5 times, limit 1.5)",
        ),
        (
            {"coverage": {0.75: (0.65, 100)}},
            {"coverage": {0.75: (0.64, 100)}},
            "intervals of level 0.75 hold 64% of the actual values (limit 65%)",
        ),
        (
            {"psi": {"load": 0.25}},
            {"psi": {"load": 0.26, "heat": 0.3, "rain": 0.1}},
            "2 of 3 inputs drifted, most 'heat' (PSI 0.3, limit 0.25)",
        ),
    ],
    ids=["error", "coverage", "drift"],
)
def test_a_model_beyond_a_limit_is_degraded_for_one_reason(at_limit, beyond, reason):
    assert not assess_health(replace(HEALTHY, **at_limit), LIMITS).degraded
    assessment = assess_health(replace(HEALTHY, **beyond), LIMITS)
    assert assessment.degraded and assessment.reasons == [reason]
    assert assessment.message == f"Degraded: {reason}"


def test_all_reasons_are_given():
    measured = Measurements(error(9.0), {0.8: (0.1, 100)}, {"load": 2.0}, 50)
    assessment = assess_health(measured, LIMITS)
    assert len(assessment.reasons) == 3
    assert assessment.message == "Degraded: " + "; ".join(assessment.reasons)


def test_the_intervals_that_miss_their_level_by_most_are_named():
    coverage = {0.5: (0.3, 100), 0.8: (0.5, 100), 0.95: (0.7, 100)}
    (reason,) = assess_health(replace(HEALTHY, coverage=coverage), LIMITS).reasons
    assert reason.startswith("intervals of level 0.8 hold 50%")


def test_an_error_where_none_was_expected_is_beyond_every_limit():
    (reason,) = assess_health(replace(HEALTHY, error=error(0.1, 0.0)), LIMITS).reasons
    assert reason == "live MAE 0.1 against 0 on test (inf times, limit 1.5)"


@pytest.mark.parametrize(
    ("little", "kept"),
    [
        ({"error": error(9.0, forecasts=99)}, {"error": None}),
        ({"coverage": {0.8: (0.0, 99), 0.95: (0.9, 100)}}, {"coverage": {0.95: 0.9}}),
        ({"psi": {"load": 9.0}, "input_rows": 49}, {"psi": {}}),
    ],
    ids=["error", "coverage", "drift"],
)
def test_too_little_data_decides_nothing(little, kept):
    assessment = assess_health(replace(HEALTHY, **little), LIMITS)
    assert not assessment.degraded
    for name, value in kept.items():
        assert getattr(assessment, name) == value


@pytest.mark.parametrize(
    ("live", "known"), [(None, 0), (error(9.0, forecasts=12), 12)], ids=["no actuals", "few"]
)
def test_a_model_without_enough_data_is_neither(live, known):
    assessment = assess_health(Measurements(live, {}, {"load": 9.0}, 36), LIMITS)
    assert not assessment.degraded
    assert assessment.message == (
        f"Too little data: {known} forecasts with an actual value, 36 input rows"
    )

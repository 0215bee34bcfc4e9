"""Naive forecasts of a window against their definitions, row by row."""

import numpy as np
import pytest

from fastlstm.network.naive_forecasters import (
    BY_PAST_ERROR,
    naive_forecast,
    naive_forecaster_names,
    rows_needed,
)

STEPS = 7


def expected(name, past):
    """The forecast of one series, ``(STEPS,)``."""
    rows = len(past)
    if name == "naive":
        return [past[-1]] * STEPS
    if name == "mean":
        return [past[-(rows // 4) :].mean()] * STEPS
    if name == "drift":
        return [past[-1] + (past[-1] - past[0]) / (rows - 1) * (k + 1) for k in range(STEPS)]
    if name == "recent_drift":
        slope = (past[-1] - past[-1 - rows // 4]) / (rows // 4)
        return [past[-1] + slope * (k + 1) for k in range(STEPS)]
    kind, season = name.rsplit("_", 1)
    season, found = int(season), []
    for k in range(STEPS):
        place = rows + k - season
        while place >= rows:
            place -= season
        same_place = [past[i] for i in range(place, -1, -season)][: rows // season]
        level = max(1, season // 4)
        found.append({
            "seasonal_naive": past[place],
            "seasonal_mean": np.mean(same_place),
            "seasonal_shape": np.mean(same_place) + past[-season:].mean()
            - past[rows - rows // season * season :].mean(),
            "seasonal_level": past[place] + past[-level:].mean()
            - past[rows - season - level : rows - season].mean() if rows >= season + level else None,
        }[kind])  # fmt: skip
    return found


@pytest.mark.parametrize(("timesteps", "seasons"), [(25, (4, 12)), (5, (4,)), (4, (4,)), (3, ())])
def test_each_is_what_its_name_says(timesteps, seasons):
    own = np.random.default_rng(timesteps).normal(size=(3, timesteps, 2))
    names = naive_forecaster_names(timesteps, seasons)
    for name in (name for name in names if name not in BY_PAST_ERROR):
        found = naive_forecast(np, own, name, STEPS)
        assert found.shape == (3, STEPS, 2)
        for window in range(3):
            for target in range(2):
                np.testing.assert_allclose(
                    found[window, :, target], expected(name, own[window, :, target]), rtol=1e-6
                )


def test_a_window_gives_those_that_its_rows_suffice_for():
    assert naive_forecaster_names(3, ()) == ("naive", "drift")
    assert naive_forecaster_names(4, (4,)) == ("naive", "seasonal_naive_4", "drift")
    assert naive_forecaster_names(8, (4,)) == (
        "naive", "mean", "seasonal_naive_4", "seasonal_mean_4", "seasonal_shape_4", "seasonal_level_4",
        "drift", "recent_drift", *BY_PAST_ERROR,
    )  # fmt: skip


@pytest.mark.parametrize("timesteps", [8, 9, 40])
def test_fewer_rows_than_needed_make_no_forecast_of_that_name(timesteps):
    for name in naive_forecaster_names(timesteps, (4, 6)):
        if name not in BY_PAST_ERROR:
            rows = rows_needed(name)
            assert name in naive_forecaster_names(rows, (4, 6))
            assert name not in naive_forecaster_names(rows - 1, (4, 6))

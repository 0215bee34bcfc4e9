"""scikit-learn's own checks of the classifier."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastlstm import LSTMClassifier
from tests.api.sklearn_checks import NOT_FOR_WINDOWS

pytestmark = pytest.mark.slow


@parametrize_with_checks(
    [LSTMClassifier(timesteps=1, epochs=1, batch_size=512, random_state=0)],
    expected_failed_checks=lambda _: NOT_FOR_WINDOWS,
)
def test_check(estimator, check):
    check(estimator)

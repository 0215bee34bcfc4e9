"""scikit-learn's own checks of the classifier."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from fastlstm import LSTMClassifier
from fastlstm.api import windowed_estimator
from tests.api.sklearn_checks import NOT_FOR_WINDOWS, stub_fit, stub_predict


@parametrize_with_checks(
    [LSTMClassifier(timesteps=1, epochs=1, batch_size=512, random_state=0)],
    expected_failed_checks=lambda _: NOT_FOR_WINDOWS,
)
def test_check(estimator, check, monkeypatch):
    monkeypatch.setattr(windowed_estimator, "fit", stub_fit)
    monkeypatch.setattr(windowed_estimator, "predict", stub_predict)
    check(estimator)

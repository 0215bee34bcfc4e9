"""What users call: the class ``fastLSTM`` and the scikit-learn estimators."""

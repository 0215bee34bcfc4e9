"""Many trainings that answer one question: backtests and the search for hyperparameters."""

"""The files that each step writes into its folder."""

from __future__ import annotations

TABLE_FILE = "table.parquet"
CLEAN_FILE, CHECKS_FILE = "clean.parquet", "validation.json"
SCALED_FILE = "scaled.parquet"
X_SCALER_FILE, Y_SCALER_FILE = "x_scaler.json", "y_scaler.json"
SERIES_SCALES_FILE = "series_scales.parquet"
INPUTS_FILE = "inputs.json"
MODEL_FILE, HISTORY_FILE, TRAINING_FILE = "model.keras", "history.csv", "training.json"
# The network that validation chose, where the run's own was trained on validation windows too.
CHOSEN_MODEL_FILE = "chosen.keras"
# The same network for onnxruntime, and on how many windows it was compared or why there is none.
ONNX_FILE, ONNX_CHECK_FILE = "model.onnx", "onnx.json"
METRICS_FILE, PREDICTIONS_FILE = "metrics.json", "test_predictions.parquet"
INTERVALS_FILE, SPREADS_FILE = "intervals.parquet", "series_spreads.parquet"
BACKTEST_SUMMARY_FILE, BACKTEST_TABLE_FILE = "backtest.json", "backtest.csv"
BACKTEST_FIGURE_FILE = "backtest.png"
BEST_SETTINGS_FILE, TRIALS_FILE, SEARCH_SUMMARY_FILE = "best.yaml", "trials.csv", "tune.json"
SEARCH_FIGURE_FILE = "tune.png"

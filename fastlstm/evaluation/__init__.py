"""Metrics, baselines, significance, importance and intervals of forecasts on test windows."""

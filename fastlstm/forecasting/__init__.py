"""A stored run at work: forecasts beyond the last row, their intervals, drift, monitoring."""

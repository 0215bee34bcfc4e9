"""What a table holds that nobody has described: its dialect, times, series, and what to forecast."""

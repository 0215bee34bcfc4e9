"""Where data, runs and forecasts lie when it is not a local folder: S3 and databases."""

"""Examples of configs, and what schedules and serves the flows."""

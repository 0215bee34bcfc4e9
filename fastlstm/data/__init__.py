"""The rows: reading, checking, cleaning, derived columns, splits, scaling."""

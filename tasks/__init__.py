"""Tasks: thin, retried and cached wrappers over library functions."""

"""Every setting, one subject a file, and reading of YAML."""

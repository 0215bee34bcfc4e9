"""Folders that appear whole, with manifests; names of their files; fingerprints."""

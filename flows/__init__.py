"""Flows chain tasks and do nothing else; the command line starts them."""

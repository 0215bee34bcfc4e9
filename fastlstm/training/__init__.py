"""Train a network, and what validation decides afterwards."""

"""One stored run: its files, writing it, opening it without trust, runs of fastLSTM 1.0."""

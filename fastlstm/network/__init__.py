"""The Keras networks: architectures, losses, metrics, fast LSTM steps, model files."""

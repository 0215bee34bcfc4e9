"""What a window is, and datasets of windows in memory and on disk."""

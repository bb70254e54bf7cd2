"""The training loop, and model files."""

"""The engine for PyTorch networks."""

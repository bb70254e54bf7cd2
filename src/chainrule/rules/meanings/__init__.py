"""Calls that mean something else in PyTorch than in NumPy."""

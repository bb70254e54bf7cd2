"""Calls that PyTorch means in another way than NumPy."""

"""Pooling in one pass."""

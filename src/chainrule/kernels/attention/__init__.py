"""Attention a block of scores at a time."""

"""Attention, plain and blockwise."""

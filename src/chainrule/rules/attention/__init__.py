"""Attention, plain and in blocks."""

"""Shapes, places, reductions."""

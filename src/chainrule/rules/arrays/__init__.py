"""Shapes, indexing, reductions."""

"""Layers, activations, losses."""

"""Watching gradients during training."""

"""`torch.utils`: `data`, and checkpoints of the forward pass."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]

"""autograd.numpy.numpy_boxes: the class that `isinstance` accepts for a traced array."""

from ..boxes import ArrayBox, Box, SequenceBox

__all__ = ["ArrayBox", "Box", "SequenceBox"]

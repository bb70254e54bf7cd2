"""autograd.numpy.numpy_vspaces: the vector spaces of arrays."""

from ..vector_spaces import ArrayVSpace, ComplexArrayVSpace, VSpace

__all__ = ["ArrayVSpace", "ComplexArrayVSpace", "VSpace"]

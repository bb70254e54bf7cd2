"""chainrule beside PyTorch and JAX. Each of them is optional, and imported when one of these functions is called."""

from .jax_check import check_jax
from .torch_check import check_torch

__all__ = ["check_jax", "check_torch"]

"""chainrule with PyTorch, JAX and scikit-learn. Each is optional, and imported when one of these functions is called.

Models, tensors and functions go over by `chainrule.interop.torch` and `chainrule.interop.jax`; the estimators are in
`chainrule.interop.sklearn`.
"""

from .jax.check import check_jax
from .torch.check import check_torch

__all__ = ["check_jax", "check_torch"]

"""chainrule: backpropagation that can be trusted, understood and run fast."""

from chainrule import rules as _rules  # registers every operation and gives Tensor its operators
from chainrule._version import __version__
from chainrule.core.checkpoint import checkpoint
from chainrule.core.creation import arange, full, ones, rand, randn, tensor, zeros
from chainrule.core.custom import custom
from chainrule.core.errors import FreedTapeError, GradientError, InPlaceError, MissingRuleError
from chainrule.core.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from chainrule.core.random import seed
from chainrule.core.tensor import Tensor
from chainrule.core.transforms import elementwise_grad, grad, jvp, no_grad, value_and_grad, vjp

__all__ = [
    "FreedTapeError",
    "GradientError",
    "InPlaceError",
    "MissingRuleError",
    "Tensor",
    "__version__",
    "arange",
    "checkpoint",
    "custom",
    "elementwise_grad",
    "full",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "no_grad",
    "ones",
    "rand",
    "randn",
    "seed",
    "tensor",
    "value_and_grad",
    "vjp",
    "zeros",
]
del _rules

"""chainrule: backpropagation that is verified, explained and fast.

>>> import chainrule as cr
>>> x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
>>> float(cr.grad(cr.sigmoid)(0.0))
0.25
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule import rules as _rules  # registers every operation and gives Tensor its operators
from chainrule._version import __version__
from chainrule.base.lacking import lacking as _lacking
from chainrule.core.creation import arange, full, ones, rand, randn, tensor, zeros
from chainrule.core.custom import custom
from chainrule.core.errors import CaptureError, FreedTapeError, GradientError, InPlaceError, MissingRuleError, VmapError
from chainrule.core.operands.meanings import PyTorchMeaningWarning
from chainrule.core.random import seed
from chainrule.core.tensor import Tensor
from chainrule.core.transforms.checkpoint import checkpoint
from chainrule.core.transforms.derivatives import elementwise_grad, grad, jvp, no_grad, value_and_grad, vjp
from chainrule.core.transforms.implicit import custom_root, fixed_point
from chainrule.core.transforms.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from chainrule.core.transforms.linearize import linearize
from chainrule.core.transforms.scan import ScanWarning, fori_loop, scan
from chainrule.core.transforms.sparse import sparsity_pattern
from chainrule.core.transforms.vmap import VmapWarning, vmap
from chainrule.core.transforms.wirtinger import wirtinger
from chainrule.rules.arrays.join import concatenate, stack
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.exponential import exp, log
from chainrule.rules.elementary.powers import sqrt
from chainrule.rules.elementary.selection import where
from chainrule.rules.elementary.trigonometric import cos, sin, tanh
from chainrule.rules.linalg.einsum import einsum
from chainrule.rules.linalg.matmul import matmul
from chainrule.rules.meanings.functions import nearest as _nearest
from chainrule.rules.network.activation import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus
from chainrule.rules.network.softmax import log_softmax, logsumexp, softmax

if TYPE_CHECKING:
    from chainrule import (
        check,
        compile,
        data,
        distributed,
        doctor,
        explain,
        explore,
        learn,
        nn,
        numpy,
        optim,
        random,
        scipy,
        special,
        stats,
        train,
    )
    from chainrule.check.measuring.costs import cost
    from chainrule.check.subjects.layers import check_layer
    from chainrule.check.testing import assert_gradients
    from chainrule.doctor.nonfinite import detect_nonfinite
    from chainrule.explain.graph.drawing import graph
    from chainrule.explain.why.way import explain_grad
    from chainrule.interop import check_jax, check_torch
    from chainrule.learn.exercise import exercise
    from chainrule.nn.classic import backprop
    from chainrule.train import load, save

cat = concatenate

_LAZY_MODULES = frozenset(
    {
        "check",
        "compile",
        "data",
        "distributed",
        "doctor",
        "explain",
        "explore",
        "nn",
        "learn",
        "numpy",
        "optim",
        "random",
        "scipy",
        "special",
        "stats",
        "train",
    }
)
_LAZY_NAMES = {
    "assert_gradients": "chainrule.check.testing",
    "backprop": "chainrule.nn.classic",
    "check_jax": "chainrule.interop",
    "check_layer": "chainrule.check.subjects.layers",
    "check_torch": "chainrule.interop",
    "cost": "chainrule.check.measuring.costs",
    "detect_nonfinite": "chainrule.doctor.nonfinite",
    "exercise": "chainrule.learn",
    "explain_grad": "chainrule.explain.why.way",
    "graph": "chainrule.explain.graph.drawing",
    "load": "chainrule.train",
    "save": "chainrule.train",
}
"""What `import chainrule` leaves out until it is used: most programs need only a part."""

__all__ = [
    "CaptureError",
    "FreedTapeError",
    "GradientError",
    "InPlaceError",
    "MissingRuleError",
    "PyTorchMeaningWarning",
    "ScanWarning",
    "Tensor",
    "VmapError",
    "VmapWarning",
    "__version__",
    "arange",
    "assert_gradients",
    "backprop",
    "cat",
    "check",
    "check_jax",
    "check_layer",
    "check_torch",
    "checkpoint",
    "compile",
    "concatenate",
    "cos",
    "cost",
    "custom",
    "custom_root",
    "data",
    "detect_nonfinite",
    "distributed",
    "doctor",
    "einsum",
    "elementwise_grad",
    "elu",
    "exercise",
    "exp",
    "explain",
    "explain_grad",
    "explore",
    "fixed_point",
    "fori_loop",
    "full",
    "gelu",
    "grad",
    "graph",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "leaky_relu",
    "learn",
    "linearize",
    "load",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "nn",
    "no_grad",
    "numpy",
    "ones",
    "optim",
    "rand",
    "randn",
    "random",
    "relu",
    "save",
    "scan",
    "scipy",
    "seed",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sparsity_pattern",
    "special",
    "sqrt",
    "stack",
    "stats",
    "stop_gradient",
    "tanh",
    "tensor",
    "train",
    "value_and_grad",
    "vjp",
    "vmap",
    "where",
    "wirtinger",
    "zeros",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _LAZY_NAMES:
        return getattr(import_module(_LAZY_NAMES[name]), name)
    if known := _nearest(name):
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}{known}")
    return _lacking(__name__)(name)


def __dir__() -> list[str]:
    return sorted(__all__)


del _rules

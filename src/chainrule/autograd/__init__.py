"""HIPS autograd's names on this engine: `import chainrule.autograd as autograd`.

Code written for autograd runs after its imports are changed, or unchanged after `install()`. The names, arguments and
results are autograd's; the values and derivatives are chainrule's. docs/autograd.md says what differs.

>>> import chainrule.autograd.numpy as np
>>> from chainrule.autograd import elementwise_grad
>>> elementwise_grad(lambda x: np.tanh(x) ** 2)(np.array([0.0, 1.0]))
array([0.        , 0.63970001])
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from chainrule.base.lacking import lacking as _lacking

from . import core, extend, misc, numpy, test_util, tracer, util, wrap_util
from .builtins import dict, isinstance, list, tuple, type
from .core import primitive
from .differential_operators import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
    vector_jacobian_product,
)
from .installing import install

__all__ = [
    "checkpoint",
    "core",
    "deriv",
    "dict",
    "elementwise_grad",
    "extend",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "install",
    "isinstance",
    "jacobian",
    "list",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_vjp",
    "misc",
    "multigrad_dict",
    "numpy",
    "primitive",
    "tensor_jacobian_product",
    "test_util",
    "tracer",
    "tuple",
    "type",
    "util",
    "value_and_grad",
    "vector_jacobian_product",
    "wrap_util",
]


def __getattr__(name: str) -> _Any:
    if name == "scipy":  # SciPy is imported when it is used
        return _import_module(f"{__name__}.scipy")
    return _lacking(__name__)(name)

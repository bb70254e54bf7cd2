"""autograd.core: one run of a function, and its derivatives in both modes, as autograd's own code calls them."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.transforms.derivatives import TransformRun
from chainrule.core.transforms.derivatives import jvp as _jvp
from chainrule.core.transforms.derivatives import vjp as _vjp
from chainrule.core.transforms.values import opened
from chainrule.core.tree import flatten, unflatten

from .boxes import Box, getval
from .primitives import (
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    primitive,
    primitive_jvps,
    primitive_vjps,
)
from .sequences import subvals
from .tracer import Node
from .vector_spaces import SparseObject, VSpace, vspace

__all__ = [
    "SparseObject",
    "VJPNode",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "make_jvp",
    "make_vjp",
    "primitive",
    "primitive_jvps",
    "primitive_vjps",
    "vspace",
]


def entering(x: Any) -> Any:
    """Return an argument with its integers as float64: derivatives are real numbers.

    Raises TypeError for a Python int, a string and other values that autograd does not differentiate either.
    """
    if type(x) in (int, bool, str):
        raise TypeError(f"Can't differentiate w.r.t. type {type(x)}; pass a float")
    if type(x) in (float, np.float64) or (type(x) is np.ndarray and x.dtype.kind in "fc"):
        return x
    leaves, structure = flatten(x)
    return unflatten(structure, [_floating(leaf) for leaf in leaves])


def _floating(x: Any) -> Any:
    if (maker := Box.type_mappings.get(type(x))) is not None:
        maker(x, None, None)  # it may refuse
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind in ("i", "u", "b"):
        return x.astype(np.float64)
    return float(x) if type(x) in (int, bool) else x


class Run(TransformRun):
    """One run of a function of one argument, for reverse mode."""

    def __init__(self, fun: Callable[..., Any], x: Any, aux: bool = False) -> None:
        super().__init__("autograd", fun, [entering(x)], [0], aux)

    def _gradient(self, found: Any, leaf: Any, like: Any) -> Any:
        """Return a gradient, in autograd an array where it depends on nothing that is traced."""
        gradient = super()._gradient(found, leaf, like)
        return opened(gradient) if type(gradient) is Tensor else gradient

    @property
    def depends(self) -> bool:
        """Whether the result depends on the argument."""
        return any(map(self.depends_on, self.outputs))

    def vjp(self, g: Any, free: bool = False) -> Any:
        """Return the gradient of the argument for a cotangent of the result; with `free`, only once."""
        if type(g) is np.ndarray and len(self.outputs) == 1 and getattr(self.outputs[0], "shape", None) == g.shape:
            return self.pull([g], free)[0]
        leaves, structure = flatten(g)
        if len(leaves) != len(self.outputs):
            raise ValueError(f"vjp: expected the structure {self.structure}, got {structure}")
        return self.pull([_fitted(bar, y) for bar, y in zip(leaves, self.outputs, strict=True)], free)[0]


def _fitted(bar: Any, y: Any) -> Any:
    """Return a cotangent as an array of the output's shape."""
    shape = np.shape(y)
    if np.shape(bar) != shape:
        bar = np.broadcast_to(bar, shape)
    return bar if hasattr(bar, "dtype") else np.asarray(bar, getattr(y, "dtype", np.float64))[()]


class VJPNode(Node):
    """The node of one operation for reverse mode: `vjp(g)` has the gradient for each of `parents`."""

    __slots__ = ("parents", "vjp")

    def __init__(self, _value: Any, fun: Any, args: Any, kwargs: Any, argnums: Any, parents: Any) -> None:
        def of_parents(*xs: Any) -> Any:
            return fun(*subvals(args, zip(argnums, xs, strict=True)), **kwargs)

        self.parents = parents
        self.vjp = lambda g: _vjp(of_parents, *(args[k] for k in argnums))[1](g)

    def initialize_root(self, *_: Any, **__: Any) -> None:
        """Make the node of the argument, which has no parents."""
        self.parents = ()
        self.vjp = lambda _: ()


def make_vjp(fun: Callable[..., Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return `g -> gradient` and `fun(x)`; `fun` runs once.

    >>> vjp, ans = make_vjp(np.sin, 0.0)
    >>> float(vjp(2.0))
    2.0
    """
    run = Run(fun, x)
    if not run.depends:
        warnings.warn("Output seems independent of input.", stacklevel=2)
    return run.vjp, run.value()


def make_jvp(fun: Callable[..., Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return `g -> (fun(x), tangent)`; each call runs `fun`.

    >>> value, tangent = make_jvp(np.sin, 0.0)(2.0)
    >>> float(tangent)
    2.0
    """

    def jvp(g: Any) -> tuple[Any, Any]:
        return _jvp(fun, (entering(x),), (g,))

    return jvp


def is_complex(value: Any) -> bool:
    """Whether a value has complex numbers in it."""
    return any(np.iscomplexobj(getval(leaf)) for leaf in flatten(value)[0])

"""autograd's transforms: `grad` and its relatives, with its names, arguments and results.

Each takes `argnum`, a position or a tuple of positions, and returns a function of the same arguments. An array,
number, list, tuple or dictionary can be differentiated.
"""

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.transforms.checkpoint import checkpoint
from chainrule.core.transforms.jacobians import jacrev

from .core import Run, entering
from .core import make_jvp as _make_jvp
from .core import make_vjp as _make_vjp
from .vector_spaces import vspace
from .wrap_util import unary_to_nary

__all__ = [
    "checkpoint",
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "jacobian",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_jvp_reversemode",
    "make_vjp",
    "multigrad_dict",
    "tensor_jacobian_product",
    "value_and_grad",
    "vector_jacobian_product",
]

FLOAT64 = np.dtype(np.float64)

make_vjp = unary_to_nary(_make_vjp)
make_jvp = unary_to_nary(_make_jvp)


def _scalar_gradient(what: str, fun: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Return the value and the gradient of a function with one real number as its result, in an array of any shape."""
    run = Run(fun, x)
    if not run.depends:
        warnings.warn("Output seems independent of input.", stacklevel=4)
    ans = run.value()
    shape, dtype = getattr(ans, "shape", None), getattr(ans, "dtype", None)
    if shape == () and dtype is FLOAT64:  # what nearly every call has: its space is not needed
        return ans, run.vjp(np.array(1.0), free=True)
    space = vspace(ans)
    if space.size != 1:
        raise TypeError(
            f"{what} only applies to real scalar-output functions. Try jacobian, elementwise_grad or holomorphic_grad."
        )
    return ans, run.vjp(space.ones(), free=True)


@unary_to_nary
def grad(fun: Callable[..., Any], x: Any) -> Any:
    """
    Returns a function which computes the gradient of `fun` with respect to
    positional argument number `argnum`. The returned function takes the same
    arguments as `fun`, but returns the gradient instead. The result of `fun`
    must be one real number, in an array of any shape; otherwise it is a
    TypeError. The gradient has the structure and the shapes of the argument.

    >>> float(grad(lambda x, y: x * y**2, 1)(2.0, 3.0))
    12.0
    """
    return _scalar_gradient("Grad", fun, x)[1]


@unary_to_nary
def value_and_grad(fun: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Return a function that returns `(value, gradient)`, as `scipy.optimize.minimize(jac=True)` takes it.

    >>> value, gradient = value_and_grad(lambda x: x**2)(3.0)
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    return _scalar_gradient("value_and_grad", fun, x)


@unary_to_nary
def elementwise_grad(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that computes the sum over the outputs of the gradients: the derivative of an elementwise
    function.

    >>> elementwise_grad(np.tanh)(np.zeros(2))
    array([1., 1.])
    """
    vjp, ans = _make_vjp(fun, x)
    if vspace(ans).iscomplex:
        raise TypeError("Elementwise_grad only applies to real-output functions.")
    return vjp(vspace(ans).ones())


@unary_to_nary
def deriv(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that computes the derivative in forward mode, in the direction of ones."""
    return _make_jvp(fun, x)(vspace(entering(x)).ones())[1]


@unary_to_nary
def jacobian(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that computes the Jacobian, of the output's shape followed by the argument's; `fun` runs once.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return jacrev(fun)(entering(x))


@unary_to_nary
def holomorphic_grad(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that computes the complex derivative of a holomorphic function."""
    if not vspace(x).iscomplex:
        warnings.warn("Input to holomorphic_grad is not complex", stacklevel=3)
    return grad(lambda x: np.real(fun(x)))(x)


def grad_named(fun: Callable[..., Any], argname: str) -> Callable[..., Any]:
    """Return the gradient with respect to an argument given by its name."""
    names = list(inspect.signature(fun).parameters)
    if argname not in names:
        raise ValueError(f"grad_named: the function has no argument {argname!r}, only {', '.join(names)}")
    return grad(fun, names.index(argname))  # type: ignore[no-any-return]


@unary_to_nary
def hessian(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that computes the second derivatives, the Jacobian of the Jacobian."""
    return jacobian(jacobian(fun))(x)


@unary_to_nary
def make_hvp(fun: Callable[..., Any], x: Any) -> Any:
    """Return a function that returns `v -> Hessian @ v` and the gradient; `fun` runs once for any number of vectors."""
    return _make_vjp(grad(fun), x)


def hessian_tensor_product(fun: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Return a function of the arguments and a tensor that computes the Hessian times the tensor."""
    gradient = grad(fun, argnum)

    def vector_dot_grad(*args: Any, **kwargs: Any) -> Any:
        *rest, vector = args
        return np.tensordot(gradient(*rest, **kwargs), vector, np.ndim(vector))

    return grad(vector_dot_grad, argnum)  # type: ignore[no-any-return]


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Return a function of the arguments and a tensor that computes the tensor times the Jacobian."""

    def vector_dot_fun(*args: Any, **kwargs: Any) -> Any:
        *rest, vector = args
        return np.tensordot(vector, fun(*rest, **kwargs), axes=np.ndim(vector))

    return jacobian(vector_dot_fun, argnum)  # type: ignore[no-any-return]


vector_jacobian_product = tensor_jacobian_product


@unary_to_nary
def make_jvp_reversemode(fun: Callable[..., Any], x: Any) -> Callable[[Any], Any]:
    """Return a function that returns `v -> Jacobian @ v`, by two passes of reverse mode."""
    vjp, y = _make_vjp(fun, x)
    found: Callable[[Any], Any] = _make_vjp(vjp, vspace(y).zeros())[0]
    return found


def _half_square(x: Any) -> Any:
    return np.sum(x**2, axis=-1) / 2


def make_ggnvp(f: Callable[..., Any], g: Callable[..., Any] = _half_square, f_argnum: int = 0) -> Callable[..., Any]:
    """Return a function that returns `v -> J.T @ H @ J @ v`, with the Jacobian J of `f` and the Hessian H of `g`."""

    @unary_to_nary
    def _make_ggnvp(f: Callable[..., Any], x: Any) -> Callable[[Any], Any]:
        f_vjp, f_x = _make_vjp(f, x)
        g_hvp, grad_g_x = _make_vjp(grad(g), f_x)
        f_jvp, _ = _make_vjp(f_vjp, vspace(grad_g_x).zeros())
        return lambda v: f_vjp(g_hvp(f_jvp(v)))

    return _make_ggnvp(f, f_argnum)  # type: ignore[no-any-return]


@unary_to_nary
def grad_and_aux(fun: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Return a function that returns the gradient of the first output and the second output, for an `fun` of two."""
    run = Run(fun, x, aux=True)
    return run.vjp(vspace(run.value()).ones()), run.aux


def multigrad_dict(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes the gradients with respect to all arguments, by their names.

    >>> {name: float(x) for name, x in multigrad_dict(lambda x, y=3.0: x * y)(2.0).items()}
    {'x': 3.0, 'y': 2.0}
    """
    signature = inspect.signature(fun)

    def gradfun(*args: Any, **kwargs: Any) -> OrderedDict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def of_named(arguments: dict[str, Any]) -> Any:
            call = inspect.BoundArguments(signature, OrderedDict(arguments))
            return fun(*call.args, **call.kwargs)

        found = grad(of_named)(dict(bound.arguments))
        return OrderedDict((name, found[name]) for name in bound.arguments)

    return gradfun

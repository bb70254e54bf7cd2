"""The transforms: functions that take a function and return its derivative.

Each opens a trace with its own level, boxes the arguments, runs the function, and opens the boxes. That is all nesting
needs: a transform inside a transform sees the outer one's boxes as ordinary values.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.decorated import in_blocks
from chainrule.core.errors import GradientError, VmapError
from chainrule.core.inplace import ended
from chainrule.core.operands.foreign import PLAIN, unnamed
from chainrule.core.operands.keywords import explained
from chainrule.core.tensor import Tensor, array_of, is_array
from chainrule.core.traces.forward import Forward
from chainrule.core.traces.modes import Floor
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.reverse import gradients
from chainrule.core.traces.running import entered, left
from chainrule.core.traces.tape import Tape, check_differentiable, next_level
from chainrule.core.tree import flatten, leaf_structure, paths, unflatten

from .values import Alone, Argument, Given, arrayed, boxed, is_plain, is_tensor, leaving, opened, select

Function = Callable[..., Any]
Argnums = int | Sequence[int]
ALONE = frozenset({np.ndarray, np.float64, float})
"""Classes of arguments that are one array or number."""


class no_grad(Floor):
    """Record nothing inside the `with` block (or in the decorated function): results are constants.

    This applies to both modes and to every transform that is open at that point; one that begins inside works as usual.
    It lasts until the block is left, in this thread or asyncio task and in the tasks started meanwhile. Blocks may
    overlap: each one ends on its own. A generator that yields inside such a block leaves gradients off for its caller,
    until it is resumed or closed; one decorated with `@no_grad()` does not.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(0)

    def __enter__(self) -> None:
        self._open(next_level())  # above every trace that is open now

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs in such a block; for a generator or a coroutine, every part of it does."""
        return in_blocks(no_grad, f)


def called(level: int, f: Function, args: Sequence[Any]) -> Any:
    """Call a function on boxes of a trace."""
    depth = entered()
    try:
        return f(*args)
    except BaseException as error:
        ended(level)
        # NumPy replaces our error about a write to a plain array by one that does not say what to do.
        cause = error.__cause__
        if type(error) is ValueError and isinstance(cause, GradientError | VmapError):
            raise type(cause)(str(cause)) from error
        raise
    finally:
        left(depth)


class TransformRun:
    """One run of a function on its own tape."""

    def __init__(self, transform: str, f: Function, args: Sequence[Any], numbers: Sequence[int], aux: bool) -> None:
        self.transform = transform
        self.tape = Tape(next_level())
        traced = list(args)
        self.alone = len(numbers) == 1 and type(args[numbers[0]]) in ALONE
        """Whether the derivative is for one array, as for most: the lists below then have one item."""
        if self.alone:
            self._enter_one(traced, numbers[0])
        else:
            self._enter(traced, numbers)
        self.tensors = not (self.alone and len(args) == 1) and any(map(_holds_tensor, args))
        result = called(self.tape.level, f, traced)
        self.aux = None
        if aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"{transform}: with has_aux=True the function must return (value, auxiliary)")
            result, extra = result
            self.aux = self._unboxed(extra)
        outputs, self.structure = ([result], leaf_structure()) if type(result) is Tensor else flatten(unnamed(result))
        self.outputs = ended(self.tape.level, outputs)

    def _enter(self, args: list[Any], numbers: Sequence[int]) -> None:
        """Put boxes in place of the arguments: they belong to the function, and a write to one changes no input."""
        self.inputs = [Argument(self.transform, f"argument {k}", args[k]) for k in numbers]
        self.given = Given(self.inputs)
        boxes = [[self.tape.leaf(value) for value in one.values] for one in self.inputs]
        self.links = [[box._link for box in row] for row in boxes]
        for k, one, row in zip(numbers, self.inputs, boxes, strict=True):
            args[k] = unflatten(one.structure, row)

    def _enter_one(self, args: list[Any], k: int) -> None:
        one = Alone(self.transform, k, args[k])
        self.inputs, self.given = [one], Given((one,))
        args[k] = box = self.tape.leaf(one.values[0])
        self.links = [[box._link]]

    def depends_on(self, y: Any) -> bool:
        """Whether an output depends on the arguments."""
        return isinstance(y, Tensor) and y._trace is self.tape and y._link is not None

    def _open(self, y: Any) -> Any:
        if not self.tensors and type(y) is Tensor and y._trace is self.tape and type(y._value) in PLAIN:
            return y._value
        value = opened(y._value if isinstance(y, Tensor) and y._trace is self.tape else y)
        is_number = is_plain(value) or (isinstance(value, Tensor) and not is_tensor(value))
        return boxed(value) if self.tensors and is_number else arrayed(value)

    def _unboxed(self, tree: Any) -> Any:
        leaves, structure = flatten(tree)
        return unflatten(structure, [self._open(y) for y in leaves])

    def value(self) -> Any:
        """The function's result, taken out of this tape's boxes."""
        if self.structure is leaf_structure():
            return self._open(self.outputs[0])
        return unflatten(self.structure, [self._open(y) for y in self.outputs])

    def pull(self, cotangents: Sequence[Any], free: bool) -> list[Any]:
        """Return a tree of cotangents for each differentiated argument, given one (None for zero) per output."""
        seeds = []
        for y, bar in zip(self.outputs, cotangents, strict=True):
            if bar is not None and self.depends_on(y):
                seeds.append((y._link, bar if type(bar) is np.ndarray else opened(bar)))
        self.given.look()
        found = gradients(seeds, free)
        if self.alone:
            return [self._gradient(found, self.links[0][0], self.inputs[0].leaves[0])]
        return [
            unflatten(one.structure, [self._gradient(found, *pair) for pair in zip(links, one.leaves, strict=True)])
            for one, links in zip(self.inputs, self.links, strict=True)
        ]

    def _gradient(self, found: dict[Leaf, Any], leaf: Leaf, like: Any) -> Any:
        gradient = found.get(leaf)
        if type(gradient) is type(like) is np.ndarray:
            return gradient
        return leaving(np.zeros(leaf.shape, leaf.dtype) if gradient is None else gradient, like)

    def check_holomorphic(self, holomorphic: bool) -> None:
        """See the function of that name."""
        check_holomorphic(self.transform, self.inputs, self.outputs, holomorphic)

    def scalar(self) -> Any:
        """The function's only output, which must be one floating-point or complex number, in an array of any shape."""
        if len(self.outputs) != 1 or not hasattr(self.outputs[0], "shape"):
            got = "a tree of outputs" if len(self.outputs) > 1 else type(self.value()).__name__
            if isinstance(self.value(), float | complex):
                return self.outputs[0]
            raise TypeError(f"{self.transform}: the function must return one scalar, got {got}")
        y = self.outputs[0]
        if y.size != 1:
            raise ValueError(
                f"{self.transform}: the function must return a scalar, got shape {y.shape}; reduce it with .sum() or "
                f".mean(), or use chainrule.jacobian or chainrule.vjp"
            )
        check_differentiable(f"{self.transform}: the function's result", y.dtype)
        return y


def check_holomorphic(transform: str, inputs: Sequence[Argument], outputs: Sequence[Any], holomorphic: bool) -> None:
    """Raise a TypeError if the derivative of a complex value was not asked for as that of a holomorphic function.

    It is one complex number for each complex argument only if the function is holomorphic, which only the caller knows.
    """
    if holomorphic:
        dtypes = [x.dtype for one in inputs for x in one.values if not is_complex(x)]
        if dtypes:
            raise TypeError(
                f"{transform}: holomorphic=True is for complex arguments, got dtype {dtypes[0]}; convert it with "
                f".astype(complex), or leave holomorphic out"
            )
    elif any(map(is_complex, outputs)):
        raise TypeError(
            f"{transform}: the function's result is complex, so its derivative depends on the direction; pass "
            f"holomorphic=True if the function is holomorphic, differentiate a real value such as its real part or "
            f"abs, or use chainrule.wirtinger, jvp or vjp"
        )


def is_complex(x: Any) -> bool:
    """Whether a value has complex numbers."""
    dtype = getattr(x, "dtype", None)
    return isinstance(x, complex) if dtype is None else dtype.kind == "c"


def _holds_tensor(tree: Any) -> bool:
    return type(tree) not in PLAIN and any(map(is_tensor, flatten(tree)[0]))


def _ones(y: Any) -> Any:
    if not hasattr(y, "shape"):
        return 1.0
    return np.ones(y.shape, y.dtype) if y.shape else y.dtype.type(1)


@explained
def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """Return a function that returns `(f(*args), gradient)` for a scalar `f`.

    The gradient has the structure, shapes and dtypes of argument `argnums`, a pytree; for a tuple of positions it is a
    tuple. With `has_aux`, `f` returns `(value, auxiliary)` and the result is `((value, auxiliary), gradient)`.

    With respect to a complex x + iy the gradient of a real value is ∂f/∂x - i ∂f/∂y, as in JAX and autograd; its
    conjugate is the direction of steepest ascent. A complex value needs `holomorphic=True`, which promises that f is
    holomorphic; the result is then its complex derivative.

    Raises TypeError for arguments that are not floats or complex, for a complex value without `holomorphic` and real
    arguments with it, and ValueError if `f` does not return a scalar.

    >>> import chainrule as cr
    >>> value, gradient = cr.value_and_grad(lambda w: (w["a"] * w["b"]).sum())({"a": np.ones(2), "b": np.full(2, 3.0)})
    >>> float(value), gradient["a"]
    (6.0, array([3., 3.]))
    """
    if not callable(f):
        raise TypeError(f"grad: expected a function, got {type(f).__name__}; pass the function, then call the result")

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = select("grad", args, argnums)
        run = TransformRun("grad", functools.partial(f, **kwargs) if kwargs else f, args, numbers, has_aux)
        y = run.scalar()
        run.check_holomorphic(holomorphic)
        gradients = run.pull([_ones(y)], free=True)
        value = (run.value(), run.aux) if has_aux else run.value()
        return value, gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return differentiated


@explained
def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """Return the gradient of a scalar function, as a function; see `value_and_grad` for details.

    With `has_aux` the result is `(gradient, auxiliary)`.

    >>> import chainrule as cr
    >>> float(cr.grad(cr.grad(lambda x: x**3))(2.0))
    12.0
    >>> complex(cr.grad(lambda z: abs(z) ** 2)(3 + 4j)), complex(cr.grad(np.exp, holomorphic=True)(0j))
    ((6-8j), (1+0j))
    """
    both = value_and_grad(f, argnums, has_aux, holomorphic)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    r"""Return `f(*primals)` and its pullback: `pullback(y_bar)` is the tuple of $\bar x = J^\top \bar y$.

    `y_bar` has the structure of the result. The pullback may be called any number of times. It raises InPlaceError if
    an array that it needs was changed in place in the meantime; the result belongs to the caller, who may change it.

    >>> import chainrule as cr
    >>> y, pullback = cr.vjp(lambda a, b: a * b, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    run = TransformRun("vjp", f, primals, range(len(primals)), aux=False)

    def pullback(y_bar: Any) -> tuple[Any, ...]:
        return tuple(run.pull(matching("pullback", y_bar, run.outputs, run.structure), free=False))

    return owned(run.value()), pullback


def owned(tree: Any) -> Any:
    """Return a result whose arrays belong to the caller, since a rule may need those that the function computed."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [x.copy() if is_array(x) else x for x in leaves])


def matching(what: str, tree: Any, like: Sequence[Any], structure: Any) -> list[Any]:
    """Return the leaves of a tree of (co)tangents, checked against their values."""
    leaves, got = flatten(tree)
    if got != structure:
        raise ValueError(f"{what}: expected the structure {structure}, got {got}")
    result = []
    for leaf, y, path in zip(leaves, like, paths(tree), strict=True):
        name = f"{what}{path and ' '}{path}"
        if np.shape(leaf) != np.shape(y):
            raise ValueError(f"{name}: expected shape {np.shape(y)}, got {np.shape(leaf)}")
        leaf = opened(leaf)
        dtype = getattr(y, "dtype", np.float64)
        result.append(leaf.astype(dtype) if isinstance(leaf, Tensor) else array_of(name, leaf, np.dtype(dtype))[()])
    return result


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    r"""Return `f(*primals)` and the tangent of the result, $\dot y = J \dot x$, in one pass of forward mode.

    `tangents` has the structure and shapes of `primals`.

    >>> import chainrule as cr
    >>> y, y_dot = cr.jvp(np.sin, (np.array([0.0, 1.0]),), (np.array([1.0, 0.0]),))
    >>> y_dot
    array([1., 0.])
    """
    inputs = [Argument("jvp", f"primal {k}", primal) for k, primal in enumerate(primals)]
    run = ForwardRun(Forward(next_level()), f, inputs, matching_all("jvp", tangents, inputs))
    return run.value(), run.tangents(run.links)


class ForwardRun:
    """One run of a function on a forward trace; `links` are what the trace knows of each leaf of the inputs."""

    def __init__(self, trace: Forward, f: Function, inputs: Sequence[Argument], links: Sequence[Sequence[Any]]) -> None:
        traced = [
            unflatten(one.structure, [Tensor(x, trace, link) for x, link in zip(one.values, row, strict=True)])
            for one, row in zip(inputs, links, strict=True)
        ]
        self.tensors = any(one.holds_tensors for one in inputs)
        outputs, self.structure = flatten(called(trace.level, f, traced))
        outputs = ended(trace.level, outputs)
        mine = [isinstance(y, Tensor) and y._trace is trace for y in outputs]
        self.values = [y._value if own else y for y, own in zip(outputs, mine, strict=True)]
        self.links = [y._link if own else None for y, own in zip(outputs, mine, strict=True)]

    def leaving(self, part: Any) -> Any:
        """Return a value or tangent in the form of the primals."""
        part = opened(part)
        return boxed(part) if self.tensors and not is_tensor(part) else arrayed(part)

    def tree(self, parts: Sequence[Any]) -> Any:
        """Return the tree of the outputs with other leaves."""
        return unflatten(self.structure, map(self.leaving, parts))

    def value(self) -> Any:
        """The function's result, taken out of this trace's boxes."""
        return self.tree(self.values)

    def filled(self, dots: Sequence[Any]) -> list[Any]:
        """Return the tangents of the outputs with zeros for None."""
        zeros = (np.zeros(np.shape(y), getattr(y, "dtype", np.float64))[()] for y in self.values)
        return [zero if dot is None else dot for zero, dot in zip(zeros, dots, strict=True)]

    def tangents(self, dots: Sequence[Any]) -> Any:
        """Return the tangent of the result, given that of each output, or None if it is zero."""
        return self.tree(self.filled(dots))


def matching_all(what: str, tangents: Sequence[Any], inputs: Sequence[Argument]) -> list[list[Any]]:
    """Return the leaves of each tangent, checked against its input."""
    if len(inputs) != len(tangents):
        raise ValueError(f"{what}: expected a tangent for each of {len(inputs)} primals, got {len(tangents)}")
    return [
        matching(f"{what}: tangents", tangent, one.values, one.structure)
        for one, tangent in zip(inputs, tangents, strict=True)
    ]


def elementwise_grad(f: Function, argnums: Argnums = 0, holomorphic: bool = False) -> Function:
    """Return the derivative of a function that acts on each element separately; it has the argument's shape.

    Complex numbers are handled as in `value_and_grad`.

    >>> import chainrule as cr
    >>> cr.elementwise_grad(np.tanh)(np.array([0.0]))
    array([1.])
    """

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = select("elementwise_grad", args, argnums)
        run = TransformRun("elementwise_grad", functools.partial(f, **kwargs), args, numbers, aux=False)
        run.check_holomorphic(holomorphic)
        gradients = run.pull([_ones(y) for y in run.outputs], free=True)
        return gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return differentiated

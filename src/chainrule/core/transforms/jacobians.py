"""Whole Jacobians and Hessians: one forward pass, then unit directions through it, many at once.

The directions are passed in batches (`batch`), as large as `BATCH_ELEMENTS` allows, so that memory is bounded and the
stacks stay in the processor's cache: one direction at a time for a large function, hundreds for a small one.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Literal

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Item, Node
from chainrule.core.traces.tape import next_level
from chainrule.core.tree import flatten, unflatten

from .batch import Batch
from .derivatives import Argnums, Function, TransformRun, check_holomorphic, grad, is_complex, jvp
from .linearize import Linearized
from .sparse import Compressed, refuse_traced
from .values import Argument, leaving, opened, select

BATCH_ELEMENTS = 2**18
"""How many elements the stack of the largest intermediate value may have: 2 MiB of float64."""


def _units(like: Any, count: int) -> Iterator[Any]:
    """Yield the unit arrays of a shape in stacks of at most `count`, the last axis of the shape varying fastest."""
    shape, size = np.shape(like), prod(np.shape(like))
    for first in range(0, size, count):
        rows = min(count, size - first)
        stack = np.zeros((rows, size), getattr(like, "dtype", np.float64))
        stack[range(rows), range(first, first + rows)] = 1
        yield stack.reshape((rows, *shape))


def _of_units(linear: Callable[[Any], Sequence[Any]], like: Any, largest: int) -> list[Any]:
    """Apply a linear map of arrays like `like` to each unit array, and return its results, stacked along axis 0.

    `largest` is the size of the largest intermediate value. The list is empty if `like` has no elements.
    """
    return _of_stacks(linear, functools.partial(_units, like), largest, np.size(like))


def _rows(linear: Callable[[Any], Sequence[Any]], y: Any, largest: int) -> list[Any]:
    """Apply a linear map of cotangents of `y` as `_of_units` does; one row is left as it is, without an axis for it."""
    if np.size(y) == 1:
        return list(map(opened, linear(next(_units(y, 1))[0])))
    return _of_units(linear, y, largest)


def _of_stacks(
    linear: Callable[[Any], Sequence[Any]], stacks_of: Callable[[int], Iterator[Any]], largest: int, total: int
) -> list[Any]:
    """Apply a linear map to `total` directions; `stacks_of(count)` yields them in stacks of at most `count`."""
    rooms: list[_Room] = []
    for units in stacks_of(max(1, BATCH_ELEMENTS // max(largest, 1))):
        if len(units) == 1:
            stacks = [np.stack([opened(part)]) for part in linear(units[0])]
        else:
            batch = Batch(next_level(), len(units))
            stacks = [batch.stack(part) for part in linear(batch.box(units))]
        rooms = rooms or [_Room(total, stack) for stack in stacks]
        for room, stack in zip(rooms, stacks, strict=True):
            room.put(stack)
    return [room.whole() for room in rooms]


class _Room:
    """Room for all rows of a result: one array, or a list of tensors if an outer transform traces them."""

    def __init__(self, size: int, first: Any) -> None:
        self.tensors: list[Any] = []
        self.filled = 0
        self.array = None if isinstance(first, Tensor) else _allocated((size, *first.shape[1:]), first.dtype)

    def put(self, stack: Any) -> None:
        if self.array is None:
            self.tensors.append(stack)
        else:
            self.array[self.filled : self.filled + len(stack)] = stack
            self.filled += len(stack)

    def whole(self) -> Any:
        if self.array is not None:
            return self.array
        return np.concatenate(self.tensors) if len(self.tensors) > 1 else self.tensors[0]


def _allocated(shape: tuple[int, ...], dtype: Any) -> Any:
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise MemoryError(
            f"jacobian: {error}; products with the Jacobian need no such array: use chainrule.vjp, jvp or hvp"
        ) from None


def _turned(linear: Callable[[Any], Any], factor: complex, unit: Any) -> Any:
    return linear(unit * factor)


def _empty(y: Any, x: Any, like: Any) -> Any:
    """Return the derivative of `y` by `x` if one of them has no elements, with the dtype of `like`."""
    return np.zeros(np.shape(y) + np.shape(x), getattr(like, "dtype", np.float64))


def _of_tape(run: TransformRun, args: tuple[Any, ...], single: bool) -> Any:
    """Return the Jacobian of a tape with respect to the arguments `args`."""
    leaves, structure = flatten(args)

    def pulled(i: int, unit: Any) -> list[Any]:
        return flatten(run.pull([unit if j == i else None for j in range(len(run.outputs))], free=False))[0]

    largest = _largest(run) if sum(map(np.size, run.outputs)) > 1 else 1
    blocks = []
    for i, y in enumerate(run.outputs):
        rows = _rows(functools.partial(pulled, i), y, largest) or [_empty(y, x, x) for x in leaves]
        if is_complex(y) and np.size(y) and not all(map(is_complex, leaves)):
            # A real argument gets the real part of what is pulled back: -i brings the imaginary part there.
            turned = _rows(functools.partial(_turned, functools.partial(pulled, i), -1j), y, largest)
            rows = [
                one if is_complex(x) else one + 1j * other for one, other, x in zip(rows, turned, leaves, strict=True)
            ]
        parts = [leaving(_shaped(row, np.shape(y) + np.shape(x)), x) for row, x in zip(rows, leaves, strict=True)]
        block = unflatten(structure, parts)
        blocks.append(block[0] if single else block)
    return unflatten(run.structure, blocks)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else x.reshape(shape)


def _largest(run: TransformRun) -> int:
    """Return the size of the largest value on a tape."""
    stack = [y.node for y in run.outputs if isinstance(y, Tensor) and y._trace is run.tape]
    seen: set[int] = set()
    size = 1
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node.order not in seen:
            seen.add(node.order)
            stack += node.parents
            shapes = (
                node.shape if node.op is not None and node.op.several and not isinstance(node, Item) else (node.shape,)
            )
            size = max(size, *map(prod, shapes))
    return size


def _of_line(line: Linearized, args: tuple[Any, ...], single: bool) -> Any:
    """Return the Jacobian of a linearized function with respect to the arguments `args`."""
    leaves, structure = flatten(args)

    def pushed(j: int, unit: Any) -> list[Any]:
        return line.run.filled(line.push([unit if k == j else None for k in range(len(leaves))]))

    columns = [_of_units(functools.partial(pushed, j), x, line.largest) for j, x in enumerate(leaves)]
    if not all(map(is_complex, line.run.values)):
        for j, x in enumerate(leaves):
            if is_complex(x):  # a real value changes by the real part of what the gradient is times the tangent
                turned = _of_units(functools.partial(_turned, functools.partial(pushed, j), 1j), x, line.largest)
                columns[j] = [
                    one if is_complex(y) else one - 1j * other
                    for one, other, y in zip(columns[j], turned, line.run.values, strict=False)
                ]
    blocks = []
    for i, y in enumerate(line.run.values):
        parts = [
            _shaped(np.moveaxis(stacks[i], 0, -1), np.shape(y) + np.shape(x)) if stacks else _empty(y, x, y)
            for stacks, x in zip(columns, leaves, strict=True)
        ]
        block = unflatten(structure, map(line.run.leaving, parts))
        blocks.append(block[0] if single else block)
    return unflatten(line.run.structure, blocks)


class _Call:
    """A call of a function, and its Jacobian by either mode."""

    def __init__(
        self, transform: str, f: Function, args: tuple[Any, ...], argnums: Argnums, holomorphic: bool = False
    ) -> None:
        self.transform, self.f, self.args, self.holomorphic = transform, f, args, holomorphic
        self.numbers = select(transform, args, argnums)
        self.chosen = tuple(args[k] for k in self.numbers)
        self.single = isinstance(argnums, int)

    def _of_chosen(self, *chosen: Any) -> Any:
        args = list(self.args)
        for k, value in zip(self.numbers, chosen, strict=True):
            args[k] = value
        return self.f(*args)

    def record(self) -> TransformRun:
        """Run the function on a tape."""
        run = TransformRun(self.transform, self.f, self.args, self.numbers, aux=False)
        self.check(run.inputs, run.outputs)
        return run

    def check(self, inputs: Sequence[Argument], outputs: Sequence[Any]) -> None:
        """Raise a TypeError if `holomorphic` does not suit the arguments and the results."""
        moving = any(is_complex(x) for one in inputs for x in one.values)
        if self.holomorphic or moving:  # complex results of real arguments have an ordinary derivative
            check_holomorphic(self.transform, inputs, outputs, self.holomorphic)

    def reverse(self, run: TransformRun) -> Any:
        """Return the Jacobian from a tape."""
        return _of_tape(run, self.chosen, self.single)

    def forward(self) -> Any:
        """Return the Jacobian by forward mode."""
        line = Linearized(self.transform, self._of_chosen, self.chosen)
        self.check(line.inputs, line.run.values)
        return _of_line(line, self.chosen, self.single)

    def sparse(self, pattern: Any, mode: str) -> Any:
        """Return the Jacobian as a sparse matrix."""
        if not self.single or len(flatten(self.chosen)[0]) != 1:
            raise TypeError(f"{self.transform}: sparsity= is for one array as the argument, got a tree or several")
        (x,) = flatten(self.chosen)[0]
        refuse_traced(self.transform, x)
        structure = flatten(self.chosen)[1]
        f = lambda x: self._of_chosen(*unflatten(structure, [x]))  # noqa: E731
        return Compressed(self.transform, f, opened(x), pattern, mode, _of_stacks).matrix()

    def by_fewer_passes(self) -> Any:
        """Return the Jacobian by the mode with fewer passes. The tape that shows the sizes is used for reverse mode."""
        run = self.record()
        smaller = sum(map(np.size, flatten(self.chosen)[0])) < sum(map(np.size, run.outputs))
        return self.forward() if smaller else self.reverse(run)


def jacrev(f: Function, argnums: Argnums = 0, holomorphic: bool = False) -> Function:
    """Return the Jacobian by reverse mode: `f` runs once, then one backward pass carries many rows.

    For an output of shape S and an argument of shape T it has shape S + T. Pytrees give a tree of the output's
    structure whose leaves have the argument's structure. Rows that share a pass agree with those of separate passes to
    rounding, since a sum may add its terms in another order.

    For complex arguments, entries are gradients of the outputs as in `value_and_grad`; complex outputs need
    `holomorphic=True`. Without it, complex outputs of real arguments are fine, and `chainrule.wirtinger` takes any
    function.

    >>> import chainrule as cr
    >>> cr.jacrev(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacrev", functools.partial(f, **kwargs), args, argnums, holomorphic)
        return call.reverse(call.record())

    return jacobian_of


def jacfwd(f: Function, argnums: Argnums = 0, holomorphic: bool = False) -> Function:
    """Return the Jacobian by forward mode: `f` runs once, then one pass carries many columns.

    Shapes and complex numbers are as in `jacrev`.

    >>> import chainrule as cr
    >>> cr.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        return _Call("jacfwd", functools.partial(f, **kwargs), args, argnums, holomorphic).forward()

    return jacobian_of


def jacobian(
    f: Function,
    argnums: Argnums = 0,
    mode: Literal["auto", "forward", "reverse"] = "auto",
    holomorphic: bool = False,
    sparsity: Any = None,
) -> Function:
    """Return the Jacobian by the mode that needs fewer passes, or by the one named.

    `"auto"` uses forward mode if the input is smaller than the output, and reverse mode otherwise. To find the sizes it
    records `f` for reverse mode; forward mode then runs `f` once more. Complex numbers are handled as in `jacrev`.

    With `sparsity` the result is a matrix, [elements of the output, elements of the argument], of `scipy.sparse` if
    SciPy is installed, and columns (or rows) that have no entries in common share a pass: a tridiagonal Jacobian takes
    three, however large it is. `sparsity` is the pattern, a matrix whose nonzero entries are those that may differ from
    zero, or `"detect"`, which finds it by `sparsity_pattern`. One more pass checks a given pattern; a ValueError says
    if it lacks entries.

    >>> import chainrule as cr
    >>> matrix = cr.jacobian(lambda x: np.diff(x**2), sparsity="detect")(np.array([1.0, 2.0, 3.0]))
    >>> np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix)
    array([[-2.,  4.,  0.],
           [ 0., -4.,  6.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"jacobian: mode must be 'auto', 'forward' or 'reverse', got {mode!r}")
    if mode != "auto" and sparsity is None:
        return (jacfwd if mode == "forward" else jacrev)(f, argnums, holomorphic)

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacobian", functools.partial(f, **kwargs), args, argnums, holomorphic)
        return call.by_fewer_passes() if sparsity is None else call.sparse(sparsity, mode)

    return jacobian_of


def hessian(f: Function, argnums: Argnums = 0, holomorphic: bool = False, sparsity: Any = None) -> Function:
    """Return the second derivatives of a scalar function: forward mode over reverse mode.

    For an argument of shape T it has shape T + T. For complex arguments the function must be holomorphic, which
    `holomorphic=True` promises; the second derivatives of a real function of complex ones are those by the real and the
    imaginary part.

    `sparsity` is as in `jacobian`, for the Jacobian of the gradient.

    >>> import chainrule as cr
    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 2.0]))
    array([[4., 6.],
           [6., 0.]])
    """
    gradient = jacrev(f, argnums, holomorphic)

    @functools.wraps(f)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        if sparsity is not None:
            slope = functools.partial(grad(f, argnums, holomorphic=holomorphic), **kwargs)
            return _Call("hessian", slope, args, argnums, holomorphic).sparse(sparsity, "forward")
        return _Call("hessian", functools.partial(gradient, **kwargs), args, argnums, holomorphic).forward()

    return hessian_of


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    r"""Return the Hessian of a scalar function times a vector, $H \dot x$: one forward pass over one gradient.

    The result has the structure of `primals`, or that of the primal if there is only one.

    >>> import chainrule as cr
    >>> cr.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    argnums: Argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]

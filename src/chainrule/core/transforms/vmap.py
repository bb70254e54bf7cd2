"""`vmap`: a function of one sample becomes a function of many, which computes all of them at once."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.base.provenance import Source, stacklevel
from chainrule.core.inplace import ended
from chainrule.core.memory.alias import outliving
from chainrule.core.operands.foreign import operand
from chainrule.core.operands.plain import NUMPY
from chainrule.core.tensor import Tensor, is_array
from chainrule.core.traces.tape import next_level
from chainrule.core.tree import broadcast_prefix, flatten, paths, unflatten

from .derivatives import called
from .mapped import MapTrace, Report, mapping
from .values import arrayed, boxed, is_tensor, opened

Axes = Any
Randomness = Literal["error", "different", "same"]
RANDOMNESS = ("error", "different", "same")


class VmapWarning(UserWarning):
    """An operation inside `vmap` runs row by row: its result is right, and as slow as a loop."""


def vmap(
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    randomness: Randomness = "error",
    explain: bool = False,
) -> Callable[..., Any]:
    """Return `f`, written for one sample, as a function of many samples that computes all of them at once.

    `in_axes` says along which axis of each positional argument the samples lie: an int for all of them, None for an
    argument that is the same for each sample, or a tuple with an entry for each argument. An entry may itself be a tree
    that begins like its argument, such as ``{"w": None, "x": 1}``. Keyword arguments are the same for every sample.
    `out_axes` says, in the same way, at which axis of each result the samples are to lie; None is for a result that
    does not depend on the sample.

    It nests with every transform and with itself: `vmap(grad(loss), in_axes=(None, 0, 0))` gives the gradient of each
    sample. Modules and losses may be called inside. The result equals that of a loop, up to the rounding of sums.

    `randomness` is for operations that draw numbers (dropout, `chainrule.random`, `cr.randn`): "different" draws anew
    for each sample, as a loop would, "same" draws once for all, and "error" refuses. What a NumPy generator is asked
    for directly is not seen, and is the same for every sample.

    An operation that cannot work on many samples at once runs in a loop, which a `VmapWarning` says once. With
    `explain` the result is the pair `(result, report)`; `print(report)` lists how each operation ran.

    Raises VmapError if the function asks for the value of one sample (`if x > 0`), and ValueError for axes that are not
    there or differ in length.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> distance = lambda a, b: np.sqrt(((a - b) ** 2).sum())
    >>> points = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> cr.vmap(distance, in_axes=(0, None))(points, points[0])
    array([ 0.,  5., 10.])
    >>> cr.vmap(cr.grad(lambda w, x: np.tanh(w * x).sum()), in_axes=(None, 0))(np.zeros(2), points)
    array([[0., 0.],
           [3., 4.],
           [6., 8.]])
    """
    if not callable(f):
        raise TypeError(f"vmap: expected a function, got {type(f).__name__}; pass the function, then call the result")
    if randomness not in RANDOMNESS:
        raise ValueError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    for what, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        _check_axes(what, axes)
    in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    name = getattr(f, "__name__", type(f).__name__)
    warned: set[str] = set()

    def warn(operation: str, line: Source) -> None:
        if operation not in warned:
            warned.add(operation)
            _warn(
                f"vmap: {operation} ({line.place}) has no rule for many samples at once and runs in a loop: right, but "
                f"slow; cr.vmap(f, explain=True) lists how each operation ran"
            )

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        stacks = _Stacks(args, in_axes)
        trace = MapTrace(next_level(), stacks.size, name, randomness, warn)
        with mapping(trace):
            result = called(trace.level, functools.partial(f, **kwargs), stacks.boxes(trace))
            outputs, structure = flatten(result)
            whole = _Results(trace, outputs, structure, out_axes, stacks)
        return (whole.tree, trace.report) if explain else whole.tree

    return mapped


def _check_axes(what: str, axes: Axes) -> None:
    for axis in flatten(axes)[0]:
        if not isinstance(axis, int | np.integer) or isinstance(axis, bool):
            raise TypeError(f"vmap: {what} must consist of ints and None, got {axis!r}")


def _warn(message: str) -> None:
    warnings.warn(message, VmapWarning, stacklevel=stacklevel(NUMPY))


class _Stacks:
    """The arguments of a mapped function: their leaves, those that are mapped with the samples along axis 0."""

    def __init__(self, args: tuple[Any, ...], in_axes: Axes) -> None:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                f"vmap: in_axes has {len(in_axes)} entries for {len(args)} positional arguments; it needs one for each "
                f"(keyword arguments are the same for every sample and have none)"
            )
        self.leaves, self.structure = flatten(args)
        axes = broadcast_prefix("vmap: in_axes", in_axes, args)
        self.tensors = any(map(is_tensor, self.leaves))
        names = [f"argument {path.lstrip('[').replace(']', '', 1)}" for path in paths(args)]
        self.mine = [axis is not None for axis in axes]
        self.values = [
            opened(x) if axis is None else _leading(name, x, axis)
            for name, x, axis in zip(names, self.leaves, axes, strict=True)
        ]
        lengths = {name: x.shape[0] for name, x, own in zip(names, self.values, self.mine, strict=True) if own}
        if not lengths:
            raise ValueError("vmap: no argument is mapped; in_axes needs an axis for at least one array")
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name}: {n}" for name, n in lengths.items())
            raise ValueError(f"vmap: the mapped axes differ in length ({listed}); each must have one entry per sample")
        self.size = next(iter(lengths.values()))

    def boxes(self, trace: MapTrace) -> tuple[Any, ...]:
        """The arguments as the function sees them."""
        parts = [trace.box(x) if own else x for x, own in zip(self.values, self.mine, strict=True)]
        parts = [x if own else old for x, own, old in zip(parts, self.mine, self.leaves, strict=True)]
        return unflatten(self.structure, parts)  # type: ignore[no-any-return]

    def holds_memory_of(self, array: Any) -> bool:
        """Whether an array shares memory with one of the arguments."""
        return any(is_array(x) and np.may_share_memory(x, array) for x in self.values)


def _leading(name: str, x: Any, axis: int) -> Any:
    """Return an array with `axis` moved to the front."""
    x = opened(x)
    if isinstance(x, str | bytes) or np.isscalar(x):
        raise TypeError(
            f"vmap: {name}: got {type(x).__name__} {x!r}, expected an array with an axis of samples; use in_axes=None "
            f"for what is the same for each"
        )
    x = operand(f"vmap: {name}", x)
    if not np.ndim(x):
        raise ValueError(
            f"vmap: {name}: got an array without axes, expected an axis of samples; use in_axes=None for what is the "
            f"same for each"
        )
    if not -np.ndim(x) <= axis < np.ndim(x):
        raise ValueError(f"vmap: {name}: in_axes has axis {axis}, but the shape is {np.shape(x)}")
    return np.moveaxis(x, axis, 0) if axis % np.ndim(x) else x


class _Results:
    """The results of a mapped function, with the samples where `out_axes` says."""

    def __init__(
        self, trace: MapTrace, outputs: Sequence[Any], structure: Any, out_axes: Axes, stacks: _Stacks
    ) -> None:
        self.trace, self.stacks = trace, stacks
        axes = broadcast_prefix("vmap: out_axes", out_axes, unflatten(structure, outputs))
        names = paths(unflatten(structure, outputs))
        _refuse_leaks(trace, outputs)
        outputs = ended(trace.level, outputs)
        leaves = [self._leaf(*each) for each in zip(names, outputs, axes, strict=True)]
        self.tree = unflatten(structure, leaves)

    def _leaf(self, name: str, y: Any, axis: int | None) -> Any:
        own = self.trace.holds(y)
        if axis is None:
            if own:
                raise ValueError(
                    f"vmap: result{name}: out_axes is None, but the result depends on the sample; give it an axis"
                )
            return y
        if not own and not isinstance(y, Tensor | np.ndarray | np.generic | bool | int | float):
            raise TypeError(
                f"vmap: result{name}: expected arrays, got {type(y).__name__}; with out_axes=None it is passed through"
            )
        stack = opened(self.trace.stack(y if own else opened(y)))
        if not -np.ndim(stack) <= axis < np.ndim(stack):
            raise ValueError(f"vmap: result{name}: out_axes has axis {axis}, but the shape is {np.shape(stack)}")
        stack = np.moveaxis(stack, 0, axis) if normalize_axis_index(axis, np.ndim(stack)) else stack
        if is_array(stack) and (not stack.flags.writeable or self.stacks.holds_memory_of(stack)):
            stack = stack.copy()
        return boxed(stack) if self.stacks.tensors and not is_tensor(stack) else arrayed(stack)


def _refuse_leaks(trace: MapTrace, outputs: Sequence[Any]) -> None:
    """Raise if the function wrote a row's value to a tensor that outlives it."""
    kept = {id(y) for y in outputs}
    for reference, before in list(outliving.get(trace.level, ())):
        box = reference()
        if box is not None and box._trace is trace and id(box) not in kept:
            box.__class__, box._value, box._link, box._trace = Tensor, trace.like(box), None, before
            trace.refuse("a row was written into a tensor that outlives the function; return it instead")


__all__ = ["Report", "VmapWarning", "vmap"]

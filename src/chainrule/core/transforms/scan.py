"""`scan` and `fori_loop`: a loop whose body is one function. Compiled, the body is captured once and run n times."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import running
from chainrule.core.tree import flatten, paths, unflatten

from .checkpoint import checkpoint

Step = Callable[[Any, Any], tuple[Any, Any]]


class ScanWarning(UserWarning):
    """A compiled function runs the steps of a `scan` one by one: right, but it takes longer to compile."""


def scan(
    f: Step,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    remat: bool = False,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` for each `x` of `xs`, and return the last carry and all `y`, stacked.

    `carry` and `y` are pytrees, and so is `xs`, whose leaves are arrays with one entry per step along axis 0; without
    `xs`, `x` is None and `length` says how many steps there are. The carry keeps its structure and shapes. `reverse`
    begins with the last entry; `y` is stacked in the order of `xs` all the same. With `remat`, the backward pass runs
    each step again instead of keeping its intermediate values.

    Called directly, this is a loop, and every transform sees its operations. In a function that `cr.compile` captures,
    the body is captured once, whatever the number of steps, and a backward pass keeps the carries only. So the body
    then must not draw random numbers or have side effects; if it does, a `ScanWarning` says that its steps are
    captured one by one.

    Raises ValueError if the lengths differ or are unknown, and TypeError if the body returns no pair or changes the
    structure or the shapes of the carry.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> def step(total, x):
    ...     total = 0.5 * total + x
    ...     return total, total
    >>> cr.scan(step, 0.0, np.array([1.0, 2.0, 4.0]))
    (np.float64(5.25), array([1.  , 2.5 , 5.25]))
    >>> cr.grad(lambda xs: cr.scan(step, 0.0, xs)[0])(np.array([1.0, 2.0, 4.0]))
    array([0.25, 0.5 , 1.  ])
    """
    leaves, structure = flatten(xs)
    n = _length(leaves, length)
    if running.capture is not None and n:
        try:
            return running.capture.scan(f, init, (leaves, structure), n, reverse)  # type: ignore[no-any-return]
        except _Unsuitable as error:
            warnings.warn(
                f"scan: {error}, so its {n} steps are captured one by one, which takes {n} times as long to compile; "
                f"draw random numbers before the loop and pass them in xs, and keep side effects out of its body",
                ScanWarning,
                stacklevel=2,
            )
    step = checkpoint(f) if remat else f
    carry, ys = init, [None] * n
    for k in range(n)[:: -1 if reverse else 1]:
        carry, ys[k] = stepped(step, carry, unflatten(structure, [x[k] for x in leaves]))
    return carry, _stacked(ys) if n else _nothing(f, init, leaves, structure)


class _Unsuitable(Exception):
    """Why a body cannot be captured once for all steps."""


def unsuitable(reason: str) -> Exception:
    """Return what a capture raises if a body must be captured step by step."""
    return _Unsuitable(reason)


def _length(leaves: Sequence[Any], length: int | None) -> int:
    for x in leaves:
        if not np.ndim(x):
            raise ValueError(f"scan: xs has a leaf without axes ({x!r}), expected arrays with one entry per step")
    found = {len(x) for x in leaves} | ({length} if length is not None else set())
    if len(found) != 1:
        got = "neither xs nor length" if not found else f"the lengths {sorted(found)}"
        raise ValueError(f"scan: got {got}, expected one number of steps; give every leaf of xs that many entries")
    (n,) = found
    if n < 0:
        raise ValueError(f"scan: got length={n}, expected at least 0")
    return int(n)


def stepped(f: Step, carry: Any, x: Any) -> tuple[Any, Any]:
    """Return `f(carry, x)`, checked: a pair whose first part is like the carry."""
    made = f(carry, x)
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(
            f"scan: the body returned {type(made).__name__}, expected the pair (carry, y), with y=None for no output"
        )
    before, structure = flatten(carry)
    after, new_structure = flatten(made[0])
    if structure != new_structure:
        raise TypeError(
            f"scan: the body returned a carry of the structure {new_structure}, expected that of the carry it was "
            f"given, {structure}"
        )
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if np.shape(old) != np.shape(new):
            raise TypeError(
                f"scan: the body changed the shape of carry{paths(carry)[k]} from {np.shape(old)} to {np.shape(new)}; "
                f"a carry keeps its shape: start with an array of the final shape, or return the value as y"
            )
        if getattr(new, "dtype", type(new)) is not getattr(old, "dtype", type(old)):
            _check_kept(f"carry{paths(carry)[k]}", _array(old).dtype, _array(new).dtype)
    return made


def _check_kept(name: str, old: Any, new: Any) -> None:
    """Raise unless a carry keeps its dtype, or starts as a narrower one, such as the integer 0."""
    if old != new and not np.can_cast(old, new):
        raise TypeError(
            f"scan: the body returned {name} as {new}, but it was given {old}; start with that dtype, or return the "
            f"carry in the dtype it has, for example with .astype"
        )


def _stacked(ys: list[Any]) -> Any:
    """Return trees as one tree of stacks."""
    rows, structures = zip(*map(flatten, ys), strict=True)
    if len(set(map(str, structures))) > 1:
        raise TypeError("scan: the body returned y of another structure at another step; return the same each time")
    return unflatten(structures[0], [np.stack([_array(y) for y in column]) for column in zip(*rows, strict=True)])


def _array(y: Any) -> Any:
    return y if isinstance(y, Tensor | np.ndarray) else np.asarray(y)


def _nothing(f: Step, init: Any, leaves: Sequence[Any], structure: Any) -> Any:
    """Return the stacks of no steps: the body is asked, with zeros, what it would have returned."""
    x = unflatten(structure, [np.zeros(x.shape[1:], x.dtype) for x in leaves])
    found, structure = flatten(stepped(f, init, x)[1])
    return unflatten(structure, [np.zeros((0, *np.shape(y)), np.asarray(_array(y).dtype.type(0)).dtype) for y in found])


def fori_loop(lower: int, upper: int, body: Callable[[Any, Any], Any], init: Any, remat: bool = False) -> Any:
    """Return the last value of `value = body(i, value)` for i from `lower` to `upper` - 1, starting with `init`.

    It is `scan` over the numbers i; its rules hold here too.

    >>> import chainrule as cr
    >>> cr.fori_loop(1, 4, lambda i, x: x * i, 1.0)
    np.float64(6.0)
    """
    if isinstance(lower, bool) or isinstance(upper, bool) or not all(hasattr(k, "__index__") for k in (lower, upper)):
        raise TypeError(f"fori_loop: got lower={lower!r} and upper={upper!r}, expected two integers")

    if upper <= lower:
        return init

    def step(value: Any, i: Any) -> tuple[Any, None]:
        return body(i, value), None

    return scan(step, init, np.arange(lower, upper), remat=remat)[0]

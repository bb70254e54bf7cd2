"""`gradcheck`: derivatives of a function held against central differences, with PyTorch's signature."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

from ..face import Tensor, values_of, wrapped
from .forward_ad import dual_level, make_dual, unpack_dual
from .gradients import grad


class GradcheckError(RuntimeError):
    """A derivative that differs from the differences of the function."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Return True if the gradients of `func(*inputs)` agree with central differences of step `eps`.

    Checked are all inputs that require gradients, which should be float64, and all outputs that have them. Otherwise it
    raises RuntimeError, or with `raise_exception=False` returns False. With `chainrule.check(func, *inputs)` the report
    says why a gradient is wrong. With `fast_mode`, too, every element is checked. `check_forward_ad` checks the forward
    mode as well, and `check_backward_ad=False` only that. Raises ValueError for the checks of batches.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    >>> torch.autograd.gradcheck(lambda x: x.detach() * x, (x,), raise_exception=False)
    False
    """
    for name, is_asked in (
        ("check_batched_grad", check_batched_grad),
        ("check_batched_forward_grad", check_batched_forward_grad),
    ):
        if is_asked:
            raise ValueError(f"gradcheck: {name}: passes are checked one at a time; leave it out")
    ways = [_by_backward] * check_backward_ad + [_by_forward] * check_forward_ad
    listed = tuple(inputs) if isinstance(inputs, Sequence) else (inputs,)
    try:
        _check(func, listed, ways, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


Way = Callable[[Callable[..., Any], Sequence[Any], list[int], int], list[Any]]
"""Computes the Jacobians `[inputs, outputs]` of one output of a function with respect to some of its inputs."""


def _check(
    func: Callable[..., Any],
    inputs: Sequence[Any],
    ways: Sequence[Way],
    eps: float,
    atol: float,
    rtol: float,
    noise: float,
) -> None:
    wanted = [k for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have it")
    for k in wanted:
        kind = values_of(inputs[k]).dtype
        if kind != np.float64:
            raise ValueError(f"gradcheck: input {k}: got dtype {kind}, expected float64; pass x.double()")
    moving = [j for j, y in enumerate(_outputs(func(*inputs))) if y.requires_grad]
    for way in ways:
        for j in moving:
            found, again = (way(func, inputs, wanted, j) for _ in range(2))
            for k, analytical, repeated in zip(wanted, found, again, strict=True):
                if np.abs(analytical - repeated).max(initial=0) > noise:
                    raise GradcheckError(f"Backward is not reentrant: two passes gave other gradients for input {k}")
                numerical = _by_differences(func, inputs, k, j, eps)
                if not np.allclose(analytical, numerical, rtol, atol):
                    mode = " computed with forward mode" if way is _by_forward else ""
                    raise GradcheckError(
                        f"Jacobian{mode} mismatch for output {j} with respect to input {k},\n"
                        f"numerical:{wrapped(numerical)}\nanalytical:{wrapped(analytical)}\n"
                    )


def _outputs(result: Any) -> list[Any]:
    return [y for y in ([result] if isinstance(result, Tensor) else result) if isinstance(y, Tensor)]


def _by_backward(func: Callable[..., Any], inputs: Sequence[Any], wanted: list[int], j: int) -> list[Any]:
    """Make a backward pass for each element of the output."""
    y, xs = _outputs(func(*inputs))[j], [inputs[k] for k in wanted]
    rows: list[list[Any]] = [[] for _ in xs]
    for k in range(y.numel()):
        seed = np.zeros(tuple(y.shape), values_of(y).dtype)
        seed.flat[k] = 1
        found = grad(y, xs, wrapped(seed), retain_graph=True, allow_unused=True)
        for row, x, one in zip(rows, xs, found, strict=True):
            row.append(np.zeros(x.numel()) if one is None else values_of(one).ravel())
    return [np.array(row).reshape(y.numel(), x.numel()).T for row, x in zip(rows, xs, strict=True)]


def _by_forward(func: Callable[..., Any], inputs: Sequence[Any], wanted: list[int], j: int) -> list[Any]:
    """Make a forward pass with the tangent of each element of the inputs."""
    found = []
    for k in wanted:
        rows = []
        for index in range(inputs[k].numel()):
            seed = np.zeros(tuple(inputs[k].shape))
            seed.flat[index] = 1
            with dual_level():
                x = make_dual(inputs[k].detach(), wrapped(seed))
                y, dot = unpack_dual(_outputs(func(*inputs[:k], x, *inputs[k + 1 :]))[j])
            rows.append(np.zeros(y.numel()) if dot is None else np.array(values_of(dot)).ravel())
        found.append(np.array(rows).reshape(inputs[k].numel(), -1))
    return found


def _by_differences(func: Callable[..., Any], inputs: Sequence[Any], k: int, j: int, eps: float) -> Any:
    """Return the Jacobian `[inputs, outputs]` of output `j` with respect to input `k`."""
    values = np.array(value_of(values_of(inputs[k])))
    rows = []
    for index in np.ndindex(values.shape):
        sides = []
        for step in (eps, -eps):
            moved = values.copy()
            moved[index] += step
            x = wrapped(moved).requires_grad_()
            sides.append(np.array(values_of(_outputs(func(*inputs[:k], x, *inputs[k + 1 :]))[j])).ravel())
        rows.append((sides[0] - sides[1]) / (2 * eps))
    return np.array(rows).reshape(values.size, -1)

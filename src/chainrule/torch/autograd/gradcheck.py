"""`gradcheck`: derivatives of a function held against central differences, with PyTorch's signature."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

from ..face import Tensor, values_of, wrapped
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
    says why a gradient is wrong. With `fast_mode`, too, every element is checked. Only the backward pass is checked:
    ValueError for the checks of the forward mode and of batches.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    >>> torch.autograd.gradcheck(lambda x: x.detach() * x, (x,), raise_exception=False)
    False
    """
    asked = {
        "check_forward_ad": check_forward_ad,
        "check_batched_grad": check_batched_grad,
        "check_batched_forward_grad": check_batched_forward_grad,
        "check_backward_ad": not check_backward_ad,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"gradcheck: {name}: only the backward pass is checked; leave it out, or use chainrule.check"
            )
    listed = tuple(inputs) if isinstance(inputs, Sequence) else (inputs,)
    try:
        _check(func, listed, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(func: Callable[..., Any], inputs: Sequence[Any], eps: float, atol: float, rtol: float, noise: float) -> None:
    wanted = [k for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have it")
    for k in wanted:
        kind = values_of(inputs[k]).dtype
        if kind != np.float64:
            raise ValueError(f"gradcheck: input {k}: got dtype {kind}, expected float64; pass x.double()")
    for j, y in enumerate(_outputs(func(*inputs))):
        if not y.requires_grad:
            continue
        backward = _by_backward(y, [inputs[k] for k in wanted])
        again = _by_backward(_outputs(func(*inputs))[j], [inputs[k] for k in wanted])
        for k, analytical, repeated in zip(wanted, backward, again, strict=True):
            if np.abs(analytical - repeated).max(initial=0) > noise:
                raise GradcheckError(f"Backward is not reentrant: two passes gave other gradients for input {k}")
            numerical = _by_differences(func, inputs, k, j, eps)
            if not np.allclose(analytical, numerical, rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {k},\n"
                    f"numerical:{wrapped(numerical)}\nanalytical:{wrapped(analytical)}\n"
                )


def _outputs(result: Any) -> list[Any]:
    return [y for y in ([result] if isinstance(result, Tensor) else result) if isinstance(y, Tensor)]


def _by_backward(y: Any, xs: list[Any]) -> list[Any]:
    """Return the Jacobians `[inputs, outputs]` of one output, a backward pass for each of its elements."""
    rows: list[list[Any]] = [[] for _ in xs]
    for k in range(y.numel()):
        seed = np.zeros(tuple(y.shape), values_of(y).dtype)
        seed.flat[k] = 1
        found = grad(y, xs, wrapped(seed), retain_graph=True, allow_unused=True)
        for row, x, one in zip(rows, xs, found, strict=True):
            row.append(np.zeros(x.numel()) if one is None else values_of(one).ravel())
    return [np.array(row).reshape(y.numel(), x.numel()).T for row, x in zip(rows, xs, strict=True)]


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

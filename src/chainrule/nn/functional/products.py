"""The affine map by PyTorch's name; its weights are `[in, out]` here."""

from typing import Any

from chainrule.core.operands.meanings import caller, warn
from chainrule.rules.network import linear as rule

from .arguments import arrayed


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    r"""Return $z = x W + b$ for `input [..., in]`, `weight [in, out]` and `bias [out]`; without one, $x W$.

    PyTorch has `[out, in]`. Square weights fit both and give a `PyTorchMeaningWarning`; `x @ W + b` gives none.

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> linear(np.array([[1.0, 2.0]]), np.array([[1.0], [0.5]]), np.array([10.0]))
    array([[12.]])
    """
    input, weight = arrayed(input), arrayed(weight)
    if weight.ndim == 2 and input.ndim:
        rows, columns = weight.shape
        if rows == columns > 1 and caller(2):
            warn(
                "linear: weight is square and taken as [in, out], where PyTorch takes [out, in]: write x @ W + b for "
                "this, or x @ W.T + b for PyTorch's"
            )
        if columns == input.shape[-1] != rows:
            raise ValueError(
                f"linear: expected weight [in, out] with in = {input.shape[-1]} for input {list(input.shape)}, got "
                f"{list(weight.shape)}; PyTorch's [out, in] is to be transposed: weight.T"
            )
    return rule.linear(input, weight, bias)

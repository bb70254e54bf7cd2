"""Products with weights, and distances and similarities of vectors; PyTorch's `dim` is accepted for `axis`."""

from typing import Any

import numpy as np

from chainrule.core.operands.meanings import caller, warn
from chainrule.rules.elementary.selection import clip
from chainrule.rules.linalg.einsum import einsum
from chainrule.rules.linalg.vector_norms import norm
from chainrule.rules.network import linear as rule

from ..inputs import accepts_dim
from .arguments import arrayed


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    r"""Return $z = x W + b$ for `input [..., in]`, `weight [in, out]` and `bias [out]`; without one, $x W$.

    PyTorch has `[out, in]`. Square weights fit both, so they raise a `PyTorchMeaningWarning`; `x @ W + b` does not.

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
                "linear: weight is square and taken as [in, out], while PyTorch takes [out, in]: write x @ W + b for "
                "this, or x @ W.T + b for PyTorch's"
            )
        if columns == input.shape[-1] != rows:
            raise ValueError(
                f"linear: expected weight [in, out] with in = {input.shape[-1]} for input {list(input.shape)}, got "
                f"{list(weight.shape)}; PyTorch's [out, in] is to be transposed: weight.T"
            )
    return rule.linear(input, weight, bias)


@accepts_dim
def normalize(input: Any, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Any:
    """Return `input` divided by its `p`-norm along `axis`, or by `eps` if that is larger.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8], [0. , 0. ]])
    """
    input = arrayed(input)
    return input / clip(norm(input, p, axis, keepdims=True), eps)


@accepts_dim
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    r"""Return $\frac{x_1 \cdot x_2}{\max(|x_1|, \text{eps}) \max(|x_2|, \text{eps})}$ along `axis`; both broadcast.

    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).round(3)
    array([0.707])
    """
    x1, x2 = np.broadcast_arrays(arrayed(x1), arrayed(x2))
    return (normalize(x1, 2.0, axis, eps) * normalize(x2, 2.0, axis, eps)).sum(axis=axis)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    r"""Return the `p`-norm of $x_1 - x_2 + \text{eps}$ along the last axis; the shapes broadcast.

    Adding `eps` is PyTorch's way to keep the gradient finite at equal vectors.

    >>> pairwise_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), eps=0.0)
    array([5.])
    """
    return norm(arrayed(x1) - arrayed(x2) + eps, p, -1, keepdims=keepdim)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    r"""Return $y_{\dots o} = \sum_{i, j} a_{\dots i}\,w_{o i j}\,b_{\dots j} + \beta_o$, `[..., O]`.

    `input1 [..., I]`, `input2 [..., J]`, `weight [O, I, J]`, `bias [O]`.

    >>> bilinear(np.array([[1.0, 2.0]]), np.array([[3.0]]), np.ones((1, 2, 1)))
    array([[9.]])
    """
    input1, input2, weight = arrayed(input1), arrayed(input2), arrayed(weight)
    if input1.shape[:-1] != input2.shape[:-1] or weight.shape[1:] != (*input1.shape[-1:], *input2.shape[-1:]):
        raise ValueError(
            f"bilinear: expected input1 [..., I], input2 [..., J] and weight [O, I, J], got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(weight.shape)}"
        )
    y = einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias

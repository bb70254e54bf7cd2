"""ATen's matrix products and attention, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.interop.torch.traced.call import Call, carries, cast, kind_of
from chainrule.nn import functional
from chainrule.rules.arrays.shape import swapaxes, transpose
from chainrule.rules.network.linear import linear as linear_map


@carries("mm", "bmm", "matmul", "mv", "dot", "vdot", "inner")
def matmul(call: Call, a: Any, b: Any) -> Any:
    """Return a matrix product."""
    if kind_of(a) != "f":
        return np.matmul(a, b)
    return a @ b


@carries("linear")
def linear(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x Wᵀ + b: PyTorch's weights are [out, in]."""
    return linear_map(x, transpose(weight), bias) if bias is not None else x @ transpose(weight)


def _mixed(x: Any, y: Any, beta: Any, alpha: Any) -> Any:
    y = y if alpha == 1 else y * alpha
    if beta == 0:
        return y
    return (x if beta == 1 else x * beta) + y


@carries("addmm", "addbmm", "baddbmm", "addmv")
def addmm(call: Call, x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return β x + α A B."""
    if beta == 1 and alpha == 1 and x.ndim == 1 and a.ndim == 2 and b.ndim == 2 and x.shape[0] == b.shape[1]:
        return linear_map(a, b, x)
    product = a @ b
    return _mixed(x, product.sum(axis=0) if call.step.kind.startswith("addbmm") else product, beta, alpha)


@carries("addr")
def addr(call: Call, x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return β x + α a bᵀ."""
    return _mixed(x, np.outer(a, b), beta, alpha)


@carries("outer", "ger")
def outer(call: Call, a: Any, b: Any) -> Any:
    """Return the outer product of two vectors."""
    return np.outer(a, b)


@carries("einsum")
def einsum(call: Call, equation: str, tensors: Sequence[Any], *, path: Any = None) -> Any:
    """Return a sum of products in Einstein notation."""
    return np.einsum(equation, *tensors)


@carries("_trilinear")
def trilinear(call: Call, a: Any, b: Any, c: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any,
              unroll_dim: int = 1) -> Any:  # fmt: skip
    """Return the product of three arrays, each with new axes, summed over axes."""
    for k, axes in enumerate((expand1, expand2, expand3)):
        part = (a, b, c)[k]
        for axis in sorted(axes):
            part = np.expand_dims(part, axis)
        a, b, c = (part if j == k else one for j, one in enumerate((a, b, c)))
    return np.sum(a * b * c, axis=tuple(sumdim))


@carries("bilinear")
def bilinear(call: Call, a: Any, b: Any, weight: Any, bias: Any = None) -> Any:
    """Return aᵀ W b for each output."""
    return functional.bilinear(a, b, weight, bias)


@carries("_cdist_forward", "_euclidean_dist", "cdist")
def cdist(call: Call, a: Any, b: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """Return the distances between all pairs of rows."""
    apart = np.expand_dims(a, -2) - np.expand_dims(b, -3)
    return np.linalg.norm(apart, ord=p, axis=-1)


@carries("linalg_inv_ex", "linalg_inv", "inverse")
def inverse(call: Call, a: Any, *, check_errors: bool = False) -> Any:
    """Return the inverse of matrices, and a status of success."""
    y = np.linalg.inv(a)
    return (y, np.zeros(a.shape[:-2], np.int32)) if isinstance(call.step.dtypes, tuple) else y


@carries("linalg_det", "det")
def determinant(call: Call, a: Any) -> Any:
    """Return the determinant of matrices."""
    return np.linalg.det(a)


@carries("linalg_solve", "_linalg_solve_ex")
def solve(call: Call, a: Any, b: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """Return the solution of A x = b."""
    if not left:
        call.refuse("left: expected True; transpose the equation")
    y = np.linalg.solve(a, b)
    return (y, None, None, None) if isinstance(call.step.dtypes, tuple) else y


@carries("linalg_cholesky_ex", "linalg_cholesky", "cholesky")
def cholesky(call: Call, a: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return the Cholesky factor of matrices."""
    y = np.linalg.cholesky(a)
    y = swapaxes(y, -1, -2) if upper else y
    return (y, np.zeros(a.shape[:-2], np.int32)) if isinstance(call.step.dtypes, tuple) else y


# Attention


@carries("scaled_dot_product_attention")
def attention(
    call: Call,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return attention; a boolean mask is true where a query may attend."""
    if attn_mask is not None and kind_of(attn_mask) == "f":
        attn_mask = cast(attn_mask, call.dtype)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask, is_causal, scale, float(dropout_p), enable_gqa=enable_gqa
    )


@carries("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    call: Call,
    query: Any,
    key: Any,
    value: Any,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Any = None,
    scale: float | None = None,
) -> Any:
    """Return attention, and a placeholder for the logarithms that only PyTorch's backward pass needs."""
    return attention(call, query, key, value, attn_mask, dropout_p, is_causal, scale=scale), None

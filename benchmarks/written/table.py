"""How a user of NumPy writes each operator."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
import chainrule.numpy as cnp
import chainrule.scipy as csp

from .functions import (
    add_along,
    added,
    added_at,
    adjoint,
    any_norm,
    as_strided,
    cholesky,
    chunk,
    covariance,
    cumulative,
    diag_embed,
    diagonal_scatter,
    diagonals,
    distance,
    each,
    flip,
    fourier,
    gather,
    index_of,
    lerp,
    linalg_norm,
    log_sum,
    masked,
    masked_moment,
    meshgrid,
    moment,
    pad,
    pseudoinverse,
    put_along,
    reduction,
    repeat_interleave,
    shape_of,
    slopes,
    solve,
    solve_triangular,
    sorted_take,
    split,
    stacked,
    tensor_split,
    tensordot,
    trapezoid,
    triangular,
    unfolded,
    vander,
    vector_norm,
    written,
)
from .real import REAL

LIKE_NUMPY = {
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "conj", "conj_physical", "corrcoef"),
    *("cos", "cosh", "cross", "exp", "expm1", "imag", "real", "log1p", "log", "log10", "log2"),
    *("matmul", "mm", "bmm", "mv", "outer", "positive", "neg", "reciprocal", "sigmoid", "sin", "sinc"),
    *("sinh", "sqrt", "square", "subtract", "sub", "mul", "div", "true_divide", "tan", "tanh"),
    *("angle", "fliplr", "flipud", "kron", "inner", "vdot", "dot", "diagflat", "tril", "triu", "diag"),
    *("__radd__", "__rmul__", "broadcast_to", "eq", "ne", "isclose", "isfinite", "isinf", "isnan"),
    *("isreal", "logical_and", "logical_not", "logical_or", "logical_xor", "equal", "allclose"),
    *("where"),
}
"""Operators that are NumPy's function of that name, with NumPy's arguments."""

WRITTEN: dict[str, Callable[..., Any]] = {
    "H": adjoint,
    "mH": adjoint,
    "T": np.transpose,
    "t": np.transpose,
    "t_copy": np.transpose,
    "adjoint": adjoint,
    "addmm": lambda a, b, c, beta=1, alpha=1: beta * a + alpha * (b @ c),
    "addmv": lambda a, b, c, beta=1, alpha=1: beta * a + alpha * (b @ c),
    "addbmm": lambda a, b, c, beta=1, alpha=1: beta * a + alpha * np.sum(b @ c, axis=0),
    "baddbmm": lambda a, b, c, beta=1, alpha=1: beta * a + alpha * (b @ c),
    "addr": lambda a, b, c, beta=1, alpha=1: beta * a + alpha * np.outer(b, c),
    "addcmul": lambda a, b, c, value=1: a + value * b * c,
    "addcdiv": lambda a, b, c, value=1: a + value * b / c,
    "add": lambda a, b, alpha=1: a + alpha * b,
    "sub": lambda a, b, alpha=1: a - alpha * b,
    "rsub": lambda a, b, alpha=1: b - alpha * a,
    "__rsub__": lambda a, b: b - a,
    "__rdiv__": lambda a, b: b / a,
    "__rpow__": lambda a, b: b**a,
    "__rmatmul__": lambda a, b: b @ a,
    "float_power": lambda a, b: np.float_power(a, b),
    "pow": lambda a, b: a**b,
    "exp2": lambda x: 2.0**x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sgn": np.sign,
    "ldexp": lambda x, e: x * 2.0**e,
    "logaddexp": lambda a, b: cr.special.logsumexp(np.stack(np.broadcast_arrays(a, b)), axis=0),
    "logsumexp": log_sum,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x, dim, **_: cr.special.softmax(x, dim),
    "log_softmax": lambda x, dim, **_: cr.special.log_softmax(x, dim),
    "linspace": np.linspace,
    "nn.functional.silu": lambda x: x / (1 + np.exp(-x)),
    "nn.functional.softsign": lambda x: x / (1 + np.abs(x)),
    "nn.functional.tanhshrink": lambda x: x - np.tanh(x),
    "nn.functional.linear": lambda x, w, b=None: x @ w.T if b is None else x @ w.T + b,
    "nn.functional.pad": pad,
    "constant_pad_nd": lambda x, widths, value=0.0: pad(x, widths, "constant", value),
    "nn.functional.l1_loss": lambda a, b, reduction="mean": {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[
        reduction
    ](np.abs(a - b)),
    "cumsum": lambda x, dim, **_: np.cumsum(x, dim) if x.ndim else x * 1,
    "cumprod": lambda x, dim, **_: np.cumprod(x, dim) if x.ndim else x * 1,
    "sum": reduction(np.sum),
    "mean": reduction(np.mean),
    "prod": lambda x, dim=None, keepdim=False, **_: np.prod(x, axis=dim, keepdims=keepdim) if x.ndim else np.prod(x),
    "var": moment(np.var),
    "std": moment(np.std),
    "count_nonzero": lambda x, dim=None: np.count_nonzero(
        x, tuple(dim) or None if isinstance(dim, list | tuple) else dim
    ),
    "var_mean": lambda x, *a, **k: (
        moment(np.var)(x, *a, **k),
        reduction(np.mean)(
            x,
            *(a[:1] if a and not isinstance(a[0], bool) else ()),
            **{key: v for key, v in k.items() if key in ("dim", "keepdim")},
        ),
    ),
    "std_mean": lambda x, *a, **k: (
        moment(np.std)(x, *a, **k),
        reduction(np.mean)(
            x,
            *(a[:1] if a and not isinstance(a[0], bool) else ()),
            **{key: v for key, v in k.items() if key in ("dim", "keepdim")},
        ),
    ),
    "all": reduction(np.all),
    "any": reduction(np.any),
    "argwhere": np.argwhere,
    "trace": np.trace,
    "cov": covariance,
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: np.diff(
        x, n, dim, **{k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}
    ),
    "diagonal": diagonals,
    "diagonal_copy": diagonals,
    "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: np.diagonal(x, offset, dim1, dim2),
    "diag_embed": diag_embed,
    "diagonal_scatter": diagonal_scatter,
    "einsum": lambda tensors, equation: np.einsum(equation, *tensors),
    "equal": np.array_equal,
    "flip": flip,
    "roll": lambda x, shifts, dims=None: (
        np.roll(
            x,
            tuple(shifts) if isinstance(shifts, list | tuple) else shifts,
            tuple(dims) if isinstance(dims, list | tuple) else dims,
        )
        if x.ndim
        else np.roll(x, shifts)
    ),
    "rot90": lambda x, k=1, dims=(0, 1): np.rot90(x, k, tuple(dims)),
    "meshgrid": meshgrid,
    "select": lambda x, dim, index: np.take(x, index, axis=dim),
    "hsplit": lambda x, s: np.hsplit(x, s),
    "vsplit": lambda x, s: np.vsplit(x, s),
    "dsplit": lambda x, s: np.dsplit(x, s),
    "chunk": chunk,
    "unsafe_chunk": chunk,
    "split": split,
    "split_with_sizes": split,
    "unsafe_split": split,
    "split_with_sizes_copy": split,
    "split_list_args": split,
    "tensor_split": tensor_split,
    "ravel": np.ravel,
    "reshape": lambda x, *s: np.reshape(x, shape_of(s[0], s[1:])),
    "view": lambda x, *s: np.reshape(x, shape_of(s[0], s[1:])),
    "view_copy": lambda x, *s: np.reshape(x, shape_of(s[0], s[1:])),
    "reshape_as": lambda x, y: np.reshape(x, y.shape),
    "view_as": lambda x, y: np.reshape(x, y.shape),
    "flatten": lambda x, start_dim=0, end_dim=-1: (
        np.reshape(x, (*x.shape[: start_dim % max(x.ndim, 1)], -1, *x.shape[end_dim % max(x.ndim, 1) + 1 :]))
        if x.size
        else np.reshape(x, (*x.shape[: start_dim % max(x.ndim, 1)], 0, *x.shape[end_dim % max(x.ndim, 1) + 1 :]))
    ),
    "unflatten": lambda x, dim, sizes: np.reshape(
        x, (*x.shape[: dim % max(x.ndim, 1)], *sizes, *x.shape[dim % max(x.ndim, 1) + 1 :])
    ),
    "expand": lambda x, *s: np.broadcast_to(
        x,
        tuple(
            m if n == -1 else n
            for n, m in zip(shape_of(s[0], s[1:]), (1,) * (len(shape_of(s[0], s[1:])) - x.ndim) + x.shape, strict=True)
        ),
    ),
    "expand_as": lambda x, y: np.broadcast_to(x, y.shape),
    "broadcast_to": lambda x, s: np.broadcast_to(x, tuple(s)),
    "broadcast_tensors": lambda *xs: list(np.broadcast_arrays(*xs)),
    "clone": np.copy,
    "contiguous": np.copy,
    "positive": np.positive,
    "atleast_1d": each(cnp.atleast_1d),
    "atleast_2d": each(cnp.atleast_2d),
    "atleast_3d": each(cnp.atleast_3d),
    "column_stack": lambda xs: np.column_stack(xs),
    "hstack": lambda xs: np.hstack(xs),
    "vstack": lambda xs: np.vstack(xs),
    "dstack": lambda xs: np.dstack(xs),
    "stack": stacked(np.stack),
    "cat": stacked(np.concatenate),
    "concat": stacked(np.concatenate),
    "unbind": lambda x, dim=0: list(np.moveaxis(x, dim, 0)),
    "unbind_copy": lambda x, dim=0: list(np.moveaxis(x, dim, 0)),
    "block_diag": lambda *xs: csp.linalg.block_diag(*xs),
    "take": lambda x, i: np.take(x, i),
    "put": lambda x, i, v, accumulate=False: (add_along if accumulate else put_along)(
        x.reshape(-1), 0, i.reshape(-1), v.reshape(-1)
    ).reshape(x.shape),
    "squeeze": lambda x, dim=None: (
        np.squeeze(x)
        if dim is None
        else np.squeeze(
            x, tuple(d for d in (dim if isinstance(dim, list | tuple) else [dim]) if x.ndim and x.shape[d] == 1)
        )
    ),
    "squeeze_copy": lambda x, dim=None: (
        np.squeeze(x)
        if dim is None
        else np.squeeze(
            x, tuple(d for d in (dim if isinstance(dim, list | tuple) else [dim]) if x.ndim and x.shape[d] == 1)
        )
    ),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "unsqueeze_copy": lambda x, dim: np.expand_dims(x, dim),
    "repeat": lambda x, *s: np.tile(x, shape_of(s[0], s[1:])),
    "tile": lambda x, s: np.tile(x, tuple(s)),
    "repeat_interleave": repeat_interleave,
    "transpose": lambda x, a, b: np.swapaxes(x, a, b) if x.ndim else x,
    "transpose_copy": lambda x, a, b: np.swapaxes(x, a, b) if x.ndim else x,
    "permute": lambda x, d: np.transpose(x, tuple(d)),
    "permute_copy": lambda x, d: np.transpose(x, tuple(d)),
    "movedim": lambda x, a, b: np.moveaxis(x, a, b) if x.ndim else x,
    "tril": lambda x, k=0: cnp.tril(x, k),
    "triu": lambda x, k=0: cnp.triu(x, k),
    "diag": lambda x, k=0: np.diag(x, k),
    "diagflat": lambda x, offset=0: cnp.diagflat(x, offset),
    "narrow": lambda x, dim, a, n: x[
        index_of(
            x,
            dim,
            slice(
                int(a) % (x.shape[dim] + 1) if a >= 0 else int(a) + x.shape[dim],
                (int(a) if a >= 0 else int(a) + x.shape[dim]) + n,
            ),
        )
    ],
    "narrow_copy": lambda x, dim, a, n: x[index_of(x, dim, slice(a % (x.shape[dim] + 1), a % (x.shape[dim] + 1) + n))],
    "slice": lambda x, dim=0, start=None, end=None, step=1: x[index_of(x, dim, slice(start, end, step))],
    "index_select": lambda x, dim, index: (
        np.take(x, index, axis=dim) if x.ndim else np.reshape(x, 1)[np.reshape(index, -1)].reshape(())
    ),
    "gather": gather,
    "take_along_dim": sorted_take,
    "masked_fill": lambda x, mask, value: np.where(
        mask, np.asarray(value, x.dtype) if not isinstance(value, cr.Tensor) else value, x
    ),
    "masked_select": lambda x, mask: np.broadcast_arrays(x, mask)[0][
        np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
    ],
    "where": lambda x, condition, y: np.where(condition, x, y),
    "tensordot": tensordot,
    "trapezoid": trapezoid,
    "trapz": trapezoid,
    "cumulative_trapezoid": cumulative,
    "kron": np.kron,
    "inner": np.inner,
    "outer": np.outer,
    "scatter_add": add_along,
    "index_add": added_at,
    "index_copy": lambda x, dim, i, s: written(x, index_of(x, dim, i), s) if x.ndim else s.reshape(()),
    "index_fill": lambda x, dim, i, v: written(x, index_of(x, dim, i), v) if x.ndim else cnp.full_like(x, v),
    "scatter": lambda x, dim, index, src, reduce=None: {None: put_along, "add": lambda *a: add_along(*a)}[reduce](
        x, dim, index, src
    ),
    "index_put": lambda x, i, v, accumulate=False: written(x, tuple(i), v) if not accumulate else added(x, tuple(i), v),
    "__getitem__": lambda x, *i: x[i[0] if len(i) == 1 else i],
    "fill": lambda x, value: cnp.full_like(x, value),
    "unfold": unfolded,
    "unfold_copy": unfolded,
    "as_strided": as_strided,
    "as_strided_copy": as_strided,
    "lerp": lerp,
    "dist": distance,
    "norm": any_norm,
    "linalg.norm": linalg_norm,
    "linalg.vector_norm": vector_norm,
    "linalg.matrix_norm": lambda x, ord="fro", dim=(-2, -1), keepdim=False, **_: cnp.linalg.norm(
        x, ord, tuple(dim), keepdim
    ),
    "linalg.vecdot": lambda a, b, dim=-1: np.vecdot(a, b, axis=dim),
    "linalg.cross": lambda a, b, dim=-1: np.cross(a, b, axis=dim),
    "cross": lambda a, b, dim=None: np.cross(
        a, b, axis=dim if dim is not None else np.broadcast_shapes(a.shape, b.shape).index(3)
    ),
    "linalg.det": np.linalg.det,
    "linalg.inv": np.linalg.inv,
    "inverse": np.linalg.inv,
    "linalg.slogdet": lambda a: tuple(np.linalg.slogdet(a)),
    "logdet": lambda a: np.log(np.linalg.det(a)),
    "linalg.eigvals": np.linalg.eigvals,
    "linalg.eigvalsh": lambda a, UPLO="L": np.linalg.eigvalsh(a, UPLO),
    "linalg.solve": solve,
    "linalg.matrix_power": np.linalg.matrix_power,
    "linalg.multi_dot": np.linalg.multi_dot,
    "linalg.cond": np.linalg.cond,
    "linalg.svdvals": lambda a, **_: np.linalg.svd(a, compute_uv=False),
    "linalg.tensorinv": lambda a, ind=2: np.linalg.tensorinv(a, ind),
    "linalg.tensorsolve": lambda a, b, dims=None: np.linalg.tensorsolve(a, b, dims),
    "linalg.cholesky": lambda a, upper=False: cholesky(a, upper),
    "cholesky": cholesky,
    "linalg.pinv": pseudoinverse,
    "pinverse": pseudoinverse,
    "matrix_exp": csp.linalg.expm,
    "linalg.matrix_exp": csp.linalg.expm,
    "linalg.solve_triangular": solve_triangular,
    "triangular_solve": triangular,
    "linalg.qr": lambda a, mode="reduced": tuple(np.linalg.qr(a, mode)),
    "qr": lambda a, some=True: tuple(np.linalg.qr(a, "reduced" if some else "complete")),
    "linalg.vander": vander,
    "linalg.matrix_rank": lambda a, **_: np.linalg.matrix_rank(a),
    "float": None,
    "cfloat": None,
    "masked.sum": masked(np.sum),
    "masked.prod": masked(np.prod),
    "masked.mean": masked(np.mean),
    "masked.var": masked_moment(np.var),
    "masked.std": masked_moment(np.std),
    "gradient": slopes,
    "nn.functional.pairwise_distance": lambda a, b, p=2.0, eps=1e-6, keepdim=False: cnp.linalg.vector_norm(
        a - b + eps, ord=p, axis=-1, keepdims=keepdim
    ),
    "isclose": np.isclose,
    "allclose": np.allclose,
    "sum_to_size": None,
    "mv": np.matmul,
    "atan": np.arctan,
    "full_like": np.full_like,
    "view_as_real": lambda z: np.stack([z.real, z.imag], -1),
    "stack_copy": None,
    "fft.fftshift": lambda x, dim=None: np.fft.fftshift(x, dim),
    "fft.ifftshift": lambda x, dim=None: np.fft.ifftshift(x, dim),
    "nn.functional.normalize": lambda x, p=2.0, dim=1, eps=1e-12: (
        x / np.maximum(cnp.linalg.vector_norm(x, ord=p, axis=dim, keepdims=True), eps)
    ),
    "conj": np.conj,
    "div": lambda a, b, rounding_mode=None: (
        a / b if rounding_mode is None else np.trunc(a / b) if rounding_mode == "trunc" else np.floor_divide(a, b)
    ),
    **{
        f"fft.{n}": fourier(n)
        for n in [
            "fft",
            "ifft",
            "rfft",
            "irfft",
            "hfft",
            "ihfft",
            "fft2",
            "ifft2",
            "rfft2",
            "irfft2",
            "fftn",
            "ifftn",
            "rfftn",
            "irfftn",
        ]
    },
}
"""How a user of NumPy writes an operator, where it is not a function of the same name with the same arguments."""


def function_of(name: str) -> Callable[..., Any] | None:
    """Return how NumPy's user writes an operator."""
    if (found := WRITTEN.get(name) or REAL.get(name)) is not None:
        return found
    short = name.strip("_")
    if name in LIKE_NUMPY:
        names = {
            "sub": "subtract",
            "mul": "multiply",
            "div": "divide",
            "true_divide": "divide",
            "mm": "matmul",
            "bmm": "matmul",
            "mv": "matmul",
            "neg": "negative",
            "acos": "arccos",
            "acosh": "arccosh",
            "asin": "arcsin",
            "asinh": "arcsinh",
            "atan": "arctan",
            "atanh": "arctanh",
            "radd": "add",
            "rmul": "multiply",
            "eq": "equal",
            "ne": "not_equal",
        }
        return getattr(cnp, names.get(short, short))
    return None

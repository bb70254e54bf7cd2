"""Products of vectors and matrices, and distances."""

from typing import Any

import numpy as np

from chainrule.rules.linalg.einsum import einsum as engine_einsum

from .dtypes import promoted
from .face import faced
from .reductions import vector_norm_of


def _alike(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    if a.dtype != b.dtype:
        raise RuntimeError(f"{name}: expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}")
    return a, b


@faced
def matmul(input: Any, other: Any) -> Any:
    """Return the matrix product: of vectors, matrices or stacks of matrices."""
    a, b = _alike("matmul", input, other)
    if a.ndim and b.ndim and a.shape[-1] != b.shape[-2 if b.ndim > 1 else -1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a.shape))} and "
            f"{'x'.join(map(str, b.shape))})"
        )
    return np.matmul(a, b)


@faced
def mm(input: Any, mat2: Any) -> Any:
    """Return the product of two matrices."""
    a, b = _alike("mm", input, mat2)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise RuntimeError(f"mm: mat1 and mat2 shapes cannot be multiplied ({list(a.shape)} and {list(b.shape)})")
    return np.matmul(a, b)


@faced
def bmm(input: Any, mat2: Any) -> Any:
    """Return the products of two stacks of matrices."""
    a, b = _alike("bmm", input, mat2)
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0]:
        raise RuntimeError(f"bmm: batch1 and batch2 must be 3D with one length, got {list(a.shape)}, {list(b.shape)}")
    return np.matmul(a, b)


@faced
def mv(input: Any, vec: Any) -> Any:
    """Return the product of a matrix and a vector."""
    return np.matmul(*_alike("mv", input, vec))


@faced
def dot(input: Any, tensor: Any) -> Any:
    """Return the sum of the products of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return np.sum(input * tensor) if input.dtype.kind in "iu" else np.matmul(input, tensor)


vdot = dot


@faced
def inner(input: Any, other: Any) -> Any:
    """Return the products along the last axes."""
    a, b = promoted(input, other)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return np.tensordot(a, b, ((-1,), (-1,)))


@faced
def outer(input: Any, vec2: Any) -> Any:
    """Return the products of all elements of two vectors."""
    a, b = promoted(input, vec2)
    return a[:, None] * b[None, :]


ger = outer


@faced
def kron(input: Any, other: Any) -> Any:
    """Return the Kronecker product."""
    a, b = promoted(input, other)
    n = max(a.ndim, b.ndim)
    a, b = np.reshape(a, (1,) * (n - a.ndim) + a.shape), np.reshape(b, (1,) * (n - b.ndim) + b.shape)
    x = np.reshape(a, tuple(m for size in a.shape for m in (size, 1)))
    y = np.reshape(b, tuple(m for size in b.shape for m in (1, size)))
    return np.reshape(x * y, tuple(p * q for p, q in zip(a.shape, b.shape, strict=True)))


@faced
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Return the cross product along an axis of length 3."""
    a, b = promoted(input, other)
    shape = np.broadcast_shapes(a.shape, b.shape)
    axis = dim if dim is not None else shape.index(3)
    return cross_along(a, b, axis)


def cross_along(a: Any, b: Any, dim: int) -> Any:
    """Return the cross product along an axis."""
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise RuntimeError(f"cross: inputs dimension {dim} must have length 3. Got {a.shape[dim]} and {b.shape[dim]}")
    a1, b1 = np.roll(a, -1, dim), np.roll(b, -1, dim)
    return np.roll(a * b1 - a1 * b, -1, dim)


def einsum(equation: Any, *operands: Any) -> Any:
    """Return sums of products by Einstein's notation, `einsum("ij,jk->ik", a, b)`."""
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    return _einsum(equation, *operands)


@faced
def _einsum(equation: Any, *operands: Any) -> Any:
    if not isinstance(equation, str):
        return _of_sublists(equation, *operands)
    return engine_einsum(_summing_ellipsis(equation.replace(" ", ""), operands), *promoted(*operands))


def _summing_ellipsis(equation: str, operands: Any) -> str:
    """Return an equation whose ellipsis, if the result lacks it, is written as letters, which are summed over."""
    left, arrow, right = equation.partition("->")
    if not arrow or "..." in right or "..." not in left:
        return equation
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    parts = []
    for part, x in zip(left.split(","), operands, strict=True):
        extra = x.ndim - len(part.replace("...", ""))
        parts.append(part.replace("...", "".join(spare[:extra][::-1])) if "..." in part else part)
    return ",".join(parts) + "->" + right


def _of_sublists(*given: Any) -> Any:
    """Return `einsum(a, [0, 1], b, [1, 2], [0, 2])`."""

    def letters(places: Any) -> str:
        return "".join(
            "..." if k is Ellipsis else chr(ord("a") + k) if k < 26 else chr(ord("A") + k - 26) for k in places
        )

    pairs = len(given) // 2
    text = ",".join(letters(given[2 * k + 1]) for k in range(pairs))
    text += f"->{letters(given[-1])}" if len(given) % 2 else ""
    return engine_einsum(text, *promoted(*(given[2 * k] for k in range(pairs))))


@faced
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Return the sum of products over axes: the last of a and the first of b, or those given."""
    if isinstance(dims, tuple | list):
        dims = tuple(tuple(one) if isinstance(one, tuple | list) else (one,) for one in dims)
        for j, k in zip(*dims, strict=True):  # an axis of length 1 is stretched: the other is summed first
            if a.shape[j] == 1 != b.shape[k]:
                b = np.sum(b, axis=k, keepdims=True)
            elif b.shape[k] == 1 != a.shape[j]:
                a = np.sum(a, axis=j, keepdims=True)
    else:
        dims = int(dims)
    return np.tensordot(a, b, dims)


def _plus(input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    product = product if alpha == 1 else _times(alpha, product)
    if beta == 0:
        return product + np.zeros(input.shape, product.dtype)
    return (input if beta == 1 else _times(beta, input)) + product


def _times(factor: Any, x: Any) -> Any:
    """Return a multiple in the dtype of x: the factor of integers is an integer."""
    return (factor if x.dtype.kind in "fc" else np.asarray(factor).astype(x.dtype)) * x


@faced
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta * input + alpha * (mat1 @ mat2)`."""
    return _plus(input, np.matmul(mat1, mat2), beta, alpha)


@faced
def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta * input + alpha * (mat @ vec)`."""
    return _plus(input, np.matmul(mat, vec), beta, alpha)


@faced
def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta * input + alpha * outer(vec1, vec2)`."""
    return _plus(input, vec1[:, None] * vec2[None, :], beta, alpha)


@faced
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta * input + alpha * bmm(batch1, batch2)`."""
    return _plus(input, np.matmul(batch1, batch2), beta, alpha)


@faced
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta * input + alpha * bmm(batch1, batch2).sum(0)`."""
    return _plus(input, np.sum(np.matmul(batch1, batch2), axis=0), beta, alpha)


def distances(a: Any, b: Any, p: float) -> Any:
    """Return the p-norms of the differences of all rows."""
    difference = a[..., :, None, :] - b[..., None, :, :]
    if difference.shape[-1] == 0:
        return np.sum(difference, axis=-1)
    if p == 0:
        return np.sum(np.not_equal(difference, 0).astype(a.dtype), axis=-1)
    if 1 < p < 2 or p < 1:
        size = np.absolute(difference)
        zero = np.equal(size, 0)
        total = np.sum(np.where(zero, 0.0, np.power(np.where(zero, 1.0, size), p)), axis=-1)
        none = np.equal(total, 0)
        return np.where(none, 0.0, np.power(np.where(none, 1.0, total), 1 / p))
    return vector_norm_of(difference, p, -1, False)


@faced
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """Return the distances of all pairs of rows."""
    return distances(x1, x2, p)


@faced
def pdist(input: Any, p: float = 2.0) -> Any:
    """Return the distances of all pairs of rows of one matrix, each once."""
    rows, columns = np.triu_indices(len(input), 1)
    return distances(input, input, p)[rows, columns] if len(rows) else np.sum(input) * 0 * np.zeros(0, input.dtype)


@faced
def chain_matmul(*matrices: Any) -> Any:
    """Return the product of several matrices."""
    return np.linalg.multi_dot(list(matrices)) if len(matrices) > 1 else matrices[0]


@faced
def matrix_power(input: Any, n: int) -> Any:
    """Return a matrix multiplied by itself n times."""
    return np.linalg.matrix_power(input, n)


@faced
def polar(abs: Any, angle: Any) -> Any:
    """Return complex numbers of absolute values and angles."""
    return abs * (np.cos(angle) + 1j * np.sin(angle))

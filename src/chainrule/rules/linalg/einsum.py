"""Einstein summation of any number of operands, as pairwise contractions that each run as one matrix product.

Steps on a single operand come first: diagonals for repeated indices, sums over indices that occur nowhere else. Then
every index of a pair is in the other operand or in the result, and the adjoint of a contraction is again a contraction,
of the cotangent with the other operand.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np

from chainrule.core.facts import Complex, Role
from chainrule.core.kinds import Bilinear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import Call, Mine, Settings, Values
from chainrule.rules.arrays.gather import diagonal_view
from chainrule.rules.arrays.reduce import arrayed, refuse, sum

from .matmul import Shape, product
from .proofs_of_einsum import EINSUM


def _split(subscripts: str) -> tuple[str, str, str]:
    """Return the indices of both operands and of the result."""
    inputs, _, result = subscripts.partition("->")
    a, _, b = inputs.partition(",")
    return a, b, result


@lru_cache(maxsize=1024)
def _layout(subscripts: str) -> tuple[Any, ...]:
    """Return how a contraction becomes a matrix product: axis orders, and the number of axes of each kind."""
    a, b, result = _split(subscripts)
    batch = [i for i in result if i in a and i in b]
    summed = [i for i in a if i in b and i not in result]
    left = [i for i in a if i not in b]
    right = [i for i in b if i not in a]
    whole = [*batch, *left, *right]
    orders = ([a.index(i) for i in [*batch, *left, *summed]], [b.index(i) for i in [*batch, *summed, *right]])
    return (*orders, [whole.index(i) for i in result], len(batch), len(summed))


def contract(a: Array, b: Array, subscripts: str) -> Array:
    """Contract two plain arrays. Shared indices that stay are batch axes, which need no copy."""
    order_a, order_b, order, n_batch, n_summed = _layout(subscripts)
    a, b = a.transpose(order_a), b.transpose(order_b)
    if a.ndim == b.ndim == len(order) == n_batch + 2 and n_summed == 1 and a.shape[-1] == b.shape[-2]:
        return product(a, b).transpose(order)
    left = a.shape[n_batch : a.ndim - n_summed]
    right = b.shape[n_batch + n_summed :]
    if not n_summed:
        y = a.reshape((*a.shape, *(1,) * len(right))) * b.reshape((*b.shape[:n_batch], *(1,) * len(left), *right))
        return y.transpose(order)
    lengths = a.shape[a.ndim - n_summed :]
    if lengths != b.shape[n_batch : n_batch + n_summed]:
        lengths = np.broadcast_shapes(lengths, b.shape[n_batch : n_batch + n_summed])
        a = np.broadcast_to(a, (*a.shape[: a.ndim - n_summed], *lengths))
        b = np.broadcast_to(b, (*b.shape[:n_batch], *lengths, *right))
    a = a.reshape((*a.shape[:n_batch], math.prod(left), math.prod(lengths)))
    b = b.reshape((*b.shape[:n_batch], math.prod(lengths), math.prod(right)))
    y = product(a, b)
    return y.reshape((*y.shape[:n_batch], *left, *right)).transpose(order)


Pair = tuple[Array, tuple[int, ...]]


def as_matrices(a: Array, b: Array, out: Array, subscripts: str) -> tuple[Pair, Pair, Pair] | None:
    """Return plain arrays and their shapes such that the third is the matrix product of the others.

    Each is a view of a factor, or of `out`, with its axes in another order, and the shape [..., m, k], [..., k, n] or
    [..., m, n] that it has as matrices; to reshape it may need a copy. None if nothing is summed, or something is
    broadcast.
    """
    order_a, order_b, order, n_batch, n_summed = _layout(subscripts)
    a, b, y = a.transpose(order_a), b.transpose(order_b), out.transpose(np.argsort(order))
    left, right = a.shape[n_batch : a.ndim - n_summed], b.shape[n_batch + n_summed :]
    lengths, batch = a.shape[a.ndim - n_summed :], a.shape[:n_batch]
    if not n_summed or b.shape[: n_batch + n_summed] != (*batch, *lengths) or y.shape != (*batch, *left, *right):
        return None
    m, k, n = map(math.prod, (left, lengths, right))
    return ((a, (*batch, m, k)), (b, (*batch, k, n)), (y, (*batch, m, n))) if out.size and k else None


def _contract_rows(values: Values, mine: Mine, settings: Settings) -> Call | None:
    """Give the leading axis of a stack an index of its own."""
    of_a, of_b, result = _split(settings["subscripts"])
    i = next((i for i in ascii_letters if i not in of_a + of_b), None)
    if i is None:
        return None
    return values, {"subscripts": f"{i * mine[0]}{of_a},{i * mine[1]}{of_b}->{i}{result}"}


class Einsum(Bilinear):
    r"""y = \operatorname{einsum}(a, b)

    Summed over the indices that are not in the result. No index is repeated in one operand, and each is in the other
    operand or in the result; `einsum` ensures that.
    """

    on_complex = Complex.HOLOMORPHIC
    role = Role.DENSE
    proofs = EINSUM
    cases = (
        case((3, 4), (4, 2), subscripts="ij,jk->ik"),
        case((3, 4), (4, 2), subscripts="ij,jk->ki"),
        case((2, 3, 4), (5, 2, 4), subscripts="bij,kbj->bik"),
        case((2, 3), (3, 2), subscripts="ij,ji->"),
        case((3,), (4,), subscripts="i,j->ji"),
        case((2, 3), (2, 3), subscripts="ij,ij->ij"),
        case((1, 3), (2, 3), subscripts="ij,ij->i"),
        case((), (3,), subscripts=",i->i"),
        case((0, 3), (3, 2), subscripts="ij,jk->ik"),
        case((2, 0), (0, 2), subscripts="ij,jk->ik"),
    )
    stacked = staticmethod(_contract_rows)

    @staticmethod
    def primal(a: Array, b: Array, *, subscripts: str) -> Array:
        return contract(np.asarray(a), np.asarray(b), subscripts)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array, *, subscripts: str) -> Array:
        r"""\bar a = \operatorname{einsum}(\bar y, b)

        Over the indices that are not in a.
        """
        of_a, of_b, of_y = _split(subscripts)
        return Einsum.apply(y_bar, b, subscripts=f"{of_y},{of_b}->{of_a}")

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array, *, subscripts: str) -> Array:
        r"""\bar b = \operatorname{einsum}(a, \bar y)

        Over the indices that are not in b.
        """
        of_a, of_b, of_y = _split(subscripts)
        return Einsum.apply(a, y_bar, subscripts=f"{of_a},{of_y}->{of_b}")


@implements(np.einsum)
def einsum(*operands: Any, out: Array = None, optimize: Any = True, **refused: Array) -> Array:  # noqa: ARG001
    """Return the sum of products of the operands' elements that the subscripts describe, as `np.einsum` does.

    Accepts all of NumPy's forms of subscripts: repeated and summed indices, an ellipsis, an implicit result, any number
    of operands, and operands alternating with lists of axis numbers. Several operands are contracted pairwise in an
    order chosen to minimise work, whatever `optimize` says.

    Raises ValueError if subscripts and shapes do not match.

    >>> einsum("ij,ij->i", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [2.0, 2.0]]))
    array([ 3., 14.])
    """
    refuse("einsum", out=out, **refused)
    subscripts, arrays = _in_letters(operands)
    shapes = tuple([x.shape for x in arrays])
    if (contraction := _contraction(subscripts, shapes)) is not None:
        return Einsum.apply(*arrays, subscripts=contraction)
    inputs, result = _read(subscripts, shapes)
    terms = [
        _alone(x, own, {*result, *"".join(inputs[:k] + inputs[k + 1 :])})
        for k, (x, own) in enumerate(zip(arrays, inputs, strict=True))
    ]
    for chosen in _path(",".join(i for _, i in terms) + "->" + result, tuple(x.shape for x, _ in terms)):
        group = [terms.pop(k) for k in sorted(chosen, reverse=True)][::-1]
        while len(group) > 1:
            (a, of_a), (b, of_b) = group[:2]
            needed = {*result, *"".join(i for _, i in terms + group[2:])}
            last = not terms and len(group) == 2
            kept = result if last else "".join(i for i in dict.fromkeys(of_a + of_b) if i in needed)
            group[:2] = [(Einsum.apply(a, b, subscripts=f"{of_a},{of_b}->{kept}"), kept)]
        terms.append(group[0])
    y, indices = terms[0]
    return y if indices == result else np.transpose(y, [indices.index(i) for i in result])


def _in_letters(operands: Sequence[Any]) -> tuple[str, list[Array]]:
    """Return subscripts as a string, and the operands, from either calling convention."""
    if not operands:
        raise ValueError("einsum: got no operands, expected subscripts such as 'ij,jk->ik' and an array for each term")
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [arrayed(x) for x in operands[1:]]
    pairs = len(operands) // 2

    def letters(axes: Sequence[Any]) -> str:
        return "".join("..." if k is Ellipsis else ascii_letters[k] for k in axes)

    inputs = ",".join(letters(operands[2 * k + 1]) for k in range(pairs))
    result = f"->{letters(operands[-1])}" if len(operands) % 2 else ""
    return inputs + result, [arrayed(operands[2 * k]) for k in range(pairs)]


@lru_cache(maxsize=1024)
def _read(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str]:
    """Return each operand's indices and the result's, checked, with letters in place of an ellipsis."""
    written, arrow, result = subscripts.partition("->")
    inputs = written.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(f"einsum: got {len(shapes)} operands for the {len(inputs)} terms of {subscripts!r}")
    free = [len(shape) - len(own.replace("...", "")) for own, shape in zip(inputs, shapes, strict=True)]
    for own, shape, n in zip(inputs, shapes, free, strict=True):
        if n < 0 or (n and "..." not in own):
            raise ValueError(f"einsum: got an array of shape {shape} for the indices {own!r} of {subscripts!r}")
    dots = "".join([i for i in ascii_letters if i not in subscripts][: max(free)])
    if not arrow:
        named = written.replace("...", "").replace(",", "")
        result = "..." * ("..." in written) + "".join(sorted(i for i in set(named) if named.count(i) == 1))
    elif dots and "..." not in result:
        raise ValueError(f"einsum: the result of {subscripts!r} lacks the ellipsis that its operands have")
    inputs = [own.replace("...", dots[len(dots) - n :]) for own, n in zip(inputs, free, strict=True)]
    result = result.replace("...", dots)
    _check(inputs, result, shapes)
    return inputs, result


@lru_cache(maxsize=1024)
def _contraction(subscripts: str, shapes: tuple[Shape, ...]) -> str | None:
    """Return the subscripts of `Einsum`, where one contraction of two operands is all there is to do."""
    inputs, result = _read(subscripts, shapes)
    if len(inputs) != 2 or any(len(set(own)) < len(own) for own in inputs):
        return None
    a, b = map(set, inputs)
    return None if (a - b | b - a) - set(result) else f"{','.join(inputs)}->{result}"


def _check(inputs: Sequence[str], result: str, shapes: Sequence[Shape]) -> None:
    """Raise a ValueError if indices are not letters, or the lengths they denote differ."""
    lengths: dict[str, int] = {}
    for own, shape in zip(inputs, shapes, strict=True):
        for i, n in zip(own, shape, strict=True):
            if i not in ascii_letters:
                raise ValueError(f"einsum: got {i!r} among the subscripts, expected letters, ',', '...' and '->'")
            if n != 1 and lengths.setdefault(i, n) != n:
                raise ValueError(f"einsum: index {i!r} has length {lengths[i]} in one operand and {n} in another")
    if len(set(result)) != len(result) or not set(result) <= set("".join(inputs)):
        raise ValueError(f"einsum: got the result {result!r}, expected different indices that an operand has")


def _alone(x: Array, own: str, others: set[str]) -> tuple[Array, str]:
    """Return an operand reduced to its diagonals and summed over the indices that nothing else has."""
    while len(set(own)) < len(own):
        i = next(i for i in own if own.count(i) > 1)
        first = own.index(i)
        second = own.index(i, first + 1)
        x = diagonal_view(x, first, second)
        own = own[:first] + own[first + 1 : second] + own[second + 1 :] + i
    lone = tuple(k for k, i in enumerate(own) if i not in others)
    return (sum(x, axis=lone), "".join(i for i in own if i in others)) if lone else (x, own)


@lru_cache(maxsize=256)
def _path(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the order in which operands are contracted."""
    if len(shapes) < 3:
        return ((0, 1),) * (len(shapes) - 1)
    likes = [np.broadcast_to(0.0, shape) for shape in shapes]
    return tuple(np.einsum_path(subscripts, *likes, optimize="greedy")[0][1:])

"""Products of matrices and arrays: values as NumPy's, derivatives in both modes, and how the work is laid out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

from chainrule.core.tensor import value_of
from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.derivatives import grad, jvp, vjp
from chainrule.rules.linalg import products
from chainrule.rules.linalg.einsum import Einsum, einsum
from chainrule.rules.linalg.matmul import matmul

RNG = np.random.default_rng(0)


def array(*shape: int) -> Any:
    return RNG.uniform(-1.0, 1.0, shape)


def agree(f: Any, reference: Any, *xs: Any) -> None:
    """Assert the value of a multilinear `f`, its derivatives in both modes, and that these differentiate again."""
    y, pullback = vjp(f, *xs)
    expected = np.asarray(reference(*xs))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert np.shape(y) == expected.shape
    y_bar, dots = array(*expected.shape), [array(*np.shape(x)) for x in xs]
    x_bars = pullback(y_bar)
    # Multilinear: the derivative replaces one argument at a time.
    parts = [np.sum(y_bar * reference(*xs[:k], dot, *xs[k + 1 :])) for k, dot in enumerate(dots)]
    for x, x_bar, dot, part in zip(xs, x_bars, dots, parts, strict=True):
        assert np.shape(x_bar) == np.shape(x)
        np.testing.assert_allclose(np.sum(x_bar * dot), part, rtol=1e-10, atol=1e-10)
    y_dot = jvp(f, xs, dots)[1]
    np.testing.assert_allclose(np.sum(y_bar * y_dot), np.sum(parts), rtol=1e-10, atol=1e-10)
    step = 1e-5
    along = jvp(lambda *args: vjp(f, *args)[1](y_bar), xs, dots)[1]
    ahead = vjp(f, *(x + step * d for x, d in zip(xs, dots, strict=True)))[1](y_bar)
    behind = vjp(f, *(x - step * d for x, d in zip(xs, dots, strict=True)))[1](y_bar)
    for got, up, down in zip(along, ahead, behind, strict=True):
        np.testing.assert_allclose(value_of(got), (up - down) / (2 * step), rtol=1e-6, atol=1e-7)


lengths = st.integers(0, 3)


@st.composite
def matmul_shapes(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    n, k, m = draw(lengths), draw(lengths), draw(lengths)
    batch = draw(st.lists(st.integers(1, 3), max_size=2))

    def front() -> tuple[int, ...]:
        own = batch[draw(st.integers(0, len(batch))) :]
        return tuple(1 if draw(st.booleans()) else b for b in own)

    a = (k,) if draw(st.integers(0, 4)) == 0 else (*front(), n, k)
    b = (k,) if draw(st.integers(0, 4)) == 0 else (*front(), k, m)
    return a, b


@settings(max_examples=60, deadline=None)
@given(matmul_shapes())
def test_matmul(shapes: Any) -> None:
    agree(matmul, np.matmul, *(array(*shape) for shape in shapes))


def test_matmul_by_operator_and_numpy() -> None:
    a, b = array(2, 3), array(3, 2)
    expected = np.ones((2, 2)) @ b.T
    for f in (lambda x: (x @ b).sum(), lambda x: np.matmul(x, b).sum(), lambda x: x.dot(b).sum()):
        np.testing.assert_allclose(grad(f)(a), expected)
    np.testing.assert_allclose(grad(lambda x: (a @ x).sum())(b), a.T @ np.ones((2, 2)))


def test_matmul_with_a_list() -> None:
    np.testing.assert_allclose(grad(lambda x: (x @ [1.0, 2.0]).sum())(np.zeros((2, 2))), [[1.0, 2.0], [1.0, 2.0]])


@walked("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_are_kept(dtype: Any) -> None:
    a, b = array(2, 3, 4).astype(dtype), array(4, 5).astype(dtype)
    y, pullback = vjp(matmul, a, b)
    assert y.dtype == dtype
    assert [g.dtype for g in pullback(np.ones_like(y))] == [dtype, dtype]
    assert einsum("bij,jk->bk", a, b).dtype == dtype


def test_float16_is_computed_in_float32() -> None:
    ones = np.ones((1, 4096), np.float16)
    tiny = np.full((4096, 1), 2.0**-12, np.float16)
    assert matmul(ones, tiny)[0, 0] == 1.0
    assert einsum("ij,jk->ik", ones, tiny)[0, 0] == 1.0


@pytest.mark.parametrize(
    ("left", "right", "calls"),
    [
        # A batch times one matrix: the gradient of the matrix is one product, over all rows.
        ((5, 2, 3), (3, 4), [((10, 4), (4, 3)), ((3, 10), (10, 4))]),
        ((2, 3), (5, 3, 4), [((2, 20), (20, 3)), ((3, 2), (5, 2, 4))]),
    ],
)
def test_adjoints_are_single_products(left: Any, right: Any, calls: Any, monkeypatch: Any) -> None:
    y, pullback = vjp(matmul, array(*left), array(*right))
    seen = []
    original = np.matmul

    def spy(a: Any, b: Any) -> Any:
        seen.append((a.shape, b.shape))
        return original(a, b)

    monkeypatch.setattr(np, "matmul", spy)
    pullback(np.ones(y.shape))
    assert seen == calls


def test_matmul_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"matmul: .*float64\[2, 3\].*float64\[2, 3\]"):
        matmul(array(2, 3), array(2, 3))
    with pytest.raises(ValueError, match=r"matmul: got shapes \(\) and \(3,\)"):
        matmul(np.float64(2.0), array(3))


# einsum

SPECS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj->ki", (2, 3), (4, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ji", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iji->j", (3, 2, 3)),
    ("iii->i", (2, 2, 2)),
    ("i,i->", (3,), (3,)),
    ("i,j->ij", (3,), (2,)),
    ("i,ij->j", (3,), (3, 2)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ij->i", (1, 3), (2, 3)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("ik,j->j", (2, 3), (4,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
    ("...i,...i->...", (2, 1, 3), (4, 3)),
    ("i...,i...", (3, 2), (3, 2)),
    ("...ii->...i", (2, 3, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("ij,ij,ij->j", (2, 3), (2, 3), (2, 3)),
    ("ab,bc,cd,d->a", (2, 3), (3, 2), (2, 4), (4,)),
    (",i->i", (), (3,)),
    ("...,...->...", (2, 3), (3,)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
]


@walked("spec", SPECS, ids=[f"{s[0]}-{s[1:]}" for s in SPECS])
def test_einsum(spec: Any) -> None:
    subscripts, *shapes = spec
    xs = [array(*shape) for shape in shapes]
    agree(lambda *args: np.einsum(subscripts, *args), lambda *args: np.einsum(subscripts, *args), *xs)


@st.composite
def specs(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    sizes = {i: draw(st.integers(1, 3)) for i in "abcd"}
    terms = draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=3))
    known = sorted(set("".join(terms)))
    result = "".join(draw(st.permutations(known)))[: draw(st.integers(0, 4))]
    arrow = f"->{result}" if draw(st.booleans()) else ""
    return ",".join(terms) + arrow, [tuple(sizes[i] for i in term) for term in terms]


@settings(max_examples=80, deadline=None)
@given(specs())
def test_any_einsum(spec: Any) -> None:
    subscripts, shapes = spec
    xs = [array(*shape) for shape in shapes]
    agree(lambda *args: einsum(subscripts, *args), lambda *args: np.einsum(subscripts, *args), *xs)


def test_einsum_with_axis_numbers() -> None:
    a, b = array(2, 3), array(3, 2)
    np.testing.assert_allclose(einsum(a, [0, 1], b, [1, 2]), a @ b)
    np.testing.assert_allclose(einsum(a, [0, 1], b, [1, 2], [2, 0]), (a @ b).T)
    np.testing.assert_allclose(einsum(a, [..., 1], b.T, [..., 1]), np.einsum(a, [..., 1], b.T, [..., 1]))


def test_a_contraction_is_one_operation() -> None:
    x = EAGER.leaf(array(2, 3))
    node = einsum("ij,kj->ik", x, array(4, 3)).node
    assert node.op is Einsum
    assert node.parents == (x.node, None)


@walked(
    ("operands", "message"),
    [
        ((), "got no operands"),
        (("ij,jk", np.ones((2, 2))), "1 operands for the 2 terms"),
        (("ij", np.ones(2)), r"shape \(2,\) for the indices 'ij'"),
        (("i", np.ones((2, 2))), r"shape \(2, 2\) for the indices 'i'"),
        (("ij,jk->ik", np.ones((2, 3)), np.ones((2, 3))), "index 'j' has length 3 in one operand and 2"),
        (("ii->i", np.ones((2, 3))), "index 'i' has length 2 in one operand and 3"),
        (("i->ii", np.ones(2)), "result 'ii'"),
        (("i->j", np.ones(2)), "result 'j'"),
        (("i?", np.ones((2, 2))), "got '\\?'"),
        (("...i->i", np.ones((2, 2))), "lacks the ellipsis"),
    ],
)
def test_einsum_says_what_is_wrong(operands: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"einsum: .*{message}"):
        einsum(*operands)


# The others

CASES: list[tuple[str, Any, Any, list[tuple[int, ...]]]] = [
    *[
        ("dot", np.dot, {}, s)
        for s in ([(3,), (3,)], [(2, 3), (3,)], [(2, 3), (3, 2)], [(2, 3), (4, 3, 2)], [(), (2,)])
    ],
    *[("inner", np.inner, {}, s) for s in ([(3,), (3,)], [(2, 3), (4, 3)], [(2, 2, 3), (3,)], [(), (2, 2)])],
    *[("outer", np.outer, {}, s) for s in ([(3,), (2,)], [(2, 2), (3,)], [(0,), (2,)])],
    *[("vdot", np.vdot, {}, s) for s in ([(3,), (3,)], [(2, 2), (2, 2)])],
    *[("vecdot", np.vecdot, {}, s) for s in ([(3,), (2, 3)], [(2, 3), (2, 3)])],
    *[("kron", np.kron, {}, s) for s in ([(2,), (3,)], [(2, 3), (2, 2)], [(2,), (2, 3)], [(2, 1, 2), (3,)])],
    *[("cross", np.cross, {}, s) for s in ([(3,), (3,)], [(4, 3), (3,)], [(2, 1, 3), (4, 3)])],
    ("cross", np.cross, {"axis": 0}, [(3, 2), (3, 2)]),
    ("cross", np.cross, {"axisa": 0, "axisc": 0}, [(3, 2), (2, 3)]),
    ("linalg_cross", np.linalg.cross, {"axis": 0}, [(3, 2), (3, 2)]),
    ("tensordot", np.tensordot, {}, [(2, 3, 4), (3, 4, 2)]),
    ("tensordot", np.tensordot, {"axes": 0}, [(2,), (3,)]),
    ("tensordot", np.tensordot, {"axes": 1}, [(2, 3), (3,)]),
    ("tensordot", np.tensordot, {"axes": ([0, -1], [1, 0])}, [(2, 3, 4), (4, 2, 5)]),
    ("tensordot", np.tensordot, {"axes": (1, 0)}, [(2, 3), (3, 2)]),
]


@walked(("name", "function", "keywords", "shapes"), CASES)
def test_products(name: str, function: Any, keywords: Any, shapes: Any) -> None:
    own = getattr(products, name)
    xs = [array(*shape) for shape in shapes]
    agree(lambda *args: own(*args, **keywords), lambda *args: function(*args, **keywords), *xs)
    leaves = [jvp(lambda *args: function(*args, **keywords), xs, xs)[1]]  # by NumPy's own name
    np.testing.assert_allclose(leaves[0], 2 * function(*xs, **keywords), rtol=1e-12, atol=1e-12)


def test_multiply_outer() -> None:
    a, b = array(2, 3), array(4)
    agree(np.multiply.outer, np.multiply.outer, a, b)


def test_products_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="cross: got vectors of length 2 and 3"):
        products.cross(array(2), array(3))
    with pytest.raises(ValueError, match=r"tensordot: .* equal lengths"):
        products.tensordot(array(2, 3), array(2, 3), axes=1)
    with pytest.raises(ValueError, match="matrix_power: got shape"):
        products.matrix_power(array(2, 3), 2)
    with pytest.raises(TypeError, match="dot: out= is not supported"):
        products.dot(array(2), array(2), out=np.zeros(()))


@walked("shapes", [[(2, 3), (3, 4), (4, 2)], [(3,), (3, 4), (4, 2), (2,)], [(2, 3), (3,)]])
def test_multi_dot(shapes: Any) -> None:
    xs = [array(*shape) for shape in shapes]
    agree(lambda *a: products.multi_dot(a), lambda *a: np.linalg.multi_dot(a), *xs)


@walked("n", [0, 1, 2, 3, 7])
def test_matrix_power(n: int) -> None:
    a, direction = array(2, 3, 3), array(2, 3, 3)
    np.testing.assert_allclose(products.matrix_power(a, n), np.linalg.matrix_power(a, n), rtol=1e-12, atol=1e-14)
    step = 1e-6
    up, down = (np.linalg.matrix_power(a + s * direction, n) for s in (step, -step))
    y_dot = jvp(lambda x: products.matrix_power(x, n), (a,), (direction,))[1]
    np.testing.assert_allclose(y_dot, (up - down) / (2 * step), atol=1e-8)

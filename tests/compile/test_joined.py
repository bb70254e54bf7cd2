"""Products of all steps of a loop as one, however they are written, and results that are computed where they belong."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.compile.program import joined, passes
from chainrule.rules.arrays.join import Concatenate
from chainrule.rules.linalg.einsum import Einsum
from chainrule.rules.linalg.matmul import Matmul

from .test_passes import run, written

RNG = np.random.default_rng(0)


def recurrence(w: Any, v: Any, xs: Any, product: Any = lambda h, w: h @ w) -> Any:
    h, total = np.zeros((xs.shape[1], w.shape[0])), 0.0
    for x in xs:
        h = np.tanh(x @ v + product(h, w))
        total = total + np.sum(h * h)
    return total + np.sum(w)


def arrays(steps: int = 6, batch: int = 3, features: int = 4, hidden: int = 5) -> list[Any]:
    shapes = (hidden, hidden), (features, hidden), (steps, batch, features)
    return [RNG.normal(size=shape) for shape in shapes]


@pytest.fixture
def at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "LARGE", 0)
    monkeypatch.setattr(joined, "LARGE_TURNED", 0)


@pytest.mark.parametrize("product", [lambda h, w: h @ w, lambda h, w: np.einsum("bi,ij->bj", h, w)])
def test_the_products_of_all_steps_are_one(product: Any, at_any_size: None) -> None:
    given = arrays()
    program = written(lambda *a: cr.grad(lambda w, v, xs: recurrence(w, v, xs, product), (0, 1))(*a), *given)
    expected = run(program, *given)

    def count() -> int:
        return sum(i.op in (Matmul, Einsum) for i in program.instructions)

    before = count()
    passes.simplify(program)
    assert count() == before - 2 * 5  # of w and of v, for six steps each
    for found, other in zip(run(program, *given), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12)


def test_products_that_are_added_up_transposed_are_one(at_any_size: None) -> None:
    """What PyTorch's layers have, whose weights are `[out, in]`; here beside others that are not transposed."""

    def f(w: Any, v: Any, xs: Any) -> Any:
        h, total = np.zeros((xs.shape[1], w.shape[0])), 0.0
        for k, x in enumerate(xs):
            h = np.tanh(x @ v.T + (h @ w.T if k % 3 else h @ w))
            total = total + np.sum(h * h)
        return total

    rng = np.random.default_rng(1)
    given = [rng.normal(size=shape) for shape in ((5, 5), (5, 4), (8, 3, 4))]
    both = cr.value_and_grad(f, (0, 1))
    program = written(lambda *a: both(*a), *given)
    expected = run(program, *given)
    count = sum(i.op is Matmul for i in program.instructions)
    passes.simplify(program)
    after = sum(i.op is Matmul for i in program.instructions)
    assert after <= count - 7 - 4  # of v for eight steps; of w for the five that are transposed
    compiled = cr.compile(both)
    for found in (run(program, *given), cr.core.tree.flatten(compiled(*given))[0]):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.slow
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_recurrences_of_any_size_have_the_gradients_of_eager_ones(
    steps: int, batch: int, features: int, hidden: int, others: int
) -> None:
    """The weight is read transposed in most steps, and its product is added to itself in some."""

    def f(w: Any, xs: Any) -> Any:
        h, total = np.zeros((batch, hidden)), 0.0
        for k, x in enumerate(xs):
            both = np.concatenate([x, h], 1)
            h = np.tanh(both @ w.T) if k >= others else np.tanh(both @ w.T + both @ w.T)
            total = total + np.sum(h * h) + np.sum(np.sin(xs[k] * x))
        return total

    rng = np.random.default_rng(1)
    w, xs = rng.normal(size=(hidden, features + hidden)), rng.normal(size=(steps, batch, features))
    both = cr.value_and_grad(f, (0, 1))
    with mock.patch.object(joined, "LARGE_TURNED", 0):
        compiled = cr.compile(both)
        found = cr.core.tree.flatten(compiled(w, xs))[0]
    for one, other in zip(found, cr.core.tree.flatten(both(w, xs))[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_few_terms_and_many_rows_stay_as_they_are(at_any_size: None) -> None:
    for steps, batch in ((3, 3), (6, joined.SHORT)):
        program = written(lambda *a: cr.grad(recurrence, (0, 1))(*a), *arrays(steps, batch))
        passes.share_common(program)
        assert not joined.join_products(program)


def test_small_results_stay_as_they_are() -> None:
    program = written(lambda *a: cr.grad(recurrence, (0, 1))(*a), *arrays())
    passes.share_common(program)
    assert not joined.join_products(program)


@pytest.mark.parametrize(("kind", "steps", "bidirectional"), [("LSTM", 5, True), ("GRU", 4, False)])
def test_a_compiled_recurrent_layer_has_the_gradients_of_an_eager_one(
    kind: str, steps: int, bidirectional: bool, at_any_size: None
) -> None:
    net = getattr(nn, kind)(3, 4, bidirectional=bidirectional, dtype=np.float64)
    x = np.random.default_rng(steps).normal(size=(steps, 2, 3))

    def gradients(x: Any) -> list[Any]:
        for parameter in net.parameters():
            parameter.grad = None
        y, _ = net(x)
        loss = (y * np.cos(np.arange(y.shape[-1]))).sum()
        loss.backward()
        return [parameter.grad for parameter in net.parameters()]

    expected = [np.array(g.numpy()) for g in gradients(x)]
    compiled = cr.compile(gradients)
    for _ in range(2):
        for found, other in zip(compiled(x), expected, strict=True):
            np.testing.assert_allclose(found.numpy(), other, rtol=1e-10, atol=1e-12)


def test_what_changes_between_the_steps_is_read_before() -> None:
    memory = np.ones((3, 5))

    def f(w: Any, xs: Any) -> Any:
        total = 0.0
        for x in xs:
            total = total + (x * memory).T @ (x @ w)
        return total

    given = RNG.normal(size=(5, 5)), RNG.normal(size=(6, 3, 5))
    compiled = cr.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(compiled(*given), f(*given), rtol=1e-12)
        memory *= 2


def test_a_term_that_a_sum_has_twice_counts_twice(at_any_size: None) -> None:
    def products(w: Any, xs: Any) -> Any:
        total = np.zeros((4, 4))
        for x in xs:
            y = np.tanh(x @ w)
            product = y.T @ x
            total = total + (product + product)
        return total

    def rows(w: Any, xs: Any) -> Any:
        total = np.zeros(4)
        for x in xs:
            y = np.sum(np.tanh(x @ w), axis=0)
            total = total + (y + y)
        return total

    w, xs = RNG.normal(size=(4, 4)), RNG.normal(size=(6, 3, 4))
    for f in (products, rows):
        np.testing.assert_allclose(cr.compile(f)(w, xs), f(w, xs), rtol=1e-12)


def test_parts_are_computed_where_they_are_joined() -> None:
    def f(x: Any) -> Any:
        parts = [np.tanh(k * x) for k in range(1, 4)]
        whole = np.concatenate([x, *parts, parts[0][::-1]])
        return whole, parts[1] * 2, whole @ np.ones(4)

    x = RNG.normal(size=(3, 4))
    compiled = cr.compile(f)
    for found, expected in zip(compiled(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    (step,) = [s for s in compiled.plan.steps if s.op is Concatenate]
    assert step.joins
    assert len(step.copies) == 2  # the argument, and the view


def test_a_part_in_two_joints_is_copied_to_one_of_them() -> None:
    def f(x: Any) -> Any:
        a, b, c = np.exp(x), np.sin(x), np.cos(x)
        first = np.concatenate([a, b])
        return np.concatenate([first, c]), np.concatenate([b, b, c]), np.concatenate([a, a])

    x = RNG.normal(size=(2, 3))
    compiled = cr.compile(f)
    for _ in range(2):
        for found, expected in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_joints_of_joints_in_any_order(data: Any) -> None:
    """Random programs of joins, products and changes of what has been joined."""
    plan = [
        (data.draw(st.sampled_from(["join", "tanh", "add", "half"])), data.draw(st.integers(0, 99)),
         data.draw(st.integers(0, 99))) for _ in range(data.draw(st.integers(1, 10)))
    ]  # fmt: skip

    def f(x: Any) -> Any:
        made = [x, np.exp(x)]
        for what, k, j in plan:
            a, b = made[k % len(made)], made[j % len(made)]
            if what == "join" and len(a) + len(b) < 64:
                made.append(np.concatenate([a, b]))
            elif what == "add" and a.shape == b.shape:
                made.append(a + 2 * b)
            elif what == "half":
                made.append(np.sin(a[: (len(a) + 1) // 2]))
            else:
                made.append(np.tanh(a) / 2)
        return made[2:]

    x = np.linspace(-1, 1, 6).reshape(2, 3)
    compiled = cr.compile(f)
    for _ in range(2):
        for found, expected in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@walked("subscripts", [f"{a},{b}->{c}" for a in ("ij", "ji") for b in ("jk", "kj") for c in ("ik", "ki")])
def test_a_product_of_matrices_is_one_however_it_is_written(subscripts: str) -> None:
    sizes = {"i": 2, "j": 3, "k": 4}
    given = [RNG.normal(size=[sizes[x] for x in some]) for some in subscripts.split("->")[0].split(",")]
    program = written(lambda a, b: np.einsum(subscripts, a, b), *given)
    passes.simplify(program)
    assert Einsum not in {i.op for i in program.instructions}
    np.testing.assert_allclose(run(program, *given)[0], np.einsum(subscripts, *given), rtol=1e-14)


@walked(("subscripts", "shapes"), [
    ("ij,jk->ij", ((2, 3), (3, 4))), ("ij,jk->ik", ((2, 1), (3, 4))), ("ij,ij->ij", ((2, 3), (2, 3))),
    ("bij,bjk->bik", ((2, 2, 3), (2, 3, 4))), ("ij,kl->ik", ((2, 3), (4, 5))), ("ij,j->i", ((2, 3), (3,))),
])  # fmt: skip
def test_other_sums_stay_what_they_are(subscripts: str, shapes: Any) -> None:
    given = [RNG.normal(size=shape) for shape in shapes]
    compiled = cr.compile(lambda a, b: np.einsum(subscripts, a, b))
    expected = cr.numpy.einsum(subscripts, *given) if shapes[0] == (2, 1) else np.einsum(subscripts, *given)
    np.testing.assert_allclose(compiled(*given), expected, rtol=1e-14)


@pytest.mark.parametrize(("steps", "is_copied"), [(12, True), (6, False)])
def test_a_transpose_that_many_products_read_is_copied(steps: int, is_copied: bool) -> None:
    def f(w: Any, x: Any) -> Any:
        for _ in range(steps):
            x = np.tanh(x @ w.T)
        return x, w.T

    w, x = RNG.normal(size=(4, 4)), RNG.normal(size=(3, 4))
    compiled = cr.compile(lambda w, x: f(w, x)[0])
    for _ in range(2):
        np.testing.assert_allclose(compiled(w, x), f(w, x)[0], rtol=1e-12)
        w = w / 2
    assert ("transposed copy" in {step.name for step in compiled.plan.steps}) == is_copied
    both = cr.compile(f)  # what is returned stays a transpose
    for found, expected in zip(both(w, x), f(w, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("axes", [(0, 1), (-2, -1), (1, 0), (-1, -2)])
def test_only_what_swaps_the_axes_is_a_transpose(axes: tuple[int, int], at_any_size: None) -> None:
    def repeated(w: Any, xs: Any) -> Any:
        x, w = xs[0], np.transpose(w, axes)
        for _ in range(12):
            x = np.tanh(x @ w)
        return x

    def summed(w: Any, xs: Any) -> Any:
        return sum(np.transpose(a := np.tanh(x @ w), axes) @ (2 * a) for x in xs)

    w, xs = RNG.normal(size=(4, 4)), RNG.normal(size=(6, 4, 4))  # square, so that both orders fit
    for f in (repeated, summed):
        np.testing.assert_allclose(cr.compile(f)(w, xs), f(w, xs), rtol=1e-12)


def test_the_parts_of_a_split_array_are_views() -> None:
    def f(x: Any) -> Any:
        a, b, c = np.split(np.exp(x), [1, 3], axis=1)
        return np.tanh(b) * 2, a, c + 1

    x = RNG.normal(size=(3, 6))
    compiled = cr.compile(f)
    first = compiled(x)
    second = compiled(x + 1)
    for found, expected in zip((*first, *second), (*f(x), *f(x + 1)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    (step,) = [s for s in compiled.plan.steps if s.name == "split"]
    assert step.run is None

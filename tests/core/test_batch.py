"""Many directions in one pass give what one after the other gives: for every operation, in both modes."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import REGISTRY, Case, Operation, case
from chainrule.core.traces.tape import next_level
from chainrule.core.transforms import jacobians
from chainrule.core.transforms.batch import Batch, Batched, by_rows

from ..named import named


def is_shape(x: Any) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


def cases_of(op: type[Operation]) -> tuple[Case, ...]:
    count = len(op.arguments)
    return op.cases or (case(*[(2, 3)] * count), case(*((2, 1) if k % 2 else (3,) for k in range(count))))


OPERATIONS = [
    pytest.param(op, id=name)
    for name, op in sorted(REGISTRY.items())
    if op.kind != "constant" and op.__module__.startswith("chainrule.")
]
"""Each operation that has a derivative."""


def drawn(op: type[Operation], one: Case) -> list[Any]:
    rng = np.random.default_rng(0)
    args = list(one.inputs)
    names = op.arguments * len(args) if op.variadic else op.arguments
    for k, x in enumerate(args):
        if is_shape(x):
            low, high = op.domain.get(names[k], (-3.0, 3.0))
            low, high = max(low, min(-3.0, high - 6.0)), min(high, max(3.0, low + 6.0))
            args[k] = np.asarray(rng.uniform(low + (high - low) * 0.05, high - (high - low) * 0.05, x))
    return args


def moving(op: type[Operation], args: list[Any]) -> list[int]:
    names = op.arguments * len(args) if op.variadic else op.arguments
    return [k for k, x in enumerate(args) if names[k] in op.differentiable and getattr(x, "dtype", None) == np.float64]


def flat(tree: Any) -> list[Any]:
    return [np.asarray(x) for row in tree for x in row] if isinstance(tree[0], tuple) else [np.asarray(x) for x in tree]


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_in_both_modes(op: type[Operation], monkeypatch: pytest.MonkeyPatch) -> None:
    for one in cases_of(op):
        with named(one):
            in_both_modes(op, one, monkeypatch)


def in_both_modes(op: type[Operation], one: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    args = drawn(op, one)
    places = tuple(moving(op, args))

    def f(*args: Any) -> Any:
        y = op.apply(*args, **one.settings)
        return y if op.several else (y,)

    def jacobian_by(transform: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            return flat(transform(f, places)(*args))

    for transform in (cr.jacrev, cr.jacfwd):
        together = jacobian_by(transform)
        with monkeypatch.context() as patch:
            patch.setattr(jacobians, "BATCH_ELEMENTS", 1)
            singly = jacobian_by(transform)
        for a, b in zip(together, singly, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def network(x: Any) -> Any:
    rng = np.random.default_rng(1)
    for shape in ((4, 6), (6, 5), (5, 3)):
        x = np.tanh(cr.nn.functional.linear(x, rng.normal(size=shape), rng.normal(size=shape[1])))
    return cr.softmax(x)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4,), (2, 4)])
def test_a_network_to_second_order(shape: Any, monkeypatch: pytest.MonkeyPatch, jax: Any) -> None:
    import jax.numpy as jnp

    def same(x: Any) -> Any:
        rng = np.random.default_rng(1)
        for size in ((4, 6), (6, 5), (5, 3)):
            x = jnp.tanh(x @ rng.normal(size=size) + rng.normal(size=size[1]))
        return jax.nn.softmax(x)

    x = np.random.default_rng(0).normal(size=shape)
    first, second = (jax.jit(f)(x) for f in (jax.jacrev(same), jax.jacfwd(jax.jacrev(same))))
    curvature = jax.jit(jax.hessian(lambda x: (same(x) ** 2).sum()))(x)
    for elements in (1, 40, 2**18):  # directions singly, a few together, all together
        monkeypatch.setattr(jacobians, "BATCH_ELEMENTS", elements)
        for outer in (cr.jacrev, cr.jacfwd):
            np.testing.assert_allclose(outer(network)(x), first, atol=1e-12)
            for inner in (cr.jacrev, cr.jacfwd):
                np.testing.assert_allclose(outer(inner(network))(x), second, atol=1e-12)
        np.testing.assert_allclose(cr.hessian(lambda x: (network(x) ** 2).sum())(x), curvature, atol=1e-12)


@pytest.mark.parametrize("transform", [cr.jacrev, cr.jacfwd])
def test_the_bits_of_the_loop_where_the_sums_are_exact(transform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of small integers are the same in every order, so nothing may differ at all."""
    matrix = np.random.default_rng(0).integers(-3, 4, (5, 4)).astype(float)

    def f(x: Any) -> Any:
        y = matrix @ (x * x) + x.sum()
        return np.concatenate([y[::-1] * y, (y[:, None] * x).sum(axis=0)]).reshape(3, 3).T

    x = np.array([1.0, -2.0, 3.0, 2.0])
    together = transform(f)(x)
    monkeypatch.setattr(jacobians, "BATCH_ELEMENTS", 1)
    np.testing.assert_array_equal(together, transform(f)(x))


def test_a_checkpoint_runs_again_once_for_all_rows() -> None:
    runs = []

    def block(x: Any) -> Any:
        runs.append(1)
        return np.tanh(x * x)

    x = np.linspace(0.1, 1.0, 5)
    np.testing.assert_allclose(cr.jacrev(cr.checkpoint(block))(x), np.diag(2 * x * (1 - np.tanh(x * x) ** 2)))
    assert len(runs) == 2


def test_the_rules_of_a_custom_operation_see_plain_arrays() -> None:
    seen = []

    @cr.custom
    def doubled(x: Any) -> Any:
        return 2 * x

    @doubled.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        seen.append(type(y_bar))
        return 2 * np.asarray(y_bar)

    @doubled.def_jvp
    def push(primals: Any, tangents: Any) -> Any:
        seen.append(type(tangents[0]))
        return 2 * np.asarray(tangents[0])

    for transform in (cr.jacrev, cr.jacfwd):
        np.testing.assert_array_equal(transform(lambda x: doubled(x * x))(np.arange(3.0)), np.diag([0.0, 4.0, 8.0]))
    assert seen == [np.ndarray] * 6


def test_blocks_share_no_memory() -> None:
    a, b = cr.jacrev(lambda a, b: a + b, (0, 1))(np.ones(3), np.ones(3))
    a += 1.0
    np.testing.assert_array_equal(b, np.eye(3))


def test_memory_is_bounded_by_chunks() -> None:
    n = 2_000  # all directions at once would be stacks of 32 MB, beside the result
    x = np.ones(n)
    cr.jacrev(np.tanh)(np.ones(3))
    tracemalloc.start()
    cr.jacrev(lambda x: np.tanh(np.tanh(np.tanh(x)))[:100])(x)
    peak = tracemalloc.get_traced_memory()[1]
    cr.jacfwd(lambda x: np.tanh(np.tanh(np.tanh(x)))[:100])(x)
    assert tracemalloc.get_traced_memory()[1] < 24e6
    tracemalloc.stop()
    assert peak < 24e6


def test_a_box_looks_like_one_of_its_values() -> None:
    batch = Batch(next_level(), 4)
    box = batch.box(np.arange(24.0).reshape(4, 2, 3))
    assert (box.shape, box.ndim, box.size, len(box), box.T.shape) == ((2, 3), 2, 6, 2, (3, 2))
    assert [row.shape for row in box] == [(3,), (3,)]
    assert isinstance(box.detach(), Batched)
    with pytest.raises(cr.GradientError, match="asked for a plain NumPy array"):
        np.asarray(box)
    assert batch.stack(np.ones(3)).shape == (4, 3)
    joined = batch.stack(np.concatenate([np.ones((2, 3)), box], axis=-1))
    np.testing.assert_array_equal(joined, np.concatenate([np.ones((4, 2, 3)), box._value], axis=-1))


def test_by_rows() -> None:
    batch = Batch(next_level(), 2)
    box = batch.box(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert by_rows(lambda y: y.sum(), np.ones(3)) == 3.0
    assert by_rows(lambda y, k: y * k, box, 2.0)._value.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    first, second = by_rows(lambda parts: (parts[0] + parts[1], None), (box, np.ones(2)))
    assert first._value.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert second is None

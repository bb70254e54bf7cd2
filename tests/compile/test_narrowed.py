"""Products of which a block is read compute that block alone."""

from typing import Any

import numpy as np
from tests.named import walked

import chainrule as cr
from chainrule.compile.program import passes
from chainrule.rules.linalg.matmul import Matmul

from .test_passes import run, written

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 6))


def products(f: Any, *given: Any) -> list[tuple[int, ...]]:
    """Return the shapes of a program's products once it is simplified, after comparing what it returns."""
    program = written(f, *given)
    expected = run(program, *given)
    passes.simplify(program)
    for found, other in zip(run(program, *given), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12)
    return [i.outputs[0].shape for i in program.instructions if i.op is Matmul]


@walked(("index", "shape"), [
    ((slice(None), slice(2, 5)), (5, 3)), (slice(1, 4), (3, 6)), ((slice(-3, None), slice(None, 2)), (3, 2)),
    (np.s_[:, -1:], (5, 1)), (np.s_[1:4:1, 0:6], (3, 6)),
])  # fmt: skip
@walked("turned", [False, True])
def test_only_the_block_that_is_read_is_computed(index: Any, shape: tuple[int, int], turned: bool) -> None:
    b = np.ascontiguousarray(B.T) if turned else B
    assert products(lambda a, b: np.tanh((a @ (b.T if turned else b))[index]), A, b) == [shape]


@walked("read", [
    lambda y: y[:, :2] * y[:, 2:4], lambda y: (y[:, :2], y), lambda y: y[:, ::2] * 2, lambda y: y[1] * 2,
    lambda y: y[:, 0:6] * 2, lambda y: y[[0, 2]] * 2, lambda y: y[:, 3:3] * 2, lambda y: y[None, :, 1:3] * 2,
])  # fmt: skip
def test_other_products_stay_whole(read: Any) -> None:
    assert products(lambda a, b: read(a @ b), A, B) == [(5, 6)]


def test_the_gradient_of_what_is_joined_with_a_constant_is_computed_by_itself() -> None:
    x = RNG.normal(size=(5, 3))

    def gradient(h: Any, w: Any) -> Any:
        return cr.grad(lambda h: np.sum(np.tanh(np.concatenate([x, h], axis=1) @ w) ** 2))(h)

    assert products(gradient, A, RNG.normal(size=(7, 6))) == [(5, 6), (5, 4)]

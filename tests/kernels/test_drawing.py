"""Dropout masks drawn by machine code are those of NumPy's generators."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.kernels.drawing import mask
from chainrule.kernels.native.tasks import run_all
from chainrule.nn.dropout import DropoutMask

pytest.importorskip("llvmlite", reason="machine code: pip install '.[fast]'")

KINDS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM]


@walked("kind", KINDS)
@walked("dtype", [np.float32, np.float64])
@walked("p", [0.1, 0.5, 0.999])
def test_masks_have_the_bits_of_numpy(kind: Any, dtype: Any, p: float) -> None:
    one, other = np.random.Generator(kind(3)), np.random.Generator(kind(3))
    out = np.empty((3, 7), dtype)
    made = mask(out, p, lambda: one)
    assert made is not None
    for _ in range(3):  # an odd number of halves of 64 bits each time
        assert made.ready()
        run_all([made.task])()
        np.testing.assert_array_equal(out, DropoutMask.primal(out, p=p, generator=other))
        assert one.random() == other.random()


def test_another_generator_is_taken_up() -> None:
    generators = [np.random.default_rng(1)]
    out = np.empty(5)
    made = mask(out, 0.5, lambda: generators[0])
    assert made is not None
    run = run_all([made.task])
    for seed in (1, 2):
        generators[0] = np.random.default_rng(seed)
        assert made.ready()
        run()
        np.testing.assert_array_equal(out, DropoutMask.primal(out, p=0.5, generator=np.random.default_rng(seed)))


def test_what_is_no_generator_of_numpys_is_asked_in_python() -> None:
    class Own:
        def random(self, shape: Any, dtype: Any) -> Any:
            return np.full(shape, 0.75, dtype)

    made = mask(np.empty(5), 0.5, Own)
    assert made is not None
    assert not made.ready()
    assert mask(np.empty(5, np.float16), 0.5, Own) is None
    assert mask(np.empty((5, 4)).T, 0.5, Own) is None


@pytest.mark.parametrize("own", [False, True])
def test_a_compiled_function_draws_what_it_draws_uncompiled(own: bool) -> None:
    found = []
    for compiles in (False, True):
        generator = np.random.default_rng(5) if own else None
        layer = nn.Dropout(0.4, generator)

        def f(x: Any, layer: Any = layer) -> Any:
            return layer(np.tanh(layer(x) + 1))

        g = cr.compile(f) if compiles else f
        cr.seed(1)
        values = [np.asarray(g(np.ones((4, 3)))) for _ in range(3)]
        cr.seed(1)
        values += [np.asarray(g(np.ones((4, 3)))), np.asarray(cr.rand(2))]
        found.append(values)
        if compiles:
            assert len(g.plan.calls) == 1
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)

"""Initial values: their moments, and what they are drawn from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn

SHAPE = (300, 200)
DEVIATIONS = {
    "kaiming": math.sqrt(2 / 300),
    "xavier": math.sqrt(2 / 500),
    "lecun": math.sqrt(1 / 300),
    "orthogonal": math.sqrt(1 / 300),
}


@walked(("name", "std"), DEVIATIONS.items())
def test_the_standard_deviation_is_the_papers(name, std):
    drawn = nn.init.BY_NAME[name](SHAPE)
    assert drawn.std() == pytest.approx(std, rel=0.02)
    assert abs(drawn.mean()) < 3 * std / math.sqrt(drawn.size)
    weight = nn.Linear(*SHAPE, init=name).weight
    assert weight.dtype == np.float32
    assert weight.numpy().std() == pytest.approx(std, rel=0.02)


@walked("name", ["kaiming", "xavier", "lecun"])
def test_uniform_has_the_same_variance_and_a_bound(name):
    drawn = nn.init.BY_NAME[name](SHAPE, distribution="uniform")
    assert drawn.std() == pytest.approx(DEVIATIONS[name], rel=0.02)
    assert abs(drawn).max() <= math.sqrt(3) * DEVIATIONS[name]
    doubled = nn.init.BY_NAME[name](SHAPE, gain=2.0)
    gain = math.sqrt(2) if name == "kaiming" else 1.0
    assert doubled.std() == pytest.approx(2 / gain * DEVIATIONS[name], rel=0.02)


def test_kaiming_keeps_the_mean_square_through_relu_layers():
    x = np.random.default_rng(0).standard_normal((200, 400))
    layers = [nn.Linear(400, 400) for _ in range(8)]
    for layer in layers:
        x = np.maximum(layer(x).numpy(), 0)
    assert (x**2).mean() == pytest.approx(1.0, rel=0.5)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.floats(0.1, 3.0))
def test_orthogonal_has_equal_singular_values(shape, gain):
    drawn = nn.init.orthogonal(shape, gain=gain)
    assert drawn.shape == tuple(shape)
    values = np.linalg.svd(drawn.reshape(shape[0], -1), compute_uv=False)
    np.testing.assert_allclose(values, gain, rtol=1e-10)


@walked("name", nn.init.BY_NAME)
def test_the_generator_decides(name):
    function = nn.init.BY_NAME[name]
    first, again = (function((3, 4), generator=np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    cr.seed(1)
    first = function((3, 4))
    assert (function((3, 4)) != first).any()
    cr.seed(1)
    np.testing.assert_array_equal(function((3, 4)), first)


@walked("name", nn.init.BY_NAME)
def test_a_parameter_is_filled_in_place(name):
    p = nn.Parameter(np.zeros((4, 3), np.float32))
    assert nn.init.BY_NAME[name](p) is p
    assert p.dtype == np.float32
    assert (p.numpy() != 0).all()


def test_the_kernel_counts_as_inputs():
    assert nn.init.kaiming((64, 32, 3, 3)).std() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.02)


WRONG = {
    "kaiming: fans: expected a shape of at least two axes": lambda: nn.init.kaiming((3,)),
    "orthogonal: fans": lambda: nn.init.orthogonal((3,)),
    "xavier: distribution": lambda: nn.init.xavier((3, 2), distribution="gauss"),
    "lecun: generator: expected a numpy.random.Generator": lambda: nn.init.lecun((3, 2), generator=3),
    "lecun: got dtype int64": lambda: nn.init.lecun((3, 2), dtype=np.int64),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError), match=message):
        call()

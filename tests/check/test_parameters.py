"""check_parameters finds what is wrong, and nothing where all is right."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.check import check_parameters
from chainrule.check.measuring.directional import derivative
from chainrule.core.random import default_generator


def data(samples: int = 12, features: int = 4, classes: int = 3):
    rng = np.random.default_rng(0)
    return rng.standard_normal((samples, features)), rng.integers(0, classes, samples)


def wrong_scale(factor: float = 1.0, at: tuple[int, ...] | None = None):
    """An identity whose gradient is multiplied by a factor, everywhere or in one element."""

    @cr.custom
    def through(x):
        return x * 1

    @through.def_vjp
    def backward(y_bar, x):
        weight = np.full(np.shape(x), factor if at is None else 1.0)
        if at is not None:
            weight[at] = factor
        return y_bar * weight

    return through


class Planted(nn.Module):
    """Two layers with an operation on the weight of the first."""

    def __init__(self, operation, activation=np.tanh) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)
        self.operation, self.activation = operation, activation

    def forward(self, x):
        hidden = self.activation(x @ self.operation(self.first.weight) + self.first.bias)
        return self.second(hidden)


ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid]


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_right_network_passes_far_below_the_threshold(activation, training):
    cr.seed(0)
    model = nn.Sequential(
        *(nn.Linear(4, 16), nn.BatchNorm1d(16), activation(), nn.Dropout(0.5)),
        *(nn.Linear(16, 16), nn.LayerNorm(16), activation(), nn.Linear(16, 3)),
    )
    result = check_parameters(model, nn.CrossEntropyLoss(), *data(), training=training)
    assert result.ok, str(result)
    assert result.worst < result.threshold / 10
    assert [(row.name, row.shape) for row in result.rows] == [(n, p.shape) for n, p in model.named_parameters()]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_relu_networks_pass_whatever_their_weights(seed):
    cr.seed(seed)
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    result = check_parameters(model, nn.CrossEntropyLoss(), *data(), seed=seed, directions=1, coordinates=1)
    assert result.ok, str(result)


@walked("factor", [-1.0, 0.0, 0.5, 1.001, 1.00001])
def test_a_wrong_factor_is_caught(factor):
    result = check_parameters(Planted(wrong_scale(factor)), nn.CrossEntropyLoss(), *data())
    assert [row.name for row in result.rows if not row.ok] == ["first.weight"]
    assert not result.ok
    assert result.worst == pytest.approx(abs(1 - factor) / max(1, abs(factor)), rel=1e-3)


def test_one_wrong_element_is_caught():
    result = check_parameters(Planted(wrong_scale(1.01, at=(2, 3))), nn.CrossEntropyLoss(), *data(), coordinates=0)
    assert [row.name for row in result.rows if not row.ok] == ["first.weight"]


def test_a_gradient_that_is_not_finite_is_caught():
    result = check_parameters(Planted(wrong_scale(math.nan, at=(0, 0))), nn.CrossEntropyLoss(), *data())
    (row,) = [row for row in result.rows if not row.ok]
    assert (row.name, row.note) == ("first.weight", "the gradient is not finite")
    assert result.worst == math.inf


def test_a_gradient_that_is_cut_is_caught():
    model = Planted(lambda weight: weight.detach())
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    (row,) = [row for row in result.rows if not row.ok]
    assert row.name == "first.weight"
    assert row.note == "the loss depends on it, but no gradient arrives"


def test_a_parameter_that_does_nothing_passes():
    model = Planted(lambda weight: weight)
    model.spare = nn.Parameter(np.ones(3))
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    assert result.ok, str(result)
    (spare,) = [row for row in result.rows if row.name == "spare"]
    assert spare.analytic == spare.numeric == 0


def test_a_kink_at_the_very_point_is_no_error():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    for parameter in model[0].parameters():
        parameter.data = np.zeros(parameter.shape)
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    assert result.ok, str(result)
    assert [row.note for row in result.rows[:2]] == ["checked a little aside"] * 2


@pytest.mark.parametrize("zeros", ["first", "second"])
def test_a_wrong_gradient_that_hides_at_zeros_is_an_error(zeros):
    model = Planted(wrong_scale(0.5), nn.functional.relu)
    for parameter in getattr(model, zeros).parameters():
        parameter.data = np.zeros(parameter.shape)
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    assert [row.name for row in result.rows if not row.ok] == ["first.weight"]


def test_a_loss_that_is_too_rough_is_not_called_right():
    def rounded(output, y):
        return nn.CrossEntropyLoss()(output.astype(np.float32), y)

    result = check_parameters(nn.Linear(4, 3), rounded, *data())
    assert "the loss is not smooth here" in {row.note for row in result.rows}
    assert not result.ok


def test_the_model_is_not_touched():
    cr.seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    nn.CrossEntropyLoss()(model(data()[0]), data()[1]).backward()
    before = model.state_dict()
    grads = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    drawn = default_generator().bit_generator.state
    check_parameters(model, nn.CrossEntropyLoss(), *data(), training=True)
    assert default_generator().bit_generator.state == drawn
    assert all(module.training for module in model.modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
        assert array.dtype == before[name].dtype
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad.numpy(), grads[name])


def test_tied_and_frozen_parameters():
    model = Planted(lambda weight: weight)
    model.again = model.first
    model.second.requires_grad_(False)
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    assert [row.name for row in result.rows] == ["first.weight", "first.bias"]
    assert result.ok, str(result)


def test_integer_inputs_and_a_shared_table():
    cr.seed(0)
    model = nn.Sequential(nn.Embedding(7, 5), nn.Flatten(), nn.Linear(10, 3))
    x = np.array([[0, 1], [1, 1], [6, 2]])
    result = check_parameters(model, nn.CrossEntropyLoss(), x, np.array([0, 1, 2]))
    assert result.ok, str(result)


def test_it_prints_as_a_table():
    result = check_parameters(Planted(wrong_scale(2.0)), nn.CrossEntropyLoss(), *data())
    lines = str(result).splitlines()
    assert lines[0].split() == ["parameter", "shape", "relative", "error", "note"]
    assert lines[1].split()[:4] == ["first.weight", "4×6", "5.0e-01", "WRONG"]
    assert lines[-1].startswith("1 of 4 gradients does not agree with numerical differentiation (threshold 1e-06).")
    assert result.to_dict()["rows"][0]["shape"] == [4, 6]


def test_what_it_says_to_call_names_the_cause():
    model, loss = Planted(wrong_scale(2.0)), nn.CrossEntropyLoss()
    x, y = data()
    call = "cr.check(lambda x: loss(model(x), y), x)"
    assert call in str(check_parameters(model, loss, x, y))
    found = cr.check(lambda x: loss(model(x), y), x).findings
    assert "first.weight" in found[0].argument, found


def test_a_rule_that_gives_nothing_is_no_direction():
    silent = cr.custom(lambda x: 2 * x)
    silent.def_vjp(lambda g, x: 0 * g)
    rows = check_parameters(Planted(silent), nn.CrossEntropyLoss(), *data()).rows
    assert {row.note for row in rows if not row.ok} == {"the loss depends on it, but no gradient arrives"}


def test_the_same_seed_gives_the_same_result():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    first, second = (check_parameters(model, nn.CrossEntropyLoss(), *data(), seed=4) for _ in range(2))
    assert first == second


def test_what_cannot_be_checked_says_so():
    x, y = data()
    with pytest.raises(ValueError, match="0 directions and 0 coordinates"):
        check_parameters(nn.Linear(4, 3), nn.CrossEntropyLoss(), x, y, directions=0, coordinates=0)
    with pytest.raises(ValueError, match="no parameters"):
        check_parameters(nn.Tanh(), nn.CrossEntropyLoss(), x, y)
    with pytest.raises(ValueError, match="the loss is nan"):
        check_parameters(nn.Linear(4, 3), lambda output, y: output.sum() * np.nan, x, y)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two evaluations of the same loss differ"):
        check_parameters(nn.Linear(4, 3), lambda output, y: output.sum() * rng.random(), x, y)


# The numerical derivative

SMOOTH = {
    "exp": (math.exp, 1.0),
    "sin": (lambda t: math.sin(3 * t + 1), 3 * math.cos(1)),
    "cube": (lambda t: (t + 2) ** 3, 12.0),
    "tanh": (lambda t: math.tanh(5 * t + 0.1), 5 / math.cosh(0.1) ** 2),
    "flat": (lambda t: 4.0, 0.0),
}


@walked("name", SMOOTH)
def test_the_derivative_of_a_smooth_function(name):
    f, expected = SMOOTH[name]
    found = derivative(f)
    assert abs(found.value - expected) <= 1e-10 * (1 + abs(expected))
    assert found.jump <= 1e-3 * (1 + abs(expected))


@given(st.floats(-1, 1), st.floats(-2, 2), st.floats(0.001, 1).flatmap(lambda d: st.sampled_from([d, -d])))
def test_a_kink_beside_the_point_is_forgotten(left, right, at):
    def f(t):
        return math.exp(t) + (right if t > at else left) * (t - at)

    expected = 1 + (right if at < 0 else left)
    assert derivative(f).value == pytest.approx(expected, abs=1e-7)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_a_kink_at_the_point_shows_its_two_slopes(left, right):
    found = derivative(lambda t: math.exp(t) + (right if t > 0 else left) * t)
    assert found.left == pytest.approx(1 + left, abs=1e-5)
    assert found.right == pytest.approx(1 + right, abs=1e-5)


def test_what_is_not_finite_has_no_derivative():
    found = derivative(lambda t: math.nan)
    assert math.isnan(found.value)
    assert found.error == math.inf


def confident(scale):
    """A classifier whose loss is nearly 0: the difference of two logarithms near `scale`."""
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].weight.data = np.vstack([np.eye(3), np.ones(3) / 7]) * scale
    model[0].bias.data = np.array([0.1, 0.2, -0.3]) * scale
    return model, np.hstack([np.eye(3), np.full((3, 1), 3.3)]), np.arange(3)


@walked("scale", [8, 16, 20, 24, 28])
def test_the_rounding_of_a_loss_near_zero_is_no_mistake(scale):
    model, x, y = confident(scale)
    assert check_parameters(model, nn.CrossEntropyLoss(), x, y).ok


def test_a_mistake_is_found_where_the_loss_is_near_zero():
    doubled = wrong_scale(2.0)
    model, x, y = confident(24)
    loss = nn.CrossEntropyLoss()
    assert not check_parameters(model, lambda output, y: loss(doubled(output), y), x, y).ok


def trained_to_the_end(seed: int = 72):
    """A classifier that is sure of every sample: a loss of 1e-12 is the difference of outputs around 100."""
    rng = np.random.default_rng(seed)
    wide, narrow = (int(rng.choice(widths)) for widths in ([16, 64, 256], [16, 128]))
    layers = [nn.Linear(64, wide, generator=rng), nn.ReLU(), nn.Linear(wide, narrow, generator=rng), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(narrow, 10, generator=rng))
    x = rng.standard_normal((64, 64)).astype(np.float32)
    model[4].weight.data = np.asarray(model[4].weight.data) * np.float32(10 ** rng.uniform(0.5, 2))
    outputs = np.asarray(model(x).data)
    second, first = np.sort(outputs, axis=1)[:, -2:].T
    surest = np.argsort(second - first)[rng.integers(0, 40) :][:16]
    return model, x[surest], outputs[surest].argmax(axis=1)


@pytest.mark.slow
def test_the_rounding_of_large_outputs_is_no_wrong_gradient():
    model, x, y = trained_to_the_end()
    result = check_parameters(model, nn.CrossEntropyLoss(), x, y, seed=72)
    assert result.loss < 1e-9
    assert result.ok, str(result)


def test_a_wrong_gradient_is_found_also_where_the_outputs_are_large():
    model = Planted(wrong_scale(1.001))
    model.second.weight.data = np.asarray(model.second.weight.data) * 100
    result = check_parameters(model, nn.CrossEntropyLoss(), *data())
    assert [row.name for row in result.rows if not row.ok] == ["first.weight"]


@pytest.mark.parametrize("mask", [-1e4, -1e9, -1e30, float(np.finfo(np.float64).min), -math.inf])
@pytest.mark.parametrize("factor", [2.0, 1.001, 1.00001])
def test_a_wrong_gradient_is_found_next_to_a_masked_output(factor, mask):
    class Masked(Planted):
        def forward(self, x):
            return np.where(np.array([True, True, False]), super().forward(x), mask)

    x, y = data(classes=2)
    assert check_parameters(Masked(wrong_scale()), nn.CrossEntropyLoss(), x, y).ok
    result = check_parameters(Masked(wrong_scale(factor)), nn.CrossEntropyLoss(), x, y)
    assert [row.name for row in result.rows if not row.ok] == ["first.weight"]


def test_an_output_that_the_loss_does_not_use_hides_no_mistake():
    class WithMore(Planted):
        def forward(self, x):
            return {"logits": super().forward(x), "steps": np.full(3, 1e12), "count": 7}

    def loss(output, y):
        return nn.CrossEntropyLoss()(output["logits"], y)

    assert check_parameters(WithMore(wrong_scale()), loss, *data()).ok
    assert not check_parameters(WithMore(wrong_scale(1.001)), loss, *data()).ok
    constant = check_parameters(
        WithMore(wrong_scale()), lambda output, y: cr.tensor(1.0, requires_grad=True) * 2, *data()
    )
    assert constant.ok


def test_a_function_that_a_module_keeps_uses_the_copy_under_check():
    class Block(nn.Module):
        def __init__(self, scale):
            super().__init__()
            first = self.first = nn.Linear(4, 3).double()
            self.called = lambda x: scale(first(x))

        def forward(self, x):
            return self.called(x)

    x, y = data()
    found = check_parameters(Block(wrong_scale()), nn.CrossEntropyLoss(), x, y)
    assert found.ok, found
    assert all(row.analytic != 0 for row in found.rows)
    assert not check_parameters(Block(wrong_scale(1.01)), nn.CrossEntropyLoss(), x, y).ok


def test_a_loss_that_refers_to_the_model_refers_to_the_copy():
    model = nn.Linear(4, 3)

    def loss(output, y):
        return nn.CrossEntropyLoss()(output, y) + 1e3 * (model.weight**4).sum()

    result = check_parameters(model, loss, *data())
    assert result.ok
    row = next(row for row in result.rows if row.name == "weight")
    assert abs(row.numeric) > 10, "the derivative of the penalty"

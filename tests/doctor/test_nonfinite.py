"""The first operation that makes a NaN or an infinity, forward and backward; and nothing while it is off."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.traces import shortcuts, tape
from chainrule.doctor import NonFiniteOperation


def tensor(*values):
    return cr.tensor(list(values), requires_grad=True, name="x")


def found(run):
    with pytest.raises(NonFiniteOperation) as caught, cr.detect_nonfinite():
        run()
    return caught.value


def test_forward_nan_with_its_line_inputs_and_history():
    x = tensor(1.0, 3.0, -2.0)

    def run():
        shifted = x - 2.0
        return np.log(shifted * 2.0).sum()

    error = found(run)
    assert (error.operation, error.direction, error.kind, error.index) == ("log", "forward", "NaN", (0,))
    assert error.source.text == "return np.log(shifted * 2.0).sum()"
    assert error.inputs == (("x", (3,), "-2.0"),)
    assert [step.split(",")[0] for step in error.history] == ["multiply", "subtract", "x"]
    assert "shifted" in str(error)


def test_forward_infinity_is_found_before_the_nan_that_follows():
    x = tensor(1.0, 0.0)
    error = found(lambda: (x / x.detach().sum() * (1 / x)).sum())
    assert (error.operation, error.kind, error.index) == ("divide", "infinity", (1,))


def test_backward():
    x = tensor(4.0, 0.0)
    error = found(lambda: np.sqrt(x).sum().backward())
    assert (error.operation, error.direction, error.kind, error.index) == ("sqrt", "backward", "infinity", (1,))
    assert ("y", (2,), "0.0") in error.inputs


def test_in_a_transform():
    error = found(lambda: cr.grad(lambda z: np.exp(1000 * z).sum())(np.ones(2)))
    assert error.operation == "exp"


def test_a_nan_in_the_data_is_said_to_have_come_in():
    x = tensor(1.0, 2.0)
    error = found(lambda: x * np.array([1.0, np.nan]))
    assert (error.operation, error.index) == ("multiply", (1,))
    assert "took in" in str(error)


def test_an_infinity_that_was_put_in_is_none_that_was_made():
    x = tensor(1.0, 2.0)
    with cr.detect_nonfinite():
        y = cr.softmax(np.where([True, False], x, -np.inf))
        y.sum().backward()
        assert np.isfinite(x.grad.numpy()).all()


def test_off_means_off_also_after_an_error_and_inside_another_block():
    engine = tape.record
    x = tensor(0.0)
    with cr.detect_nonfinite():
        with cr.detect_nonfinite():
            assert tape.record is not engine
        assert shortcuts.record is not engine
    assert tape.record is engine
    assert vars(shortcuts)["record"] is engine
    found(lambda: 1 / x)
    assert tape.record is engine
    with np.errstate(divide="ignore"):
        assert np.isinf((1 / x).numpy()).all()


def test_a_tape_recorded_inside_is_walked_without_a_look_outside():
    x = tensor(4.0, 0.0)
    with cr.detect_nonfinite():
        y = np.sqrt(x).sum()
    with np.errstate(divide="ignore"):
        y.backward()
    assert np.isinf(x.grad.numpy()[1])


def test_a_sound_step_gives_the_same_gradients():
    model, loss = nn.TransformerBlock(8, 2), nn.MSELoss()
    x = np.random.default_rng(0).normal(size=(2, 5, 8))

    def gradients():
        model.zero_grad()
        loss(model(x, causal=True), np.zeros((2, 5, 8))).backward()
        return [p.grad.numpy().copy() for p in model.parameters()]

    plain = gradients()
    with cr.detect_nonfinite():
        watched = gradients()
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_compiled_step_is_looked_at_operation_by_operation():
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    @cr.compile
    def step(x):
        w.grad = None
        loss = np.log(w * x).sum()
        loss.backward()
        return loss

    assert np.isfinite(float(step(np.ones(2))))
    with cr.detect_nonfinite(), pytest.raises(NonFiniteOperation, match="log: made the first infinity") as caught:
        step(np.array([1.0, 0.0]))
    assert caught.value.source.text == "loss = np.log(w * x).sum()"
    assert np.isfinite(float(step(np.ones(2))))

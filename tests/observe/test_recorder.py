"""The recorder: what ran, with inputs, values, gradients, modules and lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import InPlaceError
from chainrule.observe.backward import pull_back
from chainrule.observe.entry import Detached, Entry, leading_to, value_in
from chainrule.observe.recorder import Recorder

STEPS = {
    "tanh": np.tanh,
    "square": lambda x: x * x,
    "shifted": lambda x: x + 1.0,
    "rolled": lambda x: np.roll(x, 1),
    "split": lambda x: np.concatenate(np.split(x, 2)[::-1]),
    "sorted": np.sort,
    "detached": lambda x: x * cr.stop_gradient(x),
    "sign": lambda x: np.sign(x) * x,
}


def run(f, *values):
    """Return the tape of a function, and the entry of its result."""
    tape = Recorder()
    y = f(*(tape.enter(np.asarray(x), f"x{k}", tracked=True) for k, x in enumerate(values)))
    return tape, tape.entry_of(y)


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6))
def test_values_and_gradients_are_those_of_the_engine(names):
    def f(x):
        for name in names:
            x = STEPS[name](x)
        return np.sum(x)

    x = np.array([0.3, -0.7, 1.1, 0.2])
    tape, loss = run(f, x)
    pull_back(tape.entries, loss)
    assert loss.value == f(x)
    leaf = tape.entries[0]
    assert leaf.is_leaf
    assert leaf.name == "x0"
    np.testing.assert_array_equal(leaf.gradient, cr.grad(f)(x))
    for entry in tape.entries:
        if entry.op is None or isinstance(entry.value, tuple) or entry.gradient is None or entry is loss:
            continue
        if entry.arrived:  # what came back from each use adds up to the gradient
            np.testing.assert_allclose(sum(x_bar for _, _, x_bar in entry.arrived), entry.gradient)
    assert leaf in leading_to(loss)


def test_inputs_are_entries_or_the_plain_values_of_what_comes_from_outside():
    weight = cr.tensor(np.full(2, 3.0), requires_grad=True)
    tape, _ = run(lambda x: x * weight + 1.0, np.ones(2))
    leaf, product, total = tape.entries
    assert product.inputs[0] is leaf
    assert product.inputs[1] is weight._value
    assert total.inputs == (product, 1.0)
    np.testing.assert_array_equal(value_in(total.inputs[0]), product.value)
    assert total.tracked
    assert total.takes(product)
    assert not total.takes(leaf)


def test_every_operation_has_its_line_constant_ones_included():
    def f(x):
        mask = x > 0
        return np.where(mask, x, 0.0)

    tape, _ = run(f, np.ones(2))
    first = f.__code__.co_firstlineno
    lines = {entry.op.name: entry.source for entry in tape.entries if entry.op is not None}
    assert {name: (source.file, source.line) for name, source in lines.items()} == {
        "greater": (__file__, first + 1),
        "where": (__file__, first + 2),
    }


def test_an_operation_with_several_results_is_an_entry_with_parts():
    tape, loss = run(lambda x: np.sum(np.split(x, 2)[1]), np.arange(4.0))
    parts = [entry for entry in tape.entries if "part" in entry.settings]
    whole = parts[0].inputs[0]
    assert [part.is_part_of(whole) for part in parts] == [True] * len(parts)
    pull_back(tape.entries, loss)
    np.testing.assert_array_equal(tape.entries[0].gradient, [0.0, 0.0, 1.0, 1.0])


def test_a_detached_value_is_an_entry_without_a_gradient():
    tape, _ = run(lambda x: np.tanh(x) + np.tanh(x).detach(), np.ones(2))
    (detached,) = [entry for entry in tape.entries if entry.op is Detached]
    assert not detached.tracked
    assert detached.inputs[0].op.name == "tanh"


def test_modules_are_noted_and_the_one_that_fails_is_named():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    tape = Recorder()
    for path, module in model.named_modules():
        module.__dict__["forward"] = tape.announced(path, module)
    model(tape.enter(np.ones((1, 3), np.float32), "x", tracked=True))
    made = {entry.op.name: entry.module for entry in tape.entries if entry.op is not None}
    assert made["tanh"] == "1"
    assert {path for name, path in made.items() if name != "tanh"} == {"0"}
    assert tape.failed == ""
    with pytest.raises(ValueError, match="5"):
        model(tape.enter(np.ones((1, 5), np.float32), "x", tracked=True))
    assert tape.failed == "0"
    assert tape.path == ""


def test_a_value_that_was_changed_in_place_is_refused():
    constant = np.array([1.0, 2.0])
    tape, loss = run(lambda x: np.sum(x * constant), np.ones(2))
    constant[0] = 5.0
    with pytest.raises(InPlaceError, match="multiply"):
        pull_back(tape.entries, loss)


def test_what_is_written_into_later_is_another_entry():
    def f(x):
        y = x.copy()
        y[0] = 7.0
        return np.sum(y * x)

    tape, loss = run(f, np.array([2.0, 3.0]))
    pull_back(tape.entries, loss)
    np.testing.assert_array_equal(tape.entries[0].gradient, cr.grad(f)(np.array([2.0, 3.0])))
    assert isinstance(loss, Entry)


def test_the_run_is_that_of_any_tape():
    def f(x):
        with cr.no_grad():
            y = x * x
        return np.sum(y * x)

    tape, loss = run(f, np.array([2.0]))
    pull_back(tape.entries, loss)
    np.testing.assert_array_equal(tape.entries[0].gradient, cr.grad(f)(np.array([2.0])))

"""What a prompt and a notebook show of the objects that a person gets: a line or a table, never an address."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim


def objects():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
    model, loss = nn.Sequential(nn.Linear(3, 2)), nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    derivation = cr.explain(model, x, loss=loss, target=y)
    step = cr.compile(lambda x: (x * x).sum())
    step(x)
    yield from (model, model[0].weight, optimizer, derivation, derivation.steps[0], derivation["0.weight"])
    yield from (optim.lr_scheduler.StepLR(optimizer, 2), optim.lr_scheduler.ReduceLROnPlateau(optimizer))
    yield from (data.ArrayDataset(x, y), data.DataLoader((x, y), batch_size=4, shuffle=True, seed=0))
    yield from (cr.graph(model, x, loss=loss, target=y), cr.cost(lambda x: (x * x).sum(), x))
    yield cr.explain_grad("0.weight", model, x, loss=loss, target=y)
    yield cr.check(np.tanh, x, backward=lambda g, x: g)
    yield from (step, step.plan, step.plan.profile(2))
    yield cr.doctor(model, loss, [(x, y)], optimizer, try_remedies=False, steps=1)
    yield next(line for one in derivation.steps for line in one.lines)


@pytest.fixture(scope="module")
def displayed():
    return list(objects())


def test_no_object_is_shown_by_its_address_or_by_all_it_holds(displayed):
    for one in displayed:
        shown = repr(one)
        assert " at 0x" not in shown, shown
        assert "array(" not in shown, shown
        is_table = "\n" in shown
        assert is_table or len(shown) < 200, shown
        assert not shown.startswith(("'", '"')), shown


def test_what_a_notebook_shows_is_one_element_with_its_own_style(displayed):
    shown = [one._repr_html_() for one in displayed if hasattr(type(one), "_repr_html_")]
    assert len(shown) >= 10
    for html in shown:
        assert html.lstrip().startswith("<div")
        assert "<script" not in html
        assert "\\frac" not in html


def test_a_schedule_says_where_it_is():
    optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.5)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    schedule.step()
    assert repr(schedule) == "StepLR(SGD, 1 steps, lr=0.05)"


def test_a_step_of_a_derivation_is_its_equation():
    found = cr.explain(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    assert repr(found["x"]) == "<Step ∂L/∂x = 2 x>"
    assert repr(cr.check(np.tanh, 0.5, backward=lambda g, x: 2 * g)).startswith("<CheckReport of tanh: wrong (")

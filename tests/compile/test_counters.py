"""Numbers outside of a compiled function that the function itself changes: each replay changes them, too."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import named

import chainrule as cr
import chainrule.torch as torch
from chainrule import nn, optim
from chainrule.core.errors import CaptureError

X = np.linspace(-1, 1, 6).reshape(2, 3)


class State(SimpleNamespace):
    """Numbers that a function changes."""

    def __init__(self) -> None:
        super().__init__(n=0, t=2.0, written=0.0, inner={"k": 3, "r": 0.5}, values=[1, 2])


def counts(state: Any, x: Any) -> Any:
    state.n += 1
    return x * state.n


def counts_behind(state: Any, x: Any) -> Any:
    y = x * state.n
    state.n = state.n + 1
    return y


def in_a_dict(state: Any, x: Any) -> Any:
    state.inner["k"] += 2
    state.inner["r"] *= 0.9
    return x * state.inner["r"] + state.inner["k"]


def one_from_the_other(state: Any, x: Any) -> Any:
    state.n += 1
    state.t = state.t / (1 + 0.5 * state.n)
    return x + state.t


def unread(state: Any, x: Any) -> Any:
    state.n += 1
    return x * 2


def unread_result(state: Any, x: Any) -> Any:
    state.n += 1
    state.written = state.n / 2
    return x


def anneals(state: Any, x: Any) -> Any:
    state.n += 1
    return x * min(state.n / 4, 1.0) + max(state.n, 3)


def now_and_then(state: Any, x: Any) -> Any:
    state.n += 1
    if state.n % 3 == 0:
        state.t *= 0.5
    return x * state.t


def starts_again(state: Any, x: Any) -> Any:
    state.n = 0 if state.n > 2 else state.n + 1
    return x + state.n


def until_zero(state: Any, x: Any) -> Any:
    if state.inner["k"]:
        state.inner["k"] -= 1
    return x + state.inner["k"]


def exchanges(state: Any, x: Any) -> Any:
    state.t, state.inner["r"] = state.inner["r"], state.t
    return x * state.t


COUNTS: dict[str, Callable[[Any, Any], Any]] = {
    f.__name__: f
    for f in (
        *(
            counts,
            counts_behind,
            in_a_dict,
            one_from_the_other,
            unread,
            unread_result,
            anneals,
            now_and_then,
            starts_again,
        ),
        *(until_zero, exchanges),
    )
}


def test_each_replay_counts() -> None:
    for name, f in COUNTS.items():
        with named(name):
            mine, others = State(), State()
            compiled = cr.compile(lambda x, f=f, mine=mine: f(mine, x))
            for _ in range(9):
                np.testing.assert_allclose(compiled(X), f(others, X))
                assert mine == others
            assert all(type(getattr(mine, key)) is type(value) for key, value in vars(others).items())
            assert 1 <= sum(map(len, compiled.plans.values())) <= 6


def test_without_branches_there_is_one_plan() -> None:
    for f in (counts, counts_behind, in_a_dict, one_from_the_other, exchanges):
        with named(f):
            mine = State()
            compiled = cr.compile(lambda x, f=f, mine=mine: f(mine, x))
            for _ in range(3):
                compiled(X)
            mine.n, mine.t = 70, 5.0
            other = State()
            other.__dict__.update({**vars(mine), "inner": dict(mine.inner)})
            np.testing.assert_allclose(compiled(X), f(other, X))
            assert mine == other
            assert sum(map(len, compiled.plans.values())) == 1


PARTS = st.sampled_from(
    [
        lambda s: setattr(s, "n", s.n + 1),
        lambda s: setattr(s, "n", -s.n),
        lambda s: setattr(s, "t", s.t * 0.5 + s.n),
        lambda s: setattr(s, "t", min(s.t, 3.0)),
        lambda s: setattr(s, "n", 2 if s.n >= 3 else s.n),
        lambda s: s.inner.update(k=s.inner["k"] + s.n),
        lambda s: s.inner.__setitem__("k", s.inner["k"] + s.n % 2),
        lambda s: s.inner.__setitem__("r", s.inner["r"] / 2 if s.inner["k"] < 5 else s.t),
    ]
)


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_any_arithmetic_counts_as_the_function_does_or_is_refused(parts: list[Callable[[Any], Any]]) -> None:
    def f(state: Any, x: Any) -> Any:
        for part in parts:
            part(state)
        return x * state.t + state.n + state.inner["k"] * state.inner["r"]

    mine, others = State(), State()
    compiled = cr.compile(lambda x: f(mine, x))
    for _ in range(5):
        before = State()
        before.__dict__.update({**vars(mine), "inner": dict(mine.inner)})
        try:
            found = compiled(X)
        except CaptureError:
            assert mine == before
            return
        np.testing.assert_allclose(found, f(others, X))
        assert mine == others


class Counting(nn.Module):
    """A module with a weight and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.n = 0

    def forward(self, x: Any) -> Any:
        self.n += 1
        return self.layer(x) * (1 / self.n)


def test_a_training_step_counts_in_its_module() -> None:
    found = []
    for maker in (cr.compile, lambda f: f):
        cr.seed(0)
        model = Counting()
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        made = maker(step)
        losses = [float(made(X)) for _ in range(6)]
        model.n = 20
        found.append(([*losses, *(float(made(X)) for _ in range(3))], model.n))
    assert found[0][1] == found[1][1] == 23
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)


def test_a_torch_module_counts_and_anneals() -> None:
    class Annealed(torch.nn.Module):
        n = 0

        def forward(self, x: Any) -> Any:
            self.n += 1
            return torch.clamp(x * self.n, 0, 5) * min(self.n / 5, 1)

    mine, others = Annealed(), Annealed()
    mine.n = others.n = 0
    compiled = torch.compile(mine.forward, fullgraph=True)
    x = torch.tensor([1.0, -1.0, 2.0])
    for _ in range(8):
        assert torch.allclose(compiled(x), others(x))
        assert mine.n == others.n


def test_training_and_evaluation_share_a_counter() -> None:
    model = Counting()
    train = cr.compile(lambda x: model(x))
    evaluate = cr.compile(lambda x: model.layer(x) * model.n)
    for k in range(1, 6):
        train(X)
        np.testing.assert_allclose(evaluate(X).numpy(), model.layer(X).detach().numpy() * k, rtol=1e-6)
        assert model.n == k


def test_a_replay_that_fails_counts_once() -> None:
    state = State()

    def f(table: Any, index: Any) -> Any:
        state.n += 1
        return table[index] * state.n

    compiled = cr.compile(f)
    for _ in range(3):
        compiled(X, np.array([0, 1]))
    with pytest.raises(IndexError):
        compiled(X, np.array([0, 7]))
    assert state.n == 4
    np.testing.assert_allclose(compiled(X, np.array([1, 0])), X[::-1] * 5)


def index_by(state: Any, x: Any) -> Any:
    state.n += 1
    return x[state.n % 2]


def sums(state: Any, x: Any) -> Any:
    state.t += float(x.sum())
    return x * state.t


def in_a_list(state: Any, x: Any) -> Any:
    state.values[0] += 1
    return x * state.values[0]


def becomes_a_float(state: Any, x: Any) -> Any:
    state.n += 0.5
    return x * state.n


REFUSED: list[Callable[[Any, Any], Any]] = [index_by, sums, in_a_list, becomes_a_float]


def test_what_cannot_be_counted_is_refused_and_left_as_it_was() -> None:
    for f in REFUSED:
        with named(f):
            state = State()
            compiled = cr.compile(lambda x, f=f, state=state: f(state, x))
            for _ in range(3):
                with pytest.raises(CaptureError):
                    compiled(X)
                assert state == State()
                assert type(state.n) is int


def test_a_counter_of_the_class_counts_once_a_call() -> None:
    class Engines(nn.Module):
        n = 0

        def forward(self, x: Any) -> Any:
            self.n += 1
            return x * self.n

    class Torchs(torch.nn.Module):
        n = 0
        forward = Engines.forward

    for module, compiles, x in ((Engines(), cr.compile, X), (Torchs(), torch.compile, torch.ones(3))):
        f: Any = compiles(module)
        if compiles is cr.compile:
            with pytest.raises(CaptureError, match="n was changed"):
                f(x)
            assert "n" not in vars(module)
            module.n = 0
        else:
            with pytest.warns(UserWarning, match="runs uncompiled"):
                f(x)
            assert module.n == 1
            module.n = 0
        for k in range(1, 4):
            np.testing.assert_allclose(np.asarray(f(x)), np.asarray(x) * k)
            assert module.n == k


def test_what_the_package_reads_meanwhile_is_not_counted() -> None:
    class Norm(nn.BatchNorm1d):
        def forward(self, x: Any) -> Any:
            self.momentum *= 0.5
            return super().forward(x)

    norm = Norm(3)
    with pytest.raises(CaptureError):
        cr.compile(norm)(X)
    assert norm.momentum == 0.1
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=1.0)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        (weight * x).sum().backward()
        optimizer.param_groups[0]["lr"] *= 0.5
        optimizer.step()
        return x

    with pytest.raises(CaptureError):
        torch.compile(step, fullgraph=True)(torch.ones(3))
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_an_object_in_the_place_of_another_gives_its_own_number() -> None:
    settings = SimpleNamespace(rate=0.1)
    compiled = cr.compile(lambda x: x * settings.rate)
    for rate in (0.1, 0.2, 0.3):
        settings.rate = rate
        compiled(X)
    settings = SimpleNamespace(rate=0.2)
    np.testing.assert_allclose(compiled(X), X * 0.2)
    settings.rate = 0.7
    np.testing.assert_allclose(compiled(X), X * 0.7)


def test_a_comparison_with_a_drawn_number_is_refused() -> None:
    rng, state = np.random.default_rng(0), State()

    def f(x: Any) -> Any:
        state.n += 1
        return x if state.n + rng.random() > 1.5 else -x

    with pytest.raises(CaptureError):
        cr.compile(f)(X)
    assert state.n == 0

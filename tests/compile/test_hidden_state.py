"""What a function reads or changes besides its arguments: a replay follows it, or the capture says that it cannot."""

import random
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import CaptureError
from chainrule.core.random import default_generator
from chainrule.core.tensor import value_of
from chainrule.core.traces.tape import EAGER, Tape

from .worlds import World, batches, network

Pair = tuple[Callable[..., Any], Callable[[int], Any]]
"""A function, and what happens between its calls."""

SCALE = 1.0


def set_scale(k: int) -> None:
    global SCALE
    SCALE = k + 5.0


def helper(x: Any) -> Any:
    return x * SCALE


class Scaled(nn.Module):
    """A module with state of every sort."""

    def __init__(self, forward: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.number, self.array, self.settings, self.seen = 1.0, np.ones(3), {"a": 1.0}, [1.0]
        self.register_buffer("buffer", np.ones(3))
        self.f = forward

    def forward(self, x: Any) -> Any:
        return self.f(self, x)


def _module(forward: Callable[[Any, Any], Any], between: Callable[[Any, int], Any] = lambda m, k: None) -> Pair:
    module = Scaled(forward)
    return module, lambda k: between(module, k)


def _closure_number() -> Pair:
    s = 2.0

    def change(k: int) -> None:
        nonlocal s
        s += 1

    return lambda x: x * s, change


def _closure_array() -> Pair:
    a = np.ones(3)

    def change(k: int) -> None:
        nonlocal a
        a = np.full(3, k + 5.0)

    return lambda x: x * a, change


def _written_array() -> Pair:
    a = np.ones(3)
    return lambda x: x * a, lambda k: a.__setitem__(0, k + 5.0)


def _written_index() -> Pair:
    i = np.asarray([0, 1])
    return lambda x: x[i], lambda k: i.__setitem__(0, 2)


def _closure_dict() -> Pair:
    c = {"s": 1.0}
    return lambda x: x * c["s"], lambda k: c.__setitem__("s", k + 5.0)


def _closure_list() -> Pair:
    c = [1.0]
    return lambda x: x * c[0], lambda k: c.__setitem__(0, k + 5.0)


def _closure_object() -> Pair:
    c = types.SimpleNamespace(s=1.0)
    return lambda x: x * c.s, lambda k: setattr(c, "s", k + 5.0)


class _Owner:
    def __init__(self) -> None:
        self.s = 1.0

    def f(self, x: Any) -> Any:
        return x * self.s


def _bound_method() -> Pair:
    owner = _Owner()
    return owner.f, lambda k: setattr(owner, "s", k + 5.0)


def _defaults() -> Pair:
    def f(x: Any, s: float = 1.0) -> Any:
        return x * s

    return f, lambda k: setattr(f, "__defaults__", (k + 5.0,))


def _nested_function() -> Pair:
    def f(x: Any) -> Any:
        return (lambda y: y * SCALE)(x)

    return f, set_scale


def _tensor(f: Callable[[Any, Any], Any], value: Any = (1.0, 2.0, 3.0), **settings: Any) -> Callable[[], Pair]:
    def make() -> Pair:
        t = cr.tensor(np.asarray(value), **settings)
        return lambda x: f(t, x), lambda k: setattr(t, "data", np.full(t.shape, float(k % 2)))

    return make


def _gradient(f: Callable[[Any, Any], Any], first: bool) -> Callable[[], Pair]:
    def make() -> Pair:
        t = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
        if first:
            t.grad = np.ones(3)
        return lambda x: f(t, x), lambda k: setattr(t, "grad", np.full(3, k + 7.0))

    return make


def _generator(f: Callable[[Any, Any], Any]) -> Callable[[], Pair]:
    def make() -> Pair:
        generator = np.random.default_rng(0)
        return lambda x: f(generator, x), lambda k: None

    return make


def _counter() -> Pair:
    n = 0

    def f(x: Any) -> Any:
        nonlocal n
        n += 1
        return x * n

    return f, lambda k: None


def _appended() -> Pair:
    seen: list[int] = []

    def f(x: Any) -> Any:
        seen.append(1)
        return x * len(seen)

    return f, lambda k: None


def _global_numpy() -> Pair:
    np.random.seed(0)  # noqa: NPY002
    return lambda x: x * np.random.normal(size=3), lambda k: None  # noqa: NPY002


def _global_random() -> Pair:
    random.seed(0)
    return lambda x: x * random.random(), lambda k: None


def _replaced_layer() -> Pair:
    model = nn.Sequential(nn.ReLU(), nn.ReLU())
    return lambda x: model(x), lambda k: model.__setitem__(1, nn.Tanh()) if hasattr(model, "__setitem__") else None


def _hooked(at: int) -> Pair:
    layer = nn.ReLU()

    def change(k: int) -> None:
        if k == at:
            layer.register_forward_hook(lambda module, inputs, y: y * 2)

    if at == 0:
        change(0)
    return layer, change if at else lambda k: None


class _Caller:
    def __init__(self) -> None:
        self.s = 1.0

    def __call__(self, x: Any) -> Any:
        return x * self.s


def _count(self: Any, x: Any) -> Any:
    self.number += 1
    return x * self.number


def _rename(self: Any, x: Any) -> Any:
    self.number = f"{self.number}"
    return x


def _count_in_buffer(self: Any, x: Any) -> Any:
    self.buffer = self.buffer + 1
    return x * self.buffer


def _count_in_place(self: Any, x: Any) -> Any:
    self.buffer += 1
    return x * self.buffer


def _write_item(self: Any, x: Any) -> Any:
    self.buffer[0] = self.buffer[0] + 1
    return x * self.buffer


def _append(self: Any, x: Any) -> Any:
    self.seen.append(1.0)
    return x * len(self.seen)


STATES: dict[str, Callable[[], Pair]] = {
    "number in the closure": _closure_number,
    "array in the closure": _closure_array,
    "array written in place": _written_array,
    "index written in place": _written_index,
    "dict in the closure": _closure_dict,
    "list in the closure": _closure_list,
    "object in the closure": _closure_object,
    "object of a bound method": _bound_method,
    "defaults": _defaults,
    "global": lambda: (lambda x: x * SCALE, set_scale),
    "global of a helper": lambda: (lambda x: helper(x), set_scale),
    "global of a nested function": _nested_function,
    "tensor": _tensor(lambda t, x: x * t),
    "tensor as an array": _tensor(lambda t, x: x * np.asarray(t)),
    "tensor's numpy": _tensor(lambda t, x: x * t.numpy()),
    "tensor's data": _tensor(lambda t, x: x * t.data),
    "tensor as a list": _tensor(lambda t, x: x * t.tolist()[0]),
    "element as a float": _tensor(lambda t, x: x * float(t[0])),
    "number's float": _tensor(lambda t, x: x * float(t), 2.0),
    "number's int": _tensor(lambda t, x: x * int(t), 2.0),
    "number's item": _tensor(lambda t, x: x * t.item(), 2.0),
    "number as a condition": _tensor(lambda t, x: x if t else -x, 2.0),
    "number in a text": _tensor(lambda t, x: x * float(f"{t:.1f}"), 2.0),
    "integer as an index": _tensor(lambda t, x: x[t], 2),
    "integer as a range": _tensor(lambda t, x: x * sum(range(t)), 2),
    "parameter": _tensor(lambda t, x: (x * t).detach(), requires_grad=True),
    "parameter detached": _tensor(lambda t, x: x * t.detach(), requires_grad=True),
    "parameter detached, as an array": _tensor(lambda t, x: x * np.asarray(t.detach()), requires_grad=True),
    "parameter's numpy": _tensor(lambda t, x: x * t.numpy(), requires_grad=True),
    "parameter's item": _tensor(lambda t, x: x * t.item(), 2.0, requires_grad=True),
    "parameter as a condition": _tensor(lambda t, x: x if t else -x, 2.0, requires_grad=True),
    "gradient": _gradient(lambda t, x: x * t.grad, True),
    "gradient's numpy": _gradient(lambda t, x: x * t.grad.numpy(), True),
    "gradient at all": _gradient(lambda t, x: x * (1 if t.grad is None else 2), False),
    "generator": _generator(lambda g, x: x * g.normal(size=3)),
    "generator of an operation": _generator(lambda g, x: x * cr.random.normal(x * 0, 1.0, generator=g)),
    "global generator of NumPy": _global_numpy,
    "global generator of Python": _global_random,
    "default generator": lambda: (lambda x: x * default_generator().normal(size=3), cr.seed),
    "counter in the closure": _counter,
    "list that grows": _appended,
    "module's counter": lambda: _module(_count),
    "module's list that grows": lambda: _module(_append),
    "module's number": lambda: _module(lambda m, x: x * m.number, lambda m, k: setattr(m, "number", k + 5.0)),
    "module's array": lambda: _module(lambda m, x: x * m.array, lambda m, k: setattr(m, "array", np.full(3, k + 5.0))),
    "module's function": lambda: _module(lambda m, x: x, lambda m, k: setattr(m, "f", lambda m, x: x * 2)),
    "buffer": lambda: _module(lambda m, x: x * m.buffer, lambda m, k: m.buffer.__setitem__(0, k + 5.0)),
    "buffer replaced": lambda: _module(
        lambda m, x: x * m.buffer, lambda m, k: setattr(m, "buffer", np.full(3, k + 5.0))
    ),
    "buffer as a condition": lambda: _module(
        lambda m, x: x if m.buffer[0] > 3 else -x, lambda m, k: m.buffer.fill(k + 1)
    ),
    "buffer that counts": lambda: _module(_count_in_buffer),
    "buffer that counts in place": lambda: _module(_count_in_place),
    "buffer written at an index": lambda: _module(_write_item),
    "layer replaced": _replaced_layer,
    "hook": lambda: _hooked(0),
    "hook added": lambda: _hooked(1),
    "object that is called": lambda: (caller := _Caller(), lambda k: setattr(caller, "s", k + 5.0)),
    "elements counted": lambda: (lambda x: np.flatnonzero(x < 2.5) * 1.0, lambda k: None),
    "elements found": lambda: (lambda x: np.nonzero(x < 2.5)[0] * 1.0, lambda k: None),
    "elements found, with axes": lambda: (lambda x: np.argwhere(x < 2.5) * 1.0, lambda k: None),
    "elements by a mask": lambda: (lambda x: x[x < 2.5], lambda k: None),
    "elements by a mask of three": lambda: (lambda x: np.where(x < 2.5)[0], lambda k: None),
    "elements compressed": lambda: (lambda x: np.compress(x < 2.5, x), lambda k: None),
    "elements extracted": lambda: (lambda x: np.extract(x < 2.5, x), lambda k: None),
    "elements that differ": lambda: (lambda x: np.unique(np.floor(x / 2)), lambda k: None),
    "elements repeated": lambda: (lambda x: np.repeat(x, x.astype(np.int64)), lambda k: None),
}


def _run(make: Callable[[], Pair], compiles: bool) -> list[list[float]]:
    set_scale(-4)
    f, change = make()
    g = cr.compile(f) if compiles else f
    found = []
    for k in range(4):
        found.append(np.asarray(value_of(g(np.arange(3.0) + k))).round(9).tolist())
        change(k)
    return found


@walked("name", STATES)
def test_nothing_is_silently_frozen(name: str) -> None:
    expected = _run(STATES[name], False)
    try:
        got = _run(STATES[name], True)
    except CaptureError as error:
        assert str(error).startswith("compile: ")  # noqa: PT017
        return
    assert got == expected


def test_a_number_made_inside_counts_as_it_was_when_it_was_used(compiled_ways: str) -> None:
    """An array without axes can be changed after its use, and a replay reads nothing that is changed later."""

    def f(x: Any) -> Any:
        factor, place = np.array(1.0), np.array(1)
        y, z = np.tanh(x * factor), x[place]
        factor += 1
        place -= 1
        return y, x * factor, x @ x + factor, z, x[place]

    compiled = cr.compile(f)
    for k in range(3):
        x = np.arange(3.0) + k
        for found, expected in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


LOOKS: dict[str, Callable[[Any], Any]] = {
    "if": lambda x: x if x.sum() > 0 else -x,
    "while": lambda x: next(x for _ in iter(int, 1) if not x.sum() > 0),
    "and": lambda x: x.all() and x,
    "float": lambda x: x * float(x.sum()),
    "int": lambda x: x[int(x.sum())],
    "item": lambda x: x * x.sum().item(),
    "range": lambda x: range(x.astype(np.int64).sum()),
    "max": lambda x: max(x[0], x[1]),
    "sorted": lambda x: sorted(x),
    "in": lambda x: 1.0 in x,
    "np.asarray": lambda x: np.asarray(x),
    "np.array": lambda x: np.array(x),
    "np.array of parts": lambda x: np.array([x[0], x[1]]),
    "print": lambda x: print(x),
    "repr": lambda x: repr(x),
    "str": lambda x: str(x),
    "format": lambda x: f"{x.sum():.2f}",
    "tolist": lambda x: x.tolist(),
    "mask": lambda x: x[x > 0],
    "unique": lambda x: np.unique(x),
    "equality": lambda x: x if np.array_equal(x, x) else -x,
    "if in a gradient": lambda x: cr.grad(lambda y: y.sum() if y.sum() > 0 else -y.sum())(x),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_at_a_value_names_the_line_and_what_to_do(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CaptureError) as caught:
        cr.compile(LOOKS[name])(np.ones(3))
    message = str(caught.value)
    assert message.startswith("compile: ")
    assert f"{__file__}:{LOOKS[name].__code__.co_firstlineno}" in message
    assert "; " in message
    assert " at at " not in message
    assert not capsys.readouterr().out
    assert type(EAGER) is Tape


def test_a_change_of_a_module_is_named() -> None:
    module = Scaled(_rename)
    with pytest.raises(CaptureError, match=r"Scaled\.number was changed.*register_buffer"):
        cr.compile(module)(np.ones(3))


def test_a_result_of_before_is_refused() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    y = w * 2
    with pytest.raises(CaptureError, match="the result of multiply, computed before the function was called"):
        cr.compile(lambda x: y * x)(np.ones(2))


FAILING: dict[str, Callable[[World, Any, Any], Any]] = {
    "a look": lambda world, x, y: float(world.train_step(x, y)),
    "an exception": lambda world, x, y: (world.train_step(x, y), 1 // 0),
    "a wrong shape": lambda world, x, y: (world.train_step(x, y), x @ x),
    "a module's counter": lambda world, x, y: (world.train_step(x, y), setattr(world.model, "count", np.float64(1))),
    "a draw": lambda world, x, y: (world.train_step(x, y), default_generator().normal()),
}


@walked("name", FAILING)
@walked("has_grads", [False, True])
def test_a_failed_capture_leaves_the_world_as_it_was(name: str, has_grads: bool) -> None:
    world = World(network(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU()))
    world.optimizer = optim.Adam(world.model.parameters(), lr=0.1)
    if has_grads:
        world.loss(world.model(batches(1)[0][0]), batches(1)[0][1]).backward()
    before = world.state()
    grads = [p.grad for p in world.model.parameters()]
    compiled = cr.compile(lambda x, y: FAILING[name](world, x, y))
    for _ in range(2):
        with pytest.raises((CaptureError, ZeroDivisionError, ValueError)):
            compiled(*batches(1)[0])
    for key, value in world.state().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    assert [p.grad for p in world.model.parameters()] == grads
    assert type(EAGER) is Tape
    assert not compiled.plans
    # And the function still runs as it is.
    world.train_step(*batches(1)[0])


def test_a_capture_alone_changes_nothing_but_one_call() -> None:
    """The first call is one step, not two."""
    cr.seed(0)
    world = World(network(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU()))
    world.optimizer = optim.Adam(world.model.parameters(), lr=0.1)
    cr.compile(world.step)(*batches(1)[0])
    assert {state["step"] for state in world.optimizer.state.values()} == {1}


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)], ids=["plain", "smooth"]
)
def test_a_class_out_of_range_is_an_error_as_eagerly(loss: Any, compiled_ways: str) -> None:
    world = World(network())
    world.optimizer = optim.Adam(world.model.parameters(), lr=0.1)
    world.loss = loss
    step = cr.compile(world.step)
    (x, y), (_, wrong) = batches(2)
    step(x, y)
    before = world.state()
    for bad in (-1, 3, 99):
        wrong[2] = bad
        messages = []
        for f in (world.step, step):
            with pytest.raises((IndexError, ValueError)) as caught:
                f(x, wrong)
            messages.append((caught.type, str(caught.value)))
            for key, value in world.state().items():
                if not key.startswith("grad."):
                    np.testing.assert_array_equal(value, before[key], err_msg=key)
        assert messages[0] == messages[1]
    step(x, y)
    assert world.optimizer.state_dict()["state"][0]["step"] == 2


def test_a_class_out_of_range_at_the_first_call() -> None:
    world = World(network())
    (x, y) = batches(1)[0]
    y[0] = 7
    messages = []
    for f in (world.step, cr.compile(world.step)):
        with pytest.raises((IndexError, ValueError)) as caught:
            f(x, y)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_an_index_out_of_range_is_an_error_as_eagerly() -> None:
    def f(x: Any, i: Any) -> Any:
        return x[i] * 2

    compiled = cr.compile(f)
    compiled(np.ones(3), np.asarray([0, 1]))
    messages = []
    for g in (f, compiled):
        with pytest.raises(IndexError) as caught:
            g(np.ones(3), np.asarray([0, 3]))
        messages.append(str(caught.value))
    assert messages[0] in messages[1] or messages[1] in messages[0]


def test_gradients_that_are_not_finite_raise_and_change_nothing() -> None:
    world = World(network())

    def step(x: Any, y: Any) -> Any:
        world.optimizer.zero_grad()
        value = world.loss(world.model(x), y)
        value.backward()
        optim.clip_grad_norm_(world.model.named_parameters(), 1.0)
        world.optimizer.step()
        return value

    compiled = cr.compile(step)
    x, y = batches(1)[0]
    compiled(x, y)
    bad = x.copy()
    bad[0, 0] = np.nan
    before = world.model.state_dict()
    for f in (step, compiled):
        with np.errstate(all="ignore"), pytest.raises(cr.GradientError, match=r"gradient of 0\.weight is NaN"):
            f(bad, y)
        for key, value in world.model.state_dict().items():
            np.testing.assert_array_equal(value, before[key])
    compiled(x, y)


def test_an_error_after_an_effect_is_not_run_a_second_time() -> None:
    """The function must not run as it is after a replay has acted: the step would happen twice."""
    world = World(network())
    table = cr.tensor(np.arange(3.0))

    def step(x: Any, y: Any, i: Any) -> Any:
        return world.train_step(x, y), cr.numpy.take(table, i, axis=0)

    compiled = cr.compile(step)
    x, y = batches(1)[0]
    for i in ([0], [1]):
        compiled(x, y, np.asarray(i))
    twin = World(network())
    twin.model.load_state_dict(world.model.state_dict())
    twin.train_step(x, y)
    with pytest.raises(IndexError):
        compiled(x, y, np.asarray([5]))
    kept = world.model.state_dict()
    before_or_after = [np.allclose(kept[k], v, atol=1e-5) for k, v in twin.model.state_dict().items()]
    assert all(before_or_after) or not any(before_or_after)


@pytest.mark.parametrize("kind", [np.random.RandomState, random.Random])
def test_generators_of_older_kinds_are_noticed_and_put_back(kind: Any) -> None:
    """Where nothing can stand for a generator, as in a tuple: a replay would use the same numbers again."""
    generator, same = kind(3), kind(3)
    held = (generator,)

    def f(x: Any) -> Any:
        return x + held[0].random()

    with pytest.raises(CaptureError, match="drew random numbers from held"):
        cr.compile(f)(np.ones(2))
    assert generator.random() == same.random()


def test_a_module_that_code_has_made_may_change() -> None:
    made = types.ModuleType("made")
    exec("import numpy as np\nfactor = 2.0\ndef act(x): return np.tanh(x) * factor\n", vars(made))
    compiled = cr.compile(lambda x: made.act(x))
    x = np.arange(3.0)
    np.testing.assert_allclose(compiled(x), np.tanh(x) * 2)
    made.factor = 3.0
    np.testing.assert_allclose(compiled(x), np.tanh(x) * 3)
    made.act = np.sin
    np.testing.assert_allclose(compiled(x), np.sin(x))


HELD = np.arange(1.0, 7.0).reshape(2, 3)
WRITES_FROM_OUTSIDE: dict[str, Callable[[], Any]] = {
    "a view by a function": lambda: np.moveaxis(HELD, 0, -1).__imul__(2),
    "a part": lambda: np.split(HELD, 2)[0].fill(3),
    "a view by a method": lambda: HELD.ravel().__iadd__(2),
    "out=": lambda: np.add(np.ravel(HELD), 1, out=np.ravel(HELD)),
    "out, by its position": lambda: np.clip(HELD, 0, 2, HELD),
    "the same memory": lambda: np.asarray(HELD).__iadd__(1),
    "the same order": lambda: np.ascontiguousarray(HELD).__iadd__(1),
    "elements": lambda: HELD.flat.__setitem__(0, 9.0),
    "an iterator": lambda: [x.__iadd__(1) for x in np.nditer(HELD, op_flags=["readwrite"])],  # type: ignore[list-item]
    "a buffer": lambda: np.frombuffer(HELD).__iadd__(1),  # type: ignore[call-overload]
    "strides": lambda: np.lib.stride_tricks.as_strided(HELD, (2,), (8,)).__iadd__(1),
}


def test_a_write_into_an_array_from_outside_is_refused_and_undone() -> None:
    before = HELD.copy()
    for name, write in WRITES_FROM_OUTSIDE.items():

        def f(x: Any, write: Any = write) -> Any:
            write()
            return x * 2

        with named(name):
            with pytest.raises(CaptureError, match="wrote into"):
                cr.compile(f)(np.ones(2))
            np.testing.assert_array_equal(HELD, before)

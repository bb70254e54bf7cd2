"""Compiled functions among others: in transforms, differentiated from outside, as objects."""

import contextlib
import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import CaptureError, GradientError

from ..named import named
from .test_functions import cube, some
from .worlds import World, arrays, batches, compare, network

RNG = np.random.default_rng(0)


def test_a_compiled_function_inside_a_compiled_function() -> None:
    inner = cr.compile(lambda x: np.sin(x) * 2)
    outer = cr.compile(lambda x: inner(x) + inner(x * 2))
    for (x,) in some(3):
        np.testing.assert_allclose(outer(x), np.sin(x) * 2 + np.sin(x * 2) * 2)
    assert not inner.plans
    assert len(outer.plans) == 1


@walked("transform", [cr.grad, cr.value_and_grad, cr.hessian, cr.jacobian])
def test_a_compiled_function_inside_a_transform(transform: Any) -> None:
    compiled = cr.compile(cube)
    for (x,) in some(3):
        for a, b in zip(arrays(transform(compiled)(x)), arrays(transform(cube)(x)), strict=True):
            np.testing.assert_allclose(a, b)


def test_jvp_and_hvp_of_a_compiled_function() -> None:
    compiled = cr.compile(cube)
    x, v = np.arange(3.0), np.ones(3)
    np.testing.assert_allclose(cr.jvp(compiled, (x,), (v,)), cr.jvp(cube, (x,), (v,)))
    for a, b in zip(arrays(cr.hvp(compiled, (x,), (v,))), arrays(cr.hvp(cube, (x,), (v,))), strict=True):
        np.testing.assert_allclose(a, b)


def test_a_compiled_function_in_a_checkpoint() -> None:
    compiled = cr.compile(np.sin)
    np.testing.assert_allclose(cr.grad(lambda x: cr.checkpoint(compiled)(x).sum())(np.ones(2)), np.cos(np.ones(2)))


def test_a_model_that_is_differentiated_from_outside() -> None:
    def make() -> World:
        world = World(network())
        world.step = world.model
        return world

    def drive(step: Any, world: World) -> Any:
        for x, y in batches(4):
            world.optimizer.zero_grad()
            value = world.loss(step(x), y)
            value.backward()
            world.optimizer.step()
            yield value

    compiled = compare(make, drive)
    assert len(compiled.plans) == 1
    assert isinstance(compiled.model if hasattr(compiled, "model") else compiled.function, nn.Module)


def test_a_model_with_dropout_and_batch_norm_differentiated_from_outside() -> None:
    def make() -> World:
        world = World(network(nn.BatchNorm1d(6), nn.Dropout(0.4), nn.ReLU()))
        world.step = lambda x: world.model(x)
        return world

    def drive(step: Any, world: World) -> Any:
        for k, (x, y) in enumerate(batches(6)):
            world.model.train(k != 3)
            world.optimizer.zero_grad()
            value = world.loss(step(x), y)
            if k != 4:
                value.backward()
                world.optimizer.step()
            yield value

    compare(make, drive)


def test_arguments_that_require_a_gradient() -> None:
    def f(x: Any, y: Any) -> Any:
        return (x * y).sum(), np.sin(x)

    compiled = cr.compile(f)
    for _ in range(3):
        found = []
        x0, y0 = RNG.normal(size=3), RNG.normal(size=3)
        for g in (f, compiled):
            x, y = cr.tensor(x0, requires_grad=True), cr.tensor(y0)
            total, sines = g(x * 2, y)
            (total * 3 + (sines**2).sum()).backward()
            found.append(x.grad.numpy().copy())
        np.testing.assert_allclose(*found)


def test_only_one_of_several_results_is_used() -> None:
    compiled = cr.compile(lambda x: (np.sin(x), np.cos(x)))
    for k in range(3):
        x = cr.tensor(np.full(2, float(k)), requires_grad=True)
        compiled(x * 1.0)[1].sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), -np.sin(np.full(2, float(k))))


def test_a_leaf_as_an_argument() -> None:
    """A parameter passed as an argument is an object, and its gradient arrives at it."""
    compiled = cr.compile(lambda w, x: (w * x).sum())
    for k in range(3):
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        compiled(w, np.full(2, float(k))).backward()
        assert w.grad.tolist() == [k, k]


def test_a_call_between_forward_and_backward_is_an_error() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    compiled = cr.compile(lambda x: (w * x).sum())
    first = compiled(np.ones(2))
    compiled(np.full(2, 5.0))
    with pytest.raises(GradientError, match="has been called again since"):
        first.backward()


def test_backward_twice_is_an_error_as_eagerly() -> None:
    w = cr.tensor([1.0], requires_grad=True)
    compiled = cr.compile(lambda x: np.sin(w * x).sum())
    y = compiled(np.ones(1))
    y.backward()
    with pytest.raises(cr.FreedTapeError):
        y.backward()


def test_a_parameter_changed_between_forward_and_backward_is_an_error() -> None:
    w = cr.tensor([1.0], requires_grad=True)

    def f(x: Any) -> Any:
        return np.sin(w * w * x).sum()

    for g in (f, cr.compile(f)):
        y = g(np.ones(1))
        w.data -= 0.5
        with pytest.raises(cr.InPlaceError):
            y.backward()


def test_higher_derivatives_from_outside_are_refused_or_right() -> None:
    compiled = cr.compile(lambda x: (x**3).sum())
    x = cr.tensor([2.0], requires_grad=True)
    slope = cr.grad(compiled)(x)
    slope.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [12.0])


def test_a_result_in_the_next_call() -> None:
    """State that is passed on by the caller: a tensor with a gradient of its own."""
    w = cr.tensor([2.0], requires_grad=True)

    def f(h: Any) -> Any:
        return np.tanh(w * h)

    compiled = cr.compile(f)
    for g in (f, compiled):
        h = g(np.ones(1))
        for _ in range(2):
            h = g(h.detach())
        h.backward()
    np.testing.assert_allclose(*(np.array([1.0]), np.array([1.0])))


# The object itself


def test_methods_and_decorators() -> None:
    class Doubler:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @cr.compile
        def apply(self, x: Any) -> Any:
            """Scale."""
            return x * self.factor

    two, three = Doubler(2.0), Doubler(3.0)
    for _ in range(2):
        assert two.apply(np.ones(2)).tolist() == [2.0, 2.0]
        assert three.apply(np.ones(2)).tolist() == [3.0, 3.0]
    assert Doubler.apply.__name__ == "apply"
    assert Doubler.apply.__doc__ == "Scale."


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="compile: expected a function, got int"):
        cr.compile(3)  # type: ignore[arg-type]


def test_the_plan_before_the_first_call_and_clear() -> None:
    compiled = cr.compile(np.sin)
    with pytest.raises(CaptureError, match="before the first call"):
        compiled.plan  # noqa: B018
    compiled(np.ones(2))
    assert "sin" in str(compiled.plan)
    compiled.clear()
    assert repr(compiled) == "<compiled sin: 0 plans>"
    assert compiled(np.zeros(2)).tolist() == [0.0, 0.0]


def test_what_changes_at_every_call_is_said_once_and_runs_uncompiled() -> None:
    compiled = cr.compile(lambda x, t: x * float(t))
    for t in range(16):
        compiled(np.ones(2), t)
    with pytest.warns(UserWarning, match=r"captured 16 times.*argument leaf 1.*np\.asarray") as said:
        assert compiled(np.ones(2), 16).tolist() == [16.0, 16.0]
    assert said[0].filename == __file__
    assert compiled(np.ones(2), 17).tolist() == [17.0, 17.0]  # a second warning would be an error here
    assert len(compiled.plans) == 16
    assert compiled(np.ones(2), 15).tolist() == [15.0, 15.0]
    compiled.clear()
    assert compiled(np.ones(2), 3).tolist() == [3.0, 3.0]


def test_an_array_made_inside_and_written_to_is_no_reason_to_capture_again() -> None:
    def f(x: Any) -> Any:
        mask = cr.numpy.zeros(3)
        mask[1:] = 1.0
        doubled = cr.zeros(3)
        doubled[0] = 2.0
        return (x * (mask + doubled)).sum()

    compiled = cr.compile(cr.grad(f))
    for _ in range(3):
        assert compiled(np.ones(3)).tolist() == [2.0, 1.0, 1.0]
    assert sum(map(len, compiled.plans.values())) == 1


def test_shapes_that_change_at_every_call_are_said() -> None:
    compiled = cr.compile(lambda x: x * 2)
    for n in range(16):
        compiled(np.ones(n + 1))
    with pytest.warns(UserWarning, match="one shape"):
        assert compiled(np.ones(20)).tolist() == [2.0] * 20


def test_pickle_and_deepcopy_of_what_was_trained() -> None:
    def make() -> World:
        model = network(nn.BatchNorm1d(6), nn.ReLU())
        return World(model, optim.SGD(model.parameters(), lr=0.05, momentum=0.9))

    def drive(step: Any, world: World) -> Any:
        for x, y in batches(3):
            yield step(x, y)
        for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
            model, optimizer = copied((world.model, world.optimizer))
            assert optimizer.param_groups[0]["params"][0] is next(iter(model.parameters()))
            twin = World(model, optimizer)
            before = {k: np.array(v) for k, v in world.model.state_dict().items()}
            for again in (twin.step, cr.compile(twin.step)):
                for x, y in batches(2, seed=5):
                    yield again(x, y)
            for k, v in world.model.state_dict().items():  # the copy is a copy
                np.testing.assert_array_equal(v, before[k])
            world.more |= {f"{copied}"[:12] + k: v for k, v in model.state_dict().items()}
        for x, y in batches(3, seed=9):
            yield step(x, y)

    compare(make, drive)


def test_no_reference_is_left_behind() -> None:
    model = network()
    compiled = cr.compile(World(model).step)
    compiled(*batches(1)[0])
    seen = weakref.ref(model)
    del model, compiled
    gc.collect()
    assert seen() is None


class Scaled:
    """A class whose method is compiled."""

    def __init__(self) -> None:
        self.scale = 1.0
        self.seen: list[Any] = []

    @cr.compile
    def step(self, x: Any) -> Any:
        return x * self.scale

    @cr.compile
    def keep(self, x: Any) -> Any:
        self.seen.append(x * 2)
        return x

    @cr.compile
    def keep_anew(self, x: Any) -> Any:
        self.late = x * 2
        return x


def test_a_method_sees_the_attributes_of_its_object() -> None:
    one = Scaled()
    assert one.step(np.ones(2)).tolist() == [1.0, 1.0]
    one.scale = 10.0
    assert one.step(np.ones(2)).tolist() == [10.0, 10.0]
    assert "multiply" in str(one.step.plan)


def test_what_a_capture_puts_into_a_list_outside_is_refused_by_name() -> None:
    one = Scaled()
    with pytest.raises(CaptureError, match=r"self\.seen was changed by the function"):
        one.keep(np.ones(2))
    assert one.seen == []
    with pytest.raises(CaptureError, match="was changed by the function"):
        one.keep_anew(np.ones(2))
    assert not hasattr(one, "late")
    one.late = None
    one.keep_anew(np.ones(2))
    with pytest.raises(CaptureError, match="a value of a capture that is over"):
        float(one.late.sum())


class Counting(nn.Module):
    """A module that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x


def test_a_capture_that_failed_leaves_variables_as_they_were(alone: None) -> None:
    module, numbers, named, seen, count = Counting(), [1], {"a": 1}, {1}, 0

    @cr.compile
    def f(x: Any) -> Any:
        nonlocal count
        module(x)
        numbers.append(2)
        named["b"] = named.pop("a")
        seen.add(2)
        count += 1
        return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError, match="branched on a value"):
        f(np.ones(2))
    assert (module.calls, numbers, named, seen, count) == (0, [1], {"a": 1}, {1}, 0)


def test_a_refusal_that_the_function_catches_is_one_still() -> None:
    def whole(x: Any) -> Any:
        try:
            k = int(x[0])
        except Exception:
            k = 1
        return x * k

    def branching(x: Any) -> Any:
        with contextlib.suppress(RuntimeError):
            if x.sum() > 0:
                return x * 2
        return x

    for f in (whole, branching):
        with named(f.__name__), pytest.raises(CaptureError, match=r"test_compiled\.py"):
            cr.compile(f)(np.full(3, 3.0))


def test_zeros_keep_their_sign() -> None:
    x = np.array([0.0, -0.0, 1.0])
    for f in (np.tanh, np.expm1, np.sin, np.tan, np.arctan, np.sinh, np.sqrt, np.negative):
        compiled = cr.compile(lambda x, f=f: f(x))
        with named(f.__name__), np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(np.signbit(compiled(x)), np.signbit(f(x)))


def test_an_array_made_like_a_tensor_is_an_array() -> None:
    for make in (np.zeros_like, np.ones_like, lambda v: np.full_like(v, 2.0)):
        for x in (cr.ones(3), np.ones(3)):
            kinds = {type(call(x)) for f in [lambda v, make=make: make(v * 2)] for call in (f, cr.compile(f))}
            assert kinds == {np.ndarray}

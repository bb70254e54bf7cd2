"""`checkpoint`: the same derivatives in every transform, for less memory."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.random import default_generator
from chainrule.core.transforms.checkpoint import recomputing


def body(x: Any) -> Any:
    return np.tanh(np.sin(x) * x + np.exp(-x))


Scalar = Callable[[Any], Any]

NESTINGS: dict[str, Callable[[Scalar], Scalar]] = {
    "grad": cr.grad,
    "jvp": lambda f: lambda x: cr.jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: cr.vjp(f, x)[1](1.0)[0],
    "grad of grad": lambda f: cr.grad(cr.grad(f)),
    "vjp of jvp": lambda f: lambda x: cr.vjp(lambda x: cr.jvp(f, (x,), (1.0,))[1], x)[1](1.0)[0],
    "jvp of grad": lambda f: lambda x: cr.jvp(cr.grad(f), (x,), (1.0,))[1],
    "jvp of jvp": lambda f: lambda x: cr.jvp(lambda x: cr.jvp(f, (x,), (1.0,))[1], (x,), (1.0,))[1],
    "grad of jvp of grad": lambda f: cr.grad(lambda x: cr.jvp(cr.grad(f), (x,), (1.0,))[1]),
    "third": lambda f: cr.grad(cr.grad(cr.grad(f))),
    "hessian": cr.hessian,
    "jacobian": cr.jacobian,
    "elementwise": cr.elementwise_grad,
    "grad with aux": lambda f: lambda x: cr.grad(lambda x: (f(x), x * 2), has_aux=True)(x)[0],
}


@walked("transform", NESTINGS.values(), ids=NESTINGS)
def test_the_same_derivatives_in_every_nesting(transform: Callable[[Scalar], Scalar]) -> None:
    expected = transform(lambda x: body(body(x) + x))(0.7)
    block = cr.checkpoint(body)
    np.testing.assert_allclose(transform(lambda x: block(block(x) + x))(0.7), expected, rtol=1e-12)
    whole = cr.checkpoint(lambda x: block(block(x) + x))  # checkpoints inside a checkpoint
    np.testing.assert_allclose(transform(whole)(0.7), expected, rtol=1e-12)


@walked("transform", NESTINGS.values(), ids=NESTINGS)
def test_a_transform_inside_a_checkpoint(transform: Callable[[Scalar], Scalar]) -> None:
    inner = lambda x: cr.grad(body)(x) * x  # noqa: E731
    np.testing.assert_allclose(transform(cr.checkpoint(inner))(0.7), transform(inner)(0.7), rtol=1e-11)


def test_leaves_as_arguments_and_in_the_closure() -> None:
    def gradients(wrap: Callable[[Scalar], Scalar]) -> list[Any]:
        x, w = cr.tensor([0.3, 0.7], requires_grad=True), cr.tensor([2.0, 3.0], requires_grad=True)
        hidden = w * w
        block = wrap(lambda x: np.tanh(x * w) + hidden)
        (block(x) * block(x + 1)).sum().backward()
        return [x.grad.tolist(), w.grad.tolist()]

    np.testing.assert_allclose(gradients(cr.checkpoint), gradients(lambda f: f), rtol=1e-12)


def test_a_closure_alone_requires_the_gradient() -> None:
    w = cr.tensor([2.0, 3.0], requires_grad=True)
    y = cr.checkpoint(lambda x: x * w)(np.array([1.0, 10.0]))
    assert y.requires_grad
    y.sum().backward()
    assert w.grad.tolist() == [1.0, 10.0]


def test_trees_in_and_out() -> None:
    def f(p: Any, *, scale: Any) -> Any:
        return {"a": p["w"] * scale, "b": (p["w"] + p["b"][0], None, "label")}

    def loss(p: Any, f: Any) -> Any:
        found = f(p, scale=p["b"][0])
        assert found["b"][1:] == (None, "label")
        return (found["a"] * found["b"][0]).sum()

    p = {"w": np.array([1.0, 2.0]), "b": [3.0]}
    gradient, expected = cr.grad(loss)(p, cr.checkpoint(f)), cr.grad(loss)(p, f)
    np.testing.assert_allclose(gradient["w"], expected["w"])
    assert gradient["b"] == expected["b"]


def test_outputs_that_pass_through() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return x, y, y, np.float64(5.0)

    def loss(x: Any, f: Any) -> Any:
        a, b, c, d = f(x)
        return a * 2 + b * 3 + c * 4 + d

    assert cr.grad(loss)(3.0, cr.checkpoint(f)) == cr.grad(loss)(3.0, f) == 2 + 7 * 6.0


def test_plain_arrays_and_no_grad_need_no_second_run() -> None:
    runs = []
    block = cr.checkpoint(lambda x: (runs.append(1), x * x)[1])
    assert block(3.0) == 9.0
    with cr.no_grad():
        assert not block(cr.tensor(3.0, requires_grad=True)).requires_grad
    assert len(runs) == 2
    assert cr.grad(block)(3.0) == 6.0
    assert len(runs) == 4


def test_a_pullback_and_a_retained_graph_run_it_again_each_time() -> None:
    _, pullback = cr.vjp(cr.checkpoint(body), 0.7)
    assert pullback(1.0) == pullback(1.0)
    x = cr.tensor(0.7, requires_grad=True)
    y = cr.checkpoint(body)(x)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(float(x.grad), 2 * pullback(1.0)[0])
    with pytest.raises(cr.FreedTapeError, match="checkpoint"):
        y.backward()


def test_no_grad_around_the_backward_pass_changes_nothing() -> None:
    x = cr.tensor(0.7, requires_grad=True)
    y = cr.checkpoint(body)(x)
    with cr.no_grad():
        y.backward()
    np.testing.assert_allclose(float(x.grad), cr.grad(body)(0.7))


def test_random_numbers_are_drawn_again() -> None:
    def noisy(x: Any) -> Any:
        return x * default_generator().standard_normal(4)

    def gradient(f: Any) -> tuple[Any, Any]:
        cr.seed(3)
        x = cr.tensor(np.ones(4), requires_grad=True)
        y = f(f(x)).sum()
        y.backward()
        return x.grad.tolist(), cr.randn(2).tolist()  # the backward pass leaves the generator where it was

    assert gradient(cr.checkpoint(noisy)) == gradient(noisy)


def test_running_averages_move_once() -> None:
    def averages(wrap: Callable[[Scalar], Scalar]) -> list[Any]:
        layer = cr.nn.BatchNorm1d(3, dtype=np.float64)
        x = cr.tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True)
        (wrap(wrap(layer))(x) ** 3).sum().backward()
        return [layer.running_mean.tolist(), layer.running_var.tolist(), x.grad.tolist()]

    assert averages(cr.checkpoint) == averages(lambda f: f)
    assert not recomputing()


def test_arguments_that_change_afterwards() -> None:
    """The second run gets what the first one got."""
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    items = [y]
    z = cr.checkpoint(lambda items: items[0] * items[0])(items)
    y[0] = 100.0  # makes y another tensor
    items.clear()
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_another_path() -> None:
    state = {"runs": 0}

    def f(x: Any) -> Any:
        state["runs"] += 1
        return x * x if state["runs"] == 1 else x

    with pytest.raises(cr.GradientError, match="checkpoint: the function took another path when rerun"):
        cr.grad(cr.checkpoint(f))(3.0)

    w = cr.tensor(2.0, requires_grad=True)
    v = cr.tensor(3.0, requires_grad=True)
    y = cr.checkpoint(lambda: state.update(runs=state["runs"] + 1) or (w if state["runs"] % 2 else v) * 2.0)()
    with pytest.raises(cr.GradientError, match="used other tensors when rerun"):
        y.backward()


def test_another_shape() -> None:
    sizes = iter([2, 3])
    w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = cr.checkpoint(lambda: w[: next(sizes)] * 2.0)()
    with pytest.raises(cr.GradientError, match="took another path"):
        y.sum().backward()


def test_a_leaf_made_inside() -> None:
    with pytest.raises(cr.GradientError, match="made a tensor with requires_grad=True; make it outside"):
        cr.checkpoint(lambda x: x * cr.tensor(2.0, requires_grad=True))(cr.tensor(1.0, requires_grad=True))


def test_an_error_in_either_run_leaves_nothing_broken() -> None:
    class Stop(Exception):
        pass

    runs = []

    def f(x: Any) -> Any:
        runs.append(default_generator().random())
        if len(runs) == 2:
            raise Stop
        return x * x

    x = cr.tensor(3.0, requires_grad=True)
    y = cr.checkpoint(f)(x)
    state = default_generator().bit_generator.state
    with pytest.raises(Stop):
        y.backward()
    assert default_generator().bit_generator.state == state
    assert x.grad is None
    assert (x * x).requires_grad
    y.backward()  # the third run succeeds, and draws the same number
    assert float(x.grad) == 6.0
    assert runs[0] == runs[1] == runs[2]


def test_its_node_names_the_operation_and_the_line() -> None:
    y = cr.checkpoint(body)(cr.tensor(0.7, requires_grad=True))
    (node,) = y.node.parents
    assert node.name == "checkpoint"
    assert node.source.file == __file__


def test_memory_grows_with_the_square_root() -> None:
    size, ARRAY = 20_000, 8 * 20_000

    def step(x: Any) -> Any:
        return np.tanh(x)

    def chain(x: Any, steps: int) -> Any:
        for _ in range(steps):
            x = step(x)
        return x

    def peak(n: int, blocks: int) -> float:
        """Arrays alive at once, at the most."""
        block = (lambda x: chain(x, n)) if blocks == 1 else cr.checkpoint(lambda x: chain(x, n // blocks))
        x = cr.tensor(np.ones(size), requires_grad=True)
        tracemalloc.start()
        y = x
        for _ in range(blocks):
            y = block(y)
        y = y.sum()
        y.backward()
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high / ARRAY

    peak(4, 2)  # what the first call compiles
    assert peak(144, 1) > 144
    for root in (6, 12):
        assert peak(root * root, root) < 2 * root + 8

"""What is refused, and in which words; that nothing is broken afterwards; and where an operation came from."""

import math
import weakref
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.base.provenance import PACKAGE
from chainrule.core.traces.modes import modes

TRANSFORMS: dict[str, Any] = {
    "grad": lambda x: cr.grad(lambda x: 1.0)(x),
    "vjp": lambda x: cr.vjp(lambda x: x, x),
    "jvp": lambda x: cr.jvp(lambda x: x, (x,), (1.0,)),
    "elementwise_grad": lambda x: cr.elementwise_grad(lambda x: x)(x),
}


@walked("name", TRANSFORMS)
@walked(
    ("value", "got"),
    [
        (3, "dtype int64"),
        (True, "dtype bool"),
        (np.array([1, 2]), "dtype int64"),
        (np.array([1, 2], np.uint8), "dtype uint8"),
        (np.ones(2, np.clongdouble), f"dtype {np.dtype(np.clongdouble)}"),
        (np.array([object()]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.ones(2, np.longdouble), f"dtype {np.dtype(np.longdouble)}"),
        (cr.tensor([1, 2]), "dtype int64"),
        ("text", "str"),
        (object(), "object"),
        (range(3), "range"),
    ],
)
def test_an_argument_that_has_no_derivative(name: str, value: Any, got: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}: (argument|primal) 0: .*got {got}"):
        TRANSFORMS[name](value)


def test_the_argument_is_named_by_its_position() -> None:
    with pytest.raises(TypeError, match=r"grad: argument 1: got dtype int64.*float64, float32, float16, complex128 or"):
        cr.grad(lambda a, b: a * b, (0, 1))(1.0, 2)
    assert cr.grad(lambda a, b: a * b)(1.0, 2) == 2.0  # the other one may be anything


@walked("shape", [(2,), (2, 1), (0,)])
def test_a_loss_that_is_no_scalar(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"must return a scalar, got shape \({shape[0]}.*\.sum\(\) or \.mean\(\)"):
        cr.grad(lambda x: x * 2)(np.ones(shape))


@walked(("result", "got"), [(None, "NoneType"), ("text", "str"), ((1.0, 2.0), "a tree of outputs")])
def test_a_loss_that_is_no_array(result: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"grad: the function must return one scalar, got {got}"):
        cr.grad(lambda x: result)(1.0)


@walked("loss", [lambda x: np.argmax(x), lambda x: (x > 0).sum(), lambda x: np.array(3)])
def test_a_loss_that_is_not_floating(loss: Any) -> None:
    with pytest.raises(TypeError, match="grad: the function's result: got dtype int64"):
        cr.grad(loss)(np.ones(3))


def test_what_would_cut_a_value_off_from_its_gradient() -> None:
    for transform in (lambda f: cr.grad(f)(2.0), lambda f: cr.jvp(f, (2.0,), (1.0,)), lambda f: cr.vjp(f, 2.0)):
        with pytest.raises(cr.GradientError, match=r"float: inside a transform.*np\.sin, not math\.sin"):
            transform(math.sin)
        with pytest.raises(cr.GradientError, match="tensor: inside a transform"):
            transform(lambda x: cr.tensor([x, x]).sum())
        with pytest.raises(cr.GradientError, match="tensor: inside a transform"):
            transform(cr.tensor)
        transform(lambda x: x * x.item() + float(x.detach()) + float(cr.stop_gradient(x)))
    assert float(cr.tensor(2.0, requires_grad=True) * 2.0) == 4.0  # eagerly, `float(loss)` is what one logs


def test_backward_says_what_is_missing() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.GradientError, match=r"expected a scalar loss, got shape \(2,\); reduce it with \.sum\(\)"):
        (x * x).backward()
    with pytest.raises(ValueError, match=r"expected a cotangent of shape \(2,\), the tensor's own, got \(3,\)"):
        (x * x).backward(np.ones(3))
    with pytest.raises(TypeError, match="cotangent: got dtype complex128"):
        (x * x).backward(np.ones(2) * 1j)
    with pytest.raises(cr.GradientError, match="does not require a gradient"):
        cr.tensor(1.0).backward()
    with pytest.raises(cr.GradientError, match="still running"):
        cr.grad(lambda x: (x * x).backward())(1.0)
    with pytest.raises(cr.GradientError, match="does not require a gradient"):
        cr.tensor(1.0).retain_grad()
    assert x.grad is None


def test_an_operation_names_itself_and_its_arguments() -> None:
    a, b = cr.tensor(np.ones((2, 3)), requires_grad=True), np.ones((4, 5), np.float32)
    with pytest.raises(ValueError, match=r"^matmul: .*a float64\[2, 3\].*b float32\[4, 5\]"):
        a @ b
    with pytest.raises(ValueError, match=r"^add: .* \(got a float64\[2, 3\], b float32\[4, 5\]\)"):
        a + b
    with pytest.raises(ValueError, match=r"^multiply: "):
        cr.grad(lambda a: (a * b).sum())(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^multiply: "):
        cr.jvp(lambda a: a * b, (np.ones((2, 3)),), (np.ones((2, 3)),))
    with pytest.raises(TypeError, match=r"^multiply: b: got a str, expected real numbers"):
        a * "text"
    with pytest.raises(TypeError, match=r"^relu: got complex numbers, but it is a function of real numbers only"):
        cr.relu(a * 1j)


# Nothing is broken afterwards


class Stop(BaseException):
    """Like KeyboardInterrupt: not an Exception."""


@walked("error", [ValueError, KeyboardInterrupt, Stop, GeneratorExit])
def test_an_exception_inside_leaves_no_state_behind(error: type[BaseException]) -> None:
    def fail(x: Any) -> Any:
        with cr.no_grad():
            x = x * x
            raise error

    before = modes.floor
    for run in (
        lambda: fail(cr.tensor(1.0, requires_grad=True)),
        lambda: cr.grad(fail)(1.0),
        lambda: cr.grad(cr.grad(fail))(1.0),
        lambda: cr.jvp(cr.grad(fail), (1.0,), (1.0,)),
        lambda: cr.vjp(cr.checkpoint(fail), 1.0),
        lambda: cr.no_grad()(fail)(1.0),
    ):
        with pytest.raises(error):
            run()
        assert modes.floor == before
        assert cr.grad(cr.grad(lambda x: x * x * x))(2.0) == 12.0
        x = cr.tensor(3.0, requires_grad=True)
        (x * x).backward()
        assert float(x.grad) == 6.0


def test_an_exception_in_a_backward_rule_leaves_the_leaves_alone() -> None:
    failing = cr.custom(lambda x: x * 1.0)

    @failing.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        raise KeyboardInterrupt

    a, b = cr.tensor(1.0, requires_grad=True), cr.tensor(2.0, requires_grad=True)
    loss = b * 2.0 + failing(a)
    with pytest.raises(KeyboardInterrupt):
        loss.backward(retain_graph=True)
    assert a.grad is None
    assert b.grad is None
    failing.def_vjp(lambda y_bar, x: y_bar)
    loss.backward()
    assert (float(a.grad), float(b.grad)) == (1.0, 2.0)


# Provenance


def test_a_node_names_the_users_line() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y = x * x  # this very line
    source = y.node.source
    assert source.file == __file__
    assert source.function == "test_a_node_names_the_users_line"
    assert source.text == "y = x * x  # this very line"
    assert str(source) == f"{__file__}:{source.line} in test_a_node_names_the_users_line"


def test_the_line_is_the_users_also_through_the_packages_code() -> None:
    x = cr.tensor([[1.0, 2.0]], requires_grad=True)
    results = [np.var(x), x.mean(axis=0), np.stack([x, x]), x.T @ x, x[0], abs(x)]
    results += [cr.checkpoint(lambda x: np.tanh(x))(x)]
    for y in results:
        assert y.node.source.file == __file__
        assert not y.node.source.file.startswith(PACKAGE)
    nodes = []
    cr.grad(lambda x: (nodes.append((x * x).node), x)[1])(1.0)
    assert nodes[0].source.text == "cr.grad(lambda x: (nodes.append((x * x).node), x)[1])(1.0)"


def test_each_line_of_a_function_is_told_apart() -> None:
    def f(x: Any) -> list[Any]:
        a = x * 2.0
        b = (
            a
            + x
        )  # fmt: skip
        return [a, b]

    first, second = f(cr.tensor(1.0, requires_grad=True))
    assert first.node.source.text == "a = x * 2.0"
    assert second.node.source.line in range(first.node.source.line + 1, first.node.source.line + 5)


def test_a_project_beside_the_package_is_not_the_package(tmp_path: Any) -> None:
    """A file may lie in a folder whose name only begins like the package's."""
    code = compile("y = x * x", PACKAGE.rstrip("/\\") + "_of_mine.py", "exec")
    names: dict[str, Any] = {"x": cr.tensor(1.0, requires_grad=True)}
    exec(code, names)
    assert names["y"].node.source.file.endswith("_of_mine.py")


def test_no_frame_is_kept_alive() -> None:
    class Local:
        pass

    def f(x: Any) -> tuple[Any, Any]:
        local = Local()
        return x * x, weakref.ref(local)

    y, reference = f(cr.tensor(1.0, requires_grad=True))
    assert reference() is None
    assert y.node.source.function.endswith("f")


def test_a_leaf_has_no_line_but_a_name() -> None:
    node = cr.tensor(1.0, requires_grad=True, name="w").node
    assert (node.source, node.name) == (None, "w")
    assert repr(node) == "<w () float64>"
    assert repr((cr.tensor(1.0, requires_grad=True) * 2.0).node) == "<multiply () float64>"


def test_an_array_too_large_for_memory_names_the_operation():
    x = np.broadcast_to(np.float64(1.0), (10**6, 10**6))
    with pytest.raises(MemoryError, match=r"multiply: .*a float64"):
        cr.grad(lambda s: (s * x).sum())(2.0)


def test_each_transform_is_named_by_its_own_name() -> None:
    with pytest.raises(TypeError, match=r"hessian: argument 0: got dtype int64|hessian: primal 0: got dtype int64"):
        cr.hessian(lambda x: (x**2).sum())(np.arange(3))
    with pytest.raises(TypeError, match="grad: expected a function, got int"):
        cr.grad(3)


def test_shapes_that_do_not_broadcast_come_with_the_next_step() -> None:
    with pytest.raises(ValueError, match=r"^add: .*\(2,3\) \(2,4\) \(got a float64\[2, 3\], b .*; reshape one"):
        cr.grad(lambda x: (x + np.ones((2, 4))).sum())(np.ones((2, 3)))

"""What a function reads beside its arguments: nothing that can change, or it is not written into a loop."""

import math
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.compile.program.purity import reads_only_functions
from chainrule.core.kinds import Elementwise

scale = 2.0


def twice(x: Any) -> Any:
    return 2 * x


def scaled(x: Any) -> Any:
    return x * scale


def recursive(x: Any, n: int = 3) -> Any:
    return x if n == 0 else recursive(twice(x), n - 1)


class Config:
    factor = 3.0


def closed(value: Any) -> Any:
    return lambda x: x * value


@walked(
    "f", [twice, recursive, np.exp, np.where, len, lambda x: twice(x) + math.pi, lambda x: cr.tanh(x), cr.tanh,
          lambda x: (lambda y: np.exp(y))(x), closed(twice), cr.gelu]
)  # fmt: skip
def test_what_is_fixed(f: Any) -> None:
    assert reads_only_functions(f)


@walked(
    "f", [scaled, lambda x: scaled(x), lambda x: x * Config.factor, closed(2.0), closed([1]), closed(cr.tensor(1.0)),
          lambda x: (lambda y: y * scale)(x), lambda x, y=[1]: x, Config().__init__, pytest.approx,
          lambda x: x * np.random.default_rng().random(), lambda x: print("called") or x]
)  # fmt: skip
def test_what_is_not(f: Any) -> None:
    assert not reads_only_functions(f)


class Scaled(Elementwise, register=False):
    """y = s x, with an s that may change between calls."""

    @staticmethod
    def primal(x: Any) -> Any:
        return x * scale

    @staticmethod
    def partial() -> Any:
        """y' = s."""
        return scale


def test_a_record_that_reads_a_number_of_its_module_reads_it_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = cr.compile(lambda x: Scaled.apply(x + 1))
    x = np.ones(3)
    np.testing.assert_array_equal(compiled(x), 4.0)
    monkeypatch.setitem(globals(), "scale", 5.0)
    np.testing.assert_array_equal(compiled(x), 10.0)


def test_an_operation_that_prints_prints_at_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    @cr.custom
    def shown(x: Any) -> Any:
        print("called")
        return 2 * x

    compiled = cr.compile(lambda x: shown(x) + 1)
    for _ in range(3):
        compiled(np.ones(3))
    assert capsys.readouterr().out.count("called") >= 3


# Operations of the user's by `custom`


def test_a_custom_operation_joins_a_loop_forward_and_backward() -> None:
    @cr.custom
    def cube(x: Any) -> Any:
        return x**3

    @cube.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        return y_bar * 3 * x**2

    def f(x: Any) -> Any:
        return cr.value_and_grad(lambda x: cube(2 * x).sum())(x)

    compiled, x = cr.compile(f), np.linspace(-1, 1, 12)
    for _ in range(2):
        for a, b in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert [step.loop is not None for step in compiled.plan.steps] == [True]

    cube.def_vjp(lambda y_bar, x: y_bar * x)
    np.testing.assert_allclose(compiled(x)[1], 4 * x)


@pytest.mark.parametrize(
    "f", [lambda x: x * scale, lambda x: x if x[0] > 0 else 0 * x, lambda x: x * x.shape[0], lambda x: np.cumsum(x),
          lambda x: x[::-1] * 1, lambda x: np.flip(x), lambda x: np.sum(x) + 0 * x, lambda x: x - np.max(x)]
)  # fmt: skip
def test_a_custom_operation_that_is_more_than_arithmetic_is_called(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = cr.custom(f)
    own.def_vjp(lambda y_bar, x: y_bar * f(x))

    def g(x: Any) -> Any:
        return cr.value_and_grad(lambda x: own(x * 2).sum())(x)

    compiled, x = cr.compile(g), np.linspace(-1, 2, 5)
    for given in (x, x + 1.5):
        for a, b in zip(compiled(given), g(given), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    monkeypatch.setitem(globals(), "scale", 5.0)
    for a, b in zip(compiled(x), g(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# The names of the user's own operations


@cr.custom
def exp(x: Any) -> Any:
    return 2 * np.exp(x)


@cr.custom
def matmul(a: Any, b: Any) -> Any:
    return a @ b + 1


@cr.custom
def softmax(x: Any) -> Any:
    return 2 * x


@cr.custom
def add(a: Any, b: Any) -> Any:
    return a - b


@cr.custom
def reshape(x: Any) -> Any:
    return 3 * x


def record(name: str) -> Any:
    primal = staticmethod(lambda x: 3 * x * x)
    made = type(name, (Elementwise,), {"primal": primal, "partial": staticmethod(lambda x: 6 * x)}, register=False)
    return made.apply


OWN = [exp, softmax, reshape, lambda x: matmul(x, x), lambda x: add(x, x), record("Square"), record("Sigmoid"),
       record("Sum"), record("Copy"), record("Reshape"), record("LinearMap"), record("Relu")]  # fmt: skip


@walked("f", OWN)
def test_an_operation_of_the_user_s_is_not_taken_for_the_package_s_of_that_name(f: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3))
    compiled = cr.compile(lambda x: (f(x), f(x + 1) * 2))
    for _ in range(2):
        for a, b in zip(compiled(x), (f(x), f(x + 1) * 2), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


class Quick(Elementwise, register=False):
    """y = s x, with a form for one element that reads an s which may change between calls."""

    @staticmethod
    def primal(x: Any) -> Any:
        return x * scale

    @staticmethod
    def element(x: Any) -> Any:
        return x * scale

    @staticmethod
    def partial() -> Any:
        """y' = s."""
        return scale


def test_a_form_for_one_element_that_reads_a_number_is_not_written_into_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = cr.compile(lambda x: Quick.apply(x + 1))
    x = np.ones(3)
    np.testing.assert_array_equal(compiled(x), 4.0)
    monkeypatch.setitem(globals(), "scale", 5.0)
    np.testing.assert_array_equal(compiled(x), 10.0)

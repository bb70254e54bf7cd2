"""Where a value with a gradient would become a plain number, and what else a tensor cannot do in place."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

X = np.array([1.0, 2.0, 3.0])


LOSSES: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "complex": complex,
    "round": round,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
}


@walked("name", LOSSES)
def test_a_python_number_of_a_traced_value_is_refused(name: str) -> None:
    with pytest.raises(cr.GradientError, match=rf"{name}: .*test_plain_writes\.py:\d+\); use .*x\.item\(\)"):
        cr.grad(lambda x: LOSSES[name](x) * x)(2.5)
    assert LOSSES[name](cr.tensor(2.5, requires_grad=True)) == LOSSES[name](2.5)
    assert cr.grad(lambda x: abs(LOSSES[name](x.item())) * x)(2.5) == abs(LOSSES[name](2.5))


INTO_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "array[i, j] = x": lambda k, x: k.__setitem__((0, 0), x[0]),
    "array[i] = x": lambda k, x: k.__setitem__(0, x),
    "+= an element": lambda k, x: exec("k[0, 0] += x[0]", {"k": k, "x": x}),
    "array += x": lambda k, x: k.__iadd__(x),
    "out=": lambda k, x: np.multiply(x, 2.0, out=k),
    "sum(out=)": lambda k, x: np.sum(x, out=k[0, 0, ...]),
    "copyto": np.copyto,
    "putmask": lambda k, x: np.putmask(k, k < 1, x),
    "place": lambda k, x: np.place(k, k < 1, x),
    "put": lambda k, x: np.put(k, [0], x[0]),
    "fill_diagonal": lambda k, x: np.fill_diagonal(k, x[0]),
    "add.at": lambda k, x: np.add.at(k, [0], x),
}


@walked("write", INTO_PLAIN)
def test_a_traced_value_does_not_go_into_a_plain_array(write: str) -> None:
    def f(x: Any) -> Any:
        k = np.zeros((3, 3))
        if write == "array[i, j] = x":
            k[0, 0] = x[0]
        elif write == "array[i] = x":
            k[0] = x
        else:
            INTO_PLAIN[write](k, x)
        return k.sum()

    for transform in (cr.grad(f), lambda x: cr.jvp(f, (x,), (x,)), cr.hessian(f)):
        with pytest.raises(
            (cr.GradientError, TypeError), match=r"into a plain array.*zeros.*np\.stack.*x\.at"
        ) as caught:
            transform(X)
        assert "test_plain_writes.py:" in str(caught.value) or "<string>:1" in str(caught.value)


def test_a_plain_array_does_not_take_an_eager_gradient_either() -> None:
    x, k = cr.tensor(X, requires_grad=True), np.zeros(3)
    with pytest.raises(ValueError, match="setting an array element") as caught:
        k[0] = x[0]
    assert "would write a value with a gradient into a plain array" in str(caught.value.__cause__)
    k[0] = x[0].item()
    k[1] = float(x[1])
    assert k.tolist() == [1.0, 2.0, 0.0]


@walked("name", ["resize", "setfield", "byteswap"])
def test_what_a_tensor_cannot_do_in_place_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"x\.{name}: a tensor cannot do that in place; .*x"):
        getattr(cr.tensor(X), name)(3)


def test_a_scalar_is_not_written_into() -> None:
    s = cr.tensor(X, requires_grad=True).sum()
    for write in (lambda: s.fill(0.0), lambda: np.put(s, [0], 1.0), lambda: np.copyto(s, 1.0)):
        with pytest.raises(TypeError, match="x stands for one of NumPy's scalars"):
            write()

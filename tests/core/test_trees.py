"""Arguments and results that are nested: dicts, lists, tuples, named tuples, dataclasses, None."""

import dataclasses
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.tree import flatten, map_leaves, paths, register, unflatten


class Layer(NamedTuple):
    w: Any
    b: Any


@dataclasses.dataclass
class Model:
    first: Any
    second: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: Any
    y: Any


@dataclasses.dataclass
class Particular:
    x: Any

    def __post_init__(self) -> None:
        self.x = float(self.x)  # would fail, or cut the gradient, on a traced value


def loss(leaves: list[Any]) -> Any:
    """Σₖ (k + 1) Σ xₖ²"""
    return sum((k + 1) * (x * x).sum() for k, x in enumerate(leaves))


numbers = st.integers(-5, 5).map(float)
keys = st.text("abc", min_size=1, max_size=2)
trees = st.recursive(
    numbers | st.none() | numbers.map(lambda x: np.full((2,), x)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.builds(Layer, inner, inner),
        st.builds(Model, inner, inner),
        st.builds(Frozen, inner, inner),
    ),
    max_leaves=8,
)


@given(trees)
def test_flatten_and_unflatten(tree: Any) -> None:
    leaves, structure = flatten(tree)
    again = unflatten(structure, leaves)
    assert type(again) is type(tree)
    assert flatten(again)[1] == structure
    assert all(a is b for a, b in zip(flatten(again)[0], leaves, strict=True))
    assert len(paths(tree)) == len(leaves)
    assert flatten(map_leaves(lambda x: x, tree))[1] == structure


@given(trees)
def test_every_transform_takes_every_tree(tree: Any) -> None:
    leaves, structure = flatten(tree)

    def f(tree: Any) -> Any:
        found, got = flatten(tree)
        assert got == structure
        return loss(found) + 0.0

    expected = [(k + 1) * 2 * np.asarray(x) for k, x in enumerate(leaves)]
    value, gradient = cr.value_and_grad(f)(tree)
    assert flatten(gradient)[1] == structure
    assert float(value) == sum(float((e * x).sum()) / 2 for e, x in zip(expected, leaves, strict=True))
    pulled = cr.vjp(f, tree)[1](1.0)[0]
    dots = unflatten(structure, [np.ones_like(x)[()] for x in leaves])
    assert float(cr.jvp(f, (tree,), (dots,))[1]) == sum(float(e.sum()) for e in expected)
    for found in (gradient, pulled, cr.grad(cr.checkpoint(f))(tree)):
        for x_bar, x, e in zip(flatten(found)[0], leaves, expected, strict=True):
            np.testing.assert_array_equal(x_bar, e)
            assert np.shape(x_bar) == np.shape(x)


@given(trees)
def test_trees_of_tensors_give_trees_of_tensors(tree: Any) -> None:
    tensors = map_leaves(cr.tensor, tree)
    gradient = cr.grad(lambda tree: loss(flatten(tree)[0]) + 0.0)(tensors)
    assert flatten(gradient)[1] == flatten(tensors)[1]
    assert all(isinstance(x, cr.Tensor) for x in flatten(gradient)[0])


@given(trees)
def test_a_result_may_be_any_tree(tree: Any) -> None:
    leaves, structure = flatten(tree)

    def f(x: Any) -> Any:
        return unflatten(structure, [x * value for value in leaves])

    y, y_dot = cr.jvp(f, (2.0,), (1.0,))
    assert flatten(y)[1] == flatten(y_dot)[1] == structure
    for found, value in zip(flatten(y_dot)[0], leaves, strict=True):
        np.testing.assert_array_equal(found, value)
    y, pullback = cr.vjp(f, 2.0)
    assert float(pullback(y)[0]) == sum(float((2 * np.asarray(v) * v).sum()) for v in leaves)


def test_dictionaries_keep_their_kind_and_their_keys() -> None:
    p = OrderedDict(z=1.0, a=2.0)
    gradient = cr.grad(lambda p: p["z"] * p["a"])(p)
    assert gradient == OrderedDict(z=2.0, a=1.0)
    assert type(gradient) is OrderedDict
    assert cr.grad(lambda p: p[1] * p[0])({1: 2.0, 0: 3.0}) == {1: 3.0, 0: 2.0}
    gradient = cr.grad(lambda p: p["a"] * 2.0)(defaultdict(float, a=2.0))
    assert gradient["a"] == 2.0


def test_a_dataclass_is_rebuilt_without_its_initialiser() -> None:
    gradient = cr.grad(lambda p: p.x * p.x)(Particular(3.0))
    assert type(gradient) is Particular
    assert gradient.x == 6.0


def test_a_registered_class() -> None:
    class Interval:
        def __init__(self, low: Any, high: Any, unit: str) -> None:
            self.low, self.high, self.unit = low, high, unit

    register(
        Interval,
        lambda i: ((i.low, i.high), i.unit),
        lambda unit, children: Interval(*children, unit),
    )
    gradient = cr.grad(lambda i: i.high * i.high - i.low)(Interval(1.0, 3.0, "m"))
    assert (gradient.low, gradient.high, gradient.unit) == (-1.0, 6.0, "m")


def test_a_dataclass_itself_is_no_tree() -> None:
    assert flatten([Model])[0] == [Model]


def test_paths() -> None:
    tree = {"a": [Layer(1.0, 2.0), Model(3.0, None)], "b": (Frozen(4.0, 5.0),)}
    assert paths(tree) == ["['a'][0].w", "['a'][0].b", "['a'][1].first", "['b'][0].x", "['b'][0].y"]
    assert paths(1.0) == [""]


@walked(
    ("tree", "where"),
    [
        ({"w": [1.0, "text"]}, r"argument 0\['w'\]\[1\]: expected a float or an array of floats, got str"),
        (Layer(1.0, 2), r"argument 0\.b: got dtype int64"),
        (Model(np.ones(2), np.ones(2, bool)), r"argument 0\.second: got dtype bool"),
        ([np.array(["a"]), 1.0], r"argument 0\[0\]: got dtype <U1"),
    ],
)
def test_the_leaf_that_is_wrong_is_named(tree: Any, where: str) -> None:
    with pytest.raises(TypeError, match=f"grad: {where}"):
        cr.grad(lambda tree: 1.0)(tree)


def test_an_empty_tree() -> None:
    for tree in ({}, [], (), None):
        assert cr.grad(lambda tree: 3.0)(tree) == tree
        assert cr.jvp(lambda tree: 3.0, (tree,), (tree,)) == (3.0, 0.0)
        assert cr.jacfwd(lambda tree: 3.0)(tree) == tree
        assert cr.jacrev(lambda tree: 3.0)(tree) == tree
    mixed = {"a": np.zeros(0), "b": np.ones(2), "c": None}
    for transform in (cr.jacfwd, cr.jacrev):
        found = transform(lambda p: p["b"] * 2)(mixed)
        assert found["a"].shape == (2, 0)
        assert found["b"].tolist() == [[2.0, 0.0], [0.0, 2.0]]

"""Operations of one's own: `primitive` with `defvjp` and `defjvp`, spaces, boxes, graphs."""

from typing import Any

import numpy as onp
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.autograd.numpy as np
from chainrule.autograd import checkpoint, deriv, grad, jacobian, make_jvp
from chainrule.autograd.core import VJPNode, make_vjp
from chainrule.autograd.extend import (
    Box,
    SparseObject,
    VSpace,
    def_linear,
    defjvp,
    defjvp_argnum,
    defvjp,
    defvjp_argnum,
    notrace_primitive,
    primitive,
    vspace,
)
from chainrule.autograd.misc import const_graph, flatten, full_graph
from chainrule.autograd.misc.fixed_points import fixed_point
from chainrule.autograd.misc.optimizers import adam, rmsprop, sgd
from chainrule.autograd.numpy.numpy_boxes import ArrayBox
from chainrule.autograd.test_util import check_grads
from chainrule.autograd.tracer import Node, getval, isbox, new_box, trace, trace_stack

X = onp.array([0.3, -1.2, 2.0])


@primitive
def product(x: Any, y: Any, power: int = 1) -> Any:
    """The elementwise product, to a power."""
    assert type(x) in (onp.ndarray, onp.float64, float)
    return (x * y) ** power


defvjp(
    product,
    lambda ans, x, y, power=1: lambda g: g * power * (x * y) ** (power - 1) * y,
    lambda ans, x, y, power=1: lambda g: g * power * (x * y) ** (power - 1) * x,
)


def test_one_rule_gives_both_modes_and_higher_orders() -> None:
    check_grads(product, (0, 1))(X, X + 1.0)
    check_grads(lambda x: product(x, 2.0, power=3))(1.5)
    onp.testing.assert_allclose(jacobian(lambda x: product(x, X))(X), onp.diag(X))
    assert float(grad(grad(lambda x: product(x, x)))(3.0)) == 2.0
    assert product(2.0, 3.0) == 6.0


def test_it_works_in_the_engines_own_transforms() -> None:
    onp.testing.assert_allclose(cr.grad(lambda x: product(x, 2.0).sum())(X), onp.full(3, 2.0))
    onp.testing.assert_allclose(cr.jvp(lambda x: product(x, x), (X,), (onp.ones(3),))[1], 2 * X)
    x = cr.tensor(X, requires_grad=True)
    product(x, x).sum().backward()
    assert x.grad is not None
    onp.testing.assert_allclose(x.grad.numpy(), 2 * X)


def test_a_rule_of_forward_mode_is_enough() -> None:
    half = primitive(lambda x: x / 2)
    defjvp(half, lambda g, ans, x: g / 2)
    assert float(deriv(half)(3.0)) == 0.5
    assert float(grad(half)(3.0)) == 0.5
    defjvp(half, "same")
    assert float(deriv(half)(3.0)) == 0.5
    twice = primitive(lambda x, y: 2 * x + y)
    def_linear(twice)
    assert float(make_jvp(lambda x: twice(x, 0.0))(1.0)(3.0)[1]) == 6.0


def test_arguments_and_results_may_be_containers() -> None:
    @primitive
    def both(pair: Any, scale: float) -> Any:
        return {"sum": scale * (pair[0] + pair[1]), "parts": [pair[0] * 1.0]}

    def vjp(ans: Any, pair: Any, scale: float) -> Any:
        return lambda g: (scale * g["sum"] + g["parts"][0], scale * g["sum"])

    defvjp(both, vjp, None)

    def f(x: Any) -> Any:
        found = both((x, 3.0), 2.0)
        return np.sum(found["sum"] * 10 + found["parts"][0])

    onp.testing.assert_allclose(grad(f)(X), onp.full(3, 21.0))


def test_rules_by_the_number_of_the_argument() -> None:
    @primitive
    def stacked(*args: Any) -> Any:
        return onp.stack(args)

    defvjp_argnum(stacked, lambda argnum, ans, args, kwargs: lambda g: g[argnum])
    assert float(grad(lambda x: np.sum(stacked(x, 2 * x, 1.0)))(1.0)) == 3.0
    defjvp_argnum(stacked, lambda argnum, g, ans, args, kwargs: g * (onp.arange(len(args)) == argnum))
    assert float(np.sum(deriv(lambda x: stacked(x, 2 * x))(1.0))) == 3.0


def test_none_is_a_gradient_of_zero_and_a_sparse_one_is_made_dense() -> None:
    first = primitive(lambda x, y: x[0] + 0.0 * y)

    def vjp(ans: Any, x: Any, y: Any) -> Any:
        def add(total: Any) -> Any:
            total[0] += 1.0
            return total

        return lambda g: SparseObject(vspace(x), add)

    defvjp(first, vjp, None)
    onp.testing.assert_array_equal(grad(lambda x: first(x, x[1]))(X), [1.0, 0.0, 0.0])


def test_what_is_not_defined_says_so_as_in_autograd() -> None:
    nothing = primitive(lambda x, y: x + y)
    undefined: Any = pytest.raises(RuntimeError, match=r"VJP of .* wrt argnums .0,. not defined; define it with")
    with undefined as caught:
        grad(nothing)(1.0, 2.0)
    assert "NotImplemented" in {cls.__name__.removesuffix("Error") for cls in type(caught.value).__mro__}
    defvjp(nothing, lambda ans, x, y: lambda g: g)
    assert float(grad(nothing)(1.0, 2.0)) == 1.0
    with pytest.raises(cr.MissingRuleError, match="wrt argnum 1 not defined"):
        grad(nothing, 1)(1.0, 2.0)
    with pytest.raises(TypeError, match="Bad VJP '7'"):
        defvjp(nothing, 7)
    with pytest.raises(TypeError, match="Bad JVP 'other'"):
        defjvp(nothing, "other")
    said = primitive(lambda x: "text")
    defvjp(said, None)
    with pytest.raises(TypeError, match=r"Can't differentiate w\.r\.t\. type <class 'str'>"):
        grad(said)(1.0)


def test_a_constant_that_changes_before_the_backward_pass_is_noticed() -> None:
    scale = onp.ones(3)
    scaled = primitive(lambda x, scale: x * scale)
    defvjp(scaled, lambda ans, x, scale: lambda g: g * scale, None)
    vjp, _ = make_vjp(lambda x: scaled(x, scale), X)
    scale[0] = 5.0
    with pytest.raises(cr.InPlaceError, match="changed in place"):
        vjp(onp.ones(3))


def test_checkpoints_and_functions_of_plain_values() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(isbox(x))
        return np.sin(x) ** 2

    onp.testing.assert_allclose(grad(lambda x: np.sum(checkpoint(f)(x)))(X), onp.sin(2 * X))
    assert len(calls) == 2
    largest = notrace_primitive(lambda x: onp.argmax(x))
    onp.testing.assert_array_equal(grad(lambda x: x[largest(x)])(X), [0.0, 0.0, 1.0])


def test_boxes() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append((isbox(x), isinstance(x, ArrayBox), isinstance(x, Box), type(getval(x))))
        return np.sum(x)

    grad(f)(X)
    assert seen == [(True, True, True, onp.ndarray)]
    assert not isbox(X)
    assert not isinstance([1.0], Box)

    class Marked(onp.ndarray):
        def __mul__(self, other: Any) -> Any:
            return super().__mul__(other)

    with pytest.raises(TypeError, match="Marked"):
        grad(lambda x: np.sum(x))(X.view(Marked))
    ArrayBox.register(Marked)
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x))(X.view(Marked)), onp.ones(3))
    with pytest.raises(TypeError, match=r"Box.register: int is not an array class; make it a dataclass"):
        Box.register(int)


def test_classes_entered_in_the_table_of_boxes() -> None:
    class Switched(onp.ndarray):
        is_on = True

        def __mul__(self, other: Any) -> Any:
            return super().__mul__(other)

    def box(x: Any, *args: Any) -> Any:
        if not x.is_on:
            raise ValueError("it is off")
        return ArrayBox(x, *args)

    Box.type_mappings[Switched] = box
    x = X.view(Switched)
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x * x))(x), 2 * X)
    x.is_on = False
    with pytest.raises(ValueError, match="it is off"):
        grad(lambda x: np.sum(x))(x)


def test_arrays_with_universal_functions_of_their_own_leave_traced_values_to_us() -> None:
    class Own(onp.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
            plain = [x.view(onp.ndarray) if isinstance(x, Own) else x for x in inputs]
            return onp.asarray(super().__array_ufunc__(ufunc, method, *plain, **settings)).view(Own)

    Box.type_mappings[Own] = ArrayBox
    Box.register(Own)
    a = X.view(Own)
    assert type(a * a) is Own
    onp.testing.assert_array_equal(grad(lambda x: np.sum(a * x))(X), X)
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x * a))(a), X)


def test_a_gradient_of_a_list_may_be_an_array() -> None:
    @primitive
    def total(xs: Any) -> Any:
        return xs[0]["a"] + 2 * xs[1]["a"]

    defvjp(total, lambda ans, xs: lambda g: [{"a": g}, {"a": 2 * g}])
    weighed = primitive(lambda xs: xs[0] * xs[1])
    defvjp(weighed, lambda ans, xs: lambda g: onp.array([g * xs[1], g * xs[0]]))
    assert float(grad(lambda x: total([{"a": x}, {"a": x}]))(1.0)) == 3.0
    assert float(grad(lambda x: weighed([x, 3.0 * x]))(2.0)) == 12.0


def test_boxes_of_a_trace_of_ones_own() -> None:
    with trace_stack.new_trace() as trace:
        start = new_box((onp.array(2.0), X), trace, VJPNode.new_root())
        end = start[0] * np.sum(start[1]) + np.sum(start[1])
    assert isbox(end)
    assert end._trace == start._trace
    assert not isbox(np.sum(X))
    times, added = end._link.parents
    assert [float(x) for x in end._link.vjp(1.0)] == [1.0, 1.0]
    scale, total = times.vjp(1.0)
    assert (float(scale), float(total)) == (float(X.sum()), 2.0)
    onp.testing.assert_array_equal(added.vjp(3.0)[0], onp.full(3, 3.0))
    assert added.parents[0].vjp(1.0) == ()


@walked("value", [1.0, X, {"a": [1.0, X], "b": (2.0,)}, 1j * X, onp.float32(2.0)])
def test_spaces(value: Any) -> None:
    space = vspace(value)
    assert space == vspace(space.zeros()) == vspace(space.ones()) == vspace(space.randn())
    assert len(list(space.standard_basis())) == space.size
    v = space.randn()
    assert space.inner_prod(v, space.add(v, space.scalar_mul(v, -1.0))) == pytest.approx(0.0)
    assert space.inner_prod(v, space.ones()) == pytest.approx(
        sum(space.inner_prod(v, unit) for unit in space.standard_basis())
    )


def test_spaces_that_do_not_exist() -> None:
    with pytest.raises(TypeError, match="Can't find vector space for value text"):
        vspace("text")
    with pytest.raises(TypeError, match="VSpace does not define zeros; a subclass of VSpace has to"):
        VSpace(None).zeros()


def test_graphs() -> None:
    calls = []

    def f(x: Any, y: Any) -> Any:
        calls.append(1)
        return np.sin(x * y) + 2.0 * x

    once = const_graph(f)
    for x, y in ((1.0, 2.0), (0.5, -1.0)):
        assert float(once(x, y)) == pytest.approx(onp.sin(x * y) + 2 * x)
    assert len(calls) == 1
    with pytest.raises(ValueError, match="independent of input"), pytest.warns(UserWarning, match="independent"):
        const_graph(lambda x: 1.0)(2.0)
    node = full_graph(f, 1.0, 2.0)
    assert float(node.value) == pytest.approx(onp.sin(2.0) + 2.0)
    assert node.recipe[0].__name__ == "add"


def test_a_node_class_of_ones_own() -> None:
    lines: list[str] = []

    class Printed(Node):
        def __init__(self, value: Any, fun: Any, args: Any, kwargs: Any, argnums: Any, parents: Any) -> None:
            self.name = f"t{len(lines)}"
            lines.append(f"{self.name} = {fun.__name__}({', '.join(p.name for p in parents)})")

        def initialize_root(self, name: str) -> None:
            self.name = name

    trace(Printed.new_root("x"), lambda x: np.exp(x) * x, 1.0)
    assert lines == ["t0 = exp(x)", "t1 = multiply(t0, x)"]


def test_flattening_is_undone_and_traced() -> None:
    tree = {"b": [X, 2.0], "a": (onp.ones((2, 2)), [])}
    vector, unflatten = flatten(tree)
    assert vector.shape == (8,)
    assert unflatten(vector)["a"][0].shape == (2, 2)
    onp.testing.assert_array_equal(grad(lambda v: np.sum(unflatten(v)["b"][0] ** 2))(vector)[4:7], 2 * X)
    assert flatten(())[0].shape == (0,)


def test_fixed_points() -> None:
    newton = lambda a: lambda x: (x + a / x) / 2  # noqa: E731
    root = lambda a: fixed_point(newton, a, 1.0, lambda x, y: abs(x - y), 1e-12)  # noqa: E731
    assert float(root(2.0)) == pytest.approx(2**0.5)
    assert float(grad(root)(2.0)) == pytest.approx(0.5 / 2**0.5)
    assert float(grad(grad(root))(2.0)) == pytest.approx(-0.25 / 2**1.5)


@walked("optimizer", [sgd, rmsprop, adam])
def test_long_vectors_are_optimized_element_by_element_like_short_ones(optimizer: Any) -> None:
    start = np.random.default_rng(0).normal(size=20_000)
    seen: list[Any] = []

    def run(x: Any) -> Any:
        return optimizer(lambda x, _: x**3 - x, x, lambda x, i, g: seen.append((x, x.copy())), num_iters=5)

    assert np.array_equal(run(start)[-50:], run(start[-50:]))
    assert all(np.array_equal(x, before) for x, before in seen)
    assert run(start.astype(np.float32)).dtype == run(start[:50].astype(np.float32)).dtype


@walked(("optimizer", "settings"), [(sgd, {}), (rmsprop, {}), (adam, {"step_size": 0.05})])
def test_optimizers(optimizer: Any, settings: Any) -> None:
    seen: list[int] = []

    def loss(params: Any, _: int = 0) -> Any:
        return np.sum(params["w"] ** 2) + (params["b"] - 1.0) ** 2

    start = {"w": X, "b": 0.0}
    found = optimizer(grad(loss), start, lambda x, i, g: seen.append(i), num_iters=200, **settings)
    assert seen == list(range(200))
    assert float(loss(found)) < 1e-2 * float(loss(start))


def test_a_primitive_may_return_one_array_or_several() -> None:
    @primitive
    def split(x):
        return x * 2 if len(x) == 1 else (x[:1] * 2, x[1:] * 3)

    defvjp(split, lambda ans, x: lambda g: np.concatenate([2 * g[0], 3 * g[1]]) if len(x) > 1 else 2 * g)

    def total(x):
        found = split(x)
        return np.sum(found[0]) + np.sum(found[1]) if len(x) > 1 else np.sum(found)

    for size, expected in ((1, [2.0]), (2, [2.0, 3.0]), (1, [2.0])):
        assert grad(total)(np.ones(size)).tolist() == expected


def test_a_primitive_s_own_arrays_are_plain() -> None:
    """It makes them with the door's names, and hands them to code that takes NumPy's arrays only."""

    @primitive
    def put(x: Any) -> Any:
        out = np.zeros(5)
        out[1:4] = np.ones_like(x) * x
        assert type(out) is onp.ndarray
        return out

    defvjp(put, lambda ans, x: lambda g: g[1:4])
    x = onp.array([1.0, 2.0, 3.0])
    assert type(grad(lambda x: np.sum(put(x) ** 2))(x)) is onp.ndarray
    onp.testing.assert_allclose(grad(lambda x: np.sum(put(x) ** 2))(x), 2 * x)
    onp.testing.assert_allclose(grad(lambda y: np.sum(put(x) * y))(onp.ones(5)), [0, 1, 2, 3, 0])


def test_a_gradient_that_makes_arrays_compiles():
    import chainrule.autograd.numpy as np

    @primitive
    def total(x):
        return np.log(np.sum(np.exp(x)))

    def of_total(ans, x):
        shape = x.shape
        return lambda g: np.full(shape, g) * np.exp(x - np.full(shape, ans))

    defvjp(total, of_total)
    gradient = grad(lambda x: total(x**2))
    compiled = cr.compile(gradient)
    for k in range(3):
        x = np.arange(3.0) + k
        np.testing.assert_allclose(compiled(x), gradient(x), rtol=1e-12)

"""Functions of arrays, compiled: their arguments, results and derivatives."""

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
from chainrule import nn, optim

from .worlds import World, arrays, batches, compare, network

RNG = np.random.default_rng(0)


def held(f: Any, *calls: tuple[Any, ...], dtype: Any = np.float64) -> Any:
    """Hold a compiled function against itself at each of these calls; return the compiled one."""
    compiled = cr.compile(f)
    tolerance = {np.float64: 1e-12, np.float32: 1e-5, np.float16: 1e-2}[dtype]
    for call in calls:
        expected, got = f(*call), compiled(*call)
        a, b = arrays(expected), arrays(got)
        assert cr.core.tree.flatten(expected)[1] == cr.core.tree.flatten(got)[1]
        for one, other in zip(a, b, strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
        # NumPy makes scalars of results without axes; a replay's are arrays.
        kinds = [isinstance(y, cr.Tensor) for y in cr.core.tree.flatten(expected)[0]]
        assert [isinstance(y, cr.Tensor) for y in cr.core.tree.flatten(got)[0]] == kinds
    return compiled


def some(*shape: int, count: int = 3, dtype: Any = np.float64) -> list[tuple[Any]]:
    return [(RNG.normal(size=shape).astype(dtype),) for _ in range(count)]


# Results


def test_the_same_twice() -> None:
    held(lambda x: (np.exp(x), np.exp(x)), *some(3))


def test_a_result_that_a_pass_replaces() -> None:
    held(lambda x: (x.astype(np.float64), x.reshape(3), +x, x.copy()), *some(3))


def test_an_argument_itself_and_constants() -> None:
    constant = np.arange(3.0)
    compiled = held(lambda x: {"x": x, "c": constant, "n": None, "one": 1}, *some(3))
    x = np.ones(3)
    assert compiled(x)["x"] is not x
    assert cr.compile(lambda x: (x, "text", 1, None))(x)[1:] == ("text", 1, None)


def test_results_are_arrays_of_their_own() -> None:
    compiled = cr.compile(lambda x: (x * 2, x.reshape(3, 1), np.transpose(x)))
    first = compiled(np.ones(3))
    kept = [y.copy() for y in first]
    compiled(np.full(3, 5.0))
    for y, k in zip(first, kept, strict=True):
        np.testing.assert_array_equal(y, k)
        assert y.flags.writeable


def test_results_of_parameters_are_copies() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> Any:
        return x + 1, w.detach()

    compiled = cr.compile(f)
    _, first = compiled(np.ones(2))
    w.data = [5.0, 6.0]
    _, second = compiled(np.ones(2))
    assert first.tolist() == [1.0, 2.0]
    assert second.tolist() == [5.0, 6.0]


Pair = namedtuple("Pair", "a b")


def test_nested_arguments_and_results() -> None:
    def f(tree: Any, *, scale: Any = 1.0) -> Any:
        return {"pair": Pair(tree["x"] * scale, [tree["y"][0], tree["y"][1].sum()]), "n": (tree["x"].mean(),)}

    calls = [({"x": RNG.normal(size=3), "y": (RNG.normal(size=2), RNG.normal(size=4))},) for _ in range(3)]
    compiled = held(f, *calls)
    assert len(compiled.plans) == 1
    expected, got = f(calls[0][0], scale=np.asarray(3.0)), compiled(calls[0][0], scale=np.asarray(3.0))
    np.testing.assert_allclose(arrays(got)[0], arrays(expected)[0])


def test_results_of_arrays_beside_tensors_stay_arrays() -> None:
    held(lambda x, t: (x * 2, t * 2, x * t), *[(RNG.normal(size=3), cr.tensor(RNG.normal(size=3))) for _ in range(3)])


def test_keyword_arguments() -> None:
    compiled = cr.compile(lambda x, y: x - y)
    a, b = np.ones(2), np.full(2, 3.0)
    for _ in range(2):
        assert compiled(a, b).tolist() == [-2.0, -2.0]
        assert compiled(y=a, x=b).tolist() == [2.0, 2.0]
        assert compiled(x=a, y=b).tolist() == [-2.0, -2.0]
        assert compiled(a, y=b).tolist() == [-2.0, -2.0]


def test_scalars_and_arrays_without_axes() -> None:
    held(lambda x: (x * 2 + 1, np.sin(x)), *[(np.asarray(float(k)),) for k in range(3)])
    held(lambda x: x.sum(), *some(3))
    held(lambda x: x * np.float64(2), *[(np.float64(k),) for k in range(3)])


def test_numbers_belong_to_what_a_plan_is_for() -> None:
    compiled = cr.compile(lambda x, n: x**n)
    for n in (1, 2, 3, 2, 1):
        np.testing.assert_allclose(compiled(np.asarray([2.0]), n), [2.0**n])
    assert len(compiled.plans) == 2
    np.testing.assert_allclose(compiled(np.asarray([2.0]), 2.0), [4.0])
    assert compiled(np.asarray([2.0]), True).tolist() == [2.0]


def test_arguments_without_use_and_no_arguments() -> None:
    held(lambda x, y: x + 1, *[(a[0], b[0]) for a, b in zip(some(2), some(2), strict=True)])
    w = cr.tensor([1.0], requires_grad=True)
    compiled = cr.compile(lambda: w.detach() * 2)
    assert [compiled().tolist(), compiled().tolist()] == [[2.0], [2.0]]


def test_arrays_that_are_not_contiguous() -> None:
    x = RNG.normal(size=(4, 6))
    held(lambda x: (x @ x.T, (x * 2).sum(axis=0)), (x[:, ::2],), (x.T[::2].T,), (np.asfortranarray(x[:, :3]),))


def test_one_array_twice_and_one_inside_another() -> None:
    x = RNG.normal(size=4)
    held(lambda a, b: a * 2 + b, (x, x), (x, x[::-1]), (x, x))


def test_empty_arrays() -> None:
    held(lambda x: (x * 2, x.sum(), x.sum(axis=0)), (np.zeros((0, 3)),), (np.zeros((0, 3)),))


def test_products_of_and_to_empty_arrays() -> None:
    def f(x: Any, y: Any) -> Any:
        product, pullback = cr.vjp(np.matmul, x, y)
        return product, pullback(np.ones(product.shape))

    shapes = [((3, 4, 0), (0, 5)), ((3, 4, 2), (2, 0)), ((3, 0, 2), (2, 5)), ((0, 4, 2), (2, 5)), ((3, 4, 0), (0,))]
    for a, b in [*shapes, ((4, 0), (0, 5)), ((4, 2), (2, 0)), ((0,), (0, 3)), ((3, 4, 0), (3, 0, 5))]:
        with named(f"{a} {b}"):
            held(f, *[(np.ones(a), np.ones(b))] * 3)


def test_integers_booleans_and_casts() -> None:
    def f(x: Any, n: Any, b: Any) -> Any:
        return (
            x + n,
            x * b,
            n + 1,
            n // 2,
            ~b,
            np.where(b, n, -n),
            x.astype(np.int64),
            (x > 0) & b,
            n.astype(np.float32),
        )

    calls = [(RNG.normal(size=4), RNG.integers(-5, 5, 4), RNG.random(4) > 0.5) for _ in range(3)]
    held(f, *calls)


def test_float16() -> None:
    held(lambda x: (x * 2 + 1, np.tanh(x).sum(), x @ x.T), *some(3, 4, dtype=np.float16), dtype=np.float16)


def test_mixed_dtypes() -> None:
    calls = [(RNG.normal(size=3).astype(np.float32), RNG.normal(size=3)) for _ in range(3)]
    held(lambda a, b: (a + b, a * np.float32(2), a * 2.5, a * np.float64(2)), *calls)


def test_dtypes_make_plans_of_their_own() -> None:
    compiled = cr.compile(lambda x: x * 2)
    for dtype in (np.float32, np.float64, np.float16, np.int32):
        assert compiled(np.ones(2, dtype)).dtype == dtype
    assert len(compiled.plans) == 4


def test_byte_order_and_complex_arguments() -> None:
    swapped = np.arange(3.0).astype(">f8")
    np.testing.assert_array_equal(cr.compile(lambda x: x * 2)(swapped), swapped * 2)


def test_nan_and_infinity_go_through() -> None:
    x = np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0])
    with np.errstate(all="ignore"):
        held(
            lambda x: (np.maximum(x, 0), cr.relu(x), np.abs(x), np.minimum(x, 1.0), 1 / x, x * 0, np.sqrt(x)),
            (x,),
            (-x,),
        )


def test_tensors_and_arrays_as_arguments_make_tensors_and_arrays() -> None:
    compiled = held(lambda x: x * 2, *some(2))
    got = compiled(cr.tensor([1.0, 2.0]))
    assert isinstance(got, cr.Tensor)
    assert isinstance(compiled(np.ones(2)), np.ndarray)
    assert len(compiled.plans) == 2


FUNCTIONS: dict[str, Any] = {
    "power": lambda x: (x**2, x**3, np.abs(x) ** 0.5, 2.0**x, x**-1.0),
    "trigonometric": lambda x: (np.sin(x), np.cos(x), np.arctan(x), np.tan(x), np.sinh(x), np.arctan2(x, 2.0)),
    "logarithms": lambda x: (np.log(np.abs(x)), np.log1p(x * x), np.expm1(x), np.logaddexp(x, 1.0)),
    "reductions": lambda x: (x.sum(axis=0), x.mean(axis=1), x.max(axis=1), x.min(), x.std(), x.var(axis=0), x.prod()),
    "reductions kept": lambda x: (x.sum(axis=1, keepdims=True) * x, x - x.mean(axis=0, keepdims=True)),
    "arguments": lambda x: (x.argmax(axis=1), np.argsort(x, axis=1), np.argmin(x)),
    "order": lambda x: (np.sort(x, axis=0), np.median(x, axis=1), np.quantile(x, 0.3), np.partition(x, 2)),
    "without nan": lambda x: (np.nansum(x), np.nanmean(x, axis=0), np.nanmax(x), np.nan_to_num(x)),
    "alike": lambda x: (np.zeros_like(x) + x, np.ones_like(x) * x, np.full_like(x, 2.0)),
    "new tensors": lambda x: (cr.tensor(x) * 2, cr.zeros(4) + x, cr.ones((3, 4)) * x),
    "digits": lambda x: (np.digitize(x, [-0.5, 0.5]), np.isin(np.round(x), [0.0, 1.0])),
    "special": lambda x: (cr.special.erf(x), cr.gelu(x), cr.softplus(x), cr.elu(x), cr.silu(x), cr.sigmoid(x)),
    "cumulative": lambda x: (np.cumsum(x, axis=1), np.cumprod(x, axis=0)),
    "shapes": lambda x: (x.T, x.reshape(2, 6), np.expand_dims(x, 1), np.squeeze(x[None]), np.flip(x), np.roll(x, 1)),
    "joins": lambda x: (np.concatenate([x, x * 2]), np.stack([x, -x]), np.split(x, 2, axis=1), np.pad(x, 1)),
    "slices": lambda x: (x[0], x[:, 1:3], x[..., None], x[::-1], x[[0, 2, 0]], x[np.array([1, 0])][:, 1]),
    "products": lambda x: (x @ x.T, np.einsum("ij,kj->ik", x, x), np.dot(x, x[0]), np.outer(x[0], x[1]), np.vdot(x, x)),
    "softmax": lambda x: (cr.softmax(x, axis=-1), cr.log_softmax(x, axis=0), cr.logsumexp(x, axis=1)),
    "piecewise": lambda x: (np.where(x > 0, x, 0.1 * x), np.clip(x, -0.5, 0.5), np.sign(x), np.floor(x), np.round(x)),
    "linear algebra": lambda x: (np.linalg.inv(x @ x.T + np.eye(3)), np.linalg.det(x[:, :3]), np.linalg.norm(x)),
    "at": lambda x: (
        cr.rules.arrays.index.Place(x, 0).set(1.0),
        cr.rules.arrays.index.Place(x, (slice(None), 1)).add(2.0),
    ),
    "creation": lambda x: (np.ones(4) * x, np.arange(4) + x, np.eye(3) @ x, np.zeros(x.shape, x.dtype) + x),
    "iteration": lambda x: tuple(row * 2 for row in x),
    "stop gradient": lambda x: (cr.stop_gradient(x) * 2, x.copy(), np.array(1.0) * x),
    "broadcast": lambda x: (np.broadcast_to(x[0], (3, 4)) + x, x[:, :1] + x[:1], x[0] * x[:, 1:2] + 1),
    "methods": lambda x: (
        x.ravel(),
        x.flatten(),
        x.transpose(),
        x.swapaxes(0, 1),
        x.trace(),
        x.clip(-1, 1),
        x.dot(x.T),
    ),
    "questions": lambda x: (np.isnan(x), np.isfinite(x), x.any(), x.all(axis=0), x == x),
    "shape of": lambda x: (x * x.shape[0], x / len(x), x - x.size, x + x.ndim, np.shape(x)),
}


@walked("name", FUNCTIONS)
def test_functions(name: str) -> None:
    f = FUNCTIONS[name]
    compiled = held(f, *some(3, 4))
    assert len(compiled.plans) == 1


@pytest.mark.parametrize(
    "name", sorted(set(FUNCTIONS) - {"arguments", "questions", "shape of", "methods", "new tensors", "digits"})
)
def test_gradients_of_functions(name: str) -> None:
    def total(x: Any) -> Any:
        leaves = cr.core.tree.flatten(FUNCTIONS[name](x))[0]
        return sum((np.sin(y * 1.0)).sum() for y in leaves)

    def f(x: Any) -> Any:
        return cr.value_and_grad(total)(x)

    held(f, *some(3, 4))


def _differences(x: Any) -> Any:
    y = np.zeros_like(x)
    y[1:-1] = x[2:] - x[:-2]
    y[0] = x[1]
    return y


def _one_by_one(x: Any) -> Any:
    y, z = np.empty_like(x), np.ones_like(x)
    for k in range(len(x)):
        y[k] = x[k] ** 2 + z[k]
        z[k] = y[k]
    return y * np.full_like(z, 2.0) + z


def _constant_mask(x: Any) -> Any:
    mask = np.zeros_like(x, dtype=bool)
    mask[2:] = True
    return x[mask] * 2


def _as_it_was_made(x: Any) -> Any:
    return np.zeros_like(x), np.ones_like(x) + 1


def test_arrays_like_an_argument_are_written_to() -> None:
    calls = [(RNG.normal(size=6),) for _ in range(3)]
    for f in (
        _differences,
        _one_by_one,
        _constant_mask,
        _as_it_was_made,
        lambda x: cr.grad(lambda x: (_differences(x) ** 2).sum())(x),
    ):
        held(f, *calls)


def test_new_arrays_of_chainrule_s_numpy_are_written_to() -> None:
    from chainrule import numpy as cnp

    def f(x: Any) -> Any:
        y, z = cnp.zeros(len(x)), cnp.full((2, 2), 3.0)
        for k in range(1, len(x)):
            y[k] = 0.5 * y[k - 1] + x[k]
        z[0] += x[:2]
        return y, z, cnp.ones(2), cnp.zeros(3, int)

    held(f, *[(RNG.normal(size=6),) for _ in range(3)])


def test_arrays_like_an_argument_are_filled_in_numpy_s_ways() -> None:
    def f(x: Any) -> Any:
        y, z, u = np.zeros_like(x), np.empty_like(x), np.zeros_like(x)
        np.copyto(y, x * 2)
        np.add(x, 1, out=z)
        np.add.at(u, [0, 0, 1], x[:3])
        u += y
        u[[0, 2]] = x[1:3]
        u[x > 0] = 5.0
        z.fill(2.0)
        return y, z, u

    held(f, *[(RNG.normal(size=6),) for _ in range(3)])


def test_arrays_like_those_that_a_transformed_function_made_are_written_to() -> None:
    """A wave on a grid: `chainrule.numpy` makes its arrays, the first of which has no gradient yet."""
    from chainrule import numpy as cnp

    def f(c: Any) -> Any:
        u, before = cnp.zeros((4, 4)), cnp.zeros((4, 4))
        u[1, 1] = 1.0
        for _ in range(3):
            bend = cnp.zeros_like(u)
            bend[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] - 2 * u[1:-1, 1:-1]
            u, before = 2 * u - before + c**2 * bend, u
        return (u**2).sum()

    held(cr.value_and_grad(f), *[(RNG.normal(size=(4, 4)),) for _ in range(3)])


def test_an_array_of_the_users_is_picked_from_by_computed_indices() -> None:
    """As in an image that is read between its pixels: `image[row, column]` with indices that depend on arguments."""
    image = np.arange(36.0).reshape(6, 6) ** 1.5

    def f(t: Any) -> Any:
        x = np.clip(3 * t, 0.0, 4.9)
        k = np.floor(x).astype(int)
        between = image[k, k + 1] * (x - k) + image[k + 1, k] * (1 - x + k)
        return between.sum() + (image[2][k] * x).sum() + (image[k[0]] * x[1]).sum()

    compiled = cr.compile(cr.value_and_grad(f))
    for t in (np.array([0.3, 1.4]), np.array([1.2, 0.1]), np.array([0.9, 0.5])):
        image[0] += 1
        for found, expected in zip(compiled(t), cr.value_and_grad(f)(t), strict=True):
            np.testing.assert_allclose(found, expected)
    assert sum(map(len, compiled.plans.values())) == 1


def test_indices_may_change() -> None:
    table = RNG.normal(size=(5, 2))
    calls = [(RNG.normal(size=(4, 3)), RNG.integers(0, 4, 2), np.asarray(k)) for k in range(3)]
    held(lambda x, i, k: (x[i], x[i, 1], x[k], x[k, 0], cr.numpy.take(table, i, axis=0), x[i[:, None], [0, 1]]), *calls)
    held(lambda x, i, k: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), *calls)
    held(lambda x, i, k: cr.grad(lambda y: (y[i] ** 2).sum() + y[k].sum())(x), *calls)


def test_masks_with_where() -> None:
    held(lambda x, m: np.where(m, x, 0.0).sum(), *[(RNG.normal(size=4), RNG.random(4) > 0.5) for _ in range(3)])


# Derivatives inside


def cube(x: Any) -> Any:
    return (x**3 + np.sin(x)).sum()


TRANSFORMS: dict[str, Any] = {
    "grad": lambda x: cr.grad(cube)(x),
    "value and grad": lambda x: cr.value_and_grad(cube)(x),
    "grad of grad": lambda x: cr.grad(lambda y: cr.grad(cube)(y).sum())(x),
    "jvp": lambda x: cr.jvp(cube, (x,), (np.cos(x),)),
    "vjp": lambda x: cr.vjp(np.sin, x)[1](x),
    "hvp": lambda x: cr.hvp(cube, (x,), (np.ones(4),)),
    "hessian": lambda x: cr.hessian(cube)(x),
    "jacobian": lambda x: cr.jacobian(lambda y: np.sin(y) * y.sum())(x),
    "jacfwd": lambda x: cr.jacfwd(lambda y: np.sin(y) * y.sum())(x),
    "linearize": lambda x: cr.linearize(np.sin, x)[1](x),
    "elementwise": lambda x: cr.elementwise_grad(np.tanh)(x),
    "checkpoint": lambda x: cr.grad(lambda y: cr.checkpoint(lambda z: np.tanh(np.sin(z)))(y).sum())(x),
}


@walked("name", TRANSFORMS)
def test_transforms_inside(name: str) -> None:
    held(TRANSFORMS[name], *some(4))


def test_second_derivatives_of_parameters() -> None:
    """A penalty on the gradient's norm: backward of a gradient."""

    def make() -> World:
        world = World(network(nn.Tanh()))

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad()
            slope = cr.grad(lambda z: (world.model(z) ** 2).sum())(x)
            value = world.loss(world.model(x), y) + 1e-3 * (slope**2).sum()
            value.backward()
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(3))


def test_operations_of_the_user() -> None:
    custom = cr.custom(lambda x: 2 * np.sin(x))
    custom.def_vjp(lambda y_bar, x: 2 * np.cos(x) * y_bar)
    held(lambda x: (custom(x), cr.grad(lambda z: custom(z * z).sum())(x)), *some(3))


def test_functions_with_tensors_made_inside() -> None:
    def f(x: Any) -> Any:
        t = cr.tensor(x, requires_grad=True)
        y = (t**2).sum()
        y.backward()
        return t.grad

    held(f, *some(3))


def test_checkpoint_of_layers_with_dropout() -> None:
    def make() -> World:
        world = World(network())
        block = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.4), nn.Tanh(), nn.BatchNorm1d(4))
        world.model = nn.Sequential(block, world.model)
        world.optimizer = optim.SGD(world.model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad()
            value = world.loss(world.model[1](cr.checkpoint(world.model[0])(x)), y)
            value.backward()
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(4))


def test_no_grad_inside_and_outside() -> None:
    w = cr.tensor([2.0], requires_grad=True)

    def inside(x: Any) -> Any:
        with cr.no_grad():
            return w * x

    held(inside, *some(1))

    compiled = cr.compile(lambda x: w * x)
    assert compiled(np.ones(1)).requires_grad
    with cr.no_grad():
        assert not compiled(np.ones(1)).requires_grad
    assert compiled(np.ones(1)).requires_grad

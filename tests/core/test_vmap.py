"""`vmap`: axes and trees, randomness, nesting, modules and losses, writes, and what it refuses."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 3))
CLASSES = RANDOM.integers(0, 3, 5)


def loop(f: Any, *columns: Any) -> Any:
    return np.stack([np.asarray(cr.tensor(f(*row))) for row in zip(*columns, strict=True)])


@pytest.fixture(autouse=True)
def _loops_are_no_news() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.VmapWarning)
        yield


# Axes and trees


@given(st.data())
def test_axes_at_any_place(data: Any) -> None:
    rows, shapes = data.draw(st.integers(1, 3)), [(2,), (), (2, 3)]
    axes = [data.draw(st.one_of(st.none(), st.integers(-len(s) - 1, len(s))), label=f"in {s}") for s in shapes]
    if all(axis is None for axis in axes):
        axes[0] = 0
    args = [
        RANDOM.normal(size=s if axis is None else _with(s, axis, rows)) for s, axis in zip(shapes, axes, strict=True)
    ]

    def f(a: Any, b: Any, c: Any) -> Any:
        return {"sum": a.sum() * b + c.sum(), "rest": [c * b, np.outer(a, a)]}

    out = {"sum": data.draw(st.integers(-1, 0)), "rest": data.draw(st.integers(-3, 2))}
    found = cr.vmap(f, in_axes=tuple(axes), out_axes=out)(*args)
    each = [
        f(*(x if axis is None else np.take(x, k, axis) for x, axis in zip(args, axes, strict=True)))
        for k in range(rows)
    ]
    np.testing.assert_allclose(found["sum"], [y["sum"] for y in each])
    for part in range(2):
        np.testing.assert_allclose(found["rest"][part], np.stack([y["rest"][part] for y in each], axis=out["rest"]))


def _with(shape: tuple[int, ...], axis: int, rows: int) -> tuple[int, ...]:
    sized = list(shape)
    sized.insert(axis % (len(shape) + 1), rows)
    return tuple(sized)


def test_trees_of_axes_of_any_depth() -> None:
    tree = {"w": [np.ones(2), np.arange(6.0).reshape(2, 3)], "x": (X, None), "n": 2.0}

    def f(t: Any, scale: Any) -> Any:
        return t["w"][0].sum() * t["x"][0] * t["n"] + scale + t["w"][1].sum()

    found = cr.vmap(f, in_axes=({"w": [None, None], "x": 0, "n": None}, None))(tree, 3.0)
    np.testing.assert_allclose(found, 4 * X + 18)
    found = cr.vmap(f, in_axes=[{"w": None, "x": (0, None), "n": None}, 0])(tree, np.arange(5.0))
    np.testing.assert_allclose(found, 4 * X + 15 + np.arange(5.0)[:, None])


def test_keyword_arguments_are_the_same_for_every_sample() -> None:
    np.testing.assert_array_equal(cr.vmap(lambda x, *, by: x * by)(X, by=X[0]), X * X[0])


def test_what_does_not_depend_on_the_sample() -> None:
    rows, same, text = cr.vmap(lambda x: (x, 2.0, "text"), out_axes=(0, 0, None))(X)
    assert (same.tolist(), text) == ([2.0] * 5, "text")
    rows[0] = 7  # the result is the caller's
    assert X[0, 0] != 7


def test_arrays_give_arrays_and_tensors_tensors() -> None:
    assert type(cr.vmap(np.sin)(X)) is np.ndarray
    assert type(cr.vmap(np.sin)(cr.tensor(X))) is cr.Tensor
    x = cr.tensor(X, requires_grad=True)
    cr.vmap(lambda x: (x**3).sum())(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * X**2)
    assert cr.vmap(lambda x: x * 2)(X.astype(np.float32)).dtype == np.float32
    assert cr.vmap(lambda i: i + 1)(CLASSES).dtype == CLASSES.dtype


@walked(
    ("call", "error", "said"),
    [
        (lambda: cr.vmap(3), TypeError, "expected a function, got int"),
        (lambda: cr.vmap(np.sin, randomness="none"), ValueError, "randomness must be"),
        (lambda: cr.vmap(np.sin, in_axes="0"), TypeError, "in_axes must consist of ints and None, got '0'"),
        (lambda: cr.vmap(np.sin, in_axes=(0, 0))(X), ValueError, "2 entries for 1 positional"),
        (lambda: cr.vmap(np.sin, in_axes=None)(X), ValueError, "no argument is mapped"),
        (lambda: cr.vmap(np.sin)(3.0), TypeError, r"argument 0: got float 3.0, .* use in_axes=None"),
        (lambda: cr.vmap(np.sin)(np.array(3.0)), ValueError, "argument 0: got an array without axes"),
        (
            lambda: cr.vmap(np.sin, in_axes=2)(X),
            ValueError,
            r"argument 0: in_axes has axis 2, but the shape is \(5, 3\)",
        ),
        (lambda: cr.vmap(np.add)(X, X[:2]), ValueError, "argument 0: 5, argument 1: 2"),
        (lambda: cr.vmap(lambda d: d["a"], in_axes=({"b": 0},))({"a": X}), ValueError, "in_axes: .*not a tree"),
        (lambda: cr.vmap(np.sin, out_axes=2)(X), ValueError, r"out_axes has axis 2, but the shape is \(5, 3\)"),
        (lambda: cr.vmap(np.sin, out_axes=None)(X), ValueError, "out_axes is None, but the result depends"),
        (lambda: cr.vmap(lambda x: "text")(X), TypeError, "expected arrays, got str"),
        (lambda: cr.vmap(np.sin)({"a": X, "b": "text"}), TypeError, r"argument 0\['b'\]: got str"),
    ],
)
def test_wrong_arguments_are_named(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=f"vmap: .*{said}"):
        call()


def test_no_samples() -> None:
    assert cr.vmap(lambda x: np.tanh(x) @ np.ones((3, 2)))(X[:0]).shape == (0, 2)


# Nesting


def test_it_nests_with_every_transform() -> None:
    def f(x: Any) -> Any:
        return np.outer(x, np.sin(x)) @ x

    for transform in (cr.jacrev, cr.jacfwd, cr.jacobian):
        np.testing.assert_allclose(cr.vmap(transform(f))(X), loop(transform(f), X))
        np.testing.assert_allclose(
            transform(cr.vmap(f))(X)[1, :, 1], transform(f)(X[1]), err_msg="the Jacobian of a mapped function"
        )

    def scalar(x: Any) -> Any:
        return (f(x) ** 2).sum()

    np.testing.assert_allclose(cr.vmap(cr.hessian(scalar))(X), loop(cr.hessian(scalar), X))
    hvp = lambda x, v: cr.hvp(scalar, (x,), (v,))  # noqa: E731
    np.testing.assert_allclose(cr.vmap(hvp)(X, X[::-1]), loop(hvp, X, X[::-1]))
    pushed = lambda x, v: cr.linearize(f, x)[1](v)  # noqa: E731
    np.testing.assert_allclose(cr.vmap(pushed)(X, X[::-1]), loop(pushed, X, X[::-1]))
    pulled = lambda x, v: cr.vjp(f, x)[1](v)[0]  # noqa: E731
    np.testing.assert_allclose(cr.vmap(pulled)(X, X[::-1]), loop(pulled, X, X[::-1]))
    np.testing.assert_allclose(cr.vmap(cr.elementwise_grad(np.tanh))(X), 1 - np.tanh(X) ** 2)
    np.testing.assert_allclose(cr.grad(lambda X: cr.vmap(cr.grad(scalar))(X).sum())(X), loop(
        lambda x: cr.hessian(scalar)(x).sum(axis=0), X))  # fmt: skip
    table = cr.vmap(cr.vmap(lambda a, b: (a * b).sum(), (None, 0)), (0, None))(X, X)
    np.testing.assert_allclose(table, X @ X.T)


def test_checkpoints() -> None:
    block = cr.checkpoint(lambda x: np.sin(x * x).sum())
    expected = 2 * X * np.cos(X * X)
    np.testing.assert_allclose(cr.vmap(cr.grad(block))(X), expected)
    np.testing.assert_allclose(cr.grad(lambda X: cr.vmap(block)(X).sum())(X), expected)


def test_compiled_functions() -> None:
    mapped = cr.vmap(cr.grad(lambda x: np.sin(x * x).sum()))
    compiled = cr.compile(mapped)
    for data in (X, X + 1):
        np.testing.assert_allclose(compiled(data), mapped(data))
    np.testing.assert_allclose(cr.vmap(cr.compile(lambda x: np.sin(x) * 2))(X), np.sin(X) * 2)


def test_custom_operations_run_in_a_loop() -> None:
    @cr.custom
    def cube(x: Any) -> Any:
        assert x.shape == (3,)
        return x**3

    cube.def_vjp(lambda y_bar, x: 3 * x**2 * y_bar)
    keeping = cr.custom(lambda x: x**3)
    keeping.def_vjp(lambda x: (x**3, x), lambda x, y_bar: 3 * x**2 * y_bar)
    for op in (cube, keeping):
        np.testing.assert_allclose(cr.vmap(op)(X), X**3)
        np.testing.assert_allclose(cr.vmap(cr.grad(lambda x, op=op: op(x).sum()))(X), 3 * X**2)
        np.testing.assert_allclose(cr.grad(lambda X, op=op: cr.vmap(op)(X).sum())(X), 3 * X**2)
        np.testing.assert_allclose(cr.vmap(lambda x, op=op: cr.jvp(op, (x,), (x,))[1])(X), 3 * X**3)
    np.testing.assert_allclose(cr.vmap(cr.hessian(lambda x: cube(x).sum()))(X), [np.diag(6 * x) for x in X])


# Modules and losses


def test_modules_and_the_gradient_of_each_sample() -> None:
    cr.seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))
    np.testing.assert_allclose(cr.vmap(lambda x: model(x))(X).numpy(), loop(lambda x: model(x).numpy(), X))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x)[None], y[None])

    each = cr.vmap(cr.grad(loss), in_axes=(None, 0, 0))(model, X, CLASSES)
    for k in range(5):
        one = cr.grad(loss)(model, X[k], CLASSES[k])
        for a, b in zip(each.parameters(), one.parameters(), strict=True):
            np.testing.assert_allclose(a.numpy()[k], b.numpy(), atol=1e-12)


def test_a_convolutional_network() -> None:
    images = RANDOM.normal(size=(4, 2, 6, 6))
    p = {"w": RANDOM.normal(size=(4, 2, 3, 3)), "b": RANDOM.normal(size=4), "v": RANDOM.normal(size=(36, 3))}

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = F.max_pool2d(np.maximum(F.conv2d(x[None], p["w"], p["b"], padding=1), 0), 2)
        return F.cross_entropy(h.reshape(1, -1) @ p["v"], y[None])

    each = cr.vmap(cr.grad(loss), in_axes=(None, 0, 0))(p, images, CLASSES[:4])
    for name in p:
        expected = [cr.grad(loss)(p, x, y)[name] for x, y in zip(images, CLASSES, strict=False)]
        np.testing.assert_allclose(each[name], expected, atol=1e-12)


@walked(
    "loss",
    [
        lambda x, y: F.cross_entropy(x, y),
        lambda x, y: F.cross_entropy(x[None], y[None], label_smoothing=0.1),
        lambda x, y: F.cross_entropy(np.stack([x, x]), np.stack([y, y]), ignore_index=1, reduction="sum"),
        lambda x, y: F.nll_loss(F.log_softmax(x[None]), y[None]),
        lambda x, y: F.multi_margin_loss(x[None], y[None]),
        lambda x, y: F.mse_loss(x, x * 0 + y),
        lambda x, y: F.binary_cross_entropy(cr.sigmoid(x), x * 0 + 0.3),
        lambda x, y: F.embedding(y, np.arange(12.0).reshape(3, 4)).sum() * x.sum(),
    ],
)
def test_losses(loss: Any) -> None:
    np.testing.assert_allclose(cr.vmap(loss)(X, CLASSES), loop(loss, X, CLASSES))
    np.testing.assert_allclose(cr.vmap(cr.grad(loss))(X, CLASSES), loop(cr.grad(loss), X, CLASSES), atol=1e-14)


def test_a_class_out_of_range_is_an_error_in_any_row() -> None:
    with pytest.raises(IndexError, match="expected a class from 0 to 2"):
        cr.vmap(lambda x, y: F.cross_entropy(x, y))(X, np.array([0, 1, 2, 0, 3]))


FUNCTIONS = [
    *(np.median, np.sort, np.cumsum, np.ptp, np.var, np.nansum, np.nanmean, np.diff, np.gradient, np.unwrap, np.diag),
    *(cr.logsumexp, np.nanmedian, np.trapezoid),
    lambda x: np.percentile(x, [30, 60]),
    lambda x: x[np.argsort(x)],
    lambda x: np.outer(x, x)[x.argmax(), x.argmin()],
    lambda x: np.outer(x, x)[np.argsort(x), None, :],
    lambda x: np.stack([np.outer(x, x)] * 2)[np.argsort(x)[:2] % 2, :, np.array([0, 1])],
    lambda x: np.take(x, x.argmax()),
    lambda x: np.choose((x > 0).astype(int), [x, x * 2]),
    lambda x: np.interp(x, [0.0, 1.0], [0.0, 2.0]),
    lambda x: np.linalg.lstsq(np.outer(x, x) + np.eye(3), x)[0],
    lambda x: np.linalg.svd(np.outer(x, x) + np.eye(3))[1],
    lambda x: np.linalg.det(np.outer(x, x)),
    lambda x: np.linalg.norm(x, 3),
    lambda x: np.corrcoef(np.stack([x, x**2])),
    lambda x: np.convolve(x, x),
    lambda x: np.clip(x, -1, x[0]),
    lambda x: cr.where(x > 0, x, 0),
    lambda x: np.einsum("i,jk->k", x, np.outer(x, x)),
    lambda x: sum(x[k] ** k for k in range(len(x))),
]


@walked("f", FUNCTIONS, ids=lambda f: getattr(f, "__name__", "f"))
def test_functions_that_look_at_values(f: Any) -> None:
    np.testing.assert_allclose(cr.vmap(f)(X), loop(f, X), atol=1e-14)
    loss = lambda x: (f(x) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(cr.vmap(cr.grad(loss))(X), loop(cr.grad(loss), X), atol=1e-10)
    np.testing.assert_allclose(cr.grad(lambda X: cr.vmap(loss)(X).sum())(X), loop(cr.grad(loss), X), atol=1e-10)


# Writes


@walked(
    "write",
    [
        lambda x: x.at[x.argmax()].set(9.0),
        lambda x: x.at[np.argsort(x)[:2]].add(x[0]),
        lambda x: np.outer(x, x).at[x.argmax(), :].set(x),
        lambda x: x.at[np.stack([x.argmax(), x.argmax()])].set(np.stack([x[0], x[1]])),
    ],
)
def test_changed_copies_at_places_of_each_row(write: Any) -> None:
    each = lambda x: write(cr.tensor(x))  # noqa: E731
    np.testing.assert_allclose(cr.vmap(write)(cr.tensor(X)).numpy(), loop(lambda x: _numpy_of(each, x), X))
    loss = lambda x: (write(x) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(cr.vmap(cr.grad(loss))(X), loop(cr.grad(loss), X))


def _numpy_of(write: Any, x: Any) -> Any:
    y = write(x)
    return y.numpy() if isinstance(y, cr.Tensor) else y


def test_writes_and_views() -> None:
    def written(x: Any) -> Any:
        z = np.zeros_like(x)
        z[0] = x[1]
        z[1:] += x[:2]
        y = x.copy()
        view = y[1:]
        view *= 2
        y += 1
        y[...] = y * z
        return z, view

    for place in range(2):
        np.testing.assert_allclose(cr.vmap(written)(X)[place], [written(x)[place] for x in X])
    loss = lambda x: (written(x)[0] ** 2).sum() + written(x)[1].sum()  # noqa: E731
    np.testing.assert_allclose(cr.vmap(cr.grad(loss))(X), loop(cr.grad(loss), X))
    made = cr.vmap(lambda x: _first(cr.zeros(3), x[0]))(X)
    np.testing.assert_allclose(made.numpy() if isinstance(made, cr.Tensor) else made, np.outer(X[:, 0], [1.0, 0, 0]))


def _first(z: Any, value: Any) -> Any:
    z[0] = value
    return z


def test_a_write_to_a_tensor_from_outside_is_refused() -> None:
    outside = cr.zeros(3)
    with pytest.raises(cr.VmapError, match="written into a tensor that outlives the function"):
        cr.vmap(lambda x: (_first(outside, x[0]), x)[1])(X)
    assert outside.shape == (3,)
    assert not outside.requires_grad
    with pytest.raises(cr.VmapError, match="would write a value"):
        cr.vmap(lambda x: _first(np.zeros(3), x[0]))(X)


# What depends on the values of one row


@walked(
    ("f", "said"),
    [
        (lambda x: x if x.sum() > 0 else -x, "asked whether a mapped value is true"),
        (lambda x: x * float(x[0]), "float"),
        (lambda x: range(int(x[0])), "int"),
        (lambda x: x[0].item(), "item"),
        (lambda x: x.tolist(), "values of a mapped array"),
        (lambda x: np.asarray(x), "a plain NumPy array was asked for"),
        (lambda x: math.sin(x[0]), "float"),
        (lambda x: x[x > 0], "a mask selects another number of elements"),
        (lambda x: np.unique(x), "values of a mapped array"),
        (lambda x: np.arange(3.0)[x.argmax()], "."),
        (lambda x: np.bincount(np.abs(x).astype(int)), "minlength"),
        (lambda x: nn.BatchNorm1d(3)(np.stack([x, x])), "running average"),
    ],
)
def test_control_flow_on_values_is_refused_with_the_way_out(f: Any, said: str) -> None:
    with pytest.raises(cr.VmapError, match=rf"vmap: .*{said}.*test_vmap.py:\d+.*cr\.where"):
        cr.vmap(f)(X)
    with pytest.raises((cr.VmapError, cr.GradientError), match=r"rows of|cut the value off|would be lost"):
        cr.vmap(cr.grad(lambda x: (f(x), x.sum())[1]))(X)


def test_printing_shows_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    cr.vmap(cr.grad(lambda x: (print(x), x**2)[1]))(np.array([1.0, 2.0]))
    assert capsys.readouterr().out == "tensor([1., 2.], rows of vmap: 2)\n"


# Randomness


DRAWING = [
    lambda x: F.dropout(x, 0.5),
    lambda x: x + cr.randn(3),
    lambda x: x + cr.random.normal(0.0, 2.0, size=3),
    lambda x: cr.random.normal(x, np.abs(x)),
    lambda x: x * cr.random.bernoulli_mask(cr.sigmoid(cr.stop_gradient(x))),
    lambda x: cr.vmap(lambda row: row + cr.rand(2), randomness="different")(x),
]


@walked("f", DRAWING)
def test_different_draws_are_those_of_a_loop(f: Any) -> None:
    cr.seed(3)
    found = cr.vmap(f, randomness="different")(X)
    cr.seed(3)
    np.testing.assert_array_equal(found, loop(f, X))


@walked("f", DRAWING[:3])
def test_the_same_draw_for_every_row(f: Any) -> None:
    rows = cr.vmap(f, randomness="same")(np.ones((5, 3)))
    assert (np.asarray(cr.tensor(rows)) == np.asarray(cr.tensor(rows))[0]).all()


@walked("f", DRAWING)
def test_draws_are_an_error_by_default(f: Any) -> None:
    with pytest.raises(cr.VmapError, match=r"draws random numbers .*randomness='different'"):
        cr.vmap(f)(X)


def test_new_parameters_are_refused() -> None:
    with pytest.raises(cr.VmapError, match="outside of an operation"):
        cr.vmap(lambda x: nn.Linear(3, 2)(x), randomness="different")(X)


def test_a_checkpoint_draws_the_same_again() -> None:
    f = cr.checkpoint(lambda x: F.dropout(x * x, 0.5).sum())
    cr.seed(0)
    gradient = cr.vmap(cr.grad(f), randomness="different")(X)
    cr.seed(0)
    np.testing.assert_allclose(gradient, loop(cr.grad(lambda x: F.dropout(x * x, 0.5).sum()), X))


# What runs in a loop


def test_a_loop_is_said_once_and_explained() -> None:
    f = cr.vmap(lambda x: np.convolve(x, x) + np.convolve(x, x))
    with pytest.warns(cr.VmapWarning, match=r"convolve .*test_vmap.py:\d+.* runs in a loop"):
        f(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(X)
    result, report = cr.vmap(lambda x: np.sin(np.convolve(x, x)), explain=True)(X)
    np.testing.assert_allclose(result, [np.sin(np.convolve(x, x)) for x in X])
    assert (report.together["sin"], report.alone) == (1, {"convolve": 1})
    assert "convolve: 1 x row by row, first at" in str(report)


def test_it_has_the_name_of_the_function() -> None:
    assert cr.vmap(np.sin).__name__ == "sin"

"""Products, cross-entropy, norms and softmax as tasks of machine code, or not where they are something else."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.torch as torch
from chainrule import nn
from chainrule.compile.plan.natives import tasks_of
from chainrule.compile.plan.plan import Plan
from chainrule.kernels.native import products
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.nn import functional as F
from chainrule.rules.network import norm

from ..named import named
from .test_passes import written


def made(f: Any, *arrays: Any) -> dict[str, bool]:
    """Whether each instruction of a function is a task."""
    program = written(f, *arrays)
    empty = {v: np.zeros(v.shape, v.dtype) if v.kind == "result" else v.array for v in program.values}
    return {i.name: tasks_of(i, empty.__getitem__) is not None for i in program.instructions}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 5), (1, 1), (6,)])
def test_norms_and_softmax(shape: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    n = shape[-1]

    def f(x: Any, gamma: Any, beta: Any) -> Any:
        h = F.layer_norm(x, n, gamma, beta)
        return (F.rms_norm(h, n, gamma) * F.softmax(x, axis=-1)).sum() + (h * h * h).mean()

    def g(*arrays: Any) -> Any:
        return cr.value_and_grad(f, (0, 1, 2))(*arrays)

    arrays = [rng.normal(size=s).astype(dtype) for s in (shape, (n,), (n,))]
    compiled = cr.compile(g)
    names = {step.name for step in (compiled(*arrays), compiled.plan)[1].steps}
    assert {"layer_norm", "rms_norm", "softmax"} <= names
    tolerance = 2e-4 if dtype is np.float32 else 1e-9
    for _ in range(2):
        (a, grads), (b, expected) = compiled(*arrays), g(*arrays)
        np.testing.assert_allclose(a, b, rtol=tolerance)
        for x, y in zip(grads, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_with_some_parameters_and_of_constants(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta = (rng.normal(size=shape).astype(dtype) for shape in ((2, 3, 5), 5, 5))
    losses = {
        "without a shift": lambda x, g, b: norm.layer_norm(x, g),
        "without a scale": lambda x, g, b: norm.layer_norm(x, None, b),
        "root mean square": lambda x, g, b: norm.rms_norm(x, g) + b,
        "root mean square without a scale": lambda x, g, b: norm.rms_norm(x) + g + b,
    }
    for name, f in losses.items():
        for over in ((0,), (1,), (2,), (1, 2), (0, 1, 2)):
            with named(name, over):
                both = cr.value_and_grad(lambda *a, f=f: (f(*a) * np.cos(np.arange(5))).sum(), over)
                compiled = cr.compile(both)
                rtol = 1e-4 if dtype is np.float32 else 1e-10
                leaves = (cr.core.tree.flatten(g(x, gamma, beta))[0] for g in (compiled, both))
                for found, expected in zip(*leaves, strict=True):
                    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
                assert len(compiled.plan.calls) == 1 or not HAS_COMPILER


def test_a_counter_of_batches_is_part_of_the_list() -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    with mock.patch.object(Plan, "_call", side_effect=AssertionError("a call of its own")):
        for k in range(3):
            step(torch.tensor(np.random.default_rng(k).normal(size=(4, 3)).astype(np.float32)))
    assert [int(model[k].num_batches_tracked) for k in (0, 2)] == [3, 3]


def test_what_is_a_task_and_what_is_not() -> None:
    x, gamma = np.ones((3, 4)), np.ones(4)
    kept = cr.grad(lambda x, g: norm.layer_norm(x, g, g).sum())
    assert made(kept, x, gamma)["layer_norm"]
    assert not made(kept, x, np.ones(()))["layer_norm"]
    assert not made(kept, x.astype(np.float16), gamma.astype(np.float16)).get("layer_norm")
    assert made(kept, x, gamma.astype(np.float32))["layer_norm"]  # widened before it starts
    assert made(lambda x: F.softmax(x, axis=-1), x)["softmax"]
    assert made(lambda x: F.softmax(x, axis=1), x)["softmax"]
    assert made(lambda x: F.softmax(x, axis=0), x)["softmax"]
    assert not made(lambda x: F.softmax(x, axis=-1), np.ones((0, 4)))["softmax"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_blas", [True, False])
@pytest.mark.parametrize("sizes", [(2, 3, 4), (1, 1, 1), (33, 40, 21), (5, 1, 64)])
def test_products(sizes: Any, with_blas: bool, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_blas:
        monkeypatch.setattr(products, "address_of_gemm", lambda *_: 0)
    m, n, k = sizes
    rng = np.random.default_rng(0)

    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        return a @ b + 1, c.T @ b + 1, a @ d.T + 1, c.T @ d.T + 1

    arrays = [rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (k, m), (n, k))]
    compiled = cr.compile(f)
    for a, b in zip(compiled(*arrays), f(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4 if dtype is np.float32 else 1e-11, atol=1e-5)


@walked("integer", [np.int8, np.uint8, np.int32, np.uint64])
def test_classes_of_any_integer_and_out_of_range(integer: Any) -> None:
    loss = nn.CrossEntropyLoss()

    def g(z: Any, t: Any) -> Any:
        return cr.value_and_grad(loss)(z, t)

    z, t = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 3, 1, 2, 3], integer)
    compiled = cr.compile(g)
    for a, b in zip(compiled(z, t), g(z, t), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(IndexError):
        compiled(z, np.array([0, 3, 4, 2, 3], integer))


@pytest.mark.parametrize(
    "subscripts", ["bi,ih->bh", "bi,ih->hb", "bhtd,bhsd->bhts", "bthd,bshd->bhts", "ij,ji->", "i,j->ij"]
)
def test_contractions_that_are_products_are_computed_as_such(subscripts: str, machine_code: None) -> None:
    lengths = {"b": 3, "i": 20, "h": 4, "t": 6, "s": 5, "d": 7, "j": 9}
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=[lengths[c] for c in part]) for part in subscripts.split("->")[0].split(","))

    def f(a: Any, b: Any) -> Any:
        return np.einsum(subscripts, a, b) * 2

    compiled = cr.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(compiled(a, b), f(a, b), rtol=1e-12, atol=1e-14)


def test_a_gradient_of_a_contraction_is_one_call(machine_code: None) -> None:
    w = cr.tensor(np.random.default_rng(0).normal(size=(20, 30)), requires_grad=True)

    def f(x: Any) -> Any:
        y = np.einsum("bi,ih->bh", x, w)
        (y * y).sum().backward()
        return y

    compiled = cr.compile(f)
    x = np.ones((5, 20))
    y = compiled(x)
    np.testing.assert_allclose(w.grad.numpy(), x.T @ (2 * y.numpy()))
    assert len(compiled.plan.calls) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pools_and_their_gradients_are_tasks(dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 9, 12)).astype(dtype)

    def f(x: Any) -> Any:
        largest = F.max_pool2d(x, 2) * F.max_pool2d(x, 3, stride=2, padding=1)[..., :4, :6]
        return (largest * F.avg_pool2d(x, 2)).sum()

    grad = cr.grad(f)
    tasks = made(grad, x)
    assert {"max_pool", "sum_pool", "sum_unpool", "MaxPool.adjoint_x"} <= {n for n, is_task in tasks.items() if is_task}
    compiled = cr.compile(grad)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), grad(x), rtol=1e-5, atol=1e-6)
    half = made(lambda x: F.max_pool2d(x, 2), x.astype(np.float16))
    assert not half["max_pool"]


def test_pools_of_what_is_not_in_order_or_empty() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 6))
    turned = cr.compile(lambda x: F.max_pool2d(x.swapaxes(2, 3), 2))
    for _ in range(2):
        np.testing.assert_array_equal(turned(x), F.max_pool2d(x.swapaxes(2, 3), 2))
    assert not made(lambda x: F.max_pool2d(x, 2), x[:0])["max_pool"]


CONVOLUTIONS = (
    ((9, 2, 13, 12), (4, 2, 5, 5), {"padding": 2}),
    ((4, 3, 12, 16), (10, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 4, 30, 20), (12, 2, 3, 2), {"dilation": 2, "groups": 2}),
    ((3, 5, 40, 40), (6, 5, 2, 2), {"stride": 3}),
    ((3, 7, 30, 20), (7, 1, 3, 2), {"stride": 2, "padding": 1, "groups": 7}),
    ((4, 5, 19, 20), (5, 1, 3, 3), {"padding": (2, 0), "dilation": 2, "groups": 5}),
)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolutions_and_their_gradients_are_tasks(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for x_shape, w_shape, settings in CONVOLUTIONS:
        x, w = (rng.normal(size=shape).astype(dtype) for shape in (x_shape, w_shape))
        grad = cr.grad(lambda x, w, settings=settings: (F.conv2d(x, w, **settings) ** 2).sum(), (0, 1))
        tasks = made(grad, x, w)
        assert all(tasks[f"convolution{which}"] for which in ("", "_transpose", "_kernel")), (x_shape, tasks)
        compiled = cr.compile(grad)
        for _ in range(2):
            for a, b in zip(compiled(x, w), grad(x, w), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-9, atol=1e-3)


PRODUCTS = (
    ((3, 16, 12, 11), (20, 16, 1, 1), {}),
    ((2, 48, 6, 5), (50, 48, 1, 1), {}),
    ((2, 48, 9, 8), (49, 48, 1, 1), {"stride": (2, 3)}),
    ((2, 96, 16, 17), (97, 96, 1, 1), {}),
    ((3, 32, 12, 12), (32, 16, 1, 1), {"groups": 2}),
    ((3, 5, 4, 3), (7, 5, 4, 3), {}),
    ((3, 5, 4, 3), (1, 5, 4, 3), {"stride": 2}),
)
"""Convolutions that are products of matrices: of kernels of one element, or as large as the images."""


@pytest.mark.parametrize(
    ("dtype", "cases"),
    [
        (np.float32, PRODUCTS[1::4]),
        pytest.param(np.float32, PRODUCTS, marks=pytest.mark.slow),
        pytest.param(np.float64, PRODUCTS, marks=pytest.mark.slow),
    ],
)
def test_convolutions_that_are_products(dtype: Any, cases: Any) -> None:
    rng = np.random.default_rng(0)
    for x_shape, w_shape, settings in cases:
        x, w = (rng.normal(size=shape).astype(dtype) for shape in (x_shape, w_shape))
        with named(x_shape, w_shape):

            def f(x: Any, w: Any, settings: Any = settings) -> Any:
                y = F.conv2d(x, w, **settings)
                turned = F.conv2d(x[::-1].swapaxes(2, 3), w.swapaxes(2, 3), **settings) if not settings else 0.0
                back = F.conv_transpose2d(y, w, **settings) if settings.get("groups", 1) == 1 else x
                return (y * y).sum() + (np.sin(back)).sum() + np.sum(turned)

            grad = cr.grad(f, (0, 1))
            tasks = made(grad, x, w)
            assert all(tasks[f"convolution{which}"] for which in ("", "_transpose", "_kernel")) or not HAS_COMPILER
            compiled = cr.compile(grad)
            for _ in range(2):
                for a, b in zip(compiled(x, w), grad(x, w), strict=True):
                    scale = np.abs(b[np.isfinite(b)]).max()
                    np.testing.assert_allclose(a, b, rtol=1e-3 if dtype == np.float32 else 1e-9, atol=1e-4 * scale)


def test_what_is_not_finite_is_not_multiplied_by_zeros_between_rows() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 20, 20)), rng.normal(size=(4, 3, 3, 3))
    x[0, 1, 0, 19], w[2, 1, 0, 0] = np.inf, -np.inf
    grad = cr.grad(lambda x, w: F.conv2d(x, w, padding=1).sum(), (0, 1))
    compiled = cr.compile(grad)
    with np.errstate(invalid="ignore"):
        for _ in range(2):
            for a, b in zip(compiled(x, w), grad(x, w), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
                assert np.isfinite(a).any()


def test_convolutions_of_images_in_another_order_are_tasks() -> None:
    rng = np.random.default_rng(0)
    x, w, z = (rng.normal(size=shape) for shape in ((5, 3, 8, 14, 14), (4, 5, 3, 3), (4, 3, 14, 14)))

    def f(x: Any, w: Any, z: Any) -> Any:
        images = np.moveaxis(x[:, :, 2], 0, 1)
        return (F.conv2d(images, w, padding=1) * np.moveaxis(z, 0, 1)).sum() + (images * images).sum()

    grad = cr.grad(f, (0, 1, 2))
    compiled = cr.compile(grad)
    for _ in range(2):
        for a, b in zip(compiled(x, w, z), grad(x, w, z), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    steps = [s for s in compiled.plan.steps if s.name.startswith("convolution")]
    images = [compiled.plan.buffers[s.inputs[0]] for s in steps]
    assert not all(x.flags.c_contiguous for x in images)
    assert all(tasks_of(s.node, compiled.plan.buffers.__getitem__) for s in steps)


@pytest.mark.parametrize("affine", [True, False])
def test_batch_normalisation_is_a_list_of_tasks(affine: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, size=(6, 4, 5, 7)).astype(np.float32)
    results = []
    for wrap in (lambda f: f, cr.compile):
        moments = np.zeros(4, np.float32), np.ones(4, np.float32)
        scale = np.full(4, 1.5, np.float32) if affine else None

        def f(x: Any, moments: Any = moments, scale: Any = scale) -> Any:
            return (F.batch_norm(x, *moments, scale, training=True) ** 3).sum()

        grad = wrap(cr.grad(f))
        results.append([grad(x), grad(x + 1), *moments])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4)
    assert len(grad.plan.calls) == 1

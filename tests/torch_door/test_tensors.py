"""Tensors of `chainrule.torch`: against PyTorch, value by value, text by text."""

import copy
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
import chainrule.torch as door

from ..named import named

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
OPERATORS = ("add", "sub", "mul", "true_divide", "floor_divide", "remainder", "pow", "maximum", "eq", "lt")


def both(torch, make):
    return make(door), make(torch)


def same(ours, theirs) -> None:
    expected = theirs.detach().numpy()
    got = door.values_of(ours)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(got, expected, 1e-6, 1e-7)


@walked("operator", OPERATORS)
def test_operands_are_promoted_as_in_pytorch(torch, operator) -> None:
    def run(lib, a, b):
        x = lib.tensor([1, 1, 1]).to(getattr(lib, a))
        y = {"number": 2, "fraction": 1.5}.get(b)
        if y is None:
            y = lib.tensor([1, 1, 1]).to(getattr(lib, b))
        return getattr(lib, operator)(x, y if operator != "maximum" or hasattr(y, "dtype") else lib.tensor(y))

    for case in product(DTYPES, [*DTYPES, "number", "fraction"]):
        try:
            expected = run(torch, *case)
        except RuntimeError:
            continue
        with named(*case):
            same(run(door, *case), expected)


JOINS = {
    **{name: lambda f, a, b: f([a, b]) for name in ("cat", "stack", "hstack", "vstack", "dstack", "column_stack")},
    **{name: lambda f, a, b: f(a, b) for name in ("block_diag", "kron", "outer", "trapezoid", "cumulative_trapezoid")},
    "einsum": lambda f, a, b: f("i,j->ij", a, b),
}


def test_what_joins_and_sums_promotes_as_pytorch(torch) -> None:
    def run(lib, name, a, b):
        return JOINS[name](getattr(lib, name), *(lib.tensor([1, 1]).to(getattr(lib, dtype)) for dtype in (a, b)))

    for case in product(JOINS, DTYPES, DTYPES):
        try:
            expected = run(torch, *case)
        except RuntimeError:
            continue
        with named(*case):
            same(run(door, *case), expected)


@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_elements_without_axes_count_less(a, b, first, second) -> None:
    x = np.ones(() if first else 3, a)
    y = np.ones(() if second else 3, b)
    found = door.dtypes.result_numpy(x, y)
    order = "biufc"
    assert order.index(found.kind) >= max(order.index(x.dtype.kind), order.index(y.dtype.kind)) - 1
    if x.dtype.kind == y.dtype.kind and first != second:
        assert found == (y.dtype if first else x.dtype)


@walked(
    "make",
    [
        lambda t: t.tensor([1.0, 2.0]),
        lambda t: t.tensor([[1, 2], [3, 40]]),
        lambda t: t.tensor([1.5, 100000.0, 0.001]),
        lambda t: t.tensor([1e10, 1.0]),
        lambda t: t.tensor(3.0, dtype=t.float64),
        lambda t: t.tensor([True, False]),
        lambda t: t.zeros(2, 0),
        lambda t: t.arange(2000).view(40, 50),
        lambda t: t.arange(24.0).view(2, 3, 4),
        lambda t: t.tensor([float("nan"), float("inf"), 1.0]),
        lambda t: t.tensor([1.0], requires_grad=True),
        lambda t: t.arange(30.0),
        lambda t: t.tensor([0.00001, 1.0]),
        lambda t: t.ones(2, dtype=t.int32),
    ],
)
def test_text_is_pytorchs(torch, make) -> None:
    assert repr(make(door)) == repr(make(torch))


def test_views_share_memory() -> None:
    x = door.zeros(2, 3)
    x.view(-1)[0] = 1
    x[1].fill_(5)
    x[0, 1].add_(2)
    x.t()[2, 0] = 7
    assert x.tolist() == [[1, 2, 7], [5, 5, 5]]
    k = door.arange(4)
    k[:2] += 10
    k[k > 10] = 0
    assert k.tolist() == [10, 0, 2, 3]


def test_writes_into_values_of_a_graph(torch) -> None:
    def run(lib):
        x = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x * 2
        y[0] = x[1] * x[2]
        y[1:] *= 3
        y.mul_(x.detach())
        y.sum().backward()
        return y, x.grad

    for ours, theirs in zip(*both(torch, run), strict=True):
        same(ours, theirs)


def test_leaves_are_written_to_without_recording_only() -> None:
    w = door.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        w += 1
    with pytest.raises(RuntimeError, match="leaf"):
        w[0] = 1
    with door.no_grad():
        w -= 0.5
        w[0] = 3
    w.data *= 2
    w.data[1] = 9
    assert w.tolist() == [6, 9]
    assert w.is_leaf
    assert w.requires_grad
    (w * 2).sum().backward()
    w.grad.zero_()
    w.grad += 1
    assert w.grad.tolist() == [1, 1]


def test_a_change_of_a_saved_value_is_noticed() -> None:
    w = door.ones(2, requires_grad=True)
    y = (w * w).sum()
    w.data.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_attributes_and_conversions(torch) -> None:
    for lib in (door, torch):
        x = lib.arange(6).view(2, 3)
        assert (x.size(), x.size(0), x.dim(), x.numel(), len(x)) == ((2, 3), 2, 2, 6, 2)
        assert x.float().dtype is lib.float32
        assert x.to(lib.float64).dtype is lib.float64
        assert x.double().type() == "torch.DoubleTensor"
        assert x.type(lib.int32).dtype is lib.int32
        assert x.shape.numel() == 6
        assert x.stride() == (3, 1)
        assert x.max(1).values.tolist() == x.max(dim=1)[0].tolist() == [2, 5]
        assert [part.tolist() for part in x.split(2, dim=1)] == [[[0, 1], [3, 4]], [[2], [5]]]
        assert f"{x[0, 1]:03d}" == "001"
        assert x.sum(axis=0, keepdims=True).tolist() == [[3, 5, 7]]
        assert copy.deepcopy(x).tolist() == x.tolist()
        assert 3 in x


def test_refusals_name_the_nearest_thing() -> None:
    x = door.ones(2, requires_grad=True)
    for call, text in (
        (x.cuda, "CPU"),
        (lambda: door.ones(2, device=door.device("cuda")), "CPU"),
        (lambda: door.cuda.Stream(), "CPU"),
        (lambda: door.jit.save, "state_dict"),
        (lambda: door.sparse_bsr_tensor, "sparse_coo_tensor"),
        (lambda: door.ones(1, dtype=door.bfloat16), "float32"),
        (lambda: door.no_such_name, "docs/torch.md"),
        (lambda: door.autograd.profiler, "autograd.profiler.*cProfile"),
        (lambda: door.func.make_functional, "functional_call"),
        (lambda: door.masked.masked_tensor, "mask="),
        (lambda: door.nn.quantized, "ONNX"),
        (lambda: door.optim.SparseAdam, "Adam"),
        (lambda: door.nn.attention.flex_attention, "scaled_dot_product_attention"),
        (lambda: door.utils.data.no_such_name, "docs/torch.md"),
        (lambda: x.numpy(), "detach"),
        (lambda: (x * 2).backward(), "scalar"),
        (lambda: door.ones(2).backward(), "does not require grad"),
        (lambda: door.matmul(door.ones(2, 3), door.ones(2, 3)), "multiplied"),
        (lambda: door.ones(2, 3).view(4), "invalid"),
        (lambda: bool(door.ones(2)), "ambiguous"),
        (lambda: door.tensor([1]).requires_grad_(), "floating"),
        (lambda: door.tensor([1, 2]).mean(), "float"),
    ):
        with pytest.raises((RuntimeError, AttributeError), match=text):
            call()


def test_generators_and_draws() -> None:
    door.manual_seed(1)
    a = door.randn(3)
    door.manual_seed(1)
    assert door.equal(a, door.randn(3))
    g = door.Generator().manual_seed(2147483647)
    p = door.tensor([0.0, 0.2, 0.8])
    drawn = door.multinomial(p, 2000, replacement=True, generator=g)
    assert drawn.dtype is door.int64
    assert abs((drawn == 2).float().mean().item() - 0.8) < 0.05
    assert (drawn > 0).all()
    assert sorted(door.multinomial(p[1:], 2).tolist()) == [0, 1]
    assert sorted(door.randperm(5).tolist()) == [0, 1, 2, 3, 4]
    assert door.randint(0, 3, (100,)).max() < 3
    assert door.zeros(1000).uniform_(2, 3).min() >= 2


def test_arrays_come_in_and_go_out() -> None:
    a = np.arange(3)
    x = door.from_numpy(a)
    x[0] = 9
    assert a[0] == 9
    assert np.exp(door.zeros(2)).tolist() == [1, 1]
    assert (np.ones(2) + door.ones(2)).tolist() == [2, 2]
    assert door.tensor(np.float64(2.0)).dtype is door.float64


def test_transforms_of_chainrule_take_tensors() -> None:
    x, w = door.tensor([1.0, 2.0]), door.tensor([0.5, 0.1])

    def f(w, x):
        return ((w * x).sum() - 1) ** 2

    gradient = cr.grad(f)(w, x)
    assert isinstance(gradient, door.Tensor)
    np.testing.assert_allclose(gradient.tolist(), [-0.6, -1.2], rtol=1e-6)
    assert cr.check(f, w.double(), x.double()).ok
    assert door.func.hessian(lambda x: (x**3).sum())(x).tolist() == [[6, 0], [0, 12]]
    assert door.func.vmap(door.dot)(door.ones(3, 2), door.ones(3, 2)).tolist() == [2, 2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = door.compile(f)
    np.testing.assert_allclose(compiled(w, x).item(), f(w, x).item(), rtol=1e-6)


@walked("target", ["constant", "parameter", "data", "data of a constant"])
def test_what_is_copied_stays_when_its_source_changes(target) -> None:
    """As averages and target networks need: an optimiser writes into the memory of the parameter that was copied."""
    layer, other = door.nn.Linear(2, 1, bias=False), door.nn.Linear(2, 1, bias=False)
    with door.no_grad():
        layer.weight.fill_(1.0)
    if target == "constant":
        kept = door.zeros(1, 2)
        kept.copy_(layer.weight.detach())
    elif target == "parameter":
        kept = other.weight
        with door.no_grad():
            kept.copy_(layer.weight)
    elif target == "data":
        kept = other.weight
        kept.data.copy_(layer.weight.data)
    else:
        kept = door.zeros(1, 2)
        kept.data.copy_(layer.weight.data)
    optimizer = door.optim.SGD(layer.parameters(), lr=0.5)
    layer(door.ones(1, 2)).sum().backward()
    optimizer.step()
    assert layer.weight.tolist() == [[0.5, 0.5]]
    assert kept.tolist() == [[1.0, 1.0]]


def test_a_copied_buffer_stays_when_its_source_changes() -> None:
    norm, other = door.nn.BatchNorm1d(2), door.nn.BatchNorm1d(2)
    with door.no_grad():
        other.running_mean.copy_(norm.running_mean)
    norm(door.randn(5, 2) + 3)
    assert other.running_mean.tolist() == [0.0, 0.0]


def test_a_diagonal_is_a_view_that_can_be_written_to(torch) -> None:
    def written(library, offset, dtype):
        x = library.arange(24).to(dtype).reshape(2, 3, 4)
        x.diagonal(offset, -2, -1).fill_(7)
        x[0].diagonal(offset).add_(1)
        return x.tolist(), x.diagonal(offset, 0, 2).tolist(), x.mT.diagonal(offset, -2, -1).tolist()

    for offset in (-4, -1, 0, 2, 3, 5):
        for kind in ("float32", "int64"):
            with named(offset, kind):
                assert written(door, offset, getattr(door, kind)) == written(torch, offset, getattr(torch, kind))
    w = door.ones(3, 3, requires_grad=True)
    y = w * 2
    y.diagonal().mul_(5)
    (y * y).sum().backward()
    assert w.grad.diagonal().tolist() == [200, 200, 200]
    assert w.grad.sum().item() == 3 * 200 + 6 * 8

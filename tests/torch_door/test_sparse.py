"""Sparse tensors, pruning, orthogonal weights, and names of several processes: as PyTorch's, or refused."""

import importlib
import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door

PLACES, VALUES = [[0, 2, 0, 1, 0], [1, 3, 1, 0, 4]], [1.0, 2.0, 3.0, 4.0, -1.0]


@pytest.fixture
def both(torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield torch, door


def test_sparse_products_have_gradients_for_both(both) -> None:
    found: list[Any] = []
    for lib in both:
        values = lib.tensor(VALUES, requires_grad=True)
        a = lib.sparse_coo_tensor(PLACES, values, (3, 5))
        b = lib.arange(10.0).reshape(5, 2).requires_grad_()
        (lib.sparse.mm(a, b) ** 2).sum().backward()
        found.append((values.grad.tolist(), b.grad.tolist()))
    assert found[0] == found[1]


def test_sparse_tensors_are_pytorchs(both) -> None:
    rows = []
    for lib in both:
        a = lib.sparse_coo_tensor(PLACES, VALUES, (3, 5))
        c, ones = a.coalesce(), lib.ones(5, 2)
        r = lib.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]]).to_sparse_csr()
        products = [f(a, ones).tolist() for f in (lib.mm, lib.matmul, lib.spmm, lib.sparse.mm)]
        rows.append(
            [
                *(repr(a), repr(c), repr(r), a.to_dense().tolist(), c.indices().tolist(), c.values().tolist()),
                *(a._nnz(), a.is_sparse, a.is_coalesced(), c.is_coalesced(), tuple(a.t().shape), str(a.layout)),
                *((a + a).to_dense().tolist(), (a * 2).to_dense().tolist(), (a @ lib.ones(5)).tolist(), *products),
                *(lib.addmm(lib.ones(3, 2), a, ones).tolist(), lib.sparse.addmm(lib.ones(3, 2), a, ones).tolist()),
                *(lib.sparse.sum(a).item(), lib.sparse.sum(a, 1).to_dense().tolist(), r.crow_indices().tolist()),
                *(lib.sparse.mm(a, a.t()).to_dense().tolist(), (r @ lib.ones(3, 2)).tolist(), r.col_indices().tolist()),
                *(lib.eye(3).to_sparse().to_dense().tolist(), lib.sparse_coo_tensor(PLACES, VALUES).shape[1]),
                *(a.double().dtype.itemsize, (a / 2 - a).to_dense().tolist(), (lib.ones(3, 5) + a).tolist()),
                lib.sparse_csr_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense().tolist(),
            ]
        )
        for f in (lib.sparse.softmax, lib.sparse.log_softmax):
            rows[-1].append([round(x, 5) for x in f(c, 1).coalesce().values().tolist()])
    assert rows[0] == rows[1]


@walked(
    ("call", "text"),
    [
        (lambda: door.sparse_coo_tensor([[3], [0]], [1.0], (3, 3)), "outside of the size"),
        (lambda: door.sparse_coo_tensor([[0], [0]], [1.0, 2.0], (3, 3)), "one number each"),
        (lambda: door.sparse_coo_tensor([[0], [0]], [1.0], (3,)), "indices with 2 rows"),
        (lambda: door.sparse_coo_tensor(PLACES, VALUES, (3, 5)).values(), "coalesce"),
        (lambda: door.sparse.mm(door.eye(3).to_sparse(), door.ones(2, 2)), "cannot be multiplied"),
        (lambda: door.ones(3).to_sparse_csr(), "expected a matrix"),
        (lambda: door.sparse_csr_tensor([0, 1, 5], [0, 1], [1.0, 2.0]), "got rows that begin at .* for 2 columns"),
        (lambda: door.sparse_csr_tensor([0, 2, 1], [0], [1.0]), "got rows that begin at"),
    ],
)
def test_mistakes_with_sparse_tensors(call, text) -> None:
    with pytest.raises(RuntimeError, match=text):
        call()


def test_axes_and_sizes_of_sparse_tensors_are_pytorchs(both) -> None:
    for lib in both:
        eye = lib.eye(3).to_sparse()
        for call in (lambda: eye.sum(2), lambda: eye.transpose(0, 2)):  # noqa: B023 - called at once
            with pytest.raises(IndexError, match="Dimension out of range"):
                call()
        assert tuple(lib.sparse_coo_tensor(lib.zeros(2, 0), lib.zeros(0)).shape) == (0, 0)
        assert eye.transpose(-1, 0).to_dense().tolist() == lib.eye(3).tolist()


def test_what_sparse_tensors_lack_says_so() -> None:
    with pytest.raises(AttributeError, match="to_dense"):
        door.eye(2).to_sparse().cumsum(0)


def _layer(lib: Any, *shape: int) -> Any:
    layer = lib.nn.Linear(*shape)
    weights = np.random.default_rng(0).normal(size=shape[::-1])
    with lib.no_grad():
        layer.weight.copy_(lib.tensor(weights))
    return layer


def test_pruning_leaves_the_same_weights(both) -> None:
    found = []
    for lib in both:
        prune = importlib.import_module(f"{lib.__name__}.nn.utils.prune")
        a, b, c, d = (_layer(lib, 6, 4) for _ in range(4))
        prune.l1_unstructured(a, "weight", 0.3)
        prune.ln_structured(a, "weight", 1, n=2, dim=0)
        prune.ln_structured(a, "weight", 0.5, n=1, dim=1)
        prune.global_unstructured([(b, "weight"), (c, "weight")], prune.L1Unstructured, amount=20)
        prune.custom_from_mask(d, "weight", lib.eye(4, 6))
        prune.identity(d, "bias")
        a(lib.ones(1, 6)).sum().backward()
        state = {k: v.tolist() for k, v in a.state_dict().items() if k != "bias"}
        found.append((state, a.weight_orig.grad.tolist(), *(x.weight.tolist() for x in (b, c, d)), prune.is_pruned(d)))
        prune.remove(a, "weight")
        assert sorted(a.state_dict()) == ["bias", "weight"]
        assert not prune.is_pruned(a)
        assert isinstance(a.weight, lib.nn.Parameter)
    assert found[0] == found[1]


def test_random_pruning_and_methods_of_ones_own() -> None:
    prune = door.nn.utils.prune
    layer = prune.random_unstructured(_layer(door, 6, 4), "weight", 5)
    assert int((layer.weight == 0).sum()) == 5
    prune.random_structured(layer, "weight", 2, dim=0)
    assert int((layer.weight == 0).all(1).sum()) == 2

    class Second(prune.BasePruningMethod):
        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    other = _layer(door, 6, 4)
    Second.apply(other, "weight")
    assert other.weight.flatten()[::2].abs().sum() == 0
    for wrong, text in ((2.5, "range"), (-1, "range"), (99, "smaller"), ("half", "fraction")):
        with pytest.raises((ValueError, TypeError), match=text):
            prune.l1_unstructured(_layer(door, 6, 4), "weight", wrong)
    with pytest.raises(IndexError, match=r"Invalid index 5 for tensor of size \(4, 6\)"):
        prune.ln_structured(_layer(door, 6, 4), "weight", 1, n=2, dim=5)


@pytest.mark.parametrize(("shape", "how"), [((4, 4), None), ((4, 4), "cayley"), ((3, 5), None), ((5, 3), "matrix_exp")])
def test_orthogonal_weights(both, shape, how) -> None:
    found = []
    for lib in both:
        layer = _layer(lib, *shape)
        lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=how)
        optimizer = lib.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (layer.weight**3).sum().backward()
            optimizer.step()
        small = layer.weight if layer.weight.shape[0] <= layer.weight.shape[1] else layer.weight.t()
        np.testing.assert_allclose((small @ small.t()).detach().numpy(), np.eye(min(shape)), atol=1e-5)
        found.append(layer.weight.detach().numpy())
    if shape[0] == shape[1]:  # else the base is completed by random columns
        np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_orthogonal_weights_without_a_base(both) -> None:
    found = []
    for lib in both:
        layer = _layer(lib, 3, 5)
        with lib.no_grad():
            layer.weight.copy_(lib.linalg.qr(layer.weight)[0])
        lib.nn.utils.parametrizations.orthogonal(layer, use_trivialization=False)
        (layer.weight**3).sum().backward()
        found.append((layer.weight.detach().numpy(), layer.parametrizations.weight.original.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_samples_of_each_process(both) -> None:
    for n, replicas, drop_last in itertools.product((10, 11), (1, 3), (False, True)):
        rows = []
        for lib in both:
            kind = lib.utils.data.DistributedSampler
            samplers = [kind(range(n), replicas, k, shuffle=False, drop_last=drop_last) for k in range(replicas)]
            rows.append([list(s) for s in samplers])
            shuffled = [kind(range(n), replicas, k, drop_last=drop_last) for k in range(replicas)]
            first = [list(s) for s in shuffled]
            for s in shuffled:
                s.set_epoch(1)
            assert [list(s) for s in shuffled] != first
            assert {len(x) for x in first} == {len(samplers[0])}
        assert rows[0] == rows[1]
    with pytest.raises(RuntimeError, match="pass num_replicas and rank"):
        door.utils.data.DistributedSampler(range(4))
    with pytest.raises(ValueError, match="Invalid rank 3"):
        door.utils.data.DistributedSampler(range(4), 3, 3)


def test_scripts_of_one_process_can_name_several() -> None:
    dist = door.distributed
    assert not dist.is_available()
    assert not dist.is_initialized()
    assert not any(hasattr(dist, name) for name in ("__path_hook__", "pytest_plugins", "pytestmark"))
    for call in (dist.init_process_group, dist.optim.ZeroRedundancyOptimizer, door.nn.parallel.DistributedDataParallel):
        with pytest.raises(RuntimeError, match=r"chainrule\.distributed trains a model in several, over MPI"):
            call(door.nn.Linear(1, 1))
    assert not isinstance(door.nn.Linear(1, 1), door.nn.parallel.DistributedDataParallel)


def test_bfloat16_can_be_named_and_not_used() -> None:
    kinds = {"float32": door.float32, "bfloat16": door.bfloat16}
    assert kinds["bfloat16"] != door.float32
    assert repr(kinds["bfloat16"]) == "torch.bfloat16"
    with door.autocast("cpu", dtype=door.bfloat16):
        assert (door.ones(2) @ door.ones(2)).dtype is door.float32
    for call in (lambda: door.ones(2).to(door.bfloat16), lambda: door.zeros(2, dtype=door.bfloat16)):
        with pytest.raises(RuntimeError, match=r"NumPy has no such dtype; use torch\.float32"):
            call()

"""Functions whose values PyTorch defines in its own way, held against it."""

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door

CALLS = {
    "median": lambda t, x: t.median(x, 1),
    "kthvalue": lambda t, x: t.kthvalue(x, 2, dim=0),
    "topk": lambda t, x: t.topk(x, 2, dim=1, largest=False),
    "mode": lambda t, x: t.mode(t.tensor([[1, 2, 2, 1], [3, 3, 1, 0]]), 1),
    "sort": lambda t, x: t.sort(x, 1, descending=True),
    "unique": lambda t, x: t.unique(t.tensor([3, 1, 3]), return_counts=True, return_inverse=True),
    "cummax": lambda t, x: t.cummax(x, 1),
    "std": lambda t, x: (x.std(), x.std(0), x.var(1, unbiased=False), x.std(dim=1, correction=0, keepdim=True)),
    "quantile": lambda t, x: t.quantile(x, t.tensor([0.25, 0.6], dtype=t.float64), dim=1, keepdim=True),
    "scatter": lambda t, x: t.zeros(3, 4, dtype=t.float64).scatter_(1, t.tensor([[0, 1], [2, 3], [1, 0]]), x[:, :2]),
    "scatter_add": lambda t, x: t.zeros(3, 4, dtype=t.float64).scatter_add_(0, t.tensor([[0, 1, 2, 0]]), x[:1]),
    "index_add": lambda t, x: x.index_add(0, t.tensor([0, 0]), x[:2], alpha=2),
    "index_put": lambda t, x: x.index_put((t.tensor([0, 0]), t.tensor([1, 1])), t.ones(2).double(), accumulate=True),
    "masked": lambda t, x: (x.masked_fill(x > 0, 9.0), x.masked_select(x > 0), x[x > 0], x.clamp(-0.5, 0.5)),
    "take_along_dim": lambda t, x: t.take_along_dim(x, x.argsort(1), 1),
    "one_hot": lambda t, x: t.nn.functional.one_hot(t.tensor([0, 2]), 4),
    "einsum": lambda t, x: (t.einsum("ij,kj->ik", x, x), t.einsum("...j->...", x), t.einsum(x, [0, 1], [1, 0])),
    "cdist": lambda t, x: (t.cdist(x, x[:2]), t.nn.functional.pdist(x, 1.5), t.dist(x, x * 2, 3)),
    "norm": lambda t, x: (x.norm(), x.norm(1, dim=0), t.linalg.norm(x, "nuc"), t.linalg.vector_norm(x, float("inf"))),
    "triangles": lambda t, x: (t.tril(x, 1), t.triu(x), t.diag(x[0]), t.diag_embed(x), t.tril_indices(3, 3)),
    "repeat": lambda t, x: (x.repeat(2, 1), x.repeat_interleave(2, 0), t.tile(x, (2,)), x.roll(1), t.rot90(x)),
    "cat": lambda t, x: (t.hstack([x, x]), t.column_stack([x[:, 0], x]), t.block_diag(x, x[:1]), t.kron(x[:2], x[:1])),
    "meshgrid": lambda t, x: t.meshgrid(x[0], x[:, 0], indexing="xy"),
    "unfold": lambda t, x: (x.unfold(1, 2, 1), x.unflatten(1, (2, -1)), x.movedim(0, 1), x.T, x[None].mT),
    "divide": lambda t, x: (t.div(x, 0.3, rounding_mode="trunc"), x % 0.3, t.fmod(x, 0.3), x.detach() // 0.3),
    "lerp": lambda t, x: (t.lerp(x, x * 2, 0.3), t.addcmul(x, x, x, value=2), t.addmm(x[:, :3], x, x.T), x.cumsum(1)),
    "logcumsumexp": lambda t, x: (x.logcumsumexp(1), x.logsumexp((0, 1)), x.prod(1), x.cumprod(0)),
    "bucketize": lambda t, x: (t.bucketize(x, t.tensor([-1.0, 0.0, 1.0]).double()), t.histc(x.detach(), 4, -1, 1)),
    "bincount": lambda t, x: t.bincount(t.tensor([1, 1, 3]), minlength=6),
    "interpolate": lambda t, x: t.nn.functional.interpolate(x[None, None], scale_factor=1.5, mode="bicubic"),
    "grid": lambda t, x: t.nn.functional.grid_sample(
        x[None, None], t.nn.functional.affine_grid(t.eye(2, 3)[None].double() * 0.9, (1, 1, 3, 4), align_corners=False),
        padding_mode="border", align_corners=False),
    "cubic grid": lambda t, x: [
        t.nn.functional.grid_sample(x[None, None], 1.4 * t.tanh(x[None, :, :2, None] + x[None, :, None, 2:]),
        mode="bicubic", padding_mode=margin, align_corners=margin == "border")
        for margin in ("zeros", "border", "reflection")],
    "bag": lambda t, x: t.nn.functional.embedding_bag(t.tensor([0, 1, 2, 2]), x, t.tensor([0, 3]), mode="max"),
    "special": lambda t, x: (t.special.ndtr(x), t.special.entr(x.abs()), t.special.xlog1py(x, x.abs()), t.sinc(x)),
    "fft": lambda t, x: (t.fft.rfft(x).abs(), t.fft.irfft(t.fft.rfft(x), n=4), t.fft.fftshift(x), t.fft.fft2(x).abs()),
    "exp": lambda t, x: (t.linalg.matrix_exp(x[:, :3]), t.linalg.solve(x[:, :3], x), t.linalg.pinv(x)),
}  # fmt: skip


@walked("settings", [{"q": 1.5}, {"q": -0.5}, {"q": 0.5, "interpolation": "cubic"}])
def test_mistakes_in_quantiles_are_pytorchs(torch, settings) -> None:
    for lib in (door, torch):
        for name in ("quantile", "nanquantile"):
            with pytest.raises(RuntimeError, match=r"must be in the range|interpolation must be one of"):
                getattr(lib, name)(lib.arange(5.0), **settings)


@walked("interpolation", ["linear", "lower", "midpoint"])
@walked("name", ["quantile", "nanquantile"])
def test_fractions_have_gradients(torch, name, interpolation) -> None:
    data, rows = np.random.default_rng(3).normal(size=(3, 5)), []
    data[0, 2] = np.nan if name == "nanquantile" else 0.0
    for lib in (door, torch):
        x, q = lib.tensor(data), lib.tensor([0.3, 0.8], dtype=lib.float64).requires_grad_()
        x.requires_grad_()
        found = getattr(lib, name)(x, q, dim=1, interpolation=interpolation)
        (found * found).sum().backward()
        rows.append([x.grad.numpy(), np.zeros(2) if q.grad is None else q.grad.numpy()])
    for ours, theirs in zip(*rows, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@walked("keepdim", [False, True])
@walked("dim", [None, 0, -1])
def test_shapes_of_quantiles_are_pytorchs(torch, dim, keepdim) -> None:
    for shape in ((), (3,), (3, 4, 2)):
        for q in (0.5, [0.5], [0.25, 0.75]):
            found = [
                lib.quantile(lib.ones(shape), lib.tensor(q) if isinstance(q, list) else q, dim, keepdim).shape
                for lib in (door, torch)
            ]
            assert found[0] == tuple(found[1])


@pytest.mark.filterwarnings("ignore")
@walked("name", CALLS)
def test_functions_are_pytorchs(torch, name) -> None:
    data = np.random.default_rng(3).normal(size=(3, 4))
    found = []
    for lib in (door, torch):
        x = lib.tensor(data).requires_grad_()
        result = CALLS[name](lib, x)
        results = list(result) if isinstance(result, tuple | list) else [result]
        total = sum((y * y).sum() for y in results if y.requires_grad)
        if not isinstance(total, int):
            total.backward()
        found.append(([y.detach().numpy() for y in results], x.grad))
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, 1e-9, 1e-9)
    if found[1][1] is not None:
        np.testing.assert_allclose(found[0][1].numpy(), found[1][1].numpy(), 1e-7, 1e-8)


INDEXING = {
    "max": lambda t, a: a.max(1),
    "min": lambda t, a: a.min(-1).indices,
    "argmax": lambda t, a: a.argmax(),
    "sort": lambda t, a: a.sort(1, descending=True),
    "topk": lambda t, a: a.topk(2, 0, largest=False),
    "median": lambda t, a: a.median(1),
    "kthvalue": lambda t, a: a.kthvalue(2, 1),
    "gather": lambda t, a: a.gather(1, a.argmax(1, keepdim=True)),
    "scatter": lambda t, a: a.scatter(1, a.argmax(1, keepdim=True), 1.0),
    "index_select": lambda t, a: a.index_select(1, a.argmax(1)),
    "embedding": lambda t, a: t.nn.functional.embedding(a.argmax(1), t.ones(5, 2)),
    "any": lambda t, a: (a > 0).any(1),
    "norm": lambda t, a: (t.norm(a), t.linalg.vector_norm(a * 0, dim=1), t.linalg.norm(a, 3, 1)),
    "count_nonzero": lambda t, a: t.count_nonzero(a.relu(), 1),
    "isclose": lambda t, a: t.isclose(a, a.round(), 0.0, 0.2),
    "cross_entropy": lambda t, a: t.nn.functional.cross_entropy(a, a.argmax(1)),
}


@walked("name", INDEXING)
def test_indices_of_each_sample_under_vmap(torch, name) -> None:
    x, f = np.random.default_rng(0).normal(size=(3, 4, 5)), INDEXING[name]
    found = door.func.vmap(lambda a: f(door, a))(door.tensor(x))  # a VmapWarning would be an error
    rows = [f(torch, row) for row in torch.tensor(x)]
    columns = zip(*[row if isinstance(row, tuple) else (row,) for row in rows], strict=True)
    for ours, theirs in zip(found if isinstance(found, tuple) else (found,), columns, strict=True):
        np.testing.assert_allclose(ours.numpy(), np.stack([row.numpy() for row in theirs]), 1e-6)


ROWS = {
    "cummax": lambda lib, x: lib.cummax(x, -1)[1],
    "cummin": lambda lib, x: lib.cummin(x, 0)[0],
    "quantile": lambda lib, x: lib.quantile(x, lib.tensor([0.1, 0.5], dtype=lib.float64), dim=1),
    "nanquantile": lambda lib, x: lib.nanquantile(x, 0.7, dim=-1),
    "nearest": lambda lib, x: lib.quantile(x, 0.3, dim=0, keepdim=True, interpolation="nearest"),
    "mode": lambda lib, x: lib.mode(x, 0)[0],
    "bucketize": lambda lib, x: lib.bucketize(x, lib.linspace(-1, 1, 4, dtype=lib.float64), right=True),
    "searchsorted": lambda lib, x: lib.searchsorted(lib.sort(x, -1)[0], x),
}


@walked("name", ROWS)
def test_orders_of_each_sample(torch, name) -> None:
    """What depends on the order of the values is found for each sample of a `vmap`."""
    x = np.random.default_rng(0).normal(size=(4, 5, 6)).round(1)
    f = ROWS[name]
    found = door.func.vmap(lambda row: f(door, row))(door.tensor(x))
    expected = [f(torch, torch.tensor(row)).numpy() for row in x]
    np.testing.assert_allclose(np.array(found.tolist()), np.stack(expected), rtol=1e-12)


def test_ctc_loss_has_its_derivative_for_any_scores(torch) -> None:
    scores, lengths = np.random.default_rng(0).normal(size=(6, 2, 4)), ([6, 5], [2, 2])

    def loss(lib, x):
        return lib.nn.functional.ctc_loss(x, lib.tensor([[1, 2], [3, 3]]), *map(lib.tensor, lengths))

    found = []
    for lib in (door, torch):
        x = lib.tensor(scores).requires_grad_()
        loss(lib, lib.log_softmax(x, 2)).backward()
        found.append(x.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)
    raw = door.tensor(scores).requires_grad_()
    loss(door, raw).backward()  # PyTorch's gradient presumes log_softmax, so its values are the reference here
    step = np.zeros_like(scores)
    step[2, 1, 3] = 1e-5
    slope = (loss(torch, torch.tensor(scores + step)) - loss(torch, torch.tensor(scores - step))) / 2e-5
    np.testing.assert_allclose(raw.grad[2, 1, 3].item(), slope, rtol=1e-6)

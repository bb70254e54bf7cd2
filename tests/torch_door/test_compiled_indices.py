"""Reading and writing at indices that a compiled function gets as an argument: each call has its own."""

import numpy as np
from tests.named import named

import chainrule.torch as door
import chainrule.torch.nn.functional as F

CASES = {
    "take": lambda x, k: x.take(k),
    "take_along_dim": lambda x, k: x.take_along_dim(k[None], 0),
    "index_add": lambda x, k: x.index_add(0, k[:2], x[:2] * 2),
    "index_copy": lambda x, k: x.index_copy(1, k[:2], x[:, :2] * 2),
    "index_fill": lambda x, k: x.index_fill(0, k[:2], 7.0),
    "put": lambda x, k: x.put(k, x[0] * 2, accumulate=True),
    "scatter_reduce": lambda x, k: x.scatter_reduce(1, k.expand(3, 3), x * x, "mean"),
    "scatter_reduce without self": lambda x, k: x.scatter_reduce(0, k.expand(3, 3), x * x, "sum", include_self=False),
    "embedding_bag": lambda x, k: F.embedding_bag(k, x, door.tensor([0, 1]), padding_idx=0),
    "embedding_bag, offsets": lambda x, k: F.embedding_bag(door.tensor([0, 1, 2, 1]), x, k, mode="sum"),
    "embedding_bag, largest": lambda x, k: F.embedding_bag(k[None], x, mode="max", padding_idx=1),
    "nanmean": lambda x, k: door.where(x + 2 > k, x, float("nan")).nanmean(0),
    "count_nonzero": lambda x, k: x * door.count_nonzero(x > k, 1)[:, None],
    "logdet": lambda x, k: door.logdet(x + 3 * door.diag(k + 1.0)),
    "adaptive_max_pool2d": lambda x, k: F.adaptive_max_pool2d(x[None] * k, (2, 2)),
    "max_pool2d": lambda x, k: F.max_unpool2d(*F.max_pool2d(x[None] * k, 2, 1, return_indices=True), 2, 1),
    "grid_sample": lambda x, k: F.grid_sample(
        x[None, None], F.affine_grid((x[None, :2] - 1) / 9, (1, 1, 3, 3), False), align_corners=False
    ),
    "grid_sample, nearest": lambda x, k: F.grid_sample(
        x[None, None] * 2, F.affine_grid((x[None, :2] - 1) / 9, (1, 1, 3, 3), False), "nearest", "reflection", False
    ),
}
INDICES = ((1, [0, 2, 2]), (2, [0, 1, 2]))
CALLS = [(door.arange(9.0).reshape(3, 3).roll(n) * n / 4, door.tensor(k)) for n, k in INDICES]


def gradient_of(f):
    def gradient(x, k):
        x = x.clone().requires_grad_()
        y = f(x, k)
        return y.detach(), *door.autograd.grad((y * y).sum(), x)

    return gradient


def test_each_call_reads_and_writes_at_its_own_indices():
    for name, f in CASES.items():
        compiled = door.compile(gradient_of(f), fullgraph=True)
        for call in (*CALLS, *CALLS):
            with named(name):
                for found, expected in zip(compiled(*call), gradient_of(f)(*call), strict=True):
                    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_bags_of_any_length_are_pytorchs(torch):
    table, given = np.arange(12.0).reshape(4, 3) % 5, [3, 1, 1, 0, 2]
    for mode in ("sum", "mean", "max"):
        for offsets in ([0], [0, 2], [0, 2, 2, 5], [0, 0, 4]):
            for padding in (None, 1, -1):
                with named(mode, offsets, padding):
                    theirs = torch.tensor(table, requires_grad=True)
                    ours = door.tensor(table, requires_grad=True)
                    found = []
                    for library, weight in ((torch, theirs), (door, ours)):
                        y = library.nn.functional.embedding_bag(
                            library.tensor(given), weight, library.tensor(offsets), mode=mode, padding_idx=padding
                        )
                        (y * y).sum().backward()
                        found.append((y.detach().numpy(), weight.grad.numpy()))
                    np.testing.assert_allclose(found[1][0], found[0][0])
                    np.testing.assert_allclose(found[1][1], found[0][1])

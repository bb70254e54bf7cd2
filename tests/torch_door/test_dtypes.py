"""The dtypes of results: PyTorch's also for integers, booleans and half precision."""

import numpy as np
import pytest
from tests.named import named, walked

import chainrule.torch as door

INTEGERS = {
    "activations": lambda t, x: (
        *(t.nn.functional.softsign(x), t.nn.functional.tanhshrink(x), t.nn.functional.relu6(x)),
        *(t.nn.functional.hardtanh(x, 0, 3), t.nn.functional.threshold(x, 1, 7)),
    ),
    "losses": lambda t, x: (
        *(t.nn.functional.margin_ranking_loss(x, x + 1, x.sign()), t.nn.functional.poisson_nll_loss(x, x.abs())),
        *(t.nn.functional.pairwise_distance(x, x + 1), t.nn.functional.triplet_margin_loss(x, x + 1, x - 2)),
        t.nn.functional.cosine_embedding_loss(x, x + 1, t.ones(3)),
    ),
    "products": lambda t, x: (
        t.addmv(x[0], x.T, x[:, 0], beta=2),
        t.baddbmm(x[None], x[None, :, :3], x[None], alpha=3),
    ),
    "moments": lambda t, x: (t.cov(x), t.corrcoef(x), t.cov(x[0], fweights=x[0].abs())),
    "powers": lambda t, x: (x.pow(x), x**2, t.tensor([1, -1, 5]).pow(-t.tensor([3, 3, 1]))),
    "steps": lambda t, x: (t.heaviside(x, x), x.sign(), x.square(), x.gather(1, x[:, :0].abs())),
    "new": lambda t, x: (x.new_empty_strided((2,), (1,)), x.new_empty_strided((2,), (1,), dtype=t.float64)),
}
BOOLEANS = {
    "signs": lambda t, x: (x.sign(), x.sgn(), x.square(), x.conj_physical(), x**2),
    "steps": lambda t, x: (t.heaviside(x, x), x.gather(1, t.zeros(3, 0, dtype=t.long))),
    "products": lambda t, x: t.addr(x[:, :3], x[:, 0], x[:, 1], beta=True, alpha=True),
}
HALVES = {
    "norms": lambda t, x: ((300 * x).norm(), t.linalg.vector_norm(300 * x, 3, dim=1), t.dist(300 * x, -x)),
    "activations": lambda t, x: (t.nn.functional.hardtanh(x, 0, 0), t.cov(x)),
}


def close(ours, theirs) -> None:
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    near = 2e-3 if ours.dtype == np.float16 else 1e-5
    np.testing.assert_allclose(ours, theirs, near, near)


@walked("kind", ["int64", "int32", "bool", "float16"])
def test_results_have_pytorchs_dtypes(torch, kind) -> None:
    numbers = np.random.default_rng(0).integers(-3, 4, (3, 4))
    calls = {"bool": BOOLEANS, "float16": HALVES}.get(kind, INTEGERS)
    for name, call in calls.items():
        values = numbers > 0 if kind == "bool" else numbers.astype(kind)
        results = [call(lib, lib.tensor(values)) for lib in (door, torch)]
        pairs = [found if isinstance(found, tuple) else (found,) for found in results]
        for k, (ours, theirs) in enumerate(zip(*pairs, strict=True)):
            with named(kind, name, k):
                if not name.startswith("new"):
                    close(ours.numpy(), theirs.numpy())
                else:
                    assert str(ours.dtype) == str(theirs.dtype)


def test_names_of_arguments_are_pytorchs_also_in_methods_and_overloads(torch) -> None:
    calls = (
        lambda t, x: x.split(split_size=[1, 3], dim=1)[1],
        lambda t, x: x.hsplit(sections=2)[1],
        lambda t, x: t.vsplit(x, indices=[1])[1],
        lambda t, x: t.swapaxes(x, axis0=0, axis1=1),
        lambda t, x: t.heaviside(x, values=x),
        lambda t, x: t.embedding(x, t.tensor([0, 2, 0])),
        lambda t, x: t.embedding_bag(x, t.tensor([0, 2, 1]), t.tensor([0, 2]), False, 1)[0],
        lambda t, x: t.batch_norm(x, x[0], x[1], x[2], x[0] ** 2 + 1, False, 0.1, 1e-5, False),
        lambda t, x: t.instance_norm(x[None], None, None, None, None, True, 0.1, 1e-5, False),
    )
    numbers = np.random.default_rng(0).normal(size=(3, 4))
    for k, call in enumerate(calls):
        with named(k):
            close(*(np.ascontiguousarray(call(lib, lib.tensor(numbers)).numpy()) for lib in (door, torch)))
    assert str(door.result_type(tensor1=door.ones(1), tensor2=2)) == "torch.float32"
    door.manual_seed(seed=0)


def test_mistakes_are_errors_that_code_for_pytorch_expects() -> None:
    x = door.ones(2, 3)
    mistakes = {
        "shapes": (lambda: x + door.ones(2), (RuntimeError, ValueError)),
        "products": (lambda: door.ones(9).dot(door.ones(3)), (RuntimeError, ValueError)),
        "types": (lambda: door.nn.functional.multi_margin_loss(x, door.ones(2)), (RuntimeError, TypeError)),
        "matrices": (lambda: door.linalg.inv(door.zeros(2, 2)), (RuntimeError, door.linalg.LinAlgError)),
    }
    for name, (call, kinds) in mistakes.items():
        for kind in kinds:
            with named(name), pytest.raises(kind):
                call()
    with pytest.raises(TypeError) as caught:
        x.sum(dims=0)
    assert not isinstance(caught.value, RuntimeError)

"""`torch.masked`, and decompositions where matrices are empty, not square or of low rank, against PyTorch."""

import numpy as np
from tests.named import walked

import chainrule.torch as door

X = np.random.default_rng(0).normal(size=(3, 5))
MASK = np.random.default_rng(1).uniform(size=(3, 5)) < 0.6
CALLS = {
    **{name: (lambda t, x, m, name=name: getattr(t.masked, name)(x, 1, mask=m)) for name in ("sum", "prod", "mean")},
    **{name: (lambda t, x, m, name=name: getattr(t.masked, name)(x, 1, mask=m)) for name in ("amax", "amin", "std")},
    **{f"{name} of all": (lambda t, x, m, name=name: getattr(t.masked, name)(x, mask=m)) for name in ("sum", "var")},
    **{name: (lambda t, x, m, name=name: getattr(t.masked, name)(x, 1, mask=m)) for name in ("cumsum", "logsumexp")},
    **{name: (lambda t, x, m, name=name: getattr(t.masked, name)(x, 1, mask=m)) for name in ("softmax", "softmin")},
    "norm": lambda t, x, m: t.masked.norm(x, 3.0, (0, 1), mask=m, keepdim=True),
    "normalize": lambda t, x, m: t.masked.normalize(x, 2.0, 0, mask=m),
    "median": lambda t, x, m: t.masked.median(x, 0, mask=m),
    "logaddexp": lambda t, x, m: t.masked.logaddexp(x, x * 2, input_mask=m, other_mask=~m),
}


def test_masked_values_and_gradients(torch) -> None:
    for name, call in CALLS.items():
        found = []
        for lib in (door, torch):
            x = lib.tensor(X).requires_grad_()
            y = call(lib, x, lib.tensor(MASK))
            (y * lib.arange(1.0, y.numel() + 1).reshape(y.shape)).sum().backward()
            found.append((y.detach().numpy(), x.grad.numpy()))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, 1e-9, 1e-12, err_msg=name)


def test_masked_integers(torch) -> None:
    x = np.arange(12).reshape(3, 4)
    keep = (x % 3 == 1) | (x == 0)
    for name in ("sum", "prod", "amax", "amin", "argmax", "argmin"):
        ours, theirs = (getattr(t.masked, name)(t.tensor(x), 1, mask=t.tensor(keep)) for t in (door, torch))
        assert ours.tolist() == theirs.tolist(), name
        assert str(ours.dtype) == str(theirs.dtype), name


@walked("shape", [(4, 2), (2, 4), (3, 3), (0, 3), (3, 0), (2, 4, 2)])
def test_a_full_decomposition_has_the_gradient_of_the_reduced_one(torch, shape) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    found = []
    for lib in (door, torch):
        a = lib.tensor(x).requires_grad_()
        U, S, Vh = lib.linalg.svd(a)
        k = S.shape[-1]
        (S.sum() + (U[..., :k] @ lib.diag_embed(S**2) @ Vh[..., :k, :]).sum()).backward()
        found.append((U, S, Vh, a.grad))
    ours, theirs = found
    for mine, right in zip(ours[:3], theirs[:3], strict=True):
        assert tuple(mine.shape) == tuple(right.shape)
    np.testing.assert_allclose(ours[3].numpy(), theirs[3].numpy(), 1e-8, 1e-8)


def test_least_squares_says_what_its_driver_says(torch) -> None:
    rng = np.random.default_rng(0)
    for shape in ((4, 3), (3, 3), (2, 3), (5, 4, 3)):
        a, b = rng.normal(size=shape), rng.normal(size=(*shape[:-1], 2))
        for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
            settings = {} if driver is None else {"driver": driver}
            ours, theirs = (t.linalg.lstsq(t.tensor(a), t.tensor(b), **settings) for t in (door, torch))
            for mine, right in zip(ours, theirs, strict=True):
                assert str(mine.dtype) == str(right.dtype)
                np.testing.assert_allclose(mine.numpy(), right.numpy(), 1e-9, 1e-9, err_msg=f"{shape} {driver}")


def test_margins_that_cut_everything_but_themselves(torch) -> None:
    x = np.arange(8.0).reshape(1, 2, 4)
    for widths in ((-4, 5), (5, -4), (-1, 2), (-2, -1)):
        ours, theirs = (t.nn.functional.pad(t.tensor(x), widths, "replicate").tolist() for t in (door, torch))
        assert ours == theirs, widths


def test_covariance_with_weights_of_other_dtypes(torch) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5))
    counts, shares = np.array([1, 2, 3, 1, 1]), np.array([0.2, 0.3, 0.1, 0.7, 0.11], np.float32)
    for settings in ({"aweights": shares}, {"aweights": shares, "fweights": counts}, {"fweights": counts}):
        ours, theirs = (t.cov(t.tensor(x), **{k: t.tensor(v) for k, v in settings.items()}) for t in (door, torch))
        assert str(ours.dtype) == str(theirs.dtype)
        # Sums of float32 weights depend on their order.
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), 1e-6 if "aweights" in settings else 1e-12)


def test_differences_of_order_none_leave_all_as_it_is(torch) -> None:
    ours, theirs = (t.diff(t.arange(3.0), 0, prepend=t.zeros(2)).tolist() for t in (door, torch))
    assert ours == theirs


def test_axes_of_length_one_are_stretched_in_a_product(torch) -> None:
    a, b = np.arange(6.0).reshape(1, 2, 3), np.arange(8.0).reshape(4, 1, 2)
    ours, theirs = (t.tensordot(t.tensor(a), t.tensor(b), dims=([0, 1], [0, 2])).tolist() for t in (door, torch))
    assert ours == theirs

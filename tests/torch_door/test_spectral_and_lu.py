"""LU, short-time transforms, windows, special functions and distributions, with their gradients, as in PyTorch."""

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door

RNG = np.random.default_rng(0)
A, X, P = RNG.normal(size=(2, 4, 4)), RNG.normal(size=(2, 64)), RNG.uniform(0.3, 2, size=7)
WINDOW = np.hanning(16) + 0.1
DEGREES = np.arange(7)

CASES = {
    "lu": (lambda t, a: t.linalg.lu(a), [A]),
    "lu_tall": (lambda t, a: t.linalg.lu(a), [A[:, :, :3].copy()]),
    "lu_wide": (lambda t, a: t.linalg.lu(a), [A[:, :3].copy()]),
    "lu_factor": (lambda t, a: t.linalg.lu_factor(a), [A]),
    "lu_solve": (lambda t, a, b: t.linalg.lu_solve(*t.linalg.lu_factor(a), b), [A, RNG.normal(size=(2, 4, 3))]),
    "lu_solve_right": (
        lambda t, a, b: t.linalg.lu_solve(*t.linalg.lu_factor(a), b, left=False, adjoint=True),
        [A, RNG.normal(size=(2, 3, 4))],
    ),
    "lu_unpack": (lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a)), [A]),
    "householder": (lambda t, a, b: t.linalg.householder_product(a, b), [A[:, :, :3].copy(), X[:, :3].copy()]),
    "eig": (lambda t, a: t.linalg.eigvals(a).abs().sort().values, [A]),
    "solve_ex": (lambda t, a, b: t.linalg.solve_ex(a, b)[0], [A, RNG.normal(size=(2, 4, 3))]),
    "inv_ex": (lambda t, a: t.linalg.inv_ex(a)[0], [A]),
    "svd": (lambda t, a: t.svd(a)[1], [A]),
    "stft": (lambda t, a, w: t.stft(a, 16, 4, window=w, return_complex=True), [X, WINDOW]),
    "stft_pairs": (
        lambda t, a: t.stft(a, 16, 4, win_length=12, center=False, normalized=True, return_complex=False),
        [X],
    ),
    "istft": (
        lambda t, a, w: t.istft(t.stft(a, 16, 4, window=w, return_complex=True), 16, 4, window=w, length=64),
        [X, WINDOW],
    ),
    "log_ndtr": (lambda t, a: t.special.log_ndtr(a - 1), [P]),
    "erfcx": (lambda t, a: t.special.erfcx(a - 1), [P]),
    "gammainc": (lambda t, a: t.special.gammainc(t.tensor(2.0, dtype=t.float64), a), [P]),
    "gradient": (lambda t, a: t.gradient(a, dim=(0, 1), spacing=[1.0, 2.0]), [A[0]]),
    "index_reduce": (lambda t, a, b: t.index_reduce(a, 0, t.tensor([0, 1, 1, 3]), b, "amax"), [A[0], A[1]]),
    "triangular_solve": (lambda t, a, b: t.triangular_solve(b, a, transpose=True)[0], [A[0], A[1]]),
}
FORWARD = {
    **{
        name: (lambda t, a, name=name: getattr(t.special, name)(a, t.tensor(DEGREES)), [P / 3])
        for name in (
            *(f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"),
            *("legendre_polynomial_p", "laguerre_polynomial_l", "hermite_polynomial_h", "hermite_polynomial_he"),
        )
    },
    **{
        name: (lambda t, a, name=name: getattr(t.special, name)(a), [P])
        for name in (
            *("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1"),
            *("modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1"),
            "spherical_bessel_j0",
        )
    },
    "zeta": (lambda t, a: t.special.zeta(a + 1.5, t.tensor(2.0, dtype=t.float64)), [P]),
}


def parts(y):
    return list(y) if isinstance(y, tuple | list) else [y]


@pytest.mark.filterwarnings("ignore:")  # PyTorch's, of what it calls deprecated
@walked("name", [*CASES, *FORWARD])
def test_values_and_gradients(torch, name) -> None:
    function, arrays = (CASES | FORWARD)[name]
    grads, values = [], []
    for lib in (torch, door):
        xs = [lib.tensor(a).requires_grad_(name in CASES) for a in arrays]
        ys = parts(function(lib, *xs))
        values.append([np.asarray(y.detach().numpy()) for y in ys])
        if name in CASES:
            sum((y.abs() ** 2).sum() for y in ys if y.requires_grad).backward()
            grads.append([x.grad.numpy() for x in xs])
    for a, b in zip(*values, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(b, a, 1e-8, 1e-9)
    for a, b in zip(*grads, strict=True) if grads else ():
        np.testing.assert_allclose(b, a, 1e-6, 1e-7)


def test_lu_twice(torch) -> None:
    found = []
    for lib in (torch, door):
        x = lib.tensor(A[0]).requires_grad_()
        (first,) = lib.autograd.grad((lib.linalg.lu(x).U ** 3).sum(), x, create_graph=True)
        found.append(lib.autograd.grad((first**2).sum(), x)[0].numpy())
    np.testing.assert_allclose(found[1], found[0], 1e-6, 1e-6)


def test_windows(torch) -> None:
    def windows(lib):
        kind = lib.float64
        for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
            for n in (0, 1, 7):
                yield getattr(lib, f"{name}_window")(n, dtype=kind)
                yield getattr(lib, f"{name}_window")(n, False, dtype=kind)
        for name in ("hann", "nuttall", "bartlett", "kaiser", "gaussian", "exponential", "cosine", "general_hamming"):
            for n in (1, 8):
                yield getattr(lib.signal.windows, name)(n, dtype=kind)
                yield getattr(lib.signal.windows, name)(n, sym=False, dtype=kind)
        yield lib.signal.windows.general_cosine(7, a=[0.46, 0.23, 0.31], dtype=kind)

    for a, b in zip(windows(torch), windows(door), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), 1e-12, 1e-14)


U, V = P[:3], P[3:6]
Q = U / U.sum()
DISTRIBUTIONS = {
    "Gamma": ((U, V), U),
    "Beta": ((U, V), Q),
    "Dirichlet": ((U,), Q),
    "Chi2": ((U,), V),
    "StudentT": ((U + 2, V, U), V),
    "LogNormal": ((U, V), V),
    "HalfNormal": ((U,), V),
    "Cauchy": ((U, V), V),
    "Gumbel": ((U, V), V),
    "Weibull": ((U, V), V),
    "Pareto": ((U, V + 1), U + 1),
    "Binomial": ((np.array([4.0, 5, 6]), Q), np.array([1.0, 2, 3])),
    "NegativeBinomial": ((np.array([4.0, 5, 6]), Q), np.array([1.0, 2, 3])),
    "Multinomial": ((6, Q), np.array([1.0, 2, 3])),
    "OneHotCategorical": ((Q,), np.array([0.0, 1, 0])),
    "RelaxedOneHotCategorical": ((np.array(0.7), Q), Q),
}


UNKNOWN = {
    "StudentT": ("entropy",),
    "Cauchy": ("mean", "variance"),
    "Pareto": ("variance",),
    "Binomial": ("entropy",),
    "NegativeBinomial": ("entropy",),
    "Multinomial": ("entropy",),
    "RelaxedOneHotCategorical": ("mean", "variance", "entropy"),
}
"""What is not offered here or in PyTorch."""


def made(lib, name):
    given, x = DISTRIBUTIONS[name]
    args = [lib.tensor(a) if isinstance(a, np.ndarray) else a for a in given]
    return getattr(lib.distributions, name)(*args), lib.tensor(x)


@walked("name", DISTRIBUTIONS)
def test_distributions(torch, name) -> None:
    (theirs, x), (ours, y) = made(torch, name), made(door, name)
    np.testing.assert_allclose(ours.log_prob(y).numpy(), theirs.log_prob(x).numpy(), 1e-7, 1e-9)
    assert ours.sample((5,)).shape == theirs.sample((5,)).shape
    for what in ("mean", "variance", "entropy"):
        if what in UNKNOWN.get(name, ()):
            continue
        found, expected = (getattr(d, what)() if what == "entropy" else getattr(d, what) for d in (ours, theirs))
        np.testing.assert_allclose(found.numpy(), expected.numpy(), 1e-7, 1e-9)


@walked("name", ["Gamma", "Beta", "Dirichlet", "OneHotCategorical"])
def test_divergences(torch, name) -> None:
    found = []
    for lib in (torch, door):
        p = made(lib, name)[0]
        q = getattr(lib.distributions, name)(*[lib.tensor(x) for x in ((V, U)[: len(DISTRIBUTIONS[name][0])])])
        found.append(lib.distributions.kl_divergence(p, q).numpy())
    np.testing.assert_allclose(found[1], found[0], 1e-7)


def test_samples_of_gamma_have_gradients(torch) -> None:
    a = door.tensor(np.full(50, 1.7), requires_grad=True)
    z = door.distributions.Gamma(a, door.tensor(1.0, dtype=door.float64)).rsample()
    z.sum().backward()
    expected = torch._standard_gamma_grad(torch.full((50,), 1.7, dtype=torch.float64), torch.tensor(z.detach().numpy()))
    np.testing.assert_allclose(a.grad.numpy(), expected.numpy(), 2e-3)


def test_mixtures_and_transformed_variables(torch) -> None:
    found = []
    for lib in (torch, door):
        d, u, v = lib.distributions, lib.tensor(U), lib.tensor(V)
        mixture = d.MixtureSameFamily(d.Categorical(lib.tensor(Q)), d.Normal(u, v))
        steps = [d.TanhTransform(), d.AffineTransform(v, u)]
        squashed = d.TransformedDistribution(d.Normal(u, v), steps)
        assert mixture.sample((2,)).shape == (2,)
        assert squashed.sample((2,)).shape == (2, 3)
        log = d.TransformedDistribution(d.Normal(u, v), d.ComposeTransform([d.ExpTransform(), d.ExpTransform().inv]))
        values = (mixture.log_prob(v), mixture.mean, mixture.variance, squashed.log_prob(v + u * 0.3), log.log_prob(u))
        found.append([x.numpy() for x in values])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, 1e-7)

"""Linear algebra of complex matrices: values as NumPy's, gradients as PyTorch's conjugate, second derivatives."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

RNG = np.random.default_rng(3)


def matrix(n, m, batch=()):
    return RNG.normal(size=(*batch, n, m)) + 1j * RNG.normal(size=(*batch, n, m))


SQUARE, TALL, WIDE, BATCH = matrix(3, 3), matrix(4, 3), matrix(3, 4), matrix(3, 3, (2,))
GRAM = SQUARE @ SQUARE.conj().T + 0.3 * np.eye(3)
WEIGHTS = matrix(6, 6)


def weighed(x, at=0):
    """A real value of all elements, which tells them and their parts apart."""
    n, m = x.shape[-2:] if x.ndim > 1 else (x.shape[-1], 1)
    w = WEIGHTS[at : at + n, at : at + m]
    return (x * (w if x.ndim > 1 else w[:, 0])).real.sum()


def projectors(v):
    """What does not depend on the phases of the columns."""
    return v[..., :, None, :] * v.conj()[..., None, :, :]


FUNCTIONS = {
    "inv": (lambda np, a: np.linalg.inv(a), [SQUARE, BATCH]),
    "det": (lambda np, a: np.linalg.det(a)[..., None, None], [SQUARE, BATCH]),
    "slogdet": (lambda np, a: (np.linalg.slogdet(a)[0] * np.linalg.slogdet(a)[1])[..., None, None], [SQUARE, BATCH]),
    "pinv": (lambda np, a: np.linalg.pinv(a), [TALL, WIDE, BATCH]),
    "solve": (lambda np, a: np.linalg.solve(a, a * a + 1), [SQUARE, BATCH]),
    "matrix_power": (lambda np, a: np.linalg.matrix_power(a, 3), [SQUARE]),
    "cholesky": (lambda np, a: np.linalg.cholesky(a @ a.conj().swapaxes(-1, -2) + identity(np)), [SQUARE, BATCH]),
    "eigh values": (lambda np, a: np.linalg.eigh(a + a.conj().swapaxes(-1, -2))[0], [SQUARE]),
    "eigh vectors": (
        lambda np, a: projectors(np.linalg.eigh(a + a.conj().swapaxes(-1, -2))[1])[..., 0],
        [SQUARE, BATCH],
    ),
    "qr": (lambda np, a: sum_of(np.linalg.qr(a)), [SQUARE, TALL]),
    "svd values": (lambda np, a: np.linalg.svd(a, full_matrices=False)[1], [SQUARE, TALL, WIDE]),
    "svd vectors": (lambda np, a: polar(np.linalg.svd(a, full_matrices=False)), [SQUARE, TALL, WIDE]),
    "eig": (lambda np, a: projectors(np.linalg.eig(a)[1])[..., 1] * np.linalg.eig(a)[0][..., 1:2, None], [SQUARE]),
    "norm": (lambda np, a: np.linalg.norm(a) * a, [SQUARE, TALL]),
    "nuclear norm": (lambda np, a: np.linalg.norm(a, "nuc") * a, [TALL]),
}


def identity(np):
    return np.eye(3) * 0.3


def sum_of(parts):
    q, r = parts
    return q @ (r * r) + r.sum() * q


def polar(parts):
    u, s, vh = parts
    return (u * s**2) @ vh


@walked("name", FUNCTIONS)
def test_gradients_are_pytorchs_conjugates(name, torch):
    f, matrices = FUNCTIONS[name]
    for a in matrices:
        got = cr.grad(lambda a, f=f: weighed(f(np, a)))(a)
        t = torch.tensor(a, requires_grad=True)
        y = f(Names(torch), t)
        n, m = y.shape[-2:] if y.ndim > 1 else (y.shape[-1], 1)
        w = torch.tensor(WEIGHTS[:n, :m])
        (y * (w if y.ndim > 1 else w[:, 0])).real.sum().backward()
        np.testing.assert_allclose(f(np, a), y.detach().numpy(), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(got, t.grad.numpy().conj(), rtol=1e-7, atol=1e-8)


class Names:
    """PyTorch under NumPy's names."""

    def __init__(self, torch):
        self.linalg = torch.linalg
        self.eye = lambda n: torch.eye(n, dtype=torch.float64)


@walked("name", FUNCTIONS)
def test_both_modes_and_second_derivatives(name):
    f, matrices = FUNCTIONS[name]

    def value(a):
        return weighed(f(np, a))

    a = matrices[0]
    direction = np.random.default_rng(0).normal(size=a.shape) + 1j * np.random.default_rng(1).normal(size=a.shape)
    slope = cr.jvp(value, (a,), (direction,))[1]
    np.testing.assert_allclose(slope, (cr.grad(value)(a) * direction).real.sum(), rtol=1e-9)
    step = 1e-5 * direction
    np.testing.assert_allclose(slope, (value(a + step) - value(a - step)) / 2e-5, rtol=1e-5)
    got = cr.hvp(value, (a,), (direction,))
    expected = (cr.grad(value)(a + step) - cr.grad(value)(a - step)) / 2e-5
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    twice = cr.grad(lambda a: (cr.grad(value)(a) * direction).real.sum())(a)
    np.testing.assert_allclose(twice, got, rtol=1e-8, atol=1e-9 * np.abs(got).max())


@pytest.mark.slow
def test_a_real_matrix_may_have_complex_eigenvalues(jax):
    a = np.array([[0.3, 1.0, -0.4], [-2.0, 0.1, 0.6], [0.5, 0.2, 1.1]])

    def value(a):
        w, v = np.linalg.eig(a)
        return (np.abs(w) ** 3).sum() + (np.abs(v[0]) ** 2 * w.imag**2).sum()

    gradient = cr.grad(value)(a)
    assert gradient.dtype == np.float64
    numeric = [[(value(a + h) - value(a - h)) / 2e-6 for h in row] for row in 1e-6 * np.eye(9).reshape(3, 3, 3, 3)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        cr.grad(lambda a: np.abs(np.linalg.eigvals(a)).sum())(a),
        jax.grad(lambda a: abs(jax.numpy.linalg.eigvals(a)).sum())(a),
        rtol=1e-8,
    )


def test_roots_that_are_zero_move_with_the_last_coefficient():
    p = np.array([2.0, -3.0, 1.0, 0.5, 0.0])
    jacobian = cr.jacobian(np.roots)(p)
    for k in range(5):
        step = 1e-6 * np.eye(5)[k]
        np.testing.assert_allclose(jacobian[:, k], (np.roots(p + step) - np.roots(p - step)) / 2e-6, atol=1e-7)
    np.testing.assert_array_equal(np.roots(cr.tensor(p)).numpy(), np.roots(p))
    assert np.roots(cr.tensor([0.0, 0.0])).size == 0
    assert np.roots(cr.tensor([1, -3, 2])).tolist() == np.roots([1, -3, 2]).tolist()
    with pytest.raises(ValueError, match=r"roots: got shape \(1, 2\)"):
        np.roots(cr.tensor([[1.0, 2.0]]))


def test_least_squares():
    b = matrix(4, 2)
    for plain, ours in zip(np.linalg.lstsq(TALL, b), np.linalg.lstsq(cr.tensor(TALL), b), strict=True):
        np.testing.assert_allclose(np.asarray(ours), plain, rtol=1e-10)

    def value(a):
        x, residuals, _, _ = np.linalg.lstsq(a, b)
        return weighed(x) + residuals.sum()

    assert cr.check(value, TALL).ok


@walked(
    "f",
    [
        lambda a: np.vdot(a, a[::-1]),
        lambda a: np.vecdot(a, a * 2j),
        lambda a: np.inner(a, a * 2j),
        lambda a: np.outer(a, a * 2j),
        lambda a: np.kron(a, a * 2j),
        lambda a: np.einsum("ij,ik->jk", a, a * 2j),
        lambda a: np.cov(a),
        lambda a: np.corrcoef(a),
        lambda a: np.correlate(a[0], a[1] * 1j, "full"),
        lambda a: np.correlate(a[0], a[1, :2], "same"),
        lambda a: np.convolve(a[0], a[1]),
        lambda a: np.var(a, axis=0),
        lambda a: np.std(a),
        lambda a: np.linalg.norm(a, 3, axis=1),
        lambda a: np.linalg.norm(a, 1),
        lambda a: np.linalg.cond(a),
        lambda a: np.trace(a),
        lambda a: np.sort_complex(a),
        lambda a: np.sign(a),
        lambda a: np.angle(a, deg=True),
        lambda a: np.nan_to_num(a),
        lambda a: np.sinc(a),
        lambda a: np.power(a, a),
        lambda a: np.power(-2.0, a),
        lambda a: a ** (1 + 2j),
        lambda a: np.float_power(a, 2),
        lambda a: np.cumprod(a, axis=0),
        lambda a: np.prod(a),
        lambda a: np.real_if_close(a),
        lambda a: np.round(a, 1),
        lambda a: np.polyval(a[0], a[1]),
        lambda a: np.interp(a.real.ravel(), np.arange(-4.0, 4.0), np.arange(8.0) * a[0, 0]),
        lambda a: np.where(a.real > 0, a, a * 2),
        lambda a: np.tensordot(a, a, 1),
        lambda a: np.linalg.multi_dot([a, a, a]),
        lambda a: np.nanmean(a),
        lambda a: np.diff(a),
        lambda a: np.gradient(a)[0],
        lambda a: np.trapezoid(a),
    ],
)
def test_numpys_values_and_right_gradients(f):
    expected = f(SQUARE)
    got = f(cr.tensor(SQUARE))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert got.dtype == expected.dtype
    report = cr.check(f, SQUARE)
    assert report.ok, str(report)

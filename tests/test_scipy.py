"""SciPy's names: values against SciPy, derivatives against differences, and what is refused."""

import functools
import re
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

reference = pytest.importorskip("scipy", reason="SciPy's functions: pip install '.[scipy]'")

import scipy.integrate  # noqa: E402
import scipy.linalg  # noqa: E402
import scipy.optimize  # noqa: E402
import scipy.sparse  # noqa: E402
import scipy.special  # noqa: E402
import scipy.stats  # noqa: E402

from chainrule import special, stats  # noqa: E402
from chainrule.scipy import integrate, linalg, optimize, sparse  # noqa: E402

RANDOM = np.random.default_rng(0)


def slope(f: Any, x: Any, h: float = 1e-5) -> Any:
    """The derivative of a function by central differences, of the shape f(x) + x."""
    x = np.asarray(x, float)
    units = np.eye(x.size).reshape((x.size, *x.shape))
    columns = [(np.asarray(f(x + h * e)) - np.asarray(f(x - h * e))) / (2 * h) for e in units]
    return np.moveaxis(np.array(columns), 0, -1).reshape(np.shape(columns[0]) + x.shape)


# Special functions

P, U = np.array([0.3, 1.0, 2.5]), np.array([0.1, 0.5, 0.9])
CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("gamma", "j0", "j1", "y0", "y1", "k0", "k1", "exp1", "expi", "spence", "entr", "ndtr"), (P,)),
    **dict.fromkeys(("ndtri", "erfcinv", "logsumexp", "softmax", "log_softmax", "log_ndtr", "lambertw"), (U,)),
    **{name: (P, P[::-1].copy()) for name in ("beta", "betaln", "rel_entr", "kl_div", "gammainc", "gammaincc")},
    **dict.fromkeys(("jv", "jn", "yn", "kn", "expn"), (2, P)),
    **dict.fromkeys(("erfcx", "erfi", "dawsn", "rgamma", "loggamma", "factorial"), (P,)),
    **{name: (P + 2, P[::-1].copy()) for name in ("poch", "binom", "comb")},
    **{"hyp0f1": (P, U), "hyp1f1": (P, P + 1, U), "hyp2f1": (P, P, P + 1, -U)},
    "betainc": (P, P[::-1].copy(), U),
    "zeta": (P + 1, P),
    "multigammaln": (P + 1, 2),
}


@walked("name", CALLS)
def test_a_special_function_has_scipys_value_and_its_derivative(name: str) -> None:
    args = CALLS[name]
    expected = getattr(scipy.special, name)(*args)
    np.testing.assert_allclose(getattr(special, name)(*args), np.real(expected), rtol=1e-12)
    place = next(k for k in reversed(range(len(args))) if isinstance(args[k], np.ndarray))

    def f(x: Any) -> Any:
        return getattr(special, name)(*args[:place], x, *args[place + 1 :])

    np.testing.assert_allclose(cr.jacobian(f)(args[place]), slope(f, args[place]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["sici", "fresnel"])
def test_a_pair_of_integrals(name: str) -> None:
    for k, (found, expected) in enumerate(zip(getattr(special, name)(P), getattr(scipy.special, name)(P), strict=True)):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        assert cr.check(lambda x: getattr(special, name)(x)[k], P).ok  # noqa: B023


def test_combinations() -> None:
    n, k = np.array([5.0, 5.0, 5.0, 2.0, 0.0]), np.array([2.0, 0.0, 6.0, 0.0, 0.0])
    for repetition in (False, True):
        np.testing.assert_allclose(
            special.comb(n, k, repetition=repetition), scipy.special.comb(n, k, repetition=repetition)
        )
    assert np.isfinite(cr.elementwise_grad(lambda n: special.comb(n, k))(n)).all()
    np.testing.assert_allclose(special.factorial(np.array([-2.0, 0.0, 4.0])), [0, 1, 24])
    for call in (lambda: special.comb(5, 2, exact=True), lambda: special.factorial(5, exact=True)):
        with pytest.raises(ValueError, match="exact=True has no derivative; call math"):
            call()


def test_ufuncs_of_scipy_take_tensors() -> None:
    for name in ("gamma", "betaln", "ndtri", "gammaincc", "erfcx", "poch", "hyp2f1"):
        args = [U] * getattr(scipy.special, name).nin
        f = functools.partial(getattr(scipy.special, name), *args[1:])
        np.testing.assert_allclose(cr.elementwise_grad(f)(U), np.diagonal(slope(f, U)), rtol=1e-6)


@walked(
    ("f", "argument"),
    [(lambda a: special.hyp1f1(a, 1.0, 0.5), "a"), (lambda v: special.hyp0f1(v, 0.5), "v"), (special.zeta, "s")],
)
def test_a_derivative_that_is_not_there_is_refused_by_name(f: Any, argument: str) -> None:
    with pytest.raises(cr.MissingRuleError, match=f"no rule for the gradient with respect to {argument}"):
        cr.grad(f)(2.0)


def test_entropies_at_the_ends() -> None:
    ends = {"entr": [(0.0,), (-1.0,)], "rel_entr": [(0.0, 0.0), (1.0, 0.0), (-1.0, 1.0)], "kl_div": [(0.0, 2.0)]}
    for name, args in ends.items():
        for one in args:
            assert getattr(special, name)(*one) == getattr(scipy.special, name)(*one)
    assert cr.grad(special.entr)(1.0) == -1.0


# Distributions

A22 = RANDOM.normal(size=(2, 6))
X = np.array([-1.5, 0.0, 0.3, 0.9, 1.0, 2.5])
SHAPES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("norm", "cauchy", "laplace", "logistic", "gumbel_r", "uniform", "expon"), ()),
    **{"gamma": (2.3,), "chi2": (3.0,), "beta": (1.5, 2.5), "t": (4.0,), "lognorm": (0.7,), "pareto": (2.0,)},
    **{"weibull_min": (1.7,), "truncnorm": (-1.0, 2.0)},
    **dict.fromkeys(("gumbel_l", "halfnorm", "halfcauchy", "rayleigh"), ()),
    **{"gennorm": (1.3,), "invgamma": (2.2,), "f": (3.0, 5.0), "loguniform": (0.2, 3.0), "vonmises": (1.4,)},
    "wrapcauchy": (0.3,),
}


@walked("name", SHAPES)
def test_a_continuous_distribution(name: str) -> None:
    own, other, shapes = getattr(stats, name), getattr(scipy.stats, name), SHAPES[name]
    for method in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf"):
        for after in ((), (0.2, 1.7)):
            with np.errstate(all="ignore"):
                found, expected = (getattr(d, method)(X, *shapes, *after) for d in (own, other))
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14, err_msg=method)
    inside = other.ppf([0.2, 0.7], *shapes, loc=0.2, scale=1.7)
    every = np.array([*inside, *shapes, 0.2, 1.7])

    def density(values: Any) -> Any:
        return own.logpdf(values[:2], *(values[k] for k in range(2, len(every)))).sum()

    np.testing.assert_allclose(cr.grad(density)(every), slope(density, every), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(
        cr.elementwise_grad(lambda x: own.cdf(x, *shapes, 0.2, 1.7))(inside),
        own.pdf(inside, *shapes, 0.2, 1.7),
        rtol=1e-9,
    )
    with np.errstate(all="ignore"):
        assert not np.isnan(cr.elementwise_grad(lambda x: own.logpdf(x, *shapes))(X[X != 0])).any()


@walked(
    ("name", "shapes"),
    [
        *(("poisson", (2.0,)), ("binom", (5, 0.3)), ("bernoulli", (0.3,)), ("geom", (0.4,))),
        *(("nbinom", (2.5, 0.4)), ("betabinom", (5, 1.5, 2.0))),
    ],
)
def test_a_discrete_distribution(name: str, shapes: Any) -> None:
    own, other, k = getattr(stats, name), getattr(scipy.stats, name), np.array([-1, 0, 1, 2, 5, 6, 0.5])
    np.testing.assert_allclose(own.logpmf(k, *shapes), other.logpmf(k, *shapes), rtol=1e-9)
    np.testing.assert_allclose(own.pmf(k, *shapes), other.pmf(k, *shapes), rtol=1e-9)
    f = lambda p: own.logpmf(1, *shapes[:-1], p)  # noqa: E731
    np.testing.assert_allclose(cr.grad(f)(shapes[-1]), slope(f, shapes[-1]), rtol=1e-6)
    if name != "betabinom":
        np.testing.assert_allclose(own.cdf(k, *shapes), other.cdf(k, *shapes), rtol=1e-12)


def test_angles_at_sharp_peaks_and_other_turns() -> None:
    x = np.array([-7.0, -3.0, -0.02, 0.0, 0.01, 1.0, 9.0])
    for kappa in (0.0, 1e-3, 30.0, 4000.0):
        found, expected = (d.vonmises.cdf(x, kappa) for d in (stats, scipy.stats))
        np.testing.assert_allclose(found, expected, atol=2e-4 if kappa > 1000 else 1e-12)  # SciPy's is rough there
    f = lambda kappa: stats.vonmises.cdf(0.4, kappa)  # noqa: E731
    np.testing.assert_allclose(cr.grad(f)(2.0), slope(f, 2.0), rtol=1e-6)


def test_counts_of_several_kinds() -> None:
    x, p = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0], [1.0, 1.0, 1.0], [0.5, 2.5, 3.0]]), np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(stats.multinomial.logpmf(x, 6, p), scipy.stats.multinomial.logpmf(x, 6, p))
    np.testing.assert_allclose(cr.grad(lambda p: stats.multinomial.logpmf(x[0], 6, p))(p), x[0] / p)


@walked("bandwidth", [None, "silverman", 0.4, lambda _: 0.7])
def test_a_density_of_samples(bandwidth: Any) -> None:
    for samples, points in ((RANDOM.normal(size=20), np.linspace(-2, 2, 5)), (RANDOM.normal(size=(2, 20)), A22)):
        for weights in (None, RANDOM.uniform(0.1, 1, 20)):
            own, other = (d.gaussian_kde(samples, bandwidth, weights) for d in (stats, scipy.stats))
            np.testing.assert_allclose(own(points), other(points), rtol=1e-10)
            np.testing.assert_allclose(own.logpdf(points), other.logpdf(points), rtol=1e-10)
    np.testing.assert_allclose(
        stats.gaussian_kde(samples)(points[:, 0]), scipy.stats.gaussian_kde(samples)(points[:, 0])
    )
    line = samples[0]
    own, other = (d.gaussian_kde(line).integrate_box_1d(-1.0, 0.5) for d in (stats, scipy.stats))
    np.testing.assert_allclose(own, other)
    for f, at in (
        (lambda s: stats.gaussian_kde(s, bandwidth).logpdf(points).sum(), samples),
        (lambda x: stats.gaussian_kde(samples, bandwidth).logpdf(x).sum(), points),
        (lambda w: stats.gaussian_kde(samples, bandwidth, w).logpdf(points).sum(), np.linspace(0.5, 1.0, 20)),
    ):
        np.testing.assert_allclose(cr.grad(f)(at), slope(f, at), rtol=1e-5, atol=1e-7)


def test_mistakes_with_samples_are_named() -> None:
    for call, said in {
        lambda: stats.gaussian_kde([1.0]): "got 1 sample, expected two",
        lambda: stats.gaussian_kde([1.0, 2.0], weights=[1.0]): "expected (2,)",
        lambda: stats.gaussian_kde([1.0, 2.0], "scot"): "expected 'scott', 'silverman' or a number",
        lambda: stats.gaussian_kde(A22)(np.ones((3, 4))): "expected [2, m]",
        lambda: stats.gaussian_kde(A22).integrate_box_1d(0, 1): "for one variable, got 2",
    }.items():
        with pytest.raises(ValueError, match=re.escape(said)):
            call()
    np.testing.assert_allclose(stats.sem(A22, axis=None), scipy.stats.sem(A22, axis=None))


def test_distributions_of_several_variables() -> None:
    p, alpha = np.array([0.2, 0.3, 0.5]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(stats.dirichlet.logpdf(p, alpha), scipy.stats.dirichlet.logpdf(p, alpha))
    cov, x = np.array([[2.0, 0.3], [0.3, 1.0]]), RANDOM.normal(size=(4, 2))
    own, other = stats.multivariate_normal.logpdf, scipy.stats.multivariate_normal.logpdf
    np.testing.assert_allclose(own(x, [0.0, 1.0], cov), other(x, [0.0, 1.0], cov))
    np.testing.assert_allclose(own(x[0], [0.0, 1.0], 2.0), other(x[0], [0.0, 1.0], 2.0))
    gradient = cr.grad(lambda c: own(x, np.zeros(2), c).sum())(cov)
    off = np.linalg.inv(cov)
    np.testing.assert_allclose(gradient, 0.5 * (off @ x.T @ x @ off - 4 * off))
    with pytest.raises(ValueError, match=r"got cov \(3, 3\) for 2 variables"):
        own(x, np.zeros(2), np.eye(3))


def test_shapes_are_counted() -> None:
    with pytest.raises(TypeError, match="gamma: got 0 shapes, expected 1: a"):
        stats.gamma.pdf(1.0)
    with pytest.raises(TypeError, match="norm: got 3 arguments after x, expected at most 2"):
        stats.norm.pdf(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(TypeError, match="binom: got 1 shapes, expected 2: n, p"):
        stats.binom.cdf(3, 5)
    with pytest.raises(TypeError, match="poisson: got 3 arguments after x, expected at most 2"):
        stats.poisson.pmf(3, 2.0, 1.0, 1.0)


def test_a_place_may_follow_the_shapes_of_a_discrete_distribution() -> None:
    k = np.arange(6)
    for name in ("logpmf", "pmf", "cdf"):
        own, other = (getattr(d.poisson, name)(k, 2.0, 1) for d in (stats, scipy.stats))
        np.testing.assert_allclose(own, other, rtol=1e-12)


def test_an_axis_that_is_not_there_is_named() -> None:
    with pytest.raises(np.exceptions.AxisError, match="axis 4 is out of bounds"):
        stats.sem(A22, axis=4)


# Linear algebra

A = RANDOM.normal(size=(4, 4))
POSITIVE, B = A @ A.T + np.eye(4), RANDOM.normal(size=(4, 2))


@walked("settings", [{}, {"lower": True}, {"trans": 1}, {"lower": True, "trans": "T", "unit_diagonal": True}])
def test_triangular_systems(settings: Any) -> None:
    found, expected = (module.solve_triangular(A, B, **settings) for module in (linalg, scipy.linalg))
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    f = lambda a: linalg.solve_triangular(a, B, **settings)  # noqa: E731
    np.testing.assert_allclose(cr.jacobian(f)(A), slope(f, A), rtol=1e-4, atol=1e-5)


def test_cholesky_and_structured_matrices() -> None:
    for lower in (False, True):
        np.testing.assert_allclose(linalg.cholesky(POSITIVE, lower), scipy.linalg.cholesky(POSITIVE, lower))
        np.testing.assert_allclose(
            linalg.cho_solve(linalg.cho_factor(POSITIVE, lower), B), np.linalg.solve(POSITIVE, B)
        )
    np.testing.assert_allclose(linalg.toeplitz([1.0, 2, 3], [1.0, 5]), scipy.linalg.toeplitz([1.0, 2, 3], [1.0, 5]))
    np.testing.assert_allclose(linalg.circulant([1.0, 2, 3]), scipy.linalg.circulant([1.0, 2, 3]))
    np.testing.assert_allclose(linalg.block_diag(A, [1.0, 2.0]), scipy.linalg.block_diag(A, [1.0, 2.0]))
    f = lambda c: (linalg.toeplitz(c) @ linalg.block_diag(c, c)[0, :3]).sum()  # noqa: E731
    np.testing.assert_allclose(cr.grad(f)(P), slope(f, P), rtol=1e-6)


@walked("name", ["expm", "logm", "sqrtm"])
def test_matrix_functions(name: str) -> None:
    f = getattr(linalg, name)
    np.testing.assert_allclose(f(POSITIVE), getattr(scipy.linalg, name)(POSITIVE), rtol=1e-9)
    small = POSITIVE / 4
    np.testing.assert_allclose(cr.jacobian(f)(small), slope(f, small), rtol=1e-5, atol=1e-6)
    if name != "expm":
        with pytest.raises(ValueError, match=f"{name}: the result is not real"):
            f(np.diag([-1.0, 2.0]))


# Integrals and differential equations


def test_simpson() -> None:
    x = np.array([0, 0.3, 1.0, 1.5, 2.7])
    np.testing.assert_allclose(integrate.simpson(np.cos(x), x), scipy.integrate.simpson(np.cos(x), x=x))
    np.testing.assert_allclose(integrate.simpson(B[:3], dx=0.5, axis=0), scipy.integrate.simpson(B[:3], dx=0.5, axis=0))
    with pytest.raises(ValueError, match="got 4 samples, expected an odd number"):
        integrate.simpson(np.ones(4))


def swing(y: Any, t: Any, p: Any) -> Any:
    return p["A"] @ y + p["b"] * np.sin(t)


PARAMETERS = {"A": np.array([[-0.5, 1.0], [-1.0, -0.2]]), "b": np.array([0.3, 0.1])}


def test_the_adjoint_of_a_differential_equation() -> None:
    y0, t = np.array([1.0, 2.0]), np.array([0.0, 0.5, 1.3])

    def loss(y0: Any, t: Any, p: Any) -> Any:
        return (integrate.odeint(swing, y0, t, (p,)) ** 2).sum()

    by_y0, by_t, by_p = cr.grad(loss, (0, 1, 2))(y0, t, PARAMETERS)
    np.testing.assert_allclose(by_y0, slope(lambda y0: loss(y0, t, PARAMETERS), y0), rtol=1e-5)
    np.testing.assert_allclose(by_t, slope(lambda t: loss(y0, t, PARAMETERS), t), rtol=1e-5)
    for name in PARAMETERS:
        one = slope(lambda x, name=name: loss(y0, t, {**PARAMETERS, name: x}), PARAMETERS[name])
        np.testing.assert_allclose(by_p[name], one, rtol=1e-5)
    back = integrate.odeint(swing, integrate.odeint(swing, y0, t, (PARAMETERS,))[-1], t[::-1], (PARAMETERS,))
    np.testing.assert_allclose(back[-1], y0, rtol=1e-6)
    found = integrate.solve_ivp(lambda t, y: -y, (0, 1), np.ones(2), t_eval=np.array([0.2, 0.4]))
    np.testing.assert_allclose(found.y, np.exp(-np.array([[0.2, 0.4]] * 2)), rtol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:vmap. (odeint|solve_ivp) .* has no rule for many samples")
def test_differential_equations_row_by_row() -> None:
    rows, t = np.array([[0.3, 0.8], [0.5, 0.2], [1.0, 0.1]]), np.array([0.0, 0.5, 1.3])

    def of_rate(a: Any) -> Any:
        return integrate.odeint(lambda y, t, a: -a * y * y, np.ones(2), t, (a,)).sum()

    def of_start(y0: Any) -> Any:
        return integrate.solve_ivp(lambda t, y, p: -p["a"] * y, (0, 1), y0, args=({"a": 0.5},)).y.sum()

    def of_time(x: Any) -> Any:
        return integrate.odeint(lambda y, t: -y, np.ones(2), np.stack([0.0, x[0]])).sum()

    for f in (of_rate, of_start, of_time):
        gradient = np.stack([cr.grad(f)(row) for row in rows])
        np.testing.assert_array_equal(cr.vmap(cr.grad(f))(rows), gradient)
        np.testing.assert_array_equal(cr.vmap(cr.vmap(cr.grad(f)))(rows[None])[0], gradient)
        whole = cr.grad(lambda rows, f=f: cr.vmap(f)(rows).sum())
        np.testing.assert_array_equal(whole(rows), gradient)
        np.testing.assert_allclose(cr.compile(whole)(rows), gradient, rtol=1e-12)
        with pytest.raises(cr.GradientError, match="only first"):
            cr.vmap(cr.hessian(f))(rows)
    with pytest.raises(cr.GradientError, match="derivative of the vmap instead"):
        cr.compile(cr.vmap(cr.grad(of_rate)))(rows)
    with pytest.raises(cr.VmapError, match="pass it in args"):
        cr.vmap(lambda a: integrate.odeint(lambda y, t: -a * y, np.ones(2), t))(rows)


def decay(y: Any) -> Any:
    return integrate.odeint(lambda y, t: -y, y, [0.0, 1.0])


def test_modules_as_the_right_hand_side() -> None:
    cr.seed(0)
    model, y0, t = cr.nn.Linear(2, 2), np.array([1.0, 2.0], np.float32), np.array([0.0, 1.0])
    integrate.odeint(lambda y, t, m: np.tanh(m(y)), y0, t, (model,))[-1].sum().backward()
    assert all(np.abs(p.grad.numpy()).max() > 0 for p in model.parameters())
    with pytest.raises(cr.GradientError, match="not among args"):
        integrate.odeint(lambda y, t: model(y), y0, t)


@walked(
    ("call", "error", "said"),
    [
        (lambda y: cr.hessian(lambda y: decay(y).sum())(y), cr.GradientError, "only first"),
        (lambda y: cr.jvp(decay, (y,), (y,)), cr.MissingRuleError, "forward"),
        (lambda y: integrate.odeint(lambda y, t: -y, y, [0.0, 1.0, 0.5]), ValueError, "rise or fall"),
        (lambda y: integrate.odeint(lambda y, t: y[:1], y, [0.0, 1.0]), ValueError, "returned shape"),
        (lambda y: integrate.odeint(lambda y, t: y**2, y * 10, [0.0, 1.0]), ValueError, "between the times"),
    ],
)  # fmt: skip
def test_what_a_differential_equation_refuses(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(np.ones(2))


# Roots, minima, sparse matrices


TWO = cr.tensor(2.0, requires_grad=True)


def cubic(x: Any, a: Any) -> Any:
    return np.array([[3.0, 1.0], [1.0, 2.0]]) @ x + x**3 - a


def test_roots_are_differentiated_to_second_order_and_in_both_modes() -> None:
    solve = lambda a: optimize.root(cubic, np.zeros(2), (a,))  # noqa: E731
    a = np.array([1.0, 2.0])
    jacobian = cr.jacobian(solve)(a)
    np.testing.assert_allclose(jacobian, slope(solve, a), rtol=1e-6)
    np.testing.assert_allclose(cr.jvp(solve, (a,), (np.ones(2),))[1], jacobian.sum(axis=1))
    np.testing.assert_allclose(
        cr.hessian(lambda a: solve(a).sum())(a), slope(cr.grad(lambda a: solve(a).sum()), a), atol=1e-6
    )
    np.testing.assert_allclose(
        cr.grad(lambda a: cr.fixed_point(lambda x, a: np.cos(x) * a, 0.5, a))(1.0), 0.441610791705
    )


def test_minima() -> None:
    def rosenbrock(x: Any, a: Any) -> Any:
        return (a - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    for method in ("BFGS", "trust-ncg", "Nelder-Mead", None):
        settings = {"options": {"xatol": 1e-8, "fatol": 1e-12}} if method == "Nelder-Mead" else {}
        found = optimize.minimize(rosenbrock, np.array([-1.2, 1.0]), (1.0,), method, **settings)
        np.testing.assert_allclose(found.x, 1.0, rtol=1e-3)
    best = lambda a: optimize.minimize(rosenbrock, np.array([0.0, 1.0]), (a,)).x  # noqa: E731
    np.testing.assert_allclose(cr.jacobian(best)(2.0), [1.0, 4.0], rtol=1e-4)


@walked(
    ("call", "error", "said"),
    [
        (lambda: cr.custom_root(cubic, None), TypeError, "expected two functions"),
        (lambda: cr.custom_root(lambda x, a: x - a, lambda f, x: 1.0)(1.0, 2.0), ValueError, "returned no root"),
        (lambda: cr.custom_root(lambda x: np.ones(2) * x, lambda f, x: 0.0)(1.0), ValueError, r"shape \(2,\)"),
        (lambda: cr.custom_root(lambda x: x - TWO, lambda f, x: 2.0)(1.0), cr.GradientError, "args"),
        (lambda: cr.fixed_point(lambda x: x + 1, 0.0, max_steps=5), ValueError, "no convergence after 5 steps"),
        (lambda: optimize.root(lambda x: x * x + 1, 1.0), ValueError, "root: "),
    ],
)  # fmt: skip
def test_what_a_root_refuses(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_products_with_sparse_matrices() -> None:
    m = scipy.sparse.random(5, 4, 0.5, random_state=0).tocsc()
    x = RANDOM.normal(size=(4, 3))
    np.testing.assert_allclose(cr.grad(lambda x: (sparse.matmul(m, x) ** 2).sum())(x), 2 * m.T @ (m @ x))
    np.testing.assert_allclose(sparse.matmul(x.T, m.T.tocsr()), x.T @ m.T)
    np.testing.assert_allclose(sparse.matmul(x[:, 0], m.T), x[:, 0] @ m.T)
    np.testing.assert_allclose(cr.jacobian(lambda x: sparse.matmul(m, x))(x[:, 0]), m.toarray())
    np.testing.assert_allclose(cr.jvp(lambda x: sparse.matmul(m, x), (x,), (x,))[1], m @ x)
    np.testing.assert_allclose(cr.vmap(lambda x: sparse.matmul(m, x))(x.T), (m @ x).T)
    pattern = cr.sparsity_pattern(lambda x: sparse.matmul(m, x) * 2, x[:, 0])
    np.testing.assert_array_equal(pattern.toarray(), m.toarray() != 0)
    with pytest.raises(ValueError, match=r"got a \(5, 4\) and x \(3,\)"):
        sparse.matmul(m, np.ones(3))
    with pytest.raises(TypeError, match="no matrix of"):
        sparse.matmul(x, x)

"""A function of chainrule inside JAX and one of JAX inside chainrule."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.interop.jax import as_jax_function, from_jax_function

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 2))


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


# Inside JAX


@pytest.fixture
def pair(jax):
    """The same function by chainrule and by JAX."""
    ours = as_jax_function(lambda x, w: np.tanh(x @ w))
    return lambda x, w: ours(x, w).sum(), lambda x, w: jax.numpy.tanh(x @ w).sum()


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_derivatives(jax, pair, compiled):
    wrap = jax.jit if compiled else lambda f: f
    ours, theirs = pair
    close(wrap(ours)(X, W), theirs(X, W))
    for a, b in zip(wrap(jax.grad(ours, (0, 1)))(X, W), jax.grad(theirs, (0, 1))(X, W), strict=True):
        close(a, b)
    close(wrap(jax.jacrev(jax.grad(ours)))(X, W), jax.hessian(theirs)(X, W))


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_vmap_runs_by_rows(jax, pair, compiled):
    wrap = jax.jit if compiled else lambda f: f
    ours, theirs = pair
    rows = np.stack([X, 2 * X])
    close(wrap(jax.vmap(ours, (0, None)))(rows, W), jax.vmap(theirs, (0, None))(rows, W))
    close(wrap(jax.vmap(jax.grad(ours), (0, None)))(rows, W), jax.vmap(jax.grad(theirs), (0, None))(rows, W))


def test_trees_settings_and_whole_numbers(jax):
    f = as_jax_function(lambda tree, rows, *, scale: {"y": scale * tree["a"][rows], "n": len(rows), "rows": rows})
    tree, rows = {"a": np.array([1.0, 2.0]), "b": (3.0,)}, np.array([1, 1])
    result = f(tree, rows, scale=3.0)
    assert (result["y"].tolist(), int(result["n"]), result["rows"].tolist()) == ([6, 6], 2, [1, 1])
    gradient = jax.grad(lambda tree: f(tree, rows, scale=3.0)["y"].sum())(tree)
    assert (gradient["a"].tolist(), float(gradient["b"][0])) == ([0, 6], 0)


def test_the_dtype_is_that_of_jax(jax):
    f = as_jax_function(lambda x: x * np.float64(2))
    assert f(np.ones(2)).dtype == np.float64
    with jax.enable_x64(False):
        y = jax.jit(f)(np.ones(2))
        assert y.dtype == jax.grad(lambda x: f(x).sum())(np.ones(2)).dtype == np.float32


def test_it_runs_at_ones_once_for_each_shape(jax):
    seen = []

    def f(x):
        seen.append(x.shape)
        return x * 2

    g = jax.jit(as_jax_function(f))
    for n in (2, 2, 3):
        g(np.zeros(n)).block_until_ready()
    assert seen == [(2,), (2,), (2,), (3,), (3,)]


def test_shapes_may_be_told(jax):
    def f(x):
        if (x == 1).all():
            raise ValueError("not at ones")
        return np.log(x - 1)

    with pytest.raises(ValueError, match=r"raised ValueError at ones, .*: not at ones; .* pass result="):
        as_jax_function(f)(np.full(2, 3.0))
    told = as_jax_function(f, result=lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype))
    close(jax.jit(jax.grad(lambda x: told(x).sum()))(np.full(2, 3.0)), [0.5, 0.5])


def test_parameters_that_the_function_refers_to_are_constant(jax):
    w = cr.ones(3, requires_grad=True)
    gradient = jax.grad(lambda x: as_jax_function(lambda x: (x * w).sum())(x))(np.ones(3))
    assert gradient.tolist() == [1, 1, 1]
    assert w.grad is None


@pytest.mark.slow
def test_large_arrays_under_jit(jax):
    """Callbacks that wait for each other would hang here."""
    f = as_jax_function(lambda x: np.sin(x))

    @jax.jit
    def chain(x):
        for _ in range(3):
            x = f(x @ x / 600)
        return x.sum()

    assert np.isfinite(jax.grad(chain)(np.ones((600, 600)))).all()


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_taken(jax, capfd):
    with pytest.raises(TypeError, match="the parameters of Linear would be constants"):
        as_jax_function(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="expected a function, got int"):
        as_jax_function(3)
    with pytest.raises(TypeError, match="got an argument of dtype complex128"):
        as_jax_function(np.sin)(np.ones(2, complex))
    with pytest.raises(TypeError, match="got an argument of dtype bfloat16"):
        as_jax_function(np.sin)(jax.numpy.ones(2, jax.numpy.bfloat16))
    with pytest.raises(ValueError, match="must return arrays of real numbers, got str"):
        as_jax_function(lambda x: "a")(np.ones(2))
    with pytest.raises(Exception, match=r"returned shape \[1\], but at ones, or by result=, \[2\]"):
        as_jax_function(lambda x: x[x > 0])(np.array([1.0, -1.0])).block_until_ready()


@pytest.mark.slow
def test_check_jax_takes_it(jax):
    @cr.custom
    def cube(x):
        return x**3

    cube.def_vjp(lambda y_bar, x: 2 * y_bar * x**2)
    report = cr.check_jax(as_jax_function(cube), np.array([1.0, 2.0, 3.0]))
    assert report.verdict == "wrong"
    assert report.findings[0].code == "factor"
    assert cr.check_jax(as_jax_function(np.sin), np.array([1.0, 2.0])).verdict == "right"


# Inside chainrule


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_chainrule_finds_the_derivatives_right(jax, compiled):
    def f(x, w):
        return jax.numpy.tanh(x @ w)

    operation = from_jax_function(jax.jit(f) if compiled else f)
    assert cr.check(operation, X, W).verdict == "right"
    for transform in (cr.jacrev, cr.jacfwd, lambda f: cr.hessian(lambda x, w: f(x, w).sum())):
        close(transform(operation)(X, W), transform(lambda x, w: np.tanh(x @ w))(X, W))
    assert operation.name == "f"
    assert "f(" in str(cr.explain(lambda x: operation(x, W).sum(), X))


def test_both_modes_to_the_third_derivative(jax):
    erf = from_jax_function(jax.scipy.special.erf)
    slope = 2 / np.sqrt(np.pi) * np.exp(-0.09)
    expected = (slope, -0.6 * slope, (-2 + 4 * 0.09) * slope)
    one, two = cr.grad(erf), cr.grad(cr.grad(erf))
    close([one(0.3), two(0.3), cr.grad(two)(0.3)], expected)
    close([cr.jvp(f, (0.3,), (1.0,))[1] for f in (erf, one, two)], expected)


@pytest.mark.parametrize("x64", [False, True])
def test_float64_stays_float64_and_float32_float32(jax, x64):
    operation = from_jax_function(jax.numpy.sin)
    with jax.enable_x64(x64):
        close(operation(np.ones(2)), np.sin(np.ones(2)))
        close(cr.grad(lambda x: operation(x).sum())(np.ones(2)), np.cos(np.ones(2)))
        close(cr.jvp(operation, (1.0,), (1.0,))[1], np.cos(1))
        assert operation(np.ones(2, np.float32)).dtype == np.float32
        assert cr.grad(lambda x: operation(x).sum())(np.ones(2, np.float32)).dtype == np.float32


def test_several_results_and_whole_numbers(jax):
    operation = from_jax_function(lambda x, rows, *, scale: (scale * x[rows], rows, x.sum()), several=True)
    x, rows = np.array([1.0, 2.0]), np.array([1, 1])
    y, same, total = operation(x, rows, scale=3.0)
    assert (y.tolist(), same.tolist(), float(total)) == ([6, 6], [1, 1], 3)
    assert cr.grad(lambda x: operation(x, rows, scale=3.0)[0].sum())(x).tolist() == [0, 6]
    slope = cr.grad(lambda x: operation(x, rows, scale=3.0)[0].sum() ** 2)
    assert cr.grad(lambda x: slope(x).sum())(x).tolist() == [0, 72]


def test_a_wrong_custom_rule_is_found(jax):
    @jax.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, y_bar: (y_bar * x,))
    report = cr.check(lambda x: from_jax_function(square)(x).sum(), np.array([1.0, 2.0]))
    assert report.verdict == "wrong"
    assert report.findings[0].code == "factor"


def test_there_and_back_again(jax):
    f = from_jax_function(as_jax_function(lambda x: np.sin(x)))
    close(cr.grad(cr.grad(f))(0.5), -np.sin(0.5))


def test_results_that_cannot_be_taken(jax):
    with pytest.raises(TypeError, match="the result is str, expected arrays of JAX"):
        from_jax_function(lambda x: "a")(np.ones(2))
    with pytest.raises(TypeError, match="the result is bfloat16"):
        from_jax_function(lambda x: x.astype("bfloat16"))(np.ones(2))
    with pytest.raises(TypeError, match="expected one array as the result, got 2"):
        from_jax_function(lambda x: (x, x))(np.ones(2))
    with pytest.raises(TypeError, match="expected a function, got int"):
        from_jax_function(3)

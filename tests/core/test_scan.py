"""`scan` and `fori_loop`: the Python loop, for every transform; compiled, the body is captured once."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn

X = np.random.default_rng(0).normal(size=(6, 3))
U = np.array([0.3, -1.2, 0.7])
W = np.random.default_rng(1).normal(size=(3, 3)) / 2


def loop(f, init, xs, reverse=False):
    """What `scan` is by definition."""
    carry, ys = init, [None] * len(xs)
    for k in range(len(xs))[:: -1 if reverse else 1]:
        carry, ys[k] = f(carry, xs[k])
    return carry, np.stack(ys)


def same(a, b, rtol=1e-9) -> None:
    for x, y in zip(cr.core.tree.flatten(a)[0], cr.core.tree.flatten(b)[0], strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-11)


def recurrent(w):
    def step(h, x):
        h = np.tanh(h @ w + x)
        return h, (h**2).sum()

    return step


def summed(w, u, xs, reverse=False):
    h, ys = cr.scan(recurrent(w), u, xs, reverse=reverse)
    return (h * U).sum() + (ys * np.arange(len(xs))).sum()


def looped(w, u, xs, reverse=False):
    h, ys = loop(recurrent(w), u, xs, reverse)
    return (h * U).sum() + (ys * np.arange(len(xs))).sum()


TRANSFORMS = {
    "value": lambda f: f,
    "grad": lambda f: cr.grad(f, argnums=(0, 1, 2)),
    "jvp": lambda f: lambda *args: cr.jvp(f, args, tuple(np.cos(x) for x in args)),
    "vmap": lambda f: lambda w, u, xs: cr.vmap(f, in_axes=(0, None, None))(np.stack([w, 2 * w]), u, xs),
    "per sample": lambda f: (
        lambda w, u, xs: cr.vmap(cr.grad(f), in_axes=(None, 0, 1))(
            w, np.stack([u, -u]), np.stack([xs, xs[::-1]], axis=1)
        )
    ),
    "hvp": lambda f: lambda w, u, xs: cr.hvp(lambda w: f(w, u, xs), (w,), (np.sin(w),)),
    "hessian": lambda f: lambda w, u, xs: cr.hessian(lambda u: f(w, u, xs))(u),
    "jacobian": lambda f: lambda w, u, xs: cr.jacobian(lambda u: np.stack([f(w, u, xs), u[0]]))(u),
    "forward jacobian": lambda f: lambda w, u, xs: cr.jacfwd(lambda u: np.stack([f(w, u, xs), u[0]]))(u),
    "checkpoint": lambda f: cr.grad(cr.checkpoint(f), argnums=(0, 1, 2)),
    "linearize": lambda f: lambda w, u, xs: cr.linearize(lambda u: f(w, u, xs), u)[1](np.cos(u)),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_is_the_loop_for_every_transform(name, reverse) -> None:
    """Eager and compiled."""
    scanned = TRANSFORMS[name](lambda *args: summed(*args, reverse=reverse))
    expected = TRANSFORMS[name](lambda *args: looped(*args, reverse=reverse))(W, U, X)
    same(scanned(W, U, X), expected)
    if name == "linearize":
        return
    compiled = cr.compile(scanned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(compiled(W, U, X), expected)
    other = (W.T.copy(), U + 1, X[::-1].copy())
    same(compiled(*other), scanned(*other))


def test_the_body_is_captured_once() -> None:
    """The plan of many steps is as long as that of a few, and the body ran as often."""
    counter = itertools.count()

    def f(u, xs):
        def step(u, x):
            next(counter)
            return np.sin(u) * x, None

        return cr.scan(step, u, xs)[0].sum()

    sizes, ran = [], []
    for n in (4, 400):
        before = next(counter)
        compiled = cr.compile(cr.grad(f))
        compiled(U, np.ones((n, 3)))
        sizes.append(len(compiled.plan.steps))
        ran.append(next(counter) - before - 1)
    assert sizes[0] == sizes[1]
    assert ran == [1, 1]


def test_trees_integers_and_swapped_carries() -> None:
    def step(carry, x):
        i, (a, b) = carry["i"], carry["ab"]
        new = {"i": i + 1, "ab": (b, a * x["p"] + b * x["q"] * (i % 2))}
        return new, {"i": i, "a": a.sum(), "positive": a > 0}

    def f(u, p):
        init = {"i": 0, "ab": (u, 2 * u)}
        return cr.scan(step, init, {"p": p, "q": X})

    expected, compiled = f(U, X), cr.compile(f)(U, X)
    same(compiled, expected)
    assert [np.asarray(x).dtype for x in cr.core.tree.flatten(compiled)[0]] == [
        np.asarray(x).dtype for x in cr.core.tree.flatten(expected)[0]
    ]

    def loss(u, p):
        carry, ys = f(u, p)
        return (carry["ab"][0] * carry["ab"][1]).sum() + (ys["a"] ** 2).sum()

    same(cr.compile(cr.grad(loss, argnums=(0, 1)))(U, X), cr.grad(loss, argnums=(0, 1))(U, X))


def test_what_the_body_reads_has_gradients() -> None:
    """Values of the function around it, parts of the transforms around that, parameters of modules."""

    def f(w, c):
        v = w @ w  # computed outside of the body
        return cr.scan(lambda h, x: (np.tanh(h @ v * c + x @ (w * c)), None), U, X)[0].sum()

    both = cr.grad(f, argnums=(0, 1))
    same(cr.compile(both)(W, np.array(0.7)), both(W, np.array(0.7)))
    outer = cr.grad(lambda c: cr.grad(f)(W, c).sum())  # two derivatives, of different arguments
    same(cr.compile(outer)(np.array(0.7)), outer(np.array(0.7)))


def test_a_training_step_with_modules() -> None:
    def run(compiles):
        cr.seed(0)
        cell = nn.Linear(6, 3)
        optimizer = cr.optim.SGD(cell.parameters(), lr=0.1)

        def train(xs):
            optimizer.zero_grad()
            step = lambda h, x: (cr.tanh(cell(cr.concatenate([h, x]))), None)  # noqa: E731
            value = (cr.scan(step, cr.zeros(3, dtype=np.float32), xs)[0] ** 2).sum()
            value.backward()
            optimizer.step()
            return value

        step = cr.compile(train) if compiles else train
        xs = X.astype(np.float32)
        return [float(step(cr.tensor(xs))) for _ in range(4)]

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5)


def test_an_index_and_a_write_in_the_body() -> None:
    def f(x):
        def body(i, y):
            y = y.copy()
            y[i + 1] = np.sin(y[i]) + x[i] * x[-1 - i]
            return y

        return cr.fori_loop(0, 5, body, np.zeros(6) + x[0])

    x = np.linspace(0.1, 1, 6)
    expected = np.zeros(6) + x[0]
    for i in range(5):
        expected[i + 1] = np.sin(expected[i]) + x[i] * x[-1 - i]
    same(f(x), expected)
    same(cr.compile(f)(x), expected)
    gradient = cr.grad(lambda x: (f(x) ** 2).sum())
    same(cr.compile(gradient)(x), gradient(x))
    assert cr.check(lambda x: f(x), x).ok


def test_a_gradient_in_the_body() -> None:
    """A leapfrog step: forces are gradients, and the loop is differentiated once more."""

    def f(scale):
        energy = lambda q: (cr.logsumexp(q * scale) + (q**2).sum()) / 2  # noqa: E731

        def leapfrog(state, _):
            q, p = state
            p = p - 0.1 * cr.grad(energy)(q)
            return (q + 0.1 * p, p), energy(q)

        (q, p), energies = cr.scan(leapfrog, (U, U[::-1]), length=7)
        return (q * p).sum() + energies.sum()

    scale = np.array([1.0, 2.0, -0.5])
    gradient = cr.grad(f)
    same(cr.compile(gradient)(scale), gradient(scale))


def test_a_scan_in_a_scan() -> None:
    def f(w):
        inner = lambda h, x: (np.tanh(w @ h + x), h[0])  # noqa: E731
        return cr.scan(lambda h, x: cr.scan(inner, h + x, X[:4]), U, X)

    loss = cr.grad(lambda w: sum((part**2).sum() for part in f(w)))
    same(cr.compile(f)(W), f(W))
    same(cr.compile(loss)(W), loss(W))


def test_remat_gives_the_same() -> None:
    f = cr.grad(lambda w, remat: cr.scan(recurrent(w), U, X, remat=remat)[1].sum())
    same(f(W, True), f(W, False), rtol=0)
    same(cr.compile(lambda w: f(w, True))(W), f(W, False))


def test_no_steps() -> None:
    carry, ys = cr.scan(recurrent(W), U, X[:0])
    same(carry, U)
    assert ys.shape == (0,)
    same(cr.compile(lambda x: cr.scan(recurrent(W), U, x))(X[:0])[0], U)
    assert cr.fori_loop(3, 1, lambda i, x: x / 0, 2.0) == 2.0


def test_a_body_that_draws_is_captured_step_by_step() -> None:
    def f(u):
        return cr.scan(lambda h, x: (h + cr.randn(3) * 0 + x, None), u, X)[0]

    with pytest.warns(cr.ScanWarning, match="captured one by one"):
        same(cr.compile(f)(U), U + X.sum(0))


def test_a_value_that_is_not_known_is_refused_as_anywhere() -> None:
    def f(u):
        return cr.scan(lambda h, x: (h + x if h[0] > 0 else h - x, None), u, X)[0]

    with pytest.warns(cr.ScanWarning), pytest.raises(cr.CaptureError, match=r"Python branched on a value.*np.where"):
        cr.compile(f)(U)


def test_out_of_range_in_a_later_call_raises_what_the_loop_raises() -> None:
    compiled = cr.compile(lambda x, k: cr.scan(lambda h, i: (h + x[i], None), 0.0, k)[0])
    same(compiled(X[0], np.array([0, 2])), X[0, 0] + X[0, 2])
    with pytest.raises(IndexError):
        compiled(X[0], np.array([0, 7]))
    same(compiled(X[0], np.array([1, 2])), X[0, 1] + X[0, 2])


@pytest.mark.parametrize("compiles", [False, True])
def test_mistakes(compiles) -> None:
    def run(*args, **options):
        f = lambda u: cr.scan(*(a(u) if callable(a) and not k else a for k, a in enumerate(args)), **options)  # noqa: E731
        return (cr.compile(f) if compiles else f)(U)

    body = lambda _: lambda c, x: (c, x)  # noqa: E731
    with pytest.raises(TypeError, match=r"returned (ndarray|Tensor)"):
        run(lambda _: lambda c, x: c + x, U, X)
    with pytest.raises(TypeError, match="changed the shape of carry"):
        run(lambda _: lambda c, x: (np.concatenate([c, x]), None), U, X)
    with pytest.raises(TypeError, match="structure"):
        run(lambda _: lambda c, x: ((c, c), None), U, X)
    with pytest.raises(TypeError, match="as float32, but it was given float64"):
        run(lambda _: lambda c, x: (c.astype(np.float32), None), U, X)
    with pytest.raises(ValueError, match=r"the lengths \[2, 6\]"):
        run(body, U, (X, X[:2]))
    with pytest.raises(ValueError, match="neither xs nor length"):
        run(body, U)
    with pytest.raises(ValueError, match="without axes"):
        run(body, U, 3.0)
    with pytest.raises(ValueError, match="length=-1"):
        run(body, U, length=-1)
    with pytest.raises(TypeError, match="expected two integers"):
        cr.fori_loop(0, 2.5, lambda i, x: x, 0.0)


PIECES = {
    "sin": lambda c, x, k: np.sin(c) + x,
    "times": lambda c, x, k: c * x[::-1] * 0.7,
    "product": lambda c, x, k: np.tanh(k @ c) - x,
    "where": lambda c, x, k: np.where(c > 0, c * 0.5, x * k[0]),
    "sorted": lambda c, x, k: np.sort(c) + 0.1 * x.mean(),
    "roll": lambda c, x, k: np.roll(c, 1) * k[1, 1] + np.maximum(x, 0),
    "softmax": lambda c, x, k: cr.softmax(c + x) @ k,
    "cumsum": lambda c, x, k: np.cumsum(c * x) / 3 + k.diagonal(),
    "constant": lambda c, x, k: U + 0 * c,
    "outer": lambda c, x, k: np.outer(c, x).sum(0) * 0.3 + np.linalg.norm(k),
}


def holds_for(names, steps, reverse, transform) -> None:
    """Compare a random body with the loop: eager, and compiled."""

    def body(k):
        def step(c, x):
            for name in names:
                c = PIECES[name](c, x, k)
            return c, c[0] * x

        return step

    def total(run):
        def f(k, u, xs):
            c, ys = run(body(k), u, xs, reverse=reverse)
            return (c * U).sum() + (ys * np.cos(ys)).sum()

        return TRANSFORMS[transform](f)

    xs = X[:steps]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.VmapWarning)
        expected = total(loop)(W, U, xs)
        same(total(cr.scan)(W, U, xs), expected)
        same(cr.compile(total(cr.scan))(W, U, xs), expected, rtol=1e-7)


BODIES = st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=3)
NAMES = ["value", "grad", "jvp", "vmap", "per sample", "hvp", "forward jacobian"]


@pytest.mark.slow
@settings(max_examples=25)
@given(BODIES, st.integers(1, 5), st.booleans(), st.sampled_from(NAMES[:3]))
def test_random_bodies(names, steps, reverse, transform) -> None:
    holds_for(names, steps, reverse, transform)


@pytest.mark.slow
@settings(max_examples=60)
@given(BODIES, st.integers(1, 5), st.booleans(), st.sampled_from(NAMES[3:]))
def test_random_bodies_of_more_transforms(names, steps, reverse, transform) -> None:
    holds_for(names, steps, reverse, transform)

"""Random numbers that a compiled function draws itself: the same, from the same generators, as uncompiled."""

import contextlib
import random
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.random as npr
import pytest
from numpy.random import randn

import chainrule as cr
from chainrule.autograd import numpy as anp
from chainrule.core.errors import CaptureError

from ..named import named

KINDS: dict[str, Callable[[int], Any]] = {
    "Generator": np.random.default_rng,
    "RandomState": np.random.RandomState,
    "Random": random.Random,
}
X = np.linspace(-1.0, 1.0, 3)


def _state(generator: Any) -> str:
    """Return all that the next numbers depend on."""
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    found = generator.get_state(legacy=False) if hasattr(generator, "get_state") else generator.bit_generator.state
    return repr(found)


def _follows(make: Callable[[Any], Callable[..., Any]], kind: str, calls: int = 5) -> None:
    """Compare a compiled function with the function itself, each with a generator of one seed, over several calls."""
    generator, same = KINDS[kind](3), KINDS[kind](3)
    compiled, f = cr.compile(make(generator)), make(same)
    for k in range(calls):
        found, expected = compiled(X * k), f(X * k)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        assert _state(generator) == _state(same)
    assert sum(map(len, compiled.plans.values())) == 1


def _closure(generator: Any) -> Callable[..., Any]:
    return lambda x: np.sin(x) + generator.normal(0.0, 2.0, 3) * generator.random(3)


def _attribute(generator: Any) -> Callable[..., Any]:
    model = SimpleNamespace(rng=generator, scale=2.0)
    return lambda x: x * model.rng.standard_normal(3) * model.scale


def _item(generator: Any) -> Callable[..., Any]:
    held = {"rng": generator, "all": [generator]}
    return lambda x: x * held["rng"].standard_normal(3) + held["all"][0].uniform(size=3)


def _method(generator: Any) -> Callable[..., Any]:
    draw = generator.standard_normal
    return lambda x: x * draw(3) + generator.poisson(3.0, 3)


def _gradient(generator: Any) -> Callable[..., Any]:
    return cr.grad(lambda x: ((generator.normal(size=(5, 3)) * np.exp(x)) ** 2).sum())


def _of_a_loop(generator: Any) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        for _ in range(3):
            x = np.tanh(x + 0.1 * generator.standard_normal(x.shape))
        return x[generator.permutation(3)] * generator.choice(4, 3)

    return f


def _numbers(generator: Any) -> Callable[..., Any]:
    """With an array of float32 a Python number leaves that alone, and NumPy's number does not."""
    return lambda x: x.astype(np.float32) * (1 - 0.5 * generator.random()) * 2


@pytest.mark.parametrize("kind", ["Generator", "RandomState"])
def test_arrays_are_drawn_anew(kind: str) -> None:
    for make in (_closure, _attribute, _item, _method, _gradient, _of_a_loop, _numbers):
        with named(make.__name__):
            _follows(make, kind)


def test_numbers_of_python_s_generator_are_drawn_anew() -> None:
    def make(generator: Any) -> Callable[..., Any]:
        def f(x: Any) -> Any:
            total = x * generator.gauss(0.0, 1.0)
            for _ in range(3):
                total = total + generator.random() ** 2 * generator.randint(1, 6)
            return total

        return f

    _follows(make, "Random")
    _follows(_numbers, "Random")


def _by_modules(x: Any) -> Any:
    drawn = npr.normal(1.0, 2.0, size=3) + randn(3) + anp.random.rand(3)  # noqa: NPY002
    return x * drawn + random.random() * random.gauss(0.0, 1.0) + np.random.randint(5)  # noqa: NPY002


def test_the_generators_of_modules_are_drawn_from() -> None:
    kept = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        expected = [_by_modules(X * k) for k in range(4)]
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        compiled = cr.compile(_by_modules)
        np.testing.assert_allclose([compiled(X * k) for k in range(4)], expected, rtol=1e-12)
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])


def test_an_operation_that_draws_by_itself_does_so_at_each_replay() -> None:
    """As in SciPy, it seeds NumPy's global generator, draws, and leaves that in its state."""

    def estimated(x: Any) -> Any:
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(3)  # noqa: NPY002
        y = x * np.random.rand(3)  # noqa: NPY002
        np.random.set_state(state)  # noqa: NPY002
        return y

    f = cr.custom(estimated)
    compiled = cr.compile(lambda x: f(x) + npr.rand(3))  # noqa: NPY002
    kept = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        expected = estimated(X) + npr.rand(3)  # noqa: NPY002
        np.random.seed(0)  # noqa: NPY002
        np.testing.assert_allclose(compiled(X), expected)
    finally:
        np.random.set_state(kept)  # noqa: NPY002


def test_a_seed_in_the_function_is_set_at_each_call() -> None:
    generator = np.random.RandomState(0)

    def f(x: Any) -> Any:
        generator.seed(7)
        return x + generator.rand(3)

    compiled = cr.compile(f)
    assert np.array_equal(compiled(X), X + np.random.RandomState(7).rand(3))
    generator.rand(5)
    assert np.array_equal(compiled(X), X + np.random.RandomState(7).rand(3))


def test_a_generator_may_be_an_argument() -> None:
    def f(x: Any, rng: Any, scale: float) -> Any:
        return x + rng.normal(0.0, scale, 3)

    compiled, first, second = cr.compile(f), KINDS["Generator"](0), KINDS["Generator"](1)
    twins = {id(first): KINDS["Generator"](0), id(second): KINDS["Generator"](1)}
    for rng, scale in ((first, 1.0), (second, 1.0), (first, 2.0), (first, 3.0), (second, 2.0), (first, 4.0)):
        np.testing.assert_allclose(compiled(X, rng, scale), f(X, twins[id(rng)], scale))
    assert sum(map(len, compiled.plans.values())) == 4


def test_another_generator_in_the_same_place_is_drawn_from() -> None:
    model = SimpleNamespace(rng=np.random.default_rng(0))
    compiled = cr.compile(lambda x: x + model.rng.random(3))
    compiled(X)
    model.rng = np.random.default_rng(5)
    np.testing.assert_allclose(compiled(X), X + np.random.default_rng(5).random(3))


@pytest.mark.parametrize("kind", ["Generator", "RandomState"])
def test_a_plan_that_fails_gives_the_function_what_it_has_drawn(kind: str) -> None:
    """A matrix without a Cholesky factor: the function is called, and draws the same numbers, or raises its error."""
    generator, same = KINDS[kind](0), KINDS[kind](0)

    def of(rng: Any) -> Callable[..., Any]:
        def f(a: Any) -> Any:
            b = a + np.diag(rng.random(2)) * rng.random()
            return np.linalg.cholesky(b).sum() * rng.standard_normal(2)

        return f

    compiled, f = cr.compile(of(generator)), of(same)
    for a in (np.eye(2), -np.eye(2), 2 * np.eye(2)):
        if a[0, 0] > 0:
            np.testing.assert_allclose(compiled(a), f(a))
            continue
        for g in (compiled, f):
            with pytest.raises(np.linalg.LinAlgError):
                g(a)
        # Uncompiled, the last numbers are not drawn after the error; a plan has drawn them all before it.
        same.standard_normal(2)
    assert _state(generator) == _state(same)


def test_a_parameter_that_does_not_fit_raises_the_functions_error() -> None:
    generator, same = np.random.default_rng(0), np.random.default_rng(0)

    def of(rng: Any) -> Callable[..., Any]:
        return lambda x, scale: x + rng.random(3) * rng.normal(0.0, scale)

    compiled, f = cr.compile(of(generator)), of(same)
    for scale in (1.0, 2.0, -1.0, 3.0):
        if scale > 0:
            np.testing.assert_allclose(compiled(X, scale), f(X, scale))
            continue
        for g in (compiled, f):
            with pytest.raises(ValueError, match="scale"):
                g(X, scale)


def test_what_cannot_be_drawn_anew_is_refused() -> None:
    rng = np.random.default_rng(0)

    def branches(x: Any) -> Any:
        return x if rng.random() < 0.5 else -x

    def counts(x: Any) -> Any:
        return x * sum(range(int(rng.integers(3, 5))))

    def shuffles(x: Any) -> Any:
        order = np.arange(3)
        rng.shuffle(order)
        return x[order]

    def looks(x: Any) -> Any:
        return x + rng.bit_generator.state["state"]["state"]

    def computes(x: Any) -> Any:
        return rng.normal(x)

    def both(x: Any) -> Any:
        return rng.random(3) + cr.random.normal(x, generator=rng)

    def without_seed(x: Any) -> Any:
        return x + np.random.default_rng().random(3)

    cases = {
        branches: "branched on a value|looked at a number that was drawn",
        counts: "turned into a Python number|as a Python integer",
        shuffles: "shuffle of a generator.*permutation instead",
        looks: "bit_generator of a generator of random numbers was looked at",
        computes: "normal with parameters that are computed",
        both: "by its own method and by an operation",
        without_seed: "without a seed",
    }
    for f, message in cases.items():
        with named(f.__name__):
            before = _state(rng)
            with pytest.raises(CaptureError, match=message):
                cr.compile(f)(X)
            assert _state(rng) == before


def test_a_scan_whose_body_draws_is_captured_step_by_step() -> None:
    def make(rng: Any) -> Callable[..., Any]:
        return lambda x: cr.scan(lambda c, a: (c + a * rng.normal(), c), 0.0, x)[0]

    with pytest.warns(cr.ScanWarning, match="body of a scan drew random numbers"):
        _follows(make, "Generator")


def test_everything_is_put_back_after_a_capture() -> None:
    rng = np.random.default_rng(0)
    held, spaces = [rng, rng.random], (vars(np.random), vars(random), vars(anp.random))
    before = [dict(space) for space in spaces]

    def fails(x: Any) -> Any:
        held[0].random()
        raise KeyError("planted")

    for f in (lambda x: x + held[0].random(3) + held[1](3), fails):
        with contextlib.suppress(KeyError):
            cr.compile(f)(X)
        assert held[0] is rng
        assert held[1] == rng.random
        for space, kept in zip(spaces, before, strict=True):
            assert space == kept


def test_where_other_threads_run_draws_are_refused() -> None:
    """They would meet what stands for a generator."""
    rng, end = np.random.default_rng(0), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(CaptureError, match="drew random numbers from rng"):
            cr.compile(lambda x: x + rng.random(3))(X)
    finally:
        end.set()
        thread.join()
    np.testing.assert_array_equal(cr.compile(lambda x: x + rng.random(3))(X) - X > 0, True)

"""`check_jax`: right and wrong custom rules, the place of a mistake, and what is left as it was."""

import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.interop.jax import parts, subject


@pytest.fixture
def jnp(jax):
    return jax.numpy


@pytest.fixture
def make(jax, jnp):
    """Makes a function y = tanh(x w) with a custom_vjp of a rule `((x, w, y), g) -> gradients`."""

    def function(rule):
        @jax.custom_vjp
        def tanh_product(x, w):
            return jnp.tanh(x @ w)

        def forward(x, w):
            y = tanh_product(x, w)
            return y, (x, w, y)

        def backward(saved, y_bar):
            return rule(y_bar, *saved)

        tanh_product.defvjp(forward, backward)
        return tanh_product

    return function


def right(g, x, w, y):
    d = g * (1 - y**2)
    return d @ w.T, x.T @ d


def twice(g, x, w, y):
    dx, dw = right(g, x, w, y)
    return dx, 2 * dw


@pytest.fixture
def arrays():
    rng = np.random.default_rng(1)
    return rng.normal(size=(3, 4)), rng.normal(size=(4, 5))


def test_a_right_rule_is_right(make, arrays):
    report = cr.check_jax(make(right), *arrays)
    assert report.verdict == "right", report
    assert [(row.name, row.shape, row.dtype) for row in report.rows] == [
        ("x", (3, 4), "float64"),
        ("w", (4, 5), "float64"),
    ]


@pytest.mark.slow
def test_a_wrong_rule_is_explained(make, arrays, monkeypatch):
    monkeypatch.setattr(subject.JaxSubject, "effort", 1.0)  # the factor is known without a search for a better reason
    report = cr.check_jax(make(twice), *arrays)
    assert report.verdict == "wrong"
    (finding,) = report.findings
    assert (finding.argument, finding.code, finding.operation) == ("w", "factor", "backward")
    assert finding.detail["factor"] == pytest.approx(2)
    assert finding.source.file == __file__
    assert "cr.check_jax(tanh_product, x, w, seed=0)" in finding.reproduction


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (lambda g, x, w, y: (right(g, x, w, y)[0], None), "missing"),
        (lambda g, x, w, y: (right(g, x, w, y)[0],), "signature"),
        (lambda g, x, w, y: (right(g, x, w, y)[0], right(g, x, w, y)[1] / 0), "not-finite"),
    ],
)
@pytest.mark.slow
def test_the_other_verdicts_of_a_rule(make, arrays, rule, verdict, monkeypatch):
    monkeypatch.setattr(subject.JaxSubject, "effort", 0.1)  # seconds are spent on a change that would mend it, in vain
    assert cr.check_jax(make(rule), *arrays).verdict == verdict


@pytest.mark.slow
def test_a_wrong_custom_jvp_inside_compiled_code_is_found(jax, jnp, arrays):
    @jax.custom_jvp
    def sine(x):
        return jnp.sin(x)

    @sine.defjvp
    def sine_jvp(primals, tangents):
        return sine(*primals), -tangents[0] * jnp.cos(primals[0])

    @jax.jit
    def f(x, w):
        return jax.nn.softmax(sine(jax.nn.relu(x @ w)))

    report = cr.check_jax(f, *arrays)
    assert report.verdict == "wrong"
    finding = report.findings[0]
    assert (finding.operation, finding.code) == ("sine_jvp", "sign")
    assert finding.source.text.startswith("def sine_jvp")


@pytest.mark.slow
def softplus(jnp, kind):
    f = kind(lambda x: jnp.log1p(jnp.exp(x)))
    f.__name__ = "softplus"
    return f


@pytest.mark.slow
def test_the_line_of_a_custom_jvp_is_named(jax, jnp):
    f = softplus(jnp, jax.custom_jvp)

    @f.defjvp
    def rule(primals, tangents):
        e = jnp.exp(primals[0])
        return f(*primals), tangents[0] * e / (2 + e)

    (finding,) = cr.check_jax(f, np.linspace(-1, 1, 3)).findings
    assert finding.detail["wanted"] == "tangents[0] * e / (1 + e)"


@pytest.mark.slow
def test_the_rule_of_one_argument_is_named(jax, jnp):
    f = jax.custom_jvp(lambda x, y: x * jnp.sin(y))
    f.__name__ = "sine"
    f.defjvps(lambda t, ans, x, y: t * jnp.sin(y), lambda t, ans, x, y: t * x * jnp.cos(x))
    (finding,) = cr.check_jax(f, np.linspace(-1, 1, 3), np.linspace(1, 2, 3)).findings
    assert (finding.argument, finding.detail["wanted"]) == ("y", "t * x * jnp.cos(y)")
    assert (finding.operation, finding.source.file) == ("defjvps of sine", __file__)


@pytest.mark.slow
def test_the_line_of_a_compiled_rule_is_named(jax, jnp):
    f = softplus(jnp, jax.custom_vjp)

    @jax.jit
    def backward(x, g):
        e = jnp.exp(x)
        return (g * e / (2 + e),)

    f.defvjp(lambda x: (f(x), x), backward)
    (finding,) = cr.check_jax(f, np.linspace(-1, 1, 3)).findings
    assert finding.detail["wanted"] == "g * e / (1 + e)"


@pytest.mark.slow
def test_the_stop_gradient_that_matters_is_told_from_the_one_that_does_not(jax, jnp):
    def softmax(x):
        e = jnp.exp(x - jax.lax.stop_gradient(x.max(-1, keepdims=True)))
        return e / jax.lax.stop_gradient(e.sum(-1, keepdims=True))  # wrong: the sum depends on x

    (finding,) = cr.check_jax(softmax, np.random.default_rng(0).normal(size=(3, 4))).findings
    assert finding.operation == "stop_gradient"
    assert "wrong: the sum" in finding.source.text


@pytest.mark.slow
def test_pytrees_settings_and_numbers(jax, jnp):
    def f(p, *, scale):
        return {"y": jnp.tanh(p["x"] @ p["w"]) * scale, "n": 3}

    rng = np.random.default_rng(0)
    report = cr.check_jax(f, {"x": rng.normal(size=(2, 3)), "w": rng.normal(size=3)}, scale=2.0)
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["p['w']", "p['x']"]
    assert cr.check_jax(jnp.tanh, 1.5).verdict == "right"


def test_nondiff_arguments_are_left_alone(jax, jnp):
    power = jax.custom_vjp(lambda n, x: x**n, nondiff_argnums=(0,))
    power.defvjp(lambda n, x: (x**n, x), lambda n, x, g: (n * x ** (n - 1) * g,))
    report = cr.check_jax(power, 3.0, np.linspace(0.5, 2, 4))
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["x"]


def test_a_fixed_argument_that_is_left_to_its_default_is_no_other(jax, jnp):
    power = jax.custom_jvp(lambda x, n=3: x**n, nondiff_argnums=(1,))
    power.defjvp(lambda n, x, x_dot: (x[0] ** n, n * x[0] ** (n - 1) * x_dot[0]))
    report = cr.check_jax(power, np.linspace(0.5, 2, 4))
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["x"]


def test_what_is_checked_in_float64_runs_in_float32_only_to_be_repeated(jax, jnp):
    runs = []

    def f(x):
        runs.append(x.dtype)
        return jnp.sin(x) * x

    assert cr.check_jax(f, np.linspace(0.5, 2, 4, dtype=np.float32)).verdict == "right"
    assert runs.count(np.float32) <= 7  # three values, two gradients, and looks for custom rules and what they return
    assert runs.count(np.float64) <= 2  # compiled at once


def test_python_code_that_looks_at_values_and_a_kink(jax, jnp):
    def f(x):
        return jnp.abs(x).sum() if float(x[0]) > 0 else x.sum()

    def g(x):
        return jnp.abs(x)

    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.grad(f)(jnp.ones(3))
    assert cr.check_jax(f, np.array([1.0, -2.0])).verdict == "signature"
    assert cr.check_jax(g, np.array([0.0, -2.0])).verdict == "kink"


@pytest.mark.slow
def test_without_x64_the_same_code_is_checked_in_float64(jax, make, arrays):
    with jax.enable_x64(False):
        report = cr.check_jax(make(right), *arrays)
        assert not jax.config.jax_enable_x64
    assert report.verdict == "right"
    assert {row.dtype for row in report.rows} == {"float64"}
    assert "float32" in report.notes[0]
    assert report.limit < 1e-5


@pytest.mark.slow
def test_a_function_that_computes_in_float32_only_is_not_called_right_to_float64(jnp, make, arrays):
    def coarse(x, w):
        return jnp.tanh(x.astype(jnp.float32) @ w.astype(jnp.float32))

    report = cr.check_jax(coarse, *(a.astype(np.float32) for a in arrays))
    assert report.ok
    assert "float32 only" in report.notes[0]
    assert report.limit > 1e-5


@pytest.mark.slow
def test_jax_is_left_as_it_was(jax, make, arrays, monkeypatch):
    monkeypatch.setattr(subject.JaxSubject, "effort", 1.0)  # changes run, which is enough to leave traces
    calls = jax.custom_vjp.__call__, jax.custom_jvp.__call__
    x64, disabled = jax.config.jax_enable_x64, jax.config.jax_disable_jit
    assert cr.check_jax(lambda x, w: make(twice)(x, w) ** 2, *arrays).verdict == "wrong"
    assert (jax.custom_vjp.__call__, jax.custom_jvp.__call__) == calls
    assert (jax.config.jax_enable_x64, jax.config.jax_disable_jit) == (x64, disabled)


@pytest.mark.slow
def test_a_run_operation_by_operation_has_an_end(jax, make, arrays, monkeypatch):
    calls = jax.custom_vjp.__call__, jax.custom_jvp.__call__
    monkeypatch.setattr(parts, "RUNNING", 0.0)
    report = cr.check_jax(lambda x, w: make(twice)(x, w) ** 2, *arrays)
    assert report.verdict == "wrong"
    assert all(not finding.operation for finding in report.findings)  # it was not reached
    assert (jax.custom_vjp.__call__, jax.custom_jvp.__call__, sys.getprofile()) == (*calls, None)
    assert not jax.config.jax_disable_jit


def test_a_slow_function_is_compiled_once_it_has_given_the_same_twice(jax, jnp, arrays, monkeypatch):
    rng, calls = np.random.default_rng(0), []

    def smooth(x):
        calls.append(isinstance(x, jax.core.Tracer))
        return jnp.tanh(x)

    def random(x):
        return jnp.tanh(x) * rng.uniform()

    monkeypatch.setattr(subject, "SLOW", -1.0)
    assert cr.check_jax(smooth, arrays[0]).ok
    assert calls.count(False) == 2
    assert cr.check_jax(random, arrays[0]).verdict == "non-deterministic"


def test_wrong_calls_say_what_is_wrong(jax, jnp):
    with pytest.raises(TypeError, match="expected a function, got int"):
        cr.check_jax(3)
    with pytest.raises(TypeError, match="no floating argument"):
        cr.check_jax(jnp.sum, np.arange(3))
    with pytest.raises(TypeError, match="bfloat16"):
        cr.check_jax(jnp.tanh, jnp.ones(3, jnp.bfloat16))


@pytest.mark.slow
def test_a_wrong_shape_is_told_of_the_argument_that_has_it(make, arrays):
    report = cr.check_jax(make(lambda g, x, w, y: (right(g, x, w, y)[0], right(g, x, w, y)[1].T)), *arrays)
    assert [(finding.verdict, finding.argument) for finding in report.findings] == [("shape", "w")]


def test_a_rule_that_is_right_for_square_matrices_only(jax):
    @jax.custom_vjp
    def product(x, w):
        return x @ w

    product.defvjp(
        lambda x, w: (x @ w, (x, w)),
        lambda kept, y_bar: (y_bar @ kept[1].T, (kept[0].T @ y_bar) * (kept[0].shape[0] / kept[0].shape[1])),
    )
    report = cr.check_jax(product, np.eye(4) + 0.1, np.arange(16.0).reshape(4, 4) / 16)
    assert report.verdict == "wrong"
    assert report.findings[0].code == "square-only"

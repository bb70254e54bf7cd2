"""check says of each gradient what is true of it: right, wrong and why and where, or one of the other verdicts."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.check import CheckReport, Finding, assert_gradients, check_layer
from chainrule.check.subjects.subject import Subject

from .random_functions import random_function

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4)), RNG.standard_normal(4)


def linear(x, w, b):
    return x @ w + b


def linear_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)


def wrong_in(which, change):
    """The backward pass of `linear` with one of its gradients changed."""

    def backward(y_bar, x, w, b):
        gradients = list(linear_backward(y_bar, x, w, b))
        gradients[which] = change(gradients[which])
        return tuple(gradients)

    return backward


@pytest.fixture
def briefly(monkeypatch):
    """The search for a change of the code that helps is short: here none does, and the whole time would be spent."""
    monkeypatch.setattr(Subject, "effort", 0.2)


@cr.custom
def cube(x):
    return x**3


@cube.def_vjp
def cube_backward(y_bar, x):
    return y_bar * 3 * x


# Right


def test_success_is_one_line_with_coverage_worst_error_and_detection_limit():
    report = cr.check(linear, X, W, B, backward=linear_backward)
    assert report.ok
    assert report.verdict == "right"
    assert isinstance(report, CheckReport)
    text = str(report)
    assert "\n" not in text
    for part in ("3 arguments", "random projections", "worst relative error", "would have been found"):
        assert part in text


def test_the_package_is_the_function_and_a_module():
    import chainrule.check as package

    assert package.check_layer is check_layer is cr.check_layer
    assert package(np.sin, X).ok
    assert "full" in str(__import__("inspect").signature(package))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_modules_are_checked_with_their_parameters_and_left_alone(dtype):
    cr.seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).to(dtype)
    before = model.state_dict()
    report = cr.check(model, X.astype(dtype))
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"x", *(name for name, _ in model.named_parameters())}
    assert report.worst < 1e-5, "float32 code is run again in float64"
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(p.grad is None and p.dtype == dtype for p in model.parameters())


def test_a_training_loss_is_checked_in_the_parameters_it_refers_to():
    model, loss, labels = nn.Linear(3, 4), nn.CrossEntropyLoss(), np.array([0, 1, 2, 3, 0])
    report = cr.check(lambda x: loss(model(x), labels), X)
    assert report.ok
    assert {row.name for row in report.rows} == {"x", "model.weight", "model.bias"}


def test_pytrees_numbers_and_integer_arguments():
    def f(parameters, scale, index):
        return parameters["w"][index] * scale + parameters["b"][0]

    report = cr.check(f, {"w": X, "b": [B[0]]}, 2.0, np.array([0, 2]))
    assert report.ok
    assert {row.name for row in report.rows} == {"parameters['w']", "parameters['b'][0]", "scale"}


def test_full_looks_at_every_element():
    report = cr.check(linear, X, W, B, backward=linear_backward, full=True)
    assert [row.entries for row in report.rows] == [15, 12, 4]
    assert report.ok


# Wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda g: -g, "sign"),
        (lambda g: 2 * g, "factor"),
        (lambda g: g * (np.arange(g.shape[0]) < g.shape[0] - 1)[:, None], "mask"),
    ],
)
def test_a_wrong_gradient_is_found_with_its_reason_place_and_reproduction(change, code):
    report = cr.check(linear, X, W, B, backward=wrong_in(1, change))
    assert report.verdict == "wrong"
    (finding,) = report.findings
    assert isinstance(finding, Finding)
    assert (finding.argument, finding.code) == ("w", code)
    assert finding.analytic != pytest.approx(finding.numeric)
    assert finding.operation == "backward"
    assert finding.source.file == __file__
    assert finding.error_map.shape == W.shape
    assert "import chainrule" in finding.reproduction
    assert len(str(report).splitlines()) < 50
    json.dumps(report.to_dict())
    assert "WRONG" in report._repr_html_()


def test_the_first_wrong_operation_is_named_with_its_line():
    report = cr.check(lambda x: np.sin(cube(np.tanh(x))).sum(), X)
    (finding,) = report.findings
    assert (report.verdict, finding.operation) == ("wrong", "cube")
    assert finding.source.file == __file__
    assert "cube(np.tanh(x))" in finding.source.text


@pytest.mark.slow
def test_the_reproduction_runs_and_fails():
    report = cr.check(lambda x: cube(x * 2).sum(), X)
    code = report.findings[0].reproduction
    lines = [line for line in code.splitlines() if not line.startswith(("from ", "print("))]
    space = {"cube": cube}
    exec("\n".join(lines), space)
    call = next(line for line in code.splitlines() if line.startswith("print("))
    again = eval(call[len("print(") : -1], space)
    assert again.verdict == "wrong"
    assert again.rows[0].shape == (1, 1), "the smallest input that still fails"


def test_forward_mode_alone_can_be_wrong():
    report = cr.check(
        np.sin,
        X,
        backward=lambda y_bar, x: y_bar * np.cos(x),
        jvp=lambda primals, tangents: -tangents[0] * np.cos(primals[0]),
    )
    assert report.verdict == "wrong"
    assert report.findings[0].operation == "jvp"
    right = cr.check(
        np.sin,
        X,
        backward=lambda y_bar, x: y_bar * np.cos(x),
        jvp=lambda primals, tangents: tangents[0] * np.cos(primals[0]),
    )
    assert right.ok
    assert "adjoint identity" in str(right)


@cr.custom
def product(a, b):
    return a @ b


@product.def_vjp
def product_backward(y_bar, a, b):
    return y_bar @ b, a.T @ y_bar  # b is not transposed: that shows as soon as it is not symmetric or not square


def symmetric_only(y_bar, x, w):
    return y_bar @ np.swapaxes(w, -1, -2), x.T @ np.resize(y_bar, (x.shape[0], w.shape[0]))


def test_a_backward_that_is_right_only_for_square_shapes_is_found_at_square_shapes():
    x, w = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
    report = cr.check(lambda x, w: x @ w, x, w, backward=symmetric_only)
    assert (report.verdict, report.findings[0].code) == ("wrong", "square-only")
    assert cr.check(lambda x, w: x @ w, x, w, backward=lambda y_bar, x, w: (y_bar @ w.T, x.T @ y_bar)).ok


def test_a_custom_operation_inside_that_returns_a_wrong_shape_is_named():
    report = cr.check(lambda x, w: product(np.tanh(x), w).sum(), X, W)
    (finding,) = report.findings
    assert (report.verdict, finding.operation, finding.source.file) == ("shape", "product", __file__)


# Shapes


def two_layers(x, W1, b1, W2, b2, t):
    return ((np.tanh(x @ W1 + b1) @ W2 + b2 - t) ** 2).sum() / len(x)


def two_layers_backward(factor=1.0, sign=1.0, bias=lambda d: d.sum(axis=0)):
    """The backward pass of `two_layers`, with a factor, the sign of W1's gradient, and how the bias sums."""

    def backward(y_bar, x, W1, b1, W2, b2, t):
        h = np.tanh(x @ W1 + b1)
        d = factor * y_bar * 2 * (h @ W2 + b2 - t) / len(x)
        before = d @ W2.T * (1 - h**2)
        return before @ W1.T, sign * x.T @ before, before.sum(axis=0), h.T @ d, bias(d), -d

    return backward


NET = [RNG.standard_normal(s) for s in ((5, 3), (3, 4), (4,), (4, 2), (2,), (5, 2))]


@pytest.mark.slow
def test_a_wrong_shape_hides_no_wrong_sign():
    report = cr.check(two_layers, *NET, backward=two_layers_backward(sign=-1, bias=lambda d: d))
    found = [(f.verdict, f.argument, f.code) for f in report.findings]
    assert report.verdict == "shape"
    assert found == [("shape", "b2", "broadcast-sum"), ("wrong", "W1", "sign")]
    assert {row.name: row.verdict for row in report.rows} == {
        **dict.fromkeys(("x", "b1", "W2", "t"), "right"),
        "W1": "wrong",
    }
    text = str(report)
    assert text.count("where: backward, ") == 2
    assert "Checked: 5 arguments, " in text
    assert "not compared: b2" in text


@pytest.mark.slow
def test_a_factor_behind_a_missing_sum_is_named_and_so_are_all_other_arguments(briefly):
    report = cr.check(two_layers, *NET, backward=two_layers_backward(factor=5, bias=lambda d: d))
    first, *others = report.findings
    assert (first.argument, first.code) == ("b2", "broadcast-sum")
    assert first.detail["axes"] == [0]
    assert first.detail["factor"] == pytest.approx(5)
    assert "division by N = 5 is missing" in first.detail["text"]
    assert [(f.code, f.detail["arguments"]) for f in others] == [("factor", ["x", "W1", "b1", "W2", "t"])]
    assert "for the same reason, so are those of W1, b1, W2, t" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1, 5])
def test_an_axis_of_length_one_too_many_is_no_missing_sum(briefly, factor):
    rule = two_layers_backward(factor=factor, bias=lambda d: d.sum(axis=0, keepdims=True))
    finding = cr.check(two_layers, *NET, backward=rule).findings[0]
    assert (finding.verdict, finding.argument, finding.code) == ("shape", "b2", "axes-swapped")
    assert [h.code for h in finding.hypotheses] == ["axes-swapped"]
    assert "drop keepdims" in finding.detail["text"]
    assert ("factor" in finding.detail) == (factor != 1)


def test_nothing_is_compared_where_every_gradient_has_a_wrong_shape():
    report = cr.check(lambda x: np.sin(x).sum(), X, backward=lambda y_bar, x: y_bar * np.cos(x).sum(axis=0))
    assert [f.verdict for f in report.findings] == ["shape"]
    assert "Checked: shapes only; not compared: x" in str(report)


def test_forward_mode_is_left_out_where_a_gradient_has_a_wrong_shape():
    report = cr.check(
        lambda a, b: a * b,
        X[0],
        X[1],
        backward=lambda y_bar, a, b: (-y_bar * b, (y_bar * a)[None]),
        jvp=lambda primals, tangents: primals[0] * tangents[1] + tangents[0] * primals[1],
    )
    assert [(f.verdict, f.argument) for f in report.findings] == [("shape", "b"), ("wrong", "a")]
    assert report.modes == ""


# The other verdicts


def relu_in_place(y_bar, x):
    y_bar[x <= 0] = 0
    return y_bar


def noisy(x):
    return x * np.random.default_rng().uniform(1, 2)


CASES = {
    "signature": (linear, (X, W, B), {"backward": lambda y_bar, x, w, b: (y_bar @ w.T, x.T @ y_bar)}),
    "shape": (linear, (X, W, B), {"backward": wrong_in(1, np.transpose)}),
    "dtype": (np.sin, (X.astype(np.float32),), {"backward": lambda y_bar, x: (y_bar * np.cos(x)).astype(np.float64)}),
    "missing": (linear, (X, W, B), {"backward": wrong_in(2, lambda g: None)}),
    "mutates-input": (lambda x: np.maximum(x, 0), (X,), {"backward": relu_in_place}),
    "non-deterministic": (noisy, (X,), {"backward": lambda y_bar, x: y_bar * 1.5}),
    "overlapping-memory": (lambda a, b: a * b, (X, X), {"backward": lambda y_bar, a, b: (y_bar * b, y_bar * a)}),
    "not-finite": (np.sqrt, (np.abs(X) * (X > 0),), {"backward": lambda y_bar, x: y_bar / (2 * np.sqrt(x))}),
    "kink": (lambda x: np.maximum(x, 0), (np.array([0.0, 1, -1]),), {"backward": lambda y_bar, x: y_bar * (x > 0)}),
    "dtype-too-coarse": (
        lambda x: np.float32(1e6) + np.float32(1e-3) * x.astype(np.float32),
        (X.astype(np.float32),),
        {"backward": lambda y_bar, x: (y_bar * 1e-3).astype(np.float32)},
    ),
    "step-size-noise": (lambda x: x + 1e13, (X,), {"backward": lambda y_bar, x: y_bar}),
}


@walked("verdict", CASES)
def test_every_verdict(verdict):
    f, args, passes = CASES[verdict]
    report = cr.check(f, *args, **passes)
    assert report.verdict == verdict, str(report)
    assert report.ok == (verdict == "kink")
    assert str(report).startswith(verdict.upper())
    assert report.findings[0].detail["text"]
    json.dumps(report.to_dict())


def test_a_gradient_cut_by_stop_gradient_is_missing_and_the_cut_is_named():
    report = cr.check(lambda x, w: cr.stop_gradient(x) @ w, X, W)
    (finding,) = report.findings
    assert (report.verdict, finding.argument, finding.code) == ("missing", "x", "detached")
    assert finding.operation == "stop_gradient"


def test_dropout_is_not_deterministic():
    assert cr.check(nn.Dropout(0.5), X).verdict == "non-deterministic"
    assert cr.check(nn.Dropout(0.5).eval(), X).ok


def test_a_custom_operation_with_too_many_gradients():
    @cr.custom
    def twice(x):
        return 2 * x

    @twice.def_vjp
    def backward(y_bar, x):
        return 2 * y_bar, y_bar

    assert cr.check(twice, X).verdict == "signature"


def test_no_floating_argument():
    with pytest.raises(TypeError, match="no floating argument"):
        cr.check(lambda n: n * 2.0, 3)


# Kinks


def test_a_kink_names_both_slopes_and_the_branch_that_flips():
    report = cr.check(lambda x: cr.relu(x * 2), np.array([1.0, 0.0, -1.0]))
    (finding,) = report.findings
    assert (report.verdict, report.ok, finding.index) == ("kink", True, (1,))
    assert (finding.detail["left"], finding.detail["right"]) == (0.0, 2.0)
    assert (finding.detail["operation"], finding.detail["element"]) == ("relu", [1])


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "kink"), (0.3, "kink"), (1.0, "kink"), (5.0, "wrong"), (-1.0, "wrong")]
)
def test_at_a_kink_every_slope_between_is_right_and_none_outside(slope, verdict):
    def backward(y_bar, x):
        return y_bar * np.where(x == 0, slope, x > 0)

    report = cr.check(lambda x: np.maximum(x, 0), np.array([1.0, 0.0, -1.0, 2.0]), backward=backward)
    assert report.verdict == verdict, str(report)


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7, 1e-9, 1e-12])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_beside_a_kink_wrong_is_wrong_and_right_is_right(distance, dtype):
    x = np.array([distance, -distance, 1, -1, 0.5], dtype)
    assert cr.check(lambda x: cr.relu(x) ** 2 + cr.relu(-x), x).ok
    assert not cr.check(lambda x: np.maximum(x, 0), x, backward=lambda y_bar, x: y_bar * (x < 0)).ok


@pytest.mark.slow
@settings(max_examples=150)
@given(st.integers(0, 10**6))
def test_no_false_alarm_on_random_correct_functions(seed):
    f, args, words = random_function(seed)
    report = cr.check(f, *args, seed=seed)
    assert report.ok, f"{words}\n{report}"


# Attacks


def errors_of(kind, gradient, rng):
    """A gradient that is wrong in a way that is meant to slip through."""
    size = np.sqrt(np.mean(gradient**2))
    noise = rng.standard_normal(gradient.shape)
    if kind == "right on average":
        return gradient + 0.1 * size * (noise - noise.mean())
    if kind == "right along the all-ones direction":
        return gradient + size * (np.arange(gradient.size).reshape(gradient.shape) % 2 - 0.5)
    if kind == "off by a thousandth":
        return gradient * 1.001
    if kind == "off by a millionth":
        return gradient * (1 + 1e-6)
    flat = gradient.ravel().copy()
    first, second = rng.choice(flat.size, 2, replace=False)
    if kind == "one element wrong":
        flat[first] += 1e-3 * size
    else:  # two errors that cancel in every direction of signs with probability ½
        flat[first] += 0.1 * size
        flat[second] -= 0.1 * size
    return flat.reshape(gradient.shape)


KINDS = (
    *("right on average", "right along the all-ones direction", "off by a thousandth", "off by a millionth"),
    *("one element wrong", "two errors that cancel"),
)


@walked("kind", KINDS)
def test_gradients_made_to_slip_through_are_caught(kind):
    x, w = RNG.standard_normal((4, 30)), RNG.standard_normal((30, 30)) / 5

    def backward(y_bar, x, w):
        delta = y_bar * (1 - np.tanh(x @ w) ** 2)
        return delta @ w.T, errors_of(kind, x.T @ delta, np.random.default_rng(7))

    for seed in range(3):
        assert (
            cr.check(lambda x, w: np.tanh(x @ w), x, w, backward=backward, seed=seed, explain=False).verdict == "wrong"
        )


@pytest.mark.slow
@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), factor=st.floats(1.05, 1e3))
def test_the_stated_detection_limit_is_true(seed, factor):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((3, 40)), rng.standard_normal((40, 50)) / 6
    where = tuple(rng.integers(0, w.shape))
    error = 0.0

    def backward(y_bar, x, w):
        delta = y_bar * (1 - np.tanh(x @ w) ** 2)
        gradient = x.T @ delta
        gradient[where] += error * np.sqrt(np.mean(gradient**2))
        return delta @ w.T, gradient

    right = cr.check(lambda x, w: np.tanh(x @ w), x, w, backward=backward, seed=seed)
    assert right.ok
    error = factor * right.rows[1].limit
    assert cr.check(lambda x, w: np.tanh(x @ w), x, w, backward=backward, seed=seed, explain=False).verdict == "wrong"


def test_one_wrong_element_among_many_is_found_and_named():
    x, w = RNG.standard_normal((2, 300)), RNG.standard_normal((300, 200)) / 10

    def backward(y_bar, x, w):
        gradient = x.T @ y_bar
        gradient[17, 33] *= 1.5
        return y_bar @ w.T, gradient

    (finding,) = cr.check(lambda x, w: x @ w, x, w, backward=backward).findings
    assert (finding.index, finding.code, finding.detail["entries"]) == ((17, 33), "partial", [[17, 33]])


@pytest.mark.slow
def test_a_million_parameters_take_a_few_hundred_forward_passes():
    x, w = RNG.standard_normal((1, 1000)), RNG.standard_normal((1000, 1000))
    report = cr.check(lambda x, w: x @ w, x, w, backward=lambda y_bar, x, w: (y_bar @ w.T, x.T @ y_bar))
    assert report.ok
    assert report.evaluations < 300


def test_a_function_that_raises_beside_the_point_is_checked_as_near_as_it_goes():
    def log(x):
        if np.any(x <= 0):
            raise ValueError("log of what is not positive")
        return np.log(x)

    x = np.array([1e-4, 1.0, 2.0])
    assert cr.check(log, x, backward=lambda y_bar, x: y_bar / x).ok
    assert cr.check(log, x, backward=lambda y_bar, x: 1.01 * y_bar / x).verdict == "wrong"


def test_a_function_that_raises_everywhere_but_here_is_reported():
    def brittle(x):
        if not np.array_equal(x, X):
            raise ValueError("only here")
        return x * 2

    report = cr.check(brittle, X, backward=lambda y_bar, x: 2 * y_bar)
    assert report.verdict == "raises"
    assert "ValueError" in str(report)
    assert "only here" in str(report)


def test_a_backward_that_raises_is_reported_not_raised():
    report = cr.check(np.sin, X, backward=lambda y_bar: y_bar)
    assert report.verdict == "signature"


def test_a_backward_that_ignores_its_cotangent_is_found():
    assert cr.check(lambda x: (x**2).sum(), X, backward=lambda y_bar, x: 2 * x).verdict == "wrong"


def test_the_seed_fixes_everything():
    reports = [cr.check(linear, X, W, B, backward=wrong_in(0, lambda g: g * 1.5), seed=3) for _ in range(2)]
    assert reports[0].to_dict() == reports[1].to_dict()


# The helper for test suites


def test_assert_gradients():
    assert_gradients(linear, X, W, B, backward=linear_backward)
    with pytest.raises(AssertionError, match="sign"):
        assert_gradients(linear, X, W, B, backward=wrong_in(1, np.negative))


@pytest.mark.parametrize(
    ("hint", "said", "kept_back"),
    [
        ("none", "linear: The gradient is wrong.", ("sign", "W", "expected")),
        ("cause", ": sign: ", ("expected", "analytic", "reproduce")),
        ("full", "reproduce:", ()),
    ],
)
def test_assert_gradients_reveals_no_more_than_the_hint(hint, said, kept_back):
    with pytest.raises(AssertionError) as failed:
        cr.assert_gradients(linear, X, W, B, backward=wrong_in(1, np.negative), hint=hint)
    message = str(failed.value)
    assert said in message
    assert not any(part in message for part in kept_back)


@pytest.mark.parametrize(("lang", "said"), [("en", "is wrong; line "), ("ko", "행: `-y_bar * np.cos(x)`")])
def test_a_cause_names_the_line_but_not_what_belongs_there(lang, said):
    def backward(y_bar, x):
        return -y_bar * np.cos(x)

    with pytest.raises(AssertionError) as failed:
        cr.assert_gradients(np.sin, X, backward=backward, hint="cause", lang=lang)
    assert said in str(failed.value)
    assert not any(words in str(failed.value) for words in ("makes the gradient right", "쓰면 맞습니다"))


def test_assert_gradients_in_korean_and_with_wrong_settings():
    with pytest.raises(AssertionError, match="부호"):
        cr.assert_gradients(linear, X, W, B, backward=wrong_in(1, np.negative), hint="cause", lang="ko")
    with pytest.raises(AssertionError, match="linear: The number of gradients is wrong"):
        cr.assert_gradients(linear, X, W, B, backward=lambda y_bar, x, w, b: (y_bar,), hint="cause")
    with pytest.raises(ValueError, match="hint: expected one of none, cause, full, got 'some'"):
        cr.assert_gradients(linear, X, W, B, backward=linear_backward, hint="some")
    with pytest.raises(ValueError, match="lang"):
        cr.assert_gradients(linear, X, W, B, backward=linear_backward, lang="fr")


@pytest.mark.slow
def test_a_part_in_float32_is_not_measured_as_float64(torch):
    """Half of the loss is cast down inside: with steps for float64, its roundings look like another slope."""

    def loss(x):
        smooth = (torch.softmax(x, 1) ** 2).sum()
        return smooth + (torch.log_softmax(x.float(), 1) * torch.sin(x.float())).mean()

    for seed in range(4):
        x = torch.randn(6, 8, generator=torch.Generator().manual_seed(seed))
        report = cr.check_torch(loss, x, seed=seed)
        assert report.verdict == "right", report
        assert report.rows[0].dtype == "float32"

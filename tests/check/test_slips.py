"""Slips of the pen in a backward pass are named: an axis, an exponent, a value kept for nothing, a line that raises."""
# A backward pass takes every argument of its function, whether it needs it or not.

import functools

import numpy as np
import pytest

import chainrule as cr

OPAQUE = functools.partial
"""Hides a function's code, so that no change of it is tried."""
TABLE = np.random.default_rng(0).standard_normal((5, 4))


def softmax_over_rows(x):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def axis_not_kept(g, x):
    p = softmax_over_rows(x)
    inner = np.sum(g * p, axis=1, keepdims=False)
    return p * (g - inner)


def quotient(a, y):
    return a / y


def exponent_wrong(g, ans, a, y):
    return g / y, -g * a / y**1


def swish(x):
    return x / (1 + np.exp(-x))


def factor_of_a_term_missing(g, x):
    s = 1 / (1 + np.exp(-x))
    return g * (s * (1 + x))


def mean_of_rows(x):
    return x - x.mean(axis=1, keepdims=True)


def reshaped_and_forgotten(g, x):
    m = g.mean(axis=1)
    m = m.reshape(-1, 1)
    return g


def only_the_diagonal(g, x):
    p = softmax_over_rows(x)
    return g * p * (1 - p)


def gated(x, y):
    s = 1 / (1 + np.exp(-x))
    return s * y


def half_of_the_slope(g, x, y):
    s = 1 / (1 + np.exp(-x))
    return g * y * s, g * s


def stacked(q, k):
    return q @ np.swapaxes(k, -1, -2)


def one_of_a_stack_not_turned(g, q, k):
    return g @ k, g @ q


def scaled_per_channel(x):
    return np.tanh(x) / x.shape[2]


def a_number_that_a_length_could_mend(g, x):
    N, C, H = x.shape  # noqa: RUF059 (N is the one that is not needed)
    return g * (1 - np.tanh(x) ** (C - 2)) / H


def with_the_output(rule):
    def backward(g, a, y):
        return rule(g, a / y, a, y)

    return backward


@pytest.mark.parametrize(
    ("forward", "backward", "arguments", "wanted"),
    [
        (softmax_over_rows, axis_not_kept, 1, "np.sum(g * p, axis=1, keepdims=True)"),
        (quotient, with_the_output(exponent_wrong), 2, "-g * a / y ** 2"),
        (swish, factor_of_a_term_missing, 1, "g * (s * (1 + x * (1 - s)))"),
        (mean_of_rows, reshaped_and_forgotten, 1, "g - m"),
        (softmax_over_rows, only_the_diagonal, 1, "p * (g - (g * p).sum(axis=-1, keepdims=True))"),
        (gated, half_of_the_slope, 2, "g * y * (s * (1 - s))"),
    ],
    ids=["keepdims", "exponent", "factor of a term", "forgotten after a reshape", "diagonal", "half of a slope"],
)
def test_the_likeliest_of_several_changes_is_named(forward, backward, arguments, wanted):
    drawn = np.random.default_rng(2).uniform(0.5, 2, (arguments, 4, 3))
    report = cr.check(forward, *drawn, backward=backward)
    assert [f.detail.get("wanted") for f in report.findings] == [wanted], report


def test_an_output_is_not_called_by_the_name_of_an_argument():
    def hidden(g, a, y):
        return OPAQUE(np.multiply, g)(1 / y), OPAQUE(np.multiply, g)(-a / y**2 * (a / y))

    drawn = np.random.default_rng(2).uniform(0.5, 2, (2, 4, 3))
    (finding,) = cr.check(quotient, *drawn, backward=OPAQUE(hidden)).findings
    assert "the output" in finding.detail["text"], finding.detail


def test_a_pass_that_raises_has_its_line_and_is_not_said_to_return_too_few():
    def raises(g, x, w):
        dx = g @ w.T
        dw = dx.shape.T @ g
        return dx, dw

    report = cr.check(lambda x, w: x @ w, TABLE, np.random.default_rng(0).standard_normal((4, 3)), backward=raises)
    finding = report.findings[0]
    assert finding.source is not None
    assert finding.source.text == "dw = dx.shape.T @ g"
    assert "an exception was raised" in str(report)
    assert "예외가 발생했습니다" in report.to_text("ko")
    assert "number of gradients" not in str(report)


def test_of_a_pass_that_raises_no_later_line_is_blamed():
    def late(g, x):
        s = np.tanh(late_name)  # noqa: F821
        t = 1 - s**2
        return g * t

    finding = cr.check(np.tanh, TABLE, backward=late).findings[0]
    assert finding.detail["wanted"] == "np.tanh(x)"


class Scaled:
    """A layer whose forward pass keeps what its backward pass forgets."""

    def forward(self, x):
        self.slope = 1 - np.tanh(x) ** 2
        return np.tanh(x)

    def backward(self, dout):
        return dout


def test_what_the_forward_pass_keeps_and_nothing_reads_is_what_is_missing():
    finding = cr.check_layer(Scaled(), TABLE).findings[0]
    assert finding.detail["wanted"] == "dout * self.slope"


def test_a_number_that_does_nothing_is_the_wrong_one():
    def backward(g, x, y):
        return g / y, -g * x / y**1

    finding = cr.check(lambda x, y: x / y, TABLE, TABLE**2 + 1, backward=backward).findings[0]
    assert "the exponent is wrong" in finding.detail["text"]


def recurrent(x, w):
    return np.tanh(x @ w)


def power_of_the_whole(g, x, w):
    dz = g * (1 - np.tanh(x @ w)) ** 2
    return dz @ w.T, x.T @ dz


def slope_of_a_sigmoid(g, x, w):
    h = np.tanh(x @ w)
    dz = g * (h * (1 - h))
    return dz @ w.T, x.T @ dz


def gates(x, w):
    a = x @ w
    return np.tanh(a[:, :2]) + a[:, 2:4] ** 2 + np.sin(a[:, 4:])


def gates_out_of_order(g, x, w):
    a = x @ w
    dt, ds, dn = g * (1 - np.tanh(a[:, :2]) ** 2), g * 2 * a[:, 2:4], g * np.cos(a[:, 4:])
    da = np.hstack((ds, dt, dn))
    return da @ w.T, x.T @ da


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forward", "backward", "columns", "what"),
    [
        (
            recurrent,
            power_of_the_whole,
            3,
            "the power is taken of 1 - np.tanh(x @ w) where one of np.tanh(x @ w) alone",
        ),
        (recurrent, slope_of_a_sigmoid, 3, "the slope of a sigmoid is used where that of a tanh is needed"),
        (gates, gates_out_of_order, 6, "ds and dt are in each other's place"),
    ],
)
def test_slips_of_the_pen_are_named(forward, backward, columns, what):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 4)), rng.standard_normal((4, columns))
    report = cr.check(forward, x, w, backward=backward)
    assert what in report.findings[0].detail["text"], report.findings[0].detail
    assert len(report.findings) == 1


def log_of_sums(x):
    return np.log(np.exp(x).sum(axis=1))


def spread_along_rows(g, x):
    p = softmax_over_rows(x)
    return g * p


@pytest.mark.parametrize("rows", [4, 5])
def test_a_missing_new_axis_is_named_where_it_raises_and_where_it_does_not(rows):
    x = np.random.default_rng(0).standard_normal((rows, 4))
    report = cr.check(log_of_sums, x, backward=spread_along_rows)
    detail = report.findings[0].detail
    assert (detail["written"], detail["wanted"]) == ("g * p", "g[:, None] * p")
    assert "g 끝에 새 축이 필요합니다" in report.to_text("ko")


def weights_of_all_rows(g, x):
    e = np.exp(x - x.max())
    p = e / e.sum()
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def weights_by_name(g, x):
    p = cr.softmax(x, axis=None)
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def test_a_softmax_of_rows_that_is_normalised_over_all_axes_is_named():
    x = np.random.default_rng(0).standard_normal((3, 4))
    for backward, wanted in (
        (weights_of_all_rows, "e / e.sum(axis=1, keepdims=True)"),
        (weights_by_name, "cr.softmax(x, axis=1)"),
    ):
        (finding,) = cr.check(cr.softmax, x, backward=backward).findings
        assert (finding.code, finding.detail["wanted"]) == ("axes-swapped", wanted)


def skipped_rule(g, x, skip=1):
    return g * (skip + np.cos(x))


def skipped_with_a_sign(g, x):
    return skipped_rule(g, x, skip=-1)


def test_a_number_whose_sign_goes_is_written_with_one_sign():
    x = np.random.default_rng(0).standard_normal(5)
    detail = cr.check(lambda x: x + np.sin(x), x, backward=skipped_with_a_sign).findings[0].detail
    assert (detail["written"], detail["wanted"]) == ("skipped_rule(g, x, skip=-1)", "skipped_rule(g, x, skip=1)")


def test_each_of_a_stack_of_matrices_is_transposed():
    q, k = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    (finding,) = cr.check(stacked, q, k, backward=one_of_a_stack_not_turned).findings
    assert (finding.argument, finding.code, finding.detail["wanted"]) == ("k", "axes-swapped", "g.swapaxes(-1, -2) @ q")


def test_lengths_beside_one_that_is_needed_are_not_what_was_forgotten():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    (finding,) = cr.check(scaled_per_channel, x, backward=a_number_that_a_length_could_mend).findings
    assert "nowhere used" not in finding.detail["text"], finding.detail

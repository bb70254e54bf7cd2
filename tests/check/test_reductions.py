"""Sums over all axes, windows that do not move, and numbers behind which everything is 0: named by the code change."""

import numpy as np

import chainrule as cr

rng = np.random.default_rng(0)
X = rng.standard_normal((4, 5))
LONG, SHORT = rng.standard_normal(9), rng.standard_normal(3)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def convolution(x, w):
    return np.array([sum(x[i + j] * w[j] for j in range(len(w))) for i in range(len(x) - len(w) + 1)])


def reason(function, arguments, backward):
    report = cr.check(function, *arguments, backward=backward)
    (finding,) = report.findings
    assert report.verdict in ("wrong", "missing")
    korean = report.to_text("ko")
    assert "unexplained" not in korean
    assert " where it must " not in korean
    return finding.argument, finding.code, finding.detail["written"], finding.detail["wanted"]


def test_a_softmax_that_is_normalised_over_all_axes():
    def backward(g, x):
        e = np.exp(x - x.max())
        s = e / e.sum()
        return s * (g - (g * s).sum(axis=1, keepdims=True))

    found = reason(softmax, (X,), backward)
    assert found == ("x", "axes-swapped", "e / e.sum()", "e / e.sum(axis=1, keepdims=True)")


def test_every_reduction_is_over_all_axes():
    def backward(g, x):
        s = np.exp(x) / np.sum(np.exp(x))
        return s * (g - np.sum(g * s))

    argument, code, written, wanted = reason(softmax, (X,), backward)
    assert (argument, code, written) == ("x", "axes-swapped", "np.sum(g * s)")
    assert wanted == "np.sum(g * s, axis=-1, keepdims=True)"


def test_an_index_that_moves_with_one_loop_of_two():
    def of_filter(g, x, w):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(len(g)):
            for j in range(len(w)):
                dx[i + j] += g[i] * w[j]
                dw[j] += g[i] * x[i]
        return dx, dw

    def of_input(g, x, w):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(len(g)):
            for j in range(len(w)):
                dx[i] += g[i] * w[j]
                dw[j] += g[i] * x[i + j]
        return dx, dw

    found = reason(convolution, (LONG, SHORT), of_filter)
    assert found == ("w", "shifted", "g[i] * x[i]", "g[i] * x[i + j]")
    assert reason(convolution, (LONG, SHORT), of_input) == ("x", "shifted", "dx[i]", "dx[i + j]")


def test_a_window_that_stays_where_it_starts():
    def backward(g, x, w):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(len(g)):
            dx[i : i + len(w)] += g[i] * w
            dw += g[i] * x[: len(w)]
        return dx, dw

    found = reason(convolution, (LONG, SHORT), backward)
    assert found == ("w", "shifted", "g[i] * x[:len(w)]", "g[i] * x[i:i + len(w)]")


def simplex(x):
    """Project each row on the simplex."""
    falling = -np.sort(-x, axis=1)
    total, k = np.cumsum(falling, axis=1), np.arange(1, x.shape[1] + 1)
    count = np.sum(1 + k * falling > total, axis=1, keepdims=True)
    return np.maximum(x - (np.take_along_axis(total, count - 1, axis=1) - 1) / count, 0)


def test_a_mask_that_is_missing_is_no_sign():
    def backward(g, x):
        inside = (simplex(x) > 0).astype(float)
        mean = (g * inside).sum(axis=1, keepdims=True) / inside.sum(axis=1, keepdims=True)
        found = g - mean
        return found  # noqa: RET504

    (finding,) = cr.check(simplex, X, backward=backward).findings
    assert finding.detail["what"].startswith("the factor inside")
    assert finding.code != "sign"


class Elu:
    def forward(self, x):
        self.alpha, self.x = 0.3, x
        return np.where(x > 0, x, self.alpha * (np.exp(x) - 1))

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, np.exp(self.x))


def test_a_kept_value_that_one_branch_lacks():
    (finding,) = cr.check_layer(Elu(), X).findings
    assert finding.detail["what"] == "the factor self.alpha is missing, which is nowhere used"
    assert "np.exp(self.x) * self.alpha" in finding.detail["wanted"]


def test_a_number_behind_which_everything_is_zero():
    def backward(g, x):
        return g * np.piecewise(x, [x < 0, x == 0, x > 0], [-1, 0, 0])

    argument, code, _, wanted = reason(np.abs, (np.abs(SHORT) + 0.1,), backward)
    assert (argument, code) == ("x", "factor")
    assert wanted.endswith("[-1, 0, 1])")

"""Networks as people write them: each is explained and proved with every equation verified, and drawn."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.present.unicode_math import to_unicode


def rng():
    return np.random.default_rng(0)


def gaussian_process():
    X, y = np.linspace(0, 1, 5)[:, None], rng().standard_normal(5)

    def likelihood(theta):
        ell, sf, sn = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[2])
        d2 = ((X[:, None, :] - X[None, :, :]) ** 2).sum(-1)
        K = sf**2 * np.exp(-0.5 * d2 / ell**2) + sn**2 * np.eye(5)
        L = np.linalg.cholesky(K)
        alpha = np.linalg.solve(K, y)
        return 0.5 * y @ alpha + np.log(np.diag(L)).sum() + 2.5 * np.log(2 * np.pi)

    return likelihood, np.array([-1.0, 0.1, -1.5])


def kalman_filter():
    F, H, seen = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[1.0, 0.0]]), rng().standard_normal(2)

    def likelihood(log_q, log_r):
        Q, R = np.exp(log_q) * np.eye(2), np.exp(log_r) * np.eye(1)
        m, P, total = np.zeros(2), np.eye(2), 0.0
        for z in seen:
            m, P = F @ m, F @ P @ F.T + Q
            v, S = z - H @ m, H @ P @ H.T + R
            K = P @ H.T @ np.linalg.inv(S)
            m, P = m + K @ v, P - K @ H @ P
            total = total + 0.5 * (np.log(np.linalg.det(S)) + v @ np.linalg.solve(S, v))
        return total

    return likelihood, -1.0, -0.5


def ode_step():
    def field(y, th):
        return np.stack([th[0] * y[0] - th[1] * y[0] * y[1], -th[2] * y[1] + th[3] * y[0] * y[1]])

    def loss(theta):
        y, h = np.array([1.0, 0.5]), 0.1
        k1 = field(y, theta)
        k2 = field(y + h / 2 * k1, theta)
        return ((y + h * k2 - np.array([1.2, 0.4])) ** 2).sum()

    return loss, np.array([1.1, 0.4, 0.4, 0.1])


def batch_norm_by_hand():
    r = rng()
    X, Y, n = r.standard_normal((6, 5)), r.integers(0, 4, 6), 6
    weights = [r.standard_normal(s) * 0.3 for s in ((5, 8), (8,), (8, 4), (4,))]

    def loss(W1, b1, W2, b2, bngain, bnbias):
        hprebn = X @ W1 + b1
        bndiff = hprebn - 1 / n * hprebn.sum(0, keepdims=True)
        bnvar = 1 / (n - 1) * (bndiff**2).sum(0, keepdims=True)
        bnraw = bndiff * (bnvar + 1e-5) ** -0.5
        logits = np.tanh(bngain * bnraw + bnbias) @ W2 + b2
        counts = np.exp(logits - logits.max(1, keepdims=True))
        probs = counts * counts.sum(1, keepdims=True) ** -1
        return -np.log(probs)[range(n), Y].mean()

    return loss, *weights, np.ones((1, 8)), np.zeros((1, 8))


def scalars_by_hand():
    values = [cr.tensor(0.1 * k - 0.3, requires_grad=True) for k in range(4)]
    x = [2.0, 3.0, -1.0]

    def loss():
        activation = np.tanh(sum((w * v for w, v in zip(values[1:], x, strict=True)), values[0]))
        return (activation - 1.0) ** 2

    return (loss,)


def gated_unit():
    r = rng()
    shapes = {"Wz": (3, 4), "Uz": (4, 4), "Wh": (3, 4), "Uh": (4, 4), "Wo": (4, 2)}
    params = {name: r.standard_normal(shape) * 0.4 for name, shape in shapes.items()}
    xs, y = r.standard_normal((2, 2, 3)), np.array([0, 1])

    def loss(p):
        h = np.zeros((2, 4))
        for x in xs:
            z = 1 / (1 + np.exp(-(x @ p["Wz"] + h @ p["Uz"])))
            h = (1 - z) * h + z * np.tanh(x @ p["Wh"] + h @ p["Uh"])
        return nn.functional.cross_entropy(h @ p["Wo"], y)

    return loss, params


WALKS = (gaussian_process, kalman_filter, ode_step, batch_norm_by_hand, scalars_by_hand, gated_unit)


@pytest.mark.slow
@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_every_equation_and_every_line_of_a_proof_is_verified(walk):
    derivation = cr.explain(*walk(), level="proof")
    assert [(step.formula, step.error, step.reason) for step in derivation.unverified] == []
    assert derivation.ok
    proved = [line for step in derivation.backward for line in step.lines]
    assert len(proved) > len(derivation.backward) / 2


@pytest.mark.slow
@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_it_is_written_in_both_languages_and_drawn(walk):
    function, *args = walk()
    for lang in ("en", "ko"):
        derivation = cr.explain(function, *args, level="proof", lang=lang)
        for text in (derivation.to_text(), derivation.to_markdown(), derivation.to_latex(), derivation.to_html()):
            assert len(text) > 1000
    assert "<svg" in cr.graph(function, *args).to_html()


def formulas(f, *args):
    return [to_unicode(step.formula) for step in cr.explain(f, *args).steps]


def test_products_with_vectors_have_no_axes_of_length_one():
    r = rng()
    A, v = r.standard_normal((3, 4)), r.standard_normal(4)
    assert formulas(lambda A, v: ((A @ v) ** 2).sum(), A, v) == [
        "L = Σ (A v)²",
        "∂L/∂Aᵢⱼ = (2 A v)ᵢ vⱼ",
        "∂L/∂v = Aᵀ 2 A v",
    ]
    assert formulas(lambda v, w: (v @ w) ** 2, v, v[::-1].copy())[0] == "z = Σᵢ vᵢ wᵢ"
    assert "z = w A" in formulas(lambda w, A: w @ A @ w, v, np.eye(4) + 0.1)


def test_constants_and_powers_are_written_as_a_reader_writes_them():
    x = np.array([0.5, 1.5])
    assert formulas(lambda x: (x**-1).sum(), x)[-1] == "∂L/∂x = -x⁻²"
    assert formulas(lambda x: -x.mean() / 3, np.ones(4))[0].startswith("L = ")
    assert any("1/6 ·" in f for f in formulas(lambda x: np.exp(1 / 6 * x).sum(), x))
    assert any("10⁻⁵" in f and "1 · 10" not in f for f in formulas(lambda x: np.sqrt(x + 1e-5).sum(), x))


# What their derivations say


def test_the_gradient_of_repeated_elements_is_a_sum():
    x = rng().standard_normal((2, 3))

    def repeated(x):
        y = np.repeat(x, 2, axis=1)
        return (y**2).sum()

    assert "∂L/∂x[:, m] = Σ[i: tᵢ = m] ∂L/∂y[:, i]" in formulas(repeated, x)
    assert "∂L/∂x[:, t] = ∂L/∂s (0 elsewhere)" in formulas(lambda x: (x[:, np.array([2, 0])] ** 3).sum(), x)
    picked = formulas(lambda x: (x[np.array([0, 0]), np.array([1, 1])] ** 3).sum(), x)
    assert picked[-1].startswith("∂L/∂x = add(0, [")


def test_the_last_alternative_is_otherwise_without_an_if():
    (text,) = [t for t in formulas(lambda x: nn.functional.leaky_relu(x, 0.2).sum(), np.array([1.0, -2.0])) if "{" in t]
    assert "otherwise" in text
    assert "if otherwise" not in text


def test_a_sum_begins_without_zero_and_equal_terms_are_counted():
    parts = rng().standard_normal((2, 3))
    added = formulas(lambda x: (np.tanh(sum(x[k] for k in range(2)))).sum(), parts)
    assert not any("0 +" in text for text in added)
    assert formulas(lambda x: (np.tanh(x * x)).sum(), parts)[-1] == "∂L/∂x = 2 ∂L/∂u⁽¹⁾ ⊙ x"
    assert "u = log(1 + e^x)" in formulas(lambda x: np.logaddexp(0, x).sum(), parts)


def test_an_axis_has_one_name():
    def loss(x):
        p = np.exp(x - x.max(axis=-1, keepdims=True))
        return ((p / p.sum(axis=(-1, 0), keepdims=True)) ** 2).sum()

    text = " ".join(formulas(loss, rng().standard_normal((2, 3))))
    assert "axis -1" not in text
    assert "max[axis 1]" in text
    assert "Σ[axes 0, 1]" in text


def test_words_in_formulas_are_in_the_language_of_the_text():
    def loss(a, b):
        y = np.concatenate([a, b], axis=1)
        return (y.max(axis=1) * np.where(y[:, 0] > 0, 1.0, 0.5) + nn.functional.leaky_relu(y[:, 0], 0.1)).sum()

    text = str(cr.explain(loss, np.eye(2), 2 * np.eye(2), lang="ko"))
    for word in ("axis", "part", "otherwise"):
        assert word not in text.replace("axis=1", "")
    for word in ("축 1", "1번째 부분", "그 외"):
        assert word in text


def test_a_whole_fraction_has_one_pair_of_brackets():
    assert to_unicode(r"L = \frac{\left(\sum \left(u^{(3)}\right)^{2}\right)}{2}") == "L = (Σ (u⁽³⁾)²)/2"
    assert to_unicode(r"\frac{(a) + (b)}{2}") == "((a) + (b))/2"


@pytest.mark.parametrize("level", ["full", "proof"])
def test_a_bound_that_is_left_out_is_not_written(level):
    x, tail = np.array([-1.0, 0.3, 2.0]), lambda y: (y * np.arange(1.0, 4.0)).sum()
    for low, high, shown in (
        (0.1, None, "max(x, 0.1)"),
        (None, 0.4, "min(x, 0.4)"),
        (0.1, 0.4, "min(max(x, 0.1), 0.4)"),
    ):
        derivation = cr.explain(lambda x, low=low, high=high: tail(np.clip(x, low, high)), x, level=level)
        assert derivation.ok, (low, high)
        assert shown in derivation.to_text()
    bound = np.array([0.0, 1.0, 1.0])
    for low, high in ((bound, None), (None, bound)):
        given = tuple(b for b in (low, high) if b is not None)
        moved = cr.explain(
            lambda x, b, is_low=high is None: tail(np.clip(x, *((b, None) if is_low else (None, b)))), x, *given
        )
        assert moved.ok, (low, high)


def test_what_belongs_to_some_elements_is_not_added_to_all():
    A = np.arange(1.0, 10.0).reshape(3, 3)

    def loss(A):
        u = A / 2
        return (np.diag(u) ** 2).sum() + np.exp(u[0]).sum() - (u * A).sum()

    derivation = cr.explain(loss, A)
    assert derivation.ok
    shown = to_unicode(derivation[r"\frac{\partial L}{\partial u}"].formula)
    assert shown.count("|") == 3, shown
    lines = " ".join(to_unicode(line.latex) for line in derivation[r"\frac{\partial L}{\partial u}"].lines)
    assert "[…, i, tᵢ] = " in lines
    assert "[0] = " in lines


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_a_product_with_an_array_of_one_number_is_no_product_with_the_number(shape):
    v, w = rng().standard_normal((4, 3)), rng().standard_normal(shape)
    for loss in (
        lambda w: (-(v @ w) - 1.0).mean(),
        lambda w: (1 - v @ w + (w**2).sum()).sum(),
        lambda w: (2 * (v @ w)).sum(),
    ):
        derivation = cr.explain(loss, w)
        assert derivation.ok, [step.formula for step in derivation.unverified]
    turned = cr.explain(lambda w: -(w.T @ v.T).mean(), w)
    assert turned.ok


def test_what_is_broadcast_into_a_sum_gets_the_sum_of_one_number():
    z = np.arange(4.0)

    def loss(u, v, a):
        return (1 - z + u).sum() + (a * (z[:, None] + v)).sum()

    derivation = cr.explain(loss, 0.5, np.ones(3), 2.0)
    assert derivation.ok, [step.formula for step in derivation.unverified]
    assert float(derivation["u"].value) == 4.0
    assert to_unicode(derivation["u"].formula).endswith("= Σ 1")


def test_the_sign_of_a_determinant_has_no_gradient():
    A = rng().standard_normal((4, 3))
    for loss in (
        lambda A: np.linalg.slogdet(A.T @ A)[1],
        lambda A: 2 * np.linalg.slogdet(A.T @ A)[1] + np.trace(A.T @ A),
    ):
        derivation = cr.explain(loss, A)
        assert derivation.ok
        assert "imag" not in derivation.to_text()


@pytest.mark.slow
def test_the_square_of_each_element_is_no_square_of_a_matrix():
    X, Y, known = rng().standard_normal((4, 3)), rng().standard_normal((4, 3)), rng().integers(0, 2, (4, 3))

    def factors(U, V):
        return (known * (U @ V.T - Y) ** 2).sum() + 0.1 * ((U**2).sum() + (V**2).sum())

    def pairs(w, V):
        return ((X @ w + 0.5 * ((X @ V) ** 2 - (X**2) @ (V**2)).sum(1) - 1) ** 2).mean()

    for loss, args in (
        (factors, (X[:, :2], Y[:3, :2])),
        (pairs, (X[0], Y[:3, :2])),
        (lambda V: ((2 - X @ V) ** 3).sum(), (Y[:3],)),
    ):
        derivation = cr.explain(loss, *args)
        assert derivation.ok, [step.formula for step in derivation.unverified]


def test_scaled_factors_of_a_product_of_stacks_have_symbols():
    q, k = rng().standard_normal((2, 2, 3, 2)), rng().standard_normal((2, 2, 3, 2))
    derivation = cr.explain(lambda q, k: ((q * 0.6) @ (np.swapaxes(k, -1, -2) * 0.6)).sum() ** 2, q, k)
    assert derivation.ok, [step.formula for step in derivation.unverified]


def test_arithmetic_inside_a_product_stays_a_matrix_or_a_vector():
    X, Y, v, w = rng().standard_normal((4, 3)), rng().standard_normal((3, 2)), np.arange(1.0, 4.0), np.arange(4.0)
    for loss in (
        lambda s, t: ((s * X + t) @ v).mean(),
        lambda s, t: ((w @ (s * X + t)) ** 2).sum(),
        lambda s, t: ((X / s - t) @ (t * v)).sum(),
        lambda s, t: ((s * X + t) @ (s * Y - t)).mean(),
        lambda s, t: (-(s * X) @ v + t).sum() ** 2,
        lambda s, t: ((s * X / (s * X + t).sum(axis=1, keepdims=True)) @ v).sum(),
    ):
        derivation = cr.explain(loss, 1.2, 0.4)
        assert derivation.ok, [(step.formula, step.reason) for step in derivation.unverified]
    derivation = cr.explain(lambda s, t: ((w @ (s * X + t)) ** 2).sum(), 1.2, 0.4)
    assert to_unicode(derivation["t"].formula) == "∂L/∂t = Σ (wᵀ 2 w (s · X + t))"


def test_a_proof_says_along_which_axis_its_rows_run():
    x = rng().standard_normal((4, 3))
    for axis, said in ((0, "axis 0"), (-1, ""), (None, "axis 0, 1")):
        proof = cr.explain(lambda x, a=axis: (cr.special.logsumexp(x, axis=a) ** 2).sum(), x, level="proof")
        assert proof.ok
        titles = [line.title for line in proof["x"].lines]
        assert ("along " in titles[0]) == bool(said)
        assert said in titles[0]
        assert not any("along" in title for title in titles[1:])
    korean = cr.explain(lambda x: (cr.softmax(x, axis=0) ** 2).sum(), x, level="proof", lang="ko")
    assert any("축 0 방향" in line.title for line in korean["x"].lines)

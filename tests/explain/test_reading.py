"""Derivations as a reader reads them: names as in the program, one meaning for a letter, signs of products, indices."""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.present.unicode_math import to_unicode


def rng():
    return np.random.default_rng(0)


def formulas(f, *args, **settings):
    derivation = cr.explain(f, *args, **settings)
    assert derivation.ok
    return [to_unicode(step.formula) for step in derivation.steps]


# Names


def test_statements_on_one_line_give_their_own_names():
    def gated(x, w):
        p = np.tanh(w * x); q = np.exp(p) / 2; out = q * p  # fmt: skip  # noqa: E702
        for k in range(2): out = np.sin(out) + k  # fmt: skip  # noqa: E701
        return out.sum()

    found = formulas(gated, np.array([0.5, -1.0]), np.array([2.0, 3.0]))
    assert "p = tanh(u⁽¹⁾)" in found
    assert "out⁽¹⁾ = q ⊙ p" in found
    assert any(text.startswith("out⁽³⁾ = ") for text in found)


def test_what_is_assigned_to_gives_the_name():
    class Cell:
        def __init__(self):
            self.seen = {}

        def __call__(self, x, w):
            self.score = np.sin(w * x)
            self.seen["gate"] = np.exp(self.score)
            out = np.zeros_like(x)
            for k in range(2):
                out[k] = x[k] * self.seen["gate"][k]
            out *= 2
            return np.log(out).sum()

    found = formulas(Cell(), np.array([0.5, 1.0]), 0.3)
    assert any(text.startswith("score = sin(") for text in found)
    assert "gate = e^score" in [text.replace("(", "").replace(")", "") for text in found]
    assert "out⁽³⁾ = out⁽²⁾ · 2" in found


def test_values_assigned_side_by_side_have_their_own_names():
    def swing(k):
        q, v = 1.0, 0.1
        for _ in range(2):
            q, v = q + 0.1 * v, v - k * np.sin(q)
        return q**2

    assert formulas(swing, 2.0)[:3] == ["v = 0.1 - k · 0.8415", "q = 1.01 + 0.1 · v", "L = q²"]


def test_a_line_that_runs_again_makes_another_value():
    class Gate:
        def __init__(self, a):
            self.a = a

        def step(self, h, x):
            return self.a * h + x

    gate, xs = Gate(np.array([0.5, 0.2])), rng().standard_normal((3, 2))

    def run(h0):
        h = h0
        for x in xs:
            h = gate.step(h, x)
        return (h**2).sum()

    found = formulas(run, np.ones(2))
    assert [text.split(" = ")[0] for text in found[:3]] == ["z⁽¹⁾", "z⁽²⁾", "z⁽³⁾"]
    assert all(text.count("a") == 1 for text in found[:3])


def test_a_name_of_one_value_has_no_number():
    x = rng().standard_normal((4, 3))

    def mixture(G, w):
        g = np.exp(x @ G)
        yhat = sum(g[:, i] * (x @ w[i]) for i in range(3))
        return (yhat**2).mean()

    assert any(text.startswith("ŷ = ") for text in formulas(mixture, rng().standard_normal((3, 3)), np.ones((3, 3))))


def test_a_word_with_an_underscore_is_one_word():
    def loss(s):
        log_scale = np.tanh(s)
        return 1.0 - log_scale * np.exp(log_scale)

    derivation = cr.explain(loss, 0.5)
    assert any("∂L/∂log_scale" in to_unicode(step.formula) for step in derivation.steps)
    assert r"\mathrm{log\_scale}" in derivation.to_latex()
    assert "log scale" not in derivation.to_html()


def test_arrays_that_the_code_makes_have_its_names():
    class Sampled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.noise = nn.Linear(2, 2), np.ones((3, 2)) / 3

        def forward(self, x):
            mask = np.tril(np.ones((3, 2)))
            return (np.where(mask, self.layer(x), -1.0) + self.noise * x).sum()

    cr.seed(0)
    symbols = [row.symbol for row in cr.explain(Sampled(), rng().standard_normal((3, 2))).symbols]
    assert r"\mathrm{mask}" in symbols
    assert r"\mathrm{noise}" in symbols


def test_a_loop_starts_from_the_value_before_the_first():
    def rnn(W, U, xs):
        h = np.zeros(2)
        for x in xs:
            h = np.tanh(W @ x + U @ h)
        return (h**2).sum()

    found = formulas(rnn, *(rng().standard_normal(s) for s in ((2, 3), (2, 2), (2, 3))), argnums=(0, 1))
    assert any("U h⁽⁰⁾" in text for text in found)
    assert any("U h⁽¹⁾" in text for text in found)


def test_no_value_without_a_name_has_a_letter_of_the_program():
    def f(h, s, u):
        return np.log(np.exp(h)[0] + np.exp(s).sum() * u)

    derivation = cr.explain(f, np.array([1.0, 2.0]), np.array([0.5, 0.1]), 2.0)
    own = {"h", "s", "u"}
    assert not {step.symbol[0] for step in derivation.forward} & own
    e = lambda x: _named_e(x)  # noqa: E731
    assert any(r"\tilde e" in step.symbol for step in cr.explain(e, np.array([0.5, 1.0])).forward)


def _named_e(x):
    e = np.exp(x)
    return (e / e.sum())[0]


# Signs and indices


def test_two_arrays_are_multiplied_with_a_circle_and_a_number_with_a_dot():
    a, b = rng().uniform(0.5, 1.5, (2, 3))
    soft = formulas(lambda a: np.sin(np.logaddexp(a, 0)).sum(), a)
    assert any(text.endswith(" = ∂L/∂u⁽¹⁾ ⊙ e^(a - u⁽¹⁾)") for text in soft)
    clipped = formulas(lambda a: (np.clip(a, 0.0, 1.0) * b).sum(), a)
    assert any("⊙ [0 ≤ a ≤ 1]" in text for text in clipped)
    scaled = formulas(lambda c: np.sin(c * b).sum(), 0.5)
    assert any("c · " in text for text in scaled)
    assert any(text.startswith("∂L/∂c = Σ ") and "⊙" in text for text in scaled)


def test_a_gradient_behind_a_sum_over_an_axis_says_where_the_axis_goes():
    x = rng().standard_normal((3, 2))
    assert "∂L/∂x = ∂L/∂u⁽¹⁾[:, new]" in formulas(lambda x: np.sin(x.sum(axis=1)).sum(), x)
    assert "∂L/∂x = ∂L/∂u⁽¹⁾" in formulas(lambda x: np.sin(x.sum(axis=0)).sum(), x)  # as NumPy broadcasts
    assert "∂L/∂x = ∂L/∂u⁽¹⁾" in formulas(lambda x: np.sin(x.sum(axis=1, keepdims=True)).sum(), x)


def test_a_gradient_of_some_elements_says_that_the_others_have_none():
    x = rng().standard_normal((3, 1))
    rows = np.arange(3)
    picked = formulas(lambda x: np.sin(x[rows, np.array([0, 1, 1])]).sum(), rng().standard_normal((3, 2)))
    assert "∂L/∂x[i, tᵢ] = ∂L/∂s (0 elsewhere)" in picked
    assert "∂L/∂x[:, 0] = ∂L/∂s" in formulas(lambda x: np.sin(x[:, 0]).sum(), x)  # these are all
    text = cr.explain(lambda x: np.sin(x[0]).sum(), x, lang="ko").to_text()
    assert "나머지는 0" in text
    assert "elsewhere" not in text


def test_a_factor_of_one_is_left_out():
    x = rng().standard_normal((2, 2))
    for f in (nn.functional.elu, nn.functional.softplus):
        for level in ("full", "proof"):
            derivation = cr.explain(lambda x, f=f: f(x).sum(), x, level=level)
            assert derivation.ok
            for step in derivation.steps:
                for latex in (step.formula, *(line.latex for line in step.lines)):
                    text = to_unicode(latex)
                    assert "1/1" not in text, text
                    assert "1 e^" not in text, text


def test_an_array_as_an_index_of_a_product_is_no_corner():
    def taken(W, w, x):
        return ((x @ W) @ w)[np.array([0, 1]), np.array([0, 0])].sum()

    shapes = ((3, 2), (2, 1), (2, 3))
    assert formulas(taken, *(rng().standard_normal(s) for s in shapes))


def test_every_formula_of_parts_can_be_set():
    def mixture(o):
        a, b = np.split(o, 2, axis=1)
        return (cr.softmax(a, axis=1) * b).sum()

    derivation = cr.explain(mixture, rng().standard_normal((2, 4)), level="proof")
    assert derivation.ok
    assert "<math" in derivation.to_html() or "<code>" in derivation.to_html()


def test_a_brief_derivation_defines_every_letter_and_says_nothing_twice():
    text = cr.explain(lambda x, w: x.var() * w + 2 * w, np.array([0.5, 1.0, 3.0]), 2.0, level="brief").to_text()
    assert "(x - μ)²" in text
    assert "μ = 1/3 Σ x" in text
    assert "1 = 1" not in text
    assert "∂L/∂x = 2/3 (x - μ) · ∂L/∂u" in text  # a number, not an array


def test_the_parts_of_a_gradient_that_come_through_one_value_are_told_apart():
    def newton(a):
        x = a
        for _ in range(3):
            x -= (x * x - a) / (2 * x)
        return x

    derivation = cr.explain(newton, 2.0, level="proof")
    assert derivation.ok
    step = derivation["a"]
    parts = to_unicode(step.formula).split(" = ")[1].split(" + ")
    assert len(parts) == len(set(parts)) == 7
    defined = [to_unicode(line.latex).split(" = ")[0] for line in step.lines]
    assert set(parts) <= set(defined)

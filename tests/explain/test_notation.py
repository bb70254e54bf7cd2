"""One notation: each symbol of each derivation is read, and stands for one thing, as docs/explain.md says."""

import functools
import re

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.explain.derive.indices import indices_of
from chainrule.present.unicode_math import to_unicode

RNG = np.random.default_rng(0)
CLASSES = np.array([0, 2])


def dense():
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def images():
    layers = (nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 3))
    return nn.Sequential(*layers)


def rectified(X, W, y):
    Z = X @ W
    H = np.maximum(Z, 0)
    return ((H - y) ** 2).mean()


class Bag(nn.Module):
    """A network whose variables have the letters of indices, and that looks words up."""

    def __init__(self):
        super().__init__()
        self.table, self.norm, self.fc = nn.Embedding(6, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)

    def forward(self, words):
        m = self.table(words).mean(axis=1)
        n = self.norm(m)
        k = np.tanh(n)
        return self.fc(k)


def steps_in_time(Wx, Wh, b, v):
    xs, h, total = np.linspace(-1.0, 1.0, 6).reshape(3, 2), np.zeros(2), 0.0
    for x in xs:
        h = np.tanh(x @ Wx + h @ Wh + b)
        o = h @ v
        total = total + (o - 0.5) ** 2
    return total


def explained_bag(**settings):
    return cr.explain(Bag(), np.array([[0, 2], [5, 1]]), loss=nn.CrossEntropyLoss(), target=CLASSES, **settings)


def explained_steps(**settings):
    arrays = [RNG.standard_normal(shape) for shape in ((2, 2), (2, 2), (2,), (2,))]
    return cr.explain(steps_in_time, *arrays, **settings)


CASES = {
    "proof of words": lambda: explained_bag(level="proof"),
    "proof of steps in time": lambda: explained_steps(level="proof"),
    "dense": lambda: cr.explain(dense(), RNG.standard_normal((2, 4)), loss=nn.CrossEntropyLoss(), target=CLASSES),
    "one sample": lambda: cr.explain(
        dense(), RNG.standard_normal((1, 4)), loss=nn.CrossEntropyLoss(), target=CLASSES[:1]
    ),
    "proof": lambda: cr.explain(
        dense(), RNG.standard_normal((2, 4)), loss=nn.CrossEntropyLoss(), target=CLASSES, level="proof"
    ),
    "proof of images": lambda: cr.explain(
        images(), RNG.standard_normal((2, 1, 4, 4)), loss=nn.CrossEntropyLoss(), target=CLASSES, level="proof"
    ),
    "proof of a block": lambda: cr.explain(
        nn.TransformerBlock(4, 2), RNG.standard_normal((1, 3, 4)), loss=lambda y: (y * y).mean(), level="proof"
    ),
    "squared": lambda: cr.explain(
        dense(), RNG.standard_normal((2, 4)), loss=nn.MSELoss(), target=RNG.standard_normal((2, 3))
    ),
    "images": lambda: cr.explain(
        images(), RNG.standard_normal((2, 1, 4, 4)), loss=nn.CrossEntropyLoss(), target=CLASSES
    ),
    "function": lambda: cr.explain(
        rectified, RNG.standard_normal((3, 2)), RNG.standard_normal((2, 4)), RNG.standard_normal((3, 4)), argnums=1
    ),
}


@functools.cache
def derived(name):
    """Derive a case once for all tests: they read, and change nothing."""
    cr.seed(0)
    return CASES[name]()


def equations(derivation):
    for step in derivation.steps:
        yield step.formula
        yield from (line.latex for line in step.lines)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("proof of ")) for name in CASES]
)
def test_every_symbol_stands_for_one_thing(name):
    derivation = derived(name)
    assert derivation.ok
    symbols = [row.symbol for row in derivation.symbols]
    assert len(symbols) == len(set(symbols))
    symbols += [step.symbol for step in derivation.forward]
    bases = {found[0] for s in symbols if (found := re.match(r"\\?[A-Za-z]+", s))}
    for latex in equations(derivation):
        assert not re.search(r"\\delta_\{?[a-z]{2}\b", latex), "Kronecker's delta is a bracket"
        assert not indices_of(latex) & bases, latex
        for mask in re.findall(r"\[([^\]]*) > 0\]", latex):
            assert mask.startswith(("z", "Z")), latex


@walked("name", CASES)
def test_nothing_is_multiplied_or_divided_by_one(name):
    derivation = derived(name)
    for step in derivation.steps:
        for text in (to_unicode(step.formula), to_unicode(step.numbers or "")):
            assert not re.search(r"1/1(?!\d)|\)/1(?!\d)|⊙ 2 ", text), text
        if step.numbers is not None:
            assert step.numbers != step.formula.rpartition(" = ")[2]


def test_the_gradient_of_a_filter_s_bias_is_summed_over_samples_and_places():
    derivation = derived("images")
    assert to_unicode(derivation["0.bias"].formula) == "∂L/∂b⁽¹⁾ₒ = Σₙᵢ δ⁽¹⁾ₙₒᵢ"


def test_rectifying_reads_the_same_however_it_is_written():
    formula = to_unicode(derived("function")["\\frac{\\partial L}{\\partial Z}"].formula)
    assert formula.endswith("∂L/∂H ⊙ [Z > 0]")


SIGNED = {
    "a product": lambda x: ((-3 * x) * -2).sum(),
    "a sum": lambda x: ((x + -1) - (x - -2) * -0.5).sum(),
    "a quotient": lambda x: ((-x) / -4.0 + (x - 2) / -3).sum(),
    "powers of ten": lambda x: (x * -1e10 - -2.5e-7 * x).sum(),
    "the imaginary unit": lambda x: ((-1j * x) * (-2j * x)).real.sum(),
    "a negative power": lambda x: (x**-2 * -1.5).sum() ** -1,
}


def test_a_negative_number_after_an_operator_is_in_brackets():
    for name, f in SIGNED.items():
        d = cr.explain(f, np.array([0.5, 2.0]))
        assert d.ok, name
        for step in d.steps:
            for text in (to_unicode(step.formula), to_unicode(step.numbers or "")):
                assert not re.search(r"[·⊙/+−-]\s*-[\d.i]", text), (name, text)


def test_equal_parts_of_a_gradient_are_added_as_numbers():
    d = cr.explain(lambda x: (x + x).sum() + np.sin(x).sum(), np.array([0.5, 2.0]))
    assert d.ok
    assert to_unicode(d["x"].formula) == "∂L/∂x = ∂L/∂u ⊙ cos(x) + 2"
    assert not any(re.search(r"\d \d", to_unicode(step.formula)) for step in d.steps)


def test_values_have_the_names_that_a_textbook_gives_them():
    made = {to_unicode(step.formula).partition(" = ")[0]: step.formula for step in explained_steps().steps}
    assert {"z⁽¹⁾", "h⁽¹⁾", "z⁽³⁾", "h⁽³⁾", "δ⁽³⁾"} <= made.keys()
    assert to_unicode(made["h⁽²⁾"]) == "h⁽²⁾ = tanh(z⁽²⁾)"
    assert "h⁽¹⁾ W⁽ʰ⁾ + b" in to_unicode(made["z⁽²⁾"])
    roles = {row.name: row.role for row in explained_steps().symbols}
    assert roles["Wx"] == roles["b"] == "variable"  # nothing says which of the arguments are the network's
    roles = {row.name: row.role for row in explained_steps(argnums=(0, 1)).symbols}
    assert (roles["Wx"], roles["b"]) == ("parameter", "input")


def test_results_that_a_program_unpacks_have_its_names():
    def gates(W):
        h, c = np.zeros((1, 2)), np.ones((1, 2))
        for _ in range(2):
            u = h @ W + 1.0
            i, f, g = np.split(u, 3, axis=1)
            c = cr.sigmoid(f) * c + cr.sigmoid(i) * np.tanh(g)
            h = np.tanh(c)
        return h.sum()

    found = cr.explain(gates, np.linspace(-1.0, 1.0, 12).reshape(2, 6))
    assert found.ok
    made = {to_unicode(step.formula).partition(" = ")[0] for step in found.forward}
    assert {"f⁽¹⁾", "g⁽¹⁾", "f⁽²⁾", "c⁽²⁾", "h⁽²⁾"} <= made
    assert made & {"i⁽¹⁾", "ĩ⁽¹⁾"}


def test_the_target_and_what_is_looked_up_are_in_the_table_of_symbols():
    rows = {(to_unicode(row.symbol), row.name, row.role) for row in explained_bag().symbols}
    assert ("t", "words", "indices") in rows
    squared = cr.explain(dense(), np.ones((2, 4)), loss=nn.MSELoss(), target=np.zeros((2, 3)))
    assert ("y", "target") in {(row.symbol, row.role) for row in squared.symbols}


def test_an_index_array_and_the_rows_of_the_classes_have_two_symbols():
    texts = [to_unicode(latex) for latex in equations(explained_bag())]
    assert any("[t]" in text for text in texts)
    assert any(text.startswith("t⁽²⁾ᵢⱼ = [j = yᵢ]") for text in texts)


def test_no_brackets_that_hold_nothing_together():
    def loss(w, v, b):
        z = w * 1.5 + v * -2 + b
        return -((1 - z) ** 2).mean() + 0.01 * (w**2).sum() + ((0.5 * z + 1) * v).sum()

    for args in ((0.4, -0.3, 0.2), tuple(np.array([x, 2 * x]) for x in (0.4, -0.3, 0.2))):
        derivation = cr.explain(loss, *args)
        assert derivation.ok
        for step in derivation.steps:
            text = to_unicode(step.formula)
            assert not re.search(r"(?:= |\+ )\([^()]*\)(?: [+-]|$)", text), text
            assert not re.search(r"[\d.]+ ⊙ [a-zA-Z∂]", text), text


def test_two_kinds_of_products_are_held_apart_by_brackets():
    """X (a ⊙ b) is not (X a) ⊙ b, and a line without brackets does not say which it is."""
    X, M = RNG.standard_normal((4, 2)), RNG.standard_normal((4, 3))

    def loss(W, V):
        y = (X @ W) * M
        return ((np.tanh(y) * (X @ V)) ** 2).sum()

    derivation = cr.explain(loss, RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3)))
    assert derivation.ok
    texts = [to_unicode(step.formula) for step in derivation.steps]
    assert "y = (X W) ⊙ M" in texts
    assert "∂L/∂W = Xᵀ (∂L/∂y ⊙ M)" in texts
    for text in texts:
        assert not re.search(r"(?:^|= )[A-Z]\S* [^(= ]+ ⊙", text), text


@pytest.mark.slow
def test_a_proof_goes_on_with_the_name_it_gave():
    """The value that the first rule leads to is the one that the second starts from."""
    for derivation in (explained_steps(level="proof"), explained_bag(level="proof")):
        assert derivation.ok
    chain = cr.explain(lambda a: ((1 - a) ** 2).sum() / 2, 0.3, level="proof")["a"].lines
    texts = [to_unicode(line.latex) for line in chain]
    for k, text in enumerate(texts):
        name = text.partition(" = ")[0]
        if text.startswith("∂") or k == 0 or name == "L":
            continue
        assert any(f"/∂{name}" in other or f"∂{name}/" in other for other in texts[k:]), (name, texts)
    gradients = [text.partition(" = ") for text in texts if text.startswith("∂")]
    for left, _, right in gradients[1:]:
        of = left.partition("/")[0].removeprefix("∂")
        assert of == "L" or any(f"/∂{of}" in one[0] for one in gradients), texts
        assert all(any(f"/∂{one}" in g[0] for g in gradients) for one in re.findall(r"∂L/∂(\S+)", right)), texts


def test_a_part_of_a_gradient_is_not_written_as_the_whole():
    """Of a value that is used several times, each proof gives what comes through one of its uses."""
    steps = [step for step in explained_steps(level="proof").backward if step.operation == "sum" or "+" in step.formula]
    assert len(steps) > 3
    for step in steps:
        whole = to_unicode(step.symbol)
        lines = [to_unicode(line.latex) for line in step.lines]
        assert not [text for text in lines if re.match(rf"{re.escape(whole)}[ᵢⱼₖₘₙ]* = ", text)], lines


def test_titles_name_the_network_s_values():
    def unit(z):
        a = np.tanh(z)
        return a**2

    titles = [line.title for step in cr.explain(unit, 0.3, level="proof").steps for line in step.lines]
    assert "In terms of $a$, which the forward pass has already computed" in titles


@walked(
    ("latex", "text"),
    [
        (r"\frac{\left(0 - a\right)^{2}}{2}", "(0 - a)²/2"),
        (r"-\frac{-e^{-z}}{\left(1 + e^{-z}\right)^{2}}", "-(-e^(-z))/(1 + e^(-z))²"),
        (r"\sum_i \frac{y_i}{\hat y_i} \hat y_i", "Σᵢ yᵢ/ŷᵢ · ŷᵢ"),
        (r"\frac{z}{\sqrt{2 \pi}} x_k \frac{1}{3}", "z/√(2 π) · xₖ · 1/3"),
        (r"\frac{1}{2} \sum \frac{\partial L}{\partial z} a", "1/2 Σ ∂L/∂z a"),
        (r"z_{i y_i}", "z[i, yᵢ]"),
        (r"\begin{cases} \frac{x}{y} & x > 0 \\ 0 & \text{otherwise} \end{cases}", "{x/y if x > 0; 0 otherwise}"),
    ],
)
def test_a_line_of_text_is_read_in_one_way(latex, text):
    assert to_unicode(latex) == text


def test_formulas_in_titles_are_in_korean():
    text = cr.explain(lambda x: np.tanh(x.mean(axis=1)).sum(), np.ones((2, 3)), level="proof", lang="ko").to_text()
    assert "1/n Σ[축] x" in text
    assert "axis" not in text.replace("axis=1", "")


def test_alternatives_are_in_korean():
    text = cr.explain(lambda x: nn.functional.leaky_relu(x, 0.1).sum(), np.array([1.0, -2.0]), lang="ko").to_text()
    assert "{x, x > 0일 때; 0.1 x, 그 외}" in text
    assert " if " not in text


class Spline(nn.Module):
    """A layer whose parameters have names of their own, in a module of the same kind as others."""

    def __init__(self):
        super().__init__()
        self.knots = np.linspace(-1.0, 1.0, 4)
        self.coef = nn.Parameter(np.linspace(0.1, 1.2, 24).reshape(2, 3, 4)[:, :2])

    def forward(self, x):
        return np.einsum("big,iog->bo", np.exp(-((x[:, :, None] - self.knots) ** 2)), self.coef)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2 = (nn.Parameter(np.linspace(k, 1, 12).reshape(2, 2, 3)) for k in (0.1, 0.2))

    def forward(self, x):
        at = np.array([1, 0])
        return np.einsum("bd,bdh->bh", x, self.w1[at]) * np.einsum("bd,bdh->bh", x, self.w2[at])


def rows(derivation):
    return {row.name: to_unicode(row.symbol) for row in derivation.symbols if row.name}


def test_parameters_have_their_own_names_with_the_label_of_their_module():
    x = np.linspace(0, 1, 4).reshape(2, 2)
    derivation = cr.explain(nn.Sequential(Spline(), Spline()), x, loss=nn.MSELoss(), target=x)
    assert derivation.ok
    assert rows(derivation) == {"0.coef": "coef⁽⁰⁾", "1.coef": "coef⁽¹⁾", "x": "x", "y": "y"}
    assert [to_unicode(row.symbol) for row in derivation.symbols if not row.name] == ["knots"]
    derivation = cr.explain(Experts(), x, loss=nn.MSELoss(), target=np.ones((2, 3)))
    assert rows(derivation) == {"w1": "w⁽¹⁾", "w2": "w⁽²⁾", "x": "x", "y": "y"}


def test_parameters_in_dicts_have_the_names_of_their_keys():
    def loss(p, x):
        a = np.tanh(x @ p["enc"]["W"] + p["enc"]["b"])
        return ((a @ p["dec"]["W"] + p["scale"]) ** 2).mean()

    shapes = {"enc": {"W": (2, 3), "b": (3,)}, "dec": {"W": (3, 2)}}
    p = {key: {name: np.full(shape, 0.3) for name, shape in inside.items()} for key, inside in shapes.items()}
    derivation = cr.explain(loss, {**p, "scale": np.ones(2)}, np.ones((4, 2)), argnums=0)
    names = {"p['dec']['W']": "W⁽dec⁾", "p['enc']['W']": "W⁽enc⁾", "p['enc']['b']": "b⁽enc⁾", "p['scale']": "scale"}
    assert rows(derivation) == {**names, "x": "x"}


def test_delta_is_a_layers_error_and_nothing_else():
    def loss(W, x):
        delta = cr.softplus(x @ W)
        return (delta**2).sum()

    model = nn.Sequential(nn.Linear(2, 3), nn.Softplus(), nn.Linear(3, 1))
    for derivation in (
        cr.explain(loss, np.ones((2, 3)), np.ones((4, 2)), argnums=0),
        cr.explain(lambda delta: model(delta).sum(), np.ones((4, 2))),
    ):
        for step in derivation.steps:
            assert ("∂L" in to_unicode(step.formula)) or "δ" not in to_unicode(step.symbol)


def test_what_a_loop_starts_from_comes_before_its_values():
    def loss(W):
        b = np.zeros((3, 2))
        for _ in range(2):
            c = cr.softmax(b, axis=1)
            v = (c[:, :, None] * W).sum(axis=0)
            b = b + (W * v).sum(axis=-1)
        return (v**2).sum()

    derivation = cr.explain(loss, np.linspace(0, 1, 12).reshape(3, 2, 2))
    assert derivation.ok
    assert [to_unicode(row.symbol) for row in derivation.symbols] == ["W", "c⁽⁰⁾", "b⁽⁰⁾"]


def test_an_underscore_names_nothing():
    def loss(x):
        _, b = np.split(x, 2)
        return (b**2).sum() + _.sum()

    text = cr.explain(loss, np.arange(4.0)).to_text()
    assert "_ =" not in text


def test_constants_of_an_inner_gradient_have_no_name_of_a_rules_own():
    def loss(p):
        return cr.grad(lambda x: (np.tanh(x * p)).sum())(0.5) ** 2

    derivation = cr.explain(loss, np.array([0.5, 1.5]))
    assert not any("ȳ" in to_unicode(row.symbol) for row in derivation.symbols)


def test_values_that_only_move_are_numbered_and_not_numbered_again():
    class Moved(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.last(self.first(x).reshape(2, 3, 2).transpose(0, 2, 1).reshape(2, 6))

    derivation = cr.explain(Moved(), np.ones((2, 4)), loss=nn.MSELoss(), target=np.ones((2, 2)))
    moved = [to_unicode(step.symbol) for step in derivation.forward if step.symbol.startswith("r")]
    assert moved == ["r⁽first⁾", "r⁽first,2⁾", "r⁽first,3⁾"]


def test_what_is_put_among_zeros_is_written_at_its_place():
    def off_diagonal(a):
        inner = np.diag(a)
        whole = np.diag(inner)
        return ((a - whole) ** 2).sum()

    d = cr.explain(off_diagonal, np.arange(9.0).reshape(3, 3))
    assert d.ok
    assert "whole[…, i, tᵢ] = inner (0 elsewhere)" in d.to_text()
    assert "scatter" not in d.to_text()


def test_an_attribute_has_its_name_whatever_the_object_is_called():
    class Layer:
        def __init__(me):
            me.Wt = np.arange(6.0).reshape(2, 3)

        def __call__(me, x):
            return (np.tanh(x @ me.Wt) ** 2).sum()

    d = cr.explain(Layer(), np.ones((2, 2)))
    assert "W⁽ᵗ⁾" in d.to_text()


def test_nothing_is_transposed_or_reshaped_to_what_it_is():
    for f in (np.diff, np.cumprod, lambda x: np.diff(x.reshape(1, 3)), lambda x: np.cumsum(x.reshape(3, 1), axis=1)):
        d = cr.explain(lambda x, f=f: (f(x) ** 2).sum(), np.array([1.0, 2.0, 4.0]))
        assert d.ok
        assert not any(step.operation in ("transpose", "swapaxes") for step in d.steps)
    assert "reshape" not in cr.explain(lambda x: np.cumprod(x).sum(), np.ones(3)).to_text()


def test_the_derivative_of_the_loss_by_itself_is_no_factor():
    d = cr.explain(lambda a: np.linalg.slogdet(a)[1], np.array([[2.0, 1.0], [0.5, 3.0]]))
    assert d.ok
    assert "∂L/∂L" not in d.to_text()

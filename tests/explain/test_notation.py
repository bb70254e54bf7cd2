"""One notation: each symbol of each derivation is read, and stands for one thing, as docs/explain.md says."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
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


CASES = {
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


def equations(derivation):
    for step in derivation.steps:
        yield step.formula
        yield from (line.latex for line in step.lines)


@pytest.mark.parametrize("name", CASES)
def test_every_symbol_stands_for_one_thing(name):
    cr.seed(0)
    derivation = CASES[name]()
    assert derivation.ok
    symbols = [row.symbol for row in derivation.symbols]
    assert len(symbols) == len(set(symbols))
    bases = {re.match(r"\\?[A-Za-z]+", s)[0] for s in symbols}
    for latex in equations(derivation):
        assert not re.search(r"\\delta_\{?[a-z]{2}\b", latex), "Kronecker's delta is a bracket"
        indices = {
            i
            for group in re.findall(r"_\{([^{}]*)\}", latex)
            for i in re.findall(r"(?<![\\A-Za-z])[a-z](?![A-Za-z])", group)
        }
        assert not (indices - {"y"}) & bases, latex  # y_i is the class in an index: z_{i y_i}
        for mask in re.findall(r"\[([^\]]*) > 0\]", latex):
            assert mask.startswith(("z", "Z")), latex


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_multiplied_or_divided_by_one(name):
    cr.seed(0)
    derivation = CASES[name]()
    for step in derivation.steps:
        for text in (to_unicode(step.formula), to_unicode(step.numbers or "")):
            assert not re.search(r"1/1(?!\d)|\)/1(?!\d)|⊙ 2 ", text), text
        if step.numbers is not None:
            assert step.numbers != step.formula.rpartition(" = ")[2]


def test_the_gradient_of_a_filter_s_bias_is_summed_over_samples_and_places():
    cr.seed(0)
    derivation = CASES["images"]()
    assert to_unicode(derivation["0.bias"].formula) == "∂L/∂b⁽¹⁾ₒ = Σₙᵢ δ⁽¹⁾ₙₒᵢ"


def test_rectifying_reads_the_same_however_it_is_written():
    formula = to_unicode(CASES["function"]()["\\frac{\\partial L}{\\partial Z}"].formula)
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

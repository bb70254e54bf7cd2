r"""Random expressions, printed to LaTeX and read back; random text, read or refused."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.formula.evaluation import FormulaError, parse

rng = np.random.default_rng(0)
x, y, w = (rng.normal(size=(3, 4)) for _ in range(3))
VALUES = {"x": x, "x_0": y, "y_bar": w, "w": w, "alpha": 0.3, "axis": 1}
SUM, TERM, PRIMARY, CLOSED = 1, 2, 3, 4


@dataclass(frozen=True)
class Printed:
    """LaTeX, how tightly it holds together, and its value."""

    latex: str
    level: int
    value: np.ndarray

    def at(self, level):
        return self.latex if self.level >= level else rf"\left({self.latex}\right)"


def calm(function, *parts):
    with np.errstate(all="ignore"):
        return np.asarray(function(*(part.value for part in parts)), dtype=float)


def cases(a, b):
    return rf"\begin{{cases}} {a.latex} & x \le 0 \\ {b.latex} & \text{{otherwise}} \end{{cases}}"


def total(a):
    return np.sum(np.broadcast_to(a, x.shape), axis=1, keepdims=True)


BINARY = [
    (lambda a, b: f"{a.at(SUM)} + {b.at(TERM)}", SUM, np.add),
    (lambda a, b: f"{a.at(SUM)} - {b.at(TERM)}", SUM, np.subtract),
    (lambda a, b: rf"{a.at(PRIMARY)}\,{b.at(PRIMARY)}", TERM, np.multiply),
    (lambda a, b: rf"{a.at(TERM)} \cdot {b.at(PRIMARY)}", TERM, np.multiply),
    (lambda a, b: rf"{a.at(TERM)} \odot {b.at(PRIMARY)}", TERM, np.multiply),
    (lambda a, b: f"{a.at(PRIMARY)} / {b.at(PRIMARY)}", SUM, np.divide),
    (lambda a, b: rf"\frac{{{a.latex}}}{{{b.latex}}}", CLOSED, np.divide),
    (lambda a, b: rf"\max({a.latex}, {b.latex})", CLOSED, np.maximum),
    (lambda a, b: f"[{a.latex} > {b.latex}]", CLOSED, np.greater),
    (cases, CLOSED, lambda a, b: np.where(x <= 0, a, b)),
]
UNARY = [
    (lambda a: rf"e^{{{a.latex}}}", PRIMARY, np.exp),
    (lambda a: rf"\tanh({a.latex})", CLOSED, np.tanh),
    (lambda a: rf"\left|({a.latex})\right|", CLOSED, np.abs),
    (lambda a: f"-{a.at(TERM)}", SUM, np.negative),
    (lambda a: f"{a.at(CLOSED)}^2", PRIMARY, lambda a: a**2),
    (lambda a: rf"\sqrt{{{a.latex}}}", CLOSED, np.sqrt),
    (lambda a: rf"\sum_{{\text{{axis}}}} ({a.latex} + 0 \cdot w)", SUM, lambda a: total(a + 0 * w)),
    (lambda a: rf"\sigma({a.latex})", CLOSED, lambda a: np.exp(-np.logaddexp(0.0, -a))),
]
leaves = st.sampled_from(
    [
        *(Printed("x", CLOSED, x), Printed(r"\bar y", CLOSED, w), Printed("x_0", CLOSED, y)),
        *(Printed(r"\alpha", CLOSED, np.array(0.3)), Printed("{2.5}", CLOSED, np.array(2.5))),
    ]
)


def larger(parts):
    binary = st.builds(
        lambda r, a, b: Printed(r[0](a, b), r[1], calm(r[2], a, b)), st.sampled_from(BINARY), parts, parts
    )
    unary = st.builds(lambda r, a: Printed(r[0](a), r[1], calm(r[2], a)), st.sampled_from(UNARY), parts)
    return binary | unary


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.recursive(leaves, larger, max_leaves=12))
def test_a_random_expression_evaluates_as_numpy_does(expression):
    value = parse(f"y = {expression.latex}").evaluate(VALUES)
    np.testing.assert_allclose(value, expression.value, rtol=1e-9, atol=1e-12)


def refused_at(latex):
    """The position where a text is refused; its end if it is read."""
    try:
        parse(latex)
    except FormulaError as error:
        return error.position
    return len(latex)


WORDS = [
    *"xiAeT12+-^_(){}[]|=,&<",
    r"\bar",
    r"\log",
    r"\sum",
    r"\frac",
    r"\top",
    r"\|",
    r"\max",
    r"\sqrt",
    r"\sigma",
]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_text_is_read_or_refused_at_a_place_in_it(words):
    latex = " ".join(words)
    assert 0 <= refused_at(latex) <= len(latex)

"""Derivations of computations with complex numbers: the convention, its formulas, and that they are verified."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

Z = np.array([1 + 2j, 3 - 1j])
X = np.array([1.0, 2.0, 4.0, 0.5])


def low_pass(x, w):
    spectrum = np.fft.rfft(x)
    y = np.fft.irfft(w * spectrum, 4)
    return ((y - 1) ** 2).mean()


def holomorphic(z):
    u = z**3 + 2j * z
    return np.abs(u).sum()


def parts(a, b):
    z = a + 1j * b
    return np.exp(z).real.sum()


CASES = {
    "low pass": (low_pass, (X, np.array([1, 0.5, 0.25]))),
    "holomorphic": (holomorphic, (Z,)),
    "parts": (parts, (X, X[::-1].copy())),
    "conjugate": (lambda z: (z * z.conj()).real.sum(), (Z,)),
    "power spectrum": (lambda x: (np.abs(np.fft.fft(x)) ** 2).sum(), (X,)),
    "eigenvalues": (lambda a: np.abs(np.linalg.eigvals(a)).max(), (np.array([[0.0, 1.0], [-4.0, 0.0]]),)),
    "angles": (lambda z: np.angle(z).sum() + np.abs(2j * z).sum(), (Z,)),
    "single": (lambda z: np.abs(z**2).sum(), (Z.astype(np.complex64),)),
}


@walked("level", ["brief", "full", "proof"])
@walked("name", CASES)
def test_every_formula_is_verified_and_the_gradients_are_those_of_the_engine(name, level):
    f, args = CASES[name]
    derivation = cr.explain(f, *args, level=level)
    assert derivation.ok, derivation.unverified
    assert derivation.equations_verified() == derivation.equations()
    gradients = cr.grad(f, tuple(range(len(args))))(*args)
    found = [step for step in derivation.backward if step.parameter]
    assert len(found) == len(args)
    for step in found:
        expected = gradients[f.__code__.co_varnames.index(step.parameter)]
        np.testing.assert_allclose(step.value, expected, 1e-5)


@pytest.mark.parametrize(
    ("lang", "sentence"), [("en", "∂L/∂z = ∂L/∂x - i ∂L/∂y; with this convention"), ("ko", "복소수인 값이 있습니다")]
)
def test_the_convention_is_stated_where_numbers_are_complex_and_nowhere_else(lang, sentence):
    derivation = cr.explain(holomorphic, Z, lang=lang)
    for text in (derivation.to_markdown(), derivation.to_latex(), derivation.to_html()):
        assert sentence.split(" ")[0] in text
    assert sentence in " ".join(str(derivation).split())
    assert "- i ∂L/∂y" not in str(cr.explain(lambda x: (x * x).sum(), X, lang=lang))


def test_a_real_value_gets_the_real_part():
    derivation = cr.explain(parts, X, X[::-1].copy())
    assert derivation["b"].formula.endswith(
        r"\operatorname{real}\left(\frac{\partial L}{\partial z} \cdot \mathrm{i}\right)"
    )
    assert "real" in derivation["a"].formula


def test_numbers_are_written_as_sums_of_their_parts():
    text = str(cr.explain(holomorphic, Z))
    assert "[1 + 2i, 3 - i]³ + 2i · [1 + 2i, 3 - i]" in text
    assert "∂L/∂z = ∂L/∂u · 2i + ∂L/∂u ⊙ 3 z²" in text


def test_the_absolute_value_has_no_local_derivative_that_is_a_number():
    step = cr.explain(holomorphic, Z)["v"]
    assert "|u|" in step.formula
    (back,) = [s for s in cr.explain(holomorphic, Z).backward if "conj" in s.formula]
    assert r"\frac{\partial v}{\partial u}" not in back.formula


@walked("settings", [{}, {"norm": "ortho"}, {"n": 3}, {"n": 7}, {"n": 7, "norm": "forward"}])
@walked("name", ["fft", "ifft", "rfft", "irfft"])
def test_transforms_of_all_lengths_and_norms(name, settings):
    transform = getattr(np.fft, name)
    x = np.random.default_rng(0).standard_normal((2, 5)) + (0 if name == "rfft" else 1j)

    def loss(x):
        return (np.abs(transform(x, axis=1, **settings)) ** 2 * np.arange(2.0)[:, None]).sum()

    derivation = cr.explain(loss, x)
    assert derivation.ok, derivation.unverified
    assert rf"\operatorname{{{name}}}_{{\text{{axis 1" in derivation.forward[0].formula


def test_a_matrix_that_is_not_symmetric_is_told_so():
    a = np.array([[2.0, 0.5], [0.1, 1.0]])
    derivation = cr.explain(lambda a: np.linalg.cholesky(a).sum(), a)
    assert derivation.ok
    assert "symmetric(a)" in str(derivation)
    assert "symmetric(" not in cr.explain(lambda a: np.linalg.cholesky(a).sum(), a + a.T).forward[0].formula


def test_a_complex_loss_is_refused():
    with pytest.raises(
        TypeError, match=r"returns a complex number, expected a real loss; return its real part, y.real"
    ):
        cr.explain(lambda z: (z * z).sum(), Z)


@walked("factor", [-1 - 2j, -1 + 2j, 1 - 2j])
def test_a_factor_of_two_parts_is_in_brackets_once(factor):
    derivation = cr.explain(lambda z: np.exp(factor * z).real, np.array(1 + 1j))
    first = derivation.forward[0]
    assert all(text.count("((") == 0 and r"\mathrm{i}) \cdot" in text for text in (first.formula, first.numbers))

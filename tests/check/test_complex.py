"""Gradients with respect to complex numbers are checked along 1 and along i."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

Z = np.array([0.3 + 1.2j, -0.7 + 0.4j, 1.1 - 0.5j])
X = np.array([0.4, -1.2, 0.9])

RIGHT = {
    "a real value": (lambda z: np.abs(z * z).sum(), Z),
    "a complex value that is not holomorphic": (lambda z: z * np.conj(z) ** 2, Z),
    "complex values of real numbers": (np.fft.fft, X),
    "real and complex arguments and results": (lambda a, b: (a * b, np.abs(b)), X, Z),
    "a number": (lambda z: z**2, 1 + 2j),
    "single precision": (np.exp, Z.astype(np.complex64)),
    "a tensor": (lambda z: z.real.sum() * z, cr.tensor(Z, requires_grad=True)),
}


@walked("name", RIGHT)
def test_a_right_gradient(name):
    f, *args = RIGHT[name]
    report = cr.check(f, *args, full=True)
    assert report.ok, str(report)
    assert report.evaluations > 0


BACKWARD = {
    "right": lambda y_bar, z: y_bar * np.exp(z),
    "wrong": lambda y_bar, z: y_bar * np.conj(np.exp(z)),
    "missing": lambda y_bar, z: None,
    "shape": lambda y_bar, z: (y_bar * np.exp(z))[:2],
}


@walked("verdict", BACKWARD)
def test_a_backward_pass_of_ones_own(verdict):
    assert cr.check(np.exp, Z, backward=BACKWARD[verdict], explain=False).verdict == verdict


def test_a_gradient_without_its_imaginary_part_is_wrong_there():
    report = cr.check(np.exp, Z, backward=lambda y_bar, z: (y_bar * np.exp(z)).real, full=True, explain=False)
    assert report.verdict == "wrong"
    assert report.findings[0].index[-1] == 1


def test_pytorchs_convention_is_the_conjugate():
    @cr.custom
    def square(z):
        return z * z

    square.def_vjp(lambda y_bar, z: y_bar * 2 * np.conj(z))
    report = cr.check(square, Z)
    assert report.verdict == "wrong"
    assert "conj does not belong there" in str(report)


def test_a_custom_operation_of_complex_numbers():
    @cr.custom
    def square(z):
        return z * z

    square.def_vjp(lambda y_bar, z: y_bar * 2 * z)
    assert cr.check(square, Z).ok
    _, y_dot = cr.jvp(square, (Z,), (1j * Z,))  # the transpose of the rule for reverse mode
    np.testing.assert_allclose(y_dot, 2j * Z * Z)
    with pytest.raises(TypeError, match="real numbers"):
        cr.check(lambda z: cr.relu(z).real, Z)

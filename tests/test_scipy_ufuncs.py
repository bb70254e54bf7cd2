"""SciPy's own functions take tensors, as NumPy's do: nothing of chainrule need be imported for it."""

import numpy as np
import pytest

import chainrule as cr

special = pytest.importorskip("scipy.special", reason="SciPy's functions: pip install '.[scipy]'")


def test_a_ufunc_of_scipy_differentiates():
    assert float(cr.grad(special.gammaln)(3.0)) == pytest.approx(float(special.digamma(3.0)))


def test_one_without_a_rule_is_named():
    with pytest.raises(TypeError, match="airy"):
        special.airye(cr.tensor(np.ones(2)))

"""Running sums and products, and norms of rows, in machine code are what NumPy computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels import norms, running
from chainrule.kernels.native.tasks import run_all
from chainrule.rules.linalg.vector_norms import Norm

pytest.importorskip("llvmlite", reason="machine code: pip install '.[fast]'")


@given(st.data(), st.sampled_from([np.float32, np.float64]), st.sampled_from(["add", "multiply"]))
@settings(max_examples=40, deadline=None)
def test_running_values_of_any_view(data: st.DataObject, dtype: type, name: str) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    order = data.draw(st.permutations(range(len(shape))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.normal(size=[shape[k] for k in order]).astype(dtype).transpose(np.argsort(order))
    if data.draw(st.booleans()):
        x = x[..., ::-1]
    again = data.draw(st.permutations(range(len(shape))))
    out = np.empty([x.shape[k] for k in again], dtype).transpose(np.argsort(again))
    assert running.fits(x, out)
    run_all([running.running(name, x, out)])()
    np.testing.assert_array_equal(out, getattr(np, name).accumulate(x, axis=-1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_are_those_of_the_record(dtype: type) -> None:
    rng = np.random.default_rng(0)
    tiny, huge = np.finfo(dtype).tiny, np.finfo(dtype).max / 4
    for n in (1, 3, 40):
        x = rng.normal(size=(9, n)).astype(dtype)
        x[1], x[2] = 0, -0.0
        x[3] *= dtype(tiny)
        x[4] *= dtype(huge)
        x[5, 0], x[6, 0], x[7, -1] = np.inf, np.nan, -np.inf
        y = np.empty(9, dtype)
        with np.errstate(all="ignore"):
            run_all(norms.norm.tasks([x, y]))()
            np.testing.assert_allclose(y, Norm.primal(x, axis=-1), rtol=1e-6)

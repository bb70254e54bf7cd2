"""Losses of which no row counts, and means of whole numbers, as in PyTorch."""

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door

CASES = {
    "ignored": ([-100, -100], None),
    "ignored, weighted": ([-100, -100], [1.0, 2.0, 3.0]),
    "weight 0": ([1, 1], [1.0, 0.0, 3.0]),
    "weight 0 and ignored": ([-100, 1], [1.0, 0.0, 3.0]),
    "first ignored": ([-100, 2], [1.0, 0.0, 3.0]),
    "first of weight 0": ([1, 2], [1.0, 0.0, 3.0]),
}


@walked("case", CASES)
@walked("loss", ["cross_entropy", "nll_loss"])
def test_the_mean_over_no_rows_is_pytorchs(torch, case, loss) -> None:
    def found(lib):
        classes, weight = CASES[case]
        x = lib.tensor([[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]], dtype=lib.float64, requires_grad=True)
        w = None if weight is None else lib.tensor(weight, dtype=lib.float64)
        with np.errstate(all="ignore"):
            y = getattr(lib.nn.functional, loss)(x, lib.tensor(classes), w)
            y.backward()
        return y.detach().numpy(), x.grad.numpy()

    for ours, theirs in zip(found(door), found(torch), strict=True):
        if case.startswith("weight 0") and ours.ndim:  # PyTorch has 0 for rows that are ignored, and NaN for the rest
            ours, theirs = ours[1], theirs[1]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@walked("axes", [1, 2, 3])
def test_a_mean_of_windows_of_whole_numbers_is_whole_or_refused(torch, axes) -> None:
    shape = (1, 1, *[2] * (axes - 1), 6)
    numbers = np.random.default_rng(0).integers(-9, 9, shape)
    for lib in (door, torch):
        with pytest.raises(RuntimeError):
            getattr(lib.nn.functional, f"avg_pool{axes}d")(lib.tensor(numbers, dtype=lib.int32), 2)
        with pytest.raises(RuntimeError):
            getattr(lib.nn.functional, f"adaptive_avg_pool{axes}d")(lib.tensor(numbers), 1)
    ours, theirs = (getattr(lib.nn.functional, f"avg_pool{axes}d")(lib.tensor(numbers), 2) for lib in (door, torch))
    assert str(ours) == str(theirs)

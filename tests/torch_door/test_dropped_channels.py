"""Which elements dropout sets to zero together, held against PyTorch."""

import warnings

import pytest
from tests.named import walked

import chainrule.torch as door

SIZES = (40, 30, 3, 4, 5)


@walked("name", ["dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"])
@walked("ndim", [1, 2, 3, 4, 5])
def test_the_same_elements_are_dropped_together_with_the_same_warning(torch, name, ndim) -> None:
    def outcome(lib):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                y = getattr(lib.nn.functional, name)(lib.ones(SIZES[:ndim]), 0.5, training=True)
            except RuntimeError as error:
                return str(error).replace(f"{name}: ", "").partition(",")[0]
        together = [bool((y == y.narrow(k, 0, 1)).all()) for k in range(ndim)]
        return together, sorted(set(y.flatten().tolist())), [str(w.message)[:60] for w in said]

    ours, theirs = outcome(door), outcome(torch)
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert (ours[0], ours[2]) == (theirs[0], theirs[2])
    assert ours[1] == pytest.approx(theirs[1], rel=1e-6)

"""`chainrule.numpy`: every name that the documentation promises, from NumPy or beside it."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp

PROMISED = [
    name
    for line in (
        "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh append arange argmax argsort array",
        "array_split atleast_1d atleast_2d atleast_3d broadcast_to cbrt ceil",
        "clip column_stack concatenate convolve cos",
        "cosh cross cumprod cumsum deg2rad degrees diag diagonal diff divide dot dsplit dstack einsum exp exp2",
        "expand_dims expm1 fabs flip fliplr flipud floor fmax fmin full gather gradient hsplit hstack hypot inner",
        "interp kron linspace log log10 log1p log2 logaddexp logaddexp2 logsumexp matmul max maximum mean median min",
        "minimum mod moveaxis multiply nan_to_num nanmean nansum negative ones outer pad partition percentile power",
        "prod ptp quantile rad2deg radians ravel reciprocal remainder repeat reshape roll rollaxis rot90 row_stack",
        "select sign sin sinc sinh sort split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis",
        "tan tanh tensordot tile trace transpose trapezoid tril triu true_divide unwrap var vsplit vstack where zeros",
        "r_ c_",
    )
    for name in line.split()
]


def test_the_promised_names_are_there():
    assert [name for name in PROMISED if not hasattr(cnp, name)] == []


def test_names_beside_numpys_differentiate():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    np.testing.assert_allclose(cr.grad(cnp.logsumexp)(x), np.exp(x) / np.exp(x).sum())
    index = np.array([[1], [0]])
    np.testing.assert_array_equal(cr.grad(lambda v: cnp.gather(v, index, axis=1).sum())(x), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(cr.grad(lambda v: cnp.row_stack([v, 2 * v]).sum())(x), np.full((2, 2), 3.0))


def test_a_name_that_numpy_lacks_is_said_to_be_missing():
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = cnp.no_such_function

"""NumPy functions that take no part in derivatives, and the arguments that `audit` tries the others with."""

from typing import Any

import numpy as np

MAKERS = frozenset(
    (
        *("arange", "empty", "eye", "full", "identity", "indices", "ones", "tri", "zeros"),
        *("array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "require"),
        *("fromfunction", "fromiter", "frombuffer", "fromfile", "fromregex", "fromstring", "from_dlpack"),
        *("genfromtxt", "load", "loadtxt", "asmatrix", "bmat"),
        *("bartlett", "blackman", "hamming", "hanning", "kaiser", "fft.fftfreq", "fft.rfftfreq"),
        *("diag_indices", "mask_indices", "tril_indices", "triu_indices"),
    )
)
"""Functions that make arrays of numbers and take no tensors (`chainrule.numpy.array` does)."""
APART = frozenset(
    (
        *("broadcast_shapes", "einsum_path", "isdtype", "isfortran", "isscalar", "issubdtype", "iterable"),
        *("mintypecode", "promote_types", "typename", "datetime_data", "frompyfunc", "nested_iters"),
        *("base_repr", "binary_repr", "format_float_positional", "format_float_scientific"),
        *("get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "printoptions"),
        *("set_printoptions", "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime"),
        *("info", "test", "linalg.test", "fft.test"),
    )
)
"""Functions of shapes, dtypes, texts or settings, not of an array's values."""
KNOWN = {
    "in1d": "an old name of isin",
    "row_stack": "an old name of vstack",
    "trapz": "an old name of trapezoid",
    "copyto": "laid, where",
    "fill_diagonal": "index_set",
    "place": "index_set",
    "put": "index_set",
    "put_along_axis": "index_set",
    "putmask": "where",
}
"""Compositions that are not run: deprecated names, and functions that return nothing."""

M = np.array([[0.80, 0.12, 0.04], [0.12, 0.60, 0.08], [0.04, 0.08, 0.48]])
"""Symmetric, positive definite, its elements and eigenvalues in (0, 1): in the domain of nearly everything."""
V = np.array([0.3, 0.7, 0.5])
C = np.stack([M, M])
TENSORS = (M, V, C)
"""Arguments that `audit` replaces by a tensor of their values."""
FIRST_TRIES: tuple[Any, ...] = (
    *((M,), (V,), (M, M), (V, V), ([M, M],)),
    *((M, 1), (M, 0, 1), (M, (0,))),
)
"""Arguments that most functions accept."""
TRIES: dict[str, tuple[Any, ...]] = {
    **{name: ([M, M],) for name in ("concat", "concatenate", "column_stack", "dstack", "hstack", "stack", "vstack")},
    **dict.fromkeys(("linalg.lstsq", "linalg.tensorsolve", "matvec", "full_like"), (M, V)),
    **dict.fromkeys(("polyval", "vecmat"), (V, M)),
    "apply_along_axis": (np.sort, 0, M),
    "apply_over_axes": (np.sum, M, (0,)),
    "array_split": (M, 2),
    "bincount": (np.arange(3), V),
    "block": ([[M, M]],),
    "broadcast_to": (M, (2, 3, 3)),
    "choose": (np.array([0, 1, 0]), [V, V]),
    "compress": ([True, False, True], M, 0),
    "dsplit": (C, [1]),
    "einsum": ("ij,jk->ik", M, M),
    "extract": (M > 0.5, M),
    "histogram": (V.copy(), 10, None, None, V),
    "insert": (M, 1, V, 0),
    "interp": (M, np.arange(3.0), V),
    "linalg.matrix_power": (M, 3),
    "linalg.tensorinv": (M, 1),
    "piecewise": (M, [M > 0.5], [np.sin, np.cos]),
    "polyfit": (V, V, 1),
    "resize": (M, (2, 2)),
    "reshape": (M, -1),
    "select": ([M > 0.5], [M], 0.0),
    "take_along_axis": (M, np.zeros((1, 3), int), 0),
    "where": (M > 0.5, M, 0.0),
}
"""Arguments for the functions that do not accept those, or would be tried only in part."""

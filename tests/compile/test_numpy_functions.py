"""Every NumPy function that tensors answer for: compiled it is what it is, or a CaptureError that names it."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.compile.plan.by_numpy import loops_by_numpy
from chainrule.core.errors import CaptureError
from chainrule.core.operands.protocols import functions, ufuncs
from chainrule.core.tree import flatten

from ..named import named

CALLS: dict[str, tuple[str, ...]] = {
    "allclose": ("f(x, x)", "f(x, 0 * x)"),
    "append": ("f(x, y)", "f(x, y, axis=0)"),
    "apply_along_axis": ("f(np.sum, 0, x)",),
    "apply_over_axes": ("f(np.sum, x, [0])",),
    "sliding_window_view": ("f(x, 2, axis=0)", "f(x, 2, 1)", "f(v, 2)", "f(x, (2, 2))"),
    "argpartition": ("f(x, 2, axis=1)",),
    "partition": ("f(x, 2, axis=1)", "f(v, (1, 3))"),
    "array_equal": ("f(x, x)", "f(x, y)"),
    "array_equiv": ("f(x, x)",),
    "array_split": ("f(x, 3)",),
    "split": ("f(x, 3)", "f(x, [1, 2], axis=1)"),
    "vsplit": ("f(x, 3)",),
    "hsplit": ("f(x, 2)",),
    "dsplit": ("f(c, 2)",),
    "astype": ("f(x, np.float32)",),
    "bincount": ("f(i)", "f(i, minlength=9)", "f(i, weights=v)", "f(i, weights=v, minlength=9)"),
    "block": ("f([[x, y], [y, x]])",),
    "broadcast_to": ("f(v, (2, 6))",),
    "can_cast": ("f(x.dtype, np.float64)",),
    "choose": ("f(i % 2, [v, w])",),
    "clip": ("f(x, -0.5, 0.5)", "f(x, y, None)"),
    "compress": ("f([True, False, True], x, axis=0)", "f(x[:, 0] > 0, x, axis=0)"),
    "einsum_path": ("f('ij,jk->ik', x, x.T)",),
    "extract": ("f(x > 0, x)",),
    "concatenate": ("f([x, y])", "f([x, y], axis=None)"),
    "column_stack": ("f([v, w])",),
    "dstack": ("f([x, y])",),
    "hstack": ("f([x, y])",),
    "vstack": ("f([x, y])",),
    "stack": ("f([x, y], axis=1)",),
    "convolve": ("f(v, w)", "f(v, w, 'same')"),
    "correlate": ("f(v, w)",),
    "corrcoef": ("f(x)",),
    "cross": ("f(x[:, :3], y[:, :3])",),
    "delete": ("f(x, 1, axis=0)", "f(x, i[0] % 3, axis=0)"),
    "diag_indices_from": ("f(q)",),
    "digitize": ("f(x, np.array([-1.0, 0.0, 1.0]))", "f(v, np.sort(w))"),
    "searchsorted": (
        "f(np.sort(v), x)",
        "f(np.array([-1.0, 0.0, 1.0]), x)",
        "f(np.sort(v), 0.3)",
        "f(np.sort(v), x, side='right')",
    ),
    "interp": (
        "f(x, np.sort(v), w)",
        "f(x, np.array([-1.0, 0.0, 1.0]), np.array([0.0, 2.0, 1.0]))",
        "f(x, np.sort(v), w, left=0.0)",
    ),
    "histogram": (
        "f(v, np.array([-9.0, 0.0, 9.0]))",
        "f(v, 3, range=(-2.0, 2.0))",
        "f(v, 3)",
        "f(v, [-9, 0, 9], weights=w)",
    ),
    "histogram_bin_edges": ("f(v, 3)", "f(v, 3, range=(-2.0, 2.0))", "f(v, 'auto')"),
    "dot": ("f(x, y.T)",),
    "inner": ("f(x, y)",),
    "matmul": ("f(x, y.T)",),
    "outer": ("f(v, w)",),
    "vdot": ("f(x, y)",),
    "vecdot": ("f(x, y)",),
    "kron": ("f(v, w)",),
    "tensordot": ("f(x, y, axes=([1], [1]))",),
    "einsum": ("f('ij,kj->ik', x, y)",),
    "multi_dot": ("f([x, y.T, x])",),
    "expand_dims": ("f(x, 1)",),
    "full_like": ("f(x, 2.0)",),
    "geomspace": ("f(1 + v ** 2, 20.0, 4)",),
    "logspace": ("f(v, 1.0, 4)",),
    "linspace": ("f(v, w, 4)",),
    "gradient": ("f(v)", "f(x, axis=0)"),
    "insert": ("f(x, 1, v[:4], axis=0)",),
    "isclose": ("f(x, 0.0 * x, atol=0.5)",),
    "isin": ("f(i, [0, 1])", "f(i, i[:2])"),
    "intersect1d": ("f(v, w)",),
    "setdiff1d": ("f(v, w)",),
    "setxor1d": ("f(v, w)",),
    "union1d": ("f(v, w)",),
    "ix_": ("f(i, i)",),
    "lexsort": ("f((v, w))",),
    "lstsq": ("f(x.T, v[:4])[0]",),
    "matrix_power": ("f(q, 3)",),
    "may_share_memory": ("f(x, x)",),
    "shares_memory": ("f(x, x)",),
    "meshgrid": ("f(v, w)",),
    "moveaxis": ("f(c, 0, 2)",),
    "rollaxis": ("f(c, 2)",),
    "nan_to_num": ("f(n)", "f(n, nan=7.0)"),
    "pad": ("f(x, 1)", "f(x, ((0, 1), (2, 0)), mode='reflect')"),
    "percentile": ("f(x, 30)", "f(x, [30, 60], axis=1)"),
    "quantile": ("f(x, 0.3)", "f(x, [0.3, 0.6], axis=1)"),
    "nanpercentile": ("f(n, 30)", "f(n, 30, axis=1)"),
    "nanquantile": ("f(n, 0.3, axis=0)",),
    "piecewise": ("f(v, [v > 0], [lambda t: t, lambda t: -t])",),
    "poly": ("f(v[:3])",),
    "polyadd": ("f(v, w)",),
    "polyder": ("f(v)",),
    "polydiv": ("f(v, np.array([1.0, 2.0]))",),
    "polyfit": ("f(np.arange(6.0), v, 2)",),
    "polyint": ("f(v)",),
    "polymul": ("f(v, w)",),
    "polysub": ("f(v, w)",),
    "polyval": ("f(v, x)",),
    "put_along_axis": ("f(x, np.argsort(x, axis=1), 0.0, 1)",),
    "take_along_axis": ("f(x, np.argsort(x, axis=1), axis=1)",),
    "ravel_multi_index": ("f((i % 2, i % 3), (2, 3))",),
    "unravel_index": ("f(i, (2, 3))",),
    "repeat": ("f(x, 2, axis=0)", "f(x, [1, 0, 2], axis=0)"),
    "reshape": ("f(x, (4, 3))",),
    "resize": ("f(x, (2, 7))",),
    "result_type": ("f(x, np.float32)",),
    "common_type": ("f(x, y)",),
    "roll": ("f(x, 1, axis=0)",),
    "select": ("f([x > 0.5, x < -0.5], [x, -x], 0.0)",),
    "swapaxes": ("f(x, 0, 1)",),
    "solve": ("f(q + 5 * np.eye(4), v[:4])",),
    "tensorsolve": ("f(q + 5 * np.eye(4), v[:4])",),
    "tensorinv": ("f(q + 5 * np.eye(4), ind=1)",),
    "take": ("f(x, [0, 2], axis=1)", "f(x, i % 3, axis=0)"),
    "tile": ("f(x, 2)",),
    "trapezoid": ("f(v)", "f(x, dx=0.5, axis=0)"),
    "trim_zeros": ("f(np.maximum(v, 0))",),
    "unique": ("f(v)", "f(i)"),
    "unwrap": ("f(3 * v)",),
    "vander": ("f(v, 3)",),
    "where": ("f(x > 0, x, y)", "f(x > 0)"),
    "nextafter": ("f(x, y)",),
    "real_if_close": ("f(x)",),
    "cond": ("f(q + 5 * np.eye(4))",),
    "cholesky": ("f(q @ q.T + np.eye(4))",),
    "eigh": ("f(q + q.T)",),
    "eigvalsh": ("f(q + q.T)",),
    "fft": (),
    "unstack": ("f(x)",),
    "min_scalar_type": ("f(v[0])",),
    "place": (),
    "average": ("f(x, axis=0)", "f(x, weights=np.abs(y))"),
    "cov": ("f(x)", "f(v, w)"),
    "norm": ("f(x)", "f(x, axis=1)", "f(v, 1)", "f(q, 'nuc')"),
    "vector_norm": ("f(x)",),
    "matrix_norm": ("f(q)",),
    "diagonal": ("f(q)",),
    "trace": ("f(q)",),
    "squeeze": ("f(x[:, :1])",),
    "ediff1d": ("f(v, to_end=w[:2])",),
    "nanmedian": ("f(n)", "f(n, axis=1)"),
    "rot90": ("f(x)",),
    "det": ("f(q)",),
    "inv": ("f(q + 5 * np.eye(4))",),
}
"""How functions are called that take more than an array: x, y (3, 4), v, w (6,), q (4, 4), c (2, 3, 4), n with NaN, and
whole numbers i (6,)."""
USUAL = (
    "f(x)",
    "f(x, axis=0)",
    "f(v)",
    "f(q)",
    "f(x, y)",
    "f(n)",
    "f(n, axis=1)",
    "f(n, axis=0)",
    "f(c)",
    "f(i)",
    "f(x > 0)",
)


def worlds() -> list[dict[str, Any]]:
    found = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        shapes = {"x": (3, 4), "y": (3, 4), "v": (6,), "w": (6,), "q": (4, 4), "c": (2, 3, 4), "n": (3, 4)}
        world = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        world["n"][np.arange(3), rng.integers(0, 4, 3)] = np.nan
        found.append({**world, "i": rng.integers(0, 5 + seed, 6)})
    return found


def _called(function: Any, call: str) -> Any:
    def f(world: dict[str, Any]) -> Any:
        return eval(call, {**world, "f": function, "np": np})

    return f


def _arrays(result: Any) -> list[Any]:
    result = tuple(result) if isinstance(result, tuple) else result
    leaves = flatten(list(result) if isinstance(result, tuple) else result)[0]
    return [x.detach().numpy() if isinstance(x, cr.Tensor) else x for x in leaves]


def _same(got: Any, expected: Any) -> bool:
    if isinstance(expected, np.ndarray | np.generic | float | int):
        # NumPy rounds sums of logarithms to float16 at each term, the operation once; SciPy takes bools as float32.
        rtol = {"float16": 2e-3, "float32": 1e-6}.get(str(getattr(expected, "dtype", "")), 1e-9)
        return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol, 1e-11, equal_nan=True)
    return bool(got == expected)


def outcomes(function: Any, calls: tuple[str, ...]) -> dict[str, str]:
    """How each call that NumPy accepts went: "equal", "refused: …", or what was wrong."""
    found = {}
    first, second = worlds()
    for call in calls:
        f = _called(function, call)
        try:
            with np.errstate(all="ignore"):
                expected = [_arrays(f(world)) for world in (first, second)]
        except Exception:  # no call of this function
            continue
        try:
            with loops_by_numpy(), np.errstate(all="ignore"):
                compiled = cr.compile(f)
                got = [_arrays(compiled(world)) for world in (first, second)]
        except CaptureError as error:
            found[call] = f"refused: {error}"
        except Exception as error:
            found[call] = f"{type(error).__name__}: {error}"
        else:
            same = all(len(a) == len(b) and all(map(_same, a, b)) for a, b in zip(got, expected, strict=True))
            found[call] = "equal" if same else f"{got} is not {expected}"
    return found


UNDEFINED = ("empty_like",)
NO_CALLS = (
    *(
        "busday_count",
        "busday_offset",
        "datetime_as_string",
        "is_busday",
        "fft",
        "histogram2d",
        "place",
        "put",
        "putmask",
    ),
    *("save", "savetxt", "savez", "savez_compressed", "unpackbits", "packbits"),
)
"""Functions that change arguments, write files or are for dates: tensors are refused by name, compiled or not."""
DIFFERENT = {
    "svd": "full_matrices=True has no derivative",
    "diff": "boolean subtract",
    "median": "boolean subtract",
    "expit": "boolean negative",
    "ndtr": "boolean negative",
    "eigvals": "eig made an array of complex128",
    "fix": "positional argument",
}
"""What tensors or captures refuse where plain arrays are taken, in words of the operation."""
BY_NAME = {function.__name__: function for function in functions}


def _is_told(name: str, outcome: str) -> bool:
    """Whether a call gave the same, or an error that says what it was and what to do."""
    if outcome == "equal":
        return True
    if outcome.startswith("refused: "):
        return (name in outcome or DIFFERENT.get(name, name) in outcome) and "; " in outcome
    return ": chainrule has no derivative for it" in outcome or (name in DIFFERENT and DIFFERENT[name] in outcome)


@pytest.mark.filterwarnings("ignore")  # what NumPy says of NaN and of empty slices, eager or not
@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {*UNDEFINED, *NO_CALLS}))
def test_compiled_functions_are_the_functions_or_say_so(name: str) -> None:
    found = outcomes(BY_NAME[name], CALLS.get(name, USUAL))
    assert found, "no call of this function: add one to CALLS"
    wrong = {call: outcome for call, outcome in found.items() if not _is_told(name, outcome)}
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_ufuncs_are_the_ufuncs_or_say_so() -> None:
    wrong = {}
    for key in ufuncs:
        function, name = (getattr(*key), key[0].__name__) if isinstance(key, tuple) else (key, key.__name__)
        calls = [call for call in USUAL if getattr(function, "nin", 1) == 2 or "y" not in call]
        for call, outcome in outcomes(function, tuple(calls)).items():
            if not _is_told(name, outcome):
                wrong[name, call] = outcome
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())


MUST_BE_CAPTURED = (
    *(
        "searchsorted",
        "interp",
        "digitize",
        "nanmean",
        "nanstd",
        "nanmedian",
        "nanquantile",
        "nanmax",
        "nansum",
        "bincount",
    ),
    *(
        "histogram",
        "median",
        "quantile",
        "percentile",
        "sort",
        "argsort",
        "partition",
        "argpartition",
        "average",
        "lstsq",
    ),
)


@pytest.mark.filterwarnings("ignore")
@walked("name", MUST_BE_CAPTURED)
def test_what_has_a_fixed_shape_is_captured(name: str) -> None:
    found = outcomes(BY_NAME[name], CALLS.get(name, USUAL))
    assert not [call for call, outcome in found.items() if outcome != "equal" and "x > 0" not in call]


def test_a_count_of_another_length_is_that_of_the_function() -> None:
    with loops_by_numpy():
        compiled = cr.compile(lambda i: np.bincount(i))
        assert compiled(np.array([0, 1, 1])).tolist() == [1, 2]
        assert compiled(np.array([0, 1, 4])).tolist() == [1, 1, 0, 0, 1]
        weighted = cr.compile(lambda i, w: np.bincount(i, w))
        weighted(np.array([0, 2]), np.ones(2))
        assert weighted(np.array([0, 1]), np.ones(2)).tolist() == [1.0, 1.0]


def test_unique_is_refused_by_name() -> None:
    with pytest.raises(CaptureError, match=r"looked at by np\.unique"):
        cr.compile(lambda x: np.unique(x))(np.ones(3))


def test_a_shape_that_depends_on_values_is_refused_by_name() -> None:
    refused = {
        lambda x: x[x > 0].sum(): "an index of booleans picked as many elements as are true",
        lambda x: x[np.nonzero(x > 0)].sum(): "nonzero made an array whose shape depends on values",
        lambda x: x[np.where(x > 0)].sum(): "nonzero made an array whose shape depends on values by np.where",
        lambda x: np.compress(x > 0, x).sum(): "flatnonzero made an array whose shape depends on values by np.compress",
        lambda x: np.extract(x > 0, x).sum(): "flatnonzero made an array whose shape depends on values by np.extract",
        lambda x: x[np.argwhere(x > 0)[:, 0]].sum(): "argwhere made an array whose shape depends on values",
    }
    for f, said in refused.items():
        for g in (f, cr.grad(f)):
            with named(said), pytest.raises(CaptureError, match=f"{said}.*use np.where"):
                cr.compile(g)(np.array([1.0, -2.0, 3.0]))
        with named(said), pytest.raises(cr.VmapError):
            cr.vmap(f)(np.ones((2, 3)))


def test_masks_that_change_between_calls() -> None:
    def replaced(x: Any) -> Any:
        y = x * 1.0
        y[y > 0] = 0.5
        return (y**2).sum()

    fixed = (
        replaced,
        lambda x: np.where(x > 0, x**2, 0).sum() / (x > 0).sum(),
        lambda x: np.mean(x, where=x > 0) + np.count_nonzero(x > 0) * x[0],
        lambda x: np.piecewise(x, [x > 0], [lambda v: v**2, lambda v: -v]).sum(),
        lambda x: x[np.argsort(x)][:2].sum() + x[np.argmax(x)],
        lambda x: np.bincount((x > 0).astype(int), weights=x, minlength=2)[1],
    )
    rows = np.array([[1.0, -2.0, 3.0], [-1.0, 4.0, -3.0], [2.0, 5.0, 1.0]])
    for k, f in enumerate(fixed):
        compiled = cr.compile(cr.value_and_grad(f))
        for row in rows:
            with named(k, row):
                value, gradient = cr.value_and_grad(f)(row)
                found, slope = compiled(row)
                np.testing.assert_allclose(found, value)
                np.testing.assert_allclose(slope, gradient)


@walked("f", [np.ravel, np.atleast_3d, np.cumsum, lambda m: m.reshape(-1)])
def test_a_mask_that_is_only_given_another_shape(f: Any) -> None:
    x = np.arange(12.0).reshape(3, 4) - 5
    with loops_by_numpy():
        assert np.array_equal(cr.compile(lambda x: f(x > 0))(x), f(x > 0))
    assert np.array_equal(cr.compile(lambda x: f(x > 0))(x), f(x > 0))

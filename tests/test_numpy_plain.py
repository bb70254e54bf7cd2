"""`chainrule.numpy` on plain arguments is NumPy: the same values, types and dtypes, and the same errors."""

import itertools
import re
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp

from .named import named

EXTRA = {"c_", "r_", "gather", "logsumexp", "mgrid", "ogrid", "row_stack"}
"""What NumPy lacks or drops, and what is no function."""
WRITERS = {"save", "savetxt", "savez", "savez_compressed", "copyto", "fill_diagonal", "place", "put", "putmask"}
SETTERS = {name for name in dir(np) if name.startswith("set")} | {"test", "info", "show_config", "show_runtime"}
"""They change how NumPy works, or print."""
UNDEFINED = {"empty", "empty_like"}
"""Their elements are what the memory held."""
APART = {"fromiter", "printoptions", "ndenumerate", "vectorize"}
"""Classes, what acts like one, and a function whose errors about missing arguments are Python's."""
NAMES = [
    name
    for name in dir(cnp)
    if name not in EXTRA | WRITERS | UNDEFINED | APART | SETTERS
    and not isinstance(getattr(np, name), type | ModuleType)
]


def operands():
    """One of each kind of plain data, made anew: no call may see what another has changed."""
    return {
        "complex": 1 + 2j,
        "complexes": np.array([[1 + 2j, 3j], [2.0, -1j]]),
        "floats": np.array([[1.5, -2.0], [0.25, 3.0]]),
        "halves": np.array([1.5, -2.0], np.float16),
        "whole": np.array([3, 1, 2]),
        "bytes": np.array([1, 200], np.uint8),
        "conditions": np.array([True, False]),
        "objects": np.array([1, 2.5], object),
        "masked": np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]),
        "records": np.array([(1, 2.0), (3, 4.0)], dtype=[("a", int), ("b", float)]),
        "dates": np.array(["2020-02-29", "2021-01-01"], "M8[D]"),
        "spans": np.array([1, 5], "m8[s]"),
        "words": np.array(["a", "bc"]),
        "nested": [[1, 2], [3, 4.5]],
        "number": 2,
        "real": 0.5,
        "scalar": np.float32(0.5),
        "nothing": None,
        "empty": np.zeros((0, 2)),
    }


KINDS = list(operands())
CALLS = [
    *((kind,) for kind in KINDS),
    *((kind, kind) for kind in KINDS),
    *(pair for pair in itertools.product(("floats", "complexes", "whole", "dates"), ("number", "real", "nested"))),
    *((kind, kind, kind) for kind in ("floats", "complexes", "conditions", "whole", "real")),
    ("conditions", "dates", "dates"),
    ("whole", "whole", "halves"),
]


def outcome(function, kinds):
    """What a call gives or raises."""
    given = operands()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*(given[kind] for kind in kinds))
        except Exception as error:
            return error


def same(got, expected):
    """Whether two outcomes are one: type, dtype, shape, mask and elements."""
    if type(got) is not type(expected):
        return False
    if isinstance(expected, Exception):
        return str(got) == str(expected)
    if isinstance(expected, tuple | list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if expected is np.ma.masked:
        return got is expected
    if isinstance(expected, np.ma.MaskedArray):
        mask = np.ma.getmaskarray
        return got.dtype == expected.dtype and same(mask(got), mask(expected)) and same(got.filled(), expected.filled())
    if isinstance(expected, np.ndarray | np.generic):
        return (
            got.dtype == expected.dtype
            and got.shape == expected.shape
            and got.tolist().__repr__() == repr(expected.tolist())
        )
    return got is expected or repr(got) == repr(expected)


def test_the_sweep_is_wide():
    assert len(NAMES) > 300
    assert {"real", "conj", "exp", "sum", "where", "array", "einsum", "unique", "searchsorted"} <= set(NAMES)


@pytest.mark.parametrize("letter", sorted({name[0] for name in NAMES}))
def test_plain_arguments_are_numpy_s_business(letter):
    for name in NAMES:
        if name.startswith(letter):
            with named(name):
                hold(getattr(cnp, name), getattr(np, name))


def hold(ours, numpy):
    for kinds in CALLS:
        got, expected = outcome(ours, kinds), outcome(numpy, kinds)
        assert same(got, expected), f"of {kinds}: got {got!r}, NumPy gives {expected!r}"


def test_what_is_in_a_universal_function_is_there():
    np.testing.assert_array_equal(cnp.add.reduce(np.eye(2, dtype=complex)), [1, 1])
    assert cnp.exp.nin == 1
    assert cnp.exp is cnp.exp


def test_a_tensor_among_the_arguments_is_found_wherever_it_stands():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    for y in (cnp.exp(x), cnp.stack([x, np.ones(2)]), cnp.sum(a=x), cnp.array([[x[0], 1.0]]), cnp.r_[0.0, x]):
        assert y.requires_grad


def test_complex_numbers_and_brackets():
    np.testing.assert_array_equal(cnp.r_[1j, 2:4], np.r_[1j, 2:4])
    np.testing.assert_array_equal(cnp.c_["1,2,0", np.ones(2)], np.c_["1,2,0", np.ones(2)])


@pytest.mark.parametrize("make", [cnp.array, cnp.asarray])
def test_settings_of_numpy_s_array(make):
    assert make([1.0], copy=True).shape == (1,)
    with pytest.raises(TypeError, match="order= is not supported on tensors"):
        make([cr.tensor(1.0)], order="F")


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_function_that_the_readme_says_is_refused_is(page):
    text = (Path(__file__).parents[1] / page).read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("- ") and "np.array([x, y])" in line)
    name = re.search(r"`np\.(\w+)`", line)[1]
    with pytest.raises(TypeError, match=f"np.{name}: chainrule has no derivative for it"):
        cr.grad(lambda x: getattr(np, name)(x).sum())(np.ones(8))
    with pytest.raises(cr.GradientError, match=r"use chainrule\.numpy"):
        cr.grad(lambda x: np.array([x, x]).sum())(1.0)

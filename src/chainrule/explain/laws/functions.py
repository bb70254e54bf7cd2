r"""The functions that records' formulas call by their NumPy names: `\operatorname{reshape}(x, \mathrm{shape})`."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.formula.functions import POINTWISE, WHOLE
from chainrule.formula.more_functions import OWN
from chainrule.rules.elementary.normal_family import NAMES
from chainrule.rules.elementary.special_functions import scipy_special

Function = Callable[..., Any]


def _of_scipy(name: str) -> Function:
    """Return SciPy's function of a name, which is imported when it is called."""

    def computed(*args: Any) -> Any:
        return np.real(getattr(scipy_special(name), name)(*args))

    return computed


OF_SCIPY: Mapping[str, Function] = {name: _of_scipy(name) for name in NAMES}
"""Functions for which NumPy has no name of its own."""


class NumPyFunctions(Mapping[str, Function]):
    """NumPy's functions by name, independent of the engine; `more` takes precedence.

    Whole numbers are passed as ints; a setting that the formula omits but the function accepts, such as `axis`, is
    passed as well.
    """

    def __init__(self, settings: Mapping[str, Any], more: Mapping[str, Function]) -> None:
        self.settings = settings
        self.more = more

    def __getitem__(self, name: str) -> Function:
        if name in self.more:
            return self.more[name]
        own = OWN.get(name) or OF_SCIPY.get(name)
        if own is not None:
            return functools.partial(self._call, own)
        function = getattr(np, name, None) or getattr(np.linalg, name, None)
        if name in POINTWISE or name in WHOLE or not callable(function):
            raise KeyError(name)
        return functools.partial(self._call, function)

    def _call(self, function: Function, *args: Any) -> Any:
        args = tuple(map(_as_ints, args))
        return np.asarray(function(*args, **self._left_out(function, args)), float)

    def _left_out(self, function: Function, args: tuple[Any, ...]) -> dict[str, Any]:
        try:
            signature = inspect.signature(function)
        except ValueError:  # ufuncs have no signature before NumPy 2.4
            return {}
        given = signature.bind_partial(*args).arguments
        return {key: x for key, x in self.settings.items() if key in signature.parameters and key not in given}

    def __iter__(self) -> Iterator[str]:
        return iter((*self.more, *dir(np), *dir(np.linalg)))

    def __len__(self) -> int:
        return len(self.more) + len(dir(np)) + len(dir(np.linalg))


def _as_ints(x: Any) -> Any:
    whole = np.ndim(x) < 2 and np.size(x) and np.all(np.mod(x, 1) == 0)
    return np.asarray(x, int).tolist() if whole else x

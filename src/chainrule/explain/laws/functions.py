r"""The functions that records' formulas call by their NumPy names: `\operatorname{reshape}(x, \mathrm{shape})`."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.formula.functions import POINTWISE, WHOLE, as_double
from chainrule.formula.more_functions import OWN

Function = Callable[..., Any]


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
        if name in OWN:
            return functools.partial(self._call, OWN[name])
        function = getattr(np, name, None) or getattr(np.linalg, name, None)
        if name in POINTWISE or name in WHOLE or not callable(function):
            raise KeyError(name)
        return functools.partial(self._call, function)

    def _call(self, function: Function, *args: Any) -> Any:
        args = tuple(map(_as_ints, args))
        return as_double(function(*args, **self._left_out(function, args)))

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
    whole = np.ndim(x) < 2 and np.size(x) and not np.iscomplexobj(x) and np.all(np.mod(x, 1) == 0)
    return np.asarray(x, int).tolist() if whole else x

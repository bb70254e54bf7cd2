"""Functions that only inspect values, shapes or dtypes. NumPy itself computes them; every result is a constant."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import boxes_in, example, is_captured, mapped_in, plain, running
from chainrule.core.traces.tape import ARRAYS
from chainrule.core.transforms.mapped import constant_like
from chainrule.core.tree import map_leaves

NAMES = (
    *("allclose", "array_equal", "array_equiv", "isclose", "isin", "isneginf", "isposinf"),
    *("iscomplex", "iscomplexobj", "isreal", "isrealobj", "shares_memory", "may_share_memory"),
    *("can_cast", "common_type", "min_scalar_type", "result_type"),
    *("nanargmax", "nanargmin", "lexsort", "digitize", "histogram_bin_edges"),
    *("unravel_index", "ravel_multi_index", "ix_", "diag_indices_from", "tril_indices_from", "triu_indices_from"),
    *("zeros_like", "ones_like", "empty_like", "spacing", "nextafter"),
    *("array2string", "array_repr", "array_str"),
)
ABOUT_SHAPES = ("zeros_like", "ones_like", "empty_like", "can_cast", "common_type", "result_type", "iscomplexobj")
"""Those whose result does not depend on values, so that a capture may call them."""
MADE_TO_WRITE = ("zeros_like", "ones_like", "empty_like")
"""Those that create an array: inside a transform, one that values with a gradient can be written into."""
QUESTIONS = (*(getattr(np, name) for name in NAMES), np.linalg.matrix_rank)
"""All such functions. They return NumPy's own results: arrays, numbers, dtypes, strings."""


def boxed_beside(x: Any, array: Any) -> Any:
    """Return a new array as a constant of the trace of `x` if that is a transform's; otherwise unchanged.

    Beside a value of a capture it is one, too, if its numbers are floating-point ones: what is written into it may
    differ from call to call.
    """
    if not isinstance(x, Tensor) or isinstance(array, Tensor):
        return array
    if x._trace.level > 0:
        return constant_like(array, x)
    if is_captured(x) and isinstance(array, np.ndarray) and array.dtype.kind in "fc":
        return Tensor(running.capture.new(array), ARRAYS, None)
    return array


def _answering(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*args: Any, **settings: Any) -> Any:
        depends = function.__name__ not in ABOUT_SHAPES
        if depends and (mapped_in((args, settings)) is not None or any(True for _ in boxes_in((args, settings)))):
            return plain(lambda args, settings: function(*args, **settings), args, settings)
        look = example if function.__name__ in ABOUT_SHAPES else value_of
        like = args[0] if args and function.__name__ in MADE_TO_WRITE else None
        args, settings = map_leaves(look, (args, settings))
        return boxed_beside(like, function(*args, **settings))

    answer.__name__ = answer.__qualname__ = function.__name__
    answer.__doc__ = f"Return numpy's {function.__name__} of the values: a constant of every derivative."
    return answer


ANSWERS = {function.__name__: implements(function)(_answering(function)) for function in QUESTIONS}

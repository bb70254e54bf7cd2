"""The methods of tensors: the functions of the same name, their forms in place, and operators."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

from . import (
    creation,
    diagonals,
    elementwise,
    factoring,
    indexing,
    linalg,
    products,
    quantiles,
    random,
    reductions,
    shapes,
    special,
)
from .dtypes import dtype
from .face import Tensor, unwrapped, wrapped
from .writing import assign

Method = Callable[..., Any]

FUNCTIONS: dict[Any, tuple[str, ...]] = {
    elementwise: (
        *("abs", "absolute", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "sin"),
        *("cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinc", "sigmoid"),
        *("reciprocal", "deg2rad", "rad2deg", "erf", "erfc", "erfinv", "lgamma", "digamma", "i0", "floor", "ceil"),
        *("trunc", "fix", "round", "frac", "neg", "negative", "positive", "sign", "sgn", "signbit", "isnan", "isinf"),
        *("isfinite", "isposinf", "isneginf", "isreal", "logical_not", "bitwise_not", "relu", "softmax", "log_softmax"),
        *("add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "floor_divide", "remainder"),
        *("fmod", "pow", "float_power", "maximum", "minimum", "fmax", "fmin", "eq", "ne", "lt", "le", "gt", "ge"),
        *("less", "less_equal", "greater", "greater_equal", "not_equal", "logical_and", "logical_or", "logical_xor"),
        *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "atan2", "arctan2"),
        *(
            "arcsin",
            "arccos",
            "arctan",
            "arcsinh",
            "arccosh",
            "arctanh",
            "hypot",
            "logaddexp",
            "logaddexp2",
            "copysign",
        ),
        *(
            "nextafter",
            "heaviside",
            "gcd",
            "lcm",
            "xlogy",
            "clamp",
            "clip",
            "clamp_min",
            "clamp_max",
            "lerp",
            "addcmul",
        ),
        *("addcdiv", "nan_to_num", "logit", "isclose", "allclose", "equal", "polygamma", "mvlgamma", "ldexp", "frexp"),
        *("angle", "conj", "conj_physical", "resolve_conj", "resolve_neg", "isin"),
    ),
    quantiles: ("quantile", "nanquantile"),
    reductions: (
        *("sum", "nansum", "mean", "nanmean", "var", "std", "prod", "max", "min", "amax", "amin", "aminmax", "argmax"),
        *(
            "argmin",
            "all",
            "any",
            "count_nonzero",
            "logsumexp",
            "median",
            "nanmedian",
            "mode",
        ),
        *("norm", "dist", "renorm", "cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "diff", "cov", "corrcoef"),
    ),
    shapes: (
        *(
            "reshape",
            "view",
            "view_as",
            "reshape_as",
            "flatten",
            "ravel",
            "unflatten",
            "squeeze",
            "unsqueeze",
            "permute",
        ),
        *("transpose", "swapaxes", "swapdims", "t", "movedim", "moveaxis", "adjoint", "expand", "expand_as", "repeat"),
        *("tile", "repeat_interleave", "flip", "fliplr", "flipud", "rot90", "roll", "narrow", "select", "unfold"),
        *("as_strided", "unbind", "split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit"),
        *("unsafe_split", "unsafe_chunk"),
    ),
    diagonals: ("diagonal", "diag", "diagflat", "diag_embed", "tril", "triu", "trace", "sum_to_size"),
    indexing: (
        *("index_select", "take", "gather", "take_along_dim", "index_add", "index_copy", "index_fill", "index_put"),
        *("scatter", "scatter_add", "scatter_reduce", "select_scatter", "slice_scatter", "diagonal_scatter"),
        *("masked_fill", "masked_select", "masked_scatter", "put", "nonzero", "argwhere", "sort", "argsort", "msort"),
        *("topk", "kthvalue", "unique", "unique_consecutive", "bincount", "histc", "histogram", "bucketize"),
    ),
    products: (
        *(
            "matmul",
            "mm",
            "bmm",
            "mv",
            "dot",
            "vdot",
            "inner",
            "outer",
            "ger",
            "kron",
            "cross",
            "addmm",
            "addmv",
            "addr",
        ),
        *("baddbmm", "addbmm", "matrix_power"),
    ),
    linalg: (
        *("det", "logdet", "slogdet", "inverse", "cholesky", "cholesky_inverse", "cholesky_solve", "qr", "pinv"),
        *("matrix_exp", "lstsq"),
    ),
    factoring: ("lu_solve",),
    special: ("xlog1py",),
    random: ("multinomial", "bernoulli"),
}
IN_PLACE = (
    *("abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "sin", "cos", "tan"),
    *(
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "sigmoid",
        "reciprocal",
        "erf",
        "erfc",
        "erfinv",
        "floor",
        "ceil",
    ),
    *("trunc", "round", "frac", "neg", "sign", "relu", "add", "sub", "subtract", "mul", "multiply", "div", "divide"),
    *("true_divide", "floor_divide", "remainder", "fmod", "pow", "clamp", "clip", "clamp_min", "clamp_max", "lerp"),
    *("addcmul", "addcdiv", "nan_to_num", "logit", "logical_and", "logical_or", "logical_xor", "logical_not"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "eq", "ne", "lt", "le", "gt", "ge", "hypot", "atan2"),
    *("cumsum", "cumprod", "renorm", "tril", "triu", "index_add", "index_copy", "index_fill", "index_put", "scatter"),
    *("scatter_add", "scatter_reduce", "masked_fill", "masked_scatter", "put", "addmm", "addmv", "addr", "baddbmm"),
    *("acosh", "asinh", "atanh", "arccos", "arcsin", "arctan", "arccosh", "arcsinh", "arctanh", "arctan2", "absolute"),
    *(
        "negative",
        "fix",
        "sgn",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "not_equal",
        "float_power",
        "gcd",
        "lcm",
    ),
    *("ldexp", "mvlgamma", "nextafter", "bitwise_left_shift", "bitwise_right_shift", "conj_physical"),
    *("addbmm", "xlogy", "digamma", "lgamma", "i0", "sinc", "heaviside", "deg2rad", "rad2deg", "copysign"),
)
_PREDICATES = frozenset(
    [
        *("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not"),
        *("not_equal", "less", "less_equal", "greater", "greater_equal"),
    ]
)
VIEWS_IN_PLACE = ("squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims", "as_strided")
OPERATORS = {
    **{"__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div", "__pow__": "pow"},
    **{"__floordiv__": "floor_divide", "__mod__": "remainder", "__lt__": "lt", "__le__": "le", "__gt__": "gt"},
    **{"__ge__": "ge", "__eq__": "eq", "__ne__": "ne", "__and__": "bitwise_and", "__or__": "bitwise_or"},
    **{"__xor__": "bitwise_xor", "__lshift__": "bitwise_left_shift", "__rshift__": "bitwise_right_shift"},
}
COMMUTING = {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rand__": "bitwise_and",
    "__ror__": "bitwise_or",
    "__rxor__": "bitwise_xor",
}


def _in_place(name: str, function: Method) -> Method:
    unsafe = name in _PREDICATES

    def changed(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        _check_leaf(self)
        return assign(self, f"{name}_", unwrapped(function(self, *args, **kwargs)), unsafe)

    changed.__name__, changed.__doc__ = f"{name}_", f"Do `{name}` in place."
    return changed


def _check_leaf(x: Tensor) -> None:
    if x.requires_grad and x.is_leaf and _recording() and not x._through:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation; write x.data, or inside "
            "torch.no_grad()"
        )


def _recording() -> bool:
    from chainrule.core.traces.modes import modes
    from chainrule.core.traces.tape import EAGER

    return modes.floor <= EAGER.level


def _reshaped_in_place(function: Method) -> Method:
    def changed(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self._x = function(self, *args, **kwargs)._x
        return self

    return changed


def _reflected(function: Method) -> Method:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor | np.ndarray | int | float | complex | np.generic):
            return NotImplemented
        return function(_operand(other), self)

    return operator


def _operand(x: Any) -> Any:
    return wrapped(x) if isinstance(x, np.ndarray | np.generic) else x


def _operator(function: Method) -> Method:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            if not isinstance(other, np.ndarray | int | float | complex | np.generic):
                return NotImplemented
            other = _operand(other)
        return function(self, other)

    return operator


def _fill(self: Tensor, value: Any) -> Tensor:
    """Write one value into every element, in place."""
    _check_leaf(self)
    value = unwrapped(value)
    return assign(self, "fill_", value if hasattr(value, "dtype") else np.asarray(value, self._x.dtype), unsafe=True)  # type: ignore[no-any-return]


def _zero(self: Tensor) -> Tensor:
    """Write zeros into every element, in place."""
    return _fill(self, 0)


def _fill_diagonal(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one value on the main diagonal, in place."""
    n = min(self.shape)
    places = np.arange(n)
    self[(places,) * self.ndim] = fill_value
    return self


def _as(target: dtype) -> Method:
    def converted(self: Tensor, **_: Any) -> Tensor:
        return self.to(target)

    converted.__doc__ = f"Return the tensor as {target}."
    return converted


def _new(make: Method) -> Method:
    def made(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **settings: Any
    ) -> Any:
        return make(*size, dtype=dtype or self.dtype, requires_grad=requires_grad, **settings)

    return made


def _new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of data, in the dtype of this one."""
    return creation.tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)


def _pow_of(self: Tensor, base: Any) -> Any:
    return elementwise.pow(wrapped(np.asarray(base)) if not isinstance(base, Tensor) else base, self)


def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the dtype of another one."""
    return self.to(other.dtype)


def _is_same_size(self: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape."""
    return self.shape == other.shape


def _resize(self: Tensor, *size: Any) -> Tensor:
    """Give the tensor another shape, in place; new elements are zeros."""
    shape = shapes.sizes(size)
    self._x = wrapped(np.resize(np.append(value_of(self._x), 0.0).astype(self._x.dtype), shape))._x
    return self


def _joined(self: Tensor, others: Any) -> Any:
    """Return this tensor and others along the first axis."""
    return shapes.cat([self, *others])


def _apply(self: Tensor, function: Any) -> Tensor:
    """Replace each element by a function of it, in place."""
    array = np.vectorize(function, otypes=[self._x.dtype])(np.asarray(value_of(self._x)))
    return assign(self, "apply_", array, unsafe=True)  # type: ignore[no-any-return]


def _set_attributes(table: dict[str, Any]) -> None:
    for name, value in table.items():
        setattr(Tensor, name, value)


def _attach() -> None:
    table: dict[str, Method] = {}
    for module, names in FUNCTIONS.items():
        table |= {name: getattr(module, name) for name in names}
    _set_attributes(table)
    _set_attributes({f"{name}_": _in_place(name, table[name]) for name in IN_PLACE})
    _set_attributes({f"{name}_": _reshaped_in_place(table[name]) for name in VIEWS_IN_PLACE})
    _set_attributes({name: _operator(table[function]) for name, function in OPERATORS.items()})
    _set_attributes({name: _reflected(table[function]) for name, function in COMMUTING.items()})
    _set_attributes(
        {
            f"__i{name[2:]}": _operator_in_place(name, table[f])
            for name, f in OPERATORS.items()
            if name[2:4] not in _COMPARING
        }
    )
    _set_attributes(random.FILL_METHODS)
    _set_attributes({
        "__getitem__": indexing.getitem, "__matmul__": _operator(products.matmul),
        "__rmatmul__": _reflected(products.matmul), "__imatmul__": None,
        "__neg__": elementwise.neg, "__pos__": elementwise.positive, "__abs__": elementwise.abs,
        "__invert__": elementwise.bitwise_not, "__rsub__": _reflected(elementwise.sub),
        "__rtruediv__": _reflected(elementwise.div), "__rdiv__": _reflected(elementwise.div),
        "__rfloordiv__": _reflected(elementwise.floor_divide), "__rmod__": _reflected(elementwise.remainder),
        "__rpow__": _pow_of, "fill_": _fill, "zero_": _zero, "fill_diagonal_": _fill_diagonal,
        "new_zeros": _new(creation.zeros), "new_ones": _new(creation.ones), "new_empty": _new(creation.empty),
        "new_full": _new(creation.full), "new_tensor": _new_tensor, "type_as": _type_as,
        "is_same_size": _is_same_size, "resize_": _resize, "joined": _joined, "apply_": _apply,
        "broadcast_to": shapes.broadcast_to_, "where": _where, "tril": diagonals.tril, "triu": diagonals.triu,
        "T": property(_turned), "mT": property(shapes.adjoint), "mH": property(shapes.adjoint),
        "H": property(shapes.adjoint), "real": property(elementwise.real), "absolute": elementwise.abs,
        "rsub": elementwise.rsub, "is_nonzero": creation.is_nonzero, "argwhere": indexing.nonzero,
        "new_empty_strided": lambda self, size, stride, **settings: _new(creation.zeros)(self, size, **settings),
        "resize_as_": lambda self, other: _resize(self, other.shape),
        "imag": property(lambda self: wrapped(np.imag(self._x))),
        **{name: _as(kind) for name, kind in _KINDS.items()},
    })  # fmt: skip


_COMPARING = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


def _operator_in_place(name: str, function: Method) -> Method:
    def operator(self: Tensor, other: Any) -> Any:
        _check_leaf(self)
        return assign(self, f"{name[2:-2]}_", unwrapped(function(self, _operand(other))))

    return operator


def _where(self: Tensor, condition: Any, other: Any) -> Any:
    """Return the elements of this tensor where a condition holds, and of another one elsewhere."""
    return elementwise.where(condition, self, other)


def _turned(self: Tensor) -> Any:
    """The tensor with its axes in reverse order."""
    return wrapped(np.transpose(self._x))


def _kinds() -> dict[str, dtype]:
    from . import dtypes

    return {
        **{"float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "long": dtypes.int64},
        **{"int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8},
        **{"bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128},
    }


_KINDS = _kinds()
_attach()

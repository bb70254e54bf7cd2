"""The chainrule names of PyTorch's functions, and their relevant arguments."""

from collections.abc import Mapping
from typing import Any

from chainrule.core.operation import Operation
from chainrule.rules.arrays.index import GetItem
from chainrule.rules.arrays.shape import Astype, BroadcastTo, Copy, Reshape, Transpose
from chainrule.rules.elementary.arithmetic import Add, Divide, Multiply, Negative, Subtract
from chainrule.rules.elementary.powers import Power
from chainrule.rules.elementary.rounding import Trunc
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.activation import GeluTanh, LeakyRelu, Relu
from chainrule.rules.network.convolution import Convolution
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy

Arguments = tuple[Any, ...]

OTHER: Mapping[str, type[Operation]] = {
    **dict.fromkeys(("mm", "bmm", "rmatmul", "addmm", "baddbmm"), Matmul),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), Convolution),
    **dict.fromkeys(("T", "mT", "t", "permute", "swapaxes", "swapdims", "movedim", "adjoint"), Transpose),
    **dict.fromkeys(("view", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "view_as"), Reshape),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), BroadcastTo),
    **dict.fromkeys(("to", "float", "double", "half", "bfloat16", "type", "type_as"), Astype),
    **dict.fromkeys(("getitem", "select", "narrow", "index_select", "embedding"), GetItem),
    **dict.fromkeys(("clone", "contiguous"), Copy),
    **dict.fromkeys(("add", "radd", "iadd"), Add),
    **dict.fromkeys(("sub", "rsub", "isub", "subtract"), Subtract),
    **dict.fromkeys(("mul", "rmul", "imul", "multiply"), Multiply),
    **dict.fromkeys(("div", "truediv", "rdiv", "rtruediv", "itruediv", "idiv", "true_divide"), Divide),
    **dict.fromkeys(("pow", "rpow", "ipow", "float_power"), Power),
    **dict.fromkeys(("relu6", "clamp_min"), Relu),
    "neg": Negative,
    "rrelu": LeakyRelu,
    "cross_entropy": SparseSoftmaxCrossEntropy,
    "fix": Trunc,
}
SWAPPED = frozenset({"rmatmul", "rsub", "rdiv", "rtruediv", "rpow"})
"""Operators with their two arguments swapped."""
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "embedding"), ("input", "weight", "bias")),
    **dict.fromkeys(("matmul", "add", "sub", "mul", "div", "subtract", "multiply", "true_divide"), ("input", "other")),
    **dict.fromkeys(("maximum", "minimum", "fmod", "remainder", "atan2"), ("input", "other")),
    **dict.fromkeys(("mm", "bmm"), ("input", "mat2")),
    **dict.fromkeys(("cross_entropy", "nll_loss", "mse_loss", "l1_loss"), ("input", "target")),
    "addmm": ("input", "mat1", "mat2"),
    "baddbmm": ("input", "batch1", "batch2"),
    "pow": ("input", "exponent"),
    "index_select": ("input", "dim", "index"),
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
}
"""The names of arguments that may be passed by keyword; in all other functions, only the first may, as `input`."""


def bare(function: Any) -> str:
    """Return a function's name without the underscores of operators and in-place functions."""
    name = str(getattr(function, "__name__", ""))
    if name == "__get__":  # a property: x.T, x.data
        return str(getattr(getattr(function, "__self__", None), "__name__", ""))
    return name.strip("_")


def bound(name: str, args: Arguments, kwargs: Mapping[str, Any]) -> Arguments:
    """Return the positional arguments, with keyword arguments put in their places."""
    names = PARAMETERS.get(name, ("input",))
    found = list(args)
    for key in names[len(args) :]:
        if key not in kwargs:
            break
        found.append(kwargs[key])
    return tuple(found)


def translated(name: str, args: Arguments, kwargs: Mapping[str, Any]) -> tuple[str, Arguments, dict[str, Any]]:
    """Return an operation's chainrule name, the arguments in chainrule's order, and the settings that are used."""
    args = bound(name, args, kwargs)
    if name in SWAPPED:
        args = args[1::-1]
    if name in ("addmm", "baddbmm"):
        args = (args[1], args[2], args[0])
    elif name == "embedding":
        args = args[1::-1]
    elif name == "einsum":
        args = args[1:] if not isinstance(args[1], tuple | list) else tuple(args[1])
    elif name == "gelu" and kwargs.get("approximate") == "tanh":
        return GeluTanh.name, args, {}
    elif name == "clamp":
        low, high = (_given(args, kwargs, k, key) for k, key in ((1, "min"), (2, "max")))
        return (Relu.name if _is_zero(low) and high is None else name), args[:1], {}
    elif name == "clamp_min" and not _is_zero(_given(args, kwargs, 1, "min")):
        return name, args, {}
    elif name == "scaled_dot_product_attention":
        mask = _given(args, kwargs, 3, "attn_mask")
        causal = _given(args, kwargs, 5, "is_causal")
        return name, args[:3], {"scale": kwargs.get("scale"), "causal": bool(causal), "mask": mask}
    return OTHER[name].name if name in OTHER else name, args, {}


def _given(args: Arguments, kwargs: Mapping[str, Any], place: int, key: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(key)


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def in_place(function: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a call modifies its first argument."""
    name = str(getattr(function, "__name__", ""))
    if name.startswith("__"):
        return (name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")) or name == "__setitem__"
    return name.endswith("_") or kwargs.get("inplace") is True

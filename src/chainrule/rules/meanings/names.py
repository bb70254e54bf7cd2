"""Names that PyTorch's tensors or NumPy's arrays have and these tensors lack, with replacements."""

import numpy as np

PLACE = "every tensor is in the CPU's memory"
IN_PLACE = (
    "tensors are not changed by methods; write y = ..., or for a leaf, under chainrule.no_grad(), x -= ... or "
    "x.data[...] = ..."
)
NAMES = {
    # Shapes
    "unflatten": "x.reshape(...)",
    **dict.fromkeys(("view_as", "reshape_as"), "x.reshape(other.shape)"),
    "unsqueeze": "np.expand_dims(x, axis)",
    "permute": "x.transpose(...)",
    "t": "x.T",
    "H": "x.mT",
    "swapdims": "x.swapaxes(...)",
    "movedim": "np.moveaxis(x, ...)",
    "expand": "np.broadcast_to(x, shape)",
    "expand_as": "np.broadcast_to(x, other.shape)",
    "repeat_interleave": "x.repeat(n, axis=axis)",
    "dim": "x.ndim",
    **dict.fromkeys(("numel", "nelement"), "x.size"),
    # Elements
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), "x.clip(min, max)"),
    "pow": "x ** n",
    "add": "x + y",
    "sub": "x - y",
    "mul": "x * y",
    "div": "x / y",
    "true_divide": "x / y",
    "neg": "-x",
    "rsqrt": "1 / np.sqrt(x)",
    "frac": "x - np.trunc(x)",
    "lerp": "x + w * (y - x)",
    "addcmul": "x + value * a * b",
    "addcdiv": "x + value * a / b",
    **{
        name: f"x {sign} y"
        for name, sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items()
    },
    **{name: f"chainrule.{name}(x)" for name in ("sigmoid", "relu")},
    **{name: f"chainrule.{name}(x, axis)" for name in ("softmax", "log_softmax", "logsumexp")},
    **{name: f"chainrule.special.{name}(x)" for name in ("erf", "erfc", "erfinv", "digamma", "logit", "xlogy")},
    "lgamma": "chainrule.special.gammaln(x)",
    # Reductions and order
    "amax": "x.max(axis)",
    "amin": "x.min(axis)",
    "aminmax": "x.min(axis), x.max(axis)",
    "nanmedian": "np.nanmedian(x, axis)",
    "norm": "np.linalg.norm(x)",
    "topk": "np.flip(np.sort(x, axis=-1), -1)[..., :k]",
    "kthvalue": "np.sort(x, axis=-1)[..., k - 1]",
    "histc": "np.histogram(x)",
    # Products
    **dict.fromkeys(("matmul", "mm", "bmm", "mv"), "x @ y"),
    "ger": "np.outer(x, y)",
    "addmm": "x + a @ b",
    "baddbmm": "x + a @ b",
    **{name: f"np.linalg.{name}(x)" for name in ("det", "slogdet", "cholesky", "qr", "svd", "pinv", "matrix_power")},
    "inverse": "np.linalg.inv(x)",
    "pinverse": "np.linalg.pinv(x)",
    "logdet": "np.linalg.slogdet(x)[1]",
    # Selection
    "gather": "np.take_along_axis(x, index, axis)",
    "index_select": "np.take(x, index, axis)",
    "masked_fill": "np.where(mask, value, x)",
    "masked_select": "x[mask]",
    "where": "np.where(condition, x, y)",
    "select": "np.take(x, k, axis)",
    "narrow": "x[..., start : start + length]",
    "chunk": "np.array_split(x, n, axis)",
    "split": "np.split(x, places, axis)",
    "unbind": "np.unstack(x, axis=axis)",
    **dict.fromkeys(
        ("scatter", "scatter_add", "index_add", "index_copy", "index_fill"), "x.at[index].set(value) or .add(value)"
    ),
    "unfold": "np.stack([x[..., k : k + n] for k in range(...)], axis=-2)",
    # Values and indices in PyTorch's pairs
    "values": "the result itself: x.max(axis=0) and np.sort(x, axis=0) give values only",
    "indices": "x.argmax(axis=0), x.argmin(axis=0) or x.argsort(axis=0)",
    # Dtypes, places, copies
    **dict.fromkeys(("cpu", "cuda", "pin_memory", "contiguous", "share_memory_"), f"x: {PLACE}"),
    "to": f"x.astype(dtype): {PLACE}",
    **dict.fromkeys(("device", "is_cuda"), f"nothing for it: {PLACE}"),
    "double": "x.astype(np.float64)",
    "float": "x.astype(np.float32)",
    "half": "x.astype(np.float16)",
    "long": "x.astype(np.int64)",
    "int": "x.astype(np.int32)",
    "bool": "x.astype(bool)",
    "type": "x.astype(dtype) or x.dtype",
    "type_as": "x.astype(other.dtype)",
    "clone": "x.copy()",
    "is_floating_point": "x.dtype.kind == 'f'",
    "requires_grad_": "chainrule.tensor(x, requires_grad=True)",
    "grad_fn": "x.node",
    "zero_grad": "x.grad = None",
    "register_hook": "x.retain_grad(), after which x.grad holds the gradient",
    "new_zeros": "np.zeros(shape, x.dtype)",
    "new_ones": "np.ones(shape, x.dtype)",
    "new_tensor": "chainrule.tensor(data)",
    "equal": "np.array_equal(x, y)",
    # NumPy's own, of the memory
    **{name: f"x.numpy().{name}" for name in ("nbytes", "itemsize", "strides", "flat", "flags", "tobytes", "base")},
    **dict.fromkeys(("element_size",), "x.dtype.itemsize"),
    **dict.fromkeys(("stride", "data_ptr", "storage", "is_contiguous"), "x.numpy(), whose memory it is"),
    **dict.fromkeys(("fill", "itemset", "partition", "setflags", "resize"), "x.numpy() and a copy of it"),
}
"""What to write for each name."""


def hint(name: str) -> str:
    """Return the hint for a name that tensors lack; an empty string if there is none."""
    if name in NAMES:
        return f"; write {NAMES[name]}"
    if name.endswith("_") and not name.startswith("_"):
        return f"; {IN_PLACE}"
    found = getattr(np, name, None)
    if callable(found) and not isinstance(found, type):
        return f"; write np.{name}(x)"
    return ""

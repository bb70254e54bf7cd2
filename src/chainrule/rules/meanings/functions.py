"""Functions that PyTorch, JAX and TensorFlow have and the package `chainrule` lacks, with what to write here."""

_CPU = "nothing: tensors are in the CPU's memory"
NEAREST = {
    "manual_seed": "cr.seed(n)",
    "from_numpy": "cr.tensor(array)",
    "as_tensor": "cr.tensor(x)",
    "zeros_like": "np.zeros_like(x)",
    "ones_like": "np.ones_like(x)",
    "linspace": "cr.tensor(np.linspace(...))",
    "eye": "cr.tensor(np.eye(n))",
    "empty": "cr.zeros(shape)",
    "randint": "np.random.default_rng().integers(...)",
    "randperm": "np.random.default_rng().permutation(n)",
    "multinomial": "np.random.default_rng().choice(...)",
    "Generator": "np.random.default_rng(seed)",
    "float32": "np.float32",
    "float64": "np.float64",
    "long": "np.int64",
    "autograd": "cr.grad(f) or loss.backward()",
    "func": "cr.grad, cr.jacobian and their kin",
    "linalg": "np.linalg, which takes tensors",
    "fft": "np.fft, which takes tensors",
    "unsqueeze": "np.expand_dims(x, axis)",
    "permute": "np.transpose(x, axes)",
    "mm": "a @ b",
    "bmm": "a @ b",
    "topk": "np.sort(x)",
    "gather": "np.take_along_axis(x, index, axis)",
    "clamp": "np.clip(x, low, high)",
    "utils": "cr.data for datasets and loaders",
    "device": _CPU,
    "cuda": _CPU,
    "get_default_device": _CPU,
    "set_default_device": _CPU,
    "inference_mode": "cr.no_grad()",
    "set_grad_enabled": "cr.no_grad()",
    "is_grad_enabled": "x.requires_grad, which is False for what is computed under cr.no_grad()",
    "is_tensor": "isinstance(x, cr.Tensor)",
    "concat": "cr.concatenate(arrays, axis)",
    "jit": "cr.compile(f)",
    "set_default_dtype": "model.to(np.float64): a module has the dtype of its parameters",
    "float": "np.float32",
    "double": "np.float64",
    "half": "np.float16",
    "int": "np.int32",
    "bool": "np.bool_",
    **{
        name: f"np.{name}"
        for name in ("int8", "int16", "int32", "int64", "uint8", "float16", "complex64", "complex128")
    },
    **{
        f"{kind}Tensor": f"cr.tensor(x, dtype=np.{dtype})"
        for kind, dtype in (("Float", "float32"), ("Double", "float64"), ("Long", "int64"), ("Bool", "bool_"))
    },
    **{
        name: f"cr.nn.functional.{name}"
        for name in (
            *("cross_entropy", "mse_loss", "l1_loss", "nll_loss", "binary_cross_entropy", "smooth_l1_loss", "dropout"),
            *("linear", "embedding", "layer_norm", "conv2d", "max_pool2d", "pad"),
        )
    },
    **{name: f"cr.nn.{name}" for name in ("Module", "Linear", "Sequential", "Parameter", "Conv2d", "Embedding")},
    **{name: f"cr.optim.{name}" for name in ("SGD", "Adam", "AdamW", "RMSprop")},
    "DataLoader": "cr.data.DataLoader",
    "functional": "cr.nn.functional",
    "enable_grad": "nothing: a gradient is recorded outside cr.no_grad()",
    **{name: f"np.{name}, which takes tensors" for name in ("sum", "mean", "abs", "max", "min", "argmax", "cumsum")},
}

OTHERS = {
    "jnp": "NumPy itself, whose functions take tensors",
    "pmap": "cr.distributed",
    "lax": "cr.scan, cr.fori_loop and cr.stop_gradient",
    "linear_util": "cr.linearize",
    "custom_vjp": "cr.custom",
    "custom_jvp": "cr.custom",
    "custom_gradient": "cr.custom",
    "remat": "cr.checkpoint",
    "GradientTape": "cr.grad(f), or cr.tensor(x, requires_grad=True) and loss.backward()",
    "Variable": "cr.tensor(x, requires_grad=True)",
    "constant": "a NumPy array, or cr.tensor(x)",
    "convert_to_tensor": "cr.tensor(x)",
    "function": "cr.compile(f)",
    "keras": "cr.nn, cr.optim and cr.train",
    **{f"reduce_{name}": f"np.{name}, which takes tensors" for name in ("sum", "mean", "max", "min", "prod")},
}
"""Those of JAX and TensorFlow, and what PyTorch had in its first years."""


def nearest(name: str) -> str:
    """Return the end of the error for a name that the package lacks.

    >>> nearest("manual_seed")
    "; here it is cr.seed(n), or use PyTorch's names: import chainrule.torch as torch"
    """
    if name in OTHERS:
        return f"; here it is {OTHERS[name]}"
    found = NEAREST.get(name)
    return "" if found is None else f"; here it is {found}, or use PyTorch's names: import chainrule.torch as torch"

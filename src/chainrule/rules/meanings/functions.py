"""Functions that PyTorch has and the package `chainrule` lacks, with what to write here."""

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
    "device": "nothing: tensors are in the CPU's memory",
    "inference_mode": "cr.no_grad()",
    "enable_grad": "nothing: a gradient is recorded outside cr.no_grad()",
    **{name: f"np.{name}, which takes tensors" for name in ("sum", "mean", "abs", "max", "min", "argmax", "cumsum")},
}


def nearest(name: str) -> str:
    """Return the end of the error for a name that the package lacks.

    >>> nearest("manual_seed")
    "; here it is cr.seed(n), or use PyTorch's names: import chainrule.torch as torch"
    """
    found = NEAREST.get(name)
    return "" if found is None else f"; here it is {found}, or use PyTorch's names: import chainrule.torch as torch"

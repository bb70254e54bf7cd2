"""Hold `chainrule.torch` against PyTorch's own samples of its operators (OpInfo), value by value.

    python benchmarks/opinfo.py [--dtype float64] [--only NAME ...] [--failures] [--limit SAMPLES]

Each operator is looked up by its own name, as a function or else as a method, and called with PyTorch's own arguments.
Results must have PyTorch's dtypes and shapes. In float64 the forward pass must agree to 1e-10 and the gradient of each
input to 1e-8, in other dtypes to what `NEAR` says. PyTorch's testing package needs `expecttest`.
"""

import argparse
import collections
import functools
import itertools
import sys
import warnings
from typing import Any

import numpy as np
import torch
from tally import Tally
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import gradcheck_wrapper_hermitian_input, gradcheck_wrapper_masked_operation

import chainrule.torch as door

RANDOM = {
    *("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "normal", "uniform", "rand_like"),
    *("randint", "randint_like", "randn", "randn_like", "empty", "empty_like", "empty_permuted", "empty_strided"),
    *("new_empty", "new_empty_strided", "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d"),
    *("nn.functional.multi_head_attention_forward",),
    *("nn.functional.alpha_dropout", "nn.functional.feature_alpha_dropout", "nn.functional.rrelu"),
    *("nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d", "pca_lowrank", "svd_lowrank"),
}
"""Operators whose results differ from run to run: their shapes and dtypes are compared."""


ORDERS = {
    "where": lambda f, x, condition, other: f(condition, x, other),
    "einsum": lambda f, tensors, equation: f(equation, *tensors),
    "polygamma": lambda f, x, n, **settings: f(n, x, **settings),
    "special.polygamma": lambda f, x, n, **settings: f(n, x, **settings),
    "fill": lambda f, x, value: f(x.clone(), value),
    "zero_": lambda f, x: f(x.clone()),
    "svd_lowrank": lambda f, a, b, **settings: f(a @ b.mT, **settings),
    "pca_lowrank": lambda f, a, b, **settings: f(a @ b.mT, **settings),
    "nn.functional.embedding": lambda f, weight, indices, **settings: f(indices, weight, **settings),
    "nn.functional.embedding_bag": lambda f, weight, indices, *a, **settings: f(indices, weight, *a, **settings),
}
"""How PyTorch itself calls those operators whose samples list the arguments in another order."""


VARIANTS = {
    ("linalg.lstsq", "grad_oriented"): lambda f, a, b, driver: f(a, b, driver=driver)[:2],
    ("linalg.pinv", "singular"): lambda f, a, b: f(a @ b.mT),
    ("normal", "in_place"): lambda _, x, mean, std: x.clone().normal_(mean, std),
}


NEAR = {"float64": (1e-10, 1e-8), "float32": (1e-4, 1e-3), "float16": (1e-2, 5e-2)}
"""How near values and gradients must be, relative and absolute; integers and booleans as float32: they become it."""


REFUSED = {"bfloat16"}
"""Names that are there to say why they cannot be had."""


def offered(name: str) -> Any:
    """Return the function of this name here, or the method; None if there is neither."""
    if name in REFUSED:
        return None
    found: Any = door
    try:
        for part in name.split("."):
            found = getattr(found, part)
        if callable(found) and not isinstance(found, door.dtype):
            return found
    except (AttributeError, RuntimeError):
        pass
    method = getattr(door.Tensor, name, None) or getattr(door.Tensor, f"{name}_", None)
    if isinstance(method, property):
        return lambda x: getattr(x, name)
    return method


class Converter:
    """Turns PyTorch's values into ours; remembers the leaves in order."""

    def __init__(self) -> None:
        self.leaves: list[tuple[Any, Any]] = []

    def __call__(self, x: Any) -> Any:
        """Return the same value here."""
        if isinstance(x, torch.Tensor):
            made = door.tensor(x.detach().resolve_conj().resolve_neg().numpy().copy())
            if x.requires_grad:
                made.requires_grad_()
                self.leaves.append((x, made))
            return made
        if isinstance(x, torch.nn.Module):
            return getattr(door.nn, type(x).__name__)()
        if isinstance(x, torch.dtype):
            return getattr(door, str(x).partition(".")[2])
        if callable(x) and hasattr(door.nn.functional, getattr(x, "__name__", "")):
            return getattr(door.nn.functional, x.__name__)
        if isinstance(x, tuple | list):
            items = [self(item) for item in x]
            return items if type(x) is list else tuple(items)
        if isinstance(x, dict):
            return {key: self(value) for key, value in x.items()}
        return x


def tensors_in(x: Any, kind: type) -> list[Any]:
    """Return the tensors in a result."""
    if isinstance(x, torch.Tensor | door.Tensor | door.sparse.SparseTensor) and x.is_sparse:
        x = x.to_dense()
    if isinstance(x, kind):
        return [x]
    if isinstance(x, tuple | list):
        return [y for item in x for y in tensors_in(item, kind)]
    return [x] if isinstance(x, int | float | bool | complex) else []


def suitable(sample: Any) -> bool:
    """Whether a sample consists of real dense tensors, which are not dropped at random."""
    if sample.kwargs.get("dropout_p"):
        return False
    return not any(x.layout is not torch.strided for x in _deep([sample.input, sample.args, sample.kwargs]))


def _deep(x: Any) -> list[Any]:
    if isinstance(x, torch.Tensor):
        return [x]
    items = x.values() if isinstance(x, dict) else x if isinstance(x, tuple | list) else ()
    return [y for item in items for y in _deep(item)]


def compare(op: Any, sample: Any, near: tuple[float, float] = NEAR["float64"]) -> str | None:
    """Return what differs for one sample, or None."""
    function, convert = offered(op.name), Converter()
    args, kwargs = convert([sample.input, *sample.args]), convert(sample.kwargs)
    # Of vectors with any sign and phase, for example, the sample says what is determined.
    determined = sample.output_process_fn_grad
    kept = Ellipsis
    if op.gradcheck_wrapper is gradcheck_wrapper_masked_operation and sample.kwargs.get("mask") is not None:
        # What no element is left for is not defined.
        kept = torch.masked._output_mask(op.op, sample.input, *sample.args, **sample.kwargs).numpy()
    if op.gradcheck_wrapper is gradcheck_wrapper_hermitian_input:
        function = functools.partial(gradcheck_wrapper_hermitian_input, function)
        op_called = functools.partial(gradcheck_wrapper_hermitian_input, op)
    else:
        op_called = op
    theirs_all = tensors_in(determined(op_called(sample.input, *sample.args, **sample.kwargs)), torch.Tensor)
    order = VARIANTS.get((op.name, op.variant_test_name)) or ORDERS.get(op.name, lambda f, *a, **k: f(*a, **k))
    ours_all = tensors_in(determined(order(function, *args, **kwargs)), door.Tensor)
    if len(theirs_all) != len(ours_all):
        return f"{len(ours_all)} results, expected {len(theirs_all)}"
    pairs = []
    for theirs, ours in zip(theirs_all, ours_all, strict=True):
        if not isinstance(theirs, torch.Tensor):
            if theirs != ours and not (theirs != theirs and ours != ours):
                return f"value {ours}, expected {theirs}"
            continue
        a, b = theirs.detach().resolve_conj().resolve_neg().numpy(), door.values_of(ours)
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{b.dtype}{list(b.shape)}, expected {a.dtype}{list(a.shape)}"
        if op.name in RANDOM:
            continue
        if not np.allclose(a[kept], b[kept], near[0], near[0], equal_nan=True):
            with np.errstate(all="ignore"):
                return f"forward differs by {np.nanmax(np.abs(a[kept].astype(complex) - b[kept])):.2g}"
        if theirs.requires_grad:
            pairs.append((theirs, ours))
    if op.name in RANDOM or not pairs or not op.supports_autograd:
        return None
    return gradients(pairs, convert.leaves, near[1])


def gradients(pairs: list[Any], leaves: list[tuple[Any, Any]], near: float) -> str | None:
    """Return how the gradients differ, or None."""
    rng = np.random.default_rng(0)
    cotangents = [
        rng.uniform(0.5, 1.5, tuple(theirs.shape)).astype(door.values_of(ours).dtype) for theirs, ours in pairs
    ]
    xs = [x for x, _ in leaves]
    expected = torch.autograd.grad([y for y, _ in pairs], xs, [torch.tensor(c) for c in cotangents], allow_unused=True)
    with_grad = [(ours, c) for (_, ours), c in zip(pairs, cotangents, strict=True) if ours.requires_grad]
    if with_grad:
        door.autograd.backward([y for y, _ in with_grad], [door.tensor(c) for _, c in with_grad])
    for k, ((x, ours), right) in enumerate(zip(leaves, expected, strict=True)):
        a = np.zeros(tuple(x.shape)) if right is None else right.numpy(force=True)
        b = np.zeros(tuple(x.shape)) if ours.grad is None else door.values_of(ours.grad)
        limit = max(near, 1e-5) if a.dtype.itemsize < 8 else near  # some samples have arguments in float32
        if not np.allclose(a, b, limit, limit, equal_nan=True):
            with np.errstate(all="ignore"):
                return f"gradient {k} differs by {np.nanmax(np.abs(a - b)):.2g}"
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--failures", action="store_true")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--dtype", default="float64")
    options = parser.parse_args()
    dtype, near = getattr(torch, options.dtype), NEAR.get(options.dtype, NEAR["float32"])
    warnings.simplefilter("ignore")
    tally = Tally()
    missing = []
    for op in op_db:
        if dtype not in op.supported_dtypes("cpu") or (options.only and op.name not in options.only):
            continue
        if offered(op.name) is None:
            missing.append(op.name)
            continue
        tally.results.setdefault(op.name, collections.Counter())
        torch.manual_seed(0)
        with_gradient = op.supports_autograd and dtype.is_floating_point
        samples = op.sample_inputs("cpu", dtype, requires_grad=with_gradient)
        for sample in itertools.islice(filter(suitable, samples), options.limit):
            tally.judge(op, sample, functools.partial(compare, near=near))
    if options.failures:
        tally.print_errors()
        print("missing:", " ".join(dict.fromkeys(missing)))
    right, wrong = tally.totals()
    whole = sum(not c["wrong"] for c in tally.results.values())
    print(f"{len(tally.results)} operators offered, {len(set(missing))} not; {whole} right in every sample")
    print(f"{right} of {right + wrong} samples right: {right / max(right + wrong, 1):.2%}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Hold NumPy's names, differentiated, against PyTorch's own samples of its operators (OpInfo), value by value.

    python benchmarks/opinfo_numpy.py [--dtype complex128] [--only NAME ...] [--failures] [--limit SAMPLES]

Each operator is written as a user of NumPy would write it (`written/table.py`). The values must agree to 1e-10 and the
vector-Jacobian products to 1e-8; PyTorch's are the conjugates of ours. What is left out is printed with the reason
(`written/left_out.py`). PyTorch's testing package needs `expecttest`.
"""

import argparse
import collections
import itertools
import warnings
from typing import Any

import numpy as np
import torch
from tally import Tally
from torch.testing._internal.common_methods_invocations import op_db
from written.functions import adjoint
from written.left_out import NOT_COMPARED, different
from written.table import function_of

import chainrule as cr


def numpy_of(x: Any) -> Any:
    """Return PyTorch's values as NumPy's."""
    if isinstance(x, torch.Tensor):
        return x.detach().resolve_conj().resolve_neg().numpy(force=True).copy()
    if isinstance(x, torch.dtype):
        return np.dtype(str(x).partition(".")[2])
    if isinstance(x, tuple | list):
        items = [numpy_of(item) for item in x]
        return items if type(x) is list else tuple(items)
    return {key: numpy_of(value) for key, value in x.items()} if isinstance(x, dict) else x


def in_double(x: Any) -> Any:
    """Return a float32 tensor in float64, and all else as it is."""
    return x.detach().double() if isinstance(x, torch.Tensor) and x.dtype is torch.float32 else x


def leaves_of(x: Any) -> list[Any]:
    """Return the tensors in arguments that require a gradient."""
    if isinstance(x, torch.Tensor):
        return [x] if x.requires_grad else []
    items = x.values() if isinstance(x, dict) else x if isinstance(x, tuple | list) else ()
    return [y for item in items for y in leaves_of(item)]


def filled(x: Any, values: Any) -> Any:
    """Return arguments with the tensors that require a gradient replaced, in order, and all else as NumPy's."""
    if isinstance(x, torch.Tensor) and x.requires_grad:
        return next(values)
    if isinstance(x, tuple | list):
        items = [filled(item, values) for item in x]
        return items if type(x) is list else tuple(items)
    return {key: filled(value, values) for key, value in x.items()} if isinstance(x, dict) else numpy_of(x)


def outputs_of(x: Any) -> list[Any]:
    """Return the arrays or tensors in a result."""
    if isinstance(x, tuple | list):
        return [y for item in x for y in outputs_of(item)]
    return [] if x is None else [x]


def compare(op: Any, sample: Any) -> str | None:
    """Return what differs for one sample, or None."""
    function = function_of(op.name)
    sample = sample.transform(in_double)  # a few samples mix in float32
    given = [sample.input, sample.args, sample.kwargs]
    is_hermitian = getattr(op.gradcheck_wrapper, "__name__", "") == "gradcheck_wrapper_hermitian_input"
    made: Any = (lambda x: x + adjoint(x)) if is_hermitian else lambda x: x
    x = sample.input + sample.input.mH if is_hermitian else sample.input
    theirs = outputs_of(op(x, *sample.args, **sample.kwargs))
    leaves = leaves_of(given)

    def ours_of(*values: Any) -> list[Any]:
        x, args, settings = filled(given, iter(values))
        return outputs_of(function(made(x), *args, **settings))

    inputs = numpy_of(leaves)
    found, pullback = cr.vjp(ours_of, *inputs) if leaves else (ours_of(), None)
    if len(theirs) != len(found):
        return f"{len(found)} results, expected {len(theirs)}"
    for a, b in zip(map(numpy_of, theirs), found, strict=True):
        if np.shape(a) != np.shape(b):
            return f"shape {np.shape(b)}, expected {np.shape(a)}"
        if np.asarray(a).dtype.kind != np.asarray(b).dtype.kind in "fc":
            return f"{np.asarray(b).dtype}, expected {np.asarray(a).dtype}"
        if not np.allclose(a, b, 1e-10, 1e-10, equal_nan=True):
            return f"value differs by {np.nanmax(np.abs(np.asarray(a, complex) - b)):.2g}"
    moving = [y for y in theirs if isinstance(y, torch.Tensor) and y.requires_grad]
    if pullback is None or not moving or not op.supports_autograd:
        return None
    rng = np.random.default_rng(0)
    weights = [
        rng.uniform(0.5, 1.5, np.shape(y)) + (1j * rng.uniform(0.5, 1.5, np.shape(y)) if np.iscomplexobj(y) else 0)
        for y in found
    ]
    theirs_bar = [torch.tensor(np.asarray(w)) for y, w in zip(theirs, weights, strict=True) if y.requires_grad]
    expected = torch.autograd.grad(moving, leaves, theirs_bar, allow_unused=True)
    got = pullback([np.conj(w) if y.requires_grad else np.zeros_like(w) for y, w in zip(theirs, weights, strict=True)])
    for k, (x, a, b) in enumerate(zip(inputs, expected, got, strict=True)):
        right = np.zeros(np.shape(x)) if a is None else numpy_of(a)
        if not np.allclose(right, np.conj(b), 1e-8, 1e-8, equal_nan=True):
            return f"gradient {k} differs by {np.nanmax(np.abs(right - np.conj(b))):.2g}"
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--failures", action="store_true")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--dtype", default="complex128", choices=["complex128", "float64"])
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    warnings.simplefilter("ignore")
    left_out = {name: reason for reason, names in NOT_COMPARED.items() for name in names.split()}
    tally = Tally()
    without = set()
    apart: collections.Counter[str] = collections.Counter()
    for op in op_db:
        if dtype not in op.supported_dtypes("cpu") or (options.only and op.name not in options.only):
            continue
        if op.name in left_out:
            continue
        if function_of(op.name) is None:
            without.add(op.name)
            continue
        tally.results.setdefault(op.name, collections.Counter())
        torch.manual_seed(0)
        samples = op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd)
        for sample in itertools.islice(samples, options.limit):
            if (reason := different(op.name, sample)) is not None:
                apart[f"{op.name}: {reason}"] += 1
                continue
            tally.judge(op, sample, compare)
    if options.failures:
        tally.print_errors()
        print("missing:", " ".join(sorted(without)))
    print("Samples left out, by operator:")
    for text, n in apart.items():
        print(f"    {n}x {text}")
    print("Operators left out:")
    for reason, names in NOT_COMPARED.items():
        print(f"    {reason}: {names}")
    right, wrong = tally.totals()
    whole = sum(not c["wrong"] for c in tally.results.values())
    print(f"{len(without)} operators, mostly layers and losses, are not written for NumPy (--failures lists them)")
    print(f"{len(tally.results)} operators compared, {whole} right in every sample")
    print(f"{right} of {right + wrong} samples right: {right / max(right + wrong, 1):.2%}")


if __name__ == "__main__":
    main()

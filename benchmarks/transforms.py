"""What the transforms cost: Hessian-vector products in gradients, batched Jacobians, the memory of checkpoints.

    OPENBLAS_NUM_THREADS=1 python benchmarks/transforms.py

One thread: the products are small, and threads that wait for each other would be measured instead of them. Every
result is compared with the plain way to it before anything is timed.
"""

import functools
import gc
import math
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from timing import alternate, machine, table

import chainrule as cr
from chainrule.core.transforms import jacobians

RANDOM = np.random.default_rng(0)
Function = Callable[[Any], Any]


def perceptron(*sizes: int) -> Function:
    """A tanh network of that many units in each layer."""
    layers = [(RANDOM.normal(size=(n, m)) / math.sqrt(n), RANDOM.normal(size=m)) for n, m in pairwise(sizes)]

    def network(x: Any) -> Any:
        for w, b in layers:
            x = np.tanh(cr.nn.functional.linear(x, w, b))
        return x

    return network


def elementwise(x: Any) -> Any:
    return np.tanh(np.sin(x) * x + np.exp(-x))


def seconds(candidates: dict[str, Callable[[], object]], slow: bool = False) -> dict[str, float]:
    found = alternate(candidates, rounds=6 if slow else 20, repeats=1 if slow else 3)
    return {name: times[0] for name, times in found.items()}


def products() -> None:
    """Hessian-vector products in units of one gradient."""
    rows = []
    for sizes in ((32, 64, 64), (256, 256, 256), (784, 512, 512)):
        x, v = RANDOM.normal(size=sizes[0]), RANDOM.normal(size=sizes[0])
        network = perceptron(*sizes)

        def loss(x: np.ndarray, network: object = network) -> object:
            return (network(x) ** 2).sum()

        gradient = cr.grad(loss)
        h = 1e-5
        numeric = (gradient(x + h * v) - gradient(x - h * v)) / (2 * h)
        np.testing.assert_allclose(cr.hvp(loss, (x,), (v,)), numeric, rtol=1e-4, atol=1e-7)
        pushed = cr.linearize(gradient, x)[1]
        np.testing.assert_allclose(pushed(v), cr.hvp(loss, (x,), (v,)), rtol=1e-12)
        found = seconds(
            {
                "f": lambda f=loss, x=x: f(x),
                "grad": lambda g=gradient, x=x: g(x),
                "hvp": lambda f=loss, x=x, v=v: cr.hvp(f, (x,), (v,)),
                "linearized": lambda p=pushed, v=v: p(v),
            }
        )
        unit = found["grad"]
        name = "-".join(map(str, sizes))
        rows.append([name, f"{unit * 1e6:.0f}", *(f"{found[k] / unit:.2f}" for k in ("f", "hvp", "linearized"))])
    print(table(["network", "gradient, µs", "loss", "hvp", "f_jvp of linearize(grad(f))"], rows))


def whole_jacobians() -> None:
    """Batched directions against one at a time."""
    cases = {
        "network 10-64-10": (perceptron(10, 64, 10), 10),
        "network 100-256-100": (perceptron(100, 256, 100), 100),
        "network 784-512-10": (perceptron(784, 512, 10), 784),
        "elementwise, 100": (elementwise, 100),
        "elementwise, 1000": (elementwise, 1000),
    }
    rows = []
    for name, (f, n) in cases.items():
        x = RANDOM.normal(size=n)
        for mode in ("reverse", "forward"):
            transform = cr.jacobian(f, mode=mode)
            np.testing.assert_allclose(transform(x), singly(transform, x), rtol=1e-9, atol=1e-12)
            found = seconds(
                {"together": lambda t=transform, x=x: t(x), "singly": lambda t=transform, x=x: singly(t, x)},
                slow=n > 500,
            )
            times = [f"{found[key] * 1e3:.2f}" for key in ("singly", "together")]
            rows.append([name, mode, *times, f"{found['singly'] / found['together']:.1f}"])
    print(table(["function", "mode", "one direction at a time, ms", "batched, ms", "times faster"], rows))


def singly(transform: Function, x: Any) -> Any:
    limit, jacobians.BATCH_ELEMENTS = jacobians.BATCH_ELEMENTS, 1
    try:
        return transform(x)
    finally:
        jacobians.BATCH_ELEMENTS = limit


def memory() -> None:
    """The largest number of arrays alive at once in a chain of n steps cut into √n checkpoints."""
    size = 20_000

    def steps(x: Any, count: int) -> Any:
        for _ in range(count):
            x = np.tanh(x)
        return x

    def run(n: int, root: int) -> tuple[float, Any]:
        cut = cr.checkpoint(lambda x: steps(x, root))
        x = cr.tensor(np.full(size, 0.5), requires_grad=True)
        gc.collect()
        tracemalloc.start()
        y = x
        if root:
            for _ in range(n // root):
                y = cut(y)
        else:
            y = steps(y, n)
        y.sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / (8 * size), x.grad.numpy()

    run(4, 2)
    rows = []
    for root in (4, 8, 16, 32):
        n = root * root
        (plain, expected), (cut, got) = run(n, 0), run(n, root)
        np.testing.assert_array_equal(got, expected)
        rows.append([str(n), f"{plain:.0f}", f"{cut:.0f}", f"{cut / math.sqrt(n):.2f}"])
    print(table(["steps n", "arrays, plain", "arrays, √n checkpoints", "÷ √n"], rows))


def mlp_loss(p: Any, x: Any, y: Any, f: Any, relu: Any) -> Any:
    for k in range(2):
        x = relu(x @ p[f"w{k}"] + p[f"b{k}"])
    return f.cross_entropy((x @ p["w2"] + p["b2"])[None], y[None])


def convolutional_loss(p: Any, x: Any, y: Any, f: Any, relu: Any) -> Any:
    h = x[None]
    for k in range(2):
        h = f.max_pool2d(relu(f.conv2d(h, p[f"w{k}"], p[f"b{k}"], padding=1)), 2)
    return f.cross_entropy(h.reshape(1, -1) @ p["w2"] + p["b2"], y[None])


def per_sample_gradients() -> None:
    """The gradient of each of 256 samples: together, in a loop, and by torch.func."""
    samples, rows = 256, []
    shapes = {
        "MLP 64-128-128-10": (mlp_loss, (64,), {"w0": (64, 128), "w1": (128, 128), "w2": (128, 10)}),
        "convolutions 8 and 16 of 16 x 16": (
            convolutional_loss,
            (1, 16, 16),
            {"w0": (8, 1, 3, 3), "w1": (16, 8, 3, 3), "w2": (256, 10)},
        ),
    }
    for name, (loss, size, weights) in shapes.items():
        p = {key: (RANDOM.normal(size=shape) / 8).astype(np.float32) for key, shape in weights.items()}
        p |= {f"b{k}": np.zeros(p[f"w{k}"].shape[0 if p[f"w{k}"].ndim == 4 else 1], np.float32) for k in range(3)}
        x, y = RANDOM.normal(size=(samples, *size)).astype(np.float32), RANDOM.integers(0, 10, samples)
        gradient = cr.grad(functools.partial(loss, f=cr.nn.functional, relu=lambda x: np.maximum(x, 0)))
        each = cr.vmap(gradient, in_axes=(None, 0, 0))
        candidates: dict[str, Callable[[], object]] = {
            "vmap": lambda e=each, p=p, x=x, y=y: e(p, x, y),
            "loop": lambda g=gradient, p=p, x=x, y=y: [g(p, *row) for row in zip(x, y, strict=True)],
        }
        for key, stack in each(p, x, y).items():
            np.testing.assert_allclose(stack[3], gradient(p, x[3], y[3])[key], atol=1e-5)
        torch_each = torch_gradients(loss, p, x, y)
        if torch_each is not None:
            candidates["torch"] = torch_each
            for key, stack in torch_each().items():
                np.testing.assert_allclose(stack.numpy(), each(p, x, y)[key], atol=1e-4)
        found = seconds(candidates, slow=True)
        torch = f"{found['torch'] * 1e3:.1f}" if "torch" in found else "not installed"
        ratio = f"{found['loop'] / found['vmap']:.0f}"
        rows.append([name, f"{found['vmap'] * 1e3:.1f}", f"{found['loop'] * 1e3:.0f}", ratio, torch])
    print(table(["256 gradients of", "vmap, ms", "loop, ms", "times faster", "torch.func, ms"], rows))


def torch_gradients(loss: Any, p: Any, x: Any, y: Any) -> Any:
    """The same gradients by PyTorch, as a function; None if it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    gradient = torch.func.grad(functools.partial(loss, f=torch.nn.functional, relu=torch.relu))
    each = torch.func.vmap(gradient, in_dims=(None, 0, 0))
    tensors = {key: torch.tensor(value) for key, value in p.items()}
    return functools.partial(each, tensors, torch.tensor(x), torch.tensor(y))


def sparse_jacobians() -> None:
    """A tridiagonal Jacobian: three passes, whatever its size."""
    rows = []
    for n in (1_000, 10_000, 100_000):
        x = np.linspace(0, 1, n)

        def f(x: Any) -> Any:
            y = x**3
            return np.concatenate([[0.0], y[2:] - 2 * y[1:-1] + y[:-2], [0.0]]) + x

        pattern = cr.sparsity_pattern(f, x)
        found = seconds(
            {
                "pattern": lambda f=f, x=x: cr.sparsity_pattern(f, x),
                "given": lambda f=f, x=x, p=pattern: cr.jacobian(f, sparsity=p)(x),
            },
            slow=True,
        )
        rows.append([str(n), *(f"{found[k] * 1e3:.1f}" for k in ("pattern", "given"))])
    print(table(["n", "finding the pattern, ms", "Jacobian with a given pattern, ms"], rows))


def main() -> None:
    print(f"({machine()})\n")
    for title, part in {
        "Hessian-vector products, in units of one gradient": products,
        "Whole Jacobians": whole_jacobians,
        "Memory of a backward pass, in arrays of the chain": memory,
        "Gradients of single samples": per_sample_gradients,
        "Sparse Jacobians": sparse_jacobians,
    }.items():
        print(f"{title}\n")
        part()
        print()


if __name__ == "__main__":
    main()

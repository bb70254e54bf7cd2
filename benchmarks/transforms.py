"""What the transforms cost: Hessian-vector products in gradients, batched Jacobians, the memory of checkpoints.

    OPENBLAS_NUM_THREADS=1 python benchmarks/transforms.py

One thread: the products are small, and threads that wait for each other would be measured instead of them. Every
result is compared with the plain way to it before anything is timed.
"""

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


def main() -> None:
    print(f"({machine()})\n")
    for title, part in {
        "Hessian-vector products, in units of one gradient": products,
        "Whole Jacobians": whole_jacobians,
        "Memory of a backward pass, in arrays of the chain": memory,
    }.items():
        print(f"{title}\n")
        part()
        print()


if __name__ == "__main__":
    main()

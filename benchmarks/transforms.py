"""What the transforms cost: Hessian-vector products in gradients, batched Jacobians, the memory of checkpoints; and
per-sample gradients, sparse Jacobians, an ODE's adjoint, FFT convolutions and loops beside autograd, JAX and PyTorch.

    OPENBLAS_NUM_THREADS=1 python benchmarks/transforms.py

One thread: the products are small, and threads that wait for each other would be measured instead of them. Every
result is compared with the plain way to it before anything is timed.
"""

import functools
import gc
import importlib
import math
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scans
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


def oscillator(np: Any) -> Callable[..., Any]:
    """A damped oscillator of ten coupled masses."""
    return lambda y, _, k: np.concatenate([y[10:], -k * y[:10] + 0.1 * np.tanh(y[:10].sum()) - 0.05 * y[10:]])


def adjoint_of_an_equation() -> None:
    """The gradient of a solution's end by 10 stiffnesses and 20 initial values."""
    y, k, t = np.linspace(0, 1, 20), np.linspace(1, 3, 10), np.array([0.0, 5.0])

    def ours(y: Any, k: Any) -> Any:
        return (cr.scipy.integrate.odeint(oscillator(np), y, t, (k,), rtol=1e-6, atol=1e-8)[-1] ** 2).sum()

    candidates = {"chainrule": functools.partial(cr.grad(ours, argnums=(0, 1)), y, k)}
    expected = candidates["chainrule"]()
    if autograd := imported("autograd"):
        from autograd.builtins import tuple as traced_tuple
        from autograd.scipy.integrate import odeint

        names = imported("autograd.numpy")

        def theirs(yk: Any) -> Any:
            found = odeint(oscillator(names), yk[0], t, traced_tuple((yk[1],)), rtol=1e-6, atol=1e-8)
            return names.sum(found[-1] ** 2)

        candidates["autograd"] = lambda: autograd.grad(theirs)((y, k))
    if jax := imported("jax"):
        from jax.experimental.ode import odeint as jax_odeint

        jax.config.update("jax_enable_x64", True)

        def in_jax(y: Any, k: Any) -> Any:
            return (jax_odeint(oscillator(jax.numpy), y, t, k, rtol=1e-6, atol=1e-8)[-1] ** 2).sum()

        compiled = jax.jit(jax.grad(in_jax, argnums=(0, 1)))
        candidates["jax, jitted"] = lambda: jax.block_until_ready(compiled(y, k))
    beside(candidates, expected, 1e-3)


def fft_convolutions() -> None:
    """The gradient by a filter of the energy of a filtered signal."""
    for n in (4_096, 131_072):
        x, w = RANDOM.normal(size=n), RANDOM.normal(size=n)

        def loss(w: Any, np: Any = np, x: Any = x, n: int = n) -> Any:
            return (np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(w), n) ** 2).sum() / n

        gradient = cr.grad(loss)
        candidates: dict[str, Callable[[], object]] = {
            "chainrule": functools.partial(gradient, w),
            "compiled": functools.partial(cr.compile(gradient), w),
        }
        if autograd := imported("autograd"):
            candidates["autograd"] = functools.partial(
                autograd.grad(functools.partial(loss, np=imported("autograd.numpy"))), w
            )
        if jax := imported("jax"):
            jitted = jax.jit(jax.grad(functools.partial(loss, np=jax.numpy)))
            candidates["jax, jitted"] = lambda f=jitted, w=w: jax.block_until_ready(f(w))
        if torch := imported("torch"):
            candidates["torch"] = torch_filter(torch, x, w, n)
        print(f"{n} samples\n")
        beside(candidates, gradient(w), 1e-4)
        print()


def torch_filter(torch: Any, x: Any, w: Any, n: int) -> Callable[[], object]:
    """The same gradient in PyTorch."""
    torch.set_num_threads(1)
    signal, taps = torch.tensor(x), torch.tensor(w, requires_grad=True)

    def run() -> object:
        y = torch.fft.irfft(torch.fft.rfft(signal) * torch.fft.rfft(taps), n)
        return torch.autograd.grad((y**2).sum() / n, taps)[0]

    return run


def imported(name: str) -> Any:
    """Return a peer, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def beside(candidates: dict[str, Callable[[], object]], expected: Any, tolerance: float) -> None:
    """Compare the results of peers, and print their times."""
    right = np.concatenate([np.ravel(part) for part in (expected if isinstance(expected, tuple) else (expected,))])
    for name, run in candidates.items():
        found = run()
        parts = found if isinstance(found, tuple | list) else (found,)
        flat = np.concatenate([np.ravel(np.asarray(part)) for part in parts])
        np.testing.assert_allclose(flat, right, rtol=tolerance, atol=tolerance, err_msg=name)
    found = seconds(candidates, slow=True)
    print(table(["", "ms"], [[name, f"{found[name] * 1e3:.2f}"] for name in candidates]))


def main() -> None:
    print(f"({machine()})\n")
    for title, part in {
        "Hessian-vector products, in units of one gradient": products,
        "Whole Jacobians": whole_jacobians,
        "Memory of a backward pass, in arrays of the chain": memory,
        "Gradients of single samples": per_sample_gradients,
        "Sparse Jacobians, tridiagonal: three passes": sparse_jacobians,
        "The adjoint of a differential equation": adjoint_of_an_equation,
        "Convolutions by FFT": fft_convolutions,
        "Loops of many steps (`scans.py`)": lambda: print(scans.report()),
    }.items():
        print(f"{title}\n")
        part()
        print()


if __name__ == "__main__":
    main()

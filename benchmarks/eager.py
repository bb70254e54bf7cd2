"""What one eager operation costs, forward and backward, on 4×4 arrays, where the engine itself is nearly all of it.

    python benchmarks/eager.py

Each candidate runs the same chain y ← y · x (and y ← tanh(y), y ← y @ x) of 100 operations and its backward pass in
float64, on one thread. The gradients are compared before anything is timed. PyTorch, HIPS autograd and MyGrad take part
where they are installed: `python -m pip install '.[bench,torch]'`.
"""

import importlib.util
from collections.abc import Callable

import numpy as np
from timing import alternate, machine, table

import chainrule as cr

LENGTH = 100
X = np.random.default_rng(0).uniform(0.9, 1.1, (4, 4))
MATRIX = np.linalg.qr(X)[0]
Step = Callable[[], np.ndarray]


def hand_written(kind: str) -> Step:
    """NumPy as one would write it by hand for exactly this chain."""

    def multiply() -> np.ndarray:
        saved, y = [], X
        for _ in range(LENGTH):
            saved.append(y)
            y = y * X
        y_bar, x_bar = np.ones_like(X), 0.0
        for a in reversed(saved):
            x_bar = x_bar + y_bar * a
            y_bar = y_bar * X
        return x_bar + y_bar

    def tanh() -> np.ndarray:
        saved, y = [], X
        for _ in range(LENGTH):
            y = np.tanh(y)
            saved.append(y)
        y_bar = np.ones_like(X)
        for y in reversed(saved):
            y_bar = y_bar * (1 - y * y)
        return y_bar

    def matmul() -> np.ndarray:
        saved, y = [], MATRIX
        for _ in range(LENGTH):
            saved.append(y)
            y = y @ MATRIX
        y_bar, x_bar = np.ones_like(X), 0.0
        for a in reversed(saved):
            x_bar = x_bar + a.T @ y_bar
            y_bar = y_bar @ MATRIX.T
        return x_bar + y_bar

    return {"multiply": multiply, "tanh": tanh, "matmul": matmul}[kind]


def chain(kind: str, x: object, tanh: Callable[[object], object]) -> object:
    """The chain itself, for anything with operators."""
    y = x
    if kind == "multiply":
        for _ in range(LENGTH):
            y = y * x
    elif kind == "tanh":
        for _ in range(LENGTH):
            y = tanh(y)
    else:
        for _ in range(LENGTH):
            y = y @ x
    return y


def start(kind: str) -> np.ndarray:
    return MATRIX if kind == "matmul" else X


def of_chainrule(kind: str) -> Step:
    ones = np.ones((4, 4))
    leaf = cr.tensor(start(kind), requires_grad=True)

    def step() -> np.ndarray:
        leaf.grad = None
        chain(kind, leaf, cr.tanh).backward(ones)
        return leaf.grad.data

    return step


def of_torch(kind: str) -> Step:
    import torch

    torch.set_num_threads(1)
    ones = torch.ones((4, 4), dtype=torch.float64)
    leaf = torch.tensor(start(kind), requires_grad=True)

    def step() -> np.ndarray:
        leaf.grad = None
        chain(kind, leaf, torch.tanh).backward(ones)
        return leaf.grad.numpy()

    return step


def of_autograd(kind: str) -> Step:
    import autograd
    import autograd.numpy as anp

    ones = np.ones((4, 4))
    pull = autograd.make_vjp(lambda x: chain(kind, x, anp.tanh))
    return lambda: pull(start(kind))[0](ones)


def of_mygrad(kind: str) -> Step:
    import mygrad

    ones = np.ones((4, 4))
    leaf = mygrad.tensor(start(kind))

    def step() -> np.ndarray:
        leaf.null_grad()
        chain(kind, leaf, mygrad.tanh).backward(ones)
        return leaf.grad

    return step


PEERS = {"PyTorch": ("torch", of_torch), "autograd": ("autograd", of_autograd), "MyGrad": ("mygrad", of_mygrad)}


def main() -> None:
    peers = {name: make for name, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
    makers = {"NumPy by hand": hand_written, "chainrule": of_chainrule, **peers}
    rows = []
    for kind in ("multiply", "tanh", "matmul"):
        steps = {name: make(kind) for name, make in makers.items()}
        expected = steps["NumPy by hand"]()
        for name, step in steps.items():
            np.testing.assert_allclose(step(), expected, rtol=1e-10, err_msg=f"{name}, {kind}")
        found = alternate(steps)
        rows.append([kind, *(f"{found[name][0] / LENGTH * 1e6:.2f}" for name in makers)])
    print("Microseconds for one operation, forward and backward, 4×4 float64; median of 40 alternating rounds")
    print(f"({machine()})\n")
    print(table(["operation", *makers], rows))


if __name__ == "__main__":
    main()

"""Convolution, pooling and a training step of LeNet-5 in float32: chainrule, its plain NumPy path, and PyTorch.

    python benchmarks/convolution.py
    python benchmarks/convolution.py lenet      # the network alone; also: parts, stacks, small
    python benchmarks/convolution.py small --cpu

`parts` are LeNet-5's layers on 28×28 images, batch 64, each with its gradients, `stacks` layers of larger networks, and
`small` those of networks for small images, for which PyTorch's images are in either order of memory. With `--cpu` it is
the least CPU time on one thread, which depends little on what else the machine does, and not the median time. All
candidates get the same arrays; their results are compared before anything is timed. PyTorch takes part where it is
installed, with as many threads as there are cores, as the others have: `python -m pip install '.[bench,torch]'`.

A turn begins with calls that are not timed, for some hundredths of a second. The threads of PyTorch's OpenMP and of
OpenBLAS wait for more work in a loop for milliseconds, and would take a core from the next candidate; and a core that
has been idle takes as long to come back.
"""

import contextlib
import gc
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping

BY_CPU = "--cpu" in sys.argv
if BY_CPU:  # read when the libraries are loaded
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np  # noqa: E402
from timing import machine, table  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule import nn  # noqa: E402
from chainrule.nn import functional as F  # noqa: E402
from chainrule.rules.arrays.windows import Windows  # noqa: E402
from chainrule.rules.network import convolution, pooling  # noqa: E402
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose  # noqa: E402
from chainrule.rules.network.pooling import MaxPool, SumPool, SumUnpool  # noqa: E402

Step = Callable[[], object]
TORCH = importlib.util.find_spec("torch") is not None
RNG = np.random.default_rng(0)
BATCH = 64


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """Let convolution and pooling use plain NumPy; nothing else is changed."""
    before = convolution.KERNEL_FROM, pooling.KERNEL_FROM
    convolution.KERNEL_FROM = pooling.KERNEL_FROM = sys.maxsize
    try:
        yield
    finally:
        convolution.KERNEL_FROM, pooling.KERNEL_FROM = before


def in_numpy(step: Step) -> Step:
    def run() -> object:
        with without_kernels():
            return step()

    return run


def alternate(
    candidates: Mapping[str, Step], rounds: int = 12, repeats: int = 6, warm: float = 0.03
) -> dict[str, float]:
    """Return the median seconds of one call of each candidate, in turns whose order rotates; the least by `--cpu`."""
    clock = time.process_time if BY_CPU else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                step = candidates[name]
                until = time.perf_counter() + warm
                while time.perf_counter() < until:
                    step()
                for _ in range(repeats):
                    began = clock()
                    step()
                    seconds[name].append(clock() - began)
    finally:
        gc.enable()
    return {name: (min if BY_CPU else statistics.median)(times) for name, times in seconds.items()}


# Layers: what is timed, by name, for each candidate.


def convolutions(
    batch: int,
    channels: int,
    outputs: int,
    size: int,
    kernel: int,
    padding: int,
    stride: int = 1,
    groups: int = 1,
    both_orders: bool = False,
) -> dict[str, dict[str, Step]]:
    """A convolution and its gradients with respect to its images and its kernels."""
    windows = Windows.of((kernel, kernel), stride, padding)
    x, w = normal(batch, channels, size, size), normal(outputs, channels // groups, kernel, kernel)
    z = normal(batch, outputs, *windows.count((size, size)))
    ours: dict[str, Step] = {
        "forward": lambda: Convolution.primal(x, w, windows=windows, groups=groups),
        "images": lambda: ConvolutionTranspose.primal(z, w, windows=windows, groups=groups, size=(size, size)),
        "kernels": lambda: ConvolutionKernel.primal(x, z, windows=windows, groups=groups),
    }
    found = {name: {"chainrule": step, "NumPy": in_numpy(step)} for name, step in ours.items()}
    settings = (stride, padding, groups)
    for last in (False, True)[: TORCH * (1 + both_orders)]:
        for name, step in convolutions_of_torch(x, w, z, *settings, last).items():
            found[name]["PyTorch, channels last" if last else "PyTorch"] = step
    return found


def convolutions_of_torch(
    x: np.ndarray, w: np.ndarray, z: np.ndarray, stride: int, padding: int, groups: int, last: bool
) -> dict[str, Step]:
    import torch

    order = torch.channels_last if last else torch.contiguous_format
    tx, tw, tz = (torch.from_numpy(a).to(memory_format=order) for a in (x, w, z))
    settings = (None, (stride, stride), (padding, padding), (1, 1), False, (0, 0), groups)
    backward = torch.ops.aten.convolution_backward
    return {
        "forward": lambda: torch.nn.functional.conv2d(tx, tw, None, stride, padding, 1, groups),
        "images": lambda: backward(tz, tx, tw, *settings, (True, False, False))[0],
        "kernels": lambda: backward(tz, tx, tw, *settings, (False, True, False))[1],
    }


def pools(shape: tuple[int, ...], kernel: int, stride: int, padding: int) -> dict[str, dict[str, Step]]:
    """Max and sum (PyTorch: average) pooling, each with its gradient."""
    windows, size = Windows.of((kernel, kernel), stride, padding), shape[-2:]
    x = normal(*shape)
    y, winner = MaxPool.primal_keeping(x, windows=windows)
    z = normal(*y.shape)
    ours: dict[str, Step] = {
        "max": lambda: MaxPool.primal_keeping(x, windows=windows)[0],
        "max, gradient": lambda: MaxPool.adjoint_x(z, winner, x.shape, windows=windows),
        "sum": lambda: SumPool.primal(x, windows=windows),
        "sum, gradient": lambda: SumUnpool.primal(z, windows=windows, size=size),
    }
    found = {name: {"chainrule": step, "NumPy": in_numpy(step)} for name, step in ours.items()}
    if TORCH:
        import torch

        tx, tz = torch.from_numpy(x), torch.from_numpy(z)
        pairs = ((kernel, kernel), (stride, stride), (padding, padding))
        aten = torch.ops.aten
        indices = aten.max_pool2d_with_indices(tx, *pairs)[1]
        found["max"]["PyTorch"] = lambda: aten.max_pool2d_with_indices(tx, *pairs)[0]
        found["max, gradient"]["PyTorch"] = lambda: aten.max_pool2d_with_indices_backward(
            tz, tx, *pairs, (1, 1), False, indices
        )
        # With the divisor 1, PyTorch's average is the sum.
        found["sum"]["PyTorch"] = lambda: aten.avg_pool2d(tx, *pairs, False, True, 1)
        found["sum, gradient"]["PyTorch"] = lambda: aten.avg_pool2d_backward(tz, tx, *pairs, False, True, 1)
    return found


PARTS = {
    "conv 1→6, 5×5, padding 2, 28×28": lambda: convolutions(BATCH, 1, 6, 28, 5, 2),
    "pool 2×2, 6 × 28×28": lambda: pools((BATCH, 6, 28, 28), 2, 2, 0),
    "conv 6→16, 5×5, 14×14": lambda: convolutions(BATCH, 6, 16, 14, 5, 0),
    "pool 2×2, 16 × 10×10": lambda: pools((BATCH, 16, 10, 10), 2, 2, 0),
}
STACKS = {
    "conv 3→32, 3×3, 32×32": lambda: convolutions(32, 3, 32, 32, 3, 1),
    "conv 32→64, 3×3, 32×32": lambda: convolutions(32, 32, 64, 32, 3, 1),
    "conv 64→64, 3×3, 16×16": lambda: convolutions(32, 64, 64, 16, 3, 1),
    "conv 128→128, 3×3, 8×8": lambda: convolutions(32, 128, 128, 8, 3, 1),
    "conv 256→256, 3×3, 4×4": lambda: convolutions(32, 256, 256, 4, 3, 1),
    "conv 32→64, 3×3, stride 2, 32×32": lambda: convolutions(32, 32, 64, 32, 3, 1, stride=2),
    "conv 64→64, 1×1, 16×16": lambda: convolutions(32, 64, 64, 16, 1, 0),
    "pool 2×2, 64 × 32×32, batch 32": lambda: pools((32, 64, 32, 32), 2, 2, 0),
    "pool 3×3, stride 2, padding 1": lambda: pools((32, 64, 32, 32), 3, 2, 1),
}
SMALL = {
    "16→16, 3×3, 32×32": lambda: convolutions(BATCH, 16, 16, 32, 3, 1, both_orders=True),
    "16→32, 3×3, stride 2, 32×32": lambda: convolutions(BATCH, 16, 32, 32, 3, 1, stride=2, both_orders=True),
    "32→32, 3×3, 16×16": lambda: convolutions(BATCH, 32, 32, 16, 3, 1, both_orders=True),
    "64→64, 3×3, 8×8": lambda: convolutions(BATCH, 64, 64, 8, 3, 1, both_orders=True),
    "128→128, 3×3, 8×8": lambda: convolutions(BATCH, 128, 128, 8, 3, 1, both_orders=True),
    "16→32, 1×1, stride 2, 32×32": lambda: convolutions(BATCH, 16, 32, 32, 1, 0, stride=2, both_orders=True),
    "64→128, 1×1, 16×16": lambda: convolutions(BATCH, 64, 128, 16, 1, 0, both_orders=True),
    "128→128, 1×1, 8×8": lambda: convolutions(BATCH, 128, 128, 8, 1, 0, both_orders=True),
    "64, 3×3, depthwise, 16×16": lambda: convolutions(BATCH, 64, 64, 16, 3, 1, groups=64, both_orders=True),
    "32, 3×3, depthwise, 32×32": lambda: convolutions(BATCH, 32, 32, 32, 3, 1, groups=32, both_orders=True),
}


# LeNet-5: LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU and max pooling.


def lenet_of_chainrule() -> nn.Module:
    """LeNet-5 for images `[B, 1, 28, 28]`."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    for parameter in net.parameters():
        parameter.data = np.asarray(parameter.data, np.float32)
    return net


def lenet_of_torch(net: nn.Module) -> object:
    """The same network for PyTorch, with the parameters of chainrule's."""
    import torch

    layer = torch.nn
    theirs = layer.Sequential(
        layer.Conv2d(1, 6, 5, padding=2),
        layer.ReLU(),
        layer.MaxPool2d(2),
        layer.Conv2d(6, 16, 5),
        layer.ReLU(),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(400, 120),
        layer.ReLU(),
        layer.Linear(120, 84),
        layer.ReLU(),
        layer.Linear(84, 10),
    )
    with torch.no_grad():
        for ours, parameter in zip(net.parameters(), theirs.parameters(), strict=True):
            value = np.asarray(ours.data)
            parameter.copy_(torch.from_numpy(np.array(value.T if value.shape != tuple(parameter.shape) else value)))
    return theirs


def batch_of_images() -> tuple[np.ndarray, np.ndarray]:
    return normal(BATCH, 1, 28, 28), RNG.integers(0, 10, BATCH)


def lenet_step(net: nn.Module, x: np.ndarray, target: np.ndarray) -> Callable[[], list[np.ndarray]]:
    """Forward and backward pass; the gradients of the parameters."""

    def step() -> list[np.ndarray]:
        for parameter in net.parameters():
            parameter.grad = None
        F.cross_entropy(net(x), target).backward()
        return [np.asarray(parameter.grad.data) for parameter in net.parameters()]

    return step


def lenet_step_of_torch(net: object, x: np.ndarray, target: np.ndarray) -> Callable[[], list[np.ndarray]]:
    import torch

    images, classes = torch.from_numpy(x), torch.from_numpy(target)

    def step() -> list[np.ndarray]:
        for parameter in net.parameters():
            parameter.grad = None
        torch.nn.functional.cross_entropy(net(images), classes).backward()
        return [parameter.grad.numpy() for parameter in net.parameters()]

    return step


def lenet_steps() -> dict[str, Callable[[], list[np.ndarray]]]:
    """A training step without its update, for each candidate; one more is one more line."""
    cr.seed(0)
    net, (x, target) = lenet_of_chainrule(), batch_of_images()
    ours = lenet_step(net, x, target)
    steps = {"chainrule": ours, "NumPy": in_numpy(ours)}
    if TORCH:
        steps["PyTorch"] = lenet_step_of_torch(lenet_of_torch(net), x, target)
    return steps


# Comparing, timing, writing.


def arrays(value: object) -> list[np.ndarray]:
    return [np.asarray(one) for one in (value if isinstance(value, list) else [value])]


def check(name: str, steps: Mapping[str, Step]) -> None:
    """Stop where a candidate computes something else than plain NumPy."""
    expected = arrays(steps["NumPy"]())
    for who, step in steps.items():
        for got, other in zip(arrays(step()), expected, strict=True):
            got = got.T if got.shape != other.shape else got
            slack = 1e-4 * np.abs(other).max()
            np.testing.assert_allclose(got, other, rtol=1e-3, atol=slack, err_msg=f"{name}: {who}")


def row(name: str, steps: Mapping[str, Step], names: list[str]) -> list[str]:
    check(name, steps)
    found = alternate(steps)
    others = [who for who in names if who != "chainrule"]
    times = [f"{found[who] * 1e6:.0f}" for who in names]
    return [name, *times, *(f"{found['chainrule'] / found[who]:.2f}" for who in others)]


def main() -> None:
    if TORCH:
        import torch

        torch.set_num_threads(1 if BY_CPU else os.cpu_count() or 1)
    wanted = [name for name in sys.argv[1:] if name != "--cpu"] or ["parts", "lenet", "stacks"]
    rows, names = [], []
    for group in wanted:
        lenet = {"LeNet-5, step": lambda: {"": lenet_steps()}}
        problems = {"lenet": lenet, "parts": PARTS, "stacks": STACKS, "small": SMALL}[group]
        for title, make in problems.items():
            for part, steps in make().items():
                names = list(steps)
                rows.append(row(f"{title}: {part}" if part else title, steps, names))
                print(rows[-1][0], file=sys.stderr)
    ratios = [f"chainrule / {who}" for who in names if who != "chainrule"]
    what = "least CPU time on one thread" if BY_CPU else "medians"
    print(f"Microseconds, float32; {what} of 12 alternating turns of 6 calls. A ratio below 1: chainrule is faster.")
    print(f"({machine()})\n")
    print(table(["", *names, *ratios], rows))


if __name__ == "__main__":
    main()

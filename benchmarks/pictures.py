"""One training step on pictures: the networks of `chainrule train photos/` here and in PyTorch, compiled and eager.

    python benchmarks/pictures.py [--batch 64] [--rounds 10] [--cpu]

The pictures are 28×28 grey for `cnn` and 32×32 RGB for `resnet8`; a step is forward, cross-entropy with label
smoothing, backward and AdamW. Both have the same layers and take turns; the median of the rounds is shown. With `--cpu`
it is CPU time on one thread, which depends less on what else runs. For the accuracy of the whole:
`benchmarks/picture_folders.py FOLDER`, then `chainrule train FOLDER`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

if "--cpu" in sys.argv:  # before NumPy is imported
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np
from timing import alternate, machine, table

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn.networks import ConvNet, ResNet

SHAPES = {"cnn": (1, 28, 28), "resnet8": (3, 32, 32)}


def batch(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, *SHAPES[name])).astype(np.float32), rng.integers(0, 10, size)


def of_chainrule(name: str, size: int, compiled: bool) -> Callable[[], object]:
    x, y = batch(name, size)
    model = ConvNet(SHAPES[name], 10) if name == "cnn" else ResNet(SHAPES[name][0], 10)
    loss, optimizer = nn.CrossEntropyLoss(label_smoothing=0.1), optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    taken = cr.compile(step) if compiled else step
    return lambda: taken(x, y)


def of_torch(name: str, size: int) -> Callable[[], object]:
    import torch
    from torch import nn as tnn

    class Block(tnn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.body = tnn.Sequential(
                tnn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), tnn.BatchNorm2d(outputs), tnn.ReLU(),
                tnn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), tnn.BatchNorm2d(outputs),
            )  # fmt: skip
            changes = stride > 1 or inputs != outputs
            self.short = tnn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else tnn.Identity()

        def forward(self, x: Any) -> Any:
            return torch.relu(self.body(x) + self.short(x))

    def stage(inputs: int, outputs: int) -> list[Any]:
        convolution = tnn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        return [convolution, tnn.BatchNorm2d(outputs), tnn.ReLU(), tnn.MaxPool2d(2)]

    if name == "cnn":
        hidden = [tnn.Linear(64 * 49, 128, bias=False), tnn.BatchNorm1d(128), tnn.ReLU(), tnn.Dropout(0.3)]
        model = tnn.Sequential(*stage(1, 32), *stage(32, 64), tnn.Flatten(), *hidden, tnn.Linear(128, 10))
    else:
        stem = [tnn.Conv2d(3, 16, 3, 1, 1, bias=False), tnn.BatchNorm2d(16), tnn.ReLU()]
        blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
        model = tnn.Sequential(*stem, *blocks, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(64, 10))
    x, y = map(torch.from_numpy, batch(name, size))
    loss = tnn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step() -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    rows = []
    for name in SHAPES:
        found = alternate(
            {
                "compiled": of_chainrule(name, options.batch, True),
                "eager": of_chainrule(name, options.batch, False),
                "PyTorch": of_torch(name, options.batch),
            },
            options.rounds,
            1,
            clock,
        )
        middle = {way: 1e3 * seconds[0] for way, seconds in found.items()}
        ratio = middle["compiled"] / middle["PyTorch"]
        rows.append([name, *(f"{ms:.1f}" for ms in middle.values()), f"{ratio:.2f}"])
    print(machine())
    print(table([f"batch {options.batch}, ms", "chainrule, compiled", "eager", "PyTorch", "compiled / PyTorch"], rows))


if __name__ == "__main__":
    main()

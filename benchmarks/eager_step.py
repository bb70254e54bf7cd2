"""Time of one eager training step in float32: chainrule and PyTorch.

    python benchmarks/eager_step.py                 # GPT, LeNet-5, perceptrons, ResNet-8: CPU time on one thread
    python benchmarks/eager_step.py --only GPT --rounds 5
    python benchmarks/eager_step.py --threads 2     # the time on the clock, for a machine that does nothing else

The networks are those of `training_step.py`, which compares their losses and weights, and ResNet-8 on 64 images of
32×32, with batch normalisation and SGD, for which the first loss of the same weights is compared here. Each engine runs
in processes of its own, which take turns; the time is the least of all steps, so it depends little on what else the
machine does. PyTorch's images are tried in both orders of memory, and the faster one counts.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

THREADS = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = THREADS

import numpy as np  # noqa: E402
from peers.cases import CASES  # noqa: E402
from timing import machine, table  # noqa: E402

RESNET = "ResNet-8, batch 64"
ENGINES = ("chainrule", "PyTorch", "PyTorch, channels last")
STEPS, WARM = 12, 3
CLOCK = time.process_time if THREADS == "1" else time.perf_counter
Step = Callable[[], Any]


def blocks(nn: Any, relu: Any) -> Any:
    """ResNet-8, He et al. 2015 for CIFAR-10 with one block in each stage, from either library's modules."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(outputs)
            self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(outputs)
            self.short = nn.Conv2d(inputs, outputs, 1, stride=stride) if inputs != outputs else None

        def forward(self, x: Any) -> Any:
            y = self.norm2(self.second(relu(self.norm1(self.first(x)))))
            return relu(y + (x if self.short is None else self.short(x)))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
            self.head = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(relu(self.norm(self.first(x)))).mean((2, 3)))

    return Network()


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weight of a name, alike for both; of a linear layer as `[in, out]`."""
    if len(shape) == 1:
        return np.ones(shape, np.float32) if "norm" in name and name.endswith("weight") else np.zeros(shape, np.float32)
    rng = np.random.default_rng([*name.encode()])
    fan = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
    return (rng.standard_normal(shape) * (2 / fan) ** 0.5).astype(np.float32)


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((64, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 64)


def resnet_of_chainrule() -> Step:
    from chainrule import nn, optim

    net, (x, y) = blocks(nn, nn.functional.relu), images()
    for name, parameter in net.named_parameters():
        parameter.data = weights(name, parameter.shape)
    optimizer = optim.SGD(net.named_parameters(), lr=0.01, momentum=0.9)

    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def resnet_of_torch(channels_last: bool) -> Step:
    import torch

    net, (x, y) = blocks(torch.nn, torch.relu), images()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            is_turned = parameter.ndim == 2
            value = weights(name, tuple(parameter.shape)[::-1] if is_turned else tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(value.T.copy() if is_turned else value))
    order = torch.channels_last if channels_last else torch.contiguous_format
    net, inputs, target = net.to(memory_format=order), torch.from_numpy(x).to(memory_format=order), torch.from_numpy(y)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(inputs), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def step_of(name: str, engine: str) -> Step | None:
    """Return the step of a network, or None where an engine has only one order of memory for it."""
    if engine != "chainrule":
        import torch

        torch.set_num_threads(int(THREADS))
    if name == RESNET:
        return resnet_of_chainrule() if engine == "chainrule" else resnet_of_torch(engine.endswith("last"))
    if engine.endswith("last"):
        return None
    if engine == "chainrule":
        from peers import of_chainrule as peer
    else:
        from peers import of_torch as peer
    case = next(case for case in CASES if case.name == name)
    candidate = peer.Eager(case)
    if engine != "chainrule":
        import torch

        torch.set_num_threads(int(THREADS))  # the candidate has set its own number
    candidate.reset()
    return candidate.step


def measure(name: str, engine: str) -> None:
    """Run in a process of its own: print the loss of the first step and the least time."""
    step = step_of(name, engine)
    if step is None:
        print(json.dumps(None))
        return
    loss, seconds = float(step().item()), []
    for _ in range(WARM):
        step()
    for _ in range(STEPS):
        began = CLOCK()
        step()
        seconds.append(CLOCK() - began)
    print(json.dumps([loss, min(seconds)]))


def run(name: str, engine: str) -> Any:
    command = [sys.executable, __file__, "--one", name, "--engine", engine, "--threads", THREADS]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="networks whose name holds this text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="with more than one, what the clock says is the time")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one, given.engine)
        return
    rows = []
    for name in [*(case.name for case in CASES), RESNET]:
        if given.only not in name:
            continue
        best: dict[str, float] = {}
        losses: dict[str, float] = {}
        for _ in range(given.rounds):
            for engine in ENGINES:
                found = run(name, engine)
                if found is not None:
                    losses[engine] = found[0]
                    best[engine] = min(best.get(engine, np.inf), found[1])
        np.testing.assert_allclose(list(losses.values()), losses["chainrule"], rtol=2e-4, err_msg=name)
        ours, theirs = best.pop("chainrule"), min(best.values())
        rows.append([name, f"{ours * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{ours / theirs:.2f}"])
        print(rows[-1], file=sys.stderr)
    what = "of CPU time for one eager step, float32, one thread" if THREADS == "1" else "for one eager step, float32"
    print(f"Milliseconds {what} ({machine()})\n")
    print(table(["step", "chainrule", "PyTorch", "ratio"], rows))


if __name__ == "__main__":
    main()

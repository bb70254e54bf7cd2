"""The step in PyTorch: eager with its fused optimiser, and compiled.

Of the ways to run it, those that were the fastest on a CPU: images with channels last; and `torch.compile` of the whole
step as one function without side effects, which calls into C++ once, where `loss.backward()` and `optimizer.step()`
outside of the compiled part cost more than the network of a small step.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch._dynamo
import torch._inductor.config
from torch import nn
from torch.nn import functional as F

from .candidate import Candidate
from .cases import RESNET_BLOCKS, Case, Weights, fused, unfused

THREADS = 2
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
PLAIN = ("tokens.weight", "positions")


def from_numpy(weights: Weights) -> dict[str, torch.Tensor]:
    """Return weights in PyTorch's layout: a linear layer's is `[out, in]`."""
    turned = {name: w.T if w.ndim == 2 and name not in PLAIN else w for name, w in fused(weights).items()}
    return {name: torch.tensor(np.ascontiguousarray(w)) for name, w in turned.items()}


def to_numpy(weights: dict[str, torch.Tensor]) -> Weights:
    """Undo `from_numpy`."""
    arrays = {name: w.detach().numpy() for name, w in weights.items()}
    return unfused({name: w.T if w.ndim == 2 and name not in PLAIN else w for name, w in arrays.items()})


class Attention(nn.Module):
    """Causal attention with one layer for queries, keys and values, and PyTorch's fused kernel."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.all, self.output = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what comes of `x`."""
        parts = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.all(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.output(y.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """`nn.TransformerBlock` of chainrule: the normalisation comes first."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(d), Attention(d, heads), nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what comes of `x`."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """The language model."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.tokens = nn.Embedding(case.vocabulary, case.width)
        self.positions = nn.Parameter(torch.zeros(case.tokens, case.width))
        self.blocks = nn.ModuleList([Block(case.width, case.heads) for _ in range(case.depth)])
        self.norm, self.head = nn.LayerNorm(case.width), nn.Linear(case.width, case.vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what comes of `x`."""
        h = self.tokens(x) + self.positions
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def norm(channels: int) -> nn.BatchNorm2d:
    """Return a normalisation of batches without running averages, which `torch.func` cannot write to."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


class Residual(nn.Module):
    """Two convolutions with batch normalisation, and what goes past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm1, self.norm2 = norm(outputs), norm(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride=stride) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what comes of `x`."""
        y = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class ResNet(nn.Module):
    """ResNet-8 for images of 32×32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), norm(16)
        self.blocks = nn.Sequential(*(Residual(*block) for block in RESNET_BLOCKS))
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes."""
        return self.head(self.blocks(F.relu(self.norm(self.first(x)))).mean((2, 3)))


class Recurrent(nn.Module):
    """An LSTM whose last state a linear layer classifies."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.cell = nn.LSTM(case.width, case.width, batch_first=True)
        self.head = nn.Linear(case.width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes."""
        return self.head(self.cell(x)[0][:, -1])


def network(case: Case) -> nn.Module:
    """Return the network of a case."""
    if case.kind == "gpt":
        return GPT(case)
    if case.kind == "mlp":
        layers: list[nn.Module] = []
        for n, m in pairwise(case.layers):
            layers += [nn.Linear(n, m), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
    if case.kind == "resnet":
        return ResNet()
    if case.kind == "lstm":
        return Recurrent(case)
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    classes = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*features, *classes)


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return images and the weights of convolutions with their channels last in memory."""
    return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x


def loss_of(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(scores.flatten(0, -2), y.flatten())


class Eager(Candidate):
    """The step as a program writes it, with the optimiser's fused kernel."""

    name = "PyTorch eager"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        torch.set_num_threads(THREADS)
        self.batches = [(channels_last(torch.tensor(x)), torch.tensor(y)) for x, y in case.batches()]
        self.start = from_numpy(case.weights())
        self.model = network(case).to(memory_format=torch.channels_last)
        kind = torch.optim.AdamW if case.decay else torch.optim.Adam
        self.optimizer = kind(self.model.parameters(), lr=case.lr, weight_decay=case.decay, fused=True)

    def reset(self) -> None:
        """Go back to the beginning."""
        self.model.load_state_dict(self.start)
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.rewind()

    def step(self) -> Any:
        """Take one step."""
        x, y = next(self.stream)
        self.optimizer.zero_grad(set_to_none=True)
        value = loss_of(self.model(x), y)
        value.backward()
        self.optimizer.step()
        return value

    def weights(self) -> Weights:
        """Return the weights."""
        return to_numpy(self.model.state_dict())


class Compiled(Candidate):
    """The whole step, gradient and Adam, as one compiled function that changes weights and moments in place."""

    name = "torch.compile"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        torch.set_num_threads(THREADS)
        # Processes that compile beside this one would go on running while others are timed.
        torch._inductor.config.compile_threads = 1
        torch._dynamo.reset()  # the function of each case counts as a recompilation of the last one's otherwise
        self.batches = [(channels_last(torch.tensor(x)), torch.tensor(y)) for x, y in case.batches()]
        self.start = {name: channels_last(w) for name, w in from_numpy(case.weights()).items()}
        self.p, self.m, self.v = ({name: torch.clone(w) for name, w in self.start.items()} for _ in range(3))
        self.t = torch.zeros(())
        self.function = torch.compile(self.written(), dynamic=False, fullgraph=True, options={"cpp_wrapper": True})

    def written(self) -> Any:
        """Return the step as a function of the state and a batch."""
        model, lr, decay = network(self.case), self.case.lr, self.case.decay

        def loss(p: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return loss_of(torch.func.functional_call(model, p, (x,)), y)

        def step(p: Any, m: Any, v: Any, t: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            g, value = torch.func.grad_and_value(loss)(p, x, y)
            t.add_(1)
            first, second = 1 - BETA1**t, torch.sqrt(1 - BETA2**t)
            for name in p:
                m[name].mul_(BETA1).add_(g[name], alpha=1 - BETA1)
                v[name].mul_(BETA2).addcmul_(g[name], g[name], value=1 - BETA2)
                change = m[name] / (v[name].sqrt() / second + EPS)
                p[name].mul_(1 - lr * decay).sub_(lr / first * change)
            return value

        return step

    def reset(self) -> None:
        """Go back to the beginning."""
        for name, w in self.start.items():
            self.p[name].copy_(w)
            self.m[name].zero_()
            self.v[name].zero_()
        self.t.zero_()
        self.rewind()

    def step(self) -> Any:
        """Take one step."""
        with torch.no_grad():
            return self.function(self.p, self.m, self.v, self.t, *next(self.stream))

    def weights(self) -> Weights:
        """Return the weights."""
        return to_numpy(self.p)
